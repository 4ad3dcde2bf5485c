//! Why somebody's identifiers are one person's, and what else was said of them: plain data for the API and
//! `person graph`.

use crate::State;
use crate::effect::PersonId;
use crate::identity::graph::{Edge, NodeId};
use crate::identity::partition::rank;
use crate::view::{IdentifierView, LinkView};
use sonder_dsl::ir::{IdentifierKindId, Program, SourceId};
use std::collections::{BTreeMap, VecDeque};

/// An identifier, as (kind, value).
pub type Name = (String, String);

/// A person's part of the identity graph.
#[derive(Clone, Debug, PartialEq)]
pub struct Kinship {
    /// Who.
    pub person: PersonId,
    /// Their identifiers, by kind and value.
    pub identifiers: Vec<NodeView>,
    /// What makes them one person's, in the order in which it was said.
    pub links: Vec<LinkView>,
    /// Links to others that a rule is against, by what they link.
    pub refused: Vec<RefusedView>,
    /// Pairs that somebody decided are not one person's; the person's own identifier first.
    pub apart: Vec<(Name, Name)>,
}

/// An identifier in the graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeView {
    /// The identifier.
    pub identifier: IdentifierView,
    /// Shared by too many to link anybody.
    pub generic: bool,
}

/// A link that does not hold.
#[derive(Clone, Debug, PartialEq)]
pub struct RefusedView {
    /// What was said.
    pub link: LinkView,
    /// What is against it: `unique`, `limit`, `decided`.
    pub reason: &'static str,
    /// Whose the other end is; `None` where it is nobody's.
    pub other: Option<PersonId>,
}

impl Kinship {
    /// The links that lead from one identifier to another, as few as there are; `None` where none lead there.
    #[must_use]
    pub fn path(&self, from: &Name, to: &Name) -> Option<Vec<LinkView>> {
        let has = |name: &Name| {
            self.identifiers.iter().any(|it| (&it.identifier.kind, &it.identifier.value) == (&name.0, &name.1))
        };
        if !has(from) || !has(to) {
            return None;
        }
        // By what was reached, the link that led there and where it came from.
        let mut reached: BTreeMap<&Name, (&LinkView, &Name)> = BTreeMap::new();
        let mut waiting = VecDeque::from([from]);
        while let Some(at) = waiting.pop_front() {
            for link in self.links.iter().filter(|link| link.a == *at || link.b == *at) {
                let next = if link.a == *at { &link.b } else { &link.a };
                if next != from && !reached.contains_key(next) {
                    reached.insert(next, (link, at));
                    waiting.push_back(next);
                }
            }
        }
        let (mut path, mut at) = (Vec::new(), to);
        while at != from {
            let (link, before) = reached.get(at)?;
            path.push((*link).clone());
            at = before;
        }
        path.reverse();
        Some(path)
    }
}

impl State {
    /// A person's part of the identity graph, also by an id that is an alias by now. It is known of everybody at any time.
    #[must_use]
    pub fn kinship(&self, program: &Program, id: PersonId) -> Option<Kinship> {
        let graph = self.graph();
        let component = graph.component(graph.person(id)?)?;
        let mut nodes: Vec<NodeId> = component.nodes.to_vec();
        nodes.sort_by(|one, other| rank(graph, *one).cmp(&rank(graph, *other)));
        let kind = |kind: IdentifierKindId| {
            program.identity.identifiers.get(kind.index()).map(|it| it.name.clone()).unwrap_or_default()
        };
        let source =
            |source: SourceId| program.sources.get(source.index()).map(|it| it.name.clone()).unwrap_or_default();
        let name = |node| graph.node(node).map(|(named, _)| (kind(named.kind), named.value.to_owned()));
        let link = |edge: &Edge| {
            let (a, b) = (name(edge.a)?, name(edge.b)?);
            let (by, probability) = (edge.grade.as_str(), edge.probability());
            Some(LinkView { a, b, source: source(edge.source), seq: edge.seq.0, at: edge.at, by, probability })
        };
        let identifiers = nodes.iter().filter_map(|node| {
            let (named, it) = graph.node(*node)?;
            let identifier = IdentifierView {
                kind: kind(named.kind),
                value: named.value.to_owned(),
                first_seen: it.first_seen,
                last_seen: it.last_seen,
                source: source(it.source),
                former: it.former,
            };
            Some(NodeView { identifier, generic: it.generic })
        });
        let refused = nodes.iter().flat_map(|node| graph.loose_of(*node).iter().map(move |loose| (*node, loose)));
        let refused = refused.filter_map(|(node, loose)| {
            let (_, beyond) = graph.node(loose.edge.beyond(node))?;
            let other = graph.component(beyond.person).map(|other| other.id);
            Some(RefusedView { link: link(&loose.edge)?, reason: loose.reason.as_str(), other })
        });
        let mut refused: Vec<RefusedView> = refused.collect();
        refused.sort_by(|one, other| (&one.link.a, &one.link.b).cmp(&(&other.link.a, &other.link.b)));
        let apart = nodes.iter().flat_map(|node| graph.apart_from(*node).iter().map(move |other| (*node, *other)));
        let mut apart: Vec<(Name, Name)> =
            apart.filter_map(|(node, other)| Some((name(node)?, name(other)?))).collect();
        apart.sort();
        Some(Kinship {
            person: component.id,
            identifiers: identifiers.collect(),
            links: component.ties().edges().filter_map(|edge| link(&edge)).collect(),
            refused,
            apart,
        })
    }

    /// Identifiers that are not whose they would be if everything that was ever said about who is who were decided anew: none,
    /// or something is wrong. `None` where identifiers expire: who is who then also depends on when that was noticed.
    ///
    /// Costs a sort of all links: under half a second for two million identifiers.
    #[must_use]
    pub fn misplaced(&self, program: &Program) -> Option<Vec<Name>> {
        let graph = self.graph();
        let kind = |kind: IdentifierKindId| {
            program.identity.identifiers.get(kind.index()).map(|it| it.name.clone()).unwrap_or_default()
        };
        let found = self.plan().links.misplaced(graph)?;
        let named =
            found.iter().filter_map(|node| graph.node(*node)).map(|(it, _)| (kind(it.kind), it.value.to_owned()));
        Some(named.collect())
    }
}
