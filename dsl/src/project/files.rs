//! Which path is what kind of file, and the table of each kind.

use crate::diagnostic::suggest;
use crate::model::{Rollout, consent, destination, event, identity, profile, settings, source};
use crate::scenario;
use crate::shape::{Key, json_schema};

/// What a file of a project is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// `sonder.yaml`
    Settings,
    /// `events/*.yaml`
    Event,
    /// `sources/*.yaml`
    Source,
    /// `identity.yaml`
    Identity,
    /// `profile.yaml`
    Profile,
    /// `consent.yaml`
    Consent,
    /// `destinations/*.yaml`
    Destination,
    /// `rules/**/*.sonder`
    Rules,
    /// `rollout.yaml`
    Rollout,
    /// `rollout/rules/**/*.sonder`: the rules as they were, for those whom the new ones have not reached.
    RulesBefore,
    /// `tests/*.yaml`
    Scenario,
    /// `plugins/*.wasm`
    Plugin,
    /// Looks like one of these, but is in another place or has another ending.
    Stray {
        /// The path that was probably meant.
        meant: String,
    },
    /// Anything else.
    Other,
}

/// The table of a kind, and how messages call it.
pub(crate) struct Form {
    pub keys: &'static [Key],
    pub what: &'static str,
    pub title: &'static str,
}

const AT_THE_TOP: &[(&str, FileKind)] = &[
    ("sonder", FileKind::Settings),
    ("identity", FileKind::Identity),
    ("profile", FileKind::Profile),
    ("consent", FileKind::Consent),
    ("rollout", FileKind::Rollout),
];

const IN_FOLDERS: &[(&str, FileKind)] = &[
    ("events", FileKind::Event),
    ("sources", FileKind::Source),
    ("destinations", FileKind::Destination),
    ("tests", FileKind::Scenario),
];

impl FileKind {
    /// The kind of a path in a project, with `/` between folders.
    #[must_use]
    pub fn of(path: &str) -> Self {
        let parts: Vec<&str> = path.split('/').collect();
        if parts.iter().any(|part| part.starts_with('.')) {
            return Self::Other;
        }
        match parts.as_slice() {
            [file] => at_the_top(file),
            ["rules", .., file] if file.ends_with(".sonder") => Self::Rules,
            ["rollout", "rules", .., file] if file.ends_with(".sonder") => Self::RulesBefore,
            ["plugins", file] if file.ends_with(".wasm") => Self::Plugin,
            [folder, between @ .., file] => in_a_folder(folder, !between.is_empty(), file),
            [] => Self::Other,
        }
    }

    /// The table of the kinds that have one.
    pub(crate) const fn form(&self) -> Option<Form> {
        let (keys, what, title) = match self {
            Self::Settings => (settings::KEYS, "the project", "sonder.yaml: the project itself"),
            Self::Event => (event::KEYS, "an event", "events/*.yaml: one event"),
            Self::Source => (source::KEYS, "a source", "sources/*.yaml: one source"),
            Self::Identity => (identity::KEYS, "identity", "identity.yaml: identifiers and how they join"),
            Self::Profile => (profile::KEYS, "the profile", "profile.yaml: the golden record"),
            Self::Consent => (consent::KEYS, "consent", "consent.yaml: purposes and what people say to them"),
            Self::Destination => (destination::KEYS, "a destination", "destinations/*.yaml: one destination"),
            Self::Rollout => (Rollout::KEYS, "a roll-out", "rollout.yaml: new rules for some people first"),
            Self::Scenario => (scenario::KEYS, "a scenario", "tests/*.yaml: one scenario"),
            _ => return None,
        };
        Some(Form { keys, what, title })
    }
}

/// The kinds of YAML files that have a published schema, as `sonder schema` calls them.
pub const KINDS: &[(&str, FileKind)] = &[
    ("settings", FileKind::Settings),
    ("event", FileKind::Event),
    ("source", FileKind::Source),
    ("identity", FileKind::Identity),
    ("profile", FileKind::Profile),
    ("consent", FileKind::Consent),
    ("destination", FileKind::Destination),
    ("rollout", FileKind::Rollout),
    ("scenario", FileKind::Scenario),
];

/// The JSON Schema (2020-12) of a kind of YAML file; `None` for kinds without one.
#[must_use]
pub fn schema(kind: &FileKind) -> Option<serde_json::Value> {
    let form = kind.form()?;
    Some(json_schema::of_file(form.title, form.keys))
}

fn at_the_top(file: &str) -> FileKind {
    let (stem, ending) = file.rsplit_once('.').unwrap_or((file, ""));
    if ending == "sonder" {
        return FileKind::Stray { meant: format!("rules/{file}") };
    }
    if ending != "yaml" && ending != "yml" {
        return FileKind::Other;
    }
    if ending == "yaml"
        && let Some((_, kind)) = AT_THE_TOP.iter().find(|(name, _)| *name == stem)
    {
        return kind.clone();
    }
    let meant = suggest::nearest(stem, AT_THE_TOP.iter().map(|(name, _)| *name));
    meant.map_or(FileKind::Other, |name| FileKind::Stray { meant: format!("{name}.yaml") })
}

fn in_a_folder(folder: &str, deeper: bool, file: &str) -> FileKind {
    let (stem, ending) = file.rsplit_once('.').unwrap_or((file, ""));
    if ending == "sonder" {
        return FileKind::Stray { meant: format!("rules/{file}") };
    }
    if ending != "yaml" && ending != "yml" {
        return FileKind::Other;
    }
    let known = IN_FOLDERS.iter().find(|(name, _)| *name == folder);
    if let Some((_, kind)) = known
        && ending == "yaml"
        && !deeper
    {
        return kind.clone();
    }
    match suggest::nearest(folder, IN_FOLDERS.iter().map(|(name, _)| *name)) {
        // Folders under tests/ belong to whoever made them.
        Some(meant) if !(deeper && folder == "tests") => FileKind::Stray { meant: format!("{meant}/{stem}.yaml") },
        _ => FileKind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_kinds() {
        let stray = |meant: &str| FileKind::Stray { meant: meant.to_owned() };
        for (path, kind) in [
            ("sonder.yaml", FileKind::Settings),
            ("sonder.yml", stray("sonder.yaml")),
            ("profiles.yaml", stray("profile.yaml")),
            ("docker-compose.yaml", FileKind::Other),
            ("events/a.yaml", FileKind::Event),
            ("events/a.yml", stray("events/a.yaml")),
            ("event/a.yaml", stray("events/a.yaml")),
            ("events/shop/a.yaml", stray("events/a.yaml")),
            ("sources/web.yaml", FileKind::Source),
            ("destinations/email.yaml", FileKind::Destination),
            ("identity.yaml", FileKind::Identity),
            ("consent.yaml", FileKind::Consent),
            ("rules/a.sonder", FileKind::Rules),
            ("rules/deep/er/a.sonder", FileKind::Rules),
            ("rollout.yaml", FileKind::Rollout),
            ("rollout/rules/deep/a.sonder", FileKind::RulesBefore),
            ("a.sonder", stray("rules/a.sonder")),
            ("events/a.sonder", stray("rules/a.sonder")),
            ("tests/cart.yaml", FileKind::Scenario),
            ("tests/snapshots/cart.snap", FileKind::Other),
            ("tests/data/x.yaml", FileKind::Other),
            ("plugins/ours.wasm", FileKind::Plugin),
            (".github/workflows/ci.yaml", FileKind::Other),
            ("README.md", FileKind::Other),
            ("data/some.yaml", FileKind::Other),
            ("", FileKind::Other),
        ] {
            assert_eq!(FileKind::of(path), kind, "{path}");
        }
    }
}
