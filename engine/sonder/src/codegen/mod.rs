//! Clients that are made of a project: what they may send is what its schemas say, so that wrong tracking code does not build.

mod typescript;

pub use typescript::client as typescript;
