//! Why a rule has its value: the question. The answer is the core's
//! [`Explanation`](sonder_core::explain::Explanation).

use sonder_core::effect::PersonId;
use sonder_core::explain::Personal;
use sonder_dsl::ir::IdentifierKindId;
use sonder_dsl::time::Moment;

/// Whom, what and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExplainRequest {
    /// Who it is now.
    pub person: PersonId,
    /// The identifier that named them, as the client wrote it: it may have been somebody else's then.
    pub named: Option<(IdentifierKindId, String)>,
    /// The name of a segment or a computed trait.
    pub rule: String,
    /// The moment; now where there is none.
    pub at: Option<Moment>,
    /// Whether personal data is shown.
    pub personal: Personal,
}
