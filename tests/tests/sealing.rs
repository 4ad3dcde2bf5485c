//! Personal data at rest: with a key, no file of the data directory has what is marked `pii`, and everything works as without;
//! it survives `kill -9`, a rotation, an erasure, and a backup, which is of no use without the keys: whoever was erased can be
//! read in none.

#![expect(clippy::unwrap_used, reason = "the tests of a test binary fail by panicking")]

use serde_json::{Value as Json, json};
use sonder_tests::{Engine, Options, Receiver, project, sonder, traces};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What nobody may find in a file: of traits, of properties, of what is kept aside, of what is handed on and delivered.
const SECRETS: [&str; 6] = [
    "Wendeltreppe 7",
    "+31 6 1234 5678",
    "ring the bell twice",
    "Kanaal 9",
    "ada.private@analytical.example",
    "diabetes",
];

const KEYS: [&str; 3] = [
    "0101010101010101010101010101010101010101010101010101010101010101",
    "0202020202020202020202020202020202020202020202020202020202020202",
    "0303030303030303030303030303030303030303030303030303030303030303",
];

struct Scene {
    folder: tempfile::TempDir,
    shop: PathBuf,
    data: PathBuf,
    receiver: Receiver,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (shop, data) = (folder.path().join("project"), folder.path().join("data"));
        let receiver = Receiver::start().unwrap();
        let hook =
            project::hook(&receiver.address().to_string(), "segments: [buyers], traits: [phone, mail, last_note]");
        project::write(
            &shop,
            &[
                (
                    "events/order.yaml",
                    "event: order\nproperties:\n  total: {type: number, multipleOf: 0.01}\n  \
                     note: {type: string, pii: personal}\n  health: {type: string, pii: sensitive}\nrequired: [total]\n",
                ),
                ("sources/server.yaml", "source: server\nkind: server\nwrite_keys: [wk]\n"),
                ("identity.yaml", "identifiers: {user_id: {unique: true}, anonymous_id: {}}\n"),
                (
                    "profile.yaml",
                    "traits:\n  phone: {type: string, pii: contact}\n  mail: {type: string, format: email, pii: contact}\n  \
                     street: {type: string, pii: contact}\n  plan: {type: string}\n",
                ),
                (
                    "rules/all.sonder",
                    "segment buyers { when did(order) }\nsegment reachable { when profile.phone is known }\n\
                     segment noted { when count(order where note is known) >= 1 }\n\
                     trait last_note = last(order.note)\ntrait spent = sum(order.total)\n",
                ),
                ("destinations/hook.yaml", &hook),
            ],
        )
        .unwrap();
        let scene = Self { folder, shop, data, receiver };
        scene.keys(Some(0), &[]);
        scene
    }

    /// Says in `sonder.yaml` which keys there are; they are files beside the project.
    fn keys(&self, key: Option<usize>, previous: &[usize]) {
        let file = |number: &usize| {
            let path = self.folder.path().join(format!("key{number}"));
            fs::write(&path, KEYS[*number]).unwrap();
            format!("{{file: {}}}", path.display())
        };
        let previous: Vec<String> = previous.iter().map(file).collect();
        let mut text = "name: shop\n".to_owned();
        if key.is_some() || !previous.is_empty() {
            text += "encryption:\n";
        }
        if let Some(key) = key {
            text += &format!("  key: {}\n", file(&key));
        }
        if !previous.is_empty() {
            text += &format!("  previous: [{}]\n", previous.join(", "));
        }
        fs::write(self.shop.join("sonder.yaml"), text).unwrap();
    }

    fn start(&self) -> Engine {
        Engine::start(&self.shop, &self.data, &Options::default()).unwrap()
    }

    /// Runs a command over the data at rest.
    fn at_rest(&self, arguments: &[&str]) -> (bool, String) {
        let place = ["--data", self.data.to_str().unwrap(), "--project", self.shop.to_str().unwrap()];
        let output = sonder(&[arguments, &place].concat()).unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).into_owned())
    }

    fn secrets_in_files(&self) -> Vec<String> {
        traces::in_files(&self.data, &SECRETS).unwrap()
    }
}

fn send(engine: &Engine, messages: &[Json]) {
    let answer = engine.connect().post("/v1/batch", "wk", &json!({ "batch": messages })).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
}

fn ada(engine: &Engine, round: u32) {
    let id = |name: &str| format!("{name}{round}");
    send(
        engine,
        &[
            json!({"type": "track", "event": "order", "messageId": id("o"), "anonymousId": "a1", "timestamp": "2026-03-01T10:00:00Z",
                "properties": {"total": 12.5, "note": SECRETS[2], "health": SECRETS[5]}}),
            json!({"type": "identify", "messageId": id("i"), "anonymousId": "a1", "userId": "ada",
                "traits": {"phone": SECRETS[1], "mail": SECRETS[4], "street": SECRETS[0], "plan": "pro"}}),
            json!({"type": "track", "event": "order", "messageId": id("q"), "userId": "ada",
                "properties": {"total": "much", "note": SECRETS[3]}}),
        ],
    );
    engine.settle(Duration::from_secs(30)).unwrap();
}

/// What the API answers to a question.
fn ask(engine: &Engine, path: &str, body: &Json) -> String {
    let headers = [("content-type", "application/json")];
    engine.connect().send("POST", path, &headers, body.to_string().as_bytes()).unwrap().text()
}

fn person(engine: &Engine) -> Json {
    let mut person = engine.get("/api/v1/people/user_id:ada").unwrap();
    if let Some(object) = person.as_object_mut() {
        object.remove("as_of");
    }
    person
}

fn knows_all(person: &Json) {
    let text = person.to_string();
    for secret in [SECRETS[0], SECRETS[1], SECRETS[2], SECRETS[4]] {
        assert!(text.contains(secret), "{secret}: {text}");
    }
    for segment in ["buyers", "reachable", "noted"] {
        assert!(text.contains(segment), "{text}");
    }
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let patience = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < patience, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn no_file_has_what_is_marked_and_everything_works() {
    let scene = Scene::new();
    let engine = scene.start();
    ada(&engine, 1);
    let before = person(&engine);
    knows_all(&before);
    // Destinations get what they are to get.
    let delivered = |secret: &str| scene.receiver.calls().iter().any(|call| call.body.to_string().contains(secret));
    until("delivered", || delivered(SECRETS[1]) && delivered(SECRETS[4]) && delivered(SECRETS[2]));
    let timeline = engine.get("/api/v1/people/user_id:ada/timeline").unwrap().to_string();
    assert!(timeline.contains(SECRETS[2]) && timeline.contains(SECRETS[5]), "{timeline}");
    let aside = engine.get("/api/v1/quarantine").unwrap().to_string();
    assert!(aside.contains(SECRETS[3]) && !aside.contains("\"message\":\"sealed\""), "{aside}");
    let sent = engine.get("/api/v1/deliveries").unwrap().to_string();
    assert!(sent.contains(SECRETS[1]), "{sent}");
    // SQL never does.
    for sql in [
        "SELECT * FROM log",
        "SELECT * FROM ev_order",
        "SELECT * FROM quarantine",
        "SELECT * FROM deliveries",
        "SELECT * FROM changes",
        "SELECT * FROM people",
        "SELECT * FROM delivery_states",
    ] {
        let text = json!(engine.query(sql).unwrap()).to_string();
        assert!(!SECRETS.iter().any(|secret| text.contains(secret)), "{sql}: {text}");
    }
    assert_eq!(engine.count("SELECT count(note) FROM ev_order").unwrap(), 1);
    assert_eq!(scene.secrets_in_files(), Vec::<String>::new(), "while it runs");
    engine.kill().unwrap();
    assert_eq!(scene.secrets_in_files(), Vec::<String>::new(), "after kill -9");
    let engine = scene.start();
    assert_eq!(person(&engine), before);
    let why = ask(&engine, "/api/v1/explain", &json!({"person": "user_id:ada", "rule": "last_note", "personal": true}));
    assert!(why.contains(SECRETS[2]), "{why}");
    let why = ask(&engine, "/api/v1/explain", &json!({"person": "user_id:ada", "rule": "noted"}));
    assert!(why.contains("note") && !why.contains(SECRETS[2]), "{why}");
    engine.stop().unwrap();
    assert_eq!(scene.secrets_in_files(), Vec::<String>::new(), "at rest");
    // The state of a checkpoint is read back, and is what the log gives.
    let (sound, found) = scene.at_rest(&["doctor"]);
    assert!(
        sound
            && found.contains("keys of personal data unwrap")
            && found.contains("personal data is sealed (2 messages)"),
        "{found}"
    );
    let (_, then) = scene.at_rest(&["query", "SELECT * FROM people", "--at", "2100-01-01T00:00:00Z"]);
    assert!(then.contains("sealed") && !SECRETS.iter().any(|secret| then.contains(secret)), "{then}");
    let (done, shown) = scene.at_rest(&["person", "show", "user_id:ada"]);
    assert!(done && shown.contains(SECRETS[1]), "{shown}");
    let engine = scene.start();
    assert_eq!(person(&engine), before);
    // What was kept aside can be mended: it was there all the time.
    let body = json!({"patch": {"set": {"/properties/total": 3}}}).to_string();
    let headers = [("content-type", "application/json")];
    let answer = engine.connect().send("POST", "/api/v1/quarantine/replay", &headers, body.as_bytes()).unwrap();
    assert_eq!(answer.json()["replayed"], 1, "{}", answer.text());
    until("replayed", || person(&engine).to_string().contains(SECRETS[3]));
    engine.stop().unwrap();
    assert_eq!(scene.secrets_in_files(), Vec::<String>::new(), "at last");
}

#[test]
fn another_version_of_the_project_and_a_preview_see_what_the_first_saw() {
    let scene = Scene::new();
    let engine = scene.start();
    ada(&engine, 1);
    let source = "segment with_note { when count(order where note is known, last 3650d) >= 1 }\n\
                  segment without { when count(order where not (note is known), last 3650d) >= 1 }\n\
                  trait note_now = last(order.note)\n";
    let preview = ask(&engine, "/api/v1/preview", &json!({ "source": source }));
    let preview: Json = serde_json::from_str(&preview).unwrap();
    let of =
        |name: &str| preview["rules"].as_array().unwrap().iter().find(|it| it["name"] == name).unwrap().to_string();
    assert!(of("with_note").contains("user_id"), "{preview}");
    assert!(!of("without").contains("user_id"), "{preview}");
    assert!(of("note_now").contains("\"known\":1"), "{preview}");
    engine.stop().unwrap();
    let before = scene.at_rest(&["person", "show", "user_id:ada"]).1;
    // Folded again under other rules.
    let rules = scene.shop.join("rules/all.sonder");
    let text = fs::read_to_string(&rules).unwrap();
    fs::write(&rules, text.replace("sum(order.total)", "sum(order.total, last 3650d)")).unwrap();
    let engine = scene.start();
    knows_all(&person(&engine));
    engine.stop().unwrap();
    assert_eq!(scene.at_rest(&["person", "show", "user_id:ada"]).1, before);
    assert_eq!(scene.secrets_in_files(), Vec::<String>::new());
}

#[test]
fn a_wrong_key_is_said_before_anything_else_and_a_rotation_needs_no_other() {
    let scene = Scene::new();
    let engine = scene.start();
    ada(&engine, 1);
    let before = person(&engine);
    engine.stop().unwrap();
    for key in [Some(1), None] {
        scene.keys(key, &[]);
        let (started, why) = scene.at_rest(&["person", "show", "user_id:ada"]);
        assert!(!started && why.contains("personal data is encrypted under the project key"), "{why}");
        let error = Engine::start(&scene.shop, &scene.data, &Options::default())
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default();
        assert!(error.contains("personal data is encrypted under the project key"), "{error}");
    }
    // With both, the engine wraps the keys anew by itself.
    scene.keys(Some(1), &[0]);
    let engine = scene.start();
    assert_eq!(person(&engine), before);
    let old = "SELECT count(*) FROM keys.subject_keys WHERE version = 1 AND wrapped IS NOT NULL";
    until("rotated", || engine.count(old).unwrap() == 0);
    engine.kill().unwrap();
    scene.keys(Some(1), &[]);
    let engine = scene.start();
    assert_eq!(person(&engine), before);
    engine.stop().unwrap();
    // At rest, by hand.
    scene.keys(Some(2), &[1]);
    let (done, said) = scene.at_rest(&["key", "rotate"]);
    assert!(done && said.contains("version 3"), "{said}");
    scene.keys(Some(2), &[]);
    let engine = scene.start();
    assert_eq!(person(&engine), before);
    engine.stop().unwrap();
    let (sound, found) = scene.at_rest(&["doctor"]);
    assert!(sound, "{found}");
}

#[test]
fn a_rotation_that_is_killed_again_and_again_loses_nobody() {
    const PEOPLE: usize = 14_000;
    let scene = Scene::new();
    let engine = scene.start();
    for first in (0..PEOPLE).step_by(500) {
        let identify = |number: usize| {
            json!({"type": "identify", "messageId": format!("m{number}"), "userId": format!("u{number}"),
                "traits": {"street": format!("Gracht {number}")}})
        };
        send(&engine, &(first..first + 500).map(identify).collect::<Vec<_>>());
    }
    engine.settle(Duration::from_secs(60)).unwrap();
    engine.stop().unwrap();
    scene.keys(Some(1), &[0]);
    let old = "SELECT count(*) FROM keys.subject_keys WHERE version = 1 AND wrapped IS NOT NULL";
    let mut left = Vec::new();
    // A little later each time, so that a slow machine comes to it, too.
    for pause in (0..2_000).step_by(40) {
        let engine = scene.start();
        std::thread::sleep(Duration::from_millis(pause));
        left.push(engine.count(old).unwrap());
        engine.kill().unwrap();
        if left.last() == Some(&0) {
            break;
        }
    }
    assert!(left.is_sorted_by(|a, b| a >= b), "what is wrapped anew stays so: {left:?}");
    assert!(left.iter().any(|left| (1..PEOPLE as u64).contains(left)), "none was killed on the way: {left:?}");
    let engine = scene.start();
    until("rotated", || engine.count(old).unwrap() == 0);
    engine.stop().unwrap();
    // The old key is not needed any more, for anybody.
    scene.keys(Some(1), &[]);
    let (sound, found) = scene.at_rest(&["doctor"]);
    assert!(sound, "{found}");
    let engine = scene.start();
    for number in (0..PEOPLE).step_by(300) {
        let person = engine.get(&format!("/api/v1/people/user_id:u{number}")).unwrap().to_string();
        assert!(person.contains(&format!("\"Gracht {number}\"")), "{person}");
    }
    engine.stop().unwrap();
}

/// Ada and Bob, who are backed up, and the backup.
fn backed_up(scene: &Scene, engine: &Engine, name: &str) -> PathBuf {
    let file = scene.folder.path().join("backups").join(name);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    let place = ["--url", &format!("http://{}", engine.address())];
    let (done, said) = run(&[&["backup", file.to_str().unwrap()], &place[..]].concat());
    assert!(done && said.contains("keys of personal data"), "{said}");
    file
}

/// Runs a command: whether it did what was asked, and all that it said.
fn run(arguments: &[&str]) -> (bool, String) {
    let output = sonder(arguments).unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    (output.status.success(), text)
}

/// The copy of the keys beside backups.
fn keys_beside(scene: &Scene) -> PathBuf {
    let mut files = fs::read_dir(scene.folder.path().join("backups")).unwrap().map(|it| it.unwrap().path());
    let keys = files.find(|it| it.file_name().unwrap().to_str().unwrap().starts_with("sonder-keys-"));
    keys.unwrap()
}

fn bob(engine: &Engine) {
    let bob = json!({"type": "identify", "messageId": "b", "userId": "bob", "traits": {"street": "Nieuwe Gracht 3"}});
    send(engine, &[bob]);
    engine.settle(Duration::from_secs(30)).unwrap();
}

fn erase_ada(engine: &Engine) {
    let body = json!({"kind": "erasure", "person": "user_id:ada"}).to_string();
    let headers = [("content-type", "application/json")];
    let answer = engine.connect().send("POST", "/api/v1/privacy/requests", &headers, body.as_bytes()).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    let id = answer.json()["id"].as_str().unwrap().to_owned();
    until("erased", || engine.get(&format!("/api/v1/privacy/requests/{id}")).unwrap()["state"] == "completed");
}

/// The wrapped keys that an engine has.
fn wrapped(engine: &Engine) -> Vec<Vec<u8>> {
    let rows = engine.query("SELECT hex(wrapped) FROM keys.subject_keys WHERE wrapped IS NOT NULL").unwrap();
    let bytes =
        |hex: &str| (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
    rows.iter().map(|row| bytes(row[0].as_str().unwrap())).collect()
}

/// How many of these are in a file.
fn count_in(file: &Path, keys: &[Vec<u8>]) -> usize {
    let bytes = fs::read(file).unwrap();
    keys.iter().filter(|key| bytes.windows(key.len()).any(|window| window == key.as_slice())).count()
}

#[test]
fn an_old_backup_has_no_key_of_whoever_was_erased_since() {
    let scene = Scene::new();
    let engine = scene.start();
    ada(&engine, 1);
    bob(&engine);
    // A checkpoint, whose people are sealed too, is in the backup.
    engine.stop().unwrap();
    let engine = scene.start();
    let backup = backed_up(&scene, &engine, "shop.tar");
    let (keys, all) = (keys_beside(&scene), wrapped(&engine));
    assert!(all.len() > 4, "{}", all.len());
    assert_eq!((count_in(&backup, &all), count_in(&keys, &all)), (0, all.len()), "a backup has no keys");
    for file in [&backup, &keys] {
        let bytes = fs::read(file).unwrap();
        assert!(!SECRETS.iter().any(|secret| bytes.windows(secret.len()).any(|window| window == secret.as_bytes())));
    }
    let earlier = fs::read(&keys).unwrap();

    erase_ada(&engine);
    let left = wrapped(&engine);
    let gone: Vec<_> = all.iter().filter(|key| !left.contains(key)).cloned().collect();
    assert!(
        gone.len() >= 4,
        "of her identifiers, of what was decided about her and kept aside, of the state: {}",
        gone.len()
    );
    let at = format!("http://{}", engine.address());
    let (done, said) = run(&["key", "copy", keys.to_str().unwrap(), "--url", &at]);
    assert!(done && said.contains("keys of personal data"), "{said}");
    for file in [&keys, &scene.data.join("keys.duckdb"), &scene.data.join("sonder.duckdb")] {
        assert_eq!(count_in(file, &gone), 0, "{}", file.display());
    }
    let bobs = engine.get("/api/v1/people/user_id:bob").unwrap().to_string();
    assert!(bobs.contains("Nieuwe Gracht 3"), "{bobs}");
    engine.stop().unwrap();
    let (sound, found) = scene.at_rest(&["doctor"]);
    assert!(sound, "{found}");

    // The machine is lost: there are the project, its key, the backup, and the keys.
    fs::remove_dir_all(&scene.data).unwrap();
    let restore = |to: &str, more: &[&str]| {
        let to = scene.folder.path().join(to);
        let place = ["--data", to.to_str().unwrap(), "--project", scene.shop.to_str().unwrap()];
        let (done, said) = run(&[&["restore", backup.to_str().unwrap()], &place[..], more].concat());
        (done, said, to)
    };
    scene.keys(Some(1), &[]);
    let (done, said, _) = restore("locked", &[]);
    assert!(!done && said.contains("encrypted under the project key"), "{said}");
    scene.keys(Some(0), &[]);
    let (done, said, to) = restore("restored", &[]);
    assert!(done && said.contains("1 people who were erased since are struck"), "{said}");
    assert!(!said.contains("wrong"), "{said}");
    assert_eq!(traces::in_files(&to, &SECRETS).unwrap(), Vec::<String>::new());
    let engine = Engine::start(&scene.shop, &to, &Options::default()).unwrap();
    assert!(engine.get("/api/v1/people/user_id:ada").is_err());
    assert!(engine.get("/api/v1/people/user_id:bob").unwrap().to_string().contains("Nieuwe Gracht 3"));
    assert!(engine.get("/api/v1/quarantine").unwrap()["messages"].as_array().unwrap().is_empty());
    until("the files are rewritten", || {
        engine.count("SELECT count(*) FROM erasures WHERE state = 'struck'").unwrap() == 0
    });
    engine.stop().unwrap();
    let (sound, found) = run(&["doctor", "--data", to.to_str().unwrap(), "--project", scene.shop.to_str().unwrap()]);
    assert!(sound, "{found}");
    // Only who still has the keys from before reads her.
    let before = scene.folder.path().join("before.tar");
    fs::write(&before, earlier).unwrap();
    let (done, said, to) = restore("before", &["--keys", before.to_str().unwrap()]);
    assert!(done && said.contains("0 people who were erased since"), "{said}");
    let engine = Engine::start(&scene.shop, &to, &Options::default()).unwrap();
    assert!(engine.get("/api/v1/people/user_id:ada").unwrap().to_string().contains(SECRETS[0]));
    engine.stop().unwrap();
}

#[test]
fn a_backup_is_restored_with_its_own_keys_or_later_ones_and_no_others() {
    let scene = Scene::new();
    let engine = scene.start();
    bob(&engine);
    let first = backed_up(&scene, &engine, "first.tar");
    let keys = keys_beside(&scene);
    let (earlier, moved) = (fs::read(&keys).unwrap(), scene.folder.path().join("moved.tar"));
    ada(&engine, 1);
    let second = backed_up(&scene, &engine, "second.tar");
    engine.stop().unwrap();
    let shop = scene.shop.to_str().unwrap();
    let restore = |backup: &Path, to: &str, more: &[&str]| {
        let to = scene.folder.path().join(to);
        let place = ["restore", backup.to_str().unwrap(), "--data", to.to_str().unwrap()];
        (run(&[&place[..], more].concat()), to)
    };
    // The project key is another by now, and the one from before is lost.
    scene.keys(Some(1), &[0]);
    let (done, said) = scene.at_rest(&["key", "rotate"]);
    assert!(done, "{said}");
    scene.keys(Some(1), &[]);
    let copy = ["key", "copy", keys.to_str().unwrap(), "--data", scene.data.to_str().unwrap()];
    assert!(run(&copy).0);
    for (backup, name) in [(&first, "one"), (&second, "two")] {
        let ((done, said), to) = restore(backup, name, &["--project", shop]);
        assert!(done && !said.contains("wrong"), "{said}");
        let engine = Engine::start(&scene.shop, &to, &Options::default()).unwrap();
        assert!(engine.get("/api/v1/people/user_id:bob").unwrap().to_string().contains("Nieuwe Gracht 3"));
        assert_eq!(engine.get("/api/v1/people/user_id:ada").is_ok(), name == "two");
        // It goes on, with keys whose numbers no other has.
        ada(&engine, 2);
        knows_all(&person(&engine));
        assert_eq!(engine.count("SELECT count(*) - count(DISTINCT id) FROM keys.subject_keys").unwrap(), 0);
        engine.stop().unwrap();
    }
    // Without the project it is restored all the same, and the next start does the rest.
    let announced = scene.folder.path().join("elsewhere");
    fs::rename(&scene.shop, &announced).unwrap();
    let ((done, said), to) = restore(&second, "three", &[]);
    assert!(done && said.contains("struck at the next start"), "{said}");
    fs::rename(&announced, &scene.shop).unwrap();
    let engine = Engine::start(&scene.shop, &to, &Options::default()).unwrap();
    knows_all(&person(&engine));
    engine.stop().unwrap();
    // Not those of a moment before it, of other data, or none; and what is not one of both is said to be the other.
    fs::write(&moved, earlier).unwrap();
    let moved = moved.to_str().unwrap();
    scene.keys(Some(0), &[]);
    let ((done, said), _) = restore(&second, "four", &["--project", shop, "--keys", moved]);
    assert!(!done && said.contains("not in its `keys.duckdb`") && said.contains("not older than the backup"), "{said}");
    let other = Scene::new();
    let engine = other.start();
    ada(&engine, 1);
    backed_up(&other, &engine, "other.tar");
    engine.stop().unwrap();
    let ((done, said), _) = restore(&second, "four", &["--keys", keys_beside(&other).to_str().unwrap()]);
    assert!(!done && said.contains("is of other data"), "{said}");
    let ((done, said), _) = restore(&second, "four", &["--keys", first.to_str().unwrap()]);
    assert!(!done && said.contains("it is a backup, not a copy of keys"), "{said}");
    let ((done, said), _) = restore(&keys, "four", &[]);
    assert!(!done && said.contains("it is a copy of keys, not a backup"), "{said}");
    let copy = ["key", "copy", first.to_str().unwrap(), "--data", scene.data.to_str().unwrap()];
    let (done, said) = run(&copy);
    assert!(!done && said.contains("it is a backup"), "no backup is overwritten: {said}");
    fs::remove_file(&keys).unwrap();
    let ((done, said), to) = restore(&second, "four", &[]);
    assert!(!done && said.contains("a copy of the keys is not at") && said.contains("--keys FILE"), "{said}");
    assert!(!to.exists());
}

/// Keys are in a file of their own, so a crash may come between them and what they seal. Afterwards every key seals something,
/// everything that is sealed has its key, and whoever is erased has none.
#[test]
fn a_crash_between_the_files_leaves_no_key_too_many_and_none_too_few() {
    let scene = Scene::new();
    let engine = scene.start();
    bob(&engine);
    engine.stop().unwrap();
    for round in 0..12_u32 {
        let engine = scene.start();
        ada(&engine, round);
        let at = engine.address();
        let asking = std::thread::spawn(move || {
            let body = json!({"kind": "erasure", "person": "user_id:ada"}).to_string();
            let headers = [("content-type", "application/json")];
            drop(sonder_tests::Connection::new(at).send("POST", "/api/v1/privacy/requests", &headers, body.as_bytes()));
        });
        std::thread::sleep(Duration::from_millis(u64::from(round) * 7));
        engine.kill().unwrap();
        asking.join().unwrap();
    }
    let engine = scene.start();
    if engine.get("/api/v1/people/user_id:ada").is_ok() {
        erase_ada(&engine);
    }
    until("erased", || engine.count("SELECT count(*) FROM erasures WHERE state = 'struck'").unwrap() == 0);
    let used = ["log", "quarantine", "changes", "deliveries", "state.people", "state.checkpoints"]
        .map(|table| format!("SELECT sealed_by FROM {table} WHERE sealed_by IS NOT NULL"))
        .join(" UNION ALL ");
    let surplus = format!("SELECT count(*) FROM keys.subject_keys WHERE wrapped IS NOT NULL AND id NOT IN ({used})");
    assert!(engine.count("SELECT count(*) FROM erasures").unwrap() > 0);
    assert_eq!(engine.count(&surplus).unwrap(), 0, "{:?}", engine.query("FROM keys.subject_keys"));
    assert_eq!(engine.count("SELECT count(*) - count(DISTINCT id) FROM keys.subject_keys").unwrap(), 0);
    assert!(engine.get("/api/v1/people/user_id:bob").unwrap().to_string().contains("Nieuwe Gracht 3"));
    engine.kill().unwrap();
    let (sound, found) = scene.at_rest(&["doctor"]);
    assert!(sound, "{found}");
    assert_eq!(scene.secrets_in_files(), Vec::<String>::new());
}

/// The engine keeps the copy of the keys by itself where it is told to: as they are at a start, without whoever is erased, in the
/// place of what others put there, and again when the folder was away.
#[test]
fn the_engine_keeps_a_copy_of_the_keys_where_backups_are() {
    let scene = Scene::new();
    let folder = scene.folder.path().join("backups");
    let settings = fs::read_to_string(scene.shop.join("sonder.yaml")).unwrap();
    fs::write(scene.shop.join("sonder.yaml"), format!("{settings}  copy_to: {}\n", folder.display())).unwrap();
    let engine = scene.start();
    ada(&engine, 1);
    bob(&engine);
    let behind = |engine: &Engine| {
        let text = engine.connect().get("/metrics").unwrap().text();
        let line = text.lines().find(|line| line.starts_with("sonder_keys_copy_behind_seconds")).unwrap_or("");
        line.rsplit(' ').next().unwrap().parse::<f64>().unwrap_or(-1.0)
    };
    until("it is said that there is no folder", || behind(&engine) > 0.0);
    engine.stop().unwrap();
    fs::create_dir_all(&folder).unwrap();
    let engine = scene.start();
    let backup = backed_up(&scene, &engine, "shop.tar");
    let (keys, all) = (keys_beside(&scene), wrapped(&engine));
    until("copied", || behind(&engine) == 0.0);
    let earlier = fs::read(&keys).unwrap();
    assert_eq!(count_in(&keys, &all), all.len());

    erase_ada(&engine);
    let left = wrapped(&engine);
    let gone: Vec<_> = all.iter().filter(|key| !left.contains(key)).cloned().collect();
    assert!(gone.len() >= 4, "{}", gone.len());
    until("copied without her", || count_in(&keys, &gone) == 0);
    // A copy from before that comes back does not stay, nor does one that is torn stay unnoticed.
    fs::write(&keys, &earlier).unwrap();
    until("replaced", || count_in(&keys, &gone) == 0);
    fs::write(&keys, &earlier[..earlier.len() / 2]).unwrap();
    until("it is said that the file is no copy", || behind(&engine) > 0.0);
    fs::remove_file(&keys).unwrap();
    until("it is there again", || keys.exists() && behind(&engine) == 0.0);
    engine.stop().unwrap();
    fs::remove_dir_all(&scene.data).unwrap();
    let to = scene.data.to_str().unwrap();
    let (done, said) =
        run(&["restore", backup.to_str().unwrap(), "--data", to, "--project", scene.shop.to_str().unwrap()]);
    assert!(done && said.contains("1 people who were erased since are struck"), "{said}");
    assert_eq!(scene.secrets_in_files(), Vec::<String>::new());
}

#[test]
fn what_came_before_there_was_a_key_is_sealed_by_a_command() {
    let scene = Scene::new();
    scene.keys(None, &[]);
    let engine = scene.start();
    ada(&engine, 1);
    let before = person(&engine);
    engine.stop().unwrap();
    assert!(!scene.secrets_in_files().is_empty());
    scene.keys(Some(0), &[]);
    let (_, found) = scene.at_rest(&["doctor"]);
    assert!(found.contains("rows from before are not: `sonder key seal` seals them"), "{found}");
    let (done, said) = scene.at_rest(&["key", "seal"]);
    assert!(done, "{said}");
    assert_eq!(scene.secrets_in_files(), Vec::<String>::new());
    let engine = scene.start();
    assert_eq!(person(&engine), before);
    engine.stop().unwrap();
    // And back: the key is only read with.
    scene.keys(None, &[0]);
    let engine = scene.start();
    assert_eq!(person(&engine), before);
    assert_eq!(engine.query("SELECT note FROM ev_order").unwrap(), vec![json!([SECRETS[2]])]);
    engine.stop().unwrap();
}
