//! Consent: what people said to the purposes that their data is used for.
//!
//! Any message may carry an answer ([`signal`], [`tcf`], [`gpp`]); every answer is kept with the person (`history`), and the latest by
//! (`occurred_at`, `seq`) counts; only where somebody refused expressly, a yes must be express, too. Like all state it is a function of the log, and merging two people is merging what they
//! said. Before the log, [`collection`] says what of a message is stored at all; behind it, `bound` keeps what aggregates for a
//! purpose may see, and the [`ledger`] proves what was said.

mod bits;
pub(crate) mod bound;
pub mod collection;
pub mod gpp;
mod history;
pub mod ledger;
pub mod residence;
pub mod signal;
pub mod tcf;

pub(crate) use bound::{Bound, occurrence, rebind};
pub use history::{Answers, Statement};

use sonder_dsl::ir::PurposeId;

/// A set of purposes, one bit each; a project has at most 31.
pub type Purposes = u32;

/// The bit of all that has no purpose of its own: whoever restricts the use of their data altogether takes this back, too.
pub const ANYTHING: Purposes = 1 << 31;

/// How [`ANYTHING`] is called where the purposes of a project are called by their names.
pub const ANYTHING_NAME: &str = sonder_dsl::model::ANYTHING;

/// The set of one purpose.
pub const fn only(purpose: PurposeId) -> Purposes {
    1_u32.unbounded_shl(purpose.0 as u32)
}

/// What somebody said at once: to which purposes, and to which of them yes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Said {
    /// What was answered.
    pub to: Purposes,
    /// What was answered with yes. INVARIANT: part of `to`.
    pub yes: Purposes,
    /// What was answered expressly: by a report of a change, through the API, by Global Privacy Control. Not so what a banner
    /// has in store and SDKs repeat with each message. INVARIANT: part of `to`.
    pub express: Purposes,
    /// Whether it binds: a no (restriction, objection) stands whatever is answered later, until a yes that binds lifts it. That
    /// yes is no consent.
    pub binding: bool,
}

impl Said {
    /// Nothing.
    pub const NOTHING: Self = Self { to: 0, yes: 0, express: 0, binding: false };

    /// One answer.
    #[must_use]
    pub const fn answer(purpose: PurposeId, yes: bool) -> Self {
        let to = only(purpose);
        Self { to, yes: if yes { to } else { 0 }, express: 0, binding: false }
    }

    /// Both; where they differ, no.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        let to = self.to | other.to;
        let yes = (self.yes | !self.to) & (other.yes | !other.to) & to;
        Self { to, yes, express: self.express | other.express, binding: self.binding || other.binding }
    }

    /// The same, said expressly.
    #[must_use]
    pub const fn expressly(self) -> Self {
        Self { express: self.to, ..self }
    }

    /// The answer to a purpose.
    #[must_use]
    pub const fn to(self, purpose: PurposeId) -> Option<bool> {
        let one = only(purpose);
        if self.to & one == 0 { None } else { Some(self.yes & one != 0) }
    }

    /// What was answered with no.
    #[must_use]
    pub const fn no(self) -> Purposes {
        self.to & !self.yes
    }

    /// Whether nothing was said.
    #[must_use]
    pub const fn is_nothing(self) -> bool {
        self.to == 0
    }
}
