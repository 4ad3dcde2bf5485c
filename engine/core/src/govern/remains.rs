//! What is left of a message when a part of it is kept no longer.
//!
//! Of an event stays whose it was and when, what it said of the person (traits of the golden record, while those are kept) and
//! what it said about consent: so who is who, the golden record and consent are what they were. Its name, its properties and the
//! rest of its context go. Messages that are no events (`identify`, `group`, `alias`) stay, without the traits whose time is over.

use super::Governor;
use super::path::MessagePath;
use crate::consent::collection::is_change;
use crate::consent::signal::CONTEXT;
use crate::message::{Call, Label, Message};
use crate::record::Event;
use serde_json::{Map, Value as Json, json};
use sonder_dsl::ir::{EventId, ProfileTraitId, Program};
use sonder_dsl::time::{Duration, Moment};

/// Since when things happened that are still kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cutoffs {
    /// By `EventId`; `None` for ever.
    events: Vec<Option<Moment>>,
    /// Of events without a schema.
    undeclared: Option<Moment>,
    /// By `ProfileTraitId`.
    traits: Vec<Option<Moment>>,
}

impl Cutoffs {
    /// What a project keeps at a moment.
    #[must_use]
    pub fn at(program: &Program, now: Moment) -> Self {
        let since = |kept: Duration| now.minus(kept);
        let project = program.settings.retain_events;
        Self {
            events: program.events.iter().map(|event| event.retention.or(project).map(since)).collect(),
            undeclared: project.map(since),
            traits: program.profile.iter().map(|it| it.retention.map(since)).collect(),
        }
    }

    /// Since when events of a type are kept, or those without a schema; `None` for ever.
    #[must_use]
    pub fn of_event(&self, event: Option<EventId>) -> Option<Moment> {
        event.map_or(self.undeclared, |id| self.events.get(id.index()).copied().flatten())
    }

    /// Since when observations of a trait are kept; `None` for ever.
    #[must_use]
    pub fn of_trait(&self, id: ProfileTraitId) -> Option<Moment> {
        self.traits.get(id.index()).copied().flatten()
    }

    fn is_over(&self, event: &Event) -> bool {
        self.of_event(event.event).is_some_and(|cutoff| event.occurred_at < cutoff)
    }

    fn is_trait_over(&self, id: ProfileTraitId, event: &Event) -> bool {
        self.of_trait(id).is_some_and(|cutoff| event.occurred_at < cutoff)
    }
}

/// What is left of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remains {
    /// The message as it is to be from now on; `None` where it stays as it is.
    pub payload: Option<String>,
    /// Whether it was an event whose time is over: what is left of it is [`Call::Seen`].
    pub is_over: bool,
    /// Whether what is left is a reason to know of the person: a trait, or a message that is no event.
    pub says_more: bool,
}

impl Governor {
    /// What is left of a message, and the event that it means, when everything before these moments is kept no longer.
    #[must_use]
    pub fn remains(&self, program: &Program, message: &Message, event: &Event, cutoffs: &Cutoffs) -> Remains {
        let is_event = message.call.is_event() && !is_change(message);
        if is_event && cutoffs.is_over(event) {
            return self.reduced(program, message, event, cutoffs);
        }
        // That somebody refused must be known for as long as they may come again.
        let is_answer = message.labels.contains(&Label::Answer);
        let says_more = message.call != Call::Seen || is_answer || !event.traits.is_empty();
        let expired = self.profile.iter().filter(|it| cutoffs.is_trait_over(it.id, event));
        let Ok(mut json) = serde_json::from_str::<Map<String, Json>>(&message.payload) else {
            return Remains { payload: None, is_over: false, says_more };
        };
        let mut changed = false;
        for path in expired.flat_map(|it| &it.paths) {
            changed |= path.take(message.call, &mut json);
        }
        Remains { payload: changed.then(|| Json::Object(json).to_string()), is_over: false, says_more }
    }

    fn reduced(&self, program: &Program, message: &Message, event: &Event, cutoffs: &Cutoffs) -> Remains {
        let identifiers = event.identifiers.iter().filter_map(|it| {
            let kind = program.identity.identifiers.get(it.kind.index())?;
            Some(json!({"kind": kind.name, "value": &*it.value}))
        });
        let identifiers: Vec<Json> = identifiers.collect();
        let mut left = Map::new();
        left.insert("type".to_owned(), Json::from(Call::Seen.name()));
        left.insert("messageId".to_owned(), Json::from(message.message_id.as_str()));
        left.insert("identifiers".to_owned(), Json::from(identifiers));
        let mut says_more = false;
        for declared in self.profile.iter().filter(|it| !cutoffs.is_trait_over(it.id, event)) {
            let found = declared.paths.iter().find_map(|path| Some((path, path.find(message)?)));
            if let Some((path, value)) = found {
                path.put(&mut left, value.into_owned());
                says_more = true;
            }
        }
        for key in CONTEXT {
            let said = message.context.get(key);
            said.into_iter().for_each(|said| MessagePath::of_context(key).put(&mut left, said.clone()));
        }
        Remains { payload: Some(Json::Object(left).to_string()), is_over: true, says_more }
    }
}
