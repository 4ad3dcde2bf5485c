//! Requests of people about what is known of them.

use super::answers::{Answers, trouble};
use crate::pipeline::EraseError;
use sonder_console::engine::{Erasure, ErasureState, Trouble, instant};
use sonder_core::effect::PersonId;

impl Answers {
    pub(super) fn erase_person(&self, id: PersonId) -> Result<Option<Erasure>, Trouble> {
        let Some(eraser) = &self.eraser else { return Err(unavailable("the engine does not run")) };
        match eraser.erase(id) {
            Ok(erasure) => Ok(Some(shown(erasure))),
            Err(EraseError::Nobody) => Ok(None),
            Err(EraseError::Behind) => Err(unavailable("the engine is too far behind the log")),
            Err(EraseError::Stopping) => Err(unavailable("the engine is stopping")),
            Err(EraseError::Store(error)) => Err(trouble(error)),
            Err(error @ (EraseError::Thread(_) | EraseError::State(_))) => Err(Trouble::Internal(error.to_string())),
        }
    }

    pub(super) fn find_erasure(&self, id: &str) -> Result<Option<Erasure>, Trouble> {
        Ok(self.store.erasure(id).map_err(trouble)?.map(shown))
    }
}

fn shown(it: sonder_store::Erasure) -> Erasure {
    Erasure {
        id: it.id,
        kind: "erasure",
        state: if it.erased_at.is_some() { ErasureState::Erased } else { ErasureState::Struck },
        requested_at: instant(it.requested_at),
        erased_at: it.erased_at.map(instant),
        messages: it.messages,
        redacted: it.redacted,
    }
}

fn unavailable(reason: &str) -> Trouble {
    Trouble::Unavailable { reason: reason.to_owned(), retry_after_s: 1 }
}
