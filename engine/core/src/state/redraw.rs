//! People who are made anew, because somebody loses an identifier: a link was undone, or a stronger one takes what it held.
//!
//! Each of them is folded again from the log, alone, from the beginning to the moment: as if they had always been who they
//! are now. What is told of it are the differences: who was parted from whom, which segments they entered and left by it,
//! which traits have other values. What a journey sent before stays sent.

use super::{Missing, Slot, State, Turn, likely};
use crate::datum::Known;
use crate::deliver;
use crate::effect::{Cause, Change, ChangeKind, Effects, JourneyChange, JourneyStep, PersonId};
use crate::identity::graph::{Component, Graph, NodeId, PersonIndex, Refusal};
use crate::identity::partition::Class;
use crate::identity::ties::Bundle;
use crate::identity::{Finding, LinkRules, Redraw, Sighting};
use crate::journey::course::EventPlace;
use crate::journey::{InstanceId, Outcome};
use crate::person::Person;
use crate::profile::{Observation, Observations};
use crate::record::{Event, Fact, Identifier, Record, Seq};
use rustc_hash::FxHashMap;
use sonder_dsl::ir::{JourneyId, ProfileTraitId, Program, RuleId};
use sonder_dsl::model::Destination;
use sonder_dsl::time::Moment;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Records of the log that were asked for.
#[derive(Debug)]
pub(super) struct Recalled {
    /// All that carry one of these; sorted.
    identifiers: Vec<Identifier>,
    records: Vec<Record>,
}

/// Somebody as they were.
struct Former {
    id: PersonId,
    created: Seq,
    nodes: Vec<NodeId>,
    absorbed: Vec<PersonId>,
    refused: Vec<Refusal>,
    slot: Slot,
}

/// Who somebody is from now on.
struct Anew<'r> {
    id: PersonId,
    created: Seq,
    class: &'r Class,
    /// Their events, in the order of the log.
    events: Vec<&'r Record>,
    /// Ids of theirs that are aliases.
    absorbed: Vec<PersonId>,
    /// Where they are.
    place: PersonIndex,
}

impl State {
    /// Takes in the records that [`Missing::histories`] asked for: all before the one that could not be taken in that carry
    /// one of the identifiers, in the order of the log. Then the same step can be tried again.
    pub fn recall(&mut self, mut identifiers: Vec<Identifier>, records: Vec<Record>) {
        identifiers.sort_unstable();
        self.recalled = Some(Recalled { identifiers, records });
    }

    /// Makes everybody anew whom a redraw tears, and joins the others whom it joins.
    pub(super) fn redraw(
        &mut self,
        program: &Program,
        redraw: &Redraw,
        (event, seq): (&Event, Seq),
        findings: &mut Vec<Finding>,
        effects: &mut Effects,
    ) -> Result<(), Missing> {
        // Also those who stay as they are: their links that do not hold may be others now.
        let spilled = redraw.partition.people.iter().filter_map(|person| self.require_loaded_person(*person).err());
        let people: BTreeSet<PersonId> = spilled.flat_map(|missing| missing.people).collect();
        let histories = self.histories(redraw);
        let is_recalled = histories.is_empty() || self.recalled.as_ref().is_some_and(|it| it.identifiers == histories);
        if !people.is_empty() || !is_recalled {
            let histories = if is_recalled { Vec::new() } else { histories };
            return Err(Missing { people: people.into_iter().collect(), histories });
        }
        let is_torn: Vec<bool> = redraw.partition.classes.iter().map(|class| self.is_torn(redraw, class)).collect();
        for person in &redraw.partition.people {
            self.touch(*person);
        }
        let formers: Vec<Former> = redraw.torn.iter().filter_map(|person| self.take_apart(*person)).collect();
        if let Some(node) = redraw.generic.and_then(|node| self.graph.node_mut(node)) {
            node.generic = true;
        }
        for (node, at) in &redraw.first_seen {
            if let Some(node) = self.graph.node_mut(*node) {
                node.first_seen = *at;
            }
        }
        let recalled = self.recalled.take();
        let records = recalled.as_ref().map_or(&[][..], |it| &it.records);
        let classes = redraw.partition.classes.iter().zip(&is_torn).filter(|(_, is_torn)| **is_torn);
        let plan = Arc::clone(&self.plan);
        let mut anew = divide(&self.graph, &plan.links, classes.map(|(class, _)| class), records);
        name(&self.graph, &plan.links, &mut anew, &formers, seq);
        self.settle_anew(program, &mut anew, &formers, (event, seq));
        plan.links.settle(&mut self.graph, redraw, Sighting { event, seq }, findings);
        let (cause, deliver) = (Cause::Record(seq), !event.historical);
        // What the event itself brings about may be told of the same things once more.
        let round = u8::MAX - self.scratch.redraws;
        self.scratch.redraws = self.scratch.redraws.saturating_add(1);
        for it in &anew {
            let turn = Turn { person: it.place, at: self.now, cause, deliver, round };
            tell_apart(&self.graph, it, &formers, turn, effects);
        }
        for it in &anew {
            let turn = Turn { person: it.place, at: self.now, cause, deliver, round };
            self.tell_differences(program, it, &formers, turn, effects);
        }
        self.call_back_what_never_was(&formers, &anew, effects);
        Ok(())
    }

    /// Calls back what was sent on passages that never were. Where the same event began one that is somebody's, by another id,
    /// what was sent stays sent: it is not sent again.
    fn call_back_what_never_was(&self, formers: &[Former], anew: &[Anew<'_>], effects: &mut Effects) {
        let are: BTreeSet<_> = anew
            .iter()
            .filter_map(|it| self.slots.get(it.place.index())?.body.awake())
            .flat_map(begun)
            .map(|(journey, _, began)| (journey, began))
            .collect();
        for former in formers {
            for (journey, instance, began) in former.slot.body.awake().into_iter().flat_map(begun) {
                if !are.contains(&(journey, began)) {
                    self.call_back((journey, instance), former.id, "it never was", self.now, effects);
                }
            }
        }
    }

    /// The identifiers of everybody who is made anew, sorted, each once.
    fn histories(&self, redraw: &Redraw) -> Vec<Identifier> {
        let torn = redraw.torn.iter().filter_map(|person| self.graph.component(*person));
        let theirs = torn.flat_map(|component| component.nodes.iter().copied());
        let classes = redraw.partition.classes.iter().filter(|class| self.is_torn(redraw, class));
        let nodes = classes.flat_map(|class| class.nodes.iter().copied()).chain(theirs);
        let identifiers: BTreeSet<Identifier> =
            nodes.filter_map(|node| self.graph.node(node)).map(|(named, _)| named.into()).collect();
        identifiers.into_iter().collect()
    }

    /// Whether a class has something of somebody who is made anew.
    fn is_torn(&self, redraw: &Redraw, class: &Class) -> bool {
        let owners = class.nodes.iter().filter_map(|node| Some(self.graph.node(*node)?.1.person));
        let mut owners = owners.peekable();
        let is_stray = class.nodes.len() == 1 && owners.peek() == Some(&PersonIndex::NOBODY);
        // What is nobody's may have events of its own where another identifier decides no more.
        owners.any(|owner| redraw.torn.contains(&owner)) || (is_stray && redraw.generic.is_some())
    }

    /// Takes somebody out of the graph, of all segments, of journeys and of the timers.
    fn take_apart(&mut self, person: PersonIndex) -> Option<Former> {
        self.wake(person);
        self.unschedule(person);
        let component = self.graph.take_apart(person)?;
        let slot = &mut self.slots[person.index()];
        let slot = std::mem::replace(slot, Slot::vacant());
        self.memory = self.memory.saturating_sub(slot.size as usize);
        for (rule, _) in slot.segments.iter() {
            self.members.remove(rule, person, component.id);
        }
        for (journey, course) in slot.body.awake().iter().flat_map(|it| &it.travels).flat_map(|it| &it.courses) {
            course.instances.iter().for_each(|instance| self.standing.leave(*journey, instance.node));
        }
        self.graph.release(person);
        self.gone.push(component.id);
        let ties = component.ties();
        Some(Former {
            id: component.id,
            created: component.created,
            nodes: component.nodes.to_vec(),
            absorbed: ties.absorbed().to_vec(),
            refused: ties.refused().to_vec(),
            slot,
        })
    }

    /// Folds everybody anew, each on their own, and lets them in.
    fn settle_anew(&mut self, program: &Program, anew: &mut [Anew<'_>], formers: &[Former], cause: (&Event, Seq)) {
        let mut alone = Self::with_plan(program, Arc::clone(&self.plan));
        alone.journeys_held = self.journeys_held;
        let mut unheard = Effects::default();
        let mut lives: Vec<(&Record, usize)> = Vec::new();
        for (index, it) in anew.iter().enumerate() {
            let place = alone.graph.add_person(Component::new(it.id, it.created));
            alone.make_room(place, it.id);
            if likely::is_likely_only(&it.class.nodes, || it.class.edges.iter().copied())
                && let Some(person) = alone.slots[index].body.awake_mut()
            {
                person.profile.extend(self.observed_as_likely(it, formers, cause));
            }
            lives.extend(it.events.iter().map(|record| (*record, index)));
        }
        lives.sort_by_key(|(record, _)| record.seq);
        let mut has_begun = vec![false; anew.len()];
        for (record, index) in lives {
            let Fact::Event(event) = &record.fact;
            let person = PersonIndex(index as u32);
            let advanced = alone.advance(program, record.received_at, &mut unheard);
            debug_assert!(advanced.is_ok(), "nobody is spilled here");
            alone.seq = record.seq;
            if !std::mem::replace(&mut has_begun[index], true) {
                alone.touch_initially(person);
            }
            alone.see(person, event, record.seq);
            alone.live_through(program, event, person, &mut unheard);
            unheard = Effects::default();
        }
        let advanced = alone.advance(program, self.now, &mut unheard);
        debug_assert!(advanced.is_ok(), "nobody is spilled here");
        for (index, _) in has_begun.iter().enumerate().filter(|(_, has_begun)| !**has_begun) {
            // Nothing but links says that there is somebody.
            let (person, cause) = (PersonIndex(index as u32), Cause::Timer(self.now));
            alone.touch_initially(person);
            alone.decide(program, Turn { person, at: self.now, cause, deliver: false, round: 0 }, &mut unheard);
        }
        for (index, it) in anew.iter_mut().enumerate() {
            let mut slot = std::mem::replace(&mut alone.slots[index], Slot::vacant());
            slot.queued = Moment::MAX;
            slot.changed = self.epoch;
            it.place = self.let_in(it, formers, slot);
        }
    }

    /// What traits say of somebody who is one person only because that is likely: since when they said so before, if they did.
    fn observed_as_likely(
        &self,
        it: &Anew<'_>,
        formers: &[Former],
        (event, seq): (&Event, Seq),
    ) -> Vec<(ProfileTraitId, Observations)> {
        let before = |id: ProfileTraitId| {
            let theirs = formers.iter().filter(|former| it.takes_over(former));
            let profiles = theirs.filter_map(|former| former.slot.body.awake()).map(|person| &person.profile);
            let said = profiles.filter_map(move |profile| {
                let place = profile.binary_search_by_key(&id, |(id, _)| *id).ok()?;
                if let Observations::One(it) = &profile[place].1 { Some(it.clone()) } else { None }
            });
            said.min_by_key(|it| (it.at, it.seq))
        };
        let now = || Observation { value: likely::YES, source: event.source, at: self.now, seq };
        let said = self.plan.likely.iter().map(|id| (*id, Observations::One(before(*id).unwrap_or_else(now))));
        said.collect()
    }

    /// Which rules may hold of somebody before anything that they did is known.
    fn touch_initially(&mut self, person: PersonIndex) {
        self.scratch.touched.extend(&self.plan.initially_true);
        let Some(it) = self.slots[person.index()].body.awake() else { return };
        for (id, _) in &it.profile {
            self.scratch.touched.extend(&self.plan.rules_of_profile_trait[id.index()]);
        }
    }

    /// Puts somebody who was made anew in their place.
    fn let_in(&mut self, it: &Anew<'_>, formers: &[Former], slot: Slot) -> PersonIndex {
        let mut component = Component::new(it.id, it.created);
        component.nodes = it.class.nodes.iter().copied().collect();
        let refused = formers.iter().find(|former| former.id == it.id).map(|former| former.refused.as_slice());
        component.tie(Bundle {
            edges: it.class.edges.iter().copied().collect(),
            absorbed: it.absorbed.iter().copied().collect(),
            refused: refused.unwrap_or_default().iter().copied().collect(),
        });
        let place = self.graph.add_person(component);
        for node in &it.class.nodes {
            if let Some(node) = self.graph.node_mut(*node) {
                node.person = place;
            }
        }
        for (rule, _) in slot.segments.iter() {
            self.members.insert(rule, place, it.id);
        }
        for (journey, course) in slot.body.awake().iter().flat_map(|it| &it.travels).flat_map(|it| &it.courses) {
            course.instances.iter().for_each(|instance| self.standing.come(*journey, instance.node));
        }
        self.changed.push(place);
        if place.index() < self.slots.len() {
            self.slots[place.index()] = slot;
        } else {
            self.slots.push(slot);
        }
        self.slots[place.index()].size = 0;
        self.measure(place);
        self.schedule(place);
        place
    }

    /// Tells what is different about somebody, compared with who they were before.
    fn tell_differences(
        &mut self,
        program: &Program,
        it: &Anew<'_>,
        formers: &[Former],
        turn: Turn,
        effects: &mut Effects,
    ) {
        let before: Vec<&Former> = formers.iter().filter(|former| it.takes_over(former)).collect();
        let nothing = Person::new(self.now);
        let was = before.iter().find(|former| former.id == it.id).and_then(|former| former.slot.body.awake());
        let was = was.unwrap_or(&nothing);
        let slot = &self.slots[turn.person.index()];
        let Some(is) = slot.body.awake() else { return };
        let mut changes: Vec<ChangeKind> = Vec::new();
        let was_in: BTreeSet<RuleId> =
            before.iter().flat_map(|former| self.plan.shown(&former.slot.segments)).map(|(rule, _)| rule).collect();
        let is_in: BTreeSet<RuleId> = self.plan.shown(&slot.segments).map(|(rule, _)| rule).collect();
        changes.extend(was_in.difference(&is_in).map(|rule| ChangeKind::Left(*rule)));
        changes.extend(is_in.difference(&was_in).map(|rule| ChangeKind::Entered(*rule)));
        changes.extend(announced(&self.plan, was, is));
        let Some(subject) = self.subject(program, turn).filter(|_| turn.deliver) else { return };
        // A destination knows of whoever consented.
        let knew = |rule: RuleId, to: &Destination| {
            let mut theirs = before.iter().filter(|former| former.slot.segments.get(rule).is_some());
            theirs.any(|former| self.plan.withheld(former.slot.consents, to).is_none())
        };
        for is_entering in [false, true] {
            for (rule, plan) in was_in.union(&is_in).filter_map(|rule| Some((*rule, self.plan.rule(*rule)?))) {
                for id in &plan.receivers {
                    let Some(to) = program.destinations.get(id.index()) else { continue };
                    let is = is_in.contains(&rule) && self.plan.withheld(slot.consents, to).is_none();
                    if is != knew(rule, to) && is == is_entering {
                        subject.membership(*id, &plan.name, is_entering, &mut effects.deliveries);
                    }
                }
            }
        }
        for what in &changes {
            if let ChangeKind::TraitChanged { rule, .. } = what {
                deliver::rule(&subject, *rule, what, effects);
            }
        }
        let traits: BTreeSet<ProfileTraitId> = was.profile.iter().chain(&is.profile).map(|(id, _)| *id).collect();
        let is_same = |id: &ProfileTraitId| {
            was.profile_value(*id).to_value().map(Known) == is.profile_value(*id).to_value().map(Known)
        };
        for id in traits.iter().filter(|id| !is_same(id)) {
            deliver::profile_trait(&subject, *id, &mut effects.deliveries);
        }
        for what in changes.into_iter().chain(passages(was, is)) {
            effects.changes.push(Change { person: it.id, at: turn.at, cause: turn.cause, what });
        }
    }
}

impl Anew<'_> {
    /// Whether they are somebody, or whom that somebody was absorbed by.
    fn takes_over(&self, former: &Former) -> bool {
        self.id == former.id || self.absorbed.contains(&former.id)
    }
}

/// Gives each class its events. An identifier alone that decides about no event is nobody's.
fn divide<'r>(
    graph: &Graph,
    links: &LinkRules,
    classes: impl Iterator<Item = &'r Class>,
    records: &'r [Record],
) -> Vec<Anew<'r>> {
    let mut anew: Vec<Anew<'r>> = classes
        .map(|class| Anew {
            id: PersonId(0),
            created: Seq(0),
            class,
            events: Vec::new(),
            absorbed: Vec::new(),
            place: PersonIndex::NOBODY,
        })
        .collect();
    let nodes = anew.iter().enumerate().flat_map(|(index, it)| it.class.nodes.iter().map(move |node| (*node, index)));
    let class_of: FxHashMap<NodeId, usize> = nodes.collect();
    for record in records {
        let Fact::Event(event) = &record.fact;
        let node = links.node_of(graph, event, record.seq);
        if let Some(index) = node.and_then(|node| class_of.get(&node)) {
            anew[*index].events.push(record);
        }
    }
    anew.retain(|it| it.class.nodes.len() > 1 || !it.events.is_empty());
    anew
}

/// Gives everybody an id: the one that they had, or had before they were absorbed, or that of the identifier with which
/// they begin.
fn name(graph: &Graph, links: &LinkRules, anew: &mut [Anew<'_>], formers: &[Former], seq: Seq) {
    let founded = |it: &Anew<'_>| -> BTreeSet<PersonId> {
        it.class.nodes.iter().filter_map(|node| links.id_of(graph, *node)).collect()
    };
    let founded: Vec<BTreeSet<PersonId>> = anew.iter().map(founded).collect();
    for (it, founded) in anew.iter_mut().zip(&founded) {
        let first = it.events.first().map(|record| record.seq);
        let alive = formers.iter().filter(|former| founded.contains(&former.id));
        let eldest = alive.min_by_key(|former| (former.created, graph.ids().natural(former.id)));
        let absorbed = || formers.iter().flat_map(|former| &former.absorbed).filter(|id| founded.contains(id));
        // Who was absorbed last absorbed the others before.
        let revived = || absorbed().next_back().map(|id| (*id, first.unwrap_or(seq)));
        let minted = || {
            let begins = it.events.first().and_then(|record| {
                let Fact::Event(event) = &record.fact;
                links.node_of(graph, event, record.seq)
            });
            let node = begins.or_else(|| it.class.nodes.first().copied())?;
            Some((links.id_of(graph, node)?, first.unwrap_or(seq)))
        };
        let known = eldest.map(|former| (former.id, former.created)).or_else(revived).or_else(minted);
        (it.id, it.created) = known.unwrap_or((PersonId(0), seq));
        let others = formers.iter().map(|former| &former.id).chain(absorbed());
        let others: Vec<PersonId> = others.filter(|id| **id != it.id && founded.contains(id)).copied().collect();
        for id in others {
            super::note(&mut it.absorbed, id);
        }
    }
}

/// Tells who was parted from whom, who became whom, and what else is somebody else's now.
fn tell_apart(graph: &Graph, it: &Anew<'_>, formers: &[Former], turn: Turn, effects: &mut Effects) {
    let mut push = |person, what| effects.changes.push(Change { person, at: turn.at, cause: turn.cause, what });
    if !formers.iter().any(|former| former.id == it.id) {
        if !formers.iter().any(|former| former.absorbed.contains(&it.id)) {
            push(it.id, ChangeKind::Created);
        }
        for former in formers.iter().filter(|former| it.class.nodes.iter().any(|node| former.nodes.contains(node))) {
            push(former.id, ChangeKind::Split { parted: it.id });
        }
    } else {
        for former in formers.iter().filter(|former| !it.takes_over(former)) {
            let moved = it.class.nodes.iter().filter(|node| former.nodes.contains(node));
            for (named, _) in moved.filter_map(|node| graph.node(*node)).filter(|(_, node)| !node.former) {
                let (identifier, from, to) = (Identifier::from(named), former.id, it.id);
                push(from, ChangeKind::IdentifierMoved { identifier: identifier.clone(), from, to });
                push(to, ChangeKind::IdentifierMoved { identifier, from, to });
            }
        }
    }
    for former in formers.iter().filter(|former| former.id != it.id && it.takes_over(former)) {
        push(it.id, ChangeKind::Merged { absorbed: former.id });
    }
}

/// Computed traits that destinations know otherwise than they are.
fn announced(plan: &crate::plan::Plan, was: &Person, is: &Person) -> Vec<ChangeKind> {
    let rules: BTreeSet<RuleId> = was.announced.iter().chain(&is.announced).map(|(rule, _)| *rule).collect();
    let value = |person: &Person, rule: RuleId| {
        let told = person.announced.binary_search_by_key(&rule, |(rule, _)| *rule);
        match told {
            Ok(place) => person.announced[place].1.clone(),
            Err(_) => plan.rule(rule).and_then(|it| it.value_of_nothing().to_value()).map(Known),
        }
    };
    let differing = rules.into_iter().filter(|rule| value(was, *rule) != value(is, *rule));
    differing.map(|rule| ChangeKind::TraitChanged { rule, value: value(is, rule).map(|it| it.0) }).collect()
}

/// All passages of somebody that are known, with the events that they began with.
fn begun(person: &Person) -> impl Iterator<Item = (JourneyId, InstanceId, EventPlace)> {
    let courses = person.travels.iter().flat_map(|travels| &travels.courses);
    courses.flat_map(|(journey, course)| {
        let under_way = course.instances.iter().map(|it| (it.id, it.began));
        let over = course.left.iter().map(|it| (it.id, it.began));
        under_way.chain(over).map(|(id, began)| (*journey, id, began))
    })
}

/// Passages through journeys that never were, and those that were all along.
fn passages(was: &Person, is: &Person) -> Vec<ChangeKind> {
    let of = |person: &Person| -> BTreeMap<(JourneyId, InstanceId), (Option<Known>, sonder_dsl::ir::journey::NodeId)> {
        let courses = person.travels.iter().flat_map(|travels| &travels.courses);
        courses
            .flat_map(|(journey, course)| {
                course.instances.iter().map(|it| ((*journey, it.id), (it.key.clone(), it.node)))
            })
            .collect()
    };
    let (was, is) = (of(was), of(is));
    let gone = was.keys().filter(|passage| !is.contains_key(passage));
    let gone = gone.map(|(journey, instance)| (*journey, *instance, JourneyStep::Left(Outcome::Removed)));
    let new = is.iter().filter(|(passage, _)| !was.contains_key(passage));
    let new = new.flat_map(|((journey, instance), (key, node))| {
        let per = key.as_ref().map(|key| serde_json::to_value(&key.0).unwrap_or_default());
        [(*journey, *instance, JourneyStep::Entered { per }), (*journey, *instance, JourneyStep::Came(*node))]
    });
    let all = gone.chain(new);
    all.map(|(journey, instance, what)| ChangeKind::Journey(JourneyChange { journey, instance, what })).collect()
}
