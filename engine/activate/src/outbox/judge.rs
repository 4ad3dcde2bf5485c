//! What becomes of the items of a batch, from what the destination made of them.

use super::lane::{FlightId, Lane};
use super::transport::{Answer, BatchFailure};
use crate::outcome::{Outcome, Verdict};
use sonder_core::effect::PersonId;
use sonder_dsl::time::{Duration, Moment};

/// A batch that is under way, or that waits for its outcomes to be durable.
#[derive(Debug)]
pub struct Flight {
    /// Whose items are in it, in their order.
    pub people: Vec<PersonId>,
    /// What was decided; empty while it is under way.
    pub decided: Vec<Decided>,
}

/// What was decided about an item.
#[derive(Clone, Debug)]
pub struct Decided {
    /// What is recorded.
    pub outcome: Outcome,
    /// Whether the next attempt is made with this item alone.
    pub alone: bool,
}

impl Lane {
    /// Decides what becomes of the items of a flight. The outcomes are to be made durable, then the flight is to be
    /// [settled](Lane::settle).
    pub fn judge(&mut self, flight: FlightId, result: Result<Vec<Answer>, BatchFailure>, now: Moment) -> Vec<Outcome> {
        let Some(people) = self.flights.get(&flight).map(|flight| flight.people.clone()) else { return Vec::new() };
        let result = match result {
            Ok(answers) if answers.len() != people.len() => {
                Err(BatchFailure::Plugin(format!("{} answers came back for {} items", answers.len(), people.len())))
            }
            result => result,
        };
        self.note(&result, now);
        let decided: Vec<Decided> = match result {
            Ok(answers) => {
                people.iter().zip(answers).filter_map(|(person, answer)| self.decide(*person, answer, now)).collect()
            }
            Err(failure) => {
                let single = people.len() == 1;
                people.iter().filter_map(|person| self.decide_failed(*person, &failure, single, now)).collect()
            }
        };
        self.count(&decided, now);
        self.keep(flight, decided)
    }

    /// Nothing of a flight was sent, and never will be.
    pub(super) fn end(&mut self, flight: FlightId, verdict: &Verdict, now: Moment) -> Vec<Outcome> {
        let people = self.flights.get(&flight).map(|flight| flight.people.clone()).unwrap_or_default();
        let decided: Vec<Decided> =
            people.iter().filter_map(|person| self.decided(*person, 0, verdict.clone(), now)).collect();
        if let Verdict::Dead { .. } = verdict {
            self.tally.dead += decided.len() as u64;
        }
        self.keep(flight, decided)
    }

    fn keep(&mut self, flight: FlightId, decided: Vec<Decided>) -> Vec<Outcome> {
        let outcomes = decided.iter().map(|decided| decided.outcome.clone()).collect();
        if let Some(flight) = self.flights.get_mut(&flight) {
            flight.decided = decided;
        }
        outcomes
    }

    /// What the batch says about the destination as a whole.
    fn note(&mut self, result: &Result<Vec<Answer>, BatchFailure>, now: Moment) {
        let answers = match result {
            Ok(answers) => answers,
            Err(failure) => {
                self.tally.last_error = Some(failure.to_string());
                self.breaker.failed(now, Duration::ZERO, &self.policy);
                return;
            }
        };
        let refused = answers.iter().find_map(|answer| match answer {
            Answer::Unauthorized(reason) => Some(reason),
            _ => None,
        });
        let failed = answers.iter().rev().find_map(|answer| match answer {
            Answer::RetryAfter { reason, .. } | Answer::Rejected(reason) | Answer::Unauthorized(reason) => Some(reason),
            Answer::Delivered | Answer::Cancelled(_) => None,
        });
        self.tally.last_error = failed.cloned();
        let answered = answers.iter().any(|answer| matches!(answer, Answer::Delivered | Answer::Rejected(_)));
        if answered {
            self.tally.unauthorized = None;
            self.breaker.succeeded();
        } else if let Some(reason) = refused {
            if self.tally.unauthorized.is_none() {
                tracing::error!(
                    destination = &*self.name,
                    reason,
                    "the destination does not accept its credentials; it is paused"
                );
            }
            self.tally.unauthorized = Some(reason.clone());
            self.breaker.refused(now, &self.policy);
        } else if answers.iter().any(|answer| !matches!(answer, Answer::Cancelled(_))) {
            let told = answers.iter().map(|answer| match answer {
                Answer::RetryAfter { seconds, .. } => i64::from(*seconds),
                _ => 0,
            });
            self.breaker.failed(now, Duration::from_secs(told.min().unwrap_or(0)), &self.policy);
        }
    }

    fn decide(&mut self, person: PersonId, answer: Answer, now: Moment) -> Option<Decided> {
        let waiting = self.queue.head(person)?;
        let (id, attempts) = (waiting.delivery.id, waiting.attempts + 1);
        let verdict = match answer {
            Answer::Delivered => Verdict::Delivered,
            Answer::Rejected(reason) => Verdict::Dead { reason },
            Answer::Cancelled(reason) => return self.decided(person, 0, Verdict::Cancelled { reason }, now),
            Answer::RetryAfter { seconds, reason } => {
                let wait = match seconds {
                    0 => self.policy.back_off(id, attempts),
                    seconds => self.policy.told_to_wait(id, attempts, seconds),
                };
                self.again(person, attempts, reason, wait, now)
            }
            Answer::Unauthorized(reason) => {
                // Later than the destination itself is asked again, so that another item asks first.
                let wait =
                    Duration(self.policy.unauthorized_pause.0.saturating_add(self.policy.back_off(id, attempts).0));
                self.again(person, attempts, format!("not authorized: {reason}"), wait, now)
            }
        };
        self.decided(person, 1, verdict, now)
    }

    /// A batch failed as a whole: its items are tried one by one; one that fails alone is at fault itself.
    fn decide_failed(
        &mut self,
        person: PersonId,
        failure: &BatchFailure,
        single: bool,
        now: Moment,
    ) -> Option<Decided> {
        let waiting = self.queue.head(person)?;
        let (id, attempts, was_alone) = (waiting.delivery.id, waiting.attempts + 1, waiting.alone);
        let (verdict, alone) = match failure {
            BatchFailure::Plugin(reason) if single && was_alone => (Verdict::Dead { reason: reason.clone() }, true),
            BatchFailure::Plugin(reason) if !single => (Verdict::Retry { reason: reason.clone(), next: now }, true),
            failure => {
                let wait = self.policy.back_off(id, attempts);
                let alone = matches!(failure, BatchFailure::Plugin(_));
                (self.again(person, attempts, failure.to_string(), wait, now), alone)
            }
        };
        let decided = self.decided(person, 1, verdict, now)?;
        Some(Decided { alone, ..decided })
    }

    /// Another attempt, unless there were enough for long enough.
    fn again(&self, person: PersonId, attempts: u32, reason: String, wait: Duration, now: Moment) -> Verdict {
        let since = self.queue.head(person).and_then(|waiting| waiting.first_attempt).unwrap_or(now);
        if attempts >= self.policy.attempts && now.since(since) >= self.policy.patience {
            return Verdict::Dead { reason: format!("given up after {attempts} attempts: {reason}") };
        }
        Verdict::Retry { reason, next: now.plus(wait) }
    }

    fn decided(&mut self, person: PersonId, attempts: u32, verdict: Verdict, now: Moment) -> Option<Decided> {
        let waiting = self.queue.head_mut(person)?;
        waiting.attempts = waiting.attempts.saturating_add(attempts);
        let outcome = Outcome {
            id: waiting.delivery.id,
            destination: self.destination,
            destination_name: std::sync::Arc::clone(&self.name),
            person,
            at: now,
            attempts: waiting.attempts,
            verdict,
        };
        Some(Decided { outcome, alone: false })
    }

    fn count(&mut self, decided: &[Decided], now: Moment) {
        for Decided { outcome, .. } in decided {
            let label = match &outcome.verdict {
                Verdict::Delivered => {
                    self.tally.delivered += 1;
                    if let Some(cap) = &mut self.cap {
                        cap.count(outcome.person, now);
                    }
                    if let Some(waiting) = self.queue.head(outcome.person) {
                        let took = now.since(waiting.delivery.at);
                        self.tally.latency.record(took);
                        metrics::histogram!("sonder_delivery_seconds", "destination" => self.name.to_string())
                            .record(took.0 as f64 / 1e6);
                    }
                    "delivered"
                }
                Verdict::Retry { .. } => {
                    self.tally.retried += 1;
                    "retried"
                }
                Verdict::Dead { reason } => {
                    self.tally.dead += 1;
                    tracing::warn!(
                        destination = &*self.name,
                        delivery = format!("{:032x}", outcome.id.0),
                        reason,
                        "given up"
                    );
                    "dead"
                }
                Verdict::Cancelled { .. } => "cancelled",
            };
            metrics::counter!("sonder_delivery_attempts_total", "destination" => self.name.to_string(), "outcome" => label)
                .increment(1);
        }
    }
}
