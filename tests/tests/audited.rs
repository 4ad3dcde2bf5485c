//! Who looked at whom is on record, with which key, also after `kill -9`; it names nobody, so that it outlives an erasure; and
//! whoever tampers with it is found out.

#![expect(clippy::unwrap_used, reason = "the tests of a test binary fail by panicking")]

use serde_json::{Value as Json, json};
use sonder_tests::{Engine, Options, project, sonder, traces};
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// What Ada is known by, in lower case.
const TRACES: [&str; 2] = ["ada.lovelace@analytical.example", "ada-user-1815"];

struct Scene {
    _folder: tempfile::TempDir,
    shop: PathBuf,
    data: PathBuf,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (shop, data) = (folder.path().join("project"), folder.path().join("data"));
        project::keen(&shop, "127.0.0.1:9").unwrap();
        fs::create_dir(&data).unwrap();
        Self { _folder: folder, shop, data }
    }

    fn start(&self) -> Engine {
        Engine::start(&self.shop, &self.data, &Options::default()).unwrap()
    }

    fn sonder(&self, arguments: &[&str]) -> (bool, String) {
        let all = [arguments, &["--data", self.data.to_str().unwrap()]].concat();
        let output = sonder(&all).unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output.status.success(), said)
    }

    fn key(&self, name: &str, scope: &str) -> String {
        let (made, said) = self.sonder(&["key", "create", "--name", name, "--scope", scope]);
        assert!(made, "{said}");
        said.lines().find(|line| line.starts_with("sonder_")).unwrap().to_owned()
    }
}

fn ask(engine: &Engine, method: &str, path: &str, key: &str, body: &Json) -> (u16, String) {
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json"), ("accept", "*/*")];
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let answer = engine.connect().send(method, path, &headers, body.as_bytes()).unwrap();
    (answer.status, answer.text())
}

#[test]
fn what_was_looked_at_and_by_whom_outlives_a_crash_and_an_erasure() {
    let scene = Scene::new();
    let (reader, officer) = (scene.key("crm", "read"), scene.key("officer", "privacy"));
    let engine = scene.start();
    let ada = json!({"userId": TRACES[1], "traits": {"email": TRACES[0]}});
    assert_eq!(engine.connect().post("/v1/identify", "wk", &ada).unwrap().status, 200);
    let path = format!("/api/v1/people/email:{}", TRACES[0]);
    let begin = Instant::now();
    while ask(&engine, "GET", &path, &reader, &Json::Null).0 != 200 {
        assert!(begin.elapsed() < Duration::from_secs(20), "{}", engine.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    let sql = json!({"sql": format!("select count(*) from identifiers where value = '{}'", TRACES[0])});
    assert_eq!(ask(&engine, "POST", "/api/v1/query", &reader, &sql).0, 200);
    let of_ada = ask(&engine, "GET", &format!("/api/v1/audit?who=user_id:{}", TRACES[1]), &officer, &Json::Null).1;
    assert!(of_ada.contains("\"operation\":\"getPerson\"") && of_ada.contains("\"name\":\"crm\""), "{of_ada}");
    let erasure = json!({"kind": "erasure", "person": format!("user_id:{}", TRACES[1])});
    let (status, request) = ask(&engine, "POST", "/api/v1/privacy/requests", &officer, &erasure);
    assert_eq!(status, 200, "{request}");
    let request: Json = serde_json::from_str(&request).unwrap();
    let request = format!("/api/v1/privacy/requests/{}", request["id"].as_str().unwrap());
    while !ask(&engine, "GET", &request, &officer, &Json::Null).1.contains("\"state\":\"completed\"") {
        assert!(begin.elapsed() < Duration::from_secs(60), "{}", engine.log());
        std::thread::sleep(Duration::from_millis(100));
    }
    engine.kill().unwrap();

    assert_eq!(traces::in_files(&scene.data, &TRACES).unwrap(), Vec::<String>::new());
    let (_, log) = scene.sonder(&["audit", "log", "--limit", "1000"]);
    for deed in ["getPerson  200  by crm", "where value = ?", "createPrivacyRequest  200  by officer"] {
        assert!(log.contains(deed), "{deed}: {log}");
    }
    let (is_sound, said) = scene.sonder(&["audit", "verify"]);
    assert!(is_sound, "{said}");
    let head = said.lines().last().unwrap().to_owned();

    // It goes on where it was.
    let engine = scene.start();
    assert_eq!(ask(&engine, "GET", &path, &reader, &Json::Null).0, 404);
    engine.stop().unwrap();
    let (is_sound, said) = scene.sonder(&["audit", "verify", "--known", &head]);
    assert!(is_sound && said.lines().last() != Some(head.as_str()), "{said}");

    let file = scene.data.join("audit.ndjson");
    // What is kept for its time only goes, and that is on record.
    project::write(&scene.shop, &[("sonder.yaml", "name: keen\nretention: {audit: 1s}\n")]).unwrap();
    std::thread::sleep(Duration::from_millis(1_100));
    let whole = fs::read_to_string(&file).unwrap();
    let engine = scene.start();
    let begin = Instant::now();
    while !fs::read_to_string(&file).unwrap().contains("letGo") {
        assert!(begin.elapsed() < Duration::from_secs(20), "{}", engine.log());
        std::thread::sleep(Duration::from_millis(50));
    }
    let retention = ask(&engine, "GET", "/api/v1/privacy/retention", &officer, &Json::Null).1;
    assert!(retention.contains(r#"{"what":"audit","kept":"1s"}"#), "{retention}");
    assert_eq!(ask(&engine, "GET", "/api/v1/audit", &officer, &Json::Null).0, 200);
    engine.kill().unwrap();
    let (is_sound, said) = scene.sonder(&["audit", "verify"]);
    assert!(is_sound && said.contains("are kept no longer") && !said.contains("getPerson"), "{said}");
    let (is_sound, said) = scene.sonder(&["audit", "verify", "--known", &head]);
    assert!(!is_sound && said.contains("is kept no longer"), "{said}");
    let begins = fs::read_to_string(&file).unwrap();
    let cut: String = begins.lines().take(1).chain(begins.lines().skip(2)).map(|line| format!("{line}\n")).collect();
    fs::write(&file, cut).unwrap();
    let (is_sound, said) = scene.sonder(&["audit", "verify"]);
    assert!(!is_sound && said.contains("no entry says that those before were let go"), "{said}");
    fs::write(&file, whole).unwrap();

    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replacen("\"crm\"", "\"ann\"", 1)).unwrap();
    let (is_sound, said) = scene.sonder(&["audit", "verify"]);
    assert!(!is_sound && said.contains("of the audit log is not what was written"), "{said}");
    let cut: String = text.lines().take(2).map(|line| format!("{line}\n")).collect();
    fs::write(&file, cut).unwrap();
    let (is_sound, said) = scene.sonder(&["audit", "verify", "--known", &head]);
    assert!(!is_sound && said.contains("its end was cut off"), "{said}");
}
