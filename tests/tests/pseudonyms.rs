//! Destinations that are to know nobody: what they get has pseudonyms in place of identifiers, others at each of them, the same
//! each time; who is to be forgotten is named by the same; and a version of the pseudonyms has one key.

#![expect(clippy::unwrap_used, reason = "the tests of a test binary fail by panicking")]

use serde_json::{Value as Json, json};
use sonder_tests::{Engine, Options, Receiver, project, sonder};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What Ada is known by, in lower case.
const TRACES: [&str; 4] = ["ada.lovelace@analytical.example", "ada-user-1815", "ada-browser-7f3a", "card-0042-1815"];

const KEYS: [&str; 2] = [
    "0101010101010101010101010101010101010101010101010101010101010101",
    "0202020202020202020202020202020202020202020202020202020202020202",
];

const PATIENCE: Duration = Duration::from_secs(30);

struct Scene {
    folder: tempfile::TempDir,
    shop: PathBuf,
    data: PathBuf,
    lake: Receiver,
    shore: Receiver,
    plain: Receiver,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (shop, data) = (folder.path().join("project"), folder.path().join("data"));
        let [lake, shore, plain] = [(); 3].map(|()| Receiver::start().unwrap());
        let destination = |name: &str, receiver: &Receiver, more: &str| {
            let receives = "segments: [buyers], traits: [email, city], events: [order]";
            project::hook(&receiver.address().to_string(), receives)
                .replace("destination: hook", &format!("destination: {name}"))
                + more
        };
        project::write(
            &shop,
            &[
                (
                    "events/order.yaml",
                    "event: order\nproperties:\n  total: {type: number, multipleOf: 0.01}\n  \
                     buyer: {type: string, identifier: email}\n  card: {type: string}\nrequired: [total]\n",
                ),
                ("sources/server.yaml", "source: server\nkind: server\nwrite_keys: [wk]\n"),
                (
                    "identity.yaml",
                    "identifiers:\n  user_id: {unique: true}\n  email: {normalize: [trim, lowercase]}\n  \
                     card: {from: [properties.card]}\n  anonymous_id: {}\n",
                ),
                ("profile.yaml", "traits:\n  email: {type: string}\n  city: {type: string}\n"),
                ("rules/all.sonder", "segment buyers { when count(order) >= 1 }\n"),
                ("destinations/lake.yaml", &destination("lake", &lake, "identifiers: pseudonyms\n")),
                ("destinations/shore.yaml", &destination("shore", &shore, "identifiers: pseudonyms\n")),
                ("destinations/plain.yaml", &destination("plain", &plain, "identifiers: plain\n")),
            ],
        )
        .unwrap();
        let scene = Self { folder, shop, data, lake, shore, plain };
        scene.settings(&format!("pseudonyms: {{key: {}}}\n", scene.key(0)));
        scene
    }

    /// Where a key is, as sonder.yaml says it.
    fn key(&self, number: usize) -> String {
        let path = self.folder.path().join(format!("key{number}"));
        fs::write(&path, KEYS[number]).unwrap();
        format!("{{file: {}}}", path.display())
    }

    fn settings(&self, more: &str) {
        fs::write(self.shop.join("sonder.yaml"), format!("name: shop\n{more}")).unwrap();
    }

    fn start(&self) -> Engine {
        Engine::start(&self.shop, &self.data, &Options::default()).unwrap()
    }

    fn refusal(&self) -> String {
        let started = Engine::start(&self.shop, &self.data, &Options::default());
        started.err().unwrap().to_string()
    }

    fn pseudonym(&self, who: &str, audience: &str, more: &[&str]) -> String {
        let arguments = ["person", "pseudonym", who, "--for", audience, "--project", self.shop.to_str().unwrap()];
        let output = sonder(&[&arguments, more].concat()).unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}

/// All that somebody who listens sees: headers and bodies.
fn all_of(receiver: &Receiver) -> String {
    let calls = receiver.calls();
    calls.iter().map(|call| format!("{:?} {}\n", call.headers, call.body)).collect::<String>().to_lowercase()
}

/// What a receiver was told people are called, of a kind, in the order in which it was.
fn named(receiver: &Receiver, kind: &str) -> Vec<String> {
    let mut found = Vec::new();
    for call in receiver.calls() {
        collect(&call.body, kind, &mut found);
    }
    found
}

fn collect(value: &Json, kind: &str, found: &mut Vec<String>) {
    match value {
        Json::Object(map) => {
            if map.get("kind").and_then(Json::as_str) == Some(kind) && map.contains_key("value") {
                found.extend(map["value"].as_str().map(str::to_owned));
            }
            map.iter().for_each(|(key, value)| {
                if key == kind && value.as_str().is_some_and(|text| text.starts_with('v')) {
                    found.extend(value.as_str().map(str::to_owned));
                }
                collect(value, kind, found);
            });
        }
        Json::Array(list) => list.iter().for_each(|value| collect(value, kind, found)),
        _ => {}
    }
}

fn ada(engine: &Engine, round: u32) {
    let batch = json!({ "batch": [
        {"type": "identify", "messageId": format!("i{round}"), "anonymousId": TRACES[2], "userId": TRACES[1],
            "traits": {"email": TRACES[0].to_uppercase(), "city": format!("Delft {round}")}},
        {"type": "track", "event": "order", "messageId": format!("o{round}"), "userId": TRACES[1],
            "properties": {"total": 12.5, "buyer": format!(" {}", TRACES[0].to_uppercase()), "card": TRACES[3]}},
    ]});
    let answer = engine.connect().post("/v1/batch", "wk", &batch).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    engine.settle(PATIENCE).unwrap();
}

fn erase(engine: &Engine, receivers: &[&Receiver]) {
    let body = json!({"kind": "erasure", "person": format!("user_id:{}", TRACES[1])}).to_string();
    let headers = [("content-type", "application/json")];
    let answer = engine.connect().send("POST", "/api/v1/privacy/requests", &headers, body.as_bytes()).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    let patience = Instant::now() + PATIENCE;
    let is_told = |receiver: &&Receiver| receiver.calls().iter().any(|call| call.body["type"] == "person.erase");
    while !receivers.iter().all(is_told) {
        assert!(Instant::now() < patience, "not told in time: {}", engine.log());
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn erasures(receiver: &Receiver) -> Vec<Json> {
    receiver.calls().into_iter().map(|call| call.body).filter(|body| body["type"] == "person.erase").collect()
}

fn has_any(text: &str, traces: &[&str]) -> Vec<String> {
    traces.iter().filter(|trace| text.contains(**trace)).map(|trace| (*trace).to_owned()).collect()
}

/// The ids under which the engine knows its deliveries and people, as they could be written.
fn own_ids(engine: &Engine) -> Vec<String> {
    let sql = "select id::varchar from deliveries union all select person::varchar from deliveries";
    let rows = engine.query(sql).unwrap();
    let ids = rows.iter().filter_map(|row| row[0].as_str()).map(str::to_owned);
    ids.flat_map(|id| [id.replace('-', ""), id]).collect()
}

#[test]
fn a_destination_that_is_to_know_nobody_gets_pseudonyms_of_its_own() {
    let scene = Scene::new();
    let engine = scene.start();
    ada(&engine, 1);
    ada(&engine, 2);

    // The one that gets identifiers as they are shows what there was to hide.
    let plain = all_of(&scene.plain);
    assert_eq!(has_any(&plain, &TRACES).len(), TRACES.len(), "{plain}");
    let ids = own_ids(&engine);
    assert!(ids.iter().any(|id| plain.contains(id)), "a plain destination is told the ids that the engine has");
    let mut by_receiver = Vec::new();
    for (name, receiver) in [("lake", &scene.lake), ("shore", &scene.shore)] {
        let told = all_of(receiver);
        assert!(told.contains("delft 2") && told.contains("12.5"), "{told}");
        assert_eq!(has_any(&told, &TRACES), Vec::<String>::new(), "{told}");
        assert!(!ids.iter().any(|id| told.contains(id)), "{told}");
        let known: Vec<String> = named(receiver, "email");
        let distinct: BTreeSet<&String> = known.iter().collect();
        assert!(known.len() >= 4 && distinct.len() == 1, "{known:?}");
        assert_eq!(known[0], scene.pseudonym("email: ADA.Lovelace@Analytical.example", name, &[]));
        assert!(known[0].starts_with("v1:") && known[0].len() == 46, "{}", known[0]);
        let user = scene.pseudonym(&format!("user_id:{}", TRACES[1]), name, &[]);
        assert!(named(receiver, "user_id").contains(&user));
        let card = scene.pseudonym(&format!("card:{}", TRACES[3]), name, &[]);
        assert!(told.contains(&card.to_lowercase()), "{told}");
        by_receiver.push((known[0].clone(), user));
    }
    assert_ne!(by_receiver[0].0, by_receiver[1].0);
    assert_ne!(by_receiver[0].1, by_receiver[1].1);

    // An export for the lake knows people as the lake does.
    let exported = engine.get("/api/v1/segments/buyers/members?pseudonyms=lake").unwrap();
    let text = exported.to_string();
    assert!(text.contains(&by_receiver[0].0) && text.contains(&by_receiver[0].1), "{text}");
    assert_eq!(has_any(&text.to_lowercase(), &TRACES), Vec::<String>::new());
    assert!(!ids.iter().any(|id| text.contains(id)), "{text}");
    let plain = engine.get("/api/v1/segments/buyers/members").unwrap();
    let person = plain["members"][0]["person"].as_str().unwrap();
    assert_eq!(exported["members"][0]["person"], scene.pseudonym(person, "lake", &[]));

    erase(&engine, &[&scene.lake, &scene.shore]);
    for (receiver, (email, user)) in [&scene.lake, &scene.shore].into_iter().zip(&by_receiver) {
        let told = erasures(receiver).iter().map(Json::to_string).collect::<String>();
        assert!(told.contains(email) && told.contains(user), "{told}");
        assert_eq!(has_any(&all_of(receiver), &TRACES), Vec::<String>::new());
    }
}

#[test]
fn a_version_has_one_key_and_a_new_key_is_told_by_its_version() {
    let scene = Scene::new();
    let engine = scene.start();
    ada(&engine, 1);
    let before = scene.pseudonym(&format!("email:{}", TRACES[0]), "lake", &[]);

    // A key that changes while the engine runs is refused, and what ran goes on.
    scene.settings(&format!("pseudonyms: {{key: {}, version: 2}}\n", scene.key(1)));
    let patience = Instant::now() + PATIENCE;
    while !engine.log().contains("is not what the engine started with") {
        assert!(Instant::now() < patience, "{}", engine.log());
        std::thread::sleep(Duration::from_millis(50));
    }
    ada(&engine, 2);
    assert!(!all_of(&scene.lake).contains("v2:"));
    engine.kill().unwrap();

    scene.settings(&format!("pseudonyms: {{key: {}}}\n", scene.key(1)));
    let refusal = scene.refusal();
    assert!(refusal.contains("version 1 of the pseudonyms") && refusal.contains("raise `version`"), "{refusal}");
    scene.settings("pseudonyms: {key: {env: SONDER_TEST_NO_SUCH_KEY}}\n");
    let refusal = scene.refusal();
    assert!(
        refusal.contains("SONDER_TEST_NO_SUCH_KEY") && refusal.contains("`pseudonyms` of sonder.yaml"),
        "{refusal}"
    );

    let (new, old) = (scene.key(1), scene.key(0));
    scene.settings(&format!("pseudonyms: {{key: {new}, version: 2, previous: [{{key: {old}, version: 1}}]}}\n"));
    let engine = scene.start();
    ada(&engine, 3);
    let after = scene.pseudonym(&format!("email:{}", TRACES[0]), "lake", &[]);
    assert!(after.starts_with("v2:") && named(&scene.lake, "email").contains(&after));
    assert_eq!(scene.pseudonym(&format!("email:{}", TRACES[0]), "lake", &["--key-version", "1"]), before);
    assert_ne!(after[3..], before[3..]);

    // Whoever was told of Ada under the old key finds her.
    erase(&engine, &[&scene.lake]);
    let told = erasures(&scene.lake).iter().map(Json::to_string).collect::<String>();
    assert!(told.contains(&before) && told.contains(&after), "{told}");
    assert_eq!(has_any(&all_of(&scene.lake), &TRACES), Vec::<String>::new());
}

#[test]
fn whoever_pushes_rules_says_nothing_of_the_key() {
    let scene = Scene::new();
    let engine = scene.start();
    let pushed = scene.folder.path().join("pushed");
    copy(&scene.shop, &pushed);
    fs::write(pushed.join("sonder.yaml"), "name: shop\npseudonyms: {key: {command: touch /tmp/here}, version: 2}\n")
        .unwrap();
    let url = format!("http://{}", engine.address());
    let output = sonder(&["apply", pushed.to_str().unwrap(), "--url", &url, "--yes"]).unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("`pseudonyms` of sonder.yaml is not what the engine"), "{said}");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
