//! The schemas of explanations and previews.

use super::schemas::{Named, closed, flag, id, list_of, moment, object, of, or_null, text, whole};
use crate::limits;
use serde_json::{Value as Json, json};

/// What names a person in a request.
pub(crate) fn who() -> Json {
    json!({ "type": "string", "minLength": 3, "maxLength": limits::IDENTIFIER_CHARS,
        "pattern": format!("^({ID}|{IDENTIFIER})$"), "examples": ["email:ann@shop.example"] })
}

/// `kind:value`.
pub(super) fn identifier() -> Json {
    json!({ "type": "string", "minLength": 3, "maxLength": limits::IDENTIFIER_CHARS, "pattern": format!("^{IDENTIFIER}$"),
        "examples": ["email:ann@shop.example"] })
}

/// Two identifiers of one person.
pub(crate) fn between() -> Json {
    json!({ "type": "string", "minLength": 7, "maxLength": 2 * limits::IDENTIFIER_CHARS + 1,
        "pattern": format!("^{}+,{IDENTIFIER}$", IDENTIFIER.trim_end_matches('+').replace("[^", "[^,")),
        "examples": ["user_id:u1,email:ann@shop.example"] })
}

const ID: &str = "[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}";
const IDENTIFIER: &str = "[a-z][a-z0-9_]*:[^\\u0000-\\u001f\\u007f-\\u009f]+";

pub(super) fn schemas() -> Named {
    let rule =
        json!({ "type": "string", "minLength": 1, "maxLength": limits::FILTER_CHARS, "examples": ["abandoned_cart"] });
    let asked = [
        ("person", who()),
        ("rule", rule),
        ("at", or_null(&moment())),
        ("personal", or_null(&json!({ "type": "boolean", "default": false }))),
    ];
    let source = json!({ "type": "string", "minLength": 1, "maxLength": limits::PREVIEW_CHARS,
        "examples": ["segment keen { when count(product_viewed, last 24h) >= 3 }"] });
    vec![
        ("Explain", closed(&asked, &["person", "rule"])),
        ("Explanation", explanation()),
        ("Next", next()),
        ("Part", part()),
        ("Evidence", evidence()),
        ("CountedEvent", counted()),
        ("Progress", progress()),
        ("PreviewText", closed(&[("source", source)], &["source"])),
        ("Preview", preview()),
        ("PreviewedRule", previewed()),
        ("PreviewedPerson", previewed_person()),
        ("Diagnostic", diagnostic()),
    ]
}

pub(super) fn one_of(names: &[&str]) -> Json {
    json!({ "type": "string", "enum": names })
}

fn explanation() -> Json {
    let reason = object(&[("part", whole()), ("holds", flag())]);
    let because = object(&[
        ("effect", one_of(&["keeps", "missing", "chooses"])),
        ("parts", list_of(&reason)),
        ("smallest", flag()),
    ]);
    object(&[
        ("person", id()),
        ("at", moment()),
        ("rule", text()),
        ("kind", one_of(&["segment", "trait"])),
        ("description", or_null(&text())),
        ("purpose", or_null(&text())),
        ("definition", text()),
        ("place", text()),
        ("value", of("Value")),
        ("personal", flag()),
        ("next", of("Next")),
        ("because", or_null(&because)),
        ("tree", of("Part")),
    ])
}

/// When a value changes if nothing happens.
fn next() -> Json {
    let change = |name: &str| ("change", json!({ "const": name }));
    json!({ "oneOf": [
        object(&[change("never")]),
        object(&[change("always")]),
        object(&[change("at"), ("at", moment()), ("to", of("Value"))]),
        object(&[change("later"), ("at", moment())]),
    ] })
}

fn part() -> Json {
    let kinds = [
        "all",
        "any",
        "not",
        "comparison",
        "if",
        "default",
        "known",
        "arithmetic",
        "constant",
        "profile",
        "rule",
        "aggregate",
        "consent",
    ];
    let margin = object(&[
        ("operator", one_of(&[">=", ">", "<=", "<", "=="])),
        ("value", of("Value")),
        ("threshold", of("Value")),
        ("missing", of("Value")),
        ("spare", of("Value")),
        ("direction", one_of(&["more", "less"])),
        ("strict", flag()),
        ("enough_until", or_null(&moment())),
    ]);
    object(&[
        ("id", whole()),
        ("kind", one_of(&kinds)),
        ("text", text()),
        ("value", of("Value")),
        ("personal", flag()),
        ("next", of("Next")),
        ("margin", or_null(&margin)),
        ("evidence", or_null(&of("Evidence"))),
        ("same_as", or_null(&whole())),
        ("parts", list_of(&of("Part"))),
    ])
}

fn evidence() -> Json {
    let group = object(&[("property", text()), ("value", of("Value")), ("of", whole())]);
    let tally = json!({ "type": "array", "minItems": 2, "maxItems": 2 });
    object(&[
        ("total", whole()),
        ("events", list_of(&of("CountedEvent"))),
        ("more", whole()),
        ("group", or_null(&group)),
        ("tally", list_of(&tally)),
        ("progress", or_null(&of("Progress"))),
        ("withheld", or_null(&object(&[("purpose", text()), ("events", whole())]))),
    ])
}

fn counted() -> Json {
    let property = object(&[("name", text()), ("value", of("Value")), ("personal", flag())]);
    object(&[
        ("message_id", text()),
        ("seq", whole()),
        ("event", text()),
        ("at", moment()),
        ("properties", list_of(&property)),
        ("leaves", or_null(&moment())),
        ("role", or_null(&text())),
    ])
}

fn progress() -> Json {
    let step = object(&[("text", text()), ("seq", or_null(&whole()))]);
    object(&[
        ("starts", whole()),
        ("steps", list_of(&step)),
        ("absence", or_null(&text())),
        ("stage", one_of(&["not_begun", "awaiting", "late", "waiting", "broken", "complete"])),
        ("until", or_null(&moment())),
    ])
}

fn preview() -> Json {
    let as_of = object(&[("at", moment()), ("seq", whole()), ("people", whole())]);
    object(&[
        ("diagnostics", list_of(&of("Diagnostic"))),
        ("rendered", text()),
        ("as_of", or_null(&as_of)),
        ("rules", list_of(&of("PreviewedRule"))),
    ])
}

fn previewed() -> Json {
    let shared = [("name", text()), ("definition", text()), ("replaces", flag())];
    let kind = |name: &str| ("kind", json!({ "const": name }));
    let fraction = json!({ "type": "number", "minimum": 0, "maximum": 1 });
    let overlap = object(&[("segment", text()), ("size", whole()), ("both", whole()), ("jaccard", fraction)]);
    let count = object(&[("value", of("Value")), ("people", whole())]);
    let sample = ("sample", list_of(&of("PreviewedPerson")));
    let segment = [kind("segment"), ("size", whole()), sample.clone(), ("overlap", list_of(&overlap))];
    let computed = [
        kind("trait"),
        ("known", whole()),
        ("unknown", whole()),
        ("distinct", whole()),
        ("min", of("Value")),
        ("max", of("Value")),
        ("top", list_of(&count)),
        sample,
        ("personal", flag()),
    ];
    json!({ "oneOf": [object(&[&shared[..], &segment].concat()), object(&[&shared[..], &computed].concat())] })
}

fn previewed_person() -> Json {
    let pair = json!({ "type": "array", "items": text(), "minItems": 2, "maxItems": 2 });
    object(&[("person", id()), ("identifiers", list_of(&pair)), ("value", of("Value"))])
}

/// As `sonder check --format json` prints them.
fn diagnostic() -> Json {
    let place = || or_null(&json!({ "type": "integer", "minimum": 1 }));
    let related = object(&[("file", text()), ("line", whole()), ("column", whole()), ("message", text())]);
    object(&[
        ("code", json!({ "type": "string", "pattern": "^[EW][0-9]{4}$" })),
        ("severity", one_of(&["error", "warning"])),
        ("file", or_null(&text())),
        ("line", place()),
        ("column", place()),
        ("end_line", place()),
        ("end_column", place()),
        ("message", text()),
        ("label", text()),
        ("help", list_of(&text())),
        ("notes", list_of(&text())),
        ("related", list_of(&related)),
    ])
}
