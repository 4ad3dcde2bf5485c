//! Collection: what becomes of a message of somebody who does not allow the purpose that data is collected for.
//!
//! It is decided once, before the message is logged: by what it says of consent and by what the people said before whom it names.
//! Where nobody said anything, a browser's or an app's is judged by what holds where they live, and a server's is taken. A message
//! that reports a change of consent is always taken: it is the proof. Of any other that is not taken as it is, what it answers is
//! logged on its own (`govern/admit`). A replay of the log asks nothing of this again.

use super::{residence, signal};
use crate::message::{Call, Label, Message, from_log};
use crate::record::Identifier;
use serde_json::{Map, Value as Json, json};
use sonder_dsl::ir::{EventId, Program, PurposeId, Value};
use sonder_dsl::model::{Consent, SourceKind, Unconsented, fold_event_name};

/// What a project collects.
pub struct Collection {
    consent: Consent,
    /// By `SourceId`: it speaks for the device that it runs on.
    devices: Vec<bool>,
    /// By `EventId`: the declared properties that are no personal data and identify nobody.
    plain: Vec<Vec<String>>,
}

/// What is to be known of whoever a message names, to decide whether it may be collected.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// The identifiers in the message.
    pub who: Vec<Identifier>,
    /// The purpose that data is collected for.
    pub purpose: PurposeId,
    /// What the message answers to it.
    pub said: Option<bool>,
    /// What the message says of where they live: the traits of `residence`, in that order.
    pub residence: Vec<Option<Value>>,
    /// Whether the message speaks for the device that it comes from: a browser's or an app's.
    pub is_device: bool,
}

/// What becomes of a message.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "nearly all are kept; a box would cost each of them an allocation")]
pub enum Collected {
    /// It is taken in.
    Kept(Message),
    /// It is not, for want of consent.
    Withheld {
        /// What happened, without whose it was; `None` where nothing of that is kept.
        anonymous: Option<Box<Message>>,
        /// The message, which may answer something.
        original: Box<Message>,
    },
}

impl Collection {
    /// Of a program.
    #[must_use]
    pub fn new(program: &Program) -> Self {
        let plain = program.events.iter().map(|event| {
            let named = event.properties.iter().filter(|it| it.pii.is_none() && it.identifier.is_none());
            named.map(|it| it.name.clone()).collect()
        });
        let is_device = |kind: SourceKind| matches!(kind, SourceKind::Browser | SourceKind::Mobile);
        Self {
            consent: program.consent.clone(),
            devices: program.sources.iter().map(|source| is_device(source.kind)).collect(),
            plain: plain.collect(),
        }
    }

    /// The purpose that somebody must allow for a message to be collected; `None` where it is collected anyway.
    #[must_use]
    pub fn concerns(&self, message: &Message) -> Option<PurposeId> {
        let (purpose, without) = self.consent.collection?;
        (without != Unconsented::Store && !is_change(message)).then_some(purpose)
    }

    /// Whether a message speaks for the device that it comes from.
    #[must_use]
    pub fn is_device(&self, message: &Message) -> bool {
        self.devices.get(message.source.index()).copied().unwrap_or(false)
    }

    /// Whether a message may be collected. `known` answers for people who are known.
    pub fn allows(&self, question: &Question, known: impl FnOnce(&Question) -> Option<bool>) -> bool {
        let Question { purpose, said, residence, is_device, .. } = question;
        if *said == Some(false) {
            return false;
        }
        let of_strangers = || {
            let place = residence::place(residence.iter().cloned());
            said.unwrap_or(!is_device || self.consent.terms(place.as_deref()).unasked & super::only(*purpose) != 0)
        };
        known(question).unwrap_or_else(of_strangers)
    }

    /// A message that may not be, and reports an event of this type.
    #[must_use]
    pub fn withheld(&self, message: Message, event: Option<EventId>) -> Collected {
        let is_stripped = self.consent.collection.is_some_and(|(_, without)| without == Unconsented::Strip);
        let anonymous = if is_stripped { self.anonymous(&message, event).map(Box::new) } else { None };
        Collected::Withheld { anonymous, original: Box::new(message) }
    }

    /// What happened, without whose it was. Only what somebody does has a meaning then; `None` for all else.
    fn anonymous(&self, message: &Message, event: Option<EventId>) -> Option<Message> {
        if !matches!(message.call, Call::Track | Call::Page | Call::Screen) {
            return None;
        }
        let plain = event.and_then(|event| self.plain.get(event.index()));
        // Nobody knows what is in a property that is not declared.
        let kept = |(name, _): &(&String, &Json)| plain.is_some_and(|plain| plain.contains(name));
        let is_address = |name: &str| matches!(name, "url" | "referrer" | "search" | "title");
        let properties = message.properties.iter().filter(kept).filter(|(name, _)| !is_address(name));
        let properties: Map<String, Json> = properties.map(|(name, value)| (name.clone(), value.clone())).collect();
        let mut context = Map::new();
        for key in ["consent", "consentManagement", "gpc"] {
            context.extend(message.context.get(key).map(|value| (key.to_owned(), value.clone())));
        }
        for (key, part) in [("page", "path"), ("device", "type")] {
            if let Some(value) = message.context.get(key).and_then(|it| it.get(part)) {
                context.insert(key.to_owned(), json!({part: value}));
            }
        }
        let mut json = Map::from_iter([
            ("type".to_owned(), message.call.name().into()),
            ("messageId".to_owned(), message.message_id.clone().into()),
            ("timestamp".to_owned(), message.occurred_at.to_string().into()),
            ("properties".to_owned(), properties.into()),
            ("context".to_owned(), context.into()),
            ("_sonder".to_owned(), json!({"labels": [Label::Anonymous.name()]})),
        ]);
        let key = if message.call == Call::Track { "event" } else { "name" };
        json.extend(message.name.clone().map(|name| (key.to_owned(), name.into())));
        let payload = Json::Object(json).to_string();
        from_log(&payload, message.source, message.occurred_at, message.received_at, message.historical).ok()
    }
}

/// Whether a message reports a change of consent, or is what one answered.
pub(crate) fn is_change(message: &Message) -> bool {
    message.labels.contains(&Label::Change)
        || message.call == Call::Track
            && message.name.as_deref().is_some_and(|name| signal::CHANGES.contains(&fold_event_name(name).as_str()))
}
