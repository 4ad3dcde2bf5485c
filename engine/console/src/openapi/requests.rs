//! The schemas of requests of people.

use super::schemas::{Named, closed, flag, list_of, moment, object, of, or_null, text, whole};
use crate::audit::DeedKind;
use crate::engine::Right;
use crate::limits;
use serde_json::{Value as Json, json};

pub(super) fn schemas() -> Named {
    let id = || json!({ "type": "string", "format": "uuid" });
    let note = || json!({ "type": "string", "minLength": 1, "maxLength": limits::PROOF_CHARS });
    let rights = || json!({ "type": "string", "enum": Right::ALL.map(Right::name) });
    let told = json!({ "type": "string", "enum": ["pending", "retry", "delivered", "dead", "cancelled"] });
    let state = json!({ "type": "string", "enum": ["pending", "in_progress", "completed", "cancelled", "lifted"] });
    let hash = || json!({ "type": "string", "pattern": "^[0-9a-f]{64}$" });
    let kinds = json!({ "type": "string", "enum": DeedKind::ALL.map(DeedKind::name) });
    vec![
        ("AuditPage", object(&[("entries", list_of(&of("Audited"))), ("next", text()), ("has_more", flag())])),
        (
            "Audited",
            object(&[
                ("number", whole()),
                ("at", moment()),
                ("actor", text()),
                ("name", or_null(&text())),
                ("operation", text()),
                ("kind", kinds),
                ("subject", or_null(&text())),
                ("about", or_null(&text())),
                ("status", or_null(&whole())),
                ("previous", hash()),
                ("hash", hash()),
            ]),
        ),
        (
            "PrivacyRequestAsked",
            closed(
                &[
                    ("kind", rights()),
                    ("person", super::who_schema()),
                    ("purposes", json!({ "type": "array", "items": text(), "minItems": 1 })),
                    ("regime", note()),
                    ("received_at", moment()),
                    ("wait", flag()),
                    ("by", note()),
                    ("note", note()),
                ],
                &["kind", "person"],
            ),
        ),
        (
            "PrivacyRequestStep",
            closed(
                &[
                    (
                        "action",
                        json!({ "type": "string", "enum": ["approve", "cancel", "extend", "complete", "lift"] }),
                    ),
                    ("by", note()),
                    ("note", note()),
                ],
                &["action"],
            ),
        ),
        ("RetentionAsked", closed(&[("dry_run", flag())], &[])),
        (
            "Retention",
            object(&[
                ("keeps", list_of(&object(&[("what", text()), ("kept", text())]))),
                (
                    "runs",
                    list_of(&object(&[
                        ("id", text()),
                        ("at", moment()),
                        ("done_at", or_null(&moment())),
                        ("expired", of("Expired")),
                    ])),
                ),
            ]),
        ),
        (
            "Expired",
            object(&[
                ("events", json!({ "type": "object", "additionalProperties": whole() })),
                ("traits", whole()),
                ("people", whole()),
                ("quarantined", whole()),
                ("decisions", whole()),
                ("audit", whole()),
            ]),
        ),
        ("PrivacyRequests", object(&[("requests", list_of(&of("PrivacyRequest")))])),
        (
            "PrivacyRequest",
            object(&[
                ("id", id()),
                ("kind", rights()),
                ("state", state),
                ("subject", or_null(&text())),
                ("regime", or_null(&text())),
                ("purposes", list_of(&text())),
                ("received_at", moment()),
                ("confirm_by", or_null(&moment())),
                ("due_at", moment()),
                ("extended", flag()),
                ("overdue", flag()),
                ("closed_at", or_null(&moment())),
                ("steps", list_of(&of("PrivacyStep"))),
                ("erasure", or_null(&of("Erasure"))),
            ]),
        ),
        (
            "PrivacyStep",
            object(&[("at", moment()), ("step", text()), ("by", or_null(&text())), ("note", or_null(&text()))]),
        ),
        (
            "Erasure",
            object(&[
                ("state", json!({ "type": "string", "enum": ["struck", "erased", "completed"] })),
                ("erased_at", or_null(&moment())),
                ("completed_at", or_null(&moment())),
                ("messages", whole()),
                ("redacted", whole()),
                ("destinations", list_of(&of("ToldDestination"))),
            ]),
        ),
        (
            "ToldDestination",
            object(&[
                ("destination", text()),
                ("state", told),
                ("attempts", whole()),
                ("detail", or_null(&text())),
                ("ended_at", or_null(&moment())),
            ]),
        ),
        (
            "PrivacyCertificate",
            object(&[
                ("project", text()),
                ("request", id()),
                ("kind", rights()),
                ("regime", or_null(&text())),
                ("received_at", moment()),
                ("due_at", moment()),
                ("completed_at", or_null(&moment())),
                ("erased", or_null(&erased())),
                ("unconfirmed", list_of(&of("ToldDestination"))),
            ]),
        ),
        (
            "OpenRequests",
            object(&[
                ("open", whole()),
                ("due_soon", whole()),
                ("overdue", whole()),
                ("next_due_at", or_null(&moment())),
            ]),
        ),
    ]
}

fn erased() -> Json {
    object(&[
        ("messages", whole()),
        ("messages_of_others", whole()),
        ("method", text()),
        ("remains", text()),
        ("destinations", list_of(&of("ToldDestination"))),
    ])
}
