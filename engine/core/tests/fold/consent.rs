//! Consent, enforced: what messages say of it, who hears of events then, what rules and journeys with a purpose see.

use serde_json::{Value as Json, json};
use sonder_core::State;
use sonder_core::consent::ledger;
use sonder_core::effect::{ChangeKind, Delivery, Effects, ItemKind, JourneyStep};
use sonder_core::eval::{Evaluation, Request, Taken};
use sonder_core::govern::Governor;
use sonder_core::message::{Envelope, Label, Quarantined, Timing, read_text};
use sonder_core::record::{Fact, Record, Seq};
use sonder_core::view::PersonView;
use sonder_dsl::ir::{Program, SourceId};
use sonder_dsl::source::{SourceFile, SourceSet};
use sonder_dsl::time::{Duration, Moment};
use std::sync::Arc;

const SECOND: i64 = 1_000_000;

struct World {
    program: Arc<Program>,
    governor: Governor,
    state: State,
    effects: Effects,
    seq: u64,
}

impl World {
    fn new(consent: &str, rules: &str) -> Self {
        let file = |path: &str, text: &str| SourceFile { path: path.to_owned(), text: text.to_owned() };
        let hook = |name: &str, purposes: &str| {
            // One of them keeps an audience, too.
            let segments = if name == "ads" && rules.contains("segment seen ") { "[seen]" } else { "[]" };
            let text = format!(
                "destination: {name}\nplugin: sonder/webhook@1\nallow: [x.example]\n{purposes}\
                 receives: {{events: [view], segments: {segments}{}}}\n",
                if segments == "[]" { "" } else { ", traits: [country]" }
            );
            file(&format!("destinations/{name}.yaml"), &text)
        };
        let compilation = sonder_dsl::compile(SourceSet::new(vec![
            file("sonder.yaml", "name: shop"),
            file("events/view.yaml", "event: view\nproperties: {product: {type: string}}"),
            file("events/order.yaml", "event: order"),
            file("identity.yaml", "identifiers: {user_id: {}, anonymous_id: {}}"),
            file("profile.yaml", "traits: {country: {type: string}, seen_in: {type: string}}"),
            file("sources/web.yaml", "source: web\nkind: server\nwrite_keys: [wk]"),
            file("sources/web_page.yaml", "source: web_page\nkind: browser\nwrite_keys: [wk_page]"),
            hook("ads", "purposes: [advertising]\n"),
            hook("both", "purposes: [advertising, analytics]\n"),
            hook("plain", ""),
            file("consent.yaml", consent),
            file("rules/r.sonder", rules),
        ]));
        let program = compilation.program.unwrap_or_else(|| panic!("{:#?}", compilation.diagnostics));
        let (governor, state) = (Governor::new(&program), State::new(&program));
        Self { program, governor, state, effects: Effects::default(), seq: 0 }
    }

    /// A message that arrives `late` seconds after it happened.
    fn send(&mut self, second: i64, late: i64, mut message: Json) -> Result<(), Quarantined> {
        message["timestamp"] = Moment((second - late) * SECOND).to_string().into();
        message["receivedAt"] = Moment(second * SECOND).to_string().into();
        if message.get("type").is_none() {
            message["type"] = "track".into();
        }
        let envelope =
            Envelope::alone(SourceId(0), Moment(second * SECOND), Timing::Recorded, Duration(0), &|| "m".to_owned());
        let event = self.governor.govern(&read_text(&message.to_string(), &envelope)?)?;
        self.seq += 1;
        let record = Record { seq: Seq(self.seq), received_at: Moment(second * SECOND), fact: Fact::Event(event) };
        self.state.step(&self.program, &record, &mut self.effects).unwrap();
        Ok(())
    }

    fn view(&mut self, second: i64, who: &str, context: Json) {
        self.send(second, 0, json!({"event": "view", "anonymousId": who, "properties": {}, "context": context}))
            .unwrap();
    }

    fn says(&mut self, second: i64, who: &str, purposes: Json) {
        let context = json!({"consent": {"purposes": purposes}});
        self.send(second, 0, json!({"event": "Consent Updated", "anonymousId": who, "context": context})).unwrap();
    }

    /// Whether a message that is sent now is taken in whole.
    fn collects(&self, source: u32, message: Json) -> bool {
        let second = self.seq as i64 + 1_000;
        let envelope =
            Envelope::alone(SourceId(source), Moment(second * SECOND), Timing::Live, Duration(0), &|| "m".to_owned());
        let read = read_text(&message.to_string(), &envelope);
        let admitted = self.governor.admit(read, |question| self.state.collects(question));
        match admitted.message {
            None => false,
            Some(Ok((message, _))) => !message.labels.contains(&Label::Anonymous),
            Some(Err(aside)) => panic!("{aside:?}"),
        }
    }

    /// The destinations that heard of what was sent since the last question.
    fn heard(&mut self) -> Vec<&str> {
        let deliveries: Vec<Delivery> = std::mem::take(&mut self.effects.deliveries);
        let name = |it: &Delivery| self.program.destinations[it.destination.index()].name.as_str();
        deliveries.iter().map(name).collect()
    }

    fn person(&self, who: &str) -> PersonView {
        let kind = sonder_dsl::ir::IdentifierKindId(1);
        let id = self.state.resolve(&self.governor.identifier(kind, who).unwrap()).unwrap();
        self.state.person(&self.program, id).unwrap()
    }

    fn is_in(&self, who: &str, segment: &str) -> bool {
        self.person(who).segments.iter().any(|it| it.name == segment)
    }
}

const CATEGORIES: &str = "purposes:\n  advertising: {categories: [C0004]}\n  analytics: {categories: [C0002, C0003]}\n";

/// What the documentation of Segment's consent management says, where nothing is refused before somebody refuses.
#[test]
fn events_are_routed_as_segment_does() {
    let mut world = World::new(&format!("{CATEGORIES}otherwise: us\n"), "");
    let all = vec!["ads", "both", "plain"];
    let prefer = |preferences: Json| json!({"consent": {"categoryPreferences": preferences}});
    for (number, (context, expected)) in [
        (json!({}), all.clone()),
        (json!({"consent": {}}), all.clone()),
        (prefer(json!({})), vec!["plain"]),
        (prefer(json!({"C0004": true})), vec!["ads", "plain"]),
        (prefer(json!({"C0004": true, "C0002": true})), vec!["ads", "plain"]),
        (prefer(json!({"C0004": true, "C0002": true, "C0003": true})), all.clone()),
        (prefer(json!({"C0004": false, "C0002": true, "C0003": true})), vec!["plain"]),
        (prefer(json!({"C0004": true, "unheard": false})), vec!["ads", "plain"]),
    ]
    .into_iter()
    .enumerate()
    {
        world.view(number as i64, &format!("a{number}"), context.clone());
        assert_eq!(world.heard(), expected, "{context}");
    }
    // Consent comes before `integrations`, which only restrict further.
    for (integrations, expected) in [
        (json!({"ads": false}), vec!["plain"]),
        (json!({"both": true, "ads": true}), vec!["ads", "plain"]),
        (json!({"All": false, "both": true}), vec![]),
    ] {
        let context = prefer(json!({"C0004": true}));
        let message = json!({"event": "view", "anonymousId": "i", "context": context, "integrations": integrations});
        world.send(50, 0, message).unwrap();
        assert_eq!(world.heard(), expected, "{integrations}");
    }
}

#[test]
fn rudders_lists_are_read_with_their_strategy() {
    let mut world = World::new(&format!("{CATEGORIES}otherwise: us\n"), "");
    for (number, (management, expected)) in [
        (json!({"allowedConsentIds": ["C0004"], "deniedConsentIds": ["C0002"]}), vec!["ads", "plain"]),
        (
            json!({"allowedConsentIds": ["C0002", "C0004"], "deniedConsentIds": [], "resolutionStrategy": "or"}),
            vec!["ads", "both", "plain"],
        ),
        (
            json!({"allowedConsentIds": ["C0002", "C0004"], "deniedConsentIds": [], "resolutionStrategy": "and"}),
            vec!["ads", "plain"],
        ),
        (json!({"deniedConsentIds": ["C0004"]}), vec!["plain"]),
        (json!({"provider": "custom"}), vec!["ads", "both", "plain"]),
    ]
    .into_iter()
    .enumerate()
    {
        world.view(number as i64, &format!("a{number}"), json!({"consentManagement": management}));
        assert_eq!(world.heard(), expected, "{management}");
    }
}

#[test]
fn a_tc_string_answers_the_purposes_that_name_its_own() {
    let consent = "purposes: {advertising: {tcf: [1, 3, 4]}, analytics: {categories: [C2]}}\notherwise: us\n";
    let mut world = World::new(consent, "");
    let strings: Vec<Json> = serde_json::from_str(include_str!("data/tcf.json")).unwrap();
    let (mut yes, mut no) = (0, 0);
    for (number, case) in strings.iter().enumerate() {
        world.view(number as i64, &format!("a{number}"), json!({"consent": {"tcf": case["text"]}}));
        let has = |id: u64| case["purposes"].as_array().unwrap().contains(&id.into());
        let granted = [1, 3, 4].into_iter().all(has);
        if granted {
            yes += 1
        } else {
            no += 1
        }
        assert_eq!(world.heard(), if granted { vec!["ads", "both", "plain"] } else { vec!["plain"] }, "{case}");
    }
    assert!(yes > 5 && no > 5);
    world.view(100, "odd", json!({"consent": {"tcf": "1YNN"}}));
    assert_eq!(world.heard(), ["ads", "both", "plain"], "what cannot be read says nothing");
}

#[test]
fn a_gpp_string_refuses_what_somebody_opted_out_of() {
    let consent = "purposes: {advertising: {gpc: false}, analytics: {tcf: [1, 8]}, sale: {}}\notherwise: us\n";
    let mut world = World::new(consent, "");
    let strings: Vec<Json> = serde_json::from_str(include_str!("data/gpp.json")).unwrap();
    let mut heard = std::collections::BTreeSet::new();
    for (number, case) in strings.iter().enumerate() {
        world.view(number as i64, &format!("a{number}"), json!({"consent": {"gpp": case["text"]}}));
        let sections: Vec<&Json> = case["sections"].as_object().unwrap().values().collect();
        let says = |key: &str| sections.iter().any(|it| it[key] == true);
        let mut listed = sections.iter().filter_map(|it| it["tcf"].as_array());
        let allowed = listed.all(|list| list.contains(&1.into()) && list.contains(&8.into()));
        let mut expected = vec![];
        if !says("targeting") {
            expected.push("ads");
        }
        if !says("targeting") && allowed {
            expected.push("both");
        }
        expected.push("plain");
        assert_eq!(world.heard(), expected, "{case}");
        let view = world.person(&format!("a{number}"));
        let is_sold = view.consent.iter().any(|it| it.purpose == "sale" && it.granted);
        assert_eq!(is_sold, !says("sale") && !says("signal"), "{case}");
        heard.insert(expected);
    }
    assert_eq!(heard.len(), 3);
    // Only the section that is in force counts, where that is said.
    let nation = "DBABLA~CAAQAAAAAABA.QA";
    for (number, in_force, sold) in [(200, json!([7]), false), (201, json!("7_8"), false), (202, json!([8]), true)] {
        world.view(number, &format!("a{number}"), json!({"consent": {"gpp": nation, "gppSid": in_force}}));
        let view = world.person(&format!("a{number}"));
        assert_eq!(view.consent.iter().any(|it| it.purpose == "sale" && it.granted), sold, "{in_force}");
    }
}

#[test]
fn a_change_of_consent_needs_no_schema_but_something_to_say() {
    let mut world = World::new(CATEGORIES, "");
    let change =
        |context: Json| json!({"event": "Segment Consent Preference Updated", "anonymousId": "a", "context": context});
    let refused = world.send(1, 0, change(json!({}))).unwrap_err();
    assert_eq!(refused.reasons[0].code, "missing_consent");
    for says_nothing in
        [json!({"consent": {"purposes": {"advertising": true}}}), json!({"consent": {"categoryPreferences": "C0004"}})]
    {
        assert!(world.send(1, 0, change(says_nothing)).is_err(), "Segment's says what a banner was told");
    }
    let updated = json!({"event": "Consent Updated", "anonymousId": "b", "context": {"consent": {"unheard": 1}}});
    assert!(world.send(1, 0, updated).is_err());
    world.send(2, 0, change(json!({"consent": {"categoryPreferences": {"C0004": true}}}))).unwrap();
    let granted: Vec<(String, bool)> =
        world.person("a").consent.into_iter().map(|it| (it.purpose, it.granted)).collect();
    assert_eq!(granted, [("advertising".to_owned(), true), ("analytics".to_owned(), false)]);
    assert!(world.send(3, 0, json!({"event": "Something Else", "anonymousId": "a"})).is_err(), "only this needs none");
}

const WATCHED: &str = "segment keen { purpose advertising when count(view) >= 2 }\nsegment seen { when count(view) >= 2 }\n\
                       trait views = count(view)\nsegment keen_too { purpose advertising when views >= 2 }";

#[test]
fn a_rule_sees_what_was_consented_to_when_it_happened() {
    let mut world = World::new("purposes: [advertising, analytics]\notherwise: ccpa\nresidence: [country]", WATCHED);
    world.says(1, "a", json!({"advertising": false}));
    world.view(2, "a", json!({}));
    world.says(3, "a", json!({"advertising": true}));
    world.view(4, "a", json!({}));
    assert!(world.is_in("a", "seen") && !world.is_in("a", "keen"), "one of the two was before consent");
    assert!(!world.is_in("a", "keen_too"), "a trait without a purpose lets nothing in");
    world.view(5, "a", json!({}));
    assert!(world.is_in("a", "keen") && world.is_in("a", "keen_too"));
    // In California a refusal holds from then on; in the Netherlands it takes back what was.
    world.says(6, "a", json!({"advertising": false}));
    assert!(world.is_in("a", "keen"), "they were counted rightly");
    world.send(7, 0, json!({"type": "identify", "anonymousId": "a", "traits": {"country": "NL"}})).unwrap();
    assert!(!world.is_in("a", "keen") && !world.is_in("a", "keen_too") && world.is_in("a", "seen"));
    world.says(8, "a", json!({"advertising": true}));
    assert!(world.is_in("a", "keen"), "and a new yes allows again what had been allowed then");
}

#[test]
fn a_late_answer_and_another_identity_count_from_when_they_were_given() {
    let mut world = World::new("purposes: [advertising, analytics]\notherwise: gdpr", WATCHED);
    world.view(10, "a", json!({}));
    world.view(20, "a", json!({}));
    assert!(!world.is_in("a", "keen"));
    let yes = json!({"consent": {"purposes": {"advertising": true}}});
    world.send(30, 25, json!({"event": "Consent Updated", "anonymousId": "a", "context": yes})).unwrap();
    assert!(world.is_in("a", "keen"), "they had consented before both");
    // The other device never asked; it turns out to be somebody who had said yes.
    world.view(40, "b", json!({}));
    world.view(50, "b", json!({}));
    assert!(!world.is_in("b", "keen"));
    for who in ["a", "b"] {
        world.send(60, 0, json!({"type": "identify", "anonymousId": who, "userId": "u"})).unwrap();
    }
    assert!(world.is_in("b", "keen"));
    assert_eq!(world.person("a").id, world.person("b").id);
}

#[test]
fn an_audience_follows_consent() {
    let mut world = World::new("purposes: [advertising, analytics]\notherwise: gdpr", WATCHED);
    let told = |world: &mut World| -> Vec<(String, &'static str)> {
        let deliveries = std::mem::take(&mut world.effects.deliveries);
        let of_ads = deliveries.iter().filter(|it| world.program.destinations[it.destination.index()].name == "ads");
        of_ads.map(|it| (it.name.clone(), it.kind.name())).collect()
    };
    let seen = |kind: &'static str| ("seen".to_owned(), kind);
    world.view(1, "a", json!({}));
    world.view(2, "a", json!({}));
    assert!(world.is_in("a", "seen"));
    assert_eq!(told(&mut world), [], "nobody hears of somebody who was not asked");
    world.says(3, "a", json!({"advertising": true}));
    assert_eq!(told(&mut world), [seen("segment_entered")], "what they are in is caught up with");
    world.says(4, "a", json!({"advertising": true}));
    assert_eq!(told(&mut world), []);
    world.says(5, "a", json!({"advertising": false}));
    assert_eq!(told(&mut world), [seen("segment_left")], "they leave the audience, though they are in the segment");
    assert!(world.is_in("a", "seen"));
    // Consent and entry in one message are told once.
    world.view(6, "b", json!({}));
    world.view(7, "b", json!({"consent": {"purposes": {"advertising": true}}}));
    assert_eq!(told(&mut world), [("view".to_owned(), "event"), seen("segment_entered")]);
}

/// What refuses must not be lost for its form.
#[test]
fn an_answer_in_an_odd_form_is_a_refusal() {
    let consent = "purposes: {advertising: {categories: [C1]}, analytics: {}}\notherwise: us\n";
    let mut world = World::new(consent, "");
    let granted = |world: &mut World, number: i64, context: Json| -> Vec<bool> {
        let who = format!("a{number}");
        world.view(number, &who, context);
        world.person(&who).consent.iter().map(|it| it.granted).collect()
    };
    for (number, (answer, yes)) in [
        (json!(true), true),
        (json!("true"), true),
        (json!(false), false),
        (json!("false"), false),
        (json!("denied"), false),
        (json!(0), false),
        (json!(1), false),
        (Json::Null, false),
    ]
    .into_iter()
    .enumerate()
    {
        let number = 10 * number as i64;
        let own = json!({"consent": {"purposes": {"advertising": answer, "analytics": answer, "unheard": false}}});
        assert_eq!(granted(&mut world, number, own), [yes; 2], "{answer}");
        let banner = json!({"consent": {"categoryPreferences": {"C1": answer, "analytics": answer}}});
        assert_eq!(granted(&mut world, number + 1, banner), [yes; 2], "{answer}");
    }
    for (number, (signal, refuses)) in [
        (json!(true), true),
        (json!("true"), true),
        (json!(1), true),
        (json!("1"), true),
        (json!(false), false),
        (json!("0"), false),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(granted(&mut world, 100 + number as i64, json!({"gpc": signal})), [!refuses, true], "{signal}");
    }
    // Sections that are in force, in a form that nobody can read: all of them are.
    let nation = "DBABLA~CAAQAAAAAABA.QA";
    let mut world = World::new("purposes: {advertising: {gpc: false}, analytics: {}, sale: {}}\notherwise: us\n", "");
    for (number, (in_force, sold)) in [
        (Json::Null, false),
        (json!([]), false),
        (json!(["7"]), false),
        (json!(["x"]), false),
        (json!({}), false),
        (json!(["8"]), true),
    ]
    .into_iter()
    .enumerate()
    {
        let said = json!({"consent": {"gpp": nation, "gppSid": in_force}});
        assert_eq!(granted(&mut world, number as i64, said)[2], sold, "{in_force}");
    }
}

/// A banner has in store what somebody once said there, and SDKs repeat it with each message.
#[test]
fn what_is_taken_back_expressly_stays_so_whatever_a_banner_repeats() {
    let mut world = World::new(
        "purposes: {advertising: {categories: [C0004]}, analytics: {}, sale: {}}\n",
        "segment reachable { when consented(advertising) }",
    );
    let stamp = |yes: bool| json!({"consent": {"categoryPreferences": {"C0004": yes}}});
    world.view(1, "a", stamp(true));
    assert!(world.is_in("a", "reachable"));
    world.says(2, "a", json!({"advertising": false}));
    world.view(3, "a", stamp(true));
    assert!(!world.is_in("a", "reachable"), "the banner's answer is from before");
    // A report of a change through a banner is as express as one through the API, also where it is about something else.
    let preference = |second: i64, yes: bool| {
        json!({
            "event": "Segment Consent Preference Updated", "anonymousId": "a", "context": stamp(yes),
            "timestamp": Moment(second * SECOND).to_string(),
        })
    };
    world.send(4, 0, preference(4, true)).unwrap();
    assert!(world.is_in("a", "reachable"));
    // A no counts without being express: not every banner reports a change.
    world.view(5, "a", stamp(false));
    assert!(!world.is_in("a", "reachable"));
    world.view(6, "a", stamp(true));
    assert!(world.is_in("a", "reachable"));
    // What is said late stands where it was said.
    world.send(9, 1, preference(8, false)).unwrap();
    world.send(10, 3, json!({"event": "view", "anonymousId": "a", "context": stamp(true)})).unwrap();
    world.view(11, "a", stamp(true));
    assert!(!world.is_in("a", "reachable"));
    // Global Privacy Control is no habit of a banner: what a browser without it says does not lift it.
    let sold = |world: &World| world.person("b").consent.iter().find(|it| it.purpose == "sale").unwrap().granted;
    world.view(20, "b", json!({"consent": {"purposes": {"sale": true}}}));
    assert!(sold(&world));
    world.view(21, "b", json!({"gpc": true}));
    world.view(22, "b", json!({"consent": {"purposes": {"sale": true}}}));
    assert!(!sold(&world));
    world.says(23, "b", json!({"sale": true}));
    assert!(sold(&world));
}

/// A list of people who unsubscribed elsewhere is history, but not to destinations that still write to them.
#[test]
fn a_withdrawal_that_is_imported_takes_people_off_and_an_agreement_brings_nobody() {
    let seen = "segment seen { when did(view) and consented(analytics) }";
    let mut world = World::new("purposes: [advertising, analytics]\notherwise: gdpr\n", seen);
    let imported = |world: &mut World, second: i64, purposes: Json| {
        let context = json!({"consent": {"purposes": purposes}});
        let message = json!({"type": "track", "event": "Consent Updated", "anonymousId": "a", "context": context,
            "timestamp": Moment(second * SECOND).to_string(), "receivedAt": Moment(second * SECOND).to_string()});
        let envelope =
            Envelope::alone(SourceId(0), Moment(second * SECOND), Timing::Recorded, Duration(0), &|| "m".to_owned());
        let mut event = world.governor.govern(&read_text(&message.to_string(), &envelope).unwrap()).unwrap();
        event.historical = true;
        world.seq += 1;
        let fact = Fact::Event(event);
        let record = Record { seq: Seq(world.seq), received_at: Moment(second * SECOND), fact };
        world.state.step(&world.program, &record, &mut world.effects).unwrap();
        let told = std::mem::take(&mut world.effects.deliveries);
        told.into_iter().map(|it| (it.kind, it.name)).collect::<Vec<_>>()
    };
    world.view(1, "a", json!({"consent": {"purposes": {"advertising": true, "analytics": true}}}));
    world.heard();
    let left = (ItemKind::SegmentLeft, "seen".to_owned());
    assert_eq!(
        imported(&mut world, 2, json!({"advertising": false})),
        std::slice::from_ref(&left),
        "what it is for is withdrawn"
    );
    assert_eq!(imported(&mut world, 3, json!({"advertising": true})), []);
    assert!(world.is_in("a", "seen"));
    world.says(4, "a", json!({"advertising": true}));
    world.heard();
    assert_eq!(imported(&mut world, 5, json!({"analytics": false})), [left], "the segment asks for consent itself");
    assert_eq!(imported(&mut world, 6, json!({"analytics": true})), []);
}

#[test]
fn collection_asks_what_people_said_before_and_where_they_live() {
    for without in ["refuse", "strip", "store"] {
        let consent = format!(
            "purposes: {{advertising: {{}}, analytics: {{categories: [C0002]}}}}\nresidence: [country]\notherwise: gdpr\n\
             collection: {{purpose: analytics, without: {without}}}\n"
        );
        let mut world = World::new(&consent, "");
        let (server, page) = (0, 1);
        let view = |who: Json, context: Json| {
            let mut message = json!({"type": "track", "event": "view", "properties": {}, "context": context});
            message.as_object_mut().unwrap().extend(who.as_object().unwrap().clone());
            message
        };
        let of = |id: &str| view(json!({"anonymousId": id}), json!({}));
        let stamped = |id: &str, yes: bool| {
            view(json!({"anonymousId": id}), json!({"consent": {"categoryPreferences": {"C0002": yes}}}))
        };
        let stored = without == "store";
        // Nobody knows them: a page's is not collected where people must be asked, a server's is.
        assert_eq!([page, server].map(|it| world.collects(it, of("a"))), [stored, true]);
        // Where they live they need not be asked: it is known of them, or the message says so.
        world.send(1, 0, json!({"type": "identify", "anonymousId": "us", "traits": {"country": "US"}})).unwrap();
        assert!(world.collects(page, of("us")), "{without}");
        let from_us = json!({"type": "identify", "anonymousId": "new", "traits": {"country": "US-TX"}});
        let moved = json!({"type": "identify", "anonymousId": "us", "traits": {"country": "NL"}});
        assert_eq!([from_us, moved].map(|it| world.collects(page, it)), [true, stored], "{without}");
        // They said yes, so a page need not repeat it.
        world.says(2, "a", json!({"analytics": true}));
        assert!(world.collects(page, of("a")), "{without}");
        let both = view(json!({"anonymousId": "us", "userId": "u"}), json!({}));
        assert!(world.collects(page, both), "{without}");
        // They took it back, so nothing more is collected, whoever sends it and whatever a banner repeats.
        world.says(3, "a", json!({"analytics": false}));
        for message in [of("a"), stamped("a", true), view(json!({"anonymousId": "a", "userId": "u"}), json!({}))] {
            assert_eq!([page, server].map(|it| world.collects(it, message.clone())), [stored; 2], "{without}");
        }
        let change = json!({"type": "track", "event": "Consent Updated", "anonymousId": "a",
            "context": {"consent": {"purposes": {"analytics": true}}}});
        assert!(world.collects(page, change), "that they agree again is");
        // What only a banner said, it can take back.
        world.view(5, "b", json!({"consent": {"categoryPreferences": {"C0002": false}}}));
        assert_eq!([of("b"), stamped("b", true)].map(|it| world.collects(server, it)), [stored, true], "{without}");
    }
}

/// As the engine does it with what is sent, so does an evaluation of a log.
#[test]
fn an_evaluation_hears_what_is_answered_by_what_is_not_taken_in() {
    for without in ["refuse", "strip"] {
        let consent = format!(
            "purposes: [advertising, analytics]\notherwise: us\ncollection: {{purpose: analytics, without: {without}}}\n"
        );
        let world = World::new(&consent, "segment reachable { when consented(advertising) and did(view) }");
        let at = Moment(100 * SECOND);
        let request = Request { at, source: SourceId(0), rules: None, trace: false };
        let mut evaluation = Evaluation::new(&world.program, request);
        let mut take = |second: i64, id: &str, event: &str, yes: [bool; 2]| {
            let purposes = json!({"advertising": yes[0], "analytics": yes[1]});
            let message = json!({
                "type": "track", "event": event, "messageId": id, "anonymousId": "a", "context": {"consent": {"purposes": purposes}},
                "timestamp": Moment(second * SECOND).to_string(), "receivedAt": Moment(second * SECOND).to_string(),
            });
            let taken = evaluation.take(&message.to_string());
            let is_in = |line: &str| line.contains("\"reachable\"");
            (taken, evaluation.look(Moment(second * SECOND)).iter().any(|line| is_in(line)))
        };
        let of_refused = if without == "refuse" { Taken::Refused } else { Taken::In };
        assert_eq!(take(1, "m1", "view", [true, true]), (Ok(Taken::In), true));
        assert_eq!(take(2, "m2", "view", [false, false]), (Ok(of_refused.clone()), false), "{without}");
        assert_eq!(take(3, "m3", "view", [true, true]), (Ok(Taken::In), true));
        // It comes again: it is as old as it was, and counts no second time.
        assert!(!matches!(take(4, "m2", "view", [false, false]), (_, false)), "{without}");
        // A yes beside the no to being collected counts, and so does the answer of what is kept aside.
        assert!(!take(5, "m5", "view", [false, false]).1);
        assert_eq!(take(6, "m6", "view", [true, false]), (Ok(of_refused), true), "{without}");
        let (aside, is_in) = take(7, "m7", "unheard", [false, true]);
        assert!(aside.is_err() && !is_in, "{without}: {aside:?}");
    }
}

#[test]
fn the_ledger_says_by_what_means_and_a_page_has_none_of_ours() {
    let world = World::new("purposes: {advertising: {}, analytics: {}, sale: {}}\notherwise: us\n", "");
    let method = |source: u32, consent: Json| -> String {
        let message =
            json!({"type": "identify", "messageId": "m", "anonymousId": "a", "context": {"consent": consent}});
        let now = Moment(SECOND);
        let envelope = Envelope::alone(SourceId(source), now, Timing::Recorded, Duration(0), &|| "m".to_owned());
        let message = read_text(&message.to_string(), &envelope).unwrap();
        let said = world.governor.govern(&message).unwrap().said;
        let entries = ledger::entries(&world.program, &message, 1, said, "somebody");
        entries.first().map(|entry| entry.method.clone()).unwrap_or_default()
    };
    let says = |method: &str| json!({"purposes": {"advertising": true}, "method": method});
    for (source, consent, expected) in [
        (0, says("api"), "api"),
        (1, says("api"), "message"),
        (1, says(" API"), "message"),
        (1, says("objection"), "message"),
        (1, says("phone"), "phone"),
        (1, json!({"gpp": "DBABLA~CAAQAAAAAABA.QA"}), "gpp"),
        (1, json!({"categoryPreferences": {"advertising": false}}), "banner"),
    ] {
        assert_eq!(method(source, consent.clone()), expected, "{source}: {consent}");
    }
}

/// What destinations are told of segments, with the traits that go with it.
fn memberships(world: &mut World) -> Vec<(&'static str, Json)> {
    let deliveries = std::mem::take(&mut world.effects.deliveries);
    let of_segment = deliveries.iter().filter(|it| it.kind.name().starts_with("segment"));
    of_segment
        .map(|it| (it.kind.name(), serde_json::from_str::<Json>(&it.payload).unwrap()["traits"].clone()))
        .collect()
}

#[test]
fn nobody_is_taken_off_of_whom_a_destination_never_heard() {
    let once = "segment seen { when count(view) == 1 }";
    let mut world = World::new("purposes: [advertising, analytics]\notherwise: gdpr", once);
    let lives = |world: &mut World, who: &str| {
        let traits = json!({"country": "XX"});
        world.send(1, 0, json!({"type": "identify", "anonymousId": who, "traits": traits})).unwrap();
    };
    // Whoever was not asked, or refuses from the start, comes and goes unheard.
    for (who, said) in [("a", Json::Null), ("b", json!({"advertising": false}))] {
        lives(&mut world, who);
        if !said.is_null() {
            world.says(2, who, said);
        }
        world.view(3, who, json!({}));
        assert!(world.is_in(who, "seen"));
        world.view(4, who, json!({}));
        assert!(!world.is_in(who, "seen"));
        assert_eq!(memberships(&mut world), [], "{who}");
    }
    // Whoever comes in with a no in the same message, too, whatever they had said before.
    lives(&mut world, "c");
    world.says(5, "c", json!({"advertising": true}));
    world.view(6, "c", json!({"consent": {"purposes": {"advertising": false}}}));
    assert!(world.is_in("c", "seen"));
    world.view(7, "c", json!({}));
    assert_eq!(memberships(&mut world), []);
    // Whoever consented is taken off when they withdraw, once, and then no more is known of them but who they are.
    lives(&mut world, "d");
    world.says(8, "d", json!({"advertising": true}));
    world.view(9, "d", json!({}));
    assert_eq!(memberships(&mut world), [("segment_entered", json!({"country": "XX"}))]);
    world.says(10, "d", json!({"advertising": false}));
    assert_eq!(memberships(&mut world), [("segment_left", json!({}))]);
    world.view(11, "d", json!({}));
    assert!(!world.is_in("d", "seen"));
    assert_eq!(memberships(&mut world), [], "they had been taken off");
    // So are those who leave with the very message that withdraws.
    lives(&mut world, "e");
    world.view(12, "e", json!({"consent": {"purposes": {"advertising": true}}}));
    world.view(13, "e", json!({"consent": {"purposes": {"advertising": false}}}));
    assert_eq!(memberships(&mut world), [("segment_entered", json!({"country": "XX"})), ("segment_left", json!({}))]);
    // And those who leave while they consent.
    lives(&mut world, "f");
    world.view(14, "f", json!({"consent": {"purposes": {"advertising": true}}}));
    world.view(15, "f", json!({}));
    let traits = json!({"country": "XX"});
    assert_eq!(memberships(&mut world), [("segment_entered", traits.clone()), ("segment_left", traits)]);
}

#[test]
fn an_export_is_of_those_who_consent_to_what_it_is_for() {
    let rules = "segment keen { purpose advertising when did(view) }\nsegment looked { when did(view) }";
    let mut world = World::new("purposes: [advertising, analytics]\notherwise: us", rules);
    for (second, who) in (1..).zip(["a", "b", "c"]) {
        world.view(second, who, json!({}));
    }
    world.says(5, "b", json!({"advertising": false}));
    let restrict = json!({"type": "restrict", "identifiers": [{"kind": "anonymous_id", "value": "c"}]});
    world.send(6, 0, restrict).unwrap();
    let exported = |world: &World, segment: &str, purpose: Option<&str>| -> Option<(usize, usize)> {
        let (rule, _) = world.program.rule_named(segment).unwrap();
        let purposes = world.state.exported_for(&world.program, rule, purpose)?;
        let all = world.state.consenting_members(rule, purposes, None, 10);
        let mut paged = Vec::new();
        while let [one] = world.state.consenting_members(rule, purposes, paged.last().copied(), 1)[..] {
            paged.push(one.0);
        }
        assert_eq!(paged, all.iter().map(|(id, _)| *id).collect::<Vec<_>>(), "a page at a time");
        let (mut without, mut after) = (0, None);
        loop {
            let (some, last) = world.state.members_without(rule, purposes, after, 1);
            without += some;
            match last {
                Some(last) => after = Some(last),
                None => break,
            }
        }
        assert_eq!(all.len() + without, world.state.segment_size(rule));
        Some((all.len(), without))
    };
    assert_eq!(
        exported(&world, "keen", None),
        Some((1, world.state.segment_size(world.program.rule_named("keen").unwrap().0) - 1))
    );
    assert_eq!(exported(&world, "looked", None), Some((2, 1)), "whoever restricts everything is in none");
    assert_eq!(exported(&world, "looked", Some("advertising")), Some((1, 2)));
    assert_eq!(exported(&world, "looked", Some("unheard")), None);
}

#[test]
fn a_destination_hears_of_a_no_that_comes_with_another_identity() {
    let mut world = World::new("purposes: [advertising, analytics]\notherwise: gdpr", WATCHED);
    // The older one refused; of the younger one the destination knows.
    world.says(1, "a", json!({"advertising": false}));
    world.says(2, "b", json!({"advertising": true}));
    world.view(3, "b", json!({}));
    world.view(4, "b", json!({}));
    world.says(5, "a", json!({"advertising": false}));
    assert_eq!(memberships(&mut world), [("segment_entered", json!({}))]);
    world.send(6, 0, json!({"type": "identify", "anonymousId": "a", "userId": "u"})).unwrap();
    world.send(7, 0, json!({"type": "identify", "anonymousId": "b", "userId": "u"})).unwrap();
    assert_eq!(world.person("a").id, world.person("b").id);
    assert_eq!(memberships(&mut world), [("segment_left", json!({}))]);
}

#[test]
fn where_somebody_lives_is_read_as_people_write_it() {
    let mut world =
        World::new("purposes: [advertising, analytics]\notherwise: gdpr\nresidence: [country, seen_in]", "");
    let mut allowed = |number: i64, country: &str, seen_in: &str| {
        let who = format!("a{number}");
        let traits = json!({"country": country, "seen_in": seen_in});
        world.send(number, 0, json!({"type": "identify", "anonymousId": who, "traits": traits})).unwrap();
        world.person(&who).consent.iter().any(|it| it.purpose == "advertising" && it.granted)
    };
    for (number, (country, seen_in, expected)) in [
        ("US_CA", "NL", true),
        ("us-ca ", "", true),
        ("", "US-CA", true),
        ("unknown", "US-CA", true),
        ("NL ", "US-CA", false),
        ("UK", "US-CA", false),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(allowed(number as i64, country, seen_in), expected, "{country:?}, {seen_in:?}");
    }
}

const JOURNEY: &str =
    "journey carts { purpose advertising\n enter on view as v\n goal order\n wait 30s\n set trait country = \"XX\" }";

#[test]
fn who_withdraws_leaves_the_journey() {
    let mut world = World::new("purposes: [advertising, analytics]\notherwise: gdpr", JOURNEY);
    let steps = |world: &mut World| -> Vec<String> {
        let changes = std::mem::take(&mut world.effects.changes);
        let step = |it: &ChangeKind| match it {
            ChangeKind::Journey(it) => match &it.what {
                JourneyStep::Entered { .. } => Some("entered".to_owned()),
                JourneyStep::Left(outcome) => Some(outcome.name().to_owned()),
                _ => None,
            },
            _ => None,
        };
        changes.iter().filter_map(|change| step(&change.what)).collect()
    };
    world.view(1, "a", json!({}));
    assert!(steps(&mut world).is_empty(), "without consent nobody comes in");
    world.says(2, "a", json!({"advertising": true}));
    world.view(3, "a", json!({}));
    assert_eq!(steps(&mut world), ["entered"]);
    world.says(10, "a", json!({"advertising": false}));
    assert_eq!(steps(&mut world), ["withdrawn"]);
    world.says(11, "a", json!({"advertising": true}));
    world.send(70, 0, json!({"event": "order", "anonymousId": "a"})).unwrap();
    assert!(steps(&mut world).is_empty());
    assert!(world.person("a").traits.is_empty(), "nothing happened on the way");
}

#[test]
fn consent_survives_a_checkpoint_and_a_long_memory_is_bounded() {
    let mut world = World::new("purposes: [advertising, analytics]\notherwise: gdpr", WATCHED);
    world.says(1, "a", json!({"advertising": true}));
    for second in 2..1_500 {
        world.view(second, "a", json!({}));
    }
    let view = world.person("a");
    let count = |view: &PersonView| view.computed.iter().find(|it| it.name == "views").unwrap().value.clone();
    assert_eq!(count(&view), 1_498);
    let checkpoint = world.state.checkpoint();
    let people = checkpoint.people.iter().filter_map(|(id, bytes)| Some((*id, bytes.as_ref()?)));
    let restored = State::restore(&world.program, &Arc::default(), &checkpoint.meta, people).unwrap();
    assert_eq!(restored.person(&world.program, view.id), Some(view.clone()));
    assert_eq!(restored.digest(), world.state.digest());
    assert_eq!(restored.withheld(view.id, &world.program.destinations[0]), None);
    assert_eq!(restored.withheld(view.id, &world.program.destinations[1]), Some("analytics"));
    // What was settled does not come back by an answer that is late; what is kept goes.
    world
        .send(
            1_600,
            1_595,
            json!({"event": "Consent Updated", "anonymousId": "a",
        "context": {"consent": {"purposes": {"advertising": false}}}}),
        )
        .unwrap();
    assert!(!world.is_in("a", "keen"), "they do not consent now");
    world.says(1_700, "a", json!({"advertising": true}));
    assert!(world.is_in("a", "keen"));
}
