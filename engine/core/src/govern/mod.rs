//! Governing: what a message means under the project's schemas, or why it is kept aside.
//!
//! [`Governor::govern`] is a pure function of a message and the program: collecting, importing and refolding the log take the
//! same message to the same event. It never loses anything: whatever it refuses, the message's payload still has.
//!
//! Cost: proportional to what the schema and the rules name, not to what the client sent.

mod admit;
mod example;
mod identify;
mod minimise;
mod naming;
mod path;
mod remains;
mod routing;
mod schema;
mod value;

pub use admit::Admitted;
pub use example::{SchemaProblem, schema_problems};
pub use remains::{Cutoffs, Remains};
pub use routing::{Belongs, Lives};

use crate::consent::collection::{Collected, Collection, Question, is_change};
use crate::consent::signal::{Signals, says_something};
use crate::message::{Label, Message, Quarantined, Reason, code, limits};
use crate::record::{Event, Identifier};
use identify::Identifiers;
use minimise::Declared;
use naming::Naming;
use path::MessagePath;
use routing::Routing;
use schema::{EventRules, Verdict};
use serde_json::{Map, Value as Json};
use sonder_dsl::ir::{DestinationId, EventId, IdentifierKindId, ProfileTraitId, Program, Type, Value};
use sonder_dsl::model::{ContextField, UndeclaredEvents};
use std::sync::Arc;

/// A program's rules for messages, compiled once.
pub struct Governor {
    naming: Naming,
    /// Indexed by `EventId`.
    events: Vec<EventRules>,
    identifiers: Identifiers,
    profile: Vec<TraitPaths>,
    context: Vec<ContextField>,
    signals: Signals,
    collection: Collection,
    /// The traits that say where somebody lives, the most trustworthy first.
    residence: Vec<ProfileTraitId>,
    /// Which properties are stored.
    stored: Declared,
    /// Where messages belong, where the project has regions.
    routing: Option<Routing>,
    accepts_undeclared: bool,
}

/// Where observations of a profile trait come from, and what they must be.
struct TraitPaths {
    id: ProfileTraitId,
    kind: Type,
    paths: Vec<MessagePath>,
}

impl Governor {
    /// Compiles the schemas of a program. One that is no valid JSON Schema refuses every event of its type; see
    /// [`schema_problems`].
    #[must_use]
    pub fn new(program: &Program) -> Self {
        let events = program.events.iter().zip(0..).map(|(schema, index)| {
            let receivers = program.destinations.iter().zip(0..).filter_map(|(destination, place)| {
                let receives = destination.events.contains(&EventId(index));
                receives.then(|| (DestinationId(place), destination.name.clone()))
            });
            EventRules::new(schema, &program.identity, receivers.collect())
        });
        let profile = program.profile.iter().zip(0..).map(|(declared, index)| TraitPaths {
            id: ProfileTraitId(index),
            kind: declared.kind.clone(),
            paths: declared.from.paths().iter().map(|path| MessagePath::new(path)).collect(),
        });
        Self {
            naming: Naming::new(program),
            events: events.collect(),
            identifiers: Identifiers::new(&program.identity),
            profile: profile.collect(),
            context: program.context_slots.clone(),
            signals: Signals::new(&program.consent),
            collection: Collection::new(program),
            residence: program.consent.residence.clone(),
            stored: Declared::new(program),
            routing: Routing::new(program),
            accepts_undeclared: program.settings.undeclared_events == UndeclaredEvents::Accept,
        }
    }

    /// An identifier as somebody wrote it, made comparable as those of messages are: how people are looked up. `None`
    /// when it identifies nobody.
    #[must_use]
    pub fn identifier(&self, kind: IdentifierKindId, value: &str) -> Option<Identifier> {
        self.identifiers.normalize(kind, value)
    }

    /// What the project collects of a message: all of it, what happened without whose it was, or nothing. To be asked once,
    /// before the message is logged. `known` says what those allow whom the message names, where any of them is known.
    pub fn collect(&self, message: Message, known: impl FnOnce(&Question) -> Option<bool>) -> Collected {
        let Some(purpose) = self.collection.concerns(&message) else { return Collected::Kept(message) };
        let question = Question {
            who: self.whose(&message),
            purpose,
            said: self.signals.read(&message).to(purpose),
            residence: self.says_of_residence(&message),
            is_device: self.collection.is_device(&message),
        };
        if self.collection.allows(&question, known) {
            return Collected::Kept(message);
        }
        let event = self.declared(&message, &mut Vec::new());
        self.collection.withheld(message, event)
    }

    /// What a message means.
    ///
    /// # Errors
    /// A message that no rule of the project accepts comes back with all the reasons.
    pub fn govern(&self, message: &Message) -> Result<Event, Quarantined> {
        let mut labels = message.labels.clone();
        let mut reasons = Vec::new();
        let declared = self.declared(message, &mut reasons);
        let rules = declared.and_then(|event| self.events.get(event.index()));
        let stripped = match rules.map(|rules| rules.judge(&message.properties)) {
            None | Some(Verdict::Valid) => Vec::new(),
            Some(Verdict::Labelled) => {
                Label::SchemaViolation.note(&mut labels);
                Vec::new()
            }
            Some(Verdict::Stripped(names)) => {
                Label::Stripped.note(&mut labels);
                names
            }
            Some(Verdict::Refused(violations)) => {
                reasons.extend(violations);
                Vec::new()
            }
        };
        let of_event = rules.map_or(&[][..], |rules| &rules.identifiers);
        let identifiers = if message.call.is_ours() {
            self.identifiers.decided(message, &mut reasons)
        } else {
            self.identifiers.read(message, of_event, &stripped, &mut labels)
        };
        if !message.call.is_ours() && identifiers.is_empty() && !labels.contains(&Label::Anonymous) {
            let message = "nothing says whose it is: no identifier of the project has a usable value";
            reasons.push(Reason::new(code::MISSING_IDENTIFIER, "", message));
        }
        let likelihood = identify::likelihood(message, &mut reasons);
        if !reasons.is_empty() {
            return Err(quarantined(message, reasons));
        }
        let withheld = rules.map_or_else(Vec::new, |rules| rules.withheld(message));
        Ok(Event {
            call: message.call,
            event: declared,
            source: message.source,
            occurred_at: message.occurred_at,
            identifiers,
            traits: self.traits(message, &mut labels),
            properties: rules.map_or_else(Box::default, |rules| rules.slots(&message.properties, &stripped)),
            context: self.context(&message.context),
            forward: rules
                .filter(|rules| !message.historical && withheld.len() < rules.receivers.len())
                .map(|_| forwarded(&message.properties, &stripped)),
            withheld,
            stripped,
            labels,
            said: if message.call.is_restriction() { self.signals.bound(message) } else { self.signals.read(message) },
            historical: message.historical,
            likelihood,
        })
    }

    /// The declared type of the event that a message reports; an undeclared one may be a reason to refuse it.
    fn declared(&self, message: &Message, reasons: &mut Vec<Reason>) -> Option<EventId> {
        let name = message.event_name()?;
        let declared = self.naming.find(name);
        if declared.is_none() && is_change(message) {
            return self.change_of_consent(message, reasons);
        }
        if declared.is_none() && !self.accepts_undeclared {
            reasons.push(self.naming.undeclared(name));
        }
        declared
    }

    /// A report of what somebody said needs no schema, but must say something.
    fn change_of_consent(&self, message: &Message, reasons: &mut Vec<Reason>) -> Option<EventId> {
        if !says_something(message.name.as_deref().unwrap_or_default(), &message.context) {
            let path = "/context/consent";
            reasons.push(Reason::new(code::MISSING_CONSENT, path, "a change of consent must say what changed"));
        }
        None
    }

    fn traits(&self, message: &Message, labels: &mut Vec<Label>) -> Vec<(ProfileTraitId, Value)> {
        let mut observed = Vec::new();
        for declared in &self.profile {
            let Some(found) = declared.paths.iter().find_map(|path| path.find(message)) else { continue };
            match value::read_strictly(&found, &declared.kind) {
                Some(value) => observed.push((declared.id, value)),
                None => Label::TraitRefused.note(labels),
            }
        }
        observed
    }

    fn context(&self, context: &Map<String, Json>) -> Box<[Option<Value>]> {
        self.context
            .iter()
            .map(|field| {
                let json = path::get(context, &field.path)?;
                if field.is_client_session_id() { value::read_id(json) } else { value::read(json, &field.kind) }
            })
            .collect()
    }
}

fn forwarded(properties: &Map<String, Json>, stripped: &[String]) -> Arc<str> {
    let text = if stripped.is_empty() {
        serde_json::to_string(properties)
    } else {
        let kept = properties.iter().filter(|(name, _)| !stripped.contains(name));
        serde_json::to_string(&kept.collect::<indexmap::IndexMap<_, _>>())
    };
    text.unwrap_or_default().into()
}

fn quarantined(message: &Message, mut reasons: Vec<Reason>) -> Quarantined {
    reasons.truncate(limits::REASONS);
    Quarantined {
        source: message.source,
        received_at: message.received_at,
        occurred_at: Some(message.occurred_at),
        historical: message.historical,
        message_id: Some(message.message_id.clone()),
        name: Some(message.name.clone().unwrap_or_else(|| message.call.name().to_owned())),
        reasons,
        payload: message.payload.clone(),
    }
}

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;
