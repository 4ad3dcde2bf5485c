//! What destinations are told when another version of a project takes over.

use crate::history::{SECOND, project, project_of, track};
use sonder_core::State;
use sonder_core::effect::{ChangeKind, Effects};
use sonder_dsl::ir::Program;
use sonder_dsl::time::Moment;
use std::sync::Arc;

const IDENTITY: &str = "identifiers:\n  user_id: {}\n  email: {}\n  anonymous_id: {}\n";

fn version(rules: &str, receives: &str) -> Arc<Program> {
    let hook = format!("destination: hook\nplugin: sonder/webhook@1\nallow: [hook.example]\nreceives: {receives}\n");
    project(rules, IDENTITY, &hook)
}

/// The same, with another destination that receives `receives`; both may be told.
fn with_another(rules: &str, receives: &str) -> Arc<Program> {
    let destination = |name: &str, receives: &str| {
        format!("destination: {name}\nplugin: sonder/webhook@1\nallow: [hook.example]\nreceives: {receives}\n")
    };
    let other = destination("other", receives);
    project_of(rules, IDENTITY, &[&destination("hook", "{traits: [spent]}"), &other])
}

/// One person, who viewed twice and ordered once.
fn folded(program: &Program) -> State {
    let mut state = State::new(program);
    for (seq, kind) in [(1, "view"), (2, "view"), (3, "order")] {
        state.step(program, &track(program, seq, 1_000, "a", kind), &mut Effects::default()).unwrap();
    }
    state.advance(program, Moment(1_010 * SECOND), &mut Effects::default()).unwrap();
    state
}

/// What the hook is told when the second version takes over from the first; and what is noted of people.
fn told(before: &Program, now: &Program) -> (Vec<String>, usize) {
    let (old, mut new) = (folded(before), folded(now));
    let mut effects = Effects::default();
    new.tell_since(now, (&old, before), (&[], false), &mut effects);
    let noted = |it: &&sonder_core::effect::Change| !matches!(it.what, ChangeKind::Journey(_));
    let mut silent = Effects::default();
    new.tell_since(now, (&old, before), (&[], true), &mut silent);
    assert!(silent.deliveries.is_empty(), "nobody is told in silence");
    assert_eq!(silent.changes, effects.changes);
    let lines = effects.deliveries.iter().map(|it| match it.kind.name() {
        "trait_changed" => {
            format!("{} = {}", it.name, serde_json::from_str::<serde_json::Value>(&it.payload).unwrap()["value"])
        }
        kind => format!("{kind} {}", it.name),
    });
    (lines.collect(), effects.changes.iter().filter(noted).count())
}

#[test]
fn a_destination_is_told_the_difference() {
    let (keen, other) = ("segment keen { when did(view) }\n", "segment keen { when count(view) >= 3 }\n");
    let spent = "trait spent = sum(order.total)\n";
    let doubled = "trait spent = sum(order.total) * 2\n";
    let both = format!("{keen}{spent}");
    let nothing: [&str; 0] = [];
    for (case, before, now, expected, noted) in [
        ("nothing", (keen, "{segments: [keen]}"), (keen, "{segments: [keen]}"), &nothing[..], 0),
        ("a new segment", (spent, "{}"), (&both, "{segments: [keen]}"), &["segment_entered keen"], 1),
        ("another condition", (keen, "{segments: [keen]}"), (other, "{segments: [keen]}"), &["segment_left keen"], 1),
        ("back again", (other, "{segments: [keen]}"), (keen, "{segments: [keen]}"), &["segment_entered keen"], 1),
        ("a segment that is no more", (&both, "{segments: [keen]}"), (spent, "{}"), &["segment_left keen"], 0),
        ("received from now on", (keen, "{}"), (keen, "{segments: [keen]}"), &["segment_entered keen"], 0),
        ("received no longer", (keen, "{segments: [keen]}"), (keen, "{}"), &["segment_left keen"], 0),
        ("left, and received no longer", (keen, "{segments: [keen]}"), (other, "{}"), &["segment_left keen"], 1),
        ("left, and received from now on", (keen, "{}"), (other, "{segments: [keen]}"), &nothing, 1),
        ("another value", (spent, "{traits: [spent]}"), (doubled, "{traits: [spent]}"), &["spent = \"25.00\""], 1),
        (
            "a trait received from now on",
            (&both, "{segments: [keen]}"),
            (&both, "{segments: [keen], traits: [spent]}"),
            &["spent = \"12.50\""],
            1,
        ),
    ] {
        let (told, changes) = told(&version(before.0, before.1), &version(now.0, now.1));
        assert_eq!(
            (told.iter().map(String::as_str).collect::<Vec<_>>(), changes),
            (expected.to_vec(), noted),
            "{case}"
        );
    }
}

#[test]
fn another_name_is_told_and_nothing_else_happens() {
    let rules = "segment keen { when did(view) }\ntrait spent = sum(order.total)\nsegment vip { when spent > 5 and in(keen) }\n";
    let renamed = "segment lookers was keen { when did(view) }\ntrait value was spent = sum(order.total)\n\
         segment vip { when value > 5 and in(lookers) }\n";
    let before = version(rules, "{segments: [keen, vip], traits: [spent]}");
    let (lines, changes) = told(&before, &version(renamed, "{segments: [lookers, vip], traits: [value]}"));
    assert_eq!(lines, ["segment_left keen", "segment_entered lookers", "spent = null", "value = \"12.50\""]);
    assert_eq!(changes, 0, "it is the same segment, and the same trait");
    // It may stand for as long as anybody likes.
    let after = version(renamed, "{segments: [lookers, vip], traits: [value]}");
    assert_eq!(told(&after, &after).0, [""; 0]);
    // Somebody who was in the one is no longer in the other.
    let narrower = renamed.replacen("did(view)", "count(view) >= 3", 1);
    let (lines, changes) = told(&before, &version(&narrower, "{segments: [lookers]}"));
    assert_eq!((lines.join(", "), changes), ("segment_left keen, segment_left vip".to_owned(), 2));
}

#[test]
fn a_trait_that_one_destination_knows_is_told_to_another() {
    let rules = "segment keen { when did(view) }\ntrait spent = sum(order.total)\n";
    let (before, now) = (with_another(rules, "{}"), with_another(rules, "{segments: [keen], traits: [spent]}"));
    let (mut lines, changes) = told(&before, &now);
    lines.sort();
    assert_eq!(lines, ["segment_entered keen", "spent = \"12.50\""]);
    assert_eq!(changes, 0, "nothing is otherwise about the person");
    assert_eq!(told(&now, &before).0, ["segment_left keen"], "a trait is not taken back");
}
