//! Pipeline.
pub mod budget;
pub mod clock;
pub mod limits;
