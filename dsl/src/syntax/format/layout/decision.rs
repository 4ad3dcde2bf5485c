//! Funnels, experiments, experiences and predictions: a line a clause, lists below their first part.

use super::{LINE, Reader, Style};
use crate::syntax::format::doc::Doc;

impl Reader<'_> {
    pub(super) fn funnel(&mut self) -> Option<Vec<Doc>> {
        self.clauses(|reader| match reader.word() {
            "purpose" if reader.begins_name(reader.at + 1) => reader.purpose(),
            "by" if reader.begins_name(reader.at + 1) => {
                let word = reader.token()?;
                let list = reader.list("by", Self::token)?;
                Some(Doc::All(vec![word, Doc::Space, list]))
            }
            "within" => Some(Doc::All(vec![reader.token()?, Doc::Space, reader.token()?])),
            _ => reader.funnel_steps(),
        })
    }

    /// Steps up to the `within` of the funnel.
    fn funnel_steps(&mut self) -> Option<Doc> {
        let mut docs = vec![self.funnel_step()?];
        while self.word() == "then" {
            docs.extend([LINE, self.token()?, Doc::Space, self.funnel_step()?]);
        }
        Some(Doc::Group(docs))
    }

    fn funnel_step(&mut self) -> Option<Doc> {
        let mut docs = vec![self.expression(Style::Nested)?];
        let mut rest = Vec::new();
        // `within 1h` belongs to the step, when the step goes on behind it or another one follows.
        let goes_on = |reader: &Self| matches!(reader.tokens.text(reader.at + 2), "then" | "within" | "as" | "where");
        while matches!(self.word(), "as" | "where") || self.word() == "within" && goes_on(self) {
            self.step_part(&mut rest)?;
        }
        docs.push(Doc::Indent(2, rest));
        Some(Doc::Group(docs))
    }

    pub(super) fn experiment(&mut self) -> Option<Vec<Doc>> {
        self.clauses(|reader| match reader.word() {
            "variants" => {
                reader.listed("variants", |reader| Some(Doc::All(vec![reader.token()?, Doc::Space, reader.token()?])))
            }
            "on" => Some(Doc::All(vec![reader.token()?, Doc::Space, reader.step()?])),
            "goal" => reader.listed("goal", |reader| reader.expression(Style::Nested)),
            _ => reader.purpose(),
        })
    }

    pub(super) fn prediction(&mut self) -> Option<Vec<Doc>> {
        self.clauses(|reader| match reader.word() {
            word @ ("label" | "for" | "from") => {
                let word = word.to_owned();
                reader.listed(&word, |reader| reader.expression(Style::Nested))
            }
            _ => reader.purpose(),
        })
    }

    fn listed(&mut self, word: &str, part: impl FnMut(&mut Self) -> Option<Doc>) -> Option<Doc> {
        let head = self.expect(word)?;
        let list = self.list(word, part)?;
        Some(Doc::All(vec![head, Doc::Space, list]))
    }

    pub(super) fn experience(&mut self) -> Option<Vec<Doc>> {
        self.clauses(|reader| match reader.word() {
            "purpose" => reader.purpose(),
            "when" => {
                let when = reader.when()?;
                let show = vec![LINE, reader.expect("show")?, Doc::Space, reader.fields()?];
                Some(Doc::Group(vec![when, Doc::Indent(2, show)]))
            }
            _ => {
                let docs = vec![reader.expect("otherwise")?, Doc::Space, reader.expect("show")?, Doc::Space];
                Some(Doc::All(docs.into_iter().chain([reader.fields()?]).collect()))
            }
        })
    }
}
