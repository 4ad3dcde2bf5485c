//! A plugin bound to a file's configuration, and one batch through it.

use super::exchange::{Exchange, Exchanges, RecordedItem};
use super::recorder::{Recorder, Script, Seen};
use crate::host::{Host, Plugin, Plugins};
use crate::outbox::{Answer, Item};
use serde_json::{Value, json};
use sonder_core::effect::{Cause, Delivery, EffectId, PersonId};
use sonder_core::record::Seq;
use sonder_dsl::ir::DestinationId;
use sonder_dsl::model::{Destination, Secret, WriteKey};
use sonder_dsl::time::{Duration, Moment};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The name of the kit's destination.
const NAME: &str = "conformance";

/// See the module.
pub struct Bench<'a> {
    plugins: Plugins,
    plugin: &'a Plugin,
    recorder: &'a Recorder,
    secrets: &'a BTreeMap<String, String>,
    now: Moment,
}

/// What one batch did.
pub struct Run {
    /// What became of the items, as exchanges write it; the error is a batch that failed.
    pub outcomes: Result<Vec<Value>, String>,
    /// What was sent.
    pub seen: Vec<Seen>,
}

impl<'a> Bench<'a> {
    /// Binds the plugin.
    ///
    /// # Errors
    /// Why it does not take the configuration.
    pub fn new(
        host: &Host,
        plugin: &'a Arc<Plugin>,
        recorder: &'a Recorder,
        file: &'a Exchanges,
    ) -> Result<Self, String> {
        let plugins = Plugins::of(host, plugin, &destination(file)).map_err(|problems| {
            problems.iter().map(|problem| problem.message.clone()).collect::<Vec<_>>().join("; ")
        })?;
        Ok(Self { plugins, plugin, recorder, secrets: &file.secrets, now: file.now })
    }

    /// What the plugin says of itself.
    pub fn plugin(&self) -> &Plugin {
        self.plugin
    }

    /// The secrets by name.
    pub fn secrets(&self) -> &BTreeMap<String, String> {
        self.secrets
    }

    /// Delivers one batch, answered by the script.
    pub fn run(&self, items: &[RecordedItem], attempt: u32, script: Script) -> Run {
        self.recorder.play(script);
        let items: Vec<Item> = items.iter().zip(1..).map(|(item, n)| deliverable(item, n, attempt, self.now)).collect();
        let outcomes = match self.plugins.run(NAME, &items, self.now) {
            Some(Ok(answers)) => Ok(answers.into_iter().map(written).collect()),
            Some(Err(failure)) => Err(failure.to_string()),
            None => Err("the plugin is not loaded".to_owned()),
        };
        Run { outcomes, seen: self.recorder.seen() }
    }

    /// `text` with every secret as the plugin wrote it: `{{secret:NAME}}`.
    pub fn without_secrets(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (name, value) in self.secrets {
            text = text.replace(value.as_str(), &format!("{{{{secret:{name}}}}}"));
        }
        text
    }
}

/// The answers of an exchange in their order; what is asked beyond them gets the last one again.
pub fn recorded(exchange: &Exchange) -> Script {
    let answers: Vec<_> = exchange.calls.iter().map(super::exchange::Call::answer).collect();
    Box::new(move |n| match answers.get(n).or(answers.last()) {
        Some(answer) => answer.clone(),
        None => Err(crate::host::SendError::Timeout),
    })
}

/// The idempotency key of the n-th item, from 1.
pub fn key(n: u128) -> String {
    format!("{:032x}", id(n).0)
}

/// Spread out, so that no key is found by chance.
fn id(n: u128) -> EffectId {
    EffectId(n.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835))
}

fn deliverable(item: &RecordedItem, n: u128, attempt: u32, now: Moment) -> Item {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let delivery = Delivery {
        id: id(n),
        destination: DestinationId(0),
        person: PersonId(n),
        at: now,
        cause: Cause::Record(Seq(1)),
        kind: item.kind.item_kind(),
        name: item.name.clone(),
        identifiers: item.person.iter().map(|(kind, value)| (kind.clone(), text(value))).collect(),
        payload: Value::Object(item.payload.clone()).to_string(),
    };
    Item { delivery: Arc::new(delivery), attempt }
}

fn written(answer: Answer) -> Value {
    match answer {
        Answer::Delivered => Value::from("delivered"),
        Answer::RetryAfter { seconds: 0, .. } => Value::from("retry"),
        Answer::RetryAfter { seconds, .. } => json!({"retry_after": seconds}),
        Answer::Rejected(why) => json!({"rejected": why}),
        Answer::Cancelled(why) => json!({"cancelled": why}),
        Answer::Unauthorized(why) => json!({"unauthorized": why}),
    }
}

/// As a project would have it, with the limits that a destination has by default; interpreted languages need more.
fn destination(file: &Exchanges) -> Destination {
    let secret =
        |(name, value): (&String, &String)| Secret { name: name.clone(), value: WriteKey::Literal(value.clone()) };
    Destination {
        name: NAME.to_owned(),
        plugin: String::new(),
        allow: vec!["*".to_owned()],
        allow_private: false,
        secrets: file.secrets.iter().map(secret).collect(),
        config: file.config.clone(),
        purposes: Vec::new(),
        segments: Vec::new(),
        profile_traits: Vec::new(),
        computed_traits: Vec::new(),
        events: Vec::new(),
        identifiers: Vec::new(),
        rate: None,
        pseudonymous: false,
        excludes_probabilistic: false,
        cap_per_person: None,
        memory_limit: 256 << 20,
        batch_limit: 100,
        time_limit: Duration::from_secs(2),
        regions: Vec::new(),
        transfers: Vec::new(),
    }
}
