//! Who somebody was: `person show --at` gives a person as of a moment, from an engine that runs and from data at rest.

use serde_json::{Value as Json, json};
use sonder_tests::{Engine, Options, Receiver, project, sonder};
use std::time::Duration;

#[test]
fn a_person_is_shown_as_they_were_at_a_moment() {
    let folder = tempfile::tempdir().unwrap();
    let (shop, data) = (folder.path().join("project"), folder.path().join("data"));
    let receiver = Receiver::start().unwrap();
    project::keen(&shop, &receiver.address().to_string()).unwrap();
    let engine = Engine::start(&shop, &data, &Options::default()).unwrap();
    let send = |message: &Json| {
        assert_eq!(engine.connect().post("/v1/batch", "wk", &json!({ "batch": [message] })).unwrap().status, 200);
        engine.settle(Duration::from_secs(30)).unwrap();
        std::thread::sleep(Duration::from_millis(20));
        engine.query("SELECT max(received_at)::VARCHAR FROM log").unwrap()[0][0].as_str().unwrap().replace(' ', "T")
            + "Z"
    };
    let view = |n: u32| json!({"type": "track", "event": "view", "messageId": format!("m{n}"), "anonymousId": "a1", "properties": {"product": "p"}});
    let moments: Vec<String> = (1..=3).map(|n| send(&view(n))).collect();
    let known = send(
        &json!({"type": "identify", "messageId": "m4", "anonymousId": "a1", "userId": "ann", "traits": {"email": "ann@x.example"}}),
    );
    let data_text = data.to_str().unwrap().to_owned();
    let shop_text = shop.to_str().unwrap().to_owned();
    let show = |who: &str, at: &str| -> Json {
        let arguments = ["person", "show", who, "--at", at, "--json", "--data", &data_text, "--project", &shop_text];
        let output = sonder(&arguments).unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| String::from_utf8_lossy(&output.stderr).into())
    };
    let check = || {
        let second = show("anonymous_id:a1", &moments[1]);
        assert!(second.to_string().contains("\"name\":\"views\",\"value\":2"), "{second}");
        assert_eq!((&second["segments"], second["identifiers"].as_array().unwrap().len()), (&json!([]), 1), "{second}");
        // By who she is now: then she was nobody of that name.
        assert!(show("user_id:ann", &moments[1]).to_string().contains("nobody was `user_id:ann` then"));
        let later = show("user_id:ann", &known);
        assert!(
            later["segments"].to_string().contains("keen") && later.to_string().contains("ann@x.example"),
            "{later}"
        );
        assert!(show("anonymous_id:a1", "2020-01-01T00:00:00Z").to_string().contains("nobody was"));
    };
    let ask = |sql: &str, at: &str| -> String {
        let arguments = ["query", sql, "--at", at, "--format", "csv", "--data", &data_text, "--project", &shop_text];
        let output = sonder(&arguments).unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().lines().skip(1).collect::<Vec<_>>().join("; ")
    };
    let past = || {
        let tables = "SELECT (SELECT count(*) FROM log), (SELECT count(*) FROM ev_view), (SELECT count(*) FROM identifiers), \
             (SELECT count(*) FROM memberships), (SELECT traits->>'views' FROM people)";
        assert_eq!(ask(tables, &moments[1]), "2,2,1,0,2");
        assert_eq!(ask(tables, &known), "4,3,3,1,3");
        assert_eq!(ask("WITH l AS (FROM log) SELECT message_id FROM l ORDER BY seq DESC LIMIT 1;", &moments[0]), "m1");
        assert_eq!(ask("SELECT kind FROM changes WHERE kind = 'entered'", &moments[1]), "");
    };
    check();
    past();
    // Nothing of it stays behind.
    assert_eq!(engine.count("SELECT count(*) FROM log").unwrap(), 4);
    engine.stop().unwrap();
    check();
    past();
}
