//! What DuckDB holds for rows that were appended in pieces.
//!
//! A row group that more than one transaction filled gets a buffer for which row came with which of them, and keeps that until the
//! file is closed, also when nobody asks any more: found in 1.5.5, by watching `duckdb_memory()`. A piece as large as a row group
//! becomes row groups of its own, which have none. With many small commits it is all memory that DuckDB may use, in the end, and
//! appends fail. So what it may come to is counted, and [`Store::give_back`] opens the files again in time.

use crate::database::ROW_GROUP;
use crate::{Store, StoreError, limits};
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of the buffer of a row group.
const BUFFER_BYTES: u64 = 256 << 10;

/// Bytes that may be held, since the files were opened.
#[derive(Debug, Default)]
pub(crate) struct Held(AtomicU64);

impl Held {
    /// A transaction appended so many rows to a table.
    pub fn note(&self, rows: u64) {
        if rows < ROW_GROUP {
            self.0.fetch_add(rows * (BUFFER_BYTES / ROW_GROUP), Ordering::Relaxed);
        }
    }

    /// How many bytes.
    pub fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// The files were closed.
    pub fn forget(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

impl Store {
    /// Opens the files again where much of DuckDB's memory may be held for rows that came in pieces. Appends wait meanwhile, some
    /// tens of milliseconds. Reads that run are waited for as long as there is time: then they may finish, but not take
    /// long. Returns whether it was done.
    ///
    /// # Errors
    /// When the files cannot be opened; the next append tries again.
    pub fn give_back(&self) -> Result<bool, StoreError> {
        let (held, memory) = (self.database.held().bytes(), self.database.options().memory_bytes);
        if held < memory / limits::HELD_WHEN_IDLE {
            return Ok(false);
        }
        let Some(_moving) = self.still.try_write() else { return Ok(false) };
        let Some(_keeper) = self.keeper.try_lock() else { return Ok(false) };
        self.between_appends(|_| {
            if held < memory / limits::HELD_AT_MOST {
                return self.database.reopen_if_idle();
            }
            self.database.closed(|_| Ok(())).map(|()| true)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_pieces_hold_memory_and_large_ones_do_not() {
        let held = Held::default();
        held.note(ROW_GROUP - 1);
        held.note(1);
        assert_eq!(held.bytes(), BUFFER_BYTES);
        held.note(ROW_GROUP);
        assert_eq!(held.bytes(), BUFFER_BYTES);
        held.forget();
        assert_eq!(held.bytes(), 0);
    }
}
