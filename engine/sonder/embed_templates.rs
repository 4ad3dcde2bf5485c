//! Links DuckDB, and lists the example projects' files, so that `sonder init` carries them in the binary.

#![expect(clippy::print_stdout, reason = "cargo reads a build script's standard output")]

#[path = "../duckdb_rpath.rs"]
mod duckdb_rpath;

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// Templates are what people read and edit; data, demos and builds are not.
const LARGEST: u64 = 64 << 10;
const LEFT_OUT: [&str; 4] = ["data", "demo", "node_modules", ".sonder"];
const TEMPLATES: [&str; 5] = ["shop", "media", "saas", "game", "travel"];

fn main() -> io::Result<()> {
    duckdb_rpath::main();
    let examples = Path::new(&env::var("CARGO_MANIFEST_DIR").unwrap_or_default()).join("../../examples");
    let mut code = String::from("&[\n");
    for template in TEMPLATES {
        let root = examples.join(template);
        println!("cargo:rerun-if-changed={}", root.display());
        let mut files = Vec::new();
        collect(&root, &mut files)?;
        files.sort();
        let _ = writeln!(code, "    Template {{ name: {template:?}, files: &[");
        for file in files {
            let inside = file.strip_prefix(&root).unwrap_or(&file).to_string_lossy().replace('\\', "/");
            let _ = writeln!(code, "        ({inside:?}, include_bytes!({:?})),", file.display().to_string());
        }
        code.push_str("    ] },\n");
    }
    code.push_str("]\n");
    fs::write(PathBuf::from(env::var("OUT_DIR").unwrap_or_default()).join("templates.rs"), code)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if LEFT_OUT.contains(&name.as_str()) || (name.starts_with('.') && name != ".gitignore") {
            continue;
        }
        if path.is_dir() {
            println!("cargo:rerun-if-changed={}", path.display());
            collect(&path, files)?;
        } else if path.metadata()?.len() <= LARGEST {
            files.push(path);
        }
    }
    Ok(())
}
