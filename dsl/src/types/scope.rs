//! What names mean where: the rules of a project, and the event that a condition is about.

use crate::ir::{EventSelector, RuleId, Type};
use crate::source::Span;
use crate::syntax::ast::{ItemKind, Name};
use std::collections::BTreeMap;
use std::sync::Arc;

/// All rules of a project by name, as far as they are typed.
pub type RuleTable = BTreeMap<String, RuleInfo>;

/// A rule that others may name.
#[derive(Clone, Debug)]
pub struct RuleInfo {
    /// Segment or trait; unknown for one that could not be read.
    pub kind: Option<ItemKind>,
    /// Where its name is declared.
    pub place: Span,
    /// What is known of it.
    pub state: RuleState,
}

/// How far a rule has come.
#[derive(Clone, Debug)]
pub enum RuleState {
    /// It has errors, or is not typed yet: naming it is no error of its own.
    Faulty,
    /// It has a value.
    Typed {
        /// Its id.
        id: RuleId,
        /// The type of its value.
        kind: Type,
        /// How it moves with the clock.
        motion: super::Motion,
        /// The personal value that it carries.
        personal: Option<Arc<str>>,
    },
}

/// What may be said where an expression stands.
#[derive(Clone, Debug, Default)]
pub struct Setting {
    /// In a journey: the event that the person entered with.
    pub entering: Option<StepScope>,
    /// Windows may look ahead.
    pub ahead: bool,
}

/// What a bare name means.
#[derive(Clone, Copy, Debug)]
pub enum Scope<'s> {
    /// In a rule: a trait of the project.
    Person,
    /// In `where`: a property of the event.
    Event(&'s EventScope<'s>),
}

/// The event that a condition is about.
#[derive(Clone, Copy, Debug)]
pub struct EventScope<'s> {
    /// Its type.
    pub event: EventSelector,
    /// How it is written.
    pub name: &'s str,
    /// The steps of the sequence before it.
    pub earlier: &'s [StepScope],
    /// What this step itself is called.
    pub own_alias: Option<&'s Name>,
}

/// A step that later ones may name.
#[derive(Clone, Debug)]
pub struct StepScope {
    /// `as v`
    pub alias: Option<Name>,
    /// Its event type.
    pub event: EventSelector,
    /// How that is written.
    pub name: String,
}
