//! YAML files: what their words mean, and what their tables say may stand at a place.
//!
//! What a finished file means is read from its tree. While a line is being typed the file is often no YAML at all, so what
//! may come is told by the lines above it and how far they are indented.

use super::completion::{Completion, CompletionKind};
use super::{Hover, Occurrence, Project, Symbol, scenario};
use crate::diagnostic::Report;
use crate::ir::EventId;
use crate::model::schema::{FORMATS, KEYWORDS, OWN_KEYS, TRAIT_KEYS, TYPES};
use crate::project::FileKind;
use crate::shape::{Key, Shape, Word};
use crate::source::{FileId, Span};
use crate::yaml::{self, Entry, Node};

fn tree(project: &Project<'_>, file: FileId) -> Option<Node> {
    yaml::read(file, project.text(file), &mut Report::default())
}

/// The words of a YAML file that mean something.
pub(super) fn occurrences(project: &Project<'_>, file: FileId, kind: &FileKind) -> Vec<Occurrence> {
    let mut found = Vec::new();
    let Some(root) = tree(project, file).filter(|_| kind.form().is_some()) else { return found };
    let mut push = |span: Span, symbol: Symbol, declares: bool| found.push(Occurrence { span, symbol, declares });
    match kind {
        FileKind::Event => {
            let Some(name) = root.get("event") else { return found };
            let Some(event) = name.text().and_then(|name| project.program.event_named(name)) else { return found };
            push(name.span, Symbol::Event(event), true);
            properties(&root, event, &mut Vec::new(), &mut push);
        }
        FileKind::Profile => {
            for entry in root.get("traits").map_or(&[][..], Node::entries) {
                push(entry.key_span, Symbol::Profile(entry.key.clone()), true);
            }
        }
        FileKind::Destination => {
            if let Some(name) = root.get("destination")
                && let Some(text) = name.text()
            {
                push(name.span, Symbol::Destination(text.to_owned()), true);
            }
            let received =
                |key: &str| root.get("receives").and_then(|receives| receives.get(key)).map_or(&[][..], Node::items);
            for (item, name) in received("segments").iter().filter_map(|item| Some((item, item.text()?))) {
                push(item.span, Symbol::Rule(name.to_owned()), false);
            }
            for (item, name) in received("traits").iter().filter_map(|item| Some((item, item.text()?))) {
                let name = name.to_owned();
                let symbol = if project.profile(&name).is_some() { Symbol::Profile(name) } else { Symbol::Rule(name) };
                push(item.span, symbol, false);
            }
            for (item, name) in received("events").iter().filter_map(|item| Some((item, item.text()?))) {
                if let Some(event) = project.program.event_named(name) {
                    push(item.span, Symbol::Event(event), false);
                }
            }
        }
        FileKind::Scenario => scenario::occurrences(project, &root, &mut |span, symbol| push(span, symbol, false)),
        _ => {}
    }
    found
}

fn properties(node: &Node, event: EventId, keys: &mut Vec<String>, push: &mut impl FnMut(Span, Symbol, bool)) {
    for entry in node.get("properties").map_or(&[][..], Node::entries) {
        keys.push(entry.key.clone());
        push(entry.key_span, Symbol::Property(event, keys.clone()), true);
        properties(&entry.value, event, keys, push);
        keys.pop();
    }
    for item in node.get("required").map_or(&[][..], Node::items) {
        let Some(name) = item.text() else { continue };
        let mut path = keys.clone();
        path.push(name.to_owned());
        push(item.span, Symbol::Property(event, path), false);
    }
}

/// Where a property inside others is declared.
pub(super) fn property_place(project: &Project<'_>, file: FileId, keys: &[String]) -> Option<Span> {
    let mut node = &tree(project, file)?;
    let mut place = None;
    for key in keys {
        let entry = node.get("properties")?.entry(key)?;
        place = Some(entry.key_span);
        node = &entry.value;
    }
    place
}

/// What the key under the cursor is for.
pub(super) fn hover(project: &Project<'_>, file: FileId, kind: &FileKind, offset: usize) -> Option<Hover> {
    let root = tree(project, file)?;
    let form = kind.form()?;
    let mut node = &root;
    let mut shape = Shape::Object(form.keys);
    loop {
        let on = |span: Span| (span.start as usize..=span.end as usize).contains(&offset);
        let within = |entry: &Entry| entry.key_span.start as usize <= offset;
        let entry = node.entries().iter().rev().find(|entry| within(entry))?;
        if on(entry.key_span) {
            let key = keys_of(&shape).find(|key| key.name == entry.key)?;
            let must = if key.required { "; must be there" } else { "" };
            let text = format!("**`{}`**: {}{must}\n\n{}", key.name, key.shape.expected(), key.doc);
            return Some(Hover { span: entry.key_span, text, segment: None });
        }
        shape = below(&shape, &entry.key)?;
        node = &entry.value;
        if let Some(item) = node.items().iter().rev().find(|item| item.span.start as usize <= offset) {
            (node, shape) = (item, item_of(&shape)?);
        }
    }
}

/// The keys that an object of this shape may have, as far as tables say so.
fn keys_of(shape: &Shape) -> Box<dyn Iterator<Item = &'static Key>> {
    match shape {
        Shape::Object(keys) => Box::new(keys.iter()),
        Shape::Schema => Box::new(OWN_KEYS.iter().copied().flatten()),
        Shape::Trait => Box::new(TRAIT_KEYS.iter().copied().flatten()),
        Shape::Either(shapes) => Box::new(shapes.iter().flat_map(keys_of)),
        _ => Box::new(std::iter::empty()),
    }
}

/// The shape of the value of a key.
fn below(shape: &Shape, key: &str) -> Option<Shape> {
    match shape {
        Shape::Map(_, value) => Some(**value),
        Shape::Schema | Shape::Trait if matches!(key, "properties" | "$defs" | "patternProperties") => {
            Some(Shape::Map(crate::shape::Format::Any, &Shape::Schema))
        }
        Shape::Schema | Shape::Trait if matches!(key, "items" | "additionalProperties") => Some(Shape::Schema),
        Shape::Schema | Shape::Trait if key == "type" => Some(Shape::TEXT),
        Shape::Either(shapes) => shapes.iter().find_map(|shape| below(shape, key)),
        _ => keys_of(shape).find(|known| known.name == key).map(|known| known.shape),
    }
}

fn item_of(shape: &Shape) -> Option<Shape> {
    match shape {
        Shape::List(item, _) => Some(**item),
        Shape::Either(shapes) => shapes.iter().find_map(item_of),
        _ => None,
    }
}

/// What may be typed at an offset.
pub(super) fn complete(project: &Project<'_>, file: FileId, kind: &FileKind, offset: usize) -> Vec<Completion> {
    let Some(form) = kind.form() else { return Vec::new() };
    let text = project.text(file);
    let before = text.get(..offset).unwrap_or_default();
    let (above, line) = before.rsplit_once('\n').unwrap_or(("", before));
    let typed = line.trim_start();
    if typed.starts_with('#') || typed.contains(" #") {
        return Vec::new();
    }
    let mut path = parents(above, indent(line));
    let (in_item, rest) = match typed.strip_prefix("- ") {
        Some(rest) => (true, rest),
        None => (false, typed),
    };
    let rest = flow(rest, &mut path);
    if *kind == FileKind::Scenario && path.iter().any(|key| key == "send") {
        return scenario::complete(project, above, line, rest);
    }
    let mut shape = Shape::Object(form.keys);
    for key in &path {
        let below = if key == "-" { item_of(&shape) } else { below(&shape, key) };
        let Some(below) = below else { return Vec::new() };
        shape = below;
    }
    if in_item {
        shape = item_of(&shape).unwrap_or(shape);
    }
    match rest.split_once(':') {
        Some((key, _)) => {
            let key = key.trim();
            let value = below(&shape, key).unwrap_or(Shape::Json);
            values(project, &value, key)
        }
        None => {
            let last = path.iter().rev().find(|key| *key != "-").cloned().unwrap_or_default();
            let mut found = keys(&shape);
            if in_item || rest.is_empty() || found.is_empty() {
                found.extend(values(project, &shape, &last));
            }
            found
        }
    }
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// The keys above a line that it is inside of, the outermost first; `-` for an item of a list.
fn parents(above: &str, mut indentation: usize) -> Vec<String> {
    let mut path = Vec::new();
    for line in above.lines().rev() {
        let typed = line.trim_start();
        if typed.is_empty() || typed.starts_with('#') {
            continue;
        }
        let at = indent(line);
        if at >= indentation && !(at == indentation && typed.starts_with("- ")) {
            continue;
        }
        if let Some(inside) = typed.strip_prefix("- ") {
            if at + 2 <= indentation {
                if let Some((key, _)) = inside.split_once(':').filter(|_| at + 2 < indentation) {
                    path.push(key.trim().to_owned());
                }
                path.push("-".to_owned());
                indentation = at + 1;
            }
            continue;
        }
        if let Some((key, _)) = typed.split_once(':') {
            path.push(key.trim().trim_matches('"').to_owned());
            indentation = at;
        }
        if at == 0 {
            break;
        }
    }
    path.reverse();
    path
}

/// Goes into the braces and brackets that are open in a line: `price: {type: ` and `segments: [a, `.
fn flow<'t>(mut rest: &'t str, path: &mut Vec<String>) -> &'t str {
    let mut open: Vec<(usize, char, usize)> = Vec::new();
    let mut from = 0;
    for (at, character) in rest.char_indices() {
        match character {
            '{' | '[' => {
                open.push((from, character, at));
                from = at + 1;
            }
            '}' | ']' => from = open.pop().map_or(at + 1, |(from, ..)| from),
            ',' => from = at + 1,
            _ => {}
        }
    }
    for (from, bracket, at) in &open {
        let key = rest.get(*from..*at).and_then(|inside| inside.rsplit(',').next()?.split_once(':'));
        path.extend(key.map(|(key, _)| key.trim().to_owned()));
        if *bracket == '[' {
            path.push("-".to_owned());
        }
    }
    if !open.is_empty() {
        rest = rest.get(from..).unwrap_or_default().trim_start();
    }
    rest
}

fn keys(shape: &Shape) -> Vec<Completion> {
    let of_table = keys_of(shape).map(|key| Completion {
        label: key.name.to_owned(),
        kind: CompletionKind::Key,
        detail: key.shape.expected(),
        documentation: key.doc.to_owned(),
        insert: format!("{}: ", key.name),
    });
    let mut found: Vec<Completion> = of_table.collect();
    if matches!(shape, Shape::Schema | Shape::Trait) {
        found.extend(KEYWORDS.iter().filter(|(_, keyword)| !keyword.is_refused()).map(|(name, _)| Completion {
            label: (*name).to_owned(),
            kind: CompletionKind::Key,
            detail: "JSON Schema".to_owned(),
            documentation: String::new(),
            insert: format!("{name}: "),
        }));
    }
    found
}

fn values(project: &Project<'_>, shape: &Shape, key: &str) -> Vec<Completion> {
    let named = |names: Vec<(String, String)>, kind: CompletionKind| -> Vec<Completion> {
        names.into_iter().map(|(name, doc)| Completion::new(name, kind, String::new(), doc)).collect()
    };
    let words =
        |words: &[Word]| words.iter().map(|word| (word.word.to_owned(), word.doc.to_owned())).collect::<Vec<_>>();
    let program = project.program;
    let plain = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), String::new())).collect::<Vec<_>>();
    match (key, shape) {
        (_, Shape::Word(choices)) => named(words(choices), CompletionKind::Value),
        (_, Shape::Bool) => named(plain(&["true", "false"]), CompletionKind::Value),
        ("type", _) => named(plain(TYPES), CompletionKind::Value),
        ("format", _) => named(plain(FORMATS), CompletionKind::Value),
        ("segments", _) => {
            let segments =
                program.segments().map(|(_, rule)| (rule.name.clone(), rule.description.clone().unwrap_or_default()));
            named(segments.collect(), CompletionKind::Rule)
        }
        ("traits", _) => {
            let profile = program
                .profile
                .iter()
                .map(|declared| (declared.name.clone(), declared.description.clone().unwrap_or_default()));
            let computed = program.rules.iter().filter(|rule| rule.kind != crate::ir::RuleKind::Segment);
            let computed = computed.map(|rule| (rule.name.clone(), rule.description.clone().unwrap_or_default()));
            named(profile.chain(computed).collect(), CompletionKind::Rule)
        }
        ("events", _) => {
            let events =
                program.events.iter().map(|event| (event.name.clone(), event.description.clone().unwrap_or_default()));
            named(events.collect(), CompletionKind::Event)
        }
        ("identifier" | "identifiers", _) => named(
            program.identity.identifiers.iter().map(|kind| (kind.name.clone(), String::new())).collect(),
            CompletionKind::Value,
        ),
        ("source", Shape::Text(_)) => named(
            program.sources.iter().map(|source| (source.name.clone(), String::new())).collect(),
            CompletionKind::Value,
        ),
        (_, Shape::Either(shapes)) => shapes.iter().flat_map(|shape| values(project, shape, key)).collect(),
        (_, Shape::List(item, _)) => values(project, item, key),
        _ => Vec::new(),
    }
}
