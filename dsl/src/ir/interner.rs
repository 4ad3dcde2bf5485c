//! Gives properties, context fields and aggregates their ids while rules are typed: what is equal gets one id.
//!
//! Rules are typed in an order that only their names and references decide, so the ids of a project are always the same.

use super::fingerprint::{self, Meanings};
use super::{
    Aggregate, AggregateId, ContextSlot, EventId, EventSelector, Fingerprint, ProfileTraitId, PropertySlot, RuleId,
    Type, Window,
};
use crate::limits;
use crate::model::{ContextField, Declarations, SlotPath};
use indexmap::IndexMap;
use std::collections::BTreeMap;

/// The ids given so far.
pub struct Interner<'a> {
    declarations: &'a Declarations,
    slots: Vec<IndexMap<Vec<String>, Type>>,
    context: IndexMap<Vec<String>, Type>,
    aggregates: Vec<Aggregate>,
    by_fingerprint: BTreeMap<Fingerprint, Vec<AggregateId>>,
    rules: Vec<Fingerprint>,
}

/// More properties of one event, or context fields, are read than [`limits::SLOTS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// What the ids stand for, at the end.
pub struct Interned {
    /// By `EventId`.
    pub slots: Vec<Vec<SlotPath>>,
    /// By `ContextSlot`.
    pub context_slots: Vec<ContextField>,
    /// By `AggregateId`.
    pub aggregates: Vec<Aggregate>,
}

impl<'a> Interner<'a> {
    /// Nothing has an id yet.
    pub fn new(declarations: &'a Declarations) -> Self {
        Self {
            declarations,
            slots: vec![IndexMap::new(); declarations.events.len()],
            context: IndexMap::new(),
            aggregates: Vec::new(),
            by_fingerprint: BTreeMap::new(),
            rules: Vec::new(),
        }
    }

    /// The slot of a property.
    ///
    /// # Errors
    /// When there are too many.
    pub fn property(&mut self, event: EventId, path: Vec<String>, kind: Type) -> Result<PropertySlot, Full> {
        let slots = self.slots.get_mut(event.index()).ok_or(Full)?;
        slot(slots, path, kind).map(PropertySlot)
    }

    /// The slot of a context field.
    ///
    /// # Errors
    /// When there are too many.
    pub fn context(&mut self, path: Vec<String>, kind: Type) -> Result<ContextSlot, Full> {
        slot(&mut self.context, path, kind).map(ContextSlot)
    }

    /// The id of an aggregate, whose fingerprint is filled in here.
    pub fn aggregate(&mut self, mut aggregate: Aggregate) -> AggregateId {
        aggregate.fingerprint = fingerprint::of_aggregate(&aggregate, self);
        let candidates = self.by_fingerprint.entry(aggregate.fingerprint).or_default();
        let known = candidates.iter().copied().find(|id| self.aggregates.get(id.index()) == Some(&aggregate));
        known.unwrap_or_else(|| {
            let id = AggregateId(self.aggregates.len() as u32);
            candidates.push(id);
            self.aggregates.push(aggregate);
            id
        })
    }

    /// Notes the fingerprint of the next rule.
    pub fn rule(&mut self, fingerprint: Fingerprint) -> RuleId {
        self.rules.push(fingerprint);
        RuleId(self.rules.len() as u32 - 1)
    }

    /// The window of an aggregate.
    pub fn window(&self, id: AggregateId) -> Option<Window> {
        self.aggregates.get(id.index()).map(|aggregate| aggregate.window)
    }

    /// How many aggregates have an id so far.
    pub fn aggregates(&self) -> usize {
        self.aggregates.len()
    }

    /// All that has an id.
    pub fn finish(self) -> Interned {
        Interned {
            slots: self
                .slots
                .into_iter()
                .map(|slots| slots.into_iter().map(|(path, kind)| SlotPath { path, kind }).collect())
                .collect(),
            context_slots: self.context.into_iter().map(|(path, kind)| ContextField { path, kind }).collect(),
            aggregates: self.aggregates,
        }
    }
}

fn slot(slots: &mut IndexMap<Vec<String>, Type>, path: Vec<String>, kind: Type) -> Result<u16, Full> {
    let entries = slots.len();
    let entry = slots.entry(path);
    if matches!(entry, indexmap::map::Entry::Vacant(_)) && entries >= limits::SLOTS {
        return Err(Full);
    }
    let index = entry.index();
    entry.or_insert(kind);
    u16::try_from(index).map_err(|_| Full)
}

impl Meanings for Interner<'_> {
    fn event(&self, event: EventSelector) -> Option<&str> {
        match event {
            EventSelector::One(id) => self.declarations.event(id).map(|event| event.name.as_str()),
            EventSelector::Any => None,
        }
    }

    fn property(&self, event: EventSelector, slot: PropertySlot) -> Option<(&[String], &Type)> {
        let EventSelector::One(id) = event else { return None };
        self.slots.get(id.index())?.get_index(slot.index()).map(|(path, kind)| (path.as_slice(), kind))
    }

    fn context(&self, slot: ContextSlot) -> Option<(&[String], &Type)> {
        self.context.get_index(slot.index()).map(|(path, kind)| (path.as_slice(), kind))
    }

    fn profile(&self, id: ProfileTraitId) -> Option<(&str, &Type)> {
        self.declarations.profile.get(id.index()).map(|declared| (declared.name.as_str(), &declared.kind))
    }

    fn rule(&self, id: RuleId) -> Option<Fingerprint> {
        self.rules.get(id.index()).copied()
    }

    fn aggregate(&self, id: AggregateId) -> Option<Fingerprint> {
        self.aggregates.get(id.index()).map(|aggregate| aggregate.fingerprint)
    }
}
