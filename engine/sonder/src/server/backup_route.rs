//! `GET /api/v1/backup`: the data as of now, as one archive, while the engine goes on; and `GET /api/v1/backup/keys`: the keys that
//! personal data is sealed with, which the first has not. They belong to the administrator.
//!
//! A thread reads the files and hashes them; the client takes it as fast as it can. A client that leaves ends it.

use super::import_route::Refusal;
use crate::backup::{ArchiveError, Manifest, write, write_keys};
use crate::pipeline::clock;
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use hyper::body::Frame;
use sonder_console::audit::DeedKind;
use sonder_console::keys::Scope;
use sonder_console::{Api, permit};
use sonder_store::Store;
use std::io::{self, BufWriter, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Bytes that are handed on at a time, and how many such pieces may wait for the client.
const PIECE: usize = 256 << 10;
const AHEAD: usize = 8;

/// What the route needs.
#[derive(Clone)]
pub(super) struct BackupRoute {
    pub store: Arc<Store>,
    pub api: Api,
}

impl BackupRoute {
    pub(super) fn router(self) -> Router {
        Router::new().route("/api/v1/backup", get(backup)).route("/api/v1/backup/keys", get(keys)).with_state(self)
    }
}

async fn backup(State(route): State<BackupRoute>, headers: HeaderMap) -> Response {
    answer(&route, &headers, "backup", |store, out| {
        let figures = store.reader().key_figures()?;
        write(store.snapshot()?, &figures, clock::wall().to_string(), out)
    })
    .await
}

async fn keys(State(route): State<BackupRoute>, headers: HeaderMap) -> Response {
    answer(&route, &headers, "keys of personal data", |store, out| {
        write_keys(&store.reader().copy_keys()?, clock::wall().to_string(), out)
    })
    .await
}

/// Writes an archive of the store.
type Make = fn(&Store, BufWriter<Pieces>) -> Result<Manifest, ArchiveError>;

async fn answer(route: &BackupRoute, headers: &HeaderMap, what: &'static str, make: Make) -> Response {
    if let Err(refusal) = permit(&route.api, Scope::Admin, headers, (what, DeedKind::Export)).await {
        return refusal;
    }
    match begin(route, what, make) {
        Ok(response) => response,
        Err(refusal) => refusal.into_response(),
    }
}

fn begin(route: &BackupRoute, what: &'static str, make: Make) -> Result<Response, Refusal> {
    let (pieces, body) = channel(AHEAD);
    let store = Arc::clone(&route.store);
    let run = move || {
        let last = pieces.clone();
        let out = BufWriter::with_capacity(PIECE, Pieces { pieces });
        match make(&store, out) {
            Ok(manifest) => tracing::info!(what, bytes = manifest.bytes(), seq = manifest.seq, "backed up"),
            Err(error) => {
                tracing::error!(%error, what, "a backup failed");
                drop(last.blocking_send(Err(io::Error::other("the backup failed"))));
            }
        }
    };
    let started = std::thread::Builder::new().name("backup".to_owned()).spawn(run);
    started.map_err(|error| Refusal::failed(&error))?;
    Ok(([(header::CONTENT_TYPE, "application/x-tar")], Body::new(Streamed(body))).into_response())
}

/// Hands what is written to the client.
struct Pieces {
    pieces: Sender<io::Result<Bytes>>,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.pieces.blocking_send(Ok(Bytes::copy_from_slice(bytes)));
        sent.map(|()| bytes.len()).map_err(|_| io::Error::new(io::ErrorKind::BrokenPipe, "the client has left"))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What arrives, as the body of an answer.
struct Streamed(Receiver<io::Result<Bytes>>);

impl hyper::body::Body for Streamed {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}
