//! Matching on data that is harder than the published sets: what is linked is right, and most of what could be is found.

#![expect(clippy::unwrap_used, reason = "tests")]

mod people;

use people::{Hardness, Made, make};
use sonder_matching::{Label, Link, Matching, Options};
use std::collections::HashMap;

const EASY: Hardness = Hardness { in_families: 0.0, twins: 0.0, movers: 0.0, missing: 0.05, mistyped: 0.1 };

/// How right links are, and how many of those that could be are found.
#[derive(Clone, Copy, Debug)]
struct Quality {
    precision: f64,
    recall: f64,
    /// Of links that are said to be 90 to 99 % sure, how many are right.
    likely: f64,
}

fn options() -> Options {
    Options::new(1)
}

fn quality(made: &Made) -> Quality {
    let matching = Matching::new(&made.records, &options(), 0.5).unwrap();
    let is_right = |left: u32, right: u32| made.people[left as usize] == made.people[right as usize];
    let linked: Vec<_> = matching.links().iter().filter(|link| link.score.probability >= 0.95).collect();
    let right = linked.iter().filter(|link| is_right(link.left, link.right)).count() as f64;
    let mut records: HashMap<u32, usize> = HashMap::new();
    made.people.iter().for_each(|person| *records.entry(*person).or_default() += 1);
    let truth = records.values().filter(|count| **count == 2).count() as f64;
    let likely = matching.links().iter().filter(|link| (0.9..0.99).contains(&link.score.probability));
    let likely: Vec<bool> = likely.map(|link| is_right(link.left, link.right)).collect();
    let likely = likely.iter().filter(|it| **it).count() as f64 / likely.len().max(1) as f64;
    Quality { precision: right / linked.len().max(1) as f64, recall: right / truth, likely }
}

#[test]
fn typing_errors() {
    let quality = quality(&make(4_000, EASY, 1));
    assert!(quality.precision > 0.999 && quality.recall > 0.99, "{quality:?}");
}

#[test]
fn families_at_one_address_with_one_phone_stay_apart() {
    let quality = quality(&make(4_000, Hardness { in_families: 0.7, ..EASY }, 2));
    assert!(quality.precision > 0.99 && quality.recall > 0.99, "{quality:?}");
}

#[test]
fn twins_stay_apart() {
    let quality = quality(&make(4_000, Hardness { in_families: 0.6, twins: 0.1, ..EASY }, 3));
    assert!(quality.precision > 0.99 && quality.recall > 0.98, "{quality:?}");
}

#[test]
fn who_moved_is_found() {
    let quality = quality(&make(4_000, Hardness { movers: 0.5, ..EASY }, 4));
    assert!(quality.precision > 0.995 && quality.recall > 0.93, "{quality:?}");
}

#[test]
fn most_values_missing() {
    // Two records of a person with four fifths of five values missing share one value in five people: what is linked must
    // be right.
    let quality = quality(&make(4_000, Hardness { missing: 0.8, in_families: 0.3, ..EASY }, 5));
    assert!(quality.precision > 0.95 && quality.recall > 0.12 && quality.likely > 0.9, "{quality:?}");
}

/// How the fields of a link compare.
fn label(made: &Made, matching: &Matching<'_>, link: &Link, is_match: bool) -> Label {
    let levels = made.records.fields().zip(matching.explain(link).fields);
    Label { levels: levels.map(|(field, (level, _))| (field.to_owned(), level.to_owned())).collect(), is_match }
}

#[test]
fn what_people_decide_is_learnt() {
    let made = make(4_000, EASY, 7);
    let weights = |labels: Vec<Label>| {
        let options = Options { labels, ..options() };
        let matching = Matching::new(&made.records, &options, 0.01).unwrap();
        let weights = matching.links().iter().map(|link| ((link.left, link.right), link.score.weight));
        weights.collect::<HashMap<_, _>>()
    };
    let matching = Matching::new(&made.records, &options(), 0.01).unwrap();
    // How the fields of those compare that are not sure, the most frequent first.
    let mut alike: HashMap<Vec<(String, String)>, Vec<&Link>> = HashMap::new();
    for link in matching.links().iter().filter(|link| link.score.probability < 0.999) {
        alike.entry(label(&made, &matching, link, true).levels).or_default().push(link);
    }
    let (levels, links) = alike.into_iter().max_by_key(|(levels, links)| (links.len(), levels.clone())).unwrap();
    let before = weights(Vec::new());
    let decided = |is_match| {
        let labels = vec![Label { levels: levels.clone(), is_match }; 40];
        let after = weights(labels);
        let one = (links[0].left, links[0].right);
        after.get(&one).copied().unwrap_or(f64::MIN) - before[&one]
    };
    let (accepted, rejected) = (decided(true), decided(false));
    assert!(accepted > 0.1 && rejected < 0.0, "{levels:?}, {} pairs: {accepted} {rejected}", links.len());
    // What is not compared any more says nothing.
    let other = Label { levels: vec![("shoe_size".to_owned(), "equal".to_owned())], is_match: true };
    assert_eq!(weights(vec![other]), before);
}

#[test]
fn one_processor_gives_the_same_links_as_all() {
    let made = make(2_000, EASY, 6);
    let one = Options { processors: Some(1), ..options() };
    let one = Matching::new(&made.records, &one, 0.5).unwrap();
    assert_eq!(one.links(), Matching::new(&made.records, &options(), 0.5).unwrap().links());
}

#[test]
fn the_same_records_give_the_same_links() {
    let made = make(2_000, EASY, 6);
    let one = Matching::new(&made.records, &options(), 0.5).unwrap();
    let other = Matching::new(&made.records, &options(), 0.5).unwrap();
    assert_eq!(one.links(), other.links());
    assert_eq!(one.clusters(0.95), other.clusters(0.95));
}

#[test]
fn the_steps_of_an_explanation_add_up() {
    let made = make(2_000, Hardness { in_families: 0.7, ..EASY }, 7);
    let matching = Matching::new(&made.records, &options(), 0.01).unwrap();
    for link in matching.links() {
        let explanation = matching.explain(link);
        let fields: f64 = explanation.fields.iter().map(|(_, weight)| weight).sum();
        assert!((explanation.prior + fields + explanation.alike - link.score.weight).abs() < 1e-9);
        assert!((link.score.probability - 1.0 / (1.0 + (-link.score.weight).exp2())).abs() < 1e-12);
    }
}
