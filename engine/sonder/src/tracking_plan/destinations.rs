//! The page of destinations: what leaves, to whom, for what.

use super::Plan;
use super::html::Text;
use super::layout::{Frame, Section, codes};
use super::readers::{Kind, Reader, sent_by};
use sonder_dsl::ir::lineage::Datum;
use sonder_dsl::model::Destination;
use std::fmt::Write;

pub(super) fn page(plan: &Plan<'_>) -> String {
    let frame = Frame { plan, title: "Destinations", section: Section::Destinations, root: "" };
    let mut html =
        "<div class=\"intro\"><h1>Where it goes</h1>\n<p class=\"lead\">A destination gets what stands here and nothing else, \
         and reaches no host but those that it may.</p></div>\n"
            .to_owned();
    if plan.program.destinations.is_empty() {
        html.push_str("<p class=\"none\">Nowhere: there are no destinations.</p>\n");
    }
    html.push_str("<div class=\"items\">\n");
    plan.program.destinations.iter().for_each(|it| show(&mut html, &frame, it));
    html.push_str("</div>\n");
    frame.page(&html)
}

fn show(html: &mut String, frame: &Frame<'_>, destination: &Destination) {
    let program = frame.plan.program;
    // Writing into a text cannot fail.
    let _ = write!(
        html,
        "<article class=\"card item\" id=\"{name}\"><h2><span class=\"kind destination\">destination</span> <a href=\"#{name}\">{name}</a></h2>\
         <p><code>{plugin}</code></p><dl class=\"lines\">",
        name = Text(&destination.name),
        plugin = Text(&destination.plugin),
    );
    let mut line = |term: &str, said: &str| {
        let _ = write!(html, "<div><dt>{term}</dt><dd>{said}</dd></div>");
    };
    line("may reach", &codes(&destination.allow, "nothing"));
    line("for", &codes(&destination.purposes, "any purpose that the data allows"));
    if !destination.regions.is_empty() {
        line("is in", &codes(&destination.regions, ""));
    }
    for (region, basis) in &destination.transfers {
        line("also hears of people of", &format!("{}: {}", codes([region], ""), Text(basis)));
    }
    let kinds = destination.identifiers.iter().filter_map(|id| program.identity.identifiers.get(id.index()));
    line("sees people by", &codes(kinds.map(|kind| &kind.name), "every identifier"));
    let reads = |fits: fn(&Datum) -> bool| {
        let own = frame.plan.readers.reads(Kind::Destination, &destination.name).filter(move |datum| fits(datum));
        own.collect::<Vec<_>>()
    };
    let rules = reads(|datum| matches!(datum, Datum::Rule(_)));
    let (segments, traits): (Vec<&Datum>, Vec<&Datum>) = rules.into_iter().partition(|datum| match datum {
        Datum::Rule(id) => super::readers::rule(program, *id).is_some_and(|it| it.kind == Kind::Segment),
        _ => false,
    });
    let traits: Vec<&Datum> = reads(|datum| matches!(datum, Datum::Profile(_))).into_iter().chain(traits).collect();
    for (term, data) in [
        ("who enters and leaves", segments),
        ("traits", traits),
        ("events as they come", reads(|datum| matches!(datum, Datum::Event(_)))),
    ] {
        if !data.is_empty() {
            line(term, &frame.data(data));
        }
    }
    let journeys: Vec<String> = sent_by(program, &destination.name)
        .into_iter()
        .map(|(name, actions)| {
            format!("{} {}", frame.reader(&Reader { kind: Kind::Journey, name }), codes(actions, ""))
        })
        .collect();
    if !journeys.is_empty() {
        line("is sent", &format!("<ul class=\"plain\"><li>{}</li></ul>", journeys.join("</li><li>")));
    }
    html.push_str("</dl></article>\n");
}
