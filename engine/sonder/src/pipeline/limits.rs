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
/// How often an import looks whether the queue has room again.
pub const IMPORT_PAUSE: Duration = Duration::from_millis(2);
/// How often the size of the write-ahead log is looked at: folding a large one into the file stalls writers for seconds,
/// a small one for a tenth.
pub const WAL_WATCH: Duration = Duration::from_millis(100);
/// A new version's state is handed over when it is this many records behind, and catches up while messages wait.
pub const CAUGHT_UP: u64 = 2_000;
/// How long the fold waits for something to do before it looks around …
pub const IDLE: Duration = Duration::from_millis(250);
/// … and while records are on their way to it, which may also be refused by a full disk.
pub const UNDER_WAY: Duration = Duration::from_millis(10);
/// How long the fold may hold the state while timers fire, before readers get their turn.
pub const CLOCK_SLICE: Duration = Duration::from_micros(400);
/// People whom the fold looks at under one write lock for whether they may rest …
pub const REST_CHUNK: usize = 64;
/// … and how long it does that before it looks for records.
pub const REST_SLICE: Duration = Duration::from_millis(2);
/// People who are written for a checkpoint under one lock, so that readers wait less than a millisecond.
pub const PEOPLE_CHUNK: usize = 32;
/// People of a checkpoint that are handed to the store at a time.
pub const CHECKPOINT_SLICE: usize = 512;
/// The longest pause between two slices of a checkpoint. Each is as long as the slice took, so that saving people takes no
/// more than half of one processor.
pub const SLICE_REST: Duration = Duration::from_millis(50);
/// People whom a preview looks at under one read lock.
pub const CENSUS_CHUNK: u32 = 64;
/// Rows of the log that a preview lays out at a time: what they are joined by is in memory then.
pub const PREVIEW_SLICE: usize = 1_000_000;
/// After a failed write, the next attempt waits so long at first …
pub const RETRY_FIRST: Duration = Duration::from_millis(100);
/// … and no longer than this.
pub const RETRY_LONGEST: Duration = Duration::from_secs(2);
/// A disk that takes this many bytes has room again.
pub const ROOM: usize = 4 << 20;
/// Records read from the log at a time when it is refolded.
pub const REFOLD_PAGE: usize = 10_000;
/// How long a stop waits for the outbox before the rest is left to the next start.
pub const DRAIN: Duration = Duration::from_secs(10);

/// People whose state is read back at a time when another version of the project takes over.
pub const TRAVELLERS: usize = 1_000;

/// How long an erasure waits for destinations to be told before the files are rewritten, so that it is done once.
pub const TELLING: Duration = Duration::from_secs(5);
/// The longest pause between two looks at whether destinations that did not answer have been told of an erasure.
pub const FOLLOW_LONGEST: Duration = Duration::from_secs(10);

/// Messages of which something may be over, gone through at a time: appends wait while that is written.
pub const RETENTION_MESSAGES: usize = 20_000;
/// How often it is looked whether it is time for what is kept no longer to go.
pub const RETENTION_LOOK: Duration = Duration::from_millis(200);

/// Pairs of matching that wait for a decision, at most: the likeliest.
pub const MATCH_QUEUE: usize = 10_000;
/// Links of matching that are submitted at a time, so that what clients send comes between.
pub const MATCH_MESSAGES: usize = 200;
/// Rows of earlier pairs that are read at a time …
pub const MATCH_ROWS: usize = 2_000;
/// … and where each is shown with both people …
pub const MATCH_PAGE: usize = 200;
/// … of which so many are looked at before an answer is given as far as it is.
pub const MATCH_LOOK: usize = 5_000;
