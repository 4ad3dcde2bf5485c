//! A program for tests.

use serde_json::json;
use sonder_dsl::ir::{Program, Type};
use sonder_dsl::model::{ContextField, SlotPath};
use sonder_dsl::source::{SourceFile, SourceSet};
use std::sync::Arc;

const FILES: [(&str, &str); 12] = [
    ("sonder.yaml", "name: shop"),
    (
        "identity.yaml",
        "
identifiers:
  user_id: {}
  email: {normalize: [trim, lowercase], block: ['test@example.com', '/^noreply@/']}
  phone: {normalize: [{e164: [traits.address.country, context.location.country, BE]}]}
  card: {from: [context.card.id, loyalty], normalize: [{replace: '/[ -]/'}, {replace: '/^(\\d+)_.*$/', with: 'c$1'}]}
  device_id: {}
  anonymous_id: {}
",
    ),
    (
        "profile.yaml",
        "
traits:
  country: {type: string, enum: [NL, BE], from: [traits.address.country, context.geo.country]}
  age: {type: integer}
",
    ),
    ("sources/web.yaml", "{source: web, kind: browser, write_keys: [wk]}"),
    ("destinations/hook.yaml", "{destination: hook, plugin: sonder/webhook@1, receives: {events: [product_viewed]}}"),
    ("destinations/mail.yaml", "{destination: mail, plugin: sonder/webhook@1, receives: {events: [product_viewed]}}"),
    (
        "events/product_viewed.yaml",
        "
event: product_viewed
aliases: [product_klik]
properties:
  product_id: {type: string, minLength: 1, examples: [SKU-1]}
  category: {type: string, enum: [shoes, coats]}
  price: {type: number, multipleOf: 0.01, minimum: 0}
  email: {type: string, format: email, identifier: email}
  at: {type: string, format: date-time}
  size: {type: object, properties: {eu: {type: integer}}, required: [eu]}
required: [product_id]
",
    ),
    ("events/page_viewed.yaml", "{event: page_viewed, properties: {path: {type: string}, name: {type: string}}}"),
    (
        "events/price_changed.yaml",
        "{event: price_changed, properties: {price: {type: number, multipleOf: 0.01}}, on_violation: label}",
    ),
    (
        "events/stripping.yaml",
        "
event: stripping
properties:
  a: {type: string}
  b: {type: integer}
  email: {type: string, maxLength: 12, identifier: email}
required: [a]
on_violation: strip
",
    ),
    ("events/closed.yaml", "{event: closed, properties: {a: {type: string}, b: {type: integer}}, on_violation: strip}"),
    ("rules/none.sonder", ""),
];

/// Five events, six kinds of identifiers, two traits, two destinations; slots as rules would ask for them.
pub(super) fn program() -> Program {
    let file = |(path, text): (&str, &str)| SourceFile { path: path.to_owned(), text: text.to_owned() };
    let compilation = sonder_dsl::compile(SourceSet::new(FILES.map(file).into()));
    let mut program = Arc::unwrap_or_clone(compilation.program.ok_or(compilation.diagnostics).unwrap());
    let text = || Type::String { one_of: None };
    let money = || Type::Decimal { scale: 2 };
    let slots = [
        ("closed", vec![("a", text()), ("b", Type::Int)]),
        ("page_viewed", vec![("path", text())]),
        ("price_changed", vec![("price", money())]),
        (
            "product_viewed",
            vec![("product_id", text()), ("price", money()), ("size.eu", Type::Int), ("at", Type::Time)],
        ),
        ("stripping", vec![("a", text()), ("b", Type::Int)]),
    ];
    let path = |path: &str| path.split('.').map(str::to_owned).collect::<Vec<_>>();
    for (event, (name, slots)) in program.events.iter_mut().zip(slots) {
        assert_eq!(event.name, name, "events are sorted");
        event.slots = slots.into_iter().map(|(at, kind)| SlotPath { path: path(at), kind }).collect();
    }
    program.events[0].json_schema["additionalProperties"] = json!(false);
    program.context_slots = vec![ContextField { path: path("device.type"), kind: text() }];
    program
}
