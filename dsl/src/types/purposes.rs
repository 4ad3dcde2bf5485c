//! What data may be used for: a rule with a purpose, and a destination with purposes, use only data that allows them.
//!
//! An event or a trait of the golden record allows the purposes that it declares; one that declares none restricts
//! nothing. A rule allows what everything that it reads allows, through other rules too; and one with a purpose of its own
//! no more than that purpose, because it is computed from what people consented to for it.

use super::expression::place_text;
use crate::diagnostic::{Diagnostic, Report, codes, suggest};
use crate::ir::{
    AggregateId, EventId, EventSelector, Expression, Function, Lowered, ProfileTraitId, Reads, Rule, RuleId,
};
use crate::model::{Declarations, DeclaredDestination, Purposes, Reference};
use crate::source::{SourceSet, Span};
use crate::syntax::ast::{ItemKind, Name};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Checks all rules and destinations of a project.
pub(crate) fn check(sources: &SourceSet, declarations: &Declarations, lowered: &Lowered, report: &mut Report) {
    let mut checker = Checker { sources, declarations, lowered, allowed: Vec::new() };
    for rule in &lowered.rules {
        let allowed = checker.of_rule(rule);
        checker.allowed.push(allowed);
    }
    let unknown = checker.names(report);
    for (index, purpose) in lowered.rule_purposes.iter().enumerate() {
        let Some(purpose) = purpose else { continue };
        if !unknown.contains(purpose.value.as_str()) {
            checker.rule(RuleId(index as u32), purpose, report);
        }
    }
    for (name, kind, reads) in checker.items() {
        let Some(purpose) = lowered.item_purposes.get(name) else { continue };
        if !unknown.contains(purpose.value.as_str()) {
            let kind = kind.noun().split_once(' ').map_or("item", |(_, noun)| noun);
            checker.reader(name, kind, &checker.reads_of(&reads), purpose, report);
        }
    }
    checker.silent(report);
    let rules: HashMap<&str, RuleId> =
        lowered.rules.iter().zip(0..).map(|(rule, id)| (rule.name.as_str(), RuleId(id))).collect();
    for destination in &declarations.destinations {
        checker.destination(destination, &rules, report);
    }
}

/// The purposes that something allows; `None` for all.
type Allowed<'a> = Option<BTreeSet<&'a str>>;

/// What a rule reads, or a destination gets.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Data {
    Event(EventId),
    Profile(ProfileTraitId),
    Rule(RuleId),
}

struct Checker<'a> {
    sources: &'a SourceSet,
    declarations: &'a Declarations,
    lowered: &'a Lowered,
    /// By rule: what it allows. Rules stand after those that they read.
    allowed: Vec<Allowed<'a>>,
}

impl<'a> Checker<'a> {
    fn of_rule(&self, rule: &'a Rule) -> Allowed<'a> {
        let own: Allowed<'a> = rule.purpose.as_deref().map(|own| BTreeSet::from([own]));
        self.reads(&rule.expression).into_iter().fold(own, |allowed, data| both(allowed, self.of(data)))
    }

    fn of(&self, data: Data) -> Allowed<'a> {
        match data {
            Data::Rule(id) => self.allowed.get(id.index()).cloned().flatten(),
            Data::Event(_) | Data::Profile(_) => {
                let purposes = self.declared(data)?;
                Some(purposes.names.iter().map(|name| name.name.as_str()).collect())
            }
        }
    }

    fn declared(&self, data: Data) -> Option<&'a Purposes> {
        let places = &self.declarations.places;
        match data {
            Data::Event(id) => places.event_purposes.get(id.index())?.as_ref(),
            Data::Profile(id) => places.profile_purposes.get(id.index())?.as_ref(),
            Data::Rule(_) => None,
        }
    }

    /// What an expression reads itself, each once.
    fn reads(&self, expression: &Expression) -> BTreeSet<Data> {
        let mut found = BTreeSet::new();
        expression.walk(&mut |part| match part {
            Expression::Rule(id) => _ = found.insert(Data::Rule(*id)),
            Expression::Profile(id) => _ = found.insert(Data::Profile(*id)),
            Expression::Aggregate(id) => found.extend(self.events(*id).into_iter().map(Data::Event)),
            _ => {}
        });
        found
    }

    fn events(&self, id: AggregateId) -> Vec<EventId> {
        // What only items that are no rules ask comes after what rules ask.
        let mut aggregates = self.lowered.aggregates.iter().chain(&self.lowered.asked);
        let Some(aggregate) = aggregates.nth(id.index()) else { return Vec::new() };
        let mut selectors = vec![aggregate.pattern.event];
        if let Function::Sequence(sequence) = &aggregate.function {
            selectors.extend(sequence.then.iter().map(|step| step.pattern.event));
            selectors.extend(sequence.absence.iter().map(|absence| absence.pattern.event));
        }
        self.selected(&selectors).collect()
    }

    fn selected(&self, selectors: &[EventSelector]) -> impl Iterator<Item = EventId> {
        let all = self.declarations.events.len() as u32;
        let events = selectors.iter().flat_map(move |selector| match selector {
            EventSelector::One(id) => id.0..id.0 + 1,
            EventSelector::Any => 0..all,
        });
        events.map(EventId)
    }

    fn allows(&self, data: Data, purpose: &str) -> bool {
        match data {
            Data::Rule(id) => self
                .allowed
                .get(id.index())
                .is_none_or(|allowed| allowed.as_ref().is_none_or(|set| set.contains(purpose))),
            Data::Event(_) | Data::Profile(_) => self.declared(data).is_none_or(|purposes| purposes.allow(purpose)),
        }
    }

    /// All items that are no rules, and what they read.
    fn items(&self) -> Vec<(&'a str, ItemKind, Reads<'a>)> {
        let lowered = self.lowered;
        let journeys = lowered.journeys.iter().map(|it| (it.name.as_str(), ItemKind::Journey, Reads::from(it)));
        let funnels = lowered.funnels.iter().map(|it| (it.name.as_str(), ItemKind::Funnel, Reads::from(it)));
        let experiments =
            lowered.experiments.iter().map(|it| (it.name.as_str(), ItemKind::Experiment, Reads::from(it)));
        let experiences =
            lowered.experiences.iter().map(|it| (it.name.as_str(), ItemKind::Experience, Reads::from(it)));
        let predictions =
            lowered.predictions.iter().map(|it| (it.name.as_str(), ItemKind::Prediction, Reads::from(it)));
        journeys.chain(funnels).chain(experiments).chain(experiences).chain(predictions).collect()
    }

    fn reads_of(&self, reads: &Reads<'_>) -> BTreeSet<Data> {
        let mut found: BTreeSet<Data> = reads.expressions.iter().flat_map(|it| self.reads(it)).collect();
        found.extend(self.selected(&reads.events).map(Data::Event));
        found
    }

    fn rule(&self, id: RuleId, purpose: &Name, report: &mut Report) {
        let Some(rule) = self.lowered.rules.get(id.index()) else { return };
        self.reader(&rule.name, "rule", &self.reads(&rule.expression), purpose, report);
    }

    fn reader(&self, name: &str, kind: &str, reads: &BTreeSet<Data>, purpose: &Name, report: &mut Report) {
        let Some(refused) = reads.iter().find(|data| !self.allows(**data, &purpose.value)) else { return };
        let (path, end) = self.path(*refused, &purpose.value);
        let message = format!("`{name}` is for `{}`, and reads {}, which is not", purpose.value, self.called(end));
        let error = Diagnostic::error(codes::PURPOSE, message, purpose.span, format!("the purpose of this {kind}"));
        report.push(self.explained(error, name, &path, end, &purpose.value));
    }

    /// How a purpose is lost: what is read by what, down to what does not allow it.
    fn path(&self, from: Data, purpose: &str) -> (Vec<Data>, Data) {
        let (mut path, mut at) = (vec![from], from);
        while let Data::Rule(id) = at
            && let Some(rule) = self.lowered.rules.get(id.index())
            && let Some(next) = self.reads(&rule.expression).into_iter().find(|data| !self.allows(*data, purpose))
        {
            path.push(next);
            at = next;
        }
        (path, at)
    }

    fn explained(&self, mut error: Diagnostic, reader: &str, path: &[Data], end: Data, purpose: &str) -> Diagnostic {
        if let Some(purposes) = self.declared(end) {
            let names: Vec<String> = purposes.names.iter().map(|name| format!("`{}`", name.name)).collect();
            let allowed = if names.is_empty() { "for nothing".to_owned() } else { format!("for {}", names.join(", ")) };
            error = error.label(purposes.span, allowed);
        } else if let Data::Rule(id) = end
            && let Some(Some(own)) = self.lowered.rule_purposes.get(id.index())
        {
            error = error.label(own.span, "for this only");
        }
        let mut reader = reader.to_owned();
        for data in path {
            let place = self.place(*data).map(|place| format!(", declared in {}", place_text(self.sources, place)));
            error = error.note(format!("`{reader}` reads {}{}", self.called(*data), place.unwrap_or_default()));
            reader = self.name(*data).to_owned();
        }
        let near = self
            .declared(end)
            .and_then(|purposes| suggest::nearest(purpose, purposes.names.iter().map(|name| name.name.as_str())));
        match near {
            Some(near) => error.help(format!("did you mean `{near}`?")),
            None => error.help(format!(
                "leave {} out, or allow `{purpose}` in its `{}`, if it may be used so",
                self.called(end),
                if matches!(end, Data::Rule(_)) { "purpose" } else { "purposes" },
            )),
        }
    }

    fn destination(&self, declared: &DeclaredDestination, rules: &HashMap<&str, RuleId>, report: &mut Report) {
        let Some(purposes) = &declared.purposes else { return };
        report.begin_file();
        let of_rule = |reference: &Reference| Some((Data::Rule(*rules.get(reference.name.as_str())?), reference.span));
        let of_trait = |reference: &Reference| match self.declarations.profile_named(&reference.name) {
            Some((id, _)) => Some((Data::Profile(id), reference.span)),
            None => of_rule(reference),
        };
        let events =
            declared.destination.events.iter().map(|id| Data::Event(*id)).zip(declared.event_places.iter().copied());
        let received = declared
            .segments
            .iter()
            .filter_map(of_rule)
            .chain(declared.traits.iter().filter_map(of_trait))
            .chain(events);
        for (data, place) in received {
            let Some(purpose) = purposes.names.iter().find(|purpose| !self.allows(data, &purpose.name)) else {
                continue;
            };
            let (path, end) = self.path(data, &purpose.name);
            let name = &declared.destination.name;
            let message = format!("`{name}` gets {} for `{}`, which it is not for", self.called(data), purpose.name);
            let error = Diagnostic::error(codes::DESTINATION_PURPOSE, message, place, "not for all of its purposes")
                .label(purpose.span, "what the destination uses it for");
            report.push(self.explained(error, name, &path, end, &purpose.name));
        }
    }

    /// Purposes that rules and files name and nobody declares. Gives back those that are errors.
    fn names(&self, report: &mut Report) -> BTreeSet<&'a str> {
        let (places, mut unknown) = (&self.declarations.places, BTreeSet::new());
        let of_lists: Vec<&Reference> = (places.event_purposes.iter().chain(&places.profile_purposes).flatten())
            .chain(self.declarations.destinations.iter().filter_map(|destination| destination.purposes.as_ref()))
            .flat_map(|purposes| &purposes.names)
            .collect();
        let of_rules: Vec<(&'a str, Span)> = (self.lowered.rule_purposes.iter().flatten())
            .chain(self.lowered.item_purposes.values())
            .map(|purpose| (purpose.value.as_str(), purpose.span))
            .collect();
        if let Some(declared) = &places.purposes {
            let known = || declared.iter().map(|name| name.name.as_str());
            let used = of_lists.iter().map(|name| (name.name.as_str(), name.span)).chain(of_rules.iter().copied());
            for (name, span) in used.filter(|(name, _)| !known().any(|known| known == *name)) {
                let message = format!("there is no purpose `{name}`");
                let error = Diagnostic::error(codes::UNKNOWN_PURPOSE, message, span, "not declared in consent.yaml");
                report.push(match report.suggest(name, known()) {
                    Some(help) => error.help(help),
                    None => error.help("declare it under `purposes` in consent.yaml"),
                });
                unknown.insert(name);
            }
            return unknown;
        }
        // Without consent.yaml purposes are free names; one that a single rule uses may be a slip.
        let mut uses: BTreeMap<&str, Vec<Span>> = BTreeMap::new();
        of_rules.iter().for_each(|(name, span)| uses.entry(name).or_default().push(*span));
        for (name, spans) in &uses {
            let ([span], false) = (spans.as_slice(), of_lists.iter().any(|declared| declared.name == *name)) else {
                continue;
            };
            let others = of_lists.iter().map(|name| name.name.as_str()).chain(uses.keys().copied());
            if let Some(near) = suggest::nearest(name, others.filter(|other| other != name)) {
                let message = format!("the purpose `{name}` is used here only");
                report.push(
                    Diagnostic::warning(codes::LONELY_PURPOSE, message, *span, "declared nowhere")
                        .help(format!("did you mean `{near}`?")),
                );
            }
        }
        unknown
    }

    /// Events and traits that rules with a purpose read and that say nothing of purposes, in a project that takes them
    /// seriously.
    fn silent(&self, report: &mut Report) {
        if self.declarations.places.purposes.is_none() {
            return;
        }
        let mut readers: BTreeMap<Data, &str> = BTreeMap::new();
        let mut needed = vec![None; self.lowered.rules.len()];
        for (index, rule) in self.lowered.rules.iter().enumerate().rev() {
            if rule.purpose.is_some() {
                needed[index] = Some(rule.name.as_str());
            }
            let Some(reader) = needed[index] else { continue };
            for data in self.reads(&rule.expression) {
                match data {
                    Data::Rule(id) => needed[id.index()] = needed[id.index()].or(Some(reader)),
                    _ if self.declared(data).is_none() => _ = readers.insert(data, reader),
                    _ => {}
                }
            }
        }
        for (name, _, reads) in self.items() {
            if self.lowered.item_purposes.contains_key(name) {
                let silent = self.reads_of(&reads).into_iter().filter(|data| !matches!(data, Data::Rule(_)));
                readers.extend(silent.filter(|data| self.declared(*data).is_none()).map(|data| (data, name)));
            }
        }
        for (data, reader) in readers {
            let Some(place) = self.place(data) else { continue };
            let message = format!("{} does not say what it may be used for", self.called(data));
            report.push(
                Diagnostic::warning(codes::NO_PURPOSES, message, place, "no `purposes` here")
                    .note(format!("`{reader}` has a purpose and reads it"))
                    .help("list the purposes that it may be used for; `purposes: []` is for none"),
            );
        }
    }

    fn called(&self, data: Data) -> String {
        let what = match data {
            Data::Event(_) => "the event",
            Data::Profile(_) => "the profile's",
            Data::Rule(id) => match self.lowered.rules.get(id.index()).map(|rule| &rule.kind) {
                Some(crate::ir::RuleKind::Segment) => "the segment",
                _ => "the trait",
            },
        };
        format!("{what} `{}`", self.name(data))
    }

    fn name(&self, data: Data) -> &'a str {
        let name = match data {
            Data::Event(id) => self.declarations.event(id).map(|event| event.name.as_str()),
            Data::Profile(id) => self.declarations.profile.get(id.index()).map(|kept| kept.name.as_str()),
            Data::Rule(id) => self.lowered.rules.get(id.index()).map(|rule| rule.name.as_str()),
        };
        name.unwrap_or_default()
    }

    fn place(&self, data: Data) -> Option<Span> {
        let places = &self.declarations.places;
        match data {
            Data::Event(id) => places.events.get(id.index()),
            Data::Profile(id) => places.profile.get(id.index()),
            Data::Rule(id) => self.lowered.rule_places.get(id.index()),
        }
        .copied()
    }
}

fn both<'a>(a: Allowed<'a>, b: Allowed<'a>) -> Allowed<'a> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.intersection(&b).copied().collect()),
        (a, b) => a.or(b),
    }
}
