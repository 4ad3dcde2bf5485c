//! What a path means inside an event: a property of its schema, also one inside another.

use crate::ir::{EventId, Type};
use crate::model::Declarations;
use crate::source::Span;
use rust_decimal::Decimal;
use serde_json::Value as Json;
use std::sync::Arc;

/// Digits after the point that an exact decimal may have; a finer `multipleOf` makes a float.
const LARGEST_SCALE: u32 = 18;

/// What a path leads to.
#[derive(Clone, Debug)]
pub enum Found {
    /// A value that rules can read.
    Value(Property),
    /// Something without a type of its own: the names of what is inside it, none for mixed types.
    Untyped(Vec<String>),
    /// Nothing of that name; there are these.
    Unknown {
        /// Which part of the path.
        index: usize,
        /// What could stand there.
        known: Vec<String>,
    },
    /// Its declaration has errors of its own.
    Faulty,
}

/// A property that rules can read.
#[derive(Clone, Debug)]
pub struct Property {
    /// Its type.
    pub kind: Type,
    /// Marked `pii`.
    pub personal: bool,
    /// Where it is declared.
    pub place: Option<Span>,
}

/// Follows a path of keys into the properties of an event.
///
/// INVARIANT: `path` is not empty.
pub fn find(declarations: &Declarations, event: EventId, path: &[String]) -> Found {
    let Some(first) = path.first() else { return Found::Faulty };
    let faulty = &declarations.faulty;
    if faulty.properties.contains(&(event, first.clone())) {
        return Found::Faulty;
    }
    let Some((index, declared)) = declarations.property(event, first) else {
        if faulty.open_events.contains(&event) {
            return Found::Faulty;
        }
        let known = declarations
            .event(event)
            .map(|event| event.properties.iter().map(|property| property.name.clone()).collect());
        return Found::Unknown { index: 0, known: known.unwrap_or_default() };
    };
    let place = declarations.property_place(event, index);
    let schema = declarations.event(event).and_then(|event| event.json_schema.get("properties")?.get(first));
    if path.len() == 1 {
        return match &declared.kind {
            Some(kind) => Found::Value(Property { kind: kind.clone(), personal: declared.pii.is_some(), place }),
            None => Found::Untyped(schema.map(keys).unwrap_or_default()),
        };
    }
    let Some(schema) = schema else { return Found::Untyped(Vec::new()) };
    nested(schema, path, declared.pii.is_some(), place)
}

fn nested(schema: &Json, path: &[String], mut personal: bool, place: Option<Span>) -> Found {
    let mut at = schema;
    for (index, key) in path.iter().enumerate().skip(1) {
        let Some(next) = at.get("properties").and_then(|properties| properties.get(key)) else {
            return Found::Unknown { index, known: keys(at) };
        };
        at = next;
        personal |= at.get("pii").is_some();
    }
    match type_of(at) {
        Some(kind) => Found::Value(Property { kind, personal, place }),
        None => Found::Untyped(keys(at)),
    }
}

fn keys(schema: &Json) -> Vec<String> {
    schema
        .get("properties")
        .and_then(Json::as_object)
        .map(|properties| properties.keys().cloned().collect())
        .unwrap_or_default()
}

/// The type that a JSON Schema gives its values: what [`schema::kind_of`](crate::model::schema::kind_of) says of the same
/// schema in YAML.
pub(crate) fn type_of(schema: &Json) -> Option<Type> {
    match single_type(schema)? {
        "string" => Some(match schema.get("format").and_then(Json::as_str) {
            Some("date-time") => Type::Time,
            _ => Type::String { one_of: choices(schema) },
        }),
        "integer" => Some(Type::Int),
        "number" => Some(number(schema)),
        "boolean" => Some(Type::Bool),
        "array" => match type_of(schema.get("items")?)? {
            Type::List(_) => None,
            item => Some(Type::List(Box::new(item))),
        },
        _ => None,
    }
}

fn single_type(schema: &Json) -> Option<&str> {
    match schema.get("type") {
        None => values(schema).filter(|values| values.iter().all(|value| value.is_string())).map(|_| "string"),
        Some(Json::String(name)) => Some(name),
        Some(declared) => {
            let mut names = declared.as_array()?.iter().filter_map(Json::as_str).filter(|name| *name != "null");
            let only = names.next()?;
            names.next().is_none().then_some(only)
        }
    }
}

fn values(schema: &Json) -> Option<Vec<&Json>> {
    match (schema.get("const"), schema.get("enum").and_then(Json::as_array)) {
        (Some(only), _) => Some(vec![only]),
        (None, Some(list)) if !list.is_empty() => Some(list.iter().collect()),
        _ => None,
    }
}

fn choices(schema: &Json) -> Option<Arc<[Arc<str>]>> {
    let texts: Vec<Arc<str>> = values(schema)?.into_iter().filter_map(Json::as_str).map(Arc::from).collect();
    (!texts.is_empty()).then(|| texts.into())
}

fn number(schema: &Json) -> Type {
    let Some(step) = schema.get("multipleOf").filter(|step| step.is_number()).map(Json::to_string) else {
        return Type::Float;
    };
    let exact = step.parse::<Decimal>().or_else(|_| Decimal::from_scientific(&step));
    match exact.map(|exact| exact.normalize().scale()) {
        Ok(0) => Type::Int,
        Ok(scale @ 1..=LARGEST_SCALE) => Type::Decimal { scale: scale as u8 },
        _ => Type::Float,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Report;
    use crate::model::schema::kind_of;
    use crate::source::FileId;

    /// A property has one type, whether it is at the top, where YAML says so, or inside another, where the schema does.
    #[test]
    fn both_readings_of_a_schema_agree() {
        for schema in [
            r#"{"type": "string"}"#,
            r#"{"type": "string", "enum": ["a", "b"]}"#,
            r#"{"enum": ["a", "b"]}"#,
            r#"{"enum": ["a", 1]}"#,
            r#"{"enum": []}"#,
            r#"{"const": "a"}"#,
            r#"{"type": ["string", "null"], "enum": ["a", null]}"#,
            r#"{"type": ["string", "integer"]}"#,
            r#"{"type": "string", "format": "date-time"}"#,
            r#"{"type": "integer"}"#,
            r#"{"type": "number"}"#,
            r#"{"type": "number", "multipleOf": 0.01}"#,
            r#"{"type": "number", "multipleOf": 0.5}"#,
            r#"{"type": "number", "multipleOf": 1}"#,
            r#"{"type": "number", "multipleOf": 100}"#,
            r#"{"type": "number", "multipleOf": 1e-25}"#,
            r#"{"type": "boolean"}"#,
            r#"{"type": "array", "items": {"type": "integer"}}"#,
            r#"{"type": "array", "items": {"type": "array", "items": {"type": "integer"}}}"#,
            r#"{"type": "array"}"#,
            r#"{"type": "object"}"#,
            r#"{}"#,
        ] {
            let node = crate::yaml::read(FileId(0), schema, &mut Report::default()).unwrap();
            assert_eq!(type_of(&serde_json::from_str(schema).unwrap()), kind_of(&node), "{schema}");
        }
    }
}
