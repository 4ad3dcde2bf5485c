//! `sonder plugin`: for authors of destinations.

mod build;
mod template;

use super::compiled;
use super::output::{Failure, Output};
use sonder_activate::conformance::{self, ConformanceError, Exchanges};
use sonder_activate::host::{Description, HostConfig, bundled, native};
use std::fs;
use std::path::{Path, PathBuf};

/// Make, build, test and look at destination plugins
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  sonder plugin inspect plugins/ours.wasm")]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Make a new plugin that builds and passes its tests at once
    #[command(after_help = "Example:\n  sonder plugin new crm-of-ours --lang python")]
    New {
        /// Its name, and the folder to make it in: letters, digits and `-`
        name: String,
        /// The language that it is written in
        #[arg(long, value_enum, default_value_t = template::Language::Rust)]
        lang: template::Language,
    },
    /// Make a component of a plugin in Rust, JavaScript or Python
    #[command(
        after_help = "Examples:\n  sonder plugin build target/wasm32-unknown-unknown/release/ours.wasm --out plugins/ours.wasm\n  sonder plugin build plugin.js --out plugins/ours.wasm"
    )]
    Build {
        /// What rustc made for `wasm32-unknown-unknown`; or a `.js` file, with componentize-js in its `node_modules` or the
        /// `PATH`; or a `.py` file, with componentize-py in its `.venv` or the `PATH`
        source: PathBuf,
        /// Where the component goes
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Try a component against recorded exchanges, and against all that a service may answer
    #[command(
        after_help = "Examples:\n  sonder plugin test plugins/ours.wasm\n  sonder plugin test sonder/email@1 --exchanges plugins/email/exchanges"
    )]
    Test {
        /// The component, or the name of a bundled plugin
        component: String,
        /// Files of recorded exchanges, or folders of them; without it, `exchanges/` beside the component or here
        #[arg(long, value_name = "PATH")]
        exchanges: Vec<PathBuf>,
    },
    /// Load a component as the engine would, and show what it says of itself
    #[command(
        after_help = "Examples:\n  sonder plugin inspect plugins/ours.wasm\n  sonder plugin inspect sonder/push@1"
    )]
    Inspect {
        /// The component, or the name of a bundled plugin
        component: String,
    },
}

pub(super) fn run(args: &Args, output: &mut Output<'_>) -> Result<(), Failure> {
    match &args.action {
        Action::New { name, lang } => template::write(name, *lang, output),
        Action::Build { source, out } => build::build(source, out, output),
        Action::Test { component, exchanges } => test(component, exchanges, output),
        Action::Inspect { component } => inspect(component, output),
    }
}

fn test(component: &str, given: &[PathBuf], output: &mut Output<'_>) -> Result<(), Failure> {
    super::install_crypto();
    let path = Path::new(component);
    let wasm = component_of(component)?;
    let files = exchanges(path, given)?;
    let report = conformance::test(&wasm, &files, compiled::host).map_err(|error| match error {
        ConformanceError::Plugin(error) => Failure::user(format!("`{component}`: {error}")),
        ConformanceError::Host(error) => Failure::engine(error.to_string()),
    })?;
    output.text(&report.to_string())?;
    if report.failures().next().is_some() { Err(Failure::Reported) } else { Ok(()) }
}

/// Reads the files that are given, and those of the folders that are; by name.
fn exchanges(component: &Path, given: &[PathBuf]) -> Result<Vec<Exchanges>, Failure> {
    let beside = component.with_file_name("exchanges");
    let places = match given {
        [] if beside.is_dir() => vec![beside],
        [] => vec![PathBuf::from("exchanges")],
        given => given.to_vec(),
    };
    let mut paths = Vec::new();
    for place in places {
        if !place.is_dir() {
            paths.push(place);
            continue;
        }
        let failed = |error: std::io::Error| Failure::user(format!("could not read `{}`: {error}", place.display()));
        let mut found = Vec::new();
        for entry in fs::read_dir(&place).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.extension().is_some_and(|extension| extension == "yaml") {
                found.push(path);
            }
        }
        found.sort();
        paths.append(&mut found);
    }
    if paths.is_empty() || given.is_empty() && paths.iter().any(|path| !path.exists()) {
        let help = "record one in `exchanges/`, as plugins/README.md shows, or give `--exchanges`";
        return Err(Failure::user("there are no recorded exchanges").help(help));
    }
    let exchanges = |path: &PathBuf| {
        let text =
            String::from_utf8(read(path)?).map_err(|_| Failure::user(format!("`{}` is not text", path.display())))?;
        Exchanges::read(&path.to_string_lossy(), &text).map_err(|error| Failure::user(error.to_string()))
    };
    paths.iter().map(exchanges).collect()
}

fn inspect(component: &str, output: &mut Output<'_>) -> Result<(), Failure> {
    if let Some(description) = native::describe(component) {
        return show(&description, &[("part of", "the engine".to_owned())], output);
    }
    super::install_crypto();
    let wasm = component_of(component)?;
    let host = compiled::host(HostConfig::default()).map_err(|error| Failure::engine(error.to_string()))?;
    let plugin = host.plugin(&wasm).map_err(|error| Failure::user(format!("`{component}`: {error}")))?;
    let of_component = [("size", format!("{} bytes", wasm.len())), ("calls", listed(plugin.calls(), "nothing"))];
    show(plugin.description(), &of_component, output)
}

/// All that a description says.
fn show(it: &Description, more: &[(&str, String)], output: &mut Output<'_>) -> Result<(), Failure> {
    output.line(format!("{} {}", it.name, it.version))?;
    if !it.summary.is_empty() {
        output.line(&it.summary)?;
    }
    let secrets: Vec<String> = it.secrets.iter().map(|secret| secret.name.clone()).collect();
    let kinds: Vec<String> = it.taken().map(str::to_owned).collect();
    let rows = [
        ("takes", listed(&kinds, "nothing")),
        ("hosts", listed(&it.hosts, "none")),
        ("identifiers", listed(&it.identifiers, "all")),
        ("secrets", listed(&secrets, "none")),
    ];
    for (what, value) in more.iter().chain(&rows) {
        output.line(format!("{what:<12} {value}"))?;
    }
    if let Some(schema) = it.config_schema() {
        output.line(format!("config       {schema:#}"))?;
    }
    for (name, action) in &it.actions {
        output.line(format!("send {name:<7} {action:#}"))?;
    }
    Ok(())
}

fn listed(items: &[String], none: &str) -> String {
    if items.is_empty() { none.to_owned() } else { items.join(", ") }
}

/// The bytes of a bundled plugin or of a file.
fn component_of(name: &str) -> Result<Vec<u8>, Failure> {
    if native::describe(name).is_some() {
        return Err(Failure::user(format!("`{name}` is part of the engine, and not a component")));
    }
    bundled::find(name).map_or_else(|| read(Path::new(name)), |plugin| Ok(plugin.wasm.to_vec()))
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|error| Failure::user(format!("could not read `{}`: {error}", path.display())))
}
