//! One walk over a message before anything else reads it: depth, number of keys, characters that no store takes.

use super::{Reason, code, limits};
use serde_json::{Map, Value as Json};

/// What keeps a message from being read; empty when nothing does.
pub(super) fn inspect(message: &Map<String, Json>) -> Vec<Reason> {
    let mut walk = Walk::default();
    walk.object(message, 1);
    let mut reasons = Vec::new();
    if walk.too_deep {
        reasons.push(Reason::new(code::TOO_DEEP, "", format!("nested deeper than {} levels", limits::DEPTH)));
    }
    if walk.keys > limits::PROPERTIES {
        reasons.push(Reason::new(
            code::TOO_MANY_PROPERTIES,
            "",
            format!("has {} keys, {} are allowed", walk.keys, limits::PROPERTIES),
        ));
    }
    if walk.nul {
        let path = place_of_nul(message).unwrap_or_default();
        reasons.push(Reason::new(code::NUL_CHARACTER, path, "contains a NUL character"));
    }
    reasons
}

#[derive(Default)]
struct Walk {
    keys: usize,
    too_deep: bool,
    nul: bool,
}

impl Walk {
    fn object(&mut self, object: &Map<String, Json>, depth: usize) {
        if depth > limits::DEPTH {
            self.too_deep = true;
            return;
        }
        self.keys += object.len();
        for (key, value) in object {
            self.text(key);
            self.value(value, depth);
        }
    }

    fn value(&mut self, value: &Json, depth: usize) {
        match value {
            Json::String(text) => self.text(text),
            Json::Object(object) => self.object(object, depth + 1),
            Json::Array(items) if depth < limits::DEPTH => items.iter().for_each(|item| self.value(item, depth + 1)),
            Json::Array(_) => self.too_deep = true,
            Json::Null | Json::Bool(_) | Json::Number(_) => {}
        }
    }

    fn text(&mut self, text: &str) {
        self.nul |= text.as_bytes().contains(&0);
    }
}

/// The JSON pointer of the first value (or of the object with the key) that has a NUL.
fn place_of_nul(object: &Map<String, Json>) -> Option<String> {
    object.iter().find_map(|(key, value)| {
        if key.contains('\0') {
            return Some(String::new());
        }
        below(value).map(|rest| format!("/{}{rest}", escape(key)))
    })
}

fn below(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => text.contains('\0').then(String::new),
        Json::Object(object) => place_of_nul(object),
        Json::Array(items) => {
            items.iter().enumerate().find_map(|(index, item)| below(item).map(|rest| format!("/{index}{rest}")))
        }
        Json::Null | Json::Bool(_) | Json::Number(_) => None,
    }
}

/// A key as a part of a JSON pointer.
fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}
