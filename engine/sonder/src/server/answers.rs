//! What the API answers with: the running engine, seen through its state, its store and its gauges.
//!
//! Quick answers take the read lock for as long as it takes to copy one answer; slow ones read the store.

use super::apply::Applier;
use super::audience::ForAudience;
use super::matching::Progress;
use super::{history, journeys, rollout};
use crate::observe::{Gauges, Health, Metrics, ReloadReport, resident_bytes};
use crate::pipeline::{Entrance, Eraser, Live, Shared, clock};
use parking_lot::{Mutex, RwLock};
use sonder_activate::outbox::Outbox;
use sonder_collect::{Collector, RejectionCount};
use sonder_console::audit::AuditLog;
use sonder_console::engine::{
    Applied, ApplyRequest, Audience, ConsentChange, DecisionNote, DeliveryFilter, DeliveryPage, DestinationStatus,
    Engine, Entry, Expired, ExplainRequest, Export, Exported, IdentityDecision, Journey, JourneySummary, Lag,
    LogStatus, MatchPair, MatchPairs, Matching, Member, Members, Memory, Observed, PairDecided, PairDecision,
    PairsAsked, PastRequest, Person, Plan, PlanRequest, Preview, PreviewRequest, PrivacyRequest, QuarantineDismissed,
    QuarantineFilter, QuarantinePage, QuarantineReplay, QuarantineReplayed, QuarantineSelection, Query, Recovery,
    RejectionStatus, Reload, ReloadOutcome, Replay, Replayed, RequestAction, RequestAsked, RequestNote, Retention,
    RolloutStatus, Rows, SegmentSize, SegmentSizes, Sought, Stage, Status, TimelineCursor, Trouble, instant, person_id,
};
use sonder_core::consent::Purposes;
use sonder_core::effect::PersonId;
use sonder_core::explain::Explanation;
use sonder_core::govern::Governor;
use sonder_core::kinship::Kinship;
use sonder_core::view::PersonView;
use sonder_dsl::ir::{IdentifierKindId, Program, RuleId};
use sonder_dsl::time::Moment;
use sonder_store::{Exports, Reader, Store, StoreError};
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The engine as the API sees it.
pub struct Answers {
    pub(super) shared: Arc<Shared>,
    pub(super) store: Arc<Store>,
    pub(super) reader: Reader,
    /// There while it runs; looking at data at rest needs none.
    pub(super) outbox: Option<Outbox>,
    /// The way into the log; there while it runs.
    pub(super) entrance: Option<Entrance>,
    /// There while it runs.
    collector: Option<Collector>,
    /// There while it runs.
    pub(super) eraser: Option<Arc<Eraser>>,
    /// There while it runs.
    pub(super) applier: Option<Applier>,
    /// Where files of members are made; there while it runs.
    exports: Option<Exports>,
    /// Who did what.
    pub(super) audit: Option<Arc<AuditLog>>,
    /// How far matching of people is.
    pub(super) matching: Mutex<Progress>,
    /// Held by whoever takes in what was kept aside.
    pub(super) replaying: Mutex<()>,
    /// Held by whoever enters a request that came by OpenDSR.
    pub(super) entering: Mutex<()>,
    metrics: Metrics,
    started_at: Moment,
    /// Makes identifiers comparable; for the program beside it.
    governor: RwLock<(Arc<Program>, Arc<Governor>)>,
}

impl Answers {
    /// Over what a pipeline shares.
    #[must_use]
    pub fn new(
        shared: Arc<Shared>,
        store: Arc<Store>,
        outbox: Option<Outbox>,
        collector: Option<Collector>,
        metrics: Metrics,
    ) -> Self {
        let program = Arc::clone(&shared.live.read().program);
        let governor = Arc::new(Governor::new(&program));
        let reader = store.reader();
        let governor = RwLock::new((program, governor));
        Self {
            shared,
            store,
            reader,
            outbox,
            entrance: None,
            collector,
            eraser: None,
            applier: None,
            exports: None,
            audit: None,
            matching: Mutex::default(),
            replaying: Mutex::default(),
            entering: Mutex::default(),
            metrics,
            started_at: clock::wall(),
            governor,
        }
    }

    /// The same, for an engine that takes messages in.
    #[must_use]
    pub fn taking_in(self, entrance: Entrance) -> Self {
        Self { entrance: Some(entrance), ..self }
    }

    /// The same, for an engine that can erase people.
    #[must_use]
    pub fn erasing(self, eraser: Arc<Eraser>) -> Self {
        Self { eraser: Some(eraser), ..self }
    }

    /// The same, for an engine that another version of the project can be pushed to.
    #[must_use]
    pub fn applying(self, applier: Applier) -> Self {
        Self { applier: Some(applier), ..self }
    }

    /// The same, for an engine that keeps an audit log.
    #[must_use]
    pub fn recording(self, audit: Arc<AuditLog>) -> Self {
        Self { audit: Some(audit), ..self }
    }

    /// The same, for an engine that makes files of members.
    #[must_use]
    pub fn exporting(self, exports: Exports) -> Self {
        Self { exports: Some(exports), ..self }
    }

    /// Entries into and exits from segments since the start.
    #[must_use]
    pub fn moves(&self) -> (u64, u64) {
        let gauges = &self.shared.gauges;
        (gauges.entered.load(Ordering::Relaxed), gauges.left.load(Ordering::Relaxed))
    }

    pub(super) fn governor(&self, program: &Arc<Program>) -> Arc<Governor> {
        let known = self.governor.read();
        if Arc::ptr_eq(&known.0, program) {
            return Arc::clone(&known.1);
        }
        drop(known);
        let governor = Arc::new(Governor::new(program));
        *self.governor.write() = (Arc::clone(program), Arc::clone(&governor));
        governor
    }

    /// A person's view, from memory or from the last checkpoint.
    pub(super) fn view(&self, id: PersonId) -> Result<Option<PersonView>, Trouble> {
        let (canonical, is_spilled) = {
            let live = self.shared.live.read();
            let canonical = live.state.canonical(id);
            if let Some(view) = live.state.person(&live.program, canonical) {
                return Ok(Some(view));
            }
            (canonical, live.state.is_spilled(canonical))
        };
        if !is_spilled {
            return Ok(None);
        }
        let people = self.store.load_people(&[canonical]).map_err(trouble)?;
        let Some((_, bytes)) = people.first() else { return Ok(None) };
        let live = self.shared.live.read();
        live.state
            .view_spilled(&live.program, canonical, bytes)
            .map(Some)
            .map_err(|error| Trouble::Internal(error.to_string()))
    }

    fn destinations(&self) -> Vec<DestinationStatus> {
        let Some(outbox) = &self.outbox else { return Vec::new() };
        let stats = outbox.stats().destinations;
        stats
            .into_iter()
            .map(|stats| DestinationStatus {
                delivered: stats.delivered,
                retried: stats.retried,
                dead: stats.dead,
                pending: stats.pending,
                paused: stats.is_paused(),
                last_error: stats.unauthorized.or(stats.last_error),
                name: stats.name,
            })
            .collect()
    }

    fn rejections(&self) -> Vec<RejectionStatus> {
        let counts = self.collector.as_ref().map(Collector::rejections).unwrap_or_default();
        let status = |it: RejectionCount| RejectionStatus {
            code: it.code.to_owned(),
            count: it.count,
            last_at: instant(it.last_at),
            last_path: it.last_path,
            last_sample: it.last_sample,
        };
        counts.into_iter().map(status).collect()
    }

    fn lag(&self) -> Lag {
        let gauges = &self.shared.gauges;
        let stats = self.outbox.as_ref().map(|outbox| outbox.stats().destinations).unwrap_or_default();
        let now = clock::wall();
        let oldest = stats.iter().filter_map(|stats| stats.oldest).min();
        let millis = |from: Moment| u64::try_from(now.since(from).0 / 1_000).unwrap_or(0);
        let overdue = self.shared.live.read().state.next_timer().filter(|timer| *timer < now);
        Lag {
            queued: self.shared.budget.waiting() as u64,
            unfolded: gauges.unfolded(),
            undelivered: stats.iter().map(|stats| stats.pending).sum(),
            oldest_undelivered_ms: oldest.map_or(0, millis),
            clock_ms: overdue.map_or(0, millis),
        }
    }
}

impl Engine for Answers {
    fn program(&self) -> Arc<Program> {
        Arc::clone(&self.shared.live.read().program)
    }

    fn resolve(&self, kind: IdentifierKindId, value: &str) -> Option<PersonId> {
        let program = self.program();
        let identifier = self.governor(&program).identifier(kind, value)?;
        self.shared.live.read().state.resolve(&identifier)
    }

    fn subject(&self, person: PersonId) -> String {
        let canonical = self.shared.live.read().state.canonical(person);
        self.store.pseudonym("person", &person_id(canonical))
    }

    fn person(&self, id: PersonId) -> Sought {
        let live = self.shared.live.read();
        let canonical = live.state.canonical(id);
        match live.state.person(&live.program, canonical) {
            Some(view) => {
                drop(live);
                Sought::Found(Box::new(view.into()))
            }
            None if live.state.is_spilled(canonical) => Sought::Cold(canonical),
            None => Sought::Nobody,
        }
    }

    fn load_person(&self, id: PersonId) -> Result<Option<Person>, Trouble> {
        Ok(self.view(id)?.map(Person::from))
    }

    fn person_at(&self, request: &PastRequest) -> Result<Option<Person>, Trouble> {
        self.person_then(request)
    }

    fn timeline(&self, id: PersonId, before: Option<&TimelineCursor>, limit: usize) -> Result<Vec<Entry>, Trouble> {
        let Some(view) = self.view(id)? else { return Ok(Vec::new()) };
        history::timeline(&self.reader, view, before, limit)
    }

    fn segment_sizes(&self) -> SegmentSizes {
        let live = self.shared.live.read();
        let size = |segment| SegmentSize { segment, size: live.state.segment_size(segment) as u64 };
        let sizes = live.program.segments().map(|(segment, _)| size(segment)).collect();
        SegmentSizes { program: Arc::clone(&live.program), sizes }
    }

    fn members(&self, which: &Exported, after: Option<PersonId>, limit: usize) -> Result<Option<Members>, Trouble> {
        let (size, members) = {
            let live = self.shared.live.read();
            let Some((id, purposes)) = exported(&live, which) else { return Ok(None) };
            (live.state.segment_size(id) as u64, live.state.consenting_members(id, purposes, after, limit))
        };
        let mut answer = Vec::with_capacity(members.len());
        for (person, since) in members {
            let Some(view) = self.view(person)? else { continue };
            let identifiers = view.identifiers.into_iter().filter(|it| !it.former).map(|it| (it.kind, it.value));
            answer.push(Member {
                person: person_id(person),
                since: instant(since),
                identifiers: identifiers.collect(),
            });
        }
        Ok(Some(Members { size, members: answer }))
    }

    fn members_left_out(&self, which: &Exported) -> Result<Option<u64>, Trouble> {
        let (mut left_out, mut after) = (0, None);
        loop {
            // Some at a time, so that the fold does not wait.
            let live = self.shared.live.read();
            let Some((id, purposes)) = exported(&live, which) else { return Ok(None) };
            let (count, last) = live.state.members_without(id, purposes, after, AT_A_TIME);
            left_out += count as u64;
            match last {
                Some(last) => after = Some(last),
                None => return Ok(Some(left_out)),
            }
        }
    }

    fn export(&self) -> Result<Box<dyn Export>, Trouble> {
        let Some(exports) = &self.exports else {
            let reason = "files are made by a running engine".to_owned();
            return Err(Trouble::Unavailable { reason, retry_after_s: 5 });
        };
        Ok(Box::new(InFile(exports.begin().map_err(trouble)?)))
    }

    fn audience(&self, name: &str) -> Option<Arc<dyn Audience>> {
        let pseudonyms = Arc::clone(self.shared.pseudonyms.get()?);
        Some(Arc::new(ForAudience { name: name.to_owned(), pseudonyms }))
    }

    fn journeys(&self) -> Vec<JourneySummary> {
        let live = self.shared.live.read();
        journeys::summaries(&live.program, &live.state)
    }

    fn journey(&self, name: &str) -> Result<Option<Journey>, Trouble> {
        let (program, standing) = {
            let live = self.shared.live.read();
            let Some((id, _)) = live.program.journey_named(name) else { return Ok(None) };
            (Arc::clone(&live.program), live.state.standing(id).to_vec())
        };
        let journey = program.journey_named(name);
        // As it was, it counts what came since it is rolled out.
        let own = journey.filter(|(_, journey)| journey.own_name() == name);
        let was = own.iter().flat_map(|(_, journey)| &journey.was).map(String::as_str);
        let names: Vec<&str> = std::iter::once(name).chain(was).collect();
        let counted = self.reader.journey(&names).map_err(trouble)?;
        Ok(journey.map(|(_, journey)| journeys::figures(&program, journey, &standing, &counted)))
    }

    fn explain(&self, request: &ExplainRequest) -> Result<Option<Explanation>, Trouble> {
        self.explain_rule(request)
    }

    fn change_consent(&self, change: &ConsentChange) -> Result<String, Trouble> {
        self.record_consent(change)
    }

    fn kinship(&self, id: PersonId) -> Option<Kinship> {
        let live = self.shared.live.read();
        live.state.kinship(&live.program, id)
    }

    fn decide_identity(&self, decision: &IdentityDecision) -> Result<String, Trouble> {
        self.record_decision(decision)
    }

    fn observed(&self, id: PersonId) -> Result<Option<Observed>, Trouble> {
        self.observed_of(id)
    }

    fn decision_notes(&self, records: &[u64]) -> Result<Vec<DecisionNote>, Trouble> {
        self.notes_of_decisions(records)
    }

    fn matching(&self) -> Result<Matching, Trouble> {
        self.matching_report()
    }

    fn match_people(&self) -> Result<Matching, Trouble> {
        self.ask_to_match()
    }

    fn match_pairs(&self, asked: &PairsAsked) -> Result<MatchPairs, Trouble> {
        self.list_pairs(asked)
    }

    fn match_pair(&self, id: &str) -> Result<Option<MatchPair>, Trouble> {
        self.find_pair(id)
    }

    fn decide_pair(&self, decision: &PairDecision) -> Result<Option<PairDecided>, Trouble> {
        self.decide_of_pair(decision)
    }

    fn open_request(&self, asked: &RequestAsked) -> Result<Option<PrivacyRequest>, Trouble> {
        self.enter_request(asked)
    }

    fn request(&self, id: &str) -> Result<Option<PrivacyRequest>, Trouble> {
        self.find_request(id)
    }

    fn requests(&self, only_open: bool) -> Result<Vec<PrivacyRequest>, Trouble> {
        self.list_requests(only_open)
    }

    fn retention(&self) -> Result<Retention, Trouble> {
        self.retention_report()
    }

    fn expire(&self, is_dry: bool) -> Result<Expired, Trouble> {
        self.let_expire(is_dry)
    }

    fn step_request(
        &self,
        id: &str,
        action: RequestAction,
        note: &RequestNote,
    ) -> Result<Option<PrivacyRequest>, Trouble> {
        self.act_on_request(id, action, note)
    }

    fn bundle(&self, id: PersonId) -> Result<Option<serde_json::Value>, Trouble> {
        self.bundle_of(id)
    }

    fn preview(&self, request: &PreviewRequest) -> Result<Preview, Trouble> {
        self.preview_rules(request)
    }

    fn plan(&self, request: &PlanRequest) -> Result<Plan, Trouble> {
        self.plan_project(request)
    }

    fn apply(&self, request: &ApplyRequest) -> Result<Applied, Trouble> {
        self.apply_project(request)
    }

    fn query(&self, query: &Query) -> Result<Rows, Trouble> {
        match query.at {
            None => history::query(&self.reader, query),
            Some(_) => history::query_then(&self.reader, &self.program(), query),
        }
    }

    fn quarantine(&self, filter: &QuarantineFilter) -> Result<QuarantinePage, Trouble> {
        history::quarantine(&self.reader, filter)
    }

    fn replay_quarantine(&self, replay: &QuarantineReplay) -> Result<QuarantineReplayed, Trouble> {
        self.replay_kept_aside(replay)
    }

    fn dismiss_quarantine(&self, which: &QuarantineSelection, dry_run: bool) -> Result<QuarantineDismissed, Trouble> {
        self.dismiss_kept_aside(which, dry_run)
    }

    fn deliveries(&self, filter: &DeliveryFilter) -> Result<DeliveryPage, Trouble> {
        history::deliveries(&self.reader, filter, self.ids_of(filter.person)?)
    }

    fn replay(&self, replay: &Replay) -> Result<Replayed, Trouble> {
        self.replay_dead(replay)
    }

    fn status(&self) -> Status {
        let (program, people, memory) = {
            let live = self.shared.live.read();
            let Live { program, state } = &*live;
            (Arc::clone(program), state.people_count() as u64, state.memory_estimate() as u64)
        };
        let gauges = &self.shared.gauges;
        let recovery = self.shared.recovery;
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            project: program.settings.name.clone(),
            fingerprint: format!("{:016x}", program.fingerprint.0),
            region: program.region.clone(),
            rollout: program
                .rollout
                .map(|it| RolloutStatus { share: it.share().to_string(), rules: rollout::rolled(&program) }),
            stage: match gauges.health() {
                Health::Running => Stage::Running,
                Health::Degraded(_) => Stage::Degraded,
                Health::Stopping => Stage::Stopping,
            },
            started_at: instant(self.started_at),
            recovery: Some(Recovery {
                people: recovery.people,
                records: recovery.records,
                millis: recovery.took.as_secs_f64() * 1_000.0,
            }),
            log: log_status(gauges),
            rejections: self.rejections(),
            people,
            lag: self.lag(),
            reload: reload(&gauges.reload()),
            destinations: self.destinations(),
            privacy: self.open_requests(),
            memory: Memory { people: memory, resident: resident_bytes() },
        }
    }

    fn metrics(&self) -> String {
        self.note_figures();
        self.metrics.render()
    }

    fn ready(&self) -> Result<(), Trouble> {
        match self.shared.gauges.health() {
            Health::Running => Ok(()),
            // What exactly fails is for the log and for `status`, which need a key.
            Health::Degraded(_) => {
                Err(Trouble::Unavailable { reason: "the log cannot be written".to_owned(), retry_after_s: 2 })
            }
            Health::Stopping => {
                Err(Trouble::Unavailable { reason: "the engine is stopping".to_owned(), retry_after_s: 5 })
            }
        }
    }
}

fn log_status(gauges: &Gauges) -> LogStatus {
    let last = gauges.last_received_at.load(Ordering::Acquire);
    LogStatus {
        seq: gauges.log_seq.load(Ordering::Acquire),
        folded_seq: gauges.folded_seq.load(Ordering::Acquire),
        checkpoint_seq: gauges.checkpoint_seq.load(Ordering::Acquire),
        last_received_at: (last != 0).then(|| instant(Moment(last))),
        duplicates: gauges.duplicates.load(Ordering::Relaxed),
        quarantined: gauges.quarantined.load(Ordering::Relaxed),
    }
}

fn reload(report: &ReloadReport) -> Reload {
    match report {
        ReloadReport::Unchanged => Reload { outcome: ReloadOutcome::Unchanged, at: None, errors: Vec::new() },
        ReloadReport::Applied(at) => {
            Reload { outcome: ReloadOutcome::Applied, at: Some(instant(*at)), errors: Vec::new() }
        }
        ReloadReport::Rejected(at, errors) => {
            Reload { outcome: ReloadOutcome::Rejected, at: Some(instant(*at)), errors: errors.clone() }
        }
    }
}

/// Members that are looked at while the state is held.
const AT_A_TIME: usize = 4096;

/// The segment that is exported, and what its members must consent to.
fn exported(live: &Live, which: &Exported) -> Option<(RuleId, Purposes)> {
    let (id, _) = live.program.segments().find(|(_, rule)| rule.name == which.segment)?;
    Some((id, live.state.exported_for(&live.program, id, which.purpose.as_deref())?))
}

/// A file of members, which the store makes.
struct InFile(sonder_store::Export);

impl Export for InFile {
    fn add(&mut self, members: &[Member]) -> Result<(), Trouble> {
        members.iter().try_for_each(|it| self.0.add(&it.person, &it.since, &it.identifiers)).map_err(trouble)
    }

    fn finish(self: Box<Self>) -> Result<File, Trouble> {
        self.0.finish().map_err(trouble)
    }
}

/// What a failure of the store means to a client.
pub(super) fn trouble(error: StoreError) -> Trouble {
    match error {
        StoreError::Refused { message, help } => Trouble::Refused { message, help },
        StoreError::TimedOut => Trouble::TooSlow,
        StoreError::Reopened => Trouble::Unavailable { reason: StoreError::Reopened.to_string(), retry_after_s: 1 },
        StoreError::Full { .. } => Trouble::Unavailable { reason: "the disk is full".to_owned(), retry_after_s: 5 },
        other => Trouble::Internal(other.to_string()),
    }
}
