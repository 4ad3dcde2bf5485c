//! People who are one only because matching found that likely, and the traits of the golden record that say so.
//!
//! Such a trait is `true` of them and nothing of everybody else: it follows from the links that hold now, whatever was the case
//! before, so that what is undone never was and no order of arrival matters. It is looked at where links change, never
//! with an event that says nothing new of who is who; in a program without such a trait, nowhere.

use super::{State, note};
use crate::datum::Known;
use crate::effect::PersonId;
use crate::identity::graph::{Edge, Grade, NodeId, PersonIndex};
use crate::profile::{Observation, Observations};
use crate::record::{Event, Seq};
use rustc_hash::FxHashMap;
use sonder_dsl::ir::Value;

impl State {
    /// Whether somebody's identifiers are one person's only because matching found that likely: without that they are two or
    /// more people.
    #[must_use]
    pub fn is_likely_only(&self, id: PersonId) -> bool {
        self.graph.person(id).is_some_and(|person| self.holds_as_likely(person))
    }

    fn holds_as_likely(&self, person: PersonIndex) -> bool {
        self.graph.component(person).is_some_and(|it| is_likely_only(&it.nodes, || it.ties().edges()))
    }

    /// Somebody's links are others than before the record at hand: what traits say of that is made true.
    pub(super) fn look_at_links(&mut self, person: PersonIndex, (event, seq): (&Event, Seq)) {
        if self.plan.likely.is_empty() {
            return;
        }
        let Some(id) = self.graph.component(person).map(|component| component.id) else { return };
        let is_likely = self.holds_as_likely(person);
        self.touch(person);
        self.wake(person);
        let Some(it) = self.slots[person.index()].body.awake_mut() else { return };
        for of_trait in &self.plan.likely {
            let place = it.profile.binary_search_by_key(of_trait, |(id, _)| *id);
            match (place, is_likely) {
                (Err(place), true) => {
                    let new = Observation { value: YES, source: event.source, at: self.now, seq };
                    it.profile.reserve_exact(1);
                    it.profile.insert(place, (*of_trait, Observations::One(new)));
                }
                (Ok(place), false) => _ = it.profile.remove(place),
                (Ok(_), true) | (Err(_), false) => continue,
            }
            note(&mut self.scratch.changed_traits, *of_trait);
            self.scratch.touched.extend(&self.plan.rules_of_profile_trait[of_trait.index()]);
            self.scratch.others.push(id);
        }
    }
}

/// What such a trait says, where it says anything.
pub(super) const YES: Known = Known(Value::Bool(true));

/// Whether these nodes hold together only with links that are likely. Looks at the links alone where none of them is.
pub(super) fn is_likely_only<E: Iterator<Item = Edge>>(nodes: &[NodeId], edges: impl Fn() -> E) -> bool {
    if !edges().any(|edge| edge.grade == Grade::Probable) {
        return false;
    }
    let places: FxHashMap<NodeId, usize> = nodes.iter().zip(0..).map(|(node, place)| (*node, place)).collect();
    let mut parents: Vec<usize> = (0..nodes.len()).collect();
    let mut parts = nodes.len();
    for edge in edges().filter(|edge| edge.grade != Grade::Probable) {
        let (Some(a), Some(b)) = (places.get(&edge.a), places.get(&edge.b)) else { continue };
        let (a, b) = (root(&mut parents, *a), root(&mut parents, *b));
        if a != b {
            parents[a] = b;
            parts -= 1;
        }
    }
    parts > 1
}

/// The representative of a place; the way there is halved.
fn root(parents: &mut [usize], mut place: usize) -> usize {
    while parents[place] != place {
        parents[place] = parents[parents[place]];
        place = parents[place];
    }
    place
}
