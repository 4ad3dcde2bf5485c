//! Journeys, step by step.

use crate::history::{Happening, SECOND, does, project, record};
use sonder_core::State;
use sonder_core::effect::{ChangeKind, Effects, JourneyStep, Unsent};
use sonder_core::journey::Outcome;
use sonder_core::state::Travelling;
use sonder_core::view::JourneyView;
use sonder_dsl::ir::Program;
use sonder_dsl::time::Moment;
use std::sync::Arc;

const IDENTITY: &str = "identifiers:\n  user_id: {unique: true}\n  email: {}\n  anonymous_id: {}\n";
const HOOK: &str = "destination: hook\nplugin: sonder/webhook@1\nallow: [hook.example]\n";

struct World {
    program: Arc<Program>,
    state: State,
    effects: Effects,
    seq: u64,
}

impl World {
    fn new(rules: &str) -> Self {
        let program = project(rules, IDENTITY, HOOK);
        Self { state: State::new(&program), program, effects: Effects::default(), seq: 0 }
    }

    fn happens(&mut self, second: i64, it: &Happening) -> &mut Self {
        self.seq += 1;
        let mut record = record(&self.program, self.seq, second, it);
        crate::history::event_mut(&mut record).occurred_at = Moment((second - it.late) * SECOND);
        self.state.step(&self.program, &record, &mut self.effects).unwrap();
        self
    }

    fn event(&mut self, second: i64, who: &str, kind: &'static str, product: &'static str) -> &mut Self {
        self.happens(second, &does(who, kind, product))
    }

    fn wait(&mut self, second: i64) -> &mut Self {
        self.state.advance(&self.program, Moment(second * SECOND), &mut self.effects).unwrap();
        self
    }

    /// The same state, from a checkpoint.
    fn restart(&mut self) -> &mut Self {
        let kept = self.state.checkpoint();
        let people = kept.people.iter().filter_map(|(id, bytes)| Some((*id, bytes.clone()?)));
        self.state = State::restore(&self.program, &Arc::default(), &kept.meta, people).unwrap();
        self
    }

    /// What was sent since somebody asked last: the second, the action, and its fields.
    fn sent(&mut self) -> Vec<String> {
        let sent = std::mem::take(&mut self.effects.deliveries);
        sent.iter().map(|it| format!("{} {} {}", it.at.0 / SECOND, it.name, it.payload)).collect()
    }

    fn journeys(&self, who: &str) -> Vec<JourneyView> {
        let id = self.state.people().into_iter().find(|id| {
            let view = self.state.person(&self.program, *id).unwrap();
            view.identifiers.iter().any(|it| it.value == who)
        });
        self.state.person(&self.program, id.unwrap()).unwrap().journeys
    }

    fn status(&self, who: &str) -> Vec<String> {
        let shown = |it: JourneyView| match it.per {
            Some(per) => format!("{}[{}]: {}", it.name, per.as_str().unwrap(), it.status),
            None => format!("{}: {}", it.name, it.status),
        };
        self.journeys(who).into_iter().map(shown).collect()
    }

    fn steps(&self) -> Vec<&JourneyStep> {
        let steps = self.effects.changes.iter().filter_map(|change| match &change.what {
            ChangeKind::Journey(it) => Some(&it.what),
            _ => None,
        });
        steps.collect()
    }
}

fn identify(who: &[(&'static str, &str)], country: Option<&'static str>) -> Happening {
    let who = who.iter().map(|(kind, value)| (*kind, (*value).to_owned())).collect();
    Happening { kind: None, who, country, ..does("", "view", "p") }
}

const REMIND: &str = "journey carts {\n enter on add as cart\n again after 60s\n goal order\n wait 30s\n \
                      send hook.remind { product: cart.product }\n}\n";

#[test]
fn a_wait_ends_at_its_very_moment_and_what_was_carried_is_sent() {
    let mut world = World::new(REMIND);
    assert_eq!(world.event(1_000, "a", "add", "p1").status("a"), ["carts: waiting"]);
    let view = &world.journeys("a")[0];
    assert_eq!(
        (view.step.as_deref(), view.since, view.entered),
        (Some("wait 30s"), Moment(1_000 * SECOND), view.since)
    );
    world.wait(1_029);
    assert_eq!(world.sent(), [""; 0]);
    world.wait(2_000);
    assert_eq!(world.sent(), [r#"1030 remind {"product":"p1"}"#]);
    assert_eq!(world.status("a"), ["carts: finished"]);
    assert_eq!(world.journeys("a")[0].since, Moment(1_030 * SECOND));
}

#[test]
fn a_goal_ends_it_and_calls_back_what_was_sent() {
    let mut world = World::new(REMIND);
    world.event(1_000, "a", "add", "p1").event(1_029, "a", "order", "").wait(2_000);
    assert_eq!(world.sent(), [""; 0]);
    assert_eq!(world.status("a"), ["carts: converted"]);
    assert_eq!(world.effects.recalls.len(), 1);
    assert_eq!(world.effects.recalls[0].reason, "left carts: converted");
}

/// Who is written to last has left the journey, and may order all the same before the message went out.
#[test]
fn a_goal_converts_and_calls_back_after_the_end_of_the_text_too() {
    let mut world = World::new(REMIND);
    world.event(1_000, "a", "add", "p1").wait(1_030);
    assert_eq!(world.status("a"), ["carts: finished"]);
    let sent = world.effects.deliveries[0].id;
    world.event(1_059, "a", "order", "");
    assert_eq!(world.status("a"), ["carts: converted"]);
    assert_eq!(world.effects.recalls.iter().map(|it| it.id).collect::<Vec<_>>(), [sent]);
    let ends = world.steps().into_iter().filter(|step| matches!(step, JourneyStep::Left(_)));
    assert_eq!(
        ends.collect::<Vec<_>>(),
        [&JourneyStep::Left(Outcome::Finished), &JourneyStep::Left(Outcome::Converted)]
    );
    world.event(1_060, "a", "order", "");
    assert_eq!(world.effects.recalls.len(), 1, "once");

    let mut late = World::new(REMIND);
    late.event(1_000, "a", "add", "p1").wait(1_030).event(1_060, "a", "order", "");
    assert_eq!(late.status("a"), ["carts: finished"], "they could have come in again by then");
    let mut open = World::new(&REMIND.replace("again after 60s", ""));
    open.event(1_000, "a", "add", "p1").wait(1_030).event(9_000, "a", "order", "");
    assert_eq!(open.status("a"), ["carts: converted"], "whenever it happens");
    let mut earlier = World::new(REMIND);
    earlier.event(1_000, "a", "add", "p1").wait(1_030);
    earlier.happens(1_040, &Happening { late: 41, ..does("a", "order", "") });
    assert_eq!(earlier.status("a"), ["carts: finished"], "it was for something before");
}

/// Who is not written to is held against those who are: both have as long.
#[test]
fn a_control_group_converts_as_long_as_the_others() {
    let rules = "journey j {\n enter on add as cart\n again after 1h\n goal order where total > cart.stars\n \
                 split { 50% control {} 50% treated { send hook.x {} wait 10s } }\n}\n";
    let mut world = World::new(rules);
    for index in 0..200 {
        world.event(1_000, &format!("a{index}"), "add", "p");
    }
    for index in 0..200 {
        world.event(1_020, &format!("a{index}"), "order", "");
    }
    let converted = world.steps().into_iter().filter(|step| **step == JourneyStep::Left(Outcome::Converted)).count();
    assert_eq!(converted, 200);
    // A total of 12.50 is above two stars, and carried over a checkpoint.
    let mut kept = World::new(rules);
    kept.event(1_000, "a", "add", "p").wait(1_011);
    kept.restart();
    kept.event(1_020, "a", "order", "");
    assert_eq!(kept.status("a"), ["j: converted"]);
}

#[test]
fn what_one_of_two_devices_bought_ends_the_journey_of_both() {
    for (waits, status) in [(1_020, "carts: converted"), (1_035, "carts: converted")] {
        let mut world = World::new(REMIND);
        world.event(1_000, "phone", "add", "p1").event(1_010, "desktop", "order", "").wait(waits - 1);
        world.happens(waits - 1, &identify(&[("anonymous_id", "phone"), ("email", "e")], None));
        world.happens(waits, &identify(&[("anonymous_id", "desktop"), ("email", "e")], None));
        assert_eq!(world.status("phone"), [status]);
        assert!(!world.effects.recalls.is_empty());
        world.wait(1_200);
        assert_eq!(world.sent().len(), usize::from(waits > 1_030));
    }
}

#[test]
fn what_the_other_passage_of_two_people_who_are_one_sent_is_called_back() {
    let mut world =
        World::new("journey j {\n enter on add as cart\n send hook.first { product: cart.product }\n wait 10s\n}\n");
    world.event(1_000, "a", "add", "p1").event(1_001, "b", "add", "p2");
    let second = world.effects.deliveries[1].id;
    world.happens(1_002, &identify(&[("anonymous_id", "a"), ("email", "e")], None));
    world.happens(1_003, &identify(&[("anonymous_id", "b"), ("email", "e")], None));
    let recalls: Vec<_> = world.effects.recalls.iter().map(|it| (it.id, it.reason.as_str())).collect();
    assert_eq!(recalls, [(second, "left j: merged")]);
}

#[test]
fn who_withdraws_is_not_written_to_although_the_journey_is_over() {
    let rules = REMIND.replace("enter on", "purpose marketing\n enter on");
    let mut world = World::new(&rules);
    world.event(1_000, "a", "add", "p1").wait(1_030);
    assert_eq!((world.status("a"), world.sent().len()), (vec!["carts: finished".to_owned()], 1));
    let marketing = 1 << world.program.consent.purposes.iter().position(|it| it.name == "marketing").unwrap();
    let no = sonder_core::consent::Said { to: marketing, ..sonder_core::consent::Said::NOTHING };
    world.happens(1_031, &Happening { said: no, ..identify(&[("anonymous_id", "a")], None) });
    let reasons: Vec<_> = world.effects.recalls.iter().map(|it| it.reason.as_str()).collect();
    assert_eq!(reasons, ["left carts: withdrawn"]);
}

#[test]
fn what_is_called_back_is_what_was_sent() {
    let mut world = World::new(&REMIND.replace("wait 30s", "").replace("}\n}", "}\n wait 9s\n}"));
    world.event(1_000, "a", "add", "p1");
    let sent = world.effects.deliveries[0].id;
    world.event(1_001, "a", "order", "");
    assert_eq!(world.effects.recalls[0].id, sent);
}

#[test]
fn nobody_is_in_it_twice_and_again_is_counted_from_leaving() {
    let mut world = World::new(REMIND);
    world.event(1_000, "a", "add", "p1").event(1_010, "a", "add", "p2").wait(1_030);
    assert_eq!(world.sent(), [r#"1030 remind {"product":"p1"}"#]);
    world.event(1_089, "a", "add", "p3").wait(1_200);
    assert_eq!(world.sent(), [""; 0], "59 seconds after leaving is too soon");
    world.event(1_201, "a", "add", "p4").wait(1_300);
    assert_eq!(world.sent(), [r#"1231 remind {"product":"p4"}"#]);

    let mut once = World::new(&REMIND.replace("again after 60s", ""));
    once.event(1_000, "a", "add", "p1").wait(1_100).event(9_000, "a", "add", "p2").wait(9_100);
    assert_eq!(once.sent().len(), 1, "without it once for each person");
}

#[test]
fn an_order_that_arrives_before_the_cart_that_it_follows_still_counts() {
    let mut world = World::new(REMIND);
    world.event(1_010, "a", "order", "");
    world.happens(1_012, &Happening { late: 7, ..does("a", "add", "p1") }).wait(1_100);
    assert_eq!(world.sent(), [""; 0], "ordered five seconds after adding it");
    world.happens(1_100, &does("a", "add", "p1")).wait(1_200);
    assert_eq!(world.sent().len(), 1, "another one, after the order");
}

/// Also where the goal names the event that it follows: what it compares is kept, over a checkpoint and with whoever turns out
/// to be the same person.
#[test]
fn a_goal_that_names_what_it_follows_may_arrive_before_it() {
    // An order is of 12.50.
    let above = |factor: u32| {
        let goal = format!("goal order where total > cart.stars * {factor} and total > 12");
        format!(
            "journey j {{\n enter on add as cart\n {goal}\n wait 30s\n send hook.remind {{ product: cart.product }}\n}}\n"
        )
    };
    let added = || Happening { late: 7, ..does("a", "add", "p1") };
    let mut world = World::new(&above(6));
    world.event(1_010, "a", "order", "");
    world.restart();
    world.happens(1_012, &added()).wait(1_100);
    assert_eq!((world.sent(), world.status("a")), (vec![], vec![]), "ordered five seconds after adding it");

    let mut other = World::new(&above(7));
    other.event(1_010, "a", "order", "").happens(1_012, &added()).wait(1_100);
    assert_eq!(other.sent().len(), 1, "an order of less is no goal of this cart");

    let mut before = World::new(&above(6));
    before.event(1_001, "a", "order", "").happens(1_012, &added()).wait(1_100);
    assert_eq!(before.sent().len(), 1, "ordered before adding it");

    for (factor, sent) in [(6, 0), (7, 1)] {
        let mut world = World::new(&above(factor));
        world.event(1_000, "phone", "add", "p1").event(1_010, "desktop", "order", "");
        world.happens(1_011, &identify(&[("anonymous_id", "phone"), ("email", "e")], None));
        world.happens(1_012, &identify(&[("anonymous_id", "desktop"), ("email", "e")], None)).wait(1_100);
        assert_eq!(world.sent().len(), sent, "the order of the other device, total > stars * {factor}");
    }
}

#[test]
fn a_late_order_counts_from_when_it_happened() {
    let mut world = World::new(REMIND);
    world.event(1_000, "a", "add", "p1");
    world.happens(1_010, &Happening { late: 20, ..does("a", "order", "") }).wait(1_100);
    assert_eq!(world.sent().len(), 1, "it was for something before");
}

/// The case that a peer's users report broken: two carts of one person, interleaved.
#[test]
fn carts_are_told_apart() {
    let rules = "journey carts {\n enter on add as cart per cart.product\n wait for view where price > 0 up to 30s {\n  \
                 send hook.thanks { product: cart.product }\n } else {\n  send hook.remind { product: cart.product }\n }\n}\n";
    let mut world = World::new(rules);
    world.event(1_000, "a", "add", "p1").event(1_010, "a", "add", "p2");
    assert_eq!(world.status("a"), ["carts[p1]: waiting", "carts[p2]: waiting"]);
    world.event(1_020, "a", "view", "p2");
    assert_eq!(world.sent(), [r#"1020 thanks {"product":"p2"}"#], "a view of the one is none of the other");
    world.wait(1_100);
    assert_eq!(world.sent(), [r#"1030 remind {"product":"p1"}"#]);
    assert_eq!(world.status("a"), ["carts[p1]: finished", "carts[p2]: finished"]);
}

#[test]
fn an_event_is_waited_for_after_the_person_came_to_wait() {
    let rules = "journey j {\n enter on add as cart\n wait 10s\n wait for view where product == cart.product up to 20s {\n  \
                 send hook.met {}\n } else {\n  send hook.missed {}\n }\n}\n";
    let mut world = World::new(rules);
    world.event(1_000, "a", "add", "p1").event(1_005, "a", "view", "p1");
    world.event(1_015, "a", "view", "p2");
    world.happens(1_016, &Happening { late: 8, ..does("a", "view", "p1") }).wait(1_029);
    assert_eq!(world.sent(), [""; 0], "too early, another product, too early and late");
    world.wait(1_050);
    assert_eq!(world.sent(), ["1030 missed {}"]);

    let mut world = World::new(rules);
    world.event(1_000, "a", "add", "p1").event(1_020, "a", "view", "p1").wait(1_050);
    assert_eq!(world.sent(), ["1020 met {}"]);
}

#[test]
fn conditions_are_watched_at_every_moment() {
    let rules = "segment quiet { when not did(view, last 10s) }\njourney j {\n enter on add\n exit when profile.country == \"BE\"\n \
                 wait until in(quiet) up to 60s { send hook.quiet {} } else {}\n wait 50s\n send hook.end {}\n}\n";
    let mut world = World::new(rules);
    world.event(1_000, "a", "view", "p").event(1_001, "a", "add", "p").wait(1_040);
    assert_eq!(world.sent(), ["1010 quiet {}"], "when the view is ten seconds old, though nothing happens");
    world.happens(1_041, &identify(&[("anonymous_id", "a")], Some("BE"))).wait(1_100);
    assert_eq!(world.sent(), [""; 0]);
    assert_eq!(world.status("a"), ["j: exited"]);
}

#[test]
fn people_enter_when_a_condition_becomes_true() {
    let rules = "journey j {\n enter when count(view, last 10s) >= 2 and not did(order)\n again after 1s\n wait 5s\n \
                 send hook.hello { views: count(view) }\n}\n";
    let mut world = World::new(rules);
    world.event(1_000, "a", "view", "p").event(1_001, "a", "view", "p").event(1_003, "a", "view", "p").wait(1_050);
    assert_eq!(world.sent(), [r#"1006 hello {"views":3}"#]);
    let view = world.state.person(&world.program, world.state.people()[0]).unwrap();
    assert_eq!(view.segments, [], "the condition is no segment");
    world.event(1_060, "a", "view", "p").event(1_061, "a", "view", "p").wait(1_100);
    assert_eq!(world.sent(), [r#"1066 hello {"views":5}"#]);
}

#[test]
fn a_trait_that_is_set_has_its_rules_decided_and_lets_other_journeys_begin() {
    let rules = "segment named { when profile.nickname == \"buyer\" }\n\
                 journey a { enter on add  set trait nickname = \"buyer\"  wait 5s }\n\
                 journey b { enter when in(named)  send hook.hello { name: profile.nickname } }\n";
    let mut world = World::new(rules);
    world.event(1_000, "a", "add", "p");
    assert_eq!(world.sent(), [r#"1000 hello {"name":"buyer"}"#]);
    let view = world.state.person(&world.program, world.state.people()[0]).unwrap();
    assert_eq!((view.traits[0].value.as_str(), view.traits[0].source.as_str()), (Some("buyer"), "(journey)"));
    assert_eq!(view.segments.len(), 1);
}

#[test]
fn a_split_is_stable_and_even() {
    let rules =
        "journey j {\n enter on add\n again after 1s\n split { 10% control {} 90% treated { send hook.x {} } }\n}\n";
    let mut world = World::new(rules);
    let people = 2_000;
    for round in 0..2 {
        for index in 0..people {
            world.event(1_000 + round * 100, &format!("a{index}"), "add", "p");
        }
    }
    let treated = world.effects.deliveries.iter().map(|it| it.person);
    let mut times = std::collections::BTreeMap::new();
    treated.for_each(|person| *times.entry(person).or_insert(0) += 1);
    assert!(times.values().all(|count| *count == 2), "the same branch both times");
    let control = people - times.len();
    assert!((150..250).contains(&control), "{control} of {people} in the control group");
}

#[test]
fn branches_of_two_splits_have_nothing_to_do_with_each_other() {
    let half = |inner: &str| format!("split {{ 50% a {{ {inner} }} 50% b {{}} }}");
    let mut world = World::new(&format!("journey j {{ enter on add {} {} }}\n", half(""), half("send hook.x {}")));
    for index in 0..1_000 {
        world.event(1_000, &format!("a{index}"), "add", "p");
    }
    let taken: Vec<usize> = world
        .steps()
        .iter()
        .filter_map(|step| if let JourneyStep::Branched(_, branch) = step { Some(*branch) } else { None })
        .collect();
    let same = taken.chunks(2).filter(|pair| pair[0] == pair[1]).count();
    assert!((400..600).contains(&same), "{same} of 1000 took the same branch twice");
}

#[test]
fn what_is_unknown_is_left_out_and_counts_are_kept_for_journeys_alone() {
    let rules = "journey j {\n enter on add\n if count(order) >= 1 { send hook.buyer { country: profile.country } } else { exit }\n}\n";
    let mut world = World::new(rules);
    world.event(1_000, "a", "order", "").event(1_001, "a", "add", "p");
    assert_eq!(world.sent(), ["1001 buyer {}"]);
    world.event(1_002, "b", "add", "p");
    assert_eq!(world.sent(), [""; 0]);
    assert_eq!(world.status("b"), ["j: exited"]);
}

#[test]
fn what_was_imported_brings_nobody_in_but_converts() {
    let mut world = World::new(REMIND);
    let historical = |world: &mut World, second: i64, it: &Happening| {
        world.seq += 1;
        let mut record = record(&world.program, world.seq, second, it);
        crate::history::event_mut(&mut record).historical = true;
        world.state.step(&world.program, &record, &mut world.effects).unwrap();
    };
    historical(&mut world, 1_000, &does("a", "add", "p1"));
    assert_eq!(world.status("a"), [""; 0]);
    world.event(1_001, "a", "add", "p1");
    historical(&mut world, 1_002, &does("a", "order", ""));
    assert_eq!(world.status("a"), ["carts: converted"]);
}

#[test]
fn the_passage_that_is_further_along_goes_on_when_two_people_are_one() {
    let rules = "journey j {\n enter on add as cart\n wait 10s\n send hook.first { product: cart.product }\n wait 10s\n \
                 send hook.second { product: cart.product }\n}\n";
    let mut world = World::new(rules);
    world.event(1_000, "a", "add", "p1").event(1_008, "b", "add", "p2").wait(1_011);
    assert_eq!(world.sent().len(), 1);
    world.happens(1_012, &identify(&[("anonymous_id", "b"), ("email", "e")], None));
    world.happens(1_013, &identify(&[("anonymous_id", "a"), ("email", "e")], None));
    assert!(world.steps().contains(&&JourneyStep::Left(Outcome::Merged)));
    world.wait(1_100);
    assert_eq!(world.sent(), [r#"1020 second {"product":"p1"}"#]);
    assert_eq!(world.status("a"), ["j: finished"]);
    assert_eq!(world.state.standing(sonder_dsl::ir::JourneyId(0)).iter().sum::<u32>(), 0);
}

#[test]
fn who_left_as_one_does_not_go_on_as_the_other() {
    let mut world = World::new(&REMIND.replace("again after 60s", ""));
    world.event(1_000, "a", "add", "p1").event(1_005, "a", "order", "").event(1_010, "b", "add", "p2");
    world.happens(1_012, &identify(&[("anonymous_id", "b"), ("email", "e")], None));
    world.happens(1_013, &identify(&[("anonymous_id", "a"), ("email", "e")], None)).wait(1_100);
    assert_eq!(world.sent(), [""; 0], "once for each person, and they were in it");
    assert_eq!(world.status("b"), ["carts: converted"]);
}

#[test]
fn caps_hours_and_zones() {
    let file = |path: &str, text: &str| sonder_dsl::source::SourceFile { path: path.to_owned(), text: text.to_owned() };
    let files = vec![
        file(
            "sonder.yaml",
            "name: x\ntimezone: Europe/Amsterdam\ncaps: {hook: 2 per 7 days}\nquiet_hours: {from: \"21:00\", to: \"08:00\"}\n",
        ),
        file("events/add.yaml", "event: add\nproperties: {product: {type: string}}\n"),
        file("identity.yaml", IDENTITY),
        file("profile.yaml", "traits:\n  timezone: {type: string}\n"),
        file("sources/server.yaml", "source: server\nkind: server\nwrite_keys: [wk]\n"),
        file("destinations/hook.yaml", HOOK),
        file(
            "rules/all.sonder",
            "journey j {\n enter on add as cart\n again after 1s\n hours 09:00 to 20:00\n send hook.x { product: cart.product }\n}\n",
        ),
    ];
    let compilation = sonder_dsl::compile(sonder_dsl::source::SourceSet::new(files));
    let program = compilation.program.unwrap_or_else(|| panic!("{:#?}", compilation.diagnostics));
    let mut world = World { state: State::new(&program), program, effects: Effects::default(), seq: 0 };
    let second = |text: &str| Moment::parse(text).unwrap().0 / SECOND;
    // 23:30 in Amsterdam: the first moment of the hours of the next day is 08:00 UTC.
    world.event(second("2026-01-05T22:30:00Z"), "a", "add", "p1").wait(second("2026-01-06T12:00:00Z"));
    let at = second("2026-01-06T08:00:00Z");
    assert_eq!(world.sent(), [format!(r#"{at} x {{"product":"p1"}}"#)]);
    world.event(second("2026-01-06T12:00:00Z"), "a", "add", "p2");
    assert_eq!(world.sent().len(), 1);
    world.event(second("2026-01-06T12:01:00Z"), "a", "add", "p3");
    assert_eq!(world.sent(), [""; 0]);
    assert!(world.steps().iter().any(|it| matches!(it, JourneyStep::Unsent(_, Unsent::Capped))));
    world.event(second("2026-01-13T08:00:00Z"), "a", "add", "p4");
    assert_eq!(world.sent().len(), 1, "the first of the two is seven days old");
    // Where they live it is 17:30.
    let mut traveller = record(&world.program, 90, second("2026-01-13T22:30:00Z"), &does("b", "add", "p5"));
    let zone = sonder_dsl::ir::Value::String("America/New_York".into());
    crate::history::event_mut(&mut traveller).traits = vec![(sonder_dsl::ir::ProfileTraitId(0), zone)];
    world.state.step(&world.program, &traveller, &mut world.effects).unwrap();
    assert_eq!(world.sent().len(), 1);
}

#[test]
fn traits_that_were_set_outlive_the_version_that_set_them() {
    let rules = "segment named { when profile.nickname == \"buyer\" }\njourney a { enter on add  set trait nickname = \"buyer\" }\n";
    let mut world = World::new(rules);
    world.event(1_000, "a", "add", "p");
    let kept = world.state.checkpoint();
    let bytes = kept.people[0].1.as_ref().unwrap();
    let from_bytes = State::travelling_in(kept.people[0].0, bytes).unwrap().unwrap();
    for travelling in [world.state.travelling(), vec![from_bytes]] {
        let program = project(&format!("segment other {{ when did(view) }}\n{rules}"), IDENTITY, HOOK);
        let mut next = World { state: State::new(&program), program, effects: Effects::default(), seq: 0 };
        next.state.hold_journeys();
        next.event(1_000, "a", "add", "p");
        next.state.take_over(&next.program, None, travelling, &mut next.effects);
        let view = next.state.person(&next.program, next.state.people()[0]).unwrap();
        assert_eq!(view.segments.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), ["named"]);
        assert_eq!((view.traits[0].value.as_str(), view.traits[0].source.as_str()), (Some("buyer"), "(journey)"));
        assert!(next.effects.deliveries.is_empty());
    }
}

/// Another name is another name: people stay where they are, under the keys that they had, and fall into the same parts.
#[test]
fn people_stay_where_they_are_under_another_name() {
    let split = "journey carts {\n enter on add as cart per cart.product\n wait 30s\n\
         split { 50% a { send hook.a { product: cart.product } } 50% b { send hook.b { product: cart.product } } }\n}\n";
    let mut world = World::new(split);
    let people: Vec<String> = (0..20).map(|number| format!("p{number}")).collect();
    for who in &people {
        world.event(1_000, who, "add", "p1");
    }
    let travelling = || world.state.travelling();
    let change = |text: &str, before: Option<&Program>| {
        let program = project(text, IDENTITY, HOOK);
        let mut next = World { state: State::new(&program), program, effects: Effects::default(), seq: 0 };
        next.state.hold_journeys();
        for who in &people {
            next.event(1_000, who, "add", "p1");
        }
        next.effects = Effects::default();
        next.state.take_over(&next.program, before, travelling(), &mut next.effects);
        next.wait(1_100);
        let ids: Vec<_> = next.effects.deliveries.iter().map(|it| (it.person, it.id, it.name.clone())).collect();
        ids
    };
    let unchanged = change(split, Some(&world.program));
    assert!(unchanged.len() == 20 && unchanged.iter().any(|it| it.2 == "a") && unchanged.iter().any(|it| it.2 == "b"));
    let renamed = split.replace("journey carts", "journey baskets was trolleys, carts");
    for before in [Some(&*world.program), None] {
        assert_eq!(change(&renamed, before), unchanged);
    }
    assert_eq!(change(&split.replace("journey carts", "journey baskets"), Some(&world.program)), []);
    // Both were there: the old one is no more.
    let both = project(&format!("{split}{}", split.replace("journey carts", "journey baskets")), IDENTITY, HOOK);
    assert_eq!(change(&split.replace("journey carts", "journey baskets was carts"), Some(&both)), []);
}

#[test]
fn people_stay_where_they_are_when_the_text_around_them_changes() {
    let mut world = World::new(REMIND);
    world.event(1_000, "a", "add", "p1");
    let travelling: Vec<Travelling> = world.state.travelling();
    let records = [record(&world.program, 1, 1_000, &does("a", "add", "p1"))];
    let change = |text: &str, taken: Vec<Travelling>| {
        let program = project(text, IDENTITY, HOOK);
        let mut next = World { state: State::new(&program), program, effects: Effects::default(), seq: 1 };
        next.state.hold_journeys();
        for record in &records {
            next.state.step(&next.program, record, &mut next.effects).unwrap();
        }
        assert_eq!(next.status("a"), [""; 0], "nobody travels while the log is folded again");
        next.effects = Effects::default();
        next.state.take_over(&next.program, None, taken, &mut next.effects);
        next
    };
    let mut next = change(&REMIND.replace("remind {", "reminder { country: profile.country,"), travelling);
    assert_eq!(next.status("a"), ["carts: waiting"]);
    next.wait(1_100);
    assert_eq!(next.sent(), [r#"1030 reminder {"product":"p1"}"#]);

    let mut next = change(&REMIND.replace("wait 30s", "wait 40s"), world.state.travelling());
    assert_eq!(next.status("a"), ["carts: removed"], "that wait is no more");
    assert_eq!(next.steps(), [&JourneyStep::Left(Outcome::Removed)]);
    next.wait(1_100);
    assert_eq!(next.sent(), [""; 0]);
}

#[test]
fn what_began_at_one_moment_is_in_one_order_in_all_versions() {
    let rules = "journey carts {\n enter on add as cart per cart.product\n wait 30s\n send hook.remind { product: cart.product }\n}\n";
    let carts = ["p1", "p2", "p3", "p4", "p5", "p6"];
    let mut folded = World::new(rules);
    for cart in carts {
        folded.event(1_000, "a", "add", cart);
    }
    let program = project(rules, IDENTITY, HOOK);
    let mut taken = World { state: State::new(&program), program, effects: Effects::default(), seq: 0 };
    taken.state.hold_journeys();
    for cart in carts {
        taken.event(1_000, "a", "add", cart);
    }
    taken.state.take_over(&taken.program, None, folded.state.travelling(), &mut taken.effects);
    // A new version looks at once at everybody whom it took over.
    assert_eq!(taken.wait(1_001).state.digest(), folded.wait(1_001).state.digest());
    let sent = folded.wait(1_100).sent();
    assert_eq!(sent, carts.map(|cart| format!(r#"1030 remind {{"product":"{cart}"}}"#)));
    assert_eq!(taken.wait(1_100).sent(), sent);
    assert_eq!(taken.state.digest(), folded.state.digest());
}

#[test]
fn what_was_forgotten_in_one_version_is_forgotten_in_the_next() {
    let rules = "journey carts {\n enter on add as cart per cart.product\n goal order\n wait 30s\n send hook.remind { product: cart.product }\n}\n";
    let mut folded = World::new(rules);
    let program = project(rules, IDENTITY, HOOK);
    let mut taken = World { state: State::new(&program), program, effects: Effects::default(), seq: 0 };
    taken.state.hold_journeys();
    // More passages that are over than are remembered.
    let names: Vec<&'static str> = (0..130).map(|number| &*Box::leak(format!("p{number}").into_boxed_str())).collect();
    for (second, carts) in (0..).zip(names.chunks(65)) {
        for world in [&mut folded, &mut taken] {
            for cart in carts {
                world.event(1_000 + second * 100, "a", "add", cart);
            }
            world.wait(1_090 + second * 100);
        }
    }
    assert!(folded.state.dropped() > 0);
    taken.state.take_over(&taken.program, None, folded.state.travelling(), &mut taken.effects);
    assert_eq!(taken.wait(1_300).state.digest(), folded.wait(1_300).state.digest());
}
