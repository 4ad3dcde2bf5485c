//! What `sonder dev` has around the engine: people who use the product as its schemas describe them, a receiver that takes what
//! destinations would get, and news of what happens.
//!
//! Nothing leaves the machine: requests of destinations end in [`receiver`], and people send to the engine's own address.

pub mod chance;
pub mod crowd;
pub mod likely;
pub mod news;
pub mod receiver;
