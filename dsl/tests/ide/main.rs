//! What an editor is told, by examples: `$0` is the cursor. The project is small, and part of each example.

#![expect(clippy::unwrap_used, reason = "an example that is not as it must be fails its test")]

mod completing;
mod examples;
mod navigating;
mod robust;
mod showing;

use sonder_dsl::ide::{self, Project};
use sonder_dsl::model::{PluginDescription, Plugins};
use sonder_dsl::source::{FileId, SourceFile, SourceSet};
use sonder_dsl::{Analysis, Workspace};

const PROJECT: &[(&str, &str)] = &[
    ("sonder.yaml", "name: shop\n"),
    (
        "events/order.yaml",
        "event: order\ndescription: Somebody bought\nowner: checkout\npurposes: [marketing]\nproperties:\n  total: {type: number, multipleOf: 0.01, description: With taxes}\n  state: {type: string, enum: [paid, open]}\n  email: {type: string, pii: contact}\n  item: {type: object, properties: {sku: {type: string}, colour: {type: string, enum: [red, blue]}}}\nrequired: [total]\n",
    ),
    (
        "events/view.yaml",
        "event: view\nproperties:\n  product: {type: string}\n  state: {type: string, enum: [new, old]}\n",
    ),
    ("profile.yaml", "traits:\n  country: {type: string, enum: [NL, BE], description: Where they live}\n"),
    (
        "destinations/mail.yaml",
        "destination: mail\nplugin: ours.wasm\nreceives:\n  segments: [buyers]\n  traits: [spent, country]\n  events: [order]\n",
    ),
    ("rules/base.sonder", "segment buyers \"Bought\" { when did(order) }\ntrait spent \"So far\" = sum(order.total)\n"),
];

/// A project with one file more, or another text for one of its files; the cursor is taken out of that.
struct Fixture {
    analysis: Analysis,
    plugins: Plugins,
    path: &'static str,
    offset: usize,
}

impl Fixture {
    fn new(path: &'static str, text: &str) -> Self {
        let offset = text.find("$0").unwrap();
        let text = text.replacen("$0", "", 1);
        let file = |(path, text): &(&str, &str)| SourceFile { path: (*path).to_owned(), text: (*text).to_owned() };
        let mut files: Vec<SourceFile> = PROJECT.iter().filter(|(other, _)| *other != path).map(file).collect();
        files.push(SourceFile { path: path.to_owned(), text });
        let schema =
            serde_json::json!({"schema": {"properties": {"to": {"type": "string"}, "template": {"type": "string"}}}});
        let mut plugins = Plugins::default();
        let actions = [("message".to_owned(), schema)];
        let described = PluginDescription::of_actions(actions.iter().map(|(name, action)| (name, action)));
        plugins.described.insert("ours.wasm".to_owned(), described);
        let analysis = Workspace::with_plugins(plugins.clone()).analyse(SourceSet::new(files));
        Self { analysis, plugins, path, offset }
    }

    fn rules(text: &str) -> Self {
        Self::new("rules/mine.sonder", text)
    }

    fn project(&self) -> Project<'_> {
        self.analysis.project(&self.plugins).unwrap()
    }

    fn file(&self) -> FileId {
        self.analysis.compilation.sources.iter().find(|(_, file)| file.path == self.path).unwrap().0
    }

    fn completions(&self) -> Vec<String> {
        let found = ide::complete(&self.project(), self.file(), self.offset);
        found.into_iter().map(|completion| completion.label).collect()
    }

    fn hover(&self) -> Option<String> {
        ide::hover(&self.project(), self.file(), self.offset).map(|hover| hover.text)
    }

    fn show(&self, span: sonder_dsl::source::Span) -> String {
        let sources = &self.analysis.compilation.sources;
        let position = sources.position(span.file, span.start);
        let text = &sources.file(span.file).unwrap().text[span.start as usize..span.end as usize];
        format!("{}:{}:{} {text}", sources.path(span.file), position.line, position.column)
    }

    fn definition(&self) -> Option<String> {
        ide::definition(&self.project(), self.file(), self.offset).map(|span| self.show(span))
    }

    fn references(&self) -> Vec<String> {
        let found = ide::references(&self.project(), self.file(), self.offset, true);
        found.into_iter().map(|span| self.show(span)).collect()
    }

    fn rename(&self, name: &str) -> Result<Vec<String>, String> {
        let edits = ide::rename(&self.project(), self.file(), self.offset, name)?;
        Ok(edits.into_iter().map(|edit| format!("{} -> {}", self.show(edit.span), edit.text)).collect())
    }
}
