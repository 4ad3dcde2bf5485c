//! What rules read of the log.

use sonder_dsl::ir::sql::traits_read;
use sonder_dsl::ir::{
    Aggregate, ContextSlot, EventId, EventSelector, Expression, Function, Pattern, ProfileTraitId, Program,
    PropertySlot, RuleId, Window,
};
use sonder_dsl::model::EventSchema;
use sonder_dsl::time::Moment;
use sonder_dsl::types::context::CLIENT_SESSION_IDS;
use std::collections::{BTreeMap, BTreeSet};

/// What some rules read, also through other rules.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// With the moment from which on its events matter.
    events: BTreeMap<EventId, Moment>,
    pub properties: BTreeSet<(EventId, PropertySlot)>,
    pub context: BTreeSet<ContextSlot>,
    pub traits: BTreeSet<ProfileTraitId>,
}

impl Wanted {
    pub fn by(program: &Program, rules: &[RuleId], at: Moment) -> Self {
        let mut wanted = Self { traits: traits_read(program, rules), ..Self::default() };
        for rule in rules.iter().filter_map(|id| program.rules.get(id.index())) {
            for aggregate in rule.aggregates.iter().filter_map(|id| program.aggregates.get(id.index())) {
                wanted.aggregate(program, aggregate, at);
            }
        }
        wanted
    }

    /// The event types with their schemas.
    pub fn events<'p>(&self, program: &'p Program) -> impl Iterator<Item = (EventId, &'p EventSchema)> {
        self.events.keys().filter_map(|id| Some((*id, program.events.get(id.index())?)))
    }

    /// The moment from which on events of a type matter.
    pub fn from(&self, event: EventId) -> Moment {
        self.events.get(&event).copied().unwrap_or(Moment::MIN)
    }

    fn event(&mut self, event: EventId, from: Moment) {
        let known = self.events.entry(event).or_insert(from);
        *known = from.min(*known);
    }

    fn every_event(&mut self, program: &Program, from: Moment) {
        (0..program.events.len()).for_each(|id| self.event(EventId(id as u32), from));
    }

    fn aggregate(&mut self, program: &Program, aggregate: &Aggregate, at: Moment) {
        // What is in no window says nothing. Steps may lie before the window of their sequence.
        let from = match (aggregate.window, &aggregate.function) {
            (_, Function::Sequence(_)) => Moment::MIN,
            (Window::Last(length), _) => at.minus(length),
            (Window::Since(start), _) => start,
            (Window::Always | Window::Session(_) | Window::Next(_), _) => Moment::MIN,
        };
        let mut steps = vec![&aggregate.pattern];
        let mut absence = None;
        if let Function::Sequence(sequence) = &aggregate.function {
            steps.extend(sequence.then.iter().map(|step| &step.pattern));
            absence = sequence.absence.as_ref().map(|absence| &absence.pattern);
        }
        for pattern in steps.iter().copied().chain(absence) {
            match pattern.event {
                EventSelector::One(id) => self.event(id, from),
                EventSelector::Any => self.every_event(program, from),
            }
            self.filter(pattern, &steps);
        }
        if matches!(aggregate.window, Window::Session(_)) {
            self.sessions(program);
        }
        for slot in [aggregate.value, aggregate.per].into_iter().flatten() {
            self.property(aggregate.pattern.event, slot);
        }
    }

    /// Everything that a person does makes their sessions, and what the client says of them.
    fn sessions(&mut self, program: &Program) {
        self.every_event(program, Moment::MIN);
        let numbered = (0..).map(ContextSlot).zip(&program.context_slots);
        let client = numbered.filter(|(_, field)| CLIENT_SESSION_IDS.contains(&field.path.join(".").as_str()));
        self.context.extend(client.map(|(slot, _)| slot));
    }

    fn filter(&mut self, pattern: &Pattern, steps: &[&Pattern]) {
        let Some(filter) = &pattern.filter else { return };
        filter.walk(&mut |leaf| match leaf {
            Expression::Property(slot) => self.property(pattern.event, *slot),
            Expression::Context(slot) => _ = self.context.insert(*slot),
            Expression::Step { step, slot } => {
                if let Some(of) = steps.get(usize::from(*step)) {
                    self.property(of.event, *slot);
                }
            }
            _ => {}
        });
    }

    fn property(&mut self, event: EventSelector, slot: PropertySlot) {
        if let EventSelector::One(id) = event {
            self.properties.insert((id, slot));
        }
    }
}
