//! Messages as clients send them, and what the log keeps.

use super::*;
use proptest::prelude::*;
use serde_json::json;
use sonder_dsl::time::Duration;

const RECEIVED: &str = "2026-03-01T12:00:00Z";

fn envelope() -> Envelope<'static> {
    Envelope::alone(SourceId(3), Moment::parse(RECEIVED).unwrap(), Timing::Live, Duration::from_secs(300), &|| {
        "made".to_owned()
    })
}

fn object(json: Json) -> Map<String, Json> {
    json.as_object().unwrap().clone()
}

fn accepted(json: Json, envelope: &Envelope<'_>) -> Message {
    let from_text = read_text(&json.to_string(), envelope).unwrap();
    assert_eq!(read(object(json), envelope).unwrap(), from_text, "text and object are read alike");
    assert_logged_alike(&from_text);
    from_text
}

fn refused(json: &Json, envelope: &Envelope<'_>) -> Quarantined {
    read_text(&json.to_string(), envelope).unwrap_err()
}

/// The invariant of this module.
fn assert_logged_alike(message: &Message) {
    let again =
        from_log(&message.payload, message.source, message.occurred_at, message.received_at, message.historical)
            .unwrap();
    assert_eq!(again, *message);
}

fn codes(quarantined: &Quarantined) -> Vec<&str> {
    quarantined.reasons.iter().map(|reason| reason.code.as_str()).collect()
}

#[test]
fn a_server_message_is_kept_byte_for_byte() {
    let text = r#"{"type": "track", "messageId":"m1", "event":"Product Viewed", "userId":"u1",
        "properties":{"price": 12345678901234567890.123}, "sentAt":"2026-03-01T12:00:00Z", "ours": [1]}"#;
    let message = read_text(text, &envelope()).unwrap();
    assert_eq!(&*message.payload, text);
    assert_eq!(message.rest["ours"], json!([1]));
    assert_logged_alike(&message);
}

#[test]
fn what_a_batch_says_is_added_without_touching_the_rest() {
    let text = r#"{"type":"track","messageId":"m1","event":"e","userId":"u1" }"#;
    let (context, sent_at) = (object(json!({"ip": "1.2.3.0"})), json!("2026-03-01T11:59:00Z"));
    let with_batch = Envelope { context: Some(&context), sent_at: Some(&sent_at), ..envelope() };
    let message = read_text(text, &with_batch).unwrap();
    assert_eq!(
        &*message.payload,
        r#"{"type":"track","messageId":"m1","event":"e","userId":"u1" ,"sentAt":"2026-03-01T11:59:00Z","context":{"ip":"1.2.3.0"}}"#
    );
    assert_logged_alike(&message);
}

#[test]
fn the_messages_own_context_and_integrations_win_over_the_batchs() {
    let context = object(json!({"channel": "batch", "locale": "nl"}));
    let integrations = object(json!({"All": false, "A": true}));
    let with_batch = Envelope { context: Some(&context), integrations: Some(&integrations), ..envelope() };
    let sent = json!({"type": "identify", "userId": "u", "context": {"channel": "own"}, "integrations": {"A": false}});
    let message = accepted(sent, &with_batch);
    assert_eq!(message.context, object(json!({"channel": "own", "locale": "nl"})));
    assert_eq!(message.rest["integrations"], json!({"A": false, "All": false}));
}

#[test]
fn what_the_collector_saw_wins_over_what_the_client_says() {
    let observed = object(json!({"ip": "192.0.2.1"}));
    let seen = Envelope { observed: Some(&observed), ..envelope() };
    for context in [json!({"ip": "forged", "locale": "nl"}), Json::Null, json!([])] {
        let message = accepted(json!({"type": "identify", "userId": "u", "context": context}), &seen);
        assert_eq!(message.context["ip"], "192.0.2.0");
    }
}

#[test]
fn ids_may_be_numbers_and_absent_in_many_ways() {
    for absent in [Json::Null, json!(""), json!("  ")] {
        let message =
            accepted(json!({"type": "track", "event": "e", "userId": absent, "anonymousId": 42}), &envelope());
        assert_eq!(message.user_id, None);
        assert_eq!(message.anonymous_id.as_deref(), Some("42"));
        assert_eq!(message.labels, []);
    }
    let message =
        accepted(json!({"type": "track", "event": "e", "userId": {"id": 1}, "anonymousId": "a"}), &envelope());
    assert_eq!((message.user_id, message.labels), (None, vec![Label::IdentifierRefused]));
}

#[test]
fn the_path_wins_over_the_type() {
    let by_path = Envelope { call: Some(Call::Page), ..envelope() };
    for sent in [json!({"type": "track", "userId": "u"}), json!({"userId": "u"}), json!({"type": null, "userId": "u"})]
    {
        let message = accepted(sent, &by_path);
        assert_eq!(message.call, Call::Page);
        assert_eq!(serde_json::from_str::<Json>(&message.payload).unwrap()["type"], "page");
    }
}

#[test]
fn a_message_without_a_type_is_a_track_when_it_names_an_event() {
    assert_eq!(accepted(json!({"event": "e", "userId": "u"}), &envelope()).call, Call::Track);
    assert_eq!(codes(&refused(&json!({"userId": "u"}), &envelope())), ["unknown_type"]);
    assert_eq!(codes(&refused(&json!({"type": "merge", "userId": "u"}), &envelope())), ["unknown_type"]);
}

#[test]
fn a_message_without_an_id_gets_one_that_is_kept() {
    for (sent, id) in
        [(Json::Null, "made"), (json!(" "), "made"), (json!(" m1 "), "m1"), (json!(7), "7"), (json!([]), "made")]
    {
        let message = accepted(json!({"type": "identify", "userId": "u", "messageId": sent}), &envelope());
        assert_eq!(message.message_id, id);
    }
    assert_eq!(accepted(json!({"type": "identify", "userId": "u"}), &envelope()).message_id, "made");
}

#[test]
fn write_keys_are_never_kept() {
    let message = accepted(json!({"type": "identify", "userId": "u", "writeKey": "secret"}), &envelope());
    assert!(!message.payload.contains("secret"));
    let quarantined = refused(&json!({"type": "track", "userId": "u", "writeKey": "secret"}), &envelope());
    assert!(!quarantined.payload.contains("secret"));
}

#[test]
fn traits_lie_over_those_of_the_context_but_not_for_a_group() {
    let sent = |call: &str| json!({"type": call, "userId": "u", "traits": {"a": 1}, "context": {"traits": {"a": 2, "b": 3}}, "groupId": "g"});
    assert_eq!(accepted(sent("identify"), &envelope()).traits, object(json!({"a": 1, "b": 3})));
    let group = accepted(sent("group"), &envelope());
    assert_eq!((group.traits, group.group_id.as_deref()), (object(json!({"a": 1})), Some("g")));
}

#[test]
fn a_page_has_its_name_and_category_as_properties() {
    let message = accepted(json!({"type": "page", "userId": "u", "name": "Home", "category": "Shop"}), &envelope());
    assert_eq!(message.properties, object(json!({"name": "Home", "category": "Shop"})));
    let message = accepted(
        json!({"type": "screen", "userId": "u", "name": "Home", "category": null, "properties": {"name": "Own"}}),
        &envelope(),
    );
    assert_eq!((message.name.as_deref(), message.properties), (Some("Home"), object(json!({"name": "Own"}))));
}

#[test]
fn php_sends_empty_objects_as_lists() {
    let sent = json!({"type": "track", "event": "e", "userId": "u", "properties": [], "traits": [], "context": []});
    assert_eq!(accepted(sent, &envelope()).properties, Map::new());
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    for (sent, code, path) in [
        (json!({"type": "track", "userId": "u"}), "missing_event", "/event"),
        (json!({"type": "track", "event": " ", "userId": "u"}), "missing_event", "/event"),
        (json!({"type": "alias", "userId": "u"}), "missing_identifier", "/previousId"),
        (json!({"type": "alias", "previousId": "u"}), "missing_identifier", "/userId"),
        (json!({"type": "identify", "userId": "u", "traits": "x"}), "malformed", "/traits"),
        (
            json!({"type": "identify", "userId": "u", "traits": {"a/b": [{"c": "\0"}]}}),
            "nul_character",
            "/traits/a~1b/0/c",
        ),
        (json!({"type": "identify", "userId": "u", "messageId": "x".repeat(513)}), "too_large", "/messageId"),
    ] {
        let quarantined = refused(&sent, &envelope());
        assert_eq!(codes(&quarantined), [code], "{sent}");
        assert_eq!(quarantined.reasons[0].path.as_deref(), Some(path), "{sent}");
    }
}

#[test]
fn what_is_no_object_is_kept_with_the_reason() {
    for (text, code) in [
        ("[1]", "malformed"),
        ("null", "malformed"),
        ("\"x\"", "malformed"),
        ("{\"a\":", "malformed"),
        ("", "malformed"),
    ] {
        let quarantined = read_text(text, &envelope()).unwrap_err();
        assert_eq!(codes(&quarantined), [code], "{text}");
        assert_eq!(&*quarantined.payload, text);
    }
    let deep = format!("{}{}", "{\"a\":".repeat(500), "1".to_owned() + &"}".repeat(500));
    assert_eq!(codes(&read_text(&deep, &envelope()).unwrap_err()), ["too_deep"]);
}

#[test]
fn limits_hold_at_the_last_allowed_and_the_first_refused() {
    let nested = |levels: usize| {
        // The message and `properties` are the first two.
        (2..levels).fold(json!(1), |inner, _| json!({ "a": inner }))
    };
    let deep = |levels| json!({"type": "track", "event": "e", "userId": "u", "properties": {"a": nested(levels)}});
    accepted(deep(limits::DEPTH), &envelope());
    assert_eq!(codes(&refused(&deep(limits::DEPTH + 1), &envelope())), ["too_deep"]);

    let large = |bytes: usize| {
        let sent =
            |filler: &str| json!({"type": "track", "event": "e", "userId": "u", "messageId": "m", "filler": filler});
        sent(&"x".repeat(bytes - sent("").to_string().len()))
    };
    accepted(large(limits::EVENT_BYTES), &envelope());
    assert_eq!(codes(&refused(&large(limits::EVENT_BYTES + 1), &envelope())), ["too_large"]);

    let many = |keys: usize| {
        let properties: Map<_, _> = (0..keys - 5).map(|key| (key.to_string(), json!(1))).collect();
        json!({"type": "track", "event": "e", "userId": "u", "properties": properties})
    };
    assert_eq!(codes(&refused(&many(limits::PROPERTIES), &envelope())), ["too_large"]);
    assert_eq!(codes(&refused(&many(limits::PROPERTIES + 1), &envelope())), ["too_many_properties", "too_large"]);
}

#[test]
fn half_an_emoji_is_mended() {
    let message = read_text(r#"{"type":"identify","userId":"u","traits":{"name":"Ada \ud83d"}}"#, &envelope()).unwrap();
    assert_eq!(message.traits["name"], "Ada \u{fffd}");
    assert_logged_alike(&message);
}

#[test]
fn of_equal_keys_the_last_counts() {
    let text = r#"{"type":"identify","userId":"u1","userId":"u2","messageId":"m"}"#;
    let message = read_text(text, &envelope()).unwrap();
    assert_eq!(message.user_id.as_deref(), Some("u2"));
    assert_logged_alike(&message);
}

#[test]
fn huge_whole_numbers_stay_whole() {
    let message =
        read_text(r#"{"type":"identify","userId":9007199254740993,"traits":{"n":18446744073709551615}}"#, &envelope())
            .unwrap();
    assert_eq!(message.user_id.as_deref(), Some("9007199254740993"));
    assert_eq!(message.traits["n"], json!(u64::MAX));
}

#[test]
fn a_clock_that_is_an_hour_ahead_is_corrected() {
    let sent = json!({"type": "track", "event": "e", "userId": "u",
        "timestamp": "2026-03-01T12:59:58Z", "sentAt": "2026-03-01T13:00:00Z"});
    assert_eq!(accepted(sent.clone(), &envelope()).occurred_at, Moment::parse("2026-03-01T11:59:58Z").unwrap());
    let imported = Envelope { timing: Timing::Imported, ..envelope() };
    let message = accepted(sent, &imported);
    assert_eq!(message.occurred_at, message.received_at, "believed, so it is in the future, so it is clamped");
    assert_eq!(message.labels, [Label::FutureTimestamp]);
}

#[test]
fn without_a_readable_time_it_happened_when_it_arrived() {
    for (timestamp, labels) in [(Json::Null, vec![]), (json!("soon"), vec![Label::UnreadableTimestamp])] {
        let sent = json!({"type": "track", "event": "e", "userId": "u", "timestamp": timestamp, "sentAt": "never"});
        let message = accepted(sent, &envelope());
        assert_eq!((message.occurred_at, message.labels), (message.received_at, labels));
    }
}

#[test]
fn a_recorded_message_says_when_it_arrived() {
    let recorded = Envelope { timing: Timing::Recorded, ..envelope() };
    let sent = json!({"type": "track", "event": "e", "userId": "u",
        "timestamp": "2025-01-01T00:00:00Z", "receivedAt": "2025-01-01T00:00:05Z", "sentAt": "2025-01-01T00:00:04Z"});
    let message = accepted(sent, &recorded);
    assert_eq!(message.received_at, Moment::parse("2025-01-01T00:00:05Z").unwrap());
    assert_eq!(message.occurred_at, Moment::parse("2025-01-01T00:00:00Z").unwrap());
}

/// So a file without `receivedAt` can be looked at as of any moment: what happens later is not there yet.
#[test]
fn a_recorded_message_that_does_not_say_when_it_arrived_did_when_it_happened() {
    let recorded = Envelope { timing: Timing::Recorded, ..envelope() };
    let later = recorded.received_at.plus(Duration::from_secs(9 * 3600));
    let sent = json!({"type": "track", "event": "e", "userId": "u", "timestamp": later.to_string()});
    let message = accepted(sent, &recorded);
    assert_eq!((message.received_at, message.occurred_at), (later, later));
    assert!(message.labels.is_empty());
}

#[test]
fn clients_cannot_label_their_own_messages() {
    let sent = json!({"type": "identify", "userId": "u", "_sonder": {"labels": ["stripped"]}});
    assert_eq!(accepted(sent, &envelope()).labels, []);
}

/// Any JSON, with the keys that mean something more often than by chance.
fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<f64>().prop_map(|float| serde_json::Number::from_f64(float).map_or(Json::Null, Json::Number)),
        "\\PC{0,12}".prop_map(Json::from),
        prop::sample::select(vec!["track", "page", "alias", "2026-03-01T00:00:00Z", "", "u1", "\0"])
            .prop_map(Json::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            any_object(inner).prop_map(Json::Object),
        ]
    })
}

fn any_object(value: impl Strategy<Value = Json>) -> impl Strategy<Value = Map<String, Json>> {
    let key = prop_oneof![
        4 => prop::sample::select(vec![
            "type", "event", "userId", "anonymousId", "previousId", "messageId", "properties", "traits", "context",
            "timestamp", "originalTimestamp", "sentAt", "receivedAt", "integrations", "name", "category", "writeKey", "_sonder",
        ]).prop_map(str::to_owned),
        1 => "\\PC{0,6}",
    ];
    prop::collection::vec((key, value), 0..10).prop_map(|pairs| pairs.into_iter().collect())
}

proptest! {
    /// Whatever is sent, it is read or kept with a reason, and what is read is read again from the log.
    #[test]
    fn nothing_panics_and_nothing_is_lost(
        sent in any_object(any_json()), context in any_object(any_json()), sent_at in any_json(), live in any::<bool>(),
    ) {
        let envelope = Envelope {
            timing: if live { Timing::Live } else { Timing::Recorded },
            context: Some(&context),
            observed: Some(&context),
            sent_at: Some(&sent_at),
            ..envelope()
        };
        match read(sent.clone(), &envelope) {
            Ok(message) => {
                assert_logged_alike(&message);
                prop_assert!(message.occurred_at <= message.received_at);
                prop_assert_eq!(read_text(&Json::Object(sent).to_string(), &envelope).unwrap(), message);
            }
            Err(quarantined) => prop_assert!(!quarantined.reasons.is_empty()),
        }
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,200}") {
        let _ = read_text(&text, &envelope());
    }

    #[test]
    fn no_text_that_is_nearly_json_panics(text in r#"(\{|\}|\[|\]|:|,|"|\\u[dD][8-9a-fA-F]0|type|track|"event"|1|-|e){0,40}"#) {
        let _ = read_text(&text, &envelope());
    }
}
