//! Typing of `experience homepage_hero { when … show { … } otherwise show { … } }`.

use super::builtin::RECOMMEND;
use super::expression::Checker;
use super::scope::{Scope, Setting};
use crate::diagnostic::{Diagnostic, codes, suggest};
use crate::ir::experience::{Arm, Experience, Shown};
use crate::ir::fingerprint::Digest;
use crate::ir::{Fingerprint, Type};
use crate::source::Span;
use crate::syntax::ast::{self, Argument, Call, ExpressionKind, Field, Item, Literal, Node, Step};

/// The kinds of recommendations.
pub const KINDS: [&str; 4] = ["also_viewed", "also_bought", "similar", "for_you"];

/// How many things can be recommended at once.
const MOST: i64 = 100;

impl Checker<'_> {
    /// An experience; `None` when something in it has been reported.
    pub fn experience(&mut self, item: &Item, experience: &ast::Experience) -> Option<Experience> {
        self.setting = Setting::default();
        let mut sound = true;
        let mut arms = Vec::new();
        for arm in &experience.arms {
            let condition = self.person_condition(&arm.value.condition, "`when` needs a condition");
            let show = self.shown(&arm.value.show);
            match condition.zip(show) {
                Some((condition, show)) => arms.push(Arm { condition, show }),
                None => sound = false,
            }
        }
        let otherwise = experience.otherwise.as_ref().map(|fields| self.shown(&fields.value));
        self.setting = Setting::default();
        let mut found = Experience {
            name: item.name.value.clone(),
            description: item.description.as_ref().map(|text| text.value.clone()),
            purpose: item.purpose.as_ref().map(|purpose| purpose.value.clone()),
            arms,
            otherwise: otherwise??,
            place: self.place(item),
            fingerprint: Fingerprint::default(),
        };
        let mut digest = Digest::new(&self.interner, Vec::new());
        digest.text(found.purpose.as_deref().unwrap_or_default());
        for arm in &found.arms {
            digest.expression(&arm.condition);
            told(&arm.show, &mut digest);
        }
        told(&found.otherwise, &mut digest);
        found.fingerprint = digest.finish();
        sound.then_some(found)
    }

    fn shown(&mut self, fields: &[Field]) -> Option<Vec<Shown>> {
        let shown: Vec<Option<Shown>> = fields
            .iter()
            .map(|field| match &field.value.value {
                _ if field.name.value.is_empty() => None,
                ExpressionKind::Call(call) if is_recommend(call) => self.recommended(field, call, field.value.span),
                _ => self.field(field, None).map(Shown::Value),
            })
            .collect();
        shown.into_iter().collect()
    }

    /// `recommend(also_viewed, last(view.product), 4)`
    fn recommended(&mut self, field: &Field, call: &Call, span: Span) -> Option<Shown> {
        let wrong = |message: String, span: Span| {
            Diagnostic::error(codes::WRONG_RECOMMEND, message, span, "")
                .help("write `recommend(also_viewed, last(view.product), 4)`: a kind, what for, and how many at most")
        };
        let (kind, of, count) = match call.arguments.as_slice() {
            [kind, of, count] if call.modifiers.is_empty() => (plain(kind)?, plain(of)?, plain(count)?),
            _ => {
                self.report(wrong("`recommend` takes three things".to_owned(), span));
                return None;
            }
        };
        let name = match &kind.value {
            ExpressionKind::Path(path) if path.value.len() == 1 => path.value.first()?,
            ExpressionKind::Faulty => return None,
            _ => {
                self.report(wrong("the first thing that `recommend` takes is a kind".to_owned(), kind.span));
                return None;
            }
        };
        let known = KINDS.contains(&name.value.as_str());
        if !known {
            let error = Diagnostic::error(
                codes::WRONG_RECOMMEND,
                format!("`{}` is not a kind of recommendation", name.value),
                name.span,
                "not known",
            );
            self.report(match suggest::help(&name.value, KINDS) {
                Some(help) => error.help(help),
                None => error,
            });
        }
        let typed = self.expression(of, Scope::Person);
        let count = match &count.value {
            ExpressionKind::Literal(Literal::Int(count)) if (1..=MOST).contains(count) => Some(*count as u32),
            ExpressionKind::Faulty => None,
            _ => {
                self.report(wrong(format!("how many is a whole number from 1 to {MOST}"), count.span));
                None
            }
        };
        let typed = typed?;
        if !matches!(typed.kind, Type::String { .. } | Type::Int) {
            self.report(wrong(
                format!("what to recommend for is a text or a whole number, and this is {}", super::noun(&typed.kind)),
                typed.span,
            ));
            return None;
        }
        let (name, kind) = (field.name.value.clone(), name.value.clone());
        Some(Shown::Recommended { name, kind, of: typed.expression, count: count? }).filter(|_| known)
    }
}

fn is_recommend(call: &Call) -> bool {
    matches!(call.function.value.as_slice(), [name] if name.value == RECOMMEND)
}

/// An argument that is only an expression.
fn plain(argument: &Node<Argument>) -> Option<&ast::Expression> {
    match argument.value.steps.as_slice() {
        [
            Node {
                value: Step { absent: false, subject, alias: None, filter: None, within: None, lasting: None }, ..
            },
        ] => Some(subject),
        _ => None,
    }
}

fn told(fields: &[Shown], digest: &mut Digest<'_>) {
    digest.number(fields.len() as i64);
    for field in fields {
        match field {
            Shown::Value(field) => {
                digest.text(&field.name);
                digest.expression(&field.value);
            }
            Shown::Recommended { name, kind, of, count } => {
                digest.text(name);
                digest.text(kind);
                digest.expression(of);
                digest.number(i64::from(*count));
            }
        }
    }
}
