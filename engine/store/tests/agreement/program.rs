//! Random programs over one small project, whose windows are seconds long.

use proptest::prelude::*;
use proptest::strategy::Union;
use sonder_dsl::diagnostic::Severity;
use sonder_dsl::ir::Program;
use sonder_dsl::source::{SourceFile, SourceSet};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The rules, one a line, and how people are told apart.
#[derive(Clone, Debug)]
pub struct Rules {
    pub lines: Vec<String>,
    pub identity: &'static str,
}

/// The project's other files. Midnight in Amsterdam is 23:00 UTC on the eve of the day on which its summer time begins.
const FILES: &[(&str, &str)] = &[
    ("sonder.yaml", "name: random\ntimezone: Europe/Amsterdam\nsession: {idle: 5s, max: 14s}\n"),
    (
        "events/view.yaml",
        "event: view\nproperties:\n  category: {type: string, enum: [a, b, žluť]}\n  product: {type: string}\n  \
         price: {type: number, multipleOf: 0.01}\n  weight: {type: number}\n  stars: {type: integer}\n  \
         gift: {type: boolean}\n  seen_at: {type: string, format: date-time}\n",
    ),
    ("events/add.yaml", "event: add\nproperties:\n  product: {type: string}\n  stars: {type: integer}\n"),
    (
        "events/order.yaml",
        "event: order\nproperties:\n  total: {type: number, multipleOf: 0.01}\n  product: {type: string}\n",
    ),
    (
        "profile.yaml",
        "traits:\n  country: {type: string, merge: most_recent}\n  nickname: {type: string, merge: longest}\n  \
         age: {type: integer, merge: max}\n",
    ),
    ("consent.yaml", "purposes: {analytics: {}, marketing: {kind: sale}}\nresidence: [country]\notherwise: us\n"),
    ("sources/server.yaml", "source: server\nkind: server\nwrite_keys: [wk]\n"),
];

const IDENTITIES: [&str; 8] = [
    "identifiers:\n  user_id: {}\n  email: {}\n  anonymous_id: {}\n",
    "identifiers:\n  user_id: {unique: true}\n  email: {limit: 2}\n  anonymous_id: {}\n",
    "identifiers:\n  user_id: {unique: true}\n  email: {}\n  anonymous_id: {expires: 20s}\n",
    "identifiers:\n  user_id: {unique: true}\n  email: {unique: true}\n  anonymous_id: {limit: 2}\n",
    "identifiers:\n  user_id: {unique: true}\n  email: {}\n  anonymous_id: {}\ngeneric_after: 2\n",
    "identifiers:\n  user_id: {unique: always}\n  email: {limit: {count: 1, per: 9s}}\n  anonymous_id: {at_most: {user_id: 1}}\n",
    "identifiers:\n  user_id: {unique: true}\n  email: {joins: false}\n  anonymous_id: {}\nstrategy: conversion\napart: \
     [[user_id:u0, anonymous_id:a0]]\n",
    "identifiers:\n  user_id: {unique: true}\n  email: {at_most: {user_id: 1}}\n  anonymous_id: {}\nstrategy: best_match\n",
];

/// Compiles the rules. What the compiler refuses, because it can never be true or always is, is left out, and what is
/// left comes back with the program.
pub fn compile(rules: &Rules) -> (Arc<Program>, Vec<String>) {
    let mut lines = rules.lines.clone();
    loop {
        let file = |(path, text): (&str, &str)| SourceFile { path: path.to_owned(), text: text.to_owned() };
        let mut files: Vec<SourceFile> = FILES.iter().copied().map(file).collect();
        files.push(file(("identity.yaml", rules.identity)));
        files.push(file(("rules/all.sonder", &lines.join("\n"))));
        let sources = SourceSet::new(files);
        let compilation = sonder_dsl::compile(sources.clone());
        if let Some(program) = compilation.program {
            return (program, lines);
        }
        let refused: BTreeSet<usize> = compilation
            .diagnostics
            .iter()
            .filter(|it| it.severity == Severity::Error)
            .filter_map(|it| it.labels.first())
            .map(|it| sources.position(it.span.file, it.span.start).line as usize - 1)
            .collect();
        let before = lines.len();
        let mut number = 0..;
        lines.retain(|_| number.next().is_none_or(|number| !refused.contains(&number)));
        assert!(lines.len() < before, "{lines:#?}\n{:#?}", compilation.diagnostics);
    }
}

/// What a program was made of, as files.
pub fn files(rules: &Rules, lines: &[String]) -> String {
    let named = FILES.iter().copied().chain([("identity.yaml", rules.identity)]);
    let shown = named.map(|(path, text)| format!("# {path}\n{text}"));
    shown.chain([format!("# rules/all.sonder\n{}\n", lines.join("\n"))]).collect::<Vec<_>>().join("\n")
}

fn pick(items: &'static [&'static str]) -> impl Strategy<Value = &'static str> + Clone {
    prop::sample::select(items)
}

fn length() -> impl Strategy<Value = String> {
    prop_oneof![4 => (1..12_u8).prop_map(|n| format!("{n}s")), 1 => (1..9_000_u16).prop_map(|n| format!("{n}ms"))]
}

fn window() -> impl Strategy<Value = String> {
    prop_oneof![
        5 => length().prop_map(|length| format!(", last {length}")),
        2 => Just(String::new()),
        3 => Just(", this session".to_owned()),
        1 => pick(&[", since 2026-03-29", ", since 2026-03-28T22:59:58.5Z"]).prop_map(str::to_owned),
    ]
}

fn comparison() -> impl Strategy<Value = &'static str> {
    pick(&[">=", ">", "<", "<=", "==", "!="])
}

/// What grows with the clock is at a length of time for a microsecond only: nobody asks for that.
fn order() -> impl Strategy<Value = &'static str> {
    pick(&[">=", ">", "<", "<="])
}

/// A condition on a view.
fn filter() -> impl Strategy<Value = String> {
    let simple = pick(&[
        "category == \"a\"",
        "category == \"žluť\"",
        "category != \"b\"",
        "stars > 1",
        "price >= 2.50",
        "price * stars > 4.00",
        "weight < 0.5",
        "gift",
        "not gift",
        "product is known",
        "product < \"pé\"",
        "(stars or 2) >= 2",
        "seen_at >= 2026-03-29",
        "seen_at < 2026-03-28T22:59:59Z + 1s",
        "context.device.type == \"mobile\"",
        "(if gift then stars else 1) == 1",
    ]);
    let joined = prop_oneof![
        4 => simple.clone().prop_map(str::to_owned),
        1 => (simple.clone(), simple.clone()).prop_map(|(a, b)| format!("{a} and {b}")),
        1 => (simple.clone(), simple.clone()).prop_map(|(a, b)| format!("({a} or {b})")),
        1 => simple.prop_map(|a| format!("not ({a})")),
    ];
    prop_oneof![2 => Just(String::new()), 3 => joined.prop_map(|it| format!(" where {it}"))]
}

/// Something of a view that has an order, its function, and what it is compared with.
fn measured() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        (pick(&["sum", "avg", "min", "max", "first", "last"]), -2..9_i8)
            .prop_map(|(function, n)| (format!("{function}(view.price"), format!("{n}"))),
        (pick(&["sum", "avg", "min", "max"]), -2..9_i8)
            .prop_map(|(function, n)| (format!("{function}(view.weight"), format!("{n}.5"))),
        (pick(&["sum", "min", "max", "first", "last", "avg"]), -2..6_i8)
            .prop_map(|(function, n)| (format!("{function}(view.stars"), format!("{n}"))),
        (pick(&["min", "max", "first", "last"]), pick(&["2026-03-29", "2026-03-28T23:00:01Z"]))
            .prop_map(|(function, moment)| (format!("{function}(view.seen_at"), moment.to_owned())),
        (pick(&["min", "max", "first", "last"]), pick(&["\"p0\"", "\"é\"", "\"pé\"", "\"\""]))
            .prop_map(|(function, text)| (format!("{function}(view.product"), text.to_owned())),
        (0..4_u8).prop_map(|n| ("distinct(view.product".to_owned(), n.to_string())),
    ];
    let per = pick(&["", "", "", ", per product", ", per gift"]);
    (value, filter(), window(), per, comparison())
        .prop_map(|((call, than), filter, window, per, op)| format!("{call}{filter}{window}{per}) {op} {than}"))
}

fn counted() -> impl Strategy<Value = String> {
    let per = pick(&["", "", ", per product", ", per category", ", per stars"]);
    let count = (filter(), window(), per, comparison(), 0..5_u8)
        .prop_map(|(filter, window, per, op, n)| format!("count(view{filter}{window}{per}) {op} {n}"));
    let any = (pick(&["", " where context.device.type == \"mobile\""]), window(), comparison(), 0..6_u8)
        .prop_map(|(filter, window, op, n)| format!("count(any{filter}{window}) {op} {n}"));
    let did =
        (pick(&["view", "add", "order", "any"]), window()).prop_map(|(event, window)| format!("did({event}{window})"));
    let filtered = (filter(), window()).prop_map(|(filter, window)| format!("did(view{filter}{window})"));
    prop_oneof![3 => count, 1 => any, 1 => did, 1 => filtered]
}

fn texts() -> impl Strategy<Value = String> {
    (pick(&["first", "last", "top"]), filter(), window(), pick(&["==", "!="]), pick(&["a", "b", "žluť"])).prop_map(
        |(function, filter, window, op, text)| format!("{function}(view.category{filter}{window}) {op} \"{text}\""),
    )
}

fn moving() -> impl Strategy<Value = String> {
    let event = || pick(&["view", "order", "add", "any"]);
    prop_oneof![
        (event(), window(), order(), length())
            .prop_map(|(it, window, op, than)| format!("since({it}{window}) {op} {than}")),
        (event(), window(), order(), length())
            .prop_map(|(it, window, op, than)| format!("since({it}{window}) - since(order) {op} {than}")),
        (event(), order(), length(), length()).prop_map(|(it, op, a, b)| format!("{a} - since({it}) {op} {b}")),
        (event(), window(), order(), length())
            .prop_map(|(it, window, op, than)| format!("(since({it}{window}) or 3s) {op} {than}")),
        (event(), window(), length(), window()).prop_map(|(it, window, than, other)| format!(
            "(if since({it}{window}) > {than} then count(view{other}) else 2 * count(add{other})) >= 2"
        )),
    ]
}

fn sequences() -> impl Strategy<Value = String> {
    prop_oneof![
        (pick(&["add", "view", "any"]), pick(&["order", "view"]), length(), window())
            .prop_map(|(a, b, gap, window)| format!("sequence({a} then no {b} for {gap}{window})")),
        (filter(), length(), window()).prop_map(|(filter, gap, window)| format!(
            "sequence(view{filter} then add within {gap}{window})"
        )),
        (length(), window()).prop_map(|(gap, window)| format!(
            "sequence(view as v then add where product == v.product within {gap}{window})"
        )),
        (length(), length(), window()).prop_map(|(a, b, window)| format!(
            "sequence(view then add within {a} then order then no view for {b}{window})"
        )),
        (length(), window()).prop_map(|(gap, window)| format!(
            "sequence(view as v then no add where product == v.product for {gap}{window})"
        )),
        (length(), length(), window()).prop_map(|(a, b, window)| format!(
            "sequence(view as v then add as w where stars >= v.stars within {a} then no order where product == v.product and w.stars > 1 for {b}{window})"
        )),
        window().prop_map(|window| format!("sequence(view then view then view{window})")),
        window().prop_map(|window| format!("sequence(any then order then any{window})")),
    ]
}

/// A condition that names no other rule.
fn atom() -> impl Strategy<Value = String> {
    let profile = pick(&[
        "profile.country == \"NL\"",
        "not (profile.country == \"NL\")",
        "profile.age > 2",
        "profile.nickname is known",
        "profile.nickname > \"pé\"",
        "(profile.age or 3) >= 3",
        "min(view.price) is unknown",
        "consented(marketing)",
        "not consented(analytics)",
    ])
    .prop_map(str::to_owned);
    Union::new_weighted(vec![
        (4, counted().boxed()),
        (4, measured().boxed()),
        (2, texts().boxed()),
        (2, moving().boxed()),
        (4, sequences().boxed()),
        (1, profile.boxed()),
    ])
}

/// A condition, maybe joined with others, maybe of other rules.
fn condition(number: usize) -> impl Strategy<Value = String> {
    let traits = pick(&[
        "level == \"high\"",
        "level != \"low\"",
        "score >= 3",
        "score * 2 - 1 < 4",
        "spent > 4.50",
        "spent - 2 * dearest < 3.25",
        "ratio < 2.5",
        "favourite == \"a\"",
        "busy",
        "pause > 3s",
    ]);
    let other = (0..number.max(1)).prop_map(move |other| match number {
        0 => "busy".to_owned(),
        _ => format!("in(s{other})"),
    });
    let part =
        Union::new_weighted(vec![(8, atom().boxed()), (1, traits.prop_map(str::to_owned).boxed()), (1, other.boxed())])
            .boxed();
    prop_oneof![
        4 => part.clone(),
        1 => part.clone().prop_map(|a| format!("not ({a})")),
        2 => (part.clone(), part.clone()).prop_map(|(a, b)| format!("{a} and not ({b})")),
        2 => (part.clone(), part.clone()).prop_map(|(a, b)| format!("({a} or {b})")),
        1 => (part.clone(), part.clone(), part).prop_map(|(a, b, c)| format!("({a} and {b} or {c})")),
    ]
}

/// Traits of every type, which segments read too.
fn traits() -> impl Strategy<Value = Vec<String>> {
    let several = (window(), window(), window(), window(), window(), filter(), filter());
    (several, length()).prop_map(|((a, b, c, d, e, f, g), length)| {
        vec![
            format!("trait score = count(view{f}{a}) + 2 * count(add{b}) - distinct(view.product{c})"),
            "trait level = if score >= 4 then \"high\" else if score >= 2 then \"medium\" else \"low\"".to_owned(),
            format!("trait spent = sum(order.total{d})"),
            format!("trait dearest = max(view.price{g}{e})"),
            format!("trait ratio = sum(view.price{a}) / count(any{b})"),
            format!("trait favourite = top(view.category{f}{c})"),
            format!("trait heavy = sum(view.weight{g}{d})"),
            format!("trait mean_weight = avg(view.weight{e})"),
            format!("trait mean_price = avg(view.price{b})"),
            format!("trait earliest = first(view.product{f}{d})"),
            format!("trait latest_seen = last(view.seen_at{c})"),
            format!("trait stars_of_one = sum(view.stars{e}, per product)"),
            format!("trait busy = count(any{a}) > 3 and not did(order{b})"),
            format!("trait pause = since(any{c})"),
            format!("trait long = {length} * count(add{d}) / 2"),
            "trait nobody = profile.nickname or \"?\"".to_owned(),
            "trait reachable = if consented(marketing) and not consented(analytics) then 1 else 0".to_owned(),
        ]
    })
}

/// A funnel, broken down by whatever there is.
fn funnel() -> impl Strategy<Value = String> {
    let steps = prop_oneof![
        (filter(), length()).prop_map(|(filter, gap)| format!("view{filter} then add within {gap} then order")),
        length().prop_map(|gap| format!(
            "view as v then add as w where product == v.product then view where stars > w.stars within {gap}"
        )),
        filter().prop_map(|filter| format!("any then view{filter}")),
        Just("view as v then view as w then view then order where product == w.product".to_owned()),
    ];
    let by = pick(&[
        "",
        " by context.device.type",
        " by level, profile.country",
        " by context.device.type, busy",
        " by spent",
    ]);
    let purpose = pick(&["", "purpose marketing "]);
    (steps, length(), by, purpose)
        .prop_map(|(steps, within, by, purpose)| format!("funnel path {{ {purpose}{steps} within {within}{by} }}"))
}

/// All of that.
pub fn rules() -> impl Strategy<Value = Rules> {
    let segments: Vec<BoxedStrategy<String>> = (0..8)
        .map(|number| {
            // Some are for a purpose; they read rules that are for none.
            let purpose = ["", "", "purpose marketing ", "", "purpose analytics "][number % 5];
            let segment = move |condition: String| format!("segment s{number} \"\" {{ {purpose}when {condition} }}");
            condition(number).prop_map(segment).boxed()
        })
        .collect();
    (segments, traits(), funnel(), prop::sample::select(&IDENTITIES)).prop_map(
        |(mut lines, traits, funnel, identity)| {
            lines.extend(traits);
            lines.push(funnel);
            Rules { lines, identity }
        },
    )
}
