//! The manual does what it says: every command of every page is typed in an empty folder, every file is written, and what a page
//! shows is printed. `SONDER_ACCEPT=1` writes what is printed into the pages: read the difference before you commit it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "the tests of a test binary fail by panicking")]

mod links;
mod page;
mod session;

use page::{Block, Exchange, How, fits};
use session::Session;
use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

/// Where the pages are that people write.
fn pages() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../engine/sonder/docs/src")
}

macro_rules! pages {
    ($($test:ident $page:literal;)+) => {
        $(#[test]
        fn $test() {
            play($page);
        })+

        const PLAYED: &[&str] = &[$($page),+];
    };
}

pages! {
    introduction "introduction.md";
    tutorial "tutorial.md";
    laptop "how-to/laptop.md";
    sources "how-to/sources.md";
    quarantine "how-to/quarantine.md";
    identity "how-to/identity.md";
    matching "how-to/matching.md";
    consent "how-to/consent.md";
    erasure "how-to/erasure.md";
    retention "how-to/retention.md";
    encryption "how-to/encryption.md";
    residency "how-to/residency.md";
    pseudonyms "how-to/pseudonyms.md";
    audit "how-to/audit.md";
    scenarios "how-to/scenarios.md";
    plan "how-to/plan.md";
    roll_out "how-to/roll-out.md";
    tracking_plan "how-to/tracking-plan.md";
    destinations "how-to/destinations.md";
    operating "how-to/operating.md";
    alerts "how-to/alerts.md";
    backup "how-to/backup.md";
    migration "how-to/migration.md";
    design "explanation/design.md";
}

#[test]
fn every_page_is_played() {
    fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, found);
            } else {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    collect(&pages(), &mut found);
    let mut names: Vec<String> =
        found.iter().map(|path| path.strip_prefix(pages()).unwrap().to_string_lossy().into_owned()).collect();
    names.retain(|name| name != "SUMMARY.md");
    names.sort();
    let mut played = PLAYED.to_vec();
    played.sort_unstable();
    assert_eq!(names, played);
}

/// A page with the addresses that are free on this machine in place of those that it names.
struct Addresses(BTreeMap<String, String>);

impl Addresses {
    fn of(text: &str) -> Self {
        let mut found = BTreeMap::new();
        // All are held at once, so that no two are the same.
        let mut held = Vec::new();
        for (at, host) in text.match_indices("127.0.0.1:").chain(text.match_indices("localhost:")) {
            let port: String = text[at + host.len()..].chars().take_while(char::is_ascii_digit).collect();
            if port.len() == 4 && !found.contains_key(&port) {
                let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                found.insert(port, listener.local_addr().unwrap().port().to_string());
                held.push(listener);
            }
        }
        found.entry("8080".to_owned()).or_insert_with(|| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap().port().to_string()
        });
        Self(found)
    }

    fn here(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (shown, free)| {
            text.replace(&format!("127.0.0.1:{shown}"), &format!("127.0.0.1:{free}"))
                .replace(&format!("localhost:{shown}"), &format!("localhost:{free}"))
        })
    }

    fn shown(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (shown, free)| {
            text.replace(&format!("127.0.0.1:{free}"), &format!("127.0.0.1:{shown}"))
                .replace(&format!("localhost:{free}"), &format!("localhost:{shown}"))
        })
    }
}

fn play(name: &str) {
    let path = pages().join(name);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
    let blocks = page::blocks(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
    let addresses = Addresses::of(&text);
    let folder = tempfile::tempdir().unwrap();
    let work = folder.path().join("work");
    fs::create_dir(&work).unwrap();
    let mut session = Session::start(&work, environment(folder.path(), &addresses)).unwrap();
    let mut accepted: Vec<(std::ops::Range<usize>, String)> = Vec::new();
    for (line, block) in blocks {
        let place = format!("{name}:{line}");
        match block {
            Block::Text => {}
            Block::File { path, text } => {
                let (here, _) = session.run("pwd").unwrap();
                let path = Path::new(here.trim()).join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, addresses.here(&text)).unwrap();
            }
            Block::Script(script) => {
                let script = addresses.here(&script);
                let (printed, code) =
                    session.run(&format!("( set -e\n{script} )")).unwrap_or_else(|error| panic!("{place}: {error}"));
                assert_eq!(code, 0, "{place}: it fails:\n{printed}");
            }
            Block::Console { how: How { needs: Some(tool), .. }, .. } if !is_at_hand(&tool) => {
                assert!(std::env::var_os("CI").is_none(), "{place}: `{tool}` is not installed; `make test` does it");
                eprintln!("{place}: the rest needs `{tool}`, which is not installed");
                break;
            }
            Block::Console { exchanges, how } => {
                for exchange in &exchanges {
                    let command = addresses.here(&exchange.command);
                    let read = |printed: &str| addresses.shown(printed).replace(&*work.to_string_lossy(), "…");
                    let is_same =
                        |printed: &str| exchange.shown.as_ref().is_none_or(|shown| fits(shown, &read(printed)));
                    let typed = if how.is_background {
                        session.open(&command, is_same).map(|printed| (printed, exchange.code))
                    } else if how.is_soon {
                        session.ask(&command, |printed, code| is_same(printed) && code == exchange.code)
                    } else {
                        session.run(&command)
                    };
                    let (printed, code) = typed.unwrap_or_else(|error| panic!("{place}: {command}: {error}"));
                    let printed = read(&printed);
                    assert_eq!(code, exchange.code, "{place}: `{command}` ends with it, and prints\n{printed}");
                    check(&place, exchange, &printed, &mut accepted);
                }
            }
        }
    }
    check_projects(name, &work);
    accept(&path, &text, accepted);
}

fn check(place: &str, exchange: &Exchange, printed: &str, accepted: &mut Vec<(std::ops::Range<usize>, String)>) {
    let Some(shown) = &exchange.shown else { return };
    if fits(shown, printed) {
        return;
    }
    if std::env::var_os("SONDER_ACCEPT").is_some() {
        accepted.push((exchange.lines.clone(), printed.trim_end().to_owned()));
        return;
    }
    panic!("{place}: `{}` prints\n{printed}\n-- and the page shows\n{shown}", exchange.command);
}

/// Whatever project a page has made is one without errors.
fn check_projects(name: &str, folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.join("sonder.yaml").is_file() {
            let output = sonder_tests::sonder(&["check", path.to_str().unwrap()]).unwrap();
            assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
}

fn accept(path: &Path, text: &str, mut accepted: Vec<(std::ops::Range<usize>, String)>) {
    if accepted.is_empty() {
        return;
    }
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    accepted.sort_by_key(|(place, _)| std::cmp::Reverse(place.start));
    for (place, printed) in accepted {
        lines.splice(place, printed.lines().map(|line| line.trim_end().to_owned()));
    }
    fs::write(path, lines.join("\n") + "\n").unwrap();
}

/// A terminal of which nothing depends on this machine: `sonder` is the one under test, and listens where it is free.
fn environment(folder: &Path, addresses: &Addresses) -> Vec<(String, String)> {
    let bin = folder.join("bin");
    fs::create_dir(&bin).unwrap();
    let script = format!(
        "#!/usr/bin/env bash\ncase \"${{1:-}}\" in run|dev) case \" $* \" in *\" --listen \"*) ;; *) set -- \"$@\" --listen {} ;; esac ;; esac\n\
         exec {} \"$@\"\n",
        addresses.here("127.0.0.1:8080"),
        sonder_tests::engine::binary().display(),
    );
    let sonder = bin.join("sonder");
    fs::write(&sonder, script).unwrap();
    fs::set_permissions(&sonder, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let path = std::env::var("PATH").unwrap_or_default();
    let mut environment = vec![
        ("PATH".to_owned(), format!("{}:{path}:{}", bin.display(), javascript().display())),
        ("COLUMNS".to_owned(), "100".to_owned()),
        ("SONDER".to_owned(), "sonder".to_owned()),
        ("TZ".to_owned(), "UTC".to_owned()),
    ];
    for (name, value) in [
        ("GIT_AUTHOR_NAME", "Ann"),
        ("GIT_COMMITTER_NAME", "Ann"),
        ("GIT_AUTHOR_EMAIL", "ann@shop.example"),
        ("GIT_COMMITTER_EMAIL", "ann@shop.example"),
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
    ] {
        environment.push((name.to_owned(), value.to_owned()));
    }
    environment
}

/// Whether a tool is there that a page has the reader install.
fn is_at_hand(tool: &str) -> bool {
    javascript().join(tool).is_file()
}

/// Where the compiler of plugins in JavaScript is.
fn javascript() -> PathBuf {
    cache().join("plugins/js/node_modules/.bin")
}

/// Where tools are that the tests install once.
fn cache() -> PathBuf {
    let cache = std::env::var_os("SONDER_CACHE").map(PathBuf::from);
    cache.unwrap_or_else(|| PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache/sonder"))
}
