//! `first` and `last`: the value of the earliest or latest event that has one, by (`occurred_at`, `seq`).
//!
//! One entry is enough, except for the first inside a window that slides: whichever is next becomes the first when it
//! leaves, so all inside are kept.

use super::timeline::{Tie, Timeline};
use super::{Occurrence, Spec};
use crate::aggregate::spec::Kind;
use crate::datum::Known;
use crate::evaluate::Answer;
use crate::limits;
use crate::record::Seq;
use serde::{Deserialize, Serialize};
use sonder_dsl::time::Moment;

/// The entries that may be, or become, the boundary.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Boundary {
    entries: Timeline<Entry>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Entry {
    seq: Seq,
    value: Known,
}

impl Tie for Entry {
    fn tie(&self) -> u64 {
        self.seq.0
    }
}

impl Boundary {
    pub fn insert(&mut self, it: &Occurrence<'_>, spec: &Spec, dropped: &mut u64) {
        let Some(value) = it.value else { return };
        if !keeps_all(spec)
            && let [(at, entry)] = self.entries.all()
            && wins(spec, (*at, entry.seq), (it.at, it.seq))
        {
            return;
        }
        self.entries.drop_stale(it.now, spec, |_| {});
        self.entries.insert(it.at, Entry { seq: it.seq, value: Known(value.clone()) });
        self.bound(spec, dropped);
    }

    pub fn merge(&mut self, other: Self, spec: &Spec, dropped: &mut u64) {
        self.entries.merge(other.entries);
        self.bound(spec, dropped);
    }

    fn bound(&mut self, spec: &Spec, dropped: &mut u64) {
        if keeps_all(spec) {
            *dropped += self.entries.keep_latest(limits::WINDOW_ENTRIES, |_| {}) as u64;
        } else if spec.kind == Kind::Last {
            self.entries.keep_latest(1, |_| {});
        } else {
            self.entries.keep_earliest(1);
        }
    }

    pub fn read(&self, now: Moment, spec: &Spec) -> Answer<'_> {
        let live = self.entries.live(now, spec);
        let boundary = if spec.kind == Kind::First { live.first() } else { live.last() };
        match boundary {
            Some((at, entry)) => Answer::new(entry.value.datum(), spec.end(*at)),
            None => Answer::constant(crate::datum::Datum::Unknown),
        }
    }

    pub fn heap(&self) -> usize {
        self.entries.heap() + self.entries.all().iter().map(|(_, entry)| entry.value.heap()).sum::<usize>()
    }
}

fn keeps_all(spec: &Spec) -> bool {
    spec.kind == Kind::First && spec.slides()
}

/// Whether the boundary that is held beats a newcomer.
fn wins(spec: &Spec, held: (Moment, Seq), new: (Moment, Seq)) -> bool {
    if spec.kind == Kind::First { held <= new } else { held >= new }
}
