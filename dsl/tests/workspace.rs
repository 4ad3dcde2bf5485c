//! A workspace gives what compiling everything afresh gives, after whatever edits.

use proptest::prelude::*;
use sonder_dsl::source::{SourceFile, SourceSet};
use sonder_dsl::{Compilation, Workspace, compile};
use std::collections::BTreeMap;

const FILES: &[(&str, &[&str])] = &[
    ("sonder.yaml", &["name: shop\n", "name: shop\ntimezone: Europe/Amsterdam\n", "nam: shop\n"]),
    (
        "events/order.yaml",
        &[
            "event: order\nproperties: {total: {type: number, multipleOf: 0.01}}\n",
            "event: order\nproperties: {total: {type: string}}\n",
            "event: order\nproperties: {total: {typ: string}}\npurposes: [marketing]\n",
            "event: [order]\n",
        ],
    ),
    (
        "events/view.yaml",
        &[
            "event: view\nproperties: {mail: {type: string, identifier: email}}\n",
            "event: view\naliases: [order]\n",
            "event: view\n",
        ],
    ),
    ("events/zoom.yaml", &["event: zoom\n", "event: view\n"]),
    ("identity.yaml", &["identifiers: {email: {}}\n", "identifiers: {user_id: {}}\n"]),
    ("profile.yaml", &["traits: {country: {type: string}}\n", "traits: {country: {type: strng}}\n"]),
    (
        "rules/a.sonder",
        &[
            "segment buyers { when did(order) }\n",
            "\nsegment buyers { when did(ordr) }\n",
            "segment buyers { when }\ntrait spent = sum(order.total)\n",
        ],
    ),
    (
        "rules/b.sonder",
        &[
            "segment keen { when in(buyers) and did(view, last 7d) }\n",
            "segment keen { when spent > 3 }\ntrait spent = sum(order.total, last 7d)\n",
        ],
    ),
    (
        "destinations/crm.yaml",
        &["destination: crm\nplugin: sonder/webhook@1\nreceives: {segments: [buyers, keen], events: [view]}\n"],
    ),
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_workspace_is_never_behind(edits in prop::collection::vec((0..FILES.len(), 0..6_usize), 1..12)) {
        let mut workspace = Workspace::default();
        let mut files: BTreeMap<&str, &str> = FILES.iter().map(|(path, texts)| (*path, texts[0])).collect();
        for (file, choice) in edits {
            let (path, texts) = FILES[file];
            match texts.get(choice) {
                Some(text) => _ = files.insert(path, text),
                None => _ = files.remove(path),
            }
            let sources = || {
                let file = |(path, text): (&&str, &&str)| SourceFile { path: (*path).to_owned(), text: (*text).to_owned() };
                SourceSet::new(files.iter().map(file).collect())
            };
            let (again, afresh) = (workspace.compile(sources()), compile(sources()));
            prop_assert_eq!(&again.diagnostics, &afresh.diagnostics);
            prop_assert_eq!(shown(&again), shown(&afresh));
        }
    }
}

/// Items, sound and broken, that are put in, taken out and moved about in one file.
const ITEMS: &[&str] = &[
    "segment a \"é\" {\n  when did(order)\n}\n",
    "segment a{when did(order)}\n",
    "trait b = sum(order.total, last 7d) + if in(a) then 1 else 2\n",
    "segment c { when did(ordr) and in(a }\n",
    "segment d { when \"x }\n",
    "segment e { purpose x when did(order where total is > 3) }\n",
    "# a comment\n\n",
    "segmnt f { when did(order) }\n",
    "journey j { enter on order as o per o.total wait for order where total > o.total up to 2h { exit } else {} set trait x = 1 }\n",
    "funnel g { order then order where total > 3 within 7d by context.device.type }\n",
    "experiment h { variants x 50%, y 50% on order goal did(order, next 7d) }\n",
    "experience i { when in(a) show { variant: \"x\" } otherwise show { variant: b } }\n",
    "predict k { label not did(order, next 30d) for did(order, last 60d) from b, since(order) }\n",
    "}\n",
    "segment l {\n",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn items_move_about_in_their_file(texts in prop::collection::vec(prop::collection::vec(0..ITEMS.len(), 0..10), 2..6)) {
        let mut workspace = Workspace::default();
        for items in texts {
            let rules: String = items.iter().map(|item| ITEMS[*item]).collect();
            let file = |path: &str, text: &str| SourceFile { path: path.to_owned(), text: text.to_owned() };
            let event = "event: order\nproperties: {total: {type: number, multipleOf: 0.01}}\n";
            let sources = || SourceSet::new(vec![
                file("sonder.yaml", "name: shop\n"),
                file("events/order.yaml", event),
                file("rules/a.sonder", &rules),
            ]);
            let (again, afresh) = (workspace.compile(sources()), compile(sources()));
            prop_assert_eq!(&again.diagnostics, &afresh.diagnostics);
            prop_assert_eq!(shown(&again), shown(&afresh));
        }
    }
}

fn shown(compilation: &Compilation) -> Option<String> {
    compilation.program.as_ref().map(|program| format!("{program:?}"))
}

#[test]
fn lines_added_above_move_what_is_said() {
    let mut workspace = Workspace::default();
    let files = |rules: &str| {
        let file = |path: &str, text: &str| SourceFile { path: path.to_owned(), text: text.to_owned() };
        SourceSet::new(vec![file("sonder.yaml", "name: shop"), file("rules/a.sonder", rules)])
    };
    let line = |compilation: &Compilation| {
        let span = compilation.diagnostics[0].labels[0].span;
        compilation.sources.position(span.file, span.start).line
    };
    assert_eq!(line(&workspace.compile(files("segment a { when did(b) }"))), 1);
    assert_eq!(line(&workspace.compile(files("\n\nsegment a { when did(b) }"))), 3);
}
