//! Access tokens for Google's APIs, for the plugins that call them.
//!
//! <https://developers.google.com/identity/protocols/oauth2/web-server#offline>: a refresh token, which the host fills in,
//! gives an access token of an hour. Each batch asks for one and forgets it: what lasts stays out of the sandbox.

use serde_json::Value;
use sonder_plugin::{Description, Now, Outcome, Request, outcome};

/// The host that gives out tokens; it belongs into `hosts`.
pub const TOKEN_HOST: &str = "oauth2.googleapis.com";

/// Adds the secrets that [`access_token`] needs.
#[must_use]
pub fn secrets(description: Description, scope: &str) -> Description {
    secrets_when(description, scope, Value::Bool(true))
}

/// Adds them for configurations that fit a JSON Schema.
#[must_use]
pub fn secrets_when(description: Description, scope: &str, schema: Value) -> Description {
    let refresh_token = format!("a refresh token of that client with the scope `{scope}`");
    description
        .secret_when("client_id", "the OAuth client's id", schema.clone())
        .secret_when("client_secret", "the OAuth client's secret", schema.clone())
        .secret_when("refresh_token", &refresh_token, schema)
}

/// An access token, as the value of `authorization`.
///
/// # Errors
/// What becomes of all items instead.
pub fn access_token(now: Now) -> Result<String, Outcome> {
    let body = "grant_type=refresh_token&client_id={{secret:client_id}}&client_secret={{secret:client_secret}}\
                &refresh_token={{secret:refresh_token}}";
    let answer = Request::post("https://oauth2.googleapis.com/token")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body.as_bytes().to_vec())
        .fill_body()
        .send();
    match outcome(&answer, now) {
        Outcome::Delivered => {}
        // `invalid_grant` and its like: nothing that an item could be blamed for.
        Outcome::Rejected(why) => return Err(Outcome::Unauthorized(format!("no access token: {why}"))),
        other => return Err(other),
    }
    let body = answer.map(|response| response.body).unwrap_or_default();
    let told: Value = serde_json::from_slice(&body).unwrap_or_default();
    match told.get("access_token").and_then(Value::as_str) {
        Some(token) => Ok(format!("Bearer {token}")),
        None => Err(Outcome::RetryAfter(0)),
    }
}
