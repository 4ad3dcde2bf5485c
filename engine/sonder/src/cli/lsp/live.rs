//! The size of a segment in a running engine: a short question, and no answer is fine.

use super::state::State;
use crate::server::announce::announced;
use serde_json::Value as Json;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Long enough for a machine nearby.
const PATIENCE: Duration = Duration::from_millis(400);

/// How the engine that runs a project is found.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Engine {
    /// The engine that hovers ask for sizes; default: the one that runs the project, as its data directory or `listen` say
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
    /// The address of the engine that runs a project, as far as anybody says so.
    pub fn address(&self, state: &State) -> Option<String> {
        let written = |address: &str| match address.contains("://") {
            true => address.trim_end_matches('/').to_owned(),
            false => format!("http://{address}"),
        };
        if let Some(url) = &self.url {
            return Some(written(url));
        }
        let root = state.root();
        let here = root.join(".sonder");
        let beside = root.parent().map(|folder| folder.join(".sonder"));
        // An engine that runs another project has other segments, under the same names or not.
        let runs_it = |of: &Path| of.canonicalize().is_ok_and(|of| of == root);
        let running = match &self.data {
            Some(data) => announced(data),
            None => [Some(here), beside, Some(PathBuf::from(".sonder"))]
                .into_iter()
                .flatten()
                .filter_map(|data| announced(&data))
                .find(|found| found.address.is_some() && runs_it(&found.project)),
        };
        let address = running.and_then(|found| found.address).map(|address| address.to_string());
        let listens = || state.project()?.program.settings.listen.clone();
        address.or_else(listens).map(|address| written(&address))
    }
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
