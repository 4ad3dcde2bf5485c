//! The fingerprint of a whole program: equal when nothing differs that has a meaning at run time.
//!
//! Titles, descriptions, owners and the places of rules make no difference. It is compared with that of the program
//! that is running, to tell whether a change on disk changes anything.

use crate::ir::{Fingerprint, Program};
use crate::model::{EventSchema, Settings};
use std::fmt::{self, Write};
use xxhash_rust::xxh3::Xxh3;

/// Of all that the engine acts on.
pub(super) fn of_program(program: &Program) -> Fingerprint {
    let mut digest = Digest(Xxh3::new());
    // Writing into a hash cannot fail.
    let _ = digest.program(program);
    Fingerprint(digest.0.digest())
}

struct Digest(Xxh3);

impl Write for Digest {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.update(text.as_bytes());
        Ok(())
    }
}

impl Digest {
    /// `Debug` of plain data names every field and quotes every text, so that no two values look the same.
    fn program(&mut self, program: &Program) -> fmt::Result {
        // How data rests in files, and what identifiers look like elsewhere, has no meaning for what is decided.
        write!(
            self,
            "{:?}",
            Settings { encryption: None, pseudonyms: None, audits_looks: true, ..program.settings.clone() }
        )?;
        for event in &program.events {
            self.event(event)?;
        }
        write!(self, "{:?}{:?}{:?}", program.event_names, program.sources, program.identity)?;
        write!(self, "{:?}", program.consent)?;
        for kept in &program.profile {
            // What is read from no message has no path.
            write!(self, "{:?}", (&kept.name, &kept.kind, kept.pii, &kept.purposes, kept.from.paths(), &kept.merge))?;
        }
        write!(self, "{:?}", program.destinations)?;
        for rule in &program.rules {
            write!(self, "{:?}", (&rule.name, rule.fingerprint))?;
        }
        for journey in &program.journeys {
            write!(self, "{:?}", (&journey.name, journey.fingerprint))?;
        }
        write!(self, "{:?}", program.rollout)?;
        for funnel in &program.funnels {
            write!(self, "{:?}", (&funnel.name, funnel.fingerprint))?;
        }
        Ok(())
    }

    fn event(&mut self, event: &EventSchema) -> fmt::Result {
        let rules = (&event.name, &event.json_schema, event.on_violation, &event.purposes, event.retention);
        write!(self, "{rules:?}{:?}", event.slots)?;
        for property in &event.properties {
            write!(
                self,
                "{:?}",
                (&property.name, &property.kind, property.pii, &property.identifier, &property.derivation)
            )?;
        }
        Ok(())
    }
}
