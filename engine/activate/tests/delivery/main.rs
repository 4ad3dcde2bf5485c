//! Deliveries from the outbox to a receiver: the bundled plugin, hostile ones, and the outbox on its own.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod conformance;
mod hostile;
mod outbox;
mod support;
mod webhook;
