//! Recorded exchanges: one YAML file for each configuration of a plugin.
//!
//! ```yaml
//! document: https://api.greeter.example/docs        # where the service says that it is so
//! config: {greeting: hello}
//! secrets: {api_key: test-key-1}
//! exchanges:
//!   - name: a greeting
//!     items:
//!       - {kind: message, name: greet, person: {email: ann@shop.example}, payload: {text: Hi}}
//!     calls:
//!       - request:
//!           method: POST
//!           url: https://api.greeter.example/v1/greet
//!           headers: {authorization: "Bearer {{secret:api_key}}"}
//!           body: {text: Hi}
//!         response: {status: 201, body: {id: g1}}
//!     outcomes: [delivered]
//! ```

use crate::host::{Response, SendError};
use serde::Deserialize;
use serde_json::{Map, Value};
use sonder_core::effect::ItemKind;
use sonder_dsl::diagnostic::Report;
use sonder_dsl::source::{SourceFile, SourceSet};
use sonder_dsl::time::Moment;
use std::collections::BTreeMap;

/// One file, read.
#[derive(Clone, Debug)]
pub struct Exchanges {
    /// The file's name.
    pub name: String,
    /// Where the service documents what is recorded.
    pub document: String,
    /// The plugin's configuration.
    pub config: Value,
    /// Secrets, as no service ever gave them out.
    pub secrets: BTreeMap<String, String>,
    /// Why the service's requests carry no idempotency key; absent where they do.
    pub no_key: Option<String>,
    /// The moment of every attempt.
    pub now: Moment,
    /// What was recorded.
    pub exchanges: Vec<Exchange>,
}

/// Items that go in, and all that follows.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    /// What it shows.
    pub name: String,
    /// What is to be delivered.
    pub items: Vec<RecordedItem>,
    /// Requests and answers, in order.
    #[serde(default)]
    pub calls: Vec<Call>,
    /// What becomes of the items: `delivered`, `retry`, `{retry_after: 30}`, `{rejected: why}`, `{unauthorized: why}`.
    pub outcomes: Vec<Value>,
}

/// An item, as short as it can be written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedItem {
    /// `message`, `segment-entered` …
    pub kind: Kind,
    /// Action, segment, trait or event.
    #[serde(default)]
    pub name: String,
    /// Identifiers by kind.
    #[serde(default)]
    pub person: Map<String, Value>,
    /// What the plugin is told.
    #[serde(default)]
    pub payload: Map<String, Value>,
}

/// A kind of item, as the interface names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the interface says what they are")]
pub enum Kind {
    Message,
    SegmentEntered,
    SegmentLeft,
    TraitChanged,
    Event,
    Erase,
}

/// A request, and what it was answered with.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// What the plugin sends.
    pub request: RecordedRequest,
    /// What comes back.
    #[serde(default)]
    pub response: Option<RecordedResponse>,
    /// Or why nothing does.
    #[serde(default)]
    pub error: Option<Silence>,
}

/// A request; `{{secret:NAME}}` stands where the secret is.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedRequest {
    /// `POST` …
    pub method: String,
    /// All of it.
    pub url: String,
    /// Those that matter.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// JSON, or text; of a Web Push message, what was encrypted.
    #[serde(default)]
    pub body: Value,
    /// Who can read the body of a Web Push message.
    #[serde(default)]
    pub subscription: Option<RecordedSubscription>,
}

/// The keys that a browser has and keeps.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedSubscription {
    /// Base64url.
    pub private_key: String,
    /// Base64url.
    pub auth: String,
}

/// An answer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedResponse {
    /// 200 …
    pub status: u16,
    /// In lower case.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// JSON, or text.
    #[serde(default)]
    pub body: Value,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Silence {
    /// None in time.
    Timeout,
    /// No connection.
    Connect,
}

/// A file that is not one of recorded exchanges.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{name}`{place}: {message}")]
pub struct ExchangeError {
    name: String,
    // `, line 3`, where that is known.
    place: String,
    message: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    document: String,
    #[serde(default)]
    config: Map<String, Value>,
    #[serde(default)]
    secrets: BTreeMap<String, String>,
    #[serde(default)]
    no_key: Option<String>,
    #[serde(default)]
    now: Option<String>,
    exchanges: Vec<Exchange>,
}

/// Where a file does not say `now`.
const NOW: &str = "2026-03-01T03:00:00Z";

impl Exchanges {
    /// Reads a file's text.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(name: &str, text: &str) -> Result<Self, ExchangeError> {
        let wrong = |message: String| ExchangeError { name: name.to_owned(), place: String::new(), message };
        let written: Written = serde_json::from_value(yaml(name, text)?).map_err(|error| wrong(error.to_string()))?;
        let now = written.now.as_deref().unwrap_or(NOW);
        let now = Moment::parse(now).ok_or_else(|| wrong(format!("`now`: `{now}` is no moment")))?;
        if written.exchanges.is_empty() {
            return Err(wrong("`exchanges` is empty".to_owned()));
        }
        for exchange in &written.exchanges {
            let odd = |what: &str| wrong(format!("the exchange `{}` {what}", exchange.name));
            if exchange.items.len() != exchange.outcomes.len() {
                return Err(odd("has not as many outcomes as items"));
            }
            if exchange.calls.iter().any(|call| call.response.is_some() == call.error.is_some()) {
                return Err(odd("has a call without a `response` or an `error`, or with both"));
            }
        }
        Ok(Self {
            name: name.to_owned(),
            document: written.document,
            config: Value::Object(written.config),
            secrets: written.secrets,
            no_key: written.no_key,
            now,
            exchanges: written.exchanges,
        })
    }

    /// The first exchange in which all goes well: what the kit makes trouble with.
    #[must_use]
    pub fn sample(&self) -> Option<&Exchange> {
        let well = |exchange: &&Exchange| {
            !exchange.calls.is_empty() && exchange.outcomes.iter().all(|outcome| outcome == "delivered")
        };
        self.exchanges.iter().find(well)
    }
}

fn yaml(name: &str, text: &str) -> Result<Value, ExchangeError> {
    let sources = SourceSet::new(vec![SourceFile { path: name.to_owned(), text: text.to_owned() }]);
    let mut report = Report::default();
    let read = sources.iter().next().and_then(|(file, _)| sonder_dsl::yaml::read(file, text, &mut report));
    if let Some(error) = report.finish().first() {
        let line = error.labels.first().map(|label| sources.position(label.span.file, label.span.start).line);
        let place = line.map(|line| format!(", line {line}")).unwrap_or_default();
        return Err(ExchangeError { name: name.to_owned(), place, message: error.message.clone() });
    }
    Ok(read.map_or(Value::Null, |node| node.to_json()))
}

impl Call {
    /// What comes back.
    ///
    /// # Errors
    /// Why nothing does.
    pub fn answer(&self) -> Result<Response, SendError> {
        match (&self.response, self.error) {
            (Some(response), _) => Ok(response.response()),
            (None, Some(Silence::Connect)) => Err(SendError::Connect("connection refused".to_owned())),
            (None, _) => Err(SendError::Timeout),
        }
    }
}

impl RecordedResponse {
    fn response(&self) -> Response {
        let body = match &self.body {
            Value::Null => Vec::new(),
            Value::String(text) => text.clone().into_bytes(),
            json => json.to_string().into_bytes(),
        };
        let headers = self.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        Response { status: self.status, headers, body }
    }
}

impl Kind {
    /// As the engine knows it.
    #[must_use]
    pub const fn item_kind(self) -> ItemKind {
        match self {
            Self::Message => ItemKind::Message,
            Self::SegmentEntered => ItemKind::SegmentEntered,
            Self::SegmentLeft => ItemKind::SegmentLeft,
            Self::TraitChanged => ItemKind::TraitChanged,
            Self::Event => ItemKind::Event,
            Self::Erase => ItemKind::Erase,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        Exchanges::read("a.yaml", text).unwrap_err().to_string()
    }

    #[test]
    fn a_file_says_what_is_wrong_with_it() {
        let good =
            "document: https://d.example\nexchanges:\n- name: one\n  items: [{kind: erase}]\n  outcomes: [delivered]\n";
        assert_eq!(Exchanges::read("a.yaml", good).unwrap().exchanges.len(), 1);
        assert_eq!(error("document: x\nexchanges: []"), "`a.yaml`: `exchanges` is empty");
        assert_eq!(
            error(&good.replace("[delivered]", "[]")),
            "`a.yaml`: the exchange `one` has not as many outcomes as items"
        );
        assert!(error(&good.replace("kind: erase", "kind: fax")).starts_with("`a.yaml`: unknown variant `fax`"));
        assert!(error("document: [").starts_with("`a.yaml`, line 1: "), "{}", error("document: ["));
    }
}
