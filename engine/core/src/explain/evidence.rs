//! The events that an aggregate is made of.
//!
//! Listed are those that the value hangs on: all that are counted or added, one for each value of `distinct`, those of
//! the most frequent value of `top`, the one that `since`, `first`, `last`, `min` or `max` takes, the match of a
//! `sequence`. Of many the latest.

use super::Personal;
use super::explanation::{Counted, Evidence, Group, Property, Withheld};
use super::past::{Happened, Past};
use super::{personal, sequence};
use crate::aggregate::spec::{Kind, SessionSpec, selects};
use crate::aggregate::{AggregateState, Occurrence, Spec};
use crate::consent::only;
use crate::datum::{Datum, Known};
use crate::evaluate::EventScene;
use crate::limits;
use crate::profile::Observations;
use serde_json::Value as Json;
use sonder_dsl::ir::{
    Aggregate, AggregateId, ContextSlot, EventId, EventSelector, Expression, Pattern, ProfileTraitId, Program,
    PropertySlot, Type, Value, Window,
};
use sonder_dsl::model::{ContextField, SlotPath};
use sonder_dsl::time::Moment;
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// A person's events, as evidence.
#[derive(Clone, Copy)]
pub(super) struct Witness<'a> {
    pub past: &'a Past,
    pub personal: Personal,
}

/// What a rule looked at of an event.
#[derive(Default)]
pub(super) struct Looks {
    properties: Vec<PropertySlot>,
    context: Vec<ContextSlot>,
}

impl<'a> Witness<'a> {
    /// The evidence of an aggregate.
    pub fn aggregate(self, id: AggregateId) -> Evidence {
        let spec = self.past.state.plan().aggregates.get(id.index());
        let aggregate = self.past.program.aggregates.get(id.index());
        let (Some(spec), Some(aggregate)) = (spec, aggregate) else { return Evidence::default() };
        Evidence { withheld: self.withheld(spec), ..self.counting(aggregate, spec) }
    }

    fn counting(self, aggregate: &Aggregate, spec: &Spec) -> Evidence {
        if let Some(steps) = &spec.sequence {
            return sequence::evidence(self, aggregate, spec, steps);
        }
        let counted: Vec<&Happened> = self.inside(spec).into_iter().filter(|it| fits(&spec.pattern, it)).collect();
        let Some(per) = spec.per else { return self.ungrouped(spec, &counted) };
        let mut groups: BTreeMap<Known, Vec<&Happened>> = BTreeMap::new();
        for it in counted {
            if let Some(value) = property(it, per) {
                groups.entry(Known(value.clone())).or_default().push(it);
            }
        }
        let of = groups.len() as u64;
        let specs = Spec { window: Window::Always, per: None, keyed: false, session: None, ..spec.clone() };
        let valued = groups.iter().map(|(key, events)| (self.state(&specs, events), key, events));
        let best = valued.reduce(|best, next| if self.exceeds(&specs, &next.0, &best.0) { next } else { best });
        let Some((_, key, events)) = best else { return Evidence::default() };
        let mut evidence = self.ungrouped(spec, events);
        let (name, kind, is_personal) = self.slot(spec.pattern.event, per);
        let value = if self.hides(is_personal) { Json::Null } else { key.datum().to_json(&kind) };
        evidence.group = Some(Group { property: name, value, of });
        evidence
    }

    /// The message that gave a trait of the golden record its value, where one did; or the one that linked what is one person's
    /// only because that is likely.
    pub fn profile(self, id: ProfileTraitId) -> Evidence {
        let kept = self.past.body.profile.iter().find(|(known, _)| *known == id);
        let Some((source, at)) = kept.and_then(|(_, observations)| observations.origin()) else {
            return Evidence::default();
        };
        let value = kept.and_then(|(_, observations)| observations.value().to_value()).map(Known);
        let says = |it: &Happened, exactly: bool| {
            let same = |said: &Value| !exactly || value.as_ref().is_some_and(|value| Known(said.clone()) == *value);
            it.at == at && it.event.source == source && it.event.traits.iter().any(|(it, said)| *it == id && same(said))
        };
        if let Some(Observations::One(it)) = kept.map(|(_, it)| it)
            && self.past.state.plan().likely.contains(&id)
        {
            let mut all = self.past.decisions.iter().chain(&self.past.events);
            let linked = all.find(|known| known.seq == it.seq).map(|it| self.counted(it, &Looks::default(), None));
            return Evidence {
                total: linked.iter().count() as u64,
                events: linked.into_iter().collect(),
                ..Evidence::default()
            };
        }
        let events = || self.past.events.iter().rev();
        // A list is nobody's word alone: then whoever added to it last.
        let said = events().find(|it| says(it, true)).or_else(|| events().find(|it| says(it, false)));
        let events: Vec<Counted> = said.map(|it| self.counted(it, &Looks::default(), None)).into_iter().collect();
        Evidence { total: events.len() as u64, events, ..Evidence::default() }
    }

    fn ungrouped(self, spec: &Spec, counted: &[&'a Happened]) -> Evidence {
        let with_value = |it: &&&Happened| spec.value.is_none_or(|slot| property(it, slot).is_some());
        let counted: Vec<&Happened> = counted.iter().filter(with_value).copied().collect();
        let value = |it: &Happened| spec.value.and_then(|slot| property(it, slot)).cloned().map(Known);
        let mut tally = Vec::new();
        let chosen: Vec<&Happened> = match spec.kind {
            Kind::Count | Kind::Did | Kind::Sum | Kind::Avg | Kind::Sequence => counted,
            Kind::Since | Kind::Last => counted.last().copied().into_iter().collect(),
            Kind::First => counted.first().copied().into_iter().collect(),
            Kind::Min => counted.into_iter().rev().min_by_key(|it| value(it)).into_iter().collect(),
            Kind::Max => counted.into_iter().max_by_key(|it| value(it)).into_iter().collect(),
            Kind::Distinct => {
                let latest: BTreeMap<Option<Known>, &Happened> = counted.iter().map(|it| (value(it), *it)).collect();
                let mut latest: Vec<&Happened> = latest.into_values().collect();
                latest.sort_by_key(|it| (it.at, it.seq));
                latest
            }
            Kind::Top => {
                let ranked = ranked(&counted, value);
                let kind = spec.value.map(|slot| self.slot(spec.pattern.event, slot));
                if let Some((_, kind, is_personal)) = kind
                    && !self.hides(is_personal)
                {
                    let shown = ranked.iter().take(limits::EXPLAINED_TALLY);
                    tally = shown.map(|(value, count)| (value.datum().to_json(&kind), *count)).collect();
                }
                let top = ranked.into_iter().next().map(|(value, _)| value);
                counted.into_iter().filter(|it| value(it) == top).collect()
            }
        };
        let looks = Looks::of(&spec.pattern, [spec.value, spec.per]);
        let more = chosen.len().saturating_sub(limits::EXPLAINED_EVENTS);
        let events =
            chosen[more..].iter().map(|it| Counted { leaves: leaves(spec, it), ..self.counted(it, &looks, None) });
        Evidence {
            total: chosen.len() as u64,
            events: events.collect(),
            more: more as u64,
            tally,
            ..Evidence::default()
        }
    }

    /// What would count if somebody consented to it.
    fn withheld(self, spec: &Spec) -> Option<Withheld> {
        let purpose = spec.purpose?;
        let asked = self.past.events.iter().filter(|it| it.event.event.is_some_and(|kind| spec.wants(kind)));
        let would = asked.filter(|it| spec.admits(it.at, self.past.now));
        let would = would.filter(|it| spec.sequence.is_some() || fits(&spec.pattern, it));
        let events = would.filter(|it| !self.is_consented(spec, it)).count() as u64;
        let purpose = self.past.program.consent.purposes.get(purpose.index())?.name.clone();
        (events > 0).then_some(Withheld { purpose, events })
    }

    /// Whether an event may be seen for what an aggregate is for.
    fn is_consented(self, spec: &Spec, it: &Happened) -> bool {
        let plan = self.past.state.plan();
        let (body, terms) = (&self.past.body, plan.terms(&self.past.body));
        spec.purpose.is_none_or(|purpose| {
            plan.admitted(&body.answers, terms, it.at, it.seq) & only(purpose) != 0
                && !plan.is_taken_back(body, purpose)
        })
    }

    /// The person's events of declared types inside the window, oldest first.
    pub fn inside(self, spec: &Spec) -> Vec<&'a Happened> {
        let events = self.past.events.iter().filter(|it| it.event.event.is_some() && self.is_consented(spec, it));
        match &spec.session {
            Some(session) => self.session(session, &events.collect::<Vec<_>>()),
            None => events.filter(|it| spec.admits(it.at, self.past.now)).collect(),
        }
    }

    /// The current session of these events, which are all that make sessions; see
    /// [`SessionBounds`](sonder_dsl::ir::SessionBounds).
    fn session(self, session: &SessionSpec, events: &[&'a Happened]) -> Vec<&'a Happened> {
        let Some(latest) = events.last().map(|it| it.at) else { return Vec::new() };
        if self.past.now > latest.plus(session.bounds.idle) {
            return Vec::new();
        }
        let oldest = latest.minus(session.bounds.max);
        let reach = &events[events.partition_point(|it| it.at < oldest)..];
        let reach = &reach[reach.len().saturating_sub(limits::SESSION_EVENTS)..];
        let (mut begin, mut client, mut before) = (0, 0, None);
        for (index, it) in reach.iter().enumerate() {
            let own = session.client_of(&it.event);
            let paused = before.is_some_and(|before| it.at.since(before) > session.bounds.idle);
            if paused || (own != 0 && client != 0 && own != client) {
                (begin, client) = (index, 0);
            }
            client = if own == 0 { client } else { own };
            before = Some(it.at);
        }
        reach[begin..].to_vec()
    }

    /// What these events amount to, all of which count.
    fn state(self, spec: &Spec, events: &[&Happened]) -> AggregateState {
        let mut state = AggregateState::new(spec);
        for it in events {
            let occurrence = Occurrence {
                at: it.at,
                seq: it.seq,
                now: self.past.now,
                value: spec.value.and_then(|slot| property(it, slot)),
                group: None,
                counts: true,
                event: &it.event,
            };
            state.insert(&occurrence, spec, &mut 0);
        }
        state
    }

    fn exceeds(self, spec: &Spec, a: &AggregateState, b: &AggregateState) -> bool {
        let (a, b) = (a.read(self.past.now, spec).datum, b.read(self.past.now, spec).datum);
        match a.compare(b) {
            Some(order) => order == Ordering::Greater,
            None => !b.is_known() && a.is_known(),
        }
    }

    /// An event with what the rule looked at.
    pub fn counted(self, it: &Happened, looks: &Looks, role: Option<String>) -> Counted {
        let program = &self.past.program;
        let name = |id: EventId| program.events.get(id.index()).map_or_else(String::new, |schema| schema.name.clone());
        let selector = it.event.event.map_or(EventSelector::Any, EventSelector::One);
        let properties = looks.properties.iter().map(|slot| {
            let (name, kind, personal) = self.slot(selector, *slot);
            self.property(name, &kind, personal, property(it, *slot))
        });
        let context = looks.context.iter().filter_map(|slot| {
            let ContextField { path, kind } = program.context_slots.get(slot.index())?;
            let value = it.event.context.get(slot.index())?.as_ref();
            Some(self.property(format!("context.{}", path.join(".")), kind, false, value))
        });
        Counted {
            message_id: it.message_id.clone(),
            seq: it.seq,
            event: it.event.event.map_or_else(|| it.event.call.name().to_owned(), name),
            at: it.at,
            properties: properties.chain(context).collect(),
            leaves: None,
            role,
        }
    }

    fn property(self, name: String, kind: &Type, personal: bool, value: Option<&Value>) -> Property {
        let value = if self.hides(personal) { Json::Null } else { Datum::from(value).to_json(kind) };
        Property { name, value, personal }
    }

    pub fn hides(self, personal: bool) -> bool {
        personal && self.personal == Personal::Hidden
    }

    /// The name and type of a property, and whether it is personal data.
    fn slot(self, event: EventSelector, slot: PropertySlot) -> (String, Type, bool) {
        let program: &Program = &self.past.program;
        let found = if let EventSelector::One(id) = event {
            program.events.get(id.index()).and_then(|schema| schema.slots.get(slot.index()))
        } else {
            None
        };
        match found {
            Some(SlotPath { path, kind }) => (path.join("."), kind.clone(), personal::property(program, event, slot)),
            None => (String::new(), Type::Bool, true),
        }
    }
}

impl Looks {
    /// What a pattern's filter reads of the event at hand, and these properties.
    pub fn of<const N: usize>(pattern: &Pattern, more: [Option<PropertySlot>; N]) -> Self {
        let mut looks = Self::default();
        if let Some(filter) = &pattern.filter {
            filter.walk(&mut |leaf| match leaf {
                Expression::Property(slot) => looks.property(*slot),
                Expression::Context(slot) if !looks.context.contains(slot) => looks.context.push(*slot),
                _ => {}
            });
        }
        more.into_iter().flatten().for_each(|slot| looks.property(slot));
        looks
    }

    pub fn property(&mut self, slot: PropertySlot) {
        if !self.properties.contains(&slot) {
            self.properties.push(slot);
        }
    }
}

/// Whether an event is one that a pattern asks for.
pub(super) fn fits(pattern: &Pattern, it: &Happened) -> bool {
    it.event.event.is_some_and(|kind| selects(pattern.event, kind))
        && pattern.filter.as_ref().is_none_or(|filter| EventScene { event: &it.event }.holds(filter))
}

/// When an event is outside the window, where it ever is.
pub(super) fn leaves(spec: &Spec, it: &Happened) -> Option<Moment> {
    Some(spec.end(it.at)).filter(|end| *end != Moment::MAX)
}

fn property(it: &Happened, slot: PropertySlot) -> Option<&Value> {
    it.event.properties.get(slot.index())?.as_ref()
}

/// The values with their counts, the most frequent first; ties go to the most recent.
fn ranked(counted: &[&Happened], value: impl Fn(&Happened) -> Option<Known>) -> Vec<(Known, u64)> {
    let mut tallies: BTreeMap<Known, (u64, usize)> = BTreeMap::new();
    for (place, it) in counted.iter().enumerate() {
        let Some(value) = value(it) else { continue };
        let tally = tallies.entry(value).or_default();
        *tally = (tally.0 + 1, place);
    }
    let mut ranked: Vec<_> = tallies.into_iter().collect();
    ranked.sort_by_key(|(_, tally)| std::cmp::Reverse(*tally));
    ranked.into_iter().map(|(value, (count, _))| (value, count)).collect()
}
