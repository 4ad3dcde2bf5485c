//! What the language front makes of all `.sonder` files: the part of a [`Program`](super::Program) that rules decide.

use super::{Aggregate, AggregateId, Experience, Experiment, Funnel, Journey, Prediction, Rule, RuleId};
use crate::model::{ContextField, SlotPath};
use crate::source::Span;
use crate::syntax::ast::Name;
use std::collections::{BTreeMap, BTreeSet};

/// Rules, resolved and typed. Made by `lower`, joined with the YAML declarations by [`compile`](crate::compile).
#[derive(Clone, Debug, Default)]
pub struct Lowered {
    /// By `EventId`: the properties that rules read, the `slots` of that event's schema.
    pub slots: Vec<Vec<SlotPath>>,
    /// The context fields that rules read.
    pub context_slots: Vec<ContextField>,
    /// What rules ask of histories, each once.
    pub aggregates: Vec<Aggregate>,
    /// What nothing but the following asks of histories; see [`Program::asked`](super::Program::asked).
    pub asked: Vec<Aggregate>,
    /// Plugins that journeys send with, and that have not said what they take.
    pub undescribed: BTreeSet<String>,
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
    /// Segments and computed traits. INVARIANT: whatever a rule reads stands before it.
    pub rules: Vec<Rule>,
    /// By `RuleId`: where its name is declared.
    pub rule_places: Vec<Span>,
    /// By `RuleId`: what its `purpose` clause names.
    pub rule_purposes: Vec<Option<Name>>,
    /// By the name of an item that is no rule: what its `purpose` clause names.
    pub item_purposes: BTreeMap<String, Name>,
    /// By the name of a journey, then by `NodeId`: where it is written.
    pub journey_places: BTreeMap<String, Vec<NodePlace>>,
    /// Names of rules that are declared but have errors, with their places: a reference to one is not a second error.
    pub faulty_rules: Vec<(String, Span)>,
    /// By `EventId`: the aggregates that one of its events may change.
    pub aggregates_of_event: Vec<Vec<AggregateId>>,
    /// By `AggregateId`: all rules whose value may change with it; sorted.
    pub rules_of_aggregate: Vec<Vec<RuleId>>,
    /// By `ProfileTraitId`: all rules whose value may change with it; sorted.
    pub rules_of_profile_trait: Vec<Vec<RuleId>>,
}

/// Where a node of a journey is written.
#[derive(Clone, Debug)]
pub struct NodePlace {
    /// What is sent or set, by its name; of other nodes the statement.
    pub at: Span,
    /// By what is sent, or of what is set: the value.
    pub values: Vec<Span>,
}
