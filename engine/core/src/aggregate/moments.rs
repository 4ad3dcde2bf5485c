//! Moments of events, in order: what windowed counts are made of. One moment takes no allocation.

use super::Spec;
use super::timeline::make_room;
use crate::footprint;
use serde::{Deserialize, Serialize};
use sonder_dsl::time::Moment;
use thin_vec::ThinVec;

/// Moments, sorted; ties are kept, because two events of one instant count twice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<Moment>", into = "Vec<Moment>")]
pub enum Moments {
    One(Moment),
    Many(ThinVec<Moment>),
}

impl Default for Moments {
    fn default() -> Self {
        Self::Many(ThinVec::new())
    }
}

impl From<Vec<Moment>> for Moments {
    fn from(moments: Vec<Moment>) -> Self {
        if let [one] = moments[..] { Self::One(one) } else { Self::Many(moments.into_iter().collect()) }
    }
}

impl From<Moments> for Vec<Moment> {
    fn from(moments: Moments) -> Self {
        moments.all().to_vec()
    }
}

impl Moments {
    /// All of them, oldest first.
    pub fn all(&self) -> &[Moment] {
        match self {
            Self::One(moment) => std::slice::from_ref(moment),
            Self::Many(moments) => moments,
        }
    }

    /// Puts a moment where it belongs, and keeps the `limit` latest. Says whether one had to go.
    pub fn insert(&mut self, at: Moment, limit: usize) -> bool {
        match self {
            Self::Many(moments) if moments.is_empty() => *self = Self::One(at),
            Self::One(moment) if limit <= 1 => {
                *moment = at.max(*moment);
                return true;
            }
            Self::One(moment) => {
                let mut both = ThinVec::with_capacity(2);
                both.extend([at.min(*moment), at.max(*moment)]);
                *self = Self::Many(both);
            }
            Self::Many(moments) if moments.len() >= limit => {
                replace_oldest(moments, at);
                return true;
            }
            Self::Many(moments) => {
                make_room(moments);
                moments.insert(moments.partition_point(|it| *it <= at), at);
            }
        }
        false
    }

    /// Takes in all moments of another person's, and keeps the `limit` latest; returns how many had to go.
    pub fn merge(&mut self, other: &Self, limit: usize) -> usize {
        let mut all: Vec<Moment> = self.all().iter().chain(other.all()).copied().collect();
        all.sort_unstable();
        let surplus = all.len().saturating_sub(limit);
        all.drain(..surplus);
        *self = all.into();
        surplus
    }

    /// Drops what left the window before `now`, once that is half of all: O(1) for each event on average.
    pub fn drop_stale(&mut self, now: Moment, spec: &Spec) {
        let begin = spec.begin(now);
        let Some(first) = self.all().first() else { return };
        if *first > begin {
            return;
        }
        match self {
            Self::One(_) => *self = Self::default(),
            Self::Many(moments) => {
                let stale = moments.partition_point(|at| *at <= begin);
                if stale * 2 >= moments.len() {
                    moments.drain(..stale);
                }
            }
        }
    }

    /// Bytes on the heap.
    pub fn heap(&self) -> usize {
        match self {
            Self::One(_) => 0,
            Self::Many(moments) => footprint::list(moments),
        }
    }
}

/// Puts a moment among sorted ones, of which the oldest makes room; that may be the new one itself.
pub fn replace_oldest(moments: &mut [Moment], at: Moment) {
    let place = moments.partition_point(|it| *it <= at);
    if place > 0 {
        moments.copy_within(1..place, 0);
        moments[place - 1] = at;
    }
}

/// How many of these are inside the window, and when the first of them leaves.
pub fn count(moments: &[Moment], now: Moment, spec: &Spec) -> (u64, Moment) {
    let begin = spec.begin(now);
    // What has left is a short front as a rule, and mostly nothing.
    let stale = match moments {
        [first, ..] if *first <= begin => moments.partition_point(|at| *at <= begin),
        _ => 0,
    };
    let live = &moments[stale..];
    (live.len() as u64, live.first().map_or(Moment::MAX, |oldest| spec.end(*oldest)))
}

/// Whether at least `threshold` of these are inside the window, and until when that stays so: no count rises by itself,
/// and it falls when the decisive event leaves, not with every event.
pub fn reaches(moments: &[Moment], threshold: usize, now: Moment, spec: &Spec) -> (bool, Moment) {
    let decisive = moments.len().checked_sub(threshold).and_then(|index| moments.get(index));
    match decisive {
        Some(at) if spec.admits(*at, now) => (true, spec.end(*at)),
        _ => (false, Moment::MAX),
    }
}

/// The latest moment, if there was any.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Option<Moment>", into = "Option<Moment>")]
pub struct Latest(Moment);

impl Default for Latest {
    fn default() -> Self {
        Self(Moment::MIN)
    }
}

impl From<Option<Moment>> for Latest {
    fn from(moment: Option<Moment>) -> Self {
        Self(moment.unwrap_or(Moment::MIN))
    }
}

impl From<Latest> for Option<Moment> {
    fn from(latest: Latest) -> Self {
        latest.get()
    }
}

impl Latest {
    /// An event happened then.
    pub fn note(&mut self, at: Moment) {
        self.0 = self.0.max(at);
    }

    /// When it was.
    pub fn get(self) -> Option<Moment> {
        (self.0 != Moment::MIN).then_some(self.0)
    }
}
