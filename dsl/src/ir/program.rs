//! A whole project, compiled.

use super::{
    Aggregate, AggregateId, EventId, Experience, Experiment, Expression, Fingerprint, Funnel, Journey, JourneyId,
    Prediction, ProfileTraitId, RuleId, Type,
};
use crate::model::{
    Consent, ContextField, Destination, EventSchema, Identity, ProfileTrait, Rollout, Settings, Source,
};
use indexmap::IndexMap;

/// An immutable, diagnostic-free project. Made by [`compile`](crate::compile) only.
#[derive(Clone, Debug)]
pub struct Program {
    /// `sonder.yaml`.
    pub settings: Settings,
    /// `events/*.yaml`, sorted by name.
    pub events: Vec<EventSchema>,
    /// Every name and alias an event may be sent under, folded (see [`fold_event_name`](crate::model::fold_event_name)).
    pub event_names: IndexMap<String, EventId>,
    /// `sources/*.yaml`, sorted by name.
    pub sources: Vec<Source>,
    /// `identity.yaml`.
    pub identity: Identity,
    /// `consent.yaml`, or the purposes that are named without one.
    pub consent: Consent,
    /// `profile.yaml`, in its order.
    pub profile: Vec<ProfileTrait>,
    /// `destinations/*.yaml`, sorted by name.
    pub destinations: Vec<Destination>,
    /// The context fields that rules read.
    pub context_slots: Vec<ContextField>,
    /// What rules and journeys ask of histories, each once.
    pub aggregates: Vec<Aggregate>,
    /// What nothing but experiments, experiences and predictions asks of histories: their ids go on where those of
    /// `aggregates` end. No state is kept of them.
    pub asked: Vec<Aggregate>,
    /// Segments and computed traits. INVARIANT: whatever a rule reads stands before it.
    pub rules: Vec<Rule>,
    /// Sorted by name.
    pub journeys: Vec<Journey>,
    /// Sorted by name.
    pub funnels: Vec<Funnel>,
    /// Sorted by name.
    pub experiments: Vec<Experiment>,
    /// Sorted by name.
    pub experiences: Vec<Experience>,
    /// Sorted by name.
    pub predictions: Vec<Prediction>,
    /// For each event type, the aggregates that one of its events may change; indexed by `EventId`.
    pub aggregates_of_event: Vec<Vec<AggregateId>>,
    /// For each aggregate, all rules whose value may change with it, also through other rules; sorted.
    pub rules_of_aggregate: Vec<Vec<RuleId>>,
    /// For each profile trait, all rules whose value may change with it; sorted.
    pub rules_of_profile_trait: Vec<Vec<RuleId>>,
    /// `rollout.yaml`: to how many people the rules are rolled out.
    pub rollout: Option<Rollout>,
    /// Of everything that has a meaning at run time.
    pub fingerprint: Fingerprint,
    /// The region of the engine that runs it; no file says it. What it means to an engine is no other in another region, but for
    /// whom it is about and who is told, so that the fingerprint is the same.
    pub region: Option<String>,
}

/// A segment or a computed trait.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Unique among rules.
    pub name: String,
    /// What it was called before, the latest name first.
    pub was: Vec<String>,
    /// The text after the name.
    pub description: Option<String>,
    /// Segment or trait.
    pub kind: RuleKind,
    /// What it is for, as its `purpose` clause says.
    pub purpose: Option<String>,
    /// Its value for a person at a moment.
    pub expression: Expression,
    /// The source text of the expression, as written.
    pub source: String,
    /// Where it is declared: path and line, for people.
    pub place: String,
    /// All aggregates it reads, also through other rules; sorted.
    pub aggregates: Vec<AggregateId>,
    /// All profile traits it reads, also through other rules; sorted.
    pub profile_traits: Vec<ProfileTraitId>,
    /// Its value may differ at every moment, as that of `trait idle = since(page_viewed)` does: it is computed when
    /// somebody reads it, and its growing is not a change to tell anybody.
    pub continuous: bool,
    /// Of its meaning and that of all it reads.
    pub fingerprint: Fingerprint,
}

/// What a rule is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleKind {
    /// Its expression is a bool.
    Segment,
    /// A computed trait of this type.
    Trait(Type),
}

impl Program {
    /// The same, as an engine runs it that stands in a region.
    #[must_use]
    pub fn in_region(&self, region: Option<String>) -> Self {
        Self { region, ..self.clone() }
    }

    /// The event type that is sent under `name`, which may be an alias in any spelling that folds to it.
    #[must_use]
    pub fn event_named(&self, name: &str) -> Option<EventId> {
        self.event_names.get(&crate::model::fold_event_name(name)).copied()
    }

    /// An aggregate, also one that no rule reads.
    #[must_use]
    pub fn aggregate(&self, id: AggregateId) -> Option<&Aggregate> {
        self.aggregates.get(id.index()).or_else(|| self.asked.get(id.index().checked_sub(self.aggregates.len())?))
    }

    /// The funnel of that name.
    #[must_use]
    pub fn funnel_named(&self, name: &str) -> Option<&Funnel> {
        self.funnels.iter().find(|funnel| funnel.name == name)
    }

    /// The journey of that name.
    #[must_use]
    pub fn journey_named(&self, name: &str) -> Option<(JourneyId, &Journey)> {
        let index = self.journeys.iter().position(|journey| journey.name == name)?;
        Some((JourneyId(u16::try_from(index).ok()?), &self.journeys[index]))
    }

    /// The rule of that name.
    #[must_use]
    pub fn rule_named(&self, name: &str) -> Option<(RuleId, &Rule)> {
        let index = self.rules.iter().position(|rule| rule.name == name)?;
        Some((RuleId(u32::try_from(index).ok()?), &self.rules[index]))
    }

    /// Segments only, in evaluation order.
    pub fn segments(&self) -> impl Iterator<Item = (RuleId, &Rule)> {
        self.rules.iter().enumerate().filter_map(|(index, rule)| match rule.kind {
            RuleKind::Segment => Some((RuleId(index as u32), rule)),
            RuleKind::Trait(_) => None,
        })
    }
}
