//! `sonder match`: which records of one table, or of two, are of one person.

use super::output::{Failure, Output};
use super::project::colour;
use crate::server::store_failure;
use sonder_dsl::diagnostic::render::human;
use sonder_dsl::model::Probabilistic;
use sonder_dsl::source::{SourceFile, SourceSet};
use sonder_matching::{Link, MatchError, Matching, Options, Records};
use sonder_store::files::{FileOptions, FileRows};
use std::collections::HashSet;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// Find records of one person that share no identifier
///
/// Compares the fields that `probabilistic.compare` of an identity.yaml names, and learns from the records themselves, without
/// labels, what agreement is worth (Fellegi and Sunter's model). With one file, finds who is in it twice; with two, who
/// is in both. The same files and seed give the same answer.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "PAIRS has the columns id_l, id_r, probability (0 to 1) and weight (log2 of its odds), from the surest on; with \
    --explain also prior, a weight for each field, and alike (what is taken off because two people of one household or name \
    would agree as much): they add up to the weight. CLUSTERS has id and cluster, the id of its first record; where two files share ids, both begin with 1/ or 2/.\n\n\
    Examples:\n  sonder match customers.csv --identity shop/identity.yaml --out pairs.csv --clusters people.csv\n  \
    sonder match crm.csv web.parquet --identity identity.yaml --out pairs.csv --one-to-one --explain"
)]
pub struct Args {
    /// CSV or Parquet with a column `id`
    #[arg(required = true, num_args = 1..=2, value_name = "RECORDS")]
    records: Vec<PathBuf>,
    /// The identity.yaml whose `probabilistic` says what is compared
    #[arg(long, value_name = "FILE")]
    identity: PathBuf,
    /// Where the pairs go, as CSV
    #[arg(long, value_name = "PAIRS")]
    out: PathBuf,
    /// Where the clusters go, as CSV; pairs from `link_at` on make them
    #[arg(long, value_name = "FILE")]
    clusters: Option<PathBuf>,
    /// Write what each comparison contributed
    #[arg(long)]
    explain: bool,
    /// Write pairs that are at least so likely [default: `review_at`]
    #[arg(long, value_name = "PROBABILITY", value_parser = probability)]
    from: Option<f64>,
    /// Link no record to more than one of the other file
    #[arg(long)]
    one_to_one: bool,
    /// For the random pairs that show how often strangers agree
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
}

fn probability(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number| (0.0..=1.0).contains(number));
    number.ok_or_else(|| "a probability is a number from 0 to 1".to_owned())
}

pub fn run(arguments: &Args, output: &mut Output<'_>) -> Result<(), Failure> {
    if arguments.one_to_one && arguments.records.len() == 1 {
        return Err(Failure::user("`--one-to-one` is for two files"));
    }
    let settings = settings(&arguments.identity, output)?;
    let (records, ids) = read(&arguments.records, &settings)?;
    let options =
        Options { block: settings.block.clone(), one_to_one: arguments.one_to_one, ..Options::new(arguments.seed) };
    let from = arguments.from.unwrap_or(settings.review_at);
    let matching = Matching::new(&records, &options, from.min(settings.link_at)).map_err(|error| refused(&error))?;
    let pairs = matching.links().iter().filter(|link| link.score.probability >= from);
    write_pairs(&arguments.out, &records, &ids, &matching, pairs, arguments.explain)?;
    if let Some(place) = &arguments.clusters {
        write_clusters(place, &records, &ids, &matching.clusters(settings.link_at))?;
    }
    let linked = matching.links().partition_point(|link| link.score.probability >= settings.link_at);
    let reviewed = matching.links().partition_point(|link| link.score.probability >= settings.review_at);
    writeln!(
        output.err,
        "{} records, {} pairs compared by {} blocking rules\n\
         {linked} pairs are linked (at least {} likely), {} are for review (at least {}); about {:.0} are expected in all",
        records.len(),
        matching.candidates(),
        matching.rules().len(),
        settings.link_at,
        reviewed.saturating_sub(linked),
        settings.review_at,
        matching.expected(),
    )?;
    Ok(())
}

fn settings(place: &Path, output: &mut Output<'_>) -> Result<Probabilistic, Failure> {
    let text =
        std::fs::read_to_string(place).map_err(|error| Failure::user(format!("{}: {error}", place.display())))?;
    let file = |path: &str, text: String| SourceFile { path: path.to_owned(), text };
    let files = vec![file("sonder.yaml", "name: match\n".to_owned()), file("identity.yaml", text)];
    let compilation = sonder_dsl::compile(SourceSet::new(files));
    if !compilation.diagnostics.is_empty() {
        let text = human::render(&compilation.sources, &compilation.diagnostics, colour(output.err_is_terminal));
        output.err.write_all(text.as_bytes())?;
    }
    let program = compilation.program.ok_or(Failure::Reported)?;
    program.identity.probabilistic.clone().ok_or_else(|| {
        Failure::user(format!("{} has no `probabilistic`", place.display())).help(
            "it says what is compared, for example `probabilistic: {compare: {last_name: name}, link_at: 0.99, review_at: 0.9}`",
        )
    })
}

/// All records, and the id of each in its file.
fn read(files: &[PathBuf], settings: &Probabilistic) -> Result<(Records, Vec<String>), Failure> {
    let mut records = Records::new(&settings.compare).map_err(|error| refused(&error))?;
    let mut ids = Vec::new();
    for (number, place) in files.iter().enumerate() {
        if number == 1 {
            records.begin_second();
        }
        read_file(place, settings, &mut records, &mut ids)?;
    }
    Ok((records, ids))
}

fn read_file(
    place: &Path,
    settings: &Probabilistic,
    records: &mut Records,
    ids: &mut Vec<String>,
) -> Result<(), Failure> {
    let options = FileOptions { text: true, ..FileOptions::default() };
    let rows = FileRows::open(place, &options).map_err(|error| store_failure(&error))?;
    let columns: Vec<&str> = rows.columns().iter().map(|column| column.name.as_str()).collect();
    // Some writers put a blank after each comma.
    let column = |name: &str| columns.iter().find(|column| column.trim() == name).map(|it| (*it).to_owned());
    let missing = |name: &str| {
        let message = format!("{} has no column `{name}`", place.display());
        Failure::user(message).help(format!("its columns are {}", columns.join(", ")))
    };
    let id = column("id").ok_or_else(|| missing("id"))?;
    let compared = settings.compare.iter().map(|(name, _)| column(name).ok_or_else(|| missing(name)));
    let compared: Vec<String> = compared.collect::<Result<_, _>>()?;
    let (mut seen, mut failure) = (HashSet::new(), None);
    rows.each(0, |first, rows| {
        for (row, number) in rows.iter().zip(first + 1..) {
            let cell = |column: &String| match row.get(column) {
                None | Some(serde_json::Value::Null) => None,
                Some(serde_json::Value::String(text)) => Some(text.trim().to_owned()),
                Some(other) => Some(other.to_string()),
            };
            let at = || format!("{}, row {number}", place.display());
            let Some(record) = cell(&id).filter(|id| !id.is_empty()) else {
                failure = Some(Failure::user(format!("{}: the record has no `id`", at())));
                return ControlFlow::Break(());
            };
            if !seen.insert(record.clone()) {
                let message = format!("{}: the id `{record}` was there before", at());
                failure = Some(Failure::user(message).help("each record needs an id of its own"));
                return ControlFlow::Break(());
            }
            let cells: Vec<Option<String>> = compared.iter().map(cell).collect();
            if let Err(error) = records.push(cells.iter().map(Option::as_deref)) {
                failure = Some(refused(&error));
                return ControlFlow::Break(());
            }
            ids.push(record);
        }
        ControlFlow::Continue(())
    })
    .map_err(|error| store_failure(&error))?;
    failure.map_or(Ok(()), Err)
}

fn refused(error: &MatchError) -> Failure {
    let failure = Failure::user(error.to_string());
    match error {
        MatchError::Pairs { .. } => {
            failure.help("name more fields in the rule, or leave `block` out: then the data proposes rules")
        }
        MatchError::Fields { .. } | MatchError::Records => failure,
    }
}

fn write_pairs<'m>(
    place: &Path,
    records: &Records,
    ids: &[String],
    matching: &Matching<'_>,
    pairs: impl Iterator<Item = &'m Link>,
    explain: bool,
) -> Result<(), Failure> {
    let mut out = create(place)?;
    let mut columns: Vec<&str> = vec!["id_l", "id_r", "probability", "weight"];
    if explain {
        columns.push("prior");
        columns.extend(records.fields());
        columns.push("alike");
    }
    let mut write = |row: &[String]| out.write_record(row).map_err(|error| unwritable(place, &error));
    write(&columns.iter().map(|column| (*column).to_owned()).collect::<Vec<_>>())?;
    for link in pairs {
        let mut row: Vec<String> = [link.left, link.right].map(|record| ids[record as usize].clone()).to_vec();
        row.push(format!("{:.6}", link.score.probability));
        row.push(format!("{:.3}", link.score.weight));
        if explain {
            let explanation = matching.explain(link);
            let fields = explanation.fields.iter().map(|(_, weight)| *weight);
            let steps = [explanation.prior].into_iter().chain(fields).chain([explanation.alike]);
            row.extend(steps.map(|weight| format!("{weight:.3}")));
        }
        write(&row)?;
    }
    out.flush().map_err(|error| unwritable(place, &error.into()))
}

fn write_clusters(place: &Path, records: &Records, ids: &[String], clusters: &[u32]) -> Result<(), Failure> {
    let first: HashSet<&String> = ids.iter().take(records.second().unwrap_or(0)).collect();
    let is_ambiguous = ids.iter().skip(first.len()).any(|id| first.contains(id)) && records.second().is_some();
    let named = |record: usize| match (is_ambiguous, records.second()) {
        (true, Some(second)) => format!("{}/{}", if record < second { 1 } else { 2 }, ids[record]),
        _ => ids[record].clone(),
    };
    let mut out = create(place)?;
    let mut write = |row: [String; 2]| out.write_record(row).map_err(|error| unwritable(place, &error));
    write(["id".to_owned(), "cluster".to_owned()])?;
    for (record, cluster) in clusters.iter().enumerate() {
        write([named(record), named(*cluster as usize)])?;
    }
    out.flush().map_err(|error| unwritable(place, &error.into()))
}

fn create(place: &Path) -> Result<csv::Writer<std::fs::File>, Failure> {
    csv::Writer::from_path(place).map_err(|error| unwritable(place, &error))
}

fn unwritable(place: &Path, error: &csv::Error) -> Failure {
    Failure::user(format!("{} cannot be written: {error}", place.display()))
}
