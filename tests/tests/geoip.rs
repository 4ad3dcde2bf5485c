//! Where somebody is, by their IP address: a file says it, the law that holds for them follows, and the address itself is kept
//! nowhere.

#![expect(clippy::unwrap_used, reason = "the tests of a test binary fail by panicking")]

use serde_json::json;
use sonder_tests::{Engine, Options, mmdb, project, traces};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// Where Ada and Bob are, to the last byte.
const ADDRESSES: [&str; 2] = ["203.0.113.77", "198.51.100.88"];

/// A file is looked at every five seconds; machines are slow.
const PATIENCE: Duration = Duration::from_secs(30);

fn shop(folder: &Path) {
    let event = "event: view\npurposes: [marketing]\nproperties:\n  product: {type: string}\n";
    let rule = "segment curious {\n  purpose marketing\n  when did(view)\n}\n\
                segment dutch { when did(view where context.geo.country == \"NL\") }\n\
                segment swiss { when profile.seen_in == \"CH\" }\n";
    project::write(
        folder,
        &[
            ("sonder.yaml", "name: shop\n"),
            ("events/view.yaml", event),
            ("sources/web.yaml", "source: web\nkind: browser\nwrite_keys: [wk_web]\n"),
            ("sources/server.yaml", "source: server\nkind: server\nwrite_keys: [wk]\nip: keep\n"),
            ("identity.yaml", "identifiers:\n  user_id: {}\n  anonymous_id: {}\n"),
            (
                "profile.yaml",
                "traits:\n  country: {type: string}\n  seen_in: {type: string, from: [context.geo.country]}\n",
            ),
            ("consent.yaml", "purposes: [marketing]\nresidence: [country, seen_in]\n"),
            ("rules/r.sonder", rule),
        ],
    )
    .unwrap();
}

/// Written beside it and put in its place, as those do who keep such a file fresh.
fn put(file: &Path, nl: &str) {
    let beside = file.with_extension("new");
    let networks = [
        ("203.0.113.0", 24, json!({"country": {"iso_code": nl}, "continent": {"code": "EU"}})),
        ("198.51.100.0", 25, json!({"country_code": "US", "subdivisions": [{"iso_code": "AK"}]})),
    ];
    fs::write(&beside, mmdb::of(&networks)).unwrap();
    fs::rename(beside, file).unwrap();
}

struct Scene {
    folder: tempfile::TempDir,
    engine: Engine,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        shop(&folder.path().join("shop"));
        let file = folder.path().join("where.mmdb");
        put(&file, "NL");
        let arguments = ["--geoip", file.to_str().unwrap(), "--trusted-proxy", "127.0.0.1"].map(str::to_owned).to_vec();
        let options = Options { arguments, ..Options::default() };
        let engine = Engine::start(&folder.path().join("shop"), &folder.path().join("data"), &options).unwrap();
        Self { folder, engine }
    }

    /// A page is viewed from an address.
    fn view(&self, who: &str, address: &str) {
        let headers = [
            ("authorization", "Basic d2tfd2ViOg=="),
            ("content-type", "application/json"),
            ("x-forwarded-for", address),
        ];
        let body = json!({"anonymousId": who, "event": "view", "context": {"geo": {"country": "DE"}, "ip": "9.9.9.9"}});
        let answer = self.engine.connect().send("POST", "/v1/track", &headers, body.to_string().as_bytes()).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    fn segments(&self, who: &str) -> Vec<String> {
        self.engine.settle(PATIENCE).unwrap();
        let person = self.engine.get(&format!("/api/v1/people/anonymous_id:{who}")).unwrap();
        let segments = person["segments"].as_array().unwrap();
        segments.iter().map(|it| it["name"].as_str().or_else(|| it.as_str()).unwrap().to_owned()).collect()
    }

    /// Waits until somebody who views it for the first time is in a segment.
    fn comes_about(&self, segment: &str, address: &str) {
        let start = Instant::now();
        for number in 0.. {
            let who = format!("{segment}-{number}");
            self.view(&who, address);
            if self.segments(&who).contains(&segment.to_owned()) {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "{}", self.engine.log());
            std::thread::sleep(Duration::from_millis(300));
        }
    }
}

#[test]
fn the_law_of_where_somebody_is_holds_and_their_address_is_kept_nowhere() {
    let scene = Scene::new();
    scene.view("ada", ADDRESSES[0]);
    scene.view("bob", ADDRESSES[1]);
    scene.view("eve", "198.51.100.200");
    assert_eq!(scene.segments("ada"), ["dutch"], "in the EU marketing is what somebody says yes to");
    assert_eq!(scene.segments("bob"), ["curious"], "in Alaska it is what somebody says no to");
    assert_eq!(scene.segments("eve"), Vec::<String>::new());
    let eve = scene.engine.get("/api/v1/people/anonymous_id:eve").unwrap();
    assert_eq!(eve["profile"]["seen_in"], json!(null), "the page has no say: {eve}");

    let data = scene.folder.path().join("data");
    assert_eq!(traces::in_tables(&scene.engine, &ADDRESSES).unwrap(), Vec::<String>::new());
    assert!(!traces::in_tables(&scene.engine, &["203.0.113.0"]).unwrap().is_empty(), "the network is");
    // A server's source keeps them here: what looks for them finds them.
    let message = json!({"userId": "u", "event": "view", "context": {"ip": ADDRESSES[0]}});
    assert_eq!(scene.engine.connect().post("/v1/track", "wk", &message).unwrap().status, 200);
    assert!(!traces::in_tables(&scene.engine, &ADDRESSES[..1]).unwrap().is_empty());
    assert_eq!(traces::in_files(&data, &ADDRESSES[1..]).unwrap(), Vec::<String>::new());
    let log = scene.engine.log();
    assert!(ADDRESSES.iter().all(|address| !log.contains(address)), "{log}");
}

#[test]
fn another_file_in_its_place_is_read_and_a_broken_one_is_not() {
    let scene = Scene::new();
    let file = scene.folder.path().join("where.mmdb");
    scene.comes_about("dutch", ADDRESSES[0]);
    fs::write(&file, "half of it").unwrap();
    let start = Instant::now();
    while !scene.engine.log().contains("the file can't be read") {
        assert!(start.elapsed() < PATIENCE, "{}", scene.engine.log());
        std::thread::sleep(Duration::from_millis(100));
    }
    scene.view("ada", ADDRESSES[0]);
    assert_eq!(scene.segments("ada"), ["dutch"], "the one before still says it");
    put(&file, "CH");
    scene.comes_about("swiss", ADDRESSES[0]);
}

#[test]
fn a_file_that_is_none_is_refused_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let shop_folder = folder.path().join("shop");
    shop(&shop_folder);
    for (name, text) in [("none.mmdb", None), ("text.mmdb", Some("text"))] {
        let file = folder.path().join(name);
        if let Some(text) = text {
            fs::write(&file, text).unwrap();
        }
        let arguments = vec!["--geoip".to_owned(), file.to_str().unwrap().to_owned()];
        let options = Options { arguments, ..Options::default() };
        let refusal = Engine::start(&shop_folder, &folder.path().join("data"), &options).err().unwrap().to_string();
        assert!(refusal.contains(name) && refusal.contains("MaxMind's format"), "{refusal}");
    }
}
