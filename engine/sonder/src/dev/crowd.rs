//! People who are made up from a project's schemas: they come in sessions, look at one thing after the other, go the ways that
//! funnels and sequences describe, and some of them say who they are.
//!
//! The same for a seed, but for the times. What they send is what the schemas take: each kind of event is tried out before.

use super::chance::{Chance, mixed};
use super::likely::Likely;
use serde_json::{Map, Value as Json, json};
use sonder_core::govern::Governor;
use sonder_core::message::{Envelope, Timing, read};
use sonder_dsl::ir::{EventId, EventSelector, Function, Program, SourceId, Type};
use sonder_dsl::model::EventSchema;
use sonder_dsl::time::Moment;
use std::collections::BTreeMap;
use std::sync::Arc;

/// People who are about at one time.
const PEOPLE: usize = 40;
/// Products, pages, plans: what is looked at.
const ROWS: u64 = 12;
/// How often an event is tried out.
const TRIES: u64 = 8;

/// The people.
pub struct Crowd {
    program: Arc<Program>,
    seed: u64,
    chance: Chance,
    people: Vec<Somebody>,
    /// Events that can be made up, with how far on the way each stands.
    events: Vec<(EventId, u32)>,
    /// Messages so far.
    sent: u64,
    /// Sessions so far.
    sessions: u64,
}

#[derive(Clone, Debug, Default)]
struct Somebody {
    number: u64,
    device: u64,
    is_known: bool,
    session: u64,
    /// How far they came in this session.
    stage: u32,
    /// What they look at.
    row: u64,
}

impl Crowd {
    /// The people of a seed. The events that cannot be made up, by name, come with them.
    #[must_use]
    pub fn new(program: &Arc<Program>, seed: u64) -> (Self, Vec<String>) {
        let places = places(program);
        let mut crowd = Self {
            program: Arc::clone(program),
            seed,
            chance: Chance::new(seed),
            people: (0..PEOPLE as u64).map(|number| Somebody { number, ..Somebody::default() }).collect(),
            events: Vec::new(),
            sent: 0,
            sessions: 0,
        };
        let governor = Governor::new(program);
        let mut unlikely = Vec::new();
        for (schema, id) in program.events.iter().zip((0..).map(EventId)) {
            match crowd.tried(&governor, schema) {
                true => crowd.events.push((id, places.get(&id).copied().unwrap_or(0))),
                false => unlikely.push(schema.name.clone()),
            }
        }
        crowd.chance = Chance::new(seed);
        (crowd, unlikely)
    }

    /// How many kinds of events there are.
    #[must_use]
    pub fn kinds(&self) -> usize {
        self.events.len()
    }

    /// The next message; `None` where no event can be made up.
    pub fn next(&mut self, at: Moment) -> Option<Json> {
        let place = usize::try_from(self.chance.below(self.people.len() as u64)).ok()?;
        let mut who = self.people.get(place)?.clone();
        if who.session == 0 || self.chance.percent(6) {
            self.sessions += 1;
            // Some come with another device, and some do not come again.
            let (device, is_other) = (self.chance.percent(10), self.chance.percent(10));
            if is_other {
                who = Somebody { number: who.number + PEOPLE as u64, ..Somebody::default() };
            }
            who = Somebody { device: who.device + u64::from(device), session: self.sessions, stage: 0, ..who };
            who.row = self.chance.below(ROWS);
        }
        self.sent += 1;
        let identifies = !who.is_known && self.chance.percent(12);
        let message = if identifies {
            who.is_known = true;
            self.identify(&who, at)
        } else {
            let (event, stage) = self.event(who.stage)?;
            who.stage = who.stage.max(stage);
            if self.chance.percent(35) {
                who.row = self.chance.below(ROWS);
            }
            self.track(&who, event, at)?
        };
        *self.people.get_mut(place)? = who;
        Some(message)
    }

    /// What somebody does next who came so far: steps that lie further on are rarer.
    fn event(&mut self, stage: u32) -> Option<(EventId, u32)> {
        let near: Vec<(EventId, u32)> = self.events.iter().filter(|(_, place)| *place <= stage + 1).copied().collect();
        let near = if near.is_empty() { self.events.clone() } else { near };
        let weight = |place: u32| 60 / (1 + u64::from(place) * 2).max(1);
        let all: u64 = near.iter().map(|(_, place)| weight(*place).max(1)).sum();
        let mut drawn = self.chance.below(all);
        near.into_iter().find(|(_, place)| {
            let weight = weight(*place).max(1);
            let is_it = drawn < weight;
            drawn = drawn.saturating_sub(weight);
            is_it
        })
    }

    fn identify(&mut self, who: &Somebody, at: Moment) -> Json {
        let likely =
            Likely { root: &Json::Null, row: who.number, once: who.session, person: who.number, at, seed: self.seed };
        let mut traits = Map::new();
        for it in &self.program.profile {
            let is_plain =
                it.from.paths().iter().any(|path| path.len() == 2 && path[0] == "traits" && path[1] == it.name);
            if !is_plain || self.chance.percent(10) {
                continue;
            }
            let value = match it.kind {
                Type::Time => Some(Json::from(at.to_string())),
                _ => likely.value(&it.name, &it.json_schema),
            };
            traits.extend(value.map(|value| (it.name.clone(), value)));
        }
        traits.entry("email").or_insert_with(|| Json::from(format!("visitor{}@shop.example", who.number)));
        let mut message = self.envelope(who, "identify", at);
        message.insert("traits".to_owned(), Json::Object(traits));
        Json::Object(message)
    }

    fn track(&mut self, who: &Somebody, event: EventId, at: Moment) -> Option<Json> {
        let program = Arc::clone(&self.program);
        let schema = program.events.get(event.index())?;
        let (row, once, person, seed) = (who.row, who.session, who.number, self.seed);
        let properties =
            Likely { root: &schema.json_schema, row, once, person, at, seed }.properties(&mut self.chance)?;
        let mut message = self.envelope(who, "track", at);
        message.insert("event".to_owned(), Json::from(schema.name.clone()));
        message.insert("properties".to_owned(), Json::Object(properties));
        Some(Json::Object(message))
    }

    fn envelope(&self, who: &Somebody, kind: &str, at: Moment) -> Map<String, Json> {
        let mobile = mixed(who.number ^ who.device) & 1 == 1;
        let device = if mobile { "mobile" } else { "desktop" };
        let mut message = Map::new();
        message.insert("type".to_owned(), Json::from(kind));
        message.insert("messageId".to_owned(), Json::from(format!("dev-{:x}-{:x}-{}", self.seed, at.0, self.sent)));
        message.insert("timestamp".to_owned(), Json::from(at.to_string()));
        message.insert("anonymousId".to_owned(), Json::from(format!("dev-{}-{}", who.number, who.device)));
        if who.is_known {
            message.insert("userId".to_owned(), Json::from(format!("dev-user-{}", who.number)));
        }
        message.insert("context".to_owned(), json!({ "sessionId": who.session, "device": { "type": device } }));
        message
    }

    /// Whether an event can be made up so that its schema takes it.
    fn tried(&mut self, governor: &Governor, schema: &EventSchema) -> bool {
        let Some(event) = self.program.event_named(&schema.name) else { return false };
        (0..TRIES).all(|row| {
            let who = Somebody { number: row, session: row + 1, row, ..Somebody::default() };
            let Some(Json::Object(message)) = self.track(&who, event, Moment(1_772_366_400_000_000)) else {
                return false;
            };
            let envelope = Envelope::alone(
                SourceId(0),
                Moment(1_772_366_400_000_000),
                Timing::Recorded,
                self.program.settings.future_tolerance,
                &String::new,
            );
            read(message, &envelope).and_then(|message| governor.govern(&message)).is_ok()
        })
    }
}

/// How far on the way events stand, by the funnels and sequences of the project; what is in none stands at the beginning.
fn places(program: &Program) -> BTreeMap<EventId, u32> {
    let mut places: BTreeMap<EventId, u32> = BTreeMap::new();
    let mut note = |event: EventSelector, place: usize| {
        if let (EventSelector::One(id), Ok(place)) = (event, u32::try_from(place)) {
            let known = places.entry(id).or_insert(0);
            *known = (*known).max(place);
        }
    };
    for funnel in &program.funnels {
        funnel.steps.iter().enumerate().for_each(|(place, step)| note(step.pattern.event, place));
    }
    for aggregate in &program.aggregates {
        if let Function::Sequence(sequence) = &aggregate.function {
            sequence.then.iter().enumerate().for_each(|(place, step)| note(step.pattern.event, place + 1));
            let last = sequence.then.len() + 1;
            sequence.absence.iter().for_each(|absence| note(absence.pattern.event, last));
        }
    }
    for journey in &program.journeys {
        journey.goals.iter().for_each(|goal| note(goal.event, 2));
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use sonder_dsl::source::{SourceFile, SourceSet};

    const ITEM: &str = "event: item_viewed\nproperties:\n  item_id: {type: string, examples: [SKU-1]}\n  sku: {type: string, minLength: 3, maxLength: 5}\n  \
        plan: {enum: [free, pro]}\n  price: {type: number, multipleOf: 0.05, minimum: 0, maximum: 1}\n  \
        quantity: {type: integer, minimum: 2, exclusiveMaximum: 4}\n  email: {type: string, format: email}\n  \
        at: {type: string, format: date-time}\n  id: {type: string, format: uuid}\n  ok: {type: boolean}\n  \
        tags: {type: array, items: {type: string}, minItems: 2}\n  item: {type: object, properties: {a: {type: integer}}, required: [a]}\n\
        required: [item_id, sku, plan, price, quantity, email, at, id, ok, tags, item]\n";

    fn program() -> Arc<Program> {
        let file = |path: &str, text: &str| SourceFile { path: path.to_owned(), text: text.to_owned() };
        let files = vec![
            file("sonder.yaml", "name: shop"),
            file("events/item_viewed.yaml", ITEM),
            file(
                "events/item_added.yaml",
                "event: item_added\nproperties: {item_id: {type: string, examples: [SKU-1]}}\nrequired: [item_id]\n",
            ),
            file("events/order.yaml", "event: order\nproperties: {order_id: {type: string}}\nrequired: [order_id]\n"),
            file(
                "events/odd.yaml",
                "event: odd\nproperties: {code: {type: string, pattern: '^[A-Z]{3}$'}}\nrequired: [code]\n",
            ),
            file("identity.yaml", "identifiers:\n  user_id: {}\n  email: {}\n  anonymous_id: {}\n"),
            file(
                "profile.yaml",
                "traits:\n  email: {type: string, format: email}\n  country: {type: string, enum: [NL, DE]}\n",
            ),
            file("sources/server.yaml", "source: server\nkind: server\nwrite_keys: [wk]\n"),
            file("rules/r.sonder", "funnel bought { item_viewed then item_added then order within 1d }\n"),
        ];
        let compilation = sonder_dsl::compile(SourceSet::new(files));
        compilation.program.unwrap_or_else(|| panic!("{:#?}", compilation.diagnostics))
    }

    #[test]
    fn people_send_what_schemas_take_and_say_who_they_are() {
        let program = program();
        let (mut crowd, unlikely) = Crowd::new(&program, 7);
        assert_eq!((unlikely, crowd.kinds()), (vec!["odd".to_owned()], 3));
        let governor = Governor::new(&program);
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        let mut rows: BTreeMap<String, String> = BTreeMap::new();
        for number in 0..3_000 {
            let at = Moment(1_772_366_400_000_000 + number * 1_000_000);
            let message = crowd.next(at).unwrap();
            *counts.entry(message["event"].as_str().unwrap_or("identify").to_owned()).or_default() += 1;
            if message["event"] == "item_viewed" {
                let (item, price) =
                    (message["properties"]["item_id"].to_string(), message["properties"]["price"].to_string());
                assert_eq!(*rows.entry(item).or_insert_with(|| price.clone()), price, "a thing has one price");
            }
            let Json::Object(message) = message else { panic!() };
            let envelope =
                Envelope::alone(SourceId(0), at, Timing::Recorded, program.settings.future_tolerance, &String::new);
            let message = read(message, &envelope).unwrap();
            governor.govern(&message).unwrap_or_else(|why| panic!("{why:?}"));
        }
        assert!(counts["item_viewed"] > counts["item_added"] && counts["item_added"] > counts["order"], "{counts:?}");
        assert!(counts["order"] > 50 && counts["identify"] > 20 && rows.len() == ROWS as usize, "{counts:?}");
    }

    #[test]
    fn a_seed_gives_the_same_people() {
        let program = program();
        let of = |seed: u64| {
            let mut crowd = Crowd::new(&program, seed).0;
            (0..50).map(|number| crowd.next(Moment(number)).unwrap().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }
}
