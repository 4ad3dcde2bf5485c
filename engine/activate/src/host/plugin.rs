//! A component that is a destination: checked for what it imports, compiled, and asked what it is.

use super::bindings::{Destination, DestinationPre};
use super::clock::Clock;
use super::describe::Description;
use super::desk::Desk;
use super::sandbox::{self, Budget, Sandbox};
use crate::limits;
use serde_json::Value;
use std::sync::Arc;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker};
use wasmtime::{Engine, Store};

/// The interface, and its major version, that this engine has.
const INTERFACE: &str = "sonder:destination/";
const MAJOR: &str = "1";

/// A loaded plugin.
pub struct Plugin {
    description: Description,
    calls: Vec<String>,
    component: DestinationPre<Sandbox>,
    clock: Arc<Clock>,
}

/// Why something cannot be a plugin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PluginError {
    /// Not a component at all.
    #[error("this is not a WebAssembly component: {0}")]
    NotAComponent(String),
    /// A core module.
    #[error("this is a core module, not a component; `sonder plugin build` makes a component of it")]
    CoreModule,
    /// Too large.
    #[error("the component is larger than {} MiB", limits::COMPONENT_BYTES >> 20)]
    TooLarge,
    /// It wants what no destination gets.
    #[error(
        "the component imports `{0}`, which no destination may use; it gets `sonder:destination/host` and nothing else"
    )]
    Import(String),
    /// Built for another interface.
    #[error("the component was built for version {0} of the destination interface; this engine has version {MAJOR}")]
    Version(String),
    /// It lacks something, or has it in another shape.
    #[error("the component does not fit the destination interface: {0}")]
    Shape(String),
    /// It failed when asked what it is.
    #[error("the component failed when asked to describe itself: {0}")]
    Describe(String),
    /// It says something of itself that cannot be.
    #[error("what the component says of itself is not usable: {0}")]
    Description(String),
}

impl Plugin {
    /// Compiles a component and asks it what it is.
    ///
    /// # Errors
    /// Why it cannot be a destination.
    pub(super) fn compile(
        engine: &Engine,
        clock: &Arc<Clock>,
        linker: &Linker<Sandbox>,
        wasm: &[u8],
    ) -> Result<Self, PluginError> {
        if wasm.len() > limits::COMPONENT_BYTES {
            return Err(PluginError::TooLarge);
        }
        if wasm.starts_with(b"\0asm\x01\0\0\0") {
            return Err(PluginError::CoreModule);
        }
        let component = Component::from_binary(engine, wasm)
            .map_err(|error| PluginError::NotAComponent(error.root_cause().to_string()))?;
        let mut calls = Vec::new();
        for (name, import) in component.component_type().imports(engine) {
            check_import(name)?;
            if let ComponentItem::ComponentInstance(instance) = import.ty {
                let functions =
                    instance.exports(engine).filter(|(_, it)| matches!(it.ty, ComponentItem::ComponentFunc(_)));
                calls.extend(functions.map(|(name, _)| name.to_owned()));
            }
        }
        let shape = |error: wasmtime::Error| PluginError::Shape(format!("{error:#}"));
        let component = linker.instantiate_pre(&component).map_err(shape)?;
        let component = DestinationPre::new(component).map_err(shape)?;
        let desk = Desk::new(Arc::from("plugin"), None);
        let (described, _) = sandbox::run(&component, clock, ASKING, desk, |store, plugin| plugin.call_describe(store));
        let text = described.map_err(PluginError::Describe)?;
        let description = Description::read(&text).map_err(PluginError::Description)?;
        Ok(Self { description, calls, component, clock: Arc::clone(clock) })
    }

    /// What it says of itself.
    #[must_use]
    pub const fn description(&self) -> &Description {
        &self.description
    }

    /// The functions of the interface that it calls.
    #[must_use]
    pub fn calls(&self) -> &[String] {
        &self.calls
    }

    /// What is wrong with a configuration, by its schema and, where that fits, by the plugin itself: (JSON pointer, what).
    ///
    /// # Errors
    /// When the plugin fails instead of answering.
    pub fn check(&self, config: &Value) -> Result<Vec<(String, String)>, String> {
        let problems = self.description.config_problems(config);
        if !problems.is_empty() {
            return Ok(problems);
        }
        let config = config.to_string();
        let desk = Desk::new(Arc::from(self.description.name.as_str()), None);
        let (checked, desk) = self.run(ASKING, desk, |store, plugin| plugin.call_check(store, &config));
        let shown = |problem: super::bindings::types::Problem| (desk.shown(problem.path), desk.shown(problem.message));
        Ok(checked?.into_iter().take(MAX_PROBLEMS).map(shown).collect())
    }

    /// Calls it once, in an instance of its own.
    pub(super) fn run<R>(
        &self,
        budget: Budget,
        desk: Desk,
        call: impl FnOnce(&mut Store<Sandbox>, &Destination) -> wasmtime::Result<R>,
    ) -> (Result<R, String>, Desk) {
        sandbox::run(&self.component, &self.clock, budget, desk, call)
    }
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plugin").field("description", &self.description).finish_non_exhaustive()
    }
}

const ASKING: Budget = Budget { memory: limits::DESCRIBE_MEMORY, time: limits::DESCRIBE_TIME };
const MAX_PROBLEMS: usize = 100;

/// Only the interface's own instances, of our major version.
fn check_import(name: &str) -> Result<(), PluginError> {
    let Some(ours) = name.strip_prefix(INTERFACE) else {
        return Err(PluginError::Import(name.to_owned()));
    };
    let (instance, version) = ours.split_once('@').unwrap_or((ours, ""));
    if !matches!(instance, "host" | "types") {
        return Err(PluginError::Import(name.to_owned()));
    }
    match version.split('.').next() {
        Some(MAJOR) => Ok(()),
        _ => Err(PluginError::Version(version.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_interface_of_our_major_version_is_imported() {
        assert_eq!(check_import("sonder:destination/host@1.0.0"), Ok(()));
        assert_eq!(check_import("sonder:destination/types@1.9.0"), Ok(()));
        assert_eq!(
            check_import("sonder:destination/host@2.0.0").unwrap_err().to_string(),
            "the component was built for version 2.0.0 of the destination interface; this engine has version 1"
        );
        assert_eq!(
            check_import("wasi:cli/environment@0.2.0").unwrap_err().to_string(),
            "the component imports `wasi:cli/environment@0.2.0`, which no destination may use; it gets `sonder:destination/host` and nothing else"
        );
    }
}
