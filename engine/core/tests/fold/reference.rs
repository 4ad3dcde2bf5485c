//! The meaning of rules, straight from the definitions: everything is computed again from the whole history at a moment.
//! Slow, short, and without any state.

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive as _;
use sonder_core::consent::Said;
use sonder_core::record::{Event, Fact, Identifier, Record, Seq};
use sonder_dsl::ir::{
    Aggregate, AggregateId, BinaryOperator, EventSelector, Expression, Function, Pattern, Program, PropertySlot,
    PurposeId, RuleId, SessionBounds, Type, UnaryOperator, Value, Window,
};
use sonder_dsl::model::{MergePolicy, Terms};
use sonder_dsl::time::{Duration, Moment};
use std::cmp::Ordering;

/// One event of a person.
#[derive(Clone, Copy)]
pub struct Happened<'a> {
    pub at: Moment,
    pub seq: Seq,
    pub event: &'a Event,
}

/// Everybody's events, by (when, place in the log); people are the components of identifiers that share messages.
pub fn people(records: &[Record]) -> Vec<(Vec<Identifier>, Vec<Happened<'_>>)> {
    let mut groups: Vec<(Vec<Identifier>, Vec<Happened<'_>>)> = Vec::new();
    for record in records {
        let Fact::Event(event) = &record.fact;
        let mut joined = (event.identifiers.clone(), vec![Happened { at: event.occurred_at, seq: record.seq, event }]);
        let (same, others): (Vec<_>, Vec<_>) =
            groups.into_iter().partition(|(identifiers, _)| identifiers.iter().any(|it| joined.0.contains(it)));
        for (identifiers, events) in same {
            joined.0.extend(identifiers);
            joined.1.extend(events);
        }
        joined.0.sort();
        joined.0.dedup();
        groups = others;
        groups.push(joined);
    }
    for (_, events) in &mut groups {
        events.sort_by_key(|it| (it.at, it.seq));
    }
    groups
}

/// One person at one moment.
pub struct Person<'a> {
    pub program: &'a Program,
    pub events: &'a [Happened<'a>],
    pub now: Moment,
}

/// Where an expression stands.
#[derive(Clone, Copy)]
enum Place<'a> {
    Rule,
    Event(&'a Event, &'a [Happened<'a>]),
}

impl<'a> Person<'a> {
    pub fn rule(&self, id: RuleId) -> Option<Value> {
        self.value(&self.program.rules[id.index()].expression, Place::Rule)
    }

    pub fn is_in(&self, id: RuleId) -> bool {
        truth(self.rule(id).as_ref())
    }

    pub fn aggregate_of(&self, id: AggregateId) -> Option<Value> {
        self.aggregate(&self.program.aggregates[id.index()])
    }

    fn value(&self, expression: &Expression, place: Place<'_>) -> Option<Value> {
        match expression {
            Expression::Constant(value) => Some(value.clone()),
            Expression::Property(slot) => {
                let Place::Event(event, _) = place else { return None };
                event.properties.get(slot.index())?.clone()
            }
            Expression::Context(slot) => {
                let Place::Event(event, _) = place else { return None };
                event.context.get(slot.index())?.clone()
            }
            Expression::Step { step, slot } => {
                let Place::Event(_, chain) = place else { return None };
                chain.get(usize::from(*step))?.event.properties.get(slot.index())?.clone()
            }
            Expression::Profile(id) => self.profile(id.index()),
            Expression::Rule(id) => self.rule(*id),
            Expression::Aggregate(id) => self.aggregate(&self.program.aggregates[id.index()]),
            Expression::Consented(purpose) => Some(Value::Bool(self.consents(purpose))),
            // The random projects roll nothing out.
            Expression::Early(_) => Some(Value::Bool(false)),
            Expression::Unary { operator: UnaryOperator::Not, operand } => {
                Some(Value::Bool(!truth(self.value(operand, place).as_ref())))
            }
            Expression::Unary { operator: UnaryOperator::Negate, operand } => {
                Some(match self.value(operand, place)? {
                    Value::Int(it) => Value::Int(-it),
                    Value::Decimal(it) => Value::Decimal(-it),
                    Value::Float(it) => Value::Float(-it),
                    Value::Duration(it) => Value::Duration(Duration(-it.0)),
                    _ => return None,
                })
            }
            Expression::Binary { operator, left, right } => {
                binary(*operator, self.value(left, place), self.value(right, place))
            }
            Expression::If { condition, then, otherwise } => {
                let branch = if truth(self.value(condition, place).as_ref()) { then } else { otherwise };
                self.value(branch, place)
            }
            Expression::IsKnown(value) => Some(Value::Bool(self.value(value, place).is_some())),
            Expression::OrDefault { value, default } => self.value(value, place).or_else(|| self.value(default, place)),
            Expression::Convert { value, to } => convert(self.value(value, place)?, to),
        }
    }

    /// What was said by then: yes where the last answer is yes and the last express one is not no.
    fn allowed(&self, purpose: PurposeId, by_then: &dyn Fn(&Happened<'_>) -> bool) -> bool {
        let bit = 1 << purpose.0;
        let said: Vec<Said> = self.events.iter().filter(|it| by_then(it)).map(|it| it.event.said).collect();
        let last = said.iter().filter_map(|said| said.to(purpose)).next_back();
        let express = said.iter().rfind(|said| said.express & bit != 0);
        let unasked = self.terms().unasked & bit != 0;
        last.unwrap_or(unasked) && express.is_none_or(|said| said.to(purpose) == Some(true))
    }

    /// The latest answer, by (when, place in the log).
    fn consents(&self, purpose: &str) -> bool {
        let Some(purpose) = self.program.consent.purpose(purpose) else { return false };
        self.allowed(purpose, &|_| true)
    }

    /// What holds where they live.
    fn terms(&self) -> Terms {
        let consent = &self.program.consent;
        let is_code = |it: &str| it.len() == 2 || it.len() == 5 && it.as_bytes()[2] == b'-';
        let known = consent.residence.iter().filter_map(|id| match self.profile(id.index()) {
            Some(Value::String(it)) => Some(it.to_string()),
            _ => None,
        });
        consent.terms({ known }.find(|it| is_code(it)).as_deref())
    }

    fn fits(&self, pattern: &Pattern, it: &Happened<'_>, chain: &[Happened<'_>]) -> bool {
        let right_type = match (pattern.event, it.event.event) {
            (EventSelector::One(one), Some(event)) => one == event,
            (EventSelector::Any, Some(_)) => true,
            (_, None) => false,
        };
        right_type
            && pattern
                .filter
                .as_ref()
                .is_none_or(|filter| truth(self.value(filter, Place::Event(it.event, chain)).as_ref()))
    }

    fn inside(&self, window: Window, it: &Happened<'_>) -> bool {
        match window {
            Window::Always => true,
            Window::Last(width) => self.now.minus(width) < it.at && it.at <= self.now,
            Window::Since(start) => start <= it.at,
            Window::Session(bounds) => self.session(bounds).iter().any(|other| other.seq == it.seq),
            Window::Next(width) => self.now < it.at && it.at <= self.now.plus(width),
        }
    }

    /// The events of the current session.
    fn session(&self, bounds: SessionBounds) -> Vec<Happened<'a>> {
        let typed = || self.events.iter().filter(|it| it.event.event.is_some());
        let Some(latest) = typed().next_back().filter(|it| self.now.since(it.at) <= bounds.idle) else {
            return Vec::new();
        };
        let mut sessions: Vec<Vec<Happened<'a>>> = Vec::new();
        for it in typed().filter(|it| latest.at.since(it.at) <= bounds.max) {
            let goes_on = sessions.last().is_some_and(|session| {
                let paused = it.at.since(session[session.len() - 1].at) > bounds.idle;
                let mut known = session.iter().filter_map(|it| self.client_session(it));
                !paused && known.all(|known| self.client_session(it).is_none_or(|mine| mine == known))
            });
            match sessions.last_mut().filter(|_| goes_on) {
                Some(session) => session.push(*it),
                None => sessions.push(vec![*it]),
            }
        }
        sessions.pop().unwrap_or_default()
    }

    fn client_session(&self, it: &Happened<'a>) -> Option<&'a Value> {
        let said = |path: &[&str]| {
            let slot = self.program.context_slots.iter().position(|field| field.path == path)?;
            it.event.context.get(slot)?.as_ref()
        };
        said(&["sessionId"]).or_else(|| said(&["session", "id"]))
    }

    /// Only what they had consented to counts for a purpose; nothing, when they took that back.
    fn aggregate(&self, aggregate: &Aggregate) -> Option<Value> {
        let Some(purpose) = aggregate.purpose else { return self.of_all(aggregate) };
        let taken_back = self.terms().backwards & (1 << purpose.0) != 0 && !self.allowed(purpose, &|_| true);
        let by_then = |it: &Happened<'_>| self.allowed(purpose, &|other| (other.at, other.seq) <= (it.at, it.seq));
        let admitted = |it: &&Happened<'_>| !taken_back && by_then(it);
        let events: Vec<Happened<'_>> = self.events.iter().filter(admitted).copied().collect();
        Person { program: self.program, events: &events, now: self.now }.of_all(aggregate)
    }

    fn of_all(&self, aggregate: &Aggregate) -> Option<Value> {
        if let Function::Sequence(_) = aggregate.function {
            return Some(Value::Bool(self.sequence(aggregate)));
        }
        let counted: Vec<Happened<'_>> = self
            .events
            .iter()
            .filter(|it| self.inside(aggregate.window, it) && self.fits(&aggregate.pattern, it, &[]))
            .copied()
            .collect();
        let Some(per) = aggregate.per else { return self.function(aggregate, &counted) };
        let mut groups: Vec<(Value, Vec<Happened<'_>>)> = Vec::new();
        for it in counted {
            let Some(group) = property(it.event, per) else { continue };
            match groups.iter_mut().find(|(key, _)| *key == group) {
                Some((_, events)) => events.push(it),
                None => groups.push((group, vec![it])),
            }
        }
        let values = groups.iter().filter_map(|(_, events)| self.function(aggregate, events));
        values.max_by(|a, b| compare(a, b).unwrap_or(Ordering::Equal)).or_else(|| self.function(aggregate, &[]))
    }

    /// Of these events, which are all that count, in order.
    fn function(&self, aggregate: &Aggregate, events: &[Happened<'_>]) -> Option<Value> {
        let values: Vec<Value> = events.iter().filter_map(|it| property(it.event, aggregate.value?)).collect();
        match &aggregate.function {
            Function::Count => Some(Value::Int(events.len() as i64)),
            Function::Did => Some(Value::Bool(!events.is_empty())),
            Function::Sum => Some(match &aggregate.result {
                Type::Decimal { .. } => Value::Decimal(values.iter().filter_map(decimal).sum()),
                Type::Float => Value::Float(exact_sum(&values)),
                _ => Value::Int(
                    values.iter().filter_map(|it| if let Value::Int(it) = it { Some(it) } else { None }).sum(),
                ),
            }),
            Function::Avg => {
                if values.is_empty() {
                    return None;
                }
                let decimals: Vec<Decimal> = values.iter().filter_map(decimal).collect();
                let sum = if decimals.len() == values.len() {
                    decimals.iter().sum::<Decimal>().to_f64()?
                } else {
                    exact_sum(&values)
                };
                Some(Value::Float(sum / values.len() as f64))
            }
            Function::Min => values.into_iter().min_by(|a, b| compare(a, b).unwrap()),
            Function::Max => values.into_iter().max_by(|a, b| compare(a, b).unwrap()),
            Function::First => values.into_iter().next(),
            Function::Last => values.into_iter().next_back(),
            Function::Distinct => {
                let mut different: Vec<Value> = Vec::new();
                values.into_iter().for_each(|it| {
                    if !different.contains(&it) {
                        different.push(it);
                    }
                });
                Some(Value::Int(different.len() as i64))
            }
            Function::Top => {
                let count = |value: &Value| values.iter().filter(|it| *it == value).count();
                let most = values.iter().map(count).max()?;
                values.iter().rev().find(|value| count(value) == most).cloned()
            }
            Function::Since => events.last().map(|it| Value::Duration(self.now.since(it.at))),
            Function::Sequence(_) => None,
        }
    }

    fn sequence(&self, aggregate: &Aggregate) -> bool {
        let starts = (0..self.events.len()).filter(|index| {
            let it = &self.events[*index];
            self.inside(aggregate.window, it) && self.fits(&aggregate.pattern, it, &[])
        });
        starts.into_iter().any(|start| self.chain_from(aggregate, start))
    }

    fn chain_from(&self, aggregate: &Aggregate, start: usize) -> bool {
        let Function::Sequence(sequence) = &aggregate.function else { return false };
        let mut chain = vec![self.events[start]];
        let mut last = start;
        for step in &sequence.then {
            let fitting = (last + 1..self.events.len()).find(|index| {
                let it = &self.events[*index];
                let gap = it.at.since(self.events[last].at);
                step.within.is_none_or(|within| gap <= within) && self.fits(&step.pattern, it, &chain)
            });
            let Some(next) = fitting else { return false };
            chain.push(self.events[next]);
            last = next;
        }
        let Some(absence) = &sequence.absence else { return true };
        let end = self.events[last].at.plus(absence.lasting);
        let broken = self.events[last + 1..].iter().any(|it| it.at <= end && self.fits(&absence.pattern, it, &chain));
        !broken && self.now >= end
    }

    fn profile(&self, id: usize) -> Option<Value> {
        let said: Vec<&Value> = self
            .events
            .iter()
            .flat_map(|it| it.event.traits.iter().filter(|(named, _)| named.index() == id).map(|(_, value)| value))
            .collect();
        let length = |it: &Value| if let Value::String(it) = it { it.chars().count() } else { 0 };
        let winner = match &self.program.profile[id].merge {
            MergePolicy::MostRecent => said.last().copied(),
            MergePolicy::Longest => said.iter().copied().max_by_key(|it| length(it)),
            MergePolicy::Max => said.iter().copied().max_by(|a, b| compare(a, b).unwrap()),
            other => panic!("{other:?} is not in these histories"),
        };
        winner.cloned()
    }
}

fn property(event: &Event, slot: PropertySlot) -> Option<Value> {
    event.properties.get(slot.index())?.clone()
}

fn truth(value: Option<&Value>) -> bool {
    value == Some(&Value::Bool(true))
}

fn decimal(value: &Value) -> Option<Decimal> {
    match value {
        Value::Int(it) => Some(Decimal::from(*it)),
        Value::Decimal(it) => Some(*it),
        _ => None,
    }
}

fn float(value: &Value) -> Option<f64> {
    match value {
        Value::Float(it) => Some(*it),
        other => decimal(other)?.to_f64(),
    }
}

/// The sum of floats as the language defines it: each to twelve digits after the point, added exactly.
fn exact_sum(values: &[Value]) -> f64 {
    let units = values.iter().filter_map(float).map(|it| (it * 1e12).round() as i128);
    units.sum::<i128>() as f64 / 1e12
}

fn convert(value: Value, to: &Type) -> Option<Value> {
    match to {
        Type::Decimal { .. } => decimal(&value).map(Value::Decimal),
        Type::Float => float(&value).map(Value::Float),
        _ => Some(value),
    }
}

fn compare(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        (Value::Time(a), Value::Time(b)) => Some(a.cmp(b)),
        (Value::Duration(a), Value::Duration(b)) => Some(a.cmp(b)),
        _ => match (decimal(a), decimal(b)) {
            (Some(a), Some(b)) => Some(a.cmp(&b)),
            _ => float(a)?.partial_cmp(&float(b)?),
        },
    }
}

fn binary(operator: BinaryOperator, left: Option<Value>, right: Option<Value>) -> Option<Value> {
    match operator {
        BinaryOperator::And => return Some(Value::Bool(truth(left.as_ref()) && truth(right.as_ref()))),
        BinaryOperator::Or => return Some(Value::Bool(truth(left.as_ref()) || truth(right.as_ref()))),
        _ => {}
    }
    let judge = |holds: fn(Ordering) -> bool| {
        let order = left.as_ref().zip(right.as_ref()).and_then(|(a, b)| compare(a, b));
        Some(Value::Bool(order.is_some_and(holds)))
    };
    match operator {
        BinaryOperator::Equal => return judge(Ordering::is_eq),
        BinaryOperator::NotEqual => return judge(Ordering::is_ne),
        BinaryOperator::Less => return judge(Ordering::is_lt),
        BinaryOperator::LessOrEqual => return judge(Ordering::is_le),
        BinaryOperator::Greater => return judge(Ordering::is_gt),
        BinaryOperator::GreaterOrEqual => return judge(Ordering::is_ge),
        _ => {}
    }
    arithmetic(operator, left?, right?)
}

fn arithmetic(operator: BinaryOperator, left: Value, right: Value) -> Option<Value> {
    use BinaryOperator::{Add, Divide, Multiply, Subtract};
    let nearest = |micros: f64| Value::Duration(Duration(micros.round() as i64));
    Some(match (operator, left, right) {
        (Add, Value::Duration(a), Value::Duration(b)) => Value::Duration(Duration(a.0 + b.0)),
        (Subtract, Value::Duration(a), Value::Duration(b)) => Value::Duration(Duration(a.0 - b.0)),
        (Multiply, Value::Duration(a), Value::Int(b)) | (Multiply, Value::Int(b), Value::Duration(a)) => {
            Value::Duration(Duration(a.0 * b))
        }
        (Multiply, Value::Duration(a), b) | (Multiply, b, Value::Duration(a)) => nearest(a.0 as f64 * float(&b)?),
        (Divide, Value::Duration(a), b) => nearest(a.0 as f64 / float(&b)?),
        (Add, Value::Int(a), Value::Int(b)) => Value::Int(a + b),
        (Subtract, Value::Int(a), Value::Int(b)) => Value::Int(a - b),
        (Multiply, Value::Int(a), Value::Int(b)) => Value::Int(a * b),
        // By zero: unknown.
        (Divide, a, b) => Value::Float(float(&a)? / float(&b).filter(|it| *it != 0.0)?),
        (operator, a, b) => {
            if let (Some(a), Some(b)) = (decimal(&a), decimal(&b)) {
                return Some(Value::Decimal(match operator {
                    Add => a + b,
                    Subtract => a - b,
                    _ => a * b,
                }));
            }
            let (a, b) = (float(&a)?, float(&b)?);
            Value::Float(match operator {
                Add => a + b,
                Subtract => a - b,
                _ => a * b,
            })
        }
    })
}

/// As a view shows it, for comparing computed traits.
pub fn shown(value: Option<Value>, kind: &Type) -> Option<serde_json::Value> {
    Some(match value? {
        Value::Bool(it) => it.into(),
        Value::Int(it) => it.into(),
        Value::Decimal(mut it) => {
            if let Type::Decimal { scale } = kind {
                it.rescale(u32::from(*scale));
            }
            it.to_string().into()
        }
        Value::Float(it) => it.into(),
        Value::String(it) => it.to_string().into(),
        Value::Time(it) => it.to_string().into(),
        Value::Duration(it) => it.to_string().into(),
        Value::List(_) => return None,
    })
}
