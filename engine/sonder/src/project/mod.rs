//! A project on disk: read whole, compiled, and watched.

mod scan;
mod watch;

pub use scan::{Scan, ScanError, scan};
pub use watch::{Watch, WatchError, watch};
