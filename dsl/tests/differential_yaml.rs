//! Our YAML reader and `serde_yaml` agree: on texts that people write, and on whatever `serde_yaml` writes.

#![expect(clippy::panic, reason = "what a test cannot go on without fails it")]

use proptest::prelude::*;
use serde_yaml::Value;
use sonder_dsl::diagnostic::Report;
use sonder_dsl::source::FileId;
use sonder_dsl::yaml;

const CORPUS: &[&str] = &[
    "a: 1\nb: two\nc: [3, 4.5, true, null, ~]\n",
    "plain: it's a \"quote\" here\nsingle: 'it''s'\ndouble: \"tab\\there \\u00e9\"\n",
    "literal: |\n  two\n  lines\nfolded: >\n  one\n  line\n\n  new paragraph\nstripped: |-\n  no break\nkept: |+\n  breaks\n\n",
    "- - a\n  - b\n- c: d\n  e: f\n-\n  - g\n",
    "{a: {b: {c: []}}, 'd e': {}, \"f\": \"\"}\n",
    "base: &base\n  x: 1\n  y: [2]\nmore:\n  <<: *base\n  z: *base\n",
    "# comment\na: b # another\n\n\n# the end\n",
    "time: 21:00\ndate: 2026-01-01\nversion: 1-2-0\nkey: wk_1\nurl: http://x/y#z\nemail: a@b.c\n",
    "octal: 0o17\nhex: 0x1F\nexp: 1e3\nneg: -5\nplus: +5\ndot: .5\nbig: 9007199254740993\n",
    "yes: no\non: off\ny: n\ntrue_text: 'true'\n",
    "multi\n  line: plain\n  spread",
    "k: plain text\n  over two lines\n",
    "empty:\nnull_word: null\ntilde: ~\n",
    "\"quoted key\": 1\n'another': 2\n",
    "--- \na: b\n...\n",
    "a: é\nü: \"€ 5\"\n中: 文\n",
    "anchors: [&x 1, *x, &y [2], *y]\n",
];

#[test]
fn agree_on_what_people_write() {
    for text in CORPUS {
        let theirs = serde_yaml::from_str::<Value>(text).ok().map(|mut value| {
            value.apply_merge().expect("merge keys hold maps");
            json(&value)
        });
        assert_eq!(ours(text), theirs, "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2048, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn agree_on_what_it_writes(value in node()) {
        let text = serde_yaml::to_string(&value).expect("plain values can be written");
        prop_assert_eq!(ours(&text), Some(json(&value)), "{}", text);
    }
}

fn ours(text: &str) -> Option<serde_json::Value> {
    let mut report = Report::default();
    let node = yaml::read(FileId(0), text, &mut report)?;
    assert_eq!(report.errors(), 0, "{text}\n{:?}", report.finish());
    Some(node.to_json())
}

/// As JSON, so that both have the same kinds of values; keys are text.
fn json(value: &Value) -> serde_json::Value {
    use serde_json::Value as Json;
    match value {
        Value::Null => Json::Null,
        Value::Bool(value) => Json::Bool(*value),
        Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(number), _, _) => number.into(),
            (_, Some(number), _) => number.into(),
            (_, _, float) => float.and_then(serde_json::Number::from_f64).map_or(Json::Null, Json::Number),
        },
        Value::String(text) => Json::String(text.clone()),
        Value::Sequence(items) => Json::Array(items.iter().map(json).collect()),
        Value::Mapping(entries) => {
            Json::Object(entries.iter().map(|(key, value)| (key_text(key), json(value))).collect())
        }
        Value::Tagged(tagged) => json(&tagged.value),
    }
}

fn key_text(key: &Value) -> String {
    match key {
        Value::String(text) => text.clone(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.to_string(),
        other => panic!("no key of a project file: {other:?}"),
    }
}

fn node() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        "[a-z_]{0,8}",
        "\\PC{0,12}",
        "[ -~\n\t]{0,20}",
        prop::sample::select(vec![
            "yes",
            "no",
            "on",
            "off",
            "true",
            "null",
            "~",
            "1",
            "1.5",
            "012",
            "1_000",
            "0x1F",
            "21:00",
            "- a",
            "a: b",
            "#",
            " # c",
            "&a",
            "*a",
            "!t",
            "|",
            ">",
            "",
            " ",
            "\n",
            "'",
            "\"",
            "---",
            "...",
            "<<",
            "=",
            ".inf",
            ".nan",
            "2026-01-01",
            "1e3",
            "+5",
            "é",
            "中文",
            "\u{feff}",
            "\u{85}",
            "\u{2028}",
        ])
        .prop_map(str::to_owned),
    ]
    // Line breaks of YAML 1.1, which `serde_yaml` writes as such; they are none in YAML 1.2.
    .prop_filter("a line break of YAML 1.1", |text| !text.contains(['\u{85}', '\u{2028}', '\u{2029}']))
    .boxed();
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(|number| Value::Number(number.into())),
        (-1e9..1e9_f64).prop_map(|number| Value::Number(number.into())),
        text.clone().prop_map(Value::String),
    ];
    leaf.prop_recursive(5, 48, 6, move |inner| {
        // `<<` as a plain key would be a merge; nobody can write one that is not.
        let key = text.clone().prop_filter("a merge key", |key| key != "<<");
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Sequence),
            prop::collection::btree_map(key, inner, 0..6).prop_map(|entries| {
                Value::Mapping(entries.into_iter().map(|(key, value)| (Value::String(key), value)).collect())
            }),
        ]
    })
}
