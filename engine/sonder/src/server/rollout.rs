//! The files of a version that is rolled out: those that were pushed, with the rules as they were beside them.
//!
//! What the rules were before the first of several roll-outs stays what they were, until one is for everybody; and who is early
//! at a share is early at every larger one, because the seed stays, too.

use super::answers::Answers;
use super::reload::files as files_of;
use super::speech::refused;
use crate::pipeline::Files;
use sonder_console::engine::{Reach, Trouble};
use sonder_dsl::diagnostic::Report;
use sonder_dsl::ir::Program;
use sonder_dsl::model::Rollout;
use sonder_dsl::project::FileKind;
use sonder_dsl::syntax::ast::Share;
use sonder_dsl::yaml;

/// Paths in the project, and what is in them.
pub(super) type Texts = Vec<(String, String)>;

const NOTE: &str =
    "# New rules for some people first; rollout/rules has them as they were. `sonder apply` changes this.\n";

impl Answers {
    /// The files that a version is made of, which is pushed to some people only, or to all.
    pub(super) fn version_of(&self, files: &[(String, String)], reach: Option<Reach>) -> Result<Texts, Trouble> {
        let running = std::sync::Arc::clone(&self.shared.files.read());
        let program = std::sync::Arc::clone(&self.shared.live.read().program);
        match reach {
            None => Ok(files.to_vec()),
            Some(Reach::Nobody) => abandoned(&running, program.rollout),
            Some(Reach::Share(share)) => Ok(rolled_out(files, share, &running, &program)),
        }
    }
}

fn kind(path: &str) -> FileKind {
    FileKind::of(path)
}

fn rolled_out(files: &[(String, String)], share: Share, running: &Files, program: &Program) -> Texts {
    // A copy of the engine's own folder has a roll-out in it, too.
    let is_own = |(path, _): &&(String, String)| !matches!(kind(path), FileKind::Rollout | FileKind::RulesBefore);
    let mut version: Texts = files.iter().filter(is_own).cloned().collect();
    if share == Share::ALL {
        return version;
    }
    let running = files_of(&running.sources);
    let (before, prefix) =
        if program.rollout.is_some() { (FileKind::RulesBefore, "") } else { (FileKind::Rules, "rollout/") };
    let before = running.iter().filter(|(path, _)| kind(path) == before);
    version.extend(before.map(|(path, text)| (format!("{prefix}{path}"), text.clone())));
    let seed = running.iter().find(|(path, _)| kind(path) == FileKind::Rollout).and_then(|(_, text)| seed(text));
    let seed = seed.unwrap_or_else(|| format!("{:016x}", program.fingerprint.0));
    version.push(("rollout.yaml".to_owned(), format!("{NOTE}share: {share}\nseed: \"{seed}\"\n")));
    version
}

/// The seed of the roll-out that runs.
fn seed(text: &str) -> Option<String> {
    let sources = sonder_dsl::source::FileId(0);
    let root = yaml::read(sources, text, &mut Report::default())?;
    root.get("seed").and_then(yaml::Node::text).map(str::to_owned)
}

/// The version that runs, with the rules as they were.
fn abandoned(running: &Files, rollout: Option<Rollout>) -> Result<Texts, Trouble> {
    if rollout.is_none() {
        let help = "`sonder apply PROJECT --percent 10` begins with a tenth of the people".to_owned();
        return Err(refused("nothing is being rolled out".to_owned(), help));
    }
    let kept = files_of(&running.sources).into_iter().filter_map(|(path, text)| match kind(&path) {
        FileKind::Rules | FileKind::Rollout => None,
        FileKind::RulesBefore => Some((path.strip_prefix("rollout/").unwrap_or(&path).to_owned(), text)),
        _ => Some((path, text)),
    });
    Ok(kept.collect())
}

/// The rules that are not the same for everybody.
pub(super) fn rolled(program: &Program) -> Vec<String> {
    let rules = program.rules.iter().filter(|rule| {
        let mut divides = false;
        rule.expression.walk(&mut |part| divides |= matches!(part, sonder_dsl::ir::Expression::Early(_)));
        divides
    });
    let journeys =
        program.journeys.iter().filter(|journey| journey.gate.is_some() && journey.own_name() == journey.name);
    let mut names: Vec<String> =
        rules.map(|rule| rule.name.clone()).chain(journeys.map(|journey| journey.name.clone())).collect();
    names.sort();
    names
}
