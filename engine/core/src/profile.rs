//! The golden record: what was observed of a trait, and which observation wins.
//!
//! Each policy is a commutative monoid over observations ordered by (`occurred_at`, `seq`): no order of arrival and no
//! merge of two people changes the winner. Of each trait only what can still win is kept.

use crate::datum::{self, Datum, Known};
use crate::footprint;
use crate::limits;
use crate::record::Seq;
use sonder_dsl::ir::{SourceId, Value};
use sonder_dsl::model::MergePolicy;
use sonder_dsl::time::Moment;
use std::cmp::Ordering;

/// A value that somebody said a trait has.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// What.
    pub value: Known,
    /// Who.
    pub source: SourceId,
    /// When.
    pub at: Moment,
    /// Its place in the log.
    pub seq: Seq,
}

/// What is kept of one trait of one person.
#[derive(Clone, Debug, PartialEq)]
pub enum Observations {
    /// The winner.
    One(Observation),
    /// For [`MergePolicy::Union`]: each different value once, by its first observation.
    All {
        /// As a list of the trait shows them; as many as `firsts`.
        values: Vec<Value>,
        /// When each was first observed; sorted.
        firsts: Vec<(Moment, Seq, SourceId)>,
    },
    /// For [`MergePolicy::Sources`]: the winner of each listed source, and of all others together.
    BySource(Vec<(Rank, Observation)>),
}

/// The place of a source in its policy's list; one past the end for sources that are not in it.
pub type Rank = u16;

impl Observations {
    /// Of a first observation.
    pub fn new(first: Observation, policy: &MergePolicy) -> Self {
        match policy {
            MergePolicy::Union => {
                Self::All { firsts: vec![(first.at, first.seq, first.source)], values: vec![first.value.0] }
            }
            MergePolicy::Sources(sources) => Self::BySource(vec![(rank(first.source, sources), first)]),
            MergePolicy::MostRecent
            | MergePolicy::First
            | MergePolicy::Longest
            | MergePolicy::Min
            | MergePolicy::Max => Self::One(first),
        }
    }

    /// Takes in another observation. Says whether the value is another now.
    pub fn insert(&mut self, new: Observation, policy: &MergePolicy, dropped: &mut u64) -> bool {
        match self {
            Self::One(winner) => replace_if_beaten(winner, new, policy),
            Self::All { values, firsts } => {
                let inserted = insert_first(values, firsts, new);
                bound(values, firsts, dropped) || inserted
            }
            Self::BySource(winners) => {
                let MergePolicy::Sources(sources) = policy else { return false };
                let rank = rank(new.source, sources);
                match winners.binary_search_by_key(&rank, |(rank, _)| *rank) {
                    Ok(place) => {
                        let changed = replace_if_beaten(&mut winners[place].1, new, &MergePolicy::MostRecent);
                        changed && place == 0
                    }
                    Err(place) => {
                        let rival = winners.first().map(|(_, winner)| winner.value != new.value);
                        winners.insert(place, (rank, new));
                        place == 0 && rival.unwrap_or(true)
                    }
                }
            }
        }
    }

    /// Takes in all that is known of another person who is the same. Says whether the value is another now.
    pub fn merge(&mut self, other: Self, policy: &MergePolicy, dropped: &mut u64) -> bool {
        let mut changed = false;
        match other {
            Self::One(winner) => changed = self.insert(winner, policy, dropped),
            Self::BySource(winners) => {
                for (_, winner) in winners {
                    changed |= self.insert(winner, policy, dropped);
                }
            }
            Self::All { values, firsts } => {
                for (value, (at, seq, source)) in values.into_iter().zip(firsts) {
                    changed |= self.insert(Observation { value: Known(value), source, at, seq }, policy, dropped);
                }
            }
        }
        changed
    }

    /// The value that wins.
    pub fn value(&self) -> Datum<'_> {
        match self {
            Self::One(winner) => winner.value.datum(),
            Self::All { values, .. } => Datum::List(values),
            Self::BySource(winners) => winners.first().map_or(Datum::Unknown, |(_, winner)| winner.value.datum()),
        }
    }

    /// Who said so and when; for a list, who added to it last.
    pub fn origin(&self) -> Option<(SourceId, Moment)> {
        match self {
            Self::One(winner) => Some((winner.source, winner.at)),
            Self::All { firsts, .. } => firsts.last().map(|(at, _, source)| (*source, *at)),
            Self::BySource(winners) => winners.first().map(|(_, winner)| (winner.source, winner.at)),
        }
    }

    /// Bytes on the heap.
    pub fn heap(&self) -> usize {
        let block = footprint::block;
        match self {
            Self::One(winner) => winner.value.heap(),
            Self::All { values, firsts } => {
                let lists = block(values.capacity() * size_of::<Value>())
                    + block(firsts.capacity() * size_of::<(Moment, Seq, SourceId)>());
                lists + values.iter().map(datum::heap).sum::<usize>()
            }
            Self::BySource(winners) => {
                let list = block(winners.capacity() * size_of::<(Rank, Observation)>());
                list + winners.iter().map(|(_, winner)| winner.value.heap()).sum::<usize>()
            }
        }
    }
}

fn rank(source: SourceId, sources: &[SourceId]) -> Rank {
    let place = sources.iter().position(|listed| *listed == source).unwrap_or(sources.len());
    Rank::try_from(place).unwrap_or(Rank::MAX)
}

/// Says whether the value is another now: the same value said again later is a new winner but no news.
fn replace_if_beaten(winner: &mut Observation, new: Observation, policy: &MergePolicy) -> bool {
    if !beats(&new, winner, policy) {
        return false;
    }
    let changed = new.value != winner.value;
    *winner = new;
    changed
}

fn beats(new: &Observation, held: &Observation, policy: &MergePolicy) -> bool {
    let later = (new.at, new.seq).cmp(&(held.at, held.seq));
    let order = match policy {
        MergePolicy::First => later.reverse(),
        MergePolicy::Longest => length(&new.value).cmp(&length(&held.value)).then(later),
        MergePolicy::Min => held.value.cmp(&new.value).then(later),
        MergePolicy::Max => new.value.cmp(&held.value).then(later),
        MergePolicy::MostRecent | MergePolicy::Union | MergePolicy::Sources(_) => later,
    };
    // Two observations of one message: the order of their values decides, so that no order of insertion does.
    order.then_with(|| new.value.cmp(&held.value)) == Ordering::Greater
}

fn length(value: &Known) -> usize {
    match &value.0 {
        Value::String(text) => text.chars().count(),
        Value::List(items) => items.len(),
        _ => 0,
    }
}

/// Says whether the list is another now.
fn insert_first(values: &mut Vec<Value>, firsts: &mut Vec<(Moment, Seq, SourceId)>, new: Observation) -> bool {
    let first = (new.at, new.seq, new.source);
    if let Some(known) = values.iter().position(|value| Known(value.clone()) == new.value) {
        if firsts[known] <= first {
            return false;
        }
        values.remove(known);
        firsts.remove(known);
        let place = firsts.partition_point(|it| *it <= first);
        values.insert(place, new.value.0);
        firsts.insert(place, first);
        return place != known;
    }
    let place = firsts.partition_point(|it| *it < first);
    // Values of one message stand in their own order.
    let tied = firsts[place..].iter().take_while(|it| **it == first).count();
    let place = place + values[place..place + tied].partition_point(|value| Known(value.clone()) < new.value);
    values.insert(place, new.value.0);
    firsts.insert(place, first);
    true
}

fn bound(values: &mut Vec<Value>, firsts: &mut Vec<(Moment, Seq, SourceId)>, dropped: &mut u64) -> bool {
    let surplus = values.len().saturating_sub(limits::UNION_VALUES);
    values.drain(..surplus);
    firsts.drain(..surplus);
    *dropped += surplus as u64;
    surplus > 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn observation() -> impl Strategy<Value = (i64, u32, String)> {
        (0..6_i64, 0..4_u32, "[ab]{0,3}")
    }

    fn policies() -> impl Strategy<Value = MergePolicy> {
        prop::sample::select(vec![
            MergePolicy::MostRecent,
            MergePolicy::First,
            MergePolicy::Longest,
            MergePolicy::Union,
            MergePolicy::Min,
            MergePolicy::Max,
            MergePolicy::Sources(vec![SourceId(2), SourceId(0)]),
        ])
    }

    fn fold(all: &[(usize, (i64, u32, String))], policy: &MergePolicy) -> Option<Observations> {
        let mut state: Option<Observations> = None;
        for (seq, (at, source, text)) in all {
            let new = Observation {
                value: Known(Value::String(text.as_str().into())),
                source: SourceId(*source),
                at: Moment(*at),
                seq: Seq(*seq as u64),
            };
            match &mut state {
                None => state = Some(Observations::new(new, policy)),
                Some(state) => {
                    let before = state.value().to_value();
                    let changed = state.insert(new, policy, &mut 0);
                    assert_eq!(changed, before != state.value().to_value(), "news is news");
                }
            }
        }
        state
    }

    proptest! {
        #[test]
        fn no_order_and_no_merge_changes_the_golden_record(
            observations in prop::collection::vec(observation(), 1..12),
            split in 0..12_usize,
            policy in policies(),
        ) {
            let all: Vec<_> = observations.into_iter().enumerate().collect();
            let expected = fold(&all, &policy);
            let backwards: Vec<_> = all.iter().rev().cloned().collect();
            prop_assert_eq!(&fold(&backwards, &policy), &expected);
            let (a, b) = all.split_at(split.min(all.len()));
            let joined = match (fold(a, &policy), fold(b, &policy)) {
                (Some(mut a), Some(b)) => {
                    let before = a.value().to_value();
                    let changed = a.merge(b, &policy, &mut 0);
                    prop_assert!(changed || before == a.value().to_value());
                    Some(a)
                }
                (a, b) => a.or(b),
            };
            prop_assert_eq!(joined, expected);
        }
    }

    #[test]
    fn a_union_is_bounded() {
        let all: Vec<_> =
            (0..limits::UNION_VALUES as i64 + 1).map(|at| (at as usize, (at, 0, at.to_string()))).collect();
        let Some(Observations::All { values, .. }) = fold(&all, &MergePolicy::Union) else { panic!("a union") };
        assert_eq!(values.len(), limits::UNION_VALUES);
        assert_eq!(values[0], Value::String("1".into()), "the oldest made room");
    }
}
