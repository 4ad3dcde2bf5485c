//! `this session`: any aggregate, over a person's current session alone.
//!
//! A session is made of everything that a person does, so all their events are kept, as far back as a session can reach:
//! `max` before the latest. Each carries no more than the aggregate needs of it. Where the session began is found when
//! somebody asks, because a late event may join two or part one; so the state is the set of events, and no order of
//! arrival and no merge changes it.
//!
//! Cost: `insert` O(1) for events in order, `read` O(events kept), which are at most
//! [`SESSION_EVENTS`](crate::limits::SESSION_EVENTS).

use super::sequence::{self, Sequence};
use super::timeline::{Tie, Timeline};
use super::{AggregateState, Occurrence, Spec};
use crate::aggregate::spec::{Kind, SessionSpec};
use crate::datum::{Datum, Key, Known};
use crate::evaluate::Answer;
use crate::footprint;
use crate::limits;
use crate::record::{Event, Seq};
use serde::{Deserialize, Serialize};
use sonder_dsl::time::Moment;
use std::cmp::Ordering;

/// The events of which the current session may be made.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Session {
    // INVARIANT: none is more than `max` older than the last.
    events: Timeline<Mark>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Mark {
    seq: Seq,
    /// A fingerprint of the client's session id; 0 where there is none.
    client: u64,
    part: Part,
}

/// What the aggregate takes of an event.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Part {
    /// Nothing: it only goes on with the session.
    None,
    /// That it happened.
    Happened,
    /// What it says.
    Says(Box<(Option<Known>, Option<Known>)>),
    /// Its place in a sequence.
    Step(Box<sequence::Mark>),
}

impl Tie for Mark {
    fn tie(&self) -> u64 {
        self.seq.0
    }
}

impl Session {
    pub fn insert(&mut self, it: &Occurrence<'_>, spec: &Spec, dropped: &mut u64) {
        let Some(session) = &spec.session else { return };
        let part = match &spec.sequence {
            Some(sequence) => sequence.mark(it).map_or(Part::None, |mark| Part::Step(Box::new(mark))),
            None if !it.counts => Part::None,
            None if spec.value.is_none() && spec.per.is_none() => Part::Happened,
            None => Part::Says(Box::new((it.value.cloned().map(Known), it.group.cloned().map(Known)))),
        };
        self.events.insert(it.at, Mark { seq: it.seq, client: session.client_of(it.event), part });
        self.bound(session, dropped);
    }

    pub fn merge(&mut self, other: Self, spec: &Spec, dropped: &mut u64) {
        let Some(session) = &spec.session else { return };
        self.events.merge(other.events);
        self.bound(session, dropped);
    }

    fn latest(&self) -> Option<Moment> {
        self.events.all().last().map(|(at, _)| *at)
    }

    fn bound(&mut self, session: &SessionSpec, dropped: &mut u64) {
        if let Some(latest) = self.latest() {
            self.events.drop_before(latest.minus(session.bounds.max));
        }
        *dropped += self.events.keep_latest(limits::SESSION_EVENTS, |_| {}) as u64;
    }

    /// What happened in the current session. Its value holds until an event comes, or the session ends.
    pub fn read(&self, now: Moment, spec: &Spec) -> Answer<'_> {
        let (Some(session), Some(latest)) = (&spec.session, self.latest()) else { return spec.of_nothing() };
        // The first moment at which the pause is too long.
        let over = Moment(latest.plus(session.bounds.idle).0.saturating_add(1));
        if now >= over {
            return spec.of_nothing();
        }
        let current = self.current(session);
        if current.iter().all(|(_, mark)| matches!(mark.part, Part::None)) {
            return spec.of_nothing();
        }
        let answer = if !spec.keyed && matches!(spec.kind, Kind::Count | Kind::Did) {
            let count = current.iter().filter(|(_, mark)| !matches!(mark.part, Part::None)).count();
            let is_did = spec.kind == Kind::Did;
            Answer::constant(if is_did { Datum::Bool(count > 0) } else { Datum::Int(count as i64) })
        } else if spec.sequence.is_some() {
            let marks = current.iter().filter_map(|(at, mark)| match &mark.part {
                Part::Step(step) => Some((*at, (**step).clone())),
                _ => None,
            });
            Sequence::of(marks).read(now, spec)
        } else {
            of_values(current, now, spec)
        };
        Answer { until: answer.until.min(over), ..answer }
    }

    /// The events since the current session began.
    fn current(&self, session: &SessionSpec) -> &[(Moment, Mark)] {
        let events = self.events.all();
        let mut begin = 0;
        let mut client = 0;
        for (index, (at, mark)) in events.iter().enumerate() {
            let before = index.checked_sub(1).and_then(|before| events.get(before));
            let paused = before.is_some_and(|(before, _)| at.since(*before) > session.bounds.idle);
            let other_client = mark.client != 0 && client != 0 && mark.client != client;
            if paused || other_client {
                begin = index;
                client = 0;
            }
            if mark.client != 0 {
                client = mark.client;
            }
        }
        &events[begin..]
    }

    pub fn heap(&self) -> usize {
        let part = |part: &Part| match part {
            Part::None | Part::Happened => 0,
            Part::Says(said) => footprint::block(size_of_val(&**said)),
            Part::Step(step) => footprint::block(size_of_val(&**step)) + step.heap(),
        };
        self.events.heap() + self.events.all().iter().map(|(_, mark)| part(&mark.part)).sum::<usize>()
    }
}

/// What the same aggregate without a window makes of these events alone.
fn of_values<'a>(events: &'a [(Moment, Mark)], now: Moment, spec: &Spec) -> Answer<'a> {
    let mut state = AggregateState::of_all_time(spec);
    let nothing = Event::nothing();
    for (at, mark) in events {
        let (value, group) = match &mark.part {
            Part::Happened => (None, None),
            Part::Says(said) => (said.0.as_ref().map(|it| &it.0), said.1.as_ref().map(|it| &it.0)),
            Part::None | Part::Step(_) => continue,
        };
        let it = Occurrence { at: *at, seq: mark.seq, now, value, group, counts: true, event: &nothing };
        // The whole session is within the limits of any aggregate over it, or counted as dropped when it came in.
        state.insert(&it, spec, &mut 0);
    }
    let answer = state.read(now, spec);
    let said = events.iter().filter_map(|(_, mark)| match &mark.part {
        Part::Says(said) => said.0.as_ref().map(Known::datum),
        _ => None,
    });
    Answer { datum: kept(answer.datum, said), until: answer.until, rate: answer.rate }
}

/// An equal value that lives as long as the events do.
fn kept<'a>(datum: Datum<'_>, mut said: impl Iterator<Item = Datum<'a>>) -> Datum<'a> {
    match datum {
        Datum::Unknown => Datum::Unknown,
        Datum::Bool(it) => Datum::Bool(it),
        Datum::Int(it) => Datum::Int(it),
        Datum::Decimal(it) => Datum::Decimal(it),
        Datum::Float(it) => Datum::Float(it),
        Datum::Time(it) => Datum::Time(it),
        Datum::Duration(it) => Datum::Duration(it),
        Datum::Text(_) | Datum::List(_) => {
            said.find(|it| it.compare(datum) == Some(Ordering::Equal)).unwrap_or(Datum::Unknown)
        }
    }
}

impl SessionSpec {
    /// A fingerprint of the client's session id; 0 where there is none.
    pub fn client_of(&self, event: &Event) -> u64 {
        let said = self.client.iter().find_map(|slot| event.context.get(slot.index())?.as_ref());
        said.map_or(0, |id| Key::of(id).short().max(1))
    }
}
