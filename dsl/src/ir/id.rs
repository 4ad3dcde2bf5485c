//! Ids: dense indices into the lists of a [`Program`](super::Program). They mean nothing in another program; what must
//! outlive one is kept by name or by [`Fingerprint`].

use serde::{Deserialize, Serialize};

macro_rules! index {
    ($($(#[$doc:meta])* $name:ident($repr:ty);)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $repr);

        impl $name {
            /// As an index into the list that it belongs to.
            #[must_use]
            pub const fn index(self) -> usize {
                self.0 as usize
            }
        }
    )+};
}

index! {
    /// An event type: index into `Program::events`.
    EventId(u32);
    /// Where events come from: index into `Program::sources`.
    SourceId(u32);
    /// A kind of identifier, in order of priority, 0 the highest: index into `Program::identity.identifiers`.
    IdentifierKindId(u16);
    /// A trait of the golden record: index into `Program::profile`.
    ProfileTraitId(u32);
    /// A destination: index into `Program::destinations`.
    DestinationId(u32);
    /// A shared aggregate: index into `Program::aggregates`.
    AggregateId(u32);
    /// A segment or a computed trait: index into `Program::rules`.
    RuleId(u32);
    /// A journey: index into `Program::journeys`.
    JourneyId(u16);
    /// What data is used for: index into `Program::consent.purposes`.
    PurposeId(u16);
    /// A property that some rule reads: index into `EventSchema::slots` of that event.
    PropertySlot(u16);
    /// A context field that some rule reads, the same for all events: index into `Program::context_slots`.
    ContextSlot(u16);
}

/// A hash of what a thing means (resolved, without spans, with all that it depends on): equal meaning, equal
/// fingerprint, in any version of a project.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(pub u64);
