//! The state of the fold, and its main path.
//!
//! A record is taken in by six steps: fire the timers due by its receipt, find out whose event it is, unify the profile,
//! take the event into the aggregates that want it, decide the rules that this touched, and move people along journeys. Each step leaves
//! its effects behind, in order. Nothing else changes a state, so it is a function of the log, of the [`Ids`] by which people are
//! known, and of the moment it was last advanced to: however records are batched, and however often the fold is interrupted and restored, the same
//! records give the same state and the same effects.

mod census;
mod checkpoint;
mod collecting;
mod decide;
mod join;
mod likely;
mod members;
mod memory;
mod over;
mod read;
mod redraw;
mod relation;
mod rest;
mod snapshot;
mod standing;
mod succession;
mod takeover;
mod telling;
mod travel;

pub use crate::identity::ids::{IdRow, Ids};
pub use census::{Asked, ConsentGiven, Particulars, Resident, ResidentIdentifier};
pub use checkpoint::{Checkpoint, Differences, RestoreError};
pub use memory::Missing;
pub use relation::Relation;
pub use snapshot::{CheckpointHead, CheckpointSlice};
pub use takeover::Travelling;

use crate::aggregate::AggregateState;
use crate::consent::{self, Purposes, Statement};
use crate::datum::Known;
use crate::deliver;
use crate::effect::{Cause, Change, ChangeKind, Effects, JourneyChange, JourneyStep, PersonId};
use crate::identity::graph::{Graph, PersonIndex};
use crate::identity::{Finding, Sighting};
use crate::journey::{InstanceId, Outcome};
use crate::paged::Paged;
use crate::person::{Person, entry_after};
use crate::plan::Plan;
use crate::profile::{Observation, Observations};
use crate::record::{Event, Fact, Record, Seq};
use crate::rule_times::RuleTimes;
use crate::rules::RuleSet;
use crate::timers::Timers;
use decide::Verdict;
use members::Members;
use redraw::Recalled;
use rest::{Body, Resting};
use snapshot::Snapshot;
use sonder_dsl::ir::{DestinationId, JourneyId, ProfileTraitId, Program};
use sonder_dsl::time::Moment;
use standing::Standing;
use std::collections::BTreeMap;
use std::sync::Arc;

/// All that is known of all people, as of a place in the log and a moment.
#[derive(Debug)]
pub struct State {
    plan: Arc<Plan>,
    graph: Graph,
    /// By [`PersonIndex`].
    slots: Paged<Slot>,
    timers: Timers,
    /// Who is in a segment.
    members: Members,
    /// How many stand where.
    standing: Standing,
    /// Nobody travels while a new version catches up with the one that runs.
    journeys_held: bool,
    seq: Seq,
    now: Moment,
    /// What limits made the fold forget.
    dropped: u64,
    /// People who were absorbed since the last checkpoint.
    gone: Vec<PersonId>,
    /// Who changed since the last checkpoint; may name somebody twice, or a place that is free again.
    changed: Vec<PersonIndex>,
    /// Counts checkpoints: what is marked with an earlier number belongs to the one that is being taken.
    epoch: u32,
    /// A checkpoint that is being taken.
    snapshot: Option<Snapshot>,
    differences: Differences,
    spilled: usize,
    resting: Resting,
    /// The last record of the last checkpoint.
    kept: Seq,
    memory: usize,
    scratch: Scratch,
    /// Records of the log that were asked for.
    recalled: Option<Recalled>,
}

/// A person's place.
#[derive(Debug)]
struct Slot {
    body: Body,
    /// The segments they are in, and since when: known also while spilled.
    segments: RuleTimes,
    /// The earliest moment at which a rule may change by itself.
    due: Moment,
    /// Where the entry in the timers is; never later than `due`.
    queued: Moment,
    /// The [`epoch`](State::epoch) of the first change that no checkpoint has; [`CLEAN`] when there is none.
    changed: u32,
    /// The record that touched them last.
    touched: Seq,
    /// Bytes, as of the last time somebody looked.
    size: u32,
    /// What they consent to: known also while spilled.
    consents: Purposes,
    /// What they answered with no: the same.
    refused: Purposes,
}

impl Slot {
    /// Nobody's place.
    fn vacant() -> Self {
        Self {
            body: Body::Away(0),
            segments: RuleTimes::default(),
            due: Moment::MAX,
            queued: Moment::MAX,
            changed: CLEAN,
            touched: Seq(0),
            size: 0,
            consents: Purposes::default(),
            refused: Purposes::default(),
        }
    }
}

/// Not changed since it was last written.
const CLEAN: u32 = 0;

/// Room that is used again with every record, so that the main path does not allocate.
#[derive(Debug, Default)]
struct Scratch {
    findings: Vec<Finding>,
    touched: RuleSet,
    changed_traits: Vec<ProfileTraitId>,
    verdicts: Vec<Verdict>,
    /// Journeys whose condition became true.
    begun: Vec<JourneyId>,
    /// Who came about or was joined by the record at hand.
    others: Vec<PersonId>,
    /// How often the record at hand had people made anew.
    redraws: u8,
    /// Passages that ended because two people in one journey turned out to be one.
    merged: Vec<(JourneyId, InstanceId)>,
    /// What people consented to whom the record at hand joined with somebody: by that destinations know of them.
    joined_consents: Vec<(PersonIndex, Purposes)>,
    /// Whether the record at hand says no to something: destinations hear of what is left by it even where it is history.
    refuses: bool,
}

/// Where and why something is decided.
#[derive(Clone, Copy, Debug)]
struct Turn {
    person: PersonIndex,
    at: Moment,
    cause: Cause,
    /// Whether destinations hear of it.
    deliver: bool,
    /// How often rules were decided in this turn before, because journeys set traits.
    round: u8,
}

impl State {
    /// Nobody, before the first record.
    #[must_use]
    pub fn new(program: &Program) -> Self {
        Self::with_plan(program, Arc::new(Plan::new(program)))
    }

    /// Nobody, before the first record, where people are known by these ids.
    #[must_use]
    pub fn known_by(program: &Program, ids: Arc<Ids>) -> Self {
        let mut state = Self::new(program);
        state.graph.know_by(ids);
        state
    }

    /// By which ids people are known.
    #[must_use]
    pub fn ids(&self) -> &Arc<Ids> {
        self.graph.ids()
    }

    fn with_plan(program: &Program, plan: Arc<Plan>) -> Self {
        Self {
            plan,
            graph: Graph::default(),
            slots: Paged::default(),
            timers: Timers::default(),
            members: Members::new(program.rules.len()),
            standing: Standing::new(program),
            journeys_held: false,
            seq: Seq(0),
            now: Moment::MIN,
            dropped: 0,
            gone: Vec::new(),
            changed: Vec::new(),
            epoch: CLEAN + 1,
            snapshot: None,
            differences: Differences::default(),
            spilled: 0,
            resting: Resting::default(),
            kept: Seq(0),
            memory: 0,
            scratch: Scratch::default(),
            recalled: None,
        }
    }

    /// Takes in a record. All timers due at or before its receipt fire first.
    ///
    /// # Errors
    /// When people whom it concerns are spilled, or people are to be made anew from the log: [`load`](Self::load) them,
    /// [`recall`](Self::recall) what is asked for, and come again with the same record. What was decided by then is in
    /// `effects`: timers have fired, and some of the record's identifiers may be linked.
    pub fn step(&mut self, program: &Program, record: &Record, effects: &mut Effects) -> Result<(), Missing> {
        let Fact::Event(event) = &record.fact;
        self.require_loaded(event)?;
        self.advance(program, record.received_at, effects)?;
        self.touch_all(event);
        self.seq = record.seq;
        self.scratch.refuses = event.said.no() != 0;
        let person = self.identify(program, event, record.seq, effects)?;
        self.decide_others(program, person, event, effects);
        if let Some(person) = person {
            self.live_through(program, event, person, effects);
        }
        self.recalled = None;
        self.scratch.changed_traits.clear();
        self.scratch.redraws = 0;
        self.scratch.joined_consents.clear();
        self.scratch.refuses = false;
        Ok(())
    }

    /// Decides the rules of those who came about or were joined, but whose event it is not.
    fn decide_others(&mut self, program: &Program, person: Option<PersonIndex>, event: &Event, effects: &mut Effects) {
        let named = std::mem::take(&mut self.scratch.others);
        let known = named.into_iter().filter_map(|id| self.graph.person(id)).filter(|other| Some(*other) != person);
        let others: BTreeMap<PersonId, PersonIndex> =
            known.filter_map(|other| Some((self.graph.component(other)?.id, other))).collect();
        if others.is_empty() {
            return;
        }
        // Which of these rules are whose is not known: deciding one too many changes nothing.
        let touched = self.scratch.touched.clone();
        for other in others.into_values() {
            let cause = Cause::Record(self.seq);
            let turn = Turn { person: other, at: self.now, cause, deliver: !event.historical, round: 0 };
            self.scratch.touched.clone_from(&touched);
            self.touch(other);
            self.wake(other);
            self.tell_profile(program, turn, effects);
            self.decide(program, turn, effects);
            self.travel(program, None, turn, effects);
            self.note_consents(program, turn, effects);
        }
        self.scratch.touched = touched;
        if person.is_none() {
            self.scratch.touched.clear();
        }
    }

    /// Tells destinations of the golden record's new values.
    fn tell_profile(&self, program: &Program, turn: Turn, effects: &mut Effects) {
        if self.scratch.changed_traits.is_empty() || !turn.deliver {
            return;
        }
        let Some(subject) = self.subject(program, turn) else { return };
        for id in &self.scratch.changed_traits {
            deliver::profile_trait(&subject, *id, &mut effects.deliveries);
        }
    }

    /// Takes in what happened to somebody: the record is the one that the state is at.
    fn live_through(&mut self, program: &Program, event: &Event, person: PersonIndex, effects: &mut Effects) {
        let seq = self.seq;
        let turn = Turn { person, at: self.now, cause: Cause::Record(seq), deliver: !event.historical, round: 0 };
        self.listen(event, seq, turn);
        self.observe(event, seq, turn);
        self.aggregate(event, seq, turn);
        self.forward(program, event, turn, effects);
        self.decide(program, turn, effects);
        self.travel(program, Some((event, seq)), turn, effects);
        self.note_consents(program, turn, effects);
    }

    /// Lets time pass: fires all timers due at or before `now`, each exactly at its moment, in order of (moment, person).
    ///
    /// # Errors
    /// When somebody whose timer is due is spilled. Earlier timers have fired, and their effects are in `effects`.
    pub fn advance(&mut self, program: &Program, now: Moment, effects: &mut Effects) -> Result<(), Missing> {
        while let Some((moment, person)) = self.timers.first(now, &self.graph) {
            let due = self.slots[person.index()].due;
            if due == moment {
                self.require_loaded_person(person)?;
            }
            self.unschedule(person);
            if due == moment {
                self.now = moment;
                self.fire(program, person, moment, effects);
            }
            self.schedule(person);
        }
        self.now = self.now.max(now);
        Ok(())
    }

    /// The next moment at which something may change by itself; it may be too early, but never too late.
    #[must_use]
    pub fn next_timer(&self) -> Option<Moment> {
        self.timers.next()
    }

    /// The last record taken in, and the moment last advanced to.
    #[must_use]
    pub fn as_of(&self) -> (Seq, Moment) {
        (self.seq, self.now)
    }

    /// How many values, events and groups the [`limits`](crate::limits) made the fold forget.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Looks at the rules of a person whose time has come.
    fn fire(&mut self, program: &Program, person: PersonIndex, moment: Moment, effects: &mut Effects) {
        self.touch(person);
        self.wake(person);
        let Some(it) = self.slots[person.index()].body.awake() else { return };
        for (rule, due) in it.timers.iter() {
            if due <= moment {
                self.scratch.touched.insert(rule);
            }
        }
        let turn = Turn { person, at: moment, cause: Cause::Timer(moment), deliver: true, round: 0 };
        self.decide(program, turn, effects);
        self.travel(program, None, turn, effects);
        self.note_consents(program, turn, effects);
    }

    /// Whose event it is; joins people who turn out to be one, and parts those who turn out not to be.
    fn identify(
        &mut self,
        program: &Program,
        event: &Event,
        seq: Seq,
        effects: &mut Effects,
    ) -> Result<Option<PersonIndex>, Missing> {
        let mut findings = std::mem::take(&mut self.scratch.findings);
        let plan = Arc::clone(&self.plan);
        let outcome = loop {
            let resolved = plan.links.resolve(&mut self.graph, Sighting { event, seq }, &mut findings);
            self.take_findings(&mut findings, (event, seq), effects);
            let redraw = match resolved {
                Ok(person) => break Ok(person),
                Err(redraw) => redraw,
            };
            let redrawn = self.redraw(program, &redraw, (event, seq), &mut findings, effects);
            self.take_findings(&mut findings, (event, seq), effects);
            if let Err(missing) = redrawn {
                break Err(missing);
            }
        };
        self.scratch.findings = findings;
        let person = outcome?;
        self.forget_who_never_was(seq, effects);
        if let Some(person) = person {
            self.see(person, event, seq);
        }
        Ok(person)
    }

    /// Somebody whom a record made and at once made one with somebody else has never been: nobody hears of them, and their id
    /// means nobody.
    fn forget_who_never_was(&mut self, seq: Seq, effects: &mut Effects) {
        let changes = &mut effects.changes;
        let begin = changes.iter().rposition(|change| change.cause != Cause::Record(seq)).map_or(0, |place| place + 1);
        let of_record = &changes[begin..];
        let is_made = |id: PersonId| of_record.iter().any(|it| it.person == id && it.what == ChangeKind::Created);
        let is_parted = |id: PersonId| of_record.iter().any(|it| it.what == ChangeKind::Split { parted: id });
        let absorbed = of_record.iter().filter_map(|it| match it.what {
            ChangeKind::Merged { absorbed } => Some(absorbed),
            _ => None,
        });
        let passing: Vec<PersonId> = absorbed.filter(|id| is_made(*id) && !is_parted(*id)).collect();
        if passing.is_empty() {
            return;
        }
        let is_of_them = |change: &Change| match change.what {
            ChangeKind::Created => passing.contains(&change.person),
            ChangeKind::Merged { absorbed } => passing.contains(&absorbed),
            _ => false,
        };
        let rest: Vec<Change> = changes.drain(begin..).filter(|change| !is_of_them(change)).collect();
        changes.extend(rest);
        passing.into_iter().for_each(|id| self.graph.forget_absorbed(id));
    }

    /// Does what was found out about who is who.
    fn take_findings(&mut self, findings: &mut Vec<Finding>, (event, seq): (&Event, Seq), effects: &mut Effects) {
        let cause = Cause::Record(seq);
        for finding in findings.drain(..) {
            let (person, what) = match finding {
                Finding::Created { person, id } => {
                    self.scratch.others.push(id);
                    self.make_room(person, id);
                    self.scratch.touched.extend(&self.plan.initially_true);
                    (id, ChangeKind::Created)
                }
                Finding::Joined { survivor, survivor_id, absorbed, absorbed_id } => {
                    self.scratch.others.push(survivor_id);
                    self.join((survivor, survivor_id), (absorbed, absorbed_id));
                    self.look_at_links(survivor, (event, seq));
                    (survivor_id, ChangeKind::Merged { absorbed: absorbed_id })
                }
                Finding::Touched(person) => {
                    self.touch(person);
                    continue;
                }
                Finding::Relinked(person) => {
                    self.look_at_links(person, (event, seq));
                    continue;
                }
                Finding::Refused { person, identifier, reason } => {
                    (person, ChangeKind::LinkRefused { identifier, reason: reason.as_str() })
                }
            };
            effects.changes.push(Change { person, at: self.now, cause, what });
            for (journey, instance) in std::mem::take(&mut self.scratch.merged) {
                self.call_back((journey, instance), person, Outcome::Merged.name(), self.now, effects);
                let what = JourneyChange { journey, instance, what: JourneyStep::Left(Outcome::Merged) };
                effects.changes.push(Change { person, at: self.now, cause, what: ChangeKind::Journey(what) });
            }
        }
    }

    /// An event of somebody was seen.
    fn see(&mut self, person: PersonIndex, event: &Event, seq: Seq) {
        self.touch(person);
        self.wake(person);
        let slot = &mut self.slots[person.index()];
        slot.touched = seq;
        if let Some(it) = slot.body.awake_mut() {
            it.first_seen = it.first_seen.min(event.occurred_at);
            it.last_seen = it.last_seen.max(event.occurred_at);
        }
    }

    fn make_room(&mut self, person: PersonIndex, id: PersonId) {
        let is_early = self.plan.rollout.is_some_and(|rollout| rollout.is_early(id.0));
        let fresh = Person { is_early, ..Person::unseen() };
        let size = fresh.size();
        let slot = Slot {
            body: Body::Awake(Box::new(fresh)),
            segments: RuleTimes::default(),
            due: Moment::MAX,
            queued: Moment::MAX,
            changed: self.epoch,
            touched: self.seq,
            size: size as u32,
            consents: self.plan.consent.otherwise.unasked | consent::ANYTHING,
            refused: Purposes::default(),
        };
        self.changed.push(person);
        self.memory += size;
        if person.index() < self.slots.len() {
            self.slots[person.index()] = slot;
        } else {
            self.slots.push(slot);
        }
    }

    /// Takes in what the event says about consent.
    fn listen(&mut self, event: &Event, seq: Seq, turn: Turn) {
        let Some(person) = self.slots[turn.person.index()].body.awake_mut().filter(|_| !event.said.is_nothing()) else {
            return;
        };
        let before = self.plan.consents_to(person);
        let new = Statement { at: event.occurred_at, seq, said: event.said };
        person.answers.insert(new, &mut self.dropped);
        if self.plan.consents_to(person) != before {
            self.scratch.touched.extend(&self.plan.rules_of_consent);
        }
        if person.bound.as_ref().is_some_and(|bound| bound.kept.last().is_some_and(|it| it.at >= new.at)) {
            self.rebind(turn.person);
        }
    }

    /// Notes what somebody consents to where it is known of everybody at any time. Destinations that may hear of them from now
    /// on, or may no longer, are told.
    fn note_consents(&mut self, program: &Program, turn: Turn, effects: &mut Effects) {
        let slot = &mut self.slots[turn.person.index()];
        let is_limited = |it: &&Person| self.plan.consent.enforced || !it.answers.is_empty();
        let Some(it) = slot.body.awake().filter(is_limited) else { return };
        let now = self.plan.consents_to(it);
        slot.refused = it.answers.latest().no();
        let before = std::mem::replace(&mut slot.consents, now);
        let known_by = before | self.joined_consents(turn.person);
        if before == now && known_by == now {
            return;
        }
        self.withdraw(before & !now, turn, effects);
        if !turn.deliver && !self.scratch.refuses {
            return;
        }
        let Some(subject) = self.subject(program, turn) else { return };
        let subject = deliver::Subject { before: known_by, ..subject };
        let segments = &self.slots[turn.person.index()].segments;
        for (destination, id) in program.destinations.iter().zip(0..) {
            let is_open = |consents: Purposes| self.plan.withheld(consents, destination).is_none();
            let is_allowed = is_open(now);
            let may_tell = turn.deliver || !is_allowed;
            if may_tell && is_allowed != is_open(if is_allowed { before } else { known_by }) {
                let theirs = self.plan.shown(segments).map(|(rule, _)| rule);
                let theirs = theirs.filter(|rule| destination.segments.contains(rule));
                deliver::consent(&subject, DestinationId(id), theirs, is_allowed, effects);
            }
        }
    }

    /// What those consented to whom the record at hand joined with somebody.
    fn joined_consents(&self, person: PersonIndex) -> Purposes {
        let joined = self.scratch.joined_consents.iter().filter(|(survivor, _)| *survivor == person);
        joined.fold(0, |all, (_, consents)| all | consents)
    }

    /// Decides again which of somebody's events count for a purpose.
    fn rebind(&mut self, person: PersonIndex) {
        let Some(it) = self.slots[person.index()].body.awake_mut() else { return };
        for id in consent::rebind(&self.plan, it, self.now, &mut self.dropped) {
            self.scratch.touched.extend(&self.plan.rules_of_aggregate[id.index()]);
        }
    }

    /// Takes what the event says about the person into the golden record.
    fn observe(&mut self, event: &Event, seq: Seq, turn: Turn) {
        let Some(person) = self.slots[turn.person.index()].body.awake_mut() else { return };
        for (id, value) in &event.traits {
            let Some(policy) = self.plan.policies.get(id.index()) else { continue };
            let new = Observation { value: Known(value.clone()), source: event.source, at: event.occurred_at, seq };
            let changed = match person.profile.binary_search_by_key(id, |(id, _)| *id) {
                Ok(place) => person.profile[place].1.insert(new, policy, &mut self.dropped),
                Err(place) => {
                    person.profile.reserve_exact(1);
                    person.profile.insert(place, (*id, Observations::new(new, policy)));
                    true
                }
            };
            if changed {
                note(&mut self.scratch.changed_traits, *id);
                self.scratch.touched.extend(&self.plan.rules_of_profile_trait[id.index()]);
            }
        }
        let changed = std::mem::take(&mut self.scratch.changed_traits);
        self.moved_house(&changed, turn);
        self.scratch.changed_traits = changed;
    }

    /// These traits of somebody have other values: where they live may be one, and with it what holds for them.
    fn moved_house(&mut self, changed: &[ProfileTraitId], turn: Turn) {
        if changed.iter().any(|id| self.plan.consent.residence.contains(id)) {
            self.scratch.touched.extend(&self.plan.rules_of_consent);
            self.rebind(turn.person);
        }
    }

    /// Takes the event into the aggregates that want it.
    fn aggregate(&mut self, event: &Event, seq: Seq, turn: Turn) {
        let Some(kind) = event.event else { return };
        let Some(aggregates) = self.plan.aggregates_of_event.get(kind.index()) else { return };
        let Some(person) = self.slots[turn.person.index()].body.awake_mut() else { return };
        let mut admitted = 0;
        if self.plan.is_bound[kind.index()] {
            admitted = self.plan.admitted(&person.answers, self.plan.terms(person), event.occurred_at, seq);
            let bound = person.bound.get_or_insert_default();
            bound.keep(&self.plan, event, seq, admitted, turn.at);
            bound.settle(&self.plan, turn.at, &mut self.dropped);
        }
        let (mut place, mut cell) = (0, 0);
        for id in aggregates {
            let spec = &self.plan.aggregates[id.index()];
            if let Some(it) = spec.cell {
                if !spec.fits(event) {
                    continue;
                }
                let mut counts = false;
                for sharer in &self.plan.sharing[id.index()] {
                    if self.plan.aggregates[sharer.index()].admits(event.occurred_at, turn.at) {
                        counts = true;
                        self.scratch.touched.extend(&self.plan.rules_of_aggregate[sharer.index()]);
                    }
                }
                if counts {
                    person.cells.note(&mut cell, *id, it.form, event.occurred_at);
                }
                continue;
            }
            if spec.purpose.is_some_and(|purpose| admitted & consent::only(purpose) == 0) {
                continue;
            }
            let Some(occurrence) = consent::occurrence(spec, event, seq, turn.at) else { continue };
            let state = entry_after(&mut person.aggregates, &mut place, *id, || AggregateState::new(spec));
            state.insert(&occurrence, spec, &mut self.dropped);
            self.scratch.touched.extend(&self.plan.rules_of_aggregate[id.index()]);
        }
    }

    /// Hands the event and the changes of the golden record to the destinations that get them.
    fn forward(&self, program: &Program, event: &Event, turn: Turn, effects: &mut Effects) {
        if turn.deliver
            && event.forward.is_some()
            && let Some(subject) = self.subject(program, turn)
        {
            let (answers, terms) = (&subject.person.answers, self.plan.terms(subject.person));
            let admitted = self.plan.admitted(answers, terms, event.occurred_at, self.seq);
            deliver::event(&subject, event, admitted, &mut effects.deliveries);
        }
        self.tell_profile(program, turn, effects);
    }

    fn subject<'a>(&'a self, program: &'a Program, turn: Turn) -> Option<deliver::Subject<'a>> {
        let slot = self.slots.get(turn.person.index())?;
        Some(deliver::Subject {
            program,
            plan: &self.plan,
            graph: &self.graph,
            component: self.graph.component(turn.person)?,
            person: slot.body.awake()?,
            at: turn.at,
            cause: turn.cause,
            round: turn.round,
            before: slot.consents | self.joined_consents(turn.person),
        })
    }

    /// Takes the person's entry out of the timers.
    fn unschedule(&mut self, person: PersonIndex) {
        let Some(component) = self.graph.component(person) else { return };
        let slot = &mut self.slots[person.index()];
        self.timers.cancel(person, component.id, slot.queued);
        slot.queued = Moment::MAX;
    }

    /// Puts the person's entry in the timers where it belongs.
    fn schedule(&mut self, person: PersonIndex) {
        let Some(component) = self.graph.component(person) else { return };
        let slot = &mut self.slots[person.index()];
        slot.queued = self.timers.schedule(person, component.id, slot.due, slot.queued);
    }
}

/// Adds an id, once.
fn note<T: PartialEq>(list: &mut Vec<T>, id: T) {
    if !list.contains(&id) {
        list.push(id);
    }
}
