//! Takes the identifiers of somebody out of what another said, and out of what was told of that.
//!
//! INVARIANT: what says whose the message is, when it happened and what is counted in it stays as it was, unless it names them.

use super::names::{ERASED, Names};
use super::patch::patched;
use crate::effect::ItemKind;
use serde_json::{Map, Value as Json};
use sonder_dsl::ir::Type;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// Keys of a message that say what it is. No text in them is about anybody.
const STRUCTURE: [&str; 11] = [
    "type",
    "event",
    "messageId",
    "message_id",
    "timestamp",
    "originalTimestamp",
    "sentAt",
    "receivedAt",
    "channel",
    "version",
    "writeKey",
];

/// Keys of a message that are identifiers, and of which kinds.
const IDS: [(&str, &[&str]); 8] = [
    ("userId", &["user_id"]),
    ("user_id", &["user_id"]),
    ("anonymousId", &["anonymous_id"]),
    ("anonymous_id", &["anonymous_id"]),
    ("previousId", &["user_id", "anonymous_id"]),
    ("previous_id", &["user_id", "anonymous_id"]),
    ("groupId", &["group_id"]),
    ("group_id", &["group_id"]),
];

/// What takes the place of a value that is nothing but one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instead {
    /// Nothing: it goes.
    Nothing,
    /// A word, where a schema requires that there is a text. What identifies somebody goes, for the word would be somebody.
    Word,
    /// A word, whatever it was: lists keep their lengths. For what nobody reads identifiers from.
    Always,
}

/// Takes them out of a message of that declared event, or of any. Whether there was anything.
pub fn message(json: &mut Json, event: Option<&str>, names: &Names<'_>, instead: Instead) -> bool {
    within(json, &Places::of(event, names), names, instead)
}

fn within(json: &mut Json, places: &Places, names: &Names<'_>, instead: Instead) -> bool {
    match json {
        Json::Object(fields) => Redaction { names, places: Some(places), instead }.object(fields, &mut Vec::new()),
        _ => value(json, names, instead),
    }
}

/// The same of a value that is no message.
fn value(json: &mut Json, names: &Names<'_>, instead: Instead) -> bool {
    if is_one(json, names) {
        *json = ERASED.into();
        return true;
    }
    Redaction { names, places: None, instead }.walk(json, &mut Vec::new())
}

/// Takes them out of what destinations were told about others.
pub struct Told<'a> {
    names: Names<'a>,
    /// By events; what is told of anything else may be of any.
    places: RefCell<BTreeMap<Option<String>, Rc<Places>>>,
}

impl<'a> Told<'a> {
    /// Of somebody who is known by these.
    #[must_use]
    pub const fn new(names: Names<'a>) -> Self {
        Self { names, places: RefCell::new(BTreeMap::new()) }
    }

    /// What is left of a payload, as text; `None` where it says nothing of them. Whatever is not them stays as it is written.
    #[must_use]
    pub fn left(&self, kind: ItemKind, name: &str, payload: &str) -> Option<String> {
        let mut json = serde_json::from_str(payload).ok()?;
        let is_changed = match kind {
            // Its fields are the journey's own.
            ItemKind::Message => value(&mut json, &self.names, Instead::Always),
            ItemKind::Event => within(&mut json, &self.places(Some(name)), &self.names, Instead::Always),
            _ => within(&mut json, &self.places(None), &self.names, Instead::Always),
        };
        if is_changed { patched(payload, &json).ok() } else { None }
    }

    fn places(&self, event: Option<&str>) -> Rc<Places> {
        let mut places = self.places.borrow_mut();
        let made = || Rc::new(Places::of(event, &self.names));
        Rc::clone(places.entry(event.map(str::to_owned)).or_insert_with(made))
    }
}

/// Whether a text, which may be JSON, says one of them.
#[must_use]
pub fn says(text: &str, names: &Names<'_>) -> bool {
    match serde_json::from_str::<Json>(text) {
        Ok(mut json @ (Json::Object(_) | Json::Array(_) | Json::String(_))) => {
            value(&mut json, names, Instead::Nothing)
        }
        Ok(Json::Null | Json::Bool(_)) => false,
        _ => names.is_whole(text) || names.without(text).is_some(),
    }
}

/// A text without them.
#[must_use]
pub fn text(text: &str, names: &Names<'_>) -> String {
    if names.is_whole(text) {
        return ERASED.to_owned();
    }
    names.without(text).unwrap_or_else(|| text.to_owned())
}

/// Where a message has what is not to be looked into.
struct Places {
    /// Paths of identifiers, with their kinds.
    identifiers: Vec<(Vec<String>, String)>,
    /// Paths of numbers, moments and the like, and of text that has only some values.
    typed: Vec<(Vec<String>, Type)>,
}

impl Places {
    fn of(event: Option<&str>, names: &Names<'_>) -> Self {
        let program = names.program();
        let path = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>();
        let mut identifiers = Vec::new();
        for (key, kinds) in IDS {
            identifiers.extend(kinds.iter().map(|kind| (path(&[key]), (*kind).to_owned())));
        }
        for kind in &program.identity.identifiers {
            let mut add = |keys: Vec<String>| {
                if keys.first().is_some_and(|key| key == "traits") {
                    identifiers.push(([path(&["context"]), keys.clone()].concat(), kind.name.clone()));
                }
                identifiers.push((keys, kind.name.clone()));
            };
            match &kind.from {
                Some(paths) => paths.iter().cloned().for_each(add),
                None => {
                    add(path(&["traits", &kind.name]));
                    if kind.name == "device_id" {
                        add(path(&["context", "device", "id"]));
                    }
                }
            }
        }
        let mut typed = Vec::new();
        let schema = event.and_then(|name| program.events.iter().find(|it| it.name == name));
        for property in schema.map_or(&[][..], |it| &it.properties) {
            let place = path(&["properties", &property.name]);
            typed.extend(property.kind.clone().map(|kind| (place, kind)));
        }
        // Of a message that may be of any event, what is an identifier of one may be one.
        let of_events = program.events.iter().filter(|it| event.is_none_or(|name| it.name == name));
        for property in of_events.flat_map(|it| &it.properties) {
            let kind = property.identifier.clone();
            identifiers.extend(kind.map(|kind| (path(&["properties", &property.name]), kind)));
        }
        for declared in &program.profile {
            for from in declared.from.paths() {
                if from.first().is_some_and(|key| key == "traits") {
                    typed.push(([path(&["context"]), from.to_vec()].concat(), declared.kind.clone()));
                }
                typed.push((from.to_vec(), declared.kind.clone()));
            }
        }
        Self { identifiers, typed }
    }

    /// The kinds of identifiers that stand at a path.
    fn kinds<'p>(&'p self, path: &'p [String]) -> impl Iterator<Item = &'p str> {
        self.identifiers.iter().filter(move |(known, _)| known == path).map(|(_, kind)| kind.as_str())
    }

    /// Whether what stands at a path is a number, a moment, or one of some words.
    fn is_typed(&self, path: &[String], json: &Json) -> bool {
        self.typed.iter().filter(|(known, _)| known == path).any(|(_, kind)| match kind {
            Type::String { one_of: Some(words) } => {
                json.as_str().is_some_and(|text| words.iter().any(|word| **word == *text))
            }
            Type::String { one_of: None } | Type::List(_) => false,
            _ => true,
        })
    }
}

struct Redaction<'a> {
    names: &'a Names<'a>,
    /// Of a message.
    places: Option<&'a Places>,
    instead: Instead,
}

impl Redaction<'_> {
    fn object(&self, fields: &mut Map<String, Json>, path: &mut Vec<String>) -> bool {
        let mut gone = Vec::new();
        let mut changed = false;
        for (name, json) in fields.iter_mut() {
            if self.places.is_some() && path.is_empty() && STRUCTURE.contains(&name.as_str()) {
                continue;
            }
            path.push(name.clone());
            match self.judge(name, json, path) {
                Judgement::Stays => {}
                Judgement::Goes => gone.push(name.clone()),
                Judgement::IsReplaced => {
                    *json = ERASED.into();
                    changed = true;
                }
                Judgement::IsLookedInto => changed |= self.walk(json, path),
            }
            path.pop();
        }
        gone.iter().for_each(|name| drop(fields.shift_remove(name)));
        changed || !gone.is_empty()
    }

    fn judge(&self, name: &str, json: &Json, path: &[String]) -> Judgement {
        if let Some(places) = self.places {
            let kinds: Vec<&str> = places.kinds(path).collect();
            if !kinds.is_empty()
                && let Some(text) = scalar(json)
            {
                // What identifies somebody else is theirs, also where it looks the same.
                return match kinds.iter().any(|kind| self.names.has(kind, &text)) {
                    true if self.instead == Instead::Always => Judgement::IsReplaced,
                    true => Judgement::Goes,
                    false => Judgement::Stays,
                };
            }
            if places.is_typed(path, json) {
                return Judgement::Stays;
            }
        }
        match self.instead {
            _ if self.names.is_whole(name) => Judgement::Goes,
            Instead::Always if is_one(json, self.names) => Judgement::IsReplaced,
            Instead::Word if json.is_string() && is_one(json, self.names) => Judgement::IsReplaced,
            _ if is_one(json, self.names) => Judgement::Goes,
            _ => Judgement::IsLookedInto,
        }
    }

    fn walk(&self, json: &mut Json, path: &mut Vec<String>) -> bool {
        match json {
            Json::Object(fields) => self.object(fields, path),
            Json::Array(items) => {
                let mut is_changed = false;
                items.retain_mut(|item| {
                    if !is_one(item, self.names) {
                        is_changed |= self.walk(item, path);
                        return true;
                    }
                    is_changed = true;
                    *item = ERASED.into();
                    self.instead == Instead::Always
                });
                is_changed
            }
            Json::String(text) => match self.names.without(text) {
                Some(kept) => {
                    *text = kept;
                    true
                }
                None => false,
            },
            Json::Null | Json::Bool(_) | Json::Number(_) => false,
        }
    }
}

/// What becomes of a value of an object.
enum Judgement {
    Stays,
    Goes,
    IsReplaced,
    IsLookedInto,
}

/// Whether a value is nothing but one of them: as text, or as `{"kind": …, "value": …}`.
fn is_one(json: &Json, names: &Names<'_>) -> bool {
    match json {
        Json::String(text) => names.is_whole(text),
        Json::Object(fields) => {
            let of = |key: &str| fields.get(key).and_then(scalar);
            of("kind").zip(of("value")).is_some_and(|(kind, value)| names.has(&kind, &value))
        }
        _ => false,
    }
}

fn scalar(json: &Json) -> Option<String> {
    match json {
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// How somebody wrote what they are known by, in a message of theirs.
#[must_use]
pub fn written(json: &Json, event: Option<&str>, names: &Names<'_>) -> Vec<String> {
    let places = Places::of(event, names);
    let at = |path: &[String]| path.iter().try_fold(json, |it, key| it.get(key)).and_then(scalar);
    let of_kinds = places.identifiers.iter().filter_map(|(path, kind)| at(path).filter(|it| names.has(kind, it)));
    let mut all = Vec::new();
    gather(json, &mut all);
    all.retain(|text| names.is_whole(text));
    all.extend(of_kinds);
    all
}

fn gather(json: &Json, texts: &mut Vec<String>) {
    match json {
        Json::String(text) => texts.push(text.clone()),
        Json::Array(items) => items.iter().for_each(|item| gather(item, texts)),
        Json::Object(fields) => fields.values().for_each(|field| gather(field, texts)),
        Json::Null | Json::Bool(_) | Json::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;
    use sonder_dsl::ir::Program;
    use sonder_dsl::source::{SourceFile, SourceSet};
    use std::sync::Arc;

    fn program() -> Arc<Program> {
        let file = |path: &str, text: &str| SourceFile { path: path.to_owned(), text: text.to_owned() };
        let files = vec![
            file("sonder.yaml", "name: shop\n"),
            file(
                "identity.yaml",
                "identifiers:\n  user_id: {}\n  email: {normalize: [trim, lowercase, {replace: '/\\+[^@]*@/', with: '@'}]}\n  \
                 phone: {normalize: [{e164: NL}]}\n  anonymous_id: {}\n",
            ),
            file(
                "events/order.yaml",
                "event: order\nproperties:\n  total: {type: number}\n  at: {type: string, format: date-time}\n  \
                 size: {enum: [medium, larger]}\n  note: {type: string}\n",
            ),
        ];
        let compilation = sonder_dsl::compile(SourceSet::new(files));
        compilation.program.unwrap_or_else(|| panic!("{:#?}", compilation.diagnostics))
    }

    fn names<'a>(program: &'a Program, identifiers: &[(&str, &str)]) -> Names<'a> {
        let owned = |(kind, value): &(&str, &str)| ((*kind).to_owned(), (*value).to_owned());
        Names::new(program, &identifiers.iter().map(owned).collect::<Vec<_>>())
    }

    fn redacted(mut json: Json, names: &Names<'_>) -> Json {
        message(&mut json, Some("order"), names, Instead::Nothing);
        json
    }

    #[test]
    fn an_identifier_goes_and_everything_else_stays() {
        let program = program();
        let names = names(&program, &[("email", "an@mail.example"), ("user_id", "user-1"), ("phone", "+31612345678")]);
        let order =
            |properties: Json| json!({"type": "track", "event": "order", "userId": "bob", "properties": properties});
        for (before, after) in [
            // Words, whatever stands around them.
            (json!({"note": "mailto:AN@mail.example?x=user-1"}), json!({"note": "mailto:erased?x=erased"})),
            (json!({"note": "ask an@mail.example."}), json!({"note": "ask erased."})),
            (json!({"note": "/p?m=an%40mail.example&q=for%20user-1"}), json!({"note": "/p?m=erased&q=for%20erased"})),
            // What is nothing else, as somebody may write it.
            (json!({"to": " An+news@Mail.example ", "tel": "06-1234 5678", "z": 1}), json!({"z": 1})),
            (json!({"all": ["an@mail.example", "z"], "one": "email:an@mail.example"}), json!({"all": ["z"]})),
        ] {
            assert_eq!(redacted(order(before), &names), order(after));
        }
        for stays in [
            json!({"note": "user-10 user-1-b my-user-1 user-1_x user-1.example user-1@mail.example"}),
            json!({"note": "joan@mail.example an@mail.example.org x.an@mail.example an@mail.examples"}),
        ] {
            assert_eq!(redacted(order(stays.clone()), &names), order(stays));
        }
    }

    #[test]
    fn what_identifies_somebody_else_or_is_counted_stays() {
        let program = program();
        let names = names(
            &program,
            &[("anonymous_id", "100000"), ("user_id", "3"), ("anonymous_id", "medium"), ("user_id", "20260301")],
        );
        let others = json!({
            "type": "track", "event": "order", "messageId": "100000", "userId": "100000", "anonymousId": "3",
            "timestamp": "2026-03-01T00:00:00.100000Z", "traits": {"email": "100000"},
            "properties": {"total": 100000, "at": "20260301", "size": "medium", "note": "100000 pieces, 3 boxes", "city": "3",
                "sku": "SKU-1000001"},
        });
        assert_eq!(redacted(others.clone(), &names), others);
        let theirs = json!({"userId": "3", "anonymousId": "b", "context": {"traits": {"x": 1}}, "properties": {"ref": "100000"}});
        assert_eq!(
            redacted(theirs, &names),
            json!({"anonymousId": "b", "context": {"traits": {"x": 1}}, "properties": {}})
        );
        let decided = json!({"type": "link", "identifiers": [{"kind": "user_id", "value": "3"}, {"kind": "email", "value": "3"}]});
        assert_eq!(
            redacted(decided, &names),
            json!({"type": "link", "identifiers": [{"kind": "email", "value": "3"}]})
        );
    }

    #[test]
    fn how_they_wrote_it_is_found_again() {
        let program = program();
        let mut names = names(&program, &[("email", "vic@mail.example")]);
        let own = json!({"type": "identify", "traits": {"email": "Vic+News@Mail.Example"}});
        written(&own, None, &names).iter().for_each(|it| names.add(it));
        assert_eq!(names.without("to vic+news@mail.example!").as_deref(), Some("to erased!"));
    }

    #[test]
    fn of_what_others_were_told_everything_else_stays_as_it_is_written() {
        let program = program();
        let mut names = names(&program, &[("email", "vic@mail.example"), ("user_id", "3"), ("phone", "+31612345678")]);
        names.add("v1:8bVxW0-abc_DEF");
        let told = Told::new(names);
        for (kind, before, after) in [
            (
                ItemKind::Event,
                r#"{"event":"order","at":"2026-03-01T00:00:00Z","properties":{"total":12.50,"friend":"Vic+x@Mail.example","all":["06 1234 5678","z",1e3]},"traits":{"email":"vic@mail.example","user_id":"3"}}"#,
                r#"{"event":"order","at":"2026-03-01T00:00:00Z","properties":{"total":12.50,"friend":"erased","all":["erased","z",1e3]},"traits":{"email":"erased","user_id":"erased"}}"#,
            ),
            (
                ItemKind::TraitChanged,
                r#"{"trait":"friend","value":{"kind":"user_id","value":"3"},"at":"x","traits":{"n":1.0,"by":"v1:8bVxW0-abc_DEF"}}"#,
                r#"{"trait":"friend","value":"erased","at":"x","traits":{"n":1.0,"by":"erased"}}"#,
            ),
            // A field of a journey's may be called as one of a message.
            (
                ItemKind::Message,
                r#"{"channel":"vic@mail.example","text":"/p?m=Vic%40Mail.example","n":0.10}"#,
                r#"{"channel":"erased","text":"/p?m=erased","n":0.10}"#,
            ),
            (ItemKind::Message, r#""vic@mail.example""#, r#""erased""#),
        ] {
            assert_eq!(told.left(kind, "order", before).as_deref(), Some(after));
        }
        let others =
            r#"{"segment":"vip","traits":{"email":"eric@mail.example","n":3,"note":"3 vic@mail.example.org"}}"#;
        assert_eq!(told.left(ItemKind::SegmentEntered, "vip", others), None);
    }

    fn others(value: &'static str) -> impl Strategy<Value = String> {
        let part = || "[a-z0-9]{1,4}";
        prop_oneof![
            part().prop_map(move |more| format!("{value}{more}")),
            part().prop_map(move |more| format!("{more}{value}")),
            (part(), part()).prop_map(move |(before, after)| format!("{before}{value}{after}")),
            part().prop_map(move |more| format!("{value}-{more}")),
            part().prop_map(move |more| format!("{more}_{value}")),
        ]
    }

    proptest! {
        /// Whoever has an identifier that contains one of theirs.
        #[test]
        fn others_stay_byte_for_byte(
            id in others("user-1"), email in others("an@mail.example"), number in others("100000"),
            text in "[ a-z,.:/?&=]{0,12}",
        ) {
            let program = program();
            let names = names(
                &program,
                &[("user_id", "user-1"), ("email", "an@mail.example"), ("anonymous_id", "100000"), ("user_id", "3")],
            );
            let before = json!({
                "userId": id, "anonymousId": number, "messageId": "100000", "traits": {"email": email},
                "context": {"traits": {"email": email}},
                "properties": {"total": 100000, "note": format!("{text} {id} {text} {email} {text} {number}"), "x": [id, 3, "3"]},
            });
            let mut after = before.clone();
            prop_assert!(!message(&mut after, Some("order"), &names, Instead::Nothing));
            prop_assert_eq!(after.to_string(), before.to_string());
            prop_assert!(!says(&before["properties"].to_string(), &names));
        }
    }
}
