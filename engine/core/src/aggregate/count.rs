//! `count` and `did`: how many events there were.
//!
//! Without a window that slides, a number. With one, the moments of the events inside; where rules only compare with
//! constants, no more of the latest than the largest constant, and for `did` a single one. Where that constant is small,
//! the moments stand in the person's [`Cells`](super::cells::Cells).
//!
//! Cost: `insert` O(1) for events in order, `read` O(log n), `merge` O(n log n).

use super::moments::{self, Latest, Moments};
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
    Latest(Latest),
    /// When they happened; at most [`Spec::enough`].
    Moments(Moments),
}

impl Count {
    pub fn new(spec: &Spec) -> Self {
        match (spec.slides(), spec.enough) {
            (false, _) => Self::Tally(0),
            (true, 1) => Self::Latest(Latest::default()),
            (true, _) => Self::Moments(Moments::default()),
        }
    }

    /// This count in the form that `spec` asks for: many moments become the latest; it can't become many.
    pub fn adapt(self, spec: &Spec) -> Option<Self> {
        match (self, Self::new(spec)) {
            (Self::Moments(moments), Self::Latest(_)) => Some(Self::Latest(moments.all().last().copied().into())),
            (it, form) => (std::mem::discriminant(&it) == std::mem::discriminant(&form)).then_some(it),
        }
    }

    pub fn insert(&mut self, it: &Occurrence<'_>, spec: &Spec, dropped: &mut u64) {
        match self {
            Self::Tally(count) => *count += 1,
            Self::Latest(latest) => latest.note(it.at),
            Self::Moments(moments) => {
                moments.drop_stale(it.now, spec);
                let lost = moments.insert(it.at, limit(spec));
                *dropped += u64::from(lost && spec.enough > limits::WINDOW_ENTRIES);
            }
        }
    }

    pub fn merge(&mut self, other: &Self, spec: &Spec, dropped: &mut u64) {
        match (self, other) {
            (Self::Tally(count), Self::Tally(other)) => *count += other,
            (Self::Latest(latest), Self::Latest(other)) => {
                if let Some(at) = other.get() {
                    latest.note(at);
                }
            }
            (Self::Moments(moments), Self::Moments(other)) => {
                let surplus = moments.merge(other, limit(spec));
                if spec.enough > limits::WINDOW_ENTRIES {
                    *dropped += surplus as u64;
                }
            }
            // INVARIANT: both were made for `spec`.
            _ => debug_assert!(false, "counts of two kinds"),
        }
    }

    pub fn read(&self, now: Moment, spec: &Spec) -> Answer<'static> {
        match self {
            Self::Tally(count) => tally(*count, spec),
            Self::Latest(latest) => of_moments(latest.get().as_slice(), now, spec),
            Self::Moments(moments) => of_moments(moments.all(), now, spec),
        }
    }

    /// Whether at least `threshold` are inside the window, and until when that stays so.
    pub fn reaches(&self, threshold: usize, now: Moment, spec: &Spec) -> (bool, Moment) {
        match self {
            Self::Tally(count) => (*count >= threshold as u64, Moment::MAX),
            Self::Latest(latest) => moments::reaches(latest.get().as_slice(), threshold, now, spec),
            Self::Moments(moments) => moments::reaches(moments.all(), threshold, now, spec),
        }
    }

    pub fn heap(&self) -> usize {
        if let Self::Moments(moments) = self { moments.heap() } else { 0 }
    }
}

/// The value of `count` or `did` where nothing slides out.
pub fn tally(count: u64, spec: &Spec) -> Answer<'static> {
    Answer::constant(match spec.kind {
        Kind::Did => Datum::Bool(count > 0),
        _ => Datum::Int(i64::try_from(count).unwrap_or(i64::MAX)),
    })
}

/// The value of `count` or `did` where these are the moments that matter.
pub fn of_moments(all: &[Moment], now: Moment, spec: &Spec) -> Answer<'static> {
    if spec.kind == Kind::Did {
        let (is_there, until) = moments::reaches(all, 1, now, spec);
        return Answer::new(Datum::Bool(is_there), until);
    }
    let (count, falls) = moments::count(all, now, spec);
    Answer::new(Datum::Int(i64::try_from(count).unwrap_or(i64::MAX)), falls)
}

fn limit(spec: &Spec) -> usize {
    spec.enough.min(limits::WINDOW_ENTRIES)
}
