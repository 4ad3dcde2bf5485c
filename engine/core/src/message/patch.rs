//! A patch: what mends messages that were kept aside, so that they can be taken in after all.
//!
//! Places are JSON pointers, as the reasons of quarantine give them: `/properties/price`. The parts of a patch are applied in
//! one order: `rename`, `set`, `default`, `cast`, `remove`. What a part does not fit (nothing is there to be renamed, a text
//! is no number) stays as it is: whether the message is right then, its schema says.
//!
//! INVARIANT: a patch changes neither a message's id nor what it says of consent.

use super::limits;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value as Json};
use sonder_dsl::time::Moment;

/// What is to be changed in each message.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Patch {
    /// From where to where; a value that is there already stays.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub rename: IndexMap<String, String>,
    /// The value of a place, whatever was there.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub set: IndexMap<String, Json>,
    /// The value of a place where there is none, or `null`.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub default: IndexMap<String, Json>,
    /// What a value is to become.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub cast: IndexMap<String, Kind>,
    /// What is to be left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<String>,
}

/// What a value can be cast to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Text, also of a number or a truth.
    String,
    /// A number, also written as text.
    Number,
    /// A whole number, also written as text or as `3.0`.
    Integer,
    /// `true` or `false`, also as text, `1` or `0`.
    Boolean,
    /// A timestamp in RFC 3339, also of seconds or milliseconds since 1970.
    Datetime,
}

/// Why a patch is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// A place is no JSON pointer into a message.
    #[error("`{0}` is no place in a message")]
    NoPointer(String),
    /// A place that no patch may change.
    #[error("`{0}` stays as it was sent")]
    Fixed(String),
    /// Too many changes.
    #[error("a patch has {0} changes, {most} are allowed", most = limits::PATCH_CHANGES)]
    TooMany(usize),
}

/// Places that stay as they were sent: the id, what the engine noted, what was said of consent.
const FIXED: [&str; 5] = ["/messageId", "/_sonder", "/context/consent", "/context/consentManagement", "/context/gpc"];

/// Places that say when something happened.
const TIMES: [&str; 4] = ["/timestamp", "/originalTimestamp", "/sentAt", "/receivedAt"];

impl Patch {
    /// Whether it changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether every place is one that a patch may change.
    ///
    /// # Errors
    /// Says what is wrong with the first that is not.
    pub fn check(&self) -> Result<(), PatchError> {
        let places: Vec<&str> = self.places().collect();
        if places.len() > limits::PATCH_CHANGES {
            return Err(PatchError::TooMany(places.len()));
        }
        for place in places {
            let is_pointer = place.len() > 1
                && place.starts_with('/')
                && !place.ends_with('/')
                && place.len() <= limits::PATCH_PLACE_BYTES;
            if !is_pointer {
                return Err(PatchError::NoPointer(place.to_owned()));
            }
            // A part of what is fixed is fixed, and so is all that it is a part of.
            let touches = |fixed: &&str| is_within(place, fixed) || is_within(fixed, place);
            if FIXED.iter().any(touches) {
                return Err(PatchError::Fixed(place.to_owned()));
            }
        }
        Ok(())
    }

    /// Whether it changes when a message says that something happened.
    #[must_use]
    pub fn changes_time(&self) -> bool {
        self.places().any(|place| TIMES.contains(&place))
    }

    /// Changes a message. To be [checked](Self::check) before.
    pub fn apply(&self, message: &mut Map<String, Json>) {
        for (from, to) in &self.rename {
            if find(message, to).is_none_or(Json::is_null)
                && let Some(value) = take(message, from)
            {
                put(message, to, value);
            }
        }
        for (place, value) in &self.set {
            put(message, place, value.clone());
        }
        for (place, value) in &self.default {
            if find(message, place).is_none_or(Json::is_null) {
                put(message, place, value.clone());
            }
        }
        for (place, kind) in &self.cast {
            if let Some(value) = find(message, place).and_then(|value| kind.cast(value)) {
                put(message, place, value);
            }
        }
        for place in &self.remove {
            take(message, place);
        }
    }

    fn places(&self) -> impl Iterator<Item = &str> {
        let renamed = self.rename.iter().flat_map(|(from, to)| [from, to]);
        let changed = self.set.keys().chain(self.default.keys()).chain(self.cast.keys());
        renamed.chain(changed).chain(&self.remove).map(String::as_str)
    }
}

impl Kind {
    /// The value as this; `None` where it is that already, or cannot be.
    fn cast(self, value: &Json) -> Option<Json> {
        match (self, value) {
            (Self::String, Json::Number(number)) => Some(number.to_string().into()),
            (Self::String, Json::Bool(truth)) => Some(truth.to_string().into()),
            (Self::Number, Json::String(text)) => number(text.trim()),
            (Self::Integer, Json::String(text)) => number(text.trim()).and_then(|value| whole(&value)),
            (Self::Integer, Json::Number(_)) => whole(value),
            (Self::Boolean, Json::String(text)) => match text.trim() {
                "true" | "1" => Some(true.into()),
                "false" | "0" => Some(false.into()),
                _ => None,
            },
            (Self::Boolean, Json::Number(number)) => match number.as_u64() {
                Some(bit @ (0 | 1)) => Some((bit == 1).into()),
                _ => None,
            },
            (Self::Datetime, Json::Number(number)) => moment(number),
            (Self::Datetime, Json::String(text)) => match number(text.trim()) {
                Some(Json::Number(number)) => moment(&number),
                _ => None,
            },
            _ => None,
        }
    }
}

fn number(text: &str) -> Option<Json> {
    let whole = text.parse::<i64>().map(Number::from).ok();
    whole.or_else(|| text.parse().ok().and_then(Number::from_f64)).map(Json::Number)
}

fn whole(value: &Json) -> Option<Json> {
    let number = value.as_f64().filter(|number| number.fract() == 0.0 && number.abs() < 9.0e15)?;
    // Exact: it has no fraction, and is within what a float holds exactly.
    #[expect(clippy::cast_possible_truncation, reason = "checked above")]
    Some(Json::from(number as i64))
}

/// Seconds or milliseconds since 1970: seconds are smaller than any millisecond since 1973.
fn moment(number: &Number) -> Option<Json> {
    const MILLIS_FROM: f64 = 1.0e11;
    let given = number.as_f64().filter(|number| *number >= 0.0 && *number < 1.0e14)?;
    let micros = if given < MILLIS_FROM { given * 1.0e6 } else { given * 1.0e3 };
    #[expect(clippy::cast_possible_truncation, reason = "bounded above")]
    Some(Moment(micros.round() as i64).to_string().into())
}

/// Whether the first place is the second, or within it.
fn is_within(place: &str, other: &str) -> bool {
    place.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn keys(place: &str) -> impl DoubleEndedIterator<Item = String> {
    place.strip_prefix('/').unwrap_or(place).split('/').map(|key| key.replace("~1", "/").replace("~0", "~"))
}

fn find<'m>(message: &'m Map<String, Json>, place: &str) -> Option<&'m Json> {
    let mut keys = keys(place);
    let first = message.get(&keys.next()?)?;
    keys.try_fold(first, |value, key| match value {
        Json::Object(object) => object.get(&key),
        Json::Array(items) => items.get(key.parse::<usize>().ok()?),
        _ => None,
    })
}

/// Takes a member out of its object.
fn take(message: &mut Map<String, Json>, place: &str) -> Option<Json> {
    let mut keys = keys(place);
    let last = keys.next_back()?;
    let object = keys.try_fold(message, |object, key| object.get_mut(&key)?.as_object_mut())?;
    object.shift_remove(&last)
}

/// Puts a value at a place, within objects that are made where there are none. What is within another value stays out.
fn put(message: &mut Map<String, Json>, place: &str, value: Json) {
    let mut keys = keys(place).peekable();
    let mut object = message;
    while let Some(key) = keys.next() {
        if keys.peek().is_none() {
            object.insert(key, value);
            return;
        }
        let inner = object.entry(key).or_insert(Json::Null);
        if inner.is_null() {
            *inner = Json::Object(Map::new());
        }
        let Json::Object(inner) = inner else { return };
        object = inner;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn patched(patch: Json, message: Json) -> Json {
        let patch: Patch = serde_json::from_value(patch).unwrap();
        patch.check().unwrap();
        let Json::Object(mut message) = message else { panic!("an object") };
        patch.apply(&mut message);
        Json::Object(message)
    }

    #[test]
    fn parts_are_applied_in_one_order() {
        let patch = json!({
            "remove": ["/properties/sku"],
            "cast": {"/properties/price": "number", "/properties/count": "integer", "/properties/gift": "boolean"},
            "default": {"/properties/currency": "EUR", "/context/page/path": "/"},
            "set": {"/event": "product_viewed"},
            "rename": {"/properties/amount": "/properties/price"},
        });
        let message =
            json!({"event": "Viewed", "properties": {"amount": " 49.95", "count": "3.0", "gift": 1, "sku": "x"}});
        let expected = json!({"event": "product_viewed", "context": {"page": {"path": "/"}},
            "properties": {"price": 49.95, "count": 3, "gift": true, "currency": "EUR"}});
        assert_eq!(patched(patch, message), expected);
    }

    #[test]
    fn what_does_not_fit_stays() {
        let patch = json!({
            "rename": {"/properties/a": "/properties/b", "/properties/none": "/properties/c"},
            "default": {"/properties/b": 1, "/event/part": 1},
            "cast": {"/properties/b": "integer", "/properties/c": "number", "/properties/d": "datetime"},
        });
        let message = json!({"event": "x", "properties": {"a": 1, "b": 2.5, "c": "2,5", "d": "soon"}});
        assert_eq!(patched(patch, message.clone()), message);
    }

    #[test]
    fn moments_are_seconds_or_milliseconds() {
        for given in [json!(1_772_366_400), json!("1772366400"), json!(1_772_366_400_000_u64)] {
            let out = patched(json!({"cast": {"/timestamp": "datetime"}}), json!({"timestamp": given}));
            assert_eq!(out, json!({"timestamp": "2026-03-01T12:00:00.000000Z"}));
        }
    }

    #[test]
    fn the_id_and_what_was_said_of_consent_stay() {
        let check = |place: &str| Patch { remove: vec![place.to_owned()], ..Patch::default() }.check();
        for fixed in
            ["/messageId", "/_sonder/labels", "/context", "/context/consent/purposes/marketing", "/context/gpc"]
        {
            assert_eq!(check(fixed), Err(PatchError::Fixed(fixed.to_owned())));
        }
        for none in ["", "/", "properties", "/properties/"] {
            assert_eq!(check(none), Err(PatchError::NoPointer(none.to_owned())));
        }
        check("/context/consented").unwrap();
    }

    #[test]
    fn a_patch_has_a_most() {
        let of = |n: usize| Patch { remove: (0..n).map(|n| format!("/p{n}")).collect(), ..Patch::default() };
        of(limits::PATCH_CHANGES).check().unwrap();
        assert_eq!(of(limits::PATCH_CHANGES + 1).check(), Err(PatchError::TooMany(limits::PATCH_CHANGES + 1)));
        let long = |bytes: usize| Patch { remove: vec![format!("/{}", "p".repeat(bytes - 1))], ..Patch::default() };
        long(limits::PATCH_PLACE_BYTES).check().unwrap();
        long(limits::PATCH_PLACE_BYTES + 1).check().unwrap_err();
    }
}
