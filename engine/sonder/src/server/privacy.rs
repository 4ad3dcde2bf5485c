//! Requests of people about what is known of them: entered, dealt with, and put down step by step.
//!
//! ```text
//!  pending ──approve──▶ in_progress ──▶ completed ──lift──▶ lifted     restrictions, objections and opt-outs are lifted
//!     └──cancel──▶ cancelled
//! ```
//!
//! A restriction is a message of the log, as consent is, so that a replay knows of it; it binds until another lifts it. An erasure
//! is completed when the bytes are gone and destinations have been told.

use super::answers::{Answers, trouble};
use super::speech::{refused, unavailable};
use crate::pipeline::{EraseError, clock};
use serde_json::{Map, Value as Json, json};
use sonder_console::engine::{
    Erasure, ErasureState, OpenRequests, PrivacyRequest, RequestAction, RequestAsked, RequestNote, RequestStep, Right,
    ToldDestination, Trouble, instant,
};
use sonder_core::consent::ANYTHING_NAME;
use sonder_core::effect::PersonId;
use sonder_core::message::Call;
use sonder_core::view::PersonView;
use sonder_dsl::ir::Program;
use sonder_dsl::model::consent::place;
use sonder_dsl::model::consent::regime::{Regime, SHIPPED};
use sonder_dsl::time::{Duration, Moment};
use sonder_store::{Request, RequestChange, RequestState, StoreError};
use std::collections::BTreeSet;
use std::sync::Arc;

const DAY: i64 = 86_400;
/// What is due within so many days is due soon.
const SOON: i64 = 7;

/// What people object to who do not say to what: what is done for the good of whoever has the data.
const OBJECTED: [&str; 5] = ["marketing", "advertising", "targeting", "sale", "personalization"];
/// What an opt-out is about.
const SOLD: [&str; 3] = ["sale", "advertising", "targeting"];

impl Answers {
    pub(super) fn enter_request(&self, asked: &RequestAsked) -> Result<Option<PrivacyRequest>, Trouble> {
        let program = self.shared.program.borrow().clone();
        let now = clock::wall();
        let received_at = asked.received_at.map_or(now, |at| at.min(now));
        let purposes = purposes(&program, asked)?;
        let named = asked.regime.as_deref().map(named_regime).transpose()?;
        let person = match asked.person {
            Some(person) => person,
            None => self.make_known(&program, &asked.subject)?,
        };
        let Some(view) = self.view(person)? else { return Ok(None) };
        let regime = named.map_or_else(|| regime(&program, &view), Ok)?;
        let due = |days: u16| received_at.plus(Duration::from_secs(i64::from(days) * DAY));
        let days = regime.days;
        let answer = if asked.right == Right::OptOut { days.opt_out.unwrap_or(days.answer) } else { days.answer };
        let step = |name: &str| step(name, now, &asked.note);
        let request = Request {
            id: uuid::Uuid::new_v4().to_string(),
            kind: asked.right.name().to_owned(),
            state: if asked.waits { RequestState::Pending } else { RequestState::InProgress },
            person: Some(view.id),
            subject: Some(asked.subject.clone()),
            regime: Some(regime.name.clone()),
            purposes,
            received_at,
            confirm_by: days.confirm.map(due),
            due_at: due(answer),
            extended: false,
            closed_at: None,
            origin: asked.origin.to_owned(),
            steps: vec![step("received")],
        };
        self.store.open_request(&request).map_err(trouble)?;
        if !asked.waits {
            self.deal_with(&request, &view)?;
        }
        self.find_request(&request.id)
    }

    /// Makes somebody known by an identifier, who is not yet: so that what they ask for holds when they come.
    fn make_known(&self, program: &Arc<Program>, subject: &str) -> Result<PersonId, Trouble> {
        let nobody = || refused(format!("`{subject}` names nobody"), "name them by `kind:value`".to_owned());
        let (kind, value) = subject.split_once(':').ok_or_else(nobody)?;
        let id = program.identity.kind_named(kind).ok_or_else(nobody)?;
        let identifier = self.governor(program).identifier(id, value).ok_or_else(nobody)?;
        let named = json!([{"kind": kind, "value": &*identifier.value}]);
        let message = Map::from_iter([("identifiers".to_owned(), named)]);
        let spoken = self.speak(program, message, Some(Call::Seen), "name them by an identifier of `identity.yaml`")?;
        self.submit(program, spoken)?;
        self.await_folded();
        self.shared.live.read().state.resolve(&identifier).ok_or_else(nobody)
    }

    /// Does what a request asks.
    fn deal_with(&self, request: &Request, view: &PersonView) -> Result<(), Trouble> {
        let right = right(&request.kind);
        if right == Some(Right::Erasure) {
            let Some(eraser) = &self.eraser else { return Err(unavailable("the engine does not run")) };
            return eraser.erase(view.id, &request.id).map(drop).map_err(erase_trouble);
        }
        if right.is_some_and(Right::binds) {
            self.bind(view, Call::Restrict, &request.purposes, request)?;
            let change = RequestChange { state: Some(RequestState::Completed), due_at: None };
            self.note_step(&request.id, "completed", &RequestNote::default(), change)?;
        }
        Ok(())
    }

    pub(super) fn find_request(&self, id: &str) -> Result<Option<PrivacyRequest>, Trouble> {
        let Some(request) = self.store.request(id).map_err(trouble)? else { return Ok(None) };
        self.shared.note_requests(&self.store);
        self.shown(request).map(Some).map_err(trouble)
    }

    pub(super) fn list_requests(&self, only_open: bool) -> Result<Vec<PrivacyRequest>, Trouble> {
        let requests = self.store.requests(only_open).map_err(trouble)?;
        requests.into_iter().map(|it| self.shown(it)).collect::<Result<_, _>>().map_err(trouble)
    }

    pub(super) fn act_on_request(
        &self,
        id: &str,
        action: RequestAction,
        note: &RequestNote,
    ) -> Result<Option<PrivacyRequest>, Trouble> {
        let Some(request) = self.store.request(id).map_err(trouble)? else { return Ok(None) };
        let right = right(&request.kind);
        let is_handed_over = matches!(right, Some(Right::Access | Right::Portability));
        let to = |state| RequestChange { state: Some(state), due_at: None };
        match (action, request.state) {
            (RequestAction::Approve, RequestState::Pending) => {
                let view = self.whose(&request)?;
                self.note_step(id, "approved", note, to(RequestState::InProgress))?;
                self.deal_with(&request, &view)?;
            }
            (RequestAction::Cancel, RequestState::Pending) => {
                self.note_step(id, "cancelled", note, to(RequestState::Cancelled))?;
            }
            (RequestAction::Complete, RequestState::InProgress) if is_handed_over => {
                self.note_step(id, "completed", note, to(RequestState::Completed))?;
            }
            (RequestAction::Extend, RequestState::Pending | RequestState::InProgress) if !request.extended => {
                let law = SHIPPED.iter().find(|it| Some(&it.name) == request.regime.as_ref());
                let days = law.map_or(0, |it| it.days.extension);
                if days == 0 {
                    let law = request.regime.unwrap_or_default();
                    return Err(refused(format!("`{law}` allows no putting off"), "deal with it in time".to_owned()));
                }
                let due_at = request.due_at.plus(Duration::from_secs(i64::from(days) * DAY));
                self.note_step(id, "extended", note, RequestChange { state: None, due_at: Some(due_at) })?;
            }
            (RequestAction::Lift, RequestState::Completed) if right.is_some_and(Right::binds) => {
                let view = self.whose(&request)?;
                let freed = self.freed_by(&request, &view)?;
                if !freed.is_empty() {
                    self.bind(&view, Call::Release, &freed, &request)?;
                }
                self.note_step(id, "lifted", note, to(RequestState::Lifted))?;
            }
            (_, state) => {
                let (kind, state) = (&request.kind, state.name());
                let asked = serde_json::to_value(action).unwrap_or_default();
                let asked = asked.as_str().unwrap_or_default();
                let help = "approve or cancel what is pending, extend once what is open, complete access and portability, lift what binds";
                return Err(refused(
                    format!("one of the kind `{kind}` that is `{state}` has no `{asked}`"),
                    help.to_owned(),
                ));
            }
        }
        self.find_request(id)
    }

    fn whose(&self, request: &Request) -> Result<PersonView, Trouble> {
        let view = request.person.map(|id| self.view(id)).transpose()?.flatten();
        view.ok_or_else(|| refused("nobody is known any more whom it is about".to_owned(), "cancel it".to_owned()))
    }

    /// The purposes that nothing binds any more once this request is lifted.
    fn freed_by(&self, request: &Request, view: &PersonView) -> Result<Vec<String>, Trouble> {
        let all = self.store.requests(false).map_err(trouble)?;
        let is_theirs = |id: PersonId| self.shared.live.read().state.canonical(id) == view.id;
        let others = all.into_iter().filter(|it| {
            let binds = right(&it.kind).is_some_and(Right::binds) && it.state == RequestState::Completed;
            binds && it.id != request.id && it.person.is_some_and(is_theirs)
        });
        let still: BTreeSet<String> = others.flat_map(|it| it.purposes).collect();
        Ok(request.purposes.iter().filter(|it| !still.contains(*it)).cloned().collect())
    }

    /// Binds somebody's purposes, or frees them, by a message of the log; returns when it is folded.
    fn bind(&self, view: &PersonView, call: Call, purposes: &[String], request: &Request) -> Result<(), Trouble> {
        let program = self.shared.program.borrow().clone();
        let known = view.identifiers.iter().find(|it| !it.former);
        let Some(known) = known else {
            return Err(refused("they have no identifier".to_owned(), "name them by one".to_owned()));
        };
        let message = Map::from_iter([
            ("identifiers".to_owned(), json!([{"kind": known.kind, "value": known.value}])),
            ("purposes".to_owned(), json!(purposes)),
            ("right".to_owned(), request.kind.as_str().into()),
            ("request".to_owned(), request.id.as_str().into()),
        ]);
        let spoken = self.speak(&program, message, Some(call), "name somebody by an identifier of `identity.yaml`")?;
        self.submit(&program, spoken)?;
        self.await_folded();
        Ok(())
    }

    fn note_step(&self, id: &str, name: &str, note: &RequestNote, change: RequestChange) -> Result<(), Trouble> {
        self.store.step_request(id, &step(name, clock::wall(), note), change).map_err(trouble)
    }

    fn shown(&self, request: Request) -> Result<PrivacyRequest, StoreError> {
        let erasure = if request.kind == Right::Erasure.name() { self.store.erasure(&request.id)? } else { None };
        let steps = request.steps.into_iter().map(|it| RequestStep {
            at: instant(it.at),
            step: it.step,
            by: it.by,
            note: it.note,
        });
        Ok(PrivacyRequest {
            id: request.id,
            kind: request.kind,
            state: request.state.name(),
            subject: request.subject,
            regime: request.regime,
            purposes: request.purposes,
            received_at: instant(request.received_at),
            confirm_by: request.confirm_by.map(instant),
            due_at: instant(request.due_at),
            extended: request.extended,
            overdue: request.state.is_open() && request.due_at < clock::wall(),
            closed_at: request.closed_at.map(instant),
            steps: steps.collect(),
            erasure: erasure.map(erased),
        })
    }

    /// What is still to be done, as far as it is known without asking the store.
    pub(super) fn open_requests(&self) -> OpenRequests {
        let due = self.shared.open_requests.read();
        let now = clock::wall();
        let soon = now.plus(Duration::from_secs(SOON * DAY));
        let count = |by: Moment| due.iter().filter(|at| **at < by).count() as u64;
        let overdue = count(now);
        OpenRequests {
            open: due.len() as u64,
            due_soon: count(soon) - overdue,
            overdue,
            next_due_at: due.iter().min().copied().map(instant),
        }
    }
}

pub(super) fn erase_trouble(error: EraseError) -> Trouble {
    match error {
        EraseError::Nobody => refused("nobody is known by that id".to_owned(), "they may be erased".to_owned()),
        EraseError::Behind => unavailable("the engine is too far behind the log"),
        EraseError::Stopping => unavailable("the engine is stopping"),
        EraseError::Store(error) => trouble(error),
        EraseError::Io(_) | EraseError::State(_) => Trouble::Internal(error.to_string()),
    }
}

fn step(name: &str, at: Moment, note: &RequestNote) -> sonder_store::RequestStep {
    let RequestNote { by, note } = note.clone();
    sonder_store::RequestStep { at, step: name.to_owned(), by, note }
}

fn right(kind: &str) -> Option<Right> {
    Right::ALL.into_iter().find(|right| right.name() == kind)
}

fn named_regime(name: &str) -> Result<&'static Regime, Trouble> {
    let known = || SHIPPED.iter().map(|it| format!("`{}`", it.name)).collect::<Vec<_>>().join(", ");
    let found = SHIPPED.iter().find(|it| it.name == name);
    found.ok_or_else(|| refused(format!("there is no regime `{name}`"), format!("there are {}", known())))
}

/// The law of where somebody lives.
fn regime(program: &Program, view: &PersonView) -> Result<&'static Regime, Trouble> {
    let residence = program.consent.residence.iter().filter_map(|id| program.profile.get(id.index()));
    let said = residence.filter_map(|it| view.traits.iter().find(|known| known.name == it.name));
    let place = said.filter_map(|it| place::read(it.value.as_str()?)).next();
    let found = program.consent.regime_at(place.as_deref());
    found.ok_or_else(|| Trouble::Internal("no regime is shipped".to_owned()))
}

/// The purposes that a request is about.
fn purposes(program: &Program, asked: &RequestAsked) -> Result<Vec<String>, Trouble> {
    let consent = &program.consent;
    let all = || consent.purposes.iter().map(|it| it.name.clone());
    if !asked.right.binds() {
        return match &asked.purposes {
            None => Ok(Vec::new()),
            Some(_) => Err(refused(
                format!("a request of the kind `{}` is about everything", asked.right.name()),
                "leave `purposes` out".to_owned(),
            )),
        };
    }
    if let Some(named) = &asked.purposes {
        if let Some(unknown) = named.iter().find(|name| consent.purpose(name).is_none()) {
            let known = all().map(|it| format!("`{it}`")).collect::<Vec<_>>().join(", ");
            return Err(refused(format!("there is no purpose `{unknown}`"), format!("there are {known}")));
        }
        if named.is_empty() {
            return Err(refused("`purposes` names nothing".to_owned(), "leave it out, or name some".to_owned()));
        }
        return Ok(named.clone());
    }
    let kinds = match asked.right {
        Right::Restriction => return Ok(all().chain([ANYTHING_NAME.to_owned()]).collect()),
        Right::OptOut => &SOLD[..],
        _ => &OBJECTED[..],
    };
    let found: Vec<String> = consent.of_kinds(kinds).into_iter().map(str::to_owned).collect();
    if found.is_empty() {
        let kinds = kinds.iter().map(|it| format!("`{it}`")).collect::<Vec<_>>().join(", ");
        let help = "name `purposes`, or say in consent.yaml of which `kind` they are".to_owned();
        return Err(refused(format!("the project has no purpose of the kinds {kinds}"), help));
    }
    Ok(found)
}

fn erased(it: sonder_store::Erasure) -> Erasure {
    Erasure {
        state: match (it.completed_at, it.erased_at) {
            (Some(_), _) => ErasureState::Completed,
            (None, Some(_)) => ErasureState::Erased,
            (None, None) => ErasureState::Struck,
        },
        erased_at: it.erased_at.map(instant),
        completed_at: it.completed_at.map(instant),
        messages: it.messages,
        redacted: it.redacted,
        destinations: it.told.into_iter().map(told).collect(),
    }
}

fn told(it: sonder_store::ToldErasure) -> ToldDestination {
    let ended_at = it.ended_at.map(instant);
    let sonder_store::ToldErasure { destination, state, attempts, detail, .. } = it;
    ToldDestination { destination, state, attempts, detail, ended_at }
}

/// The bundle, see [`bundle`](super::bundle).
impl Answers {
    pub(super) fn bundle_of(&self, id: PersonId) -> Result<Option<Json>, Trouble> {
        let Some(view) = self.view(id)? else { return Ok(None) };
        super::bundle::of(self, &view).map(Some)
    }
}
