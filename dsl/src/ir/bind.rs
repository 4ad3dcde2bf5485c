//! Binding: under a `consent.yaml` whatever has a purpose asks only about events that people consented to for it.
//!
//! The aggregates of a rule or journey with a purpose become aggregates for that purpose. A rule without a purpose, which
//! sees everything, is written out where one with a purpose reads it, so that nothing comes in through it.
//!
//! INVARIANT: afterwards, a rule with a purpose reads aggregates and rules of that purpose only.

use super::journey::{Entry, NodeKind};
use super::lower::events_of;
use super::{
    Aggregate, AggregateId, Experience, Experiment, Expression, Fingerprint, Funnel, Journey, Prediction, Program,
    PurposeId, Reads, RuleId, enough,
};
use crate::diagnostic::{Diagnostic, Report, codes};
use crate::ir::experience::Shown;
use crate::limits;
use std::collections::{BTreeMap, BTreeSet};
use xxhash_rust::xxh3::Xxh3;

/// Binds all that has a purpose.
pub(crate) fn bind(program: &mut Program, report: &mut Report) {
    if !program.consent.enforced {
        return;
    }
    let mut aggregates = std::mem::take(&mut program.aggregates);
    aggregates.append(&mut program.asked);
    let open = program.rules.iter().map(|rule| rule.purpose.is_none().then(|| rule.expression.clone())).collect();
    let mut binder = Binder { open, aggregates, copies: BTreeMap::new(), names: names(program), nodes: 0 };
    for rule in &mut program.rules {
        let Some(purpose) = rule.purpose.as_deref().and_then(|name| program.consent.purpose(name)) else { continue };
        binder.bind(&mut rule.expression, purpose);
        binder.report(&rule.name, report);
        rule.fingerprint = for_purpose(rule.fingerprint, rule.purpose.as_deref().unwrap_or_default());
    }
    for journey in &mut program.journeys {
        let Some(purpose) = journey.purpose.as_deref().and_then(|name| program.consent.purpose(name)) else { continue };
        of_journey(journey, &mut |expression| binder.bind(expression, purpose));
        binder.report(&journey.name, report);
        journey.fingerprint = for_purpose(journey.fingerprint, journey.purpose.as_deref().unwrap_or_default());
    }
    renumber(program, binder.aggregates);
    index(program);
}

fn names(program: &Program) -> Vec<String> {
    program.consent.purposes.iter().map(|purpose| purpose.name.clone()).collect()
}

struct Binder {
    /// By `RuleId`: what a rule without a purpose says.
    open: Vec<Option<Expression>>,
    aggregates: Vec<Aggregate>,
    copies: BTreeMap<(AggregateId, PurposeId), AggregateId>,
    names: Vec<String>,
    /// How much was written out for the item at hand.
    nodes: usize,
}

impl Binder {
    fn bind(&mut self, expression: &mut Expression, purpose: PurposeId) {
        expression.walk_mut(&mut |part| match part {
            Expression::Aggregate(id) => *id = self.copy(*id, purpose),
            Expression::Rule(id) => {
                let open = self.open.get(id.index()).cloned().flatten();
                if let Some(mut written) = open.filter(|_| self.nodes < limits::BOUND_NODES) {
                    written.walk(&mut |_| self.nodes += 1);
                    self.bind(&mut written, purpose);
                    *part = written;
                }
            }
            _ => {}
        });
    }

    fn copy(&mut self, id: AggregateId, purpose: PurposeId) -> AggregateId {
        if let Some(copy) = self.copies.get(&(id, purpose)) {
            return *copy;
        }
        let Some(mut copy) = self.aggregates.get(id.index()).cloned() else { return id };
        copy.purpose = Some(purpose);
        let name = self.names.get(purpose.index()).map_or("", String::as_str);
        copy.fingerprint = for_purpose(copy.fingerprint, name);
        let new = AggregateId(self.aggregates.len() as u32);
        self.aggregates.push(copy);
        self.copies.insert((id, purpose), new);
        new
    }

    fn report(&mut self, name: &str, report: &mut Report) {
        if std::mem::take(&mut self.nodes) >= limits::BOUND_NODES {
            let message = format!("`{name}` has a purpose, and reads too much through rules that have none");
            let help = "give the rules that it reads the same purpose";
            report.push(Diagnostic::general(codes::TOO_MANY_RULES, message).help(help));
        }
    }
}

/// The fingerprint of the same thing, seen for a purpose.
fn for_purpose(of: Fingerprint, purpose: &str) -> Fingerprint {
    let mut hash = Xxh3::new();
    hash.update(b"for");
    hash.update(&of.0.to_le_bytes());
    hash.update(purpose.as_bytes());
    Fingerprint(hash.digest())
}

/// Gives ids anew: first what rules and journeys read, then what only others do; what nobody reads any more goes.
fn renumber(program: &mut Program, aggregates: Vec<Aggregate>) {
    let mut kept: BTreeSet<AggregateId> = BTreeSet::new();
    let mut asked: BTreeSet<AggregateId> = BTreeSet::new();
    let note = |into: &mut BTreeSet<AggregateId>, expression: &Expression| {
        expression.walk(&mut |part| {
            if let Expression::Aggregate(id) = part {
                into.insert(*id);
            }
        });
    };
    program.rules.iter().for_each(|rule| note(&mut kept, &rule.expression));
    program.journeys.iter().flat_map(|it| Reads::from(it).expressions).for_each(|it| note(&mut kept, it));
    let others = (program.funnels.iter().map(Reads::from))
        .chain(program.experiments.iter().map(Reads::from))
        .chain(program.experiences.iter().map(Reads::from))
        .chain(program.predictions.iter().map(Reads::from));
    others.flat_map(|reads| reads.expressions).for_each(|it| note(&mut asked, it));
    let order = kept.iter().chain(asked.difference(&kept));
    let places: BTreeMap<AggregateId, AggregateId> =
        order.clone().zip(0..).map(|(old, new)| (*old, AggregateId(new))).collect();
    let mut in_order = order.filter_map(|id| aggregates.get(id.index()).cloned());
    program.aggregates = in_order.by_ref().take(kept.len()).collect();
    program.asked = in_order.collect();
    let mut move_ids = |expression: &mut Expression| {
        expression.walk_mut(&mut |part| {
            if let Expression::Aggregate(id) = part {
                *id = places.get(id).copied().unwrap_or(*id);
            }
        });
    };
    program.rules.iter_mut().for_each(|rule| move_ids(&mut rule.expression));
    program.journeys.iter_mut().for_each(|it| of_journey(it, &mut move_ids));
    program.funnels.iter_mut().for_each(|it| of_funnel(it, &mut move_ids));
    program.experiments.iter_mut().for_each(|it| of_experiment(it, &mut move_ids));
    program.experiences.iter_mut().for_each(|it| of_experience(it, &mut move_ids));
    program.predictions.iter_mut().for_each(|it| of_prediction(it, &mut move_ids));
}

/// What rules read, and the lists that say what an event, an aggregate or a trait may change.
fn index(program: &mut Program) {
    let of_journeys = program.journeys.iter().flat_map(|journey| Reads::from(journey).expressions);
    let readers = program.rules.iter().map(|rule| &rule.expression).chain(of_journeys);
    enough::bound(&mut program.aggregates, readers);
    for place in 0..program.rules.len() {
        let (before, rest) = program.rules.split_at_mut(place);
        let Some(rule) = rest.first_mut() else { continue };
        let (mut aggregates, mut traits, mut read) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
        rule.expression.walk(&mut |part| match part {
            Expression::Aggregate(id) => _ = aggregates.insert(*id),
            Expression::Profile(id) => _ = traits.insert(*id),
            Expression::Rule(id) => read.push(*id),
            _ => {}
        });
        for rule in read.into_iter().filter_map(|id: RuleId| before.get(id.index())) {
            aggregates.extend(&rule.aggregates);
            traits.extend(&rule.profile_traits);
        }
        rule.aggregates = aggregates.into_iter().collect();
        rule.profile_traits = traits.into_iter().collect();
    }
    program.aggregates_of_event = vec![Vec::new(); program.events.len()];
    for (aggregate, id) in program.aggregates.iter().zip(0..) {
        for event in events_of(aggregate, program.events.len()) {
            program.aggregates_of_event[event].push(AggregateId(id));
        }
    }
    program.rules_of_aggregate = vec![Vec::new(); program.aggregates.len()];
    program.rules_of_profile_trait = vec![Vec::new(); program.profile.len()];
    for (rule, id) in program.rules.iter().zip(0..) {
        rule.aggregates.iter().for_each(|it| program.rules_of_aggregate[it.index()].push(RuleId(id)));
        rule.profile_traits.iter().for_each(|it| program.rules_of_profile_trait[it.index()].push(RuleId(id)));
    }
}

type Change<'a> = &'a mut dyn FnMut(&mut Expression);

fn of_journey(journey: &mut Journey, change: Change<'_>) {
    if let Entry::Condition(condition) = &mut journey.entry {
        change(condition);
    }
    journey.exits.iter_mut().for_each(&mut *change);
    for node in &mut journey.nodes {
        match &mut node.kind {
            NodeKind::WaitUntil { condition, .. } | NodeKind::If { condition, .. } => change(condition),
            NodeKind::Send { fields, .. } => fields.iter_mut().for_each(|field| change(&mut field.value)),
            NodeKind::SetTrait { value, .. } => change(value),
            NodeKind::Wait { .. } | NodeKind::WaitFor { .. } | NodeKind::Split(_) | NodeKind::Exit => {}
        }
    }
}

fn of_funnel(funnel: &mut Funnel, change: Change<'_>) {
    funnel.breakdowns.iter_mut().for_each(|it| change(&mut it.value));
}

fn of_experiment(experiment: &mut Experiment, change: Change<'_>) {
    experiment.goals.iter_mut().for_each(|goal| change(&mut goal.value));
}

fn of_experience(experience: &mut Experience, change: Change<'_>) {
    for arm in &mut experience.arms {
        change(&mut arm.condition);
        arm.show.iter_mut().for_each(|shown| of_shown(shown, change));
    }
    experience.otherwise.iter_mut().for_each(|shown| of_shown(shown, change));
}

fn of_shown(shown: &mut Shown, change: Change<'_>) {
    match shown {
        Shown::Value(field) => change(&mut field.value),
        Shown::Recommended { of, .. } => change(of),
    }
}

fn of_prediction(prediction: &mut Prediction, change: Change<'_>) {
    change(&mut prediction.label);
    change(&mut prediction.population);
    prediction.features.iter_mut().for_each(|feature| change(&mut feature.value));
}
