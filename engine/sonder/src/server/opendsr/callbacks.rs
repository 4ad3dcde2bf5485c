//! Telling whoever sent requests how far they are: signed, again until it is heard, also after a restart.

use super::{OpenDsrRoute, Refusal, proof, said, standing};
use crate::pipeline::clock;
use reqwest::Client;
use reqwest::redirect::Policy;
use sonder_dsl::time::Duration as Span;
use sonder_store::OpenDsrCallback;
use std::time::Duration;

/// How often it is looked whether something has changed, while a request is open.
const LOOK: Duration = Duration::from_secs(1);
/// How long somebody may take to hear something.
const PATIENCE: Duration = Duration::from_secs(10);
/// After so many tries in a row that failed, each twice as long after the one before up to an hour, it is given up: in three days.
const TRIES: u32 = 80;

/// Tells what there is to tell, until it is aborted.
pub(in crate::server) async fn follow(route: OpenDsrRoute) {
    let http = Client::builder().no_proxy().redirect(Policy::none()).timeout(PATIENCE).build();
    let http = match http {
        Ok(http) => http,
        Err(error) => return tracing::error!(%error, "nobody can be told how far requests by OpenDSR are"),
    };
    loop {
        match tell(&route, &http).await {
            Ok(true) => tokio::time::sleep(LOOK).await,
            Ok(false) => route.news.notified().await,
            Err(_) => tokio::time::sleep(PATIENCE).await,
        }
    }
}

/// Tells what there is to tell now; says whether there may be more later.
async fn tell(route: &OpenDsrRoute, http: &Client) -> Result<bool, Refusal> {
    let Ok((_, settings)) = route.settings() else { return Ok(false) };
    let open = route.in_turn(|answers| Ok(answers.store.open_opendsr()?)).await?;
    let mut is_any_open = false;
    for request in open {
        let it = route.in_turn(move |answers| standing(answers, request)).await?;
        let mut callbacks = it.request.callbacks.clone();
        for callback in callbacks.iter_mut().filter(|it_is| is_due(it_is, it.status)) {
            let mut body = said(&settings, &it);
            body["status_callback_url"] = callback.url.as_str().into();
            let bytes = body.to_string().into_bytes();
            let headers = proof(&settings, &bytes)?;
            let sent = http.post(&callback.url).headers(headers).header("content-type", "application/json").body(bytes);
            let outcome = sent.send().await;
            note(callback, it.status, outcome.is_ok_and(|answer| answer.status().is_success()));
        }
        let is_final = matches!(it.status, "completed" | "cancelled");
        let is_heard =
            callbacks.iter().all(|callback| callback.failed >= TRIES || callback.told.as_deref() == Some(it.status));
        let is_open = !(callbacks.is_empty() || is_final && is_heard);
        is_any_open |= is_open;
        if callbacks != it.request.callbacks || !is_open {
            let id = it.request.id.clone();
            route.in_turn(move |answers| Ok(answers.store.note_opendsr_told(&id, &callbacks, is_open)?)).await?;
        }
    }
    Ok(is_any_open)
}

fn is_due(callback: &OpenDsrCallback, status: &str) -> bool {
    callback.told.as_deref() != Some(status) && callback.failed < TRIES && callback.again_at <= clock::wall().0
}

fn note(callback: &mut OpenDsrCallback, status: &str, is_heard: bool) {
    if is_heard {
        *callback =
            OpenDsrCallback { told: Some(status.to_owned()), failed: 0, again_at: 0, url: callback.url.clone() };
        return;
    }
    callback.failed += 1;
    let wait = Span::from_secs(1_i64.checked_shl(callback.failed).unwrap_or(i64::MAX).clamp(1, 3_600));
    callback.again_at = clock::wall().plus(wait).0;
    if callback.failed == TRIES {
        tracing::warn!(url = callback.url, "nobody there hears how far a request by OpenDSR is; it is given up");
    }
}
