//! What must hold at a step.

use super::table::{EXPECT, MEMBERS, OUTCOMES};
use crate::diagnostic::{Diagnostic, Report, codes, suggest};
use crate::ir::journey::NodeKind;
use crate::ir::{DestinationId, JourneyId, ProfileTraitId, Program, RuleId, RuleKind};
use crate::shape::Fields;
use crate::source::Span;
use crate::yaml::{Entry, Node};
use serde_json::{Map, Value as Json};

/// What must hold.
#[derive(Clone, Debug)]
pub struct Expectation {
    /// Where it is written.
    pub place: Span,
    /// About whom, by kind and value of identifiers; empty for whoever sent last.
    pub person: Vec<(String, String)>,
    /// The segments that they are in.
    pub segments: Option<Members>,
    /// Values of computed traits; `null` for unknown.
    pub traits: Vec<(RuleId, Json)>,
    /// The conditions that decide rules, as text.
    pub because: Vec<(RuleId, Vec<String>)>,
    /// Values of the golden record; `null` for unknown.
    pub profile: Vec<(ProfileTraitId, Json)>,
    /// Where they are in journeys.
    pub journeys: Vec<(JourneyId, ExpectedPassages)>,
    /// All that destinations were told.
    pub sent: Option<Vec<ExpectedDelivery>>,
    /// What became of deliveries; outcomes that are not named are not looked at.
    pub outcomes: Vec<(Outcome, Vec<ExpectedDelivery>)>,
    /// All that was kept aside.
    pub quarantined: Option<Vec<ExpectedQuarantine>>,
}

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// The destination has it.
    Delivered,
    /// It is tried again later, or waits for another before it.
    Waiting,
    /// It was rejected, or tried too often.
    GivenUp,
    /// It was called back while it waited.
    Recalled,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Delivered, Self::Waiting, Self::GivenUp, Self::Recalled];

    /// As it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Waiting => "waiting",
            Self::GivenUp => "given_up",
            Self::Recalled => "recalled",
        }
    }
}

/// Memberships.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Members {
    /// In these, and in no other.
    Exactly(Vec<RuleId>),
    /// In the first, and not in the second; nothing is said of others.
    Some(Vec<RuleId>, Vec<RuleId>),
}

/// Where somebody is in a journey.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExpectedPassages {
    /// In it, or how they left; `None` for never in it.
    One(Option<String>),
    /// The same by the value that passages are told apart by; these and no others.
    ByValue(Vec<(String, String)>),
}

/// How somebody stands to a journey that they are or were in.
pub const STATUSES: [&str; 6] = ["waiting", "converted", "finished", "exited", "withdrawn", "removed"];

/// Something that a destination was told.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpectedDelivery {
    /// Which.
    pub destination: DestinationId,
    /// `segment_entered`, `segment_left`, `trait_changed`, `event`; `message` for what a journey sends.
    pub kind: String,
    /// The segment, trait or event; the action of a message.
    pub name: String,
    /// Fields of the payload that are checked.
    pub fields: Map<String, Json>,
}

/// Something that was kept aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedQuarantine {
    /// The event's name as sent; `None` for any.
    pub event: Option<String>,
    /// The code of one of its reasons; `None` for any.
    pub reason: Option<String>,
}

/// What destinations are told of, and the key of the payload that names it.
const KINDS: [(&str, &str); 4] =
    [("segment_entered", "segment"), ("segment_left", "segment"), ("trait_changed", "trait"), ("event", "event")];

pub fn decode(node: &Node, program: &Program, report: &mut Report) -> Expectation {
    let fields = Fields::new(node, EXPECT);
    let person = fields.get("person").map_or(&[][..], Node::entries).iter();
    let mut names = Names { program, report };
    Expectation {
        place: node.span,
        person: person.filter_map(|entry| names.identifier(entry)).collect(),
        segments: fields.get("segments").map(|node| members(node, &mut names)),
        traits: names.values(fields.get("traits"), Names::computed),
        because: names.because(fields.get("because")),
        profile: names.values(fields.get("profile"), Names::profile),
        journeys: names.journeys(fields.get("journey")),
        sent: fields.get("sent").map(|list| list.items().iter().filter_map(|it| names.delivery(it)).collect()),
        outcomes: fields.object("outcomes", OUTCOMES).map(|it| names.outcomes(&it)).unwrap_or_default(),
        quarantined: fields.get("quarantined").map(|list| list.items().iter().map(quarantine).collect()),
    }
}

fn members(node: &Node, names: &mut Names<'_>) -> Members {
    let mut of = |list: &Node| list.items().iter().filter_map(|it| names.segment(it.text()?, it.span)).collect();
    if node.entries().is_empty() {
        return Members::Exactly(of(node));
    }
    let fields = Fields::new(node, MEMBERS);
    Members::Some(fields.get("in").map(&mut of).unwrap_or_default(), fields.get("not").map(of).unwrap_or_default())
}

fn quarantine(node: &Node) -> ExpectedQuarantine {
    let text = |key| node.get(key).and_then(Node::text).map(str::to_owned);
    match node.text() {
        Some(reason) => ExpectedQuarantine { event: None, reason: Some(reason.to_owned()) },
        None => ExpectedQuarantine { event: text("event"), reason: text("reason") },
    }
}

/// Looks names up, and reports those that are none.
struct Names<'a> {
    program: &'a Program,
    report: &'a mut Report,
}

impl Names<'_> {
    fn values<T>(&mut self, node: Option<&Node>, find: impl Fn(&mut Self, &str, Span) -> Option<T>) -> Vec<(T, Json)> {
        let entries = node.map_or(&[][..], Node::entries);
        entries.iter().filter_map(|it| Some((find(self, &it.key, it.key_span)?, it.value.to_json()))).collect()
    }

    /// `{waiting: [{crm.segment_entered: abandoned_cart}]}`
    fn outcomes(&mut self, fields: &Fields<'_>) -> Vec<(Outcome, Vec<ExpectedDelivery>)> {
        let lists = Outcome::ALL.into_iter().filter_map(|outcome| {
            let list = fields.get(outcome.name())?;
            Some((outcome, list.items().iter().filter_map(|it| self.delivery(it)).collect()))
        });
        lists.collect()
    }

    /// `{abandoned_cart: ["did(product_added)"]}`
    fn because(&mut self, node: Option<&Node>) -> Vec<(RuleId, Vec<String>)> {
        let entries = node.map_or(&[][..], Node::entries).iter();
        let texts = |node: &Node| node.items().iter().filter_map(|it| it.text().map(str::to_owned)).collect();
        let any = |_: &RuleKind| true;
        let found = entries.map(|it| {
            let rule = self.rule(&it.key, it.key_span, any, codes::UNKNOWN_SEGMENT, "segment or computed trait")?;
            Some((rule, texts(&it.value)))
        });
        found.flatten().collect()
    }

    /// `{cart_recovery: converted}`
    fn journeys(&mut self, node: Option<&Node>) -> Vec<(JourneyId, ExpectedPassages)> {
        let entries = node.map_or(&[][..], Node::entries);
        entries.iter().filter_map(|entry| self.passages(entry)).collect()
    }

    fn passages(&mut self, entry: &Entry) -> Option<(JourneyId, ExpectedPassages)> {
        let program = self.program;
        let Some((id, journey)) = program.journey_named(&entry.key) else {
            let known = program.journeys.iter().map(|journey| journey.name.as_str());
            self.unknown(codes::UNKNOWN_JOURNEY, "journey", &entry.key, entry.key_span, known);
            return None;
        };
        let is_keyed = matches!(&journey.entry, crate::ir::journey::Entry::Event { per: Some(_), .. });
        let value = &entry.value;
        if value.to_json().is_null() {
            return Some((id, ExpectedPassages::One(None)));
        }
        if value.entries().is_empty() == is_keyed && value.to_json() != Json::Object(Map::new()) {
            let help = if is_keyed {
                format!("write `{}: {{VALUE: waiting}}`: passages are told apart by a property", entry.key)
            } else {
                format!("write `{}: waiting`: a person is in it once at a time", entry.key)
            };
            let error = Diagnostic::error(codes::WRONG_TYPE, "this is no place in that journey", value.span, "");
            self.report.push(error.help(help));
            return None;
        }
        if !is_keyed {
            return Some((id, ExpectedPassages::One(Some(self.status(value)?))));
        }
        let passages = value.entries().iter().map(|it| Some((it.key.clone(), self.status(&it.value)?)));
        Some((id, ExpectedPassages::ByValue(passages.collect::<Option<_>>()?)))
    }

    fn status(&mut self, node: &Node) -> Option<String> {
        let text = node.text().unwrap_or_default();
        if STATUSES.contains(&text) {
            return Some(text.to_owned());
        }
        let error = Diagnostic::error(codes::BAD_VALUE, "this is no place in a journey", node.span, "");
        let error = match suggest::help(text, STATUSES) {
            Some(help) => error.help(help),
            None => error.help(format!("it is one of {}", STATUSES.join(", "))),
        };
        self.report.push(error);
        None
    }

    fn segment(&mut self, name: &str, span: Span) -> Option<RuleId> {
        let of_kind = |kind: &RuleKind| *kind == RuleKind::Segment;
        self.rule(name, span, of_kind, codes::UNKNOWN_SEGMENT, "segment")
    }

    fn computed(&mut self, name: &str, span: Span) -> Option<RuleId> {
        let of_kind = |kind: &RuleKind| matches!(kind, RuleKind::Trait(_));
        self.rule(name, span, of_kind, codes::UNKNOWN_TRAIT, "computed trait")
    }

    fn rule(
        &mut self,
        name: &str,
        span: Span,
        of_kind: impl Fn(&RuleKind) -> bool,
        code: &'static str,
        what: &str,
    ) -> Option<RuleId> {
        let program = self.program;
        let found = program.rule_named(name).filter(|(_, rule)| of_kind(&rule.kind));
        if found.is_none() {
            let known = program.rules.iter().filter(|rule| of_kind(&rule.kind)).map(|rule| rule.name.as_str());
            self.unknown(code, what, name, span, known);
        }
        found.map(|(id, _)| id)
    }

    fn profile(&mut self, name: &str, span: Span) -> Option<ProfileTraitId> {
        let program = self.program;
        let found = program.profile.iter().position(|it| it.name == name);
        if found.is_none() {
            let known = program.profile.iter().map(|it| it.name.as_str());
            self.unknown(codes::UNKNOWN_TRAIT, "trait in `profile.yaml`", name, span, known);
        }
        Some(ProfileTraitId(u32::try_from(found?).ok()?))
    }

    fn identifier(&mut self, entry: &Entry) -> Option<(String, String)> {
        let program = self.program;
        let known = || program.identity.identifiers.iter().map(|kind| kind.name.as_str());
        if !known().any(|kind| kind == entry.key) {
            self.unknown(codes::UNKNOWN_IDENTIFIER, "identifier", &entry.key, entry.key_span, known());
            return None;
        }
        let value = match entry.value.to_json() {
            Json::String(text) => text,
            other => other.to_string(),
        };
        Some((entry.key.clone(), value))
    }

    /// `{crm.segment_entered: abandoned_cart}`, or with fields of the payload in place of the name.
    fn delivery(&mut self, node: &Node) -> Option<ExpectedDelivery> {
        let [entry] = node.entries() else {
            return self.no_delivery(node.span);
        };
        let Some((destination, kind)) = entry.key.split_once('.') else { return self.no_delivery(entry.key_span) };
        let program = self.program;
        let place = program.destinations.iter().position(|it| it.name == destination);
        let Some(place) = place.and_then(|place| u32::try_from(place).ok()) else {
            let known = program.destinations.iter().map(|it| it.name.as_str());
            self.unknown(codes::UNKNOWN_DESTINATION, "destination", destination, entry.key_span, known);
            return None;
        };
        let Some((_, key)) = KINDS.iter().find(|(known, _)| *known == kind) else {
            return self.message(DestinationId(place), kind, entry);
        };
        let (name, fields) = match entry.value.to_json() {
            Json::Object(mut fields) => match fields.remove(*key) {
                Some(Json::String(name)) => (name, fields),
                _ => {
                    let message = format!("a delivery has no `{key}`");
                    let error = Diagnostic::error(codes::MISSING_KEY, message, entry.value.span, "it belongs here");
                    self.report.push(error.help(format!("add `{key}:` with its name")));
                    return None;
                }
            },
            Json::String(name) => (name, Map::new()),
            _ => return self.no_delivery(entry.value.span),
        };
        let destination = DestinationId(place);
        Some(ExpectedDelivery { destination, kind: kind.to_owned(), name, fields })
    }

    /// `{email.message: {template: cart-reminder}}`: what some journey sends.
    fn message(&mut self, destination: DestinationId, action: &str, entry: &Entry) -> Option<ExpectedDelivery> {
        let program = self.program;
        let nodes = program.journeys.iter().flat_map(|journey| &journey.nodes);
        let sent: Vec<&str> = nodes
            .filter_map(|node| match &node.kind {
                NodeKind::Send { destination: to, action, .. } if *to == destination => Some(action.as_str()),
                _ => None,
            })
            .collect();
        if !sent.contains(&action) {
            let known = KINDS.iter().map(|(kind, _)| *kind).chain(sent);
            self.unknown(codes::UNKNOWN_ACTION, "kind of delivery", action, entry.key_span, known);
            return None;
        }
        let fields = match entry.value.to_json() {
            Json::Object(fields) => fields,
            Json::Null => Map::new(),
            _ => return self.no_delivery(entry.value.span),
        };
        Some(ExpectedDelivery { destination, kind: "message".to_owned(), name: action.to_owned(), fields })
    }

    fn no_delivery(&mut self, span: Span) -> Option<ExpectedDelivery> {
        let error = Diagnostic::error(codes::WRONG_TYPE, "this is no delivery", span, "expected one delivery");
        self.report.push(error.help("write `{crm.segment_entered: abandoned_cart}`"));
        None
    }

    fn unknown<'a>(
        &mut self,
        code: &'static str,
        what: &str,
        name: &str,
        span: Span,
        known: impl Iterator<Item = &'a str>,
    ) {
        let mut error = Diagnostic::error(code, format!("there is no {what} `{name}`"), span, "not declared");
        if let Some(help) = suggest::help(name, known) {
            error = error.help(help);
        }
        self.report.push(error);
    }
}
