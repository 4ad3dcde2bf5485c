//! Backups: one file that has a data directory as of one moment, and how it is checked and put back.
//!
//! It is a tar archive, so that everybody can look into it: the files under `data/`, and at its end `manifest.json`, which has
//! the SHA-256 of each. A backup without its end is none. Keys that personal data is sealed with are in an archive of their own,
//! one for all backups of a data directory.

mod archive;
mod examine;
mod keys_kept;

pub use archive::{ArchiveError, Contents, Keys, Manifest, read, write, write_keys};
pub use examine::{ExamineError, Examined, examine};
pub use keys_kept::{keep_keys, keys_in};
