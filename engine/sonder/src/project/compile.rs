//! Compiles a project the way every command and the running engine do: the language's own checks, then those that need
//! the engine's JSON Schema validator.
//!
//! So what `sonder check` accepts is what runs, and nothing else.

use crate::cli::compiled;
use sonder_activate::host::{HostConfig, describe};
use sonder_core::govern::{SchemaProblem, schema_problems};
use sonder_dsl::diagnostic::{Diagnostic, Report, Severity, codes};
use sonder_dsl::ir::Program;
use sonder_dsl::model::{PluginDescription, Plugins};
use sonder_dsl::project::FileKind;
use sonder_dsl::source::{FileId, SourceSet, Span};
use sonder_dsl::yaml::{self, Node};
use sonder_dsl::{Compilation, compile_with};
use std::path::Path;

/// Compiles the project in `root`. Plugins that its journeys send something with are asked what they take. An event schema
/// that no validator takes, or whose examples it refuses, is an error.
#[must_use]
pub fn compile(sources: SourceSet, root: &Path) -> Compilation {
    let mut compilation = sonder_dsl::compile(sources);
    if !compilation.undescribed.is_empty() {
        let plugins = asked(std::mem::take(&mut compilation.undescribed), root);
        compilation = compile_with(compilation.sources, plugins);
    }
    if compilation.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error) {
        compilation.program = None;
    }
    let Some(program) = &compilation.program else { return compilation };
    let found = schema_errors(program, &compilation.sources);
    if found.is_empty() {
        return compilation;
    }
    let mut report = Report::default();
    report.extend(std::mem::take(&mut compilation.diagnostics));
    report.extend(found);
    Compilation { diagnostics: report.finish(), program: None, ..compilation }
}

/// What the engine's JSON Schema validator has to say of the events' schemas and their examples.
pub(crate) fn schema_errors(program: &Program, sources: &SourceSet) -> Vec<Diagnostic> {
    let problems = schema_problems(program);
    if problems.is_empty() {
        return Vec::new();
    }
    let files = event_files(sources);
    problems.iter().map(|problem| diagnostic(problem, &files)).collect()
}

/// What plugins say of themselves. One that can't be asked keeps nothing from compiling: starting the engine with it is an
/// error of its own.
pub(crate) fn asked(names: Vec<String>, root: &Path) -> Plugins {
    crate::cli::install_crypto();
    let host = compiled::host(HostConfig::default()).map_err(|error| error.to_string());
    let mut plugins = Plugins::default();
    for name in names {
        match host.as_ref().map_err(Clone::clone).and_then(|host| describe(host, &name, root)) {
            Ok(said) => _ = plugins.described.insert(name, PluginDescription::of_actions(&said.actions)),
            Err(why) => _ = plugins.silent.insert(name, why),
        }
    }
    plugins
}

/// The files that declare events, as they are written.
fn event_files(sources: &SourceSet) -> Vec<(FileId, Node)> {
    let files = sources.iter().filter(|(_, file)| FileKind::of(&file.path) == FileKind::Event);
    // They were read without an error before.
    files.filter_map(|(id, file)| Some((id, yaml::read(id, &file.text, &mut Report::default())?))).collect()
}

fn diagnostic(problem: &SchemaProblem, files: &[(FileId, Node)]) -> Diagnostic {
    let is_example = problem.path.rsplit('/').nth(1) == Some("examples");
    let message = match is_example {
        true => format!("an example in event `{}` is not what its schema says", problem.event),
        false => format!("the schema of event `{}` cannot be used", problem.event),
    };
    let declares = |node: &Node| node.get("event").and_then(Node::text) == Some(problem.event.as_str());
    let Some((file, node)) = files.iter().find(|(_, node)| declares(node)) else {
        return Diagnostic::general(codes::BAD_SCHEMA, message).note(problem.message.clone());
    };
    Diagnostic::error(codes::BAD_SCHEMA, message, place(*file, node, &problem.path), problem.message.clone())
}

/// Where a JSON pointer into an event's schema leads in its file, as far as the two have the same keys: the name of the
/// event, where they have none.
fn place(file: FileId, event: &Node, pointer: &str) -> Span {
    let start = event.get("event").map_or(Span { file, start: 0, end: 0 }, |name| name.span);
    let mut node = event;
    let mut place = start;
    for part in pointer.split('/').skip(1) {
        let key = part.replace("~1", "/").replace("~0", "~");
        let below = node.get(&key).or_else(|| node.items().get(key.parse::<usize>().ok()?));
        let Some(below) = below else { break };
        (node, place) = (below, below.used_at.unwrap_or(below.span));
    }
    place
}

#[cfg(test)]
mod tests {
    use super::*;
    use sonder_dsl::source::SourceFile;

    fn compiled(event: &str) -> Compilation {
        let file = |path: &str, text: &str| SourceFile { path: path.to_owned(), text: text.to_owned() };
        let files = vec![file("sonder.yaml", "name: shop"), file("events/order.yaml", event)];
        compile(SourceSet::new(files), Path::new("."))
    }

    /// A project whose journey sends something with a plugin.
    fn sending(plugin: &str) -> Compilation {
        let file = |path: &str, text: &str| SourceFile { path: path.to_owned(), text: text.to_owned() };
        let files = vec![
            file("sonder.yaml", "name: shop"),
            file("events/order.yaml", "event: order"),
            file("destinations/hook.yaml", &format!("destination: hook\nplugin: {plugin}\n")),
            file("rules/j.sonder", "journey j {\n  enter on order\n  send hook.call { a: 1 }\n}"),
        ];
        compile(SourceSet::new(files), Path::new("."))
    }

    #[test]
    fn a_plugin_is_asked_what_journeys_can_send_with_it() {
        let compilation = sending("sonder/webhook@1");
        assert!(compilation.program.is_none() && compilation.undescribed.is_empty());
        let error = compilation.diagnostics.iter().find(|found| found.code == codes::UNKNOWN_ACTION);
        assert_eq!(error.map(|error| error.message.as_str()), Some("`hook` has no action `call`"));
    }

    /// What a journey sends is checked against what the bundled plugins say they take.
    #[test]
    fn bundled_plugins_say_what_journeys_can_send() {
        let file = |path: &str, text: &str| SourceFile { path: path.to_owned(), text: text.to_owned() };
        let errors = |plugin: &str, send: &str| {
            let files = vec![
                file("sonder.yaml", "name: shop"),
                file(
                    "events/cart.yaml",
                    "event: cart\nproperties:\n  product_id: {type: string}\n  pieces: {type: integer}\n",
                ),
                file("profile.yaml", "traits:\n  email: {type: string}\n  locale: {type: string}\n"),
                file("destinations/out.yaml", &format!("destination: out\nplugin: {plugin}\n")),
                file("rules/j.sonder", &format!("journey j {{\n  enter on cart as it\n  send out.{send}\n}}")),
            ];
            let compilation = compile(SourceSet::new(files), Path::new("."));
            let errors = compilation.diagnostics.into_iter().filter(|found| found.severity == Severity::Error);
            errors.map(|error| error.message).collect::<Vec<_>>().join("; ")
        };
        let reminder = r#"message { to: profile.email, template: "cart-reminder", locale: profile.locale or "en", product: it.product_id }"#;
        for (plugin, send, expected) in [
            ("sonder/email@1", reminder, ""),
            ("sonder/email@1", r#"message { template: "cart-reminder" }"#, "`out.message` needs `to`"),
            ("sonder/email@1", "message { to: it.pieces }", "`to` is"),
            ("sonder/chat@1", r#"post { text: "Ann is stuck" }"#, ""),
            ("sonder/chat@1", r#"post { texts: "Ann is stuck" }"#, "texts"),
            ("sonder/support@1", r#"ticket { subject: "Help", body: "Ann is stuck", priority: "high" }"#, ""),
            ("sonder/push@1", r#"notify { token: profile.email, title: "Your cart", pieces: it.pieces }"#, ""),
            ("sonder/push@1", r#"notify { token: profile.email }"#, "`out.notify` needs `title`"),
            ("sonder/crm@1", r#"contact { hs_lead_status: "OPEN" }"#, ""),
            ("sonder/ga4@1", r#"event { name: "x" }"#, "`out` has no action `event`"),
            ("sonder/support@1", r#"ticket { subject: "Help", body: "Ann is stuck", priority: "hi" }"#, "priority"),
        ] {
            let errors = errors(plugin, send);
            assert!(errors.contains(expected) && errors.is_empty() == expected.is_empty(), "{plugin} {send}: {errors}");
        }
    }

    #[test]
    fn a_plugin_that_cannot_be_asked_is_named() {
        let compilation = sending("plugins/nowhere.wasm");
        assert!(compilation.program.is_some());
        let warning = compilation.diagnostics.iter().find(|found| found.code == codes::NOT_ASKED).unwrap();
        let place = warning.labels[0].span;
        let position = compilation.sources.position(place.file, place.start);
        assert_eq!((compilation.sources.path(place.file), position.line), ("rules/j.sonder", 3));
        assert!(warning.notes[0].contains("nowhere.wasm"), "{warning:?}");
    }

    #[test]
    fn an_example_that_its_schema_refuses_is_an_error_at_its_place() {
        let event = "event: order\nproperties:\n  total:\n    type: number\n    examples: [9.95, free]\n";
        let Compilation { sources, diagnostics, program, .. } = compiled(event);
        assert!(program.is_none());
        assert_eq!(diagnostics.len(), 1, "{diagnostics:#?}");
        assert_eq!(diagnostics[0].message, "an example in event `order` is not what its schema says");
        let label = &diagnostics[0].labels[0];
        assert_eq!(label.text, "`free` is a string, expected type `number`");
        let place = sources.position(label.span.file, label.span.start);
        assert_eq!((sources.path(label.span.file), place.line, place.column), ("events/order.yaml", 5, 22));
    }

    #[test]
    fn an_example_inside_an_object_is_found_too() {
        let event =
            "event: order\nproperties:\n  a/b: {type: object, properties: {n: {type: integer, examples: [x]}}}\n";
        let Compilation { sources, diagnostics, .. } = compiled(event);
        let span = diagnostics[0].labels[0].span;
        assert_eq!(sources.position(span.file, span.start).line, 3);
        assert_eq!(&event[span.start as usize..span.end as usize], "x");
    }

    #[test]
    fn a_sound_project_compiles() {
        let compilation = compiled("event: order\nproperties: {total: {type: number, examples: [9.95]}}\n");
        assert!(compilation.program.is_some() && compilation.diagnostics.is_empty());
    }
}
