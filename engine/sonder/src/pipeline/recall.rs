//! The records that people are made anew from, when somebody loses an identifier.

use super::refold::record;
use sonder_core::govern::Governor;
use sonder_core::record::{Identifier, Record, Seq};
use sonder_dsl::ir::Program;
use sonder_store::{Reader, StoreError};

/// All records before a place in the log that carry one of these identifiers, as the program has them.
///
/// # Errors
/// When the log cannot be read.
pub fn carrying(
    reader: &Reader,
    program: &Program,
    identifiers: &[Identifier],
    before: Seq,
) -> Result<Vec<Record>, StoreError> {
    let named = identifiers.iter().filter_map(|identifier| {
        let kind = program.identity.identifiers.get(identifier.kind.index())?;
        Some((kind.name.clone(), identifier.value.to_string()))
    });
    let logged = reader.carrying(&named.collect::<Vec<_>>(), before)?;
    let governor = Governor::new(program);
    Ok(logged.iter().filter_map(|logged| record(program, &governor, logged)).collect())
}
