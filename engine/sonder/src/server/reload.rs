//! Follows the project's folder while the engine runs: a change is compiled aside; one with errors leaves the running
//! version in place and is reported everywhere; a good one takes over.

use super::loader::Loader;
use crate::observe::ReloadReport;
use crate::pipeline::{Files, Pipeline, clock};
use crate::project::{Scan, compile, in_region, watch};
use metrics::counter;
use sonder_dsl::diagnostic::Severity;
use sonder_dsl::ir::Program;
use sonder_dsl::source::{SourceFile, SourceSet};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Weak};

/// What became of a change.
pub(super) enum Outcome {
    Unchanged,
    Applied,
    Rejected(Vec<String>),
}

/// Follows until the pipeline is gone.
pub(super) async fn follow(scan: Scan, pipeline: Weak<Pipeline>, loader: Loader) {
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
                let (pipeline, loader) = (Arc::clone(&pipeline), loader.clone());
                let applying = tokio::task::spawn_blocking(move || {
                    let _folder = pipeline.shared().folder.lock();
                    // What was pushed meanwhile is whole only now.
                    match crate::project::scan(&scan.root) {
                        Ok(scan) => apply(&pipeline, &loader, scan, false),
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

/// The files of a project, by path.
pub(super) fn files(sources: &SourceSet) -> BTreeMap<String, String> {
    sources.iter().map(|(_, file)| (file.path.clone(), file.text.clone())).collect()
}

/// The program that files say; `None` where they have errors.
pub(super) fn compiled(files: BTreeMap<String, String>, root: &Path) -> Option<Arc<Program>> {
    let files = files.into_iter().map(|(path, text)| SourceFile { path, text });
    compile(SourceSet::new(files.collect()), root).program
}

/// Makes what was read run, if it has no errors. The caller holds the folder.
pub(super) fn apply(pipeline: &Pipeline, loader: &Loader, scan: Scan, silent: bool) -> Outcome {
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
    let running = Arc::clone(&pipeline.shared().live.read().program);
    let program = match in_region(&program, running.region.as_deref()) {
        Ok(program) => program,
        Err(misplaced) => return Outcome::Rejected(vec![format!("{misplaced}: {}", misplaced.help)]),
    };
    if let Some(error) = loader.refuses(&program) {
        return Outcome::Rejected(vec![error]);
    }
    let plugins = match loader.plugins(&program, &scan.root) {
        Ok(plugins) => plugins,
        Err(problems) => return Outcome::Rejected(problems.iter().map(ToString::to_string).collect()),
    };
    let files = Arc::new(Files { root: scan.root.clone(), sources: compilation.sources });
    if program.fingerprint == running.fingerprint {
        // A plugin's file may be another.
        if let Some(outbox) = pipeline.outbox() {
            outbox.reconfigure(&running.destinations, plugins.transports());
        }
        *pipeline.shared().files.write() = files;
        return Outcome::Unchanged;
    }
    if let Err(error) = pipeline.store().keep_version(program.fingerprint, &self::files(&files.sources)) {
        return Outcome::Rejected(vec![error.to_string()]);
    }
    match pipeline.take_over(program, plugins.transports(), silent) {
        Ok(()) => {
            *pipeline.shared().files.write() = files;
            Outcome::Applied
        }
        Err(error) => Outcome::Rejected(vec![error]),
    }
}
