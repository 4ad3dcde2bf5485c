//! Schemas are documentation too: what they give as examples must be valid.

use super::schema::validator;
use serde_json::Value as Json;
use sonder_dsl::ir::Program;

/// What is wrong with the JSON Schema of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaProblem {
    /// The event's name.
    pub event: String,
    /// A JSON pointer into its JSON Schema.
    pub path: String,
    /// What is wrong: lower case, no full stop.
    pub message: String,
}

/// Everything that is wrong with a program's event schemas: those that are no valid JSON Schema, and `examples` that are
/// not what the schema beside them says. In the order of events and places.
#[must_use]
pub fn schema_problems(program: &Program) -> Vec<SchemaProblem> {
    let mut problems = Vec::new();
    for event in &program.events {
        let mut report = |path: &str, message: String| {
            problems.push(SchemaProblem { event: event.name.clone(), path: path.to_owned(), message });
        };
        match validator(&event.json_schema) {
            Ok(_) => check_examples(&event.json_schema, &event.json_schema, &mut String::new(), &mut report),
            Err(error) => report("", format!("is no valid JSON Schema: {error}")),
        }
    }
    problems
}

/// Checks the examples of the schema at `path` below `root` and of all schemas below it.
fn check_examples(root: &Json, schema: &Json, path: &mut String, report: &mut impl FnMut(&str, String)) {
    let Some(object) = schema.as_object() else { return };
    if let Some(examples) = object.get("examples").and_then(Json::as_array).filter(|examples| !examples.is_empty()) {
        check_values(root, schema, examples, path, report);
    }
    for (key, below) in object {
        let length = path.len();
        match (key.as_str(), below) {
            ("properties" | "patternProperties" | "$defs" | "dependentSchemas", Json::Object(schemas)) => {
                for (name, schema) in schemas {
                    path.push_str(&format!("/{key}/{}", name.replace('~', "~0").replace('/', "~1")));
                    check_examples(root, schema, path, report);
                    path.truncate(length);
                }
            }
            (
                "items" | "additionalProperties" | "contains" | "propertyNames" | "not" | "if" | "then" | "else",
                below,
            ) => {
                path.push_str(&format!("/{key}"));
                check_examples(root, below, path, report);
            }
            ("prefixItems" | "allOf" | "anyOf" | "oneOf", Json::Array(schemas)) => {
                for (index, schema) in schemas.iter().enumerate() {
                    path.push_str(&format!("/{key}/{index}"));
                    check_examples(root, schema, path, report);
                    path.truncate(length);
                }
            }
            _ => {}
        }
        path.truncate(length);
    }
}

fn check_values(root: &Json, schema: &Json, examples: &[Json], path: &str, report: &mut impl FnMut(&str, String)) {
    // A schema that points elsewhere only means something within the whole.
    let standing_alone = match schema.as_object() {
        Some(object) => {
            let mut object = object.clone();
            for key in ["$defs", "definitions"] {
                if let Some(definitions) = root.get(key) {
                    object.entry(key).or_insert_with(|| definitions.clone());
                }
            }
            Json::Object(object)
        }
        None => return,
    };
    match validator(&standing_alone) {
        Ok(validator) => {
            for (index, example) in examples.iter().enumerate() {
                if let Some(error) = validator.iter_errors(example).next() {
                    report(&format!("{path}/examples/{index}"), super::schema::explain(&error));
                }
            }
        }
        Err(error) => report(path, format!("is no valid JSON Schema by itself: {error}")),
    }
}
