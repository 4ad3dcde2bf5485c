//! The schemas of matching.

use super::explained::one_of;
use super::schemas::{Named, closed, flag, id, list_of, moment, object, of, or_null, text, whole};
use crate::engine::PairState;
use crate::limits;
use serde_json::{Value as Json, json};

pub(super) fn schemas() -> Named {
    let number = || json!({ "type": "number" });
    let state = || one_of(&PairState::ALL.map(PairState::name));
    let note = || json!({ "type": "string", "minLength": 1, "maxLength": limits::FILTER_CHARS });
    let pair_id = || json!({ "type": "string", "pattern": "^[0-9a-f]{12}$" });
    let two = |schema: &Json| json!({ "type": "array", "items": schema, "minItems": 2, "maxItems": 2 });
    vec![
        ("MatchAsked", closed(&[], &[])),
        (
            "Matching",
            object(&[
                ("declared", flag()),
                ("every", or_null(&text())),
                ("next_at", or_null(&moment())),
                ("running_since", or_null(&moment())),
                ("failure", or_null(&text())),
                ("runs", list_of(&of("MatchRun"))),
            ]),
        ),
        (
            "MatchRun",
            object(&[
                ("id", text()),
                ("began_at", moment()),
                ("ended_at", moment()),
                ("people", whole()),
                ("compared", whole()),
                ("labels", whole()),
                ("linked", whole()),
                ("queued", whole()),
                ("left", whole()),
            ]),
        ),
        ("MatchPairs", object(&[("pairs", list_of(&of("MatchPair"))), ("next", or_null(&whole()))])),
        (
            "MatchPair",
            object(&[
                ("id", pair_id()),
                ("state", state()),
                ("people", two(&of("PairedPerson"))),
                ("probability", json!({ "type": "number", "minimum": 0, "maximum": 1 })),
                ("weight", number()),
                ("prior", number()),
                ("fields", list_of(&of("PairedField"))),
                ("alike", number()),
                ("against", or_null(&text())),
                ("proposed_at", moment()),
            ]),
        ),
        ("PairedPerson", object(&[("person", id()), ("identifier", text()), ("identifiers", list_of(&text()))])),
        (
            "PairedField",
            object(&[("field", text()), ("values", two(&or_null(&text()))), ("level", text()), ("weight", number())]),
        ),
        ("PairDecision", closed(&[("reason", or_null(&note())), ("by", or_null(&note()))], &[])),
        ("PairDecided", object(&[("state", state()), ("message_ids", list_of(&text()))])),
    ]
}
