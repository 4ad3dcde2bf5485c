//! Texts of base64url, read by bits: how consent strings are written. Nothing is unpacked, so that a text costs what it is long.

/// A text, bit by bit.
#[derive(Clone, Copy, Debug)]
pub struct Bits<'t>(&'t [u8]);

impl<'t> Bits<'t> {
    /// Of a text; one that is no base64url ends where it is none.
    pub const fn new(text: &'t str) -> Self {
        Self(text.as_bytes())
    }

    /// A bit; `None` behind the end.
    pub fn bit(self, place: usize) -> Option<bool> {
        let sextet = value(*self.0.get(place / 6)?)?;
        Some(sextet >> (5 - place % 6) & 1 == 1)
    }

    /// A number of up to 32 bits, the highest first; `None` where it goes beyond the end.
    pub fn number(self, place: usize, bits: usize) -> Option<u32> {
        (place..place + bits).try_fold(0, |number, place| Some(number << 1 | u32::from(self.bit(place)?)))
    }

    /// A set of so many numbers from 1: bit 0 is the first.
    pub fn set(self, place: usize, count: usize) -> Option<u32> {
        (0..count).try_fold(0, |set, at| Some(set | u32::from(self.bit(place + at)?) << at))
    }
}

/// Of a digit of base64url.
const fn value(digit: u8) -> Option<u8> {
    Some(match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'-' | b'+' => 62,
        b'_' | b'/' => 63,
        _ => return None,
    })
}
