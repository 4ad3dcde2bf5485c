//! Explanations against the definitions: the value, the moment at which it changes, the evidence and the margins are what
//! somebody who computes everything again from the whole history would say.

use crate::history::{SECOND, event_mut, happening, identify, log, program, project, rules, track};
use crate::reference::{Happened, Person, people, shown};
use proptest::prelude::*;
use sonder_core::explain::{Effect, Explanation, Logged, Next, Part, PartKind, Past, Personal, Stage, Who};
use sonder_core::record::{Identifier, Record, Seq};
use sonder_dsl::ir::{AggregateId, Function, Program, RuleId, RuleKind, Type, Value, Window, print};
use sonder_dsl::time::{Duration, Moment};

fn past(program: &Program, records: &[Record], who: &Identifier, now: Moment) -> Option<Past> {
    let logged = |record: &Record| Logged { message_id: format!("m{}", record.seq.0), record: record.clone() };
    Past::fold(program, records.iter().map(logged), &Who::Identifier(who.clone()), now)
}

fn explained(program: &Program, records: &[Record], who: &str, now: Moment, rule: &str) -> Explanation {
    let kind = program.identity.identifiers.iter().position(|kind| kind.name == "anonymous_id").unwrap();
    let who = Identifier { kind: sonder_dsl::ir::IdentifierKindId(kind as u16), value: who.into() };
    let (rule, _) = program.rule_named(rule).unwrap();
    past(program, records, &who, now).unwrap().explain(rule, Personal::Hidden).unwrap()
}

fn each_part(part: &Part, see: &mut impl FnMut(&Part)) {
    see(part);
    part.parts.iter().for_each(|part| each_part(part, see));
}

fn aggregate_of(program: &Program, part: &Part) -> Option<AggregateId> {
    let same = |id: &usize| print::aggregate(program, &program.aggregates[*id]).to_string() == part.text;
    (0..program.aggregates.len()).find(same).map(|id| AggregateId(id as u32))
}

fn rule_value(person: &Person<'_>, rule: RuleId, kind: &RuleKind) -> serde_json::Value {
    match kind {
        RuleKind::Segment => person.is_in(rule).into(),
        RuleKind::Trait(kind) => shown(person.rule(rule), kind).unwrap_or_default(),
    }
}

/// The announced change is the first: nothing changes before it, and it is what was said.
fn next_is_exact(
    explanation: &Explanation,
    now: Moment,
    value: impl Fn(Moment) -> serde_json::Value,
) -> Result<(), TestCaseError> {
    match &explanation.next {
        Next::Always => prop_assert_ne!(value(now), value(now.plus(Duration(1)))),
        Next::Never => {
            for later in [1, SECOND, 10 * SECOND, 86_400 * SECOND] {
                prop_assert_eq!(value(now.plus(Duration(later))), value(now));
            }
        }
        Next::At(change) => {
            prop_assert_eq!(value(Moment(change.at.0 - 1)), value(now), "before {}", change.at);
            prop_assert_eq!(&value(change.at), &change.to, "at {}", change.at);
            prop_assert_ne!(&value(now), &change.to);
        }
        Next::Later { .. } => prop_assert!(false, "so short a history is looked through"),
    }
    Ok(())
}

/// An aggregate over nothing but its evidence has the value that is shown.
fn evidence_is_enough(
    program: &Program,
    part: &Part,
    events: &[Happened<'_>],
    now: Moment,
) -> Result<(), TestCaseError> {
    let (Some(evidence), Some(id)) = (&part.evidence, aggregate_of(program, part)) else { return Ok(()) };
    prop_assert_eq!(evidence.total, evidence.events.len() as u64 + evidence.more);
    let whole = Person { program, events, now }.aggregate_of(id);
    let kind = &program.aggregates[id.index()].result;
    prop_assert_eq!(&shown(whole.clone(), kind).unwrap_or_default(), &part.value, "{}", part.text);
    // What else happened says where a session began.
    let in_session = matches!(program.aggregates[id.index()].window, Window::Session(_));
    if evidence.more == 0 && !in_session {
        let listed: Vec<Happened<'_>> =
            events.iter().filter(|it| evidence.events.iter().any(|listed| listed.seq == it.seq)).copied().collect();
        let alone = Person { program, events: &listed, now }.aggregate_of(id);
        prop_assert_eq!(alone, whole, "evidence of {}: {:?}", part.text, evidence);
    }
    if let Some(progress) = &evidence.progress {
        prop_assert_eq!(progress.stage == Stage::Complete, part.value == serde_json::Value::Bool(true));
        // A session may be over before, and its steps are of it alone.
        if progress.stage == Stage::Waiting && !in_session {
            let then = Person { program, events, now: progress.until.unwrap() }.aggregate_of(id);
            // Another chain may be complete by then, too.
            let start_left = evidence.events[0].leaves.is_some_and(|leaves| leaves <= progress.until.unwrap());
            prop_assert!(start_left || then == Some(Value::Bool(true)));
        }
    }
    Ok(())
}

/// A count that misses some would be enough with so many more, and not with fewer; one with some to spare holds without
/// them, and not without one more.
fn margins_are_true(program: &Program, part: &Part, events: &[Happened<'_>], now: Moment) -> Result<(), TestCaseError> {
    let (Some(margin), [counted]) = (&part.margin, &part.parts[..]) else { return Ok(()) };
    let (Some(evidence), Some(id)) = (&counted.evidence, aggregate_of(program, counted)) else { return Ok(()) };
    let aggregate = &program.aggregates[id.index()];
    let threshold = margin.threshold.as_i64();
    if matches!(aggregate.window, Window::Session(_)) {
        return Ok(());
    }
    let (Function::Count, None, Some(threshold)) = (&aggregate.function, aggregate.per, threshold) else {
        return Ok(());
    };
    let holds = |count: i64| match margin.operator {
        ">=" => count >= threshold,
        ">" => count > threshold,
        "<=" => count <= threshold,
        "<" => count < threshold,
        _ => count == threshold,
    };
    let count = |events: &[Happened<'_>], now: Moment| match (Person { program, events, now }).aggregate_of(id) {
        Some(Value::Int(count)) => count,
        other => panic!("{other:?} is no count"),
    };
    let is_evidence = |it: &&Happened<'_>| evidence.events.iter().any(|listed| listed.seq == it.seq);
    let with = |copies: u64, at: Moment| -> Vec<Happened<'_>> {
        let model = events.iter().rfind(is_evidence).unwrap();
        let copies = (0..copies).map(|copy| Happened { at, seq: Seq(1_000 + copy), ..*model });
        events.iter().copied().chain(copies).collect()
    };
    let without = |fewer: u64| -> Vec<Happened<'_>> {
        let gone: Vec<Seq> = evidence.events.iter().take(fewer as usize).map(|it| it.seq).collect();
        events.iter().filter(|it| !gone.contains(&it.seq)).copied().collect()
    };
    if let Some(missing) = margin.missing.as_ref().and_then(serde_json::Value::as_u64) {
        prop_assert!(missing > 0);
        if margin.direction == "more" && !evidence.events.is_empty() {
            prop_assert!(holds(count(&with(missing, now), now)), "{}: {:?}", part.text, margin);
            prop_assert!(!holds(count(&with(missing - 1, now), now)), "{}: {:?}", part.text, margin);
            if let Some(until) = margin.enough_until {
                let before = Moment(until.0 - 1);
                prop_assert!(holds(count(&with(missing, before), before)), "{}: {:?}", part.text, margin);
                prop_assert!(!holds(count(&with(missing, until), until)), "{}: {:?}", part.text, margin);
            }
        }
        if margin.direction == "less" && evidence.more == 0 && missing <= evidence.total {
            prop_assert!(holds(count(&without(missing), now)), "{}: {:?}", part.text, margin);
        }
    }
    if let Some(spare) = margin.spare.as_ref().and_then(serde_json::Value::as_u64) {
        if margin.direction == "less" && evidence.more == 0 {
            prop_assert!(holds(count(&without(spare), now)), "{}: {:?}", part.text, margin);
            if spare < evidence.total {
                prop_assert!(!holds(count(&without(spare + 1), now)), "{}: {:?}", part.text, margin);
            }
        }
        if margin.direction == "more" && !evidence.events.is_empty() {
            prop_assert!(holds(count(&with(spare, now), now)), "{}: {:?}", part.text, margin);
            prop_assert!(!holds(count(&with(spare + 1, now), now)), "{}: {:?}", part.text, margin);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(crate::history::config(200))]

    #[test]
    fn an_explanation_says_what_the_definitions_say(
        rules in rules(),
        happenings in prop::collection::vec(happening(), 1..40),
        after in prop::sample::select(vec![0, 1, SECOND / 2, 3 * SECOND, 9 * SECOND]),
        seen in 1..40_usize,
    ) {
        let program = program(&rules);
        let records = log(&program, &happenings);
        // The past: records after the moment are there, but were not received by then.
        let known = &records[..seen.min(records.len())];
        let last = known[known.len() - 1].received_at;
        let next = records.get(known.len()).map_or(Moment::MAX, |record| Moment(record.received_at.0 - 1));
        prop_assume!(next >= last);
        let now = last.plus(Duration(after)).min(next);
        for (identifiers, events) in people(known) {
            let past = past(&program, &records, &identifiers[0], now).unwrap();
            for (index, rule) in program.rules.iter().enumerate() {
                let id = RuleId(index as u32);
                let explanation = past.explain(id, Personal::Hidden).unwrap();
                let value = |now: Moment| rule_value(&Person { program: &program, events: &events, now }, id, &rule.kind);
                prop_assert_eq!(&explanation.value, &value(now), "`{}` at {}", rule.source, now);
                next_is_exact(&explanation, now, value)?;
                if rule.kind == RuleKind::Segment {
                    // Only a rule that contradicts itself misses nothing.
                    let effect = explanation.because.as_ref().map(|because| (because.effect, because.smallest));
                    match explanation.value == true {
                        true => prop_assert_eq!(effect, Some((Effect::Keeps, true))),
                        false => prop_assert!(matches!(effect, Some((Effect::Missing, true)) | None)),
                    }
                }
                let mut verdict = Ok(());
                each_part(&explanation.tree, &mut |part| {
                    if verdict.is_ok() {
                        verdict = evidence_is_enough(&program, part, &events, now)
                            .and_then(|()| margins_are_true(&program, part, &events, now));
                    }
                });
                verdict?;
            }
        }
    }
}

const VIEWS: &str = "segment keen { when count(view, last 60s) >= 3 and not did(order, last 60s) }";

#[test]
fn what_is_missing_and_until_when_it_would_be_enough() {
    let program = program(VIEWS);
    let records = [track(&program, 1, 100, "a", "view"), track(&program, 2, 110, "a", "view")];
    let explanation = explained(&program, &records, "a", Moment(120 * SECOND), "keen");
    assert_eq!(explanation.value, false);
    assert_eq!(explanation.next, Next::Never);
    let because = explanation.because.unwrap();
    assert_eq!(because.effect, Effect::Missing);
    let [all] = [&explanation.tree];
    assert_eq!(all.kind, PartKind::All);
    assert_eq!(because.parts.iter().map(|it| it.part).collect::<Vec<_>>(), [all.parts[0].id]);
    let margin = all.parts[0].margin.as_ref().unwrap();
    assert_eq!((margin.value.as_u64(), margin.threshold.as_u64()), (Some(2), Some(3)));
    assert_eq!(margin.missing, Some(1.into()));
    assert_eq!(margin.enough_until, Some(Moment(160 * SECOND)));
    let evidence = all.parts[0].parts[0].evidence.as_ref().unwrap();
    let listed: Vec<_> = evidence.events.iter().map(|it| (it.message_id.as_str(), it.leaves.unwrap().0)).collect();
    assert_eq!(listed, [("m1", 160 * SECOND), ("m2", 170 * SECOND)]);
}

#[test]
fn a_member_hears_until_when_and_what_keeps_them() {
    let program = program(VIEWS);
    let records: Vec<Record> = (0..4).map(|n| track(&program, n + 1, 100 + n as i64, "a", "view")).collect();
    let explanation = explained(&program, &records, "a", Moment(120 * SECOND), "keen");
    assert_eq!(explanation.value, true);
    let Next::At(change) = &explanation.next else { panic!("{:?}", explanation.next) };
    assert_eq!((change.at, &change.to), (Moment(161 * SECOND), &false.into()), "when two are left");
    let because = explanation.because.unwrap();
    assert_eq!((because.effect, because.parts.len()), (Effect::Keeps, 2));
    assert!(!because.parts[1].holds, "there is no order");
}

#[test]
fn the_past_does_not_know_what_came_later() {
    let program = program(VIEWS);
    let mut records: Vec<Record> = (0..4).map(|n| track(&program, n + 1, 100 + n as i64, "a", "view")).collect();
    let explanation = explained(&program, &records, "a", Moment(102 * SECOND), "keen");
    assert_eq!(explanation.value, true);
    assert_eq!(explanation.tree.parts[0].margin.as_ref().unwrap().value, 3);
    // Two people until they are known to be one.
    records.push(track(&program, 5, 110, "b", "order"));
    records.push(identify(&program, 6, 120, &[("user_id", "u"), ("anonymous_id", "a")]));
    records.push(identify(&program, 7, 130, &[("user_id", "u"), ("anonymous_id", "b")]));
    assert_eq!(explained(&program, &records, "a", Moment(125 * SECOND), "keen").value, true);
    assert_eq!(explained(&program, &records, "a", Moment(130 * SECOND), "keen").value, false);
    let unknown = Identifier { kind: sonder_dsl::ir::IdentifierKindId(2), value: "b".into() };
    assert!(past(&program, &records, &unknown, Moment(109 * SECOND)).is_none(), "nobody was `b` yet");
}

#[test]
fn many_events_are_counted_and_the_latest_are_listed() {
    let program = program("segment keen { when count(view) >= 3 }");
    let records: Vec<Record> = (0..25).map(|n| track(&program, n + 1, 100 + n as i64, "a", "view")).collect();
    let explanation = explained(&program, &records, "a", Moment(200 * SECOND), "keen");
    let evidence = explanation.tree.parts[0].evidence.as_ref().unwrap();
    assert_eq!((evidence.total, evidence.events.len(), evidence.more), (25, 20, 5));
    assert_eq!((evidence.events[0].seq, evidence.events[19].seq), (Seq(6), Seq(25)));
    assert_eq!(explanation.tree.margin.as_ref().unwrap().spare, Some(22.into()), "all are counted, not only three");
}

#[test]
fn a_sequence_tells_how_far_it_came() {
    let program = program(
        "segment left { when sequence(view as v then add where product == v.product within 60s then no order for 30s, last 10m) }",
    );
    let mut records = vec![track(&program, 1, 100, "a", "view")];
    let stage = |records: &[Record], second: i64| {
        let explanation = explained(&program, records, "a", Moment(second * SECOND), "left");
        let progress = explanation.tree.evidence.unwrap().progress.unwrap();
        (
            progress.stage,
            progress.until.map(|it| it.0 / SECOND),
            progress.steps.iter().filter(|it| it.seq.is_some()).count(),
        )
    };
    assert_eq!(stage(&records, 110), (Stage::Awaiting, Some(160), 1));
    assert_eq!(stage(&records, 170), (Stage::Late, Some(160), 1));
    records.push(track(&program, 2, 140, "a", "add"));
    assert_eq!(stage(&records, 150), (Stage::Waiting, Some(170), 2));
    assert_eq!(stage(&records, 170), (Stage::Complete, None, 2));
    records.push(track(&program, 3, 160, "a", "order"));
    assert_eq!(stage(&records, 170), (Stage::Broken, Some(170), 2));
    let explanation = explained(&program, &records, "a", Moment(170 * SECOND), "left");
    let evidence = explanation.tree.evidence.unwrap();
    let roles: Vec<_> = evidence.events.iter().map(|it| it.role.as_deref().unwrap_or_default()).collect();
    assert_eq!(roles, ["step 1", "step 2", "against it"]);
    let progress = evidence.progress.unwrap();
    assert_eq!(progress.steps[1].text, "add where product == step0.product within 1m");
    assert_eq!(progress.absence.as_deref(), Some("no order for 30s"));
}

#[test]
fn rules_that_a_rule_names_are_taken_apart_once() {
    let program = program(
        "segment viewed { when did(view) }\n\
         trait level = if count(view) >= 2 then \"high\" else \"low\"\n\
         segment both { when in(viewed) and level == \"high\" and not (in(viewed) and did(order)) }",
    );
    let records = [track(&program, 1, 100, "a", "view")];
    let explanation = explained(&program, &records, "a", Moment(200 * SECOND), "both");
    let [first, level, negated] = &explanation.tree.parts[..] else { panic!("{:?}", explanation.tree) };
    assert_eq!((first.kind, first.parts[0].text.as_str()), (PartKind::Rule, "did(view)"));
    assert_eq!(negated.parts[0].parts[0].same_as, Some(first.id));
    assert_eq!(level.parts[0].parts[0].kind, PartKind::If);
    let because = explanation.because.unwrap();
    assert_eq!(because.parts.iter().map(|it| it.part).collect::<Vec<_>>(), [level.id]);
    let level = explained(&program, &records, "a", Moment(200 * SECOND), "level");
    assert_eq!((level.value.as_str(), level.kind), (Some("low"), "trait"));
    let because = level.because.unwrap();
    assert_eq!((because.effect, because.parts.len(), because.parts[0].holds), (Effect::Chooses, 1, false));
}

#[test]
fn groups_top_and_golden_record_have_their_evidence() {
    let program = program(
        "segment same { when count(view, per product) >= 2 }\n\
         segment dutch { when profile.country == \"NL\" and top(view.category) == \"a\" }",
    );
    let mut records: Vec<Record> = (0..5).map(|n| track(&program, n + 1, 100 + n as i64, "a", "view")).collect();
    for (record, product) in records.iter_mut().zip(["x", "y", "y", "y", "x"]) {
        event_mut(record).properties.iter_mut().for_each(|slot| {
            if *slot == Some(Value::String("p0".into())) {
                *slot = Some(Value::String(product.into()));
            }
        });
    }
    let explanation = explained(&program, &records, "a", Moment(200 * SECOND), "same");
    let evidence = explanation.tree.parts[0].evidence.as_ref().unwrap();
    let group = evidence.group.as_ref().unwrap();
    assert_eq!((group.property.as_str(), group.value.as_str(), group.of, evidence.total), ("product", Some("y"), 2, 3));
    let mut who = identify(&program, 6, 120, &[("anonymous_id", "a")]);
    event_mut(&mut who).traits = vec![(sonder_dsl::ir::ProfileTraitId(0), Value::String("NL".into()))];
    records.push(who);
    let explanation = explained(&program, &records, "a", Moment(200 * SECOND), "dutch");
    let evidence = explanation.tree.parts[0].parts[0].evidence.as_ref().unwrap();
    assert_eq!((evidence.events[0].message_id.as_str(), evidence.events[0].event.as_str()), ("m6", "identify"));
    let top = explanation.tree.parts[1].parts[0].evidence.as_ref().unwrap();
    assert_eq!(top.tally, [("a".into(), 5)]);
}

#[test]
fn personal_data_is_shown_only_where_asked_for() {
    let compiled = project(
        "trait mail = profile.country\nsegment known { when did(view where product is known) }",
        "identifiers:\n  anonymous_id: {}\n",
        "",
    );
    let mut program = (*compiled).clone();
    program.profile[0].pii = Some(sonder_dsl::model::PiiClass::Contact);
    let view = program.event_named("view").unwrap();
    let product = program.events[view.index()].properties.iter_mut().find(|it| it.name == "product").unwrap();
    product.pii = Some(sonder_dsl::model::PiiClass::Contact);
    let mut record = track(&program, 1, 100, "a", "view");
    event_mut(&mut record).traits = vec![(sonder_dsl::ir::ProfileTraitId(0), Value::String("NL".into()))];
    let who = Identifier { kind: sonder_dsl::ir::IdentifierKindId(0), value: "a".into() };
    let past = past(&program, &[record], &who, Moment(200 * SECOND)).unwrap();
    let explain = |rule: &str, personal| past.explain(program.rule_named(rule).unwrap().0, personal).unwrap();
    let hidden = explain("mail", Personal::Hidden);
    assert!(hidden.personal && hidden.value.is_null() && hidden.tree.value.is_null());
    assert_eq!(explain("mail", Personal::Shown).value, "NL");
    let property = |personal| explain("known", personal).tree.evidence.unwrap().events[0].properties[0].clone();
    assert!(property(Personal::Hidden).personal && property(Personal::Hidden).value.is_null());
    assert_eq!(property(Personal::Shown).value, "p0");
    assert!(matches!(program.rules[0].kind, RuleKind::Trait(Type::String { .. }) | RuleKind::Segment));
}

#[test]
fn a_rule_that_contradicts_itself_misses_nothing_that_could_come() {
    let program = program("segment never { when profile.age > 2 and not (profile.age > 2) }");
    let explanation = explained(&program, &[track(&program, 1, 100, "a", "view")], "a", Moment(200 * SECOND), "never");
    assert_eq!((explanation.value, explanation.because), (false.into(), None));
}
