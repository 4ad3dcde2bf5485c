//! Whether data at rest is in order: what the tables say of each other, and whether the state of the last checkpoint is what the
//! log gives. Only reads.

use crate::pipeline::{Live, RefoldError, refold};
use crate::project::{KeyError, store_options};
use sonder_core::effect::Effects;
use sonder_core::state::State;
use sonder_dsl::ir::Program;
use sonder_store::{Finding, Reader, StoreError, StoreOptions};
use std::path::Path;
use std::sync::Arc;

/// What was found.
pub struct Examined {
    /// One for each check, in order.
    pub findings: Vec<Finding>,
}

impl Examined {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.findings.iter().all(|finding| finding.wrong.is_none())
    }
}

/// Why it could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum ExamineError {
    /// The store says no.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A key of the project is not where it should be.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The log cannot be folded.
    #[error(transparent)]
    Refold(#[from] RefoldError),
}

/// Looks at the data in `dir`, with the keys of a project where there is one; unless it is to be quick, the log is folded again
/// under it, too.
///
/// # Errors
/// When an engine runs on it, or it cannot be read at all.
pub fn examine(dir: &Path, program: Option<&Arc<Program>>, is_quick: bool) -> Result<Examined, ExamineError> {
    let options = program.map_or_else(|| Ok(StoreOptions::default()), |program| store_options(&program.settings))?;
    let reader = Reader::open(dir, options)?;
    let mut findings = reader.examine()?;
    if let Some(program) = program.filter(|_| !is_quick) {
        findings.extend(unsealed(&reader, program)?);
        findings.extend(state(&reader, program)?);
    }
    Ok(Examined { findings })
}

/// What is marked `pii` is sealed, where the project has a key for that. What was there before is no damage.
fn unsealed(reader: &Reader, program: &Program) -> Result<Option<Finding>, ExamineError> {
    if program.settings.encryption.as_ref().is_none_or(|it| it.key.is_none()) {
        return Ok(None);
    }
    let (open, sealed) = reader.unsealed(program)?;
    let note = match open {
        0 => format!("{sealed} messages"),
        _ => format!("{sealed} messages; {open} rows from before are not: `sonder key seal` seals them"),
    };
    Ok(Some(Finding { check: "personal data is sealed", wrong: None, note }))
}

fn state(reader: &Reader, program: &Arc<Program>) -> Result<Vec<Finding>, ExamineError> {
    let check = "the state is what the log gives";
    let fine = |note: &str| Finding { check, wrong: None, note: note.to_owned() };
    let Some(checkpoint) = reader.checkpoint()? else {
        return Ok(vec![fine("no checkpoint yet: the next start folds the log")]);
    };
    if checkpoint.saved.fingerprint != program.fingerprint {
        return Ok(vec![fine("of another version of the project: the next start folds the log again")]);
    }
    let ids = reader.person_ids()?;
    let mut people = Vec::new();
    reader.each_person(|chunk| people.extend(chunk))?;
    let kept = match State::restore(program, &ids, &checkpoint.meta, people) {
        Ok(state) => state,
        Err(error) => {
            let note = format!("the checkpoint is of no use ({error}): the next start folds the log again");
            return Ok(vec![fine(&note)]);
        }
    };
    let mut anew = Live { state: State::known_by(program, ids), program: Arc::clone(program) };
    let records =
        refold(reader, &mut anew, Some(checkpoint.saved.seq), &mut |effects, _| *effects = Effects::default())?;
    anew.state.advance(program, checkpoint.saved.now, &mut Effects::default()).map_err(|_| RefoldError::Spilled)?;
    let people = people_of(&kept, program);
    let (kept, anew) = (kept.digest(), anew.state.digest());
    let state = if kept == anew {
        fine(&format!("{records} records folded again: digest {anew:032x}"))
    } else if reader.has_takeovers()? && !program.journeys.is_empty() {
        fine("differs, as it may: journeys began under other versions of the project")
    } else {
        let wrong = format!("the digest is {kept:032x}, and {anew:032x} when the log is folded again");
        Finding { check, wrong: Some(wrong), note: String::new() }
    };
    Ok(vec![state, people])
}

/// Whether people are who all links make them, decided anew.
fn people_of(state: &State, program: &Program) -> Finding {
    let check = "people are who all links make them";
    let (wrong, note) = match state.misplaced(program).as_deref() {
        None => (None, "not asked: where identifiers expire, it also depends on when that was noticed".to_owned()),
        Some([]) => (None, format!("{} identifiers of {} people", state.identifier_count(), state.people_count())),
        Some([(kind, value), more @ ..]) => {
            (Some(format!("`{kind}:{value}` and {} others would be somebody else's", more.len())), String::new())
        }
    };
    Finding { check, wrong, note }
}
