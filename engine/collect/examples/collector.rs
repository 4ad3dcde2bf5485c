//! A collector without an engine: takes messages into memory, once each, and shows them.
//!
//! `cargo run -p sonder-collect --example collector -- PROJECT`, then send to it with any SDK, and look at `/messages`.

use axum::Json;
use axum::routing::get;
use parking_lot::Mutex;
use serde_json::{Value, json};
use sonder_collect::{BoxFuture, Collector, CollectorConfig, Intake, Received, Refused, ServeOptions};
use sonder_dsl::ir::Program;
use sonder_dsl::source::{SourceFile, SourceSet};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// What was taken in, by message id.
#[derive(Default)]
struct Memory(Mutex<BTreeMap<String, Value>>);

impl Intake for Memory {
    fn submit(&self, _: &Arc<Program>, batch: Vec<Received>) -> BoxFuture<'_, Result<(), Refused>> {
        Box::pin(async move {
            let mut messages = self.0.lock();
            for received in batch {
                let (id, shown) = match received {
                    Received::Message(message, event) => {
                        let identifiers: Vec<_> =
                            event.identifiers.iter().map(|known| known.value.to_string()).collect();
                        let shown = json!({"call": message.call.name(), "identifiers": identifiers, "labels": event.labels,
                            "payload": serde_json::from_str::<Value>(&message.payload).unwrap_or_default()});
                        (message.message_id, shown)
                    }
                    Received::Quarantined(kept) => (
                        kept.message_id.unwrap_or_default(),
                        json!({"reasons": kept.reasons, "payload": *kept.payload}),
                    ),
                };
                messages.entry(id).or_insert(shown);
            }
            Ok(())
        })
    }
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let folder = std::env::args().nth(1).ok_or_else(|| io::Error::other("give the folder of a project"))?;
    let mut files = Vec::new();
    read_project(Path::new(&folder), "", &mut files)?;
    let compilation = sonder_dsl::compile(SourceSet::new(files));
    let program = compilation.program.ok_or_else(|| io::Error::other(format!("{:?}", compilation.diagnostics)))?;

    let (_program, running) = watch::channel(program);
    let memory = Arc::new(Memory::default());
    let collector = Collector::new(CollectorConfig::new(running, Arc::clone(&memory) as Arc<dyn Intake>));
    let show = move || async move { Json(Value::Array(memory.0.lock().values().cloned().collect())) };
    let router = sonder_collect::router(collector).route("/messages", get(show));

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    writeln!(io::stdout(), "listening on http://{}", listener.local_addr()?)?;
    sonder_collect::serve(listener, router, ServeOptions::default(), std::future::pending()).await
}

fn read_project(folder: &Path, prefix: &str, files: &mut Vec<SourceFile>) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            read_project(&entry.path(), &format!("{name}/"), files)?;
        } else if name.ends_with(".yaml") || name.ends_with(".sonder") {
            files.push(SourceFile { path: name, text: std::fs::read_to_string(entry.path())? });
        }
    }
    Ok(())
}
