//! Typing of what looks ahead: experiments, whose goals come after an event, and predictions, whose label comes after a
//! moment.

use super::expression::{Checker, excerpt};
use super::scope::{Scope, Setting};
use super::value::{Typed, noun};
use crate::diagnostic::{Diagnostic, codes};
use crate::ir::experiment::{Experiment, Goal, Variant};
use crate::ir::fingerprint::Digest;
use crate::ir::prediction::{Feature, Prediction};
use crate::ir::{Expression, Fingerprint, Type, Window};
use crate::source::Span;
use crate::syntax::ast::{self, Item};

impl Checker<'_> {
    /// An experiment; `None` when something in it has been reported.
    pub fn experiment(&mut self, item: &Item, experiment: &ast::Experiment) -> Option<Experiment> {
        let on = experiment.on.as_ref().map(|on| self.lone_event("on", on));
        let goals: Vec<Option<Goal>> = experiment
            .goals
            .iter()
            .map(|goal| {
                let typed = self.ahead(goal, "a goal")?;
                let (value, kind) = (typed.expression, typed.kind);
                Some(Goal { source: excerpt(self.sources, goal.span), value, kind })
            })
            .collect();
        let variants = experiment.variants.iter().map(|variant| &variant.value);
        let mut found = Experiment {
            name: item.name.value.clone(),
            description: item.description.as_ref().map(|text| text.value.clone()),
            purpose: item.purpose.as_ref().map(|purpose| purpose.value.clone()),
            variants: variants
                .map(|variant| Variant { name: variant.name.value.clone(), share: variant.share.value })
                .collect(),
            on: on??.0,
            goals: goals.into_iter().collect::<Option<_>>()?,
            place: self.place(item),
            fingerprint: Fingerprint::default(),
        };
        let mut digest = Digest::new(&self.interner, Vec::new());
        digest.text(found.purpose.as_deref().unwrap_or_default());
        digest.event(&found.on);
        for variant in &found.variants {
            digest.text(&variant.name);
            digest.number(variant.share.0.into());
        }
        found.goals.iter().for_each(|goal| digest.expression(&goal.value));
        found.fingerprint = digest.finish();
        Some(found)
    }

    /// A prediction; `None` when something in it has been reported.
    pub fn prediction(&mut self, item: &Item, prediction: &ast::Prediction) -> Option<Prediction> {
        let label = prediction.label.as_ref().map(|label| self.ahead(label, "a label"));
        self.setting = Setting::default();
        let population = prediction.population.as_ref();
        let population = population.map(|condition| self.person_condition(condition, "`for` needs a condition"));
        let features: Vec<Option<Feature>> = prediction.features.iter().map(|feature| self.feature(feature)).collect();
        let label = label??;
        let mut found = Prediction {
            name: item.name.value.clone(),
            description: item.description.as_ref().map(|text| text.value.clone()),
            purpose: item.purpose.as_ref().map(|purpose| purpose.value.clone()),
            label: label.expression,
            kind: label.kind,
            population: population??,
            features: features.into_iter().collect::<Option<_>>()?,
            place: self.place(item),
            fingerprint: Fingerprint::default(),
        };
        let mut digest = Digest::new(&self.interner, Vec::new());
        digest.text(found.purpose.as_deref().unwrap_or_default());
        digest.expression(&found.label);
        digest.expression(&found.population);
        found.features.iter().for_each(|feature| digest.expression(&feature.value));
        found.fingerprint = digest.finish();
        Some(found)
    }

    /// A value that comes after the moment at hand; `what` it is called.
    fn ahead(&mut self, expression: &ast::Expression, what: &str) -> Option<Typed> {
        self.setting = Setting { entering: None, ahead: true };
        let typed = self.expression(expression, Scope::Person);
        self.setting = Setting::default();
        let typed = typed?;
        self.accept(super::operator::refuse_personal(&typed))?;
        if !matches!(typed.kind, Type::Bool | Type::Int | Type::Decimal { .. } | Type::Float) {
            let noun = noun(&typed.kind);
            let message = format!("{what} is a yes or no or a number, and this is {noun}");
            self.report(
                Diagnostic::error(codes::WRONG_OUTCOME, message, typed.span, noun)
                    .help("ask whether something happens, or how often or how much: `did(order, next 7d)`"),
            );
            return None;
        }
        let mut looks_ahead = false;
        typed.expression.walk(&mut |part| {
            if let Expression::Aggregate(id) = part {
                looks_ahead |= matches!(self.interner.window(*id), Some(Window::Next(_)));
            }
        });
        if !looks_ahead {
            self.report(no_future(what, typed.span));
            return None;
        }
        Some(typed)
    }

    fn feature(&mut self, expression: &ast::Expression) -> Option<Feature> {
        let typed = self.expression(expression, Scope::Person)?;
        self.accept(super::operator::refuse_personal(&typed))?;
        if matches!(typed.kind, Type::List(_)) {
            self.report(
                Diagnostic::error(codes::WRONG_OUTCOME, "a list is no feature", typed.span, noun(&typed.kind))
                    .help("count it or name a single value"),
            );
            return None;
        }
        let source = excerpt(self.sources, expression.span);
        Some(Feature { source, value: typed.expression, kind: typed.kind })
    }
}

fn no_future(what: &str, span: Span) -> Diagnostic {
    Diagnostic::error(codes::WRONG_OUTCOME, format!("{what} that looks back"), span, "no `next` in it")
        .help("say how far it looks ahead: `did(order, next 7d)`")
}
