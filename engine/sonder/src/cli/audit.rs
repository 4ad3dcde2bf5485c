//! `sonder audit`: who did what through the API, and whether that and the ledger of consent are what was written.

mod consent;
mod deeds;

use super::output::{Failure, Output};
use super::reach::Place;
use sonder_core::consent::ledger::{Hash, unhex};

/// Who read, took away or changed something, and whether the ledgers are what was written
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Log(LogArgs),
    Verify(VerifyArgs),
}

/// Show who read about people, took data away or changed something through the API
///
/// People stand there as pseudonyms, statements without the values in them. What reads or writes the data directory without an
/// engine is not in it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  sonder audit log\n  sonder audit log --who email:ann@shop.example")]
struct LogArgs {
    /// Only what was about this person: `kind:value`, or an id
    #[arg(long, value_name = "WHO")]
    who: Option<String>,
    /// How many at most, the newest
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
    #[command(flatten)]
    place: Place,
}

/// Check that no entry of the consent ledger and of the audit log was changed, dropped or inserted
///
/// A chain can't tell that its end was cut off: keep what this prints somewhere else, and give it as `--known` next time.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  sonder audit verify --data ./.sonder\n  \
    sonder audit verify --known 1204:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")]
struct VerifyArgs {
    /// An entry and its hash, as an earlier run printed them; again for the audit log
    #[arg(long, value_name = "[audit:]NUMBER:HASH", value_parser = known)]
    known: Vec<Known>,
    #[command(flatten)]
    place: Place,
}

/// An entry that is known from before.
#[derive(Clone, Debug)]
struct Known {
    is_of_audit: bool,
    number: u64,
    hash: Hash,
}

/// Entries that are read at a time.
const PAGE: u64 = 10_000;

pub(super) fn run(args: &Args, output: &mut Output<'_>) -> Result<(), Failure> {
    match &args.command {
        Command::Log(args) => deeds::list(&args.place, args.who.as_deref(), args.limit.into(), output),
        Command::Verify(VerifyArgs { known, place }) => {
            let known = |is_of_audit| known.iter().find(|it| it.is_of_audit == is_of_audit);
            consent::verify(place, known(false), output)?;
            deeds::verify(place, known(true), output)
        }
    }
}

impl Known {
    /// Whether the entry of that number still has that hash.
    fn is(&self, hash: &Hash) -> Result<(), Failure> {
        if *hash == self.hash {
            return Ok(());
        }
        Err(Failure::user(format!("entry {} has another hash than the one that is known", self.number))
            .help("the ledger was written anew from some entry at or before it"))
    }

    /// There is no such entry any more.
    fn missing(known: Option<&Self>, last: u64) -> Failure {
        let number = known.map_or(0, |known| known.number);
        Failure::user(format!("the ledger ends with entry {last}, before entry {number}")).help("its end was cut off")
    }
}

fn known(text: &str) -> Result<Known, String> {
    let (is_of_audit, text) = text.strip_prefix("audit:").map_or((false, text), |rest| (true, rest));
    let (number, hash) = text.split_once(':').ok_or("it is written NUMBER:HASH")?;
    let number = number.parse().map_err(|_| format!("`{number}` is no number of an entry"))?;
    let hash = unhex(hash).ok_or("the hash has 64 hexadecimal digits")?;
    Ok(Known { is_of_audit, number, hash })
}
