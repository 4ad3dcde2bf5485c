//! The `sonder` binary: everything is in the library, so that tests can drive it in their own process.

use std::process::ExitCode;

fn main() -> ExitCode {
    sonder::cli::main(std::env::args_os())
}
