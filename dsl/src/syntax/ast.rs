//! What a `.sonder` file says, before any name has a meaning. Every node knows its place; equality ignores places, so
//! that a reformatted file is the same tree.

mod experience;
mod experiment;
mod funnel;
mod journey;
mod moved;
mod prediction;

pub use experience::{Arm, Experience, Field};
pub use experiment::{Experiment, Share, Variant};
pub use funnel::Funnel;
pub use journey::{Block, Clock, Entry, Hours, IfArm, Journey, Send, SetTrait, SplitArm, Statement, Trigger, WaitFor};
pub(super) use moved::Moved;
pub use prediction::Prediction;

use crate::ir::{BinaryOperator, UnaryOperator};
use crate::model::Rollout;
use crate::source::Span;
use crate::time::{Duration, Moment};
use rust_decimal::Decimal;
use serde::Serialize;

/// A value and where it is written.
#[derive(Clone, Debug)]
pub struct Node<T> {
    /// What is written.
    pub value: T,
    /// Where.
    pub span: Span,
}

impl<T: PartialEq> PartialEq for Node<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

/// A name as written.
pub type Name = Node<String>;

/// Names with dots between them: at least one.
pub type Path = Node<Vec<Name>>;

/// What one item of a file declares.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// Its name.
    pub name: Name,
    /// `was keen`: what it was called, the latest name first.
    pub was: Vec<Name>,
    /// The text after the name.
    pub description: Option<Node<String>>,
    /// `purpose marketing`
    pub purpose: Option<Name>,
    /// What it is and says.
    pub body: Body,
}

/// What an item says.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// `segment`: what comes after `when`.
    Segment(Expression),
    /// `trait`: what comes after `=`.
    Trait(Expression),
    /// `journey`
    Journey(Journey),
    /// `funnel`
    Funnel(Funnel),
    /// `experiment`
    Experiment(Experiment),
    /// `experience`
    Experience(Experience),
    /// `predict`
    Prediction(Prediction),
}

impl Item {
    /// What it declares.
    #[must_use]
    pub const fn kind(&self) -> ItemKind {
        match self.body {
            Body::Segment(_) => ItemKind::Segment,
            Body::Trait(_) => ItemKind::Trait,
            Body::Journey(_) => ItemKind::Journey,
            Body::Funnel(_) => ItemKind::Funnel,
            Body::Experiment(_) => ItemKind::Experiment,
            Body::Experience(_) => ItemKind::Experience,
            Body::Prediction(_) => ItemKind::Prediction,
        }
    }

    /// The expression of a segment or trait: of what has one value for a person.
    #[must_use]
    pub const fn expression(&self) -> Option<&Expression> {
        match &self.body {
            Body::Segment(expression) | Body::Trait(expression) => Some(expression),
            _ => None,
        }
    }
}

/// What an item declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemKind {
    /// `segment`
    Segment,
    /// `trait`
    Trait,
    /// `journey`
    Journey,
    /// `funnel`
    Funnel,
    /// `experiment`
    Experiment,
    /// `experience`
    Experience,
    /// `predict`
    Prediction,
}

impl ItemKind {
    /// All of them, in the order of the reference.
    pub const ALL: [Self; 7] =
        [Self::Segment, Self::Trait, Self::Journey, Self::Funnel, Self::Experiment, Self::Experience, Self::Prediction];

    /// The word that it begins with.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Segment => "segment",
            Self::Trait => "trait",
            Self::Journey => "journey",
            Self::Funnel => "funnel",
            Self::Experiment => "experiment",
            Self::Experience => "experience",
            Self::Prediction => "predict",
        }
    }

    /// What it is called: as the word, but for a prediction.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Prediction => "prediction",
            other => other.word(),
        }
    }

    /// What it is called in a sentence.
    #[must_use]
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Segment => "a segment",
            Self::Trait => "a trait",
            Self::Journey => "a journey",
            Self::Funnel => "a funnel",
            Self::Experiment => "an experiment",
            Self::Experience => "an experience",
            Self::Prediction => "a prediction",
        }
    }

    /// What several are called.
    #[must_use]
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Segment => "segments",
            Self::Trait => "traits",
            Self::Journey => "journeys",
            Self::Funnel => "funnels",
            Self::Experiment => "experiments",
            Self::Experience => "experiences",
            Self::Prediction => "predictions",
        }
    }

    /// The kind that begins with a word.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// An expression and where it is written.
pub type Expression = Node<ExpressionKind>;

/// The forms of expressions.
#[derive(Clone, Debug, PartialEq)]
pub enum ExpressionKind {
    /// `3`, `"a"`, `true`, `24h`, `2026-01-01`
    Literal(Literal),
    /// `category`, `profile.country`, `context.device.type`
    Path(Path),
    /// `count(view, last 7d)`
    Call(Call),
    /// `not x`, `-x`
    Unary(Node<UnaryOperator>, Box<Expression>),
    /// `a + b`; for text and numbers, `or` gives a default.
    Binary(Box<Expression>, Node<BinaryOperator>, Box<Expression>),
    /// `x is known`, or with `false` `x is unknown`
    IsKnown(Box<Expression>, bool),
    /// `if a then b else c`
    If(Box<Branches>),
    /// Whether new rules hold for the person while they are rolled out; nobody writes it.
    Early(Rollout),
    /// A mistake that has been reported; typing passes over it.
    Faulty,
}

/// `if condition then value else otherwise`
#[derive(Clone, Debug, PartialEq)]
pub struct Branches {
    /// After `if`.
    pub condition: Expression,
    /// After `then`.
    pub then: Expression,
    /// After `else`; another `If` for `else if`.
    pub otherwise: Expression,
}

/// A value written out.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// `true`, `false`
    Bool(bool),
    /// `3`
    Int(i64),
    /// `0.10`; its digits after the point count.
    Decimal(Decimal),
    /// `"text"`
    String(String),
    /// `24h`
    Duration(Duration),
    /// `2026-01-01` or `2026-01-01T12:00:00Z`
    Time(When),
}

/// A moment as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// A day: its first moment in the project's time zone.
    Day(jiff::civil::Date),
    /// With a time and an offset.
    Moment(Moment),
}

/// `name(arguments)`
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// What is called.
    pub function: Path,
    /// What stands between the parentheses, but modifiers.
    pub arguments: Vec<Node<Argument>>,
    /// `last 24h`, `per product` …
    pub modifiers: Vec<Node<Modifier>>,
}

/// One argument: the steps of a sequence, most often a single one.
#[derive(Clone, Debug, PartialEq)]
pub struct Argument {
    /// At least one.
    pub steps: Vec<Node<Step>>,
}

/// `view as v where price > 10 within 1h`
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// `no` stands before it.
    pub absent: bool,
    /// The event, or whatever is written in its place.
    pub subject: Expression,
    /// `as v`
    pub alias: Option<Name>,
    /// `where …`
    pub filter: Option<Expression>,
    /// `within 30m`
    pub within: Option<Node<Duration>>,
    /// `for 30m`
    pub lasting: Option<Node<Duration>>,
}

/// What a call asks besides its arguments.
#[derive(Clone, Debug, PartialEq)]
pub enum Modifier {
    /// `last 24h`
    Last(Duration),
    /// `since 2026-01-01`
    Since(When),
    /// `per product`
    Per(Path),
    /// `this session`
    ThisSession,
    /// `next 7d`
    Next(Duration),
    /// A mistake that has been reported.
    Faulty,
}
