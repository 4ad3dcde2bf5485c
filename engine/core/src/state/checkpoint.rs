//! Checkpoints: what changed since the last one, as bytes; and a state from all of them.
//!
//! A person is written as a head (identity, memberships, the next timer), which is always needed in memory, and a body,
//! which may be spilled. Names stand for ids, fingerprints for aggregates, so that the next version of a project can read
//! it; what that version asks and this one did not is listed in [`Differences`]. Everything is written in a fixed order:
//! equal states give equal bytes.

use super::rest::{self, Body};
use super::{CLEAN, Ids, Slot, State, Travelling};
use crate::aggregate::{AggregateState, cells};
use crate::consent::bound::{Bound, Kept};
use crate::consent::{ANYTHING, Said, Statement, only};
use crate::datum::Known;
use crate::effect::PersonId;
use crate::identity::graph::PersonIndex;
use crate::identity::record::{ComponentRecord, StraysRecord, Unbound};
use crate::journey::record::TravelsRecord;
use crate::names::{NameKey, Names, journey_source_key};
use crate::person::Person;
use crate::plan::Plan;
use crate::profile::{Observation, Observations};
use crate::record::{Seq, UNKNOWN_SOURCE};
use crate::rule_times::RuleTimes;
use serde::{Deserialize, Serialize};
use sonder_dsl::ir::{AggregateId, ProfileTraitId, Program, PurposeId, RuleId};
use sonder_dsl::time::Moment;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use thin_vec::ThinVec;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// The first byte of all that is written. Another number is another format.
const VERSION: u8 = 11;

/// What changed since the last checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The last record in it.
    pub seq: Seq,
    /// The moment it was advanced to.
    pub now: Moment,
    /// What is of no person.
    pub meta: Vec<u8>,
    /// People who changed, by id; `None` for those who were absorbed.
    pub people: Vec<(PersonId, Option<Vec<u8>>)>,
}

/// How the program that a state is restored for differs from the one that wrote it, as far as state is concerned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Differences {
    /// Aggregates without a history: they are new, or ask for more than was kept. Until the log is folded again they
    /// know only what comes from now on.
    pub aggregates: Vec<AggregateId>,
    /// Traits of the golden record whose policy is another: the same holds.
    pub profile_traits: Vec<ProfileTraitId>,
    /// Rules that are new or mean something else: [`State::reconsider`] decides them.
    pub rules: Vec<RuleId>,
}

impl Differences {
    /// Whether the state is just what this program would have made.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self == &Self::default()
    }
}

/// Why a state cannot be restored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// Written by another version of the engine.
    #[error("the checkpoint has format {found}, this engine reads format {VERSION}")]
    Format {
        /// Its number.
        found: u8,
    },
    /// Cut off or changed.
    #[error("the checkpoint is damaged: {0}")]
    Damaged(String),
    /// People have got other ids since.
    #[error("the checkpoint knows people by other ids")]
    OtherIds,
    /// Bytes for somebody whom the state does not know.
    #[error("the checkpoint has no person {0:?}")]
    Unknown(PersonId),
}

#[derive(Serialize, Deserialize)]
struct Meta {
    program: u64,
    seq: Seq,
    now: Moment,
    dropped: u64,
    /// Of the [`Ids`] that people are known by.
    ids: u64,
    aggregates: Vec<(NameKey, u32)>,
    policies: Vec<(NameKey, NameKey)>,
    rules: Vec<(NameKey, u64)>,
    strays: StraysRecord,
}

#[derive(Serialize, Deserialize)]
struct Head {
    component: ComponentRecord,
    touched: Seq,
    due: Moment,
    segments: Vec<(NameKey, Moment)>,
}

/// The body as it is written; [`BodyRecord`] reads the same bytes.
#[derive(Serialize)]
struct BodyOf<'a> {
    first_seen: Moment,
    last_seen: Moment,
    is_early: bool,
    aggregates: Vec<(NameKey, &'a AggregateState)>,
    profile: Vec<(NameKey, ObservationsRecord)>,
    announced: Vec<(NameKey, &'a Option<Known>)>,
    timers: Vec<(NameKey, Moment)>,
    travels: Option<TravelsRecord>,
    answers: Vec<StatementRecord>,
    bound: Option<BoundRecord<'a>>,
}

#[derive(Deserialize)]
struct BodyRecord {
    first_seen: Moment,
    last_seen: Moment,
    is_early: bool,
    aggregates: Vec<(NameKey, AggregateState)>,
    profile: Vec<(NameKey, ObservationsRecord)>,
    announced: Vec<(NameKey, Option<Known>)>,
    timers: Vec<(NameKey, Moment)>,
    travels: Option<TravelsRecord>,
    answers: Vec<StatementRecord>,
    bound: Option<BoundRecord<'static>>,
}

/// What is kept for rules with a purpose. Its events are of use to the program that kept them only.
#[derive(Serialize, Deserialize)]
struct BoundRecord<'a> {
    program: u64,
    kept: Cow<'a, [Kept]>,
    settled: Vec<(NameKey, Cow<'a, AggregateState>)>,
}

#[derive(Serialize, Deserialize)]
struct StatementRecord {
    at: Moment,
    seq: Seq,
    said: Vec<AnswerRecord>,
    /// Whether it binds.
    binding: bool,
    /// The answer to whatever has no purpose.
    anything: Option<bool>,
}

#[derive(Serialize, Deserialize)]
struct AnswerRecord {
    purpose: NameKey,
    granted: bool,
    express: bool,
}

#[derive(Serialize, Deserialize)]
enum ObservationsRecord {
    One(ObservationRecord),
    All(Vec<ObservationRecord>),
    BySource(Vec<ObservationRecord>),
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ObservationRecord {
    value: Known,
    source: NameKey,
    at: Moment,
    seq: Seq,
}

impl State {
    /// A state from the meta part of the last checkpoint and the latest bytes of everybody who is not gone, where people are known
    /// by these ids.
    ///
    /// # Errors
    /// When the bytes are not those of a checkpoint that this version can read, or people were known by other ids.
    pub fn restore<B: AsRef<[u8]>>(
        program: &Program,
        ids: &Arc<Ids>,
        meta: &[u8],
        people: impl IntoIterator<Item = (PersonId, B)>,
    ) -> Result<Self, RestoreError> {
        let meta: Meta = decode(versioned(meta)?)?;
        if meta.ids != ids.digest() {
            return Err(RestoreError::OtherIds);
        }
        let mut state = Self::known_by(program, Arc::clone(ids));
        state.seq = meta.seq;
        state.kept = meta.seq;
        state.now = meta.now;
        state.dropped = meta.dropped;
        state.differences = differences(program, &state.plan, &meta);
        let plan = Arc::clone(&state.plan);
        let mut unbound = Unbound::default();
        meta.strays.add(&mut state.graph, &plan.names, &mut unbound);
        for (id, bytes) in people {
            state.add(id, bytes.as_ref(), &mut unbound)?;
        }
        unbound.bind(&mut state.graph, &plan.names);
        Ok(state)
    }

    /// How the program differs from the one that wrote the state.
    #[must_use]
    pub fn differences(&self) -> &Differences {
        &self.differences
    }

    /// Brings somebody back into memory.
    ///
    /// # Errors
    /// When the bytes are not those of a person, or that person is not known.
    pub fn load(&mut self, id: PersonId, bytes: &[u8]) -> Result<(), RestoreError> {
        let person = self.graph.person(id).ok_or(RestoreError::Unknown(id))?;
        if self.slots[person.index()].body.is_here() {
            return Ok(());
        }
        let (_, body) = halves(bytes)?;
        let it = self.plan.read_body(body, &self.plan.names)?;
        self.slots[person.index()].body = Body::Awake(Box::new(it));
        self.measure(person);
        self.spilled -= 1;
        Ok(())
    }

    /// Somebody's state from their bytes, without bringing them back into memory.
    pub(super) fn peek(&self, bytes: &[u8]) -> Result<Person, RestoreError> {
        let (_, body) = halves(bytes)?;
        self.plan.read_body(body, &self.plan.names)
    }

    /// Where somebody is in the journeys, from their bytes, whatever version of the project wrote them. `None` for who never
    /// came near one.
    ///
    /// # Errors
    /// When the bytes are not those of a person.
    pub fn travelling_in(id: PersonId, bytes: &[u8]) -> Result<Option<Travelling>, RestoreError> {
        let (_, body) = halves(bytes)?;
        let body: BodyRecord = decode(body)?;
        let said = |(key, all): (NameKey, ObservationsRecord)| {
            let of_journeys = all.into_records().into_iter().filter(|record| record.source == journey_source_key());
            of_journeys.map(move |record| (key, record))
        };
        let traits: Vec<_> = body.profile.into_iter().flat_map(said).collect();
        let is_empty = body.travels.is_none() && traits.is_empty();
        Ok((!is_empty).then_some(Travelling { person: id, record: body.travels, traits }))
    }

    /// Equal for equal states: of everything that is known of everybody, in a fixed order. How much was forgotten is not
    /// known of anybody: a version that takes over has not forgotten what the one before did.
    #[must_use]
    pub fn digest(&self) -> u128 {
        let mut people: Vec<(PersonId, PersonIndex)> =
            self.graph.people().map(|(person, component)| (component.id, person)).collect();
        people.sort_unstable();
        let mut hash = Xxh3::new();
        hash.update(&encode(&Meta { dropped: 0, ..self.meta() }));
        for (id, person) in people {
            hash.update(&id.0.to_le_bytes());
            hash.update(&self.write_head(person).unwrap_or_default());
            let slot = &self.slots[person.index()];
            let body = if let Body::Away(digest) = slot.body { digest } else { self.body_digest(person) };
            hash.update(&body.to_le_bytes());
        }
        hash.digest128()
    }

    pub(super) fn body_digest(&self, person: PersonIndex) -> u64 {
        xxh3_64(&self.write_body(person).unwrap_or_default())
    }

    pub(super) fn write_meta(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        bytes.extend(encode(&self.meta()));
        bytes
    }

    fn meta(&self) -> Meta {
        let names = &self.plan.names;
        let enough = |index: usize| u32::try_from(self.plan.aggregates[index].enough).unwrap_or(u32::MAX);
        Meta {
            program: self.plan.fingerprint.0,
            seq: self.seq,
            now: self.now,
            dropped: self.dropped,
            ids: self.graph.ids().digest(),
            aggregates: names.aggregates.keys().iter().enumerate().map(|(index, key)| (*key, enough(index))).collect(),
            policies: names.profile.keys().iter().copied().zip(names.policies.iter().copied()).collect(),
            rules: names.rules.keys().iter().copied().zip(self.plan.rules.iter().map(|it| it.fingerprint.0)).collect(),
            strays: StraysRecord::new(&self.graph, names),
        }
    }

    pub(super) fn write(&self, person: PersonIndex) -> Option<Vec<u8>> {
        let (head, body) = (self.write_head(person)?, self.write_body(person)?);
        let mut bytes = Vec::with_capacity(5 + head.len() + body.len());
        bytes.push(VERSION);
        bytes.extend_from_slice(&u32::try_from(head.len()).ok()?.to_le_bytes());
        bytes.extend_from_slice(&head);
        bytes.extend_from_slice(&body);
        Some(bytes)
    }

    fn write_head(&self, person: PersonIndex) -> Option<Vec<u8>> {
        let names = &self.plan.names;
        let component = self.graph.component(person)?;
        let slot = &self.slots[person.index()];
        Some(encode(&Head {
            component: ComponentRecord::new(&self.graph, component, names),
            touched: slot.touched,
            due: slot.due,
            segments: slot.segments.iter().map(|(rule, since)| (names.rule_key(rule), since)).collect(),
        }))
    }

    fn write_body(&self, person: PersonIndex) -> Option<Vec<u8>> {
        let it = self.slots[person.index()].body.read(&self.plan)?;
        Some(write_body(&self.plan, &it, &self.plan.names))
    }

    fn add(&mut self, id: PersonId, bytes: &[u8], unbound: &mut Unbound) -> Result<(), RestoreError> {
        let (head, body) = halves(bytes)?;
        let person = self.plan.read_body(body, &self.plan.names)?;
        let mut segments: RuleTimes = by_rule(head.segments, &self.plan.names).into_iter().collect();
        segments.retain(|rule| self.plan.rule(rule).is_some_and(|it| it.is_segment));
        let place = head.component.add(id, &mut self.graph, &self.plan.names, unbound);
        for (rule, _) in segments.iter() {
            self.members.insert(rule, place, id);
        }
        for (journey, course) in person.travels.iter().flat_map(|travels| &travels.courses) {
            course.instances.iter().for_each(|instance| self.standing.come(*journey, instance.node));
        }
        let slot = Slot {
            body: Body::Resting(rest::pack(&self.plan, &person)),
            segments,
            due: head.due,
            queued: Moment::MAX,
            changed: CLEAN,
            touched: head.touched,
            size: 0,
            consents: self.plan.consents_to(&person),
            refused: person.answers.latest().no(),
        };
        debug_assert_eq!(place.index(), self.slots.len());
        self.slots.push(slot);
        self.measure(place);
        self.schedule(place);
        Ok(())
    }
}

impl Plan {
    /// Where somebody is in the journeys.
    pub(super) fn travelling(&self, id: PersonId, it: &Person) -> Option<Travelling> {
        let names = &self.names;
        let record = it.travels.as_ref().map(|travels| TravelsRecord::new(travels, &self.journeys, names));
        let said = it.profile.iter().flat_map(|(id, all)| {
            let of_journeys = ObservationsRecord::new(all, names).into_records().into_iter();
            let of_journeys = of_journeys.filter(|record| record.source == journey_source_key());
            of_journeys.map(|record| (names.profile_trait_key(*id), record))
        });
        let traits: Vec<_> = said.collect();
        (record.is_some() || !traits.is_empty()).then_some(Travelling { person: id, record, traits })
    }

    /// A person's body, in which things are named as `names` says.
    pub(super) fn read_body(&self, body: &[u8], names: &Names) -> Result<Person, RestoreError> {
        let body: BodyRecord = decode(body)?;
        let mut person = Person::new(body.first_seen);
        person.last_seen = body.last_seen;
        person.is_early = body.is_early;
        let known = body.aggregates.into_iter().filter_map(|(key, state)| {
            let id = names.aggregate(key)?;
            let spec = self.aggregates.get(id.index())?;
            Some((id, spec.cell, state.adapt(spec)?))
        });
        let mut aggregates = Vec::new();
        for (id, cell, state) in known {
            match cell {
                Some(cell) => person.cells.put(cell, &state),
                None => aggregates.push((id, state)),
            }
        }
        person.aggregates = in_order(aggregates);
        let observations = body.profile.into_iter().filter_map(|(key, record)| {
            let id = names.profile_trait(key)?;
            Some((id, record.into_observations(self, id, names)?))
        });
        person.profile = in_order(observations.collect());
        person.announced = in_order(by_rule(body.announced, names));
        person.timers = by_rule(body.timers, names).into_iter().collect();
        person.travels =
            body.travels.map(|record| Box::new(record.into_travels(&self.journeys, names, |key| names.journey(key))));
        person.answers = body.answers.into_iter().filter_map(|record| record.into_statement(names)).collect();
        person.bound = body.bound.map(|record| Box::new(record.into_bound(self, names)));
        Ok(person)
    }
}

/// The body of a person, in which things are named as `names` says.
pub(super) fn write_body(plan: &Plan, it: &Person, names: &Names) -> Vec<u8> {
    let few = it.cells.iter().flat_map(|(owner, words)| {
        let sharers = plan.sharing.get(owner.index()).into_iter().flatten();
        sharers.filter_map(|id| Some((*id, Cow::Owned(cells::to_state(words, plan.aggregates.get(id.index())?)?))))
    });
    let many = it.aggregates.iter().map(|(id, state)| (*id, Cow::Borrowed(state)));
    let mut aggregates: Vec<(AggregateId, Cow<'_, AggregateState>)> = few.chain(many).collect();
    aggregates.sort_unstable_by_key(|(id, _)| *id);
    let observed = it.profile.iter();
    encode(&BodyOf {
        first_seen: it.first_seen,
        last_seen: it.last_seen,
        is_early: it.is_early,
        aggregates: aggregates.iter().map(|(id, state)| (names.aggregate_key(*id), &**state)).collect(),
        profile: observed
            .map(|(id, state)| (names.profile_trait_key(*id), ObservationsRecord::new(state, names)))
            .collect(),
        announced: it.announced.iter().map(|(rule, value)| (names.rule_key(*rule), value)).collect(),
        timers: it.timers.iter().map(|(rule, due)| (names.rule_key(rule), due)).collect(),
        travels: it.travels.as_ref().map(|travels| TravelsRecord::new(travels, &plan.journeys, names)),
        answers: it.answers.iter().map(|statement| StatementRecord::new(statement, names)).collect(),
        bound: it.bound.as_ref().map(|bound| BoundRecord::new(bound, plan, names)),
    })
}

fn by_rule<T>(list: Vec<(NameKey, T)>, names: &Names) -> Vec<(RuleId, T)> {
    let mut known: Vec<_> = list.into_iter().filter_map(|(key, it)| Some((names.rule(key)?, it))).collect();
    known.sort_unstable_by_key(|(rule, _)| *rule);
    known
}

/// A list of what is known, by id, without room to spare.
fn in_order<K: Ord + Copy, V>(mut list: Vec<(K, V)>) -> ThinVec<(K, V)> {
    list.sort_unstable_by_key(|(id, _)| *id);
    let mut exact = ThinVec::with_capacity(list.len());
    exact.extend(list);
    exact
}

fn differences(program: &Program, plan: &Plan, meta: &Meta) -> Differences {
    if meta.program == plan.fingerprint.0 {
        return Differences::default();
    }
    let kept: BTreeMap<NameKey, u32> = meta.aggregates.iter().copied().collect();
    let policies: BTreeMap<NameKey, NameKey> = meta.policies.iter().copied().collect();
    let rules: BTreeMap<NameKey, u64> = meta.rules.iter().copied().collect();
    let names = &plan.names;
    let lacks = |id: &AggregateId| {
        let enough = u32::try_from(plan.aggregates[id.index()].enough).unwrap_or(u32::MAX);
        kept.get(&names.aggregate_key(*id)).is_none_or(|kept| *kept < enough)
    };
    let other_policy =
        |id: &ProfileTraitId| policies.get(&names.profile_trait_key(*id)) != names.policies.get(id.index());
    let other_rule =
        |id: &RuleId| rules.get(&names.rule_key(*id)) != plan.rule(*id).map(|rule| rule.fingerprint.0).as_ref();
    Differences {
        aggregates: (0..program.aggregates.len()).map(|index| AggregateId(index as u32)).filter(lacks).collect(),
        profile_traits: (0..program.profile.len())
            .map(|index| ProfileTraitId(index as u32))
            .filter(other_policy)
            .collect(),
        rules: (0..plan.rules.len()).map(|index| RuleId(index as u32)).filter(other_rule).collect(),
    }
}

impl<'a> BoundRecord<'a> {
    fn new(bound: &'a Bound, plan: &Plan, names: &Names) -> Self {
        let settled = bound.settled.iter().map(|(id, state)| (names.aggregate_key(*id), Cow::Borrowed(state)));
        Self { program: plan.fingerprint.0, kept: Cow::Borrowed(&bound.kept), settled: settled.collect() }
    }

    fn into_bound(self, plan: &Plan, names: &Names) -> Bound {
        let kept = if self.program == plan.fingerprint.0 { self.kept.into_owned() } else { Vec::new() };
        let settled = self.settled.into_iter().filter_map(|(key, state)| {
            let id = names.aggregate(key)?;
            Some((id, state.into_owned().adapt(plan.aggregates.get(id.index())?)?))
        });
        Bound { kept, settled: in_order(settled.collect()) }
    }
}

impl StatementRecord {
    fn new(statement: &Statement, names: &Names) -> Self {
        let said = (0..ANYTHING.trailing_zeros() as u16).map(PurposeId);
        let said = said.filter_map(|purpose| {
            let granted = statement.said.to(purpose)?;
            let express = statement.said.express & only(purpose) != 0;
            Some(AnswerRecord { purpose: names.purpose_key(purpose), granted, express })
        });
        let Statement { at, seq, said: Said { to, yes, binding, .. } } = *statement;
        let anything = (to & ANYTHING != 0).then_some(yes & ANYTHING != 0);
        Self { at, seq, said: said.collect(), binding, anything }
    }

    /// `None` when it was about purposes that are no more.
    fn into_statement(self, names: &Names) -> Option<Statement> {
        let answers = self.said.iter().filter_map(|it| {
            let said = Said::answer(names.purpose(it.purpose)?, it.granted);
            Some(if it.express { said.expressly() } else { said })
        });
        let mut said = answers.fold(Said::NOTHING, Said::and);
        said.to |= self.anything.map_or(0, |_| ANYTHING);
        said.yes |= if self.anything == Some(true) { ANYTHING } else { 0 };
        said.binding = self.binding;
        (!said.is_nothing()).then_some(Statement { at: self.at, seq: self.seq, said })
    }
}

impl ObservationsRecord {
    fn new(observations: &Observations, names: &Names) -> Self {
        let record = |it: &Observation| ObservationRecord {
            value: it.value.clone(),
            source: names.source_key(it.source),
            at: it.at,
            seq: it.seq,
        };
        match observations {
            Observations::One(winner) => Self::One(record(winner)),
            Observations::BySource(winners) => Self::BySource(winners.iter().map(|(_, it)| record(it)).collect()),
            Observations::All { values, firsts } => {
                let items = values.iter().zip(firsts).map(|(value, (at, seq, source))| ObservationRecord {
                    value: Known(value.clone()),
                    source: names.source_key(*source),
                    at: *at,
                    seq: *seq,
                });
                Self::All(items.collect())
            }
        }
    }

    fn into_records(self) -> Vec<ObservationRecord> {
        match self {
            Self::One(record) => vec![record],
            Self::All(records) | Self::BySource(records) => records,
        }
    }

    /// What the trait's policy makes of them; `None` when it keeps something else.
    fn into_observations(self, plan: &Plan, id: ProfileTraitId, names: &Names) -> Option<Observations> {
        let policy = plan.policies.get(id.index())?;
        let mut observations: Option<Observations> = None;
        for record in self.into_records() {
            let new = record.into_observation(names);
            match &mut observations {
                Some(observations) => {
                    observations.insert(new, policy, &mut 0);
                }
                None => observations = Some(Observations::new(new, policy)),
            }
        }
        observations
    }
}

impl ObservationRecord {
    pub(super) fn into_observation(self, names: &Names) -> Observation {
        let source = names.source(self.source).unwrap_or(UNKNOWN_SOURCE);
        Observation { value: self.value, source, at: self.at, seq: self.seq }
    }
}

fn encode(it: &impl Serialize) -> Vec<u8> {
    // Only a sequence of unknown length or a writer that is full could fail, and there is neither.
    postcard::to_extend(it, Vec::new()).unwrap_or_default()
}

fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, RestoreError> {
    postcard::from_bytes(bytes).map_err(|error| RestoreError::Damaged(error.to_string()))
}

fn versioned(bytes: &[u8]) -> Result<&[u8], RestoreError> {
    match bytes.split_first() {
        Some((&VERSION, rest)) => Ok(rest),
        Some((&found, _)) => Err(RestoreError::Format { found }),
        None => Err(RestoreError::Damaged("it is empty".to_owned())),
    }
}

/// The head and the body of a person's bytes.
fn halves(bytes: &[u8]) -> Result<(Head, &[u8]), RestoreError> {
    let rest = versioned(bytes)?;
    let cut_off = || RestoreError::Damaged("it is cut off".to_owned());
    let (length, rest) = rest.split_first_chunk().ok_or_else(cut_off)?;
    let (head, body) = rest.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or_else(cut_off)?;
    Ok((decode(head)?, body))
}
