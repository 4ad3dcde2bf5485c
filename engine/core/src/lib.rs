//! The fold: `step(&Program, &mut State, Record) -> Effects`.
//!
//! Pure: no clock, no I/O, no chance. State and effects are a function of the log up to a sequence number and of the
//! moment it was last advanced to; nothing else. Builds for wasm32.

mod aggregate;
pub mod chronicle;
pub mod consent;
pub mod coverage;
mod datum;
mod deliver;
pub mod effect;
pub mod erasure;
pub mod eval;
mod evaluate;
pub mod explain;
mod footprint;
pub mod funnel;
pub mod govern;
mod identity;
pub mod journey;
pub mod kinship;
pub mod limits;
pub mod message;
mod names;
mod operators;
mod paged;
mod person;
mod plan;
mod profile;
pub mod record;
mod rule_times;
mod rules;
pub mod state;
mod timers;
pub mod view;

pub use state::State;
