//! Did you mean: the nearest known name by edit distance.

/// The known name that is nearest to what was written, when it is near enough to be meant. Of equally near ones, the
/// first in alphabetical order.
#[must_use]
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = written.to_lowercase();
    let tolerance = (written.chars().count() / 3).clamp(1, 4);
    known
        .into_iter()
        .filter(|name| name.len().abs_diff(written.len()) <= 4 * tolerance)
        .map(|name| (strsim::damerau_levenshtein(&lower, &name.to_lowercase()), name))
        // Names that share no letter are never meant.
        .filter(|(distance, name)| {
            *distance <= tolerance && *distance < name.chars().count().max(lower.chars().count())
        })
        .min()
        .map(|(_, name)| name)
}

/// `did you mean …?`, or the choices when there are few, or nothing.
#[must_use]
pub fn help<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let known: Vec<&str> = known.into_iter().collect();
    if let Some(name) = nearest(written, known.iter().copied()) {
        return Some(format!("did you mean `{name}`?"));
    }
    if known.is_empty() || known.len() > 12 {
        return None;
    }
    let quoted: Vec<_> = known.iter().map(|name| format!("`{name}`")).collect();
    Some(format!("there is {}", quoted.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_meant_and_far_ones_are_not() {
        let known = ["write_keys", "origins", "rate", "kind", "source"];
        for (written, meant) in [
            ("writekeys", Some("write_keys")),
            ("write_key", Some("write_keys")),
            ("Origins", Some("origins")),
            ("raet", Some("rate")),
            ("knid", Some("kind")),
            ("kin", Some("kind")),
            ("colour", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(nearest(written, known), meant, "{written}");
        }
    }

    #[test]
    fn ties_go_to_the_first_in_the_alphabet() {
        assert_eq!(nearest("cat", ["rat", "bat"]), Some("bat"));
    }

    #[test]
    fn other_letters_are_not_a_slip() {
        assert_eq!(nearest("e", ["a", "b"]), None);
        assert_eq!(nearest("ab", ["a", "b"]), Some("a"));
    }

    #[test]
    fn few_choices_are_listed() {
        assert_eq!(help("zzz", ["web", "crm"]).as_deref(), Some("there is `web`, `crm`"));
        assert_eq!(help("wep", ["web", "crm"]).as_deref(), Some("did you mean `web`?"));
        assert_eq!(help("zzz", []), None);
    }
}
