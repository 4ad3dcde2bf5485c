//! All that one person said, in order.
//!
//! INVARIANT: sorted by (`at`, `seq`), each once; so the order of arrival makes no difference, and merging two people is a
//! union. Cost: `insert` O(n), `latest` and `as_of` O(purposes), mostly.

use super::{Purposes, Said};
use crate::footprint;
use crate::limits;
use crate::record::Seq;
use sonder_dsl::time::Moment;
use thin_vec::ThinVec;

/// What somebody said at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Statement {
    /// When they said it.
    pub at: Moment,
    /// The record that has it.
    pub seq: Seq,
    /// What.
    pub said: Said,
}

/// What one person said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answers(ThinVec<Statement>);

impl Answers {
    /// Takes a statement in, however late it arrives.
    pub fn insert(&mut self, new: Statement, dropped: &mut u64) {
        let place = self.0.partition_point(|it| (it.at, it.seq) < (new.at, new.seq));
        if self.0.get(place).is_none_or(|it| it.seq != new.seq) {
            self.0.insert(place, new);
            self.thin_out(dropped);
        }
    }

    /// Takes in what somebody said who turned out to be the same.
    pub fn merge(&mut self, other: &Self, dropped: &mut u64) {
        self.0.extend_from_slice(&other.0);
        self.0.sort_unstable();
        self.0.dedup();
        self.thin_out(dropped);
    }

    /// The latest answers to all purposes.
    pub fn latest(&self) -> Said {
        combined(&self.0)
    }

    /// The answers as they were right after an event of that moment and place in the log.
    pub fn as_of(&self, at: Moment, seq: Seq) -> Said {
        let end = self.0.partition_point(|it| (it.at, it.seq) <= (at, seq));
        combined(self.0.get(..end).unwrap_or_default())
    }

    /// Since when the latest answer to a purpose has been what it is, in one go: the earliest statement of that run.
    pub fn since(&self, purpose: Purposes) -> Option<Statement> {
        let is_of = |it: &&Statement| it.said.to & purpose != 0;
        if self.held() & purpose != 0 {
            return self.0.iter().rev().filter(is_of).find(|it| it.said.binding).copied();
        }
        let (mut is_refused, mut run) = (false, None::<(bool, Statement)>);
        for it in self.0.iter().filter(is_of).filter(|it| !it.said.binding) {
            let is_yes = it.said.yes & purpose != 0;
            is_refused = if it.said.express & purpose != 0 { !is_yes } else { is_refused };
            let counts = is_yes && !is_refused;
            run = run.filter(|(before, _)| *before == counts).or(Some((counts, *it)));
        }
        run.map(|(_, first)| first)
    }

    /// What is answered with a no that only an express yes, or the end of what binds, can lift.
    pub fn refused(&self) -> Purposes {
        refused(&self.0) | held(&self.0)
    }

    /// What is answered with a no that binds.
    pub fn held(&self) -> Purposes {
        held(&self.0)
    }

    /// Since when it has been so.
    pub fn held_since(&self, purpose: Purposes) -> Option<Moment> {
        (self.held() & purpose != 0).then(|| self.since(purpose).map(|it| it.at)).flatten()
    }

    /// All statements, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Statement> {
        self.0.iter()
    }

    /// Whether they never said anything.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Bytes on the heap.
    pub fn heap(&self) -> usize {
        footprint::list(&self.0)
    }

    /// Beyond the limit a statement goes that decides nothing: one that repeats the one before it; where there is none, the
    /// oldest that does not bind.
    ///
    /// INVARIANT: the last answer to a purpose stays, whatever else was said since, and so do the last express one and the last that
    /// binds. There are never more of them than the limit.
    fn thin_out(&mut self, dropped: &mut u64) {
        while self.0.len() > limits::STATEMENTS {
            let is_spare = self.spare();
            let spare = |place: usize| is_spare.get(place).copied().unwrap_or(false);
            let pairs = (1..).zip(self.0.windows(2));
            let repeated = pairs
                .filter(|(place, pair)| spare(*place) && matches!(pair, [a, b] if a.said == b.said))
                .map(|it| it.0);
            let oldest = |is_free: bool| {
                let numbered = self.0.iter().enumerate();
                let mut spare = numbered.filter(|(place, it)| spare(*place) && !(is_free && it.said.binding));
                spare.next().map(|(place, _)| place)
            };
            let gone = { repeated }.next().or_else(|| oldest(true)).or_else(|| oldest(false));
            self.0.remove(gone.unwrap_or(0));
            *dropped += 1;
        }
    }

    /// Of each statement whether later ones answer all that it does.
    fn spare(&self) -> Vec<bool> {
        let (mut free, mut express, mut bound): (Purposes, Purposes, Purposes) = (0, 0, 0);
        let spare = self.0.iter().rev().map(|it| {
            let later = if it.said.binding { &mut bound } else { &mut free };
            let is_spare = it.said.to & !*later == 0 && it.said.express & !express == 0;
            *later |= it.said.to;
            express |= it.said.express;
            is_spare
        });
        let mut spare: Vec<bool> = spare.collect();
        spare.reverse();
        spare
    }
}

impl FromIterator<Statement> for Answers {
    fn from_iter<T: IntoIterator<Item = Statement>>(statements: T) -> Self {
        let mut all: Vec<Statement> = statements.into_iter().collect();
        all.sort_unstable();
        let mut exact = ThinVec::with_capacity(all.len());
        exact.extend(all);
        Self(exact)
    }
}

/// Of each purpose the last answer; no where the last express one is no, and where a no binds.
fn combined(statements: &[Statement]) -> Said {
    let free = statements.iter().rev().filter(|it| !it.said.binding);
    let said = free.fold(Said::NOTHING, |later, it| {
        let new = it.said.to & !later.to;
        Said { to: later.to | new, yes: later.yes | (it.said.yes & new), ..Said::NOTHING }
    });
    let held = held(statements);
    Said { to: said.to | held, yes: said.yes & !held & !refused(statements), ..Said::NOTHING }
}

fn refused(statements: &[Statement]) -> Purposes {
    let free = statements.iter().rev().filter(|it| !it.said.binding);
    let (_, refused) = free.fold((0, 0), |(later, refused): (Purposes, Purposes), it| {
        (later | it.said.express, refused | (it.said.express & !it.said.yes & !later))
    });
    refused
}

fn held(statements: &[Statement]) -> Purposes {
    let binding = statements.iter().rev().filter(|it| it.said.binding);
    let (_, held) = binding.fold((0, 0), |(later, held): (Purposes, Purposes), it| {
        (later | it.said.to, held | (it.said.to & !it.said.yes & !later))
    });
    held
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn statements() -> impl Strategy<Value = Vec<Statement>> {
        let one = (0..20_i64, 1..1_000_u64, 0..8_u32, 0..8_u32, 0..8_u32);
        let made = one.prop_map(|(at, seq, to, yes, express)| Statement {
            at: Moment(at),
            seq: Seq(seq),
            said: Said { to, yes: yes & to, express: express & to, binding: false },
        });
        prop::collection::btree_map(1..1_000_u64, made, 0..30)
            .prop_map(|all| all.into_iter().map(|(seq, it)| Statement { seq: Seq(seq), ..it }).collect())
    }

    fn taken(all: &[Statement]) -> Answers {
        let mut answers = Answers::default();
        all.iter().for_each(|it| answers.insert(*it, &mut 0));
        answers
    }

    proptest! {
        #[test]
        fn the_order_of_arrival_makes_no_difference(all in statements(), order in any::<u64>()) {
            let mut other = all.clone();
            other.sort_by_key(|it| it.seq.0.wrapping_mul(order | 1));
            prop_assert_eq!(taken(&all), taken(&other));
        }

        #[test]
        fn merging_is_having_been_one(a in statements(), b in statements()) {
            let b: Vec<Statement> = b.into_iter().map(|it| Statement { seq: Seq(it.seq.0 + 1_000), ..it }).collect();
            let (mut left, mut right) = (taken(&a), taken(&b));
            let other = left.clone();
            left.merge(&right, &mut 0);
            right.merge(&other, &mut 0);
            let both: Vec<Statement> = a.iter().chain(&b).copied().collect();
            prop_assert_eq!(&left, &taken(&both));
            prop_assert_eq!(&left, &right);
        }

        /// By looking at each purpose alone.
        #[test]
        fn the_latest_answer_counts_but_not_against_an_express_no(all in statements(), at in 0..22_i64, seq in 1..1_000_u64) {
            let answers = taken(&all);
            for bit in 0..3 {
                let purpose = 1_u32 << bit;
                let mut known: Vec<Statement> = all.iter().filter(|it| it.said.to & purpose != 0).copied().collect();
                known.sort();
                let is_yes = |it: &Statement| it.said.yes & purpose != 0;
                // No only where the last word is no, or the last express one.
                let said = |known: &[Statement]| {
                    let express = known.iter().rfind(|it| it.said.express & purpose != 0);
                    known.last().map(|last| is_yes(last) && express.is_none_or(is_yes))
                };
                let id = sonder_dsl::ir::PurposeId(bit);
                prop_assert_eq!(answers.latest().to(id), said(&known));
                let then = known.partition_point(|it| (it.at, it.seq) <= (Moment(at), Seq(seq)));
                prop_assert_eq!(answers.as_of(Moment(at), Seq(seq)).to(id), said(&known[..then]));
                // Since the first of those that count as the last one does.
                let counted = |end: usize| said(&known[..end]);
                let mut since = known.len();
                while since > 1 && counted(since - 1) == counted(known.len()) {
                    since -= 1;
                }
                prop_assert_eq!(answers.since(purpose), since.checked_sub(1).map(|place| known[place]));
            }
        }
    }

    fn statement_of_many() -> impl Strategy<Value = Statement> {
        let made = (0..400_i64, 0..31_u32, 0..31_u32, any::<(u32, u32)>(), 0..12_u8);
        made.prop_map(|(at, one, other, (yes, express), binds)| {
            let to = 1_u32 << one | 1 << other | if binds == 0 { super::super::ANYTHING } else { 0 };
            let binding = binds < 2;
            let express = if binding { 0 } else { express & to };
            Statement { at: Moment(at), seq: Seq(0), said: Said { to, yes: yes & to, express, binding } }
        })
    }

    proptest! {
        /// Of all purposes that a project can have, by many more statements than are kept, however late they arrive.
        #[test]
        fn what_is_forgotten_never_decides(
            all in prop::collection::vec(statement_of_many(), 0..300),
            split in any::<prop::sample::Index>(),
        ) {
            let numbered = (1..).zip(&all);
            let all: Vec<Statement> = numbered.map(|(number, it)| Statement { seq: Seq(number), ..*it }).collect();
            let mut sorted = all.clone();
            sorted.sort_unstable();
            let (one, other) = all.split_at(if all.is_empty() { 0 } else { split.index(all.len()) });
            let mut joined = taken(one);
            joined.merge(&taken(other), &mut 0);
            for answers in [taken(&all), joined] {
                prop_assert!(answers.iter().count() <= limits::STATEMENTS);
                prop_assert_eq!(answers.latest(), combined(&sorted));
                prop_assert_eq!(answers.held(), held(&sorted));
                prop_assert_eq!(answers.refused(), refused(&sorted) | held(&sorted));
            }
        }
    }

    #[test]
    fn a_person_costs_no_more_than_the_limit() {
        let said = |number: u64, yes: u32| Statement {
            at: Moment(number as i64),
            seq: Seq(number),
            said: Said { to: 1, yes, ..Said::NOTHING },
        };
        let mut dropped = 0;
        let mut answers = Answers::default();
        let count = limits::STATEMENTS as u64;
        (1..=count).for_each(|number| answers.insert(said(number, 1), &mut dropped));
        assert_eq!((answers.iter().count(), dropped), (limits::STATEMENTS, 0));
        answers.insert(said(count + 1, 0), &mut dropped);
        assert_eq!((answers.iter().count(), dropped), (limits::STATEMENTS, 1));
        assert_eq!(answers.iter().next(), Some(&said(1, 1)), "what repeats goes first");
        assert_eq!(answers.latest(), Said { to: 1, ..Said::NOTHING });
    }

    #[test]
    fn an_express_no_stands_until_an_express_yes() {
        let statement = |seq: u64, yes: u32, express: u32| Statement {
            at: Moment(seq as i64),
            seq: Seq(seq),
            said: Said { to: 0b11, yes, express, binding: false },
        };
        // A banner's answer; no to both through the API; the banner's again; yes to one in so many words; the banner says no.
        let all = [
            statement(1, 0b11, 0),
            statement(2, 0, 0b11),
            statement(3, 0b11, 0),
            statement(4, 0b01, 0b01),
            statement(5, 0b11, 0),
            statement(6, 0b10, 0),
        ];
        let after = |count: usize| taken(&all[..count]).latest().yes;
        assert_eq!((1..=6).map(after).collect::<Vec<_>>(), [0b11, 0, 0, 0b01, 0b01, 0]);
        assert_eq!(taken(&all[..3]).since(1).map(|it| it.seq), Some(Seq(2)), "what is repeated since says nothing new");
        assert_eq!((taken(&all).refused(), taken(&all).held()), (0b10, 0));
    }

    #[test]
    fn a_no_that_binds_stands_until_it_is_lifted() {
        let statement = |seq: u64, to: u32, yes: u32, binding: bool| Statement {
            at: Moment(seq as i64),
            seq: Seq(seq),
            said: Said { to, yes, binding, ..Said::NOTHING },
        };
        let all = [
            statement(1, 0b11, 0b11, false),
            statement(2, 0b01, 0, true),
            statement(3, 0b11, 0b11, false),
            statement(4, 0b01, 0b01, true),
        ];
        let after = |count: usize| taken(&all[..count]);
        assert_eq!(after(1).latest().yes, 0b11);
        assert_eq!((after(2).latest().yes, after(3).latest().yes), (0b10, 0b10));
        assert_eq!((after(3).held(), after(3).held_since(1)), (0b01, Some(Moment(2))));
        assert_eq!((after(4).latest().yes, after(4).held()), (0b11, 0), "what they said meanwhile counts then");
        assert_eq!(after(4).as_of(Moment(3), Seq(3)).yes, 0b10, "and not before");
    }
}
