//! Everybody, as matching looks at them: what is compared of each, and an identifier that stands for them.

use super::Broken;
use crate::observe::Health;
use crate::pipeline::limits;
use crate::server::answers::Answers;
use crate::server::speech::refused;
use serde_json::{Map, Value as Json};
use sonder_console::engine::Trouble;
use sonder_core::effect::PersonId;
use sonder_core::state::{Asked, Resident};
use sonder_core::view::PersonView;
use sonder_dsl::ir::{ProfileTraitId, Program};
use sonder_dsl::model::{Comparison, Probabilistic};
use sonder_matching::Records;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// Where what is compared comes from.
#[derive(Debug)]
pub(super) struct Fields {
    /// In the order of `compare`.
    pub all: Vec<Field>,
    /// Kinds of identifiers that join people, by priority.
    joining: Vec<String>,
}

/// A field that is compared.
#[derive(Debug)]
pub(super) struct Field {
    pub name: String,
    comparison: Comparison,
    /// The trait of the golden record of that name, where there is one; the identifier of that name stands in for it.
    of_profile: Option<ProfileTraitId>,
}

/// Everybody of whom anything is known that is compared.
#[derive(Debug)]
pub(super) struct Crowd {
    /// What is compared, by number.
    pub records: Records,
    /// Who it is, by number.
    pub people: Vec<Somebody>,
}

/// Somebody.
#[derive(Debug)]
pub(super) struct Somebody {
    /// The identifier that stands for them.
    pub named: (String, String),
    /// Of who they are, and what is compared of them.
    pub print: u64,
}

/// What is compared of one person.
pub(super) struct Compared {
    pub id: PersonId,
    /// All their identifiers.
    pub identifiers: Vec<(String, String)>,
    /// By field.
    pub values: Vec<Option<String>>,
}

impl Fields {
    /// Those of `compare`.
    pub fn of(program: &Program, settings: &Probabilistic) -> Result<Self, Trouble> {
        let kinds = &program.identity.identifiers;
        let mut all = Vec::with_capacity(settings.compare.len());
        for (name, comparison) in &settings.compare {
            let place = program.profile.iter().position(|declared| declared.name == *name);
            if place.is_none() && !kinds.iter().any(|kind| kind.name == *name) {
                let message = format!("`probabilistic.compare` names `{name}`, which nothing is known of");
                let help = "declare it as a trait in `profile.yaml`, or as an identifier in `identity.yaml`";
                return Err(refused(message, help.to_owned()));
            }
            let of_profile = place.and_then(|place| u32::try_from(place).ok()).map(ProfileTraitId);
            all.push(Field { name: name.clone(), comparison: *comparison, of_profile });
        }
        let joining = kinds.iter().filter(|kind| kind.joins).map(|kind| kind.name.clone()).collect();
        Ok(Self { all, joining })
    }

    fn traits(&self) -> Vec<ProfileTraitId> {
        self.all.iter().filter_map(|field| field.of_profile).collect()
    }

    fn values(&self, profile: &Map<String, Json>, identifiers: &[(String, String)]) -> Vec<Option<String>> {
        let value = |field: &Field| {
            let known = field.of_profile.and_then(|_| profile.get(&field.name)).and_then(text);
            // Of several the first by its text: the same whenever it is asked.
            let of_kind = || identifiers.iter().filter(|(kind, _)| *kind == field.name).map(|(_, value)| value).min();
            known.or_else(|| of_kind().cloned())
        };
        self.all.iter().map(value).collect()
    }

    /// What is compared of somebody, as of now.
    pub fn compared(&self, view: PersonView) -> Compared {
        let identifiers = view.identifiers.into_iter().filter(|it| !it.former).map(|it| (it.kind, it.value));
        let identifiers: Vec<(String, String)> = identifiers.collect();
        let profile = view.traits.into_iter().map(|it| (it.name, it.value)).collect();
        let values = self.values(&profile, &identifiers);
        Compared { id: view.id, identifiers, values }
    }
}

impl Compared {
    /// Of who they are, and what is compared of them.
    pub fn print(&self) -> u64 {
        print(self.id, &self.values)
    }
}

/// Of two people.
pub(super) fn print_of(one: u64, other: u64) -> u64 {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&one.to_le_bytes());
    bytes[8..].copy_from_slice(&other.to_le_bytes());
    xxh3_64(&bytes)
}

fn print(id: PersonId, values: &[Option<String>]) -> u64 {
    let mut hasher = Xxh3::new();
    hasher.update(&id.0.to_le_bytes());
    for value in values {
        hasher.update(value.as_deref().unwrap_or_default().as_bytes());
        hasher.update(&[u8::from(value.is_some())]);
    }
    hasher.digest()
}

impl Crowd {
    /// Looks at everybody, some people under each lock. Whoever restricts what is done with their data is left out.
    pub fn gather(engine: &Answers, program: &Program, fields: &Fields) -> Result<Self, Broken> {
        let compare: Vec<(String, Comparison)> =
            fields.all.iter().map(|field| (field.name.clone(), field.comparison)).collect();
        let records = Records::new(&compare).map_err(|error| super::cannot_match(&error))?;
        let mut crowd = Self { records, people: Vec::new() };
        let (traits, mut next) = (fields.traits(), Some(0));
        while let Some(from) = next {
            if engine.shared.gauges.health() == Health::Stopping {
                return Err(Broken::Stopping);
            }
            let (found, after) = {
                let live = engine.shared.live.read();
                // Another version may run by now: then this one's numbers mean something else.
                if live.program.fingerprint != program.fingerprint {
                    return Err(Broken::Trouble(Trouble::Unavailable {
                        reason: "another version of the project took over".to_owned(),
                        retry_after_s: 1,
                    }));
                }
                let asked = Asked { traits: &traits, consent: true };
                live.state.census(&live.program, asked, from, limits::CENSUS_CHUNK)
            };
            next = after;
            for resident in found {
                crowd.take(engine, fields, resident)?;
            }
        }
        Ok(crowd)
    }

    fn take(&mut self, engine: &Answers, fields: &Fields, resident: Resident) -> Result<(), Broken> {
        let Resident { id, identifiers, particulars, .. } = resident;
        let of_kind = |kind: &String| identifiers.iter().find(|it| it.kind == *kind && !it.generic);
        let Some(named) = fields.joining.iter().find_map(of_kind) else { return Ok(()) };
        let named = (named.kind.clone(), named.value.clone());
        let (profile, is_restricted) = match particulars {
            Some(known) => (known.profile, known.consent.is_some_and(|it| it.is_restricted)),
            None => match engine.view(id)? {
                Some(view) => {
                    let is_restricted = view.restricted_since.is_some();
                    (view.traits.into_iter().map(|it| (it.name, it.value)).collect(), is_restricted)
                }
                None => return Ok(()),
            },
        };
        let pairs: Vec<(String, String)> = identifiers.into_iter().map(|it| (it.kind, it.value)).collect();
        let values = fields.values(&profile, &pairs);
        if is_restricted || values.iter().all(Option::is_none) {
            return Ok(());
        }
        let cells = values.iter().map(Option::as_deref);
        self.records.push(cells).map_err(|error| super::cannot_match(&error))?;
        self.people.push(Somebody { named, print: print(id, &values) });
        Ok(())
    }
}

fn text(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        Json::Bool(flag) => Some(flag.to_string()),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}
