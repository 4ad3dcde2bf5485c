//! `sonder eval`: everybody's memberships, traits and journeys, of a log of messages as of a moment, with no server.
//!
//! It is the real fold: messages are read, governed and taken in as the engine would, then the clock goes on to the
//! moment asked for. What it prints is a function of its input.

use crate::chronicle::Chronicle;
use crate::effect::{Cause, Change, ChangeKind, Effects, PersonId};
use crate::funnel::{self, FunnelGroup};
use crate::govern::{Admitted, Governor};
use crate::message::{Addresses, Envelope, Message, Quarantined, Timing, read_text};
use crate::record::{Event, Fact, Record, Seq};
use crate::state::State;
use crate::view::PersonView;
use rustc_hash::FxHashMap;
use serde::Serialize;
use serde_json::{Map, Value as Json};
use sonder_dsl::ir::{Breakdown, Expression, Funnel, Program, RuleId, RuleKind, SourceId};
use sonder_dsl::time::Moment;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

/// What to evaluate.
#[derive(Clone, Debug)]
pub struct Request {
    /// The moment to look at. Messages received later are not taken in.
    pub at: Moment,
    /// The source that the messages are of.
    pub source: SourceId,
    /// Only these segments and traits; all of them when `None`.
    pub rules: Option<Vec<RuleId>>,
    /// Whether to note each entry and exit.
    pub trace: bool,
}

/// A log being folded.
pub struct Evaluation<'p> {
    program: &'p Program,
    request: Request,
    governor: Governor,
    state: State,
    seq: Seq,
    /// When a message id was received last.
    received: FxHashMap<String, Moment>,
    unnamed: AtomicU64,
    effects: Effects,
    trace: Vec<String>,
    chronicle: Chronicle,
    /// The events taken in, where another evaluator wants them.
    kept: Option<Vec<(Seq, Event)>>,
}

/// What another evaluator starts from: the events that count, and whose they are. Identity and golden record are the
/// fold's; what the rules make of them is the other evaluator's own work.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Everybody, sorted by their first identifier.
    pub people: Vec<HistoricPerson>,
    /// In the order of the log.
    pub events: Vec<HistoricEvent>,
}

/// Somebody in a [`History`].
#[derive(Clone, Debug)]
pub struct HistoricPerson {
    /// As `kind:value`, sorted.
    pub identifiers: Vec<String>,
    /// Whether new rules hold for them while they are rolled out.
    pub is_early: bool,
    /// The golden record's known values, by name.
    pub profile: Map<String, Json>,
    /// Where they are in the project's journeys, if it has any: as [`Evaluation::finish`] shows it.
    pub journeys: Option<Map<String, Json>>,
}

/// An event in a [`History`].
#[derive(Clone, Debug)]
pub struct HistoricEvent {
    /// Whose: an index into [`History::people`].
    pub person: usize,
    /// Its place in the log.
    pub seq: Seq,
    /// The event.
    pub event: Event,
}

/// What became of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It counts.
    In,
    /// Its message id was received before, within the project's time for that.
    Duplicate,
    /// It was received after the moment that is looked at.
    TooLate,
    /// Its sender does not consent to its being collected, and the project says that nothing is kept then.
    Refused,
}

/// One line of the result.
#[derive(Serialize)]
struct PersonLine {
    person: Vec<String>,
    segments: Vec<String>,
    traits: Map<String, Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    journeys: Option<Map<String, Json>>,
    profile: Map<String, Json>,
}

/// One line of the trace.
#[derive(Serialize)]
struct TraceLine<'a> {
    at: String,
    person: Vec<String>,
    segment: &'a str,
    change: &'a str,
    cause: CauseLine<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum CauseLine<'a> {
    Message { record: u64, message: &'a str },
    Timer { timer: String },
}

impl<'p> Evaluation<'p> {
    /// Nothing taken in yet.
    #[must_use]
    pub fn new(program: &'p Program, request: Request) -> Self {
        Self {
            program,
            governor: Governor::new(program),
            state: State::new(program),
            seq: Seq(0),
            received: FxHashMap::default(),
            unnamed: AtomicU64::new(0),
            effects: Effects::default(),
            trace: Vec::new(),
            chronicle: Chronicle::default(),
            kept: None,
            request,
        }
    }

    /// Keeps the events, for [`history`](Self::history).
    #[must_use]
    pub fn keeping_history(mut self) -> Self {
        self.kept = Some(Vec::new());
        self
    }

    /// Takes in a line: one message, in the order of the log.
    ///
    /// # Errors
    /// A message that cannot be read, or that the project does not accept, comes back with the reasons.
    pub fn take(&mut self, line: &str) -> Result<Taken, Quarantined> {
        let read = self.read(line);
        let arrived = read.as_ref().ok().map(|message| message.received_at);
        if arrived.is_some_and(|arrived| arrived > self.request.at) {
            return Ok(Taken::TooLate);
        }
        let Admitted { message, answer } = self.governor.admit(read, |question| self.state.collects(question));
        // What cannot be read says nothing of its arrival.
        let arrived = arrived.or_else(|| answer.as_ref().map(|(answer, _)| answer.occurred_at));
        let received_at = arrived.unwrap_or(Moment::MIN).max(self.state.as_of().1);
        let is_new = match &message {
            Some(Ok((message, _))) => !self.is_duplicate(message, received_at),
            _ => false,
        };
        let taken = match message {
            Some(Ok((message, event))) if is_new => {
                self.step(&message, event, received_at);
                Ok(Taken::In)
            }
            Some(Ok(_)) => Ok(Taken::Duplicate),
            Some(Err(aside)) => Err(aside),
            None => Ok(Taken::Refused),
        };
        if let Some((message, event)) = answer
            && received_at <= self.request.at
            && !self.is_duplicate(&message, received_at)
        {
            self.step(&message, event, received_at);
        }
        taken
    }

    fn step(&mut self, message: &Message, event: Event, received_at: Moment) {
        self.seq = Seq(self.seq.0 + 1);
        let record = Record { seq: self.seq, received_at, fact: Fact::Event(event) };
        if let (Some(kept), Fact::Event(event)) = (&mut self.kept, &record.fact) {
            kept.push((self.seq, event.clone()));
        }
        // Nobody is ever spilled here, so nobody can be missing.
        let taken = self.chronicle.step(&mut self.state, self.program, record, &mut self.effects);
        debug_assert!(taken.is_ok());
        self.note(&message.message_id);
    }

    /// Lets the clock go on to the moment asked for, and gives one line a person, or the trace.
    #[must_use]
    pub fn finish(mut self) -> Vec<String> {
        let lines = self.look(self.request.at);
        if self.request.trace { self.trace } else { lines }
    }

    /// Lets the clock go on to a moment, and gives one line a person; then more can be taken in.
    pub fn look(&mut self, at: Moment) -> Vec<String> {
        let advanced = self.state.advance(self.program, at, &mut self.effects);
        debug_assert!(advanced.is_ok());
        self.note("");
        self.people()
    }

    /// How many people came how far through a funnel, as of the moment of the last look.
    #[must_use]
    pub fn funnel(&self, funnel: &Funnel) -> Vec<FunnelGroup> {
        let consent = &self.program.consent;
        let purpose = funnel.purpose.as_deref().filter(|_| consent.enforced).and_then(|name| consent.purpose(name));
        let mut of_people: BTreeMap<PersonId, Vec<(Seq, &Event)>> = BTreeMap::new();
        for (seq, event) in self.kept.iter().flatten() {
            let Some(person) = self.state.whose(event, *seq) else { continue };
            if self.state.admits(person, event, *seq, purpose) {
                of_people.entry(person).or_default().push((*seq, event));
            }
        }
        let mut groups = Vec::new();
        for (person, mut events) in of_people {
            events.sort_by_key(|(seq, event)| (event.occurred_at, *seq));
            let chain = funnel::furthest(funnel, &events);
            let Some(view) = self.state.person(self.program, person).filter(|_| !chain.is_empty()) else { continue };
            let by = funnel.breakdowns.iter().map(|it| self.breakdown(it, &chain, &view)).collect();
            funnel::count(&mut groups, funnel, by, chain.len());
        }
        groups
    }

    fn breakdown(&self, it: &Breakdown, chain: &[&Event], view: &PersonView) -> Json {
        let found = match &it.value {
            Expression::Profile(id) => {
                let name = self.program.profile.get(id.index()).map(|it| &it.name);
                view.traits.iter().find(|it| Some(&it.name) == name).map(|it| it.value.clone())
            }
            Expression::Rule(id) => match self.program.rules.get(id.index()).map(|rule| &rule.kind) {
                Some(RuleKind::Segment) => Some(view.segments.iter().any(|it| it.rule == *id).into()),
                _ => view.computed.iter().find(|it| it.rule == *id).map(|it| it.value.clone()),
            },
            value => Some(funnel::value_of_events(value, chain).to_json(&it.kind)),
        };
        found.unwrap_or(Json::Null)
    }

    /// The entries and exits so far, if they were asked for.
    #[must_use]
    pub fn trace(&self) -> &[String] {
        &self.trace
    }

    /// What happened so far, and to whom; the clock stands where it was last.
    #[must_use]
    pub fn history(&self) -> History {
        let views = self.state.people().into_iter().filter_map(|id| self.state.person(self.program, id));
        let mut people: Vec<(PersonId, HistoricPerson)> = views
            .map(|view| {
                let profile = view.traits.iter().map(|it| (it.name.clone(), it.value.clone()));
                let journeys = journeys(self.program, &view);
                let is_early = self.program.rollout.is_some_and(|rollout| rollout.is_early(view.id.0));
                let (identifiers, profile) = (identifiers(&view), sorted(profile));
                (view.id, HistoricPerson { identifiers, is_early, profile, journeys })
            })
            .collect();
        people.sort_by(|(_, a), (_, b)| a.identifiers.cmp(&b.identifiers));
        let places: FxHashMap<PersonId, usize> =
            people.iter().enumerate().map(|(place, (id, _))| (*id, place)).collect();
        let events = self.kept.iter().flatten().filter_map(|(seq, event)| {
            let person = self.state.whose(event, *seq)?;
            Some(HistoricEvent { person: *places.get(&person)?, seq: *seq, event: event.clone() })
        });
        let events = events.collect();
        History { people: people.into_iter().map(|(_, person)| person).collect(), events }
    }

    fn read(&self, line: &str) -> Result<Message, Quarantined> {
        let new_id = || format!("unnamed-{}", self.unnamed.fetch_add(1, Ordering::Relaxed));
        read_text(
            line,
            &Envelope {
                addresses: Addresses::of(self.program, self.request.source, None),
                ..Envelope::alone(
                    self.request.source,
                    self.request.at,
                    Timing::Recorded,
                    self.program.settings.future_tolerance,
                    &new_id,
                )
            },
        )
    }

    fn is_duplicate(&mut self, message: &Message, received_at: Moment) -> bool {
        let earlier = self.received.get(&message.message_id).copied();
        if earlier.is_some_and(|earlier| received_at.since(earlier) <= self.program.settings.dedup) {
            return true;
        }
        self.received.insert(message.message_id.clone(), received_at);
        false
    }

    fn wants(&self, rule: RuleId) -> bool {
        self.request.rules.as_ref().is_none_or(|rules| rules.contains(&rule))
    }

    fn note(&mut self, message: &str) {
        let effects = std::mem::take(&mut self.effects);
        if !self.request.trace {
            return;
        }
        let wants = |rule| self.wants(rule);
        let lines = trace_lines(self.program, &self.state, &effects.changes, message, wants);
        self.trace.extend(lines);
    }

    fn people(&self) -> Vec<String> {
        people_lines(self.program, &self.state, |rule| self.wants(rule))
    }
}

/// The lines that [`Evaluation::finish`] gives without a trace: one a person, with the rules that are wanted.
pub fn people_lines(program: &Program, state: &State, wants: impl Fn(RuleId) -> bool) -> Vec<String> {
    let views = state.people().into_iter().filter_map(|id| state.person(program, id));
    let mut lines: Vec<PersonLine> = views.map(|view| person_line(program, &view, &wants)).collect();
    lines.sort_by(|a, b| a.person.cmp(&b.person));
    lines.iter().filter_map(|line| serde_json::to_string(line).ok()).collect()
}

/// The lines of the trace for what has just changed: entries and exits of segments that are wanted. `message` is the one
/// that was taken in, where one was.
pub fn trace_lines(
    program: &Program,
    state: &State,
    changes: &[Change],
    message: &str,
    wants: impl Fn(RuleId) -> bool,
) -> Vec<String> {
    let mut lines = Vec::new();
    for change in changes {
        let (rule, word) = match change.what {
            ChangeKind::Entered(rule) => (rule, "entered"),
            ChangeKind::Left(rule) => (rule, "left"),
            _ => continue,
        };
        let Some(segment) = program.rules.get(rule.index()).filter(|_| wants(rule)) else { continue };
        let cause = match change.cause {
            Cause::Record(seq) => CauseLine::Message { record: seq.0, message },
            Cause::Timer(moment) | Cause::Takeover(moment) => CauseLine::Timer { timer: moment.to_string() },
        };
        let person = state.person(program, change.person).map(|view| identifiers(&view)).unwrap_or_default();
        let line = TraceLine { at: change.at.to_string(), person, segment: &segment.name, change: word, cause };
        lines.extend(serde_json::to_string(&line));
    }
    lines
}

fn person_line(program: &Program, view: &PersonView, wants: &impl Fn(RuleId) -> bool) -> PersonLine {
    let segments = view.segments.iter().filter(|it| wants(it.rule)).map(|it| it.name.clone());
    let computed = view.computed.iter().filter(|it| wants(it.rule));
    let profile = view.traits.iter().map(|it| (it.name.clone(), it.value.clone()));
    PersonLine {
        person: identifiers(view),
        segments: sorted(segments),
        traits: sorted(computed.map(|it| (it.name.clone(), it.value.clone()))),
        journeys: journeys(program, view),
        profile: sorted(profile),
    }
}

/// The lines that [`Evaluation::finish`] gives, from what another evaluator found: for each person of the history the
/// value of each rule, `null` where unknown.
#[must_use]
pub fn lines(program: &Program, people: &[HistoricPerson], rules: &[RuleId], values: &[Vec<Json>]) -> Vec<String> {
    let line = |person: &HistoricPerson, values: &Vec<Json>| {
        let found = || rules.iter().zip(values).filter_map(|(id, value)| Some((program.rules.get(id.index())?, value)));
        let segments = found().filter(|(rule, value)| rule.kind == RuleKind::Segment && **value == Json::Bool(true));
        let traits = found().filter(|(rule, value)| rule.kind != RuleKind::Segment && !value.is_null());
        PersonLine {
            person: person.identifiers.clone(),
            segments: sorted(segments.map(|(rule, _)| rule.name.clone())),
            traits: sorted(traits.map(|(rule, value)| (rule.name.clone(), value.clone()))),
            journeys: person.journeys.clone(),
            profile: person.profile.clone(),
        }
    };
    people.iter().zip(values).filter_map(|(person, values)| serde_json::to_string(&line(person, values)).ok()).collect()
}

/// The status in each journey that they are or were in: by the values of the property that passages are told apart by,
/// where the journey says `per`. `None` where the project has no journeys.
fn journeys(program: &Program, view: &PersonView) -> Option<Map<String, Json>> {
    if program.journeys.is_empty() {
        return None;
    }
    let mut shown: BTreeMap<String, Json> = BTreeMap::new();
    for passage in &view.journeys {
        match &passage.per {
            None => _ = shown.insert(passage.name.clone(), passage.status.into()),
            Some(per) => {
                let key = per.as_str().map_or_else(|| per.to_string(), str::to_owned);
                let of_keys = shown.entry(passage.name.clone()).or_insert_with(|| Json::Object(Map::new()));
                of_keys.as_object_mut().map(|of_keys| of_keys.insert(key, passage.status.into()));
            }
        }
    }
    Some(shown.into_iter().collect())
}

/// `kind:value`, sorted, each once: an identifier that started anew may be here twice.
fn identifiers(view: &PersonView) -> Vec<String> {
    let mut all: Vec<String> = view.identifiers.iter().map(|it| format!("{}:{}", it.kind, it.value)).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// In an order that no map and no rule file decides.
fn sorted<T: Named, C: FromIterator<T>>(items: impl Iterator<Item = T>) -> C {
    let mut items: Vec<T> = items.collect();
    items.sort_by(|a, b| a.name().cmp(b.name()));
    items.into_iter().collect()
}

trait Named {
    fn name(&self) -> &str;
}

impl Named for String {
    fn name(&self) -> &str {
        self
    }
}

impl Named for (String, Json) {
    fn name(&self) -> &str {
        &self.0
    }
}
