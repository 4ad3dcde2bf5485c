//! The audit log: who read about people, took data away or changed something, through the API.
//!
//! It is a file of its own in the data directory ([`AuditLog`]), so that reading costs no transaction. What it says names nobody:
//! people stand in it as a pseudonym of their id, statements without the values in them. So an erasure leaves it as it is, and it
//! proves what was done about whoever comes with their identifier.
//!
//! A file of people's data is on record, on the disk, before it leaves: where it cannot be, nobody gets it. A look is let through all
//! the same, since pages wait for it; `sonder_audit_failures_total` counts what is missing.

mod chain;
mod file;
mod statement;

pub use chain::{Audited, Chain, Check, Deed};
pub use file::{AuditLog, AuditLogError, Page, lines_of};
pub(crate) use statement::without_values;

use crate::Api;
use crate::error::ApiError;
use crate::limits;
use axum::extract::Request;
use axum::http::header;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use sonder_core::effect::PersonId;
use std::cell::RefCell;

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeedKind {
    /// Something about people was looked at.
    Read,
    /// Data of people left as a file.
    Export,
    /// Something is other than it was.
    Change,
}

impl DeedKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Read, Self::Export, Self::Change];

    /// As it is shown.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Export => "export",
            Self::Change => "change",
        }
    }

    /// Of an operation of the API; `None` for those that tell nothing of anybody.
    fn of(operation: &str) -> Option<Self> {
        Some(match operation {
            "getStatus" | "listSegments" | "getSegment" | "listJourneys" | "getJourney" | "getMatching"
            | "getRetention" => return None,
            "getPersonBundle" | "getPrivacyBundle" => Self::Export,
            "mergePeople"
            | "splitPerson"
            | "matchPeople"
            | "acceptMatchPair"
            | "rejectMatchPair"
            | "putConsent"
            | "createPrivacyRequest"
            | "stepPrivacyRequest"
            | "expire"
            | "apply"
            | "replayDeliveries"
            | "replayQuarantine"
            | "dismissQuarantine" => Self::Change,
            _ => Self::Read,
        })
    }
}

/// Who asks: a key, or whoever reaches an engine that has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Actor {
    /// The key's id, or `local`.
    pub id: String,
    /// The key's name.
    pub name: Option<String>,
}

/// What a request turned out to be about.
#[derive(Default)]
struct Noted {
    people: Vec<PersonId>,
    about: Option<String>,
}

tokio::task_local! {
    static NOTED: RefCell<Noted>;
}

/// Notes whom a request is about, also besides others.
pub(crate) fn note_person(person: PersonId) {
    // Where nobody keeps records, as in tests of a handler, nobody listens.
    let _ = NOTED.try_with(|noted| {
        let people = &mut noted.borrow_mut().people;
        if !people.contains(&person) && people.len() < limits::AUDITED_PEOPLE {
            people.push(person);
        }
    });
}

/// Notes what a request is about besides.
pub(crate) fn note_about(about: String) {
    let _ = NOTED.try_with(|noted| noted.borrow_mut().about = Some(about));
}

/// Answers a request that was let in, and puts it on record.
pub(crate) async fn recorded(
    api: &Api,
    actor: Actor,
    operation: &'static str,
    path: (&'static str, String),
    request: Request,
    next: Next,
) -> Response {
    let Some(kind) = DeedKind::of(operation) else { return next.run(request).await };
    let noted = RefCell::new(Noted { about: named_by(path.0, &path.1), ..Noted::default() });
    let (response, noted) = NOTED
        .scope(noted, async {
            let response = next.run(request).await;
            let noted = NOTED.with(RefCell::take);
            (response, noted)
        })
        .await;
    let kind = if kind == DeedKind::Read && is_file(&response) { DeedKind::Export } else { kind };
    let deed = Deed {
        actor: actor.id,
        name: actor.name,
        operation: operation.to_owned(),
        kind,
        subject: None,
        // What was refused may be named anyhow.
        about: noted.about.filter(|_| response.status().is_success()),
        status: Some(response.status().as_u16()),
    };
    // An entry for each of them, so that it is found by each.
    let subjects: Vec<Option<String>> = noted.people.iter().map(|it| Some(api.engine().subject(*it))).collect();
    for subject in if subjects.is_empty() { vec![None] } else { subjects } {
        match api.record(Deed { subject, ..deed.clone() }).await {
            Err(error) if kind == DeedKind::Export => return error.into_response(),
            // What has happened has.
            Ok(()) | Err(_) => {}
        }
    }
    response
}

impl Api {
    /// Puts something on record. Returns when it is there: what is more than a look, on the disk.
    pub(crate) async fn record(&self, deed: Deed) -> Result<(), ApiError> {
        let Some(log) = self.audit().cloned() else { return Ok(()) };
        let is_look = deed.kind == DeedKind::Read;
        if is_look && !self.engine().program().settings.audits_looks {
            return Ok(());
        }
        let written = match log.note(deed) {
            Ok(has_to_sync) if is_look => {
                if has_to_sync {
                    // For all who look meanwhile; nobody waits for it.
                    tokio::spawn(async move {
                        tokio::time::sleep(file::LATEST).await;
                        tokio::task::spawn_blocking(move || log.sync()).await
                    });
                }
                return Ok(());
            }
            Ok(_) => tokio::task::spawn_blocking(move || log.sync()).await,
            Err(error) => Ok(Err(error)),
        };
        let reason = match written {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        tracing::error!(reason, "what was done cannot be put on record");
        metrics::counter!("sonder_audit_failures_total").increment(1);
        Err(ApiError::unavailable("audit", "it cannot be put on record that this leaves, so that it does not", 5))
    }
}

/// Whether an answer is a table to take away, not something to look at.
fn is_file(response: &Response) -> bool {
    let media = response.headers().get(header::CONTENT_TYPE).and_then(|media| media.to_str().ok()).unwrap_or_default();
    ["text/csv", "application/vnd.apache.parquet"].iter().any(|table| media.starts_with(table))
}

/// What a path names besides people: the segment of `/api/v1/segments/{name}/members`.
fn named_by(template: &str, path: &str) -> Option<String> {
    let pairs = template.split('/').zip(path.split('/'));
    let named = pairs.filter(|(part, _)| part.starts_with('{') && *part != "{who}").map(|(_, value)| value);
    let named: Vec<String> = named.map(|value| value.chars().take(200).collect()).collect();
    (!named.is_empty()).then(|| named.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An operation that nobody has thought about would count as a look.
    #[test]
    fn what_changes_something_is_called_a_change_and_what_only_tells_is_not() {
        for endpoint in crate::api::endpoints().iter().filter(|it| it.scope.is_some()) {
            let (id, kind) = (endpoint.about.id, DeedKind::of(endpoint.about.id));
            let verb = ["get", "list", "preview", "explain", "plan", "query"].iter().any(|verb| id.starts_with(verb));
            assert_eq!(kind == Some(DeedKind::Change), !verb, "{id}");
        }
    }

    #[test]
    fn a_path_says_what_it_is_about_but_not_whom() {
        assert_eq!(named_by("/api/v1/people/{who}/graph", "/api/v1/people/email:a%40b.c/graph"), None);
        assert_eq!(named_by("/s/{name}/members", "/s/buyers/members"), Some("buyers".to_owned()));
    }
}
