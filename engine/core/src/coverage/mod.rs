//! What of a program was tried: which conditions of its rules were ever true and ever false, which ways of its journeys
//! somebody took.
//!
//! An onlooker, beside the fold: it reads the state between two steps and what the steps brought about. Whoever does not
//! ask for it pays nothing.
//!
//! INVARIANT: a condition counts as true (false) if it was so for somebody at a moment that was looked at, whether or not
//! it decided its rule. [`Coverage::look`] says until when nothing changes by itself, so whoever looks after every record
//! and at each such moment misses nothing.

mod conditions;
mod passages;

use crate::State;
use crate::effect::Effects;
use crate::evaluate::evaluate;
use crate::rules::{Memo, PersonScene, value_of};
use conditions::Condition;
use passages::Passages;
use sonder_dsl::ir::{Program, RuleId, RuleKind, print};
use sonder_dsl::time::Moment;

/// What was tried.
#[derive(Clone, Debug)]
pub struct Coverage {
    conditions: Vec<Condition>,
    passages: Passages,
}

/// Something that can come out in several ways.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// `segment`, `trait` or `journey`.
    pub kind: &'static str,
    /// Of which.
    pub name: String,
    /// The path of its file.
    pub path: String,
    /// The line.
    pub line: u32,
    /// The condition or the step, as text of the language.
    pub text: String,
    /// How it can come out, and whether it did.
    pub outcomes: Vec<(String, bool)>,
}

impl Coverage {
    /// Nothing tried yet.
    #[must_use]
    pub fn new(program: &Program) -> Self {
        let rules = program.rules.iter().enumerate();
        let conditions =
            rules.flat_map(|(index, rule)| conditions::of(program, RuleId(index as u32), &rule.expression));
        Self { conditions: conditions.collect(), passages: Passages::new(program) }
    }

    /// Looks at everybody as of now. Gives the first moment at which a condition may be another by itself.
    pub fn look(&mut self, state: &State, now: Moment) -> Moment {
        let mut until = Moment::MAX;
        for id in state.people() {
            let Some(person) = state.copy_of(id) else { continue };
            let plan = state.plan();
            let mut memo = Memo::default();
            for condition in &self.conditions {
                for rule in &condition.reads {
                    value_of(plan, &person, *rule, now, &mut memo);
                }
            }
            for condition in &mut self.conditions {
                let scene = PersonScene { plan, person: &person, memo: &memo };
                let answer = evaluate(&condition.expression, &scene, now);
                let holds = answer.datum.is_true();
                until = until.min(answer.until);
                condition.note(holds);
            }
        }
        until
    }

    /// Follows people along journeys: all effects, in order.
    pub fn follow(&mut self, effects: &Effects) {
        self.passages.follow(effects);
    }

    /// Adds what another saw of the same program.
    pub fn add(&mut self, other: &Self) {
        for (mine, its) in self.conditions.iter_mut().zip(&other.conditions) {
            mine.add(its);
        }
        self.passages.add(&other.passages);
    }

    /// Everything that could be tried, in the order of the program.
    #[must_use]
    pub fn points(&self, program: &Program) -> Vec<Point> {
        let of_rules = self.conditions.iter().filter_map(|condition| {
            let rule = program.rules.get(condition.rule.index())?;
            let (path, line) = place(&rule.place);
            Some(Point {
                kind: if rule.kind == RuleKind::Segment { "segment" } else { "trait" },
                name: rule.name.clone(),
                path,
                line,
                text: print::expression(program, &condition.expression).to_string(),
                outcomes: condition.outcomes(),
            })
        });
        of_rules.chain(self.passages.points(program)).collect()
    }
}

/// `rules/cart.sonder:3`
fn place(text: &str) -> (String, u32) {
    match text.rsplit_once(':') {
        Some((path, line)) => (path.to_owned(), line.parse().unwrap_or(1)),
        None => (text.to_owned(), 1),
    }
}
