//! One scenario played with several values: `cases` by name, `$variable` where a value stands.

use crate::diagnostic::{Diagnostic, Report, codes, suggest};
use crate::yaml::{Entry, Node, Value};

/// The scenario with the values of one case.
pub struct Case {
    /// Its name; `None` for a scenario without cases.
    pub name: Option<String>,
    pub root: Node,
}

/// The cases of a scenario. Without `cases` a `$` is like any other character.
pub fn expand(root: Node, report: &mut Report) -> Vec<Case> {
    let cases = root.get("cases").map_or(&[][..], Node::entries);
    if cases.is_empty() {
        return vec![Case { name: None, root }];
    }
    let case = |entry: &Entry| {
        let mut case = root.clone();
        let mut filler = Filler { case: &entry.key, variables: entry.value.entries(), report };
        if let Value::Map(entries) = &mut case.value {
            entries.iter_mut().filter(|entry| entry.key != "cases").for_each(|entry| filler.node(&mut entry.value));
        }
        Case { name: Some(entry.key.clone()), root: case }
    };
    cases.iter().map(case).collect()
}

struct Filler<'a> {
    case: &'a str,
    variables: &'a [Entry],
    report: &'a mut Report,
}

impl Filler<'_> {
    fn node(&mut self, node: &mut Node) {
        match &mut node.value {
            Value::List(items) => items.iter_mut().for_each(|item| self.node(item)),
            Value::Map(entries) => {
                for entry in entries {
                    if let Some(Value::Text(key)) = self.filled(&entry.key, entry.key_span) {
                        entry.key = key;
                    }
                    self.node(&mut entry.value);
                }
            }
            Value::Text(text) => {
                if let Some(value) = self.filled(&text.clone(), node.span) {
                    node.value = value;
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// The value of a text that names variables. One that is nothing else has the variable's value, of any kind.
    fn filled(&mut self, text: &str, place: crate::source::Span) -> Option<Value> {
        let mut rest = text;
        let mut whole = String::new();
        while let Some((before, after)) = rest.split_once('$') {
            whole.push_str(before);
            if let Some(after) = after.strip_prefix('$') {
                whole.push('$');
                rest = after;
                continue;
            }
            let is_of_name = |it: char| it.is_ascii_alphanumeric() || it == '_';
            let end = after.find(|it| !is_of_name(it)).unwrap_or(after.len());
            let (name, after) = after.split_at(end);
            let Some(entry) = self.variables.iter().find(|entry| entry.key == name) else {
                self.unknown(name, place);
                return None;
            };
            if name.len() + 1 == text.len() {
                return Some(entry.value.value.clone());
            }
            match &entry.value.value {
                Value::Text(value) => whole.push_str(value),
                Value::Number(number) => whole.push_str(&number.text),
                Value::Bool(value) => whole.push_str(if *value { "true" } else { "false" }),
                Value::Null | Value::List(_) | Value::Map(_) => {
                    let message = format!("`{name}` is {}, which is no part of a text", entry.value.kind());
                    self.report.push(Diagnostic::error(codes::WRONG_TYPE, message, place, "used here"));
                    return None;
                }
            }
            rest = after;
        }
        whole.push_str(rest);
        (whole != text).then_some(Value::Text(whole))
    }

    fn unknown(&mut self, name: &str, place: crate::source::Span) {
        let message = format!("the case `{}` has no `{name}`", self.case);
        let error = Diagnostic::error(codes::BAD_VALUE, message, place, "used here");
        let help = suggest::help(name, self.variables.iter().map(|entry| entry.key.as_str()));
        self.report
            .push(error.help(help.unwrap_or_else(|| "give it a value there, or write `$$` for a dollar".into())));
    }
}
