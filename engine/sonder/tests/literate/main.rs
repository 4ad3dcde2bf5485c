//! The pages of `tests/language`, which are the language's documentation and its tests at once. `README.md` there says how they
//! are written. What a page says is printed must be printed, byte by byte.
//!
//! `SONDER_ACCEPT=1 cargo test --test literate` writes what is printed into the pages, for reading before it is committed.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a page that cannot be read fails its test")]

mod page;

use page::{Block, Page, Section};
use sonder::cli;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

macro_rules! pages {
    ($($name:ident)+) => {
        $(#[test] fn $name() { holds(stringify!($name)); })+
        const PAGES: &[&str] = &[$(stringify!($name)),+];
    };
}

pages! {
    aggregates consent decisions errors formatting funnels identity journeys names_and_types on_the_way purposes sequences
    sessions time unknown_values
}

#[test]
fn no_page_is_forgotten() {
    let mut found: Vec<String> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .filter(|name| name != "README")
        .collect();
    found.sort();
    assert_eq!(found, PAGES);
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/language")
}

/// Plays all examples of a page.
fn holds(name: &str) {
    let path = folder().join(format!("{name}.md"));
    let text = fs::read_to_string(&path).unwrap();
    let mut page = Page::read(&text).unwrap_or_else(|problem| panic!("{name}.md: {problem}"));
    let mut wrong = Vec::new();
    let shared = page.sections.first().map(|section| section.blocks.clone()).unwrap_or_default();
    for section in &mut page.sections {
        let title = section.title.clone();
        for (at, printed) in play(&shared, section) {
            let block = &mut section.blocks[at];
            if block.text != printed {
                wrong.push(format!(
                    "{name}.md:{}: {title}\n--- written\n{}--- printed\n{printed}",
                    block.line, block.text
                ));
                block.text = printed;
            }
        }
    }
    if std::env::var_os("SONDER_ACCEPT").is_some() {
        fs::write(&path, page.text()).unwrap();
    } else {
        let differences = wrong.join("\n");
        assert!(wrong.is_empty(), "{differences}\nif that is meant: SONDER_ACCEPT=1 cargo test --test literate");
    }
}

/// What is printed for each block of a section that says so.
fn play(shared: &[Block], section: &Section) -> Vec<(usize, String)> {
    let mut files: BTreeMap<String, String> = [
        ("sonder.yaml", "name: shop\n"),
        ("sources/server.yaml", "source: server\nkind: server\nwrite_keys: [wk_server]\n"),
    ]
    .map(|(path, text)| (path.to_owned(), text.to_owned()))
    .into();
    let mut events = String::new();
    let mut printed = Vec::new();
    let own = section.blocks.iter().enumerate().map(|(at, block)| (Some(at), block));
    let before = shared.iter().map(|block| (None, block)).filter(|_| !section.title.is_empty());
    for (at, block) in before.chain(own) {
        let words: Vec<&str> = block.info.split_whitespace().collect();
        match words.as_slice() {
            ["yaml" | "sonder", path] => _ = files.insert((*path).to_owned(), block.text.clone()),
            ["sonder"] => _ = files.insert("rules/example.sonder".to_owned(), block.text.clone()),
            ["ndjson"] => events.push_str(&block.text),
            _ => {
                let at = at.unwrap_or_else(|| panic!("line {}: only files are shared", block.line));
                printed.push((at, Project::of(&files, &events).print(&words, block.line)));
            }
        }
    }
    assert!(section.title.is_empty() || !printed.is_empty(), "`{}` shows nothing", section.title);
    printed
}

/// A project in a folder of its own, and a file of events beside it.
struct Project {
    folder: tempfile::TempDir,
    rules: String,
}

impl Project {
    fn of(files: &BTreeMap<String, String>, events: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        files.iter().for_each(|(path, text)| write(&format!("shop/{path}"), text));
        write("events.ndjson", events);
        Self { folder, rules: files.get("rules/example.sonder").cloned().unwrap_or_default() }
    }

    fn print(&self, asked: &[&str], line: usize) -> String {
        let both = |arguments: &[&str]| {
            let [incremental, sql] = ["incremental", "sql"].map(|engine| self.eval(arguments, engine, line));
            assert_eq!(incremental, sql, "line {line}: the two evaluators differ");
            sql
        };
        match asked {
            ["eval", at] => both(&["--at", at]),
            ["funnel", name, at] => both(&["--at", at, "--funnel", name]),
            ["trace", at] => self.eval(&["--at", at, "--trace"], "incremental", line),
            ["test"] => {
                let (printed, said, _) = self.run(&["test"], &[]);
                // Without the time that it took.
                let timeless = |line: &str| match line.split_once(" failed in ") {
                    Some((before, _)) => format!("{before} failed\n"),
                    None => format!("{line}\n"),
                };
                said + &printed.lines().map(timeless).collect::<String>()
            }
            ["check"] => self.run(&["check"], &[]).0,
            ["sql", rule] => self.run(&["sql", rule, "--project"], &[]).0,
            ["fmt"] => {
                let file = sonder_dsl::source::FileId(0);
                sonder_dsl::syntax::format::format(file, &self.rules)
                    .unwrap_or_else(|found| panic!("line {line}: {found:#?}"))
            }
            other => panic!("line {line}: no block is `{}`", other.join(" ")),
        }
    }

    fn eval(&self, arguments: &[&str], engine: &str, line: usize) -> String {
        let events = self.folder.path().join("events.ndjson");
        let more = [&["--events", events.to_str().unwrap(), "--engine", engine], arguments].concat();
        let (printed, said, code) = self.run(&["eval"], &more);
        assert!(code == ExitCode::SUCCESS && said.is_empty(), "line {line}: {said}{printed}");
        printed
    }

    /// Runs a command on the project: what it printed, what it said beside that, and how it ended.
    fn run(&self, command: &[&str], arguments: &[&str]) -> (String, String, ExitCode) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut output =
            cli::output::Output { out: &mut out, err: &mut err, out_is_terminal: false, err_is_terminal: false };
        let project = self.folder.path().join("shop");
        let words = [&["sonder"], command, &[project.to_str().unwrap()], arguments].concat();
        let code = cli::run(words.into_iter().map(Into::into), &mut output);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (text(out), text(err), code)
    }
}
