//! Who is who: a person's part of the identity graph, and decisions about it.

use super::consent::Subject;
use super::text::{instant, person_id};
use serde::Serialize;
use sonder_core::kinship;
use sonder_core::view::LinkView;
use sonder_dsl::ir::Program;

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
    /// What two identifiers may be meant, `kind:value,kind:value`: a value may have commas.
    pub fn pairs(text: &str) -> impl Iterator<Item = [(String, String); 2]> {
        let name = |text: &str| text.split_once(':').map(|(kind, value)| (kind.to_owned(), value.to_owned()));
        let commas = text.match_indices(',').map(|(place, _)| place);
        commas.filter_map(move |place| Some([name(text.get(..place)?)?, name(text.get(place + 1..)?)?]))
    }

    /// With the links that lead from one of two identifiers to the other, as few as there are. `None` when none do, or nothing of
    /// what may be meant is two of the person's.
    #[must_use]
    pub fn along(kinship: &kinship::Kinship, program: &Program, text: &str) -> Option<Self> {
        let comparable = |pair: [kinship::Name; 2]| pair.map(|name| comparable(program, name));
        Self::pairs(text).map(comparable).find_map(|[one, other]| {
            let path = kinship.path(&one, &other)?.into_iter().map(GraphEdge::from).collect();
            Some(Self { path: Some(path), ..kinship.clone().into() })
        })
    }

    /// The records in which somebody decided what is known of a person.
    #[must_use]
    pub fn decided(kinship: &kinship::Kinship) -> Vec<u64> {
        let links = kinship.links.iter().chain(kinship.refused.iter().map(|it| &it.link));
        links.filter(|link| link.by == DECISION).map(|link| link.seq).collect()
    }

    /// With why and by whom what somebody decided was decided.
    #[must_use]
    pub fn noted(mut self, notes: &[DecisionNote]) -> Self {
        let refused = self.refused.iter_mut().map(|it| &mut it.edge);
        let edges = self.edges.iter_mut().chain(refused).chain(self.path.iter_mut().flatten());
        for edge in edges.filter(|edge| edge.by == DECISION) {
            let note = notes.iter().find(|note| note.record == edge.record);
            edge.decision = note.map(|note| note.decision.clone());
        }
        self
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
    /// The source that said so; `api` of what somebody decided.
    pub source: String,
    /// What stands beside it, where somebody decided it.
    pub decision: Option<Decision>,
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

/// What `by` says of what somebody decided.
pub const DECISION: &str = "decision";

/// What stands in the log beside what somebody decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// Why.
    pub reason: Option<String>,
    /// Who decided it.
    pub by: Option<String>,
}

/// The same, and in which record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecisionNote {
    /// The record.
    pub record: u64,
    /// What stands there.
    pub decision: Decision,
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
        let source = if by == DECISION { "api".to_owned() } else { link.source };
        Self { a, b, by, probability, source, decision: None, record: link.seq, at: instant(link.at) }
    }
}

/// An identifier as messages have it, made comparable; as it was written where it identifies nobody.
#[must_use]
pub fn comparable(program: &Program, (kind, value): kinship::Name) -> kinship::Name {
    let declared = program.identity.identifiers.iter().find(|it| it.name == kind);
    let normal = declared.and_then(|it| it.normalized(&value, &|_| None)).map(std::borrow::Cow::into_owned);
    (kind, normal.unwrap_or(value))
}

fn named((kind, value): &(String, String)) -> String {
    format!("{kind}:{value}")
}
