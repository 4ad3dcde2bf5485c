//! Typing of `sequence(view as v then add where product == v.product within 1h then no order for 30m, last 7d)`.

use super::aggregate::Asked;
use super::builtin::Builtin;
use super::expression::Checker;
use super::scope::StepScope;
use super::value::Typed;
use crate::diagnostic::{Diagnostic, codes};
use crate::ir::{EventSelector, Function, Pattern, Sequence, SequenceStep, TrailingAbsence, Type};
use crate::limits;
use crate::source::Span;
use crate::syntax::ast::{Call, Node, Step};

impl Checker<'_> {
    pub(super) fn sequence(&mut self, builtin: &Builtin, call: &Call, span: Span) -> Option<Typed> {
        let modifiers = self.modifiers(builtin, &call.modifiers);
        let steps = match call.arguments.as_slice() {
            [argument] => argument.value.steps.as_slice(),
            _ => {
                self.report(
                    Diagnostic::error(codes::WRONG_SEQUENCE, "a sequence is one list of steps", span, "")
                        .help("join the steps with `then`: `sequence(view then add)`"),
                );
                return None;
            }
        };
        self.shape(builtin, steps, span)?;
        let mut scopes: Vec<StepScope> = Vec::new();
        let mut patterns: Vec<Pattern> = Vec::new();
        let mut sound = true;
        for step in steps {
            let Some((event, name)) = self.step_event(builtin, step) else {
                // What later steps say of this one can't be judged.
                return None;
            };
            match self.pattern(event, &name, step, &scopes) {
                Some(pattern) => patterns.push(pattern),
                None => sound = false,
            }
            sound &= self.alias_is_free(step, event, &scopes);
            scopes.push(StepScope { alias: step.value.alias.clone(), event, name });
        }
        let modifiers = modifiers.filter(|_| sound)?;
        let name = scopes.first()?.name.clone();
        let (first, function) = assemble(steps, patterns)?;
        let asked = Asked { function, result: Type::Bool, pattern: first, value: None };
        self.aggregate(asked, &name, modifiers, span)
    }

    fn step_event(&mut self, builtin: &Builtin, step: &Node<Step>) -> Option<(EventSelector, String)> {
        let (event, name, rest) = self.event(builtin.name, builtin.signature, step)?;
        if let Some(first) = rest.first() {
            self.report(
                Diagnostic::error(
                    codes::WRONG_SEQUENCE,
                    "a step is an event, not one of its properties",
                    first.span,
                    "",
                )
                .help(format!("write a condition: `{name} where {} …`", first.value)),
            );
            return None;
        }
        Some((event, name))
    }

    /// Whether the steps can be a sequence at all, whatever they name.
    fn shape(&mut self, builtin: &Builtin, steps: &[Node<Step>], span: Span) -> Option<()> {
        let refusal = if steps.len() > limits::SEQUENCE_STEPS {
            let place = steps.get(limits::SEQUENCE_STEPS).map_or(span, |step| step.span);
            Some(
                Diagnostic::error(
                    codes::TOO_MANY_STEPS,
                    format!("a sequence of {} steps", steps.len()),
                    place,
                    "one too many",
                )
                .help(format!("a sequence has at most {}", limits::SEQUENCE_STEPS)),
            )
        } else {
            steps.iter().enumerate().find_map(|(index, step)| misplaced(index, step, index + 1 == steps.len()))
        };
        let refusal = refusal.or_else(|| {
            (steps.len() < 2).then(|| {
                Diagnostic::error(codes::WRONG_SEQUENCE, "a sequence of one step", span, "nothing comes after it")
                    .help(format!("write `did(…)`, or go on with `then`: `{}`", builtin.signature))
            })
        });
        match refusal {
            None => Some(()),
            Some(diagnostic) => {
                self.report(diagnostic);
                None
            }
        }
    }

    pub(super) fn alias_is_free(&mut self, step: &Node<Step>, event: EventSelector, earlier: &[StepScope]) -> bool {
        let Some(alias) = &step.value.alias else { return true };
        let taken = earlier.iter().filter_map(|step| step.alias.as_ref()).find(|other| other.value == alias.value);
        let refusal = if let Some(first) = taken {
            Diagnostic::error(codes::WRONG_SEQUENCE, format!("two steps are called `{}`", alias.value), alias.span, "")
                .label(first.span, "the first one")
        } else if matches!(alias.value.as_str(), "context" | "profile") {
            Diagnostic::error(
                codes::WRONG_SEQUENCE,
                format!("a step can't be called `{}`", alias.value),
                alias.span,
                "it has a meaning of its own",
            )
        } else if let EventSelector::One(id) = event
            && self.declarations.property(id, &alias.value).is_some()
        {
            Diagnostic::error(
                codes::WRONG_SEQUENCE,
                format!("a step called `{}` hides a property", alias.value),
                alias.span,
                "the event has one of that name",
            )
        } else {
            return true;
        };
        self.report(refusal.help("call it something else"));
        false
    }
}

/// What a step may not have where it stands.
fn misplaced(index: usize, step: &Node<Step>, is_last: bool) -> Option<Diagnostic> {
    let wrong = |message: &str, place: Span, help: &str| {
        Some(Diagnostic::error(codes::WRONG_SEQUENCE, message, place, "").help(help))
    };
    let Step { absent, alias, within, lasting, .. } = &step.value;
    match (absent, lasting) {
        (true, _) if index == 0 => wrong(
            "a sequence can't begin with what did not happen",
            step.span,
            "begin with the event after which it did not: `add then no order for 30m`",
        ),
        (true, _) if !is_last => {
            wrong("only the last step can be `no`", step.span, "put it last, or make two sequences")
        }
        (true, None) => wrong("`no` needs to know for how long", step.span, "write `no order for 30m`"),
        (true, Some(lasting)) if lasting.value.0 == 0 => {
            wrong("`no` for no time", lasting.span, "give it a length: `for 30m`")
        }
        (true, Some(_)) => match (within, alias) {
            (Some(within), _) => {
                wrong("`no` does not take `within`", within.span, "say for how long: `no order for 30m`")
            }
            (None, Some(alias)) => wrong("what did not happen has no name", alias.span, "leave `as` out"),
            (None, None) => None,
        },
        (false, Some(lasting)) => wrong("only `no` takes `for`", lasting.span, "did you mean `within`?"),
        (false, None) => match within {
            Some(within) if index == 0 => wrong(
                "the first step has no step before it",
                within.span,
                "put the time on the next step, or after the steps as a window: `last 7d`",
            ),
            _ => None,
        },
    }
}

/// INVARIANT: as many patterns as steps, at least two, `no` only in the last.
fn assemble(steps: &[Node<Step>], patterns: Vec<Pattern>) -> Option<(Pattern, Function)> {
    let mut parts = steps.iter().zip(patterns);
    let (_, first) = parts.next()?;
    let mut sequence = Sequence { then: Vec::new(), absence: None };
    for (step, pattern) in parts {
        match &step.value.lasting {
            Some(lasting) if step.value.absent => {
                sequence.absence = Some(TrailingAbsence { pattern, lasting: lasting.value })
            }
            _ => sequence
                .then
                .push(SequenceStep { pattern, within: step.value.within.as_ref().map(|within| within.value) }),
        }
    }
    Some((first, Function::Sequence(sequence)))
}
