//! Plans: what differs between two versions of a project, by meaning.

#![expect(clippy::unwrap_used, reason = "what a test cannot go on without fails it")]

use sonder_dsl::ir::Program;
use sonder_dsl::plan::compare;
use sonder_dsl::source::{SourceFile, SourceSet};
use sonder_dsl::{compile, diagnostic::Severity};
use std::fmt::Write as _;
use std::sync::Arc;

const BASE: &[(&str, &str)] = &[
    ("sonder.yaml", "name: shop"),
    ("profile.yaml", "traits:\n  email: {type: string, pii: contact}\n  plan: {type: string}"),
    ("events/view.yaml", "event: view\nproperties: {product: {type: string}, price: {type: integer}}"),
    (
        "events/order.yaml",
        "event: order\nversion: 1-0-0\nproperties: {total: {type: number}, state: {enum: [new, paid]}}",
    ),
    ("sources/web.yaml", "source: web\nkind: browser\nwrite_keys: [wk]"),
    (
        "rules/r.sonder",
        "segment keen { when count(view) >= 3 and not did(order, last 7d) }\n\
         segment buyers { when sum(order.total) > 10 }\n\
         trait views = count(view)\n\
         segment often { when views > 5 }\n\
         funnel bought { view then order within 1d }\n",
    ),
];

/// The base with these files instead of its own.
fn project(files: &[(&str, &str)]) -> Arc<Program> {
    let own = |path: &str| files.iter().any(|(other, _)| *other == path);
    let all = BASE.iter().filter(|(path, _)| !own(path)).chain(files);
    let all = all.map(|(path, text)| SourceFile { path: (*path).to_owned(), text: (*text).to_owned() });
    let compilation = compile(SourceSet::new(all.collect()));
    let errors: Vec<_> = compilation.diagnostics.iter().filter(|it| it.severity == Severity::Error).collect();
    assert!(errors.is_empty(), "{errors:?}");
    compilation.program.unwrap()
}

/// The changes in lines.
fn said(files: &[(&str, &str)]) -> String {
    let changes = compare(&project(&[]), &project(files));
    let mut page = String::new();
    for it in &changes.items {
        writeln!(page, "{:?} {} {} {:?}", it.change, it.kind.name(), it.name, it.words).unwrap();
    }
    for it in &changes.events {
        let parts: Vec<&str> = it.parts.iter().map(|part| part.words.as_str()).collect();
        let bump = it.compatibility;
        writeln!(page, "{:?} event {}: {bump:?}, proposed {:?}: {}", it.change, it.name, it.proposed, parts.join("; "))
            .unwrap();
    }
    for it in &changes.exposures {
        writeln!(page, "{} sees {} {:?} {:?}", it.destination, it.what, it.pii, it.purposes).unwrap();
    }
    changes.others.iter().for_each(|it| writeln!(page, "{it}").unwrap());
    assert_eq!(changes.is_empty(), page.is_empty());
    page
}

#[test]
fn another_look_is_no_change() {
    assert_eq!(said(&[]), "");
    let rules = BASE.iter().find(|(path, _)| *path == "rules/r.sonder").unwrap().1;
    let moved: Vec<&str> = rules.lines().rev().collect();
    let spaced = moved.join("\n\n# a comment\n").replace(" and ", "\n    and ");
    assert_eq!(said(&[("rules/r.sonder", ""), ("rules/other/place.sonder", &spaced)]), "");
}

#[test]
fn a_change_is_said_in_words() {
    insta::assert_snapshot!(
        "rules",
        said(&[(
            "rules/r.sonder",
            "segment keen { when count(view) >= 2 and not did(order, last 14d) }\n\
         segment spenders { when sum(order.total) > 10 }\n\
         trait views = count(view, last 30d)\n\
         segment often { when views > 5 }\n\
         segment fresh { when did(view, last 1d) }\n\
         funnel bought { view then order within 2d }\n",
        )])
    );
    insta::assert_snapshot!(
        "events",
        said(&[
            (
                "events/view.yaml",
                "event: view\nproperties: {product: {type: string}, price: {type: integer}, colour: {type: string}}\nrequired: [price]"
            ),
            (
                "events/order.yaml",
                "event: order\nversion: 1-0-1\nproperties: {total: {type: number}, state: {enum: [new, paid, sent]}}"
            ),
            ("events/visit.yaml", "event: visit"),
        ])
    );
    insta::assert_snapshot!(
        "names",
        said(&[(
            "rules/r.sonder",
            "segment lookers was keen { when count(view) >= 3 and not did(order, last 7d) }\n\
         segment spenders { when sum(order.total) > 10 }\n\
         trait looks was clicks, views = count(view, last 30d)\n\
         segment often { when looks > 5 }\n\
         funnel bought { view then order within 1d }\n",
        )])
    );
    insta::assert_snapshot!(
        "destinations",
        said(&[
            ("identity.yaml", "identifiers: {user_id: {unique: true}, anonymous_id: {}}"),
            (
                "destinations/crm.yaml",
                "destination: crm\nplugin: sonder/webhook@1\nallow: [\"crm.example\"]\nconfig: {url: \"https://crm.example/\", sign: false}\n\
             receives: {segments: [keen], traits: [email, views]}",
            ),
            ("sources/server.yaml", "source: server\nkind: server\nwrite_keys: [wk_server]"),
        ])
    );
}

#[test]
fn what_becomes_of_undeclared_properties_is_a_change() {
    let properties = "event: view\nproperties: {product: {type: string}, price: {type: integer}}\n";
    let [silent, open, closed] =
        ["", "additionalProperties: true", "additionalProperties: false"].map(|more| format!("{properties}{more}"));
    let of = |before: &str, after: &str| {
        let changes = compare(&project(&[("events/view.yaml", before)]), &project(&[("events/view.yaml", after)]));
        let [event] = changes.events.as_slice() else { panic!("{:?}", changes.events) };
        let words: Vec<_> = event.parts.iter().map(|part| part.words.clone()).collect();
        (words.join("; "), event.compatibility)
    };
    let left_out = "other properties of the event are left out of what is stored";
    assert_eq!(of(&open, &silent), (left_out.to_owned(), None));
    assert_eq!(of(&silent, &open), ("other properties of the event are stored".to_owned(), None));
    assert_eq!(of(&silent, &closed).1, of(&open, &closed).1);
    let fewer = "event: view\nproperties: {product: {type: string}}";
    assert_eq!(of(&silent, fewer).0, "`price` is no longer declared, and left out of what is stored");
}
