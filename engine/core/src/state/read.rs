//! Reading: who somebody is, what is known of them, who is in a segment. Nothing here changes a state.

use super::{RestoreError, State, Turn};
use crate::consent::{ANYTHING, Purposes, only};
use crate::effect::{Cause, Effects, PersonId};
use crate::govern::Lives;
use crate::identity::graph::{Graph, PersonIndex};
use crate::person::Person;
use crate::plan::Plan;
use crate::record::{Event, Identifier, Seq};
use crate::view::{PersonView, Viewed};
use sonder_dsl::ir::journey::NodeId;
use sonder_dsl::ir::{JourneyId, Program, PurposeId, RuleId};
use sonder_dsl::model::Destination;
use sonder_dsl::time::Moment;
use std::borrow::Cow;

impl State {
    /// Whose identifier that is.
    #[must_use]
    pub fn resolve(&self, identifier: &Identifier) -> Option<PersonId> {
        let (_, node) = self.graph.node(self.graph.find(identifier)?)?;
        Some(self.graph.component(node.person)?.id)
    }

    /// Whom the person of that id has become; the id itself when they are who they were, or nobody knows them.
    #[must_use]
    pub fn canonical(&self, id: PersonId) -> PersonId {
        let component = self.graph.person(id).and_then(|person| self.graph.component(person));
        component.map_or(id, |component| component.id)
    }

    /// All ids that somebody goes by: their own, those of people whom they absorbed, and those that other versions of the
    /// project gave them.
    #[must_use]
    pub fn ids_of(&self, id: PersonId) -> Vec<PersonId> {
        let component = self.graph.person(id).and_then(|person| self.graph.component(person));
        component.map_or_else(Vec::new, |it| self.graph.ids_of(it).collect())
    }

    /// What is known of a person, also by an id that is an alias by now. `None` for nobody, and for somebody who is
    /// spilled: see [`view_spilled`](Self::view_spilled).
    #[must_use]
    pub fn person(&self, program: &Program, id: PersonId) -> Option<PersonView> {
        let index = self.graph.person(id)?;
        let person = self.slots.get(index.index())?.body.read(&self.plan)?;
        self.view(program, index, &person)
    }

    /// What is known of somebody who is spilled, from their bytes in the last checkpoint.
    ///
    /// # Errors
    /// When the bytes are not those of a person, or that person is not known.
    pub fn view_spilled(&self, program: &Program, id: PersonId, bytes: &[u8]) -> Result<PersonView, RestoreError> {
        let index = self.graph.person(id).ok_or(RestoreError::Unknown(id))?;
        let person = self.peek(bytes)?;
        self.view(program, index, &person).ok_or(RestoreError::Unknown(id))
    }

    fn view(&self, program: &Program, index: PersonIndex, person: &Person) -> Option<PersonView> {
        let component = self.graph.component(index)?;
        let (plan, graph, now) = (&self.plan, &self.graph, self.now);
        let segments = &self.slots.get(index.index())?.segments;
        Some(Viewed { program, plan, graph, component, person, segments, now }.view())
    }

    /// Who is who.
    pub(crate) fn graph(&self) -> &Graph {
        &self.graph
    }

    /// What runs.
    pub(crate) fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The place of the person who has an identifier.
    pub(super) fn place_of(&self, identifier: &Identifier) -> Option<PersonIndex> {
        Some(self.graph.node(self.graph.find(identifier)?)?.1.person)
    }

    /// The state of the person in a place; `None` of whoever is spilled.
    pub(super) fn read_at(&self, place: PersonIndex) -> Option<Cow<'_, Person>> {
        self.slots.get(place.index())?.body.read(&self.plan)
    }

    /// A copy of the state of a person who is in memory.
    pub(crate) fn copy_of(&self, id: PersonId) -> Option<Person> {
        Some(self.read_at(self.graph.person(id)?)?.into_owned())
    }

    /// Whose an event is that was taken in with a record, as of now.
    #[must_use]
    pub fn whose(&self, event: &Event, seq: Seq) -> Option<PersonId> {
        let (_, node) = self.graph.node(self.plan.links.node_of(&self.graph, event, seq)?)?;
        Some(self.graph.component(node.person)?.id)
    }

    /// Whether an event of somebody may be seen for a purpose now; `None` is for no purpose at all.
    pub(crate) fn admits(&self, id: PersonId, event: &Event, seq: Seq, purpose: Option<PurposeId>) -> bool {
        let Some(purpose) = purpose else { return true };
        let slot = self.graph.person(id).and_then(|index| self.slots.get(index.index()));
        let Some(person) = slot.and_then(|slot| slot.body.read(&self.plan)) else { return false };
        let admitted = self.plan.admitted(&person.answers, self.plan.terms(&person), event.occurred_at, seq);
        admitted & only(purpose) != 0 && !self.plan.is_taken_back(&person, purpose)
    }

    /// A purpose of the destination that somebody does not consent to now, so that nothing about them may go there. `None`
    /// when it may, and where the project says nothing of consent.
    #[must_use]
    pub fn withheld<'d>(&self, id: PersonId, destination: &'d Destination) -> Option<&'d str> {
        let slot = self.slots.get(self.graph.person(id)?.index())?;
        self.plan.withheld(slot.consents, destination)
    }

    /// Where somebody lives who has one of these identifiers, by the traits of `residence`, each as the first of them has it;
    /// nothing of whoever is spilled. `None` where they are nobody's.
    #[must_use]
    pub fn lives(&self, who: &[Identifier]) -> Option<Lives> {
        who.iter().filter_map(|identifier| self.lives_one(identifier)).reduce(Lives::or)
    }

    fn lives_one(&self, identifier: &Identifier) -> Option<Lives> {
        let person = self.read_at(self.place_of(identifier)?);
        Some(Lives(person.map_or_else(Vec::new, |person| self.plan.lives(&person).collect())))
    }

    /// How many people are in a segment.
    #[must_use]
    pub fn segment_size(&self, rule: RuleId) -> usize {
        self.members.count(rule)
    }

    /// How many people stand at each step of a journey.
    #[must_use]
    pub fn standing(&self, journey: JourneyId) -> &[u32] {
        self.standing.counts(journey)
    }

    /// Everybody who stands at a step of a journey, with the step: somebody who is in it several times, as often. People who are
    /// spilled are not among them. Looks at everybody.
    #[must_use]
    pub fn standing_people(&self, journey: JourneyId) -> Vec<(PersonId, NodeId)> {
        if self.standing(journey).iter().all(|count| *count == 0) {
            return Vec::new();
        }
        let steps = self.graph.people().flat_map(|(person, component)| {
            let it = self.slots.get(person.index()).and_then(|slot| slot.body.read(&self.plan));
            let course = it.as_ref().and_then(|it| it.travels.as_ref()?.course(journey));
            let steps: Option<Vec<_>> =
                course.map(|course| course.instances.iter().map(|it| (component.id, it.node)).collect());
            steps.unwrap_or_default()
        });
        steps.collect()
    }

    /// Who is in a segment and since when, by id, after somebody: the next page.
    #[must_use]
    pub fn members(&self, rule: RuleId, after: Option<PersonId>, limit: usize) -> Vec<(PersonId, Moment)> {
        let id_of = |person| self.graph.component(person).map(|component| component.id);
        let page = self.members.page(rule, after, limit, id_of).into_iter();
        page.filter_map(|(id, person)| Some((id, self.slots[person.index()].segments.get(rule)?))).collect()
    }

    /// What somebody must consent to who is to be in an export of a segment: its purpose, where consent is asked for, and another
    /// one that the export is for; and they must not restrict whatever is done with their data. `None` where there is no such
    /// purpose, or no such segment.
    #[must_use]
    pub fn exported_for(&self, program: &Program, rule: RuleId, purpose: Option<&str>) -> Option<Purposes> {
        let own = program.rules.get(rule.index())?.purpose.as_deref().filter(|_| self.plan.consent.enforced);
        let bit = |name: &str| self.plan.consent.purpose(name).map(only);
        Some(ANYTHING | own.and_then(bit).unwrap_or_default() | purpose.map_or(Some(0), bit)?)
    }

    /// The same of those alone who consent to all of these purposes.
    #[must_use]
    pub fn consenting_members(
        &self,
        rule: RuleId,
        purposes: Purposes,
        after: Option<PersonId>,
        limit: usize,
    ) -> Vec<(PersonId, Moment)> {
        let id_of = |person: PersonIndex| {
            let slot = self.slots.get(person.index()).filter(|slot| slot.consents & purposes == purposes)?;
            slot.segments.get(rule).and_then(|_| self.graph.component(person)).map(|component| component.id)
        };
        let page = self.members.page(rule, after, limit, id_of).into_iter();
        page.filter_map(|(id, person)| Some((id, self.slots[person.index()].segments.get(rule)?))).collect()
    }

    /// Of the next members of a segment after somebody, how many do not consent to all of these purposes; and the last of them,
    /// where there are more.
    #[must_use]
    pub fn members_without(
        &self,
        rule: RuleId,
        purposes: Purposes,
        after: Option<PersonId>,
        count: usize,
    ) -> (usize, Option<PersonId>) {
        let id_of = |person| self.graph.component(person).map(|component| component.id);
        let page = self.members.page(rule, after, count, id_of);
        let lacks = |person: PersonIndex| self.slots[person.index()].consents & purposes != purposes;
        let last = page.last().map(|(id, _)| *id).filter(|_| page.len() >= count);
        (page.into_iter().filter(|(_, person)| lacks(*person)).count(), last)
    }

    /// Everybody, by id.
    #[must_use]
    pub fn people(&self) -> Vec<PersonId> {
        let mut people: Vec<PersonId> = self.graph.people().map(|(_, component)| component.id).collect();
        people.sort_unstable();
        people
    }

    /// How many people there are.
    #[must_use]
    pub fn people_count(&self) -> usize {
        self.graph.people_count()
    }

    /// How many identifiers there are.
    #[must_use]
    pub fn identifier_count(&self) -> usize {
        self.graph.node_count()
    }

    /// Decides the rules that [`differences`](Self::differences) lists for everybody, as of now: after a restart with
    /// another version of the project. What really differs is in `effects`.
    ///
    /// # Errors
    /// When somebody is spilled: nothing was decided then.
    pub fn reconsider(&mut self, program: &Program, effects: &mut Effects) -> Result<(), super::Missing> {
        let rules = std::mem::take(&mut self.differences.rules);
        let watched: Vec<RuleId> =
            rules.iter().copied().filter(|rule| self.plan.rule(*rule).is_some_and(|it| it.watched)).collect();
        let mut people: Vec<(PersonId, PersonIndex)> =
            self.graph.people().map(|(person, component)| (component.id, person)).collect();
        people.sort_unstable();
        for (_, person) in &people {
            if let Err(missing) = self.require_loaded_person(*person) {
                self.differences.rules = rules;
                return Err(missing);
            }
        }
        for (_, person) in people {
            self.touch(person);
            self.wake(person);
            self.scratch.touched.extend(&watched);
            let turn = Turn { person, at: self.now, cause: Cause::Timer(self.now), deliver: true, round: 0 };
            self.decide(program, turn, effects);
        }
        Ok(())
    }
}
