//! The model: how likely each level of agreement is, for records of one person and for those of two.
//!
//! Fellegi and Sunter (1969): a pair's weight is the sum over its fields of log2(m/u), where m is the probability of the
//! level among records of one person and u among strangers, and the log2 odds that any pair is a match. Two things are
//! added, because fields are not independent and values not equally frequent:
//!
//! - Pairs of two people who agree on much all the same: those of one household share name, address and phone, but not
//!   what is a person's own; namesakes share their names and what is made of them. How likely their levels are is learnt
//!   like m. What they explain better than a match counts against a match: the weight is log2(M / (U + H + N)).
//! - Term frequencies: agreeing on a rare value says more. An equal value v has m/f(v) in place of m/u.

use crate::compare::{Pattern, UNKNOWN, highest, levels};
use crate::records::Records;

/// What was learnt.
#[derive(Clone, Debug, Default)]
pub struct Model {
    pub(crate) fields: Vec<FieldModel>,
    /// How likely any two records are of one person.
    pub(crate) matches: f64,
    /// Pairs of two people who agree on much.
    pub(crate) alike: Vec<Alike>,
}

/// One kind of pairs of two people who agree on much.
#[derive(Clone, Debug)]
pub(crate) struct Alike {
    /// How likely any two records are such a pair.
    pub share: f64,
    /// By field, the probabilities of its levels, from the lowest.
    pub fields: Vec<Vec<f64>>,
}

/// The probabilities of a field's levels, from the lowest.
#[derive(Clone, Debug)]
pub(crate) struct FieldModel {
    pub m: Vec<f64>,
    pub u: Vec<f64>,
}

/// What a pair's agreement amounts to.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    /// That both are the same person; 0 to 1.
    pub probability: f64,
    /// The same as log2 of the odds.
    pub weight: f64,
}

/// Where a weight comes from: a waterfall whose steps add up to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// Before anything is compared.
    pub prior: f64,
    /// By field: what its level is called, and the weight of it; 0 where a value is not known.
    pub fields: Vec<(&'static str, f64)>,
    /// Taken off because two people who are alike, of one household or of one name, explain the same; 0 or less.
    pub alike: f64,
}

impl Model {
    /// How likely a pair is one person.
    pub(crate) fn score(&self, records: &Records, a: usize, pattern: Pattern) -> Score {
        let explanation = self.explain(records, a, pattern);
        let weight =
            explanation.prior + explanation.alike + explanation.fields.iter().map(|(_, weight)| weight).sum::<f64>();
        Score { probability: 1.0 / (1.0 + (-weight).exp2()), weight }
    }

    pub(crate) fn explain(&self, records: &Records, a: usize, pattern: Pattern) -> Explanation {
        let strangers = self.strangers();
        let mut alike: Vec<f64> = self.alike.iter().map(|it| it.share / strangers).collect();
        let steps = self.fields.iter().zip(&records.fields).enumerate().map(|(number, (model, field))| {
            let level = pattern.level(number);
            if level == UNKNOWN {
                return ("unknown", 0.0);
            }
            let frequency = (level == highest(field.comparison)).then(|| field.frequency(field.of[a]));
            let (level, u) = (usize::from(level), model.u[usize::from(level)]);
            for (odds, kind) in alike.iter_mut().zip(&self.alike) {
                *odds *= times_likelier(kind.fields[number][level], u, frequency);
            }
            (levels(field.comparison)[level], times_likelier(model.m[level], u, frequency).log2())
        });
        let fields = steps.collect();
        let alike = -(1.0 + alike.iter().sum::<f64>()).log2();
        Explanation { prior: (self.matches / strangers).log2(), fields, alike }
    }

    /// How likely any two records are of two people who have nothing to do with each other.
    pub(crate) fn strangers(&self) -> f64 {
        let others: f64 = self.alike.iter().map(|it| it.share).sum();
        (1.0 - self.matches - others).max(f64::MIN_POSITIVE)
    }
}

/// How many times likelier a level is than among strangers, where it has the probabilities `p` and `u`. Where both have the
/// same value, with its frequency: whoever shares a field has that value with the frequency f, two strangers meet in it
/// with f²; those who agree by chance are strangers in that field.
fn times_likelier(p: f64, u: f64, frequency: Option<f64>) -> f64 {
    let Some(frequency) = frequency else { return p / u };
    let shared = ((p - u) / (1.0 - u)).max(0.0);
    shared / frequency + (1.0 - shared) * p.min(u) / u
}
