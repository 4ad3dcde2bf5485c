//! What is shipped for operators is true: alerts name metrics that there are, each alert has its page, each page is used, and
//! nothing is counted that the reference does not name.
#![expect(clippy::unwrap_used, reason = "the tests of a test binary fail by panicking")]

use sonder::observe::{FIGURES, FigureKind};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy")
}

/// The texts that begin with `sonder_` and go on as names of metrics do, and what follows each.
fn named(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (place, _) in text.match_indices("sonder_") {
        let name: String = text[place..].chars().take_while(|it| it.is_ascii_alphanumeric() || *it == '_').collect();
        found.push((name.clone(), text[place + name.len()..].to_owned()));
    }
    found
}

/// Every alert: what is said of it by key.
fn alerts() -> Vec<BTreeMap<String, String>> {
    let text = fs::read_to_string(deploy().join("alerts.yaml")).unwrap();
    let mut alerts: Vec<BTreeMap<String, String>> = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let line = line.trim();
        if line.starts_with("- alert:") {
            alerts.push(BTreeMap::new());
        }
        if let (Some(alert), Some((key, value))) = (alerts.last_mut(), line.trim_start_matches("- ").split_once(": ")) {
            alert.insert(key.to_owned(), value.trim_matches('\'').to_owned());
        }
    }
    alerts
}

#[test]
fn alerts_ask_for_metrics_that_there_are_with_labels_that_they_have() {
    let alerts = alerts();
    assert!(alerts.len() >= 10, "{alerts:#?}");
    for alert in alerts {
        for (name, rest) in named(&alert["expr"]) {
            let is_seconds = |figure: &&sonder::observe::Figure| figure.kind == FigureKind::Seconds;
            let figure = FIGURES.iter().find(|figure| figure.name == name).or_else(|| {
                let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end))?;
                FIGURES.iter().filter(is_seconds).find(|figure| figure.name == base)
            });
            let figure = figure.unwrap_or_else(|| panic!("{}: there is no `{name}`", alert["alert"]));
            let labels = rest.strip_prefix('{').and_then(|rest| rest.split('}').next()).unwrap_or_default();
            for label in labels.split(',').filter(|label| !label.is_empty()) {
                let label = label.split(['=', '!', '~']).next().unwrap();
                assert!(figure.labels.contains(&label), "{}: `{name}` has no label `{label}`", alert["alert"]);
            }
        }
    }
}

#[test]
fn each_alert_has_a_page_and_each_page_an_alert() {
    let mut pages: BTreeSet<PathBuf> =
        fs::read_dir(deploy().join("runbooks")).unwrap().map(|entry| entry.unwrap().path()).collect();
    for alert in alerts() {
        let path = deploy().join(&alert["runbook"]);
        let page = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(page.starts_with(&format!("# {}\n", alert["alert"])), "{}", path.display());
        for part in ["**Look**", "**Do**"] {
            assert!(page.contains(part), "{} has no {part}", path.display());
        }
        for (name, _) in named(&page) {
            let known = FIGURES.iter().any(|figure| name.starts_with(figure.name));
            assert!(known, "{}: there is no `{name}`", path.display());
        }
        assert!(pages.remove(&path), "{} is the page of two", path.display());
    }
    assert!(pages.is_empty(), "nothing leads to {pages:?}");
}

#[test]
fn whatever_is_counted_has_a_meaning_and_whatever_has_one_is_counted() {
    let mut counted = BTreeSet::new();
    let mut open = vec![Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let is_of_tests = path.ends_with("tests") || path.ends_with("benches");
            if path.is_dir() && !is_of_tests {
                open.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") && !path.ends_with("observe/metrics.rs") {
                let text = fs::read_to_string(&path).unwrap();
                for begin in ["counter!(\"", "gauge!(\"", "histogram!(\""] {
                    counted.extend(text.split(begin).skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()));
                }
            }
        }
    }
    let known: BTreeSet<String> = FIGURES.iter().map(|figure| figure.name.to_owned()).collect();
    assert_eq!(counted, known);
}

#[test]
fn the_unit_starts_the_engine_with_flags_that_it_takes_and_lets_it_end_in_good_order() {
    let unit = fs::read_to_string(deploy().join("sonder.service")).unwrap();
    let line = |key: &str| unit.lines().find_map(|line| line.strip_prefix(&format!("{key}="))).unwrap();
    let words: Vec<&str> = line("ExecStart").split(' ').skip(2).collect();
    let help = std::process::Command::new(env!("CARGO_BIN_EXE_sonder")).args(["run", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    for flag in words.iter().filter(|word| word.starts_with("--")) {
        assert!(help.contains(flag), "{flag}");
    }
    assert_eq!((line("KillSignal"), line("StateDirectory")), ("SIGTERM", "sonder"));
    let patience: u64 = line("TimeoutStopSec").parse().unwrap();
    assert!(patience >= sonder::pipeline::limits::DRAIN.as_secs() * 2, "it is given time for both drains");
}
