//! An explanation as plain data; at the same time the JSON that the API answers with.

use crate::effect::PersonId;
use crate::record::Seq;
use serde::{Serialize, Serializer};
use serde_json::Value as Json;
use sonder_dsl::time::Moment;

/// Why a rule has its value for a person at a moment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// Who.
    #[serde(serialize_with = "id")]
    pub person: PersonId,
    /// The moment; nothing that was received after it counts.
    #[serde(serialize_with = "text")]
    pub at: Moment,
    /// The segment's or trait's name.
    pub rule: String,
    /// `segment` or `trait`.
    pub kind: &'static str,
    /// What it says of itself.
    pub description: Option<String>,
    /// What it is for.
    pub purpose: Option<String>,
    /// As written.
    pub definition: String,
    /// Where it is declared: path and line.
    pub place: String,
    /// Its value: for a segment, whether the person is in it.
    pub value: Json,
    /// The value is personal data; it is `null` unless it was asked for.
    pub personal: bool,
    /// What happens if nothing happens.
    pub next: Next,
    /// The conditions that decide; `None` where none do, as in a rule that contradicts itself.
    pub because: Option<Because>,
    /// The expression, taken apart.
    pub tree: Part,
}

/// When a value changes if no event comes.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Next {
    /// Never.
    Never,
    /// At this moment, to the microsecond, to that value.
    At(Change),
    /// All the time: it grows or falls with the clock.
    Always,
    /// Not before this moment; what comes after was not looked at.
    Later {
        /// The first moment that was not looked at.
        #[serde(serialize_with = "text")]
        at: Moment,
    },
}

/// A change that time will bring.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// The first moment of the new value.
    #[serde(serialize_with = "text")]
    pub at: Moment,
    /// The new value.
    pub to: Json,
}

/// The smallest set of conditions that decides a rule.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Because {
    /// In what sense it decides.
    pub effect: Effect,
    /// The conditions, in the order of the rule.
    pub parts: Vec<Reason>,
    /// No smaller set would do. Not known where a long rule names conditions more than once.
    pub smallest: bool,
}

/// What a set of conditions does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// As long as these conditions stay as they are, so does the value, whatever the others become.
    Keeps,
    /// Were exactly these conditions the other way round, the rule would hold.
    Missing,
    /// They choose the branches of `if` that the value comes from.
    Chooses,
}

/// A condition that decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// [`Part::id`].
    pub part: u32,
    /// Whether it holds.
    pub holds: bool,
}

/// A part of the expression.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Part {
    /// Unique in the explanation.
    pub id: u32,
    /// What it is.
    pub kind: PartKind,
    /// As text of the language, with all names in full.
    pub text: String,
    /// Its value; `null` when unknown. Decimals, moments and durations are text.
    pub value: Json,
    /// The value is personal data; it is `null` unless it was asked for.
    pub personal: bool,
    /// What happens if nothing happens.
    pub next: Next,
    /// How far a comparison is from turning.
    pub margin: Option<Margin>,
    /// The events that it is made of.
    pub evidence: Option<Evidence>,
    /// The rule was taken apart before, at the part of this id.
    pub same_as: Option<u32>,
    /// What it is made of. Constants are left out.
    pub parts: Vec<Part>,
}

/// Kinds of parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PartKind {
    /// `a and b and c`
    All,
    /// `a or b or c`
    Any,
    /// `not a`
    Not,
    /// `a >= b` …
    Comparison,
    /// `if`
    If,
    /// `x or default`
    Default,
    /// `x is known`
    Known,
    /// `a + b` …
    Arithmetic,
    /// A literal.
    Constant,
    /// A trait of the golden record.
    Profile,
    /// Another segment or computed trait.
    Rule,
    /// `count(…)` …
    Aggregate,
    /// `consented(…)`
    Consent,
}

/// How far a comparison is from turning.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Margin {
    /// The operator, as if the threshold stood on its right.
    pub operator: &'static str,
    /// What is compared.
    pub value: Json,
    /// With what.
    pub threshold: Json,
    /// The comparison does not hold: how much more, or less, the value would have to be.
    pub missing: Option<Json>,
    /// The comparison holds: how much of the value may go, or come, without turning it.
    pub spare: Option<Json>,
    /// Whether what is missing, or may be spared, is `more` or `less` of the value.
    pub direction: &'static str,
    /// Just so much is not enough; it must be a little beyond.
    pub strict: bool,
    /// What is missing would be enough until this moment: then more will be missing.
    #[serde(serialize_with = "maybe_text")]
    pub enough_until: Option<Moment>,
}

/// The events that a value is made of.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Evidence {
    /// How many.
    pub total: u64,
    /// The latest of them, oldest first.
    pub events: Vec<Counted>,
    /// How many are not listed.
    pub more: u64,
    /// For `per`: the group that has the value.
    pub group: Option<Group>,
    /// For `top`: the most frequent values and their counts.
    pub tally: Vec<(Json, u64)>,
    /// For `sequence`: the match, or how far it came.
    pub progress: Option<Progress>,
    /// Events that would count, and do not for want of consent.
    pub withheld: Option<Withheld>,
}

/// What does not count because somebody does not consent to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Withheld {
    /// The purpose.
    pub purpose: String,
    /// How many events.
    pub events: u64,
}

/// An event that counts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Counted {
    /// The id of its message.
    pub message_id: String,
    /// Its place in the log.
    pub seq: Seq,
    /// The event's name; that of the call where it is none.
    pub event: String,
    /// When it happened.
    #[serde(serialize_with = "text")]
    pub at: Moment,
    /// What the rule looked at.
    pub properties: Vec<Property>,
    /// When it is outside the window.
    #[serde(serialize_with = "maybe_text")]
    pub leaves: Option<Moment>,
    /// What it is in a sequence: `step 1` …, `against it`.
    pub role: Option<String>,
}

/// A property, or a field of the context, that a rule looked at.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Property {
    /// Keys joined by dots.
    pub name: String,
    /// Its value; `null` when unknown.
    pub value: Json,
    /// The value is personal data; it is `null` unless it was asked for.
    pub personal: bool,
}

/// A group of `per`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Group {
    /// The property that makes the groups.
    pub property: String,
    /// This group's value of it.
    pub value: Json,
    /// How many groups there are.
    pub of: u64,
}

/// How far a sequence came.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Progress {
    /// Events of the first step inside the window.
    pub starts: u64,
    /// The steps of the match that came furthest.
    pub steps: Vec<StepProgress>,
    /// What must not follow.
    pub absence: Option<String>,
    /// How it stands.
    pub stage: Stage,
    /// [`Stage::Waiting`]: when it is complete. [`Stage::Broken`]: when it would have been. [`Stage::Awaiting`],
    /// [`Stage::Late`]: the last moment at which the next step is, or was, in time; `None` for any time.
    #[serde(serialize_with = "maybe_text")]
    pub until: Option<Moment>,
}

/// A step of a sequence.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StepProgress {
    /// What the step asks for.
    pub text: String,
    /// The event that it took.
    pub seq: Option<Seq>,
}

/// How a sequence stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Nothing inside the window begins it.
    NotBegun,
    /// The next step may still come.
    Awaiting,
    /// The next step did not come in time.
    Late,
    /// All steps came; it is complete if nothing comes that must not.
    Waiting,
    /// Something came that must not.
    Broken,
    /// It is complete.
    Complete,
}

fn text<S: Serializer>(moment: &Moment, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(moment)
}

fn maybe_text<S: Serializer>(moment: &Option<Moment>, serializer: S) -> Result<S::Ok, S::Error> {
    match moment {
        Some(moment) => serializer.collect_str(moment),
        None => serializer.serialize_none(),
    }
}

fn id<S: Serializer>(person: &PersonId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{:032x}", person.0))
}
