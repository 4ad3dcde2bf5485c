//! Who is known here, for whoever takes messages in: in which region they belong, and whether they may be collected.

use crate::pipeline::{Live, Shared};
use sonder_collect::People;
use sonder_core::consent::collection::Question;
use sonder_core::govern::Lives;
use sonder_core::record::Identifier;
use sonder_dsl::ir::Program;
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

    fn collects(&self, program: &Program, question: &Question) -> Option<bool> {
        collects(&self.0.live.read(), program, question)
    }
}

/// Where somebody lives who has one of these identifiers, which are of `program`.
#[must_use]
pub fn lives(live: &Live, program: &Program, who: &[Identifier]) -> Option<Lives> {
    if program.fingerprint == live.program.fingerprint {
        return live.state.lives(who);
    }
    live.state.lives(&renumbered(who, program, &live.program))
}

/// Whether those whom a message names allow its being collected; the question is of `program`.
#[must_use]
pub fn collects(live: &Live, program: &Program, question: &Question) -> Option<bool> {
    if program.fingerprint == live.program.fingerprint {
        return live.state.collects(question);
    }
    let purpose = &program.consent.purposes.get(question.purpose.index())?.name;
    let question = Question {
        who: renumbered(&question.who, program, &live.program),
        purpose: live.program.consent.purpose(purpose)?,
        ..question.clone()
    };
    live.state.collects(&question)
}

/// Kinds are known by name between versions of the project.
fn renumbered(who: &[Identifier], from: &Program, to: &Program) -> Vec<Identifier> {
    who.iter().filter_map(|it| renumbered_one(it, from, to)).collect()
}

fn renumbered_one(identifier: &Identifier, from: &Program, to: &Program) -> Option<Identifier> {
    let name = &from.identity.identifiers.get(identifier.kind.index())?.name;
    Some(Identifier { kind: to.identity.kind_named(name)?, value: identifier.value.clone() })
}
