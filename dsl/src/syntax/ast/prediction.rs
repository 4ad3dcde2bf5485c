//! `predict churn { label not did(session_started, next 30d) for did(session_started, last 60d) from … }`

use super::Expression;

/// What a prediction says. Clauses that were left out are empty; what is missing has been reported.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// `label …`: what is predicted.
    pub label: Option<Expression>,
    /// `for …`: about whom.
    pub population: Option<Expression>,
    /// `from …, …`: what it is predicted from.
    pub features: Vec<Expression>,
}
