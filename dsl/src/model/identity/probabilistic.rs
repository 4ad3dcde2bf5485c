//! `probabilistic:`: matching of records, and of the people whom the engine knows, that share no identifier.

use crate::diagnostic::{Diagnostic, Report, codes};
use crate::shape::{Fields, Filled, Format, Key, Shape, Word};
use crate::time::Duration;
use crate::yaml::Node;
use std::collections::HashSet;

/// `probabilistic:`
#[derive(Clone, Debug, PartialEq)]
pub struct Probabilistic {
    /// Fields that are compared, and how.
    pub compare: Vec<(String, Comparison)>,
    /// Records are only compared when all fields of one of these are equal; where it is empty, the data proposes rules.
    pub block: Vec<Vec<String>>,
    /// From this probability on, two records are linked.
    pub link_at: f64,
    /// From this probability on, a person is asked.
    pub review_at: f64,
    /// How often the engine matches the people whom it knows; `None` where it does when it is asked to.
    pub every: Option<Duration>,
}

/// How two values of a field are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// Equal or not.
    Exact,
    /// Spelling and sound of a person's name.
    Name,
    /// Equal, or the same part before the `@`.
    Email,
    /// Equal, or near.
    Date,
    /// The same line, however it is written; or a digit off.
    Phone,
    /// Equal, the same area, or a character off.
    Postcode,
    /// The same words, or most of them.
    Address,
    /// Spelling of any text.
    Text,
    /// Equal, or near.
    Number,
}

impl Comparison {
    /// The comparison of that name in `compare`.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Some(match word {
            "exact" => Self::Exact,
            "name" => Self::Name,
            "email" => Self::Email,
            "date" => Self::Date,
            "phone" => Self::Phone,
            "postcode" => Self::Postcode,
            "address" => Self::Address,
            "text" => Self::Text,
            "number" => Self::Number,
            _ => return None,
        })
    }
}

/// People are matched no more often.
const LEAST: Duration = Duration::from_secs(60);

/// What `probabilistic` may hold.
pub(super) const PROBABILISTIC: &[Key] = &[
    Key::required("compare", Shape::Map(Format::Name, &Shape::Word(COMPARISONS)), "fields that are compared, and how"),
    Key::optional(
        "block",
        Shape::List(&Shape::List(&Shape::NAME, Filled::AtLeastOne), Filled::AtLeastOne),
        "records are only compared when all fields of one of these are equal; without it, rules are proposed by the data",
    ),
    Key::required("link_at", Shape::Probability, "from this probability on, two records are linked"),
    Key::required("review_at", Shape::Probability, "from this probability on, a person is asked"),
    Key::optional(
        "every",
        Shape::DURATION,
        "how often the engine matches the people whom it knows, by their traits and identifiers; without it, when it is asked to",
    ),
];

const COMPARISONS: &[Word] = &[
    Word { word: "exact", doc: "equal or not" },
    Word { word: "name", doc: "spelling and sound of a person's name" },
    Word { word: "email", doc: "equal, or the same part before the @" },
    Word { word: "date", doc: "equal, or near" },
    Word { word: "phone", doc: "the same line, however it is written, or a digit off" },
    Word { word: "postcode", doc: "equal, the same area, or a character off" },
    Word { word: "address", doc: "the same words, or most of them" },
    Word { word: "text", doc: "spelling of any text" },
    Word { word: "number", doc: "equal, or near" },
];

/// Reads a checked `probabilistic`.
pub(super) fn decode(node: &Node, report: &mut Report) -> Option<Probabilistic> {
    let fields = Fields::new(node, PROBABILISTIC);
    let compare: Vec<(String, Comparison)> = fields
        .get("compare")?
        .entries()
        .iter()
        .filter_map(|entry| Some((entry.key.clone(), Comparison::named(entry.value.text()?)?)))
        .collect();
    let groups = fields.get("block").map_or(&[][..], Node::items);
    let known: HashSet<&str> = fields.get("compare")?.entries().iter().map(|entry| entry.key.as_str()).collect();
    for name in groups.iter().flat_map(Node::items) {
        let Some(text) = name.text() else { continue };
        if !known.contains(text) {
            let message = format!("`block` names `{text}`, which `compare` does not have");
            let mut error = Diagnostic::error(codes::BAD_VALUE, message, name.span, "not compared");
            if let Some(help) = report.suggest(text, compare.iter().map(|(field, _)| field.as_str())) {
                error = error.help(help);
            }
            report.push(error);
        }
    }
    let (link_at, review_at) = (fields.float("link_at")?, fields.float("review_at")?);
    if review_at > link_at {
        let message = "`review_at` is above `link_at`, so nobody would be asked";
        report.push(
            Diagnostic::error(codes::BAD_VALUE, message, fields.get("review_at")?.span, "above `link_at`")
                .help(format!("write a number up to {link_at}")),
        );
    }
    let every = fields.duration("every");
    if every.is_some_and(|every| every < LEAST) {
        let message = "people are matched at most once a minute";
        let span = fields.get("every")?.span;
        report
            .push(Diagnostic::error(codes::BAD_VALUE, message, span, "too often").help("write a time such as `1 day`"));
    }
    let names = |group: &Node| group.items().iter().filter_map(Node::text).map(str::to_owned).collect();
    Some(Probabilistic { compare, block: groups.iter().map(names).collect(), link_at, review_at, every })
}
