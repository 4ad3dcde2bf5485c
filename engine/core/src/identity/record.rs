//! Who is who in checkpoints: names stand for ids, and links between people name the node at their other end.

use super::graph::{Component, Edge, Grade, Graph, Loose, Named, Node, NodeId, PersonIndex, Reason, Refusal};
use super::guard::Guard;
use super::ties::Bundle;
use crate::effect::PersonId;
use crate::names::{NameKey, Names};
use crate::record::{Identifier, Likelihood, Seq, UNKNOWN_SOURCE};
use serde::{Deserialize, Serialize};
use sonder_dsl::time::Moment;

/// A person's identifiers, and how they came together.
#[derive(Debug, Serialize, Deserialize)]
pub struct ComponentRecord {
    created: Seq,
    nodes: Vec<NodeRecord>,
    edges: Vec<EdgeRecord>,
    absorbed: Vec<PersonId>,
    refused: Vec<(u64, u8)>,
    loose: Vec<LooseRecord>,
    /// Pairs that somebody decided are not one person's: a place in `nodes`, and the other.
    apart: Vec<(u32, NodeKey)>,
}

/// Identifiers that are nobody's, but have a past.
#[derive(Debug, Serialize, Deserialize)]
pub struct StraysRecord {
    nodes: Vec<NodeRecord>,
    apart: Vec<(NodeKey, NodeKey)>,
    /// Links between two of them that do not hold.
    loose: Vec<(NodeKey, NodeKey, Said, u8)>,
}

#[derive(Debug, Serialize, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
struct NodeRecord {
    kind: NameKey,
    value: String,
    first_seen: Moment,
    last_seen: Moment,
    source: NameKey,
    sharers: u16,
    generation: u16,
    generic: bool,
    /// For what an identifier was before it started anew: with which record it did.
    until: Option<Seq>,
}

/// Names a node: kind, value, and how often it had started anew.
type NodeKey = (NameKey, String, u16);

#[derive(Debug, Serialize, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
struct EdgeRecord {
    a: u32,
    b: u32,
    said: Said,
}

#[derive(Debug, Serialize, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
struct LooseRecord {
    /// A place in `nodes`.
    mine: u32,
    other: NodeKey,
    is_first: bool,
    said: Said,
    reason: u8,
}

/// What says that two nodes are one person's.
#[derive(Debug, Serialize, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
struct Said {
    grade: u8,
    guard: u16,
    likelihood: Likelihood,
    source: NameKey,
    seq: Seq,
    at: Moment,
}

/// What names nodes of people who are not all there yet while a checkpoint is read.
#[derive(Debug, Default)]
pub struct Unbound {
    formers: Vec<(Identifier, Seq, NodeId)>,
    loose: Vec<(NodeId, LooseRecord)>,
    apart: Vec<(NodeId, NodeKey)>,
    apart_strays: Vec<(NodeKey, NodeKey)>,
    loose_strays: Vec<(NodeKey, NodeKey, Said, u8)>,
}

impl ComponentRecord {
    /// As it is written.
    pub fn new(graph: &Graph, component: &Component, names: &Names) -> Self {
        let ties = component.ties();
        let place = |node: NodeId| component.nodes.iter().position(|mine| *mine == node).map(|place| place as u32);
        let edges = ties.edges().filter_map(|edge| {
            Some(EdgeRecord { a: place(edge.a)?, b: place(edge.b)?, said: Said::new(&edge, names) })
        });
        let (mut loose, mut apart) = (Vec::new(), Vec::new());
        for (node, mine) in component.nodes.iter().zip(0..) {
            let theirs = graph.loose_of(*node).iter().filter_map(|it| {
                let other = key_of(graph, it.edge.beyond(*node), names)?;
                let (said, reason) = (Said::new(&it.edge, names), it.reason.code());
                Some(LooseRecord { mine, other, is_first: it.edge.a == *node, said, reason })
            });
            loose.extend(theirs);
            let others = graph.apart_from(*node).iter().filter_map(|other| key_of(graph, *other, names));
            apart.extend(others.map(|other| (mine, other)));
        }
        loose.sort_unstable();
        apart.sort_unstable();
        Self {
            created: component.created,
            nodes: component.nodes.iter().filter_map(|node| NodeRecord::new(graph, *node, names)).collect(),
            edges: edges.collect(),
            absorbed: ties.absorbed().to_vec(),
            refused: ties.refused().iter().map(|refusal| (refusal.identifier, refusal.reason.code())).collect(),
            loose,
            apart,
        }
    }

    /// Puts the nodes into the graph, and the person at the next place.
    pub fn add(self, id: PersonId, graph: &mut Graph, names: &Names, unbound: &mut Unbound) -> PersonIndex {
        let place = graph.next_place();
        let mut component = Component::new(id, self.created);
        // By its place in the record, which links name; a kind that is no more leaves a hole.
        let mut nodes: Vec<Option<NodeId>> = Vec::with_capacity(self.nodes.len());
        for record in self.nodes {
            let until = record.until;
            nodes.push(record.into_node(names, place).map(|(identifier, node)| match until {
                None => graph.add_node(&identifier, node),
                Some(until) => {
                    let was = graph.add_former_node(&identifier, node);
                    unbound.formers.push((identifier, until, was));
                    was
                }
            }));
        }
        component.nodes = nodes.iter().flatten().copied().collect();
        let node = |place: u32| nodes.get(place as usize).copied().flatten();
        let edges = self.edges.iter().filter_map(|edge| edge.said.between(node(edge.a)?, node(edge.b)?, names));
        let refusal =
            |(identifier, code): &(u64, u8)| Some(Refusal { identifier: *identifier, reason: Reason::of_code(*code)? });
        component.tie(Bundle {
            edges: edges.collect(),
            absorbed: self.absorbed.into_iter().collect(),
            refused: self.refused.iter().filter_map(refusal).collect(),
        });
        unbound.loose.extend(self.loose.into_iter().filter_map(|record| Some((node(record.mine)?, record))));
        unbound.apart.extend(self.apart.into_iter().filter_map(|(mine, other)| Some((node(mine)?, other))));
        graph.add_person(component)
    }
}

impl StraysRecord {
    /// All of a graph.
    pub fn new(graph: &Graph, names: &Names) -> Self {
        let mut nodes: Vec<NodeRecord> = graph
            .nodes()
            .filter(|(_, node)| node.person == PersonIndex::NOBODY && !node.former)
            .map(|(identifier, node)| NodeRecord::of(identifier, node, None, names))
            .collect();
        nodes.sort_unstable();
        let is_stray = |node| graph.node(node).is_some_and(|(_, it)| it.person == PersonIndex::NOBODY);
        let strays = graph.all_apart().filter(|(one, other)| is_stray(*one) && is_stray(*other));
        let mut apart: Vec<(NodeKey, NodeKey)> = strays
            .filter_map(|(one, other)| {
                let (one, other) = (key_of(graph, one, names)?, key_of(graph, other, names)?);
                Some(if one <= other { (one, other) } else { (other, one) })
            })
            .collect();
        apart.sort_unstable();
        let between_strays = graph.all_loose().filter(|it| is_stray(it.edge.a) && is_stray(it.edge.b));
        let mut loose: Vec<(NodeKey, NodeKey, Said, u8)> = between_strays
            .filter_map(|it| {
                let (a, b) = (key_of(graph, it.edge.a, names)?, key_of(graph, it.edge.b, names)?);
                Some((a, b, Said::new(&it.edge, names), it.reason.code()))
            })
            .collect();
        loose.sort_unstable();
        Self { nodes, apart, loose }
    }

    /// Puts them into a graph.
    pub fn add(self, graph: &mut Graph, names: &Names, unbound: &mut Unbound) {
        for record in self.nodes {
            if let Some((identifier, node)) = record.into_node(names, PersonIndex::NOBODY) {
                graph.add_node(&identifier, node);
            }
        }
        unbound.apart_strays.extend(self.apart);
        unbound.loose_strays.extend(self.loose);
    }
}

impl Unbound {
    /// Everybody is there.
    pub fn bind(self, graph: &mut Graph, names: &Names) {
        for (identifier, until, was) in self.formers {
            graph.add_former(&identifier, until, was);
        }
        for (mine, record) in self.loose {
            let Some(other) = node_of(graph, &record.other, names) else { continue };
            let (a, b) = if record.is_first { (mine, other) } else { (other, mine) };
            if let (Some(edge), Some(reason)) = (record.said.between(a, b, names), Reason::of_code(record.reason)) {
                graph.keep_loose(Loose { edge, reason });
            }
        }
        for (a, b, said, reason) in self.loose_strays {
            let (Some(a), Some(b)) = (node_of(graph, &a, names), node_of(graph, &b, names)) else { continue };
            if let (Some(edge), Some(reason)) = (said.between(a, b, names), Reason::of_code(reason)) {
                graph.keep_loose(Loose { edge, reason });
            }
        }
        for (one, other) in self.apart {
            if let Some(other) = node_of(graph, &other, names) {
                graph.keep_apart(one, other);
            }
        }
        for (one, other) in self.apart_strays {
            if let (Some(one), Some(other)) = (node_of(graph, &one, names), node_of(graph, &other, names)) {
                graph.keep_apart(one, other);
            }
        }
    }
}

impl NodeRecord {
    fn new(graph: &Graph, node: NodeId, names: &Names) -> Option<Self> {
        let (identifier, it) = graph.node(node)?;
        Some(Self::of(identifier, it, graph.former_until(node), names))
    }

    fn of(identifier: Named<'_>, node: &Node, until: Option<Seq>, names: &Names) -> Self {
        Self {
            kind: names.kind_key(identifier.kind),
            value: identifier.value.to_string(),
            first_seen: node.first_seen,
            last_seen: node.last_seen,
            source: names.source_key(node.source),
            sharers: node.sharers,
            generation: node.generation,
            generic: node.generic,
            until,
        }
    }

    fn into_node(self, names: &Names, person: PersonIndex) -> Option<(Identifier, Node)> {
        let node = Node {
            person,
            first_seen: self.first_seen,
            last_seen: self.last_seen,
            source: names.source(self.source).unwrap_or(UNKNOWN_SOURCE),
            sharers: self.sharers,
            generation: self.generation,
            generic: self.generic,
            former: self.until.is_some(),
        };
        Some((Identifier { kind: names.kind(self.kind)?, value: self.value.into() }, node))
    }
}

impl Said {
    fn new(edge: &Edge, names: &Names) -> Self {
        let grade = Grade::ALL.iter().position(|grade| *grade == edge.grade).map_or(u8::MAX, |code| code as u8);
        let (guard, source) = (edge.guard.code(), names.source_key(edge.source));
        Self { grade, guard, likelihood: edge.likelihood, source, seq: edge.seq, at: edge.at }
    }

    fn between(&self, a: NodeId, b: NodeId, names: &Names) -> Option<Edge> {
        let grade = *Grade::ALL.get(usize::from(self.grade))?;
        let source = names.source(self.source).unwrap_or(UNKNOWN_SOURCE);
        let guard = Guard::of_code(self.guard);
        Some(Edge { a, b, grade, guard, likelihood: self.likelihood, source, seq: self.seq, at: self.at })
    }
}

impl Reason {
    fn code(self) -> u8 {
        Self::ALL.iter().position(|reason| *reason == self).map_or(u8::MAX, |code| code as u8)
    }

    fn of_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }
}

fn key_of(graph: &Graph, node: NodeId, names: &Names) -> Option<NodeKey> {
    let (named, it) = graph.node(node)?;
    Some((names.kind_key(named.kind), named.value.to_owned(), it.generation))
}

fn node_of(graph: &Graph, (kind, value, generation): &NodeKey, names: &Names) -> Option<NodeId> {
    let identifier = Identifier { kind: names.kind(*kind)?, value: value.as_str().into() };
    graph.node_of_generation(&identifier, *generation)
}
