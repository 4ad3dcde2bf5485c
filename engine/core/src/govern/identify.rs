//! Whose a message is: its identifiers, in the project's order of priority, made comparable.

use super::path::{MessagePath, person_traits};
use crate::message::{Call, Label, Message, Reason, code};
use crate::record::{Identifier, Likelihood};
use serde_json::Value as Json;
use sonder_dsl::ir::IdentifierKindId;
use sonder_dsl::model::{IdentifierKind, Identity};
use std::borrow::Cow;

/// The kinds of identifiers of a project.
pub(super) struct Identifiers {
    kinds: Vec<Kind>,
}

struct Kind {
    id: IdentifierKindId,
    place: Place,
    /// Also takes the `previousId` of an `alias`.
    is_user_id: bool,
    declared: IdentifierKind,
}

/// Where a kind is read from, besides properties that are marked as one.
enum Place {
    UserId,
    AnonymousId,
    /// `context.device.id`, or the trait of that name.
    Device(MessagePath, String),
    Trait(String),
    /// The first of these that has a value that identifies somebody.
    Paths(Vec<MessagePath>),
}

/// A property of an event that is an identifier.
pub(super) struct IdentifierProperty {
    pub(super) kind: IdentifierKindId,
    pub(super) name: String,
}

impl Identifiers {
    /// What a kind is called.
    pub(super) fn name(&self, kind: IdentifierKindId) -> Option<&str> {
        self.kinds.iter().find(|it| it.id == kind).map(|it| it.declared.name.as_str())
    }

    pub(super) fn new(identity: &Identity) -> Self {
        let kinds = identity.identifiers.iter().zip(0..).map(|(declared, index)| Kind {
            id: IdentifierKindId(index),
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
            declared: declared.clone(),
        });
        Self { kinds: kinds.collect() }
    }

    /// A value of a kind as messages would carry it; `None` when it identifies nobody.
    pub(super) fn normalize(&self, kind: IdentifierKindId, value: &str) -> Option<Identifier> {
        let value = self.kinds.get(kind.index())?.declared.normalized(value, &|_| None)?;
        Some(Identifier { kind, value: value.as_ref().into() })
    }

    /// The identifiers that a message of the engine's own is about, in its own order, each once.
    pub(super) fn decided(&self, message: &Message, reasons: &mut Vec<Reason>) -> Vec<Identifier> {
        let named = message.rest.get("identifiers").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
        let mut found: Vec<Identifier> = Vec::with_capacity(named.len());
        for (place, it) in named.iter().enumerate() {
            let text = |key: &str| it.get(key).and_then(Json::as_str).unwrap_or_default();
            let kind = self.kinds.iter().find(|kind| kind.declared.name == text("kind"));
            let identifier = kind.and_then(|kind| match message.call {
                // What is left of an event has them as they were made comparable.
                Call::Seen => Some(Identifier { kind: kind.id, value: text("value").into() }),
                _ => self.normalize(kind.id, text("value")),
            });
            match identifier {
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
        let text_at = |path: &[String]| {
            let value = MessagePath::new(path).find(message)?;
            text_of(&value).map(Cow::into_owned)
        };
        for kind in &self.kinds {
            // Whether it identifies somebody.
            let mut take = |value: &str| {
                let Some(value) = kind.declared.normalized(value, &text_at) else {
                    Label::IdentifierRefused.note(labels);
                    return false;
                };
                if !found.iter().any(|known: &Identifier| known.kind == kind.id && *known.value == *value) {
                    found.push(Identifier { kind: kind.id, value: value.into() });
                }
                true
            };
            kind.place.offer(message, stripped, &mut take);
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

/// Of a `match`, how likely it is.
pub(super) fn likelihood(message: &Message, reasons: &mut Vec<Reason>) -> Likelihood {
    if message.call != Call::Match {
        return Likelihood::NONE;
    }
    let weight = message.rest.get("weight").and_then(Json::as_f64);
    if weight.is_none() {
        reasons.push(Reason::new(code::MALFORMED, "/weight", "nothing says how likely it is"));
    }
    weight.map_or(Likelihood::NONE, Likelihood::of_weight)
}

impl Place {
    /// Offers what stands there, one after the other until one is taken.
    fn offer(&self, message: &Message, stripped: &[String], take: &mut dyn FnMut(&str) -> bool) {
        let value = match self {
            Self::UserId => message.user_id.as_deref().map(Cow::Borrowed),
            Self::AnonymousId => message.anonymous_id.as_deref().map(Cow::Borrowed),
            Self::Trait(name) => trait_text(message, name),
            Self::Device(path, name) => path.find(message).and_then(text_in).or_else(|| trait_text(message, name)),
            Self::Paths(paths) => {
                let is_kept = |path: &&MessagePath| {
                    path.property().is_none_or(|property| !stripped.iter().any(|name| name == property))
                };
                for value in paths.iter().filter(is_kept).filter_map(|path| path.find(message).and_then(text_in)) {
                    if take(&value) {
                        return;
                    }
                }
                None
            }
        };
        if let Some(value) = value {
            take(&value);
        }
    }
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
