//! What another version of the project makes of people, in words to destinations.
//!
//! A destination knows of somebody what it was told. When a version takes over it is told the difference to what that version
//! tells of them: who is in a segment now, or no longer; that nobody is in a segment which is no more, or which the
//! destination receives no longer; who is in one that it receives from now on; and computed traits with other values.
//!
//! Under another name a segment or a trait goes on, so that nothing is put on record. But a destination knows it by name: whoever
//! is in such a segment left it under the old name and entered it under the new one, and a trait has no value under the old name
//! and its value under the new one.
//!
//! Of people who are one under the new version, what all of them were in is compared with what they are in together: whoever goes on
//! is in what any of them was in without having entered it, as with any merge.
//!
//! Nobody leaves of whom a destination never heard, because they did not consent; and whoever consents now, because what is asked
//! for is something else, is entered or leaves as if they had said so.

use super::{Slot, State, Turn};
use crate::datum::Known;
use crate::deliver;
use crate::effect::{Cause, Change, ChangeKind, Effects, PersonId};
use crate::identity::graph::PersonIndex;
use crate::person::Person;
use smallvec::SmallVec;
use sonder_dsl::ir::{DestinationId, Program, RuleId, Successors};
use sonder_dsl::model::Destination;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// A segment or computed trait in both versions. Ids are of the new one.
#[derive(Debug, Default)]
struct Told {
    /// Nothing where it is no more.
    rule: Option<RuleId>,
    name: String,
    /// What it was called, where that is another name.
    was: Option<String>,
    /// The destinations that were told of it, and still exist.
    before: Vec<DestinationId>,
    /// Those that are told.
    now: Vec<DestinationId>,
}

impl Told {
    fn differs(&self) -> bool {
        self.before != self.now || self.was.is_some()
    }
}

/// What destinations receive, in both versions.
struct Audience {
    told: Vec<Told>,
    /// Where a rule of the version before is among them.
    by_old: BTreeMap<RuleId, usize>,
    /// Where a rule of the new version is among them.
    by_new: BTreeMap<RuleId, usize>,
    /// What each destination was in the version before.
    destinations: Vec<Option<Destination>>,
}

/// Of each destination whether it may hear of somebody: in the version before, and in this one.
type Openness = Vec<(bool, bool)>;

impl Audience {
    fn new(before: (&State, &Program), now: (&State, &Program)) -> Self {
        let was = |it: &Destination| before.1.destinations.iter().find(|old| old.name == it.name).cloned();
        let destinations = now.1.destinations.iter().map(was).collect();
        let mut audience = Self { told: Vec::new(), by_old: BTreeMap::new(), by_new: BTreeMap::new(), destinations };
        for (rule, plan) in now.0.plan.declared_rules() {
            audience.by_new.insert(rule, audience.told.len());
            let (name, now) = (plan.name.clone(), plan.receivers.clone());
            audience.told.push(Told { rule: Some(rule), name, now, ..Told::default() });
        }
        let destination = |id: &DestinationId| {
            let name = &before.1.destinations.get(id.index())?.name;
            let place = now.1.destinations.iter().position(|it| it.name == *name)?;
            u32::try_from(place).ok().map(DestinationId)
        };
        let successors = Successors::new(before.1, now.1);
        for (rule, plan) in before.0.plan.declared_rules() {
            let mut told: Vec<_> = plan.receivers.iter().filter_map(destination).collect();
            told.sort_unstable();
            let successor = successors.rules.get(rule.index()).copied().flatten();
            let place = successor.and_then(|rule| audience.by_new.get(&rule).copied());
            let place = place.unwrap_or_else(|| {
                audience.told.push(Told { name: plan.name.clone(), ..Told::default() });
                audience.told.len() - 1
            });
            let it = &mut audience.told[place];
            it.was = (it.name != plan.name).then(|| plan.name.clone());
            it.before = told;
            audience.by_old.insert(rule, place);
        }
        audience
    }

    fn any_differs(&self) -> bool {
        self.told.iter().any(Told::differs)
    }
}

impl State {
    /// Tells what is otherwise about people under this version of the project than it was under the one before, `before`. Both
    /// must be at the same place of the log and the same moment. The traits of people who were not in memory are told with
    /// their next event. Whoever was `erased` and is back is somebody new: of them everything is told.
    pub fn tell_since(
        &mut self,
        program: &Program,
        before: (&Self, &Program),
        (erased, is_silent): (&[PersonId], bool),
        effects: &mut Effects,
    ) {
        let audience = Audience::new(before, (self, program));
        let (before, any_differs) = (before.0, audience.any_differs());
        let mut people: Vec<(PersonId, PersonIndex)> =
            self.graph.people().map(|(person, component)| (component.id, person)).collect();
        people.sort_unstable();
        for (id, person) in people {
            let is_new = erased.contains(&id);
            let olds = if is_new { SmallVec::new() } else { self.before(id, before) };
            let was_in = olds.iter().flat_map(|slot| before.plan.shown(&slot.segments));
            let was_in: BTreeSet<usize> = was_in.filter_map(|(rule, _)| audience.by_old.get(&rule).copied()).collect();
            let is_in = self.plan.shown(&self.slots[person.index()].segments);
            let is_in: BTreeSet<usize> = is_in.filter_map(|(rule, _)| audience.by_new.get(&rule).copied()).collect();
            let own = before.alive(id).and_then(|place| before.slots.get(place.index()));
            let told = match is_new {
                true => Some(Cow::Owned(Person::new(self.now))),
                false => own.and_then(|slot| slot.body.read(&before.plan)),
            };
            let traits = match (told, self.slots[person.index()].body.awake()) {
                (Some(told), Some(is)) => self.announced_anew(&audience, &told, is),
                _ => Vec::new(),
            };
            let consented = olds.iter().map(|slot| slot.consents).reduce(|all, one| all | one);
            let open: Openness = (program.destinations.iter().zip(&audience.destinations))
                .map(|(it, was)| {
                    let was_open = was.as_ref().zip(consented);
                    let was_open = was_open.is_some_and(|(was, by)| before.plan.withheld(by, was).is_none());
                    (was_open, self.plan.withheld(self.slots[person.index()].consents, it).is_none())
                })
                .collect();
            let is_same = !any_differs && (is_in.is_empty() || open.iter().all(|(was, is)| was == is));
            if was_in == is_in && traits.is_empty() && is_same {
                continue;
            }
            let cause = Cause::Takeover(self.now);
            let turn = Turn { person, at: self.now, cause, deliver: !is_silent, round: 0 };
            if let Some(subject) = self.subject(program, turn).filter(|_| turn.deliver) {
                self.tell_memberships(&audience, (&was_in, &is_in), &open, &subject, effects);
                for change in &traits {
                    if let ChangeKind::TraitChanged { rule, .. } = change {
                        deliver::rule(&subject, *rule, change, effects);
                    }
                }
                if any_differs {
                    tell_new_receivers(&audience, &traits, &subject, effects);
                }
            }
            let rule = |place: &usize| audience.told[*place].rule;
            let left = was_in.difference(&is_in).filter_map(rule).map(ChangeKind::Left);
            let entered = is_in.difference(&was_in).filter_map(rule).map(ChangeKind::Entered);
            let changed = |what| Change { person: id, at: self.now, cause, what };
            effects.changes.extend(left.chain(entered).chain(traits).map(changed));
        }
    }

    /// Whoever somebody was under the version before.
    fn before<'a>(&self, id: PersonId, before: &'a Self) -> SmallVec<[&'a Slot; 1]> {
        let component = self.graph.person(id).and_then(|person| self.graph.component(person));
        let ids = component.into_iter().flat_map(|component| self.graph.ids_of(component));
        ids.filter_map(|id| before.slots.get(before.alive(id)?.index())).collect()
    }

    /// First what somebody is in no longer, for each destination that thinks otherwise.
    fn tell_memberships(
        &self,
        audience: &Audience,
        (was_in, is_in): (&BTreeSet<usize>, &BTreeSet<usize>),
        open: &Openness,
        subject: &deliver::Subject<'_>,
        effects: &mut Effects,
    ) {
        let nobody: &[DestinationId] = &[];
        let was_open = |it: &DestinationId| open.get(it.index()).is_some_and(|(was, _)| *was);
        let is_open = |it: &DestinationId| open.get(it.index()).is_some_and(|(_, is)| *is);
        for is_entering in [false, true] {
            for (place, told) in was_in.union(is_in).filter_map(|place| Some((place, audience.told.get(*place)?))) {
                let before = if was_in.contains(place) { &told.before } else { nobody };
                let now = if is_in.contains(place) { &told.now } else { nobody };
                let knew = |it: &DestinationId| before.contains(it) && was_open(it);
                let knows = |it: &DestinationId| now.contains(it) && is_open(it);
                let name = told.was.as_ref().filter(|_| !is_entering).unwrap_or(&told.name);
                for destination in if is_entering { now } else { before } {
                    let (more, fewer) = (knows(destination), knew(destination));
                    let (more, fewer) = if is_entering { (more, fewer) } else { (fewer, more) };
                    if more && (told.was.is_some() || !fewer) {
                        subject.membership(*destination, name, is_entering, &mut effects.deliveries);
                    }
                }
            }
        }
    }

    /// Computed traits that destinations know otherwise than they are, where `told` is what another version told.
    fn announced_anew(&self, audience: &Audience, told: &Person, is: &Person) -> Vec<ChangeKind> {
        let new = |old: &RuleId| audience.told[*audience.by_old.get(old)?].rule;
        let was = told.announced.iter().filter_map(|(rule, value)| Some((new(rule)?, value.clone())));
        let was: BTreeMap<RuleId, Option<Known>> = was.collect();
        let rules: BTreeSet<RuleId> = was.keys().copied().chain(is.announced.iter().map(|(rule, _)| *rule)).collect();
        let nothing = |rule: RuleId| self.plan.rule(rule).and_then(|it| it.value_of_nothing().to_value()).map(Known);
        // What nobody is told of is not computed.
        let watched = rules.into_iter().filter(|rule| self.plan.rule(*rule).is_some_and(|it| it.watched));
        let changed = watched.filter_map(|rule| {
            let before = was.get(&rule).cloned().unwrap_or_else(|| nothing(rule));
            let now = is.announced.binary_search_by_key(&rule, |(rule, _)| *rule);
            let now = now.map_or_else(|_| nothing(rule), |place| is.announced[place].1.clone());
            (before != now).then(|| ChangeKind::TraitChanged { rule, value: now.map(|it| it.0) })
        });
        changed.collect()
    }
}

/// Traits with the same value as before, to destinations that receive them from now on, or know them by another name: there is no
/// value under that one any more.
fn tell_new_receivers(
    audience: &Audience,
    changed: &[ChangeKind],
    subject: &deliver::Subject<'_>,
    effects: &mut Effects,
) {
    for (rule, value) in &subject.person.announced {
        let is_told = |it: &ChangeKind| matches!(it, ChangeKind::TraitChanged { rule: told, .. } if told == rule);
        let told = audience.by_new.get(rule).map(|place| &audience.told[*place]);
        let (Some(told), Some(plan)) = (told, subject.plan.rule(*rule)) else { continue };
        if let Some(was) = &told.was {
            told.before.iter().for_each(|it| subject.no_trait(*it, was, &mut effects.deliveries));
        }
        if changed.iter().any(is_told) {
            continue;
        }
        for destination in told.now.iter().filter(|it| told.was.is_some() || !told.before.contains(it)) {
            subject.computed_trait(*destination, plan, value.as_ref().map(|it| &it.0), &mut effects.deliveries);
        }
    }
}
