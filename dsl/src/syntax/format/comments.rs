//! Comments moved to where the layout can leave them: a comment behind `and` goes before it, as the canonical text
//! begins a line with the `and`; one before a comma goes behind it. Their order stays, and moving twice changes nothing.
//!
//! Also here, because comments decide about it: parentheses around a whole condition go.

use super::super::scan::ITEM_WORDS;
use super::tokens::{Comment, Kind, Tokens};

/// Words and marks that begin a line, or stand close to what follows them.
const LEADING: [&str; 50] = [
    "and",
    "or",
    "not",
    "then",
    "else",
    "if",
    "where",
    "within",
    "as",
    "is",
    "when",
    "purpose",
    "==",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
    "+",
    "-",
    "*",
    "/",
    "segment",
    "trait",
    "journey",
    "funnel",
    "experiment",
    "experience",
    "predict",
    "enter",
    "on",
    "per",
    "again",
    "after",
    "goal",
    "hours",
    "to",
    "wait",
    "until",
    "for",
    "up",
    "split",
    "send",
    "set",
    "by",
    "variants",
    "show",
    "otherwise",
    "label",
    "from",
];

/// Words that go on after an expression or an item: what is before them does not ask for them.
const JOINING: [&str; 11] = ["and", "or", "then", "else", "where", "within", "as", "is", "for", "when", "purpose"];

/// Drops the parentheses around whole bodies of items, where no comment is beside them.
///
/// INVARIANT: `tokens` are those of a file that parses, so that all brackets have partners.
pub fn unwrap_bodies(tokens: &mut Tokens<'_>) {
    let mut remove = vec![false; tokens.tokens.len()];
    for index in 0..tokens.tokens.len() {
        if !begins_body(tokens, index) {
            continue;
        }
        let mut open = index + 1;
        while tokens.text(open) == "("
            && let Some(close) = partner(tokens, open)
            && ends_body(tokens, close + 1, &remove)
            && [open, open + 1, close].iter().all(|gap| tokens.gaps[*gap].is_empty())
        {
            remove[open] = true;
            remove[close] = true;
            open += 1;
        }
    }
    let mut removed = remove.iter().copied();
    // The gaps before them are empty.
    let mut gaps = remove.iter().copied();
    tokens.tokens.retain(|_| !removed.next().unwrap_or(false));
    tokens.gaps.retain(|_| !gaps.next().unwrap_or(false));
}

fn partner(tokens: &Tokens<'_>, open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for index in open..tokens.tokens.len() {
        match tokens.text(index) {
            "(" => depth += 1,
            ")" => depth = depth.checked_sub(1)?,
            _ => {}
        }
        if depth == 0 {
            return Some(index);
        }
    }
    None
}

/// Whether a body follows: behind the `=` of a trait, or a `when` that is no name.
fn begins_body(tokens: &Tokens<'_>, index: usize) -> bool {
    let before = |back: usize| index.checked_sub(back).map_or("", |index| tokens.text(index));
    match tokens.text(index) {
        "=" => true,
        "when" => before(1) == "{" || before(2) == "purpose",
        _ => false,
    }
}

/// Whether a body ends before a token: an expression goes on with none of these.
fn ends_body(tokens: &Tokens<'_>, index: usize, removed: &[bool]) -> bool {
    match tokens.text(index) {
        "" | "}" | "when" | "purpose" => true,
        ")" => removed.get(index).copied().unwrap_or(false),
        word => ITEM_WORDS.contains(&word),
    }
}

/// Moves comments to where they can stay.
pub fn settle(tokens: &mut Tokens<'_>) {
    for index in 0..tokens.tokens.len() {
        if goes_behind(tokens, index) {
            move_behind(tokens, index);
        }
    }
    // Open ones behind the token at hand.
    let mut parentheses = 0_usize;
    for index in (0..tokens.tokens.len()).rev() {
        match tokens.text(index) {
            ")" => parentheses += 1,
            "(" => parentheses = parentheses.saturating_sub(1),
            _ => {}
        }
        if goes_before(tokens, index, parentheses) {
            move_before(tokens, index);
        }
    }
}

/// Whether comments before this token belong behind it: it never begins a line.
fn goes_behind(tokens: &Tokens<'_>, index: usize) -> bool {
    match tokens.text(index) {
        "," | "{" | "=" | ":" => true,
        // Of a call; other parentheses come behind operators.
        "(" => index > 0 && tokens.kind(index - 1) == Some(Kind::Word) && !LEADING.contains(&tokens.text(index - 1)),
        // A description.
        _ => tokens.kind(index) == Some(Kind::Text) && matches!(tokens.text(index + 1), "{" | "="),
    }
}

/// Whether comments behind this token belong before it.
fn goes_before(tokens: &Tokens<'_>, index: usize, parentheses: usize) -> bool {
    let next = tokens.text(index + 1);
    if LEADING.contains(&tokens.text(index)) {
        return true;
    }
    // `last 24h`, `no order`: between parentheses a word right before another one asks for it.
    parentheses > 0
        && tokens.kind(index) == Some(Kind::Word)
        && matches!(tokens.kind(index + 1), Some(Kind::Word | Kind::Number))
        && !JOINING.contains(&next)
        && !ITEM_WORDS.contains(&next)
}

fn move_behind(tokens: &mut Tokens<'_>, index: usize) {
    let moved = std::mem::take(&mut tokens.gaps[index]);
    if moved.is_empty() {
        return;
    }
    let gap = &mut tokens.gaps[index + 1];
    let kept = std::mem::replace(gap, moved);
    gap.extend(kept.into_iter().map(alone));
}

fn move_before(tokens: &mut Tokens<'_>, index: usize) {
    let moved = std::mem::take(&mut tokens.gaps[index + 1]);
    let same_line = index > 0 && tokens.tokens[index].same_line;
    let gap = &mut tokens.gaps[index];
    for comment in moved {
        let behind = gap.is_empty() && same_line && !comment.own_line;
        gap.push(if behind { comment } else { alone(comment) });
    }
}

fn alone(comment: Comment<'_>) -> Comment<'_> {
    Comment { own_line: true, ..comment }
}
