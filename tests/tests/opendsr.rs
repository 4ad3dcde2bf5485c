//! OpenDSR 2.0 on an engine that runs: requests of whoever people ask become entries of the register, answers and callbacks are
//! signed with the key that belongs to the certificate, and what waits can be cancelled.

#![expect(clippy::unwrap_used, reason = "the tests of a test binary fail by panicking")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair, UnparsedPublicKey,
};
use serde_json::{Value as Json, json};
use sonder_tests::{Engine, Options, Receiver, project};
use std::path::PathBuf;
use std::time::{Duration, Instant};

const ID: &str = "a7551968-d5d6-44b2-9831-815ac9017798";
const OTHER: &str = "b7551968-d5d6-44b2-9831-815ac9017798";

struct Scene {
    _folder: tempfile::TempDir,
    shop: PathBuf,
    data: PathBuf,
    controller: Receiver,
    public: Vec<u8>,
    pem: String,
}

impl Scene {
    fn new(approve: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (shop, data) = (folder.path().join("project"), folder.path().join("data"));
        let controller = Receiver::start().unwrap();
        let chance = SystemRandom::new();
        let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &chance).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, made.as_ref(), &chance).unwrap();
        let pem =
            format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(made.as_ref()));
        project::keen(&shop, "127.0.0.1:9").unwrap();
        let settings = format!(
            "name: keen\nopendsr:\n  domain: cdp.shop.example\n  controller: shop\n  key: {{env: OPENDSR_KEY}}\n  \
             certificate: opendsr.pem\n  callbacks: [\"http://{}\"]\n  approve: {approve}\n",
            controller.address()
        );
        let certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        project::write(&shop, &[("sonder.yaml", &settings), ("opendsr.pem", certificate)]).unwrap();
        Self { _folder: folder, shop, data, controller, public: pair.public_key().as_ref().to_vec(), pem }
    }

    fn start(&self) -> Engine {
        let environment = vec![("OPENDSR_KEY".to_owned(), self.pem.clone())];
        let engine = Engine::start(&self.shop, &self.data, &Options { environment, ..Options::default() }).unwrap();
        let view = |id: &str, user: &str| {
            json!({"type": "track", "event": "view", "messageId": id, "userId": user, "properties": {"product": "p"},
                   "context": {"traits": {"email": format!("{user}@x.example")}}})
        };
        let batch = json!({"batch": [view("m1", "ann"), view("m2", "bob")]});
        assert_eq!(engine.connect().post("/v1/batch", "wk", &batch).unwrap().status, 200);
        let patience = Instant::now() + Duration::from_secs(20);
        while engine.get("/api/v1/people/user_id:bob").is_err() {
            assert!(Instant::now() < patience, "{}", engine.log());
            std::thread::sleep(Duration::from_millis(10));
        }
        engine
    }

    fn is_signed(&self, domain: Option<&str>, signature: Option<&str>, body: &[u8]) -> bool {
        let signature = STANDARD.decode(signature.unwrap()).unwrap();
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &self.public);
        domain == Some("cdp.shop.example") && public.verify(body, &signature).is_ok()
    }

    /// Asks, and checks the signature of the answer.
    fn ask(&self, engine: &Engine, method: &str, path: &str, body: &Json) -> (u16, Json) {
        let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let path = format!("/opendsr/v1{path}");
        let answer = engine.connect().send(method, &path, &[("content-type", "application/json")], &bytes).unwrap();
        if answer.status < 300 {
            let header = |name: &str| answer.header(name);
            let (domain, signature) = (header("x-opendsr-processor-domain"), header("x-opendsr-signature"));
            assert!(self.is_signed(domain, signature, answer.text().as_bytes()), "{}", answer.text());
        }
        (answer.status, answer.json())
    }

    /// What the controller was told of a request, in order.
    fn told(&self, id: &str) -> Vec<String> {
        let calls = self.controller.calls();
        let calls = calls.iter().filter(|call| call.body["subject_request_id"] == id);
        calls
            .map(|call| {
                let (domain, signature) =
                    (call.header("x-opendsr-processor-domain"), call.header("x-opendsr-signature"));
                assert!(self.is_signed(domain, signature, call.body.to_string().as_bytes()));
                assert_eq!(call.body["status_callback_url"], self.callback());
                call.body["request_status"].as_str().unwrap().to_owned()
            })
            .collect()
    }

    fn await_told(&self, engine: &Engine, id: &str, status: &str) {
        let patience = Instant::now() + Duration::from_secs(60);
        while self.told(id).last().map(String::as_str) != Some(status) {
            assert!(Instant::now() < patience, "{:?}, not {status}:\n{}", self.told(id), engine.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn callback(&self) -> String {
        format!("http://{}/callbacks", self.controller.address())
    }

    fn request(&self, id: &str, kind: &str, email: &str) -> Json {
        json!({
            "regulation": "gdpr", "subject_request_id": id, "subject_request_type": kind,
            "submitted_time": "2026-03-01T15:00:00Z", "api_version": "2.0",
            "subject_identities": [{"identity_type": "email", "identity_value": email, "identity_format": "raw"}],
            "status_callback_urls": [self.callback()],
            "extensions": {"other.example": {"account": 7}},
        })
    }
}

#[test]
fn an_erasure_is_confirmed_done_and_told() {
    let scene = Scene::new(false);
    let engine = scene.start();
    let discovered = engine.get("/opendsr/v1/discovery").unwrap();
    assert_eq!(discovered["api_version"], "2.0");
    assert_eq!(discovered["processor_certificate"], "https://cdp.shop.example/opendsr/v1/certificate.pem");
    let identity = |kind: &str| json!({"identity_type": kind, "identity_format": "raw"});
    assert_eq!(discovered["supported_identities"], json!([identity("controller_customer_id"), identity("email")]));
    let certificate = engine.connect().get("/opendsr/v1/certificate.pem").unwrap();
    assert!(certificate.status == 200 && certificate.text().starts_with("-----BEGIN CERTIFICATE-----"));

    // The controller does not hear at first.
    scene.controller.answer_with(503);
    let request = scene.request(ID, "erasure", " Ann@x.example ");
    let (status, receipt) = scene.ask(&engine, "POST", "/requests", &request);
    assert_eq!(status, 201, "{receipt}");
    assert_eq!((&receipt["controller_id"], &receipt["subject_request_id"]), (&json!("shop"), &json!(ID)));
    assert!(receipt["expected_completion_time"].as_str() >= receipt["received_time"].as_str(), "{receipt}");
    let encoded = STANDARD.decode(receipt["encoded_request"].as_str().unwrap()).unwrap();
    assert_eq!(serde_json::from_slice::<Json>(&encoded).unwrap(), request);
    let encoded = receipt["encoded_request"].as_str().unwrap().as_bytes();
    assert!(scene.is_signed(Some("cdp.shop.example"), receipt["processor_signature"].as_str(), encoded));
    std::thread::sleep(Duration::from_millis(1_500));
    scene.controller.answer_with(200);
    scene.await_told(&engine, ID, "completed");
    assert!(engine.get("/api/v1/people/user_id:ann").is_err() && engine.get("/api/v1/people/user_id:bob").is_ok());
    let (status, standing) = scene.ask(&engine, "GET", &format!("/requests/{ID}"), &Json::Null);
    assert_eq!((status, &standing["request_status"]), (200, &json!("completed")));
    let register = engine.query("select kind, origin, regime, due_at::DATE::VARCHAR from privacy_requests").unwrap();
    let expected = json!([["erasure", "opendsr", "gdpr", "2026-03-31"]]);
    assert_eq!(json!(register), expected, "due by the law that it names, from when it was asked");

    // Sent again, it is the same request; about somebody who is not known, there is nothing to do.
    let (status, again) = scene.ask(&engine, "POST", "/requests", &request);
    assert_eq!((status, &again["received_time"]), (201, &receipt["received_time"]));
    assert_eq!(engine.count("select count(*) from privacy_requests").unwrap(), 1);
    let (status, refused) = scene.ask(&engine, "POST", "/requests", &scene.request(ID, "erasure", "bob@x.example"));
    assert_eq!((status, &refused["error"]["errors"][0]["domain"]), (400, &json!("Validation")), "{refused}");
    let (status, _) = scene.ask(&engine, "POST", "/requests", &scene.request(OTHER, "access", "nobody@x.example"));
    assert_eq!(status, 201);
    scene.await_told(&engine, OTHER, "completed");
    // Who heard the end hears nothing more, also after a restart.
    let heard = scene.told(ID);
    engine.kill().unwrap();
    let engine = scene.start();
    std::thread::sleep(Duration::from_millis(1_500));
    assert_eq!(scene.told(ID), heard);
    drop(engine);
}

#[test]
fn what_waits_can_be_cancelled_and_what_is_handed_over_is_said_where() {
    let scene = Scene::new(true);
    let engine = scene.start();
    for (id, user) in [(ID, "ann"), (OTHER, "bob")] {
        let (status, _) =
            scene.ask(&engine, "POST", "/requests", &scene.request(id, "access", &format!("{user}@x.example")));
        assert_eq!(status, 201);
        scene.await_told(&engine, id, "pending");
    }
    let path = format!("/requests/{ID}");
    let (status, cancelled) = scene.ask(&engine, "DELETE", &path, &Json::Null);
    assert_eq!((status, &cancelled["subject_request_id"]), (202, &json!(ID)), "{cancelled}");
    scene.await_told(&engine, ID, "cancelled");
    let (status, refused) = scene.ask(&engine, "DELETE", &path, &Json::Null);
    assert_eq!((status, &refused["error"]["code"]), (400, &json!(400)));
    assert!(refused["error"]["message"].as_str().unwrap().contains("`cancelled`"), "{refused}");

    let entry = engine.query("select id from privacy_requests where state = 'pending'").unwrap();
    let entry = json!(entry)[0][0].as_str().unwrap().to_owned();
    let step = |action: &str| {
        let path = format!("/api/v1/privacy/requests/{entry}/steps");
        let body = json!({ "action": action }).to_string();
        let headers = [("content-type", "application/json")];
        assert_eq!(engine.connect().send("POST", &path, &headers, body.as_bytes()).unwrap().status, 200);
    };
    step("approve");
    scene.await_told(&engine, OTHER, "in_progress");
    let (_, standing) = scene.ask(&engine, "GET", &format!("/requests/{OTHER}"), &Json::Null);
    let results = standing["results_url"].as_str().unwrap();
    let path = results.strip_prefix("https://cdp.shop.example").unwrap();
    assert_eq!(engine.connect().get(path).unwrap().status, 200);
    step("complete");
    scene.await_told(&engine, OTHER, "completed");
    assert_eq!(scene.told(OTHER), ["pending", "in_progress", "completed"]);
}

#[test]
fn what_cannot_be_dealt_with_is_refused_and_nothing_is_entered() {
    let scene = Scene::new(false);
    let engine = scene.start();
    let changed = |key: &str, value: Json| {
        let mut request = scene.request(ID, "erasure", "ann@x.example");
        request[key] = value;
        request
    };
    let identity = |kind: &str, format: &str| json!([{"identity_type": kind, "identity_value": "secret value", "identity_format": format}]);
    for (request, said) in [
        (json!({}), "cannot be read"),
        (changed("subject_request_id", json!("1")), "`subject_request_id`"),
        (changed("subject_request_id", json!(ID.to_uppercase())), "`subject_request_id`"),
        (changed("subject_request_type", json!("rectification")), "`subject_request_type`"),
        (changed("regulation", json!("lgpd")), "`regulation`"),
        (changed("submitted_time", json!("yesterday")), "`submitted_time`"),
        (changed("api_version", json!("1.0")), "`api_version`"),
        (changed("subject_identities", json!([])), "`subject_identities`"),
        (changed("subject_identities", identity("email", "sha256")), "`sha256`"),
        (changed("subject_identities", identity("roku_publisher_id", "raw")), "`roku_publisher_id`"),
        (changed("status_callback_urls", json!(["http://169.254.169.254/latest"])), "not among the origins"),
        (
            changed("status_callback_urls", json!([format!("http://{}.evil.example/", scene.controller.address())])),
            "not among",
        ),
        (changed("extensions", json!({"cdp.shop.example": {}})), "no extensions"),
        (changed("more", json!(1)), "cannot be read"),
    ] {
        let (status, refused) = scene.ask(&engine, "POST", "/requests", &request);
        let message = refused["error"]["message"].as_str().unwrap();
        assert!(status == 400 && message.contains(said) && !message.contains("secret value"), "{said}: {refused}");
    }
    let (status, _) = scene.ask(&engine, "GET", &format!("/requests/{ID}"), &Json::Null);
    assert_eq!(status, 400);
    assert_eq!(engine.count("select count(*) from privacy_requests").unwrap(), 0);
}
