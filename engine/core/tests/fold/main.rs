//! The fold as its users see it: records in, effects and views out.

mod delivery;
mod determinism;
mod differential;
mod history;
mod identity;
mod reference;
