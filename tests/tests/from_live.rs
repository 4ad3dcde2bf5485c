//! `sonder test --from`: a scenario of what somebody did. It holds in the project that it was written in, and does not say who they
//! are.

use serde_json::json;
use sonder_tests::{Engine, Options, Receiver, project, sonder};
use std::fs;
use std::time::Duration;

#[test]
fn a_scenario_is_written_of_what_somebody_did_and_says_nothing_of_who_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, data) = (dir.path().join("project"), dir.path().join("data"));
    let receiver = Receiver::start().unwrap();
    project::keen(&folder, &receiver.address().to_string()).unwrap();
    let profile = "traits:\n  email: {type: string, pii: contact}\n  nickname: {type: string, pii: contact}\n  plan: {type: string}\n";
    fs::write(folder.join("profile.yaml"), profile).unwrap();
    // What it does not declare is in the log, too.
    let declared = fs::read_to_string(folder.join("events/view.yaml")).unwrap();
    fs::write(folder.join("events/view.yaml"), declared + "additionalProperties: true\n").unwrap();
    let engine = Engine::start(&folder, &data, &Options::default()).unwrap();
    let view = |n: u32| {
        json!({"type": "track", "event": "view", "messageId": format!("m{n}"), "anonymousId": "device-of-ann",
            "properties": {"product": "p", "note": "written by Ann Smit"},
            "context": {"ip": "203.0.113.7", "userAgent": "Ann's browser", "page": {"url": "https://shop.example/?who=ann"}}})
    };
    let batch = json!([
        view(1), view(2), view(3),
        {"type": "identify", "messageId": "m4", "anonymousId": "device-of-ann", "userId": "ann",
            "traits": {"email": "Ann@shop.example", "nickname": "Annie", "plan": "pro", "secret": "Ann's own"}},
        {"type": "track", "event": "order", "messageId": "m5", "userId": "ann", "properties": {"total": 9.95}},
        {"type": "track", "event": "view", "messageId": "m6", "userId": "bob", "properties": {"product": "p"}},
    ]);
    assert_eq!(engine.connect().post("/v1/batch", "wk", &json!({ "batch": batch })).unwrap().status, 200);
    engine.settle(Duration::from_secs(30)).unwrap();
    let (folder_text, data_text) = (folder.to_str().unwrap(), data.to_str().unwrap());
    let written = sonder(&["test", folder_text, "--from", "user_id:ann", "--data", data_text]).unwrap();
    let text = String::from_utf8(written.stdout).unwrap();
    assert!(written.status.success(), "{}", String::from_utf8_lossy(&written.stderr));
    for told in ["ann", "203.0.113", "browser", "shop.example", "bob"] {
        assert!(!text.to_lowercase().contains(told), "it says `{told}`:\n{text}");
    }
    for kept in
        ["\"event\":\"order\"", "\"plan\":\"pro\"", "segments: [\"buyer\"]", "hook.segment_entered", "\"views\":3"]
    {
        assert!(text.contains(kept), "it does not say `{kept}`:\n{text}");
    }
    assert_eq!(text.matches("\"event\":\"view\"").count(), 3, "what others did is theirs:\n{text}");
    fs::create_dir_all(folder.join("tests")).unwrap();
    fs::write(folder.join("tests/somebody.yaml"), &text).unwrap();
    let played = sonder(&["test", folder_text]).unwrap();
    let said = String::from_utf8(played.stdout).unwrap() + &String::from_utf8(played.stderr).unwrap();
    assert!(played.status.success() && said.contains("1 passed, 0 failed"), "{said}\n{text}");
    // It says what it came to: rules that mean something else fail it.
    let rules = fs::read_to_string(folder.join("rules/r.sonder")).unwrap();
    fs::write(folder.join("rules/r.sonder"), rules.replace("when did(order)", "when did(order where total > 10)"))
        .unwrap();
    assert!(!sonder(&["test", folder_text]).unwrap().status.success());
    let nobody = sonder(&["test", folder_text, "--from", "user_id:nobody", "--data", data_text]).unwrap();
    assert!(!nobody.status.success());
}
