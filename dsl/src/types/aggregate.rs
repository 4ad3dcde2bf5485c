//! Typing of calls: `count(view where price > 10, last 7d)`, `sum(order.total)`, `in(keen)`.

use super::builtin::{self, Builtin, Takes};
use super::context;
use super::expression::{Checker, place_text};
use super::operator::refuse_personal;
use super::scope::{EventScope, RuleInfo, RuleState, Scope, StepScope};
use super::value::{Motion, Typed, noun};
use crate::diagnostic::{Diagnostic, codes, suggest};
use crate::ir::{
    Aggregate, EventSelector, Expression, Fingerprint, Function, Pattern, PropertySlot, SessionBounds, Type, Window,
};
use crate::model::fold_event_name;
use crate::source::Span;
use crate::syntax::ast::{Argument, Call, ExpressionKind, ItemKind, Modifier, Name, Node, Path, Step};

/// The window of an aggregate and what it is grouped by, as written.
pub(super) struct Modifiers<'c> {
    pub window: Window,
    pub per: Option<&'c Path>,
}

impl Checker<'_> {
    pub(super) fn call(&mut self, call: &Call, span: Span, scope: Scope<'_>) -> Option<Typed> {
        if let ([name], false) = (call.function.value.as_slice(), self.setting.ahead)
            && name.value == "consented"
        {
            return self.consented(call, span, scope);
        }
        let builtin = self.function(&call.function)?;
        if let Scope::Event(_) = scope {
            self.report(
                Diagnostic::error(
                    codes::OUT_OF_PLACE,
                    format!("`{}` can't be asked inside `where`", builtin.name),
                    span,
                    "only the event is known here",
                )
                .help("take it out and join both with `and`"),
            );
            return None;
        }
        match &builtin.takes {
            Takes::Segment => self.in_segment(call, span),
            Takes::Steps => self.sequence(builtin, call, span),
            Takes::Events(function, result) => {
                let step = self.single_step(builtin, call, span);
                let modifiers = self.modifiers(builtin, &call.modifiers);
                let (event, name, rest) = self.event(builtin.name, builtin.signature, step?)?;
                if let Some(first) = rest.first() {
                    let diagnostic = Diagnostic::error(
                        codes::WRONG_ARGUMENT,
                        format!("`{}` takes an event, not one of its properties", builtin.name),
                        first.span,
                        "",
                    )
                    .help(format!(
                        "write `{0}({name})`, `{0}({name} where {1} is known)` or `distinct({name}.{1})`",
                        builtin.name, first.value
                    ));
                    self.report(diagnostic);
                    return None;
                }
                let pattern = self.pattern(event, &name, step?, &[]);
                let (pattern, modifiers) = (pattern?, modifiers?);
                let motion = if *function == Function::Since { Motion::CLOCK } else { Motion::STILL };
                let asked = Asked { function: function.clone(), result: result.clone(), pattern, value: None };
                let typed = self.aggregate(asked, &name, modifiers, span)?;
                Some(Typed { motion, ..typed })
            }
            Takes::Property(function, result) => {
                let step = self.single_step(builtin, call, span);
                let modifiers = self.modifiers(builtin, &call.modifiers);
                let (event, name, rest) = self.event(builtin.name, builtin.signature, step?)?;
                let value = self.value(builtin, event, &name, rest, step?);
                let pattern = self.pattern(event, &name, step?, &[]);
                let ((value, slot), pattern, modifiers) = (value?, pattern?, modifiers?);
                let result =
                    self.accept(result(&value.kind).map_err(|wanted| wrong_property(builtin, &value, wanted)))?;
                let asked = Asked { function: function.clone(), result, pattern, value: Some(slot) };
                let typed = self.aggregate(asked, &name, modifiers, span)?;
                let keeps = !builtin.compares || typed.kind == value.kind;
                Some(Typed { personal: value.personal, declared: value.declared.filter(|_| keeps), ..typed })
            }
        }
    }

    fn function(&mut self, path: &Path) -> Option<&'static Builtin> {
        let written: Vec<&str> = path.value.iter().map(|name| name.value.as_str()).collect();
        let written = written.join(".");
        if let Some(found) = builtin::find(&written) {
            return Some(found);
        }
        let diagnostic = if written == builtin::RECOMMEND {
            Diagnostic::error(codes::OUT_OF_PLACE, "`recommend` gives a list to be shown, not a value", path.span, "")
                .help("write it as a field of what an experience shows: `show { products: recommend(…) }`")
        } else if builtin::LATER.contains(&written.as_str()) {
            Diagnostic::error(
                codes::NOT_IN_THIS_VERSION,
                format!("`{written}(…)` is not part of this version"),
                path.span,
                "",
            )
        } else {
            let diagnostic = Diagnostic::error(
                codes::NO_SUCH_FUNCTION,
                format!("there is no function `{written}`"),
                path.span,
                "not known",
            );
            let known = builtin::ALL.iter().map(|builtin| builtin.name);
            match suggest::nearest(&written, known.clone()).or_else(|| builtin::of_alias(&written)) {
                Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
                None => diagnostic.help(format!(
                    "the functions are {}",
                    known.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
                )),
            }
        };
        self.report(diagnostic);
        None
    }

    fn in_segment(&mut self, call: &Call, span: Span) -> Option<Typed> {
        if let Some(modifier) = call.modifiers.first() {
            self.report(
                Diagnostic::error(codes::TRAIT_HISTORY, "a segment has no window", modifier.span, "").help(
                    "`in(…)` asks whether the person is in it now; put the window into the segment's own condition",
                ),
            );
            return None;
        }
        let name = match call.arguments.as_slice() {
            [Node { value: Argument { steps }, .. }] => match steps.as_slice() {
                [
                    Node {
                        value: Step { absent: false, subject, alias: None, filter: None, within: None, lasting: None },
                        ..
                    },
                ] => match &subject.value {
                    ExpressionKind::Faulty => return None,
                    ExpressionKind::Path(path) if path.value.len() == 1 => path.value.first(),
                    _ => None,
                },
                _ => None,
            },
            _ => None,
        };
        let Some(name) = name else {
            self.report(
                Diagnostic::error(codes::WRONG_ARGUMENT, "`in` takes the name of one segment", span, "")
                    .help("write `in(loyal_customers)`"),
            );
            return None;
        };
        let diagnostic = match self.rules.get(&name.value) {
            Some(rule) if rule.kind == Some(ItemKind::Trait) => Diagnostic::error(
                codes::NO_SUCH_NAME,
                format!("`{}` is a trait", name.value),
                name.span,
                "not a segment",
            )
            .help("a trait's bare name is its value: compare it with something")
            .note(format!("declared in {}", place_text(self.sources, rule.place))),
            Some(RuleInfo { kind: Some(kind), place, .. }) if *kind != ItemKind::Segment => {
                self.no_value(&name.value, *kind, "not a segment", name.span, *place)
            }
            Some(rule) => match &rule.state {
                RuleState::Faulty => return None,
                RuleState::Typed { id, .. } => return Some(Typed::new(Expression::Rule(*id), Type::Bool, span)),
            },
            None => {
                let segments = self
                    .rules
                    .iter()
                    .filter(|(_, rule)| matches!(rule.kind, None | Some(ItemKind::Segment)))
                    .map(|(name, _)| name.as_str());
                let diagnostic = Diagnostic::error(
                    codes::NO_SUCH_NAME,
                    format!("there is no segment `{}`", name.value),
                    name.span,
                    "not known",
                );
                match suggest::nearest(&name.value, segments).and_then(|near| self.rules.get_key_value(near)) {
                    Some((near, rule)) => diagnostic
                        .help(format!("did you mean `{near}`?"))
                        .note(format!("declared in {}", place_text(self.sources, rule.place))),
                    None => diagnostic,
                }
            }
        };
        self.report(diagnostic);
        None
    }

    /// The one step that is all a function but `sequence` takes.
    fn single_step<'c>(&mut self, builtin: &Builtin, call: &'c Call, span: Span) -> Option<&'c Node<Step>> {
        let refusal = match call.arguments.as_slice() {
            [] => Diagnostic::error(codes::WRONG_ARGUMENT, format!("`{}` asks about nothing", builtin.name), span, ""),
            [_, second, ..] => Diagnostic::error(
                codes::WRONG_ARGUMENT,
                format!("`{}` takes one thing", builtin.name),
                second.span,
                "one too many",
            ),
            [argument] => match argument.value.steps.as_slice() {
                [step] => match sequence_part(&step.value) {
                    None => return Some(step),
                    Some((word, place)) => Diagnostic::error(
                        codes::WRONG_ARGUMENT,
                        format!("`{}` does not take `{word}`", builtin.name),
                        place.unwrap_or(step.span),
                        "only in `sequence`",
                    ),
                },
                [] => return None,
                _ => Diagnostic::error(
                    codes::WRONG_ARGUMENT,
                    format!("`{}` does not take steps", builtin.name),
                    argument.span,
                    "only `sequence` does",
                ),
            },
        };
        self.report(refusal.help(format!("write `{}`", builtin.signature)));
        None
    }

    /// The event of a step, how it is written, and the path behind it.
    pub(super) fn event<'c>(
        &mut self,
        asker: &str,
        signature: &str,
        step: &'c Node<Step>,
    ) -> Option<(EventSelector, String, &'c [Name])> {
        let subject = &step.value.subject;
        let ExpressionKind::Path(path) = &subject.value else {
            if subject.value != ExpressionKind::Faulty {
                self.report(
                    Diagnostic::error(
                        codes::WRONG_ARGUMENT,
                        format!("`{asker}` asks about events"),
                        subject.span,
                        "not the name of an event",
                    )
                    .help(format!("write `{signature}`")),
                );
            }
            return None;
        };
        let (first, rest) = path.value.split_first()?;
        if first.value == "any" {
            return Some((EventSelector::Any, first.value.clone(), rest));
        }
        let declarations = self.declarations;
        if let Some(id) = declarations.event_named(&first.value)
            && declarations.event(id).is_some_and(|event| event.name == first.value)
        {
            return Some((EventSelector::One(id), first.value.clone(), rest));
        }
        if !declarations.faulty.events.contains(&fold_event_name(&first.value)) {
            let diagnostic = self.unknown_event(asker, first, path);
            self.report(diagnostic);
        }
        None
    }

    fn unknown_event(&self, asker: &str, name: &Name, path: &Path) -> Diagnostic {
        let declarations = self.declarations;
        let written = name.value.as_str();
        let declared_in = |span: Option<&Span>, diagnostic: Diagnostic| match span {
            Some(span) => diagnostic.note(format!("declared in {}", place_text(self.sources, *span))),
            None => diagnostic,
        };
        let history = |what: &str, place: Option<&Span>| {
            let diagnostic = Diagnostic::error(
                codes::TRAIT_HISTORY,
                format!("`{asker}` asks about events, and `{what}` is a trait"),
                path.span,
                "a trait has no history",
            )
            .help("a trait has one value, now: compare it, or ask about the events that it is made of");
            declared_in(place, diagnostic)
        };
        if written == "profile" {
            let shown: Vec<&str> = path.value.iter().map(|name| name.value.as_str()).collect();
            return history(&shown.join("."), None);
        }
        if let Some(id) = declarations.event_named(written)
            && let Some(event) = declarations.event(id)
        {
            let diagnostic = Diagnostic::error(
                codes::NO_SUCH_EVENT,
                format!("`{written}` is another name of `{}`", event.name),
                name.span,
                "rules use the name itself",
            )
            .help(format!("write `{}`", event.name));
            return declared_in(declarations.places.events.get(id.index()), diagnostic);
        }
        if let Some(rule) = self.rules.get(written) {
            return match rule.kind {
                Some(ItemKind::Segment) => {
                    let diagnostic = Diagnostic::error(
                        codes::NO_SUCH_EVENT,
                        format!("`{written}` is a segment, not an event"),
                        name.span,
                        "",
                    )
                    .help(format!("write `in({written})`"));
                    declared_in(Some(&rule.place), diagnostic)
                }
                Some(ItemKind::Trait) | None => history(written, Some(&rule.place)),
                Some(kind) => Diagnostic::error(
                    codes::NO_SUCH_EVENT,
                    format!("`{written}` is {}, not an event", kind.noun()),
                    name.span,
                    "",
                )
                .note(format!("declared in {}", place_text(self.sources, rule.place))),
            };
        }
        let diagnostic = Diagnostic::error(
            codes::NO_SUCH_EVENT,
            format!("`{written}` is not an event"),
            name.span,
            "no schema declares it",
        );
        let names = || declarations.events.iter().map(|event| event.name.as_str());
        if let Some(near) = suggest::nearest(written, names()) {
            let place = declarations.event_named(near).and_then(|id| declarations.places.events.get(id.index()));
            return declared_in(place, diagnostic.help(format!("did you mean `{near}`?")));
        }
        if let Some((id, _)) = declarations.profile_named(written) {
            return history(&format!("profile.{written}"), declarations.places.profile.get(id.index()));
        }
        match suggest::help(written, names()) {
            Some(help) => diagnostic.help(help),
            None => diagnostic.help("declare it in events/, or name one that is"),
        }
    }

    /// The property that a function is about.
    fn value(
        &mut self,
        builtin: &Builtin,
        event: EventSelector,
        name: &str,
        rest: &[Name],
        step: &Node<Step>,
    ) -> Option<(Typed, PropertySlot)> {
        let (Some(first), Some(last)) = (rest.first(), rest.last()) else {
            let fitting: Vec<String> = self
                .fitting(builtin, event)
                .into_iter()
                .take(6)
                .map(|property| format!("`{}({name}.{property})`", builtin.name))
                .collect();
            let diagnostic = Diagnostic::error(
                codes::WRONG_ARGUMENT,
                format!("`{}` needs a property of `{name}`", builtin.name),
                step.value.subject.span,
                "only an event",
            );
            let diagnostic = if fitting.is_empty() {
                diagnostic.help(format!("write `{}`", builtin.signature))
            } else {
                diagnostic.help(format!("write {}", fitting.join(" or ")))
            };
            self.report(diagnostic);
            return None;
        };
        let found = self.property(event, name, rest, Span { end: last.span.end, ..first.span })?;
        if builtin.compares {
            self.accept(refuse_personal(&found.0))?;
        }
        Some(found)
    }

    /// The properties of an event that a function takes.
    fn fitting(&self, builtin: &Builtin, event: EventSelector) -> Vec<String> {
        let (EventSelector::One(id), Takes::Property(_, result)) = (event, &builtin.takes) else { return Vec::new() };
        let Some(event) = self.declarations.event(id) else { return Vec::new() };
        let fits = |kind: &Option<Type>| kind.as_ref().is_some_and(|kind| result(kind).is_ok());
        event.properties.iter().filter(|property| fits(&property.kind)).map(|property| property.name.clone()).collect()
    }

    /// Which events of one type count.
    pub(super) fn pattern(
        &mut self,
        event: EventSelector,
        name: &str,
        step: &Node<Step>,
        earlier: &[StepScope],
    ) -> Option<Pattern> {
        let filter = match &step.value.filter {
            None => None,
            Some(filter) => {
                let scope = EventScope { event, name, earlier, own_alias: step.value.alias.as_ref() };
                let typed = self.expression(filter, Scope::Event(&scope))?;
                Some(self.condition(typed, "`where` needs a condition")?.expression)
            }
        };
        Some(Pattern { event, filter })
    }

    pub(super) fn modifiers<'c>(&mut self, builtin: &Builtin, written: &'c [Node<Modifier>]) -> Option<Modifiers<'c>> {
        let mut window: Option<(Window, Span)> = None;
        let mut per: Option<&Path> = None;
        let mut sound = true;
        for modifier in written {
            let next = match &modifier.value {
                Modifier::Faulty => {
                    sound = false;
                    continue;
                }
                Modifier::Per(path) => {
                    if let Some(first) = per {
                        self.report(second("per", modifier.span, first.span, "group by one property"));
                        sound = false;
                    } else if !builtin.per {
                        let help = if builtin.name == "sequence" {
                            "share a value between steps: `view as v then add where product == v.product`"
                        } else {
                            "leave it out"
                        };
                        self.report(
                            Diagnostic::error(
                                codes::WRONG_MODIFIER,
                                format!("`{}` does not take `per`", builtin.name),
                                modifier.span,
                                "it has no largest value",
                            )
                            .help(help),
                        );
                        sound = false;
                    }
                    per = Some(path);
                    continue;
                }
                Modifier::ThisSession => {
                    let Some(window) = self.session(modifier.span) else {
                        sound = false;
                        continue;
                    };
                    window
                }
                Modifier::Next(length) if self.setting.ahead && builtin.name != "since" && length.0 > 0 => {
                    Window::Next(*length)
                }
                Modifier::Next(_) => {
                    self.report(
                        Diagnostic::error(
                            codes::WRONG_MODIFIER,
                            "`next` looks into the future",
                            modifier.span,
                            "labels and goals only",
                        )
                        .help(if self.setting.ahead {
                            "it takes a length of time, and `since` looks back only"
                        } else {
                            "a rule knows what has happened: write `last`"
                        }),
                    );
                    sound = false;
                    continue;
                }
                Modifier::Last(length) if length.0 == 0 => {
                    self.report(
                        Diagnostic::error(
                            codes::WRONG_MODIFIER,
                            "a window of no time",
                            modifier.span,
                            "nothing is in it",
                        )
                        .help("give it a length: `last 24h`"),
                    );
                    sound = false;
                    continue;
                }
                Modifier::Last(length) => Window::Last(*length),
                Modifier::Since(when) => Window::Since(self.moment(*when)),
            };
            if let Some((_, first)) = window {
                self.report(second("window", modifier.span, first, "keep the one that is meant"));
                sound = false;
            }
            window = Some((next, modifier.span));
        }
        sound.then(|| Modifiers { window: window.map_or(Window::Always, |(window, _)| window), per })
    }

    /// `this session`: events must be read with the client's session ids then.
    fn session(&mut self, span: Span) -> Option<Window> {
        for path in context::CLIENT_SESSION_IDS {
            let keys = path.split('.').map(str::to_owned).collect();
            let slot = self.interner.context(keys, Type::String { one_of: None });
            self.fits(slot, span)?;
        }
        let settings = &self.declarations.settings;
        Some(Window::Session(SessionBounds { idle: settings.session_idle, max: settings.session_max }))
    }

    /// Gives an aggregate its id.
    pub(super) fn aggregate(
        &mut self,
        asked: Asked,
        event_name: &str,
        modifiers: Modifiers<'_>,
        span: Span,
    ) -> Option<Typed> {
        let per = match modifiers.per {
            None => None,
            Some(path) => {
                let (typed, slot) = self.property(asked.pattern.event, event_name, &path.value, path.span)?;
                self.accept(refuse_personal(&typed))?;
                if matches!(typed.kind, Type::List(_)) {
                    self.report(
                        Diagnostic::error(
                            codes::WRONG_MODIFIER,
                            "a list makes no groups",
                            path.span,
                            noun(&typed.kind),
                        )
                        .help("group by a single value"),
                    );
                    return None;
                }
                Some(slot)
            }
        };
        let id = self.interner.aggregate(Aggregate {
            function: asked.function,
            pattern: asked.pattern,
            value: asked.value,
            window: modifiers.window,
            per,
            enough: None,
            result: asked.result.clone(),
            purpose: None,
            fingerprint: Fingerprint::default(),
        });
        Some(Typed::new(Expression::Aggregate(id), asked.result, span))
    }
}

/// What is asked of events.
pub(super) struct Asked {
    pub function: Function,
    pub result: Type,
    pub pattern: Pattern,
    pub value: Option<PropertySlot>,
}

/// The word of a step that only a sequence has, and its place.
fn sequence_part(step: &Step) -> Option<(&'static str, Option<Span>)> {
    if step.absent {
        Some(("no", None))
    } else if let Some(alias) = &step.alias {
        Some(("as", Some(alias.span)))
    } else if let Some(within) = &step.within {
        Some(("within", Some(within.span)))
    } else {
        step.lasting.as_ref().map(|lasting| ("for", Some(lasting.span)))
    }
}

fn second(what: &str, again: Span, first: Span, help: &str) -> Diagnostic {
    Diagnostic::error(codes::WRONG_MODIFIER, format!("a second `{what}`"), again, "")
        .label(first, "the first one")
        .help(help)
}

fn wrong_property(builtin: &Builtin, value: &Typed, wanted: &str) -> Diagnostic {
    let noun = noun(&value.kind);
    let diagnostic = Diagnostic::error(
        codes::WRONG_ARGUMENT,
        format!("`{}` takes {wanted}, and this is {noun}", builtin.name),
        value.span,
        noun,
    );
    match (&value.kind, builtin.name) {
        (Type::String { .. }, "sum" | "avg") => diagnostic.help("`count` counts events, `distinct` different values"),
        _ => diagnostic,
    }
}
