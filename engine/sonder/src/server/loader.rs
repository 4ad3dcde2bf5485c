//! Binds destinations to their plugins: with the secrets of the environment, or with stand-ins where nothing leaves the machine.

use sonder_activate::host::{Host, PluginProblem, Plugins};
use sonder_activate::pseudonyms::Pseudonyms;
use sonder_dsl::ir::Program;
use sonder_dsl::model::{Destination, PseudonymKeys};
use std::path::Path;
use std::sync::Arc;

/// What stands in for a secret that the environment does not have.
const STAND_IN: &str = "stand-in";

/// What binds them.
#[derive(Clone)]
pub(super) struct Loader {
    pub host: Host,
    /// Whether a secret that is not there is no error.
    pub stands_in: bool,
    /// Where the project says that the keys of pseudonyms are, as the engine started with it; and what they make.
    pub keys: Option<PseudonymKeys>,
    pub pseudonyms: Option<Arc<Pseudonyms>>,
}

impl Loader {
    /// The destinations of a program, ready to deliver.
    pub fn plugins(&self, program: &Arc<Program>, root: &Path) -> Result<Plugins, Vec<PluginProblem>> {
        let stand_in = || self.stands_in.then(|| STAND_IN.to_owned());
        let environment = |name: &str| std::env::var(name).ok().or_else(stand_in);
        // What is not told anything here needs no secrets here.
        let is_served = |it: &&Destination| program.region.as_ref().is_none_or(|region| it.serves(region));
        let served: Vec<Destination> = program.destinations.iter().filter(is_served).cloned().collect();
        let plugins = Plugins::load(&self.host, program, &served, root, &environment)?;
        Ok(plugins.telling(program, self.pseudonyms.as_ref()))
    }

    /// Why a version of the project cannot run on what the engine started with.
    pub fn refuses(&self, program: &Program) -> Option<String> {
        let is_other = program.settings.pseudonyms != self.keys;
        is_other.then(|| {
            "`pseudonyms` of sonder.yaml is not what the engine started with; start the engine again".to_owned()
        })
    }
}
