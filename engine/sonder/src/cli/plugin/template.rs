//! `sonder plugin new`: a plugin to start from, with the SDK and the interface of this very engine in it, so that it
//! builds at once and goes on building.

use crate::cli::output::{Failure, Output};
use std::fs;
use std::path::Path;

/// A language that plugins are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Language {
    /// Rust, for `wasm32-unknown-unknown`
    Rust,
    /// JavaScript, through componentize-js
    Js,
    /// Python, through componentize-py
    Python,
}

/// Paths in the new folder and their contents.
type Files = &'static [(&'static str, &'static str)];

impl Language {
    /// The plugin itself. `greeter` and `Greeter` stand for its name.
    fn own(self) -> Files {
        match self {
            Self::Rust => RUST,
            Self::Js => JS,
            Self::Python => PYTHON,
        }
    }

    /// What it needs; taken as it is.
    fn sdk(self) -> Files {
        match self {
            Self::Rust => RUST_SDK,
            Self::Js => JS_SDK,
            Self::Python => PYTHON_SDK,
        }
    }
}

const RUST: Files = &[
    ("Cargo.toml", include_str!("../../../../../plugins/template/rust/Cargo.toml")),
    ("README.md", include_str!("../../../../../plugins/template/rust/README.md")),
    ("check.sh", include_str!("../../../../../plugins/template/rust/check.sh")),
    (".gitignore", include_str!("../../../../../plugins/template/rust/gitignore")),
    ("src/lib.rs", include_str!("../../../../../plugins/template/rust/src/lib.rs")),
    ("exchanges/service.yaml", include_str!("../../../../../plugins/template/rust/exchanges/service.yaml")),
];
const RUST_SDK: Files = &[
    ("sdk/Cargo.toml", include_str!("../../../../../plugins/sdk/Cargo.toml")),
    ("sdk/src/lib.rs", include_str!("../../../../../plugins/sdk/src/lib.rs")),
    ("sdk/src/deliver.rs", include_str!("../../../../../plugins/sdk/src/deliver.rs")),
    ("sdk/src/describe.rs", include_str!("../../../../../plugins/sdk/src/describe.rs")),
    ("sdk/src/http.rs", include_str!("../../../../../plugins/sdk/src/http.rs")),
    ("sdk/src/item.rs", include_str!("../../../../../plugins/sdk/src/item.rs")),
    ("wit/destination.wit", include_str!("../../../../../plugins/wit/destination.wit")),
];
const JS: Files = &[
    ("package.json", include_str!("../../../../../plugins/template/js/package.json")),
    ("README.md", include_str!("../../../../../plugins/template/js/README.md")),
    ("check.sh", include_str!("../../../../../plugins/template/js/check.sh")),
    (".gitignore", include_str!("../../../../../plugins/template/js/gitignore")),
    ("plugin.js", include_str!("../../../../../plugins/template/js/plugin.js")),
    ("exchanges/service.yaml", include_str!("../../../../../plugins/template/js/exchanges/service.yaml")),
];
const JS_SDK: Files = &[
    ("sdk.js", include_str!("../../../../../plugins/template/js/sdk.js")),
    ("wit/destination.wit", include_str!("../../../../../plugins/wit/destination.wit")),
];
const PYTHON: Files = &[
    ("requirements.txt", include_str!("../../../../../plugins/template/python/requirements.txt")),
    ("README.md", include_str!("../../../../../plugins/template/python/README.md")),
    ("check.sh", include_str!("../../../../../plugins/template/python/check.sh")),
    (".gitignore", include_str!("../../../../../plugins/template/python/gitignore")),
    ("plugin.py", include_str!("../../../../../plugins/template/python/plugin.py")),
    ("exchanges/service.yaml", include_str!("../../../../../plugins/template/python/exchanges/service.yaml")),
];
const PYTHON_SDK: Files = &[
    ("sdk.py", include_str!("../../../../../plugins/template/python/sdk.py")),
    ("wit/destination.wit", include_str!("../../../../../plugins/wit/destination.wit")),
];

/// Makes the folder `name`, which must not be there.
pub(super) fn write(name: &str, language: Language, output: &mut Output<'_>) -> Result<(), Failure> {
    let is_name = name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.len() <= 64
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && !name.ends_with('-')
        && !name.contains("--");
    if !is_name {
        return Err(Failure::user(format!("`{name}` is not a name for a plugin"))
            .help("use a lower-case letter, then letters, digits and `-`: `crm-of-ours`"));
    }
    let folder = Path::new(name);
    if folder.exists() {
        return Err(Failure::user(format!("`{name}` is there already")).help("choose another name, or remove it"));
    }
    let kind: String = name.split('-').map(capitalised).collect();
    for (path, text) in language.own() {
        write_file(&folder.join(path), &named(path, text, name, &kind))?;
    }
    for (path, text) in language.sdk() {
        write_file(&folder.join(path), text)?;
    }
    output.note(format!("made `{name}`: {} files", language.own().len() + language.sdk().len()))?;
    output.note(format!("next: sh {name}/check.sh"))
}

/// A crate's file has `_` where its name has `-`.
fn named(path: &str, text: &str, name: &str, kind: &str) -> String {
    let text = match path {
        "check.sh" => text.replace("release/greeter.wasm", &format!("release/{}.wasm", name.replace('-', "_"))),
        _ => text.to_owned(),
    };
    // A destination's name has `_`, too.
    let text = text.replace("destination: greeter", &format!("destination: {}", name.replace('-', "_")));
    let text = text.replace("greeter.greet", &format!("{}.greet", name.replace('-', "_")));
    text.replace("Greeter", kind).replace("greeter", name)
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn write_file(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::user(format!("could not write `{}`: {error}", path.display()));
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    fs::write(path, text).map_err(failed)
}
