//! Identity: whose event is it?
//!
//! All identifiers of a message are one person's: each pair of them is a link, unless a rule of `identity.yaml` is against
//! it. The event belongs to the person of its identifier of the highest priority. A link that is refused is kept, the
//! event still counts, and the refusal is reported once.
//!
//! - `unique`: two people with different values of the kind are never one, unless an `alias` call of a back end says so itself: the
//!   keys of pages and apps are public;
//! - `limit`: a person has no more than so many values of the kind, or so many that were new within a time;
//! - `at_most`: a value is linked with no more than so many values of another kind, those that it was seen with first;
//! - `strategy`: which links between somebody unknown and somebody known hold at all;
//! - `probabilistic`: from which likelihood on what matching found is a link, the weakest of all;
//! - `apart`: what the project declares to be two people's is never one person's;
//! - `trust`: a source links only kinds that it is trusted with; others are ignored, unless the message has nothing else; and its
//!   links join no two people whom it may not name ([`guard`]);
//! - `joins: false`: the kind is trusted from nobody, and nothing is said of it;
//! - `generic_after`: a value seen with more values of any one kind of higher priority than this links nobody, and never has: an
//!   event that carries nothing else is a person's of its own, apart from those who share it;
//! - `expires`: a value not seen for so long starts anew.
//!
//! Who is one person does not depend on the order in which messages arrive ([`partition`]); only `expires` does, as it is
//! about time. Where a message takes an identifier from somebody who had it, the people concerned are made anew from the
//! log: [`Redraw`].

pub mod constraints;
pub mod graph;
pub mod guard;
pub mod ids;
pub mod partition;
pub mod record;
mod texts;
pub mod ties;

use crate::effect::PersonId;
use crate::limits;
use crate::message::Call;
use crate::record::{Event, Identifier, Likelihood, Seq, UNKNOWN_SOURCE};
use constraints::{Admission, Constraints, Filter};
use graph::{Component, Edge, Grade, Graph, Loose, Node, NodeId, PersonIndex, Reason, Refusal};
use guard::Guard;
use partition::{Cluster, Meaning, Partition};
use smallvec::SmallVec;
use sonder_dsl::ir::{IdentifierKindId, Program};
use sonder_dsl::model::Identity;
use sonder_dsl::time::Moment;
use xxhash_rust::xxh3::{xxh3_64_with_seed, xxh3_128};

/// The rules, ready to apply.
#[derive(Clone, Debug)]
pub struct LinkRules {
    identity: Identity,
    filter: Filter,
    constraints: Constraints,
    /// By kind: whether it matters when a value was seen first.
    minds_first_seen: Vec<bool>,
    /// By source and kind: whether the source may link the kind.
    trusted: Vec<Vec<bool>>,
    /// By source: whom its links may not join.
    guards: Vec<Guard>,
    /// By source: whether its key is in pages or apps, for anybody to read.
    public: Vec<bool>,
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
    /// The links that somebody's identifiers hold together with are others than before. The place may be nobody's by now, where
    /// another finding of the same message says who absorbed them.
    Relinked(PersonIndex),
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

/// A part of the graph that was decided again.
#[derive(Debug)]
pub struct Redraw {
    /// Who is to be made anew, because somebody loses an identifier.
    pub torn: Vec<PersonIndex>,
    /// Who is who then.
    pub partition: Partition,
    /// A value that turns out to be shared by too many.
    pub generic: Option<NodeId>,
    /// Identifiers that were there earlier than was known, and since when.
    pub first_seen: SmallVec<[(NodeId, Moment); 1]>,
    /// Two nodes that were never seen together before.
    pub news: Option<(NodeId, NodeId)>,
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
        let kinds = || (0..identity.identifiers.len()).map(|index| IdentifierKindId(index as u16));
        let trusted =
            program.sources.iter().map(|source| kinds().map(|kind| identity.may_link(source, kind)).collect());
        let is_known = |kind: &IdentifierKindId| {
            identity.identifiers.get(kind.index()).is_some_and(|it| it.joins && !it.anonymous)
        };
        let guard = |source| Guard::against(kinds().filter(|kind| is_known(kind) && !identity.may_link(source, *kind)));
        let guards: Vec<Guard> = program.sources.iter().map(guard).collect();
        let (filter, constraints) = (Filter::new(identity), Constraints::new(identity, &guards));
        let expiring = identity.identifiers.iter().any(|kind| kind.expires.is_some());
        Self {
            identity: identity.clone(),
            minds_first_seen: kinds()
                .map(|kind| filter.minds_first_seen(kind) || constraints.minds_first_seen(kind))
                .collect(),
            filter,
            constraints,
            trusted: trusted.collect(),
            guards,
            public: program.sources.iter().map(|source| source.kind.is_public()).collect(),
            expiring,
        }
    }

    /// Finds the person of an event, and links what belongs together.
    ///
    /// # Errors
    /// When a link is stronger than others that hold: it is not taken in then. [`settle`](Self::settle) the redraw, and come
    /// again.
    pub fn resolve(
        &self,
        graph: &mut Graph,
        sighting: Sighting<'_>,
        findings: &mut Vec<Finding>,
    ) -> Result<Option<PersonIndex>, Box<Redraw>> {
        let event = sighting.event;
        if event.call.is_decision() {
            return self.obey(graph, sighting, findings).map(|()| None);
        }
        if let Some(person) = self.familiar(graph, event) {
            return Ok(Some(person));
        }
        let begin = findings.len();
        for identifier in &event.identifiers {
            self.refresh(graph, identifier, sighting, findings);
        }
        self.predate(graph, sighting)?;
        let Some(primary) = self.primary(graph, event) else { return Ok(None) };
        let main = node_of(graph, primary, event);
        self.link(graph, primary, main, sighting, findings)?;
        let person = self.owner_or_new(graph, main, sighting, findings);
        let Some(component) = graph.component(person) else { return Ok(None) };
        for finding in &mut findings[begin..] {
            // Whoever the event is of hears that an identifier started anew.
            if let Finding::Refused { person: whose, .. } = finding {
                *whose = component.id;
            }
        }
        for identifier in event.identifiers.iter().filter(|identifier| *identifier != primary) {
            self.report(graph, person, (primary, main), identifier, event, findings);
        }
        for identifier in &event.identifiers {
            if let Some(node) = graph.find(identifier).and_then(|node| graph.node_mut(node)) {
                node.see(event.occurred_at);
                if node.person != person && node.person != PersonIndex::NOBODY {
                    findings.push(Finding::Touched(node.person));
                }
            }
        }
        Ok(Some(person))
    }

    /// Whose an event is, as things stand; of an event that was resolved before. A decision is nobody's.
    pub fn node_of(&self, graph: &Graph, event: &Event, seq: Seq) -> Option<NodeId> {
        if event.call.is_decision() {
            return None;
        }
        graph.node_at(self.primary(graph, event)?, seq)
    }

    /// The person, where the message says nothing new about who is who: the steady path, one look-up an identifier.
    fn familiar(&self, graph: &mut Graph, event: &Event) -> Option<PersonIndex> {
        let mut nodes = [NodeId(0); FAMILIAR];
        let count = event.identifiers.len();
        let mut person = PersonIndex::NOBODY;
        for (place, identifier) in event.identifiers.iter().enumerate() {
            let id = graph.find(identifier)?;
            let (_, node) = graph.node(id)?;
            let same = place == 0 || node.person == person;
            let trusted = count == 1 || self.trusts(event, identifier.kind);
            let fresh = !self.expiring || !self.is_expired(identifier, node, event.occurred_at);
            let earlier = event.occurred_at < node.first_seen && self.minds_first_seen(identifier.kind);
            if !same || !trusted || !fresh || earlier || node.generic || node.person == PersonIndex::NOBODY {
                return None;
            }
            person = node.person;
            *nodes.get_mut(place)? = id;
        }
        let nodes = &nodes[..count];
        if count > 1 {
            let component = graph.component(person)?;
            let (grade, guard, at) = (self.grade_of(event), self.guard_of(event), event.occurred_at);
            let is_known = |a: NodeId, b: NodeId| component.edge(a, b).is_some_and(|it| it.has_heard(grade, guard, at));
            for (place, one) in nodes.iter().enumerate() {
                if !nodes[place + 1..].iter().all(|other| is_known(*one, *other)) {
                    return None;
                }
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
    fn refresh(
        &self,
        graph: &mut Graph,
        identifier: &Identifier,
        Sighting { event, seq }: Sighting<'_>,
        findings: &mut Vec<Finding>,
    ) {
        if !self.expiring {
            return;
        }
        let Some(id) = graph.find(identifier) else { return };
        let Some((_, node)) = graph.node(id) else { return };
        let at = event.occurred_at;
        if node.person != PersonIndex::NOBODY && self.is_expired(identifier, node, at) {
            let Some(former) = graph.component(node.person).map(|component| component.id) else { return };
            findings.push(Finding::Touched(node.person));
            graph.start_anew(id, seq);
            if let Some(node) = graph.node_mut(id) {
                (node.first_seen, node.last_seen) = (at, at);
            }
            findings.push(Finding::Refused { person: former, identifier: identifier.clone(), reason: Reason::Expired });
        }
    }

    fn minds_first_seen(&self, kind: IdentifierKindId) -> bool {
        self.minds_first_seen.get(kind.index()).copied().unwrap_or(false)
    }

    /// Identifiers were there earlier than was known. Where a rule asks when that was, what is connected with them is decided
    /// again, as if that had been known all along: together with the links that the message says again, or one message could part
    /// people and join them again.
    fn predate(&self, graph: &mut Graph, sighting: Sighting<'_>) -> Result<(), Box<Redraw>> {
        let (event, at) = (sighting.event, sighting.event.occurred_at);
        let mut before: SmallVec<[(NodeId, Moment); FAMILIAR]> = SmallVec::new();
        for identifier in event.identifiers.iter().filter(|it| self.minds_first_seen(it.kind)) {
            let Some(id) = graph.find(identifier) else { continue };
            if let Some(node) = graph.node_mut(id).filter(|node| at < node.first_seen) {
                before.push((id, std::mem::replace(&mut node.first_seen, at)));
            }
        }
        let is_linked = |graph: &Graph, id: NodeId| {
            let person = graph.node(id).map_or(PersonIndex::NOBODY, |(_, node)| node.person);
            let is_one_of_many =
                graph.component(person).is_some_and(|component| component.ties().edges().next().is_some());
            is_one_of_many || !graph.loose_of(id).is_empty()
        };
        let linked: SmallVec<[NodeId; FAMILIAR]> =
            before.iter().map(|(id, _)| *id).filter(|id| is_linked(graph, *id)).collect();
        if linked.is_empty() {
            return Ok(());
        }
        let cluster = self.said_again(graph, sighting).into_iter().fold(Cluster::around(graph, &linked), Cluster::with);
        let partition = self.decide(graph, cluster);
        if partition.is_as_things_stand(graph) {
            return Ok(());
        }
        for (id, before) in &before {
            if let Some(node) = graph.node_mut(*id) {
                node.first_seen = *before;
            }
        }
        let torn = partition.torn(graph, &[]);
        let first_seen = before.iter().map(|(id, _)| (*id, at)).collect();
        Err(Box::new(Redraw { torn, partition, generic: None, first_seen, news: None }))
    }

    /// The links that are known and that a message says again, as they are with it.
    fn said_again(&self, graph: &Graph, sighting: Sighting<'_>) -> Vec<Edge> {
        let trusted = sighting.event.identifiers.iter().filter(|it| self.trusts(sighting.event, it.kind));
        let nodes: SmallVec<[NodeId; FAMILIAR]> = trusted.filter_map(|it| graph.find(it)).collect();
        let pairs = nodes.iter().enumerate().flat_map(|(place, one)| nodes[place + 1..].iter().map(|it| (*one, *it)));
        let again = pairs.filter_map(|(one, other)| {
            let mut edge = known_between(graph, one, other)?;
            edge.hear(self.said(graph, (one, other), sighting)).then_some(edge)
        });
        again.collect()
    }

    /// Identifiers that are not whose they would be if everything were decided anew: none, or something is wrong. Where values
    /// expire, who is who also depends on when that was noticed, so that this cannot be said.
    pub fn misplaced(&self, graph: &Graph) -> Option<Vec<NodeId>> {
        (!self.expiring).then(|| partition::misplaced(&self.filter, &self.constraints, graph))
    }

    fn decide(&self, graph: &Graph, cluster: Cluster) -> Partition {
        cluster.decide(&self.filter, &self.constraints, graph)
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
        let of_kind = of_source.and_then(|kinds| kinds.get(kind.index())).copied();
        of_kind.unwrap_or_else(|| self.joins(kind))
    }

    fn joins(&self, kind: IdentifierKindId) -> bool {
        self.identity.identifiers.get(kind.index()).is_none_or(|it| it.joins)
    }

    /// Takes in every pair of the message's identifiers that its source is trusted with, the deciding one's first.
    fn link(
        &self,
        graph: &mut Graph,
        primary: &Identifier,
        main: NodeId,
        sighting: Sighting<'_>,
        findings: &mut Vec<Finding>,
    ) -> Result<(), Box<Redraw>> {
        let event = sighting.event;
        if event.identifiers.len() < 2 || !self.trusts(event, primary.kind) {
            return Ok(());
        }
        let mut nodes: SmallVec<[NodeId; FAMILIAR]> = SmallVec::new();
        nodes.push(main);
        for identifier in event.identifiers.iter().filter(|it| *it != primary) {
            if self.trusts(event, identifier.kind) {
                nodes.push(node_of(graph, identifier, event));
            }
        }
        for (place, one) in nodes.iter().enumerate() {
            for other in &nodes[place + 1..] {
                self.take_in(graph, (*one, *other), sighting, findings)?;
            }
        }
        Ok(())
    }

    /// Takes in that two identifiers are one person's, as a message says.
    fn take_in(
        &self,
        graph: &mut Graph,
        (one, other): (NodeId, NodeId),
        sighting: Sighting<'_>,
        findings: &mut Vec<Finding>,
    ) -> Result<(), Box<Redraw>> {
        let is_generic = |node| graph.node(node).is_none_or(|(_, it)| it.generic);
        if one == other || is_generic(one) || is_generic(other) {
            return Ok(());
        }
        let said = self.said(graph, (one, other), sighting);
        let (a, b) = (said.a, said.b);
        let owner = |node| graph.node(node).map_or(PersonIndex::NOBODY, |(_, it)| it.person);
        let whose = owner(a);
        let is_shared = whose == owner(b) && graph.component(whose).is_some();
        let known = known_between(graph, a, b);
        if known.is_none() && self.is_shared_too_often(graph, a, b) {
            return Err(Box::new(self.without_generic(graph, b)));
        }
        let mut edge = known.unwrap_or(said);
        let is_stronger = known.is_none() || edge.hear(said);
        // A link that was refused holds by now if others have made its ends one person's; not one that may not join them, as it
        // comes before those others.
        let loose = graph.loose_between(a, b);
        let holds_by_now = is_shared && loose.is_some_and(|loose| loose.reason != Reason::Untrusted);
        if !is_stronger && !holds_by_now {
            return Ok(());
        }
        match self.filter.admit(graph, &edge, known.as_ref()) {
            Admission::Refused(reason) => _ = graph.keep_loose(Loose { edge, reason }),
            // One that may have to be kept where there is no room is forgotten.
            Admission::Displaces if known.is_none() && !graph.has_room_between(a, b) => return Ok(()),
            Admission::Displaces => return Err(Box::new(self.decide_again(graph, edge, known.is_none()))),
            Admission::Admitted if is_shared && partition::may_matter_within(&self.constraints, graph, &edge) => {
                if known.is_none() && !graph.has_room_between(a, b) {
                    return Ok(());
                }
                return Err(Box::new(self.decide_again(graph, edge, known.is_none())));
            }
            Admission::Admitted if is_shared => {
                graph.drop_loose(a, b);
                graph.connect(whose, edge);
                findings.push(Finding::Relinked(whose));
            }
            Admission::Admitted => match partition::weigh(&self.constraints, graph, &edge) {
                Meaning::Holds => {
                    graph.drop_loose(a, b);
                    self.unite(graph, edge, sighting, findings);
                }
                Meaning::Refused(reason) => _ = graph.keep_loose(Loose { edge, reason }),
                Meaning::Open => return Err(Box::new(self.decide_again(graph, edge, known.is_none()))),
            },
        }
        if known.is_none() {
            note_sharer(graph, a, b);
        }
        Ok(())
    }

    /// What a link between two people would meet, as things stand; `None` where it would make them one.
    pub fn against(
        &self,
        graph: &Graph,
        (one, other): (NodeId, NodeId),
        (grade, likelihood): (Grade, Likelihood),
    ) -> Option<Reason> {
        let is_in_order = partition::rank(graph, one) <= partition::rank(graph, other);
        let (a, b) = if is_in_order { (one, other) } else { (other, one) };
        let source = graph.node(a).map_or(UNKNOWN_SOURCE, |(_, it)| it.source);
        let edge = Edge { a, b, grade, guard: Guard::FREE, likelihood, source, seq: Seq(u64::MAX), at: Moment::MAX };
        match self.filter.admit(graph, &edge, None) {
            Admission::Refused(reason) => Some(reason),
            Admission::Admitted | Admission::Displaces => match partition::weigh(&self.constraints, graph, &edge) {
                Meaning::Refused(reason) => Some(reason),
                Meaning::Holds | Meaning::Open => None,
            },
        }
    }

    /// Decides all that is connected with a link again, because it is stronger than links that hold.
    fn decide_again(&self, graph: &Graph, edge: Edge, is_news: bool) -> Redraw {
        let partition = self.decide(graph, Cluster::around(graph, &[edge.a, edge.b]).with(edge));
        let torn = partition.torn(graph, &[]);
        Redraw {
            torn,
            partition,
            generic: None,
            first_seen: SmallVec::new(),
            news: is_news.then_some((edge.a, edge.b)),
        }
    }

    /// Makes those one who are whole people in one class of a partition, and keeps the links that do not hold.
    pub fn settle(&self, graph: &mut Graph, redraw: &Redraw, sighting: Sighting<'_>, findings: &mut Vec<Finding>) {
        for class in &redraw.partition.classes {
            class.edges.iter().for_each(|edge| self.unite(graph, *edge, sighting, findings));
        }
        redraw.partition.nodes.iter().for_each(|node| graph.forget_loose(*node));
        for loose in &redraw.partition.loose {
            if let Some(person) = graph.node(loose.edge.a).map(|(_, it)| it.person) {
                graph.disconnect(person, loose.edge.a, loose.edge.b);
            }
            graph.keep_loose(*loose);
        }
        findings.extend(redraw.partition.people.iter().map(|person| Finding::Relinked(*person)));
        if let Some((a, b)) = redraw.news {
            note_sharer(graph, a, b);
        }
    }

    /// Does what somebody decided: the first identifier belongs with each of the others, or with none of them. What matching
    /// found is taken in as any link is, and undoes no decision.
    fn obey(&self, graph: &mut Graph, sighting: Sighting<'_>, findings: &mut Vec<Finding>) -> Result<(), Box<Redraw>> {
        let event = sighting.event;
        let [first, others @ ..] = &event.identifiers[..] else { return Ok(()) };
        if event.call == Call::Match && event.identifiers.iter().any(|it| graph.find(it).is_none()) {
            // Of whom it was found nothing is known any more: it says nothing of anybody new.
            return Ok(());
        }
        let one = node_of(graph, first, event);
        // Nobody can be parted from themselves.
        for other in others.iter().filter(|other| *other != first) {
            let other = node_of(graph, other, event);
            if event.call == Call::Unlink {
                graph.keep_apart(one, other);
                graph.undo_decision(one, other);
                continue;
            }
            if event.call == Call::Link {
                graph.let_together(one, other);
            }
            self.take_in(graph, (one, other), sighting, findings)?;
        }
        let owner = |graph: &Graph, node| graph.node(node).map_or(PersonIndex::NOBODY, |(_, it)| it.person);
        let is_theirs = |other: &NodeId| owner(graph, *other) == owner(graph, one);
        if owner(graph, one) != PersonIndex::NOBODY && graph.apart_from(one).iter().any(is_theirs) {
            let partition = self.decide(graph, Cluster::around(graph, &[one]));
            let torn = partition.torn(graph, &[]);
            return Err(Box::new(Redraw { torn, partition, generic: None, first_seen: SmallVec::new(), news: None }));
        }
        Ok(())
    }

    /// What becomes of everybody when a value turns out to be shared by too many: it has never linked anybody.
    fn without_generic(&self, graph: &Graph, node: NodeId) -> Redraw {
        let cluster = Cluster::around(graph, &[node]).without(|edge| edge.a == node || edge.b == node);
        let partition = self.decide(graph, cluster);
        // Events that it was the deciding identifier of are somebody else's now, who may have had nothing of it.
        let owner = |node| graph.node(node).map(|(_, it)| it.person);
        let weaker = graph.loose_of(node).iter().map(|loose| loose.edge).filter(|edge| edge.a == node);
        let concerned = weaker.filter_map(|edge| owner(edge.b)).chain(owner(node));
        let concerned: Vec<PersonIndex> = concerned.filter(|it| *it != PersonIndex::NOBODY).collect();
        let torn = partition.torn(graph, &concerned);
        Redraw { torn, partition, generic: Some(node), first_seen: SmallVec::new(), news: None }
    }

    /// Makes the people at both ends of a link one, and keeps it.
    fn unite(&self, graph: &mut Graph, edge: Edge, sighting: Sighting<'_>, findings: &mut Vec<Finding>) {
        let owner = |graph: &Graph, node| graph.node(node).map_or(PersonIndex::NOBODY, |(_, it)| it.person);
        let (a, b) = (owner(graph, edge.a), owner(graph, edge.b));
        let person = match (a, b) {
            (PersonIndex::NOBODY, PersonIndex::NOBODY) => {
                let person = self.owner_or_new(graph, edge.a, sighting, findings);
                graph.attach(edge.b, person);
                person
            }
            (PersonIndex::NOBODY, person) => {
                graph.attach(edge.a, person);
                person
            }
            (person, PersonIndex::NOBODY) => {
                graph.attach(edge.b, person);
                person
            }
            (a, b) if a == b => a,
            (a, b) => {
                let id_of = |it: PersonIndex| graph.component(it).map(|component| component.id);
                let (Some(one), Some(other)) = (id_of(a), id_of(b)) else { return };
                let Some((survivor, absorbed)) = graph.join(a, b) else { return };
                let (survivor_id, absorbed_id) = if survivor == a { (one, other) } else { (other, one) };
                findings.push(Finding::Joined { survivor, survivor_id, absorbed, absorbed_id });
                survivor
            }
        };
        graph.connect(person, edge);
        if edge.grade == Grade::Probable {
            findings.push(Finding::Relinked(person));
        }
    }

    /// The person of a node; somebody new where it is nobody's.
    fn owner_or_new(
        &self,
        graph: &mut Graph,
        node: NodeId,
        sighting: Sighting<'_>,
        findings: &mut Vec<Finding>,
    ) -> PersonIndex {
        let owner = graph.node(node).map_or(PersonIndex::NOBODY, |(_, it)| it.person);
        let Some(id) = self.id_of(graph, node).filter(|_| owner == PersonIndex::NOBODY) else { return owner };
        let person = graph.add_person(Component::new(id, sighting.seq));
        graph.attach(node, person);
        findings.push(Finding::Created { person, id });
        person
    }

    /// The id of a person who begins with that node.
    pub fn id_of(&self, graph: &Graph, node: NodeId) -> Option<PersonId> {
        Some(graph.ids().name(self.natural_id_of(graph, node)?))
    }

    /// What the program alone would call a person who begins with that node.
    pub fn natural_id_of(&self, graph: &Graph, node: NodeId) -> Option<PersonId> {
        let (named, it) = graph.node(node)?;
        Some(person_id(&self.kind_name(named.kind), named.value, it.generation))
    }

    /// Says that an identifier of the event is not its person's, once.
    fn report(
        &self,
        graph: &mut Graph,
        person: PersonIndex,
        (primary, main): (&Identifier, NodeId),
        identifier: &Identifier,
        event: &Event,
        findings: &mut Vec<Finding>,
    ) {
        if !self.joins(primary.kind) || !self.joins(identifier.kind) {
            return;
        }
        let node = graph.find(identifier);
        let reason = if !self.trusts(event, primary.kind) || !self.trusts(event, identifier.kind) {
            let is_theirs = node.and_then(|node| graph.component(person)?.edge(main, node)).is_some();
            (!is_theirs).then_some(Reason::Untrusted)
        } else {
            let Some(node) = node else { return };
            match graph.node(node) {
                Some((_, it)) if it.generic => Some(Reason::Generic),
                Some((_, it)) if it.person == person => None,
                _ => graph.loose_between(main, node).map(|loose| loose.reason),
            }
        };
        let (Some(reason), Some(component)) = (reason, graph.component_mut(person)) else { return };
        if component.remember(Refusal { identifier: hash_of(identifier), reason }) {
            findings.push(Finding::Refused { person: component.id, identifier: identifier.clone(), reason });
        }
    }

    /// Whether a value is seen with one more of some kind of higher priority than it may: somebody has an account, an address and a
    /// number, so that only values of one kind say how many people share it.
    fn is_shared_too_often(&self, graph: &Graph, a: NodeId, b: NodeId) -> bool {
        let (Some((first, _)), Some((second, it))) = (graph.kind_and_node(a), graph.kind_and_node(b)) else {
            return false;
        };
        let Some(limit) = self.identity.generic_after.map(|limit| limit.min(u32::from(u16::MAX) - 1)) else {
            return false;
        };
        // Mostly there are not even so many of all kinds.
        first < second && u32::from(it.sharers) >= limit && values_of(graph, b, first) >= limit
    }

    /// The link that a message says there is between two identifiers.
    fn said(&self, graph: &Graph, (one, other): (NodeId, NodeId), Sighting { event, seq }: Sighting<'_>) -> Edge {
        let is_in_order = partition::rank(graph, one) <= partition::rank(graph, other);
        let (a, b) = if is_in_order { (one, other) } else { (other, one) };
        Edge {
            a,
            b,
            grade: self.grade_of(event),
            guard: self.guard_of(event),
            likelihood: event.likelihood,
            source: event.source,
            seq,
            at: event.occurred_at,
        }
    }

    /// How strong a link is that a message says. Whoever has a key that is public may say that two accounts are one, so that what
    /// they call an alias is no more than a message that has both.
    fn grade_of(&self, event: &Event) -> Grade {
        let is_public = || self.public.get(event.source.index()).copied().unwrap_or(false);
        match event.call {
            Call::Link => Grade::Decided,
            Call::Alias if !is_public() => Grade::Alias,
            Call::Match => Grade::Probable,
            _ => Grade::Seen,
        }
    }

    /// Whom a link that a message says may not join. What a back end calls an alias, and what somebody decides, is said of just these
    /// two.
    fn guard_of(&self, event: &Event) -> Guard {
        match self.grade_of(event) {
            Grade::Seen => self.guards.get(event.source.index()).copied().unwrap_or(Guard::FREE),
            Grade::Decided | Grade::Alias | Grade::Probable => Guard::FREE,
        }
    }

    fn kind_name(&self, kind: IdentifierKindId) -> String {
        self.identity.identifiers.get(kind.index()).map_or_else(String::new, |kind| kind.name.clone())
    }
}

/// The node of an identifier; a new one is nobody's yet.
fn node_of(graph: &mut Graph, identifier: &Identifier, event: &Event) -> NodeId {
    graph.find(identifier).unwrap_or_else(|| {
        let node = Node {
            person: PersonIndex::NOBODY,
            first_seen: event.occurred_at,
            last_seen: event.occurred_at,
            source: event.source,
            sharers: 0,
            generation: 0,
            generic: false,
            former: false,
        };
        graph.add_node(identifier, node)
    })
}

/// The link between two identifiers that is known, whether it holds or not.
fn known_between(graph: &Graph, one: NodeId, other: NodeId) -> Option<Edge> {
    let owner = |node| graph.node(node).map_or(PersonIndex::NOBODY, |(_, it)| it.person);
    let shared = (owner(one) == owner(other)).then(|| graph.component(owner(one))).flatten();
    let held = shared.and_then(|component| component.edge(one, other));
    held.or_else(|| graph.loose_between(one, other).map(|loose| loose.edge))
}

/// A node was seen with one of higher priority for the first time.
fn note_sharer(graph: &mut Graph, a: NodeId, b: NodeId) {
    let kind = |node| graph.node(node).map(|(named, _)| named.kind);
    if kind(a) < kind(b)
        && let Some(node) = graph.node_mut(b)
    {
        node.sharers = node.sharers.saturating_add(1);
    }
}

/// With how many values of a kind one was seen. Where more of them don't hold than can be kept, it is at least so many as were ever
/// seen of any kind.
fn values_of(graph: &Graph, node: NodeId, kind: IdentifierKindId) -> u32 {
    let Some((_, it)) = graph.kind_and_node(node) else { return 0 };
    let loose = graph.loose_of(node);
    if loose.len() >= limits::LOOSE_LINKS {
        return u32::from(it.sharers);
    }
    let held = graph.component(it.person).into_iter().flat_map(|component| component.ties().edges());
    let all = held.chain(loose.iter().map(|loose| loose.edge));
    let is_of_kind = |edge: &Edge| edge.b == node && graph.kind_and_node(edge.a).is_some_and(|(it, _)| it == kind);
    all.filter(is_of_kind).count() as u32
}

fn is_generic(graph: &Graph, identifier: &Identifier) -> bool {
    graph.find(identifier).and_then(|node| graph.node(node)).is_some_and(|(_, node)| node.generic)
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
