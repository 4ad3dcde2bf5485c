//! Puts into words what the grammar expected at the place where it could not go on.

use super::idiom;
use crate::diagnostic::{Diagnostic, codes};
use crate::source::{FileId, Span};

/// Something that could have stood there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Exactly this.
    Word(&'static str),
    /// The name of something.
    Name,
    /// Anything that has a value.
    Value,
    /// An operator between two values.
    Operator,
    /// `24h`
    Duration,
    /// A text between double quotes.
    Text,
    /// `last 24h`, `per product` …
    Window,
}

/// The error at byte `at` of an item's text.
#[must_use]
pub fn unexpected(file: FileId, text: &str, at: usize, mut expected: Vec<Expected>) -> Diagnostic {
    let found = found(text, at);
    simplify(&mut expected);
    let words = expected.iter().map(|one| phrase(*one)).collect::<Vec<_>>();
    let message = match found {
        Some(found) => format!("`{found}` does not fit here"),
        None => "the rule ends too early".to_owned(),
    };
    let span = match found {
        Some(found) => Span { file, start: at as u32, end: (at + found.len()) as u32 },
        None => last_character(file, text),
    };
    let label = match words.as_slice() {
        [] => String::new(),
        words if words.len() > 5 => "unexpected".to_owned(),
        words => format!("expected {}", alternatives(words)),
    };
    let diagnostic = Diagnostic::error(codes::UNEXPECTED, message, span, label);
    let meant = |found| idiom::translate(text, at, found, &expected).map(str::to_owned);
    match found.and_then(|found| meant(found).or_else(|| help(found, &expected))) {
        Some(help) => diagnostic.help(help),
        None => diagnostic,
    }
}

/// `a`, `a or b`, `a, b or c`
fn alternatives(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// The word, or the one character, at a place.
fn found(text: &str, at: usize) -> Option<&str> {
    let rest = text.get(at..)?;
    let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    let length = if word > 0 { word } else { rest.chars().next()?.len_utf8() };
    rest.get(..length).filter(|found| !found.trim().is_empty())
}

fn last_character(file: FileId, text: &str) -> Span {
    let start = text.char_indices().next_back().map_or(0, |(at, _)| at);
    Span { file, start: start as u32, end: text.len() as u32 }
}

/// Each once; what can go on after a value is an operator before all else.
fn simplify(expected: &mut Vec<Expected>) {
    let mut once = Vec::new();
    for one in expected.drain(..) {
        if !once.contains(&one) {
            once.push(one);
        }
    }
    // Where a value may stand, so may a name, a duration and `not`.
    if once.contains(&Expected::Value) {
        once.retain(|one| !matches!(one, Expected::Name | Expected::Duration | Expected::Operator));
    }
    *expected = once;
}

fn phrase(expected: Expected) -> String {
    match expected {
        Expected::Word(word) => format!("`{word}`"),
        Expected::Name => "a name".to_owned(),
        Expected::Value => "a value".to_owned(),
        Expected::Operator => "an operator".to_owned(),
        Expected::Duration => "a length of time such as `24h`".to_owned(),
        Expected::Text => "a text between double quotes".to_owned(),
        Expected::Window => "a window such as `last 7d`".to_owned(),
    }
}

const RESERVED: [&str; 12] = ["and", "or", "not", "if", "then", "else", "is", "true", "false", "where", "as", "within"];

fn help(found: &str, expected: &[Expected]) -> Option<String> {
    let words = expected.iter().filter_map(|one| match one {
        Expected::Word(word) if word.len() > 1 => Some(*word),
        _ => None,
    });
    let operators: &[&str] = if expected.contains(&Expected::Operator) { &["and", "or", "is"] } else { &[] };
    let windows: &[&str] = if expected.contains(&Expected::Window) { &["last", "since", "per"] } else { &[] };
    let near = words
        .chain(operators.iter().copied())
        .chain(windows.iter().copied())
        .find(|word| strsim::damerau_levenshtein(word, &found.to_lowercase()) <= 1 + word.len() / 5);
    if let Some(near) = near {
        return Some(format!("did you mean `{near}`?"));
    }
    if expected.contains(&Expected::Name) && RESERVED.contains(&found) {
        return Some(format!("`{found}` is a word of the language and can't be a name"));
    }
    let is_word = found.starts_with(|c: char| c.is_alphabetic() || c == '_');
    if expected.contains(&Expected::Word("else")) {
        return Some("an `if` needs an `else`: `if did(order) then \"buyer\" else \"visitor\"`".to_owned());
    }
    if expected.contains(&Expected::Word("when"))
        && !expected.contains(&Expected::Operator)
        && (is_word || found == "(")
    {
        return Some("a condition begins with `when`".to_owned());
    }
    if found == "not" {
        return Some("`not` stands before a whole condition: `not category == \"shoes\"`".to_owned());
    }
    if is_word && expected.contains(&Expected::Operator) {
        return Some(
            "two values need an operator between them; what a function asks stands in parentheses: `count(view)`"
                .to_owned(),
        );
    }
    match found {
        ";" => Some("nothing ends with a semicolon here: leave it out".to_owned()),
        "/" | "-" if expected.contains(&Expected::Value) => Some("a comment begins with `#`".to_owned()),
        "[" | "]" => Some("the language has no square brackets".to_owned()),
        "“" | "”" | "„" | "‘" | "’" => Some("use plain double quotes: \"text\"".to_owned()),
        "=" if expected.contains(&Expected::Word("{")) => {
            Some("a segment's condition stands in braces: `segment name { when … }`".to_owned())
        }
        "{" if expected.contains(&Expected::Word("=")) => Some("a trait has no braces: `trait name = …`".to_owned()),
        _ => None,
    }
}
