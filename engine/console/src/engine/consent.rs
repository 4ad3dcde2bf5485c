//! A change of consent, as the API takes it.

/// What somebody said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsentChange {
    /// Who.
    pub subject: Subject,
    /// Purposes, and yes or no to each.
    pub purposes: Vec<(String, bool)>,
    /// By what means; `api` where nothing is said.
    pub method: Option<String>,
    /// The version of the notice that they were shown.
    pub notice: Option<String>,
    /// What proves it, such as the number of a recording.
    pub proof: Option<String>,
}

/// An identifier, which may be nobody's yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// A kind of `identity.yaml`.
    pub kind: String,
    /// As somebody wrote it.
    pub value: String,
}
