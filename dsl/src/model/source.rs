//! `sources/*.yaml`: where events come from.

use super::Rate;
use serde::{Deserialize, Serialize};

/// One source.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// Unique name.
    pub name: String,
    /// What kind it is; decides how far its claims are trusted.
    pub kind: SourceKind,
    /// Its keys.
    pub write_keys: Vec<WriteKey>,
    /// Browser origins that may send; empty for any.
    pub origins: Vec<String>,
    /// How often one write key may send.
    pub rate_per_key: Option<Rate>,
    /// How often one IP address may send.
    pub rate_per_ip: Option<Rate>,
    /// Refuses everything when false.
    pub enabled: bool,
}

/// `kind:`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SourceKind {
    /// Pages; its keys are public.
    Browser,
    /// Back ends.
    Server,
    /// Apps; its keys are public.
    Mobile,
    /// Third parties that call us.
    Webhook,
    /// Imported files.
    File,
    /// Imported tables.
    Database,
}

/// A write key, or where to find it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteKey {
    /// Written in the file; fit for public keys.
    Literal(String),
    /// `{env: NAME}`: read from the environment when the engine starts.
    Environment(String),
}
