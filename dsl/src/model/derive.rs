//! `derive:`: properties made of one that is personal data, and that are none themselves.
//!
//! They are made when a message is read, by the same function for rules and for columns; what is sent, logged and forwarded does
//! not have them.

use crate::ir::Type;
use serde_json::{Map, Value as Json};

/// How a property is made of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Derivation {
    /// The property that it is made of.
    pub from: String,
    /// What is made of it.
    pub function: DerivedBy,
}

/// A function of a property.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DerivedBy {
    /// What stands behind the `@` of an e-mail address, or the host of a URL; in lower case.
    Domain,
    /// The year of a date or a moment, as it is written.
    Year,
    /// Its month, 1 to 12.
    Month,
    /// How many characters a text has.
    Length,
}

impl DerivedBy {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Domain, Self::Year, Self::Month, Self::Length];

    /// As it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Domain => "domain",
            Self::Year => "year",
            Self::Month => "month",
            Self::Length => "length",
        }
    }

    /// The function of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|function| function.name() == name)
    }

    /// What it gives.
    #[must_use]
    pub const fn kind(self) -> Type {
        match self {
            Self::Domain => Type::String { one_of: None },
            Self::Year | Self::Month | Self::Length => Type::Int,
        }
    }

    /// What it makes of a text; `None` where that is not of the kind that it takes.
    #[must_use]
    pub fn of(self, text: &str) -> Option<Json> {
        match self {
            Self::Domain => domain(text.trim()).map(Json::from),
            Self::Year => number(text.trim(), 0..4).map(Json::from),
            Self::Month => number(text.trim(), 5..7).filter(|month| (1..=12).contains(month)).map(Json::from),
            Self::Length => Some(Json::from(text.chars().count())),
        }
    }
}

impl Derivation {
    /// The value, of the properties of a message.
    #[must_use]
    pub fn value(&self, properties: &Map<String, Json>) -> Option<Json> {
        self.function.of(properties.get(&self.from)?.as_str()?)
    }
}

fn domain(text: &str) -> Option<String> {
    let host = match text.split_once("://") {
        Some((_, rest)) => {
            let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
            let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
            host.split(':').next().unwrap_or_default()
        }
        None => text.rsplit_once('@')?.1,
    };
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-') || !byte.is_ascii();
    (!host.is_empty() && host.bytes().all(is_host)).then(|| host.to_lowercase())
}

/// Digits of a date such as `1990-07-31`.
fn number(text: &str, digits: std::ops::Range<usize>) -> Option<u16> {
    let is_date = text.len() >= 7 && text.as_bytes().get(4) == Some(&b'-');
    let digits = text.get(digits).filter(|digits| is_date && digits.bytes().all(|it| it.is_ascii_digit()))?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_of_texts() {
        let made = |name: &str, text: &str| DerivedBy::named(name).unwrap().of(text).unwrap_or_default().to_string();
        assert_eq!(made("domain", " Ann@Shop.EXAMPLE "), r#""shop.example""#);
        assert_eq!(made("domain", "https://ann:x@www.Shop.example:8080/a@b?c"), r#""www.shop.example""#);
        for nothing in ["ann", "ann@", "a@b c", "", "https:///x"] {
            assert_eq!(made("domain", nothing), "null", "{nothing}");
        }
        assert_eq!((made("year", "1990-07-31"), made("month", "1990-07-31T10:00:00Z")), ("1990".into(), "7".into()));
        for nothing in ["31.07.1990", "1990", "199x-07", "1990/07/31"] {
            assert_eq!(made("year", nothing), "null", "{nothing}");
        }
        assert_eq!(made("month", "1990-13-01"), "null");
        assert_eq!(made("length", "größer"), "6");
        assert!(DerivedBy::named("upper").is_none());
    }
}
