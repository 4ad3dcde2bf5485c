//! Every limit of the language: fine at n, refused at n + 1.

use super::{compiled, errors};
use sonder_dsl::limits;

fn codes(rules: &str) -> Vec<&'static str> {
    compiled(rules).diagnostics.iter().map(|diagnostic| diagnostic.code).collect()
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
    assert_eq!(errors(&chain), [""; 0]);
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
