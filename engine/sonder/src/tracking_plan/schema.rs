//! An event's JSON Schema as rows that people read: a property and what is inside it, its type, what its values may be.

use serde_json::{Map, Value as Json};
use sonder_dsl::model::EventSchema;

/// Properties within properties that are shown; what is deeper is in the schema below the table.
const DEPTH: usize = 6;

/// One property, or one inside it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    /// From the top: `total`, `address.city`, `products[].sku`.
    pub path: String,
    /// 0 for a property of the event.
    pub depth: usize,
    /// As JSON Schema calls it: `string`, `number or null`, `list of string`.
    pub kind: String,
    /// Whether it is always there, in what it is inside of.
    pub required: bool,
    /// What it means.
    pub description: Option<String>,
    /// What its values may be: `at least 0`, `an e-mail address`.
    pub limits: Vec<String>,
    /// The only values that it may have.
    pub choices: Vec<Json>,
    /// Values to show.
    pub examples: Vec<Json>,
    /// It is no longer to be sent.
    pub deprecated: bool,
}

/// All properties of an event, in the order of its file, each before what is inside it.
pub(super) fn rows(event: &EventSchema) -> Vec<Row> {
    rows_of(&event.json_schema)
}

/// All properties of an object.
pub(super) fn rows_of(object: &Json) -> Vec<Row> {
    let mut rows = Vec::new();
    Schema { root: object }.properties(object, "", 0, &mut rows);
    rows
}

/// A call that sends the event, with values that are known to be right, and a hole for each other one that must be there.
pub(super) fn sample(event: &EventSchema, rows: &[Row]) -> Map<String, Json> {
    let own = rows.iter().filter(|row| row.depth == 0);
    let known = own.filter_map(|row| {
        let value = row.examples.first().or_else(|| row.choices.iter().find(|value| !value.is_null())).cloned();
        let hole = || match row.kind.split(' ').next().unwrap_or_default() {
            "number" | "integer" => Json::from(0),
            "boolean" => Json::from(true),
            "list" => Json::Array(Vec::new()),
            "object" => Json::Object(Map::new()),
            _ => Json::from("…"),
        };
        Some((row.path.clone(), value.or_else(|| event.required.contains(&row.path).then(hole))?))
    });
    known.collect()
}

struct Schema<'a> {
    /// Where `$defs` are.
    root: &'a Json,
}

impl<'a> Schema<'a> {
    fn properties(&self, schema: &'a Json, above: &str, depth: usize, rows: &mut Vec<Row>) {
        let Some(properties) = schema["properties"].as_object().filter(|_| depth < DEPTH) else { return };
        let required: Vec<&str> =
            schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
        for (name, written) in properties {
            let own = self.resolved(written);
            let path = if above.is_empty() { name.clone() } else { format!("{above}.{name}") };
            // What a reference leads to may be said of by what refers to it, too.
            let said = |key: &str| written.get(key).or_else(|| own.get(key));
            let limits = limits(own);
            rows.push(Row {
                kind: self.kind(own, 0),
                depth,
                required: required.contains(&name.as_str()),
                description: said("description").or_else(|| said("title")).and_then(Json::as_str).map(str::to_owned),
                limits,
                choices: match (own.get("const"), own["enum"].as_array()) {
                    (Some(only), _) => vec![only.clone()],
                    (None, Some(values)) => values.clone(),
                    (None, None) => Vec::new(),
                },
                examples: said("examples").and_then(Json::as_array).cloned().unwrap_or_default(),
                deprecated: said("deprecated") == Some(&Json::Bool(true)),
                path: path.clone(),
            });
            self.properties(own, &path, depth + 1, rows);
            let items = self.resolved(&own["items"]);
            self.properties(items, &format!("{path}[]"), depth + 1, rows);
        }
    }

    /// What `$ref` leads to; a chain of them ends somewhere, or is none.
    fn resolved(&self, schema: &'a Json) -> &'a Json {
        let mut found = schema;
        for _ in 0..DEPTH {
            let Some(pointer) = found["$ref"].as_str().and_then(|it| it.strip_prefix('#')) else { break };
            match self.root.pointer(pointer) {
                Some(next) => found = next,
                None => break,
            }
        }
        found
    }

    fn kind(&self, schema: &'a Json, depth: usize) -> String {
        let schema = self.resolved(schema);
        if depth > DEPTH {
            return "anything".to_owned();
        }
        for key in ["anyOf", "oneOf"] {
            if let Some(parts) = schema[key].as_array() {
                return either(parts.iter().map(|part| self.kind(part, depth + 1)));
            }
        }
        match &schema["type"] {
            Json::String(kind) => self.named(kind, schema, depth),
            Json::Array(kinds) => {
                either(kinds.iter().filter_map(Json::as_str).map(|kind| self.named(kind, schema, depth)))
            }
            _ => match (schema.get("const"), schema["enum"].as_array()) {
                (Some(only), _) => of_value(only).to_owned(),
                (None, Some(values)) => either(values.iter().map(|value| of_value(value).to_owned())),
                (None, None) if schema.get("properties").is_some() => "object".to_owned(),
                (None, None) => "anything".to_owned(),
            },
        }
    }

    fn named(&self, kind: &str, schema: &'a Json, depth: usize) -> String {
        match (kind, schema.get("items")) {
            ("array", Some(items)) => format!("list of {}", self.kind(items, depth + 1)),
            ("array", None) => "list".to_owned(),
            _ => kind.to_owned(),
        }
    }
}

const fn of_value(value: &Json) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "boolean",
        Json::Number(_) => "number",
        Json::String(_) => "string",
        Json::Array(_) => "list",
        Json::Object(_) => "object",
    }
}

fn either(parts: impl Iterator<Item = String>) -> String {
    let mut known: Vec<String> = Vec::new();
    for part in parts {
        if !known.contains(&part) {
            known.push(part);
        }
    }
    if known.is_empty() { "anything".to_owned() } else { known.join(" or ") }
}

/// What the keywords that bound a value say.
fn limits(schema: &Json) -> Vec<String> {
    let mut said = Vec::new();
    let mut say = |key: &str, words: &dyn Fn(String) -> String| {
        if let Some(value) = schema.get(key) {
            said.push(words(value.as_str().map_or_else(|| value.to_string(), str::to_owned)));
        }
    };
    say("format", &|format| match format.as_str() {
        "email" | "idn-email" => "an e-mail address".to_owned(),
        "date-time" => "a moment, as in RFC 3339".to_owned(),
        "uri" | "iri" => "a URI".to_owned(),
        "uuid" => "a UUID".to_owned(),
        format => format!("in the format {format}"),
    });
    say("minimum", &|least| format!("at least {least}"));
    say("exclusiveMinimum", &|bound| format!("more than {bound}"));
    say("maximum", &|most| format!("at most {most}"));
    say("exclusiveMaximum", &|bound| format!("less than {bound}"));
    say("multipleOf", &|step| format!("a multiple of {step}"));
    say("minLength", &|least| format!("{least} or more characters"));
    say("maxLength", &|most| format!("at most {most} characters"));
    say("pattern", &|pattern| format!("matches /{pattern}/"));
    say("minItems", &|least| format!("{least} or more items"));
    say("maxItems", &|most| format!("at most {most} items"));
    if schema["uniqueItems"] == true {
        said.push("no item twice".to_owned());
    }
    if let Some(default) = schema.get("default") {
        said.push(format!("default {default}"));
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use sonder_dsl::source::{SourceFile, SourceSet};

    #[test]
    fn properties_are_rows_with_what_is_inside_them() {
        let text = "event: order\nrequired: [id, total]\nproperties:\n  id: {type: string, minLength: 1}\n  \
             total: {type: number, multipleOf: 0.01, minimum: 0, description: Paid}\n  \
             currency: {enum: [EUR, USD], examples: [USD]}\n  note: {type: [string, 'null'], deprecated: true}\n  \
             ship: {$ref: '#/$defs/address'}\n  products:\n    type: array\n    items: {type: object, required: [sku], properties: {sku: {type: string}}}\n\
             $defs:\n  address: {type: object, properties: {zip: {type: string, pattern: '^[0-9]+$'}}}\n";
        let file = |path: &str, text: &str| SourceFile { path: path.to_owned(), text: text.to_owned() };
        let files = vec![file("sonder.yaml", "name: x"), file("events/order.yaml", text)];
        let compilation = sonder_dsl::compile(SourceSet::new(files));
        let program = compilation.program.ok_or(compilation.diagnostics).unwrap();
        let event = &program.events[0];
        let rows = rows(event);
        let shown: Vec<String> = rows
            .iter()
            .map(|row| {
                let mark = if row.required { "!" } else { "" };
                format!("{}{}{mark} {} {:?}", " ".repeat(row.depth), row.path, row.kind, row.limits)
            })
            .collect();
        assert_eq!(
            shown,
            [
                "id! string [\"1 or more characters\"]",
                "total! number [\"at least 0\", \"a multiple of 0.01\"]",
                "currency string []",
                "note string or null []",
                "ship object []",
                " ship.zip string [\"matches /^[0-9]+$/\"]",
                "products list of object []",
                " products[].sku! string []",
            ]
        );
        let sample = serde_json::Value::Object(sample(event, &rows)).to_string();
        assert_eq!(sample, r#"{"id":"…","total":0,"currency":"USD"}"#);
        assert!(rows[3].deprecated && rows[1].description.as_deref() == Some("Paid"));
    }
}
