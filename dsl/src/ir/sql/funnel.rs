//! Funnels as SQL: one CTE a step, as in sequences; then how far each person came, and how many came that far.
//!
//! The statement gives, for each value of the breakdowns and each step, how many people reached it and how many were lost
//! right before it.

use super::expression::{Person, Row, property_column, rules_read, step_column, steps_read};
use super::{Clock, Dialect, Lowering, Query, aggregates_read, rules_needed};
use crate::ir::{EventSelector, Expression, Funnel, Program, PropertySlot, RuleId};
use std::collections::BTreeSet;

/// Lowers a funnel to one statement: the columns of the breakdowns by their names, then `step` (from 1), `name`, `people`
/// and `dropped`.
#[must_use]
pub fn lower_funnel(program: &Program, funnel: &Funnel, clock: Clock, dialect: &dyn Dialect) -> Query {
    let mut lowering = Lowering::new(program, clock, dialect);
    let mut asked: BTreeSet<RuleId> = BTreeSet::new();
    funnel.breakdowns.iter().for_each(|breakdown| rules_read(&breakdown.value, &mut asked));
    let rules: Vec<RuleId> = asked.iter().copied().collect();
    let needed = rules_needed(program, &rules);
    let aggregates = aggregates_read(program, &rules);
    let purpose = funnel.purpose.as_deref().filter(|_| program.consent.enforced);
    let purpose = purpose.and_then(|name| program.consent.purpose(name));
    lowering.lower_consent(&needed, &aggregates, purpose);
    lowering.lower_aggregates(&aggregates);
    lowering.lower_rules_read(&needed, asked);
    lowering.purpose = purpose;
    lowering.funnel(funnel);
    lowering.query.quote_names(dialect);
    lowering.query
}

impl Lowering<'_> {
    fn funnel(&mut self, funnel: &Funnel) {
        let events: Vec<EventSelector> = funnel.steps.iter().map(|step| step.pattern.event).collect();
        let mut carried: BTreeSet<(u8, PropertySlot)> = BTreeSet::new();
        for filter in funnel.steps.iter().filter_map(|step| step.pattern.filter.as_ref()) {
            steps_read(filter, &mut carried);
        }
        funnel.breakdowns.iter().for_each(|breakdown| steps_read(&breakdown.value, &mut carried));
        let mut steps: Vec<String> = Vec::new();
        for number in 0..funnel.steps.len() {
            let body = match steps.last() {
                None => self.entries(funnel, &carried),
                Some(before) => self.next_step(funnel, number, &before.clone(), &events, &carried),
            };
            let name = self.query.unique_name(&format!("step_{}_{}", number + 1, funnel.steps[number].name));
            let comment =
                if number == 0 { "everybody who entered, each time" } else { "the earliest that fits after that" };
            self.query.push(name.clone(), comment.to_owned(), body);
            steps.push(name);
        }
        let reached = self.query.unique_name("reached");
        let parts = steps.iter().zip(1..).map(|(step, number)| {
            format!("SELECT person, start, began_at, {number} AS steps FROM {}", self.dialect.quote(step))
        });
        let parts = parts.collect::<Vec<_>>().join("\nUNION ALL\n");
        self.query.push(reached.clone(), "how far each entry came".to_owned(), parts);
        let furthest = self.query.unique_name("furthest");
        let start = self.dialect.largest_by("start", &["steps", "began_at", "start"]);
        self.query.push(
            furthest.clone(),
            "how far each person came, with the latest of the entries that came so far".to_owned(),
            format!("SELECT person, max(steps) AS steps, {start} AS start\nFROM {reached}\nGROUP BY person"),
        );
        self.query.select = self.figures(funnel, &steps, &furthest, &events);
    }

    fn entries(&mut self, funnel: &Funnel, carried: &BTreeSet<(u8, PropertySlot)>) -> String {
        let Some(first) = funnel.steps.first() else { return String::new() };
        let event = first.pattern.event;
        let relation = self.relation(event);
        let mut columns =
            ["person", "seq AS start", "occurred_at AS began_at", "seq", "occurred_at"].map(str::to_owned).to_vec();
        columns.extend(carried.iter().filter(|(of, _)| *of == 0).filter_map(|it| self.carried("", event, *it)));
        let mut row = Row { lowering: self, event, alias: "", steps: &[], steps_alias: "" };
        for (breakdown, number) in funnel.breakdowns.iter().zip(1..) {
            if let Expression::Context(_) = breakdown.value {
                columns.push(format!("{} AS by_{number}", row.value(&breakdown.value)));
            }
        }
        let conditions = first.pattern.filter.as_ref().map(|filter| row.conditions(filter)).unwrap_or_default();
        let filter =
            if conditions.is_empty() { String::new() } else { format!("\nWHERE {}", conditions.join("\n  AND ")) };
        format!("SELECT {}\nFROM {relation}{filter}", columns.join(", "))
    }

    fn next_step(
        &mut self,
        funnel: &Funnel,
        number: usize,
        before: &str,
        events: &[EventSelector],
        carried: &BTreeSet<(u8, PropertySlot)>,
    ) -> String {
        let Some(step) = funnel.steps.get(number) else { return String::new() };
        let event = step.pattern.event;
        let relation = self.relation(event);
        let mut conditions = vec![
            "candidate.person = matched.person".to_owned(),
            super::sequence::after_matched().to_owned(),
            format!("candidate.occurred_at <= matched.began_at + {}", self.dialect.interval(funnel.within)),
        ];
        if let Some(within) = step.within {
            conditions
                .push(format!("candidate.occurred_at <= matched.occurred_at + {}", self.dialect.interval(within)));
        }
        let mut row = Row { lowering: self, event, alias: "candidate", steps: events, steps_alias: "matched" };
        conditions.extend(step.pattern.filter.as_ref().map(|filter| row.conditions(filter)).unwrap_or_default());
        let mut columns =
            ["matched.person", "matched.start", "matched.began_at", "candidate.seq", "candidate.occurred_at"]
                .map(str::to_owned)
                .to_vec();
        for (of, slot) in carried {
            if usize::from(*of) < number {
                columns.push(format!("matched.{}", self.dialect.quote(&step_column(*of, *slot))));
            } else if usize::from(*of) == number {
                columns.extend(self.carried("candidate.", event, (*of, *slot)));
            }
        }
        format!(
            "SELECT {}\nFROM {} AS matched\nJOIN {relation} AS candidate\n  ON {}\nQUALIFY row_number() OVER (PARTITION BY matched.start ORDER BY candidate.occurred_at, candidate.seq) = 1",
            columns.join(", "),
            self.dialect.quote(before),
            conditions.join("\n  AND ")
        )
    }

    fn carried(&self, alias: &str, event: EventSelector, (step, slot): (u8, PropertySlot)) -> Option<String> {
        let (column, _) = property_column(self.program, event, slot)?;
        Some(format!("{alias}{} AS {}", self.dialect.quote(&column), self.dialect.quote(&step_column(step, slot))))
    }

    /// The outer SELECT: a row for each value of the breakdowns and each step.
    fn figures(&self, funnel: &Funnel, steps: &[String], furthest: &str, events: &[EventSelector]) -> String {
        let mut by = Vec::new();
        let mut joins: BTreeSet<usize> = BTreeSet::new();
        let mut person = Person::new(self);
        for (breakdown, number) in funnel.breakdowns.iter().zip(1..) {
            let value = match &breakdown.value {
                Expression::Context(_) => {
                    joins.insert(0);
                    format!("{}.by_{number}", self.dialect.quote(steps.first().map_or("", String::as_str)))
                }
                Expression::Step { step, .. } => {
                    let step = usize::from(*step);
                    joins.insert(step);
                    let alias = self.dialect.quote(steps.get(step).map_or("", String::as_str));
                    let event = events.get(step).copied().unwrap_or(EventSelector::Any);
                    Row { lowering: self, event, alias: "", steps: events, steps_alias: &alias }.value(&breakdown.value)
                }
                other => person.value(other).0,
            };
            by.push(format!("{value} AS {}", self.dialect.quote(&breakdown.name)));
        }
        let names = funnel
            .steps
            .iter()
            .zip(1..)
            .map(|(step, number)| format!("({number}, {})", self.dialect.string(&step.name)));
        let names = names.collect::<Vec<_>>().join(", ");
        let mut columns = by;
        let groups: Vec<String> = (1..=columns.len() + 2).map(|place| place.to_string()).collect();
        columns.extend(["steps.step", "steps.name"].map(str::to_owned));
        columns.push(format!("count(*) FILTER (WHERE {furthest}.steps >= steps.step) AS people"));
        columns.push(format!("count(*) FILTER (WHERE {furthest}.steps = steps.step - 1) AS dropped"));
        let mut text = format!(
            "SELECT\n  {}\nFROM {furthest}\nCROSS JOIN (VALUES {names}) AS steps(step, name)",
            columns.join(",\n  ")
        );
        for step in joins {
            let step = self.dialect.quote(steps.get(step).map_or("", String::as_str));
            text.push_str(&format!("\nLEFT JOIN {step} ON {step}.start = {furthest}.start"));
        }
        for relation in person.relations() {
            let relation = self.dialect.quote(&relation);
            text.push_str(&format!("\nLEFT JOIN {relation} ON {relation}.person = {furthest}.person"));
        }
        let groups = groups.join(", ");
        text.push_str(&format!("\nGROUP BY {groups}\nORDER BY {groups}"));
        text
    }
}
