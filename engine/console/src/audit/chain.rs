//! Entries of the audit log, and how they hang together: each has the hash of the one before it.

use super::DeedKind;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sonder_core::consent::ledger::{Hash, ORIGIN, hex, unhex};
use sonder_dsl::time::Moment;
use std::fmt;

/// The operation of the entry that says up to where earlier ones are kept no longer.
const LET_GO: &str = "letGo";

/// What somebody did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deed {
    /// The id of the key that was used, or `local` where there is no key.
    pub actor: String,
    /// The name of that key.
    pub name: Option<String>,
    /// The operation of the API, as `openapi.json` calls it.
    pub operation: String,
    /// What kind of deed it is.
    pub kind: DeedKind,
    /// A pseudonym of whom it was about, where that was one person.
    pub subject: Option<String>,
    /// What else it was about: a segment, a request, a statement without values.
    pub about: Option<String>,
    /// The status of the answer; `null` for what is recorded as it begins.
    pub status: Option<u16>,
}

/// A deed in its chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audited {
    /// From 1.
    pub number: u64,
    /// When, RFC 3339.
    pub at: String,
    /// What.
    #[serde(flatten)]
    pub deed: Deed,
    /// The hash of the line before.
    pub previous: String,
    /// Of both.
    pub hash: String,
}

/// How far a chain goes: where one goes on, or is checked up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chain {
    /// The number of the last line.
    pub number: u64,
    /// Its hash.
    pub head: Hash,
}

impl Default for Chain {
    fn default() -> Self {
        Self { number: 0, head: ORIGIN }
    }
}

impl Chain {
    /// Takes the next line in, where it is the one that was written; says whether it is.
    #[must_use]
    pub fn takes(&mut self, next: &Audited) -> bool {
        let expected = next.number == self.number + 1 && next.previous == hex(&self.head);
        match unhex(&next.hash) {
            Some(hash) if expected && hash == next.sum() => {
                *self = Self { number: next.number, head: hash };
                true
            }
            _ => false,
        }
    }
}

impl Deed {
    /// What the engine puts on record before the entries up to a place go, whose time is over.
    pub(super) fn letting_go(up_to: Chain) -> Self {
        Self {
            actor: "engine".to_owned(),
            name: None,
            operation: LET_GO.to_owned(),
            kind: DeedKind::Change,
            subject: None,
            about: Some(up_to.to_string()),
            status: Some(200),
        }
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.number, hex(&self.head))
    }
}

/// A check of a whole log, from the first entry that it has.
#[derive(Clone, Copy, Debug, Default)]
pub struct Check {
    chain: Chain,
    /// Where the first entry goes on from.
    begins_behind: Option<Chain>,
    /// Whether an entry says that what was before that was let go.
    is_said: bool,
}

impl Check {
    /// Takes the next entry in, where it is the one that was written; says whether it is.
    #[must_use]
    pub fn takes(&mut self, next: &Audited) -> bool {
        let begins_behind = match self.begins_behind {
            Some(place) => place,
            None => {
                let Some(head) = unhex(&next.previous) else { return false };
                let before = Chain { number: next.number.saturating_sub(1), head };
                self.chain = if before.number == 0 { Chain::default() } else { before };
                *self.begins_behind.insert(self.chain)
            }
        };
        let says = |it: &Audited| it.deed.operation == LET_GO && it.deed.about == Some(begins_behind.to_string());
        self.is_said |= says(next);
        self.chain.takes(next)
    }

    /// How far it goes by now.
    #[must_use]
    pub const fn chain(&self) -> Chain {
        self.chain
    }

    /// Up to where entries are kept no longer: those from 1 on to that number.
    #[must_use]
    pub fn begins_behind(&self) -> Chain {
        self.begins_behind.unwrap_or_default()
    }

    /// Whether all that is missing at its beginning was let go: to be asked when all entries were taken in.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.begins_behind().number == 0 || self.is_said
    }
}

impl Audited {
    pub(super) fn after(chain: Chain, at: Moment, deed: Deed) -> Self {
        let mut it = Self {
            number: chain.number + 1,
            at: at.to_string(),
            deed,
            previous: hex(&chain.head),
            hash: String::new(),
        };
        it.hash = hex(&it.sum());
        it
    }

    /// SHA-256 of a label and of all but the hash itself, as JSON text.
    fn sum(&self) -> Hash {
        let bare = Self { hash: String::new(), ..self.clone() };
        let text = serde_json::to_string(&bare).unwrap_or_default();
        Sha256::new().chain_update(b"sonder audit 1").chain_update(text.as_bytes()).finalize().into()
    }
}
