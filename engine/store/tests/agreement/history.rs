//! Random histories: messages of a handful of people, in which ties, late events, merges and odd values are common.

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Map, Value as Json, json};
use sonder_dsl::time::Moment;

/// A second, in microseconds: the grain of the histories, but for some that miss it by one.
pub const SECOND: i64 = 1_000_000;

/// What happened, and at which of its moments to look.
#[derive(Clone, Debug)]
pub struct History {
    pub messages: Vec<Happening>,
    pub looks: Vec<(Index, i64)>,
}

/// A message before it has a time.
#[derive(Clone, Debug)]
pub struct Happening {
    pub call: Call,
    /// Microseconds since the message before.
    pub gap: i64,
    /// Microseconds between happening and arriving.
    pub late: i64,
    /// Of the call: identifiers, properties, traits, context.
    pub says: Map<String, Json>,
}

/// What was called, or decided about who is who.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    Track(&'static str),
    Identify,
    Alias,
    Link,
    Unlink,
}

impl Call {
    /// The message's `type`, and its event if it is of one.
    pub const fn named(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::Track(event) => ("track", Some(event)),
            Self::Identify => ("identify", None),
            Self::Alias => ("alias", None),
            Self::Link => ("link", None),
            Self::Unlink => ("unlink", None),
        }
    }
}

impl Happening {
    /// The message, arrived at a moment.
    pub fn message(&self, number: usize, received_at: Moment) -> String {
        let mut message = self.says.clone();
        let (kind, event) = self.call.named();
        message.insert("type".into(), kind.into());
        message.extend(event.map(|event| ("event".to_owned(), event.into())));
        message.insert("messageId".into(), format!("m{number}").into());
        message.insert("timestamp".into(), Moment(received_at.0 - self.late).to_string().into());
        message.insert("receivedAt".into(), received_at.to_string().into());
        Json::Object(message).to_string()
    }
}

/// Identifiers of a handful of people; sometimes some that join two of them, or three at once.
fn who() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    let anonymous = (0..4_u8).prop_map(|n| ("anonymousId", format!("a{n}")));
    let user = (0..3_u8).prop_map(|n| ("userId", format!("u{n}")));
    let email = (0..3_u8).prop_map(|n| ("email", format!("e{n}@example.org")));
    prop_oneof![
        8 => anonymous.clone().prop_map(|it| vec![it]),
        2 => user.clone().prop_map(|it| vec![it]),
        1 => (user.clone(), anonymous.clone()).prop_map(|(a, b)| vec![a, b]),
        1 => (email.clone(), anonymous.clone()).prop_map(|(a, b)| vec![a, b]),
        1 => (user, email, anonymous).prop_map(|(a, b, c)| vec![a, b, c]),
    ]
}

fn one_of(items: Vec<Json>) -> impl Strategy<Value = Option<Json>> {
    prop::option::weighted(0.8, prop::sample::select(items))
}

/// Values of properties: known, missing, and of the wrong type.
fn properties(event: &'static str) -> BoxedStrategy<Map<String, Json>> {
    let product = one_of(vec![json!("p0"), json!("p1"), json!("é"), json!("e\u{301}"), json!("😀"), json!("")]);
    let stars = prop::option::weighted(0.8, (-3..6_i64).prop_map(Json::from));
    let cents = prop_oneof![
        9 => (-200..900_i64).prop_map(|cents| cents as f64 / 100.0),
        1 => Just(123_456_789_012.34),
    ];
    let money = prop::option::weighted(0.8, cents.prop_map(Json::from));
    match event {
        "view" => {
            let category = one_of(vec![json!("a"), json!("b"), json!("žluť")]);
            let weight = prop_oneof![
                4 => (-200..900_i64).prop_map(|it| it as f64 / 700.0),
                1 => Just(0.1),
                1 => Just(-0.0),
                1 => Just(3.0e10),
            ];
            let weight = prop::option::weighted(0.8, weight.prop_map(Json::from));
            let gift = one_of(vec![json!(true), json!(false)]);
            let seen_at = one_of(vec![
                json!("2026-03-29T00:00:00+01:00"),
                json!("2026-03-28T22:59:59.999999Z"),
                json!("2026-03-28T23:00:01Z"),
                json!("2026-03-29T03:00:00+02:00"),
            ]);
            (category, product, money, weight, stars, gift, seen_at)
                .prop_map(|(category, product, price, weight, stars, gift, seen_at)| {
                    let all = [
                        ("category", category),
                        ("product", product),
                        ("price", price),
                        ("weight", weight),
                        ("stars", stars),
                        ("gift", gift),
                        ("seen_at", seen_at),
                    ];
                    known(all)
                })
                .boxed()
        }
        "add" => (product, stars).prop_map(|(product, stars)| known([("product", product), ("stars", stars)])).boxed(),
        _ => (product, money).prop_map(|(product, total)| known([("product", product), ("total", total)])).boxed(),
    }
}

fn known<const N: usize>(all: [(&str, Option<Json>); N]) -> Map<String, Json> {
    all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

fn context() -> impl Strategy<Value = Map<String, Json>> {
    let session = prop_oneof![
        4 => Just(Json::Null),
        2 => prop::sample::select(vec![json!({"sessionId": 1_774_738_800_000_i64}), json!({"sessionId": "1774738800000"})]),
        2 => prop::sample::select(vec![json!({"session": {"id": "s1"}}), json!({"session": {"id": "s2"}})]),
    ];
    let answer = || prop::option::weighted(0.5, any::<bool>());
    let consent = prop::option::weighted(0.3, (answer(), answer(), any::<bool>()));
    (session, one_of(vec![json!("mobile"), json!("desktop")]), consent).prop_map(|(session, device, consent)| {
        let mut context = session.as_object().cloned().unwrap_or_default();
        if let Some((analytics, marketing, banner)) = consent {
            let answers = known([("analytics", analytics.map(Json::from)), ("marketing", marketing.map(Json::from))]);
            let key = if banner { "categoryPreferences" } else { "purposes" };
            context.insert("consent".into(), json!({key: answers}));
        }
        context.extend(device.map(|it| ("device".to_owned(), json!({"type": it}))));
        context
    })
}

fn exact(seconds: std::ops::Range<i64>) -> impl Strategy<Value = i64> {
    seconds.prop_map(|it| it * SECOND)
}

fn near(seconds: std::ops::Range<i64>) -> impl Strategy<Value = i64> {
    (seconds, -1..=1_i64).prop_map(|(it, by)| (it * SECOND + by).max(0))
}

/// Microseconds since the message before.
fn gap() -> impl Strategy<Value = i64> {
    prop_oneof![3 => Just(0), 4 => exact(0..4), 1 => near(0..8), 1 => exact(0..15)]
}

/// A decision that people are one, or are not; about some who are known, and some who come later or never.
fn decision() -> impl Strategy<Value = Happening> {
    let kinds = [("anonymous_id", "a", "", 4), ("user_id", "u", "", 3), ("email", "e", "@example.org", 3)];
    let named: Vec<Json> = kinds
        .into_iter()
        .flat_map(|(kind, letter, rest, count)| {
            (0..count).map(move |n: u8| json!({"kind": kind, "value": format!("{letter}{n}{rest}")}))
        })
        .collect();
    let call = prop_oneof![2 => Just(Call::Link), 3 => Just(Call::Unlink)];
    let named = prop::sample::subsequence(named, 2..4).prop_shuffle();
    (call, named, gap()).prop_map(|(call, named, gap)| {
        let says = Map::from_iter([("identifiers".to_owned(), Json::Array(named))]);
        Happening { call, gap, late: 0, says }
    })
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![10 => spoken(), 1 => decision()]
}

/// What a client sends.
fn spoken() -> impl Strategy<Value = Happening> {
    let late = prop_oneof![6 => Just(0), 2 => exact(0..6), 1 => near(0..8), 1 => exact(0..25)];
    let track =
        |event: &'static str| (Just(Call::Track(event)), properties(event).prop_map(|it| ("properties", it))).boxed();
    let traits = (
        one_of(["NL", "us-ca", "ZZ", "", " uk", "US_CA", "Utrecht"].map(Json::from).to_vec()),
        one_of(vec![json!("jan"), json!("éva"), json!("😀")]),
        prop::option::weighted(0.5, (0..5_i64).prop_map(Json::from)),
    );
    let traits = traits.prop_map(|(country, nickname, age)| {
        ("traits", known([("country", country), ("nickname", nickname), ("age", age)]))
    });
    let call = prop_oneof![
        4 => track("view"),
        2 => track("add"),
        2 => track("order"),
        2 => (Just(Call::Identify), traits),
        1 => Just((Call::Alias, ("", Map::new()))),
    ];
    (call, who(), context(), gap(), late).prop_map(|((call, (key, values)), who, context, gap, late)| {
        let mut says = Map::new();
        let mut context = context;
        for (kind, value) in who {
            match (call, kind) {
                (_, "email") => _ = context.insert("traits".into(), json!({"email": value})),
                (Call::Alias, "anonymousId") => _ = says.insert("previousId".into(), value.into()),
                _ => _ = says.insert(kind.into(), value.into()),
            }
        }
        if call == Call::Alias {
            says.entry("userId").or_insert_with(|| "u0".into());
            says.entry("previousId").or_insert_with(|| "a0".into());
        }
        if !key.is_empty() {
            says.insert(key.into(), Json::Object(values));
        }
        says.insert("context".into(), Json::Object(context));
        Happening { call, gap, late, says }
    })
}

/// Messages, and moments to look at them.
pub fn history() -> impl Strategy<Value = History> {
    let look = (any::<Index>(), prop_oneof![3 => Just(0), 1 => -1..=1_i64, 1 => 0..9 * SECOND]);
    (prop::collection::vec(happening(), 1..26), prop::collection::vec(look, LOOKS))
        .prop_map(|(messages, looks)| History { messages, looks })
}

/// How often each history is looked at.
const LOOKS: usize = 8;
