//! Where a person is in the journeys, and how they left those that they are in no longer.

use super::goal::{Goal, Goals};
use crate::datum::Known;
use crate::footprint;
use crate::limits;
use crate::record::Seq;
use serde::{Deserialize, Serialize};
use sonder_dsl::ir::journey::NodeId;
use sonder_dsl::ir::{DestinationId, JourneyId, PropertySlot};
use sonder_dsl::time::{Duration, Moment};
use thin_vec::ThinVec;

/// One passage of one person through one journey: the same after any replay, and also once the person has another id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InstanceId(pub u64);

/// A place in the order of events: (`occurred_at`, `seq`).
pub type EventPlace = (Moment, Seq);

/// How a passage ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Outcome {
    /// A goal was reached.
    Converted,
    /// At the end of the text.
    Finished,
    /// By `exit`, or because an `exit when` became true.
    Exited,
    /// The consent for the journey's purpose was withdrawn.
    Withdrawn,
    /// The person was in it twice, as two people who turned out to be one; the other passage goes on.
    Merged,
    /// The step that they waited at is no more.
    Removed,
}

impl Outcome {
    /// As it is stored and shown.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Converted => "converted",
            Self::Finished => "finished",
            Self::Exited => "exited",
            Self::Withdrawn => "withdrawn",
            Self::Merged => "merged",
            Self::Removed => "removed",
        }
    }

    /// Whether what was decided on the way but not handed over yet is called back. At the end of the text it is still
    /// wanted, and a step that another version of the text lacks was there when it was decided.
    #[must_use]
    pub const fn calls_back(self) -> bool {
        !matches!(self, Self::Finished | Self::Removed)
    }

    /// Whether a goal that comes later still counts: those who are written to last, or not at all, may take their time.
    #[must_use]
    pub const fn may_convert(self) -> bool {
        matches!(self, Self::Finished | Self::Exited)
    }
}

/// All that is kept of a person's journeys. INVARIANT: sorted by id, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Travels {
    /// By journey.
    pub courses: ThinVec<(JourneyId, Course)>,
    /// When messages of channels with a cap were sent, as far as that matters; sorted.
    pub sent: ThinVec<(DestinationId, ThinVec<Moment>)>,
}

/// One person in one journey.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Course {
    /// Passages under way, each with another key; in the order in which they began.
    pub instances: ThinVec<Instance>,
    /// How the last passage of each key ended; in that order.
    pub left: ThinVec<Left>,
    /// The last goals, each with another key or something else that conditions see of it.
    pub goals: ThinVec<Goal>,
}

/// A passage under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// Which.
    pub id: InstanceId,
    /// What it is told apart by, where the journey says `per`.
    pub key: Option<Known>,
    /// The event that it began with: goals come after it.
    pub began: EventPlace,
    /// When the person came in.
    pub entered: Moment,
    /// What the journey reads of that event.
    pub values: ThinVec<(PropertySlot, Known)>,
    /// Where they stand.
    pub node: NodeId,
    /// Since when.
    pub since: Moment,
    /// Events after this one are what it waits for.
    pub after: EventPlace,
    /// When to look again.
    pub until: Moment,
    /// How many steps they passed.
    pub passed: u16,
}

/// A passage that ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// Which.
    pub id: InstanceId,
    /// What it was told apart by.
    pub key: Option<Known>,
    /// The event that it began with.
    pub began: EventPlace,
    /// When the person came in.
    pub entered: Moment,
    /// What goals read of that event; nothing where none does.
    pub values: ThinVec<(PropertySlot, Known)>,
    /// When it ended.
    pub at: Moment,
    /// How.
    pub outcome: Outcome,
}

impl Instance {
    /// Whether an event with this value of the property that passages are told apart by is about it.
    pub fn is_reached_by(&self, key: Option<&Known>) -> bool {
        is_about(self.key.as_ref(), key)
    }
}

impl Left {
    /// Whether a goal at a place in the order of events, with this value of the property that passages are told apart by,
    /// converts it after all: as long as the person could not have come in again, had they left at once.
    pub fn may_convert_by(&self, key: Option<&Known>, goal: EventPlace, again: Option<Duration>) -> bool {
        self.outcome.may_convert()
            && is_about(self.key.as_ref(), key)
            && goal > self.began
            && again.is_none_or(|again| goal.0 < self.entered.plus(again))
    }
}

/// Whether what carries `key` is about a passage of `passage`: what carries none is about all.
fn is_about(passage: Option<&Known>, key: Option<&Known>) -> bool {
    passage.is_none() || key.is_none() || passage == key
}

impl Travels {
    /// The course of a journey, if there is one.
    pub fn course(&self, journey: JourneyId) -> Option<&Course> {
        let place = self.courses.binary_search_by_key(&journey, |(id, _)| *id).ok()?;
        Some(&self.courses[place].1)
    }

    /// The course of a journey, made if there is none.
    pub fn course_mut(&mut self, journey: JourneyId) -> &mut Course {
        crate::person::entry(&mut self.courses, journey, Course::default)
    }

    /// When to look at it again.
    pub fn due(&self) -> Moment {
        let instances = self.courses.iter().flat_map(|(_, course)| &course.instances);
        instances.map(|instance| instance.until).min().unwrap_or(Moment::MAX)
    }

    /// Bytes in memory, on the heap all of them.
    pub fn size(&self) -> usize {
        let values = |values: &ThinVec<(PropertySlot, Known)>| {
            footprint::list(values) + values.iter().map(|(_, value)| value.heap()).sum::<usize>()
        };
        let course = |course: &Course| {
            footprint::list(&course.instances)
                + footprint::list(&course.left)
                + footprint::list(&course.goals)
                + course.instances.iter().map(|it| values(&it.values)).sum::<usize>()
                + course.left.iter().map(|it| values(&it.values)).sum::<usize>()
                + course.goals.iter().map(Goal::heap).sum::<usize>()
        };
        footprint::block(size_of::<Self>())
            + footprint::list(&self.courses)
            + self.courses.iter().map(|(_, it)| course(it)).sum::<usize>()
            + footprint::list(&self.sent)
            + self.sent.iter().map(|(_, moments)| footprint::list(moments)).sum::<usize>()
    }
}

impl Course {
    /// A passage begins. There are few at a time as a rule.
    pub fn begin(&mut self, instance: Instance) {
        self.instances.reserve_exact(1);
        self.instances.push(instance);
    }

    /// The passage of that key that is under way.
    pub fn place(&self, key: Option<&Known>) -> Option<usize> {
        self.instances.iter().position(|instance| instance.key.as_ref() == key)
    }

    /// Whether somebody may come in again at a moment, `again` after they left.
    pub fn may_enter(&self, key: Option<&Known>, again: Option<Duration>, at: Moment) -> bool {
        let last = self.left.iter().rfind(|left| left.key.as_ref() == key);
        last.is_none_or(|left| again.is_some_and(|again| at >= left.at.plus(again)))
    }

    /// Whether a goal is known already that follows the event that a passage begins with, of which it carries this.
    pub fn has_goal_after(
        &self,
        goals: &Goals,
        (key, carried): (Option<&Known>, &[(PropertySlot, Known)]),
        began: EventPlace,
    ) -> bool {
        let reaches = |goal: &Goal| goal.key.is_none() || goal.key.as_ref() == key;
        self.goals.iter().any(|goal| goal.place > began && reaches(goal) && goals.are_met_by(goal, carried))
    }

    /// A passage that is over and that a goal which is known by now converts after all. One that is under way again counts
    /// in its place.
    pub fn converted_late(&self, goals: &Goals, again: Option<Duration>) -> Option<InstanceId> {
        let is_converted = |left: &&Left| {
            let converts = |goal: &Goal| {
                left.may_convert_by(goal.key.as_ref(), goal.place, again) && goals.are_met_by(goal, &left.values)
            };
            self.place(left.key.as_ref()).is_none() && self.goals.iter().any(converts)
        };
        self.left.iter().find(is_converted).map(|left| left.id)
    }

    /// Notes a goal.
    pub fn note_goal(&mut self, goal: Goal, dropped: &mut u64) {
        match self.goals.iter_mut().find(|known| known.key == goal.key && known.seen == goal.seen) {
            Some(known) => known.place = goal.place.max(known.place),
            None => {
                self.goals.reserve_exact(1);
                self.goals.push(goal);
            }
        }
        if self.goals.len() > limits::JOURNEY_KEYS {
            let oldest = self.goals.iter().enumerate().min_by_key(|(_, goal)| goal.place).map(|(index, _)| index);
            oldest.map(|index| self.goals.remove(index));
            *dropped += 1;
        }
    }

    /// Notes how a passage ended; the one of the same key before it is forgotten.
    pub fn note_left(&mut self, left: Left, dropped: &mut u64) {
        self.left.retain(|before| before.key != left.key);
        let place = self.left.partition_point(|before| before.at <= left.at);
        self.left.reserve_exact(1);
        self.left.insert(place, left);
        if self.left.len() > limits::JOURNEY_KEYS {
            self.left.remove(0);
            *dropped += 1;
        }
    }

    /// Takes in the course of somebody who turned out to be the same person. Gives the passages that end by that: where
    /// both are under way, the one that is further along goes on; one that began when the other's end was too recent would
    /// not have begun.
    pub fn join(&mut self, other: Self, again: Option<Duration>, dropped: &mut u64) -> Vec<Instance> {
        let mut ended = Vec::new();
        for left in other.left {
            let later = self.left.iter().any(|ours| ours.key == left.key && ours.at >= left.at);
            if !later {
                self.note_left(left, dropped);
            }
        }
        for goal in other.goals {
            self.note_goal(goal, dropped);
        }
        for theirs in other.instances {
            match self.place(theirs.key.as_ref()) {
                None => self.begin(theirs),
                Some(place) => {
                    let ours = &mut self.instances[place];
                    let further = (theirs.passed, std::cmp::Reverse(theirs.entered), std::cmp::Reverse(theirs.id))
                        > (ours.passed, std::cmp::Reverse(ours.entered), std::cmp::Reverse(ours.id));
                    ended.push(if further { std::mem::replace(ours, theirs) } else { theirs });
                }
            }
        }
        let left = &self.left;
        let barred = |instance: &Instance| {
            let before = left.iter().find(|left| left.key == instance.key && left.entered <= instance.entered);
            before.is_some_and(|left| again.is_none_or(|again| instance.entered < left.at.plus(again)))
        };
        let (barred, stays): (Vec<_>, Vec<_>) = std::mem::take(&mut self.instances).into_iter().partition(barred);
        self.instances.extend(stays);
        // What began at one moment (the messages of a batch) is in the order of the log, as where it began one by one.
        self.instances.sort_by_key(|instance| (instance.entered, instance.began.1, instance.id));
        ended.extend(barred);
        ended
    }
}

/// When messages of a channel were sent, joined.
pub fn join_sent(ours: &mut ThinVec<Moment>, theirs: &[Moment]) {
    ours.extend(theirs.iter().copied());
    ours.sort_unstable();
}
