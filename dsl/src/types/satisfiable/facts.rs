//! What is known of the leaves of conditions before anything is assumed: from schemas, from what aggregates can give, and
//! from the rules that are named.

use super::assume::{Mind, State};
use super::values::{End, Fact, Point, Test, Values};
use crate::ir::{Aggregate, AggregateId, EventSelector, Expression, Function, Lowered, PropertySlot, Type, Window};
use crate::model::{Declarations, OnViolation, SlotPath};
use rust_decimal::Decimal;
use serde_json::Value as Json;
use std::cell::Cell;

/// What is known of leaves.
pub trait Leaves {
    /// What a leaf may be.
    fn fact(&self, leaf: &Expression) -> Fact;

    /// Whether the schema of a leaf never lets this text through.
    fn refuses(&self, _leaf: &Expression, _text: &str) -> bool {
        false
    }
}

/// Of a type, without anything else being known.
pub fn of_type(kind: &Type) -> Fact {
    match kind {
        Type::Bool => Fact { values: Values::OneOf(vec![Point::Flag(false), Point::Flag(true)]), ..Fact::any() },
        Type::Int => Fact { whole: true, ..Fact::any() },
        _ => Fact::any(),
    }
}

/// The values of one event, and of those that earlier steps matched.
pub struct OfEvent<'a> {
    /// What is declared.
    pub declarations: &'a Declarations,
    /// Which slots there are.
    pub lowered: &'a Lowered,
    /// Its type.
    pub event: EventSelector,
    /// Those of the steps before it.
    pub earlier: &'a [EventSelector],
}

impl<'a> OfEvent<'a> {
    /// The slot that a leaf reads and the schema of its values, as far as that is enforced.
    fn property(&self, leaf: &Expression) -> Option<(&'a SlotPath, Option<&'a Json>)> {
        let (event, slot): (EventSelector, PropertySlot) = match leaf {
            Expression::Property(slot) => (self.event, *slot),
            Expression::Step { step, slot } => (*self.earlier.get(usize::from(*step))?, *slot),
            _ => return None,
        };
        let EventSelector::One(id) = event else { return None };
        let slot = self.lowered.slots.get(id.index())?.get(slot.index())?;
        let event = self.declarations.event(id)?;
        if event.on_violation == OnViolation::Label {
            return Some((slot, None));
        }
        let schema = slot.path.iter().try_fold(&event.json_schema, |schema, key| schema.get("properties")?.get(key));
        Some((slot, schema))
    }
}

impl Leaves for OfEvent<'_> {
    fn fact(&self, leaf: &Expression) -> Fact {
        match (self.property(leaf), leaf) {
            (Some((slot, schema)), _) => {
                let fact = of_type(&slot.kind);
                schema.map_or(fact.clone(), |schema| allowed(schema, &slot.kind, fact))
            }
            (None, Expression::Context(slot)) => {
                self.lowered.context_slots.get(slot.index()).map_or_else(Fact::any, |field| of_type(&field.kind))
            }
            _ => Fact::any(),
        }
    }

    fn refuses(&self, leaf: &Expression, text: &str) -> bool {
        self.property(leaf).and_then(|(_, schema)| schema).is_some_and(|schema| refuses(schema, text))
    }
}

/// The values that a schema lets through.
fn allowed(schema: &Json, kind: &Type, mut fact: Fact) -> Fact {
    let listed = match (schema.get("const"), schema.get("enum").and_then(Json::as_array)) {
        (Some(only), _) => Some(vec![only]),
        (None, Some(list)) => Some(list.iter().collect()),
        (None, None) => None,
    };
    if let Some(listed) = listed {
        let points: Option<Vec<Point>> =
            listed.into_iter().filter(|value| !value.is_null()).map(|value| point(value, kind)).collect();
        if let Some(points) = points {
            fact.values = fact.values.intersection(&Values::OneOf(points), fact.whole);
        }
    }
    for (keyword, test) in [
        ("minimum", Test::GreaterOrEqual),
        ("exclusiveMinimum", Test::Greater),
        ("maximum", Test::LessOrEqual),
        ("exclusiveMaximum", Test::Less),
    ] {
        if let Some(limit) = schema.get(keyword).and_then(|limit| point(limit, kind)) {
            fact.values = fact.values.tested(test, &limit, fact.whole);
        }
    }
    fact
}

/// A value of a schema as rules see it.
fn point(value: &Json, kind: &Type) -> Option<Point> {
    match (kind, value) {
        (Type::Int | Type::Decimal { .. }, Json::Number(number)) => {
            let text = number.to_string();
            text.parse::<Decimal>().or_else(|_| Decimal::from_scientific(&text)).ok().map(Point::Exact)
        }
        (Type::Float, Json::Number(number)) => number.as_f64().map(Point::Float),
        (Type::String { .. }, Json::String(text)) => Some(Point::Text(text.as_str().into())),
        (Type::Bool, Json::Bool(flag)) => Some(Point::Flag(*flag)),
        _ => None,
    }
}

/// Whether a schema certainly refuses a text, by its length, pattern or format.
fn refuses(schema: &Json, text: &str) -> bool {
    let characters = text.chars().count() as u64;
    let limit = |keyword: &str| schema.get(keyword).and_then(Json::as_u64);
    if limit("minLength").is_some_and(|least| characters < least)
        || limit("maxLength").is_some_and(|most| characters > most)
    {
        return true;
    }
    let pattern =
        schema.get("pattern").and_then(Json::as_str).and_then(|pattern| crate::shape::compile_pattern(pattern).ok());
    if pattern.is_some_and(|pattern| !pattern.is_match(text)) {
        return true;
    }
    match schema.get("format").and_then(Json::as_str) {
        Some("email") => !text.contains('@'),
        Some("date") => characters != 10,
        Some("uuid") => characters != 36,
        Some("ipv4") => text.parse::<std::net::Ipv4Addr>().is_err(),
        Some("uri") => !text.contains(':'),
        _ => false,
    }
}

/// The values of a person at a moment.
pub struct OfPerson<'a> {
    /// What is declared.
    pub declarations: &'a Declarations,
    /// By aggregate.
    pub aggregates: &'a [Fact],
    /// By rule, as far as they are known.
    pub rules: &'a [Fact],
}

impl Leaves for OfPerson<'_> {
    fn fact(&self, leaf: &Expression) -> Fact {
        let known = match leaf {
            Expression::Aggregate(id) => self.aggregates.get(id.index()).cloned(),
            Expression::Rule(id) => self.rules.get(id.index()).cloned(),
            // Observations are not held against the schema of their trait.
            Expression::Profile(id) => self.declarations.profile.get(id.index()).map(|kept| of_type(&kept.kind)),
            _ => None,
        };
        known.unwrap_or_else(Fact::any)
    }
}

/// What an aggregate may give.
pub fn of_aggregate(declarations: &Declarations, lowered: &Lowered, id: AggregateId, steps: &Cell<u32>) -> Fact {
    let Some(aggregate) = lowered.aggregates.get(id.index()) else { return Fact::any() };
    let matching = Matching { declarations, lowered, steps };
    let zero = |kind: &Type| match kind {
        Type::Float => Point::Float(0.0),
        Type::Duration => Point::Micros(0),
        _ => Point::Exact(Decimal::ZERO),
    };
    let possible = matching.possible(aggregate);
    let whole = aggregate.result == Type::Int;
    let anything = of_type(&aggregate.result);
    // Without any group there is no largest value.
    let grouped = aggregate.per.is_some();
    match &aggregate.function {
        Function::Did | Function::Sequence(_) => {
            let flags = if possible { vec![Point::Flag(false), Point::Flag(true)] } else { vec![Point::Flag(false)] };
            Fact { values: Values::OneOf(flags), unknown: grouped, whole: false }
        }
        Function::Count if !possible => Fact { whole: true, ..Fact::only(Point::Exact(Decimal::ZERO)) },
        Function::Count => Fact { values: Values::from(Point::Exact(Decimal::ZERO)), unknown: grouped, whole: true },
        Function::Distinct => {
            let mut values = Values::from(Point::Exact(Decimal::ZERO));
            if let Some(most) = matching.value(aggregate).and_then(|value| how_many(&value)) {
                values = values.tested(Test::LessOrEqual, &Point::Exact(most), true);
            }
            Fact { values, unknown: grouped, whole: true }
        }
        Function::Sum | Function::Avg => {
            let value = matching.value(aggregate).map_or(Values::ALL, |value| value.values);
            let (low, high) = value.ends();
            let origin = low.as_ref().or(high.as_ref()).map(|end| match end.at {
                Point::Float(_) => Point::Float(0.0),
                _ => Point::Exact(Decimal::ZERO),
            });
            let Some(origin) = origin else { return anything };
            let is = |end: &Option<End>, wanted: fn(std::cmp::Ordering) -> bool| {
                end.as_ref().and_then(|end| end.at.compare(&origin)).is_some_and(wanted)
            };
            let sign = if is(&low, std::cmp::Ordering::is_ge) {
                Test::GreaterOrEqual
            } else if is(&high, std::cmp::Ordering::is_le) {
                Test::LessOrEqual
            } else {
                return anything;
            };
            Fact { values: Values::ALL.tested(sign, &zero(&aggregate.result), whole), unknown: true, whole }
        }
        Function::Min | Function::Max | Function::First | Function::Last | Function::Top => {
            matching.value(aggregate).map_or(anything, |value| Fact { unknown: true, ..value })
        }
        Function::Since => {
            let mut values = Values::from(Point::Micros(0));
            if let Window::Last(length) = aggregate.window {
                values = values.tested(Test::Less, &Point::Micros(length.0), false);
            }
            Fact { values, unknown: true, whole: false }
        }
    }
}

/// How many different values there are, where they can be counted.
fn how_many(fact: &Fact) -> Option<Decimal> {
    match (&fact.values, fact.values.ends()) {
        (Values::OneOf(points), _) => Some(points.len().into()),
        (_, (Some(End { at: Point::Exact(low), .. }), Some(End { at: Point::Exact(high), .. }))) if fact.whole => {
            high.checked_sub(low)?.checked_add(Decimal::ONE)
        }
        _ => None,
    }
}

/// Which events an aggregate is about.
struct Matching<'a> {
    declarations: &'a Declarations,
    lowered: &'a Lowered,
    steps: &'a Cell<u32>,
}

impl Matching<'_> {
    /// Whether some history may have what is asked for.
    fn possible(&self, aggregate: &Aggregate) -> bool {
        let mut earlier = vec![aggregate.pattern.event];
        if !self.fits(aggregate.pattern.event, &[], aggregate.pattern.filter.as_ref()) {
            return false;
        }
        let Function::Sequence(sequence) = &aggregate.function else { return true };
        for step in &sequence.then {
            if !self.fits(step.pattern.event, &earlier, step.pattern.filter.as_ref()) {
                return false;
            }
            earlier.push(step.pattern.event);
        }
        absence_fits(aggregate)
    }

    fn fits(&self, event: EventSelector, earlier: &[EventSelector], filter: Option<&Expression>) -> bool {
        let Some(filter) = filter else { return true };
        let leaves = OfEvent { declarations: self.declarations, lowered: self.lowered, event, earlier };
        let mind = Mind { leaves: &leaves, steps: self.steps };
        !mind.assume(filter, true, &State::default()).is_empty()
    }

    /// What the property of an aggregate may be, in the events that count.
    fn value(&self, aggregate: &Aggregate) -> Option<Fact> {
        let property = Expression::Property(aggregate.value?);
        let event = aggregate.pattern.event;
        let leaves = OfEvent { declarations: self.declarations, lowered: self.lowered, event, earlier: &[] };
        let mind = Mind { leaves: &leaves, steps: self.steps };
        let states = match &aggregate.pattern.filter {
            Some(filter) => mind.assume(filter, true, &State::default()),
            None => vec![State::default()],
        };
        let facts = states.iter().map(|state| mind.value(&property, state));
        let none = Fact { values: Values::OneOf(Vec::new()), unknown: true, whole: false };
        Some(facts.reduce(Fact::either).unwrap_or(none))
    }
}

/// Whether a final `no X for d` can run out while the first step is still inside the window: it begins at the first step or
/// later, so it must be shorter.
pub fn absence_fits(aggregate: &Aggregate) -> bool {
    match (&aggregate.function, aggregate.window) {
        (Function::Sequence(sequence), Window::Last(length)) => {
            sequence.absence.as_ref().is_none_or(|absence| absence.lasting < length)
        }
        _ => true,
    }
}
