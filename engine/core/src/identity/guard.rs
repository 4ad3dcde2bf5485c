//! What a link of a source may not do that `trust` does not trust with everything.
//!
//! A page may link a browser with an address, and by that it joins two people who share it. But whom a source is not trusted to name
//! it may not join either: of two people who both have an identifier that is of somebody known and of a kind that the source is
//! not trusted with, its links make no one.

use sonder_dsl::ir::IdentifierKindId;

/// Which kinds two people may not both have, so that a link joins them. Of what several sources say counts what the most trusted
/// of them may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Guard(u16);

/// Set where any source that said so is trusted with some kinds only, whichever these are.
const LIMITED: u16 = 1 << 15;
/// The kinds from here on have one bit together: a guard against one of them is one against all.
const LAST: usize = 14;

impl Guard {
    /// Of a link that may join anybody.
    pub const FREE: Self = Self(0);

    /// Against these kinds; where there are none, against nothing at all.
    pub fn against(kinds: impl Iterator<Item = IdentifierKindId>) -> Self {
        let kinds = kinds.fold(0, |all, kind| all | bit(kind));
        if kinds == 0 { Self::FREE } else { Self(kinds | LIMITED) }
    }

    /// Whether it may join anybody, whoever else says so.
    pub const fn is_free(self) -> bool {
        self.0 == 0
    }

    /// What is left of two that say the same.
    #[must_use]
    pub const fn meet(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Against whatever any of the two is against.
    #[must_use]
    pub const fn join(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What it says of an identifier of a kind.
    #[must_use]
    pub fn of(self, kind: IdentifierKindId) -> Marks {
        Marks(self.0 & bit(kind))
    }

    /// Whether it is against joining two people with these identifiers.
    pub const fn parts(self, one: Marks, other: Marks) -> bool {
        let kinds = self.0 & !LIMITED;
        kinds & one.0 != 0 && kinds & other.0 != 0
    }

    /// As it is written in checkpoints.
    pub const fn code(self) -> u16 {
        self.0
    }

    /// As it was written.
    pub const fn of_code(code: u16) -> Self {
        Self(code)
    }
}

/// Which kinds that guards ask for somebody has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks(u16);

impl Marks {
    /// Those of two people together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether there is any.
    pub const fn is_any(self) -> bool {
        self.0 != 0
    }
}

fn bit(kind: IdentifierKindId) -> u16 {
    1 << kind.index().min(LAST)
}
