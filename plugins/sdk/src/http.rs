//! Requests through the host, and what their answers mean for an item.

use crate::bindings::sonder::destination::host;
use crate::{Now, Outcome};
use serde::Serialize;

pub use host::{Response, SealError, SendError};

/// An HTTP request to be sent by the host.
#[derive(Clone, Debug)]
#[must_use = "a request does nothing until it is sent"]
pub struct Request(host::Request);

impl Request {
    /// A request with a method in capitals.
    pub fn new(method: &str, url: &str) -> Self {
        Self(host::Request {
            method: method.to_owned(),
            url: url.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
            fill_body: false,
        })
    }

    /// `GET`
    pub fn get(url: &str) -> Self {
        Self::new("GET", url)
    }

    /// `POST`
    pub fn post(url: &str) -> Self {
        Self::new("POST", url)
    }

    /// Adds a header. Its value may hold `{{secret:NAME}}` and the other placeholders of the interface.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.0.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the body to JSON, and says so in `content-type`.
    pub fn json(self, body: &impl Serialize) -> Self {
        self.header("content-type", "application/json").body(serde_json::to_vec(body).unwrap_or_default())
    }

    /// Sets the body.
    pub fn body(mut self, body: Vec<u8>) -> Self {
        self.0.body = body;
        self
    }

    /// Has the host replace `{{secret:NAME}}` in the body, too. Not for a body that carries people's data: they may write
    /// such a text themselves.
    pub fn fill_body(mut self) -> Self {
        self.0.fill_body = true;
        self
    }

    /// Sends it and waits for the answer.
    ///
    /// # Errors
    /// When the host did not send it, or there is no answer.
    pub fn send(self) -> Result<Response, SendError> {
        host::send(&self.0)
    }

    /// Sends it; the answer decides in the usual way what becomes of the item (see [`outcome`]).
    pub fn deliver(self, now: Now) -> Outcome {
        outcome(&self.send(), now)
    }
}

impl Response {
    /// The first header of that name, given in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Seconds to wait, from `Retry-After`, which is a number or a date.
    #[must_use]
    pub fn retry_after(&self, now: Now) -> Option<u32> {
        let value = self.header("retry-after")?.trim();
        if let Ok(seconds) = value.parse() {
            return Some(seconds);
        }
        let wait = parse_http_date(value)?.saturating_sub(now.seconds());
        Some(u32::try_from(wait).unwrap_or(u32::MAX))
    }
}

/// Encrypts the body of a Web Push message for the subscription whose `keys` are `p256dh` and `auth`; the sender's keys are made
/// of the secret of the name `key`, which stays with the host. The result has the content coding `aes128gcm`.
///
/// # Errors
/// When these are no keys of a subscription, the text is too long, or the secret is none.
pub fn seal_push(plain: &[u8], p256dh: &str, auth: &str, key: &str) -> Result<Vec<u8>, SealError> {
    host::seal_push(plain, p256dh, auth, key)
}

/// What an answer usually means: 2xx is delivered; 401 and 403 are unauthorized; 408, 425, 429, 5xx, redirects and no
/// answer at all are tried again, when `Retry-After` says so; what else there is, is refused for good.
#[must_use]
pub fn outcome(answer: &Result<Response, SendError>, now: Now) -> Outcome {
    match answer {
        Ok(response) => match response.status {
            200..=299 => Outcome::Delivered,
            401 | 403 => Outcome::Unauthorized(format!("answered {}", response.status)),
            408 | 425 | 429 | 300..=399 | 500..=599 => Outcome::RetryAfter(response.retry_after(now).unwrap_or(0)),
            status => Outcome::Rejected(format!("answered {status}{}", excerpt(&response.body))),
        },
        Err(SendError::Timeout | SendError::Connect(_)) => Outcome::RetryAfter(0),
        Err(SendError::Denied(reason)) => Outcome::Unauthorized(reason.clone()),
        Err(SendError::Invalid(reason)) => Outcome::Rejected(reason.clone()),
        Err(SendError::TooLarge) => Outcome::Rejected("the request or its answer is larger than 1 MiB".to_owned()),
    }
}

/// The start of an answer's text, for people who look into why.
fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body.get(..body.len().min(200)).unwrap_or_default());
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.is_empty() { String::new() } else { format!(": {line}") }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT` in seconds since 1970: the one form of dates that HTTP still allows to be sent.
fn parse_http_date(text: &str) -> Option<u64> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut words = text.split_once(", ")?.1.split(' ');
    let day: u64 = words.next()?.parse().ok()?;
    let name = words.next()?;
    let month = MONTHS.iter().position(|month| *month == name)? as u64 + 1;
    let year: u64 = words.next()?.parse().ok()?;
    let mut clock = words.next()?.split(':');
    let (hour, minute, second): (u64, u64, u64) =
        (clock.next()?.parse().ok()?, clock.next()?.parse().ok()?, clock.next()?.parse().ok()?);
    let in_range = words.next()? == "GMT"
        && (1970..=9999).contains(&year)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    if !in_range {
        return None;
    }
    // Years begin in March here, so that the leap day is a year's last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1;
    let days = days.checked_sub(719_468)?;
    Some(days * 86_400 + hour * 3_600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, headers: &[(&str, &str)]) -> Result<Response, SendError> {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Ok(Response { status, headers, body: b"no\n such   thing".to_vec() })
    }

    #[test]
    fn an_answer_decides_what_becomes_of_an_item() {
        let now = Now(784_111_770_000);
        for (status, expected) in [
            (200, "Outcome::Delivered"),
            (204, "Outcome::Delivered"),
            (302, "Outcome::RetryAfter(0)"),
            (400, "Outcome::Rejected(\"answered 400: no such thing\")"),
            (401, "Outcome::Unauthorized(\"answered 401\")"),
            (403, "Outcome::Unauthorized(\"answered 403\")"),
            (404, "Outcome::Rejected(\"answered 404: no such thing\")"),
            (408, "Outcome::RetryAfter(0)"),
            (410, "Outcome::Rejected(\"answered 410: no such thing\")"),
            (422, "Outcome::Rejected(\"answered 422: no such thing\")"),
            (429, "Outcome::RetryAfter(0)"),
            (500, "Outcome::RetryAfter(0)"),
            (503, "Outcome::RetryAfter(0)"),
        ] {
            assert_eq!(format!("{:?}", outcome(&answered(status, &[]), now)), expected, "{status}");
        }
        for (value, expected) in [
            ("17", "Outcome::RetryAfter(17)"),
            ("Sun, 06 Nov 1994 08:49:37 GMT", "Outcome::RetryAfter(7)"),
            ("Sun, 06 Nov 1994 08:00:00 GMT", "Outcome::RetryAfter(0)"),
            ("soon", "Outcome::RetryAfter(0)"),
        ] {
            assert_eq!(format!("{:?}", outcome(&answered(429, &[("retry-after", value)]), now)), expected, "{value}");
        }
        assert_eq!(format!("{:?}", outcome(&Err(SendError::Timeout), now)), "Outcome::RetryAfter(0)");
    }

    #[test]
    fn dates_count_leap_days() {
        for (text, seconds) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("Tue, 29 Feb 2000 00:00:00 GMT", Some(951_782_400)),
            ("Mon, 23 Nov 2026 21:33:00 GMT", Some(1_795_469_580)),
            ("Mon, 23 Nov 2026 21:33:00 CET", None),
            ("Mon, 99 Nov 2026 21:33:00 GMT", None),
            ("yesterday", None),
        ] {
            assert_eq!(parse_http_date(text), seconds, "{text}");
        }
    }
}
