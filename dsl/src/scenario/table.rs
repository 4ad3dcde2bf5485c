//! What a scenario file may hold.

use crate::shape::{Filled, Format, Key, Shape, Word};

/// The file.
pub const KEYS: &[Key] = &[
    Key::required("scenario", Shape::TEXT, "what it shows, in words; the name of the test"),
    Key::optional("description", Shape::TEXT, "why this matters"),
    Key::optional(
        "starts",
        Shape::TEXT,
        "the first day, such as `2026-03-01`, in the project's time zone; default 2026-01-05, a Monday",
    ),
    Key::optional(
        "region",
        Shape::NAME,
        "the region of the engine that it is played on; default the one for all others, or else the first by name",
    ),
    Key::optional("people", Shape::List(&Shape::Json, Filled::MayBeEmpty), "identifiers of people, to give anchors to"),
    Key::optional(
        "cases",
        Shape::Map(Format::Name, &Shape::Map(Format::Name, &Shape::Json)),
        "values to play it with, by the case's name: `{small: {total: 1}, big: {total: 1000}}`; steps name them as `$total`",
    ),
    Key::required(
        "steps",
        Shape::List(&Shape::Object(STEP), Filled::AtLeastOne),
        "what happens and what must hold, in the order of time",
    ),
    Key::optional("shuffle", Shape::Bool, "any other order of arrival must lead to the same end; default false"),
    Key::optional(
        "snapshot",
        Shape::Word(&[Word { word: "all", doc: "changes, deliveries, and everybody at the end" }]),
        "keep what happened in `tests/snapshots`",
    ),
];

/// One step.
pub const STEP: &[Key] = &[
    Key::required(
        "at",
        Shape::TEXT,
        "when: `09:30`, `day 2 09:30`, `+2h` after the step before, or `2026-03-01T09:30:00Z`",
    ),
    Key::optional(
        "send",
        Shape::Either(&[Shape::Map(Format::Any, &Shape::Json), Shape::List(&Shape::Json, Filled::AtLeastOne)]),
        "what arrives: identifiers, `event`, its properties; or a list of such",
    ),
    Key::optional(
        "fixture",
        Shape::Either(&[Shape::TEXT, Shape::List(&Shape::TEXT, Filled::AtLeastOne)]),
        "files of messages that arrive then, one JSON object a line, as paths in the project: `tests/orders.ndjson`",
    ),
    Key::optional(
        "answers",
        Shape::Map(Format::Name, &Shape::TEXT),
        "what destinations answer from then on: `delivered`, as they do by default, `retry`, `retry after 30s`, or `rejected`",
    ),
    Key::optional(
        "expect",
        Shape::Either(&[Shape::Object(EXPECT), Shape::List(&Shape::Object(EXPECT), Filled::AtLeastOne)]),
        "what must hold then; or a list of such",
    ),
];

/// One expectation.
pub const EXPECT: &[Key] = &[
    Key::optional(
        "person",
        Shape::Map(Format::Any, &Shape::Json),
        "about whom, by identifiers; default whoever sent last",
    ),
    Key::optional(
        "segments",
        Shape::Either(&[Shape::NAMES, Shape::Object(MEMBERS)]),
        "the segments that the person is in: all of them as a list, or some as `{in: […], not: […]}`",
    ),
    Key::optional("traits", Shape::Map(Format::Name, &Shape::Json), "values of computed traits; `null` for unknown"),
    Key::optional(
        "because",
        Shape::Map(Format::Name, &Shape::List(&Shape::TEXT, Filled::MayBeEmpty)),
        "all conditions that decide a segment or trait, as `sonder explain` shows them: \
         `{abandoned_cart: [\"did(product_added)\", \"not did(order_completed)\"]}`",
    ),
    Key::optional("profile", Shape::Map(Format::Name, &Shape::Json), "values of the golden record; `null` for unknown"),
    Key::optional(
        "sent",
        Shape::List(&Shape::Json, Filled::MayBeEmpty),
        "all that destinations were told since this was expected last, in any order: \
         `{crm.segment_entered: abandoned_cart}`",
    ),
    Key::optional(
        "outcomes",
        Shape::Object(OUTCOMES),
        "what became of deliveries since this was expected last: each as in `sent`",
    ),
    Key::optional(
        "quarantined",
        Shape::List(&Shape::Json, Filled::MayBeEmpty),
        "all that was kept aside since this was expected last: a reason's code, or `{event: …, reason: …}`; \
         what belongs to another region is there as `other_region`",
    ),
    Key::optional(
        "journey",
        Shape::Map(Format::Name, &Shape::Json),
        "where the person is in journeys: `waiting`, or how they left: `converted`, `finished`, `exited`, `withdrawn`; \
         by the value that passages are told apart by, where the journey says `per`; `null` for never in it",
    ),
];

/// What became of deliveries.
pub const OUTCOMES: &[Key] = &[
    Key::optional("delivered", DELIVERIES, "all that were taken"),
    Key::optional("waiting", DELIVERIES, "all that wait now, to be tried again or for another one before them"),
    Key::optional("given_up", DELIVERIES, "all that were rejected, or tried too often"),
    Key::optional("recalled", DELIVERIES, "all that were called back while they waited"),
];

const DELIVERIES: Shape = Shape::List(&Shape::Json, Filled::MayBeEmpty);

/// Some segments.
pub const MEMBERS: &[Key] = &[
    Key::optional("in", Shape::NAMES, "they are in these"),
    Key::optional("not", Shape::NAMES, "they are not in these"),
];
