//! How whoever an export is for knows people.

use sonder_activate::pseudonyms::Pseudonyms;
use sonder_console::engine::{Audience, Member, parse_person_id};
use sonder_core::effect::PersonId;
use std::sync::Arc;

/// By the pseudonyms of this audience.
pub(super) struct ForAudience {
    pub name: String,
    pub pseudonyms: Arc<Pseudonyms>,
}

impl Audience for ForAudience {
    fn pseudonymous(&self, member: Member) -> Member {
        let key = self.pseudonyms.current();
        let made = |(kind, value): (String, String)| {
            let pseudonym = key.identifier(&self.name, &kind, &value);
            (kind, pseudonym)
        };
        let mut identifiers: Vec<_> = member.identifiers.into_iter().map(made).collect();
        identifiers.sort_unstable();
        let person = parse_person_id(&member.person).map(|person| key.person(&self.name, person));
        // Ids of the engine can be read as such.
        Member { person: person.unwrap_or_default(), since: member.since, identifiers }
    }

    fn place(&self, last: PersonId) -> String {
        self.pseudonyms.current().seal(&self.name, last)
    }

    fn at(&self, place: &str) -> Option<PersonId> {
        self.pseudonyms.current().open(&self.name, place)
    }
}
