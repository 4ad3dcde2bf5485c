//! The page of an event: what it is, what it holds, who reads it, where it goes, how it is sent.

use super::Plan;
use super::html::{Text, anchor};
use super::items::{Item, items};
use super::layout::{Frame, Section, codes, fact, own_property, pii, value};
use super::readers::{Kind, Reader, Way};
use super::schema::{self, Row};
use sonder_dsl::ir::lineage::Datum;
use sonder_dsl::ir::{EventId, Program};
use sonder_dsl::model::{EventSchema, OnViolation, Others};
use std::fmt::Write;

pub(super) fn page(plan: &Plan<'_>, id: EventId, event: &EventSchema) -> String {
    let title = event.title.as_deref().unwrap_or(&event.name);
    let frame = Frame { plan, title, section: Section::Events, root: "../" };
    let rows = schema::rows(event);
    let mut html = String::new();
    head(&mut html, title, event);
    properties(&mut html, &frame, id, event, &rows);
    readers(&mut html, &frame, id);
    leads_to(&mut html, &frame, id, event);
    sending(&mut html, event, &rows);
    neighbours(&mut html, plan.program, id);
    frame.page(&html)
}

fn head(html: &mut String, title: &str, event: &EventSchema) {
    // Writing into a text cannot fail.
    let _ = write!(
        html,
        "<p class=\"path\"><a href=\"../index.html\">Events</a></p>\n<h1>{}</h1>\n<p class=\"name\"><code>{}</code></p>\n",
        Text(title),
        Text(&event.name)
    );
    match &event.description {
        Some(text) => _ = writeln!(html, "<p class=\"lead\">{}</p>", Text(text)),
        None => html.push_str("<p class=\"lead none\">Its file does not say what it means and when it is sent.</p>\n"),
    }
    html.push_str("<dl class=\"facts\">\n");
    let owner =
        event.owner.as_ref().map_or_else(|| "<span class=\"none\">nobody</span>".to_owned(), |it| Text(it).to_string());
    fact(html, "Owner", &owner);
    fact(html, "Version", &Text(&event.version).to_string());
    fact(html, "Purposes", &codes(&event.purposes, "any"));
    if !event.aliases.is_empty() {
        fact(html, "Also sent as", &codes(&event.aliases, ""));
    }
    let violation = match event.on_violation {
        OnViolation::Quarantine => "it is kept aside, with the reason",
        OnViolation::Strip => "the properties that violate the schema are dropped",
        OnViolation::Label => "it goes on, labelled",
    };
    fact(html, "If it is sent wrong", violation);
    let others = match event.others() {
        Others::LeftOut => "left out of what is stored",
        Others::Stored => "stored as they are sent",
        Others::Violate => "sent wrong",
    };
    fact(html, "Other properties", others);
    if let Some(kept) = event.retention {
        fact(html, "Kept for", &Text(kept).to_string());
    }
    html.push_str("</dl>\n");
}

fn properties(html: &mut String, frame: &Frame<'_>, id: EventId, event: &EventSchema, rows: &[Row]) {
    html.push_str("<section><h2 id=\"properties\">Properties</h2>\n");
    if rows.is_empty() {
        html.push_str("<p class=\"none\">None are declared.</p></section>\n");
        return;
    }
    html.push_str(
        "<div class=\"table\"><table class=\"properties\"><thead><tr><th>property</th><th>type</th><th>meaning</th>\
         <th>read by</th></tr></thead><tbody>\n",
    );
    for row in rows {
        let declared = event.properties.iter().find(|it| it.name == row.path).filter(|_| row.depth == 0);
        let readers = match row.depth {
            0 => frame.readers(frame.plan.readers.of_property(id, &row.path)),
            // Rules read into objects, but not into lists of them.
            _ => match frame.plan.readers.of_property(id, &row.path) {
                none if none.is_empty() => String::new(),
                found => frame.readers(found),
            },
        };
        let (shown, place) = match row.depth {
            0 => (row.path.clone(), format!(" id=\"{}\"", anchor(&row.path))),
            _ => (within(event, &row.path), String::new()),
        };
        let _ = writeln!(
            html,
            "<tr{place} class=\"depth-{depth}\"><th scope=\"row\"><code>{name}</code>{required}{old}</th>\
             <td data-label=\"type\">{kind}</td><td data-label=\"meaning\">{meaning}</td>\
             <td data-label=\"read by\">{readers}</td></tr>",
            depth = row.depth.min(4),
            name = Text(shown),
            required = if row.required { " <span class=\"must\">required</span>" } else { "" },
            old = if row.deprecated { " <span class=\"old\">deprecated</span>" } else { "" },
            kind = Text(&row.kind),
            meaning = meaning(frame, row, declared),
        );
    }
    html.push_str("</tbody></table></div></section>\n");
}

/// The part of a path below the property that it begins with.
fn within(event: &EventSchema, path: &str) -> String {
    let own = own_property(event, path);
    path.get(own.len()..).filter(|rest| !rest.is_empty()).unwrap_or(path).to_owned()
}

fn meaning(frame: &Frame<'_>, row: &Row, declared: Option<&sonder_dsl::model::Property>) -> String {
    let mut parts: Vec<String> = Vec::new();
    parts.extend(row.description.as_ref().map(|text| format!("<p>{}</p>", Text(text))));
    let mut marks = pii(declared.and_then(|it| it.pii));
    if let Some(kind) = declared.and_then(|it| it.identifier.as_ref()) {
        let _ = write!(
            marks,
            "<a class=\"mark\" href=\"{}people.html#identifiers\">identifies people as {}</a>",
            frame.root,
            Text(kind)
        );
    }
    let fed =
        frame.plan.program.profile.iter().filter(|it| it.from.paths().iter().any(|path| is_property(path, &row.path)));
    marks.extend(fed.map(|it| {
        format!("<a class=\"mark\" href=\"{0}people.html#{1}\">feeds the profile’s {1}</a>", frame.root, Text(&it.name))
    }));
    if !marks.is_empty() {
        parts.push(format!("<p class=\"marks\">{marks}</p>"));
    }
    if !row.choices.is_empty() {
        parts.push(format!("<p class=\"values\">one of {}</p>", values(row.choices.iter().map(value).collect())));
    }
    if !row.limits.is_empty() {
        parts.push(format!("<p class=\"limits\">{}</p>", Text(row.limits.join(", "))));
    }
    if !row.examples.is_empty() {
        parts.push(format!("<p class=\"values\">such as {}</p>", values(row.examples.iter().map(value).collect())));
    }
    parts.concat()
}

/// Values as code; where they are many, the rest can be opened.
fn values(shown: Vec<String>) -> String {
    const FIRST: usize = 12;
    match shown.split_at_checked(FIRST + 1) {
        None | Some((_, [])) => codes(shown, ""),
        Some(_) => {
            let (first, rest) = shown.split_at(FIRST);
            format!(
                "{} <details class=\"rest\"><summary>{} more</summary>{}</details>",
                codes(first, ""),
                rest.len(),
                codes(rest, "")
            )
        }
    }
}

/// Whether a path in a message leads to a property, or into it.
fn is_property(path: &[String], property: &str) -> bool {
    path.split_first().is_some_and(|(root, rest)| root == "properties" && rest.join(".") == property)
}

fn readers(html: &mut String, frame: &Frame<'_>, id: EventId) {
    html.push_str("<section><h2 id=\"readers\">Who reads it</h2>\n");
    let readers = frame.plan.readers.of_event(id);
    if readers.is_empty() {
        html.push_str("<p class=\"none\">Nobody: no rule, no journey, no destination.</p></section>\n");
        return;
    }
    html.push_str(
        "<div class=\"table\"><table><thead><tr><th>reader</th><th>what it is</th><th>reads</th></tr></thead><tbody>\n",
    );
    let program = frame.plan.program;
    let items = items(program);
    for (reader, properties) in readers {
        let what = match (reader.kind, properties.is_empty()) {
            (Kind::Destination, true) => "that it happened, as it comes".to_owned(),
            (Kind::Destination, false) => format!("all of it as it comes: {}", codes(properties, "")),
            (_, true) => "that it happened".to_owned(),
            (_, false) => codes(properties, ""),
        };
        let _ = writeln!(
            html,
            "<tr><th scope=\"row\">{}</th><td data-label=\"what it is\">{}</td><td data-label=\"reads\">{what}</td></tr>",
            frame.reader(reader),
            Text(described(program, &items, reader)),
        );
    }
    html.push_str("</tbody></table></div></section>\n");
}

/// What a reader says of itself.
fn described(program: &Program, items: &[Item<'_>], reader: &Reader) -> String {
    if reader.kind == Kind::Destination {
        let found = program.destinations.iter().find(|it| it.name == reader.name);
        return found.map(|it| it.plugin.clone()).unwrap_or_default();
    }
    let found = items.iter().find(|item| item.kind == reader.kind && item.name == reader.name);
    found.and_then(|item| item.description).unwrap_or_default().to_owned()
}

fn leads_to(html: &mut String, frame: &Frame<'_>, id: EventId, event: &EventSchema) {
    html.push_str("<section><h2 id=\"destinations\">Where it leads</h2>\n");
    let properties = event.properties.iter().map(|it| Datum::Property(id, it.name.clone()));
    let from: Vec<Datum> = [Datum::Event(id), Datum::AnyEvent].into_iter().chain(properties).collect();
    let found = frame.plan.readers.destinations(frame.plan.program, &from);
    if found.is_empty() {
        html.push_str("<p class=\"none\">To no destination.</p></section>\n");
        return;
    }
    html.push_str("<div class=\"table\"><table><thead><tr><th>destination</th><th>gets it</th></tr></thead><tbody>\n");
    for (name, ways) in found {
        let reader = Reader { kind: Kind::Destination, name };
        let ways: Vec<String> = ways
            .iter()
            .map(|way| match way {
                Way::Itself => "<span class=\"pill event\">as it comes</span>".to_owned(),
                Way::Through(through) => frame.reader(through),
            })
            .collect();
        let _ = writeln!(
            html,
            "<tr><th scope=\"row\">{}</th><td data-label=\"gets it\"><span class=\"pills\">{}</span></td></tr>",
            frame.reader(&reader),
            ways.concat()
        );
    }
    html.push_str("</tbody></table></div></section>\n");
}

fn sending(html: &mut String, event: &EventSchema, rows: &[Row]) {
    let sample = serde_json::Value::Object(schema::sample(event, rows));
    let sample = serde_json::to_string_pretty(&sample).unwrap_or_default();
    let sent_as = event.title.as_deref().filter(|title| sonder_dsl::model::fold_event_name(title) == event.name);
    let name = serde_json::Value::from(sent_as.unwrap_or(&event.name)).to_string();
    let schema = serde_json::to_string_pretty(&event.json_schema).unwrap_or_default();
    let _ = write!(
        html,
        "<section><h2 id=\"sending\">How it is sent</h2>\n<p>With any Segment or RudderStack SDK; <code>…</code> stands for a value \
         that must be there.</p>\n<pre tabindex=\"0\" aria-label=\"a call that sends it\"><code>analytics.track({}, {});</code></pre>\n\
         <details><summary>JSON Schema of its properties</summary><pre tabindex=\"0\" aria-label=\"JSON Schema\"><code>{}</code></pre></details></section>\n",
        Text(name),
        Text(sample),
        Text(schema)
    );
}

fn neighbours(html: &mut String, program: &Program, id: EventId) {
    let link = |id: Option<usize>, rel: &str, arrow: &str| {
        let event = id.and_then(|id| program.events.get(id));
        event.map_or_else(String::new, |event| {
            format!("<a rel=\"{rel}\" href=\"{0}.html\"><small>{arrow}</small> {0}</a>", Text(&event.name))
        })
    };
    let (before, after) = (link(id.index().checked_sub(1), "prev", "←"), link(Some(id.index() + 1), "next", "→"));
    let _ = writeln!(html, "<nav class=\"neighbours\" aria-label=\"Other events\">{before}{after}</nav>");
}
