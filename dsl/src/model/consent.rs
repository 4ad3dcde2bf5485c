//! `consent.yaml`: the purposes that people are asked for, and what consent banners and SDKs call them.
//!
//! Without the file, purposes are free names: what people say about them is recorded and can be asked for, and limits nothing.

use super::{Declarations, Reference};
use crate::diagnostic::{Diagnostic, Report, codes};
use crate::ir::{Expression, Lowered, PurposeId, Reads};
use crate::limits;
use crate::shape::{Fields, Format, Key, Shape};
use crate::source::Span;
use crate::yaml::{Node, Value};
use std::collections::BTreeSet;

/// What the project says about consent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Consent {
    /// Whether there is a `consent.yaml`: only then consent limits what rules and destinations see.
    pub enforced: bool,
    /// All purposes, at most [`limits::PURPOSES`]; sorted by name.
    pub purposes: Vec<Purpose>,
}

/// What data is used for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Purpose {
    /// Its name in rules.
    pub name: String,
    /// What people are told.
    pub description: Option<String>,
    /// What consent banners call it: all of these must be allowed. Empty: its own name.
    pub categories: Vec<String>,
}

/// What a purpose may say.
const PURPOSE: &[Key] = &[
    Key::optional("description", Shape::TEXT, "what people are told about it"),
    Key::optional("categories", Shape::TEXTS, "what consent banners call it; all of them must be allowed"),
];

/// What `consent.yaml` may hold.
pub const KEYS: &[Key] = &[Key::required(
    "purposes",
    Shape::Either(&[Shape::NAMES, Shape::Map(Format::Name, &Shape::Object(PURPOSE))]),
    "the purposes that data is used for, by name",
)];

/// A checked `consent.yaml`, and where its purposes are named.
pub(crate) fn decode(root: &Node) -> (Consent, Vec<Reference>) {
    let Some(node) = root.get("purposes") else { return (Consent::default(), Vec::new()) };
    let mut purposes = Vec::new();
    let mut places = Vec::new();
    let mut declare = |name: &str, span: Span, purpose: Purpose| {
        if places.iter().all(|known: &Reference| known.name != name) {
            places.push(Reference { name: name.to_owned(), span });
            purposes.push(Purpose { name: name.to_owned(), ..purpose });
        }
    };
    match &node.value {
        Value::List(items) => {
            for item in items {
                if let Some(name) = item.text() {
                    declare(name, item.span, Purpose::default());
                }
            }
        }
        _ => {
            for entry in node.entries() {
                let fields = Fields::new(&entry.value, PURPOSE);
                let purpose = Purpose {
                    name: String::new(),
                    description: fields.string("description"),
                    categories: fields.strings("categories"),
                };
                declare(&entry.key, entry.key_span, purpose);
            }
        }
    }
    purposes.sort_by(|a, b| a.name.cmp(&b.name));
    (Consent { enforced: true, purposes }, places)
}

impl Consent {
    /// The purpose of that name.
    #[must_use]
    pub fn purpose(&self, name: &str) -> Option<PurposeId> {
        let place = self.purposes.binary_search_by(|purpose| purpose.name.as_str().cmp(name)).ok()?;
        Some(PurposeId(place as u16))
    }

    /// With the purposes that a project without a `consent.yaml` names anywhere.
    pub(crate) fn completed(mut self, declarations: &Declarations, lowered: &Lowered, report: &mut Report) -> Self {
        if !self.enforced {
            let name = |name: &String| Purpose { name: name.clone(), ..Purpose::default() };
            self.purposes = named(declarations, lowered).iter().map(name).collect();
        }
        if self.purposes.len() > limits::PURPOSES {
            let message = format!("the project has {} purposes, more than {}", self.purposes.len(), limits::PURPOSES);
            report.push(
                Diagnostic::general(codes::TOO_MANY_PURPOSES, message).help("join those that people answer alike"),
            );
            self.purposes.truncate(limits::PURPOSES);
        }
        self
    }
}

fn named(declarations: &Declarations, lowered: &Lowered) -> BTreeSet<String> {
    let mut names: BTreeSet<String> = BTreeSet::new();
    names.extend(declarations.events.iter().flat_map(|it| it.purposes.iter().cloned()));
    names.extend(declarations.profile.iter().flat_map(|it| it.purposes.iter().cloned()));
    names.extend(declarations.destinations.iter().flat_map(|it| it.destination.purposes.iter().cloned()));
    names.extend(lowered.rules.iter().filter_map(|it| it.purpose.clone()));
    names.extend(lowered.item_purposes.values().map(|it| it.value.clone()));
    let mut asked = |expression: &Expression| {
        expression.walk(&mut |part| {
            if let Expression::Consented(purpose) = part {
                names.insert(purpose.to_string());
            }
        });
    };
    lowered.rules.iter().for_each(|rule| asked(&rule.expression));
    let journeys = lowered.journeys.iter().map(Reads::from);
    let experiences = lowered.experiences.iter().map(Reads::from);
    let predictions = lowered.predictions.iter().map(Reads::from);
    journeys.chain(experiences).chain(predictions).flat_map(|reads| reads.expressions).for_each(asked);
    names
}
