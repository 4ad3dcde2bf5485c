//! `rollout.yaml`: new rules for some people first.
//!
//! A project that is rolled out holds two versions of its rules: `rules/` as they are to be, `rollout/rules/` as they were.
//! People whose hash lies below the share are early: the new rules hold for them, and those before for everybody else. Who is
//! early at one share is early at every larger one.

use crate::shape::{Fields, Format, Key, Shape};
use crate::syntax::ast::Share;
use crate::yaml::Node;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// To how many people new rules are rolled out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollout {
    /// How many, in hundredths of a percent.
    share: u32,
    /// What decides with somebody's id whether they are early.
    seed: u64,
}

/// For whom something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gate {
    /// What divides people.
    pub rollout: Rollout,
    /// Whether it is for those who are early, or for all others.
    pub early: bool,
}

impl Gate {
    /// Whether it is for somebody of whom it is known whether they are early.
    #[must_use]
    pub const fn admits(self, is_early: bool) -> bool {
        self.early == is_early
    }
}

impl Rollout {
    /// What `rollout.yaml` may hold.
    pub const KEYS: &[Key] = &[
        Key::required("share", Shape::Text(Format::Share), "to how many people the rules are rolled out"),
        Key::optional(
            "seed",
            Shape::TEXT,
            "what decides, with the id of a person, who is among them; another seed begins with other people",
        ),
    ];

    /// A share of people.
    #[must_use]
    pub fn new(share: Share, seed: &str) -> Self {
        Self { share: share.0, seed: xxh3_64(seed.as_bytes()) }
    }

    /// Reads a checked `rollout.yaml`.
    #[must_use]
    pub fn decode(root: &Node) -> Option<Self> {
        let fields = Fields::new(root, Self::KEYS);
        let share = Share::parse(fields.text("share")?.trim().trim_end_matches('%').trim_end())?;
        Some(Self::new(share, fields.text("seed").unwrap_or_default()))
    }

    /// How many people are early.
    #[must_use]
    pub const fn share(self) -> Share {
        Share(self.share)
    }

    /// What decides who is.
    #[must_use]
    pub const fn seed(self) -> u64 {
        self.seed
    }

    /// Whether somebody of this id is early: the hash that divides people in splits, too.
    #[must_use]
    pub fn is_early(self, person: u128) -> bool {
        let mut hash = Xxh3::new();
        hash.update(&self.seed.to_le_bytes());
        hash.update(&[0]);
        hash.update(&person.to_le_bytes());
        // Evenly over the shares; 2^64 is so much larger that what is left over does not matter.
        let part = (u128::from(hash.digest()) * u128::from(Share::ALL.0)) >> 64;
        part < u128::from(self.share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_larger_share_only_adds_people() {
        let people: Vec<u128> = (0..20_000).map(|number: u128| number << 64 | number).collect();
        let mut before: Vec<u128> = Vec::new();
        for share in [1, 100, 1_000, 2_500, 9_999, 10_000] {
            let rollout = Rollout::new(Share(share), "one");
            let early: Vec<u128> = people.iter().copied().filter(|person| rollout.is_early(*person)).collect();
            assert!(before.iter().all(|person| rollout.is_early(*person)));
            let expected = people.len() * share as usize / 10_000;
            assert!(early.len().abs_diff(expected) < 300, "{share}: {} of {expected}", early.len());
            before = early;
        }
        assert_eq!(before.len(), people.len());
        let of =
            |seed: &str| people.iter().filter(|person| Rollout::new(Share(1_000), seed).is_early(**person)).count();
        let both = people.iter().filter(|person| {
            Rollout::new(Share(1_000), "one").is_early(**person) && Rollout::new(Share(1_000), "two").is_early(**person)
        });
        assert!(both.count() * 5 < of("one"), "another seed begins with other people");
    }
}
