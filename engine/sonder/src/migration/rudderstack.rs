//! RudderStack: its workspace configuration (a file of a self-hosted server, or what its API answers), and events of its tracking
//! plans. What people are and who is in which audience is made in the warehouse there, and is not in these exports.

use super::project::Draft;
use super::segment::add_source;
use super::{Export, MigrationError};
use crate::proposal::{ForeignError, read_foreign};
use serde_json::Value as Json;

/// What an export may be, for people.
const KNOWN: &str = "a workspace configuration (`sources` with `writeKey`), or an event of a tracking plan as \
                     `/v2/catalog/tracking-plans/…/events/…?format=schema` answers it";

/// What does the same here, by what RudderStack calls it.
const SAME: [(&str, &str); 19] = [
    ("WEBHOOK", "sonder/webhook@1"),
    ("HTTP", "sonder/webhook@1"),
    ("SLACK", "sonder/chat@1"),
    ("HS", "sonder/crm@1"),
    ("HUBSPOT", "sonder/crm@1"),
    ("ZENDESK", "sonder/support@1"),
    ("GA4", "sonder/ga4@1"),
    ("GA4_V2", "sonder/ga4@1"),
    ("SENDGRID", "sonder/email@1"),
    ("FB_CUSTOM_AUDIENCE", "sonder/meta-audiences@1"),
    ("GOOGLE_ADWORDS_REMARKETING_LISTS", "sonder/google-customer-match@1"),
    ("S3", "sonder/files@1"),
    ("GCS", "sonder/files@1"),
    ("MINIO", "sonder/files@1"),
    ("S3_DATALAKE", "sonder/files@1"),
    ("POSTGRES", "sonder/files@1"),
    ("BQ", "sonder/files@1"),
    ("SNOWFLAKE", "sonder/files@1"),
    ("RS", "sonder/files@1"),
];

pub(super) fn read(export: &Export, draft: &mut Draft) -> Result<(), MigrationError> {
    match read_foreign(&export.document) {
        Ok(events) => {
            draft.add_events(&export.name, events);
            other_calls(&export.document, &export.name, draft);
            return Ok(());
        }
        Err(ForeignError::Empty) => {
            other_calls(&export.document, &export.name, draft);
            return Ok(());
        }
        Err(ForeignError::Unknown) => {}
    }
    let workspaces = workspaces(&export.document);
    if workspaces.is_empty() {
        return Err(MigrationError::Unknown { name: export.name.clone(), known: KNOWN });
    }
    for workspace in workspaces {
        let sources = workspace["sources"].as_array().into_iter().flatten().map(|it| (String::new(), it));
        let by_id = workspace["sources"].as_object().into_iter().flatten().map(|(id, it)| (id.clone(), it));
        for (id, item) in sources.chain(by_id) {
            source(workspace, &id, item, &export.name, draft);
        }
    }
    Ok(())
}

/// A workspace, or several by their ids; the configuration may stand in what an API answers.
fn workspaces(document: &Json) -> Vec<&Json> {
    let is_one = |it: &&Json| it.get("sources").is_some_and(|sources| sources.is_array() || sources.is_object());
    let one = [Some(document), document.get("workspace"), document.get("data")];
    match one.into_iter().flatten().find(is_one) {
        Some(found) => vec![found],
        None => document.as_object().into_iter().flatten().map(|(_, it)| it).filter(is_one).collect(),
    }
}

fn other_calls(document: &Json, place: &str, draft: &mut Draft) {
    let list = document.get("events").or_else(|| document.get("data")).and_then(Json::as_array);
    let events = list.into_iter().flatten().chain(document.get("eventType").map(|_| document));
    for event in events {
        let kind = event["eventType"].as_str().unwrap_or("track");
        if !kind.eq_ignore_ascii_case("track") {
            let message =
                format!("the schema of `{kind}` calls is left out: `profile.yaml` says what is kept of people");
            draft.note(place, message);
        }
    }
}

fn source(workspace: &Json, id: &str, item: &Json, file: &str, draft: &mut Draft) {
    let text = |value: &Json| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let shown = text(&item["name"]).or_else(|| text(&item["id"])).unwrap_or_else(|| id.to_owned());
    let place = format!("{file}, source `{shown}`");
    if item["deleted"] == true {
        draft.note(place, "is deleted there, and left out");
        return;
    }
    let definition =
        text(&item["sourceDefinition"]["name"]).or_else(|| text(&item["sourceDefinitionName"])).unwrap_or_default();
    let category = text(&item["sourceDefinition"]["category"]).unwrap_or_default();
    let Some(kind) = kind(&definition, &category) else {
        draft.note(place, format!("is of the kind `{definition}`, which fetches from elsewhere: `sonder import` reads files, an SDK or `POST /v1/batch` sends"));
        return;
    };
    let mut comments = Vec::new();
    let own_id = text(&item["id"]).unwrap_or_else(|| id.to_owned());
    for destination in destinations(workspace, item, &own_id) {
        comments.push(sent_to(destination, &place, draft));
    }
    let plan = &item["dgSourceTrackingPlanConfig"];
    let plan = text(&plan["trackingPlan"]["id"]).or_else(|| text(&plan["trackingPlanId"]));
    if let Some(plan) = plan {
        draft.note(&place, format!("follows the tracking plan `{plan}`: export its events, too, and give both"));
    }
    let keys: Vec<String> = text(&item["writeKey"]).into_iter().collect();
    add_source(draft, &place, &shown, kind, &keys, item["enabled"] != false, comments);
}

/// Where a source sends: inside it, or joined to it by `connections`.
fn destinations<'a>(workspace: &'a Json, source: &'a Json, id: &str) -> Vec<&'a Json> {
    let inside = source["destinations"].as_array().into_iter().flatten();
    let connections: Vec<&Json> = match &workspace["connections"] {
        Json::Array(list) => list.iter().collect(),
        Json::Object(by_id) => by_id.values().collect(),
        _ => Vec::new(),
    };
    let joined = connections.into_iter().filter(|it| it["sourceId"] == id && it["enabled"] != false).filter_map(|it| {
        let wanted = it["destinationId"].as_str()?;
        match &workspace["destinations"] {
            Json::Array(list) => list.iter().find(|it| it["id"] == wanted),
            Json::Object(by_id) => by_id.get(wanted),
            _ => None,
        }
    });
    inside.chain(joined).collect()
}

/// A destination is set up anew: its secrets are its own, and people decide what it gets.
fn sent_to(destination: &Json, place: &str, draft: &mut Draft) -> String {
    let text = |value: &Json| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let kind = text(&destination["destinationDefinition"]["name"])
        .or_else(|| text(&destination["destinationDefinitionName"]))
        .unwrap_or_default();
    let name = text(&destination["name"]).unwrap_or_else(|| kind.clone());
    let same = SAME.iter().find(|(known, _)| known.eq_ignore_ascii_case(&kind));
    let advice = match same {
        Some((_, plugin)) => format!("`{plugin}` does the same"),
        None => "none of the bundled plugins does the same: `sonder plugin new` makes one".to_owned(),
    };
    let off = if destination["enabled"] == false { ", switched off" } else { "" };
    let transformed = destination["transformations"].as_array().is_some_and(|it| !it.is_empty());
    let transformed = if transformed { "; its transformation is code, which is not taken over" } else { "" };
    draft.note(place, format!("sends to `{name}` ({kind}{off}), which is to be set up anew: {advice}{transformed}"));
    format!("Sent to `{name}` ({kind}{off}): {advice}{transformed}.")
}

/// The kind of a source by what RudderStack calls it; `None` for those that fetch.
fn kind(definition: &str, category: &str) -> Option<&'static str> {
    let name = definition.to_ascii_lowercase();
    let is = |words: &[&str]| words.iter().any(|word| name == *word);
    if matches!(category, "cloud" | "cloud-extract" | "singer-protocol" | "warehouse") {
        None
    } else if is(&["javascript", "amp", "shopify"]) {
        Some("browser")
    } else if is(&[
        "android",
        "android (kotlin)",
        "android_kotlin",
        "ios",
        "ios (swift)",
        "ios_swift",
        "react native",
        "reactnative",
        "flutter",
        "unity",
        "cordova",
    ]) {
        Some("mobile")
    } else if name.contains("webhook") || category == "webhook" {
        Some("webhook")
    } else {
        Some("server")
    }
}
