//! Journeys: what a program says of them, arranged for the fold, and where a person is in them.
//!
//! Everything here is data and pure functions; [`State`](crate::State) moves people along (`state/travel`). A place is
//! remembered by the key of its node, so that it outlives a change of the text around it.
//!
//! A person may come in with an event or when a condition becomes true. The condition is a rule like a segment, but one
//! that nobody sees: it stands behind those of the program (see `crate::plan`).

pub mod course;
pub mod goal;
pub mod hours;
pub mod plan;
pub mod record;
pub mod scene;
pub mod uplift;

pub use course::{Instance, InstanceId, Left, Outcome, Travels};
pub use goal::{Goal, Goals};
pub use plan::JourneyPlan;
