//! A real engine: the `sonder` binary, in its own process, on a free port.

use crate::http::{Answer, Connection};
use serde_json::Value as Json;
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How it is started.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Arguments after `run PROJECT --data DIR --listen ADDR`.
    pub arguments: Vec<String>,
    /// Where it listens; a free port of loopback where it does not matter.
    pub listen: Option<SocketAddr>,
    /// Environment variables over the test's own.
    pub environment: Vec<(String, String)>,
}

/// A running engine; killed when dropped.
pub struct Engine {
    child: Child,
    address: SocketAddr,
    log: Arc<Mutex<String>>,
}

/// The binary under test: `SONDER_BIN`, or the one beside the tests.
///
/// # Panics
/// When it has not been built.
#[must_use]
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("SONDER_BIN") {
        return PathBuf::from(path);
    }
    let tests = std::env::current_exe().unwrap_or_default();
    let beside = tests.ancestors().skip(1).take(3).map(|folder| folder.join("sonder")).find(|path| path.is_file());
    match beside {
        Some(path) => path,
        None => missing(),
    }
}

#[expect(clippy::panic, reason = "a test without the program it tests cannot go on")]
fn missing() -> ! {
    panic!("the binary is not built: type `cargo build --bin sonder`, or set SONDER_BIN")
}

/// Runs one command to its end.
///
/// # Errors
/// When it cannot be started.
pub fn sonder(arguments: &[&str]) -> io::Result<Output> {
    Command::new(binary()).args(arguments).stdin(Stdio::null()).output()
}

/// What `sonder status --digest` says of data at rest, with `more` arguments.
///
/// # Errors
/// When the command fails, with what it said.
pub fn digest(data: &Path, project: &Path, more: &[&str]) -> io::Result<Json> {
    let mut command = Command::new(binary());
    command.args(["status", "--digest", "--data"]).arg(data).arg("--project").arg(project).args(more);
    let output = command.stdin(Stdio::null()).output()?;
    if !output.status.success() {
        return Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    serde_json::from_slice(&output.stdout).map_err(io::Error::other)
}

impl Engine {
    /// Starts one and waits until it is ready.
    ///
    /// # Errors
    /// When it ends instead, with what it said.
    pub fn start(project: &Path, data: &Path, options: &Options) -> io::Result<Self> {
        let mut command = Command::new(binary());
        command.arg("run").arg(project).arg("--data").arg(data);
        let listen = options.listen.map_or_else(|| "127.0.0.1:0".to_owned(), |address| address.to_string());
        command.args(["--listen", &listen]);
        command.args(&options.arguments).envs(options.environment.iter().cloned());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let log = Arc::new(Mutex::new(String::new()));
        if let Some(stderr) = child.stderr.take() {
            let log = Arc::clone(&log);
            std::thread::spawn(move || {
                for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                    if let Ok(mut log) = log.lock() {
                        log.push_str(&line);
                        log.push('\n');
                    }
                }
            });
        }
        let Some(stdout) = child.stdout.take() else { return Err(io::ErrorKind::BrokenPipe.into()) };
        let mut stdout = BufReader::new(stdout);
        let mut line = String::new();
        while stdout.read_line(&mut line)? > 0 {
            // `listening on http://127.0.0.1:41234`
            if let Some(address) = line.trim().strip_prefix("listening on http://").and_then(|text| text.parse().ok()) {
                std::thread::spawn(move || drop(io::copy(&mut stdout, &mut io::sink())));
                return Ok(Self { child, address, log });
            }
            line.clear();
        }
        let status = child.wait()?;
        std::thread::sleep(Duration::from_millis(50));
        let said = log.lock().map(|log| log.clone()).unwrap_or_default();
        Err(io::Error::other(format!("the engine did not start ({status}): {said}")))
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.log.lock().map(|log| log.clone()).unwrap_or_default()
    }

    /// A new connection to it.
    #[must_use]
    pub const fn connect(&self) -> Connection {
        Connection::new(self.address)
    }

    /// `GET` as JSON.
    ///
    /// # Errors
    /// When it does not answer with 200.
    pub fn get(&self, path: &str) -> io::Result<Json> {
        good(self.connect().get(path)?)
    }

    /// The rows of a read-only statement.
    ///
    /// # Errors
    /// When it does not answer with 200.
    pub fn query(&self, sql: &str) -> io::Result<Vec<Json>> {
        let body = serde_json::json!({ "sql": sql, "limit": 100_000 }).to_string();
        let headers = [("content-type", "application/json")];
        let answer = good(self.connect().send("POST", "/api/v1/query", &headers, body.as_bytes())?)?;
        Ok(answer["rows"].as_array().cloned().unwrap_or_default())
    }

    /// One number.
    ///
    /// # Errors
    /// When the statement does not give one.
    pub fn count(&self, sql: &str) -> io::Result<u64> {
        let rows = self.query(sql)?;
        let value = rows.first().and_then(|row| row.get(0)).cloned().unwrap_or(Json::Null);
        value
            .as_u64()
            .or_else(|| value.as_str()?.parse().ok())
            .ok_or_else(|| io::Error::other(format!("{value} is no count")))
    }

    /// Waits until the fold has seen everything that is in the log and the outbox is empty.
    ///
    /// # Errors
    /// When that takes longer than `patience`.
    pub fn settle(&self, patience: Duration) -> io::Result<Json> {
        let end = Instant::now() + patience;
        // A client is answered a moment before its messages are counted as logged.
        let mut quiet = 0;
        loop {
            let status = self.get("/api/v1/status")?;
            let lag = &status["lag"];
            let is_quiet = ["queued", "unfolded", "undelivered"].iter().all(|stage| lag[stage] == 0);
            quiet = if is_quiet { quiet + 1 } else { 0 };
            if quiet == 3 {
                return Ok(status);
            }
            if Instant::now() > end {
                return Err(io::Error::other(format!("the engine did not come to rest: {lag}")));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// `kill -9`: no warning, no last words.
    ///
    /// # Errors
    /// When the process is gone already.
    pub fn kill(mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(drop)
    }

    /// Asks it to stop (as Ctrl-C does) and waits.
    ///
    /// # Errors
    /// When it does not stop in time.
    pub fn stop(mut self) -> io::Result<ExitStatus> {
        Command::new("kill").args(["-INT", &self.child.id().to_string()]).status()?;
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if Instant::now() > end {
                return Err(io::Error::other(format!("the engine did not stop:\n{}", self.log())));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn good(answer: Answer) -> io::Result<Json> {
    if answer.status != 200 {
        return Err(io::Error::other(format!("status {}: {}", answer.status, answer.text())));
    }
    Ok(answer.json())
}
