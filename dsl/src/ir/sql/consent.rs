//! Consent as SQL: the latest answer to each purpose that rules ask about.

use super::expression::visit;
use super::{Column, Lowering};
use crate::ir::{Expression, PurposeId, RuleId};
use std::collections::BTreeSet;

impl Lowering<'_> {
    /// Makes the relation that holds what everybody said last.
    pub(super) fn lower_consent(&mut self, rules: &BTreeSet<RuleId>) {
        let program = self.program;
        let mut asked: BTreeSet<PurposeId> = BTreeSet::new();
        for rule in rules.iter().filter_map(|id| program.rules.get(id.index())) {
            visit(&rule.expression, &mut |part| {
                if let Expression::Consented(purpose) = part {
                    asked.extend(program.consent.purpose(purpose));
                }
            });
        }
        if asked.is_empty() {
            return;
        }
        let relation = self.query.unique_name("consents");
        let mut columns = Vec::with_capacity(asked.len());
        for id in asked {
            let Some(purpose) = program.consent.purposes.get(id.index()) else { continue };
            let name = self.dialect.string(&purpose.name);
            let latest = self.dialect.latest("granted");
            columns.push(format!("{latest} FILTER (WHERE purpose = {name}) AS {}", self.dialect.quote(&purpose.name)));
            let column = Column {
                relation: relation.clone(),
                name: purpose.name.clone(),
                of_nothing: Some("false"),
                known: true,
            };
            self.consent.insert(id, column);
        }
        let body = format!("SELECT\n  person,\n  {}\nFROM consent\nGROUP BY person", columns.join(",\n  "));
        self.query.push(relation, "what people said last".to_owned(), body);
    }
}
