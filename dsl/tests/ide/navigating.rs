//! Definitions, references, renaming.

use super::Fixture;

#[test]
fn definitions() {
    for (text, place) in [
        ("segment s { when in(buy$0ers) }", "rules/base.sonder:1:9 buyers"),
        ("segment s { when spent$0 > 3 }", "rules/base.sonder:2:7 spent"),
        ("segment s { when did($0order) }", "events/order.yaml:1:8 order"),
        ("trait t = sum(order.tot$0al)", "events/order.yaml:6:3 total"),
        ("segment s { when did(order where item.s$0ku == \"a\") }", "events/order.yaml:9:37 sku"),
        ("segment s { when profile.count$0ry == \"NL\" }", "profile.yaml:2:3 country"),
        ("segment s { when sequence(view as v then order where v$0.product == state) }", "rules/mine.sonder:1:35 v"),
        ("journey j { enter on order send ma$0il.message { to: \"x\" } }", "destinations/mail.yaml:1:14 mail"),
    ] {
        assert_eq!(Fixture::rules(text).definition().as_deref(), Some(place), "{text}");
    }
    assert_eq!(Fixture::rules("segment s { when cou$0nt(order) > 1 }").definition(), None);
}

#[test]
fn references_span_rules_and_yaml() {
    assert_eq!(
        Fixture::rules("segment s { when in(buy$0ers) }").references(),
        ["destinations/mail.yaml:4:14 buyers", "rules/base.sonder:1:9 buyers", "rules/mine.sonder:1:21 buyers"]
    );
    assert_eq!(
        Fixture::rules("segment s { when did(order where tot$0al > 3) }").references(),
        [
            "events/order.yaml:6:3 total",
            "events/order.yaml:10:12 total",
            "rules/base.sonder:2:34 total",
            "rules/mine.sonder:1:34 total"
        ]
    );
    // A property of the same name is another one.
    assert_eq!(
        Fixture::rules("segment s { when did(view where st$0ate == \"new\") or did(order where state == \"paid\") }")
            .references(),
        ["events/view.yaml:4:3 state", "rules/mine.sonder:1:33 state"]
    );
}

#[test]
fn renaming() {
    assert_eq!(
        Fixture::rules("segment s { when in(buy$0ers) }").rename("customers").unwrap(),
        [
            "destinations/mail.yaml:4:14 buyers -> customers",
            "rules/base.sonder:1:9 buyers -> customers",
            "rules/base.sonder:1:15  ->  was buyers",
            "rules/mine.sonder:1:21 buyers -> customers"
        ]
    );
    let alias = Fixture::rules("segment s { when sequence(view as $0v then order where v.product == state) }");
    assert_eq!(alias.rename("seen").unwrap().len(), 2);
}

/// Clients go on to send what they did.
#[test]
fn a_renamed_event_keeps_its_old_name_as_an_alias() {
    for (text, alias) in [
        ("event: ord$0er\n", "events/order.yaml:1:13  -> \naliases: [order]"),
        ("event: ord$0er  # bought", "events/order.yaml:1:23  -> \naliases: [order]"),
        ("event: ord$0er\naliases: [bought]\n", "events/order.yaml:2:11  -> order, "),
        ("aliases:\n  - bought\n  - paid\nevent: ord$0er\n", "events/order.yaml:2:5  -> order\n  - "),
        ("event: ord$0er\naliases:\n- bought\n", "events/order.yaml:3:3  -> order\n- "),
    ] {
        let whole = format!("{text}\nproperties: {{total: {{type: number, multipleOf: 0.01}}}}\n");
        let edits = Fixture::new("events/order.yaml", &whole).rename("purchase").unwrap();
        assert!(edits.contains(&alias.to_owned()), "{edits:#?}");
        assert_eq!(edits.iter().filter(|edit| edit.ends_with("-> purchase")).count(), 4, "{edits:#?}");
    }
}

#[test]
fn a_renamed_rule_says_what_it_was() {
    for (text, name, said) in [
        ("segment ke$0en { when did(order) }", "lookers", " was keen"),
        ("segment ke$0en was old, older \"text\" { when did(order) }", "lookers", " was keen, old, older"),
        ("segment ke$0en was old, older { when did(order) }", "old", " was keen, older"),
        ("segment ke$0en was old { when did(order) }", "old", " was keen"),
        ("trait ke$0en was old= count(order)", "old", " was keen"),
    ] {
        let edits = Fixture::rules(text).rename(name).unwrap();
        assert!(edits.iter().any(|edit| edit.ends_with(&format!("-> {said}"))), "{text}: {edits:#?}");
    }
    let funnel = Fixture::rules("funnel bou$0ght { order then order within 1d }").rename("sold").unwrap();
    assert_eq!(funnel.len(), 1, "nothing is kept of a funnel under its name: {funnel:?}");
}

#[test]
fn what_would_break_is_not_renamed() {
    let used = Fixture::rules("segment s { when in(buy$0ers) }");
    assert_eq!(used.rename("spent").unwrap_err(), "there is a rule `spent` already");
    assert!(used.rename("a b").unwrap_err().contains("no name"));
    assert!(used.rename("where").unwrap_err().contains("would not compile"));
    let broken = Fixture::rules("segment s { when in(buy$0ers) and nothing }");
    assert!(broken.rename("customers").unwrap_err().contains("the project has errors"));
    assert!(Fixture::rules("segment s { when c$0ount(order) > 1 }").rename("x").is_err());
}
