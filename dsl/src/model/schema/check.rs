//! What is wrong with a schema.

use super::{FORMATS, KEYWORDS, Keyword, TYPES};
use crate::diagnostic::{Diagnostic, Report, codes, suggest};
use crate::shape::{Key, compile_pattern};
use crate::yaml::{Entry, Node, Value};
use std::collections::HashSet;

/// Checks the schema of the property or trait `name`, which may have these keys of ours. `what` is what the file
/// declares: `an event`.
pub fn check(node: &Node, name: &str, own: &'static [&'static [Key]], what: &'static str, report: &mut Report) {
    if !matches!(node.value, Value::Map(_)) {
        let message = format!("the schema of `{name}` is {}", node.kind());
        report.push(
            Diagnostic::error(codes::WRONG_TYPE, message, node.span, "a map belongs here")
                .help("for example `{type: string}`"),
        );
        return;
    }
    let mut checker = Checker { own, what, report };
    checker.schema(node, true);
}

struct Checker<'r> {
    own: &'static [&'static [Key]],
    what: &'static str,
    report: &'r mut Report,
}

impl Checker<'_> {
    /// Depth is bounded by the reader's limit.
    fn schema(&mut self, node: &Node, top: bool) {
        match &node.value {
            Value::Bool(_) => return,
            Value::Map(_) => {}
            _ => return self.bad(node, format!("a schema is a map, not {}", node.kind()), "a schema belongs here"),
        }
        for entry in node.entries() {
            let own = self.own.iter().copied().flatten().find(|own| own.name == entry.key);
            if let Some(own) = own {
                self.own_key(entry, own, top);
            } else if let Some((_, keyword)) = KEYWORDS.iter().find(|(keyword, _)| *keyword == entry.key) {
                self.keyword(entry, *keyword);
            } else {
                self.unknown(entry, top);
            }
        }
        self.order(node, "minimum", "maximum");
        self.order(node, "minLength", "maxLength");
        self.order(node, "minItems", "maxItems");
        self.order(node, "minProperties", "maxProperties");
        self.order(node, "minContains", "maxContains");
        self.values_have_type(node);
    }

    fn own_key(&mut self, entry: &Entry, own: &'static Key, top: bool) {
        if !top {
            let message = format!("`{}` inside another property has no effect in this version", own.name);
            self.report.push(
                Diagnostic::warning(codes::NO_EFFECT, message, entry.key_span, "too deep")
                    .help("put it on the property of the event itself"),
            );
            return;
        }
        crate::shape::check_value(entry, own, self.what, self.report);
    }

    fn unknown(&mut self, entry: &Entry, top: bool) {
        let own = self.own.iter().copied().flatten().filter(|_| top).map(|own| own.name);
        let known = KEYWORDS.iter().map(|(keyword, _)| *keyword).chain(own);
        let message = format!("`{}` is no keyword of JSON Schema", entry.key);
        let mut warning =
            Diagnostic::warning(codes::UNKNOWN_SCHEMA_KEYWORD, message, entry.key_span, "nothing looks at it");
        if let Some(name) = suggest::nearest(&entry.key, known) {
            warning = warning.help(format!("did you mean `{name}`?"));
        }
        self.report.push(warning);
    }

    fn keyword(&mut self, entry: &Entry, keyword: Keyword) {
        let (key, node) = (entry.key.as_str(), &entry.value);
        match keyword {
            Keyword::Any => {}
            Keyword::Types => self.types(node),
            Keyword::Values if node.items().is_empty() => {
                self.bad(node, "`enum` takes a list with at least one value".to_owned(), "a list belongs here");
            }
            Keyword::Values => self.different(key, node),
            Keyword::List => self.expect(key, node, matches!(node.value, Value::List(_)), "a list"),
            Keyword::Positive => {
                let positive = node.number().and_then(|number| number.value.as_f64()).is_some_and(|value| value > 0.0);
                self.expect(key, node, positive, "a number above 0");
            }
            Keyword::Number => self.expect(key, node, node.number().is_some(), "a number"),
            Keyword::Count => {
                let count = node.number().is_some_and(|number| number.value.as_u64().is_some());
                self.expect(key, node, count, "a whole number, 0 or more");
            }
            Keyword::Pattern => match node.text() {
                Some(pattern) => self.pattern(pattern, node),
                None => self.expect(key, node, false, "a regular expression"),
            },
            Keyword::Format => match node.text() {
                Some(format) => self.format(format, entry),
                None => self.expect(key, node, false, "the name of a format"),
            },
            Keyword::Text => self.expect(key, node, node.text().is_some(), "text"),
            Keyword::Bool => self.expect(key, node, node.bool().is_some(), "`true` or `false`"),
            Keyword::Schema => self.schema(node, false),
            Keyword::Schemas => {
                self.expect(key, node, !node.items().is_empty(), "a list of schemas");
                node.items().iter().for_each(|item| self.schema(item, false));
            }
            Keyword::SchemaMap => {
                self.expect(key, node, matches!(node.value, Value::Map(_)), "a map of schemas");
                for inside in node.entries() {
                    if key == "patternProperties"
                        && let Err(reason) = compile_pattern(&inside.key)
                    {
                        self.bad_pattern(&inside.key, &reason, inside.key_span);
                    }
                    self.schema(&inside.value, false);
                }
            }
            Keyword::Names => self.names(key, node),
            Keyword::NamesMap => {
                self.expect(key, node, matches!(node.value, Value::Map(_)), "a map of lists of names");
                node.entries().iter().for_each(|inside| self.names(&inside.key, &inside.value));
            }
            Keyword::Ref => {
                let local = node.text().is_some_and(|text| text == "#" || text.starts_with("#/"));
                self.expect(key, node, local, "a place in this file, such as `#/$defs/address`");
            }
            Keyword::Refused => {
                self.bad_at(entry.key_span, format!("`{key}` is not allowed in a property"), "leave it out");
            }
        }
    }

    fn types(&mut self, node: &Node) {
        let items = match &node.value {
            Value::List(items) if !items.is_empty() => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        for item in items {
            let Some(text) = item.text() else {
                self.expect("type", item, false, "the name of a type");
                continue;
            };
            if !TYPES.contains(&text) {
                let message = format!("there is no type `{text}`");
                let mut error = Diagnostic::error(codes::BAD_SCHEMA, message, item.span, "not a type of JSON Schema");
                if let Some(help) = known_type(text).or_else(|| suggest::help(text, TYPES.iter().copied())) {
                    error = error.help(help);
                }
                self.report.push(error);
            }
        }
        if matches!(node.value, Value::List(_)) {
            self.different("type", node);
        }
    }

    fn names(&mut self, key: &str, node: &Node) {
        let texts = node.items().iter().all(|item| item.text().is_some());
        self.expect(key, node, texts && matches!(node.value, Value::List(_)), "a list of names");
        self.different(key, node);
    }

    fn different(&mut self, key: &str, node: &Node) {
        let mut seen = HashSet::new();
        for item in node.items() {
            if !seen.insert(item.to_json().to_string()) {
                self.bad(item, format!("`{key}` has the same value twice"), "the second time");
            }
        }
    }

    fn pattern(&mut self, pattern: &str, node: &Node) {
        if let Err(reason) = compile_pattern(pattern) {
            self.bad_pattern(pattern, &reason, node.span);
        }
    }

    fn bad_pattern(&mut self, pattern: &str, reason: &str, span: crate::source::Span) {
        let message = format!("`{pattern}` is not a regular expression");
        self.report.push(
            Diagnostic::error(codes::BAD_PATTERN, message, span, reason)
                .note("patterns run in linear time: there is no look-around and no back-reference"),
        );
    }

    fn format(&mut self, format: &str, entry: &Entry) {
        if FORMATS.contains(&format) {
            return;
        }
        let message = format!("`{format}` is no format of JSON Schema");
        let mut warning =
            Diagnostic::warning(codes::UNKNOWN_SCHEMA_KEYWORD, message, entry.value.span, "nothing looks at it");
        if let Some(name) = suggest::nearest(format, FORMATS.iter().copied()) {
            warning = warning.help(format!("did you mean `{name}`?"));
        }
        self.report.push(warning);
    }

    fn order(&mut self, node: &Node, least: &str, most: &str) {
        let value = |key| node.get(key)?.number()?.value.as_f64();
        if let (Some(low), Some(high), Some(entry)) = (value(least), value(most), node.entry(least))
            && low > high
        {
            self.bad_at(entry.key_span, format!("`{least}` is above `{most}`, so no value fits"), "above the other");
        }
    }

    /// Values of `enum` and `const` that `type` does not allow can never be sent.
    fn values_have_type(&mut self, node: &Node) {
        let Some(declared) = node.get("type") else { return };
        let types: Vec<&str> = match &declared.value {
            Value::List(items) => items.iter().filter_map(Node::text).collect(),
            _ => declared.text().into_iter().collect(),
        };
        if types.is_empty() || types.iter().any(|name| !TYPES.contains(name)) {
            return;
        }
        let values = node.get("enum").map_or(&[][..], Node::items).iter().chain(node.get("const"));
        for value in values.filter(|value| !types.iter().any(|name| has_type(value, name))) {
            let message = format!("`{}` is not of type {}", value.to_json(), types.join(" or "));
            let mut error = Diagnostic::error(codes::ENUM_TYPE, message, value.span, "another type")
                .label(declared.span, "the type is said here");
            if types.contains(&"string")
                && let Some(text) =
                    value.number().map(|number| number.text.clone()).or_else(|| value.bool().map(|b| b.to_string()))
            {
                error = error.help(format!("write \"{text}\" to make it text"));
            }
            self.report.push(error);
        }
    }

    fn expect(&mut self, key: &str, node: &Node, fits: bool, expected: &str) {
        if !fits {
            self.bad(node, format!("`{key}` takes {expected}"), &format!("{expected} belongs here"));
        }
    }

    fn bad(&mut self, node: &Node, message: String, label: &str) {
        self.bad_at(node.span, message, label);
    }

    fn bad_at(&mut self, span: crate::source::Span, message: String, label: &str) {
        self.report.push(Diagnostic::error(codes::BAD_SCHEMA, message, span, label));
    }
}

fn has_type(value: &Node, name: &str) -> bool {
    match (&value.value, name) {
        (Value::Null, "null")
        | (Value::Bool(_), "boolean")
        | (Value::Number(_), "number")
        | (Value::Text(_), "string")
        | (Value::List(_), "array")
        | (Value::Map(_), "object") => true,
        (Value::Number(number), "integer") => number.value.as_f64().is_some_and(|value| value.fract() == 0.0),
        _ => false,
    }
}

/// Names of types in other languages.
fn known_type(text: &str) -> Option<String> {
    let meant = match text.to_lowercase().as_str() {
        "int" | "int64" | "long" | "bigint" => "integer",
        "float" | "double" | "decimal" | "numeric" => "number",
        "bool" => "boolean",
        "text" | "str" | "varchar" | "uuid" | "enum" => "string",
        "list" => "array",
        "map" | "dict" | "struct" | "json" => "object",
        "date" | "datetime" | "timestamp" | "time" => {
            return Some("write `type: string` and `format: date-time`".to_owned());
        }
        _ => return None,
    };
    Some(format!("did you mean `{meant}`?"))
}
