//! Follows the project's folder while the engine runs: a change is compiled aside; one with errors leaves the running
//! version in place and is reported everywhere; a good one takes over.

use crate::observe::ReloadReport;
use crate::pipeline::{Files, Pipeline, clock};
use crate::project::{Scan, compile, watch};
use metrics::counter;
use sonder_activate::host::{Host, Plugins};
use sonder_dsl::diagnostic::Severity;
use std::sync::{Arc, Weak};

/// What became of a change.
pub(super) enum Outcome {
    Unchanged,
    Applied,
    Rejected(Vec<String>),
}

/// Follows until the pipeline is gone.
pub(super) async fn follow(scan: Scan, pipeline: Weak<Pipeline>, host: Host) {
    let mut watch = match watch(&scan.root, scan.hash) {
        Ok(watch) => watch,
        Err(error) => {
            tracing::warn!(%error, "changes of the project will not be noticed");
            return;
        }
    };
    loop {
        let changed = watch.changed().await;
        let Some(pipeline) = pipeline.upgrade() else { return };
        let at = clock::wall();
        let outcome = match changed {
            Ok(scan) => {
                let (pipeline, host) = (Arc::clone(&pipeline), host.clone());
                let applying = tokio::task::spawn_blocking(move || {
                    let _folder = pipeline.shared().folder.lock();
                    // What was pushed meanwhile is whole only now.
                    match crate::project::scan(&scan.root) {
                        Ok(scan) => apply(&pipeline, &host, scan, false),
                        Err(error) => Outcome::Rejected(vec![error.to_string()]),
                    }
                });
                applying.await.unwrap_or_else(|error| Outcome::Rejected(vec![error.to_string()]))
            }
            Err(error) => Outcome::Rejected(vec![error.to_string()]),
        };
        let gauges = &pipeline.shared().gauges;
        match outcome {
            Outcome::Unchanged => {
                counter!("sonder_reloads_total", "outcome" => "unchanged").increment(1);
                tracing::info!("the project's files changed, its meaning did not");
                gauges.clear_rejection();
            }
            Outcome::Applied => {
                counter!("sonder_reloads_total", "outcome" => "applied").increment(1);
                tracing::info!("the project changed; the new version runs");
                gauges.set_reload(ReloadReport::Applied(at));
            }
            Outcome::Rejected(errors) => {
                counter!("sonder_reloads_total", "outcome" => "rejected").increment(1);
                for error in &errors {
                    tracing::error!("the project has an error, the version before it runs on: {error}");
                }
                gauges.set_reload(ReloadReport::Rejected(at, errors));
            }
        }
    }
}

/// Makes what was read run, if it has no errors. The caller holds the folder.
pub(super) fn apply(pipeline: &Pipeline, host: &Host, scan: Scan, silent: bool) -> Outcome {
    let compilation = compile(scan.sources, &scan.root);
    let Some(program) = compilation.program else {
        let errors = compilation.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error);
        let line = |diagnostic: &sonder_dsl::diagnostic::Diagnostic| match diagnostic.labels.first() {
            Some(label) => {
                let place = compilation.sources.position(label.span.file, label.span.start);
                let path = compilation.sources.path(label.span.file);
                format!("{path}:{}:{}: {}: {}", place.line, place.column, diagnostic.code, diagnostic.message)
            }
            None => format!("{}: {}", diagnostic.code, diagnostic.message),
        };
        return Outcome::Rejected(errors.map(line).collect());
    };
    let environment = |name: &str| std::env::var(name).ok();
    let plugins = match Plugins::load(host, &program.destinations, &scan.root, &environment) {
        Ok(plugins) => plugins,
        Err(problems) => return Outcome::Rejected(problems.iter().map(ToString::to_string).collect()),
    };
    let files = Arc::new(Files { root: scan.root.clone(), sources: compilation.sources });
    let running = Arc::clone(&pipeline.shared().live.read().program);
    if program.fingerprint == running.fingerprint {
        // A plugin's file may be another.
        if let Some(outbox) = pipeline.outbox() {
            outbox.reconfigure(&running.destinations, plugins.transports());
        }
        *pipeline.shared().files.write() = files;
        return Outcome::Unchanged;
    }
    match pipeline.take_over(program, plugins.transports(), silent) {
        Ok(()) => {
            *pipeline.shared().files.write() = files;
            Outcome::Applied
        }
        Err(error) => Outcome::Rejected(vec![error]),
    }
}
