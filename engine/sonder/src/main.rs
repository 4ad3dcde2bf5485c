//! The `sonder` binary: everything is in the library, so that tests can drive it in their own process.

use mimalloc::MiMalloc;
use std::process::ExitCode;

/// Gives back what bursts took, and does not fragment where people's states grow by a few bytes.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    sonder::cli::main(std::env::args_os())
}
