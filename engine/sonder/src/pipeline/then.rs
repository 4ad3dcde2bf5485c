//! Everybody as they were at a moment: the log is folded again up to there, aside, by the version that runs now.

use super::keeper::row;
use super::refold::{RefoldError, refold};
use super::shared::Live;
use sonder_core::effect::Effects;
use sonder_core::record::Seq;
use sonder_core::state::State;
use sonder_dsl::ir::Program;
use sonder_dsl::time::Moment;
use sonder_store::{PersonRow, Reader};
use std::sync::Arc;

/// People that are looked at together.
const AT_A_TIME: usize = 1_000;

/// The last place of the log at a moment, and what SQL may know of everybody then.
///
/// # Errors
/// When the log cannot be read.
pub fn people_then(reader: &Reader, program: &Arc<Program>, at: Moment) -> Result<(Seq, Vec<PersonRow>), RefoldError> {
    let place = reader.place_at(at)?;
    let state = State::known_by(program, reader.person_ids()?);
    let mut live = Live { state, program: Arc::clone(program) };
    refold(reader, &mut live, Some(place), &mut |effects, _| *effects = Effects::default())?;
    live.state.advance(program, at, &mut Effects::default()).map_err(|_| RefoldError::Spilled)?;
    live.state.begin_checkpoint();
    let mut rows = Vec::new();
    while let Some(slice) = live.state.checkpoint_slice(AT_A_TIME).filter(|slice| !slice.is_empty()) {
        let views = slice.iter().filter_map(|(id, _)| live.state.person(program, *id).filter(|view| view.id == *id));
        rows.extend(views.map(row));
    }
    Ok((place, rows))
}
