//! The examples of the design compile against a project that declares what they name, and become what they mean.

use super::errors_of;
use sonder_dsl::ir::journey::{Entry, NodeKind};
use sonder_dsl::ir::{Expression, Program, Window, print};
use sonder_dsl::model::{PluginDescription, Plugins};
use sonder_dsl::source::{SourceFile, SourceSet};
use sonder_dsl::{Compilation, compile_with};
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/projects/normative")
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

/// The descriptions of the project's plugins, as these would give them.
pub fn plugins() -> Plugins {
    let of = |name: &str| {
        let text = std::fs::read_to_string(root().join(format!("plugins/{name}.json"))).unwrap();
        let described: serde_json::Value = serde_json::from_str(&text).unwrap();
        let actions = described["actions"].as_object().unwrap();
        (format!("plugins/{name}.wasm"), PluginDescription::of_actions(actions))
    };
    Plugins { described: [of("email"), of("onsite")].into(), ..Plugins::default() }
}

/// Compiles the project with one more file of rules, its own journeys and others left out.
pub fn compiled_with(rules: &str) -> Compilation {
    let mut found = Vec::new();
    files(&root(), &mut found);
    let own = |path: &PathBuf| rules.is_empty() || !path.to_str().is_some_and(|path| path.contains("/rules/"));
    let mut sources: Vec<SourceFile> = found
        .iter()
        .filter(|path| own(path) && path.extension().is_some_and(|ending| ending != "json"))
        .map(|path| SourceFile {
            path: path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned(),
            text: std::fs::read_to_string(path).unwrap(),
        })
        .collect();
    if !rules.is_empty() {
        sources.push(SourceFile { path: "rules/r.sonder".to_owned(), text: rules.to_owned() });
    }
    compile_with(SourceSet::new(sources), plugins())
}

pub fn program_with(rules: &str) -> Arc<Program> {
    let compilation = compiled_with(rules);
    assert!(compilation.program.is_some(), "{:#?}", errors_of(&compilation));
    compilation.program.unwrap()
}

#[test]
fn every_example_of_the_design_compiles() {
    let program = program_with("");
    assert_eq!(program.rules.len(), 10);
    let counts = (
        program.journeys.len(),
        program.funnels.len(),
        program.experiments.len(),
        program.experiences.len(),
        program.predictions.len(),
    );
    assert_eq!(counts, (1, 1, 1, 1, 1));
}

#[test]
fn what_nobody_runs_yet_is_said_once_a_kind() {
    let compilation = compiled_with("");
    let told: Vec<_> = compilation
        .diagnostics
        .iter()
        .filter(|found| found.code == "W0601")
        .map(|found| found.message.as_str())
        .collect();
    assert!(told.contains(&"experiments are checked, not run yet"), "{told:?}");
    assert_eq!(told.len(), 3, "segments, traits, journeys and funnels are evaluated: {told:?}");
}

#[test]
fn the_funnel_is_its_steps_its_time_and_its_breakdowns() {
    let program = program_with("");
    let funnel = program.funnel_named("checkout").unwrap();
    let names: Vec<&str> = funnel.steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(names, ["product_viewed", "product_added", "checkout_started", "order_completed"]);
    assert_eq!(funnel.within.to_string(), "7d");
    assert!(funnel.steps.iter().all(|step| step.within.is_none()));
    let by: Vec<&str> = funnel.breakdowns.iter().map(|breakdown| breakdown.name.as_str()).collect();
    assert_eq!(by, ["context.device.type", "profile.country"]);
    assert!(matches!(funnel.breakdowns[0].value, Expression::Context(_)));
    assert!(matches!(funnel.breakdowns[1].value, Expression::Profile(_)));
}

/// The nodes of a journey, a line each, for a person to read.
pub fn shown(program: &Program, name: &str) -> String {
    let journey = program.journeys.iter().find(|journey| journey.name == name).unwrap();
    let to = |id: Option<sonder_dsl::ir::journey::NodeId>| id.map_or("end".to_owned(), |id| format!("{}", id.0));
    let text = |expression: &Expression| print::journey_expression(program, journey, expression).to_string();
    let entry = match &journey.entry {
        Entry::Event { pattern, per } => {
            format!("on {:?} per {:?}", pattern.event, per.as_ref().map(|per| per.path.join(".")))
        }
        Entry::Condition(condition) => format!("when {}", text(condition)),
    };
    let mut lines = vec![format!("enter {entry}, start {}", to(journey.start))];
    for (index, node) in journey.nodes.iter().enumerate() {
        let kind = match &node.kind {
            NodeKind::Wait { lasting, next } => format!("wait {lasting} -> {}", to(*next)),
            NodeKind::WaitUntil { condition, up_to, met, missed } => {
                format!("wait until {} up to {up_to} -> {} else {}", text(condition), to(*met), to(*missed))
            }
            NodeKind::WaitFor { pattern, up_to, met, missed } => {
                format!("wait for {:?} up to {up_to} -> {} else {}", pattern.event, to(*met), to(*missed))
            }
            NodeKind::If { condition, yes, no } => format!("if {} -> {} else {}", text(condition), to(*yes), to(*no)),
            NodeKind::Split(branches) => branches
                .iter()
                .map(|branch| format!("{} {} -> {}", branch.share, branch.name, to(branch.next)))
                .collect::<Vec<_>>()
                .join(", "),
            NodeKind::Send { destination, action, fields, next, .. } => {
                let fields: Vec<String> =
                    fields.iter().map(|field| format!("{}: {}", field.name, text(&field.value))).collect();
                let name = &program.destinations[destination.index()].name;
                format!("send {name}.{action} {{ {} }} -> {}", fields.join(", "), to(*next))
            }
            NodeKind::SetTrait { id, value, next } => {
                format!("set {} = {} -> {}", program.profile[id.index()].name, text(value), to(*next))
            }
            NodeKind::Exit => "exit".to_owned(),
        };
        lines.push(format!("{index}  line {}: {kind}", node.line));
    }
    lines.join("\n")
}

#[test]
fn the_journey_is_a_state_machine() {
    spec!(shown(&program_with(""), "cart_recovery"));
}

#[test]
fn what_only_others_than_rules_ask_is_kept_apart() {
    let program = program_with("");
    let ahead = |aggregate: &sonder_dsl::ir::Aggregate| matches!(aggregate.window, Window::Next(_));
    assert!(!program.aggregates.iter().any(ahead));
    assert_eq!(program.asked.iter().filter(|aggregate| ahead(aggregate)).count(), 3);
    let label = &program.predictions[0].label;
    assert_eq!(print::expression(&program, label).to_string(), "not did(session_started, next 30d)");
    assert_eq!(program.rules_of_aggregate.len(), program.aggregates.len());
}

#[test]
fn the_journey_of_the_reference_compiles() {
    let reference = include_str!("../../grammar/README.md");
    let mut examples = 0;
    for block in reference.split("```sonder\n").skip(1) {
        let rules = block.split("```").next().unwrap();
        program_with(rules);
        examples += 1;
    }
    assert!(examples > 0);
}
