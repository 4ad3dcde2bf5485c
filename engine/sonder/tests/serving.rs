//! A running engine: what its flags change on the wire, and what it says of requests that it refused.
#![expect(clippy::unwrap_used, reason = "the tests of a test binary fail by panicking")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// An engine that ends with its test.
struct Running {
    child: Child,
    address: String,
}

impl Running {
    fn start(project: &Path, data: &Path, flags: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_sonder"))
            .arg("run")
            .arg(project)
            .arg("--data")
            .arg(data)
            .args(["--listen", "127.0.0.1:0"])
            .args(flags)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on http://").unwrap().to_owned();
        Self { child, address }
    }

    fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn settings(&self, headers: &str) -> String {
        self.ask(&format!(
            "GET /v1/projects/wk/settings HTTP/1.1\r\nhost: {}\r\n{headers}connection: close\r\n\r\n",
            self.address
        ))
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
    write(root, "sources/web.yaml", "source: web\nkind: browser\nwrite_keys: [wk]\n");
}

#[test]
fn settings_name_the_public_url_or_what_a_trusted_proxy_says() {
    let (folder, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    project(folder.path());
    let forwarded = "x-forwarded-host: cdp.example.com\r\nx-forwarded-proto: https\r\n";

    let engine = Running::start(folder.path(), data.path(), &[]);
    let plain = engine.settings(forwarded);
    assert!(plain.contains(&format!("\"apiHost\":\"{}/v1\"", engine.address)), "a stranger is not believed: {plain}");
    drop(engine);

    let engine = Running::start(folder.path(), data.path(), &["--trusted-proxy", "192.0.2.0/24,127.0.0.0/8"]);
    let behind = engine.settings(forwarded);
    assert!(behind.contains("\"apiHost\":\"cdp.example.com/v1\"") && behind.contains("\"https\""), "{behind}");
    drop(engine);

    let engine = Running::start(folder.path(), data.path(), &["--public-url", "https://events.example.com/"]);
    let public = engine.settings("");
    assert!(public.contains("\"apiHost\":\"events.example.com/v1\"") && public.contains("\"https\""), "{public}");
}

#[test]
fn status_tells_of_refused_requests() {
    let (folder, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    project(folder.path());
    let engine = Running::start(folder.path(), data.path(), &[]);
    for body in ["{\"first\"", "{\"event\": \"Or"] {
        let length = body.len();
        let answer = engine.ask(&format!(
            "POST /v1/track?writeKey=wk HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        ));
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    }
    let status = |flags: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_sonder"))
            .args(["status", "--data"])
            .arg(data.path())
            .args(flags)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let json: serde_json::Value = serde_json::from_str(&status(&["--json"])).unwrap();
    let rejection = &json["rejections"][0];
    assert_eq!((&rejection["code"], &rejection["count"]), (&"malformed".into(), &2.into()), "{json}");
    assert_eq!((&rejection["last_path"], &rejection["last_sample"]), (&"/v1/track".into(), &"{\"event\": \"Or".into()));
    let shown = status(&[]);
    let line = shown.lines().find(|line| line.starts_with("refused")).unwrap();
    assert!(line.contains("2 malformed") && line.ends_with("to /v1/track: `{\"event\": \"Or`"), "{line}");
}

/// Consent, end to end: refused by default, granted through the API, on record, checked when the data is at rest.
#[test]
fn consent_is_told_recorded_and_proved() {
    let (folder, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    project(folder.path());
    write(folder.path(), "sources/server.yaml", "source: server\nkind: server\nwrite_keys: [wk_server]\n");
    write(folder.path(), "events/view.yaml", "event: view\n");
    write(folder.path(), "identity.yaml", "identifiers: {user_id: {}, email: {}, anonymous_id: {}}\n");
    write(folder.path(), "consent.yaml", "purposes: {marketing: {}, analytics: {}}\notherwise: gdpr\n");
    write(folder.path(), "rules/r.sonder", "segment keen { purpose marketing when did(view) }\n");
    let engine = Running::start(folder.path(), data.path(), &[]);
    let send = |method: &str, path: &str, body: &str| {
        let length = body.len();
        engine.ask(&format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        ))
    };
    let view = |id: &str| format!("{{\"event\": \"view\", \"messageId\": \"{id}\", \"userId\": \"u1\"}}");
    let consent = "/api/v1/people/user_id:u1/consent";
    assert!(send("POST", "/v1/track?writeKey=wk_server", &view("m1")).starts_with("HTTP/1.1 200"));
    let refused = send("PUT", consent, r#"{"purposes": {"marketng": true}}"#);
    assert!(refused.starts_with("HTTP/1.1 400") && refused.contains("there is no purpose `marketng`"), "{refused}");
    let nobody = send("PUT", "/api/v1/people/hat_size:7/consent", r#"{"purposes": {"marketing": true}}"#);
    assert!(nobody.starts_with("HTTP/1.1 400"), "{nobody}");
    let told = send("PUT", consent, r#"{"purposes": {"marketing": true}, "method": "form", "notice": "2026-03"}"#);
    assert!(told.starts_with("HTTP/1.1 200") && told.contains("message_id"), "{told}");
    assert!(send("POST", "/v1/track?writeKey=wk_server", &view("m2")).starts_with("HTTP/1.1 200"));
    let started = Instant::now();
    loop {
        let person = send("GET", "/api/v1/people/user_id:u1", "");
        if person.contains("\"keen\"") {
            assert!(
                person.contains("{\"purpose\":\"marketing\",\"granted\":true,\"held\":false,\"since\":\"20"),
                "{person}"
            );
            assert!(
                person.contains("{\"purpose\":\"analytics\",\"granted\":false,\"held\":false,\"since\":null}"),
                "{person}"
            );
            break;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "{person}");
        std::thread::sleep(Duration::from_millis(20));
    }
    let email = send(
        "PUT",
        "/api/v1/people/email:new@x.example/consent",
        r#"{"purposes": {"marketing": false, "analytics": true}}"#,
    );
    assert!(email.starts_with("HTTP/1.1 200"), "somebody nobody knows yet: {email}");
    let verify = |known: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sonder"));
        command.args(["audit", "verify", "--data"]).arg(data.path()).args(known).output().unwrap()
    };
    let live = verify(&[]);
    let printed = String::from_utf8(live.stdout).unwrap();
    assert!(printed.starts_with("3 entries"), "{printed}");
    let head = printed.lines().nth(1).unwrap().to_owned();
    drop(engine);
    let at_rest = verify(&["--known", &head]);
    assert!(at_rest.status.success(), "{at_rest:?}");
    let other = format!("3:{}", "0".repeat(64));
    let later = format!("4:{}", "0".repeat(64));
    for (wrong, why) in [(&other, "another hash"), (&later, "its end was cut off")] {
        let output = verify(&["--known", wrong]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(1) && said.contains(why), "{said}");
    }
}

/// What was decided while somebody consented is not sent after they withdrew, however long it waited.
#[test]
fn consent_withdrawn_between_decision_and_send_cancels_what_waits() {
    let (folder, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    project(folder.path());
    // Nobody listens here any more: what is sent waits for another attempt.
    let deaf = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let hook = format!(
        "destination: hook\nplugin: sonder/webhook@1\nallow: [\"{deaf}\"]\nallow_private: true\npurposes: [marketing]\n\
         config: {{url: \"http://{deaf}/\", sign: false}}\nreceives: {{events: [view], segments: [keen]}}\n"
    );
    write(folder.path(), "destinations/hook.yaml", &hook);
    write(folder.path(), "sources/server.yaml", "source: server\nkind: server\nwrite_keys: [wk_server]\n");
    write(folder.path(), "events/view.yaml", "event: view\npurposes: [marketing]\n");
    write(folder.path(), "consent.yaml", "purposes: [marketing]\notherwise: gdpr\n");
    write(folder.path(), "rules/r.sonder", "segment keen { purpose marketing when did(view) }\n");
    let engine = Running::start(folder.path(), data.path(), &[]);
    let post = |path: &str, body: &str| {
        let length = body.len();
        engine.ask(&format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        ))
    };
    let says = |yes: bool| {
        let body = format!(
            "{{\"event\": \"view\", \"userId\": \"u1\", \"context\": {{\"consent\": {{\"purposes\": {{\"marketing\": {yes}}}}}}}}}"
        );
        assert!(post("/v1/track?writeKey=wk_server", &body).starts_with("HTTP/1.1 200"));
    };
    let until = |sql: &str, expected: &str| {
        let started = Instant::now();
        loop {
            let answer = post("/api/v1/query", &format!("{{\"sql\": \"{sql}\"}}"));
            if answer.contains(expected) {
                return;
            }
            assert!(started.elapsed() < Duration::from_secs(60), "{expected}: {answer}");
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    says(true);
    let states = "SELECT kind, state, coalesce(detail, '') AS why FROM delivery_states ORDER BY number";
    until(states, "[\"event\",\"retry\",");
    says(false);
    until(states, "[\"event\",\"cancelled\",\"no consent to marketing any more\"]");
    until(states, "[\"segment_entered\",\"cancelled\",\"no consent to marketing any more\"]");
    // That they left the segment is told all the same; nothing else is new.
    until(
        "SELECT list(kind ORDER BY number) AS kinds FROM deliveries",
        "[\"event\",\"segment_entered\",\"segment_left\"]",
    );
}

/// A change of a rule while the engine runs: whoever is in the segment by it, or no longer, is told to destinations once.
#[test]
fn what_a_change_of_a_rule_makes_different_is_told() {
    let (folder, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    project(folder.path());
    let deaf = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let hook = format!(
        "destination: hook\nplugin: sonder/webhook@1\nallow: [\"{deaf}\"]\nallow_private: true\n\
         config: {{url: \"http://{deaf}/\", sign: false}}\nreceives: {{segments: [keen], traits: [views]}}\n"
    );
    let rules = |least: u32, factor: u32| {
        let text = format!("segment keen {{ when count(view) >= {least} }}\ntrait views = {factor} * count(view)\n");
        write(folder.path(), "rules/r.sonder", &text);
    };
    write(folder.path(), "destinations/hook.yaml", &hook);
    write(folder.path(), "sources/server.yaml", "source: server\nkind: server\nwrite_keys: [wk_server]\n");
    write(folder.path(), "events/view.yaml", "event: view\n");
    rules(2, 1);
    let engine = Running::start(folder.path(), data.path(), &[]);
    let post = |path: &str, body: &str| {
        let length = body.len();
        engine.ask(&format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        ))
    };
    for who in ["u1", "u2", "u2"] {
        let body = format!("{{\"event\": \"view\", \"userId\": \"{who}\"}}");
        assert!(post("/v1/track?writeKey=wk_server", &body).starts_with("HTTP/1.1 200"));
    }
    let until = |what: &str, expected: &str| {
        let started = Instant::now();
        let sql = format!(
            "SELECT list(kind || coalesce(payload->>'value', '') ORDER BY kind, payload->>'value') AS told FROM deliveries WHERE {what}"
        );
        loop {
            let answer = post("/api/v1/query", &serde_json::json!({ "sql": sql }).to_string());
            if answer.contains(expected) {
                return;
            }
            assert!(started.elapsed() < Duration::from_secs(60), "{expected}: {answer}");
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    until("true", "[\"segment_entered\",\"trait_changed1\",\"trait_changed1\",\"trait_changed2\"]");
    rules(1, 1);
    until("kind LIKE 'segment%'", "[\"segment_entered\",\"segment_entered\"]");
    rules(3, 10);
    until("kind LIKE 'segment%'", "[\"segment_entered\",\"segment_entered\",\"segment_left\",\"segment_left\"]");
    until(
        "kind = 'trait_changed'",
        "[\"trait_changed1\",\"trait_changed1\",\"trait_changed10\",\"trait_changed2\",\"trait_changed20\"]",
    );
    // What means the same is no change, whatever it looks like.
    write(
        folder.path(),
        "rules/r.sonder",
        "# again\ntrait views = 10 * count(view)\n\nsegment keen {\n  when count(view) >= 3\n}\n",
    );
    std::thread::sleep(Duration::from_secs(1));
    until("kind LIKE 'segment%'", "[\"segment_entered\",\"segment_entered\",\"segment_left\",\"segment_left\"]");
}

#[test]
fn a_change_with_an_example_that_is_wrong_is_not_taken_over() {
    let (folder, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    project(folder.path());
    let engine = Running::start(folder.path(), data.path(), &[]);
    write(folder.path(), "events/order.yaml", "event: order\nproperties:\n  total: {type: number, examples: [free]}\n");
    let started = Instant::now();
    loop {
        let status = engine.ask("GET /api/v1/status HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        if status.contains("\"rejected\"") {
            assert!(status.contains("events/order.yaml:3:") && status.contains("E0440"), "{status}");
            return;
        }
        assert!(started.elapsed() < Duration::from_secs(30), "{status}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Who is who, end to end: joined and parted on the command line, explained, the same after the engine was killed and after
/// the log was folded again from the beginning.
#[test]
fn people_are_joined_and_parted_and_stay_so() {
    let (folder, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    project(folder.path());
    write(folder.path(), "sources/server.yaml", "source: server\nkind: server\nwrite_keys: [wk_server]\n");
    write(folder.path(), "events/view.yaml", "event: view\n");
    write(folder.path(), "identity.yaml", "identifiers: {user_id: {unique: true}, anonymous_id: {}}\n");
    write(folder.path(), "rules/r.sonder", "segment keen { when count(view) >= 2 }\ntrait views = count(view)\n");
    let sonder = |arguments: &[&str]| {
        let output =
            Command::new(env!("CARGO_BIN_EXE_sonder")).args(arguments).arg("--data").arg(data.path()).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let show =
        |who: &str| -> serde_json::Value { serde_json::from_str(&sonder(&["person", "show", who, "--json"])).unwrap() };
    let until = |who: &str, views: u64| {
        let begin = Instant::now();
        while show(who)["computed"][0]["value"] != views {
            assert!(begin.elapsed() < Duration::from_secs(20), "{who} has {}", show(who));
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    let engine = Running::start(folder.path(), data.path(), &[]);
    let send = |engine: &Running, id: &str, who: &str| {
        let body = format!("{{\"event\": \"view\", \"messageId\": \"{id}\", {who}}}");
        let length = body.len();
        let answer = engine.ask(&format!(
            "POST /v1/track?writeKey=wk_server HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        ));
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    };
    // A browser may not decide who is who, whatever type it says its message has.
    let forged = "{\"type\": \"link\", \"messageId\": \"f\", \"identifiers\": [{\"kind\": \"user_id\", \"value\": \"u1\"}, {\"kind\": \"user_id\", \"value\": \"u2\"}]}";
    send(&engine, "m1", "\"userId\": \"u1\"");
    send(&engine, "m2", "\"userId\": \"u2\"");
    let batch = format!("{{\"batch\": [{forged}]}}");
    let length = batch.len();
    engine.ask(&format!(
        "POST /v1/batch?writeKey=wk_server HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{batch}"
    ));
    send(&engine, "m3", "\"userId\": \"u1\", \"anonymousId\": \"tablet\"");
    until("user_id:u1", 2);
    assert_eq!(show("user_id:u2")["computed"][0]["value"], 1, "nobody joined them");
    let (one, two) = (show("user_id:u1")["id"].clone(), show("user_id:u2")["id"].clone());

    // Both user ids are one person's after all, though the kind is unique.
    sonder(&["person", "merge", "user_id:u1", "user_id:u2", "--reason", "ticket 4711", "--by", "ann"]);
    until("user_id:u2", 3);
    let path = sonder(&["person", "graph", "user_id:u1", "--between", "user_id:u2,anonymous_id:tablet"]);
    assert_eq!(path.lines().count(), 2, "{path}");
    assert!(path.contains("by decision of ann, ticket 4711") && path.contains("by message of server"), "{path}");

    // Then they are not, and each is who they were.
    sonder(&["person", "split", "user_id:u2", "user_id:u2", "--reason", "wrong ticket", "--by", "ann"]);
    until("user_id:u2", 1);
    let same = |when: &str| {
        assert_eq!((&show("user_id:u1")["id"], &show("user_id:u2")["id"]), (&one, &two), "{when}");
        assert_eq!(show("user_id:u1")["segments"][0]["name"], "keen", "{when}");
        assert_eq!(show("user_id:u2")["segments"], serde_json::json!([]), "{when}");
        assert_eq!(show("anonymous_id:tablet")["id"], one, "{when}");
        let graph = sonder(&["person", "graph", "user_id:u2"]);
        assert!(graph.contains("apart       user_id:u2 and"), "{when}: {graph}");
    };
    same("at once");
    drop(engine);
    // The engine was killed: the data is at rest, and then another one runs on it.
    let engine = Running::start(folder.path(), data.path(), &[]);
    same("after a kill");
    send(&engine, "m4", "\"userId\": \"u2\"");
    until("user_id:u2", 2);
    drop(engine);
    // A rule that asks for all of history: the log is folded again, decisions and all.
    write(folder.path(), "rules/more.sonder", "trait z_all_views = count(view, last 90d)\n");
    let engine = Running::start(folder.path(), data.path(), &[]);
    until("user_id:u2", 2);
    assert_eq!((&show("user_id:u1")["id"], &show("user_id:u2")["id"]), (&one, &two));
    drop(engine);
}

#[test]
fn a_plan_says_who_would_come_and_go_before_anything_changes() {
    let (folder, next, data) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let version = |root: &Path, least: u32, rest: &str, required: &str| {
        project(root);
        write(root, "sources/server.yaml", "source: server\nkind: server\nwrite_keys: [wk_server]\n");
        write(root, "events/view.yaml", &format!("event: view\nproperties:\n  price: {{type: integer}}\n{required}"));
        write(root, "rules/r.sonder", &format!("segment keen {{ when count(view) >= {least} }}\n{rest}"));
    };
    version(folder.path(), 2, "segment lapsed { when did(view) }\n", "");
    version(next.path(), 1, "segment often { when count(view) >= 3 }\n", "required: [price]\n");
    let sonder = |arguments: &[&str]| {
        let output =
            Command::new(env!("CARGO_BIN_EXE_sonder")).args(arguments).arg("--data").arg(data.path()).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let engine = Running::start(folder.path(), data.path(), &[]);
    for who in ["u1", "u2", "u2", "u3", "u3", "u3"] {
        let body = format!("{{\"event\": \"view\", \"userId\": \"{who}\"}}");
        let length = body.len();
        let answer = engine.ask(&format!(
            "POST /v1/track?writeKey=wk_server HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        ));
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    let planned = next.path().to_str().unwrap();
    let begin = Instant::now();
    while !sonder(&["plan", planned]).1.contains("6 records") {
        assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", sonder(&["plan", planned]));
        std::thread::sleep(Duration::from_millis(50));
    }
    let (code, page, _) = sonder(&["plan", planned]);
    assert_eq!(code, Some(2));
    let since = page.find(", 3 people").unwrap();
    insta::assert_snapshot!(&page[since..]);
    let (code, asked, _) = sonder(&["plan", planned, "--format", "json"]);
    let asked: serde_json::Value = serde_json::from_str(&asked).unwrap();
    assert_eq!((code, &asked["segments"][0]["entering"]), (Some(2), &serde_json::json!(1)));
    assert_eq!(
        sonder(&["plan", folder.path().to_str().unwrap()]),
        (Some(0), "nothing changes\n".to_owned(), String::new())
    );
    // The data say the same when no engine runs on them.
    drop(engine);
    let (code, page, _) = sonder(&["plan", planned, "--project", folder.path().to_str().unwrap()]);
    assert_eq!(code, Some(2));
    insta::assert_snapshot!(&page[page.find(", 3 people").unwrap()..]);
    write(next.path(), "rules/r.sonder", "segment keen { when count(vieww) >= 1 }\n");
    let (code, page, said) = sonder(&["plan", planned, "--project", folder.path().to_str().unwrap()]);
    assert!(code == Some(1) && page.is_empty() && said.contains("did you mean `view`"), "{code:?} {page} {said}");
}

/// The members of a segment as a file, and what the engine says of it.
fn parquet(engine: &Running, path: &str) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(&engine.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let accept = "accept: application/vnd.apache.parquet";
    let request = format!("GET {path} HTTP/1.1\r\nhost: {}\r\n{accept}\r\nconnection: close\r\n\r\n", engine.address);
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|it| it == b"\r\n\r\n").unwrap() + 4;
    (String::from_utf8(answer[..end].to_vec()).unwrap(), answer[end..].to_vec())
}

#[test]
fn members_are_a_parquet_file_and_none_is_left() {
    let (folder, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    project(folder.path());
    write(folder.path(), "key", &"01".repeat(32));
    let key = folder.path().join("key");
    write(folder.path(), "sonder.yaml", &format!("name: x\npseudonyms: {{key: {{file: {}}}}}\n", key.display()));
    write(folder.path(), "events/view.yaml", "event: view\n");
    write(folder.path(), "identity.yaml", "identifiers: {user_id: {}, email: {}, anonymous_id: {}}\n");
    write(folder.path(), "sources/server.yaml", "source: server\nkind: server\nwrite_keys: [sk]\n");
    write(
        folder.path(),
        "rules/r.sonder",
        "segment lookers \"\" { when did(view) }\nsegment nobody \"\" { when count(view) > 9 }\n",
    );
    // What a crash left.
    write(data.path(), "exports/7/members.ndjson", "{\"person\": \"somebody\"}\n");
    let engine = Running::start(folder.path(), data.path(), &[]);
    assert!(!data.path().join("exports").exists());

    let view = |number: usize| {
        let traits = format!("{{\"email\": \"u{number}@shop.example\"}}");
        format!(
            "{{\"type\": \"track\", \"event\": \"view\", \"userId\": \"u{number}\", \"context\": {{\"traits\": {traits}}}}}"
        )
    };
    let people = 2_500;
    for begin in (0..people).step_by(500) {
        let views: Vec<String> = (begin..begin + 500).map(view).collect();
        let body = format!("{{\"batch\": [{}]}}", views.join(","));
        let head = format!(
            "POST /v1/batch HTTP/1.1\r\nhost: {}\r\nauthorization: Basic c2s6\r\ncontent-type: application/json\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n",
            engine.address,
            body.len()
        );
        let answer = engine.ask(&(head + &body));
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    let size = format!("\"size\":{people}");
    let patience = Instant::now() + Duration::from_secs(20);
    let ask = || {
        engine.ask(&format!(
            "GET /api/v1/segments/lookers HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n",
            engine.address
        ))
    };
    while !ask().contains(&size) {
        assert!(Instant::now() < patience, "{}", ask());
        std::thread::sleep(Duration::from_millis(20));
    }

    let (head, bytes) = parquet(&engine, "/api/v1/segments/lookers/members");
    assert!(head.contains("content-type: application/vnd.apache.parquet\r\n"), "{head}");
    assert!(head.contains(&format!("content-length: {}\r\n", bytes.len())), "{head}");
    let file = folder.path().join("lookers.parquet");
    std::fs::write(&file, bytes).unwrap();
    let connection = duckdb::Connection::open_in_memory().unwrap();
    let asked = format!(
        "SELECT count(*) || ' ' || count(DISTINCT person) || ' ' || count(*) FILTER (since > now() - INTERVAL 1 HOUR) || ' ' ||
         count(*) FILTER (list_filter(identifiers, lambda it: it.kind = 'email')[1].value
                          = list_filter(identifiers, lambda it: it.kind = 'user_id')[1].value || '@shop.example')
         FROM read_parquet('{}')",
        file.display()
    );
    let found: String = connection.query_row(&asked, [], |row| row.get(0)).unwrap();
    assert_eq!(found, format!("{people} {people} {people} {people}"));

    // Whoever is not to know anybody gets pseudonyms.
    let (_, bytes) = parquet(&engine, "/api/v1/segments/lookers/members?pseudonyms=lake");
    let hidden = folder.path().join("hidden.parquet");
    std::fs::write(&hidden, bytes).unwrap();
    let asked = format!(
        "SELECT count(DISTINCT person) FILTER (starts_with(person, 'v1:')
             AND list_bool_and(list_transform(identifiers, lambda it: starts_with(it.value, 'v1:'))))
         FROM read_parquet('{}')",
        hidden.display()
    );
    assert_eq!(connection.query_row(&asked, [], |row| row.get::<_, i64>(0)).unwrap(), people as i64);

    let (head, bytes) = parquet(&engine, "/api/v1/segments/nobody/members");
    assert!(head.starts_with("HTTP/1.1 200") && bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"), "{head}");
    let (head, _) = parquet(&engine, "/api/v1/segments/no_such/members");
    assert!(head.starts_with("HTTP/1.1 404"), "{head}");
    let left: Vec<_> = std::fs::read_dir(data.path().join("exports")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}
