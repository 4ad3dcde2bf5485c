//! A project on disk: read whole, compiled, and watched.

mod compile;
mod scan;
mod watch;

pub use compile::compile;
pub(crate) use compile::{asked, schema_errors};
pub use scan::{Scan, ScanError, scan};
pub use watch::{Watch, WatchError, watch};
