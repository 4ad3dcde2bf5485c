//! Two evaluators, one truth: the fold against the definitions, at every record, at random moments between, and just
//! before and at every moment at which the fold says that something changed by itself.

use crate::history::{SECOND, for_purposes, happening, log, program, rules};
use crate::reference::{Person, people, shown};
use proptest::prelude::*;
use sonder_core::State;
use sonder_core::effect::{Cause, Change, ChangeKind, Effects};
use sonder_core::record::Record;
use sonder_dsl::ir::{Program, RuleId, RuleKind};
use sonder_dsl::time::{Duration, Moment};

/// Memberships and traits of everybody, as both evaluators see them.
fn agree(program: &Program, state: &State, records: &[Record], now: Moment) -> Result<(), TestCaseError> {
    let everybody = people(records);
    prop_assert_eq!(state.people_count(), everybody.len(), "people at {}", now);
    let mut sizes = vec![0; program.rules.len()];
    for (identifiers, events) in &everybody {
        let id = state.resolve(&identifiers[0]).unwrap();
        let view = state.person(program, id).unwrap();
        prop_assert_eq!(view.identifiers.len(), identifiers.len());
        let person = Person { program, events, now };
        for (index, rule) in program.rules.iter().enumerate() {
            let id = RuleId(index as u32);
            match &rule.kind {
                RuleKind::Segment => {
                    let found = view.segments.iter().any(|it| it.rule == id);
                    prop_assert_eq!(found, person.is_in(id), "`{}` of {:?} at {}", rule.source, identifiers, now);
                    let listed = state.members(id, None, usize::MAX).iter().any(|(member, _)| *member == view.id);
                    prop_assert_eq!(listed, found, "member of `{}`: {:?} at {}", rule.source, identifiers, now);
                    sizes[index] += usize::from(found);
                }
                RuleKind::Trait(kind) => {
                    let found = view.computed.iter().find(|it| it.rule == id).map(|it| it.value.clone());
                    let expected = shown(person.rule(id), kind);
                    prop_assert_eq!(found, expected, "`{}` of {:?} at {}", rule.source, identifiers, now);
                }
            }
        }
    }
    for (index, size) in sizes.into_iter().enumerate() {
        prop_assert_eq!(state.segment_size(RuleId(index as u32)), size, "nobody else is listed, at {}", now);
    }
    Ok(())
}

/// What a timer brought about was false a microsecond before and is true at its moment.
fn exact(program: &Program, changes: &[Change], state: &State, records: &[Record]) -> Result<(), TestCaseError> {
    for change in changes {
        let Cause::Timer(moment) = change.cause else { continue };
        let (rule, entered) = match change.what {
            ChangeKind::Entered(rule) => (rule, true),
            ChangeKind::Left(rule) => (rule, false),
            _ => continue,
        };
        prop_assert_eq!(moment, change.at);
        let everybody = people(records);
        let of_person = |identifiers: &Vec<_>| state.resolve(&identifiers[0]) == Some(state.canonical(change.person));
        let (_, events) = everybody.iter().find(|(identifiers, _)| of_person(identifiers)).unwrap();
        let source = &program.rules[rule.index()].source;
        let before = Person { program, events, now: Moment(moment.0 - 1) };
        prop_assert_eq!(before.is_in(rule), !entered, "`{}` a microsecond before {}", source, moment);
        let then = Person { program, events, now: moment };
        prop_assert_eq!(then.is_in(rule), entered, "`{}` at {}", source, moment);
    }
    Ok(())
}

proptest! {
    #![proptest_config(crate::history::config(400))]

    #[test]
    fn the_fold_agrees_with_the_definitions(
        rules in rules(),
        happenings in prop::collection::vec(happening(), 1..40),
        glances in prop::collection::vec(0..3 * SECOND, 40),
    ) {
        let program = program(&for_purposes(&rules));
        let records = log(&program, &happenings);
        let mut state = State::new(&program);
        let mut effects = Effects::default();
        for (index, record) in records.iter().enumerate() {
            let known = &records[..index];
            // A look between two records, at any microsecond.
            let glance = state.as_of().1.max(Moment(999 * SECOND)).plus(Duration(glances[index])).min(record.received_at);
            state.advance(&program, glance, &mut effects).unwrap();
            agree(&program, &state, known, glance)?;
            exact(&program, &effects.changes, &state, known)?;
            effects = Effects::default();
            // Timers due by the record's receipt fire without it.
            state.advance(&program, record.received_at, &mut effects).unwrap();
            exact(&program, &effects.changes, &state, known)?;
            effects = Effects::default();
            state.step(&program, record, &mut effects).unwrap();
            agree(&program, &state, &records[..=index], record.received_at)?;
            effects = Effects::default();
        }
        for after in [SECOND, 5 * SECOND, 60 * SECOND] {
            let now = state.as_of().1.plus(Duration(after));
            state.advance(&program, now, &mut effects).unwrap();
            agree(&program, &state, &records, now)?;
            exact(&program, &effects.changes, &state, &records)?;
            effects = Effects::default();
        }
        prop_assert_eq!(state.dropped(), 0);
    }
}
