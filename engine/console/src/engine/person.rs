//! A person: the golden record, and what rules say of it.

use super::text::{instant, person_id};
use serde::Serialize;
use serde_json::Value as Json;
use sonder_core::effect::PersonId;
use sonder_core::view::PersonView;
use sonder_dsl::ir::IdentifierKindId;
use sonder_dsl::time::Moment;

/// A question about the past.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastRequest {
    /// Who is asked about, as they are known now.
    pub person: PersonId,
    /// The identifier that they were named by, where it was not an id: whoever had it then is meant.
    pub named: Option<(IdentifierKindId, String)>,
    /// The moment; what was received after it does not count.
    pub at: Moment,
}

/// What looking for a person in memory gives.
#[derive(Clone, Debug)]
pub enum Sought {
    /// Here they are.
    Found(Box<Person>),
    /// Nobody has this id.
    Nobody,
    /// They exist, but their state is in the store; ask [`load_person`](super::Engine::load_person).
    Cold(PersonId),
}

/// All that is known of one person now.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Person {
    /// 32 hexadecimal digits; see [`person_id`](super::person_id).
    pub id: String,
    /// Ids of people who turned out to be this one; they go on to find this person.
    pub absorbed: Vec<String>,
    /// By kind and value.
    pub identifiers: Vec<Identifier>,
    /// The golden record, in the order of `profile.yaml`; only what is known.
    pub traits: Vec<Trait>,
    /// What trait rules say, in their order; only what is known.
    pub computed: Vec<ComputedTrait>,
    /// The segments they are in, in the order of the rules.
    pub segments: Vec<InSegment>,
    /// The journeys that they are or were in, by name; where a journey says `per`, each passage.
    pub journeys: Vec<OnJourney>,
    /// For each purpose whether they consent now.
    pub consent: Vec<Consent>,
    /// Since when they restrict whatever is done with their data.
    pub restricted_since: Option<String>,
    /// When their earliest event happened.
    pub first_seen: String,
    /// When their latest event happened.
    pub last_seen: String,
}

/// A passage through a journey.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OnJourney {
    /// The journey's name.
    pub name: String,
    /// What the passage is told apart by, where the journey says `per`.
    pub per: Option<Json>,
    /// `waiting`, or how it ended.
    pub status: &'static str,
    /// What they stand at, while they wait.
    pub step: Option<String>,
    /// Since when they stand there, or when they left.
    pub since: String,
    /// When they came in.
    pub entered: String,
}

/// Whether somebody consents to a purpose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Consent {
    /// Its name.
    pub purpose: String,
    /// Whether they do.
    pub granted: bool,
    /// Whether that binds: they objected to it or restricted it, and it stays so until that is lifted.
    pub held: bool,
    /// Since when they have said so; nothing where they were not asked, and what holds where they live decides.
    pub since: Option<String>,
}

/// A value that identifies the person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Identifier {
    /// `user_id`, `email` …
    pub kind: String,
    /// Normalised.
    pub value: String,
    /// The source that first sent it.
    pub source: String,
    /// When it was first seen.
    pub first_seen: String,
    /// When it was last seen.
    pub last_seen: String,
    /// It was this person's until it expired or turned out to be shared by too many.
    pub former: bool,
}

/// A value of the golden record, with the observation that won.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Trait {
    /// Its name in `profile.yaml`.
    pub name: String,
    /// Its value.
    pub value: Json,
    /// The source that it came from.
    pub source: String,
    /// When it was observed.
    pub at: String,
}

/// The value of a trait rule.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ComputedTrait {
    /// The rule's name.
    pub name: String,
    /// Its value; decimals are strings.
    pub value: Json,
}

/// A membership.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InSegment {
    /// The segment's name.
    pub name: String,
    /// Since when.
    pub since: String,
}

impl From<PersonView> for Person {
    fn from(view: PersonView) -> Self {
        let consent = view.consent.into_iter().map(|it| Consent {
            purpose: it.purpose,
            granted: it.granted,
            held: it.held,
            since: it.since.map(instant),
        });
        let identifiers = view.identifiers.into_iter().map(|identifier| Identifier {
            kind: identifier.kind,
            value: identifier.value,
            source: identifier.source,
            first_seen: instant(identifier.first_seen),
            last_seen: instant(identifier.last_seen),
            former: identifier.former,
        });
        let traits = view.traits.into_iter().map(|observed| Trait {
            name: observed.name,
            value: observed.value,
            source: observed.source,
            at: instant(observed.at),
        });
        let computed = view.computed.into_iter().map(|rule| ComputedTrait { name: rule.name, value: rule.value });
        let segments =
            view.segments.into_iter().map(|segment| InSegment { name: segment.name, since: instant(segment.since) });
        let journeys = view.journeys.into_iter().map(|it| OnJourney {
            name: it.name,
            per: it.per,
            status: it.status,
            step: it.step,
            since: instant(it.since),
            entered: instant(it.entered),
        });
        Self {
            id: person_id(view.id),
            absorbed: view.absorbed.into_iter().map(person_id).collect(),
            identifiers: identifiers.collect(),
            traits: traits.collect(),
            computed: computed.collect(),
            segments: segments.collect(),
            journeys: journeys.collect(),
            consent: consent.collect(),
            restricted_since: view.restricted_since.map(instant),
            first_seen: instant(view.first_seen),
            last_seen: instant(view.last_seen),
        }
    }
}
