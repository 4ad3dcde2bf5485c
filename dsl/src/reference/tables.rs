//! Types, operators, functions, the context and limits, as the checker has them.

use crate::ir::{BinaryOperator, Type};
use crate::limits;
use crate::types::builtin::{self, Builtin, ELSEWHERE, Takes};
use crate::types::{context, noun, operates, type_of_schema};
use serde_json::json;
use std::fmt::{self, Write};

/// One of each type.
fn all() -> [Type; 7] {
    [
        Type::Bool,
        Type::Int,
        Type::Decimal { scale: 2 },
        Type::Float,
        Type::String { one_of: None },
        Type::Time,
        Type::Duration,
    ]
}

fn name(kind: &Type) -> String {
    match kind {
        Type::Bool => "bool".to_owned(),
        Type::Int => "int".to_owned(),
        Type::Decimal { .. } => "decimal".to_owned(),
        Type::Float => "float".to_owned(),
        Type::String { .. } => "string".to_owned(),
        Type::Time => "time".to_owned(),
        Type::Duration => "duration".to_owned(),
        Type::List(item) => format!("list of {}", name(item)),
    }
}

pub(super) fn types(page: &mut String) -> fmt::Result {
    page.push_str("| type | is | a property with this schema has it | written out |\n|---|---|---|---|\n");
    let schemas = [
        json!({"type": "boolean"}),
        json!({"type": "integer"}),
        json!({"type": "number", "multipleOf": 0.01}),
        json!({"type": "number"}),
        json!({"type": "string"}),
        json!({"type": "string", "enum": ["a", "b"]}),
        json!({"type": "string", "format": "date-time"}),
        json!({"type": "array", "items": {"type": "string"}}),
    ];
    let written = |kind: &Type| match kind {
        Type::Bool => "`true`, `false`",
        Type::Int => "`3`",
        Type::Decimal { .. } => "`9.95`",
        Type::String { .. } => "`\"text\"`",
        Type::Time => "`2026-01-01`, `2026-01-01T09:30:00Z`",
        Type::Duration => "`90d`, `1d 12h`, `1.5s`",
        Type::Float | Type::List(_) => "",
    };
    for schema in &schemas {
        let Some(kind) = type_of_schema(schema) else { continue };
        let choices = if matches!(kind, Type::String { one_of: Some(_) }) { ", one of a few" } else { "" };
        writeln!(page, "| {} | {}{choices} | `{schema}` | {} |", name(&kind), noun(&kind), written(&kind))?;
    }
    writeln!(
        page,
        "| duration | {} | none: it comes from `since(E)` and of differences of moments | {} |",
        noun(&Type::Duration),
        written(&Type::Duration)
    )?;
    page.push_str(
        "\nAn exact number keeps the digits behind its point: sums keep the more of both sides, products add them. A value may be \
         unknown: a comparison with an unknown value is false.\n",
    );
    Ok(())
}

/// By how tight they bind, the loosest first.
const LEVELS: &[(&str, &str)] = &[
    ("`or`", "one of two conditions; between other values, what stands in for an unknown left side"),
    ("`and`", "both of two conditions"),
    ("`not`", "turns a condition round: `not a == b` is `not (a == b)`"),
    ("`==` `!=` `<` `<=` `>` `>=` `is known` `is unknown`", "comparisons, which are not chained"),
    ("`+` `-`", "from the left"),
    ("`*` `/`", "from the left"),
    ("`-x`", "of a number or a length of time"),
    ("`if … then … else …`", "as a value; the branches have one type"),
];

pub(super) fn operators(page: &mut String) -> fmt::Result {
    page.push_str("From what binds least to what binds most; parentheses group.\n\n| | |\n|---|---|\n");
    for (operators, meaning) in LEVELS {
        writeln!(page, "| {operators} | {meaning} |")?;
    }
    page.push_str(
        "\nWhat they give, by the types of the left and the right side. What has no entry does not compile.\n",
    );
    use BinaryOperator::{Add, And, Divide, Equal, Less, Multiply, Or, Subtract};
    for (title, operator) in [
        ("`and`", And),
        ("`or`", Or),
        ("`==` `!=`", Equal),
        ("`<` `<=` `>` `>=`", Less),
        ("`+`", Add),
        ("`-`", Subtract),
        ("`*`", Multiply),
        ("`/`", Divide),
    ] {
        matrix(page, title, operator)?;
    }
    Ok(())
}

fn matrix(page: &mut String, title: &str, operator: BinaryOperator) -> fmt::Result {
    let all = all();
    let rows: Vec<&Type> =
        all.iter().filter(|left| all.iter().any(|right| operates(operator, left, right).is_some())).collect();
    let columns: Vec<&Type> =
        all.iter().filter(|right| all.iter().any(|left| operates(operator, left, right).is_some())).collect();
    let names: Vec<String> = columns.iter().map(|kind| name(kind)).collect();
    writeln!(page, "\n| {title} | {} |\n|---|{}", names.join(" | "), "---|".repeat(columns.len()))?;
    for left in rows {
        let results =
            columns.iter().map(|right| operates(operator, left, right).map(|kind| name(&kind)).unwrap_or_default());
        writeln!(page, "| **{}** | {} |", name(left), results.collect::<Vec<_>>().join(" | "))?;
    }
    Ok(())
}

pub(super) fn functions(page: &mut String) -> fmt::Result {
    page.push_str(
        "\n`E` is an event with an optional `where`, `E.p` a property of it; `any` stands for every event, which has a context but no \
         properties.\n\n| function | takes | gives |\n|---|---|---|\n",
    );
    for function in builtin::ALL {
        let (takes, gives) = typed(function);
        writeln!(page, "| [`{}`](#{}) | {takes} | {gives} |", function.signature, function.name)?;
    }
    for other in ELSEWHERE {
        writeln!(page, "| [`{}`](#{}) | {} | {} |", other.signature, other.name, other.takes, other.gives)?;
    }
    for function in builtin::ALL {
        let Builtin { name, signature, meaning, examples, per, .. } = function;
        let groups = if *per { " It may be asked `per` property." } else { "" };
        write!(page, "\n### {name}\n\n`{signature}`: {meaning}{groups}\n\n```sonder\n{}\n```\n", examples.join("\n"))?;
    }
    for other in ELSEWHERE {
        let (name, signature, meaning) = (other.name, other.signature, other.meaning);
        write!(page, "\n### {name}\n\n`{signature}`: {meaning}\n\n```sonder\n{}\n```\n", other.example)?;
    }
    Ok(())
}

/// What a function takes and gives.
fn typed(function: &Builtin) -> (String, String) {
    match &function.takes {
        Takes::Events(_, gives) => ("events".to_owned(), name(gives)),
        Takes::Steps => ("steps".to_owned(), name(&Type::Bool)),
        Takes::Segment => ("a segment".to_owned(), name(&Type::Bool)),
        Takes::Property(_, gives) => {
            let list = Type::List(Box::new(Type::String { one_of: None }));
            let results: Vec<(String, String)> = all()
                .iter()
                .filter(|kind| **kind != Type::Duration)
                .chain([&list])
                .filter_map(|kind| Some((name(kind), name(&gives(kind).ok()?))))
                .collect();
            let takes = results.iter().map(|(takes, _)| takes.as_str()).collect::<Vec<_>>().join(", ");
            let mut gives: Vec<&str> = results.iter().map(|(_, gives)| gives.as_str()).collect();
            gives.dedup();
            let same = results.iter().all(|(takes, gives)| takes == gives);
            let gives = if same { "the same".to_owned() } else { gives.join(", ") };
            (takes, gives)
        }
    }
}

pub(super) fn context(page: &mut String) -> fmt::Result {
    page.push_str("| field | type | holds |\n|---|---|---|\n");
    for field in context::FIELDS {
        writeln!(page, "| `context.{}` | {} | {} |", field.path, name(&field.kind.as_type()), field.meaning)?;
    }
    Ok(())
}

pub(super) fn limits(page: &mut String) -> fmt::Result {
    let limits: &[(usize, &str)] = &[
        (limits::RULES, "items in a project"),
        (limits::RULE_FILE_ITEMS, "items in a file"),
        (limits::RULE_FILE_BYTES, "bytes in a file"),
        (limits::NAME_CHARACTERS, "characters in a name"),
        (limits::LITERAL_BYTES, "bytes in a text that is written out"),
        (limits::LITERAL_DIGITS, "digits in a number that is written out"),
        (limits::DURATION_DAYS as usize, "days in a length of time"),
        (limits::RULE_NESTING, "brackets and `if`s inside each other"),
        (limits::EXPRESSION_DEPTH, "levels of an expression"),
        (limits::SEQUENCE_STEPS, "steps of a sequence or funnel"),
        (limits::RULE_READS, "aggregates and traits that a rule reads, also through others"),
        (limits::SLOTS, "properties of one event that rules read"),
        (limits::STATEMENTS, "statements of a journey"),
        (limits::FIELDS, "fields of what is sent or shown"),
        (limits::PARTS, "branches of a `split`, variants, arms"),
        (limits::LIST, "goals, exits, features"),
        (limits::BREAKDOWNS, "values that a funnel is broken down by"),
    ];
    page.push_str("| at most | |\n|---|---|\n");
    for (limit, what) in limits {
        writeln!(page, "| {limit} | {what} |")?;
    }
    Ok(())
}
