//! Reading: limits first, then one pass of the YAML crate into a raw tree, then our own tree with spans.
//!
//! The crate expands aliases and merge keys, within limits. It passes repeated keys on, so that all of them are
//! reported, not only the first. A syntax error ends the file: nothing after it can be trusted.

use super::{Entry, Node, Number, Value};
use crate::diagnostic::{Diagnostic, Report, codes};
use crate::limits;
use crate::source::{FileId, Span};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy};
use serde_saphyr::{Location, Spanned, budget::BudgetBreach};
use std::collections::HashMap;
use std::fmt;

/// Reads one file. `None` when there is no tree to work with; the report then says why.
pub fn read(file: FileId, text: &str, report: &mut Report) -> Option<Node> {
    if text.len() > limits::YAML_BYTES {
        let end = text.char_indices().nth(1).map_or(text.len(), |(at, _)| at);
        let place = Span { file, start: 0, end: end as u32 };
        report.push(
            Diagnostic::error(
                codes::YAML_TOO_LARGE,
                format!("the file has {} bytes, more than {}", text.len(), limits::YAML_BYTES),
                place,
                "this file",
            )
            .help("split it, or keep data out of the project's files"),
        );
        return None;
    }
    match serde_saphyr::from_str_with_options::<Spanned<Raw>>(text, options()) {
        Ok(root) => {
            let mut tree = Tree { file, text, report };
            Some(tree.node(root, None))
        }
        Err(error) => {
            report.push(explain(file, text, error.without_snippet()));
            None
        }
    }
}

fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: limits::YAML_DEPTH,
            max_nodes: limits::YAML_NODES,
            max_events: 4 * limits::YAML_NODES,
            max_documents: 1,
            max_aliases: limits::YAML_ALIAS_STEPS,
            max_anchors: limits::YAML_ALIAS_STEPS,
            max_recorded_anchor_events: limits::YAML_DEPTH * limits::YAML_NODES,
            max_recorded_anchor_bytes: limits::YAML_DEPTH * limits::YAML_BYTES,
            enforce_alias_anchor_ratio: false,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: limits::YAML_ALIAS_STEPS,
            max_replay_stack_depth: limits::YAML_DEPTH,
        },
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        merge_keys: MergeKeyPolicy::Merge,
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    }
}

/// What the crate gives us: one variant a kind of value, keys and values with the crate's own places.
enum Raw {
    Null,
    Bool(bool),
    Integer(serde_json::Number),
    Float(f64),
    Text(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RawVisitor;

        impl<'de> Visitor<'de> for RawVisitor {
            type Value = Raw;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a YAML value")
            }

            fn visit_unit<E>(self) -> Result<Raw, E> {
                Ok(Raw::Null)
            }

            fn visit_none<E>(self) -> Result<Raw, E> {
                Ok(Raw::Null)
            }

            fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
                Raw::deserialize(deserializer)
            }

            fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
                Ok(Raw::Bool(value))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
                Ok(Raw::Integer(value.into()))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
                Ok(Raw::Integer(value.into()))
            }

            fn visit_i128<E>(self, value: i128) -> Result<Raw, E> {
                Ok(Raw::Float(value as f64))
            }

            fn visit_u128<E>(self, value: u128) -> Result<Raw, E> {
                Ok(Raw::Float(value as f64))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Raw, E> {
                Ok(Raw::Float(value))
            }

            fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
                Ok(Raw::Text(value.to_owned()))
            }

            fn visit_string<E>(self, value: String) -> Result<Raw, E> {
                Ok(Raw::Text(value))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = access.next_element()? {
                    items.push(item);
                }
                Ok(Raw::List(items))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = access.next_entry()? {
                    entries.push(entry);
                }
                Ok(Raw::Map(entries))
            }
        }

        deserializer.deserialize_any(RawVisitor)
    }
}

/// Turns the raw tree into ours; finds repeated keys on the way.
struct Tree<'a> {
    file: FileId,
    text: &'a str,
    report: &'a mut Report,
}

impl Tree<'_> {
    /// `outer` is where an alias further up brought this node in; its own places are all at the definition then.
    fn node(&mut self, raw: Spanned<Raw>, outer: Option<Span>) -> Node {
        let span = place(self.file, self.text, &raw.defined);
        let referenced = place(self.file, self.text, &raw.referenced);
        let used_at = outer.or_else(|| (referenced != span).then_some(referenced));
        let written = || self.text.get(span.start as usize..span.end as usize).unwrap_or("").trim().to_owned();
        let value = match raw.value {
            Raw::Null => Value::Null,
            Raw::Bool(value) => Value::Bool(value),
            Raw::Integer(value) => Value::Number(Number { value, text: written() }),
            Raw::Float(value) => serde_json::Number::from_f64(value)
                .map_or(Value::Null, |value| Value::Number(Number { value, text: written() })),
            Raw::Text(text) => Value::Text(text),
            Raw::List(items) => Value::List(items.into_iter().map(|item| self.node(item, used_at)).collect()),
            Raw::Map(entries) => Value::Map(self.entries(entries, used_at)),
        };
        Node { span: shown(span, &value), value, used_at }
    }

    fn entries(&mut self, raw: Vec<(Spanned<String>, Spanned<Raw>)>, outer: Option<Span>) -> Vec<Entry> {
        let mut first: HashMap<String, Span> = HashMap::with_capacity(raw.len());
        let mut entries = Vec::with_capacity(raw.len());
        for (key, value) in raw {
            let key_span = place(self.file, self.text, &key.defined);
            let value = self.node(value, outer);
            if let Some(&before) = first.get(&key.value) {
                self.report.push(
                    Diagnostic::error(
                        codes::DUPLICATE_KEY,
                        format!("`{}` is here twice", key.value),
                        key_span,
                        "the second time",
                    )
                    .label(before, "the first time")
                    .help("keep one of them"),
                );
                continue;
            }
            first.insert(key.value.clone(), key_span);
            entries.push(Entry { key: key.value, key_span, value });
        }
        entries
    }
}

/// Of a list or a map the crate knows the first byte only: what is shown is its bracket, or its first key or item.
fn shown(span: Span, value: &Value) -> Span {
    if span.start < span.end {
        return span;
    }
    let first = match value {
        Value::List(items) => items.first().map(|item| item.span),
        Value::Map(entries) => entries.first().map(|entry| entry.key_span),
        _ => None,
    };
    first
        .filter(|first| first.start >= span.start)
        .map_or(span, |first| Span { start: span.start.max(first.start), ..first })
}

/// A place of the crate as one of ours; always inside the text and on character boundaries. Errors of syntax have a
/// line and a column only, everything else has bytes.
fn place(file: FileId, text: &str, location: &Location) -> Span {
    let as_usize = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let span = location.span();
    let (start, length) = match (span.byte_offset(), span.byte_len()) {
        (Some(offset), Some(length)) => (as_usize(offset), as_usize(length)),
        _ => (byte_of(text, as_usize(location.line()), as_usize(location.column())), as_usize(span.len())),
    };
    let start = text.floor_char_boundary(start.min(text.len()));
    let end = text.ceil_char_boundary(start.saturating_add(length).min(text.len()));
    let end = start + text.get(start..end).map_or(0, |inside| inside.trim_end().len());
    Span { file, start: start as u32, end: end as u32 }
}

fn byte_of(text: &str, line: usize, column: usize) -> usize {
    let mut start = 0;
    for _ in 1..line {
        match text.get(start..).and_then(|rest| rest.find('\n')) {
            Some(end) => start += end + 1,
            None => return text.len(),
        }
    }
    let rest = text.get(start..).unwrap_or("");
    let in_line = rest.lines().next().unwrap_or("");
    let offset = in_line.char_indices().nth(column.saturating_sub(1)).map_or(in_line.len(), |(at, _)| at);
    start + offset
}

/// Says in our own words what the crate did not accept.
fn explain(file: FileId, text: &str, error: &serde_saphyr::Error) -> Diagnostic {
    use serde_saphyr::Error;
    // What went wrong while an alias was followed is shown at the alias.
    let (mut error, location) = (error, error.location());
    while let Error::AliasError { error: inner, .. } = error {
        error = inner.without_snippet();
    }
    let location = location.unwrap_or(Location::UNKNOWN);
    let mut span = place(file, text, &location);
    if span.start == span.end {
        // Something to underline: the character itself, or the last one of the text.
        let start = (span.start as usize).min(text.trim_end().len().saturating_sub(1));
        let start = text.floor_char_boundary(start);
        span.start = start as u32;
        span.end = text.ceil_char_boundary((start + 1).min(text.len())) as u32;
    }
    match error {
        Error::Budget { breach, .. } => budget(breach, span),
        Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. }
        | Error::AliasReplayCounterOverflow { .. } => Diagnostic::error(
            codes::YAML_ALIASES,
            format!("aliases make this file more than {} steps longer", limits::YAML_ALIAS_STEPS),
            span,
            "this alias is one too many",
        )
        .help("write out what the alias stands for, or split the file"),
        Error::MultipleDocuments { .. } => documents(span),
        Error::UnknownAnchor { .. } => Diagnostic::error(
            codes::YAML_UNKNOWN_ANCHOR,
            "this alias has no anchor",
            whole_word(text, span),
            "nothing above is marked with `&` and this name",
        )
        .help("an alias `*name` repeats what stands behind `&name` further up"),
        Error::MergeValueNotMapOrSeqOfMaps { .. } => {
            Diagnostic::error(codes::YAML_SYNTAX, "`<<` takes a map, or a list of maps", span, "not a map")
        }
        Error::UnsupportedTag { tag, .. } => {
            let message = format!("the tag `{tag}` means nothing here");
            Diagnostic::error(codes::YAML_TAG, message, before(text, tag, span), "this tag").help("leave it out")
        }
        Error::NonFiniteFloat { .. } => {
            Diagnostic::error(codes::YAML_SYNTAX, "a number that is not finite", span, "not a number of JSON")
        }
        Error::RecursiveReferencesRequireWeakTypes { .. } => {
            Diagnostic::error(codes::YAML_SYNTAX, "an alias stands inside what it repeats", span, "this alias")
        }
        Error::NullIntoString { .. } | Error::Unexpected { expected: "string scalar", .. } => {
            Diagnostic::error(codes::YAML_SYNTAX, "a key is text", span, "not text").help("put quotes around it")
        }
        other => match other.to_string() {
            // Brackets that the scanner gives up on before any value is complete.
            message if message.contains("recursion limit") || message.contains("nesting") => too_deep(span),
            message => syntax(&message, span),
        },
    }
}

/// From a place on, as far as an alias goes.
fn whole_word(text: &str, span: Span) -> Span {
    let rest = text.get(span.start as usize..).unwrap_or("");
    let ends = |character: char| character.is_whitespace() || matches!(character, ',' | ']' | '}');
    let length = rest.find(ends).unwrap_or(rest.len());
    Span { end: span.end.max(span.start + length as u32), ..span }
}

/// A tag stands right before the value that the parser points at.
fn before(text: &str, tag: &str, span: Span) -> Span {
    let found = text.get(..span.start as usize).and_then(|before| before.rfind(tag));
    found.map_or(span, |at| Span { start: at as u32, end: (at + tag.len()) as u32, ..span })
}

/// The parser's own sentence, and what it usually means.
fn syntax(message: &str, span: Span) -> Diagnostic {
    let message = message.find(" at line ").and_then(|cut| message.get(..cut)).unwrap_or(message);
    let help = if message.contains("tab") {
        Some("indent with spaces")
    } else if message.contains("mapping values are not allowed") || message.contains("':' indicator") {
        Some("put quotes around text that holds `: `, and close every `[` and `{`")
    } else if message.contains("unexpected character") || message.contains("cannot start any token") {
        Some("put quotes around text that begins with a special character")
    } else if message.contains("escape") {
        Some("write `\\\\` for a backslash, or use single quotes")
    } else {
        None
    };
    let message: String = lower_first(message).chars().take(limits::EXCERPT_CHARACTERS).collect();
    let diagnostic = Diagnostic::error(codes::YAML_SYNTAX, format!("this is not YAML: {message}"), span, "here");
    match help {
        Some(help) => diagnostic.help(help),
        None => diagnostic,
    }
}

fn budget(breach: &BudgetBreach, span: Span) -> Diagnostic {
    match breach {
        BudgetBreach::Depth { .. } => too_deep(span),
        BudgetBreach::Documents { .. } => documents(span),
        BudgetBreach::Aliases { .. }
        | BudgetBreach::Anchors { .. }
        | BudgetBreach::RecordedAnchorEvents { .. }
        | BudgetBreach::RecordedAnchorBytes { .. }
        | BudgetBreach::MergeKeys { .. } => Diagnostic::error(
            codes::YAML_ALIASES,
            "too many anchors and aliases in one file",
            span,
            "this one is one too many",
        ),
        _ => Diagnostic::error(
            codes::YAML_TOO_MANY_NODES,
            format!("the file holds more than {} values", limits::YAML_NODES),
            span,
            "this one is one too many",
        )
        .help("split it, or keep data out of the project's files"),
    }
}

fn too_deep(span: Span) -> Diagnostic {
    let message = format!("lists and maps are more than {} levels deep", limits::YAML_DEPTH);
    Diagnostic::error(codes::YAML_TOO_DEEP, message, span, "one level too deep")
}

fn documents(span: Span) -> Diagnostic {
    Diagnostic::error(codes::YAML_DOCUMENTS, "a second document begins here", span, "the second document")
        .help("leave out the line `---`, or make it a file of its own")
}

fn lower_first(message: &str) -> String {
    let mut characters = message.chars();
    characters.next().map_or_else(String::new, |first| first.to_lowercase().chain(characters).collect())
}
