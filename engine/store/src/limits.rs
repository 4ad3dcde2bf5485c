//! Every limit of the store, in one place.

use std::time::Duration;

/// Memory that DuckDB may use before it spills to disk, unless configured: it caches what it reads up to this.
pub const DEFAULT_MEMORY_BYTES: u64 = 160 << 20;
/// How long reads that run may still take when the files are to be replaced; then they are interrupted.
pub const LAST_READS: Duration = Duration::from_secs(2);
/// One part in so many of that memory that is held for rows which came in pieces is given back once nobody reads.
pub const HELD_WHEN_IDLE: u64 = 5;
/// One part in so many of it is given back at once.
pub const HELD_AT_MOST: u64 = 2;
/// Memory that DuckDB has freed and may keep, as it takes it; beyond it the system gets it back.
pub const FREED_MEMORY: &str = "8MB";
/// Threads of DuckDB, unless configured.
pub const DEFAULT_THREADS: usize = 2;
/// Connections that answer reads at the same time; more readers wait.
pub const MAX_READERS: usize = 8;
/// Connections that answer users' statements at the same time; more of them wait, for no longer than they may run.
pub const MAX_QUERIES: usize = 8;
/// A write-ahead log smaller than this is left alone.
pub const WAL_SOFT_BYTES: u64 = 4 << 20;
/// A larger one is folded into the file at once, however long the last folding took.
pub const WAL_HARD_BYTES: u64 = 64 << 20;
/// Folding takes at most one part in so many of the time: it stalls writers.
pub const WAL_REST: u32 = 10;
/// The write-ahead log of people's state is folded into its file when it is this large: nobody waits for that.
pub const STATE_WAL_BYTES: u64 = 32 << 20;
/// Message ids that are remembered; beyond it the oldest are forgotten before their time.
pub const MAX_DEDUP_IDS: usize = 32_000_000;
/// Rows that one call of [`Reader::log_after`](crate::Reader::log_after) returns at the most.
pub const MAX_LOG_ROWS: usize = 65_536;
/// Entries of one page of a timeline, of quarantine, of deliveries, of members.
pub const MAX_PAGE: usize = 10_000;
/// Groups of what was kept aside that are told of.
pub const MAX_GROUPS: usize = 200;
/// Rows that a user's statement returns at the most.
pub const MAX_QUERY_ROWS: usize = 1_000_000;
/// Bytes that the values of a user's answer take at the most.
pub const MAX_QUERY_BYTES: usize = 256 << 20;
/// The longest statement that a user may send.
pub const MAX_QUERY_TEXT: usize = 1 << 20;
/// How long a user's statement may run at the most.
pub const MAX_QUERY_TIME: Duration = Duration::from_secs(300);
/// Rows of a typed table that are back-filled in one transaction.
pub const BACKFILL_ROWS: u64 = 500_000;
/// Superseded versions of people's state that may lie about before they are compacted, beyond as many as there are people.
pub const STALE_VERSIONS: u64 = 100_000;
/// Identifiers of one person that a timeline looks up.
pub const MAX_TIMELINE_IDENTIFIERS: usize = 10_000;
/// Rows of a file to import that are read at a time.
pub const FILE_CHUNK_ROWS: usize = 8_192;
/// Bytes of lines that an export gathers before it writes them.
pub const EXPORT_BUFFER: usize = 1 << 20;
/// Memory for reading a file to import.
pub const FILE_MEMORY_BYTES: u64 = 256 << 20;
/// Identifiers that messages connect with those of one person, where a person's past is asked for.
pub const MAX_KIN_IDENTIFIERS: usize = 50_000;
/// Messages that carry them.
pub const MAX_KIN_MESSAGES: usize = 500_000;
/// How long finding them may take.
pub const MAX_KIN_TIME: Duration = Duration::from_secs(60);
/// Rules that a preview evaluates in one statement.
pub const PREVIEW_RULES: usize = 5;
/// Most frequent values that a preview of a computed trait lists.
pub const PREVIEW_TOP: usize = 10;

/// Keys of subjects that are kept unwrapped.
pub const KEYS_REMEMBERED: usize = 100_000;
/// Keys of subjects that one statement looks up.
pub const KEYS_LOOKED_UP: usize = 5_000;
/// Keys of subjects that are wrapped anew in one transaction.
pub const KEYS_ROTATED: usize = 5_000;
/// Messages that are gone through at a time for what is to be sealed.
pub const ROWS_SEALED: usize = 20_000;
/// Identifiers whose last answers about consent are remembered, so that what SDKs repeat is not recorded again.
pub const ANSWERS_REMEMBERED: usize = 100_000;

/// Pairs of matching that are written at a time, while appends wait.
pub const MATCH_PAIRS: usize = 2_000;
/// Runs of matching that are told of.
pub const MATCH_RUNS: usize = 100;
