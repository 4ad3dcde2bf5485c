//! What another version of the project would change: compiled aside, held against the version that runs, and for rules that
//! mean something else evaluated on the data that is there.

use super::answers::{Answers, trouble};
use crate::pipeline::{Live, clock, limits};
use crate::project::{compile, in_region};
use sonder_console::engine::{
    AsOf, Plan, PlanRequest, PlannedDelivery, PlannedRecall, PlannedSegment, PlannedStep, PreviewedPerson, Trouble,
    instant,
};
use sonder_core::effect::PersonId;
use sonder_core::record::Seq;
use sonder_dsl::diagnostic::render::{human, json};
use sonder_dsl::ir::{JourneyId, Program, RuleId};
use sonder_dsl::model::Destination;
use sonder_dsl::plan::{self, ItemChange, ItemKind, Kind};
use sonder_dsl::source::{SourceFile, SourceSet};
use sonder_store::preview::{Moves, Request, RulePreview};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// People listed for each segment, of those who enter and of those who leave.
const SAMPLE: usize = 5;

impl Answers {
    pub(super) fn plan_project(&self, request: &PlanRequest) -> Result<Plan, Trouble> {
        let deadline = Instant::now() + request.timeout;
        let files = self.version_of(&request.files, request.reach)?;
        let files = files.into_iter().map(|(path, text)| SourceFile { path, text });
        let root = self.shared.files.read().root.clone();
        let compilation = compile(SourceSet::new(files.collect()), &root);
        let running = Arc::clone(&self.shared.live.read().program);
        let (sources, diagnostics) = (&compilation.sources, &compilation.diagnostics);
        let said = json::values(sources, diagnostics);
        let plan = Plan {
            diagnostics: said.iter().filter_map(|it| serde_json::to_value(it).ok()).collect(),
            rendered: human::render(sources, diagnostics, human::Colour::Never),
            base: fingerprint(&running),
            ..Plan::default()
        };
        let Some(program) = compilation.program else { return Ok(plan) };
        // Where it can't run here, it says so when it is applied.
        let program = in_region(&program, running.region.as_deref()).unwrap_or(program);
        let changes = plan::compare(&running, &program);
        let (segments, as_of) = self.planned_segments(&running, &program, &changes.items, request, deadline)?;
        Ok(Plan {
            target: Some(fingerprint(&program)),
            as_of: Some(as_of),
            deliveries: deliveries(&running, &program, &segments, |name| {
                let renamed = changes.items.iter().filter(|it| it.kind == ItemKind::Segment && it.name == name);
                let name = renamed.filter_map(|it| it.was.as_deref()).next().unwrap_or(name);
                self.running_size(&running, name)
            }),
            journeys: self.planned_steps(&running, &program, &changes.items),
            recalls: self.planned_recalls(&running, &changes.items)?,
            segments,
            changes,
            ..plan
        })
    }

    fn planned_segments(
        &self,
        running: &Arc<Program>,
        program: &Arc<Program>,
        items: &[ItemChange],
        request: &PlanRequest,
        deadline: Instant,
    ) -> Result<(Vec<PlannedSegment>, AsOf), Trouble> {
        let last = Seq(self.shared.gauges.folded_seq.load(Ordering::Acquire));
        let (at, everybody) = {
            let live = self.shared.live.read();
            (live.state.as_of().1.max(clock::wall()), live.state.people_count() as u64)
        };
        let as_of = AsOf { at: instant(at), seq: last.0, people: everybody };
        let segments = items.iter().filter(|it| it.kind == ItemKind::Segment);
        let mut planned: Vec<PlannedSegment> = Vec::new();
        let mut asked: Vec<(RuleId, Option<u32>)> = Vec::new();
        for item in segments {
            match (item.change, program.rule_named(&item.name)) {
                (Kind::Removed, _) | (_, None) => {
                    let size = self.running_size(running, &item.name);
                    planned.push(PlannedSegment {
                        name: item.name.clone(),
                        before: size,
                        after: 0,
                        entering: 0,
                        leaving: size,
                        enter: Vec::new(),
                        leave: Vec::new(),
                    });
                }
                // Nobody comes or goes.
                (Kind::Renamed, _) => {}
                (_, Some((id, _))) => {
                    let before = running.rule_named(item.was.as_ref().unwrap_or(&item.name));
                    asked.push((id, before.map(|(id, _)| id.0)));
                }
            }
        }
        if asked.is_empty() {
            return Ok((planned, as_of));
        }
        let (rules, replaced): (Vec<RuleId>, Vec<Option<u32>>) = asked.iter().copied().unzip();
        // What is new takes the place of nothing that anybody is in.
        let replaced: Vec<Option<u32>> = replaced.iter().map(|it| Some(it.unwrap_or(u32::MAX))).collect();
        let timeout = deadline.saturating_duration_since(Instant::now());
        let asked = Request {
            program,
            rules: &rules,
            at,
            last,
            replaced: &replaced,
            sample: SAMPLE,
            slice: limits::PREVIEW_SLICE,
            timeout,
            cancelled: &request.cancelled,
        };
        let (previewed, people) = self.evaluate(asked, deadline)?;
        for (id, it) in rules.iter().zip(previewed.rules) {
            let (RulePreview::Segment { size, moves, .. }, Some(rule)) = (it, program.rules.get(id.index())) else {
                continue;
            };
            let Moves { entering, leaving, enter, leave } = moves.unwrap_or_default();
            planned.push(PlannedSegment {
                name: rule.name.clone(),
                before: (size + leaving).saturating_sub(entering),
                after: size,
                entering,
                leaving,
                enter: self.named(&people, &enter)?,
                leave: self.named(&people, &leave)?,
            });
        }
        planned.sort_by(|one, other| one.name.cmp(&other.name));
        Ok((planned, as_of))
    }

    /// How many people are in a segment of the version that runs.
    fn running_size(&self, running: &Program, segment: &str) -> u64 {
        let rule = running.rule_named(segment);
        rule.map_or(0, |(id, _)| self.shared.live.read().state.segment_size(id) as u64)
    }

    fn named(&self, people: &[PersonId], numbers: &[u64]) -> Result<Vec<PreviewedPerson>, Trouble> {
        numbers.iter().map(|number| self.previewed_person(people, *number, None)).collect()
    }

    /// Where people stand in journeys that change or go.
    fn planned_steps(&self, running: &Program, program: &Program, items: &[ItemChange]) -> Vec<PlannedStep> {
        let live = self.shared.live.read();
        let mut steps = Vec::new();
        for item in items.iter().filter(|it| it.kind == ItemKind::Journey && it.change != Kind::Added) {
            let Some((id, before)) = running.journey_named(item.was.as_ref().unwrap_or(&item.name)) else { continue };
            let after = program.journey_named(&item.name).map(|(_, journey)| journey);
            if after.is_some_and(|after| after.gate.is_some()) || before.gate.is_some() {
                steps.extend(moved_steps(&live, before.own_name(), program));
                continue;
            }
            for (node, people) in before.nodes.iter().zip(live.state.standing(id)) {
                if *people > 0 {
                    let stays = after.is_some_and(|after| after.nodes.iter().any(|it| it.key == node.key));
                    let step = node.label(running);
                    steps.push(PlannedStep { journey: item.name.clone(), step, people: u64::from(*people), stays });
                }
            }
        }
        steps
    }
}

impl Answers {
    /// What journeys that go have sent and still waits.
    fn planned_recalls(&self, running: &Program, items: &[ItemChange]) -> Result<Vec<PlannedRecall>, Trouble> {
        let mut recalls = Vec::new();
        for item in items.iter().filter(|it| it.kind == ItemKind::Journey && it.change == Kind::Removed) {
            let Some((_, journey)) = running.journey_named(&item.name) else { continue };
            let was = journey.was.iter().map(String::as_str);
            let names: Vec<&str> = std::iter::once(item.name.as_str()).chain(was).collect();
            let messages = self.reader.waiting_messages(&names).map_err(trouble)?;
            if messages > 0 {
                recalls.push(PlannedRecall { journey: item.name.clone(), messages });
            }
        }
        Ok(recalls)
    }
}

/// Where people stand in a journey that is for some people only, before or after: which of its versions is somebody's follows from
/// who they are.
fn moved_steps(live: &Live, name: &str, program: &Program) -> Vec<PlannedStep> {
    let of_person = |person: PersonId| {
        let is_early = program.rollout.is_some_and(|rollout| rollout.is_early(person.0));
        let mut versions = program.journeys.iter().filter(|it| it.own_name() == name);
        versions.find(|it| it.gate.is_none_or(|gate| gate.admits(is_early)))
    };
    let mut found: BTreeMap<(String, bool), u64> = BTreeMap::new();
    let versions = (0..).map(JourneyId).zip(&live.program.journeys).filter(|(_, it)| it.own_name() == name);
    for (id, before) in versions {
        for (person, node) in live.state.standing_people(id) {
            let Some(node) = before.node(node) else { continue };
            let stays = of_person(person).is_some_and(|after| after.nodes.iter().any(|it| it.key == node.key));
            *found.entry((node.label(&live.program), stays)).or_default() += 1;
        }
    }
    let step = |((step, stays), people)| PlannedStep { journey: name.to_owned(), step, people, stays };
    found.into_iter().map(step).collect()
}

fn fingerprint(program: &Program) -> String {
    format!("{:016x}", program.fingerprint.0)
}

/// What destinations would be told. A destination that is new hears of everybody, one that is gone hears nothing.
fn deliveries(
    running: &Program,
    program: &Program,
    segments: &[PlannedSegment],
    size: impl Fn(&str) -> u64,
) -> Vec<PlannedDelivery> {
    let mut told = Vec::new();
    for destination in &program.destinations {
        let name = destination.name.as_str();
        let before = running.destinations.iter().find(|it| it.name == name).map(|it| received(running, it));
        let (before, after) = (before.unwrap_or_default(), received(program, destination));
        for segment in before.union(&after) {
            let planned = segments.iter().find(|it| it.name == *segment);
            let (entered, left) = match (before.contains(segment), after.contains(segment), planned) {
                (true, true, planned) => planned.map_or((0, 0), |it| (it.entering, it.leaving)),
                (true, false, planned) => (0, planned.map_or_else(|| size(segment), |it| it.before)),
                (false, _, planned) => (planned.map_or_else(|| size(segment), |it| it.after), 0),
            };
            if entered + left > 0 {
                told.push(PlannedDelivery {
                    destination: name.to_owned(),
                    segment: (*segment).to_owned(),
                    entered,
                    left,
                });
            }
        }
    }
    told
}

/// The names of the segments that a destination receives here.
fn received<'p>(program: &'p Program, destination: &'p Destination) -> BTreeSet<&'p str> {
    if program.region.as_ref().is_some_and(|region| !destination.serves(region)) {
        return BTreeSet::new();
    }
    destination.segments.iter().filter_map(|id| program.rules.get(id.index())).map(|rule| rule.name.as_str()).collect()
}
