//! Typing of journeys: statements become nodes of a state machine.

use super::action::Sent;
use super::expression::Checker;
use super::operator::refuse_personal;
use super::property::{self, Found};
use super::scope::{Scope, Setting};
use crate::diagnostic::{Diagnostic, codes};
use crate::ir::fingerprint::Digest;
use crate::ir::journey::{Branch, Entry, Journey, Node, NodeId, NodeKind, Per};
use crate::ir::{EventId, EventSelector, Expression, Fingerprint, NodePlace, Pattern, Type, renamed};
use crate::model::Gate;
use crate::source::Span;
use crate::syntax::ast::{self, Block, Item, Path, Statement, Trigger};
use std::collections::{BTreeMap, BTreeSet};

impl Checker<'_> {
    /// A journey; `None` when something in it has been reported.
    pub fn journey(&mut self, item: &Item, journey: &ast::Journey) -> Option<Journey> {
        self.setting = Setting::default();
        let entry = journey.enter.as_ref().map(|enter| self.entry(&enter.value));
        let goals: Vec<Option<Pattern>> =
            journey.goals.iter().map(|goal| self.lone_event("goal", goal).map(|(pattern, _)| pattern)).collect();
        let exits: Vec<Option<Expression>> =
            journey.exits.iter().map(|exit| self.person_condition(exit, "`exit when` needs a condition")).collect();
        let mut graph = Graph { nodes: Vec::new(), places: Vec::new(), sound: true };
        let start = self.block(&mut graph, &journey.statements, None, Fingerprint::default());
        let Graph { nodes, places, sound } = graph;
        self.journey_places.insert(item.name.value.clone(), places);
        let steps = self.entering();
        self.setting = Setting::default();
        self.hours(journey);
        let mut journey = Journey {
            name: item.name.value.clone(),
            was: renamed::names(item),
            description: item.description.as_ref().map(|text| text.value.clone()),
            purpose: item.purpose.as_ref().map(|purpose| purpose.value.clone()),
            entry: entry??,
            again: journey.again.as_ref().map(|again| again.value),
            goals: goals.into_iter().collect::<Option<_>>()?,
            exits: exits.into_iter().collect::<Option<_>>()?,
            hours: journey.hours.as_ref().map(|hours| hours.value),
            start,
            nodes,
            gate: journey.gate,
            place: self.place(item),
            fingerprint: Fingerprint::default(),
        };
        self.carried_elsewhere(&mut journey);
        let mut digest = Digest::new(&self.interner, steps);
        meaning(&journey, &mut digest);
        let fingerprint = digest.finish();
        sound.then_some(Journey { fingerprint, ..journey })
    }

    /// A journey whose hours are all quiet would never send.
    fn hours(&mut self, journey: &ast::Journey) {
        let Some(quiet) = self.declarations.settings.quiet_hours else { return };
        let Some(hours) = journey.hours.as_ref().filter(|it| quiet.cover(it.value.from.0, it.value.to.0)) else {
            return;
        };
        let shown = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
        let (from, to) = (shown(quiet.from), shown(quiet.to));
        let error = Diagnostic::error(
            codes::NEVER_SENDS,
            "nothing can be sent within these hours",
            hours.span,
            format!("the project's quiet hours are {from} to {to}"),
        );
        self.report(error.help(format!("send between {to} and {from}, or change `quiet_hours` in sonder.yaml")));
    }

    fn entry(&mut self, entry: &ast::Entry) -> Option<Entry> {
        match entry {
            ast::Entry::When(condition) => {
                self.person_condition(condition, "`enter when` needs a condition").map(Entry::Condition)
            }
            ast::Entry::On { event, per } => {
                let (pattern, scope) = self.lone_event("enter on", event)?;
                let free = self.alias_is_free(event, pattern.event, &[]);
                self.setting.entering = free.then_some(scope);
                let per = match per {
                    Some(path) => Some(self.per(path)?),
                    None => None,
                };
                free.then_some(Entry::Event { pattern, per })
            }
        }
    }

    /// `per cart.cart_id`
    fn per(&mut self, path: &Path) -> Option<Per> {
        let entering = self.setting.entering.clone()?;
        let (first, rest) = path.value.split_first()?;
        if entering.alias.as_ref() != Some(first) || rest.is_empty() {
            let name = entering.alias.as_ref().map_or("cart", |alias| alias.value.as_str());
            let property = path.value.last().map_or("cart_id", |name| name.value.as_str());
            self.report(
                Diagnostic::error(codes::WRONG_PER, "`per` needs a property of the entering event", path.span, "")
                    .help(format!("write `enter on {} as {name} per {name}.{property}`", entering.name)),
            );
            return None;
        }
        let typed = self.step_property(&entering, 0, path)?;
        self.accept(refuse_personal(&typed))?;
        let Expression::Step { slot, .. } = typed.expression else { return None };
        if matches!(typed.kind, Type::List(_)) {
            self.report(
                Diagnostic::error(codes::WRONG_PER, "a list tells no instances apart", path.span, "")
                    .help("name a property with a single value"),
            );
            return None;
        }
        Some(Per { path: rest.iter().map(|name| name.value.clone()).collect(), slot, elsewhere: Vec::new() })
    }

    /// Finds out which of the other events carry the property that instances are told apart by.
    fn carried_elsewhere(&mut self, journey: &mut Journey) {
        let events: BTreeSet<EventId> = journey
            .patterns()
            .filter_map(|pattern| match pattern.event {
                EventSelector::One(id) => Some(id),
                EventSelector::Any => None,
            })
            .collect();
        let Entry::Event { pattern, per: Some(per) } = &mut journey.entry else { return };
        for event in events.into_iter().filter(|id| pattern.event != EventSelector::One(*id)) {
            if let Found::Value(found) = property::find(self.declarations, event, &per.path) {
                // Where no more properties can be read, the checker has said so of the entering event.
                let slot = self.interner.property(event, per.path.clone(), found.kind);
                per.elsewhere.extend(slot.ok().map(|slot| (event, slot)));
            }
        }
    }

    /// A condition on the person.
    pub(super) fn person_condition(&mut self, expression: &ast::Expression, why: &str) -> Option<Expression> {
        let typed = self.expression(expression, Scope::Person)?;
        Some(self.condition(typed, why)?.expression)
    }

    fn entering(&self) -> Vec<EventSelector> {
        self.setting.entering.iter().map(|entering| entering.event).collect()
    }

    /// The nodes of a block: its first one, or what comes after it where it is empty.
    fn block(
        &mut self,
        graph: &mut Graph,
        block: &Block,
        after: Option<NodeId>,
        around: Fingerprint,
    ) -> Option<NodeId> {
        self.reached(block);
        let ids: Vec<NodeId> =
            block.iter().map(|statement| graph.place(self.line(statement.span), written(statement))).collect();
        let mut seen: BTreeMap<Fingerprint, i64> = BTreeMap::new();
        for (index, statement) in block.iter().enumerate() {
            let next = ids.get(index + 1).copied().or(after);
            let Some(step) = self.step_of(&statement.value) else {
                graph.sound = false;
                self.inner_blocks(graph, &statement.value, around);
                continue;
            };
            let mut digest = Digest::new(&self.interner, self.entering());
            digest.number(around.0 as i64);
            step.tell(&mut digest);
            let own = digest.finish();
            let equal = seen.entry(own).or_default();
            let mut digest = Digest::new(&self.interner, Vec::new());
            digest.number(own.0 as i64);
            digest.number(*equal);
            *equal += 1;
            let key = digest.finish();
            let kind = self.node(graph, step, statement, next, key);
            graph.fill(ids[index], key, kind);
        }
        ids.first().copied().or(after)
    }

    fn line(&self, span: Span) -> u32 {
        self.sources.position(span.file, span.start).line
    }

    /// Nothing comes behind `exit`.
    fn reached(&mut self, block: &Block) {
        let exit = block.iter().position(|statement| statement.value == Statement::Exit);
        if let Some(exit) = exit
            && let Some(behind) = block.get(exit + 1)
        {
            self.report(
                Diagnostic::warning(codes::NEVER_REACHED, "nobody comes here", behind.span, "never reached")
                    .label(block[exit].span, "everybody leaves here")
                    .help("take it out, or put the `exit` behind it"),
            );
        }
    }

    /// What a statement does by itself, without the blocks inside it; `None` when something has been reported.
    fn step_of(&mut self, statement: &Statement) -> Option<Step> {
        Some(match statement {
            Statement::Faulty(_) => return None,
            Statement::Wait(length) => Step::Wait(length.value),
            Statement::WaitFor(wait) => {
                let up_to = wait.up_to.as_ref().map(|up_to| up_to.value);
                match &wait.trigger {
                    Trigger::Until(condition) => {
                        let condition = self.person_condition(condition, "`wait until` needs a condition");
                        Step::WaitUntil(condition?, up_to?)
                    }
                    Trigger::For(event) => {
                        let event = self.lone_event("wait for", event);
                        Step::WaitFor(event?.0, up_to?)
                    }
                }
            }
            Statement::If { arms, .. } => {
                let conditions: Vec<Option<Expression>> =
                    arms.iter().map(|arm| self.person_condition(&arm.condition, "`if` needs a condition")).collect();
                Step::If(conditions.into_iter().collect::<Option<_>>()?)
            }
            Statement::Split(arms) => {
                Step::Split(arms.iter().map(|arm| (arm.value.name.value.clone(), arm.value.share.value)).collect())
            }
            Statement::Send(send) => {
                let Sent { destination, action, fields, required } = self.send(send)?;
                Step::Send { destination, name: self.destination_name(destination), action, fields, required }
            }
            Statement::SetTrait(set) => {
                let (id, value) = self.set_trait(set)?;
                Step::SetTrait(id, set.name.value.clone(), value)
            }
            Statement::Exit => Step::Exit,
        })
    }

    fn destination_name(&self, id: crate::ir::DestinationId) -> String {
        self.declarations.destinations.get(id.index()).map_or_else(String::new, |known| known.destination.name.clone())
    }

    /// Checks what is inside a statement that has no meaning itself.
    fn inner_blocks(&mut self, graph: &mut Graph, statement: &Statement, around: Fingerprint) {
        let blocks: Vec<&Block> = match statement {
            Statement::Faulty(blocks) => blocks.iter().collect(),
            Statement::WaitFor(wait) => vec![&wait.then, &wait.otherwise],
            Statement::If { arms, otherwise } => arms.iter().map(|arm| &arm.then).chain(otherwise).collect(),
            Statement::Split(arms) => arms.iter().map(|arm| &arm.value.then).collect(),
            _ => Vec::new(),
        };
        for block in blocks {
            self.block(graph, block, None, around);
        }
    }

    fn node(
        &mut self,
        graph: &mut Graph,
        step: Step,
        statement: &ast::Node<Statement>,
        next: Option<NodeId>,
        key: Fingerprint,
    ) -> NodeKind {
        match (step, &statement.value) {
            (Step::WaitUntil(condition, up_to), Statement::WaitFor(wait)) => {
                let met = self.block(graph, &wait.then, next, branch(key, "then"));
                let missed = self.block(graph, &wait.otherwise, next, branch(key, "else"));
                NodeKind::WaitUntil { condition, up_to, met, missed }
            }
            (Step::WaitFor(pattern, up_to), Statement::WaitFor(wait)) => {
                let met = self.block(graph, &wait.then, next, branch(key, "then"));
                let missed = self.block(graph, &wait.otherwise, next, branch(key, "else"));
                NodeKind::WaitFor { pattern, up_to, met, missed }
            }
            (Step::If(conditions), Statement::If { arms, otherwise }) => {
                let line = self.line(statement.span);
                let mut no = match otherwise {
                    Some(block) => self.block(graph, block, next, branch(key, "else")),
                    None => next,
                };
                let mut kind = None;
                // From the last condition to the first: each leads on to the one behind it.
                for (index, (condition, arm)) in conditions.into_iter().zip(arms).enumerate().rev() {
                    let own = branch(key, &format!("if {index}"));
                    let yes = self.block(graph, &arm.then, next, own);
                    let decides = NodeKind::If { condition, yes, no };
                    if index > 0 {
                        let id = graph.place(line, written(statement));
                        graph.fill(id, own, decides);
                        no = Some(id);
                    } else {
                        kind = Some(decides);
                    }
                }
                kind.unwrap_or(NodeKind::Exit)
            }
            (Step::Split(shares), Statement::Split(arms)) => {
                let branches = shares.into_iter().zip(arms).map(|((name, share), arm)| {
                    let next = self.block(graph, &arm.value.then, next, branch(key, &name));
                    Branch { name, share, next }
                });
                NodeKind::Split(branches.collect())
            }
            (Step::Wait(lasting), _) => NodeKind::Wait { lasting, next },
            (Step::Send { destination, action, fields, required, .. }, _) => {
                NodeKind::Send { destination, action, fields, required, next }
            }
            (Step::SetTrait(id, _, value), _) => NodeKind::SetTrait { id, value, next },
            _ => NodeKind::Exit,
        }
    }
}

/// What a statement does by itself.
enum Step {
    Wait(crate::time::Duration),
    WaitUntil(Expression, crate::time::Duration),
    WaitFor(Pattern, crate::time::Duration),
    If(Vec<Expression>),
    Split(Vec<(String, ast::Share)>),
    Send {
        destination: crate::ir::DestinationId,
        name: String,
        action: String,
        fields: Vec<crate::ir::journey::FieldValue>,
        required: Vec<String>,
    },
    SetTrait(crate::ir::ProfileTraitId, String, Expression),
    Exit,
}

impl Step {
    fn tell(&self, digest: &mut Digest<'_>) {
        match self {
            Self::Wait(length) => {
                digest.tag(1);
                digest.number(length.0);
            }
            Self::WaitUntil(condition, up_to) => {
                digest.tag(2);
                digest.expression(condition);
                digest.number(up_to.0);
            }
            Self::WaitFor(pattern, up_to) => {
                digest.tag(3);
                digest.event(pattern);
                digest.number(up_to.0);
            }
            Self::If(conditions) => {
                digest.tag(4);
                digest.number(conditions.len() as i64);
                conditions.iter().for_each(|condition| digest.expression(condition));
            }
            Self::Split(shares) => {
                digest.tag(5);
                for (name, share) in shares {
                    digest.text(name);
                    digest.number(share.0.into());
                }
            }
            Self::Send { name, action, fields, .. } => {
                digest.tag(6);
                digest.text(name);
                digest.text(action);
                for field in fields {
                    digest.text(&field.name);
                    digest.expression(&field.value);
                }
            }
            Self::SetTrait(_, name, value) => {
                digest.tag(7);
                digest.text(name);
                digest.expression(value);
            }
            Self::Exit => digest.tag(8),
        }
    }
}

/// What the blocks of one statement are told apart by.
fn branch(of: Fingerprint, name: &str) -> Fingerprint {
    let mut hash = xxhash_rust::xxh3::Xxh3::new();
    hash.update(&of.0.to_le_bytes());
    hash.update(name.as_bytes());
    Fingerprint(hash.digest())
}

fn meaning(journey: &Journey, digest: &mut Digest<'_>) {
    // Which part of a split somebody is in depends on it, and the key of what is sent.
    digest.text(journey.first_name());
    if let Some(Gate { rollout, early }) = journey.gate {
        digest.tag(if early { 4 } else { 5 });
        digest.rollout(rollout);
    }
    digest.text(journey.purpose.as_deref().unwrap_or_default());
    match &journey.entry {
        Entry::Event { pattern, per } => {
            digest.tag(1);
            digest.event(pattern);
            let path = per.iter().flat_map(|per| &per.path);
            path.for_each(|key| digest.text(key));
        }
        Entry::Condition(condition) => {
            digest.tag(2);
            digest.expression(condition);
        }
    }
    digest.number(journey.again.map_or(-1, |again| again.0));
    digest.number(journey.goals.len() as i64);
    journey.goals.iter().for_each(|goal| digest.event(goal));
    digest.number(journey.exits.len() as i64);
    journey.exits.iter().for_each(|exit| digest.expression(exit));
    digest.number(journey.hours.map_or(-1, |hours| i64::from(hours.from.0) * 10_000 + i64::from(hours.to.0)));
    // The key of a node says what it does and in which block it is.
    journey.nodes.iter().for_each(|node| digest.number(node.key.0 as i64));
}

/// Where the node of a statement is written.
fn written(statement: &ast::Node<Statement>) -> NodePlace {
    match &statement.value {
        Statement::Send(send) => {
            let fields = send.fields.iter().filter(|field| !field.name.value.is_empty());
            NodePlace { at: send.action.span, values: fields.map(|field| field.value.span).collect() }
        }
        Statement::SetTrait(set) => NodePlace { at: set.name.span, values: vec![set.value.span] },
        _ => NodePlace { at: statement.span, values: Vec::new() },
    }
}

/// The nodes so far.
struct Graph {
    nodes: Vec<Node>,
    /// By `NodeId`.
    places: Vec<NodePlace>,
    sound: bool,
}

impl Graph {
    /// Makes room for a node.
    fn place(&mut self, line: u32, written: NodePlace) -> NodeId {
        self.places.push(written);
        self.nodes.push(Node { key: Fingerprint::default(), line, kind: NodeKind::Exit });
        NodeId(self.nodes.len() as u32 - 1)
    }

    fn fill(&mut self, id: NodeId, key: Fingerprint, kind: NodeKind) {
        if let Some(node) = self.nodes.get_mut(id.index()) {
            node.key = key;
            node.kind = kind;
        }
    }
}
