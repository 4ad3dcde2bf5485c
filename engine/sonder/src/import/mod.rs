//! Files by the same road as live messages: a row becomes a message, a message is governed, and the pipeline logs and
//! folds it. Whether it goes straight into a data directory or through a running engine, the steps are the same.
//!
//! Imported history changes state and is recorded, but nothing is delivered, unless that is asked for. Message ids are
//! made of the file and the row, and a ledger notes how far each file has come: an import that was interrupted goes on,
//! and importing a file again adds nothing.

mod batch;
pub mod ledger;
pub mod mapping;
mod rows;

pub use batch::{Batcher, Elsewhere, Governed};
pub use rows::{ImportFile, Messages, RowError};
