//! Aggregates as SQL: one scan for all plain ones over an event type, a CTE each for those with a grouping of their own.

use super::expression::{Row, property_column};
use super::{Column, Lowering};
use crate::ir::{Aggregate, AggregateId, EventId, EventSelector, Function, Type, Window};
use std::collections::{BTreeMap, BTreeSet};

impl Lowering<'_> {
    /// Makes the relations that hold the aggregates' values.
    pub(super) fn lower_aggregates(&mut self, wanted: &BTreeSet<AggregateId>) {
        let program = self.program;
        let mut scans: BTreeMap<String, Vec<(AggregateId, &Aggregate)>> = BTreeMap::new();
        for id in wanted.iter().copied() {
            let Some(aggregate) = program.aggregates.get(id.index()) else { continue };
            self.purpose = aggregate.purpose;
            match (&aggregate.function, aggregate.per) {
                (Function::Sequence(sequence), _) => self.lower_sequence(id, aggregate, sequence),
                (Function::Top, _) => self.lower_top(id, aggregate),
                (_, Some(_)) => self.lower_keyed(id, aggregate),
                _ => scans.entry(self.counted(aggregate)).or_default().push((id, aggregate)),
            }
        }
        for (relation, aggregates) in scans {
            self.purpose = aggregates.first().and_then(|(_, aggregate)| aggregate.purpose);
            self.lower_scan(&relation, &aggregates);
        }
        self.purpose = None;
    }

    /// The relation that holds the events that an aggregate counts, or those where a sequence may start.
    pub(super) fn counted(&mut self, aggregate: &Aggregate) -> String {
        let events = self.relation(aggregate.pattern.event);
        match aggregate.window {
            Window::Session(bounds) => {
                let session = self.this_session(bounds);
                format!("{events}\nJOIN {session} USING (person)")
            }
            _ => events,
        }
    }

    /// The relation that holds the events a selector stands for.
    pub(super) fn relation(&mut self, event: EventSelector) -> String {
        match event {
            EventSelector::One(_) => self.consented_events(event),
            EventSelector::Any => self.any_event(),
        }
    }

    /// For names of parts: the event's name, or `any`.
    pub(super) fn event_name(&self, event: EventSelector) -> &str {
        match event {
            EventSelector::One(id) => {
                self.program.events.get(id.index()).map_or("unknown", |event| event.name.as_str())
            }
            EventSelector::Any => "any",
        }
    }

    /// The conditions on one event of `aggregate`, its filter's and its window's; none where every event counts.
    pub(super) fn event_conditions(&self, aggregate: &Aggregate) -> Vec<String> {
        let mut parts = Vec::new();
        if let Some(filter) = &aggregate.pattern.filter {
            let event = aggregate.pattern.event;
            parts.extend(Row { lowering: self, event, alias: "", steps: &[], steps_alias: "" }.conditions(filter));
        }
        match aggregate.window {
            Window::Last(length) => {
                parts.push(format!("occurred_at > {} - {}", self.now, self.dialect.interval(length)));
                parts.push(format!("occurred_at <= {}", self.now));
            }
            Window::Since(start) => parts.push(format!("occurred_at >= {}", self.dialect.moment(start))),
            Window::Session(_) => parts.push(super::session::inside().to_owned()),
            Window::Always => {}
            Window::Next(length) => {
                parts.push(format!("occurred_at > {}", self.now));
                parts.push(format!("occurred_at <= {} + {}", self.now, self.dialect.interval(length)));
            }
        }
        parts
    }

    /// All plain aggregates over one relation: `GROUP BY person` once, a FILTER each.
    fn lower_scan(&mut self, relation: &str, aggregates: &[(AggregateId, &Aggregate)]) {
        let Some((_, first)) = aggregates.first() else { return };
        let event = self.event_name(first.pattern.event);
        let (wanted, comment) = match first.window {
            Window::Session(_) => {
                (format!("{event}_this_session"), format!("what the rules ask of {event} in this session"))
            }
            _ => (format!("{event}_facts"), format!("what the rules ask of {event}")),
        };
        let name = self.query.unique_name(&wanted);
        // A condition that all share belongs into WHERE, where it saves reading the rows; so does the longest window.
        let mut conditions: Vec<Vec<String>> =
            aggregates.iter().map(|(_, aggregate)| self.event_conditions(aggregate)).collect();
        let mut shared: Vec<String> = conditions.first().cloned().unwrap_or_default();
        shared.retain(|one| conditions.iter().all(|all| all.contains(one)));
        for all in &mut conditions {
            all.retain(|one| !shared.contains(one));
        }
        if let Some(longest) = self.longest_window(aggregates)
            && !shared.contains(&longest)
        {
            for all in &mut conditions {
                all.retain(|one| *one != longest);
            }
            shared.insert(0, longest);
        }
        let mut names = BTreeSet::new();
        let mut columns = Vec::with_capacity(aggregates.len());
        for ((id, aggregate), mut filters) in aggregates.iter().zip(conditions) {
            let value = self.value_column(aggregate);
            if matches!(aggregate.function, Function::First | Function::Last)
                && let Some(value) = &value
            {
                filters.push(format!("{value} IS NOT NULL"));
            }
            let filter =
                if filters.is_empty() { String::new() } else { format!(" FILTER (WHERE {})", filters.join(" AND ")) };
            let column = unique_column(&mut names, &self.column_name(aggregate));
            columns.push(format!("{} AS {column}", self.fold(aggregate, value.as_deref(), &filter)));
            let of_nothing = of_nothing(&aggregate.function);
            self.aggregates.insert(*id, Column { relation: name.clone(), name: column, of_nothing, known: false });
        }
        let mut body = format!("SELECT\n  person,\n  {}\nFROM {relation}", columns.join(",\n  "));
        if !shared.is_empty() {
            body.push_str(&format!("\nWHERE {}", shared.join("\n  AND ")));
        }
        body.push_str("\nGROUP BY person");
        self.query.push(name, comment, body);
    }

    /// Where all aggregates look back so far and no further: the condition of the one that looks back furthest.
    fn longest_window(&self, aggregates: &[(AggregateId, &Aggregate)]) -> Option<String> {
        let widths = aggregates.iter().map(|(_, aggregate)| match aggregate.window {
            Window::Last(width) => Some(width),
            _ => None,
        });
        let longest = widths.collect::<Option<Vec<_>>>()?.into_iter().max()?;
        Some(format!("occurred_at > {} - {}", self.now, self.dialect.interval(longest)))
    }

    /// `per p`: the largest value over the groups of `p`.
    fn lower_keyed(&mut self, id: AggregateId, aggregate: &Aggregate) {
        let Some(key) = aggregate.per.and_then(|slot| self.property(aggregate, slot)) else { return };
        let relation = self.counted(aggregate).replace('\n', "\n  ");
        let value = self.value_column(aggregate);
        let mut conditions = vec![format!("{key} IS NOT NULL")];
        conditions.extend(self.event_conditions(aggregate));
        if let (Function::First | Function::Last, Some(value)) = (&aggregate.function, &value) {
            conditions.push(format!("{value} IS NOT NULL"));
        }
        let fold = self.fold(aggregate, value.as_deref(), "");
        // A group exists with its first event, even where that lacks the value: then it is what nothing gives.
        let fold =
            of_nothing(&aggregate.function).map_or(fold.clone(), |nothing| format!("coalesce({fold}, {nothing})"));
        let body = format!(
            "SELECT person, max(value) AS value\nFROM (\n  SELECT person, {key} AS key, {fold} AS value\n  FROM {relation}\n  WHERE {}\n  GROUP BY person, {key}\n) AS groups\nGROUP BY person",
            conditions.join("\n    AND ")
        );
        let wanted = format!("{}_per_{}", self.column_name(aggregate), plain(&key));
        self.push_aggregate(id, aggregate, &wanted, body);
    }

    /// The most frequent value; ties go to the most recent.
    fn lower_top(&mut self, id: AggregateId, aggregate: &Aggregate) {
        let Some(value) = self.value_column(aggregate) else { return };
        let relation = self.counted(aggregate).replace('\n', "\n  ");
        let mut conditions = vec![format!("{value} IS NOT NULL")];
        conditions.extend(self.event_conditions(aggregate));
        let newest_seq = self.dialect.latest("seq");
        let top = self.dialect.largest_by("value", &["times", "newest_at", "newest_seq"]);
        let body = format!(
            "SELECT person, {top} AS value\nFROM (\n  SELECT person, {value} AS value, count(*) AS times, max(occurred_at) AS newest_at, {newest_seq} AS newest_seq\n  FROM {relation}\n  WHERE {}\n  GROUP BY person, {value}\n) AS counted\nGROUP BY person",
            conditions.join("\n    AND ")
        );
        let wanted = self.column_name(aggregate);
        self.push_aggregate(id, aggregate, &wanted, body);
    }

    /// Adds a CTE that holds one aggregate in its column `value`.
    pub(super) fn push_aggregate(&mut self, id: AggregateId, aggregate: &Aggregate, wanted: &str, body: String) {
        let name = self.query.unique_name(wanted);
        let of_nothing = of_nothing(&aggregate.function);
        self.query.push(name.clone(), name.replace('_', " "), body);
        self.aggregates.insert(id, Column { relation: name, name: "value".to_owned(), of_nothing, known: false });
    }

    /// The aggregate function itself.
    fn fold(&self, aggregate: &Aggregate, value: Option<&str>, filter: &str) -> String {
        let value = value.unwrap_or("seq");
        let dialect = self.dialect;
        match &aggregate.function {
            Function::Count => format!("count(*){filter}"),
            Function::Did => format!("count(*){filter} > 0"),
            Function::Sum if aggregate.result == Type::Float => {
                dialect.float_of_units(&format!("sum({}){filter}", dialect.float_units(value)))
            }
            Function::Sum => dialect.convert(&format!("sum({value}){filter}"), &aggregate.result),
            Function::Avg if self.is_float(aggregate) => {
                let units = dialect.float_units(value);
                format!("{} / count({units}){filter}", dialect.float_of_units(&format!("sum({units}){filter}")))
            }
            Function::Avg => {
                format!("{} / count({value}){filter}", dialect.convert(&format!("sum({value}){filter}"), &Type::Float))
            }
            Function::Min => format!("min({value}){filter}"),
            Function::Max => format!("max({value}){filter}"),
            Function::Distinct => format!("count(DISTINCT {value}){filter}"),
            Function::First => format!("{}{filter}", dialect.earliest(value)),
            Function::Last => format!("{}{filter}", dialect.latest(value)),
            Function::Since => {
                format!("{} - {}", dialect.micros(&self.now), dialect.micros(&format!("max(occurred_at){filter}")))
            }
            // These have a grouping of their own and never come here.
            Function::Top | Function::Sequence(_) => "NULL".to_owned(),
        }
    }

    fn is_float(&self, aggregate: &Aggregate) -> bool {
        let value = aggregate.value.and_then(|slot| property_column(self.program, aggregate.pattern.event, slot));
        value.is_some_and(|(_, kind)| kind == Type::Float)
    }

    fn value_column(&self, aggregate: &Aggregate) -> Option<String> {
        aggregate.value.and_then(|slot| self.property(aggregate, slot))
    }

    fn property(&self, aggregate: &Aggregate, slot: crate::ir::PropertySlot) -> Option<String> {
        property_column(self.program, aggregate.pattern.event, slot).map(|(name, _)| self.dialect.quote(&name))
    }

    /// A name for the aggregate's column: `count_product_viewed`, `sum_order_completed_total`.
    fn column_name(&self, aggregate: &Aggregate) -> String {
        let function = aggregate.function.name();
        let event = self.event_name(aggregate.pattern.event);
        match self.value_column(aggregate) {
            Some(value) => format!("{function}_{event}_{}", plain(&value)),
            None => format!("{function}_{event}"),
        }
    }

    /// Every event of every type, once for the statement.
    pub(super) fn any_event(&mut self) -> String {
        let name = self.for_purpose("any_event");
        if self.query.ctes.iter().all(|cte| cte.name != name) {
            let context: String = self
                .program
                .context_slots
                .iter()
                .map(|field| format!(", {}", self.dialect.quote(&super::expression::context_column(&field.path))))
                .collect();
            let parts: Vec<String> = (0..self.program.events.len() as u32)
                .map(|event| {
                    let relation = self.relation(EventSelector::One(EventId(event)));
                    format!("SELECT person, seq, occurred_at{context} FROM {relation}")
                })
                .collect();
            self.query.push(name.clone(), "events of every type".to_owned(), parts.join("\nUNION ALL\n"));
        }
        name
    }
}

/// What an aggregate is for a person without events.
fn of_nothing(function: &Function) -> Option<&'static str> {
    match function {
        Function::Count | Function::Sum | Function::Distinct => Some("0"),
        Function::Did | Function::Sequence(_) => Some("false"),
        Function::Avg
        | Function::Min
        | Function::Max
        | Function::First
        | Function::Last
        | Function::Top
        | Function::Since => None,
    }
}

fn unique_column(taken: &mut BTreeSet<String>, wanted: &str) -> String {
    let name = std::iter::once(wanted.to_owned())
        .chain((2u32..).map(|number| format!("{wanted}_{number}")))
        .find(|name| !taken.contains(name))
        .unwrap_or_default();
    taken.insert(name.clone());
    name
}

/// A quoted column as part of a name.
fn plain(column: &str) -> String {
    column.chars().filter(|c| *c != '"').map(|c| if c.is_alphanumeric() { c } else { '_' }).collect()
}
