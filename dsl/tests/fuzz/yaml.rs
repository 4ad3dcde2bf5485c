//! Documents of YAML: nested deep and wide, with anchors, and aliases of aliases.

use crate::chance::Chance;

const KEYS: [&str; 40] = [
    "event",
    "source",
    "destination",
    "name",
    "properties",
    "required",
    "aliases",
    "identifiers",
    "traits",
    "trust",
    "probabilistic",
    "compare",
    "block",
    "merge",
    "from",
    "type",
    "enum",
    "multipleOf",
    "pattern",
    "items",
    "$ref",
    "$defs",
    "allOf",
    "pii",
    "identifier",
    "derive",
    "receives",
    "segments",
    "events",
    "config",
    "secrets",
    "limits",
    "session",
    "purposes",
    "regimes",
    "scenario",
    "steps",
    "send",
    "expect",
    "at",
];

const SCALARS: [&str; 22] = [
    "string",
    "number",
    "object",
    "array",
    "0.01",
    "-1",
    "1e400",
    "0x7f",
    ".nan",
    "\"#/$defs/x\"",
    "null",
    "true",
    "~",
    "2026-01-01",
    "200/s per key",
    "\"é\\u0000\"",
    "'it''s'",
    "!!binary aGk=",
    "25 months",
    "\"#/\"",
    "most_recent",
    "",
];

/// Deeper than any file may be, so that the limit is reached, too.
const DEEP: usize = 45;

pub fn document(chance: &mut Chance) -> String {
    match chance.under(12) {
        0 => aliases_of_aliases(chance),
        1 => deep(chance),
        _ => {
            let mut text = String::new();
            for _ in 0..=chance.under(6) {
                text.push_str(chance.one_of(&KEYS));
                text.push(':');
                node(chance, 1, &mut text);
                text.push('\n');
            }
            text
        }
    }
}

/// Each list holds several times the one before.
fn aliases_of_aliases(chance: &mut Chance) -> String {
    let (levels, width) = (2 + chance.under(60), 2 + chance.under(12));
    let key = chance.one_of(&KEYS);
    let merged = chance.once_in(3);
    let level = |level: usize| match (level, merged) {
        (0, false) => "a0: &a0 [x]\n".to_owned(),
        (0, true) => "a0: &a0 {x: 1}\n".to_owned(),
        (_, false) => format!("a{level}: &a{level} [{}]\n", vec![format!("*a{}", level - 1); width].join(", ")),
        (_, true) => format!("a{level}: &a{level} {{<<: *a{0}, y{level}: *a{0}}}\n", level - 1),
    };
    (0..levels).map(level).chain([format!("{key}: *a{}\n", levels - 1)]).collect()
}

/// One kind of nesting, up to thousands of levels.
fn deep(chance: &mut Chance) -> String {
    let opening = chance.one_of(&["[", "{a: ", "- ", "? ", "&a [", "{? ", "[[", "{<<: ", "!t [", "a: [{"]);
    let key = chance.one_of(&KEYS);
    format!("{key}: {}x", opening.repeat(1 << chance.under(14)))
}

fn node(chance: &mut Chance, depth: usize, text: &mut String) {
    if chance.once_in(12) {
        text.push_str(chance.one_of(&[" &a", " &b", " !t", " !!str"]));
    }
    let indented = |depth: usize| format!("\n{}", "  ".repeat(depth));
    match chance.under(if depth < DEEP { 9 } else { 3 }) {
        0..=2 => {
            text.push(' ');
            text.push_str(chance.one_of(&SCALARS));
        }
        3 => text.push_str(chance.one_of(&[" *a", " *b", " |\n      x\n", " >-\n      y\n"])),
        4 => {
            text.push_str(" [");
            for _ in 0..chance.under(4) {
                text.push_str(chance.one_of(&SCALARS));
                text.push_str(", ");
            }
            text.push(']');
        }
        5 => {
            text.push_str(" {");
            for _ in 0..chance.under(4) {
                text.push_str(chance.one_of(&KEYS));
                text.push_str(": ");
                text.push_str(chance.one_of(&SCALARS));
                text.push_str(", ");
            }
            text.push('}');
        }
        6 => {
            for _ in 0..=chance.under(3) {
                text.push_str(&indented(depth));
                text.push('-');
                node(chance, depth + 1, text);
            }
        }
        _ => {
            for _ in 0..=chance.under(4) {
                text.push_str(&indented(depth));
                text.push_str(chance.one_of(&KEYS));
                text.push(':');
                node(chance, depth + 1, text);
            }
        }
    }
}
