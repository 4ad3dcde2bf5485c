//! Journeys: a line a clause, blocks indented, `else` behind the brace that it goes on from.

use super::{Reader, Style};
use crate::syntax::format::doc::Doc;

impl Reader<'_> {
    pub(super) fn journey(&mut self) -> Option<Vec<Doc>> {
        self.clauses(Self::journey_part)
    }

    fn journey_part(&mut self) -> Option<Doc> {
        let docs = match self.word() {
            "purpose" => return self.purpose(),
            "enter" => self.enter()?,
            "again" => self.words(3)?,
            "hours" => self.words(4)?,
            "goal" => vec![self.token()?, Doc::Space, self.step()?],
            "exit" => return self.exit(),
            "wait" => self.wait()?,
            "if" => self.if_statement()?,
            "split" => self.split()?,
            "send" => vec![self.token()?, Doc::Space, self.token()?, Doc::Space, self.fields()?],
            "set" => {
                let mut docs = self.words(4)?;
                docs.extend([Doc::Space, self.expression(Style::Nested)?]);
                docs
            }
            _ => return None,
        };
        Some(Doc::All(docs))
    }

    /// So many tokens with spaces between them.
    fn words(&mut self, count: usize) -> Option<Vec<Doc>> {
        let mut docs = vec![self.token()?];
        for _ in 1..count {
            docs.extend([Doc::Space, self.token()?]);
        }
        Some(docs)
    }

    fn enter(&mut self) -> Option<Vec<Doc>> {
        let mut docs = vec![self.token()?, Doc::Space];
        if self.word() == "when" {
            docs.push(Doc::Indent("enter ".len(), vec![self.when()?]));
            return Some(docs);
        }
        docs.extend([self.expect("on")?, Doc::Space, self.step()?]);
        if self.word() == "per" {
            docs.push(Doc::Space);
            docs.extend(self.words(2)?);
        }
        Some(docs)
    }

    fn exit(&mut self) -> Option<Doc> {
        let exit = self.token()?;
        if self.word() != "when" {
            return Some(exit);
        }
        Some(Doc::All(vec![exit, Doc::Space, Doc::Indent("exit ".len(), vec![self.when()?])]))
    }

    fn wait(&mut self) -> Option<Vec<Doc>> {
        let mut docs = vec![self.token()?, Doc::Space];
        // An event may be called `for`, but then it is none of a length.
        match self.word() {
            "until" => docs.extend([self.token()?, Doc::Space, self.expression(Style::Nested)?]),
            "for" => docs.extend([self.token()?, Doc::Space, self.step()?]),
            _ => {
                docs.push(self.token()?);
                return Some(docs);
            }
        }
        docs.extend([Doc::Space, self.expect("up")?, Doc::Space, self.expect("to")?, Doc::Space, self.token()?]);
        docs.extend([Doc::Space, self.block()?, Doc::Space, self.expect("else")?, Doc::Space, self.block()?]);
        Some(docs)
    }

    fn if_statement(&mut self) -> Option<Vec<Doc>> {
        let mut docs = self.condition_and_block()?;
        while self.word() == "else" {
            docs.extend([Doc::Space, self.token()?, Doc::Space]);
            if self.word() == "if" {
                docs.extend(self.condition_and_block()?);
            } else {
                docs.push(self.block()?);
            }
        }
        Some(docs)
    }

    fn condition_and_block(&mut self) -> Option<Vec<Doc>> {
        let word = self.expect("if")?;
        let condition = self.expression(Style::Nested)?;
        Some(vec![word, Doc::Space, condition, Doc::Space, self.block()?])
    }

    fn split(&mut self) -> Option<Vec<Doc>> {
        let docs = vec![self.token()?, Doc::Space];
        self.braces(docs, |reader| {
            // `90% treated` and `treated 90%` are read alike.
            let mut arm = reader.words(2)?;
            arm.extend([Doc::Space, reader.block()?]);
            Some(Doc::All(arm))
        })
    }

    fn block(&mut self) -> Option<Doc> {
        Some(Doc::All(self.braces(Vec::new(), Self::journey_part)?))
    }

    /// Parts between braces, each in lines of its own; `{}` when there are none.
    fn braces(&mut self, mut docs: Vec<Doc>, mut part: impl FnMut(&mut Self) -> Option<Doc>) -> Option<Vec<Doc>> {
        docs.push(self.expect("{")?);
        let mut inside = Vec::new();
        while self.word() != "}" {
            inside.extend([Doc::Hard, part(self)?]);
        }
        let close = self.closing("}")?;
        let empty = inside.is_empty() && self.tokens.before(close).is_empty();
        inside.push(Doc::CommentsOf(close));
        docs.push(Doc::Indent(2, inside));
        if !empty {
            docs.push(Doc::Hard);
        }
        docs.push(Doc::Bare(close));
        Some(docs)
    }
}
