//! Funnels over a history: how far people came, straight from the definition in [`sonder_dsl::ir::funnel`].
//!
//! Figures for people to look at, not state: computed when somebody asks, O(entries × events) a person.

use crate::aggregate::spec::selects;
use crate::datum::Datum;
use crate::evaluate::{Answer, Scene, evaluate};
use crate::record::{Event, Seq};
use serde::Serialize;
use serde_json::{Map, Value as Json};
use sonder_dsl::ir::{Expression, Funnel, Pattern};
use sonder_dsl::time::Moment;

/// Figures for people with the same values of the breakdowns.
#[derive(Clone, Debug, PartialEq)]
pub struct FunnelGroup {
    /// The values, `null` where unknown, in the order of the breakdowns.
    pub by: Vec<Json>,
    /// For each step, how many reached it, and how many were lost right before it.
    pub steps: Vec<(u64, u64)>,
}

#[derive(Serialize)]
struct GroupLine<'a> {
    funnel: &'a str,
    by: Map<String, Json>,
    steps: Vec<StepLine<'a>>,
}

#[derive(Serialize)]
struct StepLine<'a> {
    step: &'a str,
    people: u64,
    dropped: u64,
}

/// One line of JSON a group, in an order that only the values decide.
#[must_use]
pub fn lines(funnel: &Funnel, mut groups: Vec<FunnelGroup>) -> Vec<String> {
    groups.sort_by_cached_key(|group| Json::from(group.by.clone()).to_string());
    let line = |group: &FunnelGroup| GroupLine {
        funnel: &funnel.name,
        by: funnel.breakdowns.iter().map(|it| it.name.clone()).zip(group.by.iter().cloned()).collect(),
        steps: funnel
            .steps
            .iter()
            .zip(&group.steps)
            .map(|(step, (people, dropped))| StepLine { step: &step.name, people: *people, dropped: *dropped })
            .collect(),
    };
    groups.iter().filter_map(|group| serde_json::to_string(&line(group)).ok()).collect()
}

/// Counts a person who took the first `reached` steps, at least one.
pub(crate) fn count(groups: &mut Vec<FunnelGroup>, funnel: &Funnel, by: Vec<Json>, reached: usize) {
    let place = groups.iter().position(|group| group.by == by).unwrap_or_else(|| {
        groups.push(FunnelGroup { by, steps: vec![(0, 0); funnel.steps.len()] });
        groups.len() - 1
    });
    for (step, (people, dropped)) in groups[place].steps.iter_mut().enumerate() {
        *people += u64::from(step < reached);
        *dropped += u64::from(step == reached);
    }
}

/// The events that took a person as far as they came; none for who never entered. Their events come sorted.
pub(crate) fn furthest<'e>(funnel: &Funnel, events: &[(Seq, &'e Event)]) -> Vec<&'e Event> {
    let mut best: Vec<&Event> = Vec::new();
    for start in 0..events.len() {
        let chain = chain_from(funnel, events, start);
        // Entries come in their order: of those that came equally far the latest counts.
        if chain.len() >= best.len() && !chain.is_empty() {
            best = chain;
        }
    }
    best
}

fn chain_from<'e>(funnel: &Funnel, events: &[(Seq, &'e Event)], start: usize) -> Vec<&'e Event> {
    let mut chain: Vec<&Event> = Vec::new();
    let mut rest = &events[start..];
    for step in &funnel.steps {
        let found = match (chain.first(), chain.last()) {
            (Some(first), Some(before)) => rest.iter().position(|(_, it)| {
                it.occurred_at.since(first.occurred_at) <= funnel.within
                    && step.within.is_none_or(|within| it.occurred_at.since(before.occurred_at) <= within)
                    && fits(&step.pattern, it, &chain)
            }),
            _ => rest.first().filter(|(_, it)| fits(&step.pattern, it, &[])).map(|_| 0),
        };
        let Some(found) = found else { break };
        chain.push(rest[found].1);
        rest = &rest[found + 1..];
    }
    chain
}

fn fits(pattern: &Pattern, event: &Event, chain: &[&Event]) -> bool {
    event.event.is_some_and(|kind| selects(pattern.event, kind))
        && pattern.filter.as_ref().is_none_or(|filter| is_true(filter, event, chain))
}

fn is_true(filter: &Expression, event: &Event, chain: &[&Event]) -> bool {
    evaluate(filter, &StepScene { event, chain }, Moment::MIN).datum.is_true()
}

/// The value of a breakdown that is of the events.
pub(crate) fn value_of_events<'e>(value: &'e Expression, chain: &[&'e Event]) -> Datum<'e> {
    let Some(event) = chain.first() else { return Datum::Unknown };
    StepScene { event, chain }.leaf(value, Moment::MIN).datum
}

/// An event, and those that the steps before it took.
struct StepScene<'e, 'c> {
    event: &'e Event,
    chain: &'c [&'e Event],
}

impl<'e> Scene<'e> for StepScene<'e, '_> {
    fn leaf(&self, leaf: &'e Expression, _now: Moment) -> Answer<'e> {
        let value = match leaf {
            Expression::Property(slot) => self.event.properties.get(slot.index()),
            Expression::Context(slot) => self.event.context.get(slot.index()),
            Expression::Step { step, slot } => {
                self.chain.get(usize::from(*step)).and_then(|event| event.properties.get(slot.index()))
            }
            _ => None,
        };
        Answer::constant(value.and_then(Option::as_ref).into())
    }
}
