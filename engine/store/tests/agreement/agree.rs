//! Both evaluators over the same tables and logs.

use crate::history::{Happening, SECOND, happening, log, program, rules};
use proptest::prelude::*;
use serde_json::{Map, Value as Json};
use sonder_core::State;
use sonder_core::effect::{Cause, ChangeKind, Effects, PersonId};
use sonder_core::eval::{HistoricEvent, HistoricPerson, History};
use sonder_core::record::{Fact, Record, Seq};
use sonder_core::view::PersonView;
use sonder_dsl::ir::{Program, RuleId, RuleKind};
use sonder_dsl::time::{Duration, Moment};
use sonder_store::evaluation::SqlEvaluation;
use std::collections::BTreeMap;

/// A log that was folded, and where its people stand in the shared tables.
struct Folded {
    state: State,
    places: BTreeMap<PersonId, usize>,
    timers: Vec<(PersonId, RuleId, bool, Moment)>,
}

fn all_rules(program: &Program) -> Vec<RuleId> {
    (0..program.rules.len() as u32).map(RuleId).collect()
}

/// Folds a log and adds its people and events to the tables.
fn fold(program: &Program, records: &[Record], tables: &mut History, now: Moment) -> Folded {
    let mut state = State::new(program);
    let mut effects = Effects::default();
    for record in records {
        state.step(program, record, &mut effects).unwrap();
    }
    let last = state.as_of().1;
    effects.changes.clear();
    state.advance(program, now, &mut effects).unwrap();
    let timers = effects.changes.iter().filter_map(|change| match (&change.what, change.cause) {
        (ChangeKind::Entered(rule), Cause::Timer(at)) if at > last => Some((change.person, *rule, true, at)),
        (ChangeKind::Left(rule), Cause::Timer(at)) if at > last => Some((change.person, *rule, false, at)),
        _ => None,
    });
    let timers = timers.collect();
    let mut places = BTreeMap::new();
    for id in state.people() {
        places.insert(id, tables.people.len());
        let view = state.person(program, id).unwrap();
        let profile: Map<String, Json> = view.traits.iter().map(|it| (it.name.clone(), it.value.clone())).collect();
        tables.people.push(HistoricPerson { identifiers: Vec::new(), profile });
    }
    for record in records {
        let Fact::Event(event) = &record.fact;
        let person = places[&state.resolve(&event.identifiers[0]).unwrap()];
        let seq = Seq(tables.events.len() as u64 + 1);
        tables.events.push(HistoricEvent { person, seq, event: event.clone() });
    }
    Folded { state, places, timers }
}

/// What the fold says of a person, in the form in which SQL says it.
fn by_fold(program: &Program, view: &PersonView) -> Vec<Json> {
    let values = program.rules.iter().enumerate().map(|(index, rule)| {
        let id = RuleId(index as u32);
        match rule.kind {
            RuleKind::Segment => Json::Bool(view.segments.iter().any(|it| it.rule == id)),
            RuleKind::Trait(_) => {
                view.computed.iter().find(|it| it.rule == id).map_or(Json::Null, |it| it.value.clone())
            }
        }
    });
    values.collect()
}

fn agree(program: &Program, histories: &[Vec<Happening>], waits: &[i64]) -> Result<(), TestCaseError> {
    let logs: Vec<Vec<Record>> = histories.iter().map(|happenings| log(program, happenings)).collect();
    let last = logs.iter().flatten().map(|record| record.received_at).max().unwrap_or(Moment(0));
    let mut tables = History::default();
    let horizon = last.plus(Duration(waits.iter().sum()));
    let mut folded: Vec<Folded> = Vec::new();
    for records in &logs {
        // The states that are compared must not be ahead of the first look.
        folded.push(fold(program, records, &mut tables, last));
    }
    let sql = SqlEvaluation::new(program, &tables).unwrap();
    let rules = all_rules(program);
    let mut now = last;
    for wait in std::iter::once(&0).chain(waits) {
        now = now.plus(Duration(*wait));
        let by_sql = sql.values(&rules, now).unwrap();
        for (folded, records) in folded.iter_mut().zip(&logs) {
            folded.state.advance(program, now, &mut Effects::default()).unwrap();
            for (id, place) in &folded.places {
                let view = folded.state.person(program, *id).unwrap();
                let by_fold = by_fold(program, &view);
                for (index, (fold, sql)) in by_fold.iter().zip(&by_sql[*place]).enumerate() {
                    let rule = &program.rules[index];
                    prop_assert_eq!(
                        fold,
                        sql,
                        "the fold (left) and SQL differ: `{}` = {} of {:?} at {}\n{:#?}",
                        rule.name,
                        rule.source,
                        view.identifiers,
                        now,
                        records
                    );
                }
            }
        }
    }
    exact(program, &logs, &sql, last, horizon)
}

/// What a timer brought about is false in SQL a microsecond before, and true at its moment. A few of each case.
fn exact(
    program: &Program,
    logs: &[Vec<Record>],
    sql: &SqlEvaluation<'_>,
    last: Moment,
    horizon: Moment,
) -> Result<(), TestCaseError> {
    let mut tables = History::default();
    for records in logs {
        let offset = fold(program, records, &mut tables, horizon);
        for (person, rule, entered, at) in offset.timers.iter().filter(|(_, _, _, at)| *at > last).take(1) {
            let place = offset.places[&offset.state.canonical(*person)];
            let before = sql.values(&[*rule], Moment(at.0 - 1)).unwrap();
            let then = sql.values(&[*rule], *at).unwrap();
            let source = &program.rules[rule.index()].source;
            prop_assert_eq!(&before[place][0], &Json::Bool(!entered), "`{}` a microsecond before {}", source, at);
            prop_assert_eq!(&then[place][0], &Json::Bool(*entered), "`{}` at {}", source, at);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(crate::history::config(60))]

    #[test]
    fn the_fold_and_sql_agree(
        rules in rules(),
        histories in prop::collection::vec(prop::collection::vec(happening(), 1..25), 1..24),
        waits in prop::collection::vec(0..9 * SECOND, 3),
    ) {
        agree(&program(&rules), &histories, &waits)?;
    }
}
