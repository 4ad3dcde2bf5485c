//! The context of an event: the fields that SDKs send, with their types. Rules may name these and no others.

use crate::ir::Type;

/// A field of the context.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// `device.type`
    pub path: &'static str,
    /// The type it is read as; a value of another type is unknown.
    pub kind: FieldKind,
    /// What it holds.
    pub meaning: &'static str,
}

/// The types of context fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// Text.
    Text,
    /// A whole number.
    Whole,
    /// Any number.
    Number,
    /// Yes or no.
    Flag,
}

impl FieldKind {
    /// As a type of the language.
    #[must_use]
    pub fn as_type(self) -> Type {
        match self {
            Self::Text => Type::String { one_of: None },
            Self::Whole => Type::Int,
            Self::Number => Type::Float,
            Self::Flag => Type::Bool,
        }
    }
}

/// Where clients say which of their sessions an event is of; the first that is there counts. They are read as text also
/// where they are whole numbers.
pub const CLIENT_SESSION_IDS: [&str; 2] = ["sessionId", "session.id"];

/// The field of that path, keys joined by dots.
#[must_use]
pub fn find(path: &str) -> Option<&'static Field> {
    FIELDS.iter().find(|field| field.path == path)
}

macro_rules! fields {
    ($($path:literal $kind:ident $meaning:literal;)+) => {
        /// All fields, in the order of the specification.
        pub const FIELDS: &[Field] = &[$(Field { path: $path, kind: FieldKind::$kind, meaning: $meaning },)+];
    };
}

fields! {
    "active" Flag "whether somebody used the app at that moment";
    "app.name" Text "the app";
    "app.version" Text "its version";
    "app.build" Text "its build number";
    "app.namespace" Text "its bundle id";
    "campaign.name" Text "utm_campaign";
    "campaign.source" Text "utm_source";
    "campaign.medium" Text "utm_medium";
    "campaign.term" Text "utm_term";
    "campaign.content" Text "utm_content";
    "campaign.id" Text "utm_id";
    "device.id" Text "the device";
    "device.advertisingId" Text "its advertising id";
    "device.adTrackingEnabled" Flag "whether that may be used";
    "device.manufacturer" Text "who made it";
    "device.model" Text "which model it is";
    "device.name" Text "what its owner calls it";
    "device.type" Text "mobile, desktop, ios, android …";
    "device.version" Text "its version";
    "geo.country" Text "where the IP address is: the country, such as NL";
    "geo.region" Text "its region, such as US-CA";
    "geo.city" Text "its city, in English";
    "geo.continent" Text "its continent, such as EU";
    "groupId" Text "the group that it was sent for";
    "ip" Text "the IP address that it came from, as much of it as the source's `ip` keeps";
    "library.name" Text "the SDK";
    "library.version" Text "its version";
    "locale" Text "language and country, such as nl-NL";
    "location.city" Text "city";
    "location.country" Text "country";
    "location.region" Text "region";
    "location.latitude" Number "degrees north";
    "location.longitude" Number "degrees east";
    "location.speed" Number "speed";
    "network.bluetooth" Flag "whether Bluetooth was on";
    "network.carrier" Text "the telephone company";
    "network.cellular" Flag "whether it came over a mobile network";
    "network.wifi" Flag "whether it came over wireless LAN";
    "os.name" Text "the operating system";
    "os.version" Text "its version";
    "page.path" Text "the path of the page";
    "page.url" Text "its address";
    "page.title" Text "its title";
    "page.referrer" Text "the page before it";
    "page.search" Text "its query string";
    "page.hash" Text "its fragment";
    "referrer.id" Text "who referred";
    "referrer.type" Text "what kind of referrer that is";
    "referrer.name" Text "its name";
    "referrer.url" Text "its address";
    "referrer.link" Text "the link that was followed";
    "screen.width" Whole "width in points";
    "screen.height" Whole "height in points";
    "screen.density" Number "pixels a point";
    "session.id" Text "the client's session";
    "sessionId" Text "the client's session, as other SDKs send it";
    "timezone" Text "the time zone, such as Europe/Amsterdam";
    "userAgent" Text "the browser, as it names itself";
    "userAgentData.mobile" Flag "whether the browser says that it is mobile";
    "userAgentData.platform" Text "the platform that the browser says it runs on";
}
