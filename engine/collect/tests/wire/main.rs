//! The wire contract, request by request, through the router and an intake in memory.
#![expect(clippy::unwrap_used, clippy::panic, reason = "the tests of a test binary fail by panicking")]

mod harness;

mod auth;
mod bodies;
mod consent;
mod cors;
mod feed;
mod identity;
mod malformed;
mod minimised;
mod pixels;
mod refusals;
mod regions;
mod serving;
mod settings;
mod times;
