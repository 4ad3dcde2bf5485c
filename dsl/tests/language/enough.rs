//! How much of a count matters.

use super::program;

/// `enough` of the only aggregate.
fn enough(rules: &str) -> Option<u32> {
    let program = program(rules);
    assert_eq!(program.aggregates.len(), 1, "{rules}");
    program.aggregates[0].enough
}

#[test]
fn comparisons_with_numbers_need_no_more_than_the_number() {
    for (condition, bound) in [
        ("count(view) >= 3", 3),
        ("count(view) > 3", 4),
        ("count(view) == 2", 3),
        ("count(view) != 2", 3),
        ("count(view) < 3", 3),
        ("count(view) <= 3", 4),
        ("3 <= count(view)", 3),
        ("3 < count(view)", 4),
        ("3 > count(view)", 3),
        ("count(view) >= 2.5", 3),
        ("count(view) > 2.5", 3),
        ("count(view) >= 0", 1),
        ("count(view) > -7", 1),
        ("count(view, per product) >= 5", 5),
        ("count(view) >= 3 and not count(view) > 7 or count(view) == 2", 8),
        ("did(view)", 1),
        ("not did(view)", 1),
        ("if count(view) > 3 then true else false", 4),
        ("count(view) is known", 1),
    ] {
        assert_eq!(enough(&format!("segment s {{ when {condition} }}")), Some(bound), "{condition}");
    }
}

#[test]
fn the_largest_of_all_rules_counts() {
    assert_eq!(enough("segment a { when count(view) >= 3 }\nsegment b { when count(view) >= 10 }"), Some(10));
}

#[test]
fn where_the_number_itself_is_used_everything_counts() {
    for rules in [
        "trait t = count(view)",
        "segment a { when count(view) >= 3 }\ntrait t = count(view)",
        "segment a { when count(view) + 1 >= 3 }",
        "segment a { when count(view) * 2 >= 3 }",
        "segment a { when count(view) > count(view) }",
        "segment a { when count(view) > profile.age }",
        "segment a { when count(view) / 2 > 1 }",
        "segment a { when (count(view) or 0) > 1 }",
        "segment a { when (if true then count(view) else 0) > 1 }",
        "segment a { when count(view) > 4294967296 }",
        "trait t = sum(order.total)",
        "segment a { when sum(order.total) > 3 }",
        "segment a { when distinct(view.product) >= 3 }",
        "segment a { when since(view) > 3d }",
    ] {
        assert_eq!(enough(rules), None, "{rules}");
    }
}
