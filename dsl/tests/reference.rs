//! The language reference in the repository is what the compiler's tables give, and all its examples compile.

use sonder_dsl::compile;
use sonder_dsl::diagnostic::Severity;
use sonder_dsl::diagnostic::render::human::{self, Colour};
use sonder_dsl::reference::{self, PROJECT};
use sonder_dsl::source::{SourceFile, SourceSet};
use std::path::Path;

#[test]
fn the_file_is_what_the_compiler_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("REFERENCE.md");
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    let page = reference::language();
    let differs = there.lines().zip(page.lines()).position(|(a, b)| a != b).unwrap_or_else(|| there.lines().count());
    assert!(
        there == page,
        "{} is not up to date from line {} on: type `sonder docs language > dsl/REFERENCE.md`",
        path.display(),
        differs + 1
    );
}

#[test]
fn every_example_compiles() {
    let page = reference::language();
    let mut examples = 0;
    for block in page.split("```sonder\n").skip(1) {
        let rules = block.split("```").next().unwrap_or_default();
        let file = |(path, text): (&str, &str)| SourceFile { path: path.to_owned(), text: text.to_owned() };
        let files = PROJECT.iter().copied().chain([("rules/example.sonder", rules)]).map(file).collect();
        let compilation = compile(SourceSet::new(files));
        let errors = compilation.diagnostics.iter().filter(|found| found.severity == Severity::Error);
        let printed = human::render(&compilation.sources, &compilation.diagnostics, Colour::Never);
        assert_eq!(errors.count(), 0, "{rules}\n{printed}");
        examples += 1;
    }
    assert!(examples > 20, "{examples} examples");
}

/// All that is declared of the grammar is used by it, and everything it uses is declared.
#[test]
fn the_grammar_is_whole() {
    let page = reference::language();
    let grammar: Vec<&str> = page.split("```ebnf\n").skip(1).filter_map(|block| block.split("```").next()).collect();
    let lines: Vec<(&str, &str)> =
        grammar.iter().flat_map(|block| block.lines()).filter_map(|line| line.split_once(" = ")).collect();
    let names: Vec<&str> = lines.iter().map(|(name, _)| name.trim()).collect();
    assert!(names.len() > 40, "{names:?}");
    for (name, body) in &lines {
        let outside: String = body.split('"').step_by(2).collect();
        for word in outside.split(|character: char| !character.is_ascii_alphanumeric() && character != '_') {
            let is_rule = word.starts_with(|first: char| first.is_ascii_lowercase());
            assert!(!is_rule || names.contains(&word), "`{word}` in `{name}` is no rule: {body}");
        }
    }
}
