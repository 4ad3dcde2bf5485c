//! One person: the golden record, and the timeline.

use crate::endpoint::{About, Endpoint, before_parameter, json_of, limit_parameter, path_parameter, query_parameter};
use crate::engine::{Entry, PastRequest, Person, Sought, TimelineCursor, parse_instant, parse_person_id};
use crate::error::ApiError;
use crate::keys::Scope;
use crate::limits;
use crate::request::{Parameters, bad_parameter, path_segment, quoted, split_cursor};
use crate::turn::{Work, in_turn};
use crate::{Api, audit};
use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use serde::Serialize;
use serde_json::{Map, Value, json};
use sonder_core::effect::PersonId;
use sonder_dsl::ir::{IdentifierKindId, Program};
use sonder_dsl::time::Moment;

/// What `?fields=` may name; `id` always comes along.
const FIELDS: [&str; 10] = [
    "absorbed",
    "identifiers",
    "traits",
    "computed",
    "segments",
    "journeys",
    "consent",
    "restricted_since",
    "first_seen",
    "last_seen",
];

/// Where `{who}` stands in `/api/v1/people/{who}`.
const WHO: usize = 3;

pub(super) fn endpoints() -> Vec<Endpoint> {
    let fields = json!({ "type": "array", "minItems": 1, "maxItems": FIELDS.len(), "uniqueItems": true,
        "items": { "type": "string", "enum": FIELDS } });
    let mut fields =
        query_parameter("fields", &fields, "Only these parts, separated by commas; `id` always comes along.");
    if let Some(parameter) = fields.as_object_mut() {
        parameter.insert("style".to_owned(), json!("form"));
        parameter.insert("explode".to_owned(), json!(false));
    }
    let at = json!({ "type": "string", "format": "date-time" });
    let at = query_parameter("at", &at, "As of this moment: what was received after it does not count.");
    vec![
        Endpoint::get(
            "/api/v1/people/{who}",
            Some(Scope::Read),
            person,
            About {
                id: "getPerson",
                group: "People",
                summary: "A person by identifier or id",
                description: "Everything that is known of one person now: identifiers with their source, the golden record, \
                computed traits and segments. The identifier is normalised as collection does it, so `email:Ann@X.example` \
                finds `ann@x.example`. With `at` their history is folded again up to then. The id of somebody who was merged into another person answers with that person.",
                parameters: vec![who_parameter(), fields, at],
                body: None,
                answers: vec![json_of("Person")],
                refusals: &[400, 404, 503],
            },
        ),
        Endpoint::get(
            "/api/v1/people/{who}/timeline",
            Some(Scope::Read),
            timeline,
            About {
                id: "getTimeline",
                group: "People",
                summary: "What happened to a person, newest first",
                description: "Events, merges and splits, segment entries and exits, changes of computed traits, and what was sent. \
                A page ends with `next`; give it as `before` to get the page after it. It is `null` on the last page.",
                parameters: vec![
                    who_parameter(),
                    before_parameter(u64::BITS / 4),
                    limit_parameter(limits::PAGE_DEFAULT, limits::PAGE_MOST),
                ],
                body: None,
                answers: vec![json_of("Timeline")],
                refusals: &[400, 404, 503],
            },
        ),
    ]
}

pub(super) fn who_parameter() -> Value {
    let schema = crate::openapi::who_schema();
    path_parameter(
        "who",
        &schema,
        "`{kind}:{value}`, with a kind of `identity.yaml`, or an id of 32 hexadecimal digits.",
    )
}

async fn person(State(api): State<Api>, uri: Uri) -> Result<Json<Value>, ApiError> {
    let parameters = Parameters::read(&uri, &["fields", "at"])?;
    let fields = wanted_fields(&parameters)?;
    let who = path_segment(&uri, WHO)?;
    let person = match parameters.text("at") {
        None => find_person(&api, &who).await?,
        Some(text) => {
            let known = parse_instant(text);
            let at = known.ok_or_else(|| bad_parameter("at", text, "a timestamp such as `2026-03-01T12:00:00Z`"))?;
            person_then(&api, &who, at).await?
        }
    };
    let Ok(Value::Object(mut whole)) = serde_json::to_value(&person) else {
        return Err(ApiError::internal("a person is not a JSON object"));
    };
    let Some(fields) = fields else { return Ok(Json(Value::Object(whole))) };
    let mut part = Map::new();
    for name in ["id"].into_iter().chain(FIELDS).filter(|name| *name == "id" || fields.contains(name)) {
        if let Some(value) = whole.get_mut(name) {
            part.insert(name.to_owned(), value.take());
        }
    }
    Ok(Json(Value::Object(part)))
}

/// The person that `who` named at a moment.
async fn person_then(api: &Api, who: &str, at: Moment) -> Result<Person, ApiError> {
    let request = PastRequest { person: find_id(api, who)?, named: named(&api.engine().program(), who), at };
    let found = in_turn(api, Work::Query, move |engine| engine.person_at(&request)).await?;
    found.ok_or_else(|| nobody_then(who))
}

/// The identifier that was named, where it was not an id.
pub(super) fn named(program: &Program, who: &str) -> Option<(IdentifierKindId, String)> {
    let (kind, value) = who.split_once(':')?;
    let kind = program.identity.identifiers.iter().position(|known| known.name == kind)?;
    Some((IdentifierKindId(u16::try_from(kind).ok()?), value.to_owned()))
}

pub(super) fn nobody_then(who: &str) -> ApiError {
    ApiError::missing(
        "no_such_person",
        format!("nobody was `{}` then", short(who)),
        "a person is there once an event of theirs has been received; ask for a later moment",
    )
}

fn wanted_fields(parameters: &Parameters) -> Result<Option<Vec<&'static str>>, ApiError> {
    let Some(text) = parameters.text("fields") else { return Ok(None) };
    let mut wanted = Vec::with_capacity(FIELDS.len());
    for name in text.split(',') {
        let known = FIELDS.into_iter().find(|known| *known == name);
        let Some(known) = known else {
            return Err(bad_parameter("fields", name, &format!("some of {}, separated by commas", quoted(&FIELDS))));
        };
        if wanted.contains(&known) {
            return Err(bad_parameter("fields", text, "a list that names each part once"));
        }
        wanted.push(known);
    }
    Ok(Some(wanted))
}

/// A page of a timeline.
#[derive(Serialize)]
struct Timeline {
    /// The person's id; not the one that was asked for where that one was merged away.
    person: String,
    entries: Vec<Entry>,
    next: Option<String>,
}

async fn timeline(State(api): State<Api>, uri: Uri) -> Result<Json<Timeline>, ApiError> {
    let parameters = Parameters::read(&uri, &["before", "limit"])?;
    let limit = parameters.limit(limits::PAGE_DEFAULT, limits::PAGE_MOST)?;
    let before = parameters.cursor("before", read_cursor, |at| TimelineCursor { at, place: 0 })?;
    let person = find_person(&api, &path_segment(&uri, WHO)?).await?;
    let Some(id) = parse_person_id(&person.id) else {
        return Err(ApiError::internal("a person's id is not an id"));
    };
    // One more than asked for tells whether there is a page after this one.
    let mut entries = in_turn(&api, Work::Read, move |engine| engine.timeline(id, before.as_ref(), limit + 1)).await?;
    let more = entries.len() > limit;
    entries.truncate(limit);
    let next = entries.last().filter(|_| more).map(|last| format!("{}_{:x}", last.cursor.at.0, last.cursor.place));
    Ok(Json(Timeline { person: person.id, entries, next }))
}

fn read_cursor(text: &str) -> Option<TimelineCursor> {
    let (at, place) = split_cursor(text)?;
    Some(TimelineCursor { at, place: u64::from_str_radix(place, 16).ok()? })
}

/// The person that `who` names: `kind:value`, or an id.
pub(super) async fn find_person(api: &Api, who: &str) -> Result<Person, ApiError> {
    let id = find_id(api, who)?;
    let found = match api.engine().person(id) {
        Sought::Found(person) => Some(*person),
        Sought::Nobody => None,
        Sought::Cold(id) => in_turn(api, Work::Read, move |engine| engine.load_person(id)).await?,
    };
    found.ok_or_else(|| no_such_person(who))
}

/// The id of the person that `who` names. A person of that id need not exist.
pub(super) fn find_id(api: &Api, who: &str) -> Result<PersonId, ApiError> {
    look_up(api, who)?.ok_or_else(|| no_such_person(who))
}

/// `None` where nobody is known by an identifier of the project.
pub(super) fn look_up(api: &Api, who: &str) -> Result<Option<PersonId>, ApiError> {
    let found = named_by(api, who)?;
    found.inspect(|id| audit::note_person(*id));
    Ok(found)
}

fn named_by(api: &Api, who: &str) -> Result<Option<PersonId>, ApiError> {
    if who.chars().count() > limits::IDENTIFIER_CHARS {
        let help = format!("an identifier has at most {} characters", limits::IDENTIFIER_CHARS);
        return Err(ApiError::bad("bad_identifier", "the identifier is too long", help));
    }
    let help = "write `kind:value`, such as `email:ann@shop.example`, or an id of 32 hexadecimal digits";
    let Some((kind, value)) = who.split_once(':') else {
        return parse_person_id(who)
            .map(Some)
            .ok_or_else(|| ApiError::bad("bad_identifier", format!("`{}` names nobody", short(who)), help));
    };
    let well_formed = kind.starts_with(|first: char| first.is_ascii_lowercase())
        && kind.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
    if !well_formed || value.is_empty() {
        return Err(ApiError::bad("bad_identifier", format!("`{}` names nobody", short(who)), help));
    }
    let program = api.engine().program();
    let kinds: Vec<&str> = program.identity.identifiers.iter().map(|kind| kind.name.as_str()).collect();
    let Some(index) = kinds.iter().position(|known| *known == kind).and_then(|index| u16::try_from(index).ok()) else {
        let help = format!("the kinds of `identity.yaml` are {}", quoted(&kinds));
        let message = format!("there is no kind of identifier `{}`", short(kind));
        return Err(ApiError::missing("unknown_identifier_kind", message, help));
    };
    Ok(api.engine().resolve(IdentifierKindId(index), value))
}

pub(super) fn no_such_person(who: &str) -> ApiError {
    ApiError::missing(
        "no_such_person",
        format!("nobody is `{}`", short(who)),
        "identifiers are compared after normalisation; a person is there once an event of theirs is in the log",
    )
}

pub(super) fn short(text: &str) -> String {
    text.chars().take(100).collect()
}
