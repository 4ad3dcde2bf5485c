//! Where somebody lives, as a code: a country as in ISO 3166-1, `NL`, or a part of one as in ISO 3166-2, `US-CA`.

/// The place that a text names; `None` where it is no such code. Spaces around it, small letters and `US_CA` are how people write
/// one, and `UK` is how they write `GB`.
#[must_use]
pub fn read(text: &str) -> Option<String> {
    let text = text.trim_matches(' ');
    let (country, part) = match text.split_once(['-', '_']) {
        Some((country, part)) => (country, Some(part)),
        None => (text, None),
    };
    let is_country = country.len() == 2 && country.bytes().all(|it| it.is_ascii_alphabetic());
    let is_part = |part: &str| (1..=3).contains(&part.len()) && part.bytes().all(|it| it.is_ascii_alphanumeric());
    if !is_country || !part.is_none_or(is_part) {
        return None;
    }
    let country = if country.eq_ignore_ascii_case("UK") { "GB".to_owned() } else { country.to_ascii_uppercase() };
    Some(part.map_or_else(|| country.clone(), |part| format!("{country}-{}", part.to_ascii_uppercase())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_people_write_it() {
        for (text, place) in [
            ("NL", Some("NL")),
            ("nl ", Some("NL")),
            ("UK", Some("GB")),
            ("uk_eng", Some("GB-ENG")),
            ("US_CA", Some("US-CA")),
            (" ca-qc", Some("CA-QC")),
            ("", None),
            (" ", None),
            ("Netherlands", None),
            ("NLD", None),
            ("U", None),
            ("12", None),
            ("US-", None),
            ("US-CALI", None),
            ("US-CA-LA", None),
            ("ÑL", None),
        ] {
            assert_eq!(read(text).as_deref(), place, "{text:?}");
        }
    }
}
