//! Two regions, two engines of one project: whoever somebody's data is sent to, it is found in their own region only, in no file and
//! no table of the other, and destinations hear of people of their own.

#![expect(clippy::unwrap_used, reason = "the tests of a test binary fail by panicking")]

use serde_json::{Value as Json, json};
use sonder_tests::{Engine, Options, Receiver, project, sonder, traces};
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What people of a region are known by.
const GERMAN: [&str; 4] = ["heike-u-1", "heike-browser-1", "heike@beispiel.example", "Wendeltreppe"];
const AMERICAN: [&str; 4] = ["walt-u-1", "walt-browser-1", "walt@sample.example", "Boardwalk"];

struct Scene {
    folder: tempfile::TempDir,
    eu: SocketAddr,
    us: SocketAddr,
    receivers: [Receiver; 3],
}

/// A port that was free a moment ago: each engine has to know that of the other.
fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

impl Scene {
    fn new() -> Self {
        let (eu, us) = (free(), free());
        let scene = Self {
            folder: tempfile::tempdir().unwrap(),
            eu,
            us,
            receivers: [(); 3].map(|()| Receiver::start().unwrap()),
        };
        let settings = format!(
            "name: shop\nresidency:\n  default: eu\n  regions:\n    eu: {{regimes: [gdpr], url: \"http://{eu}\"}}\n    \
             us: {{countries: [US], url: \"http://{us}\"}}\n"
        );
        let destination = |name: &str, receiver: &Receiver, more: &str| {
            let hook =
                project::hook(&receiver.address().to_string(), "segments: [buyers], traits: [mail], events: [order]");
            format!("{}{more}\n", hook.replace("destination: hook", &format!("destination: {name}")))
        };
        let [of_eu, of_us, of_both] = &scene.receivers;
        project::write(
            &scene.project(),
            &[
                ("sonder.yaml", &settings),
                ("events/order.yaml", "event: order\nproperties: {street: {type: string}, total: {type: number}}\n"),
                ("identity.yaml", "identifiers: {user_id: {unique: true}, anonymous_id: {}}\n"),
                ("profile.yaml", "traits: {mail: {type: string}, country: {type: string}}\n"),
                ("consent.yaml", "purposes: [marketing]\nresidence: [country]\n"),
                ("sources/server.yaml", "source: server\nkind: server\nwrite_keys: [wk]\n"),
                ("sources/files.yaml", "source: files\nkind: file\n"),
                ("rules/all.sonder", "segment buyers { when did(order) }\n"),
                ("destinations/mail_eu.yaml", &destination("mail_eu", of_eu, "region: eu")),
                ("destinations/mail_us.yaml", &destination("mail_us", of_us, "region: us")),
                (
                    "destinations/ads.yaml",
                    &destination("ads", of_both, "region: us\ntransfers: {eu: 'SCC 2021/914, assessed in 2026-03'}"),
                ),
            ],
        )
        .unwrap();
        scene
    }

    fn project(&self) -> PathBuf {
        self.folder.path().join("project")
    }

    fn data(&self, region: &str) -> PathBuf {
        self.folder.path().join(region)
    }

    fn start(&self, region: &str) -> Engine {
        let listen = Some(if region == "eu" { self.eu } else { self.us });
        let arguments = vec!["--region".to_owned(), region.to_owned()];
        let options = Options { arguments, listen, ..Options::default() };
        Engine::start(&self.project(), &self.data(region), &options).unwrap()
    }
}

/// What somebody does who lives in a country: they come unknown, say who they are, order, and get something wrong.
fn somebody(country: &str, traces: &[&str; 4]) -> Json {
    let [user, anonymous, mail, street] = traces;
    let id = |what: &str| format!("{what}-of-{user}");
    json!({"batch": [
        {"type": "identify", "messageId": id("i"), "anonymousId": anonymous, "userId": user,
            "traits": {"mail": mail, "country": country}},
        {"type": "track", "event": "order", "messageId": id("o"), "userId": user, "context": {"traits": {"country": country}},
            "properties": {"street": street, "total": 1}},
        {"type": "track", "event": "order", "messageId": id("w"), "userId": user, "context": {"traits": {"country": country}},
            "properties": {"street": street, "total": "much"}},
        {"type": "track", "event": "undeclared", "messageId": id("u"), "userId": user,
            "context": {"traits": {"country": country}}},
    ]})
}

fn post(engine: &Engine, batch: &Json) -> u16 {
    engine.connect().post("/v1/batch", "wk", batch).unwrap().status
}

/// What a receiver heard, as text, once it has heard of somebody.
fn heard(receiver: &Receiver, of: &str) -> String {
    let patience = Instant::now() + Duration::from_secs(20);
    loop {
        let calls = receiver.calls();
        let said: String = calls.iter().map(|call| call.body.to_string()).collect();
        if said.contains(of) {
            return said;
        }
        assert!(Instant::now() < patience, "nothing was heard of {of}: {said}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn nothing_crosses() {
    let scene = Scene::new();
    let (eu, us) = (scene.start("eu"), scene.start("us"));
    // Each is sent to the wrong engine, and both at once.
    assert_eq!(post(&us, &somebody("DE", &GERMAN)), 200, "{}", us.log());
    assert_eq!(post(&eu, &somebody("US", &AMERICAN)), 200, "{}", eu.log());
    let mut both = somebody("DE", &["heike-u-2", "heike-browser-2", "x@beispiel.example", "Wendeltreppe"]);
    let more = somebody("US", &["walt-u-2", "walt-browser-2", "y@sample.example", "Boardwalk"]);
    both["batch"].as_array_mut().unwrap().extend(more["batch"].as_array().unwrap().iter().cloned());
    assert_eq!(post(&eu, &both), 200);
    // What they do next says no country: each engine knows its own.
    let next = |user: &str| {
        json!({"batch": [{"type": "track", "event": "order", "messageId": format!("n-{user}"), "userId": user,
        "properties": {"total": 2}}]})
    };
    us.settle(Duration::from_secs(30)).unwrap();
    assert_eq!(post(&us, &next(AMERICAN[0])), 200);
    for engine in [&eu, &us] {
        engine.settle(Duration::from_secs(30)).unwrap();
    }

    for (here, there, own, other) in [(&eu, &us, GERMAN, AMERICAN), (&us, &eu, AMERICAN, GERMAN)] {
        let known = here.get(&format!("/api/v1/people/user_id:{}", own[0])).unwrap();
        assert_eq!(known["segments"].as_array().unwrap().len(), 1, "{known}");
        assert_eq!(there.connect().get(&format!("/api/v1/people/user_id:{}", own[0])).unwrap().status, 404);
        assert_eq!(traces::in_tables(here, &other).unwrap(), Vec::<String>::new());
        assert!(!traces::in_tables(here, &own).unwrap().is_empty());
        assert_eq!(
            here.count("select count(*) from quarantine").unwrap(),
            4,
            "what is wrong is kept aside where it belongs"
        );
        assert!(!here.log().contains(other[0]) && !here.log().contains("Boardwalk"), "{}", here.log());
    }
    assert_eq!(us.count("select count(*) from log").unwrap(), 5);
    assert_eq!(eu.count("select count(*) from log").unwrap(), 4);
    let status = us.get("/api/v1/status").unwrap();
    assert_eq!(status["region"], "us");

    let [of_eu, of_us, of_both] = &scene.receivers;
    let (in_eu, in_us) = (heard(of_eu, GERMAN[0]), heard(of_us, AMERICAN[0]));
    heard(of_both, GERMAN[0]);
    heard(of_both, AMERICAN[0]);
    assert!(!in_eu.contains("walt") && !in_us.contains("heike"));
    let metrics = eu.connect().get("/metrics").unwrap().text();
    assert!(metrics.contains("sonder_collect_forwarded_total{region=\"us\",outcome=\"taken\"} 8"), "{metrics}");

    assert!(eu.stop().unwrap().success() && us.stop().unwrap().success());
    assert!(!of_eu.calls().iter().any(|call| call.body.to_string().contains("walt")));
    assert!(!of_us.calls().iter().any(|call| call.body.to_string().contains("heike")));
    assert_eq!(traces::in_files(&scene.data("eu"), &AMERICAN).unwrap(), Vec::<String>::new());
    assert_eq!(traces::in_files(&scene.data("us"), &GERMAN).unwrap(), Vec::<String>::new());
    assert!(!traces::in_files(&scene.data("us"), &AMERICAN).unwrap().is_empty());
}

#[test]
fn a_region_that_cannot_be_reached_loses_nothing_and_leaves_nothing() {
    let scene = Scene::new();
    let eu = scene.start("eu");
    let mut both = somebody("DE", &GERMAN);
    both["batch"]
        .as_array_mut()
        .unwrap()
        .extend(somebody("US", &AMERICAN)["batch"].as_array().unwrap().iter().cloned());
    let answer = eu.connect().post("/v1/batch", "wk", &both).unwrap();
    assert_eq!((answer.status, answer.json()["code"].as_str()), (503, Some("region_unavailable")));
    assert_eq!(eu.count("select count(*) from log").unwrap(), 0);
    let us = scene.start("us");
    assert_eq!(post(&eu, &both), 200, "{}", eu.log());
    assert_eq!(post(&eu, &both), 200);
    assert_eq!((eu.count("select count(*) from log").unwrap(), us.count("select count(*) from log").unwrap()), (2, 2));
    eu.stop().unwrap();
    assert_eq!(traces::in_files(&scene.data("eu"), &AMERICAN).unwrap(), Vec::<String>::new());
}

#[test]
fn what_is_mended_is_taken_in_where_it_belongs() {
    let scene = Scene::new();
    let path = scene.project().join("sonder.yaml");
    let settings = fs::read_to_string(&path).unwrap().replace("  default: eu\n", "");
    fs::write(&path, settings).unwrap();
    let eu = scene.start("eu");
    let unknown = json!({"batch": [{"type": "track", "event": "order", "messageId": "o1", "userId": "kim", "properties": {"total": 1}}]});
    assert_eq!(post(&eu, &unknown), 200);
    let replay = |country: &str| {
        let body = json!({"reason": "no_region", "patch": {"set": {"/traits": {"country": country}}}});
        let headers = [("content-type", "application/json")];
        let path = "/api/v1/quarantine/replay";
        let answer = eu.connect().send("POST", path, &headers, body.to_string().as_bytes()).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    };
    let refused = replay("US");
    assert_eq!((&refused["refused"], &refused["reasons"][0]["code"]), (&json!(1), &json!("other_region")), "{refused}");
    assert_eq!(replay("JP")["reasons"][0]["code"], "no_region");
    assert_eq!(replay("DE")["replayed"], 1);
    eu.settle(Duration::from_secs(30)).unwrap();
    assert_eq!(eu.count("select count(*) from log").unwrap(), 1);
}

#[test]
fn a_transfer_that_is_put_on_record_lets_people_go_there() {
    let scene = Scene::new();
    let eu = scene.start("eu");
    assert_eq!(post(&eu, &somebody("DE", &GERMAN)), 200);
    let [of_eu, of_us, _] = &scene.receivers;
    heard(of_eu, GERMAN[0]);
    assert!(of_us.calls().is_empty());
    let path = scene.project().join("destinations/mail_us.yaml");
    let before = fs::read_to_string(&path).unwrap();
    let plan = |engine: &Engine| {
        let project = scene.project();
        let place = ["plan", project.to_str().unwrap(), "--url", &format!("http://{}", engine.address())];
        String::from_utf8(sonder(&place).unwrap().stdout).unwrap()
    };
    fs::write(&path, format!("{before}transfers: {{eu: SCC 2021/914}}\n")).unwrap();
    // Whoever is in the segment by now, too.
    assert!(heard(of_us, GERMAN[0]).contains("segment"));
    fs::write(&path, before).unwrap();
    let patience = Instant::now() + Duration::from_secs(20);
    while !plan(&eu).contains("nothing") {
        assert!(Instant::now() < patience, "{}", plan(&eu));
        std::thread::sleep(Duration::from_millis(50));
    }
    let count = of_us.calls().len();
    let more = json!({"batch": [{"type": "identify", "userId": GERMAN[0], "messageId": "more", "traits": {"mail": "z@x.example"}}]});
    assert_eq!(post(&eu, &more), 200);
    heard(of_eu, "z@x.example");
    assert_eq!(of_us.calls().len(), count, "not even that it hears no more");
}

#[test]
fn a_data_directory_stays_in_its_region() {
    let scene = Scene::new();
    assert!(scene.start("eu").stop().unwrap().success());
    let run = |arguments: &[&str]| {
        let (project, data) = (scene.project(), scene.data("eu"));
        let place = ["run", project.to_str().unwrap(), "--data", data.to_str().unwrap(), "--listen", "127.0.0.1:0"];
        let output = sonder(&[&place, arguments].concat()).unwrap();
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).unwrap()
    };
    let said = run(&["--region", "us"]);
    assert!(said.contains("is of region `eu`, and was to be opened in region `us`"), "{said}");
    let said = run(&[]);
    assert!(said.contains("it is not said in which one") && said.contains("`eu`, `us`"), "{said}");
    let said = run(&["--region", "mars"]);
    assert!(said.contains("the project has no region `mars`"), "{said}");
    let settings = fs::read_to_string(scene.project().join("sonder.yaml")).unwrap();
    for name in ["mail_eu", "mail_us", "ads"] {
        fs::remove_file(scene.project().join(format!("destinations/{name}.yaml"))).unwrap();
    }
    fs::write(scene.project().join("sonder.yaml"), settings.lines().next().unwrap()).unwrap();
    let said = run(&[]);
    assert!(said.contains("is of region `eu`, and was to be opened in no region"), "{said}");
    let said = run(&["--region", "eu"]);
    assert!(said.contains("the project has no regions"), "{said}");
}

#[test]
fn a_file_is_imported_in_each_region_which_takes_its_own() {
    let scene = Scene::new();
    let (eu, us) = (scene.start("eu"), scene.start("us"));
    let file = scene.folder.path().join("people.ndjson");
    let row = |country: &str, user: &str| {
        json!({"type": "identify", "userId": user, "messageId": user, "timestamp": "2026-01-01T00:00:00Z",
            "traits": {"country": country, "mail": format!("{user}@x.example")}})
    };
    let rows = [row("DE", "heike-u-1"), row("US", "walt-u-1"), row("FR", "heike-u-2"), row("JP", "heike-u-3")];
    fs::write(&file, rows.map(|row| format!("{row}\n")).concat()).unwrap();
    let import = |data: &Path| {
        let (file, project) = (file.to_str().unwrap(), scene.project());
        let place = ["--data", data.to_str().unwrap(), "--project", project.to_str().unwrap(), "--source", "files"];
        let output = sonder(&[&["import", file], &place[..]].concat()).unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.success(), said)
    };
    // One through the engine, one into its directory.
    let (done, said) = import(&scene.data("eu"));
    assert!(done && said.contains("imported 3 rows") && said.contains("left out: 1 of us"), "{said}");
    assert!(us.stop().unwrap().success());
    let (done, said) = import(&scene.data("us"));
    assert!(done && said.contains("imported 1 row") && said.contains("left out: 3 of eu"), "{said}");
    let us = scene.start("us");
    assert_eq!((eu.count("select count(*) from log").unwrap(), us.count("select count(*) from log").unwrap()), (3, 1));
    assert_eq!(traces::in_tables(&us, &["heike"]).unwrap(), Vec::<String>::new());
    assert_eq!(traces::in_tables(&eu, &["walt"]).unwrap(), Vec::<String>::new());
    // Where it is not known where it stands, nothing is taken in.
    let (done, said) = import(&scene.data("new"));
    assert!(!done && said.contains("it is not said in which one"), "{said}");
}
