//! Playing one scenario.

use super::post::Post;
use super::{because, compare};
use serde_json::Value as Json;
use sonder_core::State;
use sonder_core::chronicle::Chronicle;
use sonder_core::coverage::Coverage;
use sonder_core::effect::{Delivery, Effects, PersonId};
use sonder_core::eval::{Evaluation, Request, people_lines, trace_lines};
use sonder_core::explain::{Logged, Past, Personal, Who};
use sonder_core::govern::{Admitted, Belongs, Governor};
use sonder_core::message::{Addresses, Envelope, Message, Quarantined, Timing, read};
use sonder_core::record::{Event, Fact, Identifier, Record, Seq};
use sonder_core::view::PersonView;
use sonder_dsl::ir::{IdentifierKindId, Program, SourceId};
use sonder_dsl::model::SourceKind;
use sonder_dsl::scenario::{Expectation, Fixture, Outcome, Scenario, Sent, Step};
use sonder_dsl::source::Span;
use sonder_dsl::time::{Duration, Moment};
use std::collections::HashMap;
use std::path::Path;

/// A difference between what a scenario expects and what happened.
#[derive(Clone, Debug)]
pub struct Mismatch {
    /// Where the expectation is written.
    pub span: Span,
    /// Its line; filled in by whoever knows the files.
    pub line: usize,
    /// The step's moment as written.
    pub step: String,
    /// What differs.
    pub what: String,
    /// What was expected, and what there was instead; one line each.
    pub details: Vec<String>,
}

/// What a scenario came to.
#[derive(Debug, Default)]
pub struct Played {
    /// What was not as expected.
    pub mismatches: Vec<Mismatch>,
    /// The messages that were taken in, as lines of a log.
    pub log: Vec<String>,
    /// The last step's moment.
    pub end: Moment,
    /// Everybody at the end, as `sonder eval` prints them; only where a snapshot is kept.
    pub people: Vec<String>,
    /// Entries and exits, as `sonder eval --trace` prints them; only where a snapshot is kept.
    pub trace: Vec<String>,
    /// All deliveries, in order.
    pub deliveries: Vec<String>,
}

/// How many other orders of arrival `shuffle` tries.
const ORDERS: u64 = 8;

/// Moments that are looked at between two steps, at most.
const LOOKS: usize = 10_000;

struct Stage<'p, 'c> {
    /// The project's folder, where fixtures are.
    root: &'p Path,
    /// What was taken in, where something is to be explained.
    logged: Option<Vec<Logged>>,
    program: &'p Program,
    governor: &'p Governor,
    state: State,
    chronicle: Chronicle,
    effects: Effects,
    /// When a message id was received last.
    received: HashMap<String, Moment>,
    /// What was told and kept aside since somebody expected it last.
    told: Vec<Delivery>,
    aside: Vec<Quarantined>,
    /// What becomes of deliveries, and whether destinations ever answer otherwise than by taking them.
    post: Post,
    answers: bool,
    /// Whose message came last.
    speaker: Vec<Identifier>,
    /// Who looks on, and when a condition changes next by itself.
    coverage: Option<&'c mut Coverage>,
    turn: Moment,
    keeps_trace: bool,
    played: Played,
}

/// Plays a scenario to its end.
pub fn play(
    root: &Path,
    program: &Program,
    governor: &Governor,
    scenario: &Scenario,
    coverage: Option<&mut Coverage>,
) -> Played {
    let mut stage = Stage::new(root, program, governor, scenario, coverage);
    for step in &scenario.steps {
        stage.step(step);
    }
    stage.end(scenario)
}

/// What a scenario comes to, whatever it expects.
#[derive(Debug)]
pub struct End {
    /// Whoever sent last.
    pub person: Option<PersonView>,
    /// All that destinations were told.
    pub told: Vec<Delivery>,
    /// All that was kept aside.
    pub aside: Vec<Quarantined>,
}

/// Plays a scenario, and says what it comes to.
pub fn end_of(root: &Path, program: &Program, governor: &Governor, scenario: &Scenario) -> End {
    let mut stage = Stage::new(root, program, governor, scenario, None);
    for step in &scenario.steps {
        stage.step(step);
    }
    let person = stage.speaker.iter().find_map(|it| stage.state.resolve(it));
    let person = person.and_then(|id| stage.state.person(program, id));
    End { person, told: stage.told, aside: stage.aside }
}

impl<'p, 'c> Stage<'p, 'c> {
    fn new(
        root: &'p Path,
        program: &'p Program,
        governor: &'p Governor,
        scenario: &Scenario,
        coverage: Option<&'c mut Coverage>,
    ) -> Self {
        let explains = |step: &Step| step.expects.iter().any(|it| !it.because.is_empty());
        Self {
            root,
            logged: scenario.steps.iter().any(explains).then(Vec::new),
            program,
            governor,
            state: State::new(program),
            chronicle: Chronicle::default(),
            effects: Effects::default(),
            received: HashMap::new(),
            told: Vec::new(),
            aside: Vec::new(),
            post: Post::default(),
            answers: scenario.steps.iter().any(|step| !step.answers.is_empty()),
            speaker: Vec::new(),
            coverage,
            turn: Moment::MAX,
            keeps_trace: scenario.snapshot,
            played: Played::default(),
        }
    }
}

impl Stage<'_, '_> {
    fn step(&mut self, step: &Step) {
        self.played.end = step.at;
        self.advance(step.at);
        for (destination, answer) in &step.answers {
            self.post.answer(*destination, *answer);
        }
        for sent in &step.sends {
            let json = logged(sent, step.at, self.played.log.len() + 1);
            self.send(step, sent.source, json);
        }
        for fixture in &step.fixtures {
            self.fixture(step, fixture);
        }
        for expectation in &step.expects {
            self.expect(step, expectation);
        }
    }

    /// Lets time pass. Whoever looks on is shown every moment at which something changes.
    fn advance(&mut self, to: Moment) {
        if self.coverage.is_some() {
            for _ in 0..LOOKS {
                let now = self.state.as_of().1;
                let next = self.state.next_timer().map_or(self.turn, |timer| timer.min(self.turn));
                let next = next.max(now.plus(Duration(1)));
                if next >= to {
                    break;
                }
                self.go_to(next);
            }
        }
        self.go_to(to);
    }

    fn go_to(&mut self, moment: Moment) {
        // Nobody is ever spilled here, so nobody can be missing.
        let _ = self.state.advance(self.program, moment, &mut self.effects);
        self.settle("");
    }

    /// Keeps what has just come about. `message` is the one that was taken in, where one was.
    fn settle(&mut self, message: &str) {
        let effects = std::mem::take(&mut self.effects);
        if self.keeps_trace {
            let lines = trace_lines(self.program, &self.state, &effects.changes, message, |_| true);
            self.played.trace.extend(lines);
        }
        if let Some(coverage) = &mut self.coverage {
            coverage.follow(&effects);
            self.turn = coverage.look(&self.state, self.state.as_of().1);
        }
        self.post.take(&effects.deliveries, effects.recalls, self.state.as_of().1);
        self.told.extend(effects.deliveries);
    }

    /// Lets the messages of a file arrive now. They happened when they say, or now.
    fn fixture(&mut self, step: &Step, fixture: &Fixture) {
        let text = match std::fs::read_to_string(self.root.join(&fixture.path)) {
            Ok(text) => text,
            Err(error) => {
                let what = format!("`{}` cannot be read: {error}", fixture.path);
                return self.differs(fixture.place, step, what, Vec::new());
            }
        };
        for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let mut json: serde_json::Map<String, Json> = match serde_json::from_str(line) {
                Ok(json) => json,
                Err(error) => {
                    let what = format!("line {} of `{}` is no message: {error}", index + 1, fixture.path);
                    self.differs(fixture.place, step, what, Vec::new());
                    continue;
                }
            };
            let id = format!("m{}", self.played.log.len() + 1);
            json.entry("messageId").or_insert_with(|| Json::from(id));
            json.entry("timestamp").or_insert_with(|| Json::from(step.at.to_string()));
            json.insert("receivedAt".to_owned(), Json::from(step.at.to_string()));
            self.send(step, None, json);
        }
    }

    fn send(&mut self, step: &Step, source: Option<SourceId>, json: serde_json::Map<String, Json>) {
        let program = self.program;
        let source = source.unwrap_or_else(|| default_source(program));
        let number = self.played.log.len() + 1;
        self.played.log.push(serde_json::to_string(&json).unwrap_or_default());
        let new_id = || format!("m{number}");
        let envelope = Envelope {
            addresses: Addresses::of(program, source, None),
            ..Envelope::alone(source, step.at, Timing::Recorded, program.settings.future_tolerance, &new_id)
        };
        let read = read(json, &envelope);
        let message = match self.governor.belongs(&read, |who| self.state.lives(who), false) {
            Belongs::Here => read,
            Belongs::Nowhere => read.and_then(|message| Err(Governor::without_region(&message))),
            Belongs::Elsewhere(region) => {
                // It is never in a log of this engine's.
                self.played.log.pop();
                return self.aside.push(Governor::sent_on(&read, &region));
            }
        };
        let Admitted { message, answer } = self.governor.admit(message, |question| self.state.collects(question));
        for governed in message.into_iter().chain(answer.map(Ok)) {
            self.take_in(step, governed);
        }
    }

    fn take_in(&mut self, step: &Step, governed: Result<(Message, Event), Quarantined>) {
        let program = self.program;
        match governed {
            Ok((message, _)) if self.is_duplicate(&message.message_id, step.at) => {}
            Ok((message, event)) => {
                self.speaker.clone_from(&event.identifiers);
                let seq = Seq(self.state.as_of().0.0 + 1);
                let record = Record { seq, received_at: step.at, fact: Fact::Event(event) };
                if let Some(logged) = &mut self.logged {
                    logged.push(Logged { message_id: message.message_id.clone(), record: record.clone() });
                }
                let _ = self.chronicle.step(&mut self.state, program, record, &mut self.effects);
                self.settle(&message.message_id);
            }
            Err(quarantined) => self.aside.push(quarantined),
        }
    }

    fn is_duplicate(&mut self, id: &str, at: Moment) -> bool {
        let earlier = self.received.get(id).copied();
        if earlier.is_some_and(|earlier| at.since(earlier) <= self.program.settings.dedup) {
            return true;
        }
        self.received.insert(id.to_owned(), at);
        false
    }

    fn expect(&mut self, step: &Step, it: &Expectation) {
        let program = self.program;
        let asks_of_somebody = it.segments.is_some()
            || !it.traits.is_empty()
            || !it.profile.is_empty()
            || !it.journeys.is_empty()
            || !it.because.is_empty()
            || !it.person.is_empty();
        if asks_of_somebody {
            let (view, whom) = self.person(it);
            match &view {
                Some(view) => {
                    let found = compare::person(program, it, view);
                    for (what, details) in found {
                        self.differs(it.place, step, format!("{what} of {whom}"), details);
                    }
                    self.explain(step, it, view.id);
                }
                None => self.differs(it.place, step, format!("nobody is {whom}"), Vec::new()),
            }
        }
        if let Some(expected) = &it.sent {
            let told = std::mem::take(&mut self.told);
            let details = compare::deliveries(program, expected, &told);
            self.keep(told);
            if !details.is_empty() {
                self.differs(it.place, step, "what destinations were told".to_owned(), details);
            }
        }
        if !it.outcomes.is_empty() {
            let details = compare::outcomes(program, &it.outcomes, &self.post.outcomes());
            if !details.is_empty() {
                self.differs(it.place, step, "what became of deliveries".to_owned(), details);
            }
        }
        if let Some(expected) = &it.quarantined {
            let details = compare::quarantine(expected, &std::mem::take(&mut self.aside));
            if !details.is_empty() {
                self.differs(it.place, step, "what was kept aside".to_owned(), details);
            }
        }
    }

    fn explain(&mut self, step: &Step, it: &Expectation, person: PersonId) {
        if it.because.is_empty() {
            return;
        }
        let logged = self.logged.iter().flatten().cloned();
        let Some(past) = Past::fold(self.program, logged, &Who::Person(person), step.at) else { return };
        for (rule, expected) in &it.because {
            let Some(explanation) = past.explain(*rule, Personal::Hidden) else { continue };
            let details = because::compare(expected, &explanation);
            if !details.is_empty() {
                self.differs(it.place, step, format!("what decides `{}`", explanation.rule), details);
            }
        }
    }

    /// The person whom an expectation is about, and how to call them.
    fn person(&self, it: &Expectation) -> (Option<PersonView>, String) {
        let mut named: Vec<Identifier> = Vec::new();
        for (kind, value) in &it.person {
            let place = self.program.identity.identifiers.iter().position(|known| known.name == *kind);
            let kind = place.and_then(|place| u16::try_from(place).ok()).map(IdentifierKindId);
            named.extend(kind.and_then(|kind| self.governor.identifier(kind, value)));
        }
        let whom = if it.person.is_empty() { &self.speaker } else { &named };
        let id: Option<PersonId> = whom.iter().find_map(|identifier| self.state.resolve(identifier));
        let name = |identifier: &Identifier| {
            let kind = self.program.identity.identifiers.get(identifier.kind.index());
            format!("{}:{}", kind.map_or("", |kind| kind.name.as_str()), identifier.value)
        };
        let text = match whom.first() {
            Some(first) => name(first),
            None if it.person.is_empty() => "whoever sent last: nobody did".to_owned(),
            None => it.person.iter().map(|(kind, value)| format!("{kind}:{value}")).collect::<Vec<_>>().join(", "),
        };
        (id.and_then(|id| self.state.person(self.program, id)), text)
    }

    fn differs(&mut self, span: Span, step: &Step, what: String, details: Vec<String>) {
        let step = step.written.clone();
        self.played.mismatches.push(Mismatch { span, line: 0, step, what, details });
    }

    fn keep(&mut self, told: Vec<Delivery>) {
        let program = self.program;
        self.played.deliveries.extend(told.iter().map(|it| compare::shown_with_time(program, it)));
    }

    /// Nothing may be left that nobody expected.
    fn end(mut self, scenario: &Scenario) -> Played {
        let told = std::mem::take(&mut self.told);
        let aside = std::mem::take(&mut self.aside);
        if let Some(last) = scenario.steps.last() {
            let unexpected = compare::deliveries(self.program, &[], &told);
            if !unexpected.is_empty() {
                let what = "destinations were told what no step expects".to_owned();
                self.differs(scenario.place, last, what, unexpected);
            }
            // Where destinations answer, what does not arrive is as surprising as what nobody expects.
            if self.answers {
                let nothing =
                    Outcome::ALL.into_iter().filter(|it| *it != Outcome::Delivered).map(|it| (it, Vec::new()));
                let unexpected = compare::outcomes(self.program, &nothing.collect::<Vec<_>>(), &self.post.outcomes());
                if !unexpected.is_empty() {
                    let what = "deliveries did not arrive, and no step expects it".to_owned();
                    self.differs(scenario.place, last, what, unexpected);
                }
            }
            let unexpected = compare::quarantine(&[], &aside);
            if !unexpected.is_empty() {
                self.differs(scenario.place, last, "messages were kept aside".to_owned(), unexpected);
            }
        }
        self.keep(told);
        if self.keeps_trace {
            self.played.people = people_lines(self.program, &self.state, |_| true);
        }
        self.played
    }
}

/// Plays the messages in other orders of arrival, all of them arriving at the end: everybody must be as they were. Journeys
/// are left out: what is sent while time passes depends on when something arrives.
pub fn shuffle(program: &Program, scenario: &Scenario, played: &mut Played) {
    let end = Json::from(played.end.to_string());
    let mut lines: Vec<String> = Vec::new();
    for line in &played.log {
        let Ok(Json::Object(mut json)) = serde_json::from_str(line) else { continue };
        json.insert("receivedAt".to_owned(), end.clone());
        lines.extend(serde_json::to_string(&json));
    }
    let at_rest = |lines: &[String]| without_journeys(evaluate(program, lines, played.end));
    let expected = at_rest(&lines);
    for order in 1..=ORDERS {
        // Keyed hashes, so that the same orders are tried everywhere.
        lines.sort_by_key(|line| xxhash_rust::xxh3::xxh3_64_with_seed(line.as_bytes(), order));
        let found = at_rest(&lines);
        if found != expected {
            let details = compare::lines(&expected, &found);
            let step = scenario.steps.last().map(|step| step.written.clone()).unwrap_or_default();
            let what = format!("another order of arrival (number {order}) leads to another end");
            played.mismatches.push(Mismatch { span: scenario.place, line: 0, step, what, details });
            return;
        }
    }
}

fn without_journeys(lines: Vec<String>) -> Vec<String> {
    let strip = |line: String| match serde_json::from_str(&line) {
        Ok(Json::Object(mut person)) => {
            person.shift_remove("journeys");
            Json::Object(person).to_string()
        }
        _ => line,
    };
    lines.into_iter().map(strip).collect()
}

/// As `sonder eval` would.
fn evaluate(program: &Program, log: &[String], at: Moment) -> Vec<String> {
    let request = Request { at, source: default_source(program), rules: None, trace: false };
    let mut evaluation = Evaluation::new(program, request);
    for line in log {
        // What is kept aside was reported when it was played.
        let _ = evaluation.take(line);
    }
    evaluation.finish()
}

/// The message as a collector would have logged it.
fn logged(sent: &Sent, at: Moment, number: usize) -> serde_json::Map<String, Json> {
    let mut json = sent.json.clone();
    if !json.contains_key("messageId") {
        json.insert("messageId".to_owned(), Json::from(format!("m{number}")));
    }
    json.insert("timestamp".to_owned(), Json::from(sent.occurred_at.to_string()));
    json.insert("receivedAt".to_owned(), Json::from(at.to_string()));
    json
}

/// The first source that is a server; the first of all where there is none.
fn default_source(program: &Program) -> SourceId {
    let place = program.sources.iter().position(|source| source.kind == SourceKind::Server).unwrap_or(0);
    SourceId(u32::try_from(place).unwrap_or(0))
}
