//! `consent.yaml`: the purposes that people are asked for, and what consent banners and SDKs call them.
//!
//! Without the file, purposes are free names: what people say about them is recorded and can be asked for, and limits nothing.

pub mod place;
pub mod regime;

use super::{Declarations, ProfileTrait, Reference};
use crate::diagnostic::{Diagnostic, Report, codes};
use crate::ir::{Expression, Lowered, ProfileTraitId, PurposeId, Reads, Type};
use crate::limits;
use crate::shape::{Fields, Filled, Format, Key, Shape, Word};
use crate::source::Span;
use crate::yaml::{Node, Value};
use regime::{Regime, SHIPPED};
use std::collections::{BTreeMap, BTreeSet};

/// What the project says about consent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Consent {
    /// Whether there is a `consent.yaml`: only then consent limits what rules and destinations see.
    pub enforced: bool,
    /// All purposes, at most [`limits::PURPOSES`]; sorted by name.
    pub purposes: Vec<Purpose>,
    /// Traits that say where somebody lives, the most trustworthy first: a country, or a part of one as in `US-CA`.
    pub residence: Vec<ProfileTraitId>,
    /// What holds in each country or part of one that a regime names.
    pub places: BTreeMap<String, Terms>,
    /// The purpose that data is collected for, and what becomes of it without consent to that; `None` when all is stored.
    pub collection: Option<(PurposeId, Unconsented)>,
    /// What holds elsewhere, and where nothing says where somebody lives.
    pub otherwise: Terms,
    /// The regimes of the project, by name; all that are shipped where it does not say.
    pub regimes: Vec<&'static str>,
    /// The one that holds elsewhere, where the project names it.
    pub otherwise_regime: Option<&'static str>,
}

/// What becomes of what people do who do not consent to its being collected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unconsented {
    /// It is stored, and seen for what they consent to.
    #[default]
    Store,
    /// What happened is stored, but not whose it was.
    Strip,
    /// Nothing is stored.
    Refuse,
}

/// What holds for somebody: sets of purposes, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// Allowed as long as they said nothing.
    pub unasked: u32,
    /// Who withdraws takes back what they allowed before, too.
    pub backwards: u32,
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
    /// What kind of purpose it is to the law, one of [`KINDS`]; `None` when it is of none of them.
    pub kind: Option<String>,
    /// The TCF purposes, 1 to 24, that a TC string must all consent to; none where TCF says nothing of it.
    pub tcf: Vec<u8>,
    /// Whether a browser's Global Privacy Control refuses it.
    pub refused_by_signal: bool,
}

/// What a purpose may say.
const PURPOSE: &[Key] = &[
    Key::optional("description", Shape::TEXT, "what people are told about it"),
    Key::optional("categories", Shape::TEXTS, "what consent banners call it; all of them must be allowed"),
    Key::optional("kind", Shape::Word(KINDS), "what it is to the law; default its name, if that is one of these"),
    Key::optional(
        "tcf",
        Shape::List(&Shape::Integer(1, 24), Filled::AtLeastOne),
        "the purposes of IAB Europe's TCF that it needs, all of them",
    ),
    Key::optional(
        "gpc",
        Shape::Bool,
        "whether Global Privacy Control refuses it; default for advertising, sale, targeting",
    ),
];

/// What `collection` may say.
const COLLECTION: &[Key] = &[
    Key::required("purpose", Shape::NAME, "the purpose that data is collected for"),
    Key::required(
        "without",
        Shape::Word(&[
            Word { word: "store", doc: "all is stored, and seen for what they consent to" },
            Word { word: "strip", doc: "what happened is stored, but not whose it was" },
            Word { word: "refuse", doc: "nothing is stored" },
        ]),
        "what becomes of it without their consent",
    ),
];

/// Kinds of purposes.
pub const KINDS: &[Word] = &[
    Word { word: "necessary", doc: "without it the service cannot be given" },
    Word { word: "functional", doc: "comfort that somebody asked for, such as a language" },
    Word { word: "statistics", doc: "counts of one's own service, of nobody in particular" },
    Word { word: "analytics", doc: "how individual people use the service" },
    Word { word: "personalization", doc: "content by what somebody did" },
    Word { word: "marketing", doc: "messages of one's own" },
    Word { word: "advertising", doc: "advertising elsewhere" },
    Word { word: "targeting", doc: "advertising by what somebody did elsewhere" },
    Word { word: "sale", doc: "handing data on for something of value" },
    Word { word: "sensitive", doc: "health, belief, place and other sensitive data" },
];

/// The kinds that Global Privacy Control is about.
const SIGNALLED: [&str; 3] = ["advertising", "sale", "targeting"];

/// What has no purpose, where purposes are called by their names: restrictions are of that, too.
pub const ANYTHING: &str = "anything";

/// What `consent.yaml` may hold.
pub const KEYS: &[Key] = &[
    Key::required(
        "purposes",
        Shape::Either(&[Shape::NAMES, Shape::Map(Format::Name, &Shape::Object(PURPOSE))]),
        "the purposes that data is used for, by name",
    ),
    Key::optional(
        "residence",
        Shape::NAMES,
        "traits of the profile that say where somebody lives, the most trustworthy first: NL, US-CA",
    ),
    Key::optional("regimes", Shape::NAMES, "the regimes that hold for this project; default all that are shipped"),
    Key::optional("collection", Shape::Object(COLLECTION), "what is collected of people who do not consent to that"),
    Key::optional(
        "otherwise",
        Shape::NAME,
        "the regime where nothing says where somebody lives; default the strictest",
    ),
];

/// A checked `consent.yaml`, and where its purposes are named.
pub(crate) fn decode(root: &Node, profile: &[ProfileTrait], report: &mut Report) -> (Consent, Vec<Reference>) {
    let Some(node) = root.get("purposes") else { return (Consent::default(), Vec::new()) };
    let mut purposes = Vec::new();
    let mut places = Vec::new();
    let mut declare = |name: &str, span: Span, purpose: Purpose| {
        if places.iter().all(|known: &Reference| known.name != name) {
            places.push(Reference { name: name.to_owned(), span });
            purposes.push(purpose.named(name));
        }
    };
    match &node.value {
        Value::List(items) => {
            for item in items {
                if let Some(name) = item.text() {
                    let refused_by_signal = SIGNALLED.contains(&name);
                    declare(name, item.span, Purpose { refused_by_signal, ..Purpose::default() });
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
                    kind: fields.string("kind"),
                    tcf: tcf(&fields),
                    refused_by_signal: fields.bool("gpc").unwrap_or_else(|| {
                        let kind = fields.text("kind").unwrap_or(&entry.key);
                        SIGNALLED.contains(&kind)
                    }),
                };
                declare(&entry.key, entry.key_span, purpose);
            }
        }
    }
    if let Some(place) = places.iter().find(|it| it.name == ANYTHING) {
        let message = format!("a purpose cannot be named `{ANYTHING}`");
        let error = Diagnostic::error(codes::BAD_VALUE, message, place.span, "stands for all that has no purpose");
        report.push(error.help("name it by what data is used for, such as `analytics`"));
    }
    purposes.sort_by(|a, b| a.name.cmp(&b.name));
    let fields = Fields::new(root, KEYS);
    let of_project = regimes(&fields, report);
    let (places_of_law, strictest) = regime::resolve(&of_project, &purposes);
    let elsewhere = fields.get("otherwise").and_then(|node| regime_named(node, report));
    let otherwise = elsewhere.map_or(strictest, |regime| regime.terms(&purposes));
    let residence = residence(&fields, profile, report);
    let collection = collection(&fields, &purposes, report);
    let consent = Consent {
        enforced: true,
        purposes,
        residence,
        places: places_of_law,
        collection,
        otherwise,
        regimes: of_project.iter().map(|it| it.name.as_str()).collect(),
        otherwise_regime: elsewhere.map(|it| it.name.as_str()),
    };
    (consent, places)
}

impl Purpose {
    fn named(self, name: &str) -> Self {
        let own = KINDS.iter().find(|kind| kind.word == name).map(|kind| kind.word.to_owned());
        Self { name: name.to_owned(), kind: self.kind.or(own), ..self }
    }
}

fn tcf(fields: &Fields<'_>) -> Vec<u8> {
    let items = fields.get("tcf").map_or(&[][..], Node::items);
    items.iter().filter_map(|item| u8::try_from(item.number()?.value.as_u64()?).ok()).collect()
}

fn collection(fields: &Fields<'_>, purposes: &[Purpose], report: &mut Report) -> Option<(PurposeId, Unconsented)> {
    let fields = fields.object("collection", COLLECTION)?;
    let without = match fields.text("without")? {
        "refuse" => Unconsented::Refuse,
        "strip" => Unconsented::Strip,
        _ => Unconsented::Store,
    };
    let (node, name) = (fields.get("purpose")?, fields.text("purpose")?);
    let place = purposes.binary_search_by(|purpose| purpose.name.as_str().cmp(name));
    if place.is_err() {
        let message = format!("there is no purpose `{name}`");
        let error = Diagnostic::error(codes::UNKNOWN_PURPOSE, message, node.span, "not declared above");
        report.push(match report.suggest(name, purposes.iter().map(|purpose| purpose.name.as_str())) {
            Some(help) => error.help(help),
            None => error,
        });
    }
    Some((PurposeId(place.ok()? as u16), without))
}

fn regimes(fields: &Fields<'_>, report: &mut Report) -> Vec<&'static Regime> {
    match fields.get("regimes") {
        None => SHIPPED.iter().collect(),
        Some(node) => node.items().iter().filter_map(|item| regime_named(item, report)).collect(),
    }
}

fn regime_named(node: &Node, report: &mut Report) -> Option<&'static Regime> {
    let name = node.text()?;
    let found = SHIPPED.iter().find(|regime| regime.name == name);
    if found.is_none() {
        let message = format!("there is no regime `{name}`");
        let error = Diagnostic::error(codes::BAD_VALUE, message, node.span, "not one that is shipped");
        let names = || SHIPPED.iter().map(|regime| regime.name.as_str());
        let all = || format!("there are {}", names().map(|it| format!("`{it}`")).collect::<Vec<_>>().join(", "));
        let help = report.suggest(name, names()).unwrap_or_else(all);
        report.push(error.help(help));
    }
    found
}

/// Traits that say where somebody lives are text.
fn residence(fields: &Fields<'_>, profile: &[ProfileTrait], report: &mut Report) -> Vec<ProfileTraitId> {
    let items = fields.get("residence").map_or(&[][..], Node::items);
    let found = items.iter().filter_map(|item| {
        let name = item.text()?;
        let place = profile.iter().position(|it| it.name == name);
        let (message, label) = match place.and_then(|place| Some((place, profile.get(place)?))) {
            Some((place, it)) if matches!(it.kind, Type::String { .. }) => return Some(ProfileTraitId(place as u32)),
            Some(_) => (format!("`{name}` is no text"), "a country code is text"),
            None => (format!("there is no trait `{name}`"), "not declared in profile.yaml"),
        };
        let error = Diagnostic::error(codes::UNKNOWN_TRAIT, message, item.span, label);
        report.push(match report.suggest(name, profile.iter().map(|it| it.name.as_str())) {
            Some(help) => error.help(help),
            None => error,
        });
        None
    });
    found.collect()
}

impl Consent {
    /// What holds at a place, such as `NL` or `US-CA`: what regimes say of it, or of the country that it is in.
    #[must_use]
    pub fn terms(&self, place: Option<&str>) -> Terms {
        let Some(place) = place.and_then(place::read) else { return self.otherwise };
        let country = place.split('-').next().unwrap_or_default();
        self.places.get(&place).or_else(|| self.places.get(country)).copied().unwrap_or(self.otherwise)
    }

    /// The regime by which requests of somebody are dealt with who lives at a place: of those that hold there the one that gives
    /// the least time; where none does, the one for elsewhere, or the one of all that gives the least.
    #[must_use]
    pub fn regime_at(&self, place: Option<&str>) -> Option<&'static Regime> {
        let of_project =
            || SHIPPED.iter().filter(|it| self.regimes.is_empty() || self.regimes.contains(&it.name.as_str()));
        let place = place.and_then(place::read);
        let there =
            place.and_then(|place| of_project().filter(|it| it.holds_at(&place)).min_by_key(|it| it.days.answer));
        let elsewhere = || {
            let named = self.otherwise_regime.and_then(|name| SHIPPED.iter().find(|it| it.name == name));
            named.or_else(|| of_project().min_by_key(|it| it.days.answer))
        };
        there.or_else(elsewhere)
    }

    /// The purposes of one of these kinds, such as `marketing`, by name.
    #[must_use]
    pub fn of_kinds(&self, kinds: &[&str]) -> Vec<&str> {
        let is_of = |it: &&Purpose| it.kind.as_deref().is_some_and(|kind| kinds.contains(&kind));
        self.purposes.iter().filter(is_of).map(|it| it.name.as_str()).collect()
    }

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
            if self.purpose(ANYTHING).is_some() {
                let error = Diagnostic::general(codes::BAD_VALUE, format!("a purpose cannot be named `{ANYTHING}`"));
                report.push(error.help("it stands for all that has no purpose; name it by what data is used for"));
            }
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
