//! `sonder.yaml`: the project itself.

use super::encryption::{self, Encryption};
use super::opendsr::{self, OpenDsr};
use super::pseudonyms::{self, PseudonymKeys};
use super::residency::{self, Residency};
use crate::diagnostic::{Diagnostic, Report, codes};
use crate::shape::{Fields, Format, Key, Shape, Word, scalar};
use crate::source::Span;
use crate::time::Duration;
use crate::yaml::Node;
use serde::{Deserialize, Serialize};

/// Settings of the whole project.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The project's name.
    pub name: String,
    /// IANA time zone, for people whose own is unknown and for dates in rules. Default `UTC`.
    pub timezone: String,
    /// A session ends after this long without an event. Default 30 m.
    pub session_idle: Duration,
    /// No session is longer than this. Default 24 h.
    pub session_max: Duration,
    /// A message id seen again within this time is a duplicate. Default 48 h.
    pub dedup: Duration,
    /// What happens to events without a schema.
    pub undeclared_events: UndeclaredEvents,
    /// Whether traits that `profile.yaml` does not declare are stored in the log. Default false.
    pub stores_undeclared_traits: bool,
    /// A client clock up to this far ahead is believed (and still clamped to the time of receipt); further ahead, the
    /// event is labelled. Default 5 m.
    pub future_tolerance: Duration,
    /// How long events are kept; `None` for ever.
    pub retain_events: Option<Duration>,
    /// How long changes of people and deliveries are kept; `None` for ever.
    pub retain_decisions: Option<Duration>,
    /// How long entries of the audit log are kept; `None` for ever.
    pub retain_audit: Option<Duration>,
    /// How long quarantined messages are kept. Default 30 days.
    pub retain_quarantine: Duration,
    /// The address the engine listens on, unless the command line says otherwise.
    pub listen: Option<String>,
    /// The data directory, unless the command line says otherwise.
    pub store: Option<String>,
    /// Bytes of people's state kept in memory before cold people are spilled; `None` for all of them.
    pub state_memory: Option<u64>,
    /// When journeys send nothing, in the person's local time.
    pub quiet_hours: Option<QuietHours>,
    /// How many messages of a channel, which is the destination of that name, journeys may send to one person.
    pub caps: Vec<(String, Rate)>,
    /// Requests about somebody's data that come by OpenDSR; `None` where none do.
    pub opendsr: Option<OpenDsr>,
    /// What personal data is encrypted with at rest; `None` where it is not. It changes nothing that a rule sees, and takes
    /// effect when the engine starts.
    pub encryption: Option<Encryption>,
    /// The regions that people's data stays in; `None` where it may be anywhere.
    pub residency: Option<Residency>,
    /// What pseudonyms of identifiers are made with; `None` where nobody gets any. It takes effect when the engine starts.
    pub pseudonyms: Option<PseudonymKeys>,
    /// Whether the audit log has looks at people, too: besides changes, and data that leaves. Default true.
    pub audits_looks: bool,
}

/// `quiet_hours`: from one time of day to another, which may be on the next day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuietHours {
    /// Minutes after local midnight.
    pub from: u16,
    /// Minutes after local midnight.
    pub to: u16,
}

impl QuietHours {
    /// Whether all of a part of the day lies in them: from a minute after midnight up to another, maybe of the next day.
    #[must_use]
    pub fn cover(self, from: u16, to: u16) -> bool {
        let is_in = |minute: u16, from: u16, to: u16| {
            if from < to { (from..to).contains(&minute) } else { minute >= from || minute < to }
        };
        (0..24 * 60).filter(|minute| is_in(*minute, from, to)).all(|minute| is_in(minute, self.from, self.to))
    }
}

/// `undeclared_events`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum UndeclaredEvents {
    /// Kept aside with the reason, until a schema is there.
    Quarantine,
    /// Stored and visible, unusable in rules until declared.
    Accept,
}

/// `200/s per key`: how often something may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub count: u32,
    /// In how long.
    pub per: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        let minute = Duration::from_secs(60);
        Self {
            name: "sonder".to_owned(),
            timezone: "UTC".to_owned(),
            session_idle: minute.times(30),
            session_max: minute.times(24 * 60),
            dedup: minute.times(48 * 60),
            undeclared_events: UndeclaredEvents::Quarantine,
            stores_undeclared_traits: false,
            future_tolerance: minute.times(5),
            retain_events: None,
            retain_decisions: None,
            retain_audit: None,
            retain_quarantine: minute.times(30 * 24 * 60),
            listen: None,
            store: None,
            state_memory: None,
            quiet_hours: None,
            caps: Vec::new(),
            opendsr: None,
            encryption: None,
            residency: None,
            pseudonyms: None,
            audits_looks: true,
        }
    }
}

/// What `sonder.yaml` may hold.
pub const KEYS: &[Key] = &[
    Key::required("name", Shape::NAME, "the project's name"),
    Key::optional(
        "timezone",
        Shape::Text(Format::TimeZone),
        "for people whose own is unknown, and for dates in rules; default UTC",
    ),
    Key::optional("store", Shape::TEXT, "the data directory, unless the command line says otherwise"),
    Key::optional(
        "listen",
        Shape::Text(Format::Address),
        "the address the engine listens on, unless the command line says otherwise",
    ),
    Key::optional("session", Shape::Object(SESSION), "when a session ends"),
    Key::optional("dedup", Shape::DURATION, "a message id seen again within this time is a duplicate; default 48h"),
    Key::optional(
        "undeclared_events",
        Shape::Word(UNDECLARED),
        "what happens to events without a schema; default quarantine",
    ),
    Key::optional(
        "undeclared_traits",
        Shape::Word(UNDECLARED_TRAITS),
        "what happens to traits that `profile.yaml` does not declare, where there is one; default leave_out",
    ),
    Key::optional(
        "future_tolerance",
        Shape::DURATION,
        "a client clock further ahead is clamped to the time of receipt and labelled; default 5m",
    ),
    Key::optional("quiet_hours", Shape::Object(QUIET_HOURS), "when journeys send nothing, in the person's local time"),
    Key::optional(
        "caps",
        Shape::Map(Format::Name, &Shape::Text(Format::Cap)),
        "how many messages of a channel (the destination of that name) journeys may send to one person",
    ),
    Key::optional("retention", Shape::Object(RETENTION), "how long data is kept; checked once a day"),
    Key::optional("limits", Shape::Object(LIMITS), "how much the engine may use"),
    Key::optional(
        "opendsr",
        Shape::Object(opendsr::KEYS),
        "requests about somebody's data that come by OpenDSR 2.0, at /opendsr/v1",
    ),
    Key::optional(
        "encryption",
        Shape::Object(encryption::KEYS),
        "what is marked `pii` is encrypted in the data directory; takes effect when the engine starts",
    ),
    Key::optional(
        "residency",
        Shape::Object(residency::KEYS),
        "the regions that people's data stays in, each with an engine and a store of its own",
    ),
    Key::optional(
        "pseudonyms",
        Shape::Object(pseudonyms::KEYS),
        "what stands in place of identifiers where a destination or an export asks for it; takes effect when the engine starts",
    ),
    Key::optional("audit", Shape::Word(AUDIT), "what is put into the audit log; default all"),
];

const SESSION: &[Key] = &[
    Key::optional("idle", Shape::DURATION, "a session ends after this long without an event; default 30m"),
    Key::optional("max", Shape::DURATION, "no session is longer than this; default 24h"),
];

const QUIET_HOURS: &[Key] = &[
    Key::required("from", Shape::Text(Format::TimeOfDay), "the time of day at which they begin"),
    Key::required("to", Shape::Text(Format::TimeOfDay), "the time of day at which they end"),
];

const RETENTION: &[Key] = &[
    Key::optional("events", Shape::DURATION, "how long events are kept that say nothing else; default for ever"),
    Key::optional(
        "decisions",
        Shape::DURATION,
        "how long it is kept what changed about people, and what was sent; default for ever",
    ),
    Key::optional("quarantine", Shape::DURATION, "how long quarantined messages are kept; default 30 days"),
    Key::optional("audit", Shape::DURATION, "how long entries of the audit log are kept; default for ever"),
];

const LIMITS: &[Key] = &[Key::optional(
    "state_memory",
    Shape::Text(Format::Size),
    "people's state kept in memory before cold people are moved to disk; default all of it",
)];

const UNDECLARED: &[Word] = &[
    Word { word: "quarantine", doc: "kept aside with the reason, until a schema is there" },
    Word { word: "accept", doc: "stored and visible, unusable in rules until declared" },
];

const UNDECLARED_TRAITS: &[Word] = &[
    Word { word: "leave_out", doc: "left out of what is stored; the message is labelled `minimised`" },
    Word { word: "accept", doc: "stored in the log, and part of the golden record once they are declared" },
];

const AUDIT: &[Word] = &[
    Word { word: "all", doc: "who looked at people, took data away or changed something" },
    Word { word: "changes", doc: "the same without looks, where programs look people up all day" },
];

/// Reads a checked `sonder.yaml`; defaults stand in for whatever does not fit.
pub fn decode(root: &Node, report: &mut Report) -> Settings {
    let fields = Fields::new(root, KEYS);
    let default = Settings::default();
    let session = fields.object("session", SESSION);
    let retention = fields.object("retention", RETENTION);
    let settings = Settings {
        name: fields.string("name").unwrap_or(default.name),
        timezone: fields.string("timezone").unwrap_or(default.timezone),
        session_idle: session.and_then(|session| session.duration("idle")).unwrap_or(default.session_idle),
        session_max: session.and_then(|session| session.duration("max")).unwrap_or(default.session_max),
        dedup: fields.duration("dedup").unwrap_or(default.dedup),
        undeclared_events: match fields.text("undeclared_events") {
            Some("accept") => UndeclaredEvents::Accept,
            _ => default.undeclared_events,
        },
        stores_undeclared_traits: fields.text("undeclared_traits") == Some("accept"),
        future_tolerance: fields.duration("future_tolerance").unwrap_or(default.future_tolerance),
        retain_events: retention.and_then(|retention| retention.duration("events")),
        retain_decisions: retention.and_then(|retention| retention.duration("decisions")),
        retain_audit: retention.and_then(|retention| retention.duration("audit")),
        retain_quarantine: retention
            .and_then(|retention| retention.duration("quarantine"))
            .unwrap_or(default.retain_quarantine),
        listen: fields.string("listen"),
        store: fields.string("store"),
        state_memory: fields.object("limits", LIMITS).and_then(|limits| scalar::size(limits.text("state_memory")?)),
        quiet_hours: fields.object("quiet_hours", QUIET_HOURS).and_then(|hours| {
            Some(QuietHours {
                from: scalar::time_of_day(hours.text("from")?)?,
                to: scalar::time_of_day(hours.text("to")?)?,
            })
        }),
        caps: caps(&fields),
        opendsr: fields.get("opendsr").and_then(|node| opendsr::decode(node, report)),
        encryption: fields.get("encryption").and_then(|node| encryption::decode(node, report)),
        residency: fields.get("residency").and_then(|node| residency::decode(node, report)),
        pseudonyms: fields.get("pseudonyms").and_then(|node| pseudonyms::decode(node, report)),
        audits_looks: fields.text("audit") != Some("changes"),
    };
    if let Some(place) = fields.get("session")
        && settings.session_idle > settings.session_max
    {
        let (idle, max) = (settings.session_idle, settings.session_max);
        let message = format!("a session would be idle for {idle} before it ends, but is over after {max}");
        let error = Diagnostic::error(codes::BAD_VALUE, message, place.span, "`idle` is longer than `max`");
        report.push(error.help("make `idle` shorter, or `max` longer"));
    }
    if let Some(hours) = settings.quiet_hours.filter(|hours| hours.from == hours.to)
        && let Some(place) = fields.get("quiet_hours")
    {
        let message = format!("quiet hours begin and end at {:02}:{:02}", hours.from / 60, hours.from % 60);
        let error = Diagnostic::error(codes::BAD_VALUE, message, place.span, "`from` and `to` are the same");
        report.push(error.help("leave them out, if there are none"));
    }
    settings
}

/// Where each destination is named that has a cap.
pub fn cap_places(root: &Node) -> Vec<(String, Span)> {
    let entries = Fields::new(root, KEYS).get("caps").map_or(&[][..], Node::entries);
    entries.iter().map(|entry| (entry.key.clone(), entry.key_span)).collect()
}

fn caps(fields: &Fields<'_>) -> Vec<(String, Rate)> {
    let entries = fields.get("caps").map_or(&[][..], Node::entries);
    let cap = |text: &str| scalar::rate(text).map(|(rate, _)| rate);
    entries.iter().filter_map(|entry| Some((entry.key.clone(), cap(entry.value.text()?)?))).collect()
}
