//! Paths into a message: `traits.address.country`, `context.device.id`, `userId`.

use crate::message::{Call, Message};
use serde_json::{Map, Value as Json};
use std::borrow::Cow;

/// A path from the top of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MessagePath {
    root: Root,
    /// Keys below the root; empty for a field such as `userId`.
    keys: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Root {
    Traits,
    Context,
    Properties,
    UserId,
    AnonymousId,
    PreviousId,
    GroupId,
    Name,
    /// Another key of the message.
    Rest(String),
}

impl MessagePath {
    /// A path as the project writes it.
    pub(super) fn new(path: &[String]) -> Self {
        let Some((first, keys)) = path.split_first() else {
            return Self { root: Root::Rest(String::new()), keys: Vec::new() };
        };
        let root = match first.as_str() {
            "traits" => Root::Traits,
            "context" => Root::Context,
            "properties" => Root::Properties,
            "userId" | "user_id" => Root::UserId,
            "anonymousId" | "anonymous_id" => Root::AnonymousId,
            "previousId" | "previous_id" => Root::PreviousId,
            "groupId" | "group_id" => Root::GroupId,
            "event" | "name" => Root::Name,
            other => Root::Rest(other.to_owned()),
        };
        Self { root, keys: keys.to_vec() }
    }

    /// A key of `context`.
    pub(super) fn of_context(key: &str) -> Self {
        Self { root: Root::Context, keys: vec![key.to_owned()] }
    }

    /// The first key below `properties`, for a path that leads there.
    pub(super) fn property(&self) -> Option<&str> {
        self.below_properties()?.first().map(String::as_str)
    }

    /// The keys below `properties`, for a path that leads there.
    pub(super) fn below_properties(&self) -> Option<&[String]> {
        (self.root == Root::Properties).then_some(&self.keys)
    }

    /// The keys below the traits of a person, for a path that leads there.
    pub(super) fn below_traits(&self) -> Option<&[String]> {
        match (&self.root, self.keys.split_first()) {
            (Root::Traits, _) => Some(&self.keys),
            (Root::Context, Some((first, rest))) if first == "traits" => Some(rest),
            _ => None,
        }
    }

    /// Puts a value there, into a message without it.
    pub(super) fn put(&self, message: &mut Map<String, Json>, value: Json) {
        let root = match &self.root {
            Root::Traits => "traits",
            Root::Context => "context",
            Root::Properties => "properties",
            Root::UserId => "userId",
            Root::AnonymousId => "anonymousId",
            Root::PreviousId => "previousId",
            Root::GroupId => "groupId",
            // What happened is not said of whom it happened to.
            Root::Name => return,
            Root::Rest(key) => key,
        };
        let mut place = message.entry(root).or_insert(Json::Null);
        for key in &self.keys {
            if !place.is_object() {
                *place = Json::Object(Map::new());
            }
            let Json::Object(object) = place else { return };
            place = object.entry(key.as_str()).or_insert(Json::Null);
        }
        *place = value;
    }

    /// Takes what is there out of a message of that call, wherever a trait or a context may stand. Whether there was something.
    pub(super) fn take(&self, call: Call, message: &mut Map<String, Json>) -> bool {
        let roots: &[&[&str]] = match self.root {
            Root::Traits if call == Call::Group => &[&["context", "traits"]],
            Root::Traits => &[&["traits"], &["context", "traits"]],
            Root::Context => &[&["context"]],
            _ => &[],
        };
        let mut taken = false;
        for root in roots {
            let keys: Vec<&str> = root.iter().copied().chain(self.keys.iter().map(String::as_str)).collect();
            let Some((last, above)) = keys.split_last() else { continue };
            let Some((first, above)) = above.split_first() else { continue };
            let mut place = message.get_mut(*first);
            for key in above {
                place = place.and_then(|it| it.get_mut(*key));
            }
            taken |= place.and_then(Json::as_object_mut).is_some_and(|object| object.shift_remove(*last).is_some());
        }
        taken
    }

    /// What a message has there that could not be read: wherever a trait may stand.
    pub(super) fn find_in_json<'m>(&self, message: &'m Map<String, Json>) -> Option<&'m Json> {
        let below = |root: &str| get(message.get(root)?.as_object()?, &self.keys);
        let context_traits = || get(message.get("context")?.get("traits")?.as_object()?, &self.keys);
        match &self.root {
            Root::Traits => below("traits").or_else(context_traits),
            Root::Context => below("context"),
            Root::Properties => below("properties"),
            Root::Rest(key) if self.keys.is_empty() => message.get(key).filter(|value| !value.is_null()),
            Root::Rest(key) => below(key),
            // No id is a place.
            Root::UserId | Root::AnonymousId | Root::PreviousId | Root::GroupId | Root::Name => None,
        }
    }

    /// What the message has there; `null` is nothing.
    pub(super) fn find<'m>(&self, message: &'m Message) -> Option<Cow<'m, Json>> {
        let field =
            |id: &Option<String>| id.as_deref().filter(|_| self.keys.is_empty()).map(|id| Cow::Owned(Json::from(id)));
        match &self.root {
            Root::Traits => get(person_traits(message)?, &self.keys).map(Cow::Borrowed),
            Root::Context => get(&message.context, &self.keys).map(Cow::Borrowed),
            Root::Properties => get(&message.properties, &self.keys).map(Cow::Borrowed),
            Root::UserId => field(&message.user_id),
            Root::AnonymousId => field(&message.anonymous_id),
            Root::PreviousId => field(&message.previous_id),
            Root::GroupId => field(&message.group_id),
            Root::Name => field(&message.name),
            Root::Rest(key) => match message.rest.get(key)? {
                Json::Object(object) if !self.keys.is_empty() => get(object, &self.keys).map(Cow::Borrowed),
                Json::Null => None,
                value if self.keys.is_empty() => Some(Cow::Borrowed(value)),
                _ => None,
            },
        }
    }
}

/// What the message says of the person: the `traits` of a `group` are the account's, not theirs.
pub(super) fn person_traits(message: &Message) -> Option<&Map<String, Json>> {
    if message.call == Call::Group {
        return message.context.get("traits").and_then(Json::as_object);
    }
    Some(&message.traits)
}

/// The value below an object; `null` is nothing.
pub(super) fn get<'j>(object: &'j Map<String, Json>, path: &[String]) -> Option<&'j Json> {
    let (first, rest) = path.split_first()?;
    if object.is_empty() {
        return None;
    }
    let mut value = object.get(first)?;
    for key in rest {
        value = value.as_object()?.get(key)?;
    }
    (!value.is_null()).then_some(value)
}
