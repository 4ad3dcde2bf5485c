//! What is left out of messages, and what stays.

use super::*;
use crate::message::{Envelope, Timing, from_log, read_again, read_text};
use serde_json::json;
use sonder_dsl::ir::SourceId;
use sonder_dsl::source::{SourceFile, SourceSet};
use sonder_dsl::time::{Duration, Moment};

const FILES: [(&str, &str); 7] = [
    ("sonder.yaml", "name: shop\nundeclared_events: accept"),
    ("sources/web.yaml", "source: web\nkind: server"),
    (
        "identity.yaml",
        "identifiers:\n  user_id: {}\n  card: {from: [properties.payment.card]}\n  \
         phone: {from: [traits.phone], normalize: [{e164: [properties.country]}]}",
    ),
    ("profile.yaml", "traits:\n  shoe_size: {type: integer, from: [traits.shoe_size, properties.size]}"),
    (
        "events/bought.yaml",
        "event: bought\nproperties:\n  sku: {type: string}\n  box: {type: object, properties: {w: {type: integer}}}\n  \
         mail: {type: string, pii: contact, derive: {mail_domain: domain(mail)}}\nrequired: [sku]",
    ),
    ("events/open.yaml", "event: open\nproperties: {sku: {type: string}}\nadditionalProperties: true"),
    ("events/page_viewed.yaml", "event: page_viewed\nproperties: {path: {type: string}}"),
];

fn governor() -> Governor {
    let file = |(path, text): (&str, &str)| SourceFile { path: path.to_owned(), text: text.to_owned() };
    let closed =
        ("events/closed.yaml", "event: closed\nproperties: {sku: {type: string}}\nadditionalProperties: false");
    let compilation = sonder_dsl::compile(SourceSet::new(FILES.into_iter().chain([closed]).map(file).collect()));
    Governor::new(&compilation.program.unwrap_or_else(|| panic!("{:#?}", compilation.diagnostics)))
}

fn envelope() -> Envelope<'static> {
    Envelope::alone(SourceId(0), Moment(1_000_000_000_000), Timing::Live, Duration::ZERO, &|| "m".to_owned())
}

fn sent(json: &Json) -> Message {
    read_text(&json.to_string(), &envelope()).unwrap()
}

fn track(event: &str, properties: Json) -> Message {
    sent(&json!({"type": "track", "event": event, "userId": "u1", "properties": properties}))
}

/// What is taken in of a message, which the log gives again.
fn taken(message: Message) -> (Message, Event) {
    let governor = governor();
    let (message, event) = governor.take_in(message).unwrap();
    let logged = from_log(&message.payload, SourceId(0), message.occurred_at, message.received_at, false).unwrap();
    assert_eq!(logged, message);
    assert_eq!(governor.govern(&logged).unwrap(), event);
    assert_eq!(governor.take_in(logged).unwrap(), (message.clone(), event.clone()), "nothing more is left out");
    (message, event)
}

fn properties(message: &Message) -> Json {
    let payload: Json = serde_json::from_str(&message.payload).unwrap();
    assert_eq!(Json::Object(message.properties.clone()), payload["properties"]);
    payload["properties"].clone()
}

#[test]
fn what_nothing_declares_is_left_out_of_all_that_is_kept() {
    let box_of = json!({"w": 3, "secret": "within"});
    let (message, event) =
        taken(track("Bought", json!({"sku": "s", "note": "secret", "box": box_of, "mail_domain": "x"})));
    assert_eq!(properties(&message), json!({"sku": "s", "box": box_of}), "what a value has within is its own schema's");
    assert!(!message.payload.contains("note"), "{}", message.payload);
    assert_eq!(
        (message.labels.as_slice(), event.labels.as_slice()),
        (&[Label::Minimised][..], &[Label::Minimised][..])
    );
}

#[test]
fn what_is_declared_stays_as_it_was_sent() {
    let message = track("bought", json!({"sku": "s", "mail": "a@b.example"}));
    let (kept, event) = taken(message.clone());
    assert_eq!((kept, event.labels), (message, vec![]));
}

#[test]
fn what_identifiers_and_the_golden_record_are_read_from_is_declared_by_that() {
    let all = json!({"sku": "s", "payment": {"card": "c1"}, "size": 43, "country": "NL"});
    let (message, event) = taken(track("bought", all.clone()));
    assert_eq!((properties(&message), event.identifiers.len(), event.traits.len()), (all, 2, 1));
}

#[test]
fn a_schema_that_says_what_becomes_of_others_is_obeyed() {
    for event in ["open", "unknown"] {
        let (message, event) = taken(track(event, json!({"sku": "s", "note": "kept"})));
        assert_eq!((properties(&message), event.labels), (json!({"sku": "s", "note": "kept"}), vec![]));
    }
    let aside = governor().take_in(track("closed", json!({"note": "?"}))).unwrap_err();
    assert_eq!(aside.reasons[0].path.as_deref(), Some("/properties/note"));
}

#[test]
fn what_is_kept_aside_is_whole_so_that_it_can_be_mended() {
    let message = track("bought", json!({"SKU": "s", "note": "secret"}));
    let aside = governor().take_in(message.clone()).unwrap_err();
    assert_eq!(aside.payload, message.payload);
    let mended = aside.payload.replace("SKU", "sku");
    let mended = serde_json::from_str(&mended).unwrap();
    let (message, event) = taken(read_again(mended, aside.occurred_at, &envelope()).unwrap());
    assert_eq!(properties(&message), json!({"sku": "s"}));
    assert_eq!(event.labels, [Label::Replayed, Label::Minimised]);
}

#[test]
fn of_a_page_the_name_is_the_calls_own() {
    let all = json!({"name": "Home", "category": "Shop", "path": "/", "title": "secret"});
    for (name, kept) in [(json!("Home"), json!({"name": "Home", "path": "/"})), (Json::Null, json!({"path": "/"}))] {
        let page = json!({"type": "page", "userId": "u", "name": name, "properties": all});
        assert_eq!(properties(&taken(sent(&page)).0), kept);
    }
    let page = json!({"type": "page", "userId": "u", "name": 5, "category": 7, "properties": {"path": "/"}});
    let (message, _) = taken(sent(&page));
    assert_eq!(message.labels, [], "{}", message.payload);
}
