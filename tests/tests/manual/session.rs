//! A reader's terminals: a shell in which the commands of a page are typed one after the other, and others that stay open.

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};
use tempfile::NamedTempFile;

/// No command of a page takes longer.
const PATIENCE: Duration = Duration::from_secs(180);
/// What a page says is so a moment later is so by then.
const SOON: Duration = Duration::from_secs(30);
/// What stands before the code that a command ended with.
const MARK: &str = "\u{1e}ended ";

pub struct Session {
    shell: Child,
    input: ChildStdin,
    lines: Receiver<String>,
    environment: Vec<(String, String)>,
    open: Vec<Terminal>,
}

/// A command that goes on while others are typed.
struct Terminal {
    child: Child,
    _printed: NamedTempFile,
}

impl Session {
    pub fn start(folder: &Path, environment: Vec<(String, String)>) -> io::Result<Self> {
        let mut shell = Command::new("bash")
            .args(["--noprofile", "--norc"])
            .current_dir(folder)
            .envs(environment.iter().cloned())
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let (Some(input), Some(output)) = (shell.stdin.take(), shell.stdout.take()) else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        let (send, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self { shell, input, lines, environment, open: Vec::new() })
    }

    /// Types a command: what it prints on both streams, and what it ends with.
    pub fn run(&mut self, command: &str) -> Result<(String, i32), String> {
        let text = format!("{{ {command}\n}} </dev/null 2>&1\nprintf '\\n{MARK}%d\\n' $?\n");
        self.input.write_all(text.as_bytes()).and_then(|()| self.input.flush()).map_err(|error| error.to_string())?;
        let mut printed = String::new();
        let end = Instant::now() + PATIENCE;
        loop {
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    if let Some(code) = line.strip_prefix(MARK) {
                        let code = code.parse().map_err(|_| format!("`{line}` is no code"))?;
                        return Ok((printed.strip_suffix('\n').unwrap_or(&printed).to_owned(), code));
                    }
                    printed.push_str(&line);
                    printed.push('\n');
                }
                Err(RecvTimeoutError::Timeout) => return Err(format!("it did not end; it printed\n{printed}")),
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(format!("it ended the shell; it printed\n{printed}"));
                }
            }
        }
    }

    /// Types a command again and again until it prints and ends with what is wanted, or it has taken too long: then what it did
    /// the last time.
    pub fn ask(&mut self, command: &str, is_wanted: impl Fn(&str, i32) -> bool) -> Result<(String, i32), String> {
        let end = Instant::now() + SOON;
        loop {
            let (printed, code) = self.run(command)?;
            if is_wanted(&printed, code) || Instant::now() > end {
                return Ok((printed, code));
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Types a command into another terminal, where it stays, until it has printed what is shown.
    pub fn open(&mut self, command: &str, shown: impl Fn(&str) -> bool) -> Result<String, String> {
        let (folder, _) = self.run("pwd")?;
        let (exported, _) = self.run("export -p")?;
        let printed = NamedTempFile::new().map_err(|error| error.to_string())?;
        let file = printed.reopen().map_err(|error| error.to_string())?;
        let both = file.try_clone().map_err(|error| error.to_string())?;
        let out = printed.path().to_path_buf();
        let child = Command::new("bash")
            .args(["--noprofile", "--norc", "-c", &format!("{exported}\n{command}")])
            .current_dir(folder.trim())
            .envs(self.environment.iter().cloned())
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(both)
            .spawn()
            .map_err(|error| error.to_string())?;
        self.open.push(Terminal { child, _printed: printed });
        let end = Instant::now() + PATIENCE / 3;
        loop {
            let printed = fs::read_to_string(&out).unwrap_or_default();
            if shown(&printed) {
                return Ok(printed);
            }
            let ended = self.open.last_mut().and_then(|it| it.child.try_wait().ok().flatten());
            if ended.is_some() || Instant::now() > end {
                return Err(format!("it printed\n{printed}"));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        for terminal in &mut self.open {
            end(&mut terminal.child);
        }
        end(&mut self.shell);
    }
}

/// Ends a command with all that it has started.
fn end(child: &mut Child) {
    let group = format!("-{}", child.id());
    let _ = Command::new("kill").args(["-TERM", "--", &group]).stderr(Stdio::null()).status();
    let patience = Instant::now() + Duration::from_secs(20);
    while Instant::now() < patience {
        if child.try_wait().is_ok_and(|it| it.is_some()) {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
    let _ = child.wait();
}
