//! Journeys, funnels and the others: what is said about those that mean nothing, and what the sound ones become.

use super::normative::{compiled_with, program_with, shown};
use super::{errors_of, told};
use sonder_dsl::ir::Program;

fn journey_errors(body: &str) -> Vec<String> {
    errors(&format!("journey j {{\nenter on product_added as cart\n{body}\n}}"))
}

/// What is wrong with rules; not what has no effect in this version.
fn errors(rules: &str) -> Vec<String> {
    let mut errors = errors_of(&compiled_with(rules));
    errors.retain(|error| !error.starts_with("W0902") && !error.starts_with("W0601"));
    errors
}

#[test]
fn what_is_sent_fits_what_the_plugin_says() {
    spec!(told(
        &[
            "send email.message { to: profile.email, template: \"welcome\", priority: 3, tracked: true }",
            "send emial.message { to: profile.email }",
            "send email.mesage { to: profile.email }",
            "send email { to: profile.email }",
            "send email.message { to: profile.email, template: \"welcom\" }",
            "send email.message { to: profile.email, templat: \"welcome\" }",
            "send email.message { to: 3, template: \"welcome\" }",
            "send email.message { to: profile.email, template: \"welcome\", priority: \"high\", tracked: 1 }",
            "send email.message { to: profile.email, template: \"welcome\", priority: 1.5 }",
            "send email.message {}",
            "send onsite.banner { slot: \"hero\", size: 3 }",
            "send onsite.popup { template: cart.product_id or \"none\" }",
            "send onsite.popup { template: cart.quantity }",
            "send onsite.popup { template: cart }",
            "send onsite.popup { template: cart.prodct_id }",
        ],
        journey_errors
    ));
}

#[test]
fn clauses_and_statements_take_what_they_take() {
    spec!(told(
        &[
            "goal did(order_completed)",
            "goal no order_completed",
            "goal order_completed as o",
            "goal order_completd",
            "goal order_completed where total > 10 and cart.product_id == \"x\"",
            "exit when count(order_completed)",
            "exit when not consented(marketing) or cart.quantity > 3",
            "wait for did(email_clicked) up to 1d {} else {}",
            "wait for email_clicked where template == cart.product_id up to 1d {} else {}",
            "wait for 30m",
            "wait for email_clicked within 1d {} else {}",
            "wait until did(order_completed)",
            "wait until profile.country up to 1d {} else {}",
            "if cart.quantity {}",
            "if product_viewed.price > 3 {}",
            "set trait country = \"NL\"",
            "set trait country = 3",
            "set trait contry = \"NL\"",
            "set vip = true",
            "set trait locale: \"nl\"",
            "exit wait 3d",
            "if consented(marketing) then { exit } elif true { exit }",
            "if true { goal order_completed } else { exit when true }",
            "hours 8 to 20:00",
            "hours 08:00 - 08:00",
            "again 7d",
            "split { 50% a {} 30% b {} }",
            "split { 50 a {} 50 % b {} }",
            "split { a {} 100% b {} }",
            "split { 100% a {} }",
            "split { 50% a {} 50% a {} }",
        ],
        journey_errors
    ));
}

#[test]
fn people_come_in_by_an_event_or_a_condition() {
    spec!(told(
        &[
            "journey j { enter on product_added as cart per cart.cart_id exit when cart.quantity > 3 }",
            "journey j { enter on product_added per cart_id }",
            "journey j { enter on product_added as cart per cart }",
            "journey j { enter on product_added as quantity }",
            "journey j { enter when in(s) }\nsegment s { when did(page_viewed) }",
            "journey j { enter when count(page_viewed) }",
            "journey j { enter when cart.quantity > 3 }",
            "journey j { wait 3d }",
        ],
        errors
    ));
}

#[test]
fn funnels_experiments_experiences_and_predictions() {
    spec!(told(
        &[
            "funnel f { product_viewed as v then product_added where product_id == v.product_id within 1h then order_completed within 7d by v.category }",
            "funnel f { product_viewed within 7d }",
            "funnel f { product_viewed then no order_completed within 7d }",
            "funnel f { product_viewed within 1h then order_completed within 7d }",
            "funnel f { product_viewed then order_completed }",
            "funnel f { product_viewed, order_completed within 7d }",
            "funnel f { product_viewed -> order_completed within 7d }",
            "funnel f { product_viewed order_completed within 7d }",
            "funnel f { product_viewed then order_completd within 7d }",
            "funnel f { product_viewed then order_completed within 7d by profile.email }",
            "funnel f { product_viewed then order_completed within 7d by profile.contry, context.device, category }",
            "experiment e { variants a 50%, b 50% on checkout_started goal did(order_completed) }",
            "experiment e { variants a 50%, b 50% on checkout_started goal did(order_completed, next 7d), next 7d }",
            "experiment e { variants a 50%, a 40% on did(checkout_started) goal last(order_completed.order_id, next 7d) }",
            "experience x { when did(page_viewed, next 3d) show { a: 1 } otherwise show { a: recommend(also_vewed, last(product_viewed.product_id), 4) } }",
            "experience x { when true show { a: recommend(also_viewed, last(product_viewed.product_id)) } otherwise show { a: recommend(similar, 1.5, 0) } }",
            "trait t = recommend(also_viewed, 3, 4)",
            "predict p { label did(order_completed, last 7d) for true from count(page_viewed) }",
            "predict p { label did(order_completed, next 7d) for did(page_viewed, next 7d) from count(page_viewed) }",
            "predict p { label since(order_completed, next 7d) for true from since(order_completed), profile.email }",
            "segment s { when did(order_completed, next 7d) or consented(marketing) }",
            "segment s { when p > 0.5 }\npredict p { label did(order_completed, next 7d) for true from count(page_viewed) }",
            "journey s { enter on page_viewed }\nfunnel s { page_viewed then order_completed within 7d }",
        ],
        errors
    ));
}

#[test]
fn every_statement_becomes_a_node() {
    let program = program_with(
        r#"
journey j {
  enter when did(page_viewed)
  if profile.country == "NL" {
    wait 1d
  } else if profile.country == "BE" {
    exit
  } else {
    wait until did(order_completed) up to 2d { set trait locale = "nl" } else {}
  }
  split { 25% a {} 75% b { wait for order_completed up to 1h {} else { wait 1d } } }
  send onsite.banner { slot: "x" }
}
"#,
    );
    spec!(shown(&program, "j"));
}

fn keys(program: &Program) -> Vec<u64> {
    program.journeys[0].nodes.iter().map(|node| node.key.0).collect()
}

#[test]
fn a_place_is_known_again_in_another_version_of_the_text() {
    let journey = |body: &str| program_with(&format!("journey j {{ enter on product_added as c {body} }}"));
    let before = journey("wait 1d send onsite.banner { slot: \"a\" } wait 2d");
    let found = keys(&before);
    assert_eq!(found.len(), 3);
    let (one, two) = (found[0], found[2]);
    assert_ne!(one, two);
    // Something put in before, another text sent, another goal: both waits are where they were.
    let after =
        journey("goal order_completed send onsite.popup {} wait 1d send onsite.banner { slot: \"b\" } wait 2d exit");
    assert!(keys(&after).contains(&one) && keys(&after).contains(&two));
    assert_ne!(before.journeys[0].fingerprint, after.journeys[0].fingerprint);
    // Another length is another wait, and the same one inside a block is in another place.
    assert!(!keys(&journey("wait 1h wait 2d")).contains(&one));
    assert!(!keys(&journey("if true { wait 1d }")).contains(&one));
    // Equal ones are counted; what is inside a wait's blocks doesn't matter to it.
    let twice = keys(&journey("wait 1d wait 1d"));
    assert!(twice[0] == one && twice[1] != one);
    let waits =
        |inside: &str| keys(&journey(&format!("wait for order_completed up to 1d {{ {inside} }} else {{}}")))[0];
    assert_eq!(waits("exit"), waits("wait 3d"));
}

#[test]
fn a_journey_changes_nothing_of_the_rules_beside_it() {
    let rules = "segment s { when count(page_viewed, last 7d) >= 3 }\ntrait t = sum(order_completed.total)\n";
    let journey = "journey a { enter when count(page_viewed, last 1d) >= 2 exit when did(order_completed) }\n";
    let (alone, both) = (program_with(rules), program_with(&format!("{rules}{journey}")));
    assert_eq!(alone.aggregates, both.aggregates[..2]);
    assert_eq!(alone.rules_of_aggregate, both.rules_of_aggregate[..2]);
    // What the journey asks is kept too, and no rule reads it.
    assert_eq!(both.aggregates.len(), 4);
    assert_eq!(both.rules_of_aggregate[2..], [Vec::new(), Vec::new()]);
    assert_eq!(both.asked.len(), 0);
}
