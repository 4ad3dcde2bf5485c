//! The page of what is made of the data: segments, computed traits, journeys, funnels and what else rules declare.

use super::Plan;
use super::html::Text;
use super::items::{Item, KINDS, items};
use super::layout::{Frame, Section};
use super::readers::{Kind, Reader, sends_to};
use sonder_dsl::ir::lineage::Datum;
use sonder_dsl::ir::{Journey, Program};
use std::fmt::Write;

pub(super) fn page(plan: &Plan<'_>) -> String {
    let frame = Frame { plan, title: "Rules", section: Section::Rules, root: "" };
    let mut html =
        "<div class=\"intro\"><h1>What is made of it</h1>\n<p class=\"lead\">Each with what it reads, and who reads it in turn.</p></div>\n"
            .to_owned();
    let items = items(plan.program);
    for (kind, title) in KINDS {
        let own: Vec<&Item<'_>> = items.iter().filter(|item| item.kind == kind).collect();
        if own.is_empty() {
            continue;
        }
        // Writing into a text cannot fail.
        let _ = writeln!(html, "<section><h2>{title} <small>{}</small></h2><div class=\"items\">", own.len());
        own.into_iter().for_each(|item| show(&mut html, &frame, item));
        html.push_str("</div></section>\n");
    }
    if items.is_empty() {
        html.push_str("<p class=\"none\">No rules are declared.</p>\n");
    }
    frame.page(&html)
}

fn show(html: &mut String, frame: &Frame<'_>, item: &Item<'_>) {
    let program = frame.plan.program;
    let _ = write!(
        html,
        "<article class=\"card item\" id=\"{name}\"><h3><span class=\"kind {kind}\">{kind}</span> <a href=\"#{name}\">{name}</a></h3>",
        name = Text(item.name),
        kind = item.kind.name(),
    );
    if let Some(text) = item.description {
        let _ = write!(html, "<p>{}</p>", Text(text));
    }
    if let Some(source) = item.source {
        let _ =
            write!(html, "<pre tabindex=\"0\" aria-label=\"the rule\"><code>{}</code></pre>", Text(dedented(source)));
    }
    if let Some((_, journey)) = program.journey_named(item.name).filter(|_| item.kind == Kind::Journey) {
        steps(html, program, journey);
    }
    html.push_str("<dl class=\"lines\">");
    let mut line = |term: &str, said: &str| {
        let _ = write!(html, "<div><dt>{term}</dt><dd>{said}</dd></div>");
    };
    if let Some(purpose) = item.purpose {
        line("for", &format!("<code>{}</code>", Text(purpose)));
    }
    // That an event happened is said by each property of it that is read, too.
    let reads: Vec<&Datum> = frame.plan.readers.reads(item.kind, item.name).collect();
    let said = |id| reads.iter().any(|datum| matches!(datum, Datum::Property(of, _) if *of == id));
    let shown = reads.iter().copied().filter(|datum| !matches!(datum, Datum::Event(id) if said(*id)));
    line("reads", &frame.data(shown));
    if matches!(item.kind, Kind::Segment | Kind::Trait) {
        let id = program.rule_named(item.name).map(|(id, _)| Datum::Rule(id));
        let readers: Vec<&Reader> = id.iter().flat_map(|id| frame.plan.readers.of_datum(id)).collect();
        line("read by", &frame.readers(readers));
    }
    if item.kind == Kind::Journey {
        let to: Vec<Reader> =
            sends_to(program, item.name).into_iter().map(|name| Reader { kind: Kind::Destination, name }).collect();
        line("sends to", &frame.readers(&to));
    }
    line("in", &format!("<code>{}</code>", Text(item.place)));
    html.push_str("</dl></article>\n");
}

fn steps(html: &mut String, program: &Program, journey: &Journey) {
    let steps: String =
        journey.nodes.iter().map(|node| format!("<li><code>{}</code></li>", Text(node.label(program)))).collect();
    if !steps.is_empty() {
        let _ = write!(html, "<ol class=\"steps\" aria-label=\"steps\">{steps}</ol>");
    }
}

/// Lines after the first stand as deep as the file has them: brought back to the margin.
fn dedented(source: &str) -> String {
    let deep = |line: &str| line.len() - line.trim_start().len();
    let least = source.lines().skip(1).filter(|line| !line.trim().is_empty()).map(deep).min().unwrap_or(0);
    let lines = source.lines().enumerate().map(|(index, line)| match index {
        0 => line,
        _ => line.get(least.saturating_sub(2)..).unwrap_or_else(|| line.trim_start()),
    });
    lines.collect::<Vec<_>>().join("\n")
}
