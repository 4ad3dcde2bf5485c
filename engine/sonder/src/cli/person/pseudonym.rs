//! What somebody is known by where pseudonyms are told, so that a team finds them again.

use crate::cli::output::{Failure, Output};
use crate::cli::project;
use crate::project::pseudonyms;
use crate::server::{identifier_kind, key_failure};
use sonder_activate::pseudonyms::Key;
use sonder_console::engine::parse_person_id;
use sonder_core::govern::Governor;
use std::path::Path;

pub(super) fn show(
    who: &str,
    audience: &str,
    version: Option<u32>,
    root: &Path,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    let program = project::load(root, output)?.program;
    let Some(made) = pseudonyms(&program.settings).map_err(|error| key_failure(&error))? else {
        return Err(Failure::user("the project makes no pseudonyms")
            .help("name a key: `pseudonyms: {key: {env: SONDER_PSEUDONYM_KEY}}` in sonder.yaml"));
    };
    let key = match version {
        None => made.current(),
        Some(version) => {
            made.keys().find(|key| key.version() == version).ok_or_else(|| no_version(version, made.keys()))?
        }
    };
    match program.destinations.iter().find(|it| it.name == audience) {
        Some(to) if to.pseudonymous => {}
        Some(_) => output.note(format!("`{audience}` gets identifiers as they are: this is for exports to it"))?,
        None => output.note(format!("no destination is called `{audience}`: this is for exports to it"))?,
    }
    let pseudonym = match who.split_once(':') {
        Some((name, value)) => {
            let kind = identifier_kind(&program, name)?;
            let known = Governor::new(&program).identifier(kind, value);
            let known = known.ok_or_else(|| Failure::user(format!("`{who}` identifies nobody")))?;
            key.identifier(audience, name, &known.value)
        }
        None => {
            let person = parse_person_id(who).ok_or_else(|| {
                Failure::user(format!("`{who}` is nobody")).help("write `KIND:VALUE`, or a person's id")
            })?;
            key.person(audience, person)
        }
    };
    output.line(pseudonym)
}

fn no_version<'a>(version: u32, keys: impl Iterator<Item = &'a Key>) -> Failure {
    let known: Vec<String> = keys.map(|key| key.version().to_string()).collect();
    Failure::user(format!("the project names no key of version {version}"))
        .help(format!("it names those of {}", known.join(", ")))
}
