//! Only what is declared is stored: of an event that has a schema, the properties that nothing declares are left out before
//! anything of the message is logged, and so are the keys of objects within, and, where there is a `profile.yaml`, the traits that it
//! does not name. What is kept aside is kept whole, for a while: what was sent under another name can only be mended where it is there.
//!
//! Declared is what the schema's `properties` name, and what identifiers and the golden record are read from. A schema that says
//! `additionalProperties` has an answer of its own, at each level: `true` keeps them all, and to `false` they are a violation. A
//! project that says `undeclared_traits: accept` keeps them all. The traits of a `group` are an account's, which nothing declares.
//!
//! Cost: a lookup a key. Only a message that something is left out of is written anew.

mod kept;

use super::path::{MessagePath, person_traits};
use super::{Governor, quarantined};
use crate::message::{Call, Label, Message, Quarantined, left_out};
use crate::record::Event;
use kept::Kept;
use serde_json::{Map, Value as Json};
use sonder_dsl::ir::{EventId, Program};
use sonder_dsl::model::{DialledIn, EventSchema, Normalizer, Others};
use std::collections::BTreeMap;

/// What is stored of messages.
pub(super) struct Declared {
    /// Of the properties of each event, by `EventId`.
    events: Vec<Kept>,
    /// Of what is said of a person.
    traits: Kept,
}

impl Declared {
    pub(super) fn new(program: &Program) -> Self {
        let read: Vec<MessagePath> = paths(program).map(|path| MessagePath::new(path)).collect();
        let of_event = |event: &EventSchema| {
            if event.others() != Others::LeftOut {
                return Kept::All;
            }
            // What is made of another property is not sent.
            let sent = event.properties.iter().filter(|it| it.derivation.is_none());
            let schema = |name: &str| event.json_schema.get("properties")?.get(name);
            let fields = sent.map(|it| {
                let within = schema(&it.name).map_or(Kept::All, |schema| Kept::of_schema(schema, &event.json_schema));
                (it.name.clone(), within)
            });
            let mut kept = Kept::of_fields(fields.collect());
            read.iter().filter_map(MessagePath::below_properties).for_each(|path| kept.add(path));
            kept
        };
        Self { events: program.events.iter().map(of_event).collect(), traits: of_traits(program, &read) }
    }

    /// What is stored of the properties of a message.
    fn of(&self, event: Option<EventId>) -> &Kept {
        event.and_then(|event| self.events.get(event.index())).unwrap_or(&Kept::All)
    }

    fn has_all_of(&self, message: &Message, event: Option<EventId>) -> bool {
        let kept = self.of(event);
        let is_kept = |(name, value): (&String, &Json)| match kept.of(name) {
            Some(kept) => kept.has_all_of(value),
            None => is_of_call(message, name, value),
        };
        message.properties.iter().all(is_kept)
            && person_traits(message).is_none_or(|traits| {
                traits.iter().all(|(name, value)| self.traits.of(name).is_some_and(|it| it.has_all_of(value)))
            })
    }

    /// Leaves out of a message's JSON what is not declared.
    fn cut(&self, message: &Message, event: Option<EventId>, json: &mut Map<String, Json>) {
        let kept = self.of(event);
        if let Some(Json::Object(properties)) = json.get_mut("properties") {
            properties.retain(|name, value| match kept.of(name) {
                Some(kept) => {
                    kept.cut(value);
                    true
                }
                None => is_of_call(message, name, value),
            });
        }
        if message.call != Call::Group
            && let Some(traits) = json.get_mut("traits")
        {
            self.traits.cut(traits);
        }
        if let Some(traits) = json.get_mut("context").and_then(|context| context.get_mut("traits")) {
            self.traits.cut(traits);
        }
    }
}

/// What is stored of what is said of a person: where nothing is declared of people, all of it.
fn of_traits(program: &Program, read: &[MessagePath]) -> Kept {
    if program.profile.is_empty() || program.settings.stores_undeclared_traits {
        return Kept::All;
    }
    let mut kept = Kept::of_fields(BTreeMap::new());
    // A kind of identifier that says nothing else is read from the trait of its name.
    let kinds = program.identity.identifiers.iter().filter(|kind| kind.from.is_none());
    kinds.for_each(|kind| kept.add(std::slice::from_ref(&kind.name)));
    read.iter().filter_map(MessagePath::below_traits).for_each(|path| kept.add(path));
    kept
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
    /// What is logged of a message, and what it means: only what is declared. A replay of the log sees the same message.
    ///
    /// # Errors
    /// A message that no rule of the project accepts comes back as it was sent, with all the reasons.
    pub fn take_in(&self, message: Message) -> Result<(Message, Event), Quarantined> {
        let event = self.declared(&message, &mut Vec::new());
        if self.stored.has_all_of(&message, event) {
            return self.govern(&message).map(|event| (message, event));
        }
        let stored = left_out(&message, |json| self.stored.cut(&message, event, json), Label::Minimised)
            .map_err(|reasons| quarantined(&message, reasons))?;
        match self.govern(&stored) {
            Ok(event) => Ok((stored, event)),
            Err(aside) => Err(Quarantined { payload: message.payload, ..aside }),
        }
    }
}

#[cfg(test)]
mod tests;
