//! What goes on, for people and monitors: logs, metrics, and the gauges that `status` reads.

mod gauges;
mod log;
mod metrics;
mod process;
mod traces;

pub use gauges::{Gauges, Health, ReloadReport};
pub use log::{LogFormat, LogOptions, set_up as set_up_log};
pub use metrics::{FIGURES, Figure, FigureKind, Metrics, reference as metrics_reference, set_up as set_up_metrics};
pub use process::resident_bytes;
pub use traces::{Context as TraceContext, Tracer};
