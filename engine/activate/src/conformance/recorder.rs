//! The network's stand-in: answers by a script, and keeps what it was asked.

use crate::host::network::Http;
use crate::host::request::Prepared;
use crate::host::{Response, SendError};
use parking_lot::Mutex;
use std::time::Duration;

/// What the n-th request (from 0) is answered with.
pub type Script = Box<dyn Fn(usize) -> Result<Response, SendError> + Send>;

/// A request, secrets filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub method: String,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// Answers, and remembers.
#[derive(Default)]
pub struct Recorder(Mutex<State>);

#[derive(Default)]
struct State {
    script: Option<Script>,
    seen: Vec<Seen>,
}

impl Recorder {
    /// Begins anew with a script.
    pub fn play(&self, script: Script) {
        *self.0.lock() = State { script: Some(script), seen: Vec::new() };
    }

    /// What was asked since.
    pub fn seen(&self) -> Vec<Seen> {
        self.0.lock().seen.clone()
    }
}

impl Http for Recorder {
    fn send(&self, request: Prepared, _within: Duration) -> Result<Response, SendError> {
        let mut state = self.0.lock();
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        let headers = request.headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value.as_bytes())));
        let seen = Seen {
            method: request.method.as_str().to_owned(),
            url: request.url.to_string(),
            headers: headers.collect(),
            body: request.body,
        };
        let n = state.seen.len();
        state.seen.push(seen);
        match &state.script {
            Some(script) => script(n),
            None => Err(SendError::Connect("nothing is recorded".to_owned())),
        }
    }
}
