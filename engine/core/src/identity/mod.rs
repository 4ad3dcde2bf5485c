//! Identity: whose event is it?
//!
//! All identifiers of a message are one person's. The event belongs to the person of its identifier of the highest
//! priority; each further one is linked to that person, unless a rule of `identity.yaml` is against it: then the link is
//! refused, the event still counts, and the refusal is reported once.
//!
//! - `unique`: two people with different values of the kind are never one, unless an `alias` call says so itself;
//! - `limit`: a person has no more than so many values of the kind;
//! - `trust`: a source links only kinds that it is trusted with; others are ignored, unless the message has nothing else;
//! - `generic_after`: a value seen with more identifiers of higher priority than this links nobody, and an event that
//!   carries nothing else is a person's of its own, apart from those who share it;
//! - `expires`: a value not seen for so long starts anew.

pub mod graph;
mod texts;

use crate::effect::PersonId;
use crate::limits;
use crate::record::{Event, Identifier, Seq};
use graph::{Component, Edge, Graph, Node, NodeId, PersonIndex, Reason, Refusal};
use sonder_dsl::ir::{IdentifierKindId, Program};
use sonder_dsl::model::{Identity, Trust};
use sonder_dsl::time::Moment;
use xxhash_rust::xxh3::{xxh3_64_with_seed, xxh3_128};

/// The rules, ready to apply.
#[derive(Clone, Debug)]
pub struct LinkRules {
    identity: Identity,
    /// By source and kind: whether the source may link the kind.
    trusted: Vec<Vec<bool>>,
    /// Whether any kind expires.
    expiring: bool,
}

/// More identifiers than this in one message take the long way.
const FAMILIAR: usize = 8;

/// What became known about who is who, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Finding {
    /// Somebody new.
    Created {
        /// Who.
        person: PersonIndex,
        /// Under which id from now on.
        id: PersonId,
    },
    /// Two people are one. The ids are those of the moment: a later finding of the same message may join the survivor to
    /// somebody older, and the graph knows them by their place no longer then.
    Joined {
        /// The one created first.
        survivor: PersonIndex,
        /// Who that is.
        survivor_id: PersonId,
        /// The other; the place is to be released.
        absorbed: PersonIndex,
        /// Who that was.
        absorbed_id: PersonId,
    },
    /// Somebody else's identifier was seen, or is theirs no longer.
    Touched(PersonIndex),
    /// A link was refused, for the first time.
    Refused {
        /// Whose event it was.
        person: PersonId,
        /// The identifier that stays apart.
        identifier: Identifier,
        /// Why.
        reason: Reason,
    },
}

/// The record at hand.
#[derive(Clone, Copy)]
pub struct Sighting<'e> {
    /// The event.
    pub event: &'e Event,
    /// Its place in the log.
    pub seq: Seq,
}

impl LinkRules {
    /// Those of a program.
    pub fn new(program: &Program) -> Self {
        let identity = &program.identity;
        let trusted = program.sources.iter().map(|source| {
            let trust = identity.trust.iter().find(|(kind, _)| *kind == source.kind).map(|(_, trust)| trust);
            let may_link = |index: usize| match trust {
                None | Some(Trust::All) => true,
                Some(Trust::Kinds(kinds)) => kinds.iter().any(|kind| kind.index() == index),
            };
            (0..identity.identifiers.len()).map(may_link).collect()
        });
        let expiring = identity.identifiers.iter().any(|kind| kind.expires.is_some());
        Self { identity: identity.clone(), trusted: trusted.collect(), expiring }
    }

    /// Finds the person of an event, and links what belongs together.
    pub fn resolve(
        &self,
        graph: &mut Graph,
        sighting: Sighting<'_>,
        findings: &mut Vec<Finding>,
    ) -> Option<PersonIndex> {
        let event = sighting.event;
        if let Some(person) = self.familiar(graph, event) {
            return Some(person);
        }
        let first_refusal = findings.len();
        for identifier in &event.identifiers {
            self.refresh(graph, identifier, event.occurred_at, findings);
        }
        let primary = self.primary(graph, event)?;
        let mut person = self.person_of(graph, primary, sighting, findings)?;
        let id = graph.component(person)?.id;
        for finding in &mut findings[first_refusal..] {
            // Whoever the event is of hears that an identifier started anew.
            if let Finding::Refused { person: whose, .. } = finding {
                *whose = id;
            }
        }
        for identifier in event.identifiers.iter().filter(|identifier| *identifier != primary) {
            person = self.link(graph, person, primary, identifier, sighting, findings);
        }
        for identifier in &event.identifiers {
            if let Some(node) = graph.find(identifier).and_then(|node| graph.node_mut(node)) {
                node.see(event.occurred_at);
                if node.person != person && node.person != NOBODY {
                    findings.push(Finding::Touched(node.person));
                }
            }
        }
        Some(person)
    }

    /// The person, where the message says nothing new about who is who: the steady path, one look-up an identifier.
    fn familiar(&self, graph: &mut Graph, event: &Event) -> Option<PersonIndex> {
        let mut nodes = [NodeId(0); FAMILIAR];
        let count = event.identifiers.len();
        let mut person = NOBODY;
        for (place, identifier) in event.identifiers.iter().enumerate() {
            let id = graph.find(identifier)?;
            let (_, node) = graph.node(id)?;
            let same = place == 0 || node.person == person;
            let trusted = count == 1 || self.trusts(event, identifier.kind);
            let fresh = !self.expiring || !self.is_expired(identifier, node, event.occurred_at);
            if !same || !trusted || !fresh || node.generic || node.person == NOBODY {
                return None;
            }
            person = node.person;
            *nodes.get_mut(place)? = id;
        }
        let nodes = &nodes[..count];
        if let [main, others @ ..] = nodes
            && !others.is_empty()
        {
            let component = graph.component(person)?;
            if !others.iter().all(|other| component.connects(*main, *other)) {
                return None;
            }
        }
        for id in nodes {
            graph.node_mut(*id)?.see(event.occurred_at);
        }
        (count > 0).then_some(person)
    }

    fn is_expired(&self, identifier: &Identifier, node: &Node, at: Moment) -> bool {
        let kind = self.identity.identifiers.get(identifier.kind.index());
        kind.and_then(|kind| kind.expires).is_some_and(|expires| at.since(node.last_seen) > expires)
    }

    /// A value that was not seen for too long is nobody's any more.
    fn refresh(&self, graph: &mut Graph, identifier: &Identifier, at: Moment, findings: &mut Vec<Finding>) {
        if !self.expiring {
            return;
        }
        let Some(id) = graph.find(identifier) else { return };
        let Some((_, node)) = graph.node(id) else { return };
        if node.person != NOBODY && self.is_expired(identifier, node, at) {
            let Some(former) = graph.component(node.person).map(|component| component.id) else { return };
            findings.push(Finding::Touched(node.person));
            graph.detach(id);
            if let Some(node) = graph.node_mut(id) {
                *node = Node { person: NOBODY, first_seen: at, last_seen: at, generic: false, ..node.clone() };
            }
            findings.push(Finding::Refused { person: former, identifier: identifier.clone(), reason: Reason::Expired });
        }
    }

    /// The identifier that decides whose event it is.
    fn primary<'e>(&self, graph: &Graph, event: &'e Event) -> Option<&'e Identifier> {
        let trusted = |identifier: &&Identifier| self.trusts(event, identifier.kind);
        let specific = |identifier: &&Identifier| !is_generic(graph, identifier);
        let identifiers = || event.identifiers.iter();
        identifiers()
            .find(|identifier| trusted(identifier) && specific(identifier))
            .or_else(|| identifiers().find(trusted))
            .or_else(|| identifiers().next())
    }

    fn trusts(&self, event: &Event, kind: IdentifierKindId) -> bool {
        let of_source = self.trusted.get(event.source.index());
        of_source.and_then(|kinds| kinds.get(kind.index())).copied().unwrap_or(true)
    }

    /// The person of the deciding identifier: its own, or the first that it may join, or somebody new.
    fn person_of(
        &self,
        graph: &mut Graph,
        primary: &Identifier,
        sighting: Sighting<'_>,
        findings: &mut Vec<Finding>,
    ) -> Option<PersonIndex> {
        let event = sighting.event;
        let known = graph.find(primary);
        if let Some((_, node)) = known.and_then(|node| graph.node(node))
            && node.person != NOBODY
        {
            // A generic value alone: a person apart from those who share it, once and for all.
            if node.generic && !self.lives_apart(graph, known?) {
                let id = known?;
                findings.push(Finding::Touched(node.person));
                graph.detach(id);
                return Some(self.create(graph, id, primary, sighting, findings));
            }
            return Some(node.person);
        }
        let id = known.unwrap_or_else(|| graph.add_node(primary, fresh_node(event)));
        // An identifier that is nobody's yet joins the first person whom the message names and who may have it.
        for other in event.identifiers.iter().filter(|other| *other != primary) {
            let Some(node) = graph.find(other) else { continue };
            let Some(owner) = graph.node(node).map(|(_, node)| node.person).filter(|owner| *owner != NOBODY) else {
                continue;
            };
            let may = self.trusts(event, primary.kind) && self.trusts(event, other.kind) && !is_generic(graph, other);
            if may && self.may_attach(graph, owner, primary.kind, is_alias(event)).is_ok() {
                graph.attach(id, owner);
                return Some(owner);
            }
        }
        Some(self.create(graph, id, primary, sighting, findings))
    }

    fn create(
        &self,
        graph: &mut Graph,
        node: NodeId,
        identifier: &Identifier,
        sighting: Sighting<'_>,
        findings: &mut Vec<Finding>,
    ) -> PersonIndex {
        let generation = graph.node(node).map_or(0, |(_, node)| node.generation);
        let id = person_id(&self.kind_name(identifier.kind), &identifier.value, generation);
        let person = graph.add_person(Component::new(id, sighting.seq));
        graph.attach(node, person);
        findings.push(Finding::Created { person, id });
        person
    }

    /// Whether a generic value has been given a person of its own.
    fn lives_apart(&self, graph: &Graph, node: NodeId) -> bool {
        let Some((_, it)) = graph.node(node) else { return false };
        graph.component(it.person).is_some_and(|component| component.nodes[..] == [node])
    }

    /// Links a further identifier to the person, if nothing is against it. Returns who the person is then.
    fn link(
        &self,
        graph: &mut Graph,
        person: PersonIndex,
        primary: &Identifier,
        identifier: &Identifier,
        sighting: Sighting<'_>,
        findings: &mut Vec<Finding>,
    ) -> PersonIndex {
        let event = sighting.event;
        let Some(main) = graph.find(primary) else { return person };
        let known = graph.find(identifier);
        if let (Some(node), Some(component)) = (known, graph.component(person))
            && graph.node(node).is_some_and(|(_, it)| it.person == person)
            && component.connects(main, node)
        {
            return person;
        }
        let refuse = |graph: &mut Graph, findings: &mut Vec<Finding>, reason: Reason| {
            let refusal = Refusal { identifier: hash_of(identifier), reason };
            let Some(component) = graph.component_mut(person) else { return false };
            let is_news = component.remember(refusal);
            if is_news {
                findings.push(Finding::Refused { person: component.id, identifier: identifier.clone(), reason });
            }
            is_news
        };
        if !self.trusts(event, primary.kind) || !self.trusts(event, identifier.kind) {
            refuse(graph, findings, Reason::Untrusted);
            return person;
        }
        let owner = known.and_then(|node| graph.node(node)).map(|(_, node)| node.person).filter(|it| *it != NOBODY);
        let explicit = is_alias(event);
        let verdict = match owner {
            Some(owner) if owner == person => Ok(()),
            _ if known.is_some_and(|node| graph.node(node).is_some_and(|(_, it)| it.generic)) => Err(Reason::Generic),
            Some(owner) => self.may_join(graph, person, owner, explicit),
            None => self.may_attach(graph, person, identifier.kind, explicit),
        };
        if let Err(reason) = verdict {
            let is_news = refuse(graph, findings, reason);
            if is_news && let Some(node) = known {
                self.note_sharer(graph, node, primary, identifier);
            }
            return person;
        }
        let node = known.unwrap_or_else(|| graph.add_node(identifier, fresh_node(event)));
        let became_generic = self.note_sharer(graph, node, primary, identifier);
        if became_generic && owner != Some(person) {
            refuse(graph, findings, Reason::Generic);
            return person;
        }
        let mut person = person;
        match owner {
            None => graph.attach(node, person),
            Some(owner) if owner != person => {
                let id_of = |it: PersonIndex| graph.component(it).map(|component| component.id);
                if let (Some(mine), Some(theirs)) = (id_of(person), id_of(owner))
                    && let Some((survivor, absorbed)) = graph.join(person, owner)
                {
                    let (survivor_id, absorbed_id) = if survivor == person { (mine, theirs) } else { (theirs, mine) };
                    findings.push(Finding::Joined { survivor, survivor_id, absorbed, absorbed_id });
                    person = survivor;
                }
            }
            Some(_) => {}
        }
        let edge = Edge { a: main, b: node, source: event.source, seq: sighting.seq, at: event.occurred_at, explicit };
        graph.connect(person, edge);
        person
    }

    /// An identifier was seen with one of higher priority for the first time. Says whether it links no more.
    fn note_sharer(&self, graph: &mut Graph, node: NodeId, primary: &Identifier, identifier: &Identifier) -> bool {
        let Some(node) = graph.node_mut(node) else { return false };
        if primary.kind < identifier.kind {
            node.sharers = node.sharers.saturating_add(1);
            let is_shared = |limit: u32| u32::from(node.sharers) > limit.min(u32::from(u16::MAX) - 1);
            node.generic |= self.identity.generic_after.is_some_and(is_shared);
        }
        node.generic
    }

    fn may_attach(
        &self,
        graph: &Graph,
        person: PersonIndex,
        kind: IdentifierKindId,
        explicit: bool,
    ) -> Result<(), Reason> {
        let total = graph.component(person).map_or(0, |component| component.nodes.len());
        if total >= limits::IDENTIFIERS {
            return Err(Reason::Limit);
        }
        let Some(rule) = self.identity.identifiers.get(kind.index()) else { return Ok(()) };
        if !rule.unique && rule.limit.is_none() {
            return Ok(());
        }
        let count = graph.count_of_kind(person, kind);
        if rule.unique && !explicit && count > 0 {
            return Err(Reason::Unique);
        }
        if rule.limit.is_some_and(|limit| count >= limit.count as usize) {
            return Err(Reason::Limit);
        }
        Ok(())
    }

    fn may_join(&self, graph: &Graph, a: PersonIndex, b: PersonIndex, explicit: bool) -> Result<(), Reason> {
        let size = |person| graph.component(person).map_or(0, |component| component.nodes.len());
        let mut verdict = if size(a) + size(b) > limits::IDENTIFIERS { Err(Reason::Limit) } else { Ok(()) };
        for (index, rule) in self.identity.identifiers.iter().enumerate() {
            if !rule.unique && rule.limit.is_none() {
                continue;
            }
            let kind = IdentifierKindId(index as u16);
            let counts = (graph.count_of_kind(a, kind), graph.count_of_kind(b, kind));
            if rule.unique && !explicit && counts.0 > 0 && counts.1 > 0 {
                return Err(Reason::Unique);
            }
            if rule
                .limit
                .is_some_and(|limit| counts.0 > 0 && counts.1 > 0 && counts.0 + counts.1 > limit.count as usize)
            {
                verdict = Err(Reason::Limit);
            }
        }
        verdict
    }

    fn kind_name(&self, kind: IdentifierKindId) -> String {
        self.identity.identifiers.get(kind.index()).map_or_else(String::new, |kind| kind.name.clone())
    }
}

/// The owner of a node that is nobody's.
pub const NOBODY: PersonIndex = PersonIndex(u32::MAX);

fn fresh_node(event: &Event) -> Node {
    Node {
        person: NOBODY,
        first_seen: event.occurred_at,
        last_seen: event.occurred_at,
        source: event.source,
        sharers: 0,
        generation: 0,
        generic: false,
    }
}

fn is_generic(graph: &Graph, identifier: &Identifier) -> bool {
    graph.find(identifier).and_then(|node| graph.node(node)).is_some_and(|(_, node)| node.generic)
}

fn is_alias(event: &Event) -> bool {
    event.call == crate::message::Call::Alias
}

fn hash_of(identifier: &Identifier) -> u64 {
    xxh3_64_with_seed(identifier.value.as_bytes(), u64::from(identifier.kind.0))
}

/// The stable id of a person: of the identifier that made them, and how often that had started anew by then.
pub fn person_id(kind: &str, value: &str, generation: u16) -> PersonId {
    let mut key = Vec::with_capacity(kind.len() + value.len() + 4);
    key.extend_from_slice(kind.as_bytes());
    key.push(0);
    key.extend_from_slice(value.as_bytes());
    if generation > 0 {
        key.push(0);
        key.extend_from_slice(&generation.to_le_bytes());
    }
    PersonId(xxh3_128(&key))
}
