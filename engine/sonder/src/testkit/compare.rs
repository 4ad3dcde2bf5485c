//! Comparing what was expected with what there is: lines for people to read, none where both are the same.

use serde_json::{Map, Value as Json};
use sonder_core::effect::{Delivery, ItemKind};
use sonder_core::message::Quarantined;
use sonder_core::view::PersonView;
use sonder_dsl::ir::{JourneyId, Program, RuleId};
use sonder_dsl::scenario::{Expectation, ExpectedDelivery, ExpectedPassages, ExpectedQuarantine, Members, Outcome};
use std::collections::{BTreeMap, BTreeSet};

/// What differs about a person, each with its details.
pub fn person(program: &Program, it: &Expectation, view: &PersonView) -> Vec<(&'static str, Vec<String>)> {
    let mut found = Vec::new();
    if let Some(expected) = &it.segments {
        found.push(("segments", segments(program, expected, view)));
    }
    let mut traits = Vec::new();
    for (rule, expected) in &it.traits {
        let value = view.computed.iter().find(|it| it.rule == *rule).map(|it| &it.value);
        traits.extend(value_differs(rule_name(program, *rule), expected, value));
    }
    found.push(("traits", traits));
    let mut profile = Vec::new();
    for (id, expected) in &it.profile {
        let name = program.profile.get(id.index()).map_or("", |it| it.name.as_str());
        let value = view.traits.iter().find(|it| it.name == name).map(|it| &it.value);
        profile.extend(value_differs(name, expected, value));
    }
    found.push(("profile", profile));
    let journeys = it.journeys.iter().flat_map(|(id, expected)| journey(program, *id, expected, view));
    found.push(("journeys", journeys.collect()));
    found.retain(|(_, details)| !details.is_empty());
    found
}

fn segments(program: &Program, expected: &Members, view: &PersonView) -> Vec<String> {
    let is_in = |rule: &RuleId| view.segments.iter().any(|segment| segment.rule == *rule);
    let (wanted, unwanted): (Vec<RuleId>, Vec<RuleId>) = match expected {
        Members::Exactly(rules) => {
            let others = view.segments.iter().map(|segment| segment.rule).filter(|rule| !rules.contains(rule));
            (rules.clone(), others.collect())
        }
        Members::Some(wanted, unwanted) => (wanted.clone(), unwanted.clone()),
    };
    let missing = wanted.iter().filter(|rule| !is_in(rule)).map(|rule| format!("- {}", rule_name(program, *rule)));
    let surplus = unwanted.iter().filter(|rule| is_in(rule)).map(|rule| format!("+ {}", rule_name(program, *rule)));
    missing.chain(surplus).collect()
}

/// Where somebody is in a journey.
fn journey(program: &Program, id: JourneyId, expected: &ExpectedPassages, view: &PersonView) -> Vec<String> {
    let name = program.journeys.get(id.index()).map_or("", |journey| journey.name.as_str());
    let passages = || view.journeys.iter().filter(|passage| passage.name == name);
    let differs = |of: &str, expected: Option<&str>, found: Option<&str>| {
        let shown = |status: Option<&str>| status.unwrap_or("never in it").to_owned();
        let lines = vec![format!("- {of}: {}", shown(expected)), format!("+ {of}: {}", shown(found))];
        if expected == found { Vec::new() } else { lines }
    };
    match expected {
        ExpectedPassages::One(status) => {
            differs(name, status.as_deref(), passages().next().map(|passage| passage.status))
        }
        ExpectedPassages::ByValue(expected) => {
            let value = |per: &Option<Json>| per.as_ref().map_or(String::new(), plain);
            let found: BTreeMap<String, &str> = passages().map(|it| (value(&it.per), it.status)).collect();
            let expected: BTreeMap<String, &str> =
                expected.iter().map(|(value, status)| (value.clone(), status.as_str())).collect();
            let values: BTreeSet<&String> = found.keys().chain(expected.keys()).collect();
            let of = |value: &String| {
                differs(&format!("{name}[{value}]"), expected.get(value).copied(), found.get(value).copied())
            };
            values.into_iter().flat_map(of).collect()
        }
    }
}

/// A value as a key of YAML.
fn plain(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// All deliveries must be expected, and the other way round; their order is the outbox's affair.
pub fn deliveries(program: &Program, expected: &[ExpectedDelivery], told: &[Delivery]) -> Vec<String> {
    let mut rest: Vec<&Delivery> = told.iter().collect();
    let mut lines = Vec::new();
    // Those that ask for more come first, so that a plain one does not take what another needs.
    let mut order: Vec<&ExpectedDelivery> = expected.iter().collect();
    order.sort_by_key(|it| std::cmp::Reverse(it.fields.len()));
    for it in order {
        match rest.iter().position(|delivery| fits(it, delivery)) {
            Some(place) => {
                rest.remove(place);
            }
            None => lines.push(format!("- {}", shown_expected(program, it))),
        }
    }
    lines.extend(rest.into_iter().map(|it| format!("+ {}", shown(program, it))));
    lines
}

/// What became of deliveries, for the outcomes that are expected.
pub fn outcomes(
    program: &Program,
    expected: &[(Outcome, Vec<ExpectedDelivery>)],
    found: &[(Outcome, Delivery)],
) -> Vec<String> {
    let of = |(outcome, expected): &(Outcome, Vec<ExpectedDelivery>)| {
        let found: Vec<Delivery> = found.iter().filter(|it| it.0 == *outcome).map(|it| it.1.clone()).collect();
        let differs = deliveries(program, expected, &found);
        let line = |line: String| format!("{} {}: {}", &line[..1], outcome.name(), &line[2..]);
        differs.into_iter().map(line).collect::<Vec<_>>()
    };
    expected.iter().flat_map(of).collect()
}

fn fits(expected: &ExpectedDelivery, delivery: &Delivery) -> bool {
    if expected.destination != delivery.destination
        || expected.kind != delivery.kind.name()
        || expected.name != delivery.name
    {
        return false;
    }
    let payload: Map<String, Json> = serde_json::from_str(&delivery.payload).unwrap_or_default();
    expected.fields.iter().all(|(name, value)| payload.get(name).is_some_and(|it| covers(value, it)))
}

/// Whether all that is expected is there; maps may hold more.
fn covers(expected: &Json, found: &Json) -> bool {
    match (expected, found) {
        (Json::Object(expected), Json::Object(found)) => {
            expected.iter().all(|(name, value)| found.get(name).is_some_and(|it| covers(value, it)))
        }
        _ => same(expected, found),
    }
}

/// What was kept aside.
pub fn quarantine(expected: &[ExpectedQuarantine], aside: &[Quarantined]) -> Vec<String> {
    let mut rest: Vec<&Quarantined> = aside.iter().collect();
    let mut lines = Vec::new();
    for it in expected {
        let fits = |found: &&Quarantined| {
            let is_reason = |reason: &String| found.reasons.iter().any(|known| known.code == *reason);
            it.event.as_ref().is_none_or(|event| found.name.as_ref() == Some(event))
                && it.reason.as_ref().is_none_or(is_reason)
        };
        match rest.iter().position(fits) {
            Some(place) => {
                rest.remove(place);
            }
            None => {
                let event = it.event.as_deref().unwrap_or("a message");
                lines.push(format!("- {event}: {}", it.reason.as_deref().unwrap_or("any reason")));
            }
        }
    }
    for found in rest {
        let reasons: Vec<String> = found
            .reasons
            .iter()
            .map(|it| format!("{} {} {}", it.code, it.path.as_deref().unwrap_or(""), it.message).replace("  ", " "))
            .collect();
        lines.push(format!("+ {}: {}", found.name.as_deref().unwrap_or("a message"), reasons.join("; ")));
    }
    lines
}

/// What differs between two texts, with a line around it; lines that only moved are shown, too.
pub fn lines(expected: &[String], found: &[String]) -> Vec<String> {
    let mut shown = Vec::new();
    let operations = similar::capture_diff_slices(similar::Algorithm::Myers, expected, found);
    for group in similar::group_diff_ops(operations, 1) {
        if !shown.is_empty() {
            shown.push("  …".to_owned());
        }
        for change in group.iter().flat_map(|operation| operation.iter_changes(expected, found)) {
            let sign = match change.tag() {
                similar::ChangeTag::Delete => '-',
                similar::ChangeTag::Insert => '+',
                similar::ChangeTag::Equal => ' ',
            };
            shown.push(format!("{sign} {}", change.value()));
        }
    }
    shown
}

/// A delivery with its moment, for snapshots.
pub fn shown_with_time(program: &Program, it: &Delivery) -> String {
    format!("{} {} {}", it.at, shown(program, it), it.payload)
}

fn shown(program: &Program, it: &Delivery) -> String {
    let destination = program.destinations.get(it.destination.index()).map_or("", |it| it.name.as_str());
    match it.kind {
        ItemKind::Message => format!("{destination}.{}", it.name),
        kind => format!("{destination}.{}: {}", kind.name(), it.name),
    }
}

fn shown_expected(program: &Program, it: &ExpectedDelivery) -> String {
    let destination = program.destinations.get(it.destination.index()).map_or("", |it| it.name.as_str());
    let fields = if it.fields.is_empty() { String::new() } else { format!(" {}", Json::Object(it.fields.clone())) };
    if it.kind == ItemKind::Message.name() {
        return format!("{destination}.{}{fields}", it.name);
    }
    format!("{destination}.{}: {}{fields}", it.kind, it.name)
}

fn value_differs(name: &str, expected: &Json, found: Option<&Json>) -> Vec<String> {
    let is_same = match found {
        None => expected.is_null(),
        Some(found) => same(expected, found),
    };
    if is_same {
        return Vec::new();
    }
    let shown = |value: Option<&Json>| value.filter(|it| !it.is_null()).map_or("unknown".to_owned(), Json::to_string);
    vec![format!("- {name}: {}", shown(Some(expected))), format!("+ {name}: {}", shown(found))]
}

/// Equal; a number in the file is the decimal that the engine shows as text.
fn same(expected: &Json, found: &Json) -> bool {
    match (expected, found) {
        (Json::Number(number), Json::String(text)) => {
            let decimal = |text: &str| text.parse::<rust_decimal::Decimal>().ok();
            decimal(&number.to_string()).is_some_and(|number| decimal(text) == Some(number))
        }
        (Json::Number(a), Json::Number(b)) => a.as_f64() == b.as_f64(),
        _ => expected == found,
    }
}

fn rule_name(program: &Program, rule: RuleId) -> &str {
    program.rules.get(rule.index()).map_or("", |rule| rule.name.as_str())
}
