//! The conformance kit over every bundled plugin, with the exchanges beside its source; and over one that misbehaves.

use sonder_activate::conformance::{self, Exchanges};
use sonder_activate::host::Host;
use sonder_activate::host::bundled::BUNDLED;
use std::path::PathBuf;

fn exchanges(name: &str) -> Vec<Exchanges> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../plugins")).join(name).join("exchanges");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let read = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        Exchanges::read(&name, &std::fs::read_to_string(path).unwrap()).unwrap_or_else(|error| panic!("{error}"))
    };
    paths.iter().map(read).collect()
}

#[test]
fn every_bundled_plugin_passes() {
    let mut failed = Vec::new();
    for plugin in BUNDLED {
        let name = plugin.name.trim_start_matches("sonder/").trim_end_matches("@1");
        let files = exchanges(name);
        assert!(!files.is_empty(), "{name} has no recorded exchanges");
        let report = conformance::test(plugin.wasm, &files, Host::new).unwrap();
        if report.failures().count() > 0 {
            failed.push(report.to_string());
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// What each exchange says is compared, and so is what it does not say.
#[test]
fn a_recording_that_is_not_so_fails() {
    let report = |from: &str, to: &str| {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../plugins/support/exchanges/zendesk.yaml");
        let text = std::fs::read_to_string(path).unwrap();
        assert!(text.contains(from), "{from}");
        let file = Exchanges::read("zendesk.yaml", &text.replacen(from, to, 1)).unwrap();
        let plugin = BUNDLED.into_iter().find(|plugin| plugin.name == "sonder/support@1").unwrap();
        let report = conformance::test(plugin.wasm, &[file], Host::new).unwrap();
        report.failures().filter_map(|check| check.problem.clone()).collect::<Vec<_>>().join("\n")
    };
    for (from, to, expected) in [
        (
            "tickets.json",
            "ticket.json",
            "request 1: the URL is `https://shop.zendesk.com/api/v2/tickets.json`, recorded is",
        ),
        ("method: POST", "method: PUT", "request 1: the method is `POST`, recorded is `PUT`"),
        ("priority: high\n", "priority: low\n", "the body's `/ticket/priority` is \"high\", recorded is \"low\""),
        ("              group_id: 98738\n", "", "the body's `/ticket/group_id` is 98738, not recorded"),
        (
            "accept: application/json",
            "accept: text/html",
            "the header `accept` is `application/json`, recorded is `text/html`",
        ),
        (
            "\"{{secret:authorization}}\"",
            "Bearer other",
            "the header `authorization` is `{{secret:authorization}}`, recorded is",
        ),
        ("outcomes: [delivered]", "outcomes: [retry]", "item 1: \"delivered\", recorded is \"retry\""),
        (
            "payload: {subject: Stuck in onboarding,",
            "payload: {urgency: 1, subject: Stuck in onboarding,",
            "does not fit the action `ticket`",
        ),
        ("config: {subdomain: shop,", "config: {subdomain: Shop,", "does not match"),
    ] {
        let found = report(from, to);
        assert!(found.contains(expected), "{expected}: {found}");
    }
}

/// The tests' hostile plugin does wrong on demand.
#[test]
fn a_plugin_that_misbehaves_is_found_out() {
    let hostile = include_bytes!("../fixtures/hostile.wasm");
    let failing = |act: &str| {
        let text = format!(
            "document: none\nconfig: {{do: {act}, url: 'https://a.example/'}}\nsecrets: {{token: test-token-1}}\n\
             exchanges:\n- name: one\n  items: [{{kind: event, name: e, payload: {{a: b}}}}]\n  \
             calls: [{{request: {{method: POST, url: 'https://a.example/'}}, response: {{status: 200}}}}]\n  \
             outcomes: [delivered]\n"
        );
        let file = Exchanges::read("hostile.yaml", &text).unwrap();
        let report = conformance::test(hostile, &[file], Host::new).unwrap();
        report.failures().map(|check| check.name.clone()).collect::<Vec<_>>()
    };
    let always =
        ["it has a summary", "its configuration has a schema", "an unknown key of the configuration is refused"];
    for (act, expected) in [
        ("fill data", &["another attempt makes the same requests", "data cannot ask for secrets"][..]),
        ("call", &["idempotency keys go along"]),
        (
            "too few",
            &[
                "one",
                "400 is a refusal",
                "an answer that is not as documented breaks nothing",
                "what is missing or odd is an outcome",
                "every kind of items has an outcome, erasures too",
                "a batch of 100 ends well",
                "long texts are an outcome",
            ],
        ),
        ("call often", &["401 pauses the destination", "500 is tried again", "a timeout is tried again"]),
        ("nothing at all", &["one", "400 is a refusal", "idempotency keys go along"]),
    ] {
        let failed = failing(act);
        for check in always.iter().chain(expected) {
            assert!(failed.iter().any(|failed| failed == check), "{act}: `{check}` is not among {failed:#?}");
        }
    }
}
