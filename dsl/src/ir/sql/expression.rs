//! Expressions as SQL, in the two settings they stand in: over one event, and over a person.
//!
//! Logic has two values: a comparison with NULL is made false where it stands, so `NOT` turns it true. Arithmetic passes
//! NULL on, and what overflows is NULL.

use super::{Column, Dialect, Lowering};
use crate::ir::{
    AggregateId, BinaryOperator, ContextSlot, EventId, EventSelector, Expression, ProfileTraitId, Program,
    PropertySlot, RuleId, RuleKind, Type, UnaryOperator, Value,
};
use std::collections::BTreeSet;

/// SQL text and what it gives.
struct Typed {
    sql: String,
    kind: Type,
    /// Never NULL.
    known: bool,
}

impl Typed {
    fn known(sql: String, kind: Type) -> Self {
        Self { sql, kind, known: true }
    }

    fn maybe(sql: String, kind: Type) -> Self {
        Self { sql, kind, known: false }
    }

    /// The text as a side of a comparison: SQL's `NOT` would take all of that.
    fn operand(self) -> String {
        if self.sql.starts_with("NOT ") { format!("({})", self.sql) } else { self.sql }
    }
}

/// Where the leaves of an expression are found.
trait Leaves {
    fn dialect(&self) -> &dyn Dialect;
    fn property(&mut self, _slot: PropertySlot) -> Option<Typed> {
        None
    }
    fn context(&mut self, _slot: ContextSlot) -> Option<Typed> {
        None
    }
    fn step(&mut self, _step: u8, _slot: PropertySlot) -> Option<Typed> {
        None
    }
    fn profile(&mut self, _id: ProfileTraitId) -> Option<Typed> {
        None
    }
    fn rule(&mut self, _id: RuleId) -> Option<Typed> {
        None
    }
    fn aggregate(&mut self, _id: AggregateId) -> Option<Typed> {
        None
    }
    fn consented(&mut self, _purpose: &str) -> Option<Typed> {
        None
    }
    fn early(&mut self) -> Option<Typed> {
        None
    }
}

/// The rules that an expression names.
pub(super) fn rules_read(expression: &Expression, into: &mut BTreeSet<RuleId>) {
    visit(expression, &mut |part| {
        if let Expression::Rule(id) = part {
            into.insert(*id);
        }
    });
}

/// The values of earlier steps that an expression names.
pub(super) fn steps_read(expression: &Expression, into: &mut BTreeSet<(u8, PropertySlot)>) {
    visit(expression, &mut |part| {
        if let Expression::Step { step, slot } = part {
            into.insert((*step, *slot));
        }
    });
}

pub(super) fn visit(expression: &Expression, see: &mut dyn FnMut(&Expression)) {
    see(expression);
    match expression {
        Expression::Unary { operand, .. } => visit(operand, see),
        Expression::Binary { left, right, .. } => {
            visit(left, see);
            visit(right, see);
        }
        Expression::If { condition, then, otherwise } => {
            visit(condition, see);
            visit(then, see);
            visit(otherwise, see);
        }
        Expression::IsKnown(value) | Expression::Convert { value, .. } => visit(value, see),
        Expression::OrDefault { value, default } => {
            visit(value, see);
            visit(default, see);
        }
        Expression::Constant(_)
        | Expression::Property(_)
        | Expression::Context(_)
        | Expression::Step { .. }
        | Expression::Profile(_)
        | Expression::Rule(_)
        | Expression::Aggregate(_)
        | Expression::Consented(_)
        | Expression::Early(_) => {}
    }
}

/// Over a person: leaves are columns of relations that are joined to `people`.
pub(super) struct Person<'a, 'p> {
    lowering: &'a Lowering<'p>,
    relations: BTreeSet<String>,
}

impl<'a, 'p> Person<'a, 'p> {
    pub(super) fn new(lowering: &'a Lowering<'p>) -> Self {
        Self { lowering, relations: BTreeSet::new() }
    }

    /// The expression as SQL, and whether it is never NULL.
    pub(super) fn value(&mut self, expression: &Expression) -> (String, bool) {
        let value = lower(self, expression);
        (value.sql, value.known)
    }

    /// The relations that the expressions so far read.
    pub(super) fn relations(self) -> BTreeSet<String> {
        self.relations
    }

    fn column(&mut self, column: &Column, kind: Type) -> Typed {
        self.relations.insert(column.relation.clone());
        let dialect = self.lowering.dialect;
        let name = format!("{}.{}", dialect.quote(&column.relation), dialect.quote(&column.name));
        match column.of_nothing {
            Some(nothing) => Typed::known(format!("coalesce({name}, {nothing})"), kind),
            None => Typed { sql: name, kind, known: column.known },
        }
    }
}

impl Leaves for Person<'_, '_> {
    fn dialect(&self) -> &dyn Dialect {
        self.lowering.dialect
    }
    fn profile(&mut self, id: ProfileTraitId) -> Option<Typed> {
        let declared = self.lowering.program.profile.get(id.index())?;
        self.relations.insert("profile".to_owned());
        Some(Typed::maybe(format!("profile.{}", self.lowering.dialect.quote(&declared.name)), declared.kind.clone()))
    }
    fn rule(&mut self, id: RuleId) -> Option<Typed> {
        let kind = match &self.lowering.program.rules.get(id.index())?.kind {
            RuleKind::Segment => Type::Bool,
            RuleKind::Trait(kind) => kind.clone(),
        };
        let column = self.lowering.rules.get(&id)?.clone();
        Some(self.column(&column, kind))
    }
    fn aggregate(&mut self, id: AggregateId) -> Option<Typed> {
        let kind = self.lowering.program.aggregates.get(id.index())?.result.clone();
        let column = self.lowering.aggregates.get(&id)?.clone();
        Some(self.column(&column, kind))
    }
    fn consented(&mut self, purpose: &str) -> Option<Typed> {
        let column = self.lowering.consent.get(&self.lowering.program.consent.purpose(purpose)?)?.clone();
        Some(self.column(&column, Type::Bool))
    }
    fn early(&mut self) -> Option<Typed> {
        Some(Typed::known("people.early".to_owned(), Type::Bool))
    }
}

/// Over one event: leaves are columns of its row, and of the rows that earlier steps matched.
pub(super) struct Row<'a, 'p> {
    pub(super) lowering: &'a Lowering<'p>,
    pub(super) event: EventSelector,
    /// The alias of the event's relation; empty where there is only one.
    pub(super) alias: &'a str,
    /// The event types of the steps so far, and the alias of the row that carries their values.
    pub(super) steps: &'a [EventSelector],
    pub(super) steps_alias: &'a str,
}

impl Row<'_, '_> {
    /// The expression as SQL.
    pub(super) fn value(&mut self, expression: &Expression) -> String {
        lower(self, expression).sql
    }

    /// The parts of a condition, all of which must be true, for where NULL is as good as false.
    pub(super) fn conditions(&mut self, expression: &Expression) -> Vec<String> {
        match expression {
            Expression::Binary { operator: BinaryOperator::And, left, right } => {
                let mut parts = self.conditions(left);
                parts.extend(self.conditions(right));
                parts
            }
            _ => vec![filter(self, expression)],
        }
    }

    fn qualified(&self, alias: &str, column: &str) -> String {
        let column = self.lowering.dialect.quote(column);
        if alias.is_empty() { column } else { format!("{alias}.{column}") }
    }
}

impl Leaves for Row<'_, '_> {
    fn dialect(&self) -> &dyn Dialect {
        self.lowering.dialect
    }
    fn property(&mut self, slot: PropertySlot) -> Option<Typed> {
        let (name, kind) = property_column(self.lowering.program, self.event, slot)?;
        Some(Typed::maybe(self.qualified(self.alias, &name), kind))
    }
    fn context(&mut self, slot: ContextSlot) -> Option<Typed> {
        let field = self.lowering.program.context_slots.get(slot.index())?;
        Some(Typed::maybe(self.qualified(self.alias, &context_column(&field.path)), field.kind.clone()))
    }
    fn step(&mut self, step: u8, slot: PropertySlot) -> Option<Typed> {
        let event = *self.steps.get(usize::from(step))?;
        let (_, kind) = property_column(self.lowering.program, event, slot)?;
        Some(Typed::maybe(self.qualified(self.steps_alias, &step_column(step, slot)), kind))
    }
}

/// The column of a property and its type.
pub(super) fn property_column(program: &Program, event: EventSelector, slot: PropertySlot) -> Option<(String, Type)> {
    let EventSelector::One(EventId(event)) = event else { return None };
    let path = program.events.get(event as usize)?.slots.get(slot.index())?;
    Some((path.path.join("."), path.kind.clone()))
}

/// The column of a context field.
pub(super) fn context_column(path: &[String]) -> String {
    format!("context.{}", path.join("."))
}

/// The column that carries a value of an earlier step.
pub(super) fn step_column(step: u8, slot: PropertySlot) -> String {
    format!("step_{step}_{}", slot.0)
}

fn lower(leaves: &mut dyn Leaves, expression: &Expression) -> Typed {
    match expression {
        Expression::Constant(value) => constant(leaves.dialect(), value),
        Expression::Property(slot) => leaf(leaves.property(*slot)),
        Expression::Context(slot) => leaf(leaves.context(*slot)),
        Expression::Step { step, slot } => leaf(leaves.step(*step, *slot)),
        Expression::Profile(id) => leaf(leaves.profile(*id)),
        Expression::Rule(id) => leaf(leaves.rule(*id)),
        Expression::Aggregate(id) => leaf(leaves.aggregate(*id)),
        Expression::Consented(purpose) => leaf(leaves.consented(purpose)),
        Expression::Early(_) => leaf(leaves.early()),
        Expression::Unary { operator: UnaryOperator::Not, operand } => {
            Typed::known(format!("NOT {}", truth(leaves, operand)), Type::Bool)
        }
        Expression::Unary { operator: UnaryOperator::Negate, operand } => {
            let operand = lower(leaves, operand);
            Typed::maybe(leaves.dialect().checked(&format!("-({})", operand.sql)), operand.kind)
        }
        Expression::Binary { operator, left, right } => binary(leaves, *operator, left, right),
        Expression::If { condition, then, otherwise } => {
            let condition = truth(leaves, condition);
            let then = lower(leaves, then);
            let otherwise = lower(leaves, otherwise);
            Typed {
                sql: format!("CASE WHEN {condition} THEN {} ELSE {} END", then.sql, otherwise.sql),
                kind: then.kind,
                known: then.known && otherwise.known,
            }
        }
        Expression::IsKnown(value) => Typed::known(format!("({} IS NOT NULL)", lower(leaves, value).sql), Type::Bool),
        Expression::OrDefault { value, default } => {
            let value = lower(leaves, value);
            let default = lower(leaves, default);
            Typed {
                sql: format!("coalesce({}, {})", value.sql, default.sql),
                kind: value.kind,
                known: value.known || default.known,
            }
        }
        Expression::Convert { value, to } => {
            let value = lower(leaves, value);
            Typed::maybe(leaves.dialect().convert(&value.sql, to), to.clone())
        }
    }
}

/// A leaf that the compiler resolved is always there; a missing one would be NULL, that is: unknown.
fn leaf(found: Option<Typed>) -> Typed {
    found.unwrap_or_else(|| Typed::maybe("NULL".to_owned(), Type::Bool))
}

/// A condition: as [`lower`], but never NULL.
fn truth(leaves: &mut dyn Leaves, expression: &Expression) -> String {
    let condition = lower(leaves, expression);
    if condition.known { condition.sql } else { format!("coalesce({}, false)", condition.sql) }
}

/// A condition where NULL is as good as false. `AND` and `OR` of such are true exactly when those of [`truth`] are, and
/// a bare comparison is what a database can look up.
fn filter(leaves: &mut dyn Leaves, expression: &Expression) -> String {
    use BinaryOperator as B;
    match expression {
        Expression::Binary { operator: operator @ (B::And | B::Or), left, right } => {
            let word = if *operator == B::And { "AND" } else { "OR" };
            format!("({} {word} {})", filter(leaves, left), filter(leaves, right))
        }
        Expression::Binary { operator, left, right } => match sign(*operator) {
            Some(sign) => format!("{} {sign} {}", lower(leaves, left).operand(), lower(leaves, right).operand()),
            None => lower(leaves, expression).sql,
        },
        _ => lower(leaves, expression).sql,
    }
}

/// How a comparison is spelled.
fn sign(operator: BinaryOperator) -> Option<&'static str> {
    use BinaryOperator as B;
    Some(match operator {
        B::Equal => "=",
        B::NotEqual => "<>",
        B::Less => "<",
        B::LessOrEqual => "<=",
        B::Greater => ">",
        B::GreaterOrEqual => ">=",
        B::And | B::Or | B::Add | B::Subtract | B::Multiply | B::Divide => return None,
    })
}

fn binary(leaves: &mut dyn Leaves, operator: BinaryOperator, left: &Expression, right: &Expression) -> Typed {
    use BinaryOperator as B;
    if let B::And | B::Or = operator {
        let word = if operator == B::And { "AND" } else { "OR" };
        return Typed::known(format!("({} {word} {})", truth(leaves, left), truth(leaves, right)), Type::Bool);
    }
    let left = lower(leaves, left);
    let right = lower(leaves, right);
    if let Some(sign) = sign(operator) {
        let known = left.known && right.known;
        let comparison = format!("{} {sign} {}", left.operand(), right.operand());
        let sql = if known { format!("({comparison})") } else { format!("coalesce({comparison}, false)") };
        return Typed::known(sql, Type::Bool);
    }
    arithmetic(leaves.dialect(), operator, left, right)
}

fn arithmetic(dialect: &dyn Dialect, operator: BinaryOperator, left: Typed, right: Typed) -> Typed {
    use BinaryOperator as B;
    match (operator, &left.kind, &right.kind) {
        (B::Add, Type::Time, Type::Duration) => Typed::maybe(dialect.moved(&left.sql, &right.sql), Type::Time),
        (B::Add, Type::Duration, Type::Time) => Typed::maybe(dialect.moved(&right.sql, &left.sql), Type::Time),
        (B::Subtract, Type::Time, Type::Duration) => {
            Typed::maybe(dialect.moved(&left.sql, &format!("-({})", right.sql)), Type::Time)
        }
        (B::Subtract, Type::Time, Type::Time) => {
            Typed::maybe(format!("({} - {})", dialect.micros(&left.sql), dialect.micros(&right.sql)), Type::Duration)
        }
        (B::Divide, Type::Duration, right_kind) if *right_kind != Type::Duration => Typed::maybe(
            dialect.convert(&format!("round({})", quotient(dialect, &left, &right)), &Type::Int),
            Type::Duration,
        ),
        (B::Divide, _, _) => Typed::maybe(quotient(dialect, &left, &right), Type::Float),
        (B::Multiply, Type::Duration, Type::Float | Type::Decimal { .. })
        | (B::Multiply, Type::Float | Type::Decimal { .. }, Type::Duration) => {
            let product = dialect.checked(&format!("{} * {}", left.sql, right.sql));
            Typed::maybe(dialect.convert(&format!("round({product})"), &Type::Int), Type::Duration)
        }
        _ => {
            let kind = match (operator, &left.kind, &right.kind) {
                (B::Multiply, Type::Decimal { scale: a }, Type::Decimal { scale: b }) => {
                    Type::Decimal { scale: a.saturating_add(*b) }
                }
                (_, Type::Decimal { scale: a }, Type::Decimal { scale: b }) => Type::Decimal { scale: *a.max(b) },
                (B::Multiply, _, Type::Duration) => Type::Duration,
                _ => left.kind.clone(),
            };
            let sign = match operator {
                B::Add => "+",
                B::Subtract => "-",
                _ => "*",
            };
            Typed::maybe(dialect.checked(&format!("{} {sign} {}", left.sql, right.sql)), kind)
        }
    }
}

/// A float; NULL where the divisor is 0.
fn quotient(dialect: &dyn Dialect, left: &Typed, right: &Typed) -> String {
    let left = dialect.convert(&left.sql, &Type::Float);
    let right = dialect.convert(&right.sql, &Type::Float);
    format!("CASE WHEN {right} <> 0 THEN {left} / {right} END")
}

/// A literal, typed so that it never widens what it meets.
fn constant(dialect: &dyn Dialect, value: &Value) -> Typed {
    let (sql, kind) = match value {
        Value::Bool(value) => (value.to_string(), Type::Bool),
        Value::Int(value) => (value.to_string(), Type::Int),
        Value::Decimal(value) => {
            (value.to_string(), Type::Decimal { scale: u8::try_from(value.scale()).unwrap_or(u8::MAX) })
        }
        Value::Float(value) => (format!("CAST('{value:?}' AS {})", dialect.type_name(&Type::Float)), Type::Float),
        Value::String(text) => (dialect.string(text), Type::String { one_of: None }),
        Value::Time(moment) => (dialect.moment(*moment), Type::Time),
        Value::Duration(length) => (length.0.to_string(), Type::Duration),
        Value::List(values) => {
            let parts: Vec<String> = values.iter().map(|value| constant(dialect, value).sql).collect();
            let kind = values.first().map_or(Type::Bool, |value| constant(dialect, value).kind);
            (format!("[{}]", parts.join(", ")), Type::List(Box::new(kind)))
        }
    };
    Typed::known(sql, kind)
}
