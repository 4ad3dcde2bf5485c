//! The page for whoever answers for people's data: what is personal, who reads it, where it goes, and what each purpose uses.

use super::Plan;
use super::html::{Text, anchor};
use super::items::items;
use super::layout::{Frame, Section, codes, pii, pii_word};
use super::people::goes_to;
use super::readers::{Kind, Reader};
use sonder_dsl::ir::lineage::Datum;
use sonder_dsl::ir::{EventId, ProfileTraitId};
use sonder_dsl::model::{PiiClass, Purpose};
use std::fmt::Write;

/// By what the law asks of them, the most first.
const CLASSES: [PiiClass; 4] = [PiiClass::Sensitive, PiiClass::Contact, PiiClass::Personal, PiiClass::Technical];

pub(super) fn page(plan: &Plan<'_>) -> String {
    let frame = Frame { plan, title: "Privacy", section: Section::Privacy, root: "" };
    let mut html =
        "<div class=\"intro\"><h1>Personal data and purposes</h1>\n<p class=\"lead\">What the project marks as personal data, who \
         reads it and where it goes; and what each purpose may use.</p></div>\n"
            .to_owned();
    personal(&mut html, &frame);
    purposes(&mut html, &frame);
    frame.page(&html)
}

/// Something personal: its link, what it may be used for, who reads it, where it goes.
struct Personal {
    class: PiiClass,
    link: String,
    purposes: String,
    readers: String,
    to: String,
}

fn personal(html: &mut String, frame: &Frame<'_>) {
    let program = frame.plan.program;
    let mut found: Vec<Personal> = Vec::new();
    for (id, event) in (0..).zip(&program.events) {
        let id = EventId(id);
        for property in &event.properties {
            let Some(class) = property.pii else { continue };
            let read = frame.plan.readers.of_property(id, &property.name);
            let rules = read.iter().copied().filter(|it| it.kind != Kind::Destination);
            let to = frame.plan.readers.destinations(program, &[Datum::Property(id, property.name.clone())]);
            let to: Vec<Reader> = to.into_keys().map(|name| Reader { kind: Kind::Destination, name }).collect();
            found.push(Personal {
                class,
                link: format!(
                    "<a href=\"events/{0}.html#{1}\"><code>{0}.{2}</code></a>",
                    Text(&event.name),
                    anchor(&property.name),
                    Text(&property.name)
                ),
                purposes: codes(&event.purposes, "any"),
                readers: frame.readers(rules),
                to: frame.readers(&to),
            });
        }
    }
    for (id, it) in (0..).zip(&program.profile) {
        let Some(class) = it.pii else { continue };
        let id = ProfileTraitId(id);
        let datum = Datum::Profile(id);
        let read = frame.plan.readers.of_datum(&datum).filter(|it| it.kind != Kind::Destination);
        found.push(Personal {
            class,
            link: format!("<a href=\"people.html#{0}\"><code>profile.{0}</code></a>", Text(&it.name)),
            purposes: codes(&it.purposes, "any"),
            readers: frame.readers(read),
            to: frame.readers(&goes_to(frame, id)),
        });
    }
    html.push_str("<section><h2 id=\"personal\">Personal data</h2>\n");
    if found.is_empty() {
        html.push_str("<p class=\"none\">Nothing is marked as personal data (<code>pii:</code> of a property or trait).</p></section>\n");
        return;
    }
    html.push_str(
        "<div class=\"table\"><table><thead><tr><th>what</th><th>class</th><th>purposes</th><th>read by</th><th>goes to</th></tr></thead><tbody>\n",
    );
    for class in CLASSES {
        for it in found.iter().filter(|it| it.class == class) {
            // Writing into a text cannot fail.
            let _ = writeln!(
                html,
                "<tr><th scope=\"row\">{}</th><td data-label=\"class\">{}</td><td data-label=\"purposes\">{}</td>\
                 <td data-label=\"read by\">{}</td><td data-label=\"goes to\">{}</td></tr>",
                it.link,
                pii(Some(class)),
                it.purposes,
                it.readers,
                it.to
            );
        }
    }
    let used = CLASSES.iter().filter(|class| found.iter().any(|it| it.class == **class));
    let meanings = used.map(|class| {
        let word = pii_word(*class);
        let doc = sonder_dsl::model::schema::PII.iter().find(|it| it.word == word).map_or("", |it| it.doc);
        format!("<div><dt>{}</dt><dd>{}</dd></div>", pii(Some(*class)), Text(doc))
    });
    let _ = writeln!(
        html,
        "</tbody></table></div>\n<dl class=\"lines legend\">{}</dl></section>",
        meanings.collect::<String>()
    );
}

fn purposes(html: &mut String, frame: &Frame<'_>) {
    let consent = &frame.plan.program.consent;
    html.push_str("<section><h2 id=\"purposes\">Purposes</h2>\n");
    if consent.purposes.is_empty() {
        html.push_str("<p class=\"none\">The project names no purposes: nothing depends on consent.</p></section>\n");
        return;
    }
    html.push_str(if consent.enforced {
        "<p>Rules, journeys and destinations with a purpose see only what people consented to for it.</p>\n"
    } else {
        "<p>Without <code>consent.yaml</code> what people say about them is recorded, and limits nothing.</p>\n"
    });
    html.push_str("<div class=\"items\">\n");
    consent.purposes.iter().for_each(|purpose| one(html, frame, purpose));
    html.push_str("</div></section>\n");
}

fn one(html: &mut String, frame: &Frame<'_>, purpose: &Purpose) {
    let program = frame.plan.program;
    let _ = write!(html, "<article class=\"card item\"><h3>{}</h3>", Text(&purpose.name));
    if let Some(text) = &purpose.description {
        let _ = write!(html, "<p>{}</p>", Text(text));
    }
    html.push_str("<dl class=\"lines\">");
    let mut line = |term: &str, links: Vec<String>| {
        if !links.is_empty() {
            let _ = write!(html, "<div><dt>{term}</dt><dd><span class=\"pills\">{}</span></dd></div>", links.concat());
        }
    };
    let names = |purposes: &[String]| purposes.contains(&purpose.name);
    let events = (0..).zip(&program.events).filter(|(_, it)| names(&it.purposes));
    line("events", events.map(|(id, _)| frame.event(EventId(id), None)).collect());
    line("traits", program.profile.iter().filter(|it| names(&it.purposes)).map(|it| frame.profile(&it.name)).collect());
    let reader = |kind: Kind, name: &str| frame.reader(&Reader { kind, name: name.to_owned() });
    let users = items(program).into_iter().filter(|item| item.purpose == Some(&purpose.name));
    line("rules", users.map(|item| reader(item.kind, item.name)).collect());
    let destinations = program.destinations.iter().filter(|it| names(&it.purposes));
    line("destinations", destinations.map(|it| reader(Kind::Destination, &it.name)).collect());
    html.push_str("</dl></article>\n");
}
