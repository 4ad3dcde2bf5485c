//! The rules of `identity.yaml`, in two parts.
//!
//! Which links count at all is said by [`Filter`]: by the strategy, by how likely a probabilistic one is to be, and by how many
//! values of another kind one value is linked with. It looks at a link and at the others of its two ends, at nothing else, so that it says the same of the same
//! links, whatever the order in which they became known.
//!
//! Of those that count, [`Constraints`] says which sets of identifiers may be one person's. What it allows for a set it
//! allows for each part of it.

use super::graph::{Edge, Grade, Graph, Named, NodeId, Reason};
use super::guard::{Guard, Marks};
use super::partition::order;
use crate::limits;
use crate::record::{Identifier, Likelihood};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use sonder_dsl::ir::IdentifierKindId;
use sonder_dsl::model::{Identity, LinkLimit, Strategy, Unique};
use sonder_dsl::time::Moment;
use std::cmp::Ordering;

/// Rules about how many values of a kind one person has, and which are never one person's.
#[derive(Clone, Debug)]
pub struct Constraints {
    kinds: Vec<Counted>,
    /// Where a limit is about a time.
    is_timed: bool,
    /// Against whatever the links of any source may not join.
    guard: Guard,
    /// What is declared to be apart, by each of it.
    apart: FxHashMap<Identifier, Vec<Identifier>>,
}

/// A kind that has such a rule.
#[derive(Clone, Copy, Debug)]
struct Counted {
    kind: IdentifierKindId,
    unique: Unique,
    limit: Option<LinkLimit>,
}

/// What the rules look at of sets of identifiers, each by its place.
#[derive(Clone, Debug, Default)]
pub struct Tallies {
    /// Of each set how many there are of all kinds, and then of each counted kind.
    counts: Vec<u32>,
    /// How many numbers a set has.
    width: usize,
    /// When each value of a counted kind was seen first, in order; of each set as many lists as there are such kinds. Empty
    /// where no limit is about a time.
    seen: Vec<Vec<Moment>>,
    /// Which kinds each set has that guards ask for. Empty where none asks.
    marks: Vec<Marks>,
}

impl Constraints {
    /// Those of `identity.yaml`, and what sources may not join.
    pub fn new(identity: &Identity, guards: &[Guard]) -> Self {
        let counted = identity.identifiers.iter().enumerate().filter_map(|(index, kind)| {
            (kind.unique != Unique::No || kind.limit.is_some()).then_some(Counted {
                kind: IdentifierKindId(index as u16),
                unique: kind.unique,
                limit: kind.limit,
            })
        });
        let kinds: Vec<Counted> = counted.collect();
        let mut apart: FxHashMap<Identifier, Vec<Identifier>> = FxHashMap::default();
        for group in &identity.apart {
            let all: Vec<Identifier> = group
                .identifiers
                .iter()
                .map(|(kind, value)| Identifier { kind: *kind, value: value.as_str().into() })
                .collect();
            for it in &all {
                apart.entry(it.clone()).or_default().extend(all.iter().filter(|other| *other != it).cloned());
            }
        }
        let guard = guards.iter().fold(Guard::FREE, |all, guard| all.join(*guard));
        Self { is_timed: kinds.iter().any(Counted::is_timed), guard, kinds, apart }
    }

    /// Whether it matters when a value of this kind was seen first.
    pub fn minds_first_seen(&self, kind: IdentifierKindId) -> bool {
        self.is_timed && self.kinds.iter().any(|it| it.kind == kind && it.is_timed())
    }

    /// Of each of some sets of nodes. What an identifier was before it started anew does not count.
    pub fn tallies<S: IntoIterator<Item = NodeId>>(&self, graph: &Graph, sets: impl Iterator<Item = S>) -> Tallies {
        let mut tallies = Tallies { width: self.kinds.len() + 1, ..Tallies::default() };
        tallies.counts.reserve(sets.size_hint().0 * tallies.width);
        for nodes in sets {
            let begin = tallies.counts.len();
            tallies.counts.resize(begin + tallies.width, 0);
            let lists = tallies.seen.len();
            let mut marks = Marks::default();
            if self.is_timed {
                tallies.seen.resize(lists + self.kinds.len(), Vec::new());
            }
            for (kind, node) in nodes.into_iter().filter_map(|node| graph.kind_and_node(node)) {
                if node.former {
                    continue;
                }
                tallies.counts[begin] += 1;
                marks = marks.with(self.guard.of(kind));
                for (place, it) in self.kinds.iter().enumerate().filter(|(_, it)| it.kind == kind) {
                    tallies.counts[begin + 1 + place] += 1;
                    if it.is_timed() {
                        tallies.seen[lists + place].push(node.first_seen);
                    }
                }
            }
            tallies.seen[lists..].iter_mut().for_each(|seen| seen.sort_unstable());
            if !self.guard.is_free() {
                tallies.marks.push(marks);
            }
        }
        tallies
    }

    /// What is against making one of two sets because of a link.
    pub fn against(&self, tallies: &Tallies, a: usize, b: usize, edge: &Edge) -> Option<Reason> {
        self.against_such(tallies, (a, b), edge.grade, edge.guard)
    }

    /// What is against making one of two sets because of some links, but may not be because of others; `is_guarded` where any of
    /// them is.
    pub fn against_some(&self, tallies: &Tallies, a: usize, b: usize, is_guarded: bool) -> Option<Reason> {
        self.against_such(tallies, (a, b), Grade::Seen, if is_guarded { self.guard } else { Guard::FREE })
    }

    fn against_such(&self, tallies: &Tallies, (a, b): (usize, usize), grade: Grade, guard: Guard) -> Option<Reason> {
        let (in_a, in_b) = (tallies.of(a), tallies.of(b));
        let mut is_over = (in_a[0] + in_b[0]) as usize > limits::IDENTIFIERS;
        for (place, it) in self.kinds.iter().enumerate() {
            let (in_a, in_b) = (in_a[1 + place], in_b[1 + place]);
            if in_a == 0 || in_b == 0 {
                continue;
            }
            if it.unique != Unique::No && grade > it.overruled_up_to() {
                return Some(Reason::Unique);
            }
            let Some(limit) = it.limit.filter(|limit| grade != Grade::Decided && in_a + in_b > limit.count) else {
                continue;
            };
            is_over |= limit.per.is_none_or(|per| {
                let (a, b) = (tallies.seen_of(a, place), tallies.seen_of(b, place));
                are_too_many(a, b, limit.count, |from, to| to.since(from) < per)
            });
        }
        let is_parted = || !guard.is_free() && guard.parts(tallies.marks_of(a), tallies.marks_of(b));
        is_over.then_some(Reason::Limit).or_else(|| is_parted().then_some(Reason::Untrusted))
    }

    /// Against whatever the links of any source may not join.
    pub const fn guard(&self) -> Guard {
        self.guard
    }

    /// Whether any identifier is declared to be apart from another.
    pub fn declares_apart(&self) -> bool {
        !self.apart.is_empty()
    }

    /// What is declared to be apart from an identifier.
    pub fn apart_from(&self, named: Named<'_>) -> &[Identifier] {
        if self.apart.is_empty() {
            return &[];
        }
        self.apart.get(&Identifier::from(named)).map_or(&[], Vec::as_slice)
    }
}

impl Counted {
    fn is_timed(&self) -> bool {
        self.limit.is_some_and(|limit| limit.per.is_some())
    }

    /// The weakest thing to say that two people with different values are one.
    fn overruled_up_to(&self) -> Grade {
        if self.unique == Unique::Always { Grade::Decided } else { Grade::Alias }
    }
}

impl Tallies {
    fn of(&self, set: usize) -> &[u32] {
        &self.counts[set * self.width..(set + 1) * self.width]
    }

    fn marks_of(&self, set: usize) -> Marks {
        self.marks.get(set).copied().unwrap_or_default()
    }

    fn seen_of(&self, set: usize, place: usize) -> &[Moment] {
        &self.seen[set * (self.width - 1) + place]
    }

    /// How many identifiers a set has.
    pub fn size(&self, set: usize) -> u32 {
        self.counts[set * self.width]
    }

    /// Takes those of one set into another.
    pub fn add(&mut self, from: usize, to: usize) {
        for place in 0..self.width {
            self.counts[to * self.width + place] += self.counts[from * self.width + place];
        }
        if !self.marks.is_empty() {
            self.marks[to] = self.marks[to].with(self.marks[from]);
        }
        if self.seen.is_empty() {
            return;
        }
        for place in 0..self.width - 1 {
            let theirs = std::mem::take(&mut self.seen[from * (self.width - 1) + place]);
            let mine = &mut self.seen[to * (self.width - 1) + place];
            if !theirs.is_empty() {
                mine.extend(theirs);
                mine.sort_unstable();
            }
        }
    }
}

/// Whether more than `count` moments of two lists are near each other, some of each list; both are in order.
fn are_too_many(a: &[Moment], b: &[Moment], count: u32, is_near: impl Fn(Moment, Moment) -> bool) -> bool {
    let mut all: Vec<(Moment, bool)> = a.iter().map(|it| (*it, true)).chain(b.iter().map(|it| (*it, false))).collect();
    all.sort_unstable();
    let (mut end, mut of_a, mut of_b) = (0, 0_u32, 0_u32);
    for (from, is_of_a) in &all {
        while let Some((to, is_of_a)) = all.get(end).filter(|(to, _)| is_near(*from, *to)) {
            debug_assert!(to >= from);
            *(if *is_of_a { &mut of_a } else { &mut of_b }) += 1;
            end += 1;
        }
        if of_a > 0 && of_b > 0 && of_a + of_b > count {
            return true;
        }
        *(if *is_of_a { &mut of_a } else { &mut of_b }) -= 1;
    }
    false
}

/// Rules about which links count.
#[derive(Clone, Debug)]
pub struct Filter {
    strategy: Strategy,
    /// By kind: whether it is of a device.
    anonymous: Vec<bool>,
    /// By kind: with how many values of which other kinds one value is linked.
    at_most: Vec<Vec<(IdentifierKindId, u32)>>,
    /// From which likelihood on a probabilistic link counts; none does where the project says nothing of matching.
    link_at: Option<Likelihood>,
}

/// What a filter says of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It counts, and changes nothing about others.
    Admitted,
    /// It does not count.
    Refused(Reason),
    /// It counts instead of another.
    Displaces,
}

impl Filter {
    /// That of `identity.yaml`.
    pub fn new(identity: &Identity) -> Self {
        let kinds = &identity.identifiers;
        Self {
            strategy: identity.strategy,
            anonymous: kinds.iter().map(|kind| kind.anonymous).collect(),
            at_most: kinds.iter().map(|kind| kind.at_most.clone()).collect(),
            link_at: identity.probabilistic.as_ref().map(|it| Likelihood::of_probability(it.link_at)),
        }
    }

    /// Whether it matters when a value of this kind was seen first.
    pub fn minds_first_seen(&self, kind: IdentifierKindId) -> bool {
        match self.strategy {
            Strategy::Link | Strategy::Isolation => false,
            Strategy::Conversion => !self.is_anonymous(kind),
            Strategy::BestMatch => true,
        }
    }

    /// Looks at a link that is not known yet, or was weaker before.
    pub fn admit(&self, graph: &Graph, edge: &Edge, before: Option<&Edge>) -> Admission {
        if let Some(reason) = self.forbids(graph, edge) {
            return Admission::Refused(reason);
        }
        if edge.grade == Grade::Decided && before.is_some_and(|before| !self.counts(graph, before).is_empty()) {
            // What is decided counts for nothing, so that another takes its place.
            return Admission::Displaces;
        }
        let mut admission = Admission::Admitted;
        for (node, kind, count) in self.counts(graph, edge) {
            let others = self.counted(graph, node, kind, edge);
            let before = others.iter().filter(|other| order(graph, other, edge) == Ordering::Less).count();
            if before >= count as usize {
                return Admission::Refused(Reason::Cardinality);
            }
            if others.len() >= count as usize {
                admission = Admission::Displaces;
            }
        }
        admission
    }

    /// What is against a link whatever else there is: the strategy, or that it is not likely enough.
    pub fn forbids(&self, graph: &Graph, edge: &Edge) -> Option<Reason> {
        match edge.grade {
            Grade::Decided | Grade::Alias => None,
            Grade::Probable if self.link_at.is_none_or(|least| edge.likelihood < least) => Some(Reason::Unlikely),
            Grade::Seen | Grade::Probable => self.is_against_strategy(graph, edge).then_some(Reason::Strategy),
        }
    }

    fn is_against_strategy(&self, graph: &Graph, edge: &Edge) -> bool {
        if self.strategy == Strategy::Link {
            return false;
        }
        let (Some((a, first)), Some((b, second))) = (graph.node(edge.a), graph.node(edge.b)) else { return false };
        let anonymous = (self.is_anonymous(a.kind), self.is_anonymous(b.kind));
        if edge.grade == Grade::Probable {
            // It tells nothing of when somebody became known, so that no other strategy lets it join anybody unknown, and one that
            // joins no two people does not do so because they are alike.
            return anonymous.0 != anonymous.1 || self.strategy == Strategy::BestMatch;
        }
        match self.strategy {
            Strategy::Link => false,
            Strategy::Isolation => anonymous.0 != anonymous.1,
            Strategy::Conversion => match anonymous {
                (false, true) => edge.at > first.first_seen,
                (true, false) => edge.at > second.first_seen,
                _ => false,
            },
            Strategy::BestMatch => edge.at > first.first_seen.max(second.first_seen),
        }
    }

    /// The ends of a link that may have only so many of its kind: the end, the kind beyond, and how many.
    pub fn counts(&self, graph: &Graph, edge: &Edge) -> SmallVec<[(NodeId, IdentifierKindId, u32); 2]> {
        let mut counts = SmallVec::new();
        if edge.grade == Grade::Decided || self.at_most.iter().all(Vec::is_empty) {
            return counts;
        }
        let kind = |node| graph.node(node).map(|(named, _)| named.kind);
        let (Some(a), Some(b)) = (kind(edge.a), kind(edge.b)) else { return counts };
        for (node, mine, beyond) in [(edge.a, a, b), (edge.b, b, a)] {
            let rules = self.at_most.get(mine.index()).map_or(&[][..], Vec::as_slice);
            counts.extend(rules.iter().filter(|(kind, _)| *kind == beyond).map(|(_, count)| (node, beyond, *count)));
        }
        counts
    }

    /// All links of a node with values of a kind, but one; those that the strategy is against are none.
    fn counted(&self, graph: &Graph, node: NodeId, kind: IdentifierKindId, but: &Edge) -> Vec<Edge> {
        let held = graph.node(node).and_then(|(_, it)| graph.component(it.person));
        let held = held.into_iter().flat_map(|component| component.ties().edges());
        let of_node = held.filter(|edge| edge.a == node || edge.b == node);
        let loose = graph.loose_of(node).iter().map(|loose| loose.edge);
        let is_counted = |edge: &Edge| {
            !edge.is_between(but.a, but.b)
                && edge.grade != Grade::Decided
                && graph.node(edge.beyond(node)).is_some_and(|(named, _)| named.kind == kind)
                && self.forbids(graph, edge).is_none()
        };
        of_node.chain(loose).filter(is_counted).collect()
    }

    fn is_anonymous(&self, kind: IdentifierKindId) -> bool {
        self.anonymous.get(kind.index()).copied().unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plainly(a: &[Moment], b: &[Moment], count: u32, per: i64) -> bool {
        let all: Vec<(i64, bool)> = a.iter().map(|it| (it.0, true)).chain(b.iter().map(|it| (it.0, false))).collect();
        all.iter().any(|(from, _)| {
            let near: Vec<bool> =
                all.iter().filter(|(to, _)| to >= from && to - from < per).map(|(_, is_a)| *is_a).collect();
            near.len() > count as usize && near.contains(&true) && near.contains(&false)
        })
    }

    proptest! {
        #[test]
        fn a_limit_by_time_is_as_it_is_defined(
            a in prop::collection::vec(0_i64..20, 0..8),
            b in prop::collection::vec(0_i64..20, 0..8),
            count in 1_u32..5,
            per in 1_i64..10,
        ) {
            let sorted = |of: Vec<i64>| {
                let mut moments: Vec<Moment> = of.into_iter().map(Moment).collect();
                moments.sort_unstable();
                moments
            };
            let (a, b) = (sorted(a), sorted(b));
            let found = are_too_many(&a, &b, count, |from, to| to.0 - from.0 < per);
            prop_assert_eq!(found, plainly(&a, &b, count, per));
        }
    }
}
