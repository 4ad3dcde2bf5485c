//! `identity.yaml`: identifiers and how they join.

mod apart;
mod blocked;
mod email;
mod normalizer;
mod probabilistic;
mod strategy;

pub use apart::Apart;
pub use blocked::{BlockedValue, Preset};
pub use normalizer::{DialledIn, Normalizer};
pub use probabilistic::{Comparison, Probabilistic};
pub use strategy::Strategy;

use super::{Source, SourceKind, source};
use crate::diagnostic::{Diagnostic, Report, codes};
use crate::ir::IdentifierKindId;
use crate::shape::{Fields, Filled, Format, Key, Shape, Word};
use crate::source::Span;
use crate::time::Duration;
use crate::yaml::{Entry, Node};

/// How messages become people.
#[derive(Clone, Debug, PartialEq)]
pub struct Identity {
    /// In order of priority, the highest first.
    pub identifiers: Vec<IdentifierKind>,
    /// What becomes of somebody unknown who turns out to be known.
    pub strategy: Strategy,
    /// Which kinds a source may link; one of which nothing is said, nor of its kind, may link all.
    pub trust: Vec<(Trusted, Trust)>,
    /// A value seen with more values than this of any one kind of higher priority identifies nobody.
    pub generic_after: Option<u32>,
    /// Values that are never one person's.
    pub apart: Vec<Apart>,
    /// Matching of records and of people that share no identifier.
    pub probabilistic: Option<Probabilistic>,
}

/// A kind of identifier.
#[derive(Clone, Debug, PartialEq)]
pub struct IdentifierKind {
    /// `user_id`, `email` …
    pub name: String,
    /// Whether two people with different values of it are never one.
    pub unique: Unique,
    /// How values are made comparable, in order.
    pub normalize: Vec<Normalizer>,
    /// How many values one person may have.
    pub limit: Option<LinkLimit>,
    /// With how many values of other kinds one value of this is linked, those first that were seen first.
    pub at_most: Vec<(IdentifierKindId, u32)>,
    /// Values that identify nobody.
    pub block: Vec<BlockedValue>,
    /// Shipped lists of such values.
    pub presets: Vec<Preset>,
    /// Whether it says that two identifiers are one person's.
    pub joins: bool,
    /// Whether it is of a device, of whoever uses it, rather than of somebody known.
    pub anonymous: bool,
    /// A value not seen for so long no longer links new messages.
    pub expires: Option<Duration>,
    /// Paths in a message that it is read from, instead of the usual places.
    pub from: Option<Vec<Vec<String>>>,
}

/// `unique:`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unique {
    /// A person may have many values.
    #[default]
    No,
    /// A person has one, unless an `alias` of a back end says of two that they are one person's.
    Yes,
    /// A person has one, unless somebody decides otherwise.
    Always,
}

/// `limit: 5`, `limit: {count: 5, per: 30 days}`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkLimit {
    /// How many different values.
    pub count: u32,
    /// That were seen first within so long of each other; without it, ever.
    pub per: Option<Duration>,
}

/// Of whom `trust` says what they may link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trusted {
    /// Sources of a kind.
    Kind(SourceKind),
    /// One source, whatever holds for its kind.
    Source(String),
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
        let user = IdentifierKind { unique: Unique::Yes, ..IdentifierKind::named("user_id") };
        Self {
            identifiers: vec![user, IdentifierKind::named("anonymous_id")],
            strategy: Strategy::default(),
            trust: Vec::new(),
            generic_after: None,
            apart: Vec::new(),
            probabilistic: None,
        }
    }
}

impl IdentifierKind {
    fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            unique: Unique::No,
            normalize: Vec::new(),
            limit: None,
            at_most: Vec::new(),
            block: Vec::new(),
            presets: Preset::USUAL.to_vec(),
            joins: true,
            anonymous: matches!(name, "anonymous_id" | "device_id"),
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

    /// Whether a source may say with a kind of identifier who is who.
    #[must_use]
    pub fn may_link(&self, source: &Source, kind: IdentifierKindId) -> bool {
        let said = |trusted: &dyn Fn(&Trusted) -> bool| self.trust.iter().find(|(it, _)| trusted(it));
        let own = said(&|it| matches!(it, Trusted::Source(name) if *name == source.name));
        let trust = own.or_else(|| said(&|it| *it == Trusted::Kind(source.kind)));
        self.identifiers.get(kind.index()).is_some_and(|it| it.joins)
            && match trust.map(|(_, trust)| trust) {
                None | Some(Trust::All) => true,
                Some(Trust::Kinds(kinds)) => kinds.contains(&kind),
            }
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
        "strategy",
        Shape::Word(strategy::STRATEGIES),
        "what becomes of somebody unknown who turns out to be known; without it, `link`",
    ),
    Key::optional(
        "trust",
        Shape::Map(Format::Name, &TRUSTED),
        "which kinds of identifiers may be linked by sources: by a kind of source (`browser`, `server`, `mobile`, `webhook`, `file`, \
         `database`), or by one source, which then holds instead; who is not listed may link all. Two people who both have an identifier of \
         somebody known, of a kind that a source is not trusted with, its links never make one",
    ),
    Key::optional(
        "generic_after",
        Shape::Integer(1, 1_000_000),
        "a value seen with more values than this of any one kind of higher priority identifies nobody: more people share it",
    ),
    Key::optional(
        "apart",
        apart::APART,
        "groups of identifiers no two of which are one person's, whoever says so: `[user_id:u1, user_id:u2]`",
    ),
    Key::optional(
        "probabilistic",
        Shape::Object(probabilistic::PROBABILISTIC),
        "matching of records and of people that share no identifier, by `sonder match`",
    ),
];

const IDENTIFIER: &[Key] = &[
    Key::optional(
        "unique",
        Shape::Either(&[
            Shape::Bool,
            Shape::Word(&[Word { word: "always", doc: "not even where an `alias` says that they are" }]),
        ]),
        "two people with different values of it are never one, unless an `alias` of a source says so that is no browser and no app, whose \
         keys are public; `always`: not even then",
    ),
    Key::optional(
        "normalize",
        Shape::List(&normalizer::NORMALIZE, Filled::MayBeEmpty),
        "how values are made comparable, in order",
    ),
    Key::optional(
        "limit",
        Shape::Either(&[COUNT, Shape::Object(LIMIT)]),
        "how many different values one person may have; with `per`, how many that were new within such a time",
    ),
    Key::optional(
        "at_most",
        Shape::Map(Format::Name, &COUNT),
        "with how many values of other kinds one value is linked: `{user_id: 1}`; the first that it was seen with",
    ),
    Key::optional(
        "block",
        Shape::List(&Shape::Text(Format::Blocked), Filled::MayBeEmpty),
        "values that identify nobody, or patterns between slashes",
    ),
    Key::optional(
        "block_presets",
        Shape::List(&Shape::Word(blocked::PRESETS), Filled::MayBeEmpty),
        "shipped lists of values that identify nobody; without it, `missing`, `zeros` and `anonymous`",
    ),
    Key::optional(
        "joins",
        Shape::Bool,
        "whether two people who share a value are one; where not, messages may carry it and it joins nobody",
    ),
    Key::optional(
        "anonymous",
        Shape::Bool,
        "whether it is of a device, of whoever uses it; without it, `anonymous_id` and `device_id` are",
    ),
    Key::optional("expires", Shape::DURATION, "a value not seen for so long no longer links"),
    Key::optional(
        "from",
        Shape::List(&Shape::Text(Format::Path), Filled::AtLeastOne),
        "paths in a message that it is read from, instead of the usual places",
    ),
];

const COUNT: Shape = Shape::Integer(1, 1_000_000);

const LIMIT: &[Key] = &[
    Key::required("count", COUNT, "how many different values"),
    Key::required("per", Shape::DURATION, "that are new within so long of each other"),
];

const TRUSTED: Shape = Shape::Either(&[Shape::Word(&[Word { word: "all", doc: "every kind" }]), Shape::NAMES]);

/// Reads a checked `identity.yaml`, and where each kind is declared. `sources` are those that `trust` may name; `None` where
/// some of them could not be read.
pub(crate) fn decode(root: &Node, sources: Option<&[Source]>, report: &mut Report) -> (Identity, Vec<Span>) {
    let fields = Fields::new(root, KEYS);
    let entries = fields.get("identifiers").map_or(&[][..], Node::entries);
    let identifiers = match fields.get("identifiers") {
        Some(_) => entries.iter().map(|entry| identifier(entry, report)).collect(),
        None => Identity::default().identifiers,
    };
    let mut identity = Identity {
        identifiers,
        generic_after: fields.integer("generic_after"),
        probabilistic: fields.get("probabilistic").and_then(|node| probabilistic::decode(node, report)),
        ..Identity::default()
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
    for (entry, index) in entries.iter().zip(0..) {
        let at_most = cardinality(entry, IdentifierKindId(index), &identity, report);
        if let Some(kind) = identity.identifiers.get_mut(usize::from(index)) {
            kind.at_most = at_most;
        }
    }
    let trust = fields.get("trust").map_or(&[][..], Node::entries);
    identity.trust = trust.iter().filter_map(|entry| trusted(entry, sources, &identity, report)).collect();
    identity.strategy = strategy::decode(fields.get("strategy"), &identity, report);
    identity.apart = apart::decode(fields.get("apart"), &identity, report);
    (identity, entries.iter().map(|entry| entry.key_span).collect())
}

fn identifier(entry: &Entry, report: &mut Report) -> IdentifierKind {
    let fields = Fields::new(&entry.value, IDENTIFIER);
    let paths = fields.strings("from");
    let named = IdentifierKind::named(&entry.key);
    let (block, presets) = normalizer::blocked(&fields);
    let kind = IdentifierKind {
        unique: match (fields.bool("unique"), fields.text("unique")) {
            (Some(true), _) => Unique::Yes,
            (_, Some("always")) => Unique::Always,
            _ => Unique::No,
        },
        normalize: normalizer::steps(fields.get("normalize"), report),
        limit: fields.get("limit").and_then(|node| limit(node, &fields, report)),
        block,
        presets,
        joins: fields.bool("joins").unwrap_or(true),
        anonymous: fields.bool("anonymous").unwrap_or(named.anonymous),
        expires: fields.duration("expires"),
        from: (!paths.is_empty()).then(|| paths.iter().map(|path| super::path(path)).collect()),
        ..named
    };
    if !kind.joins {
        for key in ["unique", "limit", "at_most"] {
            let Some(it) = fields.entry(key) else { continue };
            let message = format!("`{key}` says with whom `{}` is linked, and it joins nobody", entry.key);
            let error = Diagnostic::error(codes::BAD_VALUE, message, it.key_span, "without effect");
            report.push(error.help(format!("take out `{key}`, or `joins: false`")));
        }
    }
    kind
}

fn limit(node: &Node, fields: &Fields<'_>, report: &mut Report) -> Option<LinkLimit> {
    if node.number().is_some() {
        return fields.integer("limit").map(|count| LinkLimit { count, per: None });
    }
    let inside = Fields::new(node, LIMIT);
    let (count, per) = (inside.integer("count")?, inside.duration("per")?);
    if per <= Duration::ZERO {
        let message = "nothing is new within no time";
        let error = Diagnostic::error(codes::BAD_VALUE, message, inside.get("per")?.span, "this value");
        report.push(error.help("write a time such as `30 days`"));
        return None;
    }
    Some(LinkLimit { count, per: Some(per) })
}

/// `at_most: {user_id: 1}`
fn cardinality(
    entry: &Entry,
    kind: IdentifierKindId,
    identity: &Identity,
    report: &mut Report,
) -> Vec<(IdentifierKindId, u32)> {
    let others = Fields::new(&entry.value, IDENTIFIER).get("at_most").map_or(&[][..], Node::entries);
    let mut rules = Vec::with_capacity(others.len());
    for other in others {
        let Some(count) = other.value.number().and_then(|it| u32::try_from(it.value.as_i64()?).ok()) else { continue };
        match identity.kind_named(&other.key) {
            Some(known) if known == kind => {
                let message = format!("`{}` is never linked with another value of its own kind by itself", other.key);
                let error = Diagnostic::error(codes::BAD_VALUE, message, other.key_span, "the same kind");
                report.push(error.help("`limit` says how many values one person has"));
            }
            Some(known) => rules.push((known, count)),
            None => unknown_kind(&other.key, other.key_span, identity, report),
        }
    }
    rules
}

fn trusted(
    entry: &Entry,
    sources: Option<&[Source]>,
    identity: &Identity,
    report: &mut Report,
) -> Option<(Trusted, Trust)> {
    // A source that is called as a kind of sources is cannot be meant alone.
    let trusted = SourceKind::named(&entry.key).map_or_else(|| Trusted::Source(entry.key.clone()), Trusted::Kind);
    if let (Trusted::Source(name), Some(sources)) = (&trusted, sources)
        && !sources.iter().any(|source| source.name == *name)
    {
        let message = format!("there is no source `{name}`, and no kind of sources");
        let error = Diagnostic::error(codes::UNKNOWN_SOURCE, message, entry.key_span, "not declared in sources/");
        let kinds = source::KINDS.iter().map(|kind| kind.word);
        let known = sources.iter().map(|source| source.name.as_str()).chain(kinds);
        report.push(match report.suggest(name, known) {
            Some(help) => error.help(help),
            None => {
                error.help(format!("declare it in sources/{name}.yaml, or name a kind of sources, such as `server`"))
            }
        });
    }
    if entry.value.text().is_some() {
        return Some((trusted, Trust::All));
    }
    let names = entry.value.items().iter().filter_map(|item| Some((item.text()?, item.span)));
    let kinds = names.filter_map(|(name, span)| {
        let known = identity.kind_named(name);
        if known.is_none() {
            unknown_kind(name, span, identity, report);
        }
        known
    });
    Some((trusted, Trust::Kinds(kinds.collect())))
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
