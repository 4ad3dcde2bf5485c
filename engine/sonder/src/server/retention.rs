//! What a project keeps for a time only, and what went as that was over.

use super::answers::{Answers, trouble};
use super::privacy::erase_trouble;
use super::speech::unavailable;
use crate::pipeline::{clock, limits};
use sonder_console::engine::{Expired, Kept, Retention, RetentionRun, Trouble, instant};
use sonder_dsl::ir::Program;
use sonder_dsl::time::{Duration, Moment};
use sonder_store::Expired as Gone;
use std::io;
use std::sync::Arc;

/// Runs that are told of.
const RUNS: usize = 30;
/// How often entries of the audit log go whose time is over.
const EVERY: Duration = Duration::from_secs(86_400);

/// Lets entries of the audit log go, once a day and at the start, until the engine stops. The rest that is over goes by the road of
/// erasures.
pub(super) fn keep_audit_log_short(answers: &Arc<Answers>) -> io::Result<()> {
    let answers = Arc::downgrade(answers);
    let run = move || {
        let mut next = Moment::MIN;
        while let Some(engine) = answers.upgrade() {
            if clock::wall() >= next {
                next = clock::wall().plus(EVERY);
                match engine.let_audit_expire(false) {
                    Ok(0) => {}
                    Ok(entries) => {
                        tracing::info!(entries, "entries of the audit log were kept for their time and are gone")
                    }
                    Err(error) => {
                        tracing::error!(%error, "entries of the audit log whose time is over cannot go; the next try is in a day")
                    }
                }
            }
            drop(engine);
            std::thread::sleep(limits::RETENTION_LOOK);
        }
    };
    std::thread::Builder::new().name("audit".to_owned()).spawn(run).map(drop)
}

impl Answers {
    pub(super) fn retention_report(&self) -> Result<Retention, Trouble> {
        let program = self.shared.program.borrow().clone();
        let runs = self.store.reader().retention_runs(RUNS).map_err(trouble)?;
        let runs = runs.into_iter().map(|run| RetentionRun {
            id: run.id,
            at: instant(run.at),
            done_at: run.done_at.map(instant),
            expired: expired(run.expired),
        });
        Ok(Retention { keeps: keeps(&program), runs: runs.collect() })
    }

    pub(super) fn let_expire(&self, is_dry: bool) -> Result<Expired, Trouble> {
        let Some(eraser) = &self.eraser else {
            return Err(unavailable("the engine does not run"));
        };
        let gone = if is_dry {
            eraser.would_expire().map_err(erase_trouble)?
        } else {
            eraser.expire().map_err(erase_trouble)?.map(|run| run.expired).unwrap_or_default()
        };
        let audit = self.let_audit_expire(is_dry).map_err(|error| unavailable(&format!("the audit log: {error}")))?;
        Ok(Expired { audit, ..expired(gone) })
    }

    /// Lets entries of the audit log go whose time is over; says how many there are.
    fn let_audit_expire(&self, is_dry: bool) -> io::Result<u64> {
        let kept = self.shared.program.borrow().settings.retain_audit;
        let (Some(log), Some(kept)) = (&self.audit, kept) else { return Ok(0) };
        let before = clock::wall().minus(kept);
        if is_dry { log.older(before) } else { log.let_go(before) }
    }
}

fn expired(gone: Gone) -> Expired {
    let Gone { events, traits, people, quarantined, decisions } = gone;
    Expired { events, traits, people, quarantined, decisions, audit: 0 }
}

fn keeps(program: &Program) -> Vec<Kept> {
    let settings = &program.settings;
    let kept = |what: String, kept: Duration| Kept { what, kept: kept.to_string() };
    let project = [("events", settings.retain_events), ("decisions", settings.retain_decisions)];
    let mut keeps: Vec<Kept> =
        project.into_iter().filter_map(|(what, length)| Some(kept(what.to_owned(), length?))).collect();
    keeps.push(kept("quarantine".to_owned(), settings.retain_quarantine));
    keeps.extend(settings.retain_audit.map(|length| kept("audit".to_owned(), length)));
    keeps.extend(program.events.iter().filter_map(|it| Some(kept(format!("event {}", it.name), it.retention?))));
    keeps.extend(program.profile.iter().filter_map(|it| Some(kept(format!("trait {}", it.name), it.retention?))));
    keeps
}
