//! How fast batches are written, against a bare DuckDB appender that writes the same log rows in the same run; and how fast
//! they are read again.
//!
//! `cargo bench -p sonder-store --bench append` writes 200,000 rows for each batch size; `cargo bench -p sonder-store --bench append -- 2000000 16384`
//! so many rows in batches of that size alone.

use duckdb::Connection;
use duckdb::arrow::array::{
    ArrayRef, BooleanBuilder, ListBuilder, StringBuilder, TimestampMicrosecondBuilder, UInt64Builder,
};
use duckdb::arrow::record_batch::RecordBatch;
use serde_json::json;
use sonder_core::govern::Governor;
use sonder_core::message;
use sonder_core::record::{Fact, Record, Seq};
use sonder_dsl::ir::{Program, SourceId};
use sonder_dsl::source::{SourceFile, SourceSet};
use sonder_dsl::time::Moment;
use sonder_store::{LogBatch, LogRow, Store, Whose};
use std::error::Error;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const START: i64 = 1_772_323_200_000_000;
const PEOPLE: u64 = 20_000;

fn main() -> Result<(), Box<dyn Error>> {
    // Cargo adds arguments of its own, which are no numbers.
    let numbers: Vec<u64> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let rows = numbers.first().copied().unwrap_or(200_000);
    let sizes = if numbers.len() > 1 { &numbers[1..] } else { &[1, 100, 1_000, 16_384] };
    let program = program()?;
    let mut out = io::stdout().lock();
    for &size in sizes {
        // A commit waits for the disk however small it is: fewer rows for small batches.
        let rows = rows.min(size.max(1) * 2_000);
        let (store_dir, bare_dir) = (tempfile::tempdir()?, tempfile::tempdir()?);
        let bare = bare(&program, bare_dir.path(), rows, size)?;
        let store = store(&program, store_dir.path(), rows, size)?;
        writeln!(
            out,
            "batches of {size:>6}: store {:>9.0} rows/s, {:>6.2} ms each; bare appender {:>9.0} rows/s; ratio {:.2}",
            rows as f64 / store.as_secs_f64(),
            store.as_secs_f64() * 1e3 / (rows / size) as f64,
            rows as f64 / bare.as_secs_f64(),
            bare.as_secs_f64() / store.as_secs_f64(),
        )?;
        if size == sizes[sizes.len() - 1] {
            read_again(&mut out, &program, store_dir.path(), rows / size * size)?;
        }
    }
    Ok(())
}

/// Writes through the store, folding the write-ahead log as the pipeline does.
fn store(program: &Arc<Program>, dir: &Path, rows: u64, size: u64) -> Result<Duration, Box<dyn Error>> {
    let (store, _) = Store::open(dir, program)?;
    let template = Template::new(program)?;
    let mut spent = Duration::ZERO;
    for number in 0..rows / size {
        let batch = LogBatch { rows: template.rows(number * size + 1, size), ..LogBatch::default() };
        let started = Instant::now();
        store.append(program, &batch)?;
        if store.wants_checkpoint() {
            store.checkpoint_wal()?;
        }
        spent += started.elapsed();
    }
    Ok(spent)
}

/// Writes the log rows alone, with nothing but DuckDB; laying them out in columns counts, as it does for the store.
fn bare(program: &Program, dir: &Path, rows: u64, size: u64) -> Result<Duration, Box<dyn Error>> {
    let connection = Connection::open(dir.join("bare.duckdb"))?;
    connection.execute_batch(
        "CREATE TABLE log(seq UBIGINT, received_at TIMESTAMP, occurred_at TIMESTAMP, call VARCHAR, event VARCHAR,
            message_id VARCHAR, source VARCHAR, anonymous_id VARCHAR, user_id VARCHAR, identifiers VARCHAR[],
            historical BOOLEAN, labels VARCHAR[], payload VARCHAR)",
    )?;
    let template = Template::new(program)?;
    let mut spent = Duration::ZERO;
    for number in 0..rows / size {
        let batch = template.rows(number * size + 1, size);
        let started = Instant::now();
        let columns = columns(&batch)?;
        connection.execute_batch("BEGIN TRANSACTION")?;
        let mut appender = connection.appender("log")?;
        appender.append_record_batch(columns)?;
        appender.flush()?;
        drop(appender);
        connection.execute_batch("COMMIT")?;
        spent += started.elapsed();
    }
    Ok(spent)
}

fn columns(rows: &[LogRow]) -> Result<RecordBatch, Box<dyn Error>> {
    let (mut seq, mut received, mut occurred) =
        (UInt64Builder::new(), TimestampMicrosecondBuilder::new(), TimestampMicrosecondBuilder::new());
    let mut texts: [StringBuilder; 7] = Default::default();
    let mut identifiers = ListBuilder::new(StringBuilder::new());
    let mut labels = ListBuilder::new(StringBuilder::new());
    let mut historical = BooleanBuilder::new();
    for row in rows {
        let message = &row.message;
        seq.append_value(row.record.seq.0);
        received.append_value(row.record.received_at.0);
        occurred.append_value(message.occurred_at.0);
        let cells = [
            Some("track"),
            Some("product_viewed"),
            Some(&*message.message_id),
            Some("web"),
            message.anonymous_id.as_deref(),
            message.user_id.as_deref(),
            Some(&*message.payload),
        ];
        for (column, cell) in texts.iter_mut().zip(cells) {
            column.append_option(cell);
        }
        identifiers.values().append_option(message.anonymous_id.as_deref());
        identifiers.append(true);
        labels.append(true);
        historical.append_value(false);
    }
    let [mut call, mut event, mut id, mut source, mut anonymous, mut user, mut payload] = texts;
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("seq", Arc::new(seq.finish())),
        ("received_at", Arc::new(received.finish())),
        ("occurred_at", Arc::new(occurred.finish())),
        ("call", Arc::new(call.finish())),
        ("event", Arc::new(event.finish())),
        ("message_id", Arc::new(id.finish())),
        ("source", Arc::new(source.finish())),
        ("anonymous_id", Arc::new(anonymous.finish())),
        ("user_id", Arc::new(user.finish())),
        ("identifiers", Arc::new(identifiers.finish())),
        ("historical", Arc::new(historical.finish())),
        ("labels", Arc::new(labels.finish())),
        ("payload", Arc::new(payload.finish())),
    ];
    Ok(RecordBatch::try_from_iter(columns)?)
}

fn read_again(out: &mut impl Write, program: &Arc<Program>, dir: &Path, rows: u64) -> Result<(), Box<dyn Error>> {
    let started = Instant::now();
    let (store, recovered) = Store::open(dir, program)?;
    writeln!(out, "open: {:?} with {} message ids", started.elapsed(), recovered.dedup.len())?;
    let reader = store.reader();
    let (mut after, started) = (Seq(0), Instant::now());
    while let Some(last) = reader.log_after(after, 16_384)?.last() {
        after = last.seq;
    }
    writeln!(out, "log_after: {:.0} rows/s", rows as f64 / started.elapsed().as_secs_f64())?;
    let mut took: Vec<Duration> = Vec::new();
    for person in (0..PEOPLE).step_by(997) {
        let whose =
            Whose { identifiers: vec![("anonymous_id".into(), format!("visitor-{person}"))], people: Vec::new() };
        let started = Instant::now();
        if reader.timeline(&whose, None, 50)?.is_empty() {
            return Err("a person has no timeline".into());
        }
        took.push(started.elapsed());
    }
    took.sort_unstable();
    writeln!(out, "timeline: median {:?}, slowest {:?}", took[took.len() / 2], took[took.len() - 1])?;
    let (file, wal) = store.bytes();
    writeln!(out, "{} bytes a row on the disk", (file + wal) / rows.max(1))?;
    Ok(())
}

/// A message like those of a shop, and what governing made of it.
struct Template {
    row: LogRow,
}

impl Template {
    fn new(program: &Program) -> Result<Self, Box<dyn Error>> {
        let message = json!({
            "type": "track", "event": "Product Viewed", "messageId": "m", "anonymousId": "visitor-0",
            "properties": {"product_id": "SKU-104", "category": "coats", "price": 49.95, "quantity": 2},
            "context": {
                "ip": "203.0.113.9", "locale": "nl-NL", "library": {"name": "analytics.js", "version": "2.11.1"},
                "userAgent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0 Safari/537.36",
                "page": {"path": "/coats/104", "referrer": "https://search.example/", "title": "A coat", "url": "https://shop.example/coats/104"}
            },
        });
        let at = Moment(START);
        let message = message::from_log(&message.to_string(), SourceId(0), at, at, false)
            .map_err(|reasons| format!("{reasons:?}"))?;
        let event = Governor::new(program).govern(&message).map_err(|aside| format!("{aside:?}"))?;
        Ok(Self { row: LogRow { record: Record { seq: Seq(0), received_at: at, fact: Fact::Event(event) }, message } })
    }

    fn rows(&self, first: u64, count: u64) -> Vec<LogRow> {
        let row = |seq: u64| {
            let mut row = self.row.clone();
            let visitor = format!("visitor-{}", seq.wrapping_mul(2_654_435_761) % PEOPLE);
            row.record.seq = Seq(seq);
            row.record.received_at = Moment(START + seq.cast_signed() * 1_000);
            let Fact::Event(event) = &mut row.record.fact;
            event.identifiers[0].value = visitor.as_str().into();
            row.message.message_id = format!("{:08x}-2f3a-4c55-9d1e-{:012x}", seq.wrapping_mul(0x9e37_79b9), seq);
            row.message.anonymous_id = Some(visitor);
            row
        };
        (first..first + count).map(row).collect()
    }
}

fn program() -> Result<Arc<Program>, Box<dyn Error>> {
    let file = |path: &str, text: &str| SourceFile { path: path.to_owned(), text: text.to_owned() };
    let event = "event: product_viewed\nproperties:\n  product_id: {type: string}\n  category: {type: string}\n  price: {type: number, multipleOf: 0.01}\n  quantity: {type: integer}\n";
    let compilation = sonder_dsl::compile(SourceSet::new(vec![
        file("sonder.yaml", "name: bench\n"),
        file("sources/web.yaml", "source: web\nkind: server\nwrite_keys: [wk]\n"),
        file("identity.yaml", "identifiers:\n  user_id: {unique: true}\n  anonymous_id: {}\n"),
        file("events/product_viewed.yaml", event),
    ]));
    compilation.program.ok_or_else(|| format!("{:#?}", compilation.diagnostics).into())
}
