//! `sources/*.yaml`: where events come from.

use super::Rate;
use crate::diagnostic::{Diagnostic, Report, codes};
use crate::shape::scalar::{self, Scope};
use crate::shape::{Fields, Filled, Format, Key, Shape, Word};
use crate::yaml::Node;
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
    /// The region that all of its people belong to, where they do.
    pub region: Option<String>,
    /// How much is kept of the IP addresses that its messages come from.
    pub ip: IpRule,
}

/// `ip:`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IpRule {
    /// All of it.
    Keep,
    /// The network: the first 24 bits of IPv4, the first 48 of IPv6.
    #[default]
    Truncate,
    /// Nothing.
    Drop,
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

impl SourceKind {
    /// Whether its keys are in pages or apps, for anybody to read and to use.
    #[must_use]
    pub const fn is_public(self) -> bool {
        matches!(self, Self::Browser | Self::Mobile)
    }
}

/// A write key, or where to find it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteKey {
    /// Written in the file; fit for public keys.
    Literal(String),
    /// `{env: NAME}`: read from the environment when the engine starts.
    Environment(String),
}

/// What a file in `sources/` may hold.
pub const KEYS: &[Key] = &[
    Key::required("source", Shape::NAME, "its name"),
    Key::required("kind", Shape::Word(KINDS), "what kind it is; decides how far its claims are trusted"),
    Key::optional("description", Shape::TEXT, "what sends from here"),
    Key::optional(
        "write_keys",
        Shape::List(&KEY, Filled::MayBeEmpty),
        "its keys; public for browsers and apps, a server's key from the environment",
    ),
    Key::optional(
        "origins",
        Shape::List(&Shape::Text(Format::Origin), Filled::MayBeEmpty),
        "browser origins that may send; default any",
    ),
    Key::optional("rate", Shape::Text(Format::SourceRate), "how often one key, and one IP address, may send"),
    Key::optional("enabled", Shape::Bool, "refuses everything when false; default true"),
    Key::optional("region", Shape::NAME, "the region that all of its people belong to; default where each lives"),
    Key::optional(
        "ip",
        Shape::Word(IP_RULES),
        "how much is kept of the client's IP address, `context.ip`; default truncate",
    ),
];

/// A key or a secret: its text, or the name of an environment variable.
pub const KEY: Shape = Shape::Either(&[Shape::TEXT, Shape::Object(ENVIRONMENT)]);

const ENVIRONMENT: &[Key] = &[Key::required(
    "env",
    Shape::Text(Format::Variable),
    "the environment variable that holds it when the engine starts",
)];

/// How much is kept of an IP address.
const IP_RULES: &[Word] = &[
    Word { word: "keep", doc: "all of it" },
    Word { word: "truncate", doc: "the network: the first 24 bits of IPv4, the first 48 of IPv6; the rest is 0" },
    Word { word: "drop", doc: "nothing" },
];

/// Kinds of sources.
pub const KINDS: &[Word] = &[
    Word { word: "browser", doc: "pages; its keys are public" },
    Word { word: "server", doc: "back ends" },
    Word { word: "mobile", doc: "apps; its keys are public" },
    Word { word: "webhook", doc: "third parties that call us" },
    Word { word: "file", doc: "imported files" },
    Word { word: "database", doc: "imported tables" },
];

impl SourceKind {
    /// The kind that a word names.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Some(match word {
            "browser" => Self::Browser,
            "server" => Self::Server,
            "mobile" => Self::Mobile,
            "webhook" => Self::Webhook,
            "file" => Self::File,
            "database" => Self::Database,
            _ => return None,
        })
    }
}

/// Reads a checked file; `None` when it has no name. A kind that could not be read counts as the least trusted.
pub fn decode(root: &Node, report: &mut Report) -> Option<Source> {
    let fields = Fields::new(root, KEYS);
    let kind = fields.text("kind").and_then(SourceKind::named);
    if let Some(entry) = fields.entry("origins")
        && kind.is_some_and(|kind| kind != SourceKind::Browser)
    {
        let message = "`origins` is for sources of kind `browser`";
        report.push(
            Diagnostic::error(codes::BAD_VALUE, message, entry.key_span, "other senders have no origin")
                .help("leave it out"),
        );
    }
    let (rate_per_key, rate_per_ip) = fields.text("rate").map_or((None, None), rates);
    Some(Source {
        name: fields.string("source")?,
        kind: kind.unwrap_or(SourceKind::Browser),
        write_keys: fields.get("write_keys").map_or(&[][..], Node::items).iter().filter_map(key).collect(),
        origins: fields.strings("origins"),
        rate_per_key,
        rate_per_ip,
        enabled: fields.bool("enabled").unwrap_or(true),
        region: fields.string("region"),
        ip: match fields.text("ip") {
            Some("keep") => IpRule::Keep,
            Some("drop") => IpRule::Drop,
            _ => IpRule::Truncate,
        },
    })
}

/// A key or secret, as [`KEY`] has it.
#[must_use]
pub fn key(node: &Node) -> Option<WriteKey> {
    if let Some(text) = node.text() {
        return Some(WriteKey::Literal(text.to_owned()));
    }
    Some(WriteKey::Environment(Fields::new(node, ENVIRONMENT).string("env")?))
}

fn rates(text: &str) -> (Option<Rate>, Option<Rate>) {
    let (mut per_key, mut per_ip) = (None, None);
    for (rate, scope) in text.split(',').filter_map(scalar::rate) {
        match scope {
            Some(Scope::Ip) => per_ip = Some(rate),
            _ => per_key = Some(rate),
        }
    }
    (per_key, per_ip)
}
