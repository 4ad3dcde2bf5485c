//! Collection: the wire protocols of Segment's and Rudder's clients, for a log.
//!
//! A request is authenticated by its write key, its body is read within bounds, its messages are read and governed by
//! [`sonder_core`], and handed to an [`Intake`]. The answer 200 comes after the intake has committed them, so that a client
//! that got it may forget them, and one that did not may send them again: the message id tells that they are the same.
//!
//! What belongs to another region is handed to [`Neighbours`] instead, who come first: only what they have taken in is answered with 200.
//!
//! Each module is one stage, in this order: [`server`](serve) · `endpoint` · `cors` · `auth` · `rate` · `body` · `batch` · `handler`
//! · `region` · `forward`.

mod address;
mod auth;
mod batch;
mod body;
mod collector;
mod cors;
mod endpoint;
mod feed;
mod forward;
mod handler;
mod intake;
mod limits;
mod pixel;
mod query;
mod rate;
mod region;
mod rejection;
mod server;
mod settings;

pub use address::{InvalidNetwork, Network};
pub use collector::{Clock, Collector, CollectorConfig, Environment};
pub use feed::Feed;
pub use forward::{Forward, Neighbours};
pub use handler::router;
pub use intake::{BoxFuture, Intake, Received, Refused};
pub use region::People;
pub use rejection::{Rejection, RejectionCount};
pub use server::{ServeOptions, serve};
