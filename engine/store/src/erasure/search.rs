//! Where somebody may be named, as DuckDB looks for it: what it finds is looked at again, what it does not find is not.

use crate::database::quoted;
use sonder_core::erasure::Names;
use sonder_dsl::model::Normalizer;
use std::collections::BTreeSet;

/// What an address may stand behind: whatever is no letter or digit, also as JSON escapes it.
const BEHIND: &str = r"(?:^|[^a-z0-9]|\\[bfnrt]|\\u[0-9a-f]{4})";

/// A condition of SQL that holds wherever a text of that column may say one of them; mostly it does not hold elsewhere.
pub(super) fn condition(names: &Names<'_>, column: &str) -> String {
    let mut conditions = BTreeSet::new();
    for text in names.words().chain(names.whole()) {
        let json = serde_json::Value::from(text).to_string();
        conditions.insert(format!("contains(lower({column}), {})", quoted(text)));
        conditions.insert(format!("contains(lower({column}), {})", quoted(json.trim_matches('"'))));
    }
    let kinds = &names.program().identity.identifiers;
    for (kind, value) in names.exact() {
        let declared = kinds.iter().find(|it| it.name == *kind).map_or(&[][..], |it| &it.normalize);
        // Where a text is replaced, nobody knows how an address began.
        let is_replaced = declared.iter().any(|step| matches!(step, Normalizer::Replace { .. }));
        for step in declared {
            conditions.extend(
                match step {
                    Normalizer::Trim | Normalizer::Lowercase => None,
                    Normalizer::Email | Normalizer::DropTag | Normalizer::Gmail if is_replaced => None,
                    Normalizer::Email | Normalizer::DropTag | Normalizer::Gmail => addressed(value),
                    Normalizer::E164(_) => dialled(value),
                    Normalizer::Replace { .. } => replaced(value),
                }
                .map(|pattern| format!("regexp_matches({column}, {}, 'i')", quoted(&pattern))),
            );
        }
    }
    let conditions: Vec<String> = conditions.into_iter().collect();
    if conditions.is_empty() { "false".to_owned() } else { format!("coalesce({}, false)", conditions.join(" OR ")) }
}

/// The last digits of a number, with whatever people write between them.
fn dialled(value: &str) -> Option<String> {
    const DIGITS: usize = 6;
    let digits: Vec<char> = value.chars().filter(char::is_ascii_digit).collect();
    let last = digits.get(digits.len().checked_sub(DIGITS)?..)?;
    Some(last.iter().map(char::to_string).collect::<Vec<_>>().join("[^0-9]{0,4}"))
}

/// How an address may have been written: with dots and tags, and at a domain with letters of its own or Gmail's other one.
fn addressed(value: &str) -> Option<String> {
    let (local, domain) = value.split_once('@')?;
    let domain = match domain {
        "gmail.com" => "g(?:oogle)?mail\\.com".to_owned(),
        foreign if foreign.contains("xn--") => String::new(),
        domain => regex_of(domain),
    };
    // Letters with accents are written in more than one way.
    let local = match local.is_ascii() {
        true => local.chars().map(|it| regex_of(&it.to_string()) + "\\.*").collect::<String>() + "(?:\\+[^@\"]*)?",
        false => format!("{}[^@\"]*", regex_of(&local.chars().next()?.to_string())),
    };
    Some(format!("{BEHIND}\\.*{local}@{domain}"))
}

/// What is left of a value that something was replaced in: where it begins and its domain, or its longest part.
fn replaced(value: &str) -> Option<String> {
    if let Some((local, domain)) = value.split_once('@')
        && let Some(first) = local.chars().next()
    {
        return Some(format!("{}[^@\"]*@{}", regex_of(&first.to_string()), regex_of(domain)));
    }
    let parts = value.split(|it: char| !it.is_alphanumeric());
    parts.max_by_key(|part| part.len()).filter(|part| !part.is_empty()).map(regex_of)
}

fn regex_of(text: &str) -> String {
    text.chars().fold(String::new(), |mut pattern, it| {
        if it.is_ascii() && !it.is_alphanumeric() {
            pattern.push('\\');
        }
        pattern.push(it);
        pattern
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use duckdb::{Connection, params};
    use sonder_dsl::source::{SourceFile, SourceSet};

    #[test]
    fn whatever_is_them_is_found_and_little_else() {
        let file = |path: &str, text: &str| SourceFile { path: path.to_owned(), text: text.to_owned() };
        let identity =
            "identifiers:\n  email: {normalize: [email, drop_tag, gmail]}\n  phone: {normalize: [{e164: NL}]}\n";
        let files = vec![file("sonder.yaml", "name: shop"), file("identity.yaml", identity)];
        let program = sonder_dsl::compile(SourceSet::new(files)).program.unwrap();
        let known_by = [
            ("email", "ann1815@gmail.com"),
            ("email", "ann.b@mail.example"),
            ("email", "jörg@mail.example"),
            ("phone", "+31612918273"),
        ];
        let names = Names::new(&program, &known_by.map(|(kind, value)| (kind.to_owned(), value.to_owned())));
        let connection = Connection::open_in_memory().unwrap();
        let sql = format!("SELECT {} FROM (SELECT ?::VARCHAR AS payload)", condition(&names, "payload"));
        let is_found = |text: &str| {
            // As a client may have written it, and as this engine does.
            [text.to_owned(), serde_json::Value::from(text).to_string()]
                .map(|it| connection.query_row(&sql, params![format!(r#"{{"x":{it}}}"#)], |row| row.get::<_, bool>(0)))
                .map(Result::unwrap)
        };
        for text in [
            "ann1815@gmail.com",
            "Ann.18.15+News@GoogleMail.com",
            ".ann1815.@gmail.com ",
            "\tA.n.n1815@gmail.com",
            "\u{a0}ann.1815@gmail.com",
            "email: ann1815+@gmail.com",
            "ANN.B+1+2@Mail.example",
            "Jo\u{308}rg@mail.example",
            "06-12 91 82 73",
            "0031 (6) 129.182.73",
        ] {
            assert!(names.is_whole(text), "{text}");
            assert_eq!(is_found(text), [true, true], "{text}");
        }
        assert!(is_found(r"\u00a0ann.1815@gmail.com")[0]);
        for text in
            ["joann.1815@gmail.com", "ann18155@gmail.com", "anna.b@mail.example", "ann.1815@mail.example", "06129182"]
        {
            assert!(!names.is_whole(text), "{text}");
            assert_eq!(is_found(text), [false, false], "{text}");
        }
    }
}
