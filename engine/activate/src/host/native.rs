//! Destinations that are part of the engine, because no component could be them: one writes files, another is what pages
//! ask. To a project they are as any bundled plugin: they describe themselves, and take the same items.

use super::Description;
use crate::outbox::Transport;
use serde_json::{Value, json};
use sonder_dsl::ir::Program;
use sonder_dsl::model::Destination;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

/// Parquet or JSON lines in a directory.
pub use sonder_dsl::model::FILES;
/// What pages ask for.
pub const ONSITE: &str = "sonder/onsite@1";
/// All of them.
pub const NATIVE: [&str; 2] = [FILES, ONSITE];

/// Makes the way to a destination of one kind.
pub trait Bind: Send + Sync + 'static {
    /// The way to this destination of a program, whose configuration fits the schema.
    ///
    /// # Errors
    /// The key of its configuration that is at fault, as a JSON pointer, and what is wrong.
    fn bind(&self, destination: &Destination, program: &Arc<Program>) -> Result<Arc<dyn Transport>, (String, String)>;

    /// Takes people who are erased out of what destinations left that are no more: nobody tells these. Done again, it changes
    /// nothing.
    ///
    /// # Errors
    /// When something of it cannot be read or written; what was done by then is done.
    fn forget(&self, whom: &[Whom<'_>], program: &Program) -> io::Result<()> {
        let _ = (whom, program);
        Ok(())
    }
}

/// Somebody who is erased.
pub struct Whom<'a> {
    /// (kind, value), as messages have them.
    pub identifiers: &'a [(String, String)],
    /// How they wrote them.
    pub written: &'a [String],
    /// The pseudonyms that they may be known by.
    pub pseudonyms: &'a MakePseudonyms<'a>,
}

/// By what a destination of that name may have known an identifier, of that kind and value: as (kind, value).
pub type MakePseudonyms<'a> = dyn Fn(&str, &str, &str) -> Vec<(String, String)> + 'a;

/// What the running engine has of them, by name.
pub type Natives = BTreeMap<&'static str, Arc<dyn Bind>>;

/// What the destination of that name says of itself; `None` where it is none of these.
#[must_use]
pub fn describe(name: &str) -> Option<Description> {
    let description = match name {
        FILES => files(),
        ONSITE => onsite(),
        _ => return None,
    };
    Description::read(&description.to_string()).ok()
}

fn files() -> Value {
    json!({
        "name": "files",
        "version": "1.0.0",
        "summary": "keeps a row for each item in Parquet or JSON lines, in a folder for each day",
        "actions": {"row": {
            "summary": "a row with these fields as its payload",
            "schema": {"type": "object", "additionalProperties": true},
        }},
        "config": {
            "type": "object",
            "properties": {
                "path": {"type": "string", "minLength": 1, "description": "Where to; by default `files/` and the destination's name in the data directory, which a relative path begins at, too"},
                "format": {"enum": ["parquet", "ndjson"], "default": "parquet"},
                "minutes": {"type": "integer", "minimum": 1, "maximum": 1_440, "default": 5, "description": "A file is finished after so many minutes"},
                "rows": {"type": "integer", "minimum": 1, "maximum": 10_000_000, "default": 100_000, "description": "A file is finished with so many rows"},
            },
            "additionalProperties": false,
        },
    })
}

fn onsite() -> Value {
    json!({
        "name": "onsite",
        "version": "1.0.0",
        "summary": "gives pages what is meant for their visitor: segments, traits and messages",
        "accepts": ["message", "segment-entered", "segment-left", "trait-changed", "erase"],
        "actions": {"show": {
            "summary": "something for the page to show; its fields are the page's own",
            "schema": {
                "type": "object",
                "properties": {
                    "slot": {"type": "string", "description": "The place on the page; a later message takes the place of an earlier one"},
                    "hours": {"type": "integer", "minimum": 1, "maximum": 2_160, "description": "How long it is of use; by default `days` of the destination"},
                },
                "additionalProperties": true,
            },
        }},
        "config": {
            "type": "object",
            "properties": {
                "days": {"type": "integer", "minimum": 1, "maximum": 90, "default": 30, "description": "How long messages are kept"},
            },
            "additionalProperties": false,
        },
        "identifiers": ["anonymous_id", "user_id"],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_describe_themselves_like_plugins() {
        for name in NATIVE {
            let description = describe(name).unwrap();
            assert_eq!(name, format!("sonder/{}@1", description.name));
            assert_eq!(description.config_problems(&json!({})), []);
            assert_eq!(description.config_problems(&json!({"colour": "red"})).len(), 1, "{name}");
        }
        assert!(describe("sonder/webhook@1").is_none());
    }
}
