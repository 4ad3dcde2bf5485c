//! The identity graph: nodes are identifiers, edges say that two of them are one person's, people are components.
//!
//! Edges keep their provenance and are never changed. A node knows its person directly: joining relabels the nodes of
//! the person created later, so looking up is one hash and following an alias is another. Ids of people are stable:
//! one that was absorbed stays an alias of whom it became.
//!
//! Cost: look up O(1); joining O(identifiers of the absorbed), which the limits bound.

use super::texts::{TextId, Texts};
use crate::effect::PersonId;
use crate::footprint;
use crate::paged::Paged;
use crate::record::{Identifier, Seq};
use hashbrown::HashTable;
use smallvec::SmallVec;
use sonder_dsl::ir::{IdentifierKindId, SourceId};
use sonder_dsl::time::Moment;
use std::hash::{BuildHasher, RandomState};
use thin_vec::ThinVec;

/// A node: index into the graph's nodes. Means nothing outside this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u32);

/// A person: index into the state's people; reused when a person is absorbed. Means nothing outside this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PersonIndex(pub u32);

impl PersonIndex {
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
}

impl Node {
    /// An event carried it.
    pub fn see(&mut self, at: Moment) {
        self.first_seen = self.first_seen.min(at);
        self.last_seen = self.last_seen.max(at);
    }
}

/// Two identifiers are one person's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The one of higher priority in the message that said so.
    pub a: NodeId,
    /// The other.
    pub b: NodeId,
    /// Who said so.
    pub source: SourceId,
    /// In which record.
    pub seq: Seq,
    /// When.
    pub at: Moment,
    /// By an `alias` call.
    pub explicit: bool,
}

/// An identifier that once was this person's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Former {
    /// Which.
    pub identifier: Identifier,
    /// The earliest event that carried it.
    pub first_seen: Moment,
    /// The latest event that carried it as this person's.
    pub last_seen: Moment,
    /// Where it was seen first.
    pub source: SourceId,
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
    /// The source may not link identifiers of this kind.
    Untrusted,
    /// The value is shared by too many people.
    Generic,
    /// The value was not seen for too long.
    Expired,
}

impl Reason {
    /// All of them, in the order of their codes in checkpoints.
    pub const ALL: [Self; 5] = [Self::Unique, Self::Limit, Self::Untrusted, Self::Generic, Self::Expired];

    /// As changes name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unique => "unique",
            Self::Limit => "limit",
            Self::Untrusted => "untrusted",
            Self::Generic => "generic",
            Self::Expired => "expired",
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
    /// Their identifiers, in the order in which they joined.
    pub nodes: SmallVec<[NodeId; 4]>,
    /// What somebody with a single identifier has nothing of: most people.
    ties: Option<Box<Ties>>,
}

/// How a person's identifiers came together, and which did not.
#[derive(Clone, Debug, Default)]
pub struct Ties {
    /// Why they are one person's, in the order in which that was said; each pair once.
    pub edges: SmallVec<[Edge; 1]>,
    /// People who turned out to be this one.
    pub absorbed: ThinVec<PersonId>,
    /// Identifiers that expired or turned out to be generic.
    pub former: ThinVec<Former>,
    /// Links that were refused lately; the oldest first.
    pub refused: ThinVec<Refusal>,
}

/// Nothing.
static NO_TIES: Ties =
    Ties { edges: SmallVec::new_const(), absorbed: ThinVec::new(), former: ThinVec::new(), refused: ThinVec::new() };

/// An identifier, as the graph keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
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
}

/// Spreads the half of a hash that is kept over the bits that tables look at.
fn spread(hash: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(hash)
}

impl Graph {
    /// The node of an identifier.
    pub fn find(&self, identifier: &Identifier) -> Option<NodeId> {
        let hash = self.hash(identifier);
        let is_it = |(its, node): &(u32, NodeId)| {
            *its == hash
                && self.node(*node).is_some_and(|(it, _)| it.kind == identifier.kind && *it.value == *identifier.value)
        };
        self.by_identifier.find(spread(hash), is_it).map(|(_, node)| *node)
    }

    /// A node; of another graph's id, none.
    pub fn node(&self, node: NodeId) -> Option<(Named<'_>, &Node)> {
        self.nodes.get(node.0 as usize).map(|entry| self.named(entry))
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
        let (hash, id) = (self.hash(identifier), NodeId(self.nodes.len() as u32));
        self.nodes.push(Entry { node, text: self.texts.add(&identifier.value), kind: identifier.kind });
        self.by_identifier.insert_unique(spread(hash), (hash, id), |(hash, _)| spread(*hash));
        id
    }

    fn named<'a>(&'a self, entry: &'a Entry) -> (Named<'a>, &'a Node) {
        (Named { kind: entry.kind, value: self.texts.get(entry.text) }, &entry.node)
    }

    fn hash(&self, identifier: &Identifier) -> u32 {
        self.hasher.hash_one(identifier) as u32
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
        let hash = id.end();
        let is_it = |(its, person): &(u32, PersonIndex)| {
            *its == hash && self.component(*person).is_some_and(|component| component.is_or_was(id))
        };
        self.by_id.find(spread(hash), is_it).map(|(_, person)| *person)
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
        for id in component.ties().absorbed.iter().chain([&component.id]) {
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

    /// Takes a node from its person, who keeps it as a former one. The node itself starts anew.
    pub fn detach(&mut self, node: NodeId) {
        let Some((identifier, it)) = self.node(node) else { return };
        let former = Former {
            identifier: identifier.into(),
            first_seen: it.first_seen,
            last_seen: it.last_seen,
            source: it.source,
        };
        let person = it.person;
        if let Some(component) = self.component_mut(person) {
            component.nodes.retain(|mine| *mine != node);
            let ties = component.ties_mut();
            ties.edges.retain(|edge| edge.a != node && edge.b != node);
            ties.former.push(former);
        }
        if let Some(it) = self.node_mut(node) {
            it.generation = it.generation.saturating_add(1);
            it.sharers = 0;
        }
    }

    /// Notes why two nodes of one person belong together, unless that is known.
    pub fn connect(&mut self, person: PersonIndex, edge: Edge) {
        if let Some(component) = self.component_mut(person)
            && !component.connects(edge.a, edge.b)
        {
            let edges = &mut component.ties_mut().edges;
            if edges.len() == edges.capacity() {
                edges.reserve_exact(1);
            }
            edges.push(edge);
        }
    }

    /// Two people are one: the one created first absorbs the other. Returns (survivor, absorbed); the absorbed place
    /// stays reserved until [`release`](Self::release).
    pub fn join(&mut self, a: PersonIndex, b: PersonIndex) -> Option<(PersonIndex, PersonIndex)> {
        let order = |component: &Component| (component.created, component.id);
        let a_is_older = order(self.component(a)?) <= order(self.component(b)?);
        let (survivor, absorbed) = if a_is_older { (a, b) } else { (b, a) };
        let gone = self.components.get_mut(absorbed.index())?.take()?;
        for node in &gone.nodes {
            if let Some(node) = self.node_mut(*node) {
                node.person = survivor;
            }
        }
        for id in gone.ties().absorbed.iter().chain([&gone.id]) {
            // Another id of theirs that ends alike moves just as well.
            let entry = self.by_id.find_mut(spread(id.end()), |entry| *entry == (id.end(), absorbed));
            entry.into_iter().for_each(|(_, person)| *person = survivor);
        }
        let component = self.component_mut(survivor)?;
        component.nodes.extend(gone.nodes);
        let theirs = gone.ties.map(|ties| *ties).unwrap_or_default();
        let ties = component.ties_mut();
        ties.edges.extend(theirs.edges);
        ties.absorbed.extend(theirs.absorbed);
        ties.absorbed.push(gone.id);
        ties.former.extend(theirs.former);
        theirs.refused.into_iter().for_each(|refusal| {
            component.remember(refusal);
        });
        Some((survivor, absorbed))
    }

    /// The place of an absorbed person may be used again.
    pub fn release(&mut self, absorbed: PersonIndex) {
        self.free.push(absorbed);
    }

    /// How many identifiers of a kind a person has.
    pub fn count_of_kind(&self, person: PersonIndex, kind: IdentifierKindId) -> usize {
        let Some(component) = self.component(person) else { return 0 };
        let is_of_kind = |node: &&NodeId| self.node(**node).is_some_and(|(identifier, _)| identifier.kind == kind);
        component.nodes.iter().filter(is_of_kind).count()
    }
}

impl Component {
    /// A person without identifiers yet.
    pub fn new(id: PersonId, created: Seq) -> Self {
        Self { id, created, nodes: SmallVec::new(), ties: None }
    }

    /// How their identifiers came together, and which did not.
    pub fn ties(&self) -> &Ties {
        self.ties.as_deref().unwrap_or(&NO_TIES)
    }

    /// The same, to change.
    pub fn ties_mut(&mut self) -> &mut Ties {
        self.ties.get_or_insert_default()
    }

    /// Takes over how their identifiers came together.
    pub fn tie(&mut self, ties: Ties) {
        let none =
            ties.edges.is_empty() && ties.absorbed.is_empty() && ties.former.is_empty() && ties.refused.is_empty();
        self.ties = (!none).then(|| Box::new(ties));
    }

    /// Whether the person has that id, or it is an alias of theirs.
    fn is_or_was(&self, id: PersonId) -> bool {
        self.id == id || self.ties().absorbed.contains(&id)
    }

    /// Whether that pair of nodes was linked before.
    pub fn connects(&self, a: NodeId, b: NodeId) -> bool {
        self.ties().edges.iter().any(|edge| (edge.a, edge.b) == (a, b))
    }

    /// Says whether that refusal is news.
    pub fn remember(&mut self, refusal: Refusal) -> bool {
        if self.ties().refused.contains(&refusal) {
            return false;
        }
        let refused = &mut self.ties_mut().refused;
        if refused.len() >= crate::limits::REFUSALS {
            refused.remove(0);
        }
        refused.push(refusal);
        true
    }

    /// Bytes on the heap.
    pub fn heap(&self) -> usize {
        let nodes =
            if self.nodes.spilled() { footprint::block(self.nodes.capacity() * size_of::<NodeId>()) } else { 0 };
        nodes + self.ties.as_ref().map_or(0, |ties| ties.size())
    }
}

impl Ties {
    fn size(&self) -> usize {
        let edges = if self.edges.spilled() { footprint::block(self.edges.capacity() * size_of::<Edge>()) } else { 0 };
        let former = self.former.iter().map(|former| footprint::text(&former.identifier.value)).sum::<usize>();
        footprint::block(size_of::<Self>())
            + edges
            + footprint::list(&self.absorbed)
            + footprint::list(&self.former)
            + former
            + footprint::list(&self.refused)
    }
}
