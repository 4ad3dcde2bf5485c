//! Who is who: a person's part of the identity graph, and decisions about it.

use super::consent::Subject;
use super::text::{instant, person_id};
use serde::Serialize;
use sonder_core::kinship;
use sonder_core::view::LinkView;

/// A person's part of the identity graph.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct IdentityGraph {
    /// The person's id.
    pub person: String,
    /// Their identifiers, by kind and value.
    pub nodes: Vec<GraphNode>,
    /// What makes them one person's, in the order in which it was said.
    pub edges: Vec<GraphEdge>,
    /// Links to others that a rule is against.
    pub refused: Vec<RefusedEdge>,
    /// Pairs that somebody decided are not one person's; the person's own identifier first.
    pub apart: Vec<[String; 2]>,
    /// The links that lead from one identifier to another, where that was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<Vec<GraphEdge>>,
}

impl IdentityGraph {
    /// Two identifiers, `kind:value,kind:value`; the first has no comma.
    #[must_use]
    pub fn pair(text: &str) -> Option<[(String, String); 2]> {
        let name = |text: &str| text.split_once(':').map(|(kind, value)| (kind.to_owned(), value.to_owned()));
        let (one, other) = text.split_once(',')?;
        Some([name(one)?, name(other)?])
    }

    /// With the links that lead from one identifier to another, as few as there are. `None` when none do.
    #[must_use]
    pub fn between(kinship: kinship::Kinship, [one, other]: &[(String, String); 2]) -> Option<Self> {
        let path = kinship.path(one, other)?;
        Some(Self { path: Some(path.into_iter().map(GraphEdge::from).collect()), ..kinship.into() })
    }
}

/// An identifier.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GraphNode {
    /// `kind:value`.
    pub id: String,
    /// The source that first sent it.
    pub source: String,
    /// When it was first seen.
    pub first_seen: String,
    /// When it was last seen.
    pub last_seen: String,
    /// It was this person's until it expired.
    pub former: bool,
    /// It is shared by too many to link anybody.
    pub generic: bool,
}

/// Two identifiers that belong together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GraphEdge {
    /// `kind:value`, of the higher priority.
    pub a: String,
    /// The other.
    pub b: String,
    /// What says so: `message`, `alias`, `decision` or `probabilistic`.
    pub by: &'static str,
    /// How likely it is, where it is probabilistic.
    pub probability: Option<f64>,
    /// The source that said so.
    pub source: String,
    /// The record of the log that said so.
    pub record: u64,
    /// When.
    pub at: String,
}

/// A link that does not hold.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RefusedEdge {
    /// What was said.
    #[serde(flatten)]
    pub edge: GraphEdge,
    /// What is against it: `unique`, `limit`, `decided` …
    pub reason: &'static str,
    /// Whose the other end is; nothing where it is nobody's.
    pub other: Option<String>,
}

/// What somebody decides about who is who.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityDecision {
    /// Whether the first belongs with each of the others, or with none of them.
    pub together: bool,
    /// Identifiers, two or more.
    pub identifiers: Vec<Subject>,
    /// Why, for the record.
    pub reason: Option<String>,
    /// Who decided it, for the record.
    pub by: Option<String>,
}

impl From<kinship::Kinship> for IdentityGraph {
    fn from(kinship: kinship::Kinship) -> Self {
        let nodes = kinship.identifiers.into_iter().map(|it| GraphNode {
            id: format!("{}:{}", it.identifier.kind, it.identifier.value),
            source: it.identifier.source,
            first_seen: instant(it.identifier.first_seen),
            last_seen: instant(it.identifier.last_seen),
            former: it.identifier.former,
            generic: it.generic,
        });
        let refused = kinship.refused.into_iter().map(|it| RefusedEdge {
            edge: it.link.into(),
            reason: it.reason,
            other: it.other.map(person_id),
        });
        Self {
            person: person_id(kinship.person),
            nodes: nodes.collect(),
            edges: kinship.links.into_iter().map(GraphEdge::from).collect(),
            refused: refused.collect(),
            apart: kinship.apart.iter().map(|(one, other)| [named(one), named(other)]).collect(),
            path: None,
        }
    }
}

impl From<LinkView> for GraphEdge {
    fn from(link: LinkView) -> Self {
        let (a, b) = (named(&link.a), named(&link.b));
        let (by, probability) = (link.by, link.probability);
        Self { a, b, by, probability, source: link.source, record: link.seq, at: instant(link.at) }
    }
}

fn named((kind, value): &(String, String)) -> String {
    format!("{kind}:{value}")
}
