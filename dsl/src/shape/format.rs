//! Formats of single texts: how each is described, published as a pattern, and checked.

use super::scalar::{self, Scope};
use crate::diagnostic::codes;
use crate::limits;
use crate::phone::Country;
use crate::syntax::ast::Share;

/// What a text must look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Anything but nothing.
    Any,
    /// `abandoned_cart`
    Name,
    /// `30m`, `25 months`
    Duration,
    /// `50/s`
    Rate,
    /// `200/s per key, 20/s per ip`
    SourceRate,
    /// `2 per 7 days`, `2 per 7 days per person`
    Cap,
    /// `64 MiB`
    Size,
    /// `12.5%`
    Share,
    /// `Europe/Amsterdam`
    TimeZone,
    /// `08:00`
    TimeOfDay,
    /// `traits.address.country`
    Path,
    /// `api.mail.example`, `localhost:9000`
    Host,
    /// `https://shop.example`
    Origin,
    /// `127.0.0.1:8080`
    Address,
    /// `1-0-0`
    Version,
    /// `MAIL_API_KEY`
    Variable,
    /// `sonder/webhook@1`, `plugins/ours.wasm`
    Plugin,
    /// `test@example.com`, `/^noreply@/`
    Blocked,
    /// `/[ -]/`
    Pattern,
    /// `$1`, or nothing
    Replacement,
    /// `NL`
    Country,
    /// `NL`, `traits.address.country`
    CountryOrPath,
    /// `user_id:u1`
    Identifier,
}

/// Why a text does not have its format.
pub(super) struct Misfit {
    pub code: &'static str,
    pub help: String,
}

/// `a`, `b` or `c`.
pub(super) fn choices(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

impl Format {
    /// What to write there, in words.
    #[must_use]
    pub const fn expected(self) -> &'static str {
        match self {
            Self::Any => "text",
            Self::Name => "a name",
            Self::Duration => "a length of time",
            Self::Rate | Self::SourceRate => "a rate",
            Self::Cap => "a cap",
            Self::Size => "a size",
            Self::Share => "a part of all people",
            Self::TimeZone => "a time zone",
            Self::TimeOfDay => "a time of day",
            Self::Path => "a path in a message",
            Self::Host => "a host",
            Self::Origin => "an origin",
            Self::Address => "an address and a port",
            Self::Version => "a version",
            Self::Variable => "the name of an environment variable",
            Self::Plugin => "a plugin",
            Self::Blocked => "a value, or a pattern between slashes",
            Self::Pattern => "a pattern between slashes",
            Self::Replacement => "text, or nothing",
            Self::Country => "a country",
            Self::CountryOrPath => "a country, or a path in a message",
            Self::Identifier => "an identifier",
        }
    }

    /// Texts that have the format.
    #[must_use]
    pub const fn examples(self) -> &'static [&'static str] {
        match self {
            Self::Any => &[],
            Self::Name => &["abandoned_cart"],
            Self::Duration => &["30m", "48h", "400 days", "25 months"],
            Self::Rate => &["50/s", "100 per minute"],
            Self::SourceRate => &["200/s per key, 20/s per ip"],
            Self::Cap => &["2 per 7 days", "1 per day"],
            Self::Size => &["64 MiB", "2 GiB"],
            Self::Share => &["25%", "0.5%"],
            Self::TimeZone => &["Europe/Amsterdam", "UTC"],
            Self::TimeOfDay => &["08:00", "21:30"],
            Self::Path => &["traits.address.country", "context.geo.country"],
            Self::Host => &["api.mail.example", "localhost:9000"],
            Self::Origin => &["https://shop.example", "http://localhost:3000"],
            Self::Address => &["127.0.0.1:8080"],
            Self::Version => &["1-0-0"],
            Self::Variable => &["MAIL_API_KEY"],
            Self::Plugin => &["sonder/webhook@1", "plugins/ours.wasm"],
            Self::Blocked => &["test@example.com", "/^noreply@/"],
            Self::Pattern => &["/[ -]/", "/^(\\d+)-.*$/"],
            Self::Replacement => &["", "$1"],
            Self::Country => &["NL", "US"],
            Self::CountryOrPath => &["NL", "traits.address.country"],
            Self::Identifier => &["user_id:u1", "email:ann@shop.example"],
        }
    }

    /// A regular expression that every text of the format matches, for editors.
    #[must_use]
    pub const fn pattern(self) -> Option<&'static str> {
        match self {
            Self::Any => Some("\\S"),
            Self::Name => Some("^[a-z][a-z0-9_]*$"),
            Self::Duration => Some("^\\s*([0-9]+\\s*[a-z]+\\s*)+$"),
            Self::Rate | Self::Cap => Some("^\\s*[0-9]+\\s*(/|per )"),
            Self::SourceRate => Some("^\\s*[0-9]+\\s*(/|per )[^,]+(,\\s*[0-9]+\\s*(/|per )[^,]+)?$"),
            Self::Size => Some("^\\s*[0-9]+\\s*(B|[kKMG]B|[KMG]iB)?\\s*$"),
            Self::Share => Some("^[0-9]+(\\.[0-9]{1,2})?\\s*%$"),
            Self::TimeOfDay => Some("^([01][0-9]|2[0-4]):[0-5][0-9]$"),
            Self::Path => Some("^[^.\\s]+(\\.[^.\\s]+)*$"),
            Self::Origin => Some("^https?://[^/\\s]+$"),
            Self::Address => Some("^\\S+:[0-9]+$"),
            Self::Version => Some("^[0-9]+-[0-9]+-[0-9]+$"),
            Self::Variable => Some("^[A-Za-z_][A-Za-z0-9_]*$"),
            Self::Host => Some("^[^/\\s]+$"),
            Self::Plugin => Some("^([a-z0-9-]+/[a-z0-9-]+@[0-9]+|[^\\s]+\\.wasm)$"),
            Self::Pattern => Some("^/.+/$"),
            Self::Country => Some("^[A-Za-z]{2}$"),
            Self::CountryOrPath => Some("^([A-Za-z]{2}|[^.\\s]+(\\.[^.\\s]+)+)$"),
            Self::Identifier => Some("^[a-z][a-z0-9_]*:."),
            Self::TimeZone | Self::Blocked | Self::Replacement => None,
        }
    }

    /// Whether a text has the format.
    #[must_use]
    pub fn fits(self, text: &str) -> bool {
        self.misfit(text).is_none()
    }

    /// `None` when the text has the format.
    pub(super) fn misfit(self, text: &str) -> Option<Misfit> {
        let (code, fits) = match self {
            Self::Any => (codes::BAD_VALUE, !text.trim().is_empty()),
            Self::Name => return name_misfit(text),
            Self::Duration => (codes::BAD_DURATION, scalar::duration(text).is_some()),
            Self::Rate => (codes::BAD_RATE, matches!(scalar::rate(text), Some((_, None)))),
            Self::SourceRate => (codes::BAD_RATE, source_rates_fit(text)),
            Self::Cap => (codes::BAD_RATE, matches!(scalar::rate(text), Some((_, None | Some(Scope::Person))))),
            Self::Size => (codes::BAD_VALUE, scalar::size(text).is_some_and(|size| size > 0)),
            Self::Share => {
                (codes::BAD_VALUE, text.trim().strip_suffix('%').and_then(|it| Share::parse(it.trim_end())).is_some())
            }
            Self::TimeZone => return time_zone_misfit(text),
            Self::TimeOfDay => (codes::BAD_VALUE, scalar::time_of_day(text).is_some()),
            Self::Path => (codes::BAD_VALUE, is_path(text)),
            Self::Host => (codes::BAD_VALUE, host_fits(text)),
            Self::Origin => {
                let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
                (codes::BAD_VALUE, host.is_some_and(host_fits))
            }
            Self::Address => (codes::BAD_VALUE, text.parse::<std::net::SocketAddr>().is_ok() || host_port_fits(text)),
            Self::Version => {
                let numbers = text.split('-').filter(|number| number.parse::<u32>().is_ok()).count();
                (codes::BAD_VALUE, numbers == 3 && text.split('-').count() == 3)
            }
            Self::Variable => {
                let mut bytes = text.bytes();
                let first = bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
                (codes::BAD_VALUE, first && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'))
            }
            Self::Plugin => (codes::BAD_VALUE, plugin_fits(text)),
            Self::Blocked => return blocked_misfit(text),
            Self::Pattern => match blocked_pattern(text).filter(|pattern| !pattern.is_empty()) {
                Some(pattern) => return pattern_misfit(pattern),
                None => (codes::BAD_VALUE, false),
            },
            Self::Replacement => (codes::BAD_VALUE, text.len() <= limits::REPLACEMENT_BYTES),
            Self::Country => (codes::BAD_VALUE, Country::of_code(text).is_some()),
            Self::CountryOrPath => {
                let is_place = if text.len() == 2 { Country::of_code(text).is_some() } else { is_path(text) };
                (codes::BAD_VALUE, is_place && (text.len() == 2 || text.contains('.')))
            }
            Self::Identifier => {
                let named = text.split_once(':');
                (codes::BAD_VALUE, named.is_some_and(|(kind, value)| is_name(kind) && !value.trim().is_empty()))
            }
        };
        (!fits).then(|| Misfit { code, help: self.example_help() })
    }

    fn example_help(self) -> String {
        let quoted: Vec<_> = self.examples().iter().map(|example| format!("`{example}`")).collect();
        if quoted.is_empty() { "write some text".to_owned() } else { format!("for example {}", choices(&quoted)) }
    }
}

fn is_path(text: &str) -> bool {
    text.split('.').all(|key| !key.is_empty() && !key.contains(char::is_whitespace))
}

fn is_name(text: &str) -> bool {
    let letters = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.bytes().all(letters)
        && text.len() <= limits::NAME_CHARACTERS
}

fn name_misfit(text: &str) -> Option<Misfit> {
    if is_name(text) {
        return None;
    }
    let folded: String = crate::model::fold_event_name(text).chars().filter(char::is_ascii).collect();
    let help = if text.len() > limits::NAME_CHARACTERS {
        format!("a name has at most {} characters", limits::NAME_CHARACTERS)
    } else if is_name(&folded) {
        format!("write `{folded}`")
    } else {
        "a name has lower-case letters, digits and `_`, and begins with a letter".to_owned()
    };
    Some(Misfit { code: codes::BAD_NAME, help })
}

fn time_zone_misfit(text: &str) -> Option<Misfit> {
    if jiff::tz::TimeZone::get(text).is_ok() {
        return None;
    }
    let known: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
    let suggestion = crate::diagnostic::suggest::nearest(text, known.iter().map(String::as_str));
    let help = suggestion.map_or_else(
        || "use a name of the IANA time zone database, such as `Europe/Amsterdam`".to_owned(),
        |name| format!("did you mean `{name}`?"),
    );
    Some(Misfit { code: codes::BAD_TIME_ZONE, help })
}

fn blocked_misfit(text: &str) -> Option<Misfit> {
    if text.trim().is_empty() {
        return Some(Misfit { code: codes::BAD_VALUE, help: Format::Blocked.example_help() });
    }
    pattern_misfit(blocked_pattern(text)?)
}

fn pattern_misfit(pattern: &str) -> Option<Misfit> {
    let help = compile_pattern(pattern).err()?;
    Some(Misfit { code: codes::BAD_PATTERN, help })
}

/// The pattern between the slashes of `/^noreply@/`.
pub(crate) fn blocked_pattern(text: &str) -> Option<&str> {
    text.strip_prefix('/')?.strip_suffix('/')
}

/// Compiles a pattern within limits; the error says what is wrong with it, in words.
pub(crate) fn compile_pattern(pattern: &str) -> Result<regex::Regex, String> {
    regex::RegexBuilder::new(pattern).size_limit(limits::PATTERN_BYTES).build().map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => "the pattern is too large; make its repetitions smaller".to_owned(),
        other => {
            let text = other.to_string();
            let reason =
                text.lines().rev().find_map(|line| line.strip_prefix("error: ")).unwrap_or("it cannot be read");
            reason.split(", including").next().unwrap_or(reason).to_owned()
        }
    })
}

fn source_rates_fit(text: &str) -> bool {
    let mut seen = Vec::new();
    text.split(',').all(|part| {
        let Some((_, scope)) = scalar::rate(part) else { return false };
        let scope = scope.unwrap_or(Scope::Key);
        let fresh = scope != Scope::Person && !seen.contains(&scope);
        seen.push(scope);
        fresh
    })
}

fn host_fits(text: &str) -> bool {
    if let Ok(address) = text.parse::<std::net::Ipv6Addr>() {
        return !address.is_unspecified();
    }
    let bracketed = text.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    if let Some((address, port)) = bracketed {
        let port_fits = port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
        return address.parse::<std::net::Ipv6Addr>().is_ok() && port_fits;
    }
    let (name, port) = text.split_once(':').map_or((text, None), |(name, port)| (name, Some(port)));
    let label_fits = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    let name = name.strip_prefix("*.").unwrap_or(name);
    name.len() <= 253
        && name.split('.').all(label_fits)
        && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}

fn host_port_fits(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| port.parse::<u16>().is_ok() && host_fits(host))
}

fn plugin_fits(text: &str) -> bool {
    if text.strip_suffix(".wasm").is_some_and(|stem| !stem.is_empty()) {
        return !text.starts_with('/') && !text.split('/').any(|part| part == "..") && !text.contains('\\');
    }
    let word = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    let Some((maker, rest)) = text.split_once('/') else { return false };
    rest.split_once('@').is_some_and(|(name, major)| word(maker) && word(name) && major.parse::<u32>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_their_format_or_not() {
        for (format, fitting, others) in [
            (Format::Any, &["x", " x "][..], &["", " "][..]),
            (Format::Name, &["a", "a_1", "level10"], &["", "A", "1a", "1e400name", "_a", "a-b", "a b", "é", "Größe"]),
            (Format::Rate, &["50/s"], &["50/s per ip", "50"]),
            (Format::SourceRate, &["50/s", "5/s per ip", "5/s per key, 2/s per ip"], &["5/s, 6/s", "5/s per person"]),
            (Format::Cap, &["1 per day", "1 per day per person"], &["1 per day per ip"]),
            (Format::Size, &["64 MiB"], &["0", "64 mb"]),
            (Format::TimeZone, &["UTC", "Europe/Amsterdam"], &["", "Mars/Olympus", "../etc/passwd"]),
            (Format::TimeOfDay, &["08:00"], &["8:00"]),
            (Format::Path, &["a", "a.b"], &["", ".a", "a..b", "a.", "a b"]),
            (
                Format::Host,
                &["a.example", "localhost:9000", "127.0.0.1", "127.0.0.1:80", "[::1]:80", "::1", "*.a.example"],
                &["", "https://a.example", "a.example/x", "a.example:0", "a.example:99999", "a b", "-", "a..b", "*"],
            ),
            (
                Format::Origin,
                &["https://a.example", "http://localhost:3000"],
                &["a.example", "https://a.example/", "ftp://a.example", "https://"],
            ),
            (
                Format::Address,
                &["127.0.0.1:8080", "0.0.0.0:0", "localhost:80", "[::1]:80"],
                &["8080", "localhost", ":80"],
            ),
            (Format::Version, &["1-0-0", "10-2-33"], &["1.0.0", "1-0", "1-0-0-0", "a-b-c"]),
            (Format::Variable, &["A", "_a1"], &["", "1A", "A-B", "A B"]),
            (
                Format::Plugin,
                &["sonder/webhook@1", "plugins/ours.wasm"],
                &["webhook", "sonder/webhook", "sonder/@1", "/etc/x.wasm", "../x.wasm", ".wasm"],
            ),
            (Format::Blocked, &["x", "/^x$/"], &["", "/(/"]),
            (Format::Pattern, &["/^x$/", "/ /"], &["", "x", "//", "/", "/(/"]),
            (Format::Replacement, &["", " ", "$1"], &[]),
            (Format::Country, &["NL", "nl"], &["", "XX", "NLD", "n"]),
            (Format::CountryOrPath, &["NL", "a.b"], &["", "XX", "country", "a..b"]),
            (Format::Identifier, &["user_id:u1", "a: b"], &["", "u1", ":u1", "user_id:", "user_id: ", "User:u1"]),
        ] {
            for text in fitting {
                assert!(format.fits(text), "{format:?} {text:?}");
            }
            for text in others {
                assert!(!format.fits(text), "{format:?} {text:?}");
            }
        }
    }

    /// What an editor accepts by the pattern includes all that the compiler accepts, and so do the examples.
    #[test]
    fn examples_fit_their_format_and_its_pattern() {
        use Format::{
            Address, Blocked, Cap, Country, CountryOrPath, Duration, Host, Identifier, Name, Origin, Path, Pattern,
            Plugin, Rate, Replacement, Size, SourceRate, TimeOfDay, TimeZone, Variable, Version,
        };
        for format in [
            Address,
            Blocked,
            Cap,
            Country,
            CountryOrPath,
            Duration,
            Host,
            Identifier,
            Name,
            Origin,
            Path,
            Pattern,
            Plugin,
            Rate,
            Replacement,
            Size,
            SourceRate,
            TimeOfDay,
            TimeZone,
            Variable,
            Version,
        ] {
            for example in format.examples() {
                assert!(format.fits(example), "{format:?} {example}");
                let pattern = format.pattern().map(|pattern| regex::Regex::new(pattern).unwrap());
                assert!(pattern.is_none_or(|pattern| pattern.is_match(example)), "{format:?} {example}");
            }
        }
    }
}
