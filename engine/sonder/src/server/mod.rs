//! Server.
pub mod announce;
