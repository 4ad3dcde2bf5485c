//! Binds destinations to their plugins: with the secrets of the environment, or with stand-ins where nothing leaves the machine.

use sonder_activate::host::{Host, PluginProblem, Plugins};
use sonder_dsl::ir::Program;
use sonder_dsl::model::Destination;
use std::path::Path;

/// What stands in for a secret that the environment does not have.
const STAND_IN: &str = "stand-in";

/// What binds them.
#[derive(Clone)]
pub(super) struct Loader {
    pub host: Host,
    /// Whether a secret that is not there is no error.
    pub stands_in: bool,
}

impl Loader {
    /// The destinations of a program, ready to deliver.
    pub fn plugins(&self, program: &Program, root: &Path) -> Result<Plugins, Vec<PluginProblem>> {
        let stand_in = || self.stands_in.then(|| STAND_IN.to_owned());
        let environment = |name: &str| std::env::var(name).ok().or_else(stand_in);
        // What is not told anything here needs no secrets here.
        let is_served = |it: &&Destination| program.region.as_ref().is_none_or(|region| it.serves(region));
        let served: Vec<Destination> = program.destinations.iter().filter(is_served).cloned().collect();
        Plugins::load(&self.host, &served, root, &environment)
    }
}
