//! Which values are personal data: what the schemas mark so, and what is handed on of it.

use sonder_dsl::ir::{Aggregate, EventSelector, Expression, Function, Program, PropertySlot, RuleId};
use std::collections::BTreeMap;

/// Whether the value of each rule is personal, as far as that was asked.
#[derive(Default)]
pub(super) struct PersonalRules(BTreeMap<RuleId, bool>);

impl PersonalRules {
    /// Of all rules of a program. INVARIANT of [`Program`]: what a rule reads stands before it.
    pub fn new(program: &Program) -> Self {
        let mut rules = Self::default();
        for (rule, index) in program.rules.iter().zip(0..) {
            let personal = rules.expression(program, &rule.expression);
            rules.0.insert(RuleId(index), personal);
        }
        rules
    }

    /// Whether a rule's value is.
    pub fn rule(&self, rule: RuleId) -> bool {
        self.0.get(&rule).copied().unwrap_or(false)
    }

    /// Whether an expression hands on personal data. Conditions never do: they tell at most whether it is there.
    pub fn expression(&self, program: &Program, expression: &Expression) -> bool {
        match expression {
            Expression::Profile(id) => program.profile.get(id.index()).is_some_and(|it| it.pii.is_some()),
            Expression::Rule(id) => self.rule(*id),
            Expression::Aggregate(id) => program.aggregates.get(id.index()).is_some_and(|it| hands_on(program, it)),
            Expression::IsKnown(_) => false,
            Expression::If { then, otherwise, .. } => {
                self.expression(program, then) || self.expression(program, otherwise)
            }
            other => other.children().into_iter().flatten().any(|child| self.expression(program, child)),
        }
    }
}

/// Whether the aggregate's value is one of the values that it looks at, and personal.
fn hands_on(program: &Program, aggregate: &Aggregate) -> bool {
    let keeps = !matches!(aggregate.function, Function::Count | Function::Did | Function::Distinct | Function::Since);
    keeps && aggregate.value.is_some_and(|slot| property(program, aggregate.pattern.event, slot))
}

/// Whether a property of an event is personal data: it or an object that it is in is marked so.
pub(super) fn property(program: &Program, event: EventSelector, slot: PropertySlot) -> bool {
    let EventSelector::One(id) = event else { return false };
    let Some(schema) = program.events.get(id.index()) else { return false };
    let Some(path) = schema.slots.get(slot.index()).map(|slot| &slot.path) else { return false };
    let Some(first) = path.first() else { return false };
    let declared = schema.properties.iter().any(|it| it.name == *first && it.pii.is_some());
    let below = |at: &serde_json::Value, key: &String| at.get("properties").and_then(|it| it.get(key)).cloned();
    let mut at = schema.json_schema.clone();
    declared
        || path.iter().any(|key| {
            at = below(&at, key).unwrap_or_default();
            at.get("pii").is_some()
        })
}
