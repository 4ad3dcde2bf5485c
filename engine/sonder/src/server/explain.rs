//! Why a rule has its value for somebody, and who they were: their history is read from the log and folded again up to the
//! moment.

use super::answers::{Answers, trouble};
use crate::pipeline::{clock, record};
use sonder_console::engine::{ExplainRequest, PastRequest, Person, Trouble};
use sonder_core::effect::PersonId;
use sonder_core::explain::{Explanation, Logged, Past, Who};
use sonder_dsl::ir::{IdentifierKindId, Program};
use sonder_dsl::time::Moment;
use std::sync::Arc;

impl Answers {
    pub(super) fn explain_rule(&self, request: &ExplainRequest) -> Result<Option<Explanation>, Trouble> {
        let program = Arc::clone(&self.shared.live.read().program);
        let Some((rule, _)) = program.rule_named(&request.rule) else { return Ok(None) };
        let reached = self.shared.live.read().state.as_of().1;
        let at = request.at.unwrap_or_else(|| reached.max(clock::wall()));
        let past = self.past(&program, request.person, request.named.as_ref(), at)?;
        Ok(past.and_then(|past| past.explain(rule, request.personal)))
    }

    pub(super) fn person_then(&self, request: &PastRequest) -> Result<Option<Person>, Trouble> {
        let program = Arc::clone(&self.shared.live.read().program);
        let past = self.past(&program, request.person, request.named.as_ref(), request.at)?;
        Ok(past.and_then(|past| past.view()).map(Person::from))
    }

    /// Somebody's history, folded up to a moment.
    fn past(
        &self,
        program: &Arc<Program>,
        person: PersonId,
        named: Option<&(IdentifierKindId, String)>,
        at: Moment,
    ) -> Result<Option<Past>, Trouble> {
        let governor = self.governor(program);
        let Some(view) = self.view(person)? else { return Ok(None) };
        let identifiers: Vec<(String, String)> = view.identifiers.into_iter().map(|it| (it.kind, it.value)).collect();
        let messages = self.reader.kin(&identifiers, at).map_err(trouble)?;
        let logged = messages.into_iter().filter_map(|message| {
            Some(Logged { record: record(program, &governor, &message)?, message_id: message.message_id })
        });
        let named = named.and_then(|(kind, value)| governor.identifier(*kind, value));
        let who = named.map_or(Who::Person(view.id), Who::Identifier);
        Ok(Past::fold(program, logged, &who, at))
    }
}
