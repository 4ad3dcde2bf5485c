//! The HTTP that plugins ask for: one request, its answer, nothing followed.
//!
//! It has a small runtime of its own, so that a slow destination takes no thread that collects events. Addresses are
//! checked where they are resolved, and the connection goes to just those: a name that changes its mind in between
//! gains nothing.

use super::address;
use super::bindings::host::{Response, SendError};
use super::request::Prepared;
use crate::limits;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, redirect};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// Sends requests that have been checked.
pub trait Http: Send + Sync + 'static {
    /// Sends one and waits for its answer, at most so long. Called on a thread that may block.
    ///
    /// # Errors
    /// Why there is no answer.
    fn send(&self, request: Prepared, within: Duration) -> Result<Response, SendError>;
}

/// Finds the addresses of a name.
pub type Lookup = Arc<dyn Fn(&str) -> std::io::Result<Vec<IpAddr>> + Send + Sync>;

/// The real thing.
pub struct Network {
    // Always there, but for the moment of its end.
    runtime: Option<tokio::runtime::Runtime>,
    public: Client,
    private: Client,
}

impl Network {
    /// With the operating system's resolver, or another one.
    ///
    /// # Errors
    /// When the system gives no threads, or has no certificates.
    pub fn new(lookup: Option<Lookup>) -> std::io::Result<Self> {
        // Another part of the program may have chosen a provider before; any one will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("destinations")
            .enable_all()
            .build()?;
        let client = |private| {
            Client::builder()
                .user_agent(concat!("Sonder/", env!("CARGO_PKG_VERSION")))
                .redirect(redirect::Policy::none())
                .no_proxy()
                .connect_timeout(limits::CONNECT_TIME)
                .dns_resolver(CheckedResolver { lookup: lookup.clone(), private })
                .build()
                .map_err(std::io::Error::other)
        };
        Ok(Self { runtime: Some(runtime), public: client(false)?, private: client(true)? })
    }
}

impl Http for Network {
    fn send(&self, request: Prepared, within: Duration) -> Result<Response, SendError> {
        let Some(runtime) = &self.runtime else {
            return Err(SendError::Connect("the engine is stopping".to_owned()));
        };
        let client = if request.private { &self.private } else { &self.public };
        let request = client
            .request(request.method, request.url)
            .headers(request.headers)
            .body(request.body)
            .timeout(within.min(limits::REQUEST_TIME));
        runtime.block_on(async { read(request.send().await.map_err(failure)?).await })
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // Dropping it as it is would block, which is not allowed where this may be dropped.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn read(mut response: reqwest::Response) -> Result<Response, SendError> {
    let status = response.status().as_u16();
    let headers: Vec<(String, String)> = response
        .headers()
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    let bytes: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    if headers.len() > limits::HEADERS || bytes > limits::HEADER_BYTES {
        return Err(SendError::TooLarge);
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failure)? {
        if body.len() + chunk.len() > limits::BODY_BYTES {
            return Err(SendError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Response { status, headers, body })
}

/// Says what failed without the URL, which may have a secret in it.
fn failure(error: reqwest::Error) -> SendError {
    let error = error.without_url();
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    let mut deepest = String::new();
    while let Some(current) = cause {
        if let Some(refused) = current.downcast_ref::<NotPublic>() {
            return SendError::Denied(refused.to_string());
        }
        deepest = current.to_string();
        cause = current.source();
    }
    if error.is_timeout() { SendError::Timeout } else { SendError::Connect(deepest) }
}

struct CheckedResolver {
    lookup: Option<Lookup>,
    private: bool,
}

/// A name that leads to no public address.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` leads to a private address, and `allow_private` is not set")]
struct NotPublic(String);

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (lookup, private) = (self.lookup.clone(), self.private);
        Box::pin(async move {
            let found: Vec<SocketAddr> = match lookup {
                Some(lookup) => lookup(name.as_str())?.into_iter().map(|address| SocketAddr::new(address, 0)).collect(),
                None => tokio::net::lookup_host((name.as_str(), 0)).await?.collect(),
            };
            let usable: Vec<SocketAddr> =
                found.iter().copied().filter(|found| private || address::is_public(found.ip())).collect();
            if usable.is_empty() && !found.is_empty() {
                return Err(NotPublic(name.as_str().to_owned()).into());
            }
            Ok(Box::new(usable.into_iter()) as Addrs)
        })
    }
}
