//! What names mean where, and what is said about those that mean nothing.

use super::{compiled_files, condition_errors, errors, program, told};

#[test]
fn names_that_mean_nothing() {
    spec!(told(
        &[
            "did(viw)",
            "did(product_viewed)",
            "did(View)",
            "did(zebra_crossing)",
            "did(view where categry == \"a\")",
            "did(view where brand.nam == \"acme\")",
            "did(view where brand == \"acme\")",
            "did(view where mixed == \"acme\")",
            "did(view where country == \"NL\")",
            "did(view where product == null)",
            "did(view where context.device.typ == \"x\")",
            "did(view where context.device == \"x\")",
            "did(view where context.colour == \"x\")",
            "did(view where context == \"x\")",
            "profile.contry == \"NL\"",
            "profile.country.code == \"NL\"",
            "profile == \"NL\"",
            "country == \"NL\"",
            "view > 3",
            "count > 3",
            "order.total > 3",
            "shop.total > 3",
            "context.ip == \"x\"",
            "profile.country == NL",
            "profile.country == null",
            "in(everybody)",
            "in(did(view))",
            "in(a, last 7d)",
            "cuont(view) > 3",
            "exists(view)",
            "consented(marketing)",
        ],
        condition_errors
    ));
}

#[test]
fn rules_name_each_other() {
    spec!(
        errors(
            "
trait engagement = count(view)
segment engaged { when engagement > 3 }
segment a { when engaged }
segment b { when in(engagement) }
segment c { when in(engagd) }
segment d { when engagment > 3 }
segment e { when profile.engagement > 3 }
segment f { when count(engagement, last 7d) > 3 }
segment g { when count(engaged) > 3 }
segment h { when count(profile.country) > 3 }
segment i { when count(country) > 3 }
journey welcome { enter on view }
segment j { when in(welcome) or welcome > 3 or did(welcome) }
"
        )
        .join("\n")
    );
}

#[test]
fn a_rule_with_errors_is_not_reported_again_where_it_is_named() {
    let rules = "
trait broken = sum(view.product)
trait worse = (count(view
segment s { when broken > 3 and worse > 3 and in(gone) }
trait gone = (
";
    let codes: Vec<String> = errors(rules).iter().map(|error| error[..5].to_owned()).collect();
    assert_eq!(codes, ["E0207", "E0302", "E0302", "E0302"]);
}

#[test]
fn all_errors_of_all_files_come_at_once() {
    let compilation = compiled_files(&[
        ("rules/a.sonder", "segment a { when did(viw) }\nsegment b { when did(ad) and did(ordr) }"),
        ("rules/deep/er/b.sonder", "trait t = sum(view.product)"),
    ]);
    let found: Vec<_> = compilation
        .diagnostics
        .iter()
        .map(|found| (compilation.sources.path(found.labels[0].span.file), found.code))
        .collect();
    let (a, b) = ("rules/a.sonder", "rules/deep/er/b.sonder");
    assert_eq!(found, [(a, "E0201"), (a, "E0201"), (a, "E0201"), (b, "E0207")]);
    assert!(compilation.program.is_none());
}

#[test]
fn old_names_are_names_that_nothing_has() {
    spec!(
        errors(
            "
segment a was b { when did(view) }
segment b { when count(view) > 1 }
segment c was old { when count(view) > 2 }
trait d was other, old = count(view)
segment e was e { when count(view) > 3 }
trait f was g, g = count(view)
funnel h was i { view then order within 1d }
segment j was broken { when count(view) > 4 }
segment broken { when count(viw) > 4 }
segment k was { when count(view) > 5 }
journey l was first second { enter on view }
"
        )
        .join("\n")
    );
    assert_eq!(errors("segment a was b, c \"text\" { when did(view) }\ntrait was was were = count(view)"), [""; 0]);
}

#[test]
fn circles_are_spelled_out() {
    spec!(
        errors(
            "
segment selfish { when in(selfish) }
trait a = b + 1
trait b = if in(c) then 1 else 2
segment c { when a > 1 }
segment outside { when a > 1 }
"
        )
        .join("\n")
    );
}

#[test]
fn what_is_read_stands_before_what_reads_it() {
    let program = program("trait a = b + c\ntrait b = c\ntrait c = count(view)\nsegment z { when true }");
    let names: Vec<&str> = program.rules.iter().map(|rule| rule.name.as_str()).collect();
    assert_eq!(names, ["c", "b", "a", "z"]);
}

#[test]
fn a_rule_knows_all_that_it_reads() {
    let program = program(
        "trait a = count(view) + b\ntrait b = count(add) + (profile.age or 0)\nsegment s { when a > 3 and in(t) }\nsegment t { when did(order) }",
    );
    let rule = |name: &str| program.rule_named(name).unwrap();
    let (id, s) = rule("s");
    assert_eq!(s.aggregates.len(), 3);
    assert_eq!(s.profile_traits.len(), 1);
    for aggregate in &s.aggregates {
        assert!(program.rules_of_aggregate[aggregate.index()].contains(&id));
    }
    assert_eq!(program.rules_of_profile_trait[s.profile_traits[0].index()], [rule("b").0, rule("a").0, id]);
    let view = program.event_named("view").unwrap();
    assert_eq!(program.aggregates_of_event[view.index()].len(), 1);
}

#[test]
fn words_of_the_language_are_names_where_they_can_be() {
    let program = program(
        "trait last = count(view)\ntrait since = last\ntrait segment = since\ntrait purpose = segment\ntrait known = purpose\ntrait this = known + 1",
    );
    assert_eq!(program.rules.len(), 6);
}

#[test]
fn what_a_rule_says_of_itself_is_kept() {
    let program = program(
        "\nsegment s \"all \\\"good\\\" people\" {\n  purpose marketing\n  when (did(view))\n   and   did(add) # and so on\n}",
    );
    let rule = &program.rules[0];
    assert_eq!(rule.description.as_deref(), Some("all \"good\" people"));
    assert_eq!(rule.purpose.as_deref(), Some("marketing"));
    assert_eq!(rule.place, "rules/r.sonder:2");
    assert_eq!(rule.source, "(did(view))\n   and   did(add)");
}
