//! The match of a sequence, or how far it came.
//!
//! Of all matches that were begun inside the window the one is shown that says most: a complete one, and of several the
//! one that stays longest; else one that only waits; else the one with the most steps that may still go on; else one that
//! was broken; else the one with the most steps.

use super::evidence::{Looks, Witness, fits, leaves};
use super::explanation::{Counted, Evidence, Progress, Stage, StepProgress};
use super::past::Happened;
use crate::aggregate::Spec;
use crate::aggregate::spec::{SequenceSpec, selects};
use crate::datum::Datum;
use crate::evaluate::{Answer, Scene, evaluate};
use crate::limits;
use crate::record::Event;
use sonder_dsl::ir::{Aggregate, Expression, Pattern, print};
use sonder_dsl::time::Moment;

/// One match, as far as it came.
struct Chain<'a> {
    events: Vec<&'a Happened>,
    stage: Stage,
    until: Option<Moment>,
    against: Option<&'a Happened>,
}

pub(super) fn evidence(witness: Witness<'_>, aggregate: &Aggregate, spec: &Spec, steps: &SequenceSpec) -> Evidence {
    let limit = if steps.correlated { limits::CORRELATED_SEQUENCE_EVENTS } else { limits::SEQUENCE_EVENTS };
    let marks: Vec<Mark<'_>> = witness
        .inside(spec)
        .into_iter()
        .map(|it| Mark { it, fits: steps.fitting(it) })
        .filter(|mark| mark.fits.iter().any(|fits| *fits))
        .collect();
    let marks = &marks[marks.len().saturating_sub(limit)..];
    let starts = (0..marks.len()).filter(|start| marks[*start].fits[0]);
    let chains: Vec<Chain<'_>> = starts.map(|start| chain(marks, start, steps, witness.past.now)).collect();
    let starts = chains.len() as u64;
    let best = chains.into_iter().max_by(|a, b| rank(a).cmp(&rank(b)));
    let best = best.unwrap_or(Chain { events: Vec::new(), stage: Stage::NotBegun, until: None, against: None });
    let role = |step: usize| Some(format!("step {}", step + 1));
    let mut events: Vec<Counted> =
        best.events.iter().enumerate().map(|(step, it)| witness.counted(it, &steps.looks(step), role(step))).collect();
    if let (Some(first), Some(it)) = (events.first_mut(), best.events.first()) {
        first.leaves = leaves(spec, it);
    }
    if let Some(it) = best.against {
        events.push(witness.counted(it, &steps.looks(steps.steps.len()), Some("against it".to_owned())));
    }
    let text = |place: usize| print::step(&witness.past.program, aggregate, place).to_string();
    let count = steps.steps.len();
    let shown =
        (0..count).map(|place| StepProgress { text: text(place), seq: best.events.get(place).map(|it| it.seq) });
    let progress = Progress {
        starts,
        steps: shown.collect(),
        absence: steps.absence.as_ref().map(|_| text(count)),
        stage: best.stage,
        until: best.until,
    };
    Evidence { total: events.len() as u64, events, progress: Some(progress), ..Evidence::default() }
}

/// An event that some step, or the absence after the last, may take.
struct Mark<'a> {
    it: &'a Happened,
    /// By step; where a filter names other steps, only that the type is right.
    fits: Vec<bool>,
}

/// What says more is greater.
fn rank(chain: &Chain<'_>) -> (u8, usize, Moment) {
    let start = chain.events.first().map_or(Moment::MIN, |it| it.at);
    let order = match chain.stage {
        Stage::Complete => 5,
        Stage::Waiting => 4,
        Stage::Awaiting => 3,
        Stage::Broken => 2,
        Stage::Late => 1,
        Stage::NotBegun => 0,
    };
    // Of those that wait, the one that has waited longest is complete first.
    let by_time = if chain.stage == Stage::Waiting { Moment(start.0.saturating_neg()) } else { start };
    (order, chain.events.len(), by_time)
}

fn chain<'a>(marks: &[Mark<'a>], start: usize, steps: &SequenceSpec, now: Moment) -> Chain<'a> {
    let mut events = vec![marks[start].it];
    let mut last = start;
    let takes = |events: &[&Happened], mark: &Mark<'_>, step: usize, pattern: &Pattern| {
        mark.fits[step] && holds_after(pattern, &mark.it.event, events)
    };
    for (place, step) in steps.steps.iter().enumerate().skip(1) {
        let in_time = step.within.map(|within| marks[last].it.at.plus(within));
        let next = (last + 1..marks.len()).find(|index| takes(&events, &marks[*index], place, &step.pattern));
        let next = next.filter(|index| in_time.is_none_or(|in_time| marks[*index].it.at <= in_time));
        let Some(next) = next else {
            let is_late = in_time.is_some_and(|in_time| in_time < now);
            let stage = if is_late { Stage::Late } else { Stage::Awaiting };
            return Chain { events, stage, until: in_time, against: None };
        };
        events.push(marks[next].it);
        last = next;
    }
    let Some((pattern, lasting)) = &steps.absence else {
        return Chain { events, stage: Stage::Complete, until: None, against: None };
    };
    let end = marks[last].it.at.plus(*lasting);
    let place = steps.steps.len();
    let against = (last + 1..marks.len()).find(|index| takes(&events, &marks[*index], place, pattern));
    let against = against.map(|index| marks[index].it).filter(|it| it.at <= end);
    let stage = match against {
        Some(_) => Stage::Broken,
        None if end > now => Stage::Waiting,
        None => Stage::Complete,
    };
    let until = (stage != Stage::Complete).then_some(end);
    Chain { events, stage, until, against }
}

impl SequenceSpec {
    /// By step, the absence last: whether it may take the event.
    fn fitting(&self, it: &Happened) -> Vec<bool> {
        let may = |pattern: &Pattern, correlated: bool| match correlated {
            true => it.event.event.is_some_and(|kind| selects(pattern.event, kind)),
            false => fits(pattern, it),
        };
        let steps = self.steps.iter().map(|step| may(&step.pattern, step.correlated));
        let absence = self.absence.iter().map(|(pattern, _)| may(pattern, self.absence_correlated));
        steps.chain(absence).collect()
    }

    /// What is looked at of the event of a step: by its own filter, and by later ones.
    fn looks(&self, place: usize) -> Looks {
        let patterns: Vec<&Pattern> = self.steps.iter().map(|step| &step.pattern).collect();
        let absence = self.absence.as_ref().map(|(pattern, _)| pattern);
        let own = patterns.get(place).copied().or(absence);
        let mut looks = own.map_or_else(Looks::default, |pattern| Looks::of(pattern, []));
        for filter in patterns.into_iter().chain(absence).filter_map(|pattern| pattern.filter.as_ref()) {
            filter.walk(&mut |leaf| {
                if let Expression::Step { step, slot } = leaf
                    && usize::from(*step) == place
                {
                    looks.property(*slot);
                }
            });
        }
        looks
    }
}

/// Whether the pattern's filter holds for an event after those of the steps before it.
fn holds_after(pattern: &Pattern, event: &Event, chain: &[&Happened]) -> bool {
    let scene = AfterSteps { event, chain };
    pattern.filter.as_ref().is_none_or(|filter| evaluate(filter, &scene, Moment::MIN).datum.is_true())
}

/// An event and those that the steps before it took.
struct AfterSteps<'a> {
    event: &'a Event,
    chain: &'a [&'a Happened],
}

impl<'a> Scene<'a> for AfterSteps<'a> {
    fn leaf(&self, leaf: &'a Expression, _now: Moment) -> Answer<'a> {
        let value = match leaf {
            Expression::Property(slot) => self.event.properties.get(slot.index()),
            Expression::Context(slot) => self.event.context.get(slot.index()),
            Expression::Step { step, slot } => {
                self.chain.get(usize::from(*step)).and_then(|it| it.event.properties.get(slot.index()))
            }
            _ => None,
        };
        Answer::constant(value.and_then(Option::as_ref).map_or(Datum::Unknown, Datum::from))
    }
}
