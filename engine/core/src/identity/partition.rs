//! Which of all links hold.
//!
//! A person is what Kruskal's algorithm makes of everything that was ever said about who is who: links are taken from the
//! strongest to the weakest, and one that would bring identifiers together that a rule keeps apart is left out. The order
//! is a property of the links, not of their arrival: what somebody decided, then `alias` calls, then what messages carried
//! together; of those first the ones whose weaker identifier is of the higher priority, then those that happened first.
//! So the same links make the same people, in whatever order they become known.
//!
//! Nearly always a new link needs none of that, because the rules are hereditary: what they allow for a set they allow
//! for each part of it. A link between two people who may be one makes them one, whatever else is known; and one that
//! was refused where it stands in the order changes nothing. What is left is decided again, for all people who are
//! connected by links, held or not, and for nobody else.

use super::graph::{Edge, Grade, Graph, Loose, NodeId, PersonIndex, Reason};
use crate::limits;
use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::{SmallVec, smallvec};
use sonder_dsl::ir::IdentifierKindId;
use sonder_dsl::model::Identity;
use std::cmp::Ordering;

/// Rules about how many values of a kind one person has.
#[derive(Clone, Debug)]
pub struct Constraints {
    kinds: Vec<Counted>,
}

/// A kind that has such a rule.
#[derive(Clone, Copy, Debug)]
struct Counted {
    kind: IdentifierKindId,
    unique: bool,
    limit: Option<u32>,
}

/// What the rules look at of a set of identifiers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    all: u32,
    /// Of each counted kind.
    of_kind: SmallVec<[u32; 4]>,
}

impl Constraints {
    /// Those of `identity.yaml`.
    pub fn new(identity: &Identity) -> Self {
        let counted = identity.identifiers.iter().enumerate().filter_map(|(index, kind)| {
            let limit = kind.limit.map(|limit| limit.count);
            (kind.unique || limit.is_some()).then_some(Counted {
                kind: IdentifierKindId(index as u16),
                unique: kind.unique,
                limit,
            })
        });
        Self { kinds: counted.collect() }
    }

    /// Of some nodes. What an identifier was before it started anew does not count.
    pub fn tally(&self, graph: &Graph, nodes: impl IntoIterator<Item = NodeId>) -> Tally {
        let mut tally = Tally { all: 0, of_kind: smallvec![0; self.kinds.len()] };
        for (named, node) in nodes.into_iter().filter_map(|node| graph.node(node)) {
            if node.former {
                continue;
            }
            tally.all += 1;
            for (count, _) in tally.of_kind.iter_mut().zip(&self.kinds).filter(|(_, it)| it.kind == named.kind) {
                *count += 1;
            }
        }
        tally
    }

    /// What is against making one of two sets because of a link of this grade.
    pub fn against(&self, a: &Tally, b: &Tally, grade: Grade) -> Option<Reason> {
        let pairs = || a.of_kind.iter().zip(&b.of_kind).zip(&self.kinds).filter(|((a, b), _)| **a > 0 && **b > 0);
        if grade == Grade::Seen && pairs().any(|(_, it)| it.unique) {
            return Some(Reason::Unique);
        }
        let is_over = |((a, b), it): ((&u32, &u32), &Counted)| it.limit.is_some_and(|limit| a + b > limit);
        let is_limited = grade != Grade::Decided && pairs().any(is_over);
        (is_limited || (a.all + b.all) as usize > limits::IDENTIFIERS).then_some(Reason::Limit)
    }

    /// Whether both sets have values of a kind that nobody has two of.
    fn both_unique(&self, a: &Tally, b: &Tally) -> bool {
        a.of_kind.iter().zip(&b.of_kind).zip(&self.kinds).any(|((a, b), it)| it.unique && *a > 0 && *b > 0)
    }
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.all += other.all;
        self.of_kind.iter_mut().zip(&other.of_kind).for_each(|(mine, theirs)| *mine += theirs);
    }
}

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
    let whole = |end| constraints.tally(graph, nodes_with(graph, end));
    let (a, b) = (whole(edge.a), whole(edge.b));
    let is_apart = |a: &[NodeId], b: &[NodeId]| is_kept_apart(graph, a, b).then_some(Reason::Decided);
    let against = constraints
        .against(&a, &b, edge.grade)
        .or_else(|| is_apart(&nodes_with(graph, edge.a), &nodes_with(graph, edge.b)));
    if against.is_none() && !constraints.both_unique(&a, &b) {
        return Meaning::Holds;
    }
    let before = |end| held_before(graph, end, edge);
    let (a, b) = (before(edge.a), before(edge.b));
    let tally = |nodes: &[NodeId]| constraints.tally(graph, nodes.iter().copied());
    match constraints.against(&tally(&a), &tally(&b), edge.grade).or_else(|| is_apart(&a, &b)) {
        Some(reason) => Meaning::Refused(reason),
        None => Meaning::Open,
    }
}

/// All nodes of whose person's one is.
fn nodes_with(graph: &Graph, node: NodeId) -> SmallVec<[NodeId; 4]> {
    let owner = graph.node(node).and_then(|(_, it)| graph.component(it.person));
    owner.map_or_else(|| smallvec![node], |component| component.nodes.clone())
}

fn is_kept_apart(graph: &Graph, a: &[NodeId], b: &[NodeId]) -> bool {
    a.iter().any(|one| graph.apart_from(*one).iter().any(|other| b.contains(other)))
}

/// The nodes that hold together with one by links that come before another link.
fn held_before(graph: &Graph, node: NodeId, limit: &Edge) -> Vec<NodeId> {
    let mut found = vec![node];
    let Some(component) = graph.node(node).and_then(|(_, it)| graph.component(it.person)) else { return found };
    let edges = &component.ties().edges;
    let earlier: Vec<&Edge> = edges.iter().filter(|edge| order(graph, edge, limit) == Ordering::Less).collect();
    let mut next = 0;
    while let Some(at) = found.get(next).copied() {
        next += 1;
        for edge in earlier.iter().filter(|edge| edge.a == at || edge.b == at) {
            let other = edge.beyond(at);
            if !found.contains(&other) {
                found.push(other);
            }
        }
    }
    found
}

/// Which of two links is the stronger.
fn order(graph: &Graph, one: &Edge, other: &Edge) -> Ordering {
    let weaker = |edge: &Edge| [edge.a, edge.b].iter().filter_map(|end| Some(graph.node(*end)?.0.kind)).max();
    let key = |edge: &Edge| (edge.grade, weaker(edge), edge.at);
    key(one).cmp(&key(other)).then_with(|| {
        let end = |node| rank(graph, node);
        (end(one.a), end(one.b)).cmp(&(end(other.a), end(other.b)))
    })
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
                cluster.edges.extend(&component.ties().edges);
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
    pub fn decide(self, constraints: &Constraints, graph: &Graph) -> Partition {
        let Self { people, nodes, mut edges } = self;
        edges.sort_by(|one, other| order(graph, one, other));
        let places: FxHashMap<NodeId, usize> = nodes.iter().enumerate().map(|(place, node)| (*node, place)).collect();
        let mut sets = Sets {
            parent: (0..nodes.len()).collect(),
            tallies: nodes.iter().map(|node| constraints.tally(graph, [*node])).collect(),
        };
        let kept_apart = nodes.iter().enumerate().flat_map(|(place, node)| {
            let others = graph.apart_from(*node).iter().filter_map(|other| places.get(other));
            others.filter(move |other| place < **other).map(move |other| (place, *other))
        });
        let kept_apart: Vec<(usize, usize)> = kept_apart.collect();
        let (mut held, mut loose) = (Vec::new(), Vec::new());
        for edge in edges {
            let (Some(a), Some(b)) = (places.get(&edge.a), places.get(&edge.b)) else { continue };
            let (a, b) = (sets.find(*a), sets.find(*b));
            if a == b {
                held.push(edge);
                continue;
            }
            let is_apart = kept_apart.iter().any(|(one, other)| {
                let ends = (sets.find(*one), sets.find(*other));
                ends == (a, b) || ends == (b, a)
            });
            let decided = is_apart.then_some(Reason::Decided);
            match decided.or_else(|| constraints.against(&sets.tallies[a], &sets.tallies[b], edge.grade)) {
                Some(reason) => loose.push(Loose { edge, reason }),
                None => {
                    sets.unite(a, b);
                    held.push(edge);
                }
            }
        }
        let mut of_root: FxHashMap<usize, usize> = FxHashMap::default();
        let mut classes: Vec<Class> = Vec::new();
        for (place, node) in nodes.iter().enumerate() {
            let class = *of_root.entry(sets.find(place)).or_insert_with(|| {
                classes.push(Class::default());
                classes.len() - 1
            });
            classes[class].nodes.push(*node);
        }
        held.sort_by_key(|edge| edge.seq);
        for edge in held {
            let class = places.get(&edge.a).and_then(|place| of_root.get(&sets.find(*place)));
            class.into_iter().for_each(|class| classes[*class].edges.push(edge));
        }
        Partition { people, nodes, classes, loose }
    }
}

/// Disjoint sets.
struct Sets {
    parent: Vec<usize>,
    /// By root.
    tallies: Vec<Tally>,
}

impl Sets {
    fn find(&mut self, mut place: usize) -> usize {
        while self.parent[place] != place {
            self.parent[place] = self.parent[self.parent[place]];
            place = self.parent[place];
        }
        place
    }

    fn unite(&mut self, a: usize, b: usize) {
        let (root, child) = if self.tallies[a].all >= self.tallies[b].all { (a, b) } else { (b, a) };
        let theirs = std::mem::take(&mut self.tallies[child]);
        self.tallies[root].add(&theirs);
        self.parent[child] = root;
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
        torn.sort_unstable_by_key(|person| graph.component(*person).map(|component| component.id));
        torn
    }
}
