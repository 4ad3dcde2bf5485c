//! All members of a segment as a Parquet file.
//!
//! It is made page after page, and there as a whole before anything is sent: so the client gets its length, and an error where
//! it cannot be made. A client that leaves ends it, and so does one that takes nothing for too long.

use super::{no_such_segment, told};
use crate::Api;
use crate::engine::{Audience, Exported, parse_person_id};
use crate::error::ApiError;
use crate::limits;
use crate::stream::{Stopped, streamed};
use crate::turn::{Work, in_turn};
use axum::body::Bytes;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use sonder_core::effect::PersonId;
use std::fs::File;
use std::io::Read;
use std::sync::Arc;
use tokio::time::timeout;

/// The media type of Parquet.
pub(super) const MEDIA: &str = "application/vnd.apache.parquet";

pub(super) async fn members(
    api: Api,
    which: Exported,
    (audience, mut after): (Option<Arc<dyn Audience>>, Option<PersonId>),
) -> Result<Response, ApiError> {
    let turn = api.turns().next(Work::Export).await?;
    let mut export = in_turn(&api, Work::Read, |engine| engine.export()).await?;
    loop {
        let (asked, audience) = (which.clone(), audience.clone());
        let added = in_turn(&api, Work::Read, move |engine| {
            let Some(page) = engine.members(&asked, after, limits::PAGE_MOST)? else { return Ok(None) };
            let is_last = page.members.len() < limits::PAGE_MOST;
            let last = page.members.last().and_then(|last| parse_person_id(&last.person)).filter(|_| !is_last);
            export.add(&told(audience.as_deref(), page.members))?;
            Ok(Some((export, last)))
        });
        let last;
        (export, last) = added.await?.ok_or_else(|| no_such_segment(&which.segment))?;
        match last {
            Some(last) => after = Some(last),
            None => break,
        }
    }
    let file = in_turn(&api, Work::Query, move |_| export.finish()).await?;
    let length = file.metadata().map_err(|error| ApiError::internal(&error.to_string()))?.len();
    let mut response = streamed(MEDIA, async move |parts| {
        let (_turn, mut file) = (turn, file);
        loop {
            let piece;
            (piece, file) = next_piece(file).await?;
            if piece.is_empty() {
                return Ok(());
            }
            match timeout(limits::EXPORT_STALLED, parts.send(piece)).await {
                Ok(sent) => sent?,
                Err(_) => return Err(Stopped::Left),
            }
        }
    });
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    Ok(response)
}

/// The next bytes of a file; none at its end.
async fn next_piece(file: File) -> Result<(Bytes, File), ApiError> {
    let read = tokio::task::spawn_blocking(move || {
        let mut piece = Vec::with_capacity(limits::EXPORT_PIECE);
        let read = (&file).take(limits::EXPORT_PIECE as u64).read_to_end(&mut piece);
        read.map(|_| (Bytes::from(piece), file))
    });
    let read = read.await.map_err(|error| ApiError::internal(&error.to_string()))?;
    read.map_err(|error| ApiError::internal(&error.to_string()))
}
