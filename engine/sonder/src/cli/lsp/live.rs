//! The size of a segment in a running engine: a short question, and no answer is fine.

use super::state::State;
use crate::server::announce::announced;
use serde_json::Value as Json;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where engines keep their data, unless they are told otherwise.
const DATA: &str = ".sonder";
/// Long enough for a machine nearby.
const PATIENCE: Duration = Duration::from_millis(400);

/// How the engine that runs a project is found.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Engine {
    /// The engine that hovers ask for sizes; default: the one on this machine that runs the project, as its data directory or
    /// `listen` say
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// A key of the API, where the engine wants one
    #[arg(long, env = "SONDER_KEY", hide_env_values = true)]
    pub key: Option<String>,
    /// The data directory of that engine; default `.sonder`, in the project or beside it
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

impl Engine {
    /// The address of the engine that runs a project: the one that was named, or one on this machine.
    pub fn address(&self, state: &State) -> Option<String> {
        if let Some(url) = &self.url {
            let is_whole = url.contains("://");
            return Some(if is_whole { url.trim_end_matches('/').to_owned() } else { format!("http://{url}") });
        }
        let running = self.running(state.root()).map(|address| address.to_string());
        local(&running.or_else(|| state.project()?.program.settings.listen.clone())?)
    }

    /// Where an engine says that it listens.
    fn running(&self, root: &Path) -> Option<SocketAddr> {
        if let Some(data) = &self.data {
            return announced(data)?.address;
        }
        // An engine that runs another project has other segments, under the same names or not.
        let runs_it = |of: &Path| of.canonicalize().is_ok_and(|of| of == root);
        let beside = root.parent().map(|folder| folder.join(DATA));
        let places = [Some(root.join(DATA)), beside, Some(PathBuf::from(DATA))];
        let mut found = places.into_iter().flatten().filter_map(|data| announced(&data));
        found.find(|found| found.address.is_some() && runs_it(&found.project))?.address
    }
}

/// An address as this machine reaches it; `None` for one of another machine: the key goes there only if the user says so, not
/// because a project's files do.
fn local(address: &str) -> Option<String> {
    let (host, port) = address.rsplit_once(':')?;
    let port: u16 = port.parse().ok()?;
    let host = match host {
        "localhost" => IpAddr::from(Ipv4Addr::LOCALHOST),
        other => other.trim_start_matches('[').trim_end_matches(']').parse().ok()?,
    };
    let host = match host {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::from(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::from(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    host.is_loopback().then(|| format!("http://{}", SocketAddr::new(host, port)))
}

/// A hover with the size of its segment, if the engine says one in time.
pub fn with_size(mut hover: Json, address: &str, key: Option<&str>, segment: &str) -> Json {
    if let Some(size) = size(address, key, segment)
        && let Some(Json::String(text)) = hover.pointer_mut("/contents/value")
    {
        let people = if size == 1 { "person" } else { "people" };
        text.push_str(&format!("\n\n**{size}** {people} now"));
    }
    hover
}

fn size(address: &str, key: Option<&str>, segment: &str) -> Option<u64> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    let body = runtime.block_on(async {
        crate::cli::install_crypto();
        let http = reqwest::Client::builder().timeout(PATIENCE).no_proxy().build().ok()?;
        let mut request = http.get(format!("{address}/api/v1/segments/{segment}"));
        if let Some(key) = key {
            request = request.bearer_auth(key);
        }
        request.send().await.ok()?.error_for_status().ok()?.text().await.ok()
    })?;
    serde_json::from_str::<Json>(&body).ok()?.get("size")?.as_u64()
}

#[cfg(test)]
mod tests {
    use super::local;

    #[test]
    fn only_this_machine_is_asked_without_being_named() {
        for (listen, asked) in [
            ("127.0.0.1:8080", Some("http://127.0.0.1:8080")),
            ("0.0.0.0:80", Some("http://127.0.0.1:80")),
            ("[::]:8080", Some("http://[::1]:8080")),
            ("localhost:8080", Some("http://127.0.0.1:8080")),
            ("10.0.0.7:8080", None),
            ("cdp.example.com:8080", None),
            ("127.0.0.1", None),
            ("127.0.0.1:80@example.com:80", None),
        ] {
            assert_eq!(local(listen).as_deref(), asked, "{listen}");
        }
    }
}
