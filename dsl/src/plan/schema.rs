//! Whether what was sent under one version of an event's schema is still taken under another.

use super::{Bump, Kind, by_name, version};
use crate::ir::Program;
use crate::model::EventSchema;
use serde::Serialize;
use serde_json::{Map, Value as Json};
use std::collections::BTreeSet;

/// An event that differs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EventChange {
    /// Its name.
    pub name: String,
    /// How it differs.
    pub change: Kind,
    /// What is different, part by part.
    pub parts: Vec<SchemaChange>,
    /// How far that reaches; `None` where the schema is the same.
    pub compatibility: Option<Bump>,
    /// The version it had.
    pub before: Option<String>,
    /// The version it has.
    pub after: Option<String>,
    /// The version that it should have, where the one it has does not say what changed.
    pub proposed: Option<String>,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SchemaChange {
    /// How far it reaches; `None` for what changes how an event is handled, and not what is valid.
    pub bump: Option<Bump>,
    /// In words.
    pub words: String,
}

/// All events that differ, by name.
pub(super) fn compare(before: &Program, after: &Program) -> Vec<EventChange> {
    let same = |a: &EventSchema, b: &EventSchema| a.version == b.version && parts(a, b).is_empty();
    let differing = by_name(before.events.iter(), after.events.iter(), |it| it.name.as_str(), same);
    let of = |program: &'_ Program, name: &str| program.events.iter().find(|it| it.name == name).cloned();
    let change = |(name, change): (&str, Kind)| {
        let (old, new) = (of(before, name), of(after, name));
        let parts = match (&old, &new) {
            (Some(old), Some(new)) => parts(old, new),
            (Some(_), None) => vec![SchemaChange {
                bump: Some(Bump::Model),
                words: "what is sent of it is an undeclared event from now on".to_owned(),
            }],
            _ => Vec::new(),
        };
        let compatibility = parts.iter().filter_map(|it| it.bump).max();
        let (was, is) = (old.map(|it| it.version), new.map(|it| it.version));
        let proposed = match (compatibility, &was, &is) {
            (Some(bump), Some(was), Some(is)) if !version::says(was, is, bump) => Some(version::next(was, bump)),
            _ => None,
        };
        EventChange { name: name.to_owned(), change, parts, compatibility, before: was, after: is, proposed }
    };
    differing.into_iter().map(change).collect()
}

fn parts(before: &EventSchema, after: &EventSchema) -> Vec<SchemaChange> {
    let mut found = Found::default();
    found.object("", &before.json_schema, &after.json_schema);
    found.same("`$defs`", before.json_schema.get("$defs"), after.json_schema.get("$defs"));
    let names = |event: &EventSchema| event.aliases.iter().cloned().collect::<BTreeSet<_>>();
    let (old, new) = (names(before), names(after));
    for alias in new.difference(&old) {
        found.push(Bump::Addition, format!("it may be sent as `{alias}`, too"));
    }
    for alias in old.difference(&new) {
        found.push(Bump::Revision, format!("what is sent as `{alias}` is not this event any more"));
    }
    for new in &after.properties {
        let Some(old) = before.properties.iter().find(|old| old.name == new.name) else { continue };
        if old.pii != new.pii {
            found.handled(format!("`{}` is personal data: {}, was {}", new.name, class(new.pii), class(old.pii)));
        }
        if old.identifier != new.identifier {
            let shown = |it: &Option<String>| it.as_ref().map_or("none".to_owned(), |it| format!("`{it}`"));
            let words = format!(
                "`{}` as an identifier is {}, was {}: who is who may change",
                new.name,
                shown(&new.identifier),
                shown(&old.identifier)
            );
            found.handled(words);
        }
    }
    if before.on_violation != after.on_violation {
        let (old, new) = (format!("{:?}", before.on_violation), format!("{:?}", after.on_violation));
        found.handled(format!("`on_violation` is {}, was {}", new.to_lowercase(), old.to_lowercase()));
    }
    if before.purposes != after.purposes {
        let list = |it: &[String]| if it.is_empty() { "not said".to_owned() } else { it.join(", ") };
        found.handled(format!("its purposes are {}, were {}", list(&after.purposes), list(&before.purposes)));
    }
    if before.retention != after.retention {
        found.handled("it is kept for another time".to_owned());
    }
    found.0
}

fn class(pii: Option<crate::model::PiiClass>) -> String {
    pii.map_or("no".to_owned(), |it| format!("{it:?}").to_lowercase())
}

/// Bounds from below and above: the first may not rise, the second may not fall.
const FROM_BELOW: [&str; 5] = ["minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"];
const FROM_ABOVE: [&str; 5] = ["maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"];
/// What is looked at one by one; any other keyword is compared as a whole.
const KNOWN: [&str; 9] =
    ["type", "enum", "multipleOf", "properties", "required", "additionalProperties", "items", "$schema", "$defs"];
/// What validates nothing, and what is ours and looked at elsewhere.
const SILENT: [&str; 10] = [
    "title",
    "description",
    "examples",
    "default",
    "$comment",
    "deprecated",
    "pii",
    "identifier",
    "derive",
    "purposes",
];

#[derive(Default)]
struct Found(Vec<SchemaChange>);

impl Found {
    fn push(&mut self, bump: Bump, words: String) {
        self.0.push(SchemaChange { bump: Some(bump), words });
    }

    fn handled(&mut self, words: String) {
        self.0.push(SchemaChange { bump: None, words });
    }

    /// The properties of an object, `path` being what stands before their names.
    fn object(&mut self, path: &str, before: &Json, after: &Json) {
        let empty = Map::new();
        let properties = |it: &Json| it.get("properties").and_then(Json::as_object).cloned();
        let (old, new) = (properties(before).unwrap_or(empty.clone()), properties(after).unwrap_or(empty));
        let needs = |it: &Json, name: &str| {
            it.get("required").and_then(Json::as_array).is_some_and(|all| all.iter().any(|it| it == name))
        };
        let is_closed = |it: &Json| it.get("additionalProperties") == Some(&Json::Bool(false));
        for (name, schema) in &new {
            let called = format!("{path}{name}");
            match (old.get(name), needs(before, name), needs(after, name)) {
                (None, _, true) => {
                    self.push(Bump::Model, format!("`{called}` is new and required: nothing sent so far has it"));
                }
                (None, _, false) => self.push(Bump::Addition, format!("`{called}` is new")),
                (Some(was), needed, needs) => {
                    if needs && !needed {
                        self.push(Bump::Model, format!("`{called}` is required now"));
                    }
                    if needed && !needs {
                        self.push(Bump::Addition, format!("`{called}` is no longer required"));
                    }
                    self.value(&called, was, schema);
                }
            }
        }
        for name in old.keys().filter(|name| !new.contains_key(*name)) {
            let called = format!("{path}{name}");
            match (is_closed(after), needs(before, name)) {
                (true, true) => {
                    self.push(Bump::Model, format!("`{called}` is gone: what is sent so far is refused"));
                }
                (true, false) => self.push(Bump::Revision, format!("`{called}` is gone: what has it is refused")),
                (false, _) if path.is_empty() && after.get("additionalProperties").is_none() => {
                    self.push(
                        Bump::Revision,
                        format!("`{called}` is no longer declared, and left out of what is stored"),
                    );
                }
                (false, _) => self.push(Bump::Revision, format!("`{called}` is no longer declared")),
            }
        }
        let whole = if path.is_empty() { "the event".to_owned() } else { format!("`{}`", path.trim_end_matches('.')) };
        match (before.get("additionalProperties"), after.get("additionalProperties")) {
            (old, new) if old == new => {}
            // Of an event it says what is stored, besides what is right.
            (Some(Json::Bool(true)), None) if path.is_empty() => {
                self.handled(format!("other properties of {whole} are left out of what is stored"));
            }
            (None, Some(Json::Bool(true))) if path.is_empty() => {
                self.handled(format!("other properties of {whole} are stored"));
            }
            (_, None | Some(Json::Bool(true))) => {
                self.push(Bump::Addition, format!("{whole} may have other properties"));
            }
            (_, Some(Json::Bool(false))) => {
                self.push(Bump::Revision, format!("{whole} may have no other properties now"));
            }
            _ => self.push(Bump::Revision, format!("other properties of {whole} are held against another schema")),
        }
    }

    /// One value's schema.
    fn value(&mut self, path: &str, before: &Json, after: &Json) {
        if before == after {
            return;
        }
        let (Some(old), Some(new)) = (before.as_object(), after.as_object()) else {
            return self.same(&format!("`{path}`"), Some(before), Some(after));
        };
        self.kind(path, old, new);
        self.choices(path, old.get("enum"), new.get("enum"));
        self.multiple(path, old.get("multipleOf"), new.get("multipleOf"));
        for (keys, rising_hurts) in [(FROM_BELOW, true), (FROM_ABOVE, false)] {
            for key in keys {
                self.bound(path, key, old.get(key), new.get(key), rising_hurts);
            }
        }
        if let (Some(old), Some(new)) = (old.get("items"), new.get("items")) {
            self.value(&format!("{path}[]"), old, new);
        } else {
            self.same(&format!("`items` of `{path}`"), old.get("items"), new.get("items"));
        }
        self.object(&format!("{path}."), before, after);
        let looked_at = |key: &str| {
            KNOWN.contains(&key) || SILENT.contains(&key) || FROM_BELOW.contains(&key) || FROM_ABOVE.contains(&key)
        };
        let others: BTreeSet<&String> = old.keys().chain(new.keys()).filter(|key| !looked_at(key)).collect();
        for key in others {
            self.same(&format!("`{key}` of `{path}`"), old.get(key), new.get(key));
        }
    }

    fn kind(&mut self, path: &str, old: &Map<String, Json>, new: &Map<String, Json>) {
        let (was, is) = (types(old), types(new));
        if was == is {
            return;
        }
        let list = |it: &BTreeSet<String>| match it.is_empty() {
            true => "anything".to_owned(),
            false => it.iter().map(String::as_str).collect::<Vec<_>>().join(" or "),
        };
        let takes = |it: &String| is.is_empty() || is.contains(it) || (it == "integer" && is.contains("number"));
        let bump = match (was.is_empty(), was.iter().filter(|it| takes(it)).count()) {
            (false, taken) if taken == was.len() => Bump::Addition,
            (false, 0) => Bump::Model,
            _ => Bump::Revision,
        };
        self.push(bump, format!("`{path}` is {}, was {}", list(&is), list(&was)));
    }

    fn choices(&mut self, path: &str, old: Option<&Json>, new: Option<&Json>) {
        let (Some(old), Some(new)) = (old.and_then(Json::as_array), new.and_then(Json::as_array)) else {
            return self.same(&format!("`enum` of `{path}`"), old, new);
        };
        let only = |these: &[Json], those: &[Json]| {
            let only = these.iter().filter(|it| !those.contains(it)).map(Json::to_string);
            only.collect::<Vec<_>>().join(", ")
        };
        let (gone, added) = (only(old, new), only(new, old));
        if !gone.is_empty() {
            self.push(Bump::Revision, format!("`{path}` can no longer be {gone}"));
        }
        if !added.is_empty() {
            self.push(Bump::Addition, format!("`{path}` can be {added}, too"));
        }
    }

    fn multiple(&mut self, path: &str, old: Option<&Json>, new: Option<&Json>) {
        let digits = |it: &Json| it.to_string().parse::<rust_decimal::Decimal>().ok();
        match (old.and_then(digits), new.and_then(digits)) {
            (Some(old), Some(new)) if old != new => {
                let is_finer = !new.is_zero() && (old % new).is_zero();
                let bump = if is_finer { Bump::Addition } else { Bump::Revision };
                self.push(bump, format!("`{path}` is a multiple of {new}, was of {old}"));
            }
            (Some(_), Some(_)) => {}
            _ => self.same(&format!("`multipleOf` of `{path}`"), old, new),
        }
    }

    fn bound(&mut self, path: &str, key: &str, old: Option<&Json>, new: Option<&Json>, rising_hurts: bool) {
        let (Some(was), Some(is)) = (old.and_then(Json::as_f64), new.and_then(Json::as_f64)) else {
            return self.same(&format!("`{key}` of `{path}`"), old, new);
        };
        if was.total_cmp(&is).is_ne() {
            let bump = if (is > was) == rising_hurts { Bump::Revision } else { Bump::Addition };
            let shown = |it: Option<&Json>| it.map(Json::to_string).unwrap_or_default();
            self.push(bump, format!("`{key}` of `{path}` is {}, was {}", shown(new), shown(old)));
        }
    }

    /// A keyword that is compared as a whole: less of it takes more, anything else may refuse what was valid.
    fn same(&mut self, what: &str, old: Option<&Json>, new: Option<&Json>) {
        match (old, new) {
            (old, new) if old == new => {}
            (Some(_), None) => self.push(Bump::Addition, format!("{what} is gone")),
            (None, Some(_)) => self.push(Bump::Revision, format!("{what} is new")),
            _ => self.push(Bump::Revision, format!("{what} is another")),
        }
    }
}

/// The types that a schema names; none for all.
fn types(schema: &Map<String, Json>) -> BTreeSet<String> {
    match schema.get("type") {
        Some(Json::String(one)) => BTreeSet::from([one.clone()]),
        Some(Json::Array(some)) => some.iter().filter_map(Json::as_str).map(str::to_owned).collect(),
        _ => BTreeSet::new(),
    }
}
