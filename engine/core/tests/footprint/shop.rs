//! Shoppers as a shop knows them, under the rules of `examples/shop`: most look around once, some sign in and buy, a few
//! come back. The same in every run.

use rust_decimal::Decimal;
use sonder_core::message::Call;
use sonder_core::record::{Event, Fact, Identifier, Record, Seq};
use sonder_dsl::ir::{IdentifierKindId, ProfileTraitId, Program, SourceId, Value};
use sonder_dsl::source::{SourceFile, SourceSet};
use sonder_dsl::time::Moment;
use std::path::Path;
use std::sync::Arc;

/// The project in `examples/shop`.
pub fn project() -> Option<Arc<Program>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/shop");
    let mut files = Vec::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        for item in std::fs::read_dir(root.join(&folder)).ok()?.flatten() {
            let name = item.file_name().to_string_lossy().into_owned();
            let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
            if item.path().is_dir() && !["data", "demo"].contains(&name.as_str()) {
                folders.push(path);
            } else if name.ends_with(".yaml") || name.ends_with(".sonder") {
                files.push(SourceFile { path, text: std::fs::read_to_string(item.path()).ok()? });
            }
        }
    }
    sonder_dsl::compile(SourceSet::new(files)).program
}

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;
/// 2026-01-01T00:00:00Z.
const BEGIN: i64 = 1_767_225_600 * SECOND;
/// How long the log is.
const DAYS: i64 = 30;

/// A number that looks like chance, of a number and what it is for.
fn dice(number: u64, what: u64) -> u64 {
    let mixed = (number ^ what << 40 ^ 0x5bd1_e995).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 16
}

/// What one shopper does on one page.
#[derive(Clone, Copy)]
enum Act {
    Page,
    View,
    Add,
    Order,
    Wish,
    Promotion,
    SignIn,
}

/// One act of one shopper.
pub struct Step {
    at: i64,
    shopper: u64,
    number: u64,
    act: Act,
}

/// All that so many shoppers do in a month, in order: eight events each on average.
pub fn history(shoppers: u64) -> Vec<Step> {
    use Act::*;
    let mut steps = Vec::new();
    for shopper in 0..shoppers {
        let visits: &[&[Act]] = match dice(shopper, 1) % 20 {
            // Look around once.
            0..=11 => &[&[Page, View, View, View]],
            12..=13 => &[&[Page, Promotion, View, View, View, Add]],
            // Come back, sign in and buy.
            14..=17 => &[&[Page, View, View], &[Page, View, View, Add, SignIn, Order]],
            // Keep coming back.
            _ => &[
                &[Page, SignIn, View, View, View, Wish],
                &[View, View, Add, Add, Order],
                &[Promotion, View, View, View, Add, Order],
            ],
        };
        for (visit, acts) in visits.iter().enumerate() {
            let share = DAYS * DAY / visits.len() as i64;
            let begin = BEGIN + share * visit as i64 + (dice(shopper, 2 + visit as u64) as i64).rem_euclid(share);
            let mut at = begin;
            for act in *acts {
                let number = steps.len() as u64;
                at += SECOND * (5 + (dice(number, 9) % 60) as i64) + (dice(number, 10) % 1_000_000) as i64;
                steps.push(Step { at, shopper, number, act: *act });
            }
        }
    }
    steps.sort_by_key(|step| (step.at, step.number));
    steps
}

/// The records of a history. Their texts are made anew for each, as those of requests are.
pub fn records<'a>(program: &'a Program, history: &'a [Step]) -> impl Iterator<Item = Record> {
    history.iter().zip(1..).map(|(step, seq)| Record {
        seq: Seq(seq),
        received_at: Moment(step.at),
        fact: Fact::Event(event(program, step)),
    })
}

fn event(program: &Program, step: &Step) -> Event {
    let Step { shopper, number, .. } = *step;
    let name = match step.act {
        Act::Page => Some("page_viewed"),
        Act::View => Some("product_viewed"),
        Act::Add => Some("product_added"),
        Act::Order => Some("order_completed"),
        Act::Wish => Some("product_wishlisted"),
        Act::Promotion => Some("promotion_viewed"),
        Act::SignIn => None,
    };
    let kind = name.and_then(|name| program.event_named(name));
    // Looks come in pairs: a shopper often looks at a product again.
    let product = dice(shopper, 20 + number / 2 % 4) % 500;
    let category = ["sustainable-fashion", "shoes", "coats", "accessories", "home-living"][product as usize % 5];
    let cents = Decimal::new(500 + (product * 37 % 19_500) as i64, 2);
    let property = |name: &str| match name {
        "product_id" => Some(Value::String(format!("SKU-{product}").into())),
        "category" => Some(Value::String(category.into())),
        "price" | "total" => Some(Value::Decimal(cents)),
        _ => None,
    };
    let device = if dice(shopper, 3).is_multiple_of(2) { "mobile" } else { "desktop" };
    let context = program.context_slots.iter().map(|slot| {
        let is_device = slot.path.iter().any(|part| part == "type");
        is_device.then(|| Value::String(device.into()))
    });
    let observed = |name: &str, value: String| {
        let id = program.profile.iter().position(|it| it.name == name)?;
        Some((ProfileTraitId(id as u32), Value::String(value.into())))
    };
    let country = observed("country", ["NL", "BE", "DE"][dice(shopper, 4) as usize % 3].to_owned());
    let mut traits: Vec<_> = country.into_iter().collect();
    let mut identifiers = Vec::new();
    let mut identify = |name: &str, value: String| {
        let kind = program.identity.identifiers.iter().position(|it| it.name == name);
        identifiers
            .extend(kind.map(|kind| Identifier { kind: IdentifierKindId(kind as u16), value: value.as_str().into() }));
    };
    if matches!(step.act, Act::SignIn) {
        identify("user_id", format!("customer-{shopper}"));
        identify("email", format!("customer.{shopper}@mail.example"));
        traits.extend(observed("email", format!("customer.{shopper}@mail.example")));
        traits.extend(observed("first_name", ["Sanne", "Daan", "Emma"][dice(shopper, 5) as usize % 3].to_owned()));
    }
    let visitor = [dice(shopper, 6), dice(shopper, 7), dice(shopper, 8)];
    identify(
        "anonymous_id",
        format!("{:08x}-{:04x}-4000-8000-{:012x}", visitor[0] as u32, visitor[1] as u16, visitor[2]),
    );
    Event {
        call: if kind.is_some() { Call::Track } else { Call::Identify },
        event: kind,
        source: SourceId(0),
        occurred_at: Moment(step.at),
        identifiers,
        traits,
        properties: kind.map_or_else(Box::default, |kind| {
            program.events[kind.index()].slots.iter().map(|slot| property(&slot.path[0])).collect()
        }),
        context: context.collect(),
        forward: None,
        withheld: Vec::new(),
        stripped: Vec::new(),
        labels: Vec::new(),
        said: sonder_core::consent::Said::NOTHING,
        historical: false,
        likelihood: sonder_core::record::Likelihood::NONE,
    }
}
