//! What rules become: shared aggregates, slots of properties, windows as moments.

use super::{means, program};
use sonder_dsl::ir::{EventSelector, Function, Window, print};
use sonder_dsl::types::builtin;

#[test]
fn what_is_printed_is_what_was_meant() {
    for expression in [
        "count(view)",
        "count(any, last 30d)",
        "count(any where context.device.type == \"mobile\")",
        "count(view where category == \"a\" and not (price > 10 or sale), last 1d, per product)",
        "sum(order.total where total > 10.50, since 2025-12-31T23:00:00.000000Z)",
        "if did(view) then 1 else if did(add) then 2 else 3",
        "(if did(view) then 1 else 2) + 3",
        "1 + 2 * 3 - (4 - 5) / -6",
        "(1 + 2) * 3",
        "not (did(view) or did(add) and did(order))",
        "not did(view) and did(add)",
        "profile.country is known and profile.age is unknown",
        "(profile.age or 0) + 1 > 3",
        "profile.country or profile.plan or \"none\"",
        "sequence(view as step0 then add where product == step0.product within 1h then no order for 30m, last 7d)",
        "last(view.brand.name)",
        "\"quoted \\\"text\\\" \\\\ \\n\"",
    ] {
        assert_eq!(means(expression), expression);
    }
}

#[test]
fn equal_aggregates_are_one() {
    let program = program(
        "segment a { when count(view where price>10, last 24h) >= 3 }
         segment b { when count(view where (price > 10.00), last 1d) >= 5 and did(view) }
         trait c = count( view where price > 10 , last 1440m )",
    );
    assert_eq!(program.aggregates.len(), 3, "10 and 10.00 are written differently, did is another question");
}

#[test]
fn parentheses_in_chains_make_no_difference() {
    let program = program(
        "trait a = count(view where sale and (price > 1 and price < 5))
         trait b = count(view where (sale and price > 1) and price < 5)",
    );
    assert_eq!(program.aggregates.len(), 1);
}

#[test]
fn properties_and_context_get_slots_once() {
    let program = program(
        "trait a = count(view where price > 10 and context.os.name == \"iOS\", per product)
         trait b = max(view.price where brand.founded > 1900 and context.os.name != \"iOS\")",
    );
    let view = &program.events[program.event_named("view").unwrap().index()];
    let paths: Vec<String> = view.slots.iter().map(|slot| slot.path.join(".")).collect();
    assert_eq!(paths, ["price", "product", "brand.founded"]);
    assert_eq!(program.context_slots.len(), 1);
    assert_eq!(program.context_slots[0].path, ["os", "name"]);
}

#[test]
fn a_day_begins_at_midnight_in_the_time_zone_of_the_project() {
    let program = program("trait a = count(view, since 2026-01-01)\ntrait b = count(view, since 2026-07-01)");
    let windows: Vec<String> = program
        .aggregates
        .iter()
        .map(|aggregate| match aggregate.window {
            Window::Since(moment) => moment.to_string(),
            other => format!("{other:?}"),
        })
        .collect();
    assert_eq!(windows, ["2025-12-31T23:00:00.000000Z", "2026-06-30T22:00:00.000000Z"]);
}

#[test]
fn any_is_every_event_type() {
    let program = program("segment active { when did(any, last 30d) }\ntrait views = count(view)");
    let any = program.aggregates.iter().position(|aggregate| aggregate.pattern.event == EventSelector::Any).unwrap();
    for list in &program.aggregates_of_event {
        assert!(list.iter().any(|id| id.index() == any));
    }
}

#[test]
fn a_sequence_is_touched_by_the_events_of_all_its_steps() {
    let program = program("segment s { when sequence(view then add then no order for 30m) }");
    for name in ["view", "add", "order"] {
        let event = program.event_named(name).unwrap();
        assert_eq!(program.aggregates_of_event[event.index()].len(), 1, "{name}");
    }
    let Function::Sequence(sequence) = &program.aggregates[0].function else { panic!("no sequence") };
    assert_eq!(sequence.then.len(), 1);
    assert!(sequence.absence.is_some());
}

#[test]
fn the_examples_of_every_function_compile() {
    for builtin in builtin::ALL {
        assert!(!builtin.examples.is_empty(), "{}", builtin.name);
        for example in builtin.examples {
            let program = program(example);
            let printed = program
                .rules
                .iter()
                .map(|rule| print::expression(&program, &rule.expression).to_string())
                .collect::<String>();
            assert!(printed.contains(&format!("{}(", builtin.name)), "{example} has no {}", builtin.name);
        }
    }
}
