//! The language as a specification by examples: what rules mean, and what is said about those that mean nothing.
//!
//! Every example is checked against the little project below. [`errors`] gives one line an error, with its code, line and
//! column; [`means`] gives a rule with all names resolved, as text.

#![expect(clippy::unwrap_used, reason = "an example that is not as it must be fails its test")]

/// A snapshot of text that a person reads.
macro_rules! spec {
    ($text:expr) => {
        insta::with_settings!({ omit_expression => true }, { insta::assert_snapshot!($text) })
    };
}

mod enough;
mod fingerprints;
mod formatting;
mod journeys;
mod limits;
mod lowering;
mod mistakes;
mod names;
mod normative;
mod operators;
mod recovery;
mod robustness;
mod sense;
mod sequences;
mod speed;
mod time;

use sonder_dsl::diagnostic::codes;
use sonder_dsl::ir::{Program, print};
use sonder_dsl::source::{SourceFile, SourceSet};
use sonder_dsl::{Compilation, compile};
use std::sync::Arc;

/// The project that examples are checked against.
const PROJECT: [(&str, &str); 7] = [
    ("sonder.yaml", "name: shop\ntimezone: Europe/Amsterdam\n"),
    (
        "events/view.yaml",
        "event: view
aliases: [product_viewed]
properties:
  category: {type: string, enum: [a, b, c]}
  product: {type: string}
  price: {type: number, multipleOf: 0.01}
  rating: {type: number}
  position: {type: integer}
  sale: {type: boolean}
  tags: {type: array, items: {type: string}}
  mixed: {type: [string, integer]}
  brand: {type: object, properties: {name: {type: string, enum: [acme, zest]}, founded: {type: integer}}}
  stocked: {type: string, format: date-time}
",
    ),
    ("events/add.yaml", "event: add\nproperties:\n  product: {type: string}\n  quantity: {type: integer}\n"),
    (
        "events/order.yaml",
        "event: order
properties:
  total: {type: number, multipleOf: 0.01}
  tax: {type: number, multipleOf: 0.001}
  email: {type: string, pii: contact}
",
    ),
    (
        "profile.yaml",
        "traits:
  country: {type: string}
  plan: {type: string, enum: [free, pro]}
  age: {type: integer}
  born: {type: string, format: date-time}
  vip: {type: boolean}
  email: {type: string, pii: contact}
  ill: {type: boolean, pii: sensitive}
",
    ),
    ("identity.yaml", "identifiers:\n  user_id: {}\n  anonymous_id: {}\n"),
    ("sources/server.yaml", "source: server\nkind: server\nwrite_keys: [wk]\n"),
];

/// Compiles rules in one file of the project.
fn compiled(rules: &str) -> Compilation {
    compiled_files(&[("rules/r.sonder", rules)])
}

fn compiled_files(rules: &[(&str, &str)]) -> Compilation {
    let files = PROJECT
        .iter()
        .chain(rules)
        .map(|(path, text)| SourceFile { path: (*path).to_owned(), text: (*text).to_owned() });
    compile(SourceSet::new(files.collect()))
}

/// What is wrong with rules: `E0204 1:31 message`, and behind `|` what helps.
fn errors(rules: &str) -> Vec<String> {
    errors_of(&compiled(rules))
}

fn errors_of(compilation: &Compilation) -> Vec<String> {
    let lines = compilation.diagnostics.iter().map(|diagnostic| {
        let place = diagnostic.labels[0].span;
        let position = compilation.sources.position(place.file, place.start);
        let help = diagnostic.help.first().map(|help| format!(" | {help}")).unwrap_or_default();
        format!("{} {}:{} {}{help}", diagnostic.code, position.line, position.column, diagnostic.message)
    });
    lines.collect()
}

/// What is wrong with a condition; columns count from the condition itself.
fn condition_errors(condition: &str) -> Vec<String> {
    errors(&format!("segment s {{ when\n{condition}\n}}")).iter().map(|error| error.replacen(" 2:", " ", 1)).collect()
}

/// Examples, each with what is said about it.
fn told(examples: &[&str], errors: fn(&str) -> Vec<String>) -> String {
    let of_one = |example: &&str| {
        let lines = errors(example).into_iter().map(|error| format!("    {error}\n"));
        format!("{}\n{}", example.replace('\n', "⏎"), lines.collect::<String>())
    };
    examples.iter().map(of_one).collect()
}

/// A program that means something, sensible or not.
fn program(rules: &str) -> Arc<Program> {
    let compilation = compiled(rules);
    assert_eq!(without_meaning(&compilation), [""; 0], "{rules}");
    compilation.program.unwrap()
}

/// The codes of what is wrong, but those that say that a condition decides nothing.
fn without_meaning(compilation: &Compilation) -> Vec<&'static str> {
    let all = compilation.diagnostics.iter().map(|diagnostic| diagnostic.code);
    all.filter(|code| !codes::NEVER_TRUE.contains(code) && !code.starts_with("W05")).collect()
}

/// What an expression means: all of it in full, with the conversions that the compiler puts in left out.
fn means(expression: &str) -> String {
    let program = program(&format!("trait t = {expression}"));
    print::expression(&program, &program.rules[0].expression).to_string()
}
