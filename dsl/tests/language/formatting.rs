//! `sonder fmt` has one style: idempotent, and neither meaning nor a comment is ever lost.

use super::robustness::{condition_over, number};
use super::{compiled, program};
use proptest::prelude::*;
use sonder_dsl::source::FileId;
use sonder_dsl::syntax::{format::format, parse};
use std::path::Path;

fn formatted(text: &str) -> String {
    format(FileId(0), text).unwrap()
}

/// Everything that must hold of any file.
fn canonical(text: &str) -> String {
    let once = formatted(text);
    assert_eq!(once, formatted(&once), "formatting it again changes it; it was\n{text}");
    let tree = |text: &str| parse(FileId(0), text, &mut Vec::new()).items;
    assert_eq!(tree(text), tree(&once), "{text}\nbecame\n{once}");
    assert_eq!(comments(text), comments(&once), "{text}\nbecame\n{once}");
    assert!(!once.contains(" \n") && !once.contains("\n\n\n") && !once.starts_with('\n'), "{once}");
    once
}

/// A file's comments in order; texts in quotes hold none.
fn comments(text: &str) -> Vec<String> {
    let of_line = |line: &str| {
        let mut quoted = false;
        let start = line.char_indices().find(|&(_, c)| {
            quoted ^= c == '"';
            c == '#' && !quoted
        });
        start.map(|(start, _)| line[start..].trim_end().to_owned())
    };
    text.lines().filter_map(of_line).collect()
}

#[test]
fn old_names_stand_behind_the_name() {
    assert_eq!(
        canonical(
            "segment a\n  was b ,c \"text\" { when did(view) }\ntrait t was\n s = count(view)\njourney j was i{enter on view}"
        ),
        "segment a was b, c \"text\" {\n  when did(view)\n}\n\ntrait t was s = count(view)\n\njourney j was i {\n  enter on view\n}\n"
    );
}

#[test]
fn the_examples_of_the_language_are_as_they_should_be() {
    let examples = "\
# rules/segments.sonder
segment sustainable_shoppers \"Looks at sustainable fashion, has not bought\" {
  purpose personalization
  when count(product_viewed where category == \"sustainable-fashion\", last 24h) >= 3
   and not did(order_completed, last 24h)
}

segment struggling_with_product \"Came back to one product's support page\" {
  when count(support_page_viewed, per product_id, last 7d) >= 2
}

segment asia_level10_free \"Asian players past level 10 who never paid\" {
  when profile.continent == \"AS\"
   and did(level_completed where level >= 10 and context.device.type == \"mobile\")
   and not did(in_app_purchase)
}

segment abandoned_cart \"Added to cart, then no order for 30 minutes\" {
  when sequence(product_added then no order_completed for 30m, last 7d)
}

trait lifetime_value \"All that was ever spent\" = sum(order_completed.total)
trait favourite_category = top(product_viewed.category, last 90d)
trait engagement = count(page_viewed, last 7d) + 5 * count(product_added, last 7d)
";
    assert_eq!(canonical(examples), examples);
    let squeezed = examples.replace("\n   and ", " and ").replace("\n  ", " ").replace("\n}", "}");
    assert_eq!(canonical(&squeezed), examples);
}

#[test]
fn what_does_not_fit_is_broken_from_the_outside() {
    let shown = canonical(
        r#"
trait engagement_level = if engagement >= 50 then "high" else if engagement >= 10 then "medium" else "low"
trait engagement "How involved" = count(page_viewed, last 7d) + 2 * count(product_viewed, last 7d) - 5 * count(product_added, last 7d)
trait ratio = (count(page_viewed, last 7d) + count(product_viewed, last 7d)) / (count(order_completed, last 30d) or 1)
trait long "One call that is too long for the line that its name is in, and fits in the next" = count(product_viewed, last 7d)
trait longer = count(product_viewed where category == "sustainable-fashion" and price > 100 and context.device.type == "mobile", per product_id, last 7d)
trait product = count(product_viewed, per product_id, last 30d) * count(product_added, per product_id, last 30d) * 2
trait of_both = did(product_viewed where category == "sustainable-fashion") or did(product_added) and did(order_completed)
segment hot { when count(page_viewed where path == "/pricing", last 14d) >= 3 and did(whitepaper_downloaded, last 30d) }
segment either { when count(page_viewed where path == "/pricing", last 14d) >= 3 or did(whitepaper_downloaded, last 30d) or x }
segment mixed { when count(page_viewed where path == "/pricing", last 14d) >= 3 and did(a) or did(whitepaper_downloaded, last 30d) and (did(b) or did(c)) }
segment mixed_long { when count(page_viewed where path == "/pricing", last 14d) >= 3 and did(whitepaper_downloaded, last 30d) and did(b) or did(c) }
segment deep { when a and (count(page_viewed where path == "/pricing", last 14d) >= 3 or did(whitepaper_downloaded, last 30d) or profile.email is known) }
segment steps { when sequence(product_viewed as v where category == "sustainable-fashion" then product_added as a where product_id == v.product_id and quantity > 1 and context.device.type == "mobile" and price >= 100.00 within 1h then no order_completed for 30m, last 7d) }
segment choice { when if profile.country == "NL" then count(page_viewed, last 7d) > 3 else if profile.country is unknown then false else did(order_completed, last 365d) }
"#,
    );
    spec!(shown);
}

#[test]
fn comments_stay_where_they_speak() {
    let shown = canonical(
        r#"

#first


# second
segment a "A"  # of the head
{ # of the brace

  # about the purpose

  purpose marketing# behind it
  when  # why
    did(view) # one
    # two, in its own line


    # three
    and # four
    not # five
    did(add, # six
      # seven
      last # eight
      24h # nine
      # ten
    ) # eleven
    # twelve
} # thirteen
# fourteen
trait x = 1 # fifteen
trait longer_name = 22 # sixteen

# seventeen
trait y # eighteen
"text" = # nineteen
  (1 # twenty
  + 2)
# twenty-one
segment b { when true }
# the end"#,
    );
    spec!(shown);
}

#[test]
fn space_is_the_formatters_and_the_rest_the_authors() {
    for (text, expected) in [
        ("", ""),
        ("\n\n", ""),
        ("#  x  \r\n\r\n\r\n# y", "#  x\n\n# y\n"),
        ("trait a=1\r\ntrait b=2\n\n\n\ntrait c=3", "trait a = 1\ntrait b = 2\n\ntrait c = 3\n"),
        ("segment a{when true}segment b{when true}", "segment a {\n  when true\n}\n\nsegment b {\n  when true\n}\n"),
        ("trait a = ((1+2))", "trait a = 1 + 2\n"),
        ("trait a = (1)+(2)", "trait a = (1) + (2)\n"),
        ("segment a { when (did(view)) purpose p }", "segment a {\n  when did(view)\n  purpose p\n}\n"),
        ("segment a { when (did(view)) or (true) }", "segment a {\n  when (did(view)) or (true)\n}\n"),
        ("trait a = when(1)", "trait a = when(1)\n"),
        ("trait a = - x*- 2.50 - -3", "trait a = -x * -2.50 - -3\n"),
        ("trait a = not not(x)is   known", "trait a = not not (x) is known\n"),
        ("trait a = x is known + 1 == 2", "trait a = x is known + 1 == 2\n"),
        (
            "trait a = count (view ,last   1d   12h ,this   session)",
            "trait a = count(view, last 1d 12h, this session)\n",
        ),
        ("trait a = now( )<2026-01-01T09:30:00Z", "trait a = now() < 2026-01-01T09:30:00Z\n"),
        ("trait a = last(since.last)+last(no)", "trait a = last(since.last) + last(no)\n"),
        ("trait a = sequence(no no then no as no for 1d)", "trait a = sequence(no no then no as no for 1d)\n"),
        ("trait a \"# not a comment\"=\"# \\\" \"#one", "trait a \"# not a comment\" = \"# \\\" \"  #one\n"),
        ("trait é = \"€😀\"", "trait é = \"€😀\"\n"),
    ] {
        assert_eq!(canonical(text), expected, "{text}");
    }
}

#[test]
fn a_line_is_full_at_its_width() {
    let name = "n".repeat(100 - "trait  = 1 + 2".len());
    assert_eq!(canonical(&format!("trait {name} = 1 + 2")), format!("trait {name} = 1 + 2\n"));
    assert_eq!(canonical(&format!("trait {name}n = 1 + 2")), format!("trait {name}n =\n  1\n  + 2\n"));
}

#[test]
fn what_cannot_be_read_is_left_alone() {
    for text in ["segment a { when }", "trait a = 1 +", "segment a { when did(view }", "journey x {", "trait a = 'b'"] {
        let diagnostics = format(FileId(0), text).unwrap_err();
        assert!(!diagnostics.is_empty(), "{text}");
    }
    // Names are not the formatter's business.
    assert_eq!(canonical("trait a=nowhere"), "trait a = nowhere\n");
}

#[test]
fn the_deepest_rule_is_formatted_soon_on_a_small_stack() {
    let rules = [
        format!("trait t = {}1{}", "(".repeat(64), ")".repeat(64)),
        format!("trait t = {}1{}", "(1 + ".repeat(64), ")".repeat(64)),
        format!("trait t = {}1{}", "if true then ".repeat(64), " else 2".repeat(64)),
        format!("trait t = {}x{}", "a and (b or ".repeat(60), ")".repeat(60)),
        format!("trait t = {}true", "not ".repeat(127)),
        format!("trait t = {} 0", "if true then 1 else ".repeat(127)),
        format!("trait t = {}", vec!["x"; 20_000].join(" and ")),
    ];
    let worker = std::thread::Builder::new().stack_size(1 << 20).spawn(move || {
        for rule in &rules {
            assert_eq!(format(FileId(0), &formatted(rule)), format(FileId(0), rule));
        }
    });
    worker.unwrap().join().unwrap();
}

/// The other examples of the language, of which the design fixes the words and not the lines.
#[test]
fn journeys_and_the_others_have_a_line_a_clause() {
    let squeezed = |text: &str| {
        text.lines().map(|line| line.split('#').next().unwrap_or_default().trim()).collect::<Vec<_>>().join(" ")
    };
    let normative = include_str!("../projects/normative/rules/cart_recovery.sonder");
    let others = include_str!("../projects/normative/rules/decisions.sonder");
    spec!(canonical(&format!("{}\n{}", squeezed(normative), squeezed(others))));
}

/// Every rule file of this repository is in the style that `sonder fmt` gives.
#[test]
fn the_rules_of_all_projects_here_are_formatted() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut folders: Vec<_> = ["examples", "tests", "dsl/tests"].map(|folder| root.join(folder)).into();
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("node_modules") && !path.ends_with("target") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "sonder") {
                let text = std::fs::read_to_string(&path).unwrap();
                assert_eq!(canonical(&text), text, "`sonder fmt {}`", path.display());
                files += 1;
            }
        }
    }
    assert!(files >= 6, "{files} files found");
}

/// Every form that items can have, in one line.
fn item() -> impl Strategy<Value = String> {
    let event = prop::sample::select(vec![
        "view",
        "view where category == \"a\"",
        "order where total > 10 and context.ip is known",
    ]);
    let length = prop::sample::select(vec!["30m", "1d 2h", "7d"]);
    let step =
        (event.clone(), length.clone(), condition_over(number()), 0..9).prop_map(|(event, length, condition, form)| {
            match form {
                0 => format!("wait {length}"),
                1 => format!("wait for {event} up to {length} {{ exit }} else {{}}"),
                2 => format!("wait until {condition} up to {length} {{}} else {{ wait {length} }}"),
                3 => format!("if {condition} {{ wait {length} exit }} else if true {{}} else {{ exit }}"),
                4 => format!("split {{ 12.5% a {{ wait {length} }} 87.5% b {{}} }}"),
                5 => "send email.message { to: profile.email, template: \"a # b\", n: 1 }".to_owned(),
                6 => "send email.message {}".to_owned(),
                7 => "set trait vip = true".to_owned(),
                _ => "exit".to_owned(),
            }
        });
    let steps = prop::collection::vec(step, 0..6).prop_map(|steps| steps.join(" "));
    (steps, event, length, condition_over(number()), 0..6).prop_map(|(steps, event, length, condition, form)| match form {
        0 => format!("journey i \"a\" {{ purpose p enter on {event} as v per v.product again after {length} goal {event} {steps} }}"),
        1 => format!("journey i {{ enter when {condition} exit when {condition} hours 08:00 to 20:00 {steps} }}"),
        2 => format!("funnel i {{ {event} then add within 1h then {event} within {length} by context.ip, profile.country }}"),
        3 => format!("experiment i {{ variants a 50%, b 50% on {event} goal did(order, next {length}), sum(order.total, next 7d) }}"),
        4 => format!("experience i {{ when {condition} show {{ a: 1, b: \"x\" }} otherwise show {{ a: 2 }} }}"),
        _ => format!("predict i {{ label not did({event}, next {length}) for {condition} from count(view), since(order) }}"),
    })
}

/// White space of all sorts, with and without comments, each another one.
fn gaps() -> impl Strategy<Value = Vec<String>> {
    let gap = prop_oneof![
        6 => prop::sample::select(vec![" ", "  ", "\t", "\n", "\r\n  ", "\n\n", "\n\n\n    "]).prop_map(str::to_owned),
        2 => prop::sample::select(vec![" # c\n", "#c\n", "\n# c\n", "\n\n  # c  \n\n", " # c\n # c\n", "\n#\n #c\n"])
            .prop_map(str::to_owned),
    ];
    prop::collection::vec(gap, 1..40)
}

/// A text with gaps in place of its spaces outside of quotes, and of what the grammar reads as one.
fn spread(text: &str, gaps: &[String]) -> String {
    let mut gaps = gaps.iter().cycle();
    let mut number = 0;
    let mut spread = String::new();
    for (part, piece) in text.split('"').enumerate() {
        if part > 0 {
            spread.push('"');
        }
        if part % 2 == 1 {
            spread.push_str(piece);
            continue;
        }
        let piece = piece.replace("1d 2h", "1d\u{0}2h").replace("this session", "this\u{0}session");
        // Also around marks, where the grammar asks for no space.
        let piece =
            ["(", ")", ",", "{", "}"].iter().fold(piece, |piece, mark| piece.replace(mark, &format!(" {mark} ")));
        for character in piece.chars() {
            match character {
                ' ' => {
                    let gap = gaps.next().map_or(" ", String::as_str);
                    for line in gap.split_inclusive('c') {
                        spread.push_str(line);
                        if line.ends_with('c') {
                            number += 1;
                            spread.push_str(&number.to_string());
                        }
                    }
                }
                '\u{0}' => spread.push(' '),
                _ => spread.push(character),
            }
        }
    }
    spread
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn any_layout_becomes_the_same_but_for_comments(
        condition in condition_over(number()),
        value in number(),
        gaps in gaps(),
        plain in prop::collection::vec(prop::sample::select(vec![" ", "  ", "\n", "\t\n "]).prop_map(str::to_owned), 1..9),
    ) {
        let text = format!("segment s \"a # b\" {{ purpose marketing when {condition} }}\ntrait t = {value}\nsegment u {{ when true }}");
        let first = program(&text);
        let spreaded = spread(&text, &gaps);
        let once = canonical(&spreaded);
        let second = program(&once);
        prop_assert_eq!(&first.aggregates, &second.aggregates);
        for (before, after) in first.rules.iter().zip(&second.rules) {
            prop_assert_eq!((&before.name, before.fingerprint), (&after.name, after.fingerprint), "{}", once);
        }
        for line in once.lines().filter(|line| !line.contains('#')) {
            prop_assert!(line.trim_end() == line);
        }
        // Without comments the result depends on the words alone.
        let words: String = canonical(&spread(&text, &plain)).lines().filter(|line| !line.is_empty()).collect();
        let canonical: String = canonical(&text).lines().filter(|line| !line.is_empty()).collect();
        prop_assert_eq!(words, canonical);
    }

    #[test]
    fn any_layout_of_any_item_is_formatted_alike(item in item(), gaps in gaps(), plain in prop::collection::vec(prop::sample::select(vec![" ", "  ", "\n", "\t\n "]).prop_map(str::to_owned), 1..9)) {
        let once = canonical(&spread(&item, &gaps));
        for line in once.lines().filter(|line| !line.contains('#')) {
            prop_assert!(line.trim_end() == line);
        }
        let lines = |text: &str| text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect::<Vec<_>>();
        prop_assert_eq!(lines(&canonical(&spread(&item, &plain))), lines(&canonical(&item)));
    }

    #[test]
    fn any_text_is_formatted_or_left_alone(text in any::<String>()) {
        if let Ok(once) = format(FileId(0), &text) {
            prop_assert_eq!(&once, &formatted(&once));
        }
        drop(compiled(&text));
    }
}
