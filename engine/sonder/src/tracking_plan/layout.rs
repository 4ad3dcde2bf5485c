//! What all pages have: head, navigation, search; and the small parts that several of them show.

use super::html::{Text, anchor};
use super::readers::{Kind, Reader};
use super::{MARK, Plan};
use serde_json::Value as Json;
use sonder_dsl::ir::EventId;
use sonder_dsl::ir::lineage::Datum;
use sonder_dsl::model::{EventSchema, PiiClass};
use std::fmt::Write;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("search.js");

/// The pages of the navigation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    Events,
    People,
    Rules,
    Destinations,
    Privacy,
}

const SECTIONS: [(Section, &str, &str); 5] = [
    (Section::Events, "index.html", "Events"),
    (Section::People, "people.html", "People"),
    (Section::Rules, "rules.html", "Rules"),
    (Section::Destinations, "destinations.html", "Destinations"),
    (Section::Privacy, "privacy.html", "Privacy"),
];

/// Where a page is.
#[derive(Clone, Copy)]
pub(super) struct Frame<'a> {
    pub plan: &'a Plan<'a>,
    /// For the window, before the project's name.
    pub title: &'a str,
    pub section: Section,
    /// What leads to the site's folder: nothing, or `../`.
    pub root: &'static str,
}

impl Frame<'_> {
    /// The whole document around what is its own.
    pub fn page(&self, body: &str) -> String {
        let (root, project) = (self.root, Text(&self.plan.program.settings.name));
        let mut html = format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n{MARK}\n\
             <title>{} · {project} tracking plan</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
             <a class=\"skip\" href=\"#content\">Skip to the content</a>\n<header class=\"top\"><div class=\"wide\">\n\
             <a class=\"home\" href=\"{root}index.html\"><span class=\"mark\" aria-hidden=\"true\"></span>{project} <small>tracking plan</small></a>\n\
             <nav aria-label=\"Pages\">",
            Text(self.title),
        );
        for (section, file, name) in SECTIONS {
            let here = if section == self.section { " aria-current=\"page\"" } else { "" };
            // Writing into a text cannot fail.
            let _ = write!(html, "<a href=\"{root}{file}\"{here}>{name}</a>");
        }
        html.push_str("</nav>\n");
        if self.is_searched() {
            html.push_str("</div></header>\n");
        } else {
            let _ = writeln!(
                html,
                "<form class=\"find\" role=\"search\" action=\"{root}index.html\"><input type=\"search\" name=\"q\" \
                 placeholder=\"Search\" aria-label=\"Search the plan\"></form></div></header>"
            );
        }
        let _ = write!(html, "<main id=\"content\" class=\"wide\">\n{body}</main>\n");
        html.push_str(
            "<footer class=\"wide\">Made by <code>sonder docs plan</code> of the project’s own files.</footer>\n",
        );
        if self.is_searched() {
            let _ = write!(html, "<script>\n{SCRIPT}</script>\n");
        }
        html.push_str("</body>\n</html>\n");
        html
    }

    fn is_searched(&self) -> bool {
        self.section == Section::Events && self.root.is_empty()
    }

    /// A link to somebody who reads.
    pub fn reader(&self, reader: &Reader) -> String {
        let (kind, name) = (reader.kind.name(), Text(&reader.name));
        format!(
            "<a class=\"pill {kind}\" href=\"{}\"><span class=\"what\">{kind}</span> {name}</a>",
            self.place(reader)
        )
    }

    /// Links to all of them; how many they are instead, to be opened, where they would fill the page.
    pub fn readers<'r>(&self, readers: impl IntoIterator<Item = &'r Reader>) -> String {
        let links: Vec<String> = readers.into_iter().map(|reader| self.reader(reader)).collect();
        match links.len() {
            0 => "<span class=\"none\">nobody</span>".to_owned(),
            1..=6 => format!("<span class=\"pills\">{}</span>", links.concat()),
            count => format!(
                "<details><summary>{count} readers</summary><span class=\"pills\">{}</span></details>",
                links.concat()
            ),
        }
    }

    /// Where a reader is described.
    pub fn place(&self, reader: &Reader) -> String {
        let (root, name) = (self.root, Text(&reader.name));
        match reader.kind {
            Kind::Destination => format!("{root}destinations.html#{name}"),
            _ => format!("{root}rules.html#{name}"),
        }
    }

    /// A link to an event, or to a property of it.
    pub fn event(&self, id: EventId, property: Option<&str>) -> String {
        let Some(event) = self.plan.program.events.get(id.index()) else { return String::new() };
        let (root, name) = (self.root, Text(&event.name));
        match property {
            None => format!(
                "<a class=\"pill event\" href=\"{root}events/{name}.html\"><span class=\"what\">event</span> {name}</a>"
            ),
            Some(path) => {
                let own = anchor(own_property(event, path));
                format!("<a class=\"pill property\" href=\"{root}events/{name}.html#{own}\">{name}.{}</a>", Text(path))
            }
        }
    }

    /// A link to a trait of the golden record.
    pub fn profile(&self, name: &str) -> String {
        let (root, name) = (self.root, Text(name));
        format!(
            "<a class=\"pill profile\" href=\"{root}people.html#{name}\"><span class=\"what\">profile</span> {name}</a>"
        )
    }

    /// Links to what is read.
    pub fn data<'d>(&self, data: impl IntoIterator<Item = &'d Datum>) -> String {
        let program = self.plan.program;
        let links: Vec<String> = data
            .into_iter()
            .map(|datum| match datum {
                Datum::AnyEvent => format!(
                    "<a class=\"pill event\" href=\"{}index.html\"><span class=\"what\">event</span> any</a>",
                    self.root
                ),
                Datum::Event(id) => self.event(*id, None),
                Datum::Property(id, path) => self.event(*id, Some(path)),
                Datum::Context(path) => format!("<span class=\"pill context\">context.{}</span>", Text(path)),
                Datum::Profile(id) => self.profile(program.profile.get(id.index()).map_or("", |it| it.name.as_str())),
                Datum::Rule(id) => super::readers::rule(program, *id).map_or_else(String::new, |it| self.reader(&it)),
            })
            .collect();
        if links.is_empty() {
            return "<span class=\"none\">nothing</span>".to_owned();
        }
        format!("<span class=\"pills\">{}</span>", links.concat())
    }
}

/// The property of the event that a path begins with; a name may have points of its own.
pub(super) fn own_property<'p>(event: &EventSchema, path: &'p str) -> &'p str {
    let begins =
        |name: &str| path.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']));
    let longest = event.properties.iter().filter(|it| begins(&it.name)).map(|it| it.name.len()).max();
    longest.and_then(|length| path.get(..length)).unwrap_or(path)
}

/// The class of personal data as a mark.
pub(super) fn pii(class: Option<PiiClass>) -> String {
    class.map_or_else(String::new, |class| format!("<span class=\"pii\">{}</span>", pii_word(class)))
}

/// As it is written in YAML.
pub(super) const fn pii_word(class: PiiClass) -> &'static str {
    match class {
        PiiClass::Contact => "contact",
        PiiClass::Personal => "personal",
        PiiClass::Sensitive => "sensitive",
        PiiClass::Technical => "technical",
    }
}

/// Names as code, or words for none of them.
pub(super) fn codes<T: std::fmt::Display>(names: impl IntoIterator<Item = T>, none: &str) -> String {
    let shown: Vec<String> = names.into_iter().map(|name| format!("<code>{}</code>", Text(name))).collect();
    if shown.is_empty() { format!("<span class=\"none\">{}</span>", Text(none)) } else { shown.join(" ") }
}

/// A value as people read it: text without quotes.
pub(super) fn value(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A term and what is to be said of it.
pub(super) fn fact(html: &mut String, term: &str, said: &str) {
    let _ = writeln!(html, "<div><dt>{}</dt><dd>{said}</dd></div>", Text(term));
}
