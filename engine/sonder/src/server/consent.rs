//! A change of consent that the API is told.

use super::answers::Answers;
use super::speech::refused;
use serde_json::{Map, Value as Json, json};
use sonder_console::engine::{ConsentChange, Subject, Trouble};

impl Answers {
    /// Returns when it is on the disk, with the id of the message.
    pub(super) fn record_consent(&self, change: &ConsentChange) -> Result<String, Trouble> {
        let program = self.shared.program.borrow().clone();
        let unknown = change.purposes.iter().find(|(name, _)| program.consent.purpose(name).is_none());
        if let Some((name, _)) = unknown {
            let known: Vec<String> = program.consent.purposes.iter().map(|it| format!("`{}`", it.name)).collect();
            let help = match known.is_empty() {
                true => "the project declares no purposes: declare them under `purposes` in consent.yaml".to_owned(),
                false => format!("there are {}", known.join(", ")),
            };
            return Err(refused(format!("there is no purpose `{name}`"), help));
        }
        let spoken =
            self.speak(&program, message(change), None, "name somebody by an identifier of `identity.yaml`")?;
        let Subject { kind, value } = &change.subject;
        let is_named =
            spoken.event.identifiers.iter().any(|it| {
                program.identity.identifiers.get(it.kind.index()).is_some_and(|declared| declared.name == *kind)
            });
        if !is_named {
            let help = "only a kind that messages carry as an id or a trait can name somebody here".to_owned();
            return Err(refused(format!("`{kind}:{value}` names nobody"), help));
        }
        self.submit(&program, spoken)
    }
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
