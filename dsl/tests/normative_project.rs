//! The project of the normative cases compiles, and becomes what the cases mean.

use sonder_dsl::ir::{Function, Type, Window};
use sonder_dsl::source::{SourceFile, SourceSet};
use sonder_dsl::time::Duration;

const FILES: [(&str, &str); 7] = [
    ("sonder.yaml", "name: cases\n"),
    ("events/order.yaml", "event: order\nproperties:\n  total: {type: number, multipleOf: 0.01}\nrequired: [total]\n"),
    (
        "events/view.yaml",
        "event: view\nproperties:\n  category: {type: string, enum: [a, b, c]}\n  product: {type: string}\n  price: {type: number, multipleOf: 0.01}\nrequired: [product]\n",
    ),
    ("events/add.yaml", "event: add\nproperties:\n  product: {type: string}\nrequired: [product]\n"),
    (
        "profile.yaml",
        "traits:\n  email: {type: string, merge: most_recent}\n  country: {type: string, merge: most_recent}\n",
    ),
    ("identity.yaml", "identifiers:\n  user_id: {}\n  email: {normalize: [trim, lowercase]}\n  anonymous_id: {}\n"),
    (
        "rules/r.sonder",
        r#"
segment keen "k" { when count(view where category == "a", last 24h) >= 3 and not did(order, last 24h) }
segment stuck "s" { when count(view, per product, last 7d) >= 2 }
segment abandoned "a" { when sequence(add then no order for 30m, last 7d) }
segment followed "f" { when sequence(view as v then add where product == v.product within 1h) }
segment big "b" { when sum(order.total, last 30d) > 100 or count(order) >= 4 }
segment quiet "q" { when since(view) > 3d }
segment unknown_country "u" { when not (profile.country == "NL") }
trait spent = sum(order.total)
trait favourite = top(view.category, last 30d)
trait last_product = last(view.product)
trait first_product = first(view.product)
trait products = distinct(view.product)
trait dearest = max(view.price, last 7d)
"#,
    ),
];

#[test]
fn it_compiles() {
    let files = FILES.iter().map(|(path, text)| SourceFile { path: (*path).to_owned(), text: (*text).to_owned() });
    let compilation = sonder_dsl::compile(SourceSet::new(files.collect()));
    assert_eq!(compilation.diagnostics, []);
    let program = compilation.program.unwrap();
    let names: Vec<&str> = program.rules.iter().map(|rule| rule.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "abandoned",
            "big",
            "dearest",
            "favourite",
            "first_product",
            "followed",
            "keen",
            "last_product",
            "products",
            "quiet",
            "spent",
            "stuck",
            "unknown_country"
        ]
    );
    let (_, spent) = program.rule_named("spent").unwrap();
    assert_eq!(spent.place, "rules/r.sonder:9");
    assert_eq!(spent.source, "sum(order.total)");
    let (_, keen) = program.rule_named("keen").unwrap();
    let bounds: Vec<_> = keen.aggregates.iter().map(|id| &program.aggregates[id.index()]).collect();
    let counted = bounds.iter().find(|aggregate| aggregate.function == Function::Count).unwrap();
    assert_eq!(counted.enough, Some(3));
    assert_eq!(counted.window, Window::Last(Duration::from_secs(86_400)));
    let (_, dearest) = program.rule_named("dearest").unwrap();
    let dearest = &program.aggregates[dearest.aggregates[0].index()];
    assert_eq!(dearest.result, Type::Decimal { scale: 2 });
    assert_eq!(dearest.enough, None);
}
