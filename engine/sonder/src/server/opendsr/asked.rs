//! What is asked by OpenDSR, read strictly: the one request of its that has a body.

use serde::Deserialize;
use serde_json::{Map, Value as Json};
use sonder_console::engine::{Right, parse_instant};
use sonder_dsl::ir::{IdentifierKindId, Program};
use sonder_dsl::model::OpenDsr;
use sonder_dsl::time::Moment;

/// Types of identities, and the kind of identifier that each is where the project has none of its name.
const IDENTITIES: [(&str, &str); 11] = [
    ("controller_customer_id", "user_id"),
    ("email", "email"),
    ("ios_vendor_id", "device_id"),
    ("android_id", "device_id"),
    ("ios_advertising_id", "advertising_id"),
    ("android_advertising_id", "advertising_id"),
    ("fire_advertising_id", "advertising_id"),
    ("microsoft_advertising_id", "advertising_id"),
    ("microsoft_publisher_id", "device_id"),
    ("roku_advertising_id", "advertising_id"),
    ("roku_publisher_id", "device_id"),
];

/// Identities in one request.
const MOST_IDENTITIES: usize = 100;
/// Who is told about one request.
const MOST_CALLBACKS: usize = 10;

/// The body of a request.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    regulation: String,
    subject_request_id: String,
    subject_request_type: String,
    submitted_time: String,
    #[serde(default)]
    subject_identities: Vec<Identity>,
    api_version: Option<String>,
    #[serde(default)]
    status_callback_urls: Vec<String>,
    #[serde(default)]
    extensions: Map<String, Json>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Identity {
    identity_type: String,
    identity_value: String,
    identity_format: String,
}

/// A request that can be dealt with.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub id: String,
    pub right: Right,
    pub regime: &'static str,
    pub submitted_at: Moment,
    /// Kinds of identifiers, with values as they were written.
    pub identities: Vec<(IdentifierKindId, String)>,
    pub callbacks: Vec<String>,
}

/// The kind that a type of identities is in a project.
fn kind_of(program: &Program, identity_type: &str) -> Option<IdentifierKindId> {
    let (_, usual) = IDENTITIES.iter().find(|(name, _)| *name == identity_type)?;
    program.identity.kind_named(identity_type).or_else(|| program.identity.kind_named(usual))
}

/// The types of identities that a project knows people by.
pub(super) fn supported(program: &Program) -> Vec<&'static str> {
    IDENTITIES.iter().map(|(name, _)| *name).filter(|name| kind_of(program, name).is_some()).collect()
}

/// Reads a body; the error says what is wrong with it, without anything of whom it is about.
pub(super) fn read(program: &Program, settings: &OpenDsr, bytes: &[u8]) -> Result<Asked, String> {
    let body: Body = serde_json::from_slice(bytes).map_err(|error| format!("the body cannot be read: {error}"))?;
    let id = uuid::Uuid::parse_str(&body.subject_request_id).ok().filter(|id| id.get_version_num() == 4);
    let id = id.map(|id| id.hyphenated().to_string()).filter(|id| *id == body.subject_request_id);
    let id = id.ok_or("`subject_request_id` is no UUID of version 4 in lower case")?;
    let right = match body.subject_request_type.as_str() {
        "access" => Right::Access,
        "portability" => Right::Portability,
        "erasure" => Right::Erasure,
        _ => return Err("`subject_request_type` is `access`, `portability` or `erasure`".to_owned()),
    };
    let regime = match body.regulation.as_str() {
        "gdpr" => "gdpr",
        "ccpa" => "ccpa",
        _ => return Err("`regulation` is `gdpr` or `ccpa`".to_owned()),
    };
    let submitted_at = parse_instant(&body.submitted_time).ok_or("`submitted_time` is no time of RFC 3339")?;
    if body.api_version.as_deref().is_some_and(|version| version != "2" && !version.starts_with("2.")) {
        return Err("`api_version` is 2.0 here".to_owned());
    }
    if body.extensions.contains_key(&settings.domain) {
        return Err("there are no extensions here".to_owned());
    }
    if body.subject_identities.is_empty() || body.subject_identities.len() > MOST_IDENTITIES {
        return Err(format!("`subject_identities` has 1 to {MOST_IDENTITIES} of them"));
    }
    let identity = |it: Identity| {
        let kind = kind_of(program, &it.identity_type)
            .ok_or_else(|| format!("nobody is known here by the identity type `{}`", it.identity_type))?;
        if it.identity_format != "raw" {
            return Err(format!("identities of the format `{}` cannot be found here; send `raw`", it.identity_format));
        }
        Ok((kind, it.identity_value))
    };
    let identities = body.subject_identities.into_iter().map(identity).collect::<Result<Vec<_>, String>>()?;
    if body.status_callback_urls.len() > MOST_CALLBACKS {
        return Err(format!("`status_callback_urls` has up to {MOST_CALLBACKS} of them"));
    }
    let is_allowed = |url: &&String| {
        settings.callbacks.iter().any(|origin| {
            url.strip_prefix(origin.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
        })
    };
    if let Some(other) = body.status_callback_urls.iter().find(|url| !is_allowed(url)) {
        return Err(format!("`{other}` is not among the origins that may be told"));
    }
    Ok(Asked { id, right, regime, submitted_at, identities, callbacks: body.status_callback_urls })
}
