//! What destinations are told: deliveries with deterministic ids, made of what the destination may see.

use crate::consent::Purposes;
use crate::datum::Datum;
use crate::effect::{Cause, ChangeKind, Delivery, EffectId, Effects, ItemKind};
use crate::identity::graph::{Component, Graph};
use crate::person::Person;
use crate::plan::{Plan, RulePlan};
use crate::record::Event;
use crate::rules::{Memo, value_of};
use serde_json::value::RawValue;
use serde_json::{Map, Value as Json};
use sonder_dsl::ir::{DestinationId, ProfileTraitId, Program, RuleId, Value};
use sonder_dsl::model::Destination;
use sonder_dsl::time::Moment;
use xxhash_rust::xxh3::Xxh3;

/// The person that something is told about, at the moment when it came true.
pub struct Subject<'a> {
    /// The project.
    pub program: &'a Program,
    /// The same, arranged for the fold.
    pub plan: &'a Plan,
    /// Who is who.
    pub graph: &'a Graph,
    /// The person's identifiers.
    pub component: &'a Component,
    /// The person's state.
    pub person: &'a Person,
    /// When.
    pub at: Moment,
    /// Why.
    pub cause: Cause,
    /// How often the same cause had its rules decided before.
    pub round: u8,
    /// What they consented to before: by that destinations know of them.
    pub before: Purposes,
}

/// An event, to the destinations that get its type and whose purposes are among those that it counts for.
pub fn event(subject: &Subject<'_>, event: &Event, admitted: Purposes, deliveries: &mut Vec<Delivery>) {
    let (Some(kind), Some(properties)) = (event.event, &event.forward) else { return };
    let Some(schema) = subject.program.events.get(kind.index()) else { return };
    for id in subject.plan.receivers_of_event.get(kind.index()).into_iter().flatten() {
        if event.withheld.contains(id) {
            continue;
        }
        let is_consented = |to: &Destination| subject.plan.withheld(admitted, to).is_none();
        if !subject.program.destinations.get(id.index()).is_some_and(is_consented) {
            continue;
        }
        // What is not JSON cannot be forwarded as JSON; governance made it, so it is.
        let Ok(properties) = serde_json::from_str::<&RawValue>(properties) else { continue };
        let body = |traits: Map<String, Json>| {
            serde_json::to_string(&EventPayload {
                event: &schema.name,
                at: event.occurred_at.to_string(),
                properties,
                traits,
            })
        };
        subject.deliver(*id, ItemKind::Event, &schema.name, body, deliveries);
    }
}

/// A trait of the golden record that changed.
pub fn profile_trait(subject: &Subject<'_>, id: ProfileTraitId, deliveries: &mut Vec<Delivery>) {
    let Some(it) = subject.program.profile.get(id.index()) else { return };
    let value = subject.person.profile_value(id).to_json(&it.kind);
    for destination in subject.plan.receivers_of_profile_trait.get(id.index()).into_iter().flatten() {
        let body = |traits| trait_payload(&it.name, &value, subject.at, traits);
        subject.deliver(*destination, ItemKind::TraitChanged, &it.name, body, deliveries);
    }
}

/// A trait of the golden record that a journey's step changed: under ids that are the step's, as others may set the same
/// one for the same cause.
pub fn set_trait(subject: &Subject<'_>, id: ProfileTraitId, step: EffectId, deliveries: &mut Vec<Delivery>) {
    let made = deliveries.len();
    profile_trait(subject, id, deliveries);
    for delivery in &mut deliveries[made..] {
        let mut hash = Xxh3::new();
        hash.update(&step.0.to_le_bytes());
        hash.update(&delivery.id.0.to_le_bytes());
        delivery.id = EffectId(hash.digest128());
    }
}

/// What a journey sends, under the id that its step has.
pub fn message(
    subject: &Subject<'_>,
    destination: DestinationId,
    id: EffectId,
    action: &str,
    fields: Map<String, Json>,
    deliveries: &mut Vec<Delivery>,
) {
    let body = |_| serde_json::to_string(&fields);
    let made = deliveries.len();
    subject.deliver(destination, ItemKind::Message, action, body, deliveries);
    deliveries[made..].iter_mut().for_each(|delivery| delivery.id = id);
}

/// A change of a segment or of a computed trait.
pub fn rule(subject: &Subject<'_>, rule: RuleId, change: &ChangeKind, effects: &mut Effects) {
    let Some(plan) = subject.plan.rule(rule) else { return };
    for id in &plan.receivers {
        match change {
            ChangeKind::Entered(_) => subject.membership(*id, &plan.name, true, &mut effects.deliveries),
            ChangeKind::Left(_) => {
                if subject.is_known(*id, (rule, &plan.name), effects) {
                    subject.membership(*id, &plan.name, false, &mut effects.deliveries);
                }
            }
            ChangeKind::TraitChanged { value, .. } => {
                subject.computed_trait(*id, plan, value.as_ref(), &mut effects.deliveries);
            }
            ChangeKind::Created
            | ChangeKind::Merged { .. }
            | ChangeKind::Split { .. }
            | ChangeKind::IdentifierMoved { .. }
            | ChangeKind::LinkRefused { .. }
            | ChangeKind::Journey(_) => {}
        }
    }
}

/// What people consent to changed: a destination that may hear of somebody now is told what they are in, and one that may no
/// longer that they left what it knows them to be in. What this step told it already is not told twice.
pub fn consent(
    subject: &Subject<'_>,
    destination: DestinationId,
    segments: impl Iterator<Item = RuleId>,
    is_allowed: bool,
    effects: &mut Effects,
) {
    for (rule, plan) in segments.filter_map(|rule| Some((rule, subject.plan.rule(rule)?))) {
        if !is_allowed && !subject.is_known(destination, (rule, &plan.name), effects) {
            continue;
        }
        let deliveries = &mut effects.deliveries;
        let before = deliveries.len();
        subject.membership(destination, &plan.name, is_allowed, deliveries);
        if let Some(new) = deliveries.get(before).map(|new| new.id)
            && deliveries[..before].iter().any(|told| told.id == new)
        {
            deliveries.truncate(before);
        }
    }
}

#[derive(serde::Serialize)]
struct EventPayload<'a> {
    event: &'a str,
    at: String,
    properties: &'a RawValue,
    traits: Map<String, Json>,
}

#[derive(serde::Serialize)]
struct SegmentPayload<'a> {
    segment: &'a str,
    at: String,
    traits: Map<String, Json>,
}

#[derive(serde::Serialize)]
struct TraitPayload<'a> {
    #[serde(rename = "trait")]
    name: &'a str,
    value: &'a Json,
    at: String,
    traits: Map<String, Json>,
}

fn trait_payload(name: &str, value: &Json, at: Moment, traits: Map<String, Json>) -> serde_json::Result<String> {
    serde_json::to_string(&TraitPayload { name, value, at: at.to_string(), traits })
}

impl Subject<'_> {
    /// That somebody is in a segment, or no longer.
    pub fn membership(&self, destination: DestinationId, segment: &str, entered: bool, deliveries: &mut Vec<Delivery>) {
        let kind = if entered { ItemKind::SegmentEntered } else { ItemKind::SegmentLeft };
        let body = |traits| serde_json::to_string(&SegmentPayload { segment, at: self.at.to_string(), traits });
        self.deliver(destination, kind, segment, body, deliveries);
    }

    /// Whether a destination knows that somebody was in a segment, so that they are taken off: by what it was told for this cause;
    /// where it was told nothing, they must have been in it before, and have consented then.
    fn is_known(&self, destination: DestinationId, (rule, name): (RuleId, &str), effects: &Effects) -> bool {
        let Some(to) = self.program.destinations.get(destination.index()) else { return false };
        let is_open = |consents: Purposes| self.plan.withheld(consents, to).is_none();
        let was_open = is_open(self.before);
        // Mostly nothing but the segment changes.
        if was_open && is_open(self.plan.consents_to(self.person)) {
            return true;
        }
        let person = self.component.id;
        let told = effects.deliveries.iter().rev().take_while(|it| (it.cause, it.at) == (self.cause, self.at));
        let mut told = told.filter(|it| it.destination == destination && it.person == person && it.name == name);
        let last = told.find(|it| matches!(it.kind, ItemKind::SegmentEntered | ItemKind::SegmentLeft));
        if let Some(last) = last {
            return last.kind == ItemKind::SegmentEntered;
        }
        let changes = effects.changes.iter().rev().take_while(|it| (it.cause, it.at) == (self.cause, self.at));
        let mut changes = changes.filter(|it| it.person == person);
        let is_new =
            changes.any(|it| matches!(it.what, ChangeKind::Entered(known) | ChangeKind::Left(known) if known == rule));
        was_open && !is_new
    }

    /// The value that a computed trait has now.
    pub fn computed_trait(
        &self,
        destination: DestinationId,
        rule: &RulePlan,
        value: Option<&Value>,
        deliveries: &mut Vec<Delivery>,
    ) {
        let value = Datum::from(value).to_json(&rule.kind);
        let body = |traits| trait_payload(&rule.name, &value, self.at, traits);
        self.deliver(destination, ItemKind::TraitChanged, &rule.name, body, deliveries);
    }

    /// That a trait of that name has no value any more.
    pub fn no_trait(&self, destination: DestinationId, name: &str, deliveries: &mut Vec<Delivery>) {
        let body = |traits| trait_payload(name, &Json::Null, self.at, traits);
        self.deliver(destination, ItemKind::TraitChanged, name, body, deliveries);
    }

    fn deliver(
        &self,
        destination: DestinationId,
        kind: ItemKind,
        name: &str,
        body: impl FnOnce(Map<String, Json>) -> serde_json::Result<String>,
        deliveries: &mut Vec<Delivery>,
    ) {
        let Some(to) = self.program.destinations.get(destination.index()) else { return };
        // Nothing leaves the region, not even that somebody takes something back.
        if self.program.region.as_ref().is_some_and(|region| !to.serves(region)) {
            return;
        }
        // Who takes something back wants it to be known, and nothing else of them.
        let takes_back = matches!(kind, ItemKind::SegmentLeft | ItemKind::Erase);
        let is_withheld = self.plan.withheld(self.plan.consents_to(self.person), to).is_some();
        if is_withheld && !takes_back {
            return;
        }
        let traits = if is_withheld { Map::new() } else { self.traits(to) };
        // Keys are text and values are JSON already: this cannot fail.
        let Ok(payload) = body(traits) else { return };
        deliveries.push(Delivery {
            id: self.effect_id(&to.name, kind, name),
            destination,
            person: self.component.id,
            at: self.at,
            cause: self.cause,
            kind,
            name: name.to_owned(),
            identifiers: self.identifiers(to),
            payload,
        });
    }

    /// The traits that go with each item, as far as they are known.
    fn traits(&self, to: &Destination) -> Map<String, Json> {
        let mut traits = Map::new();
        for id in &to.profile_traits {
            let value = self.person.profile_value(*id);
            if let (true, Some(it)) = (value.is_known(), self.program.profile.get(id.index())) {
                traits.insert(it.name.clone(), value.to_json(&it.kind));
            }
        }
        let mut memo = Memo::default();
        for id in &to.computed_traits {
            let value = value_of(self.plan, self.person, *id, self.at, &mut memo).datum;
            if let (true, Some(it)) = (value.is_known(), self.plan.rule(*id)) {
                traits.insert(it.name.clone(), value.to_json(&it.kind));
            }
        }
        traits
    }

    /// The person's identifiers of the kinds that the destination may see, sorted.
    fn identifiers(&self, to: &Destination) -> Vec<(String, String)> {
        let nodes = self.component.nodes.iter().filter_map(|node| self.graph.node(*node)).filter(|(_, it)| !it.former);
        let mut seen: Vec<_> = nodes
            .map(|(identifier, _)| identifier)
            .filter(|identifier| to.identifiers.is_empty() || to.identifiers.contains(&identifier.kind))
            .collect();
        seen.sort_unstable();
        let name = |kind: usize| self.program.identity.identifiers.get(kind).map_or("", |kind| kind.name.as_str());
        seen.into_iter().map(|it| (name(it.kind.index()).to_owned(), it.value.to_string())).collect()
    }

    /// The same after any replay: a hash of the cause, the destination, what is told, and of whom.
    fn effect_id(&self, destination: &str, kind: ItemKind, name: &str) -> EffectId {
        let mut hash = Xxh3::new();
        let (tag, cause) = match self.cause {
            Cause::Record(seq) => (0_u8, seq.0),
            Cause::Timer(moment) => (1, moment.0 as u64),
            Cause::Takeover(moment) => (2, moment.0 as u64),
        };
        hash.update(&[tag, kind_code(kind)]);
        hash.update(&cause.to_le_bytes());
        hash.update(&self.component.id.0.to_le_bytes());
        hash.update(destination.as_bytes());
        hash.update(&[0]);
        hash.update(name.as_bytes());
        if self.round > 0 {
            hash.update(&[0, self.round]);
        }
        EffectId(hash.digest128())
    }
}

fn kind_code(kind: ItemKind) -> u8 {
    match kind {
        ItemKind::Message => 0,
        ItemKind::SegmentEntered => 1,
        ItemKind::SegmentLeft => 2,
        ItemKind::TraitChanged => 3,
        ItemKind::Event => 4,
        ItemKind::Erase => 5,
    }
}
