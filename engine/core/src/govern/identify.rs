//! Whose a message is: its identifiers, in the project's order of priority, made comparable.

use super::path::{MessagePath, person_traits};
use crate::message::{Call, Label, Message, Reason, code, limits};
use crate::record::Identifier;
use serde_json::Value as Json;
use sonder_dsl::ir::IdentifierKindId;
use sonder_dsl::model::{BlockedValue, Identity, Normalizer};
use std::borrow::Cow;

/// What broken pages and SDKs send for an id that they do not have; compared in lower case.
const NOBODY: [&str; 5] = ["null", "undefined", "nan", "[object object]", "00000000-0000-0000-0000-000000000000"];

/// The kinds of identifiers of a project.
pub(super) struct Identifiers {
    kinds: Vec<Kind>,
}

struct Kind {
    id: IdentifierKindId,
    name: String,
    place: Place,
    /// Also takes the `previousId` of an `alias`.
    is_user_id: bool,
    normalize: Vec<Normalizer>,
    block: Vec<BlockedValue>,
}

/// Where a kind is read from, besides properties that are marked as one.
enum Place {
    UserId,
    AnonymousId,
    /// `context.device.id`, or the trait of that name.
    Device(MessagePath, String),
    Trait(String),
    /// The first of these that is there.
    Paths(Vec<MessagePath>),
}

/// A property of an event that is an identifier.
pub(super) struct IdentifierProperty {
    pub(super) kind: IdentifierKindId,
    pub(super) name: String,
}

impl Identifiers {
    pub(super) fn new(identity: &Identity) -> Self {
        let kinds = identity.identifiers.iter().zip(0..).map(|(declared, index)| Kind {
            id: IdentifierKindId(index),
            name: declared.name.clone(),
            place: match (&declared.from, declared.name.as_str()) {
                (Some(paths), _) => Place::Paths(paths.iter().map(|path| MessagePath::new(path)).collect()),
                (None, "user_id") => Place::UserId,
                (None, "anonymous_id") => Place::AnonymousId,
                (None, "device_id") => {
                    let path = ["context", "device", "id"].map(str::to_owned);
                    Place::Device(MessagePath::new(&path), declared.name.clone())
                }
                (None, name) => Place::Trait(name.to_owned()),
            },
            is_user_id: declared.name == "user_id",
            normalize: declared.normalize.clone(),
            block: declared.block.clone(),
        });
        Self { kinds: kinds.collect() }
    }

    /// A value of a kind as messages would carry it; `None` when it identifies nobody.
    pub(super) fn normalize(&self, kind: IdentifierKindId, value: &str) -> Option<Identifier> {
        let value = self.kinds.get(kind.index())?.normalized(value)?;
        Some(Identifier { kind, value: value.as_ref().into() })
    }

    /// The identifiers that a message of the engine's own is about, in its own order, each once.
    pub(super) fn decided(&self, message: &Message, reasons: &mut Vec<Reason>) -> Vec<Identifier> {
        let named = message.rest.get("identifiers").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
        let mut found: Vec<Identifier> = Vec::with_capacity(named.len());
        for (place, it) in named.iter().enumerate() {
            let text = |key: &str| it.get(key).and_then(Json::as_str).unwrap_or_default();
            let kind = self.kinds.iter().find(|kind| kind.name == text("kind"));
            match kind.and_then(|kind| self.normalize(kind.id, text("value"))) {
                Some(identifier) if found.contains(&identifier) => {}
                Some(identifier) => found.push(identifier),
                // Of what is left of an event, another version of the project may read less.
                None if message.call == Call::Seen => {}
                None => {
                    let message = format!("`{}:{}` identifies nobody", text("kind"), text("value"));
                    reasons.push(Reason::new(code::MISSING_IDENTIFIER, format!("/identifiers/{place}"), message));
                }
            }
        }
        if message.call.is_decision() && found.len() < 2 && reasons.is_empty() {
            let message = "a decision about who is who names two identifiers or more";
            reasons.push(Reason::new(code::MISSING_IDENTIFIER, "/identifiers", message));
        }
        if found.is_empty() && reasons.is_empty() {
            reasons.push(Reason::new(code::MISSING_IDENTIFIER, "/identifiers", "nothing says whom it is about"));
        }
        found
    }

    /// The identifiers of a message, by priority, each once. Values that identify nobody are left out and noted.
    pub(super) fn read(
        &self,
        message: &Message,
        properties: &[IdentifierProperty],
        stripped: &[String],
        labels: &mut Vec<Label>,
    ) -> Vec<Identifier> {
        let mut found = Vec::with_capacity(2);
        for kind in &self.kinds {
            let mut take = |value: &str| match kind.normalized(value) {
                Some(value) => {
                    if !found.iter().any(|known: &Identifier| known.kind == kind.id && *known.value == *value) {
                        found.push(Identifier { kind: kind.id, value: value.into() });
                    }
                }
                None => Label::IdentifierRefused.note(labels),
            };
            if let Some(value) = kind.place.read(message, stripped) {
                take(&value);
            }
            if kind.is_user_id
                && message.call == Call::Alias
                && let Some(previous) = message.previous_id.as_deref()
                // A browser's first alias names its anonymous id, which is known as one already.
                && message.anonymous_id.as_deref() != Some(previous)
            {
                take(previous);
            }
            for property in properties.iter().filter(|property| property.kind == kind.id) {
                if !stripped.contains(&property.name)
                    && let Some(value) = message.properties.get(&property.name).and_then(text_of)
                {
                    take(&value);
                }
            }
        }
        found
    }
}

impl Place {
    fn read<'m>(&self, message: &'m Message, stripped: &[String]) -> Option<Cow<'m, str>> {
        match self {
            Self::UserId => message.user_id.as_deref().map(Cow::Borrowed),
            Self::AnonymousId => message.anonymous_id.as_deref().map(Cow::Borrowed),
            Self::Trait(name) => trait_text(message, name),
            Self::Device(path, name) => path.find(message).and_then(text_in).or_else(|| trait_text(message, name)),
            Self::Paths(paths) => {
                let is_kept = |path: &&MessagePath| {
                    path.property().is_none_or(|property| !stripped.iter().any(|name| name == property))
                };
                paths.iter().filter(is_kept).find_map(|path| path.find(message)).and_then(text_in)
            }
        }
    }
}

impl Kind {
    /// The value made comparable; `None` when it identifies nobody.
    fn normalized<'v>(&self, value: &'v str) -> Option<Cow<'v, str>> {
        let mut value = Cow::Borrowed(value);
        for step in &self.normalize {
            value = normalize(*step, value)?;
        }
        let is_blocked = value.trim().is_empty()
            || value.len() > limits::IDENTIFIER_BYTES
            || NOBODY.iter().any(|nobody| value.trim().eq_ignore_ascii_case(nobody))
            || self.block.iter().any(|blocked| match blocked {
                BlockedValue::Exact(text) => *text == *value,
                BlockedValue::Pattern(pattern) => pattern.is_match(&value),
            });
        (!is_blocked).then_some(value)
    }
}

fn normalize(step: Normalizer, value: Cow<'_, str>) -> Option<Cow<'_, str>> {
    Some(match step {
        Normalizer::Trim => match value {
            Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
            Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
        },
        Normalizer::Lowercase if value.chars().any(char::is_uppercase) => Cow::Owned(value.to_lowercase()),
        Normalizer::Lowercase => value,
        Normalizer::E164 => Cow::Owned(e164(&value)?),
    })
}

/// `+31 6 1234-5678` and `0031 6 12345678` as `+31612345678`. A number without its country is refused: whose it is
/// depends on where one stands.
fn e164(written: &str) -> Option<String> {
    let written = written.trim();
    let rest = written.strip_prefix('+').or_else(|| written.strip_prefix("00"))?;
    let mut number = String::with_capacity(16);
    number.push('+');
    for character in rest.chars() {
        match character {
            '0'..='9' => number.push(character),
            ' ' | '-' | '.' | '(' | ')' | '\u{a0}' => {}
            _ => return None,
        }
    }
    let digits = number.len() - 1;
    ((8..=15).contains(&digits) && !number.starts_with("+0")).then_some(number)
}

fn trait_text<'m>(message: &'m Message, name: &str) -> Option<Cow<'m, str>> {
    person_traits(message).filter(|traits| !traits.is_empty())?.get(name).and_then(text_of)
}

fn text_in(value: Cow<'_, Json>) -> Option<Cow<'_, str>> {
    match value {
        Cow::Borrowed(value) => text_of(value),
        Cow::Owned(value) => text_of(&value).map(|text| Cow::Owned(text.into_owned())),
    }
}

/// Text that is not blank, or a number as text.
fn text_of(value: &Json) -> Option<Cow<'_, str>> {
    match value {
        Json::String(text) if !text.trim().is_empty() => Some(Cow::Borrowed(text)),
        Json::Number(number) => Some(Cow::Owned(number.to_string())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phone_numbers_have_one_spelling_or_none() {
        for written in ["+31612345678", " +31 6 1234-5678", "0031 (6) 12345678", "+31.6.12345678"] {
            assert_eq!(e164(written).as_deref(), Some("+31612345678"), "{written}");
        }
        for refused in ["0612345678", "+31", "+0612345678", "+3161234567890123", "call me", "+31 6 1234 x5678", ""] {
            assert_eq!(e164(refused), None, "{refused}");
        }
    }
}
