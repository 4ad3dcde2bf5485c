//! The endpoints, one file a group.

mod audit;
mod consent;
mod deliveries;
mod explain;
mod health;
mod identity;
mod journeys;
mod manual;
mod matching;
mod observed;
mod people;
mod plan;
mod preview;
mod privacy;
mod quarantine;
mod query;
mod retention;
mod segments;

use crate::endpoint::Endpoint;

/// All endpoints, in the order of the documentation.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    let groups = [
        people::endpoints(),
        observed::endpoints(),
        identity::endpoints(),
        matching::endpoints(),
        consent::endpoints(),
        privacy::endpoints(),
        retention::endpoints(),
        segments::endpoints(),
        journeys::endpoints(),
        explain::endpoints(),
        preview::endpoints(),
        plan::endpoints(),
        query::endpoints(),
        deliveries::endpoints(),
        quarantine::endpoints(),
        audit::endpoints(),
        health::endpoints(),
        manual::endpoints(),
    ];
    groups.into_iter().flatten().collect()
}
