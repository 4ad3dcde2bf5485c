//! `sonder person graph`: the links between a person's identifiers, in lines.

use super::super::output::{Failure, Output};
use serde_json::Value as Json;

/// Each link, then what is refused and what was decided; or just the path that was asked for.
pub(super) fn show(graph: &Json, output: &mut Output<'_>) -> Result<(), Failure> {
    if let Some(path) = graph["path"].as_array() {
        return path.iter().try_for_each(|edge| output.line(link(edge)));
    }
    output.line(format!("person      {}", text(&graph["person"])))?;
    let mut group = |title: &str, key: &str, line: &dyn Fn(&Json) -> String| {
        let mut title = title;
        for item in graph[key].as_array().map(Vec::as_slice).unwrap_or_default() {
            output.line(format!("{title:<11} {}", line(item)))?;
            title = "";
        }
        Ok::<(), Failure>(())
    };
    group("identifiers", "nodes", &|node| {
        let mark = match (node["former"] == true, node["generic"] == true) {
            (true, _) => ", expired",
            (_, true) => ", shared by too many to link anybody",
            _ => "",
        };
        format!("{}  ({}, since {}{mark})", text(&node["id"]), text(&node["source"]), text(&node["first_seen"]))
    })?;
    group("links", "edges", &link)?;
    group("refused", "refused", &|edge| {
        let whose = edge["other"].as_str().map_or(String::new(), |other| format!(", whose is {other}"));
        format!("{}: {}{whose}", link(edge), text(&edge["reason"]))
    })?;
    group("apart", "apart", &|pair| format!("{} and {}", text(&pair[0]), text(&pair[1])))
}

fn link(edge: &Json) -> String {
    // What matching found is of no source.
    let by = match (edge["probability"].as_f64(), edge["decision"].as_object()) {
        (Some(probability), _) => format!("probabilistic, {probability:.4}"),
        (None, Some(decision)) => {
            let who = decision["by"].as_str().map_or_else(String::new, |who| format!(" of {who}"));
            let why = decision["reason"].as_str().map_or_else(String::new, |why| format!(", {why}"));
            format!("by decision{who}{why}")
        }
        (None, None) => format!("by {} of {}", text(&edge["by"]), text(&edge["source"])),
    };
    format!("{} - {}  ({by}, record {}, {})", text(&edge["a"]), text(&edge["b"]), edge["record"], text(&edge["at"]))
}

fn text(value: &Json) -> &str {
    value.as_str().unwrap_or_default()
}

/// `a` is; `a` and `b` are.
pub(super) fn are(identifiers: &[String]) -> String {
    let named: Vec<String> = identifiers.iter().map(|it| format!("`{it}`")).collect();
    format!("{} {}", named.join(" and "), if named.len() == 1 { "is" } else { "are" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn lines(graph: &Json) -> String {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut output = Output { out: &mut out, err: &mut err, out_is_terminal: false, err_is_terminal: false };
        show(graph, &mut output).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_graph_is_shown_in_lines() {
        let edge = |a: &str, b: &str| json!({"a": a, "b": b, "by": "message", "source": "web", "record": 7, "at": "2026-01-02"});
        let mut refused = edge("user_id:u2", "anonymous_id:a1");
        refused["reason"] = "unique".into();
        refused["other"] = "0b".into();
        let node = |id: &str| json!({"id": id, "source": "web", "first_seen": "2026-01-01", "former": false, "generic": false});
        let mut graph = json!({
            "person": "0a", "nodes": [node("user_id:u1"), node("anonymous_id:a1")],
            "edges": [edge("user_id:u1", "anonymous_id:a1")], "refused": [refused],
            "apart": [["anonymous_id:a1", "email:x"]],
        });
        assert_eq!(
            lines(&graph),
            "person      0a\nidentifiers user_id:u1  (web, since 2026-01-01)\n            anonymous_id:a1  (web, since 2026-01-01)\n\
             links       user_id:u1 - anonymous_id:a1  (by message of web, record 7, 2026-01-02)\n\
             refused     user_id:u2 - anonymous_id:a1  (by message of web, record 7, 2026-01-02): unique, whose is 0b\n\
             apart       anonymous_id:a1 and email:x\n"
        );
        let mut likely = edge("user_id:u1", "email:x");
        likely["probability"] = 0.99712.into();
        graph["path"] = json!([likely]);
        assert_eq!(lines(&graph), "user_id:u1 - email:x  (probabilistic, 0.9971, record 7, 2026-01-02)\n");
        graph["path"] = json!([edge("user_id:u1", "anonymous_id:a1")]);
        assert_eq!(lines(&graph), "user_id:u1 - anonymous_id:a1  (by message of web, record 7, 2026-01-02)\n");
    }
}
