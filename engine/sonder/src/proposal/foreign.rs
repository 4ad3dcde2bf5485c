//! Other products' schemas: tracking plans of Segment and RudderStack, self-describing JSON Schemas of Snowplow's Iglu.

use super::Proposal;
use serde_json::{Map, Value as Json};

/// The keywords of a foreign schema that say something here too; what refers to other documents does not.
const KEYWORDS: [&str; 28] = [
    "type",
    "enum",
    "const",
    "multipleOf",
    "maximum",
    "exclusiveMaximum",
    "minimum",
    "exclusiveMinimum",
    "maxLength",
    "minLength",
    "maxItems",
    "minItems",
    "pattern",
    "format",
    "uniqueItems",
    "required",
    "items",
    "properties",
    "additionalProperties",
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
];

/// Why a document could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ForeignError {
    /// It is nothing that is known here.
    #[error(
        "it is no tracking plan of Segment (`rules`), no event of one of RudderStack (`eventType` and `rules`), and no schema of Iglu (`self`)"
    )]
    Unknown,
    /// It is of that kind, and has no events.
    #[error("it has no events")]
    Empty,
}

/// The events of a document.
///
/// # Errors
/// When it is none of the kinds that are known.
pub fn read(document: &Json) -> Result<Vec<Proposal>, ForeignError> {
    let inner = document.get("data").unwrap_or(document);
    let found = if let Some(own) = document.get("self") {
        vec![of_iglu(own, document)]
    } else if let Some(events) = events(document) {
        events.into_iter().filter_map(of_rudderstack).collect()
    } else if let Some(rules) = rules(inner) {
        rules.iter().filter_map(of_segment).collect()
    } else {
        return Err(ForeignError::Unknown);
    };
    if found.is_empty() { Err(ForeignError::Empty) } else { Ok(found) }
}

/// The rules of a tracking plan, as the Public API gives them (a list) or as the Config API did (`rules.events`).
fn rules(plan: &Json) -> Option<&Vec<Json>> {
    let rules = plan.get("rules").or_else(|| plan.get("trackingPlan")?.get("rules"))?;
    rules.as_array().or_else(|| rules.get("events")?.as_array())
}

/// The events of a tracking plan of RudderStack, with their schemas: one (`…/events/ID?format=schema`), or a list of such.
fn events(document: &Json) -> Option<Vec<&Json>> {
    let is_event = |it: &&Json| it.get("eventType").is_some() && it.get("rules").is_some_and(Json::is_object);
    let list = document.get("events").or_else(|| document.get("data")).unwrap_or(document);
    let found: Vec<&Json> = match list.as_array() {
        Some(events) => events.iter().filter(is_event).collect(),
        None => std::iter::once(document).filter(is_event).collect(),
    };
    (!found.is_empty()).then_some(found)
}

/// An event of a tracking plan of RudderStack; the schemas of other calls are no events.
fn of_rudderstack(event: &Json) -> Option<Proposal> {
    let is_track = event.get("eventType").and_then(Json::as_str).is_some_and(|kind| kind.eq_ignore_ascii_case("track"));
    let sent_as = event.get("name").and_then(Json::as_str).filter(|name| is_track && !name.is_empty())?;
    let schema = event.get("rules")?;
    let mut proposal = of_schema(sent_as, schema.pointer("/properties/properties").unwrap_or(&Json::Null));
    let said = event.get("description").and_then(Json::as_str).filter(|text| !text.is_empty());
    proposal.description = said.map(str::to_owned).or(proposal.description);
    Some(proposal)
}

/// An event of a tracking plan; the schemas of other calls are no events.
fn of_segment(rule: &Json) -> Option<Proposal> {
    let is_track = rule.get("type").and_then(Json::as_str).is_none_or(|kind| kind.eq_ignore_ascii_case("track"));
    let sent_as = rule.get("key").or_else(|| rule.get("name")).and_then(Json::as_str).filter(|_| is_track)?;
    let schema = rule.get("jsonSchema").or_else(|| rule.get("rules"))?;
    // The schema is of the whole message; what is said of `properties` is the event's.
    let properties = schema.pointer("/properties/properties").unwrap_or(schema);
    let mut proposal = of_schema(sent_as, properties);
    let said = rule.get("description").or_else(|| schema.get("description")).and_then(Json::as_str);
    proposal.description = said.filter(|text| !text.is_empty()).map(str::to_owned).or(proposal.description);
    Some(proposal)
}

fn of_iglu(own: &Json, schema: &Json) -> Proposal {
    let text = |key: &str| own.get(key).and_then(Json::as_str).map(str::to_owned);
    let mut proposal = of_schema(&text("name").unwrap_or_default(), schema);
    proposal.version = text("version");
    proposal.owner = text("vendor");
    proposal
}

/// An object's schema as an event: what Sonder knows of it, and a note of what it does not.
fn of_schema(sent_as: &str, schema: &Json) -> Proposal {
    let mut left_out = Vec::new();
    let none = Map::new();
    let properties = schema.get("properties").and_then(Json::as_object).unwrap_or(&none);
    let properties: Map<String, Json> =
        properties.iter().map(|(name, schema)| (name.clone(), known(schema, name, &mut left_out))).collect();
    let required = schema.get("required").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str);
    let required = required.filter(|name| properties.contains_key(*name)).map(str::to_owned).collect();
    let notes = if left_out.is_empty() { Vec::new() } else { vec![format!("left out: {}", left_out.join(", "))] };
    let description = schema.get("description").and_then(Json::as_str).map(str::to_owned);
    Proposal { sent_as: sent_as.to_owned(), description, properties, required, notes, ..Proposal::default() }
}

/// The parts of a schema that have a meaning here.
fn known(schema: &Json, place: &str, left_out: &mut Vec<String>) -> Json {
    let Some(schema) = schema.as_object() else { return schema.clone() };
    let mut kept = Map::new();
    for (key, value) in schema {
        // References into documents that are not here, ids, notes of tools.
        if !KEYWORDS.contains(&key.as_str()) {
            left_out.push(format!("`{key}` of `{place}`"));
            continue;
        }
        let value = match (key.as_str(), value) {
            ("properties", Json::Object(inner)) => {
                inner.iter().map(|(name, it)| (name.clone(), known(it, &format!("{place}.{name}"), left_out))).collect()
            }
            ("items" | "additionalProperties" | "not", Json::Object(_)) => known(value, place, left_out),
            ("anyOf" | "oneOf" | "allOf", Json::Array(parts)) => {
                Json::Array(parts.iter().map(|part| known(part, place, left_out)).collect())
            }
            // Segment writes `[\"string\"]`, and `[\"string\", \"null\"]` for what may be missing.
            ("type", Json::Array(kinds)) if kinds.len() == 1 => kinds[0].clone(),
            _ => value.clone(),
        };
        kept.insert(key.clone(), value);
    }
    Json::Object(kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn assert_compiles(proposals: &[Proposal]) -> String {
        let mut files = vec![("sonder.yaml".to_owned(), "name: x".to_owned())];
        files.extend(proposals.iter().map(|it| (format!("events/{}.yaml", it.name()), it.yaml())));
        let text: String = files.iter().skip(1).map(|(path, text)| format!("== {path}\n{text}")).collect();
        let files = files.into_iter().map(|(path, text)| sonder_dsl::source::SourceFile { path, text });
        let compilation = sonder_dsl::compile(sonder_dsl::source::SourceSet::new(files.collect()));
        assert!(compilation.program.is_some(), "{text}\n{:?}", compilation.diagnostics);
        text
    }

    #[test]
    fn a_tracking_plan_of_segment_becomes_events() {
        let plan = json!({"data": {"rules": [
            {"type": "TRACK", "key": "Product Viewed", "version": 1, "jsonSchema": {
                "$schema": "http://json-schema.org/draft-07/schema#", "type": "object", "description": "Was on screen",
                "properties": {"context": {}, "traits": {}, "properties": {"type": "object", "required": ["product_id"],
                    "properties": {"product_id": {"type": ["string"], "id": "/p", "description": "Which"},
                        "price": {"type": ["number", "null"]},
                        "products": {"type": "array", "items": {"type": "object", "properties": {"sku": {"type": "string"}}}}}}}}},
            {"type": "IDENTIFY", "jsonSchema": {"properties": {"traits": {}}}},
        ]}});
        let text = assert_compiles(&read(&plan).unwrap());
        for part in [
            "event: product_viewed",
            "product_id: {type: string, description: Which}",
            "required: [product_id]",
            "`id` of `product_id`",
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        assert_eq!(text.matches("event: ").count(), 1, "other calls are no events: {text}");
        let older = json!({"rules": {"events": [{"name": "Order Completed", "description": "Paid", "rules": {
            "properties": {"properties": {"properties": {"total": {"type": "number"}}, "required": ["total", "gone"]}}}}]}});
        let text = assert_compiles(&read(&older).unwrap());
        assert!(text.contains("description: Paid") && text.ends_with("required: [total]\n"), "{text}");
    }

    #[test]
    fn a_schema_of_iglu_becomes_an_event_with_its_version() {
        let schema = json!({"$schema": "http://iglucentral.com/schemas/com.snowplowanalytics.self-desc/schema/jsonschema/1-0-0#",
            "self": {"vendor": "com.acme", "name": "add_to_cart", "format": "jsonschema", "version": "1-0-2"},
            "description": "Put into the cart", "type": "object", "additionalProperties": false, "required": ["sku"],
            "properties": {"sku": {"type": "string", "maxLength": 64}, "quantity": {"type": "integer", "minimum": 1, "maximum": 100}}});
        let text = assert_compiles(&read(&schema).unwrap());
        for part in [
            "event: add_to_cart",
            "owner: \"com.acme\"",
            "version: \"1-0-2\"",
            "quantity: {type: integer, minimum: 1, maximum: 100}",
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
    }

    #[test]
    fn events_of_a_tracking_plan_of_rudderstack_become_events() {
        let event = |name: &str, kind: &str| {
            json!({"id": "ev_1", "name": name, "description": "Was on screen", "eventType": kind, "categoryId": null,
                "identitySection": "properties", "rules": {"$schema": "http://json-schema.org/draft-07/schema#", "type": "object",
                "properties": {"properties": {"type": "object", "additionalProperties": false, "required": ["product_sku"],
                    "properties": {"product_sku": {"type": ["string"]}, "price": {"type": ["number", "null"], "minimum": 0}}}}}})
        };
        let text = assert_compiles(&read(&event("Product Viewed", "track")).unwrap());
        for part in [
            "event: product_viewed",
            "product_sku: {type: string}",
            "required: [product_sku]",
            "description: \"Was on screen\"",
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        let list = json!({"data": [event("Product Viewed", "track"), event("", "identify"), event("Order Completed", "track")]});
        assert_eq!(read(&list).unwrap().len(), 2, "other calls are no events");
        assert_eq!(read(&json!({"name": "plan", "events": [event("A", "track")]})).unwrap().len(), 1);
    }

    #[test]
    fn what_is_neither_is_refused() {
        assert_eq!(read(&json!({"type": "object"})), Err(ForeignError::Unknown));
        assert_eq!(read(&json!({"rules": []})), Err(ForeignError::Empty));
    }
}
