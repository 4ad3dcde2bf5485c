//! Every question about every place of every text has an answer, and the server lives on.

use super::Fixture;
use proptest::prelude::*;
use sonder_dsl::ide;

/// Pieces of rules and of YAML; whatever order they come in, somebody may be typing it.
const PIECES: &[&str] = &[
    "segment s {",
    "trait t = ",
    "journey j {",
    "funnel f {",
    "experiment x {",
    "experience e {",
    "predict p {",
    "when ",
    "purpose ",
    "enter on order as o per o.item.sku ",
    "wait for ",
    "wait until ",
    " up to 1d {",
    "} else {",
    "send mail.message { to: o.email, ",
    "split { 10% a {} 90% b {",
    "set trait country = ",
    "did(order where state == \"paid\"",
    "count(view, per product, last 7d) >= 3 ",
    "sequence(view as v then order where v.product",
    "sum(order.total)",
    "in(buyers)",
    "profile.",
    "context.device.",
    "order.item.",
    "if spent > 3 then ",
    " else ",
    "and not ",
    "is known ",
    "next 7d",
    "show { a: recommend(also_viewed, ",
    "variants a 50%, b 50% ",
    "by context.device.type, ",
    "label ",
    "\"text ",
    "# comment ",
    "(",
    ")",
    "{",
    "}",
    ",",
    ".",
    "..",
    "\"",
    "\n",
    "\r\n",
    "\t",
    "é😀",
    "\u{1}",
    "event: order\n",
    "properties:\n  a: {type: string, enum: [a, ",
    "receives:\n  segments: [",
    "steps:\n  - at: 9\n    expect: {segments: {in: [",
    "- ",
    "  ",
    ": ",
    "[",
    "]",
    "&a *a <<: *a ",
    "? ",
    "| ",
];

const PATHS: [&str; 7] = [
    "rules/mine.sonder",
    "events/order.yaml",
    "profile.yaml",
    "destinations/mail.yaml",
    "tests/some.yaml",
    "sonder.yaml",
    "elsewhere.txt",
];

fn text() -> impl Strategy<Value = String> {
    let soup = prop::collection::vec(prop::sample::select(PIECES), 0..25).prop_map(|pieces| pieces.concat());
    prop_oneof![4 => soup, 1 => any::<String>()]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 250, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_question_has_an_answer(text in text(), path in prop::sample::select(PATHS.to_vec()), at in any::<prop::sample::Index>()) {
        // Also offsets inside of a character, which no editor sends.
        let offset = at.index(text.len() + 2);
        let mut fixture = Fixture::new(path, &format!("$0{text}"));
        fixture.offset = offset;
        fixture.completions();
        fixture.hover();
        fixture.definition();
        fixture.references();
        let (project, file) = (fixture.project(), fixture.file());
        // What they say is of no matter here.
        drop((ide::symbols(&project, file), ide::renamable(&project, file, offset)));
        drop(ide::rename(&project, file, offset, "fresh"));
        for fold in ide::folds(&text) {
            prop_assert!(text.get(fold.start..fold.end).is_some(), "folds end between characters");
        }
        if let Some(found) = project.symbol_at(file, offset) {
            let span = found.span;
            prop_assert!(text.get(span.start as usize..span.end as usize).is_some());
        }
    }
}
