//! Every limit of the pipeline, in one place.

use std::time::Duration;

/// Messages that wait for the log, at most; past it, clients are told to come back.
pub const MAX_QUEUED_MESSAGES: usize = 200_000;
/// Bytes of them, at most.
pub const MAX_QUEUED_BYTES: usize = 256 << 20;
/// What a client is told to wait when the queue is full, in seconds.
pub const OVERLOAD_RETRY_S: u32 = 1;
/// Records of one transaction, at most; a single larger submission stays whole.
pub const MAX_BATCH: usize = 4_000;
/// How long a transaction waits for company after its first message, while there is company to be had.
pub const LINGER: Duration = Duration::from_millis(2);
/// Records that the fold applies under one write lock, so that readers wait less than a millisecond.
pub const FOLD_CHUNK: usize = 64;
/// Batches between the log and the fold, at most; past it, the log waits.
pub const MAX_UNFOLDED_BATCHES: usize = 16;
/// What the fold decided is stored after this long even when no message comes.
pub const EFFECTS_FLUSH: Duration = Duration::from_millis(20);
/// A checkpoint after so many records …
pub const CHECKPOINT_RECORDS: u64 = 100_000;
/// … or after so long, when anything happened.
pub const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(30);
/// The same for a bulk import, which has nothing to lose but its own time.
pub const IMPORT_CHECKPOINT_RECORDS: u64 = 500_000;
/// The write-ahead log is folded into the file after so many records: a checkpoint of a large one stalls writers for
/// seconds, of a small one for a tenth.
pub const WAL_RECORDS: u64 = 50_000;
/// After a failed write, the next attempt waits so long at first …
pub const RETRY_FIRST: Duration = Duration::from_millis(100);
/// … and no longer than this.
pub const RETRY_LONGEST: Duration = Duration::from_secs(2);
/// Records read from the log at a time when it is refolded.
pub const REFOLD_PAGE: usize = 10_000;
/// How long a stop waits for the outbox before the rest is left to the next start.
pub const DRAIN: Duration = Duration::from_secs(10);
