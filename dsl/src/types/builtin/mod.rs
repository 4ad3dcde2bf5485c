//! The functions of the language, one a file: what each takes, what it gives, what it means, with examples that the tests
//! compile and the reference prints.

mod avg;
mod count;
mod did;
mod distinct;
mod elsewhere;
mod first;
mod in_segment;
mod last;
mod max;
mod min;
mod sequence;
mod since;
mod sum;
mod top;

use crate::ir::{Function, Type};
pub use elsewhere::{ELSEWHERE, Elsewhere};

/// One function.
#[derive(Clone, Debug)]
pub struct Builtin {
    /// What to type.
    pub name: &'static str,
    /// How it is called: `sum(E.p)`.
    pub signature: &'static str,
    /// What it takes, and what it gives for that.
    pub takes: Takes,
    /// Whether it compares values with each other, which personal data must not be.
    pub compares: bool,
    /// Whether `per p` makes sense of it.
    pub per: bool,
    /// What it means, as a sentence.
    pub meaning: &'static str,
    /// Rules that use it.
    pub examples: &'static [&'static str],
}

/// What a function takes.
#[derive(Clone, Debug)]
pub enum Takes {
    /// Events: `count(view where price > 10)`.
    Events(Function, Type),
    /// A property of events: `sum(order.total)`.
    Property(Function, fn(&Type) -> Result<Type, &'static str>),
    /// Steps: `sequence(add then no order for 30m)`.
    Steps,
    /// A segment: `in(keen)`.
    Segment,
}

/// All functions, by name.
pub static ALL: [&Builtin; 13] = [
    &avg::BUILTIN,
    &count::BUILTIN,
    &did::BUILTIN,
    &distinct::BUILTIN,
    &first::BUILTIN,
    &in_segment::BUILTIN,
    &last::BUILTIN,
    &max::BUILTIN,
    &min::BUILTIN,
    &sequence::BUILTIN,
    &since::BUILTIN,
    &sum::BUILTIN,
    &top::BUILTIN,
];

/// Functions that later versions have in what looks ahead; everywhere else `consented` stands now.
pub const LATER: [&str; 1] = ["consented"];

/// What stands in a field of `show` only.
pub const RECOMMEND: &str = "recommend";

/// What functions are called in other languages and tools.
const ALIASES: [(&str, &[&str]); 9] = [
    ("avg", &["average", "mean"]),
    ("count", &["count_if", "countif", "times", "frequency"]),
    ("did", &["exists", "has", "happened", "performed", "any_of"]),
    ("distinct", &["count_distinct", "unique", "uniq", "nunique", "distinct_count", "cardinality"]),
    ("first", &["earliest", "first_value"]),
    ("last", &["latest", "last_value", "most_recent"]),
    ("since", &["ago", "days_since", "recency", "time_since"]),
    ("sequence", &["funnel", "followed_by", "path", "steps"]),
    ("top", &["most_common", "mode", "most_frequent", "favourite", "favorite"]),
];

/// The function that other languages and tools call so.
#[must_use]
pub fn of_alias(name: &str) -> Option<&'static str> {
    let lower = name.to_lowercase();
    let (ours, _) = ALIASES.iter().find(|(_, names)| names.contains(&lower.as_str()))?;
    Some(ours)
}

/// The function of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Builtin> {
    ALL.iter().copied().find(|builtin| builtin.name == name)
}
