//! What is known of the thing under the cursor, as Markdown.

use super::facts::{in_words, personal};
use super::{Project, Symbol, yaml};
use crate::ir::RuleKind;
use crate::model::MergePolicy;
use crate::project::FileKind;
use crate::source::{FileId, Span};
use crate::types::{builtin, context};
use serde_json::Value as Json;

/// What to show, and of what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hover {
    /// The word.
    pub span: Span,
    /// Markdown.
    pub text: String,
    /// The segment that this is about: whoever knows a running engine can add its size.
    pub segment: Option<String>,
}

/// What is known of the thing at an offset.
#[must_use]
pub fn hover(project: &Project<'_>, file: FileId, offset: usize) -> Option<Hover> {
    let Some(found) = project.symbol_at(file, offset) else {
        return match project.kind(file) {
            FileKind::Rules => None,
            kind => yaml::hover(project, file, &kind, offset),
        };
    };
    let segment = match &found.symbol {
        Symbol::Rule(name) => project.program.rule_named(name).filter(|(_, rule)| rule.kind == RuleKind::Segment),
        _ => None,
    };
    let text = lines(project, file, &found.symbol)?.join("\n\n");
    Some(Hover { span: found.span, text, segment: segment.map(|(_, rule)| rule.name.clone()) })
}

fn lines(project: &Project<'_>, file: FileId, symbol: &Symbol) -> Option<Vec<String>> {
    let mut lines = Vec::new();
    match symbol {
        Symbol::Rule(name) => rule(project, name, &mut lines),
        Symbol::Event(id) => {
            let event = project.event(*id)?;
            lines.push(format!("**event** `{}`", event.name));
            lines.extend(event.description.clone().or_else(|| event.title.clone()));
            lines.extend(event.owner.as_ref().map(|owner| format!("owner: {owner}")));
            let names: Vec<String> = event.properties.iter().map(|property| format!("`{}`", property.name)).collect();
            if !names.is_empty() {
                lines.push(format!("properties: {}", names.join(", ")));
            }
        }
        Symbol::Property(id, keys) => {
            let event = project.event(*id)?;
            let schema = project.schema(*id, keys)?;
            let kind =
                project.type_of(symbol).map_or_else(|| "an object or mixed values".to_owned(), |kind| in_words(&kind));
            lines.push(format!("**property** `{}.{}`: {kind}", event.name, keys.join(".")));
            lines.extend(schema.get("description").and_then(Json::as_str).map(str::to_owned));
            let declared = event.properties.iter().find(|property| Some(&property.name) == keys.first());
            lines.extend(declared.and_then(|property| property.pii).map(|class| personal(class).to_owned()));
            lines.extend(event.owner.as_ref().map(|owner| format!("owner: {owner}")));
        }
        Symbol::Profile(name) => {
            let declared = project.profile(name)?;
            lines.push(format!("**trait of the profile** `{name}`: {}", in_words(&declared.kind)));
            lines.extend(declared.description.clone());
            lines.extend(declared.pii.map(|class| personal(class).to_owned()));
            lines.push(format!("of several observations: {}", merging(&declared.merge)));
        }
        Symbol::Context(path) => {
            let field = context::find(path)?;
            lines.push(format!("**context** `{path}`: {}", in_words(&field.kind.as_type())));
            lines.push(field.meaning.to_owned());
        }
        Symbol::Function(name) => function(name, &mut lines)?,
        Symbol::Alias(name, _) => lines.push(format!("`{name}`: the event that this step matched")),
        Symbol::Destination(name) => {
            let destination = project.program.destinations.iter().find(|destination| destination.name == *name)?;
            lines.push(format!("**destination** `{name}`: `{}`", destination.plugin));
        }
    }
    if let Some(place) = project.place(symbol, file).filter(|_| !matches!(symbol, Symbol::Alias(..))) {
        let line = project.sources.position(place.file, place.start).line;
        lines.push(format!("declared in `{}:{line}`", project.sources.path(place.file)));
    }
    Some(lines)
}

fn rule(project: &Project<'_>, name: &str, lines: &mut Vec<String>) {
    let plan = |what: &str, description: Option<&String>, lines: &mut Vec<String>| {
        lines.push(format!("**{what}** `{name}`"));
        lines.extend(description.cloned());
    };
    if let Some((_, rule)) = project.program.rule_named(name) {
        match &rule.kind {
            RuleKind::Segment => lines.push(format!("**segment** `{name}`")),
            RuleKind::Trait(kind) => lines.push(format!("**trait** `{name}`: {}", in_words(kind))),
        }
        lines.extend(rule.description.clone());
        lines.extend(rule.purpose.as_ref().map(|purpose| format!("purpose: {purpose}")));
        lines.push(format!("```sonder\n{}\n```", rule.source));
    } else if let Some(journey) = project.program.journeys.iter().find(|journey| journey.name == name) {
        plan("journey", journey.description.as_ref(), lines);
    } else if let Some(funnel) = project.program.funnel_named(name) {
        plan("funnel", funnel.description.as_ref(), lines);
    } else {
        lines.push(format!("`{name}`"));
    }
}

fn function(name: &str, lines: &mut Vec<String>) -> Option<()> {
    if let Some(function) = builtin::find(name) {
        lines.push(format!("```sonder\n{}\n```", function.signature));
        lines.push(function.meaning.to_owned());
        lines.push(format!("```sonder\n{}\n```", function.examples.join("\n")));
        return Some(());
    }
    let function = builtin::ELSEWHERE.iter().find(|function| function.name == name)?;
    lines.push(format!("```sonder\n{}\n```", function.signature));
    lines.push(function.meaning.to_owned());
    lines.push(format!("```sonder\n{}\n```", function.example));
    Some(())
}

const fn merging(policy: &MergePolicy) -> &'static str {
    match policy {
        MergePolicy::MostRecent => "the latest",
        MergePolicy::First => "the earliest",
        MergePolicy::Longest => "the longest",
        MergePolicy::Union => "all of them",
        MergePolicy::Min => "the smallest",
        MergePolicy::Max => "the largest",
        MergePolicy::Sources(_) => "by source",
    }
}
