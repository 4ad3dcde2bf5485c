//! Journeys in checkpoints: names stand for ids, keys of nodes for places, so that the next version of a project finds
//! people where they are.

use super::course::{Course, EventPlace, Instance, InstanceId, Left, Outcome, Travels};
use super::goal::{Goal, Seen};
use super::plan::{JourneyPlan, JourneyPlans};
use crate::datum::Known;
use crate::names::{NameKey, Names};
use serde::{Deserialize, Serialize};
use sonder_dsl::ir::{Fingerprint, JourneyId, PropertySlot};
use sonder_dsl::time::Moment;
use thin_vec::ThinVec;

/// All that is kept of a person's journeys.
#[derive(Debug, Serialize, Deserialize)]
pub struct TravelsRecord {
    courses: Vec<CourseRecord>,
    sent: Vec<(NameKey, Vec<Moment>)>,
}

#[derive(Debug, Serialize, Deserialize)]
struct CourseRecord {
    journey: NameKey,
    instances: Vec<InstanceRecord>,
    left: Vec<LeftRecord>,
    goals: Vec<GoalRecord>,
}

#[derive(Debug, Serialize, Deserialize)]
struct GoalRecord {
    key: Option<Known>,
    place: EventPlace,
    /// By keys: the type of event, and what is seen of it.
    seen: Option<(u64, Vec<(u64, Known)>)>,
}

#[derive(Debug, Serialize, Deserialize)]
struct LeftRecord {
    id: InstanceId,
    key: Option<Known>,
    began: EventPlace,
    entered: Moment,
    values: Vec<(u64, Known)>,
    at: Moment,
    outcome: Outcome,
}

#[derive(Debug, Serialize, Deserialize)]
struct InstanceRecord {
    id: InstanceId,
    key: Option<Known>,
    began: EventPlace,
    entered: Moment,
    values: Vec<(u64, Known)>,
    node: Fingerprint,
    since: Moment,
    after: EventPlace,
    until: Moment,
    passed: u16,
}

impl TravelsRecord {
    /// As it is written.
    pub fn new(travels: &Travels, plans: &JourneyPlans, names: &Names) -> Self {
        let courses = travels.courses.iter().filter_map(|(id, course)| {
            let plan = plans.get(*id)?;
            Some(CourseRecord {
                journey: names.journey_key(*id),
                instances: course.instances.iter().map(|it| InstanceRecord::new(it, plan)).collect(),
                left: course.left.iter().map(|it| LeftRecord::new(it, plan)).collect(),
                goals: course.goals.iter().filter_map(|it| GoalRecord::new(it, plan)).collect(),
            })
        });
        let sent = travels.sent.iter().map(|(id, moments)| (names.destination_key(*id), moments.to_vec()));
        Self { courses: courses.collect(), sent: sent.collect() }
    }

    /// The passages of all journeys, also of those that are over, by the journey's key.
    pub fn passages(&self) -> impl Iterator<Item = (NameKey, InstanceId)> {
        self.courses.iter().flat_map(|course| {
            let ids = course.instances.iter().map(|it| it.id).chain(course.left.iter().map(|it| it.id));
            ids.map(|id| (course.journey, id))
        })
    }

    /// What a program makes of it: a journey that is no more is forgotten, a passage whose step is no more has ended. `journey`
    /// says which one a key is.
    pub fn into_travels(
        self,
        plans: &JourneyPlans,
        names: &Names,
        journey: impl Fn(NameKey) -> Option<JourneyId>,
    ) -> Travels {
        let courses = self.courses.into_iter().filter_map(|record| {
            let id = journey(record.journey)?;
            Some((id, record.into_course(plans.get(id)?)))
        });
        let sent = self.sent.into_iter().filter_map(|(key, moments)| {
            let id = names.destination(key)?;
            let mut exact = ThinVec::with_capacity(moments.len());
            exact.extend(moments);
            plans.cap(id).map(|_| (id, exact))
        });
        let mut travels = Travels { courses: courses.collect(), sent: sent.collect() };
        travels.courses.sort_by_key(|(id, _)| *id);
        travels.sent.sort_by_key(|(id, _)| *id);
        travels
    }
}

impl CourseRecord {
    fn into_course(self, plan: &JourneyPlan) -> Course {
        let mut left = ThinVec::with_capacity(self.left.len());
        left.extend(self.left.into_iter().map(|it| it.into_left(plan)));
        let mut goals = ThinVec::with_capacity(self.goals.len());
        goals.extend(self.goals.into_iter().filter_map(|it| it.into_goal(plan)));
        let mut course = Course { instances: ThinVec::with_capacity(self.instances.len()), left, goals };
        for record in self.instances {
            match record.into_instance(plan) {
                Ok(instance) => course.instances.push(instance),
                Err(left) => course.note_left(left, &mut 0),
            }
        }
        course
    }
}

impl GoalRecord {
    fn new(it: &Goal, plan: &JourneyPlan) -> Option<Self> {
        let seen = match &it.seen {
            None => None,
            Some(seen) => {
                let sight = plan.goals.sight(seen.event)?;
                let key = |field| sight.fields.iter().find(|(known, _)| *known == field).map(|(_, key)| *key);
                let values = seen.values.iter().filter_map(|(field, value)| Some((key(*field)?, value.clone())));
                Some((sight.key, values.collect()))
            }
        };
        Some(Self { key: it.key.clone(), place: it.place, seen })
    }

    /// `None` where no goal asks for it any more.
    fn into_goal(self, plan: &JourneyPlan) -> Option<Goal> {
        let Self { key, place, seen } = self;
        let seen = match seen {
            None => None,
            Some((event, values)) => {
                let (event, sight) = plan.goals.sight_by_key(event)?;
                let field = |key: u64| sight.fields.iter().find(|(_, known)| *known == key).map(|(field, _)| *field);
                let mut values: ThinVec<_> =
                    values.into_iter().filter_map(|(key, value)| Some((field(key)?, value))).collect();
                values.sort_by_key(|(field, _)| *field);
                values.shrink_to_fit();
                Some(Box::new(Seen { event, values }))
            }
        };
        Some(Goal { key, place, seen })
    }
}

impl LeftRecord {
    fn new(it: &Left, plan: &JourneyPlan) -> Self {
        let Left { id, ref key, began, entered, ref values, at, outcome } = *it;
        Self { id, key: key.clone(), began, entered, values: by_key(values, plan), at, outcome }
    }

    fn into_left(self, plan: &JourneyPlan) -> Left {
        let Self { id, key, began, entered, values, at, outcome } = self;
        Left { id, key, began, entered, values: by_slot(values, plan), at, outcome }
    }
}

/// What is carried of an event, by keys that outlive the program.
fn by_key(values: &[(PropertySlot, Known)], plan: &JourneyPlan) -> Vec<(u64, Known)> {
    let key = |slot| plan.carried.binary_search_by_key(&slot, |(slot, _)| *slot).map(|place| plan.carried[place].1);
    values.iter().filter_map(|(slot, value)| Some((key(*slot).ok()?, value.clone()))).collect()
}

/// The inverse of [`by_key`].
fn by_slot(values: Vec<(u64, Known)>, plan: &JourneyPlan) -> ThinVec<(PropertySlot, Known)> {
    let slot = |key: u64| plan.carried.iter().find(|(_, known)| *known == key).map(|(slot, _)| *slot);
    let mut values: ThinVec<_> = values.into_iter().filter_map(|(key, value)| Some((slot(key)?, value))).collect();
    values.sort_by_key(|(slot, _)| *slot);
    values.shrink_to_fit();
    values
}

impl InstanceRecord {
    fn new(it: &Instance, plan: &JourneyPlan) -> Self {
        Self {
            id: it.id,
            key: it.key.clone(),
            began: it.began,
            entered: it.entered,
            values: by_key(&it.values, plan),
            node: plan.journey.node(it.node).map(|node| node.key).unwrap_or_default(),
            since: it.since,
            after: it.after,
            until: it.until,
            passed: it.passed,
        }
    }

    fn into_instance(self, plan: &JourneyPlan) -> Result<Instance, Left> {
        let Some(node) = plan.places.get(&self.node) else {
            // When that is, whoever takes it over knows.
            let Self { id, key, began, entered, .. } = self;
            let (at, values) = (Moment::MAX, ThinVec::new());
            return Err(Left { id, key, began, entered, values, at, outcome: Outcome::Removed });
        };
        let values = by_slot(self.values, plan);
        Ok(Instance {
            id: self.id,
            key: self.key,
            began: self.began,
            entered: self.entered,
            values,
            node: *node,
            since: self.since,
            after: self.after,
            until: self.until,
            passed: self.passed,
        })
    }
}
