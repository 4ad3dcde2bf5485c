//! Typing of `funnel checkout { view then order within 7d by profile.country }`.

use super::expression::Checker;
use super::operator::refuse_personal;
use super::scope::{Scope, StepScope};
use super::value::noun;
use crate::diagnostic::{Diagnostic, codes};
use crate::ir::fingerprint::Digest;
use crate::ir::{Breakdown, Funnel, FunnelStep, Type};
use crate::limits;
use crate::source::Span;
use crate::syntax::ast::{self, Item, Node, Path, Step};

impl Checker<'_> {
    /// A funnel; `None` when something in it has been reported.
    pub fn funnel(&mut self, item: &Item, funnel: &ast::Funnel) -> Option<Funnel> {
        let mut sound = self.is_funnel(funnel);
        let mut scopes: Vec<StepScope> = Vec::new();
        let mut steps = Vec::new();
        for step in &funnel.steps {
            let Some((event, name, rest)) = self.event("funnel", "view then order", step) else {
                // What later steps and breakdowns say of this one can't be judged.
                return None;
            };
            if let Some(first) = rest.first() {
                self.report(
                    Diagnostic::error(
                        codes::WRONG_FUNNEL,
                        "a step is an event, not one of its properties",
                        first.span,
                        "",
                    )
                    .help(format!("write a condition: `{name} where {} …`", first.value)),
                );
                return None;
            }
            let pattern = self.pattern(event, &name, step, &scopes);
            sound &= self.alias_is_free(step, event, &scopes);
            let shown = step.value.alias.as_ref().map_or(&name, |alias| &alias.value).clone();
            scopes.push(StepScope { alias: step.value.alias.clone(), event, name });
            match pattern {
                Some(pattern) => steps.push(FunnelStep {
                    name: shown,
                    pattern,
                    within: step.value.within.as_ref().map(|within| within.value),
                }),
                None => sound = false,
            }
        }
        let mut breakdowns = Vec::new();
        for path in &funnel.by {
            match self.breakdown(path, &scopes) {
                Some(breakdown) => breakdowns.push(breakdown),
                None => sound = false,
            }
        }
        let within = funnel.within.as_ref()?.value;
        let purpose = item.purpose.as_ref().map(|purpose| purpose.value.clone());
        let mut digest = Digest::new(&self.interner, Vec::new());
        digest.text(purpose.as_deref().unwrap_or_default());
        digest.number(within.0);
        for step in &steps {
            digest.pattern(&step.pattern);
            digest.number(step.within.map_or(-1, |within| within.0));
        }
        for breakdown in &breakdowns {
            digest.expression(&breakdown.value);
            digest.kind(&breakdown.kind);
        }
        let fingerprint = digest.finish();
        sound.then(|| Funnel {
            name: item.name.value.clone(),
            description: item.description.as_ref().map(|text| text.value.clone()),
            purpose,
            steps,
            within,
            breakdowns,
            place: self.place(item),
            fingerprint,
        })
    }

    /// Whether the steps can be a funnel, whatever they name.
    fn is_funnel(&mut self, funnel: &ast::Funnel) -> bool {
        let wrong = |message: &str, span: Span, help: &str| {
            Diagnostic::error(codes::WRONG_FUNNEL, message, span, "").help(help)
        };
        let refusal = if let [only] = funnel.steps.as_slice() {
            Some(wrong("a funnel of one step", only.span, "say what comes after it: `view then order`"))
        } else if let Some(surplus) = funnel.steps.get(limits::SEQUENCE_STEPS) {
            let message = format!("a funnel of {} steps", funnel.steps.len());
            let help = format!("a funnel has at most {}", limits::SEQUENCE_STEPS);
            Some(Diagnostic::error(codes::TOO_MANY_STEPS, message, surplus.span, "one too many").help(help))
        } else if let Some(within) = funnel.within.as_ref().filter(|within| within.value.0 == 0) {
            Some(wrong("a funnel that takes no time", within.span, "give it a length: `within 7d`"))
        } else {
            funnel.steps.iter().enumerate().find_map(|(index, step)| misplaced(index, step))
        };
        let Some(refusal) = refusal else { return !funnel.steps.is_empty() };
        self.report(refusal);
        false
    }

    fn breakdown(&mut self, path: &Path, steps: &[StepScope]) -> Option<Breakdown> {
        let (first, rest) = path.value.split_first()?;
        let named = steps.iter().enumerate().find(|(_, step)| step.alias.as_ref().is_some_and(|alias| alias == first));
        let typed = match named {
            Some((index, step)) => self.step_property(step, index, path)?,
            None if first.value == "context" => self.context(path, rest)?,
            None => self.path(path, Scope::Person)?,
        };
        self.accept(refuse_personal(&typed))?;
        if matches!(typed.kind, Type::List(_)) || typed.motion != super::Motion::STILL {
            self.report(
                Diagnostic::error(
                    codes::WRONG_BREAKDOWN,
                    "figures can't be broken down by this",
                    path.span,
                    noun(&typed.kind),
                )
                .help("name a single value that does not grow with the clock"),
            );
            return None;
        }
        let name: Vec<&str> = path.value.iter().map(|name| name.value.as_str()).collect();
        Some(Breakdown { name: name.join("."), value: typed.expression, kind: typed.kind })
    }

    /// Path and line of an item, for people.
    pub(super) fn place(&self, item: &Item) -> String {
        let span = item.name.span;
        format!("{}:{}", self.sources.path(span.file), self.sources.position(span.file, span.start).line)
    }
}

/// What a step of a funnel may not have.
fn misplaced(index: usize, step: &Node<Step>) -> Option<Diagnostic> {
    let wrong = |message: &str, span: Span, help: &str| {
        Some(Diagnostic::error(codes::WRONG_FUNNEL, message, span, "").help(help))
    };
    match &step.value {
        Step { absent: true, .. } => wrong(
            "a step of a funnel is something that happens",
            step.span,
            "ask for what does not in a segment: `sequence(add then no order for 30m)`",
        ),
        Step { lasting: Some(lasting), .. } => wrong("only `no` takes `for`", lasting.span, "did you mean `within`?"),
        Step { within: Some(within), .. } if index == 0 => wrong(
            "the first step has no step before it",
            within.span,
            "put the time on the next step, or behind the steps for all of them",
        ),
        _ => None,
    }
}
