//! The manual: the sources of a book, for mdBook. Pages that people write stand in `docs/`; the references beside them are made
//! here of what they are about, so that they can't say anything else.
//!
//! All of it is in the binary: `sonder docs site` gives the manual of the very version that runs.

mod api;
mod commands;
mod destinations;
mod errors;
mod page;
mod regimes;

use crate::observe::metrics_reference;
use sonder_activate::host::{HostError, PluginError};
use sonder_dsl::reference;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Files of `docs/`, and pages that stand elsewhere in the repository because they belong to what they are about.
const WRITTEN: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/manual.rs"));

/// The plugin interface.
const WIT: &str = include_str!("../../../../plugins/wit/destination.wit");

/// The list of pages.
const SUMMARY: &str = "src/SUMMARY.md";

/// Why there is no manual.
#[derive(Debug, thiserror::Error)]
pub enum ManualError {
    /// There is no sandbox.
    #[error("{0}")]
    Host(#[from] HostError),
    /// A bundled plugin can't be asked what it takes.
    #[error("`{name}`: {error}")]
    Plugin {
        /// As a project names it.
        name: &'static str,
        /// What is wrong with it.
        error: PluginError,
    },
}

/// All files of the book, by path from its folder: `book.toml`, `src/tutorial/plugin.md`. `program` is the command line.
///
/// # Errors
/// When a bundled plugin can't be asked what it takes.
pub fn book(program: &clap::Command) -> Result<BTreeMap<String, String>, ManualError> {
    let mut files: BTreeMap<String, String> = WRITTEN
        .iter()
        .map(|(path, text)| {
            ((*path).to_owned(), if path.ends_with(".md") { page::shown(text) } else { (*text).to_owned() })
        })
        .collect();
    // Where the page stands otherwise, the interface is a file beside it.
    if let Some(plugins) = files.get_mut("src/reference/plugins.md") {
        *plugins = plugins.replace("](wit/destination.wit)", "](plugin-interface.md)");
    }
    let mut add = |path: &str, text: String| _ = files.insert(format!("src/reference/{path}"), page::shown(&text));
    add("commands.md", commands::page(program));
    add("configuration.md", reference::configuration());
    add("language.md", reference::language());
    add("api.md", api::page(&sonder_console::document()));
    add("destinations.md", destinations::page()?);
    add("plugin-interface.md", interface());
    add("metrics.md", metrics_reference());
    add("regimes.md", regimes::page());
    for (path, text) in errors::pages() {
        add(&path, text);
    }
    let summary = files.get(SUMMARY).map(|written| summary(written, &files));
    files.extend(summary.map(|summary| (SUMMARY.to_owned(), summary)));
    Ok(files)
}

/// The list of pages, with those that nobody could list: whatever stands in the folder beside a page that is called like it.
fn summary(written: &str, files: &BTreeMap<String, String>) -> String {
    let mut out = String::new();
    for line in written.lines() {
        // Writing into a text cannot fail.
        let _ = writeln!(out, "{line}");
        let Some(page) = line.split_once("](").and_then(|(_, rest)| rest.strip_suffix(".md)")) else { continue };
        let indent = line.len() - line.trim_start().len() + 2;
        let folder = format!("src/{}/", page.strip_suffix("/README").unwrap_or(page));
        for (path, text) in files.range(folder.clone()..).take_while(|(path, _)| path.starts_with(&folder)) {
            let listed = path.strip_prefix("src/").unwrap_or(path);
            if path.ends_with(".md") && !written.contains(&format!("({listed})")) {
                let _ = writeln!(out, "{:indent$}- [{}]({listed})", "", page::title(text));
            }
        }
    }
    out
}

fn interface() -> String {
    format!(
        "# The plugin interface\n\nWhat a destination is and what it may call, in [WIT](https://component-model.bytecodealliance.org/design/wit.html). \
         [Write a destination](../how-to/destinations.md) says how to get one that builds and passes its tests at once.\n\n\
         ```wit\n{WIT}```\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value as Json;
    use std::collections::BTreeSet;

    #[test]
    fn pages_that_nobody_lists_stand_below_the_page_of_their_folder() {
        let file = |path: &str, text: &str| (path.to_owned(), text.to_owned());
        let files = BTreeMap::from([
            file("src/a.md", "# A"),
            file("src/a/one.md", "# One: `x`\n"),
            file("src/a/two.md", "# Two"),
            file("src/b.md", "# B"),
        ]);
        let written = "# Summary\n\n- [A](a.md)\n  - [The second](a/two.md)\n- [B](b.md)\n";
        assert_eq!(
            summary(written, &files),
            "# Summary\n\n- [A](a.md)\n  - [One: x](a/one.md)\n  - [The second](a/two.md)\n- [B](b.md)\n"
        );
    }

    /// The words of a regular expression such as `\b(?:if|then|else)\b`.
    fn words(expression: &str) -> impl Iterator<Item = &str> {
        expression.split(|it: char| !it.is_ascii_lowercase()).filter(|it| it.len() > 1)
    }

    #[test]
    fn the_book_colours_the_words_that_editors_colour() {
        let (_, script) = WRITTEN.iter().find(|(path, _)| *path == "manual.js").unwrap();
        let list = script.split_once("const words = {").unwrap().1.split_once("};").unwrap().0;
        let coloured: BTreeSet<&str> = list.split(|it: char| !it.is_ascii_lowercase()).collect();
        let grammar = include_str!("../../../../dsl/editors/vscode/syntaxes/sonder.tmLanguage.json");
        let grammar: Json = serde_json::from_str(grammar).unwrap();
        let patterns = grammar["repository"]["word"]["patterns"].as_array().unwrap();
        let patterns = patterns.iter().chain([&grammar["repository"]["function"]]);
        let expected: BTreeSet<&str> = patterns.filter_map(|it| it["match"].as_str()).flat_map(words).collect();
        assert!(expected.len() > 50, "{expected:?}");
        let missing: Vec<_> = expected.difference(&coloured).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}
