//! For how many people something is, while it is rolled out.

use super::words::{self, Side, text};
use crate::ir::{BinaryOperator, Expression, UnaryOperator};
use crate::model::{Gate, Rollout};

/// For whom what a rule says is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// There is another version for all others.
    Changed,
    /// There is nothing for all others.
    New,
    /// Those who are early have it no more.
    Gone,
}

/// How an expression divides people, what it says, and what it says to those who are not early.
type Divided<'e> = (Option<(Rollout, Reach)>, &'e Expression, Option<&'e Expression>);

pub(super) fn of(expression: &Expression) -> Divided<'_> {
    match expression {
        Expression::If { condition, then, otherwise } => match condition.as_ref() {
            Expression::Early(rollout) => (Some((*rollout, Reach::Changed)), then, Some(otherwise)),
            _ => (None, expression, None),
        },
        Expression::Binary { operator: BinaryOperator::And, left, right } => match left.as_ref() {
            Expression::Early(rollout) => (Some((*rollout, Reach::New)), right, None),
            Expression::Unary { operator: UnaryOperator::Not, operand } => match operand.as_ref() {
                Expression::Early(rollout) => (Some((*rollout, Reach::Gone)), right, Some(right)),
                _ => (None, expression, None),
            },
            _ => (None, expression, None),
        },
        _ => (None, expression, None),
    }
}

/// What is different between two expressions, and for how many people.
pub(super) fn expression(before: Side<'_>, after: Side<'_>, found: &mut Vec<String>) {
    let ((was, old, others), (is, new, _)) = (of(before.1), of(after.1));
    let share = |rollout: Rollout| format!("{} of people", rollout.share());
    match (was, is) {
        (Some((was, _)), None) if others.is_some_and(|others| text((before.0, others)) == text(after)) => {
            found.push(format!("for nobody any more, was for {}", share(was)));
        }
        (Some((was, _)), None) => {
            words::expression((before.0, old), after, found);
            found.push(format!("for everybody, was for {}", share(was)));
        }
        (None, Some((is, Reach::Gone))) => found.push(format!("is gone for {}", share(is))),
        (None, Some((is, _))) => {
            words::expression(before, (after.0, new), found);
            found.push(format!("for {}", share(is)));
        }
        (Some((was, _)), Some((is, reach))) => {
            words::expression((before.0, old), (after.0, new), found);
            if was != is {
                let gone = if reach == Reach::Gone { "is gone " } else { "" };
                found.push(format!("{gone}for {}, was for {}", share(is), share(was)));
            }
        }
        (None, None) => words::expression(before, after, found),
    }
}

/// The same of a journey.
pub(super) fn of_gates(before: Option<Gate>, after: Option<Gate>) -> Option<String> {
    let share = |gate: Gate| format!("{} of people", gate.rollout.share());
    match (before, after) {
        (Some(was), Some(is)) if was == is => None,
        (None, None) => None,
        (Some(was), None) => Some(format!("for everybody, was for {}", share(was))),
        (None, Some(is)) if is.early => Some(format!("for {}, all others go on as it was", share(is))),
        (None, Some(is)) => Some(format!("is gone for {}", share(is))),
        (Some(was), Some(is)) => {
            let gone = if is.early { "" } else { "is gone " };
            Some(format!("{gone}for {}, was for {}", share(is), share(was)))
        }
    }
}
