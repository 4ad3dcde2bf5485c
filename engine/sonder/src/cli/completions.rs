//! `sonder completions`: what a shell needs to complete our commands.

use super::output::{Failure, Output};
use clap_complete::Shell;

/// Print completions for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  sonder completions bash > ~/.local/share/bash-completion/completions/sonder")]
pub struct Args {
    /// Which shell
    shell: Shell,
}

pub(super) fn run(args: &Args, command: &mut clap::Command, output: &mut Output<'_>) -> Result<(), Failure> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, command, "sonder", &mut text);
    output.text(&String::from_utf8_lossy(&text))
}
