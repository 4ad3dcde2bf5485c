//! The region that an engine stands in, against those that its project has.

use sonder_dsl::ir::Program;
use sonder_dsl::model::residency::listed;
use std::sync::Arc;

/// Why a project cannot run in a region.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Misplaced {
    message: String,
    /// What to do about it.
    pub help: String,
}

/// A project as an engine runs it that stands in a region, or in none.
///
/// # Errors
/// When the project has regions and this is none of them, or it has none.
pub fn in_region(program: &Arc<Program>, region: Option<&str>) -> Result<Arc<Program>, Misplaced> {
    let regions = program.settings.residency.as_ref().map(|it| &it.regions);
    let names = || listed(regions.into_iter().flatten().map(|(name, _)| name.as_str()));
    let (message, help) = match (regions, region) {
        (None, None) => return Ok(Arc::clone(program)),
        (Some(regions), Some(region)) if regions.contains_key(region) => {
            return Ok(Arc::new(program.in_region(Some(region.to_owned()))));
        }
        (Some(_), Some(region)) => {
            (format!("the project has no region `{region}`"), format!("there is {} under `residency`", names()))
        }
        (Some(_), None) => (
            "the project has regions, and it is not said in which one this engine stands".to_owned(),
            format!("say it with `--region`: there is {}", names()),
        ),
        (None, Some(region)) => (
            format!("this engine stands in region `{region}`, and the project has no regions"),
            "declare them under `residency` of sonder.yaml".to_owned(),
        ),
    };
    Err(Misplaced { message, help })
}
