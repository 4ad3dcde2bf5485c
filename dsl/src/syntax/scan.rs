//! A look at a file's words and brackets before the grammar sees it: where items begin, what is never closed, and how
//! deep it goes.
//!
//! Splitting first means that an error in one item hides nothing of the next, and that the parser, which recurses, only
//! meets text whose depth is known. One pass, linear.

use crate::limits;

/// The words that begin an item.
pub const ITEM_WORDS: [&str; 7] = ["segment", "trait", "journey", "funnel", "experiment", "experience", "predict"];

/// Words that join or end expressions; none of them begins an item.
const JOINING: [&str; 13] =
    ["and", "or", "not", "if", "then", "else", "is", "where", "as", "within", "true", "false", "when"];

/// The text of one item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// The word that it begins with, as a range of bytes.
    pub head: Range,
    /// The word after that, which should be its name.
    pub name: Option<Range>,
    /// All of it, up to the last word or bracket.
    pub range: Range,
    /// What is wrong with its brackets and quotes, which the grammar would only repeat.
    pub problems: Vec<Problem>,
    /// It can't be read at all: it is too deep, or has more problems than are told.
    pub broken: bool,
}

impl Chunk {
    /// Counts all its places from its beginning on.
    pub fn move_back(&mut self) {
        let start = self.range.start;
        self.problems.iter_mut().for_each(|problem| problem.move_back(start));
        for range in [Some(&mut self.head), self.name.as_mut(), Some(&mut self.range)].into_iter().flatten() {
            range.start -= start;
            range.end -= start;
        }
    }
}

/// A range of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first.
    pub start: usize,
    /// One past the last.
    pub end: usize,
}

/// What is wrong with brackets and quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// A quote without an end in its line.
    UnclosedQuote(Range),
    /// A bracket that is never closed.
    Unclosed(Range),
    /// A bracket that closes nothing.
    Unopened(Range),
    /// Deeper than the limit, from here on.
    TooDeep(Range),
}

impl Problem {
    /// Where it is.
    #[must_use]
    pub const fn range(&self) -> Range {
        let (Self::UnclosedQuote(range) | Self::Unclosed(range) | Self::Unopened(range) | Self::TooDeep(range)) = self;
        *range
    }

    /// Counts its place from byte `start` on.
    const fn move_back(&mut self, start: usize) {
        let (Self::UnclosedQuote(range) | Self::Unclosed(range) | Self::Unopened(range) | Self::TooDeep(range)) = self;
        range.start -= start;
        range.end -= start;
    }
}

/// Splits a file into items; what is wrong before the first of them has no item.
#[must_use]
pub fn split(text: &str) -> Vec<Chunk> {
    let tokens = tokens(text);
    let mut splitter =
        Splitter { text, tokens: &tokens, chunks: Vec::new(), told: 0, open: Vec::new(), ifs: 0, lost: false };
    for index in 0..tokens.len() {
        splitter.take(index);
    }
    splitter.close_all();
    splitter.chunks
}

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A word or a number.
    Word,
    /// A text, up to its quote or the end of the line.
    Quoted {
        /// It has both quotes.
        closed: bool,
    },
    /// An opening bracket.
    Open(u8),
    /// A closing one.
    Close(u8),
    /// `,`
    Comma,
    /// `=` that is not part of `==`.
    Assign,
    /// Anything else.
    Other,
}

/// A word, a text or a mark.
#[derive(Clone, Copy, Debug)]
pub struct Token {
    /// What it is.
    pub kind: Kind,
    /// Where.
    pub range: Range,
    /// Nothing but white space is before it in its line.
    pub first_in_line: bool,
}

/// All tokens of a text, comments left out.
#[must_use]
pub fn tokens(text: &str) -> Vec<Token> {
    let bytes = text.as_bytes();
    let mut tokens = Vec::with_capacity(bytes.len() / 4);
    let mut at = 0;
    let mut first_in_line = true;
    let end_of_line = |from: usize| bytes[from..].iter().position(|&b| b == b'\n').map_or(bytes.len(), |n| from + n);
    let mut line_end = end_of_line(0);
    while let Some(&byte) = bytes.get(at) {
        let start = at;
        let kind = match byte {
            b'\n' => {
                first_in_line = true;
                at += 1;
                line_end = end_of_line(at);
                continue;
            }
            b' ' | b'\t' | b'\r' => {
                at += 1;
                continue;
            }
            b'#' => {
                at = line_end;
                continue;
            }
            b'"' => {
                let (end, closed) = quoted(bytes, start, line_end);
                at = end;
                Kind::Quoted { closed }
            }
            // A single quote is a mistake that the grammar reports, but what is inside it is still text.
            b'\'' => match bytes[start + 1..line_end].iter().position(|&b| b == b'\'') {
                Some(length) => {
                    at = start + length + 2;
                    Kind::Quoted { closed: true }
                }
                None => {
                    at += 1;
                    Kind::Other
                }
            },
            b'(' | b'{' | b'[' => {
                at += 1;
                Kind::Open(byte)
            }
            b')' | b'}' | b']' => {
                at += 1;
                Kind::Close(byte)
            }
            b',' => {
                at += 1;
                Kind::Comma
            }
            b'=' => {
                let length = bytes[start..].iter().take_while(|&&b| b == b'=').count();
                at += length;
                if length == 1 { Kind::Assign } else { Kind::Other }
            }
            b'!' | b'<' | b'>' if bytes.get(at + 1) == Some(&b'=') => {
                at += 2;
                Kind::Other
            }
            _ if is_word(byte) => {
                at += bytes[start..].iter().take_while(|&&b| is_word(b)).count();
                // A byte order mark is white space.
                if &text[start..at] == "\u{FEFF}" {
                    continue;
                }
                Kind::Word
            }
            _ => {
                at += 1;
                Kind::Other
            }
        };
        tokens.push(Token { kind, range: Range { start, end: at }, first_in_line });
        first_in_line = false;
    }
    tokens
}

/// Letters, digits, `_`, and every byte of a character outside ASCII.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// The end of a quoted text that begins at `start`, and whether it has a closing quote in its line.
fn quoted(bytes: &[u8], start: usize, line_end: usize) -> (usize, bool) {
    let mut at = start + 1;
    while at < line_end {
        match bytes[at] {
            b'"' => return (at + 1, true),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    (line_end, false)
}

struct Splitter<'a> {
    text: &'a str,
    tokens: &'a [Token],
    chunks: Vec<Chunk>,
    /// Problems of all chunks so far.
    told: usize,
    open: Vec<Opened>,
    /// `if`s under way in all levels: what follows an `else` is inside it.
    ifs: usize,
    /// Brackets no longer count until the next item begins: they are too deep, or some may be part of an unclosed text.
    lost: bool,
}

struct Opened {
    bracket: u8,
    range: Range,
    /// `if`s under way outside of it.
    ifs: usize,
}

impl Splitter<'_> {
    fn take(&mut self, index: usize) {
        let token = self.tokens[index];
        if self.chunks.is_empty() || self.begins_item(index) {
            self.close_all();
            let name = self.tokens.get(index + 1).filter(|next| next.kind == Kind::Word).map(|next| next.range);
            let (head, range) = (token.range, token.range);
            self.chunks.push(Chunk { head, name, range, problems: Vec::new(), broken: false });
        }
        if let Some(chunk) = self.chunks.last_mut() {
            chunk.range.end = token.range.end;
        }
        if self.lost {
            return;
        }
        match token.kind {
            Kind::Quoted { closed: false } => {
                self.lost = true;
                self.report(Problem::UnclosedQuote(token.range));
            }
            Kind::Open(bracket) => {
                self.open.push(Opened { bracket, range: token.range, ifs: self.ifs });
                self.check_depth(token.range);
            }
            Kind::Close(bracket) => self.close(bracket, token.range),
            Kind::Comma => self.ifs = self.outer_ifs(),
            Kind::Word if token.first_in_line && self.begins_statement(index) => self.ifs = self.outer_ifs(),
            Kind::Word if self.word(index) == "if" && (index == 0 || self.word(index - 1) != "else") => {
                self.ifs += 1;
                self.check_depth(token.range);
            }
            _ => {}
        }
    }

    /// Whether an item begins at this token. Inside brackets, which an author may have forgotten to close, only what
    /// can't be anything else counts.
    fn begins_item(&self, index: usize) -> bool {
        let token = self.tokens[index];
        let after_item = index > 0 && self.open.is_empty() && self.tokens[index - 1].kind == Kind::Close(b'}');
        if token.kind != Kind::Word || !(token.first_in_line || after_item) {
            return false;
        }
        let word = self.word(index);
        let kind = |ahead: usize| self.tokens.get(index + ahead).map(|token| token.kind);
        // `set trait vip = true`, broken before its second word.
        if index > 0 && self.word(index - 1) == "set" && !self.open.is_empty() {
            return false;
        }
        let named = kind(1) == Some(Kind::Word) && !JOINING.contains(&self.word(index + 1));
        let shaped = named && matches!(kind(2), Some(Kind::Quoted { .. } | Kind::Open(b'{') | Kind::Assign));
        if ITEM_WORDS.contains(&word) {
            shaped || self.open.is_empty() && (named || matches!(kind(1), Some(Kind::Quoted { .. } | Kind::Open(b'{'))))
        } else {
            self.open.is_empty() && (after_item || shaped && !JOINING.contains(&word))
        }
    }

    fn word(&self, index: usize) -> &str {
        self.tokens
            .get(index)
            .filter(|token| token.kind == Kind::Word)
            .map_or("", |token| &self.text[token.range.start..token.range.end])
    }

    fn close(&mut self, bracket: u8, range: Range) {
        let opening = match bracket {
            b')' => b'(',
            b']' => b'[',
            _ => b'{',
        };
        let Some(partner) = self.open.iter().rposition(|opened| opened.bracket == opening) else {
            return self.report(Problem::Unopened(range));
        };
        while self.open.len() > partner + 1 {
            self.forget_innermost();
        }
        if let Some(opened) = self.open.pop() {
            // Behind a block no `if` of the statement before it goes on.
            self.ifs = if bracket == b'}' { self.outer_ifs() } else { opened.ifs };
        }
    }

    /// `if`s under way outside of the innermost bracket.
    fn outer_ifs(&self) -> usize {
        self.open.last().map_or(0, |opened| opened.ifs)
    }

    /// Whether a word begins a statement other than `if`, between the braces of a journey.
    fn begins_statement(&self, index: usize) -> bool {
        self.open.last().is_some_and(|opened| opened.bracket == b'{')
            && matches!(self.word(index), "wait" | "send" | "set" | "split" | "exit")
    }

    /// At the end of an item: whatever is still open is never closed.
    fn close_all(&mut self) {
        if self.lost {
            self.open.clear();
        }
        while !self.open.is_empty() {
            self.forget_innermost();
        }
        self.ifs = 0;
        self.lost = false;
    }

    fn forget_innermost(&mut self) {
        if let Some(opened) = self.open.pop() {
            self.ifs = opened.ifs;
            self.report(Problem::Unclosed(opened.range));
        }
    }

    fn check_depth(&mut self, range: Range) {
        if self.open.len() + self.ifs > limits::RULE_NESTING {
            self.lost = true;
            self.report(Problem::TooDeep(range));
        }
    }

    fn report(&mut self, problem: Problem) {
        let Some(chunk) = self.chunks.last_mut() else { return };
        chunk.broken |= matches!(problem, Problem::TooDeep(_));
        if self.told < limits::DIAGNOSTICS_PER_FILE {
            self.told += 1;
            chunk.problems.push(problem);
        } else {
            chunk.broken = true;
        }
    }
}
