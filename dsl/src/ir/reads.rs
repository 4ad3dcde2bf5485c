//! What items that are no rules read: expressions, and events that they count, wait for or begin with.

use super::experience::Shown;
use super::journey::{Entry, FieldValue, NodeKind};
use super::{EventSelector, Experience, Experiment, Expression, Funnel, Journey, Pattern, Prediction};

/// What one item reads.
#[derive(Debug, Default)]
pub struct Reads<'a> {
    /// All of its expressions, whole.
    pub expressions: Vec<&'a Expression>,
    /// The events that it names itself, not through an aggregate.
    pub events: Vec<EventSelector>,
}

impl<'a> Reads<'a> {
    fn pattern(&mut self, pattern: &'a Pattern) {
        self.events.push(pattern.event);
        self.expressions.extend(&pattern.filter);
    }

    fn fields(&mut self, fields: &'a [FieldValue]) {
        self.expressions.extend(fields.iter().map(|field| &field.value));
    }

    fn shown(&mut self, shown: &'a [Shown]) {
        self.expressions.extend(shown.iter().map(|shown| match shown {
            Shown::Value(field) => &field.value,
            Shown::Recommended { of, .. } => of,
        }));
    }
}

impl<'a> From<&'a Journey> for Reads<'a> {
    fn from(journey: &'a Journey) -> Self {
        let mut reads = Self::default();
        match &journey.entry {
            Entry::Event { pattern, .. } => reads.pattern(pattern),
            Entry::Condition(condition) => reads.expressions.push(condition),
        }
        journey.goals.iter().for_each(|goal| reads.pattern(goal));
        reads.expressions.extend(&journey.exits);
        for node in &journey.nodes {
            match &node.kind {
                NodeKind::WaitUntil { condition, .. } | NodeKind::If { condition, .. } => {
                    reads.expressions.push(condition);
                }
                NodeKind::WaitFor { pattern, .. } => reads.pattern(pattern),
                NodeKind::Send { fields, .. } => reads.fields(fields),
                NodeKind::SetTrait { value, .. } => reads.expressions.push(value),
                NodeKind::Wait { .. } | NodeKind::Split(_) | NodeKind::Exit => {}
            }
        }
        reads
    }
}

impl<'a> From<&'a Funnel> for Reads<'a> {
    fn from(funnel: &'a Funnel) -> Self {
        let mut reads = Self::default();
        funnel.steps.iter().for_each(|step| reads.pattern(&step.pattern));
        reads.expressions.extend(funnel.breakdowns.iter().map(|it| &it.value));
        reads
    }
}

impl<'a> From<&'a Experiment> for Reads<'a> {
    fn from(experiment: &'a Experiment) -> Self {
        let mut reads = Self::default();
        reads.pattern(&experiment.on);
        reads.expressions.extend(experiment.goals.iter().map(|goal| &goal.value));
        reads
    }
}

impl<'a> From<&'a Experience> for Reads<'a> {
    fn from(experience: &'a Experience) -> Self {
        let mut reads = Self::default();
        for arm in &experience.arms {
            reads.expressions.push(&arm.condition);
            reads.shown(&arm.show);
        }
        reads.shown(&experience.otherwise);
        reads
    }
}

impl<'a> From<&'a Prediction> for Reads<'a> {
    fn from(prediction: &'a Prediction) -> Self {
        let features = prediction.features.iter().map(|feature| &feature.value);
        let expressions = [&prediction.label, &prediction.population].into_iter().chain(features).collect();
        Self { expressions, events: Vec::new() }
    }
}
