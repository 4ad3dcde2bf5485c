//! The schemas of quarantine.

use super::explained::one_of;
use super::schemas::{Named, closed, flag, list_of, moment, object, of, or_null, text, whole};
use crate::limits;
use serde_json::{Value as Json, json};
use sonder_core::message::limits::PATCH_PLACE_BYTES;

pub(super) fn schemas() -> Named {
    let count = || list_of(&object(&[("code", text()), ("count", whole())]));
    let reason = || object(&[("code", text()), ("path", or_null(&text())), ("message", text())]);
    vec![
        (
            "Quarantine",
            object(&[
                ("total", whole()),
                ("reasons", count()),
                ("groups", list_of(&group())),
                ("messages", list_of(&of("Quarantined"))),
                ("next", or_null(&whole())),
            ]),
        ),
        (
            "Quarantined",
            object(&[
                ("id", whole()),
                ("received_at", moment()),
                ("source", text()),
                ("name", or_null(&text())),
                ("message_id", or_null(&text())),
                ("reasons", list_of(&reason())),
                ("payload", of("Value")),
            ]),
        ),
        ("QuarantineReplay", replay()),
        ("QuarantineDismissal", dismissal()),
        ("QuarantineDismissed", object(&[("dry_run", flag()), ("dismissed", whole()), ("next", or_null(&whole()))])),
        ("Patch", patch()),
        (
            "QuarantineReplayed",
            object(&[
                ("dry_run", flag()),
                ("matched", whole()),
                ("replayed", whole()),
                ("duplicates", whole()),
                ("erased", whole()),
                ("without_consent", whole()),
                ("refused", whole()),
                ("reasons", count()),
                ("samples", list_of(&sample(&reason()))),
                ("next", or_null(&whole())),
            ]),
        ),
    ]
}

fn group() -> Json {
    object(&[
        ("code", text()),
        ("path", or_null(&text())),
        ("name", or_null(&text())),
        ("source", text()),
        ("count", whole()),
        ("first_at", moment()),
        ("last_at", moment()),
        ("message", text()),
        ("last", whole()),
    ])
}

fn sample(reason: &Json) -> Json {
    let outcome = one_of(&["replayed", "duplicate", "erased", "without_consent", "refused"]);
    object(&[
        ("id", whole()),
        ("name", or_null(&text())),
        ("outcome", outcome),
        ("reasons", list_of(reason)),
        ("payload", of("Value")),
    ])
}

/// Which messages, as a body says it.
fn selection() -> Vec<(&'static str, Json)> {
    let filter = || or_null(&json!({ "type": "string", "maxLength": limits::FILTER_CHARS }));
    let place = json!({ "type": "integer", "minimum": 0, "maximum": i64::MAX });
    let ids = json!({ "type": "array", "items": place, "maxItems": limits::REPLAY_IDS,
        "description": "Only these; all that match the rest where there are none." });
    let limit =
        json!({ "type": "integer", "minimum": 1, "maximum": limits::REPLAY_MOST, "default": limits::PAGE_MOST });
    vec![
        ("ids", ids),
        ("reason", filter()),
        ("source", filter()),
        ("name", filter()),
        ("after", place),
        ("limit", limit),
    ]
}

fn replay() -> Json {
    let more = [("patch", of("Patch")), ("dry_run", flag()), ("silent", flag())];
    closed(&[selection(), more.into()].concat(), &[])
}

fn dismissal() -> Json {
    closed(&[selection(), vec![("dry_run", flag())]].concat(), &[])
}

fn patch() -> Json {
    let place = json!({ "type": "string", "pattern": "^/.*[^/]$", "maxLength": PATCH_PLACE_BYTES });
    let places = |value: Json| json!({ "type": "object", "propertyNames": place, "additionalProperties": value });
    let kind = one_of(&["string", "number", "integer", "boolean", "datetime"]);
    closed(
        &[
            ("rename", places(place.clone())),
            ("set", places(json!({}))),
            ("default", places(json!({}))),
            ("cast", places(kind)),
            ("remove", list_of(&place)),
        ],
        &[],
    )
}
