//! Moving people along journeys.
//!
//! After a record was taken in, or a timer fired, and the rules were decided: what the event brings (goals, what was
//! waited for, entries), then what conditions and time bring, until everybody of this turn stands. A trait that is set on
//! the way has its rules decided before anything else goes on.

use super::{State, Turn};
use crate::consent::{ANYTHING, only};
use crate::datum::Known;
use crate::deliver;
use crate::effect::{Change, ChangeKind, EffectId, Effects, JourneyChange, JourneyStep, Unsent};
use crate::evaluate::{Answer, evaluate};
use crate::journey::course::EventPlace;
use crate::journey::hours::next_allowed;
use crate::journey::scene::{TravellerScene, meets};
use crate::journey::{Instance, InstanceId, JourneyPlan, Outcome, Travels};
use crate::limits;
use crate::person::{Person, entry};
use crate::profile::{Observation, Observations};
use crate::record::{Event, Seq};
use crate::rules::{Memo, PersonScene, prepare};
use jiff::tz::TimeZone;
use sonder_dsl::ir::journey::{FieldValue, NodeId, NodeKind};
use sonder_dsl::ir::{DestinationId, Expression, Fingerprint, JourneyId, ProfileTraitId, Program, PropertySlot};
use sonder_dsl::time::Moment;
use thin_vec::ThinVec;
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

/// One passage of one person.
pub(super) type Passage = (JourneyId, InstanceId);

/// What becomes of somebody who stands somewhere.
enum Next {
    /// They stay, until then.
    Stay(Moment),
    /// They go on; `None` at the end.
    Go(Option<NodeId>),
    /// What they stand at can be done now.
    Do,
    /// They leave.
    Leave(Outcome),
}

/// What came of a step.
enum Passed {
    /// It is behind them.
    On(Option<NodeId>),
    /// They stand at it.
    Stand,
    /// They leave by it.
    Out,
}

impl State {
    /// Lets everything happen on the person's journeys that this turn brings.
    pub(super) fn travel(
        &mut self,
        program: &Program,
        met: Option<(&Event, Seq)>,
        mut turn: Turn,
        effects: &mut Effects,
    ) {
        if self.plan.journeys.all.is_empty() || self.journeys_held {
            self.scratch.begun.clear();
            return;
        }
        if let Some((event, seq)) = met {
            self.meet(program, event, seq, turn, effects);
        }
        loop {
            for journey in std::mem::take(&mut self.scratch.begun) {
                let began = (turn.at, self.seq);
                self.enter(program, journey, None, ThinVec::new(), began, turn, effects);
            }
            self.go_on(program, turn, effects);
            if self.scratch.touched.is_empty() {
                break;
            }
            turn.round = turn.round.saturating_add(1);
            self.decide(program, turn, effects);
        }
        self.await_next(turn);
    }

    /// What the event is to the journeys that it bears upon.
    fn meet(&mut self, program: &Program, event: &Event, seq: Seq, turn: Turn, effects: &mut Effects) {
        let Some(kind) = event.event else { return };
        let concerned = self.plan.journeys.of_event.get(kind.index()).map_or(0, Vec::len);
        for place in 0..concerned {
            let journey = self.plan.journeys.of_event[kind.index()][place];
            if !self.may_see(journey, event, seq, turn) {
                continue;
            }
            self.convert(journey, event, seq, turn, effects);
            if !event.historical {
                self.receive(program, journey, event, seq, turn, effects);
                self.begin(program, journey, event, seq, turn, effects);
            }
        }
    }

    /// Lets those go on who waited for the event.
    fn receive(
        &mut self,
        program: &Program,
        journey: JourneyId,
        event: &Event,
        seq: Seq,
        turn: Turn,
        effects: &mut Effects,
    ) {
        let Some(plan) = self.plan.journeys.get(journey) else { return };
        let here = (event.occurred_at, seq);
        let key = plan.key_of(event);
        let waited = self.instances(turn, journey).iter().filter_map(|it| match &plan.journey.node(it.node)?.kind {
            NodeKind::WaitFor { pattern, met, .. } => {
                let comes = here > it.after && it.is_reached_by(key.as_ref()) && meets(event, pattern, &it.values);
                comes.then_some((it.id, *met))
            }
            _ => None,
        });
        for (instance, met) in waited.collect::<Vec<_>>() {
            self.go(program, (journey, instance), met, here, turn, effects);
        }
    }

    /// Lets somebody in who did what the journey begins with.
    fn begin(
        &mut self,
        program: &Program,
        journey: JourneyId,
        event: &Event,
        seq: Seq,
        turn: Turn,
        effects: &mut Effects,
    ) {
        let Some(plan) = self.plan.journeys.get(journey) else { return };
        let Some(pattern) = plan.entering() else { return };
        if !meets(event, pattern, &[]) {
            return;
        }
        let key = plan.key_of(event);
        if plan.is_keyed() && key.is_none() {
            return;
        }
        let value = |slot: PropertySlot| event.properties.get(slot.index())?.clone().map(Known);
        let mut values: ThinVec<(PropertySlot, Known)> =
            plan.carried.iter().filter_map(|(slot, _)| Some((*slot, value(*slot)?))).collect();
        values.shrink_to_fit();
        self.enter(program, journey, key, values, (event.occurred_at, seq), turn, effects);
    }

    #[expect(clippy::too_many_arguments)]
    fn enter(
        &mut self,
        program: &Program,
        journey: JourneyId,
        key: Option<Known>,
        values: ThinVec<(PropertySlot, Known)>,
        began: EventPlace,
        turn: Turn,
        effects: &mut Effects,
    ) {
        let (Some(plan), Some(component)) = (self.plan.journeys.get(journey), self.graph.component(turn.person)) else {
            return;
        };
        let course = self.travels(turn).and_then(|travels| travels.course(journey));
        let may_enter = course.is_none_or(|course| {
            course.place(key.as_ref()).is_none()
                && course.may_enter(key.as_ref(), plan.journey.again, turn.at)
                && !course.has_goal_after(&plan.goals, (key.as_ref(), &values), began)
        });
        if !may_enter {
            return;
        }
        if course.is_some_and(|course| course.instances.len() >= limits::JOURNEY_KEYS) {
            self.dropped += 1;
            return;
        }
        let start = plan.journey.start;
        let instance = Instance {
            id: passage_id(plan, key.as_ref(), began, component.id.0),
            key,
            began,
            entered: turn.at,
            values,
            node: start.unwrap_or(NodeId(0)),
            since: turn.at,
            after: began,
            until: Moment::MAX,
            passed: 0,
        };
        if plan.journey.exits.iter().any(|exit| self.holds(plan, &instance, exit, turn)) {
            return;
        }
        let who = self.slots[turn.person.index()].body.awake();
        if who.is_none_or(|person| self.is_withdrawn(plan, person) || !plan.admits(person)) {
            return;
        }
        let per = instance.key.as_ref().map(|key| key.datum().to_json(&plan.key_kind));
        let passage = (journey, instance.id);
        let Some(person) = self.slots[turn.person.index()].body.awake_mut() else { return };
        person.travels.get_or_insert_default().course_mut(journey).begin(instance);
        self.note(passage, JourneyStep::Entered { per }, turn, effects);
        self.go(program, passage, start, began, turn, effects);
    }

    /// What conditions and time bring to everybody who stands somewhere.
    fn go_on(&mut self, program: &Program, turn: Turn, effects: &mut Effects) {
        self.convert_late(turn, effects);
        let Some(travels) = self.travels(turn) else { return };
        let passages = travels
            .courses
            .iter()
            .flat_map(|(journey, course)| course.instances.iter().map(|instance| (*journey, instance.id)));
        for passage in passages.collect::<Vec<Passage>>() {
            let here = (turn.at, self.seq);
            while let Some(next) = self.weigh(passage, turn) {
                match next {
                    Next::Stay(until) => {
                        if let Some(instance) = self.instance_mut(passage, turn) {
                            instance.until = until;
                        }
                        break;
                    }
                    Next::Go(next) => self.go(program, passage, next, here, turn, effects),
                    Next::Do => self.walk(program, passage, here, turn, effects),
                    Next::Leave(outcome) => self.leave(passage, outcome, turn, effects),
                }
            }
        }
    }

    /// What becomes of a passage now; `None` when it is over.
    fn weigh(&self, (journey, id): Passage, turn: Turn) -> Option<Next> {
        let plan = self.plan.journeys.get(journey)?;
        let person = self.slots.get(turn.person.index())?.body.awake()?;
        let instance = self.instances(turn, journey).iter().find(|it| it.id == id)?;
        if self.is_withdrawn(plan, person) {
            return Some(Next::Leave(Outcome::Withdrawn));
        }
        if !plan.admits(person) {
            // They turned out to be somebody for whom it is not, or is another version of it.
            return Some(Next::Leave(Outcome::Removed));
        }
        let course = self.travels(turn)?.course(journey)?;
        if course.has_goal_after(&plan.goals, (instance.key.as_ref(), &instance.values), instance.began) {
            // Somebody who turned out to be the same person reached it.
            return Some(Next::Leave(Outcome::Converted));
        }
        let mut until = Moment::MAX;
        for exit in &plan.journey.exits {
            let answer = self.ask(plan, person, instance, exit, turn.at);
            if answer.datum.is_true() {
                return Some(Next::Leave(Outcome::Exited));
            }
            until = until.min(answer.until);
        }
        let deadline = |lasting: sonder_dsl::time::Duration| instance.since.plus(lasting);
        let next = match &plan.journey.node(instance.node)?.kind {
            NodeKind::Wait { lasting, next } if turn.at >= deadline(*lasting) => Next::Go(*next),
            NodeKind::Wait { lasting, .. } => Next::Stay(deadline(*lasting)),
            NodeKind::WaitFor { up_to, missed, .. } if turn.at >= deadline(*up_to) => Next::Go(*missed),
            NodeKind::WaitFor { up_to, .. } => Next::Stay(deadline(*up_to)),
            NodeKind::WaitUntil { condition, up_to, met, missed } => {
                let answer = self.ask(plan, person, instance, condition, turn.at);
                match answer.datum.is_true() {
                    true => Next::Go(*met),
                    false if turn.at >= deadline(*up_to) => Next::Go(*missed),
                    false => Next::Stay(deadline(*up_to).min(answer.until)),
                }
            }
            NodeKind::Send { .. } => match self.may_send_at(plan, person, turn.at) {
                moment if moment <= turn.at => Next::Do,
                moment => Next::Stay(moment),
            },
            NodeKind::If { .. } | NodeKind::Split(_) | NodeKind::SetTrait { .. } | NodeKind::Exit => Next::Do,
        };
        Some(match next {
            // INVARIANT: what was decided does not hold for ever less than a moment, or time would stand still.
            Next::Stay(moment) => Next::Stay(moment.min(until).max(Moment(turn.at.0.saturating_add(1)))),
            next => next,
        })
    }

    /// Lets somebody come to a step, and to all after it that they do not wait at.
    fn go(
        &mut self,
        program: &Program,
        passage: Passage,
        next: Option<NodeId>,
        after: EventPlace,
        turn: Turn,
        effects: &mut Effects,
    ) {
        if self.come(passage, next, after, turn, effects) {
            self.walk(program, passage, after, turn, effects);
        } else {
            self.leave(passage, Outcome::Finished, turn, effects);
        }
    }

    /// Does what stands at the step where somebody is, and goes on until they wait or have left.
    fn walk(&mut self, program: &Program, passage: Passage, after: EventPlace, turn: Turn, effects: &mut Effects) {
        loop {
            match self.pass(program, passage, turn, effects) {
                None | Some(Passed::Stand) => return,
                Some(Passed::On(next)) => {
                    if !self.come(passage, next, after, turn, effects) {
                        return self.leave(passage, Outcome::Finished, turn, effects);
                    }
                }
                Some(Passed::Out) => return self.leave(passage, Outcome::Exited, turn, effects),
            }
        }
    }

    /// Puts somebody at a step; says whether there is one.
    fn come(
        &mut self,
        passage: Passage,
        next: Option<NodeId>,
        after: EventPlace,
        turn: Turn,
        effects: &mut Effects,
    ) -> bool {
        let Some(node) = next else { return false };
        let Some(instance) = self.instance_mut(passage, turn) else { return true };
        let before = (instance.passed > 0).then_some(instance.node);
        instance.node = node;
        instance.since = turn.at;
        instance.after = after;
        instance.until = Moment::MAX;
        instance.passed = instance.passed.saturating_add(1);
        if let Some(before) = before {
            self.standing.leave(passage.0, before);
        }
        self.standing.come(passage.0, node);
        self.note(passage, JourneyStep::Came(node), turn, effects);
        true
    }

    /// Does what a step does, where it can be done now.
    fn pass(&mut self, program: &Program, passage: Passage, turn: Turn, effects: &mut Effects) -> Option<Passed> {
        let plan = self.plan.journeys.get(passage.0)?;
        let person = self.slots.get(turn.person.index())?.body.awake()?;
        let instance = self.instances(turn, passage.0).iter().find(|it| it.id == passage.1)?;
        let node = instance.node;
        Some(match &plan.journey.node(node)?.kind {
            NodeKind::Wait { .. } | NodeKind::WaitUntil { .. } | NodeKind::WaitFor { .. } => Passed::Stand,
            NodeKind::If { condition, yes, no } => {
                Passed::On(if self.holds(plan, instance, condition, turn) { *yes } else { *no })
            }
            NodeKind::Split(branches) => {
                let number = plan.branch_of(node, self.graph.component(turn.person)?.id.0);
                let mut bound = 0;
                let reaches = |share: u32| {
                    bound += share;
                    number < bound
                };
                let branch = branches.iter().map(|branch| branch.share.0).position(reaches)?;
                let next = branches[branch].next;
                self.note(passage, JourneyStep::Branched(node, branch), turn, effects);
                Passed::On(next)
            }
            NodeKind::Send { destination, action, fields, required, next } => {
                if self.may_send_at(plan, person, turn.at) > turn.at {
                    return Some(Passed::Stand);
                }
                let (next, destination) = (*next, *destination);
                let message = self.message(plan, instance, fields, required, turn);
                let id = step_id(plan, node, passage.1);
                let action = action.clone();
                let step = self.send(program, (destination, action, id), message, (node, turn), effects);
                self.note(passage, step, turn, effects);
                Passed::On(next)
            }
            NodeKind::SetTrait { id, value, next } => {
                let (id, next) = (*id, *next);
                let value = self.ask(plan, person, instance, value, turn.at).datum.to_value().map(Known);
                let step = step_id(plan, node, passage.1);
                if let Some(value) = value {
                    self.set_trait(program, (id, value), step, turn, effects);
                }
                Passed::On(next)
            }
            NodeKind::Exit => Passed::Out,
        })
    }

    /// The fields of a message; the name of one that is needed and not known.
    fn message(
        &self,
        plan: &JourneyPlan,
        instance: &Instance,
        fields: &[FieldValue],
        required: &[String],
        turn: Turn,
    ) -> Result<serde_json::Map<String, serde_json::Value>, Unsent> {
        let mut message = serde_json::Map::new();
        let Some(person) = self.slots[turn.person.index()].body.awake() else { return Ok(message) };
        for field in fields {
            let value = self.ask(plan, person, instance, &field.value, turn.at).datum;
            if value.is_known() {
                message.insert(field.name.clone(), value.to_json(&field.kind));
            }
        }
        match required.iter().find(|name| !message.contains_key(*name)) {
            Some(name) => Err(Unsent::Incomplete(name.clone())),
            None => Ok(message),
        }
    }

    /// Hands a message over, unless the person got enough of its channel.
    fn send(
        &mut self,
        program: &Program,
        (destination, action, id): (DestinationId, String, EffectId),
        message: Result<serde_json::Map<String, serde_json::Value>, Unsent>,
        (node, turn): (NodeId, Turn),
        effects: &mut Effects,
    ) -> JourneyStep {
        let message = match message {
            Ok(message) => message,
            Err(unsent) => return JourneyStep::Unsent(node, unsent),
        };
        if let Some(cap) = self.plan.journeys.cap(destination)
            && let Some(person) = self.slots[turn.person.index()].body.awake_mut()
        {
            let sent = entry(&mut person.travels.get_or_insert_default().sent, destination, ThinVec::new);
            sent.retain(|moment| *moment > turn.at.minus(cap.per));
            if sent.len() >= cap.count as usize {
                return JourneyStep::Unsent(node, Unsent::Capped);
            }
            sent.push(turn.at);
        }
        if let Some(subject) = self.subject(program, turn) {
            deliver::message(&subject, destination, id, &action, message, &mut effects.deliveries);
        }
        JourneyStep::Sent(node, id)
    }

    /// Sets a trait of the golden record; the rules that read it are decided later in this turn.
    fn set_trait(
        &mut self,
        program: &Program,
        (id, value): (ProfileTraitId, Known),
        step: EffectId,
        turn: Turn,
        effects: &mut Effects,
    ) {
        let Some(policy) = self.plan.policies.get(id.index()) else { return };
        let new = Observation { value, source: self.plan.journey_source, at: turn.at, seq: self.seq };
        let Some(person) = self.slots[turn.person.index()].body.awake_mut() else { return };
        let changed = match person.profile.binary_search_by_key(&id, |(id, _)| *id) {
            Ok(place) => person.profile[place].1.insert(new, policy, &mut self.dropped),
            Err(place) => {
                person.profile.insert(place, (id, Observations::new(new, policy)));
                true
            }
        };
        if changed {
            self.scratch.touched.extend(&self.plan.rules_of_profile_trait[id.index()]);
            self.moved_house(&[id], turn);
            if let Some(subject) = self.subject(program, turn) {
                deliver::set_trait(&subject, id, step, &mut effects.deliveries);
            }
        }
    }

    /// When to look again; who has nothing left of any journey takes no room.
    fn await_next(&mut self, turn: Turn) {
        let slot = &mut self.slots[turn.person.index()];
        let Some(person) = slot.body.awake_mut() else { return };
        if person.travels.is_some() {
            slot.due = person.due();
            self.schedule(turn.person);
        }
    }

    pub(super) fn note(&self, (journey, instance): Passage, what: JourneyStep, turn: Turn, effects: &mut Effects) {
        let Some(component) = self.graph.component(turn.person) else { return };
        let what = ChangeKind::Journey(JourneyChange { journey, instance, what });
        effects.changes.push(Change { person: component.id, at: turn.at, cause: turn.cause, what });
    }

    /// Whether somebody does not consent, now, to what the journey is for, or restricts whatever is done with their data.
    fn is_withdrawn(&self, plan: &JourneyPlan, person: &Person) -> bool {
        let needed = plan.purpose.map_or(ANYTHING, |purpose| only(purpose) | ANYTHING);
        self.plan.consents_to(person) & needed != needed
    }

    /// Whether the person had consented to the journey's purpose when the event happened.
    fn may_see(&self, journey: JourneyId, event: &Event, seq: Seq, turn: Turn) -> bool {
        let Some(purpose) = self.plan.journeys.get(journey).and_then(|plan| plan.purpose) else { return true };
        let Some(person) = self.slots.get(turn.person.index()).and_then(|slot| slot.body.awake()) else { return false };
        let admitted = self.plan.admitted(&person.answers, self.plan.terms(person), event.occurred_at, seq);
        admitted & only(purpose) != 0
    }

    pub(super) fn travels(&self, turn: Turn) -> Option<&Travels> {
        self.slots.get(turn.person.index())?.body.awake()?.travels.as_deref()
    }

    pub(super) fn instances(&self, turn: Turn, journey: JourneyId) -> &[Instance] {
        let course = self.travels(turn).and_then(|travels| travels.course(journey));
        course.map_or(&[], |course| &course.instances)
    }

    fn instance_mut(&mut self, (journey, id): Passage, turn: Turn) -> Option<&mut Instance> {
        let travels = self.slots.get_mut(turn.person.index())?.body.awake_mut()?.travels.as_mut()?;
        travels.course_mut(journey).instances.iter_mut().find(|it| it.id == id)
    }

    fn holds(&self, plan: &JourneyPlan, instance: &Instance, condition: &Expression, turn: Turn) -> bool {
        let Some(person) = self.slots[turn.person.index()].body.awake() else { return false };
        self.ask(plan, person, instance, condition, turn.at).datum.is_true()
    }

    fn ask<'a>(
        &'a self,
        plan: &'a JourneyPlan,
        person: &'a Person,
        instance: &'a Instance,
        expression: &'a Expression,
        now: Moment,
    ) -> Answer<'a> {
        let mut memo = Memo::default();
        prepare(&self.plan, person, &plan.reads, now, &mut memo);
        let person = PersonScene { plan: &self.plan, person, memo: &memo };
        evaluate(expression, &TravellerScene { person, instance }, now)
    }

    /// The first moment at which the journey may send something.
    fn may_send_at(&self, plan: &JourneyPlan, person: &Person, at: Moment) -> Moment {
        let (hours, quiet) = (plan.hours, self.plan.journeys.quiet);
        if hours.is_none() && quiet.is_none() {
            return at;
        }
        let own = self.plan.time_zone.map(|id| person.profile_value(id).to_value());
        let own = own.flatten().and_then(|value| match value {
            sonder_dsl::ir::Value::String(name) => TimeZone::get(&name).ok(),
            _ => None,
        });
        next_allowed(at, own.as_ref().unwrap_or(&self.plan.default_time_zone), hours, quiet)
    }
}

/// The same for the same passage in every replay.
fn passage_id(plan: &JourneyPlan, key: Option<&Known>, (at, seq): EventPlace, person: u128) -> InstanceId {
    let mut hash = Xxh3::new();
    hash.update(plan.journey.first_name().as_bytes());
    hash.update(&[0, u8::from(key.is_some())]);
    hash.update(&key.map_or(0, |key| crate::datum::Key::of(&key.0).short()).to_le_bytes());
    hash.update(&at.0.to_le_bytes());
    hash.update(&seq.0.to_le_bytes());
    hash.update(&person.to_le_bytes());
    InstanceId(hash.digest())
}

/// The idempotency key of what a step does: a passage comes to a step once.
pub(super) fn step_id(plan: &JourneyPlan, node: NodeId, instance: InstanceId) -> EffectId {
    keyed(plan.journey.node(node).map(|node| node.key).unwrap_or_default(), instance)
}

/// The same of the step of that key, in whatever version of the text.
pub(super) fn keyed(Fingerprint(key): Fingerprint, instance: InstanceId) -> EffectId {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&instance.0.to_le_bytes());
    bytes[8..].copy_from_slice(&key.to_le_bytes());
    EffectId(xxh3_128(&bytes))
}
