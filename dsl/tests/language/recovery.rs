//! What is wrong in one clause, statement or field hides nothing of the others.

use super::errors;

#[test]
fn every_broken_clause_of_a_journey_is_told_and_the_sound_ones_are_checked() {
    spec!(
        errors(
            r#"
journey welcome "Three clauses, two statements and a field are wrong" {
  purpos marketing
  enter onn view as v
  again after
  goal order
  wait
  wiat 3d
  if profile.vip {
    send email.message { to: profile.email, subject "hello", body: "x" + }
    sned email.message { to: profile.email }
  } els {
    wait for order up to 2 days { } else { }
  }
  split {
    10% control {}
    90% { set trait vip == true }
  }
  exit wen did(order)
}
segment sound { when did(viw) }
"#
        )
        .join("\n")
    );
}

#[test]
fn a_bracket_without_its_partner_costs_one_clause() {
    spec!(
        errors(
            r#"
segment a {
  when count(view where category == "a"
  purpose marketing
}
journey b {
  enter on view as v
  goal did(order
  exit when profile.country == "NL
  wait 3 days
  if profile.vip {
    wait 1x
}
segment c { when did(viw) }
"#
        )
        .join("\n")
    );
}

#[test]
fn other_items_are_recovered_too() {
    spec!(
        errors(
            r#"
funnel f {
  view then add then
  within 7 days
  by profile.country profile.plan
}
experiment e {
  variants control 50%, green
  on on view
  goal did(order, next 7 days)
}
experience x {
  when profile.vip shwo { variant: "a" }
  when profile.vip show { variant = "b" colour: 3 }
  otherwise { variant: "c", variant: "d", }
}
predict p {
  label did(order next 7d)
  for did(view, last 7x)
  from count(view), , count(add)
}
"#
        )
        .join("\n")
    );
}

#[test]
fn a_very_broken_item_is_given_up() {
    let lines: String = (0..100).map(|n| format!("  wiat {n}d\n")).collect();
    let found = errors(&format!("journey j {{\n  enter on view\n{lines}}}"));
    assert_eq!(found.len(), sonder_dsl::limits::FAULTY_CLAUSES);
}
