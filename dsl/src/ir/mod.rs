//! The compiled form of a project: immutable, free of spans, with every name resolved to an id.

pub mod aggregate;
pub mod expression;
pub mod id;
pub mod lowered;
pub mod program;
pub mod value;

pub use aggregate::{Aggregate, EventSelector, Function, Pattern, Sequence, SequenceStep, TrailingAbsence, Window};
pub use expression::{BinaryOperator, Expression, UnaryOperator};
pub use id::{AggregateId, ContextSlot, DestinationId, EventId, Fingerprint, IdentifierKindId, ProfileTraitId, PropertySlot, RuleId, SourceId};
pub use lowered::Lowered;
pub use program::{Program, Rule, RuleKind};
pub use value::{Type, Value};
