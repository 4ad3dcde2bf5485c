//! `since`: how long ago the latest event was. The value grows with the clock, so it is given as a line, and a
//! comparison with a constant knows the microsecond at which it flips.

use super::{Occurrence, Spec};
use crate::datum::Datum;
use crate::evaluate::Answer;
use serde::{Deserialize, Serialize};
use sonder_dsl::time::Moment;

/// The latest event.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Since {
    latest: Option<Moment>,
}

impl Since {
    pub fn insert(&mut self, it: &Occurrence<'_>) {
        self.latest = self.latest.max(Some(it.at));
    }

    pub fn merge(&mut self, other: Self) {
        self.latest = self.latest.max(other.latest);
    }

    pub fn read(&self, now: Moment, spec: &Spec) -> Answer<'static> {
        match self.latest.filter(|at| spec.admits(*at, now)) {
            Some(at) => Answer { datum: Datum::Duration(now.since(at)), until: spec.end(at), rate: 1 },
            None => Answer::constant(Datum::Unknown),
        }
    }
}
