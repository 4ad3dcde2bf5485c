//! Phone numbers, by the numbering plans of all countries.
//!
//! The plans are those of libphonenumber, as data (`data/phones.txt`, which `data/phones.js` makes); numbers are read as it reads
//! them. A crate that has it all would have to be built with a compiler of protocol buffers, for the part that is used here.

use regex::Regex;
use std::sync::{LazyLock, OnceLock};

/// Characters of what may be a number; more are none.
const CHARACTERS: usize = 64;
/// Digits of a number with its country.
const DIGITS: usize = 15;

/// The numbering plan of a country, or of numbers that are of no country.
struct Plan {
    country: &'static str,
    calling_code: &'static str,
    /// What is dialled before the number of another country.
    abroad: Lazy,
    /// Digits that national numbers have.
    lengths: Vec<usize>,
    /// What is dialled before national numbers, and is no part of them.
    prefix: Lazy,
    /// What takes the place of the prefix, with `$1` for what its first group matched.
    instead: &'static str,
    national: Lazy,
}

/// A pattern of a plan, compiled when it is asked.
struct Lazy {
    text: &'static str,
    /// Whether it is about the whole number, not its beginning.
    is_whole: bool,
    compiled: OnceLock<Option<Regex>>,
}

/// In the order of calling codes; of countries that share one, the main one comes first.
static PLANS: LazyLock<Vec<Plan>> = LazyLock::new(|| {
    let lines = include_str!("../data/phones.txt").lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(Plan::read).collect()
});

/// A country that has numbers of its own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Country(&'static str);

impl std::fmt::Debug for Country {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.0)
    }
}

impl Country {
    /// The country of an ISO 3166 code of two letters, in either case.
    #[must_use]
    pub fn of_code(code: &str) -> Option<Self> {
        let is_it = |plan: &&Plan| code.len() == 2 && plan.country.eq_ignore_ascii_case(code);
        PLANS.iter().find(is_it).map(|plan| Self(plan.country))
    }
}

/// `+31 6 1234-5678`, `0031 6 12345678` and, dialled in the Netherlands, `06 12345678` as `+31612345678`.
///
/// A number that names its country needs a length that there is. One that does not is asked for the country that it is
/// dialled in, and must be one of its plan: whose it is would be a guess. A number with an extension is that of many people.
pub fn e164(written: &str, country: impl FnOnce() -> Option<Country>) -> Option<String> {
    let written = written.trim();
    let written = written.strip_prefix("tel:").unwrap_or(written);
    if written.len() > CHARACTERS {
        return None;
    }
    let (is_international, digits) = digits(written)?;
    if is_international {
        return abroad(&digits);
    }
    let country = country().and_then(|country| PLANS.iter().find(|plan| plan.country == country.0));
    country.and_then(|plan| at_home(&digits, plan)).or_else(|| {
        let rest = digits.strip_prefix("00").filter(|rest| !rest.starts_with('0'))?;
        abroad(rest)
    })
}

/// The digits of what is written, and whether a `+` is before them; `None` where anything else is among them.
fn digits(written: &str) -> Option<(bool, String)> {
    let rest = written.strip_prefix(['+', '\u{ff0b}']);
    let mut digits = String::with_capacity(16);
    for character in rest.unwrap_or(written).chars() {
        match character {
            '0'..='9' => digits.push(character),
            // Those of other scripts, which stand in a row.
            '\u{660}'..='\u{669}' => digits.push(ascii(character, 0x660)?),
            '\u{6f0}'..='\u{6f9}' => digits.push(ascii(character, 0x6f0)?),
            '\u{966}'..='\u{96f}' => digits.push(ascii(character, 0x966)?),
            '\u{ff10}'..='\u{ff19}' => digits.push(ascii(character, 0xff10)?),
            ' '
            | '-'
            | '.'
            | '/'
            | '('
            | ')'
            | '['
            | ']'
            | '\u{a0}'
            | '\u{ad}'
            | '\u{200b}'
            | '\u{202f}'
            | '\u{2010}'..='\u{2015}'
            | '\u{2060}'
            | '\u{3000}' => {}
            _ => return None,
        }
    }
    (!digits.is_empty()).then_some((rest.is_some(), digits))
}

fn ascii(character: char, zero: u32) -> Option<char> {
    char::from_digit(u32::from(character).checked_sub(zero)?, 10)
}

/// A number with the code of its country.
fn abroad(digits: &str) -> Option<String> {
    let plan = PLANS.iter().find(|plan| digits.starts_with(plan.calling_code))?;
    let national = plan.without_prefix(digits.get(plan.calling_code.len()..)?);
    (plan.length(&national) == Length::Possible).then(|| spelled(plan, &national))?
}

/// A number as one dials it in a country.
fn at_home(digits: &str, plan: &'static Plan) -> Option<String> {
    if let Some(rest) = plan.abroad.begins(digits).and_then(|end| digits.get(end..)).filter(|it| !it.starts_with('0'))
        && let Some(number) = abroad(rest)
    {
        return Some(number);
    }
    let of_plan = |digits: &str| -> Option<String> {
        let national = plan.without_prefix(digits);
        let is_one = plan.length(&national) == Length::Possible && plan.shares(&national);
        is_one.then(|| spelled(plan, &national))?
    };
    // The code of the country without a `+`, where the number would be none with it.
    let without = digits.strip_prefix(plan.calling_code).filter(|rest| {
        let national = plan.without_prefix(rest);
        (!plan.national.matches(digits) && plan.national.matches(&national)) || plan.length(digits) == Length::TooLong
    });
    without.and_then(of_plan).or_else(|| of_plan(digits))
}

fn spelled(plan: &Plan, national: &str) -> Option<String> {
    let number = format!("+{}{national}", plan.calling_code);
    (number.len() <= DIGITS + 1).then_some(number)
}

/// How many digits a national number has, by its plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Length {
    Possible,
    TooLong,
    Other,
}

impl Plan {
    fn read(line: &'static str) -> Option<Self> {
        let mut columns = line.split('\t');
        let mut next = || columns.next();
        let (country, calling_code, abroad, lengths) = (next()?, next()?, next()?, next()?);
        let (prefix, instead, national) = (next()?, next()?, next()?);
        let lazy = |text, is_whole| Lazy { text, is_whole, compiled: OnceLock::new() };
        Some(Self {
            country,
            calling_code,
            abroad: lazy(abroad, false),
            lengths: lengths.split(',').filter_map(|it| it.parse().ok()).collect(),
            prefix: lazy(prefix, false),
            instead,
            national: lazy(national, true),
        })
    }

    fn length(&self, national: &str) -> Length {
        if self.lengths.contains(&national.len()) {
            Length::Possible
        } else if self.lengths.last().is_some_and(|most| national.len() > *most) {
            Length::TooLong
        } else {
            Length::Other
        }
    }

    /// Whether a country with the same calling code has such numbers.
    fn shares(&self, national: &str) -> bool {
        PLANS.iter().any(|plan| plan.calling_code == self.calling_code && plan.national.matches(national))
    }

    /// A number without what is dialled before it. It stays where it would be none without.
    fn without_prefix(&self, digits: &str) -> String {
        let stays = || digits.to_owned();
        let Some(found) = self.prefix.get().and_then(|prefix| prefix.captures(digits)) else { return stays() };
        let Some(rest) = found.get(0).and_then(|all| digits.get(all.end()..)) else { return stays() };
        let has_group = found.iter().skip(1).last().flatten().is_some();
        let changed = if self.instead.is_empty() || !has_group {
            rest.to_owned()
        } else {
            let mut changed = String::new();
            found.expand(self.instead, &mut changed);
            changed + rest
        };
        let was_one = self.national.matches(digits);
        let is_one = self.national.matches(&changed);
        if (was_one && !is_one) || self.length(&changed) == Length::Other { stays() } else { changed }
    }
}

impl Lazy {
    fn get(&self) -> Option<&Regex> {
        let compile = || {
            let end = if self.is_whole { "$" } else { "" };
            (!self.text.is_empty()).then(|| Regex::new(&format!("^(?:{}){end}", self.text)).ok())?
        };
        self.compiled.get_or_init(compile).as_ref()
    }

    fn matches(&self, digits: &str) -> bool {
        self.get().is_some_and(|pattern| pattern.is_match(digits))
    }

    /// Where what matches at the beginning ends.
    fn begins(&self, digits: &str) -> Option<usize> {
        self.get()?.find(digits).map(|found| found.end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A number as people write it, where they are, and what it is.
    const NUMBERS: [(&str, &str, &str); 57] = [
        // The Netherlands.
        ("06 12345678", "NL", "+31612345678"),
        ("06-12345678", "NL", "+31612345678"),
        ("0612345678", "NL", "+31612345678"),
        ("612345678", "NL", "+31612345678"),
        ("+31 (0)6 1234 5678", "NL", "+31612345678"),
        ("+31 (0)6 1234 5678", "", "+31612345678"),
        ("0031 6 12345678", "", "+31612345678"),
        ("0031 (6) 12345678", "NL", "+31612345678"),
        ("31612345678", "NL", "+31612345678"),
        ("tel:+31-6-1234-5678", "", "+31612345678"),
        ("020 624 1111", "NL", "+31206241111"),
        ("\u{202a}+31 6 12345678\u{202c}", "", ""),
        // Belgium, Germany, Austria: numbers have many lengths.
        ("0470 12 34 56", "BE", "+32470123456"),
        ("02 555 12 12", "BE", "+3225551212"),
        ("030 901820", "DE", "+4930901820"),
        ("0171/1234567", "DE", "+491711234567"),
        ("+49 (0) 171 1234567", "DE", "+491711234567"),
        ("01 58858-0", "AT", "+431588580"),
        ("0664 1234567", "AT", "+436641234567"),
        // Italy keeps the zero of landlines, and mobile numbers have none.
        ("06 6982", "IT", "+39066982"),
        ("02 12345678", "IT", "+390212345678"),
        ("347 1234567", "IT", "+393471234567"),
        // France, Spain, Portugal.
        ("06 12 34 56 78", "FR", "+33612345678"),
        ("01.42.68.53.00", "FR", "+33142685300"),
        ("+33 (0)1 42 68 53 00", "FR", "+33142685300"),
        ("912 345 678", "ES", "+34912345678"),
        ("21 123 4567", "PT", "+351211234567"),
        // The British Isles.
        ("020 7183 8750", "GB", "+442071838750"),
        ("(0)20 7183 8750", "GB", "+442071838750"),
        ("07400 123456", "GB", "+447400123456"),
        ("+44 (0) 20 7183 8750", "", "+442071838750"),
        ("085 012 3456", "IE", "+353850123456"),
        // The north: no prefix at all in some.
        ("32 12 34 56", "DK", "+4532123456"),
        ("406 12 345", "NO", "+4740612345"),
        ("070-123 45 67", "SE", "+46701234567"),
        ("041 2345678", "FI", "+358412345678"),
        // Switzerland and the east.
        ("044 668 18 00", "CH", "+41446681800"),
        ("512 345 678", "PL", "+48512345678"),
        ("601 123 456", "CZ", "+420601123456"),
        ("8 (912) 345-67-89", "RU", "+79123456789"),
        // North America.
        ("(415) 555-2671", "US", "+14155552671"),
        ("415.555.2671", "US", "+14155552671"),
        ("1 415 555 2671", "US", "+14155552671"),
        ("011 44 20 7183 8750", "US", "+442071838750"),
        ("506-234-5678", "CA", "+15062345678"),
        ("55 1234 5678", "MX", "+525512345678"),
        // South America, where mobiles have digits of their own.
        ("(11) 96123-4567", "BR", "+5511961234567"),
        ("0 11 15-2345-6789", "AR", "+5491123456789"),
        // Asia, Africa, Australia.
        ("081234 56789", "IN", "+918123456789"),
        ("090-1234-5678", "JP", "+819012345678"),
        ("010-1234-5678", "KR", "+821012345678"),
        ("131 2345 6789", "CN", "+8613123456789"),
        ("0412 345 678", "AU", "+61412345678"),
        ("021 123 4567", "NZ", "+64211234567"),
        ("0803 123 4567", "NG", "+2348031234567"),
        ("082 123 4567", "ZA", "+27821234567"),
        ("050-123-4567", "IL", "+972501234567"),
    ];

    #[test]
    fn numbers_have_one_spelling_wherever_they_are_written() {
        let mut wrong = Vec::new();
        for (written, country, expected) in NUMBERS {
            let found = e164(written, || Country::of_code(country)).unwrap_or_default();
            if found != expected {
                wrong.push(format!("{written} in {country:?}: {found} instead of {expected}"));
            }
            // What it is stays what it is, anywhere.
            if !found.is_empty() {
                for place in ["", "NL", "US", "JP"] {
                    assert_eq!(e164(&found, || Country::of_code(place)).as_ref(), Some(&found), "{found} in {place}");
                }
            }
        }
        assert_eq!(wrong, Vec::<String>::new());
    }

    #[test]
    fn what_is_no_number_or_not_one_persons_has_none() {
        for (written, country) in [
            ("0612345678", ""),
            ("+31", ""),
            ("+0612345678", ""),
            ("+3161234567890123", ""),
            ("call me", "NL"),
            ("", "NL"),
            ("0", "NL"),
            ("112", "NL"),
            ("06 1234567", "NL"),
            ("555-2671", "US"),
            ("+31 6 1234 x5678", ""),
            ("+31 20 624 1111 ext. 12", ""),
            ("+999 1234567", ""),
            ("000000000", "NL"),
            ("ann@shop.example", "NL"),
            ("1-800-FLOWERS", "US"),
        ] {
            assert_eq!(e164(written, || Country::of_code(country)), None, "{written} in {country:?}");
        }
        assert_eq!(e164(&"1".repeat(1_000_000), || Country::of_code("NL")), None);
    }

    /// Numbers of all countries, as libphonenumber writes them there, are read as it reads them.
    #[test]
    fn numbers_of_all_countries_are_read_as_they_are_written_there() {
        let lines = include_str!("../data/phones_examples.txt").lines().filter(|line| !line.starts_with('#'));
        let (mut wrong, mut seen) = (Vec::new(), 0);
        for line in lines {
            let [country, written, number] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
            let found = e164(written, || Country::of_code(country)).unwrap_or_default();
            if found != number {
                wrong.push(format!("{line}: {found}"));
            }
            seen += 1;
        }
        assert_eq!(wrong, Vec::<String>::new());
        assert!(seen > 1_600);
    }

    #[test]
    fn every_pattern_of_a_plan_can_be_read() {
        assert_eq!(PLANS.len(), 254);
        for plan in PLANS.iter() {
            for lazy in [&plan.abroad, &plan.prefix, &plan.national] {
                assert!(lazy.text.is_empty() || lazy.get().is_some(), "{}: {}", plan.country, lazy.text);
            }
            assert!(!plan.national.text.is_empty() && !plan.lengths.is_empty() && plan.lengths.is_sorted());
        }
    }

    #[test]
    fn countries_are_those_that_have_numbers() {
        for code in ["NL", "nl", "NO", "GB", "US", "XK"] {
            assert!(Country::of_code(code).is_some(), "{code}");
        }
        for code in ["", "N", "XX", "UK", "NLD", "001", "n1"] {
            assert!(Country::of_code(code).is_none(), "{code}");
        }
    }
}
