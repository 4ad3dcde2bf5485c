//! Only what is declared is stored: of an event that has a schema, the properties that nothing declares are left out before
//! anything of the message is logged. What is kept aside is kept whole, for a while: what was sent under another name can only be
//! mended where it is there.
//!
//! Declared is what the schema's `properties` name, and what identifiers and the golden record are read from. A schema that says
//! `additionalProperties` has an answer of its own: `true` keeps them all, and to `false` they are a violation.
//!
//! Cost: a lookup a property. Only a message that something is left out of is written anew.

use super::Governor;
use super::path::MessagePath;
use crate::message::{Call, Label, Message, Quarantined, left_out};
use crate::record::Event;
use serde_json::Value as Json;
use sonder_dsl::ir::{EventId, Program};
use sonder_dsl::model::{DialledIn, EventSchema, Normalizer, Others};
use std::collections::HashSet;

/// What is stored of each event.
pub(super) struct Declared {
    /// By `EventId`; `None` keeps all.
    events: Vec<Option<HashSet<String>>>,
}

impl Declared {
    pub(super) fn new(program: &Program) -> Self {
        let read: Vec<String> =
            paths(program).filter_map(|it| Some(MessagePath::new(it).property()?.to_owned())).collect();
        let of_event = |event: &EventSchema| {
            // What is made of another property is not sent.
            let sent = event.properties.iter().filter(|it| it.derivation.is_none()).map(|it| it.name.clone());
            (event.others() == Others::LeftOut).then(|| sent.chain(read.iter().cloned()).collect())
        };
        Self { events: program.events.iter().map(of_event).collect() }
    }

    /// The properties of a message that are left out.
    fn undeclared<'m>(&self, message: &'m Message, event: Option<EventId>) -> Vec<&'m str> {
        let declared = event.and_then(|event| self.events.get(event.index())?.as_ref());
        let Some(declared) = declared else { return Vec::new() };
        let properties = message.properties.iter();
        let undeclared =
            properties.filter(|(name, value)| !declared.contains(*name) && !is_of_call(message, name, value));
        undeclared.map(|(name, _)| name.as_str()).collect()
    }
}

/// What identifiers and the golden record are read from.
fn paths(program: &Program) -> impl Iterator<Item = &Vec<String>> {
    let identifiers = program.identity.identifiers.iter();
    let identifiers =
        identifiers.flat_map(|kind| kind.from.iter().flatten().chain(kind.normalize.iter().flat_map(dialled)));
    identifiers.chain(program.profile.iter().flat_map(|declared| declared.from.paths()))
}

/// Where a step of normalising looks for a country.
fn dialled(step: &Normalizer) -> impl Iterator<Item = &Vec<String>> {
    let places = if let Normalizer::E164(places) = step { places.as_slice() } else { &[] };
    places.iter().filter_map(|place| match place {
        DialledIn::Path(path) => Some(path),
        DialledIn::Country(_) => None,
    })
}

/// Whether it is the name or the category of a page or a screen: the call says them, and they are properties only besides.
fn is_of_call(message: &Message, name: &str, value: &Json) -> bool {
    let is_view = matches!(message.call, Call::Page | Call::Screen);
    match name {
        "name" if is_view => message.name.is_some() && value.as_str() == message.name.as_deref(),
        "category" if is_view => match message.rest.get(name) {
            Some(Json::Number(category)) => value.as_str() == Some(&category.to_string()),
            category => category == Some(value),
        },
        _ => false,
    }
}

impl Governor {
    /// What is logged of a message, and what it means: of an event with a schema, the properties that are declared. A replay of
    /// the log sees the same message.
    ///
    /// # Errors
    /// A message that no rule of the project accepts comes back as it was sent, with all the reasons.
    pub fn take_in(&self, message: Message) -> Result<(Message, Event), Quarantined> {
        let event = self.declared(&message, &mut Vec::new());
        let undeclared = self.stored.undeclared(&message, event);
        if undeclared.is_empty() {
            return self.govern(&message).map(|event| (message, event));
        }
        let stored = left_out(&message, &undeclared, Label::Minimised);
        match self.govern(&stored) {
            Ok(event) => Ok((stored, event)),
            Err(aside) => Err(Quarantined { payload: message.payload, ..aside }),
        }
    }
}

#[cfg(test)]
mod tests;
