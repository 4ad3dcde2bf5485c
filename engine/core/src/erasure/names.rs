//! What somebody is known by, and where a text says it: as a whole word, never as a part of one.
//!
//! | what | where it is them |
//! |---|---|
//! | an identifier of a kind and value | wherever a message has that kind, however it is written and however short it is |
//! | of six characters or more | where a text is nothing else, also as it was written before it was made comparable |
//! | the same, and more than digits | as a word in a longer text, too |
//!
//! Shorter ones and numbers are words and sums that mean something else there: of whom they are, nobody can tell.

use crate::govern::Governor;
use sonder_dsl::ir::{IdentifierKindId, Program};
use std::collections::BTreeSet;
use std::ops::Range;

/// What a text has in place of an identifier.
pub const ERASED: &str = "erased";

/// From how many characters on an identifier says something where nothing says of what kind it is.
const TELLING: usize = 6;

/// Everything that somebody is known by.
pub struct Names<'a> {
    program: &'a Program,
    governor: Governor,
    /// (kind, value), as they were made comparable.
    exact: BTreeSet<(String, String)>,
    /// In lower case: texts that are nothing but one of these are them.
    whole: BTreeSet<String>,
    /// The same, where they may stand in a longer text.
    words: BTreeSet<String>,
}

impl<'a> Names<'a> {
    /// Of all their identifiers, as (kind, value).
    #[must_use]
    pub fn new(program: &'a Program, identifiers: &[(String, String)]) -> Self {
        let mut names = Self {
            program,
            governor: Governor::new(program),
            exact: identifiers.iter().cloned().collect(),
            whole: BTreeSet::new(),
            words: BTreeSet::new(),
        };
        identifiers.iter().for_each(|(_, value)| names.add(value));
        names
    }

    /// Another way to write one of their identifiers.
    pub fn add(&mut self, written: &str) {
        let written = written.trim().to_lowercase();
        if written.chars().count() < TELLING || written == ERASED {
            return;
        }
        if !written.chars().all(|it| it.is_ascii_digit()) {
            self.words.insert(written.clone());
            if written.contains('@') {
                // As addresses of pages have it.
                self.words.insert(written.replace('+', "%2b").replace('@', "%40"));
            }
        }
        self.whole.insert(written);
    }

    /// What the project is.
    #[must_use]
    pub const fn program(&self) -> &'a Program {
        self.program
    }

    /// What makes values comparable as the project says.
    #[must_use]
    pub const fn governor(&self) -> &Governor {
        &self.governor
    }

    /// (kind, value) of each.
    pub fn exact(&self) -> impl Iterator<Item = (&str, &str)> {
        self.exact.iter().map(|(kind, value)| (kind.as_str(), value.as_str()))
    }

    /// How they are written, in lower case: texts that are nothing but one of these are them.
    pub fn whole(&self) -> impl Iterator<Item = &str> {
        self.whole.iter().map(String::as_str)
    }

    /// Those of them that may stand in a longer text, also as addresses of pages have them.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.words.iter().map(String::as_str)
    }

    /// Whether a value of that kind is theirs, however it is written.
    #[must_use]
    pub fn has(&self, kind: &str, written: &str) -> bool {
        let is_one = |value: &str| self.exact.iter().any(|(known, it)| known == kind && it == value);
        let id = self.program.identity.identifiers.iter().zip(0..).find(|(declared, _)| declared.name == kind);
        let made = || self.governor.identifier(IdentifierKindId(id?.1), written);
        is_one(written) || is_one(written.trim()) || made().is_some_and(|it| is_one(&it.value))
    }

    /// Whether a text is nothing but an identifier of theirs: `ann@shop.example`, `email:ann@shop.example`.
    #[must_use]
    pub fn is_whole(&self, text: &str) -> bool {
        let lower = text.trim().to_lowercase();
        if let Some((kind, value)) = text.trim().split_once(':')
            && self.has(kind, value)
        {
            return true;
        }
        if lower.chars().count() < TELLING {
            return false;
        }
        // The kinds that are written as they are compared were looked for by now.
        let is_made = || {
            let kinds = self.program.identity.identifiers.iter().filter(|kind| !kind.normalize.is_empty());
            kinds.into_iter().any(|kind| self.has(&kind.name, text))
        };
        self.whole.contains(&lower) || is_made()
    }

    /// A text with something else in the places of their identifiers; `None` where it has none.
    #[must_use]
    pub fn without(&self, text: &str) -> Option<String> {
        let lower = Lower::of(text);
        let mut places: Vec<Range<usize>> = self.words.iter().flat_map(|word| lower.words(text, word)).collect();
        if places.is_empty() {
            return None;
        }
        // The longest of those that begin at one place.
        places.sort_by_key(|it| (it.start, std::cmp::Reverse(it.end)));
        let (mut kept, mut end) = (String::with_capacity(text.len()), 0);
        for place in places {
            if place.start >= end {
                kept.push_str(&text[end..place.start]);
                kept.push_str(ERASED);
                end = place.end;
            }
        }
        kept.push_str(&text[end..]);
        Some(kept)
    }
}

/// A text in lower case, and where each byte of it stands in the text.
struct Lower {
    text: String,
    places: Vec<usize>,
}

impl Lower {
    fn of(text: &str) -> Self {
        let (mut lower, mut places) = (String::with_capacity(text.len()), Vec::with_capacity(text.len() + 1));
        for (place, character) in text.char_indices() {
            lower.extend(character.to_lowercase());
            places.resize(lower.len(), place);
        }
        places.push(text.len());
        Self { text: lower, places }
    }

    /// Where the text has a word.
    fn words<'t>(&'t self, text: &'t str, word: &'t str) -> impl Iterator<Item = Range<usize>> + 't {
        let is_address = word.contains('@') || word.contains("%40");
        let found = self.text.match_indices(word).map(|(start, _)| (start, start + word.len()));
        found.filter_map(move |(start, end)| {
            let (from, to) = (*self.places.get(start)?, *self.places.get(end)?);
            // A letter that becomes two in lower case is found as a whole.
            let is_cut = |at: usize, place: usize| at > 0 && self.places.get(at - 1) == Some(&place);
            let is_word = !is_cut(start, from) && !is_cut(end, to) && stands_alone(text, from..to, is_address);
            is_word.then_some(from..to)
        })
    }
}

/// Whether nothing beside a place belongs to what stands there.
fn stands_alone(text: &str, place: Range<usize>, is_address: bool) -> bool {
    let (before, after) = (&text[..place.start], &text[place.end..]);
    let mut left = before.chars().rev();
    let left = match escape(before.get(before.len().wrapping_sub(3)..).unwrap_or_default()) {
        Some(escaped) => [Some(escaped), None],
        None => [left.next(), left.next()],
    };
    let mut right = after.chars();
    let right = match escape(after.get(..3).unwrap_or_default()) {
        Some(escaped) => [Some(escaped), None],
        None => [right.next(), right.next()],
    };
    [left, right].into_iter().all(|[next, beyond]| {
        let Some(next) = next else { return true };
        let goes_on = beyond.is_some_and(char::is_alphanumeric);
        match next {
            '-' | '_' => false,
            // The end of a sentence is not that of a name.
            '.' => !goes_on,
            '@' => !is_address && !goes_on,
            '%' | '+' => !is_address,
            _ => !next.is_alphanumeric(),
        }
    })
}

/// The character that `%20` stands for in the address of a page.
fn escape(text: &str) -> Option<char> {
    let digits = text.strip_prefix('%').filter(|it| it.len() == 2 && it.chars().all(|it| it.is_ascii_hexdigit()))?;
    u8::from_str_radix(digits, 16).ok().filter(u8::is_ascii).map(char::from)
}
