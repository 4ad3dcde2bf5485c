//! What was said of somebody's traits, and which of it counts.

use super::people::{find_id, no_such_person, short, who_parameter};
use crate::Api;
use crate::endpoint::{About, Endpoint, filter_parameter, json_of};
use crate::engine::Observed;
use crate::error::ApiError;
use crate::keys::Scope;
use crate::request::{Parameters, path_segment};
use crate::turn::{Work, in_turn};
use axum::Json;
use axum::extract::State;
use axum::http::Uri;

/// Where `{who}` stands in `/api/v1/people/{who}/traits`.
const WHO: usize = 3;

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![Endpoint::get(
        "/api/v1/people/{who}/traits",
        Some(Scope::Read),
        observed,
        About {
            id: "listPersonTraits",
            group: "People",
            summary: "What was said of somebody's traits, and which of it counts",
            description: "All that the log still has: each value with its source, its time and its message, the latest first, and whether it \
            is what the golden record shows. `conflict` says that different values were said, of which `policy` chose one. How long it is \
            kept is for `retention` to say: of events, and of the trait.",
            parameters: vec![who_parameter(), filter_parameter("trait", "Only this trait of `profile.yaml`.")],
            body: None,
            answers: vec![json_of("Observed")],
            refusals: &[400, 404, 422, 503],
        },
    )]
}

async fn observed(State(api): State<Api>, uri: Uri) -> Result<Json<Observed>, ApiError> {
    let parameters = Parameters::read(&uri, &["trait"])?;
    let who = path_segment(&uri, WHO)?;
    let id = find_id(&api, &who)?;
    let wanted = parameters.filter("trait")?;
    if let Some(name) = &wanted
        && !api.engine().program().profile.iter().any(|it| it.name == *name)
    {
        let message = format!("there is no trait `{}`", short(name));
        return Err(ApiError::missing(
            "no_such_trait",
            message,
            "`profile.yaml` declares those that are kept of people",
        ));
    }
    let found = in_turn(&api, Work::Query, move |engine| engine.observed(id)).await?;
    let mut observed = found.ok_or_else(|| no_such_person(&who))?;
    observed.traits.retain(|it| wanted.as_ref().is_none_or(|name| it.name == *name));
    Ok(Json(observed))
}
