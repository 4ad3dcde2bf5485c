//! The two ways to deliver a batch: a call for each item, or calls of many items each.

use crate::{Item, Now, Outcome, Request, Response, SendError, outcome};
use serde_json::Value;

/// What a call ended with.
pub type Answer = Result<Response, SendError>;

/// Bytes of one call of many items: the host takes 1 MiB, and what surrounds the entries needs room, too.
const CALL_BYTES: usize = 900 << 10;

/// Makes one call for each item, in order, and judges its answer; `request` gives the item's outcome instead where there
/// is nothing to send. When the other side asks for quiet, is not there, or does not accept the credentials, the rest of
/// the batch is not sent and shares the outcome.
pub fn each(
    items: &[Item],
    now: Now,
    request: impl Fn(&Item) -> Result<Request, Outcome>,
    judge: impl Fn(&Answer, Now) -> Outcome,
) -> Vec<Outcome> {
    let mut outcomes = Vec::with_capacity(items.len());
    for item in items {
        let request = match request(item) {
            Ok(request) => request,
            Err(outcome) => {
                outcomes.push(outcome);
                continue;
            }
        };
        let answer = request.send();
        let outcome = judge(&answer, now);
        let stop = concerns_all(&answer, &outcome);
        outcomes.push(outcome.clone());
        if stop {
            outcomes.resize(items.len(), outcome);
            break;
        }
    }
    outcomes
}

/// A part of a call of many items: which items it stands for, and what it says.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The places of its items in the batch.
    pub items: Vec<usize>,
    /// What goes into the call.
    pub body: Value,
}

/// Sends entries in calls of at most `most`, and writes what became of them into `outcomes`. `judge` gives an outcome for
/// each entry of a call. Where a call of several is refused for good, or answered with 207 and `judge` refuses all of it,
/// each of them is sent alone, so that a bad one does not take the others with it.
pub fn together(
    entries: &[Entry],
    most: usize,
    now: Now,
    outcomes: &mut [Outcome],
    request: impl Fn(&[Entry]) -> Request,
    judge: impl Fn(&Answer, &[Entry], Now) -> Vec<Outcome>,
) {
    let mut rest = entries;
    while !rest.is_empty() {
        let (call, after) = rest.split_at(fitting(rest, most));
        rest = after;
        let answer = request(call).send();
        let judged = judge(&answer, call, now);
        let refused = |outcome: &Outcome| matches!(outcome, Outcome::Rejected(_));
        let failed = answer.as_ref().map_or(true, |response| response.status == 207 || response.status >= 400);
        if call.len() > 1 && failed && judged.iter().all(refused) {
            together(call, 1, now, outcomes, &request as &dyn Fn(&[Entry]) -> Request, &judge as Judge<'_>);
            continue;
        }
        for (entry, outcome) in call.iter().zip(&judged) {
            write(outcomes, entry, outcome);
        }
        if let Some(outcome) = judged.first().filter(|outcome| concerns_all(&answer, outcome)) {
            rest.iter().for_each(|entry| write(outcomes, entry, outcome));
            return;
        }
    }
}

type Judge<'a> = &'a dyn Fn(&Answer, &[Entry], Now) -> Vec<Outcome>;

/// The usual judgement of a call: one outcome for all of its entries.
#[must_use]
pub fn alike(answer: &Answer, entries: &[Entry], now: Now) -> Vec<Outcome> {
    vec![outcome(answer, now); entries.len()]
}

fn write(outcomes: &mut [Outcome], entry: &Entry, outcome: &Outcome) {
    for place in &entry.items {
        if let Some(slot) = outcomes.get_mut(*place) {
            *slot = outcome.clone();
        }
    }
}

/// How many of the first entries go into one call; at least one.
fn fitting(entries: &[Entry], most: usize) -> usize {
    let mut bytes = 0;
    let fits = entries.iter().take(most.max(1)).take_while(|entry| {
        bytes += entry.body.to_string().len() + 1;
        bytes <= CALL_BYTES
    });
    fits.count().max(1)
}

/// Whether what came of one call would come of the next, too.
fn concerns_all(answer: &Answer, outcome: &Outcome) -> bool {
    match (outcome, answer) {
        (Outcome::Unauthorized(_), _) => true,
        (Outcome::RetryAfter(_), Ok(response)) => matches!(response.status, 429 | 503),
        (Outcome::RetryAfter(_), Err(_)) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(bytes: &[usize]) -> Vec<Entry> {
        bytes.iter().map(|bytes| Entry { items: vec![], body: Value::from("x".repeat(*bytes)) }).collect()
    }

    #[test]
    fn a_call_holds_as_many_as_the_service_and_the_host_take() {
        assert_eq!(fitting(&entries(&[10, 10, 10]), 2), 2);
        assert_eq!(fitting(&entries(&[10, 10, 10]), 100), 3);
        assert_eq!(fitting(&entries(&[CALL_BYTES / 2, CALL_BYTES / 3, CALL_BYTES / 2]), 100), 2);
        assert_eq!(fitting(&entries(&[2 * CALL_BYTES, 10]), 100), 1, "one that is too large is sent alone");
    }

    #[test]
    fn quiet_is_kept_when_it_is_asked_for() {
        let answered = |status| Ok(Response { status, headers: vec![], body: vec![] });
        assert!(concerns_all(&answered(429), &Outcome::RetryAfter(0)));
        assert!(concerns_all(&answered(503), &Outcome::RetryAfter(0)));
        assert!(concerns_all(&Err(SendError::Timeout), &Outcome::RetryAfter(0)));
        assert!(concerns_all(&answered(401), &Outcome::Unauthorized(String::new())));
        assert!(!concerns_all(&answered(500), &Outcome::RetryAfter(0)), "it may be about this item alone");
        assert!(!concerns_all(&answered(400), &Outcome::Rejected(String::new())));
        assert!(!concerns_all(&answered(200), &Outcome::Delivered));
    }
}
