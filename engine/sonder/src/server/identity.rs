//! A decision about who is who that the API is told.

use super::answers::{Answers, trouble};
use serde_json::{Map, Value as Json, json};
use sonder_console::engine::{Decision, DecisionNote, IdentityDecision, Trouble};
use sonder_core::message::Call;
use sonder_core::record::Seq;

impl Answers {
    /// Returns when it is on the disk, with the id of the message.
    pub(super) fn record_decision(&self, decision: &IdentityDecision) -> Result<String, Trouble> {
        let program = self.shared.program.borrow().clone();
        let call = if decision.together { Call::Link } else { Call::Unlink };
        let help = "name people by identifiers of `identity.yaml`, as `kind:value`";
        let spoken = self.speak(&program, message(decision), Some(call), help)?;
        self.submit(&program, spoken)
    }

    /// What stands in the log beside decisions.
    pub(super) fn notes_of_decisions(&self, records: &[u64]) -> Result<Vec<DecisionNote>, Trouble> {
        let reader = self.store.reader();
        let mut notes: Vec<DecisionNote> = Vec::with_capacity(records.len());
        for record in records {
            if notes.iter().any(|note| note.record == *record) {
                continue;
            }
            let logged = reader.log_after(Seq(record.saturating_sub(1)), 1).map_err(trouble)?;
            let Some(logged) = logged.first().filter(|logged| logged.seq.0 == *record) else { continue };
            let Ok(message) = serde_json::from_str::<Map<String, Json>>(&logged.payload) else { continue };
            let text = |key: &str| message.get(key).and_then(Json::as_str).map(str::to_owned);
            notes.push(DecisionNote { record: *record, decision: Decision { reason: text("reason"), by: text("by") } });
        }
        Ok(notes)
    }
}

fn message(decision: &IdentityDecision) -> Map<String, Json> {
    let named = decision.identifiers.iter().map(|it| json!({"kind": it.kind, "value": it.value}));
    let mut message = Map::from_iter([("identifiers".to_owned(), named.collect())]);
    for (key, text) in [("reason", &decision.reason), ("by", &decision.by)] {
        message.extend(text.as_ref().map(|text| (key.to_owned(), Json::from(text.as_str()))));
    }
    message
}
