//! What an editor waits for: compiling 1,000 rules over 200 event schemas at once, and again after a one-line edit.
//!
//! `cargo bench -p sonder-dsl --bench compile` prints the best of several runs and what share of a whole compilation a
//! re-check costs.

#![expect(clippy::print_stdout, reason = "what a bench is for")]

use sonder_dsl::source::{SourceFile, SourceSet};
use sonder_dsl::{Workspace, compile};
use std::time::{Duration, Instant};

const EVENTS: usize = 200;
const RULES: usize = 1_000;
const RUNS: usize = 15;

fn main() {
    for rules_a_file in [20, RULES] {
        let whole = best(|_| {
            let sources = SourceSet::new(project(rules_a_file, 0, 0));
            let begin = Instant::now();
            let compilation = compile(sources);
            let taken = begin.elapsed();
            assert!(compilation.program.is_some(), "{:?}", compilation.diagnostics);
            taken
        });
        println!("{RULES} rules over {EVENTS} schemas, {rules_a_file} rules a file");
        println!("  whole                      {whole:>10.2?}");
        for (what, rule, event) in
            [("nothing changed", 0, 0), ("a rule was edited", 1, 0), ("a schema was edited", 0, 1)]
        {
            let mut workspace = Workspace::default();
            workspace.compile(SourceSet::new(project(rules_a_file, 0, 0)));
            let again = best(|run| {
                let files = project(rules_a_file, rule * (run + 1), event * (run + 1));
                let begin = Instant::now();
                let compilation = workspace.compile(SourceSet::new(files));
                let taken = begin.elapsed();
                assert!(compilation.program.is_some(), "{:?}", compilation.diagnostics);
                taken
            });
            println!("  {what:<26} {again:>10.2?}  {:.2} of the whole", again.as_secs_f64() / whole.as_secs_f64());
        }
    }
}

fn best(run: impl FnMut(usize) -> Duration) -> Duration {
    (0..RUNS).map(run).min().unwrap_or_default()
}

/// A project whose third rule and third schema differ by edition.
fn project(rules_a_file: usize, rule_edition: usize, event_edition: usize) -> Vec<SourceFile> {
    let file = |path: String, text: String| SourceFile { path, text };
    let schema = |n: usize| {
        let mut text = format!("event: e{n}\nproperties:\n");
        for p in 0..20 {
            text += &format!("  p{p}: {{type: number, multipleOf: 0.01}}\n  s{p}: {{type: string}}\n");
        }
        if n == 3 {
            text += &format!("description: edition {event_edition}\n");
        }
        file(format!("events/e{n}.yaml"), text)
    };
    let rule = |n: usize| {
        let (a, b) = (n % EVENTS, (n * 7 + 1) % EVENTS);
        let more = if n == 3 { n + rule_edition } else { n };
        let before = if n.is_multiple_of(50) { String::new() } else { format!(" or in(s{})", n - 1) };
        format!(
            "segment s{n} \"number {n}\" {{\n  when count(e{a} where p{p} > {more} and s{p} == \"x{n}\", last 7d) >= 3\n   and not did(e{b}, last 24h){before}\n}}\n",
            p = n % 20
        )
    };
    let rules = (0..RULES)
        .step_by(rules_a_file)
        .map(|first| file(format!("rules/r{first}.sonder"), (first..first + rules_a_file).map(rule).collect()));
    let settings = file("sonder.yaml".to_owned(), "name: shop\n".to_owned());
    (0..EVENTS).map(schema).chain(rules).chain([settings]).collect()
}
