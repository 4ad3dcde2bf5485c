//! `sonder audit verify`: goes through the ledger of consent and checks that it is what was written.

use super::client::block_on;
use super::output::{Failure, Output};
use super::reach::{Place, Reach};
use super::table::Rows;
use serde_json::Value as Json;
use sonder_core::consent::ledger::{Entry, Hash, Link, Verification, hex, unhex};
use sonder_dsl::time::Moment;

/// Check the ledgers that prove what happened
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Verify(VerifyArgs),
}

/// Check that no entry of the consent ledger was changed, dropped or inserted
///
/// A chain can't tell that its end was cut off: keep what this prints somewhere else, and give it as `--known` next time.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  sonder audit verify --data ./.sonder\n  \
    sonder audit verify --known 1204:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")]
struct VerifyArgs {
    /// An entry and its hash, as an earlier run printed them
    #[arg(long, value_name = "NUMBER:HASH", value_parser = known)]
    known: Option<(u64, Hash)>,
    #[command(flatten)]
    place: Place,
}

/// Entries that are read at a time.
const PAGE: u64 = 10_000;

pub(super) fn run(args: &Args, output: &mut Output<'_>) -> Result<(), Failure> {
    let Command::Verify(args) = &args.command;
    let mut verification = Verification::default();
    let mut is_known = args.known.is_none_or(|(number, _)| number == 0);
    loop {
        let rows = page(args, verification.number)?;
        for row in &rows.rows {
            let broken = |number: u64| {
                Failure::user(format!(
                    "entry {number} of the consent ledger is not what was written, or one before it is missing"
                ))
                .help("compare with a backup; whatever comes before that entry is sound")
            };
            let link = link(row).ok_or_else(|| broken(verification.number + 1))?;
            verification.next(&link).map_err(|error| broken(error.number))?;
            if let Some((number, hash)) = args.known
                && number == verification.number
            {
                is_known = true;
                if hash != verification.head {
                    return Err(Failure::user(format!("entry {number} has another hash than the one that is known"))
                        .help("the ledger was written anew from some entry at or before it"));
                }
            }
        }
        if (rows.rows.len() as u64) < PAGE {
            break;
        }
    }
    if !is_known {
        let missing = args.known.map_or(0, |(number, _)| number);
        return Err(Failure::user(format!(
            "the ledger ends with entry {}, before entry {missing}",
            verification.number
        ))
        .help("its end was cut off"));
    }
    output.line(format!("{} entries, each as it was written", verification.number))?;
    output.line(format!("{}:{}", verification.number, hex(&verification.head)))
}

fn page(args: &VerifyArgs, after: u64) -> Result<Rows, Failure> {
    let sql = format!(
        "SELECT number, seq, epoch_us(said_at), subject, purpose, granted, source, message_id, method, notice, previous, hash
         FROM consent_ledger WHERE number > {after} ORDER BY number LIMIT {PAGE}"
    );
    block_on(async {
        match args.place.reach().await? {
            Reach::Engine(client) => {
                let body = serde_json::json!({ "sql": sql, "limit": PAGE });
                super::table::from_json(&client.post("/api/v1/query", &body).await?)
            }
            Reach::Data(offline) => offline.query(&sql, PAGE, None),
        }
    })
}

/// `None` for a row that cannot be an entry.
fn link(row: &[Json]) -> Option<Link> {
    let text = |place: usize| row.get(place)?.as_str().map(str::to_owned);
    let entry = Entry {
        number: row.first()?.as_u64()?,
        seq: row.get(1)?.as_u64()?,
        at: Moment(row.get(2)?.as_i64()?),
        subject: text(3)?,
        purpose: text(4)?,
        granted: row.get(5)?.as_bool()?,
        source: text(6)?,
        message_id: text(7)?,
        method: text(8)?,
        notice: text(9),
    };
    Some(Link { entry, previous: unhex(&text(10)?)?, hash: unhex(&text(11)?)? })
}

fn known(text: &str) -> Result<(u64, Hash), String> {
    let (number, hash) = text.split_once(':').ok_or("it is written NUMBER:HASH")?;
    let number = number.parse().map_err(|_| format!("`{number}` is no number of an entry"))?;
    let hash = unhex(hash).ok_or("the hash has 64 hexadecimal digits")?;
    Ok((number, hash))
}
