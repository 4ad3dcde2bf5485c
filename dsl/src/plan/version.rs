//! SchemaVer: `MODEL-REVISION-ADDITION`, and what a change of a schema asks of it.

use serde::Serialize;

/// How far a change of a schema reaches, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Bump {
    /// All that was valid still is.
    Addition,
    /// Some of what was valid is refused now, or read no more.
    Revision,
    /// What was sent so far does not fit any more.
    Model,
}

/// The three numbers; what is not one counts as `1-0-0`.
pub(super) fn parts(version: &str) -> (u32, u32, u32) {
    let mut numbers = version.split('-').map(|part| part.parse::<u32>().ok());
    match (numbers.next().flatten(), numbers.next().flatten(), numbers.next().flatten()) {
        (Some(model), Some(revision), Some(addition)) => (model, revision, addition),
        _ => (1, 0, 0),
    }
}

/// The version after a change.
pub(super) fn next(version: &str, bump: Bump) -> String {
    let (model, revision, addition) = parts(version);
    match bump {
        Bump::Model => format!("{}-0-0", model.saturating_add(1)),
        Bump::Revision => format!("{model}-{}-0", revision.saturating_add(1)),
        Bump::Addition => format!("{model}-{revision}-{}", addition.saturating_add(1)),
    }
}

/// Whether going from one version to the other says as much as the change does.
pub(super) fn says(before: &str, after: &str, bump: Bump) -> bool {
    let (old, new) = (parts(before), parts(after));
    match bump {
        Bump::Model => new.0 > old.0,
        Bump::Revision => (new.0, new.1) > (old.0, old.1),
        Bump::Addition => new > old,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proposed_version_says_enough_and_no_smaller_one_does() {
        for bump in [Bump::Addition, Bump::Revision, Bump::Model] {
            assert!(says("1-2-3", &next("1-2-3", bump), bump));
            assert!(!says("1-2-3", "1-2-3", bump));
        }
        assert!(!says("1-2-3", "1-3-0", Bump::Model) && !says("1-2-3", "1-2-4", Bump::Revision));
        assert!(says("1-2-3", "2-0-0", Bump::Addition) && !says("2-0-0", "1-9-9", Bump::Addition));
    }
}
