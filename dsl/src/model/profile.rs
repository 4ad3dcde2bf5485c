//! `profile.yaml`: the golden record.

mod origin;

pub use origin::{LIKELY_ONLY, Origin};

use super::{PiiClass, Purposes, schema};
use crate::diagnostic::{Diagnostic, Report, codes};
use crate::ir::{SourceId, Type};
use crate::shape::{Filled, Format, Key, Shape, Word, scalar};
use crate::source::Span;
use crate::time::Duration;
use crate::yaml::{Entry, Node, Value};

/// One trait of the golden record.
#[derive(Clone, Debug, PartialEq)]
pub struct ProfileTrait {
    /// Unique name.
    pub name: String,
    /// The type of its values; an observation of another type is refused.
    pub kind: Type,
    /// What it means.
    pub description: Option<String>,
    /// Personal data: not comparable in rules.
    pub pii: Option<PiiClass>,
    /// For which purposes it may be used.
    pub purposes: Vec<String>,
    /// Where its values come from; default the path `traits.<name>`, which includes `context.traits.<name>`.
    pub from: Origin,
    /// Which observation wins.
    pub merge: MergePolicy,
    /// How long observations are kept; `None` for ever.
    pub retention: Option<Duration>,
    /// The JSON Schema (2020-12) of its values.
    pub json_schema: serde_json::Value,
}

/// Which of several observations wins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MergePolicy {
    /// The latest by (`occurred_at`, `seq`). The default.
    MostRecent,
    /// The earliest.
    First,
    /// The longest text; the most recent of equals.
    Longest,
    /// All of them, as a list in order of first observation.
    Union,
    /// The smallest; the most recent of equals.
    Min,
    /// The largest; the most recent of equals.
    Max,
    /// From the first of these sources that has one; within a source, and when none of them has, the most recent.
    Sources(Vec<SourceId>),
}

/// What `profile.yaml` may hold. A trait is a schema with keys of its own, [`TRAIT`].
pub const KEYS: &[Key] =
    &[Key::required("traits", Shape::Map(Format::Name, &Shape::Trait), "the traits of the golden record, by name")];

/// The keys of a trait that no property has.
pub const TRAIT: &[Key] = &[
    Key::optional("purposes", Shape::NAMES, "for which purposes it may be used; default any"),
    Key::optional(
        "from",
        Shape::List(&Shape::Text(Format::Path), Filled::AtLeastOne),
        "paths in a message that it is read from, the first that is there; default traits.<name>. Or identity.probabilistic: true of whoever is one person only because that is likely",
    ),
    Key::optional("merge", MERGE, "which observation wins; default most_recent"),
    Key::optional("retention", Shape::DURATION, "how long observations are kept; default for ever"),
];

const MERGE: Shape = Shape::Either(&[
    Shape::Word(POLICIES),
    Shape::List(&Shape::Either(&[Shape::Word(POLICIES), Shape::Object(FROM_SOURCE)]), Filled::AtLeastOne),
]);

const FROM_SOURCE: &[Key] = &[Key::required("source", Shape::NAME, "a source; those named first win")];

const POLICIES: &[Word] = &[
    Word { word: "most_recent", doc: "the latest observation" },
    Word { word: "first", doc: "the earliest observation" },
    Word { word: "longest", doc: "the longest text" },
    Word { word: "union", doc: "all of them, as a list" },
    Word { word: "min", doc: "the smallest" },
    Word { word: "max", doc: "the largest" },
];

/// What each trait of a `profile.yaml` may be used for, in their order.
pub(crate) fn purposes(root: &Node) -> Vec<Option<Purposes>> {
    let entries = root.get("traits").map_or(&[][..], Node::entries);
    entries.iter().map(|entry| Purposes::decode(entry.value.get("purposes"))).collect()
}

/// The traits of a checked `profile.yaml`, where each is declared, and the names of those that have errors. `source`
/// looks a source up and reports what it does not know; `has_matching` is whether people are matched at all.
pub(crate) fn decode(
    root: &Node,
    has_matching: bool,
    mut source: impl FnMut(&str, Span, &mut Report) -> Option<SourceId>,
    report: &mut Report,
) -> (Vec<ProfileTrait>, Vec<Span>, Vec<String>) {
    let entries = root.get("traits").map_or(&[][..], Node::entries);
    let mut faulty = Vec::new();
    let traits = entries
        .iter()
        .map(|entry| {
            let errors = report.errors();
            let decoded = one(entry, has_matching, &mut source, report);
            if report.errors() > errors || schema::kind_of(&entry.value).is_none() {
                faulty.push(entry.key.clone());
            }
            decoded
        })
        .collect();
    (traits, entries.iter().map(|entry| entry.key_span).collect(), faulty)
}

fn one(
    entry: &Entry,
    has_matching: bool,
    source: &mut impl FnMut(&str, Span, &mut Report) -> Option<SourceId>,
    report: &mut Report,
) -> ProfileTrait {
    let node = &entry.value;
    let text = |key: &str| node.get(key).and_then(Node::text);
    let from = origin::decode(entry, has_matching, report);
    super::usable_in_rules("a trait", &entry.key, entry.key_span, report);
    let kind = schema::kind_of(node);
    let merge = node.get("merge").map_or(MergePolicy::MostRecent, |merge| policy(merge, source, report));
    if kind.is_none() && matches!(node.value, Value::Map(_)) {
        let message = format!("trait `{}` has no type of its own", entry.key);
        report.push(
            Diagnostic::error(codes::BAD_SCHEMA, message, entry.key_span, "a type belongs here")
                .help("add `type: string`, `integer`, `number`, `boolean`, or an array of one of these"),
        );
    }
    if from == Origin::LikelyOnly {
        origin::fits(entry, kind.as_ref(), report);
    }
    let kind = kind.unwrap_or(Type::String { one_of: None });
    fits(entry, &kind, &merge, report);
    let retention = node.get("retention").filter(|retention| retention.text().is_some());
    if let (Some(retention), true) = (retention, from.paths().iter().any(|path| !is_own(path))) {
        let message = format!("`{}` is read from what is kept for other reasons, too", entry.key);
        report.push(
            Diagnostic::error(codes::BAD_SCHEMA, message, retention.span, "a retention of its own")
                .help("keep the events for as long, or read the trait from `traits` and `context` only"),
        );
    }
    let mut json_schema = schema::to_json(node);
    if let Some(object) = json_schema.as_object_mut() {
        object.retain(|key, _| !TRAIT.iter().any(|own| own.name == key));
    }
    ProfileTrait {
        name: entry.key.clone(),
        kind,
        description: text("description").map(str::to_owned),
        pii: text("pii").and_then(schema::pii),
        purposes: node
            .get("purposes")
            .map_or(&[][..], Node::items)
            .iter()
            .filter_map(Node::text)
            .map(str::to_owned)
            .collect(),
        from,
        merge,
        retention: retention.and_then(Node::text).and_then(scalar::duration),
        json_schema,
    }
}

/// Whether what is there says nothing but traits, so that it can be taken out of a message.
fn is_own(path: &[String]) -> bool {
    path.len() > 1 && matches!(path.first().map(String::as_str), Some("traits" | "context"))
}

fn policy(
    node: &Node,
    source: &mut impl FnMut(&str, Span, &mut Report) -> Option<SourceId>,
    report: &mut Report,
) -> MergePolicy {
    if let Some(word) = node.text() {
        return named(word);
    }
    let mut sources = Vec::new();
    let (last, items) = (node.items().len().saturating_sub(1), node.items());
    for (index, item) in items.iter().enumerate() {
        if let Some(name) = item.get("source").filter(|name| name.text().is_some()) {
            sources.extend(source(name.text().unwrap_or_default(), name.span, report));
            continue;
        }
        let Some(word) = item.text() else { continue };
        if items.len() == 1 {
            return named(word);
        }
        // After sources, what decides among the rest is always the latest.
        if index != last || word != "most_recent" {
            let message = format!("`{word}` cannot stand here in `merge`");
            report.push(
                Diagnostic::error(codes::BAD_VALUE, message, item.span, "not after sources")
                    .help("list sources, and `most_recent` at the end"),
            );
        }
    }
    MergePolicy::Sources(sources)
}

fn named(word: &str) -> MergePolicy {
    match word {
        "first" => MergePolicy::First,
        "longest" => MergePolicy::Longest,
        "union" => MergePolicy::Union,
        "min" => MergePolicy::Min,
        "max" => MergePolicy::Max,
        _ => MergePolicy::MostRecent,
    }
}

/// `longest` compares texts, `min` and `max` what has an order.
fn fits(entry: &Entry, kind: &Type, merge: &MergePolicy, report: &mut Report) {
    let needs = match (merge, kind) {
        (MergePolicy::Longest, Type::String { .. }) => return,
        (MergePolicy::Longest, _) => "text",
        (MergePolicy::Min | MergePolicy::Max, Type::Bool | Type::List(_)) => "a number, text or a moment",
        (MergePolicy::Union, Type::List(_)) => "single values",
        _ => return,
    };
    let Some(node) = entry.value.get("merge") else { return };
    let word = node.text().or_else(|| node.items().first()?.text()).unwrap_or_default();
    let message = format!("`{word}` needs {needs}, and `{}` is not", entry.key);
    report.push(Diagnostic::error(codes::BAD_VALUE, message, node.span, format!("needs {needs}")));
}

/// Reports a source that no file declares.
pub(crate) fn unknown_source<'a>(name: &str, span: Span, known: impl Iterator<Item = &'a str>, report: &mut Report) {
    let message = format!("there is no source `{name}`");
    let error = Diagnostic::error(codes::UNKNOWN_SOURCE, message, span, "not declared in sources/");
    let error = match report.suggest(name, known) {
        Some(help) => error.help(help),
        None => error,
    };
    report.push(error);
}
