//! `count` and `did`: how many events there were.
//!
//! Without a window that slides, a number. With one, the moments of the events inside; where rules only compare with
//! constants, no more of the latest than the largest constant, and for `did` a single one.
//!
//! Cost: `insert` O(1) for events in order, `read` O(log n), `merge` O(n log n).

use super::timeline::Timeline;
use super::{Occurrence, Spec};
use crate::aggregate::spec::Kind;
use crate::datum::Datum;
use crate::evaluate::Answer;
use crate::limits;
use serde::{Deserialize, Serialize};
use sonder_dsl::time::Moment;

/// Events that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Count {
    /// So many, since whenever.
    Tally(u64),
    /// The latest of them, when no more is asked.
    Latest(Option<Moment>),
    /// When they happened; at most [`Spec::enough`].
    Moments(Timeline<()>),
}

impl Count {
    pub fn new(spec: &Spec) -> Self {
        match (spec.slides(), spec.enough) {
            (false, _) => Self::Tally(0),
            (true, 1) => Self::Latest(None),
            (true, _) => Self::Moments(Timeline::default()),
        }
    }

    /// This count in the form that `spec` asks for: many moments become the latest; it can't become many.
    pub fn adapt(self, spec: &Spec) -> Option<Self> {
        match (self, Self::new(spec)) {
            (Self::Moments(moments), Self::Latest(_)) => Some(Self::Latest(moments.all().last().map(|(at, ())| *at))),
            (it, form) => (std::mem::discriminant(&it) == std::mem::discriminant(&form)).then_some(it),
        }
    }

    pub fn insert(&mut self, it: &Occurrence<'_>, spec: &Spec, dropped: &mut u64) {
        match self {
            Self::Tally(count) => *count += 1,
            Self::Latest(latest) => *latest = (*latest).max(Some(it.at)),
            Self::Moments(moments) => {
                moments.drop_stale(it.now, spec, |()| {});
                moments.insert(it.at, ());
                bound(moments, spec, dropped);
            }
        }
    }

    pub fn merge(&mut self, other: Self, spec: &Spec, dropped: &mut u64) {
        match (self, other) {
            (Self::Tally(count), Self::Tally(other)) => *count += other,
            (Self::Latest(latest), Self::Latest(other)) => *latest = (*latest).max(other),
            (Self::Moments(moments), Self::Moments(other)) => {
                moments.merge(other);
                bound(moments, spec, dropped);
            }
            // INVARIANT: both were made for `spec`.
            _ => debug_assert!(false, "counts of two kinds"),
        }
    }

    pub fn read(&self, now: Moment, spec: &Spec) -> Answer<'static> {
        if spec.kind == Kind::Did {
            let (is_there, until) = self.reaches(1, now, spec);
            return Answer::new(Datum::Bool(is_there), until);
        }
        let (count, falls) = self.value_and_next_change(now, spec);
        Answer::new(Datum::Int(i64::try_from(count).unwrap_or(i64::MAX)), falls)
    }

    fn value_and_next_change(&self, now: Moment, spec: &Spec) -> (u64, Moment) {
        match self {
            Self::Tally(count) => (*count, Moment::MAX),
            Self::Latest(latest) => match latest.filter(|at| spec.admits(*at, now)) {
                Some(at) => (1, spec.end(at)),
                None => (0, Moment::MAX),
            },
            Self::Moments(moments) => {
                let live = moments.live(now, spec);
                (live.len() as u64, live.first().map_or(Moment::MAX, |(oldest, ())| spec.end(*oldest)))
            }
        }
    }

    /// Whether at least `threshold` are inside the window, and until when that stays so: no count rises by itself, and it
    /// falls when the decisive event leaves, not with every event.
    pub fn reaches(&self, threshold: usize, now: Moment, spec: &Spec) -> (bool, Moment) {
        let decisive = match self {
            Self::Tally(count) => return (*count >= threshold as u64, Moment::MAX),
            Self::Latest(latest) => latest.filter(|at| threshold <= 1 && spec.admits(*at, now)),
            Self::Moments(moments) => moments.latest(threshold).filter(|at| spec.admits(*at, now)),
        };
        decisive.map_or((false, Moment::MAX), |at| (true, spec.end(at)))
    }

    pub fn heap(&self) -> usize {
        if let Self::Moments(moments) = self { moments.heap() } else { 0 }
    }
}

fn bound(moments: &mut Timeline<()>, spec: &Spec, dropped: &mut u64) {
    let surplus = moments.keep_latest(spec.enough.min(limits::WINDOW_ENTRIES), |()| {});
    if spec.enough > limits::WINDOW_ENTRIES {
        *dropped += surplus as u64;
    }
}
