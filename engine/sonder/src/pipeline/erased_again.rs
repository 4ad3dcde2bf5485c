//! Erasures that a restored backup does not know of: whoever was erased from the data after the backup was made is struck from
//! what was restored. What the data keep of them are hashes, so it is each identifier of the restored log that is hashed.
//!
//! The next start of an engine sees that they are struck, and goes on as after a crash: the log is folded again, the files are
//! rewritten.

use super::erasure::{EraseError, strike};
use super::open::Opened;
use sonder_core::effect::PersonId;
use sonder_core::record::Identifier;
use sonder_dsl::ir::IdentifierKindId;
use sonder_dsl::time::Moment;
use sonder_store::Reader;
use std::collections::BTreeMap;

/// Strikes whoever was erased from other data, which `erased_in` reads; returns how many people that are.
///
/// # Errors
/// [`EraseError::State`] where the other data hashes with another key; whatever a store may say.
pub fn erase_again(opened: &Opened, erased_in: &Reader) -> Result<usize, EraseError> {
    let (store, shared) = (&opened.store, &opened.shared);
    if !shared.suppression.has_key_of(erased_in.dir())? {
        return Err(EraseError::State("it is of other data: the keys of what was erased differ".to_owned()));
    }
    let known = store.reader().suppressions()?;
    // Who came back after an erasure that the backup knows of is somebody new.
    let later: BTreeMap<String, Moment> =
        erased_in.suppressions()?.into_iter().filter(|erased| !known.contains(erased)).collect();
    let mut people: BTreeMap<PersonId, Moment> = BTreeMap::new();
    for (kind, value) in store.reader().identifiers()? {
        let Some(at) = later.get(&shared.suppression.hash(&kind, &value)) else { continue };
        let live = shared.live.read();
        let mut kinds = live.program.identity.identifiers.iter().zip(0..);
        let Some((_, place)) = kinds.find(|(declared, _)| declared.name == kind) else { continue };
        let identifier = Identifier { kind: IdentifierKindId(place), value: value.into() };
        let Some(person) = live.state.resolve(&identifier) else { continue };
        people.entry(person).and_modify(|known| *known = (*known).max(*at)).or_insert(*at);
    }
    for (person, at) in &people {
        // What is still to be told to destinations is told by the next start.
        strike(shared, store, *person, (&uuid::Uuid::new_v4().to_string(), *at))?;
    }
    Ok(people.len())
}
