//! Whatever a file holds, compiling ends, and every diagnostic can be shown in every format.

#![expect(clippy::expect_used, reason = "what a test cannot go on without fails it")]

use proptest::prelude::*;
use sonder_dsl::diagnostic::render::{github, human, json, sarif};
use sonder_dsl::diagnostic::{Severity, codes};
use sonder_dsl::source::{SourceFile, SourceSet};
use sonder_dsl::{Compilation, compile};
use std::time::{Duration, Instant};

const PATHS: &[&str] = &[
    "sonder.yaml",
    "events/a.yaml",
    "sources/a.yaml",
    "identity.yaml",
    "profile.yaml",
    "destinations/a.yaml",
    "consent.yaml",
    "rules/a.sonder",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        all_kinds(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn any_text(text in "\\PC{0,200}") {
        all_kinds(&text);
    }

    /// Words of the format in any order reach deeper than noise.
    #[test]
    fn any_yaml_of_known_words(tokens in prop::collection::vec(token(), 0..60)) {
        all_kinds(&tokens.concat());
    }

    /// A sound file with one piece put in, taken out or doubled.
    #[test]
    fn a_file_with_a_slip(file in sound_file(), at in any::<prop::sample::Index>(), length in 0..20_usize, put in token()) {
        let (path, text) = file;
        let at = text.floor_char_boundary(at.index(text.len()));
        let end = text.ceil_char_boundary((at + length).min(text.len()));
        let changed = format!("{}{put}{}", &text[..at], &text[end..]);
        check(path, &changed);
    }
}

#[test]
fn large_files_of_every_kind_end_soon() {
    let many = |line: &dyn Fn(usize) -> String| (0..12_000).map(line).collect::<String>();
    for text in [
        many(&|n| format!("key_{n}: [a, b]\n")),
        many(&|_| "same: 1\n".to_owned()),
        format!("properties:\n{}", many(&|n| format!("  p{n}: {{typ: strin}}\n"))),
        format!("traits:\n{}", many(&|n| format!("  p{n}: {{merge: []}}\n"))),
        format!("event: a\naliases: [{}]\n", many(&|n| format!("a{n}, "))),
        format!(
            "required: [{}]\nproperties: {{{}}}\n",
            many(&|n| format!("r{n}, ")),
            many(&|n| format!("q{n}: {{}}, "))
        ),
        format!("receives: {{segments: [{}]}}\n", many(&|n| format!("r{n}, "))),
        format!("x: {}\n", "y".repeat(900_000)),
        format!("event: {}\n", "y".repeat(900_000)),
        format!("{}: 1\n", "y".repeat(1_000)),
        "[".repeat(1_000_000),
        "{".repeat(1_000_000),
        "- ".repeat(500_000),
        "a: ".repeat(300_000),
        "? ".repeat(500_000),
        "&a ".repeat(300_000),
        "*a ".repeat(300_000),
        "!".repeat(1_000_000),
        "\"".repeat(1_000_000),
        "#".repeat(1_000_000),
        "%".repeat(1_000_000),
        "\n".repeat(1_000_000),
        "\t".repeat(1_000_000),
        format!("x: |\n{}", " y\n".repeat(300_000)),
        format!("pattern: '{}'\n", "(a+)+".repeat(10_000)),
    ] {
        for path in PATHS.iter().filter(|path| path.ends_with(".yaml")) {
            let begin = Instant::now();
            check(path, &text);
            let start: String = text.chars().take(40).collect();
            assert!(begin.elapsed() < Duration::from_secs(10), "{path} with {start:?} took {:?}", begin.elapsed());
        }
    }
}

/// Thousands of names, each looked up among thousands of others that are nearly the same.
#[test]
fn thousands_of_near_misses_end_soon() {
    let many = |count: usize, line: &dyn Fn(usize) -> String| (0..count).map(line).collect::<String>();
    let (known, missing) = (|n: usize| format!("requ_{n}: {{}}, "), |n: usize| format!("prop_{n}, "));
    for (path, text) in [
        (
            "events/a.yaml",
            format!("event: a\nrequired: [{}]\nproperties: {{{}}}\n", many(16_000, &missing), many(16_000, &known)),
        ),
        (
            "identity.yaml",
            format!("identifiers: {{{}}}\ntrust: {{browser: [{}]}}\n", many(16_000, &known), many(16_000, &missing)),
        ),
        (
            "destinations/a.yaml",
            format!("destination: a\nplugin: sonder/webhook@1\nreceives: {{segments: [{}]}}\n", many(49_000, &missing)),
        ),
        ("events/a.yaml", format!("event: a\naliases: [{}]\n", many(49_000, &missing))),
    ] {
        let begin = Instant::now();
        check(path, &text);
        assert!(begin.elapsed() < Duration::from_secs(10), "{path} took {:?}", begin.elapsed());
    }
}

fn all_kinds(text: &str) {
    for path in PATHS {
        check(path, text);
    }
}

fn check(path: &str, text: &str) {
    let mut files = vec![SourceFile { path: path.to_owned(), text: text.to_owned() }];
    if path != "sonder.yaml" {
        files.push(SourceFile { path: "sonder.yaml".to_owned(), text: "name: shop\n".to_owned() });
    }
    let Compilation { sources, diagnostics, program, .. } = compile(SourceSet::new(files));
    let errors = diagnostics.iter().filter(|found| found.severity == Severity::Error).count();
    assert_eq!(program.is_some(), errors == 0);
    for found in &diagnostics {
        assert!(codes::find(found.code).is_some(), "{} is not in the registry", found.code);
        for label in &found.labels {
            let file = sources.file(label.span.file).expect("a label's file");
            assert!(file.text.get(label.span.start as usize..label.span.end as usize).is_some(), "{found:?}");
        }
    }
    let printed = human::render(&sources, &diagnostics, human::Colour::Never);
    for found in &diagnostics {
        assert!(printed.contains(&format!("[{}]", found.code)), "{found:?} is not shown\n{printed}");
    }
    assert!(!printed.contains('\u{1b}') && !printed.contains('\u{202e}'));
    let values: Vec<serde_json::Value> = serde_json::from_str(&json::render(&sources, &diagnostics)).expect("JSON");
    assert_eq!(values.len(), diagnostics.len());
    assert_eq!(github::render(&sources, &diagnostics, "").lines().count(), diagnostics.len());
    assert!(serde_json::from_str::<serde_json::Value>(&sarif::render(&sources, &diagnostics, "")).is_ok());
}

fn token() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "event",
        "source",
        "destination",
        "name",
        "properties",
        "required",
        "aliases",
        "identifiers",
        "traits",
        "trust",
        "probabilistic",
        "compare",
        "block",
        "link_at",
        "review_at",
        "merge",
        "from",
        "type",
        "enum",
        "multipleOf",
        "pattern",
        "items",
        "$ref",
        "$defs",
        "allOf",
        "pii",
        "identifier",
        "derive",
        "receives",
        "segments",
        "events",
        "config",
        "secrets",
        "env",
        "limits",
        "rate",
        "cap",
        "timezone",
        "session",
        "retention",
        "kind",
        "write_keys",
        "string",
        "number",
        "array",
        "0.01",
        "-1",
        "1e400",
        "200/s per key",
        "25 months",
        "all",
        "any",
        "most_recent",
        "user_id",
        "'/(/'",
        "\"#/$defs/x\"",
        "null",
        "true",
        "x",
    ])
    .prop_map(str::to_owned);
    let signs = prop::sample::select(vec![
        ": ", ":\n  ", ":\n    ", "\n", "\n  ", ", ", "[", "]", "{", "}", "- ", "&a ", "*a", "<<: ", "!t ", "|\n ",
        "\"", "'", "#", " ", "\t", "? ", "---\n",
    ])
    .prop_map(str::to_owned);
    prop_oneof![words, signs]
}

fn sound_file() -> impl Strategy<Value = (&'static str, &'static str)> {
    prop::sample::select(vec![
        ("sonder.yaml", include_str!("projects/everything/sonder.yaml")),
        ("events/a.yaml", include_str!("projects/everything/events/product_viewed.yaml")),
        ("sources/a.yaml", include_str!("projects/everything/sources/web.yaml")),
        ("identity.yaml", include_str!("projects/everything/identity.yaml")),
        ("profile.yaml", include_str!("projects/everything/profile.yaml")),
        ("destinations/a.yaml", include_str!("projects/everything/destinations/email.yaml")),
        ("rules/a.sonder", include_str!("projects/everything/rules/buyers.sonder")),
    ])
}
