//! Messages of an import, governed beside each other and submitted in order.

use crate::pipeline::clock;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use sonder_collect::{People, Received};
use sonder_core::govern::{Admitted, Belongs, Governor};
use sonder_core::message::{Addresses, Envelope, Quarantined, Timing, read, read_text};
use sonder_core::record::Identifier;
use sonder_dsl::ir::{Program, SourceId};
use std::collections::BTreeMap;
use std::fmt;
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
    people: Arc<dyn People>,
}

/// A batch, sorted.
#[derive(Debug, Default)]
pub struct Governed {
    /// What the pipeline takes in.
    pub received: Vec<Received>,
    /// How many messages of it belong to other regions: they are left out.
    pub elsewhere: Elsewhere,
}

/// Rows that belong to other regions, by region.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Elsewhere(BTreeMap<String, u64>);

impl Elsewhere {
    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.values().sum()
    }

    /// Adds others.
    pub fn add(&mut self, other: &Self) {
        for (region, count) in &other.0 {
            *self.0.entry(region.clone()).or_default() += count;
        }
    }
}

impl fmt::Display for Elsewhere {
    /// `12 of us, 3 of ca`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = self.0.iter().map(|(region, count)| format!("{count} of {region}")).collect();
        f.write_str(&parts.join(", "))
    }
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
    /// For messages of a source; `historical` ones bring no deliveries. `people` knows who is known here.
    #[must_use]
    pub fn new(program: Arc<Program>, source: SourceId, historical: bool, people: Arc<dyn People>) -> Self {
        let governor = Arc::new(Governor::new(&program));
        Self { program, governor, source, historical, unnamed: Arc::default(), people }
    }

    /// What it governs by.
    #[must_use]
    pub const fn program(&self) -> &Arc<Program> {
        &self.program
    }

    /// Governs a batch, on more than one thread; the order stays.
    pub fn govern<M: Send, R: Raw>(&self, rows: Vec<M>, raw: impl Fn(usize, M) -> R + Sync) -> Governed {
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
                    numbered.flat_map(|(place, row)| self.one(raw(first + place, row))).collect::<Vec<_>>()
                }));
            }
            let mut governed = Governed::default();
            for sorted in running.into_iter().flat_map(|thread| thread.join().unwrap_or_default()) {
                match sorted {
                    Ok(received) => governed.received.push(received),
                    Err(region) => *governed.elsewhere.0.entry(region).or_default() += 1,
                }
            }
            governed
        })
    }

    /// What is to be taken in of a row, or the region that it belongs to.
    fn one(&self, raw: impl Raw) -> Vec<Result<Received, String>> {
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
            addresses: Addresses::of(&self.program, self.source, None),
            new_id: &new_id,
        };
        let read = raw.read(&envelope);
        let known = |who: &[Identifier]| self.people.lives(&self.program, who);
        let read = match self.governor.belongs(&read, known, false) {
            Belongs::Here => read,
            Belongs::Elsewhere(region) => return vec![Err(region)],
            Belongs::Nowhere => read.and_then(|message| Err(Governor::without_region(&message))),
        };
        let Admitted { message, answer } = self.governor.admit_whole(read);
        let message = message.map(|governed| match governed {
            Ok((message, event)) => Received::Message(message, event),
            Err(quarantined) => Received::Quarantined(quarantined),
        });
        let answer = answer.map(|(message, event)| Received::Message(message, event));
        message.into_iter().chain(answer).map(Ok).collect()
    }
}
