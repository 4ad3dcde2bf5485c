//! What the end-to-end tests stand on: a real engine in its own process, a client that counts what was acknowledged, and a
//! receiver that plays a destination's server.
//!
//! Everything is blocking and small: a test that kills processes must not depend on anything that hides a failure.

pub mod engine;
pub mod http;
pub mod lake;
pub mod mmdb;
pub mod project;
pub mod receiver;
pub mod traces;
pub mod traffic;

pub use engine::{Engine, Options, digest, sonder};
pub use http::Connection;
pub use receiver::Receiver;
