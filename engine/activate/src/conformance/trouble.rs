//! What a service and its network may do, at every one of a sample's requests: refuse, fail, keep silent, ask for quiet,
//! answer nonsense. The sample is the first exchange of a file in which all goes well.

use super::bench::{Bench, Run, key, recorded};
use super::exchange::{Exchange, Exchanges};
use super::recorder::Script;
use super::report::Check;
use crate::host::{Response, SendError};
use serde_json::Value;

/// What should become of items that the trouble is about.
#[derive(Clone, Copy)]
enum Wanted {
    /// Tried again, not before so many seconds.
    Retry(u64),
    /// Given up, or the destination paused: not tried again as if nothing was.
    Refused,
    /// The destination paused.
    Unauthorized,
}

/// All checks of this kind.
pub fn all(bench: &Bench<'_>, file: &Exchanges) -> Vec<Check> {
    let Some(sample) = file.sample() else {
        let why = "no exchange of the file has calls and ends with every item delivered".to_owned();
        return vec![Check::failed("there is an exchange in which all goes well", why)];
    };
    let mut checks = Vec::new();
    for (name, answer, wanted) in troubles() {
        let problems: Vec<String> = (0..sample.calls.len())
            .filter_map(|at| {
                let run = bench.run(&sample.items, 1, broken(sample, at, answer.clone()));
                problem(&run, wanted).map(|problem| format!("at request {}: {problem}", at + 1))
            })
            .collect();
        checks.push(Check::of(name, problems.is_empty(), || problems.join("\n")));
    }
    checks.push(odd_answers(bench, sample));
    checks.push(echoes(bench, sample));
    checks.push(repeated(bench, sample));
    checks.extend(keys(bench, file, sample));
    checks
}

type Trouble = (&'static str, Result<Response, SendError>, Wanted);

fn troubles() -> Vec<Trouble> {
    let answered = |status: u16, headers: &[(&str, &str)]| {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Ok(Response { status, headers, body: Vec::new() })
    };
    let quota = answered(429, &[("retry-after", "17")]);
    vec![
        ("400 is a refusal", answered(400, &[]), Wanted::Refused),
        ("401 pauses the destination", answered(401, &[]), Wanted::Unauthorized),
        ("429 is tried again when `Retry-After` says so", quota, Wanted::Retry(17)),
        ("429 without `Retry-After` is tried again", answered(429, &[]), Wanted::Retry(0)),
        ("500 is tried again", answered(500, &[]), Wanted::Retry(0)),
        ("502 is tried again", answered(502, &[]), Wanted::Retry(0)),
        ("503 is tried again when `Retry-After` says so", answered(503, &[("retry-after", "17")]), Wanted::Retry(17)),
        ("a timeout is tried again", Err(SendError::Timeout), Wanted::Retry(0)),
        ("no connection is tried again", Err(SendError::Connect("refused".to_owned())), Wanted::Retry(0)),
    ]
}

/// As recorded until request `at`; from there on, trouble.
fn broken(sample: &Exchange, at: usize, answer: Result<Response, SendError>) -> Script {
    let well = recorded(sample);
    Box::new(move |n| if n < at { well(n) } else { answer.clone() })
}

fn problem(run: &Run, wanted: Wanted) -> Option<String> {
    let outcomes = match &run.outcomes {
        Ok(outcomes) => outcomes,
        Err(failure) => return Some(failure.clone()),
    };
    let touched: Vec<&Value> = outcomes.iter().filter(|outcome| *outcome != "delivered").collect();
    if touched.is_empty() {
        return Some("every item counts as delivered".to_owned());
    }
    let fits = |outcome: &Value| match wanted {
        Wanted::Retry(0) => outcome == "retry" || outcome.get("retry_after").is_some(),
        Wanted::Retry(least) => outcome["retry_after"].as_u64().is_some_and(|seconds| seconds >= least),
        Wanted::Refused => outcome.get("rejected").is_some() || outcome.get("unauthorized").is_some(),
        Wanted::Unauthorized => outcome.get("unauthorized").is_some(),
    };
    touched.into_iter().find(|outcome| !fits(outcome)).map(|outcome| format!("an item ends with {outcome}"))
}

/// 200 with something else than documented in it: any outcome is fine, as long as there is one.
fn odd_answers(bench: &Bench<'_>, sample: &Exchange) -> Check {
    let bodies = ["", "null", "[]", "{}", "[null]", "\"ok\"", "<html></html>", "{\"results\": 7, \"errors\": [7]}"];
    let problems: Vec<String> = bodies
        .iter()
        .filter_map(|body| {
            let answer = Ok(Response { status: 200, headers: Vec::new(), body: body.as_bytes().to_vec() });
            let run = bench.run(&sample.items, 1, Box::new(move |_| answer.clone()));
            run.outcomes.err().map(|failure| format!("200 with `{body}`: {failure}"))
        })
        .collect();
    Check::of("an answer that is not as documented breaks nothing", problems.is_empty(), || problems.join("\n"))
}

fn echoes(bench: &Bench<'_>, sample: &Exchange) -> Check {
    let told = bench.secrets().values().cloned().collect::<Vec<_>>().join(" ");
    let answer = Ok(Response { status: 400, headers: Vec::new(), body: told.into_bytes() });
    let run = bench.run(&sample.items, 1, Box::new(move |_| answer.clone()));
    let shown = run.outcomes.map_or_else(|failure| failure, |outcomes| Value::Array(outcomes).to_string());
    let leaked = bench.secrets().iter().find(|(_, value)| shown.contains(value.as_str()));
    Check::of("a secret that an answer repeats is not shown", leaked.is_none(), || {
        format!("`{}` stands in an outcome", leaked.map_or("", |(name, _)| name.as_str()))
    })
}

/// The same items give the same requests: now, and in another attempt.
fn repeated(bench: &Bench<'_>, sample: &Exchange) -> Check {
    let first = bench.run(&sample.items, 1, recorded(sample));
    let again = bench.run(&sample.items, 1, recorded(sample));
    let later = bench.run(&sample.items, 2, recorded(sample));
    let same = first.seen == again.seen && first.seen == later.seen && first.outcomes == again.outcomes;
    Check::of("another attempt makes the same requests", same, || "they differ".to_owned())
}

/// Every item's idempotency key goes along, unless the file says why not.
fn keys(bench: &Bench<'_>, file: &Exchanges, sample: &Exchange) -> Option<Check> {
    if file.no_key.is_some() {
        return None;
    }
    let run = bench.run(&sample.items, 1, recorded(sample));
    let sent: Vec<String> = run
        .seen
        .iter()
        .map(|seen| format!("{} {:?} {}", seen.url, seen.headers, String::from_utf8_lossy(&seen.body)))
        .collect();
    let missing = (1..=sample.items.len()).find(|n| !sent.iter().any(|sent| sent.contains(&key(*n as u128))));
    Some(Check::of("idempotency keys go along", missing.is_none(), || {
        let n = missing.unwrap_or_default();
        format!("no request has that of item {n}; where the service takes none, say why in `no_key`")
    }))
}
