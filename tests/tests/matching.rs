//! People who share no identifier are matched by an engine that runs: what is likely enough is linked, the rest waits for somebody,
//! what they decide holds, and `kill -9` and an erasure change nothing of that.

#![expect(clippy::unwrap_used, reason = "the tests of a test binary fail by panicking")]

use serde_json::{Value as Json, json};
use sonder_tests::{Engine, Options, project, sonder};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// People who are there once.
const PEOPLE: usize = 300;
/// Of those, who are there a second time by the card of a shop: the first as they are, the next mistyped, of the last nothing
/// but the name is known.
const SAME: usize = 20;
const MISTYPED: usize = 40;
const NAMED: usize = 60;

struct Scene {
    _folder: tempfile::TempDir,
    project: PathBuf,
    data: PathBuf,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (project, data) = (folder.path().join("project"), folder.path().join("data"));
        let profile: String = ["first_name", "last_name", "birth", "postcode"]
            .map(|name| format!("  {name}: {{type: string}}\n"))
            .concat();
        project::write(
            &project,
            &[
                ("sonder.yaml", "name: matched\n"),
                (
                    "profile.yaml",
                    &format!("traits:\n{profile}  guess: {{type: boolean, from: [identity.probabilistic]}}\n"),
                ),
                ("sources/server.yaml", "source: server\nkind: server\nwrite_keys: [wk]\n"),
                (
                    "rules/r.sonder",
                    "segment known \"\" { when profile.last_name is known }\n\
                     segment sure \"\" { when profile.last_name is known and not profile.guess }\n",
                ),
                (
                    "identity.yaml",
                    "identifiers:\n  user_id: {unique: true}\n  card: {}\n  anonymous_id: {}\nprobabilistic:\n  \
                     compare: {first_name: name, last_name: name, birth: date, postcode: postcode}\n  \
                     link_at: 0.99\n  review_at: 0.05\n",
                ),
            ],
        )
        .unwrap();
        Self { _folder: folder, project, data }
    }

    fn start(&self) -> Engine {
        Engine::start(&self.project, &self.data, &Options::default()).unwrap()
    }

    fn sonder(&self, arguments: &[&str]) -> String {
        let all = [arguments, &["--data", self.data.to_str().unwrap()]].concat();
        let output = sonder(&all).unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{arguments:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
        said
    }
}

/// Names that are made of syllables: few have the same.
fn name(number: usize, salt: usize) -> String {
    let syllables =
        ["ka", "ri", "mo", "len", "vas", "to", "bel", "shu", "per", "din", "gra", "wil", "an", "os", "fe", "ju"];
    let mut at = (number + 1).wrapping_mul(2_654_435_761 + salt * 97) >> 3;
    let mut name = String::new();
    for _ in 0..3 {
        name += syllables[at % syllables.len()];
        at /= syllables.len() + 7;
    }
    name
}

fn traits(number: usize) -> Json {
    json!({
        "first_name": name(number % 90, 1), "last_name": name(number % 110, 2),
        "birth": format!("{}-{:02}-{:02}", 1950 + number * 7 % 50, 1 + number * 5 % 12, 1 + number * 11 % 28),
        "postcode": format!("{}{}", 1_000 + number * 13 % 4_000, ["AB", "CD", "EF"][number % 3]),
    })
}

/// The second time that somebody is there.
fn again(number: usize) -> Json {
    let mut traits = traits(number);
    if (SAME..MISTYPED).contains(&number) {
        let name = traits["first_name"].as_str().unwrap().to_owned();
        traits["first_name"] = json!(format!("{}{}", &name[..2], &name[3..]));
    }
    if number >= MISTYPED {
        let known = traits.as_object_mut().unwrap();
        known.retain(|name, _| name.ends_with("name"));
    }
    traits
}

fn send(engine: &Engine, messages: &[Json]) {
    for some in messages.chunks(100) {
        let answer = engine.connect().post("/v1/batch", "wk", &json!({ "batch": some })).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    engine.settle(Duration::from_secs(60)).unwrap();
}

fn everybody() -> Vec<Json> {
    let identify = |mut who: Json, traits: Json| {
        who["type"] = json!("identify");
        who["traits"].as_object_mut().unwrap().extend(traits.as_object().unwrap().clone());
        who
    };
    let people =
        (0..PEOPLE).map(|number| identify(json!({"userId": format!("u{number}"), "traits": {}}), traits(number)));
    let again =
        (0..NAMED).map(|number| identify(json!({"traits": {"card": format!("card-{number:04}")}}), again(number)));
    // Somebody has two accounts.
    let twice = identify(json!({"userId": "second-account", "traits": {}}), traits(PEOPLE - 1));
    people.chain(again).chain([twice]).collect()
}

fn post(engine: &Engine, path: &str, body: &Json) -> Json {
    let headers = [("content-type", "application/json")];
    let answer = engine.connect().send("POST", path, &headers, body.to_string().as_bytes()).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// Matches, and gives what the run found.
fn matched(engine: &Engine) -> Json {
    let mut answer = post(engine, "/api/v1/matching/runs", &json!({}));
    let patience = Instant::now() + Duration::from_secs(60);
    while answer["running_since"].is_string() {
        assert!(Instant::now() < patience, "not matched in time: {answer}\n{}", engine.log());
        std::thread::sleep(Duration::from_millis(20));
        answer = engine.get("/api/v1/matching").unwrap();
    }
    assert_eq!(answer["failure"], Json::Null, "{answer}");
    answer["runs"][0].clone()
}

fn pairs(engine: &Engine, state: &str) -> Vec<Json> {
    let answer = engine.get(&format!("/api/v1/matching/pairs?state={state}&limit=1000")).unwrap();
    assert_eq!(answer["next"], Json::Null);
    answer["pairs"].as_array().unwrap().clone()
}

fn ids(pairs: &[Json]) -> BTreeSet<String> {
    pairs.iter().map(|pair| pair["id"].as_str().unwrap().to_owned()).collect()
}

/// The two people of a pair are who they are by the numbers of their identifiers.
fn is_right(pair: &Json) -> bool {
    let number = |place: usize| {
        let text = pair["people"][place]["identifier"].as_str().unwrap();
        text.trim_start_matches(|it: char| !it.is_ascii_digit()).trim_start_matches('0').to_owned()
    };
    number(0) == number(1)
}

/// How many people are in a segment, and whether somebody is.
fn size(engine: &Engine, segment: &str) -> u64 {
    engine.get(&format!("/api/v1/segments/{segment}")).unwrap()["size"].as_u64().unwrap()
}

fn is_sure(engine: &Engine, who: &str) -> bool {
    let person = engine.get(&format!("/api/v1/people/{who}")).unwrap();
    let is_in = person["segments"].as_array().unwrap().iter().any(|it| it["name"] == "sure");
    let guess = person["traits"].as_array().unwrap().iter().find(|it| it["name"] == "guess");
    assert_eq!(guess.map_or(json!(false), |it| it["value"].clone()), json!(!is_in), "{person:#}");
    is_in
}

fn person(engine: &Engine, who: &str) -> Json {
    engine.get(&format!("/api/v1/people/{who}")).unwrap()["id"].clone()
}

#[test]
fn people_are_matched_by_themselves_where_the_project_says_how_often() {
    let scene = Scene::new();
    let engine = scene.start();
    send(&engine, &everybody());
    assert_eq!(engine.get("/api/v1/matching").unwrap()["next_at"], Json::Null);
    engine.stop().unwrap();
    let identity = scene.project.join("identity.yaml");
    let text = std::fs::read_to_string(&identity).unwrap();
    std::fs::write(&identity, format!("{text}  every: 1 day\n")).unwrap();
    let engine = scene.start();
    let patience = Instant::now() + Duration::from_secs(30);
    let status = || engine.get("/api/v1/matching").unwrap_or_else(|error| panic!("{error}: {}", engine.log()));
    while status()["runs"] == json!([]) {
        assert!(Instant::now() < patience, "nobody was matched: {}", engine.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(!pairs(&engine, "linked").is_empty());
    let status = scene.sonder(&["review", "status"]);
    assert!(status.starts_with("every 1d, next "), "{status}");
    // Without it everybody is as before: the links are there, and none holds.
    let (before, links) = (engine.get("/api/v1/status").unwrap()["people"].clone(), pairs(&engine, "linked").len());
    engine.stop().unwrap();
    std::fs::write(&identity, text.split("probabilistic").next().unwrap()).unwrap();
    // Nor can a rule ask who is a guess.
    std::fs::write(scene.project.join("rules/r.sonder"), "").unwrap();
    let profile = scene.project.join("profile.yaml");
    let traits = std::fs::read_to_string(&profile).unwrap();
    std::fs::write(&profile, traits.split("  guess").next().unwrap()).unwrap();
    let engine = scene.start();
    let after = engine.get("/api/v1/status").unwrap()["people"].clone();
    assert_eq!(after.as_u64().unwrap(), before.as_u64().unwrap() + links as u64);
    assert_eq!(engine.get("/api/v1/matching").unwrap()["declared"], false);
}

#[test]
fn what_is_likely_is_linked_and_what_is_less_so_waits_for_somebody() {
    let scene = Scene::new();
    let engine = scene.start();
    send(&engine, &everybody());
    let run = matched(&engine);
    assert_eq!(run["people"], json!(PEOPLE + NAMED + 1), "{run}");
    let (linked, open) = (pairs(&engine, "linked"), pairs(&engine, "open"));
    assert_eq!((run["linked"].as_u64(), run["queued"].as_u64()), (Some(linked.len() as u64), Some(open.len() as u64)));
    assert!(linked.len() >= SAME && linked.iter().all(is_right), "{linked:#?}");
    assert!(open.len() >= 4, "{open:#?}");
    assert_eq!(engine.count("select count(*) from log where call = 'match'").unwrap(), linked.len() as u64);
    // The explanation adds up, and nobody is linked against a rule.
    for pair in linked.iter().chain(&open) {
        let fields: f64 = pair["fields"].as_array().unwrap().iter().map(|it| it["weight"].as_f64().unwrap()).sum();
        let sum = fields + pair["prior"].as_f64().unwrap() + pair["alike"].as_f64().unwrap();
        assert!((sum - pair["weight"].as_f64().unwrap()).abs() < 0.01, "{pair:#}");
    }
    let twice = open.iter().find(|pair| pair.to_string().contains("second-account")).unwrap();
    assert_eq!(twice["against"], "unique", "{twice:#}");
    // Whoever is linked is one person, and the graph says how.
    let card = linked[0]["people"]
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["identifier"].to_string().contains("card"))
        .unwrap();
    let card = card["identifier"].as_str().unwrap();
    // Rules can leave them out: all that were linked, and nobody else.
    let everybody = (PEOPLE + NAMED + 1) as u64;
    let links = linked.len() as u64;
    assert_eq!((size(&engine, "known"), size(&engine, "sure")), (everybody - links, everybody - 2 * links));
    assert!(!is_sure(&engine, card));
    let graph = scene.sonder(&["person", "graph", card]);
    assert!(graph.contains("(probabilistic, 0.99") || graph.contains("(probabilistic, 1.0"), "{graph}");

    // One is accepted and one is rejected; again changes nothing.
    let [accepted, rejected] = [&open[0], open.iter().find(|it| **it != *twice && it["id"] != open[0]["id"]).unwrap()];
    let accepted_end = accepted["people"][0]["identifier"].as_str().unwrap();
    let (accepted, rejected) = (accepted["id"].as_str().unwrap(), rejected["id"].as_str().unwrap());
    let shown = scene.sonder(&["review", "show", accepted]);
    assert!(shown.contains("first_name") && shown.contains("in all"), "{shown}");
    let path = format!("/api/v1/matching/pairs/{accepted}/accept");
    let first = post(&engine, &path, &json!({"reason": "one street", "by": "ann"}));
    assert_eq!((&first["state"], first["message_ids"].as_array().unwrap().len()), (&json!("accepted"), 1));
    assert_eq!(post(&engine, &path, &json!({})), json!({"state": "accepted", "message_ids": []}));
    assert_eq!(
        scene.sonder(&["review", "reject", rejected, "--reason", "father and son"]),
        format!("`{rejected}` is rejected\n")
    );
    assert_eq!(
        scene.sonder(&["review", "reject", rejected]),
        format!("`{rejected}` is rejected, as before\n"),
        "idempotent"
    );
    let noted = "select count(*) from log where call in ('link', 'unlink') and payload like '%reason%'";
    assert_eq!(engine.count(noted).unwrap(), 2, "on record, with why");

    assert_eq!(size(&engine, "sure"), everybody - 2 * links - 1, "what somebody decides is no guess");
    assert!(is_sure(&engine, accepted_end));

    let states = |engine: &Engine| ["open", "linked", "accepted", "rejected"].map(|state| pairs(engine, state));
    let before = states(&engine);
    assert_eq!(before.each_ref().map(Vec::len), [open.len() - 2, linked.len(), 1, 1]);
    engine.kill().unwrap();
    let engine = scene.start();
    assert_eq!(states(&engine), before, "as it was before the crash");
    assert_eq!(size(&engine, "sure"), everybody - 2 * links - 1);

    // Another run learns of both, and finds nothing new; who is decided is asked of nobody again.
    let run = matched(&engine);
    assert_eq!((&run["labels"], &run["linked"]), (&json!(2), &json!(0)), "{run}");
    assert_eq!(engine.count("select count(*) from log where call = 'match'").unwrap(), linked.len() as u64);
    let open = pairs(&engine, "open");
    assert!(!ids(&open).contains(accepted) && !ids(&open).contains(rejected));

    // A decision is undone by another, a link of likelihood by a rejection.
    let ends = |pair: &Json| [0, 1].map(|place| pair["people"][place]["identifier"].as_str().unwrap().to_owned());
    let [one, other] = ends(&before[2][0]);
    assert_eq!(person(&engine, &one), person(&engine, &other));
    assert_eq!(post(&engine, &format!("/api/v1/matching/pairs/{accepted}/reject"), &json!({}))["state"], "rejected");
    assert_ne!(person(&engine, &one), person(&engine, &other));
    let [one, other] = ends(&linked[0]);
    assert_eq!(person(&engine, &one), person(&engine, &other));
    assert!(!is_sure(&engine, &one));
    let link = linked[0]["id"].as_str().unwrap();
    assert_eq!(post(&engine, &format!("/api/v1/matching/pairs/{link}/reject"), &json!({}))["state"], "rejected");
    assert_ne!(person(&engine, &one), person(&engine, &other));
    assert!(is_sure(&engine, &one) && is_sure(&engine, &other));
    matched(&engine);
    assert_ne!(person(&engine, &one), person(&engine, &other), "what is rejected is not linked again");

    // Somebody whose name is another by now is not who was compared.
    let open = pairs(&engine, "open");
    let changed = open.iter().find(|pair| pair["id"] != twice["id"]).unwrap();
    let [one, _] = ends(changed);
    let who = match one.split_once(':').unwrap() {
        ("user_id", user) => json!({"type": "identify", "userId": user, "traits": {"last_name": "Else"}}),
        (_, card) => json!({"type": "identify", "traits": {"card": card, "last_name": "Else"}}),
    };
    send(&engine, &[who]);
    assert!(!ids(&pairs(&engine, "open")).contains(changed["id"].as_str().unwrap()));

    // Of whoever is erased the queue has nothing.
    let open = pairs(&engine, "open");
    let [one, _] = ends(&open[0]);
    let (kind, value) = one.split_once(':').unwrap();
    let rows = format!(
        "select count(*) from match_pairs where (one_kind, one_value) = ('{kind}', '{value}')
         or (other_kind, other_value) = ('{kind}', '{value}')"
    );
    assert!(engine.count(&rows).unwrap() > 0);
    // What runs is what the log gives, with all its decisions.
    engine.stop().unwrap();
    assert!(scene.sonder(&["doctor"]).contains("ok     people are who all links make them"));
    let engine = scene.start();
    let asked = post(&engine, "/api/v1/privacy/requests", &json!({"kind": "erasure", "person": one}));
    assert_eq!(engine.count(&rows).unwrap(), 0);
    assert!(!ids(&pairs(&engine, "open")).contains(open[0]["id"].as_str().unwrap()));
    let request = format!("/api/v1/privacy/requests/{}", asked["id"].as_str().unwrap());
    let patience = Instant::now() + Duration::from_secs(60);
    while engine.get(&request).unwrap()["state"] != "completed" {
        assert!(Instant::now() < patience, "not erased in time: {}", engine.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    engine.stop().unwrap();
    let doctor = scene.sonder(&["doctor"]);
    assert!(doctor.contains("ok     people are proposed as one once"), "{doctor}");
}
