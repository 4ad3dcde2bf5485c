//! A running engine: what its flags change on the wire, and what it says of requests that it refused.
#![expect(clippy::unwrap_used, reason = "the tests of a test binary fail by panicking")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// An engine that ends with its test.
struct Running {
    child: Child,
    address: String,
}

impl Running {
    fn start(project: &Path, data: &Path, flags: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_sonder"))
            .arg("run")
            .arg(project)
            .arg("--data")
            .arg(data)
            .args(["--listen", "127.0.0.1:0"])
            .args(flags)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on http://").unwrap().to_owned();
        Self { child, address }
    }

    fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn settings(&self, headers: &str) -> String {
        self.ask(&format!(
            "GET /v1/projects/wk/settings HTTP/1.1\r\nhost: {}\r\n{headers}connection: close\r\n\r\n",
            self.address
        ))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn project(root: &Path) {
    write(root, "sonder.yaml", "name: x\n");
    write(root, "sources/web.yaml", "source: web\nkind: browser\nwrite_keys: [wk]\n");
}

#[test]
fn settings_name_the_public_url_or_what_a_trusted_proxy_says() {
    let (folder, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    project(folder.path());
    let forwarded = "x-forwarded-host: cdp.example.com\r\nx-forwarded-proto: https\r\n";

    let engine = Running::start(folder.path(), data.path(), &[]);
    let plain = engine.settings(forwarded);
    assert!(plain.contains(&format!("\"apiHost\":\"{}/v1\"", engine.address)), "a stranger is not believed: {plain}");
    drop(engine);

    let engine = Running::start(folder.path(), data.path(), &["--trusted-proxy", "192.0.2.0/24,127.0.0.0/8"]);
    let behind = engine.settings(forwarded);
    assert!(behind.contains("\"apiHost\":\"cdp.example.com/v1\"") && behind.contains("\"https\""), "{behind}");
    drop(engine);

    let engine = Running::start(folder.path(), data.path(), &["--public-url", "https://events.example.com/"]);
    let public = engine.settings("");
    assert!(public.contains("\"apiHost\":\"events.example.com/v1\"") && public.contains("\"https\""), "{public}");
}

#[test]
fn status_tells_of_refused_requests() {
    let (folder, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    project(folder.path());
    let engine = Running::start(folder.path(), data.path(), &[]);
    for body in ["{\"first\"", "{\"event\": \"Or"] {
        let length = body.len();
        let answer = engine.ask(&format!(
            "POST /v1/track?writeKey=wk HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        ));
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    }
    let status = |flags: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_sonder"))
            .args(["status", "--data"])
            .arg(data.path())
            .args(flags)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let json: serde_json::Value = serde_json::from_str(&status(&["--json"])).unwrap();
    let rejection = &json["rejections"][0];
    assert_eq!((&rejection["code"], &rejection["count"]), (&"malformed".into(), &2.into()), "{json}");
    assert_eq!((&rejection["last_path"], &rejection["last_sample"]), (&"/v1/track".into(), &"{\"event\": \"Or".into()));
    let shown = status(&[]);
    let line = shown.lines().find(|line| line.starts_with("refused")).unwrap();
    assert!(line.contains("2 malformed") && line.ends_with("to /v1/track: `{\"event\": \"Or`"), "{line}");
}

#[test]
fn a_change_with_an_example_that_is_wrong_is_not_taken_over() {
    let (folder, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    project(folder.path());
    let engine = Running::start(folder.path(), data.path(), &[]);
    write(folder.path(), "events/order.yaml", "event: order\nproperties:\n  total: {type: number, examples: [free]}\n");
    let started = Instant::now();
    loop {
        let status = engine.ask("GET /api/v1/status HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        if status.contains("\"rejected\"") {
            assert!(status.contains("events/order.yaml:3:") && status.contains("E0440"), "{status}");
            return;
        }
        assert!(started.elapsed() < Duration::from_secs(30), "{status}");
        std::thread::sleep(Duration::from_millis(100));
    }
}
