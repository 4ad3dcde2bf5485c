//! Where the lines of an item may be broken.
//!
//! ```text
//! segment name "description" {
//!   purpose marketing
//!   when count(product_viewed where category == "a", last 24h) >= 3
//!    and not did(order_completed, last 24h)
//! }
//!
//! trait name = expression
//! ```
//!
//! A reader of tokens like the grammar, but one that keeps the author's parentheses, literals and order, which the AST
//! does not. It reads what has been parsed; what it doesn't know (`None`) is left as its author wrote it.

mod decision;
mod journey;

use super::doc::{Doc, LINE, SOFT};
use super::tokens::{Kind, Tokens};
use std::ops::Range;

/// Right of `when `, where the operands of its condition stand one below the other.
const WHEN: usize = 5;

/// Right of `where `.
const WHERE: usize = 6;

/// How the operands of a chain (`a and b`, `a + b`, `if … else …`) stand when they don't fit in one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    /// One below the other; `and` and `or` stand out to the left. Breaks with the group around it.
    Hang,
    /// With their operators in one column. Breaks with the group around it.
    Flush,
    /// Indented below the first; a group of its own.
    Nested,
}

/// The layout of one item.
#[must_use]
pub fn item(tokens: &Tokens<'_>, range: Range<usize>) -> Option<Vec<Doc>> {
    let mut reader = Reader { tokens, at: range.start, end: range.end };
    let doc = match reader.word() {
        "segment" => reader.segment()?,
        "trait" => reader.computed_trait()?,
        "journey" => reader.journey()?,
        "funnel" => reader.funnel()?,
        "experiment" => reader.experiment()?,
        "experience" => reader.experience()?,
        "predict" => reader.prediction()?,
        _ => return None,
    };
    (reader.at == range.end).then_some(doc)
}

/// An expression whose place is not known yet.
enum Shape {
    /// It has no operands of its own to break between.
    Single(Doc),
    /// Operands with operators between them; those of conditions may hang.
    Chain { hangs: bool, first: Doc, rest: Vec<Doc> },
    /// Branches of an `if`.
    Branches { first: Doc, rest: Vec<Doc> },
}

impl Shape {
    fn doc(self, style: Style) -> Doc {
        let (hangs, first, rest) = match self {
            Self::Single(doc) => return doc,
            Self::Chain { hangs, first, rest } => (hangs, first, rest),
            // Nothing stands out to the left of them, and they are one below the other anyway.
            Self::Branches { first, rest } => (true, first, rest),
        };
        match style {
            Style::Hang if hangs => Doc::All(vec![first, Doc::All(rest)]),
            Style::Flush => Doc::All(vec![first, Doc::All(upright(rest))]),
            Style::Hang | Style::Nested => Doc::Group(vec![first, Doc::Indent(2, upright(rest))]),
        }
    }
}

/// Operators in the column of the indentation.
fn upright(mut docs: Vec<Doc>) -> Vec<Doc> {
    for doc in &mut docs {
        if let Doc::Line { hang, .. } = doc {
            *hang = 0;
        }
    }
    docs
}

struct Reader<'t> {
    tokens: &'t Tokens<'t>,
    at: usize,
    end: usize,
}

impl Reader<'_> {
    fn segment(&mut self) -> Option<Vec<Doc>> {
        self.clauses(|reader| match reader.word() {
            "when" => reader.when(),
            _ => reader.purpose(),
        })
    }

    /// An item of clauses between braces, each in lines of its own.
    fn clauses(&mut self, mut clause: impl FnMut(&mut Self) -> Option<Doc>) -> Option<Vec<Doc>> {
        let mut docs = self.head("{")?;
        let mut clauses = Vec::new();
        while self.word() != "}" {
            clauses.extend([Doc::Hard, clause(self)?]);
        }
        let close = self.closing("}")?;
        clauses.push(Doc::CommentsOf(close));
        docs.extend([Doc::Indent(2, clauses), Doc::Hard, Doc::Bare(close)]);
        Some(docs)
    }

    fn purpose(&mut self) -> Option<Doc> {
        Some(Doc::All(vec![self.expect("purpose")?, Doc::Space, self.token()?]))
    }

    /// `when …`, with the operands of its condition one below the other.
    fn when(&mut self) -> Option<Doc> {
        let word = self.expect("when")?;
        let condition = self.expression(Style::Hang)?;
        Some(Doc::All(vec![word, Doc::Space, Doc::Indent(WHEN, vec![Doc::Group(vec![condition])])]))
    }

    /// `word a, b, c`, with what does not fit below the first.
    fn list(&mut self, word: &str, mut part: impl FnMut(&mut Self) -> Option<Doc>) -> Option<Doc> {
        let mut docs = vec![part(self)?];
        while self.word() == "," {
            docs.extend([self.token()?, LINE, part(self)?]);
        }
        Some(Doc::Indent(word.len() + 1, vec![Doc::Group(docs)]))
    }

    /// `{ to: profile.email, template: "hello" }`: what is too long gets a line a field.
    fn fields(&mut self) -> Option<Doc> {
        let open = self.expect("{")?;
        let mut inside = Vec::new();
        while self.word() != "}" {
            inside.extend([LINE, self.token()?, self.expect(":")?, Doc::Space, self.expression(Style::Nested)?]);
            if self.word() == "," {
                inside.push(self.token()?);
            }
        }
        let close = self.closing("}")?;
        if inside.is_empty() {
            return Some(Doc::Group(vec![open, Doc::Indent(2, vec![Doc::CommentsOf(close)]), Doc::Bare(close)]));
        }
        inside.push(Doc::CommentsOf(close));
        Some(Doc::Group(vec![open, Doc::Indent(2, inside), LINE, Doc::Bare(close)]))
    }

    fn computed_trait(&mut self) -> Option<Vec<Doc>> {
        let mut docs = self.head("=")?;
        let body = self.expression(Style::Flush)?;
        docs.push(Doc::Group(vec![Doc::Indent(2, vec![LINE, body])]));
        Some(docs)
    }

    /// `segment name was other "description" {`
    fn head(&mut self, last: &str) -> Option<Vec<Doc>> {
        let mut docs = vec![Doc::Bare(self.next()?), Doc::Space, self.token()?];
        if self.word() == "was" {
            docs.extend([Doc::Space, self.token()?, Doc::Space, self.token()?]);
            while self.word() == "," {
                docs.extend([self.token()?, Doc::Space, self.token()?]);
            }
        }
        if self.tokens.kind(self.at) == Some(Kind::Text) {
            docs.extend([Doc::Space, self.token()?]);
        }
        docs.extend([Doc::Space, self.expect(last)?]);
        Some(docs)
    }

    fn expression(&mut self, style: Style) -> Option<Doc> {
        Some(self.shape()?.doc(style))
    }

    /// A chain of `or`, whose operands are chains of `and`, whose operands are neither.
    fn shape(&mut self) -> Option<Shape> {
        let first = self.conjunction()?;
        self.chained("or", first, Self::conjunction)
    }

    fn conjunction(&mut self) -> Option<Shape> {
        let first = self.comparison()?;
        self.chained("and", first, Self::comparison)
    }

    fn chained(&mut self, word: &str, first: Shape, operand: fn(&mut Self) -> Option<Shape>) -> Option<Shape> {
        if self.word() != word {
            return Some(first);
        }
        let mut rest = Vec::new();
        while self.word() == word {
            rest.extend([Doc::Line { spaced: true, hang: word.len() + 1 }, self.token()?, Doc::Space]);
            rest.push(operand(self)?.doc(Style::Nested));
        }
        Some(Shape::Chain { hangs: true, first: first.doc(Style::Nested), rest })
    }

    /// Sums with comparisons between them.
    fn comparison(&mut self) -> Option<Shape> {
        let first = self.terms()?;
        if !self.compares() {
            return Some(first);
        }
        let mut docs = vec![first.doc(Style::Nested)];
        while self.compares() {
            docs.extend([Doc::Space, self.token()?, Doc::Space, self.terms()?.doc(Style::Nested)]);
        }
        Some(Shape::Single(Doc::All(docs)))
    }

    fn compares(&self) -> bool {
        matches!(self.word(), "==" | "!=" | "<" | "<=" | ">" | ">=")
    }

    /// Sums break before `+` and `-`; products without sums before `*` and `/`.
    fn terms(&mut self) -> Option<Shape> {
        let first = self.operand()?;
        if !self.calculates() {
            return Some(first);
        }
        let mut terms = Vec::new();
        while self.calculates() {
            terms.push((self.next()?, self.operand()?.doc(Style::Nested)));
        }
        let adds = |index: usize| matches!(self.tokens.text(index), "+" | "-");
        let any = terms.iter().any(|(operator, _)| adds(*operator));
        let mut rest = Vec::new();
        for (operator, operand) in terms {
            let breaks = !any || adds(operator);
            rest.extend([if breaks { LINE } else { Doc::Space }, Doc::Token(operator), Doc::Space, operand]);
        }
        Some(Shape::Chain { hangs: false, first: first.doc(Style::Nested), rest })
    }

    fn calculates(&self) -> bool {
        matches!(self.word(), "+" | "-" | "*" | "/")
    }

    /// A value with what stands before it, and `is known` behind it.
    fn operand(&mut self) -> Option<Shape> {
        let mut docs = Vec::new();
        loop {
            match self.word() {
                "not" => docs.extend([self.token()?, Doc::Space]),
                "-" => docs.push(self.token()?),
                _ => break,
            }
        }
        let value = self.value()?;
        if docs.is_empty() && self.word() != "is" {
            return Some(value);
        }
        docs.push(value.doc(Style::Nested));
        while self.word() == "is" {
            docs.extend([Doc::Space, self.token()?, Doc::Space, self.token()?]);
        }
        Some(Shape::Single(Doc::All(docs)))
    }

    fn value(&mut self) -> Option<Shape> {
        let doc = match (self.word(), self.tokens.kind(self.at)?) {
            ("if", _) => return self.if_else(),
            ("(", _) => {
                let open = self.token()?;
                let inside = self.expression(Style::Flush)?;
                let close = self.closing(")")?;
                bracketed(vec![open], vec![inside], close)
            }
            (_, Kind::Number | Kind::Text) => self.token()?,
            (_, Kind::Word) => {
                let name = self.token()?;
                if self.word() == "(" { self.call(name)? } else { name }
            }
            (_, Kind::Mark) => return None,
        };
        Some(Shape::Single(doc))
    }

    /// `if a then b`, `else if c then d`, `else e`: a line each.
    fn if_else(&mut self) -> Option<Shape> {
        let first = self.branch()?;
        let mut rest = Vec::new();
        loop {
            rest.extend([LINE, self.expect("else")?, Doc::Space]);
            if self.word() != "if" {
                break;
            }
            rest.push(self.branch()?);
        }
        rest.push(self.expression(Style::Nested)?);
        Some(Shape::Branches { first, rest })
    }

    fn branch(&mut self) -> Option<Doc> {
        let mut docs = vec![self.expect("if")?, Doc::Space, self.expression(Style::Nested)?];
        let then = vec![LINE, self.expect("then")?, Doc::Space, self.expression(Style::Nested)?];
        docs.push(Doc::Indent(2, then));
        Some(Doc::Group(docs))
    }

    fn call(&mut self, name: Doc) -> Option<Doc> {
        let open = vec![name, self.token()?];
        let mut inside = Vec::new();
        if self.word() != ")" {
            inside.push(self.argument()?);
        }
        while self.word() == "," {
            inside.extend([self.token()?, LINE, self.argument()?]);
        }
        let close = self.closing(")")?;
        Some(bracketed(open, inside, close))
    }

    /// `last 24h`, or steps with `then` between them.
    fn argument(&mut self) -> Option<Doc> {
        let next = self.tokens.kind(self.at + 1);
        let modifier = match self.word() {
            "last" | "next" | "since" => next == Some(Kind::Number),
            "per" => next == Some(Kind::Word),
            _ => false,
        };
        if modifier {
            return Some(Doc::All(vec![self.token()?, Doc::Space, self.token()?]));
        }
        let mut docs = vec![self.step()?];
        while self.word() == "then" {
            docs.extend([LINE, self.token()?, Doc::Space, self.step()?]);
        }
        Some(Doc::Group(docs))
    }

    /// `no order where total > 10 for 30m`
    fn step(&mut self) -> Option<Doc> {
        let mut docs = Vec::new();
        if self.word() == "no" && self.begins_name(self.at + 1) {
            docs.extend([self.token()?, Doc::Space]);
        }
        docs.push(self.expression(Style::Nested)?);
        let mut rest = Vec::new();
        while matches!(self.word(), "as" | "where" | "within" | "for") {
            self.step_part(&mut rest)?;
        }
        docs.push(Doc::Indent(2, rest));
        Some(Doc::Group(docs))
    }

    /// `as v`, `where price > 10`, `within 1h`, `for 30m`
    fn step_part(&mut self, rest: &mut Vec<Doc>) -> Option<()> {
        match self.word() {
            "as" => rest.extend([Doc::Space, self.token()?, Doc::Space, self.token()?]),
            "where" => {
                rest.extend([LINE, self.token()?, Doc::Space]);
                rest.push(Doc::Indent(WHERE, vec![self.expression(Style::Hang)?]));
            }
            _ => rest.extend([LINE, self.token()?, Doc::Space, self.token()?]),
        }
        Some(())
    }

    /// A word that is none of those that join and end expressions.
    fn begins_name(&self, index: usize) -> bool {
        const RESERVED: [&str; 12] =
            ["and", "or", "not", "if", "then", "else", "is", "true", "false", "where", "as", "within"];
        index < self.end
            && self.tokens.kind(index) == Some(Kind::Word)
            && !RESERVED.contains(&self.tokens.text(index))
            // `no for 30m`: an event of that name.
            && !(self.tokens.text(index) == "for" && self.tokens.kind(index + 1) == Some(Kind::Number))
    }

    /// The next token's text; empty at the item's end.
    fn word(&self) -> &str {
        if self.at < self.end { self.tokens.text(self.at) } else { "" }
    }

    fn next(&mut self) -> Option<usize> {
        let index = self.at;
        (index < self.end).then(|| {
            self.at += 1;
            index
        })
    }

    fn token(&mut self) -> Option<Doc> {
        self.next().map(Doc::Token)
    }

    fn expect(&mut self, text: &str) -> Option<Doc> {
        (self.word() == text).then(|| self.token())?
    }

    fn closing(&mut self, text: &str) -> Option<usize> {
        (self.word() == text).then(|| self.next())?
    }
}

/// What stands in parentheses: in lines of its own, when it doesn't fit.
fn bracketed(mut open: Vec<Doc>, mut inside: Vec<Doc>, close: usize) -> Doc {
    if !inside.is_empty() {
        inside.insert(0, SOFT);
    }
    inside.push(Doc::CommentsOf(close));
    open.push(Doc::Indent(2, inside));
    open.extend([SOFT, Doc::Bare(close)]);
    Doc::Group(open)
}
