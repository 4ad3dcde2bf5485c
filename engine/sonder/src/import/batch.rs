//! Messages of an import, governed beside each other and submitted in order.

use crate::pipeline::clock;
use serde_json::{Map, Value as Json};
use sonder_collect::Received;
use sonder_core::govern::Governor;
use sonder_core::message::{Envelope, Quarantined, Timing, read, read_text};
use sonder_dsl::ir::{Program, SourceId};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Threads that govern one batch.
const GOVERNORS: usize = 2;

/// Makes messages of one import what the pipeline takes in.
#[derive(Clone)]
pub struct Batcher {
    program: Arc<Program>,
    governor: Arc<Governor>,
    source: SourceId,
    historical: bool,
    unnamed: Arc<AtomicU64>,
}

/// A message as it comes: from a file here, or as text over the wire.
pub trait Raw {
    /// Reads it.
    fn read(self, envelope: &Envelope<'_>) -> Result<sonder_core::message::Message, Quarantined>;
}

impl Raw for Map<String, Json> {
    fn read(self, envelope: &Envelope<'_>) -> Result<sonder_core::message::Message, Quarantined> {
        read(self, envelope)
    }
}

impl Raw for String {
    fn read(self, envelope: &Envelope<'_>) -> Result<sonder_core::message::Message, Quarantined> {
        read_text(&self, envelope)
    }
}

impl Batcher {
    /// For messages of a source; `historical` ones bring no deliveries.
    #[must_use]
    pub fn new(program: Arc<Program>, source: SourceId, historical: bool) -> Self {
        let governor = Arc::new(Governor::new(&program));
        Self { program, governor, source, historical, unnamed: Arc::default() }
    }

    /// What it governs by.
    #[must_use]
    pub const fn program(&self) -> &Arc<Program> {
        &self.program
    }

    /// Governs a batch, on more than one thread; the order stays.
    pub fn govern<M: Send, R: Raw>(&self, rows: Vec<M>, raw: impl Fn(usize, M) -> R + Sync) -> Vec<Received> {
        let half = rows.len().div_ceil(GOVERNORS);
        let mut parts = Vec::with_capacity(GOVERNORS);
        let mut rest = rows;
        while rest.len() > half {
            let later = rest.split_off(half);
            parts.push(std::mem::replace(&mut rest, later));
        }
        parts.push(rest);
        let raw = &raw;
        std::thread::scope(|scope| {
            let mut begin = 0;
            let mut running = Vec::with_capacity(parts.len());
            for part in parts {
                let first = begin;
                begin += part.len();
                running.push(scope.spawn(move || {
                    let numbered = part.into_iter().enumerate();
                    numbered.map(|(place, row)| self.one(raw(first + place, row))).collect::<Vec<_>>()
                }));
            }
            running.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect()
        })
    }

    fn one(&self, raw: impl Raw) -> Received {
        let new_id = || format!("unnamed-{}-{}", clock::wall().0, self.unnamed.fetch_add(1, Ordering::Relaxed));
        let envelope = Envelope {
            source: self.source,
            received_at: clock::wall(),
            timing: Timing::Imported,
            future_tolerance: self.program.settings.future_tolerance,
            historical: self.historical,
            call: None,
            sent_at: None,
            context: None,
            integrations: None,
            observed: None,
            new_id: &new_id,
        };
        match raw.read(&envelope).and_then(|message| Ok((self.governor.govern(&message)?, message))) {
            Ok((event, message)) => Received::Message(message, event),
            Err(quarantined) => Received::Quarantined(quarantined),
        }
    }
}
