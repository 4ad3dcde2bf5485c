//! `sonder person traits`: what was said of somebody, in lines.

use super::super::output::{Failure, Output};
use serde_json::Value as Json;

/// A line for each trait, and one for each value that was said, the latest first.
pub(super) fn show(answer: &Json, output: &mut Output<'_>) -> Result<(), Failure> {
    let list = |of: &Json, key: &str| of[key].as_array().cloned().unwrap_or_default();
    let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    let traits = list(answer, "traits");
    if traits.is_empty() {
        return output.line("nothing was said of them that `profile.yaml` declares");
    }
    for it in traits {
        let value = if it["value"].is_null() { "nothing that counts".to_owned() } else { it["value"].to_string() };
        let conflict = if it["conflict"] == true { ", chosen among different values" } else { "" };
        output.line(format!("{} = {value}  ({}{conflict})", text(&it["name"]), text(&it["policy"])))?;
        for said in list(&it, "observations") {
            let mark = if said["counts"] == true { "*" } else { " " };
            let (at, source) = (text(&said["at"]), text(&said["source"]));
            output.line(format!("  {mark} {at}  {}  {source}, record {}", said["value"], said["record"]))?;
        }
    }
    Ok(())
}
