//! A small shop, and what its people do: in a hurry, on several devices, changing their minds.

use super::Chance;
use sonder_core::consent::Said;
use sonder_core::effect::EffectId;
use sonder_core::message::Call;
use sonder_core::record::{Event, Fact, Identifier, Record, Seq};
use sonder_dsl::ir::{IdentifierKindId, Program, SourceId, Value};
use sonder_dsl::source::{SourceFile, SourceSet};
use sonder_dsl::time::Moment;
use std::sync::Arc;

/// People: each has two devices and an address.
const PEOPLE: u64 = 6;

const RULES: &str = r#"
journey carts "Reminds, twice" {
  purpose marketing
  enter on add as added per added.cart
  goal order where cart == added.cart
  exit when profile.banned == true
  wait 20s
  split {
    20% control {}
    80% treated {
      send hook.remind { cart: added.cart, who: added.device }
      wait for view up to 30s { send slow.thanks { cart: added.cart, who: added.device } } else {
        send slow.discount { cart: added.cart, who: added.device }
      }
      set trait written = true
      wait 10s
    }
  }
}
journey regulars "Views a lot" {
  enter when count(view, last 2m) >= 3
  again after 40s
  goal order
  hours 00:00 to 23:00
  send other.hello { views: count(view) }
  wait until profile.written == true up to 1m { send hook.known {} } else {}
}
segment viewers { when did(view, last 90s) }
"#;

/// The shop, compiled.
pub fn shop() -> Arc<Program> {
    let file = |path: &str, text: &str| SourceFile { path: path.to_owned(), text: text.to_owned() };
    let hook = |name: &str, more: &str| {
        let text = format!("destination: {name}\nplugin: sonder/webhook@1\nallow: [hook.example]\n{more}");
        file(&format!("destinations/{name}.yaml"), &text)
    };
    let sources = SourceSet::new(vec![
        file("sonder.yaml", "name: shop\ncaps: {hook: 4 per 2 days}\n"),
        file("events/add.yaml", "event: add\nproperties: {cart: {type: string}, device: {type: string}}\n"),
        file("events/order.yaml", "event: order\nproperties: {cart: {type: string}}\n"),
        file("events/view.yaml", "event: view\nproperties: {device: {type: string}}\n"),
        file("identity.yaml", "identifiers:\n  user_id: {unique: true}\n  email: {limit: 2}\n  anonymous_id: {}\n"),
        file("profile.yaml", "traits:\n  banned: {type: boolean}\n  written: {type: boolean}\n"),
        file("consent.yaml", "purposes: {marketing: {}}\notherwise: ccpa\n"),
        file("sources/server.yaml", "source: server\nkind: server\nwrite_keys: [wk]\n"),
        hook("hook", ""),
        hook("other", "receives:\n  segments: [viewers]\n"),
        hook("slow", "rate: 2 per second\nlimits: {batch: 3}\n"),
        file("rules/all.sonder", RULES),
    ]);
    let compilation = sonder_dsl::compile(sources);
    compilation.program.ok_or(compilation.diagnostics).unwrap()
}

/// What a destination is asked to swallow and can't: its plugin traps on it.
pub fn is_poisoned(id: EffectId) -> bool {
    id.0.is_multiple_of(31)
}

/// What a destination refuses.
pub fn is_refused(id: EffectId) -> bool {
    id.0.is_multiple_of(29)
}

/// What somebody does now.
#[derive(Clone, Debug)]
pub struct Deed {
    pub event: Event,
    /// Of a cart or an order.
    pub cart: Option<String>,
    /// The device it was done on.
    pub device: String,
}

impl Deed {
    pub fn logged(&self, seq: u64, at: Moment, late: i64) -> Record {
        let mut event = self.event.clone();
        event.occurred_at = Moment(at.0 - late);
        Record { seq: Seq(seq), received_at: at, fact: Fact::Event(event) }
    }

    pub fn is(&self, program: &Program, name: &str) -> bool {
        self.event.event.is_some() && self.event.event == program.event_named(name)
    }
}

/// Somebody does something.
pub fn deed(program: &Program, chance: &mut Chance, number: u64, carts: &[(String, String)]) -> Deed {
    let person = chance.below(PEOPLE);
    let mut device = format!("a{person}{}", chance.below(2));
    let (mut identifiers, mut cart, mut said, mut traits) = (Vec::new(), None, Said::NOTHING, Vec::new());
    let (mut call, mut event) = (Call::Track, None);
    match chance.below(20) {
        0..=5 => {
            event = Some("add");
            cart = Some(format!("c{number}"));
        }
        6..=9 if !carts.is_empty() => {
            event = Some("order");
            let (ordered, by) = &carts[carts.len() - 1 - chance.below(carts.len().min(8) as u64) as usize];
            cart = Some(ordered.clone());
            if !chance.one_in(3) {
                device.clone_from(by);
            }
        }
        6..=14 => event = Some("view"),
        15..=16 => {
            // They say who they are; now and then it is the address of somebody else, or a shared device.
            call = Call::Identify;
            let who = if chance.one_in(6) { chance.below(PEOPLE) } else { person };
            let kind = if chance.one_in(2) { "user_id" } else { "email" };
            identifiers.push(identifier(program, kind, &format!("{kind}{who}")));
        }
        17..=18 => {
            call = Call::Identify;
            said = Said { to: 1, yes: u32::from(chance.one_in(2)), ..Said::NOTHING };
        }
        _ => {
            call = Call::Identify;
            let id = program.profile.iter().position(|it| it.name == "banned").unwrap_or_default();
            traits.push((sonder_dsl::ir::ProfileTraitId(id as u32), Value::Bool(chance.one_in(2))));
        }
    }
    identifiers.push(identifier(program, "anonymous_id", &device));
    identifiers.sort();
    let kind = event.and_then(|name| program.event_named(name));
    let value = |name: &str| {
        let text = if name == "cart" { cart.clone()? } else { device.clone() };
        Some(Value::String(text.as_str().into()))
    };
    let properties = kind.map(|id| program.events[id.index()].slots.iter().map(|slot| value(&slot.path[0])).collect());
    let event = Event {
        call,
        event: kind,
        source: SourceId(0),
        identifiers,
        traits,
        properties: properties.unwrap_or_default(),
        said,
        ..Event::nothing()
    };
    Deed { event, cart, device }
}

fn identifier(program: &Program, kind: &str, value: &str) -> Identifier {
    let place = program.identity.identifiers.iter().position(|it| it.name == kind).unwrap_or_default();
    Identifier { kind: IdentifierKindId(place as u16), value: value.into() }
}
