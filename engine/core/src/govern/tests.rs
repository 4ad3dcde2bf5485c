//! What messages mean under a project's schemas.

use super::fixture::program;
use super::*;
use crate::message::{Call, Envelope, Timing, read_text};
use proptest::prelude::*;
use rust_decimal::Decimal;
use serde_json::json;
use sonder_dsl::ir::{IdentifierKindId, SourceId};
use sonder_dsl::time::{Duration, Moment};

fn message(json: &Json) -> Message {
    let envelope =
        Envelope::alone(SourceId(0), Moment(1_000_000_000_000_000), Timing::Live, Duration::from_secs(300), &|| {
            "made".to_owned()
        });
    read_text(&json.to_string(), &envelope).unwrap()
}

fn govern(json: &Json) -> Result<Event, Quarantined> {
    Governor::new(&program()).govern(&message(json))
}

fn track(event: &str, properties: Json) -> Json {
    json!({"type": "track", "event": event, "anonymousId": "a1", "properties": properties})
}

fn viewed(more: Json) -> Json {
    let mut properties = json!({"product_id": "p1"});
    properties.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    track("Product Viewed", properties)
}

/// `kind:value` of each identifier.
fn identifiers(event: &Event) -> Vec<String> {
    let program = program();
    let name = |kind: IdentifierKindId| program.identity.identifiers[kind.index()].name.clone();
    event.identifiers.iter().map(|known| format!("{}:{}", name(known.kind), known.value)).collect()
}

/// `path: message` of each reason.
fn reasons(json: &Json) -> Vec<String> {
    let quarantined = govern(json).unwrap_err();
    assert_eq!(*quarantined.payload, *message(json).payload, "the original is kept");
    quarantined
        .reasons
        .iter()
        .map(|reason| format!("{}: {}", reason.path.as_deref().unwrap_or_default(), reason.message))
        .collect()
}

#[test]
fn all_spellings_and_aliases_are_one_event() {
    for name in ["product_viewed", "Product Viewed", "productViewed", "PRODUCT VIEWED", "product_klik", "Product Klik"]
    {
        let event = govern(&track(name, json!({"product_id": "p1"}))).unwrap();
        assert_eq!(event.event, Some(EventId(3)), "{name}");
    }
}

#[test]
fn pages_are_events_and_identify_is_none() {
    let page = govern(&json!({"type": "page", "anonymousId": "a", "properties": {"path": "/"}})).unwrap();
    assert_eq!((page.event, page.properties), (Some(EventId(1)), [Some(Value::String("/".into()))].into()));
    let identify = govern(&json!({"type": "identify", "userId": "u"})).unwrap();
    assert_eq!((identify.event, identify.call), (None, Call::Identify));
}

#[test]
fn an_undeclared_event_is_kept_aside_with_a_suggestion() {
    assert_eq!(
        reasons(&track("Product Veiwed", json!({}))),
        ["/event: no event `Product Veiwed` is declared, did you mean `product_viewed`?"]
    );
    assert_eq!(reasons(&track("something else", json!({}))), ["/event: no event `something else` is declared"]);
    assert_eq!(reasons(&json!({"type": "screen", "userId": "u"})), ["/event: no event `screen_viewed` is declared"]);
}

#[test]
fn an_undeclared_event_is_accepted_where_the_project_says_so() {
    let mut program = program();
    program.settings.undeclared_events = UndeclaredEvents::Accept;
    let event = Governor::new(&program).govern(&message(&track("something else", json!({"a": 1})))).unwrap();
    assert_eq!((event.event, event.properties.len()), (None, 0));
}

#[test]
fn violations_are_all_said_with_place_and_expectation() {
    assert_eq!(
        reasons(&track(
            "product_viewed",
            json!({"category": "socks", "price": -1.005, "email": "no", "size": {}, "at": "soon"})
        )),
        [
            "/properties/category: `socks` is not one of `shoes`, `coats`",
            "/properties/price: `-1.005` is below 0",
            "/properties/price: `-1.005` is not a multiple of 0.01",
            "/properties/email: `no` does not have the format `email`",
            "/properties/at: `soon` does not have the format `date-time`",
            "/properties/size/eu: `eu` is missing",
            "/properties/product_id: `product_id` is missing",
        ]
    );
    assert_eq!(reasons(&viewed(json!({"price": "5"}))), ["/properties/price: `5` is a string, expected type `number`"]);
}

#[test]
fn stripping_leaves_out_what_violates_unless_it_must_be_there() {
    let sent = track("stripping", json!({"a": "x", "b": "y", "email": "ada@example.org"}));
    let event = govern(&sent).unwrap();
    assert_eq!(event.properties, [Some(Value::String("x".into())), None].into());
    assert_eq!((event.stripped, event.labels), (vec!["b".to_owned(), "email".to_owned()], vec![Label::Stripped]));
    assert_eq!(event.identifiers.len(), 1, "a stripped property identifies nobody");
    assert_eq!(
        reasons(&track("stripping", json!({"a": 1}))),
        ["/properties/a: `1` is a number, expected type `string`"]
    );
    assert_eq!(reasons(&track("stripping", json!({"b": 1}))), ["/properties/a: `a` is missing"]);
}

#[test]
fn a_schema_with_more_than_properties_is_judged_as_a_whole() {
    let event = govern(&track("closed", json!({"a": "x", "b": "y", "c": 1}))).unwrap();
    assert_eq!(event.stripped, ["b", "c"]);
    assert_eq!(event.properties, [Some(Value::String("x".into())), None].into());
    assert_eq!(govern(&track("closed", json!({"a": "x"}))).unwrap().labels, []);
}

#[test]
fn a_labelled_event_goes_on_and_what_is_of_another_type_is_unknown() {
    let event = govern(&track("price_changed", json!({"price": "9.95"}))).unwrap();
    assert_eq!((event.properties, event.labels), ([None].into(), vec![Label::SchemaViolation]));
}

#[test]
fn slots_are_typed_and_decimals_exact() {
    let event = govern(&viewed(json!({"price": 0.3, "size": {"eu": 42}, "at": "2026-03-01T00:00:00Z"}))).unwrap();
    assert_eq!(
        event.properties,
        [
            Some(Value::String("p1".into())),
            Some(Value::Decimal(Decimal::new(30, 2))),
            Some(Value::Int(42)),
            Moment::parse("2026-03-01T00:00:00Z").map(Value::Time),
        ]
        .into()
    );
}

#[test]
fn context_slots_are_read_from_any_call() {
    let sent = json!({"type": "identify", "userId": "u", "context": {"device": {"type": "mobile"}}});
    assert_eq!(govern(&sent).unwrap().context, [Some(Value::String("mobile".into()))].into());
}

#[test]
fn identifiers_come_in_order_of_priority_normalised_and_once() {
    let sent = json!({
        "type": "track", "event": "product_viewed", "anonymousId": "a1", "userId": "u1",
        "traits": {"email": " Ada@Example.org ", "phone": "+31 6 12345678"},
        "context": {"device": {"id": "d1"}, "traits": {"email": "other@example.org"}},
        "properties": {"product_id": "p", "email": "ada@example.org"}, "loyalty": 77,
    });
    let event = govern(&sent).unwrap();
    assert_eq!(
        identifiers(&event),
        ["user_id:u1", "email:ada@example.org", "phone:+31612345678", "card:77", "device_id:d1", "anonymous_id:a1"]
    );
    assert_eq!(event.labels, []);
}

#[test]
fn the_first_path_that_is_there_counts() {
    let sent = json!({"type": "identify", "context": {"card": {"id": "c1"}}, "loyalty": "c2"});
    assert_eq!(identifiers(&govern(&sent).unwrap()), ["card:c1"]);
}

#[test]
fn values_that_identify_nobody_are_left_out() {
    for email in ["test@example.com", " TEST@example.com", "noreply@shop.example", "null", "undefined"] {
        let event = govern(&json!({"type": "identify", "anonymousId": "a", "traits": {"email": email}})).unwrap();
        assert_eq!(identifiers(&event), ["anonymous_id:a"], "{email}");
        assert_eq!(event.labels, [Label::IdentifierRefused]);
    }
    let quarantined = govern(&json!({"type": "identify", "anonymousId": "[object Object]"})).unwrap_err();
    assert_eq!(quarantined.reasons[0].code, "missing_identifier");
}

#[test]
fn a_number_is_dialled_where_the_message_says_or_where_the_project_does() {
    for (traits, context, phone) in [
        (json!({"phone": "06 12345678", "address": {"country": "NL"}}), json!({}), Some("+31612345678")),
        (json!({"phone": "06 12345678"}), json!({"location": {"country": "nl"}}), Some("+31612345678")),
        (json!({"phone": "0470 12 34 56"}), json!({}), Some("+32470123456")),
        (json!({"phone": "0470 12 34 56", "address": {"country": "Belgium"}}), json!({}), Some("+32470123456")),
        (json!({"phone": "+31612345678", "address": {"country": "US"}}), json!({}), Some("+31612345678")),
        (json!({"phone": "06 12345678"}), json!({}), None),
        (json!({"phone": 31612345678_u64, "address": {"country": "NL"}}), json!({}), Some("+31612345678")),
    ] {
        let sent = json!({"type": "identify", "userId": "u", "traits": traits, "context": context});
        let event = govern(&sent).unwrap();
        let expected = phone.map(|phone| format!("phone:{phone}"));
        assert_eq!(identifiers(&event).get(1), expected.as_ref(), "{sent}");
        assert_eq!(event.labels.contains(&Label::IdentifierRefused), phone.is_none(), "{sent}");
    }
    // Somebody is looked up by it as the project dials.
    let phone = IdentifierKindId(2);
    let found = Governor::new(&program()).identifier(phone, "0470 12 34 56");
    assert_eq!(found.map(|it| it.value.to_string()).as_deref(), Some("+32470123456"));
}

#[test]
fn a_pattern_makes_values_comparable() {
    for (written, expected) in [("12-34 56", "card:123456"), ("77_gold", "card:c77"), ("77_", "card:c77")] {
        let sent = json!({"type": "identify", "loyalty": written});
        assert_eq!(identifiers(&govern(&sent).unwrap()), [expected]);
    }
    let nothing = govern(&json!({"type": "identify", "userId": "u", "loyalty": "- -"})).unwrap();
    assert_eq!((identifiers(&nothing), nothing.labels), (vec!["user_id:u".to_owned()], vec![Label::IdentifierRefused]));
}

#[test]
fn presets_block_what_identifies_nobody_unless_they_are_off() {
    let who = |block: &str, user: &str| {
        let mut program = program();
        let presets = block.split(' ').filter_map(sonder_dsl::model::Preset::named).collect();
        program.identity.identifiers[0].presets = presets;
        let sent = json!({"type": "identify", "userId": user, "anonymousId": "a1"});
        identifiers(&Governor::new(&program).govern(&message(&sent)).unwrap()).len() == 2
    };
    for user in ["none", "N/A", "0", "--", "-1", "guest", "Anonymous"] {
        assert!(!who("missing zeros anonymous", user) && who("", user), "{user}");
    }
    assert!(who("missing zeros anonymous", "test") && !who("test", "test"));
}

#[test]
fn an_identifier_is_refused_from_the_first_byte_too_many() {
    for (length, refused) in [(limits::IDENTIFIER_BYTES, false), (limits::IDENTIFIER_BYTES + 1, true)] {
        let sent = json!({"type": "identify", "userId": "u", "anonymousId": "a".repeat(length)});
        assert_eq!(govern(&sent).unwrap().identifiers.len(), if refused { 1 } else { 2 });
    }
}

#[test]
fn an_alias_has_both_user_ids_and_to_oneself_it_is_harmless() {
    let alias = |user: &str, previous: &str| {
        identifiers(
            &govern(&json!({"type": "alias", "userId": user, "previousId": previous, "anonymousId": "a"})).unwrap(),
        )
    };
    assert_eq!(alias("u2", "u1"), ["user_id:u2", "user_id:u1", "anonymous_id:a"]);
    assert_eq!(alias("u1", "u1"), ["user_id:u1", "anonymous_id:a"]);
    assert_eq!(alias("u1", "a"), ["user_id:u1", "anonymous_id:a"], "a browser aliases its anonymous id");
}

#[test]
fn the_traits_of_a_group_are_not_the_persons() {
    let sent = json!({"type": "group", "userId": "u", "groupId": "g",
        "traits": {"email": "office@company.example", "age": 12}, "context": {"traits": {"age": 40}}});
    let event = govern(&sent).unwrap();
    assert_eq!(identifiers(&event), ["user_id:u"]);
    assert_eq!(event.traits, [(ProfileTraitId(1), Value::Int(40))]);
}

#[test]
fn traits_are_observed_where_the_project_says_and_of_their_type() {
    let observe = |traits: Json| {
        govern(&json!({"type": "identify", "userId": "u", "traits": traits, "context": {"geo": {"country": "BE"}}}))
            .unwrap()
    };
    let country = |code: &str| (ProfileTraitId(0), Value::String(code.into()));
    assert_eq!(observe(json!({"address": {"country": "NL"}})).traits, [country("NL")]);
    assert_eq!(observe(json!({})).traits, [country("BE")]);
    let refused = observe(json!({"age": "forty"}));
    assert_eq!((refused.traits, refused.labels), (vec![country("BE")], vec![Label::TraitRefused]));
    let refused = observe(json!({"address": {"country": "XX"}}));
    assert_eq!((refused.traits, refused.labels), (vec![], vec![Label::TraitRefused]));
}

#[test]
fn destinations_get_what_the_message_lets_them() {
    let withheld = |integrations: Json| {
        let mut sent = viewed(json!({}));
        sent["integrations"] = integrations;
        let event = govern(&sent).unwrap();
        (event.withheld, event.forward.is_some())
    };
    let [hook, mail] = [DestinationId(0), DestinationId(1)];
    assert_eq!(withheld(Json::Null), (vec![], true));
    assert_eq!(withheld(json!({"Segment.io": true})), (vec![], true));
    assert_eq!(withheld(json!({"mail": false})), (vec![mail], true));
    assert_eq!(withheld(json!({"All": false, "mail": {"list": 1}})), (vec![hook], true));
    assert_eq!(withheld(json!({"All": false})), (vec![hook, mail], false));
}

#[test]
fn history_is_not_forwarded() {
    let mut sent = message(&viewed(json!({})));
    assert_eq!(Governor::new(&program()).govern(&sent).unwrap().forward.as_deref(), Some(r#"{"product_id":"p1"}"#));
    sent.historical = true;
    assert_eq!(Governor::new(&program()).govern(&sent).unwrap().forward, None);
}

#[test]
fn a_schema_that_is_none_is_reported_and_refuses_its_events() {
    let mut program = program();
    program.events[3].json_schema["properties"]["price"]["minimum"] = json!("zero");
    program.events[1].json_schema["properties"]["path"]["examples"] = json!(["/", 7]);
    let problems = schema_problems(&program);
    assert_eq!(
        problems.iter().map(|problem| (problem.event.as_str(), problem.path.as_str())).collect::<Vec<_>>(),
        [("page_viewed", "/properties/path/examples/1"), ("product_viewed", "")]
    );
    assert_eq!(problems[0].message, "`7` is a number, expected type `string`");
    let refused = Governor::new(&program).govern(&message(&viewed(json!({})))).unwrap_err();
    assert!(refused.reasons[0].message.starts_with("its schema is no valid JSON Schema"));
}

#[test]
fn patterns_are_those_of_the_language_and_take_linear_time() {
    let matches = |pattern: &str, text: &str| {
        schema::validator(&json!({"type": "string", "pattern": pattern})).map(|schema| schema.is_valid(&json!(text)))
    };
    for (pattern, matching, other) in [
        ("^[a-z]{2,3}$", "ab", "abcd"),
        ("(?i)^sku-", "SKU-1", "x"),
        (r"^\p{Lu}", "Éa", "éa"),
        (r"^\d+$", "12", "٣"),
        ("^(?P<year>[0-9]{4})-", "2026-03", "26-03"),
    ] {
        assert_eq!(matches(pattern, matching), Ok(true), "{pattern}");
        assert_eq!(matches(pattern, other), Ok(false), "{pattern}");
    }
    // An engine that searches back would need ages, or give up and call it no match.
    let long = "a".repeat(50_000);
    assert_eq!(matches("^(a+)+$", &long), Ok(true));
    assert_eq!(matches("^(a+)+$", &format!("{long}!")), Ok(false));
    for pattern in ["^(?=a)", "(a)\\1", "^(?!x)"] {
        assert!(matches(pattern, "a").is_err(), "{pattern}");
        let names = json!({"type": "object", "patternProperties": {pattern: {"type": "string"}}});
        assert!(schema::validator(&names).is_err(), "{pattern}");
    }
}

#[test]
fn the_examples_of_this_program_are_valid() {
    assert_eq!(schema_problems(&program()), []);
}

fn any_value() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        (-1e30..1e30_f64).prop_map(Json::from),
        "\\PC{0,8}".prop_map(Json::from),
        prop::sample::select(vec!["ada@example.org", "shoes", "2026-03-01T00:00:00Z", "NL", "+31612345678"])
            .prop_map(Json::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Json::from),
            prop::collection::hash_map(key(), inner, 0..4).prop_map(|map| Json::Object(map.into_iter().collect())),
        ]
    })
}

fn key() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "product_id",
        "category",
        "price",
        "email",
        "at",
        "size",
        "eu",
        "a",
        "b",
        "c",
        "age",
        "address",
        "country",
    ])
    .prop_map(str::to_owned)
}

proptest! {
    /// Accepted or refused, never both, never neither, and the same each time.
    #[test]
    fn governing_is_total_and_repeatable(
        event in prop::sample::select(vec!["product_viewed", "closed", "stripping", "price_changed", "other"]),
        properties in prop::collection::hash_map(key(), any_value(), 0..6),
        traits in prop::collection::hash_map(key(), any_value(), 0..4),
        user in any_value(),
    ) {
        let sent = json!({"type": "track", "event": event, "userId": user, "properties": properties, "traits": traits});
        let program = program();
        let message = message(&sent);
        match (Governor::new(&program).govern(&message), Governor::new(&program).govern(&message)) {
            (Ok(event), Ok(again)) => {
                prop_assert!(!event.identifiers.is_empty());
                let slots = event.event.map_or(0, |id| program.events[id.index()].slots.len());
                prop_assert_eq!(event.properties.len(), slots);
                prop_assert_eq!(event, again);
            }
            (Err(refused), Err(again)) => {
                prop_assert!(!refused.reasons.is_empty());
                prop_assert_eq!(&refused.payload, &message.payload);
                prop_assert_eq!(refused, again);
            }
            _ => prop_assert!(false, "one message, two verdicts"),
        }
    }

    /// Judging property by property is judging the whole object.
    #[test]
    fn both_ways_of_judging_agree(properties in prop::collection::hash_map(key(), any_value(), 0..6)) {
        let program = program();
        for schema in &program.events {
            let properties: Map<_, _> = properties.clone().into_iter().collect();
            let by_property = EventRules::new(schema, &program.identity, Vec::new());
            let whole = schema::validator(&schema.json_schema).unwrap();
            let is_valid = whole.is_valid(&Json::Object(properties.clone()));
            prop_assert_eq!(by_property.judge(&properties) == Verdict::Valid, is_valid);
        }
    }
}
