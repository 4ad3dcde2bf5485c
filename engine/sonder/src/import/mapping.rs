//! How a row of a file becomes a message.
//!
//! A mapping is a small YAML file, or the same said with flags:
//!
//! ```yaml
//! source: history                  # a source of the project; default: its only source of kind `file`
//! type: track                      # what each row is; default: `track` where there is an event, else `identify`
//! event: event                     # the column that names it; or one name for all rows: `event: {name: order_completed}`
//! events: {paid: order_completed}  # names in the file -> names in the project, where its aliases do not say so
//! time: {column: timestamp, timezone: Europe/Amsterdam}   # or `time: timestamp`
//! identifiers: {user_id: customer, email: mail}           # kind of identifier -> column
//! properties: {product_id: sku, price: amount}            # property -> column; `"*"` for all columns not named
//! traits: {country: country}                              # trait -> column
//! context: {device.type: platform}                        # path in `context` -> column
//! message_id: [basket_id, product_id]   # columns that tell rows apart; default: the file's name, the row's place and content
//! ```
//!
//! Without a mapping, a row that has a `type` is a message in Segment's shape already; any other row gives its columns
//! `event`, `timestamp`, `user_id`, `anonymous_id` and `email` their usual meaning, and the rest are properties.

use serde::Deserialize;
use serde_json::{Map, Value as Json, json};
use sonder_core::message::{Call, parse_timestamp};
use sonder_dsl::time::Moment;
use std::collections::{BTreeMap, BTreeSet};
use xxhash_rust::xxh3::xxh3_128;

/// A row: column -> value.
pub type Row = Map<String, Json>;

/// What a mapping file says.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// A source of the project.
    pub source: Option<String>,
    /// What each row is.
    #[serde(rename = "type", default, deserialize_with = "call")]
    pub call: Option<Call>,
    /// Where the event's name is.
    pub event: Option<EventName>,
    /// Names in the file -> names in the project.
    #[serde(default)]
    pub events: BTreeMap<String, String>,
    /// Where the time is.
    pub time: Option<Time>,
    /// Kind of identifier -> column.
    #[serde(default)]
    pub identifiers: BTreeMap<String, String>,
    /// Property -> column.
    pub properties: Option<Properties>,
    /// Trait -> column.
    #[serde(default)]
    pub traits: BTreeMap<String, String>,
    /// Path in `context`, with dots -> column.
    #[serde(default)]
    pub context: BTreeMap<String, String>,
    /// Columns that tell rows apart.
    #[serde(default)]
    pub message_id: Vec<String>,
}

/// The column that has the event's name, or one name for all rows.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(untagged)]
pub enum EventName {
    /// It is in this column.
    Column(String),
    /// All rows are this event.
    All {
        /// Its name.
        name: String,
    },
}

/// The column that has the time.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(untagged)]
pub enum Time {
    /// In UTC where it does not say.
    Column(String),
    /// In a time zone where it does not say.
    Zoned {
        /// Its name.
        column: String,
        /// An IANA time zone.
        timezone: String,
    },
}

/// Which columns are properties.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(untagged)]
pub enum Properties {
    /// `"*"`: all that nothing else names.
    Rest(String),
    /// These.
    Named(BTreeMap<String, String>),
}

/// Why a mapping cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MappingError {
    /// The file is not a mapping.
    #[error("{0}")]
    Malformed(String),
    /// `properties` is a text other than `"*"`.
    #[error("`properties` is a map of property to column, or `\"*\"`, and not `{0}`")]
    Properties(String),
    /// There is no such time zone.
    #[error("`{0}` is no time zone")]
    Timezone(String),
    /// Something like `a=b` was expected.
    #[error("`{0}` does not say which column: write `name=column`")]
    Pair(String),
}

/// A mapping, ready to be used on rows.
#[derive(Clone, Debug)]
pub struct Mapper {
    mapping: Mapping,
    zone: jiff::tz::TimeZone,
    // Columns that have a meaning of their own, so that `*` leaves them out.
    taken: BTreeSet<String>,
    is_guessed: bool,
}

impl Mapping {
    /// Reads a mapping file.
    ///
    /// # Errors
    /// When it is not one, with the place.
    pub fn read(text: &str) -> Result<Self, MappingError> {
        // As in project files: `n`, `no` and `on` are names, not truth values.
        let options = serde_saphyr::options! { strict_booleans: true };
        serde_saphyr::from_str_with_options(text, options).map_err(|error| MappingError::Malformed(error.to_string()))
    }
}

impl Mapper {
    /// Prepares a mapping; `None` guesses from the columns' names.
    ///
    /// # Errors
    /// When it contradicts itself.
    pub fn new(mapping: Option<Mapping>) -> Result<Self, MappingError> {
        let is_guessed = mapping.is_none();
        let mapping = mapping.unwrap_or_else(usual);
        if let Some(Properties::Rest(text)) = &mapping.properties
            && text != "*"
        {
            return Err(MappingError::Properties(text.clone()));
        }
        let zone = match &mapping.time {
            Some(Time::Zoned { timezone, .. }) => {
                jiff::tz::TimeZone::get(timezone).map_err(|_| MappingError::Timezone(timezone.clone()))?
            }
            _ => jiff::tz::TimeZone::UTC,
        };
        let named = [&mapping.identifiers, &mapping.traits, &mapping.context];
        let mut taken: BTreeSet<String> = named.into_iter().flat_map(BTreeMap::values).cloned().collect();
        taken.extend(mapping.time.as_ref().map(|time| time.column().to_owned()));
        if let Some(EventName::Column(column)) = &mapping.event {
            taken.insert(column.clone());
        }
        Ok(Self { mapping, zone, taken, is_guessed })
    }

    /// When a row happened, where it says.
    #[must_use]
    pub fn time(&self, row: &Row) -> Option<Moment> {
        let column = match &self.mapping.time {
            Some(time) => time.column(),
            None => return None,
        };
        let value = row.get(if self.is_message(row) { "timestamp" } else { column })?;
        if let Json::String(text) = value
            && let Ok(local) = text.trim().parse::<jiff::civil::DateTime>()
            && !text.trim_end().ends_with(['Z', 'z'])
            && Moment::parse(text).is_none()
        {
            return self.zone.to_timestamp(local).ok().map(|at| Moment(at.as_microsecond()));
        }
        parse_timestamp(value)
    }

    /// The message that a row stands for. `place` tells equal rows of one file apart.
    #[must_use]
    pub fn message(&self, mut row: Row, file: &str, place: u64) -> Map<String, Json> {
        let id = self.message_id(&row, file, place);
        if self.is_message(&row) {
            row.entry("messageId").or_insert(Json::String(id));
            return row;
        }
        let mut message = Map::new();
        let name = self.event_name(&row);
        let call = self.mapping.call.unwrap_or(if name.is_some() { Call::Track } else { Call::Identify });
        message.insert("type".into(), json!(call.name()));
        if let Some(name) = name {
            let key = if call == Call::Track { "event" } else { "name" };
            message.insert(key.into(), Json::String(name));
        }
        message.insert("messageId".into(), Json::String(id));
        if let Some(time) = self.timestamp(&row) {
            message.insert("timestamp".into(), time);
        }
        let mut traits = Map::new();
        for (kind, column) in &self.mapping.identifiers {
            let Some(value) = row.get(column).and_then(text) else { continue };
            match kind.as_str() {
                "user_id" => drop(message.insert("userId".into(), Json::String(value))),
                "anonymous_id" => drop(message.insert("anonymousId".into(), Json::String(value))),
                _ => drop(traits.insert(kind.clone(), Json::String(value))),
            }
        }
        for (name, column) in &self.mapping.traits {
            if let Some(value) = row.get(column).filter(|value| !is_empty(value)) {
                traits.insert(name.clone(), value.clone());
            }
        }
        let mut context = Map::new();
        for (path, column) in &self.mapping.context {
            if let Some(value) = row.get(column).filter(|value| !is_empty(value)) {
                place_at(&mut context, path, value.clone());
            }
        }
        if call == Call::Identify || call == Call::Group {
            message.insert("traits".into(), Json::Object(traits));
        } else {
            message.insert("properties".into(), Json::Object(self.properties(row)));
            if !traits.is_empty() {
                context.insert("traits".into(), Json::Object(traits));
            }
        }
        if !context.is_empty() {
            message.insert("context".into(), Json::Object(context));
        }
        message
    }

    fn event_name(&self, row: &Row) -> Option<String> {
        let name = match self.mapping.event.as_ref()? {
            EventName::All { name } => name.clone(),
            EventName::Column(column) => row.get(column).and_then(text)?,
        };
        Some(self.mapping.events.get(&name).cloned().unwrap_or(name))
    }

    /// The time as the message says it; what cannot be read is kept as it is, and the message will be labelled.
    fn timestamp(&self, row: &Row) -> Option<Json> {
        if let Some(time) = self.time(row) {
            return Some(Json::String(time.to_string()));
        }
        let column = self.mapping.time.as_ref()?.column();
        row.get(column).filter(|value| !is_empty(value)).cloned()
    }

    fn properties(&self, mut row: Row) -> Map<String, Json> {
        match &self.mapping.properties {
            None => Map::new(),
            Some(Properties::Rest(_)) => {
                row.retain(|column, value| !self.taken.contains(column) && !is_empty(value));
                row
            }
            Some(Properties::Named(columns)) => columns
                .iter()
                .filter_map(|(name, column)| {
                    let value = row.get(column).filter(|value| !is_empty(value))?;
                    Some((name.clone(), value.clone()))
                })
                .collect(),
        }
    }

    /// The same row of the same file has the same id in every run, so that importing again adds nothing.
    fn message_id(&self, row: &Row, file: &str, place: u64) -> String {
        let text = if self.mapping.message_id.is_empty() {
            format!("{file}\0{place}\0{}", Json::Object(row.clone()))
        } else {
            let values: Vec<_> = self.mapping.message_id.iter().map(|column| row.get(column)).collect();
            json!(values).to_string()
        };
        format!("import-{:032x}", xxh3_128(text.as_bytes()))
    }

    fn is_message(&self, row: &Row) -> bool {
        self.is_guessed && row.get("type").is_some_and(Json::is_string)
    }
}

impl Time {
    fn column(&self) -> &str {
        match self {
            Self::Column(column) | Self::Zoned { column, .. } => column,
        }
    }
}

/// `name=column`, as flags say it.
///
/// # Errors
/// When there is no `=`.
pub fn pair(text: &str) -> Result<(String, String), MappingError> {
    match text.split_once('=') {
        Some((name, column)) if !name.is_empty() && !column.is_empty() => Ok((name.to_owned(), column.to_owned())),
        _ => Err(MappingError::Pair(text.to_owned())),
    }
}

/// Puts a value at a path with dots.
fn place_at(context: &mut Map<String, Json>, path: &str, value: Json) {
    match path.split_once('.') {
        None => drop(context.insert(path.to_owned(), value)),
        Some((first, rest)) => {
            let inner = context.entry(first).or_insert_with(|| json!({}));
            if let Json::Object(inner) = inner {
                place_at(inner, rest, value);
            }
        }
    }
}

fn usual() -> Mapping {
    let same = |name: &str| (name.to_owned(), name.to_owned());
    Mapping {
        event: Some(EventName::Column("event".into())),
        time: Some(Time::Column("timestamp".into())),
        identifiers: ["user_id", "anonymous_id", "email"].into_iter().map(same).collect(),
        properties: Some(Properties::Rest("*".into())),
        ..Mapping::default()
    }
}

fn call<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Call>, D::Error> {
    let name = String::deserialize(deserializer)?;
    let call = Call::named(&name).filter(|call| *call != Call::Alias);
    let help = "one of `track`, `page`, `screen`, `identify`, `group`";
    call.map(Some).ok_or_else(|| serde::de::Error::invalid_value(serde::de::Unexpected::Str(&name), &help))
}

fn is_empty(value: &Json) -> bool {
    value.is_null() || value.as_str().is_some_and(str::is_empty)
}

fn text(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        Json::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(value: Json) -> Row {
        value.as_object().cloned().unwrap()
    }

    fn mapped(yaml: &str, value: Json) -> Json {
        let mapper = Mapper::new(Some(Mapping::read(yaml).unwrap())).unwrap();
        let mut message = mapper.message(row(value), "f.csv", 1);
        message.shift_remove("messageId");
        Json::Object(message)
    }

    #[test]
    fn columns_become_what_the_mapping_says() {
        let yaml = "event: what\nevents: {paid: order_completed}\ntime: {column: at, timezone: Europe/Amsterdam}\n\
                    identifiers: {user_id: who, email: mail}\nproperties: {total: amount, note: note}\n\
                    traits: {country: land}\ncontext: {device.type: platform}\n";
        let value = json!({"what": "paid", "at": "2024-03-13 10:21:14", "who": 7, "mail": "A@x.example", "amount": 9.5,
                           "note": null, "land": "NL", "platform": "mobile", "other": 1});
        assert_eq!(
            mapped(yaml, value),
            json!({"type": "track", "event": "order_completed", "timestamp": "2024-03-13T09:21:14.000000Z", "userId": "7",
                   "properties": {"total": 9.5},
                   "context": {"device": {"type": "mobile"}, "traits": {"country": "NL", "email": "A@x.example"}}})
        );
    }

    #[test]
    fn without_a_mapping_columns_have_their_usual_meaning() {
        let mapper = Mapper::new(None).unwrap();
        let message =
            mapper.message(row(json!({"user_id": "u", "event": "home", "timestamp": "2024-03-13", "x": 1})), "f", 0);
        assert_eq!(message["event"], "home");
        assert_eq!(message["timestamp"], "2024-03-13T00:00:00.000000Z");
        assert_eq!(message["properties"], json!({"x": 1}));
    }

    #[test]
    fn a_row_that_is_a_message_stays_one() {
        let mapper = Mapper::new(None).unwrap();
        let sent = json!({"type": "identify", "userId": "u", "messageId": "m", "traits": {"a": 1}});
        assert_eq!(Json::Object(mapper.message(row(sent.clone()), "f", 0)), sent);
    }

    #[test]
    fn columns_may_be_named_like_old_truth_values() {
        let mapping = Mapping::read("source: s\nevent: on\ntime: y\nproperties: {n: n, no: off}\n").unwrap();
        let read = format!("{:?} {:?} {:?}", mapping.event, mapping.time, mapping.properties);
        for said in ["\"on\"", "\"y\"", "\"n\": \"n\"", "\"no\": \"off\""] {
            assert!(read.contains(said), "{said}: {read}");
        }
    }

    #[test]
    fn rows_without_events_are_people() {
        let message =
            mapped("identifiers: {email: mail}\ntraits: {name: n}\n", json!({"mail": "a@x.example", "n": "Ann"}));
        assert_eq!(message, json!({"type": "identify", "traits": {"email": "a@x.example", "name": "Ann"}}));
    }

    #[test]
    fn ids_are_the_same_in_every_run_and_tell_rows_apart() {
        let mapper = Mapper::new(None).unwrap();
        let id = |file: &str, place| mapper.message(row(json!({"event": "x"})), file, place)["messageId"].clone();
        assert_eq!(id("f", 1), id("f", 1));
        assert_ne!(id("f", 1), id("f", 2));
        let mapping = Mapping { message_id: vec!["order".into()], ..Mapping::default() };
        let mapper = Mapper::new(Some(mapping)).unwrap();
        let id = |order: u64, place| mapper.message(row(json!({"order": order})), "f", place)["messageId"].clone();
        assert_eq!(id(1, 1), id(1, 2), "the columns decide, wherever the row stands");
        assert_ne!(id(1, 1), id(2, 1));
    }

    #[test]
    fn mistakes_in_a_mapping_are_named() {
        assert!(Mapping::read("evnt: x").unwrap_err().to_string().contains("evnt"));
        let all = Mapping { properties: Some(Properties::Rest("all".into())), ..Mapping::default() };
        assert_eq!(Mapper::new(Some(all)).unwrap_err(), MappingError::Properties("all".into()));
        let zone = Time::Zoned { column: "t".into(), timezone: "Mars/Olympus".into() };
        let mars = Mapping { time: Some(zone), ..Mapping::default() };
        assert_eq!(Mapper::new(Some(mars)).unwrap_err(), MappingError::Timezone("Mars/Olympus".into()));
        assert_eq!(pair("a"), Err(MappingError::Pair("a".into())));
    }
}
