//! A small project whose windows are seconds long, and random logs in which ties, late events and merges are common.

use proptest::prelude::*;
use sonder_core::consent::Said;
use sonder_core::message::Call;
use sonder_core::record::{Event, Fact, Identifier, Record, Seq};
use sonder_dsl::ir::{EventId, IdentifierKindId, ProfileTraitId, Program, SourceId, Value};
use sonder_dsl::source::{SourceFile, SourceSet};
use sonder_dsl::time::Moment;
use std::sync::Arc;

/// As many cases as said, or as `PROPTEST_CASES` says.
pub fn config(cases: u32) -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|it| it.parse().ok());
    ProptestConfig { cases: asked.unwrap_or(cases), failure_persistence: None, ..ProptestConfig::default() }
}

/// A second, in microseconds: the grain of the histories.
pub const SECOND: i64 = 1_000_000;

/// The same rules, some of them for a purpose; those that they read are for none.
pub fn for_purposes(rules: &str) -> String {
    let other = if rules.contains("in(s1)") || rules.contains("in(s2)") { "marketing" } else { "analytics" };
    let rules = rules.replace("segment s1 \"\" {", "segment s1 \"\" { purpose marketing");
    rules.replace("segment s3 \"\" {", &format!("segment s3 \"\" {{ purpose {other}"))
}

/// Compiles a project with these rules.
pub fn program(rules: &str) -> Arc<Program> {
    project(rules, "identifiers:\n  user_id: {}\n  email: {}\n  anonymous_id: {}\n", "")
}

/// Compiles a project with these rules, this `identity.yaml` and this destination.
pub fn project(rules: &str, identity: &str, destination: &str) -> Arc<Program> {
    let destination = Some(destination).filter(|it| !it.is_empty());
    project_of(rules, identity, destination.as_slice())
}

/// The same with any number of destinations.
pub fn project_of(rules: &str, identity: &str, destinations: &[&str]) -> Arc<Program> {
    project_with(rules, identity, destinations, &[])
}

/// The same with more files.
pub fn project_with(rules: &str, identity: &str, destinations: &[&str], more: &[(&str, &str)]) -> Arc<Program> {
    let file = |path: &str, text: &str| SourceFile { path: path.to_owned(), text: text.to_owned() };
    // Who matches people can ask who is only likely one.
    let guess = if identity.contains("probabilistic") {
        "  guess: {type: boolean, from: [identity.probabilistic]}\n"
    } else {
        ""
    };
    let mut files = vec![
        file("sonder.yaml", "name: random\nsession: {idle: 5s, max: 14s}\n"),
        file(
            "events/view.yaml",
            "event: view\nproperties:\n  category: {type: string, enum: [a, b, c]}\n  product: {type: string}\n  \
             price: {type: number, multipleOf: 0.01}\n  weight: {type: number}\n  stars: {type: integer}\n",
        ),
        file("events/add.yaml", "event: add\nproperties:\n  product: {type: string}\n  stars: {type: integer}\n"),
        file("events/order.yaml", "event: order\nproperties:\n  total: {type: number, multipleOf: 0.01}\n"),
        file(
            "profile.yaml",
            &format!(
                "traits:\n  country: {{type: string, merge: most_recent}}\n  nickname: {{type: string, merge: longest}}\n  \
                 age: {{type: integer, merge: max}}\n{guess}"
            ),
        ),
        file("sources/server.yaml", "source: server\nkind: server\nwrite_keys: [wk]\n"),
        file("sources/web.yaml", "source: web\nkind: browser\nwrite_keys: [wk_web]\n"),
        file("sources/workshop.yaml", "source: workshop\nkind: server\nwrite_keys: [wk_workshop]\n"),
        file("identity.yaml", identity),
        file(
            "consent.yaml",
            "purposes: {analytics: {}, marketing: {kind: sale}}\nresidence: [country]\notherwise: ccpa\n",
        ),
        file("rules/all.sonder", rules),
    ];
    let numbered = destinations.iter().enumerate();
    files.extend(numbered.map(|(number, text)| file(&format!("destinations/d{number}.yaml"), text)));
    files.extend(more.iter().map(|(path, text)| file(path, text)));
    let compilation = sonder_dsl::compile(SourceSet::new(files));
    compilation.program.unwrap_or_else(|| panic!("{rules}\n{:#?}", compilation.diagnostics))
}

/// An event before its values are put into the slots of a program.
#[derive(Clone, Debug)]
pub struct Happening {
    /// `view`, `add`, `order`, or an identify call.
    pub kind: Option<&'static str>,
    /// Identifiers by kind name, at most one each.
    pub who: Vec<(&'static str, String)>,
    /// Seconds since the record before.
    pub gap: i64,
    /// Seconds between happening and arriving.
    pub late: i64,
    pub category: Option<&'static str>,
    pub product: Option<&'static str>,
    pub cents: Option<i64>,
    pub stars: Option<i64>,
    pub country: Option<&'static str>,
    pub age: Option<i64>,
    /// The client's session, as one or the other SDK spells it.
    pub session: Option<(&'static str, &'static str)>,
    /// What it answers to the purposes, by place.
    pub said: Said,
}

/// What an anonymous person does with a product, at once.
pub fn does(who: &str, kind: &'static str, product: &'static str) -> Happening {
    Happening {
        kind: Some(kind),
        who: vec![("anonymous_id", who.to_owned())],
        gap: 0,
        late: 0,
        category: Some("a"),
        product: Some(product),
        cents: Some(1250),
        stars: Some(2),
        country: None,
        age: None,
        session: None,
        said: Said::NOTHING,
    }
}

/// An identify call of somebody, received at a second.
pub fn identify(program: &Program, seq: u64, second: i64, who: &[(&'static str, &str)]) -> Record {
    let who = who.iter().map(|(kind, value)| (*kind, (*value).to_owned())).collect();
    let nothing = Happening {
        kind: None,
        who,
        gap: 0,
        late: 0,
        category: None,
        product: None,
        cents: None,
        stars: None,
        country: None,
        age: None,
        session: None,
        said: Said::NOTHING,
    };
    record(program, seq, second, &nothing)
}

/// A tracked event of somebody, received at a second.
pub fn track(program: &Program, seq: u64, second: i64, who: &str, kind: &'static str) -> Record {
    let happening = Happening {
        kind: Some(kind),
        who: vec![("anonymous_id", who.to_owned())],
        gap: 0,
        late: 0,
        category: Some("a"),
        product: Some("p0"),
        cents: Some(1250),
        stars: Some(2),
        country: None,
        age: None,
        session: None,
        said: Said::NOTHING,
    };
    record(program, seq, second, &happening)
}

/// The record of something that happened, received at a second.
pub fn record(program: &Program, seq: u64, second: i64, it: &Happening) -> Record {
    let at = Moment(second * SECOND);
    Record { seq: Seq(seq), received_at: at, fact: Fact::Event(event(program, it, at)) }
}

/// The event of a record, to change.
pub fn event_mut(record: &mut Record) -> &mut Event {
    let Fact::Event(event) = &mut record.fact;
    event
}

/// Somebody of a handful of people; sometimes with identifiers that join two of them, or three at once.
fn who() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    let anonymous = (0..4_u8).prop_map(|n| ("anonymous_id", format!("a{n}")));
    let user = (0..3_u8).prop_map(|n| ("user_id", format!("u{n}")));
    let email = (0..3_u8).prop_map(|n| ("email", format!("e{n}")));
    prop_oneof![
        8 => anonymous.clone().prop_map(|it| vec![it]),
        2 => user.clone().prop_map(|it| vec![it]),
        1 => email.clone().prop_map(|it| vec![it]),
        1 => (user.clone(), anonymous.clone()).prop_map(|(a, b)| vec![a, b]),
        1 => (email.clone(), anonymous.clone()).prop_map(|(a, b)| vec![a, b]),
        1 => (user, email, anonymous).prop_map(|(a, b, c)| vec![a, b, c]),
    ]
}

pub fn happening() -> impl Strategy<Value = Happening> {
    let gap = prop_oneof![3 => Just(0), 5 => 0..4_i64, 1 => 0..15_i64];
    let late = prop_oneof![5 => Just(0), 2 => 0..6_i64, 1 => 0..25_i64];
    let kind = prop::sample::select(vec![Some("view"), Some("view"), Some("add"), Some("order"), None]);
    let maybe = |items: &'static [&'static str]| prop::option::weighted(0.8, prop::sample::select(items));
    let session = prop::option::weighted(
        0.4,
        (prop::sample::select(vec!["sessionId", "session.id"]), prop::sample::select(vec!["s0", "s1"])),
    );
    let said = prop_oneof![2 => Just(Said::NOTHING), 1 => (0..4_u32, 0..4_u32, 0..4_u32)
        .prop_map(|(to, yes, express)| Said { to, yes: yes & to, express: express & to, binding: false })];
    let numbers = (prop::option::weighted(0.8, -200..900_i64), prop::option::weighted(0.8, -3..6_i64));
    (
        (kind, who(), gap, late),
        (maybe(&["a", "b", "c"]), maybe(&["p0", "p1", "p2"])),
        numbers,
        (maybe(&["NL", "US-CA"]), prop::option::weighted(0.5, 0..5_i64)),
        session,
        said,
    )
        .prop_map(
            |((kind, who, gap, late), (category, product), (cents, stars), (country, age), session, said)| Happening {
                kind,
                who,
                gap,
                late,
                category,
                product,
                cents,
                stars,
                country,
                age,
                session,
                said,
            },
        )
}

/// The log that a program makes of what happened.
pub fn log(program: &Program, happenings: &[Happening]) -> Vec<Record> {
    let mut received = 1_000 * SECOND;
    let numbered = happenings.iter().zip(1..);
    numbered
        .map(|(it, seq)| {
            received += it.gap * SECOND;
            Record {
                seq: Seq(seq),
                received_at: Moment(received),
                fact: Fact::Event(event(program, it, Moment(received - it.late * SECOND))),
            }
        })
        .collect()
}

fn event(program: &Program, it: &Happening, at: Moment) -> Event {
    let kind = it.kind.map(|name| program.event_named(name).unwrap());
    let mut identifiers: Vec<Identifier> = it
        .who
        .iter()
        .map(|(kind, value)| {
            let kind = program.identity.identifiers.iter().position(|it| it.name == *kind).unwrap();
            Identifier { kind: IdentifierKindId(kind as u16), value: value.as_str().into() }
        })
        .collect();
    identifiers.sort();
    let text = |value: Option<&str>| value.map(|it| Value::String(it.into()));
    let property = |name: &str| match name {
        "category" => text(it.category),
        "product" => text(it.product),
        "price" | "total" => it.cents.map(|cents| Value::Decimal(rust_decimal::Decimal::new(cents, 2))),
        "weight" => it.cents.map(|cents| Value::Float(cents as f64 / 7.0)),
        "stars" => it.stars.map(Value::Int),
        _ => None,
    };
    let slots = |id: EventId| program.events[id.index()].slots.iter().map(|slot| property(&slot.path[0])).collect();
    let trait_named = |name: &str| program.profile.iter().position(|it| it.name == name);
    let observed = |name: &str, value: Option<Value>| {
        let id = ProfileTraitId(trait_named(name)? as u32);
        Some((id, value?))
    };
    let traits = if it.kind.is_none() {
        let nickname = text(it.product);
        [observed("country", text(it.country)), observed("nickname", nickname), observed("age", it.age.map(Value::Int))]
            .into_iter()
            .flatten()
            .collect()
    } else {
        Vec::new()
    };
    Event {
        call: if it.kind.is_some() { Call::Track } else { Call::Identify },
        event: kind,
        source: SourceId(0),
        occurred_at: at,
        identifiers,
        traits,
        properties: kind.map(slots).unwrap_or_default(),
        context: program.context_slots.iter().map(|field| context(it, &field.path.join("."))).collect(),
        forward: kind
            .filter(|kind| program.destinations.iter().any(|it| it.events.contains(kind)))
            .map(|_| Arc::from(r#"{"product":"p0"}"#)),
        withheld: Vec::new(),
        stripped: Vec::new(),
        labels: Vec::new(),
        said: it.said,
        historical: false,
        likelihood: sonder_core::record::Likelihood::NONE,
    }
}

fn context(it: &Happening, path: &str) -> Option<Value> {
    it.session.filter(|(named, _)| *named == path).map(|(_, id)| Value::String(id.into()))
}

/// One random rule; `number` makes its name. Later rules may read earlier ones.
fn rule(number: usize) -> impl Strategy<Value = String> {
    let length = || (1..12_u8).prop_map(|n| format!("{n}s"));
    let comparison = || prop::sample::select(vec![">=", ">", "<", "<=", "==", "!="]);
    // What grows is at a length of time for a microsecond only: nobody asks for that.
    let order = || prop::sample::select(vec![">=", ">", "<", "<="]);
    let window = || {
        prop_oneof![
            4 => (1..14_u8).prop_map(|n| format!(", last {n}s")),
            1 => Just(String::new()),
            1 => Just(", since 1970-01-01T00:16:45Z".to_owned()),
            2 => Just(", this session".to_owned()),
        ]
    };
    let filter = || {
        prop::sample::select(vec!["", " where category == \"a\"", " where stars > 1", " where not (category == \"b\")"])
    };
    let count = (filter(), window(), comparison(), 0..5_u8)
        .prop_map(|(filter, window, op, n)| format!("count(view{filter}{window}) {op} {n}"));
    let any = (window(), comparison(), 0..6_u8).prop_map(|(window, op, n)| format!("count(any{window}) {op} {n}"));
    let did = (filter(), window()).prop_map(|(filter, window)| format!("did(view{filter}{window})"));
    let sums = (prop::sample::select(vec!["sum", "avg", "min", "max"]), window(), comparison(), -2..9_i8)
        .prop_map(|(function, window, op, n)| format!("{function}(view.price{window}) {op} {n}"));
    let floats = (prop::sample::select(vec!["sum", "avg", "max"]), window(), comparison(), -2..9_i8)
        .prop_map(|(function, window, op, n)| format!("{function}(view.weight{window}) {op} {n}.5"));
    let stars = (prop::sample::select(vec!["sum", "min", "max", "first", "last"]), window(), comparison(), -2..6_i8)
        .prop_map(|(function, window, op, n)| format!("{function}(view.stars{window}) {op} {n}"));
    let texts = (prop::sample::select(vec!["first", "last", "top"]), window(), prop::sample::select(vec!["a", "b"]))
        .prop_map(|(function, window, text)| format!("{function}(view.category{window}) == \"{text}\""));
    let distinct = (window(), comparison(), 0..4_u8)
        .prop_map(|(window, op, n)| format!("distinct(view.product{window}) {op} {n}"));
    let per = (
        prop::sample::select(vec!["count(view", "distinct(view.category", "sum(view.stars", "max(view.stars"]),
        window(),
        comparison(),
        0..4_u8,
    )
        .prop_map(|(function, window, op, n)| format!("{function}, per product{window}) {op} {n}"));
    let since = (prop::sample::select(vec!["view", "order", "add"]), order(), length())
        .prop_map(|(event, op, length)| format!("since({event}) {op} {length}"));
    let sinces = (window(), order(), length())
        .prop_map(|(window, op, length)| format!("since(view{window}) - since(order) {op} {length}"));
    let abandoned =
        (length(), window()).prop_map(|(gap, window)| format!("sequence(add then no order for {gap}{window})"));
    let followed = (length(), window()).prop_map(|(gap, window)| {
        format!("sequence(view as v then add where product == v.product within {gap}{window})")
    });
    let three = (length(), length(), window()).prop_map(|(a, b, window)| {
        format!("sequence(view then add within {a} then order then no view for {b}{window})")
    });
    let correlated_absence = (length(), window()).prop_map(|(gap, window)| {
        format!("sequence(view as v then no add where product == v.product for {gap}{window})")
    });
    let profile = prop::sample::select(vec![
        "profile.country == \"NL\"",
        "not (profile.country == \"NL\")",
        "profile.age > 2",
        "profile.nickname is known",
        "(profile.age or 3) >= 3",
        "consented(marketing)",
        "not consented(analytics)",
    ])
    .prop_map(str::to_owned);
    let branch = (length(), window()).prop_map(|(length, window)| {
        format!("(if since(order) > {length} then count(view{window}) else 2 * count(add{window})) >= 2")
    });
    let atom = prop_oneof![
        count,
        any,
        did,
        sums,
        floats,
        stars,
        texts,
        distinct,
        per,
        since,
        sinces,
        abandoned,
        followed,
        three,
        correlated_absence,
        profile,
        branch
    ]
    .boxed();
    let joined = prop_oneof![
        3 => atom.clone(),
        2 => (atom.clone(), atom.clone()).prop_map(|(a, b)| format!("{a} and not ({b})")),
        2 => (atom.clone(), atom.clone()).prop_map(|(a, b)| format!("{a} or {b}")),
    ];
    (joined, 0..4_usize).prop_map(move |(condition, other)| {
        // One in four reads the rule before it.
        if number > 0 && other == 0 {
            format!("segment s{number} \"\" {{ when in(s{}) or {condition} }}\n", number - 1)
        } else {
            format!("segment s{number} \"\" {{ when {condition} }}\n")
        }
    })
}

/// Some rules, and traits whose values are compared too.
pub fn rules() -> impl Strategy<Value = String> {
    let segments = (rule(0), rule(1), rule(2), rule(3)).prop_map(|(a, b, c, d)| a + &b + &c + &d);
    segments.prop_map(|segments| {
        segments
            + "trait total = sum(order.total)\n\
               trait heavy = sum(view.weight, last 9s)\n\
               trait favourite = top(view.category, last 8s)\n\
               trait earliest = first(view.product, last 7s)\n\
               trait dearest = max(view.price)\n\
               trait kinds = distinct(view.product, last 6s)\n\
               trait mean = avg(view.price, last 12s)\n\
               trait burden = avg(view.weight)\n\
               trait mean_stars = avg(view.stars, last 9s)\n\
               trait share = sum(order.total) / count(any)\n\
               trait doubled = 2 * sum(view.price) - sum(order.total)\n\
               trait dear_per_star = max(view.price) / sum(view.stars)\n\
               trait pause = since(view)\n\
               trait visit_length = since(any, this session)\n\
               trait visit_top = top(view.category, this session)\n\
               trait visit_first = first(view.product, this session)\n\
               trait visit_spent = sum(order.total, this session)\n"
    })
}
