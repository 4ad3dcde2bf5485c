//! The store through its public API, on real files.

mod append;
mod evolution;
mod recovery;
mod support;
