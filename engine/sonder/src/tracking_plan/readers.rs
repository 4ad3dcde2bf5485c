//! Who reads what of a project's data: the lineage of every item, turned around.

use sonder_dsl::ir::journey::NodeKind;
use sonder_dsl::ir::lineage::{self, Datum};
use sonder_dsl::ir::{EventId, ProfileTraitId, Program, RuleId, RuleKind};
use std::collections::{BTreeMap, BTreeSet};

/// What kind of thing reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Segment,
    Trait,
    Journey,
    Funnel,
    Experiment,
    Experience,
    Prediction,
    Destination,
}

impl Kind {
    /// Its word, which is also its class in the style sheet.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Segment => "segment",
            Self::Trait => "trait",
            Self::Journey => "journey",
            Self::Funnel => "funnel",
            Self::Experiment => "experiment",
            Self::Experience => "experience",
            Self::Prediction => "prediction",
            Self::Destination => "destination",
        }
    }
}

/// Somebody who reads.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Reader {
    pub kind: Kind,
    pub name: String,
}

/// How data gets to a destination.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Way {
    /// As it comes.
    Itself,
    /// In a segment, a trait or a journey.
    Through(Reader),
}

/// The lineage of a whole project.
#[derive(Debug, Default)]
pub(super) struct Readers {
    reads: BTreeMap<Reader, BTreeSet<Datum>>,
    of: BTreeMap<Datum, BTreeSet<Reader>>,
}

impl Readers {
    pub fn of(program: &Program) -> Self {
        let mut readers = Self::default();
        for rule in &program.rules {
            let kind = if rule.kind == RuleKind::Segment { Kind::Segment } else { Kind::Trait };
            readers.add(kind, &rule.name, lineage::of_rule(program, rule));
        }
        for it in &program.journeys {
            readers.add(Kind::Journey, &it.name, lineage::of_journey(program, it));
        }
        for it in &program.funnels {
            readers.add(Kind::Funnel, &it.name, lineage::of_funnel(program, it));
        }
        for it in &program.experiments {
            readers.add(Kind::Experiment, &it.name, lineage::of_experiment(program, it));
        }
        for it in &program.experiences {
            readers.add(Kind::Experience, &it.name, lineage::of_experience(program, it));
        }
        for it in &program.predictions {
            readers.add(Kind::Prediction, &it.name, lineage::of_prediction(program, it));
        }
        for it in &program.destinations {
            let events = it.events.iter().map(|id| Datum::Event(*id));
            let properties = it.events.iter().flat_map(|id| properties(program, *id));
            let rules = it.segments.iter().chain(&it.computed_traits).map(|id| Datum::Rule(*id));
            let profile = it.profile_traits.iter().map(|id| Datum::Profile(*id));
            readers.add(Kind::Destination, &it.name, events.chain(properties).chain(rules).chain(profile).collect());
        }
        readers
    }

    fn add(&mut self, kind: Kind, name: &str, reads: BTreeSet<Datum>) {
        let reader = Reader { kind, name: name.to_owned() };
        for datum in &reads {
            self.of.entry(datum.clone()).or_default().insert(reader.clone());
        }
        self.reads.insert(reader, reads);
    }

    /// What something reads itself.
    pub fn reads(&self, kind: Kind, name: &str) -> impl Iterator<Item = &Datum> {
        self.reads.get(&Reader { kind, name: name.to_owned() }).into_iter().flatten()
    }

    /// Who reads something itself.
    pub fn of_datum(&self, datum: &Datum) -> impl Iterator<Item = &Reader> {
        self.of.get(datum).into_iter().flatten()
    }

    /// Who reads an event itself, with the properties that they read of it. Who reads events of every kind is among them.
    pub fn of_event(&self, event: EventId) -> BTreeMap<&Reader, BTreeSet<&str>> {
        let mut found: BTreeMap<&Reader, BTreeSet<&str>> = BTreeMap::new();
        for (reader, reads) in &self.reads {
            for datum in reads {
                match datum {
                    Datum::Event(id) if *id == event => _ = found.entry(reader).or_default(),
                    Datum::AnyEvent => _ = found.entry(reader).or_default(),
                    Datum::Property(id, path) if *id == event => _ = found.entry(reader).or_default().insert(path),
                    _ => {}
                }
            }
        }
        found
    }

    /// Who reads a property, or something inside it.
    pub fn of_property(&self, event: EventId, path: &str) -> BTreeSet<&Reader> {
        let inside =
            |other: &str| other.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        let fitting = self.of.iter().filter(|(datum, _)| match datum {
            Datum::Property(id, other) => *id == event && inside(other),
            _ => false,
        });
        fitting.flat_map(|(_, readers)| readers).collect()
    }

    /// The destinations that something leads to, and on which way: itself, or through whatever reads it, however many
    /// rules stand between.
    pub fn destinations(&self, program: &Program, from: &[Datum]) -> BTreeMap<String, BTreeSet<Way>> {
        let mut found: BTreeMap<String, BTreeSet<Way>> = BTreeMap::new();
        let mut seen: BTreeSet<Datum> = BTreeSet::new();
        let mut open: Vec<Datum> = from.to_vec();
        while let Some(datum) = open.pop() {
            if !seen.insert(datum.clone()) {
                continue;
            }
            for reader in self.of_datum(&datum) {
                match reader.kind {
                    Kind::Destination => {
                        let way = match &datum {
                            Datum::Rule(id) => rule(program, *id).map_or(Way::Itself, Way::Through),
                            _ => Way::Itself,
                        };
                        found.entry(reader.name.clone()).or_default().insert(way);
                    }
                    Kind::Segment | Kind::Trait => {
                        open.extend(program.rule_named(&reader.name).map(|(id, _)| Datum::Rule(id)));
                    }
                    Kind::Journey => {
                        for name in sends_to(program, &reader.name) {
                            found.entry(name).or_default().insert(Way::Through(reader.clone()));
                        }
                    }
                    _ => {}
                }
            }
        }
        found
    }
}

/// A rule as a reader.
pub(super) fn rule(program: &Program, id: RuleId) -> Option<Reader> {
    let rule = program.rules.get(id.index())?;
    let kind = if rule.kind == RuleKind::Segment { Kind::Segment } else { Kind::Trait };
    Some(Reader { kind, name: rule.name.clone() })
}

/// The destinations that a journey sends something to.
pub(super) fn sends_to(program: &Program, journey: &str) -> BTreeSet<String> {
    let nodes = program.journey_named(journey).map(|(_, journey)| &journey.nodes).into_iter().flatten();
    let sent = nodes.filter_map(|node| match &node.kind {
        NodeKind::Send { destination, .. } => program.destinations.get(destination.index()),
        _ => None,
    });
    sent.map(|destination| destination.name.clone()).collect()
}

/// The journeys that send something to a destination, with what they call it.
pub(super) fn sent_by(program: &Program, destination: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for journey in &program.journeys {
        for node in &journey.nodes {
            let NodeKind::Send { destination: to, action, .. } = &node.kind else { continue };
            if program.destinations.get(to.index()).is_some_and(|it| it.name == destination) {
                found.entry(journey.name.clone()).or_default().insert(action.clone());
            }
        }
    }
    found
}

/// The journeys that set a trait of the golden record.
pub(super) fn set_by(program: &Program, id: ProfileTraitId) -> Vec<Reader> {
    let sets = |kind: &NodeKind| matches!(kind, NodeKind::SetTrait { id: set, .. } if *set == id);
    let journeys = program.journeys.iter().filter(|it| it.nodes.iter().any(|node| sets(&node.kind)));
    journeys.map(|it| Reader { kind: Kind::Journey, name: it.name.clone() }).collect()
}

fn properties(program: &Program, event: EventId) -> Vec<Datum> {
    let declared = program.events.get(event.index()).into_iter().flat_map(|it| &it.properties);
    declared.map(|property| Datum::Property(event, property.name.clone())).collect()
}
