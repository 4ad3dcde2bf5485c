//! `sequence(A then B within 30m then no C for 1h)`: whether its steps happened in order.
//!
//! Kept are the events that some step asks for. Each event of the first step is a start; from there every step takes
//! the earliest event after the one before it that fits, so a start has one chain at most, which holds in one interval:
//! from the moment it is complete (the trailing absence included) until its start leaves the window. The value is
//! whether `now` is in any of these intervals.
//!
//! Where filters look at one event only, all chains are found in one backward pass, O(events × steps). Where they name
//! other steps' values, each start is followed by itself; [`limits`](crate::limits) keeps that small.

use super::timeline::{Tie, Timeline};
use super::{Occurrence, Spec};
use crate::aggregate::spec::{SequenceSpec, selects};
use crate::datum::{Datum, Known};
use crate::evaluate::{Answer, EventScene, Scene, evaluate};
use crate::footprint;
use crate::limits;
use crate::record::Seq;
use serde::{Deserialize, Serialize};
use sonder_dsl::ir::{Expression, Pattern, Value};
use sonder_dsl::time::{Duration, Moment};

/// The events that may be part of a match.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Sequence {
    marks: Timeline<Mark>,
}

/// An event, reduced to what the steps ask of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Mark {
    seq: Seq,
    /// Bit `i`: step `i` may take it; the bit after the last step: it breaks the trailing absence. For a correlated
    /// filter the bit says that the type is right, and the filter is asked together with a start.
    steps: u32,
    /// Values that correlated filters read; see [`SequenceSpec::kept`].
    kept: Option<Box<[Option<Known>]>>,
}

impl Tie for Mark {
    fn tie(&self) -> u64 {
        self.seq.0
    }
}

impl Mark {
    pub(super) fn heap(&self) -> usize {
        self.kept.as_ref().map_or(0, |kept| footprint::block(size_of_val(&**kept)))
    }
}

impl Sequence {
    /// Of these events, in their order.
    pub(super) fn of(marks: impl Iterator<Item = (Moment, Mark)>) -> Self {
        let mut timeline = Timeline::default();
        for (at, mark) in marks {
            timeline.insert(at, mark);
        }
        Self { marks: timeline }
    }

    pub fn insert(&mut self, it: &Occurrence<'_>, spec: &Spec, dropped: &mut u64) {
        let Some(sequence) = &spec.sequence else { return };
        let Some(mark) = sequence.mark(it) else { return };
        self.marks.drop_stale(it.now, spec, |_| {});
        self.marks.insert(it.at, mark);
        self.bound(sequence, dropped);
    }

    pub fn merge(&mut self, other: Self, spec: &Spec, dropped: &mut u64) {
        self.marks.merge(other.marks);
        if let Some(sequence) = &spec.sequence {
            self.bound(sequence, dropped);
        }
    }

    fn bound(&mut self, sequence: &SequenceSpec, dropped: &mut u64) {
        let limit = if sequence.correlated { limits::CORRELATED_SEQUENCE_EVENTS } else { limits::SEQUENCE_EVENTS };
        *dropped += self.marks.keep_latest(limit, |_| {}) as u64;
    }

    pub fn read(&self, now: Moment, spec: &Spec) -> Answer<'static> {
        let Some(sequence) = &spec.sequence else { return spec.of_nothing() };
        let marks = self.marks.live(now, spec);
        let mut intervals = Intervals { now, holds_until: None, begins: Moment::MAX };
        if sequence.correlated {
            follow_each_start(marks, sequence, spec, &mut intervals);
        } else {
            complete_backwards(marks, sequence, spec, &mut intervals);
        }
        match intervals.holds_until {
            Some(until) => Answer::new(Datum::Bool(true), until),
            None => Answer::new(Datum::Bool(false), intervals.begins),
        }
    }

    pub fn heap(&self) -> usize {
        self.marks.heap() + self.marks.all().iter().map(|(_, mark)| mark.heap()).sum::<usize>()
    }
}

/// When chains hold, as far as `now` is concerned.
struct Intervals {
    now: Moment,
    /// The latest end of those that hold now.
    holds_until: Option<Moment>,
    /// The earliest begin of those to come.
    begins: Moment,
}

impl Intervals {
    fn add(&mut self, begin: Moment, end: Moment) {
        if begin >= end {
            return;
        }
        if begin > self.now {
            self.begins = self.begins.min(begin);
        } else if end > self.now {
            self.holds_until = self.holds_until.max(Some(end));
        }
    }
}

/// From the last event to the first, knowing for each step the earliest event ahead that it would take and when the
/// chain from there is complete.
fn complete_backwards(marks: &[(Moment, Mark)], sequence: &SequenceSpec, spec: &Spec, intervals: &mut Intervals) {
    let steps = sequence.steps.len().min(limits::SEQUENCE_STEPS - 1);
    let mut ahead: [Option<(Moment, Option<Moment>)>; limits::SEQUENCE_STEPS] = [None; limits::SEQUENCE_STEPS];
    let mut breaker: Option<Moment> = None;
    for (at, mark) in marks.iter().rev() {
        let mut complete: [Option<Moment>; limits::SEQUENCE_STEPS] = [None; limits::SEQUENCE_STEPS];
        for step in (0..steps).filter(|step| mark.steps >> step & 1 == 1) {
            complete[step] = if step + 1 == steps {
                end_of_chain(*at, breaker, sequence)
            } else {
                let next = ahead[step + 1].filter(|(next, _)| within(sequence, step + 1, *at, *next));
                next.and_then(|(_, complete)| complete)
            };
        }
        for step in (0..steps).filter(|step| mark.steps >> step & 1 == 1) {
            ahead[step] = Some((*at, complete[step]));
        }
        if mark.steps >> sequence.steps.len() & 1 == 1 {
            breaker = Some(*at);
        }
        if mark.steps & 1 == 1
            && let Some(begin) = complete[0]
        {
            intervals.add(begin, spec.end(*at));
        }
    }
}

/// When a chain whose last step was at `at` is complete; `None` when what must not follow did.
fn end_of_chain(at: Moment, breaker: Option<Moment>, sequence: &SequenceSpec) -> Option<Moment> {
    let Some((_, lasting)) = &sequence.absence else { return Some(at) };
    let begin = at.plus(*lasting);
    if breaker.is_some_and(|breaker| breaker <= begin) { None } else { Some(begin) }
}

fn within(sequence: &SequenceSpec, step: usize, previous: Moment, at: Moment) -> bool {
    let bound: Option<Duration> = sequence.steps.get(step).and_then(|step| step.within);
    bound.is_none_or(|bound| at.since(previous) <= bound)
}

/// Each start with the earliest fitting events after it.
fn follow_each_start(marks: &[(Moment, Mark)], sequence: &SequenceSpec, spec: &Spec, intervals: &mut Intervals) {
    let mut chain: Vec<usize> = Vec::with_capacity(sequence.steps.len());
    for (start, (at, mark)) in marks.iter().enumerate() {
        if mark.steps & 1 == 0 {
            continue;
        }
        chain.clear();
        chain.push(start);
        while chain.len() < sequence.steps.len() {
            let step = chain.len();
            let previous = chain[step - 1];
            let pattern = &sequence.steps[step].pattern;
            let fits = |index: &usize| takes(marks, &chain, *index, step, pattern, sequence);
            let Some(next) = (previous + 1..marks.len()).find(fits) else { break };
            if !within(sequence, step, marks[previous].0, marks[next].0) {
                break;
            }
            chain.push(next);
        }
        if chain.len() < sequence.steps.len() {
            continue;
        }
        let last = chain[chain.len() - 1];
        let breaker = sequence.absence.as_ref().and_then(|(pattern, _)| {
            let fits = |index: &usize| takes(marks, &chain, *index, chain.len(), pattern, sequence);
            (last + 1..marks.len()).find(fits).map(|index| marks[index].0)
        });
        if let Some(begin) = end_of_chain(marks[last].0, breaker, sequence) {
            intervals.add(begin, spec.end(*at));
        }
    }
}

/// Whether a step takes the event at `index`, given the events of the steps before it.
fn takes(
    marks: &[(Moment, Mark)],
    chain: &[usize],
    index: usize,
    step: usize,
    pattern: &Pattern,
    sequence: &SequenceSpec,
) -> bool {
    let (_, mark) = &marks[index];
    if mark.steps >> step & 1 == 0 {
        return false;
    }
    let Some(filter) = &pattern.filter else { return true };
    if !sequence.is_correlated(step) {
        return true;
    }
    let scene = ChainScene { marks, chain, mark, pattern, sequence };
    evaluate(filter, &scene, Moment::MIN).datum.is_true()
}

/// An event and those that the steps before it took.
struct ChainScene<'a> {
    marks: &'a [(Moment, Mark)],
    chain: &'a [usize],
    mark: &'a Mark,
    pattern: &'a Pattern,
    sequence: &'a SequenceSpec,
}

impl<'a> Scene<'a> for ChainScene<'a> {
    fn leaf(&self, leaf: &'a Expression, _now: Moment) -> Answer<'a> {
        let value = match leaf {
            Expression::Property(slot) => {
                self.sequence.place_of(self.pattern.event, *slot).and_then(|it| kept(self.mark, it))
            }
            Expression::Context(slot) => {
                let place = self.sequence.kept_context.iter().position(|kept| kept == slot);
                // The context stands at the end of what is kept.
                let from_end = place.map(|place| self.sequence.kept_context.len() - place);
                from_end.and_then(|it| kept(self.mark, self.mark.kept.as_ref()?.len().checked_sub(it)?))
            }
            Expression::Step { step, slot } => {
                let step = usize::from(*step);
                let event = self.sequence.steps.get(step).map(|step| step.pattern.event);
                let mark = self.chain.get(step).map(|index| &self.marks[*index].1);
                mark.zip(event).and_then(|(mark, event)| kept(mark, self.sequence.place_of(event, *slot)?))
            }
            _ => None,
        };
        Answer::constant(value.map_or(Datum::Unknown, Known::datum))
    }
}

fn kept(mark: &Mark, place: usize) -> Option<&Known> {
    mark.kept.as_ref()?.get(place)?.as_ref()
}

impl SequenceSpec {
    /// What is kept of an event; `None` when no step asks for it.
    pub(super) fn mark(&self, it: &Occurrence<'_>) -> Option<Mark> {
        let steps = self.steps_of(it);
        (steps != 0).then(|| Mark { seq: it.seq, steps, kept: self.keep(it) })
    }

    /// The steps that may take this event, as bits.
    fn steps_of(&self, it: &Occurrence<'_>) -> u32 {
        let scene = EventScene { event: it.event };
        let fits = |pattern: &Pattern, correlated: bool| {
            it.event.event.is_some_and(|event| selects(pattern.event, event))
                && (correlated || pattern.filter.as_ref().is_none_or(|filter| scene.holds(filter)))
        };
        let mut bits = 0;
        for (index, step) in self.steps.iter().enumerate().take(limits::SEQUENCE_STEPS - 1) {
            bits |= u32::from(fits(&step.pattern, step.correlated)) << index;
        }
        if let Some((pattern, _)) = &self.absence {
            bits |= u32::from(fits(pattern, self.is_correlated(self.steps.len()))) << self.steps.len().min(31);
        }
        bits
    }

    /// Whether the filter of that step, or of the absence after the last, names other steps.
    fn is_correlated(&self, step: usize) -> bool {
        self.steps.get(step).map_or(self.absence_correlated, |step| step.correlated)
    }

    fn keep(&self, it: &Occurrence<'_>) -> Option<Box<[Option<Known>]>> {
        if !self.correlated {
            return None;
        }
        let known = |value: Option<&Option<Value>>| value.cloned().flatten().map(Known);
        let properties = self.properties_of(it.event.event).iter().map(|slot| it.event.properties.get(slot.index()));
        let context = self.kept_context.iter().map(|slot| it.event.context.get(slot.index()));
        Some(properties.chain(context).map(known).collect())
    }
}
