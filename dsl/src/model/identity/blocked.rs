//! Values that identify nobody: those of the project, and shipped lists of what software and people write instead of one.

use crate::shape::{Word, blocked_pattern, compile_pattern};

/// A value that identifies nobody.
#[derive(Clone, Debug)]
pub enum BlockedValue {
    /// Exactly this, after normalisation.
    Exact(String),
    /// `/…/`: whatever matches.
    Pattern(regex::Regex),
}

impl PartialEq for BlockedValue {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Exact(a), Self::Exact(b)) => a == b,
            (Self::Pattern(a), Self::Pattern(b)) => a.as_str() == b.as_str(),
            _ => false,
        }
    }
}

impl BlockedValue {
    /// As it is written; `None` for a pattern that cannot be read.
    pub(super) fn new(text: &str) -> Option<Self> {
        match blocked_pattern(text) {
            Some(pattern) => compile_pattern(pattern).ok().map(Self::Pattern),
            None => Some(Self::Exact(text.to_owned())),
        }
    }

    /// Whether a value is one.
    #[must_use]
    pub fn blocks(&self, value: &str) -> bool {
        match self {
            Self::Exact(text) => text == value,
            Self::Pattern(pattern) => pattern.is_match(value),
        }
    }
}

/// A shipped list of values that identify nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// What software writes where there is nothing.
    Missing,
    /// Zeros and dashes, and ids that many devices have.
    Zeros,
    /// What stands for whoever it is.
    Anonymous,
    /// What people type to try something out.
    Test,
    /// Addresses of a role instead of somebody.
    Roles,
}

/// What `block_presets` takes.
pub(super) const PRESETS: &[Word] = &[
    Word {
        word: "missing",
        doc: "what software writes where there is nothing: null, undefined, none, NaN, n/a, unknown",
    },
    Word { word: "zeros", doc: "only zeros, dashes and the like, also as a UUID; -1; ids that many devices share" },
    Word { word: "anonymous", doc: "words for whoever it is: anonymous, guest, visitor, user, default" },
    Word { word: "test", doc: "what is typed to try something out: test, asdf, 12345, aaa, addresses at example.com" },
    Word { word: "roles", doc: "addresses of a role: info@, sales@, noreply@" },
];

const MISSING: &[&str] = &[
    "null",
    "(null)",
    "nil",
    "none",
    "(none)",
    "undefined",
    "unknown",
    "(unknown)",
    "nan",
    "n/a",
    "na",
    "n.a.",
    "not set",
    "(not set)",
    "not_set",
    "not available",
    "not applicable",
    "missing",
    "empty",
    "blank",
    "void",
    "true",
    "false",
    "[object object]",
    "object object",
    "\"\"",
    "''",
    "{}",
    "[]",
    "?",
    "??",
    "???",
];

const SHARED_IDS: &[&str] = &["-1", "ffffffff-ffff-ffff-ffff-ffffffffffff", "9774d56d682e549c", "02:00:00:00:00:00"];

const ANONYMOUS: &[&str] = &[
    "anonymous",
    "anonymous user",
    "anonymous_user",
    "anonymous-user",
    "anonymoususer",
    "anon",
    "guest",
    "guest user",
    "guest_user",
    "guest-user",
    "guestuser",
    "visitor",
    "nobody",
    "somebody",
    "someone",
    "user",
    "username",
    "user_id",
    "userid",
    "customer",
    "default",
    "me",
    "self",
];

const TESTS: &[&str] = &[
    "test",
    "tests",
    "testing",
    "tester",
    "test1",
    "test2",
    "test123",
    "test user",
    "test_user",
    "test-user",
    "testuser",
    "example",
    "sample",
    "demo",
    "dummy",
    "foo",
    "bar",
    "foobar",
    "asdf",
    "asdfasdf",
    "qwerty",
    "abc",
    "abc123",
    "123",
    "1234",
    "12345",
    "123456",
    "1234567",
    "12345678",
    "123456789",
    "1234567890",
    "12345678-1234-1234-1234-123456789012",
];

const TEST_DOMAINS: &[&str] = &["example.com", "example.org", "example.net", "test.com", "test.test", "localhost"];

const TEST_ENDINGS: &[&str] = &[".example", ".test", ".invalid", ".localhost"];

const ROLES: &[&str] = &[
    "abuse",
    "accounting",
    "accounts",
    "admin",
    "administrator",
    "billing",
    "bounce",
    "bounces",
    "contact",
    "customerservice",
    "customer.service",
    "do-not-reply",
    "do_not_reply",
    "donotreply",
    "enquiries",
    "feedback",
    "hello",
    "help",
    "helpdesk",
    "hostmaster",
    "hr",
    "info",
    "invoice",
    "invoices",
    "jobs",
    "mail",
    "mailer-daemon",
    "marketing",
    "news",
    "newsletter",
    "no-reply",
    "no_reply",
    "noreply",
    "office",
    "orders",
    "postmaster",
    "privacy",
    "reception",
    "root",
    "sales",
    "security",
    "service",
    "spam",
    "support",
    "team",
    "webmaster",
];

impl Preset {
    /// Those that hold where a project says nothing.
    pub const USUAL: [Self; 3] = [Self::Missing, Self::Zeros, Self::Anonymous];

    /// The preset of that name.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Some(match word {
            "missing" => Self::Missing,
            "zeros" => Self::Zeros,
            "anonymous" => Self::Anonymous,
            "test" => Self::Test,
            "roles" => Self::Roles,
            _ => return None,
        })
    }

    /// Whether a value is on the list, in whatever case.
    #[must_use]
    pub fn blocks(self, value: &str) -> bool {
        let value = value.trim();
        // Nearly all values are longer than any of these words.
        let is_in = |list: &[&str]| list.iter().any(|it| it.len() == value.len() && value.eq_ignore_ascii_case(it));
        match self {
            Self::Missing => is_in(MISSING),
            Self::Zeros => is_in(SHARED_IDS) || value.chars().all(|it| matches!(it, '0' | '-' | '_' | '.' | ':' | ' ')),
            Self::Anonymous => is_in(ANONYMOUS),
            Self::Test => is_in(TESTS) || is_one_character(value) || is_test_address(value),
            Self::Roles => value.rsplit_once('@').is_some_and(|(before, _)| {
                let name = before.split_once('+').map_or(before, |(name, _)| name);
                ROLES.iter().any(|it| name.eq_ignore_ascii_case(it))
            }),
        }
    }
}

/// `aaa`, `11111`
fn is_one_character(value: &str) -> bool {
    let mut characters = value.chars();
    let Some(first) = characters.next() else { return false };
    value.len() > 2 && characters.all(|it| it == first)
}

fn is_test_address(value: &str) -> bool {
    let Some((before, domain)) = value.rsplit_once('@') else { return false };
    let is_reserved = |ending: &&str| {
        domain.len() > ending.len()
            && domain.get(domain.len() - ending.len()..).is_some_and(|it| it.eq_ignore_ascii_case(ending))
    };
    TESTS.iter().any(|it| before.eq_ignore_ascii_case(it))
        || TEST_DOMAINS.iter().any(|it| domain.eq_ignore_ascii_case(it))
        || TEST_ENDINGS.iter().any(is_reserved)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_have_what_they_say_and_no_more() {
        for (preset, blocked, others) in [
            (
                Preset::Missing,
                &["null", "NULL", " None ", "NaN", "n/a", "[object Object]"][..],
                &["nullo", "u1", "nan1"][..],
            ),
            (
                Preset::Zeros,
                &["0", "-", "--", "000-000", "00000000-0000-0000-0000-000000000000", "-1", "02:00:00:00:00:00"],
                &["1", "100", "0a", "00000000-0000-0000-0000-000000000001", "-2"],
            ),
            (Preset::Anonymous, &["anonymous", "Guest", "GUEST_USER", "default"], &["guestbook", "u1", "anna"]),
            (
                Preset::Test,
                &["test", "aaa", "1111", "123456", "test@shop.nl", "ann@example.com", "ann@shop.example", "a@b.test"],
                &["testa", "aab", "11", "ann@shop.nl", "ann@notexample.com", "sample1@shop.nl", "ann@test.nl"],
            ),
            (
                Preset::Roles,
                &["info@shop.nl", "No-Reply@x.y", "sales+eu@x.y"],
                &["information@x.y", "info", "ann@info.nl"],
            ),
        ] {
            blocked.iter().for_each(|value| assert!(preset.blocks(value), "{preset:?} {value:?}"));
            others.iter().for_each(|value| assert!(!preset.blocks(value), "{preset:?} {value:?}"));
        }
    }

    #[test]
    fn every_preset_has_its_word() {
        for word in PRESETS {
            assert!(Preset::named(word.word).is_some(), "{}", word.word);
        }
    }
}
