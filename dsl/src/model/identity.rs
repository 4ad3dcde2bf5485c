//! `identity.yaml`: identifiers and how they join.

use super::SourceKind;
use crate::diagnostic::{Diagnostic, Report, codes};
use crate::ir::IdentifierKindId;
use crate::shape::{Fields, Filled, Format, Key, Shape, Word, blocked_pattern, compile_pattern};
use crate::source::Span;
use crate::time::Duration;
use crate::yaml::{Entry, Node};
use std::collections::HashSet;

/// How messages become people.
#[derive(Clone, Debug, PartialEq)]
pub struct Identity {
    /// In order of priority, the highest first.
    pub identifiers: Vec<IdentifierKind>,
    /// Which kinds a source of a kind may link; a kind of source that is not listed may link all.
    pub trust: Vec<(SourceKind, Trust)>,
    /// A value shared by more people than this identifies nobody.
    pub generic_after: Option<u32>,
    /// Matching of records that share no identifier, by `sonder match`.
    pub probabilistic: Option<Probabilistic>,
}

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

/// A kind of identifier.
#[derive(Clone, Debug, PartialEq)]
pub struct IdentifierKind {
    /// `user_id`, `email` …
    pub name: String,
    /// Two people with different values of it are never one.
    pub unique: bool,
    /// How values are made comparable, in order.
    pub normalize: Vec<Normalizer>,
    /// How many values one person may have.
    pub limit: Option<LinkLimit>,
    /// Values that identify nobody.
    pub block: Vec<BlockedValue>,
    /// A value not seen for so long no longer links new messages.
    pub expires: Option<Duration>,
    /// Paths in a message that it is read from, instead of the usual places.
    pub from: Option<Vec<Vec<String>>>,
}

/// `limit: 5`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkLimit {
    /// How many different values.
    pub count: u32,
}

/// One step of making values comparable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Normalizer {
    /// Without white space at the ends.
    Trim,
    /// In lower case.
    Lowercase,
    /// Digits with a leading `+`; a value that cannot be one is refused.
    E164,
}

/// A value that identifies nobody.
#[derive(Clone, Debug)]
pub enum BlockedValue {
    /// Exactly this, after normalisation.
    Exact(String),
    /// `/…/`: whatever matches.
    Pattern(regex::Regex),
}

impl PartialEq for BlockedValue {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Exact(a), Self::Exact(b)) => a == b,
            (Self::Pattern(a), Self::Pattern(b)) => a.as_str() == b.as_str(),
            _ => false,
        }
    }
}

/// What a source may link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Every kind.
    All,
    /// These kinds (by index into `identifiers`); others are noted on the event but join nobody.
    Kinds(Vec<IdentifierKindId>),
}

impl Default for Identity {
    /// What holds without an `identity.yaml`: users, and browsers before they are users.
    fn default() -> Self {
        let kind = |name: &str, unique| IdentifierKind { unique, ..IdentifierKind::named(name) };
        Self {
            identifiers: vec![kind("user_id", true), kind("anonymous_id", false)],
            trust: Vec::new(),
            generic_after: None,
            probabilistic: None,
        }
    }
}

impl IdentifierKind {
    fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            unique: false,
            normalize: Vec::new(),
            limit: None,
            block: Vec::new(),
            expires: None,
            from: None,
        }
    }
}

impl Identity {
    /// The kind of that name.
    #[must_use]
    pub fn kind_named(&self, name: &str) -> Option<IdentifierKindId> {
        let index = self.identifiers.iter().position(|kind| kind.name == name)?;
        u16::try_from(index).ok().map(IdentifierKindId)
    }
}

/// What `identity.yaml` may hold.
pub const KEYS: &[Key] = &[
    Key::optional(
        "identifiers",
        Shape::Map(Format::Name, &Shape::Object(IDENTIFIER)),
        "kinds of identifiers, in order of priority; without it, `user_id` and `anonymous_id`",
    ),
    Key::optional(
        "trust",
        Shape::Object(TRUST),
        "which kinds a source may link; a kind of source that is not listed may link all",
    ),
    Key::optional(
        "generic_after",
        Shape::Integer(1, 1_000_000),
        "a value shared by more people than this identifies nobody",
    ),
    Key::optional(
        "probabilistic",
        Shape::Object(PROBABILISTIC),
        "matching of records that share no identifier, by `sonder match`",
    ),
];

const IDENTIFIER: &[Key] = &[
    Key::optional("unique", Shape::Bool, "two people with different values of it are never one"),
    Key::optional(
        "normalize",
        Shape::List(&Shape::Word(NORMALIZE), Filled::MayBeEmpty),
        "how values are made comparable, in order",
    ),
    Key::optional("limit", Shape::Integer(1, 1_000_000), "how many different values one person may have"),
    Key::optional(
        "block",
        Shape::List(&Shape::Text(Format::Blocked), Filled::MayBeEmpty),
        "values that identify nobody, or patterns between slashes",
    ),
    Key::optional("expires", Shape::DURATION, "a value not seen for so long no longer links"),
    Key::optional(
        "from",
        Shape::List(&Shape::Text(Format::Path), Filled::AtLeastOne),
        "paths in a message that it is read from, instead of the usual places",
    ),
];

const NORMALIZE: &[Word] = &[
    Word { word: "trim", doc: "without white space at the ends" },
    Word { word: "lowercase", doc: "in lower case" },
    Word { word: "e164", doc: "a phone number as digits with a leading +" },
];

const TRUSTED: Shape = Shape::Either(&[Shape::Word(&[Word { word: "all", doc: "every kind" }]), Shape::NAMES]);

const TRUST: &[Key] = &[
    Key::optional("browser", TRUSTED, "what pages may link"),
    Key::optional("server", TRUSTED, "what back ends may link"),
    Key::optional("mobile", TRUSTED, "what apps may link"),
    Key::optional("webhook", TRUSTED, "what third parties may link"),
    Key::optional("file", TRUSTED, "what imported files may link"),
    Key::optional("database", TRUSTED, "what imported tables may link"),
];

const PROBABILISTIC: &[Key] = &[
    Key::required("compare", Shape::Map(Format::Name, &Shape::Word(COMPARISONS)), "fields that are compared, and how"),
    Key::optional(
        "block",
        Shape::List(&Shape::List(&Shape::NAME, Filled::AtLeastOne), Filled::AtLeastOne),
        "records are only compared when all fields of one of these are equal; without it, rules are proposed by the data",
    ),
    Key::required("link_at", Shape::Probability, "from this probability on, two records are linked"),
    Key::required("review_at", Shape::Probability, "from this probability on, a person is asked"),
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

/// Reads a checked `identity.yaml`, and where each kind is declared.
pub(crate) fn decode(root: &Node, report: &mut Report) -> (Identity, Vec<Span>) {
    let fields = Fields::new(root, KEYS);
    let entries = fields.get("identifiers").map_or(&[][..], Node::entries);
    let identifiers = match fields.get("identifiers") {
        Some(_) => entries.iter().map(identifier).collect(),
        None => Identity::default().identifiers,
    };
    let mut identity = Identity {
        identifiers,
        trust: Vec::new(),
        generic_after: fields.integer("generic_after"),
        probabilistic: fields.get("probabilistic").and_then(|node| probabilistic(node, report)),
    };
    if let Some(node) = fields.get("identifiers")
        && entries.is_empty()
        && matches!(node.value, crate::yaml::Value::Map(_))
    {
        let message = "`identifiers` has no kind of identifier";
        report.push(
            Diagnostic::error(codes::BAD_VALUE, message, node.span, "at least one belongs here")
                .help("for example `anonymous_id: {}`"),
        );
    }
    let trust = fields.get("trust").map_or(&[][..], Node::entries);
    identity.trust = trust.iter().filter_map(|entry| trusted(entry, &identity, report)).collect();
    (identity, entries.iter().map(|entry| entry.key_span).collect())
}

fn identifier(entry: &Entry) -> IdentifierKind {
    let fields = Fields::new(&entry.value, IDENTIFIER);
    let normalizer = |word: &String| match word.as_str() {
        "trim" => Some(Normalizer::Trim),
        "lowercase" => Some(Normalizer::Lowercase),
        "e164" => Some(Normalizer::E164),
        _ => None,
    };
    let paths = fields.strings("from");
    IdentifierKind {
        unique: fields.bool("unique").unwrap_or(false),
        normalize: fields.strings("normalize").iter().filter_map(normalizer).collect(),
        limit: fields.integer("limit").map(|count| LinkLimit { count }),
        block: fields.strings("block").iter().filter_map(|text| blocked(text)).collect(),
        expires: fields.duration("expires"),
        from: (!paths.is_empty()).then(|| paths.iter().map(|path| super::path(path)).collect()),
        ..IdentifierKind::named(&entry.key)
    }
}

fn blocked(text: &str) -> Option<BlockedValue> {
    match blocked_pattern(text) {
        Some(pattern) => compile_pattern(pattern).ok().map(BlockedValue::Pattern),
        None => Some(BlockedValue::Exact(text.to_owned())),
    }
}

fn trusted(entry: &Entry, identity: &Identity, report: &mut Report) -> Option<(SourceKind, Trust)> {
    let kind = SourceKind::named(&entry.key)?;
    if entry.value.text().is_some() {
        return Some((kind, Trust::All));
    }
    let names = entry.value.items().iter().filter_map(|item| Some((item.text()?, item.span)));
    let kinds = names.filter_map(|(name, span)| {
        let known = identity.kind_named(name);
        if known.is_none() {
            unknown_kind(name, span, identity, report);
        }
        known
    });
    Some((kind, Trust::Kinds(kinds.collect())))
}

/// Reports a kind of identifier that `identity.yaml` does not have.
pub(crate) fn unknown_kind(name: &str, span: Span, identity: &Identity, report: &mut Report) {
    let message = format!("there is no identifier `{name}`");
    let error = Diagnostic::error(codes::UNKNOWN_IDENTIFIER, message, span, "not declared");
    let error = match report.suggest(name, identity.identifiers.iter().map(|kind| kind.name.as_str())) {
        Some(help) => error.help(help),
        None => error,
    };
    report.push(error.note("kinds of identifiers are declared in identity.yaml"));
}

fn probabilistic(node: &Node, report: &mut Report) -> Option<Probabilistic> {
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
    let names = |group: &Node| group.items().iter().filter_map(Node::text).map(str::to_owned).collect();
    Some(Probabilistic { compare, block: groups.iter().map(names).collect(), link_at, review_at })
}
