//! What is known of one person, as plain data: for the API, the console and `person show`.

use crate::consent::{ANYTHING, only};
use crate::datum::{Datum, Known};
use crate::effect::PersonId;
use crate::identity::graph::{Component, Graph};
use crate::journey::JourneyPlan;
use crate::journey::course::Course;
use crate::names::JOURNEY_SOURCE;
use crate::person::Person;
use crate::plan::Plan;
use crate::rule_times::RuleTimes;
use crate::rules::{Memo, value_of};
use sonder_dsl::ir::{IdentifierKindId, Program, PurposeId, RuleId, SourceId};
use sonder_dsl::time::Moment;

/// One person.
#[derive(Clone, Debug, PartialEq)]
pub struct PersonView {
    /// The stable id.
    pub id: PersonId,
    /// Ids of people who turned out to be this one.
    pub absorbed: Vec<PersonId>,
    /// By kind and value.
    pub identifiers: Vec<IdentifierView>,
    /// Why the identifiers are one person's, in the order in which that was said.
    pub links: Vec<LinkView>,
    /// The golden record: what is known, in the order of `profile.yaml`.
    pub traits: Vec<TraitView>,
    /// Computed traits as of the fold's moment: what is known, in the order of evaluation.
    pub computed: Vec<ComputedView>,
    /// Segments that they are in, in the order of evaluation.
    pub segments: Vec<SegmentView>,
    /// Journeys that they are or were in, by name; of each that is told apart by a property, every passage.
    pub journeys: Vec<JourneyView>,
    /// For each purpose whether they consent, as of now.
    pub consent: Vec<ConsentView>,
    /// All that they said about consent, in order.
    pub answers: Vec<AnswerView>,
    /// Since when they restrict whatever is done with their data.
    pub restricted_since: Option<Moment>,
    /// Their earliest event.
    pub first_seen: Moment,
    /// Their latest event.
    pub last_seen: Moment,
}

/// The status of somebody who is in a journey.
pub const WAITING: &str = "waiting";

/// A passage through a journey.
#[derive(Clone, Debug, PartialEq)]
pub struct JourneyView {
    /// The journey's name.
    pub name: String,
    /// What the passage is told apart by, where the journey says `per`.
    pub per: Option<serde_json::Value>,
    /// `waiting`, or how it ended: `converted`, `finished`, `exited`, `withdrawn`, `removed`.
    pub status: &'static str,
    /// What they stand at, while they wait.
    pub step: Option<String>,
    /// Since when they stand there, or when they left.
    pub since: Moment,
    /// When they came in.
    pub entered: Moment,
}

/// Whether somebody consents to a purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsentView {
    /// Its name.
    pub purpose: String,
    /// Whether its rules and destinations may use their data.
    pub granted: bool,
    /// Whether that binds: they objected to it or restricted it, and it stays so until that is lifted.
    pub held: bool,
    /// Since when they have said so; `None` where they said nothing.
    pub since: Option<Moment>,
}

/// What somebody said to a purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerView {
    /// Its name.
    pub purpose: String,
    /// Yes or no.
    pub granted: bool,
    /// When.
    pub at: Moment,
    /// The record that has it.
    pub seq: u64,
}

/// An identifier of a person.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct IdentifierView {
    /// The name of its kind.
    pub kind: String,
    /// Normalised.
    pub value: String,
    /// The earliest event that carried it.
    pub first_seen: Moment,
    /// The latest event that carried it.
    pub last_seen: Moment,
    /// The source that it was seen in first.
    pub source: String,
    /// It was this person's until it expired.
    pub former: bool,
}

/// Two identifiers that belong together.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkView {
    /// As (kind, value): the one of higher priority.
    pub a: (String, String),
    /// The other.
    pub b: (String, String),
    /// The source that said so.
    pub source: String,
    /// The record that said so.
    pub seq: u64,
    /// When.
    pub at: Moment,
    /// What says so: `message`, `alias`, `decision` or `probabilistic`.
    pub by: &'static str,
    /// How likely it is, where it is probabilistic.
    pub probability: Option<f64>,
}

/// A value of the golden record.
#[derive(Clone, Debug, PartialEq)]
pub struct TraitView {
    /// Its name.
    pub name: String,
    /// Decimals are text in the scale of their schema.
    pub value: serde_json::Value,
    /// The source of the observation that won.
    pub source: String,
    /// When that was observed.
    pub at: Moment,
}

/// A computed trait.
#[derive(Clone, Debug, PartialEq)]
pub struct ComputedView {
    /// The rule.
    pub rule: RuleId,
    /// Its name.
    pub name: String,
    /// Decimals are text in the scale of their schema.
    pub value: serde_json::Value,
}

/// A membership.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentView {
    /// The rule.
    pub rule: RuleId,
    /// Its name.
    pub name: String,
    /// Since when.
    pub since: Moment,
}

/// All that a view is made of.
pub(crate) struct Viewed<'a> {
    pub program: &'a Program,
    pub plan: &'a Plan,
    pub graph: &'a Graph,
    pub component: &'a Component,
    pub person: &'a Person,
    pub segments: &'a RuleTimes,
    pub now: Moment,
}

impl Viewed<'_> {
    pub fn view(&self) -> PersonView {
        PersonView {
            id: self.component.id,
            absorbed: self.graph.ids_of(self.component).skip(1).collect(),
            identifiers: self.identifiers(),
            links: self.links(),
            traits: self.traits(),
            computed: self.computed(),
            segments: self.segments(),
            journeys: self.journeys(),
            consent: self.consent(),
            answers: answers(self.plan, self.person),
            restricted_since: self.person.answers.held_since(ANYTHING),
            first_seen: self.seen().0,
            last_seen: self.seen().1,
        }
    }

    /// Their earliest event and their latest. Of somebody of whom only others' messages tell: when those did.
    fn seen(&self) -> (Moment, Moment) {
        if self.person.first_seen <= self.person.last_seen {
            return (self.person.first_seen, self.person.last_seen);
        }
        let nodes = || self.component.nodes.iter().filter_map(|node| Some(self.graph.node(*node)?.1));
        let (first, last) = (nodes().map(|it| it.first_seen).min(), nodes().map(|it| it.last_seen).max());
        (first.unwrap_or(self.now), last.unwrap_or(self.now))
    }

    fn consent(&self) -> Vec<ConsentView> {
        let granted = self.plan.consents_to(self.person);
        let numbered = self.plan.consent.purposes.iter().zip(0..);
        let view = numbered.map(|(it, id)| {
            let purpose = only(PurposeId(id));
            let since = self.person.answers.since(purpose).map(|first| first.at);
            let held = self.person.answers.held() & purpose != 0;
            ConsentView { purpose: it.name.clone(), granted: granted & purpose != 0, held, since }
        });
        view.collect()
    }

    fn kind(&self, kind: IdentifierKindId) -> String {
        self.program.identity.identifiers.get(kind.index()).map(|it| it.name.clone()).unwrap_or_default()
    }

    fn source(&self, source: SourceId) -> String {
        if source == self.plan.journey_source {
            return JOURNEY_SOURCE.to_owned();
        }
        self.program.sources.get(source.index()).map(|it| it.name.clone()).unwrap_or_default()
    }

    fn identifiers(&self) -> Vec<IdentifierView> {
        let nodes = self.component.nodes.iter().filter_map(|node| self.graph.node(*node));
        let views = nodes.map(|(it, node)| IdentifierView {
            kind: self.kind(it.kind),
            value: it.value.to_string(),
            first_seen: node.first_seen,
            last_seen: node.last_seen,
            source: self.source(node.source),
            former: node.former,
        });
        let mut all: Vec<_> = views.collect();
        all.sort_unstable();
        all
    }

    fn links(&self) -> Vec<LinkView> {
        let named = |node| {
            let (identifier, _) = self.graph.node(node)?;
            Some((self.kind(identifier.kind), identifier.value.to_string()))
        };
        let links = self.component.ties().edges().filter_map(|edge| {
            Some(LinkView {
                a: named(edge.a)?,
                b: named(edge.b)?,
                source: self.source(edge.source),
                seq: edge.seq.0,
                at: edge.at,
                by: edge.grade.as_str(),
                probability: edge.probability(),
            })
        });
        links.collect()
    }

    fn traits(&self) -> Vec<TraitView> {
        let shown = self.person.profile.iter().filter_map(|(id, observations)| {
            let it = self.program.profile.get(id.index())?;
            let (source, at) = observations.origin()?;
            let value = observations.value().to_json(&it.kind);
            Some(TraitView { name: it.name.clone(), value, source: self.source(source), at })
        });
        shown.collect()
    }

    fn computed(&self) -> Vec<ComputedView> {
        let mut memo = Memo::default();
        let numbered = self.plan.rules.iter().enumerate().filter(|(_, it)| !it.is_segment);
        let shown = numbered.filter_map(|(index, it)| {
            let rule = RuleId(index as u32);
            let value: Datum<'_> = value_of(self.plan, self.person, rule, self.now, &mut memo).datum;
            value.is_known().then(|| ComputedView { rule, name: it.name.clone(), value: value.to_json(&it.kind) })
        });
        shown.collect()
    }

    fn journeys(&self) -> Vec<JourneyView> {
        let courses = self.person.travels.iter().flat_map(|travels| &travels.courses);
        let passages = courses.filter_map(|(id, course)| Some((self.plan.journeys.get(*id)?, course)));
        passages.flat_map(|(plan, course)| self.passages(plan, course)).collect()
    }

    fn passages(&self, plan: &JourneyPlan, course: &Course) -> Vec<JourneyView> {
        let name = &plan.journey.name;
        let per = |key: &Option<Known>| key.as_ref().map(|key| key.datum().to_json(&plan.key_kind));
        let under_way = course.instances.iter().map(|it| JourneyView {
            name: name.clone(),
            per: per(&it.key),
            status: WAITING,
            step: plan.journey.node(it.node).map(|node| node.label(self.program)),
            since: it.since,
            entered: it.entered,
        });
        // Somebody who is in it again is in it, whatever became of them before.
        let over = course.left.iter().filter(|left| course.place(left.key.as_ref()).is_none()).map(|it| JourneyView {
            name: name.clone(),
            per: per(&it.key),
            status: it.outcome.name(),
            step: None,
            since: it.at,
            entered: it.entered,
        });
        let mut all: Vec<JourneyView> = under_way.chain(over).collect();
        all.sort_by_key(|it| it.per.as_ref().map(ToString::to_string));
        all
    }

    fn segments(&self) -> Vec<SegmentView> {
        let named = self
            .plan
            .shown(self.segments)
            .filter_map(|(rule, since)| Some(SegmentView { rule, name: self.plan.rule(rule)?.name.clone(), since }));
        named.collect()
    }
}

/// All answers of somebody, in order, each as it counted: while a no binds, a yes that comes is none, and when that ends what
/// they said meanwhile is said then. Restrictions themselves are among them.
pub(crate) fn answers(plan: &Plan, person: &Person) -> Vec<AnswerView> {
    let unasked = plan.terms(person).unasked;
    let mut answers = Vec::new();
    for statement in person.answers.iter() {
        let counted = person.answers.as_of(statement.at, statement.seq);
        for (purpose, id) in plan.consent.purposes.iter().zip(0..) {
            if statement.said.to(PurposeId(id)).is_some() {
                let granted = counted.to(PurposeId(id)).unwrap_or(unasked & only(PurposeId(id)) != 0);
                let (purpose, at, seq) = (purpose.name.clone(), statement.at, statement.seq.0);
                answers.push(AnswerView { purpose, granted, at, seq });
            }
        }
    }
    answers
}
