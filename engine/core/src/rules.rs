//! Rules of a person: their values as of a moment, and which rules are to be looked at again.

use crate::aggregate::Spec;
use crate::datum::Datum;
use crate::evaluate::{Answer, Scene, evaluate};
use crate::person::{Held, Person};
use crate::plan::Plan;
use rustc_hash::FxHashMap;
use sonder_dsl::ir::{AggregateId, BinaryOperator, Expression, RuleId, Value};
use sonder_dsl::time::Moment;

/// Answers of rules that other rules read, for one person at one moment.
pub type Memo<'a> = FxHashMap<RuleId, Answer<'a>>;

/// The value of a rule for a person. INVARIANT: one memo is used for one person and one moment.
pub fn value_of<'a>(plan: &'a Plan, person: &'a Person, rule: RuleId, now: Moment, memo: &mut Memo<'a>) -> Answer<'a> {
    let Some(it) = plan.rule(rule) else { return Answer::constant(Datum::Unknown) };
    if it.is_read
        && let Some(answer) = memo.get(&rule)
    {
        return *answer;
    }
    prepare(plan, person, &it.reads, now, memo);
    let answer = evaluate(&it.expression, &PersonScene { plan, person, memo }, now);
    if it.is_read {
        memo.insert(rule, answer);
    }
    answer
}

/// Evaluates the rules that an expression names, and those that they read, so that it can be evaluated itself.
pub fn prepare<'a>(plan: &'a Plan, person: &'a Person, named: &[RuleId], now: Moment, memo: &mut Memo<'a>) {
    if named.is_empty() {
        return;
    }
    // What a rule reads stands before it: in order, nothing is asked for before it is known. No recursion, however long
    // the chain.
    for needed in all_that(plan, named) {
        if !memo.contains_key(&needed)
            && let Some(it) = plan.rule(needed)
        {
            let answer = evaluate(&it.expression, &PersonScene { plan, person, memo }, now);
            memo.insert(needed, answer);
        }
    }
}

/// These rules and all that they read, also through others, in order.
fn all_that(plan: &Plan, named: &[RuleId]) -> Vec<RuleId> {
    let mut found: Vec<RuleId> = named.to_vec();
    let mut open = found.clone();
    while let Some(rule) = open.pop() {
        for read in plan.rule(rule).map_or(&[][..], |it| &it.reads) {
            if let Err(place) = found.binary_search(read) {
                found.insert(place, *read);
                open.push(*read);
            }
        }
    }
    found
}

/// A person as the rules see them.
pub struct PersonScene<'a, 'm> {
    /// What runs.
    pub plan: &'a Plan,
    /// Who.
    pub person: &'a Person,
    /// The rules that are read.
    pub memo: &'m Memo<'a>,
}

impl<'a> Scene<'a> for PersonScene<'a, '_> {
    fn leaf(&self, leaf: &'a Expression, now: Moment) -> Answer<'a> {
        match leaf {
            Expression::Profile(id) => Answer::constant(self.person.profile_value(*id)),
            Expression::Aggregate(id) => self.aggregate(*id, now),
            Expression::Consented(purpose) => Answer::constant(Datum::Bool(self.plan.consents(self.person, purpose))),
            Expression::Early(_) => Answer::constant(Datum::Bool(self.person.is_early)),
            // INVARIANT: what a rule reads was evaluated before it.
            Expression::Rule(id) => self.memo.get(id).copied().unwrap_or_else(|| Answer::constant(Datum::Unknown)),
            _ => Answer::constant(Datum::Unknown),
        }
    }

    /// A count that is compared with a constant: it flips when its decisive event leaves, not with every event.
    fn compare(
        &self,
        operator: BinaryOperator,
        left: &'a Expression,
        right: &'a Expression,
        now: Moment,
    ) -> Option<Answer<'a>> {
        let (id, threshold) = match (operator, left, right) {
            // In the form `count < threshold` or its negation.
            (
                BinaryOperator::Less | BinaryOperator::GreaterOrEqual,
                Expression::Aggregate(id),
                Expression::Constant(Value::Int(number)),
            )
            | (
                BinaryOperator::Greater | BinaryOperator::LessOrEqual,
                Expression::Constant(Value::Int(number)),
                Expression::Aggregate(id),
            ) => (*id, *number),
            (
                BinaryOperator::LessOrEqual | BinaryOperator::Greater,
                Expression::Aggregate(id),
                Expression::Constant(Value::Int(number)),
            )
            | (
                BinaryOperator::GreaterOrEqual | BinaryOperator::Less,
                Expression::Constant(Value::Int(number)),
                Expression::Aggregate(id),
            ) => (*id, number.checked_add(1)?),
            _ => return None,
        };
        let threshold = usize::try_from(threshold).ok().filter(|count| *count > 0)?;
        let spec = self.plan.aggregates.get(id.index())?;
        let state = self.held(id, spec)?;
        let (reaches, until) = state.reaches(threshold, now, spec)?;
        let asks_for_less = matches!(
            (operator, left),
            (BinaryOperator::Less | BinaryOperator::LessOrEqual, Expression::Aggregate(_))
                | (BinaryOperator::Greater | BinaryOperator::GreaterOrEqual, Expression::Constant(_))
        );
        Some(Answer::new(Datum::Bool(reaches != asks_for_less), until))
    }
}

impl<'a> PersonScene<'a, '_> {
    fn aggregate(&self, id: AggregateId, now: Moment) -> Answer<'a> {
        let Some(spec) = self.plan.aggregates.get(id.index()) else {
            return Answer::constant(Datum::Unknown);
        };
        self.held(id, spec).map_or_else(|| spec.of_nothing(), |state| state.read(now, spec))
    }

    /// The state of an aggregate, unless the person took back what they had allowed for its purpose.
    fn held(&self, id: AggregateId, spec: &Spec) -> Option<Held<'a>> {
        if spec.purpose.is_some_and(|purpose| self.plan.is_taken_back(self.person, purpose)) {
            return None;
        }
        self.person.aggregate(id, spec)
    }
}

/// A set of rules, to be gone through in order.
#[derive(Clone, Debug, Default)]
pub struct RuleSet {
    words: Vec<u64>,
}

impl RuleSet {
    /// Adds rules.
    pub fn extend(&mut self, rules: &[RuleId]) {
        for rule in rules {
            self.insert(*rule);
        }
    }

    /// Adds a rule.
    pub fn insert(&mut self, rule: RuleId) {
        let word = rule.index() / 64;
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        self.words[word] |= 1 << (rule.index() % 64);
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = RuleId> {
        self.words.iter().enumerate().flat_map(|(index, word)| {
            let mut rest = *word;
            std::iter::from_fn(move || {
                (rest != 0).then(|| {
                    let bit = rest.trailing_zeros();
                    rest &= rest - 1;
                    RuleId(index as u32 * 64 + bit)
                })
            })
        })
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// Removes all.
    pub fn clear(&mut self) {
        self.words.fill(0);
    }
}
