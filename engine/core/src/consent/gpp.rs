//! What a string of IAB's Global Privacy Platform says: sections of the laws of several places in one text, of which each has its
//! own fields.
//!
//! Of sections of the United States only what is refused is read: sale, targeted advertising (what California calls sharing),
//! the use of sensitive data, and Global Privacy Control. That somebody did not opt out is no consent. Of the European and the
//! Canadian TCF the purposes are read, as [`tcf`] does. Lists of vendors and all else are not looked at, and neither are sections
//! that are not known here; those beside them still count.

use super::bits::Bits;
use super::tcf::{self, TcfPurposes};

/// Sections of one string; the platform has some thirty.
const SECTIONS: usize = 64;

/// What a string says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Platform {
    /// Data may not be sold.
    pub no_sale: bool,
    /// It may not be used for advertising by what somebody did elsewhere, nor be shared for that.
    pub no_targeting: bool,
    /// Sensitive data of some kind may not be used.
    pub no_sensitive: bool,
    /// The browser said so for all sites.
    pub signal: bool,
    /// The purposes of a TCF that are consented to; of two, those that both are. `None` where no section is of one.
    pub tcf: Option<TcfPurposes>,
}

/// Reads a string. Of its sections those count that are in force, all of them where that is not said. `None` when it is no such
/// string.
#[must_use]
pub fn read(text: &str, in_force: Option<&[u16]>) -> Option<Platform> {
    let mut parts = text.trim().split('~');
    let ids = sections(Bits::new(parts.next()?))?;
    let mut said = Platform::default();
    for (id, part) in ids.iter().zip(parts) {
        if in_force.is_some_and(|those| !those.contains(id)) {
            continue;
        }
        match id {
            2 => said.consented(tcf::consented(part)),
            5 => said.consented(canadian(part)),
            6 => said.no_sale |= part.as_bytes().get(2).is_some_and(|it| it.eq_ignore_ascii_case(&b'Y')),
            _ => {
                if let Some(layout) = LAYOUTS.iter().find(|layout| layout.id == *id) {
                    layout.read(part, &mut said);
                }
            }
        }
    }
    Some(said)
}

impl Platform {
    fn consented(&mut self, purposes: Option<TcfPurposes>) {
        if let Some(purposes) = purposes {
            self.tcf = Some(self.tcf.map_or(purposes, |known| known & purposes));
        }
    }
}

/// The ids of a string's sections, in order: a list of numbers and ranges, each as the distance from the one before.
fn sections(header: Bits<'_>) -> Option<Vec<u16>> {
    if (header.number(0, 6)?, header.number(6, 6)?) != (3, 1) {
        return None;
    }
    let (mut ids, mut place, mut last) = (Vec::new(), 24, 0_u16);
    for _ in 0..header.number(12, 12)? {
        let is_range = header.bit(place)?;
        let (distance, next) = fibonacci(header, place + 1)?;
        let first = last.checked_add(distance)?;
        (last, place) = (first, next);
        if is_range {
            let (distance, next) = fibonacci(header, place)?;
            (last, place) = (first.checked_add(distance)?, next);
        }
        if ids.len() + usize::from(last - first) >= SECTIONS {
            return None;
        }
        ids.extend(first..=last);
    }
    Some(ids)
}

/// A number as a sum of Fibonacci numbers, which ends with two ones; and the place behind it.
fn fibonacci(bits: Bits<'_>, begin: usize) -> Option<(u16, usize)> {
    let (mut sum, mut now, mut next, mut before) = (0_u16, 1_u16, 2_u16, false);
    for place in begin.. {
        let bit = bits.bit(place)?;
        if bit && before {
            return Some((sum, place + 1));
        }
        if bit {
            sum = sum.checked_add(now)?;
        }
        before = bit;
        (now, next) = (next, now.checked_add(next)?);
    }
    None
}

/// The purposes of the Canadian TCF that are consented to, expressly or by what somebody did.
fn canadian(part: &str) -> Option<TcfPurposes> {
    const PURPOSES: usize = 151;
    let bits = Bits::new(part.split('.').next()?);
    if bits.number(0, 6)? != 1 {
        return None;
    }
    Some(bits.set(PURPOSES, 24)? | bits.set(PURPOSES + 24, 24)?)
}

/// Where a section of the United States has what it refuses: places of fields of two bits, behind the version.
struct Layout {
    id: u16,
    sale: usize,
    /// Targeted advertising, and sharing where that has a field of its own.
    targeting: &'static [usize],
    /// Sensitive data: the first field, and how many there are by version.
    sensitive: usize,
    count: &'static [usize],
    /// How many fields of sensitive data its second segment has, which is of them alone.
    apart: usize,
}

/// Of the nation, and of the states that go their own ways: California, Utah, Iowa, and those that came last.
const LAYOUTS: [Layout; 21] = [
    Layout { id: 7, sale: 6, targeting: &[7, 8], sensitive: 9, count: &[12, 16], apart: 0 },
    Layout { id: 8, sale: 3, targeting: &[4], sensitive: 5, count: &[9], apart: 0 },
    state(9, 8),
    state(10, 7),
    Layout { id: 11, sale: 4, targeting: &[5], sensitive: 6, count: &[8], apart: 0 },
    state(12, 8),
    state(13, 8),
    state(14, 8),
    state(15, 11),
    state(16, 8),
    state(17, 9),
    Layout { id: 18, sale: 4, targeting: &[5], sensitive: 6, count: &[8], apart: 0 },
    state(19, 8),
    state(20, 8),
    state(21, 10),
    state(22, 8),
    state(23, 8),
    late_state(24, 0),
    late_state(25, 8),
    late_state(26, 8),
    late_state(27, 8),
];

const fn state(id: u16, count: usize) -> Layout {
    let count: &[usize] = match count {
        7 => &[7],
        9 => &[9],
        10 => &[10],
        11 => &[11],
        _ => &[8],
    };
    Layout { id, sale: 3, targeting: &[4], sensitive: 5, count, apart: 0 }
}

/// Maryland has no fields of sensitive data; Indiana, Kentucky and Rhode Island have them in a segment of their own.
const fn late_state(id: u16, apart: usize) -> Layout {
    Layout { id, sale: 5, targeting: &[6], sensitive: 0, count: &[0], apart }
}

impl Layout {
    /// Notes what a section refuses; one that breaks off refuses what it has said by then.
    fn read(&self, part: &str, said: &mut Platform) {
        let mut segments = part.split('.');
        let core = Bits::new(segments.next().unwrap_or_default());
        let version = core.number(0, 6).map_or(0, |version| version as usize);
        // A version that is not known has its fields elsewhere.
        let Some(count) = version.checked_sub(1).and_then(|version| self.count.get(version)) else { return };
        let is_refused = |field: usize| core.number(6 + 2 * field, 2) == Some(1);
        said.no_sale |= is_refused(self.sale);
        said.no_targeting |= self.targeting.iter().any(|field| is_refused(*field));
        said.no_sensitive |= (self.sensitive..self.sensitive + count).any(is_refused);
        if self.apart > 0 {
            let apart = Bits::new(segments.next().unwrap_or_default());
            said.no_sensitive |= (0..self.apart).any(|field| apart.number(2 * field, 2) == Some(1));
        } else {
            let gpc = |segment: &str| {
                let bits = Bits::new(segment);
                bits.number(0, 2) == Some(1) && bits.bit(2) == Some(true)
            };
            said.signal |= segments.any(gpc);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value as Json;

    /// What the platform's own library makes, section by section.
    #[test]
    fn strings_of_the_reference_library_are_read_as_they_were_made() {
        let cases: Vec<Json> = serde_json::from_str(include_str!("../../tests/fold/data/gpp.json")).unwrap();
        assert_eq!(cases.len(), 120);
        for case in &cases {
            let text = case["text"].as_str().unwrap();
            let (mut all, mut together) = (Vec::new(), Platform::default());
            for (id, section) in case["sections"].as_object().unwrap() {
                let id: u16 = id.parse().unwrap();
                let is = |key: &str| section[key] == true;
                let listed = section.get("tcf").map(|list| {
                    list.as_array().unwrap().iter().fold(0, |set, it| set | 1 << (it.as_u64().unwrap() - 1))
                });
                let expected = Platform {
                    no_sale: is("sale"),
                    no_targeting: is("targeting"),
                    no_sensitive: is("sensitive"),
                    signal: is("signal"),
                    tcf: listed,
                };
                assert_eq!(read(text, Some(&[id])), Some(expected), "section {id} of {text}");
                together.no_sale |= expected.no_sale;
                together.no_targeting |= expected.no_targeting;
                together.no_sensitive |= expected.no_sensitive;
                together.signal |= expected.signal;
                together.consented(expected.tcf);
                all.push(id);
            }
            all.sort_unstable();
            assert_eq!(sections(Bits::new(text.split('~').next().unwrap())), Some(all), "{text}");
            assert_eq!(read(text, None), Some(together), "{text}");
        }
    }

    #[test]
    fn what_is_no_such_string_says_nothing() {
        for text in
            ["", "~", "1YNN", "CPXxRfAPXxRfAAfKABENB", "DB", "DBABM~".get(..3).unwrap(), "DD____________", "é~é"]
        {
            assert_eq!(read(text, None), None, "{text}");
        }
        // Sections that are not known leave those beside them.
        assert_eq!(read("DBABTA~1YYN", None).map(|it| it.no_sale), Some(true));
        assert_eq!(read("DBABTA", None), Some(Platform::default()), "its sections are missing");
        // A version that is not known says nothing.
        assert_eq!(read("DBABLA~PVVVVVVVVVVV.YA", None), Some(Platform::default()));
    }

    proptest! {
        #[test]
        fn anything_is_read_or_refused(text in "\\PC{0,80}|DB[A-Za-z0-9_-]{0,12}(~[A-Za-z0-9_.-]{0,40}){0,4}") {
            let _ = read(&text, None);
        }
    }
}
