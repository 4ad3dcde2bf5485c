//! A decision about who is who that the API is told.

use super::answers::Answers;
use serde_json::{Map, Value as Json, json};
use sonder_console::engine::{IdentityDecision, Trouble};
use sonder_core::message::Call;

impl Answers {
    /// Returns when it is on the disk, with the id of the message.
    pub(super) fn record_decision(&self, decision: &IdentityDecision) -> Result<String, Trouble> {
        let program = self.shared.program.borrow().clone();
        let call = if decision.together { Call::Link } else { Call::Unlink };
        let help = "name people by identifiers of `identity.yaml`, as `kind:value`";
        let spoken = self.speak(&program, message(decision), Some(call), help)?;
        self.submit(&program, spoken)
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
