//! A plan for reading in a terminal.

use super::{is_nothing, list, person, sign, words};
use serde_json::Value as Json;

pub(super) fn page(plan: &Json) -> String {
    let changes = &plan["changes"];
    if is_nothing(changes) {
        return "nothing changes\n".to_owned();
    }
    let mut page = String::new();
    let as_of = &plan["as_of"];
    page += &format!("as of {}, {} people, {} records\n", words(&as_of["at"]), as_of["people"], as_of["seq"]);
    for item in list(&changes["items"]) {
        let (kind, name) = (words(&item["kind"]), words(&item["name"]));
        page += &format!("\n{} {kind} {name}  ({})\n", sign(&item["change"]), words(&item["place"]));
        for line in list(&item["words"]) {
            page += &format!("    {}\n", words(line));
        }
        if kind == "segment" {
            moves(&mut page, plan, name);
        }
        if kind == "journey" {
            standing(&mut page, plan, item, name);
        }
    }
    section(&mut page, "events", list(&changes["events"]), |event| {
        let mut lines = vec![format!("{} {}{}", sign(&event["change"]), words(&event["name"]), version(event))];
        lines.extend(list(&event["parts"]).iter().map(|part| format!("    {}", words(&part["words"]))));
        lines
    });
    section(&mut page, "told to destinations", list(&plan["deliveries"]), |it| {
        let (to, of) = (words(&it["destination"]), words(&it["segment"]));
        vec![format!("{to}: {} entered `{of}`, {} left it", it["entered"], it["left"])]
    });
    section(&mut page, "seen by destinations for the first time", list(&changes["exposures"]), |it| {
        let pii = it["pii"].as_str().map_or(String::new(), |pii| format!(", personal data: {pii}"));
        vec![format!("{}: {}{pii}", words(&it["destination"]), words(&it["what"]))]
    });
    section(&mut page, "and", list(&changes["others"]), |it| vec![words(it).to_owned()]);
    page
}

/// `  1-0-0 -> 1-1-0`, and the version that it should have.
fn version(event: &Json) -> String {
    let (before, after) = (event["before"].as_str(), event["after"].as_str());
    let versions = match (before, after) {
        (Some(before), Some(after)) if before != after => format!("  {before} -> {after}"),
        (_, Some(after)) => format!("  {after}"),
        (Some(before), None) => format!("  {before}"),
        (None, None) => String::new(),
    };
    let proposed = event["proposed"].as_str().map_or(String::new(), |it| format!(", should be {it}"));
    let reach = event["compatibility"].as_str().map_or(String::new(), |it| format!("  ({it}{proposed})"));
    versions + &reach
}

fn moves(page: &mut String, plan: &Json, name: &str) {
    let Some(it) = list(&plan["segments"]).iter().find(|it| it["name"] == name) else { return };
    *page +=
        &format!("    {} people -> {}: {} enter, {} leave\n", it["before"], it["after"], it["entering"], it["leaving"]);
    for (title, key) in [("enters", "enter"), ("leaves", "leave")] {
        for somebody in list(&it[key]) {
            *page += &format!("    {title}  {}\n", person(somebody));
        }
    }
}

fn standing(page: &mut String, plan: &Json, item: &Json, name: &str) {
    for (title, key) in [("gone", "gone"), ("new", "new")] {
        for step in list(&item["steps"][key]) {
            *page += &format!("    {title}  {}\n", words(step));
        }
    }
    for it in list(&plan["journeys"]).iter().filter(|it| it["journey"] == name) {
        let become_of = if it["stays"] == true { "stay" } else { "leave the journey" };
        *page += &format!("    {} at `{}` {become_of}\n", it["people"], words(&it["step"]));
    }
    for it in list(&plan["recalls"]).iter().filter(|it| it["journey"] == name) {
        *page += &format!("    {} messages that wait are called back\n", it["messages"]);
    }
}

fn section(page: &mut String, title: &str, items: &[Json], lines: impl Fn(&Json) -> Vec<String>) {
    if items.is_empty() {
        return;
    }
    *page += &format!("\n{title}\n");
    for line in items.iter().flat_map(lines) {
        *page += &format!("  {line}\n");
    }
}
