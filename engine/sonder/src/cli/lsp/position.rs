//! Positions of the protocol: lines from 0, and columns in UTF-16 units. Ours are bytes.

use lsp_types::{Position, Range};

/// The byte at a position; the end of its line for one behind that, the end of the text for a line that is not there.
pub fn offset(text: &str, position: Position) -> usize {
    let mut start = 0;
    for _ in 0..position.line {
        match text.get(start..).and_then(|rest| rest.find('\n')) {
            Some(at) => start += at + 1,
            None => return text.len(),
        }
    }
    let line = text.get(start..).unwrap_or_default().split('\n').next().unwrap_or_default();
    let mut units = 0;
    for (at, character) in line.char_indices() {
        if units >= position.character {
            return start + at;
        }
        units += character.len_utf16() as u32;
    }
    start + line.trim_end_matches('\r').len()
}

/// The position of a byte; that of the character it is in.
pub fn position(text: &str, offset: usize) -> Position {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    let before = text.get(..offset).unwrap_or_default();
    let line = before.bytes().filter(|&byte| byte == b'\n').count() as u32;
    let begin = before.rfind('\n').map_or(0, |at| at + 1);
    let character = before.get(begin..).unwrap_or_default().encode_utf16().count() as u32;
    Position { line, character }
}

/// The range of bytes.
pub fn range(text: &str, start: usize, end: usize) -> Range {
    Range { start: position(text, start), end: position(text, end) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_utf_16_units() {
        let text = "aé\n😀b\r\nc";
        for (byte, line, character) in
            [(0, 0, 0), (1, 0, 1), (3, 0, 2), (4, 1, 0), (8, 1, 2), (9, 1, 3), (11, 2, 0), (12, 2, 1)]
        {
            let place = Position { line, character };
            assert_eq!(position(text, byte), place, "{byte}");
            assert_eq!(offset(text, place), byte, "{place:?}");
        }
    }

    #[test]
    fn places_that_are_not_there_are_the_nearest_that_are() {
        assert_eq!(offset("ab\ncd", Position { line: 0, character: 9 }), 2);
        assert_eq!(offset("ab\ncd", Position { line: 7, character: 0 }), 5);
        assert_eq!(position("😀", 2), Position { line: 0, character: 0 });
    }
}
