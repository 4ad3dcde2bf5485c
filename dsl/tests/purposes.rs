//! Purposes: data is read only for what it may be used for, however many rules stand between.

#![expect(clippy::unwrap_used, reason = "what a test cannot go on without fails it")]

use sonder_dsl::diagnostic::Severity;
use sonder_dsl::model::{PluginDescription, Plugins};
use sonder_dsl::source::{SourceFile, SourceSet};
use sonder_dsl::{compile, compile_with};
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

/// The same, where `plugins/mail.wasm` can be sent a `message` with a `text`.
fn said_with_plugin(files: &[(&str, &str)]) -> Vec<String> {
    let own = |path: &str| files.iter().any(|(other, _)| *other == path);
    let all = BASE.iter().filter(|(path, _)| !own(path)).chain(files);
    let all = all.map(|(path, text)| SourceFile { path: (*path).to_owned(), text: (*text).to_owned() });
    let message = serde_json::json!({"message": {"type": "object", "properties": {"text": {"type": "string"}}}});
    let described = PluginDescription::of_actions(message.as_object().unwrap());
    let plugins = Plugins { described: [("plugins/mail.wasm".to_owned(), described)].into(), ..Plugins::default() };
    let compilation = compile_with(SourceSet::new(all.collect()), plugins);
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
}

/// Nothing holds it against what the data is for.
#[test]
fn a_destination_that_says_no_purposes_gets_restricted_data_with_a_warning() {
    let rules = "segment visitors { when did(visit) }\nsegment all { when did(free) }\ntrait plan_of = profile.plan";
    for (receives, restricted) in [
        ("segments: [all], events: [free], traits: [plan, plan_of]", None),
        ("segments: [all, visitors]", Some("the segment `visitors`")),
        ("events: [free, visit]", Some("the event `visit`")),
        ("events: [secret]", Some("the event `secret`")),
        ("traits: [plan, country]", Some("the profile's `country`")),
        ("segments: [visitors], events: [visit], traits: [country]", Some("the segment `visitors`")),
    ] {
        let open = format!("destination: d\nplugin: sonder/webhook@1\nreceives: {{{receives}}}");
        let expected: Vec<String> =
            restricted.iter().map(|data| format!("W0512 `d` does not say what it uses {data} for")).collect();
        assert_eq!(said(&[("rules/r.sonder", rules), ("destinations/d.yaml", &open)]), expected, "{receives}");
    }
    let all = said(&[
        ("consent.yaml", "purposes: [analytics]"),
        ("events/view.yaml", "event: view\npurposes: [analytics]"),
        ("destinations/d.yaml", "destination: d\nplugin: sonder/webhook@1\nreceives: {events: [view]}"),
    ]);
    assert_eq!(all, [""; 0], "it may be used for all that there is");
    let sent = "journey j { enter on visit as v\n send d.message { text: v.page } }";
    let journey = |purpose: &str| {
        said_with_plugin(&[
            ("events/visit.yaml", "event: visit\npurposes: [analytics]\nproperties: {page: {type: string}}"),
            ("rules/r.sonder", &sent.replace("{ enter", &format!("{{ {purpose}\n enter"))),
            ("destinations/d.yaml", "destination: d\nplugin: plugins/mail.wasm"),
        ])
    };
    assert_eq!(journey(""), ["W0512 `d` does not say what it uses the event `visit` for"]);
    assert_eq!(journey("purpose analytics"), [""; 0], "it is sent for that");
}

/// What the fields of a `send` read, and what leads to it where the journey says no purpose.
#[test]
fn a_journey_sends_what_allows_the_purposes_of_its_destination() {
    let mail = ("destinations/mail.yaml", "destination: mail\nplugin: plugins/mail.wasm\npurposes: [marketing]");
    let wide = "destination: wide\nplugin: plugins/mail.wasm\npurposes: [marketing, analytics]";
    let errors = |rules: &str| {
        let said = said_with_plugin(&[
            mail,
            ("destinations/wide.yaml", wide),
            ("events/visit.yaml", "event: visit\npurposes: [analytics]\nproperties: {page: {type: string}}"),
            ("rules/r.sonder", rules),
        ]);
        said.into_iter().filter(|it| it.starts_with("E")).collect::<Vec<_>>()
    };
    for sound in [
        "journey j { enter on view as v\n send mail.message { text: v.product } }",
        "journey j { enter on free\n send mail.message { text: profile.plan } }",
        "journey j { purpose marketing\n enter on view as v\n send wide.message { text: v.product } }",
        // Who comes behind the `if` does not come because of it.
        "journey j { enter on view\n if did(visit) { wait 1h }\n send mail.message { text: \"a\" } }",
        "journey j { enter on view\n wait for visit up to 1h { wait 1h } else {}\n send mail.message { text: \"a\" } }",
        "journey j { enter on view\n split { a 50% { send mail.message { text: \"a\" } } b 50% { } } }",
    ] {
        assert_eq!(errors(sound), [""; 0], "{sound}");
    }
    let sends = |data: &str, to: &str| format!("E0517 `j` sends {data} to `{to}` for `marketing`, which it is not for");
    for (wrong, data) in [
        ("journey j { enter on visit as v\n send mail.message { text: v.page } }", "the event `visit`"),
        ("journey j { enter on view\n send mail.message { text: profile.country } }", "the profile's `country`"),
        (
            "trait n = count(visit)\njourney j { enter on view\n send mail.message { text: if n > 1 then \"a\" else \"b\" } }",
            "the trait `n`",
        ),
        (
            "segment s { when did(visit) }\njourney j { enter on view\n send mail.message { text: if in(s) then \"a\" else \"b\" } }",
            "the segment `s`",
        ),
        ("journey j { enter on view\n send mail.message { text: last(visit.page) } }", "the event `visit`"),
    ] {
        assert_eq!(errors(wrong), [sends(data, "mail")], "{wrong}");
    }
    let for_one = "trait n = count(view)\nsegment s { purpose analytics when n > 1 }\n\
        journey j { purpose analytics\n enter on view\n send wide.message { text: if in(s) then \"a\" else \"b\" } }";
    assert_eq!(errors(for_one), [sends("the segment `s`", "wide")], "for all purposes of the destination");

    let found =
        |data: &str| format!("E0517 `j` finds out with {data} to whom it sends for `marketing`, which it is not for");
    for (wrong, data) in [
        ("journey j { enter on visit\n send mail.message { text: \"a\" } }", "the event `visit`"),
        (
            "journey j { enter when profile.country == \"NL\"\n send mail.message { text: \"a\" } }",
            "the profile's `country`",
        ),
        (
            "segment s { purpose analytics when did(view) }\njourney j { enter when in(s)\n send mail.message { text: \"a\" } }",
            "the segment `s`",
        ),
        (
            "journey j { enter on view\n if did(visit) { wait 1h\n send mail.message { text: \"a\" } } }",
            "the event `visit`",
        ),
        (
            "journey j { enter on view\n if did(visit) { exit }\n send mail.message { text: \"a\" } }",
            "the event `visit`",
        ),
        (
            "journey j { enter on view\n wait for visit up to 1h { } else { send mail.message { text: \"a\" } } }",
            "the event `visit`",
        ),
    ] {
        assert_eq!(errors(wrong), [found(data)], "{wrong}");
    }

    let others = "journey j { purpose analytics\n enter on view\n send mail.message { text: \"a\" } }";
    assert_eq!(errors(others), ["E0518 `j` is for `analytics`, and sends to `mail`, which is not"]);
}

/// What a journey sets carries the purposes of what it is made of.
#[test]
fn a_trait_that_a_journey_sets_is_for_no_more_than_what_it_is_made_of() {
    let errors = |purposes: &str, rules: &str| {
        let profile = format!(
            "traits:\n  country: {{type: string, purposes: [analytics]}}\n  flag: {{type: boolean{purposes}}}\n  note: {{type: string}}"
        );
        said(&[("profile.yaml", &profile), ("rules/r.sonder", rules)])
    };
    let both = ", purposes: [analytics, marketing]";
    for (purposes, sound) in [
        (both, "journey j { enter on view\n set trait flag = true }"),
        (", purposes: [analytics]", "journey j { enter on visit\n set trait flag = true }"),
        (", purposes: [marketing]", "journey j { purpose marketing\n enter on view\n set trait flag = true }"),
        ("", "journey j { enter on visit\n set trait flag = true }\nsegment s { purpose analytics when profile.flag }"),
        (
            "",
            "journey j { enter when not profile.flag\n set trait flag = true }\nsegment s { purpose analytics when profile.flag }",
        ),
        (both, "journey j { enter on view\n if did(visit) { wait 1h }\n set trait flag = true }"),
    ] {
        assert_eq!(errors(purposes, sound), [""; 0], "{sound}");
    }
    let made =
        |data: &str| [format!("E0519 `flag` may be used for `marketing`, and {data}, which it is set from, may not")];
    for (wrong, data) in [
        ("journey j { enter on visit\n set trait flag = true }", "the event `visit`"),
        ("journey j { enter on view\n set trait flag = profile.country == \"NL\" }", "the profile's `country`"),
        ("journey j { enter when did(visit)\n set trait flag = true }", "the event `visit`"),
        ("journey j { enter on view\n if did(visit) { set trait flag = true } }", "the event `visit`"),
        (
            "journey j { enter on view\n wait until did(visit) up to 1d { set trait flag = true } else {} }",
            "the event `visit`",
        ),
    ] {
        assert_eq!(errors(both, wrong), made(data), "{wrong}");
    }
    let own = "journey j { purpose analytics\n enter on view\n set trait flag = true }";
    let message = "E0519 `flag` may be used for `marketing`, and `j`, which sets it, is not for that";
    assert_eq!(errors(both, own), [message]);

    // One that does not say what it may be used for takes on what it is set from.
    for (setting, data) in [
        ("journey j { enter on visit\n set trait flag = true }", "the event `visit`"),
        (own, "the journey `j`"),
        // Round in a circle, and out of it.
        (
            "segment r { when profile.flag or profile.note == \"a\" }\n\
             journey j { enter when in(r)\n set trait note = \"a\"\n set trait flag = true }\n\
             journey k { enter on visit\n set trait note = \"b\" }",
            "the event `visit`",
        ),
    ] {
        let rules = format!("{setting}\nsegment s {{ purpose marketing when profile.flag }}");
        let expected = [format!("E0510 `s` is for `marketing`, and reads {data}, which is not")];
        assert_eq!(errors("", &rules), expected, "{rules}");
    }
}

/// A trait that is read from properties is for what all events that declare them are for.
#[test]
fn a_trait_that_is_read_from_events_is_for_what_they_are_for() {
    let errors = |kept: &str, rules: &str| {
        said(&[
            ("events/visit.yaml", "event: visit\npurposes: [analytics]\nproperties: {page: {type: string}}"),
            ("profile.yaml", &format!("traits:\n  seen: {{type: string, {kept}}}")),
            ("rules/r.sonder", rules),
        ])
    };
    let reads = |purpose: &str| format!("segment s {{ purpose {purpose} when profile.seen == \"a\" }}");
    for (kept, purpose) in [
        ("from: [properties.page]", "analytics"),
        ("from: [properties.product]", "marketing"),
        ("from: [properties.product, traits.seen], purposes: [marketing]", "marketing"),
        // Nobody declares it, and `traits` are for what they say.
        ("from: [properties.nothing]", "marketing"),
        ("from: [traits.page], purposes: [marketing]", "marketing"),
        ("from: [context.page.path]", "marketing"),
    ] {
        assert_eq!(errors(kept, &reads(purpose)), [""; 0], "{kept}");
    }
    for kept in ["from: [properties.page]", "from: [traits.seen, properties.page.path], purposes: [marketing]"] {
        let expected = ["E0510 `s` is for `marketing`, and reads the event `visit`, which is not"];
        assert_eq!(errors(kept, &reads("marketing")), expected, "{kept}");
    }
    let narrowed = errors("from: [properties.product], purposes: [marketing]", &reads("analytics"));
    assert_eq!(narrowed, ["E0510 `s` is for `analytics`, and reads the profile's `seen`, which is not"]);
    let received = said(&[
        ("events/visit.yaml", "event: visit\npurposes: [analytics]\nproperties: {page: {type: string}}"),
        ("profile.yaml", "traits:\n  seen: {type: string, from: [properties.page]}"),
        (
            "destinations/d.yaml",
            "destination: d\nplugin: sonder/webhook@1\npurposes: [marketing]\nreceives: {traits: [seen]}",
        ),
    ]);
    assert_eq!(received, ["E0511 `d` gets the profile's `seen` for `marketing`, which it is not for"]);
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
