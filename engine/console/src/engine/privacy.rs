//! Requests of people about what is known of them.

use serde::Serialize;

/// A request to erase somebody, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Erasure {
    /// Names it.
    pub id: String,
    /// What was asked for: `erasure`.
    pub kind: &'static str,
    /// How far it is.
    pub state: ErasureState,
    /// When it was asked for.
    pub requested_at: String,
    /// When the bytes were gone.
    pub erased_at: Option<String>,
    /// Messages of theirs that went.
    pub messages: u64,
    /// Messages of others that named them, and do so no more.
    pub redacted: u64,
}

/// How far an erasure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ErasureState {
    /// No row has them any more; the files may still have the bytes.
    Struck,
    /// The bytes are gone.
    Erased,
}
