//! Ten thousand requests that no client would send: none brings the collector down, none is blamed on it.

use crate::harness::{Server, basic, good, gzip};
use axum::http::{HeaderName, HeaderValue, Method};
use serde_json::json;

const REQUESTS: u32 = 10_000;

/// A small generator of numbers: the same requests each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.roll() % bound as u64).unwrap()
    }

    fn one_of<T: Clone>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())].clone()
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        (0..self.below(most)).map(|_| self.roll() as u8).collect()
    }
}

fn path(dice: &mut Dice) -> String {
    let known = [
        "/v1/t",
        "/v1/batch",
        "/v1/b",
        "/v1/import",
        "/beacon/v1/batch",
        "/v1/identify",
        "/v1/pixel/track",
        "/pixel/v1/page",
        "/v1/projects/wk/settings",
        "/sourceConfig/",
        "/rsaMetrics",
        "/v1/m",
        "/health",
        "/x/y/v1/page",
    ];
    let mut path = dice.one_of(&known).to_owned();
    match dice.below(4) {
        0 => path.push_str(dice.one_of(&[
            "?data=%7B%7D",
            "?writeKey=wk",
            "?data=e30&a.b.c=1",
            "?&&==%",
            "?data=////",
            "/",
            "//",
            "%00",
            "/../..",
        ])),
        1 => path = format!("/{}{path}", dice.one_of(&["..", "%2e", "v1", "a/b", "%ff", "~"])),
        _ => {}
    }
    path
}

fn body(dice: &mut Dice) -> Vec<u8> {
    let token = |dice: &mut Dice| {
        dice.one_of(
            &[
                "{",
                "}",
                "[",
                "]",
                ",",
                ":",
                "\"",
                "null",
                "true",
                "1e999",
                "-",
                "\"batch\"",
                "\"type\":\"track\"",
                "\"\\ud83d\"",
                "\\u0000",
                "\"userId\"",
                "\"timestamp\":",
                "\"context\":[",
                "NaN",
                "\u{feff}",
                "\"\\",
                "9".repeat(400).as_str(),
            ]
            .map(str::to_owned),
        )
    };
    let mut bytes = match dice.below(5) {
        0 => dice.bytes(300),
        1 => (0..dice.below(60)).flat_map(|_| token(dice).into_bytes()).collect(),
        2 => json!({"batch": [good(json!({"sentAt": 1, "timestamp": [], "context": 7})), good(json!({})), []]})
            .to_string()
            .into_bytes(),
        3 => good(json!({"properties": {"product_id": 1}, "traits": 5, "messageId": {}})).to_string().into_bytes(),
        _ => format!("{{\"batch\":{}1{}}}", "[".repeat(dice.below(3_000)), "]".repeat(dice.below(3_000))).into_bytes(),
    };
    for _ in 0..dice.below(4) {
        if !bytes.is_empty() {
            let place = dice.below(bytes.len());
            match dice.below(3) {
                0 => bytes[place] = dice.roll() as u8,
                1 => bytes.truncate(place),
                _ => bytes.insert(place, dice.one_of(b"\"{}[]:,\\\0")),
            }
        }
    }
    if dice.below(4) == 0 {
        bytes = gzip(&bytes);
        if dice.below(2) == 0 && !bytes.is_empty() {
            let place = dice.below(bytes.len());
            bytes[place] ^= 1 << dice.below(8);
        }
    }
    bytes
}

#[tokio::test]
async fn no_request_brings_it_down() {
    let server = Server::new();
    let mut dice = Dice(0x5eed_0f50_17de_2026);
    let mut statuses = std::collections::BTreeMap::<u16, u32>::new();
    for round in 0..REQUESTS {
        let method = dice.one_of(&[
            Method::POST,
            Method::POST,
            Method::POST,
            Method::GET,
            Method::OPTIONS,
            Method::PUT,
            Method::HEAD,
        ]);
        let path = path(&mut dice);
        let mut call = server.request(method.clone(), &path).bytes(body(&mut dice));
        if dice.below(3) > 0 {
            let key = dice.one_of(&["wk", "wk", "wk_web", "nope", "", "wk_off"]);
            call = call.header(
                "authorization",
                &dice.one_of(&[basic(key), format!("Basic {key}"), format!("Bearer {key}"), key.to_owned()]),
            );
        }
        for _ in 0..dice.below(4) {
            let names = [
                "content-encoding",
                "content-length",
                "origin",
                "x-forwarded-for",
                "sec-gpc",
                "anonymousid",
                "host",
                "x-write-key",
            ];
            let name: HeaderName = dice.one_of(&names).parse().unwrap();
            let values = ["gzip", "br", "-1", "99999999999", "null", "1.2.3.4, x", "wk", "::1", "\u{e9}", ""];
            let value = HeaderValue::from_bytes(dice.one_of(&values).as_bytes()).unwrap();
            call = call.raw_header(name, value);
        }
        let answer = call.send().await;
        let status = answer.status.as_u16();
        assert!(status < 500, "request {round}: {method} {path} gave {status}");
        if status >= 400 && method != Method::HEAD {
            assert!(answer.json()["code"].is_string(), "request {round}: {method} {path} says what is wrong");
        }
        *statuses.entry(status).or_default() += 1;
    }
    for expected in [200, 204, 400, 401, 404, 405] {
        assert!(statuses.contains_key(&expected), "the requests are varied: {statuses:?}");
    }
}
