//! What can be folded: brackets over several lines, and runs of comments.

use crate::syntax::scan::{self, Kind};

/// Bytes that can be hidden.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fold {
    /// The first.
    pub start: usize,
    /// One past the last.
    pub end: usize,
    /// They are comments.
    pub comment: bool,
}

/// All folds of a rule file, by their beginning.
#[must_use]
pub fn folds(text: &str) -> Vec<Fold> {
    let mut folds = Vec::new();
    let mut open = Vec::new();
    for token in scan::tokens(text) {
        match token.kind {
            Kind::Open(bracket) => open.push((bracket, token.range.end)),
            Kind::Close(bracket) => {
                let opening = match bracket {
                    b')' => b'(',
                    b']' => b'[',
                    _ => b'{',
                };
                if let Some(partner) = open.iter().rposition(|(bracket, _)| *bracket == opening) {
                    open.truncate(partner + 1);
                    if let Some((_, start)) = open.pop()
                        && text.get(start..token.range.start).is_some_and(|inside| inside.contains('\n'))
                    {
                        folds.push(Fold { start, end: token.range.start, comment: false });
                    }
                }
            }
            _ => {}
        }
    }
    folds.extend(comments(text));
    folds.sort_by_key(|fold| fold.start);
    folds
}

fn comments(text: &str) -> Vec<Fold> {
    let mut folds = Vec::new();
    let mut run: Option<(usize, usize, usize)> = None;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let end = at + line.trim_end().len();
        run = if line.trim_start().starts_with('#') {
            Some(run.map_or((at, end, 1), |(start, _, lines)| (start, end, lines + 1)))
        } else {
            folds.extend(run.filter(|run| run.2 > 1));
            None
        };
        at += line.len();
    }
    folds.extend(run.filter(|run| run.2 > 1));
    folds.into_iter().map(|(start, end, _)| Fold { start, end, comment: true }).collect()
}
