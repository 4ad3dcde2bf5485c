//! What is logged of a message that was just read: the message, and what it answers where the message itself is not logged as it is.
//!
//! A refusal holds whatever becomes of the message that carries it. Where collection withholds one for want of consent, or no rule
//! of the project accepts it, its answers are logged on their own: whose they are, when, and what the message says of consent. That is
//! a message of the call `seen`, as retention leaves it, with a label. Its id is made of the message's, so that a message which is
//! sent again answers once, and one that is taken in later is no duplicate of its answers.

use super::Governor;
use crate::consent::collection::{Collected, Question, is_change};
use crate::consent::signal::CONTEXT;
use crate::message::{Call, Label, Message, Quarantined, code, from_log, salvaged};
use crate::record::Event;
use serde_json::{Map, Value as Json, json};
use xxhash_rust::xxh3::xxh3_128;

/// What is logged of a message, and kept aside.
#[derive(Debug)]
pub struct Admitted {
    /// The message, maybe as nobody's; `None` where nothing of it is kept for want of consent.
    pub message: Option<Result<(Message, Event), Quarantined>>,
    /// What it answers, where the message itself does not come into the log as it is.
    pub answer: Option<(Message, Event)>,
}

impl Governor {
    /// What is logged of a message that somebody sends: to be asked once, before it is. `known` answers for people who are known.
    pub fn admit(&self, read: Result<Message, Quarantined>, known: impl FnOnce(&Question) -> Option<bool>) -> Admitted {
        match read.map(|message| self.collect(message, known)) {
            Ok(Collected::Kept(message)) => self.admit_whole(Ok(message)),
            Ok(Collected::Withheld { anonymous, original }) => Admitted {
                message: anonymous.map(|anonymous| self.take_in(*anonymous)),
                answer: self.answer(&original),
            },
            Err(aside) => self.admit_whole(Err(aside)),
        }
    }

    /// The same of a message of history, which is taken as it is.
    #[must_use]
    pub fn admit_whole(&self, read: Result<Message, Quarantined>) -> Admitted {
        let message = read.and_then(|message| self.take_in(message));
        let answer = message.as_ref().err().and_then(|aside| self.answer_of_aside(aside));
        Admitted { message: Some(message), answer }
    }

    /// What a message answers that is kept aside.
    fn answer_of_aside(&self, aside: &Quarantined) -> Option<(Message, Event)> {
        // Nobody knows whether it may be kept here at all.
        let belongs = |reason: &str| matches!(reason, code::NO_REGION | code::OTHER_REGION);
        if self.signals.is_empty() || aside.reasons.iter().any(|reason| belongs(&reason.code)) {
            return None;
        }
        self.answer(&salvaged(aside)?)
    }

    /// What a message answers, as a message of its own; `None` where it answers nothing, or nobody says whose it is.
    fn answer(&self, message: &Message) -> Option<(Message, Event)> {
        if message.call.is_ours() || self.signals.read(message).is_nothing() {
            return None;
        }
        let rules = self.declared(message, &mut Vec::new()).and_then(|event| self.events.get(event.index()));
        let of_event = rules.map_or(&[][..], |rules| &rules.identifiers);
        let identifiers = self.identifiers.read(message, of_event, &[], &mut Vec::new());
        let named = identifiers
            .iter()
            .filter_map(|it| Some(json!({"kind": self.identifiers.name(it.kind)?, "value": &*it.value})));
        let said = CONTEXT.iter().filter_map(|key| Some(((*key).to_owned(), message.context.get(*key)?.clone())));
        let labels = [Label::Answer].into_iter().chain(is_change(message).then_some(Label::Change));
        let json = Map::from_iter([
            ("type".to_owned(), Json::from(Call::Seen.name())),
            ("messageId".to_owned(), Json::from(format!("answer-{:032x}", xxh3_128(message.message_id.as_bytes())))),
            ("identifiers".to_owned(), named.collect()),
            ("context".to_owned(), Json::Object(said.collect())),
            ("_sonder".to_owned(), json!({"labels": labels.map(Label::name).collect::<Vec<_>>()})),
        ]);
        let payload = Json::Object(json).to_string();
        let (at, received_at) = (message.occurred_at, message.received_at);
        let answer = from_log(&payload, message.source, at, received_at, message.historical).ok()?;
        let event = self.govern(&answer).ok()?;
        Some((answer, event))
    }
}
