//! Answers that are made while they are sent, no faster than the client reads them.

use crate::error::ApiError;
use crate::limits;
use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use hyper::body::Frame;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::mpsc;

/// Where the maker of an answer puts its parts.
pub(crate) struct Parts(mpsc::Sender<io::Result<Bytes>>);

/// Why making an answer ended early.
pub(crate) enum Stopped {
    /// The client left.
    Left,
    /// It could not be made.
    Failed(ApiError),
}

impl From<ApiError> for Stopped {
    fn from(error: ApiError) -> Self {
        Self::Failed(error)
    }
}

impl Parts {
    /// Adds a part, once the client has read enough of those before.
    pub async fn send(&self, part: impl Into<Bytes>) -> Result<(), Stopped> {
        self.0.send(Ok(part.into())).await.map_err(|_| Stopped::Left)
    }
}

/// An answer of this media type whose parts `make` sends. When it fails half-way the connection is broken off, so that
/// the client never takes a part for the whole.
pub(crate) fn streamed<F, R>(media: &'static str, make: F) -> Response
where
    F: FnOnce(Parts) -> R,
    R: Future<Output = Result<(), Stopped>> + Send + 'static,
{
    let (sender, receiver) = mpsc::channel(limits::STREAM_AHEAD);
    let made = make(Parts(sender.clone()));
    tokio::spawn(async move {
        if let Err(Stopped::Failed(error)) = made.await {
            tracing::warn!(code = error.code, message = error.message, "a streamed answer was broken off");
            // The client may have left as well; then nobody has to be told.
            let _left = sender.send(Err(io::Error::other(error.message))).await;
        }
    });
    ([(header::CONTENT_TYPE, media)], Body::new(Received(receiver))).into_response()
}

/// The receiving end as a body.
struct Received(mpsc::Receiver<io::Result<Bytes>>);

impl hyper::body::Body for Received {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.0.poll_recv(context).map(|part| part.map(|part| part.map(Frame::data)))
    }
}
