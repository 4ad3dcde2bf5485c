//! `sonder import`: files of events or people, into a running engine or straight into a data directory.

use super::client::{Client, block_on};
use super::output::{Failure, Output};
use super::project::{Project, load};
use super::reach::Place;
use super::run::runtime;
use crate::import::ledger::{Ledger, Progress};
use crate::import::mapping::{EventName, Mapper, Mapping, MappingError, Properties, Time, pair};
use crate::import::{Batcher, Elsewhere, Governed, ImportFile, RowError};
use crate::pipeline::{Pipeline, Submitted, clock, open};
use crate::project::in_region;
use crate::server::announce::announce_at_rest;
use crate::server::{Residents, open_failure, store_failure};
use bytes::Bytes;
use hyper::body::{Body, Frame};
use indicatif::{ProgressBar, ProgressStyle};
use sonder_collect::Refused;
use sonder_dsl::ir::{Program, SourceId};
use sonder_dsl::model::SourceKind;
use sonder_store::files::{FileFormat, FileOptions};
use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

/// Import CSV, JSON lines or Parquet files
///
/// Through the engine that runs on the data directory (or at `--url`), else straight into the directory, which is faster.
/// An import that was interrupted goes on where it was, and importing a file again adds nothing.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  sonder import orders.csv --project shop --event order_completed --time ordered_at --id user_id=customer\n  \
    sonder import log.csv.gz --project shop --mapping log.mapping.yaml\n  \
    sonder import history.ndjson --url http://127.0.0.1:8080"
)]
pub struct Args {
    /// .csv, .tsv, .ndjson, .jsonl, .parquet; the first ones also with .gz
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// How rows become messages; without it, columns have their usual names
    #[arg(long, value_name = "FILE")]
    mapping: Option<PathBuf>,
    /// The source that the messages are of [default: `source` of the mapping, or the project's only file]
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// All rows are this event
    #[arg(long, value_name = "NAME", conflicts_with = "event_column")]
    event: Option<String>,
    /// The column that names the event
    #[arg(long, value_name = "COLUMN")]
    event_column: Option<String>,
    /// The column that says when
    #[arg(long, value_name = "COLUMN")]
    time: Option<String>,
    /// An identifier and its column; may be repeated
    #[arg(long = "id", value_name = "KIND=COLUMN")]
    identifiers: Vec<String>,
    /// A property and its column; may be repeated [default: all columns not named otherwise]
    #[arg(long = "property", value_name = "NAME=COLUMN")]
    properties: Vec<String>,
    /// A trait and its column; may be repeated
    #[arg(long = "trait", value_name = "NAME=COLUMN")]
    traits: Vec<String>,
    /// The format, where the file's name does not say it
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Take CSV values as text: for numbers that are names, such as 00123
    #[arg(long)]
    text: bool,
    /// A query over the table `file`, to rename, convert or filter before anything else
    #[arg(long, value_name = "SQL")]
    select: Option<String>,
    /// Move all times so that the latest row happened now
    #[arg(long)]
    shift_to_now: bool,
    /// Deliver what follows from it to destinations; without this, history is only recorded
    #[arg(long)]
    deliver: bool,
    /// The project's folder, when no engine runs
    #[arg(long, default_value = ".", value_name = "PROJECT")]
    project: PathBuf,
    #[command(flatten)]
    place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Csv,
    Ndjson,
    Parquet,
}

/// What has been imported so far.
#[derive(Clone, Debug, Default)]
struct Sums {
    rows: u64,
    quarantined: u64,
    known: u64,
    elsewhere: Elsewhere,
}

/// Batches between the file and the log.
const AHEAD: usize = 3;
/// How often a line is written where there is no terminal.
const TELL_EVERY: Duration = Duration::from_secs(2);

pub(super) fn run(args: &Args, output: &mut Output<'_>) -> Result<(), Failure> {
    let begin = Instant::now();
    let (mapping, mapping_text) = mapping(args)?;
    let engine = block_on(args.place.engine())?;
    let mut files = Vec::new();
    for path in &args.files {
        let mapper = Mapper::new(mapping.clone()).map_err(|error| mapping_failure(&error, args))?;
        let options = FileOptions { format: args.format.map(Format::of), select: args.select.clone(), text: args.text };
        let mut file = ImportFile::open(path, &options, mapper).map_err(|error| row_failure(&error))?;
        if args.shift_to_now {
            file.shift_to(clock::wall()).map_err(|error| row_failure(&error))?;
        }
        files.push(file);
    }
    let asked = args.source.as_deref().or(mapping.as_ref().and_then(|mapping| mapping.source.as_deref()));
    let sums = match engine {
        Some(client) => through_engine(&Arc::new(client), args, &files, &mapping_text, asked, output)?,
        None => into_directory(args, &files, &mapping_text, asked, output)?,
    };
    let took = begin.elapsed().as_secs_f64();
    if sums.known > 0 {
        output.note(format!("{} had been imported before", rows(sums.known)))?;
    }
    if sums.elsewhere.count() > 0 {
        output.note(format!("left out: {}; the engine there imports them from the same files", sums.elsewhere))?;
    }
    let imported = sums.rows - sums.elsewhere.count();
    output.line(format!(
        "imported {} in {took:.1} s ({:.0} a second), {} of them kept aside",
        rows(imported),
        imported as f64 / took.max(0.001),
        sums.quarantined
    ))
}

/// So many rows.
fn rows(count: u64) -> String {
    if count == 1 { "1 row".to_owned() } else { format!("{count} rows") }
}

/// Streams the messages to a running engine, in one request a file.
fn through_engine(
    client: &Arc<Client>,
    args: &Args,
    files: &[ImportFile],
    mapping: &str,
    source: Option<&str>,
    output: &mut Output<'_>,
) -> Result<Sums, Failure> {
    let Some(source) = source else {
        return Err(Failure::user("it is not said which source the messages are of")
            .help("name one of the project's sources with `--source`, or in the mapping"));
    };
    let runtime = runtime()?;
    let mut sums = Sums::default();
    for file in files {
        let id = file.id(mapping).map_err(|error| row_failure(&error))?;
        let known = runtime.block_on(client.get(&format!("/api/v1/import/{id}")))?;
        let before: Progress = serde_json::from_value(known).unwrap_or_default();
        sums.known += before.rows;
        if before.complete {
            continue;
        }
        let (send, chunks) = mpsc::channel::<Bytes>(AHEAD);
        let answering = {
            let query = [
                ("id", id),
                ("file", file.name().to_owned()),
                ("source", source.to_owned()),
                ("skip", before.rows.to_string()),
                ("deliver", args.deliver.to_string()),
            ];
            let client = Arc::clone(client);
            runtime.spawn(async move { client.stream("/api/v1/import", &query, Chunks(chunks)).await })
        };
        let mut shown = Shown::new(file, before.rows, output)?;
        let read = file.each(before.rows, |first, rows| {
            let count = rows.len() as u64;
            let mut text = Vec::with_capacity(rows.len() * 300);
            for (number, row) in (first..).zip(rows) {
                drop(serde_json::to_writer(&mut text, &file.messages().of(row, number)));
                text.push(b'\n');
            }
            // An engine that refuses stops listening; its answer says why.
            let goes_on = send.blocking_send(Bytes::from(text)).is_ok() && shown.add(count, output).is_ok();
            if goes_on { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        if read.is_err() {
            // The engine must not take a file that could not be read to its end for a complete one.
            answering.abort();
        }
        drop(send);
        read.map_err(|error| row_failure(&error))?;
        shown.finish();
        let answer = runtime.block_on(answering).map_err(|error| Failure::engine(error.to_string()))??;
        sums.rows += answer["rows"].as_u64().unwrap_or(0);
        sums.quarantined += answer["quarantined"].as_u64().unwrap_or(0);
        let elsewhere: Elsewhere = serde_json::from_value(answer["elsewhere"].clone()).unwrap_or_default();
        sums.elsewhere.add(&elsewhere);
    }
    Ok(sums)
}

/// A body whose parts come through a channel.
struct Chunks(mpsc::Receiver<Bytes>);

impl Body for Chunks {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.0.poll_recv(context).map(|chunk| chunk.map(|chunk| Ok(Frame::data(chunk))))
    }
}

/// Writes the log itself: no engine runs on the directory, and none can be started while this goes on.
fn into_directory(
    args: &Args,
    files: &[ImportFile],
    mapping: &str,
    source: Option<&str>,
    output: &mut Output<'_>,
) -> Result<Sums, Failure> {
    let Project { scan, program } = load(&args.project, output)?;
    let source = source_of(&program, source)?;
    let opened = open(&args.place.data, &program).map_err(|error| open_failure(&error))?;
    let program = in_region(&program, opened.store.region()).map_err(|misplaced| {
        let help =
            "the first `sonder run --region` on a data directory says where it stands; or import through that engine";
        Failure::user(format!("the data in `{}`: {misplaced}", args.place.data.display())).help(help)
    })?;
    let people = Arc::new(Residents::of(&opened.shared));
    // Other commands find out from it which project the data belongs to.
    announce_at_rest(&args.place.data, &scan.root)?;
    let runtime = runtime()?;
    let guard = runtime.enter();
    let direct = Direct {
        mapping,
        ledger: Ledger::open(&args.place.data),
        pipeline: Pipeline::start(opened, None, None)?,
        batcher: Batcher::new(program, source, !args.deliver, people),
        runtime: &runtime,
    };
    drop(guard);
    let mut sums = Sums::default();
    let result = files.iter().try_for_each(|file| direct.write(file, &mut sums, output));
    runtime.block_on(direct.pipeline.stop());
    result.map(|()| sums)
}

/// An import straight into a data directory.
struct Direct<'a> {
    mapping: &'a str,
    ledger: Ledger,
    pipeline: Pipeline,
    batcher: Batcher,
    runtime: &'a Runtime,
}

/// A batch that has its place in the queue.
type Entered = Pin<Box<dyn Future<Output = Result<Submitted, Refused>> + Send>>;

/// The same, and what of the rows belongs to other regions.
type UnderWay = (Entered, Elsewhere);

impl Direct<'_> {
    fn write(&self, file: &ImportFile, sums: &mut Sums, output: &mut Output<'_>) -> Result<(), Failure> {
        let id = file.id(self.mapping).map_err(|error| row_failure(&error))?;
        let before = self.ledger.progress(&id);
        sums.known += before.rows;
        if before.complete {
            return Ok(());
        }
        let mut shown = Shown::new(file, before.rows, output)?;
        let entrance = self.pipeline.entrance();
        let messages = file.messages();
        let mut under_way: VecDeque<UnderWay> = VecDeque::new();
        let mut rows = before.rows;
        let mut failure = None;
        let mut settle = |(entered, elsewhere): UnderWay, sums: &mut Sums| -> Result<(), Failure> {
            let submitted = self.runtime.block_on(entered).map_err(|refused| {
                let why = self.pipeline.trouble().map(|reason| format!(": {reason}")).unwrap_or_default();
                Failure::engine(format!("{refused}{why}")).help("run the import again; it goes on where it was")
            })?;
            let count = submitted.messages + elsewhere.count();
            rows += count;
            sums.rows += count;
            sums.elsewhere.add(&elsewhere);
            sums.quarantined += submitted.quarantined;
            Ok(self.ledger.note(&id, Progress { file: file.name().to_owned(), rows, complete: false })?)
        };
        // While one batch is written and another folded, the next one is read and governed here.
        let read = file.each(before.rows, |first, batch| {
            let count = batch.len() as u64;
            let Governed { received, elsewhere } =
                self.batcher.govern(batch, |place, row| messages.of(row, first + place as u64));
            let entered = self.runtime.block_on(entrance.enter_when_there_is_room(self.batcher.program(), received));
            under_way.push_back((Box::pin(entered), elsewhere));
            let mut result = shown.add(count, output);
            while result.is_ok()
                && under_way.len() > AHEAD
                && let Some(entered) = under_way.pop_front()
            {
                result = settle(entered, sums);
            }
            match result {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    failure = Some(error);
                    ControlFlow::Break(())
                }
            }
        });
        if let Some(failure) = failure {
            return Err(failure);
        }
        for entered in under_way {
            settle(entered, sums)?;
        }
        read.map_err(|error| row_failure(&error))?;
        shown.finish();
        Ok(self.ledger.note(&id, Progress { file: file.name().to_owned(), rows, complete: true })?)
    }
}

/// How far a file has come, for somebody who waits: a bar on a terminal, a line now and then elsewhere.
struct Shown {
    bar: Option<ProgressBar>,
    name: String,
    rows: u64,
    told: Instant,
}

impl Shown {
    fn new(file: &ImportFile, begin: u64, output: &Output<'_>) -> Result<Self, Failure> {
        let mut bar = None;
        if output.err_is_terminal {
            let total = file.count().map_err(|error| row_failure(&error))?;
            let style = ProgressStyle::with_template("{msg} {wide_bar} {human_pos}/{human_len} {per_sec} {eta}");
            let it = ProgressBar::new(total).with_message(file.name().to_owned()).with_position(begin);
            it.set_style(style.map_err(|error| Failure::engine(error.to_string()))?);
            bar = Some(it);
        }
        Ok(Self { bar, name: file.name().to_owned(), rows: begin, told: Instant::now() })
    }

    fn add(&mut self, rows: u64, output: &mut Output<'_>) -> Result<(), Failure> {
        self.rows += rows;
        if let Some(bar) = &self.bar {
            bar.set_position(self.rows);
        } else if self.told.elapsed() >= TELL_EVERY {
            self.told = Instant::now();
            output.note(format!("{}: {} rows", self.name, self.rows))?;
        }
        Ok(())
    }

    fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Format {
    const fn of(self) -> FileFormat {
        match self {
            Self::Csv => FileFormat::Csv,
            Self::Ndjson => FileFormat::JsonLines,
            Self::Parquet => FileFormat::Parquet,
        }
    }
}

/// The mapping that file and flags make together, and the text that tells it from others.
fn mapping(args: &Args) -> Result<(Option<Mapping>, String), Failure> {
    let mut text = String::new();
    let mut mapping = None;
    if let Some(path) = &args.mapping {
        let failed = |error| Failure::user(format!("could not read `{}`: {error}", path.display()));
        text = std::fs::read_to_string(path).map_err(failed)?;
        mapping = Some(Mapping::read(&text).map_err(|error| mapping_failure(&error, args))?);
    }
    let pairs = |flags: &[String]| {
        flags
            .iter()
            .map(|flag| pair(flag))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| mapping_failure(&error, args))
    };
    let (identifiers, properties, traits) = (pairs(&args.identifiers)?, pairs(&args.properties)?, pairs(&args.traits)?);
    let has_flags = args.event.is_some() || args.event_column.is_some() || args.time.is_some();
    if has_flags || !identifiers.is_empty() || !properties.is_empty() || !traits.is_empty() {
        let it = mapping.get_or_insert_with(Mapping::default);
        let constant = args.event.clone().map(|name| EventName::All { name });
        it.event = constant.or_else(|| args.event_column.clone().map(EventName::Column)).or_else(|| it.event.take());
        it.time = args.time.clone().map(Time::Column).or_else(|| it.time.take());
        it.identifiers.extend(identifiers);
        it.traits.extend(traits);
        match (&mut it.properties, properties.is_empty()) {
            (Some(Properties::Named(named)), _) => named.extend(properties),
            (slot @ None, true) => *slot = Some(Properties::Rest("*".to_owned())),
            (Some(Properties::Rest(_)), true) => {}
            (slot, false) => *slot = Some(Properties::Named(properties.into_iter().collect())),
        }
        text.push_str(&format!("{it:?}"));
    }
    Ok((mapping, text))
}

fn mapping_failure(error: &MappingError, args: &Args) -> Failure {
    match (&args.mapping, error) {
        (Some(path), MappingError::Malformed(_)) => Failure::user(format!("`{}`: {error}", path.display())),
        _ => Failure::user(error.to_string()),
    }
}

fn row_failure(error: &RowError) -> Failure {
    match error {
        RowError::Rows(error) => store_failure(error),
        RowError::Unreadable { .. } => Failure::user(error.to_string()),
    }
}

/// The source of that name, or the only one that is a file.
fn source_of(program: &Program, name: Option<&str>) -> Result<SourceId, Failure> {
    let mut places = program.sources.iter().enumerate().filter(|(_, source)| match name {
        Some(name) => source.name == name,
        None => source.kind == SourceKind::File,
    });
    match (places.next(), places.next(), name) {
        (Some((place, _)), None, _) => Ok(SourceId(u32::try_from(place).unwrap_or(u32::MAX))),
        (None, _, Some(name)) => Err(Failure::user(format!("the project has no source `{name}`"))
            .help("declare it in `sources/`, with `kind: file`")),
        _ => Err(Failure::user("it is not said which source the messages are of")
            .help("name one of the project's sources with `--source`, or in the mapping")),
    }
}
