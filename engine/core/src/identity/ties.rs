//! How a person's identifiers came together, and which did not.
//!
//! Whoever has more than one identifier mostly has two that one message carried: then only what that says is kept, in half of
//! the room.

use super::graph::{Edge, Grade, NodeId, Refusal};
use super::guard::Guard;
use crate::effect::PersonId;
use crate::footprint;
use crate::record::{Likelihood, Seq};
use smallvec::SmallVec;
use sonder_dsl::ir::SourceId;
use sonder_dsl::time::Moment;
use thin_vec::ThinVec;

/// How a person's identifiers came together. Takes nothing for somebody with a single one: most people.
#[derive(Clone, Debug, Default)]
pub struct Ties(Kept);

/// All that there may be to it.
#[derive(Clone, Debug, Default)]
pub struct Bundle {
    /// Why they are one person's, in the order in which that was said; each pair once.
    pub edges: SmallVec<[Edge; 1]>,
    /// People who turned out to be this one.
    pub absorbed: ThinVec<PersonId>,
    /// Refusals that were reported lately; the oldest first.
    pub refused: ThinVec<Refusal>,
}

// INVARIANT: in the smallest form that has room for it.
#[derive(Clone, Debug, Default)]
enum Kept {
    #[default]
    Nothing,
    Pair(Box<Pair>),
    Bundle(Box<Bundle>),
}

/// Two identifiers that one message carried.
#[derive(Clone, Copy, Debug)]
struct Pair {
    a: NodeId,
    b: NodeId,
    source: SourceId,
    guard: Guard,
    seq: Seq,
    at: Moment,
}

impl Ties {
    /// Why the identifiers are one person's, in the order in which that was said.
    pub fn edges(&self) -> impl Iterator<Item = Edge> {
        let pair = if let Kept::Pair(pair) = &self.0 { Some(pair.edge()) } else { None };
        let more = self.bundle().map_or(&[][..], |it| it.edges.as_slice());
        pair.into_iter().chain(more.iter().copied())
    }

    /// People who turned out to be this one.
    pub fn absorbed(&self) -> &[PersonId] {
        self.bundle().map_or(&[], |it| it.absorbed.as_slice())
    }

    /// Refusals that were reported lately; the oldest first.
    pub fn refused(&self) -> &[Refusal] {
        self.bundle().map_or(&[], |it| it.refused.as_slice())
    }

    /// Changes them; what is a bundle already is changed where it is.
    pub fn change<T>(&mut self, change: impl FnOnce(&mut Bundle) -> T) -> T {
        let mut bundle = match std::mem::take(&mut self.0) {
            Kept::Nothing => Box::default(),
            Kept::Pair(pair) => Box::new(Bundle { edges: SmallVec::from_buf([pair.edge()]), ..Bundle::default() }),
            Kept::Bundle(bundle) => bundle,
        };
        let outcome = change(&mut bundle);
        self.0 = match bundle.small() {
            Some(small) => small,
            None => Kept::Bundle(bundle),
        };
        outcome
    }

    /// All of them, as they can be changed.
    pub fn into_bundle(mut self) -> Bundle {
        self.change(std::mem::take)
    }

    /// Bytes on the heap.
    pub fn heap(&self) -> usize {
        match &self.0 {
            Kept::Nothing => 0,
            Kept::Pair(_) => footprint::block(size_of::<Pair>()),
            Kept::Bundle(it) => {
                let edges =
                    if it.edges.spilled() { footprint::block(it.edges.capacity() * size_of::<Edge>()) } else { 0 };
                footprint::block(size_of::<Bundle>())
                    + edges
                    + footprint::list(&it.absorbed)
                    + footprint::list(&it.refused)
            }
        }
    }

    fn bundle(&self) -> Option<&Bundle> {
        if let Kept::Bundle(bundle) = &self.0 { Some(bundle) } else { None }
    }
}

impl From<Bundle> for Ties {
    fn from(bundle: Bundle) -> Self {
        Self(bundle.small().unwrap_or_else(|| Kept::Bundle(Box::new(bundle))))
    }
}

impl Bundle {
    /// The same in less room, where it has any.
    fn small(&self) -> Option<Kept> {
        if !self.absorbed.is_empty() || !self.refused.is_empty() {
            return None;
        }
        match self.edges.as_slice() {
            [] => Some(Kept::Nothing),
            [edge] => Pair::of(edge).map(|pair| Kept::Pair(Box::new(pair))),
            _ => None,
        }
    }
}

impl Pair {
    fn of(edge: &Edge) -> Option<Self> {
        let Edge { a, b, grade, guard, likelihood, source, seq, at } = *edge;
        (grade == Grade::Seen && likelihood == Likelihood::NONE).then_some(Self { a, b, source, guard, seq, at })
    }

    const fn edge(&self) -> Edge {
        let Self { a, b, source, guard, seq, at } = *self;
        Edge { a, b, grade: Grade::Seen, guard, likelihood: Likelihood::NONE, source, seq, at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sonder_dsl::ir::IdentifierKindId;

    fn edge(a: u32, b: u32, grade: Grade, likelihood: Likelihood) -> Edge {
        let (a, b, guard) = (NodeId(a), NodeId(b), Guard::against([IdentifierKindId(a as u16)].into_iter()));
        Edge { a, b, grade, guard, likelihood, source: SourceId(3), seq: Seq(5), at: Moment(7) }
    }

    fn edges(ties: &Ties) -> Vec<Edge> {
        ties.edges().collect()
    }

    #[test]
    fn whatever_form_it_has_what_was_said_comes_back() {
        let seen = edge(1, 2, Grade::Seen, Likelihood::NONE);
        for other in [
            edge(1, 3, Grade::Seen, Likelihood::NONE),
            edge(1, 3, Grade::Alias, Likelihood::NONE),
            edge(1, 3, Grade::Probable, Likelihood(900)),
            edge(1, 3, Grade::Seen, Likelihood(900)),
        ] {
            let mut ties = Ties::default();
            assert_eq!((edges(&ties), ties.heap()), (vec![], 0));
            ties.change(|it| it.edges.push(other));
            assert_eq!(edges(&ties), [other]);
            ties.change(|it| it.edges.push(seen));
            assert_eq!(edges(&ties), [other, seen]);
            assert_eq!(edges(&ties.clone().into_bundle().into()), [other, seen]);
            ties.change(|it| it.edges.retain(|it| *it == seen));
            assert_eq!(edges(&ties), [seen]);
            ties.change(|it| it.edges.clear());
            assert_eq!((edges(&ties), ties.heap()), (vec![], 0));
        }
    }

    #[test]
    fn what_one_message_carried_takes_half_of_the_room_until_there_is_more_to_it() {
        let mut ties = Ties::default();
        ties.change(|it| it.edges.push(edge(1, 2, Grade::Seen, Likelihood::NONE)));
        let pair = ties.heap();
        assert_eq!(pair, footprint::block(32));
        ties.change(|it| it.absorbed.push(PersonId(9)));
        assert_eq!((ties.absorbed(), edges(&ties).len()), (&[PersonId(9)][..], 1));
        assert!(ties.heap() > pair * 2);
        ties.change(|it| it.absorbed.clear());
        assert_eq!(ties.heap(), pair);
    }
}
