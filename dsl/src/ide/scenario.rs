//! Scenarios: what is sent and expected names events, their properties, rules and traits.

use super::completion::{self, Completion, CompletionKind};
use super::{Project, Symbol};
use crate::source::Span;
use crate::yaml::{Entry, Node};

/// The words of a scenario that mean something, each handed to `push`.
pub(super) fn occurrences(project: &Project<'_>, root: &Node, push: &mut impl FnMut(Span, Symbol)) {
    for step in root.get("steps").map_or(&[][..], Node::items) {
        many(step.get("send")).for_each(|sent| of_message(project, sent, push));
        many(step.get("expect")).for_each(|expected| of_expectation(project, expected, push));
    }
}

/// One thing, or a list of them.
fn many(node: Option<&Node>) -> impl Iterator<Item = &Node> {
    let one = node.filter(|node| node.items().is_empty());
    one.into_iter().chain(node.map_or(&[][..], Node::items))
}

fn of_message(project: &Project<'_>, sent: &Node, push: &mut impl FnMut(Span, Symbol)) {
    let Some((name, text)) = sent.get("event").and_then(|name| Some((name, name.text()?))) else { return };
    let Some(event) = project.program.event_named(text) else { return };
    push(name.span, Symbol::Event(event));
    let inside = sent.get("properties").map_or(&[][..], Node::entries);
    for entry in sent.entries().iter().chain(inside) {
        let keys = vec![entry.key.clone()];
        if project.schema(event, &keys).is_some() {
            push(entry.key_span, Symbol::Property(event, keys));
        }
    }
}

fn of_expectation(project: &Project<'_>, expected: &Node, push: &mut impl FnMut(Span, Symbol)) {
    let segments = expected.get("segments");
    let some = |key| segments.and_then(|segments| segments.get(key));
    for list in [segments, some("in"), some("not")].into_iter().flatten() {
        for (item, name) in list.items().iter().filter_map(|item| Some((item, item.text()?))) {
            push(item.span, Symbol::Rule(name.to_owned()));
        }
    }
    for entry in expected.get("traits").map_or(&[][..], Node::entries) {
        push(entry.key_span, Symbol::Rule(entry.key.clone()));
    }
    for entry in expected.get("journey").map_or(&[][..], Node::entries) {
        push(entry.key_span, Symbol::Rule(entry.key.clone()));
    }
    for entry in expected.get("profile").map_or(&[][..], Node::entries) {
        push(entry.key_span, Symbol::Profile(entry.key.clone()));
    }
    for entry in expected.get("sent").map_or(&[][..], Node::items).iter().flat_map(Node::entries) {
        of_delivery(project, entry, push);
    }
}

/// `crm.segment_entered: abandoned_cart`, or with the name inside a map.
fn of_delivery(project: &Project<'_>, entry: &Entry, push: &mut impl FnMut(Span, Symbol)) {
    let Some((destination, kind)) = entry.key.split_once('.') else { return };
    // A key in quotes begins one byte later.
    let width = (entry.key_span.end - entry.key_span.start) as usize;
    let start = entry.key_span.start + u32::from(width > entry.key.len());
    let span = Span { start, end: start + destination.len() as u32, ..entry.key_span };
    push(span, Symbol::Destination(destination.to_owned()));
    let inside = if kind == "event" { "event" } else { kind.split('_').next().unwrap_or(kind) };
    let named = entry.value.get(inside).unwrap_or(&entry.value);
    let Some(name) = named.text() else { return };
    let symbol = match kind {
        "event" => project.program.event_named(name).map(Symbol::Event),
        "trait_changed" if project.profile(name).is_some() => Some(Symbol::Profile(name.to_owned())),
        _ => Some(Symbol::Rule(name.to_owned())),
    };
    symbol.into_iter().for_each(|symbol| push(named.span, symbol));
}

/// What may be typed into a message that is sent: `rest` is what stands there already, behind the lines above and the
/// beginning of its own.
pub(super) fn complete(project: &Project<'_>, above: &str, line: &str, rest: &str) -> Vec<Completion> {
    if let Some((key, _)) = rest.split_once(':') {
        return if key.trim() == "event" { completion::events(project) } else { Vec::new() };
    }
    let key = |name: &str, detail: &str| Completion {
        insert: format!("{name}: "),
        ..Completion::new(name.to_owned(), CompletionKind::Key, detail.to_owned(), String::new())
    };
    let identifiers = project.program.identity.identifiers.iter().map(|kind| key(&kind.name, "identifier"));
    let mut found: Vec<Completion> = [key("event", "the event's name")].into_iter().chain(identifiers).collect();
    if let Some(event) = event_before(above, line).and_then(|name| project.program.event_named(name)) {
        found.extend(
            completion::properties(project, event, &[])
                .into_iter()
                .map(|property| Completion { insert: format!("{}: ", property.label), ..property }),
        );
    }
    found
}

/// The event that is named in a line, or in those right above that are indented as it is.
fn event_before<'t>(above: &'t str, line: &'t str) -> Option<&'t str> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let of_same_map = above.rsplit('\n').take_while(|other| indent(other) >= indent(line));
    [line].into_iter().chain(of_same_map).find_map(|line| {
        let (before, name) = line.rsplit_once("event:")?;
        let is_key = before.trim_end().ends_with(['{', ',', '-']) || before.trim().is_empty();
        is_key.then(|| name.split([',', '}', '#']).next().unwrap_or(name).trim().trim_matches(['"', '\'']))
    })
}
