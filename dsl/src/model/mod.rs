//! What a project declares in YAML, resolved: one file a kind of thing, in data-flow order.
//!
//! Each file holds the resolved type first and how it is decoded from [`yaml`](crate::yaml) below it.

use crate::diagnostic::{Diagnostic, Report, codes};
use crate::source::Span;

pub mod consent;
pub mod declarations;
pub mod derive;
pub mod destination;
pub mod encryption;
pub mod event;
pub mod identity;
pub mod key_source;
pub mod opendsr;
pub mod plugin;
pub mod profile;
pub mod pseudonyms;
pub mod purposes;
pub mod residency;
pub mod rollout;
pub mod schema;
pub mod settings;
pub mod source;

pub use consent::{ANYTHING, Consent, Purpose, Terms, Unconsented};
pub use declarations::{Declarations, DeclaredDestination, Faulty, Places, Reference};
pub use derive::{Derivation, DerivedBy};
pub use destination::{Destination, FILES, Secret};
pub use encryption::Encryption;
pub use event::{ContextField, EventSchema, OnViolation, Others, PiiClass, Property, SlotPath, fold_event_name};
pub use identity::{
    Apart, BlockedValue, Comparison, DialledIn, IdentifierKind, Identity, LinkLimit, Normalizer, Preset, Probabilistic,
    Strategy, Trust, Trusted, Unique,
};
pub use key_source::KeySource;
pub use opendsr::OpenDsr;
pub use plugin::{PluginDescription, Plugins};
pub use profile::{LIKELY_ONLY, MergePolicy, Origin, ProfileTrait};
pub use pseudonyms::{PseudonymKey, PseudonymKeys};
pub use purposes::Purposes;
pub use residency::{Region, Residency};
pub use rollout::{Gate, Rollout};
pub use settings::{QuietHours, Rate, Settings, UndeclaredEvents};
pub use source::{IpRule, Source, SourceKind, WriteKey};

/// `traits.address.country` as its keys.
fn path(text: &str) -> Vec<String> {
    text.split('.').map(str::to_owned).collect()
}

/// Words of the rule language that no name can be there.
const RESERVED: &[&str] = &["and", "or", "not", "is", "if", "then", "else", "where", "within", "as", "true", "false"];

/// Reports a name that no rule could ask for.
fn usable_in_rules(what: &str, name: &str, span: Span, report: &mut Report) {
    if RESERVED.contains(&name) {
        let message = format!("{what} cannot be called `{name}`");
        let label = "a word of the rule language";
        report.push(Diagnostic::error(codes::BAD_NAME, message, span, label).help("give it another name"));
    }
}
