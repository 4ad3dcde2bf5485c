//! What steps make a sequence, and which do not.

use super::{condition_errors, means, told};

#[test]
fn steps_may_be_written_in_any_order_of_their_parts() {
    assert_eq!(
        means("sequence(view where price > 1 as v then add within 30m where product == v.product)"),
        "sequence(view as step0 where price > 1 then add where product == step0.product within 30m)"
    );
}

#[test]
fn later_steps_name_all_earlier_ones() {
    assert_eq!(
        means(
            "sequence(view as v then add as a where product == v.product then no add where product == v.product and quantity > a.quantity for 1h)"
        ),
        "sequence(view as step0 then add as step1 where product == step0.product \
         then no add where product == step0.product and quantity > step1.quantity for 1h)"
    );
}

#[test]
fn steps_that_make_no_sequence() {
    spec!(told(
        &[
            "sequence()",
            "sequence(view)",
            "sequence(view, add)",
            "sequence(no view for 1h)",
            "sequence(view then no add then order)",
            "sequence(view then no add for 1h then order)",
            "sequence(view then no add)",
            "sequence(view then no add for 0s)",
            "sequence(view then no add within 1h for 2h)",
            "sequence(view then no add as a for 2h)",
            "sequence(view then add for 1h)",
            "sequence(view within 1h then add)",
            "sequence(view as v then add as v)",
            "sequence(view as product then add)",
            "sequence(view as profile then add)",
            "sequence(view as v where v.product == \"x\" then add)",
            "sequence(view then add where w.product == \"x\")",
            "sequence(view as v then add where product == v)",
            "sequence(view as v then add where product == v.prodct)",
            "sequence(view.product then add)",
            "sequence(view then add, per product)",
            "sequence(view where price > 1 where price > 2 then add)",
            "sequence(view then did(add))",
            "count(view then add) > 1",
            "count(no view) > 1",
            "count(view as v) > 1",
            "count(view within 1h) > 1",
            "count(view for 1h) > 1",
            "sequence(any as a then view where product == a.product)",
        ],
        condition_errors
    ));
}
