//! `since`: how long ago the latest event was. The value grows with the clock, so it is given as a line, and a
//! comparison with a constant knows the microsecond at which it flips.

use super::moments::Latest;
use super::{Occurrence, Spec};
use crate::datum::Datum;
use crate::evaluate::Answer;
use serde::{Deserialize, Serialize};
use sonder_dsl::time::Moment;

/// The latest event.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Since {
    pub(super) latest: Latest,
}

impl Since {
    pub fn insert(&mut self, it: &Occurrence<'_>) {
        self.latest.note(it.at);
    }

    pub fn merge(&mut self, other: &Self) {
        if let Some(at) = other.latest.get() {
            self.latest.note(at);
        }
    }

    pub fn read(&self, now: Moment, spec: &Spec) -> Answer<'static> {
        since(self.latest.get(), now, spec)
    }
}

/// The line that starts at the latest event.
pub fn since(latest: Option<Moment>, now: Moment, spec: &Spec) -> Answer<'static> {
    match latest.filter(|at| spec.admits(*at, now)) {
        Some(at) => Answer { datum: Datum::Duration(now.since(at)), until: spec.end(at), rate: 1 },
        None => Answer::constant(Datum::Unknown),
    }
}
