//! Rules that somebody wrote, with pieces of other rules in them: most of it is right, so that what is not is found by the
//! checker and not by the parser.

use crate::chance::Chance;
use std::ops::Range;

/// Rules of the shop of `examples/`, for which the files of that project stand beside them.
const WRITTEN: [&str; 5] = [
    include_str!("../../../examples/shop/rules/engagement.sonder"),
    include_str!("../../../examples/shop/rules/interest.sonder"),
    include_str!("../../../examples/shop/rules/journeys.sonder"),
    include_str!("../../../examples/shop/rules/orders.sonder"),
    include_str!("../../../examples/shop/rules/service.sonder"),
];

/// What may take the place of what.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Word,
    Number,
    Text,
    Sign,
    Group,
    Line,
}

/// All of them, in which some pieces have given way to others of their kind.
pub fn rules(chance: &mut Chance) -> String {
    let mut text = WRITTEN.concat();
    for _ in 0..=chance.under(4) {
        let other = chance.one_of(&WRITTEN);
        let (old, new) = (pieces(&text), pieces(other));
        let (kind, place) = old[chance.under(old.len())].clone();
        let fitting: Vec<_> = new.iter().filter(|(of, _)| *of == kind || chance.once_in(200)).collect();
        if !fitting.is_empty() {
            let (_, taken) = fitting[chance.under(fitting.len())];
            text.replace_range(place, &other[taken.clone()]);
        }
    }
    text
}

/// Tokens, groups in brackets of any kind, and lines, as far as they can be told without a parser.
fn pieces(text: &str) -> Vec<(Kind, Range<usize>)> {
    let mut found = Vec::new();
    let mut open = Vec::new();
    let mut rest = text.char_indices().peekable();
    while let Some((start, first)) = rest.next() {
        let mut end = start + first.len_utf8();
        let mut run = |goes_on: &dyn Fn(char) -> bool| {
            while let Some((at, next)) = rest.next_if(|(_, next)| goes_on(*next)) {
                end = at + next.len_utf8();
            }
            end
        };
        match first {
            '#' => _ = run(&|next| next != '\n'),
            '"' => {
                let end = run(&|next| next != '"' && next != '\n');
                found.push((Kind::Text, start..(end + 1).min(text.len())));
                rest.next();
            }
            '(' | '{' | '[' => open.push(start),
            ')' | '}' | ']' => found.extend(open.pop().map(|start| (Kind::Group, start..end))),
            _ if first.is_ascii_digit() => {
                found.push((Kind::Number, start..run(&|next| next.is_alphanumeric() || next == '.')));
            }
            _ if first.is_alphabetic() => {
                found.push((Kind::Word, start..run(&|next| next.is_alphanumeric() || "_.".contains(next))));
            }
            _ if first.is_whitespace() => {}
            _ => found.push((Kind::Sign, start..run(&|next| "=<>!".contains(next)))),
        }
    }
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        found.push((Kind::Line, start..start + line.len()));
        start += line.len();
    }
    found
}
