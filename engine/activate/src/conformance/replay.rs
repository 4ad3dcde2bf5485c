//! Recorded exchanges, to the letter: the requests that were recorded, no other, and what became of the items.

use super::bench::{Bench, Run, recorded};
use super::exchange::{Exchange, Exchanges, Kind, RecordedRequest};
use super::recorder::Seen;
use super::report::Check;
use crate::host::web_push;
use serde_json::Value;
use sonder_dsl::model::PluginDescription;

/// A check for each exchange.
pub fn all(bench: &Bench<'_>, file: &Exchanges) -> Vec<Check> {
    let check = |exchange: &Exchange| {
        let problems = problems(bench, exchange);
        Check::of(&exchange.name, problems.is_empty(), || problems.join("\n"))
    };
    file.exchanges.iter().map(check).collect()
}

fn problems(bench: &Bench<'_>, exchange: &Exchange) -> Vec<String> {
    let Run { outcomes, seen } = bench.run(&exchange.items, 1, recorded(exchange));
    let mut problems = payloads(bench, exchange);
    if seen.len() != exchange.calls.len() {
        problems.push(format!("{} requests, recorded are {}", seen.len(), exchange.calls.len()));
    }
    for (n, (seen, call)) in seen.iter().zip(&exchange.calls).enumerate() {
        let differences = differences(bench, seen, &call.request);
        problems.extend(differences.into_iter().map(|difference| format!("request {}: {difference}", n + 1)));
    }
    match outcomes {
        Err(failure) => problems.push(failure),
        Ok(outcomes) => {
            for (n, (got, wanted)) in outcomes.iter().zip(&exchange.outcomes).enumerate() {
                if got != wanted {
                    problems.push(format!("item {}: {got}, recorded is {wanted}", n + 1));
                }
            }
        }
    }
    problems
}

/// What journeys could not send must not stand in an exchange that goes well.
fn payloads(bench: &Bench<'_>, exchange: &Exchange) -> Vec<String> {
    let actions = PluginDescription::of_actions(&bench.plugin().description().actions).actions;
    let mut problems = Vec::new();
    for (item, outcome) in exchange.items.iter().zip(&exchange.outcomes) {
        if item.kind != Kind::Message || outcome != "delivered" {
            continue;
        }
        let Some(schema) = actions.get(&item.name) else {
            problems.push(format!("the plugin describes no action `{}`", item.name));
            continue;
        };
        let payload = Value::Object(item.payload.clone());
        if let Err(error) = jsonschema::validate(schema, &payload) {
            problems.push(format!("the payload does not fit the action `{}`: {error}", item.name));
        }
    }
    problems
}

fn differences(bench: &Bench<'_>, seen: &Seen, wanted: &RecordedRequest) -> Vec<String> {
    let mut differences = Vec::new();
    let mut compare = |what: &str, got: String, wanted: &str| {
        let got = bench.without_secrets(&got);
        if got != wanted {
            differences.push(format!("{what} is `{got}`, recorded is `{wanted}`"));
        }
    };
    compare("the method", seen.method.clone(), &wanted.method);
    compare("the URL", seen.url.clone(), &wanted.url);
    for (name, value) in &wanted.headers {
        let got = seen.headers.iter().find(|(seen, _)| seen.eq_ignore_ascii_case(name));
        compare(&format!("the header `{name}`"), got.map_or_else(String::new, |(_, got)| got.clone()), value);
    }
    let body = match &wanted.subscription {
        None => String::from_utf8_lossy(&seen.body).into_owned(),
        Some(it) => match web_push::open(&seen.body, &it.private_key, &it.auth) {
            Some(plain) => String::from_utf8_lossy(&plain).into_owned(),
            None => "what its subscription cannot read".to_owned(),
        },
    };
    match &wanted.body {
        Value::Null => compare("the body", body, ""),
        Value::String(text) => compare("the body", body, text),
        json => {
            let got = serde_json::from_str(&bench.without_secrets(&body)).unwrap_or(Value::String(body));
            unequal("", &got, json, &mut differences);
        }
    }
    differences
}

/// Where two JSON values differ.
fn unequal(path: &str, got: &Value, wanted: &Value, differences: &mut Vec<String>) {
    match (got, wanted) {
        (Value::Object(got), Value::Object(wanted)) => {
            for (key, value) in wanted {
                unequal(&format!("{path}/{key}"), got.get(key).unwrap_or(&Value::Null), value, differences);
            }
            for (key, value) in got.iter().filter(|(key, _)| !wanted.contains_key(*key)) {
                differences.push(format!("the body's `{path}/{key}` is {value}, not recorded"));
            }
        }
        (Value::Array(got), Value::Array(wanted)) if got.len() == wanted.len() => {
            for (n, (got, wanted)) in got.iter().zip(wanted).enumerate() {
                unequal(&format!("{path}/{n}"), got, wanted, differences);
            }
        }
        _ if got != wanted => differences.push(format!("the body's `{path}` is {got}, recorded is {wanted}")),
        _ => {}
    }
}
