//! How diagnostics look in each format.

use super::human::{self, Colour};
use super::{github, json, sarif};
use crate::diagnostic::{Diagnostic, codes};
use crate::limits;
use crate::source::{FileId, SourceFile, SourceSet, Span};

fn one(text: &str) -> SourceSet {
    SourceSet::new(vec![
        SourceFile { path: "a.yaml".to_owned(), text: text.to_owned() },
        SourceFile { path: "b.yaml".to_owned(), text: "other: here\n".to_owned() },
    ])
}

fn span(start: usize, end: usize) -> Span {
    Span { file: FileId(0), start: start as u32, end: end as u32 }
}

fn sample() -> (SourceSet, Vec<Diagnostic>) {
    let error = Diagnostic::error(codes::UNKNOWN_KEY, "a source has no key `knid`, 100%", span(12, 16), "not known")
        .label(Span { file: FileId(1), start: 0, end: 5 }, "as here")
        .help("did you mean `kind`?")
        .note("sources have keys");
    let warning = Diagnostic::warning(codes::NO_EFFECT, "no effect", span(0, 6), "");
    let general = Diagnostic::general(codes::MISSING_SETTINGS, "there is no `sonder.yaml`").help("make one");
    (one("source: web\nknid: browser\n"), vec![error, warning, general])
}

#[test]
fn for_people() {
    let (sources, diagnostics) = sample();
    insta::assert_snapshot!(human::render(&sources, &diagnostics, Colour::Never));
    assert_eq!(human::summary(&diagnostics), "2 errors, 1 warning");
    assert_eq!(human::summary(&[]), "");
}

#[test]
fn for_people_with_colours() {
    let (sources, diagnostics) = sample();
    let coloured = human::render(&sources, &diagnostics, Colour::Always);
    assert!(coloured.contains("\u{1b}["));
    insta::assert_snapshot!(coloured.replace('\u{1b}', "␛"));
}

#[test]
fn for_programs() {
    let (sources, diagnostics) = sample();
    insta::assert_snapshot!("json", json::render(&sources, &diagnostics));
    insta::assert_snapshot!("github", github::render(&sources, &diagnostics, ""));
    let sarif = sarif::render(&sources, &diagnostics, "");
    insta::assert_snapshot!("sarif", sarif.replace(env!("CARGO_PKG_VERSION"), "VERSION"));
    assert_eq!(json::render(&sources, &[]), "[]\n");
    assert!(github::render(&sources, &diagnostics, "my shops/nl").contains("file=my shops/nl/"));
    assert!(sarif::render(&sources, &diagnostics, "my shops/nl").contains("\"uri\": \"my%20shops/nl/"));
}

#[test]
fn columns_count_characters() {
    let sources = one("é: [ü, x]\n");
    let found = [Diagnostic::error(codes::BAD_VALUE, "here", span(9, 10), "x")];
    let printed = human::render(&sources, &found, Colour::Never);
    assert!(printed.contains("a.yaml:1:8"), "{printed}");
    assert!(printed.lines().any(|line| line == "  │        ^ x"), "{printed}");
    assert_eq!(json::values(&sources, &found)[0].column, Some(8));
}

#[test]
fn a_long_line_is_cut_around_the_place() {
    let text = format!("{}WRONG{}\n", "é".repeat(5_000), "y".repeat(5_000));
    let found = [Diagnostic::error(codes::BAD_VALUE, "here", span(10_000, 10_005), "this")];
    let printed = human::render(&one(&text), &found, Colour::Never);
    assert!(printed.contains("a.yaml:1:5001"), "{printed}");
    let line = printed.lines().find(|line| line.contains("WRONG")).unwrap();
    assert!(line.chars().count() < limits::EXCERPT_CHARACTERS + 10, "{printed}");
    let column = |part: &str, line: &str| line.chars().take(line[..line.find(part).unwrap()].chars().count()).count();
    let under = printed.lines().find(|line| line.contains("^^^^^ this")).unwrap();
    assert_eq!(column("WRONG", line), column("^^^^^", under), "{printed}");
}

#[test]
fn a_line_up_to_the_limit_is_whole() {
    let shown = |characters: usize| {
        let found = [Diagnostic::error(codes::BAD_VALUE, "here", span(0, 1), "")];
        human::render(&one(&"z".repeat(characters)), &found, Colour::Never).contains('…')
    };
    assert!(!shown(limits::EXCERPT_CHARACTERS) && shown(limits::EXCERPT_CHARACTERS + 1));
}

#[test]
fn nothing_of_a_file_moves_the_cursor_or_turns_text_around() {
    let text = "a: \u{1b}[2J\u{202e}WRONG\r\n";
    let at = text.find("WRONG").unwrap();
    let found = [Diagnostic::error(codes::BAD_VALUE, "is `\u{1b}]0;title\u{7}`", span(at, at + 5), "this")];
    let printed = human::render(&one(text), &found, Colour::Never);
    assert!(!printed.contains(['\u{1b}', '\u{7}', '\u{202e}', '\r']), "{printed:?}");
    assert!(printed.contains("WRONG"));
}

#[test]
fn a_label_over_several_lines_ends_with_its_first() {
    let found = [Diagnostic::error(codes::BAD_VALUE, "here", span(0, 17), "all of it")];
    let printed = human::render(&one("first: 1\nsecond: 2\n"), &found, Colour::Never);
    assert!(printed.contains("^^^^^^^^ all of it") && !printed.contains("second"), "{printed}");
}

#[test]
fn an_empty_file_can_be_pointed_at() {
    let found = [Diagnostic::error(codes::MISSING_KEY, "no name", span(0, 0), "it belongs here")];
    let printed = human::render(&one(""), &found, Colour::Never);
    assert!(printed.contains("a.yaml:1:1") && printed.contains("^ it belongs here"), "{printed}");
}
