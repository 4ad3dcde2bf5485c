//! Every code has a page whose wrong example gives it and whose right example is without errors. What is printed for the
//! wrong example is kept as a snapshot: that is how every message looks.

#![expect(clippy::expect_used, reason = "what a test cannot go on without fails it")]

use sonder_dsl::diagnostic::render::human::{self, Colour};
use sonder_dsl::diagnostic::{Severity, codes};
use sonder_dsl::model::{PluginDescription, Plugins};
use sonder_dsl::source::{SourceFile, SourceSet};
use sonder_dsl::{Compilation, compile_with};

#[test]
fn wrong_examples_give_their_code_and_right_ones_no_error() {
    let mut problems = Vec::new();
    for row in codes::ALL {
        let (wrong, right) = (example(row.page, "## Wrong"), example(row.page, "## Right"));
        if wrong.is_empty() || right.is_empty() {
            problems.push(format!("{}: its page has no wrong or no right example", row.code));
            continue;
        }
        let wrong = compiled(row.page, wrong);
        if !wrong.diagnostics.iter().any(|diagnostic| diagnostic.code == row.code) {
            let printed = human::render(&wrong.sources, &wrong.diagnostics, Colour::Never);
            problems.push(format!("{}: the wrong example does not give it, but\n{printed}", row.code));
        }
        let right = compiled(row.page, right);
        let bad = |code: &str, severity| severity == Severity::Error || code == row.code;
        if right.diagnostics.iter().any(|diagnostic| bad(diagnostic.code, diagnostic.severity)) {
            let printed = human::render(&right.sources, &right.diagnostics, Colour::Never);
            problems.push(format!("{}: the right example gives\n{printed}", row.code));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn what_is_printed() {
    for row in codes::ALL {
        let compilation = compiled(row.page, example(row.page, "## Wrong"));
        let of_code: Vec<_> = compilation.diagnostics.iter().filter(|found| found.code == row.code).cloned().collect();
        let printed = human::render(&compilation.sources, &of_code, Colour::Never);
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(row.code, printed);
        });
    }
}

#[test]
fn pages_begin_with_their_code_and_title() {
    for row in codes::ALL {
        let heading = format!("# {}: {}\n", row.code, row.title);
        assert!(row.page.starts_with(&heading), "the page of {} begins with another line than {heading}", row.code);
    }
}

#[test]
fn codes_are_sorted_and_there_once() {
    let codes: Vec<_> = codes::ALL.iter().map(|row| row.code).collect();
    let mut sorted = codes.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(codes, sorted);
    assert_eq!(codes::find("e0401").map(|row| row.code), Some("E0401"));
    assert!(codes::find("E9999").is_none());
}

/// The project of an example: what both share, its own files, and a `sonder.yaml` where it has none.
fn compiled(page: &str, own: Vec<SourceFile>) -> Compilation {
    let mut files = example(page, "## Project");
    files.extend(own);
    if !files.iter().any(|file| file.path.starts_with("sonder.y")) {
        files.push(SourceFile { path: "sonder.yaml".to_owned(), text: "name: shop\n".to_owned() });
    }
    let (described, files): (Vec<_>, Vec<_>) = files.into_iter().partition(|file| file.path.ends_with(".json"));
    let mut plugins = Plugins::default();
    for file in described {
        let name = file.path.replace(".json", ".wasm");
        let said: serde_json::Value = serde_json::from_str(&file.text).expect("JSON");
        match said["actions"].as_object() {
            Some(actions) => _ = plugins.described.insert(name, PluginDescription::of_actions(actions)),
            None => _ = plugins.silent.insert(name, said["error"].as_str().expect("an error").to_owned()),
        }
    }
    let mut compilation = compile_with(SourceSet::new(files), plugins);
    if let Some(program) = &compilation.program {
        let (_, found) = sonder_dsl::scenario::read(&compilation.sources, program);
        compilation.diagnostics.extend(found);
    }
    compilation
}

/// A line as often as its comment says: `wait 1h  # × 500`, with `{n}` in it counting from 0.
fn repeated(line: &str) -> String {
    match line.rsplit_once("  # × ") {
        Some((line, times)) => {
            let times: usize = times.parse().expect("a number behind ×");
            (0..times).map(|n| format!("{}\n", line.replace("{n}", &n.to_string()))).collect()
        }
        None => format!("{line}\n"),
    }
}

/// The files of a section; see `src/diagnostic/pages/README.md`.
fn example(page: &str, section: &str) -> Vec<SourceFile> {
    let Some((_, after)) = page.split_once(&format!("{section}\n")) else { return Vec::new() };
    let section = after.split("\n## ").next().unwrap_or(after);
    let mut files = Vec::new();
    let mut lines = section.lines();
    while let Some(line) = lines.next() {
        let Some(info) = line.strip_prefix("```") else { continue };
        let (_, path) = info.split_once(' ').expect("a block names its path");
        let (path, times) = path.split_once(" × ").unwrap_or((path, "1"));
        let times: usize = times.parse().expect("a number behind ×");
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        let block = block.iter().map(|line| repeated(line)).collect::<String>();
        let numbered = |n: usize| block.replace("{n}", &n.to_string());
        if path.contains("{n}") {
            let file = |n: usize| SourceFile { path: path.replace("{n}", &n.to_string()), text: numbered(n) };
            files.extend((0..times).map(file));
        } else if times > 1 {
            files.push(SourceFile { path: path.to_owned(), text: (0..times).map(numbered).collect() });
        } else {
            files.push(SourceFile { path: path.to_owned(), text: block });
        }
    }
    files
}
