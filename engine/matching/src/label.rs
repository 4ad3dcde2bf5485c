//! What people decided of pairs, as the model learns from it.

use crate::Label;
use crate::compare::{Level, Pattern, levels};
use crate::records::Records;
use std::collections::BTreeMap;

/// Decided pairs, by pattern.
#[derive(Debug, Default)]
pub(crate) struct Labels {
    /// Pairs that are one person: they are one record by now, so that no proposed pair shows what they had in common.
    pub matches: Vec<(Pattern, u64)>,
    /// Pairs that are two people, who are still proposed: so many of those that have the pattern are no matches.
    pub others: BTreeMap<Pattern, u64>,
}

impl Labels {
    pub fn new(records: &Records, labels: &[Label]) -> Self {
        let (mut matches, mut others) = (BTreeMap::new(), BTreeMap::new());
        for label in labels {
            // Of which nothing is compared any more says nothing.
            let Some(pattern) = pattern(records, label) else { continue };
            let counts = if label.is_match { &mut matches } else { &mut others };
            *counts.entry(pattern).or_default() += 1;
        }
        Self { matches: matches.into_iter().collect(), others }
    }

    /// How many of the pairs with a pattern are known to be two people.
    pub fn others(&self, pattern: Pattern) -> u64 {
        self.others.get(&pattern).copied().unwrap_or(0)
    }
}

fn pattern(records: &Records, label: &Label) -> Option<Pattern> {
    let known = records.fields.iter().map(|field| {
        let (_, called) = label.levels.iter().find(|(name, _)| *name == field.name)?;
        let place = levels(field.comparison).iter().position(|level| level == called)?;
        Level::try_from(place).ok()
    });
    let known: Vec<Option<Level>> = known.collect();
    known.iter().any(Option::is_some).then(|| Pattern::of(known.into_iter()))
}
