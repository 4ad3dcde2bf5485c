//! Takes what destinations would get, so that nothing leaves the machine: each request of a plugin ends here, and is answered
//! with 200 and an empty JSON object.

use sonder_activate::host::network::Http;
use sonder_activate::host::request::Prepared;
use sonder_activate::host::{Response, SendError};
use std::sync::mpsc::Sender;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Characters of a body that are shown.
const SHOWN: usize = 160;

/// A request that would have gone out. Headers are not in it: secrets are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caught {
    /// `POST`
    pub method: String,
    /// Where to, without what stands behind a question mark: keys do.
    pub url: String,
    /// The beginning of the body, on one line.
    pub body: String,
}

/// The receiver.
pub struct Receiver(Mutex<Sender<Caught>>);

impl Receiver {
    /// Hands on what it catches.
    #[must_use]
    pub const fn new(caught: Sender<Caught>) -> Self {
        Self(Mutex::new(caught))
    }
}

impl Http for Receiver {
    fn send(&self, request: Prepared, _within: Duration) -> Result<Response, SendError> {
        let mut url = request.url.clone();
        url.set_query(None);
        let caught =
            Caught { method: request.method.as_str().to_owned(), url: url.to_string(), body: line(&request.body) };
        // Whoever looked may be gone; the request is answered all the same.
        drop(self.0.lock().unwrap_or_else(PoisonError::into_inner).send(caught));
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        Ok(Response { status: 200, headers, body: b"{}".to_vec() })
    }
}

/// One line of a body, as far as it is text.
fn line(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let compact = serde_json::from_str::<serde_json::Value>(&text)
        .map_or_else(|_| text.clone().into_owned(), |it| it.to_string());
    let plain = compact.chars().map(|it| if it.is_control() { ' ' } else { it });
    let mut shown: String = plain.clone().take(SHOWN).collect();
    if plain.count() > SHOWN {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_one_line_without_anything_that_moves_the_cursor() {
        assert_eq!(line(b"{\n  \"a\": 1\n}"), "{\"a\":1}");
        assert_eq!(line(b"\x1b[2Jhello\nyou"), " [2Jhello you");
        assert_eq!(line(&[b'x'; 200]).chars().count(), SHOWN + 1);
    }
}
