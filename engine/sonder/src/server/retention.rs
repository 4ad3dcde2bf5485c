//! What a project keeps for a time only, and what went as that was over.

use super::answers::{Answers, trouble};
use super::privacy::erase_trouble;
use super::speech::unavailable;
use sonder_console::engine::{Expired, Kept, Retention, RetentionRun, Trouble, instant};
use sonder_dsl::ir::Program;
use sonder_store::Expired as Gone;

/// Runs that are told of.
const RUNS: usize = 30;

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
        Ok(expired(gone))
    }
}

fn expired(gone: Gone) -> Expired {
    let Gone { events, traits, people, quarantined, decisions } = gone;
    Expired { events, traits, people, quarantined, decisions }
}

fn keeps(program: &Program) -> Vec<Kept> {
    let settings = &program.settings;
    let kept = |what: String, kept: sonder_dsl::time::Duration| Kept { what, kept: kept.to_string() };
    let project = [("events", settings.retain_events), ("decisions", settings.retain_decisions)];
    let mut keeps: Vec<Kept> =
        project.into_iter().filter_map(|(what, length)| Some(kept(what.to_owned(), length?))).collect();
    keeps.push(kept("quarantine".to_owned(), settings.retain_quarantine));
    keeps.extend(program.events.iter().filter_map(|it| Some(kept(format!("event {}", it.name), it.retention?))));
    keeps.extend(program.profile.iter().filter_map(|it| Some(kept(format!("trait {}", it.name), it.retention?))));
    keeps
}
