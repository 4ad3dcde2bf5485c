//! Talks to a running engine for the commands that need one.

use super::output::Failure;
use crate::server::announce::announced;
use reqwest::{Method, StatusCode, Url};
use serde_json::Value as Json;
use std::path::Path;
use std::time::Duration;

/// Long enough for a slow query, short enough that nobody waits for a dead engine.
const PATIENCE: Duration = Duration::from_secs(120);
const CONNECT: Duration = Duration::from_secs(2);

/// An engine that answered.
pub struct Client {
    http: reqwest::Client,
    base: Url,
    key: Option<String>,
}

impl Client {
    /// The engine at an address that the user named.
    pub async fn at(url: &str, key: Option<&str>) -> Result<Self, Failure> {
        let wrong = || Failure::user(format!("`{url}` is not an address of an engine"));
        let text = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        let base = Url::parse(&text).map_err(|_| wrong().help("write it as `http://127.0.0.1:8080`"))?;
        let client = Self { http: http()?, base, key: key.map(str::to_owned) };
        if !client.is_alive().await {
            return Err(Failure::engine(format!("no engine answers at `{}`", client.base))
                .help("start one with `sonder run`, or leave `--url` out to read the data directory"));
        }
        Ok(client)
    }

    /// The engine that runs on a data directory, if one does.
    pub async fn of(data: &Path, key: Option<&str>) -> Result<Option<Self>, Failure> {
        let Some(address) = announced(data).and_then(|announcement| announcement.address) else { return Ok(None) };
        let Ok(base) = Url::parse(&format!("http://{address}")) else { return Ok(None) };
        let client = Self { http: http()?, base, key: key.map(str::to_owned) };
        Ok(client.is_alive().await.then_some(client))
    }

    async fn is_alive(&self) -> bool {
        let Ok(url) = self.base.join("/healthz") else { return false };
        self.http.get(url).timeout(CONNECT).send().await.is_ok_and(|response| response.status().is_success())
    }

    /// `GET` an API path, which starts with `/`.
    pub async fn get(&self, path: &str) -> Result<Json, Failure> {
        json(self.request(Method::GET, path)?.send().await).await
    }

    /// `GET` an API path, as the text that it answers.
    pub async fn text(&self, path: &str) -> Result<String, Failure> {
        let failed = |error: reqwest::Error| Failure::engine(format!("the engine did not answer: {error}"));
        let response = self.request(Method::GET, path)?.send().await.map_err(failed)?;
        if !response.status().is_success() {
            return json(Ok(response)).await.map(|answer| answer.to_string());
        }
        response.text().await.map_err(failed)
    }

    /// `POST` JSON to an API path.
    pub async fn post(&self, path: &str, body: &Json) -> Result<Json, Failure> {
        let request = self.request(Method::POST, path)?.header("content-type", "application/json");
        json(request.body(body.to_string()).send().await).await
    }

    /// `GET` an answer of any length into a file; there is no telling how long that takes.
    pub async fn download(&self, path: &str, into: &mut std::fs::File) -> Result<(), Failure> {
        let request = self.request(Method::GET, path)?.timeout(Duration::from_secs(u64::from(u32::MAX)));
        let lost = |error: reqwest::Error| Failure::engine(format!("the engine did not answer to the end: {error}"));
        let mut response = request.send().await.map_err(lost)?;
        if !response.status().is_success() {
            return json(Ok(response)).await.map(drop);
        }
        while let Some(piece) = response.chunk().await.map_err(lost)? {
            std::io::Write::write_all(into, &piece)?;
        }
        Ok(())
    }

    /// `GET` an answer that never ends, line by line, until `take` has enough.
    pub async fn lines(&self, path: &str, mut take: impl FnMut(&str) -> Result<bool, Failure>) -> Result<(), Failure> {
        let request = self.request(Method::GET, path)?.timeout(Duration::from_secs(u64::from(u32::MAX)));
        let lost = |error: reqwest::Error| Failure::engine(format!("the engine does not answer any more: {error}"));
        let mut response = request.send().await.map_err(lost)?;
        if !response.status().is_success() {
            return json(Ok(response)).await.map(drop);
        }
        let mut buffer = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(lost)? {
            buffer.extend_from_slice(&piece);
            while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = buffer.drain(..=end).collect();
                if !take(String::from_utf8_lossy(&line).trim_end())? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// `POST` a body of any length; there is no telling how long that takes.
    pub async fn stream<B>(&self, path: &str, query: &[(&str, String)], body: B) -> Result<Json, Failure>
    where
        B: hyper::body::Body<Data = bytes::Bytes, Error = std::convert::Infallible> + Send + Sync + 'static,
    {
        let failed = |error: &dyn std::fmt::Display| Failure::engine(error.to_string());
        let url = self.base.join(path).map_err(|error| failed(&error))?;
        let url = Url::parse_with_params(url.as_str(), query).map_err(|error| failed(&error))?;
        let request = self.request(Method::POST, url.as_str())?.header("content-type", "application/x-ndjson");
        let request = request.timeout(Duration::from_secs(u64::from(u32::MAX)));
        json(request.body(reqwest::Body::wrap(body)).send().await).await
    }

    /// A request that the caller finishes.
    fn request(&self, method: Method, path: &str) -> Result<reqwest::RequestBuilder, Failure> {
        let url = self.base.join(path).map_err(|error| Failure::engine(error.to_string()))?;
        let request = self.http.request(method, url);
        Ok(match &self.key {
            Some(key) => request.bearer_auth(key),
            None => request,
        })
    }
}

/// A client that trusts what the system trusts, and never waits for ever.
fn http() -> Result<reqwest::Client, Failure> {
    install_crypto();
    reqwest::Client::builder()
        .connect_timeout(CONNECT)
        .timeout(PATIENCE)
        .no_proxy()
        .build()
        .map_err(|error| Failure::engine(error.to_string()))
}

/// Says which implementation of TLS this process uses; a second call changes nothing.
pub fn install_crypto() {
    drop(rustls::crypto::ring::default_provider().install_default());
}

async fn json(response: reqwest::Result<reqwest::Response>) -> Result<Json, Failure> {
    let response = response.map_err(|error| Failure::engine(format!("the engine did not answer: {error}")))?;
    let status = response.status();
    let text = response.text().await.map_err(|error| Failure::engine(error.to_string()))?;
    let body: Json = serde_json::from_str(&text).unwrap_or(Json::Null);
    if status.is_success() {
        return Ok(body);
    }
    let part =
        |name: &str| body.pointer(&format!("/error/{name}")).and_then(Json::as_str).filter(|text| !text.is_empty());
    let message = part("message").map_or_else(|| format!("the engine answered {status}"), str::to_owned);
    let failure = if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS {
        Failure::user(message)
    } else {
        Failure::engine(message)
    };
    Err(match part("help") {
        Some(help) => failure.help(help),
        None => failure,
    })
}

/// A path with parameters, each escaped.
pub fn with_query<'a>(path: &str, parameters: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let escaped = |text: &str| -> String {
        text.bytes().map(|it| if is_plain(it) { char::from(it).to_string() } else { format!("%{it:02X}") }).collect()
    };
    let mut path = path.to_owned();
    for ((key, value), sign) in parameters.into_iter().zip(std::iter::once('?').chain(std::iter::repeat('&'))) {
        path += &format!("{sign}{key}={}", escaped(value));
    }
    path
}

/// Runs one future to its end: commands are not servers.
pub fn block_on<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::engine(format!("could not start: {error}")))?
        .block_on(future)
}
