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
    let closed = "event: closed\nproperties: {sku: {type: string}}\nadditionalProperties: false";
    governor_of(FILES.into_iter().chain([("events/closed.yaml", closed)]))
}

fn governor_of(files: impl Iterator<Item = (&'static str, &'static str)>) -> Governor {
    let file = |(path, text): (&str, &str)| SourceFile { path: path.to_owned(), text: text.to_owned() };
    let compilation = sonder_dsl::compile(SourceSet::new(files.map(file).collect()));
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

fn identify(governor: &Governor, message: Json) -> (Message, Event) {
    governor.take_in(sent(&message)).unwrap()
}

#[test]
fn what_nothing_declares_is_left_out_of_all_that_is_kept() {
    let (message, event) = taken(track(
        "Bought",
        json!({"sku": "s", "note": "secret", "box": {"w": 3, "secret": "within"}, "mail_domain": "x"}),
    ));
    assert_eq!(properties(&message), json!({"sku": "s", "box": {"w": 3}}));
    assert!(!message.payload.contains("note") && !message.payload.contains("secret"), "{}", message.payload);
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
    assert_eq!((properties(&message), event.identifiers.len(), event.traits.len()), (all.clone(), 2, 1));
    let mut more = all.clone();
    more["payment"]["code"] = json!("secret");
    assert_eq!(properties(&taken(track("bought", more)).0), all);
}

#[test]
fn of_people_what_the_golden_record_and_identifiers_are_read_from_is_stored() {
    let traits = json!({"shoe_size": 43, "phone": "+31201234567", "diary": "secret"});
    let said = json!({"type": "identify", "userId": "u", "traits": traits, "context": {"traits": {"diary": "secret", "shoe_size": 44}}});
    let (message, event) = taken(sent(&said));
    let kept = json!({"shoe_size": 43, "phone": "+31201234567"});
    assert_eq!(
        (Json::Object(message.traits.clone()), event.traits.len(), event.identifiers.len()),
        (kept.clone(), 1, 2)
    );
    let payload: Json = serde_json::from_str(&message.payload).unwrap();
    assert_eq!((&payload["traits"], &payload["context"]["traits"]), (&kept, &json!({"shoe_size": 44})));
    // An account's are no person's.
    let group = json!({"type": "group", "userId": "u", "groupId": "g", "traits": {"name": "Acme"}, "context": {"traits": {"diary": "secret"}}});
    let (message, _) = taken(sent(&group));
    assert_eq!(Json::Object(message.traits.clone()), json!({"name": "Acme"}));
    assert!(!message.payload.contains("secret"), "{}", message.payload);
}

#[test]
fn a_project_may_keep_all_that_is_said_of_people() {
    let said = json!({"type": "identify", "userId": "u", "traits": {"diary": "kept"}});
    let without = |path: &'static str| FILES.into_iter().filter(move |(it, _)| *it != path);
    let accepts = ("sonder.yaml", "name: shop\nundeclared_traits: accept");
    for governor in [governor_of(without("sonder.yaml").chain([accepts])), governor_of(without("profile.yaml"))] {
        let (message, event) = identify(&governor, said.clone());
        assert_eq!((Json::Object(message.traits), event.labels), (json!({"diary": "kept"}), vec![]));
    }
}

/// What is kept of a value whose schema that is, which both are.
fn kept_of(schema: &str, value: Json, kept: Json) {
    let event = format!(
        "event: made\nproperties:\n  it: {schema}\n$defs:\n  line: {{type: object, properties: {{sku: {{}}}}}}"
    );
    let event: &'static str = event.leak();
    let governor = governor_of(FILES.into_iter().chain([("events/made.yaml", event)]));
    let taken = |it: &Json| {
        governor.take_in(track("made", json!({"it": it}))).unwrap_or_else(|aside| panic!("{schema}: {aside:?}"))
    };
    let (message, event) = taken(&value);
    assert_eq!(message.properties["it"], kept, "{schema}");
    assert_eq!(event.labels.is_empty(), value == kept, "{schema}");
    assert_eq!(taken(&kept).0.properties["it"], kept, "{schema}: nothing more is left out");
}

#[test]
fn what_is_within_is_kept_where_its_schema_declares_it() {
    let (all, sku) = (json!({"sku": 1, "x": 2}), json!({"sku": 1}));
    for schema in [
        "{type: object}",
        "{}",
        "{type: object, properties: {sku: {}}, additionalProperties: true}",
        "{type: object, properties: {sku: {}}, patternProperties: {\"^x\": {}}}",
        "{type: object, properties: {sku: {}}, minProperties: 2}",
        "{type: object, properties: {sku: {}}, required: [x]}",
        "{type: object, properties: {sku: {}}, dependentRequired: {x: [sku]}}",
        "{anyOf: [{properties: {sku: {}}}, {required: [x]}]}",
        "{allOf: [{properties: {sku: {}}}, {maxProperties: 2}]}",
        "{if: {required: [x]}, then: {properties: {sku: {}}}}",
        "{properties: {sku: {}}, dependentSchemas: {x: {required: [sku]}}}",
    ] {
        kept_of(schema, all.clone(), all.clone());
    }
    for schema in [
        "{type: object, properties: {sku: {}}}",
        "{type: object, required: [sku]}",
        "{allOf: [{properties: {sku: {}}}, {required: [sku]}]}",
        "{oneOf: [{properties: {sku: {type: string}}}, {properties: {sku: {type: integer}}}]}",
        "{$ref: \"#/$defs/line\"}",
    ] {
        kept_of(schema, all.clone(), sku.clone());
    }
    let lists = |it: &Json| json!([it, it]);
    kept_of("{type: array, items: {properties: {sku: {}}}}", lists(&all), lists(&sku));
    kept_of("{type: array, items: {$ref: \"#/$defs/line\"}}", lists(&all), lists(&sku));
    kept_of(
        "{type: array, prefixItems: [{properties: {sku: {}}}], items: {properties: {x: {}}}}",
        lists(&all),
        lists(&all),
    );
    kept_of("{type: array}", lists(&all), lists(&all));
    let distinct = json!([{"sku": 1, "x": 1}, {"sku": 1, "x": 2}]);
    kept_of("{type: array, uniqueItems: true, items: {properties: {sku: {}}}}", distinct.clone(), distinct);
    // What a value is required to have within keeps what that declares within.
    let deep = json!({"a": {"b": 1, "x": 2}});
    kept_of("{required: [a], properties: {a: {properties: {b: {}}}}}", deep, json!({"a": {"b": 1}}));
}

#[test]
fn a_schema_that_leads_into_itself_is_followed_only_so_far() {
    let tree = "{type: object, properties: {it: {$ref: \"#/properties/it\"}, also: {$ref: \"#/properties/it\"}}}";
    kept_of(tree, json!({"it": {"also": {"x": 1}, "x": 1}}), json!({"it": {"also": {}}}));
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
