//! Sequences as SQL: one CTE a step, each finding for every start the earliest fitting event after the step before.

use super::Lowering;
use super::expression::{Row, property_column, step_column, steps_read};
use crate::ir::{Aggregate, AggregateId, EventSelector, Expression, PropertySlot, Sequence};
use std::collections::BTreeSet;

impl Lowering<'_> {
    /// Makes the relation that holds who has a match that starts inside the window.
    pub(super) fn lower_sequence(&mut self, id: AggregateId, aggregate: &Aggregate, sequence: &Sequence) {
        let events: Vec<EventSelector> = std::iter::once(aggregate.pattern.event)
            .chain(sequence.then.iter().map(|step| step.pattern.event))
            .collect();
        let label: Vec<&str> = events.iter().map(|event| self.event_name(*event)).collect();
        let label = format!("sequence_{}", label.join("_"));
        let carried = carried(sequence);

        let mut previous = self.first_step(&label, aggregate, &carried);
        for (index, step) in sequence.then.iter().enumerate() {
            let number = index + 1;
            let relation = self.relation(step.pattern.event);
            let mut conditions = vec!["candidate.person = matched.person".to_owned(), after_matched().to_owned()];
            if let Some(within) = step.within {
                conditions
                    .push(format!("candidate.occurred_at <= matched.occurred_at + {}", self.dialect.interval(within)));
            }
            conditions.extend(self.step_condition(step.pattern.event, step.pattern.filter.as_ref(), &events));
            let mut columns = vec!["matched.person".to_owned(), "matched.start".to_owned()];
            columns.extend(["candidate.seq".to_owned(), "candidate.occurred_at".to_owned()]);
            for (of, slot) in &carried {
                let name = self.dialect.quote(&step_column(*of, *slot));
                if usize::from(*of) < number {
                    columns.push(format!("matched.{name}"));
                } else if usize::from(*of) == number {
                    columns.extend(self.carry("candidate", step.pattern.event, *of, *slot));
                }
            }
            let body = format!(
                "SELECT {}\nFROM {previous} AS matched\nJOIN {relation} AS candidate\n  ON {}\nQUALIFY row_number() OVER (PARTITION BY matched.start ORDER BY candidate.occurred_at, candidate.seq) = 1",
                columns.join(", "),
                conditions.join("\n  AND ")
            );
            let name = self.query.unique_name(&format!("{label}_step_{}", number + 1));
            let comment = format!("then {}", self.event_name(step.pattern.event));
            self.query.push(name.clone(), comment, body);
            previous = name;
        }

        let mut body = format!("SELECT DISTINCT matched.person, true AS value\nFROM {previous} AS matched");
        if let Some(absence) = &sequence.absence {
            let relation = self.relation(absence.pattern.event);
            let lasting = self.dialect.interval(absence.lasting);
            let mut conditions = vec![
                "candidate.person = matched.person".to_owned(),
                after_matched().to_owned(),
                format!("candidate.occurred_at <= matched.occurred_at + {lasting}"),
            ];
            conditions.extend(self.step_condition(absence.pattern.event, absence.pattern.filter.as_ref(), &events));
            body.push_str(&format!(
                "\nWHERE matched.occurred_at + {lasting} <= {}\n  AND NOT EXISTS (\n    SELECT 1 FROM {relation} AS candidate\n    WHERE {}\n  )",
                self.now,
                conditions.join("\n      AND ")
            ));
        }
        self.push_aggregate(id, aggregate, &label, body);
    }

    fn first_step(&mut self, label: &str, aggregate: &Aggregate, carried: &BTreeSet<(u8, PropertySlot)>) -> String {
        let relation = self.counted(aggregate);
        let mut columns =
            vec!["person".to_owned(), "seq AS start".to_owned(), "seq".to_owned(), "occurred_at".to_owned()];
        for (of, slot) in carried.iter().filter(|(of, _)| *of == 0) {
            columns.extend(self.carry("", aggregate.pattern.event, *of, *slot));
        }
        let mut body = format!("SELECT {}\nFROM {relation}", columns.join(", "));
        let conditions = self.event_conditions(aggregate);
        if !conditions.is_empty() {
            body.push_str(&format!("\nWHERE {}", conditions.join("\n  AND ")));
        }
        let name = self.query.unique_name(&format!("{label}_step_1"));
        self.query.push(name.clone(), format!("every {}", self.event_name(aggregate.pattern.event)), body);
        name
    }

    fn step_condition(
        &self,
        event: EventSelector,
        filter: Option<&Expression>,
        steps: &[EventSelector],
    ) -> Vec<String> {
        let mut row = Row { lowering: self, event, alias: "candidate", steps, steps_alias: "matched" };
        filter.map(|filter| row.conditions(filter)).unwrap_or_default()
    }

    /// `column AS step_0_3`: takes a value along for the filters of later steps.
    fn carry(&self, alias: &str, event: EventSelector, step: u8, slot: PropertySlot) -> Option<String> {
        let (column, _) = property_column(self.program, event, slot)?;
        let dot = if alias.is_empty() { "" } else { "." };
        Some(format!("{alias}{dot}{} AS {}", self.dialect.quote(&column), self.dialect.quote(&step_column(step, slot))))
    }
}

/// After the step before, in the order of events.
pub(super) fn after_matched() -> &'static str {
    "(candidate.occurred_at > matched.occurred_at OR (candidate.occurred_at = matched.occurred_at AND candidate.seq > matched.seq))"
}

/// The values of steps that later filters name.
fn carried(sequence: &Sequence) -> BTreeSet<(u8, PropertySlot)> {
    let mut read = BTreeSet::new();
    let filters = sequence.then.iter().map(|step| &step.pattern).chain(sequence.absence.iter().map(|a| &a.pattern));
    for filter in filters.filter_map(|pattern| pattern.filter.as_ref()) {
        steps_read(filter, &mut read);
    }
    read
}
