//! `sequence(…)`: whether steps happened in order.

use super::{Builtin, Takes};

pub(super) static BUILTIN: Builtin = Builtin {
    name: "sequence",
    signature: "sequence(A then B within 30m then no C for 1h)",
    takes: Takes::Steps,
    compares: false,
    per: false,
    meaning: "Whether these events happened in this order: each step is the earliest that fits after the step before it; the window bounds the first step.",
    examples: &[
        "segment abandoned { when sequence(add then no order for 30m, last 7d) }",
        "segment followed { when sequence(view as v then add where product == v.product within 1h) }",
    ],
};
