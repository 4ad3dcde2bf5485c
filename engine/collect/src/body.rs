//! Reading a request's body: bounded in size, time and memory, unpacked where it is packed.
//!
//! The content type says nothing: browsers send JSON as `text/plain` to be quick, Rudder's Node SDK sends gzip as a form.

use crate::limits;
use crate::rejection::Rejection;
use axum::body::Body;
use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use flate2::read::MultiGzDecoder;
use http_body_util::BodyExt;
use std::io::Read;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// One permit for so many bytes.
const GRAIN: usize = 1024;

const TOO_LARGE: Rejection = Rejection::TooLarge("the body is too large");

/// The memory for bodies that are being read or worked on.
#[derive(Clone)]
pub(crate) struct Budget(Arc<Semaphore>);

impl Budget {
    pub(crate) fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes / GRAIN)))
    }

    /// An account that gives back what it took when it is dropped.
    fn open(&self) -> Account {
        Account { budget: self.clone(), permit: None, granted: 0, used: 0 }
    }
}

struct Account {
    budget: Budget,
    permit: Option<OwnedSemaphorePermit>,
    granted: usize,
    used: usize,
}

impl Account {
    fn take(&mut self, bytes: usize) -> Result<(), Rejection> {
        self.used += bytes;
        if self.used <= self.granted {
            return Ok(());
        }
        let grains = (self.used - self.granted).div_ceil(GRAIN);
        let overloaded = Rejection::Overloaded { retry_after_s: 1 };
        let count = u32::try_from(grains).map_err(|_| overloaded)?;
        let more = Arc::clone(&self.budget.0).try_acquire_many_owned(count).map_err(|_| overloaded)?;
        match &mut self.permit {
            Some(permit) => permit.merge(more),
            empty @ None => *empty = Some(more),
        }
        self.granted += grains * GRAIN;
        Ok(())
    }
}

/// A body, as long as it is worked on.
pub(crate) struct ReadBody {
    bytes: Bytes,
    _account: Account,
}

impl ReadBody {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// As text.
    pub(crate) fn text(&self) -> Result<&str, Rejection> {
        let bytes = self.bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&self.bytes);
        std::str::from_utf8(bytes).map_err(|_| Rejection::Malformed("the body is no UTF-8 text"))
    }
}

/// Reads and unpacks a body of at most `limit` bytes.
pub(crate) async fn read(
    headers: &HeaderMap,
    body: Body,
    limit: usize,
    budget: &Budget,
) -> Result<ReadBody, Rejection> {
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(TOO_LARGE);
    }
    let mut account = budget.open();
    let reading = gather(body, limit, announced, &mut account);
    let packed = tokio::time::timeout(limits::BODY_TIME, reading).await.map_err(|_| Rejection::TooSlow)??;
    let bytes = if is_gzip(headers, &packed)? {
        let unpacked = gunzip(&packed, limit)?;
        account.take(unpacked.len())?;
        unpacked
    } else {
        packed
    };
    Ok(ReadBody { bytes, _account: account })
}

async fn gather(
    mut body: Body,
    limit: usize,
    announced: Option<usize>,
    account: &mut Account,
) -> Result<Bytes, Rejection> {
    let cut_off = |_| Rejection::Malformed("the body was cut off");
    let mut first = Bytes::new();
    let mut gathered = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(cut_off)?.into_data() else { continue };
        account.take(data.len())?;
        if first.len() + gathered.len() + data.len() > limit {
            return Err(TOO_LARGE);
        }
        if first.is_empty() && gathered.is_empty() {
            // Small bodies come in one piece, which need not be copied.
            first = data;
            continue;
        }
        if gathered.is_empty() {
            gathered.reserve(announced.unwrap_or(first.len() * 4).min(limit));
            gathered.extend_from_slice(&std::mem::take(&mut first));
        }
        gathered.extend_from_slice(&data);
    }
    Ok(if gathered.is_empty() { first } else { gathered.freeze() })
}

fn is_gzip(headers: &HeaderMap, body: &[u8]) -> Result<bool, Rejection> {
    if body.starts_with(&[0x1f, 0x8b]) {
        return Ok(true);
    }
    let encoding = headers.get(header::CONTENT_ENCODING).map_or(&b""[..], |value| value.as_bytes()).trim_ascii();
    if encoding.is_empty() || encoding.eq_ignore_ascii_case(b"identity") {
        return Ok(false);
    }
    if encoding.eq_ignore_ascii_case(b"gzip") || encoding.eq_ignore_ascii_case(b"x-gzip") {
        // A proxy may have unpacked it and left the header.
        let looks_like_json = body.trim_ascii_start().starts_with(b"{");
        return if looks_like_json { Ok(false) } else { Err(Rejection::Malformed("the body is no gzip")) };
    }
    Err(Rejection::Malformed("the body may be packed with gzip only"))
}

/// Unpacks no more than `limit` bytes, however many there would be.
fn gunzip(packed: &[u8], limit: usize) -> Result<Bytes, Rejection> {
    let mut unpacked = Vec::with_capacity((packed.len() * 6).min(limit));
    let read = MultiGzDecoder::new(packed).take(limit as u64 + 1).read_to_end(&mut unpacked);
    if unpacked.len() > limit {
        return Err(TOO_LARGE);
    }
    read.map_err(|_| Rejection::Malformed("the body is broken gzip"))?;
    Ok(unpacked.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_now(bytes: usize, budget: &Budget) -> Result<ReadBody, Rejection> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(read(&HeaderMap::new(), Body::from(vec![b' '; bytes]), 10 * GRAIN, budget))
    }

    #[test]
    fn memory_is_bounded_and_given_back() {
        let budget = Budget::new(10 * GRAIN);
        let first = read_now(6 * GRAIN, &budget).unwrap();
        assert!(matches!(read_now(4 * GRAIN + 1, &budget), Err(Rejection::Overloaded { retry_after_s: 1 })));
        let second = read_now(4 * GRAIN, &budget).unwrap();
        drop((first, second));
        assert_eq!(read_now(10 * GRAIN, &budget).unwrap().bytes().len(), 10 * GRAIN);
    }
}
