//! The smallest set of conditions that decides a rule.
//!
//! A rule's conditions are the comparisons, `did`, `sequence` and other yes-or-no parts that `and`, `or`, `not` and `if`
//! put together, also through other segments; equal ones are one. They are taken as independent of each other.
//!
//! - [`to_flip`]: the fewest conditions that, were exactly they the other way round, would turn the rule.
//! - [`to_keep`]: the fewest conditions that, as long as they stay as they are, keep the rule's value, whatever the
//!   others become.
//!
//! Of sets of one size the one whose conditions stand first in the rule is taken. Where each condition stands in the rule
//! once, both are found from the inside out. Where some stand in it more than once, all sets are tried in order of size,
//! up to [`limits::EXHAUSTIVE_CONDITIONS`] conditions; beyond that what is given decides, but a smaller set might.

use crate::limits;

/// A rule as logic over conditions, which are numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Formula {
    Constant(bool),
    Condition(usize),
    Not(Box<Self>),
    All(Vec<Self>),
    Any(Vec<Self>),
    /// Condition, then, otherwise.
    If(Box<[Self; 3]>),
}

/// A set of conditions, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    pub conditions: Vec<usize>,
    /// It is known that no smaller one would do.
    pub smallest: bool,
}

/// The fewest conditions to turn; `None` when no set turns the formula, or none was found.
pub(super) fn to_flip(formula: &Formula, values: &[bool]) -> Option<Choice> {
    let target = !formula.value(values);
    let conditions = formula.conditions();
    let turns = |set: &[usize]| {
        let mut other = values.to_vec();
        set.iter().for_each(|condition| other[*condition] = !other[*condition]);
        formula.value(&other) == target
    };
    if !conditions.repeat {
        return formula.flips(values, target).map(|conditions| Choice { conditions, smallest: true });
    }
    if conditions.different.len() <= limits::EXHAUSTIVE_CONDITIONS {
        return smallest(&conditions.different, turns).map(|conditions| Choice { conditions, smallest: true });
    }
    let mut proposed = formula.flips(values, target).filter(|set| turns(set))?;
    let mut place = 0;
    while place < proposed.len() {
        let mut fewer = proposed.clone();
        fewer.remove(place);
        if turns(&fewer) {
            proposed = fewer;
        } else {
            place += 1;
        }
    }
    Some(Choice { conditions: proposed, smallest: false })
}

/// The fewest conditions to hold on to.
pub(super) fn to_keep(formula: &Formula, values: &[bool]) -> Choice {
    let conditions = formula.conditions();
    if conditions.repeat && conditions.different.len() <= limits::EXHAUSTIVE_CONDITIONS {
        let value = formula.value(values);
        let keeps = |set: &[usize]| {
            let free: Vec<usize> = conditions.different.iter().copied().filter(|it| !set.contains(it)).collect();
            (0..1_usize << free.len()).all(|bits| {
                let mut other = values.to_vec();
                free.iter().enumerate().for_each(|(place, condition)| other[*condition] = bits >> place & 1 == 1);
                formula.value(&other) == value
            })
        };
        if let Some(conditions) = smallest(&conditions.different, keeps) {
            return Choice { conditions, smallest: true };
        }
    }
    Choice { conditions: formula.keeps(values), smallest: !conditions.repeat }
}

struct Conditions {
    /// Each once, in order.
    different: Vec<usize>,
    /// Whether one stands in the formula more than once.
    repeat: bool,
}

impl Formula {
    pub fn value(&self, values: &[bool]) -> bool {
        match self {
            Self::Constant(value) => *value,
            Self::Condition(condition) => values[*condition],
            Self::Not(inner) => !inner.value(values),
            Self::All(parts) => parts.iter().all(|part| part.value(values)),
            Self::Any(parts) => parts.iter().any(|part| part.value(values)),
            Self::If(parts) => {
                let [condition, then, otherwise] = &**parts;
                if condition.value(values) { then.value(values) } else { otherwise.value(values) }
            }
        }
    }

    fn conditions(&self) -> Conditions {
        let mut all = Vec::new();
        self.collect(&mut all);
        let mut different = all.clone();
        different.sort_unstable();
        different.dedup();
        Conditions { repeat: different.len() < all.len(), different }
    }

    fn collect(&self, found: &mut Vec<usize>) {
        match self {
            Self::Constant(_) => {}
            Self::Condition(condition) => found.push(*condition),
            Self::Not(inner) => inner.collect(found),
            Self::All(parts) | Self::Any(parts) => parts.iter().for_each(|part| part.collect(found)),
            Self::If(parts) => parts.iter().for_each(|part| part.collect(found)),
        }
    }

    /// The fewest conditions to turn so that the value is `target`; exact where each stands here once.
    fn flips(&self, values: &[bool], target: bool) -> Option<Vec<usize>> {
        match self {
            Self::Constant(value) => (*value == target).then(Vec::new),
            Self::Condition(condition) => {
                Some(if values[*condition] == target { Vec::new() } else { vec![*condition] })
            }
            Self::Not(inner) => inner.flips(values, !target),
            Self::All(parts) | Self::Any(parts) => {
                // All of `and` must hold, one of `or` is enough; and the other way round for what must not hold.
                if matches!(self, Self::All(_)) == target {
                    let sets: Option<Vec<_>> = parts.iter().map(|part| part.flips(values, target)).collect();
                    sets.map(union)
                } else {
                    fewest(parts.iter().filter_map(|part| part.flips(values, target)))
                }
            }
            Self::If(parts) => {
                let [condition, then, otherwise] = &**parts;
                let by = |holds: bool, branch: &Self| {
                    Some(union(vec![condition.flips(values, holds)?, branch.flips(values, target)?]))
                };
                fewest([by(true, then), by(false, otherwise)].into_iter().flatten())
            }
        }
    }

    /// The fewest conditions that keep the value; exact where each stands here once.
    fn keeps(&self, values: &[bool]) -> Vec<usize> {
        let value = self.value(values);
        match self {
            Self::Constant(_) => Vec::new(),
            Self::Condition(condition) => vec![*condition],
            Self::Not(inner) => inner.keeps(values),
            Self::All(parts) | Self::Any(parts) => {
                if matches!(self, Self::All(_)) == value {
                    union(parts.iter().map(|part| part.keeps(values)).collect())
                } else {
                    let alike = parts.iter().filter(|part| part.value(values) == value);
                    fewest(alike.map(|part| part.keeps(values))).unwrap_or_default()
                }
            }
            Self::If(parts) => {
                let [condition, then, otherwise] = &**parts;
                let taken = if condition.value(values) { then } else { otherwise };
                let by_condition = union(vec![condition.keeps(values), taken.keeps(values)]);
                let both_alike = then.value(values) == value && otherwise.value(values) == value;
                let by_both = both_alike.then(|| union(vec![then.keeps(values), otherwise.keeps(values)]));
                fewest([Some(by_condition), by_both].into_iter().flatten()).unwrap_or_default()
            }
        }
    }
}

fn union(sets: Vec<Vec<usize>>) -> Vec<usize> {
    let mut all = sets.concat();
    all.sort_unstable();
    all.dedup();
    all
}

fn fewest(sets: impl Iterator<Item = Vec<usize>>) -> Option<Vec<usize>> {
    sets.min_by(|a, b| a.len().cmp(&b.len()).then_with(|| a.cmp(b)))
}

/// The smallest subset of `all` that `will_do`, the first of its size.
fn smallest(all: &[usize], will_do: impl Fn(&[usize]) -> bool) -> Option<Vec<usize>> {
    let subset = |bits: usize| -> Vec<usize> {
        let numbered = all.iter().enumerate();
        numbered.filter(|(place, _)| bits >> place & 1 == 1).map(|(_, condition)| *condition).collect()
    };
    let mut subsets: Vec<Vec<usize>> = (0..1_usize << all.len()).map(subset).collect();
    subsets.sort_by(|a, b| a.len().cmp(&b.len()).then_with(|| a.cmp(b)));
    subsets.into_iter().find(|set| will_do(set))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CONDITIONS: usize = 5;

    fn formula() -> impl Strategy<Value = Formula> {
        let leaf = prop_oneof![
            8 => (0..CONDITIONS).prop_map(Formula::Condition),
            1 => any::<bool>().prop_map(Formula::Constant),
        ];
        leaf.prop_recursive(4, 16, 3, |inner| {
            prop_oneof![
                inner.clone().prop_map(|it| Formula::Not(Box::new(it))),
                prop::collection::vec(inner.clone(), 1..4).prop_map(Formula::All),
                prop::collection::vec(inner.clone(), 1..4).prop_map(Formula::Any),
                [inner.clone(), inner.clone(), inner].prop_map(|it| Formula::If(Box::new(it))),
            ]
        })
    }

    /// The same shape with a condition of its own at each place.
    fn without_repeats(formula: &Formula, next: &mut usize) -> Formula {
        let mut each = |parts: &[Formula]| parts.iter().map(|it| without_repeats(it, next)).collect::<Vec<_>>();
        match formula {
            Formula::Constant(value) => Formula::Constant(*value),
            Formula::Condition(_) => {
                *next += 1;
                Formula::Condition(*next - 1)
            }
            Formula::Not(inner) => Formula::Not(Box::new(without_repeats(inner, next))),
            Formula::All(parts) => Formula::All(each(parts)),
            Formula::Any(parts) => Formula::Any(each(parts)),
            Formula::If(parts) => {
                let [a, b, c] = &**parts;
                let a = without_repeats(a, next);
                let b = without_repeats(b, next);
                Formula::If(Box::new([a, b, without_repeats(c, next)]))
            }
        }
    }

    fn sets(count: usize) -> impl Iterator<Item = Vec<usize>> {
        (0..1_usize << count).map(move |bits| (0..count).filter(|place| bits >> place & 1 == 1).collect())
    }

    fn turned(values: &[bool], set: &[usize]) -> Vec<bool> {
        (0..values.len()).map(|place| values[place] != set.contains(&place)).collect()
    }

    /// Everything that could be asked of a choice, by trying all sets.
    fn judge(formula: &Formula, values: &[bool]) -> Result<(), TestCaseError> {
        let count = values.len();
        let value = formula.value(values);
        let flips = |set: &Vec<usize>| formula.value(&turned(values, set)) != value;
        let fewest = sets(count).filter(flips).map(|set| set.len()).min();
        let found = to_flip(formula, values);
        prop_assert_eq!(found.as_ref().map(|it| it.conditions.len()), fewest);
        if let Some(found) = found {
            prop_assert!(flips(&found.conditions) && found.smallest);
        }
        let keeps = |set: &Vec<usize>| {
            let free: Vec<usize> = (0..count).filter(|place| !set.contains(place)).collect();
            sets(free.len()).all(|chosen| {
                let chosen: Vec<usize> = chosen.into_iter().map(|place| free[place]).collect();
                formula.value(&turned(values, &chosen)) == value
            })
        };
        let fewest = sets(count).filter(keeps).map(|set| set.len()).min().unwrap();
        let found = to_keep(formula, values);
        prop_assert!(keeps(&found.conditions) && found.smallest, "{:?}", found);
        prop_assert_eq!(found.conditions.len(), fewest, "{:?}", found);
        Ok(())
    }

    proptest! {
        #[test]
        fn no_smaller_set_decides(formula in formula(), values in prop::collection::vec(any::<bool>(), CONDITIONS)) {
            judge(&formula, &values)?;
        }

        /// The way from the inside out, which long rules take.
        #[test]
        fn nor_where_every_condition_stands_once(formula in formula(), values in prop::collection::vec(any::<bool>(), 64)) {
            let mut count = 0;
            let formula = without_repeats(&formula, &mut count);
            prop_assume!(count <= 10);
            judge(&formula, &values[..count])?;
        }

        /// Where all sets are too many, what is given still decides.
        #[test]
        fn what_is_given_decides(formula in formula(), values in prop::collection::vec(any::<bool>(), CONDITIONS + 12)) {
            let more = (CONDITIONS..CONDITIONS + 12).map(Formula::Condition).collect();
            let formula = Formula::Any(vec![formula.clone(), Formula::All(vec![formula, Formula::All(more)])]);
            let value = formula.value(&values);
            if let Some(found) = to_flip(&formula, &values) {
                prop_assert_ne!(formula.value(&turned(&values, &found.conditions)), value);
                for left_out in 0..found.conditions.len() {
                    let mut fewer = found.conditions.clone();
                    fewer.remove(left_out);
                    prop_assert_eq!(formula.value(&turned(&values, &fewer)), value, "one of {:?} is idle", found);
                }
            }
            let kept = to_keep(&formula, &values);
            for others in sets(8) {
                let free: Vec<usize> = (0..values.len()).filter(|it| !kept.conditions.contains(it)).collect();
                let others: Vec<usize> = others.into_iter().filter_map(|place| free.get(place * 2).copied()).collect();
                prop_assert_eq!(formula.value(&turned(&values, &others)), value);
            }
        }
    }
}
