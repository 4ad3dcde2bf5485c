//! A client in TypeScript, one file without dependencies: it runs in browsers, Node and workers.

use serde_json::{Map, Value as Json};
use sonder_dsl::ir::Program;
use sonder_dsl::model::EventSchema;
use std::fmt::Write;

/// Schemas within schemas that are written out; what is deeper is `unknown`.
const DEPTH: usize = 16;

/// The part that is the same for all projects.
const RUNTIME: &str = include_str!("client.ts");

/// The client of a project.
#[must_use]
pub fn client(program: &Program) -> String {
    let mut out = format!(
        "// Made by `sonder codegen --lang typescript` of the project `{}`. Make it again rather than change it.\n\n",
        comment(&program.settings.name)
    );
    for event in &program.events {
        let mut about: Vec<&str> = Vec::new();
        about.extend(event.title.as_deref());
        about.extend(event.description.as_deref());
        let owner = event.owner.as_ref().map(|owner| format!("Owner: {owner}. Version {}.", event.version));
        about.extend(owner.as_deref());
        doc(&mut out, "", &about.join("\n"));
        let root = event.json_schema.as_object();
        let body = root
            .map_or_else(|| "Record<string, unknown>".to_owned(), |it| Types { root: it }.object(it, Some(event), 0));
        let _ = writeln!(out, "export type {} = {body};\n", type_name(&event.name));
    }
    out.push_str(
        "/** Every event of the project, and the properties that it is sent with. */\nexport interface Events {\n",
    );
    for event in &program.events {
        let _ = writeln!(out, "  {}: {};", key(&event.name), type_name(&event.name));
    }
    out.push_str("}\n\n/** What is known of people: the traits of `profile.yaml`. */\nexport interface Traits {\n");
    for declared in &program.profile {
        doc(&mut out, "  ", declared.description.as_deref().unwrap_or_default());
        let root = declared.json_schema.as_object();
        let kind = root.map_or_else(|| "unknown".to_owned(), |it| Types { root: it }.of(&declared.json_schema, 0));
        let _ = writeln!(out, "  {}?: {kind} | null;", key(&declared.name));
    }
    out.push_str("}\n\n");
    out.push_str(RUNTIME);
    out
}

/// Types of one schema.
struct Types<'a> {
    /// Where `$defs` are.
    root: &'a Map<String, Json>,
}

impl Types<'_> {
    fn of(&self, schema: &Json, depth: usize) -> String {
        let Some(schema) = schema.as_object().filter(|_| depth < DEPTH) else { return "unknown".to_owned() };
        if let Some(reference) = schema.get("$ref").and_then(Json::as_str) {
            let name = reference.strip_prefix("#/$defs/");
            let found = name.and_then(|name| self.root.get("$defs")?.get(name));
            return found.map_or_else(|| "unknown".to_owned(), |found| self.of(found, depth + 1));
        }
        if let Some(value) = schema.get("const") {
            return value.to_string();
        }
        if let Some(values) = schema.get("enum").and_then(Json::as_array) {
            return union(values.iter().map(Json::to_string));
        }
        for key in ["anyOf", "oneOf"] {
            if let Some(parts) = schema.get(key).and_then(Json::as_array) {
                return union(parts.iter().map(|part| self.of(part, depth + 1)));
            }
        }
        match schema.get("type") {
            Some(Json::String(kind)) => self.kind(kind, schema, depth),
            Some(Json::Array(kinds)) => {
                union(kinds.iter().filter_map(Json::as_str).map(|kind| self.kind(kind, schema, depth)))
            }
            _ if schema.contains_key("properties") => self.object(schema, None, depth),
            _ => "unknown".to_owned(),
        }
    }

    fn kind(&self, kind: &str, schema: &Map<String, Json>, depth: usize) -> String {
        match kind {
            "string" | "boolean" | "null" => kind.to_owned(),
            "number" | "integer" => "number".to_owned(),
            "array" => match schema.get("items") {
                Some(items) => format!("Array<{}>", self.of(items, depth + 1)),
                None => "unknown[]".to_owned(),
            },
            "object" if schema.contains_key("properties") => self.object(schema, None, depth),
            _ => "Record<string, unknown>".to_owned(),
        }
    }

    fn object(&self, schema: &Map<String, Json>, event: Option<&EventSchema>, depth: usize) -> String {
        let none = Map::new();
        let properties = schema.get("properties").and_then(Json::as_object).unwrap_or(&none);
        if properties.is_empty() {
            return "Record<string, never>".to_owned();
        }
        let required: Vec<&str> =
            schema.get("required").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str).collect();
        let indent = "  ".repeat(depth);
        let mut out = "{\n".to_owned();
        for (name, property) in properties {
            let declared = event.and_then(|event| event.properties.iter().find(|it| it.name == *name));
            let mut about = property["description"].as_str().unwrap_or_default().to_owned();
            if let Some(pii) = declared.and_then(|it| it.pii) {
                let class = format!("Personal data: {}.", format!("{pii:?}").to_lowercase());
                about = if about.is_empty() { class } else { format!("{about}\n{class}") };
            }
            doc(&mut out, &format!("{indent}  "), &about);
            let mark = if required.contains(&name.as_str()) { "" } else { "?" };
            let _ = writeln!(out, "{indent}  {}{mark}: {};", key(name), self.of(property, depth + 1));
        }
        out + &indent + "}"
    }
}

fn union(parts: impl Iterator<Item = String>) -> String {
    let mut known: Vec<String> = Vec::new();
    for part in parts {
        if !known.contains(&part) {
            known.push(part);
        }
    }
    if known.is_empty() { "never".to_owned() } else { known.join(" | ") }
}

/// `ProductViewed` for `product_viewed`.
fn type_name(event: &str) -> String {
    let mut name = String::new();
    for part in event.split(|it: char| !it.is_ascii_alphanumeric()) {
        let mut letters = part.chars();
        name.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        name.push_str(letters.as_str());
    }
    // Names of the client itself, and what is no name.
    match name.as_str() {
        "Events" | "Traits" | "Who" | "Options" | "Sonder" | "Array" | "Record" | "" => format!("{name}Event"),
        _ if name.starts_with(|first: char| first.is_ascii_digit()) => format!("Event{name}"),
        _ => name,
    }
}

fn key(name: &str) -> String {
    let is_plain = !name.is_empty()
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && name.chars().all(|it| it.is_ascii_alphanumeric() || it == '_' || it == '$');
    if is_plain { name.to_owned() } else { Json::from(name).to_string() }
}

/// Text that ends no comment.
fn comment(text: &str) -> String {
    text.replace("*/", "* /").replace(['\n', '\r'], " ")
}

fn doc(out: &mut String, indent: &str, text: &str) {
    let lines: Vec<String> = text.lines().map(comment).collect();
    let _ = match lines.as_slice() {
        [] => Ok(()),
        [line] => writeln!(out, "{indent}/** {line} */"),
        lines => {
            let body: String = lines.iter().map(|line| format!("{indent} * {line}\n")).collect();
            writeln!(out, "{indent}/**\n{body}{indent} */")
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use sonder_dsl::source::{SourceFile, SourceSet};

    #[test]
    fn a_project_becomes_types() {
        let files = [
            ("sonder.yaml", "name: shop"),
            (
                "events/view.yaml",
                "event: product_viewed\ntitle: Product Viewed\ndescription: A product */ was on screen.\nowner: catalogue\nproperties:\n  \
                 product_id: {type: string, description: Which}\n  category: {type: string, enum: [shoes, coats]}\n  \
                 price: {type: [number, \"null\"]}\n  tags: {type: array, items: {type: string}}\n  \
                 \"ship-to\": {type: object, properties: {zip: {type: string}}, required: [zip]}\n  \
                 email: {type: string, format: email, pii: contact}\nrequired: [product_id]\n",
            ),
            ("events/empty.yaml", "event: traits"),
            ("profile.yaml", "traits: {country: {type: string}}"),
        ];
        let files = files.map(|(path, text)| SourceFile { path: path.to_owned(), text: text.to_owned() });
        let compilation = sonder_dsl::compile(SourceSet::new(files.to_vec()));
        let text = client(&compilation.program.ok_or(compilation.diagnostics).unwrap());
        for line in [
            "export type ProductViewed = {",
            " * A product * / was on screen.",
            "  product_id: string;",
            "  category?: \"shoes\" | \"coats\";",
            "  price?: number | null;",
            "  tags?: Array<string>;",
            "  \"ship-to\"?: {",
            "    zip: string;",
            "  /** Personal data: contact. */",
            "  product_viewed: ProductViewed;",
            "  traits: TraitsEvent;",
            "  country?: string | null;",
        ] {
            assert!(text.lines().any(|it| it == line), "{line} is not in\n{text}");
        }
        assert!(text.ends_with(RUNTIME));
    }
}
