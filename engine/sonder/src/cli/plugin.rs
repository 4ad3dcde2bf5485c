//! `sonder plugin`: for authors of destinations.

use super::output::{Failure, Output};
use sonder_activate::component::encode;
use sonder_activate::host::{Host, HostConfig};
use std::fs;
use std::path::{Path, PathBuf};

/// Build and look at destination plugins
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  sonder plugin inspect plugins/ours.wasm")]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Make a component of what a compiler made for `wasm32-unknown-unknown`
    #[command(
        after_help = "Example:\n  sonder plugin build target/wasm32-unknown-unknown/release/ours.wasm --out plugins/ours.wasm"
    )]
    Build {
        /// The core module
        module: PathBuf,
        /// Where the component goes
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Load a component as the engine would, and show what it says of itself
    #[command(after_help = "Example:\n  sonder plugin inspect plugins/ours.wasm")]
    Inspect {
        /// The component
        component: PathBuf,
    },
}

pub(super) fn run(args: &Args, output: &mut Output<'_>) -> Result<(), Failure> {
    match &args.action {
        Action::Build { module, out } => {
            let component =
                encode(&read(module)?).map_err(|error| Failure::user(format!("`{}`: {error}", module.display())))?;
            fs::write(out, &component)
                .map_err(|error| Failure::user(format!("could not write `{}`: {error}", out.display())))?;
            output.note(format!("made `{}`: {} bytes", out.display(), component.len()))
        }
        Action::Inspect { component } => inspect(component, output),
    }
}

fn inspect(path: &Path, output: &mut Output<'_>) -> Result<(), Failure> {
    super::install_crypto();
    let wasm = read(path)?;
    let host = Host::new(HostConfig::default()).map_err(|error| Failure::engine(error.to_string()))?;
    let plugin = host.plugin(&wasm).map_err(|error| Failure::user(format!("`{}`: {error}", path.display())))?;
    let it = plugin.description();
    output.line(format!("{} {}", it.name, it.version))?;
    if !it.summary.is_empty() {
        output.line(&it.summary)?;
    }
    output.line(format!("size         {} bytes", wasm.len()))?;
    let list = |items: &[String], none: &str| if items.is_empty() { none.to_owned() } else { items.join(", ") };
    output.line(format!("hosts        {}", list(&it.hosts, "those that the project allows")))?;
    output.line(format!("identifiers  {}", list(&it.identifiers, "all")))?;
    let secrets: Vec<String> = it.secrets.iter().map(|secret| secret.name.clone()).collect();
    output.line(format!("secrets      {}", list(&secrets, "none")))?;
    let actions: Vec<String> = it.actions.keys().cloned().collect();
    output.line(format!("actions      {}", list(&actions, "none")))
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|error| Failure::user(format!("could not read `{}`: {error}", path.display())))
}
