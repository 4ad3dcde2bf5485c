//! Rules of one person with a moment each: since when they are in a segment, when a rule may change by itself.
//!
//! Ten bytes an entry: there are a dozen for each person.

use crate::footprint;
use sonder_dsl::ir::RuleId;
use sonder_dsl::time::Moment;
use thin_vec::ThinVec;

/// A program has no more rules than an entry's number can tell apart.
const _: () = assert!(sonder_dsl::limits::RULES <= 1 << 16);

/// Moments by rule. INVARIANT: sorted by rule, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleTimes {
    entries: ThinVec<Entry>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, packed(2))]
struct Entry {
    rule: u16,
    moment: i64,
}

impl Entry {
    fn new(rule: RuleId, moment: Moment) -> Self {
        Self { rule: rule.0 as u16, moment: moment.0 }
    }

    fn moment(self) -> Moment {
        Moment(self.moment)
    }
}

impl RuleTimes {
    /// The moment of a rule.
    pub fn get(&self, rule: RuleId) -> Option<Moment> {
        self.place(rule).ok().map(|place| self.entries[place].moment())
    }

    /// The same, for rules that rise from call to call: looks from `from` on, and leaves there where the rule would stand.
    pub fn get_after(&self, from: &mut usize, rule: RuleId) -> Option<Moment> {
        self.find(from, rule).then(|| self.entries[*from].moment())
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = (RuleId, Moment)> {
        self.entries.iter().map(|entry| (RuleId(u32::from(entry.rule)), entry.moment()))
    }

    /// The earliest moment; the end of time when there is none.
    pub fn earliest(&self) -> Moment {
        Moment(self.entries.iter().map(|entry| entry.moment).min().unwrap_or(i64::MAX))
    }

    /// Sets the moment of a rule; says what it was.
    pub fn set(&mut self, rule: RuleId, moment: Moment) -> Option<Moment> {
        self.set_after(&mut 0, rule, moment)
    }

    /// The same, for rules that rise from call to call: looks from `from` on, and leaves there where the rule stands.
    pub fn set_after(&mut self, from: &mut usize, rule: RuleId, moment: Moment) -> Option<Moment> {
        let is_there = self.find(from, rule);
        let entry = Entry::new(rule, moment);
        if is_there {
            return Some(std::mem::replace(&mut self.entries[*from], entry).moment());
        }
        self.entries.reserve_exact(1);
        self.entries.insert(*from, entry);
        None
    }

    /// Forgets a rule; says what its moment was. The room stays: what goes comes back as a rule.
    pub fn remove(&mut self, rule: RuleId) -> Option<Moment> {
        self.remove_after(&mut 0, rule)
    }

    /// The same, for rules that rise from call to call.
    pub fn remove_after(&mut self, from: &mut usize, rule: RuleId) -> Option<Moment> {
        self.find(from, rule).then(|| self.entries.remove(*from).moment())
    }

    /// Forgets the rules that `keep` does not hold on to.
    pub fn retain(&mut self, keep: impl Fn(RuleId) -> bool) {
        self.entries.retain(|entry| keep(RuleId(u32::from(entry.rule))));
    }

    /// Bytes on the heap.
    pub fn heap(&self) -> usize {
        footprint::list(&self.entries)
    }

    /// Whether a rule has a moment, looking from `from` on; leaves there where it stands, or would.
    fn find(&self, from: &mut usize, rule: RuleId) -> bool {
        let rest = &self.entries[*from..];
        // Rules that one event touches stand side by side as a rule.
        for (ahead, entry) in rest.iter().take(2).enumerate() {
            if u32::from(entry.rule) >= rule.0 {
                *from += ahead;
                return u32::from(entry.rule) == rule.0;
            }
        }
        let found = rest.binary_search_by(|entry| u32::from(entry.rule).cmp(&rule.0));
        *from += found.unwrap_or_else(|place| place);
        found.is_ok()
    }

    fn place(&self, rule: RuleId) -> Result<usize, usize> {
        self.entries.binary_search_by(|entry| u32::from(entry.rule).cmp(&rule.0))
    }
}

impl FromIterator<(RuleId, Moment)> for RuleTimes {
    /// Of entries in order, each once.
    fn from_iter<I: IntoIterator<Item = (RuleId, Moment)>>(entries: I) -> Self {
        let entries: Vec<Entry> = entries.into_iter().map(|(rule, moment)| Entry::new(rule, moment)).collect();
        let mut exact = ThinVec::with_capacity(entries.len());
        exact.extend(entries);
        Self { entries: exact }
    }
}
