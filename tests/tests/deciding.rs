//! What somebody decides about who is who: two are one, or are not, whatever rules say, and it can be seen why and undone.

#![expect(clippy::unwrap_used, reason = "the tests of a test binary fail by panicking")]

use serde_json::{Value as Json, json};
use sonder_tests::{Engine, Options, project, sonder};
use std::path::PathBuf;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);

/// One address a person, and two accounts are never one.
const IDENTITY: &str = "identifiers:\n  user_id: {unique: true}\n  email: {normalize: [lowercase], limit: 1}\n  anonymous_id: {}\n\
                        apart: [[user_id:nun, user_id:monk]]\n";

struct Scene {
    _folder: tempfile::TempDir,
    data: PathBuf,
    engine: Engine,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (shop, data) = (folder.path().join("project"), folder.path().join("data"));
        project::keen(&shop, "127.0.0.1:9").unwrap();
        let files = [
            ("identity.yaml", IDENTITY),
            ("profile.yaml", "traits:\n  first_name: {type: string, merge: [source: server, most_recent]}\n"),
            ("sources/web.yaml", "source: web\nkind: browser\nwrite_keys: [wb]\n"),
        ];
        project::write(&shop, &files).unwrap();
        let engine = Engine::start(&shop, &data, &Options::default()).unwrap();
        Self { _folder: folder, data, engine }
    }

    fn send(&self, call: &str, key: &str, message: &Json) {
        let answer = self.engine.connect().post(&format!("/v1/{call}"), key, message).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    /// What a command says, and whether it was fine.
    fn person(&self, arguments: &[&str]) -> (bool, String) {
        self.engine.settle(PATIENCE).unwrap();
        let output = sonder(&[&["person"], arguments, &["--data", self.data.to_str().unwrap()]].concat()).unwrap();
        self.engine.settle(PATIENCE).unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output.status.success(), said)
    }

    fn does(&self, arguments: &[&str]) -> String {
        let (is_done, said) = self.person(arguments);
        assert!(is_done, "{arguments:?}: {said}");
        said
    }

    fn get(&self, path: &str) -> Json {
        self.engine.settle(PATIENCE).unwrap();
        self.engine.get(&format!("/api/v1/people/{path}")).unwrap()
    }

    fn identifiers(&self, who: &str) -> Vec<String> {
        let person = self.get(who);
        let all = person["identifiers"].as_array().unwrap().iter();
        all.map(|it| format!("{}:{}", it["kind"].as_str().unwrap(), it["value"].as_str().unwrap())).collect()
    }

    fn views(&self, who: &str) -> Json {
        let person = self.get(who);
        person["computed"].as_array().unwrap().iter().find(|it| it["name"] == "views").unwrap()["value"].clone()
    }
}

/// Two accounts with an address and a view each.
fn two() -> Scene {
    let scene = Scene::new();
    for who in ["ann", "ben"] {
        let said = json!({"userId": who, "traits": {"email": format!("{who}@x.example"), "first_name": who}});
        scene.send("identify", "wk", &said);
        scene.send("track", "wk", &json!({"userId": who, "event": "view", "properties": {"product": "p"}}));
    }
    scene.send("identify", "wb", &json!({"userId": "ann", "anonymousId": "a1", "traits": {"first_name": "Annie"}}));
    scene
}

#[test]
fn two_people_are_one_with_all_that_is_theirs_however_they_are_named_and_two_again() {
    for (one, other) in [
        ("user_id:ann", "user_id:ben"),
        ("email:Ann@x.example", "email:ben@x.example"),
        ("anonymous_id:a1", "email:ben@x.example"),
    ] {
        let scene = two();
        let before = [scene.get("user_id:ann"), scene.get("user_id:ben")];
        scene.does(&["merge", one, other, "--reason", "ticket 4711", "--by", "eve"]);
        let all = ["anonymous_id:a1", "email:ann@x.example", "email:ben@x.example", "user_id:ann", "user_id:ben"];
        let mut identifiers = scene.identifiers("user_id:ann");
        identifiers.sort();
        assert_eq!(identifiers, all, "{one} and {other}");
        assert_eq!(scene.views("user_id:ben"), 2);
        let graph = scene.get("user_id:ann/graph");
        let decided = graph["edges"].as_array().unwrap().iter().find(|it| it["by"] == "decision").unwrap();
        let stands = json!({"reason": "ticket 4711", "by": "eve"});
        assert_eq!((&decided["decision"], &decided["source"]), (&stands, &json!("api")), "{graph}");
        let path = scene.does(&["graph", "user_id:ann", "--between", "email:ANN@x.example,email:ben@x.example"]);
        assert!(path.contains("by decision of eve, ticket 4711"), "{path}");
        // Both are found by what was done to them.
        for who in ["user_id:ann", "user_id:ben"] {
            let entries = audited(&scene, who);
            assert!(entries.iter().any(|it| it["operation"] == "mergePeople"), "{entries:?}");
        }

        scene.does(&["split", "user_id:ann", "user_id:ben", "email:ben@x.example"]);
        let after = [scene.get("user_id:ann"), scene.get("user_id:ben")];
        assert_eq!(after, before, "as if they had never been one");
    }
}

fn audited(scene: &Scene, who: &str) -> Vec<Json> {
    let page = scene.engine.get(&format!("/api/v1/audit?who={who}&limit=1000")).unwrap();
    page["entries"].as_array().unwrap().clone()
}

#[test]
fn who_is_parted_together_stays_together() {
    let scene = Scene::new();
    for device in ["x", "y"] {
        scene.send("identify", "wk", &json!({"userId": "z", "anonymousId": device}));
        scene.send("track", "wk", &json!({"anonymousId": device, "event": "view", "properties": {"product": "p"}}));
    }
    scene.does(&["split", "user_id:z", "anonymous_id:x", "anonymous_id:y"]);
    assert_eq!(scene.identifiers("anonymous_id:x"), ["anonymous_id:x", "anonymous_id:y"]);
    assert_eq!(
        (scene.identifiers("user_id:z"), scene.views("anonymous_id:y")),
        (vec!["user_id:z".to_owned()], json!(2))
    );
    let splits = "SELECT count(*) FROM changes WHERE kind = 'split'";
    assert_eq!(scene.engine.count(splits).unwrap(), 1, "nobody is somebody else for a moment");
}

#[test]
fn two_who_are_two_can_be_kept_so() {
    let scene = two();
    scene.send("identify", "wk", &json!({"anonymousId": "a9", "traits": {"first_name": "A. Nonymous"}}));
    scene.does(&["split", "user_id:ann", "anonymous_id:a9", "--reason", "a shared tablet"]);
    scene.send("identify", "wk", &json!({"userId": "ann", "anonymousId": "a9"}));
    assert_eq!(scene.identifiers("anonymous_id:a9"), ["anonymous_id:a9"]);
    scene.does(&["merge", "anonymous_id:a9", "user_id:ann"]);
    assert!(scene.identifiers("anonymous_id:a9").contains(&"user_id:ann".to_owned()), "the contrary undoes it");
    let (is_done, said) = scene.person(&["split", "user_id:ann", "user_id:nobody"]);
    assert!(!is_done && said.contains("nobody else's"), "{said}");
}

#[test]
fn what_the_project_keeps_apart_nobody_joins_and_a_page_joins_no_accounts() {
    let scene = two();
    for who in ["nun", "monk"] {
        scene.send("identify", "wk", &json!({ "userId": who }));
    }
    let (is_done, said) = scene.person(&["merge", "user_id:nun", "user_id:monk"]);
    assert!(!is_done && said.contains("declared to be two people's"), "{said}");
    scene.send("alias", "wb", &json!({"userId": "ann", "previousId": "ben"}));
    assert!(!scene.identifiers("user_id:ann").contains(&"user_id:ben".to_owned()));
    scene.send("alias", "wk", &json!({"userId": "ann", "previousId": "ben"}));
    assert!(scene.identifiers("user_id:ann").contains(&"user_id:ben".to_owned()), "a back end may");
}

#[test]
fn what_was_said_of_somebody_is_there_to_see() {
    let scene = two();
    let said = scene.does(&["traits", "user_id:ann"]);
    assert!(
        said.contains("first_name = \"ann\"  (source: server, most_recent, chosen among different values)"),
        "{said}"
    );
    let observed = scene.get("user_id:ann/traits?trait=first_name");
    let name = &observed["traits"][0];
    assert_eq!((&name["conflict"], &name["value"]), (&json!(true), &json!("ann")));
    let of = |key: &str| name["observations"].as_array().unwrap().iter().map(|it| it[key].clone()).collect::<Vec<_>>();
    assert_eq!(of("value"), ["Annie", "ann"]);
    assert_eq!((of("source"), of("counts")), (vec![json!("web"), json!("server")], vec![json!(false), json!(true)]));
    let missing = scene.engine.connect().get("/api/v1/people/user_id:ann/traits?trait=age").unwrap();
    assert_eq!(missing.status, 404, "{}", missing.text());
    // The same without an engine.
    let data = scene.data.to_str().unwrap().to_owned();
    let Scene { _folder, engine, .. } = scene;
    engine.stop().unwrap();
    let output = sonder(&["person", "traits", "user_id:ann", "--data", &data]).unwrap();
    let at_rest = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(at_rest, said, "{}", String::from_utf8_lossy(&output.stderr));
}
