//! What journeys send and set: for purposes that the destination, or the trait, says.

use super::flow::{Data, Set};
use super::led::{Led, entry};
use super::{Checker, listed};
use crate::diagnostic::{Diagnostic, Report, codes};
use crate::ir::journey::{FieldValue, Journey, NodeId, NodeKind};
use crate::ir::{DestinationId, NodePlace};
use crate::model::{DeclaredDestination, Purposes, Reference};
use crate::source::Span;
use std::collections::{BTreeSet, HashMap};

impl Checker<'_> {
    /// All that a journey sends.
    pub(super) fn sends(&self, journey: &Journey, unknown: &BTreeSet<&str>, report: &mut Report) {
        let mut led = None;
        for (node, index) in journey.nodes.iter().zip(0..) {
            let NodeKind::Send { destination, fields, .. } = &node.kind else { continue };
            let Some(declared) = self.flow.declarations.destinations.get(destination.index()) else { continue };
            let Some(purposes) = &declared.purposes else { continue };
            let Some(place) = self.node_place(journey, NodeId(index)) else { continue };
            if let Some(own) = journey.purpose.as_deref().filter(|own| !unknown.contains(own))
                && !purposes.allow(own)
            {
                report.push(self.not_for(journey, own, declared, purposes, place.at));
                continue;
            }
            let used = || purposes.names.iter().filter(|purpose| !unknown.contains(purpose.name.as_str()));
            let errors = report.errors();
            for (field, span) in fields.iter().zip(&place.values) {
                let read = self.sent(journey, field);
                let refused = used().find_map(|purpose| Some((self.refused(&read, &purpose.name)?, purpose)));
                let Some((data, purpose)) = refused else { continue };
                let message = format!(
                    "`{}` sends {} to `{}` for `{}`, which it is not for",
                    journey.name,
                    self.called(data),
                    declared.destination.name,
                    purpose.name
                );
                report.push(self.sent_outside(journey, message, (*span, data), purpose));
            }
            // What such a journey is for, its destinations say: so it finds people by what allows that, too.
            if journey.purpose.is_none() && report.errors() == errors {
                let led = led.get_or_insert_with(|| Led::new(journey));
                let read = self.flow.reads_of(&led.to(NodeId(index)));
                let refused = used().find_map(|purpose| Some((self.refused(&read, &purpose.name)?, purpose)));
                let Some((data, purpose)) = refused else { continue };
                let message = format!(
                    "`{}` finds out with {} to whom it sends for `{}`, which it is not for",
                    journey.name,
                    self.called(data),
                    purpose.name
                );
                report.push(self.sent_outside(journey, message, (place.at, data), purpose));
            }
        }
    }

    /// What a field reads.
    pub(super) fn sent(&self, journey: &Journey, field: &FieldValue) -> BTreeSet<Data> {
        let mut read = self.flow.reads(&field.value);
        if self.flow.reads_entering(&field.value) {
            read.extend(self.flow.reads_of(&entry(journey)).into_iter().filter(|data| matches!(data, Data::Event(_))));
        }
        read
    }

    fn refused(&self, read: &BTreeSet<Data>, purpose: &str) -> Option<Data> {
        read.iter().copied().find(|data| !self.flow.allows(*data, purpose))
    }

    fn sent_outside(
        &self,
        journey: &Journey,
        message: String,
        (span, data): (Span, Data),
        purpose: &Reference,
    ) -> Diagnostic {
        let path = self.flow.path(data, &purpose.name);
        let error = Diagnostic::error(codes::SENT_PURPOSE, message, span, "not for all purposes of the destination")
            .label(purpose.span, "what the destination uses it for");
        self.helped(self.explained(error, &journey.name, &path), &path, &purpose.name)
    }

    /// A journey that is for something else than where it sends to.
    fn not_for(
        &self,
        journey: &Journey,
        own: &str,
        declared: &DeclaredDestination,
        purposes: &Purposes,
        span: Span,
    ) -> Diagnostic {
        let name = &declared.destination.name;
        let message = format!("`{}` is for `{own}`, and sends to `{name}`, which is not", journey.name);
        let mut error = Diagnostic::error(codes::SENT_FOR_OTHERS, message, span, "a destination for something else");
        if let Some(purpose) = self.flow.lowered.item_purposes.get(&journey.name) {
            error = error.label(purpose.span, "the purpose of this journey");
        }
        error = error.label(purposes.span, listed(purposes));
        let or = match self.uses.get(own) {
            Some(other) => format!("send it to `{other}`, which is for `{own}`"),
            None => format!("send it to a destination that is for `{own}`"),
        };
        error.help(format!("{or}, or add `{own}` to the `purposes` of `{name}`, if it uses it so"))
    }

    /// A trait says what it may be used for, and a journey sets it from what allows less.
    pub(super) fn set(&self, index: usize, set: &Set<'_>, unknown: &BTreeSet<&str>, report: &mut Report) {
        let (Some(purposes), Some(place)) =
            (self.flow.declared(Data::Profile(set.id)), self.node_place(set.journey, set.node))
        else {
            return;
        };
        let mut declared = purposes.names.iter().filter(|purpose| !unknown.contains(purpose.name.as_str()));
        let Some(purpose) = declared.find(|purpose| !self.flow.allows(Data::Set(index), &purpose.name)) else { return };
        let path = self.flow.path(Data::Set(index), &purpose.name);
        let end = path.last().copied().unwrap_or(Data::Set(index));
        let (name, journey) = (self.name(Data::Profile(set.id)), &set.journey.name);
        let message = match end {
            Data::Set(own) if own == index => {
                format!("`{name}` may be used for `{}`, and `{journey}`, which sets it, is not for that", purpose.name)
            }
            _ => format!(
                "`{name}` may be used for `{}`, and {}, which it is set from, may not",
                purpose.name,
                self.called(end)
            ),
        };
        let error = Diagnostic::error(codes::SET_PURPOSE, message, place.at, "may be used for more than it is made of")
            .label(purpose.span, "what the trait may be used for");
        let less = format!("take `{}` out of the `purposes` of `{name}`", purpose.name);
        let help = match end {
            Data::Event(_) | Data::Profile(_) => {
                format!("{less}, or leave {} out of `{journey}`", self.called(end))
            }
            Data::Rule(_) | Data::Set(_) => format!("{less}, or set another trait that is for less"),
        };
        report.push(self.explained(error, name, &path).help(help));
    }

    pub(super) fn node_place(&self, journey: &Journey, node: NodeId) -> Option<&NodePlace> {
        self.flow.lowered.journey_places.get(&journey.name)?.get(node.index())
    }

    /// By destination that says no purposes: the first restricted data that a journey sends it which says none either, and where.
    pub(super) fn sent_unsaid(&self) -> HashMap<DestinationId, (Data, Span)> {
        let mut found = HashMap::new();
        for journey in self.flow.lowered.journeys.iter().filter(|journey| journey.purpose.is_none()) {
            for (node, index) in journey.nodes.iter().zip(0..) {
                let NodeKind::Send { destination, fields, .. } = &node.kind else { continue };
                let declared = self.flow.declarations.destinations.get(destination.index());
                if declared.is_none_or(|it| it.purposes.is_some()) || found.contains_key(destination) {
                    continue;
                }
                let place = self.node_place(journey, NodeId(index));
                let mut sent = fields.iter().zip(place.into_iter().flat_map(|place| &place.values));
                let restricted = sent.find_map(|(field, span)| {
                    let data = self.sent(journey, field).into_iter().find(|data| self.restricted(*data).is_some())?;
                    Some((data, *span))
                });
                found.extend(restricted.map(|sent| (*destination, sent)));
            }
        }
        found
    }
}
