//! Names in checkpoints: what a project declares is kept under the hash of its name (aggregates under their
//! fingerprint), so that a state fits the next version of the project, where ids have moved.

use rustc_hash::FxHashMap;
use sonder_dsl::ir::journey::Entry;
use sonder_dsl::ir::{
    AggregateId, BEFORE, DestinationId, IdentifierKindId, Journey, JourneyId, ProfileTraitId, Program, PurposeId,
    RuleId, SourceId, Successors,
};
use sonder_dsl::model::{LIKELY_ONLY, MergePolicy, Origin, ProfileTrait};
use xxhash_rust::xxh3::xxh3_64;

/// The key of a name.
pub type NameKey = u64;

/// Who sets the traits that journeys set. No source of a project has such a name.
pub const JOURNEY_SOURCE: &str = "(journey)";

/// Its key.
pub fn journey_source_key() -> NameKey {
    xxh3_64(JOURNEY_SOURCE.as_bytes())
}

/// Journeys that people enter when a condition becomes true: each has a hidden rule, in this order behind the program's.
pub fn entered_by_condition(program: &Program) -> impl Iterator<Item = &Journey> {
    program.journeys.iter().filter(|journey| matches!(journey.entry, Entry::Condition(_)))
}

/// Keys of ids, and ids of keys.
#[derive(Debug)]
pub struct Names {
    /// Kinds of identifiers.
    pub kinds: Index,
    /// Sources.
    pub sources: Index,
    /// Traits of the golden record.
    pub profile: Index,
    /// Purposes.
    pub purposes: Index,
    /// Segments and computed traits.
    pub rules: Index,
    /// Aggregates.
    pub aggregates: Index,
    /// Journeys.
    pub journeys: Index,
    /// Destinations.
    pub destinations: Index,
    /// For each trait of the golden record, a key of its policy.
    pub policies: Vec<NameKey>,
}

/// One list of named things.
#[derive(Debug)]
pub struct Index {
    keys: Vec<NameKey>,
    places: FxHashMap<NameKey, u32>,
}

impl Names {
    /// Of a program.
    pub fn new(program: &Program) -> Self {
        let hidden = entered_by_condition(program).map(|journey| &journey.name);
        Self {
            kinds: Index::of_names(program.identity.identifiers.iter().map(|it| it.name.as_str())),
            // What journeys set is of no source of the project; it stands behind them.
            sources: Index::of_names(program.sources.iter().map(|it| it.name.as_str()).chain([JOURNEY_SOURCE])),
            profile: Index::of_names(program.profile.iter().map(|it| it.name.as_str())),
            purposes: Index::of_names(program.consent.purposes.iter().map(|it| it.name.as_str())),
            rules: Index::of_names(
                program.rules.iter().map(|it| it.name.clone()).chain(hidden.map(|name| format!("journey {name}"))),
            ),
            aggregates: Index::new(program.aggregates.iter().map(|it| it.fingerprint.0).collect()),
            journeys: Index::of_names(program.journeys.iter().map(|it| it.name.as_str())),
            destinations: Index::of_names(program.destinations.iter().map(|it| it.name.as_str())),
            policies: program.profile.iter().map(|it| policy_key(it, program)).collect(),
        }
    }
}

impl Names {
    /// Where things stand in the program, for what never leaves this process.
    pub fn places(program: &Program) -> Self {
        Self {
            kinds: Index::of_places(program.identity.identifiers.len()),
            sources: Index::of_places(program.sources.len() + 1),
            profile: Index::of_places(program.profile.len()),
            purposes: Index::of_places(program.consent.purposes.len()),
            rules: Index::of_places(program.rules.len() + entered_by_condition(program).count()),
            aggregates: Index::of_places(program.aggregates.len()),
            journeys: Index::of_places(program.journeys.len()),
            destinations: Index::of_places(program.destinations.len()),
            policies: Vec::new(),
        }
    }
}

/// The key of a journey's name.
pub fn journey_key(name: &str) -> NameKey {
    xxh3_64(name.as_bytes())
}

/// The journey that a key of the version before stands for, for those who are early and for all others: of the two that a journey is
/// while it is rolled out, theirs. Where that version is not at hand, what a journey `was` counts as long as none has that name.
pub fn journeys_since(
    program: &Program,
    before: Option<&Program>,
) -> impl Fn(NameKey, bool) -> Option<JourneyId> + use<> {
    let own = |name: &str, is_early: bool| {
        let admits = |journey: &Journey| journey.gate.is_none_or(|gate| gate.admits(is_early));
        let mut numbered = (0..).map(JourneyId).zip(&program.journeys);
        numbered.find(|(_, journey)| journey.own_name() == name && admits(journey)).map(|(id, _)| id)
    };
    let mut known: FxHashMap<(NameKey, bool), Option<JourneyId>> = FxHashMap::default();
    let mut note = |name: &str, now: &str| {
        for is_early in [false, true] {
            known.insert((journey_key(name), is_early), own(now, is_early));
        }
    };
    match before {
        Some(before) => {
            let now = Successors::new(before, program).journeys;
            for (journey, now) in before.journeys.iter().zip(now) {
                let now = now.and_then(|id| program.journeys.get(id.index()));
                note(&journey.name, now.map_or(journey.own_name(), Journey::own_name));
            }
        }
        None => {
            for journey in &program.journeys {
                journey.was.iter().for_each(|was| note(was, journey.own_name()));
            }
            for name in program.journeys.iter().map(Journey::own_name) {
                note(&format!("{name}{BEFORE}"), name);
                note(name, name);
            }
        }
    }
    move |journey, is_early| known.get(&(journey, is_early)).copied().flatten()
}

impl Index {
    /// Keys that are small: they are written many times. Zero stands for what is not there.
    fn of_places(count: usize) -> Self {
        Self::new((1..=count as u64).collect())
    }

    fn of_names(names: impl Iterator<Item = impl AsRef<str>>) -> Self {
        Self::new(names.map(|name| xxh3_64(name.as_ref().as_bytes())).collect())
    }

    fn new(keys: Vec<NameKey>) -> Self {
        let places = keys.iter().enumerate().map(|(place, key)| (*key, place as u32)).collect();
        Self { keys, places }
    }

    /// The key of what stands at a place.
    pub fn key(&self, place: usize) -> NameKey {
        self.keys.get(place).copied().unwrap_or_default()
    }

    /// The place of a key; `None` when there is no such thing any more.
    pub fn place(&self, key: NameKey) -> Option<u32> {
        self.places.get(&key).copied()
    }

    /// Keys by place.
    pub fn keys(&self) -> &[NameKey] {
        &self.keys
    }
}

macro_rules! typed {
    ($($name:ident $key:ident $list:ident $id:ident $repr:ty;)+) => {
        impl Names {$(
            /// The id of a key.
            pub fn $name(&self, key: NameKey) -> Option<$id> {
                self.$list.place(key).map(|place| $id(place as $repr))
            }

            /// The key of an id.
            pub fn $key(&self, id: $id) -> NameKey {
                self.$list.key(id.index())
            }
        )+}
    };
}

typed! {
    kind kind_key kinds IdentifierKindId u16;
    source source_key sources SourceId u32;
    profile_trait profile_trait_key profile ProfileTraitId u32;
    purpose purpose_key purposes PurposeId u16;
    rule rule_key rules RuleId u32;
    aggregate aggregate_key aggregates AggregateId u32;
    journey journey_key journeys JourneyId u16;
    destination destination_key destinations DestinationId u32;
}

fn policy_key(declared: &ProfileTrait, program: &Program) -> NameKey {
    let text = match &declared.merge {
        _ if declared.from == Origin::LikelyOnly => LIKELY_ONLY.to_owned(),
        MergePolicy::Sources(sources) => {
            let names = sources.iter().filter_map(|id| program.sources.get(id.index()));
            names.fold("sources".to_owned(), |text, source| text + "," + &source.name)
        }
        MergePolicy::MostRecent => "most_recent".to_owned(),
        MergePolicy::First => "first".to_owned(),
        MergePolicy::Longest => "longest".to_owned(),
        MergePolicy::Union => "union".to_owned(),
        MergePolicy::Min => "min".to_owned(),
        MergePolicy::Max => "max".to_owned(),
    };
    xxh3_64(text.as_bytes())
}
