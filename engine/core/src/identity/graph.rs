//! The identity graph: nodes are identifiers, edges say that two of them are one person's, people are components.
//!
//! Edges keep their provenance: who said so first, and where. A node knows its person directly: joining relabels the nodes
//! of the person created later, so looking up is one hash and following an alias is another. Ids of people are stable:
//! one that was absorbed stays an alias of whom it became.
//!
//! Links that a rule is against are kept too, at both of their ends: what becomes known later may decide differently.
//! Which of all links hold is [`partition`](super::partition)'s to say; this is where they are kept.
//!
//! Cost: look up O(1); joining O(identifiers of the absorbed), which the limits bound.

use super::guard::Guard;
use super::ids::{Ids, Renaming};
use super::texts::{TextId, Texts};
use super::ties::{Bundle, Ties};
use crate::effect::PersonId;
use crate::paged::Paged;
use crate::record::{Identifier, Likelihood, Seq};
use crate::{footprint, limits};
use hashbrown::HashTable;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use sonder_dsl::ir::{IdentifierKindId, SourceId};
use sonder_dsl::time::Moment;
use std::cmp::{Ordering, Reverse};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

/// A node: index into the graph's nodes. Means nothing outside this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u32);

/// A person: index into the state's people; reused when a person is absorbed. Means nothing outside this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PersonIndex(pub u32);

impl PersonIndex {
    /// The owner of a node that is nobody's.
    pub const NOBODY: Self = Self(u32::MAX);

    /// As an index.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// What is known of an identifier.
#[derive(Clone, Debug)]
pub struct Node {
    /// Whose it is.
    pub person: PersonIndex,
    /// The earliest event that carried it.
    pub first_seen: Moment,
    /// The latest event that carried it.
    pub last_seen: Moment,
    /// Where it was seen first.
    pub source: SourceId,
    /// With how many identifiers of higher priority it was seen.
    pub sharers: u16,
    /// How often it was taken from a person, because it had expired or turned out to be generic.
    pub generation: u16,
    /// Shared by too many to identify anybody: it links no more.
    pub generic: bool,
    /// The identifier started anew since: this is what it was before.
    pub former: bool,
}

impl Node {
    /// An event carried it.
    pub fn see(&mut self, at: Moment) {
        self.first_seen = self.first_seen.min(at);
        self.last_seen = self.last_seen.max(at);
    }
}

/// Two identifiers are one person's, somebody says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The one of higher priority.
    pub a: NodeId,
    /// The other.
    pub b: NodeId,
    /// What says so.
    pub grade: Grade,
    /// Whom it may not join.
    pub guard: Guard,
    /// How likely it is, where it is probabilistic.
    pub likelihood: Likelihood,
    /// Who said so, of those who said so when it happened first.
    pub source: SourceId,
    /// In which record.
    pub seq: Seq,
    /// When.
    pub at: Moment,
}

impl Edge {
    /// Whether it is between these two.
    pub fn is_between(&self, a: NodeId, b: NodeId) -> bool {
        (self.a, self.b) == (a, b) || (self.a, self.b) == (b, a)
    }

    /// How likely it is, where it is probabilistic.
    pub fn probability(&self) -> Option<f64> {
        (self.grade == Grade::Probable).then(|| self.likelihood.probability())
    }

    /// The end that is not this one.
    pub fn beyond(&self, node: NodeId) -> NodeId {
        if self.a == node { self.b } else { self.a }
    }

    /// Takes in that it was said again. What is said by whoever is trusted counts before all else, then what is likeliest, and of that
    /// what happened first, whenever it arrives. Says whether it is stronger now, or may join more people.
    pub fn hear(&mut self, again: Self) -> bool {
        let trust = |it: &Self| (it.grade, !it.guard.is_free());
        let guard = match trust(&again).cmp(&trust(self)) {
            Ordering::Less => again.guard,
            Ordering::Equal => self.guard.meet(again.guard),
            Ordering::Greater => self.guard,
        };
        let strength = |it: &Self| (trust(it), Reverse(it.likelihood), it.at);
        let is_stronger = strength(&again) < strength(self) || guard != self.guard;
        if strength(&again) < strength(self) {
            *self = Self { a: self.a, b: self.b, ..again };
        }
        self.guard = guard;
        is_stronger
    }

    /// Whether it is known to be as strong, whoever says so.
    pub fn has_heard(&self, grade: Grade, guard: Guard, at: Moment) -> bool {
        let (mine, theirs) = ((self.grade, !self.guard.is_free()), (grade, !guard.is_free()));
        mine < theirs || mine == theirs && self.at <= at && self.guard.meet(guard) == self.guard
    }
}

/// What says that two identifiers are one person's; the stronger comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grade {
    /// Somebody decided so.
    Decided,
    /// An `alias` call.
    Alias,
    /// One message carried both.
    Seen,
    /// Matching found it likely.
    Probable,
}

impl Grade {
    /// All of them, in the order of their codes in checkpoints.
    pub const ALL: [Self; 4] = [Self::Decided, Self::Alias, Self::Seen, Self::Probable];

    /// As views name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Decided => "decision",
            Self::Alias => "alias",
            Self::Seen => "message",
            Self::Probable => "probabilistic",
        }
    }
}

/// A refused link that was reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// A hash of the identifier.
    pub identifier: u64,
    /// Why.
    pub reason: Reason,
}

/// Why a link is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Two values of a unique kind would be one person's.
    Unique,
    /// More values of a kind than one person may have.
    Limit,
    /// The source may not link identifiers of this kind, or join people whom it may not name.
    Untrusted,
    /// The value is shared by too many people.
    Generic,
    /// The value was not seen for too long.
    Expired,
    /// Somebody decided that they are not one person's.
    Decided,
    /// It is linked with as many values of the other's kind as it may be.
    Cardinality,
    /// The project declares that they are not one person's.
    Declared,
    /// The strategy joins nobody like this.
    Strategy,
    /// It is less likely than the project asks.
    Unlikely,
}

impl Reason {
    /// All of them, in the order of their codes in checkpoints.
    pub const ALL: [Self; 10] = [
        Self::Unique,
        Self::Limit,
        Self::Untrusted,
        Self::Generic,
        Self::Expired,
        Self::Decided,
        Self::Cardinality,
        Self::Declared,
        Self::Strategy,
        Self::Unlikely,
    ];

    /// As changes name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unique => "unique",
            Self::Limit => "limit",
            Self::Untrusted => "untrusted",
            Self::Generic => "generic",
            Self::Expired => "expired",
            Self::Decided => "decided",
            Self::Cardinality => "cardinality",
            Self::Declared => "declared",
            Self::Strategy => "strategy",
            Self::Unlikely => "unlikely",
        }
    }
}

/// A component: one person's identifiers.
#[derive(Clone, Debug)]
pub struct Component {
    /// The person.
    pub id: PersonId,
    /// The record that made the person.
    pub created: Seq,
    /// Their identifiers, in the order in which they joined; also those that have started anew since.
    pub nodes: SmallVec<[NodeId; 4]>,
    ties: Ties,
}

/// A link that a rule is against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loose {
    /// The link.
    pub edge: Edge,
    /// What is against it.
    pub reason: Reason,
}

/// An identifier, as the graph keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Named<'a> {
    /// Its kind.
    pub kind: IdentifierKindId,
    /// Normalised.
    pub value: &'a str,
}

impl From<Named<'_>> for Identifier {
    fn from(named: Named<'_>) -> Self {
        Self { kind: named.kind, value: named.value.into() }
    }
}

/// A node with its identifier.
#[derive(Debug)]
struct Entry {
    node: Node,
    text: TextId,
    kind: IdentifierKindId,
}

/// All nodes and components.
#[derive(Debug, Default)]
pub struct Graph {
    /// By [`NodeId`].
    nodes: Paged<Entry>,
    texts: Texts,
    /// Nodes by the hash of their identifier, whose lower half is kept, so that growing needs no text.
    by_identifier: HashTable<(u32, NodeId)>,
    // Identifiers are chosen by whoever sends events, so this hash is the keyed one of the standard library.
    hasher: RandomState,
    /// By [`PersonIndex`]; `None` where nobody is.
    components: Paged<Option<Component>>,
    free: Vec<PersonIndex>,
    /// People by the lower part of their ids, also of those that are aliases.
    by_id: HashTable<(u32, PersonIndex)>,
    /// Links that do not hold, by each of their ends.
    loose: FxHashMap<NodeId, Vec<Loose>>,
    /// Nodes that somebody decided are not one person's, by each of them.
    apart: FxHashMap<NodeId, Vec<NodeId>>,
    /// What identifiers were before they started anew, and up to which record; in order.
    former: FxHashMap<NodeId, Vec<(Seq, NodeId)>>,
    /// By which ids people are known.
    ids: Arc<Ids>,
}

/// Spreads the half of a hash that is kept over the bits that tables look at.
fn spread(hash: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(hash)
}

impl Graph {
    /// The node of an identifier.
    pub fn find(&self, identifier: &Identifier) -> Option<NodeId> {
        self.find_named(Named { kind: identifier.kind, value: &identifier.value })
    }

    /// The node of an identifier of another graph.
    pub fn find_named(&self, named: Named<'_>) -> Option<NodeId> {
        let hash = self.hash(named);
        let is_it = |(its, node): &(u32, NodeId)| *its == hash && self.node(*node).is_some_and(|(it, _)| it == named);
        self.by_identifier.find(spread(hash), is_it).map(|(_, node)| *node)
    }

    /// A node; of another graph's id, none.
    pub fn node(&self, node: NodeId) -> Option<(Named<'_>, &Node)> {
        self.nodes.get(node.0 as usize).map(|entry| self.named(entry))
    }

    /// The kind of a node's identifier, and what is known of it; does not look at its text.
    pub fn kind_and_node(&self, node: NodeId) -> Option<(IdentifierKindId, &Node)> {
        self.nodes.get(node.0 as usize).map(|entry| (entry.kind, &entry.node))
    }

    /// A node, to change.
    pub fn node_mut(&mut self, node: NodeId) -> Option<&mut Node> {
        self.nodes.get_mut(node.0 as usize).map(|entry| &mut entry.node)
    }

    /// All identifiers, in no order that means anything.
    pub fn nodes(&self) -> impl Iterator<Item = (Named<'_>, &Node)> {
        self.nodes.iter().map(|entry| self.named(entry))
    }

    /// Adds a node that is not there yet.
    pub fn add_node(&mut self, identifier: &Identifier, node: Node) -> NodeId {
        let hash = self.hash(Named { kind: identifier.kind, value: &identifier.value });
        let id = NodeId(self.nodes.len() as u32);
        self.nodes.push(Entry { node, text: self.texts.add(&identifier.value), kind: identifier.kind });
        self.by_identifier.insert_unique(spread(hash), (hash, id), |(hash, _)| spread(*hash));
        id
    }

    fn named<'a>(&'a self, entry: &'a Entry) -> (Named<'a>, &'a Node) {
        (Named { kind: entry.kind, value: self.texts.get(entry.text) }, &entry.node)
    }

    fn hash(&self, named: Named<'_>) -> u32 {
        self.hasher.hash_one(named) as u32
    }

    /// A person; `None` for one who was absorbed.
    pub fn component(&self, person: PersonIndex) -> Option<&Component> {
        self.components.get(person.index())?.as_ref()
    }

    /// A person, to change.
    pub fn component_mut(&mut self, person: PersonIndex) -> Option<&mut Component> {
        self.components.get_mut(person.index())?.as_mut()
    }

    /// The person of that id, or whom they became.
    pub fn person(&self, id: PersonId) -> Option<PersonIndex> {
        self.person_so_called(id).or_else(|| self.person_so_called(self.ids.meant_by(id)?))
    }

    /// The person of that id, or whom they became; not one whom only another version of the project called so.
    pub fn person_so_called(&self, id: PersonId) -> Option<PersonIndex> {
        let hash = id.end();
        let is_it = |(its, person): &(u32, PersonIndex)| {
            *its == hash && self.component(*person).is_some_and(|component| component.is_or_was(id))
        };
        self.by_id.find(spread(hash), is_it).map(|(_, person)| *person)
    }

    /// By which ids people are known.
    pub fn ids(&self) -> &Arc<Ids> {
        &self.ids
    }

    /// From here on people are known by these ids; whoever is there already has theirs.
    pub fn know_by(&mut self, ids: Arc<Ids>) {
        self.ids = ids;
    }

    /// Somebody's ids: their own, those of people whom they absorbed, and what other versions of the project called them.
    pub fn ids_of<'a>(&'a self, component: &'a Component) -> impl Iterator<Item = PersonId> {
        let own = move || std::iter::once(component.id).chain(component.ties.absorbed().iter().copied());
        own().chain(own().flat_map(|id| self.ids.aliases_of(id).iter().copied()))
    }

    /// Calls people otherwise.
    pub fn rename(&mut self, renaming: &Renaming) {
        self.by_id.clear();
        for index in 0..self.components.len() {
            let Some(Some(component)) = self.components.get_mut(index) else { continue };
            component.id = renaming.of(component.id);
            if component.ties.absorbed().iter().any(|id| renaming.of(*id) != *id) {
                component.ties.change(|ties| ties.absorbed.iter_mut().for_each(|id| *id = renaming.of(*id)));
            }
            let place = PersonIndex(index as u32);
            for id in component.ties.absorbed().iter().chain([&component.id]) {
                let hash = id.end();
                self.by_id.insert_unique(spread(hash), (hash, place), |(hash, _)| spread(*hash));
            }
        }
    }

    /// Somebody absorbed a person whom nobody has ever seen: the id means nobody.
    pub fn forget_absorbed(&mut self, id: PersonId) {
        let Some(person) = self.person_so_called(id) else { return };
        let Some(component) = self.component_mut(person).filter(|component| component.id != id) else { return };
        component.ties.change(|ties| ties.absorbed.retain(|it| *it != id));
        let entry = self.by_id.find_entry(spread(id.end()), |entry| *entry == (id.end(), person));
        if let Ok(entry) = entry {
            entry.remove();
        }
    }

    /// All people, in no order that means anything.
    pub fn people(&self) -> impl Iterator<Item = (PersonIndex, &Component)> {
        let indexed = self.components.iter().enumerate();
        indexed.filter_map(|(index, component)| Some((PersonIndex(index as u32), component.as_ref()?)))
    }

    /// How many people there are.
    pub fn people_count(&self) -> usize {
        self.components.len() - self.free.len()
    }

    /// How many identifiers there are.
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// Takes in a person whose nodes carry their index already, or get it from [`attach`](Self::attach).
    pub fn add_person(&mut self, component: Component) -> PersonIndex {
        let place = self.free.pop().unwrap_or(PersonIndex(self.components.len() as u32));
        for id in component.ties.absorbed().iter().chain([&component.id]) {
            let hash = id.end();
            self.by_id.insert_unique(spread(hash), (hash, place), |(hash, _)| spread(*hash));
        }
        match self.components.get_mut(place.index()) {
            Some(vacant) => *vacant = Some(component),
            None => self.components.push(Some(component)),
        }
        place
    }

    /// Where the next person will be.
    pub fn next_place(&self) -> PersonIndex {
        self.free.last().copied().unwrap_or(PersonIndex(self.components.len() as u32))
    }

    /// Bytes of all this, but for what components have on the heap.
    pub fn size(&self) -> usize {
        // A table has a byte of control besides each entry.
        let table = |capacity: usize| capacity * 8 / 7 * (size_of::<(u32, NodeId)>() + 1);
        self.nodes.heap()
            + self.texts.heap()
            + table(self.by_identifier.capacity())
            + self.components.heap()
            + table(self.by_id.capacity())
    }

    /// Makes a node that is nobody's a person's.
    pub fn attach(&mut self, node: NodeId, person: PersonIndex) {
        if let Some(it) = self.node_mut(node) {
            it.person = person;
        }
        if let Some(component) = self.component_mut(person) {
            component.nodes.push(node);
        }
    }

    /// An identifier starts anew with a record: what it was stays with its person, as a node of its own.
    pub fn start_anew(&mut self, node: NodeId, seq: Seq) {
        let Some(entry) = self.nodes.get(node.0 as usize) else { return };
        let was = NodeId(self.nodes.len() as u32);
        let (before, text, kind) = (Node { former: true, ..entry.node.clone() }, entry.text, entry.kind);
        let person = before.person;
        self.nodes.push(Entry { node: before, text, kind });
        self.former.entry(node).or_default().push((seq, was));
        let rename = |it: &mut NodeId| {
            if *it == node {
                *it = was;
            }
        };
        if let Some(component) = self.component_mut(person) {
            component.nodes.iter_mut().for_each(rename);
            component.ties.change(|ties| {
                ties.edges.iter_mut().for_each(|edge| [&mut edge.a, &mut edge.b].into_iter().for_each(rename));
            });
        }
        for mut loose in self.loose.remove(&node).unwrap_or_default() {
            let other = loose.edge.beyond(node);
            [&mut loose.edge.a, &mut loose.edge.b].into_iter().for_each(rename);
            self.let_go(other, node);
            self.keep_loose(loose);
        }
        for other in self.apart.get(&node).cloned().unwrap_or_default() {
            self.keep_apart(was, other);
        }
        if let Some(it) = self.node_mut(node) {
            it.person = PersonIndex::NOBODY;
            it.generation = it.generation.saturating_add(1);
            it.sharers = 0;
            it.generic = false;
        }
    }

    /// What an identifier was as of a record.
    pub fn node_at(&self, identifier: &Identifier, seq: Seq) -> Option<NodeId> {
        let node = self.find(identifier)?;
        let before = self.former.get(&node).and_then(|all| all.iter().find(|(until, _)| seq < *until));
        Some(before.map_or(node, |(_, was)| *was))
    }

    /// What an identifier was when it had started anew so many times.
    pub fn node_of_generation(&self, identifier: &Identifier, generation: u16) -> Option<NodeId> {
        let now = self.find(identifier)?;
        let before = self.former.get(&now).into_iter().flatten().map(|(_, was)| *was);
        before.chain([now]).find(|node| self.node(*node).is_some_and(|(_, it)| it.generation == generation))
    }

    /// Up to which record a node is what its identifier was; `None` for one that its identifier still is.
    pub fn former_until(&self, node: NodeId) -> Option<Seq> {
        let (named, it) = self.node(node)?;
        if !it.former {
            return None;
        }
        let now = self.find(&named.into())?;
        self.former.get(&now)?.iter().find(|(_, was)| *was == node).map(|(until, _)| *until)
    }

    /// Takes in what an identifier was up to a record.
    pub fn add_former(&mut self, identifier: &Identifier, until: Seq, was: NodeId) {
        let Some(now) = self.find(identifier) else { return };
        let all = self.former.entry(now).or_default();
        all.push((until, was));
        all.sort_unstable();
    }

    /// Adds a node that an identifier no longer is.
    pub fn add_former_node(&mut self, identifier: &Identifier, node: Node) -> NodeId {
        let id = NodeId(self.nodes.len() as u32);
        self.nodes.push(Entry { node, text: self.texts.add(&identifier.value), kind: identifier.kind });
        id
    }

    /// Notes why two nodes of one person belong together, unless that is known.
    pub fn connect(&mut self, person: PersonIndex, edge: Edge) {
        let Some(component) = self.component_mut(person) else { return };
        component.ties.change(|ties| match ties.edges.iter_mut().find(|it| it.is_between(edge.a, edge.b)) {
            Some(known) => _ = known.hear(edge),
            None => {
                if ties.edges.len() == ties.edges.capacity() {
                    ties.edges.reserve_exact(1);
                }
                ties.edges.push(edge);
            }
        });
    }

    /// A link between two nodes of one person no longer says why they are.
    pub fn disconnect(&mut self, person: PersonIndex, a: NodeId, b: NodeId) {
        if let Some(component) = self.component_mut(person) {
            component.ties.change(|ties| ties.edges.retain(|edge| !edge.is_between(a, b)));
        }
    }

    /// Links of a node that do not hold.
    pub fn loose_of(&self, node: NodeId) -> &[Loose] {
        self.loose.get(&node).map_or(&[], Vec::as_slice)
    }

    /// The link between two nodes that does not hold.
    pub fn loose_between(&self, a: NodeId, b: NodeId) -> Option<&Loose> {
        self.loose_of(a).iter().find(|it| it.edge.is_between(a, b))
    }

    /// All links that do not hold; each once, in no order that means anything.
    pub fn all_loose(&self) -> impl Iterator<Item = &Loose> {
        let by_end = self.loose.iter().flat_map(|(end, all)| all.iter().map(move |loose| (end, loose)));
        by_end.filter(|(end, loose)| **end == loose.edge.a).map(|(_, loose)| loose)
    }

    /// Whether a link that does not hold can be kept.
    pub fn has_room_between(&self, a: NodeId, b: NodeId) -> bool {
        [a, b].iter().all(|end| self.loose_of(*end).len() < limits::LOOSE_LINKS)
    }

    /// Keeps a link that does not hold, in place of what was known of it. Says whether there was room.
    pub fn keep_loose(&mut self, loose: Loose) -> bool {
        let ends = [loose.edge.a, loose.edge.b];
        if let Some(known) = self.loose_between(ends[0], ends[1]) {
            if *known != loose {
                for end in ends {
                    let of_end = self.loose.get_mut(&end).into_iter().flatten();
                    of_end.filter(|it| it.edge.is_between(ends[0], ends[1])).for_each(|it| *it = loose);
                }
            }
            return true;
        }
        if ends.iter().any(|end| self.loose_of(*end).len() >= limits::LOOSE_LINKS) {
            return false;
        }
        for end in ends {
            self.loose.entry(end).or_default().push(loose);
        }
        true
    }

    /// Forgets a link of `node` with `other` that does not hold, at the end of `node`.
    fn let_go(&mut self, node: NodeId, other: NodeId) {
        if let Some(all) = self.loose.get_mut(&node) {
            all.retain(|it| it.edge.beyond(node) != other);
            if all.is_empty() {
                self.loose.remove(&node);
            }
        }
    }

    /// Forgets a link that does not hold.
    pub fn drop_loose(&mut self, a: NodeId, b: NodeId) {
        self.let_go(a, b);
        self.let_go(b, a);
    }

    /// Forgets all links of a node that do not hold.
    pub fn forget_loose(&mut self, node: NodeId) {
        for loose in self.loose.remove(&node).unwrap_or_default() {
            self.let_go(loose.edge.beyond(node), node);
        }
    }

    /// The nodes that somebody decided are somebody else's than this one.
    pub fn apart_from(&self, node: NodeId) -> &[NodeId] {
        self.apart.get(&node).map_or(&[], Vec::as_slice)
    }

    /// Whether anybody decided about any two nodes that they are somebody else's.
    pub fn keeps_any_apart(&self) -> bool {
        !self.apart.is_empty()
    }

    /// Two nodes are not one person's.
    pub fn keep_apart(&mut self, a: NodeId, b: NodeId) {
        for (one, other) in [(a, b), (b, a)] {
            let all = self.apart.entry(one).or_default();
            if !all.contains(&other) {
                all.push(other);
            }
        }
    }

    /// Takes back that somebody decided that two nodes are one person's.
    pub fn undo_decision(&mut self, a: NodeId, b: NodeId) {
        let is_it = |edge: &Edge| edge.grade == Grade::Decided && edge.is_between(a, b);
        if self.loose_between(a, b).is_some_and(|loose| is_it(&loose.edge)) {
            self.drop_loose(a, b);
        }
        let person = self.node(a).map_or(PersonIndex::NOBODY, |(_, it)| it.person);
        if let Some(component) = self.component_mut(person) {
            component.ties.change(|ties| ties.edges.retain(|edge| !is_it(edge)));
        }
    }

    /// Two nodes may be one person's after all.
    pub fn let_together(&mut self, a: NodeId, b: NodeId) {
        for (one, other) in [(a, b), (b, a)] {
            if let Some(all) = self.apart.get_mut(&one) {
                all.retain(|it| *it != other);
                if all.is_empty() {
                    self.apart.remove(&one);
                }
            }
        }
    }

    /// All pairs that somebody decided are not one person's; each once, in no order that means anything.
    pub fn all_apart(&self) -> impl Iterator<Item = (NodeId, NodeId)> {
        let pairs = self.apart.iter().flat_map(|(one, all)| all.iter().map(|other| (*one, *other)));
        pairs.filter(|(one, other)| one < other)
    }

    /// Takes a person out: their nodes are nobody's, and the place waits for [`release`](Self::release).
    pub fn take_apart(&mut self, person: PersonIndex) -> Option<Component> {
        let gone = self.components.get_mut(person.index())?.take()?;
        for node in &gone.nodes {
            if let Some(node) = self.node_mut(*node) {
                node.person = PersonIndex::NOBODY;
            }
        }
        for id in gone.ties.absorbed().iter().chain([&gone.id]) {
            let entry = self.by_id.find_entry(spread(id.end()), |entry| *entry == (id.end(), person));
            if let Ok(entry) = entry {
                entry.remove();
            }
        }
        Some(gone)
    }

    /// Two people are one: the one created first absorbs the other. Returns (survivor, absorbed); the absorbed place
    /// stays reserved until [`release`](Self::release).
    pub fn join(&mut self, a: PersonIndex, b: PersonIndex) -> Option<(PersonIndex, PersonIndex)> {
        let order = |component: &Component| (component.created, self.ids.natural(component.id));
        let a_is_older = order(self.component(a)?) <= order(self.component(b)?);
        let (survivor, absorbed) = if a_is_older { (a, b) } else { (b, a) };
        let gone = self.components.get_mut(absorbed.index())?.take()?;
        for node in &gone.nodes {
            if let Some(node) = self.node_mut(*node) {
                node.person = survivor;
            }
        }
        for id in gone.ties.absorbed().iter().chain([&gone.id]) {
            // Another id of theirs that ends alike moves just as well.
            let entry = self.by_id.find_mut(spread(id.end()), |entry| *entry == (id.end(), absorbed));
            entry.into_iter().for_each(|(_, person)| *person = survivor);
        }
        let component = self.component_mut(survivor)?;
        component.nodes.extend(gone.nodes);
        let theirs = gone.ties.into_bundle();
        component.ties.change(|ties| {
            ties.edges.extend(theirs.edges);
            ties.absorbed.extend(theirs.absorbed);
            ties.absorbed.push(gone.id);
        });
        theirs.refused.into_iter().for_each(|refusal| {
            component.remember(refusal);
        });
        Some((survivor, absorbed))
    }

    /// The place of an absorbed person may be used again.
    pub fn release(&mut self, absorbed: PersonIndex) {
        self.free.push(absorbed);
    }
}

impl Component {
    /// A person without identifiers yet.
    pub fn new(id: PersonId, created: Seq) -> Self {
        Self { id, created, nodes: SmallVec::new(), ties: Ties::default() }
    }

    /// How their identifiers came together, and which did not.
    pub const fn ties(&self) -> &Ties {
        &self.ties
    }

    /// Takes over how their identifiers came together.
    pub fn tie(&mut self, bundle: Bundle) {
        self.ties = bundle.into();
    }

    /// Whether the person has that id, or it is an alias of theirs.
    fn is_or_was(&self, id: PersonId) -> bool {
        self.id == id || self.ties.absorbed().contains(&id)
    }

    /// Why two of their nodes belong together, where that was said of just these.
    pub fn edge(&self, a: NodeId, b: NodeId) -> Option<Edge> {
        self.ties.edges().find(|edge| edge.is_between(a, b))
    }

    /// Says whether that refusal is news.
    pub fn remember(&mut self, refusal: Refusal) -> bool {
        if self.ties.refused().contains(&refusal) {
            return false;
        }
        self.ties.change(|ties| {
            if ties.refused.len() >= limits::REFUSALS {
                ties.refused.remove(0);
            }
            ties.refused.push(refusal);
        });
        true
    }

    /// Bytes on the heap.
    pub fn heap(&self) -> usize {
        let nodes =
            if self.nodes.spilled() { footprint::block(self.nodes.capacity() * size_of::<NodeId>()) } else { 0 };
        nodes + self.ties.heap()
    }
}
