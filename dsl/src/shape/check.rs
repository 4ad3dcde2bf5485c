//! Comparing a tree with its table: everything that does not fit is reported, with what would.

use super::{Filled, Format, Key, Shape, Word};
use crate::diagnostic::{Diagnostic, Report, codes, suggest};
use crate::model::schema;
use crate::yaml::{Entry, Node, Value};

/// Checks a whole file. `what` is what it declares, for messages: `an event`.
pub fn check(root: &Node, keys: &'static [Key], what: &'static str, report: &mut Report) {
    let mut checker = Checker { what, report };
    checker.node(root, &Shape::Object(keys), &Place::File);
}

/// Checks the value of one key that stands outside any table of a file.
pub(crate) fn check_value(entry: &Entry, key: &'static Key, what: &'static str, report: &mut Report) {
    let mut checker = Checker { what, report };
    checker.known(entry, key);
}

struct Checker<'r> {
    what: &'static str,
    report: &'r mut Report,
}

/// What a value is the value of, for messages.
enum Place<'a> {
    File,
    Key(&'a str),
    Item(&'a str),
}

impl Place<'_> {
    fn name(&self) -> &str {
        match self {
            Self::File => "the file",
            Self::Key(key) | Self::Item(key) => key,
        }
    }

    fn subject(&self) -> String {
        match self {
            Self::File => "this file".to_owned(),
            Self::Key(key) => format!("`{key}`"),
            Self::Item(key) => format!("an item of `{key}`"),
        }
    }
}

impl Checker<'_> {
    fn node(&mut self, node: &Node, shape: &Shape, place: &Place<'_>) {
        match (shape, &node.value) {
            (Shape::Json, _) => {}
            (Shape::Schema, _) => schema::check(node, place.name(), schema::OWN_KEYS, self.what, self.report),
            (Shape::Trait, _) => schema::check(node, place.name(), schema::TRAIT_KEYS, self.what, self.report),
            (Shape::Either(shapes), _) => {
                match shapes.iter().find(|shape| kind_fits(shape, node)) {
                    Some(Shape::Word(words)) => {
                        let keys = shapes.iter().find_map(|shape| match shape {
                            Shape::Object(keys) => Some(*keys),
                            _ => None,
                        });
                        self.word(node, node.text().unwrap_or_default(), words, keys.unwrap_or_default(), place);
                    }
                    Some(fitting) => self.node(node, fitting, place),
                    None => self.wrong_type(node, shape, place),
                };
            }
            (Shape::Text(format), Value::Text(text)) => self.text(node, text, *format, place),
            (Shape::Word(words), Value::Text(text)) => self.word(node, text, words, &[], place),
            (Shape::Bool, Value::Bool(_)) => {}
            (Shape::Integer(from, to), Value::Number(number)) => match number.value.as_i64() {
                Some(value) if (*from..=*to).contains(&value) => {}
                Some(_) => self.bad_value(node, place, &number.text, &format!("write a number from {from} to {to}")),
                None => self.wrong_type(node, shape, place),
            },
            (Shape::Probability, Value::Number(number)) => {
                if !number.value.as_f64().is_some_and(|value| (0.0..=1.0).contains(&value)) {
                    self.bad_value(node, place, &number.text, "write a number from 0 to 1");
                }
            }
            (Shape::List(item, filled), Value::List(items)) => {
                if items.is_empty() && *filled == Filled::AtLeastOne {
                    self.bad_value(node, place, "[]", "there must be at least one");
                }
                for inside in items {
                    self.node(inside, item, &Place::Item(place.name()));
                }
            }
            (Shape::Map(format, value), Value::Map(entries)) => {
                for entry in entries {
                    self.map_key(entry, *format);
                    self.node(&entry.value, value, &Place::Key(&entry.key));
                }
            }
            (Shape::Object(keys), Value::Map(entries)) => self.object(node, entries, keys, place),
            _ => self.wrong_type(node, shape, place),
        }
    }

    fn object(&mut self, node: &Node, entries: &[Entry], keys: &'static [Key], place: &Place<'_>) {
        for entry in entries {
            let Some(key) = keys.iter().find(|key| key.name == entry.key) else {
                self.unknown_key(entry, keys, place);
                continue;
            };
            self.known(entry, key);
        }
        for key in keys.iter().filter(|key| key.required && node.get(key.name).is_none()) {
            let whose = match place {
                Place::File => self.what.to_owned(),
                Place::Key(_) | Place::Item(_) => place.subject(),
            };
            let message = format!("{whose} has no `{}`", key.name);
            let help = format!("add `{}:` with {}", key.name, key.shape.expected());
            self.push(node, Diagnostic::error(codes::MISSING_KEY, message, node.span, "it belongs here").help(help));
        }
    }

    fn known(&mut self, entry: &Entry, key: &'static Key) {
        self.node(&entry.value, &key.shape, &Place::Key(key.name));
    }

    fn unknown_key(&mut self, entry: &Entry, keys: &'static [Key], place: &Place<'_>) {
        let whose = match place {
            Place::File => self.what.to_owned(),
            Place::Key(_) | Place::Item(_) => place.subject(),
        };
        let message = format!("{whose} has no key `{}`", entry.key);
        let mut diagnostic = Diagnostic::error(codes::UNKNOWN_KEY, message, entry.key_span, "this key is not known");
        if let Some(help) = suggest::help(&entry.key, keys.iter().map(|key| key.name)) {
            diagnostic = diagnostic.help(help);
        }
        self.push(&entry.value, diagnostic);
    }

    fn map_key(&mut self, entry: &Entry, format: Format) {
        if let Some(misfit) = format.misfit(&entry.key) {
            let message = format!("`{}` is not {}", entry.key, format.expected());
            self.push(&entry.value, Diagnostic::error(misfit.code, message, entry.key_span, "here").help(misfit.help));
        }
    }

    fn text(&mut self, node: &Node, text: &str, format: Format, place: &Place<'_>) {
        let Some(misfit) = format.misfit(text) else { return };
        if misfit.code == codes::BAD_PATTERN {
            let message = format!("`{text}` is not a regular expression");
            return self.push(node, Diagnostic::error(misfit.code, message, node.span, misfit.help));
        }
        let message = if text.trim().is_empty() {
            format!("{} is empty", place.subject())
        } else {
            format!("{} is not {}: `{text}`", place.subject(), format.expected())
        };
        let label = format!("not {}", format.expected());
        self.push(node, Diagnostic::error(misfit.code, message, node.span, label).help(misfit.help));
    }

    /// One of these words; `keys` are those of a map that may stand here as well.
    fn word(&mut self, node: &Node, text: &str, words: &'static [Word], keys: &'static [Key], place: &Place<'_>) {
        if words.iter().any(|word| word.word == text) {
            return;
        }
        let message = format!("{} cannot be `{text}`", place.subject());
        let more = keys.iter().map(|key| key.name).filter(|key| !words.iter().any(|word| word.word == *key));
        let choices: Vec<&str> = words.iter().map(|word| word.word).chain(more).collect();
        let label = format!("not one of its {} choices", words.len());
        let mut diagnostic = Diagnostic::error(codes::UNKNOWN_WORD, message, node.span, label);
        if keys.iter().any(|key| key.name == text) {
            diagnostic = diagnostic.help(format!("write a map: `{{{text}: …}}`"));
        } else if let Some(help) = suggest::help(text, choices) {
            diagnostic = diagnostic.help(help);
        }
        self.push(node, diagnostic);
    }

    fn wrong_type(&mut self, node: &Node, shape: &Shape, place: &Place<'_>) {
        let expected = shape.expected();
        let message = match node.value {
            Value::Null => format!("{} has no value", place.subject()),
            _ => format!("{} takes {expected}, not {}", place.subject(), node.kind()),
        };
        let diagnostic = Diagnostic::error(codes::WRONG_TYPE, message, node.span, format!("{expected} belongs here"));
        self.push(
            node,
            match wrong_type_help(node, shape) {
                Some(help) => diagnostic.help(help),
                None => diagnostic,
            },
        );
    }

    fn bad_value(&mut self, node: &Node, place: &Place<'_>, written: &str, help: &str) {
        let message = format!("{} cannot be `{written}`", place.subject());
        self.push(node, Diagnostic::error(codes::BAD_VALUE, message, node.span, "this value").help(help));
    }

    /// Reports at the place where it is written, and says where an alias brought it in.
    fn push(&mut self, node: &Node, diagnostic: Diagnostic) {
        self.report.push(match node.used_at {
            Some(used_at) => diagnostic.label(used_at, "used here"),
            None => diagnostic,
        });
    }
}

fn kind_fits(shape: &Shape, node: &Node) -> bool {
    match shape {
        Shape::Text(_) | Shape::Word(_) => node.text().is_some(),
        Shape::Bool => node.bool().is_some(),
        Shape::Integer(..) | Shape::Probability => node.number().is_some(),
        Shape::List(..) => matches!(node.value, Value::List(_)),
        Shape::Map(..) | Shape::Object(_) | Shape::Schema | Shape::Trait => matches!(node.value, Value::Map(_)),
        Shape::Either(shapes) => shapes.iter().any(|shape| kind_fits(shape, node)),
        Shape::Json => true,
    }
}

/// What to type, where it is plain from what is there.
fn wrong_type_help(node: &Node, shape: &Shape) -> Option<String> {
    match (shape, &node.value) {
        (Shape::Text(Format::Any | Format::Name), Value::Number(number)) => Some(format!("write \"{}\"", number.text)),
        (Shape::Text(Format::Any | Format::Name), Value::Bool(value)) => Some(format!("write \"{value}\"")),
        (Shape::Text(format), _) => format.examples().first().map(|example| format!("for example `{example}`")),
        (Shape::List(..), Value::Text(text)) if text.len() <= 40 => Some(format!("write `[{text}]`")),
        (Shape::Bool, Value::Text(text)) => match text.to_lowercase().as_str() {
            "yes" | "on" | "y" | "true" => Some("write `true`".to_owned()),
            "no" | "off" | "n" | "false" => Some("write `false`".to_owned()),
            _ => None,
        },
        (Shape::Integer(..) | Shape::Probability, Value::Text(text)) if text.parse::<f64>().is_ok() => {
            Some(format!("write `{text}` without quotes"))
        }
        (Shape::Map(..), Value::Null) => Some("write `{}`, or leave the key out".to_owned()),
        (Shape::Object(keys), Value::Null) if keys.iter().all(|key| !key.required) => Some("write `{}`".to_owned()),
        (_, Value::Null) => Some("give it a value, or leave the key out".to_owned()),
        _ => None,
    }
}
