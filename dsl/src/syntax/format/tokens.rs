//! A file without errors as tokens, and everything between them that is worth keeping: comments and blank lines.
//!
//! Unlike the scan before parsing this one only meets text that has been parsed, so it need not judge anything. What the
//! grammar reads without white space in it (`profile.country`, `1d 12h`, `this session`) is one token, and never broken.

use std::borrow::Cow;

/// A word, literal or mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    /// What it is.
    pub kind: Kind,
    /// As written, but for spaces inside `1d  12h`.
    pub text: Cow<'a, str>,
    /// Where it begins in the file.
    pub start: usize,
    /// It is in the line of the token before it.
    pub same_line: bool,
    /// A blank line is right before it.
    pub blank_before: bool,
}

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A keyword, a name, or names with dots between them.
    Word,
    /// A number, a duration or a date.
    Number,
    /// In quotes.
    Text,
    /// Operators, brackets, commas.
    Mark,
}

/// A comment, from `#` to the end of its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment<'a> {
    /// As written, without white space at its end.
    pub text: &'a str,
    /// Nothing but white space is before it in its line.
    pub own_line: bool,
    /// A blank line is right before it.
    pub blank_before: bool,
}

/// All tokens of a file.
#[derive(Clone, Debug, Default)]
pub struct Tokens<'a> {
    /// In order.
    pub tokens: Vec<Token<'a>>,
    /// The comments before each token, and at last those behind all of them.
    // INVARIANT: one longer than `tokens`; only the first comment of a gap may share its line with a token.
    pub gaps: Vec<Vec<Comment<'a>>>,
}

impl<'a> Tokens<'a> {
    /// The comments in lines of their own before a token.
    #[must_use]
    pub fn before(&self, index: usize) -> &[Comment<'a>] {
        let gap = self.gaps.get(index).map_or(&[] as &[_], Vec::as_slice);
        if gap.first().is_some_and(|comment| !comment.own_line) { &gap[1..] } else { gap }
    }

    /// The comment in the rest of a token's line.
    #[must_use]
    pub fn behind(&self, index: usize) -> Option<&Comment<'a>> {
        self.gaps.get(index + 1).and_then(|gap| gap.first()).filter(|comment| !comment.own_line)
    }

    /// The text of a token; past the end an empty one.
    #[must_use]
    pub fn text(&self, index: usize) -> &str {
        self.tokens.get(index).map_or("", |token| &token.text)
    }

    /// What a token is.
    #[must_use]
    pub fn kind(&self, index: usize) -> Option<Kind> {
        self.tokens.get(index).map(|token| token.kind)
    }
}

/// Marks of two characters; any other is one.
const LONG_MARKS: [&str; 4] = ["==", "!=", "<=", ">="];

/// Splits a file that has been parsed.
#[must_use]
pub fn tokens(text: &str) -> Tokens<'_> {
    let mut found = Tokens::default();
    let mut gap = Vec::new();
    let mut at = 0;
    // Line breaks since the last token or comment.
    let mut breaks = 0;
    // Whether one came since the last token.
    let mut broken = true;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let Some(first) = rest.chars().next() else { break };
        match first {
            '\n' => {
                breaks += 1;
                broken = true;
                at += 1;
            }
            ' ' | '\t' | '\r' | '\u{FEFF}' => at += first.len_utf8(),
            '#' => {
                let comment = rest.split('\n').next().unwrap_or(rest);
                gap.push(Comment { text: comment.trim_end(), own_line: broken, blank_before: breaks > 1 });
                breaks = 0;
                at += comment.len();
            }
            _ => {
                let (kind, length) = token(rest, first);
                let written = &rest[..length];
                let text = if kind != Kind::Text && written.contains("  ") {
                    Cow::Owned(written.split_ascii_whitespace().collect::<Vec<_>>().join(" "))
                } else {
                    Cow::Borrowed(written)
                };
                found.tokens.push(Token { kind, text, start: at, same_line: !broken, blank_before: breaks > 1 });
                found.gaps.push(std::mem::take(&mut gap));
                (breaks, broken) = (0, false);
                at += length;
            }
        }
    }
    found.gaps.push(gap);
    found
}

/// What the token at the beginning of `rest` is, and its length in bytes.
fn token(rest: &str, first: char) -> (Kind, usize) {
    match first {
        '"' => (Kind::Text, quoted(rest)),
        '0'..='9' => (Kind::Number, date(rest).or_else(|| clock(rest)).unwrap_or_else(|| number(rest))),
        _ if is_word(first) => (Kind::Word, words(rest)),
        _ if LONG_MARKS.iter().any(|mark| rest.starts_with(mark)) => (Kind::Mark, 2),
        _ => (Kind::Mark, first.len_utf8()),
    }
}

fn is_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_' || !character.is_ascii() && character != '\u{FEFF}'
}

fn word(text: &str) -> usize {
    text.find(|c| !is_word(c)).unwrap_or(text.len())
}

fn digits(text: &str) -> usize {
    text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len())
}

fn spaces(text: &str) -> usize {
    text.find(|c| c != ' ').unwrap_or(text.len())
}

fn quoted(text: &str) -> usize {
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// `profile.country`, and `this session`, which the grammar reads as one word.
fn words(text: &str) -> usize {
    let mut length = word(text);
    if &text[..length] == "this" {
        let gap = spaces(&text[length..]);
        let next = &text[length + gap..];
        return if gap > 0 && &next[..word(next)] == "session" { length + gap + word(next) } else { length };
    }
    while let Some(field) = text[length..].strip_prefix('.').map(word).filter(|&field| field > 0) {
        length += 1 + field;
    }
    length
}

/// `2026-01-01`, `2026-01-01T09:30:00+01:00`
fn date(text: &str) -> Option<usize> {
    let bytes = text.as_bytes().get(..10)?;
    let shaped = bytes.iter().enumerate().all(|(at, byte)| match at {
        4 | 7 => *byte == b'-',
        _ => byte.is_ascii_digit(),
    });
    if !shaped {
        return None;
    }
    let time = text[10..].strip_prefix('T').map_or(0, |time| {
        1 + time.find(|c: char| !(c.is_ascii_alphanumeric() || ":.+-".contains(c))).unwrap_or(time.len())
    });
    let end = 10 + time;
    (!text[end..].starts_with(is_word)).then_some(end)
}

/// `08:00`
fn clock(text: &str) -> Option<usize> {
    let bytes = text.as_bytes().get(..5)?;
    let shaped = bytes.iter().enumerate().all(|(at, byte)| if at == 2 { *byte == b':' } else { byte.is_ascii_digit() });
    (shaped && !text[5..].starts_with(is_word)).then_some(5)
}

/// `3`, `0.10`, `24h`, `1d 12h`, `50%`
fn number(text: &str) -> usize {
    let mut length = number_part(text);
    if text[length..].starts_with('%') {
        return length + 1;
    }
    while text[..length].ends_with(|c: char| c.is_ascii_alphabetic()) {
        let gap = spaces(&text[length..]);
        let next = &text[length + gap..];
        let part = number_part(next);
        if gap == 0 || part == 0 || !next[..part].ends_with(|c: char| c.is_ascii_alphabetic()) {
            break;
        }
        length += gap + part;
    }
    length
}

fn number_part(text: &str) -> usize {
    let whole = digits(text);
    if whole == 0 {
        return 0;
    }
    let fraction = text[whole..].strip_prefix('.').map(digits).filter(|&digits| digits > 0).map_or(0, |n| n + 1);
    let number = whole + fraction;
    number + word(&text[number..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_grammar_reads_as_one_is_one() {
        let text = "a.b.c >= 1.50*(x-2026-01-01T09:30:00+01:00) this  session,last 1d  12h \"a \\\" # b\"";
        let found = tokens(text);
        let texts: Vec<&str> = found.tokens.iter().map(|token| token.text.as_ref()).collect();
        assert_eq!(
            texts,
            [
                "a.b.c",
                ">=",
                "1.50",
                "*",
                "(",
                "x",
                "-",
                "2026-01-01T09:30:00+01:00",
                ")",
                "this session",
                ",",
                "last",
                "1d 12h",
                "\"a \\\" # b\""
            ]
        );
    }

    #[test]
    fn comments_know_their_lines() {
        let found = tokens("# top\n\na # one  \n\n# two\r\n# three\nb");
        assert_eq!(found.gaps[0], [Comment { text: "# top", own_line: true, blank_before: false }]);
        assert_eq!(
            found.gaps[1],
            [
                Comment { text: "# one", own_line: false, blank_before: false },
                Comment { text: "# two", own_line: true, blank_before: true },
                Comment { text: "# three", own_line: true, blank_before: false }
            ]
        );
        assert!(found.tokens[0].blank_before && !found.tokens[1].blank_before);
        assert_eq!(found.gaps.len(), 3);
    }
}
