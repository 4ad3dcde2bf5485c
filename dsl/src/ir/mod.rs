//! The compiled form of a project: immutable, free of spans, with every name resolved to an id.

pub mod aggregate;
mod bind;
mod enough;
pub mod experience;
pub mod experiment;
pub mod expression;
pub(crate) mod fingerprint;
pub mod funnel;
pub mod id;
pub(crate) mod interner;
pub mod journey;
pub mod lineage;
mod lower;
pub mod lowered;
mod order;
pub mod prediction;
pub mod print;
pub mod program;
mod reads;
pub(crate) mod renamed;
mod rollout;
pub mod sql;
pub mod value;

pub use aggregate::{
    Aggregate, EventSelector, Function, Pattern, Sequence, SequenceStep, SessionBounds, TrailingAbsence, Window,
};
pub(crate) use bind::bind;
pub use experience::Experience;
pub use experiment::Experiment;
pub use expression::{BinaryOperator, Expression, UnaryOperator};
pub use funnel::{Breakdown, Funnel, FunnelStep};
pub use id::{
    AggregateId, ContextSlot, DestinationId, EventId, Fingerprint, IdentifierKindId, JourneyId, ProfileTraitId,
    PropertySlot, PurposeId, RuleId, SourceId,
};
pub use journey::Journey;
pub use lower::{is_run, lower};
pub use lowered::{Lowered, NodePlace};
pub use prediction::Prediction;
pub use program::{Program, Rule, RuleKind};
pub use reads::Reads;
pub use renamed::Successors;
pub use rollout::BEFORE;
pub use value::{Type, Value};
