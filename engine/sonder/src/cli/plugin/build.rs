//! `sonder plugin build`: a component of what a plugin is written in. Rust's last step is linked into the engine; JavaScript and
//! Python have compilers of their own, which are called without anything of WASI.

use crate::cli::output::{Failure, Output};
use sonder_activate::component::encode;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What componentize-js would import from WASI otherwise.
const FEATURES: [&str; 5] = ["stdio", "random", "clocks", "http", "fetch-event"];

/// Makes a component of a core module, a `.js` or a `.py` file.
pub(super) fn build(source: &Path, out: &Path, output: &mut Output<'_>) -> Result<(), Failure> {
    if !source.is_file() {
        return Err(Failure::user(format!("there is no file `{}`", source.display())));
    }
    match source.extension().and_then(OsStr::to_str) {
        Some("js" | "mjs") => run(javascript(source, out)?)?,
        Some("py") => run(python(source, out)?)?,
        _ => {
            let component = encode(&super::read(source)?)
                .map_err(|error| Failure::user(format!("`{}`: {error}", source.display())))?;
            fs::write(out, component)
                .map_err(|error| Failure::user(format!("could not write `{}`: {error}", out.display())))?;
        }
    }
    let bytes = fs::metadata(out)
        .map_err(|error| Failure::engine(format!("nothing was made at `{}`: {error}", out.display())))?
        .len();
    output.note(format!("made `{}`: {bytes} bytes", out.display()))
}

/// A compiler, and what to say where it is not installed.
struct Compiler {
    name: &'static str,
    install: &'static str,
    command: Command,
}

fn javascript(source: &Path, out: &Path) -> Result<Compiler, Failure> {
    let (folder, wit) = folder(source)?;
    let mut command = Command::new(installed(&folder.join("node_modules/.bin"), "componentize-js"));
    command.arg(source).arg("--wit").arg(wit).args(["--world-name", "destination", "--out"]).arg(out);
    command.arg("--disable").args(FEATURES);
    Ok(Compiler {
        name: "componentize-js",
        install: "npm install --save-dev @bytecodealliance/componentize-js",
        command,
    })
}

fn python(source: &Path, out: &Path) -> Result<Compiler, Failure> {
    let (folder, wit) = folder(source)?;
    let module = source.file_stem().unwrap_or_default();
    let mut command = Command::new(installed(&folder.join(".venv/bin"), "componentize-py"));
    command.arg("--wit-path").arg(wit).args(["--world", "destination", "componentize", "--stub-wasi", "--python-path"]);
    command.arg(folder).arg(module).arg("--output").arg(out);
    Ok(Compiler { name: "componentize-py", install: "pip install componentize-py", command })
}

/// The folder that a source is in, and the interface in it.
fn folder(source: &Path) -> Result<(PathBuf, PathBuf), Failure> {
    let folder = match source.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    let wit = folder.join("wit");
    if wit.is_dir() {
        return Ok((folder, wit));
    }
    Err(Failure::user(format!("there is no folder `{}` with the interface in it", wit.display()))
        .help("`sonder plugin new` makes a plugin that has one"))
}

/// The plugin's own compiler, or the one in the `PATH`.
fn installed(own: &Path, name: &str) -> PathBuf {
    let own = own.join(name);
    if own.is_file() { own } else { PathBuf::from(name) }
}

fn run(mut compiler: Compiler) -> Result<(), Failure> {
    let ended = compiler.command.stdin(Stdio::null()).stdout(Stdio::null()).status().map_err(|error| {
        Failure::user(format!("could not run `{}`: {error}", compiler.name))
            .help(format!("install it: `{}`", compiler.install))
    })?;
    if ended.success() {
        return Ok(());
    }
    Err(Failure::user(format!("`{}` could not build it: {ended}", compiler.name)))
}
