//! Who is known here, for whoever asks in which region a message belongs.

use crate::pipeline::{Live, Shared};
use sonder_collect::People;
use sonder_core::govern::Lives;
use sonder_core::record::Identifier;
use sonder_dsl::ir::{IdentifierKindId, Program};
use std::sync::Arc;

/// The people of a running engine.
pub struct Residents(Arc<Shared>);

impl Residents {
    /// Of what a pipeline shares.
    #[must_use]
    pub fn of(shared: &Arc<Shared>) -> Self {
        Self(Arc::clone(shared))
    }
}

impl People for Residents {
    fn lives(&self, program: &Program, who: &[Identifier]) -> Option<Lives> {
        lives(&self.0.live.read(), program, who)
    }
}

/// Where somebody lives who has one of these identifiers, which are of `program`.
#[must_use]
pub fn lives(live: &Live, program: &Program, who: &[Identifier]) -> Option<Lives> {
    if program.fingerprint == live.program.fingerprint {
        return live.state.lives(who);
    }
    // Kinds are known by name between versions of the project.
    let who: Vec<Identifier> = who.iter().filter_map(|it| renumbered(it, program, &live.program)).collect();
    live.state.lives(&who)
}

fn renumbered(identifier: &Identifier, from: &Program, to: &Program) -> Option<Identifier> {
    let name = &from.identity.identifiers.get(identifier.kind.index())?.name;
    let place = to.identity.identifiers.iter().position(|it| it.name == *name)?;
    Some(Identifier { kind: IdentifierKindId(u16::try_from(place).ok()?), value: identifier.value.clone() })
}
