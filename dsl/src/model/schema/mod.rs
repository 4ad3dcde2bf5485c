//! JSON Schema (2020-12) of one property: its keywords, what their values may be, and the type that rules see.
//!
//! What can be known to be wrong without data is reported here, with its place, so that the validator that the engine
//! builds from it never refuses a schema.

mod check;
mod kind;

pub use check::check;
pub use kind::kind_of;

use crate::shape::{Format, Key, Shape, Word};
use crate::yaml::Node;

/// Sonder's own keys of an event's property, beside those of JSON Schema.
pub const OWN_KEYS: &[&[Key]] = &[PII_KEY, PROPERTY];

/// Sonder's own keys of a trait.
pub const TRAIT_KEYS: &[&[Key]] = &[PII_KEY, super::profile::TRAIT];

const PII_KEY: &[Key] = &[Key::optional(
    "pii",
    Shape::Word(PII),
    "the value is personal data of this class; rules may only ask whether it is known",
)];

const PROPERTY: &[Key] = &[
    Key::optional("identifier", Shape::NAME, "the value is an identifier of this kind"),
    Key::optional(
        "derive",
        Shape::Map(Format::Name, &Shape::TEXT),
        "properties made of this one that are no personal data, such as `email_domain: domain(email)`; with domain, year, \
         month or length",
    ),
];

/// Classes of personal data.
pub const PII: &[Word] = &[
    Word { word: "contact", doc: "e-mail, phone, postal address" },
    Word { word: "personal", doc: "name, date of birth" },
    Word { word: "sensitive", doc: "health, religion, and what else the law protects more" },
    Word { word: "technical", doc: "device ids, IP addresses, cookies" },
];

/// The class that `pii:` names.
#[must_use]
pub fn pii(word: &str) -> Option<super::PiiClass> {
    Some(match word {
        "contact" => super::PiiClass::Contact,
        "personal" => super::PiiClass::Personal,
        "sensitive" => super::PiiClass::Sensitive,
        "technical" => super::PiiClass::Technical,
        _ => return None,
    })
}

/// The schema as JSON, without Sonder's own keys: what data is validated against.
#[must_use]
pub fn to_json(node: &Node) -> serde_json::Value {
    let mut json = node.to_json();
    if let Some(object) = json.as_object_mut() {
        object.retain(|key, _| !OWN_KEYS.iter().copied().flatten().any(|own| own.name == key));
    }
    json
}

/// What the value of a keyword must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keyword {
    Types,
    Values,
    Any,
    List,
    Positive,
    Number,
    Count,
    Pattern,
    Format,
    Text,
    Bool,
    Schema,
    Schemas,
    SchemaMap,
    Names,
    NamesMap,
    Ref,
    Refused,
}

impl Keyword {
    /// Whether Sonder refuses it.
    pub(crate) const fn is_refused(self) -> bool {
        matches!(self, Self::Refused)
    }
}

/// All keywords of the standard; the last group changes how references resolve and is refused.
pub(crate) const KEYWORDS: &[(&str, Keyword)] = &[
    ("type", Keyword::Types),
    ("enum", Keyword::Values),
    ("const", Keyword::Any),
    ("multipleOf", Keyword::Positive),
    ("maximum", Keyword::Number),
    ("exclusiveMaximum", Keyword::Number),
    ("minimum", Keyword::Number),
    ("exclusiveMinimum", Keyword::Number),
    ("maxLength", Keyword::Count),
    ("minLength", Keyword::Count),
    ("maxItems", Keyword::Count),
    ("minItems", Keyword::Count),
    ("maxContains", Keyword::Count),
    ("minContains", Keyword::Count),
    ("maxProperties", Keyword::Count),
    ("minProperties", Keyword::Count),
    ("pattern", Keyword::Pattern),
    ("format", Keyword::Format),
    ("uniqueItems", Keyword::Bool),
    ("required", Keyword::Names),
    ("dependentRequired", Keyword::NamesMap),
    ("items", Keyword::Schema),
    ("prefixItems", Keyword::Schemas),
    ("contains", Keyword::Schema),
    ("unevaluatedItems", Keyword::Schema),
    ("properties", Keyword::SchemaMap),
    ("patternProperties", Keyword::SchemaMap),
    ("additionalProperties", Keyword::Schema),
    ("propertyNames", Keyword::Schema),
    ("unevaluatedProperties", Keyword::Schema),
    ("dependentSchemas", Keyword::SchemaMap),
    ("allOf", Keyword::Schemas),
    ("anyOf", Keyword::Schemas),
    ("oneOf", Keyword::Schemas),
    ("not", Keyword::Schema),
    ("if", Keyword::Schema),
    ("then", Keyword::Schema),
    ("else", Keyword::Schema),
    ("$ref", Keyword::Ref),
    ("$defs", Keyword::SchemaMap),
    ("$comment", Keyword::Text),
    ("title", Keyword::Text),
    ("description", Keyword::Text),
    ("default", Keyword::Any),
    ("examples", Keyword::List),
    ("deprecated", Keyword::Bool),
    ("readOnly", Keyword::Bool),
    ("writeOnly", Keyword::Bool),
    ("contentEncoding", Keyword::Text),
    ("contentMediaType", Keyword::Text),
    ("contentSchema", Keyword::Schema),
    ("$id", Keyword::Refused),
    ("$schema", Keyword::Refused),
    ("$anchor", Keyword::Refused),
    ("$vocabulary", Keyword::Refused),
    ("$dynamicRef", Keyword::Refused),
    ("$dynamicAnchor", Keyword::Refused),
];

pub(crate) const TYPES: &[&str] = &["string", "integer", "number", "boolean", "array", "object", "null"];

pub(crate) const FORMATS: &[&str] = &[
    "date-time",
    "date",
    "time",
    "duration",
    "email",
    "idn-email",
    "hostname",
    "idn-hostname",
    "ipv4",
    "ipv6",
    "uri",
    "uri-reference",
    "iri",
    "iri-reference",
    "uri-template",
    "uuid",
    "json-pointer",
    "relative-json-pointer",
    "regex",
];
