//! The schemas of plans.

use super::explained::one_of;
use super::schemas::{Named, closed, flag, list_of, moment, object, of, or_null, text, whole};
use crate::limits;
use serde_json::{Value as Json, json};

pub(super) fn schemas() -> Named {
    let files = json!({ "type": "object", "minProperties": 0, "maxProperties": limits::PROJECT_FILES,
        "additionalProperties": { "type": "string" },
        "description": "Paths from the project's folder on, and what is in them." });
    let rollout = json!({ "type": "string", "pattern": "^([0-9]+(\\.[0-9]{1,2})?%|none)$",
        "description": "The part of the people for whom rules that differ are new, `100%` for all; `none` takes back what is being rolled out." });
    vec![
        ("ProjectFiles", closed(&[("files", files.clone()), ("rollout", or_null(&rollout))], &["files"])),
        (
            "Apply",
            closed(
                &[("files", files), ("base", text()), ("silent", flag()), ("rollout", or_null(&rollout))],
                &["files", "base"],
            ),
        ),
        ("Applied", object(&[("changed", flag()), ("fingerprint", text())])),
        ("Plan", plan()),
        ("Changes", changes()),
        ("PlannedSegment", segment()),
    ]
}

fn plan() -> Json {
    let as_of = object(&[("at", moment()), ("seq", whole()), ("people", whole())]);
    let fingerprint = json!({ "type": "string", "pattern": "^[0-9a-f]{16}$" });
    let delivery = object(&[("destination", text()), ("segment", text()), ("entered", whole()), ("left", whole())]);
    let step = object(&[("journey", text()), ("step", text()), ("people", whole()), ("stays", flag())]);
    object(&[
        ("diagnostics", list_of(&of("Diagnostic"))),
        ("rendered", text()),
        ("base", fingerprint.clone()),
        ("target", or_null(&fingerprint)),
        ("as_of", or_null(&as_of)),
        ("changes", of("Changes")),
        ("segments", list_of(&of("PlannedSegment"))),
        ("deliveries", list_of(&delivery)),
        ("journeys", list_of(&step)),
        ("recalls", list_of(&object(&[("journey", text()), ("messages", whole())]))),
    ])
}

fn segment() -> Json {
    object(&[
        ("name", text()),
        ("before", whole()),
        ("after", whole()),
        ("entering", whole()),
        ("leaving", whole()),
        ("enter", list_of(&of("PreviewedPerson"))),
        ("leave", list_of(&of("PreviewedPerson"))),
    ])
}

fn changes() -> Json {
    let change = || one_of(&["added", "changed", "renamed", "removed"]);
    let bump = || or_null(&one_of(&["addition", "revision", "model"]));
    let steps = object(&[("kept", list_of(&text())), ("gone", list_of(&text())), ("new", list_of(&text()))]);
    let item = object(&[
        ("kind", one_of(&["segment", "trait", "journey", "funnel", "experiment", "experience", "prediction"])),
        ("name", text()),
        ("was", or_null(&text())),
        ("change", change()),
        ("place", text()),
        ("words", list_of(&text())),
        ("before", or_null(&text())),
        ("after", or_null(&text())),
        ("steps", or_null(&steps)),
    ]);
    let part = object(&[("bump", bump()), ("words", text())]);
    let event = object(&[
        ("name", text()),
        ("change", change()),
        ("parts", list_of(&part)),
        ("compatibility", bump()),
        ("before", or_null(&text())),
        ("after", or_null(&text())),
        ("proposed", or_null(&text())),
    ]);
    let exposure =
        object(&[("destination", text()), ("what", text()), ("pii", or_null(&text())), ("purposes", list_of(&text()))]);
    object(&[
        ("items", list_of(&item)),
        ("events", list_of(&event)),
        ("exposures", list_of(&exposure)),
        ("others", list_of(&text())),
    ])
}
