//! Every limit of collection.

use std::time::Duration;

/// Bytes of a request's body, after decompression: Segment's 500 KiB.
pub const BODY_BYTES: usize = 500 * 1024;

/// The same for clients of Rudder, whose batches may be larger.
pub const RUDDER_BODY_BYTES: usize = 4000 * 1024;

/// Messages of one batch.
pub const BATCH_MESSAGES: usize = 2_500;

/// Bytes of all bodies that are being read or worked on; further requests are told to come back.
pub const BYTES_IN_FLIGHT: usize = 128 * 1024 * 1024;

/// How long a client may take to send a body.
pub const BODY_TIME: Duration = Duration::from_secs(30);

/// How long a client may take to send a request's head, and how long a connection may be idle. Longer than clients keep idle
/// connections, so that none is closed under a request.
pub const HEAD_TIME: Duration = Duration::from_secs(75);

/// How long the engine of another region may take to take in what belongs there.
pub const FORWARD_TIME: Duration = Duration::from_secs(20);

/// Connections at a time; further ones wait to be accepted.
pub const CONNECTIONS: usize = 4_096;

/// How long a connection may go on after the server was told to stop.
pub const SHUTDOWN_TIME: Duration = Duration::from_secs(10);

/// Write keys and addresses whose rate is remembered; beyond, those that have been quiet are forgotten.
pub const RATES: usize = 100_000;

/// Bytes of a rejected request that are kept as a sample.
pub const SAMPLE_BYTES: usize = 2_048;

/// Keys and dots in the query of a pixel.
pub const PIXEL_DEPTH: usize = 8;

/// Seconds that a client may be told to wait: SDKs believe no more.
pub const RETRY_AFTER: std::ops::RangeInclusive<u32> = 1..=300;
