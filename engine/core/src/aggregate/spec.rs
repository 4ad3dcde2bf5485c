//! What the states need to know of their aggregate, drawn from the program once.

use crate::aggregate::cells::Cell;
use crate::datum::Datum;
use crate::evaluate::{Answer, EventScene};
use crate::record::Event;
use rust_decimal::Decimal;
use sonder_dsl::ir::{
    Aggregate, ContextSlot, EventId, EventSelector, Expression, Function, Pattern, Program, PropertySlot, PurposeId,
    SessionBounds, Type, Window,
};
use sonder_dsl::time::{Duration, Moment};
use sonder_dsl::types::context::CLIENT_SESSION_IDS;

/// One aggregate, ready to run.
#[derive(Clone, Debug)]
pub struct Spec {
    /// What is asked.
    pub kind: Kind,
    /// Of which events; a sequence looks at its steps itself.
    pub pattern: Pattern,
    /// When they must have happened.
    pub window: Window,
    /// Only what the person had consented to for it.
    pub purpose: Option<PurposeId>,
    /// No more than this many need be known.
    pub enough: usize,
    /// Which property is taken.
    pub value: Option<PropertySlot>,
    /// Which property makes the groups.
    pub per: Option<PropertySlot>,
    /// Whether there are groups.
    pub keyed: bool,
    /// How numbers are added up.
    pub unit: Unit,
    /// The steps, for a sequence.
    pub sequence: Option<Box<SequenceSpec>>,
    /// What makes a session, where only the current one counts.
    pub session: Option<Box<SessionSpec>>,
    /// Where its words stand; `None` when it has a state of its own.
    pub cell: Option<Cell>,
}

/// What makes a session.
#[derive(Clone, Debug)]
pub struct SessionSpec {
    /// When it ends.
    pub bounds: SessionBounds,
    /// Where events carry the client's session id; the first that is known counts.
    pub client: Vec<ContextSlot>,
}

/// [`Function`] without its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Count,
    Did,
    Sum,
    Avg,
    Min,
    Max,
    First,
    Last,
    Distinct,
    Top,
    Since,
    Sequence,
}

/// How numbers are added up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Whole numbers of `10^-scale`, exactly. The flag says whether the sum is shown as a decimal.
    Exact { scale: u8, decimal: bool },
    /// Floats, also exactly: no order of arrival changes the sum.
    Float,
}

/// The steps of a sequence.
#[derive(Clone, Debug)]
pub struct SequenceSpec {
    /// All of them, the first included.
    pub steps: Vec<Step>,
    /// What must not follow, and for how long.
    pub absence: Option<(Pattern, Duration)>,
    /// Whether some filter names another step's values: then an event fits a step only together with a start.
    pub correlated: bool,
    /// Whether the absence's filter does.
    pub absence_correlated: bool,
    /// What later filters need of an event, by its type; in the order of the properties' paths, so that what is kept is
    /// understood by a program in which the slots have moved.
    pub kept: Vec<(EventId, Vec<PropertySlot>)>,
    /// What they need of its context.
    pub kept_context: Vec<ContextSlot>,
}

/// One step.
#[derive(Clone, Debug)]
pub struct Step {
    /// Which events fit.
    pub pattern: Pattern,
    /// The longest gap to the step before.
    pub within: Option<Duration>,
    /// Whether its filter names earlier steps.
    pub correlated: bool,
}

impl Spec {
    /// Of an aggregate of `program`, with a state of its own.
    pub fn new(aggregate: &Aggregate, program: &Program) -> Self {
        let kind = match &aggregate.function {
            Function::Count => Kind::Count,
            Function::Did => Kind::Did,
            Function::Sum => Kind::Sum,
            Function::Avg => Kind::Avg,
            Function::Min => Kind::Min,
            Function::Max => Kind::Max,
            Function::First => Kind::First,
            Function::Last => Kind::Last,
            Function::Distinct => Kind::Distinct,
            Function::Top => Kind::Top,
            Function::Since => Kind::Since,
            Function::Sequence(_) => Kind::Sequence,
        };
        let enough = match kind {
            Kind::Did => 1,
            _ => aggregate.enough.map_or(usize::MAX, |enough| enough.max(1) as usize),
        };
        Self {
            kind,
            pattern: aggregate.pattern.clone(),
            window: aggregate.window,
            purpose: aggregate.purpose,
            enough,
            value: aggregate.value,
            per: aggregate.per,
            keyed: aggregate.per.is_some(),
            unit: unit(aggregate, program),
            sequence: SequenceSpec::new(aggregate, program).map(Box::new),
            session: SessionSpec::new(aggregate, program).map(Box::new),
            cell: None,
        }
    }

    /// Whether the pattern fits an event.
    pub fn fits(&self, event: &Event) -> bool {
        let is_wanted = event.event.is_some_and(|kind| selects(self.pattern.event, kind));
        is_wanted && self.pattern.filter.as_ref().is_none_or(|filter| EventScene { event }.holds(filter))
    }

    /// Whether an event of that moment is inside the window, or will still be: `last w` never takes it back in. Where a
    /// session began is its own state's to know.
    pub fn admits(&self, at: Moment, now: Moment) -> bool {
        match self.window {
            Window::Always | Window::Session(_) => true,
            Window::Last(_) => at > self.begin(now),
            Window::Since(start) => at >= start,
            // What is still to come is asked about moments that have passed, never by the fold.
            Window::Next(_) => false,
        }
    }

    /// What happened at or before this moment is outside the window as of `now`.
    pub fn begin(&self, now: Moment) -> Moment {
        if let Window::Last(width) = self.window { now.minus(width) } else { Moment::MIN }
    }

    /// The moment from which an event of `at` is outside the window.
    pub fn end(&self, at: Moment) -> Moment {
        if let Window::Last(width) = self.window { at.plus(width) } else { Moment::MAX }
    }

    /// Whether events leave the window.
    pub fn slides(&self) -> bool {
        matches!(self.window, Window::Last(_))
    }

    /// The value of no history at all.
    pub fn of_nothing(&self) -> Answer<'static> {
        Answer::constant(match (self.kind, self.unit) {
            (Kind::Count | Kind::Distinct, _) => Datum::Int(0),
            (Kind::Did | Kind::Sequence, _) => Datum::Bool(false),
            (Kind::Sum, Unit::Exact { decimal: false, .. }) => Datum::Int(0),
            (Kind::Sum, Unit::Exact { decimal: true, scale }) => Datum::Decimal(Decimal::new(0, u32::from(scale))),
            (Kind::Sum, Unit::Float) => Datum::Float(0.0),
            (Kind::Avg | Kind::Min | Kind::Max | Kind::First | Kind::Last | Kind::Top | Kind::Since, _) => {
                Datum::Unknown
            }
        })
    }

    /// Whether an event of this type is one that the pattern, or any step, asks for. All are part of sessions.
    pub fn wants(&self, event: EventId) -> bool {
        if self.session.is_some() {
            return true;
        }
        let fits = |pattern: &Pattern| selects(pattern.event, event);
        match &self.sequence {
            None => fits(&self.pattern),
            Some(sequence) => {
                sequence.steps.iter().any(|step| fits(&step.pattern))
                    || sequence.absence.as_ref().is_some_and(|(pattern, _)| fits(pattern))
            }
        }
    }
}

/// Whether `selector` picks events of this type.
pub fn selects(selector: EventSelector, event: EventId) -> bool {
    match selector {
        EventSelector::One(one) => one == event,
        EventSelector::Any => true,
    }
}

fn unit(aggregate: &Aggregate, program: &Program) -> Unit {
    let of_property = || {
        let EventSelector::One(event) = aggregate.pattern.event else { return None };
        let slot = program.events.get(event.index())?.slots.get(aggregate.value?.index())?;
        Some(slot.kind.clone())
    };
    match of_property().unwrap_or_else(|| aggregate.result.clone()) {
        Type::Decimal { scale } => Unit::Exact { scale, decimal: true },
        Type::Float => Unit::Float,
        _ => Unit::Exact { scale: 0, decimal: false },
    }
}

impl SessionSpec {
    fn new(aggregate: &Aggregate, program: &Program) -> Option<Self> {
        let Window::Session(bounds) = aggregate.window else { return None };
        let slots = || program.context_slots.iter().zip(0u16..);
        let client = CLIENT_SESSION_IDS.iter().filter_map(|path| {
            let (_, slot) = slots().find(|(field, _)| field.path.iter().map(String::as_str).eq(path.split('.')))?;
            Some(ContextSlot(slot))
        });
        Some(Self { bounds, client: client.collect() })
    }
}

impl SequenceSpec {
    fn new(aggregate: &Aggregate, program: &Program) -> Option<Self> {
        let Function::Sequence(sequence) = &aggregate.function else { return None };
        let first = Step { pattern: aggregate.pattern.clone(), within: None, correlated: false };
        let later = sequence.then.iter().map(|step| Step {
            correlated: step.pattern.filter.as_ref().is_some_and(names_steps),
            pattern: step.pattern.clone(),
            within: step.within,
        });
        let steps: Vec<_> = std::iter::once(first).chain(later).collect();
        let absence = sequence.absence.as_ref().map(|it| (it.pattern.clone(), it.lasting));
        let absence_filter = absence.as_ref().and_then(|(pattern, _)| pattern.filter.as_ref());
        let absence_correlated = absence_filter.is_some_and(names_steps);
        let correlated = absence_correlated || steps.iter().any(|step| step.correlated);
        let mut spec =
            Self { steps, absence, correlated, absence_correlated, kept: Vec::new(), kept_context: Vec::new() };
        if correlated {
            spec.keep_what_filters_need(program);
        }
        Some(spec)
    }

    fn keep_what_filters_need(&mut self, program: &Program) {
        let events: Vec<EventSelector> = self.steps.iter().map(|step| step.pattern.event).collect();
        let patterns = self.steps.iter().map(|step| &step.pattern).chain(self.absence.iter().map(|(it, _)| it));
        let mut properties: Vec<(EventId, PropertySlot)> = Vec::new();
        let mut context: Vec<ContextSlot> = Vec::new();
        for pattern in patterns {
            let Some(filter) = pattern.filter.as_ref().filter(|filter| names_steps(filter)) else { continue };
            filter.walk(&mut |leaf| match leaf {
                Expression::Context(slot) => context.push(*slot),
                Expression::Property(slot) => {
                    if let EventSelector::One(event) = pattern.event {
                        properties.push((event, *slot));
                    }
                }
                Expression::Step { step, slot } => {
                    if let Some(EventSelector::One(event)) = events.get(usize::from(*step)) {
                        properties.push((*event, *slot));
                    }
                }
                _ => {}
            });
        }
        let path = |event: EventId, slot: PropertySlot| {
            program.events.get(event.index()).and_then(|schema| schema.slots.get(slot.index())).map(|slot| &slot.path)
        };
        properties.sort_by_key(|&(event, slot)| (event, path(event, slot), slot));
        properties.dedup();
        for (event, slot) in properties {
            match self.kept.last_mut() {
                Some((last, slots)) if *last == event => slots.push(slot),
                _ => self.kept.push((event, vec![slot])),
            }
        }
        context.sort_by_key(|slot| (program.context_slots.get(slot.index()).map(|field| &field.path), *slot));
        context.dedup();
        self.kept_context = context;
    }

    /// Where a property of that event type stands among what is kept of it.
    pub fn place_of(&self, event: EventSelector, slot: PropertySlot) -> Option<usize> {
        let EventSelector::One(event) = event else { return None };
        let (_, slots) = self.kept.iter().find(|(kept, _)| *kept == event)?;
        slots.iter().position(|kept| *kept == slot)
    }

    /// How many properties are kept of that event type; its context stands after them.
    pub fn properties_of(&self, event: Option<EventId>) -> &[PropertySlot] {
        self.kept.iter().find(|(kept, _)| Some(*kept) == event).map_or(&[], |(_, slots)| slots)
    }
}

fn names_steps(filter: &Expression) -> bool {
    let mut found = false;
    filter.walk(&mut |leaf| found |= matches!(leaf, Expression::Step { .. }));
    found
}
