//! Typing: a tree of names becomes a resolved expression whose types agree, or an error that says what to type.
//!
//! [`Checker`] walks one rule; `operator` says which operators fit which values; [`builtin`] has the functions, one a
//! file; [`context`] the fields of an event's context; `property` what a path means inside an event.
//!
//! A part that has been reported has no type (`None`), and nothing around it is reported because of that.

mod action;
mod aggregate;
pub mod builtin;
pub mod context;
mod event;
mod experience;
mod expression;
mod funnel;
mod journey;
mod operator;
mod outlook;
mod property;
pub(crate) mod purposes;
pub(crate) mod satisfiable;
mod scope;
mod sequence;
mod value;

pub use expression::Checker;
pub(crate) use operator::operates;
pub(crate) use property::type_of as type_of_schema;
pub use scope::{RuleInfo, RuleState, RuleTable};
pub use value::{Motion, Typed, noun};
