//! A project on disk: read whole, compiled, and watched.

mod compile;
mod project_keys;
mod region;
mod scan;
mod watch;

pub use compile::compile;
pub(crate) use compile::{asked, schema_errors};
pub use project_keys::{KeyError, pseudonyms, store_options};
pub use region::{Misplaced, in_region};
pub use scan::{Scan, ScanError, is_text_of_project, scan};
pub use watch::{Watch, WatchError, watch};
