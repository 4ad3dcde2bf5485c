//! Every limit of the language: fine at n, refused at n + 1.

use super::{compiled, errors, without_meaning};
use sonder_dsl::limits;

fn codes(rules: &str) -> Vec<&'static str> {
    without_meaning(&compiled(rules)).into_iter().filter(|code| !code.starts_with('W')).collect()
}

fn check(what: &str, code: &str, sound: &str, refused: &str) {
    assert_eq!(codes(sound), [""; 0], "{what} at the limit");
    assert_eq!(codes(refused), [code], "{what} beyond the limit");
}

#[test]
fn nesting() {
    let n = limits::RULE_NESTING;
    let brackets = |n: usize| format!("trait t = {}1{}", "(".repeat(n), ")".repeat(n));
    check("brackets", "E0320", &brackets(n), &brackets(n + 1));
    let ifs = |n: usize| format!("trait t = {}1{}", "if did(view) then ".repeat(n), " else 2".repeat(n));
    // The parentheses of `did` count as well.
    check("ifs", "E0320", &ifs(n - 1), &ifs(n));
}

#[test]
fn ifs_beside_each_other_are_not_nested() {
    let sum = vec!["(if did(view) then 1 else 0)"; 100].join(" + ");
    assert_eq!(errors(&format!("trait t = {sum}")), [""; 0]);
    let chain = format!("trait t = {} 0", "if did(view) then 1 else ".repeat(100));
    assert_eq!(codes(&chain), [""; 0]);
}

#[test]
fn levels_of_an_expression() {
    let n = limits::EXPRESSION_DEPTH;
    let sum = |n: usize| format!("trait t = {}", vec!["1"; n].join(" + "));
    check("a sum", "E0320", &sum(n), &sum(n + 1));
    let nots = |n: usize| format!("trait t = {}true", "not ".repeat(n));
    check("nots", "E0320", &nots(n - 1), &nots(n));
    assert_eq!(codes(&nots(100_000)), ["E0320"]);
    let chain = |n: usize| format!("trait t = {} 0", "if true then 1 else ".repeat(n));
    check("else ifs", "E0320", &chain(n - 1), &chain(n));
}

#[test]
fn a_thousand_conditions_are_no_deep_expression() {
    let conditions: Vec<String> = (0..1_000).map(|n| format!("profile.country == \"c{n}\"")).collect();
    assert_eq!(codes(&format!("segment s {{ when {} }}", conditions.join(" or "))), [""; 0]);
}

#[test]
fn steps_of_a_sequence() {
    let n = limits::SEQUENCE_STEPS;
    let steps = |n: usize| format!("segment s {{ when sequence({}) }}", vec!["view"; n].join(" then "));
    check("steps", "E0323", &steps(n), &steps(n + 1));
}

#[test]
fn statements_and_levels_of_a_journey() {
    let n = limits::STATEMENTS;
    let waits = |n: usize| format!("journey j {{ enter on view {} }}", "wait 1h ".repeat(n));
    check("statements", "E0640", &waits(n), &waits(n + 1));
    // Those inside of others count.
    let inside = |n: usize| format!("journey j {{ enter on view if true {{ {} }} }}", "exit ".repeat(n));
    check("statements inside", "E0640", &inside(n - 1), &inside(n));
    // The braces of the journey count, and so does each `if`.
    let levels = limits::RULE_NESTING;
    let nested = |n: usize| {
        format!("journey j {{ enter on view {} {} }}", "split { 50% a {} 50% b { ".repeat(n), "} }".repeat(n))
    };
    check("levels", "E0320", &nested((levels - 1) / 2), &nested(levels / 2 + 1));
    let ifs = |n: usize| format!("journey j {{ enter on view {} }}", "if did(view) { exit } ".repeat(n));
    assert_eq!(codes(&ifs(200)), [""; 0], "`if`s beside each other are not nested");
}

#[test]
fn fields_branches_and_lists() {
    let list =
        |n: usize, part: &dyn Fn(usize) -> String, between: &str| (0..n).map(part).collect::<Vec<_>>().join(between);
    let fields =
        |n: usize| format!("experience x {{ otherwise show {{ {} }} }}", list(n, &|n| format!("f{n}: {n}"), ", "));
    check("fields", "E0641", &fields(limits::FIELDS), &fields(limits::FIELDS + 1));
    // The last takes what is left of everybody.
    let rest = |of: usize| 10_000 - 10 * (of - 1);
    let part = |n: usize, of: usize| {
        if n + 1 == of { format!("{}.{:02}%", rest(of) / 100, rest(of) % 100) } else { "0.1%".to_owned() }
    };
    let arms = |of: usize| {
        format!(
            "journey j {{ enter on view split {{ {} }} }}",
            list(of, &|n| format!("{} a{n} {{}}", part(n, of)), " ")
        )
    };
    check("branches", "E0642", &arms(limits::PARTS), &arms(limits::PARTS + 1));
    let variants = |of: usize| {
        let variants = list(of, &|n| format!("a{n} {}", part(n, of)), ", ");
        format!("experiment e {{ variants {variants} on view goal did(order, next 1d) }}")
    };
    check("variants", "E0642", &variants(limits::PARTS), &variants(limits::PARTS + 1));
    let shows = |n: usize| format!("experience x {{ {} otherwise show {{}} }}", "when true show {} ".repeat(n));
    check("arms", "E0642", &shows(limits::PARTS), &shows(limits::PARTS + 1));
    let goals = |n: usize| {
        format!(
            "experiment e {{ variants a 50%, b 50% on view goal {} }}",
            list(n, &|_| "did(order, next 1d)".to_owned(), ", ")
        )
    };
    check("goals", "E0642", &goals(limits::LIST), &goals(limits::LIST + 1));
    let features = |n: usize| {
        format!(
            "predict p {{ label did(order, next 1d) for true from {} }}",
            list(n, &|_| "count(view)".to_owned(), ", ")
        )
    };
    check("features", "E0642", &features(limits::LIST), &features(limits::LIST + 1));
    let exits = |n: usize| format!("journey j {{ enter on view {} }}", "exit when did(order) ".repeat(n));
    check("exits", "E0642", &exits(limits::LIST), &exits(limits::LIST + 1));
    let by = |n: usize| {
        format!("funnel f {{ view then order within 1d by {} }}", list(n, &|_| "profile.plan".to_owned(), ", "))
    };
    check("breakdowns", "E0642", &by(limits::BREAKDOWNS), &by(limits::BREAKDOWNS + 1));
    let steps = |n: usize| format!("funnel f {{ {} within 1d }}", list(n, &|_| "view".to_owned(), " then "));
    check("steps", "E0323", &steps(limits::SEQUENCE_STEPS), &steps(limits::SEQUENCE_STEPS + 1));
}

#[test]
fn clauses_that_cannot_be_read() {
    let n = limits::FAULTY_CLAUSES;
    let lines = |n: usize| format!("journey j {{\n{}\ngoal viw\n}}", "wait\n".repeat(n));
    // As long as the item is read at all, what is sound in it is checked.
    assert!(codes(&lines(n - 1)).contains(&"E0201"));
    assert_eq!(codes(&lines(n)).len(), n);
}

#[test]
fn literals_and_names() {
    let n = limits::LITERAL_BYTES;
    let text = |n: usize| format!("trait t = \"{}\"", "x".repeat(n));
    check("a text", "E0324", &text(n), &text(n + 1));
    let name = |n: usize| format!("trait {} = 1", "x".repeat(n));
    check("a name", "E0324", &name(limits::NAME_CHARACTERS), &name(limits::NAME_CHARACTERS + 1));
    check("a whole number", "E0324", "trait t = 9223372036854775807", "trait t = 9223372036854775808");
    let number = |n: usize| format!("trait t = 0.{}", "1".repeat(n - 1));
    check("a number", "E0324", &number(limits::LITERAL_DIGITS), &number(limits::LITERAL_DIGITS + 1));
    let days = limits::DURATION_DAYS;
    check("a duration", "E0305", &format!("trait t = {days}d"), &format!("trait t = {}d", days + 1));
}

#[test]
fn items_and_bytes_of_a_file() {
    let items = |n: usize| (0..n).map(|n| format!("trait t{n} = 1\n")).collect::<String>();
    check("items", "E0321", &items(limits::RULE_FILE_ITEMS), &items(limits::RULE_FILE_ITEMS + 1));
    let bytes = |n: usize| format!("trait t = 1\n#{}", "x".repeat(n - 13));
    check("bytes", "E0322", &bytes(limits::RULE_FILE_BYTES), &bytes(limits::RULE_FILE_BYTES + 1));
}

#[test]
fn digits_of_a_product() {
    let small = "0.00000000000001";
    check("digits", "E0205", &format!("trait t = {small} * {small}"), &format!("trait t = {small} * {small} * 0.1"));
}

#[test]
fn what_one_rule_reads() {
    let n = limits::RULE_READS;
    let questions = |from: usize, to: usize| {
        (from..to).map(|n| format!("did(view, last {}m)", n + 1)).collect::<Vec<_>>().join(" or ")
    };
    let rules = |n: usize| {
        format!("segment a {{ when {} }}\nsegment b {{ when in(a) or {} }}", questions(0, 600), questions(600, n))
    };
    check("reads", "E0325", &rules(n), &rules(n + 1));
}
