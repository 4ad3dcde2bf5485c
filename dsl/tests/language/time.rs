//! Windows, and values that move with the clock.

use super::{condition_errors, errors, program, told};

#[test]
fn windows_that_are_none() {
    spec!(told(
        &[
            "count(view, last 7d, last 1d) > 1",
            "count(view, last 7d, since 2026-01-01) > 1",
            "count(view, per product, per category) > 1",
            "count(view, per tags) > 1",
            "count(view, per colour) > 1",
            "count(any, per product) > 1",
            "count(view, last 0d) > 1",
            "count(view, next 7d) > 1",
            "count(view, this session, last 1d) > 1",
            "top(view.product, per category) == \"a\"",
            "count(view last 7d) > 1",
            "profile.age > 3 last 7d",
            "in(a) last 7d",
        ],
        condition_errors
    ));
}

#[test]
fn what_moves_with_the_clock_is_compared_where_the_moment_is_exact() {
    for allowed in [
        "since(view) > 3d",
        "3d < since(view)",
        "since(view) + 1d > 3d",
        "7d - since(view) < 1d",
        "since(view) - since(order) > 1d",
        "since(view) - since(order) == 1d",
        "since(view) > since(order)",
        "-since(view) < 3d",
        "(since(view) or 30d) > 7d",
        "(if did(view) then since(view) else since(add)) > 7d",
        "since(view) > 3d / 2",
        "since(view) is known",
        "since(view, last 7d, per product) > 1d",
    ] {
        assert_eq!(condition_errors(allowed), [""; 0], "{allowed}");
    }
}

#[test]
fn what_moves_otherwise_is_refused() {
    for refused in [
        "since(view) + since(order) > 3d",
        "since(view) * 2 > 3d",
        "since(view) / 2 > 3d",
        "since(view) / 1d > 3",
        "3d / since(view) > 3",
        "since(view) == 3d",
        "since(view) != 3d",
        "since(view) > 3d - since(order)",
        "since(view) > -since(order)",
        "(since(view) or 3d) == 3d",
        "(if did(view) then since(view) else 7d - since(view)) > since(add)",
    ] {
        let found = condition_errors(refused);
        assert!(matches!(found.as_slice(), [only] if only.starts_with("E0214 ")), "{refused}: {found:?}");
    }
    let through_a_trait = "trait idle = since(view)\nsegment s { when idle * 2 > 3d }";
    assert_eq!(errors(through_a_trait).len(), 1);
}

#[test]
fn a_rule_says_that_it_varies_with_the_clock_alone() {
    let program = program(
        "trait idle = since(view)\ntrait left = 7d - idle\ntrait gap = since(view) - since(order)\nsegment quiet { when idle > 3d }\ntrait n = count(view, last 1d)",
    );
    let moving: Vec<&str> =
        program.rules.iter().filter(|rule| rule.continuous).map(|rule| rule.name.as_str()).collect();
    assert_eq!(moving, ["idle", "left"]);
}
