//! What a running batch may ask of the host: the functions that `plugins/wit` imports.

use super::bindings::host::{Host, Level, Request, Response, SealError, SendError};
use super::bindings::types;
use super::network::Http;
use super::request::{self, Reach};
use super::sandbox::Sandbox;
use super::secret::Secrets;
use super::storage::Writes;
use super::web_push::Subscription;
use crate::limits;
use sonder_dsl::time::Moment;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The host's side of one batch.
pub struct Desk {
    name: Arc<str>,
    link: Option<Link>,
    lines_left: u32,
    last_line: Option<String>,
    last_trouble: Option<String>,
}

/// What only a delivery has; `describe` and `check` reach nothing.
pub struct Link {
    /// Sends its requests.
    pub http: Arc<dyn Http>,
    /// Where they may go.
    pub reach: Arc<Reach>,
    /// What is filled in.
    pub secrets: Arc<Secrets>,
    /// What it keeps.
    pub writes: Writes,
    /// When the batch began, by the engine's clock.
    pub now: Moment,
    /// When waiting is over.
    pub deadline: Instant,
    /// How many more requests it may make.
    pub requests_left: u32,
}

impl Desk {
    /// For a destination, or for a plugin that is asked what it is.
    #[must_use]
    pub fn new(name: Arc<str>, link: Option<Link>) -> Self {
        Self { name, link, lines_left: limits::LOG_LINES, last_line: None, last_trouble: None }
    }

    /// The last thing the plugin logged: its last words, when it trapped.
    #[must_use]
    pub fn last_line(&self) -> Option<&str> {
        self.last_line.as_deref()
    }

    /// Why the last request that failed did: what stands behind a `retry-after`.
    #[must_use]
    pub fn last_trouble(&self) -> Option<&str> {
        self.last_trouble.as_deref()
    }

    /// The batch ended well.
    pub fn keep(self) {
        if let Some(link) = self.link {
            link.writes.keep();
        }
    }

    /// Text from the plugin as it may be shown: bounded, and without secrets.
    #[must_use]
    pub fn shown(&self, text: String) -> String {
        let masked = match &self.link {
            Some(link) => link.secrets.mask_text(text),
            None => text,
        };
        shortened(masked)
    }

    fn send(&mut self, request: Request) -> Result<Response, SendError> {
        let Some(link) = &mut self.link else {
            return Err(SendError::Denied("nothing can be sent while a plugin is asked what it is".to_owned()));
        };
        let Some(requests_left) = link.requests_left.checked_sub(1) else {
            return Err(SendError::Denied(format!(
                "more than {} requests for each item were made",
                limits::REQUESTS_PER_ITEM
            )));
        };
        link.requests_left = requests_left;
        let prepared = request::prepare(request, &link.reach, &link.secrets, link.now)?;
        let within = link.deadline.saturating_duration_since(Instant::now());
        if within < Duration::from_millis(1) {
            return Err(SendError::Timeout);
        }
        let host = prepared.url.host_str().unwrap_or_default().to_owned();
        let answer = link.http.send(prepared, within).map(|response| masked(response, &link.secrets));
        self.last_trouble = match &answer {
            Ok(response) if response.status < 300 => None,
            Ok(response) => Some(format!("`{host}` answered {}", response.status)),
            Err(SendError::Timeout) => Some(format!("`{host}` did not answer in time")),
            Err(SendError::Connect(reason)) => {
                Some(format!("`{host}` is not reached: {}", link.secrets.mask_text(reason.clone())))
            }
            Err(SendError::Denied(reason) | SendError::Invalid(reason)) => Some(reason.clone()),
            Err(SendError::TooLarge) => Some(format!("`{host}` answered with more than 1 MiB")),
        };
        answer
    }
}

impl types::Host for Sandbox {}

impl Host for Sandbox {
    fn send(&mut self, request: Request) -> Result<Response, SendError> {
        self.execution.pause();
        let answer = self.desk.send(request);
        self.execution.resume();
        if let Err(SendError::Denied(reason)) = &answer {
            let reason = self.desk.shown(reason.clone());
            tracing::warn!(destination = &*self.desk.name, reason, "a request was denied");
        }
        answer
    }

    /// Its time counts as the plugin's own: it is work, not waiting.
    fn seal_push(&mut self, plain: Vec<u8>, p256dh: String, auth: String, key: String) -> Result<Vec<u8>, SealError> {
        let Some(link) = &self.desk.link else {
            return Err(SealError::Denied("nothing can be encrypted while a plugin is asked what it is".to_owned()));
        };
        let sender = link.secrets.web_push(&key).map_err(|error| SealError::Denied(error.to_string()))?;
        let subscription = Subscription::new(&p256dh, &auth).ok_or(SealError::Subscription)?;
        sender.seal(&plain, &subscription).ok_or(SealError::TooLarge)
    }

    fn log(&mut self, level: Level, message: String) {
        let desk = &mut self.desk;
        let Some(lines_left) = desk.lines_left.checked_sub(1) else { return };
        desk.lines_left = lines_left;
        let message = desk.shown(message);
        let destination = &*desk.name;
        match level {
            Level::Debug => tracing::debug!(target: "plugin", destination, "{message}"),
            Level::Info => tracing::info!(target: "plugin", destination, "{message}"),
            Level::Warn => tracing::warn!(target: "plugin", destination, "{message}"),
            Level::Error => tracing::error!(target: "plugin", destination, "{message}"),
        }
        desk.last_line = Some(message);
    }

    fn get(&mut self, key: String) -> Option<Vec<u8>> {
        self.desk.link.as_ref()?.writes.get(&key)
    }

    fn set(&mut self, key: String, value: Vec<u8>) -> Result<(), String> {
        match &mut self.desk.link {
            Some(link) => link.writes.set(key, value),
            None => Err("nothing can be kept while a plugin is asked what it is".to_owned()),
        }
    }
}

fn masked(response: Response, secrets: &Secrets) -> Response {
    let headers = response.headers.into_iter().map(|(name, value)| (name, secrets.mask_text(value))).collect();
    let body = match secrets.mask(&response.body) {
        std::borrow::Cow::Borrowed(_) => response.body,
        std::borrow::Cow::Owned(masked) => masked,
    };
    Response { status: response.status, headers, body }
}

/// One line of bounded length.
fn shortened(text: String) -> String {
    let one_line = if text.contains(char::is_control) { text.replace(char::is_control, " ") } else { text };
    match one_line.char_indices().find(|(at, _)| *at >= limits::TEXT_BYTES) {
        Some((end, _)) => format!("{}…", &one_line[..end]),
        None => one_line,
    }
}
