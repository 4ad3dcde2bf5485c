//! `sonder dev`: made-up people use a project, what destinations would get ends in the terminal, and saved files say what is wrong
//! with them; as lines, and as a page on a terminal.

#![expect(clippy::unwrap_used, reason = "the tests of a test binary fail by panicking")]

use sonder_tests::engine::binary;
use sonder_tests::{Receiver, project};
use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A program whose output is read while it runs; stopped when dropped.
struct Running {
    child: Child,
    said: Arc<Mutex<String>>,
}

impl Running {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        let (mut stdout, into) = (child.stdout.take().unwrap(), Arc::clone(&said));
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(length @ 1..) = stdout.read(&mut piece) {
                into.lock().unwrap().push_str(&String::from_utf8_lossy(&piece[..length]));
            }
        });
        Self { child, said }
    }

    fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// Waits until a text has been said.
    fn until(&self, text: &str) {
        let patience = Instant::now() + Duration::from_secs(60);
        while !self.said().contains(text) {
            assert!(Instant::now() < patience, "nobody said `{text}`:\n{}", self.said());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(Command::new("kill").args(["-INT", &self.child.id().to_string()]).status());
        let patience = Instant::now() + Duration::from_secs(20);
        while Instant::now() < patience && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(20));
        }
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn shop(folder: &Path, receiver: &str) {
    project::keen(folder, receiver).unwrap();
    let hook = fs::read_to_string(folder.join("destinations/hook.yaml")).unwrap();
    // A secret that nobody has on a laptop.
    let hook =
        hook.replace("sign: false", "sign: true") + "secrets: {signing_key: {env: SONDER_TEST_HAS_NO_SUCH_KEY}}\n";
    fs::write(folder.join("destinations/hook.yaml"), hook).unwrap();
}

#[test]
fn people_come_nothing_leaves_and_errors_are_shown_as_files_are_saved() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, data) = (dir.path().join("project"), dir.path().join("data"));
    let receiver = Receiver::start().unwrap();
    shop(&folder, &receiver.address().to_string());
    let mut command = Command::new(binary());
    command.arg("dev").arg(&folder).arg("--data").arg(&data);
    let dev = Running::start(command.args(["--listen", "127.0.0.1:0", "--rate", "60", "--seed", "3"]));
    dev.until("write key     wk (source `server`)");
    dev.until("hook: what they would get ends here");
    dev.until("60 messages/s of 2 kinds of events, seed 3");
    dev.until("-> POST http://127.0.0.1");
    dev.until("segment.entered");
    assert!(!dev.said().contains("in quarantine"), "what is made up is what schemas say: {}", dev.said());
    assert_eq!(receiver.calls().len(), 0, "nothing leaves the machine");

    let rules = folder.join("rules/r.sonder");
    let text = fs::read_to_string(&rules).unwrap();
    fs::write(&rules, text.replace("did(order) }", "did(ordr) }")).unwrap();
    dev.until("did you mean `order`?");
    dev.until("the version before runs on");
    fs::write(&rules, text.replace(">= 3", ">= 2")).unwrap();
    dev.until("saved, and runs:");
    dev.until("~ segment keen: `count(view)` is `>= 2`, was `>= 3`");
}

#[test]
fn a_terminal_gets_a_page() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, data) = (dir.path().join("project"), dir.path().join("data"));
    shop(&folder, "127.0.0.1:9");
    let words =
        [binary().as_path(), Path::new("dev"), &folder, Path::new("--data"), &data].map(|it| it.display().to_string());
    let line = format!("{} --listen 127.0.0.1:0 --rate 40", words.join(" "));
    // `script` gives it a terminal of its own.
    let dev = Running::start(Command::new("script").args(["-qefc", &line, "/dev/null"]));
    dev.until("\u{1b}[?1049h");
    dev.until("what destinations would have got, the last of");
    dev.until("Ctrl-C ends this");
    let said = dev.said();
    let page = said.rsplit("\u{1b}[H\u{1b}[J").next().unwrap_or_default();
    for expected in ["events ", "segment ", "keen", "destination ", "hook", "people"] {
        assert!(said.contains(expected), "{page}");
    }
    drop(dev);
}
