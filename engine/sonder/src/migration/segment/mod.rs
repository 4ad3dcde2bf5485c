//! Segment: what its Public API answers. Audiences and computed traits become rules, tracking plans events, sources sources.

mod query;
mod rules;

pub(super) use rules::{Rule, resolve, trait_name};

use super::project::{Draft, Key, Source};
use super::{Export, MigrationError, name_of};
use crate::proposal::{ForeignError, read_foreign};
use rules::RuleOf;
use serde_json::Value as Json;

/// What an export may be, for people.
const KNOWN: &str = "answers of Segment's Public API to `/spaces/…/audiences`, `/spaces/…/computed-traits`, `/sources`, \
                     `/tracking-plans/…/rules`";

pub(super) fn read(export: &Export, draft: &mut Draft) -> Result<(), MigrationError> {
    let inner = export.document.get("data").unwrap_or(&export.document);
    let mut is_known = false;
    for (list, one, kind) in
        [("audiences", "audience", RuleOf::Audience), ("computedTraits", "computedTrait", RuleOf::ComputedTrait)]
    {
        for item in several(inner, list, one) {
            is_known = true;
            draft.rules.push(Rule::read(kind, item, &export.name));
        }
        is_known |= inner.get(list).is_some();
    }
    for item in several(inner, "sources", "source") {
        is_known = true;
        source(item, &export.name, draft);
    }
    is_known |= inner.get("sources").is_some();
    match read_foreign(&export.document) {
        Ok(events) => {
            is_known = true;
            let place = export.name.clone();
            left_out(inner, &place, draft);
            draft.add_events(&place, events);
        }
        Err(ForeignError::Empty) => is_known = true,
        Err(ForeignError::Unknown) => {}
    }
    // An answer of several pages is not the whole.
    if inner.pointer("/pagination/next").and_then(Json::as_str).is_some_and(|next| !next.is_empty()) {
        draft.note(&export.name, "is one page of several: export the pages after it, too (`pagination.cursor`)");
    }
    if is_known { Ok(()) } else { Err(MigrationError::Unknown { name: export.name.clone(), known: KNOWN }) }
}

/// The items of a list, or the only one.
fn several<'a>(inner: &'a Json, list: &str, one: &str) -> Vec<&'a Json> {
    let all = inner.get(list).and_then(Json::as_array).into_iter().flatten();
    all.chain(inner.get(one).filter(|it| it.is_object())).collect()
}

/// Schemas of calls that are no events.
fn left_out(inner: &Json, place: &str, draft: &mut Draft) {
    for rule in inner.get("rules").and_then(Json::as_array).into_iter().flatten() {
        let kind = rule.get("type").and_then(Json::as_str).unwrap_or("TRACK");
        if !kind.eq_ignore_ascii_case("track") {
            let message = format!(
                "the schema of `{}` calls is left out: `profile.yaml` says what is kept of people",
                kind.to_lowercase()
            );
            draft.note(place, message);
        }
    }
}

fn source(item: &Json, file: &str, draft: &mut Draft) {
    let text = |value: &Json| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let shown = text(&item["name"]).or_else(|| text(&item["slug"])).unwrap_or_default();
    let place = format!("{file}, source `{shown}`");
    let definition = text(&item["metadata"]["slug"]).or_else(|| text(&item["metadata"]["name"])).unwrap_or_default();
    let Some(kind) = kind_of_source(&definition) else {
        draft.note(place, format!("is of the kind `{definition}`, which fetches from elsewhere: `sonder import` reads files, an SDK or `POST /v1/batch` sends"));
        return;
    };
    let keys: Vec<String> = item["writeKeys"].as_array().into_iter().flatten().filter_map(text).collect();
    add_source(draft, &place, &shown, kind, &keys, item["enabled"] != false, Vec::new());
}

/// Writes a source down, under a name that no other has. Keys of servers are secrets: only where they are found goes into a file.
pub(super) fn add_source(
    draft: &mut Draft,
    place: &str,
    shown: &str,
    kind: &'static str,
    keys: &[String],
    enabled: bool,
    comments: Vec<String>,
) {
    let base = name_of(shown);
    let taken = |name: &str| draft.sources.iter().any(|source| source.name == name);
    let name = match taken(&base) {
        false => base,
        true => (2..).map(|number| format!("{base}_{number}")).find(|name| !taken(name)).unwrap_or(base),
    };
    let key = match (keys.first(), kind) {
        (None, _) => None,
        (Some(key), "browser" | "mobile") => Some(Key::Public(key.clone())),
        (Some(_), _) => {
            let variable = format!("{}_WRITE_KEY", name.to_uppercase());
            draft.note(
                place,
                format!("has a secret key, which goes into no file: set `{variable}` to it where the engine runs"),
            );
            Some(Key::Secret(variable))
        }
    };
    if keys.len() > 1 {
        draft.note(place, format!("has {} keys: only the first is taken", keys.len()));
    }
    draft.sources.push(Source { name, kind, key, enabled, comments });
}

/// The kind of a source by what Segment calls its library; `None` for those that fetch.
fn kind_of_source(definition: &str) -> Option<&'static str> {
    let name = definition.to_ascii_lowercase();
    let is = |words: &[&str]| words.iter().any(|word| name.contains(word));
    if is(&["react-native", "ios", "android", "flutter", "kotlin", "swift", "xamarin", "unity", "roku", "apple"]) {
        Some("mobile")
    } else if is(&["javascript", "website", "browser", "shopify", "amp"]) {
        Some("browser")
    } else if is(&["webhook", "functions"]) {
        Some("webhook")
    } else if is(&["node", "python", "ruby", "php", "java", "go", "net", "clojure", "rust", "http", "server", "pixel"])
        || name.is_empty()
    {
        Some("server")
    } else {
        None
    }
}
