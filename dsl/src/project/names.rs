//! Names between files: each declared once, each reference to something declared.

use super::EventNames;
use crate::diagnostic::{Diagnostic, Report, codes};
use crate::ir::{EventId, IdentifierKindId, SourceId};
use crate::model::event::DecodedEvent;
use crate::model::{Faulty, Identity, Reference, Source, WriteKey, fold_event_name, identity, profile};
use crate::source::Span;
use std::collections::BTreeMap;

/// Something declared, under a name.
pub(super) struct Named<T> {
    pub name: String,
    pub span: Span,
    pub value: T,
}

/// Sorted by name, each name once: the first file that declares it, by path. The others are errors.
pub(super) fn unique<T>(mut declared: Vec<Named<T>>, what: &str, report: &mut Report) -> Vec<Named<T>> {
    declared.sort_by(|a, b| a.name.cmp(&b.name).then(a.span.cmp(&b.span)));
    let mut unique: Vec<Named<T>> = Vec::with_capacity(declared.len());
    for named in declared {
        let Some(first) = unique.last().filter(|first| first.name == named.name) else {
            unique.push(named);
            continue;
        };
        let code = if what == "event" { codes::DUPLICATE_EVENT } else { codes::DUPLICATE_NAME };
        let message = format!("{what} `{}` is declared twice", named.name);
        report
            .push(Diagnostic::error(code, message, named.span, "the second time").label(first.span, "the first time"));
    }
    unique
}

/// Every name that an event may be sent under, and where it is written. Names go before aliases.
pub(super) fn of_events(events: &[DecodedEvent], report: &mut Report) -> (EventNames, Vec<Span>) {
    let mut names = EventNames::new();
    let mut places = Vec::new();
    for (index, event) in events.iter().enumerate() {
        let folded = fold_event_name(&event.schema.name);
        add(&mut names, &mut places, folded, &event.schema.name, event.name_span, index, events, report);
    }
    for (index, event) in events.iter().enumerate() {
        for (alias, &span) in event.schema.aliases.iter().zip(&event.alias_spans) {
            let folded = fold_event_name(alias);
            if folded.is_empty() {
                let message = format!("`{alias}` has no letter or digit to be known by");
                report.push(Diagnostic::error(codes::BAD_NAME, message, span, "no name").help("leave it out"));
                continue;
            }
            add(&mut names, &mut places, folded, alias, span, index, events, report);
        }
    }
    (names, places)
}

#[expect(clippy::too_many_arguments, reason = "one step of `of_events`, twice")]
fn add(
    names: &mut EventNames,
    places: &mut Vec<Span>,
    folded: String,
    written: &str,
    span: Span,
    index: usize,
    events: &[DecodedEvent],
    report: &mut Report,
) {
    let id = EventId(index as u32);
    match names.get_full(&folded) {
        None => {
            names.insert(folded, id);
            places.push(span);
        }
        Some((_, _, other)) if *other == id => {}
        Some((at, _, other)) => {
            let owner = events.get(other.index()).map_or("", |event| event.schema.name.as_str());
            let message = format!("`{written}` already names the event `{owner}`");
            let mut error = Diagnostic::error(codes::DUPLICATE_EVENT, message, span, "the second time");
            if let Some(&place) = places.get(at) {
                error = error.label(place, "the first time");
            }
            if folded != written {
                error = error.note(format!("both are `{folded}` once spelling is folded"));
            }
            report.push(error);
        }
    }
}

/// Looks events up by any of their names.
#[derive(Clone, Copy)]
pub(super) struct EventLookup<'a> {
    pub names: &'a EventNames,
    pub faulty: &'a Faulty,
}

impl EventLookup<'_> {
    pub fn find(self, reference: &Reference, report: &mut Report) -> Option<EventId> {
        let folded = fold_event_name(&reference.name);
        if let Some(&id) = self.names.get(&folded) {
            return Some(id);
        }
        if !self.faulty.events.contains(&folded) {
            let message = format!("there is no event `{}`", reference.name);
            let error = Diagnostic::error(codes::UNKNOWN_EVENT, message, reference.span, "not declared in events/");
            let help = report.suggest(&folded, self.names.keys().map(String::as_str));
            report.push(match help {
                Some(help) => error.help(help),
                None => error,
            });
        }
        None
    }
}

/// A kind of identifier; reports it when there is none.
pub(super) fn identifier(name: &str, span: Span, identity: &Identity, report: &mut Report) -> Option<IdentifierKindId> {
    let known = identity.kind_named(name);
    if known.is_none() {
        identity::unknown_kind(name, span, identity, report);
    }
    known
}

/// A source; reports it when there is none.
pub(super) fn source(name: &str, span: Span, sources: &[Source], report: &mut Report) -> Option<SourceId> {
    let index = sources.iter().position(|source| source.name == name);
    if index.is_none() {
        profile::unknown_source(name, span, sources.iter().map(|source| source.name.as_str()), report);
    }
    index.and_then(|index| u32::try_from(index).ok()).map(SourceId)
}

/// Properties marked `identifier:` name a kind that there is.
pub(super) fn identifiers_known(event: &DecodedEvent, identity: &Identity, report: &mut Report) {
    for (property, span) in event.schema.properties.iter().zip(&event.identifier_spans) {
        if let (Some(name), Some(span)) = (&property.identifier, span) {
            identifier(name, *span, identity, report);
        }
    }
}

/// A write key says which source a message comes from, so it belongs to one.
pub(super) fn write_keys_differ(sources: &[Named<(Source, Vec<Span>)>], report: &mut Report) {
    let mut seen: BTreeMap<(bool, &str), Span> = BTreeMap::new();
    for named in sources {
        let (source, spans) = &named.value;
        for (key, &span) in source.write_keys.iter().zip(spans) {
            let (identity, shown) = match key {
                WriteKey::Literal(text) => ((false, text.as_str()), format!("write key `{text}`")),
                WriteKey::Environment(name) => ((true, name.as_str()), format!("write key of `{name}`")),
            };
            if let Some(&first) = seen.get(&identity) {
                report.push(
                    Diagnostic::error(
                        codes::DUPLICATE_WRITE_KEY,
                        format!("{shown} is there twice"),
                        span,
                        "the second time",
                    )
                    .label(first, "the first time")
                    .help("give each source keys of its own"),
                );
            } else {
                seen.insert(identity, span);
            }
        }
    }
}
