//! The reference of a project's YAML files: made of the tables that they are checked against.

use crate::model::schema;
use crate::project::KINDS;
use crate::shape::{Filled, Key, Shape};
use std::fmt::Write;

/// Maps within maps that are written out; none of the tables is deeper.
const DEPTH: usize = 8;

/// The whole page, in Markdown.
#[must_use]
pub fn configuration() -> String {
    let mut page = INTRODUCTION.to_owned();
    for (name, kind) in KINDS {
        let Some(form) = kind.form() else { continue };
        let (path, what) = form.title.split_once(": ").unwrap_or((form.title, ""));
        // Writing into a string cannot fail.
        let _ = write!(page, "\n## `{path}`\n\n{}. `sonder schema {name}` prints its JSON Schema.\n\n", sentence(what));
        let mut rows = Rows::default();
        rows.object("", form.keys, 0);
        page.push_str(&rows.table());
    }
    page.push_str(PROPERTIES);
    let mut rows = Rows::default();
    schema::OWN_KEYS.iter().for_each(|keys| rows.object("", keys, 0));
    page.push_str(&rows.table());
    page.push_str("\nA trait of `profile.yaml` is such a schema, too, with these keys:\n\n");
    let mut rows = Rows::default();
    schema::TRAIT_KEYS.iter().for_each(|keys| rows.object("", keys, 0));
    page.push_str(&rows.table());
    page
}

const INTRODUCTION: &str = "\
# Configuration

All keys of a project's YAML files, from the tables that they are checked against. A key that is not here is an error, with
its place and the key that was probably meant.

`NAME` stands for a name of yours, `[]` for each item of a list.
";

const PROPERTIES: &str = "
## Properties and traits

A property in `events/*.yaml` is a JSON Schema (2020-12). A number with `multipleOf: 0.01` is an exact decimal in rules, a text
with `format: date-time` is a moment, `enum` says which values there are. These keys stand beside those of the standard:

";

/// The rows of one table.
#[derive(Default)]
struct Rows {
    text: String,
}

impl Rows {
    fn table(self) -> String {
        format!("| key | takes | is |\n|---|---|---|\n{}", self.text)
    }

    fn object(&mut self, above: &str, keys: &[Key], depth: usize) {
        for key in keys {
            let path = if above.is_empty() { key.name.to_owned() } else { format!("{above}.{}", key.name) };
            let meaning = cell(key.doc);
            let required = if key.required { " *required*" } else { "" };
            let _ = writeln!(self.text, "| `{path}`{required} | {} | {meaning} |", takes(&key.shape));
            self.inside(&path, &key.shape, depth);
        }
    }

    /// The keys of what stands in a value.
    fn inside(&mut self, path: &str, shape: &Shape, depth: usize) {
        if depth > DEPTH {
            return;
        }
        match shape {
            Shape::Object(keys) => self.object(path, keys, depth + 1),
            Shape::Map(_, value) => self.inside(&format!("{path}.NAME"), value, depth + 1),
            Shape::List(item, _) => self.inside(&format!("{path}[]"), item, depth + 1),
            Shape::Either(shapes) => shapes.iter().for_each(|shape| self.inside(path, shape, depth + 1)),
            Shape::Text(_)
            | Shape::Word(_)
            | Shape::Bool
            | Shape::Integer(..)
            | Shape::Probability
            | Shape::Schema
            | Shape::Trait
            | Shape::Json => {}
        }
    }
}

/// What to write, with an example where the format has one.
fn takes(shape: &Shape) -> String {
    match shape {
        Shape::Text(format) => match format.examples() {
            [] => format.expected().to_owned(),
            [example, ..] => format!("{}, such as `{}`", format.expected(), cell(example)),
        },
        Shape::Word(words) => {
            words.iter().map(|word| format!("`{}`: {}", word.word, cell(word.doc))).collect::<Vec<_>>().join("<br>")
        }
        Shape::Bool => "`true` or `false`".to_owned(),
        Shape::Integer(least, most) => format!("a whole number, {least} to {most}"),
        Shape::Probability => "a number from 0 to 1".to_owned(),
        Shape::List(item, filled) => {
            let least = if *filled == Filled::AtLeastOne { ", at least one" } else { "" };
            format!("a list{least}: {}", takes(item))
        }
        Shape::Map(_, value) => format!("a map of names; each: {}", takes(value)),
        Shape::Object(_) => "a map of the keys below".to_owned(),
        Shape::Either(shapes) => shapes.iter().map(takes).collect::<Vec<_>>().join(", or "),
        Shape::Schema | Shape::Trait => "[a schema](#properties-and-traits)".to_owned(),
        Shape::Json => "anything".to_owned(),
    }
}

/// Text in a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace("{{", "`{{").replace("}}", "}}`").replace('<', "&lt;")
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_of_every_file_is_there() {
        let page = configuration();
        for row in [
            "| `name` *required* | a name, such as `abandoned_cart` | the project's name |",
            "| `session.idle` | a length of time, such as `30m` |",
            "| `receives.segments` | a list: a name",
            "| `identifiers.NAME.unique` |",
            "| `steps[].at` *required* |",
            "| `pii` | `contact`: e-mail, phone, postal address<br>",
            "| `retention` | a map of the keys below | how long data is kept; checked once a day |",
        ] {
            assert!(page.contains(row), "{row} is not in\n{page}");
        }
        for (_, kind) in KINDS {
            for key in kind.form().unwrap().keys {
                assert!(page.contains(&format!("| `{}`", key.name)), "{}", key.name);
            }
        }
    }
}
