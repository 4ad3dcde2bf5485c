//! The page of the golden record: its traits, and the identifiers that tell people apart.

use super::Plan;
use super::html::Text;
use super::layout::{Frame, Section, codes, pii};
use super::readers::{self, Kind, Reader};
use super::schema;
use sonder_dsl::ir::lineage::Datum;
use sonder_dsl::ir::{EventId, ProfileTraitId};
use sonder_dsl::model::{LIKELY_ONLY, MergePolicy, Origin, ProfileTrait, Unique};
use std::collections::BTreeSet;
use std::fmt::Write;

pub(super) fn page(plan: &Plan<'_>) -> String {
    let frame = Frame { plan, title: "People", section: Section::People, root: "" };
    let mut html =
        "<div class=\"intro\"><h1>What is known of people</h1>\n<p class=\"lead\">The golden record has one value of each \
         trait for each person, with its source and its time.</p></div>\n"
            .to_owned();
    traits(&mut html, &frame);
    identifiers(&mut html, &frame);
    frame.page(&html)
}

fn traits(html: &mut String, frame: &Frame<'_>) {
    html.push_str("<section><h2 id=\"traits\">Traits</h2>\n");
    if frame.plan.program.profile.is_empty() {
        html.push_str("<p class=\"none\">None are declared.</p></section>\n");
        return;
    }
    html.push_str(
        "<div class=\"table\"><table><thead><tr><th>trait</th><th>type</th><th>meaning</th><th>comes from</th>\
         <th>read by</th><th>goes to</th></tr></thead><tbody>\n",
    );
    for (index, it) in (0..).zip(&frame.plan.program.profile) {
        let id = ProfileTraitId(index);
        // Writing into a text cannot fail.
        let _ = writeln!(
            html,
            "<tr id=\"{name}\"><th scope=\"row\"><code>{name}</code></th><td data-label=\"type\">{kind}</td>\
             <td data-label=\"meaning\">{meaning}</td><td data-label=\"comes from\">{from}</td>\
             <td data-label=\"read by\">{read}</td><td data-label=\"goes to\">{to}</td></tr>",
            name = Text(&it.name),
            kind = Text(kind(it)),
            meaning = meaning(it),
            from = from(frame, id, it),
            read = frame
                .readers(frame.plan.readers.of_datum(&Datum::Profile(id)).filter(|it| it.kind != Kind::Destination)),
            to = frame.readers(&goes_to(frame, id)),
        );
    }
    html.push_str("</tbody></table></div></section>\n");
}

/// The destinations that get a trait: with each item, in what journeys send, or in a rule made of it.
pub(super) fn goes_to(frame: &Frame<'_>, id: ProfileTraitId) -> Vec<Reader> {
    let found = frame.plan.readers.destinations(frame.plan.program, &[Datum::Profile(id)]);
    found.into_keys().map(|name| Reader { kind: Kind::Destination, name }).collect()
}

/// As the event that has it as its only property would say.
fn kind(declared: &ProfileTrait) -> String {
    rows(declared).into_iter().next().map_or_else(|| "anything".to_owned(), |row| row.kind)
}

fn rows(declared: &ProfileTrait) -> Vec<schema::Row> {
    schema::rows_of(&serde_json::json!({"properties": {declared.name.clone(): declared.json_schema}}))
}

fn meaning(declared: &ProfileTrait) -> String {
    let row = rows(declared).into_iter().next();
    let said = declared.description.as_ref().map_or_else(String::new, |text| format!("<p>{}</p>", Text(text)));
    let mut marks = pii(declared.pii);
    if !declared.purposes.is_empty() {
        let _ = write!(marks, "<span>for {}</span>", codes(&declared.purposes, ""));
    }
    let limits = row.map_or_else(String::new, |row| {
        let choices: Vec<String> = row.choices.iter().map(super::layout::value).collect();
        let choices = if choices.is_empty() {
            String::new()
        } else {
            format!("<p class=\"values\">one of {}</p>", codes(choices, ""))
        };
        let limits = if row.limits.is_empty() {
            String::new()
        } else {
            format!("<p class=\"limits\">{}</p>", Text(row.limits.join(", ")))
        };
        choices + &limits
    });
    format!(
        "{said}{}{limits}",
        if marks.is_empty() { String::new() } else { format!("<p class=\"marks\">{marks}</p>") }
    )
}

fn from(frame: &Frame<'_>, id: ProfileTraitId, declared: &ProfileTrait) -> String {
    let program = frame.plan.program;
    if declared.from == Origin::LikelyOnly {
        return format!(
            "{}<p class=\"limits\">who is one person only because that is likely</p>",
            codes([LIKELY_ONLY], "")
        );
    }
    let policy = match &declared.merge {
        MergePolicy::MostRecent => "the latest wins".to_owned(),
        MergePolicy::First => "the first wins".to_owned(),
        MergePolicy::Longest => "the longest wins".to_owned(),
        MergePolicy::Union => "all are kept".to_owned(),
        MergePolicy::Min => "the smallest wins".to_owned(),
        MergePolicy::Max => "the largest wins".to_owned(),
        MergePolicy::Sources(sources) => {
            let names = sources.iter().filter_map(|id| program.sources.get(id.index()));
            let names: Vec<&str> = names.map(|source| source.name.as_str()).collect();
            format!("{} first", names.join(", then "))
        }
    };
    let paths = codes(declared.from.paths().iter().map(|path| path.join(".")), "");
    let set = readers::set_by(program, id);
    let set = if set.is_empty() { String::new() } else { format!("<p class=\"pills\">{}</p>", frame.readers(&set)) };
    format!("{paths}<p class=\"limits\">{}</p>{set}", Text(policy))
}

fn identifiers(html: &mut String, frame: &Frame<'_>) {
    let program = frame.plan.program;
    if program.identity.identifiers.is_empty() {
        return;
    }
    html.push_str(
        "<section><h2 id=\"identifiers\">Identifiers</h2>\n<p>What tells that two messages are of one person, the strongest first.</p>\n\
         <div class=\"table\"><table><thead><tr><th>identifier</th><th>is</th><th>comes from</th><th>goes to</th></tr></thead><tbody>\n",
    );
    for (index, kind) in program.identity.identifiers.iter().enumerate() {
        let mut said = Vec::new();
        if kind.unique != Unique::No {
            said.push("one person has one value".to_owned());
        }
        said.extend(kind.limit.map(|limit| {
            let within = limit.per.map_or_else(String::new, |per| format!(" that are new within {per}"));
            format!("at most {} values a person{within}", limit.count)
        }));
        said.extend(kind.at_most.iter().filter_map(|(other, count)| {
            let other = &program.identity.identifiers.get(other.index())?.name;
            Some(format!("with at most {count} of {other}"))
        }));
        if !kind.joins {
            said.push("joins nobody".to_owned());
        }
        said.extend(kind.expires.map(|expires| format!("links no more after {expires} without being seen")));
        if said.is_empty() {
            said.push("a person may have several".to_owned());
        }
        let properties: Vec<String> = (0..)
            .zip(&program.events)
            .flat_map(|(id, event)| event.properties.iter().map(move |it| (EventId(id), it)))
            .filter(|(_, it)| it.identifier.as_deref() == Some(&kind.name))
            .map(|(id, it)| frame.event(id, Some(&it.name)))
            .collect();
        let usual = codes(kind.from.iter().flatten().map(|path| path.join(".")), "where SDKs put it");
        let allowed = program
            .destinations
            .iter()
            .filter(|it| it.identifiers.is_empty() || it.identifiers.iter().any(|id| id.index() == index));
        let to: BTreeSet<Reader> =
            allowed.map(|it| Reader { kind: Kind::Destination, name: it.name.clone() }).collect();
        let _ = writeln!(
            html,
            "<tr><th scope=\"row\"><code>{}</code></th><td data-label=\"is\">{}</td>\
             <td data-label=\"comes from\">{usual}<span class=\"pills\">{}</span></td><td data-label=\"goes to\">{}</td></tr>",
            Text(&kind.name),
            Text(said.join(", ")),
            properties.concat(),
            frame.readers(&to),
        );
    }
    html.push_str("</tbody></table></div></section>\n");
}
