//! A small project with one event that matters, and people who send it.

use sonder_core::message::Call;
use sonder_core::record::{Event, Fact, Identifier, Record, Seq};
use sonder_dsl::ir::{EventId, IdentifierKindId, Program, SourceId, Value};
use sonder_dsl::source::{SourceFile, SourceSet};
use sonder_dsl::time::Moment;
use std::sync::Arc;

/// Compiles a project with these rules; its events are `view`, `order`, and `e0` to `e99` like them.
pub fn project(rules: &str) -> Arc<Program> {
    let file = |path: &str, text: &str| SourceFile { path: path.to_owned(), text: text.to_owned() };
    let properties = "properties:\n  category: {type: string}\n  product: {type: string}\n  \
                      price: {type: number, multipleOf: 0.01}\n";
    let names = ["view".to_owned(), "order".to_owned()].into_iter().chain((0..100).map(|number| format!("e{number}")));
    let events = names.map(|name| file(&format!("events/{name}.yaml"), &format!("event: {name}\n{properties}")));
    let mut files: Vec<SourceFile> = events.collect();
    files.extend([
        file("sonder.yaml", "name: views"),
        file("profile.yaml", "traits:\n  country: {type: string}\n"),
        file("sources/web.yaml", "source: web\nkind: server\nwrite_keys: [wk]\n"),
        file("identity.yaml", "identifiers:\n  user_id: {unique: true}\n  anonymous_id: {limit: 200}\n"),
        file("destinations/hook.yaml", "destination: hook\nplugin: sonder/webhook@1\nallow: [hook.example]\n"),
        file("rules/all.sonder", rules),
    ]);
    let compilation = sonder_dsl::compile(SourceSet::new(files));
    compilation.program.unwrap_or_else(|| panic!("{rules}\n{:#?}", compilation.diagnostics))
}

/// Views of people at random, a tenth of a second after one another. Identifiers are made anew for each, as those of
/// requests are.
pub struct Views {
    record: Record,
    people: u64,
}

impl Views {
    /// Of so many people.
    pub fn new(program: &Program, people: u64) -> Self {
        let view = program.event_named("view").unwrap();
        let who = |kind| Identifier { kind: IdentifierKindId(kind), value: "".into() };
        let event = Event {
            call: Call::Track,
            event: Some(view),
            source: SourceId(0),
            occurred_at: Moment(0),
            identifiers: vec![who(0), who(1)],
            traits: Vec::new(),
            properties: Box::default(),
            context: Box::default(),
            forward: None,
            withheld: Vec::new(),
            stripped: Vec::new(),
            labels: Vec::new(),
            said: sonder_core::consent::Said::NOTHING,
            historical: false,
            likelihood: sonder_core::record::Likelihood::NONE,
        };
        let mut views =
            Self { record: Record { seq: Seq(0), received_at: Moment(0), fact: Fact::Event(event) }, people };
        views.of_type(program, view);
        views
    }

    /// From now on, events of that type.
    pub fn of_type(&mut self, program: &Program, kind: EventId) {
        let Fact::Event(event) = &mut self.record.fact;
        event.event = Some(kind);
        let slots = program.events[kind.index()].slots.iter();
        event.properties = slots
            .map(|slot| match slot.path[0].as_str() {
                "price" => Some(Value::Decimal(rust_decimal::Decimal::new(1_999, 2))),
                _ => Some(Value::String("a".into())),
            })
            .collect();
    }

    /// The next event: everybody's first, then of anybody.
    pub fn next(&mut self, seq: u64) -> &Record {
        let mixed = (seq ^ seq >> 7).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
        let person = if seq <= self.people { seq - 1 } else { mixed % self.people };
        self.of(seq, person)
    }

    /// The next event, of somebody.
    pub fn of(&mut self, seq: u64, person: u64) -> &Record {
        let at = Moment::from_millis(1_767_225_600_000 + seq as i64 * 100);
        self.record.seq = Seq(seq);
        self.record.received_at = at;
        let Fact::Event(event) = &mut self.record.fact;
        event.occurred_at = at;
        event.identifiers[0].value = format!("user-{person}").into();
        event.identifiers[1].value = format!("visitor-{person:024}").into();
        &self.record
    }
}
