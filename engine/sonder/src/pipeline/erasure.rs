//! Erasing somebody from an engine that runs.
//!
//! ```text
//!  strike   rows go, in one transaction           the request is durable from here on: a crash goes on with it
//!  succeed  the log is folded again without them  as for a new version of the project, and swapped between two records
//!  keep     a checkpoint that has only the new state
//!  rewrite  all files are copied and replaced     the bytes are gone, but for what destinations are still to be told
//!  complete when the last of them was told, that goes and the files are rewritten once more
//! ```
//!
//! The first step is answered, the others follow on a thread of their own. Several people who are struck meanwhile share them.
//! Each destination that may have got something about the person is told by a delivery of its own, which the outbox sends like
//! any other: after what it was sent of them before, again until it is taken, under one key. Those that keep files are told when the
//! state that still had the person decides nothing more: what it decided about others may name them, and is in the files by then.
//! INVARIANT: state stays a function of the log, which no longer has the person; so a replay gives what runs.

use super::reload::{self, Successor};
use super::shared::Shared;
use super::writer::Work;
use super::{clock, limits, record};
use crate::observe::Health;
use parking_lot::Mutex;
use sonder_activate::host::Host;
use sonder_activate::host::native::Whom;
use sonder_activate::outbox::Outbox;
use sonder_core::effect::{Delivery, PersonId};
use sonder_core::govern::Governor;
use sonder_core::record::{Fact, Identifier, Seq};
use sonder_dsl::ir::{DestinationId, Program};
use sonder_dsl::time::Moment;
use sonder_store::{Erasure, LoggedMessage, Store, StoreError, Struck, Target, ToldErasure};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// How often it is looked whether a checkpoint is there.
const LOOK: Duration = Duration::from_millis(20);

/// What deliveries need.
#[derive(Clone)]
pub struct Delivering {
    /// What sends them.
    pub outbox: Outbox,
    /// What keeps values for plugins, where there are plugins.
    pub host: Option<Host>,
}

/// Erases people, one request after the other.
pub struct Eraser {
    shared: Weak<Shared>,
    store: Weak<Store>,
    work: Sender<Work>,
    /// What tells destinations, where they are told anything.
    delivering: Option<Delivering>,
    /// What tells destinations that keep files. A start finds it in the store.
    later: Mutex<Vec<(String, Delivery)>>,
    /// Held by whoever finishes what is struck.
    finishing: Mutex<()>,
    /// Whether a thread waits for destinations to be told.
    is_following: AtomicBool,
}

/// Why somebody was not erased.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    /// There is nobody with that id.
    #[error("nobody is known by that id")]
    Nobody,
    /// What was logged last is not folded yet, and may say more of who they are.
    #[error("the engine is too far behind the log")]
    Behind,
    /// The engine is stopping.
    #[error("the engine is stopping")]
    Stopping,
    /// The store says no.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The thread that does the rest could not be started, or what plugins keep could not be written.
    #[error("the erasure waits for the next start: {0}")]
    Io(#[from] io::Error),
    /// The state could not be made anew.
    #[error("{0}")]
    State(String),
}

impl Eraser {
    pub(super) fn new(
        shared: &Arc<Shared>,
        store: &Arc<Store>,
        work: Sender<Work>,
        delivering: Option<Delivering>,
    ) -> Self {
        Self {
            shared: Arc::downgrade(shared),
            store: Arc::downgrade(store),
            work,
            delivering,
            later: Mutex::default(),
            finishing: Mutex::default(),
            is_following: AtomicBool::new(false),
        }
    }

    /// Erases somebody from the log and everything beside it. When this returns, no row has them any more, and the rest is
    /// under way: [`Store::erasure`] tells by `id` when the bytes are gone.
    ///
    /// # Errors
    /// [`EraseError::Nobody`]; whatever the store may say.
    pub fn erase(self: &Arc<Self>, person: PersonId, id: &str) -> Result<Erasure, EraseError> {
        let (shared, store) = self.engine()?;
        catch_up(&shared, &store)?;
        // Nobody makes a state of the log as it was.
        let succession = shared.succession.lock();
        let program = Arc::clone(&shared.live.read().program);
        let Struck { erasure, deliveries, .. } = strike(&shared, &store, person, (id, clock::wall()))?;
        drop(succession);
        let keeps_files = |name: &String| program.destinations.iter().any(|it| it.name == *name && it.keeps_files());
        let (later, now): (Vec<_>, Vec<_>) = deliveries.into_iter().partition(|(name, _)| keeps_files(name));
        self.later.lock().extend(later);
        self.tell(&program, now);
        tracing::info!(erasure = id, messages = erasure.messages, "a person is struck from the log");
        self.resume()?;
        Ok(erasure)
    }

    /// Goes on with what is struck, on a thread of its own.
    pub(super) fn resume(self: &Arc<Self>) -> io::Result<()> {
        let eraser = Arc::clone(self);
        let run = move || {
            let mut pause = limits::RETRY_FIRST;
            loop {
                match eraser.finish().and_then(|()| eraser.follow()) {
                    Ok(()) | Err(EraseError::Stopping) => return,
                    Err(error) => tracing::error!(%error, "an erasure is not done yet; trying again"),
                }
                std::thread::sleep(pause);
                pause = (pause * 2).min(limits::RETRY_LONGEST);
            }
        };
        std::thread::Builder::new().name("erasure".to_owned()).spawn(run).map(drop)
    }

    fn finish(&self) -> Result<(), EraseError> {
        let _finishing = self.finishing.lock();
        let (shared, store) = self.engine()?;
        // Of whoever is struck by now; what comes meanwhile is for the next turn.
        let later = self.later.lock().len();
        let struck = store.struck()?;
        if struck.is_empty() {
            self.tell_at_last(&shared, later);
            return Ok(());
        }
        let begin = Instant::now();
        let succession = shared.succession.lock();
        let done: Vec<String> = struck.iter().map(|it| it.id.clone()).collect();
        let is_asked = struck.iter().any(|it| !it.is_retention);
        let targets: Vec<Target> = struck.into_iter().filter_map(|it| it.target).collect();
        let erased: Vec<PersonId> = targets.iter().flat_map(|it| it.people.iter().copied()).collect();
        let program = Arc::clone(&shared.live.read().program);
        // What the state before decided about others may name them; what the next one decides may be about who is back.
        let between = of_program(&program, self.later.lock().iter().take(later).cloned().collect()).collect();
        let successor = Successor { program, transports: None, erased, forgets: true, silent: false, between };
        reload::take_over(&shared, &store, &self.work, successor).map_err(EraseError::State)?;
        // Told once, also where what follows has to be tried again.
        self.later.lock().drain(..later);
        drop(succession);
        // What the state before decided while the log had lost them already.
        for target in &targets {
            let back = target.people.iter().find_map(|id| self::target(&shared, *id));
            shared.struck.write().add(store.strike_decisions(target, back.as_ref())?);
        }
        self.forget_left(&shared, &targets)?;
        while !store.has_forgotten() {
            check_running(&shared)?;
            std::thread::sleep(LOOK);
        }
        // Mostly all destinations have been told by now, or will be at once: then the files are rewritten once.
        let patience = Instant::now() + limits::TELLING;
        while self.delivering.is_some() && !are_told(&store.struck()?) && Instant::now() < patience {
            check_running(&shared)?;
            std::thread::sleep(LOOK);
        }
        if !is_asked {
            store.settle_expired(&done, clock::wall())?;
            tracing::info!(took = ?begin.elapsed(), "the state is made of what is kept");
            return Ok(());
        }
        let mut values = store.settle_told()?;
        values.extend(targets.iter().flat_map(|it| it.identifiers.iter().cloned()));
        self.purge_plugins(&values)?;
        store.rewrite(&done, clock::wall())?;
        shared.note_requests(&store);
        tracing::info!(people = targets.len(), took = ?begin.elapsed(), "erased: the files are rewritten");
        Ok(())
    }

    /// Hands what tells destinations of an erasure to the outbox. What it does not take it finds in the store at the next start.
    fn tell(&self, program: &Program, deliveries: Vec<(String, Delivery)>) {
        let Some(Delivering { outbox, .. }) = &self.delivering else { return };
        outbox.enqueue(of_program(program, deliveries).collect());
    }

    /// The same of so many that wait for it. Their places in the store are before others that the outbox has by now: they come
    /// behind these.
    fn tell_at_last(&self, shared: &Shared, count: usize) {
        let deliveries: Vec<_> = self.later.lock().drain(..count).collect();
        let Some(Delivering { outbox, .. }) = &self.delivering else { return };
        let program = Arc::clone(&shared.live.read().program);
        of_program(&program, deliveries).for_each(|delivery| outbox.replay(delivery.destination, vec![delivery]));
    }

    /// Waits for destinations to be told of erasures, however long that takes, and then removes what told them.
    fn follow(&self) -> Result<(), EraseError> {
        if self.is_following.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        let followed = self.follow_all();
        self.is_following.store(false, Ordering::Release);
        followed
    }

    fn follow_all(&self) -> Result<(), EraseError> {
        let mut pause = LOOK;
        loop {
            let (shared, store) = self.engine()?;
            let waiting = store.untold()?;
            if waiting.is_empty() {
                return Ok(());
            }
            if waiting.iter().any(|it| it.told.iter().all(ToldErasure::is_final)) {
                let _finishing = self.finishing.lock();
                self.purge_plugins(&store.settle_told()?)?;
                store.rewrite(&[], clock::wall())?;
                shared.note_requests(&store);
                tracing::info!("all destinations have been told of an erasure; what told them is gone");
            }
            let until = Instant::now() + pause;
            while Instant::now() < until {
                check_running(&shared)?;
                std::thread::sleep(LOOK);
            }
            pause = (pause * 2).min(limits::FOLLOW_LONGEST);
        }
    }

    /// What plugins keep may be about them, too: by their identifiers, as (kind, value), or by pseudonyms of these.
    fn purge_plugins(&self, identifiers: &[(String, String)]) -> Result<(), EraseError> {
        let Some(host) = self.delivering.as_ref().and_then(|it| it.host.as_ref()) else { return Ok(()) };
        let mut values: Vec<String> = identifiers.iter().map(|(_, value)| value.clone()).collect();
        let (shared, _) = self.engine()?;
        let program = Arc::clone(&shared.live.read().program);
        for destination in program.destinations.iter().filter(|it| it.pseudonymous) {
            let made = |(kind, value): &(String, String)| pseudonyms(&shared, &destination.name, kind, value);
            values.extend(identifiers.iter().flat_map(made).map(|(_, value)| value));
        }
        Ok(host.forget(&values)?)
    }

    /// What destinations left that are no more, and so are told nothing.
    fn forget_left(&self, shared: &Shared, targets: &[Target]) -> Result<(), EraseError> {
        let Some(host) = self.delivering.as_ref().and_then(|it| it.host.as_ref()) else { return Ok(()) };
        let made = |destination: &str, kind: &str, value: &str| pseudonyms(shared, destination, kind, value);
        let whom = targets.iter().filter(|it| !it.identifiers.is_empty());
        let whom: Vec<Whom<'_>> =
            whom.map(|it| Whom { identifiers: &it.identifiers, written: &it.written, pseudonyms: &made }).collect();
        if whom.is_empty() {
            return Ok(());
        }
        let program = Arc::clone(&shared.live.read().program);
        Ok(host.forget_left(&whom, &program)?)
    }

    pub(super) fn engine(&self) -> Result<(Arc<Shared>, Arc<Store>), EraseError> {
        let shared = self.shared.upgrade().ok_or(EraseError::Stopping)?;
        let store = self.store.upgrade().ok_or(EraseError::Stopping)?;
        check_running(&shared)?;
        Ok((shared, store))
    }
}

/// By what a destination that is to know nobody may know an identifier, as (kind, value): a pseudonym of each key that is at hand.
fn pseudonyms(shared: &Shared, destination: &str, kind: &str, value: &str) -> Vec<(String, String)> {
    let Some(pseudonyms) = shared.pseudonyms.get() else { return Vec::new() };
    pseudonyms.keys().map(|key| (kind.to_owned(), key.identifier(destination, kind, value))).collect()
}

/// Deliveries to destinations by their names, as the program numbers these.
fn of_program(program: &Program, deliveries: Vec<(String, Delivery)>) -> impl Iterator<Item = Delivery> {
    deliveries.into_iter().filter_map(|(name, delivery)| {
        let place = program.destinations.iter().position(|it| it.name == name)?;
        Some(Delivery { destination: DestinationId(u32::try_from(place).ok()?), ..delivery })
    })
}

pub(super) fn check_running(shared: &Shared) -> Result<(), EraseError> {
    if shared.gauges.health() == Health::Stopping { Err(EraseError::Stopping) } else { Ok(()) }
}

/// Whether destinations were told of all of these, as far as they ever will be.
fn are_told(erasures: &[Erasure]) -> bool {
    erasures.iter().flat_map(|it| &it.told).all(ToldErasure::is_final)
}

/// Waits until everything is folded that is logged now: it may link further identifiers to somebody.
pub(super) fn catch_up(shared: &Shared, store: &Store) -> Result<(), EraseError> {
    let (last, patience) = (store.last_seq().0, Instant::now() + limits::DRAIN);
    while shared.gauges.folded_seq.load(Ordering::Acquire) < last {
        check_running(shared)?;
        if Instant::now() > patience {
            return Err(EraseError::Behind);
        }
        std::thread::sleep(LOOK);
    }
    Ok(())
}

/// Strikes somebody from all rows, as erased at that moment; nothing else may be made of the log meanwhile.
pub(super) fn strike(
    shared: &Shared,
    store: &Store,
    person: PersonId,
    (id, at): (&str, Moment),
) -> Result<Struck, EraseError> {
    let target = target(shared, person).ok_or(EraseError::Nobody)?;
    let program = Arc::clone(&shared.live.read().program);
    let governor = Governor::new(&program);
    let mut is_theirs = |logged: &LoggedMessage| {
        let Some(record) = record(&program, &governor, logged) else { return false };
        let Fact::Event(event) = &record.fact;
        let whose = shared.live.read().state.whose(event, record.seq);
        // Nobody's yet, where it was not folded yet.
        let kind = |it: &Identifier| program.identity.identifiers.get(it.kind.index()).map(|kind| kind.name.clone());
        let is_known = |it: &Identifier| {
            target.identifiers.iter().any(|(name, value)| kind(it).as_ref() == Some(name) && **value == *it.value)
        };
        whose.map_or_else(|| event.identifiers.iter().any(is_known), |whose| target.people.contains(&whose))
    };
    let mut struck = store.strike((id, at), &target, &shared.suppression, &mut is_theirs)?;
    shared.struck.write().add(std::mem::take(&mut struck.waiting));
    // Until a state without them takes over, nothing that is decided about them is right.
    shared.erased.write().extend(target.people.iter().map(|person| (*person, (Seq(u64::MAX), Moment::MAX))));
    Ok(struck)
}

/// All that somebody is known by.
fn target(shared: &Shared, person: PersonId) -> Option<Target> {
    let live = shared.live.read();
    let kinship = live.state.kinship(&live.program, person)?;
    let identifiers = kinship.identifiers.into_iter().map(|it| (it.identifier.kind, it.identifier.value)).collect();
    Some(Target { identifiers, people: live.state.ids_of(person), written: Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::super::{Pipeline, open};
    use super::*;
    use sonder_collect::{Intake, Received};
    use sonder_core::message::from_log;
    use sonder_dsl::ir::SourceId;
    use sonder_dsl::source::{SourceFile, SourceSet};
    use std::sync::mpsc::channel;

    fn program() -> Arc<Program> {
        let name = SourceFile { path: "sonder.yaml".to_owned(), text: "name: shop".to_owned() };
        sonder_dsl::compile(SourceSet::new(vec![name])).program.unwrap()
    }

    fn hello(program: &Program, id: &str, user: &str) -> Received {
        let payload = format!(r#"{{"type":"identify","messageId":"{id}","userId":"{user}"}}"#);
        let now = clock::wall();
        let message = from_log(&payload, SourceId(0), now, now, false).unwrap();
        let (message, event) = Governor::new(program).take_in(message).unwrap();
        Received::Message(message, event)
    }

    /// What comes in while somebody is struck is judged when that is done. If it was judged by what was known before, it would
    /// be logged behind the erasure.
    #[tokio::test(flavor = "multi_thread")]
    async fn what_comes_while_somebody_is_struck_is_judged_by_it() {
        let (dir, program) = (tempfile::tempdir().unwrap(), program());
        let pipeline = Pipeline::start(open(dir.path(), &program).unwrap(), None, None).unwrap();
        let entrance = pipeline.entrance();
        entrance.submit(&program, vec![hello(&program, "m1", "vic"), hello(&program, "m2", "bob")]).await.unwrap();
        let (store, shared) = (Arc::clone(pipeline.store()), Arc::clone(pipeline.shared()));
        let target = Target { identifiers: vec![("user_id".to_owned(), "vic".to_owned())], ..Target::default() };
        let at = Moment(clock::wall().0 + 60_000_000);
        let ((striking, is_striking), (go_on, may_go_on)) = (channel(), channel::<()>());
        let strike = std::thread::spawn(move || {
            let mut is_theirs = |message: &LoggedMessage| {
                striking.send(()).unwrap();
                may_go_on.recv().unwrap_or(());
                message.payload.contains("vic")
            };
            store.strike(("e", at), &target, &shared.suppression, &mut is_theirs).unwrap()
        });
        is_striking.recv().unwrap();
        let late = entrance.submit(&program, vec![hello(&program, "m3", "vic"), hello(&program, "m4", "bob")]);
        // Long enough for the writer to come as far as it can.
        tokio::time::sleep(Duration::from_millis(500)).await;
        drop(go_on);
        assert_eq!(strike.join().unwrap().erasure.messages, 1);
        late.await.unwrap();
        let logged = pipeline.reader().log_after(Seq(0), 9).unwrap();
        let ids: Vec<_> = logged.iter().map(|it| serde_json::from_str::<serde_json::Value>(&it.payload)).collect();
        let ids: Vec<String> =
            ids.into_iter().flatten().map(|it| it["messageId"].as_str().unwrap().to_owned()).collect();
        assert_eq!(ids, ["m2", "m4"]);
        pipeline.stop().await;
    }
}
