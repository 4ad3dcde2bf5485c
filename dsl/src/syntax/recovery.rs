//! Where to go on after an error inside an item: what could not be read is overwritten with one mark, [`FAULTY`], that the
//! grammar takes for a clause, a statement or a field, and everything else keeps its place.
//!
//! Pieces are found by words and brackets alone: between braces, each begins behind a brace, or with a word that begins
//! clauses, at the start of a line; between the braces of `send` and `show` they end with commas. One pass, linear.

use super::scan::{self, Kind, Problem, Token};
use std::ops::Range;

/// Stands for what could not be read; a character that no text needs.
pub const FAULTY: char = '\u{1}';

/// Words that begin clauses and statements, of all items.
const BEGINNINGS: [&str; 20] = [
    "purpose",
    "when",
    "enter",
    "again",
    "goal",
    "exit",
    "hours",
    "wait",
    "if",
    "split",
    "send",
    "set",
    "within",
    "by",
    "variants",
    "on",
    "label",
    "for",
    "from",
    "otherwise",
];

/// The item without the clause that holds byte `at`; `None` where that is none of its clauses.
#[must_use]
pub fn without_clause(text: &str, at: usize) -> Option<String> {
    let pieces = pieces(text, true);
    let index = guilty(&pieces, at).filter(|index| !text[pieces[*index].range.clone()].starts_with(FAULTY))?;
    let mut text = text.to_owned();
    overwrite(&mut text, &pieces, index);
    Some(text)
}

/// The item without the clauses whose brackets or quotes have no partner, and with the braces that are not closed closed at
/// its end. Something that was hidden by them may show up in it.
#[must_use]
pub fn without_problems(text: &str, problems: &[Problem]) -> Option<String> {
    let pieces = pieces(text, false);
    let mut sound = text.to_owned();
    let mut unclosed = 0;
    for problem in problems {
        let range = problem.range();
        match text.get(range.start..range.end) {
            Some("{") => unclosed += 1,
            Some("}") => return None,
            _ => {
                let index = pieces.iter().position(|piece| piece.range.contains(&range.start))?;
                overwrite(&mut sound, &pieces, index);
            }
        }
    }
    sound.push_str(&"}".repeat(unclosed));
    Some(sound)
}

/// A clause, a statement up to its braces, or a field.
struct Piece {
    range: Range<usize>,
    /// It begins as pieces do: what is wrong there may be the end of the one before it.
    sound_start: bool,
    /// No brace is between it and the one before it.
    follows: bool,
    /// The braces with fields that belong to it.
    fields: Option<Range<usize>>,
}

/// The piece that an error at a byte is about.
fn guilty(pieces: &[Piece], at: usize) -> Option<usize> {
    let index = pieces.iter().rposition(|piece| piece.range.start <= at)?;
    let piece = &pieces[index];
    if at == piece.range.start && piece.sound_start && piece.follows {
        return index.checked_sub(1);
    }
    Some(index)
}

/// Puts the mark in place of a piece, and white space in place of the rest of it.
fn overwrite(text: &mut String, pieces: &[Piece], index: usize) {
    let piece = &pieces[index];
    // A field keeps the comma behind it; a statement loses the fields that its braces hold.
    for range in [Some(piece.range.clone()), piece.fields.clone()].into_iter().flatten() {
        let mark = if range == piece.range { FAULTY } else { ' ' };
        let blank: String =
            std::iter::once(mark).chain(std::iter::repeat_n(' ', range.len().saturating_sub(1))).collect();
        text.replace_range(range, &blank);
    }
}

/// Whether a word at the start of a line begins a clause, or is mistyped for one that does.
fn begins(word: &str) -> bool {
    const OTHERS: [&str; 10] = ["and", "or", "not", "then", "else", "is", "where", "as", "no", "up"];
    let near = |known: &&str| word.len() > 2 && strsim::damerau_levenshtein(known, word) == 1;
    BEGINNINGS.contains(&word) || !OTHERS.contains(&word) && BEGINNINGS.iter().any(near)
}

fn pieces(text: &str, trust_parentheses: bool) -> Vec<Piece> {
    let tokens = scan::tokens(text);
    let word = |token: &Token| text.get(token.range.start..token.range.end).unwrap_or_default();
    let Some(body) = tokens.iter().position(|token| token.kind == Kind::Open(b'{')) else { return Vec::new() };
    let mut pieces: Vec<Piece> = Vec::new();
    // Of each open brace: whether fields stand in it, and which piece is before it.
    let mut open: Vec<Option<(usize, usize)>> = Vec::new();
    let mut parentheses = 0_usize;
    let mut current: Option<Range<usize>> = None;
    let mut after_brace = true;
    let mut sound_start = false;
    let mut follows = false;
    for (index, token) in tokens.iter().enumerate().skip(body + 1) {
        let in_fields = matches!(open.last(), Some(Some(_)));
        let ends = match token.kind {
            Kind::Open(b'{') | Kind::Close(b'}') => true,
            Kind::Comma => in_fields && parentheses == 0,
            Kind::Word => {
                !in_fields && token.first_in_line && begins(word(token)) && (parentheses == 0 || !trust_parentheses)
            }
            _ => false,
        };
        if ends && let Some(range) = current.take() {
            pieces.push(Piece { range, sound_start, follows, fields: None });
        }
        match token.kind {
            Kind::Open(b'{') => {
                let holds_fields = matches!(tokens.get(index + 1), Some(next) if next.kind == Kind::Word)
                    && matches!(tokens.get(index + 2), Some(next) if matches!(word(next), ":" | "="));
                let owner = (pieces.len().checked_sub(1)).filter(|_| holds_fields && !after_brace);
                open.push(owner.map(|owner| (owner, token.range.start)).or(holds_fields.then_some((usize::MAX, 0))));
                parentheses = 0;
                after_brace = true;
            }
            Kind::Close(b'}') => {
                if let Some(Some((owner, start))) = open.pop()
                    && let Some(piece) = pieces.get_mut(owner)
                {
                    piece.fields = Some(start..token.range.end);
                }
                parentheses = 0;
                after_brace = true;
            }
            Kind::Comma if ends => after_brace = false,
            _ => {
                match token.kind {
                    Kind::Open(_) => parentheses += 1,
                    Kind::Close(_) => parentheses = parentheses.saturating_sub(1),
                    _ => {}
                }
                let range = current.get_or_insert_with(|| {
                    sound_start = BEGINNINGS.contains(&word(token));
                    follows = !after_brace;
                    token.range.start..token.range.end
                });
                range.end = token.range.end;
                after_brace = false;
            }
        }
    }
    // The last brace is that of the item; one that is missing leaves a piece open.
    pieces.extend(current.map(|range| Piece { range, sound_start, follows, fields: None }));
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<&str> {
        pieces(text, true).into_iter().map(|piece| &text[piece.range]).collect()
    }

    #[test]
    fn a_journey_is_cut_at_its_clauses_and_braces() {
        let text = "journey j {\n  enter on a as c\n  goal b # why\n  split {\n 10% x { } 90% y {\n if z { send e.m { to: p, n: f(a, b) } } else { wait 3d\n exit } } } }";
        let expected = [
            "enter on a as c",
            "goal b",
            "split",
            "10% x",
            "90% y",
            "if z",
            "send e.m",
            "to: p",
            "n: f(a, b)",
            "else",
            "wait 3d",
            "exit",
        ];
        assert_eq!(shown(text), expected);
    }

    #[test]
    fn what_is_taken_out_leaves_everything_else_in_its_place() {
        let text = "journey j {\n  enter onn a\n  wait 3d\n}";
        assert_eq!(without_clause(text, 20).unwrap(), "journey j {\n  \u{1}          \n  wait 3d\n}");
        let text = "segment s {\n  purpose x\n  when count(a\n}";
        let start = text.find('(').unwrap();
        let problem = Problem::Unclosed(scan::Range { start, end: start + 1 });
        assert_eq!(without_problems(text, &[problem]).unwrap(), "segment s {\n  purpose x\n  \u{1}           \n}");
    }
}
