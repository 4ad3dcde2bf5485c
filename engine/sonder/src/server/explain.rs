//! Why a rule has its value for somebody: their history is read from the log and folded again up to the moment.

use super::answers::{Answers, trouble};
use crate::pipeline::{clock, record};
use sonder_console::engine::{ExplainRequest, Trouble};
use sonder_core::explain::{Explanation, Logged, Past, Who};
use std::sync::Arc;

impl Answers {
    pub(super) fn explain_rule(&self, request: &ExplainRequest) -> Result<Option<Explanation>, Trouble> {
        let (program, reached) = {
            let live = self.shared.live.read();
            (Arc::clone(&live.program), live.state.as_of().1)
        };
        let governor = self.governor(&program);
        let Some((rule, _)) = program.rule_named(&request.rule) else { return Ok(None) };
        let Some(view) = self.view(request.person)? else { return Ok(None) };
        let identifiers: Vec<(String, String)> = view.identifiers.into_iter().map(|it| (it.kind, it.value)).collect();
        let at = request.at.unwrap_or_else(|| reached.max(clock::wall()));
        let messages = self.reader.kin(&identifiers, at).map_err(trouble)?;
        let logged = messages.into_iter().filter_map(|message| {
            Some(Logged { record: record(&program, &governor, &message)?, message_id: message.message_id })
        });
        let named = request.named.as_ref().and_then(|(kind, value)| governor.identifier(*kind, value));
        let who = named.map_or(Who::Person(view.id), Who::Identifier);
        let past = Past::fold(&program, logged, &who, at);
        Ok(past.and_then(|past| past.explain(rule, request.personal)))
    }
}
