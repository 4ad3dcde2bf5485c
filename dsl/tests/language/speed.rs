//! A large project compiles fast, and twice the rules take about twice the time.

use super::PROJECT;
use sonder_dsl::compile;
use sonder_dsl::source::{SourceFile, SourceSet};
use std::time::{Duration, Instant};

fn project(events: usize, rules: usize) -> SourceSet {
    let file = |path: String, text: String| SourceFile { path, text };
    let base = PROJECT.iter().map(|(path, text)| file((*path).to_owned(), (*text).to_owned()));
    let schemas = (0..events).map(|n| {
        let properties: String = (0..20)
            .map(|p| format!("  p{p}: {{type: number, multipleOf: 0.01}}\n  s{p}: {{type: string}}\n"))
            .collect();
        file(format!("events/e{n}.yaml"), format!("event: e{n}\nproperties:\n{properties}"))
    });
    let text = (0..rules).map(|n| {
        let (a, b) = (n % events, (n * 7 + 1) % events);
        let before = if n % 50 > 0 { format!(" or in(s{})", n - 1) } else { String::new() };
        format!(
            "segment s{n} \"number {n}\" {{\n  when count(e{a} where p{p} > {n} and s{p} == \"x{n}\", last 7d) >= 3\n   and not did(e{b}, last 24h){before}\n}}\n",
            p = n % 20
        )
    });
    SourceSet::new(base.chain(schemas).chain([file("rules/all.sonder".to_owned(), text.collect())]).collect())
}

fn time(sources: SourceSet) -> Duration {
    let start = Instant::now();
    let compilation = compile(sources);
    let taken = start.elapsed();
    assert_eq!(compilation.diagnostics, []);
    taken
}

/// The bound is generous, because a test machine is busy and the build is not optimised: it catches what is not linear.
#[test]
fn a_thousand_rules_over_two_hundred_schemas() {
    let taken = time(project(200, 1_000));
    println!("1,000 rules over 200 schemas: {taken:?}");
    assert!(taken < Duration::from_secs(10), "{taken:?}");
}
