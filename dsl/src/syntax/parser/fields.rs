//! `{ name: value, … }`, and shares of people.

use super::{Builder, Rule};
use crate::diagnostic::{Diagnostic, codes};
use crate::limits;
use crate::source::Span;
use crate::syntax::ast::{ExpressionKind, Field, Name, Node, Share};
use crate::syntax::literal;
use pest::iterators::Pair;

impl Builder<'_> {
    /// What is sent or shown.
    pub(super) fn fields(&mut self, pair: Pair<'_, Rule>) -> Vec<Field> {
        let mut fields: Vec<Field> = Vec::new();
        for child in pair.into_inner() {
            let span = self.span(&child);
            match child.as_rule() {
                Rule::entry => fields.push(self.field(child)),
                Rule::missing_entry_comma => {
                    let at = self.character(&child);
                    self.wrong_fields("a comma is missing", at, "before this", "write a comma between two fields");
                }
                Rule::surplus_comma => {
                    self.wrong_fields("a comma with nothing behind it", span, "", "leave it out");
                }
                _ => {}
            }
        }
        self.check_names(&fields);
        fields
    }

    fn field(&mut self, pair: Pair<'_, Rule>) -> Field {
        let whole = self.span(&pair);
        let mut name = Name { value: String::new(), span: whole };
        let mut value = Node { value: ExpressionKind::Faulty, span: whole };
        for child in pair.into_inner() {
            let span = self.span(&child);
            match child.as_rule() {
                Rule::field => name = self.name(&child),
                Rule::wrong_key => {
                    name = Name { value: child.as_str().trim().trim_matches('"').to_owned(), span };
                    let help = format!("write `{}: …`", name.value);
                    self.wrong_fields("the name of a field stands in quotes", span, "", &help);
                }
                Rule::wrong_colon => {
                    let help = format!("write `{}: …`", name.value);
                    self.wrong_fields(
                        &format!("`{}` between a field and its value", child.as_str()),
                        span,
                        "write `:`",
                        &help,
                    );
                }
                Rule::expression => value = self.expression(child).expression,
                _ => {}
            }
        }
        Field { name, value }
    }

    fn wrong_fields(&mut self, message: &str, span: Span, label: &str, help: &str) {
        self.report(Diagnostic::error(codes::WRONG_FIELDS, message, span, label).help(help));
    }

    fn check_names(&mut self, fields: &[Field]) {
        if let Some(surplus) = fields.get(limits::FIELDS) {
            self.report(
                Diagnostic::error(codes::TOO_MANY_FIELDS, "too many fields", surplus.name.span, "one too many")
                    .help(format!("there may be {} of them", limits::FIELDS)),
            );
            return;
        }
        for (index, field) in fields.iter().enumerate().filter(|(_, field)| !field.name.value.is_empty()) {
            let Some(first) = fields[..index].iter().find(|first| first.name == field.name) else { continue };
            self.report(
                Diagnostic::error(
                    codes::DUPLICATE_FIELD,
                    format!("the field `{}` is there twice", field.name.value),
                    field.name.span,
                    "the second time",
                )
                .label(first.name.span, "the first time")
                .help("leave one of them out"),
            );
        }
    }

    /// `50%`; what is wrong with it is reported.
    pub(super) fn share(&mut self, pair: &Pair<'_, Rule>) -> Node<Share> {
        let span = self.span(pair);
        let number = pair.as_str().trim_end_matches('%').trim_end();
        let refusal = match literal::share(number) {
            Some(value) if pair.as_rule() == Rule::percent => return Node { value, span },
            Some(value) => {
                let help = format!("write `{number}%`");
                let message = format!("`{}` is not a percentage", pair.as_str());
                self.report(Diagnostic::error(codes::WRONG_SHARE, message, span, "").help(help));
                return Node { value, span };
            }
            None => Diagnostic::error(
                codes::WRONG_SHARE,
                format!("`{}` is not a part of all people", pair.as_str()),
                span,
                "",
            ),
        };
        self.report(refusal.help("a part is more than 0% and at most 100%, with at most two digits after the point"));
        Node { value: Share(0), span }
    }

    /// Parts of the people that must be everybody, under names that differ.
    pub(super) fn parts(&mut self, parts: &[(Node<Share>, Name)], whole: Span, what: &str, faulty: bool) {
        for (index, (_, name)) in parts.iter().enumerate().filter(|(_, (_, name))| !name.value.is_empty()) {
            if let Some((_, first)) = parts[..index].iter().find(|(_, first)| first == name) {
                self.report(
                    Diagnostic::error(
                        codes::WRONG_PARTS,
                        format!("two {what} are called `{}`", name.value),
                        name.span,
                        "the second one",
                    )
                    .label(first.span, "the first one")
                    .help("give each a name of its own: results are kept by it"),
                );
            }
        }
        let places: Vec<Span> = parts.iter().map(|(share, _)| share.span).collect();
        self.at_most(limits::PARTS, &places, what);
        if faulty {
            return;
        }
        if parts.len() < 2 {
            self.report(
                Diagnostic::error(codes::WRONG_PARTS, format!("fewer than two {what}"), whole, "")
                    .help("people are divided among at least two: `10% control { } 90% treated { … }`"),
            );
            return;
        }
        let sum: u64 = parts.iter().map(|(share, _)| u64::from(share.value.0)).sum();
        // A share of nothing has been reported.
        if sum != u64::from(Share::ALL.0) && parts.iter().all(|(share, _)| share.value.0 > 0) {
            let sum = Share(u32::try_from(sum).unwrap_or(u32::MAX));
            let (change, help) = if sum < Share::ALL {
                (Share(Share::ALL.0 - sum.0), "are missing")
            } else {
                (Share(sum.0 - Share::ALL.0), "are too many")
            };
            self.report(
                Diagnostic::error(codes::WRONG_SHARE, format!("the {what} add up to {sum}"), whole, "not to 100%")
                    .help(format!("{change} {help}")),
            );
        }
    }
}
