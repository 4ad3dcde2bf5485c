//! `identity.yaml` changes while the engine runs and while it does not: people keep their ids, an id that nobody has any more means
//! who they became, and what is otherwise is told.

#![expect(clippy::unwrap_used, reason = "the tests of a test binary fail by panicking")]

use serde_json::{Value as Json, json};
use sonder_tests::{Engine, Options, Receiver, digest, project};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);

/// Two accounts are never one.
const APART: &str = "identifiers:\n  user_id: {unique: true}\n  email: {}\n  anonymous_id: {}\n";
/// They are, where they share a browser.
const ONE: &str = "identifiers:\n  user_id: {}\n  email: {}\n  anonymous_id: {}\n";
/// Never one, and written in any way.
const FOLDED: &str =
    "identifiers:\n  user_id: {unique: true, normalize: [lowercase]}\n  email: {}\n  anonymous_id: {}\n";

struct Scene {
    folder: PathBuf,
    data: PathBuf,
    receiver: Receiver,
    _dir: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (folder, data) = (dir.path().join("project"), dir.path().join("data"));
        let receiver = Receiver::start().unwrap();
        project::keen(&folder, &receiver.address().to_string()).unwrap();
        let scene = Self { folder, data, receiver, _dir: dir };
        scene.identity(APART);
        scene
    }

    fn identity(&self, text: &str) {
        let path = self.folder.join("identity.yaml");
        fs::write(path.with_extension("tmp"), text).unwrap();
        fs::rename(path.with_extension("tmp"), path).unwrap();
    }

    fn start(&self) -> Engine {
        Engine::start(&self.folder, &self.data, &Options::default()).unwrap()
    }

    /// Another `identity.yaml` takes over from the one that runs.
    fn change(&self, engine: &Engine, text: &str) {
        let before = fingerprint(engine);
        self.identity(text);
        let end = Instant::now() + PATIENCE;
        while fingerprint(engine) == before {
            assert!(Instant::now() < end, "the change was not applied:\n{}", engine.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        engine.settle(PATIENCE).unwrap();
    }

    /// The log with the ids on record gives what is there.
    fn is_what_the_log_gives(&self) {
        let of = |more: &[&str]| digest(&self.data, Path::new(&self.folder), more).unwrap()["digest"].clone();
        assert_eq!(of(&["--refold"]), of(&[]));
    }
}

fn fingerprint(engine: &Engine) -> Json {
    engine.get("/api/v1/status").unwrap()["fingerprint"].clone()
}

fn send(engine: &Engine, call: &str, message: &Json) {
    let answer = engine.connect().post(&format!("/v1/{call}"), "wk", message).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    engine.settle(PATIENCE).unwrap();
}

fn view(engine: &Engine, who: &str) {
    send(engine, "track", &json!({"userId": who, "event": "view", "properties": {"product": "p"}}));
}

fn person(engine: &Engine, who: &str) -> Json {
    engine.get(&format!("/api/v1/people/{who}")).unwrap()
}

fn id(engine: &Engine, who: &str) -> String {
    person(engine, who)["id"].as_str().unwrap().to_owned()
}

/// What was told of who is who because the project changed: whose, what, and of whom.
fn told(engine: &Engine) -> Vec<(String, String, Json)> {
    let sql = "SELECT replace(person::VARCHAR, '-', ''), kind, value FROM changes WHERE kind IN ('created', 'merged', 'split', \
               'identifier_moved') AND json_extract_string(value, '$.cause') = 'project' ORDER BY id";
    let row = |row: Json| {
        let text = |place: usize| row[place].as_str().unwrap().to_owned();
        (text(0), text(1), serde_json::from_str(&text(2)).unwrap())
    };
    engine.query(sql).unwrap().into_iter().map(row).collect()
}

/// Two accounts on one browser, with a view each.
fn two(scene: &Scene) -> (Engine, String, String) {
    let engine = scene.start();
    for who in ["Ann", "Ben"] {
        send(&engine, "identify", &json!({"userId": who, "anonymousId": "a"}));
        view(&engine, who);
    }
    let (ann, ben) = (id(&engine, "user_id:Ann"), id(&engine, "user_id:Ben"));
    assert_ne!(ann, ben);
    (engine, ann, ben)
}

#[test]
fn who_becomes_one_by_a_change_of_the_project_is_found_by_either_id() {
    let scene = Scene::new();
    let (engine, ann, ben) = two(&scene);
    view(&engine, "Ben");
    scene.change(&engine, ONE);
    let merged = vec![(ann.clone(), "merged".to_owned(), json!({"absorbed": ben, "cause": "project"}))];
    assert_eq!(told(&engine), merged);
    let is_one = |engine: &Engine| {
        let one = person(engine, &ben);
        assert_eq!((&one["id"], &one["absorbed"]), (&json!(ann), &json!([ben])));
        let timeline = engine.get(&format!("/api/v1/people/{ben}/timeline")).unwrap();
        let merge = timeline["entries"].as_array().unwrap().iter().find(|it| it["type"] == "merged").unwrap().clone();
        assert_eq!((&merge["absorbed"], &merge["cause"]), (&json!(ben), &json!("project")));
    };
    is_one(&engine);
    // Three views of either are three of one.
    let end = Instant::now() + PATIENCE;
    while scene.receiver.calls().is_empty() && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(20));
    }
    let heard: Vec<Json> = scene.receiver.calls().iter().map(|call| call.body["type"].clone()).collect();
    assert_eq!(heard, ["segment.entered"]);
    engine.kill().unwrap();
    let engine = scene.start();
    is_one(&engine);
    assert_eq!(told(&engine), merged, "it is told once");
    view(&engine, "Ben");
    assert_eq!(id(&engine, "user_id:Ben"), ann);
    engine.stop().unwrap();
    scene.is_what_the_log_gives();
    // While nothing runs it is changed back.
    scene.identity(APART);
    let engine = scene.start();
    assert_eq!((id(&engine, "user_id:Ann"), id(&engine, "user_id:Ben")), (ann.clone(), ben.clone()));
    let split = (ann, "split".to_owned(), json!({"parted": ben, "cause": "project"}));
    assert_eq!(told(&engine), [merged, vec![split]].concat());
    engine.stop().unwrap();
    scene.is_what_the_log_gives();
}

#[test]
fn people_keep_their_ids_when_values_are_made_comparable_otherwise() {
    let scene = Scene::new();
    let (engine, ann, ben) = two(&scene);
    scene.change(&engine, FOLDED);
    assert_eq!((id(&engine, "user_id:ann"), id(&engine, "user_id:BEN")), (ann.clone(), ben.clone()));
    assert_eq!(person(&engine, &ben)["identifiers"][0]["value"], json!("ben"));
    assert_eq!(told(&engine), []);
    view(&engine, "cleo");
    let cleo = id(&engine, "user_id:cleo");
    engine.kill().unwrap();
    let engine = scene.start();
    view(&engine, "bEN");
    let known = |engine: &Engine| ["Ann", "Ben", "cleo"].map(|who| id(engine, &format!("user_id:{who}")));
    assert_eq!(known(&engine), [ann.clone(), ben.clone(), cleo.clone()]);
    engine.stop().unwrap();
    scene.is_what_the_log_gives();
    scene.identity(APART);
    let engine = scene.start();
    assert_eq!(known(&engine), [ann, ben, cleo]);
    engine.stop().unwrap();
    scene.is_what_the_log_gives();
}
