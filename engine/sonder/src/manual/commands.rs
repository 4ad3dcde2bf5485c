//! The reference of the command line, made of the parser of arguments.

use super::page::{cell, prose};
use clap::{Arg, Command};
use std::fmt::Write;

pub(super) fn page(program: &Command) -> String {
    let mut program = program.clone();
    program.build();
    let mut page = "# Commands\n\nThe same as `--help` of each. Data goes to standard output, everything else to standard error. \
                    Exit codes: 0 fine, 1 your files, arguments or data are at fault, 2 differences were found, 3 the engine failed.\n\n"
        .to_owned();
    let mut list = String::new();
    program.get_subcommands().filter(|it| !it.is_hide_set()).for_each(|it| entry(&mut list, it));
    page.push_str("| command | does |\n|---|---|\n");
    page.push_str(&list);
    program
        .get_subcommands()
        .filter(|it| !it.is_hide_set())
        .for_each(|it| command(&mut page, it, program.get_name(), 2));
    page
}

fn entry(list: &mut String, command: &Command) {
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    // Writing into a text cannot fail.
    let _ = writeln!(list, "| [`{0}`](#sonder-{0}) | {1} |", command.get_name(), cell(&prose(&about)));
}

fn command(page: &mut String, command: &Command, above: &str, level: usize) {
    let name = format!("{above} {}", command.get_name());
    let _ = write!(page, "\n{} {name}\n\n", "#".repeat(level.min(4)));
    let about = command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default();
    let _ = write!(page, "{}\n\n", prose(&about));
    let usage = command.clone().render_usage().to_string();
    let _ = write!(page, "```text\n{}\n```\n", usage.trim_start_matches("Usage: ").trim());
    let arguments: Vec<&Arg> =
        command.get_arguments().filter(|it| !it.is_hide_set() && it.get_id() != "help").collect();
    if !arguments.is_empty() {
        page.push_str("\n| argument | is |\n|---|---|\n");
        for argument in arguments {
            let _ = writeln!(page, "| `{}` | {} |", cell(&written(argument)), cell(&meaning(argument)));
        }
    }
    if let Some(examples) = command.get_after_help() {
        let examples = examples.to_string();
        let (title, body) = examples.split_once('\n').unwrap_or(("", &examples));
        let lines: Vec<&str> = body.lines().map(|line| line.strip_prefix("  ").unwrap_or(line)).collect();
        let _ = write!(page, "\n{title}\n\n```text\n{}\n```\n", lines.join("\n"));
    }
    command.get_subcommands().filter(|it| !it.is_hide_set() && it.get_name() != "help").for_each(|it| {
        self::command(page, it, &name, level + 1);
    });
}

/// As it is typed: `--out <DIR>`, `[PROJECT]`.
fn written(argument: &Arg) -> String {
    let long = argument.get_long().map(|long| format!("--{long}"));
    let short = argument.get_short().map(|short| format!("-{short}"));
    let names: Vec<String> = short.into_iter().chain(long).collect();
    let takes = argument.get_action().takes_values();
    let values: Vec<String> = match argument.get_value_names() {
        Some(names) => names.iter().map(|name| format!("<{name}>")).collect(),
        None => vec![format!("<{}>", argument.get_id().as_str().to_uppercase())],
    };
    match (names.is_empty(), takes) {
        (true, _) if argument.is_required_set() => values.join(" "),
        (true, _) => format!("[{}]", values.join(" ").trim_matches(['<', '>'])),
        (false, true) => format!("{} {}", names.join(", "), values.join(" ")),
        (false, false) => names.join(", "),
    }
}

fn meaning(argument: &Arg) -> String {
    let help = argument.get_long_help().or(argument.get_help()).map(ToString::to_string).unwrap_or_default();
    let mut said = vec![prose(&help)];
    let choices = argument.get_possible_values();
    let choices: Vec<String> = choices
        .iter()
        .filter(|it| !it.is_hide_set())
        .map(|it| match it.get_help() {
            Some(help) => format!("`{}`: {}", it.get_name(), prose(&help.to_string())),
            None => format!("`{}`", it.get_name()),
        })
        .collect();
    if !choices.is_empty() && argument.get_action().takes_values() {
        said.push(choices.join("\n"));
    }
    let defaults: Vec<String> =
        argument.get_default_values().iter().map(|it| format!("`{}`", it.to_string_lossy())).collect();
    if !defaults.is_empty() && argument.get_action().takes_values() {
        said.push(format!("Default: {}.", defaults.join(" ")));
    }
    if let Some(variable) = argument.get_env() {
        said.push(format!("Also from the environment: `{}`.", variable.to_string_lossy()));
    }
    said.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_described_with_its_arguments_and_examples() {
        let program = Command::new("x").subcommand(
            Command::new("go")
                .about("Go <there>")
                .arg(Arg::new("to").required(true).help("Where"))
                .arg(Arg::new("how").long("how").value_parser(["fast", "slow"]).default_value("fast").help("a|b"))
                .after_help("Example:\n  x go home"),
        );
        let page = page(&program);
        for part in [
            "| [`go`](#sonder-go) | Go &lt;there> |",
            "\n## x go\n",
            "```text\nx go [OPTIONS] <to>\n```",
            "| `<TO>` | Where |",
            "| `--how <HOW>` | a\\|b<br>`fast`<br>`slow`<br>Default: `fast`. |",
            "Example:\n\n```text\nx go home\n```",
        ] {
            assert!(page.contains(part), "{part} is not in\n{page}");
        }
    }
}
