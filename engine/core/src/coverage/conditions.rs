//! The conditions of a rule.

use sonder_dsl::ir::{BinaryOperator, Expression, Program, RuleId, RuleKind, Type, UnaryOperator};

/// A yes-or-no part of a rule that no `and`, `or`, `not` or `if` puts together.
#[derive(Clone, Debug)]
pub struct Condition {
    pub rule: RuleId,
    pub expression: Expression,
    /// The rules that it names.
    pub reads: Vec<RuleId>,
    was_true: bool,
    was_false: bool,
}

impl Condition {
    pub fn note(&mut self, holds: bool) {
        self.was_true |= holds;
        self.was_false |= !holds;
    }

    pub fn add(&mut self, other: &Self) {
        self.was_true |= other.was_true;
        self.was_false |= other.was_false;
    }

    pub fn outcomes(&self) -> Vec<(String, bool)> {
        vec![("true".to_owned(), self.was_true), ("false".to_owned(), self.was_false)]
    }
}

/// The conditions of a rule in the order in which they are written, equal ones once.
pub fn of(program: &Program, rule: RuleId, expression: &Expression) -> Vec<Condition> {
    let is_condition = program.rules.get(rule.index()).is_some_and(|it| match &it.kind {
        RuleKind::Segment => true,
        RuleKind::Trait(kind) => *kind == Type::Bool,
    });
    let mut found: Vec<&Expression> = Vec::new();
    collect(expression, is_condition, &mut found);
    let condition = |expression: &Expression| {
        let mut reads = Vec::new();
        expression.walk(&mut |part| {
            if let Expression::Rule(id) = part {
                reads.push(*id);
            }
        });
        Condition { rule, expression: expression.clone(), reads, was_true: false, was_false: false }
    };
    found.into_iter().map(condition).collect()
}

fn collect<'e>(expression: &'e Expression, is_condition: bool, found: &mut Vec<&'e Expression>) {
    match expression {
        Expression::Binary { operator: BinaryOperator::And | BinaryOperator::Or, left, right } => {
            collect(left, true, found);
            collect(right, true, found);
        }
        Expression::Unary { operator: UnaryOperator::Not, operand } => collect(operand, true, found),
        Expression::If { condition, then, otherwise } => {
            collect(condition, true, found);
            collect(then, is_condition, found);
            collect(otherwise, is_condition, found);
        }
        Expression::Constant(_) => {}
        leaf => {
            if is_condition && !found.contains(&leaf) {
                found.push(leaf);
            }
            within(leaf, found);
        }
    }
}

/// `if` may stand inside a sum or a comparison.
fn within<'e>(leaf: &'e Expression, found: &mut Vec<&'e Expression>) {
    match leaf {
        Expression::Binary { left, right, .. } => {
            collect(left, false, found);
            collect(right, false, found);
        }
        Expression::Unary { operand: value, .. } | Expression::IsKnown(value) | Expression::Convert { value, .. } => {
            collect(value, false, found);
        }
        Expression::OrDefault { value, default } => {
            collect(value, false, found);
            collect(default, false, found);
        }
        _ => {}
    }
}
