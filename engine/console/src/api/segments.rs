//! Segments and their members.

mod export;

use crate::Api;
use crate::accept::{Format, preferred};
use crate::csv;
use crate::endpoint::{About, Endpoint, bytes_of, json_of, limit_parameter, path_parameter, query_parameter, text_of};
use crate::engine::{self, Audience, Exported, Member, parse_person_id};
use crate::error::ApiError;
use crate::keys::Scope;
use crate::limits;
use crate::request::{Parameters, bad_parameter, path_segment};
use crate::stream::streamed;
use crate::turn::{Work, in_turn};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Uri};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;
use sonder_core::effect::PersonId;
use sonder_dsl::ir::{Program, Rule, RuleId, RuleKind};
use std::sync::Arc;

/// Where `{name}` stands in `/api/v1/segments/{name}`.
const NAME: usize = 3;

/// How many members are not in a file.
const LEFT_OUT: &str = "x-sonder-left-out";

pub(super) fn endpoints() -> Vec<Endpoint> {
    let name = || {
        let schema = json!({ "type": "string", "pattern": "^[a-z][a-z0-9_]*$", "minLength": 1,
            "maxLength": limits::FILTER_CHARS });
        path_parameter("name", &schema, "A segment of the project.")
    };
    let after = json!({ "type": "string", "pattern": "^([0-9a-f]{32}|[0-9a-f]{64}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$" });
    let audience =
        json!({ "type": "string", "pattern": "^[a-z][a-z0-9_]*$", "minLength": 1, "maxLength": limits::FILTER_CHARS });
    vec![
        Endpoint::get(
            "/api/v1/segments",
            Some(Scope::Read),
            list,
            About {
                id: "listSegments",
                group: "Segments",
                summary: "All segments with their sizes",
                description: "In the order of evaluation: whatever a segment builds on stands before it.",
                parameters: vec![],
                body: None,
                answers: vec![json_of("Segments")],
                refusals: &[400],
            },
        ),
        Endpoint::get(
            "/api/v1/segments/{name}",
            Some(Scope::Read),
            one,
            About {
                id: "getSegment",
                group: "Segments",
                summary: "One segment",
                description: "Its definition as written, where it is declared, and how many people are in it now.",
                parameters: vec![name()],
                body: None,
                answers: vec![json_of("Segment")],
                refusals: &[400, 404],
            },
        ),
        Endpoint::get(
            "/api/v1/segments/{name}/members",
            Some(Scope::Read),
            members,
            About {
                id: "listMembers",
                group: "Segments",
                summary: "Who is in a segment",
                description: "In order of id, which never changes: whoever is in the segment from the first page to the last is \
                listed exactly once, whatever happens in between. With `Accept: text/csv` all members after `after` are \
                streamed, with a column for each kind of identifier (several values of a kind are separated by `;`). With \
                `Accept: application/vnd.apache.parquet` all of them come as one Parquet file: `person` (text), `since` (a moment) and \
                `identifiers` (a list of `kind` and `value`). With `pseudonyms` ids and identifiers come as pseudonyms \
                that are made for the audience of that name, and pages are in no order within.\n\nOf a segment with a purpose, \
                whoever does not consent to it now is left out; `purpose` asks for consent to another one, or of a segment \
                without one. Whoever restricts all that is done with their data is in no export. How many that are of all members says \
                `left_out`, and the header `x-sonder-left-out` of files; `size` counts them.",
                parameters: vec![
                    name(),
                    query_parameter(
                        "after",
                        &after,
                        "The `next` of the page before this one: the id of its last person, or with `pseudonyms` what stands for it.",
                    ),
                    query_parameter(
                        "purpose",
                        &audience,
                        "A purpose of the project: whoever does not consent to it now is left out.",
                    ),
                    query_parameter(
                        "pseudonyms",
                        &audience,
                        "For whom pseudonyms are made: a destination gets those that it is told with `identifiers: pseudonyms`.",
                    ),
                    limit_parameter(limits::PAGE_DEFAULT, limits::PAGE_MOST),
                ],
                body: None,
                answers: vec![json_of("Members"), text_of("text/csv"), bytes_of(export::MEDIA)],
                refusals: &[400, 404, 406, 409, 503],
            },
        ),
    ]
}

#[derive(Serialize)]
struct Segments {
    segments: Vec<Segment>,
}

#[derive(Serialize)]
struct Segment {
    name: String,
    description: Option<String>,
    purpose: Option<String>,
    /// The expression, as written.
    definition: String,
    /// Path and line.
    place: String,
    /// Of the meaning, as 16 hexadecimal digits: it changes when the segment's meaning does.
    fingerprint: String,
    size: u64,
}

impl Segment {
    fn new(rule: &Rule, size: u64) -> Self {
        Self {
            name: rule.name.clone(),
            description: rule.description.clone(),
            purpose: rule.purpose.clone(),
            definition: rule.source.clone(),
            place: rule.place.clone(),
            fingerprint: format!("{:016x}", rule.fingerprint.0),
            size,
        }
    }
}

async fn list(State(api): State<Api>, uri: Uri) -> Result<Json<Segments>, ApiError> {
    Parameters::read(&uri, &[])?;
    let sizes = api.engine().segment_sizes();
    let segments = sizes.program.segments().map(|(id, rule)| Segment::new(rule, sizes.of(id)));
    Ok(Json(Segments { segments: segments.collect() }))
}

async fn one(State(api): State<Api>, uri: Uri) -> Result<Json<Segment>, ApiError> {
    Parameters::read(&uri, &[])?;
    let sizes = api.engine().segment_sizes();
    let (id, rule) = find(&sizes.program, &path_segment(&uri, NAME)?)?;
    Ok(Json(Segment::new(rule, sizes.of(id))))
}

#[derive(Serialize)]
struct Members {
    segment: String,
    size: u64,
    left_out: u64,
    members: Vec<MemberAnswer>,
    next: Option<String>,
}

#[derive(Serialize)]
struct MemberAnswer {
    person: String,
    since: String,
    identifiers: Vec<KindAndValue>,
}

#[derive(Serialize)]
struct KindAndValue {
    kind: String,
    value: String,
}

async fn members(State(api): State<Api>, uri: Uri, headers: HeaderMap) -> Result<Response, ApiError> {
    let parameters = Parameters::read(&uri, &["after", "limit", "pseudonyms", "purpose"])?;
    let audience = audience(&api, &parameters)?;
    let after = match (&audience, parameters.text("after")) {
        (Some(audience), Some(place)) => {
            let at = audience.at(place);
            Some(at.ok_or_else(|| bad_parameter("after", place, "the `next` of a page for the same audience"))?)
        }
        _ => parameters.person_id("after")?,
    };
    let limit = parameters.limit(limits::PAGE_DEFAULT, limits::PAGE_MOST)?;
    let format = preferred(&headers, &[Format::Json, Format::Csv, Format::Parquet])?;
    let program = api.engine().program();
    let segment = find(&program, &path_segment(&uri, NAME)?)?.1.name.clone();
    let which = Exported { segment, purpose: purpose(&program, &parameters)? };
    let left_out = left_out(&api, &which).await?;
    let file = match format {
        Format::Csv => Some(stream_members(api.clone(), program, which.clone(), (audience.clone(), after))),
        Format::Parquet => Some(export::members(api.clone(), which.clone(), (audience.clone(), after)).await?),
        Format::Json => None,
    };
    if let Some(mut file) = file {
        file.headers_mut().insert(LEFT_OUT, HeaderValue::from(left_out));
        return Ok(file);
    }
    // One more than asked for tells whether there is a page after this one.
    let mut page = page_of(&api, &which, after, limit + 1).await?;
    let more = page.members.len() > limit;
    page.members.truncate(limit);
    let last = page.members.last().filter(|_| more).map(|last| last.person.clone());
    let next = match &audience {
        Some(audience) => last.and_then(|last| parse_person_id(&last)).map(|last| audience.place(last)),
        None => last,
    };
    let members = told(audience.as_deref(), page.members);
    let members = members.into_iter().map(member_answer).collect();
    let answer = Members { segment: which.segment, size: page.size, left_out, next, members };
    Ok(Json(answer).into_response())
}

/// The purpose that the export is for, where the client names one.
fn purpose(program: &Program, parameters: &Parameters) -> Result<Option<String>, ApiError> {
    let Some(name) = parameters.filter("purpose")? else { return Ok(None) };
    if program.consent.purpose(&name).is_some() {
        return Ok(Some(name));
    }
    let purposes: Vec<String> = program.consent.purposes.iter().map(|it| format!("`{}`", it.name)).collect();
    let expected = match purposes.as_slice() {
        [] => "left out: the project names no purpose".to_owned(),
        _ => format!("a purpose of the project: {}", purposes.join(", ")),
    };
    Err(bad_parameter("purpose", &name, &expected))
}

/// How many members are in the segment, and not in the export.
async fn left_out(api: &Api, which: &Exported) -> Result<u64, ApiError> {
    let asked = which.clone();
    let count = in_turn(api, Work::Read, move |engine| engine.members_left_out(&asked)).await?;
    count.ok_or_else(|| no_such_segment(&which.segment))
}

/// For whom pseudonyms are made, where the client asks for some.
fn audience(api: &Api, parameters: &Parameters) -> Result<Option<Arc<dyn Audience>>, ApiError> {
    let Some(name) = parameters.filter("pseudonyms")? else { return Ok(None) };
    let is_name = name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '_');
    if !is_name {
        return Err(bad_parameter("pseudonyms", &name, "a name as destinations have it: `lake`"));
    }
    let audience = api.engine().audience(&name).ok_or_else(|| {
        let help = "name a key under `pseudonyms` of sonder.yaml, and start the engine again";
        ApiError::conflict("no_pseudonyms", "the project makes no pseudonyms", help)
    })?;
    Ok(Some(audience))
}

/// People as whoever gets the page knows them. The order of ids, which guesses could be placed in, is not theirs to see.
fn told(audience: Option<&dyn Audience>, members: Vec<Member>) -> Vec<Member> {
    let Some(audience) = audience else { return members };
    let mut members: Vec<Member> = members.into_iter().map(|member| audience.pseudonymous(member)).collect();
    members.sort_unstable_by(|a, b| a.person.cmp(&b.person));
    members
}

/// A page of members. The segment may be gone by the time that it is read: another version of the project runs then.
async fn page_of(
    api: &Api,
    which: &Exported,
    after: Option<PersonId>,
    limit: usize,
) -> Result<engine::Members, ApiError> {
    let asked = which.clone();
    let page = in_turn(api, Work::Read, move |engine| engine.members(&asked, after, limit)).await?;
    page.ok_or_else(|| no_such_segment(&which.segment))
}

fn member_answer(member: Member) -> MemberAnswer {
    let identifiers = member.identifiers.into_iter().map(|(kind, value)| KindAndValue { kind, value }).collect();
    MemberAnswer { person: member.person, since: member.since, identifiers }
}

/// All members as CSV, page after page, no faster than the client reads.
fn stream_members(
    api: Api,
    program: Arc<Program>,
    which: Exported,
    (audience, after): (Option<Arc<dyn Audience>>, Option<PersonId>),
) -> Response {
    streamed("text/csv; charset=utf-8", async move |lines| {
        let kinds: Vec<&str> = program.identity.identifiers.iter().map(|kind| kind.name.as_str()).collect();
        lines.send(csv::line(["person", "since"].into_iter().chain(kinds.iter().copied()))).await?;
        let mut after = after;
        loop {
            let page = page_of(&api, &which, after, limits::PAGE_MOST).await?.members;
            let Some(last) = page.last() else { return Ok(()) };
            after = parse_person_id(&last.person);
            let count = page.len();
            let text: String = told(audience.as_deref(), page).iter().map(|it| member_line(it, &kinds)).collect();
            lines.send(text).await?;
            if count < limits::PAGE_MOST || after.is_none() {
                return Ok(());
            }
        }
    })
}

fn member_line(member: &Member, kinds: &[&str]) -> String {
    let values: Vec<String> = kinds
        .iter()
        .map(|wanted| {
            let of_kind = member.identifiers.iter().filter(|(kind, _)| kind == wanted);
            of_kind.map(|(_, value)| value.as_str()).collect::<Vec<_>>().join(";")
        })
        .collect();
    let fixed = [member.person.as_str(), member.since.as_str()];
    csv::line(fixed.into_iter().chain(values.iter().map(String::as_str)))
}

/// The segment of this name.
fn find<'p>(program: &'p Program, name: &str) -> Result<(RuleId, &'p Rule), ApiError> {
    match program.rule_named(name) {
        Some((id, rule)) if rule.kind == RuleKind::Segment => Ok((id, rule)),
        Some(_) => Err(ApiError::missing(
            "no_such_segment",
            format!("`{}` is a trait, not a segment", shown(name)),
            "a person's computed traits are in `/api/v1/people/{who}`",
        )),
        None => Err(no_such_segment(name)),
    }
}

fn no_such_segment(name: &str) -> ApiError {
    let message = format!("there is no segment `{}`", shown(name));
    ApiError::missing("no_such_segment", message, "`/api/v1/segments` lists them")
}

fn shown(name: &str) -> String {
    name.chars().take(100).collect()
}
