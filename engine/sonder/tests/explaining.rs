//! `explain` and `preview` against a running engine and against its data at rest: the same answers.
#![expect(clippy::unwrap_used, reason = "the tests of a test binary fail by panicking")]

use serde_json::{Value as Json, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

struct Running {
    child: Child,
    address: String,
}

impl Running {
    fn start(project: &Path, data: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_sonder"))
            .args(["run".as_ref(), project.as_os_str(), "--data".as_ref(), data.as_os_str()])
            .args(["--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on http://").unwrap().to_owned();
        Self { child, address }
    }

    fn send(&self, message: &Json) {
        let body = message.to_string();
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let request = format!(
            "POST /v1/track HTTP/1.1\r\nhost: x\r\nauthorization: Basic d2s6\r\ncontent-type: application/json\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    /// Ends it as a service manager would, so that it writes what it knows.
    fn stop(mut self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn project(root: &Path) {
    write(root, "sonder.yaml", "name: x\n");
    write(root, "sources/web.yaml", "source: web\nkind: server\nwrite_keys: [wk]\n");
    write(root, "identity.yaml", "identifiers:\n  user_id: {}\n  anonymous_id: {}\n");
    write(
        root,
        "events/view.yaml",
        "event: view\nproperties:\n  category: {type: string, enum: [shoes, coats]}\n  \
         price: {type: number, multipleOf: 0.01}\n  item: {type: object, properties: {size: {type: integer}}}\n",
    );
    write(root, "events/order.yaml", "event: order\nproperties:\n  total: {type: number, multipleOf: 0.01}\n");
    write(
        root,
        "rules/all.sonder",
        "segment keen \"Looks at shoes\" {\n  when count(view where category == \"shoes\", last 24h) >= 3\n   \
         and not did(order, last 24h)\n}\n\nsegment buyers { when did(order) }\n\ntrait spent = sum(order.total)\n",
    );
}

/// The same with every command, on an engine that runs or on data at rest.
fn sonder(data: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sonder"));
    command.args(arguments).arg("--data").arg(data).env("COLUMNS", "100").env_remove("SONDER_KEY").output().unwrap()
}

fn answer(data: &Path, arguments: &[&str]) -> Json {
    let output = sonder(data, &[arguments, &["--format", "json"][..]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Twelve people look at 0 to 3 pairs of shoes; every fourth one orders. The first is somebody else's device, too.
fn play(engine: &Running) {
    for person in 0..12 {
        for look in 0..person % 4 {
            engine.send(&json!({
                "anonymousId": format!("a{person}"), "event": "view", "messageId": format!("look-{person}-{look}"),
                "properties": {"category": "shoes", "price": 9.5, "item": {"size": 40 + person}},
                "context": {"device": {"type": if person < 6 { "mobile" } else { "desktop" }}},
            }));
        }
        if person % 4 == 3 {
            engine.send(&json!({"anonymousId": format!("a{person}"), "userId": format!("u{person}"), "event": "order",
                "messageId": format!("order-{person}"), "properties": {"total": 10 + person}}));
        }
    }
    engine.send(&json!({"userId": "u3", "anonymousId": "a2", "event": "view", "messageId": "late",
        "properties": {"category": "coats"}}));
}

fn wait_for(data: &Path, count: u64) {
    let patience = Instant::now() + Duration::from_secs(20);
    loop {
        let status = sonder(data, &["status", "--json"]);
        let status: Json = serde_json::from_slice(&status.stdout).unwrap();
        if status["log"]["folded_seq"].as_u64() == Some(count) {
            return;
        }
        assert!(Instant::now() < patience, "{status}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn explanations_and_previews_are_the_same_live_and_at_rest() {
    let (folder, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let data = data.path();
    project(folder.path());
    let engine = Running::start(folder.path(), data);
    play(&engine);
    wait_for(data, 22);

    // A1 looked once, a2 became u3 with a3: five looks and an order.
    let one = answer(data, &["explain", "anonymous_id:a1", "keen"]);
    assert_eq!((&one["value"], &one["because"]["effect"]), (&json!(false), &json!("missing")));
    let counted = &one["tree"]["parts"][0];
    assert_eq!((&counted["margin"]["missing"], &counted["margin"]["value"]), (&json!(2), &json!(1)));
    assert_eq!(counted["parts"][0]["evidence"]["events"][0]["message_id"], "look-1-0");
    let member = answer(data, &["explain", "anonymous_id:a2", "buyers"]);
    assert_eq!(member["value"], true);
    assert_eq!(member["tree"]["evidence"]["events"][0]["message_id"], "order-3");
    let at = member["at"].as_str().unwrap();
    let spent = answer(data, &["explain", "user_id:u7", "spent", "--at", at]);
    assert_eq!(spent["value"], "17.00");
    let nobody = sonder(data, &["explain", "user_id:u7", "spent", "--at", "2020-01-01T00:00:00Z"]);
    assert_eq!(nobody.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&nobody.stderr).contains("nobody was `user_id:u7` then"));
    let wrong = sonder(data, &["explain", "user_id:u7", "spend"]);
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("did you mean `spent`?"));

    // What is there, under another name, is the same segment; one in its place is compared with it.
    let rules = "segment same { when did(order) }\n\
                 segment keen { when count(view where category == \"shoes\", last 24h) >= 1 }\n\
                 segment mobile { when did(view where context.device.type == \"mobile\" and item.size > 41) }\n\
                 trait spent_twice = 2 * spent\n";
    let preview = answer(data, &["preview", "--rule", rules]);
    let rule = |preview: &Json, name: &str| {
        preview["rules"].as_array().unwrap().iter().find(|rule| rule["name"] == name).cloned().unwrap()
    };
    assert_eq!(preview["as_of"]["people"], 8, "those of 12 who were ever seen, two of them one person");
    let same = rule(&preview, "same");
    assert_eq!((&same["size"], &same["replaces"]), (&json!(3), &json!(false)));
    assert_eq!(same["overlap"][0], json!({"segment": "buyers", "size": 3, "both": 3, "jaccard": 1.0}));
    let keen = rule(&preview, "keen");
    assert_eq!((&keen["size"], &keen["replaces"]), (&json!(8), &json!(true)));
    assert_eq!(keen["sample"].as_array().unwrap().len(), 8);
    assert_eq!(rule(&preview, "mobile")["size"], 2, "a5, and u3, who is a2 and a3");
    let spent = rule(&preview, "spent_twice");
    assert_eq!(
        (&spent["known"], &spent["max"], &spent["top"][0]),
        (&json!(8), &json!("42.00"), &json!({"value": "0.00", "people": 5}))
    );

    let wrong = sonder(data, &["preview", "--rule", "segment s {\n  when did(ordr)\n}"]);
    assert_eq!(wrong.status.code(), Some(1));
    let told = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(told.contains("rules/preview.sonder:2:12") && told.contains("did you mean `order`?"), "{told}");

    let now = one["at"].as_str().unwrap();
    let live = answer(data, &["explain", "anonymous_id:a1", "keen", "--at", now]);
    engine.stop();
    let project = folder.path().to_str().unwrap();
    let rest = answer(data, &["explain", "anonymous_id:a1", "keen", "--at", now, "--project", project]);
    assert_eq!(live, rest);
    let rest = answer(data, &["preview", "--rule", rules, "--project", project]);
    assert_eq!(preview["rules"], rest["rules"]);
    let page = sonder(data, &["explain", "anonymous_id:a1", "keen", "--at", now, "--project", project]);
    let page = String::from_utf8_lossy(&page.stdout).into_owned();
    assert!(
        page.contains("anonymous_id:a1 is not in `keen` as of ")
            && page.contains("1 of 3: 2 more would be enough until "),
        "{page}"
    );
}
