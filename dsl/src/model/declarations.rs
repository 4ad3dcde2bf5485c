//! Everything that the YAML files declare, with the place of each declaration: what rules are checked against.
//!
//! The seam between the two fronts of the compiler. The YAML front makes [`Declarations`]; the language front reads
//! them and returns [`Lowered`](crate::ir::Lowered); `compile` joins both into a [`Program`](crate::ir::Program).
//!
//! A file with errors still declares as much as could be read, so that one run finds the errors of all files. What is
//! known to be declared wrongly is in [`Faulty`]: whoever meets such a name must not report it a second time.

use super::{
    Consent, Destination, EventSchema, Identity, ProfileTrait, Purposes, Rollout, Settings, Source, fold_event_name,
};
use crate::ir::{EventId, ProfileTraitId, SourceId};
use crate::source::Span;
use indexmap::IndexMap;
use std::collections::BTreeSet;

/// What the YAML files of a project declare.
#[derive(Clone, Debug)]
pub struct Declarations {
    /// `sonder.yaml`; defaults where it is missing or wrong.
    pub settings: Settings,
    /// `events/*.yaml`, sorted by name; `slots` are still empty.
    pub events: Vec<EventSchema>,
    /// Every name and alias of an event, folded.
    pub event_names: IndexMap<String, EventId>,
    /// `sources/*.yaml`, sorted by name.
    pub sources: Vec<Source>,
    /// `identity.yaml`.
    pub identity: Identity,
    /// `consent.yaml`.
    pub consent: Consent,
    /// `profile.yaml`, in its order.
    pub profile: Vec<ProfileTrait>,
    /// `destinations/*.yaml`, sorted by name; what they receive of rules is still by name.
    pub destinations: Vec<DeclaredDestination>,
    /// `rollout.yaml`.
    pub rollout: Option<Rollout>,
    /// Where things are declared.
    pub places: Places,
    /// What has errors of its own already.
    pub faulty: Faulty,
}

/// Where each thing is declared: the place of its name. Lists run parallel to those of [`Declarations`].
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// By `EventId`: the value of `event:`.
    pub events: Vec<Span>,
    /// By `EventId`, then by the index of the property: its key.
    pub properties: Vec<Vec<Span>>,
    /// By `SourceId`: the value of `source:`.
    pub sources: Vec<Span>,
    /// By `IdentifierKindId`: its key.
    pub identifiers: Vec<Span>,
    /// By `ProfileTraitId`: its key.
    pub profile: Vec<Span>,
    /// By `DestinationId`: the value of `destination:`.
    pub destinations: Vec<Span>,
    /// Parallel to `Declarations::event_names`: the name or alias as written.
    pub event_names: Vec<Span>,
    /// By `EventId`: what its data may be used for; `None` where its file says nothing.
    pub event_purposes: Vec<Option<Purposes>>,
    /// By `ProfileTraitId`: the same.
    pub profile_purposes: Vec<Option<Purposes>>,
    /// The purposes of `consent.yaml`; `None` where it does not declare any.
    pub purposes: Option<Vec<Reference>>,
}

/// Names that are declared, but with errors: a reference to one of them is not an error of its own.
#[derive(Clone, Debug, Default)]
pub struct Faulty {
    /// Folded names of events whose file could not be read at all, guessed from the file's name.
    pub events: BTreeSet<String>,
    /// Events some of whose properties could not be read: an unknown property may be one of them.
    pub open_events: BTreeSet<EventId>,
    /// Properties whose schema is wrong; they are there, without a type.
    pub properties: BTreeSet<(EventId, String)>,
    /// `profile.yaml` as a whole could not be read: any trait may be declared there.
    pub all_profile: bool,
    /// Traits whose declaration is wrong; they are there as strings.
    pub profile: BTreeSet<String>,
}

/// A destination before rule names are resolved.
#[derive(Clone, Debug, PartialEq)]
pub struct DeclaredDestination {
    /// All but `segments`, `profile_traits` and `computed_traits`.
    pub destination: Destination,
    /// `receives.segments`
    pub segments: Vec<Reference>,
    /// `receives.traits`: of the golden record, or computed.
    pub traits: Vec<Reference>,
    /// Where each of its events is named.
    pub event_places: Vec<Span>,
    /// `purposes`, as written.
    pub purposes: Option<Purposes>,
    /// Where it says that it is told pseudonyms, where it is.
    pub pseudonyms: Option<Span>,
    /// `region` or `regions`.
    pub regions: Vec<Reference>,
    /// The keys of `transfers`.
    pub transfers: Vec<Reference>,
}

/// A name as written somewhere, to be resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The name.
    pub name: String,
    /// Where it is written.
    pub span: Span,
}

impl Declarations {
    /// The event type that is sent under `name`, which may be an alias in any spelling that folds to it.
    #[must_use]
    pub fn event_named(&self, name: &str) -> Option<EventId> {
        self.event_names.get(&fold_event_name(name)).copied()
    }

    /// An event type by id.
    #[must_use]
    pub fn event(&self, id: EventId) -> Option<&EventSchema> {
        self.events.get(id.index())
    }

    /// A property of an event: its index and itself.
    #[must_use]
    pub fn property(&self, event: EventId, name: &str) -> Option<(usize, &super::Property)> {
        self.event(event)?.properties.iter().enumerate().find(|(_, property)| property.name == name)
    }

    /// Where a property is declared.
    #[must_use]
    pub fn property_place(&self, event: EventId, index: usize) -> Option<Span> {
        self.places.properties.get(event.index())?.get(index).copied()
    }

    /// A trait of the golden record.
    #[must_use]
    pub fn profile_named(&self, name: &str) -> Option<(ProfileTraitId, &ProfileTrait)> {
        let index = self.profile.iter().position(|declared| declared.name == name)?;
        Some((ProfileTraitId(u32::try_from(index).ok()?), &self.profile[index]))
    }

    /// A source.
    #[must_use]
    pub fn source_named(&self, name: &str) -> Option<(SourceId, &Source)> {
        let index = self.sources.iter().position(|declared| declared.name == name)?;
        Some((SourceId(u32::try_from(index).ok()?), &self.sources[index]))
    }
}
