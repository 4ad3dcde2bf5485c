//! Erasures that the log of a restored backup does not know of: whoever was erased after it was made is struck from what was
//! restored. What is kept of them are hashes, beside the keys that came with it, so it is each identifier of the log that is hashed.
//!
//! It is done before anything else when data with such keys is opened, by an engine or a command. What follows sees that they are
//! struck, and goes on as after a crash: the log is folded again, and the next engine rewrites the files.

use super::erasure::{EraseError, strike};
use super::open::Opened;
use sonder_core::effect::PersonId;
use sonder_core::record::Identifier;
use sonder_dsl::time::Moment;
use std::collections::BTreeMap;

/// Strikes whoever was erased since; keys and log are of one moment then.
///
/// # Errors
/// Whatever the store may say.
pub(super) fn erase_again(opened: &Opened) -> Result<(), EraseError> {
    let (store, shared) = (&opened.store, &opened.shared);
    let known = store.reader().suppressions()?;
    // Who came back after an erasure that the log knows of is somebody new.
    let later: BTreeMap<String, Moment> =
        store.reader().erased_by_copy()?.into_iter().filter(|erased| !known.contains(erased)).collect();
    let mut people: BTreeMap<PersonId, Moment> = BTreeMap::new();
    for (kind, value) in store.reader().identifiers()? {
        let Some(at) = later.get(&shared.suppression.hash(&kind, &value)) else { continue };
        let live = shared.live.read();
        let Some(kind) = live.program.identity.kind_named(&kind) else { continue };
        let Some(person) = live.state.resolve(&Identifier { kind, value: value.into() }) else { continue };
        people.entry(person).and_modify(|known| *known = (*known).max(*at)).or_insert(*at);
    }
    for (person, at) in &people {
        // What is still to be told to destinations is told by the next start.
        strike(shared, store, *person, (&uuid::Uuid::new_v4().to_string(), *at))?;
    }
    tracing::info!(people = people.len(), "whoever was erased after the backup was made is struck from it");
    Ok(store.settle_later_keys()?)
}
