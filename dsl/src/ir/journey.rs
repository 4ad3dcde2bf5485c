//! Journeys as state machines: what a run time needs, and nothing of how they are written.
//!
//! In the expressions of a journey, [`Step`](super::Expression::Step) 0 is the event that the person entered with; in its
//! patterns too, where step 1 is the event at hand. A journey that is entered under a condition has no such event.
//!
//! A person stands at a node of kind [`WaitFor`](NodeKind::WaitFor), [`WaitUntil`](NodeKind::WaitUntil) or
//! [`Wait`](NodeKind::Wait); all others are passed at once. What a person stands at is remembered by [`Node::key`], which
//! is the same in every version of the text in which that step still exists.

use super::{
    BEFORE, DestinationId, EventId, EventSelector, Expression, Fingerprint, Pattern, ProfileTraitId, Program,
    PropertySlot, Type,
};
use crate::model::Gate;
use crate::syntax::ast::{Hours, Share};
use crate::time::Duration;

/// One journey.
#[derive(Clone, Debug, PartialEq)]
pub struct Journey {
    /// Unique among all that rules declare.
    pub name: String,
    /// What it was called before, the latest name first.
    pub was: Vec<String>,
    /// The text after the name.
    pub description: Option<String>,
    /// What it is for; who withdraws that consent leaves.
    pub purpose: Option<String>,
    /// How people come in.
    pub entry: Entry,
    /// How long after leaving a person may come in again; `None` for never.
    pub again: Option<Duration>,
    /// Events that end it as converted, whenever they come.
    pub goals: Vec<Pattern>,
    /// Conditions that end it, whenever they become true.
    pub exits: Vec<Expression>,
    /// When something may be sent, in the person's local time; from later than to means overnight.
    pub hours: Option<Hours>,
    /// The first node; `None` for a journey without statements.
    pub start: Option<NodeId>,
    /// By `NodeId`.
    pub nodes: Vec<Node>,
    /// For whom it is while it is rolled out; `None` for everybody.
    pub gate: Option<Gate>,
    /// Where it is declared: path and line, for people.
    pub place: String,
    /// Of its meaning: descriptions and places make no difference.
    pub fingerprint: Fingerprint,
}

/// How people come in.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// With an event.
    Event {
        /// Which.
        pattern: Pattern,
        /// `per cart.cart_id`: a person is in it once at a time for each value of this property of the event; one without it
        /// does not enter.
        per: Option<Per>,
    },
    /// When this becomes true.
    Condition(Expression),
}

/// What instances of one person are told apart by.
#[derive(Clone, Debug, PartialEq)]
pub struct Per {
    /// The property, as its path in the entering event: events that have one of the same path reach only the instance of
    /// the same value.
    pub path: Vec<String>,
    /// Of the entering event's type.
    pub slot: PropertySlot,
    /// Where the other events that bear upon the journey carry it, for those that do.
    pub elsewhere: Vec<(EventId, PropertySlot)>,
}

/// A node of a journey: an index into [`Journey::nodes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u32);

impl NodeId {
    /// As an index.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// One step.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What a person's place is remembered by: of what the step itself does (not of what is inside its blocks), of the
    /// blocks around it, and of how many equal ones stand before it in its block.
    pub key: Fingerprint,
    /// The line where it is written, for people.
    pub line: u32,
    /// What it does, and where it leads. `None` as a next node is the end of the journey.
    pub kind: NodeKind,
}

impl Journey {
    /// The first name that it had: its passages, and the parts of its splits, are told apart by it, so that a new name changes
    /// neither.
    #[must_use]
    pub fn first_name(&self) -> &str {
        self.was.last().unwrap_or(&self.name)
    }

    /// Its name, also as it was while it is rolled out.
    #[must_use]
    pub fn own_name(&self) -> &str {
        self.name.strip_suffix(BEFORE).unwrap_or(&self.name)
    }

    /// A node.
    #[must_use]
    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id.index())
    }

    /// The node of that key.
    #[must_use]
    pub fn node_of(&self, key: Fingerprint) -> Option<NodeId> {
        self.nodes.iter().position(|node| node.key == key).map(|index| NodeId(index as u32))
    }

    /// The events that bear upon it: its entry, its goals, and what it waits for.
    pub fn patterns(&self) -> impl Iterator<Item = &Pattern> {
        let entry = match &self.entry {
            Entry::Event { pattern, .. } => Some(pattern),
            Entry::Condition(_) => None,
        };
        let waited = self.nodes.iter().filter_map(|node| match &node.kind {
            NodeKind::WaitFor { pattern, .. } => Some(pattern),
            _ => None,
        });
        entry.into_iter().chain(&self.goals).chain(waited)
    }
}

impl Node {
    /// What it does, in a few words: `wait 30m`, `wait for email_clicked`, `send email.message`.
    #[must_use]
    pub fn label(&self, program: &Program) -> String {
        match &self.kind {
            NodeKind::Wait { lasting, .. } => format!("wait {lasting}"),
            NodeKind::WaitUntil { up_to, .. } => format!("wait until, up to {up_to}"),
            NodeKind::WaitFor { pattern, up_to, .. } => {
                let event = match pattern.event {
                    EventSelector::One(id) => program.events.get(id.index()).map_or("", |event| event.name.as_str()),
                    EventSelector::Any => "any",
                };
                format!("wait for {event} up to {up_to}")
            }
            NodeKind::If { .. } => "if".to_owned(),
            NodeKind::Split(_) => "split".to_owned(),
            NodeKind::Send { destination, action, .. } => {
                let name = program.destinations.get(destination.index()).map_or("", |it| it.name.as_str());
                format!("send {name}.{action}")
            }
            NodeKind::SetTrait { id, .. } => {
                format!("set trait {}", program.profile.get(id.index()).map_or("", |it| it.name.as_str()))
            }
            NodeKind::Exit => "exit".to_owned(),
        }
    }
}

/// What a node does.
#[derive(Clone, Debug, PartialEq)]
pub enum NodeKind {
    /// Lets time pass.
    Wait {
        /// How much.
        lasting: Duration,
        /// What comes then.
        next: Option<NodeId>,
    },
    /// Waits for a condition: at once when it is true already.
    WaitUntil {
        /// What is waited for.
        condition: Expression,
        /// For how long.
        up_to: Duration,
        /// When it comes in time.
        met: Option<NodeId>,
        /// When time is up.
        missed: Option<NodeId>,
    },
    /// Waits for an event that comes after the person came to stand here.
    WaitFor {
        /// What is waited for.
        pattern: Pattern,
        /// For how long.
        up_to: Duration,
        /// When it comes in time.
        met: Option<NodeId>,
        /// When time is up.
        missed: Option<NodeId>,
    },
    /// Decides.
    If {
        /// By what.
        condition: Expression,
        /// When it holds.
        yes: Option<NodeId>,
        /// When it doesn't.
        no: Option<NodeId>,
    },
    /// Divides people, always alike for one person and journey.
    Split(Vec<Branch>),
    /// Sends something.
    Send {
        /// Where to.
        destination: DestinationId,
        /// Which of its actions.
        action: String,
        /// What, in the order in which it is written.
        fields: Vec<FieldValue>,
        /// The fields without which the action makes no sense, as the plugin says: nothing is sent while one is unknown.
        required: Vec<String>,
        /// What comes then.
        next: Option<NodeId>,
    },
    /// Sets a trait of the golden record.
    SetTrait {
        /// Which.
        id: ProfileTraitId,
        /// To what, of the trait's type.
        value: Expression,
        /// What comes then.
        next: Option<NodeId>,
    },
    /// Leaves the journey.
    Exit,
}

/// One branch of a split.
#[derive(Clone, Debug, PartialEq)]
pub struct Branch {
    /// What it is called.
    pub name: String,
    /// How many of the people. All of them are everybody.
    pub share: Share,
    /// Where it leads.
    pub next: Option<NodeId>,
}

/// A field that is sent or shown.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldValue {
    /// What it is called.
    pub name: String,
    /// Its value; a field whose value is unknown is left out.
    pub value: Expression,
    /// The type of its value.
    pub kind: Type,
}
