//! Reading requests strictly: what is not understood is refused with help, never ignored.

use crate::engine::{parse_instant, parse_person_id};
use crate::error::ApiError;
use crate::limits;
use axum::body::{Bytes, HttpBody};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::IntoResponse;
use serde::de::DeserializeOwned;
use sonder_core::effect::PersonId;
use sonder_dsl::time::Moment;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The query parameters of a request, each at most once, all of them known.
#[derive(Debug)]
pub struct Parameters(Vec<(&'static str, String)>);

impl Parameters {
    /// Reads a query string that may have these parameters and no others.
    pub fn read(uri: &Uri, known: &[&'static str]) -> Result<Self, ApiError> {
        let mut found: Vec<(&'static str, String)> = Vec::new();
        for pair in uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decode(&name.replace('+', " "))?;
            let Some(&name) = known.iter().find(|known| **known == name) else {
                return Err(ApiError::bad(
                    "unknown_parameter",
                    format!("there is no parameter `{name}` here"),
                    match known {
                        [] => "this request takes no parameters".to_owned(),
                        _ => format!("it takes {}", quoted(known)),
                    },
                ));
            };
            if found.iter().any(|(earlier, _)| *earlier == name) {
                let message = format!("`{name}` is given twice");
                return Err(ApiError::bad("repeated_parameter", message, "give it once"));
            }
            found.push((name, decode(&value.replace('+', " "))?));
        }
        Ok(Self(found))
    }

    /// A parameter as it was given.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| *found == name).map(|(_, value)| value.as_str())
    }

    /// A filter's value: not empty, and not too long.
    pub fn filter(&self, name: &str) -> Result<Option<String>, ApiError> {
        let Some(value) = self.text(name) else { return Ok(None) };
        let length = value.chars().count();
        if length == 0 || length > limits::FILTER_CHARS {
            return Err(bad_parameter(name, value, &format!("1 to {} characters", limits::FILTER_CHARS)));
        }
        Ok(Some(value.to_owned()))
    }

    /// How many items the client wants on a page.
    pub fn limit(&self, default: usize, most: usize) -> Result<usize, ApiError> {
        let Some(value) = self.text("limit") else { return Ok(default) };
        whole_number(value)
            .and_then(|limit| usize::try_from(limit).ok())
            .filter(|limit| (1..=most).contains(limit))
            .ok_or_else(|| bad_parameter("limit", value, &format!("a whole number from 1 to {most}")))
    }

    /// A whole number.
    pub fn number(&self, name: &str) -> Result<Option<u64>, ApiError> {
        let Some(value) = self.text(name) else { return Ok(None) };
        let number = whole_number(value).filter(|number| *number <= i64::MAX as u64);
        number.map(Some).ok_or_else(|| bad_parameter(name, value, "a whole number"))
    }

    /// Where a page begins: the `next` of the page before it, or a timestamp.
    pub fn cursor<T>(
        &self,
        name: &str,
        place: fn(&str) -> Option<T>,
        at: fn(Moment) -> T,
    ) -> Result<Option<T>, ApiError> {
        let Some(value) = self.text(name) else { return Ok(None) };
        let from_cursor = value.split_once('_').and_then(|_| place(value));
        from_cursor.or_else(|| parse_instant(value).map(at)).map(Some).ok_or_else(|| {
            bad_parameter(name, value, "the `next` of another page, or a timestamp such as `2026-03-01T03:00:00Z`")
        })
    }

    /// The id of a person.
    pub fn person_id(&self, name: &str) -> Result<Option<PersonId>, ApiError> {
        let Some(value) = self.text(name) else { return Ok(None) };
        parse_person_id(value).map(Some).ok_or_else(|| bad_parameter(name, value, "32 hexadecimal digits"))
    }
}

/// Splits a cursor `<microseconds>_<place>`.
pub fn split_cursor(text: &str) -> Option<(Moment, &str)> {
    let (at, place) = text.split_once('_')?;
    Some((Moment(at.parse().ok()?), place))
}

/// A parameter whose value cannot be.
pub fn bad_parameter(name: &str, value: &str, expected: &str) -> ApiError {
    let shown: String = value.chars().take(60).collect();
    ApiError::bad("bad_parameter", format!("`{name}` cannot be `{shown}`"), format!("it is {expected}"))
}

/// The path segment at `index`, decoded.
pub fn path_segment(uri: &Uri, index: usize) -> Result<String, ApiError> {
    decode(uri.path().split('/').skip(1).nth(index).unwrap_or_default())
}

/// Refuses a path and query that are too long.
pub fn check_uri(uri: &Uri) -> Result<(), ApiError> {
    let length = uri.path().len() + uri.query().map_or(0, |query| query.len() + 1);
    if length <= limits::URI_BYTES {
        return Ok(());
    }
    Err(ApiError::new(
        StatusCode::URI_TOO_LONG,
        "uri_too_long",
        format!("path and query have {length} bytes"),
        format!("at most {} are read", limits::URI_BYTES),
    ))
}

/// "`a`, `b`, `c`".
pub fn quoted(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

/// Percent-decoding that refuses what is not an encoding of UTF-8 text, control characters included.
fn decode(text: &str) -> Result<String, ApiError> {
    let bad = |what: &str| {
        ApiError::bad("bad_encoding", what, "encode the UTF-8 bytes of special characters as `%` and two hex digits")
    };
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        if *first != b'%' {
            bytes.push(*first);
            rest = tail;
            continue;
        }
        let [high, low, tail @ ..] = tail else { return Err(bad("the address ends inside a `%` encoding")) };
        let (Some(high), Some(low)) = (hex(*high), hex(*low)) else {
            return Err(bad("a `%` in the address is not followed by two hex digits"));
        };
        bytes.push(high * 16 + low);
        rest = tail;
    }
    let text = String::from_utf8(bytes).map_err(|_| bad("the address is not UTF-8"))?;
    if text.chars().any(char::is_control) {
        return Err(bad("the address has a control character"));
    }
    Ok(text)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// Digits only: no sign, no blanks.
fn whole_number(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// Reads a JSON body strictly: its media type, its size, its fields. `example` is one that would be read.
pub async fn read_json<T: DeserializeOwned>(request: Request, example: &str) -> Result<T, ApiError> {
    read_large_json(request, example, limits::BODY_BYTES).await
}

/// The same for a body of up to `most` bytes, which the endpoint must let through.
pub async fn read_large_json<T: DeserializeOwned>(request: Request, example: &str, most: usize) -> Result<T, ApiError> {
    check_media_type(request.headers())?;
    let too_large = || {
        let help = format!("at most {most} bytes are read");
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "the body is too large", help)
    };
    if request.body().size_hint().lower() > most as u64 {
        return Err(too_large());
    }
    let body =
        Bytes::from_request(request, &()).await.map_err(|rejection| match rejection.into_response().status() {
            StatusCode::PAYLOAD_TOO_LARGE => too_large(),
            _ => ApiError::bad("bad_body", "the body could not be read to its end", "send it again"),
        })?;
    let bad = |reason: String| {
        let help = format!("send a JSON object such as `{example}`");
        ApiError::bad("bad_body", format!("the body cannot be read: {reason}"), help)
    };
    // A struct would also be read from a list of its fields' values.
    if body.trim_ascii_start().starts_with(b"[") {
        return Err(bad("it is a list".to_owned()));
    }
    serde_json::from_slice(&body).map_err(|error| bad(error.to_string()))
}

fn check_media_type(headers: &HeaderMap) -> Result<(), ApiError> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media = given.split(';').next().unwrap_or_default().trim();
    if media.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(ApiError::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported_media_type",
        "the body is not JSON",
        "send it with `Content-Type: application/json`",
    ))
}

/// Tells those who work for a client that it has left: when it is dropped.
#[derive(Debug, Default)]
pub struct Waiting(Arc<AtomicBool>);

impl Waiting {
    /// Set when the client has left.
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoding_is_strict() {
        assert_eq!(decode("a%20b%C3%A9").unwrap(), "a bé");
        for wrong in ["%", "%4", "%zz", "%ff", "%00", "a%0Ab"] {
            assert_eq!(decode(wrong).unwrap_err().code, "bad_encoding", "{wrong}");
        }
    }

    #[test]
    fn parameters_are_known_and_given_once() {
        let read = |query: &str| Parameters::read(&format!("/x?{query}").parse().unwrap(), &["limit", "before"]);
        assert_eq!(read("limit=5&before=a+b%2B").unwrap().text("before"), Some("a b+"));
        assert_eq!(read("limits=5").unwrap_err().help, "it takes `limit`, `before`");
        assert_eq!(read("limit=5&limit=5").unwrap_err().code, "repeated_parameter");
    }

    #[test]
    fn a_page_has_one_to_most_items() {
        let limit = |text: &str| {
            Parameters::read(&format!("/x?limit={text}").parse().unwrap(), &["limit"]).unwrap().limit(10, 100)
        };
        assert_eq!((limit("1").unwrap(), limit("100").unwrap()), (1, 100));
        for wrong in ["0", "101", "", "-1", "+1", "1.0", "99999999999999999999"] {
            assert_eq!(limit(wrong).unwrap_err().code, "bad_parameter", "{wrong}");
        }
    }

    #[test]
    fn addresses_have_a_longest() {
        let uri = |bytes: usize| format!("/{}", "a".repeat(bytes - 1)).parse::<Uri>().unwrap();
        assert!(check_uri(&uri(limits::URI_BYTES)).is_ok());
        assert_eq!(check_uri(&uri(limits::URI_BYTES + 1)).unwrap_err().status, StatusCode::URI_TOO_LONG);
    }
}
