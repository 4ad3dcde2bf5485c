//! A preview over the typed tables is what the fold says of the same log: of identities that join and are refused, of
//! properties in columns and inside objects, of the context, of late events and of the golden record.

use crate::support::{SECOND, START, batch, open};
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use sonder_core::State;
use sonder_core::chronicle::Chronicle;
use sonder_core::effect::Effects;
use sonder_core::govern::Governor;
use sonder_core::message;
use sonder_core::record::{Fact, Record, Seq};
use sonder_core::state::Asked;
use sonder_core::view::PersonView;
use sonder_dsl::ir::{ProfileTraitId, Program, RuleId, SourceId};
use sonder_dsl::source::{SourceFile, SourceSet};
use sonder_dsl::time::Moment;
use sonder_store::preview::{Request, Resident, ResidentIdentifier, RulePreview};
use sonder_store::{LogRow, StoreError};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// No rule names the trait that says where somebody lives: those with a purpose read it all the same.
const RULES: &str = "
segment lookers { when count(view where product != \"p1\", last 20s) >= 2 }
segment quiet { when not did(order, last 15s) }
segment large { when did(view where item.size > 2 and context.device.type == \"mobile\") }
segment same_thing { when count(any, last 30s) >= 3 and in(lookers) }
segment left { when sequence(view as v then order where total > 3 within 20s, last 60s) }
segment dutch { when profile.country == \"NL\" or in(quiet) }
segment visits { when count(view, this session) >= 2 }
segment twice { when count(view, per product) >= 2 }
segment persuadable { purpose marketing when count(view, last 30s) >= 2 or in(large) }
segment reachable { when consented(marketing) and did(view) }
trait spent = sum(order.total)
trait favourite = top(view.product)
trait latest = last(view.item.size, last 40s)
trait level = if spent > 10 then \"high\" else \"low\"
";

/// A public source that may not name users, and users who stay apart.
const IDENTITY: &str = "identifiers:\n  user_id: {unique: true}\n  email: {}\n  anonymous_id: {}\n\
                        trust: {browser: [anonymous_id, email], server: all}\n";

fn project() -> Arc<Program> {
    let file = |path: &str, text: &str| SourceFile { path: path.to_owned(), text: text.to_owned() };
    let compilation = sonder_dsl::compile(SourceSet::new(vec![
        file("sonder.yaml", "name: shop\n"),
        file("sources/a_server.yaml", "source: server\nkind: server\nwrite_keys: [wk]\n"),
        file("consent.yaml", "purposes: [marketing]\nresidence: [lives]\n"),
        file("sources/web.yaml", "source: web\nkind: browser\nwrite_keys: [wk_web]\n"),
        file("identity.yaml", IDENTITY),
        file("profile.yaml", "traits:\n  country: {type: string}\n  lives: {type: string, from: [traits.country]}\n"),
        file("events/order.yaml", "event: order\nproperties:\n  total: {type: number, multipleOf: 0.01}\n"),
        file(
            "events/view.yaml",
            "event: view\nproperties:\n  product: {type: string}\n  item: {type: object, properties: {size: {type: integer}}}\n",
        ),
        file("rules/all.sonder", RULES),
    ]));
    compilation.program.unwrap_or_else(|| panic!("{:#?}", compilation.diagnostics))
}

/// One message: who, of which source, what, how late.
fn happening() -> impl Strategy<Value = (Json, u32, i64)> {
    let who = prop_oneof![
        4 => (0..4_u8).prop_map(|n| json!({"anonymousId": format!("a{n}")})),
        1 => (0..3_u8).prop_map(|n| json!({"userId": format!("u{n}")})),
        2 => (0..3_u8, 0..4_u8).prop_map(|(u, a)| json!({"userId": format!("u{u}"), "anonymousId": format!("a{a}")})),
        1 => (0..2_u8, 0..4_u8).prop_map(|(e, a)| {
            json!({"anonymousId": format!("a{a}"), "context": {"traits": {"email": format!("e{e}@x.example")}}})
        }),
    ];
    let what = prop_oneof![
        3 => (0..3_u8, 0..5_i64, any::<bool>()).prop_map(|(product, size, mobile)| {
            let device = if mobile { "mobile" } else { "desktop" };
            json!({"type": "track", "event": "view", "properties": {"product": format!("p{product}"), "item": {"size": size}},
                "context": {"device": {"type": device}}})
        }),
        2 => (0..900_i64).prop_map(|cents| json!({"type": "track", "event": "order", "properties": {"total": cents as f64 / 100.0}})),
        1 => prop::sample::select(vec!["NL", "BE"]).prop_map(|country| json!({"type": "identify", "traits": {"country": country}})),
        1 => any::<bool>().prop_map(|yes| {
            let consent = json!({"purposes": {"marketing": yes}});
            json!({"type": "track", "event": "Consent Updated", "context": {"consent": consent}})
        }),
    ];
    (who, what, 0..2_u32, prop_oneof![3 => Just(0), 1 => 0..25_i64]).prop_map(|(who, what, source, late)| {
        let (Json::Object(mut message), Json::Object(who)) = (what, who) else { panic!("objects") };
        for (key, value) in who {
            match (message.get_mut(&key), value) {
                (Some(Json::Object(there)), Json::Object(more)) => there.extend(more),
                (_, value) => _ = message.insert(key, value),
            }
        }
        (Json::Object(message), source, late)
    })
}

fn rows(program: &Program, happenings: &[(Json, u32, i64)]) -> Vec<LogRow> {
    let governor = Governor::new(program);
    let row = |((message, source, late), seq): (&(Json, u32, i64), u64)| {
        let received_at = Moment(START + seq.cast_signed() * 2 * SECOND);
        let occurred_at = Moment(received_at.0 - late * SECOND);
        let mut message = message.clone();
        message["messageId"] = json!(format!("m{seq}"));
        let message =
            message::from_log(&message.to_string(), SourceId(*source), occurred_at, received_at, false).unwrap();
        let event = governor.govern(&message).unwrap();
        LogRow { record: Record { seq: Seq(seq), received_at, fact: Fact::Event(event) }, message }
    };
    happenings.iter().zip(1..).map(row).collect()
}

fn residents(state: &State, program: &Program) -> (Vec<PersonView>, Vec<Resident>) {
    let traits: Vec<ProfileTraitId> = (0..program.profile.len() as u32).map(ProfileTraitId).collect();
    let (mut found, mut from) = (Vec::new(), Some(0));
    while let Some(place) = from {
        let (some, next) = state.census(program, Asked { traits: &traits, consent: true }, place, 2);
        found.extend(some);
        from = next;
    }
    let views = found.iter().map(|it| state.person(program, it.id).unwrap()).collect();
    let answers = |it: &sonder_core::state::Resident| {
        let answers = it.particulars.as_ref().unwrap().consent.as_ref().unwrap().answers.iter();
        answers.map(|it| (it.purpose.clone(), it.granted, it.at, Seq(it.seq))).collect()
    };
    let residents = found.into_iter().map(|it| Resident {
        answers: answers(&it),
        id: it.id.0,
        identifiers: it
            .identifiers
            .into_iter()
            .map(|it| ResidentIdentifier { kind: it.kind, value: it.value, generic: it.generic })
            .collect(),
        profile: it.particulars.unwrap().profile,
        segments: it.segments.into_iter().map(|rule| rule.0).collect(),
    });
    (views, residents.collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_preview_is_what_the_fold_says(happenings in prop::collection::vec(happening(), 1..60), after in 0..20_i64) {
        let program = project();
        let rows = rows(&program, &happenings);
        let (mut state, mut effects) = (State::new(&program), Effects::default());
        let mut chronicle = Chronicle::default();
        for row in &rows {
            chronicle.step(&mut state, &program, row.record.clone(), &mut effects).unwrap();
        }
        let now = Moment(state.as_of().1.0 + after * SECOND / 3);
        state.advance(&program, now, &mut effects).unwrap();
        let last = Seq(rows.len() as u64);
        let dir = tempfile::tempdir().unwrap();
        let opened = open(dir.path(), &program);
        opened.store.append(&program, &batch(rows)).unwrap();
        let (views, residents) = residents(&state, &program);
        let rules: Vec<RuleId> = (0..program.rules.len() as u32).map(RuleId).collect();
        // As if each took the place of the one after it.
        let replaced: Vec<Option<u32>> = (1..=rules.len()).map(|next| Some((next % rules.len()) as u32)).collect();
        let request = Request {
            program: &program, rules: &rules, at: now, last, replaced: &replaced, sample: 1_000, slice: 7, timeout: Duration::from_secs(60),
            cancelled: &AtomicBool::new(false),
        };
        // Twice: nothing of the first is in the way of the second.
        for _ in 0..2 {
            let mut chunks = residents.chunks(3);
            let previewed =
                opened.reader.preview(request, &mut || Ok(chunks.next().unwrap_or_default().to_vec())).unwrap();
            prop_assert_eq!(previewed.people, views.len() as u64);
            for ((rule, replaced), previewed) in rules.iter().zip(&replaced).zip(&previewed.rules) {
                agrees(&program, *rule, *replaced, previewed, &views)?;
            }
        }
    }
}

fn agrees(
    program: &Program,
    rule: RuleId,
    replaced: Option<u32>,
    previewed: &RulePreview,
    views: &[PersonView],
) -> Result<(), TestCaseError> {
    let name = &program.rules[rule.index()].name;
    let is_in = |view: &PersonView, rule: RuleId| view.segments.iter().any(|it| it.rule == rule);
    let numbered = || (0_u64..).zip(views);
    match previewed {
        RulePreview::Segment { size, sample, overlap, moves } => {
            let expected: Vec<u64> = numbered().filter(|(_, view)| is_in(view, rule)).map(|(place, _)| place).collect();
            let mut found = sample.clone();
            found.sort_unstable();
            prop_assert_eq!(&found, &expected, "who is in {}", name);
            prop_assert_eq!(*size, expected.len() as u64);
            let (Some(moves), Some(was)) = (moves, replaced.map(RuleId)) else { panic!("{name} took nothing's place") };
            for (from, to, count, sample) in
                [(was, rule, moves.entering, &moves.enter), (rule, was, moves.leaving, &moves.leave)]
            {
                let moved = numbered().filter(|(_, view)| is_in(view, to) && !is_in(view, from));
                let expected: Vec<u64> = moved.map(|(place, _)| place).collect();
                let mut found = sample.clone();
                found.sort_unstable();
                prop_assert_eq!(&found, &expected, "who comes to {}", name);
                prop_assert_eq!(count, expected.len() as u64);
            }
            for it in overlap {
                let there = RuleId(it.segment);
                let both = views.iter().filter(|view| is_in(view, rule) && is_in(view, there)).count();
                let size = views.iter().filter(|view| is_in(view, there)).count();
                prop_assert_eq!((it.size, it.both), (size as u64, both as u64), "{} and {:?}", name, there);
            }
        }
        RulePreview::Trait { known, sample, top, .. } => {
            let value = |view: &PersonView| view.computed.iter().find(|it| it.rule == rule).map(|it| it.value.clone());
            let expected: Vec<(u64, Json)> =
                numbered().filter_map(|(place, view)| Some((place, value(view)?))).collect();
            let mut found = sample.clone();
            found.sort_by_key(|(place, _)| *place);
            prop_assert_eq!(&found, &expected, "values of {}", name);
            prop_assert_eq!(*known, expected.len() as u64);
            for (value, count) in top {
                let same = expected.iter().filter(|(_, it)| it == value).count();
                prop_assert_eq!(*count, same as u64, "{} = {}", name, value);
            }
        }
    }
    Ok(())
}

#[test]
fn who_has_left_is_not_worked_for() {
    let program = project();
    let dir = tempfile::tempdir().unwrap();
    let opened = open(dir.path(), &program);
    let cancelled = AtomicBool::new(false);
    let request = Request {
        program: &program,
        rules: &[RuleId(0)],
        at: Moment(START),
        last: Seq(0),
        replaced: &[],
        sample: 10,
        slice: 7,
        timeout: Duration::from_secs(60),
        cancelled: &cancelled,
    };
    let gave_up = opened.reader.preview(request, &mut || Err(StoreError::TimedOut));
    assert!(matches!(gave_up, Err(StoreError::TimedOut)), "{gave_up:?}");
    let after = opened.reader.preview(request, &mut || Ok(Vec::new())).unwrap();
    assert_eq!(after.people, 0, "the failure left nothing behind");
}
