//! A plan for the description of a pull request.

use super::{is_nothing, list, person, sign, words};
use serde_json::Value as Json;

pub(super) fn page(plan: &Json) -> String {
    let changes = &plan["changes"];
    if is_nothing(changes) {
        return "Nothing changes.\n".to_owned();
    }
    let as_of = &plan["as_of"];
    let mut page = format!("**Plan**, as of {}, {} people.\n", words(&as_of["at"]), as_of["people"]);
    let segments = list(&plan["segments"]);
    if !segments.is_empty() {
        page += "\n| segment | now | then | enter | leave | for example |\n|---|--:|--:|--:|--:|---|\n";
        for it in segments {
            let some = |key: &str, sign: char| {
                list(&it[key]).iter().take(2).map(move |somebody| format!("{sign} {}", cell(&person(somebody))))
            };
            let sample: Vec<String> = some("enter", '+').chain(some("leave", '-')).collect();
            page += &format!(
                "| `{}` | {} | {} | {} | {} | {} |\n",
                words(&it["name"]),
                it["before"],
                it["after"],
                it["entering"],
                it["leaving"],
                sample.join("; ")
            );
        }
    }
    list_of(&mut page, "Rules", list(&changes["items"]), |item| {
        let said: Vec<&str> = list(&item["words"]).iter().map(words).collect();
        let said = if said.is_empty() { String::new() } else { format!(": {}", said.join("; ")) };
        format!(
            "`{}` {} `{}` ({}){said}",
            sign(&item["change"]),
            words(&item["kind"]),
            words(&item["name"]),
            words(&item["place"])
        )
    });
    list_of(&mut page, "People in journeys", list(&plan["journeys"]), |it| {
        let become_of = if it["stays"] == true { "stay" } else { "**leave the journey**" };
        format!("{} at `{}` of `{}` {become_of}", it["people"], words(&it["step"]), words(&it["journey"]))
    });
    list_of(&mut page, "Called back", list(&plan["recalls"]), |it| {
        format!("{} messages of `{}` that wait", it["messages"], words(&it["journey"]))
    });
    list_of(&mut page, "Events", list(&changes["events"]), |event| {
        let parts: Vec<&str> = list(&event["parts"]).iter().map(|part| words(&part["words"])).collect();
        let parts = if parts.is_empty() { String::new() } else { format!(": {}", parts.join("; ")) };
        let reach = event["compatibility"].as_str().map_or(String::new(), |it| format!(" ({it})"));
        let proposed =
            event["proposed"].as_str().map_or(String::new(), |it| format!("; **its version should be {it}**"));
        format!("`{}` `{}`{reach}{parts}{proposed}", sign(&event["change"]), words(&event["name"]))
    });
    list_of(&mut page, "Told to destinations", list(&plan["deliveries"]), |it| {
        let (to, of) = (words(&it["destination"]), words(&it["segment"]));
        format!("`{to}`: {} entered `{of}`, {} left it", it["entered"], it["left"])
    });
    list_of(&mut page, "Seen by destinations for the first time", list(&changes["exposures"]), |it| {
        let pii = it["pii"].as_str().map_or(String::new(), |pii| format!(", **personal data: {pii}**"));
        format!("`{}`: {}{pii}", words(&it["destination"]), words(&it["what"]))
    });
    list_of(&mut page, "And", list(&changes["others"]), |it| words(it).to_owned());
    page
}

/// What strangers sent must not end a cell of a table, or begin anything else.
fn cell(text: &str) -> String {
    text.chars().flat_map(|it| if "|`<>*_[]\\".contains(it) { vec!['\\', it] } else { vec![it] }).collect()
}

fn list_of(page: &mut String, title: &str, items: &[Json], line: impl Fn(&Json) -> String) {
    if items.is_empty() {
        return;
    }
    *page += &format!("\n**{title}**\n\n");
    for item in items {
        *page += &format!("- {}\n", line(item));
    }
}
