//! `residency:` of `sonder.yaml`: the regions that people's data stays in. Each has an engine of its own, with a store of its
//! own; what says here where people belong, and which destinations may hear of them.

use super::consent::place;
use super::consent::regime::SHIPPED;
use super::{Consent, Declarations, DeclaredDestination, Destination, Reference, Source};
use crate::diagnostic::{Diagnostic, Report, codes, suggest};
use crate::shape::{Fields, Filled, Format, Key, Shape};
use crate::source::Span;
use crate::yaml::Node;
use std::collections::BTreeMap;

/// Where people's data stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Residency {
    /// By name.
    pub regions: BTreeMap<String, Region>,
    /// Where somebody belongs of whom nothing says where they live, or who lives in no region.
    pub default: Option<String>,
}

/// A region, and the engine that stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
    /// Countries, or parts of them as in `US-CA`, in upper case; sorted.
    pub places: Vec<String>,
    /// Where the engines of other regions reach its collector.
    pub url: String,
}

/// What `residency` may hold.
pub(super) const KEYS: &[Key] = &[
    Key::required(
        "regions",
        Shape::Map(Format::Name, &Shape::Object(REGION)),
        "the regions by name, each with an engine of its own: `sonder run --region NAME`",
    ),
    Key::optional(
        "default",
        Shape::NAME,
        "the region of people of whom nothing says where they live, or who live in none; without it their messages are kept aside",
    ),
];

const REGION: &[Key] = &[
    Key::optional(
        "countries",
        Shape::List(&Shape::Text(Format::Country), Filled::AtLeastOne),
        "the countries whose people belong there",
    ),
    Key::optional("regimes", Shape::NAMES, "and all places where these regimes of consent hold, such as `gdpr`"),
    Key::required(
        "url",
        Shape::Text(Format::Origin),
        "where the engines of other regions reach its collector: what comes in there for this one is sent on to it",
    ),
];

/// Reads a checked `residency`.
pub(super) fn decode(node: &Node, report: &mut Report) -> Option<Residency> {
    let fields = Fields::new(node, KEYS);
    let entries = fields.get("regions")?.entries();
    let mut taken: BTreeMap<String, (&str, Span)> = BTreeMap::new();
    let mut regions = BTreeMap::new();
    for entry in entries {
        let region = Fields::new(&entry.value, REGION);
        let mut places = Vec::new();
        for (place, span) in claims(&region, report) {
            match taken.get(&place) {
                Some((other, _)) if *other == entry.key => {}
                Some((other, first)) => {
                    let message = format!("`{place}` is in `{other}` and in `{}`", entry.key);
                    let error = Diagnostic::error(codes::DUPLICATE_COUNTRY, message, span, "the second time");
                    report.push(error.label(*first, "the first time").help("people belong to one region"));
                }
                None => {
                    taken.insert(place.clone(), (&entry.key, span));
                    places.push(place);
                }
            }
        }
        places.sort_unstable();
        let url = region.string("url").unwrap_or_default();
        if url.contains('*') {
            let message = format!("`{url}` is not one address");
            let span = region.get("url").map_or(entry.value.span, |node| node.span);
            let error = Diagnostic::error(codes::BAD_VALUE, message, span, "messages are sent there");
            report.push(error.help("write where the collector is: `https://eu.cdp.example.com`"));
        }
        regions.insert(entry.key.clone(), Region { places, url });
    }
    if entries.is_empty() {
        let error =
            Diagnostic::error(codes::BAD_VALUE, "`residency` names no region", node.span, "a region belongs here");
        report.push(error.help("write `regions: {eu: {countries: [DE], url: https://eu.cdp.example.com}}`"));
        return None;
    }
    let residency = Residency { regions, default: fields.string("default") };
    if let Some(default) = fields.get("default") {
        let reference = default.text().map(|name| Reference { name: name.to_owned(), span: default.span });
        reference.iter().for_each(|it| known(it, Some(&residency), report));
    }
    Some(residency)
}

/// The places that a region claims, and where each is written.
fn claims(region: &Fields<'_>, report: &mut Report) -> Vec<(String, Span)> {
    let items = |key: &str| region.get(key).map_or(&[][..], Node::items).iter();
    let mut places: Vec<(String, Span)> =
        items("countries").filter_map(|item| Some((claimed(item.text()?), item.span))).collect();
    for item in items("regimes") {
        let Some(name) = item.text() else { continue };
        match SHIPPED.iter().find(|it| it.name == name) {
            Some(regime) => places.extend(regime.places.iter().map(|place| (place.clone(), item.span))),
            None => {
                let message = format!("there is no regime `{name}`");
                let error = Diagnostic::error(codes::BAD_VALUE, message, item.span, "not one that is shipped");
                report.push(match suggest::help(name, SHIPPED.iter().map(|it| it.name.as_str())) {
                    Some(help) => error.help(help),
                    None => error,
                });
            }
        }
    }
    places
}

fn claimed(place: &str) -> String {
    place::read(place).unwrap_or_else(|| place.to_uppercase())
}

impl Residency {
    /// The region of somebody who lives at a place, such as `NL` or `US-CA`; the one for all others where no region has it, or
    /// nothing says where that is.
    #[must_use]
    pub fn region_at(&self, place: Option<&str>) -> Option<&str> {
        place.and_then(|place| self.region_with(place)).or(self.default.as_deref())
    }

    /// The region that has a place: itself, or the country that it is in.
    #[must_use]
    pub fn region_with(&self, place: &str) -> Option<&str> {
        let place = claimed(place);
        let country = place.split('-').next().unwrap_or_default();
        let with = |wanted: &str| self.regions.iter().find(|(_, it)| it.places.iter().any(|place| place == wanted));
        with(&place).or_else(|| with(country)).map(|(name, _)| name.as_str())
    }

    /// The regions whose people a destination may not hear of.
    pub fn barred<'a>(&'a self, destination: &'a Destination) -> impl Iterator<Item = &'a str> {
        self.regions.keys().map(String::as_str).filter(|region| !destination.serves(region))
    }
}

/// The names of regions, as messages show them: `eu`, `us`.
#[must_use]
pub fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// A region that is named somewhere; reports it when there is none.
fn known(reference: &Reference, residency: Option<&Residency>, report: &mut Report) {
    let Reference { name, span } = reference;
    if residency.is_some_and(|it| it.regions.contains_key(name)) {
        return;
    }
    let message = format!("there is no region `{name}`");
    let error = Diagnostic::error(codes::UNKNOWN_REGION, message, *span, "not declared in sonder.yaml");
    let names = residency.map_or_else(Vec::new, |it| it.regions.keys().map(String::as_str).collect());
    let help = match report.suggest(name, names) {
        Some(help) => help,
        None => "declare it under `residency.regions` of sonder.yaml".to_owned(),
    };
    report.push(error.help(help));
}

/// The region that a source names, if any.
pub(crate) fn of_source(node: &Node, residency: Option<&Residency>, report: &mut Report) {
    if let Some(region) = node.get("region")
        && let Some(name) = region.text()
    {
        known(&Reference { name: name.to_owned(), span: region.span }, residency, report);
    }
}

/// The region that a scenario is played in: the one that it names, the one for all others, or the first by name.
pub(crate) fn of_scenario(node: Option<&Node>, residency: Option<&Residency>, report: &mut Report) -> Option<String> {
    let named = node.and_then(|node| Some(Reference { name: node.text()?.to_owned(), span: node.span }));
    if let Some(reference) = &named {
        known(reference, residency, report);
    }
    let residency = residency?;
    named.map(|it| it.name).or_else(|| residency.default.clone()).or_else(|| residency.regions.keys().next().cloned())
}

/// What destinations say of regions. `places` has where each is declared.
pub(crate) fn of_destinations(
    destinations: &[DeclaredDestination],
    places: &[Span],
    residency: Option<&Residency>,
    report: &mut Report,
) {
    for (declared, place) in destinations.iter().zip(places) {
        report.begin_file();
        let DeclaredDestination { destination, regions, transfers, .. } = declared;
        for reference in regions.iter().chain(transfers) {
            known(reference, residency, report);
        }
        for transfer in transfers.iter().filter(|it| destination.regions.contains(&it.name)) {
            let message = format!("`{}` is in `{}` itself", destination.name, transfer.name);
            let error = Diagnostic::error(codes::BAD_VALUE, message, transfer.span, "nothing is transferred");
            report.push(error.help("leave it out"));
        }
        if let Some(residency) = residency.filter(|_| regions.is_empty()) {
            let message = format!("`{}` does not say in which region it is", destination.name);
            let error = Diagnostic::error(codes::NO_REGION, message, *place, "its receiver is somewhere");
            let names = listed(residency.regions.keys().map(String::as_str));
            report.push(error.help(format!("write `region`, or `regions` where it is in several; there is {names}")));
        }
    }
}

/// A source of whose people nothing can tell where they belong. `places` has where each is declared.
pub(crate) fn of_people(
    sources: &[Source],
    places: &[Span],
    (residency, consent): (Option<&Residency>, Option<&Consent>),
    report: &mut Report,
) {
    let Some(residency) = residency else { return };
    if residency.default.is_some() || consent.is_some_and(|it| !it.residence.is_empty()) {
        return;
    }
    for (source, place) in sources.iter().zip(places).filter(|(source, _)| source.region.is_none()) {
        report.begin_file();
        let message = format!("nothing tells in which region people of `{}` belong", source.name);
        let error = Diagnostic::error(codes::NO_RESIDENCE, message, *place, "all that it sends would be kept aside");
        report.push(error.help(
            "write `region` here, `default` under `residency` of sonder.yaml, or in `residence` of consent.yaml which \
             trait says where somebody lives",
        ));
    }
}

/// What a journey sends goes to whoever is in it; so the destination may hear of people of all regions.
pub(crate) fn sent(declarations: &Declarations, destination: &DeclaredDestination, span: Span) -> Option<Diagnostic> {
    let residency = declarations.settings.residency.as_ref()?;
    // Where it does not say, that is reported already.
    if destination.regions.is_empty() {
        return None;
    }
    let DeclaredDestination { destination, .. } = destination;
    let barred: Vec<&str> = residency.barred(destination).collect();
    let region = barred.first()?;
    let message =
        format!("data of people in {} would leave it for `{}`", listed(barred.iter().copied()), destination.name);
    let label = format!("it is in {}", listed(destination.regions.iter().map(String::as_str)));
    let help = format!(
        "name a destination of all regions; in destinations/{0}.yaml write `regions`, where it has receivers in all of them, or \
         `transfers: {{{region}: …}}` with what the transfer is based on",
        destination.name
    );
    Some(Diagnostic::error(codes::CROSSES_REGION, message, span, label).help(help))
}
