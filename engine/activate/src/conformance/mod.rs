//! The conformance kit: what a destination must do with every answer a service can give, tried without the service.
//!
//! An author records exchanges in YAML (what goes in, the requests that follow, the answers, what becomes of the items).
//! They are replayed to the letter; then the kit makes trouble of its own with the same items: refusals, silence, quotas,
//! odd answers, missing values, large batches, secrets in people's data.
//!
//! Invariants: nothing leaves the machine, and the same component and files give the same report.
//!
//! | file | what |
//! |---|---|
//! | [`exchange`] | recorded exchanges as files |
//! | `recorder` | the network's stand-in: answers by a script, keeps what it was asked |
//! | [`bench`] | a plugin bound to a file's configuration, and one batch through it |
//! | `replay` | exchanges to the letter |
//! | `trouble` | what a service and its network may do |
//! | `input` | what people's data may do |
//! | [`report`] | what was found, as text |

mod bench;
pub mod exchange;
mod input;
mod recorder;
mod replay;
pub mod report;
mod trouble;

pub use exchange::{ExchangeError, Exchanges};
pub use report::{Check, Report, Section};

use crate::host::{Host, HostConfig, HostError, Plugin, PluginError};
use bench::Bench;
use recorder::Recorder;
use std::sync::Arc;

/// Why the kit cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum ConformanceError {
    /// The component is no plugin.
    #[error(transparent)]
    Plugin(#[from] PluginError),
    /// The sandbox cannot be made on this machine.
    #[error(transparent)]
    Host(#[from] HostError),
}

/// Tries a component with recorded exchanges, in a sandbox that `make` makes of the kit's configuration.
///
/// # Errors
/// When it is no plugin at all. What it does wrong is in the report.
pub fn test(
    wasm: &[u8],
    files: &[Exchanges],
    make: impl FnOnce(HostConfig) -> Result<Host, HostError>,
) -> Result<Report, ConformanceError> {
    let recorder = Arc::new(Recorder::default());
    let host = make(HostConfig { http: Some(Arc::clone(&recorder) as _), ..HostConfig::default() })?;
    let plugin = host.plugin(wasm)?;
    let it = plugin.description();
    let mut sections = vec![Section { title: "what it says of itself".to_owned(), checks: description(&plugin) }];
    for file in files {
        let title = format!("{} ({})", file.name, file.document);
        let checks = match Bench::new(&host, &plugin, &recorder, file) {
            Err(problem) => vec![Check::failed("its configuration is accepted", problem)],
            Ok(bench) => {
                let mut checks = vec![Check::passed("its configuration is accepted")];
                checks.extend(replay::all(&bench, file));
                checks.extend(trouble::all(&bench, file));
                checks.extend(input::all(&bench, file));
                checks
            }
        };
        sections.push(Section { title, checks });
    }
    Ok(Report { plugin: format!("{} {}", it.name, it.version), sections })
}

fn description(plugin: &Plugin) -> Vec<Check> {
    let it = plugin.description();
    vec![
        Check::of("it has a summary", !it.summary.is_empty(), || "`summary` is empty".to_owned()),
        Check::of("its configuration has a schema", it.config_schema().is_some(), || "`config` is missing".to_owned()),
    ]
}
