//! Who is known here, as far as it matters before a message is taken in: in which region it belongs, and whether whoever it names
//! allows its being collected.

use crate::forward::FORWARDED;
use crate::handler::Exchange;
use sonder_core::consent::collection::Question;
use sonder_core::govern::{Belongs, Lives};
use sonder_core::message::{Message, Quarantined};
use sonder_core::record::Identifier;
use sonder_dsl::ir::Program;

/// Knows who is known here.
pub trait People: Send + Sync + 'static {
    /// Where somebody lives who has one of these identifiers, which are of `program`; `None` where nobody is known by them.
    fn lives(&self, program: &Program, who: &[Identifier]) -> Option<Lives>;

    /// Whether whoever a message names allows its being collected, by `program`; `None` where nobody is known by what it names.
    fn collects(&self, program: &Program, question: &Question) -> Option<bool>;
}

impl Exchange<'_> {
    /// Where a message belongs.
    pub(crate) fn belongs(&self, message: &Result<Message, Quarantined>) -> Belongs {
        let Self { shared, generation, .. } = self;
        let known = |who: &[Identifier]| shared.config.people.as_ref()?.lives(&generation.program, who);
        generation.governor.belongs(message, known, self.is_forwarded())
    }

    /// Whether whoever is known of those whom a message names allows its being collected.
    pub(crate) fn allowed(&self, question: &Question) -> Option<bool> {
        self.shared.config.people.as_ref()?.collects(&self.generation.program, question)
    }

    /// Whether an engine of another region sent it on: then it is not sent on again.
    pub(crate) fn is_forwarded(&self) -> bool {
        self.parts.headers.contains_key(FORWARDED)
    }
}
