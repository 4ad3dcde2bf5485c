//! What exports become: every file, every note, and that the compiler takes it.

use super::{Export, Migrated, MigrationError, Product, migrate};
use serde_json::json;
use sonder_dsl::diagnostic::Severity;
use sonder_dsl::source::{SourceFile, SourceSet};

macro_rules! export {
    ($name:literal) => {
        Export {
            name: $name.to_owned(),
            document: serde_json::from_str(include_str!(concat!("../../tests/exports/", $name))).unwrap(),
        }
    };
}

fn shown(made: &Migrated) -> String {
    let files = made.files.iter().map(|(path, text)| format!("== {path}\n{text}"));
    let notes = made.notes.iter().map(|note| format!("{}: {}\n", note.place, note.message));
    files.chain(["== notes\n".to_owned()]).chain(notes).collect()
}

/// Neither an error nor an unknown word: all that is there means something.
fn assert_compiles(made: &Migrated, existing: &[SourceFile]) {
    let files = made.files.iter().map(|(path, text)| SourceFile { path: path.clone(), text: text.clone() });
    let compilation = sonder_dsl::compile(SourceSet::new(files.chain(existing.iter().cloned()).collect()));
    let errors: Vec<_> = compilation.diagnostics.iter().filter(|it| it.severity == Severity::Error).collect();
    assert!(errors.is_empty() && compilation.program.is_some(), "{errors:?}\n{}", shown(made));
}

/// One audience as an export.
fn audience(query: &str) -> Export {
    let document = json!({"data": {"audiences": [{"name": "It", "key": "it", "enabled": true, "definition": {"query": query, "type": "USERS"}}]}});
    Export { name: "a.json".to_owned(), document }
}

/// What an audience's condition becomes; its reason where it becomes none.
fn condition(query: &str) -> String {
    let made = migrate(Product::Segment, "shop", &[audience(query)], Vec::new()).unwrap();
    assert_compiles(&made, &[]);
    let rules = &made.files["rules/segment.sonder"];
    match rules.lines().find_map(|line| line.strip_prefix("  when ")) {
        Some(condition) => condition.to_owned(),
        None => {
            assert!(rules.contains(&format!("\n# {query}")), "it is not there as it was: {rules}");
            made.notes.iter().map(|note| note.message.clone()).collect::<Vec<_>>().join("; ")
        }
    }
}

#[test]
fn a_workspace_of_segment_becomes_a_project() {
    let exports = [
        export!("segment-plan.json"),
        export!("segment-audiences.json"),
        export!("segment-traits.json"),
        export!("segment-sources.json"),
    ];
    let made = migrate(Product::Segment, "My Shop", &exports, Vec::new()).unwrap();
    assert_compiles(&made, &[]);
    insta::assert_snapshot!(shown(&made));
    for secret in ["wk_secret_1", "wk_secret_2"] {
        assert!(!shown(&made).contains(secret), "a secret key is shown");
    }
}

#[test]
fn a_workspace_of_rudderstack_becomes_a_project() {
    let exports = [export!("rudderstack-workspace.json"), export!("rudderstack-events.json")];
    let made = migrate(Product::Rudderstack, "shop", &exports, Vec::new()).unwrap();
    assert_compiles(&made, &[]);
    insta::assert_snapshot!(shown(&made));
    for secret in ["wk_rudder_secret", "do-not-show"] {
        assert!(!shown(&made).contains(secret), "a secret is shown");
    }
}

#[test]
fn conditions_say_the_same_in_rules() {
    for (query, expected) in [
        ("event('Shoes Bought').count() >= 1", "did(shoes_bought)"),
        ("event('Shoes Bought').count() = 0", "not did(shoes_bought)"),
        ("event('Shoes Bought').within(7 days).count() >= 2", "count(shoes_bought, last 7d) >= 2"),
        ("event('Shoes Bought').within(36 hours).count().at_least(2)", "count(shoes_bought, last 36h) >= 2"),
        ("event('A').count() >= 1 && event('B').count() >= 1", "did(a) and did(b)"),
        (
            "event('A').count() >= 1 AND (event('B').count() >= 1 OR event('C').count() > 2)",
            "did(a) and (did(b) or count(c) > 2)",
        ),
        ("NOT event('A').count() >= 1", "not (did(a))"),
        (
            "event('A').where(property('n') > 3 AND property('t') = 'x').count() >= 1",
            "did(a where n > 3 and t == \"x\")",
        ),
        ("event('A').where(property('t').one_of('x', 'y')).count() >= 1", "did(a where t == \"x\" or t == \"y\")"),
        (
            "event('A').where(property('t').one_of('x', 'y') AND property('n') != 2).count() >= 1",
            "did(a where (t == \"x\" or t == \"y\") and n != 2)",
        ),
        ("event('A').where(property('t').none_of('x', 'y')).count() >= 1", "did(a where t != \"x\" and t != \"y\")"),
        ("event('A').where(property('s.t').exists()).count() >= 1", "did(a where s.t is known)"),
        ("event('A').where(NOT property('on') = true).count() >= 1", "did(a where not (on == true))"),
        ("event('A').where(property('n') >= '100').count() >= 1", "did(a where n >= 100)"),
        ("event('A').sum(property('n')) > 100", "sum(a.n) > 100"),
        (
            "event('A').within(3 days).max(property('n')) < event('B').min(property('m'))",
            "max(a.n, last 3d) < min(b.m)",
        ),
        ("event('A').last(property('t')) = 'x'", "last(a.t) == \"x\""),
        ("event('A').unique(property('t')).count() > 3", "distinct(a.t) > 3"),
        ("event('A').between(7 days, 10 days).count() >= 2", "count(a, last 10d) - count(a, last 7d) >= 2"),
        ("trait('plan') = 'pro'", "profile.plan == \"pro\""),
        ("trait('firstName').exists()", "profile.first_name is known"),
        ("trait('address.city') = 'Utrecht'", "profile.address_city == \"Utrecht\""),
        ("trait('born').before_date('2000-01-01')", "profile.born < 2000-01-01"),
        ("trait('age') >= 18 AND trait('age') < 30", "profile.age >= 18 and profile.age < 30"),
        (
            "event('A').where(event('B').within(parent: 5 days).count() >= 1).within(30 days).count() >= 1",
            "sequence(a then b within 5d, last 30d)",
        ),
        (
            "event('A').where(property('n') > 1 AND event('B').within(parent: 2 hours).count() = 0).count() >= 1",
            "sequence(a where n > 1 then no b for 2h)",
        ),
        (
            "event('A').where(event('B').where(property('t') = property(parent: 't')).within(parent: 1 day).count() >= 1).count() >= 1",
            "sequence(a as before then b where t == before.t within 1d)",
        ),
    ] {
        assert_eq!(condition(query), expected, "{query}");
    }
}

#[test]
fn what_cannot_be_said_is_a_comment_with_place_and_reason() {
    for (query, column, reason) in [
        ("event('A').where(property('t').contains('x')).count() >= 1", 32, "looks inside a text"),
        ("event('A').where(trait('x') = 1).count() >= 1", 18, "reads the event, not the person"),
        ("event('A').sources({exclude: 'x'}).count() >= 1", 12, "rules read events of all sources"),
        ("ANY event('A').count() >= 1", 1, "of the users of an account"),
        ("entity('accounts').count() >= 1", 1, "linked data"),
        ("trait('at').within_last(7 days)", 13, "compares a moment of a person with now"),
        ("event('A').mode(property('t'), 2) = 'x'", 12, "a least number of times"),
        ("event('A').between(1 days, 2 days).max(property('n')) > 1", 1, "`between` with `max`"),
        ("event('A').where(property('odd name') = 1).count() >= 1", 18, "no name that rules can write"),
        ("event('A').where(property('a\\\\.b') = 1).count() >= 1", 18, "no name that rules can write"),
        ("event('A').where(event('B').count() >= 1).count() >= 1", 18, "needs a time"),
        (
            "event('A').where(event('B').within(parent: 1 day).count() >= 1).count() >= 2",
            73,
            "only whether there is one",
        ),
        ("event('!').count() >= 1", 1, "no name that events can have"),
        ("event('A').count()", 1, "it is a value"),
    ] {
        let said = condition(query);
        assert!(said.contains(&format!("column {column}: ")) && said.contains(reason), "{query}: {said}");
    }
    // What only the compiler knows.
    let said = condition("event('A').where(context('no.such') = 'x').count() >= 1");
    assert!(said.contains("is a comment in `rules/segment.sonder`") && said.contains("no.such"), "{said}");
}

#[test]
fn a_project_that_is_there_stays_and_is_built_upon() {
    let file = |path: &str, text: &str| SourceFile { path: path.to_owned(), text: text.to_owned() };
    let existing = vec![
        file("sonder.yaml", "name: ours"),
        file("events/shoes_bought.yaml", "event: shoes_bought\nproperties: {price: {type: string}}"),
    ];
    let query = "event('Shoes Bought').where(property('price') > 100).count() >= 1";
    let made = migrate(Product::Segment, "shop", &[audience(query)], existing.clone()).unwrap();
    assert_compiles(&made, &existing);
    assert!(!made.files.contains_key("sonder.yaml") && !made.files.contains_key("events/shoes_bought.yaml"));
    assert!(made.files["rules/segment.sonder"].contains("# not taken over: "), "a text is not compared with a number");
}

#[test]
fn what_is_no_export_is_refused() {
    for document in [json!({}), json!([1]), json!({"data": {"spaces": []}}), json!(null)] {
        for product in [Product::Segment, Product::Rudderstack] {
            let exports = [Export { name: "x.json".to_owned(), document: document.clone() }];
            let error = migrate(product, "x", &exports, Vec::new()).unwrap_err();
            let MigrationError::Unknown { name, .. } = &error;
            assert!(name == "x.json" && error.to_string().contains("no export that is known here"), "{error}");
        }
    }
    let empty = Export { name: "x.json".to_owned(), document: json!({"data": {"audiences": []}}) };
    assert!(migrate(Product::Segment, "x", &[empty], Vec::new()).unwrap().notes.is_empty());
}
