//! Rest: people to whom nothing happens for a while are kept packed, in a third of the room, until something does.
//!
//! Nearly everybody rests at any time. Being packed is not observable: it is memory only, and no part of a checkpoint or
//! a digest. Whoever is needed is unpacked first; whoever is only looked at is read from a copy.

use super::{CLEAN, State, checkpoint};
use crate::identity::graph::PersonIndex;
use crate::person::Person;
use crate::plan::Plan;
use std::borrow::Cow;

/// The state of somebody, besides identifiers and memberships.
#[derive(Debug)]
pub(super) enum Body {
    /// Ready to be changed.
    Awake(Box<Person>),
    /// The same, packed.
    Resting(Box<[u8]>),
    /// Spilled: a digest of it. Also where nobody is.
    Away(u64),
}

impl Body {
    /// Whether it is in memory, packed or not.
    pub fn is_here(&self) -> bool {
        !matches!(self, Self::Away(_))
    }

    /// The person, if awake.
    pub fn awake(&self) -> Option<&Person> {
        if let Self::Awake(person) = self { Some(person) } else { None }
    }

    /// The person, if awake, to change.
    pub fn awake_mut(&mut self) -> Option<&mut Person> {
        if let Self::Awake(person) = self { Some(person) } else { None }
    }

    /// The person, or a copy of who rests. `None` for who is spilled.
    pub fn read(&self, plan: &Plan) -> Option<Cow<'_, Person>> {
        match self {
            Self::Awake(person) => Some(Cow::Borrowed(person)),
            Self::Resting(bytes) => unpack(plan, bytes).map(Cow::Owned),
            Self::Away(_) => None,
        }
    }
}

impl State {
    /// Lets those rest to whom nothing happened since the checkpoint before the last: looks at the next `places` people.
    /// Says whether it has seen everybody since the last checkpoint; until then there is more to do.
    pub fn rest(&mut self, places: usize) -> bool {
        let all = self.slots.len();
        let end = all.min(self.resting.next.saturating_add(places));
        for index in self.resting.next..end {
            let slot = &mut self.slots[index];
            if slot.changed != CLEAN || slot.touched > self.resting.touched_before {
                continue;
            }
            if let Body::Awake(person) = &slot.body {
                slot.body = Body::Resting(pack(&self.plan, person));
                self.measure(PersonIndex(index as u32));
            }
        }
        self.resting.next = end;
        end == all
    }

    /// Nothing has happened for a while: whomever the last checkpoint has may rest.
    pub fn settle(&mut self) {
        self.resting = Resting { next: 0, touched_before: self.kept };
    }

    /// Makes somebody who rests ready to be changed.
    pub(super) fn wake(&mut self, person: PersonIndex) {
        let slot = &mut self.slots[person.index()];
        if let Body::Resting(bytes) = &slot.body
            && let Some(awake) = unpack(&self.plan, bytes)
        {
            slot.body = Body::Awake(Box::new(awake));
        }
    }
}

/// Where the search for people who may rest is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Resting {
    /// Places before this were looked at since the last checkpoint.
    pub next: usize,
    /// The last record of the checkpoint before the last.
    pub touched_before: crate::record::Seq,
}

/// The body of a checkpoint, with places for names, compressed: the same moments and values stand in it many times.
pub(super) fn pack(plan: &Plan, person: &Person) -> Box<[u8]> {
    let body = checkpoint::write_body(plan, person, &plan.places);
    lz4_flex::compress_prepend_size(&body).into_boxed_slice()
}

fn unpack(plan: &Plan, bytes: &[u8]) -> Option<Person> {
    let body = lz4_flex::decompress_size_prepended(bytes).ok();
    let person = body.and_then(|body| plan.read_body(&body, &plan.places).ok());
    debug_assert!(person.is_some(), "what was packed can be unpacked");
    person
}
