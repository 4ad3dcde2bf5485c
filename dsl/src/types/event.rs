//! Events that stand for themselves, outside of any function: `enter on view as v`, `goal order`, `wait for order where …`.

use super::expression::Checker;
use super::scope::{Scope, StepScope};
use super::value::Typed;
use crate::diagnostic::{Diagnostic, codes, suggest};
use crate::ir::{Expression, Pattern, Type};
use crate::source::Span;
use crate::syntax::ast::{Argument, Call, ExpressionKind, Modifier, Node, Step};

impl Checker<'_> {
    /// Which events a clause means, and how later ones may name the event. `clause` is how it begins: `wait for`.
    pub(super) fn lone_event(&mut self, clause: &'static str, step: &Node<Step>) -> Option<(Pattern, StepScope)> {
        let sound = self.is_lone(clause, step);
        if let (false, ExpressionKind::Call(_)) = (sound, &step.value.subject.value) {
            return None;
        }
        let (event, name, rest) = self.event(clause, &format!("{clause} E"), step)?;
        if let Some(first) = rest.first() {
            self.report(
                Diagnostic::error(
                    codes::WRONG_EVENT,
                    format!("`{clause}` takes an event, not one of its properties"),
                    first.span,
                    "",
                )
                .help(format!("write a condition: `{clause} {name} where {} …`", first.value)),
            );
            return None;
        }
        let earlier: Vec<StepScope> = self.setting.entering.iter().cloned().collect();
        let pattern = self.pattern(event, &name, step, &earlier)?;
        sound.then(|| (pattern, StepScope { alias: step.value.alias.clone(), event, name }))
    }

    fn is_lone(&mut self, clause: &'static str, step: &Node<Step>) -> bool {
        let Step { absent, alias, within, lasting, subject, .. } = &step.value;
        let refusal = if let ExpressionKind::Call(call) = &subject.value {
            Some((subject.span, "not a function of it".to_owned(), of_call(clause, call)))
        } else if *absent {
            let help = match clause {
                "wait for" => "turn it around: what is between `else { … }` happens when the event does not come",
                _ => "name the event that is to happen",
            };
            Some((step.span, "`no`".to_owned(), help.to_owned()))
        } else if let Some(lasting) = lasting {
            Some((lasting.span, "not `for`".to_owned(), "leave it out".to_owned()))
        } else if let Some(within) = within {
            Some((within.span, "not `within`".to_owned(), "leave it out".to_owned()))
        } else {
            let named = alias.as_ref().filter(|_| clause != "enter on");
            named.map(|alias| {
                (
                    alias.span,
                    "nothing reads it".to_owned(),
                    "leave `as` out: only the entering event has a name".to_owned(),
                )
            })
        };
        let Some((span, label, help)) = refusal else { return true };
        self.report(
            Diagnostic::error(codes::WRONG_EVENT, format!("`{clause}` takes an event"), span, label).help(help),
        );
        false
    }

    /// `consented(marketing)`
    pub(super) fn consented(&mut self, call: &Call, span: Span, scope: Scope<'_>) -> Option<Typed> {
        if let Scope::Event(_) = scope {
            self.report(
                Diagnostic::error(
                    codes::OUT_OF_PLACE,
                    "`consented` can't be asked inside `where`",
                    span,
                    "only the event is known here",
                )
                .help("take it out and join both with `and`"),
            );
            return None;
        }
        let purpose = match call.arguments.as_slice() {
            [Node { value: Argument { steps }, .. }] if call.modifiers.is_empty() => match steps.as_slice() {
                [step] => match &step.value {
                    Step { absent: false, subject, alias: None, filter: None, within: None, lasting: None } => {
                        match &subject.value {
                            ExpressionKind::Faulty => return None,
                            ExpressionKind::Path(path) if path.value.len() == 1 => path.value.first(),
                            _ => None,
                        }
                    }
                    _ => None,
                },
                _ => None,
            },
            _ => None,
        };
        let Some(purpose) = purpose else {
            self.report(
                Diagnostic::error(codes::WRONG_ARGUMENT, "`consented` takes the name of one purpose", span, "")
                    .help("write `consented(marketing)`"),
            );
            return None;
        };
        if let Some(known) = &self.declarations.places.purposes
            && known.iter().all(|it| it.name != purpose.value)
        {
            let message = format!("there is no purpose `{}`", purpose.value);
            let label = "not declared in consent.yaml";
            let error = Diagnostic::error(codes::UNKNOWN_PURPOSE, message, purpose.span, label);
            let near = suggest::nearest(&purpose.value, known.iter().map(|it| it.name.as_str()));
            let help = near.map_or("declare it under `purposes` in consent.yaml".to_owned(), |near| {
                format!("did you mean `{near}`?")
            });
            self.report(error.help(help));
            return None;
        }
        Some(Typed::new(Expression::Consented(purpose.value.as_str().into()), Type::Bool, span))
    }
}

/// What to write for `goal did(order)`.
fn of_call(clause: &str, call: &Call) -> String {
    let subject = call.arguments.first().and_then(|argument| argument.value.steps.first());
    let windowed =
        call.modifiers.iter().any(|modifier| matches!(modifier.value, Modifier::Last(_) | Modifier::Since(_)));
    match subject.map(|step| &step.value.subject.value) {
        Some(ExpressionKind::Path(path)) if !windowed => {
            let event: Vec<&str> = path.value.iter().map(|name| name.value.as_str()).collect();
            format!("write `{clause} {}`", event.join("."))
        }
        _ if clause == "wait for" => "to wait for a condition, write `wait until`".to_owned(),
        _ => format!("write `{clause} order`"),
    }
}
