//! The second evaluator: rules as SQL, one readable statement for any number of them.
//!
//! The statement reads these relations (a store or a test makes them, as tables or views):
//!
//! - `people(person, early)`: everybody, and whether new rules hold for them while they are rolled out, which nothing else asks;
//! - `profile(person, <trait> …)`: the golden record;
//! - `consent(person, purpose, granted, occurred_at, seq)`: every answer that somebody gave to a purpose, as it counted: a yes is
//!   none while an express no stands, or one that binds;
//! - `ev_<event>(person, seq, occurred_at, <property> …, "context.<path>" …)`: one for each event type, holding the
//!   events of the log up to the sequence number in question.
//!
//! It gives `person` and a column for each rule asked for, one row a person. Unknown is NULL; durations are whole
//! microseconds. All aggregates over one event type share one scan; whatever needs a grouping of its own (`per`, `top`,
//! `sequence`) has a common table expression of its own, named after what it is.
//!
//! Nothing here knows a concrete database: what differs between them is a [`Dialect`], one a file.

mod aggregate;
mod consent;
mod dialect;
mod duckdb;
mod expression;
mod funnel;
mod query;
mod sequence;
mod session;

pub use dialect::Dialect;
pub use duckdb::DuckDb;
pub use funnel::lower_funnel;
pub use query::{Cte, Query};

use super::{AggregateId, ProfileTraitId, Program, PurposeId, RuleId};
use crate::time::Moment;
use std::collections::{BTreeMap, BTreeSet};

/// The moment at which rules are evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// A given moment, as a literal.
    At(Moment),
    /// The moment at which the statement runs.
    Now,
}

/// Lowers rules to one statement.
#[must_use]
pub fn lower(program: &Program, rules: &[RuleId], clock: Clock, dialect: &dyn Dialect) -> Query {
    let mut lowering = Lowering::new(program, clock, dialect);
    let needed = rules_needed(program, rules);
    let aggregates = aggregates_read(program, rules);
    lowering.lower_consent(&needed, &aggregates, None);
    lowering.lower_aggregates(&aggregates);
    lowering.lower_rules(&needed, rules);
    lowering.query.quote_names(dialect);
    lowering.query
}

/// Whether the statement of these rules reads what people said about consent.
#[must_use]
pub fn reads_consent(program: &Program, rules: &[RuleId]) -> bool {
    let (needed, aggregates) = (rules_needed(program, rules), aggregates_read(program, rules));
    !consent::Purposes::of(program, &needed, &aggregates, None).asked.is_empty()
}

/// The traits of the golden record that the statement of these rules reads: also those that say where somebody lives, where it
/// asks what people consent to.
#[must_use]
pub fn traits_read(program: &Program, rules: &[RuleId]) -> BTreeSet<ProfileTraitId> {
    let asked = rules.iter().filter_map(|id| program.rules.get(id.index()));
    let mut read: BTreeSet<ProfileTraitId> = asked.flat_map(|rule| rule.profile_traits.iter().copied()).collect();
    if reads_consent(program, rules) {
        read.extend(&program.consent.residence);
    }
    read
}

/// What rules keep account of, also through other rules.
fn aggregates_read(program: &Program, rules: &[RuleId]) -> BTreeSet<AggregateId> {
    let rules = rules.iter().filter_map(|id| program.rules.get(id.index()));
    rules.flat_map(|rule| rule.aggregates.iter().copied()).collect()
}

/// Rules with all that they read.
fn rules_needed(program: &Program, asked: &[RuleId]) -> BTreeSet<RuleId> {
    let mut needed: BTreeSet<RuleId> = asked.iter().copied().collect();
    // INVARIANT of Program: a rule stands after what it reads, so one pass from the end closes the set.
    for index in (0..program.rules.len()).rev() {
        let id = RuleId(index as u32);
        if needed.contains(&id)
            && let Some(rule) = program.rules.get(index)
        {
            expression::rules_read(&rule.expression, &mut needed);
        }
    }
    needed
}

/// Where a value of a person is found: a column of a relation with one row a person.
#[derive(Clone, Debug)]
struct Column {
    relation: String,
    name: String,
    /// What stands for a person without a row, as SQL.
    of_nothing: Option<&'static str>,
    /// Everybody has a row, and it is never NULL.
    known: bool,
}

struct Lowering<'a> {
    program: &'a Program,
    dialect: &'a dyn Dialect,
    now: String,
    query: Query,
    aggregates: BTreeMap<AggregateId, Column>,
    rules: BTreeMap<RuleId, Column>,
    consent: BTreeMap<PurposeId, Column>,
    /// Only events that people consented to for this purpose are read.
    purpose: Option<PurposeId>,
}

impl<'a> Lowering<'a> {
    fn new(program: &'a Program, clock: Clock, dialect: &'a dyn Dialect) -> Self {
        let now = match clock {
            Clock::At(moment) => dialect.moment(moment),
            Clock::Now => dialect.current_moment().to_owned(),
        };
        Self {
            program,
            dialect,
            now,
            query: Query::default(),
            aggregates: BTreeMap::new(),
            rules: BTreeMap::new(),
            consent: BTreeMap::new(),
            purpose: None,
        }
    }

    /// One common table expression for each rule that others read, and the outer SELECT for those asked for.
    fn lower_rules(&mut self, needed: &BTreeSet<RuleId>, asked: &[RuleId]) {
        self.lower_rules_read(needed, BTreeSet::new());
        let mut columns = Vec::with_capacity(asked.len());
        let mut relations = BTreeSet::new();
        for id in asked {
            let Some(rule) = self.program.rules.get(id.index()) else { continue };
            let mut person = expression::Person::new(self);
            let (value, _) = match self.rules.get(id) {
                Some(_) => person.value(&super::Expression::Rule(*id)),
                None => person.value(&rule.expression),
            };
            relations.extend(person.relations());
            columns.push((value, rule.name.clone()));
        }
        self.query.select = self.select_people(&columns, &relations);
    }

    /// The common table expressions of the rules that others read, and of those in `read`.
    fn lower_rules_read(&mut self, needed: &BTreeSet<RuleId>, mut read: BTreeSet<RuleId>) {
        for rule in needed.iter().filter_map(|id| self.program.rules.get(id.index())) {
            expression::rules_read(&rule.expression, &mut read);
        }
        for id in needed.iter().copied().filter(|id| read.contains(id)) {
            let Some(rule) = self.program.rules.get(id.index()) else { continue };
            let mut person = expression::Person::new(self);
            let (value, known) = person.value(&rule.expression);
            let relations = person.relations();
            let name = self.query.unique_name(&rule.name);
            let body = self.select_people(&[(value, "value".to_owned())], &relations);
            let comment =
                format!("{} {}", if rule.kind == super::RuleKind::Segment { "segment" } else { "trait" }, rule.name);
            self.query.push(name.clone(), comment, body);
            self.rules.insert(id, Column { relation: name, name: "value".to_owned(), of_nothing: None, known });
        }
    }

    fn select_people(&self, columns: &[(String, String)], relations: &BTreeSet<String>) -> String {
        let mut text = String::from("SELECT\n  people.person");
        for (value, name) in columns {
            text.push_str(&format!(",\n  {value} AS {}", self.dialect.quote(name)));
        }
        text.push_str("\nFROM people");
        for relation in relations {
            text.push_str(&format!("\nLEFT JOIN {} USING (person)", self.dialect.quote(relation)));
        }
        text
    }
}

#[cfg(test)]
mod tests;
