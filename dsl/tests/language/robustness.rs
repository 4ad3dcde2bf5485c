//! Whatever the text, compiling it ends soon and never panics; what compiles can be printed and compiled again.

use super::{compiled, program, without_meaning};
use proptest::prelude::*;
use sonder_dsl::ir::print;

/// Pieces of the language, and of what is not: put together at random they come near to sense now and then.
const PIECES: [&str; 102] = [
    "segment ",
    "trait ",
    "journey ",
    "x ",
    "y ",
    "= ",
    "{ ",
    "} ",
    "when ",
    "purpose ",
    "( ",
    ") ",
    ", ",
    ". ",
    "\"text\" ",
    "\" ",
    "' ",
    "count(",
    "did(",
    "sum(",
    "sequence(",
    "since(",
    "in(",
    "top(",
    "view ",
    "add ",
    "order ",
    "any ",
    "view.price ",
    "order.total ",
    "where ",
    "and ",
    "or ",
    "not ",
    "if ",
    "then ",
    "else ",
    "is ",
    "known ",
    "unknown ",
    "as ",
    "v ",
    "v.product ",
    "within ",
    "for ",
    "no ",
    "last ",
    "per ",
    "product ",
    "category ",
    "profile.country ",
    "context.ip ",
    "24h ",
    "7 ",
    "1.50 ",
    "2026-01-01 ",
    "24 hours ",
    "== ",
    "!= ",
    ">= ",
    "< ",
    "+ ",
    "- ",
    "* ",
    "/ ",
    "&& ",
    "= ",
    "! ",
    "# comment\n",
    "\n",
    "\nsegment z { when ",
    "é€😀 ",
    "enter on ",
    "goal ",
    "exit ",
    "wait ",
    "until ",
    "up to ",
    "split ",
    "send ",
    "set trait ",
    "hours 08:00 to 20:00 ",
    "10% ",
    "50% ",
    "a: ",
    "show ",
    "otherwise ",
    "variants ",
    "label ",
    "from ",
    "by ",
    "next ",
    "funnel ",
    "experiment ",
    "experience ",
    "predict ",
    "email.message ",
    "} else ",
    "\nwait ",
    "consented(",
    "recommend(",
    "\u{1}",
];

fn soup() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(PIECES.to_vec()), 0..60).prop_map(|pieces| pieces.concat())
}

/// Sound expressions by construction: a number, and a condition.
pub fn number() -> BoxedStrategy<String> {
    let leaf = prop::sample::select(vec![
        "1",
        "2.50",
        "0.1",
        "count(view)",
        "count(view, last 7d)",
        "sum(order.total)",
        "avg(order.total)",
        "max(view.rating)",
        "distinct(view.product, last 1d 2h)",
        "(profile.age or 0)",
        "count(view, per product)",
        "sum(order.total where total > 10, since 2026-01-01)",
    ])
    .prop_map(str::to_owned);
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            (inner.clone(), prop::sample::select(vec!["+", "-", "*", "/"]), inner.clone())
                .prop_map(|(a, op, b)| format!("{a} {op} {b}")),
            inner.clone().prop_map(|a| format!("({a})")),
            inner.clone().prop_map(|a| format!("-{a}")),
            (condition_over(inner.clone().boxed()), inner.clone(), inner)
                .prop_map(|(c, a, b)| format!("(if {c} then {a} else {b})")),
        ]
    })
    .boxed()
}

pub fn condition_over(number: BoxedStrategy<String>) -> BoxedStrategy<String> {
    let comparison = (number.clone(), prop::sample::select(vec!["==", "!=", "<", "<=", ">", ">="]), number)
        .prop_map(|(a, op, b)| format!("({a}) {op} ({b})"));
    let leaf = prop_oneof![
        comparison,
        prop::sample::select(vec![
            "did(view where category == \"a\")",
            "sequence(view as v then add where product == v.product within 1h then no order for 30m, last 7d)",
            "since(view) > 3d",
            "profile.country is known",
            "profile.plan == \"pro\"",
            "true",
        ])
        .prop_map(str::to_owned),
    ];
    leaf.prop_recursive(3, 16, 2, |inner| {
        prop_oneof![
            (inner.clone(), prop::sample::select(vec!["and", "or"]), inner.clone())
                .prop_map(|(a, op, b)| format!("{a} {op} {b}")),
            inner.clone().prop_map(|a| format!("not {a}")),
            inner.prop_map(|a| format!("({a})")),
        ]
    })
    .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn any_text_compiles_or_says_why(text in any::<String>()) {
        let compilation = compiled(&text);
        prop_assert!(compilation.program.is_some() || !compilation.diagnostics.is_empty());
    }

    #[test]
    fn any_soup_of_words_compiles_or_says_why(text in soup()) {
        let compilation = compiled(&text);
        prop_assert!(compilation.program.is_some() || !compilation.diagnostics.is_empty());
        for diagnostic in &compilation.diagnostics {
            for label in &diagnostic.labels {
                let file = compilation.sources.file(label.span.file).unwrap();
                prop_assert!(file.text.get(label.span.start as usize..label.span.end as usize).is_some(), "{:?} in {:?}", diagnostic, text);
            }
            prop_assert!(!diagnostic.message.ends_with('.'), "{}", diagnostic.message);
        }
    }

    #[test]
    fn a_sound_rule_with_one_piece_too_many_compiles_or_says_why(condition in condition_over(number()), piece in prop::sample::select(PIECES.to_vec()), at in any::<prop::sample::Index>()) {
        let places: Vec<usize> = condition.char_indices().map(|(place, _)| place).collect();
        let at = places[at.index(places.len())];
        let text = format!("segment s {{ when {}{piece}{} }}", &condition[..at], &condition[at..]);
        let compilation = compiled(&text);
        prop_assert!(compilation.program.is_some() || !compilation.diagnostics.is_empty());
    }

    #[test]
    fn what_is_printed_means_the_same(condition in condition_over(number())) {
        let first = program(&format!("segment s {{ when {condition} }}"));
        let printed = print::expression(&first, &first.rules[0].expression).to_string();
        let second = program(&format!("segment s {{ when {printed} }}"));
        prop_assert_eq!(&first.rules[0].expression, &second.rules[0].expression, "{} became {}", condition, printed);
        prop_assert_eq!(first.rules[0].fingerprint, second.rules[0].fingerprint);
        prop_assert_eq!(&first.aggregates, &second.aggregates);
    }
}

/// Sound items with a piece put in, taken from anywhere: what is told is told at places that exist, and never twice.
const ITEMS: [&str; 5] = [
    "journey j \"d\" {\n  purpose p\n  enter on view as v\n  goal order\n  exit when did(order)\n  wait 1d\n  if did(add) {\n    send email.message { to: \"x\", n: 1 }\n  } else {\n    wait for order up to 1d {\n      exit\n    } else {}\n  }\n  split {\n    50% a {}\n    50% b { wait 2d }\n  }\n}",
    "funnel f {\n  view as v then add within 1h then order\n  within 7d\n  by v.category, profile.plan\n}",
    "experiment e {\n  variants a 50%, b 50%\n  on view\n  goal did(order, next 7d), sum(order.total, next 7d)\n}",
    "experience x {\n  when did(view) show { a: 1, b: recommend(similar, last(view.product), 4) }\n  otherwise show { a: 2 }\n}",
    "predict p {\n  label did(order, next 7d)\n  for did(view)\n  from count(view), since(order)\n}",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(600) })]

    #[test]
    fn an_item_with_a_slip_hides_nothing_of_the_next(item in prop::sample::select(ITEMS.to_vec()), piece in prop::sample::select(PIECES.to_vec()), cut in 0..12_usize, at in any::<prop::sample::Index>()) {
        let places: Vec<usize> = item.char_indices().map(|(place, _)| place).collect();
        let at = places[at.index(places.len())];
        let end = item.char_indices().map(|(place, _)| place).find(|place| *place >= at + cut).unwrap_or(item.len());
        let text = format!("{}{piece}{}\nsegment after {{ when did(viw) }}", &item[..at], &item[end..]);
        let compilation = compiled(&text);
        for diagnostic in &compilation.diagnostics {
            for label in &diagnostic.labels {
                let file = compilation.sources.file(label.span.file).unwrap();
                prop_assert!(file.text.get(label.span.start as usize..label.span.end as usize).is_some(), "{:?} in {:?}", diagnostic, text);
            }
        }
        let quoted = piece.contains('"') || piece.contains('\'') || text.matches('"').count() % 2 == 1;
        let told = compilation.diagnostics.iter().any(|found| found.message.contains("`viw`"));
        prop_assert!(told || quoted, "{}\n{:#?}", text, compilation.diagnostics);
    }
}

/// What longer runs of the tests above have found.
#[test]
fn places_of_errors_are_in_the_text() {
    for text in [
        "\nsegment z { when consented({ ) ",
        "\nsegment z { when ( { ) ",
        "funnel count({ ) # comment\nenter on count(",
        "experiment t0 \"\" { variants é , 1.91% é é 110% variants é }",
        "funnel f { view é within 1d }",
        "segment s { when count(view é) > 1 }",
        "experience e { when did(view) show { é: 1 é: 2 } }",
    ] {
        let compilation = compiled(text);
        assert!(!compilation.diagnostics.is_empty());
        for label in compilation.diagnostics.iter().flat_map(|diagnostic| &diagnostic.labels) {
            let (start, end) = (label.span.start as usize, label.span.end as usize);
            assert!(text.get(start..end).is_some(), "{label:?} in {text}");
        }
    }
}

#[test]
fn endless_openings_end() {
    for piece in [
        "(",
        "{",
        "[",
        "if ",
        "not ",
        "-",
        "!",
        "count(",
        "sequence(view then ",
        "\"",
        "'",
        "a.",
        "1 + ",
        "x or ",
        "if x then 1 else ",
        "segment a { when ",
        ",",
        "#",
        "\n",
        "in(",
        "1d ",
        "split { 50% a { ",
        "wait for x up to 1d { ",
        "\nwait ",
        "{ a: ",
        "\n} else {",
    ] {
        let text = format!("segment s {{ when {}", piece.repeat(100_000 / piece.len()));
        let compilation = compiled(&text);
        assert!(compilation.program.is_none(), "{piece}");
    }
}

/// As deep as the limits allow, on a small stack.
#[test]
fn the_deepest_rule_needs_no_large_stack() {
    let rules: Vec<String> = vec![
        format!("trait t = {}1{}", "(".repeat(64), ")".repeat(64)),
        format!("trait t = {}1{}", "(1 + ".repeat(64), ")".repeat(64)),
        format!("trait t = {}1{}", "if true then ".repeat(64), " else 2".repeat(64)),
        format!("trait t = {}true", "not ".repeat(127)),
        format!("trait t = {} 0", "if true then 1 else ".repeat(127)),
        format!("trait t = {}", vec!["1"; 128].join(" - ")),
    ];
    let thread = std::thread::Builder::new().stack_size(1 << 20);
    let worker =
        thread.spawn(move || rules.iter().map(|rules| without_meaning(&compiled(rules)).len()).sum::<usize>()).unwrap();
    assert_eq!(worker.join().unwrap(), 0);
}

/// Longer than the limits allow by far: neither the tree nor the way to it takes a large stack.
#[test]
fn endless_chains_need_no_large_stack() {
    let chains = [
        " - 1",
        " * 2",
        " < 1",
        " == not 1",
        " >= not x is known",
        " is known",
        " - - 1",
        " or not 1 < not 2",
        " and 1 or 2",
    ];
    let rules = chains.map(|chain| format!("trait t = 1{}", chain.repeat(400_000 / chain.len())));
    let thread = std::thread::Builder::new().stack_size(1 << 20);
    let worker = thread.spawn(move || {
        for rules in rules {
            let start = rules[..40].to_owned();
            assert!(compiled(&rules).program.is_none(), "{start}");
        }
    });
    worker.unwrap().join().unwrap();
}
