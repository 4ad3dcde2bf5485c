//! Purposes: data is read only for what it may be used for, however many rules stand between.

#![expect(clippy::unwrap_used, reason = "what a test cannot go on without fails it")]

use sonder_dsl::compile;
use sonder_dsl::diagnostic::Severity;
use sonder_dsl::source::{SourceFile, SourceSet};
use std::path::Path;

const BASE: &[(&str, &str)] = &[
    ("sonder.yaml", "name: shop"),
    ("events/view.yaml", "event: view\npurposes: [analytics, marketing]\nproperties: {product: {type: string}}"),
    ("events/visit.yaml", "event: visit\npurposes: [analytics]"),
    ("events/secret.yaml", "event: secret\npurposes: []"),
    ("events/free.yaml", "event: free"),
    ("profile.yaml", "traits:\n  country: {type: string, purposes: [analytics]}\n  plan: {type: string}"),
];

/// The codes of a project of these files and the base; with a message for errors.
fn said(files: &[(&str, &str)]) -> Vec<String> {
    let own = |path: &str| files.iter().any(|(other, _)| *other == path);
    let all = BASE.iter().filter(|(path, _)| !own(path)).chain(files);
    let all = all.map(|(path, text)| SourceFile { path: (*path).to_owned(), text: (*text).to_owned() });
    let compilation = compile(SourceSet::new(all.collect()));
    compilation.diagnostics.iter().map(|found| format!("{} {}", found.code, found.message)).collect()
}

fn rules(text: &str) -> Vec<String> {
    said(&[("rules/r.sonder", text)])
}

#[test]
fn a_rule_reads_what_allows_its_purpose() {
    for sound in [
        "segment s { purpose marketing when did(view) }",
        "segment s { purpose marketing when did(free) and profile.plan == \"pro\" }",
        "segment s { purpose analytics when did(visit) and profile.country == \"NL\" }",
        "segment s { when did(secret) or did(visit) or profile.country == \"NL\" }",
        "trait n = count(view)\nsegment s { purpose marketing when n > 3 }",
    ] {
        assert_eq!(rules(sound), [""; 0], "{sound}");
    }
    for (wrong, message) in [
        ("segment s { purpose marketing when did(visit) }", "the event `visit`"),
        ("segment s { purpose marketing when not did(view) or did(secret) }", "the event `secret`"),
        ("segment s { purpose marketing when count(any) > 3 }", "the event `secret`"),
        ("segment s { purpose marketing when sequence(view then no visit for 1h) }", "the event `visit`"),
        ("segment s { purpose marketing when profile.country == \"NL\" }", "the profile's `country`"),
        ("trait n = count(visit)\ntrait m = n + 1\nsegment s { purpose marketing when m > 3 }", "the event `visit`"),
        (
            "segment a { purpose analytics when did(view) }\nsegment s { purpose marketing when in(a) }",
            "the segment `a`",
        ),
    ] {
        assert_eq!(
            rules(wrong),
            [format!("E0510 `s` is for `marketing`, and reads {message}, which is not")],
            "{wrong}"
        );
    }
}

/// Journeys and the others, wherever in them the data is read.
#[test]
fn an_item_that_is_no_rule_reads_what_allows_its_purpose() {
    let errors = |text: &str| -> Vec<String> { rules(text).into_iter().filter(|it| it.starts_with("E")).collect() };
    let items = |event: &str, condition: &str| {
        [
            format!("journey j {{ purpose marketing\n enter on {event} as e\n wait 1h }}"),
            format!("journey j {{ purpose marketing\n enter on view as v\n goal {event}\n wait 1h }}"),
            format!("journey j {{ purpose marketing\n enter on view as v\n exit when {condition}\n wait 1h }}"),
            format!("journey j {{ purpose marketing\n enter when {condition}\n wait 1h }}"),
            format!(
                "journey j {{ purpose marketing\n enter on view as v\n wait for {event} up to 1h {{}} else {{}} }}"
            ),
            format!(
                "journey j {{ purpose marketing\n enter on view as v\n wait until {condition} up to 1h {{}} else {{}} }}"
            ),
            format!(
                "journey j {{ purpose marketing\n enter on view as v\n if {condition} {{ wait 1h }} else {{ wait 2h }} }}"
            ),
            format!("funnel j {{ purpose marketing\n view then {event}\n within 7d }}"),
            format!(
                "experiment j {{ purpose marketing\n variants a 50%, b 50%\n on {event}\n goal did(view, next 7d) }}"
            ),
            format!(
                "experience j {{ purpose marketing\n when {condition} show {{ a: \"b\" }}\n otherwise show {{ a: \"c\" }} }}"
            ),
            format!(
                "predict j {{ purpose marketing\n label not did(view, next 30d)\n for did(view, last 60d)\n from count({event}, last 7d) }}"
            ),
        ]
    };
    for sound in items("view", "did(view, last 1d)") {
        assert_eq!(errors(&sound), [""; 0], "{sound}");
    }
    for wrong in items("visit", "did(visit, last 1d)") {
        let expected = ["E0510 `j` is for `marketing`, and reads the event `visit`, which is not"];
        assert_eq!(errors(&wrong), expected, "{wrong}");
    }
    let through = "segment a { when did(visit) }\njourney j { purpose marketing\n enter when in(a)\n wait 1h }";
    assert_eq!(errors(through).len(), 1, "through a segment, too");
    let unnamed = "journey j { enter on visit as v\n wait 1h }";
    assert_eq!(errors(unnamed), [""; 0], "without a purpose, all may be read");
}

#[test]
fn a_destination_gets_what_allows_all_its_purposes() {
    let rules = "segment viewers { when did(view) }\nsegment visitors { when did(visit) }\ntrait visits = count(visit)";
    for (purposes, receives, wrong) in [
        ("[marketing]", "segments: [viewers], events: [view, free], traits: [plan]", [""; 0].to_vec()),
        ("[marketing]", "segments: [viewers, visitors]", vec!["the segment `visitors` for `marketing`"]),
        ("[analytics, marketing]", "segments: [visitors]", vec!["the segment `visitors` for `marketing`"]),
        ("[marketing]", "events: [visit]", vec!["the event `visit` for `marketing`"]),
        (
            "[marketing]",
            "traits: [country, visits]",
            vec!["the profile's `country` for `marketing`", "the trait `visits` for `marketing`"],
        ),
        ("[analytics]", "segments: [visitors], traits: [country, visits]", Vec::new()),
    ] {
        let text = format!("destination: d\nplugin: sonder/webhook@1\npurposes: {purposes}\nreceives: {{{receives}}}");
        let expected: Vec<String> =
            wrong.iter().map(|wrong| format!("E0511 `d` gets {wrong}, which it is not for")).collect();
        assert_eq!(said(&[("rules/r.sonder", rules), ("destinations/d.yaml", &text)]), expected, "{text}");
    }
    let open = "destination: d\nplugin: sonder/webhook@1\nreceives: {segments: [visitors]}";
    assert_eq!(said(&[("rules/r.sonder", rules), ("destinations/d.yaml", open)]), [""; 0]);
}

#[test]
fn consent_declares_the_names() {
    let rule = ("rules/r.sonder", "segment s { purpose marketing when did(view) }");
    for names in ["[analytics, marketing]", "{analytics: {}, marketing: {}}"] {
        assert_eq!(said(&[rule, ("consent.yaml", &format!("purposes: {names}"))]), [""; 0]);
    }
    let more = said(&[rule, ("consent.yaml", "purposes: {analytics: {}, marketing: {basis: consent}}")]);
    assert_eq!(more, ["E0401 `marketing` has no key `basis`"]);
    let missing = said(&[rule, ("consent.yaml", "purposes: [analytics]")]);
    assert_eq!(missing, ["E0512 there is no purpose `marketing`"; 2]);
    assert_eq!(said(&[rule, ("consent.yaml", "purposes: 3")])[0].get(..5), Some("E0402"));
    let silent = said(&[
        ("rules/r.sonder", "trait f = count(free)\nsegment s { purpose marketing when f > 3 }"),
        ("consent.yaml", "purposes: [analytics, marketing]"),
    ]);
    assert_eq!(silent, ["W0510 the event `free` does not say what it may be used for"]);
    for (wrong, message) in [
        ("regimes: [gdrp]", "E0405 there is no regime `gdrp`"),
        ("otherwise: mars", "E0405 there is no regime `mars`"),
        ("residence: [countri]", "E0431 there is no trait `countri`"),
        ("residence: [age]", "E0431 `age` is no text"),
        ("collection: {purpose: sale, without: strip}", "E0512 there is no purpose `sale`"),
    ] {
        let consent = format!("purposes: [analytics, marketing]\n{wrong}");
        let profile = ("profile.yaml", "traits: {country: {type: string}, age: {type: integer}}");
        assert_eq!(said(&[profile, ("consent.yaml", &consent)]), [message], "{wrong}");
    }
    let reserved = "E0405 a purpose cannot be named `anything`";
    assert_eq!(said(&[("consent.yaml", "purposes: [analytics, anything, marketing]")]), [reserved]);
    assert_eq!(said(&[("events/free.yaml", "event: free\npurposes: [anything]")]), [reserved], "nor without the file");
    let asked = said(&[
        ("rules/r.sonder", "segment s { when consented(marketng) and did(view) }"),
        ("consent.yaml", "purposes: [analytics, marketing]"),
    ]);
    assert_eq!(asked, ["E0512 there is no purpose `marketng`"]);
    let slip = rules("segment s { purpose marketting when did(free) }");
    assert_eq!(slip, ["W0511 the purpose `marketting` is used here only"]);
}

/// The examples and the projects of tests have neither errors nor conditions that decide nothing.
#[test]
fn the_projects_here_make_sense() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let examples = std::fs::read_dir(root.join("examples")).unwrap().map(|entry| entry.unwrap().path());
    let others = ["tests/projects/grocery", "tests/cases/project", "tests/sdk/project", "tests/bench/project"];
    let mut seen = 0;
    for folder in
        examples.chain(others.map(|folder| root.join(folder))).filter(|folder| folder.join("sonder.yaml").exists())
    {
        let mut files = Vec::new();
        read(&folder, &folder, &mut files);
        let compilation = compile(SourceSet::new(files));
        let wrong = |severity, code: &str| severity == Severity::Error || code.starts_with("W05");
        let wrong: Vec<_> = compilation.diagnostics.iter().filter(|found| wrong(found.severity, found.code)).collect();
        assert!(wrong.is_empty(), "{}: {wrong:#?}", folder.display());
        seen += 1;
    }
    assert!(seen >= 5);
}

fn read(root: &Path, folder: &Path, files: &mut Vec<SourceFile>) {
    for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            read(root, &path, files);
        } else if path.extension().is_some_and(|ending| ending == "yaml" || ending == "sonder") {
            let relative = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
            files.push(SourceFile { path: relative, text: std::fs::read_to_string(&path).unwrap() });
        }
    }
}
