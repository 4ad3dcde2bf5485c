//! How much of a count matters: where every reader only compares `count(...)` with whole numbers, its state need not know
//! more than the largest of them.

use super::{Aggregate, AggregateId, BinaryOperator, Expression, Function, Value};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

/// Fills in [`Aggregate::enough`]: for counts as far as what reads them allows, for `did` always 1, for others not at all.
pub fn bound<'e>(aggregates: &mut [Aggregate], readers: impl Iterator<Item = &'e Expression>) {
    let mut needs: Vec<Need> = vec![Need::UpTo(1); aggregates.len()];
    for reader in readers {
        note(reader, &mut needs);
    }
    for (aggregate, need) in aggregates.iter_mut().zip(needs) {
        aggregate.enough = match (&aggregate.function, need) {
            (Function::Did, _) => Some(1),
            (Function::Count, Need::UpTo(count)) => Some(count),
            _ => None,
        };
    }
}

#[derive(Clone, Copy)]
enum Need {
    UpTo(u32),
    Everything,
}

fn note(expression: &Expression, needs: &mut [Need]) {
    match expression {
        Expression::Binary { operator, left, right } => {
            let compared = match (counted(left), counted(right)) {
                (Some(id), None) => {
                    constant(right).and_then(|number| largest_asked(*operator, number)).map(|count| (id, count))
                }
                (None, Some(id)) => constant(left)
                    .and_then(|number| largest_asked(mirrored(*operator), number))
                    .map(|count| (id, count)),
                _ => None,
            };
            match compared {
                Some((id, count)) => raise(needs, id, Need::UpTo(count)),
                None => {
                    note(left, needs);
                    note(right, needs);
                }
            }
        }
        Expression::Aggregate(id) => raise(needs, *id, Need::Everything),
        // A count is always known.
        Expression::IsKnown(value) if counted(value).is_some() => {}
        other => other.children().into_iter().flatten().for_each(|child| note(child, needs)),
    }
}

fn raise(needs: &mut [Need], id: AggregateId, to: Need) {
    if let Some(need) = needs.get_mut(id.index()) {
        *need = match (*need, to) {
            (Need::UpTo(a), Need::UpTo(b)) => Need::UpTo(a.max(b)),
            _ => Need::Everything,
        };
    }
}

/// An aggregate, maybe converted for the comparison.
fn counted(expression: &Expression) -> Option<AggregateId> {
    match expression {
        Expression::Aggregate(id) => Some(*id),
        Expression::Convert { value, .. } => counted(value),
        _ => None,
    }
}

fn constant(expression: &Expression) -> Option<Decimal> {
    match expression {
        Expression::Constant(Value::Int(number)) => Some(Decimal::from(*number)),
        Expression::Constant(Value::Decimal(number)) => Some(*number),
        _ => None,
    }
}

/// The count from which on the answer to `count <operator> number` no longer changes; at least 1.
fn largest_asked(operator: BinaryOperator, number: Decimal) -> Option<u32> {
    let (floor, ceiling) = (number.floor(), number.ceil());
    let count = match operator {
        // `>= 3` and `< 3` turn at 3, `>= 2.5` and `< 2.5` too.
        BinaryOperator::GreaterOrEqual | BinaryOperator::Less => ceiling,
        // `> 3` and `<= 3` turn at 4, `> 2.5` and `<= 2.5` at 3; `== 3` holds at 3 and no more at 4.
        BinaryOperator::Greater | BinaryOperator::LessOrEqual | BinaryOperator::Equal | BinaryOperator::NotEqual => {
            floor.checked_add(Decimal::ONE)?
        }
        _ => return None,
    };
    count.max(Decimal::ONE).to_u32()
}

/// `3 <= count` is `count >= 3`.
fn mirrored(operator: BinaryOperator) -> BinaryOperator {
    match operator {
        BinaryOperator::Less => BinaryOperator::Greater,
        BinaryOperator::LessOrEqual => BinaryOperator::GreaterOrEqual,
        BinaryOperator::Greater => BinaryOperator::Less,
        BinaryOperator::GreaterOrEqual => BinaryOperator::LessOrEqual,
        other => other,
    }
}
