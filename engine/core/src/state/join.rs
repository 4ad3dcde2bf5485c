//! Joining two people who turned out to be one: their history, profile and memberships are as if they had been one from
//! the start.
//!
//! The person created first survives. What the absorbed one was in, the survivor is in from the earlier of both moments:
//! this is no entry, as the person entered back then, and the memberships of the absorbed id end without an exit; the
//! change [`Merged`](crate::effect::ChangeKind::Merged) says both. Then every rule that the joined history may decide
//! differently is decided again, and what follows from it is emitted like anything else.

use super::rest::Body;
use super::{CLEAN, State};
use crate::effect::PersonId;
use crate::identity::graph::PersonIndex;
use crate::journey::course::join_sent;
use crate::person::{Person, entry};
use crate::rule_times::RuleTimes;
use sonder_dsl::time::Moment;
use thin_vec::ThinVec;

impl State {
    /// `absorbed` is `survivor`. The rules to decide again are noted as touched.
    ///
    /// Both come with their ids, as one message may join several people: the graph is at the last of these joins already,
    /// and the survivor of this one may be gone from it. Their slots are not; histories move on join by join.
    pub(super) fn join(&mut self, survivor: (PersonIndex, PersonId), (absorbed, absorbed_id): (PersonIndex, PersonId)) {
        self.wake(survivor.0);
        self.wake(absorbed);
        let gone = &mut self.slots[absorbed.index()];
        self.timers.cancel(absorbed, absorbed_id, gone.queued);
        self.memory = self.memory.saturating_sub(gone.size as usize);
        gone.queued = Moment::MAX;
        gone.due = Moment::MAX;
        gone.changed = CLEAN;
        gone.size = 0;
        let history = std::mem::replace(&mut gone.body, Body::Away(0));
        let segments = std::mem::take(&mut gone.segments);
        let theirs = gone.consents | self.joined_consents(absorbed);
        self.scratch.joined_consents.push((survivor.0, theirs));
        for (rule, _) in segments.iter() {
            self.members.remove(rule, absorbed, absorbed_id);
        }
        self.graph.release(absorbed);
        self.gone.push(absorbed_id);
        if let Body::Awake(history) = history {
            self.absorb(survivor, *history, &segments);
        }
    }

    fn absorb(&mut self, (survivor, survivor_id): (PersonIndex, PersonId), history: Person, segments: &RuleTimes) {
        let slot = &mut self.slots[survivor.index()];
        let Some(person) = slot.body.awake_mut() else { return };
        person.first_seen = person.first_seen.min(history.first_seen);
        person.last_seen = person.last_seen.max(history.last_seen);
        // What either said, and where either lives, may hold for both.
        person.answers.merge(&history.answers, &mut self.dropped);
        self.scratch.touched.extend(&self.plan.rules_of_consent);
        if let Some(theirs) = history.bound {
            let ours = person.bound.get_or_insert_default();
            ours.merge(*theirs, &self.plan, &mut self.dropped);
            ours.settle(&self.plan, self.now, &mut self.dropped);
        }
        for (owner, theirs) in history.cells.iter() {
            if let Some(cell) = self.plan.aggregates.get(owner.index()).and_then(|spec| spec.cell) {
                person.cells.merge(owner, cell.form, theirs);
            }
            for sharer in &self.plan.sharing[owner.index()] {
                self.scratch.touched.extend(&self.plan.rules_of_aggregate[sharer.index()]);
            }
        }
        for (aggregate, theirs) in history.aggregates {
            let Some(spec) = self.plan.aggregates.get(aggregate.index()) else { continue };
            match person.aggregates.binary_search_by_key(&aggregate, |(id, _)| *id) {
                Ok(place) => person.aggregates[place].1.merge(theirs, spec, &mut self.dropped),
                Err(place) => person.aggregates.insert(place, (aggregate, theirs)),
            }
            self.scratch.touched.extend(&self.plan.rules_of_aggregate[aggregate.index()]);
        }
        for (id, theirs) in history.profile {
            let Some(policy) = self.plan.policies.get(id.index()) else { continue };
            let changed = match person.profile.binary_search_by_key(&id, |(id, _)| *id) {
                Ok(place) => person.profile[place].1.merge(theirs, policy, &mut self.dropped),
                Err(place) => {
                    person.profile.insert(place, (id, theirs));
                    true
                }
            };
            if changed {
                super::note(&mut self.scratch.changed_traits, id);
            }
            self.scratch.touched.extend(&self.plan.rules_of_profile_trait[id.index()]);
        }
        if let Some(theirs) = history.travels {
            let ours = person.travels.get_or_insert_default();
            for (journey, course) in theirs.courses {
                let again = self.plan.journeys.get(journey).and_then(|plan| plan.journey.again);
                for ended in ours.course_mut(journey).join(course, again, &mut self.dropped) {
                    self.standing.leave(journey, ended.node);
                    self.scratch.merged.push((journey, ended.id));
                }
            }
            for (destination, sent) in theirs.sent {
                join_sent(entry(&mut ours.sent, destination, ThinVec::new), &sent);
            }
        }
        for (rule, since) in segments.iter() {
            let joined = slot.segments.get(rule).map_or(since, |ours| ours.min(since));
            slot.segments.set(rule, joined);
            self.members.insert(rule, survivor, survivor_id);
            // They may be in it no longer, now that both histories count.
            self.scratch.touched.insert(rule);
        }
        // What one of them said may hold for what the other did.
        self.rebind(survivor);
    }
}
