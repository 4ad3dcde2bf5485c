//! Who people are across versions of a project: they keep their ids.
//!
//! A new version is made by folding the log again, and may join people who were two, part who was one, or make values
//! comparable in another way. Whoever goes on then keeps the id: a person goes where the identifier went that made them, and of
//! those who become one the id is kept that was there first, as with any merge. An id that nobody has any more means whom its
//! person became ([`Ids`]). What is otherwise about who is who is told as it is of a message that brings it about.

use super::{Ids, State, Turn};
use crate::effect::{Cause, Change, ChangeKind, Effects, PersonId};
use crate::identity::LinkRules;
use crate::identity::graph::{Component, Edge, Graph, Named, Node, NodeId, PersonIndex};
use crate::identity::ids::Renaming;
use crate::identity::partition::order;
use crate::record::{Identifier, Seq};
use rustc_hash::{FxHashMap, FxHashSet};
use sonder_dsl::ir::{IdentifierKindId, Program, RuleId};
use sonder_dsl::model::Identity;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

impl State {
    /// Gives people the ids that they had under the version before, `before`, and tells who is who now that was not; of who was
    /// erased nothing. Both must be at the same place of the log and the same moment, and nobody may have asked this state for an
    /// id yet.
    pub fn keep_ids(
        &mut self,
        program: &Program,
        before: (&Self, &Program),
        erased: &[PersonId],
        effects: &mut Effects,
    ) {
        let kin = Kin::new((&before.0.graph, &before.1.identity), (&self.graph, &program.identity));
        let found = kin.compare(&before.0.plan.links, &erased.iter().copied().collect());
        let wanted = found.wanted(&self.graph);
        self.rename(program, &Renaming::new(&wanted));
        let means = |Known { id, is, .. }: &Known| {
            let is_free = self.graph.person_so_called(*id).is_none();
            is_free.then(|| Some((*id, self.graph.component(*is)?.id))).flatten()
        };
        let aliases: BTreeMap<PersonId, PersonId> = found.known.iter().filter_map(means).collect();
        let ids = Ids::clone(self.graph.ids()).with_aliases(aliases);
        self.graph.know_by(Arc::new(ids));
        let (at, cause) = (self.now, Cause::Takeover(self.now));
        let told = found.told(&self.graph);
        effects.changes.extend(told.into_iter().map(|(person, what)| Change { person, at, cause, what }));
    }

    /// Calls people otherwise, wherever they stand in the order of their ids.
    fn rename(&mut self, program: &Program, renaming: &Renaming) {
        let of = |(person, component): (PersonIndex, &Component)| {
            let (was, is) = (component.id, renaming.of(component.id));
            (was != is).then_some((person, was, is))
        };
        let renamed: Vec<(PersonIndex, PersonId, PersonId)> = self.graph.people().filter_map(of).collect();
        for (person, was, _) in &renamed {
            self.touch(*person);
            self.unschedule(*person);
            self.gone.push(*was);
            for (rule, _) in self.slots[person.index()].segments.iter() {
                self.members.remove(rule, *person, *was);
            }
        }
        if !renaming.is_empty() {
            self.graph.rename(renaming);
        }
        let ids = self.graph.ids().renamed(renaming, |id| self.graph.person_so_called(id).is_some());
        self.graph.know_by(Arc::new(ids));
        for (person, _, is) in renamed {
            for (rule, _) in self.slots[person.index()].segments.iter() {
                self.members.insert(rule, person, is);
            }
            self.schedule(person);
            self.let_be_early(program, person, is);
        }
    }

    /// Whether somebody is early follows from their id, and with it what rules say.
    fn let_be_early(&mut self, program: &Program, person: PersonIndex, id: PersonId) {
        let Some(rollout) = self.plan.rollout else { return };
        self.wake(person);
        let Some(it) = self.slots[person.index()].body.awake_mut() else { return };
        if std::mem::replace(&mut it.is_early, rollout.is_early(id.0)) == rollout.is_early(id.0) {
            return;
        }
        (0..self.plan.rules.len() as u32).for_each(|rule| self.scratch.touched.insert(RuleId(rule)));
        let turn = Turn { person, at: self.now, cause: Cause::Takeover(self.now), deliver: false, round: 0 };
        self.decide(program, turn, &mut Effects::default());
    }
}

/// Two graphs of the same log, under two versions of the project.
struct Kin<'a> {
    before: &'a Graph,
    now: &'a Graph,
    identity: &'a Identity,
    /// By kind of the version before: the kind of that name, and whether its values are made comparable in another way.
    kinds: Vec<Option<(IdentifierKindId, bool)>>,
    /// Identifiers of now as the version before made their values comparable, where it knows none like them.
    as_before: FxHashMap<Identifier, NodeId>,
}

impl<'a> Kin<'a> {
    fn new((before, was): (&'a Graph, &'a Identity), (now, identity): (&'a Graph, &'a Identity)) -> Self {
        let kinds = was.identifiers.iter().map(|kind| {
            let id = identity.kind_named(&kind.name)?;
            Some((id, identity.identifiers.get(id.index())?.normalize != kind.normalize))
        });
        let mut kin = Self { before, now, identity, kinds: kinds.collect(), as_before: FxHashMap::default() };
        kin.as_before = kin.seen_as_before(was);
        kin
    }

    fn seen_as_before(&self, was: &Identity) -> FxHashMap<Identifier, NodeId> {
        let mut found: FxHashMap<Identifier, NodeId> = FxHashMap::default();
        let changed: FxHashMap<IdentifierKindId, IdentifierKindId> = (self.kinds.iter().zip(0..))
            .filter_map(|(kind, id)| kind.filter(|(_, is_other)| *is_other).map(|(now, _)| (now, IdentifierKindId(id))))
            .collect();
        if changed.is_empty() {
            return found;
        }
        for (place, (named, node)) in self.now.nodes().enumerate() {
            let kind = changed.get(&named.kind).and_then(|kind| was.identifiers.get(kind.index()));
            let Some(value) = kind.filter(|_| !node.former).and_then(|kind| kind.normalized(named.value, &|_| None))
            else {
                continue;
            };
            let (identifier, node) = (Identifier { kind: named.kind, value: value.into() }, NodeId(place as u32));
            // What happened first is what it was, whatever the order in which it arrived.
            let first = |it: NodeId| self.now.node(it).map(|(named, node)| (node.first_seen, named.value));
            match found.entry(identifier) {
                std::collections::hash_map::Entry::Occupied(mut known) => {
                    if first(node) < first(*known.get()) {
                        known.insert(node);
                    }
                }
                std::collections::hash_map::Entry::Vacant(free) => _ = free.insert(node),
            }
        }
        found
    }

    /// What an identifier of the version before is now.
    fn counterpart(&self, node: NodeId) -> Option<NodeId> {
        let (named, it) = self.before.node(node)?;
        let (kind, is_other) = (*self.kinds.get(named.kind.index())?)?;
        // The same log mostly comes to the same place.
        let is_same = |(now, other): (Named<'_>, &Node)| {
            now == Named { kind, value: named.value }
                && !(it.former || other.former)
                && it.generation == other.generation
        };
        if self.now.node(node).is_some_and(is_same) {
            return Some(node);
        }
        if let Some(found) = self.now.find_named(Named { kind, value: named.value }) {
            let is_it = it.generation == 0 && self.now.node(found).is_some_and(|(_, now)| now.generation == 0);
            let identifier = || Identifier { kind, value: named.value.into() };
            let earlier = || self.now.node_of_generation(&identifier(), it.generation);
            return if is_it { Some(found) } else { earlier().or(Some(found)) };
        }
        if !is_other {
            return None;
        }
        let declared = self.identity.identifiers.get(kind.index())?;
        let value = declared.normalized(named.value, &|_| None);
        let found = value.and_then(|value| self.now.find_named(Named { kind, value: &value }));
        found.or_else(|| self.as_before.get(&Identifier { kind, value: named.value.into() }).copied())
    }

    /// Whose an identifier of the version before is now.
    fn owner(&self, node: NodeId) -> Option<PersonIndex> {
        let (_, it) = self.now.node(self.counterpart(node)?)?;
        (it.person != PersonIndex::NOBODY).then_some(it.person)
    }

    /// Who somebody has become whom the version before knew by an id of `component`: whoever has the identifier that made them,
    /// or else whoever has the first of all that is left. Where all of it is nobody's: whoever one of it was seen with.
    fn home(&self, links: &LinkRules, component: &Component, id: PersonId) -> Option<PersonIndex> {
        // The id is of an identifier as some version made it comparable: mostly as this one does.
        let named = self.now.person_so_called(self.now.ids().name(id));
        let nodes = component.nodes.as_slice();
        let made = || {
            let is_natural = |node: &&NodeId| links.natural_id_of(self.before, **node) == Some(id);
            let is_called = |node: &&NodeId| links.id_of(self.before, **node) == Some(id);
            self.owner(*nodes.iter().find(is_natural).or_else(|| nodes.iter().find(is_called))?)
        };
        named
            .or_else(made)
            .or_else(|| nodes.iter().find_map(|node| self.owner(*node)))
            .or_else(|| nodes.iter().find_map(|node| self.neighbour(*node)))
    }

    /// Whoever has what an identifier was seen with that is nobody's, by the strongest link.
    fn neighbour(&self, node: NodeId) -> Option<PersonIndex> {
        let node = self.counterpart(node)?;
        let owner = |edge: &Edge| self.now.node(edge.beyond(node)).map_or(PersonIndex::NOBODY, |(_, it)| it.person);
        let somebodys = self.now.loose_of(node).iter().map(|loose| &loose.edge);
        let somebodys = somebodys.filter(|edge| owner(edge) != PersonIndex::NOBODY);
        somebodys.min_by(|one, other| order(self.now, one, other)).map(owner)
    }

    fn compare(&self, links: &LinkRules, erased: &FxHashSet<PersonId>) -> Found {
        let mut found = Found::default();
        for (_, component) in self.before.people().filter(|(_, it)| !erased.contains(&it.id)) {
            let Some(home) = self.home(links, component, component.id) else { continue };
            let claim = Claim {
                is_other: self.now.component(home).is_none_or(|it| self.now.ids().natural(it.id) != component.id),
                created: component.created,
                natural: self.before.ids().natural(component.id),
                id: component.id,
            };
            found.claim(home, claim);
            for node in &component.nodes {
                if let Some(owner) = self.owner(*node).filter(|owner| *owner != home) {
                    let moved = self.counterpart(*node).and_then(|node| self.now.node(node));
                    if let Some((named, _)) = moved.filter(|(_, it)| !it.former) {
                        found.apart.push((component.id, Identifier::from(named), owner));
                    }
                }
            }
            for id in self.before.ids_of(component).skip(1).filter(|id| !erased.contains(id)) {
                let Some(owner) = self.home(links, component, id) else { continue };
                found.known.push(Known { id, was: component.id, is: owner });
                if owner != home {
                    found.revived.entry(owner).or_default().push(id);
                }
            }
        }
        found
    }
}

/// Somebody of the version before who goes on as somebody of now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Claim {
    /// The program alone calls them otherwise.
    is_other: bool,
    created: Seq,
    natural: PersonId,
    id: PersonId,
}

/// An id that the version before knew somebody by who had another one.
#[derive(Debug)]
struct Known {
    id: PersonId,
    /// Whom it meant.
    was: PersonId,
    /// Whom it means.
    is: PersonIndex,
}

/// What became of the people of the version before.
#[derive(Debug, Default)]
struct Found {
    /// By who somebody is now: who goes on as them, of several whom the program calls so, or the one that was there first.
    claims: FxHashMap<PersonIndex, Claim>,
    /// Who was somebody, and is somebody else.
    merged: Vec<(PersonId, PersonIndex)>,
    /// Identifiers that are not of whom their person became: whose they were, and whose they are.
    apart: Vec<(PersonId, Identifier, PersonIndex)>,
    /// Ids of people who had been absorbed and are people again.
    revived: FxHashMap<PersonIndex, Vec<PersonId>>,
    /// Ids that are nobody's own: they were aliases, or become it.
    known: Vec<Known>,
}

impl Found {
    fn claim(&mut self, person: PersonIndex, new: Claim) {
        let first = self.claims.entry(person).or_insert(new);
        if *first == new {
            return;
        }
        let later = std::mem::replace(first, new.min(*first)).max(new);
        self.merged.push((later.id, person));
        self.known.push(Known { id: later.id, was: later.id, is: person });
    }

    /// Who is to be called otherwise than the program alone would call them.
    fn wanted(&self, graph: &Graph) -> BTreeMap<PersonId, PersonId> {
        let claimed = self.claims.iter().map(|(person, claim)| (*person, claim.id));
        let free = self.revived.iter().filter(|(person, _)| !self.claims.contains_key(person));
        let revived = free.filter_map(|(person, ids)| {
            let own = graph.component(*person)?.id;
            // Who was absorbed last absorbed the others before.
            Some((*person, if ids.contains(&own) { own } else { *ids.last()? }))
        });
        let wanted = claimed.chain(revived).filter_map(|(person, id)| Some((graph.component(person)?.id, id)));
        wanted.filter(|(was, is)| was != is).collect()
    }

    /// Who is who now that was not. People have their ids by now.
    fn told(&self, graph: &Graph) -> Vec<(PersonId, ChangeKind)> {
        let id_of = |person: PersonIndex| graph.component(person).map(|component| component.id);
        let known: FxHashMap<PersonId, PersonId> = self.known.iter().map(|it| (it.id, it.was)).collect();
        let mut created: Vec<PersonId> = Vec::new();
        let mut parted: BTreeSet<(PersonId, PersonId)> = BTreeSet::new();
        for (_, it) in graph.people().filter(|(person, _)| !self.claims.contains_key(person)) {
            match known.get(&it.id) {
                Some(was) => _ = parted.insert((*was, it.id)),
                None => created.push(it.id),
            }
        }
        created.sort_unstable();
        let mut moved: BTreeSet<(PersonId, PersonId, &Identifier)> = BTreeSet::new();
        for (from, identifier, person) in &self.apart {
            let Some(to) = id_of(*person) else { continue };
            if self.claims.contains_key(person) {
                moved.insert((*from, to, identifier));
            } else {
                parted.insert((*from, to));
            }
        }
        let mut merged: Vec<(PersonId, PersonId)> =
            self.merged.iter().filter_map(|(absorbed, person)| Some((id_of(*person)?, *absorbed))).collect();
        merged.sort_unstable();
        let created = created.into_iter().map(|id| (id, ChangeKind::Created));
        let parted = parted.into_iter().map(|(person, parted)| (person, ChangeKind::Split { parted }));
        let moved = moved.into_iter().flat_map(|(from, to, identifier)| {
            [from, to].map(|it| (it, ChangeKind::IdentifierMoved { identifier: identifier.clone(), from, to }))
        });
        let merged = merged.into_iter().map(|(person, absorbed)| (person, ChangeKind::Merged { absorbed }));
        created.chain(parted).chain(moved).chain(merged).collect()
    }
}
