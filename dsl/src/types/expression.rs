//! Typing of expressions: names become ids, operators are checked, conversions put in.

use super::operator::{self, Wording, refuse_personal};
use super::property::{self, Found};
use super::scope::{EventScope, RuleInfo, RuleState, RuleTable, Scope, Setting, StepScope};
use super::value::{Typed, convert, join, noun};
use super::{builtin, context};
use crate::diagnostic::{Diagnostic, codes, suggest};
use crate::ir::interner::{Full, Interner};
use crate::ir::{EventId, EventSelector, Expression, NodePlace, Type, Value};
use crate::limits;
use crate::model::{Declarations, Plugins, fold_event_name};
use crate::source::{SourceSet, Span};
use crate::syntax::ast::{self, ExpressionKind, ItemKind, Literal, Name, Path, When};
use crate::time::Moment;
use jiff::tz::TimeZone;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Types the expressions of a project's rules.
pub struct Checker<'a> {
    pub(super) sources: &'a SourceSet,
    pub(super) declarations: &'a Declarations,
    pub(super) plugins: &'a Plugins,
    /// Plugins that something is sent with, and that have not said what they take.
    pub undescribed: BTreeSet<String>,
    /// By the name of a journey: where its nodes are written.
    pub journey_places: BTreeMap<String, Vec<NodePlace>>,
    /// What may be said where the expression at hand stands.
    pub(super) setting: Setting,
    /// The rules that may be named.
    pub rules: RuleTable,
    /// What has an id so far.
    pub interner: Interner<'a>,
    pub(super) zone: TimeZone,
    /// What is wrong.
    pub diagnostics: &'a mut Vec<Diagnostic>,
}

impl<'a> Checker<'a> {
    /// Nothing is typed yet.
    pub fn new(
        sources: &'a SourceSet,
        declarations: &'a Declarations,
        plugins: &'a Plugins,
        rules: RuleTable,
        diagnostics: &'a mut Vec<Diagnostic>,
    ) -> Self {
        // An unknown time zone is an error of `sonder.yaml`, reported there.
        let zone = TimeZone::get(&declarations.settings.timezone).unwrap_or(TimeZone::UTC);
        let setting = Setting::default();
        Self {
            sources,
            declarations,
            plugins,
            undescribed: BTreeSet::new(),
            journey_places: BTreeMap::new(),
            setting,
            rules,
            interner: Interner::new(declarations),
            zone,
            diagnostics,
        }
    }

    /// The expression of a segment or trait; `None` when something in it has been reported.
    pub fn rule(&mut self, kind: ItemKind, expression: &ast::Expression) -> Option<Typed> {
        let typed = self.expression(expression, Scope::Person)?;
        match kind {
            ItemKind::Segment => self.condition(typed, "a segment needs a condition"),
            _ => Some(typed),
        }
    }

    pub(super) fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// The value, or its error reported.
    pub(super) fn accept<T>(&mut self, result: Result<T, Diagnostic>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(diagnostic) => {
                self.report(diagnostic);
                None
            }
        }
    }

    pub(super) fn fits<T>(&mut self, slot: Result<T, Full>, span: Span) -> Option<T> {
        self.accept(slot.map_err(|Full| {
            Diagnostic::error(
                codes::TOO_MANY_RULES,
                "rules read too many properties of one event",
                span,
                "one too many",
            )
            .help(format!("rules may read {} of them", limits::SLOTS))
        }))
    }

    /// Types an expression.
    pub(super) fn expression(&mut self, expression: &ast::Expression, scope: Scope<'_>) -> Option<Typed> {
        let span = expression.span;
        match &expression.value {
            ExpressionKind::Faulty => None,
            ExpressionKind::Literal(literal) => Some(self.literal(literal, span)),
            ExpressionKind::Path(path) => self.path(path, scope),
            ExpressionKind::Call(call) => self.call(call, span, scope),
            ExpressionKind::Unary(operator, operand) => {
                let operand = self.expression(operand, scope)?;
                let typed = operator::unary(operator.value, operand, span);
                self.accept(typed)
            }
            ExpressionKind::Binary(left, operator, right) => {
                // Both sides, so that the errors of both are found.
                let (left, right) = (self.expression(left, scope), self.expression(right, scope));
                let (left, right) = (left?, right?);
                let sources = self.sources;
                let wording =
                    Wording { text: &|span| excerpt(sources, span), place: &|span| place_text(sources, span) };
                let typed = operator::binary(operator, left, right, &wording);
                self.accept(typed)
            }
            ExpressionKind::IsKnown(value, known) => self.is_known(value, *known, span, scope),
            ExpressionKind::If(branches) => self.if_else(branches, span, scope),
            ExpressionKind::Early(rollout) => Some(Typed::new(Expression::Early(*rollout), Type::Bool, span)),
        }
    }

    fn literal(&self, literal: &Literal, span: Span) -> Typed {
        let (value, kind) = match literal {
            Literal::Bool(value) => (Value::Bool(*value), Type::Bool),
            Literal::Int(value) => (Value::Int(*value), Type::Int),
            Literal::Decimal(value) => (Value::Decimal(*value), Type::Decimal { scale: value.scale() as u8 }),
            Literal::String(text) => {
                let text: Arc<str> = text.as_str().into();
                (Value::String(Arc::clone(&text)), Type::String { one_of: Some(Arc::new([text])) })
            }
            Literal::Duration(value) => (Value::Duration(*value), Type::Duration),
            Literal::Time(when) => (Value::Time(self.moment(*when)), Type::Time),
        };
        Typed::new(Expression::Constant(value), kind, span)
    }

    /// A day begins at midnight in the project's time zone, or at the first moment that it has there.
    pub(super) fn moment(&self, when: When) -> Moment {
        match when {
            When::Moment(moment) => moment,
            When::Day(day) => day
                .to_zoned_datetime(self.zone.clone())
                .map_or(Moment::MIN, |start| Moment(start.timestamp().as_microsecond())),
        }
    }

    fn is_known(&mut self, value: &ast::Expression, known: bool, span: Span, scope: Scope<'_>) -> Option<Typed> {
        let value = self.expression(value, scope)?;
        let test = Expression::IsKnown(Box::new(value.expression));
        let expression = if known {
            test
        } else {
            Expression::Unary { operator: crate::ir::UnaryOperator::Not, operand: Box::new(test) }
        };
        Some(Typed::new(expression, Type::Bool, span))
    }

    fn if_else(&mut self, branches: &ast::Branches, span: Span, scope: Scope<'_>) -> Option<Typed> {
        let condition = self.expression(&branches.condition, scope);
        let condition = condition.and_then(|condition| self.condition(condition, "`if` needs a condition"));
        let then = self.expression(&branches.then, scope);
        let otherwise = self.expression(&branches.otherwise, scope);
        let (condition, then, otherwise) = (condition?, then?, otherwise?);
        let Some(kind) = join(&then.kind, &otherwise.kind) else {
            let (a, b) = (noun(&then.kind), noun(&otherwise.kind));
            self.report(
                Diagnostic::error(codes::BRANCHES_DIFFER, format!("this `if` gives {a} or {b}"), otherwise.span, b)
                    .label(then.span, a)
                    .help("both branches must give the same type"),
            );
            return None;
        };
        let expression = Expression::If {
            condition: Box::new(condition.expression),
            then: Box::new(convert(then.expression, &then.kind, &kind)),
            otherwise: Box::new(convert(otherwise.expression, &otherwise.kind, &kind)),
        };
        Some(Typed {
            expression,
            kind,
            span,
            motion: then.motion.either(otherwise.motion),
            personal: then.personal.or(otherwise.personal),
            declared: then.declared.or(otherwise.declared),
        })
    }

    /// A yes-or-no value that stands where one is needed.
    pub(super) fn condition(&mut self, typed: Typed, why: &str) -> Option<Typed> {
        self.accept(refuse_personal(&typed))?;
        if typed.kind == Type::Bool {
            return Some(typed);
        }
        let noun = noun(&typed.kind);
        self.report(
            Diagnostic::error(codes::NOT_A_CONDITION, format!("{why}, and this is {noun}"), typed.span, noun)
                .help("compare it with something: `… >= 3`"),
        );
        None
    }

    pub(super) fn path(&mut self, path: &Path, scope: Scope<'_>) -> Option<Typed> {
        match scope {
            Scope::Event(event) => self.path_in_event(path, event),
            Scope::Person => self.path_in_rule(path),
        }
    }

    fn path_in_event(&mut self, path: &Path, scope: &EventScope<'_>) -> Option<Typed> {
        let (first, rest) = path.value.split_first()?;
        if let Some((index, step)) =
            scope.earlier.iter().enumerate().find(|(_, step)| is_alias(step.alias.as_ref(), first))
        {
            return self.step_property(step, index, path);
        }
        if is_alias(scope.own_alias, first) {
            self.report(
                Diagnostic::error(codes::OUT_OF_PLACE, format!("`{}` is this very event", first.value), first.span, "")
                    .help("its own properties are named without it"),
            );
            return None;
        }
        if first.value == "context" {
            return self.context(path, rest);
        }
        let is_property = match scope.event {
            EventSelector::One(event) => self.declarations.property(event, &first.value).is_some(),
            EventSelector::Any => false,
        };
        if first.value == "profile" && !is_property {
            self.report(
                Diagnostic::error(
                    codes::OUT_OF_PLACE,
                    "the profile can't be read inside `where`",
                    path.span,
                    "only the event is known here",
                )
                .help("take it out: `when profile.country == \"NL\" and count(view) >= 3`"),
            );
            return None;
        }
        let (typed, slot) = self.property(scope.event, scope.name, &path.value, path.span)?;
        Some(Typed { expression: Expression::Property(slot), ..typed })
    }

    /// A property of a step that is named by its alias.
    pub(super) fn step_property(&mut self, step: &StepScope, index: usize, path: &Path) -> Option<Typed> {
        let (first, rest) = path.value.split_first()?;
        if rest.is_empty() {
            self.report(
                Diagnostic::error(
                    codes::OUT_OF_PLACE,
                    format!("`{}` is a whole event", first.value),
                    path.span,
                    "one of its properties is needed",
                )
                .help(format!("name a property: `{}.…`", first.value)),
            );
            return None;
        }
        let (typed, slot) = self.property(step.event, &step.name, rest, path.span)?;
        let step = u8::try_from(index).ok()?;
        Some(Typed { expression: Expression::Step { step, slot }, ..typed })
    }

    pub(super) fn context(&mut self, path: &Path, rest: &[Name]) -> Option<Typed> {
        let written: Vec<&str> = rest.iter().map(|name| name.value.as_str()).collect();
        let joined = written.join(".");
        let Some(field) = context::find(&joined) else {
            self.report(unknown_context(&joined, path.span));
            return None;
        };
        let keys = written.iter().map(|key| (*key).to_owned()).collect();
        let slot = self.interner.context(keys, field.kind.as_type());
        let slot = self.fits(slot, path.span)?;
        Some(Typed::new(Expression::Context(slot), field.kind.as_type(), path.span))
    }

    /// A property of an event; the expression of what is returned is still that of a property of the event at hand.
    pub(super) fn property(
        &mut self,
        event: EventSelector,
        event_name: &str,
        path: &[Name],
        span: Span,
    ) -> Option<(Typed, crate::ir::PropertySlot)> {
        let keys: Vec<String> = path.iter().map(|name| name.value.clone()).collect();
        let written = keys.join(".");
        let EventSelector::One(id) = event else {
            self.report(
                Diagnostic::error(
                    codes::NO_SUCH_PROPERTY,
                    format!("`{written}` can't be read of `any` event"),
                    span,
                    "events have different properties",
                )
                .help("name one event, or ask for its `context.…`"),
            );
            return None;
        };
        match property::find(self.declarations, id, &keys) {
            Found::Faulty => None,
            Found::Value(found) => {
                let slot = self.interner.property(id, keys, found.kind.clone());
                let slot = self.fits(slot, span)?;
                let personal = found.personal.then(|| Arc::from(written.as_str()));
                let typed = Typed::new(Expression::Property(slot), found.kind, span);
                Some((Typed { personal, declared: found.place, ..typed }, slot))
            }
            Found::Untyped(inside) => {
                let diagnostic = if inside.is_empty() {
                    Diagnostic::error(
                        codes::UNTYPED,
                        format!("`{written}` has no single type"),
                        span,
                        "rules can't use it",
                    )
                    .help("give it one `type` in its schema")
                } else {
                    let names: Vec<String> = inside.iter().take(12).map(|name| format!("`{written}.{name}`")).collect();
                    Diagnostic::error(
                        codes::UNTYPED,
                        format!("`{written}` is an object"),
                        span,
                        "name something inside it",
                    )
                    .help(format!("there is {}", names.join(", ")))
                };
                self.report(diagnostic);
                None
            }
            Found::Unknown { index, known } => {
                self.unknown_property(id, event_name, path, index, &known);
                None
            }
        }
    }

    fn unknown_property(&mut self, event: EventId, event_name: &str, path: &[Name], index: usize, known: &[String]) {
        let Some(name) = path.get(index) else { return };
        let before: String = path.iter().take(index).map(|name| format!("{}.", name.value)).collect();
        let owner = if index == 0 { event_name.to_owned() } else { before.trim_end_matches('.').to_owned() };
        let mut diagnostic = Diagnostic::error(
            codes::NO_SUCH_PROPERTY,
            format!("`{owner}` has no property `{}`", name.value),
            name.span,
            "not in its schema",
        );
        let near = suggest::nearest(&name.value, known.iter().map(String::as_str));
        if is_null(&name.value) {
            diagnostic = diagnostic.help("a value is never null here: ask `is known` or `is unknown` of it");
        } else if near.is_none()
            && (self.rules.contains_key(&name.value) || self.declarations.profile_named(&name.value).is_some())
        {
            diagnostic = diagnostic
                .help("inside `where` a bare name is a property of the event; traits are compared outside of it");
        } else if let Some(help) = suggest::help(&name.value, known.iter().map(String::as_str)) {
            diagnostic =
                diagnostic.help(if before.is_empty() { help } else { help.replacen('`', &format!("`{before}"), 1) });
        }
        let place = match near.filter(|_| index == 0).and_then(|near| self.declarations.property(event, near)) {
            Some((index, _)) => self.declarations.property_place(event, index),
            None => self.declarations.places.events.get(event.index()).copied(),
        };
        if let Some(span) = place {
            diagnostic = diagnostic.note(format!("declared in {}", place_text(self.sources, span)));
        }
        self.report(diagnostic);
    }

    fn path_in_rule(&mut self, path: &Path) -> Option<Typed> {
        let (first, rest) = path.value.split_first()?;
        if let Some(entering) = &self.setting.entering
            && is_alias(entering.alias.as_ref(), first)
        {
            let entering = entering.clone();
            return self.step_property(&entering, 0, path);
        }
        match (first.value.as_str(), rest) {
            ("profile", [name]) => self.profile(name, path.span),
            ("profile", _) => {
                self.report(
                    Diagnostic::error(codes::NO_SUCH_NAME, "`profile` needs the name of one trait", path.span, "")
                        .help("write `profile.country`"),
                );
                None
            }
            ("context", _) => {
                self.report(
                    Diagnostic::error(
                        codes::OUT_OF_PLACE,
                        "the context belongs to an event",
                        path.span,
                        "there is no event here",
                    )
                    .help("ask about it inside an aggregate: `did(view where context.device.type == \"mobile\")`"),
                );
                None
            }
            (_, []) => self.named_trait(first),
            (event, [property, ..]) => {
                let diagnostic = if self.event_like(event) {
                    Diagnostic::error(
                        codes::OUT_OF_PLACE,
                        format!("`{event}` happens many times, so `{event}.{}` has no one value", property.value),
                        path.span,
                        "",
                    )
                    .help(format!("say which: `last({event}.{0})`, `sum({event}.{0})` …", property.value))
                } else {
                    let known = self.declarations.events.iter().map(|event| event.name.as_str()).chain(["profile"]);
                    let diagnostic = Diagnostic::error(
                        codes::NO_SUCH_NAME,
                        format!("`{event}` is neither an event nor `profile`"),
                        first.span,
                        "not known",
                    );
                    match suggest::nearest(event, known) {
                        Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
                        None => diagnostic,
                    }
                };
                self.report(diagnostic);
                None
            }
        }
    }

    /// The rules that have a value, and those that could not be read.
    fn values(&self) -> impl Iterator<Item = (&String, &RuleInfo)> {
        let has_value = |rule: &RuleInfo| matches!(rule.kind, None | Some(ItemKind::Segment | ItemKind::Trait));
        self.rules.iter().filter(move |(_, rule)| has_value(rule))
    }

    fn event_like(&self, name: &str) -> bool {
        self.declarations.event_names.contains_key(&fold_event_name(name))
    }

    fn profile(&mut self, name: &Name, span: Span) -> Option<Typed> {
        let declarations = self.declarations;
        if declarations.faulty.profile.contains(&name.value) {
            return None;
        }
        if let Some((id, declared)) = declarations.profile_named(&name.value) {
            let personal = declared.pii.map(|_| Arc::from(format!("profile.{}", name.value)));
            let place = declarations.places.profile.get(id.index()).copied();
            let typed = Typed::new(Expression::Profile(id), declared.kind.clone(), span);
            return Some(Typed { personal, declared: place, ..typed });
        }
        if declarations.faulty.all_profile {
            return None;
        }
        let diagnostic = Diagnostic::error(
            codes::NO_SUCH_NAME,
            format!("the profile has no trait `{}`", name.value),
            name.span,
            "not in profile.yaml",
        );
        let diagnostic = match self.rules.get(&name.value) {
            Some(rule) => diagnostic
                .help(format!("`{}` is computed by a rule: write it without `profile.`", name.value))
                .note(format!("declared in {}", place_text(self.sources, rule.place))),
            None => self.near_profile(diagnostic, &name.value),
        };
        self.report(diagnostic);
        None
    }

    fn near_profile(&self, diagnostic: Diagnostic, written: &str) -> Diagnostic {
        let names = || self.declarations.profile.iter().map(|declared| declared.name.as_str());
        let near = suggest::nearest(written, names()).and_then(|near| self.declarations.profile_named(near));
        match near {
            Some((id, declared)) => {
                let diagnostic = diagnostic.help(format!("did you mean `profile.{}`?", declared.name));
                match self.declarations.places.profile.get(id.index()) {
                    Some(span) => diagnostic.note(format!("declared in {}", place_text(self.sources, *span))),
                    None => diagnostic,
                }
            }
            None => match suggest::help(written, names()) {
                Some(help) => diagnostic.help(help),
                None => diagnostic,
            },
        }
    }

    /// A bare name in a rule: a trait of the project.
    fn named_trait(&mut self, name: &Name) -> Option<Typed> {
        match self.rules.get(&name.value) {
            Some(rule) if rule.kind == Some(ItemKind::Segment) => {
                let diagnostic = Diagnostic::error(
                    codes::NO_SUCH_NAME,
                    format!("`{}` is a segment", name.value),
                    name.span,
                    "not a trait",
                )
                .help(format!("write `in({})`", name.value))
                .note(format!("declared in {}", place_text(self.sources, rule.place)));
                self.report(diagnostic);
                None
            }
            Some(RuleInfo { kind: Some(kind), place, .. }) if *kind != ItemKind::Trait => {
                let diagnostic = self.no_value(&name.value, *kind, "not a trait", name.span, *place);
                self.report(diagnostic);
                None
            }
            Some(rule) => match &rule.state {
                RuleState::Faulty => None,
                RuleState::Typed { id, kind, motion, personal } => Some(Typed {
                    motion: *motion,
                    personal: personal.clone(),
                    declared: Some(rule.place),
                    ..Typed::new(Expression::Rule(*id), kind.clone(), name.span)
                }),
            },
            None => {
                let diagnostic = self.unknown_trait(name);
                self.report(diagnostic);
                None
            }
        }
    }

    /// The error for a rule that has no value of its own.
    pub(super) fn no_value(&self, name: &str, kind: ItemKind, label: &str, span: Span, place: Span) -> Diagnostic {
        let diagnostic = Diagnostic::error(codes::NO_SUCH_NAME, format!("`{name}` is {}", kind.noun()), span, label);
        let diagnostic = match kind {
            ItemKind::Prediction => diagnostic.help("rules can't read predictions in this version"),
            _ => diagnostic.help("only segments and traits have a value that rules can read"),
        };
        diagnostic.note(format!("declared in {}", place_text(self.sources, place)))
    }

    fn unknown_trait(&self, name: &Name) -> Diagnostic {
        let written = name.value.as_str();
        let diagnostic =
            Diagnostic::error(codes::NO_SUCH_NAME, format!("there is no trait `{written}`"), name.span, "not known");
        if is_null(written) {
            return diagnostic.help("a value is never null here: ask `is known` or `is unknown` of it");
        }
        if self.declarations.profile_named(written).is_some() {
            return diagnostic.help(format!("did you mean `profile.{written}`?"));
        }
        if self.event_like(written) {
            return diagnostic.help(format!("it is an event: did you mean `did({written})` or `count({written})`?"));
        }
        if builtin::find(written).is_some() {
            return diagnostic.help(format!(
                "`{written}` is a function: write `{}`",
                builtin::find(written).map_or("", |found| found.signature)
            ));
        }
        let near = suggest::nearest(written, self.values().map(|(name, _)| name.as_str()))
            .and_then(|near| self.rules.get_key_value(near));
        if let Some((near, rule)) = near {
            let meant = if rule.kind == Some(ItemKind::Segment) { format!("in({near})") } else { near.clone() };
            return diagnostic
                .help(format!("did you mean `{meant}`?"))
                .note(format!("declared in {}", place_text(self.sources, rule.place)));
        }
        if let Some(near) =
            suggest::nearest(written, self.declarations.profile.iter().map(|declared| declared.name.as_str()))
        {
            return diagnostic.help(format!("did you mean `profile.{near}`?"));
        }
        diagnostic.help(
            "a bare name is a trait of the rules; the golden record is `profile.…`, text stands between double quotes",
        )
    }
}

fn unknown_context(written: &str, span: Span) -> Diagnostic {
    if written.is_empty() {
        return Diagnostic::error(
            codes::NO_SUCH_PROPERTY,
            "the whole context has no value",
            span,
            "name one of its fields",
        )
        .help("write `context.device.type`, `context.page.path` …");
    }
    let diagnostic = Diagnostic::error(
        codes::NO_SUCH_PROPERTY,
        format!("`context.{written}` is not a field of the context"),
        span,
        "not known",
    );
    let paths = || context::FIELDS.iter().map(|field| field.path);
    let inside: Vec<String> = paths()
        .filter(|path| path.strip_prefix(written).is_some_and(|rest| rest.starts_with('.')))
        .map(|path| format!("`context.{path}`"))
        .collect();
    if !inside.is_empty() {
        return diagnostic.help(format!("there is {}", inside.join(", ")));
    }
    if let Some(near) = suggest::nearest(written, paths()) {
        return diagnostic.help(format!("did you mean `context.{near}`?"));
    }
    let mut tops: Vec<&str> = paths().map(|path| path.split('.').next().unwrap_or(path)).collect();
    tops.dedup();
    diagnostic
        .help(format!("the context has {}", tops.iter().map(|top| format!("`{top}`")).collect::<Vec<_>>().join(", ")))
}

fn is_alias(alias: Option<&Name>, name: &Name) -> bool {
    alias.is_some_and(|alias| alias.value == name.value)
}

fn is_null(name: &str) -> bool {
    matches!(name.to_ascii_lowercase().as_str(), "null" | "none" | "nil" | "undefined")
}

/// The source of a place, shortened to what fits in a message.
pub(super) fn excerpt(sources: &SourceSet, span: Span) -> String {
    let text = sources
        .file(span.file)
        .and_then(|file| file.text.get(span.start as usize..span.end as usize))
        .unwrap_or_default();
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ");
    if line.chars().count() <= 60 { line } else { line.chars().take(59).chain(['…']).collect() }
}

/// `events/view.yaml:3:3`
pub(super) fn place_text(sources: &SourceSet, span: Span) -> String {
    let position = sources.position(span.file, span.start);
    format!("{}:{}:{}", sources.path(span.file), position.line, position.column)
}
