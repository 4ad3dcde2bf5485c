//! A project's graph as a picture: from left to right in columns, whatever is read stands left of what reads it. Within a column
//! nodes stand near those that they are joined to, so that few lines cross.

use super::{Graph, Kind, Node};
use std::collections::BTreeMap;
use std::fmt::Write;

const COLUMN_GAP: f64 = 90.0;
const ROW: f64 = 40.0;
const HEIGHT: f64 = 28.0;
const MARGIN: f64 = 24.0;
const TITLE: f64 = 48.0;
/// About what a character takes.
const CHARACTER: f64 = 7.4;
/// Times that the order in columns is mended; it hardly changes after a few.
const SWEEPS: usize = 8;

const STYLE: &str = "
  svg { background: #fff; color: #1c2733; font: 13px ui-sans-serif, system-ui, 'Segoe UI', sans-serif; }
  rect { stroke: #b8c4d0; fill: #f4f7fa; }
  .event { fill: #eef0fb; stroke: #8e97d8; } .profile { fill: #f4f7fa; } .trait { fill: #fff7e6; stroke: #e0b04c; }
  .segment { fill: #e9f5ee; stroke: #63b384; } .journey { fill: #fdeef3; stroke: #d27a9a; }
  .destination { fill: #1c2733; } .destination + text { fill: #fff; }
  path { fill: none; stroke: #93a1af; stroke-width: 1.2; }
  text { fill: currentColor; text-anchor: middle; }
  .title { text-anchor: start; font-size: 16px; font-weight: 600; }
  @media (prefers-color-scheme: dark) {
    svg { background: #14191f; color: #e4eaf0; } path { stroke: #5b6b7a; }
    rect { fill: #1d252d; stroke: #465461; } .event { fill: #23264a; } .trait { fill: #33290f; } .segment { fill: #14301f; }
    .profile { fill: #1d252d; } .journey { fill: #3a1c28; } .destination { fill: #e4eaf0; } .destination + text { fill: #14191f; }
  }
";

pub(super) fn svg(graph: &Graph, title: &str) -> String {
    let columns = ordered(graph, columns(graph));
    let widths: Vec<f64> = columns.iter().map(|column| width(column)).collect();
    let rows = columns.iter().map(Vec::len).max().unwrap_or(0);
    let mut places: BTreeMap<&Node, (f64, f64, f64)> = BTreeMap::new();
    let mut left = MARGIN;
    for (column, width) in columns.iter().zip(&widths) {
        let top = TITLE + MARGIN + (rows - column.len()) as f64 * ROW / 2.0;
        for (row, node) in column.iter().enumerate() {
            places.insert(node, (left, top + row as f64 * ROW, *width));
        }
        left += width + COLUMN_GAP;
    }
    let (total, height) = ((left - COLUMN_GAP + MARGIN).max(200.0), TITLE + 2.0 * MARGIN + rows as f64 * ROW);
    let mut out = String::new();
    // Writing into a text cannot fail.
    let _ = draw(&mut out, graph, title, &places, (total, height));
    out
}

fn draw(
    out: &mut String,
    graph: &Graph,
    title: &str,
    places: &BTreeMap<&Node, (f64, f64, f64)>,
    (width, height): (f64, f64),
) -> std::fmt::Result {
    let title = escaped(title);
    writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" \
         height=\"{height:.0}\" role=\"img\" aria-label=\"the project {title}\">\n<style>{STYLE}</style>"
    )?;
    writeln!(out, "<text class=\"title\" x=\"{MARGIN}\" y=\"34\">{title}</text>")?;
    for (from, to) in &graph.edges {
        let (Some((x, y, w)), Some((to_x, to_y, _))) = (places.get(from), places.get(to)) else { continue };
        let (x, y, to_y) = (x + w, y + HEIGHT / 2.0, to_y + HEIGHT / 2.0);
        let middle = (x + to_x) / 2.0;
        writeln!(out, "<path d=\"M{x:.1} {y:.1} C{middle:.1} {y:.1} {middle:.1} {to_y:.1} {to_x:.1} {to_y:.1}\"/>")?;
    }
    for ((kind, name), (x, y, w)) in places {
        let (name, kind) = (escaped(name), kind.name());
        writeln!(
            out,
            "<rect class=\"{kind}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{w:.1}\" height=\"{HEIGHT}\" rx=\"5\">\
             <title>{kind} {name}</title></rect><text x=\"{:.1}\" y=\"{:.1}\">{name}</text>",
            x + w / 2.0,
            y + HEIGHT / 2.0 + 4.5
        )?;
    }
    writeln!(out, "</svg>")
}

/// The nodes by how far they are from what comes in; destinations stand last.
fn columns(graph: &Graph) -> Vec<Vec<Node>> {
    let mut depths: BTreeMap<&Node, usize> = graph.nodes.iter().map(|node| (node, 0)).collect();
    // A project has no circles, so this many rounds are enough.
    for _ in 0..graph.nodes.len() {
        let mut changed = false;
        for (from, to) in &graph.edges {
            let depth = depths.get(from).copied().unwrap_or(0) + 1;
            if let Some(known) = depths.get_mut(to)
                && *known < depth
            {
                *known = depth;
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
    let deepest = depths.values().copied().max().unwrap_or(0);
    let mut columns = vec![Vec::new(); deepest + 1];
    for (node, depth) in depths {
        let place = if node.0 == Kind::Destination { deepest } else { depth };
        columns[place].push(node.clone());
    }
    columns
}

/// Each node goes where those that it is joined to stand on average, column by column, there and back.
fn ordered(graph: &Graph, mut columns: Vec<Vec<Node>>) -> Vec<Vec<Node>> {
    for sweep in 0..SWEEPS {
        for step in 0..columns.len() {
            let column = if sweep % 2 == 0 { step } else { columns.len() - 1 - step };
            let rows: BTreeMap<&Node, f64> = columns
                .iter()
                .flat_map(|nodes| nodes.iter().enumerate().map(|(row, node)| (node, row as f64 / nodes.len() as f64)))
                .collect();
            let weight = |node: &Node| {
                let joined = graph.edges.iter().filter_map(|(from, to)| match sweep % 2 {
                    0 => (to == node).then(|| rows.get(from)),
                    _ => (from == node).then(|| rows.get(to)),
                });
                let joined: Vec<f64> = joined.flatten().copied().collect();
                if joined.is_empty() {
                    rows.get(node).copied().unwrap_or(0.0)
                } else {
                    joined.iter().sum::<f64>() / joined.len() as f64
                }
            };
            let mut weighed: Vec<(f64, Node)> =
                columns[column].iter().map(|node| (weight(node), node.clone())).collect();
            weighed.sort_by(|one, other| one.0.total_cmp(&other.0));
            columns[column] = weighed.into_iter().map(|(_, node)| node).collect();
        }
    }
    columns
}

fn width(column: &[Node]) -> f64 {
    let longest = column.iter().map(|(_, name)| name.chars().count()).max().unwrap_or(0);
    longest as f64 * CHARACTER + 24.0
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
