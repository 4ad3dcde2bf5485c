//! The schemas of bodies and answers. They are closed: an answer has these fields and no others, and a test holds every
//! answer against its schema.

use super::explained::one_of;
use crate::engine::DeliveryState;
use crate::limits;
use serde_json::{Map, Value as Json, json};

/// All schemas by name.
pub(super) fn all() -> Json {
    Json::Object(named().into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect())
}

fn named() -> Named {
    let groups = [
        people(),
        segments(),
        journeys(),
        super::explained::schemas(),
        super::planned::schemas(),
        super::matched::schemas(),
        super::requests::schemas(),
        sql(),
        deliveries(),
        super::quarantined::schemas(),
        health(),
        errors(),
    ];
    groups.into_iter().flatten().collect()
}

pub(super) type Named = Vec<(&'static str, Json)>;

/// An object with exactly these fields.
pub(super) fn object(fields: &[(&str, Json)]) -> Json {
    let names: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
    closed(fields, &names)
}

/// An object with no other fields than these.
pub(super) fn closed(fields: &[(&str, Json)], required: &[&str]) -> Json {
    let properties: Map<String, Json> =
        fields.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
    json!({ "type": "object", "additionalProperties": false, "properties": properties, "required": required })
}

pub(super) fn text() -> Json {
    json!({ "type": "string" })
}

pub(super) fn flag() -> Json {
    json!({ "type": "boolean" })
}

pub(super) fn whole() -> Json {
    json!({ "type": "integer", "minimum": 0 })
}

pub(super) fn moment() -> Json {
    json!({ "type": "string", "format": "date-time" })
}

pub(super) fn id() -> Json {
    json!({ "type": "string", "pattern": "^[0-9a-f]{32}$" })
}

pub(super) fn of(name: &str) -> Json {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

pub(super) fn list_of(schema: &Json) -> Json {
    json!({ "type": "array", "items": schema })
}

pub(super) fn or_null(schema: &Json) -> Json {
    json!({ "anyOf": [schema, { "type": "null" }] })
}

fn people() -> Named {
    vec![
        (
            "Person",
            closed(
                &[
                    ("id", id()),
                    ("absorbed", list_of(&id())),
                    ("identifiers", list_of(&of("Identifier"))),
                    ("traits", list_of(&of("Trait"))),
                    ("computed", list_of(&of("ComputedTrait"))),
                    ("segments", list_of(&of("InSegment"))),
                    ("journeys", list_of(&of("OnJourney"))),
                    ("consent", list_of(&of("Consent"))),
                    ("restricted_since", or_null(&moment())),
                    ("first_seen", moment()),
                    ("last_seen", moment()),
                ],
                &["id"],
            ),
        ),
        (
            "Identifier",
            object(&[
                ("kind", text()),
                ("value", text()),
                ("source", text()),
                ("first_seen", moment()),
                ("last_seen", moment()),
                ("former", flag()),
            ]),
        ),
        (
            "Consent",
            object(&[("purpose", text()), ("granted", flag()), ("held", flag()), ("since", or_null(&moment()))]),
        ),
        ("Observed", object(&[("person", id()), ("traits", list_of(&of("ObservedTrait")))])),
        (
            "ObservedTrait",
            object(&[
                ("name", text()),
                ("policy", text()),
                ("value", json!({})),
                ("conflict", flag()),
                ("observations", list_of(&of("Observation"))),
            ]),
        ),
        (
            "Observation",
            object(&[
                ("value", json!({})),
                ("source", text()),
                ("at", moment()),
                ("record", json!({ "type": "integer", "minimum": 1 })),
                ("message_id", text()),
                ("counts", flag()),
            ]),
        ),
        ("ConsentRecorded", object(&[("message_id", text())])),
        ("IdentityDecided", object(&[("message_ids", list_of(&text()))])),
        (
            "IdentityGraph",
            closed(
                &[
                    ("person", id()),
                    ("nodes", list_of(&of("GraphNode"))),
                    ("edges", list_of(&of("GraphEdge"))),
                    ("refused", list_of(&of("RefusedEdge"))),
                    ("apart", list_of(&json!({ "type": "array", "items": text(), "minItems": 2, "maxItems": 2 }))),
                    ("path", list_of(&of("GraphEdge"))),
                ],
                &["person", "nodes", "edges", "refused", "apart"],
            ),
        ),
        (
            "GraphNode",
            object(&[
                ("id", text()),
                ("source", text()),
                ("first_seen", moment()),
                ("last_seen", moment()),
                ("former", flag()),
                ("generic", flag()),
            ]),
        ),
        ("GraphEdge", object(&graph_edge())),
        (
            "RefusedEdge",
            object(
                &graph_edge().into_iter().chain([("reason", text()), ("other", or_null(&id()))]).collect::<Vec<_>>(),
            ),
        ),
        (
            "MergePeople",
            json!({
                "type": "object",
                "properties": {
                    "with": super::who_schema(),
                    "reason": note("Why, for the record."),
                    "by": note("Who decided it, for the record."),
                },
                "required": ["with"],
                "additionalProperties": false,
            }),
        ),
        (
            "SplitPerson",
            json!({
                "type": "object",
                "properties": {
                    "identifiers": { "type": "array", "minItems": 1, "items": super::explained::identifier(),
                        "description": "Identifiers of the person, as `kind:value`, that are somebody else's." },
                    "reason": note("Why, for the record."),
                    "by": note("Who decided it, for the record."),
                },
                "required": ["identifiers"],
                "additionalProperties": false,
            }),
        ),
        (
            "ConsentAnswers",
            json!({
                "type": "object",
                "properties": {
                    "purposes": { "type": "object", "minProperties": 1, "additionalProperties": { "type": "boolean" },
                        "description": "Purposes of the project, and yes or no to each." },
                    "method": { "type": ["string", "null"], "minLength": 1, "maxLength": limits::FILTER_CHARS,
                        "description": "By what means; `api` where nothing is said." },
                    "notice": { "type": ["string", "null"], "minLength": 1, "maxLength": limits::FILTER_CHARS,
                        "description": "The version of the notice that was shown." },
                    "proof": { "type": ["string", "null"], "minLength": 1, "maxLength": limits::PROOF_CHARS,
                        "description": "What proves it." },
                },
                "required": ["purposes"],
                "additionalProperties": false,
            }),
        ),
        ("Trait", object(&[("name", text()), ("value", of("Value")), ("source", text()), ("at", moment())])),
        ("ComputedTrait", object(&[("name", text()), ("value", of("Value"))])),
        ("InSegment", object(&[("name", text()), ("since", moment())])),
        (
            "OnJourney",
            object(&[
                ("name", text()),
                ("per", of("Value")),
                ("status", one_of(&["waiting", "converted", "finished", "exited", "withdrawn", "removed"])),
                ("step", or_null(&text())),
                ("since", moment()),
                ("entered", moment()),
            ]),
        ),
        (
            "Value",
            json!({
                "description": "Decimals, moments and durations are strings.",
                "type": ["boolean", "number", "string", "array", "object", "null"],
            }),
        ),
        ("Timeline", object(&[("person", id()), ("entries", list_of(&of("Entry"))), ("next", or_null(&text()))])),
        ("Entry", entry()),
    ]
}

/// One schema for each type of entry.
fn entry() -> Json {
    let cause = || ("cause", one_of(&["message", "project"]));
    let kinds: [(&str, &[(&str, Json)]); 11] = [
        (
            "event",
            &[
                ("seq", whole()),
                ("event", text()),
                ("source", text()),
                ("received_at", moment()),
                ("message_id", text()),
                ("properties", of("Value")),
            ],
        ),
        ("created", &[cause()]),
        ("merged", &[("absorbed", id()), cause()]),
        ("split", &[("parted", id()), cause()]),
        ("identifier_moved", &[("kind", text()), ("value", text()), ("from", id()), ("to", id()), cause()]),
        ("link_refused", &[("kind", text()), ("value", text()), ("reason", text())]),
        ("entered", &[("segment", text())]),
        ("left", &[("segment", text())]),
        ("trait_changed", &[("name", text()), ("value", of("Value"))]),
        (
            "journey",
            &[
                ("journey", text()),
                ("what", one_of(&["entered", "came", "branched", "sent", "unsent", "left"])),
                ("passage", text()),
                ("step", or_null(&text())),
                ("detail", of("Value")),
            ],
        ),
        ("sent", &[("delivery", id()), ("destination", text()), ("name", text()), ("state", of("DeliveryState"))]),
    ];
    let variants: Vec<Json> = kinds
        .iter()
        .map(|(name, fields)| {
            let shared = [("at", moment()), ("type", json!({ "const": name }))];
            object(&[&shared, *fields].concat())
        })
        .collect();
    json!({ "oneOf": variants })
}

fn journeys() -> Named {
    let hex = || json!({ "type": "string", "pattern": "^[0-9a-f]{16}$" });
    let share = || json!({ "type": "number", "minimum": 0, "maximum": 1 });
    let number = || json!({ "type": "number" });
    let summary = [
        ("name", text()),
        ("description", or_null(&text())),
        ("purpose", or_null(&text())),
        ("place", text()),
        ("fingerprint", text()),
        ("waiting", whole()),
    ];
    let figures = [
        ("entered", whole()),
        ("left", list_of(&object(&[("outcome", text()), ("passages", whole())]))),
        ("conversion", or_null(&share())),
        ("start", or_null(&hex())),
        ("steps", list_of(&of("JourneyStep"))),
        ("splits", list_of(&of("Split"))),
    ];
    let way = object(&[("label", text()), ("to", or_null(&hex())), ("passages", whole())]);
    let branch = [
        ("name", text()),
        ("share", share()),
        ("passages", whole()),
        ("converted", whole()),
        ("rate", or_null(&share())),
        ("difference", or_null(&of("Estimate"))),
        ("uplift", or_null(&of("Estimate"))),
    ];
    vec![
        ("Journeys", object(&[("journeys", list_of(&object(&summary)))])),
        ("Journey", object(&[&summary[..], &figures].concat())),
        (
            "JourneyStep",
            object(&[
                ("key", hex()),
                ("step", text()),
                ("line", whole()),
                ("standing", whole()),
                ("came", whole()),
                ("sent", whole()),
                ("unsent", whole()),
                ("ways", list_of(&way)),
            ]),
        ),
        ("Split", object(&[("step", hex()), ("control", text()), ("branches", list_of(&object(&branch)))])),
        ("Estimate", object(&[("value", number()), ("low", number()), ("high", number())])),
    ]
}

fn segments() -> Named {
    let pair = object(&[("kind", text()), ("value", text())]);
    vec![
        ("Segments", object(&[("segments", list_of(&of("Segment")))])),
        (
            "Segment",
            object(&[
                ("name", text()),
                ("description", or_null(&text())),
                ("purpose", or_null(&text())),
                ("definition", text()),
                ("place", text()),
                ("fingerprint", json!({ "type": "string", "pattern": "^[0-9a-f]{16}$" })),
                ("size", whole()),
            ]),
        ),
        (
            "Members",
            object(&[
                ("segment", text()),
                ("size", whole()),
                ("left_out", whole()),
                ("members", list_of(&of("Member"))),
                ("next", or_null(&json!({ "type": "string", "pattern": "^([0-9a-f]{32}){1,2}$" }))),
            ]),
        ),
        (
            "Member",
            object(&[
                ("person", json!({ "type": "string", "pattern": "^([0-9a-f]{32}|v[0-9]+:[A-Za-z0-9_-]{43})$" })),
                ("since", moment()),
                ("identifiers", list_of(&pair)),
            ]),
        ),
    ]
}

fn sql() -> Named {
    let sql = json!({ "type": "string", "minLength": 1, "maxLength": limits::SQL_CHARS, "pattern": "^[^\\u0000]*\\S[^\\u0000]*$",
        "examples": ["select event, count(*) from log group by all order by all"] });
    let limit =
        json!({ "type": "integer", "minimum": 1, "maximum": limits::ROWS_MOST, "default": limits::ROWS_DEFAULT });
    vec![
        ("Query", closed(&[("sql", sql), ("limit", or_null(&limit)), ("at", or_null(&moment()))], &["sql"])),
        (
            "Rows",
            object(&[
                ("columns", list_of(&object(&[("name", text()), ("type", text())]))),
                ("rows", list_of(&list_of(&of("Value")))),
                ("truncated", flag()),
            ]),
        ),
    ]
}

fn deliveries() -> Named {
    vec![
        ("DeliveryState", json!({ "type": "string", "enum": DeliveryState::ALL.map(DeliveryState::name) })),
        (
            "Deliveries",
            object(&[("total", whole()), ("deliveries", list_of(&of("Delivery"))), ("next", or_null(&text()))]),
        ),
        ("Replayed", object(&[("replayed", whole()), ("left", whole())])),
        (
            "Replay",
            json!({
                "type": "object",
                "properties": {
                    "destination": { "type": ["string", "null"], "description": "Only to this destination." },
                    "person": { "anyOf": [super::who_schema(), { "type": "null" }],
                        "description": "Only about this person: `{kind}:{value}` or an id." },
                },
                "additionalProperties": false,
            }),
        ),
        (
            "Delivery",
            object(&[
                ("id", id()),
                ("destination", text()),
                ("person", id()),
                (
                    "kind",
                    json!({ "type": "string", "enum": [
                    "message", "segment_entered", "segment_left", "trait_changed", "event", "erase"] }),
                ),
                ("name", text()),
                ("at", moment()),
                ("state", of("DeliveryState")),
                ("attempts", whole()),
                ("settled_at", or_null(&moment())),
                ("error", or_null(&text())),
                ("payload", of("Value")),
            ]),
        ),
    ]
}

fn health() -> Named {
    let one_of = |names: &[&str]| json!({ "type": "string", "enum": names });
    let recovery =
        object(&[("people", whole()), ("records", whole()), ("millis", json!({ "type": "number", "minimum": 0 }))]);
    let log = object(&[
        ("seq", whole()),
        ("folded_seq", whole()),
        ("checkpoint_seq", whole()),
        ("last_received_at", or_null(&moment())),
        ("duplicates", whole()),
        ("quarantined", whole()),
    ]);
    let rejection = object(&[
        ("code", json!({ "type": "string", "pattern": "^[a-z_]+$" })),
        ("count", whole()),
        ("last_at", moment()),
        ("last_path", text()),
        ("last_sample", text()),
    ]);
    let lag = object(&[
        ("queued", whole()),
        ("unfolded", whole()),
        ("undelivered", whole()),
        ("oldest_undelivered_ms", whole()),
        ("clock_ms", whole()),
    ]);
    let reload = object(&[
        ("outcome", one_of(&["unchanged", "applied", "rejected", "needs_approval"])),
        ("at", or_null(&moment())),
        ("errors", list_of(&text())),
    ]);
    let destination = object(&[
        ("name", text()),
        ("delivered", whole()),
        ("retried", whole()),
        ("dead", whole()),
        ("pending", whole()),
        ("paused", flag()),
        ("last_error", or_null(&text())),
    ]);
    vec![
        ("Well", object(&[("ok", json!({ "const": true }))])),
        (
            "Status",
            object(&[
                ("version", text()),
                ("project", text()),
                ("fingerprint", json!({ "type": "string", "pattern": "^[0-9a-f]{16}$" })),
                ("region", or_null(&text())),
                ("rollout", or_null(&object(&[("share", text()), ("rules", list_of(&text()))]))),
                ("stage", one_of(&["recovering", "running", "degraded", "stopping"])),
                ("started_at", moment()),
                ("recovery", or_null(&recovery)),
                ("log", log),
                ("rejections", list_of(&rejection)),
                ("people", whole()),
                ("lag", lag),
                ("reload", reload),
                ("destinations", list_of(&destination)),
                ("privacy", of("OpenRequests")),
                ("memory", object(&[("people", whole()), ("resident", whole())])),
            ]),
        ),
    ]
}

fn errors() -> Named {
    let code = json!({ "type": "string", "pattern": "^[a-z_]+$" });
    vec![("Error", object(&[("error", object(&[("code", code), ("message", text()), ("help", text())]))]))]
}

/// A line for the record.
fn note(description: &str) -> Json {
    json!({ "type": ["string", "null"], "minLength": 1, "maxLength": limits::FILTER_CHARS, "description": description })
}

fn graph_edge() -> Vec<(&'static str, Json)> {
    vec![
        ("a", text()),
        ("b", text()),
        ("by", one_of(&["message", "alias", "decision", "probabilistic"])),
        ("probability", or_null(&json!({ "type": "number", "minimum": 0, "maximum": 1 }))),
        ("source", text()),
        ("decision", or_null(&object(&[("reason", or_null(&text())), ("by", or_null(&text()))]))),
        ("record", json!({ "type": "integer", "minimum": 1 })),
        ("at", moment()),
    ]
}

#[cfg(test)]
mod tests {
    #[test]
    fn no_two_schemas_have_one_name() {
        let mut names: Vec<&str> = super::named().iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        let twice: Vec<&[&str]> = names.windows(2).filter(|pair| pair[0] == pair[1]).collect();
        assert!(twice.is_empty(), "{twice:?}");
    }
}
