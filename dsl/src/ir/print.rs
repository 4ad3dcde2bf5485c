//! A resolved expression as text of the language again: what a rule means, with all names in full.
//!
//! INVARIANT: compiling what is printed gives the same meaning. Conversions are not printed; the compiler puts them in
//! again.

use super::{
    Aggregate, BinaryOperator, EventSelector, Expression, Function, Journey, Pattern, Program, PropertySlot,
    SequenceStep, TrailingAbsence, UnaryOperator, Value, Window, journey,
};
use std::fmt::{self, Display, Formatter, Write};

/// An expression of a rule.
#[must_use]
pub fn expression<'a>(program: &'a Program, expression: &'a Expression) -> impl Display + 'a {
    Printed { program, what: What::Expression(expression) }
}

/// An expression of a journey, which may name its entering event.
#[must_use]
pub fn journey_expression<'a>(
    program: &'a Program,
    journey: &Journey,
    expression: &'a Expression,
) -> impl Display + 'a {
    let entering = match &journey.entry {
        journey::Entry::Event { pattern, .. } => vec![pattern.event],
        journey::Entry::Condition(_) => Vec::new(),
    };
    Printed { program, what: What::Step(entering, expression) }
}

/// An aggregate, as a rule calls it.
#[must_use]
pub fn aggregate<'a>(program: &'a Program, aggregate: &'a Aggregate) -> impl Display + 'a {
    Printed { program, what: What::Aggregate(aggregate) }
}

/// One step of a sequence, from 0; after the last the absence, if there is one. Earlier steps are called `step0` …
#[must_use]
pub fn step<'a>(program: &'a Program, aggregate: &'a Aggregate, place: usize) -> impl Display + 'a {
    Printed { program, what: What::StepOf(aggregate, place) }
}

struct Printed<'a> {
    program: &'a Program,
    what: What<'a>,
}

enum What<'a> {
    Expression(&'a Expression),
    Step(Vec<EventSelector>, &'a Expression),
    Aggregate(&'a Aggregate),
    StepOf(&'a Aggregate, usize),
}

impl Display for Printed<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut printer = Printer { program: self.program, out: f, steps: Vec::new(), named: Vec::new() };
        match &self.what {
            What::Expression(expression) => printer.expression(expression, LOOSEST),
            What::Step(entering, expression) => {
                printer.steps.clone_from(entering);
                printer.expression(expression, LOOSEST)
            }
            What::Aggregate(aggregate) => printer.aggregate(aggregate),
            What::StepOf(aggregate, place) => printer.one_step(aggregate, *place),
        }
    }
}

/// How tightly operators bind; see `syntax::climb`, which reads what is written here.
const LOOSEST: u8 = 0;
const OR: u8 = 1;
const AND: u8 = 2;
const NOT: u8 = 3;
const COMPARISON: u8 = 4;
const SUM: u8 = 5;
const PRODUCT: u8 = 6;
const NEGATION: u8 = 7;
const TIGHTEST: u8 = 8;

struct Printer<'a, 'f> {
    program: &'a Program,
    out: &'a mut Formatter<'f>,
    /// The event types of the steps so far; the last is the one at hand.
    steps: Vec<EventSelector>,
    /// Which steps later ones refer to, and so need a name.
    named: Vec<u8>,
}

impl Printer<'_, '_> {
    fn expression(&mut self, expression: &Expression, binding: u8) -> fmt::Result {
        let own = binding_of(expression);
        if own < binding {
            self.out.write_char('(')?;
            self.bare(expression)?;
            return self.out.write_char(')');
        }
        self.bare(expression)
    }

    fn bare(&mut self, expression: &Expression) -> fmt::Result {
        match expression {
            Expression::Constant(value) => self.value(value),
            Expression::Property(slot) => self.property(self.steps.last().copied(), *slot),
            Expression::Context(slot) => match self.program.context_slots.get(slot.index()) {
                Some(field) => write!(self.out, "context.{}", field.path.join(".")),
                None => self.out.write_str("context"),
            },
            Expression::Step { step, slot } => {
                write!(self.out, "step{step}.")?;
                self.property(self.steps.get(usize::from(*step)).copied(), *slot)
            }
            Expression::Profile(id) => {
                let name = self.program.profile.get(id.index()).map_or("", |declared| declared.name.as_str());
                write!(self.out, "profile.{name}")
            }
            Expression::Rule(id) => match self.program.rules.get(id.index()) {
                Some(rule) if rule.kind == super::RuleKind::Segment => write!(self.out, "in({})", rule.name),
                Some(rule) => self.out.write_str(&rule.name),
                None => Ok(()),
            },
            Expression::Consented(purpose) => write!(self.out, "consented({purpose})"),
            Expression::Early(rollout) => write!(self.out, "among the first {}", rollout.share()),
            Expression::Aggregate(id) => match self.program.aggregate(*id) {
                Some(aggregate) => self.aggregate(aggregate),
                None => Ok(()),
            },
            Expression::Unary { operator: UnaryOperator::Not, operand } => match operand.as_ref() {
                Expression::IsKnown(value) => {
                    self.expression(value, COMPARISON + 1)?;
                    self.out.write_str(" is unknown")
                }
                operand => {
                    self.out.write_str("not ")?;
                    self.expression(operand, NOT)
                }
            },
            Expression::Unary { operator: UnaryOperator::Negate, operand } => {
                self.out.write_char('-')?;
                self.expression(operand, NEGATION)
            }
            Expression::Binary { operator, left, right } => {
                let (symbol, own) = symbol(*operator);
                // `a - (b - c)` needs its parentheses, chains of `and` and of `or` need none.
                self.expression(left, if own == COMPARISON { own + 1 } else { own })?;
                write!(self.out, " {symbol} ")?;
                self.expression(right, if own <= AND { own } else { own + 1 })
            }
            Expression::OrDefault { value, default } => {
                self.expression(value, OR)?;
                self.out.write_str(" or ")?;
                self.expression(default, OR)
            }
            Expression::If { condition, then, otherwise } => {
                self.out.write_str("if ")?;
                self.expression(condition, LOOSEST)?;
                self.out.write_str(" then ")?;
                self.expression(then, LOOSEST)?;
                self.out.write_str(" else ")?;
                self.expression(otherwise, LOOSEST)
            }
            Expression::IsKnown(value) => {
                self.expression(value, COMPARISON + 1)?;
                self.out.write_str(" is known")
            }
            Expression::Convert { value, .. } => self.bare(value),
        }
    }

    fn aggregate(&mut self, aggregate: &Aggregate) -> fmt::Result {
        let name = aggregate.function.name();
        write!(self.out, "{name}(")?;
        let outer = (std::mem::take(&mut self.steps), std::mem::replace(&mut self.named, named_steps(aggregate)));
        self.pattern(&aggregate.pattern, aggregate.value)?;
        if let Function::Sequence(sequence) = &aggregate.function {
            for step in &sequence.then {
                self.out.write_str(" then ")?;
                self.step(step)?;
            }
            if let Some(absence) = &sequence.absence {
                self.out.write_str(" then ")?;
                self.absence(absence)?;
            }
        }
        (self.steps, self.named) = outer;
        match aggregate.window {
            Window::Always => {}
            Window::Last(length) => write!(self.out, ", last {length}")?,
            Window::Since(moment) => write!(self.out, ", since {moment}")?,
            Window::Session(_) => self.out.write_str(", this session")?,
            Window::Next(length) => write!(self.out, ", next {length}")?,
        }
        if let Some(slot) = aggregate.per {
            self.out.write_str(", per ")?;
            self.property(Some(aggregate.pattern.event), slot)?;
        }
        self.out.write_char(')')
    }

    fn one_step(&mut self, aggregate: &Aggregate, place: usize) -> fmt::Result {
        let Function::Sequence(sequence) = &aggregate.function else { return self.aggregate(aggregate) };
        let events = std::iter::once(&aggregate.pattern).chain(sequence.then.iter().map(|step| &step.pattern));
        self.steps = events.take(place).map(|pattern| pattern.event).collect();
        self.named = named_steps(aggregate);
        match (place.checked_sub(1).map(|later| sequence.then.get(later)), &sequence.absence) {
            (None, _) => self.pattern(&aggregate.pattern, None),
            (Some(Some(step)), _) => self.step(step),
            (Some(None), Some(absence)) => self.absence(absence),
            (Some(None), None) => Ok(()),
        }
    }

    fn step(&mut self, step: &SequenceStep) -> fmt::Result {
        self.pattern(&step.pattern, None)?;
        match step.within {
            Some(within) => write!(self.out, " within {within}"),
            None => Ok(()),
        }
    }

    fn absence(&mut self, absence: &TrailingAbsence) -> fmt::Result {
        self.out.write_str("no ")?;
        self.pattern(&absence.pattern, None)?;
        write!(self.out, " for {}", absence.lasting)
    }

    fn pattern(&mut self, pattern: &Pattern, value: Option<PropertySlot>) -> fmt::Result {
        match pattern.event {
            EventSelector::One(id) => {
                let name = self.program.events.get(id.index()).map_or("", |event| event.name.as_str());
                self.out.write_str(name)?;
            }
            EventSelector::Any => self.out.write_str("any")?,
        }
        if let Some(slot) = value {
            self.out.write_char('.')?;
            self.property(Some(pattern.event), slot)?;
        }
        let index = self.steps.len();
        if self.named.iter().any(|step| usize::from(*step) == index) {
            write!(self.out, " as step{index}")?;
        }
        self.steps.push(pattern.event);
        if let Some(filter) = &pattern.filter {
            self.out.write_str(" where ")?;
            self.expression(filter, LOOSEST)?;
        }
        Ok(())
    }

    fn property(&mut self, event: Option<EventSelector>, slot: PropertySlot) -> fmt::Result {
        let Some(EventSelector::One(id)) = event else { return Ok(()) };
        match self.program.events.get(id.index()).and_then(|event| event.slots.get(slot.index())) {
            Some(found) => self.out.write_str(&found.path.join(".")),
            None => Ok(()),
        }
    }

    fn value(&mut self, value: &Value) -> fmt::Result {
        match value {
            Value::Bool(value) => write!(self.out, "{value}"),
            Value::Int(value) => write!(self.out, "{value}"),
            Value::Decimal(value) => write!(self.out, "{value}"),
            // A whole one may be more than a whole number can be.
            Value::Float(value) if value.abs() >= 1e15 => write!(self.out, "{value:.1}"),
            Value::Float(value) => write!(self.out, "{value}"),
            Value::String(text) => quoted(self.out, text),
            Value::Time(moment) => write!(self.out, "{moment}"),
            Value::Duration(length) => write!(self.out, "{length}"),
            Value::List(values) => {
                for (index, value) in values.iter().enumerate() {
                    self.out.write_str(if index == 0 { "" } else { ", " })?;
                    self.value(value)?;
                }
                Ok(())
            }
        }
    }
}

fn quoted(out: &mut Formatter<'_>, text: &str) -> fmt::Result {
    out.write_char('"')?;
    for character in text.chars() {
        match character {
            '"' | '\\' => write!(out, "\\{character}")?,
            '\n' => out.write_str("\\n")?,
            '\t' => out.write_str("\\t")?,
            other if other.is_control() => write!(out, "\\u{{{:X}}}", u32::from(other))?,
            other => out.write_char(other)?,
        }
    }
    out.write_char('"')
}

/// The steps that later ones refer to.
fn named_steps(aggregate: &Aggregate) -> Vec<u8> {
    let mut named = Vec::new();
    if let Function::Sequence(sequence) = &aggregate.function {
        let later = sequence.then.iter().map(|step| &step.pattern);
        for filter in later
            .chain(sequence.absence.iter().map(|absence| &absence.pattern))
            .filter_map(|pattern| pattern.filter.as_ref())
        {
            filter.walk(&mut |part| {
                if let Expression::Step { step, .. } = part {
                    named.push(*step);
                }
            });
        }
    }
    named
}

fn binding_of(expression: &Expression) -> u8 {
    match expression {
        Expression::Binary { operator, .. } => symbol(*operator).1,
        // An `if` takes in everything behind it.
        Expression::If { .. } => LOOSEST,
        Expression::OrDefault { .. } => OR,
        Expression::Unary { operator: UnaryOperator::Not, operand } => match operand.as_ref() {
            Expression::IsKnown(_) => COMPARISON,
            _ => NOT,
        },
        Expression::Unary { operator: UnaryOperator::Negate, .. } => NEGATION,
        Expression::IsKnown(_) => COMPARISON,
        Expression::Convert { value, .. } => binding_of(value),
        _ => TIGHTEST,
    }
}

fn symbol(operator: BinaryOperator) -> (&'static str, u8) {
    match operator {
        BinaryOperator::Or => ("or", OR),
        BinaryOperator::And => ("and", AND),
        BinaryOperator::Equal => ("==", COMPARISON),
        BinaryOperator::NotEqual => ("!=", COMPARISON),
        BinaryOperator::Less => ("<", COMPARISON),
        BinaryOperator::LessOrEqual => ("<=", COMPARISON),
        BinaryOperator::Greater => (">", COMPARISON),
        BinaryOperator::GreaterOrEqual => (">=", COMPARISON),
        BinaryOperator::Add => ("+", SUM),
        BinaryOperator::Subtract => ("-", SUM),
        BinaryOperator::Multiply => ("*", PRODUCT),
        BinaryOperator::Divide => ("/", PRODUCT),
    }
}
