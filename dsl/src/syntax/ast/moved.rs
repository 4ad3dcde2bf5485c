//! Moving a tree to another place of its file: an item is read as if it stood at the beginning, and keeps its tree when text
//! before it grows or shrinks.

use super::{
    Argument, Arm, Body, Branches, Call, Entry, Experience, Experiment, ExpressionKind, Field, Funnel, Hours, IfArm,
    Item, Journey, Literal, Modifier, Node, Prediction, Send, SetTrait, Share, SplitArm, Statement, Step, Trigger,
    Variant, WaitFor, When,
};
use crate::diagnostic::Diagnostic;
use crate::ir::{BinaryOperator, UnaryOperator};
use crate::model::Gate;
use crate::time::Duration;

/// Something with places in a file.
pub trait Moved {
    /// Moves all of them by so many bytes towards the end.
    fn move_by(&mut self, bytes: u32);
}

impl<T: Moved> Moved for Node<T> {
    fn move_by(&mut self, bytes: u32) {
        self.span.start += bytes;
        self.span.end += bytes;
        self.value.move_by(bytes);
    }
}

impl<T: Moved> Moved for Vec<T> {
    fn move_by(&mut self, bytes: u32) {
        self.iter_mut().for_each(|one| one.move_by(bytes));
    }
}

impl<T: Moved> Moved for Option<T> {
    fn move_by(&mut self, bytes: u32) {
        self.iter_mut().for_each(|one| one.move_by(bytes));
    }
}

impl<T: Moved> Moved for Box<T> {
    fn move_by(&mut self, bytes: u32) {
        self.as_mut().move_by(bytes);
    }
}

impl Moved for Diagnostic {
    fn move_by(&mut self, bytes: u32) {
        for label in &mut self.labels {
            label.span.start += bytes;
            label.span.end += bytes;
        }
    }
}

macro_rules! without_places {
    ($($type:ty),+) => { $(impl Moved for $type { fn move_by(&mut self, _: u32) {} })+ };
}

without_places!(String, Duration, Literal, When, BinaryOperator, UnaryOperator, Share, Hours, Gate);

macro_rules! in_fields {
    ($($type:ident { $($field:ident),+ })+) => { $(impl Moved for $type {
        fn move_by(&mut self, bytes: u32) {
            let Self { $($field),+ } = self;
            $($field.move_by(bytes);)+
        }
    })+ };
}

in_fields! {
    Item { name, was, description, purpose, body }
    Branches { condition, then, otherwise }
    Call { function, arguments, modifiers }
    Argument { steps }
    Journey { enter, again, goals, exits, hours, statements, gate }
    WaitFor { trigger, up_to, then, otherwise }
    IfArm { condition, then }
    SplitArm { share, name, then }
    Send { action, fields }
    SetTrait { name, value }
    Field { name, value }
    Funnel { steps, within, by }
    Experiment { variants, on, goals }
    Variant { name, share }
    Experience { arms, otherwise }
    Arm { condition, show }
    Prediction { label, population, features }
}

impl Moved for Step {
    fn move_by(&mut self, bytes: u32) {
        let Self { absent: _, subject, alias, filter, within, lasting } = self;
        subject.move_by(bytes);
        alias.move_by(bytes);
        filter.move_by(bytes);
        within.move_by(bytes);
        lasting.move_by(bytes);
    }
}

impl Moved for Body {
    fn move_by(&mut self, bytes: u32) {
        match self {
            Self::Segment(expression) | Self::Trait(expression) => expression.move_by(bytes),
            Self::Journey(journey) => journey.move_by(bytes),
            Self::Funnel(funnel) => funnel.move_by(bytes),
            Self::Experiment(experiment) => experiment.move_by(bytes),
            Self::Experience(experience) => experience.move_by(bytes),
            Self::Prediction(prediction) => prediction.move_by(bytes),
        }
    }
}

impl Moved for ExpressionKind {
    fn move_by(&mut self, bytes: u32) {
        match self {
            Self::Literal(_) | Self::Early(_) | Self::Faulty => {}
            Self::Path(path) => path.move_by(bytes),
            Self::Call(call) => call.move_by(bytes),
            Self::Unary(operator, operand) => {
                operator.move_by(bytes);
                operand.move_by(bytes);
            }
            Self::Binary(left, operator, right) => {
                left.move_by(bytes);
                operator.move_by(bytes);
                right.move_by(bytes);
            }
            Self::IsKnown(value, _) => value.move_by(bytes),
            Self::If(branches) => branches.move_by(bytes),
        }
    }
}

impl Moved for Modifier {
    fn move_by(&mut self, bytes: u32) {
        match self {
            Self::Per(path) => path.move_by(bytes),
            Self::Last(_) | Self::Since(_) | Self::ThisSession | Self::Next(_) | Self::Faulty => {}
        }
    }
}

impl Moved for Entry {
    fn move_by(&mut self, bytes: u32) {
        match self {
            Self::On { event, per } => {
                event.move_by(bytes);
                per.move_by(bytes);
            }
            Self::When(condition) => condition.move_by(bytes),
        }
    }
}

impl Moved for Trigger {
    fn move_by(&mut self, bytes: u32) {
        match self {
            Self::Until(condition) => condition.move_by(bytes),
            Self::For(step) => step.move_by(bytes),
        }
    }
}

impl Moved for Statement {
    fn move_by(&mut self, bytes: u32) {
        match self {
            Self::Wait(duration) => duration.move_by(bytes),
            Self::WaitFor(wait) => wait.move_by(bytes),
            Self::If { arms, otherwise } => {
                arms.move_by(bytes);
                otherwise.move_by(bytes);
            }
            Self::Split(arms) => arms.move_by(bytes),
            Self::Send(send) => send.move_by(bytes),
            Self::SetTrait(set) => set.move_by(bytes),
            Self::Exit => {}
            Self::Faulty(blocks) => blocks.move_by(bytes),
        }
    }
}
