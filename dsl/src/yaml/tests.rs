//! What the reader promises: places, aliases, limits, and errors that say what to do.

use super::{Node, Value, read};
use crate::diagnostic::{Diagnostic, Report, codes};
use crate::limits;
use crate::source::{FileId, Span};

fn outcome(text: &str) -> (Option<Node>, Vec<Diagnostic>) {
    let mut report = Report::default();
    let node = read(FileId(0), text, &mut report);
    (node, report.finish())
}

fn sound(text: &str) -> Node {
    let (node, diagnostics) = outcome(text);
    assert_eq!(diagnostics, [], "{text}");
    node.unwrap()
}

/// The code of the only diagnostic, and the text at its place.
fn only(text: &str) -> (&'static str, &str) {
    let (_, diagnostics) = outcome(text);
    let [diagnostic] = diagnostics.as_slice() else { panic!("{text}: {diagnostics:?}") };
    (diagnostic.code, slice(text, diagnostic.labels[0].span))
}

fn slice(text: &str, span: Span) -> &str {
    &text[span.start as usize..span.end as usize]
}

#[test]
fn every_key_and_value_knows_its_place() {
    let text = "é: ü\nlist: [x, {y: \"z z\"}]\nblock:\n  - 1.50\n  - |\n    two\n    lines\nmap:\n  deep: 25 months\n";
    let node = sound(text);
    let at = |node: &Node| slice(text, node.span).to_owned();
    assert_eq!(slice(text, node.entries()[0].key_span), "é");
    assert_eq!(at(node.get("é").unwrap()), "ü");
    let list = node.get("list").unwrap();
    assert_eq!((at(list), at(&list.items()[0])), ("[".to_owned(), "x".to_owned()));
    assert_eq!(at(list.items()[1].get("y").unwrap()), "\"z z\"");
    assert_eq!(at(&node.get("block").unwrap().items()[0]), "1.50");
    assert_eq!(at(&node.get("block").unwrap().items()[1]), "two\n    lines");
    assert_eq!(at(node.get("map").unwrap()), "deep");
    assert_eq!(at(node.get("map").unwrap().get("deep").unwrap()), "25 months");
}

#[test]
fn scalars_are_what_they_look_like_in_json() {
    let node = sound(
        "a: 1\nb: 1.50\nc: true\nd: null\ne: ~\nf:\ng: yes\nh: on\ni: 21:00\nj: 012\nk: 1_000\nl: 0x1F\nm: '1'\nn: 1-0-0\no: 2026-01-01\n",
    );
    let expected = r#"{"a":1,"b":1.5,"c":true,"d":null,"e":null,"f":null,"g":"yes","h":"on","i":"21:00","j":"012","k":"1_000","l":31,"m":"1","n":"1-0-0","o":"2026-01-01"}"#;
    assert_eq!(node.to_json().to_string(), expected);
    assert_eq!(node.get("b").unwrap().number().unwrap().text, "1.50");
}

#[test]
fn nothing_is_null() {
    for text in ["", " \n", "# only a comment\n", "---\n"] {
        assert_eq!(sound(text).value, Value::Null, "{text:?}");
    }
}

#[test]
fn aliases_and_merge_keys_say_where_they_are_used() {
    let text = "base: &base {x: 1, y: 2}\nuse: {<<: *base, x: 3}\nagain: *base\n";
    let node = sound(text);
    assert_eq!(node.get("use").unwrap().to_json(), serde_json::json!({"x": 3, "y": 2}));
    assert_eq!(node.get("again").unwrap().to_json(), serde_json::json!({"x": 1, "y": 2}));
    let merged = node.get("use").unwrap().get("y").unwrap();
    assert_eq!((slice(text, merged.span), slice(text, merged.used_at.unwrap())), ("2", "*base"));
    let repeated = node.get("again").unwrap().get("x").unwrap();
    assert_eq!((repeated.span.start, slice(text, repeated.used_at.unwrap())), (16, "*base"));
    assert_eq!(node.get("use").unwrap().get("x").unwrap().used_at, None);
}

#[test]
fn all_repeated_keys_are_found_and_the_first_stays() {
    let (node, diagnostics) = outcome("a: 1\na: 2\nb: {c: 1, c: 2, c: 3}\n");
    let found: Vec<_> = diagnostics.iter().map(|found| (found.code, found.labels[0].span.start)).collect();
    assert_eq!(found, [(codes::DUPLICATE_KEY, 5), (codes::DUPLICATE_KEY, 20), (codes::DUPLICATE_KEY, 26)]);
    assert_eq!(node.unwrap().to_json(), serde_json::json!({"a": 1, "b": {"c": 1}}));
}

#[test]
fn broken_text_has_a_place() {
    for (text, code, place) in [
        ("a: 1\nb: c: d\n", codes::YAML_SYNTAX, ":"),
        ("a: [1\nb: 2\n", codes::YAML_SYNTAX, ":"),
        ("a: \"open\nb: 2", codes::YAML_SYNTAX, "\""),
        ("a: ok\nb: @x\n", codes::YAML_SYNTAX, "@"),
        ("a:\n\t- b\n", codes::YAML_SYNTAX, "-"),
        ("a: .inf\n", codes::YAML_SYNTAX, ".inf"),
        ("? [a]\n: b\n", codes::YAML_SYNTAX, "["),
        ("~: b\n", codes::YAML_SYNTAX, "~"),
        ("a: {<<: 3}", codes::YAML_SYNTAX, "3"),
        ("&a [*a]", codes::YAML_SYNTAX, "*a"),
        ("ok: 1\nb: [*nowhere, 2]\n", codes::YAML_UNKNOWN_ANCHOR, "*nowhere"),
        ("---\na: 1\n---\nb: 2\n", codes::YAML_DOCUMENTS, "---"),
        ("a: {b: !secret x}\n", codes::YAML_TAG, "!secret"),
    ] {
        assert_eq!(only(text), (code, place), "{text:?}");
    }
}

#[test]
fn bytes_up_to_the_limit() {
    let comment = |bytes: usize| format!("#{}", "x".repeat(bytes - 1));
    sound(&comment(limits::YAML_BYTES));
    assert_eq!(only(&comment(limits::YAML_BYTES + 1)), (codes::YAML_TOO_LARGE, "#"));
}

#[test]
fn depth_up_to_the_limit() {
    for (open, close) in [("[", "]"), ("{a: ", "}")] {
        let nested = |levels: usize| open.repeat(levels) + &close.repeat(levels);
        sound(&nested(limits::YAML_DEPTH));
        assert_eq!(only(&nested(limits::YAML_DEPTH + 1)).0, codes::YAML_TOO_DEEP);
        assert_eq!(only(&open.repeat(10_000)).0, codes::YAML_TOO_DEEP);
    }
    let block = |levels: usize| (0..levels).map(|level| format!("{}a:\n", " ".repeat(level))).collect::<String>();
    sound(&block(limits::YAML_DEPTH));
    assert_eq!(only(&block(limits::YAML_DEPTH + 1)).0, codes::YAML_TOO_DEEP);
}

#[test]
fn values_up_to_the_limit() {
    // One of them is the list itself.
    let list = |values: usize| "- x\n".repeat(values - 1);
    sound(&list(limits::YAML_NODES));
    assert_eq!(only(&list(limits::YAML_NODES + 1)).0, codes::YAML_TOO_MANY_NODES);
}

#[test]
fn alias_steps_up_to_the_limit() {
    // Each alias repeats a list of 98 items: its beginning, the items, its end.
    let aliases = |count: usize| {
        let anchor = format!("a: &a [{}]\n", vec!["x"; 98].join(", "));
        anchor + "b:\n" + &"- *a\n".repeat(count)
    };
    assert_eq!(limits::YAML_ALIAS_STEPS % 100, 0);
    sound(&aliases(limits::YAML_ALIAS_STEPS / 100));
    assert_eq!(only(&aliases(limits::YAML_ALIAS_STEPS / 100 + 1)).0, codes::YAML_ALIASES);
}

#[test]
fn an_alias_bomb_ends_at_once() {
    let mut bomb = "l0: &l0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..20 {
        let before = vec![format!("*l{}", level - 1); 10].join(", ");
        bomb += &format!("l{level}: &l{level} [{before}]\n");
    }
    let begin = std::time::Instant::now();
    assert_eq!(only(&bomb).0, codes::YAML_ALIASES);
    assert!(begin.elapsed().as_secs() < 2);
}
