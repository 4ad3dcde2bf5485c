//! The compiled form of a project: immutable, free of spans, with every name resolved to an id.

pub mod aggregate;
mod enough;
pub mod expression;
mod fingerprint;
pub mod id;
pub(crate) mod interner;
mod lower;
pub mod lowered;
mod order;
pub mod print;
pub mod program;
pub mod sql;
pub mod value;

pub use aggregate::{Aggregate, EventSelector, Function, Pattern, Sequence, SequenceStep, TrailingAbsence, Window};
pub use expression::{BinaryOperator, Expression, UnaryOperator};
pub use id::{
    AggregateId, ContextSlot, DestinationId, EventId, Fingerprint, IdentifierKindId, ProfileTraitId, PropertySlot,
    RuleId, SourceId,
};
pub use lower::lower;
pub use lowered::Lowered;
pub use program::{Program, Rule, RuleKind};
pub use value::{Type, Value};
