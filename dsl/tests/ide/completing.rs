//! What may be typed.

use super::Fixture;

/// Each of the first is offered, none of the second.
fn offers(path: &'static str, text: &str, there: &[&str], not_there: &[&str]) {
    let found = Fixture::new(path, text).completions();
    for label in there {
        assert!(found.iter().any(|other| other == label), "`{label}` is missing in {found:?} of {text}");
    }
    for label in not_there {
        assert!(!found.iter().any(|other| other == label), "`{label}` is in {found:?} of {text}");
    }
}

fn in_rules(text: &str, there: &[&str], not_there: &[&str]) {
    offers("rules/mine.sonder", text, there, not_there);
}

#[test]
fn words_by_place() {
    in_rules("$0", &["segment", "trait", "journey", "predict"], &["when"]);
    in_rules("seg$0", &["segment"], &[]);
    in_rules("segment s { $0 }", &["when", "purpose"], &["enter on", "order"]);
    in_rules("journey j { $0 }", &["enter on", "wait for", "send"], &["variants"]);
    in_rules("segment s { when did(order) $0", &["and", "or"], &["order"]);
    in_rules("segment s { when did(order $0", &["where", "last"], &["state"]);
    in_rules("segment $0", &[], &["when", "order"]);
}

#[test]
fn events_where_events_stand() {
    in_rules("segment s { when count($0", &["order", "view", "any"], &["spent", "count"]);
    in_rules("segment s { when count(or$0) > 1 }", &["order"], &["state"]);
    in_rules("segment s { when sequence(view then $0", &["order"], &["product"]);
    in_rules("journey j { enter on $0", &["order"], &["spent"]);
    in_rules("journey j { enter on view wait for $0", &["order"], &["spent"]);
    in_rules("funnel f { view then $0", &["order"], &["spent"]);
    in_rules("experiment x { on $0", &["order"], &["spent"]);
}

#[test]
fn properties_inside_where_and_behind_dots() {
    in_rules(
        "segment s { when did(order where $0",
        &["total", "state", "context", "not"],
        &["product", "spent", "did"],
    );
    in_rules("segment s { when did(order where total > 3 and ($0", &["state"], &["spent"]);
    in_rules("trait t = sum(order.$0", &["total"], &["product"]);
    in_rules("trait t = top(order.item.$0", &["sku", "colour"], &["total"]);
    in_rules("segment s { when did(order where item.$0", &["sku"], &["total"]);
    in_rules("segment s { when did(order where context.$0", &["device", "page", "ip"], &["type"]);
    in_rules("segment s { when did(order where context.device.$0", &["type"], &["page"]);
    in_rules("segment s { when profile.$0", &["country"], &["spent"]);
    in_rules("segment s { when count(view, per $0", &["product"], &["total"]);
}

#[test]
fn steps_are_known_by_their_names() {
    in_rules("segment s { when sequence(view as v then order where v.$0", &["product"], &["total"]);
    in_rules("segment s { when sequence(view as v then order where $0", &["v", "total"], &["product"]);
    in_rules("journey j { enter on order as o wait 1h send mail.message { to: o.$0", &["email"], &["product"]);
}

#[test]
fn values_of_an_enum_inside_quotes() {
    in_rules(r#"segment s { when did(order where state == "$0") }"#, &["paid", "open"], &["new"]);
    in_rules(r#"segment s { when did(order where state == "$0"#, &["paid"], &["new"]);
    in_rules(r#"segment s { when did(view where state != "n$0") }"#, &["new", "old"], &["paid"]);
    in_rules(r#"segment s { when profile.country == "$0" }"#, &["NL"], &[]);
    in_rules(r#"segment s { when top(order.item.colour) == "$0" }"#, &["red"], &[]);
    in_rules(r#"segment s { when count(order) == "$0" }"#, &[], &["paid"]);
    in_rules("# $0", &[], &["segment"]);
}

#[test]
fn rules_functions_purposes() {
    in_rules("segment s { when in($0", &["buyers"], &["spent", "order"]);
    in_rules("segment s { when $0", &["spent", "count", "sequence", "profile", "not"], &["buyers", "total"]);
    in_rules("segment s { purpose $0", &["marketing"], &[]);
    in_rules("journey j { exit when not consented($0", &["marketing"], &[]);
    in_rules("journey j { enter on order set trait $0", &["country"], &["spent"]);
}

#[test]
fn what_is_sent() {
    in_rules("journey j { enter on order send $0", &["mail"], &["order"]);
    in_rules("journey j { enter on order send mail.$0", &["message"], &[]);
    in_rules("journey j { enter on order send mail.message { $0 }", &["to", "template"], &["total"]);
    in_rules("journey j { enter on order send mail.message { to: \"x\", $0 }", &["template"], &[]);
}

#[test]
fn keys_and_values_of_yaml() {
    offers("events/new.yaml", "event: new\n$0", &["description", "properties"], &["plugin"]);
    offers("events/new.yaml", "event: new\non_violation: $0", &["quarantine", "strip"], &[]);
    offers("events/new.yaml", "event: new\nproperties:\n  a:\n    $0", &["type", "enum", "pii"], &["owner"]);
    offers("events/new.yaml", "event: new\nproperties:\n  a: {type: $0}", &["string", "integer"], &["pii"]);
    offers("events/new.yaml", "event: new\nproperties:\n  a: {type: string, $0}", &["pii", "format"], &["owner"]);
    offers("destinations/d.yaml", "destination: d\nreceives:\n  segments:\n    - $0", &["buyers"], &["spent"]);
    offers("destinations/d.yaml", "destination: d\nreceives:\n  traits: [$0]", &["spent", "country"], &["buyers"]);
    offers("destinations/d.yaml", "destination: d\nreceives:\n  $0", &["segments", "traits"], &["plugin"]);
    offers("profile.yaml", "traits:\n  a:\n    merge: $0", &["longest", "union"], &[]);
}

#[test]
fn what_a_scenario_sends_and_expects() {
    let at = |text: &str| format!("scenario: x\nsteps:\n  - at: \"09:00\"\n{text}");
    offers("tests/x.yaml", &at("    send: {event: $0"), &["order", "view"], &["total"]);
    offers(
        "tests/x.yaml",
        &at("    send: {user_id: u1, event: order, $0"),
        &["total", "event", "user_id"],
        &["product"],
    );
    offers("tests/x.yaml", &at("    send:\n      event: view\n      $0"), &["product"], &["total"]);
    offers("tests/x.yaml", &at("    send:\n      - {event: view, $0"), &["product"], &["total"]);
    offers("tests/x.yaml", &at("    expect: {segments: [$0"), &["buyers"], &["spent"]);
    offers("tests/x.yaml", &at("    $0"), &["send", "expect"], &["total"]);
}

/// No place of any text is a trap.
#[test]
fn every_place_has_an_answer() {
    let journey = "journey j \"x\" {\n  enter on order where state == \"paid\" as o per o.item.sku\n  wait for view where product == o.item.sku up to 2h { exit } else {}\n  send mail.message { to: o.email }\n}\n";
    for (at, _) in journey.char_indices() {
        for end in [at, journey.len()] {
            let text = format!("{}$0{}", &journey[..at], &journey[at..end]);
            let fixture = Fixture::rules(&text);
            fixture.completions();
            fixture.hover();
            fixture.references();
        }
    }
}
