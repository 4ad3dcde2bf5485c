//! One event type's schema, compiled: verdicts on properties, and the slots that rules read.
//!
//! A schema made of `properties` and `required` only, as nearly all are, is compiled property by property, so that a
//! message's properties are judged where they lie. Any other is compiled as a whole.

use super::identify::IdentifierProperty;
use super::{path, value};
use crate::message::read::{kind_of, shortened};
use crate::message::{Message, Reason, code, limits};
use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{Draft, PatternOptions, ValidationError, Validator};
use serde_json::{Map, Value as Json};
use sonder_dsl::ir::{DestinationId, IdentifierKindId, Value};
use sonder_dsl::model::{Derivation, EventSchema, Identity, OnViolation, SlotPath};

/// Bytes that a compiled pattern may take. The language's check of a pattern has a smaller bound, and JSON Schema's narrower
/// classes make it smaller still: what compiles there fits here.
const PATTERN_BYTES: usize = 10 << 20;

/// How many values of an enum a message to people names.
const SHOWN_VALUES: usize = 12;

/// What an event type asks of its messages.
pub(super) struct EventRules {
    shape: Shape,
    on_violation: OnViolation,
    required: Vec<String>,
    slots: Vec<(SlotPath, Option<Derivation>)>,
    /// The properties that are identifiers.
    pub(super) identifiers: Vec<IdentifierProperty>,
    /// The destinations that receive events of this type, and their names.
    pub(super) receivers: Vec<(DestinationId, String)>,
}

/// How a slot is made, where its property is not sent.
fn made(schema: &EventSchema, slot: &SlotPath) -> Option<Derivation> {
    let declared = schema.properties.iter().find(|it| [it.name.as_str()] == *slot.path)?;
    declared.derivation.clone()
}

/// Whether properties are what the schema says.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    /// They are.
    Valid,
    /// They are not, and the event goes on all the same.
    Labelled,
    /// They are, but for these, which are left out; sorted.
    Stripped(Vec<String>),
    /// They are not.
    Refused(Vec<Reason>),
}

/// How a schema is compiled.
enum Shape {
    /// One validator a property.
    Properties(Vec<(String, Validator)>),
    /// One for the whole object.
    Whole(Validator),
    /// It is no valid JSON Schema.
    Broken(String),
}

/// A violation, and the top-level property that it lies in.
struct Violation {
    property: Option<String>,
    reason: Reason,
}

impl EventRules {
    pub(super) fn new(schema: &EventSchema, identity: &Identity, receivers: Vec<(DestinationId, String)>) -> Self {
        let identifiers = schema.properties.iter().filter_map(|property| {
            let kind = property.identifier.as_ref()?;
            let place = identity.identifiers.iter().position(|declared| declared.name == *kind)?;
            Some(IdentifierProperty { kind: IdentifierKindId(u16::try_from(place).ok()?), name: property.name.clone() })
        });
        Self {
            shape: Shape::compile(schema).unwrap_or_else(Shape::Broken),
            on_violation: schema.on_violation,
            required: schema.required.clone(),
            slots: schema.slots.iter().map(|slot| (slot.clone(), made(schema, slot))).collect(),
            identifiers: identifiers.collect(),
            receivers,
        }
    }

    /// Judges the properties of a message.
    pub(super) fn judge(&self, properties: &Map<String, Json>) -> Verdict {
        let violations = self.violations(properties);
        if violations.is_empty() {
            return Verdict::Valid;
        }
        match self.on_violation {
            OnViolation::Label => return Verdict::Labelled,
            OnViolation::Strip => {
                let names: Option<Vec<_>> = violations.iter().map(|violation| violation.property.clone()).collect();
                // What is wrong with the whole, or with what must be there, cannot be left out.
                if let Some(mut names) = names.filter(|names| !names.iter().any(|name| self.required.contains(name))) {
                    names.sort_unstable();
                    names.dedup();
                    return Verdict::Stripped(names);
                }
            }
            OnViolation::Quarantine => {}
        }
        Verdict::Refused(violations.into_iter().map(|violation| violation.reason).collect())
    }

    /// What rules read of the properties.
    pub(super) fn slots(&self, properties: &Map<String, Json>, stripped: &[String]) -> Box<[Option<Value>]> {
        let read = |(slot, made): &(SlotPath, Option<Derivation>)| {
            let sent = made.as_ref().map_or(slot.path.first()?, |made| &made.from);
            if stripped.contains(sent) {
                return None;
            }
            match made {
                Some(made) => value::read(&made.value(properties)?, &slot.kind),
                None => value::read(path::get(properties, &slot.path)?, &slot.kind),
            }
        };
        self.slots.iter().map(read).collect()
    }

    /// The receivers that the message's own `integrations` exclude; sorted.
    pub(super) fn withheld(&self, message: &Message) -> Vec<DestinationId> {
        let Some(Json::Object(integrations)) = message.rest.get("integrations").filter(|_| !self.receivers.is_empty())
        else {
            return Vec::new();
        };
        let all = integrations.get("All") != Some(&Json::Bool(false));
        let is_on = |name: &String| match integrations.get(name) {
            None | Some(Json::Null) => all,
            Some(setting) => *setting != Json::Bool(false),
        };
        self.receivers.iter().filter(|(_, name)| !is_on(name)).map(|(id, _)| *id).collect()
    }

    fn violations(&self, properties: &Map<String, Json>) -> Vec<Violation> {
        let mut violations = Vec::new();
        match &self.shape {
            Shape::Properties(validators) => {
                for (name, validator) in validators {
                    if let Some(value) = properties.get(name)
                        && !validator.is_valid(value)
                    {
                        let within = Some(name.as_str());
                        violations.extend(validator.iter_errors(value).map(|error| violation(&error, within)));
                    }
                }
                for name in self.required.iter().filter(|name| !properties.contains_key(*name)) {
                    violations.push(missing(name, ""));
                }
            }
            Shape::Whole(validator) => {
                let instance = Json::Object(properties.clone());
                for error in validator.iter_errors(&instance) {
                    match error.kind() {
                        ValidationErrorKind::AdditionalProperties { unexpected }
                        | ValidationErrorKind::UnevaluatedProperties { unexpected }
                            if error.instance_path().is_empty() =>
                        {
                            violations.extend(unexpected.iter().map(|name| undeclared_property(name)));
                        }
                        _ => violations.push(violation(&error, None)),
                    }
                }
            }
            Shape::Broken(error) => {
                let message = format!("its schema is no valid JSON Schema: {error}");
                violations.push(Violation { property: None, reason: Reason::new(code::SCHEMA_VIOLATION, "", message) });
            }
        }
        violations.truncate(limits::REASONS);
        violations
    }
}

impl Shape {
    fn compile(schema: &EventSchema) -> Result<Self, String> {
        let Some(properties) = separable(&schema.json_schema) else {
            return validator(&schema.json_schema).map(Self::Whole);
        };
        let compiled = properties.iter().map(|(name, property)| Ok((name.clone(), validator(property)?)));
        compiled.collect::<Result<_, _>>().map(Self::Properties)
    }
}

/// Compiles a schema of draft 2020-12, with formats asserted. Patterns take time linear in the text, whoever wrote it: the
/// engine is the one that the language accepts patterns of, without look-around and back-references.
pub(super) fn validator(schema: &Json) -> Result<Validator, String> {
    jsonschema::options()
        .with_draft(Draft::Draft202012)
        .should_validate_formats(true)
        .with_pattern_options(PatternOptions::regex().size_limit(PATTERN_BYTES))
        .build(schema)
        .map_err(|error| error.to_string())
}

/// The properties of a schema that says nothing but what each of them is and which must be there.
fn separable(schema: &Json) -> Option<&Map<String, Json>> {
    const SEPARABLE: [&str; 11] = [
        "$schema",
        "$id",
        "$comment",
        "title",
        "description",
        "type",
        "properties",
        "required",
        "examples",
        "default",
        "deprecated",
    ];
    let object = schema.as_object()?;
    // To let others come along asks nothing of any.
    let is_silent = |key: &str, value: &Json| key == "additionalProperties" && *value == Json::Bool(true);
    let is_separable = object.iter().all(|(key, value)| SEPARABLE.contains(&key.as_str()) || is_silent(key, value))
        && object.get("type").is_none_or(|kind| kind == "object")
        && !has_reference(schema);
    if is_separable { object.get("properties")?.as_object() } else { None }
}

fn has_reference(schema: &Json) -> bool {
    match schema {
        Json::Object(object) => {
            object.iter().any(|(key, value)| matches!(key.as_str(), "$ref" | "$dynamicRef") || has_reference(value))
        }
        Json::Array(items) => items.iter().any(has_reference),
        _ => false,
    }
}

/// A violation within a property, or within the whole object.
fn violation(error: &ValidationError<'_>, within: Option<&str>) -> Violation {
    let below = error.instance_path().as_str();
    let (property, place) = match within {
        Some(name) => (Some(name.to_owned()), format!("/properties/{}{below}", escape(name))),
        None => {
            let first = below.strip_prefix('/').and_then(|path| path.split('/').next());
            (first.map(unescape), format!("/properties{below}"))
        }
    };
    if let ValidationErrorKind::Required { property: Json::String(name) } = error.kind() {
        let Violation { reason, .. } = missing(name, place.strip_prefix("/properties").unwrap_or_default());
        return Violation { property, reason };
    }
    Violation { property, reason: Reason::new(code::SCHEMA_VIOLATION, place, explain(error)) }
}

fn missing(name: &str, below: &str) -> Violation {
    let place = format!("/properties{below}/{}", escape(name));
    Violation { property: None, reason: Reason::new(code::SCHEMA_VIOLATION, place, format!("`{name}` is missing")) }
}

fn undeclared_property(name: &str) -> Violation {
    let place = format!("/properties/{}", escape(name));
    let message = format!("`{}` is not a property of this event", shortened(name));
    Violation { property: Some(name.to_owned()), reason: Reason::new(code::SCHEMA_VIOLATION, place, message) }
}

/// What is wrong, and what was expected.
pub(super) fn explain(error: &ValidationError<'_>) -> String {
    let value = error.instance();
    let got = shown(value);
    match error.kind() {
        ValidationErrorKind::Type { kind } => {
            let expected = match kind {
                TypeKind::Single(single) => single.to_string(),
                TypeKind::Multiple(several) => {
                    several.iter().map(|single| single.to_string()).collect::<Vec<_>>().join(" or ")
                }
            };
            format!("{got} is {}, expected type `{expected}`", kind_of(value))
        }
        ValidationErrorKind::Enum { options } => {
            let options = options.as_array().map(Vec::as_slice).unwrap_or_default();
            let shown: Vec<_> = options.iter().take(SHOWN_VALUES).map(shown).collect();
            let more = if options.len() > SHOWN_VALUES { " …" } else { "" };
            format!("{got} is not one of {}{more}", shown.join(", "))
        }
        ValidationErrorKind::Format { format } => format!("{got} does not have the format `{format}`"),
        ValidationErrorKind::Pattern { pattern } => format!("{got} does not match the pattern `{pattern}`"),
        ValidationErrorKind::Minimum { limit } => format!("{got} is below {limit}"),
        ValidationErrorKind::Maximum { limit } => format!("{got} is above {limit}"),
        ValidationErrorKind::ExclusiveMinimum { limit } => format!("{got} is not above {limit}"),
        ValidationErrorKind::ExclusiveMaximum { limit } => format!("{got} is not below {limit}"),
        ValidationErrorKind::MultipleOf { multiple_of } => format!("{got} is not a multiple of {multiple_of}"),
        ValidationErrorKind::MinLength { limit } => format!("{got} is shorter than {limit} characters"),
        ValidationErrorKind::MaxLength { limit } => format!("{got} is longer than {limit} characters"),
        _ => shortened(&error.to_string()).into_owned(),
    }
}

fn shown(value: &Json) -> String {
    match value {
        Json::String(text) => format!("`{}`", shortened(text)),
        other => format!("`{}`", shortened(&other.to_string())),
    }
}

/// A key as a part of a JSON pointer.
fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

fn unescape(part: &str) -> String {
    part.replace("~1", "/").replace("~0", "~")
}
