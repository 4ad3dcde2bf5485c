//! Every limit of the API, in one place. Each has a test at n and n + 1.

use std::time::Duration;

/// Bytes of path and query together: whatever identifier fits its own limit fits here, every byte of it encoded.
pub const URI_BYTES: usize = 16 * 1024;
/// Bytes of a request's body: whatever statement fits its own limit fits here, every character of it escaped.
pub const BODY_BYTES: usize = 256 * 1024;

/// Bytes of a project that is sent to be held against the running one.
pub const PROJECT_BYTES: usize = 16 * 1024 * 1024;

/// Files of such a project.
pub const PROJECT_FILES: usize = 10_000;
/// Characters of one SQL statement.
pub const SQL_CHARS: usize = 16 * 1024;
/// Characters of the rules that are previewed.
pub const PREVIEW_CHARS: usize = 16 * 1024;
/// Characters of an identifier: kind, colon and value.
pub const IDENTIFIER_CHARS: usize = 1024;
/// Characters of a filter's value (a reason, a source, a destination, an event's name).
pub const FILTER_CHARS: usize = 200;
/// Bytes of a bearer key.
pub const KEY_BYTES: usize = 256;

/// Items on a page where the client does not say.
pub const PAGE_DEFAULT: usize = 100;
/// Items on a page at most.
pub const PAGE_MOST: usize = 1_000;
/// Rows of a SQL answer where the client does not say.
pub const ROWS_DEFAULT: usize = 1_000;
/// Rows of a SQL answer at most.
pub const ROWS_MOST: usize = 100_000;
/// How long a statement may run.
pub const QUERY_TIME: Duration = Duration::from_secs(30);

/// Store reads at once; more wait.
pub const READS_AT_ONCE: usize = 8;
/// SQL statements at once; they are heavier, and get their own, smaller bound.
pub const QUERIES_AT_ONCE: usize = 2;
/// Files of members that are made and sent at once: each takes room on the disk until it is sent.
pub const EXPORTS_AT_ONCE: usize = 4;
/// How long a client may take to accept the next piece of such a file, before it is broken off.
pub const EXPORT_STALLED: Duration = Duration::from_secs(60);
/// Bytes of such a piece.
pub const EXPORT_PIECE: usize = 256 * 1024;
/// How long a request waits for its turn before it is told to come back.
pub const WAIT_FOR_TURN: Duration = Duration::from_secs(5);
/// Pages of a streamed answer that may wait for a slow client.
pub const STREAM_AHEAD: usize = 2;

/// Keys in one data directory.
pub const KEYS: usize = 1_000;
/// Characters of a key's name.
pub const KEY_NAME_CHARS: usize = 100;
/// Characters of what proves a change of consent.
pub const PROOF_CHARS: usize = 4_000;
/// Messages of quarantine that one request replays.
pub const REPLAY_MOST: usize = 10_000;
/// Ids that one such request names.
pub const REPLAY_IDS: usize = 1_000;

/// Entries of the audit log that are looked at for those about one person, for one answer.
pub const AUDIT_LOOKED_AT: usize = 10_000;

/// People whom one request is about, as the audit log has it: an entry for each.
pub const AUDITED_PEOPLE: usize = 100;
