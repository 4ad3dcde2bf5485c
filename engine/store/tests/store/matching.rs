//! Pairs that matching proposed: written in place of what they were, and gone with whoever is erased.

use crate::support::{Opened, START, open, shop};
use sonder_dsl::time::Moment;
use sonder_store::{MatchCounts, MatchPair, MatchRun, MatchStep, MatchSteps, PairFilter, Target};

fn pair(id: &str, ends: [&str; 2], weight: i32, is_link: bool) -> MatchPair {
    let step = MatchStep { field: "name".into(), level: "sounds alike".into(), weight: 4.25 };
    MatchPair {
        id: id.to_owned(),
        proposed_at: Moment(START),
        ends: ends.map(|value| ("user_id".to_owned(), value.to_owned())),
        weight,
        is_link,
        steps: MatchSteps { prior: -9.5, fields: vec![step], alike: -0.25 },
        fingerprint: u64::MAX,
    }
}

#[test]
fn pairs_are_written_in_place_of_what_they_were() {
    let (dir, program) = (tempfile::tempdir().unwrap(), shop());
    let Opened { store, reader, .. } = open(dir.path(), &program);
    let suppression = store.suppression().unwrap();
    let (a, b, c) = (
        pair("a", ["ann", "bob"], 9_000, true),
        pair("b", ["cid", "o'dee"], 2_000, false),
        pair("c", ["ed", "fay"], 500, false),
    );
    store.propose_matches(&[b.clone(), c.clone(), a.clone()], &[], &suppression, Moment(START)).unwrap();
    let all = PairFilter::default();
    assert_eq!(reader.match_pairs(all, 0, 10).unwrap(), [a.clone(), b.clone(), c.clone()], "the likeliest first");
    assert_eq!(reader.match_pairs(all, 1, 1).unwrap(), std::slice::from_ref(&b));
    assert_eq!(reader.match_pairs(PairFilter { is_link: Some(true) }, 0, 10).unwrap(), std::slice::from_ref(&a));
    let b = MatchPair { weight: 700, proposed_at: Moment(START + 5), ..b };
    store.propose_matches(std::slice::from_ref(&b), &["c".to_owned()], &suppression, Moment(START)).unwrap();
    assert_eq!(reader.match_pairs(all, 0, 10).unwrap(), [a, b.clone()]);
    assert_eq!(reader.match_pair("b").unwrap(), Some(b));
    assert_eq!(reader.match_pair("c").unwrap(), None);
    let counts = MatchCounts { people: 6, linked: 1, ..MatchCounts::default() };
    let run =
        |at| MatchRun { id: format!("r{at}"), began_at: Moment(at), ended_at: Moment(at + 1), counts: counts.clone() };
    [START, START + 9].into_iter().for_each(|at| store.note_match_run(&run(at)).unwrap());
    assert_eq!(reader.match_runs(10).unwrap(), [run(START + 9), run(START)]);
}

#[test]
fn of_whoever_is_erased_no_pair_stays_and_none_comes_back() {
    let (dir, program) = (tempfile::tempdir().unwrap(), shop());
    let Opened { store, reader, .. } = open(dir.path(), &program);
    let suppression = store.suppression().unwrap();
    let pairs = [
        pair("a", ["ann", "bob"], 9_000, true),
        pair("b", ["cid", "ann"], 2_000, false),
        pair("c", ["ed", "fay"], 500, false),
    ];
    store.propose_matches(&pairs, &[], &suppression, Moment(START)).unwrap();
    let target = Target { identifiers: vec![("user_id".to_owned(), "ann".to_owned())], ..Target::default() };
    store.strike(("e1", Moment(START + 10)), &target, &suppression, &mut |_| true).unwrap();
    let ids =
        || reader.match_pairs(PairFilter::default(), 0, 10).unwrap().into_iter().map(|it| it.id).collect::<Vec<_>>();
    assert_eq!(ids(), ["c"]);
    // Another run had looked at everybody before.
    store.propose_matches(&pairs, &[], &suppression, Moment(START + 9)).unwrap();
    assert_eq!(ids(), ["c"]);
    // Whoever comes later is somebody new.
    store.propose_matches(&pairs, &[], &suppression, Moment(START + 11)).unwrap();
    assert_eq!(ids(), ["a", "b", "c"]);
}
