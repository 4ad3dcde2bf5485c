//! Which of all links hold.
//!
//! A person is what Kruskal's algorithm makes of everything that was ever said about who is who: links are taken from the
//! strongest to the weakest, and one that would bring identifiers together that a rule keeps apart is left out. The order
//! is a property of the links, not of their arrival: what somebody decided, then `alias` calls, then what messages carried
//! together (first those of sources that are trusted with everything), then what matching found likely, the likeliest first; of those that are as strong first the ones whose weaker
//! identifier is of the higher priority, then those that happened first.
//! So the same links make the same people, in whatever order they become known.
//!
//! Nearly always a new link needs none of that, because the rules are hereditary: what they allow for a set they allow
//! for each part of it. A link between two people who may be one makes them one, whatever else is known; and one that
//! was refused where it stands in the order changes nothing. What is left is decided again, for all people who are
//! connected by links, held or not, and for nobody else.

use super::constraints::{Constraints, Filter, Tallies};
use super::graph::{Edge, Grade, Graph, Loose, NodeId, PersonIndex, Reason};
use crate::record::{Identifier, Likelihood};
use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::{SmallVec, smallvec};
use sonder_dsl::ir::IdentifierKindId;
use sonder_dsl::time::Moment;
use std::cmp::{Ordering, Reverse};

/// What a new link means.
#[derive(Debug)]
pub enum Meaning {
    /// Both ends are one person's.
    Holds,
    /// A rule is against it, and it changes nothing else.
    Refused(Reason),
    /// It is stronger than links that hold: all that are connected are to be decided again.
    Open,
}

/// Weighs a link whose ends are not one person's.
pub fn weigh(constraints: &Constraints, graph: &Graph, edge: &Edge) -> Meaning {
    let is_apart = |a: &[NodeId], b: &[NodeId]| {
        let declared = || is_declared_apart(constraints, graph, a, b).then_some(Reason::Declared);
        is_kept_apart(graph, a, b).then_some(Reason::Decided).or_else(declared)
    };
    let (a, b) = (nodes_with(graph, edge.a), nodes_with(graph, edge.b));
    let tallies = constraints.tallies(graph, [&a, &b].into_iter().map(|nodes| nodes.iter().copied()));
    let against = constraints.against(&tallies, 0, 1, edge).or_else(|| is_apart(&a, &b));
    // What rules let pass because it was decided, or said by an `alias`, comes before links that they may be against then.
    let is_guarded = is_guarded(constraints, graph, edge);
    if against.is_none()
        && constraints.against_some(&tallies, 0, 1, is_guarded).is_none()
        && !(is_guarded && may_part(constraints, graph, edge))
    {
        return Meaning::Holds;
    }
    let (a, b) = (held_before(graph, edge.a, edge), held_before(graph, edge.b, edge));
    let tallies = constraints.tallies(graph, [&a, &b].into_iter().map(|nodes| nodes.iter().copied()));
    match constraints.against(&tallies, 0, 1, edge).or_else(|| is_apart(&a, &b)) {
        Some(reason) => Meaning::Refused(reason),
        None => Meaning::Open,
    }
}

/// Whether a link is guarded, or any of those that its ends have.
fn is_guarded(constraints: &Constraints, graph: &Graph, edge: &Edge) -> bool {
    let is_loose_guarded = |node: NodeId| graph.loose_of(node).iter().any(|loose| !loose.edge.guard.is_free());
    let has_guarded = |end| holds_guarded(graph, end) || nodes_with(graph, end).into_iter().any(is_loose_guarded);
    !constraints.guard().is_free() && (!edge.guard.is_free() || [edge.a, edge.b].into_iter().any(has_guarded))
}

/// Whether a link between two people, one of whom is known, may have others be refused that hold. What guards allow for a set of
/// identifiers they need not have allowed while it came together: where two of it are known, it depends on which were one first.
fn may_part(constraints: &Constraints, graph: &Graph, edge: &Edge) -> bool {
    let ends = [edge.a, edge.b];
    // Where nothing else leads to one end, all others are one as before.
    let is_alone = |end: NodeId| nodes_with(graph, end).len() == 1 && graph.loose_of(end).is_empty();
    let marked = ends.into_iter().flat_map(|end| nodes_with(graph, end));
    !ends.into_iter().any(is_alone) && marked.filter(|node| is_marked(constraints, graph, *node)).nth(1).is_some()
}

/// Whether a link between two identifiers of one person may part that person: where they were connected before it anyway, or nobody
/// is guarded against, it does not.
pub fn may_matter_within(constraints: &Constraints, graph: &Graph, edge: &Edge) -> bool {
    if constraints.guard().is_free() || edge.guard.is_free() && !holds_guarded(graph, edge.a) {
        return false;
    }
    let nodes = nodes_with(graph, edge.a);
    nodes.iter().filter(|node| is_marked(constraints, graph, **node)).nth(1).is_some()
        && !held_before(graph, edge.a, edge).contains(&edge.b)
}

/// Whether somebody guards against people with an identifier of that kind.
fn is_marked(constraints: &Constraints, graph: &Graph, node: NodeId) -> bool {
    graph.kind_and_node(node).is_some_and(|(kind, it)| !it.former && constraints.guard().of(kind).is_any())
}

/// Whether a guarded link holds of whose person's a node is.
fn holds_guarded(graph: &Graph, node: NodeId) -> bool {
    let owner = graph.node(node).and_then(|(_, it)| graph.component(it.person));
    owner.is_some_and(|component| component.ties().edges().any(|edge| !edge.guard.is_free()))
}

/// All nodes of whose person's one is.
fn nodes_with(graph: &Graph, node: NodeId) -> SmallVec<[NodeId; 4]> {
    let owner = graph.node(node).and_then(|(_, it)| graph.component(it.person));
    owner.map_or_else(|| smallvec![node], |component| component.nodes.clone())
}

fn is_kept_apart(graph: &Graph, a: &[NodeId], b: &[NodeId]) -> bool {
    a.iter().any(|one| graph.apart_from(*one).iter().any(|other| b.contains(other)))
}

fn is_declared_apart(constraints: &Constraints, graph: &Graph, a: &[NodeId], b: &[NodeId]) -> bool {
    if !constraints.declares_apart() {
        return false;
    }
    let current = |node: &NodeId| graph.node(*node).filter(|(_, it)| !it.former).map(|(named, _)| named);
    let has = |other: &Identifier| {
        b.iter().filter_map(current).any(|named| named.kind == other.kind && *named.value == *other.value)
    };
    a.iter().filter_map(current).any(|named| constraints.apart_from(named).iter().any(has))
}

/// The nodes that hold together with one by links that come before another link.
fn held_before(graph: &Graph, node: NodeId, limit: &Edge) -> Vec<NodeId> {
    let mut found = vec![node];
    let Some(component) = graph.node(node).and_then(|(_, it)| graph.component(it.person)) else { return found };
    let mut beyond: FxHashMap<NodeId, SmallVec<[NodeId; 4]>> = FxHashMap::default();
    for edge in component.ties().edges().filter(|edge| order(graph, edge, limit) == Ordering::Less) {
        beyond.entry(edge.a).or_default().push(edge.b);
        beyond.entry(edge.b).or_default().push(edge.a);
    }
    let mut next = 0;
    while let Some(at) = found.get(next).copied() {
        next += 1;
        // Each node's links are followed once: whoever is found again has none left.
        found.extend(beyond.remove(&at).unwrap_or_default());
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// Which of two links is the stronger.
pub fn order(graph: &Graph, one: &Edge, other: &Edge) -> Ordering {
    strength(graph, one).cmp(&strength(graph, other)).then_with(|| by_ends(graph, one, other))
}

/// What says how strong a link is, the stronger first; where two are as strong, their ends decide.
type Strength = (Grade, bool, Reverse<Likelihood>, Option<IdentifierKindId>, Moment);

fn strength(graph: &Graph, edge: &Edge) -> Strength {
    let kind = |end| graph.kind_and_node(end).map(|(kind, _)| kind);
    (edge.grade, !edge.guard.is_free(), Reverse(edge.likelihood), kind(edge.a).max(kind(edge.b)), edge.at)
}

fn by_ends(graph: &Graph, one: &Edge, other: &Edge) -> Ordering {
    let end = |node| rank(graph, node);
    (end(one.a), end(one.b)).cmp(&(end(other.a), end(other.b)))
}

/// The place of a node among all nodes that have an identifier: the same after any restart.
pub fn rank(graph: &Graph, node: NodeId) -> Option<(IdentifierKindId, &str, u16)> {
    graph.node(node).map(|(named, it)| (named.kind, named.value, it.generation))
}

/// Everything that is connected with something by links that hold or do not.
#[derive(Debug, Default)]
pub struct Cluster {
    /// Its people.
    pub people: Vec<PersonIndex>,
    /// Its nodes, also those that are nobody's.
    pub nodes: Vec<NodeId>,
    /// Its links.
    edges: Vec<Edge>,
}

impl Cluster {
    /// What is connected with these nodes.
    pub fn around(graph: &Graph, seeds: &[NodeId]) -> Self {
        let mut cluster = Self::default();
        let (mut seen, mut people) = (FxHashSet::default(), FxHashSet::default());
        let mut waiting = seeds.to_vec();
        while let Some(node) = waiting.pop() {
            let Some((_, it)) = graph.node(node).filter(|_| seen.insert(node)) else { continue };
            cluster.nodes.push(node);
            if let Some(component) = graph.component(it.person).filter(|_| people.insert(it.person)) {
                cluster.people.push(it.person);
                waiting.extend(&component.nodes);
                cluster.edges.extend(component.ties().edges());
            }
            for loose in graph.loose_of(node) {
                let other = loose.edge.beyond(node);
                if !seen.contains(&other) {
                    cluster.edges.push(loose.edge);
                    waiting.push(other);
                }
            }
        }
        cluster.nodes.sort_by(|one, other| rank(graph, *one).cmp(&rank(graph, *other)));
        cluster
    }

    /// With a link more, or with one that is stronger than it was.
    pub fn with(mut self, edge: Edge) -> Self {
        match self.edges.iter_mut().find(|it| it.is_between(edge.a, edge.b)) {
            Some(known) => *known = edge,
            None => self.edges.push(edge),
        }
        self
    }

    /// Without some of its links.
    pub fn without(mut self, is_gone: impl Fn(&Edge) -> bool) -> Self {
        self.edges.retain(|edge| !is_gone(edge));
        self
    }

    /// Decides which of the links hold.
    pub fn decide(self, filter: &Filter, constraints: &Constraints, graph: &Graph) -> Partition {
        let Self { people, nodes, edges } = self;
        let places: FxHashMap<NodeId, usize> = nodes.iter().enumerate().map(|(place, node)| (*node, place)).collect();
        let place = |node: NodeId| places.get(&node).copied();
        let Decided { mut sets, mut held, mut loose } = decide(filter, constraints, graph, &nodes, edges, place);
        let mut of_root: FxHashMap<usize, usize> = FxHashMap::default();
        let mut classes: Vec<Class> = Vec::new();
        for (place, node) in nodes.iter().enumerate() {
            let class = *of_root.entry(sets.find(place)).or_insert_with(|| {
                classes.push(Class::default());
                classes.len() - 1
            });
            classes[class].nodes.push(*node);
        }
        held.sort_by(|one, other| one.seq.cmp(&other.seq).then_with(|| order(graph, one, other)));
        loose.sort_by(|one, other| order(graph, &one.edge, &other.edge));
        for edge in held {
            let class = places.get(&edge.a).and_then(|place| of_root.get(&sets.find(*place)));
            class.into_iter().for_each(|class| classes[*class].edges.push(edge));
        }
        Partition { people, nodes, classes, loose }
    }
}

/// Identifiers that would be somebody else's if all links there are were decided anew, whatever is known of who is who: none,
/// or something is wrong. Costs a look at all links.
pub fn misplaced(filter: &Filter, constraints: &Constraints, graph: &Graph) -> Vec<NodeId> {
    let nodes: Vec<NodeId> = (0..graph.node_count()).map(|index| NodeId(index as u32)).collect();
    let mut edges: Vec<Edge> = Vec::with_capacity(nodes.len());
    edges.extend(graph.people().flat_map(|(_, component)| component.ties().edges()));
    edges.extend(graph.all_loose().map(|loose| loose.edge));
    let Decided { mut sets, .. } =
        decide(filter, constraints, graph, &nodes, edges, |node| Some(node.0 as usize).filter(|it| *it < nodes.len()));
    // Of each class whose it is, and of each person which class they are.
    let mut owners = vec![PersonIndex::NOBODY; nodes.len()];
    let mut classes: Vec<u32> = Vec::new();
    let mut misplaced = Vec::new();
    for (place, node) in nodes.iter().enumerate() {
        let root = sets.find(place);
        let owner = graph.kind_and_node(*node).map_or(PersonIndex::NOBODY, |(_, it)| it.person);
        if owner == PersonIndex::NOBODY {
            if root != place || sets.tallies.size(root) > 1 {
                misplaced.push(*node);
            }
            continue;
        }
        if classes.len() <= owner.index() {
            classes.resize(owner.index() + 1, u32::MAX);
        }
        if owners[root] == PersonIndex::NOBODY && classes[owner.index()] == u32::MAX {
            owners[root] = owner;
            classes[owner.index()] = root as u32;
        } else if owners[root] != owner || classes[owner.index()] != root as u32 {
            misplaced.push(*node);
        }
    }
    misplaced
}

/// What became of links.
struct Decided {
    sets: Sets,
    held: Vec<Edge>,
    loose: Vec<Loose>,
}

/// Which links hold, and who is one then.
///
/// Nearly always nothing is against all that links connect, so that they hold in whatever order they are taken: the rules are
/// hereditary. Only where something is are links taken from the strongest to the weakest.
fn decide(
    filter: &Filter,
    constraints: &Constraints,
    graph: &Graph,
    nodes: &[NodeId],
    edges: Vec<Edge>,
    place: impl Fn(NodeId) -> Option<usize>,
) -> Decided {
    let mut loose = Vec::new();
    let mut held: Vec<Edge> = edges
        .into_iter()
        .filter(|edge| match filter.forbids(graph, edge) {
            Some(reason) => {
                loose.push(Loose { edge: *edge, reason });
                false
            }
            None => true,
        })
        .collect();
    let kept_apart = kept_apart(constraints, graph, nodes, &place);
    let ends = |edge: &Edge| place(edge.a).zip(place(edge.b));
    let mut connected = Connected::new(constraints, graph, nodes, &held);
    for edge in &held {
        if let Some((a, b)) = ends(edge) {
            connected.take(constraints, filter, graph, edge, (a, b));
        }
    }
    kept_apart.iter().for_each(|(one, other, _)| connected.keep_apart(*one, *other));
    if !connected.is_any_contested {
        return Decided { sets: connected.sets, held, loose };
    }
    let mut is_contested = |edge: &Edge| ends(edge).is_some_and(|(a, _)| connected.is_contested(a));
    let contested: Vec<Edge> = held.extract_if(.., |edge| is_contested(edge)).collect();
    let mut sets = Sets::new(constraints, graph, nodes);
    for (a, b) in held.iter().filter_map(ends) {
        let (a, b) = (sets.find(a), sets.find(b));
        if a != b {
            sets.unite(a, b);
        }
    }
    let mut counts = Counts::default();
    for edge in from_the_strongest(graph, contested) {
        let Some((a, b)) = ends(&edge) else { continue };
        if counts.is_one_too_many(filter, graph, &edge) {
            loose.push(Loose { edge, reason: Reason::Cardinality });
            continue;
        }
        let (a, b) = (sets.find(a), sets.find(b));
        if a == b {
            held.push(edge);
            continue;
        }
        let apart = kept_apart.iter().find(|(one, other, _)| {
            let ends = (sets.find(*one), sets.find(*other));
            ends == (a, b) || ends == (b, a)
        });
        let apart = apart.map(|(_, _, reason)| *reason);
        match apart.or_else(|| constraints.against(&sets.tallies, a, b, &edge)) {
            Some(reason) => loose.push(Loose { edge, reason }),
            None => {
                sets.unite(a, b);
                held.push(edge);
            }
        }
    }
    Decided { sets, held, loose }
}

fn from_the_strongest(graph: &Graph, edges: Vec<Edge>) -> impl Iterator<Item = Edge> {
    let mut by_strength: Vec<(Strength, Edge)> = edges.into_iter().map(|edge| (strength(graph, &edge), edge)).collect();
    by_strength.sort_by(|(one, edge), (other, its)| one.cmp(other).then_with(|| by_ends(graph, edge, its)));
    by_strength.into_iter().map(|(_, edge)| edge)
}

/// What links connect if all of them hold, and where something is against that.
struct Connected {
    sets: Sets,
    /// By root.
    contested: Vec<bool>,
    is_any_contested: bool,
    /// Whether any link is guarded.
    is_guarded: bool,
    counts: Counts,
}

impl Connected {
    fn new(constraints: &Constraints, graph: &Graph, nodes: &[NodeId], edges: &[Edge]) -> Self {
        Self {
            sets: Sets::new(constraints, graph, nodes),
            contested: vec![false; nodes.len()],
            is_any_contested: false,
            is_guarded: edges.iter().any(|edge| !edge.guard.is_free()),
            counts: Counts::default(),
        }
    }

    fn take(&mut self, constraints: &Constraints, filter: &Filter, graph: &Graph, edge: &Edge, (a, b): (usize, usize)) {
        let (a, b) = (self.sets.find(a), self.sets.find(b));
        let mut root = a;
        if a != b {
            // Rules let pass of some links what they are against of others: there the order matters.
            let is_against = constraints.against_some(&self.sets.tallies, a, b, self.is_guarded).is_some();
            let is_contested = is_against || self.contested[a] || self.contested[b];
            root = self.sets.unite(a, b);
            if is_contested {
                self.contest(root);
            }
        }
        if self.counts.is_one_too_many(filter, graph, edge) {
            self.contest(root);
        }
    }

    fn keep_apart(&mut self, one: usize, other: usize) {
        let root = self.sets.find(one);
        if root == self.sets.find(other) {
            self.contest(root);
        }
    }

    fn contest(&mut self, root: usize) {
        self.contested[root] = true;
        self.is_any_contested = true;
    }

    fn is_contested(&mut self, place: usize) -> bool {
        self.contested[self.sets.find(place)]
    }
}

/// With how many values of another kind each is linked by now.
#[derive(Default)]
struct Counts(FxHashMap<(NodeId, IdentifierKindId), u32>);

impl Counts {
    /// Counts a link, and says whether an end of it has more than it may.
    fn is_one_too_many(&mut self, filter: &Filter, graph: &Graph, edge: &Edge) -> bool {
        let mut is_one_too_many = false;
        for (node, kind, count) in filter.counts(graph, edge) {
            let seen = self.0.entry((node, kind)).or_default();
            *seen += 1;
            is_one_too_many |= *seen > count;
        }
        is_one_too_many
    }
}

/// The pairs of nodes that are nobody's together, by their places.
fn kept_apart(
    constraints: &Constraints,
    graph: &Graph,
    nodes: &[NodeId],
    place_of: &impl Fn(NodeId) -> Option<usize>,
) -> Vec<(usize, usize, Reason)> {
    let mut pairs: Vec<(usize, usize, Reason)> = Vec::new();
    if graph.keeps_any_apart() {
        for (place, node) in nodes.iter().enumerate() {
            let others = graph.apart_from(*node).iter().filter_map(|other| place_of(*other));
            pairs.extend(others.filter(|other| place < *other).map(|other| (place, other, Reason::Decided)));
        }
    }
    if constraints.declares_apart() {
        for (place, node) in nodes.iter().enumerate() {
            let Some((named, _)) = graph.node(*node).filter(|(_, it)| !it.former) else { continue };
            let others = constraints.apart_from(named).iter().filter_map(|other| place_of(graph.find(other)?));
            pairs.extend(others.filter(|other| place < *other).map(|other| (place, other, Reason::Declared)));
        }
    }
    pairs
}

/// Disjoint sets.
struct Sets {
    parent: Vec<u32>,
    /// By root.
    tallies: Tallies,
}

impl Sets {
    fn new(constraints: &Constraints, graph: &Graph, nodes: &[NodeId]) -> Self {
        Self {
            parent: (0..nodes.len() as u32).collect(),
            tallies: constraints.tallies(graph, nodes.iter().map(|node| [*node])),
        }
    }

    fn find(&mut self, place: usize) -> usize {
        let mut place = place as u32;
        loop {
            let parent = self.parent[place as usize];
            if parent == place {
                return place as usize;
            }
            let beyond = self.parent[parent as usize];
            self.parent[place as usize] = beyond;
            place = beyond;
        }
    }

    /// Makes one of two sets, and says which root it has.
    fn unite(&mut self, a: usize, b: usize) -> usize {
        let (root, child) = if self.tallies.size(a) >= self.tallies.size(b) { (a, b) } else { (b, a) };
        self.tallies.add(child, root);
        self.parent[child] = root as u32;
        root
    }
}

/// Identifiers that are one person's, or nobody's.
#[derive(Debug, Default)]
pub struct Class {
    /// By kind and value.
    pub nodes: Vec<NodeId>,
    /// Why, in the order in which that was said.
    pub edges: Vec<Edge>,
}

/// A cluster, decided.
#[derive(Debug)]
pub struct Partition {
    /// Who is in it as things stand.
    pub people: Vec<PersonIndex>,
    /// All its nodes.
    pub nodes: Vec<NodeId>,
    /// Who belongs together.
    pub classes: Vec<Class>,
    /// Links that do not hold.
    pub loose: Vec<Loose>,
}

impl Partition {
    /// Whether nothing is different from how things stand.
    pub fn is_as_things_stand(&self, graph: &Graph) -> bool {
        let owner = |node: &NodeId| graph.node(*node).map_or(PersonIndex::NOBODY, |(_, it)| it.person);
        let is_one_persons = |class: &Class| {
            let mut owners = class.nodes.iter().map(owner);
            let first = owners.next().unwrap_or(PersonIndex::NOBODY);
            class.nodes.len() < 2 || (first != PersonIndex::NOBODY && owners.all(|it| it == first))
        };
        let held =
            |person: &PersonIndex| graph.component(*person).map_or(0, |component| component.ties().edges().count());
        self.classes.iter().all(is_one_persons)
            && self.torn(graph, &[]).is_empty()
            && self.classes.iter().map(|class| class.edges.len()).sum::<usize>()
                == self.people.iter().map(held).sum::<usize>()
            && self.loose.iter().all(|loose| {
                let component = graph.component(owner(&loose.edge.a));
                component.is_none_or(|component| component.edge(loose.edge.a, loose.edge.b).is_none())
            })
    }

    /// The people who lose an identifier to somebody else, those of `others`, and all who get something of any of these.
    /// Whoever is not among them is in one class as a whole.
    pub fn torn(&self, graph: &Graph, others: &[PersonIndex]) -> Vec<PersonIndex> {
        let owners = |class: &Class| -> FxHashSet<PersonIndex> {
            let owners = class.nodes.iter().filter_map(|node| Some(graph.node(*node)?.1.person));
            owners.filter(|owner| *owner != PersonIndex::NOBODY).collect()
        };
        let owners: Vec<FxHashSet<PersonIndex>> = self.classes.iter().map(owners).collect();
        let mut classes_of: FxHashMap<PersonIndex, usize> = FxHashMap::default();
        owners.iter().flatten().for_each(|owner| *classes_of.entry(*owner).or_default() += 1);
        let is_torn = |owner: &PersonIndex| classes_of.get(owner).is_some_and(|classes| *classes > 1);
        let mut torn: FxHashSet<PersonIndex> = self.people.iter().copied().filter(is_torn).collect();
        torn.extend(others);
        // Who is not torn is in one class only, so that one round reaches everybody.
        for of_class in &owners {
            if of_class.iter().any(|owner| torn.contains(owner)) {
                torn.extend(of_class);
            }
        }
        let mut torn: Vec<PersonIndex> = torn.into_iter().collect();
        torn.sort_unstable_by_key(|person| graph.component(*person).map(|component| graph.ids().natural(component.id)));
        torn
    }
}
