//! Build script of every crate that links DuckDB: lets the binary find the library where the Makefile put it, or
//! beside itself, without environment variables.

#![expect(clippy::print_stdout, reason = "cargo reads a build script's standard output")]

/// Prints what cargo has to tell the linker.
pub fn main() {
    println!("cargo:rerun-if-env-changed=DUCKDB_LIB_DIR");
    println!("cargo:rustc-link-arg=-Wl,-rpath,$ORIGIN");
    if let Ok(dir) = std::env::var("DUCKDB_LIB_DIR") {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{dir}");
    }
}
