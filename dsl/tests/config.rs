//! The files of a project become the values that the engine works with.

#![expect(clippy::expect_used, clippy::panic, reason = "what a test cannot go on without fails it")]

use sonder_dsl::diagnostic::render::human::{self, Colour};
use sonder_dsl::ir::{Program, Type};
use sonder_dsl::model::{
    BlockedValue, Comparison, Derivation, DerivedBy, DialledIn, KeySource, LinkLimit, MergePolicy, Normalizer,
    OnViolation, Origin, PiiClass, Preset, QuietHours, Rate, Secret, SourceKind, Strategy, Trust, Trusted,
    UndeclaredEvents, Unique, WriteKey,
};
use sonder_dsl::phone::Country;
use sonder_dsl::source::{SourceFile, SourceSet};
use sonder_dsl::time::Duration;
use sonder_dsl::{Compilation, compile};
use std::path::Path;
use std::sync::Arc;

const DAY: i64 = 86_400;

#[test]
fn every_key_arrives() {
    let program = program("tests/projects/everything");
    let settings = &program.settings;
    assert_eq!((settings.name.as_str(), settings.timezone.as_str()), ("shop", "Europe/Amsterdam"));
    assert_eq!((settings.session_idle, settings.session_max), (seconds(1_200), seconds(43_200)));
    assert_eq!((settings.dedup, settings.future_tolerance), (seconds(DAY), seconds(60)));
    assert_eq!(settings.undeclared_events, UndeclaredEvents::Accept);
    assert_eq!(settings.retain_events, Some(seconds(750 * DAY)));
    assert_eq!(settings.retain_quarantine, seconds(10 * DAY));
    assert_eq!((settings.listen.as_deref(), settings.store.as_deref()), (Some("127.0.0.1:8080"), Some("./data")));
    assert_eq!(settings.state_memory, Some(512 << 20));
    assert_eq!(settings.quiet_hours, Some(QuietHours { from: 21 * 60, to: 8 * 60 }));
    let caps = [("email".to_owned(), rate(2, 7 * DAY)), ("push".to_owned(), rate(1, DAY))];
    assert_eq!(settings.caps, caps);
    let pseudonyms = settings.pseudonyms.as_ref().unwrap();
    assert_eq!(pseudonyms.current.source, KeySource::Environment("SHOP_PSEUDONYM_KEY".to_owned()));
    assert_eq!(pseudonyms.previous[0].source, KeySource::File("/run/secrets/pseudonyms".to_owned()));
    assert_eq!((pseudonyms.current.version, pseudonyms.previous[0].version), (2, 1));

    let event = &program.events[program.event_named("Klik op item").unwrap().index()];
    assert_eq!((event.name.as_str(), event.title.as_deref()), ("product_viewed", Some("Product Viewed")));
    assert_eq!((event.owner.as_deref(), event.version.as_str()), (Some("catalogue"), "1-2-0"));
    assert_eq!((event.purposes.len(), event.retention), (2, Some(seconds(360 * DAY))));
    assert_eq!(
        (event.required.as_slice(), event.on_violation),
        (["product_id".to_owned()].as_slice(), OnViolation::Strip)
    );
    let kinds: Vec<_> =
        event.properties.iter().map(|property| (property.name.as_str(), property.kind.clone())).collect();
    let choices: Arc<[Arc<str>]> = ["sustainable-fashion", "shoes", "coats"].map(Arc::from).into();
    let text = Type::String { one_of: None };
    assert_eq!(
        kinds,
        [
            ("product_id", Some(text.clone())),
            ("category", Some(Type::String { one_of: Some(choices) })),
            ("price", Some(Type::Decimal { scale: 2 })),
            ("email", Some(text.clone())),
            ("seen_at", Some(Type::Time)),
            ("tags", Some(Type::List(Box::new(text)))),
            ("ship_to", None),
            ("email_domain", Some(Type::String { one_of: None })),
        ]
    );
    let email = &event.properties[3];
    assert_eq!((email.pii, email.identifier.as_deref()), (Some(PiiClass::Contact), Some("email")));
    let made = event.properties.iter().find(|it| it.name == "email_domain").unwrap();
    let domain = Derivation { from: "email".to_owned(), function: DerivedBy::Domain };
    assert_eq!((made.pii, made.derivation.as_ref()), (None, Some(&domain)));
    assert_eq!(event.properties[0].title.as_deref(), Some("Product"));
    assert_eq!(event.properties[0].examples, ["SKU-1"]);
    assert_eq!(event.properties[2].description.as_deref(), Some("With taxes"));
    insta::assert_json_snapshot!("product_viewed_schema", event.json_schema);
    assert_eq!(program.events[0].on_violation, OnViolation::Label);

    let [crm, web] = program.sources.as_slice() else { panic!("two sources") };
    assert_eq!((crm.kind, crm.enabled, web.kind, web.enabled), (SourceKind::Server, false, SourceKind::Browser, true));
    assert_eq!(crm.write_keys, [WriteKey::Environment("CRM_KEY".to_owned())]);
    assert_eq!(web.write_keys, [WriteKey::Literal("wk_shop_web".to_owned())]);
    assert_eq!(web.origins, ["https://shop.example"]);
    assert_eq!((web.rate_per_key, web.rate_per_ip), (Some(rate(200, 1)), Some(rate(20, 1))));

    let identity = &program.identity;
    let names: Vec<_> = identity.identifiers.iter().map(|kind| kind.name.as_str()).collect();
    assert_eq!(names, ["user_id", "email", "phone", "card", "household", "device_id", "anonymous_id"]);
    let [user, email, phone, card, household, device, anonymous] = identity.identifiers.as_slice() else {
        panic!("seven kinds")
    };
    assert_eq!((user.unique, email.unique, card.unique), (Unique::Yes, Unique::No, Unique::Always));
    assert_eq!(email.normalize[..2], [Normalizer::Trim, Normalizer::Lowercase]);
    let Normalizer::Replace { pattern, with } = &email.normalize[2] else { panic!("a replacement") };
    assert_eq!((pattern.as_str(), with.as_str()), ("\\+[^@]*@", "@"));
    let places = ["traits", "address", "country"].map(str::to_owned).to_vec();
    let netherlands = Country::of_code("NL").unwrap();
    let places = vec![DialledIn::Path(places), DialledIn::Country(netherlands)];
    assert_eq!(phone.normalize, [Normalizer::E164(places)]);
    assert_eq!(email.limit, Some(LinkLimit { count: 5, per: None }));
    assert_eq!(phone.limit, Some(LinkLimit { count: 3, per: Some(seconds(30 * DAY)) }));
    assert_eq!(email.at_most, [(identity.kind_named("user_id").unwrap(), 1)]);
    assert_eq!(email.presets, [Preset::Missing, Preset::Zeros, Preset::Anonymous, Preset::Test, Preset::Roles]);
    assert_eq!((user.presets.as_slice(), card.presets.as_slice()), (Preset::USUAL.as_slice(), [].as_slice()));
    assert_eq!((user.joins, household.joins), (true, false));
    let of_devices: Vec<bool> = identity.identifiers.iter().map(|kind| kind.anonymous).collect();
    assert_eq!(of_devices, [false, false, false, false, true, true, true]);
    assert_eq!(identity.strategy, Strategy::Conversion);
    let [apart] = identity.apart.as_slice() else { panic!("a group") };
    let named = |name: &str, value: &str| (identity.kind_named(name).unwrap(), value.to_owned());
    assert_eq!(
        apart.identifiers,
        [named("user_id", "u1"), named("email", "ann@shop.nl"), named("phone", "+31612345678")]
    );
    assert_eq!(email.block[0], BlockedValue::Exact("test@example.com".to_owned()));
    assert!(matches!(&email.block[1], BlockedValue::Pattern(pattern) if pattern.is_match("noreply@x")));
    let paths = [
        vec!["context".to_owned(), "device".to_owned(), "id".to_owned()],
        vec!["properties".to_owned(), "device".to_owned()],
    ];
    assert_eq!((device.from.as_deref(), email.from.as_deref()), (Some(paths.as_slice()), None));
    assert_eq!(anonymous.expires, Some(seconds(400 * DAY)));
    let kinds = ["anonymous_id", "email"].map(|name| identity.kind_named(name).unwrap()).to_vec();
    let (browser, server) = (Trusted::Kind(SourceKind::Browser), Trusted::Kind(SourceKind::Server));
    assert_eq!(identity.trust, [(browser, Trust::Kinds(kinds)), (server, Trust::All)]);
    assert_eq!(identity.generic_after, Some(50));
    let matching = identity.probabilistic.as_ref().unwrap();
    assert_eq!((matching.compare.len(), matching.compare[4].1, matching.block.len()), (6, Comparison::Date, 3));
    assert_eq!((matching.link_at, matching.review_at), (0.99, 0.9));
    assert_eq!(matching.every, Some(Duration::from_secs(24 * 60 * 60)));

    let [email, country, visits, name, guess] = program.profile.as_slice() else { panic!("five traits") };
    let sources = [1, 0].map(|index: usize| sonder_dsl::ir::SourceId(1 - index as u32)).to_vec();
    assert_eq!((&email.merge, email.pii), (&MergePolicy::Sources(sources), Some(PiiClass::Contact)));
    assert_eq!(email.purposes, ["marketing", "service"]);
    assert_eq!(email.from.paths(), [["traits", "email"]]);
    assert_eq!(country.from.paths(), [vec!["traits", "address", "country"], vec!["context", "geo", "country"]]);
    assert_eq!((&guess.from, guess.from.paths().len(), &guess.kind), (&Origin::LikelyOnly, 0, &Type::Bool));
    assert_eq!((&visits.merge, &visits.kind, &name.merge), (&MergePolicy::Max, &Type::Int, &MergePolicy::Longest));

    let [destination] = program.destinations.as_slice() else { panic!("one destination") };
    assert_eq!((destination.plugin.as_str(), destination.allow_private), ("sonder/email@1", false));
    assert_eq!(destination.allow, ["api.mail.example"]);
    let secret = Secret { name: "api_key".to_owned(), value: WriteKey::Environment("MAIL_API_KEY".to_owned()) };
    assert_eq!(destination.secrets, [secret]);
    assert_eq!(destination.config, serde_json::json!({"from": "shop@example.com", "retry": {"times": 3}}));
    assert_eq!(destination.segments, [program.rule_named("buyers").unwrap().0]);
    assert_eq!(destination.computed_traits, [program.rule_named("spent").unwrap().0]);
    assert_eq!(destination.profile_traits.len(), 1);
    assert_eq!(
        destination.events,
        ["product_viewed", "order_completed"].map(|name| program.event_named(name).unwrap())
    );
    assert_eq!(destination.identifiers, [identity.kind_named("email").unwrap()]);
    assert_eq!((destination.rate, destination.cap_per_person), (Some(rate(50, 1)), Some(rate(2, 7 * DAY))));
    assert_eq!((destination.memory_limit, destination.batch_limit), (128 << 20, 20));
    assert_eq!(destination.time_limit, Duration::from_millis(500));
    assert!(destination.excludes_probabilistic);
}

#[test]
fn a_cap_without_its_destination_is_doubtful() {
    let compilation = compile(read("tests/projects/everything"));
    insta::assert_snapshot!(human::render(&compilation.sources, &compilation.diagnostics, Colour::Never));
}

#[test]
fn what_is_wrong_with_keys_of_pseudonyms_is_said_with_what_to_type() {
    let lake = "destination: lake\nplugin: sonder/webhook@1\nidentifiers: pseudonym\n";
    let settings = "name: shop\npseudonyms:\n  key: {env: NEW, file: /new}\n  version: 0\n  previous:\n    \
        - {key: {file: old}, version: 3}\n    - {key: {env: A}}\n    - {key: {env: B}, version: 1}\n    - {version: 4}\n";
    let compilation = compile(set(&[("sonder.yaml", settings), ("destinations/lake.yaml", lake)]));
    insta::assert_snapshot!(human::render(&compilation.sources, &compilation.diagnostics, Colour::Never));
}

#[test]
fn what_is_wrong_with_keys_of_encryption_is_said_with_what_to_type() {
    let said = |text: &str| {
        let compilation = compile(set(&[("sonder.yaml", &format!("name: shop\n{text}\n"))]));
        human::render(&compilation.sources, &compilation.diagnostics, Colour::Never)
    };
    let wrong = [
        "encryption: {copy_to: /backups}",
        "encryption: {key: {}}",
        "encryption: {key: {file: key}, copy_to: backups}",
        "encryption: {key: {env: K}, copy_to: [/backups]}",
    ];
    insta::assert_snapshot!(wrong.map(said).join("\n"));
    let whole = compile(set(&[("sonder.yaml", "name: shop\nencryption: {key: {env: K}, copy_to: /backups}\n")]));
    let encryption = whole.program.unwrap().settings.encryption.clone().unwrap();
    assert_eq!(encryption.copy_to.as_deref(), Some("/backups"));
}

#[test]
fn a_key_of_pseudonyms_has_a_version() {
    let settings = |text: &str| {
        let compilation = compile(set(&[("sonder.yaml", &format!("name: shop\n{text}"))]));
        compilation.program.map(|program| program.settings.pseudonyms.clone())
    };
    let plain = settings("pseudonyms: {key: {env: K}}").unwrap().unwrap();
    assert_eq!((plain.current.version, plain.previous.len()), (1, 0));
    let rotated = settings("pseudonyms: {key: {env: K}, version: 3, previous: [{key: {env: L}, version: 2}]}");
    let rotated = rotated.unwrap().unwrap();
    assert_eq!((rotated.current.version, rotated.previous[0].version), (3, 2));
    assert!(settings("pseudonyms: {key: {env: K}, version: 1000000}").is_some());
    assert!(settings("pseudonyms: {key: {env: K}, version: 1000001}").is_none());
    assert_eq!(settings(""), Some(None));
}

#[test]
fn defaults() {
    let program = only(&[("sonder.yaml", "name: shop"), ("sources/web.yaml", "source: web\nkind: browser")]);
    let settings = &program.settings;
    assert_eq!(settings.timezone, "UTC");
    assert_eq!((settings.session_idle, settings.session_max), (seconds(1_800), seconds(DAY)));
    assert_eq!((settings.dedup, settings.future_tolerance), (seconds(2 * DAY), seconds(300)));
    assert_eq!((settings.retain_events, settings.retain_quarantine), (None, seconds(30 * DAY)));
    assert_eq!(settings.undeclared_events, UndeclaredEvents::Quarantine);
    let names: Vec<_> = program.identity.identifiers.iter().map(|kind| (kind.name.as_str(), kind.unique)).collect();
    assert_eq!(names, [("user_id", Unique::Yes), ("anonymous_id", Unique::No)]);
    assert!(program.profile.is_empty() && program.destinations.is_empty() && program.sources[0].enabled);
}

#[test]
fn names_fold_and_aliases_lead_to_their_event() {
    let program = only(&[
        ("sonder.yaml", "name: shop"),
        ("events/b.yaml", "event: product_viewed\naliases: [\"Product Viewed\", productViewed, klik]"),
        ("events/a.yaml", "event: order"),
    ]);
    let order: Vec<_> = program.event_names.iter().map(|(name, id)| (name.as_str(), id.0)).collect();
    assert_eq!(order, [("order", 0), ("product_viewed", 1), ("klik", 1)]);
    assert_eq!(program.event_named("PRODUCT-VIEWED").map(|id| id.0), Some(1));
    assert_eq!(program.event_named("nothing"), None);
}

#[test]
fn errors_of_all_files_come_in_one_run() {
    let compilation = compile(set(&[
        ("sonder.yaml", "nmae: shop\ntimezone: Mars/Olympus"),
        ("events/a.yaml", "event: a\nproperties: {x: {type: strnig}, y: 5}\nrequired: [z]"),
        ("events/b.yaml", "event: b\naliases: [A]\nversion: 1.0"),
        ("events/broken.yaml", "event: [broken"),
        ("identity.yaml", "identifiers: {email: {normalize: [lowercse]}}\ntrust: {browser: [phone]}"),
        ("profile.yaml", "traits: {age: {type: integer, merge: [source: nowhere]}}"),
        ("sources/web.yaml", "source: web\nkind: server\norigins: [\"https://shop.example\"]\nwrite_keys: [k, k]"),
        (
            "destinations/crm.yaml",
            "destination: crm\nplugin: crm\nreceives: {segments: [s], traits: [t], events: [e, broken]}",
        ),
        ("rules/r.sonder", "segment x { when count(c) > 1 }"),
        ("consent.yaml", "purposes: {}"),
    ]));
    assert!(compilation.program.is_none());
    insta::assert_snapshot!(human::render(&compilation.sources, &compilation.diagnostics, Colour::Never));
}

#[test]
fn what_identity_yaml_says_wrong_is_said_with_what_to_type() {
    let identity = "identifiers:
  user_id: {unique: alway, at_most: {user_id: 1, mail: 2}}
  email:
    normalize: [trim, {replace: '/(a/', with: x}, {replace: \"a\", with: x}, {replace: '/a(b)/', with: '$2'}, {replace: '/(a)/', with: '$1b'}]
    limit: {count: 5}
    block_presets: [nothing, tests]
  phone: {normalize: [{e164: UK}, {e164: [XX, country]}, {with: x}, {e164: NL, replace: '/ /'}, {e146: NL}], limit: {count: 1, per: 0d}}
  household: {joins: false, limit: 3, unique: true}
strategy: conversions
apart: [[user_id:u1], [user_id:u1, user_id:u1], [mail:x, \"email:null\"], [u1, u2]]
";
    let compilation = compile(set(&[("sonder.yaml", "name: shop"), ("identity.yaml", identity)]));
    assert!(compilation.program.is_none());
    insta::assert_snapshot!(human::render(&compilation.sources, &compilation.diagnostics, Colour::Never));
    let known = "identifiers: {user_id: {}, email: {}}\nstrategy: isolation\n";
    let compilation = compile(set(&[("sonder.yaml", "name: shop"), ("identity.yaml", known)]));
    insta::assert_snapshot!(human::render(&compilation.sources, &compilation.diagnostics, Colour::Never));
}

#[test]
fn a_step_that_is_no_word_is_suggested() {
    let helps = |step: &str| -> Vec<String> {
        let identity = format!("identifiers: {{email: {{normalize: [{step}]}}}}");
        let compilation = compile(set(&[("sonder.yaml", "name: shop"), ("identity.yaml", &identity)]));
        compilation.diagnostics.iter().flat_map(|found| found.help.clone()).collect()
    };
    assert_eq!(helps("emial"), ["did you mean `email`?"]);
    assert_eq!(helps("droptag"), ["did you mean `drop_tag`?"]);
    assert_eq!(helps("replce"), ["did you mean `replace`?"]);
    assert_eq!(helps("replace"), ["write a map: `{replace: …}`"]);
    let all = "there is `trim`, `lowercase`, `email`, `drop_tag`, `gmail`, `e164`, `replace`, `with`";
    assert_eq!(helps("uppermost"), [all]);
}

#[test]
fn a_source_is_trusted_as_itself_or_as_its_kind() {
    let identity = "identifiers: {user_id: {}, email: {}, anonymous_id: {}}
trust: {browser: [anonymous_id, email], shop_window: [anonymous_id], crm: all, webhook: []}";
    let source = |name: &str, kind: &str| (format!("sources/{name}.yaml"), format!("source: {name}\nkind: {kind}"));
    let sources = [
        source("crm", "webhook"),
        source("partner", "webhook"),
        source("shop_window", "browser"),
        source("till", "server"),
        source("web", "browser"),
    ];
    let with = |identity: &str| {
        let files = [("sonder.yaml", "name: shop"), ("identity.yaml", identity)];
        let sources = sources.iter().map(|(path, text)| (path.as_str(), text.as_str()));
        compile(set(&files.into_iter().chain(sources).collect::<Vec<_>>()))
    };
    let program = with(identity).program.expect("a sound project");
    let links = |source: &str| -> String {
        let source = program.sources.iter().find(|it| it.name == source).expect("a source");
        let kinds = ["user_id", "email", "anonymous_id"];
        let may = kinds.iter().filter(|kind| {
            program.identity.kind_named(kind).is_some_and(|kind| program.identity.may_link(source, kind))
        });
        may.copied().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(links("web"), "email anonymous_id");
    assert_eq!(links("shop_window"), "anonymous_id", "its own entry, not that of its kind");
    assert_eq!(links("crm"), "user_id email anonymous_id");
    assert_eq!(links("partner"), "");
    assert_eq!(links("till"), "user_id email anonymous_id", "nothing is said of it, nor of its kind");

    let wrong = with("identifiers: {user_id: {}}\ntrust: {crn: all, brwser: [user_id], nobody: all, till: [mail]}");
    let said: Vec<_> = wrong.diagnostics.iter().map(|it| (it.code, it.message.as_str(), it.help.concat())).collect();
    assert_eq!(
        said,
        [
            ("E0433", "there is no source `crn`, and no kind of sources", "did you mean `crm`?".to_owned()),
            ("E0433", "there is no source `brwser`, and no kind of sources", "did you mean `browser`?".to_owned()),
            (
                "E0433",
                "there is no source `nobody`, and no kind of sources",
                "there is `crm`, `partner`, `shop_window`, `till`, `web`, `browser`, `server`, `mobile`, `webhook`, `file`, `database`"
                    .to_owned()
            ),
            ("E0434", "there is no identifier `mail`", "there is `user_id`".to_owned()),
        ]
    );
}

#[test]
fn what_is_read_from_who_is_who_is_read_from_nothing_else() {
    let profile = "traits:
  guess:    {type: boolean, from: [identity.probabilistic]}
  likely:   {type: boolean, from: [traits.likely, identity.probabilistic], merge: first}
  how_sure: {type: number, from: [identity.probabilistic], retention: 1 day}
  misspelt: {type: boolean, from: [identity.probablistic]}
  unheard:  {type: boolean, from: [identity.decided]}
";
    let wrong = |identity: &str, profile: &str, rules: &str| {
        let compilation = compile(set(&[
            ("sonder.yaml", "name: shop"),
            ("identity.yaml", identity),
            ("profile.yaml", profile),
            ("events/view.yaml", "event: view"),
            ("rules/r.sonder", rules),
        ]));
        human::render(&compilation.sources, &compilation.diagnostics, Colour::Never)
    };
    let matched =
        "identifiers: {user_id: {}}\nprobabilistic: {compare: {email: exact}, link_at: 0.99, review_at: 0.9}\n";
    insta::assert_snapshot!(wrong(matched, profile, ""));
    let one = "traits:\n  guess: {type: boolean, from: [identity.probabilistic]}\n";
    insta::assert_snapshot!(wrong("identifiers: {user_id: {}}", one, ""));
    insta::assert_snapshot!(wrong(matched, one, "journey j {\n  enter on view\n  set trait guess = true\n}\n"));
    // What is wrong with the other file is said of it alone.
    let broken = wrong("identifiers: {user_id: {}}\nprobabilistic: {compare: {email: exatc}}\n", one, "");
    assert!(!broken.contains("profile.yaml"), "{broken}");
    assert_eq!(wrong(matched, one, "segment sure { when did(view) and not profile.guess }"), "");
}

#[test]
fn groups_of_what_is_apart_up_to_the_limit() {
    use sonder_dsl::limits::APART;
    let found = |count: usize| {
        let all: Vec<String> = (1..=count).map(|number| format!("user_id:u{number}")).collect();
        let text = format!("identifiers: {{user_id: {{}}}}\napart: [[{}]]\n", all.join(", "));
        compile(set(&[("sonder.yaml", "name: a"), ("identity.yaml", &text)])).program.is_some()
    };
    assert!(found(APART) && !found(APART + 1));
}

#[test]
fn a_name_with_errors_of_its_own_is_not_reported_again() {
    let compilation = compile(set(&[
        ("sonder.yaml", "name: shop"),
        ("events/order.yaml", "event: order\nproperties: [oops"),
        ("destinations/crm.yaml", "destination: crm\nplugin: sonder/webhook@1\nreceives: {events: [order]}"),
    ]));
    let codes: Vec<_> = compilation.diagnostics.iter().map(|found| found.code).collect();
    assert_eq!(codes, ["E0101"]);
}

#[test]
fn what_an_alias_brings_in_is_shown_where_it_is_used() {
    let compilation = compile(set(&[
        ("sonder.yaml", "name: shop"),
        (
            "destinations/crm.yaml",
            "destination: crm\nplugin: sonder/webhook@1\nconfig: {shared: &shared {batch: 0}}\nlimits: *shared",
        ),
    ]));
    insta::assert_snapshot!(human::render(&compilation.sources, &compilation.diagnostics, Colour::Never));
}

#[test]
fn fingerprints_see_meaning_only() {
    let base = |settings: &str, event: &str| {
        only(&[("sonder.yaml", settings), ("events/a.yaml", event), ("rules/r.sonder", "segment s { when did(a) }")])
            .fingerprint
    };
    let first = base("name: shop", "event: a\ntitle: A");
    assert_eq!(first, base("name: shop # comment", "event: a\ntitle: Another\ndescription: words"));
    assert_ne!(first, base("name: shop\ndedup: 1h", "event: a"));
    assert_ne!(first, base("name: shop", "event: a\nproperties: {x: {type: string}}"));
    assert_ne!(first, base("name: shop", "event: a\naliases: [b]"));
    let of_trait = |from: &str| {
        let matched = "probabilistic: {compare: {name: exact}, link_at: 0.99, review_at: 0.9}";
        let profile = format!("traits: {{guess: {{type: boolean{from}}}}}");
        only(&[("sonder.yaml", "name: shop"), ("identity.yaml", matched), ("profile.yaml", &profile)]).fingerprint
    };
    assert_eq!(of_trait(""), of_trait(", from: [traits.guess]"));
    assert_ne!(of_trait(""), of_trait(", from: [identity.probabilistic]"));
}

#[test]
fn files_and_bytes_of_a_project_up_to_the_limit() {
    use sonder_dsl::limits::{PROJECT_BYTES, PROJECT_FILES};
    let files = |count: usize| {
        (1..count).map(|n| file(&format!("data/{n}.txt"), "")).chain([file("sonder.yaml", "name: a")]).collect()
    };
    assert!(compile(SourceSet::new(files(PROJECT_FILES))).program.is_some());
    assert_eq!(compile(SourceSet::new(files(PROJECT_FILES + 1))).diagnostics[0].code, "E0110");
    let settings = "name: a";
    let large = |bytes: usize| {
        SourceSet::new(vec![file("data/a.txt", &"x".repeat(bytes - settings.len())), file("sonder.yaml", settings)])
    };
    assert!(compile(large(PROJECT_BYTES)).program.is_some());
    assert_eq!(compile(large(PROJECT_BYTES + 1)).diagnostics[0].code, "E0110");
}

#[test]
fn problems_of_a_file_up_to_the_limit() {
    use sonder_dsl::limits::DIAGNOSTICS_PER_FILE;
    let found = |count: usize| {
        let keys: String = (0..count).map(|n| format!("key_{n}: 1\n")).collect();
        compile(set(&[("sonder.yaml", "name: a"), ("sources/a.yaml", &format!("source: a\nkind: file\n{keys}"))]))
            .diagnostics
    };
    assert_eq!(found(DIAGNOSTICS_PER_FILE).len(), DIAGNOSTICS_PER_FILE);
    let more = found(DIAGNOSTICS_PER_FILE + 1);
    assert_eq!(more.len(), DIAGNOSTICS_PER_FILE + 1);
    assert_eq!(more.last().map(|last| last.code), Some("E0111"));
}

#[test]
fn names_and_patterns_up_to_the_limit() {
    use sonder_dsl::limits::NAME_CHARACTERS;
    let named =
        |length: usize| compile(set(&[("sonder.yaml", &format!("name: {}", "a".repeat(length)))])).program.is_some();
    assert!(named(NAME_CHARACTERS) && !named(NAME_CHARACTERS + 1));
    let pattern = |repeat: usize| {
        let text = format!("identifiers: {{email: {{block: ['/x{{{repeat}}}/']}}}}");
        compile(set(&[("sonder.yaml", "name: a"), ("identity.yaml", &text)])).program.is_some()
    };
    assert!(pattern(100) && !pattern(1_000_000));
}

/// A name that may be declared can be used: words of the language that could not stand for an event are refused.
#[test]
fn an_event_that_may_be_declared_can_be_asked_for() {
    let words = [
        "any", "and", "AND", "or", "not", "is", "known", "unknown", "if", "then", "else", "where", "last", "next",
        "since", "this", "session", "per", "within", "no", "for", "as", "in", "true", "false", "count", "did", "sum",
        "avg", "min", "max", "first", "distinct", "top", "sequence", "profile", "context", "segment", "trait", "when",
        "purpose", "day", "d", "h",
    ];
    let mut unusable = Vec::new();
    for word in words {
        let (declared, kept) = (format!("event: \"{word}\""), format!("traits: {{\"{word}\": {{type: string}}}}"));
        let profile = [("sonder.yaml", "name: a"), ("profile.yaml", kept.as_str())];
        if compile(set(&profile)).program.is_some() {
            let rule = format!("segment s {{ when profile.{word} == \"x\" }}");
            let found = compile(set(&[profile[0], profile[1], ("rules/r.sonder", &rule)]));
            if found.program.is_none() {
                unusable.push(human::render(&found.sources, &found.diagnostics, Colour::Never));
            }
        }
        let files = [("sonder.yaml", "name: a"), ("events/a.yaml", declared.as_str())];
        if compile(set(&files)).program.is_none() {
            continue;
        }
        let rule = format!(
            "segment s {{ when count({word}, last 7d) > 1 and sequence({word} then {word} then no {word} for 1h) }}"
        );
        let found = compile(set(&[files[0], files[1], ("rules/r.sonder", &rule)]));
        if found.program.is_none() {
            unusable.push(human::render(&found.sources, &found.diagnostics, Colour::Never));
        }
    }
    assert!(unusable.is_empty(), "{}", unusable.join("\n"));
}

#[test]
fn settings_that_exclude_each_other() {
    for (settings, sound) in [
        ("session: {idle: 30m, max: 30m}", true),
        ("session: {idle: 31m, max: 30m}", false),
        ("session: {idle: 25h}", false),
        ("quiet_hours: {from: '21:00', to: '21:00'}", false),
        ("quiet_hours: {from: '21:00', to: '21:01'}", true),
        ("quiet_hours: {from: '21:00', to: '25:00'}", false),
    ] {
        assert_eq!(
            compile(set(&[("sonder.yaml", &format!("name: a\n{settings}"))])).program.is_some(),
            sound,
            "{settings}"
        );
    }
}

#[test]
fn the_example_compiles() {
    let compilation = compile(read("../examples/shop"));
    assert!(
        compilation.program.is_some(),
        "{}",
        human::render(&compilation.sources, &compilation.diagnostics, Colour::Never)
    );
}

fn seconds(count: i64) -> Duration {
    Duration::from_secs(count)
}

fn rate(count: u32, per_seconds: i64) -> Rate {
    Rate { count, per: seconds(per_seconds) }
}

fn file(path: &str, text: &str) -> SourceFile {
    SourceFile { path: path.to_owned(), text: text.to_owned() }
}

fn set(files: &[(&str, &str)]) -> SourceSet {
    SourceSet::new(files.iter().map(|(path, text)| file(path, text)).collect())
}

fn only(files: &[(&str, &str)]) -> Arc<Program> {
    sound(compile(set(files)))
}

fn program(folder: &str) -> Arc<Program> {
    sound(compile(read(folder)))
}

fn sound(compilation: Compilation) -> Arc<Program> {
    let printed = human::render(&compilation.sources, &compilation.diagnostics, Colour::Never);
    compilation.program.unwrap_or_else(|| panic!("{printed}"))
}

/// The YAML and rule files of a folder of this crate.
fn read(folder: &str) -> SourceSet {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "yaml" || ending == "sonder") {
                let text = std::fs::read_to_string(&path).expect("text");
                let inside = path.strip_prefix(&root).expect("inside").to_str().expect("text").replace('\\', "/");
                files.push(file(&inside, &text));
            }
        }
    }
    SourceSet::new(files)
}
