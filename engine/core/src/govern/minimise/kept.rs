//! What is stored of a value: all of it, or what is declared within.

use crate::limits;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// What is stored of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// All of it.
    All,
    /// Of an object these keys, of a list the same of each item; where nothing is said of either, and of other values, all of it.
    Within { fields: Option<BTreeMap<String, Kept>>, items: Option<Box<Kept>> },
}

/// Keywords about all the keys of an object: with them, no key is undeclared.
const OF_ALL_KEYS: [&str; 8] = [
    "additionalProperties",
    "unevaluatedProperties",
    "patternProperties",
    "propertyNames",
    "minProperties",
    "maxProperties",
    "enum",
    "const",
];

/// Keywords whose schemas are about the same value.
const IN_PLACE: [&str; 7] = ["allOf", "anyOf", "oneOf", "not", "if", "then", "else"];

/// Keywords whose schemas are about the items of a list.
const OF_ITEMS: [&str; 4] = ["items", "prefixItems", "contains", "unevaluatedItems"];

impl Kept {
    /// Nothing is said of what is within.
    const SILENT: Self = Self::Within { fields: None, items: None };

    /// Of an object these keys.
    pub(super) fn of_fields(fields: BTreeMap<String, Self>) -> Self {
        Self::Within { fields: Some(fields), items: None }
    }

    /// What a JSON Schema declares, whose references lead into `root`.
    ///
    /// Leaving the rest out changes nothing about what is valid: it is named nowhere in the schema, and nothing in the schema is
    /// about all keys.
    pub(super) fn of_schema(schema: &Json, root: &Json) -> Self {
        Reading { root, left: limits::SCHEMA_NODES }.said(schema, 0)
    }

    /// With all of what a path leads to.
    pub(super) fn add(&mut self, path: &[String]) {
        let Some((first, rest)) = path.split_first() else {
            *self = Self::All;
            return;
        };
        if let Self::Within { fields: Some(fields), .. } = self {
            fields.entry(first.clone()).or_insert_with(|| Self::of_fields(BTreeMap::new())).add(rest);
        }
    }

    /// Whether nothing of a value is left out.
    pub(super) fn has_all_of(&self, value: &Json) -> bool {
        match (self, value) {
            (Self::Within { fields: Some(fields), .. }, Json::Object(object)) => {
                object.iter().all(|(key, value)| fields.get(key).is_some_and(|kept| kept.has_all_of(value)))
            }
            (Self::Within { items: Some(items), .. }, Json::Array(list)) => {
                list.iter().all(|item| items.has_all_of(item))
            }
            _ => true,
        }
    }

    /// Of a key: what is stored of its value, and nothing where the key is not declared.
    pub(super) fn of(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Within { fields: Some(fields), .. } => fields.get(key),
            _ => Some(&Self::All),
        }
    }

    /// Leaves out of a value what is not declared.
    pub(super) fn cut(&self, value: &mut Json) {
        match (self, value) {
            (Self::Within { fields: Some(fields), .. }, Json::Object(object)) => object.retain(|key, value| {
                let kept = fields.get(key);
                kept.inspect(|kept| kept.cut(value)).is_some()
            }),
            (Self::Within { items: Some(items), .. }, Json::Array(list)) => {
                list.iter_mut().for_each(|item| items.cut(item));
            }
            _ => {}
        }
    }

    /// What either of two declares.
    fn or(self, other: Self) -> Self {
        let (Self::Within { fields, items }, Self::Within { fields: others, items: more }) = (self, other) else {
            return Self::All;
        };
        let fields = match (fields, others) {
            (Some(mut fields), Some(others)) => {
                for (key, kept) in others {
                    match fields.entry(key) {
                        Entry::Vacant(place) => _ = place.insert(kept),
                        Entry::Occupied(mut known) => {
                            let before = std::mem::replace(known.get_mut(), Self::All);
                            known.insert(before.or(kept));
                        }
                    }
                }
                Some(fields)
            }
            (fields, others) => fields.or(others),
        };
        let items = match (items, more) {
            (Some(items), Some(more)) => Some(Box::new(items.or(*more))),
            (items, more) => items.or(more),
        };
        Self::Within { fields, items }
    }
}

/// A schema that is read.
struct Reading<'s> {
    root: &'s Json,
    /// How many more schemas are looked at.
    left: usize,
}

impl Reading<'_> {
    /// What a schema says of what is within.
    fn said(&mut self, schema: &Json, depth: usize) -> Kept {
        let Json::Object(keywords) = schema else { return Kept::SILENT };
        if depth > limits::SCHEMA_DEPTH || self.left == 0 || OF_ALL_KEYS.iter().any(|it| keywords.contains_key(*it)) {
            return Kept::All;
        }
        self.left -= 1;
        let properties = keywords.get("properties").and_then(Json::as_object);
        let properties = properties.into_iter().flatten();
        let mut fields: BTreeMap<String, Kept> =
            properties.map(|(name, schema)| (name.clone(), self.said(schema, depth + 1))).collect();
        let named = names(keywords.get("required")).chain(dependent(keywords.get("dependentRequired")));
        named.for_each(|name| _ = fields.entry(name.to_owned()).or_insert(Kept::SILENT));
        // Items that differ only in what is not declared would be the same without it.
        let is_set = keywords.get("uniqueItems") == Some(&Json::Bool(true));
        let mut items = None;
        for schema in OF_ITEMS.iter().filter_map(|keyword| keywords.get(*keyword)).flat_map(schemas) {
            let item = if is_set { Kept::All } else { self.said(schema, depth + 1) };
            items = Some(items.map_or(item.clone(), |items: Kept| items.or(item)));
        }
        let mut in_place: Vec<Kept> = Vec::new();
        for schema in IN_PLACE.iter().filter_map(|keyword| keywords.get(*keyword)).flat_map(schemas) {
            in_place.push(self.said(schema, depth + 1));
        }
        for (name, schema) in keywords.get("dependentSchemas").and_then(Json::as_object).into_iter().flatten() {
            fields.entry(name.clone()).or_insert(Kept::SILENT);
            in_place.push(self.said(schema, depth + 1));
        }
        if let Some(reference) = keywords.get("$ref").and_then(Json::as_str) {
            let there = reference.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer));
            in_place.push(there.map_or(Kept::All, |there| self.said(there, depth + 1)));
        }
        let own = Kept::Within { fields: (!fields.is_empty()).then_some(fields), items: items.map(Box::new) };
        in_place.into_iter().fold(own, Kept::or)
    }
}

/// The schemas of a keyword: one, or a list.
fn schemas(value: &Json) -> &[Json] {
    value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice)
}

fn names(list: Option<&Json>) -> impl Iterator<Item = &str> {
    list.and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str)
}

fn dependent(names_of: Option<&Json>) -> impl Iterator<Item = &str> {
    let pairs = names_of.and_then(Json::as_object).into_iter().flatten();
    pairs.flat_map(|(name, others)| std::iter::once(name.as_str()).chain(names(Some(others))))
}
