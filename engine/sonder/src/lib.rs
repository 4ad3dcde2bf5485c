//! The engine as one program: the commands, the project on disk, and the pipeline that joins the rooms.
//!
//! In data-flow order:
//!
//! - [`project`] reads a project's folder and notices when it changes;
//! - [`pipeline`] takes messages to the log, from the log to the fold, and what the fold decides to the outbox;
//! - [`server`] puts collection, the API and the pipeline behind one listener;
//! - [`import`] brings files in by the same road, faster;
//! - [`dev`] is what `sonder dev` has around the engine: made-up people, a local receiver, news;
//! - [`testkit`] plays scenarios through the same code, with no server;
//! - [`codegen`] makes clients of a project's schemas, [`proposal`] makes schemas of samples and of other products', [`migration`] projects of their exports, [`backup`] keeps and checks its data,
//!   [`tracking_plan`] is a site of what a project collects and who reads it, [`manual`] the book about all of this;
//! - [`observe`] shows what goes on: logs, metrics, status;
//! - [`cli`] is the thin front: one file a command.
//!
//! Everything that decides is in the crates below; this one owns threads, files, clocks and signals.

pub mod backup;
pub mod cli;
pub mod codegen;
pub mod dev;
pub mod import;
pub mod manual;
pub mod migration;
pub mod observe;
pub mod pipeline;
pub mod project;
pub mod proposal;
pub mod server;
pub mod testkit;
pub mod tracking_plan;
