//! The consent ledger: one chain, through restarts, without what is only repeated.

use crate::support::*;
use serde_json::{Value as Json, json};
use sonder_core::consent::ledger::{Entry, Link, Verification, unhex};
use sonder_dsl::ir::Program;
use sonder_dsl::source::{SourceFile, SourceSet};
use sonder_dsl::time::Moment;
use sonder_store::Reader;
use std::sync::Arc;

fn project() -> Arc<Program> {
    with("purposes: {analytics: {categories: [C2]}, marketing: {categories: [C4]}}\n")
}

fn with(consent: &str) -> Arc<Program> {
    let file = |path: &str, text: &str| SourceFile { path: path.to_owned(), text: text.to_owned() };
    let compilation = sonder_dsl::compile(SourceSet::new(vec![
        file("sonder.yaml", "name: shop\n"),
        file("sources/web.yaml", "source: web\nkind: server\nwrite_keys: [wk]\n"),
        file("identity.yaml", "identifiers:\n  user_id: {}\n  anonymous_id: {}\n"),
        file("events/view.yaml", VIEW),
        file("consent.yaml", consent),
    ]));
    compilation.program.unwrap_or_else(|| panic!("{:#?}", compilation.diagnostics))
}

fn stamped(id: &str, who: &str, analytics: bool, marketing: bool) -> Json {
    let mut message = track(id, "view", who, &json!({}));
    message["context"] =
        json!({"consent": {"categoryPreferences": {"C2": analytics, "C4": marketing}, "notice": "v7"}});
    message
}

fn links(reader: &Reader) -> Vec<Link> {
    let rows = ask(
        reader,
        "SELECT number, seq, epoch_us(said_at), subject, purpose, granted, source, message_id, method, notice, previous, hash
         FROM consent_ledger ORDER BY number",
    );
    let link = |row: &Json| {
        let text = |place: usize| row[place].as_str().unwrap().to_owned();
        Link {
            entry: Entry {
                number: row[0].as_u64().unwrap(),
                seq: row[1].as_u64().unwrap(),
                at: Moment(row[2].as_i64().unwrap()),
                subject: text(3),
                purpose: text(4),
                granted: row[5].as_bool().unwrap(),
                source: text(6),
                message_id: text(7),
                method: text(8),
                notice: row[9].as_str().map(str::to_owned),
            },
            previous: unhex(&text(10)).unwrap(),
            hash: unhex(&text(11)).unwrap(),
        }
    };
    rows.as_array().unwrap().iter().map(link).collect()
}

fn verified(links: &[Link]) -> u64 {
    let mut verification = Verification::default();
    links.iter().for_each(|link| verification.next(link).unwrap());
    verification.number
}

fn plain(text: &str) -> String {
    use sha2::{Digest, Sha256};
    sonder_core::consent::ledger::hex(Sha256::digest(text.as_bytes()).as_slice())
}

#[test]
fn what_people_say_is_a_chain_that_goes_on_after_a_restart() {
    let (dir, program) = (tempfile::tempdir().unwrap(), project());
    let opened = open(dir.path(), &program);
    let said = |seq: u64, id: &str, who: &str, analytics: bool, marketing: bool| {
        row(&program, seq, &stamped(id, who, analytics, marketing))
    };
    let rows = vec![
        said(1, "m1", "a", true, false),
        said(2, "m2", "a", true, false),
        row(&program, 3, &track("m3", "view", "a", &json!({}))),
        said(4, "m4", "b", true, true),
    ];
    opened.store.append(&program, &batch(rows)).unwrap();
    opened
        .store
        .append(&program, &batch(vec![said(5, "m5", "a", true, false), said(6, "m6", "a", true, true)]))
        .unwrap();
    // Rows that do not continue the log are refused, and the chain is as if they had never come.
    opened.store.append(&program, &batch(vec![said(9, "m9", "c", true, true)])).unwrap_err();
    let first = links(&opened.reader);
    let seqs: Vec<(u64, &str, bool)> =
        first.iter().map(|it| (it.entry.seq, it.entry.purpose.as_str(), it.entry.granted)).collect();
    assert_eq!(
        seqs,
        [
            (1, "analytics", true),
            (1, "marketing", false),
            (4, "analytics", true),
            (4, "marketing", true),
            (6, "analytics", true),
            (6, "marketing", true)
        ],
        "what is repeated is no news"
    );
    let one = &first[0].entry;
    assert_eq!((one.method.as_str(), one.notice.as_deref(), one.source.as_str()), ("banner", Some("v7"), "web"));
    assert!(first.iter().all(|it| (it.entry.subject == one.subject) == (it.entry.seq != 4)), "by person");
    assert_ne!(one.subject, plain("anonymous_id\0a"), "nobody finds it by trying");
    assert_eq!(verified(&first), 6);
    drop(opened);

    let opened = open(dir.path(), &program);
    let mut change = stamped("m7", "a", false, false);
    change["event"] = "Consent Updated".into();
    opened.store.append(&program, &batch(vec![row(&program, 7, &change), row(&program, 8, &change)])).unwrap();
    let all = links(&opened.reader);
    assert_eq!((verified(&all), &all[..6]), (10, &first[..]), "a change is recorded even where it repeats");
}

#[test]
fn another_version_of_the_project_compares_answers_by_the_names_of_purposes() {
    let (dir, program) = (tempfile::tempdir().unwrap(), project());
    let other = with("purposes: {adverts: {categories: [C2]}, analytics: {categories: [C4]}}\n");
    let opened = open(dir.path(), &program);
    let mut entries = 0;
    let mut added = |program: &Arc<Program>, seq: u64, analytics: bool, marketing: bool| -> Vec<(String, bool)> {
        let said = stamped(&format!("m{seq}"), "a", analytics, marketing);
        opened.store.append(program, &batch(vec![row(program, seq, &said)])).unwrap();
        let all = links(&opened.reader);
        verified(&all);
        let new = all[entries..].iter().map(|it| (it.entry.purpose.clone(), it.entry.granted)).collect();
        entries = all.len();
        new
    };
    let said = |name: &str, granted: bool| (name.to_owned(), granted);
    assert_eq!(added(&program, 1, true, false), [said("analytics", true), said("marketing", false)]);
    // The first of two with yes, as before; but it is another.
    assert_eq!(added(&other, 2, true, false), [said("adverts", true), said("analytics", false)]);
    assert_eq!(added(&other, 3, true, false), []);
    assert_eq!(added(&program, 4, true, false), [said("analytics", true), said("marketing", false)]);
}
