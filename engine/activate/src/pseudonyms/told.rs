//! What a destination that gets pseudonyms is told in place of a delivery.

use super::Pseudonyms;
use serde_json::Value as Json;
use serde_json::value::RawValue;
use sonder_core::effect::{Delivery, ItemKind};
use sonder_core::govern::Governor;
use sonder_dsl::ir::{IdentifierKindId, Program};
use sonder_dsl::model::{IdentifierKind, ProfileTrait};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Where payloads have identifiers of a version of the project: properties that are marked as one or that `identity.yaml` reads,
/// and traits that are read from where an identifier is. What a journey sends is not among them: it says itself what that is.
pub struct Places {
    governor: Governor,
    kinds: Vec<String>,
    // By the names of events: paths within the payload.
    properties: BTreeMap<String, Vec<Place>>,
    traits: BTreeMap<String, IdentifierKindId>,
}

type Place = (Vec<String>, IdentifierKindId);

impl Places {
    /// Of a version of the project.
    #[must_use]
    pub fn new(program: &Program) -> Self {
        let kinds = || program.identity.identifiers.iter().zip(0..).map(|(kind, id)| (kind, IdentifierKindId(id)));
        let everywhere: Vec<Place> = kinds()
            .flat_map(|(kind, id)| kind.from.iter().flatten().map(move |path| (path.clone(), id)))
            .filter(|(path, _)| path.first().is_some_and(|first| first == "properties"))
            .collect();
        let properties = program.events.iter().map(|event| {
            let marked = event.properties.iter().filter_map(|property| {
                let (_, id) = kinds().find(|(kind, _)| Some(&kind.name) == property.identifier.as_ref())?;
                Some((vec!["properties".to_owned(), property.name.clone()], id))
            });
            (event.name.clone(), marked.chain(everywhere.iter().cloned()).collect())
        });
        let traits = program.profile.iter().filter_map(|kept| {
            let (_, id) = kinds().find(|(kind, _)| reads_same(kept, kind))?;
            Some((kept.name.clone(), id))
        });
        Self {
            governor: Governor::new(program),
            kinds: program.identity.identifiers.iter().map(|kind| kind.name.clone()).collect(),
            properties: properties.collect(),
            traits: traits.collect(),
        }
    }
}

/// Whether a trait is read from where a kind of identifier is.
fn reads_same(kept: &ProfileTrait, kind: &IdentifierKind) -> bool {
    let of_name = |name: &str| vec!["traits".to_owned(), name.to_owned()];
    let of_kind = kind.from.clone().unwrap_or_else(|| vec![of_name(&kind.name)]);
    kept.from.paths().iter().any(|it| of_kind.contains(it))
}

/// Tells one destination.
pub struct Told {
    /// Its name, which its pseudonyms are keyed with.
    pub destination: String,
    /// What makes them.
    pub pseudonyms: Arc<Pseudonyms>,
    /// Where payloads have identifiers.
    pub places: Arc<Places>,
}

impl Told {
    /// What it is told.
    #[must_use]
    pub fn of(&self, delivery: &Delivery) -> Delivery {
        let mut payload = delivery.payload.clone();
        for (path, kind) in self.places_in(delivery) {
            if let Some(replaced) = replaced(&payload, &path, &|value| self.value(kind, value)) {
                payload = replaced;
            }
        }
        Delivery {
            id: self.pseudonyms.delivery(&self.destination, delivery.id),
            identifiers: self.identifiers(delivery),
            payload,
            ..delivery.clone()
        }
    }

    /// Whom it is about. Whoever is to be forgotten is named by the keys before, too: it may know them by these alone.
    fn identifiers(&self, delivery: &Delivery) -> Vec<(String, String)> {
        let current = [self.pseudonyms.current()];
        let mut named = Vec::with_capacity(delivery.identifiers.len());
        for (kind, value) in &delivery.identifiers {
            let mut name =
                |key: &super::Key| named.push((kind.clone(), key.identifier(&self.destination, kind, value)));
            if delivery.kind == ItemKind::Erase {
                self.pseudonyms.keys().for_each(&mut name);
            } else {
                current.into_iter().for_each(&mut name);
            }
        }
        named
    }

    fn places_in(&self, delivery: &Delivery) -> Vec<Place> {
        if matches!(delivery.kind, ItemKind::Message | ItemKind::Erase) {
            return Vec::new();
        }
        let traits = self.places.traits.iter();
        let mut found: Vec<Place> =
            traits.map(|(name, kind)| (vec!["traits".to_owned(), name.clone()], *kind)).collect();
        match delivery.kind {
            ItemKind::Event => found.extend(self.places.properties.get(&delivery.name).into_iter().flatten().cloned()),
            ItemKind::TraitChanged => {
                found.extend(self.places.traits.get(&delivery.name).map(|kind| (vec!["value".to_owned()], *kind)));
            }
            _ => {}
        }
        found
    }

    /// What stands in place of an identifier; nothing, where it is one that identifies nobody.
    fn value(&self, kind: IdentifierKindId, value: &Json) -> Json {
        let text = match value {
            Json::String(text) => text.clone(),
            Json::Number(number) => number.to_string(),
            _ => return Json::Null,
        };
        let Some(name) = self.places.kinds.get(kind.index()) else { return Json::Null };
        let known = self.places.governor.identifier(kind, &text);
        let pseudonym = |it: sonder_core::record::Identifier| {
            self.pseudonyms.current().identifier(&self.destination, name, &it.value).into()
        };
        known.map_or(Json::Null, pseudonym)
    }
}

/// The text of an object with another value at a path; `None` where there is none. The rest stays as it is written.
fn replaced(json: &str, path: &[String], make: &dyn Fn(&Json) -> Json) -> Option<String> {
    let Some((first, rest)) = path.split_first() else {
        return serde_json::to_string(&make(&serde_json::from_str(json).ok()?)).ok();
    };
    let mut object: BTreeMap<String, Box<RawValue>> = serde_json::from_str(json).ok()?;
    let inner = object.get_mut(first)?;
    *inner = RawValue::from_string(replaced(inner.get(), rest, make)?).ok()?;
    serde_json::to_string(&object).ok()
}

#[cfg(test)]
mod tests {
    use super::super::Key;
    use super::*;
    use serde_json::json;
    use sonder_core::effect::{Cause, EffectId, PersonId};
    use sonder_dsl::ir::DestinationId;
    use sonder_dsl::source::{SourceFile, SourceSet};
    use sonder_dsl::time::Moment;

    fn told() -> Told {
        let file = |path: &str, text: &str| SourceFile { path: path.to_owned(), text: text.to_owned() };
        let files = vec![
            file("sonder.yaml", "name: shop"),
            file(
                "identity.yaml",
                "identifiers:\n  user_id: {}\n  email: {normalize: [trim, lowercase]}\n  card: {from: [properties.payment.card]}\n",
            ),
            file(
                "profile.yaml",
                "traits:\n  email: {type: string}\n  mail: {type: string, from: [traits.email]}\n  city: {type: string}\n",
            ),
            file(
                "events/order.yaml",
                "event: order\nproperties:\n  buyer: {type: string, identifier: email}\n  total: {type: number}\n  payment: {type: object}\n",
            ),
        ];
        let compilation = sonder_dsl::compile(SourceSet::new(files));
        let program = compilation.program.ok_or(compilation.diagnostics).unwrap();
        let pseudonyms = Arc::new(Pseudonyms::new(Key::new(2, [7; 32]), vec![Key::new(1, [6; 32])]));
        Told { destination: "lake".to_owned(), pseudonyms, places: Arc::new(Places::new(&program)) }
    }

    fn delivery(kind: ItemKind, name: &str, payload: &str) -> Delivery {
        Delivery {
            id: EffectId(5),
            destination: DestinationId(0),
            person: PersonId(1),
            at: Moment(0),
            cause: Cause::Timer(Moment(0)),
            kind,
            name: name.to_owned(),
            identifiers: vec![("email".to_owned(), "ann@shop.example".to_owned())],
            payload: payload.to_owned(),
        }
    }

    #[test]
    fn identifiers_are_replaced_wherever_they_are_known_to_be() {
        let told = told();
        let ann = told.pseudonyms.current().identifier("lake", "email", "ann@shop.example");
        let payload = r#"{"event":"order","at":"x","properties":{"buyer":" Ann@Shop.example","total":12.50,"payment":{"card":4711}},"traits":{"mail":"ann@shop.example","city":"Delft"}}"#;
        let event = told.of(&delivery(ItemKind::Event, "order", payload));
        assert_eq!(event.identifiers, [("email".to_owned(), ann.clone())]);
        assert_ne!(event.id, EffectId(5));
        assert!(event.payload.contains("12.50"), "{}", event.payload);
        let said: Json = serde_json::from_str(&event.payload).unwrap();
        let card = told.pseudonyms.current().identifier("lake", "card", "4711");
        assert_eq!(said["properties"]["payment"]["card"], card);
        assert_eq!((&said["properties"]["buyer"], &said["traits"]["mail"]), (&json!(ann), &json!(ann)));
        assert_eq!(said["traits"]["city"], "Delft");

        let changed = told.of(&delivery(
            ItemKind::TraitChanged,
            "email",
            r#"{"trait":"email","value":"ann@shop.example","traits":{}}"#,
        ));
        assert_eq!(serde_json::from_str::<Json>(&changed.payload).unwrap()["value"], ann);
        let gone = told.of(&delivery(ItemKind::TraitChanged, "email", r#"{"trait":"email","value":null,"traits":{}}"#));
        assert_eq!(serde_json::from_str::<Json>(&gone.payload).unwrap()["value"], Json::Null);
        // What identifies nobody is left out.
        let nobody = told.of(&delivery(ItemKind::Event, "order", r#"{"properties":{"buyer":"null"},"traits":{}}"#));
        assert_eq!(serde_json::from_str::<Json>(&nobody.payload).unwrap()["properties"]["buyer"], Json::Null);
        let message = told.of(&delivery(ItemKind::Message, "message", r#"{"to":"ann@shop.example"}"#));
        assert_eq!(message.payload, r#"{"to":"ann@shop.example"}"#, "a journey says itself what it sends");
    }

    #[test]
    fn whoever_is_to_be_forgotten_is_named_by_all_keys() {
        let told = told();
        let erase = told.of(&delivery(ItemKind::Erase, "", "{}"));
        let by_version: Vec<&str> = erase.identifiers.iter().filter_map(|(_, it)| it.split(':').next()).collect();
        assert_eq!(by_version, ["v2", "v1"]);
    }
}
