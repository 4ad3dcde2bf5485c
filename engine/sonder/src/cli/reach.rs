//! Where a command finds what it asks: the engine that runs on a data directory, one at an address, or the data itself.

use super::client::Client;
use super::output::Failure;
use crate::server::Offline;
use std::path::PathBuf;

/// Which engine, or which data.
#[derive(Clone, Debug, clap::Args)]
pub struct Place {
    /// The data directory; if an engine runs on it, that engine is asked
    #[arg(long, default_value = "./.sonder", value_name = "DIR")]
    pub data: PathBuf,
    /// Ask the engine at this address instead
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// A key of the API, where the engine wants one
    #[arg(long, env = "SONDER_KEY", hide_env_values = true)]
    pub key: Option<String>,
}

/// What was found.
pub enum Reach {
    /// A running engine.
    Engine(Client),
    /// A data directory that no engine runs on.
    Data(Box<Offline>),
}

impl Place {
    /// Finds the engine, or opens the data.
    pub async fn reach(&self) -> Result<Reach, Failure> {
        if let Some(client) = self.engine().await? {
            return Ok(Reach::Engine(client));
        }
        Ok(Reach::Data(Box::new(Offline::open(&self.data)?)))
    }

    /// The running engine; `help` says why only one will do.
    pub async fn running(&self, help: &str) -> Result<Client, Failure> {
        self.engine().await?.ok_or_else(|| Failure::user("no engine runs on this data").help(help))
    }

    /// The running engine, if there is one.
    pub async fn engine(&self) -> Result<Option<Client>, Failure> {
        match &self.url {
            Some(url) => Client::at(url, self.key.as_deref()).await.map(Some),
            None => Client::of(&self.data, self.key.as_deref()).await,
        }
    }
}
