//! Fingerprints: a hash of what a rule or an aggregate means, by names instead of ids.
//!
//! White space, comments, the order of declarations and the files they are in make no difference; whatever changes a
//! value does. The values that an `enum` allows make none either: state that was kept before a value was added stands.

use super::{
    Aggregate, BinaryOperator, EventSelector, Expression, Fingerprint, Function, Pattern, Type, UnaryOperator, Value,
    Window,
};
use super::{AggregateId, ContextSlot, ProfileTraitId, PropertySlot, RuleId};
use crate::model::Rollout;
use xxhash_rust::xxh3::Xxh3;

/// What ids stand for.
pub trait Meanings {
    /// The name of an event type, or `None` for `any`.
    fn event(&self, event: EventSelector) -> Option<&str>;
    /// Path and type of a property that rules read.
    fn property(&self, event: EventSelector, slot: PropertySlot) -> Option<(&[String], &Type)>;
    /// Path and type of a context field that rules read.
    fn context(&self, slot: ContextSlot) -> Option<(&[String], &Type)>;
    /// Name and type of a trait of the golden record.
    fn profile(&self, id: ProfileTraitId) -> Option<(&str, &Type)>;
    /// The fingerprint of a rule that stands before the one at hand.
    fn rule(&self, id: RuleId) -> Option<Fingerprint>;
    /// The fingerprint of an aggregate.
    fn aggregate(&self, id: AggregateId) -> Option<Fingerprint>;
}

/// Of all but its `enough` and its fingerprint.
pub fn of_aggregate(aggregate: &Aggregate, meanings: &dyn Meanings) -> Fingerprint {
    let mut digest = Digest::new(meanings, Vec::new());
    digest.aggregate(aggregate);
    digest.finish()
}

/// Of a rule: what it is for, and the meaning of its expression. `kind` tells a segment from traits of each type.
pub fn of_rule(
    kind: &super::RuleKind,
    purpose: Option<&str>,
    expression: &Expression,
    meanings: &dyn Meanings,
) -> Fingerprint {
    let mut digest = Digest::new(meanings, Vec::new());
    match kind {
        super::RuleKind::Segment => digest.tag(b'S'),
        super::RuleKind::Trait(kind) => {
            digest.tag(b'T');
            digest.kind(kind);
        }
    }
    digest.tag(u8::from(purpose.is_some()));
    digest.text(purpose.unwrap_or_default());
    digest.expression(expression);
    digest.finish()
}

/// A fingerprint as it is made, part by part.
pub struct Digest<'a> {
    hash: Xxh3,
    meanings: &'a dyn Meanings,
    /// The event types of the steps so far; the last is the one at hand.
    steps: Vec<EventSelector>,
}

impl<'a> Digest<'a> {
    /// Nothing yet. Expressions may name properties of these steps.
    pub fn new(meanings: &'a dyn Meanings, steps: Vec<EventSelector>) -> Self {
        Self { hash: Xxh3::new(), meanings, steps }
    }

    /// Of all parts so far.
    pub fn finish(&self) -> Fingerprint {
        Fingerprint(self.hash.digest())
    }

    /// One event, whose condition may name the steps before it.
    pub fn event(&mut self, pattern: &Pattern) {
        self.pattern(pattern);
        self.steps.pop();
    }

    /// A kind of thing.
    pub fn tag(&mut self, tag: u8) {
        self.hash.update(&[tag]);
    }

    /// A whole number.
    pub fn number(&mut self, number: i64) {
        self.hash.update(&number.to_le_bytes());
    }

    /// A text: the length first, so that no two lists of texts look the same.
    pub fn text(&mut self, text: &str) {
        self.number(text.len() as i64);
        self.hash.update(text.as_bytes());
    }

    fn fingerprint(&mut self, fingerprint: Option<Fingerprint>) {
        self.number(fingerprint.unwrap_or_default().0 as i64);
    }

    fn aggregate(&mut self, aggregate: &Aggregate) {
        self.tag(match aggregate.function {
            Function::Count => 1,
            Function::Did => 2,
            Function::Sum => 3,
            Function::Avg => 4,
            Function::Min => 5,
            Function::Max => 6,
            Function::First => 7,
            Function::Last => 8,
            Function::Distinct => 9,
            Function::Top => 10,
            Function::Since => 11,
            Function::Sequence(_) => 12,
        });
        self.kind(&aggregate.result);
        self.window(aggregate.window);
        self.pattern(&aggregate.pattern);
        let event = aggregate.pattern.event;
        for slot in [aggregate.value, aggregate.per] {
            self.tag(u8::from(slot.is_some()));
            if let Some(slot) = slot {
                self.property(event, slot);
            }
        }
        if let Function::Sequence(sequence) = &aggregate.function {
            self.number(sequence.then.len() as i64);
            for step in &sequence.then {
                self.pattern(&step.pattern);
                self.number(step.within.map_or(-1, |within| within.0));
            }
            self.tag(u8::from(sequence.absence.is_some()));
            if let Some(absence) = &sequence.absence {
                self.pattern(&absence.pattern);
                self.number(absence.lasting.0);
            }
        }
    }

    fn window(&mut self, window: Window) {
        let (tag, number) = match window {
            Window::Always => (0, 0),
            Window::Last(length) => (1, length.0),
            Window::Since(moment) => (2, moment.0),
            Window::Session(bounds) => (3, bounds.idle.0),
            Window::Next(length) => (4, length.0),
        };
        self.tag(tag);
        self.number(number);
        if let Window::Session(bounds) = window {
            self.number(bounds.max.0);
        }
    }

    /// The next step.
    pub fn pattern(&mut self, pattern: &Pattern) {
        let name = self.meanings.event(pattern.event);
        self.tag(u8::from(name.is_some()));
        self.text(name.unwrap_or_default());
        self.steps.push(pattern.event);
        self.tag(u8::from(pattern.filter.is_some()));
        if let Some(filter) = &pattern.filter {
            self.expression(filter);
        }
    }

    fn property(&mut self, event: EventSelector, slot: PropertySlot) {
        if let Some((path, kind)) = self.meanings.property(event, slot) {
            self.path(path);
            self.kind(kind);
        }
    }

    fn path(&mut self, path: &[String]) {
        self.number(path.len() as i64);
        for key in path {
            self.text(key);
        }
    }

    /// A type.
    pub fn kind(&mut self, kind: &Type) {
        match kind {
            Type::Bool => self.tag(1),
            Type::Int => self.tag(2),
            Type::Decimal { scale } => {
                self.tag(3);
                self.tag(*scale);
            }
            Type::Float => self.tag(4),
            Type::String { .. } => self.tag(5),
            Type::Time => self.tag(6),
            Type::Duration => self.tag(7),
            Type::List(of) => {
                self.tag(8);
                self.kind(of);
            }
        }
    }

    /// A value.
    pub fn expression(&mut self, expression: &Expression) {
        match expression {
            Expression::Constant(value) => {
                self.tag(1);
                self.value(value);
            }
            Expression::Property(slot) => {
                self.tag(2);
                if let Some(event) = self.steps.last().copied() {
                    self.property(event, *slot);
                }
            }
            Expression::Context(slot) => {
                self.tag(3);
                if let Some((path, kind)) = self.meanings.context(*slot) {
                    self.path(path);
                    self.kind(kind);
                }
            }
            Expression::Step { step, slot } => {
                self.tag(4);
                self.tag(*step);
                if let Some(event) = self.steps.get(usize::from(*step)).copied() {
                    self.property(event, *slot);
                }
            }
            Expression::Profile(id) => {
                self.tag(5);
                if let Some((name, kind)) = self.meanings.profile(*id) {
                    self.text(name);
                    self.kind(kind);
                }
            }
            Expression::Rule(id) => {
                self.tag(6);
                self.fingerprint(self.meanings.rule(*id));
            }
            Expression::Aggregate(id) => {
                self.tag(7);
                self.fingerprint(self.meanings.aggregate(*id));
            }
            Expression::Consented(purpose) => {
                self.tag(14);
                self.text(purpose);
            }
            Expression::Early(rollout) => {
                self.tag(15);
                self.rollout(*rollout);
            }
            Expression::Unary { operator, .. } => {
                self.tag(8);
                self.tag(match operator {
                    UnaryOperator::Not => 1,
                    UnaryOperator::Negate => 2,
                });
            }
            Expression::Binary { operator, .. } => {
                self.tag(9);
                self.tag(binary_tag(*operator));
            }
            Expression::If { .. } => self.tag(10),
            Expression::IsKnown(_) => self.tag(11),
            Expression::OrDefault { .. } => self.tag(12),
            Expression::Convert { to, .. } => {
                self.tag(13);
                self.kind(to);
            }
        }
        for child in expression.children().into_iter().flatten() {
            self.expression(child);
        }
    }

    /// Which people are early.
    pub fn rollout(&mut self, rollout: Rollout) {
        self.number(i64::from(rollout.share().0));
        self.number(rollout.seed() as i64);
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Bool(value) => {
                self.tag(1);
                self.tag(u8::from(*value));
            }
            Value::Int(value) => {
                self.tag(2);
                self.number(*value);
            }
            Value::Decimal(value) => {
                self.tag(3);
                self.hash.update(&value.serialize());
            }
            Value::Float(value) => {
                self.tag(4);
                self.hash.update(&value.to_bits().to_le_bytes());
            }
            Value::String(value) => {
                self.tag(5);
                self.text(value);
            }
            Value::Time(value) => {
                self.tag(6);
                self.number(value.0);
            }
            Value::Duration(value) => {
                self.tag(7);
                self.number(value.0);
            }
            Value::List(values) => {
                self.tag(8);
                self.number(values.len() as i64);
                for value in values.iter() {
                    self.value(value);
                }
            }
        }
    }
}

fn binary_tag(operator: BinaryOperator) -> u8 {
    match operator {
        BinaryOperator::And => 1,
        BinaryOperator::Or => 2,
        BinaryOperator::Equal => 3,
        BinaryOperator::NotEqual => 4,
        BinaryOperator::Less => 5,
        BinaryOperator::LessOrEqual => 6,
        BinaryOperator::Greater => 7,
        BinaryOperator::GreaterOrEqual => 8,
        BinaryOperator::Add => 9,
        BinaryOperator::Subtract => 10,
        BinaryOperator::Multiply => 11,
        BinaryOperator::Divide => 12,
    }
}
