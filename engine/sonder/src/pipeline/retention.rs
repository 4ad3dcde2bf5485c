//! What is kept for a time only goes once a day: the log is gone through, what is over is taken out of it, and the state is made
//! anew of what is left, by the road of erasures.
//!
//! Who is who, the golden record and consent do not change, for of an event stays whose it was; only whoever is known by nothing
//! but events that are all over is not known any more.

use super::erasure::{EraseError, Eraser, catch_up, check_running};
use super::refold::message;
use super::shared::Shared;
use super::{clock, limits};
use metrics::counter;
use sonder_core::effect::PersonId;
use sonder_core::govern::{Cutoffs, Governor, Remains};
use sonder_core::message::Call;
use sonder_core::record::Seq;
use sonder_dsl::ir::{EventId, ProfileTraitId, Program};
use sonder_dsl::time::{Duration, Moment};
use sonder_store::{Expired, Expiring, Left, LoggedMessage, Reader, RetentionRun, Store};
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

/// How often what is over goes.
const EVERY: Duration = Duration::from_secs(86_400);

impl Eraser {
    /// Lets what is over go, once a day and at the start, until the engine stops.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn retain(self: &Arc<Self>) -> std::io::Result<()> {
        let eraser = Arc::clone(self);
        let run = move || {
            let (mut next, mut pause) = (Moment::MIN, limits::RETRY_FIRST);
            loop {
                if clock::wall() >= next {
                    match eraser.expire() {
                        Ok(_) => (next, pause) = (clock::wall().plus(EVERY), limits::RETRY_FIRST),
                        Err(EraseError::Stopping) => return,
                        Err(error) => {
                            tracing::error!(%error, "what is kept no longer could not go; trying again");
                            std::thread::sleep(pause);
                            pause = (pause * 2).min(limits::RETRY_LONGEST);
                        }
                    }
                }
                std::thread::sleep(limits::RETENTION_LOOK);
                if eraser.engine().is_err() {
                    return;
                }
            }
        };
        std::thread::Builder::new().name("retention".to_owned()).spawn(run).map(drop)
    }

    /// Lets everything go now whose time is over. When this returns, no row has it any more, and the state is being made anew.
    /// `None` where nothing was over.
    ///
    /// # Errors
    /// Whatever the store may say.
    pub fn expire(self: &Arc<Self>) -> Result<Option<RetentionRun>, EraseError> {
        let (shared, store) = self.engine()?;
        catch_up(&shared, &store)?;
        // Nobody makes a state of the log as it was.
        let succession = shared.succession.lock();
        let program = Arc::clone(&shared.live.read().program);
        let now = clock::wall();
        let mut sweep = Sweep::new(&shared, &store, program, now);
        let run = sweep.run();
        drop(succession);
        if run.is_err() {
            // What went before the error is gone, and the state is made without it.
            self.resume()?;
        }
        let run = run?;
        if let Some(run) = &run {
            let Expired { events, traits, people, quarantined, decisions } = &run.expired;
            let events: u64 = events.values().sum();
            counter!("sonder_retention_events_total").increment(events);
            tracing::info!(events, traits, people, quarantined, decisions, "what was kept for its time is gone");
            if run.expired.changes_log() {
                self.resume()?;
            }
        }
        Ok(run)
    }

    /// What would go now.
    ///
    /// # Errors
    /// Whatever the store may say.
    pub fn would_expire(&self) -> Result<Expired, EraseError> {
        let (shared, store) = self.engine()?;
        catch_up(&shared, &store)?;
        let program = Arc::clone(&shared.live.read().program);
        let mut sweep = Sweep::new(&shared, &store, program, clock::wall());
        sweep.is_dry = true;
        Ok(sweep.run()?.map(|run| run.expired).unwrap_or_default())
    }
}

/// One pass over everything that may be over.
struct Sweep<'a> {
    shared: &'a Shared,
    store: &'a Store,
    reader: Reader,
    governor: Governor,
    program: Arc<Program>,
    cutoffs: Cutoffs,
    what: Expiring,
    now: Moment,
    is_dry: bool,
}

/// A message of which something may be over.
struct Judged {
    seq: Seq,
    event: String,
    /// `None` where nobody's is.
    person: Option<PersonId>,
    /// Whether it is left of an event that was over before.
    is_seen: bool,
    remains: Remains,
}

impl<'a> Sweep<'a> {
    fn new(shared: &'a Shared, store: &'a Store, program: Arc<Program>, now: Moment) -> Self {
        let cutoffs = Cutoffs::at(&program, now);
        let (governor, what) = (Governor::new(&program), expiring(&program, &cutoffs));
        Self { shared, store, reader: store.reader(), governor, program, cutoffs, what, now, is_dry: false }
    }

    fn run(&mut self) -> Result<Option<RetentionRun>, EraseError> {
        let id = format!("retention-{}", uuid::Uuid::new_v4());
        let mut run = RetentionRun { id, at: self.now, done_at: None, expired: Expired::default() };
        let mut gone: BTreeSet<PersonId> = BTreeSet::new();
        // Nobody is looked for while everything is kept for ever.
        let known = if self.what.is_empty() { HashSet::new() } else { self.known()? };
        let mut seq = Seq(0);
        while !self.what.is_empty() {
            let (some, last) = self.some(seq)?;
            let Some(last) = last else { break };
            seq = last;
            let left: Vec<Left> =
                some.into_iter().filter_map(|it| left(it, &known, &mut gone, &mut run.expired)).collect();
            run.expired.people = gone.len() as u64;
            if !left.is_empty() && !self.is_dry {
                let gone: Vec<PersonId> = gone.iter().copied().collect();
                self.store.expire(&run, &gone, &left)?;
            }
        }
        let since = (
            self.now.minus(self.program.settings.retain_quarantine),
            self.program.settings.retain_decisions.map(|kept| self.now.minus(kept)),
        );
        let (quarantined, decisions) = self.reader.old_records(since)?;
        if self.is_dry {
            (run.expired.quarantined, run.expired.decisions) = (quarantined, decisions);
        } else if quarantined + decisions > 0 {
            let gone: Vec<PersonId> = gone.iter().copied().collect();
            self.store.expire_records(&mut run, &gone, since)?;
        }
        Ok((!run.expired.is_empty()).then_some(run))
    }

    /// Who is known by more than events that are over.
    fn known(&self) -> Result<HashSet<PersonId>, EraseError> {
        let shared = self.reader.expiring_of_known(&self.what)?;
        let mut known = HashSet::new();
        let mut seq = Seq(0);
        loop {
            let (some, last) = self.some(seq)?;
            let Some(last) = last else { return Ok(known) };
            seq = last;
            let lives = |it: &Judged| shared.contains(&it.seq) || it.remains.says_more;
            known.extend(some.iter().filter(|it| lives(it)).filter_map(|it| it.person));
        }
    }

    /// Some messages after a place, and the last place that was looked at.
    fn some(&self, seq: Seq) -> Result<(Vec<Judged>, Option<Seq>), EraseError> {
        check_running(self.shared)?;
        let messages = self.reader.expiring(&self.what, seq, limits::RETENTION_MESSAGES)?;
        let last = messages.last().map(|it| it.seq);
        Ok((messages.iter().filter_map(|logged| self.judge(logged)).collect(), last))
    }

    fn judge(&self, logged: &LoggedMessage) -> Option<Judged> {
        let message = message(&self.program, logged)?;
        let event = self.governor.govern(&message).ok()?;
        let remains = self.governor.remains(&self.program, &message, &event, &self.cutoffs);
        let named = event.event.and_then(|id| self.program.events.get(id.index()));
        let name = named.map_or_else(|| message.event_name().unwrap_or_default(), |it| &it.name).to_owned();
        let person = self.shared.live.read().state.whose(&event, logged.seq);
        let is_seen = message.call == Call::Seen;
        Some(Judged { seq: logged.seq, event: name, person, is_seen, remains })
    }
}

/// What is to be written of a message, where that is something else than there is.
fn left(
    judged: Judged,
    known: &HashSet<PersonId>,
    gone: &mut BTreeSet<PersonId>,
    expired: &mut Expired,
) -> Option<Left> {
    let Judged { seq, event, person, is_seen, remains } = judged;
    if remains.is_over {
        *expired.events.entry(event).or_default() += 1;
    }
    if remains.is_over || is_seen {
        let is_known = person.is_some_and(|person| known.contains(&person));
        if !is_known {
            gone.extend(person);
            return Some(Left { seq, payload: None, is_over: true });
        }
    }
    let payload = remains.payload?;
    if !remains.is_over {
        expired.traits += 1;
    }
    Some(Left { seq, payload: Some(payload), is_over: remains.is_over })
}

/// What the store is to look through, by the names that it has.
fn expiring(program: &Program, cutoffs: &Cutoffs) -> Expiring {
    let mut what = Expiring { others: cutoffs.of_event(None), ..Expiring::default() };
    for (event, id) in program.events.iter().zip((0..).map(EventId)) {
        let Some(since) = cutoffs.of_event(Some(id)) else { continue };
        let names = event.aliases.iter().chain([&event.name]);
        what.events.extend(names.map(|name| (name.clone(), since)));
    }
    for (declared, id) in program.profile.iter().zip((0..).map(ProfileTraitId)) {
        let Some(since) = cutoffs.of_trait(id) else { continue };
        let keys = declared.from.paths().iter().filter_map(|path| path.last());
        what.traits.extend(keys.map(|key| (key.clone(), since)));
    }
    what
}
