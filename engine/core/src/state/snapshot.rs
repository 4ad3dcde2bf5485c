//! Taking a checkpoint bit by bit, while the fold goes on.
//!
//! [`begin_checkpoint`](State::begin_checkpoint) fixes the place, whoever changed;
//! [`checkpoint_slice`](State::checkpoint_slice) then gives some people at a time, as they were at that place: whoever is
//! about to change and was not given yet is written first and waits. So nothing stands still while all are written.
//!
//! INVARIANT: nothing of a person changes without [`touch`](State::touch) before it. A record changes those whom its
//! identifiers name, a timer the one whose it is.

use super::rest::Resting;
use super::{CLEAN, Checkpoint, State};
use crate::effect::PersonId;
use crate::identity::graph::PersonIndex;
use crate::record::{Event, Seq};
use sonder_dsl::time::Moment;
use std::collections::BTreeMap;
use std::collections::BTreeSet;

/// What a checkpoint is as of, and what is of no person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointHead {
    /// The last record in it.
    pub seq: Seq,
    /// The moment it was advanced to.
    pub now: Moment,
    /// How many people there are.
    pub people: u64,
    /// What is of no person.
    pub meta: Vec<u8>,
}

/// People of a checkpoint; `None` for those who were absorbed.
pub type CheckpointSlice = Vec<(PersonId, Option<Vec<u8>>)>;

/// A checkpoint that is being taken.
#[derive(Debug, Default)]
pub(super) struct Snapshot {
    /// Who is to be written, if it was not done already.
    waiting: Vec<PersonIndex>,
    /// Written because they were about to change, or gone.
    written: CheckpointSlice,
}

impl State {
    /// What changed since the last checkpoint, at once. It is the caller's to keep: the next one starts from here.
    pub fn checkpoint(&mut self) -> Checkpoint {
        let CheckpointHead { seq, now, meta, .. } = self.begin_checkpoint();
        let mut people = BTreeMap::new();
        people.extend(self.checkpoint_slice(usize::MAX).unwrap_or_default());
        Checkpoint { seq, now, meta, people: people.into_iter().collect() }
    }

    /// Begins a checkpoint of what changed since the last one. What was not given of one that was begun before is in this
    /// one.
    pub fn begin_checkpoint(&mut self) -> CheckpointHead {
        if let Some(before) = self.snapshot.take() {
            self.changed.extend(before.waiting);
            self.changed_again(before.written.into_iter().map(|(id, _)| id));
        }
        self.epoch += 1;
        self.resting = Resting { next: 0, touched_before: self.kept };
        self.kept = self.seq;
        let waiting = std::mem::take(&mut self.changed);
        // Somebody may have gone twice.
        let gone: BTreeSet<PersonId> = std::mem::take(&mut self.gone).into_iter().collect();
        // An identifier may have made the same person again.
        let written = gone.into_iter().filter(|id| self.alive(*id).is_none()).map(|id| (id, None)).collect();
        self.snapshot = Some(Snapshot { waiting, written });
        CheckpointHead { seq: self.seq, now: self.now, people: self.people_count() as u64, meta: self.write_meta() }
    }

    /// No more than `limit` people of the checkpoint that was begun, as they were then; nobody when all were given. `None`
    /// when none was begun: this is another state.
    pub fn checkpoint_slice(&mut self, limit: usize) -> Option<CheckpointSlice> {
        let mut snapshot = self.snapshot.take()?;
        let mut slice = snapshot.written.split_off(snapshot.written.len().saturating_sub(limit));
        while slice.len() < limit {
            let Some(person) = snapshot.waiting.pop() else { break };
            slice.extend(self.write_if_waiting(person));
        }
        self.snapshot = Some(snapshot);
        Some(slice)
    }

    /// These people were given, but the checkpoint that they were for was not kept: the next one has them.
    pub fn changed_again(&mut self, people: impl IntoIterator<Item = PersonId>) {
        for id in people {
            match self.alive(id) {
                Some(person) => self.touch(person),
                None => self.gone.push(id),
            }
        }
    }

    /// To be called before anything of a person changes.
    pub(super) fn touch(&mut self, person: PersonIndex) {
        let Some(slot) = self.slots.get(person.index()) else { return };
        if slot.changed == self.epoch {
            return;
        }
        let written = self.write_if_waiting(person);
        if let (Some(snapshot), Some(written)) = (&mut self.snapshot, written) {
            snapshot.written.push(written);
        }
        self.slots[person.index()].changed = self.epoch;
        self.changed.push(person);
    }

    /// [`touch`](Self::touch)es everybody whom a record may change.
    pub(super) fn touch_all(&mut self, event: &Event) {
        for identifier in &event.identifiers {
            let node = self.graph.find(identifier).and_then(|node| self.graph.node(node));
            if let Some(person) = node.map(|(_, node)| node.person) {
                self.touch(person);
            }
        }
    }

    /// Whose id this is, and not only was before they were absorbed.
    pub(super) fn alive(&self, id: PersonId) -> Option<PersonIndex> {
        self.graph.person(id).filter(|person| self.graph.component(*person).is_some_and(|it| it.id == id))
    }

    /// Somebody's bytes, where the checkpoint that is being taken still wants them.
    fn write_if_waiting(&mut self, person: PersonIndex) -> Option<(PersonId, Option<Vec<u8>>)> {
        let changed = self.slots.get(person.index())?.changed;
        if changed == CLEAN || changed == self.epoch {
            return None;
        }
        let component = self.graph.component(person)?;
        let id = component.id;
        let bytes = self.write(person)?;
        self.slots[person.index()].changed = CLEAN;
        self.measure(person);
        Some((id, Some(bytes)))
    }
}
