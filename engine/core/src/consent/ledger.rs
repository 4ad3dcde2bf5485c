//! The ledger of consent: who said what, when, by what means and to which notice, as a chain of hashes.
//!
//! Each entry names the hash of the one before it, so nobody can change, drop or insert one without breaking all that come
//! after. People stand in it as a pseudonym of their identifier, which only the data directory's key can be compared with: it
//! proves what somebody said who comes with their identifier, and names nobody.

use crate::consent::Said;
use crate::message::{Call, Message};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};
use sonder_dsl::ir::{Program, PurposeId};
use sonder_dsl::model::SourceKind;
use sonder_dsl::time::Moment;
use std::fmt::Write as _;

/// A SHA-256.
pub type Hash = [u8; 32];

/// Before the first entry.
pub const ORIGIN: Hash = [0; 32];

/// Means that only the engine itself has.
const OURS: [&str; 4] = ["api", "restriction", "objection", "opt_out"];

/// Characters of a notice's name or of a means that are kept.
const TEXT: usize = 200;

/// One answer to one purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// From 1.
    pub number: u64,
    /// The record of the log that has it.
    pub seq: u64,
    /// When it was said.
    pub at: Moment,
    /// A pseudonym of the identifier that the message names first.
    pub subject: String,
    /// The purpose.
    pub purpose: String,
    /// Yes or no.
    pub granted: bool,
    /// The source.
    pub source: String,
    /// The message.
    pub message_id: String,
    /// By what means: `banner`, `api`, `gpc` …
    pub method: String,
    /// The version of the notice that was shown, where the message says it.
    pub notice: Option<String>,
}

/// An entry in its chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// What it says.
    pub entry: Entry,
    /// The hash of the one before.
    pub previous: Hash,
    /// Of both.
    pub hash: Hash,
}

impl Entry {
    /// The entry as the next link after a hash.
    #[must_use]
    pub fn after(self, previous: Hash) -> Link {
        let hash = self.hash(&previous);
        Link { entry: self, previous, hash }
    }

    fn hash(&self, previous: &Hash) -> Hash {
        let Self { number, seq, at, subject, purpose, granted, source, message_id, method, notice } = self;
        let mut hash = Sha256::new();
        hash.update(b"sonder consent 1");
        hash.update(previous);
        for number in [*number, *seq, at.0 as u64] {
            hash.update(number.to_le_bytes());
        }
        hash.update([u8::from(*granted), u8::from(notice.is_some())]);
        // The length first, so that no two lists of texts look the same.
        for text in [subject, purpose, source, message_id, method, notice.as_ref().unwrap_or(&String::new())] {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text.as_bytes());
        }
        hash.finalize().into()
    }
}

/// What a message says, one entry a purpose; numbers are the caller's to give. `subject` is the pseudonym of its first
/// identifier.
#[must_use]
pub fn entries(program: &Program, message: &Message, seq: u64, said: Said, subject: &str) -> Vec<Entry> {
    let consent = message.context.get("consent");
    let text = |key: &str| -> Option<String> {
        let text = consent?.get(key)?.as_str()?;
        Some(text.chars().take(TEXT).collect())
    };
    let has = |key: &str| consent.is_some_and(|it| it.get(key).is_some());
    // The end of a restriction is no consent.
    if message.call == Call::Release {
        return Vec::new();
    }
    let by = program.sources.get(message.source.index());
    let is_device = by.is_some_and(|it| matches!(it.kind, SourceKind::Browser | SourceKind::Mobile));
    // Whoever has the key of a page can say what they like; not that it came by a road which only we can take.
    let claimed = text("method").filter(|it| !(is_device && OURS.contains(&it.trim().to_lowercase().as_str())));
    let method = claimed.unwrap_or_else(|| {
        if message.call == Call::Restrict {
            let right = message.rest.get("right").and_then(Json::as_str);
            return right.unwrap_or("restriction").to_owned();
        }
        let means = if has("categoryPreferences") || message.context.contains_key("consentManagement") {
            "banner"
        } else if has("tcf") {
            "tcf"
        } else if has("purposes") {
            "message"
        } else if has("gpp") {
            "gpp"
        } else {
            "gpc"
        };
        means.to_owned()
    });
    let source = by.map_or("", |source| source.name.as_str());
    let entry = |(purpose, id): (&sonder_dsl::model::Purpose, u16)| {
        Some(Entry {
            number: 0,
            seq,
            at: message.occurred_at,
            subject: subject.to_owned(),
            purpose: purpose.name.clone(),
            granted: said.to(PurposeId(id))?,
            source: source.to_owned(),
            message_id: message.message_id.clone(),
            method: method.clone(),
            notice: text("notice"),
        })
    };
    program.consent.purposes.iter().zip(0..).filter_map(entry).collect()
}

/// Whether a message reports a change of consent, which is recorded even where it repeats what was said before.
#[must_use]
pub fn is_change(message: &Message) -> bool {
    super::collection::is_change(message)
        || message.context.get("consent").and_then(|it| it.get("method")).is_some_and(Json::is_string)
}

/// The first entry of a chain that is not what it was, or where one is missing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("entry {number} of the ledger is not what was written, or one before it is missing")]
pub struct Broken {
    /// Its number.
    pub number: u64,
}

/// Goes through a chain, some links at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verification {
    /// The last entry that was seen.
    pub number: u64,
    /// Its hash.
    pub head: Hash,
}

impl Default for Verification {
    fn default() -> Self {
        Self { number: 0, head: ORIGIN }
    }
}

impl Verification {
    /// Takes in the next link.
    ///
    /// # Errors
    /// When it does not follow.
    pub fn next(&mut self, link: &Link) -> Result<(), Broken> {
        let number = self.number + 1;
        let follows = link.entry.number == number && link.previous == self.head;
        if !follows || link.entry.hash(&link.previous) != link.hash {
            return Err(Broken { number });
        }
        *self = Self { number, head: link.hash };
        Ok(())
    }
}

/// As hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A hash from its hexadecimal digits.
#[must_use]
pub fn unhex(text: &str) -> Option<Hash> {
    let mut hash = ORIGIN;
    if text.len() != 2 * hash.len() {
        return None;
    }
    for (place, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * place..2 * place + 2)?, 16).ok()?;
    }
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain() -> Vec<Link> {
        let entry = |number: u64| Entry {
            number,
            seq: 10 * number,
            at: Moment(number as i64),
            subject: "5f0c".to_owned(),
            purpose: "marketing".to_owned(),
            granted: number % 2 == 1,
            source: "web".to_owned(),
            message_id: format!("m{number}"),
            method: "banner".to_owned(),
            notice: (number == 2).then(|| "2026-03".to_owned()),
        };
        let mut head = ORIGIN;
        let link = |number| {
            let link = entry(number).after(head);
            head = link.hash;
            link
        };
        (1..=4).map(link).collect()
    }

    fn verified(links: &[Link]) -> Result<u64, Broken> {
        let mut verification = Verification::default();
        links.iter().try_for_each(|link| verification.next(link)).map(|()| verification.number)
    }

    #[test]
    fn nothing_can_be_changed_dropped_inserted_or_moved() {
        let whole = chain();
        assert_eq!(verified(&whole), Ok(4));
        let broken = |change: &dyn Fn(&mut Vec<Link>)| {
            let mut links = whole.clone();
            change(&mut links);
            verified(&links)
        };
        assert_eq!(broken(&|it| it[1].entry.granted = true), Err(Broken { number: 2 }));
        assert_eq!(broken(&|it| it[2].entry.notice = Some(String::new())), Err(Broken { number: 3 }));
        assert_eq!(broken(&|it| it[2].entry.purpose = "analytics".to_owned()), Err(Broken { number: 3 }));
        assert_eq!(broken(&|it| _ = it.remove(1)), Err(Broken { number: 2 }));
        assert_eq!(broken(&|it| it.swap(1, 2)), Err(Broken { number: 2 }));
        // Who rewrites an entry with its hash breaks the next one.
        let forged = |it: &mut Vec<Link>| {
            let entry = Entry { granted: true, ..it[1].entry.clone() };
            it[1] = entry.after(it[0].hash);
        };
        assert_eq!(broken(&forged), Err(Broken { number: 3 }));
    }

    #[test]
    fn digits_are_read_back() {
        let hash = chain()[0].hash;
        assert_eq!(unhex(&hex(&hash)), Some(hash));
        assert_eq!([unhex("00"), unhex(&"zz".repeat(32)), unhex(&"é".repeat(32))], [None; 3]);
    }
}
