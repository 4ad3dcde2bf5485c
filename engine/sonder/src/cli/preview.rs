//! `sonder preview`: what rules would be, without deploying them.

use super::client::block_on;
use super::output::{Failure, Output};
use super::reach::{Place, Reach};
use serde_json::Value as Json;
use std::io::Read;
use std::path::PathBuf;

/// Evaluate rules on the data that is there, without deploying them
///
/// Segments and computed traits are compiled with the running project; shows how many people they would hold, some of
/// them, and how much they share with the segments that are there. A rule of a name that is there already stands in its
/// place.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  sonder preview rules/interest.sonder\n  \
    sonder preview --rule 'segment keen { when count(product_viewed, last 24h) >= 3 }'")]
pub struct Args {
    /// Rules as a `.sonder` file has them; `-` for standard input
    #[arg(value_name = "FILE", required_unless_present = "rule", conflicts_with = "rule")]
    file: Option<PathBuf>,
    /// The rules themselves
    #[arg(long, value_name = "TEXT")]
    rule: Option<String>,
    /// How to print what was found
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// The project, when no engine runs; default: the one that last ran on the data
    #[arg(long, value_name = "PROJECT")]
    project: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For reading
    Text,
    /// As the API answers it
    Json,
}

pub(super) fn run(args: &Args, output: &mut Output<'_>) -> Result<(), Failure> {
    let source = source(args)?;
    let preview = block_on(async {
        match args.place.reach().await? {
            Reach::Engine(client) => client.post("/api/v1/preview", &serde_json::json!({ "source": source })).await,
            Reach::Data(offline) => offline.preview(&source, args.project.as_deref()),
        }
    })?;
    let diagnostics = list(&preview["diagnostics"]);
    let is_wrong = diagnostics.iter().any(|diagnostic| diagnostic["severity"] == "error");
    match args.format {
        Format::Json => output.line(&preview)?,
        Format::Text => {
            output.err.write_all(text(&preview["rendered"]).as_bytes())?;
            output.text(&page(&preview))?;
        }
    }
    if is_wrong {
        return Err(Failure::Reported);
    }
    if list(&preview["rules"]).is_empty() {
        output.note("the text declares no segment and no trait")?;
    }
    Ok(())
}

fn source(args: &Args) -> Result<String, Failure> {
    let Some(file) = &args.file else { return Ok(args.rule.clone().unwrap_or_default()) };
    let failed = |error: std::io::Error| Failure::user(format!("could not read `{}`: {error}", file.display()));
    if file.as_os_str() == "-" {
        let mut source = String::new();
        std::io::stdin().read_to_string(&mut source).map_err(failed)?;
        return Ok(source);
    }
    std::fs::read_to_string(file).map_err(failed)
}

fn page(preview: &Json) -> String {
    let mut page = String::new();
    let people = &preview["as_of"]["people"];
    for rule in list(&preview["rules"]) {
        if !page.is_empty() {
            page.push('\n');
        }
        let replaces = if rule["replaces"] == true { ", in place of the one that is there" } else { "" };
        match text(&rule["kind"]) {
            "segment" => {
                page.push_str(&format!(
                    "segment {}: {} of {people} people{replaces}\n",
                    text(&rule["name"]),
                    rule["size"]
                ));
                segment(&mut page, rule);
            }
            _ => {
                page.push_str(&format!(
                    "trait {}: known of {}, unknown of {}{replaces}\n",
                    text(&rule["name"]),
                    rule["known"],
                    rule["unknown"]
                ));
                computed(&mut page, rule);
            }
        }
    }
    page
}

fn segment(page: &mut String, rule: &Json) {
    let overlap = list(&rule["overlap"]);
    let names = overlap.iter().map(|it| text(&it["segment"]).chars().count()).max().unwrap_or(0);
    for (place, it) in overlap.iter().enumerate() {
        let title = if place == 0 { "overlap" } else { "" };
        let alike = it["jaccard"].as_f64().unwrap_or(0.0) * 100.0;
        page.push_str(&format!(
            "  {title:<8} {:<names$}  {} of its {} people, {alike:.0}% alike\n",
            text(&it["segment"]),
            it["both"],
            it["size"],
        ));
    }
    sample(page, rule, false);
}

fn computed(page: &mut String, rule: &Json) {
    if rule["personal"] == true {
        page.push_str("  values   are personal data and not shown\n");
        return;
    }
    if rule["known"] != 0 {
        page.push_str(&format!(
            "  values   {} different, from {} to {}\n",
            rule["distinct"],
            shown(&rule["min"]),
            shown(&rule["max"])
        ));
    }
    for (place, it) in list(&rule["top"]).iter().enumerate() {
        let title = if place == 0 { "top" } else { "" };
        page.push_str(&format!("  {title:<8} {}  {} people\n", shown(&it["value"]), it["people"]));
    }
    sample(page, rule, true);
}

fn sample(page: &mut String, rule: &Json, with_value: bool) {
    for (place, person) in list(&rule["sample"]).iter().enumerate() {
        let title = if place == 0 { "sample" } else { "" };
        let identifiers: Vec<String> =
            list(&person["identifiers"]).iter().map(|pair| format!("{}:{}", text(&pair[0]), text(&pair[1]))).collect();
        let value = if with_value { format!(" = {}", shown(&person["value"])) } else { String::new() };
        page.push_str(&format!("  {title:<8} {}{value}\n", identifiers.join(", ")));
    }
}

/// A value on one line; what would move the cursor comes from strangers.
fn shown(value: &Json) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    text.chars().map(|it| if it.is_control() { '\u{fffd}' } else { it }).collect()
}

fn list(value: &Json) -> &[Json] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Json) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_preview_reads_in_lines() {
        let preview = json!({ "as_of": {"people": 40}, "rules": [
            { "kind": "segment", "name": "keen", "replaces": true, "size": 12,
              "overlap": [{"segment": "window_shoppers", "size": 20, "both": 10, "jaccard": 0.4545},
                          {"segment": "vip", "size": 2, "both": 1, "jaccard": 0.0769}],
              "sample": [{"identifiers": [["user_id", "u1"], ["email", "ann@shop.example"]], "value": null}] },
            { "kind": "trait", "name": "spent", "replaces": false, "known": 40, "unknown": 0, "distinct": 3,
              "min": "0.00", "max": "99.90", "top": [{"value": "0.00", "people": 30}], "personal": false,
              "sample": [{"identifiers": [["user_id", "u1"]], "value": "9.90"}] },
        ] });
        assert_eq!(
            page(&preview),
            "segment keen: 12 of 40 people, in place of the one that is there\n  \
             overlap  window_shoppers  10 of its 20 people, 45% alike\n           \
             vip              1 of its 2 people, 8% alike\n  \
             sample   user_id:u1, email:ann@shop.example\n\n\
             trait spent: known of 40, unknown of 0\n  \
             values   3 different, from 0.00 to 99.90\n  \
             top      0.00  30 people\n  \
             sample   user_id:u1 = 9.90\n"
        );
    }
}
