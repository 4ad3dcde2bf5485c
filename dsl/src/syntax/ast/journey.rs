//! `journey cart_recovery { enter on product_added as cart … }`

use super::{Expression, Field, Name, Node, Path, Share, Step};
use crate::model::Gate;
use crate::time::Duration;

/// What a journey says. Clauses that were left out are `None`; what is missing has been reported.
#[derive(Clone, Debug, PartialEq)]
pub struct Journey {
    /// `enter …`
    pub enter: Option<Node<Entry>>,
    /// `again after 7d`
    pub again: Option<Node<Duration>>,
    /// `goal order_completed`, each one of them.
    pub goals: Vec<Node<Step>>,
    /// `exit when …`, each one of them.
    pub exits: Vec<Expression>,
    /// `hours 08:00 to 20:00`
    pub hours: Option<Node<Hours>>,
    /// What happens, in order.
    pub statements: Block,
    /// For whom it is while it is rolled out; nobody writes it.
    pub gate: Option<Gate>,
}

/// How people come in.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// `on product_added where price > 10 as cart per cart.cart_id`
    On {
        /// The event, with its alias and condition.
        event: Box<Node<Step>>,
        /// `per cart.cart_id`
        per: Option<Path>,
    },
    /// `when in(segment)`: at the moment at which it becomes true.
    When(Expression),
}

/// `08:00 to 20:00`, in the person's local time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours {
    /// From when.
    pub from: Clock,
    /// Until when.
    pub to: Clock,
}

/// A time of day, in minutes since midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Clock(pub u16);

/// Statements between braces.
pub type Block = Vec<Node<Statement>>;

/// One step of a journey.
#[derive(Clone, Debug, PartialEq)]
pub enum Statement {
    /// `wait 30m`
    Wait(Node<Duration>),
    /// `wait until …` and `wait for …`
    WaitFor(Box<WaitFor>),
    /// `if … { } else if … { } else { }`
    If {
        /// Conditions with what they lead to; at least one.
        arms: Vec<IfArm>,
        /// `else { … }`
        otherwise: Option<Block>,
    },
    /// `split { 10% control { } 90% treated { } }`
    Split(Vec<Node<SplitArm>>),
    /// `send email.message { to: profile.email }`
    Send(Send),
    /// `set trait vip = true`
    SetTrait(SetTrait),
    /// `exit`
    Exit,
    /// A mistake that has been reported, with the blocks that belong to it.
    Faulty(Vec<Block>),
}

/// `wait for email_clicked up to 24h { … } else { … }`
#[derive(Clone, Debug, PartialEq)]
pub struct WaitFor {
    /// What ends the wait.
    pub trigger: Trigger,
    /// `up to 24h`
    pub up_to: Option<Node<Duration>>,
    /// When it comes in time.
    pub then: Block,
    /// When time is up.
    pub otherwise: Block,
}

/// What ends a wait before its time is up.
#[derive(Clone, Debug, PartialEq)]
pub enum Trigger {
    /// `until profile.vip`
    Until(Expression),
    /// `for email_clicked where …`
    For(Box<Node<Step>>),
}

/// `if … { … }`
#[derive(Clone, Debug, PartialEq)]
pub struct IfArm {
    /// After `if`.
    pub condition: Expression,
    /// Between the braces.
    pub then: Block,
}

/// `90% treated { … }`
#[derive(Clone, Debug, PartialEq)]
pub struct SplitArm {
    /// How many of the people.
    pub share: Node<Share>,
    /// What they are called.
    pub name: Name,
    /// What happens to them.
    pub then: Block,
}

/// `send destination.action { field: value }`
#[derive(Clone, Debug, PartialEq)]
pub struct Send {
    /// `email.message`
    pub action: Path,
    /// Between the braces.
    pub fields: Vec<Field>,
}

/// `set trait name = value`
#[derive(Clone, Debug, PartialEq)]
pub struct SetTrait {
    /// A trait of the golden record.
    pub name: Name,
    /// Its new value.
    pub value: Expression,
}
