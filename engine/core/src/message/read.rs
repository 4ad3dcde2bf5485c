//! From JSON to a [`Message`], in two steps: [`settle`](Draft::settle) makes the message's JSON what the log keeps, and
//! [`assemble`] reads that. A replay takes the second step only.
//!
//! The client's own bytes are kept where nothing changes; most messages of servers go through without being written again.

use super::{Addresses, Call, Label, Message, Quarantined, Reason, code, inspect, ip, limits, text, time};
use serde_json::{Map, Value as Json};
use sonder_dsl::ir::SourceId;
use sonder_dsl::time::{Duration, Moment};
use std::borrow::Cow;

/// What is known of a message besides what it says itself.
#[derive(Clone, Copy)]
pub struct Envelope<'a> {
    /// Where it came from.
    pub source: SourceId,
    /// When it arrived.
    pub received_at: Moment,
    /// How its times are to be read.
    pub timing: Timing,
    /// How far ahead a client's clock may be before the message is labelled.
    pub future_tolerance: Duration,
    /// Changes state, but nothing is delivered.
    pub historical: bool,
    /// What the path says was called; wins over the message's `type`.
    pub call: Option<Call>,
    /// The batch's `sentAt`, for messages without one.
    pub sent_at: Option<&'a Json>,
    /// The batch's `context`: under the message's own.
    pub context: Option<&'a Map<String, Json>>,
    /// The batch's `integrations`: under the message's own.
    pub integrations: Option<&'a Map<String, Json>>,
    /// Context that the collector saw for itself: over the message's own.
    pub observed: Option<&'a Map<String, Json>>,
    /// What becomes of the client's IP address.
    pub addresses: Addresses<'a>,
    /// Makes an id for a message that has none. Chance belongs to the caller.
    pub new_id: &'a (dyn Fn() -> String + Sync),
}

impl<'a> Envelope<'a> {
    /// Of one message on its own, which says everything itself; of its IP address the network is kept.
    #[must_use]
    pub fn alone(
        source: SourceId,
        received_at: Moment,
        timing: Timing,
        future_tolerance: Duration,
        new_id: &'a (dyn Fn() -> String + Sync),
    ) -> Self {
        Self {
            source,
            received_at,
            timing,
            future_tolerance,
            historical: false,
            call: None,
            sent_at: None,
            context: None,
            integrations: None,
            observed: None,
            addresses: Addresses::default(),
            new_id,
        }
    }
}

/// How the times in a message are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timing {
    /// It was just sent: the client's clock is corrected.
    Live,
    /// It is history: its `timestamp` is right as it is.
    Imported,
    /// It was recorded by a collector: its `timestamp` is right, and its `receivedAt` says when it arrived; without that, it
    /// arrived when it happened.
    Recorded,
}

/// Reads a message from an object that has been parsed.
///
/// # Errors
/// What cannot be read comes back with the reasons and the original.
pub fn read(message: Map<String, Json>, envelope: &Envelope<'_>) -> Result<Message, Quarantined> {
    let text = serde_json::to_string(&message).unwrap_or_default();
    Draft::new(message, &text, envelope).settle()
}

/// Reads a message from JSON text. Half surrogate pairs become U+FFFD; of equal keys the last counts.
///
/// # Errors
/// What cannot be read comes back with the reasons and the original.
pub fn read_text(text: &str, envelope: &Envelope<'_>) -> Result<Message, Quarantined> {
    match Parsed::new(text) {
        Ok(parsed) => parsed.read(envelope),
        Err(reason) => Err(Quarantined {
            source: envelope.source,
            received_at: envelope.received_at,
            occurred_at: None,
            historical: envelope.historical,
            message_id: None,
            name: envelope.call.map(|call| call.name().to_owned()),
            reasons: vec![reason],
            payload: text.trim_ascii().into(),
        }),
    }
}

/// JSON text that is an object: for a reader that has to look into it before its [`Envelope`] is known.
pub struct Parsed<'a> {
    object: Map<String, Json>,
    text: Cow<'a, str>,
}

impl<'a> Parsed<'a> {
    /// Parses an object.
    ///
    /// # Errors
    /// Says why `text` is none.
    pub fn new(text: &'a str) -> Result<Self, Reason> {
        let text = text.trim_ascii();
        let error = match serde_json::from_str(text) {
            Ok(object) => return Ok(Self { object, text: Cow::Borrowed(text) }),
            Err(error) => error,
        };
        if let Cow::Owned(mended) = text::mend_surrogates(text)
            && let Ok(object) = serde_json::from_str(&mended)
        {
            return Ok(Self { object, text: Cow::Owned(mended) });
        }
        Err(unreadable(&error))
    }

    /// The object.
    #[must_use]
    pub fn object(&self) -> &Map<String, Json> {
        &self.object
    }

    /// Reads it as a message.
    ///
    /// # Errors
    /// What cannot be read comes back with the reasons and the original.
    pub fn read(self, envelope: &Envelope<'_>) -> Result<Message, Quarantined> {
        Draft::new(self.object, &self.text, envelope).settle()
    }
}

/// Reads a message again that was kept aside, maybe changed since; `occurred_at` is when it happened, where that is known.
/// What it was stripped of because of consent stays stripped.
///
/// # Errors
/// What still cannot be read comes back with the reasons.
pub fn read_again(
    message: Map<String, Json>,
    occurred_at: Option<Moment>,
    envelope: &Envelope<'_>,
) -> Result<Message, Quarantined> {
    let text = serde_json::to_string(&message).unwrap_or_default();
    let mut noted = vec![Label::Replayed];
    let before = message.get(NOTES).and_then(|notes| notes.get("labels")).and_then(Json::as_array);
    if before.is_some_and(|labels| labels.iter().any(|label| label == Label::Anonymous.name())) {
        Label::Anonymous.note(&mut noted);
    }
    Draft { noted, occurred_at, ..Draft::new(message, &text, envelope) }.settle()
}

/// Makes a message again from what the log kept of it.
///
/// # Errors
/// A payload that was not made by [`read`] may not be one.
pub fn from_log(
    payload: &str,
    source: SourceId,
    occurred_at: Moment,
    received_at: Moment,
    historical: bool,
) -> Result<Message, Vec<Reason>> {
    let object = serde_json::from_str(payload).map_err(|error| vec![unreadable(&error)])?;
    let fixed = Fixed { source, occurred_at, received_at, historical, labels: Vec::new() };
    let mut message = assemble(object, fixed)?;
    message.payload = payload.into();
    Ok(message)
}

/// A message without what is cut out of its JSON, as the log is to keep it, which says why.
///
/// # Errors
/// A payload that was not made by [`read`] may not be a message.
pub(crate) fn left_out(
    message: &Message,
    cut: impl FnOnce(&mut Map<String, Json>),
    why: Label,
) -> Result<Message, Vec<Reason>> {
    let mut json: Map<String, Json> =
        serde_json::from_str(&message.payload).map_err(|error| vec![unreadable(&error)])?;
    cut(&mut json);
    let notes = json.entry(NOTES).or_insert_with(|| Json::Object(Map::new()));
    let before = notes.get_mut("labels").map(Json::take);
    let mut labels = before.and_then(|labels| serde_json::from_value(labels).ok()).unwrap_or_default();
    why.note(&mut labels);
    notes["labels"] = labels.iter().map(|label| label.name()).collect();
    let payload = Json::Object(json).to_string();
    let (occurred_at, received_at) = (message.occurred_at, message.received_at);
    let mut kept = from_log(&payload, message.source, occurred_at, received_at, message.historical)?;
    message.labels.iter().for_each(|label| label.note(&mut kept.labels));
    Ok(kept)
}

fn unreadable(error: &serde_json::Error) -> Reason {
    if error.is_data() {
        return Reason::new(code::MALFORMED, "", "is not a JSON object");
    }
    let text = error.to_string();
    let code = if text.starts_with("recursion limit") { code::TOO_DEEP } else { code::MALFORMED };
    Reason::new(code, "", format!("is not readable as JSON: {text}"))
}

/// The key under which the payload keeps what the collector noted. Clients cannot send it.
const NOTES: &str = "_sonder";

/// A message on its way to what the log keeps.
struct Draft<'a, 'e> {
    json: Map<String, Json>,
    original: &'a str,
    envelope: &'a Envelope<'e>,
    /// Keys that are not in `original`.
    added: Vec<&'static str>,
    /// Whether `original` no longer holds what `json` does, apart from what is added.
    changed: bool,
    /// Labels that it has from before.
    noted: Vec<Label>,
    /// When it happened, where that is known from before.
    occurred_at: Option<Moment>,
}

impl<'a, 'e> Draft<'a, 'e> {
    fn new(json: Map<String, Json>, original: &'a str, envelope: &'a Envelope<'e>) -> Self {
        Self { json, original, envelope, added: Vec::new(), changed: false, noted: Vec::new(), occurred_at: None }
    }

    fn settle(mut self) -> Result<Message, Quarantined> {
        for key in ["writeKey", NOTES] {
            self.changed |= self.json.shift_remove(key).is_some();
        }
        self.settle_type();
        self.settle_message_id();
        if is_absent(self.json.get("sentAt"))
            && let Some(sent_at) = self.envelope.sent_at
        {
            self.set("sentAt", sent_at.clone());
        }
        self.merge_under("context", self.envelope.context);
        self.merge_under("integrations", self.envelope.integrations);
        self.put_observed_context();
        self.settle_address();
        if let Err(reasons) = self.check() {
            return Err(self.quarantined(reasons));
        }
        let fixed = self.settle_times();
        let payload = self.payload();
        // Only a reason to quarantine needs the JSON again, and then the payload has it.
        let (envelope, json) = (self.envelope, self.json);
        assemble(json, fixed).map(|message| Message { payload: payload.as_str().into(), ..message }).map_err(
            |reasons| {
                let json = serde_json::from_str(&payload).unwrap_or_default();
                Draft::new(json, &payload, envelope).quarantined(reasons)
            },
        )
    }

    fn check(&self) -> Result<(), Vec<Reason>> {
        let mut reasons = inspect::inspect(&self.json);
        if self.original.len() > limits::EVENT_BYTES {
            let message = format!("has {} bytes, {} are allowed", self.original.len(), limits::EVENT_BYTES);
            reasons.push(Reason::new(code::TOO_LARGE, "", message));
        }
        reasons.extend(self.presumption());
        if reasons.is_empty() { Ok(()) } else { Err(reasons) }
    }

    /// Who is who, and what is restricted, is decided by the engine's own API, and never by whoever has a write key.
    fn presumption(&self) -> Option<Reason> {
        let sent = self.json.get("type").and_then(Json::as_str)?;
        let is_ours = self.envelope.timing == Timing::Recorded || self.envelope.call.is_some_and(Call::is_ours);
        (!is_ours && Call::named(sent).is_some_and(Call::is_ours)).then(|| unknown_type(sent))
    }

    /// The path wins over the message; a message with an event's name and no type is a `track`.
    fn settle_type(&mut self) {
        let sent = self.json.get("type").and_then(Json::as_str);
        let call = match (self.envelope.call, sent) {
            (Some(call), Some(sent)) if call.name() == sent => return,
            (Some(call), _) => call,
            (None, None) if self.json.contains_key("event") => Call::Track,
            (None, _) => return,
        };
        self.set("type", Json::from(call.name()));
    }

    fn settle_message_id(&mut self) {
        let id = match self.json.get("messageId") {
            Some(Json::String(id)) if !id.is_empty() && id.trim().len() == id.len() => return,
            Some(Json::String(id)) if !id.trim().is_empty() => id.trim().to_owned(),
            Some(Json::Number(id)) => id.to_string(),
            _ => (self.envelope.new_id)(),
        };
        self.set("messageId", Json::from(id));
    }

    fn merge_under(&mut self, key: &'static str, under: Option<&Map<String, Json>>) {
        let Some(under) = under.filter(|under| !under.is_empty()) else { return };
        match self.json.get_mut(key) {
            Some(Json::Object(own)) => {
                for (name, value) in under {
                    if !own.contains_key(name) {
                        own.insert(name.clone(), value.clone());
                        self.changed = true;
                    }
                }
            }
            own if is_absent(own.as_deref()) || is_empty_list(own.as_deref()) => {
                self.set(key, Json::Object(under.clone()));
            }
            _ => {}
        }
    }

    fn put_observed_context(&mut self) {
        let Some(observed) = self.envelope.observed.filter(|observed| !observed.is_empty()) else { return };
        match self.json.get_mut("context") {
            Some(Json::Object(own)) => {
                let is_withheld = ip::is_withheld(own);
                let put = observed.iter().filter(|(name, _)| !(is_withheld && *name == "ip"));
                own.extend(put.map(|(name, value)| (name.clone(), value.clone())));
                self.changed = true;
            }
            own if is_absent(own.as_deref()) || is_empty_list(own.as_deref()) => {
                self.set("context", Json::Object(observed.clone()));
            }
            _ => {}
        }
    }

    fn settle_address(&mut self) {
        let is_observed = self.envelope.observed.is_some_and(|observed| observed.contains_key("ip"));
        if let Some(Json::Object(context)) = self.json.get_mut("context") {
            self.changed |= ip::settle(context, is_observed, &self.envelope.addresses);
        }
    }

    fn settle_times(&mut self) -> Fixed {
        let envelope = self.envelope;
        let received_at = match envelope.timing {
            Timing::Recorded => {
                let arrived = self.json.get("receivedAt").and_then(time::parse_timestamp);
                arrived.or_else(|| time::original_timestamp(&self.json))
            }
            Timing::Live | Timing::Imported => None,
        };
        let received_at = received_at.unwrap_or(envelope.received_at);
        let sent_at = self.json.get("sentAt");
        let mut labels = std::mem::take(&mut self.noted);
        let read = time::occurred_at(
            &self.json,
            received_at,
            sent_at,
            envelope.timing,
            envelope.future_tolerance,
            &mut labels,
        );
        let occurred_at = self.occurred_at.unwrap_or(read);
        // The log keeps no more of the clocks than the two moments, so what they gave rise to is noted.
        if !labels.is_empty() {
            let names = labels.iter().map(|label| Json::from(label.name())).collect();
            let notes = Map::from_iter([("labels".to_owned(), Json::Array(names))]);
            self.set(NOTES, Json::Object(notes));
        }
        Fixed { source: envelope.source, occurred_at, received_at, historical: envelope.historical, labels: Vec::new() }
    }

    fn set(&mut self, key: &'static str, value: Json) {
        match self.json.insert(key.to_owned(), value) {
            None => self.added.push(key),
            Some(_) => self.changed = true,
        }
    }

    /// What the log keeps.
    fn payload(&self) -> String {
        if self.changed {
            return serde_json::to_string(&self.json).unwrap_or_else(|_| self.original.to_owned());
        }
        if self.added.is_empty() {
            return self.original.to_owned();
        }
        let added: Vec<_> =
            self.added.iter().filter_map(|key| self.json.get(*key).map(|value| (*key, value.clone()))).collect();
        text::with_additions(self.original, &added)
    }

    fn quarantined(self, reasons: Vec<Reason>) -> Quarantined {
        let text = |key: &str| self.json.get(key).and_then(Json::as_str).map(str::to_owned);
        let call = self.envelope.call.map(|call| call.name().to_owned());
        Quarantined {
            source: self.envelope.source,
            received_at: self.envelope.received_at,
            occurred_at: None,
            historical: self.envelope.historical,
            message_id: text("messageId"),
            name: text("event").or(call).or_else(|| text("type")),
            reasons,
            payload: self.payload().into(),
        }
    }
}

/// What a message's JSON does not say.
struct Fixed {
    source: SourceId,
    occurred_at: Moment,
    received_at: Moment,
    historical: bool,
    labels: Vec<Label>,
}

/// Takes a settled message apart. The payload is the caller's to fill in.
fn assemble(mut json: Map<String, Json>, fixed: Fixed) -> Result<Message, Vec<Reason>> {
    let mut labels = fixed.labels;
    note_labels(&mut json, &mut labels);
    let mut reasons = Vec::new();
    let call = take_call(&mut json).map_err(|reason| vec![reason])?;
    let message_id = take_message_id(&mut json).map_err(|reason| vec![reason])?;
    let mut properties = take_object(&mut json, "properties", &mut reasons);
    let context = take_object(&mut json, "context", &mut reasons);
    let mut traits = take_object(&mut json, "traits", &mut reasons);
    if call != Call::Group
        && let Some(Json::Object(more)) = context.get("traits")
    {
        for (name, value) in more {
            if !traits.contains_key(name) {
                traits.insert(name.clone(), value.clone());
            }
        }
    }
    let name = take_name(&mut json, call, &mut properties);
    let mut id = |key| take_id(&mut json, key, &mut labels);
    let (anonymous_id, user_id) = (id("anonymousId"), id("userId"));
    let (previous_id, group_id) = (id("previousId"), id("groupId"));

    if call == Call::Track && name.is_none() {
        reasons.push(Reason::new(code::MISSING_EVENT, "/event", "a `track` needs the name of an event"));
    }
    if call == Call::Alias {
        for (key, id) in [("userId", &user_id), ("previousId", &previous_id)] {
            if id.is_none() {
                let message = format!("an `alias` needs a `{key}`");
                reasons.push(Reason::new(code::MISSING_IDENTIFIER, format!("/{key}"), message));
            }
        }
    }
    if !reasons.is_empty() {
        return Err(reasons);
    }
    let (source, occurred_at, received_at, historical) =
        (fixed.source, fixed.occurred_at, fixed.received_at, fixed.historical);
    let payload = Box::default();
    Ok(Message {
        call,
        message_id,
        source,
        occurred_at,
        received_at,
        name,
        anonymous_id,
        user_id,
        previous_id,
        group_id,
        properties,
        traits,
        context,
        rest: json,
        labels,
        payload,
        historical,
    })
}

fn note_labels(json: &mut Map<String, Json>, labels: &mut Vec<Label>) {
    if let Some(mut notes) = json.swap_remove(NOTES)
        && let Some(noted) = notes.get_mut("labels").map(Json::take)
        && let Ok(noted) = serde_json::from_value::<Vec<Label>>(noted)
    {
        noted.into_iter().for_each(|label| label.note(labels));
    }
    if time::has_unreadable_timestamp(json) {
        Label::UnreadableTimestamp.note(labels);
    }
}

fn take_call(json: &mut Map<String, Json>) -> Result<Call, Reason> {
    match json.swap_remove("type") {
        Some(Json::String(sent)) => Call::named(&sent).ok_or_else(|| unknown_type(&sent)),
        _ => Err(Reason::new(code::UNKNOWN_TYPE, "/type", "has no `type`")),
    }
}

fn unknown_type(sent: &str) -> Reason {
    Reason::new(code::UNKNOWN_TYPE, "/type", format!("there is no type `{}`", shortened(sent)))
}

fn take_message_id(json: &mut Map<String, Json>) -> Result<String, Reason> {
    match json.swap_remove("messageId") {
        Some(Json::String(id)) if id.len() <= limits::MESSAGE_ID_BYTES => Ok(id),
        Some(Json::String(id)) => {
            let message = format!("has {} bytes, {} are allowed", id.len(), limits::MESSAGE_ID_BYTES);
            Err(Reason::new(code::TOO_LARGE, "/messageId", message))
        }
        _ => Err(Reason::new(code::MALFORMED, "/messageId", "has no `messageId`")),
    }
}

/// An object; `null` and PHP's `[]` are empty ones.
fn take_object(json: &mut Map<String, Json>, key: &str, reasons: &mut Vec<Reason>) -> Map<String, Json> {
    match json.swap_remove(key) {
        Some(Json::Object(object)) => return object,
        None | Some(Json::Null) => {}
        Some(Json::Array(items)) if items.is_empty() => {}
        Some(other) => {
            let message = format!("must be an object, not {}", kind_of(&other));
            reasons.push(Reason::new(code::MALFORMED, format!("/{key}"), message));
        }
    }
    Map::new()
}

/// The name of a `track`'s event, or of a page or screen; that one, and its category, are properties too.
fn take_name(json: &mut Map<String, Json>, call: Call, properties: &mut Map<String, Json>) -> Option<String> {
    match call {
        Call::Track => json.swap_remove("event").and_then(text_of),
        Call::Page | Call::Screen => {
            let name = json.swap_remove("name").and_then(text_of);
            let category = json.get("category").cloned().and_then(text_of);
            for (key, value) in [("name", name.as_ref()), ("category", category.as_ref())] {
                if let Some(value) = value
                    && is_absent(properties.get(key))
                {
                    properties.insert(key.to_owned(), Json::from(value.as_str()));
                }
            }
            name
        }
        _ => None,
    }
}

/// An id: text that is not blank, or a number as text.
fn take_id(json: &mut Map<String, Json>, key: &str, labels: &mut Vec<Label>) -> Option<String> {
    let sent = json.swap_remove(key)?;
    if !matches!(sent, Json::Null | Json::String(_) | Json::Number(_)) {
        Label::IdentifierRefused.note(labels);
    }
    text_of(sent)
}

/// Text that is not blank, or a number as text.
fn text_of(value: Json) -> Option<String> {
    match value {
        Json::String(text) => (!text.trim().is_empty()).then_some(text),
        Json::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn is_absent(value: Option<&Json>) -> bool {
    value.is_none_or(Json::is_null)
}

fn is_empty_list(value: Option<&Json>) -> bool {
    value.and_then(Json::as_array).is_some_and(Vec::is_empty)
}

/// What a JSON value is, for people.
pub(crate) fn kind_of(value: &Json) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "a boolean",
        Json::Number(_) => "a number",
        Json::String(_) => "a string",
        Json::Array(_) => "a list",
        Json::Object(_) => "an object",
    }
}

/// The client's own text, cut to what a message to people can hold.
pub(crate) fn shortened(text: &str) -> Cow<'_, str> {
    const ENOUGH: usize = 100;
    match text.char_indices().nth(ENOUGH) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}…", text.get(..end).unwrap_or_default())),
    }
}
