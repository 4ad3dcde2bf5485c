//! The first page: all events, and everything else that can be searched for.

use super::Plan;
use super::html::{Text, anchor, counted};
use super::items::{KINDS, items};
use super::layout::{Frame, Section, codes, own_property, pii};
use super::schema;
use sonder_dsl::ir::{EventId, RuleKind};
use sonder_dsl::model::{EventSchema, SourceKind};
use std::collections::BTreeSet;
use std::fmt::Write;

pub(super) fn page(plan: &Plan<'_>) -> String {
    let frame = Frame { plan, title: "Events", section: Section::Events, root: "" };
    let mut html = String::new();
    // Writing into a text cannot fail.
    let _ = write!(
        html,
        "<div class=\"intro\"><h1>What {} collects</h1>\n{}</div>\n",
        Text(&plan.program.settings.name),
        summary(plan)
    );
    filters(&mut html, plan);
    events(&mut html, &frame);
    others(&mut html, &frame);
    sources(&mut html, plan);
    frame.page(&html)
}

fn summary(plan: &Plan<'_>) -> String {
    let program = plan.program;
    let properties = program.events.iter().map(|event| event.properties.len()).sum::<usize>();
    let traits = program.rules.iter().filter(|rule| matches!(rule.kind, RuleKind::Trait(_))).count();
    let figures = [
        ("index.html", counted(program.events.len(), "event")),
        ("index.html", counted(properties, "property")),
        ("people.html", counted(program.profile.len(), "profile trait")),
        ("rules.html", counted(program.rules.len() - traits, "segment")),
        ("rules.html", counted(traits, "computed trait")),
        ("rules.html", counted(program.journeys.len(), "journey")),
        ("destinations.html", counted(program.destinations.len(), "destination")),
    ];
    let shown = figures.iter().filter(|(_, figure)| !figure.starts_with("0 "));
    let links: String = shown
        .map(|(page, figure)| {
            let (number, what) = figure.split_once(' ').unwrap_or_default();
            format!("<li><a href=\"{page}\"><b>{number}</b> {what}</a></li>")
        })
        .collect();
    format!("<ul class=\"figures\">{links}</ul>\n")
}

fn filters(html: &mut String, plan: &Plan<'_>) {
    let select = |name: &str, label: &str, all: &str, values: BTreeSet<&str>| {
        if values.is_empty() {
            return String::new();
        }
        let options: String =
            values.iter().map(|value| format!("<option value=\"{0}\">{0}</option>", Text(value))).collect();
        format!("<label>{label} <select name=\"{name}\"><option value=\"\">{all}</option>{options}</select></label>")
    };
    let owners = plan.program.events.iter().filter_map(|event| event.owner.as_deref()).collect();
    let purposes = plan.program.events.iter().flat_map(|event| event.purposes.iter().map(String::as_str)).collect();
    let _ = writeln!(
        html,
        "<form id=\"search\" class=\"search\" role=\"search\" hidden>\
         <input type=\"search\" name=\"q\" autocomplete=\"off\" spellcheck=\"false\" placeholder=\"Search events, properties, rules …\" \
         aria-label=\"Search the plan\" aria-describedby=\"found\">\
         <div class=\"filters\">{}{}<label><input type=\"checkbox\" name=\"pii\"> with personal data</label>\
         <output id=\"found\" aria-live=\"polite\"></output></div></form>",
        select("owner", "Owner", "all", owners),
        select("purpose", "Purpose", "all", purposes),
    );
}

fn events(html: &mut String, frame: &Frame<'_>) {
    let program = frame.plan.program;
    html.push_str("<section class=\"results\" aria-label=\"Events\"><ul class=\"events\">\n");
    for (id, event) in (0..).zip(&program.events) {
        let readers = frame.plan.readers.of_event(EventId(id)).len();
        let marks: BTreeSet<String> = event.properties.iter().map(|property| pii(property.pii)).collect();
        let marks = Vec::from_iter(marks).concat();
        let _ = writeln!(
            html,
            "<li class=\"card\" data-owner=\"{owner}\" data-purposes=\" {purposes} \"{has} data-text=\"{text}\">\
             <h2><a href=\"events/{name}.html\">{title}</a></h2><p class=\"called\"><code>{name}</code> {version}</p>\
             <p>{description}</p><p class=\"facts\">{by}<span>{properties}</span><span>{readers}</span>{marks}</p></li>",
            owner = Text(event.owner.as_deref().unwrap_or_default()),
            purposes = Text(event.purposes.join(" ")),
            has = if marks.is_empty() { "" } else { " data-pii" },
            text = Text(searched(event)),
            name = Text(&event.name),
            title = Text(event.title.as_deref().unwrap_or(&event.name)),
            description = event
                .description
                .as_deref()
                .map_or_else(|| "<span class=\"none\">not described</span>".to_owned(), |text| Text(text).to_string()),
            by = event
                .owner
                .as_ref()
                .map_or_else(String::new, |owner| format!("<span class=\"owner\">{}</span>", Text(owner))),
            properties = counted(event.properties.len(), "property"),
            readers = counted(readers, "reader"),
            version = Text(&event.version),
        );
    }
    html.push_str("</ul></section>\n");
}

/// What an event is found by.
fn searched(event: &EventSchema) -> String {
    let words = [Some(&event.name), event.title.as_ref(), event.description.as_ref(), event.owner.as_ref()];
    let words = words.into_iter().flatten().chain(&event.aliases);
    words.map(|word| word.to_lowercase()).collect::<Vec<_>>().join(" ")
}

/// What is shown only where somebody searches for it.
fn others(html: &mut String, frame: &Frame<'_>) {
    let program = frame.plan.program;
    let mut group = |title: &str, rows: Vec<String>| {
        if !rows.is_empty() {
            let _ = writeln!(
                html,
                "<section class=\"results more\" hidden><h2>{title}</h2><ul class=\"found\">{}</ul></section>",
                rows.concat()
            );
        }
    };
    let mut properties = Vec::new();
    for event in &program.events {
        for row in schema::rows(event) {
            let own = own_property(event, &row.path);
            let declared = event.properties.iter().find(|it| it.name == own);
            let choices = row.choices.iter().map(super::layout::value).collect::<Vec<_>>().join(" ");
            let class = declared.and_then(|it| it.pii).filter(|_| row.depth == 0);
            let words = [row.path.as_str(), &event.name, row.description.as_deref().unwrap_or_default(), &choices];
            properties.push(entry(
                &words,
                (class.is_some(), event.owner.as_deref(), &event.purposes),
                &format!(
                    "<a href=\"events/{name}.html#{own}\"><code>{path}</code></a> <small>of {name}</small> {}",
                    pii(class),
                    name = Text(&event.name),
                    own = anchor(own),
                    path = Text(&row.path),
                ),
                row.description.as_deref(),
            ));
        }
    }
    group("Properties", properties);
    let profile = program.profile.iter().map(|it| {
        let words = [it.name.as_str(), it.description.as_deref().unwrap_or_default(), "profile"];
        let link = format!("<a href=\"people.html#{0}\"><code>{0}</code></a> {1}", Text(&it.name), pii(it.pii));
        entry(&words, (it.pii.is_some(), None, &it.purposes), &link, it.description.as_deref())
    });
    group("Profile traits", profile.collect());
    let items = items(program);
    for (kind, title) in KINDS {
        let rows = items.iter().filter(|item| item.kind == kind).map(|item| {
            let link = format!("<a href=\"rules.html#{0}\"><code>{0}</code></a>", Text(item.name));
            let purposes: Vec<String> = item.purpose.into_iter().map(str::to_owned).collect();
            let words = [item.name, item.description.unwrap_or_default(), kind.name()];
            entry(&words, (false, None, &purposes), &link, item.description)
        });
        group(title, rows.collect());
    }
    let destinations = program.destinations.iter().map(|it| {
        let link = format!("<a href=\"destinations.html#{0}\"><code>{0}</code></a>", Text(&it.name));
        entry(&[&it.name, &it.plugin, "destination"], (false, None, &it.purposes), &link, Some(&it.plugin))
    });
    group("Destinations", destinations.collect());
}

fn entry(
    words: &[&str],
    (personal, owner, purposes): (bool, Option<&str>, &[String]),
    link: &str,
    description: Option<&str>,
) -> String {
    let described = description.map_or_else(String::new, |text| format!("<p>{}</p>", Text(text)));
    format!(
        "<li data-owner=\"{}\" data-purposes=\" {} \"{} data-text=\"{}\">{link}{described}</li>",
        Text(owner.unwrap_or_default()),
        Text(purposes.join(" ")),
        if personal { " data-pii" } else { "" },
        Text(words.join(" ").to_lowercase()),
    )
}

/// Where events come from; never their keys.
fn sources(html: &mut String, plan: &Plan<'_>) {
    if plan.program.sources.is_empty() {
        return;
    }
    html.push_str("<section class=\"sources\"><h2>Where they come from</h2><div class=\"table\"><table><thead><tr><th>source</th><th>kind</th><th>pages that may send</th></tr></thead><tbody>\n");
    for source in &plan.program.sources {
        let kind = match source.kind {
            SourceKind::Browser => "browser",
            SourceKind::Server => "server",
            SourceKind::Mobile => "mobile",
            SourceKind::Webhook => "webhook",
            SourceKind::File => "file",
            SourceKind::Database => "database",
        };
        let off = if source.enabled { "" } else { " <span class=\"none\">switched off</span>" };
        let none = if source.kind == SourceKind::Browser { "any" } else { "none: it is no page" };
        let _ = writeln!(
            html,
            "<tr><th scope=\"row\"><code>{}</code>{off}</th><td data-label=\"kind\">{kind}</td><td data-label=\"pages that may send\">{}</td></tr>",
            Text(&source.name),
            codes(&source.origins, none),
        );
    }
    html.push_str("</tbody></table></div></section>\n");
}
