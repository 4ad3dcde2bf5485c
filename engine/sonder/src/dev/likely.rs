//! A likely value for a JSON Schema: an example, one of an `enum`, or what its type, format and bounds allow.
//!
//! Values belong together: those of one row (a product, a page) are the same whenever that row comes, under the same name in
//! whatever event.

use super::chance::{Chance, mixed};
use serde_json::{Map, Number, Value as Json};
use sonder_dsl::time::Moment;
use xxhash_rust::xxh3::xxh3_64;

/// How deep values are made inside each other, at most.
const DEPTH: usize = 8;

/// What values are made from.
pub struct Likely<'s> {
    /// The schema that `$ref` looks into.
    pub root: &'s Json,
    /// Which row they belong to.
    pub row: u64,
    /// What is new each time: the number of an order, of a session.
    pub once: u64,
    /// Who it is about.
    pub person: u64,
    /// Now.
    pub at: Moment,
    /// What decides everything else.
    pub seed: u64,
}

impl Likely<'_> {
    /// The properties of an event: those that it must have, and most of the others. `None` where one that it must have cannot be
    /// made up.
    #[must_use]
    pub fn properties(&self, chance: &mut Chance) -> Option<Map<String, Json>> {
        match self.object(self.root, Some(chance), DEPTH)? {
            Json::Object(properties) => Some(properties),
            _ => None,
        }
    }

    /// A value of a name; `None` where a pattern or a combination of schemas has no example.
    #[must_use]
    pub fn value(&self, name: &str, schema: &Json) -> Option<Json> {
        self.inside(name, schema, DEPTH)
    }

    fn inside(&self, name: &str, schema: &Json, depth: usize) -> Option<Json> {
        let depth = depth.checked_sub(1)?;
        let place = mixed(self.seed ^ xxh3_64(name.as_bytes()) ^ mixed(self.row));
        if let Some(constant) = schema.get("const") {
            return Some(constant.clone());
        }
        if let Some(choices) = schema.get("enum").and_then(Json::as_array).filter(|it| !it.is_empty()) {
            return choices.get(usize::try_from(place % choices.len() as u64).ok()?).cloned();
        }
        let examples = schema.get("examples").and_then(Json::as_array).filter(|it| !it.is_empty());
        if let Some(examples) = examples {
            let example = examples.get(usize::try_from(place % examples.len() as u64).ok()?)?;
            return Some(match example.as_str().filter(|_| !is_narrow(schema)) {
                Some(text) => Json::from(renumbered(text, self.number_of(name))),
                None => example.clone(),
            });
        }
        if let Some(there) = schema.get("$ref").and_then(Json::as_str) {
            return self.inside(name, self.root.pointer(there.strip_prefix('#')?)?, depth);
        }
        for key in ["anyOf", "oneOf"] {
            if let Some(choices) = schema.get(key).and_then(Json::as_array) {
                return choices.iter().find_map(|it| self.inside(name, it, depth));
            }
        }
        match kind(schema)? {
            "string" => self.text(name, schema).map(Json::from),
            "integer" => number(schema, place, 1.0, name),
            "number" => number(schema, place, 0.01, name),
            "boolean" => Some(Json::Bool(place & 1 == 1)),
            "array" => {
                let items = schema.get("items").cloned().unwrap_or_else(|| serde_json::json!({ "type": "string" }));
                let least = schema.get("minItems").and_then(Json::as_u64).unwrap_or(1);
                let count = least.max(1 + place % 2);
                let row = |offset: u64| Likely { row: self.row.wrapping_add(offset), ..*self };
                (0..count)
                    .map(|offset| row(offset).inside(name, &items, depth))
                    .collect::<Option<Vec<Json>>>()
                    .map(Json::from)
            }
            "object" => self.object(schema, None, depth),
            _ => None,
        }
    }

    fn object(&self, schema: &Json, mut chance: Option<&mut Chance>, depth: usize) -> Option<Json> {
        let required: Vec<&str> =
            schema.get("required").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str).collect();
        let mut made = Map::new();
        for (name, schema) in schema.get("properties").and_then(Json::as_object).into_iter().flatten() {
            let is_needed = required.contains(&name.as_str());
            if !is_needed && chance.as_deref_mut().is_some_and(|chance| chance.percent(15)) {
                continue;
            }
            match self.inside(name, schema, depth) {
                Some(value) => _ = made.insert(name.clone(), value),
                None if is_needed => return None,
                None => {}
            }
        }
        Some(Json::Object(made))
    }

    fn text(&self, name: &str, schema: &Json) -> Option<String> {
        let number = self.number_of(name);
        let text = match schema.get("format").and_then(Json::as_str) {
            Some("email") => return Some(format!("visitor{}@shop.example", self.person)),
            Some("uuid") => {
                let id = (u128::from(mixed(number)) << 64) | u128::from(mixed(self.seed ^ number));
                return Some(uuid::Builder::from_random_bytes(id.to_be_bytes()).into_uuid().to_string());
            }
            Some("uri" | "url" | "uri-reference" | "iri") => {
                return Some(format!("https://www.example.com/{name}/{number}"));
            }
            Some("date-time") => return Some(self.at.to_string()),
            Some("date") => return self.at.to_string().get(..10).map(str::to_owned),
            Some("time") => return Some("12:00:00Z".to_owned()),
            Some("ipv4") => return Some(format!("192.0.2.{}", number % 254 + 1)),
            Some("ipv6") => return Some(format!("2001:db8::{:x}", number % 0xffff)),
            Some("hostname") => return Some(format!("host{number}.example.com")),
            Some(_) => return None,
            // Whoever wants texts of a form says so by an example.
            None if schema.get("pattern").is_some() => return None,
            None => likely_text(name, number, self.person),
        };
        let bound = |key| schema.get(key).and_then(Json::as_u64).and_then(|it| usize::try_from(it).ok());
        let least = bound("minLength").unwrap_or(0);
        let mut text: String = text.chars().take(bound("maxLength").unwrap_or(usize::MAX)).collect();
        while text.chars().count() < least {
            text.push('x');
        }
        Some(text)
    }

    /// The number in a text of a name: the row's, but for what is new each time.
    fn number_of(&self, name: &str) -> u64 {
        const ONCE: [&str; 7] = ["order", "transaction", "cart", "checkout", "session", "payment", "booking"];
        if ONCE.iter().any(|it| name.contains(it)) { self.once } else { self.row + 1 }
    }
}

/// Whether only what is written as an example is sure to fit.
fn is_narrow(schema: &Json) -> bool {
    ["pattern", "format", "maxLength", "minLength"].iter().any(|key| schema.get(key).is_some_and(|it| it != 1))
}

/// `SKU-1` with another number; a text without one as it is.
fn renumbered(text: &str, number: u64) -> String {
    let stem = text.trim_end_matches(|it: char| it.is_ascii_digit());
    if stem.len() == text.len() { text.to_owned() } else { format!("{stem}{number}") }
}

fn likely_text(name: &str, number: u64, person: u64) -> String {
    const FIRST: [&str; 8] = ["Ann", "Bob", "Chen", "Dara", "Eva", "Femi", "Gita", "Hugo"];
    const LAST: [&str; 8] = ["Smit", "Jansen", "Okafor", "Silva", "Novak", "Kim", "Haddad", "Berg"];
    const COUNTRIES: [&str; 6] = ["NL", "DE", "FR", "GB", "US", "BR"];
    let pick = |all: &[&str], salt: u64| {
        let place = usize::try_from(mixed(person ^ salt) % all.len() as u64).unwrap_or(0);
        all.get(place).copied().unwrap_or_default().to_owned()
    };
    match name {
        "first_name" => pick(&FIRST, 1),
        "last_name" => pick(&LAST, 2),
        "name" => format!("{} {}", pick(&FIRST, 1), pick(&LAST, 2)),
        "country" => pick(&COUNTRIES, 3),
        "locale" | "language" => pick(&["nl", "de", "fr", "en"], 3),
        "timezone" => pick(&["Europe/Amsterdam", "Europe/Berlin", "America/New_York", "Asia/Tokyo"], 3),
        "currency" => "EUR".to_owned(),
        "path" => format!("/page/{number}"),
        _ => format!("{}-{number}", name.trim_end_matches("_id").replace('_', "-")),
    }
}

/// The type of a schema; of several, the first that is not `null`.
fn kind(schema: &Json) -> Option<&str> {
    match schema.get("type") {
        Some(Json::String(one)) => Some(one),
        Some(Json::Array(some)) => some.iter().filter_map(Json::as_str).find(|it| *it != "null"),
        _ if schema.get("properties").is_some() => Some("object"),
        _ => None,
    }
}

/// A number within its bounds: a multiple of what it must be one of, else of `step`.
fn number(schema: &Json, place: u64, step: f64, name: &str) -> Option<Json> {
    let bound = |key: &str| schema.get(key).and_then(Json::as_f64);
    let is_whole = step >= 1.0;
    let step = bound("multipleOf").filter(|it| *it > 0.0).unwrap_or(step);
    let least = bound("minimum").or_else(|| bound("exclusiveMinimum").map(|it| it + step)).unwrap_or(1.0);
    let small =
        ["quantity", "count", "rating", "stars", "level", "position", "page"].iter().any(|it| name.contains(it));
    let usual = if small || is_whole { 5.0 } else { 150.0 };
    let most = bound("maximum").or_else(|| bound("exclusiveMaximum").map(|it| it - step)).unwrap_or(least + usual);
    let (first, last) = ((least / step).ceil(), (most.min(least + usual * 10.0) / step).floor());
    if last < first {
        return None;
    }
    let steps = (last - first) as u64 + 1;
    let multiple = first + (place % steps) as f64;
    if is_whole && step.fract() == 0.0 {
        return Some(Json::from((multiple * step) as i64));
    }
    // The multiple as it would be written, not the nearest number to it that a machine has.
    let digits = step.to_string().split_once('.').map_or(0, |(_, digits)| digits.len());
    let text = format!("{:.digits$}", multiple * step);
    text.parse::<f64>().ok().and_then(Number::from_f64).map(Json::Number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn value(row: u64, name: &str, schema: &Json) -> Option<Json> {
        let likely = Likely { root: schema, row, once: 7, person: 3, at: Moment(1_772_366_400_000_000), seed: 1 };
        likely.value(name, schema)
    }

    #[test]
    fn what_cannot_be_guessed_is_not() {
        assert_eq!(value(1, "code", &json!({"type": "string", "pattern": "^[A-Z]{3}$"})), None);
        assert_eq!(
            value(1, "code", &json!({"type": "string", "pattern": "^[A-Z]{3}$", "examples": ["AB1"]})),
            Some(json!("AB1"))
        );
        assert_eq!(value(1, "none", &json!({"type": "integer", "minimum": 5, "maximum": 4})), None);
    }

    #[test]
    fn values_of_a_row_belong_together() {
        let (sku, price) = (json!({"type": "string", "examples": ["SKU-1"]}), json!({"type": "number"}));
        assert_eq!(value(4, "product_id", &sku), Some(json!("SKU-5")));
        assert_eq!(value(4, "price", &price), value(4, "price", &price));
        assert_ne!(value(4, "price", &price), value(5, "price", &price));
        assert_eq!(value(4, "order_id", &sku), Some(json!("SKU-7")), "an order comes once");
    }
}
