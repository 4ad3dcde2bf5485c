//! A project's destinations, each bound to its plugin, secrets and reach; and all that is wrong with them at once.

use super::bundled::{self, BUNDLED};
use super::carrier::{Carrier, Shared};
use super::native::{self, NATIVE, ONSITE};
use super::plugin::Plugin;
use super::request::Reach;
use super::sandbox::Budget;
use super::secret::Secrets;
use super::{Description, Host};
use crate::limits;
use crate::outbox::{Answer, BatchFailure, Item, Transport, Transports};
use crate::pseudonyms::{self, Places, Pseudonyms, Told};
use sonder_core::effect::ItemKind;
use sonder_dsl::ir::Program;
use sonder_dsl::model::{Destination, WriteKey};
use sonder_dsl::time::Moment;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path};
use std::sync::Arc;
use std::time::Duration;

/// The plugins of a program, ready to deliver.
#[derive(Clone, Default)]
pub struct Plugins {
    // By the names of destinations.
    bound: BTreeMap<String, Bound>,
    // Those that get pseudonyms, and what tells them.
    pseudonymous: BTreeSet<String>,
    told: BTreeMap<String, Arc<Told>>,
}

/// A destination that is ready to deliver.
#[derive(Clone)]
enum Bound {
    Sandboxed(Shared),
    Native(Arc<Description>, Arc<dyn Transport>),
}

/// Something wrong with a destination.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("destination `{destination}`: {message}")]
pub struct PluginProblem {
    /// Its name.
    pub destination: String,
    /// The key of its file that is at fault, as a JSON pointer: `/plugin`, `/config/url`, `/secrets/signing_key`.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl Plugins {
    /// Loads the plugin of each of these destinations of a program and has it check the destination's configuration. `project`
    /// is the folder that paths of plugins start from; `environment` looks up the variables that secrets are in.
    ///
    /// # Errors
    /// All that is wrong, by destination.
    pub fn load(
        host: &Host,
        program: &Arc<Program>,
        destinations: &[Destination],
        project: &Path,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, Vec<PluginProblem>> {
        let mut bound = BTreeMap::new();
        let mut problems = Vec::new();
        for destination in destinations {
            let mut found = Found { destination, problems: &mut problems };
            let ready = match native::describe(&destination.plugin) {
                Some(description) => bind_native(host, program, description, &mut found),
                None => find(host, destination, project, &mut found)
                    .and_then(|plugin| bind(host, plugin, destination, environment, &mut found))
                    .map(|carrier| Bound::Sandboxed(Shared(Arc::new(carrier)))),
            };
            bound.extend(ready.map(|ready| (destination.name.clone(), ready)));
        }
        let pseudonymous = destinations.iter().filter(|it| it.pseudonymous).map(|it| it.name.clone()).collect();
        if problems.is_empty() { Ok(Self { bound, pseudonymous, ..Self::default() }) } else { Err(problems) }
    }

    /// Has those destinations that get pseudonyms told these.
    #[must_use]
    pub fn telling(self, program: &Program, pseudonyms: Option<&Arc<Pseudonyms>>) -> Self {
        let Some(pseudonyms) = pseudonyms.filter(|_| !self.pseudonymous.is_empty()) else { return self };
        let places = Arc::new(Places::new(program));
        let told = |name: &String| {
            let (pseudonyms, places) = (Arc::clone(pseudonyms), Arc::clone(&places));
            (name.clone(), Arc::new(Told { destination: name.clone(), pseudonyms, places }))
        };
        let told = self.pseudonymous.iter().map(told).collect();
        Self { told, ..self }
    }

    /// Binds one plugin to one destination, whatever plugin that names.
    ///
    /// # Errors
    /// All that is wrong.
    pub(crate) fn of(host: &Host, plugin: &Arc<Plugin>, destination: &Destination) -> Result<Self, Vec<PluginProblem>> {
        let mut problems = Vec::new();
        let mut found = Found { destination, problems: &mut problems };
        let carrier = bind(host, Arc::clone(plugin), destination, &|_| None, &mut found);
        let bound = carrier.map(|carrier| (destination.name.clone(), Bound::Sandboxed(Shared(Arc::new(carrier)))));
        if problems.is_empty() {
            Ok(Self { bound: bound.into_iter().collect(), ..Self::default() })
        } else {
            Err(problems)
        }
    }

    /// Delivers one batch to a destination, on this thread.
    pub(crate) fn run(
        &self,
        destination: &str,
        items: &[Item],
        now: Moment,
    ) -> Option<Result<Vec<Answer>, BatchFailure>> {
        match self.bound.get(destination)? {
            Bound::Sandboxed(shared) => Some(shared.0.run(items, now)),
            Bound::Native(..) => None,
        }
    }

    /// What the outbox delivers with.
    ///
    /// INVARIANT: one that gets pseudonyms has no other way: without what makes them it has none.
    #[must_use]
    pub fn transports(&self) -> Transports {
        let transport = |bound: &Bound| match bound {
            Bound::Sandboxed(shared) => Arc::new(shared.clone()) as Arc<dyn Transport>,
            Bound::Native(_, transport) => Arc::clone(transport),
        };
        let way = |(name, bound): (&String, &Bound)| {
            let transport = transport(bound);
            if !self.pseudonymous.contains(name) {
                return Some((name.clone(), transport));
            }
            Some((name.clone(), pseudonyms::behind(self.told.get(name)?, transport)))
        };
        self.bound.iter().filter_map(way).collect()
    }

    /// What the plugin of a destination says of itself.
    #[must_use]
    pub fn description(&self, destination: &str) -> Option<&Description> {
        self.bound.get(destination).map(|bound| match bound {
            Bound::Sandboxed(shared) => shared.0.plugin.description(),
            Bound::Native(description, _) => &**description,
        })
    }
}

struct Found<'a> {
    destination: &'a Destination,
    problems: &'a mut Vec<PluginProblem>,
}

impl Found<'_> {
    fn add(&mut self, path: &str, message: String, help: Option<String>) {
        let destination = self.destination.name.clone();
        self.problems.push(PluginProblem { destination, path: path.to_owned(), message, help });
    }

    fn add_to_config(&mut self, pointer: &str, message: String) {
        let key = pointer.trim_start_matches('/').replace('/', ".");
        let message = if key.is_empty() { message } else { format!("`{key}` {message}") };
        self.add(&format!("/config{pointer}"), message, None);
    }
}

fn bind(
    host: &Host,
    plugin: Arc<Plugin>,
    destination: &Destination,
    environment: &dyn Fn(&str) -> Option<String>,
    found: &mut Found<'_>,
) -> Option<Carrier> {
    let before = found.problems.len();
    check_config(&plugin, destination, found);
    let secrets = secrets(plugin.description(), destination, environment, found);
    check_kinds(plugin.description(), destination, found);
    if destination.allow.is_empty() && !plugin.description().hosts.is_empty() {
        let hosts = plugin.description().hosts.join("`, `");
        found.add(
            "/allow",
            "it may not send anything".to_owned(),
            Some(format!("the plugin sends to `{hosts}`: list its hosts under `allow`")),
        );
    }
    if found.problems.len() > before {
        return None;
    }
    let name: Arc<str> = Arc::from(destination.name.as_str());
    let reach = Reach {
        plugin: plugin.description().hosts.clone(),
        project: destination.allow.clone(),
        private: destination.allow_private,
    };
    let micros = u64::try_from(destination.time_limit.0).unwrap_or(0);
    Some(Carrier {
        plugin,
        config: destination.config.to_string(),
        budget: Budget { memory: destination.memory_limit, time: Duration::from_micros(micros) },
        reach: Arc::new(reach),
        secrets: Arc::new(secrets?),
        shelf: host.shelf(&name),
        http: host.http(),
        name,
    })
}

/// A destination that is part of the engine.
fn bind_native(host: &Host, program: &Arc<Program>, description: Description, found: &mut Found<'_>) -> Option<Bound> {
    let before = found.problems.len();
    let destination = found.destination;
    for (pointer, message) in description.config_problems(&destination.config) {
        found.add_to_config(&pointer, message);
    }
    for (is_there, key) in [
        (!destination.allow.is_empty(), "allow"),
        (destination.allow_private, "allow_private"),
        (!destination.secrets.is_empty(), "secrets"),
    ] {
        if is_there {
            found.add(&format!("/{key}"), format!("`{}` calls no service", destination.plugin), None);
        }
    }
    check_kinds(&description, destination, found);
    if destination.pseudonymous && destination.plugin == ONSITE {
        let help = "leave `identifiers` out".to_owned();
        found.add("/identifiers", format!("`{ONSITE}` tells pages no identifiers"), Some(help));
    }
    if found.problems.len() > before {
        return None;
    }
    let Some(native) = host.native(&destination.plugin) else {
        found.add("/plugin", format!("`{}` is not to be had here", destination.plugin), None);
        return None;
    };
    match native.bind(destination, program) {
        Ok(transport) => Some(Bound::Native(Arc::new(description), transport)),
        Err((pointer, message)) => {
            found.add_to_config(&pointer, message);
            None
        }
    }
}

/// What a plugin says of itself, by its name as destinations write it.
///
/// # Errors
/// Why it can't be asked.
pub fn describe(host: &Host, name: &str, project: &Path) -> Result<Description, String> {
    if let Some(description) = native::describe(name) {
        return Ok(description);
    }
    named(host, name, project).map(|plugin| plugin.description().clone()).map_err(|(message, _)| message)
}

fn find(host: &Host, destination: &Destination, project: &Path, found: &mut Found<'_>) -> Option<Arc<Plugin>> {
    match named(host, &destination.plugin, project) {
        Ok(plugin) => Some(plugin),
        Err((message, help)) => {
            found.add("/plugin", message, help);
            None
        }
    }
}

/// The plugin of that name: what is wrong, and what helps, where there is none.
fn named(host: &Host, name: &str, project: &Path) -> Result<Arc<Plugin>, (String, Option<String>)> {
    let loaded = if let Some(bundled) = bundled::find(name) {
        host.plugin(bundled.wasm)
    } else if name.starts_with("sonder/") {
        let all = BUNDLED.iter().map(|plugin| plugin.name).chain(NATIVE);
        let all = all.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        return Err((format!("there is no bundled plugin `{name}`"), Some(format!("there are {all}"))));
    } else {
        let path = Path::new(name);
        if !path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
            let help = "put the component under `plugins/`".to_owned();
            return Err((format!("`{name}` is not within the project"), Some(help)));
        }
        match read(&project.join(path)) {
            Ok(wasm) => host.plugin(&wasm),
            Err(error) => return Err((format!("`{name}` cannot be read: {error}"), None)),
        }
    };
    loaded.map_err(|error| (format!("`{name}`: {error}"), None))
}

/// Reads a component, but never more than the limit and one byte, by which the host sees that it is too large.
fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read;
    let mut wasm = Vec::new();
    std::fs::File::open(path)?.take(limits::COMPONENT_BYTES as u64 + 1).read_to_end(&mut wasm)?;
    Ok(wasm)
}

fn check_config(plugin: &Plugin, destination: &Destination, found: &mut Found<'_>) {
    match plugin.check(&destination.config) {
        Ok(problems) => {
            for (pointer, message) in problems {
                found.add_to_config(&pointer, message);
            }
        }
        Err(reason) => found.add("/config", format!("the plugin cannot check it: {reason}"), None),
    }
}

fn secrets(
    description: &Description,
    destination: &Destination,
    environment: &dyn Fn(&str) -> Option<String>,
    found: &mut Found<'_>,
) -> Option<Secrets> {
    let mut entries = Vec::with_capacity(destination.secrets.len());
    for secret in &destination.secrets {
        let path = format!("/secrets/{}", secret.name);
        match &secret.value {
            WriteKey::Literal(value) => entries.push((secret.name.clone(), value.clone())),
            WriteKey::Environment(variable) => match environment(variable) {
                Some(value) => entries.push((secret.name.clone(), value)),
                None => found.add(
                    &path,
                    format!("the environment has no `{variable}` for the secret `{}`", secret.name),
                    Some(format!("start the engine with `{variable}=…`")),
                ),
            },
        }
    }
    for need in description.needed_secrets(&destination.config) {
        if !destination.secrets.iter().any(|secret| secret.name == need.name) {
            let help = format!("add `secrets: {{{}: {{env: …}}}}`: {}", need.name, need.summary);
            found.add("/secrets", format!("the secret `{}` is missing", need.name), Some(help));
        }
    }
    match Secrets::new(entries) {
        Ok(secrets) => Some(secrets),
        Err(error) => {
            found.add("/secrets", error.to_string(), None);
            None
        }
    }
}

/// What a destination receives must be what its plugin takes.
fn check_kinds(description: &Description, destination: &Destination, found: &mut Found<'_>) {
    let traits = !destination.profile_traits.is_empty() || !destination.computed_traits.is_empty();
    for (received, key, kind) in [
        (!destination.segments.is_empty(), "segments", ItemKind::SegmentEntered),
        (!destination.events.is_empty(), "events", ItemKind::Event),
        // Traits also go along with other items, so that a plugin need not take their changes.
        (traits && destination.segments.is_empty() && destination.events.is_empty(), "traits", ItemKind::TraitChanged),
    ] {
        if received && !description.takes(kind) {
            let message = format!("the plugin `{}` takes no {key}", description.name);
            found.add(&format!("/receives/{key}"), message, None);
        }
    }
}
