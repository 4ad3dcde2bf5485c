//! What the fold needs of a program, arranged by what it asks: which aggregates does this event touch, which rules does
//! this aggregate touch, who is to be told.

use crate::aggregate::{Spec, cells};
use crate::consent::{ANYTHING, ANYTHING_NAME, Answers, Purposes, Said, only, residence};
use crate::datum::{Datum, Known};
use crate::identity::LinkRules;
use crate::journey::plan::JourneyPlans;
use crate::names::{Names, entered_by_condition};
use crate::person::Person;
use crate::record::Seq;
use crate::rule_times::RuleTimes;
use crate::rules::{Memo, value_of};
use jiff::tz::TimeZone;
use sonder_dsl::ir::journey::Entry;
use sonder_dsl::ir::{
    AggregateId, DestinationId, EventId, Expression, Fingerprint, Journey, JourneyId, ProfileTraitId, Program,
    PurposeId, RuleId, RuleKind, SourceId, Type, Value, Window,
};
use sonder_dsl::model::{Consent, Destination, MergePolicy, Origin, Rollout, Terms};
use sonder_dsl::time::{Duration, Moment};
use std::collections::BTreeSet;

/// A program, ready to run.
#[derive(Debug)]
pub struct Plan {
    /// Which program this is.
    pub fingerprint: Fingerprint,
    /// How checkpoints name things.
    pub names: Names,
    /// How people who rest name things.
    pub places: Names,
    /// How identifiers join.
    pub links: LinkRules,
    /// All aggregates, by id.
    pub aggregates: Vec<Spec>,
    /// For each event type, the aggregates that want it; of those that share words, their owner.
    pub aggregates_of_event: Vec<Vec<AggregateId>>,
    /// For each aggregate that owns words, all that have part in them.
    pub sharing: Vec<Vec<AggregateId>>,
    /// For each aggregate, the watched rules that may change with it.
    pub rules_of_aggregate: Vec<Vec<RuleId>>,
    /// For each trait of the golden record, the watched rules that may change with it.
    pub rules_of_profile_trait: Vec<Vec<RuleId>>,
    /// The watched rules that may change with what somebody says about consent.
    pub rules_of_consent: Vec<RuleId>,
    /// The purposes.
    pub consent: Consent,
    /// The aggregates for a purpose.
    pub bound: Vec<AggregateId>,
    /// For each event type, whether some aggregate for a purpose wants it.
    pub is_bound: Vec<bool>,
    /// How long ago events may be that aggregates for a purpose count; `None` for ever.
    pub bound_reach: Option<Duration>,
    /// For each trait of the golden record, which observation wins.
    pub policies: Vec<MergePolicy>,
    /// All rules, by id; behind those of the program the conditions under which people enter journeys, which nobody sees.
    pub rules: Vec<RulePlan>,
    /// How many of them the program declares.
    pub declared: usize,
    /// Segments that somebody without any history is in, and traits that do not have one value for all who have none.
    pub initially_true: Vec<RuleId>,
    /// For each trait of the golden record, who is told when it changes.
    pub receivers_of_profile_trait: Vec<Vec<DestinationId>>,
    /// For each event type, who gets its events.
    pub receivers_of_event: Vec<Vec<DestinationId>>,
    /// All journeys.
    pub journeys: JourneyPlans,
    /// Who sets the traits that journeys set.
    pub journey_source: SourceId,
    /// The traits of the golden record that say who is one person only because that is likely; sorted.
    pub likely: Vec<ProfileTraitId>,
    /// The trait that says in which time zone somebody lives, if the golden record has one.
    pub time_zone: Option<ProfileTraitId>,
    /// Of people whose own is not known.
    pub default_time_zone: TimeZone,
    /// To how many people new rules are rolled out.
    pub rollout: Option<Rollout>,
}

/// The trait of the golden record that, as an IANA name, says in which time zone somebody lives.
pub const TIME_ZONE_TRAIT: &str = "timezone";

/// A rule, ready to run.
#[derive(Debug)]
pub struct RulePlan {
    /// Its name.
    pub name: String,
    /// Whether it is a segment.
    pub is_segment: bool,
    /// Whether it is evaluated whenever it may change: segments, and the traits that some destination gets.
    pub watched: bool,
    /// What it says.
    pub expression: Expression,
    /// The type of its value.
    pub kind: Type,
    /// The rules that its expression names itself.
    pub reads: Vec<RuleId>,
    /// Whether another rule names it.
    pub is_read: bool,
    /// Its value for somebody without any history.
    pub of_nothing: Option<Known>,
    /// Who is told when it changes.
    pub receivers: Vec<DestinationId>,
    /// Of its meaning.
    pub fingerprint: Fingerprint,
}

impl Plan {
    /// Of a program.
    pub fn new(program: &Program) -> Self {
        let mut aggregates: Vec<Spec> = program.aggregates.iter().map(|it| Spec::new(it, program)).collect();
        let sharing = cells::share(&mut aggregates);
        let mut rules = rule_plans(program);
        let declared = rules.len();
        for journey in entered_by_condition(program) {
            let hidden = hidden_rule(journey, &mut rules);
            rules.extend(hidden);
        }
        let hidden: Vec<(RuleId, Reach)> =
            (declared..rules.len()).map(|index| (RuleId(index as u32), Reach::of(&rules[index], program))).collect();
        let watched = |lists: &[Vec<RuleId>], reaches: &dyn Fn(&Reach, usize) -> bool| -> Vec<Vec<RuleId>> {
            let is_watched = |rule: &RuleId| rules.get(rule.index()).is_some_and(|rule| rule.watched);
            let seen = |(index, list): (usize, &Vec<RuleId>)| {
                let unseen = hidden.iter().filter(|(_, reach)| reaches(reach, index)).map(|(rule, _)| *rule);
                list.iter().copied().filter(is_watched).chain(unseen).collect()
            };
            lists.iter().enumerate().map(seen).collect()
        };
        let wanted = |event: usize| -> Vec<AggregateId> {
            let ids = (0..aggregates.len()).map(|index| AggregateId(index as u32));
            let is_owner = |id: &AggregateId| aggregates[id.index()].cell.is_none_or(|cell| cell.owner == *id);
            ids.filter(is_owner).filter(|id| aggregates[id.index()].wants(EventId(event as u32))).collect()
        };
        let numbered = aggregates.iter().zip(0..);
        let bound: Vec<AggregateId> =
            numbered.filter(|(spec, _)| spec.purpose.is_some()).map(|(_, id)| AggregateId(id)).collect();
        let told = |hears: &dyn Fn(&Destination) -> bool| receivers(program, hears);
        let mut plan = Self {
            fingerprint: program.fingerprint,
            names: Names::new(program),
            places: Names::places(program),
            links: LinkRules::new(program),
            aggregates_of_event: (0..program.events.len()).map(wanted).collect(),
            rules_of_aggregate: watched(&program.rules_of_aggregate, &|reach, index| {
                reach.aggregates.contains(&AggregateId(index as u32))
            }),
            rules_of_profile_trait: watched(&program.rules_of_profile_trait, &|reach, index| {
                reach.profile_traits.contains(&ProfileTraitId(index as u32))
            }),
            policies: program.profile.iter().map(|it| it.merge.clone()).collect(),
            rules_of_consent: rules_of_consent(&rules, &aggregates),
            is_bound: (0..program.events.len())
                .map(|event| bound.iter().any(|id| aggregates[id.index()].wants(EventId(event as u32))))
                .collect(),
            bound_reach: reach(bound.iter().map(|id| &aggregates[id.index()])),
            bound,
            consent: program.consent.clone(),
            initially_true: Vec::new(),
            receivers_of_profile_trait: (0..program.profile.len())
                .map(|index| told(&|it| it.profile_traits.contains(&ProfileTraitId(index as u32))))
                .collect(),
            receivers_of_event: (0..program.events.len())
                .map(|index| told(&|it| it.events.contains(&EventId(index as u32))))
                .collect(),
            journeys: JourneyPlans::new(program),
            journey_source: SourceId(program.sources.len() as u32),
            likely: (0..)
                .map(ProfileTraitId)
                .zip(&program.profile)
                .filter(|(_, it)| it.from == Origin::LikelyOnly)
                .map(|(id, _)| id)
                .collect(),
            time_zone: program
                .profile
                .iter()
                .position(|it| it.name == TIME_ZONE_TRAIT && matches!(it.kind, Type::String { .. }))
                .map(|index| ProfileTraitId(index as u32)),
            default_time_zone: TimeZone::get(&program.settings.timezone).unwrap_or(TimeZone::UTC),
            rollout: program.rollout,
            aggregates,
            sharing,
            rules,
            declared,
        };
        plan.evaluate_without_history();
        plan
    }

    fn evaluate_without_history(&mut self) {
        let ids = (0..self.rules.len()).map(|index| RuleId(index as u32));
        let values = |is_early: bool| -> Vec<Option<Known>> {
            let nobody = Person { is_early, ..Person::new(Moment::MIN) };
            let mut memo = Memo::default();
            let value = |rule| value_of(self, &nobody, rule, Moment::MIN, &mut memo).datum.to_value().map(Known);
            ids.clone().map(value).collect()
        };
        let (values, early) = (values(false), values(true));
        for (rule, (value, early)) in ids.zip(values.into_iter().zip(early)) {
            let plan = &mut self.rules[rule.index()];
            let is_true = |it: &Option<Known>| it.as_ref().is_some_and(|it| it.datum().is_true());
            // Who is early may begin otherwise than others.
            let begins =
                if plan.is_segment { is_true(&value) || is_true(&early) } else { plan.watched && value != early };
            if begins {
                self.initially_true.push(rule);
            }
            plan.of_nothing = value;
        }
    }

    /// The journey that people enter when a hidden rule becomes true; `None` for rules of the program.
    pub fn entered_by(&self, rule: RuleId) -> Option<JourneyId> {
        self.journeys.entered_by.get(rule.index().checked_sub(self.declared)?).copied()
    }

    /// The rules of the program, without those that nobody sees.
    pub fn declared_rules(&self) -> impl Iterator<Item = (RuleId, &RulePlan)> {
        (0..).map(RuleId).zip(self.rules.iter().take(self.declared))
    }

    /// The segments among the rules that somebody is in: all but those that nobody sees.
    pub fn shown<'t>(&self, segments: &'t RuleTimes) -> impl Iterator<Item = (RuleId, Moment)> + use<'t> {
        let declared = self.declared;
        segments.iter().filter(move |(rule, _)| rule.index() < declared)
    }

    /// What holds for somebody, by where they live.
    pub fn terms(&self, person: &Person) -> Terms {
        self.consent.terms(residence::place(self.lives(person)).as_deref())
    }

    /// What is known of where somebody lives, by the traits of `residence`.
    pub fn lives<'p>(&'p self, person: &'p Person) -> impl Iterator<Item = Option<Value>> + 'p {
        self.consent.residence.iter().map(|id| person.profile_value(*id).to_value())
    }

    /// The purposes that somebody consents to, as of now: by their latest answers, and by what holds without. What has no
    /// purpose is among them, unless they restrict that, too.
    pub fn consents_to(&self, person: &Person) -> Purposes {
        allowed(person.answers.latest(), self.terms(person))
    }

    /// The purposes for which an event counts of somebody who gave these answers.
    pub fn admitted(&self, answers: &Answers, terms: Terms, at: Moment, seq: Seq) -> Purposes {
        allowed(answers.as_of(at, seq), terms)
    }

    /// Whether somebody took back what they had allowed for a purpose, so that nothing is seen for it.
    pub fn is_taken_back(&self, person: &Person, purpose: PurposeId) -> bool {
        self.terms(person).backwards & only(purpose) != 0 && self.consents_to(person) & only(purpose) == 0
    }

    /// The aggregates for one of these purposes that want events of a type.
    pub fn bound_aggregates_of(&self, event: EventId, purposes: Purposes) -> impl Iterator<Item = AggregateId> {
        self.bound.iter().copied().filter(move |id| {
            let spec = &self.aggregates[id.index()];
            spec.wants(event) && spec.purpose.is_some_and(|purpose| purposes & only(purpose) != 0)
        })
    }

    /// A purpose of the destination that is not among those consented to; [`ANYTHING_NAME`] of somebody who restricts everything.
    pub fn withheld<'d>(&self, consents: Purposes, destination: &'d Destination) -> Option<&'d str> {
        if consents & ANYTHING == 0 {
            return Some(ANYTHING_NAME);
        }
        if !self.consent.enforced {
            return None;
        }
        let is_open = |name: &&String| self.consent.purpose(name).is_some_and(|it| consents & only(it) == 0);
        destination.purposes.iter().find(is_open).map(String::as_str)
    }

    /// Whether somebody consents to a purpose, as of now.
    pub fn consents(&self, person: &Person, purpose: &str) -> bool {
        let purpose = self.consent.purpose(purpose).map_or(0, only);
        self.consents_to(person) & purpose != 0
    }

    /// A rule; an id of another program gives none.
    pub fn rule(&self, rule: RuleId) -> Option<&RulePlan> {
        self.rules.get(rule.index())
    }
}

/// What is allowed by what somebody said, and where they said nothing by what holds for them.
const fn allowed(said: Said, terms: Terms) -> Purposes {
    said.yes | ((terms.unasked | ANYTHING) & !said.to)
}

fn rule_plans(program: &Program) -> Vec<RulePlan> {
    let mut plans: Vec<RulePlan> = Vec::with_capacity(program.rules.len());
    for (index, rule) in program.rules.iter().enumerate() {
        let id = RuleId(index as u32);
        let hears = |it: &Destination| it.segments.contains(&id) || it.computed_traits.contains(&id);
        let reads = rules_named(&rule.expression);
        for read in &reads {
            if let Some(plan) = plans.get_mut(read.index()) {
                plan.is_read = true;
            }
        }
        let is_segment = rule.kind == RuleKind::Segment;
        plans.push(RulePlan {
            name: rule.name.clone(),
            is_segment,
            // In each region, so that the state is the same in all of them.
            watched: is_segment || program.destinations.iter().any(hears),
            expression: rule.expression.clone(),
            kind: if let RuleKind::Trait(kind) = &rule.kind { kind.clone() } else { Type::Bool },
            reads,
            is_read: false,
            of_nothing: None,
            receivers: receivers(program, &hears),
            fingerprint: rule.fingerprint,
        });
    }
    plans
}

/// The condition of a journey as a rule.
fn hidden_rule(journey: &Journey, rules: &mut [RulePlan]) -> Option<RulePlan> {
    let Entry::Condition(condition) = &journey.entry else { return None };
    let reads = rules_named(condition);
    for read in &reads {
        if let Some(plan) = rules.get_mut(read.index()) {
            plan.is_read = true;
        }
    }
    Some(RulePlan {
        name: journey.name.clone(),
        is_segment: true,
        watched: true,
        expression: condition.clone(),
        kind: Type::Bool,
        reads,
        is_read: false,
        of_nothing: None,
        receivers: Vec::new(),
        fingerprint: journey.fingerprint,
    })
}

/// What may change the value of a hidden rule, also through the rules that it names.
struct Reach {
    aggregates: BTreeSet<AggregateId>,
    profile_traits: BTreeSet<ProfileTraitId>,
}

impl Reach {
    fn of(rule: &RulePlan, program: &Program) -> Self {
        let mut reach = Self { aggregates: BTreeSet::new(), profile_traits: BTreeSet::new() };
        rule.expression.walk(&mut |leaf| match leaf {
            Expression::Aggregate(id) => _ = reach.aggregates.insert(*id),
            Expression::Profile(id) => _ = reach.profile_traits.insert(*id),
            _ => {}
        });
        for read in rule.reads.iter().filter_map(|id| program.rules.get(id.index())) {
            reach.aggregates.extend(&read.aggregates);
            reach.profile_traits.extend(&read.profile_traits);
        }
        reach
    }
}

/// The rules that an expression names itself, sorted.
fn rules_named(expression: &Expression) -> Vec<RuleId> {
    let mut reads = Vec::new();
    expression.walk(&mut |leaf| {
        if let Expression::Rule(read) = leaf {
            reads.push(*read);
        }
    });
    reads.sort_unstable();
    reads.dedup();
    reads
}

/// How long ago events may be that some of these aggregates count; `None` for ever.
fn reach<'a>(aggregates: impl Iterator<Item = &'a Spec>) -> Option<Duration> {
    let widths = aggregates.map(|spec| if let Window::Last(width) = spec.window { Some(width) } else { None });
    widths.collect::<Option<Vec<_>>>()?.into_iter().max()
}

/// Those that ask for consent, or for what people consented to, also through other rules.
fn rules_of_consent(rules: &[RulePlan], aggregates: &[Spec]) -> Vec<RuleId> {
    let is_bound = |id: AggregateId| aggregates.get(id.index()).is_some_and(|spec| spec.purpose.is_some());
    let mut asks: Vec<bool> = Vec::with_capacity(rules.len());
    for rule in rules {
        let mut asked = rule.reads.iter().any(|read| asks.get(read.index()) == Some(&true));
        rule.expression.walk(&mut |leaf| {
            asked |= match leaf {
                Expression::Consented(_) => true,
                Expression::Aggregate(id) => is_bound(*id),
                _ => false,
            };
        });
        asks.push(asked);
    }
    let numbered = rules.iter().zip(asks).zip(0..);
    numbered.filter(|((rule, asks), _)| *asks && rule.watched).map(|(_, index)| RuleId(index)).collect()
}

/// The destinations that are told of something, of those that may hear of people of this region.
fn receivers(program: &Program, hears: &dyn Fn(&Destination) -> bool) -> Vec<DestinationId> {
    let numbered = program.destinations.iter().enumerate();
    let serves = |it: &Destination| program.region.as_ref().is_none_or(|region| it.serves(region));
    numbered.filter(|(_, it)| hears(it) && serves(it)).map(|(index, _)| DestinationId(index as u32)).collect()
}

impl RulePlan {
    /// Its value for somebody without any history.
    pub fn value_of_nothing(&self) -> Datum<'_> {
        self.of_nothing.as_ref().map_or(Datum::Unknown, Known::datum)
    }
}
