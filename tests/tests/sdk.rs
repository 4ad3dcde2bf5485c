//! The unmodified SDKs deliver every call type to a real engine: undisturbed, and through a proxy that refuses requests with
//! 429 and 500 and loses an answer after the engine has committed. Nothing is lost, nothing counts twice.
#![expect(clippy::unwrap_used, reason = "the tests of a test binary fail by panicking")]

use serde_json::Value as Json;
use sonder_tests::{Connection, Engine, Options};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const CALLS: [&str; 6] = ["alias", "group", "identify", "page", "screen", "track"];

/// Refused with a time to wait, refused, and lost after the commit.
const FAULTS: &str = "429,500,cut";

#[test]
fn segment_for_node() {
    delivers("segment-node.mjs", "wk_server", &[], "");
}

#[test]
fn segment_for_node_through_faults() {
    delivers("segment-node.mjs", "wk_server", &[], FAULTS);
}

#[test]
fn rudder_for_node() {
    delivers("rudder-node.mjs", "wk_server", &[], "");
}

#[test]
fn rudder_for_node_through_faults() {
    delivers("rudder-node.mjs", "wk_server", &[], FAULTS);
}

#[test]
fn segment_for_python() {
    delivers("segment_python.py", "wk_server", &[], "");
}

#[test]
fn segment_for_python_packed_through_faults() {
    delivers("segment_python.py", "wk_server", &["gzip"], FAULTS);
}

#[test]
fn segment_for_browsers() {
    delivers("segment-browser.mjs", "wk_web", &[], "");
}

#[test]
fn segment_for_browsers_through_faults() {
    delivers("segment-browser.mjs", "wk_web", &[], FAULTS);
}

#[test]
fn segment_for_browsers_in_batches() {
    delivers("segment-browser.mjs", "wk_web", &["batching"], "");
}

#[test]
fn segment_for_browsers_in_batches_through_faults() {
    delivers("segment-browser.mjs", "wk_web", &["batching"], FAULTS);
}

fn delivers(script: &str, key: &str, arguments: &[&str], faults: &str) {
    let data = tempfile::tempdir().unwrap();
    let engine = Engine::start(&folder().join("project"), data.path(), &Options::default()).unwrap();
    let proxy = Proxy::start(&engine, faults);
    run(script, &proxy.url(), key, arguments);
    proxy.assert_faults_are_used_up();
    engine.settle(Duration::from_secs(20)).unwrap();

    let kept_aside = engine.query("SELECT name, reasons FROM quarantine").unwrap();
    assert!(kept_aside.is_empty(), "{script}: kept aside: {kept_aside:?}");
    let calls =
        engine.query("SELECT call, count(*), count(DISTINCT message_id) FROM log GROUP BY call ORDER BY call").unwrap();
    let seen: Vec<_> = calls.iter().map(|row| (text(&row[0]), text(&row[1]), text(&row[2]))).collect();
    let twice = CALLS.map(|call| (call.to_owned(), "2".to_owned(), "2".to_owned()));
    assert_eq!(seen, twice, "{script}: each call of both visits is there once");

    let events = engine.query("SELECT product_id, price::VARCHAR FROM ev_product_viewed ORDER BY product_id").unwrap();
    let events: Vec<_> = events.iter().map(|row| (text(&row[0]), text(&row[1]))).collect();
    assert_eq!(events, [("p1", "19.99"), ("p2", "19.99")].map(|(id, price)| (id.to_owned(), price.to_owned())));
    let sections = "SELECT (SELECT string_agg(section, ',' ORDER BY section) FROM ev_page_viewed), \
                    (SELECT string_agg(section, ',' ORDER BY section) FROM ev_screen_viewed)";
    let sections = engine.query(sections).unwrap();
    assert_eq!((text(&sections[0][0]), text(&sections[0][1])), ("s1,s2".to_owned(), "s1,s2".to_owned()));

    let everybody = engine.get("/api/v1/people/user_id:u1").unwrap().to_string();
    for identifier in ["ada@example.org", "a1", "old-1", "old-2"] {
        assert!(everybody.contains(identifier), "{script}: `{identifier}` is one of u1's: {everybody}");
    }
    // Which plan is the later one is open: both calls are of one millisecond, and each request's clock is corrected for itself.
    assert!(everybody.contains("\"plan-"), "{script}: the plan is known: {everybody}");
    assert_eq!(engine.count("SELECT count(*) FROM log WHERE payload LIKE '%writeKey%'").unwrap(), 0);
}

/// A number as text, too: the API writes large ones so.
fn text(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("sdk")
}

/// Where `setup.sh` puts the SDKs.
fn installed() -> PathBuf {
    let cache = std::env::var_os("SONDER_CACHE").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache/sonder")));
    let home = cache.unwrap().join("sdk");
    assert!(home.join(".ready").is_file(), "the SDKs are not installed: type `tests/sdk/setup.sh`");
    home
}

fn run(script: &str, host: &str, key: &str, arguments: &[&str]) {
    let home = installed();
    let program = if script.ends_with(".py") { home.join("venv/bin/python") } else { PathBuf::from("node") };
    let output = Command::new(program).arg(folder().join(script)).args([host, key]).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script} ended with {}: {said}", output.status);
}

/// The proxy between an SDK and the engine; killed when dropped.
struct Proxy {
    child: Child,
    address: String,
}

impl Proxy {
    fn start(engine: &Engine, faults: &str) -> Self {
        let target = format!("http://{}", engine.address());
        let mut command = Command::new("node");
        command.arg(folder().join("proxy.mjs")).args([&target, faults]).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on http://").unwrap().to_owned();
        Self { child, address }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn assert_faults_are_used_up(&self) {
        let faults = Connection::new(self.address.parse().unwrap()).get("/__faults").unwrap().json();
        assert_eq!(faults["left"], Json::Array(Vec::new()), "{faults}");
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
