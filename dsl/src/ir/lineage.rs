//! What items read of the data that a project declares, down to single properties: what `sonder docs plan` shows of each.
//!
//! Only what an item names itself counts: who wants to know what a rule reads through other rules follows [`Datum::Rule`].

use super::experience::Shown;
use super::journey::{Entry, NodeKind};
use super::{
    Aggregate, EventId, EventSelector, Experience, Experiment, Expression, Function, Funnel, Journey, Pattern,
    Prediction, ProfileTraitId, Program, PropertySlot, Rule, RuleId,
};
use std::collections::BTreeSet;

/// Something that is read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Datum {
    /// That an event of every type happened.
    AnyEvent,
    /// That an event of this type happened.
    Event(EventId),
    /// A property of it, as its path: `total`, `address.city`.
    Property(EventId, String),
    /// A field that comes with every event, as its path: `device.type`.
    Context(String),
    /// A trait of the golden record.
    Profile(ProfileTraitId),
    /// A segment or a computed trait.
    Rule(RuleId),
}

/// What a segment or a computed trait reads.
#[must_use]
pub fn of_rule(program: &Program, rule: &Rule) -> BTreeSet<Datum> {
    let mut reads = Reads::of(program);
    reads.expression(&rule.expression, &[]);
    reads.found
}

/// What a journey reads: to let people in and out, to decide, and to send.
#[must_use]
pub fn of_journey(program: &Program, journey: &Journey) -> BTreeSet<Datum> {
    let mut reads = Reads::of(program);
    // The event that people come in with is step 0 of everything else.
    let entering: Vec<EventSelector> = match &journey.entry {
        Entry::Event { pattern, per } => {
            reads.pattern(pattern, &[]);
            if let Some(per) = per {
                reads.property(Some(pattern.event), per.slot);
                per.elsewhere.iter().for_each(|(event, slot)| reads.property(Some(EventSelector::One(*event)), *slot));
            }
            vec![pattern.event]
        }
        Entry::Condition(condition) => {
            reads.expression(condition, &[]);
            Vec::new()
        }
    };
    journey.goals.iter().for_each(|goal| reads.pattern(goal, &entering));
    journey.exits.iter().for_each(|exit| reads.expression(exit, &entering));
    for node in &journey.nodes {
        match &node.kind {
            NodeKind::WaitUntil { condition, .. } | NodeKind::If { condition, .. } => {
                reads.expression(condition, &entering);
            }
            NodeKind::WaitFor { pattern, .. } => reads.pattern(pattern, &entering),
            NodeKind::Send { fields, .. } => {
                fields.iter().for_each(|field| reads.expression(&field.value, &entering));
            }
            NodeKind::SetTrait { value, .. } => reads.expression(value, &entering),
            NodeKind::Wait { .. } | NodeKind::Split(_) | NodeKind::Exit => {}
        }
    }
    reads.found
}

/// What a funnel reads.
#[must_use]
pub fn of_funnel(program: &Program, funnel: &Funnel) -> BTreeSet<Datum> {
    let mut reads = Reads::of(program);
    let mut steps = Vec::new();
    for step in &funnel.steps {
        reads.pattern(&step.pattern, &steps);
        steps.push(step.pattern.event);
    }
    funnel.breakdowns.iter().for_each(|by| reads.expression(&by.value, &steps));
    reads.found
}

/// What an experiment reads.
#[must_use]
pub fn of_experiment(program: &Program, experiment: &Experiment) -> BTreeSet<Datum> {
    let mut reads = Reads::of(program);
    reads.pattern(&experiment.on, &[]);
    experiment.goals.iter().for_each(|goal| reads.expression(&goal.value, &[experiment.on.event]));
    reads.found
}

/// What an experience reads.
#[must_use]
pub fn of_experience(program: &Program, experience: &Experience) -> BTreeSet<Datum> {
    let mut reads = Reads::of(program);
    experience.arms.iter().for_each(|arm| reads.expression(&arm.condition, &[]));
    let shown = experience.arms.iter().flat_map(|arm| &arm.show).chain(&experience.otherwise);
    for shown in shown {
        match shown {
            Shown::Value(field) => reads.expression(&field.value, &[]),
            Shown::Recommended { of, .. } => reads.expression(of, &[]),
        }
    }
    reads.found
}

/// What a prediction reads.
#[must_use]
pub fn of_prediction(program: &Program, prediction: &Prediction) -> BTreeSet<Datum> {
    let mut reads = Reads::of(program);
    let features = prediction.features.iter().map(|feature| &feature.value);
    [&prediction.label, &prediction.population].into_iter().chain(features).for_each(|it| reads.expression(it, &[]));
    reads.found
}

struct Reads<'a> {
    program: &'a Program,
    found: BTreeSet<Datum>,
}

impl<'a> Reads<'a> {
    const fn of(program: &'a Program) -> Self {
        Self { program, found: BTreeSet::new() }
    }

    /// Events that fit; `before` are those that its filter may name as steps.
    fn pattern(&mut self, pattern: &Pattern, before: &[EventSelector]) {
        self.found.insert(match pattern.event {
            EventSelector::One(id) => Datum::Event(id),
            EventSelector::Any => Datum::AnyEvent,
        });
        if let Some(filter) = &pattern.filter {
            self.expression(filter, &[before, &[pattern.event]].concat());
        }
    }

    /// `steps` are the events that it may name: the last is the one at hand, where there is one.
    fn expression(&mut self, expression: &Expression, steps: &[EventSelector]) {
        match expression {
            Expression::Property(slot) => self.property(steps.last().copied(), *slot),
            Expression::Step { step, slot } => self.property(steps.get(usize::from(*step)).copied(), *slot),
            Expression::Context(slot) => {
                let field = self.program.context_slots.get(slot.index());
                self.found.extend(field.map(|field| Datum::Context(field.path.join("."))));
            }
            Expression::Profile(id) => _ = self.found.insert(Datum::Profile(*id)),
            Expression::Rule(id) => _ = self.found.insert(Datum::Rule(*id)),
            Expression::Aggregate(id) => {
                if let Some(aggregate) = self.program.aggregate(*id) {
                    self.aggregate(aggregate);
                }
            }
            other => other.children().into_iter().flatten().for_each(|child| self.expression(child, steps)),
        }
    }

    fn aggregate(&mut self, aggregate: &Aggregate) {
        self.pattern(&aggregate.pattern, &[]);
        for slot in aggregate.value.iter().chain(&aggregate.per) {
            self.property(Some(aggregate.pattern.event), *slot);
        }
        if let Function::Sequence(sequence) = &aggregate.function {
            let mut steps = vec![aggregate.pattern.event];
            for step in &sequence.then {
                self.pattern(&step.pattern, &steps);
                steps.push(step.pattern.event);
            }
            if let Some(absence) = &sequence.absence {
                self.pattern(&absence.pattern, &steps);
            }
        }
    }

    fn property(&mut self, event: Option<EventSelector>, slot: PropertySlot) {
        let Some(EventSelector::One(id)) = event else { return };
        let path = self.program.events.get(id.index()).and_then(|event| event.slots.get(slot.index()));
        self.found.extend(path.map(|slot| Datum::Property(id, slot.path.join("."))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{SourceFile, SourceSet};

    const FILES: &[(&str, &str)] = &[
        ("sonder.yaml", "name: shop"),
        (
            "events/order.yaml",
            "event: order\nproperties: {cart: {type: string}, total: {type: number}, ship: {type: object, properties: {zip: {type: string}}}}",
        ),
        ("events/view.yaml", "event: view\nproperties: {product: {type: string}, price: {type: number}}"),
        ("events/add.yaml", "event: add\nproperties: {product: {type: string}, cart: {type: string}}"),
        ("profile.yaml", "traits: {country: {type: string}, plan: {type: string}}"),
    ];

    /// What the only item of a rule file reads, in words.
    fn reads(rules: &str, of: impl Fn(&Program) -> BTreeSet<Datum>) -> Vec<String> {
        let files = FILES.iter().copied().chain([("rules/r.sonder", rules)]);
        let files = files.map(|(path, text)| SourceFile { path: path.to_owned(), text: text.to_owned() });
        let compilation = crate::compile(SourceSet::new(files.collect()));
        let program = compilation.program.ok_or(compilation.diagnostics).unwrap();
        let name = |id: EventId| program.events[id.index()].name.clone();
        of(&program)
            .into_iter()
            .map(|datum| match datum {
                Datum::AnyEvent => "any".to_owned(),
                Datum::Event(id) => name(id),
                Datum::Property(id, path) => format!("{}.{path}", name(id)),
                Datum::Context(path) => format!("context.{path}"),
                Datum::Profile(id) => format!("profile.{}", program.profile[id.index()].name),
                Datum::Rule(id) => format!("rule {}", program.rules[id.index()].name),
            })
            .collect()
    }

    fn rule(rules: &str) -> Vec<String> {
        reads(rules, |program| of_rule(program, program.rules.last().unwrap()))
    }

    #[test]
    fn a_rule_reads_the_events_and_properties_that_it_names() {
        for (text, expected) in [
            ("trait t = sum(order.total)", &["order", "order.total"][..]),
            (
                "segment s { when count(view where price > 3, per product) >= 3 }",
                &["view", "view.price", "view.product"],
            ),
            ("segment s { when did(order where ship.zip == \"1\") }", &["order", "order.ship.zip"]),
            ("segment s { when did(view where context.device.type == \"mobile\") }", &["view", "context.device.type"]),
            (
                "segment s { when sequence(view as v then add where product == v.product then no order for 30m) }",
                &["add", "add.product", "order", "view", "view.product"],
            ),
            ("segment s { when count(any, last 7d) > 3 and profile.country is known }", &["any", "profile.country"]),
            ("trait t = count(view)\nsegment s { when t > 3 and profile.plan == \"x\" }", &["profile.plan", "rule t"]),
        ] {
            let mut found = rule(text);
            found.sort();
            let mut expected = expected.to_vec();
            expected.sort_unstable();
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn a_journey_reads_what_lets_people_in_and_what_it_waits_for() {
        let text = "journey j {\n  enter on add as a where product != \"x\" per a.cart\n  goal order where cart == a.cart\n  \
                    exit when profile.plan == \"gone\"\n  wait for view where product == a.product up to 1d {} else {}\n}";
        let found = reads(text, |program| of_journey(program, &program.journeys[0]));
        for part in ["add", "add.product", "add.cart", "order", "order.cart", "profile.plan", "view", "view.product"] {
            assert!(found.iter().any(|it| it == part), "{part} is not in {found:?}");
        }
        assert_eq!(found.len(), 8, "{found:?}");
    }

    #[test]
    fn funnels_experiments_and_predictions_read_too() {
        let funnel = "funnel f { view as v then order where total > 3\n within 7d\n by profile.country, v.product }";
        let found = reads(funnel, |program| of_funnel(program, &program.funnels[0]));
        assert_eq!(found, ["order", "view", "order.total", "view.product", "profile.country"]);
        let experiment = "experiment e { variants a 50%, b 50%\n on add\n goal sum(order.total, next 7d) }";
        let found = reads(experiment, |program| of_experiment(program, &program.experiments[0]));
        assert_eq!(found, ["add", "order", "order.total"]);
        let experience = "experience x { when did(view) show { t: profile.plan } otherwise show { t: \"x\" } }";
        let found = reads(experience, |program| of_experience(program, &program.experiences[0]));
        assert_eq!(found, ["view", "profile.plan"]);
    }
}
