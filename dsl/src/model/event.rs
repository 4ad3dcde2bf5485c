//! `events/*.yaml`: event schemas.

use crate::ir::Type;
use serde::{Deserialize, Serialize};

/// One event type.
#[derive(Clone, Debug, PartialEq)]
pub struct EventSchema {
    /// `product_viewed`: lower-case snake case, unique.
    pub name: String,
    /// For people: `Product Viewed`.
    pub title: Option<String>,
    /// What it means and when it is sent.
    pub description: Option<String>,
    /// The team that answers for it.
    pub owner: Option<String>,
    /// SchemaVer: MODEL-REVISION-ADDITION.
    pub version: String,
    /// Other names that it is sent under, as written.
    pub aliases: Vec<String>,
    /// For which purposes its data may be used.
    pub purposes: Vec<String>,
    /// Its top-level properties, in the order of the file.
    pub properties: Vec<Property>,
    /// Names of the properties that must be there.
    pub required: Vec<String>,
    /// The JSON Schema (2020-12) of the whole `properties` object, made of `properties` and `required`.
    pub json_schema: serde_json::Value,
    /// What happens to an event that violates the schema.
    pub on_violation: OnViolation,
    /// The properties that rules read, in the order of their slots.
    pub slots: Vec<SlotPath>,
}

/// One property of an event.
#[derive(Clone, Debug, PartialEq)]
pub struct Property {
    /// Its key.
    pub name: String,
    /// Its type, where it is one that rules and typed columns know; `None` for objects and mixed types, which are kept
    /// as JSON.
    pub kind: Option<Type>,
    /// The columns and rules treat it as personal data.
    pub pii: Option<PiiClass>,
    /// The kind of identifier that its value is.
    pub identifier: Option<String>,
    /// What it means.
    pub description: Option<String>,
}

/// `pii:`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PiiClass {
    /// E-mail, phone, postal address.
    Contact,
    /// Name, date of birth.
    Personal,
    /// Health, religion, and what else the law protects more.
    Sensitive,
    /// Device ids, IP addresses, cookies.
    Technical,
}

/// `on_violation:`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnViolation {
    /// The event is kept aside with the reasons. The default.
    Quarantine,
    /// The properties that violate are dropped, the rest goes on; an event that lacks a required one is quarantined.
    Strip,
    /// The event goes on, labelled.
    Label,
}

/// A property that a rule reads.
#[derive(Clone, Debug, PartialEq)]
pub struct SlotPath {
    /// Keys from the top of `properties`.
    pub path: Vec<String>,
    /// What the value is read as; a value of another type is unknown.
    pub kind: Type,
}

/// A context field that a rule reads.
#[derive(Clone, Debug, PartialEq)]
pub struct ContextField {
    /// Keys from the top of `context`.
    pub path: Vec<String>,
    /// What the value is read as; a value of another type is unknown.
    pub kind: Type,
}

/// The one spelling of an event name: `Product Viewed`, `productViewed`, `product-viewed` fold to `product_viewed`.
#[must_use]
pub fn fold_event_name(name: &str) -> String {
    let mut folded = String::with_capacity(name.len() + 4);
    let mut previous = ' ';
    let mut characters = name.trim().chars().peekable();
    while let Some(character) = characters.next() {
        if character.is_alphanumeric() {
            let next_is_lower = characters.peek().is_some_and(|next| next.is_lowercase());
            let starts_word = character.is_uppercase()
                && (previous.is_lowercase() || previous.is_numeric() || (previous.is_uppercase() && next_is_lower));
            if starts_word && !folded.is_empty() && !folded.ends_with('_') {
                folded.push('_');
            }
            folded.extend(character.to_lowercase());
        } else if !folded.is_empty() && !folded.ends_with('_') {
            folded.push('_');
        }
        previous = character;
    }
    while folded.ends_with('_') {
        folded.pop();
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::fold_event_name;

    #[test]
    fn spellings_fold_to_one() {
        for (written, folded) in [
            ("Product Viewed", "product_viewed"),
            ("product_viewed", "product_viewed"),
            ("productViewed", "product_viewed"),
            ("product-viewed", "product_viewed"),
            ("  PRODUCT VIEWED ", "product_viewed"),
            ("HTTPError", "http_error"),
            ("Klik op item", "klik_op_item"),
            ("level10Reached", "level10_reached"),
            ("$pageview", "pageview"),
            ("Größe geändert", "größe_geändert"),
        ] {
            assert_eq!(fold_event_name(written), folded, "{written}");
        }
    }
}
