//! A person's history, folded to a moment.
//!
//! What is folded are all messages that bear upon who the person is and what they did: those that carry one of their
//! identifiers, and those that carry an identifier of such a message, and so on. Nobody else's messages can change
//! anything about them, so the same fold over fewer messages gives the same person.

use crate::State;
use crate::chronicle::Chronicle;
use crate::effect::{Effects, PersonId};
use crate::person::Person;
use crate::record::{Event, Fact, Identifier, Record, Seq};
use crate::view::PersonView;
use sonder_dsl::ir::Program;
use sonder_dsl::time::Moment;

/// A message of the log, governed.
#[derive(Clone, Debug)]
pub struct Logged {
    /// Its id.
    pub message_id: String,
    /// The record.
    pub record: Record,
}

/// Who is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// The one who has this identifier then.
    Identifier(Identifier),
    /// The one of this id, or who that became.
    Person(PersonId),
}

/// A person as they were at a moment.
#[derive(Debug)]
pub struct Past {
    pub(super) program: Program,
    pub(super) state: State,
    pub(super) person: PersonId,
    /// What the fold kept of them.
    pub(super) body: Person,
    /// By (`occurred_at`, `seq`).
    pub(super) events: Vec<Happened>,
    /// What says who is who and is nobody's event, in the order of the log.
    pub(super) decisions: Vec<Happened>,
    pub(super) now: Moment,
}

/// An event of the person.
#[derive(Clone, Debug)]
pub(super) struct Happened {
    pub message_id: String,
    pub at: Moment,
    pub seq: Seq,
    pub event: Event,
}

impl Past {
    /// Folds messages, which are in the order of the log, up to a moment; those received after it are left out. `None`
    /// when nobody was `who` then.
    #[must_use]
    pub fn fold(program: &Program, messages: impl IntoIterator<Item = Logged>, who: &Who, now: Moment) -> Option<Self> {
        let mut program = program.clone();
        // Whoever explains a count wants all of it, not only as much as decides.
        program.aggregates.iter_mut().for_each(|aggregate| aggregate.enough = None);
        let mut state = State::new(&program);
        let mut effects = Effects::default();
        let mut chronicle = Chronicle::default();
        let mut happened: Vec<Happened> = Vec::new();
        for Logged { message_id, record } in messages {
            if record.received_at > now {
                break;
            }
            let Record { seq, fact: Fact::Event(event), .. } = record.clone();
            // Nobody is ever spilled here, so nobody can be missing.
            chronicle.step(&mut state, &program, record, &mut effects).ok()?;
            effects = Effects::default();
            happened.push(Happened { message_id, at: event.occurred_at, seq, event });
        }
        state.advance(&program, now, &mut effects).ok()?;
        let person = match who {
            Who::Identifier(identifier) => state.resolve(identifier)?,
            Who::Person(id) => state.canonical(*id),
        };
        let body = state.copy_of(person)?;
        let is_theirs = |it: &Happened| state.whose(&it.event, it.seq) == Some(person);
        let (decisions, happened): (Vec<_>, Vec<_>) =
            happened.into_iter().partition(|it: &Happened| it.event.call.is_decision());
        let mut events: Vec<Happened> = happened.into_iter().filter(is_theirs).collect();
        events.sort_by_key(|it| (it.at, it.seq));
        Some(Self { program, state, person, body, events, decisions, now })
    }

    /// The moment that it was folded to.
    #[must_use]
    pub const fn moment(&self) -> Moment {
        self.now
    }

    /// All that is known of them then.
    #[must_use]
    pub fn view(&self) -> Option<PersonView> {
        self.state.person(&self.program, self.person)
    }

    /// Who it is.
    #[must_use]
    pub const fn person(&self) -> PersonId {
        self.person
    }
}
