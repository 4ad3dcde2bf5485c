//! Trying again what was given up: a destination was repaired, and what it missed is sent.

use super::answers::{Answers, trouble};
use sonder_console::engine::{Replay, Replayed, Trouble};
use sonder_core::effect::PersonId;
use sonder_dsl::ir::DestinationId;
use std::sync::Arc;

/// Deliveries of one destination that one request opens again, at most.
const AT_ONCE: usize = 1_000;

impl Answers {
    pub(super) fn replay_dead(&self, replay: &Replay) -> Result<Replayed, Trouble> {
        let Some(outbox) = &self.outbox else {
            return Err(Trouble::Unavailable { reason: "nothing is delivered here".to_owned(), retry_after_s: 60 });
        };
        let program = Arc::clone(&self.shared.live.read().program);
        let about = self.ids_of(replay.person)?;
        let named = (0..).map(DestinationId).zip(&program.destinations);
        let wanted: Vec<_> =
            named.filter(|(_, it)| replay.destination.as_ref().is_none_or(|name| it.name == *name)).collect();
        if let (true, Some(name)) = (wanted.is_empty(), &replay.destination) {
            let message = format!("there is no destination `{name}`");
            return Err(Trouble::Refused { message, help: "`GET /api/v1/status` lists them".to_owned() });
        }
        let mut replayed = Replayed::default();
        for (id, destination) in wanted {
            let limit = outbox.room(id).min(AT_ONCE);
            let reopened = self.store.reopen((&destination.name, id), &about, limit).map_err(trouble)?;
            replayed.replayed += reopened.deliveries.len() as u64;
            replayed.left += reopened.left;
            outbox.replay(id, reopened.deliveries);
        }
        Ok(replayed)
    }

    /// All ids of a person: their own, and those of people who were merged into them.
    pub(super) fn ids_of(&self, person: Option<PersonId>) -> Result<Vec<PersonId>, Trouble> {
        let Some(person) = person else { return Ok(Vec::new()) };
        Ok(match self.view(person)? {
            Some(view) => [vec![view.id], view.absorbed].concat(),
            None => vec![person],
        })
    }
}
