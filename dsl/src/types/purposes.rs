//! What data may be used for: a rule with a purpose, and a destination with purposes, use only data that allows them.
//!
//! An event or a trait of the golden record allows the purposes that it declares; one that declares none restricts
//! nothing. A rule allows what everything that it reads allows, through other rules too; and one with a purpose of its own
//! no more than that purpose, because it is computed from what people consented to for it. A trait that is read from the
//! properties of events allows what these allow too ([`flow`] knows what is made of what).

mod flow;
mod journey;
mod led;
mod names;

use super::expression::place_text;
use crate::diagnostic::{Diagnostic, Report, codes, suggest};
use crate::ir::{DestinationId, Lowered, Reads, RuleId};
use crate::model::{Declarations, DeclaredDestination, Purposes, Reference};
use crate::source::{SourceSet, Span};
use crate::syntax::ast::{ItemKind, Name};
use flow::{Data, Flow};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Checks all rules, journeys and destinations of a project.
pub(crate) fn check(sources: &SourceSet, declarations: &Declarations, lowered: &Lowered, report: &mut Report) {
    let mut uses = BTreeMap::new();
    for destination in &declarations.destinations {
        for purpose in destination.purposes.iter().flat_map(|purposes| &purposes.names) {
            uses.entry(purpose.name.as_str()).or_insert(destination.destination.name.as_str());
        }
    }
    let checker = Checker { sources, flow: Flow::new(declarations, lowered), uses };
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
            checker.reader(name, kind, &checker.flow.reads_of(&reads), purpose, report);
        }
    }
    for (index, set) in checker.flow.sets.iter().enumerate() {
        checker.set(index, set, &unknown, report);
    }
    for journey in &lowered.journeys {
        checker.sends(journey, &unknown, report);
    }
    checker.silent(report);
    let rules: HashMap<&str, RuleId> =
        lowered.rules.iter().zip(0..).map(|(rule, id)| (rule.name.as_str(), RuleId(id))).collect();
    let sent = checker.sent_unsaid();
    for (destination, id) in declarations.destinations.iter().zip(0..) {
        let received = checker.received(destination, &rules);
        match &destination.purposes {
            Some(purposes) => checker.destination(destination, purposes, &received, report),
            None => {
                let sent = sent.get(&DestinationId(id)).copied();
                checker.unsaid(DestinationId(id), destination, received.into_iter().chain(sent), report);
            }
        }
    }
}

struct Checker<'a> {
    sources: &'a SourceSet,
    flow: Flow<'a>,
    /// By purpose: the first destination that is for it.
    uses: BTreeMap<&'a str, &'a str>,
}

impl<'a> Checker<'a> {
    /// All items that are no rules, and what they read.
    fn items(&self) -> Vec<(&'a str, ItemKind, Reads<'a>)> {
        let lowered = self.flow.lowered;
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

    fn rule(&self, id: RuleId, purpose: &Name, report: &mut Report) {
        let Some(rule) = self.flow.rule(id) else { return };
        let reads = self.flow.parts(Data::Rule(id)).collect();
        self.reader(&rule.name, "rule", &reads, purpose, report);
    }

    fn reader(&self, name: &str, kind: &str, reads: &BTreeSet<Data>, purpose: &Name, report: &mut Report) {
        let Some(refused) = reads.iter().find(|data| !self.flow.allows(**data, &purpose.value)) else { return };
        let path = self.flow.path(*refused, &purpose.value);
        let end = path.last().copied().unwrap_or(*refused);
        let message = format!("`{name}` is for `{}`, and reads {}, which is not", purpose.value, self.called(end));
        let error = Diagnostic::error(codes::PURPOSE, message, purpose.span, format!("the purpose of this {kind}"));
        report.push(self.helped(self.explained(error, name, &path), &path, &purpose.value));
    }

    /// Adds what the end of a path says that it is for, and how the path leads there.
    fn explained(&self, mut error: Diagnostic, reader: &str, path: &[Data]) -> Diagnostic {
        if let Some(end) = path.last() {
            let own = match *end {
                Data::Rule(id) => self.flow.lowered.rule_purposes.get(id.index()).and_then(Option::as_ref),
                Data::Set(index) => {
                    let set = self.flow.sets.get(index);
                    set.and_then(|set| self.flow.lowered.item_purposes.get(&set.journey.name))
                }
                Data::Event(_) | Data::Profile(_) => None,
            };
            if let Some(purposes) = self.flow.declared(*end) {
                error = error.label(purposes.span, listed(purposes));
            } else if let Some(own) = own {
                error = error.label(own.span, "for this only");
            }
        }
        let (mut reader, mut is_profile) = (reader.to_owned(), false);
        for data in path {
            let (reads, declared) = match data {
                Data::Set(_) => ("is set by", ""),
                Data::Event(_) if is_profile => ("is read from", ", declared"),
                _ => ("reads", ", declared"),
            };
            let place = self.place(*data).map(|place| format!("{declared} in {}", place_text(self.sources, place)));
            error = error.note(format!("`{reader}` {reads} {}{}", self.called(*data), place.unwrap_or_default()));
            reader = self.name(*data).to_owned();
            is_profile = matches!(data, Data::Profile(_));
        }
        error
    }

    /// Adds what to do about it that the end of a path does not allow a purpose.
    fn helped(&self, error: Diagnostic, path: &[Data], purpose: &str) -> Diagnostic {
        let Some(end) = path.last().copied() else { return error };
        let near = self
            .flow
            .declared(end)
            .and_then(|purposes| suggest::nearest(purpose, purposes.names.iter().map(|name| name.name.as_str())));
        let called = self.called(end);
        match (near, end) {
            (Some(near), _) => error.help(format!("did you mean `{near}`?")),
            (None, Data::Event(_) | Data::Profile(_)) => {
                error.help(format!("leave {called} out, or allow `{purpose}` in its `purposes`, if it may be used so"))
            }
            (None, Data::Rule(_)) => {
                error.help(format!("leave {called} out, or allow `{purpose}` in its `purpose`, if it may be used so"))
            }
            (None, Data::Set(_)) => {
                error.help(format!("leave out what {called} sets, or set it in a journey that is for `{purpose}`"))
            }
        }
    }

    /// What a destination receives, and where it says so.
    fn received(&self, declared: &DeclaredDestination, rules: &HashMap<&str, RuleId>) -> Vec<(Data, Span)> {
        let of_rule = |reference: &Reference| Some((Data::Rule(*rules.get(reference.name.as_str())?), reference.span));
        let of_trait = |reference: &Reference| match self.flow.declarations.profile_named(&reference.name) {
            Some((id, _)) => Some((Data::Profile(id), reference.span)),
            None => of_rule(reference),
        };
        let events =
            declared.destination.events.iter().map(|id| Data::Event(*id)).zip(declared.event_places.iter().copied());
        let rules = declared.segments.iter().filter_map(of_rule);
        rules.chain(declared.traits.iter().filter_map(of_trait)).chain(events).collect()
    }

    fn destination(
        &self,
        declared: &DeclaredDestination,
        purposes: &Purposes,
        received: &[(Data, Span)],
        report: &mut Report,
    ) {
        report.begin_file();
        for (data, place) in received {
            let Some(purpose) = purposes.names.iter().find(|purpose| !self.flow.allows(*data, &purpose.name)) else {
                continue;
            };
            let path = self.flow.path(*data, &purpose.name);
            let name = &declared.destination.name;
            let message = format!("`{name}` gets {} for `{}`, which it is not for", self.called(*data), purpose.name);
            let error = Diagnostic::error(codes::DESTINATION_PURPOSE, message, *place, "not for all of its purposes")
                .label(purpose.span, "what the destination uses it for");
            report.push(self.helped(self.explained(error, name, &path), &path, &purpose.name));
        }
    }

    /// What data is for that is not for all that people are asked for.
    fn restricted(&self, data: Data) -> Option<BTreeSet<&'a str>> {
        let allowed = self.flow.allowed(data)?;
        let asked = self.flow.declarations.places.purposes.as_deref();
        let is_for_all = asked.is_some_and(|asked| asked.iter().all(|it| allowed.contains(it.name.as_str())));
        (!is_for_all).then_some(allowed)
    }

    /// Nothing holds a destination that says no purposes against what data may be used for.
    fn unsaid(
        &self,
        id: DestinationId,
        declared: &DeclaredDestination,
        mut gets: impl Iterator<Item = (Data, Span)>,
        report: &mut Report,
    ) {
        let restricted = gets.find_map(|(data, place)| Some((data, place, self.restricted(data)?)));
        let (Some((data, place, allowed)), Some(named)) =
            (restricted, self.flow.declarations.places.destinations.get(id.index()))
        else {
            return;
        };
        let names: Vec<&str> = allowed.into_iter().collect();
        let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        let only = if quoted.is_empty() { "for nothing".to_owned() } else { format!("for {} only", quoted.join(", ")) };
        let name = &declared.destination.name;
        let message = format!("`{name}` does not say what it uses {} for", self.called(data));
        let warning = Diagnostic::warning(codes::UNSAID_USE, message, *named, "no `purposes` here").label(place, only);
        report.push(if names.is_empty() {
            warning.help(format!("leave {} out, or say in its `purposes` what it may be used for", self.called(data)))
        } else {
            warning.help(format!("say what it is used for, such as `purposes: [{}]`", names.join(", ")))
        });
    }

    fn called(&self, data: Data) -> String {
        let what = match data {
            Data::Event(_) => "the event",
            Data::Profile(_) => "the profile's",
            Data::Set(_) => "the journey",
            Data::Rule(id) => match self.flow.rule(id).map(|rule| &rule.kind) {
                Some(crate::ir::RuleKind::Segment) => "the segment",
                _ => "the trait",
            },
        };
        format!("{what} `{}`", self.name(data))
    }

    fn name(&self, data: Data) -> &'a str {
        let name = match data {
            Data::Event(id) => self.flow.declarations.event(id).map(|event| event.name.as_str()),
            Data::Profile(id) => self.flow.declarations.profile.get(id.index()).map(|kept| kept.name.as_str()),
            Data::Rule(id) => self.flow.rule(id).map(|rule| rule.name.as_str()),
            Data::Set(index) => self.flow.sets.get(index).map(|set| set.journey.name.as_str()),
        };
        name.unwrap_or_default()
    }

    fn place(&self, data: Data) -> Option<Span> {
        let places = &self.flow.declarations.places;
        match data {
            Data::Event(id) => places.events.get(id.index()).copied(),
            Data::Profile(id) => places.profile.get(id.index()).copied(),
            Data::Rule(id) => self.flow.lowered.rule_places.get(id.index()).copied(),
            Data::Set(index) => {
                let set = self.flow.sets.get(index)?;
                Some(self.node_place(set.journey, set.node)?.at)
            }
        }
    }
}

/// `` for `service`, `support` ``
fn listed(purposes: &Purposes) -> String {
    let names: Vec<String> = purposes.names.iter().map(|name| format!("`{}`", name.name)).collect();
    if names.is_empty() { "for nothing".to_owned() } else { format!("for {}", names.join(", ")) }
}
