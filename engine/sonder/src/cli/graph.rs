//! `sonder graph`: the whole project as one picture: what events feed which segments and traits, journeys and destinations.

mod picture;

use super::output::{Failure, Output};
use super::project::load;
use serde_json::json;
use sonder_dsl::ir::journey::NodeKind;
use sonder_dsl::ir::{
    AggregateId, EventSelector, Expression, Journey, ProfileTraitId, Program, Reads, RuleId, RuleKind,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::PathBuf;

/// Draw the project: events and profile, segments and traits, journeys, destinations, and what of them feeds what
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  sonder graph shop > shop.mmd\n  sonder graph shop --format svg > shop.svg\n  \
    sonder graph shop --of abandoned_cart")]
pub struct Args {
    /// The project's folder
    #[arg(default_value = ".")]
    project: PathBuf,
    /// Only this node, and all that leads to it and comes of it
    #[arg(long, value_name = "NAME")]
    of: Option<String>,
    /// As what
    #[arg(long, value_enum, default_value_t = Format::Mermaid)]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For Markdown: GitHub and others draw it
    Mermaid,
    /// For Graphviz
    Dot,
    /// A picture
    Svg,
    /// Nodes and edges
    Json,
}

/// What a node is, in the order of the data's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Kind {
    Event,
    Profile,
    Trait,
    Segment,
    Journey,
    Destination,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Profile => "profile",
            Self::Trait => "trait",
            Self::Segment => "segment",
            Self::Journey => "journey",
            Self::Destination => "destination",
        }
    }
}

/// A kind and a name: names are told apart within their kind only.
type Node = (Kind, String);

/// What feeds what.
#[derive(Debug, Default)]
struct Graph {
    nodes: BTreeSet<Node>,
    edges: BTreeSet<(Node, Node)>,
}

pub(super) fn run(args: &Args, output: &mut Output<'_>) -> Result<(), Failure> {
    let program = load(&args.project, output)?.program;
    let mut graph = Graph::of(&program);
    if let Some(name) = &args.of {
        graph = graph.around(name).ok_or_else(|| {
            Failure::user(format!("the project has no `{name}`"))
                .help("name an event, trait, segment, journey or destination")
        })?;
    }
    output.text(&match args.format {
        Format::Mermaid => graph.mermaid(),
        Format::Dot => graph.dot(),
        Format::Svg => picture::svg(&graph, &program.settings.name),
        Format::Json => graph.json(),
    })
}

impl Graph {
    fn of(program: &Program) -> Self {
        let mut graph = Self::default();
        graph.nodes.extend(program.events.iter().map(|event| (Kind::Event, event.name.clone())));
        for rule in &program.rules {
            let node = rule_node(rule.kind == RuleKind::Segment, &rule.name);
            graph.nodes.insert(node.clone());
            graph.reads(program, &rule.expression, &node);
        }
        for journey in &program.journeys {
            graph.journey(program, journey);
        }
        for destination in &program.destinations {
            let node = (Kind::Destination, destination.name.clone());
            graph.nodes.insert(node.clone());
            let events = destination.events.iter().filter_map(|id| program.events.get(id.index()));
            let events: Vec<Node> = events.map(|event| (Kind::Event, event.name.clone())).collect();
            let rules = destination.segments.iter().chain(&destination.computed_traits);
            let rules = rules.filter_map(|id| rule(program, *id));
            let profile = destination.profile_traits.iter().filter_map(|id| profile(program, *id));
            let from: Vec<Node> = events.into_iter().chain(rules).chain(profile).collect();
            from.into_iter().for_each(|from| graph.join(from, &node));
        }
        graph
    }

    fn journey(&mut self, program: &Program, journey: &Journey) {
        let node = (Kind::Journey, journey.name.clone());
        self.nodes.insert(node.clone());
        let reads = Reads::from(journey);
        for selector in reads.events {
            self.join(event(program, selector), &node);
        }
        for expression in reads.expressions {
            self.reads(program, expression, &node);
        }
        for step in &journey.nodes {
            let to = match &step.kind {
                NodeKind::Send { destination, .. } => {
                    program.destinations.get(destination.index()).map(|it| (Kind::Destination, it.name.clone()))
                }
                NodeKind::SetTrait { id, .. } => profile(program, *id),
                _ => None,
            };
            // What it sets it may read as well; a picture of a circle shows nothing.
            if let Some(to) = to.filter(|to| !self.edges.contains(&(to.clone(), node.clone()))) {
                self.join(node.clone(), &to);
            }
        }
    }

    /// What an expression names itself.
    fn reads(&mut self, program: &Program, expression: &Expression, reader: &Node) {
        let mut from: Vec<Node> = Vec::new();
        expression.walk(&mut |part| match part {
            Expression::Rule(id) => from.extend(rule(program, *id)),
            Expression::Profile(id) => from.extend(profile(program, *id)),
            Expression::Aggregate(id) => from.extend(events(program, *id)),
            _ => {}
        });
        from.into_iter().for_each(|from| self.join(from, reader));
    }

    fn join(&mut self, from: Node, to: &Node) {
        self.nodes.extend([from.clone(), to.clone()]);
        self.edges.insert((from, to.clone()));
    }

    /// The nodes of that name with all that leads to them and comes of them; `None` where there is none.
    fn around(&self, name: &str) -> Option<Self> {
        let mut nodes: BTreeSet<Node> = self.nodes.iter().filter(|(_, node)| node == name).cloned().collect();
        if nodes.is_empty() {
            return None;
        }
        for forward in [true, false] {
            let mut open: Vec<Node> = self.nodes.iter().filter(|(_, node)| node == name).cloned().collect();
            while let Some(node) = open.pop() {
                let next = self.edges.iter().filter_map(|(from, to)| match forward {
                    true => (*from == node).then_some(to),
                    false => (*to == node).then_some(from),
                });
                let new: Vec<Node> = next.filter(|next| nodes.insert((*next).clone())).cloned().collect();
                open.extend(new);
            }
        }
        let inside = |(from, to): &&(Node, Node)| nodes.contains(from) && nodes.contains(to);
        let edges = self.edges.iter().filter(inside).cloned().collect();
        Some(Self { edges, nodes })
    }

    /// A short name for each node that no syntax minds.
    fn ids(&self) -> BTreeMap<&Node, String> {
        self.nodes.iter().zip(0..).map(|(node, number)| (node, format!("n{number}"))).collect()
    }

    fn mermaid(&self) -> String {
        let ids = self.ids();
        let mut text = "flowchart LR\n".to_owned();
        for (node, id) in &ids {
            let (open, close) = match node.0 {
                Kind::Event => ("([", "])"),
                Kind::Profile => ("[/", "/]"),
                Kind::Trait => ("[", "]"),
                Kind::Segment => ("{{", "}}"),
                Kind::Journey => ("[[", "]]"),
                Kind::Destination => ("[(", ")]"),
            };
            text += &format!("  {id}{open}\"{}\"{close}\n", node.1.replace('"', "#quot;"));
        }
        for (from, to) in &self.edges {
            text += &format!("  {} --> {}\n", ids[from], ids[to]);
        }
        text
    }

    fn dot(&self) -> String {
        let ids = self.ids();
        let mut text = "digraph sonder {\n  rankdir=LR\n  node [fontname=\"sans-serif\"]\n".to_owned();
        for (node, id) in &ids {
            let shape = match node.0 {
                Kind::Event => "oval",
                Kind::Profile => "parallelogram",
                Kind::Trait => "box",
                Kind::Segment => "hexagon",
                Kind::Journey => "component",
                Kind::Destination => "cylinder",
            };
            let label = node.1.replace('\\', "\\\\").replace('"', "\\\"");
            // Writing into a text cannot fail.
            let _ = writeln!(text, "  {id} [shape={shape}, label=\"{label}\"]");
        }
        for (from, to) in &self.edges {
            let _ = writeln!(text, "  {} -> {}", ids[from], ids[to]);
        }
        text + "}\n"
    }

    fn json(&self) -> String {
        let ids = self.ids();
        let nodes: Vec<_> =
            ids.iter().map(|(node, id)| json!({"id": id, "kind": node.0.name(), "name": node.1})).collect();
        let edges: Vec<_> = self.edges.iter().map(|(from, to)| json!({"from": ids[from], "to": ids[to]})).collect();
        format!("{}\n", json!({"nodes": nodes, "edges": edges}))
    }
}

fn rule_node(is_segment: bool, name: &str) -> Node {
    (if is_segment { Kind::Segment } else { Kind::Trait }, name.to_owned())
}

fn rule(program: &Program, id: RuleId) -> Option<Node> {
    program.rules.get(id.index()).map(|rule| rule_node(rule.kind == RuleKind::Segment, &rule.name))
}

fn profile(program: &Program, id: ProfileTraitId) -> Option<Node> {
    program.profile.get(id.index()).map(|it| (Kind::Profile, it.name.clone()))
}

fn event(program: &Program, selector: EventSelector) -> Node {
    let name = match selector {
        EventSelector::One(id) => program.events.get(id.index()).map_or("", |event| event.name.as_str()),
        EventSelector::Any => "any event",
    };
    (Kind::Event, name.to_owned())
}

/// The events that change an aggregate.
fn events(program: &Program, id: AggregateId) -> Vec<Node> {
    let aggregate = program.aggregate(id);
    if let Some(aggregate) = aggregate.filter(|aggregate| aggregate.pattern.event == EventSelector::Any) {
        return vec![event(program, aggregate.pattern.event)];
    }
    let feeds = program.events.iter().zip(&program.aggregates_of_event).filter(|(_, of)| of.contains(&id));
    feeds.map(|(event, _)| (Kind::Event, event.name.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sonder_dsl::source::{SourceFile, SourceSet};

    fn graph() -> Graph {
        let files = [
            ("sonder.yaml", "name: shop"),
            ("events/view.yaml", "event: view"),
            ("events/order.yaml", "event: order\nproperties: {total: {type: number}}"),
            ("profile.yaml", "traits: {country: {type: string}}"),
            (
                "rules/r.sonder",
                "trait spent = sum(order.total)\nsegment keen { when count(view) >= 3 and profile.country == \"NL\" }\n\
                 segment vip { when in(keen) and spent > 100 }\nsegment active { when count(any, last 7d) >= 1 }",
            ),
            (
                "destinations/crm.yaml",
                "destination: crm\nplugin: sonder/webhook@1\nallow: [crm.example]\nreceives: {segments: [vip], traits: [country], events: [order]}",
            ),
        ];
        let files = files.map(|(path, text)| SourceFile { path: path.to_owned(), text: text.to_owned() });
        let compilation = sonder_dsl::compile(SourceSet::new(files.to_vec()));
        Graph::of(&compilation.program.ok_or(compilation.diagnostics).unwrap())
    }

    #[test]
    fn a_project_is_a_graph_from_events_to_destinations() {
        insta::assert_snapshot!(graph().mermaid());
        insta::assert_snapshot!(graph().dot());
    }

    #[test]
    fn what_has_to_do_with_one_thing_is_found_both_ways() {
        let names =
            |of: &str| -> Vec<String> { graph().around(of).unwrap().nodes.into_iter().map(|(_, name)| name).collect() };
        assert_eq!(names("spent"), ["order", "spent", "vip", "crm"]);
        assert_eq!(names("keen"), ["view", "country", "keen", "vip", "crm"]);
        assert!(graph().around("nothing").is_none());
    }

    #[test]
    fn a_picture_has_every_node_and_edge_once() {
        let graph = graph();
        let svg = picture::svg(&graph, "shop & co");
        assert_eq!(svg.matches("<rect").count(), graph.nodes.len());
        assert_eq!(svg.matches("<path").count(), graph.edges.len());
        assert!(svg.contains("shop &amp; co") && svg.ends_with("</svg>\n"));
    }
}
