//! For the tests of the sandbox: does whatever its configuration's `do` says, none of it nice.

use serde::Deserialize;
use sonder_plugin::{Description, Destination, Item, Level, Now, Outcome, Problem, Request, log, seal_push};

struct Hostile;

/// What it does when it is asked what it is: there is no configuration yet, so tests change these bytes of the component.
static DESCRIBE: &[u8; 16] = b"describe: normal";

#[derive(Deserialize)]
struct Config {
    /// What to do.
    r#do: String,
    /// Only to items of this name; to all when empty.
    #[serde(default)]
    only: String,
    /// Where to send.
    #[serde(default)]
    url: String,
}

impl Destination for Hostile {
    type Config = Config;

    fn describe() -> Description {
        match std::hint::black_box(DESCRIBE) {
            b"describe: loop  " => spin(),
            b"describe: trap  " => std::process::abort(),
            b"describe: hog   " => hog(),
            _ => {}
        }
        Description::new("hostile", "1.0.0").hosts(["*"]).secret_when("token", "to be stolen", false.into())
    }

    fn check(config: &Config) -> Vec<Problem> {
        if config.r#do == "loop in check" {
            spin();
        }
        Vec::new()
    }

    fn deliver(config: &Config, now: Now, items: &[Item]) -> Vec<Outcome> {
        let meant = |item: &Item| config.only.is_empty() || item.name == config.only;
        if !items.iter().any(meant) {
            return items.iter().map(|_| Outcome::Delivered).collect();
        }
        let all = |outcome: Outcome| items.iter().map(|_| outcome.clone()).collect();
        match config.r#do.as_str() {
            "loop" => spin(),
            "hog" => hog(),
            "trap" => std::process::abort(),
            "panic" => panic(items),
            "overflow" => all(Outcome::RetryAfter(dive(u32::try_from(now.0 % 2).unwrap_or(0)))),
            "too many" => items.iter().chain(items).map(|_| Outcome::Delivered).collect(),
            "too few" => Vec::new(),
            "huge answer" => all(Outcome::Rejected("x".repeat(20 << 20))),
            "huge log" => {
                let line = "log ".repeat(1_000);
                for _ in 0..1_000 {
                    log(Level::Info, &line);
                }
                all(Outcome::Delivered)
            }
            "huge store" => {
                let refused = (0..10_000).find_map(|n| sonder_plugin::store(&n.to_string(), &[7; 60_000]).err());
                all(Outcome::Rejected(refused.unwrap_or_else(|| "all of it was kept".to_owned())))
            }
            "store" => {
                let before = sonder_plugin::load("count").and_then(|bytes| bytes.first().copied()).unwrap_or(0);
                let _ = sonder_plugin::store("count", &[before + 1]);
                all(Outcome::Rejected(format!("batch {}", before + 1)))
            }
            "huge request" => all(told(Request::post(&config.url).body(vec![0; 2 << 20]))),
            "steal" => {
                // Everything it can see of an answer goes to the log and into the outcome.
                let request = Request::post(&config.url)
                    .header("authorization", "Bearer {{secret:token}}")
                    .body(br#"{"token":"{{secret:token}}"}"#.to_vec())
                    .fill_body();
                match request.send() {
                    Ok(response) => {
                        let seen = format!("{:?} {}", response.headers, String::from_utf8_lossy(&response.body));
                        log(Level::Error, &seen);
                        let _ = sonder_plugin::store("seen", seen.as_bytes());
                        all(Outcome::Rejected(seen))
                    }
                    Err(error) => all(Outcome::Rejected(format!("{error:?}"))),
                }
            }
            "call" => all(told(Request::get(&config.url))),
            "fill data" => {
                let call = |item: &Item| {
                    let body = (item.attempt, &item.payload, &item.id);
                    told(Request::post(&config.url).header("x-token", "{{secret:token}}").json(&body).fill_body())
                };
                items.iter().map(call).collect()
            }
            "seal without end" => loop {
                let _ = std::hint::black_box(seal_push(b"x", P256DH, AUTH, "token"));
            },
            "seal with no key" => all(match seal_push(b"x", P256DH, AUTH, "nowhere") {
                Ok(_) => Outcome::Delivered,
                Err(error) => Outcome::Rejected(format!("{error:?}")),
            }),
            "header" => all(told(Request::get(&config.url).header("host", "elsewhere.example"))),
            "call often" => {
                let answers = items.iter().map(|item| told(Request::post(&config.url).header("webhook-id", &item.id)));
                answers.collect()
            }
            _ => all(Outcome::Delivered),
        }
    }
}

sonder_plugin::destination!(Hostile);

/// A browser's keys, from RFC 8291.
const P256DH: &str = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
const AUTH: &str = "BTBZMqHH6r4Tts7J_aSIgg";

/// Sends, and says what came of it.
fn told(request: Request) -> Outcome {
    match request.send() {
        Ok(response) if response.status == 200 => Outcome::Delivered,
        Ok(response) => Outcome::Rejected(format!("answered {}", response.status)),
        Err(error) => Outcome::Rejected(format!("{error:?}")),
    }
}

#[expect(clippy::indexing_slicing, reason = "it is meant to panic")]
fn panic(items: &[Item]) -> Vec<Outcome> {
    items.iter().enumerate().map(|(at, _)| items[at + items.len()].attempt).map(Outcome::RetryAfter).collect()
}

fn spin() -> ! {
    let mut n = 0_u64;
    loop {
        n = std::hint::black_box(n.wrapping_add(1));
    }
}

fn hog() -> ! {
    let mut kept = Vec::new();
    loop {
        kept.push(std::hint::black_box(vec![1_u8; 1 << 20]));
    }
}

fn dive(n: u32) -> u32 {
    let frame = std::hint::black_box([n; 64]);
    if frame[1] == u32::MAX { 0 } else { dive(n.wrapping_add(2)).wrapping_add(std::hint::black_box(frame)[2]) }
}
