//! A project, messages of it, and a store in a directory that goes away.

use serde_json::{Value as Json, json};
use sonder_core::govern::Governor;
use sonder_core::message::{self, Quarantined};
use sonder_core::record::{Fact, Record, Seq};
use sonder_dsl::ir::{Program, SourceId};
use sonder_dsl::source::{SourceFile, SourceSet};
use sonder_dsl::time::Moment;
use sonder_store::{LogBatch, LogRow, Query, Reader, Recovered, Store};
use std::path::Path;
use std::sync::Arc;

/// The moment before the first message: 2026-03-01T00:00:00Z.
pub const START: i64 = 1_772_323_200_000_000;
pub const SECOND: i64 = 1_000_000;

/// An order with a total, and a view of a product.
pub const ORDER: &str =
    "event: order\nproperties:\n  order_id: {type: string}\n  total: {type: number, multipleOf: 0.01}";
pub const VIEW: &str =
    "event: view\nproperties:\n  product: {type: string}\n  tags: {type: array, items: {type: string}}";

const IDENTITY: &str = "identifiers:\n  user_id: {unique: true}\n  email: {}\n  anonymous_id: {}\n";
const RULES: &str = "segment buyers { when did(order) }\ntrait spent = sum(order.total)\n";

/// A project with these events, each given as YAML.
pub fn program(events: &[&str]) -> Arc<Program> {
    compile(events, "", None)
}

/// The project that most tests use, with a segment and a trait.
pub fn shop() -> Arc<Program> {
    compile(&[ORDER, VIEW], RULES, None)
}

fn compile(events: &[&str], rules: &str, destination: Option<&str>) -> Arc<Program> {
    let file = |path: &str, text: &str| SourceFile { path: path.to_owned(), text: text.to_owned() };
    let mut files = vec![
        file("sonder.yaml", "name: shop\nundeclared_events: accept\n"),
        file("sources/web.yaml", "source: web\nkind: server\nwrite_keys: [wk]\n"),
        file("identity.yaml", IDENTITY),
        file("rules/all.sonder", rules),
    ];
    for (index, event) in events.iter().enumerate() {
        files.push(file(&format!("events/e{index}.yaml"), event));
    }
    files.extend(destination.map(|text| file("destinations/hook.yaml", text)));
    let compilation = sonder_dsl::compile(SourceSet::new(files));
    compilation.program.unwrap_or_else(|| panic!("{:#?}", compilation.diagnostics))
}

/// A `track` message.
pub fn track(id: &str, event: &str, person: &str, properties: &Json) -> Json {
    json!({"type": "track", "messageId": id, "event": event, "anonymousId": person, "properties": properties})
}

/// A row at `seq`, received that many seconds after the start, and half a second after it happened.
pub fn row(program: &Program, seq: u64, message: &Json) -> LogRow {
    row_at(program, seq, START + i64::try_from(seq).unwrap() * SECOND, message)
}

pub fn row_at(program: &Program, seq: u64, at: i64, message: &Json) -> LogRow {
    let (occurred_at, received_at) = (Moment(at - SECOND / 2), Moment(at));
    let message = message::from_log(&message.to_string(), SourceId(0), occurred_at, received_at, false).unwrap();
    let event = Governor::new(program).govern(&message).unwrap();
    LogRow { record: Record { seq: Seq(seq), received_at, fact: Fact::Event(event) }, message }
}

/// So many views from `first` on, by ten people.
pub fn views(program: &Program, first: u64, count: u64) -> Vec<LogRow> {
    let view =
        |seq: u64| track(&format!("m{seq}"), "view", &format!("a{}", seq % 10), &json!({"product": format!("p{seq}")}));
    (first..first + count).map(|seq| row(program, seq, &view(seq))).collect()
}

/// An order that was kept aside.
pub fn kept_aside(payload: &Json) -> Quarantined {
    Quarantined {
        source: SourceId(0),
        received_at: Moment(START),
        occurred_at: None,
        historical: false,
        message_id: None,
        name: Some("order".to_owned()),
        reasons: Vec::new(),
        payload: payload.to_string().into(),
    }
}

pub fn batch(rows: Vec<LogRow>) -> LogBatch {
    LogBatch { rows, ..LogBatch::default() }
}

pub struct Opened {
    pub store: Store,
    pub reader: Reader,
    pub recovered: Recovered,
}

pub fn open(dir: &Path, program: &Arc<Program>) -> Opened {
    let (store, recovered) = Store::open(dir, program).unwrap();
    Opened { reader: store.reader(), store, recovered }
}

/// What a statement returns, as JSON rows.
pub fn ask(reader: &Reader, sql: &str) -> Json {
    let answer = reader.query(&Query::new(sql)).unwrap_or_else(|error| panic!("{sql}: {error}"));
    json!(answer.rows)
}

/// The same with a destination named `hook`.
pub fn with_webhook() -> Arc<Program> {
    let hook = "destination: hook\nplugin: sonder/webhook@1\nallow: [hook.example]\nreceives:\n  segments: [buyers]\n";
    compile(&[ORDER, VIEW], RULES, Some(hook))
}
