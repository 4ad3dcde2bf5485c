//! Names in checkpoints: what a project declares is kept under the hash of its name (aggregates under their
//! fingerprint), so that a state fits the next version of the project, where ids have moved.

use rustc_hash::FxHashMap;
use sonder_dsl::ir::{AggregateId, IdentifierKindId, ProfileTraitId, Program, RuleId, SourceId};
use sonder_dsl::model::MergePolicy;
use xxhash_rust::xxh3::xxh3_64;

/// The key of a name.
pub type NameKey = u64;

/// Keys of ids, and ids of keys.
#[derive(Debug)]
pub struct Names {
    /// Kinds of identifiers.
    pub kinds: Index,
    /// Sources.
    pub sources: Index,
    /// Traits of the golden record.
    pub profile: Index,
    /// Segments and computed traits.
    pub rules: Index,
    /// Aggregates.
    pub aggregates: Index,
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
        Self {
            kinds: Index::of_names(program.identity.identifiers.iter().map(|it| it.name.as_str())),
            sources: Index::of_names(program.sources.iter().map(|it| it.name.as_str())),
            profile: Index::of_names(program.profile.iter().map(|it| it.name.as_str())),
            rules: Index::of_names(program.rules.iter().map(|it| it.name.as_str())),
            aggregates: Index::new(program.aggregates.iter().map(|it| it.fingerprint.0).collect()),
            policies: program.profile.iter().map(|it| policy_key(&it.merge, program)).collect(),
        }
    }
}

impl Names {
    /// Where things stand in the program, for what never leaves this process.
    pub fn places(program: &Program) -> Self {
        Self {
            kinds: Index::of_places(program.identity.identifiers.len()),
            sources: Index::of_places(program.sources.len()),
            profile: Index::of_places(program.profile.len()),
            rules: Index::of_places(program.rules.len()),
            aggregates: Index::of_places(program.aggregates.len()),
            policies: Vec::new(),
        }
    }
}

impl Index {
    /// Keys that are small: they are written many times. Zero stands for what is not there.
    fn of_places(count: usize) -> Self {
        Self::new((1..=count as u64).collect())
    }

    fn of_names<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        Self::new(names.map(|name| xxh3_64(name.as_bytes())).collect())
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
    rule rule_key rules RuleId u32;
    aggregate aggregate_key aggregates AggregateId u32;
}

fn policy_key(policy: &MergePolicy, program: &Program) -> NameKey {
    let text = match policy {
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
