//! All that was said of somebody's traits, as the log still has it: what the golden record chose from.

use super::answers::{Answers, trouble};
use crate::pipeline::{clock, record};
use sonder_console::engine::{Observation, Observed, ObservedTrait, Trouble, instant, person_id, value_json};
use sonder_core::effect::PersonId;
use sonder_core::record::{Fact, Seq};
use sonder_core::view::TraitView;
use sonder_dsl::ir::{Program, SourceId};
use sonder_dsl::model::{MergePolicy, ProfileTrait};
use sonder_dsl::time::Moment;
use std::sync::Arc;

/// What a message said of a trait.
struct Said {
    value: serde_json::Value,
    source: String,
    at: Moment,
    seq: Seq,
    message_id: String,
}

impl Answers {
    /// Traits of which something was said, by name; of each what was said, the latest first.
    pub(super) fn observed_of(&self, person: PersonId) -> Result<Option<Observed>, Trouble> {
        let program = Arc::clone(&self.shared.live.read().program);
        let Some(view) = self.view(person)? else { return Ok(None) };
        let governor = self.governor(&program);
        let identifiers: Vec<(String, String)> =
            view.identifiers.iter().map(|it| (it.kind.clone(), it.value.clone())).collect();
        let messages = self.reader.kin(&identifiers, clock::wall()).map_err(trouble)?;
        let mut said: Vec<Vec<Said>> = program.profile.iter().map(|_| Vec::new()).collect();
        for logged in &messages {
            let Some(record) = record(&program, &governor, logged) else { continue };
            let Fact::Event(event) = record.fact;
            if event.traits.is_empty() || self.shared.live.read().state.whose(&event, logged.seq) != Some(view.id) {
                continue;
            }
            for (id, value) in &event.traits {
                let Some(declared) = program.profile.get(id.index()) else { continue };
                said[id.index()].push(Said {
                    value: value_json(value, &declared.kind),
                    source: logged.source.to_string(),
                    at: event.occurred_at,
                    seq: logged.seq,
                    message_id: logged.message_id.clone(),
                });
            }
        }
        let traits = program.profile.iter().zip(said).filter(|(_, said)| !said.is_empty());
        let traits = traits.map(|(declared, said)| {
            observed(&program, declared, said, view.traits.iter().find(|it| it.name == declared.name))
        });
        Ok(Some(Observed { person: person_id(view.id), traits: traits.collect() }))
    }
}

fn observed(program: &Program, declared: &ProfileTrait, mut said: Vec<Said>, won: Option<&TraitView>) -> ObservedTrait {
    said.sort_by_key(|it| std::cmp::Reverse((it.at, it.seq)));
    let is_union = declared.merge == MergePolicy::Union;
    let mut values: Vec<&serde_json::Value> = Vec::new();
    for it in &said {
        if !values.contains(&&it.value) {
            values.push(&it.value);
        }
    }
    let is_conflict = !is_union && values.len() > 1;
    let mut is_found = false;
    let observations = said.iter().map(|it| {
        let counts = won.is_some_and(|won| {
            if is_union {
                won.value.as_array().is_some_and(|list| list.contains(&it.value))
            } else {
                !is_found && won.value == it.value && won.source == it.source && won.at == it.at
            }
        });
        is_found |= counts;
        Observation {
            value: it.value.clone(),
            source: it.source.clone(),
            at: instant(it.at),
            record: it.seq.0,
            message_id: it.message_id.clone(),
            counts,
        }
    });
    ObservedTrait {
        name: declared.name.clone(),
        policy: policy(program, &declared.merge),
        value: won.map(|won| won.value.clone()),
        conflict: is_conflict,
        observations: observations.collect(),
    }
}

/// As `merge` says it in `profile.yaml`: `most_recent`; `source: crm, most_recent`.
fn policy(program: &Program, merge: &MergePolicy) -> String {
    let word = match merge {
        MergePolicy::MostRecent => "most_recent",
        MergePolicy::First => "first",
        MergePolicy::Longest => "longest",
        MergePolicy::Union => "union",
        MergePolicy::Min => "min",
        MergePolicy::Max => "max",
        MergePolicy::Sources(sources) => {
            let name = |source: &SourceId| program.sources.get(source.index()).map(|it| it.name.as_str());
            let named = sources.iter().filter_map(name).map(|name| format!("source: {name}"));
            return named.chain(["most_recent".to_owned()]).collect::<Vec<_>>().join(", ");
        }
    };
    word.to_owned()
}
