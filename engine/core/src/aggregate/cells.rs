//! States of a few words: tallies, latest moments, and counts that rules compare with small constants.
//!
//! They are most of what rules ask, so all of one person's stand in one block of memory: an event that twenty of them
//! want touches one place, and once each has what it may have, taking an event in allocates nothing.
//!
//! Aggregates that count the same events [share](share) their moments: the latest are the latest, whatever the window and
//! the number that they are compared with. The first of them gives the moments its name.
//!
//! The block is an index, sorted by aggregate, and after it the words of each in the same order. An index word has the
//! aggregate in its upper half, and where its words end in its lower.
//!
//! Cost: `note` O(index + words) when a state grows, which it does a few times in a person's life; else O(log index).

use super::count::{self, Count};
use super::moments::{self, Latest, Moments, replace_oldest};
use super::since::{self, Since};
use super::{AggregateState, Spec};
use crate::aggregate::spec::Kind;
use crate::evaluate::Answer;
use crate::footprint;
use rustc_hash::FxHashMap;
use sonder_dsl::ir::{AggregateId, EventSelector, Window};
use sonder_dsl::time::Moment;
use thin_vec::ThinVec;

/// The most moments that such a count may need.
const MOMENTS: usize = 8;

/// What the words of a state are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// A number of events.
    Tally,
    /// The latest moments, sorted; no more than so many.
    Moments(u8),
}

/// Where the words of an aggregate stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// The aggregate under whose name they do.
    pub owner: AggregateId,
    /// What they are, for whoever asks for most of them.
    pub form: Form,
    /// What they are for this aggregate.
    own: Form,
}

impl Cell {
    /// What an aggregate has of the words.
    pub fn part(self, words: &[Moment]) -> &[Moment] {
        match self.own {
            Form::Tally => words,
            Form::Moments(enough) => &words[words.len().saturating_sub(usize::from(enough))..],
        }
    }
}

/// Says of each aggregate where its words stand, if it is a few words, and gives for each that owns some all those that
/// have part in them, itself the first.
///
/// INVARIANT: what the owner keeps are the latest moments that any of them admits. Each of them finds its own latest at
/// their end: an event that is too old for its window is older than all that are in it.
pub fn share(specs: &mut [Spec]) -> Vec<Vec<AggregateId>> {
    let mut sharing: Vec<Vec<AggregateId>> = vec![Vec::new(); specs.len()];
    let mut owners: FxHashMap<EventSelector, Vec<AggregateId>> = FxHashMap::default();
    for index in 0..specs.len() {
        let (spec, id) = (&specs[index], AggregateId(index as u32));
        let Some(own) = spec.form() else { continue };
        let is_alike = |owner: &&AggregateId| {
            let other = &specs[owner.index()];
            let are_moments = matches!((own, other.form()), (Form::Moments(_), Some(Form::Moments(_))));
            are_moments && other.pattern == spec.pattern
        };
        let of_event = owners.entry(spec.pattern.event).or_default();
        let owner = of_event.iter().find(is_alike).copied().unwrap_or_else(|| {
            of_event.push(id);
            id
        });
        sharing[owner.index()].push(id);
        specs[index].cell = Some(Cell { owner, form: own, own });
    }
    for sharers in &sharing {
        let forms = sharers.iter().filter_map(|id| Some(specs[id.index()].cell?.own));
        let Some(most) = forms.max() else { continue };
        for id in sharers {
            specs[id.index()].cell.iter_mut().for_each(|cell| cell.form = most);
        }
    }
    sharing
}

impl Spec {
    /// What this aggregate's state is in cells; `None` when it needs a state of its own.
    fn form(&self) -> Option<Form> {
        // What is for a purpose may have to be made again.
        if self.keyed || self.purpose.is_some() || matches!(self.window, Window::Session(_)) {
            return None;
        }
        match self.kind {
            Kind::Since => Some(Form::Moments(1)),
            Kind::Count | Kind::Did if !self.slides() => Some(Form::Tally),
            Kind::Count | Kind::Did if self.enough <= MOMENTS => Some(Form::Moments(self.enough as u8)),
            _ => None,
        }
    }
}

/// All of one person's.
#[derive(Clone, Debug, Default)]
pub struct Cells {
    /// Moments, but for the index and for tallies.
    words: ThinVec<Moment>,
    /// Length of the index.
    count: u32,
}

impl Cells {
    /// The words of an aggregate.
    pub fn get(&self, id: AggregateId) -> Option<&[Moment]> {
        let entry = self.entry(id).ok()?;
        let (begin, end) = self.bounds(entry);
        self.words.get(begin..end)
    }

    /// All aggregates that have words, in order.
    pub fn iter(&self) -> impl Iterator<Item = (AggregateId, &[Moment])> {
        (0..self.count as usize).filter_map(|entry| {
            let (begin, end) = self.bounds(entry);
            Some((id_of(self.words[entry]), self.words.get(begin..end)?))
        })
    }

    /// Takes in an event. For aggregates that rise from call to call: looks from `place` on, and leaves there where the
    /// aggregate stands.
    pub fn note(&mut self, place: &mut usize, id: AggregateId, form: Form, at: Moment) {
        let entry = self.entry_from(*place, id);
        *place = entry;
        let (begin, end) = self.bounds(entry);
        match form {
            Form::Tally if begin == end => self.grow(entry, end, Moment(1)),
            Form::Tally => self.words[begin].0 += 1,
            Form::Moments(limit) if end - begin < usize::from(limit) => {
                let before = self.words[begin..end].partition_point(|it| *it <= at);
                self.grow(entry, begin + before, at);
            }
            Form::Moments(1) => self.words[begin] = at.max(self.words[begin]),
            Form::Moments(_) => replace_oldest(&mut self.words[begin..end], at),
        }
    }

    /// Takes in all that another person has of an aggregate.
    pub fn merge(&mut self, id: AggregateId, form: Form, theirs: &[Moment]) {
        match (form, theirs) {
            (Form::Tally, [Moment(count)]) => {
                let entry = self.entry_from(0, id);
                let (begin, end) = self.bounds(entry);
                if begin == end {
                    self.grow(entry, end, Moment(*count));
                } else {
                    self.words[begin].0 += count;
                }
            }
            _ => theirs.iter().for_each(|at| self.note(&mut 0, id, form, *at)),
        }
    }

    /// Takes over a state from a checkpoint: each that has part in the same words has one there.
    pub fn put(&mut self, cell: Cell, state: &AggregateState) {
        match (cell.form, state) {
            (Form::Tally, AggregateState::Count(Count::Tally(count))) => {
                self.merge(cell.owner, cell.form, &[Moment(i64::try_from(*count).unwrap_or(i64::MAX))]);
            }
            (Form::Moments(_), AggregateState::Count(Count::Latest(latest)))
            | (Form::Moments(_), AggregateState::Since(Since { latest })) => {
                self.unite(cell, latest.get().as_slice());
            }
            (Form::Moments(_), AggregateState::Count(Count::Moments(moments))) => self.unite(cell, moments.all()),
            // INVARIANT: the state was adapted to the spec that the cell is of.
            _ => debug_assert!(false, "a state of another form"),
        }
    }

    /// Takes in moments of the same events as those that are there, so that each event is there once.
    fn unite(&mut self, cell: Cell, theirs: &[Moment]) {
        let ours: Vec<Moment> = self.get(cell.owner).unwrap_or_default().to_vec();
        let mut known = ours.iter().peekable();
        for at in theirs {
            while known.next_if(|known| *known < at).is_some() {}
            if known.next_if_eq(&at).is_none() {
                self.note(&mut 0, cell.owner, cell.form, *at);
            }
        }
    }

    /// Bytes on the heap.
    pub fn heap(&self) -> usize {
        footprint::list(&self.words)
    }

    fn entry(&self, id: AggregateId) -> Result<usize, usize> {
        self.words[..self.count as usize].binary_search_by_key(&id, |word| id_of(*word))
    }

    /// Where the aggregate stands in the index; it is put there if it is not. No entry before `from` is looked at.
    fn entry_from(&mut self, from: usize, id: AggregateId) -> usize {
        let index = &self.words[..self.count as usize];
        // Aggregates of one event stand side by side as a rule.
        for (entry, word) in index.iter().enumerate().skip(from).take(2) {
            if id_of(*word) == id {
                return entry;
            }
        }
        let entry = match index[from..].binary_search_by_key(&id, |word| id_of(*word)) {
            Ok(place) => return from + place,
            Err(place) => from + place,
        };
        let end = if entry == 0 { 0 } else { end_of(index[entry - 1]) };
        self.words.reserve_exact(2);
        self.words.insert(entry, index_word(id, end));
        self.count += 1;
        entry
    }

    fn bounds(&self, entry: usize) -> (usize, usize) {
        let count = self.count as usize;
        let begin = if entry == 0 { 0 } else { end_of(self.words[entry - 1]) };
        (count + begin, count + end_of(self.words[entry]))
    }

    /// One more word for an entry, at a place in the block.
    fn grow(&mut self, entry: usize, place: usize, word: Moment) {
        if self.words.len() == self.words.capacity() {
            self.words.reserve_exact(1);
        }
        self.words.insert(place, word);
        for index_word in &mut self.words[entry..self.count as usize] {
            index_word.0 += 1;
        }
    }
}

fn index_word(id: AggregateId, end: usize) -> Moment {
    Moment((u64::from(id.0) << 32 | end as u64) as i64)
}

fn id_of(word: Moment) -> AggregateId {
    AggregateId((word.0 as u64 >> 32) as u32)
}

fn end_of(word: Moment) -> usize {
    word.0 as u32 as usize
}

/// The value of a state that stands in cells.
pub fn read(words: &[Moment], now: Moment, spec: &Spec) -> Answer<'static> {
    match (spec.kind, words) {
        (Kind::Since, _) => since::since(words.last().copied(), now, spec),
        (_, [Moment(count)]) if !spec.slides() => count::tally(*count as u64, spec),
        _ => count::of_moments(words, now, spec),
    }
}

/// As [`AggregateState::reaches`].
pub fn reaches(words: &[Moment], threshold: usize, now: Moment, spec: &Spec) -> Option<(bool, Moment)> {
    match (spec.kind, words) {
        (Kind::Count, [Moment(count)]) if !spec.slides() => Some((*count as u64 >= threshold as u64, Moment::MAX)),
        (Kind::Count, _) => Some(moments::reaches(words, threshold, now, spec)),
        _ => None,
    }
}

/// What an aggregate has of the words of a cell as a state on its own, as checkpoints have it. `None` where it has one anyway.
pub fn to_state(words: &[Moment], spec: &Spec) -> Option<AggregateState> {
    let cell = spec.cell?;
    let words = cell.part(words);
    let latest = || Latest::from(words.last().copied());
    Some(match (spec.kind, cell.own) {
        (Kind::Since, _) => AggregateState::Since(Since { latest: latest() }),
        (_, Form::Tally) => {
            AggregateState::Count(Count::Tally(words.first().map_or(0, |count| count.0.unsigned_abs())))
        }
        (_, Form::Moments(1)) => AggregateState::Count(Count::Latest(latest())),
        (_, Form::Moments(_)) => AggregateState::Count(Count::Moments(Moments::from(words.to_vec()))),
    })
}
