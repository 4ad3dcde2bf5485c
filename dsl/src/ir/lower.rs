//! From the text of all rules to their part of the [`Program`](super::Program): parse, order, type, share, index.
//!
//! Nothing observable depends on the order of files or declarations: rules are ordered by name and by what they read, and
//! ids are given in that order.

use super::interner::Interned;
use super::order::{Order, order, references};
use super::{
    Aggregate, AggregateId, EventSelector, Expression, Function, Journey, Lowered, ProfileTraitId, Reads, Rule, RuleId,
    RuleKind, Window,
};
use super::{enough, fingerprint, renamed, rollout};
use crate::diagnostic::{Diagnostic, codes};
use crate::limits;
use crate::model::{Declarations, Plugins};
use crate::source::{SourceSet, Span};
use crate::syntax;
use crate::syntax::ast::{Body, Item, ItemKind, Name};
use crate::types::satisfiable;
use crate::types::{Checker, Motion, RuleInfo, RuleState, RuleTable, Typed};
use std::collections::{BTreeMap, BTreeSet};

/// Compiles a project's rule files, as [`syntax::parse`] read them, against what its YAML declares: those of now, and those before
/// while they are rolled out.
#[must_use]
pub fn lower(
    sources: &SourceSet,
    (files, before): (Vec<syntax::File>, Vec<syntax::File>),
    declarations: &Declarations,
    plugins: &Plugins,
) -> (Lowered, Vec<Diagnostic>) {
    let mut diagnostics = Vec::new();
    let mut written = gather(files, &mut diagnostics);
    renamed::check(&written.items, &written.unreadable, &mut diagnostics);
    if let Some(rollout) = declarations.rollout {
        let before = gather(before, &mut diagnostics);
        rollout::merge(&mut written, before, rollout, &mut diagnostics);
    }
    let names: BTreeMap<&str, usize> =
        written.items.iter().enumerate().map(|(index, item)| (item.name.value.as_str(), index)).collect();
    let edges: Vec<Vec<usize>> = written
        .items
        .iter()
        .map(|item| item.expression().map(|expression| references(expression, &names)).unwrap_or_default())
        .collect();
    let order = order(&edges);
    report_circles(sources, &written.items, &order, &mut diagnostics);

    let mut typist = Typist {
        rules: Vec::new(),
        places: Vec::new(),
        purposes: Vec::new(),
        faulty: written.unreadable.clone(),
        checker: Checker::new(sources, declarations, plugins, table(&written), &mut diagnostics),
    };
    let circular: BTreeSet<usize> = order.circles.concat().into_iter().collect();
    for index in &order.sorted {
        let Some(item) = written.items.get(*index) else { continue };
        if let Some(expression) = item.expression() {
            typist.rule(sources, item, expression, circular.contains(index));
        }
    }
    let Typist { rules, places, purposes, faulty, mut checker } = typist;
    // What only these ask comes last, so that no rule's aggregates have another id because of them. Histories are kept for
    // journeys too, so theirs come before the others'.
    let journeys = journeys(&mut checker, &written.items);
    let kept = checker.interner.aggregates();
    let plans = plans(&mut checker, &written.items);
    let undescribed = std::mem::take(&mut checker.undescribed);
    let journey_places = std::mem::take(&mut checker.journey_places);
    let mut interned = checker.interner.finish();
    let asked = interned.aggregates.split_off(kept);
    let lowered = Lowered { asked, undescribed, ..index(declarations, interned, rules, &journeys, places, faulty) };
    let lowered = Lowered {
        journeys,
        funnels: plans.funnels,
        experiments: plans.experiments,
        experiences: plans.experiences,
        predictions: plans.predictions,
        rule_purposes: purposes,
        item_purposes: item_purposes(&written.items),
        journey_places,
        ..lowered
    };
    let text = |name: &str| written.items.get(*names.get(name)?)?.expression();
    diagnostics.extend(satisfiable::check(sources, declarations, &lowered, text));
    not_run(&written.items, &mut diagnostics);
    (lowered, diagnostics)
}

/// All journeys, sorted by name, as the items are.
fn journeys(checker: &mut Checker<'_>, items: &[Item]) -> Vec<Journey> {
    let written = items.iter().filter_map(|item| match &item.body {
        Body::Journey(journey) => Some((item, journey)),
        _ => None,
    });
    written.filter_map(|(item, journey)| checker.journey(item, journey)).collect()
}

/// All other items that are no rules: they read rules, but none reads them. Sorted by name.
fn plans(checker: &mut Checker<'_>, items: &[Item]) -> Lowered {
    let mut plans = Lowered::default();
    for item in items {
        match &item.body {
            Body::Segment(_) | Body::Trait(_) | Body::Journey(_) => {}
            Body::Funnel(funnel) => plans.funnels.extend(checker.funnel(item, funnel)),
            Body::Experiment(experiment) => plans.experiments.extend(checker.experiment(item, experiment)),
            Body::Experience(experience) => plans.experiences.extend(checker.experience(item, experience)),
            Body::Prediction(prediction) => plans.predictions.extend(checker.prediction(item, prediction)),
        }
    }
    plans
}

fn item_purposes(items: &[Item]) -> BTreeMap<String, Name> {
    let others = items.iter().filter(|item| !matches!(item.body, Body::Segment(_) | Body::Trait(_)));
    others.filter_map(|item| Some((item.name.value.clone(), item.purpose.clone()?))).collect()
}

/// One warning for each kind of item that is checked, but that this version of the engine does nothing with.
fn not_run(items: &[Item], diagnostics: &mut Vec<Diagnostic>) {
    for kind in ItemKind::ALL.into_iter().filter(|kind| !is_run(*kind)) {
        let mut of_kind: Vec<Span> =
            items.iter().filter(|item| item.kind() == kind).map(|item| item.name.span).collect();
        of_kind.sort_unstable();
        let Some((first, rest)) = of_kind.split_first() else { continue };
        let message = format!("{} are checked, not run yet", kind.plural());
        let warning = Diagnostic::warning(codes::NOT_RUN, message, *first, "nothing acts on it in this version");
        diagnostics.push(match rest.len() {
            0 => warning,
            1 => warning.note("and on 1 more"),
            more => warning.note(format!("and on {more} more")),
        });
    }
}

/// Whether the engine evaluates items of a kind.
#[must_use]
pub const fn is_run(kind: ItemKind) -> bool {
    matches!(kind, ItemKind::Segment | ItemKind::Trait | ItemKind::Journey | ItemKind::Funnel)
}

/// All rules of all files.
pub(super) struct Written {
    /// Sorted by name; each name once.
    pub items: Vec<Item>,
    /// Names of those that have errors already, where no sound rule has that name.
    pub unreadable: Vec<(String, Span)>,
}

fn gather(files: Vec<syntax::File>, diagnostics: &mut Vec<Diagnostic>) -> Written {
    let mut items: Vec<Item> = Vec::new();
    let mut unreadable = Vec::new();
    for parsed in files {
        items.extend(parsed.items);
        unreadable.extend(parsed.unreadable.into_iter().map(|name| (name.value, name.span)));
    }
    // A stable sort keeps the order of places among equal names.
    items.sort_by(|a, b| a.name.value.cmp(&b.name.value));
    let mut unique: Vec<Item> = Vec::with_capacity(items.len());
    for item in items {
        match unique.last() {
            Some(first) if first.name.value == item.name.value => diagnostics.push(
                Diagnostic::error(
                    codes::DUPLICATE_RULE,
                    format!("`{}` is declared twice", item.name.value),
                    item.name.span,
                    "for the second time",
                )
                .label(first.name.span, "the first time")
                .help("all that rules declare shares one space of names: call one of them something else"),
            ),
            _ => unique.push(item),
        }
    }
    if let Some(surplus) = unique.get(limits::RULES) {
        diagnostics.push(
            Diagnostic::error(
                codes::TOO_MANY_RULES,
                format!("a project with {} rules", unique.len()),
                surplus.name.span,
                "one too many",
            )
            .help(format!("a project has at most {}", limits::RULES)),
        );
        unreadable.extend(unique.drain(limits::RULES..).map(|item| (item.name.value, item.name.span)));
    }
    unreadable.sort();
    unreadable.retain(|(name, _)| unique.binary_search_by(|item| item.name.value.as_str().cmp(name)).is_err());
    Written { items: unique, unreadable }
}

fn table(written: &Written) -> RuleTable {
    let unreadable = written
        .unreadable
        .iter()
        .map(|(name, place)| (name.clone(), RuleInfo { kind: None, place: *place, state: RuleState::Faulty }));
    let items = written.items.iter().map(|item| {
        (item.name.value.clone(), RuleInfo { kind: Some(item.kind()), place: item.name.span, state: RuleState::Faulty })
    });
    unreadable.chain(items).collect()
}

fn report_circles(sources: &SourceSet, items: &[Item], order: &Order, diagnostics: &mut Vec<Diagnostic>) {
    for circle in &order.circles {
        let members: Vec<&Item> = circle.iter().filter_map(|index| items.get(*index)).collect();
        let Some(first) = members.first() else { continue };
        let spelled: Vec<&str> = members.iter().chain([first]).map(|item| item.name.value.as_str()).collect();
        let mut diagnostic = Diagnostic::error(
            codes::CIRCULAR,
            format!("`{}` needs its own value", first.name.value),
            first.name.span,
            spelled.join(" → "),
        )
        .help("take one of these references out");
        for member in members.iter().skip(1) {
            let position = sources.position(member.name.span.file, member.name.span.start);
            let path = sources.path(member.name.span.file);
            diagnostic = diagnostic
                .note(format!("`{}` is declared in {path}:{}:{}", member.name.value, position.line, position.column));
        }
        diagnostics.push(diagnostic);
    }
}

struct Typist<'a> {
    rules: Vec<Rule>,
    places: Vec<Span>,
    purposes: Vec<Option<Name>>,
    faulty: Vec<(String, Span)>,
    checker: Checker<'a>,
}

impl Typist<'_> {
    fn rule(&mut self, sources: &SourceSet, item: &Item, expression: &syntax::ast::Expression, circular: bool) {
        let typed = self.checker.rule(item.kind(), expression);
        let Some(typed) = typed.filter(|_| !circular) else {
            return self.give_up(item);
        };
        let Some((aggregates, profile_traits)) = self.reads(&typed.expression) else {
            self.checker.diagnostics.push(
                Diagnostic::error(codes::TOO_MANY_RULES, "a rule that reads too much", item.name.span, "").help(
                    format!(
                        "a rule reads at most {} aggregates and traits, with those of other rules",
                        limits::RULE_READS
                    ),
                ),
            );
            return self.give_up(item);
        };
        let kind = match item.kind() {
            ItemKind::Segment => RuleKind::Segment,
            _ => RuleKind::Trait(typed.kind.clone()),
        };
        let purpose = item.purpose.as_ref().map(|purpose| purpose.value.clone());
        let fingerprint = fingerprint::of_rule(&kind, purpose.as_deref(), &typed.expression, &self.checker.interner);
        let id = self.checker.interner.rule(fingerprint);
        if let Some(info) = self.checker.rules.get_mut(&item.name.value) {
            let Typed { kind, motion, personal, .. } = &typed;
            info.state = RuleState::Typed { id, kind: kind.clone(), motion: *motion, personal: personal.clone() };
        }
        let span = expression.span;
        let position = sources.position(item.name.span.file, item.name.span.start);
        let source = sources.file(span.file).and_then(|file| file.text.get(span.start as usize..span.end as usize));
        self.places.push(item.name.span);
        self.purposes.push(item.purpose.clone());
        self.rules.push(Rule {
            name: item.name.value.clone(),
            was: renamed::names(item),
            description: item.description.as_ref().map(|text| text.value.clone()),
            kind,
            purpose,
            expression: typed.expression,
            source: source.unwrap_or_default().to_owned(),
            place: format!("{}:{}", sources.path(item.name.span.file), position.line),
            aggregates,
            profile_traits,
            continuous: typed.motion != Motion::STILL,
            fingerprint,
        });
    }

    fn give_up(&mut self, item: &Item) {
        self.faulty.push((item.name.value.clone(), item.name.span));
    }

    /// All that an expression reads, also through other rules, which stand before it; sorted. `None` when that is too
    /// much, which is bounded because every rule keeps such a list.
    fn reads(&self, expression: &Expression) -> Option<(Vec<AggregateId>, Vec<ProfileTraitId>)> {
        let mut aggregates = BTreeSet::new();
        let mut profile_traits = BTreeSet::new();
        let mut rules = BTreeSet::new();
        expression.walk(&mut |part| match part {
            Expression::Aggregate(id) => _ = aggregates.insert(*id),
            Expression::Profile(id) => _ = profile_traits.insert(*id),
            Expression::Rule(id) => _ = rules.insert(*id),
            _ => {}
        });
        for rule in rules.into_iter().filter_map(|id| self.rules.get(id.index())) {
            aggregates.extend(&rule.aggregates);
            profile_traits.extend(&rule.profile_traits);
        }
        (aggregates.len() + profile_traits.len() <= limits::RULE_READS)
            .then(|| (aggregates.into_iter().collect(), profile_traits.into_iter().collect()))
    }
}

/// The lists that say what an event, an aggregate or a trait may change.
fn index(
    declarations: &Declarations,
    interned: Interned,
    rules: Vec<Rule>,
    journeys: &[Journey],
    rule_places: Vec<Span>,
    faulty_rules: Vec<(String, Span)>,
) -> Lowered {
    let Interned { slots, context_slots, mut aggregates } = interned;
    let of_journeys = journeys.iter().flat_map(|journey| Reads::from(journey).expressions);
    enough::bound(&mut aggregates, rules.iter().map(|rule| &rule.expression).chain(of_journeys));
    let mut aggregates_of_event = vec![Vec::new(); declarations.events.len()];
    for (index, aggregate) in aggregates.iter().enumerate() {
        for event in events_of(aggregate, declarations.events.len()) {
            aggregates_of_event[event].push(AggregateId(index as u32));
        }
    }
    let mut rules_of_aggregate = vec![Vec::new(); aggregates.len()];
    let mut rules_of_profile_trait = vec![Vec::new(); declarations.profile.len()];
    for (index, rule) in rules.iter().enumerate() {
        let id = RuleId(index as u32);
        for aggregate in &rule.aggregates {
            rules_of_aggregate[aggregate.index()].push(id);
        }
        for profile_trait in &rule.profile_traits {
            rules_of_profile_trait[profile_trait.index()].push(id);
        }
    }
    Lowered {
        slots,
        context_slots,
        aggregates,
        rules,
        rule_places,
        rule_purposes: Vec::new(),
        item_purposes: BTreeMap::new(),
        faulty_rules,
        aggregates_of_event,
        rules_of_aggregate,
        rules_of_profile_trait,
        ..Lowered::default()
    }
}

/// The indices of the event types that an aggregate looks at, each once.
pub(super) fn events_of(aggregate: &Aggregate, all: usize) -> BTreeSet<usize> {
    if let Window::Session(_) = aggregate.window {
        // Whatever somebody does goes on with their session, or begins another.
        return (0..all).collect();
    }
    let mut selectors = vec![aggregate.pattern.event];
    if let Function::Sequence(sequence) = &aggregate.function {
        selectors.extend(sequence.then.iter().map(|step| step.pattern.event));
        selectors.extend(sequence.absence.iter().map(|absence| absence.pattern.event));
    }
    let events = selectors.into_iter().flat_map(|selector| match selector {
        EventSelector::One(id) => id.index()..id.index() + 1,
        EventSelector::Any => 0..all,
    });
    events.collect()
}
