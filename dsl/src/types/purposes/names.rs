//! The names of purposes, and data that names none.

use super::Checker;
use super::flow::Data;
use crate::diagnostic::{Diagnostic, Report, codes, suggest};
use crate::model::Reference;
use crate::source::Span;
use std::collections::{BTreeMap, BTreeSet};

impl<'a> Checker<'a> {
    /// Purposes that rules and files name and nobody declares. Gives back those that are errors.
    pub(super) fn names(&self, report: &mut Report) -> BTreeSet<&'a str> {
        let (places, mut unknown) = (&self.flow.declarations.places, BTreeSet::new());
        let of_lists: Vec<&Reference> = (places.event_purposes.iter().chain(&places.profile_purposes).flatten())
            .chain(self.flow.declarations.destinations.iter().filter_map(|destination| destination.purposes.as_ref()))
            .flat_map(|purposes| &purposes.names)
            .collect();
        let of_rules: Vec<(&'a str, Span)> = (self.flow.lowered.rule_purposes.iter().flatten())
            .chain(self.flow.lowered.item_purposes.values())
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
    pub(super) fn silent(&self, report: &mut Report) {
        if self.flow.declarations.places.purposes.is_none() {
            return;
        }
        let mut readers: BTreeMap<Data, &str> = BTreeMap::new();
        let mut needed = vec![None; self.flow.lowered.rules.len()];
        for (index, rule) in self.flow.lowered.rules.iter().enumerate().rev() {
            if rule.purpose.is_some() {
                needed[index] = Some(rule.name.as_str());
            }
            let Some(reader) = needed[index] else { continue };
            for data in self.flow.reads(&rule.expression) {
                match data {
                    Data::Rule(id) => needed[id.index()] = needed[id.index()].or(Some(reader)),
                    _ if self.flow.declared(data).is_none() => _ = readers.insert(data, reader),
                    _ => {}
                }
            }
        }
        for (name, _, reads) in self.items() {
            if self.flow.lowered.item_purposes.contains_key(name) {
                let silent = self.flow.reads_of(&reads).into_iter().filter(|data| !matches!(data, Data::Rule(_)));
                readers.extend(silent.filter(|data| self.flow.declared(*data).is_none()).map(|data| (data, name)));
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
}
