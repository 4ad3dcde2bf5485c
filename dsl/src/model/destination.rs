//! `destinations/*.yaml`: where decisions go.

use super::{DeclaredDestination, Purposes, Rate, Reference, WriteKey, source};
use crate::diagnostic::{Diagnostic, Report, codes};
use crate::ir::{EventId, IdentifierKindId, ProfileTraitId, RuleId};
use crate::shape::{Fields, Filled, Format, Key, Shape, Word, scalar};
use crate::source::Span;
use crate::time::Duration;
use crate::yaml::Node;
use std::collections::HashMap;

/// One configured destination.
#[derive(Clone, Debug, PartialEq)]
pub struct Destination {
    /// Unique name.
    pub name: String,
    /// `sonder/webhook@1` for a bundled plugin, or the path of a `.wasm` in the project.
    pub plugin: String,
    /// Hosts that it may reach: `api.mail.example`, or with a port `localhost:9000`.
    pub allow: Vec<String>,
    /// Whether those may be private or loopback addresses, and plain http.
    pub allow_private: bool,
    /// Secrets by name; the plugin names them, the host fills them in.
    pub secrets: Vec<Secret>,
    /// What the plugin is configured with; checked by the plugin.
    pub config: serde_json::Value,
    /// For which purposes it may get data.
    pub purposes: Vec<String>,
    /// Segments whose entries and exits it gets.
    pub segments: Vec<RuleId>,
    /// Golden-record traits whose changes it gets and which go with each item.
    pub profile_traits: Vec<ProfileTraitId>,
    /// Computed traits whose changes it gets and which go with each item.
    pub computed_traits: Vec<RuleId>,
    /// Events that it gets as they come.
    pub events: Vec<EventId>,
    /// Kinds of identifiers that it may see; empty for all.
    pub identifiers: Vec<IdentifierKindId>,
    /// Whether it is told pseudonyms in place of identifiers.
    pub pseudonymous: bool,
    /// Whether it is told nothing about people who are one only because that is likely.
    pub excludes_probabilistic: bool,
    /// How often it may be called.
    pub rate: Option<Rate>,
    /// How many items one person may get in how long.
    pub cap_per_person: Option<Rate>,
    /// Memory of one instance, in bytes. Default 64 MiB.
    pub memory_limit: u64,
    /// Items in one batch. Default 100.
    pub batch_limit: u32,
    /// Time one batch may execute, network waits excluded. Default 2 s.
    pub time_limit: Duration,
    /// The regions that its receiver is in; empty where the project has none.
    pub regions: Vec<String>,
    /// Other regions whose people it may hear of, and what the transfer is based on.
    pub transfers: Vec<(String, String)>,
}

/// The plugin of destinations that keep files: a part of the engine.
pub const FILES: &str = "sonder/files@1";

impl Destination {
    /// Whether what it is told stays in files that the engine keeps.
    #[must_use]
    pub fn keeps_files(&self) -> bool {
        self.plugin == FILES
    }

    /// Whether it may hear of people of a region.
    #[must_use]
    pub fn serves(&self, region: &str) -> bool {
        self.regions.iter().any(|it| it == region) || self.transfers.iter().any(|(it, _)| it == region)
    }
}

/// A secret: its name, and where its value is found when the engine starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secret {
    /// What the plugin writes: `{{secret:name}}`.
    pub name: String,
    /// Where the value is.
    pub value: WriteKey,
}

/// What a file in `destinations/` may hold.
pub const KEYS: &[Key] = &[
    Key::required("destination", Shape::NAME, "its name"),
    Key::required("plugin", Shape::Text(Format::Plugin), "a bundled plugin, or the path of a .wasm in the project"),
    Key::optional("description", Shape::TEXT, "what it is for"),
    Key::optional(
        "allow",
        Shape::List(&Shape::Text(Format::Host), Filled::MayBeEmpty),
        "hosts that it may reach; default none",
    ),
    Key::optional(
        "allow_private",
        Shape::Bool,
        "whether those may be private addresses, and plain http; default false",
    ),
    Key::optional(
        "secrets",
        Shape::Map(Format::Name, &source::KEY),
        "what the plugin refers to as {{secret:name}}; it never sees the value",
    ),
    Key::optional(
        "config",
        Shape::Map(Format::Any, &Shape::Json),
        "what the plugin is configured with; the plugin checks it",
    ),
    Key::optional("purposes", Shape::NAMES, "for which purposes it uses what it gets; default any that is allowed"),
    Key::optional("receives", Shape::Object(RECEIVES), "what it gets"),
    Key::optional("identifiers", Shape::Word(IDENTIFIERS), "how it is told whom something is about; default plain"),
    Key::optional(
        "exclude",
        Shape::List(&Shape::Word(EXCLUDED), Filled::MayBeEmpty),
        "people whom it is told nothing about",
    ),
    Key::optional("rate", Shape::Text(Format::Rate), "how often it may be called"),
    Key::optional("cap", Shape::Text(Format::Cap), "how many items one person may get"),
    Key::optional("limits", Shape::Object(LIMITS), "what one run of the plugin may use"),
    Key::optional("region", Shape::NAME, "the region that its receiver is in: it hears of people of that one"),
    Key::optional(
        "regions",
        Shape::List(&Shape::NAME, Filled::AtLeastOne),
        "the same, where it has receivers in several: each engine reaches it",
    ),
    Key::optional(
        "transfers",
        Shape::Map(Format::Name, &Shape::TEXT),
        "other regions whose people it hears of, each with what the transfer is based on",
    ),
];

const IDENTIFIERS: &[Word] = &[
    Word { word: "plain", doc: "by identifiers as they are" },
    Word {
        word: "pseudonyms",
        doc: "by keyed hashes of them, others for each destination; `pseudonyms` of `sonder.yaml` has the key",
    },
];

const EXCLUDED: &[Word] = &[Word {
    word: "probabilistic",
    doc: "people whose identifiers are one person's only because matching found that likely",
}];

const RECEIVES: &[Key] = &[
    Key::optional("segments", Shape::NAMES, "segments whose entries and exits it gets"),
    Key::optional("traits", Shape::NAMES, "traits whose changes it gets, and which go with each item"),
    Key::optional("events", Shape::List(&Shape::TEXT, Filled::MayBeEmpty), "events that it gets as they come"),
    Key::optional("identifiers", Shape::NAMES, "kinds of identifiers that it may see; default all"),
];

const LIMITS: &[Key] = &[
    Key::optional("memory", Shape::Text(Format::Size), "memory of one instance; default 64 MiB"),
    Key::optional("batch", Shape::Integer(1, 10_000), "items in one batch; default 100"),
    Key::optional("time", Shape::DURATION, "time one batch may execute, network waits excluded; default 2s"),
];

const MEMORY: u64 = 64 << 20;
const BATCH: u32 = 100;
const TIME: Duration = Duration::from_secs(2);

/// Reads a checked file; `None` when it has no name. `event` and `identifier` look names up, and
/// report what they do not know.
pub fn decode(
    root: &Node,
    event: impl Fn(&Reference, &mut Report) -> Option<EventId>,
    identifier: impl Fn(&Reference, &mut Report) -> Option<IdentifierKindId>,
    report: &mut Report,
) -> Option<DeclaredDestination> {
    let fields = Fields::new(root, KEYS);
    let name = fields.string("destination")?;
    let receives = fields.object("receives", RECEIVES);
    let is_pseudonymous = fields.text("identifiers") == Some("pseudonyms");
    let references = |key: &str, report: &mut Report| -> Vec<Reference> {
        let node = receives.as_ref().and_then(|receives| receives.get(key));
        once_each(node.map_or(&[][..], Node::items), key, report)
    };
    let limits = fields.object("limits", LIMITS);
    let secrets = fields.get("secrets").map_or(&[][..], Node::entries).iter();
    let (events, event_places) = references("events", report)
        .iter()
        .filter_map(|reference| Some((event(reference, report)?, reference.span)))
        .unzip();
    let identifiers = references("identifiers", report);
    let regions = regions(&fields, report);
    let transfers = fields.get("transfers").map_or(&[][..], Node::entries);
    let destination = Destination {
        name,
        plugin: fields.string("plugin").unwrap_or_default(),
        allow: fields.strings("allow"),
        allow_private: fields.bool("allow_private").unwrap_or(false),
        secrets: secrets
            .filter_map(|entry| Some(Secret { name: entry.key.clone(), value: source::key(&entry.value)? }))
            .collect(),
        config: fields.get("config").map_or_else(|| serde_json::json!({}), Node::to_json),
        purposes: fields.strings("purposes"),
        segments: Vec::new(),
        profile_traits: Vec::new(),
        computed_traits: Vec::new(),
        events,
        identifiers: identifiers.iter().filter_map(|reference| identifier(reference, report)).collect(),
        pseudonymous: is_pseudonymous,
        excludes_probabilistic: fields.strings("exclude").iter().any(|word| word == "probabilistic"),
        rate: rate(&fields, "rate"),
        cap_per_person: rate(&fields, "cap"),
        memory_limit: limits.and_then(|limits| scalar::size(limits.text("memory")?)).unwrap_or(MEMORY),
        batch_limit: limits.and_then(|limits| limits.integer("batch")).unwrap_or(BATCH),
        time_limit: limits.and_then(|limits| limits.duration("time")).unwrap_or(TIME),
        regions: regions.iter().map(|it| it.name.clone()).collect(),
        transfers: transfers.iter().filter_map(|it| Some((it.key.clone(), it.value.text()?.to_owned()))).collect(),
    };
    Some(DeclaredDestination {
        destination,
        segments: references("segments", report),
        traits: references("traits", report),
        event_places,
        purposes: Purposes::decode(fields.get("purposes")),
        pseudonyms: fields.get("identifiers").filter(|_| is_pseudonymous).map(|node| node.span),
        regions,
        transfers: transfers.iter().map(|it| Reference { name: it.key.clone(), span: it.key_span }).collect(),
    })
}

/// The regions that its receiver is in, by one key or the other.
fn regions(fields: &Fields<'_>, report: &mut Report) -> Vec<Reference> {
    let one = fields.get("region").and_then(|node| Some(Reference { name: node.text()?.to_owned(), span: node.span }));
    let several = once_each(fields.get("regions").map_or(&[][..], Node::items), "regions", report);
    if let (Some(_), Some(entry)) = (&one, fields.entry("regions")) {
        let message = "a destination has `region` or `regions`";
        let error = Diagnostic::error(codes::BAD_VALUE, message, entry.key_span, "there is a `region`, too");
        report.push(error.help("keep `regions`, with all of them"));
    }
    one.into_iter().chain(several).collect()
}

fn rate(fields: &Fields<'_>, key: &str) -> Option<Rate> {
    Some(scalar::rate(fields.text(key)?)?.0)
}

fn once_each(items: &[Node], key: &str, report: &mut Report) -> Vec<Reference> {
    let mut references: Vec<Reference> = Vec::new();
    let mut seen: HashMap<&str, Span> = HashMap::new();
    for item in items {
        let Some(name) = item.text() else { continue };
        if let Some(&first) = seen.get(name) {
            let message = format!("`{name}` is in `{key}` twice");
            report.push(
                Diagnostic::error(codes::DUPLICATE_NAME, message, item.span, "the second time")
                    .label(first, "the first time"),
            );
            continue;
        }
        seen.insert(name, item.span);
        references.push(Reference { name: name.to_owned(), span: item.span });
    }
    references
}
