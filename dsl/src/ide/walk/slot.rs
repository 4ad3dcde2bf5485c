//! What may stand where a walk has come to.

use super::{CLAUSES, Frame, Next, Opener, Walk};
use crate::ir::EventId;
use crate::syntax::ast::ItemKind;

/// What may stand at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::ide) enum Slot {
    /// A name of the author's own, or a number.
    Own,
    /// Behind the name of an item.
    Head(ItemKind),
    /// The word that begins an item.
    Item,
    /// A clause or statement, or what goes on with the clause before.
    Clause(ItemKind),
    /// An event.
    Event,
    /// A segment.
    Segment,
    /// A purpose.
    Purpose,
    /// `destination.action`
    Action,
    /// A trait that a journey may set.
    ProfileTrait,
    /// A value: properties of this event, if it is inside `where`.
    Operand(Option<EventId>),
    /// What joins operands, ends the expression, or bounds the step.
    Operator {
        /// It is between the parentheses of a call.
        in_call: bool,
        /// A `where` may come.
        step: bool,
    },
    /// A property of this event, after `per`.
    Property(Option<EventId>),
    /// The name of a field of what is sent, by destination and action.
    Field(Option<(String, String)>),
}

impl Walk<'_> {
    /// What may come next.
    pub fn slot(&self) -> Slot {
        let Some(kind) = self.kind else { return Slot::Item };
        if self.stage < 2 {
            return Slot::Own;
        }
        let frame = self.frames.last();
        if let Some(Frame { opener: Opener::Entries(action), .. }) = frame
            && matches!(self.previous.as_str(), "{" | ",")
        {
            return Slot::Field(action.clone());
        }
        if self.operand {
            let in_call = matches!(frame, Some(Frame { opener: Opener::Call(_), .. }));
            return match frame {
                None if self.frames.is_empty() && self.previous.is_empty() => Slot::Head(kind),
                None if self.frames.is_empty() => Slot::Own,
                Some(Frame { opener: Opener::Block, filter: false, event: None, .. })
                    if matches!(self.previous.as_str(), "{" | "}") =>
                {
                    if kind == ItemKind::Funnel {
                        Slot::Event
                    } else {
                        Slot::Clause(kind)
                    }
                }
                Some(Frame { opener: Opener::Block, .. }) if self.next == Next::Nothing && self.is_clause_word() => {
                    Slot::Clause(kind)
                }
                _ => {
                    Slot::Operator { in_call, step: frame.is_some_and(|frame| frame.event.is_some() && !frame.filter) }
                }
            };
        }
        match self.next {
            Next::Step => Slot::Event,
            Next::Alias | Next::Length | Next::Variant => Slot::Own,
            Next::Per => Slot::Property(frame.and_then(|frame| frame.first)),
            Next::Purpose => Slot::Purpose,
            Next::Action => Slot::Action,
            Next::Set => Slot::ProfileTrait,
            _ => match frame {
                Some(Frame { opener: Opener::Call(name), .. }) if name == "in" => Slot::Segment,
                Some(Frame { opener: Opener::Call(_), event: Some(_), filter: false, .. }) if self.previous == "," => {
                    Slot::Operator { in_call: true, step: false }
                }
                _ => Slot::Operand(self.scope()),
            },
        }
    }

    fn is_clause_word(&self) -> bool {
        CLAUSES.contains(&self.previous.as_str())
    }
}
