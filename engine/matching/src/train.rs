//! Learning the model, without labels or with a few.
//!
//! u comes from random pairs, which are strangers but for a few in a million; how often strangers have an equal value
//! follows from the values' frequencies exactly. m, h and how many matches and households there are come from
//! expectation-maximisation (Winkler 1988) over all proposed pairs at once, counted by pattern: pairs that no rule
//! proposes are taken for strangers, so that shares are of all pairs, not of the proposed ones, and no rule bends what is
//! learnt of its own fields.
//!
//! What is known of pairs is certain: those that are one person are one record by now, and count as if they were still two, so
//! that what is likely does not become less so because others were linked; those that are two people are no match in any round.

use crate::compare::{Level, Pattern, UNKNOWN, highest, levels};
use crate::label::Labels;
use crate::limits;
use crate::model::{Alike, FieldModel, Model};
use crate::records::Records;
use crate::work::Workers;
use sonder_dsl::model::Comparison;

/// Pairs that each level is taken to have been seen in before any was, as it was guessed.
const GUESSED_PAIRS: f64 = 4.0;

/// Of a household, so many in a hundred agree also on what is each one's own: twins, a father and his son. Namesakes do so
/// by chance only.
const TWINS: f64 = 0.02;

/// Fewer pairs who are alike for a pair of one person than this, and there are none: they are matches that went wrong in
/// just those fields.
const FEWEST: f64 = 0.01;

/// Who agrees on a name so much less than matches do, has it by chance.
const BY_CHANCE: f64 = 0.3;

/// What is learnt from: how many of the proposed pairs have each pattern, and what was decided.
#[derive(Clone, Copy)]
struct Seen<'s> {
    patterns: &'s [(Pattern, u64)],
    labels: &'s Labels,
}

/// A kind of pairs who are alike.
struct Kind {
    /// By field: whether it is each one's own, so that they agree on it by chance only …
    own: Vec<bool>,
    /// … but for so many, who agree like one person.
    twins: f64,
}

/// Learns from the patterns of the proposed pairs, with how many have each.
pub(crate) fn train(
    records: &Records,
    patterns: &[(Pattern, u64)],
    labels: &Labels,
    seed: u64,
    workers: Workers,
) -> Model {
    let us = strangers(records, seed, workers);
    let seen = Seen { patterns, labels };
    let comparisons: Vec<Comparison> = records.fields.iter().map(|field| field.comparison).collect();
    let mut kinds = vec![household(&comparisons), namesakes(&comparisons)];
    let mut model = learn(records, &us, seen, &kinds);
    if !differ_in_a_name(&model, &comparisons) {
        kinds.remove(0);
        model = learn(records, &us, seen, &kinds);
    }
    // Without those that are too few, from the fewest on.
    while let Some((place, fewest)) = fewest(&model)
        && fewest < FEWEST * model.matches
    {
        kinds.remove(place);
        model = learn(records, &us, seen, &kinds);
    }
    model
}

fn fewest(model: &Model) -> Option<(usize, f64)> {
    let shares = model.alike.iter().map(|it| it.share).enumerate();
    shares.min_by(|(_, one), (_, other)| one.total_cmp(other))
}

/// What is each one's own in a household: when they were born and their mail. Which of the names, is learnt.
fn household(comparisons: &[Comparison]) -> Kind {
    let own = comparisons.iter().map(|it| matches!(it, Comparison::Date | Comparison::Email));
    Kind { own: own.collect(), twins: TWINS }
}

/// And among namesakes: all but names, and mail, that is often made of them.
fn namesakes(comparisons: &[Comparison]) -> Kind {
    let own = comparisons.iter().map(|it| !matches!(it, Comparison::Name | Comparison::Email));
    Kind { own: own.collect(), twins: 0.0 }
}

/// Whether those that the first kind explains are people of one household, who have a name each. Otherwise they are matches
/// whose date went wrong.
fn differ_in_a_name(model: &Model, comparisons: &[Comparison]) -> bool {
    let Some(household) = model.alike.first() else { return false };
    let mut names =
        comparisons.iter().zip(&model.fields).zip(&household.fields).filter(|((it, _), _)| **it == Comparison::Name);
    let is_own = |m: &FieldModel, h: &[f64]| {
        let top = h.len() - 1;
        h[top] - m.u[top] < BY_CHANCE * (m.m[top] - m.u[top])
    };
    !comparisons.contains(&Comparison::Name) || names.any(|((_, field), h)| is_own(field, h))
}

fn learn(records: &Records, us: &[Vec<f64>], seen: Seen<'_>, kinds: &[Kind]) -> Model {
    let all = records.pairs().max(1.0);
    // As if half of all records were there twice.
    let share = (1.0 / records.len().max(2) as f64).min(0.1);
    let guesses: Vec<FieldModel> = us.iter().map(|u| guess(u.clone())).collect();
    let alike = kinds.iter().map(|_| Alike { share, fields: guesses.iter().map(|it| it.m.clone()).collect() });
    let mut model = Model { alike: alike.collect(), fields: guesses.clone(), matches: share };
    for _ in 0..limits::MAX_ROUNDS {
        let next = Round::of(&model, seen).follows(&guesses, kinds, all);
        let moved = distance(&model, &next);
        model = next;
        if moved < limits::CONVERGED {
            break;
        }
    }
    model
}

/// What a round expects: of matches, then of each kind that is alike, how many pairs there are and how many have each level.
struct Round {
    pairs: Vec<f64>,
    levels: Vec<Vec<[f64; 8]>>,
}

impl Round {
    /// How likely each pattern is of each kind.
    fn of(model: &Model, seen: Seen<'_>) -> Self {
        let strangers = model.strangers();
        let matches = model.fields.iter().map(|it| &it.m).collect::<Vec<_>>();
        let kinds = [(model.matches, matches)]
            .into_iter()
            .chain(model.alike.iter().map(|it| (it.share, it.fields.iter().collect())))
            .map(|(share, fields)| {
                let ratios = fields.iter().zip(&model.fields).map(|(p, field)| {
                    let mut ratios = [1.0; 16];
                    p.iter().zip(&field.u).zip(&mut ratios).for_each(|((p, u), ratio)| *ratio = p / u);
                    ratios
                });
                (share / strangers, ratios.collect::<Vec<[f64; 16]>>())
            })
            .collect::<Vec<_>>();
        let mut round =
            Self { pairs: vec![0.0; kinds.len()], levels: vec![vec![[0.0; 8]; model.fields.len()]; kinds.len()] };
        let mut odds = vec![0.0; kinds.len()];
        for (pattern, count) in seen.patterns {
            for (odds, (share, ratios)) in odds.iter_mut().zip(&kinds) {
                *odds = share * levels_of(model, *pattern).zip(ratios).map(|(level, it)| it[level]).product::<f64>();
            }
            let two = seen.labels.others(*pattern).min(*count);
            let (open, two) = ((*count - two) as f64, two as f64);
            // Where it is known to be no match, it is one of the others, or of strangers.
            let others = 1.0 + odds.iter().skip(1).sum::<f64>();
            let all = others + odds.first().copied().unwrap_or(0.0);
            for (kind, odds) in odds.iter().enumerate() {
                let expected = open * odds / all + if kind > 0 { two * odds / others } else { 0.0 };
                round.pairs[kind] += expected;
                round.add(model, kind, *pattern, expected);
            }
        }
        for (pattern, count) in &seen.labels.matches {
            round.pairs[0] += *count as f64;
            round.add(model, 0, *pattern, *count as f64);
        }
        round
    }

    /// Takes in that so many pairs of a kind have a pattern.
    fn add(&mut self, model: &Model, kind: usize, pattern: Pattern, pairs: f64) {
        for (level, sums) in levels_of(model, pattern).zip(&mut self.levels[kind]) {
            if let Some(sum) = sums.get_mut(level) {
                *sum += pairs;
            }
        }
    }

    /// The parameters that follow.
    fn follows(&self, guesses: &[FieldModel], kinds: &[Kind], all: f64) -> Model {
        let shares = |kind: usize, field: usize| -> Vec<f64> {
            let guess = guesses[field].m.iter().zip(self.levels[kind][field]);
            let counts: Vec<f64> = guess.map(|(guess, count)| guess * GUESSED_PAIRS + count).collect();
            let sum: f64 = counts.iter().sum();
            counts.iter().map(|count| count / sum).collect()
        };
        let fields: Vec<FieldModel> = guesses
            .iter()
            .enumerate()
            .map(|(field, guess)| FieldModel { m: shares(0, field), u: guess.u.clone() })
            .collect();
        let alike = kinds.iter().enumerate().map(|(number, kind)| Alike {
            share: (self.pairs[number + 1] / all).min(0.4),
            fields: kind
                .own
                .iter()
                .zip(&fields)
                .enumerate()
                .map(|(field, (is_own, model))| match is_own {
                    true => {
                        model.m.iter().zip(&model.u).map(|(m, u)| kind.twins * m + (1.0 - kind.twins) * u).collect()
                    }
                    false => shares(number + 1, field),
                })
                .collect(),
        });
        Model { alike: alike.collect(), fields, matches: (self.pairs[0] / all).clamp(1e-12, 0.5) }
    }
}

fn levels_of(model: &Model, pattern: Pattern) -> impl Iterator<Item = usize> {
    (0..model.fields.len()).map(move |field| usize::from(pattern.level(field)))
}

fn distance(a: &Model, b: &Model) -> f64 {
    let fields = a.fields.iter().zip(&b.fields).flat_map(|(a, b)| a.m.iter().zip(&b.m));
    fields.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

/// Before anything was seen, who agrees agrees on most.
fn guess(u: Vec<f64>) -> FieldModel {
    let top = u.len() - 1;
    let m = (0..=top).map(|level| if level == top { 0.85 } else { 0.15 / top as f64 }).collect();
    FieldModel { m, u }
}

/// How often strangers reach each level, by field.
fn strangers(records: &Records, seed: u64, workers: Workers) -> Vec<Vec<f64>> {
    let sampled = sample(records, seed);
    let patterns = workers.patterns(records, &sampled);
    let fields = records.fields.iter().enumerate();
    fields
        .map(|(number, field)| {
            of_strangers(field.comparison, number, &patterns, field.chance_of_equal(records.second().is_some()))
        })
        .collect()
}

fn of_strangers(comparison: Comparison, number: usize, patterns: &[(Pattern, u64)], equal: f64) -> Vec<f64> {
    let top: Level = highest(comparison);
    // A level that no sampled pair has is still possible.
    let mut counts = vec![0.5; levels(comparison).len()];
    for (pattern, count) in patterns {
        let level = pattern.level(number);
        if level != UNKNOWN && level != top {
            counts[usize::from(level)] += *count as f64;
        }
    }
    let below: f64 = counts[..usize::from(top)].iter().sum();
    let equal = equal.clamp(1e-9, 0.999);
    let mut shares: Vec<f64> = counts.iter().map(|count| count / below * (1.0 - equal)).collect();
    shares[usize::from(top)] = equal;
    shares
}

/// Random pairs, the same for the same seed.
fn sample(records: &Records, seed: u64) -> Vec<(u32, u32)> {
    let len = records.len() as u64;
    let mut chance = Chance(seed);
    let wanted = limits::SAMPLED_PAIRS.min(len * len / 2);
    let mut below = |bound: u64| (chance.next() % bound.max(1)) as u32;
    let pairs = (0..wanted).map(|_| match records.second() {
        Some(second) => (below(second as u64), second as u32 + below(len - second as u64)),
        None => (below(len), below(len)),
    });
    pairs.filter(|(a, b)| a != b).collect()
}

/// Splitmix64.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
