//! The limits of one message.

/// Bytes of one event as JSON text: 32 KiB as Segment has it, and a tenth more, because clients measure it differently.
pub const EVENT_BYTES: usize = 32 * 1024 + 32 * 1024 / 10;

/// Objects and lists within each other; the message itself is the first.
pub const DEPTH: usize = 64;

/// Keys of all objects of a message together.
pub const PROPERTIES: usize = 10_000;

/// Bytes of a message id; a longer one is quarantined, because ids are kept in memory for deduplication.
pub const MESSAGE_ID_BYTES: usize = 512;

/// Bytes of an identifier's value; a longer one identifies nobody.
pub const IDENTIFIER_BYTES: usize = sonder_dsl::limits::IDENTIFIER_BYTES;

/// Reasons that are kept of one message.
pub const REASONS: usize = 50;

/// Changes of one patch of messages that were kept aside.
pub const PATCH_CHANGES: usize = 50;

/// Bytes of a place that a patch changes.
pub const PATCH_PLACE_BYTES: usize = 1024;
