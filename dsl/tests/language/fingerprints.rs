//! Fingerprints stand for meaning: nothing else changes them, and every change of meaning does.

use super::{compiled_files, program};
use proptest::prelude::*;
use sonder_dsl::ir::{Program, print};
use std::collections::BTreeMap;

const RULES: [&str; 7] = [
    "segment keen \"k\" { purpose marketing when count(view where category == \"a\", last 24h) >= 3 and not in(buyers) }",
    "segment buyers { when did(order, last 24h) or profile.plan == \"pro\" }",
    "segment followed { when sequence(view as v then add where product == v.product within 1h) }",
    "trait spent = sum(order.total)",
    "trait level = if spent > 100 then \"high\" else \"low\"",
    "trait idle = since(view where context.device.type == \"mobile\")",
    "trait dearest = max(view.price, since 2026-01-01, per product)",
];

/// Fingerprints by name, and those of aggregates by what they ask.
fn fingerprints(program: &Program) -> BTreeMap<String, u64> {
    let rules = program.rules.iter().map(|rule| (rule.name.clone(), rule.fingerprint.0));
    let aggregates = program
        .aggregates
        .iter()
        .map(|aggregate| (print::aggregate(program, aggregate).to_string(), aggregate.fingerprint.0));
    rules.chain(aggregates).collect()
}

fn original() -> BTreeMap<String, u64> {
    fingerprints(&program(&RULES.join("\n")))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn layout_files_and_order_make_no_difference(
        order in Just((0..RULES.len()).collect::<Vec<_>>()).prop_shuffle(),
        files in prop::collection::vec(0_usize..4, RULES.len()),
        gaps in prop::collection::vec(prop::sample::select(vec!["  ", "\n", "\t", " # a comment\n", "\r\n  "]), 16),
    ) {
        let mut texts = vec![String::new(); 4];
        for index in order {
            let text = &mut texts[files[index]];
            let mut gaps = gaps.iter().cycle();
            // A gap wherever a space stands outside of quotes.
            for (part, piece) in RULES[index].split('"').enumerate() {
                let quote = if part == 0 { "" } else { "\"" };
                text.push_str(quote);
                let spaced = piece.split(' ').collect::<Vec<_>>();
                let gap = if part % 2 == 0 { gaps.next().copied().unwrap_or(" ") } else { " " };
                text.push_str(&spaced.join(gap));
            }
            text.push('\n');
        }
        let paths = ["rules/z.sonder", "rules/a.sonder", "rules/b/c.sonder", "rules/b/a.sonder"];
        let files: Vec<(&str, &str)> = paths.into_iter().zip(texts.iter().map(String::as_str)).collect();
        let compilation = compiled_files(&files);
        prop_assert_eq!(super::without_meaning(&compilation), [""; 0]);
        let again = compilation.program.unwrap();
        prop_assert_eq!(fingerprints(&again), original());
        let names: Vec<&str> = again.rules.iter().map(|rule| rule.name.as_str()).collect();
        let first = program(&RULES.join("\n"));
        prop_assert_eq!(names, first.rules.iter().map(|rule| rule.name.as_str()).collect::<Vec<_>>());
        prop_assert_eq!(&again.aggregates, &first.aggregates);
    }
}

#[test]
fn a_change_of_meaning_changes_them() {
    let original = original();
    for (rule, from, to) in [
        ("keen", ">= 3", ">= 4"),
        ("keen", "last 24h", "last 25h"),
        ("keen", "category == \"a\"", "category == \"b\""),
        ("keen", "and not", "and"),
        ("keen", "marketing", "service"),
        ("keen", "count(view", "count(add where product is known or true) + count(view"),
        ("buyers", "or profile.plan", "and profile.plan"),
        ("buyers", "\"pro\"", "\"free\""),
        ("buyers", "did(order", "did(add"),
        ("followed", "within 1h", "within 2h"),
        ("followed", "within 1h", ""),
        ("followed", "within 1h", "within 1h then no order for 1h"),
        ("followed", "view as v then add", "add as v then add"),
        ("spent", "sum", "max"),
        ("spent", "total)", "tax)"),
        ("level", "\"high\"", "\"top\""),
        ("idle", "device.type", "device.model"),
        ("dearest", ", per product", ""),
        ("dearest", "per product", "per category"),
        ("dearest", "2026-01-01", "2026-01-02"),
    ] {
        let changed: Vec<String> = RULES
            .iter()
            .map(
                |text| {
                    if text.split(' ').nth(1) == Some(rule) { text.replacen(from, to, 1) } else { (*text).to_owned() }
                },
            )
            .collect();
        assert_ne!(changed, RULES, "{rule}: {from}");
        let changed = fingerprints(&program(&changed.join("\n")));
        assert_ne!(changed[rule], original[rule], "{rule}: {from} -> {to}");
    }
}

#[test]
fn a_change_of_what_a_rule_reads_changes_it_too() {
    let original = original();
    let changed = RULES.join("\n").replace("sum(order.total)", "sum(order.tax)");
    let changed = fingerprints(&program(&changed));
    assert_ne!(changed["level"], original["level"]);
    assert_eq!(changed["keen"], original["keen"]);
}

#[test]
fn names_of_rules_and_descriptions_are_no_meaning() {
    let original = original();
    let renamed = RULES.join("\n").replace("spent", "total_spent").replace("\"k\"", "\"other\"");
    let renamed = fingerprints(&program(&renamed));
    assert_eq!(renamed["total_spent"], original["spent"]);
    assert_eq!(renamed["level"], original["level"]);
    assert_eq!(renamed["keen"], original["keen"]);
}

#[test]
fn two_rules_of_different_meaning_differ() {
    let all = original();
    let mut values: Vec<u64> = all.values().copied().collect();
    values.sort_unstable();
    values.dedup();
    assert_eq!(values.len(), all.len());
}
