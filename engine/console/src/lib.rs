//! The read and admin API.
//!
//! [`engine`] is the seam: what the API asks of a running engine, and the plain data it answers with.

pub mod engine;
