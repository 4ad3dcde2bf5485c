//! Consent as SQL: what people say now, and which events they had consented to when they happened.

use super::expression::visit;
use super::{Column, Lowering};
use crate::ir::{AggregateId, EventSelector, Expression, Program, PurposeId, RuleId};
use std::collections::BTreeSet;

/// The relation of what everybody consents to, and what holds where they said nothing.
const CONSENTS: &str = "consents";

/// The relation of where everybody lives.
const RESIDENCES: &str = "residences";

/// The purposes that rules ask about.
pub(super) struct Purposes {
    /// Those that events have to be consented to for.
    bound: BTreeSet<PurposeId>,
    /// These, and those that are asked for themselves.
    pub asked: BTreeSet<PurposeId>,
}

impl Purposes {
    pub fn of(
        program: &Program,
        rules: &BTreeSet<RuleId>,
        aggregates: &BTreeSet<AggregateId>,
        purpose: Option<PurposeId>,
    ) -> Self {
        let aggregates = aggregates.iter().filter_map(|id| program.aggregates.get(id.index())?.purpose);
        let bound: BTreeSet<PurposeId> = aggregates.chain(purpose).collect();
        let mut asked = bound.clone();
        for rule in rules.iter().filter_map(|id| program.rules.get(id.index())) {
            visit(&rule.expression, &mut |part| {
                if let Expression::Consented(purpose) = part {
                    asked.extend(program.consent.purpose(purpose));
                }
            });
        }
        Self { bound, asked }
    }
}

impl Lowering<'_> {
    /// Makes the relations that hold what everybody said, as far as the rules and their aggregates ask.
    pub(super) fn lower_consent(
        &mut self,
        rules: &BTreeSet<RuleId>,
        aggregates: &BTreeSet<AggregateId>,
        purpose: Option<PurposeId>,
    ) {
        let Purposes { bound, asked } = Purposes::of(self.program, rules, aggregates, purpose);
        if asked.is_empty() {
            return;
        }
        self.consents(&asked);
        for id in bound {
            self.answers(id);
        }
    }

    /// One row for everybody: what they consent to now.
    fn consents(&mut self, asked: &BTreeSet<PurposeId>) {
        let lives = self.residences();
        let latest = self.dialect.latest("granted");
        let (mut said, mut columns) = (Vec::new(), Vec::new());
        for id in asked {
            let Some(name) = self.purpose_name(*id) else { continue };
            let column = self.dialect.quote(&name);
            said.push(format!("{latest} FILTER (WHERE purpose = {}) AS {column}", self.dialect.string(&name)));
            let unasked = self.terms(&|terms| terms.unasked & (1 << id.0) != 0);
            columns.push(format!("coalesce(latest_answers.{column}, {unasked}) AS {column}"));
            columns.push(format!("{unasked} AS {}", self.dialect.quote(&format!("{name} unasked"))));
            let backwards = self.terms(&|terms| terms.backwards & (1 << id.0) != 0);
            columns.push(format!("{backwards} AS {}", self.dialect.quote(&format!("{name} backwards"))));
            let column = Column { relation: CONSENTS.to_owned(), name, of_nothing: None, known: true };
            self.consent.insert(*id, column);
        }
        let body = format!("SELECT\n  person,\n  {}\nFROM consent\nGROUP BY person", said.join(",\n  "));
        self.query.push("latest_answers".to_owned(), "what people said last".to_owned(), body);
        let mut body = format!("SELECT\n  people.person,\n  {}\nFROM people", columns.join(",\n  "));
        body.push_str("\nLEFT JOIN latest_answers USING (person)");
        if lives {
            body.push_str(&format!("\nLEFT JOIN {RESIDENCES} USING (person)"));
        }
        let comment = "what they consent to; where they said nothing, what holds where they live".to_owned();
        self.query.push(CONSENTS.to_owned(), comment, body);
    }

    /// Where everybody lives: what the first trait says that can be read as a place. Says whether any trait can.
    fn residences(&mut self) -> bool {
        let consent = &self.program.consent;
        let named = consent.residence.iter().filter_map(|id| self.program.profile.get(id.index()));
        let places: Vec<String> = named.map(|it| self.dialect.place(&self.dialect.quote(&it.name))).collect();
        let place = match places.as_slice() {
            [] => return false,
            [one] => one.clone(),
            several => format!("coalesce(\n    {}\n  )", several.join(",\n    ")),
        };
        let body = format!("SELECT\n  person,\n  {place} AS place\nFROM profile");
        self.query.push(RESIDENCES.to_owned(), "where they live: a country, or a part of one".to_owned(), body);
        true
    }

    /// What holds for everybody, by where they live.
    fn terms(&self, of: &dyn Fn(crate::model::Terms) -> bool) -> String {
        let consent = &self.program.consent;
        let otherwise = of(consent.otherwise);
        if consent.residence.is_empty() {
            return otherwise.to_string();
        }
        let place = format!("{RESIDENCES}.place");
        // Only what differs: a part of a country from the country, a country from everything else.
        let of_country = |code: &str| consent.places.get(code).map_or(otherwise, |terms| of(*terms));
        let (mut parts, mut countries) = (Vec::new(), Vec::new());
        for (code, terms) in &consent.places {
            match code.split_once('-') {
                Some((country, _)) if of(*terms) != of_country(country) => parts.push((code, of(*terms))),
                None if of(*terms) != otherwise => countries.push((code, of(*terms))),
                _ => {}
            }
        }
        let branch = |value: &str, codes: &[(&String, bool)], holds: bool| -> String {
            let codes = codes.iter().filter(|(_, it)| *it == holds).map(|(code, _)| self.dialect.string(code));
            let codes: Vec<String> = codes.collect();
            if codes.is_empty() {
                String::new()
            } else {
                format!(" WHEN {value} IN ({}) THEN {holds}", codes.join(", "))
            }
        };
        let country = format!("split_part({place}, '-', 1)");
        let branches = [
            branch(&place, &parts, true),
            branch(&place, &parts, false),
            branch(&country, &countries, true),
            branch(&country, &countries, false),
        ];
        let branches = branches.concat();
        if branches.is_empty() { otherwise.to_string() } else { format!("CASE{branches} ELSE {otherwise} END") }
    }

    /// What people said to a purpose, each answer up to the next one.
    fn answers(&mut self, id: PurposeId) {
        let Some(name) = self.purpose_name(id) else { return };
        let body = format!(
            "SELECT person, granted, occurred_at AS from_at, seq AS from_seq,\n  lead(occurred_at) OVER answers AS to_at, lead(seq) OVER answers AS to_seq\nFROM consent\nWHERE purpose = {}\nWINDOW answers AS (PARTITION BY person ORDER BY occurred_at, seq)",
            self.dialect.string(&name)
        );
        self.query.push(
            answers_name(&name),
            format!("what people said to {name}, each until they said otherwise"),
            body,
        );
    }

    fn purpose_name(&self, id: PurposeId) -> Option<String> {
        Some(self.program.consent.purposes.get(id.index())?.name.clone())
    }

    /// A name for something that is read for the purpose at hand.
    pub(super) fn for_purpose(&self, what: &str) -> String {
        match self.purpose.and_then(|id| self.purpose_name(id)) {
            Some(purpose) => format!("{what}_for_{purpose}"),
            None => what.to_owned(),
        }
    }

    /// The events of one type that may be seen for the purpose at hand.
    pub(super) fn consented_events(&mut self, event: EventSelector) -> String {
        let all = self.dialect.quote(&format!("ev_{}", self.event_name(event)));
        let Some(purpose) = self.purpose.and_then(|id| self.purpose_name(id)) else { return all };
        let name = format!("{}_for_{purpose}", self.event_name(event));
        if self.query.ctes.iter().all(|cte| cte.name != name) {
            let column = |kind: &str| self.dialect.quote(&format!("{purpose}{kind}"));
            let (now, unasked, backwards) = (column(""), column(" unasked"), column(" backwards"));
            let answers = self.dialect.quote(&answers_name(&purpose));
            let body = format!(
                "SELECT event.*\nFROM {all} AS event\nJOIN consents ON consents.person = event.person\nLEFT JOIN {answers} AS answer\n  ON answer.person = event.person\n  AND (answer.from_at < event.occurred_at OR (answer.from_at = event.occurred_at AND answer.from_seq <= event.seq))\n  AND (answer.to_at IS NULL OR answer.to_at > event.occurred_at OR (answer.to_at = event.occurred_at AND answer.to_seq > event.seq))\nWHERE coalesce(answer.granted, consents.{unasked})\n  AND (consents.{now} OR NOT consents.{backwards})"
            );
            let comment = format!("{} that people had consented to for {purpose}", self.event_name(event));
            self.query.push(name.clone(), comment, body);
        }
        self.dialect.quote(&name)
    }
}

fn answers_name(purpose: &str) -> String {
    format!("answers_to_{purpose}")
}
