//! Every bound of this room. What a project may set is in its destination's file; these are the rest.

use std::time::Duration;

/// A component's file; JavaScript and Python ones are 12 to 18 MB.
pub const COMPONENT_BYTES: usize = 64 << 20;
/// The JSON that `describe` gives.
pub const DESCRIPTION_BYTES: usize = 1 << 20;
/// Time that `describe`, and `check`, may execute. A component of an interpreted language starts its interpreter in it.
pub const DESCRIBE_TIME: Duration = Duration::from_secs(2);
/// Memory that `describe`, and `check`, may use.
pub const DESCRIBE_MEMORY: u64 = 256 << 20;
/// The stack of an instance.
pub const STACK_BYTES: usize = 512 << 10;
/// The stack of the thread that runs one: the above, and room for the host's own calls.
pub const THREAD_STACK_BYTES: usize = 2 << 20;
/// How often running instances are asked whether their time is over.
pub const TICK: Duration = Duration::from_millis(10);
/// Bytes that one call may move out of the sandbox.
pub const TRANSFER_BYTES: usize = 16 << 20;
/// Core instances, memories and tables of one component, and the entries of one table.
pub const INSTANCES: usize = 64;
/// See [`INSTANCES`].
pub const MEMORIES: usize = 8;
/// See [`INSTANCES`].
pub const TABLES: usize = 64;
/// See [`INSTANCES`].
pub const TABLE_ENTRIES: usize = 1 << 20;

/// The body of a request, and of an answer.
pub const BODY_BYTES: usize = 1 << 20;
/// A URL.
pub const URL_BYTES: usize = 8 << 10;
/// Headers of a request, and of an answer.
pub const HEADERS: usize = 64;
/// Names and values of all of them.
pub const HEADER_BYTES: usize = 32 << 10;
/// Making a connection.
pub const CONNECT_TIME: Duration = Duration::from_secs(5);
/// One request, from the look-up of the host's address to the last byte of the answer.
pub const REQUEST_TIME: Duration = Duration::from_secs(15);
/// All waiting of one batch; after that its requests time out at once.
pub const BATCH_WAIT: Duration = Duration::from_secs(60);
/// Requests that one batch may make for each of its items, and besides.
pub const REQUESTS_PER_ITEM: u32 = 8;
/// Log lines of one batch.
pub const LOG_LINES: u32 = 100;
/// Bytes of one log line, of a reason, and of other text that comes from outside.
pub const TEXT_BYTES: usize = 1_000;
/// A key of a plugin's storage.
pub const KEY_BYTES: usize = 256;
/// A value of a plugin's storage.
pub const VALUE_BYTES: usize = 64 << 10;
/// All that a destination may keep.
pub const STORAGE_BYTES: usize = 256 << 10;
/// A secret's value. Shorter ones could not be masked in answers without mangling them.
pub const SECRET_MIN_BYTES: usize = 4;

/// Deliveries to one destination that are held in memory; the rest waits in the store.
pub const WINDOW_ITEMS: usize = 20_000;
/// Bytes of those.
pub const WINDOW_BYTES: usize = 32 << 20;
/// Deliveries that are read back from the store at a time.
pub const REFILL_ITEMS: usize = 2_000;
/// Bytes of the payloads of one batch, where it has more than one item.
pub const BATCH_BYTES: usize = 1 << 20;
/// Batches of one destination that run at the same time. No two of them hold items of one person.
pub const BATCHES_IN_FLIGHT: usize = 4;
/// People whose recent items are remembered for a destination's cap.
pub const CAPPED_PEOPLE: usize = 1_000_000;

/// People whose feed for pages is kept; beyond, whoever was told nothing for longest is forgotten.
pub const FEEDS: usize = 100_000;
/// Messages in one of them.
pub const FEED_MESSAGES: usize = 20;
/// Bytes of an item's payload in one of them.
pub const FEED_ITEM_BYTES: usize = 16 << 10;
