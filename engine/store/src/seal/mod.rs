//! Personal data that nobody can read in the files: what a project marks `pii` is encrypted on its way in, and decrypted on
//! its way out of the store. Nothing outside of this crate knows of it.
//!
//! ```text
//!  project key         outside of the data: an environment variable, a file, a command      [`ProjectKeys`]
//!    wraps
//!  key of a subject    a row of `keys.subject_keys`; a subject is the identifier that a message  [`Keyring`]
//!    seals             is first known by, as an HMAC
//!  what is personal    one cell beside the row: `sealed_by` names the key, `sealed` has the  [`Sealing`], [`Unsealed`]
//!                      values; in the JSON the word `sealed` stands in their places
//! ```
//!
//! - Messages carry identifiers, never people, so somebody who was merged has several keys and a merge seals nothing anew.
//! - A key is made when there is something to seal. A subject that was not heard of for long may get another one; so nobody
//!   looks for keys while messages are written. A key goes when it seals nothing any more: whoever is back after an erasure has another.
//! - INVARIANT: a value is opened in the place where it was sealed, or not at all: AES-256-GCM binds it to table and row.
//! - INVARIANT: a message is the same bytes after it was sealed and opened.
//! - What is nobody's yet (messages that were kept aside) has a key for each row; what was decided about somebody has keys of
//!   their ids. People's state has one of all, and another one after each erasure.
//! - Numbers of keys are never given twice: a key that is destroyed leaves its row.
//! - Keys are in a file of their own ([`keys`]), which no backup has. Where a backup is restored with keys of a later moment,
//!   what they do not open any more is taken out of it ([`void`]).

mod cipher;
mod keyring;
mod keys;
mod old;
mod payload;
mod places;
mod project;
mod rotate;
mod sealing;
mod state;
mod void;

pub(crate) use keyring::{Keyring, Unsealed};
pub(crate) use keys::{COPY_FROM_4, LEAVE_4, TABLES, destroy_unused};
pub(crate) use places::{Places, is_personal};
pub use project::{ProjectKey, ProjectKeyError, ProjectKeys, key_bytes};
pub(crate) use sealing::{NOBODY, Sealed, Sealing, of_person, of_row};
pub(crate) use state::StateKey;
pub(crate) use void::void;

/// What stands in the place of a value that is sealed.
pub(crate) const WORD: &str = "sealed";

/// Which table a value is sealed in: a part of what it is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A message, by its `seq`.
    Log(u64),
    /// A message that was kept aside, by its `id`.
    Quarantine(u64),
    /// A change of somebody, by its `id`.
    Change(u64),
    /// A delivery, by its `number`.
    Delivery(u64),
    /// Somebody's state, by their id.
    Person(u128),
    /// What of the state is nobody's.
    Meta,
}

impl Place {
    /// What a value is bound to.
    fn bytes(self) -> [u8; 17] {
        let (table, row) = match self {
            Self::Log(seq) => (1, seq.into()),
            Self::Quarantine(id) => (2, id.into()),
            Self::Change(id) => (3, id.into()),
            Self::Delivery(number) => (4, number.into()),
            Self::Person(id) => (5, id),
            Self::Meta => (6, 0),
        };
        let mut bytes = [table; 17];
        bytes[1..].copy_from_slice(&row.to_le_bytes());
        bytes
    }
}
