//! A project's files: which path is what, reading each, and resolving names between them.
//!
//! Order matters only for who may refer to whom: sources, identity, profile, events, destinations; rules come after,
//! and what destinations receive of rules is resolved last. A name declared twice keeps its first file, by path.

mod files;
mod fingerprint;
mod memory;
mod names;
mod rules;

pub use files::{FileKind, KINDS, schema};
pub(crate) use memory::Memory;
pub(crate) use rules::assemble;

use crate::diagnostic::{Diagnostic, Report, codes, suggest};
use crate::ir::EventId;
use crate::limits;
use crate::model::event::DecodedEvent;
use crate::model::{
    Consent, Declarations, DeclaredDestination, Faulty, Identity, Places, ProfileTrait, Purposes, Reference, Residency,
    Rollout, Settings, Source, consent, destination, event, fold_event_name, identity, profile, residency, settings,
    source,
};
use crate::source::{FileId, SourceSet, Span};
use crate::yaml::Node;
use indexmap::IndexMap;
use names::Named;
use std::sync::Arc;

/// All YAML files of a project, read and resolved among each other; and its files in the rule language.
pub(crate) struct Declared {
    pub declarations: Declarations,
    pub rule_files: Vec<FileId>,
    /// The rules as they were, while new ones are rolled out.
    pub rule_files_before: Vec<FileId>,
}

/// Reads all files but those of the rule language. What `memory` knows of a file with the same text is not read again.
pub(crate) fn declare(sources: &SourceSet, memory: &mut Memory, report: &mut Report) -> Declared {
    let mut files = Files::sorted_out(sources, memory, report);
    let ReadSettings { settings, capped, has_pseudonyms } = files.settings(report);
    let residency = settings.residency.as_ref();
    let (source_list, source_places) = files.sources(residency, report);
    let (identity, identifier_places) = files.identity(&source_list, report);
    let mut faulty = Faulty::default();
    let (profile, profile_places, profile_purposes) = files.profile(&source_list, &mut faulty, report);
    let events = files.events(&identity, &mut faulty, report);
    let (event_names, event_name_places) = names::of_events(&events, report);
    let lookup = names::EventLookup { names: &event_names, faulty: &faulty };
    let (destinations, destination_places) = files.destinations(lookup, &identity, report);
    if !has_pseudonyms {
        pseudonyms_without_key(&destinations, report);
    }
    if files.of(&FileKind::Destination).len() == destinations.len() {
        uncapped(&capped, &destinations, report);
    }
    residency::of_destinations(&destinations, &destination_places, residency, report);
    let rollout = files.rollout(report);
    let (consent, purposes) = files.consent(&profile, report).unzip();
    residency::of_people(&source_list, &source_places, (residency, consent.as_ref()), report);
    let places = Places {
        events: events.iter().map(|event| event.name_span).collect(),
        properties: events.iter().map(|event| event.property_spans.clone()).collect(),
        sources: source_places,
        identifiers: identifier_places,
        profile: profile_places,
        destinations: destination_places,
        event_names: event_name_places,
        event_purposes: events.iter().map(|event| event.purposes.clone()).collect(),
        profile_purposes,
        purposes,
    };
    let declarations = Declarations {
        settings,
        events: events.into_iter().map(|event| event.schema).collect(),
        event_names,
        sources: source_list,
        identity,
        consent: consent.unwrap_or_default(),
        profile,
        destinations,
        rollout,
        places,
        faulty,
    };
    let rule_files_before = if rollout.is_some() { files.of(&FileKind::RulesBefore) } else { Vec::new() };
    Declared { declarations, rule_files: files.of(&FileKind::Rules), rule_files_before }
}

/// A cap for what is no destination bounds nothing.
fn uncapped(capped: &[(String, Span)], destinations: &[DeclaredDestination], report: &mut Report) {
    let names = || destinations.iter().map(|known| known.destination.name.as_str());
    for (name, span) in capped.iter().filter(|(name, _)| !names().any(|known| known == name)) {
        let message = format!("there is no destination `{name}` to cap");
        let warning = Diagnostic::warning(codes::IDLE_CAP, message, *span, "not declared in destinations/");
        let help = suggest::help(name, names());
        report.push(warning.help(help.unwrap_or_else(|| format!("declare it in destinations/{name}.yaml"))));
    }
}

/// Whether the project is of a size that can be compiled at all.
pub(crate) fn fits(sources: &SourceSet, report: &mut Report) -> bool {
    let (mut files, mut bytes) = (0, 0_usize);
    for (_, file) in sources.iter() {
        files += 1;
        bytes = bytes.saturating_add(file.text.len());
    }
    let message = if files > limits::PROJECT_FILES {
        format!("the project has {files} files, more than {}", limits::PROJECT_FILES)
    } else if bytes > limits::PROJECT_BYTES {
        format!("the project's files have {bytes} bytes, more than {}", limits::PROJECT_BYTES)
    } else {
        return true;
    };
    report.push(Diagnostic::general(codes::PROJECT_TOO_LARGE, message).help("keep data out of the project's folder"));
    false
}

/// What `sonder.yaml` says.
struct ReadSettings {
    settings: Settings,
    /// Where each destination is named that has a cap.
    capped: Vec<(String, Span)>,
    /// Whether it says something of pseudonyms, right or wrong.
    has_pseudonyms: bool,
}

impl Default for ReadSettings {
    /// Of a file that cannot be read, which is reported: what else it may be missing is not.
    fn default() -> Self {
        Self { settings: Settings::default(), capped: Vec::new(), has_pseudonyms: true }
    }
}

/// The files by kind.
struct Files<'s> {
    sources: &'s SourceSet,
    kinds: Vec<(FileId, FileKind)>,
    memory: &'s mut Memory,
}

impl<'s> Files<'s> {
    fn sorted_out(sources: &'s SourceSet, memory: &'s mut Memory, report: &mut Report) -> Self {
        let kinds: Vec<_> = sources.iter().map(|(id, file)| (id, FileKind::of(&file.path))).collect();
        for (id, kind) in &kinds {
            let place = Span { file: *id, start: 0, end: 0 };
            let path = sources.path(*id);
            if let FileKind::Stray { meant } = kind {
                report.push(
                    Diagnostic::warning(
                        codes::STRAY_FILE,
                        format!("`{path}` is not part of the project"),
                        place,
                        "nothing reads this file",
                    )
                    .help(format!("did you mean `{meant}`?")),
                );
            }
        }
        Self { sources, kinds, memory }
    }

    fn of(&self, wanted: &FileKind) -> Vec<FileId> {
        self.kinds.iter().filter(|(_, kind)| kind == wanted).map(|(id, _)| *id).collect()
    }

    fn first(&self, wanted: &FileKind) -> Option<FileId> {
        self.kinds.iter().find(|(_, kind)| kind == wanted).map(|(id, _)| *id)
    }

    /// Reads and checks one file. `None` when there is nothing to work with.
    fn read(&mut self, id: FileId, kind: &FileKind, report: &mut Report) -> Option<Arc<Node>> {
        let file = self.sources.file(id)?;
        let (node, found) = self.memory.trees.of(id, file, |_| {
            let mut report = Report::default();
            (read(id, &file.text, kind, &mut report).map(Arc::new), report)
        });
        report.begin_file();
        report.append(found);
        node.clone()
    }

    /// An event, as far as its own file decides.
    fn event(&mut self, id: FileId, report: &mut Report) -> Option<DecodedEvent> {
        let file = self.sources.file(id)?;
        let (decoded, found) = self.memory.events.of(id, file, |_| {
            let mut report = Report::default();
            let node = read(id, &file.text, &FileKind::Event, &mut report);
            (node.and_then(|node| event::decode(&node, &mut report)), report)
        });
        report.begin_file();
        report.append(found);
        decoded.clone()
    }

    fn settings(&mut self, report: &mut Report) -> ReadSettings {
        let Some(id) = self.first(&FileKind::Settings) else {
            report.push(
                Diagnostic::general(codes::MISSING_SETTINGS, "there is no `sonder.yaml`")
                    .help("make one with `name: my_project`, or run `sonder init`"),
            );
            return ReadSettings::default();
        };
        let Some(node) = self.read(id, &FileKind::Settings, report) else { return ReadSettings::default() };
        ReadSettings {
            settings: settings::decode(&node, report),
            capped: settings::cap_places(&node),
            has_pseudonyms: node.get("pseudonyms").is_some(),
        }
    }

    fn sources(&mut self, residency: Option<&Residency>, report: &mut Report) -> (Vec<Source>, Vec<Span>) {
        let mut named = Vec::new();
        for id in self.of(&FileKind::Source) {
            let Some(node) = self.read(id, &FileKind::Source, report) else { continue };
            let Some(decoded) = source::decode(&node, report) else { continue };
            residency::of_source(&node, residency, report);
            let span = node.get("source").map_or(node.span, |name| name.span);
            let keys = node.get("write_keys").map_or(&[][..], Node::items).iter().map(|item| item.span).collect();
            named.push(Named { name: decoded.name.clone(), span, value: (decoded, keys) });
        }
        let unique = names::unique(named, "source", report);
        names::write_keys_differ(&unique, report);
        unique.into_iter().map(|named| (named.value.0, named.span)).unzip()
    }

    fn identity(&mut self, sources: &[Source], report: &mut Report) -> (Identity, Vec<Span>) {
        let sources = (sources.len() == self.of(&FileKind::Source).len()).then_some(sources);
        let node = self.first(&FileKind::Identity).and_then(|id| self.read(id, &FileKind::Identity, report));
        node.map_or_else(|| (Identity::default(), Vec::new()), |node| identity::decode(&node, sources, report))
    }

    fn profile(&mut self, sources: &[Source], faulty: &mut Faulty, report: &mut Report) -> ReadProfile {
        let Some(id) = self.first(&FileKind::Profile) else { return ReadProfile::default() };
        let Some(node) = self.read(id, &FileKind::Profile, report) else {
            faulty.all_profile = true;
            return ReadProfile::default();
        };
        faulty.all_profile = node.get("traits").is_none();
        let source = |name: &str, span: Span, report: &mut Report| names::source(name, span, sources, report);
        let (traits, places, wrong) = profile::decode(&node, self.has_matching(), source, report);
        faulty.profile.extend(wrong);
        (traits, places, profile::purposes(&node))
    }

    /// Whether people are matched by what is likely. An `identity.yaml` that cannot be read may say so.
    fn has_matching(&mut self) -> bool {
        let Some(id) = self.first(&FileKind::Identity) else { return false };
        // Whatever is wrong with the file is reported already.
        let node = self.read(id, &FileKind::Identity, &mut Report::default());
        node.is_none_or(|node| node.get("probabilistic").is_some())
    }

    /// To how many people the rules are rolled out. Rules as they were mean nothing without it.
    fn rollout(&mut self, report: &mut Report) -> Option<Rollout> {
        if let Some(id) = self.first(&FileKind::Rollout) {
            return self.read(id, &FileKind::Rollout, report).and_then(|node| Rollout::decode(&node));
        }
        for id in self.of(&FileKind::RulesBefore) {
            let message = format!("`{}` is not part of the project", self.sources.path(id));
            let place = Span { file: id, start: 0, end: 0 };
            let warning = Diagnostic::warning(codes::STRAY_FILE, message, place, "nothing reads this file");
            report.push(warning.help("`rollout.yaml` says to how many people the rules are rolled out: `share: 25%`"));
        }
        None
    }

    /// What `consent.yaml` says, and where its purposes are named.
    fn consent(&mut self, profile: &[ProfileTrait], report: &mut Report) -> Option<(Consent, Vec<Reference>)> {
        let id = self.first(&FileKind::Consent)?;
        let node = self.read(id, &FileKind::Consent, report)?;
        node.get("purposes").is_some().then(|| consent::decode(&node, profile, report))
    }

    /// Sorted by name; an `EventId` is an index into this list.
    fn events(&mut self, identity: &Identity, faulty: &mut Faulty, report: &mut Report) -> Vec<DecodedEvent> {
        let mut named = Vec::new();
        for id in self.of(&FileKind::Event) {
            let errors = report.errors();
            let Some(decoded) = self.event(id, report) else {
                let path = self.sources.path(id);
                let stem = path.rsplit('/').next().and_then(|name| name.strip_suffix(".yaml")).unwrap_or(path);
                faulty.events.insert(fold_event_name(stem));
                continue;
            };
            names::identifiers_known(&decoded, identity, report);
            let open = report.errors() > errors;
            named.push(Named { name: decoded.schema.name.clone(), span: decoded.name_span, value: (decoded, open) });
        }
        let unique = names::unique(named, "event", report);
        let mut events = Vec::with_capacity(unique.len());
        for (index, (event, open)) in unique.into_iter().map(|named| named.value).enumerate() {
            if open {
                // Which of its properties is wrong does not matter: its file is reported already.
                let id = EventId(index as u32);
                faulty.open_events.insert(id);
                let untyped = event.schema.properties.iter().filter(|property| property.kind.is_none());
                faulty.properties.extend(untyped.map(|property| (id, property.name.clone())));
            }
            events.push(event);
        }
        events
    }

    fn destinations(
        &mut self,
        events: names::EventLookup<'_>,
        identity: &Identity,
        report: &mut Report,
    ) -> (Vec<DeclaredDestination>, Vec<Span>) {
        let mut named = Vec::new();
        for id in self.of(&FileKind::Destination) {
            let Some(node) = self.read(id, &FileKind::Destination, report) else { continue };
            let decoded = destination::decode(
                &node,
                |reference, report| events.find(reference, report),
                |reference, report| names::identifier(&reference.name, reference.span, identity, report),
                report,
            );
            let Some(decoded) = decoded else { continue };
            let span = node.get("destination").map_or(node.span, |name| name.span);
            named.push(Named { name: decoded.destination.name.clone(), span, value: decoded });
        }
        names::unique(named, "destination", report).into_iter().map(|named| (named.value, named.span)).unzip()
    }
}

/// The traits of the golden record, where each is declared, and what each may be used for.
type ReadProfile = (Vec<ProfileTrait>, Vec<Span>, Vec<Option<Purposes>>);

/// Destinations that get pseudonyms, in a project that makes none.
fn pseudonyms_without_key(destinations: &[DeclaredDestination], report: &mut Report) {
    for (declared, span) in destinations.iter().filter_map(|it| Some((it, it.pseudonyms?))) {
        report.begin_file();
        let name = &declared.destination.name;
        let message = format!("`{name}` gets pseudonyms, and the project has no key to make them with");
        let error = Diagnostic::error(codes::NO_PSEUDONYM_KEY, message, span, "needs `pseudonyms` in sonder.yaml");
        report.push(error.help("write `pseudonyms: {key: {env: SONDER_PSEUDONYM_KEY}}` there"));
    }
}

fn read(id: FileId, text: &str, kind: &FileKind, report: &mut Report) -> Option<Node> {
    let node = crate::yaml::read(id, text, report)?;
    if let Some(form) = kind.form() {
        crate::shape::check(&node, form.keys, form.what, report);
    }
    Some(node)
}

/// The index of event names, for those who send and those who ask.
pub(crate) type EventNames = IndexMap<String, EventId>;
