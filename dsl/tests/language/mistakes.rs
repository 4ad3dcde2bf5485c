//! What people write who know another language, and what they are told.

use super::{condition_errors, errors, told};

#[test]
fn of_other_languages() {
    spec!(told(
        &[
            "profile.country = \"NL\"",
            "profile.country === \"NL\"",
            "profile.country <> \"NL\"",
            "profile.country == 'NL'",
            "profile.country == “NL”",
            "did(view) && did(add) || did(order)",
            "did(view) AND did(add) OR did(order)",
            "did(view) And did(add)",
            "!did(view) and NOT did(add)",
            "profile.country is null",
            "profile.country is not null",
            "profile.country IS NULL",
            "profile.country is not known",
            "profile.country is knwon",
            "profile.vip is true",
            "profile.country in (\"NL\", \"BE\")",
            "profile.country not in (\"NL\", \"BE\")",
            "1 < count(view) < 5",
            "count(view) => 3 and count(add) =< 3",
            "count(view) >= 1_000",
            "count(view) >= 1e3",
            "count(view) >= .5",
            "count(view) % 2 == 0",
            "did(view);",
            "did(view) // a comment",
            "count(*) > 3",
            "count() > 3",
            "count(view, add) > 3",
            "count(view where) > 3",
            "count(view where category == ) > 3",
            "count(view whre category == \"a\") > 3",
            "count(view.product) > 3",
            "sum(order) > 3",
            "sum(view.product) > 3",
            "distinct(view.tags) > 3",
            "count(3) > 3",
            "did view",
            "did(view) adn did(add)",
            "if did(view) then true",
            "did(view",
            "did(view))",
            "did(view where product == \"x)",
            "",
        ],
        condition_errors
    ));
}

#[test]
fn as_one_would_say_it() {
    spec!(told(
        &[
            "count(view, last 7d) > = 3",
            "count(view) >= 2 within 30d",
            "count(view) >= 2 in last 7 days",
            "did(view) last 7d",
            "count(view, last 7d) between 3 and 5",
            "did(add) and no order for 1h",
            "last(view) > 30d ago",
            "did(view, within 7d)",
            "did(view, last month)",
            "profile.country is \"NL\"",
            "profile.country is not \"NL\"",
            "did(view) and",
            "or did(view)",
            "sum(order.total) >= €100",
            "most_common(view.category) == \"a\"",
            "average(order.total) > 3",
            "count_distinct(view.product) > 3",
            "exists(view)",
        ],
        condition_errors
    ));
}

#[test]
fn of_time() {
    spec!(told(
        &[
            "did(view, last 24)",
            "did(view, last 24 hours)",
            "did(view, last 24 h)",
            "did(view, last 30 Days)",
            "did(view, last 3 months)",
            "did(view, last 1y)",
            "did(view, last 24x)",
            "did(view, last 1h 1d)",
            "did(view, last week)",
            "did(view, since 30d)",
            "did(view, since 2026-02-30)",
            "did(view, since 2026-1-1)",
            "did(view, since 2026-01-01T10:00:00)",
            "did(view, last 99999999d)",
        ],
        condition_errors
    ));
}

#[test]
fn of_the_frame() {
    spec!(told(
        &[
            "segmnt a { when did(view) }",
            "Segment a { when did(view) }",
            "hello",
            "segment { when did(view) }",
            "segment \"a\" { when did(view) }",
            "segment a when did(view)",
            "segment a = did(view)",
            "segment a { did(view) }",
            "segment a { where did(view) }",
            "segment a { wehn did(view) }",
            "segment a { }",
            "segment a { purpose x purpose y when did(view) }",
            "segment a { when did(view) when did(add) }",
            "segment a 'text' { when did(view) }",
            "segment if { when did(view) }",
            "segment a-b { when did(view) }",
            "trait a { count(view) }",
            "trait a == count(view)",
            "trait a =",
            "trait a = count(view) trait b = 3",
            "trait a count(view)",
            "// comment\ntrait a = 1",
            "trait a = \"unclosed\ntrait b = 2\n",
            "predict p \"x\" { label did(view, next 7d) }",
        ],
        errors
    ));
}

#[test]
fn an_error_in_one_rule_hides_nothing_of_the_next() {
    let rules = "
segment a { when did(view }
segment b { when did(viw) }
trait c = \"open
segment d { when count(add) >> 3 }
segmet e { when did(ordr) }
trait f = sum(order.totl)
segment g { when
  did(view where product == \"x\"

segment h \"fine\" { when did(view) }
trait i = did(viw)
";
    spec!(errors(rules).join("\n"));
}
