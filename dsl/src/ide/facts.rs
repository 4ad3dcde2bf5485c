//! What is known of a symbol: its type, what is inside it, where it is declared.

use super::{Occurrence, Project, Symbol, walk};
use crate::ir::{EventId, RuleKind, Type};
use crate::model::{EventSchema, PiiClass};
use crate::project::FileKind;
use crate::source::{FileId, Span};
use crate::types::{context, noun, type_of_schema};
use serde_json::Value as Json;

impl Project<'_> {
    pub(super) fn event(&self, id: EventId) -> Option<&EventSchema> {
        self.program.events.get(id.index())
    }

    /// The JSON Schema of a property.
    pub(super) fn schema(&self, event: EventId, keys: &[String]) -> Option<&Json> {
        keys.iter().try_fold(&self.event(event)?.json_schema, |schema, key| schema.get("properties")?.get(key))
    }

    /// What is inside an event, or inside one of its properties: names and types.
    pub(super) fn inside(&self, event: EventId, keys: &[String]) -> Vec<(String, Option<Type>, Option<String>)> {
        let properties = self.schema(event, keys).and_then(|schema| schema.get("properties")?.as_object());
        let text = |schema: &Json| schema.get("description").and_then(Json::as_str).map(str::to_owned);
        properties
            .into_iter()
            .flatten()
            .map(|(name, schema)| (name.clone(), type_of_schema(schema), text(schema)))
            .collect()
    }

    /// The type of what a symbol stands for.
    pub(super) fn type_of(&self, symbol: &Symbol) -> Option<Type> {
        match symbol {
            Symbol::Property(event, keys) => type_of_schema(self.schema(*event, keys)?),
            Symbol::Profile(name) => self.profile(name).map(|declared| declared.kind.clone()),
            Symbol::Context(path) => context::find(path).map(|field| field.kind.as_type()),
            Symbol::Rule(name) => match &self.program.rule_named(name)?.1.kind {
                RuleKind::Segment => Some(Type::Bool),
                RuleKind::Trait(kind) => Some(kind.clone()),
            },
            _ => None,
        }
    }

    pub(super) fn profile(&self, name: &str) -> Option<&crate::model::ProfileTrait> {
        self.program.profile.iter().find(|declared| declared.name == name)
    }

    /// Files of the rule language.
    pub(super) fn rule_files(&self) -> impl Iterator<Item = FileId> {
        self.sources.iter().filter(|(_, file)| FileKind::of(&file.path) == FileKind::Rules).map(|(id, _)| id)
    }

    /// What all rule files declare, in order.
    pub(super) fn declared_rules(&self) -> Vec<Occurrence> {
        self.rule_files().flat_map(|file| walk::declarations(self, file)).collect()
    }

    /// Where a symbol gets its name. `file` is where it is used.
    pub(super) fn place(&self, symbol: &Symbol, file: FileId) -> Option<Span> {
        let named = |places: &[Span], index: Option<usize>| places.get(index?).copied();
        match symbol {
            Symbol::Rule(_) => {
                self.declared_rules().into_iter().find(|found| found.symbol == *symbol).map(|found| found.span)
            }
            Symbol::Event(event) => named(&self.places.events, Some(event.index())),
            Symbol::Property(event, keys) => {
                let index =
                    self.event(*event)?.properties.iter().position(|property| Some(&property.name) == keys.first());
                let outer = named(self.places.properties.get(event.index())?, index)?;
                // One inside another is found in its file's tree.
                if keys.len() == 1 {
                    Some(outer)
                } else {
                    super::yaml::property_place(self, outer.file, keys).or(Some(outer))
                }
            }
            Symbol::Profile(name) => {
                named(&self.places.profile, self.program.profile.iter().position(|declared| declared.name == *name))
            }
            Symbol::Destination(name) => named(
                &self.places.destinations,
                self.program.destinations.iter().position(|destination| destination.name == *name),
            ),
            Symbol::Alias(_, (start, end)) => Some(super::span(file, *start, *end)),
            Symbol::Context(_) | Symbol::Function(_) => None,
        }
    }
}

/// A type in words, with its choices.
pub(super) fn in_words(kind: &Type) -> String {
    match kind {
        Type::String { one_of: Some(choices) } => {
            let shown: Vec<String> = choices.iter().take(20).map(|choice| format!("`{choice}`")).collect();
            let more = if choices.len() > 20 { ", …" } else { "" };
            format!("text, one of {}{more}", shown.join(", "))
        }
        Type::Decimal { scale: 1 } => "an exact number, 1 digit after the point".to_owned(),
        Type::Decimal { scale } => format!("an exact number, {scale} digits after the point"),
        Type::List(item) => format!("a list: each {}", in_words(item)),
        other => noun(other),
    }
}

/// What personal data it is, for people.
pub(super) const fn personal(class: PiiClass) -> &'static str {
    match class {
        PiiClass::Contact => "personal data: contact",
        PiiClass::Personal => "personal data: personal",
        PiiClass::Sensitive => "personal data: sensitive",
        PiiClass::Technical => "personal data: technical",
    }
}
