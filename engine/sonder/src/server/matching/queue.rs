//! The pairs that wait for somebody to decide, and what became of others. A row says what was found; all else is asked of the
//! state.

use super::crowd::{Compared, Fields, print_of};
use super::propose::both;
use super::settings;
use crate::pipeline::limits;
use crate::server::answers::{Answers, trouble};
use metrics::gauge;
use sonder_console::engine::{
    IdentityDecision, MatchPair, MatchPairs, PairDecided, PairDecision, PairState, PairedField, PairedPerson,
    PairsAsked, Subject, Trouble, instant, person_id,
};
use sonder_core::record::{Identifier, Likelihood};
use sonder_core::state::Relation;
use sonder_dsl::ir::Program;
use sonder_matching::Label;
use sonder_store::{MatchPair as Row, PairFilter};
use std::collections::HashMap;
use std::sync::Arc;

/// What is known of earlier pairs.
pub(super) struct Known {
    /// What people decided or was linked, and how the fields compared then.
    pub labels: Vec<Label>,
    /// How many of these people decided.
    pub decided: u64,
    /// The ids of those that wait, by their ends.
    pub open: HashMap<[(String, String); 2], String>,
    /// The ids of those that are none any more.
    pub gone: Vec<String>,
}

/// An identifier of the state by the name of its kind.
pub(super) fn identifier(program: &Program, (kind, value): &(String, String)) -> Option<Identifier> {
    Some(Identifier { kind: program.identity.kind_named(kind)?, value: value.as_str().into() })
}

impl Answers {
    /// Goes through all earlier pairs.
    pub(super) fn known_pairs(&self, program: &Arc<Program>) -> Result<Known, Trouble> {
        let mut known = Known { labels: Vec::new(), decided: 0, open: HashMap::new(), gone: Vec::new() };
        self.each_pair(program, |row, relation| match relation {
            Relation::Decided | Relation::Apart => {
                known.decided += 1;
                known.labels.push(label(&row, relation == Relation::Decided));
            }
            Relation::Linked => known.labels.push(label(&row, true)),
            Relation::Two | Relation::Against(_) => _ = known.open.insert(row.ends, row.id),
            Relation::One | Relation::Unknown | Relation::Never => known.gone.push(row.id),
        })?;
        Ok(known)
    }

    /// Counts those that wait, for whoever watches.
    pub(super) fn note_open_pairs(&self) {
        let (program, mut open) = (Arc::clone(&self.shared.live.read().program), 0_u32);
        let counted = self.each_pair(&program, |row, relation| {
            open += u32::from(!row.is_link && matches!(relation, Relation::Two | Relation::Against(_)));
        });
        match counted {
            Ok(()) => gauge!("sonder_match_queue").set(f64::from(open)),
            Err(error) => tracing::warn!(%error, "the pairs that wait for a decision cannot be counted"),
        }
    }

    fn each_pair(&self, program: &Program, mut each: impl FnMut(Row, Relation)) -> Result<(), Trouble> {
        let mut after = 0;
        loop {
            let rows = self.reader.match_pairs(PairFilter::default(), after, limits::MATCH_ROWS).map_err(trouble)?;
            let is_last = rows.len() < limits::MATCH_ROWS;
            after += rows.len();
            for row in rows {
                let relation = self.relation(program, &row);
                each(row, relation);
            }
            if is_last {
                return Ok(());
            }
        }
    }

    fn relation(&self, program: &Program, row: &Row) -> Relation {
        let Some([one, other]) = both(program, &row.ends) else { return Relation::Unknown };
        // What would be against it if it were certain: that it is not says its probability.
        self.shared.live.read().state.relation(&one, &other, Likelihood(i32::MAX))
    }

    pub(in crate::server) fn list_pairs(&self, asked: &PairsAsked) -> Result<MatchPairs, Trouble> {
        let program = Arc::clone(&self.shared.live.read().program);
        let Ok(fields) = settings(&program).and_then(|settings| Fields::of(&program, settings)) else {
            return Ok(MatchPairs { pairs: Vec::new(), next: None });
        };
        let is_link = match asked.state {
            PairState::Open => Some(false),
            PairState::Linked => Some(true),
            PairState::Accepted | PairState::Rejected => None,
        };
        let mut after = usize::try_from(asked.after).unwrap_or(usize::MAX);
        let (mut pairs, until) = (Vec::new(), after.saturating_add(limits::MATCH_LOOK));
        while after < until {
            let rows = self.reader.match_pairs(PairFilter { is_link }, after, limits::MATCH_PAGE).map_err(trouble)?;
            let is_last = rows.len() < limits::MATCH_PAGE;
            for row in rows {
                after += 1;
                let Some(pair) = self.pair(&program, &fields, row)?.filter(|pair| pair.state == asked.state) else {
                    continue;
                };
                pairs.push(pair);
                if pairs.len() == asked.limit {
                    return Ok(MatchPairs { pairs, next: Some(after as u64) });
                }
            }
            if is_last {
                return Ok(MatchPairs { pairs, next: None });
            }
        }
        Ok(MatchPairs { pairs, next: Some(after as u64) })
    }

    pub(in crate::server) fn find_pair(&self, id: &str) -> Result<Option<MatchPair>, Trouble> {
        let program = Arc::clone(&self.shared.live.read().program);
        let Ok(fields) = settings(&program).and_then(|settings| Fields::of(&program, settings)) else {
            return Ok(None);
        };
        match self.reader.match_pair(id).map_err(trouble)? {
            Some(row) => self.pair(&program, &fields, row),
            None => Ok(None),
        }
    }

    /// A pair as it is now; `None` where it is none any more.
    fn pair(&self, program: &Program, fields: &Fields, row: Row) -> Result<Option<MatchPair>, Trouble> {
        let relation = self.relation(program, &row);
        let state = match relation {
            Relation::Decided => PairState::Accepted,
            Relation::Apart => PairState::Rejected,
            Relation::Linked => PairState::Linked,
            Relation::Two | Relation::Against(_) => PairState::Open,
            Relation::One | Relation::Unknown | Relation::Never => return Ok(None),
        };
        let Some(ends) = both(program, &row.ends) else { return Ok(None) };
        let mut found: Vec<Compared> = Vec::with_capacity(2);
        for end in &ends {
            let id = self.shared.live.read().state.resolve(end);
            let view = id.map(|id| self.view(id)).transpose()?.flatten();
            let Some(view) = view else { return Ok(None) };
            found.push(fields.compared(view));
        }
        let [one, other] = &found[..] else { return Ok(None) };
        if state == PairState::Open && print_of(one.print(), other.print()) != row.fingerprint {
            // They are not who was compared.
            return Ok(None);
        }
        let against = match relation {
            Relation::Against(rule) => Some(rule),
            _ => None,
        };
        let side_by_side = row.steps.fields.into_iter().map(|step| {
            let place = fields.all.iter().position(|field| field.name == step.field);
            let value = |of: &Compared| place.and_then(|place| of.values.get(place).cloned().flatten());
            PairedField {
                values: [value(one), value(other)],
                field: step.field,
                level: step.level,
                weight: step.weight,
            }
        });
        let likelihood = Likelihood(row.weight);
        Ok(Some(MatchPair {
            id: row.id,
            state,
            people: [paired(one, &row.ends[0]), paired(other, &row.ends[1])],
            probability: likelihood.probability(),
            weight: likelihood.weight(),
            prior: row.steps.prior,
            fields: side_by_side.collect(),
            alike: row.steps.alike,
            against,
            proposed_at: instant(row.proposed_at),
        }))
    }

    /// Records a decision, unless it is so already.
    pub(in crate::server) fn decide_of_pair(&self, decision: &PairDecision) -> Result<Option<PairDecided>, Trouble> {
        // What was decided a moment ago counts.
        self.await_folded();
        let Some(pair) = self.find_pair(&decision.id)? else { return Ok(None) };
        let wanted = if decision.together { PairState::Accepted } else { PairState::Rejected };
        if pair.state == wanted {
            return Ok(Some(PairDecided { state: wanted, message_ids: Vec::new() }));
        }
        let Some(row) = self.reader.match_pair(&decision.id).map_err(trouble)? else { return Ok(None) };
        let message = self.record_decision(&IdentityDecision {
            together: decision.together,
            identifiers: row.ends.into_iter().map(|(kind, value)| Subject { kind, value }).collect(),
            reason: decision.reason.clone(),
            by: decision.by.clone(),
        })?;
        self.await_folded();
        self.note_open_pairs();
        let state = self.find_pair(&decision.id)?.map_or(wanted, |pair| pair.state);
        Ok(Some(PairDecided { state, message_ids: vec![message] }))
    }
}

fn label(row: &Row, is_match: bool) -> Label {
    let levels = row.steps.fields.iter().map(|step| (step.field.clone(), step.level.clone()));
    Label { levels: levels.collect(), is_match }
}

fn paired(of: &Compared, end: &(String, String)) -> PairedPerson {
    let named = |(kind, value): &(String, String)| format!("{kind}:{value}");
    PairedPerson {
        person: person_id(of.id),
        identifier: named(end),
        identifiers: of.identifiers.iter().map(named).collect(),
    }
}
