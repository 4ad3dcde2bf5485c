//! A change of consent that the API is told: it becomes a message, which takes the road of every other.

use super::answers::Answers;
use serde_json::{Map, Value as Json, json};
use sonder_collect::{Intake, Received, Refused};
use sonder_console::engine::{ConsentChange, Subject, Trouble};
use sonder_core::message::{Envelope, Timing, read};
use sonder_dsl::ir::{Program, SourceId};
use sonder_dsl::model::SourceKind;

impl Answers {
    /// Returns when it is on the disk, with the id of the message.
    pub(super) fn record_consent(&self, change: &ConsentChange) -> Result<String, Trouble> {
        let Some(entrance) = &self.entrance else { return Err(unavailable("the engine does not run")) };
        let program = self.shared.program.borrow().clone();
        let unknown = change.purposes.iter().find(|(name, _)| program.consent.purpose(name).is_none());
        if let Some((name, _)) = unknown {
            let known: Vec<String> = program.consent.purposes.iter().map(|it| format!("`{}`", it.name)).collect();
            return Err(refused(format!("there is no purpose `{name}`"), format!("there are {}", known.join(", "))));
        }
        let id = uuid::Uuid::new_v4().to_string();
        let Some(source) = source(&program) else {
            return Err(refused(
                "the project has no source".to_owned(),
                "declare one of kind `server` in sources/".to_owned(),
            ));
        };
        let envelope = Envelope {
            source,
            received_at: crate::pipeline::clock::wall(),
            timing: Timing::Live,
            future_tolerance: program.settings.future_tolerance,
            historical: false,
            call: None,
            sent_at: None,
            context: None,
            integrations: None,
            observed: None,
            new_id: &|| id.clone(),
        };
        let governor = self.governor(&program);
        let governed = read(message(change), &envelope).and_then(|it| Ok((governor.govern(&it)?, it)));
        let (event, message) = governed.map_err(|quarantined| {
            let why = quarantined.reasons.first().map(|reason| reason.message.clone()).unwrap_or_default();
            refused(why, "name somebody by an identifier of `identity.yaml`".to_owned())
        })?;
        let Subject { kind, value } = &change.subject;
        let is_named = event
            .identifiers
            .iter()
            .any(|it| program.identity.identifiers.get(it.kind.index()).is_some_and(|declared| declared.name == *kind));
        if !is_named {
            let help = "only a kind that messages carry as an id or a trait can name somebody here".to_owned();
            return Err(refused(format!("`{kind}:{value}` names nobody"), help));
        }
        let submitted = entrance.submit(&program, vec![Received::Message(message, event)]);
        tokio::runtime::Handle::current().block_on(submitted).map_err(|refused: Refused| match refused {
            Refused::Overloaded { .. } => unavailable("too much is coming in"),
            Refused::Unavailable => unavailable("the log cannot be written"),
            Refused::ShuttingDown => unavailable("the engine is stopping"),
        })?;
        Ok(id)
    }
}

fn refused(message: String, help: String) -> Trouble {
    Trouble::Refused { message, help }
}

fn unavailable(reason: &str) -> Trouble {
    Trouble::Unavailable { reason: reason.to_owned(), retry_after_s: 1 }
}

/// What speaks for the API: the first source that is a server's, for those are trusted with all identifiers.
fn source(program: &Program) -> Option<SourceId> {
    let of = |wanted: &dyn Fn(SourceKind) -> bool| program.sources.iter().position(|source| wanted(source.kind));
    let place = of(&|kind| kind == SourceKind::Server).or_else(|| of(&|_| true))?;
    Some(SourceId(u32::try_from(place).ok()?))
}

fn message(change: &ConsentChange) -> Map<String, Json> {
    let purposes: Map<String, Json> =
        change.purposes.iter().map(|(name, yes)| (name.clone(), Json::from(*yes))).collect();
    let mut consent = Map::from_iter([("purposes".to_owned(), Json::Object(purposes))]);
    consent.insert("method".to_owned(), change.method.as_deref().unwrap_or("api").into());
    for (key, text) in [("notice", &change.notice), ("proof", &change.proof)] {
        consent.extend(text.as_ref().map(|text| (key.to_owned(), Json::from(text.as_str()))));
    }
    let mut context = Map::from_iter([("consent".to_owned(), Json::Object(consent))]);
    let mut message =
        Map::from_iter([("type".to_owned(), "track".into()), ("event".to_owned(), "Consent Updated".into())]);
    let Subject { kind, value } = &change.subject;
    match kind.as_str() {
        "user_id" => _ = message.insert("userId".to_owned(), value.as_str().into()),
        "anonymous_id" => _ = message.insert("anonymousId".to_owned(), value.as_str().into()),
        "device_id" => _ = context.insert("device".to_owned(), json!({"id": value})),
        kind => _ = context.insert("traits".to_owned(), json!({kind: value})),
    }
    message.insert("context".to_owned(), Json::Object(context));
    message
}
