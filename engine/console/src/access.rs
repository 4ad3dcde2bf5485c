//! Who may call what.
//!
//! - Once there is a key, every endpoint with a scope needs one, on loopback too.
//! - Without any key, an engine that listens on loopback answers everybody who addresses it as loopback: the `Host` header
//!   is checked, so that a web page whose name suddenly resolves to 127.0.0.1 can't read people through a browser.
//! - A write key of a source is public (it stands in a page), and reads nothing.

use crate::Api;
use crate::audit::Actor;
use crate::error::ApiError;
use crate::keys::Scope;
use axum::http::{HeaderMap, StatusCode, header};
use sonder_dsl::model::WriteKey;
use std::net::IpAddr;

/// Lets a request through, and says whose it is; or says why not.
pub(crate) fn check(api: &Api, scope: Scope, headers: &HeaderMap) -> Result<Actor, ApiError> {
    if api.keys().is_empty() {
        let local = || Actor { id: "local".to_owned(), name: None };
        return if api.open_without_keys() { check_host(headers).map(|()| local()) } else { Err(no_keys_yet()) };
    }
    let secret = bearer(headers)?;
    match api.keys().verify(secret) {
        Some(key) if key.scopes.contains(&scope) => Ok(Actor { id: key.id, name: Some(key.name) }),
        Some(key) => {
            let has: Vec<&str> = key.scopes.iter().map(|scope| scope.name()).collect();
            let message = format!("this key may only {}", has.join(", "));
            Err(forbidden(message, format!("make one with `sonder key create --scope {}`", scope.name())))
        }
        None if is_write_key(api, secret) => Err(forbidden(
            "a write key may only collect".to_owned(),
            format!("make a key for this with `sonder key create --scope {}`", scope.name()),
        )),
        None => Err(unauthenticated("the key is not known", "see `sonder key list`")),
    }
}

/// The secret of `Authorization: Bearer …`.
fn bearer(headers: &HeaderMap) -> Result<&str, ApiError> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Err(unauthenticated("a key is needed", "send `Authorization: Bearer <key>`"));
    };
    let help = "send `Authorization: Bearer <key>`";
    let text = value.to_str().map_err(|_| unauthenticated("the key cannot be read", help))?;
    let (scheme, secret) = text.split_once(' ').unwrap_or((text, ""));
    if !scheme.eq_ignore_ascii_case("bearer") || secret.trim().is_empty() {
        return Err(unauthenticated("the key is not a bearer key", help));
    }
    Ok(secret.trim())
}

/// Whether the request was addressed to this machine by a name that only this machine has.
fn check_host(headers: &HeaderMap) -> Result<(), ApiError> {
    let Some(host) = headers.get(header::HOST) else { return Ok(()) };
    let host = host.to_str().unwrap_or_default();
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    let local = name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    if local {
        return Ok(());
    }
    Err(forbidden(
        "without keys the engine answers only requests that are addressed to `localhost`".to_owned(),
        "make a key with `sonder key create --scope read`, or use `http://127.0.0.1`".to_owned(),
    ))
}

fn is_write_key(api: &Api, secret: &str) -> bool {
    let program = api.engine().program();
    let mut keys = program.sources.iter().flat_map(|source| &source.write_keys);
    keys.any(|key| matches!(key, WriteKey::Literal(literal) if literal == secret))
}

fn no_keys_yet() -> ApiError {
    unauthenticated("this engine has no keys yet", "make one with `sonder key create --scope read`")
}

fn unauthenticated(message: &str, help: &str) -> ApiError {
    ApiError::new(StatusCode::UNAUTHORIZED, "unauthenticated", message, help)
}

fn forbidden(message: String, help: String) -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, "forbidden", message, help)
}
