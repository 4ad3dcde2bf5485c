//! The fold: `step(&Program, &mut State, Record) -> Effects`.
//!
//! Pure: no clock, no I/O, no chance. State and effects are a function of the log up to a sequence number and of the
//! moment it was last advanced to; nothing else. Builds for wasm32.

pub mod effect;
pub mod govern;
pub mod message;
pub mod record;
