//! The ledger of consent: who said what to which purpose.

use super::{Known, PAGE};
use crate::cli::client::block_on;
use crate::cli::output::{Failure, Output};
use crate::cli::reach::{Place, Reach};
use crate::cli::table::{self, Rows};
use serde_json::Value as Json;
use sonder_core::consent::ledger::{Entry, Link, Verification, hex, unhex};
use sonder_dsl::time::Moment;

/// Goes through all of it.
pub(super) fn verify(place: &Place, known: Option<&Known>, output: &mut Output<'_>) -> Result<(), Failure> {
    let mut verification = Verification::default();
    let mut is_known = known.is_none_or(|known| known.number == 0);
    loop {
        let rows = page(place, verification.number)?;
        for row in &rows.rows {
            let broken = |number: u64| {
                Failure::user(format!(
                    "entry {number} of the consent ledger is not what was written, or one before it is missing"
                ))
                .help("compare with a backup; whatever comes before that entry is sound")
            };
            let link = link(row).ok_or_else(|| broken(verification.number + 1))?;
            verification.next(&link).map_err(|error| broken(error.number))?;
            if let Some(known) = known.filter(|known| known.number == verification.number) {
                is_known = true;
                known.is(&verification.head)?;
            }
        }
        if (rows.rows.len() as u64) < PAGE {
            break;
        }
    }
    if !is_known {
        return Err(Known::missing(known, verification.number));
    }
    output.line(format!("{} entries, each as it was written", verification.number))?;
    output.line(format!("{}:{}", verification.number, hex(&verification.head)))
}

fn page(place: &Place, after: u64) -> Result<Rows, Failure> {
    let sql = format!(
        "SELECT number, seq, epoch_us(said_at), subject, purpose, granted, source, message_id, method, notice, previous, hash
         FROM consent_ledger WHERE number > {after} ORDER BY number LIMIT {PAGE}"
    );
    block_on(async {
        match place.reach().await? {
            Reach::Engine(client) => {
                let body = serde_json::json!({ "sql": sql, "limit": PAGE });
                table::from_json(&client.post("/api/v1/query", &body).await?)
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
