//! A person's values at the moment of the explanation and after it, as the fold would see them if nothing happened.

use crate::datum::Datum;
use crate::evaluate::{Answer, evaluate};
use crate::limits;
use crate::person::Person;
use crate::plan::Plan;
use crate::rules::{Memo, PersonScene, value_of};
use sonder_dsl::ir::{Expression, RuleId};
use sonder_dsl::time::Moment;
use std::cmp::Ordering;

/// One person, at any moment from now on.
pub(super) struct Moments<'a> {
    plan: &'a Plan,
    pub person: &'a Person,
    /// The answers of all rules, at one moment.
    known: Option<(Moment, Memo<'a>)>,
}

/// When a value changes by itself.
pub(super) enum Turn<'a> {
    Never,
    At(Moment, Datum<'a>),
    Always,
    Later(Moment),
}

impl<'a> Moments<'a> {
    pub fn new(plan: &'a Plan, person: &'a Person) -> Self {
        Self { plan, person, known: None }
    }

    /// The value of an expression as of a moment, and until when it holds.
    pub fn answer(&mut self, expression: &'a Expression, at: Moment) -> Answer<'a> {
        let reads = rules_read(expression);
        if self.known.as_ref().is_none_or(|(moment, _)| *moment != at) {
            self.known = Some((at, Memo::default()));
        }
        let Some((_, memo)) = &mut self.known else { return Answer::constant(Datum::Unknown) };
        for rule in reads {
            value_of(self.plan, self.person, rule, at, memo);
        }
        evaluate(expression, &PersonScene { plan: self.plan, person: self.person, memo }, at)
    }

    /// The first moment after `now` at which the value is another.
    pub fn turn(&mut self, expression: &'a Expression, now: Moment) -> Turn<'a> {
        let first = self.answer(expression, now);
        if first.rate != 0 {
            return Turn::Always;
        }
        let mut at = first.until;
        for _ in 0..limits::EXPLAINED_MOMENTS {
            if at == Moment::MAX {
                return Turn::Never;
            }
            let then = self.answer(expression, at);
            if !is_same(first.datum, then.datum) || then.rate != 0 {
                return Turn::At(at, then.datum);
            }
            at = then.until.max(Moment(at.0.saturating_add(1)));
        }
        Turn::Later(at)
    }
}

fn is_same(a: Datum<'_>, b: Datum<'_>) -> bool {
    a.compare(b).map_or(!a.is_known() && !b.is_known(), |order| order == Ordering::Equal)
}

fn rules_read(expression: &Expression) -> Vec<RuleId> {
    let mut rules = Vec::new();
    expression.walk(&mut |part| {
        if let Expression::Rule(id) = part {
            rules.push(*id);
        }
    });
    rules
}
