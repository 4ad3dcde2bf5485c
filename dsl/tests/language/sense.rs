//! Conditions that decide nothing: what is said of them, and what nothing is said of.

use super::{condition_errors, errors, told};

#[test]
fn what_never_holds() {
    spec!(told(
        &[
            "count(view) < 0",
            "0 > count(view)",
            "count(view, last 7d) == 2.5",
            "distinct(view.category) > 3",
            "distinct(view.sale) >= 3",
            "since(view, last 7d) >= 7d",
            "did(view where position > 10 and position < 5)",
            "did(view where position > 10 and position < 11)",
            "did(view where category == \"a\" and category == \"b\")",
            "did(view where (category == \"a\" or category == \"b\") and category == \"c\")",
            "did(view where price is unknown and price > 3)",
            "did(view where position > rating and position < rating)",
            "did(view where position != position)",
            "profile.country == \"NL\" and profile.country == \"BE\"",
            "profile.age > 30 and not (profile.age > 20)",
            "count(view) >= 3 and not did(order) and count(view) < 3",
            "did(view) and count(view where position > 1 and position < 0) >= 1",
            "sequence(add then no order for 7d, last 24h)",
            "sequence(view then add within 1h then no order for 24h, last 24h)",
            "sequence(view as v then add where product == v.product and product != v.product)",
            "(if did(view) then 1 else 2) > 2",
        ],
        condition_errors
    ));
}

#[test]
fn what_decides_nothing() {
    spec!(told(
        &[
            "count(view) >= 0",
            "count(view) >= 3 or count(view) < 3",
            "did(view) or did(view)",
            "did(view) and did(order) and did(view)",
            "count(view) is known",
            "(profile.age or 3) is unknown",
        ],
        condition_errors
    ));
    spec!(told(
        &[
            "trait t = if count(view) >= 10 then 1 else if count(view) >= 50 then 2 else 3",
            "trait t = if did(view) then 1 else if not did(view) then 2 else 3",
            "segment a { when false }\nsegment b { when in(a) and did(view) }",
            "segment a { when count(view) < 0 }\nsegment b { when in(a) or did(view) }",
            "trait n = count(view) + 5 * count(add)\nsegment b { when n < 0 }",
        ],
        errors
    ));
}

/// None of these is as silly as it may look.
#[test]
fn nothing_is_said_of_what_may_be_meant() {
    for condition in [
        "profile.age is known and profile.age > 3",
        "profile.age > 3 or profile.age <= 3",
        "not (profile.age > 3) and not (profile.age <= 3)",
        "did(view where price == price)",
        "count(view) >= 3 and count(view) >= 1",
        "count(view, last 1d) >= 3 and count(view, last 7d) < 3",
        "sequence(view then no view for 30m, last 7d)",
        "sequence(view then add within 0s)",
        "sequence(view then no order for 23h, last 24h)",
        "first(view.category) == \"a\" and last(view.category) == \"b\"",
        "sum(view.price) < 0",
        "avg(view.position) > 2 and min(view.position) > 3",
        "since(view) > since(order) and since(view) > 3d",
    ] {
        assert_eq!(condition_errors(condition), [""; 0], "{condition}");
    }
}
