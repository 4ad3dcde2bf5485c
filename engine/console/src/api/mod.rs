//! The endpoints, one file a group.

mod deliveries;
mod health;
mod manual;
mod people;
mod quarantine;
mod query;
mod segments;

use crate::endpoint::Endpoint;

/// All endpoints, in the order of the documentation.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    let groups = [
        people::endpoints(),
        segments::endpoints(),
        query::endpoints(),
        deliveries::endpoints(),
        quarantine::endpoints(),
        health::endpoints(),
        manual::endpoints(),
    ];
    groups.into_iter().flatten().collect()
}
