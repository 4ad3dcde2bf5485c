//! Whose an event is, by the identifiers that it has and what the engine knows of them.

use crate::database::quoted;
use sonder_dsl::ir::{IdentifierKindId, Program};

/// How an identifier's person is packed with how little it decides: the least number decides. In the order in which the fold
/// asks: trusted and specific, trusted, any; of each the kind of the highest priority.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim;

impl Claim {
    const PERSON_BITS: u32 = 32;
    const KIND_BITS: u32 = 16;

    /// Of an identifier, whatever source says it.
    pub const fn of(person: u32, kind: u16, generic: bool) -> i64 {
        ((generic as i64) << (Self::PERSON_BITS + Self::KIND_BITS))
            | ((kind as i64) << Self::PERSON_BITS)
            | person as i64
    }

    /// What is added where a source is not trusted with it.
    const DISTRUSTED: i64 = 1 << (Self::PERSON_BITS + Self::KIND_BITS + 1);

    /// The person, as SQL.
    fn person(claim: &str) -> String {
        format!("({claim} & {})::UINTEGER", u32::MAX)
    }

    /// The kind, as SQL.
    fn kind(claim: &str) -> String {
        format!("(({claim} >> {}) & {})", Self::PERSON_BITS, u16::MAX)
    }
}

/// Whose an event is: the person's who has the identifier that decides.
pub(super) struct Whose {
    /// `WHEN` branches for the kinds that sources are not trusted with; nothing where all are.
    distrust: String,
}

impl Whose {
    pub fn new(program: &Program) -> Self {
        let identity = &program.identity;
        let mut distrust = String::new();
        for source in &program.sources {
            let kinds = (0..identity.identifiers.len()).map(|index| IdentifierKindId(index as u16));
            let others: Vec<String> =
                kinds.filter(|kind| !identity.may_link(source, *kind)).map(|kind| kind.0.to_string()).collect();
            if !others.is_empty() {
                let (name, kind, kinds) = (quoted(&source.name), Claim::kind("o.claim"), others.join(", "));
                let branch = format!("WHEN l.source = {name} AND {kind} IN ({kinds}) THEN {} ", Claim::DISTRUSTED);
                distrust.push_str(&branch);
            }
        }
        Self { distrust }
    }

    /// Makes the table of whose the `rows` of a slice of the log are.
    pub fn table(&self, (first, last): (u64, u64), rows: &[String]) -> String {
        let (source, penalty) = match self.distrust.as_str() {
            "" => (String::new(), String::new()),
            cases => (
                format!(" JOIN sonder.main.log AS l ON l.seq = i.seq AND l.seq BETWEEN {first} AND {last}"),
                format!(" + CASE {cases} ELSE 0 END"),
            ),
        };
        format!(
            "CREATE OR REPLACE TEMP TABLE sonder_whose AS
             SELECT i.seq, {} AS person
             FROM sonder.main.log_identifiers AS i JOIN temp.sonder_owners AS o ON i.node = o.node{source}
             WHERE i.seq BETWEEN {first} AND {last} AND i.seq IN ({}) GROUP BY i.seq",
            Claim::person(&format!("min(o.claim{penalty})")),
            rows.join(" UNION ALL ")
        )
    }
}
