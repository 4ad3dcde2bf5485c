//! Where personal data stands in a message: what the project marks `pii` of the event's properties and of the golden record.
//!
//! Places are found in the text of a message, so that what is around them stays as it was sent.

use super::payload;
use serde::de::{DeserializeSeed, Deserializer as _, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value as Json};
use sonder_core::explain;
use sonder_core::message::Message;
use sonder_dsl::ir::{EventId, Program, RuleId};
use sonder_dsl::model::{EventSchema, Property};
use std::fmt;
use std::ops::Range;

/// Where personal data stands in the messages of a project.
#[derive(Debug, Default)]
pub(crate) struct Places {
    /// By `EventId`: what is marked of its properties, and of the golden record.
    events: Vec<(String, Tree)>,
    /// Of messages that are no declared event: what is marked of the golden record.
    others: Tree,
    /// Traits whose values are personal, computed ones among them.
    traits: Tree,
    /// By `RuleId`: whether the value is personal.
    rules: Vec<bool>,
}

/// Keys of an object that lead to personal data.
#[derive(Clone, Debug, Default, PartialEq)]
struct Tree(Vec<(String, Node)>);

#[derive(Clone, Debug, PartialEq)]
enum Node {
    /// The value as a whole.
    Value,
    /// Something in it.
    Below(Tree),
}

/// Identifiers stay readable, and so does what happened.
const READABLE: [&str; 11] = [
    "userId",
    "user_id",
    "anonymousId",
    "anonymous_id",
    "previousId",
    "previous_id",
    "groupId",
    "group_id",
    "event",
    "type",
    "messageId",
];

impl Places {
    pub fn new(program: &Program) -> Self {
        let mut others = Tree::default();
        for declared in program.profile.iter().filter(|declared| declared.pii.is_some()) {
            for path in declared.from.paths() {
                others.add(path);
                if let Some((first, rest)) = path.split_first()
                    && first == "traits"
                {
                    others.add(
                        &["context".to_owned(), "traits".to_owned()]
                            .into_iter()
                            .chain(rest.iter().cloned())
                            .collect::<Vec<_>>(),
                    );
                }
            }
        }
        let events = program.events.iter().map(|schema| {
            let mut tree = others.clone();
            for property in schema.properties.iter().filter(|property| is_personal(schema, property)) {
                tree.add(&["properties".to_owned(), property.name.clone()]);
                // Pages and screens have these beside their properties, too.
                if matches!(schema.name.as_str(), "page_viewed" | "screen_viewed")
                    && matches!(property.name.as_str(), "name" | "category")
                {
                    tree.add(std::slice::from_ref(&property.name));
                }
            }
            (schema.name.clone(), tree)
        });
        let rules: Vec<bool> =
            (0..program.rules.len()).map(|id| explain::is_personal(program, RuleId(id as u32))).collect();
        let declared = program.profile.iter().filter(|it| it.pii.is_some()).map(|it| &it.name);
        let computed = program.rules.iter().zip(&rules).filter(|(_, personal)| **personal).map(|(rule, _)| &rule.name);
        let traits = Tree(declared.chain(computed).map(|name| (name.clone(), Node::Value)).collect());
        Self { events: events.collect(), others, traits, rules }
    }

    /// Whether a message may have any: asked of its parts, without reading its text.
    pub fn are_in(&self, event: Option<EventId>, message: &Message) -> bool {
        let has = |node: &Node, object: &Map<String, Json>| match node {
            Node::Value => !object.is_empty(),
            Node::Below(tree) => tree.0.iter().any(|(key, _)| object.contains_key(key)),
        };
        let tree = event.and_then(|id| self.events.get(id.index())).map_or(&self.others, |(_, tree)| tree);
        tree.0.iter().any(|(key, node)| match key.as_str() {
            "properties" => has(node, &message.properties),
            "traits" => has(node, &message.traits),
            "context" => has(node, &message.context),
            "name" => message.name.is_some() || message.rest.contains_key("name"),
            other => message.rest.contains_key(other),
        })
    }

    /// Whether a rule's value is personal.
    pub fn is_personal(&self, rule: RuleId) -> bool {
        self.rules.get(rule.index()).copied().unwrap_or(false)
    }

    /// The names of traits whose values are personal.
    pub fn personal_traits(&self) -> impl Iterator<Item = &str> {
        self.traits.0.iter().map(|(name, _)| name.as_str())
    }

    /// Traits as JSON, with the word in the places of those that are personal.
    pub fn veiled(&self, traits: &str) -> String {
        let mut found = Vec::new();
        // What is no object has no traits.
        let _ = self.traits.find(traits, 0, &mut found);
        payload::part(traits, &found).map_or_else(String::new, |parted| parted.text)
    }

    /// The places in the text of a message, in order; `event` is the name of the event, where it is one that is declared. A
    /// text that is no message has none.
    pub fn find(&self, event: Option<&str>, text: &str) -> Vec<Range<usize>> {
        let named = event.and_then(|name| self.events.iter().find(|(known, _)| known == name));
        let tree = named.map_or(&self.others, |(_, tree)| tree);
        let mut found = Vec::new();
        // What cannot be read was not taken in as a message.
        let _ = tree.find(text, 0, &mut found);
        found
    }
}

/// Whether a property is personal data, or something in it is.
pub(crate) fn is_personal(schema: &EventSchema, property: &Property) -> bool {
    property.pii.is_some()
        || schema.json_schema.get("properties").and_then(|it| it.get(&property.name)).is_some_and(has_mark)
}

/// Whether something is marked in a schema. A property that is called `pii` is no mark.
fn has_mark(schema: &Json) -> bool {
    match schema {
        Json::Object(keys) => keys.get("pii").is_some_and(Json::is_string) || keys.values().any(has_mark),
        Json::Array(items) => items.iter().any(has_mark),
        _ => false,
    }
}

impl Tree {
    fn add(&mut self, path: &[String]) {
        let Some((first, rest)) = path.split_first() else { return };
        if READABLE.contains(&first.as_str()) {
            return;
        }
        self.grow(first, rest);
    }

    fn grow(&mut self, key: &str, rest: &[String]) {
        let place = self.0.iter().position(|(known, _)| known == key).unwrap_or_else(|| {
            self.0.push((key.to_owned(), Node::Below(Self::default())));
            self.0.len() - 1
        });
        match (&mut self.0[place].1, rest.split_first()) {
            (Node::Value, _) => {}
            (node, None) => *node = Node::Value,
            (Node::Below(tree), Some((next, rest))) => tree.grow(next, rest),
        }
    }

    /// Adds the places in `text`, which begins at `start` of the whole.
    fn find(&self, text: &str, start: usize, found: &mut Vec<Range<usize>>) -> Result<(), serde_json::Error> {
        let mut reader = serde_json::Deserializer::from_str(text);
        let (tree, base) = (self, text.as_ptr() as usize);
        reader.deserialize_map(Search { tree, base, start, found })
    }
}

/// Goes through an object.
struct Search<'a> {
    tree: &'a Tree,
    /// Where the text begins in memory, and in the whole.
    base: usize,
    start: usize,
    found: &'a mut Vec<Range<usize>>,
}

impl<'de> Visitor<'de> for Search<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(which) = map.next_key_seed(Which(self.tree))? {
            let Some((_, node)) = which.and_then(|place| self.tree.0.get(place)) else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let raw = map.next_value::<&RawValue>()?.get();
            let from = self.start + (raw.as_ptr() as usize - self.base);
            match node {
                Node::Value if raw != "null" => self.found.push(from..from + raw.len()),
                Node::Below(tree) if raw.starts_with('{') => {
                    tree.find(raw, from, self.found).map_err(A::Error::custom)?;
                }
                Node::Value | Node::Below(_) => {}
            }
        }
        Ok(())
    }
}

/// Which key of a tree it is.
struct Which<'a>(&'a Tree);

impl<'de> DeserializeSeed<'de> for Which<'_> {
    type Value = Option<usize>;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Option<usize>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Which<'_> {
    type Value = Option<usize>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Option<usize>, E> {
        Ok(self.0.0.iter().position(|(known, _)| known == key))
    }
}

#[cfg(test)]
mod tests {
    use super::super::payload::{join, part};
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;
    use sonder_core::message::from_log;
    use sonder_dsl::ir::SourceId;
    use sonder_dsl::source::{SourceFile, SourceSet};
    use sonder_dsl::time::Moment;

    const ORDER: &str = "event: order\nproperties:\n  note: {type: string, pii: sensitive}\n  \
                         ship_to: {type: object, pii: contact}\n  total: {type: number}\n";
    const PAGE: &str = "event: page_viewed\nproperties:\n  name: {type: string, pii: personal}\n";
    const PROFILE: &str = "traits:\n  phone: {type: string, pii: contact}\n  plan: {type: string}\n  \
                           born: {type: string, pii: personal, from: [traits.person.born, context.born]}\n";

    fn places() -> (Places, Program) {
        let file = |path: &str, text: &str| SourceFile { path: path.to_owned(), text: text.to_owned() };
        let files = vec![
            file("sonder.yaml", "name: shop"),
            file("profile.yaml", PROFILE),
            file("events/order.yaml", ORDER),
            file("events/page.yaml", PAGE),
        ];
        let compilation = sonder_dsl::compile(SourceSet::new(files));
        let program = compilation.program.unwrap_or_else(|| panic!("{:#?}", compilation.diagnostics));
        (Places::new(&program), Program::clone(&program))
    }

    fn found(event: Option<&str>, text: &str) -> Vec<String> {
        places().0.find(event, text).into_iter().map(|place| text[place].to_owned()).collect()
    }

    #[test]
    fn what_is_marked_is_found_however_it_is_written_and_nothing_else() {
        let text = r#" {"event":"order", "properties" : {"total":1.50,"note" :  "a \"b\" }","ship_to":{"street":[1,{"x":null}]},
            "note":7,"other":{"note":"no"}},"traits":{"phone":"+31","plan":"pro","person":{"born":"1980","x":1}},
            "context":{"traits":{"phone":null,"person":{"b\u006frn":"1981"}},"born":"1982","note":"no"},"note":"no"}"#;
        assert_eq!(
            found(Some("order"), text),
            [r#""a \"b\" }""#, r#"{"street":[1,{"x":null}]}"#, "7", "\"+31\"", "\"1980\"", "\"1981\"", "\"1982\""]
        );
        assert_eq!(found(None, text), ["\"+31\"", "\"1980\"", "\"1981\"", "\"1982\""]);
        assert_eq!(found(Some("page_viewed"), r#"{"name":"Ada","properties":{"name":"Bob"}}"#), ["\"Ada\"", "\"Bob\""]);
        for nothing in
            ["", "erased", "[]", "{\"properties\":[{\"note\":1}]}", "{\"properties\":\"note\",\"traits\":null}"]
        {
            assert!(found(Some("order"), nothing).is_empty(), "{nothing}");
        }
    }

    fn any_json() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::from),
            any::<i64>().prop_map(Json::from),
            any::<f64>().prop_map(Json::from),
            any::<String>().prop_map(Json::from),
            Just(Json::from("sealed")),
        ];
        let key =
            prop_oneof![Just("note"), Just("phone"), Just("ship_to"), Just("person"), Just("born"), Just("a\"\\b")];
        leaf.prop_recursive(4, 24, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
                prop::collection::vec((key.clone(), inner), 0..4)
                    .prop_map(|pairs| Json::Object(pairs.into_iter().map(|(key, it)| (key.to_owned(), it)).collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_message_is_the_same_bytes_after_it_was_taken_apart_and_joined(
            properties in any_json(), traits in any_json(), context in any_json(), pretty: bool,
        ) {
            let message = json!({"type": "track", "event": "order", "messageId": "m", "properties": properties,
                "traits": traits, "context": context});
            let text = if pretty { format!("{message:#}") } else { message.to_string() };
            let (places, program) = places();
            let found = places.find(Some("order"), &text);
            let parted = part(&text, &found).unwrap();
            let joined = join(&parted.text, &parted.values);
            prop_assert_eq!(joined.as_deref(), Some(&*text));
            let parted_json: Json = serde_json::from_str(&parted.text).unwrap();
            for pointer in ["/properties/note", "/properties/ship_to", "/traits/phone", "/context/traits/phone"] {
                let (before, after) = (message.pointer(pointer), parted_json.pointer(pointer));
                let is_known = before.is_some_and(|before| !before.is_null());
                prop_assert_eq!(after, if is_known { Some(&Json::from("sealed")) } else { before });
            }
            // Asked of its parts, a message that has something says so.
            let at = Moment(0);
            if let Ok(read) = from_log(&text, SourceId(0), at, at, false) {
                let order = program.events.iter().position(|it| it.name == "order").map(|place| EventId(place as u32));
                prop_assert!(found.is_empty() || places.are_in(order, &read));
            }
        }

        #[test]
        fn values_that_belong_to_another_text_are_refused(text in "[a-z\"]{0,20}", values: Vec<u8>) {
            if let Some(joined) = join(&text, &values) {
                prop_assert!(!values.is_empty() || joined == text);
            }
        }
    }
}
