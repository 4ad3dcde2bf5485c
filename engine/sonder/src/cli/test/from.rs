//! `sonder test --from PERSON`: a scenario of what somebody did, under other names.

use crate::cli::client::block_on;
use crate::cli::output::{Failure, Output};
use crate::cli::person::path_segment;
use crate::cli::project::{Project, load};
use crate::cli::reach::Place;
use crate::testkit::{end_of, written};
use serde_json::Value as Json;
use sonder_dsl::scenario;
use sonder_dsl::source::{SourceFile, SourceSet};
use std::path::Path;

/// Where the scenario stands while it is played; nothing is written there.
const DRAFT: &str = "tests/from_live_data.yaml";

/// Prints the scenario: what the person did, and all that it leads to in this project.
pub(super) fn run(project: &Path, person: &str, place: &Place, output: &mut Output<'_>) -> Result<(), Failure> {
    let Project { scan, program, .. } = load(project, output)?;
    let bundle: Json = block_on(async {
        let client = place.running("only an engine knows all that a person did: start it with `sonder run`").await?;
        client.get(&format!("/api/v1/people/{}/bundle?format=json", path_segment(person))).await
    })?;
    let messages = written::pseudonymous(&program, &bundle);
    if messages.is_empty() {
        return Err(Failure::user("the log has no message of theirs").help("name somebody who did something"));
    }
    let end = bundle["made_at"].as_str().unwrap_or_default();
    let steps = written::steps("what somebody did", &messages, end);
    let others = scan.sources.iter().filter(|(_, file)| file.path != DRAFT);
    let mut files: Vec<SourceFile> = others.map(|(_, file)| file.clone()).collect();
    // A step must do something: to begin with, nothing is expected but that nothing is kept aside.
    files.push(SourceFile { path: DRAFT.to_owned(), text: format!("{steps}    expect: {{}}\n") });
    let sources = SourceSet::new(files);
    let (scenarios, _) = scenario::read(&sources, &program);
    let own = scenarios.into_iter().find(|it| sources.path(it.place.file) == DRAFT);
    let own = own.ok_or_else(|| Failure::engine("what was written is no scenario"))?;
    let end = end_of(&scan.root, &program, &own);
    output.text(&format!("{steps}{}", written::expectation(&program, &end)))
}
