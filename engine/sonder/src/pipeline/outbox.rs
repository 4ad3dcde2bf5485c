//! The outbox's two seams to the store: outcomes become durable through the writer, and what does not fit into memory is
//! read back.

use super::writer::{Outcomes, Work};
use serde_json::Value as Json;
use sonder_activate::outcome::{Backlog, BoxFuture, Outcome, OutcomeLog, StoreUnavailable, Verdict};
use sonder_core::effect::{Cause, Delivery, EffectId, ItemKind, PersonId};
use sonder_core::record::Seq;
use sonder_dsl::ir::{DestinationId, Program};
use sonder_dsl::time::Moment;
use sonder_store::{DeliveryOutcome, OutcomeState, Query, Reader};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use tokio::sync::{oneshot, watch};

/// Makes outcomes durable: they go into the next transaction.
pub struct OutcomeSink {
    pub(super) work: Sender<Work>,
}

impl OutcomeLog for OutcomeSink {
    fn record(&self, outcomes: Vec<Outcome>) -> BoxFuture<'_, Result<(), StoreUnavailable>> {
        let rows = outcomes.into_iter().map(row).collect();
        let (answer, answered) = oneshot::channel();
        let sent = self.work.send(Work::Outcomes(Outcomes { rows, answer }));
        Box::pin(async move {
            let stopped = || StoreUnavailable("the engine is stopping".to_owned());
            sent.map_err(|_| stopped())?;
            answered.await.map_err(|_| stopped())?.map_err(StoreUnavailable)
        })
    }
}

fn row(outcome: Outcome) -> DeliveryOutcome {
    let (state, detail) = match outcome.verdict {
        Verdict::Delivered => (OutcomeState::Delivered, None),
        Verdict::Retry { reason, .. } => (OutcomeState::Retry, Some(reason)),
        Verdict::Dead { reason } => (OutcomeState::Dead, Some(reason)),
    };
    DeliveryOutcome { delivery: outcome.id, state, attempt: outcome.attempts, at: outcome.at, status: None, detail }
}

/// Reads deliveries back.
pub struct StoredBacklog {
    /// The store.
    pub reader: Reader,
    /// Names destinations.
    pub program: watch::Receiver<Arc<Program>>,
}

impl Backlog for StoredBacklog {
    fn load<'a>(
        &'a self,
        destination: &'a str,
        after: Option<EffectId>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Delivery>, StoreUnavailable>> {
        let after = after.map_or_else(
            || "0".to_owned(),
            |id| format!("(SELECT coalesce(max(number), 0) FROM deliveries WHERE id = '{:032x}'::UUID)", id.0),
        );
        let sql = format!(
            "SELECT id, person, epoch_us(decided_at), kind, name, identifiers, payload, cause_seq, epoch_us(cause_time)
             FROM deliveries d
             WHERE destination = {} AND number > {after}
               AND NOT EXISTS (SELECT 1 FROM delivery_outcomes o WHERE o.delivery = d.id AND o.state <> 'retry')
             ORDER BY number LIMIT {limit}",
            quoted(destination)
        );
        Box::pin(async move {
            let rows = self.rows(sql).await?;
            let program = Arc::clone(&self.program.borrow());
            let Some(place) = program.destinations.iter().position(|known| known.name == destination) else {
                return Ok(Vec::new());
            };
            let id = DestinationId(u32::try_from(place).unwrap_or(u32::MAX));
            let damaged = || StoreUnavailable("a stored delivery cannot be read".to_owned());
            rows.iter().map(|row| delivery(id, row).ok_or_else(damaged)).collect()
        })
    }

    fn delivered<'a>(
        &'a self,
        destination: &'a str,
        since: Moment,
    ) -> BoxFuture<'a, Result<Vec<(PersonId, Moment)>, StoreUnavailable>> {
        let sql = format!(
            "SELECT d.person, epoch_us(o.ended_at) FROM delivery_outcomes o JOIN deliveries d ON d.id = o.delivery
             WHERE o.state = 'delivered' AND d.destination = {} AND o.ended_at > make_timestamp({})
             ORDER BY o.ended_at",
            quoted(destination),
            since.0.max(0)
        );
        Box::pin(async move {
            let rows = self.rows(sql).await?;
            Ok(rows
                .iter()
                .filter_map(|row| Some((PersonId(id(row.first()?)?), Moment(row.get(1)?.as_i64()?))))
                .collect())
        })
    }
}

impl StoredBacklog {
    async fn rows(&self, sql: String) -> Result<Vec<Vec<Json>>, StoreUnavailable> {
        let reader = self.reader.clone();
        let answer = tokio::task::spawn_blocking(move || reader.query(&Query::new(&sql))).await;
        let answer = answer.map_err(|error| StoreUnavailable(error.to_string()))?;
        Ok(answer.map_err(|error| StoreUnavailable(error.to_string()))?.rows)
    }
}

/// A delivery from the columns of [`StoredBacklog::load`].
fn delivery(destination: DestinationId, row: &[Json]) -> Option<Delivery> {
    let [effect, person, at, kind, name, identifiers, payload, cause_seq, cause_time] = row else { return None };
    let cause = match (cause_seq.as_u64(), cause_time.as_i64()) {
        (Some(seq), _) => Cause::Record(Seq(seq)),
        (None, Some(moment)) => Cause::Timer(Moment(moment)),
        (None, None) => return None,
    };
    Some(Delivery {
        id: EffectId(id(effect)?),
        destination,
        person: PersonId(id(person)?),
        at: Moment(at.as_i64()?),
        cause,
        kind: item_kind(kind.as_str()?)?,
        name: name.as_str()?.to_owned(),
        identifiers: serde_json::from_str(identifiers.as_str()?).ok()?,
        payload: payload.as_str()?.to_owned(),
    })
}

fn item_kind(name: &str) -> Option<ItemKind> {
    Some(match name {
        "message" => ItemKind::Message,
        "segment_entered" => ItemKind::SegmentEntered,
        "segment_left" => ItemKind::SegmentLeft,
        "trait_changed" => ItemKind::TraitChanged,
        "event" => ItemKind::Event,
        "erase" => ItemKind::Erase,
        _ => return None,
    })
}

fn id(value: &Json) -> Option<u128> {
    u128::from_str_radix(&value.as_str()?.replace('-', ""), 16).ok()
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
