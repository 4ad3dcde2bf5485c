use super::{Clock, DuckDb, lower, reads_consent};
use crate::ir::{Program, RuleId};
use crate::source::{SourceFile, SourceSet};
use crate::time::Moment;
use std::sync::Arc;

const NOW: Moment = Moment(1_772_359_200_000_000);

fn project(rules: &str) -> Arc<Program> {
    let file = |path: &str, text: &str| SourceFile { path: path.to_owned(), text: text.to_owned() };
    let compiled = crate::compile(SourceSet::new(vec![
        file("sonder.yaml", "name: sql\n"),
        file("consent.yaml", "purposes: [marketing]\n"),
        file("identity.yaml", "identifiers:\n  user_id: {}\n  anonymous_id: {}\n"),
        file("profile.yaml", "traits:\n  country: {type: string, merge: most_recent}\n"),
        file(
            "events/view.yaml",
            "event: view\nproperties:\n  category: {type: string, enum: [a, b, c]}\n  product: {type: string}\n  price: {type: number, multipleOf: 0.01}\n",
        ),
        file("events/add.yaml", "event: add\nproperties:\n  product: {type: string}\n"),
        file("events/order.yaml", "event: order\nproperties:\n  total: {type: number, multipleOf: 0.01}\n"),
        file("rules/r.sonder", rules),
    ]));
    compiled.program.unwrap_or_else(|| panic!("{:#?}", compiled.diagnostics))
}

fn sql(rules: &str, asked: &[&str]) -> String {
    let program = project(rules);
    let ids: Vec<RuleId> = asked.iter().map(|name| program.rule_named(name).unwrap().0).collect();
    lower(&program, &ids, Clock::At(NOW), &DuckDb).to_string()
}

#[test]
fn a_windowed_count_with_an_absence() {
    insta::assert_snapshot!(sql(
        r#"segment keen "k" { when count(view where category == "a", last 24h) >= 3 and not did(order, last 24h) }"#,
        &["keen"]
    ));
}

#[test]
fn aggregates_over_one_event_share_a_scan() {
    insta::assert_snapshot!(sql(
        "trait spent = sum(order.total)\ntrait orders = count(order)\nsegment recent \"r\" { when did(order, last 7d) }",
        &["spent", "orders", "recent"]
    ));
}

#[test]
fn the_largest_group_and_the_most_frequent_value() {
    insta::assert_snapshot!(sql(
        "segment stuck \"s\" { when count(view, per product, last 7d) >= 2 }\ntrait favourite = top(view.category, last 30d)",
        &["stuck", "favourite"]
    ));
}

#[test]
fn a_sequence_finds_the_earliest_fit_and_looks_for_what_must_not_come() {
    insta::assert_snapshot!(sql(
        "segment left \"l\" { when sequence(view as v then add where product == v.product within 1h then no order for 30m, last 7d) }",
        &["left"]
    ));
}

#[test]
fn the_current_session_is_found_once() {
    insta::assert_snapshot!(sql(
        "segment browsing \"b\" { when count(view where category == \"a\", this session) >= 3 and not did(order, this session) }\ntrait looked_at = top(view.category, this session)\nsegment left \"l\" { when sequence(add then no order for 10m, this session) }",
        &["browsing", "looked_at", "left"]
    ));
}

#[test]
fn the_longest_window_bounds_the_scan() {
    insta::assert_snapshot!(sql(
        "segment often \"o\" { when count(view, last 7d) > 5 and did(view where price > 10.00 or category == \"b\", last 30d) }",
        &["often"]
    ));
}

#[test]
fn a_funnel_counts_people_by_how_far_they_came() {
    let program = project(
        "funnel checkout \"c\" {\n  view as v then add where product == v.product within 1h then order\n  within 7d\n  by context.device.type, profile.country, v.category\n}",
    );
    let funnel = program.funnel_named("checkout").unwrap();
    insta::assert_snapshot!(super::lower_funnel(&program, funnel, Clock::At(NOW), &DuckDb).to_string());
}

#[test]
fn a_rule_that_others_read_is_named_once() {
    insta::assert_snapshot!(sql(
        "trait engagement = count(view, last 7d) + 5 * count(add, last 7d)\ntrait level = if engagement >= 50 then \"high\" else \"low\"\nsegment far \"f\" { when in(home) or level == \"high\" }\nsegment home \"h\" { when not (profile.country == \"NL\") }",
        &["engagement", "level", "far"]
    ));
}

#[test]
fn consent_is_read_where_a_rule_asks_for_it_or_has_a_purpose() {
    let program = project(
        "segment plain { when did(view) }\nsegment asks { when consented(marketing) }\nsegment through { when in(asks) and did(view) }\n\
         segment bound { purpose marketing when did(view) }\nsegment over { purpose marketing when in(bound) }",
    );
    let reads = |name: &str| reads_consent(&program, &[program.rule_named(name).unwrap().0]);
    assert!(!reads("plain"));
    for name in ["asks", "through", "bound", "over"] {
        assert!(reads(name), "{name}");
    }
}
