//! What matching found becomes links of the log and rows of the queue.

use super::Broken;
use super::crowd::{Crowd, print_of};
use super::queue::{Known, identifier};
use crate::pipeline::limits;
use crate::server::answers::{Answers, trouble};
use crate::server::speech::Spoken;
use metrics::counter;
use serde_json::{Map, Value as Json, json};
use sonder_console::engine::{Trouble, instant};
use sonder_core::message::Call;
use sonder_core::record::Likelihood;
use sonder_core::state::Relation;
use sonder_dsl::ir::Program;
use sonder_dsl::model::Probabilistic;
use sonder_dsl::time::Moment;
use sonder_matching::{Explanation, Link, Matching};
use sonder_store::{MatchCounts, MatchPair, MatchStep, MatchSteps};
use std::sync::Arc;

/// A pair that is likely enough to be linked, or to be asked about.
pub(super) struct Proposal {
    ends: [(String, String); 2],
    likelihood: Likelihood,
    /// Whether it is to be linked, if no rule is against it.
    is_sure: bool,
    steps: MatchSteps,
    fingerprint: u64,
}

/// The pairs, from the likeliest on. Of those that are likely enough to be linked, only those are that their whole clusters
/// agree with; a link that others of this run imply already is none.
pub(super) fn proposals(crowd: &Crowd, matching: &Matching<'_>, settings: &Probabilistic) -> Vec<Proposal> {
    let clusters = matching.clusters(settings.link_at);
    let [link_at, review_at] = [settings.link_at, settings.review_at].map(Likelihood::of_probability);
    let mut joined: Vec<u32> = (0..crowd.people.len() as u32).collect();
    let (mut proposals, mut queued) = (Vec::new(), 0);
    for link in matching.links() {
        let likelihood = Likelihood::of_weight(link.score.weight);
        let (left, right) = (link.left as usize, link.right as usize);
        let is_sure = likelihood >= link_at && clusters.get(left) == clusters.get(right);
        if is_sure {
            let (one, other) = (root(&mut joined, link.left), root(&mut joined, link.right));
            if one == other {
                continue;
            }
            joined[one.max(other) as usize] = one.min(other);
        } else if likelihood < review_at || queued == limits::MATCH_QUEUE {
            continue;
        } else {
            queued += 1;
        }
        proposals.extend(proposal(crowd, matching, link, likelihood, is_sure));
    }
    proposals
}

fn proposal(
    crowd: &Crowd,
    matching: &Matching<'_>,
    link: &Link,
    likelihood: Likelihood,
    is_sure: bool,
) -> Option<Proposal> {
    let mut ends = [crowd.people.get(link.left as usize)?, crowd.people.get(link.right as usize)?];
    // The same pair is the same whatever the numbers of its people are in this run.
    ends.sort_by(|one, other| one.named.cmp(&other.named));
    let [one, other] = ends;
    let Explanation { prior, fields, alike } = matching.explain(link);
    let fields = crowd.records.fields().zip(fields).map(|(field, (level, weight))| MatchStep {
        field: field.to_owned(),
        level: level.to_owned(),
        weight: rounded(weight),
    });
    let steps = MatchSteps { prior: rounded(prior), fields: fields.collect(), alike: rounded(alike) };
    let fingerprint = print_of(one.print, other.print);
    Some(Proposal { ends: [one.named.clone(), other.named.clone()], likelihood, is_sure, steps, fingerprint })
}

/// Thousandths are all that anybody reads.
fn rounded(weight: f64) -> f64 {
    (weight * 1_000.0).round() / 1_000.0
}

fn root(joined: &mut [u32], of: u32) -> u32 {
    let mut at = of;
    while joined[at as usize] != at {
        joined[at as usize] = joined[joined[at as usize] as usize];
        at = joined[at as usize];
    }
    at
}

impl Answers {
    /// Holds what was found against who people are now, writes the rows, and then the links. A crash between leaves rows that the
    /// next run links.
    pub(super) fn propose(
        &self,
        program: &Arc<Program>,
        proposals: Vec<Proposal>,
        mut known: Known,
        began: Moment,
        counts: &mut MatchCounts,
    ) -> Result<(), Broken> {
        let (mut pairs, mut links) = (Vec::new(), Vec::new());
        for some in proposals.chunks(limits::CENSUS_CHUNK as usize) {
            let live = self.shared.live.read();
            for it in some {
                let Some(ends) = both(program, &it.ends) else { continue };
                let is_link = match live.state.relation(&ends[0], &ends[1], Likelihood(i32::MAX)) {
                    Relation::Two => it.is_sure,
                    Relation::Against(_) => false,
                    // They are one already, or not there; or it is decided.
                    _ => continue,
                };
                let before = known.open.remove(&it.ends);
                counts.queued += u64::from(!is_link && before.is_none());
                let id = before.unwrap_or_else(new_id);
                let Proposal { ends, likelihood, steps, fingerprint, .. } = it;
                let pair = MatchPair {
                    id,
                    proposed_at: began,
                    ends: ends.clone(),
                    weight: likelihood.0,
                    is_link,
                    steps: steps.clone(),
                    fingerprint: *fingerprint,
                };
                if is_link {
                    links.push((ends.clone(), *likelihood));
                }
                pairs.push(pair);
            }
        }
        // What waited and is not likely any more waits no longer.
        counts.left = known.open.len() as u64;
        let mut gone = known.gone;
        gone.extend(known.open.into_values());
        {
            // Nobody is erased between the look at whom that would concern and the rows.
            let _succession = self.shared.succession.lock();
            self.store.propose_matches(&pairs, &gone, &self.shared.suppression, began).map_err(trouble)?;
        }
        for some in links.chunks(limits::MATCH_MESSAGES) {
            counts.linked += self.link(program, some, began)?;
        }
        self.await_folded();
        counter!("sonder_match_pairs_total", "outcome" => "linked").increment(counts.linked);
        counter!("sonder_match_pairs_total", "outcome" => "queued").increment(counts.queued);
        Ok(())
    }

    /// Writes links into the log. They are as of when people were looked at, so that of nobody who was erased since one is taken in.
    fn link(
        &self,
        program: &Arc<Program>,
        links: &[([(String, String); 2], Likelihood)],
        began: Moment,
    ) -> Result<u64, Trouble> {
        let mut spoken: Vec<Spoken> = Vec::with_capacity(links.len());
        for (ends, likelihood) in links {
            let named = ends.iter().map(|(kind, value)| json!({"kind": kind, "value": value}));
            let message = Map::from_iter([
                ("identifiers".to_owned(), named.collect()),
                ("weight".to_owned(), Json::from(likelihood.weight())),
                ("timestamp".to_owned(), Json::from(instant(began))),
            ]);
            match self.speak(program, message, Some(Call::Match), "") {
                Ok(it) => spoken.push(it),
                // An identifier that is of nobody any more, by what the project says now.
                Err(Trouble::Refused { message, .. }) => tracing::warn!(message, "a likely pair is not linked"),
                Err(other) => return Err(other),
            }
        }
        let count = spoken.len() as u64;
        self.submit_all(program, spoken).map(|()| count)
    }
}

pub(super) fn both(
    program: &Program,
    [one, other]: &[(String, String); 2],
) -> Option<[sonder_core::record::Identifier; 2]> {
    Some([identifier(program, one)?, identifier(program, other)?])
}

/// Short enough to be typed.
fn new_id() -> String {
    let mut id = uuid::Uuid::new_v4().simple().to_string();
    id.truncate(12);
    id
}
