//! The expression as a tree of parts, and as logic over its conditions.

use super::Personal;
use super::because::{Choice, Formula, to_flip, to_keep};
use super::evidence::Witness;
use super::explanation::{Because, Change, Effect, Margin, Next, Part, PartKind, Reason};
use super::margin::{Sides, margin, mirrored};
use super::moments::{Moments, Turn};
use super::past::Past;
use super::personal::PersonalRules;
use crate::limits;
use serde_json::Value as Json;
use sonder_dsl::ir::{
    AggregateId, BinaryOperator, Expression, Program, RuleId, RuleKind, Type, UnaryOperator, Value, print,
};
use std::collections::BTreeMap;

/// Takes rules apart.
pub(super) struct Builder<'a> {
    program: &'a Program,
    past: &'a Past,
    moments: Moments<'a>,
    witness: Witness<'a>,
    personal: PersonalRules,
    next_id: u32,
    /// How many rules stand around the part at hand.
    depth: usize,
    conditions: Conditions,
    /// Rules that were taken apart, with the part that shows them.
    taken_apart: BTreeMap<RuleId, (u32, Logic)>,
}

/// The conditions found so far; equal ones are one.
#[derive(Default)]
struct Conditions {
    by_text: BTreeMap<String, usize>,
    /// By number: the part that shows it first, and whether it holds.
    found: Vec<(u32, bool)>,
}

/// What a part is to the rule.
#[derive(Clone, Default)]
struct Logic {
    /// There for what is a condition.
    formula: Option<Formula>,
    /// The conditions by which `if` chose the branches that the value comes from.
    choices: Vec<Formula>,
}

type Built = (Part, Logic);

impl<'a> Builder<'a> {
    pub fn new(past: &'a Past, moments: Moments<'a>, personal: Personal) -> Self {
        Self {
            program: &past.program,
            past,
            moments,
            witness: Witness { past, personal },
            personal: PersonalRules::new(&past.program),
            next_id: 0,
            depth: 0,
            conditions: Conditions::default(),
            taken_apart: BTreeMap::new(),
        }
    }

    /// A rule's expression, and the conditions that decide it.
    pub fn rule(&mut self, expression: &'a Expression, kind: &Type) -> (Part, Option<Because>) {
        let (part, logic) = self.build(expression, Some(kind));
        let because = match &logic.formula {
            Some(formula) => self.decides(formula),
            None => self.chooses(&logic.choices),
        };
        (part, because)
    }

    fn decides(&self, formula: &Formula) -> Option<Because> {
        let values = self.conditions.values();
        let (effect, choice) = match formula.value(&values) {
            true => (Effect::Keeps, to_keep(formula, &values)),
            false => (Effect::Missing, to_flip(formula, &values)?),
        };
        Some(self.because(effect, &choice))
    }

    fn chooses(&self, choices: &[Formula]) -> Option<Because> {
        let values = self.conditions.values();
        let sets: Vec<Choice> = choices.iter().map(|formula| to_keep(formula, &values)).collect();
        let mut conditions: Vec<usize> = sets.iter().flat_map(|it| it.conditions.iter().copied()).collect();
        conditions.sort_unstable();
        conditions.dedup();
        let choice = Choice { conditions, smallest: sets.iter().all(|it| it.smallest) };
        (!choice.conditions.is_empty()).then(|| self.because(Effect::Chooses, &choice))
    }

    fn because(&self, effect: Effect, choice: &Choice) -> Because {
        let found = choice.conditions.iter().filter_map(|condition| self.conditions.found.get(*condition));
        let parts = found.map(|(part, holds)| Reason { part: *part, holds: *holds }).collect();
        Because { effect, parts, smallest: choice.smallest }
    }

    /// The part of an expression; `kind` where its type is known from around it.
    fn build(&mut self, expression: &'a Expression, kind: Option<&Type>) -> Built {
        match expression {
            Expression::Convert { value, .. } => self.build(value, None),
            Expression::Binary { operator: BinaryOperator::And, .. } => {
                self.joined(expression, BinaryOperator::And, PartKind::All, Formula::All)
            }
            Expression::Binary { operator: BinaryOperator::Or, .. } => {
                self.joined(expression, BinaryOperator::Or, PartKind::Any, Formula::Any)
            }
            Expression::Unary { operator: UnaryOperator::Not, operand } => {
                let mut part = self.new_part(expression, PartKind::Not, &Type::Bool);
                let (inner, logic) = self.build(operand, Some(&Type::Bool));
                part.parts.push(inner);
                let formula = logic.formula.map(|inner| Formula::Not(Box::new(inner)));
                (part, Logic { formula, choices: Vec::new() })
            }
            Expression::If { condition, then, otherwise } => {
                self.branches(expression, condition, [then, otherwise], kind)
            }
            Expression::Rule(id) => self.reference(expression, *id),
            _ => self.leaf(expression, kind),
        }
    }

    /// A chain of `and`, or of `or`.
    fn joined(
        &mut self,
        expression: &'a Expression,
        operator: BinaryOperator,
        kind: PartKind,
        join: impl Fn(Vec<Formula>) -> Formula,
    ) -> Built {
        let mut part = self.new_part(expression, kind, &Type::Bool);
        let mut operands = Vec::new();
        chain(expression, operator, &mut operands);
        let mut formulas = Vec::with_capacity(operands.len());
        for operand in operands {
            let (built, logic) = self.build(operand, Some(&Type::Bool));
            part.parts.push(built);
            formulas.extend(logic.formula);
        }
        let formula = (formulas.len() == part.parts.len()).then(|| join(formulas));
        (part, Logic { formula, choices: Vec::new() })
    }

    fn branches(
        &mut self,
        expression: &'a Expression,
        condition: &'a Expression,
        branches: [&'a Expression; 2],
        kind: Option<&Type>,
    ) -> Built {
        let is_condition = branches.iter().all(|branch| self.is_condition(branch));
        let bool_type = is_condition.then_some(&Type::Bool);
        let mut part = self.new_part(expression, PartKind::If, bool_type.or(kind).unwrap_or(&UNTYPED));
        let (condition, asked) = self.build(condition, Some(&Type::Bool));
        let holds = condition.value == Json::Bool(true);
        let [(then, by_then), (otherwise, by_otherwise)] =
            branches.map(|branch| self.build(branch, bool_type.or(kind)));
        part.parts = vec![condition, then, otherwise];
        let taken = if holds { by_then.choices.clone() } else { by_otherwise.choices.clone() };
        let choices: Vec<Formula> = asked.formula.iter().cloned().chain(taken).collect();
        let formula = match (asked.formula, by_then.formula, by_otherwise.formula) {
            (Some(asked), Some(then), Some(otherwise)) if is_condition => {
                Some(Formula::If(Box::new([asked, then, otherwise])))
            }
            _ => None,
        };
        (part, Logic { formula, choices })
    }

    /// Another rule, taken apart where it is met first.
    fn reference(&mut self, expression: &'a Expression, id: RuleId) -> Built {
        let Some(rule) = self.program.rules.get(id.index()) else { return self.leaf(expression, None) };
        let kind = if let RuleKind::Trait(kind) = &rule.kind { kind } else { &Type::Bool };
        if let Some((same_as, logic)) = self.taken_apart.get(&id).cloned() {
            let mut part = self.new_part(expression, PartKind::Rule, kind);
            part.same_as = Some(same_as);
            return (part, logic);
        }
        if self.depth >= limits::EXPLAINED_DEPTH || self.next_id as usize >= limits::EXPLAINED_PARTS {
            let (part, logic) = self.leaf(expression, Some(kind));
            return (Part { kind: PartKind::Rule, ..part }, logic);
        }
        let mut part = self.new_part(expression, PartKind::Rule, kind);
        self.depth += 1;
        let (inner, logic) = self.build(&rule.expression, Some(kind));
        self.depth -= 1;
        part.parts.push(inner);
        self.taken_apart.insert(id, (part.id, logic.clone()));
        (part, logic)
    }

    /// What is no logic: a condition, where it is one, and its operands.
    fn leaf(&mut self, expression: &'a Expression, kind: Option<&Type>) -> Built {
        let (what, own_type) = self.nature(expression);
        let kind = own_type.as_ref().or(kind).unwrap_or(&UNTYPED).clone();
        let mut part = self.new_part(expression, what, &kind);
        match expression {
            Expression::Aggregate(id) => part.evidence = Some(self.witness.aggregate(*id)),
            Expression::Profile(id) => part.evidence = Some(self.witness.profile(*id)).filter(|it| it.total > 0),
            Expression::Binary { operator, left, right } if what == PartKind::Comparison => {
                part.margin = self.margin(*operator, left, right);
            }
            _ => {}
        }
        let operands: Vec<&'a Expression> = expression.children().into_iter().flatten().collect();
        for operand in operands.into_iter().filter(|it| !matches!(strip(it), Expression::Constant(_))) {
            part.parts.push(self.build(operand, None).0);
        }
        let formula = match expression {
            Expression::Constant(Value::Bool(value)) => Some(Formula::Constant(*value)),
            _ => self.is_condition(expression).then(|| Formula::Condition(self.conditions.number(&part))),
        };
        (part, Logic { formula, choices: Vec::new() })
    }

    fn nature(&self, expression: &Expression) -> (PartKind, Option<Type>) {
        match expression {
            Expression::Constant(_) => (PartKind::Constant, None),
            Expression::Profile(id) => {
                (PartKind::Profile, self.program.profile.get(id.index()).map(|it| it.kind.clone()))
            }
            Expression::Aggregate(id) => (PartKind::Aggregate, self.aggregate_type(*id).cloned()),
            Expression::IsKnown(_) => (PartKind::Known, Some(Type::Bool)),
            Expression::Consented(_) => (PartKind::Consent, Some(Type::Bool)),
            Expression::OrDefault { .. } => (PartKind::Default, None),
            Expression::Binary { operator, .. } if is_comparison(*operator) => (PartKind::Comparison, Some(Type::Bool)),
            _ => (PartKind::Arithmetic, None),
        }
    }

    fn aggregate_type(&self, id: AggregateId) -> Option<&Type> {
        self.program.aggregates.get(id.index()).map(|it| &it.result)
    }

    /// Whether it answers yes or no.
    fn is_condition(&self, expression: &Expression) -> bool {
        match expression {
            Expression::Constant(value) => matches!(value, Value::Bool(_)),
            Expression::Profile(id) => self.program.profile.get(id.index()).is_some_and(|it| it.kind == Type::Bool),
            Expression::Rule(id) => {
                let kind = self.program.rules.get(id.index()).map(|rule| &rule.kind);
                matches!(kind, Some(RuleKind::Segment | RuleKind::Trait(Type::Bool)))
            }
            Expression::Aggregate(id) => self.aggregate_type(*id) == Some(&Type::Bool),
            Expression::IsKnown(_)
            | Expression::Consented(_)
            | Expression::Unary { operator: UnaryOperator::Not, .. } => true,
            Expression::Binary { operator, .. } => {
                is_comparison(*operator) || matches!(operator, BinaryOperator::And | BinaryOperator::Or)
            }
            Expression::If { then, otherwise, .. } => self.is_condition(then) && self.is_condition(otherwise),
            Expression::OrDefault { value, .. } | Expression::Convert { value, .. } => self.is_condition(value),
            _ => false,
        }
    }

    /// A part without what is in it.
    fn new_part(&mut self, expression: &'a Expression, what: PartKind, kind: &Type) -> Part {
        let id = self.next_id;
        self.next_id += 1;
        let personal = self.personal.expression(self.program, expression);
        let hidden = self.witness.hides(personal);
        let shown = |value: Json| if hidden { Json::Null } else { value };
        let now = self.past.moment();
        let value = shown(self.moments.answer(expression, now).datum.to_json(kind));
        let next = match self.moments.turn(expression, now) {
            Turn::Never => Next::Never,
            Turn::At(at, datum) => Next::At(Change { at, to: shown(datum.to_json(kind)) }),
            Turn::Always => Next::Always,
            Turn::Later(at) => Next::Later { at },
        };
        Part {
            id,
            kind: what,
            text: print::expression(self.program, expression).to_string(),
            value,
            personal,
            next,
            margin: None,
            evidence: None,
            same_as: None,
            parts: Vec::new(),
        }
    }

    /// Personal values are never compared, so a margin shows none.
    fn margin(&mut self, operator: BinaryOperator, left: &'a Expression, right: &'a Expression) -> Option<Margin> {
        let (operator, left, right) = match strip(left) {
            Expression::Constant(_) => (mirrored(operator), strip(right), strip(left)),
            _ => (operator, strip(left), strip(right)),
        };
        let now = self.past.moment();
        let value = self.moments.answer(left, now).datum;
        let threshold = self.moments.answer(right, now).datum;
        let shown = [left, right].map(|side| {
            let kind = self.nature(side).1.unwrap_or(UNTYPED);
            self.moments.answer(side, now).datum.to_json(&kind)
        });
        let falls = match self.moments.turn(left, now) {
            Turn::At(at, then) if then.compare(value).is_some_and(std::cmp::Ordering::is_lt) => Some(at),
            _ => None,
        };
        margin(Sides { operator, value, threshold, shown, falls })
    }
}

/// What is shown as it comes.
const UNTYPED: Type = Type::Bool;

impl Conditions {
    /// The number of the condition that a part shows.
    fn number(&mut self, part: &Part) -> usize {
        let next = self.found.len();
        let number = *self.by_text.entry(part.text.clone()).or_insert(next);
        if number == next {
            self.found.push((part.id, part.value == Json::Bool(true)));
        }
        number
    }

    fn values(&self) -> Vec<bool> {
        self.found.iter().map(|(_, holds)| *holds).collect()
    }
}

/// The operands of a chain of one operator.
fn chain<'a>(expression: &'a Expression, operator: BinaryOperator, operands: &mut Vec<&'a Expression>) {
    match expression {
        Expression::Binary { operator: its, left, right } if *its == operator => {
            chain(left, operator, operands);
            chain(right, operator, operands);
        }
        other => operands.push(other),
    }
}

/// Without conversions, which nobody wrote.
fn strip(expression: &Expression) -> &Expression {
    match expression {
        Expression::Convert { value, .. } => strip(value),
        other => other,
    }
}

const fn is_comparison(operator: BinaryOperator) -> bool {
    matches!(
        operator,
        BinaryOperator::Equal
            | BinaryOperator::NotEqual
            | BinaryOperator::Less
            | BinaryOperator::LessOrEqual
            | BinaryOperator::Greater
            | BinaryOperator::GreaterOrEqual
    )
}
