//! What people's data may do: be missing, be long, be many, and pretend to be a secret.

use super::bench::{Bench, Run, recorded};
use super::exchange::{Exchange, Exchanges, Kind, RecordedItem};
use super::recorder::Seen;
use super::report::Check;
use serde_json::{Map, Value, json};

/// Items of a large batch.
const MANY: usize = 100;
/// Bytes of a long text.
const LONG: usize = 100_000;

/// All checks of this kind.
pub fn all(bench: &Bench<'_>, file: &Exchanges) -> Vec<Check> {
    let Some(sample) = file.sample() else { return Vec::new() };
    vec![
        nothing(bench, sample),
        missing(bench, sample),
        kinds(bench, sample),
        many(bench, sample),
        long(bench, sample),
        pretended(bench, sample),
        unknown_key(bench, file),
    ]
}

fn nothing(bench: &Bench<'_>, sample: &Exchange) -> Check {
    let run = bench.run(&[], 1, recorded(sample));
    let quiet = run.outcomes.as_ref().is_ok_and(Vec::is_empty) && run.seen.is_empty();
    Check::of("an empty batch sends nothing", quiet, || match run.outcomes {
        Err(failure) => failure,
        Ok(outcomes) => format!("{} requests, {} outcomes", run.seen.len(), outcomes.len()),
    })
}

/// Each field absent, then null; no payload at all; no identifiers.
fn missing(bench: &Bench<'_>, sample: &Exchange) -> Check {
    let mut cases = Vec::new();
    for item in &sample.items {
        cases.push(("no payload".to_owned(), RecordedItem { payload: Map::new(), ..item.clone() }));
        cases.push(("no identifiers".to_owned(), RecordedItem { person: Map::new(), ..item.clone() }));
        for field in item.payload.keys() {
            let mut without = item.clone();
            without.payload.remove(field);
            cases.push((format!("no `{field}`"), without));
            for odd in [Value::Null, json!(7), json!([]), json!({}), json!("")] {
                let mut with = item.clone();
                with.payload.insert(field.clone(), odd.clone());
                cases.push((format!("`{field}: {odd}`"), with));
            }
        }
    }
    let problem = cases.into_iter().find_map(|(what, item)| {
        let run = bench.run(&[item], 1, recorded(sample));
        run.outcomes.err().map(|failure| format!("{what}: {failure}"))
    });
    Check::of("what is missing or odd is an outcome", problem.is_none(), || problem.unwrap_or_default())
}

/// Each kind of items that the plugin takes, for a person whom it may or may not be able to name.
fn kinds(bench: &Bench<'_>, sample: &Exchange) -> Check {
    let person = sample.items.first().map(|item| item.person.clone()).unwrap_or_default();
    let at = "2026-03-01T02:59:00.000000Z";
    let all = [
        (Kind::SegmentEntered, "vip", json!({"segment": "vip", "at": at, "traits": {}})),
        (Kind::SegmentLeft, "vip", json!({"segment": "vip", "at": at, "traits": {}})),
        (Kind::TraitChanged, "city", json!({"trait": "city", "value": "Kyoto", "at": at, "traits": {}})),
        (Kind::TraitChanged, "city", json!({"trait": "city", "value": null, "at": at, "traits": {}})),
        (Kind::Event, "order", json!({"event": "order", "at": at, "properties": {"total": "9.90"}, "traits": {}})),
        (Kind::Erase, "", json!({"at": at})),
        (Kind::Message, "no such action", json!({})),
    ];
    let problem = all.into_iter().find_map(|(kind, name, payload)| {
        let payload = payload.as_object().cloned().unwrap_or_default();
        let item = RecordedItem { kind, name: name.to_owned(), person: person.clone(), payload };
        let nobody = RecordedItem { person: Map::new(), ..item.clone() };
        let run = bench.run(&[item, nobody], 1, recorded(sample));
        run.outcomes.err().map(|failure| format!("{kind:?}: {failure}"))
    });
    Check::of("every kind of items has an outcome, erasures too", problem.is_none(), || problem.unwrap_or_default())
}

fn many(bench: &Bench<'_>, sample: &Exchange) -> Check {
    let items: Vec<RecordedItem> = sample
        .items
        .iter()
        .cycle()
        .take(MANY)
        .enumerate()
        .map(|(n, item)| {
            let mut item = item.clone();
            for value in item.person.values_mut() {
                *value = Value::String(format!("{n}.{}", value.as_str().unwrap_or_default()));
            }
            item
        })
        .collect();
    let Run { outcomes, seen } = bench.run(&items, 1, recorded(sample));
    let problem = match outcomes {
        Err(failure) => Some(failure),
        Ok(outcomes) => {
            let denied = outcomes.iter().find(|outcome| outcome.get("unauthorized").is_some());
            denied.map(|outcome| format!("after {} requests an item ends with {outcome}", seen.len()))
        }
    };
    Check::of(&format!("a batch of {MANY} ends well"), problem.is_none(), || problem.unwrap_or_default())
}

fn long(bench: &Bench<'_>, sample: &Exchange) -> Check {
    let stretch = |value: &mut Value| {
        if let Value::String(text) = value {
            text.push_str(&"ä \"<&\\".repeat(LONG / 8));
        }
    };
    let mut items = sample.items.clone();
    items.iter_mut().for_each(|item| item.payload.values_mut().for_each(stretch));
    let run = bench.run(&items, 1, recorded(sample));
    let failure = run.outcomes.err();
    Check::of("long texts are an outcome", failure.is_none(), || failure.unwrap_or_default())
}

/// People may write `{{secret:NAME}}` themselves.
fn pretended(bench: &Bench<'_>, sample: &Exchange) -> Check {
    let honest = bench.run(&sample.items, 1, recorded(sample)).seen;
    let problem = bench.secrets().iter().find_map(|(name, value)| {
        let mut items = sample.items.clone();
        for item in &mut items {
            for value in item.payload.values_mut().chain(item.person.values_mut()) {
                pretend(value, name);
            }
        }
        let seen = bench.run(&items, 1, recorded(sample)).seen;
        (told(&seen, value) > told(&honest, value)).then(|| {
            format!("`{{{{secret:{name}}}}}` in a person's data is filled in: leave `fill-body` false, percent-encode what goes into a URL")
        })
    });
    Check::of("data cannot ask for secrets", problem.is_none(), || problem.unwrap_or_default())
}

fn pretend(value: &mut Value, name: &str) {
    match value {
        Value::String(text) => text.push_str(&format!("{{{{secret:{name}}}}}")),
        Value::Object(fields) => fields.values_mut().for_each(|value| pretend(value, name)),
        Value::Array(items) => items.iter_mut().for_each(|value| pretend(value, name)),
        _ => {}
    }
}

fn told(seen: &[Seen], secret: &str) -> usize {
    let count = |text: &str| text.matches(secret).count();
    let headers = |seen: &Seen| seen.headers.iter().map(|(_, value)| count(value)).sum::<usize>();
    seen.iter().map(|seen| count(&seen.url) + headers(seen) + count(&String::from_utf8_lossy(&seen.body))).sum()
}

/// A typing mistake in a configuration is told, not passed over.
fn unknown_key(bench: &Bench<'_>, file: &Exchanges) -> Check {
    let mut config = file.config.clone();
    config["no_such_key_"] = Value::from(1);
    let refused = bench.plugin().check(&config).is_ok_and(|problems| !problems.is_empty());
    Check::of("an unknown key of the configuration is refused", refused, || "it is let through".to_owned())
}
