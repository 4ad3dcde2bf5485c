//! The texts of identifiers, one after another in pages: no allocation and no counters for each.

use sonder_dsl::limits;

/// Bytes of a page.
const PAGE: usize = 1 << 16;

/// Texts begin at multiples of this, so that 32 bits reach 16 GiB of them.
const STEP: usize = 4;

/// Pages begin at multiples of this.
const STEPS: u32 = (PAGE / STEP) as u32;

/// Where a text is; in halves of words, so that it needs no room beside what is as small.
#[derive(Clone, Copy, Debug)]
pub struct TextId {
    begin: [u16; 2],
    bytes: u16,
}

/// No identifier is longer than a [`TextId`] can say.
const _: () = assert!(limits::IDENTIFIER_BYTES <= u16::MAX as usize);

/// All texts. None is ever removed.
#[derive(Debug, Default)]
pub struct Texts {
    pages: Vec<String>,
}

impl Texts {
    /// Keeps a text, of at most 65,535 bytes.
    pub fn add(&mut self, text: &str) -> TextId {
        let fits = |page: &String| page.len().next_multiple_of(STEP) + text.len() <= PAGE;
        if !self.pages.last().is_some_and(fits) {
            // The first page grows as texts do: most states in tests know a handful of people.
            self.pages.push(if self.pages.is_empty() { String::new() } else { String::with_capacity(PAGE) });
        }
        let number = self.pages.len() as u32 - 1;
        let Some(page) = self.pages.last_mut() else { return TextId { begin: [0, 0], bytes: 0 } };
        while page.len() % STEP > 0 {
            page.push('\0');
        }
        let begin = number * STEPS + (page.len() / STEP) as u32;
        page.push_str(text);
        debug_assert!(text.len() <= usize::from(u16::MAX), "identifiers are shorter");
        TextId { begin: [(begin >> 16) as u16, begin as u16], bytes: text.len() as u16 }
    }

    /// A text; of other texts' id, nothing.
    pub fn get(&self, id: TextId) -> &str {
        let [high, low] = id.begin.map(u32::from);
        let place = high << 16 | low;
        let begin = (place % STEPS) as usize * STEP;
        let page = self.pages.get((place / STEPS) as usize);
        page.and_then(|page| page.get(begin..begin + id.bytes as usize)).unwrap_or_default()
    }

    /// Bytes on the heap.
    pub fn heap(&self) -> usize {
        self.pages.iter().map(String::capacity).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_found_again_across_pages() {
        let mut texts = Texts::default();
        let all: Vec<String> = (0..5_000).map(|number| "ä".repeat(number % 50) + &number.to_string()).collect();
        let long = "x".repeat(PAGE - 1);
        let mut ids: Vec<TextId> = all.iter().map(|text| texts.add(text)).collect();
        ids.insert(0, texts.add(&long));
        ids.push(texts.add(""));
        assert!(texts.pages.len() > 3);
        for (id, text) in ids.iter().zip([long.as_str()].into_iter().chain(all.iter().map(String::as_str)).chain([""]))
        {
            assert_eq!(texts.get(*id), text);
        }
    }
}
