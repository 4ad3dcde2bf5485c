//! Which values fit which operators, and what they give.

use super::{condition_errors, errors, program, told};
use sonder_dsl::ir::{Expression, RuleKind, Type, Value};
use std::sync::Arc;

fn type_of(expression: &str) -> Type {
    match &program(&format!("trait t = {expression}")).rules[0].kind {
        RuleKind::Trait(kind) => kind.clone(),
        RuleKind::Segment => Type::Bool,
    }
}

fn text(values: &[&str]) -> Type {
    Type::String { one_of: Some(values.iter().map(|value| Arc::from(*value)).collect()) }
}

#[test]
fn operators_give_these_types() {
    let decimal = |scale| Type::Decimal { scale };
    for (expression, kind) in [
        ("1 + 2", Type::Int),
        ("1 + 0.50", decimal(2)),
        ("sum(order.total) + sum(order.tax)", decimal(3)),
        ("sum(order.total) * sum(order.tax)", decimal(5)),
        ("sum(order.total) * 2", decimal(2)),
        ("sum(order.total) * max(view.rating)", Type::Float),
        ("sum(order.total) / 2", Type::Float),
        ("1 / 2", Type::Float),
        ("7d / 2", Type::Duration),
        ("2 * 7d", Type::Duration),
        ("7d / 1d", Type::Float),
        ("7d - 1h", Type::Duration),
        ("profile.born + 7d", Type::Time),
        ("7d + profile.born", Type::Time),
        ("profile.born - 2000-01-01", Type::Duration),
        ("-profile.age", Type::Int),
        ("profile.age > 3", Type::Bool),
        ("profile.country or \"NL\"", Type::String { one_of: None }),
        ("profile.plan or \"none\"", text(&["free", "pro", "none"])),
        ("profile.age or 0.5", decimal(1)),
        ("if did(view) then 1 else 0.50", decimal(2)),
        ("if did(view) then \"x\" else if did(add) then \"y\" else \"x\"", text(&["x", "y"])),
        ("avg(order.total)", Type::Float),
        ("since(view)", Type::Duration),
        ("top(view.category)", text(&["a", "b", "c"])),
        ("last(view.tags)", Type::List(Box::new(Type::String { one_of: None }))),
        ("profile.vip or false", Type::Bool),
    ] {
        assert_eq!(type_of(expression), kind, "{expression}");
    }
}

#[test]
fn literals_are_converted_when_compiled() {
    let program = program("segment s { when sum(order.total) > 100 }");
    let Expression::Binary { right, .. } = &program.rules[0].expression else { panic!("no comparison") };
    assert_eq!(**right, Expression::Constant(Value::Decimal(100.into())));
}

#[test]
fn what_does_not_fit_is_refused() {
    spec!(told(
        &[
            r#"did(view where price == "3")"#,
            r#"did(view where product == 3)"#,
            r#"did(view where sale == "true")"#,
            r#"profile.born > "2000-01-01""#,
            "since(view) > 3",
            "sum(order.total) + \"x\" > 3",
            "7d * 7d > 1d",
            "profile.born + profile.born > 2000-01-01",
            "did(view) + 1 > 2",
            "did(view) < true",
            "not count(view)",
            "count(view) and did(view)",
            "-did(view)",
            "-\"x\" == \"x\"",
            "did(view where tags == tags)",
            "profile.country or 3 == 4",
            "if count(view) then true else false",
            "if did(view) then 1 else true",
            "count(view where price) > 1",
            r#"count(view where "a" == category and category == "d") > 1"#,
        ],
        condition_errors
    ));
}

#[test]
fn a_value_outside_of_what_is_known_never_matches() {
    spec!(told(
        &[
            r#"profile.plan == "free-tier""#,
            r#"top(view.category, last 30d) != "d""#,
            r#"(profile.plan or "none") == "non""#,
            r#"did(view where brand.name == "amce")"#,
        ],
        condition_errors
    ));
    let rules = r#"
trait level = if count(view) > 9 then "high" else "low"
segment high { when level == "hihg" }"#;
    assert_eq!(errors(rules), [r#"E0204 3:30 `level` is never "hihg" | did you mean "high"?"#]);
}

#[test]
fn a_value_outside_of_what_is_known_may_be_compared_by_order() {
    assert_eq!(condition_errors(r#"profile.plan < "g""#), [""; 0]);
}

#[test]
fn personal_data_is_not_compared() {
    spec!(told(
        &[
            r#"profile.email == "x""#,
            r#"(profile.email or "none") == "x""#,
            "profile.ill",
            "not profile.ill",
            "did(order where email != \"x\")",
            "distinct(order.email) > 1",
            "top(order.email) is known",
            "count(order, per email) > 1",
            "last(order.email) == \"x\"",
            "if profile.ill then true else false",
        ],
        condition_errors
    ));
    for allowed in [
        "profile.email is known",
        "profile.ill is unknown",
        "did(order where email is known)",
        "last(order.email) is known",
    ] {
        assert_eq!(condition_errors(allowed), [""; 0], "{allowed}");
    }
    let rules = "trait address = profile.email or last(order.email)\nsegment ours { when address == \"x\" }";
    assert_eq!(errors(rules).len(), 1, "what a trait hands on is still personal");
}
