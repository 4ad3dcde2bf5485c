//! Links DuckDB, and lists the example projects' files and the pages of the manual, so that `sonder init` and `sonder docs site`
//! carry them in the binary.

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

/// Pages that stand beside what they are about, and the folders that the manual has them in.
const PAGES: [(&str, &str); 6] = [
    ("engine/sonder/docs", ""),
    ("engine/sonder/deploy/runbooks", "src/how-to/alerts"),
    ("tests/language", "src/reference/by-example"),
    ("plugins/README.md", "src/reference/plugins.md"),
    ("dsl/grammar/README.md", "src/explanation/meaning.md"),
    ("ARCHITECTURE.md", "src/explanation/architecture.md"),
];

fn main() -> io::Result<()> {
    duckdb_rpath::main();
    let repository = Path::new(&env::var("CARGO_MANIFEST_DIR").unwrap_or_default()).join("../..");
    let out = PathBuf::from(env::var("OUT_DIR").unwrap_or_default());
    fs::write(out.join("templates.rs"), templates(&repository.join("examples"))?)?;
    fs::write(out.join("manual.rs"), manual(&repository)?)
}

fn templates(examples: &Path) -> io::Result<String> {
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
    Ok(code)
}

fn manual(repository: &Path) -> io::Result<String> {
    let mut code = String::from("&[\n");
    for (from, to) in PAGES {
        let root = repository.join(from);
        println!("cargo:rerun-if-changed={}", root.display());
        let mut files = Vec::new();
        if root.is_dir() {
            collect(&root, &mut files)?;
        } else {
            files.push(root.clone());
        }
        files.sort();
        for file in files.iter().filter(|file| has_ending(file, &["md", "toml", "css", "js"])) {
            let inside = file.strip_prefix(&root).unwrap_or(file).to_string_lossy().replace('\\', "/");
            let path = [to, &inside].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/");
            let _ = writeln!(code, "    ({path:?}, include_str!({:?})),", file.display().to_string());
        }
    }
    code.push_str("]\n");
    Ok(code)
}

fn has_ending(file: &Path, endings: &[&str]) -> bool {
    file.extension().is_some_and(|own| endings.iter().any(|ending| own == *ending))
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
