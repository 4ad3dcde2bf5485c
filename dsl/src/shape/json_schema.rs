//! The tables as JSON Schema (2020-12), for editors: `sonder schema KIND` prints it.

use super::{Filled, Key, Shape};
use crate::model::schema;
use serde_json::{Map, Value, json};

/// The schema of a whole file.
#[must_use]
pub fn of_file(title: &str, keys: &'static [Key]) -> Value {
    let mut schema = Map::new();
    schema.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    schema.insert("title".to_owned(), json!(title));
    schema.extend(object(keys));
    Value::Object(schema)
}

fn object(keys: &[Key]) -> Map<String, Value> {
    let mut schema = Map::new();
    schema.insert("type".to_owned(), json!("object"));
    let properties: Map<String, Value> = keys
        .iter()
        .map(|key| {
            let mut schema = of_shape(&key.shape);
            if let Some(schema) = schema.as_object_mut() {
                schema.insert("description".to_owned(), json!(key.doc));
            }
            (key.name.to_owned(), schema)
        })
        .collect();
    schema.insert("properties".to_owned(), Value::Object(properties));
    let required: Vec<_> = keys.iter().filter(|key| key.required).map(|key| key.name).collect();
    if !required.is_empty() {
        schema.insert("required".to_owned(), json!(required));
    }
    schema.insert("additionalProperties".to_owned(), json!(false));
    schema
}

fn of_shape(shape: &Shape) -> Value {
    match shape {
        Shape::Text(format) => {
            let mut schema = Map::new();
            schema.insert("type".to_owned(), json!("string"));
            if let Some(pattern) = format.pattern() {
                schema.insert("pattern".to_owned(), json!(pattern));
            }
            if !format.examples().is_empty() {
                schema.insert("examples".to_owned(), json!(format.examples()));
            }
            Value::Object(schema)
        }
        Shape::Word(words) => {
            let choices: Vec<_> =
                words.iter().map(|word| json!({"const": word.word, "description": word.doc})).collect();
            json!({"type": "string", "oneOf": choices})
        }
        Shape::Bool => json!({"type": "boolean"}),
        Shape::Integer(from, to) => json!({"type": "integer", "minimum": from, "maximum": to}),
        Shape::Probability => json!({"type": "number", "minimum": 0, "maximum": 1}),
        Shape::List(item, filled) => {
            let least = u8::from(*filled == Filled::AtLeastOne);
            json!({"type": "array", "items": of_shape(item), "minItems": least})
        }
        Shape::Map(format, value) => {
            let names = format.pattern().map_or_else(|| json!({}), |pattern| json!({"pattern": pattern}));
            json!({"type": "object", "propertyNames": names, "additionalProperties": of_shape(value)})
        }
        Shape::Object(keys) => Value::Object(object(keys)),
        Shape::Either(shapes) => json!({"anyOf": shapes.iter().map(of_shape).collect::<Vec<_>>()}),
        Shape::Schema => of_property(schema::OWN_KEYS),
        Shape::Trait => of_property(schema::TRAIT_KEYS),
        Shape::Json => json!(true),
    }
}

/// A JSON Schema by the standard's own schema, with keys of ours beside.
fn of_property(own: &[&[Key]]) -> Value {
    let keys = own.iter().copied().flatten();
    let properties: Map<String, Value> = keys
        .map(|key| {
            let mut schema = of_shape(&key.shape);
            schema["description"] = json!(key.doc);
            (key.name.to_owned(), schema)
        })
        .collect();
    json!({
        "type": "object",
        "allOf": [{"$ref": "https://json-schema.org/draft/2020-12/schema"}],
        "properties": properties,
    })
}
