//! From linked pairs to people.
//!
//! Links are taken from the surest on. Two clusters become one when that is likelier than not over all pairs between them:
//! the mean weight of those pairs is above zero. So one sure link does not chain together two people of whom everything
//! else says that they are two, as plain transitive closure would.

use crate::limits;
use crate::{Link, Score};

/// Weights count no further than this in a mean: nothing is surer than one in a thousand.
const SUREST: f64 = 10.0;

/// Clusters of `count` records: by record, the number of the first record of its cluster. `score` is asked of pairs between
/// clusters; `links` must be sorted from the surest on.
pub(crate) fn clusters(count: usize, links: &[Link], score: impl Fn(u32, u32) -> Score) -> Vec<u32> {
    let mut of: Vec<u32> = (0..count as u32).collect();
    let mut members: Vec<Vec<u32>> = (0..count as u32).map(|record| vec![record]).collect();
    for link in links {
        let (one, other) = (of[link.left as usize] as usize, of[link.right as usize] as usize);
        if one == other || members[one].len() + members[other].len() > limits::MAX_CLUSTER {
            continue;
        }
        let pairs = members[one].iter().flat_map(|a| members[other].iter().map(move |b| (*a, *b)));
        let weights = pairs.map(|(a, b)| score(a.min(b), a.max(b)).weight.clamp(-SUREST, SUREST));
        let (sum, number) = weights.fold((0.0, 0_u32), |(sum, number), weight| (sum + weight, number + 1));
        if sum / f64::from(number.max(1)) <= 0.0 {
            continue;
        }
        let (kept, gone) = (one.min(other), one.max(other));
        let moved = std::mem::take(&mut members[gone]);
        moved.iter().for_each(|record| of[*record as usize] = kept as u32);
        members[kept].extend(moved);
    }
    of
}

/// The links of which each record has no more than one: the surest. `links` must be sorted from the surest on.
pub(crate) fn one_to_one(count: usize, links: Vec<Link>) -> Vec<Link> {
    let mut taken = vec![false; count];
    links
        .into_iter()
        .filter(|link| {
            let ends = [link.left as usize, link.right as usize];
            let is_free = ends.iter().all(|end| !taken[*end]);
            if is_free {
                ends.iter().for_each(|end| taken[*end] = true);
            }
            is_free
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(left: u32, right: u32, weight: f64) -> Link {
        Link { left, right, score: Score { probability: 1.0 / (1.0 + (-weight).exp2()), weight } }
    }

    #[test]
    fn a_record_that_fits_two_people_does_not_join_them() {
        // 0 and 1 are sure, 1 and 2 are likely, 0 and 2 are certainly not.
        let links = [link(0, 1, 9.0), link(1, 2, 5.0)];
        let score = |a, b| link(a, b, if (a, b) == (0, 2) { -20.0 } else { 5.0 }).score;
        assert_eq!(clusters(3, &links, score), [0, 0, 2]);
    }

    #[test]
    fn a_chain_of_records_that_do_not_contradict_is_one_person() {
        let links = [link(0, 1, 9.0), link(1, 2, 5.0)];
        assert_eq!(
            clusters(4, &links, |a, b| link(a, b, if (a, b) == (0, 2) { -3.0 } else { 5.0 }).score),
            [0, 0, 0, 3]
        );
    }

    #[test]
    fn one_to_one_keeps_the_surest() {
        let links = vec![link(0, 3, 9.0), link(0, 4, 8.0), link(1, 3, 7.0), link(1, 4, 6.0)];
        let kept: Vec<(u32, u32)> = one_to_one(5, links).iter().map(|it| (it.left, it.right)).collect();
        assert_eq!(kept, [(0, 3), (1, 4)]);
    }
}
