//! First names and what they are shortened to: English ones, from the `nicknames` data set 1.0.1 (Apache-2.0).

use rustc_hash::FxHashMap;
use std::sync::LazyLock;

/// By short form, the names that it stands for.
static LONG_FORMS: LazyLock<FxHashMap<&str, Vec<&str>>> = LazyLock::new(|| {
    let mut forms: FxHashMap<&str, Vec<&str>> = FxHashMap::default();
    for line in include_str!("../data/nicknames.txt").lines().filter(|line| !line.starts_with('#')) {
        let Some((long, short)) = line.split_once(": ") else { continue };
        for short in short.split(' ') {
            forms.entry(short).or_default().push(long);
        }
    }
    forms
});

/// Whether one name is a short form of the other, or both are of the same.
pub(crate) fn is_short_for(a: &str, b: &str) -> bool {
    let of = |name: &str| LONG_FORMS.get(name).map_or(&[][..], Vec::as_slice);
    let (left, right) = (of(a), of(b));
    left.contains(&b) || right.contains(&a) || left.iter().any(|long| right.contains(long))
}

#[cfg(test)]
mod tests {
    use super::is_short_for;

    #[test]
    fn short_forms_are_known_both_ways_and_among_themselves() {
        assert!(is_short_for("bob", "robert") && is_short_for("robert", "bob"));
        assert!(is_short_for("liz", "betty"), "both are elizabeth");
        assert!(!is_short_for("robert", "elizabeth"));
    }
}
