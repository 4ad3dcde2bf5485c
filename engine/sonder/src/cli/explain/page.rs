//! An explanation as a page of a terminal: the answer, what decides it, and the rule as a tree.

use super::words;
use serde_json::Value as Json;
use sonder_dsl::diagnostic::render::human::Colour;
use std::collections::BTreeSet;
use unicode_width::UnicodeWidthStr;

/// Lines that fit the terminal.
pub(super) struct Page {
    colour: Colour,
    width: usize,
    text: String,
}

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    Plain,
    Title,
    Holds,
    Fails,
    Faint,
}

impl Page {
    pub fn new(colour: Colour, width: usize) -> Self {
        Self { colour, width: width.max(40), text: String::new() }
    }

    pub fn text(self) -> String {
        self.text
    }

    /// A line, broken between words; what is broken off stands two columns further in.
    fn line(&mut self, indent: usize, mark: (&str, Style), text: &str, style: Style) {
        let text = clean(text);
        let lead = if mark.0.is_empty() { 0 } else { mark.0.width() + 1 };
        let mut column = indent + lead;
        self.text.push_str(&" ".repeat(indent));
        if lead > 0 {
            let mark = self.painted(mark.0, mark.1);
            self.text.push_str(&mark);
            self.text.push(' ');
        }
        let hanging = indent + lead + 2;
        let mut row = String::new();
        for word in text.split(' ') {
            let gap = usize::from(!row.is_empty());
            if column + gap + word.width() > self.width && !row.is_empty() {
                let painted = self.painted(&row, style);
                self.text.push_str(&painted);
                self.text.push('\n');
                self.text.push_str(&" ".repeat(hanging));
                column = hanging;
                row.clear();
            }
            if !row.is_empty() {
                row.push(' ');
                column += 1;
            }
            row.push_str(word);
            column += word.width();
        }
        let painted = self.painted(&row, style);
        self.text.push_str(&painted);
        self.text.push('\n');
    }

    fn blank(&mut self) {
        self.text.push('\n');
    }

    fn painted(&self, text: &str, style: Style) -> String {
        let code = match style {
            _ if self.colour == Colour::Never || text.is_empty() => return text.to_owned(),
            Style::Plain => return text.to_owned(),
            Style::Title => "1",
            Style::Holds => "32",
            Style::Fails => "31",
            Style::Faint => "2",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

/// What would move the cursor or turn text around comes from strangers.
fn clean(text: &str) -> String {
    let turns = |character: char| matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|it| if it.is_control() || turns(it) { '\u{fffd}' } else { it }).collect()
}

const NO_MARK: (&str, Style) = ("", Style::Plain);

/// Writes an explanation.
pub(super) fn explanation(page: &mut Page, person: &str, explanation: &Json) {
    let rule = text(&explanation["rule"]);
    let at = words::moment(&explanation["at"]);
    let is_segment = explanation["kind"] == "segment";
    let value = &explanation["value"];
    let personal = explanation["personal"] == true;
    let headline = match (is_segment, value == &Json::Bool(true)) {
        (true, true) => format!("{person} is in `{rule}` as of {at}"),
        (true, false) => format!("{person} is not in `{rule}` as of {at}"),
        (false, _) => format!("`{rule}` of {person} is {} as of {at}", words::value(value, personal)),
    };
    page.line(0, NO_MARK, &headline, Style::Title);
    let place = text(&explanation["place"]);
    let about = match explanation["description"].as_str() {
        Some(description) => format!("{description} ({place})"),
        None => place.to_owned(),
    };
    page.line(0, NO_MARK, &about, Style::Faint);
    let next = &explanation["next"];
    let then = match words::next(next, is_segment, personal) {
        _ if next["change"] == "never" => "if nothing happens, it stays so".to_owned(),
        _ if next["change"] == "later" => {
            format!("if nothing happens, it stays so until {} at least", words::moment(&next["at"]))
        }
        Some(_) if is_segment && next["to"] == true => {
            format!("if nothing happens, they enter at {}", words::moment(&next["at"]))
        }
        Some(_) if is_segment => format!("if nothing happens, they leave at {}", words::moment(&next["at"])),
        Some(then) => format!("if nothing happens, it is {then}").replace("it is changes", "it changes"),
        None => String::new(),
    };
    page.line(0, NO_MARK, &then, Style::Plain);
    let deciding = because(page, explanation);
    page.blank();
    part(page, &explanation["tree"], 0, &deciding);
}

/// The conditions that decide; says which parts these are.
fn because(page: &mut Page, explanation: &Json) -> BTreeSet<u64> {
    let because = &explanation["because"];
    let Some(reasons) = because["parts"].as_array().filter(|reasons| !reasons.is_empty()) else {
        return BTreeSet::new();
    };
    let title = match because["effect"].as_str() {
        Some("missing") => "what is missing",
        Some("chooses") => "what chooses the value",
        _ => "what keeps it so",
    };
    page.blank();
    page.line(0, NO_MARK, title, Style::Title);
    let mut deciding = BTreeSet::new();
    for reason in reasons {
        let Some(id) = reason["part"].as_u64() else { continue };
        deciding.insert(id);
        let Some(found) = find(&explanation["tree"], id) else { continue };
        let holds = reason["holds"] == true;
        let shown = match (because["effect"] == "missing", holds) {
            (true, true) => format!("{} must not hold", text(&found["text"])),
            _ => text(&found["text"]).to_owned(),
        };
        page.line(2, mark(holds), &shown, Style::Plain);
    }
    deciding
}

fn find(part: &Json, id: u64) -> Option<&Json> {
    if part["id"].as_u64() == Some(id) {
        return Some(part);
    }
    part["parts"].as_array()?.iter().find_map(|part| find(part, id))
}

fn part(page: &mut Page, it: &Json, indent: usize, deciding: &BTreeSet<u64>) {
    let kind = it["kind"].as_str().unwrap_or_default();
    let personal = it["personal"] == true;
    let is_condition = it["value"].is_boolean() && !personal;
    let written = match kind {
        "all" => "all of",
        "any" => "at least one of",
        "not" => "not",
        _ => text(&it["text"]),
    };
    let mut shown = written.to_owned();
    if !is_condition && kind != "constant" {
        shown.push_str(&format!(" = {}", words::value(&it["value"], personal)));
    }
    if it["same_as"].is_u64() {
        shown.push_str(" (as above)");
    }
    let joins = matches!(kind, "all" | "any" | "not");
    if let Some(next) = words::next(&it["next"], is_condition, personal).filter(|_| !joins && indent > 0) {
        shown.push_str(&format!(", {next}"));
    }
    if it["id"].as_u64().is_some_and(|id| deciding.contains(&id)) {
        shown.push_str("  ←");
    }
    let mark = if is_condition { mark(it["value"] == true) } else { ("·", Style::Faint) };
    page.line(indent, mark, &shown, Style::Plain);
    let inner = indent + 4;
    if !it["margin"].is_null() {
        page.line(inner, NO_MARK, &words::margin(&it["margin"]), Style::Plain);
    }
    evidence(page, &it["evidence"], kind, inner);
    let parts = it["parts"].as_array().map(Vec::as_slice).unwrap_or_default();
    match parts {
        // What is compared stands in the line already.
        [only] if kind == "comparison" && !it["margin"].is_null() && only["kind"] == "aggregate" => {
            evidence(page, &only["evidence"], "aggregate", inner);
        }
        _ => {
            for inside in parts {
                part(page, inside, indent + 2, deciding);
            }
        }
    }
}

fn evidence(page: &mut Page, evidence: &Json, kind: &str, indent: usize) {
    if evidence.is_null() {
        return;
    }
    if !evidence["progress"].is_null() {
        page.line(indent, NO_MARK, &words::stage(&evidence["progress"]), Style::Plain);
    }
    if let Some(group) = evidence.get("group").filter(|group| !group.is_null()) {
        let others = group["of"].as_u64().unwrap_or(1).saturating_sub(1);
        let value = words::value(&group["value"], true);
        let line = format!("{} {value}, of {} others", text(&group["property"]), others);
        let line = if others == 1 { line.replace("others", "other") } else { line };
        page.line(indent, NO_MARK, &line, Style::Plain);
    }
    let tally = evidence["tally"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !tally.is_empty() {
        let counts: Vec<String> =
            tally.iter().map(|pair| format!("{} {} times", words::value(&pair[0], false), pair[1])).collect();
        page.line(indent, NO_MARK, &counts.join(", "), Style::Plain);
    }
    let events = evidence["events"].as_array().map(Vec::as_slice).unwrap_or_default();
    if events.is_empty() && kind == "aggregate" && evidence["progress"].is_null() {
        page.line(indent, NO_MARK, "no event", Style::Faint);
    }
    if let Some(withheld) = evidence.get("withheld").filter(|it| !it.is_null()) {
        page.line(indent, NO_MARK, &words::withheld(withheld), Style::Plain);
    }
    if let Some(more) = evidence["more"].as_u64().filter(|more| *more > 0) {
        page.line(indent, NO_MARK, &format!("{more} more before these"), Style::Faint);
    }
    for event in events {
        page.line(indent, NO_MARK, &counted(event), Style::Faint);
    }
}

/// One event in a line.
fn counted(event: &Json) -> String {
    let mut line = words::moment(&event["at"]);
    if let Some(role) = event["role"].as_str() {
        line.push_str(&format!("  {role}:"));
    }
    line.push_str(&format!("  {}", text(&event["event"])));
    for property in event["properties"].as_array().map(Vec::as_slice).unwrap_or_default() {
        let value = words::value(&property["value"], property["personal"] == true);
        line.push_str(&format!("  {}={value}", text(&property["name"])));
    }
    line.push_str(&format!("  ({}, seq {})", text(&event["message_id"]), event["seq"]));
    if !event["leaves"].is_null() {
        line.push_str(&format!("  leaves {}", words::moment(&event["leaves"])));
    }
    line
}

const fn mark(holds: bool) -> (&'static str, Style) {
    if holds { ("✓", Style::Holds) } else { ("✗", Style::Fails) }
}

fn text(value: &Json) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_between_words_and_hang() {
        let mut page = Page::new(Colour::Never, 40);
        page.line(
            2,
            ("✓", Style::Holds),
            "count(product_viewed where category == \"shoes\", last 1d) >= 3",
            Style::Plain,
        );
        assert_eq!(page.text(), "  ✓ count(product_viewed where category\n      == \"shoes\", last 1d) >= 3\n");
    }

    #[test]
    fn colour_marks_what_holds_and_strangers_move_no_cursor() {
        let mut page = Page::new(Colour::Always, 80);
        page.line(0, mark(true), "a\u{1b}[2Jb\u{202e}", Style::Plain);
        assert_eq!(page.text(), "\u{1b}[32m✓\u{1b}[0m a\u{fffd}[2Jb\u{fffd}\n");
    }
}
