//! The published schemas say what the compiler says, and a schema that the compiler accepts can be validated with.

#![expect(clippy::expect_used, clippy::panic, reason = "what a test cannot go on without fails it")]

use proptest::prelude::*;
use serde_json::{Value, json};
use sonder_dsl::compile;
use sonder_dsl::diagnostic::codes;
use sonder_dsl::project::{FileKind, KINDS, schema};
use sonder_dsl::source::{SourceFile, SourceSet};
use std::path::Path;

#[test]
fn every_sound_file_validates() {
    let mut seen = 0;
    for folder in ["tests/projects/everything", "../examples/shop"] {
        for (path, text) in files(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).as_path(), "") {
            let Some(schema) = schema(&FileKind::of(&path)) else { continue };
            let validator = jsonschema::validator_for(&schema).expect("a schema");
            let errors: Vec<_> = validator.iter_errors(&yaml(&text)).map(|error| error.to_string()).collect();
            assert!(errors.is_empty(), "{folder}/{path}: {errors:?}");
            seen += 1;
        }
    }
    assert!(seen > 20, "only {seen} files");
}

/// What the compiler finds by the tables, an editor finds by the published schema, and where one is content, so is the other.
#[test]
fn pages_are_wrong_and_right_for_editors_too() {
    for code in ["E0401", "E0402", "E0403", "E0404", "E0405", "E0406", "E0407", "E0408", "E0440"] {
        let page = codes::find(code).expect("a code").page;
        for (section, sound) in [("## Wrong", false), ("## Right", true)] {
            let (path, text) = first_block(page, section);
            let schema = schema(&FileKind::of(&path)).expect("a schema");
            let validator = jsonschema::validator_for(&schema).expect("a schema");
            assert_eq!(validator.is_valid(&yaml(&text)), sound, "{code} {section} {path}");
        }
    }
}

#[test]
fn every_kind_has_a_schema_and_every_key_its_words() {
    fn described(schema: &Value, path: &str) {
        for (name, inside) in schema["properties"].as_object().into_iter().flatten() {
            let description = inside["description"].as_str().unwrap_or_default();
            assert!(!description.is_empty() && !description.ends_with('.'), "{path}.{name}");
            described(inside, &format!("{path}.{name}"));
        }
    }
    for (name, kind) in KINDS {
        let schema = schema(kind).expect("a schema");
        assert!(jsonschema::meta::is_valid(&schema), "{name}");
        described(&schema, name);
        insta::assert_json_snapshot!(*name, schema);
    }
    assert!(schema(&FileKind::Rules).is_none());
}

#[test]
fn what_schemas_may_say_is_told_from_what_they_may_not() {
    for (property, code) in [
        ("{type: string, minLength: -1}", Some("E0440")),
        ("{type: string, minLength: 1.5}", Some("E0440")),
        ("{type: string, minLength: 3, maxLength: 2}", Some("E0440")),
        ("{type: number, minimum: 3, maximum: 3}", None),
        ("{type: number, multipleOf: 0}", Some("E0440")),
        ("{type: []}", Some("E0440")),
        ("{type: [string, string]}", Some("E0440")),
        ("{type: [string, 'null']}", None),
        ("{enum: []}", Some("E0440")),
        ("{enum: [a, a]}", Some("E0440")),
        ("{type: integer, enum: [1, 2.0]}", None),
        ("{type: integer, enum: [1, 2.5]}", Some("E0441")),
        ("{type: string, const: 1}", Some("E0441")),
        ("{type: string, pattern: '^[a-z]+$'}", None),
        ("{type: string, pattern: '^[a-z'}", Some("E0410")),
        ("{type: string, pattern: 'a(?=b)'}", Some("E0410")),
        ("{type: object, patternProperties: {'(': {type: string}}}", Some("E0410")),
        ("{type: array, items: {type: strin}}", Some("E0440")),
        ("{type: array, items: [a]}", Some("E0440")),
        ("{type: array, items: true}", None),
        ("{anyOf: []}", Some("E0440")),
        ("{anyOf: [{type: string}, {type: integer}]}", None),
        ("{type: object, required: [a, a]}", Some("E0440")),
        ("{$id: 'https://x.example/y'}", Some("E0440")),
        ("{$ref: 'https://x.example/y'}", Some("E0440")),
        ("{$ref: '#/properties/p/nothing'}", Some("E0442")),
        ("{$ref: '#/$defs/d'}", None),
        ("{type: string, format: e-mail}", Some("W0901")),
        ("{type: string, format: email}", None),
        ("{typ: string}", Some("W0901")),
        ("{type: string, pii: contct}", Some("E0404")),
        ("{type: string, derive: {d: domain}}", Some("E0405")),
        ("{type: string, derive: {d: dommain(p)}}", Some("E0405")),
        ("{type: string, derive: {d: domain(other)}}", Some("E0405")),
        ("{type: integer, derive: {d: year(p)}}", Some("E0405")),
        ("{type: string, derive: {p: domain(p)}}", Some("E0423")),
        ("{type: string, derive: {d: domain(p)}}", None),
        ("{type: object, properties: {street: {type: string, pii: contact}}}", Some("W0902")),
        ("5", Some("E0402")),
    ] {
        let found = compiled(property);
        match code {
            Some(code) => assert!(found.iter().any(|found| found == code), "{property}: {found:?}"),
            None => assert!(found.is_empty(), "{property}: {found:?}"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// The compiler is at least as strict as the validator that the engine builds.
    #[test]
    fn an_accepted_schema_can_be_built(schema in schemas()) {
        let event = json!({"event": "a", "properties": {"p": schema}, "$defs": {"d": {"type": "string"}}});
        let text = serde_json::to_string(&event).expect("JSON");
        let files = vec![file("sonder.yaml", "name: shop"), file("events/a.yaml", &text)];
        if let Some(program) = compile(SourceSet::new(files)).program {
            let built = jsonschema::draft202012::options().build(&program.events[0].json_schema);
            prop_assert!(built.is_ok(), "{:?}: {text}", built.err().map(|error| error.to_string()));
        }
    }
}

fn schemas() -> impl Strategy<Value = Value> {
    let keywords = prop::sample::select(vec![
        "type",
        "enum",
        "const",
        "multipleOf",
        "maximum",
        "minimum",
        "exclusiveMinimum",
        "maxLength",
        "minLength",
        "maxItems",
        "minContains",
        "pattern",
        "format",
        "uniqueItems",
        "required",
        "dependentRequired",
        "items",
        "prefixItems",
        "contains",
        "properties",
        "patternProperties",
        "additionalProperties",
        "propertyNames",
        "unevaluatedProperties",
        "dependentSchemas",
        "allOf",
        "anyOf",
        "oneOf",
        "not",
        "if",
        "then",
        "else",
        "$ref",
        "$defs",
        "$comment",
        "title",
        "default",
        "examples",
        "deprecated",
        "$id",
        "$anchor",
        "nonsense",
    ]);
    let leaf = prop_oneof![
        prop::sample::select(vec![
            "string",
            "integer",
            "number",
            "array",
            "object",
            "null",
            "email",
            "^a",
            "(",
            "a",
            "#",
            "#/$defs/d",
            "#/$defs/e",
            "#/properties/p",
            "http://x",
        ])
        .prop_map(|text| json!(text)),
        prop::sample::select(vec![json!(0), json!(1), json!(-1), json!(0.01), json!(1e300), json!(true), json!(null)]),
        prop::collection::vec(prop::sample::select(vec!["string", "integer", "a", "b"]), 0..3)
            .prop_map(|texts| json!(texts)),
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            4 => prop::collection::btree_map(keywords.clone(), inner.clone(), 0..4).prop_map(|entries| {
                Value::Object(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
            }),
            1 => prop::collection::vec(inner, 0..3).prop_map(Value::Array),
        ]
    })
}

fn compiled(property: &str) -> Vec<String> {
    let text = format!("event: a\nproperties:\n  p: {property}\n$defs:\n  d: {{type: string}}\n");
    let compilation = compile(SourceSet::new(vec![file("sonder.yaml", "name: shop"), file("events/a.yaml", &text)]));
    compilation.diagnostics.iter().map(|found| found.code.to_owned()).collect()
}

fn file(path: &str, text: &str) -> SourceFile {
    SourceFile { path: path.to_owned(), text: text.to_owned() }
}

fn yaml(text: &str) -> Value {
    serde_yaml::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn first_block(page: &str, section: &str) -> (String, String) {
    let (_, after) = page.split_once(section).expect("a section");
    let (_, block) = after.split_once("```yaml ").expect("a block");
    let (path, rest) = block.split_once('\n').expect("a path");
    (path.to_owned(), rest.split("```").next().unwrap_or_default().to_owned())
}

fn files(root: &Path, inside: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root.join(inside)).expect("a folder") {
        let name = entry.expect("an entry").file_name().into_string().expect("text");
        let path = if inside.is_empty() { name } else { format!("{inside}/{name}") };
        if root.join(&path).is_dir() {
            found.extend(files(root, &path));
        } else if path.ends_with(".yaml") {
            found.push((path.clone(), std::fs::read_to_string(root.join(&path)).expect("text")));
        }
    }
    found
}
