//! The type that rules and typed columns see of a schema.

use crate::ir::Type;
use crate::yaml::{Node, Value};
use rust_decimal::Decimal;
use std::sync::Arc;

/// Digits after the point that an exact decimal may have; a finer `multipleOf` makes a float.
const LARGEST_SCALE: u32 = 18;

/// The type of the values that a schema allows; `None` for objects, mixed types and everything else that is kept as
/// JSON. `null` beside a type changes nothing: an absent value is unknown anyway.
///
/// A number that is a multiple of 0.01 is an exact decimal with two digits; one that is a multiple of a whole number
/// is a whole number.
#[must_use]
pub fn kind_of(node: &Node) -> Option<Type> {
    match single_type(node)? {
        "string" => Some(match node.get("format").and_then(Node::text) {
            Some("date-time") => Type::Time,
            _ => Type::String { one_of: choices(node) },
        }),
        "integer" => Some(Type::Int),
        "number" => Some(number(node)),
        "boolean" => Some(Type::Bool),
        "array" => match kind_of(node.get("items")?)? {
            Type::List(_) => None,
            item => Some(Type::List(Box::new(item))),
        },
        _ => None,
    }
}

fn single_type(node: &Node) -> Option<&str> {
    let Some(declared) = node.get("type") else {
        // An enumeration of texts says its type by itself.
        let mut values = values(node)?;
        return values.all(|value| value.text().is_some()).then_some("string");
    };
    if let Some(name) = declared.text() {
        return Some(name);
    }
    let mut names = declared.items().iter().filter_map(Node::text).filter(|name| *name != "null");
    let only = names.next()?;
    names.next().is_none().then_some(only)
}

fn values(node: &Node) -> Option<Box<dyn Iterator<Item = &Node> + '_>> {
    match (node.get("enum"), node.get("const")) {
        (_, Some(only)) => Some(Box::new(std::iter::once(only))),
        (Some(list), None) if !list.items().is_empty() => Some(Box::new(list.items().iter())),
        _ => None,
    }
}

fn choices(node: &Node) -> Option<Arc<[Arc<str>]>> {
    let texts: Vec<Arc<str>> = values(node)?.filter_map(Node::text).map(Arc::from).collect();
    (!texts.is_empty()).then(|| texts.into())
}

fn number(node: &Node) -> Type {
    let Some(Value::Number(step)) = node.get("multipleOf").map(|node| &node.value) else { return Type::Float };
    let exact = step.text.parse::<Decimal>().or_else(|_| Decimal::from_scientific(&step.text));
    let Ok(exact) = exact.map(|exact| exact.normalize()) else { return Type::Float };
    match exact.scale() {
        0 => Type::Int,
        scale @ 1..=LARGEST_SCALE => Type::Decimal { scale: scale as u8 },
        _ => Type::Float,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Report;
    use crate::source::FileId;

    #[test]
    fn schemas_have_types() {
        let text = |values: &[&str]| {
            Some(Type::String { one_of: Some(values.iter().map(|value| Arc::from(*value)).collect()) })
        };
        for (schema, kind) in [
            ("{type: string}", Some(Type::String { one_of: None })),
            ("{type: string, enum: [a, b]}", text(&["a", "b"])),
            ("{enum: [a, b]}", text(&["a", "b"])),
            ("{const: a}", text(&["a"])),
            ("{enum: [a, 1]}", None),
            ("{type: [string, 'null'], enum: [a, null]}", text(&["a"])),
            ("{type: string, format: date-time}", Some(Type::Time)),
            ("{type: string, format: date}", Some(Type::String { one_of: None })),
            ("{type: integer}", Some(Type::Int)),
            ("{type: number}", Some(Type::Float)),
            ("{type: number, multipleOf: 0.01}", Some(Type::Decimal { scale: 2 })),
            ("{type: number, multipleOf: 0.010}", Some(Type::Decimal { scale: 2 })),
            ("{type: number, multipleOf: 1e-3}", Some(Type::Decimal { scale: 3 })),
            ("{type: number, multipleOf: 0.5}", Some(Type::Decimal { scale: 1 })),
            ("{type: number, multipleOf: 1}", Some(Type::Int)),
            ("{type: number, multipleOf: 1.0}", Some(Type::Int)),
            ("{type: number, multipleOf: 100}", Some(Type::Int)),
            ("{type: number, multipleOf: 1e-25}", Some(Type::Float)),
            ("{type: boolean}", Some(Type::Bool)),
            ("{type: array, items: {type: integer}}", Some(Type::List(Box::new(Type::Int)))),
            ("{type: array, items: {type: array, items: {type: integer}}}", None),
            ("{type: array}", None),
            ("{type: object}", None),
            ("{type: [string, integer]}", None),
            ("{}", None),
        ] {
            let node = crate::yaml::read(FileId(0), schema, &mut Report::default()).unwrap();
            assert_eq!(kind_of(&node), kind, "{schema}");
        }
    }
}
