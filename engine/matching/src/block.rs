//! Blocking: which pairs are worth comparing. The pairs that any of several rules proposes, each once.
//!
//! A project's rules say which fields must be equal. Where it has none, the data proposes: keys of each field (the value,
//! how it sounds, the year and month of a date …) and pairs of keys, those first that propose fewest pairs, as long as
//! there is room. Two records of one person that agree on no two keys are not found; with half a dozen fields they are
//! less than one in a thousand.

use crate::records::{NOTHING, Records};
use crate::{MatchError, limits};
use rustc_hash::FxHasher;
use sonder_dsl::model::Comparison;
use std::hash::{Hash, Hasher};

/// A pair of records, the first below the second.
pub type Pair = (u32, u32);

/// What a rule did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockingRule {
    /// The keys that must be equal.
    pub name: String,
    /// How many pairs it proposes by itself.
    pub pairs: u64,
}

/// A record's key in one rule; `None` where it has none.
type Keys = Vec<Option<u64>>;

/// The pairs of a project's rules.
pub(crate) fn by_rules(records: &Records, rules: &[Vec<String>]) -> Result<(Vec<Pair>, Vec<BlockingRule>), MatchError> {
    let mut chosen = Vec::new();
    let mut all = 0;
    for rule in rules {
        let fields = rule.iter().map(|name| records.fields.iter().position(|field| field.name == *name));
        let Some(fields) = fields.collect::<Option<Vec<usize>>>() else { continue };
        let keys = fields.iter().map(|field| exact(records, *field)).reduce(|a, b| both(&a, &b)).unwrap_or_default();
        let name = rule.join(" + ");
        let pairs = pairs_of(records, &keys, u64::MAX);
        all += pairs;
        if all > limits::MAX_PAIRS {
            return Err(MatchError::Pairs { rule: name, pairs });
        }
        chosen.push((keys, BlockingRule { name, pairs }));
    }
    Ok(propose(records, chosen, u64::MAX))
}

/// The pairs that the data proposes.
pub(crate) fn by_data(records: &Records) -> (Vec<Pair>, Vec<BlockingRule>) {
    let budget = (records.len() as u64 * limits::AUTOMATIC_PAIRS_A_RECORD).min(limits::MAX_AUTOMATIC_PAIRS);
    let single: Vec<(usize, String, Keys)> = (0..records.fields.len()).flat_map(|it| keys(records, it)).collect();
    let mut candidates: Vec<(Keys, BlockingRule)> = Vec::new();
    let mut add = |keys: Keys, name: String| {
        let pairs = pairs_of(records, &keys, limits::MAX_AUTOMATIC_BLOCK);
        if pairs > 0 && pairs <= budget / 4 {
            candidates.push((keys, BlockingRule { name, pairs }));
        }
    };
    for (index, (field, name, one)) in single.iter().enumerate() {
        for (other_field, other_name, other) in &single[index + 1..] {
            if field != other_field {
                add(both(one, other), format!("{name} + {other_name}"));
            }
        }
    }
    for (_, name, keys) in single {
        add(keys, name);
    }
    candidates.sort_by(|(_, a), (_, b)| (a.pairs, &a.name).cmp(&(b.pairs, &b.name)));
    let mut left = budget;
    candidates.retain(|(_, rule)| {
        let fits = rule.pairs <= left;
        left -= if fits { rule.pairs } else { 0 };
        fits
    });
    propose(records, candidates, limits::MAX_AUTOMATIC_BLOCK)
}

/// The keys of a field.
fn keys(records: &Records, number: usize) -> Vec<(usize, String, Keys)> {
    let field = &records.fields[number];
    let key = |what: &str, of: &dyn Fn(&crate::value::Value) -> Option<String>| {
        let by_value: Vec<Option<u64>> = field.values.iter().map(|value| of(value).map(|key| hash(&key))).collect();
        let keys = field.of.iter().map(|id| by_value.get(*id as usize).copied().flatten()).collect();
        (number, format!("{}{what}", field.name), keys)
    };
    let mut keys = vec![(number, field.name.clone(), exact(records, number))];
    match field.comparison {
        Comparison::Name => {
            keys.push(key(" (sound)", &|it| Some(it.sound.to_string()).filter(|sound| !sound.is_empty())));
            keys.push(key(" (first three letters)", &|it| Some(it.text.chars().take(3).collect())));
        }
        Comparison::Date => {
            keys.push(key(" (year and month)", &|it| it.day.map(|day| format!("{}-{}", day.year, day.month))));
            keys.push(key(" (month and day)", &|it| it.day.map(|day| format!("{}-{}", day.month, day.day))));
            keys.push(key(" (year and day)", &|it| it.day.map(|day| format!("{}-{}", day.year, day.day))));
        }
        Comparison::Email => {
            keys.push(key(" (local part)", &|it| it.text.split_once('@').map(|(local, _)| local.to_owned())));
        }
        Comparison::Address | Comparison::Text => {
            keys.push(key(" (first six letters)", &|it| Some(it.text.chars().take(6).collect())));
        }
        Comparison::Exact | Comparison::Phone | Comparison::Postcode | Comparison::Number => {}
    }
    keys
}

fn exact(records: &Records, field: usize) -> Keys {
    records.fields[field].of.iter().map(|id| (*id != NOTHING).then(|| hash(id))).collect()
}

fn both(a: &Keys, b: &Keys) -> Keys {
    a.iter().zip(b).map(|pair| Some(hash(&(pair.0.as_ref()?, pair.1.as_ref()?)))).collect()
}

fn hash(key: &(impl Hash + ?Sized)) -> u64 {
    let mut hasher = FxHasher::default();
    key.hash(&mut hasher);
    hasher.finish()
}

/// The records of each block, by key.
fn sorted(keys: &Keys) -> Vec<(u64, u32)> {
    let mut sorted: Vec<(u64, u32)> =
        keys.iter().zip(0..).filter_map(|(key, record)| Some((key.as_ref().copied()?, record))).collect();
    sorted.sort_unstable();
    sorted
}

fn pairs_of(records: &Records, keys: &Keys, largest: u64) -> u64 {
    let sorted = sorted(keys);
    let blocks = sorted.chunk_by(|a, b| a.0 == b.0).filter(|block| block.len() as u64 <= largest);
    blocks.map(|block| pairs_of_block(records, block)).sum()
}

fn pairs_of_block(records: &Records, block: &[(u64, u32)]) -> u64 {
    let all = block.len() as u64;
    match records.second() {
        Some(second) => {
            let first = block.partition_point(|(_, record)| (*record as usize) < second) as u64;
            first * (all - first)
        }
        None => all * all.saturating_sub(1) / 2,
    }
}

fn propose(records: &Records, rules: Vec<(Keys, BlockingRule)>, largest: u64) -> (Vec<Pair>, Vec<BlockingRule>) {
    let mut pairs: Vec<Pair> = Vec::new();
    for (keys, _) in &rules {
        let sorted = sorted(keys);
        for block in sorted.chunk_by(|a, b| a.0 == b.0).filter(|block| block.len() as u64 <= largest) {
            for (index, (_, one)) in block.iter().enumerate() {
                let others = block[index + 1..].iter().map(|(_, other)| *other);
                pairs.extend(
                    others.filter(|other| records.may_match(*one as usize, *other as usize)).map(|other| (*one, other)),
                );
            }
        }
    }
    pairs.sort_unstable();
    pairs.dedup();
    (pairs, rules.into_iter().map(|(_, rule)| rule).collect())
}
