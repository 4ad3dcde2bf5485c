//! Hovers, outlines, folds, fixes.

use super::Fixture;
use sonder_dsl::ide;

#[test]
fn hovers() {
    for (text, parts) in [
        (
            "segment s { when did(or$0der) }",
            &["**event** `order`", "Somebody bought", "owner: checkout", "`events/order.yaml:1`"][..],
        ),
        (
            "trait t = sum(order.tot$0al)",
            &["an exact number, 2 digits after the point", "With taxes", "owner: checkout"],
        ),
        ("segment s { when did(order where sta$0te == \"paid\") }", &["one of `paid`, `open`"]),
        ("segment s { when did(order where ema$0il is known) }", &["personal data: contact"]),
        ("segment s { when in(buy$0ers) }", &["**segment** `buyers`", "Bought", "did(order)", "`rules/base.sonder:1`"]),
        ("segment s { when sp$0ent > 3 }", &["**trait** `spent`: an exact number", "So far"]),
        ("segment s { when cou$0nt(order) > 1 }", &["count(E)", "How many of these events"]),
        ("segment s { when did(order where context.device.ty$0pe == \"x\") }", &["`device.type`: text"]),
        ("segment s { when profile.cou$0ntry == \"NL\" }", &["Where they live", "one of `NL`, `BE`", "the latest"]),
    ] {
        let shown = Fixture::rules(text).hover().unwrap();
        for part in parts {
            assert!(shown.contains(part), "`{part}` is not in {shown}");
        }
    }
    assert_eq!(Fixture::rules("segment s { wh$0en did(order) }").hover(), None);
    let key = Fixture::new("events/new.yaml", "event: new\non_vio$0lation: strip\n").hover().unwrap();
    assert!(key.contains("what happens to an event that violates the schema"), "{key}");
}

#[test]
fn only_segments_have_a_live_size() {
    for (text, segment) in
        [("segment s { when in(buy$0ers) }", Some("buyers")), ("segment s { when sp$0ent > 3 }", None)]
    {
        let fixture = Fixture::rules(text);
        let hover = ide::hover(&fixture.project(), fixture.file(), fixture.offset).unwrap();
        assert_eq!(hover.segment.as_deref(), segment);
    }
}

#[test]
fn outlines() {
    let fixture = Fixture::rules("segment a { when did(order) }\n\njourney b { enter on $0order }\n");
    let found = ide::symbols(&fixture.project(), fixture.file());
    let names: Vec<_> = found.iter().map(|symbol| (symbol.what, symbol.name.as_str())).collect();
    assert_eq!(names, [("segment", "a"), ("journey", "b")]);
    let event =
        Fixture::new("events/view.yaml", "event: view$0\nproperties:\n  a: {type: string}\n  b: {type: string}\n");
    let found = ide::symbols(&event.project(), event.file());
    let inside: Vec<_> = found[0].inside.iter().map(|symbol| symbol.name.as_str()).collect();
    assert_eq!((found[0].name.as_str(), inside), ("view", vec!["a", "b"]));
}

#[test]
fn folds() {
    let text = "# one\n# two\nsegment a {\n  when did(order)\n}\nsegment b { when did(order) }\n";
    let shown: Vec<(&str, bool)> =
        ide::folds(text).into_iter().map(|fold| (&text[fold.start..fold.end], fold.comment)).collect();
    assert_eq!(shown, [("# one\n# two", true), ("\n  when did(order)\n", false)]);
}

#[test]
fn fixes() {
    for (text, fixed) in [
        ("segment s { when did(ordr$0) }", Some("order")),
        (r#"segment s { when did(order where state == "paidd"$0) }"#, Some("\"paid\"")),
        ("segment s { when did(order where $0nothing_near > 3) }", None),
    ] {
        let fixture = Fixture::rules(text);
        let found = fixture.analysis.compilation.diagnostics.iter().find_map(|diagnostic| {
            let span = diagnostic.labels.first()?.span;
            let written =
                &fixture.analysis.compilation.sources.file(span.file)?.text[span.start as usize..span.end as usize];
            ide::fix(diagnostic, written)
        });
        assert_eq!(found.map(|fix| fix.edit.text).as_deref(), fixed, "{text}");
    }
}
