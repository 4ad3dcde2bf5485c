//! Both evaluators over the same histories, and what they print.
//!
//! One database holds many histories at once: each is looked at several times, and each look is a copy of its log, moved
//! in time so that the moment of the look is the same for all. So a single statement decides all looks, and a second one
//! a microsecond earlier what the exact moments of entries and exits are.

use crate::history::{Call, History};
use proptest::sample::Index;
use serde_json::Value as Json;
use sonder_core::eval::{self, Evaluation, HistoricEvent, HistoricPerson, Request, Taken};
use sonder_core::funnel::{self, FunnelGroup};
use sonder_core::record::Seq;
use sonder_dsl::ir::{Program, RuleId, SourceId};
use sonder_dsl::time::{Duration, Moment};
use sonder_store::evaluation::SqlEvaluation;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// When all looks are: some seconds into a day in Amsterdam.
pub const NOW: Moment = Moment(1_774_738_805_000_000);
const JUST_BEFORE: Moment = Moment(NOW.0 - 1);

/// In microseconds: so long after the last message most windows are empty.
const MOST_WINDOWS: i64 = 20_000_000;

/// Where the evaluators differ.
#[derive(Debug)]
pub struct Disagreement {
    /// Which of the histories.
    pub history: usize,
    /// How many of its messages were taken in, and how long after the first one the look was, in microseconds.
    pub look: Look,
    pub what: String,
}

/// A look at a history: its first messages, so long after the first of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Look {
    pub messages: usize,
    pub after: i64,
}

/// One history at one moment.
struct Copy {
    history: usize,
    look: Look,
    people: Vec<HistoricPerson>,
    /// Of the first of its people in the tables.
    place: usize,
    now: Vec<String>,
    /// What the fold says of each funnel.
    funnels: Vec<Vec<FunnelGroup>>,
    /// Nothing if a message arrived at the very moment: then the tables know more than was known before.
    just_before: Option<Vec<String>>,
}

/// Compares both evaluators for all looks at all histories; returns how many comparisons that were.
pub fn compare(program: &Program, histories: &[History]) -> Result<usize, Disagreement> {
    let mut tables = eval::History::default();
    let mut copies = Vec::new();
    for (index, history) in histories.iter().enumerate() {
        let end = arrivals(history).last().copied().unwrap_or_default().saturating_add(MOST_WINDOWS);
        let end = Look { messages: history.messages.len(), after: end };
        let disagreement = |look| move |what| Disagreement { history: index, look, what };
        for look in caught(|| Ok(looks(program, history))).map_err(disagreement(end))? {
            let copy = caught(|| fold(program, index, history, look, &mut tables)).map_err(disagreement(look))?;
            copies.push(copy);
        }
    }
    let rules: Vec<RuleId> = (0..program.rules.len() as u32).map(RuleId).collect();
    let sql = SqlEvaluation::new(program, &tables).unwrap();
    let mut compared = 0;
    for (at, is_now) in [(JUST_BEFORE, false), (NOW, true)] {
        let values = sql.values(&rules, at).unwrap();
        for copy in &copies {
            let Some(by_fold) = (if is_now { Some(&copy.now) } else { copy.just_before.as_ref() }) else { continue };
            let values = &values[copy.place..copy.place + copy.people.len()];
            let by_sql = eval::lines(program, &copy.people, &rules, values);
            compared += 1;
            if *by_fold != by_sql {
                let mut look = copy.look;
                look.after -= i64::from(!is_now);
                return Err(Disagreement { history: copy.history, look, what: difference(by_fold, &by_sql) });
            }
        }
    }
    funnels(program, &sql, &tables, &copies)?;
    Ok(compared)
}

/// A panic is a disagreement like others, so that it is made small as they are.
fn caught<T>(run: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let message = panic.downcast_ref::<String>().map(String::as_str);
        let message = message.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or_default();
        Err(format!("the fold panicked: {message}"))
    })
}

/// Figures of funnels are of everybody in the tables, so they are compared for all copies together, and one by one only
/// to see where they differ.
fn funnels(
    program: &Program,
    sql: &SqlEvaluation<'_>,
    tables: &eval::History,
    copies: &[Copy],
) -> Result<(), Disagreement> {
    for (index, it) in program.funnels.iter().enumerate() {
        let mut total = Vec::new();
        copies.iter().flat_map(|copy| &copy.funnels[index]).for_each(|group| add(&mut total, group));
        if funnel::lines(it, total) == funnel::lines(it, sql.funnel(it, NOW).unwrap()) {
            continue;
        }
        for copy in copies {
            let people = copy.place..copy.place + copy.people.len();
            let mut alone = eval::History { people: tables.people[people.clone()].to_vec(), events: Vec::new() };
            for event in tables.events.iter().filter(|event| people.contains(&event.person)) {
                alone.events.push(HistoricEvent { person: event.person - copy.place, ..event.clone() });
            }
            let by_sql = SqlEvaluation::new(program, &alone).unwrap().funnel(it, NOW).unwrap();
            let (by_fold, by_sql) = (funnel::lines(it, copy.funnels[index].clone()), funnel::lines(it, by_sql));
            if by_fold != by_sql {
                let what = difference(&by_fold, &by_sql);
                return Err(Disagreement { history: copy.history, look: copy.look, what });
            }
        }
        let what = format!("`{}` differs for all histories together only", it.name);
        return Err(Disagreement { history: 0, look: Look { messages: 0, after: 0 }, what });
    }
    Ok(())
}

fn add(total: &mut Vec<FunnelGroup>, group: &FunnelGroup) {
    match total.iter_mut().find(|it| it.by == group.by) {
        Some(it) => {
            it.steps.iter_mut().zip(&group.steps).for_each(|(all, more)| *all = (all.0 + more.0, all.1 + more.1))
        }
        None => total.push(group.clone()),
    }
}

fn difference(by_fold: &[String], by_sql: &[String]) -> String {
    let pairs = by_fold.iter().zip(by_sql).filter(|(fold, sql)| fold != sql);
    let shown: Vec<String> = pairs.map(|(fold, sql)| format!("incremental: {fold}\nsql:         {sql}")).collect();
    format!("{}\n({} and {} people)", shown.join("\n"), by_fold.len(), by_sql.len())
}

/// When each message arrived, counted from the first.
fn arrivals(history: &History) -> Vec<i64> {
    let mut after = 0;
    let mut gaps = history.messages.iter().map(|it| it.gap);
    gaps.next();
    std::iter::once(0)
        .chain(gaps.map(|gap| {
            after += gap;
            after
        }))
        .collect()
}

/// Moments worth a look: when messages arrive, when the trace says that something changed by itself, when something
/// that happened leaves a window, and whatever the history says besides.
fn looks(program: &Program, history: &History) -> BTreeSet<Look> {
    let arrivals = arrivals(history);
    let last = arrivals.last().copied().unwrap_or_default();
    // A first run, only to see when something happens.
    let begin = Moment(NOW.0 - last - MOST_WINDOWS);
    let mut evaluation = evaluation(program, NOW);
    for (number, (it, after)) in history.messages.iter().zip(&arrivals).enumerate() {
        let _ = evaluation.take(&it.message(number, begin.plus(Duration(*after))));
    }
    evaluation.look(NOW);
    let changes = changes(evaluation.trace());
    let by_itself = changes.iter().filter(|it| it.by_timer).map(|it| it.at.0 - begin.0);
    let mut candidates: Vec<i64> = arrivals.iter().copied().chain(by_itself).collect();
    candidates.sort_unstable();
    candidates.dedup();
    let look = |(index, off): &(Index, i64)| {
        let after = (candidates[index.index(candidates.len())] + off).max(0);
        Look { messages: arrivals.partition_point(|arrival| *arrival <= after), after }
    };
    let looks: BTreeSet<Look> = history.looks.iter().map(look).collect();
    // One more in the middle of several messages of one moment, where there are such.
    let tie = arrivals.windows(2).position(|pair| pair[0] == pair[1]);
    let between = tie.map(|place| Look { messages: place + 1, after: arrivals[place] });
    looks.into_iter().chain(between).collect()
}

fn evaluation(program: &Program, at: Moment) -> Evaluation<'_> {
    let request = Request { at, source: SourceId(0), rules: None, trace: true };
    Evaluation::new(program, request).keeping_history()
}

/// Folds a look's copy of a history and adds it to the tables.
fn fold(
    program: &Program,
    index: usize,
    history: &History,
    look: Look,
    tables: &mut eval::History,
) -> Result<Copy, String> {
    let arrivals = arrivals(history);
    let begin = Moment(NOW.0 - look.after);
    let mut evaluation = evaluation(program, NOW);
    let mut taken = 0;
    // Everybody who was somebody at the very moment, if only between two messages.
    let mut passing = BTreeSet::new();
    let mut take = |evaluation: &mut Evaluation<'_>, until: Moment| {
        let mut any = false;
        while taken < look.messages && begin.plus(Duration(arrivals[taken])) <= until {
            let at = begin.plus(Duration(arrivals[taken]));
            let message = &history.messages[taken];
            let result = evaluation.take(&message.message(taken, at));
            any |= result == Ok(Taken::In);
            let is_decision = matches!(message.call, Call::Link | Call::Unlink);
            assert!(!is_decision || result == Ok(Taken::In), "decisions count: {result:?}");
            taken += 1;
            if at == NOW {
                passing.extend(memberships(&evaluation.look(NOW)).into_keys());
            }
        }
        any
    };
    take(&mut evaluation, JUST_BEFORE);
    let just_before = evaluation.look(JUST_BEFORE);
    let arrived = take(&mut evaluation, NOW);
    let now = evaluation.look(NOW);
    // Where identifiers expire, two people may have had the same one after the other, and the trace names both alike.
    if program.identity.identifiers.iter().all(|it| it.expires.is_none()) {
        trace_is_exact(&just_before, &now, &passing, evaluation.trace())?;
    }
    let funnels = program.funnels.iter().map(|it| evaluation.funnel(it)).collect();

    let seen = evaluation.history();
    let place = tables.people.len();
    tables.people.extend(seen.people.iter().cloned());
    for it in seen.events {
        let seq = Seq(tables.events.len() as u64 + 1);
        tables.events.push(HistoricEvent { person: place + it.person, seq, event: it.event });
    }
    let just_before = (!arrived).then_some(just_before);
    Ok(Copy { history: index, look, people: seen.people, place, now, funnels, just_before })
}

/// What the trace says of the very moment is the difference between the lines of then and of a microsecond before. Of
/// people who were the same then and all the time between: who turns out to be another takes memberships along without
/// entering anything, and what they entered as somebody else the trace says of that somebody.
fn trace_is_exact(
    before: &[String],
    now: &[String],
    passing: &BTreeSet<String>,
    trace: &[String],
) -> Result<(), String> {
    let (before, now) = (memberships(before), memberships(now));
    let mut changed: BTreeMap<(&str, &str), bool> = BTreeMap::new();
    let changes = changes(trace);
    for change in changes.iter().filter(|it| it.at == NOW) {
        changed.insert((&change.person, &change.segment), change.entered);
    }
    let was_another = |person: &str| {
        let names = |person: &str| serde_json::from_str::<BTreeSet<String>>(person).unwrap();
        let own = names(person);
        passing.iter().any(|other| other != person && !names(other).is_disjoint(&own))
    };
    for (person, segments) in &now {
        if was_another(person) {
            continue;
        }
        let Some(earlier) = before.get(person) else { continue };
        for segment in segments.symmetric_difference(earlier) {
            let is_in = segments.contains(segment);
            if changed.get(&(person.as_str(), segment.as_str())) != Some(&is_in) {
                return Err(format!("{person} is in `{segment}`: {is_in} now, and the trace does not say so"));
            }
        }
        for ((_, segment), entered) in changed.range((person.as_str(), "")..).take_while(|((it, _), _)| it == person) {
            if segments.contains(*segment) != *entered {
                return Err(format!("the trace says that {person} is in `{segment}` now: {entered}"));
            }
        }
    }
    Ok(())
}

/// By the identifiers of a person, which segments they are in.
fn memberships(lines: &[String]) -> BTreeMap<String, BTreeSet<String>> {
    let parsed = lines.iter().map(|line| {
        let line: Json = serde_json::from_str(line).unwrap();
        let segments = line["segments"].as_array().unwrap().iter().map(|it| it.as_str().unwrap().to_owned());
        (line["person"].to_string(), segments.collect())
    });
    parsed.collect()
}

/// A line of the trace.
struct Change {
    at: Moment,
    person: String,
    segment: String,
    entered: bool,
    by_timer: bool,
}

fn changes(trace: &[String]) -> Vec<Change> {
    let parsed = trace.iter().map(|line| {
        let line: Json = serde_json::from_str(line).unwrap();
        let by_timer = line["cause"].get("timer").is_some();
        let at = Moment::parse(line["at"].as_str().unwrap()).unwrap();
        let person = line["person"].to_string();
        let segment = line["segment"].as_str().unwrap().to_owned();
        Change { at, person, segment, entered: line["change"] == "entered", by_timer }
    });
    parsed.collect()
}
