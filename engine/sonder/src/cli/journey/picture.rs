//! A journey as a picture: its steps in layers, with how many stand and came there, and its ways with how many took them.
//!
//! Steps are laid out by `rust-sugiyama`. A way that skips layers, and the counts that stand on ways, get places of their
//! own in between, so that nothing is drawn across anything else.

use super::{items, text};
use rust_sugiyama::configure::Config;
use rust_sugiyama::from_vertices_and_edges;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Pixels between two layers; between a step and the next there are two.
const LAYER: f64 = 46.0;
const HEIGHT: f64 = 44.0;
const MARGIN: f64 = 24.0;
const TITLE: f64 = 58.0;
/// About what a character takes.
const CHARACTER: f64 = 7.4;
const LABEL_CHARACTER: f64 = 6.2;

const STYLE: &str = "
  svg { background: #fff; color: #1c2733; font: 13px ui-sans-serif, system-ui, 'Segoe UI', sans-serif; }
  .step { fill: #f4f7fa; stroke: #b8c4d0; }
  .wait { fill: #fff7e6; stroke: #e0b04c; }
  .send { fill: #e9f5ee; stroke: #63b384; }
  .choice { fill: #eef0fb; stroke: #8e97d8; }
  .end { fill: #1c2733; }
  .way { fill: none; stroke: #93a1af; stroke-width: 1.4; }
  .walked { stroke: #41576b; stroke-width: 2; }
  text { fill: currentColor; text-anchor: middle; }
  .count { font-size: 11px; fill: #5b6b7a; }
  .label { text-anchor: start; }
  .here { font-weight: 600; fill: #a06400; }
  .title { text-anchor: start; font-size: 16px; font-weight: 600; }
  .sub { text-anchor: start; font-size: 12px; fill: #5b6b7a; }
  @media (prefers-color-scheme: dark) {
    svg { background: #14191f; color: #e4eaf0; }
    .step { fill: #1d252d; stroke: #465461; } .wait { fill: #33290f; stroke: #a8822f; }
    .send { fill: #14301f; stroke: #3f8a5e; } .choice { fill: #23264a; stroke: #6a73bd; }
    .end { fill: #e4eaf0; } .way { stroke: #5b6b7a; } .walked { stroke: #a9b8c6; }
    .count, .sub { fill: #9aa8b5; } .here { fill: #f0b849; }
  }
";

/// The picture of a journey that the API answered.
pub(super) fn svg(journey: &Json) -> String {
    let steps = items(&journey["steps"]);
    let graph = Graph::of(steps);
    let places = graph.layout();
    let width = places.values().map(|place| place.x + place.width / 2.0).fold(0.0, f64::max).max(300.0) + MARGIN;
    let height = places.values().map(|place| place.y).fold(0.0, f64::max) + HEIGHT / 2.0 + MARGIN;
    let mut out = String::new();
    // Writing into a text cannot fail.
    let _ = draw(&mut out, journey, steps, &graph, &places, (width, height));
    out
}

/// What is laid out: steps (by their place), the end, and points on ways.
struct Graph {
    vertices: Vec<Vertex>,
    edges: Vec<(u32, u32)>,
    ways: Vec<Drawn>,
    end: usize,
}

struct Vertex {
    layer: usize,
    width: f64,
}

/// A way, as the vertices that it goes through.
struct Drawn {
    through: Vec<usize>,
    label: String,
    passages: u64,
}

#[derive(Clone, Copy)]
struct Place {
    x: f64,
    y: f64,
    width: f64,
}

impl Graph {
    fn of(steps: &[Json]) -> Self {
        let by_key: BTreeMap<String, usize> =
            steps.iter().enumerate().map(|(index, step)| (text(&step["key"]), index)).collect();
        let end = steps.len();
        let target = |way: &Json| way["to"].as_str().and_then(|key| by_key.get(key)).copied().unwrap_or(end);
        let layers = layers(steps, &target, end);
        let mut vertices: Vec<Vertex> = steps
            .iter()
            .map(|step| {
                let counts = step["standing"].to_string().len() + step["came"].to_string().len() + 14;
                let widest = text(&step["step"]).chars().count() as f64 * CHARACTER;
                widest.max(counts as f64 * LABEL_CHARACTER) + 28.0
            })
            .chain([18.0])
            .zip(&layers)
            .map(|(width, layer)| Vertex { layer: layer * 2, width: width.max(72.0) })
            .collect();
        vertices[end].width = 18.0;
        let (mut edges, mut ways) = (Vec::new(), Vec::new());
        for (from, step) in steps.iter().enumerate() {
            for way in items(&step["ways"]) {
                let to = target(way);
                let label = text(&way["label"]);
                let passages = way["passages"].as_u64().unwrap_or(0);
                let mut through = vec![from];
                for layer in vertices[from].layer + 1..vertices[to].layer {
                    let is_label = through.len() == 1;
                    let characters = if is_label { label.chars().count() + passages.to_string().len() + 2 } else { 1 };
                    // A label stands to the right of its way: the same room is left free on the other side.
                    vertices.push(Vertex { layer, width: characters as f64 * 2.0 * LABEL_CHARACTER + 10.0 });
                    through.push(vertices.len() - 1);
                }
                through.push(to);
                edges.extend(through.windows(2).map(|pair| (pair[0] as u32, pair[1] as u32)));
                ways.push(Drawn { through, label, passages });
            }
            if items(&step["ways"]).is_empty() {
                // Nobody goes on from an exit; it stands above the end all the same.
                edges.push((from as u32, end as u32));
            }
        }
        Self { vertices, edges, ways, end }
    }

    fn layout(&self) -> BTreeMap<usize, Place> {
        let sizes: Vec<(u32, (f64, f64))> =
            self.vertices.iter().enumerate().map(|(index, vertex)| (index as u32, (vertex.width, HEIGHT))).collect();
        let config = Config { vertex_spacing: 26.0, dummy_vertices: false, ..Config::default() };
        let mut places = BTreeMap::new();
        let mut left = MARGIN;
        for (found, ..) in from_vertices_and_edges(&sizes, &self.edges, &config) {
            let least =
                found.iter().map(|(index, (x, _))| x - self.vertices[*index].width / 2.0).fold(f64::MAX, f64::min);
            let mut most = left;
            for (index, (x, _)) in found {
                let Vertex { layer, width } = self.vertices[index];
                let place =
                    Place { x: x - least + left, y: TITLE + MARGIN + layer as f64 * LAYER + HEIGHT / 2.0, width };
                most = f64::max(most, place.x + width / 2.0);
                places.insert(index, place);
            }
            left = most + MARGIN;
        }
        places
    }
}

/// The layer of each step and of the end: one below the lowest that leads to it. A journey has no circles.
fn layers(steps: &[Json], target: &dyn Fn(&Json) -> usize, end: usize) -> Vec<usize> {
    let mut layers = vec![0; end + 1];
    for _ in 0..=end {
        for (from, step) in steps.iter().enumerate() {
            let below = layers[from] + 1;
            for way in items(&step["ways"]) {
                let to = target(way);
                layers[to] = layers[to].max(below);
            }
            layers[end] = layers[end].max(below);
        }
    }
    layers
}

fn draw(
    out: &mut String,
    journey: &Json,
    steps: &[Json],
    graph: &Graph,
    places: &BTreeMap<usize, Place>,
    (width, height): (f64, f64),
) -> std::fmt::Result {
    let title = text(&journey["name"]);
    writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" \
         height=\"{height:.0}\" role=\"img\" aria-label=\"{}\">\n<style>{STYLE}</style>",
        escaped(&format!("the journey {title}"))
    )?;
    writeln!(out, "<text class=\"title\" x=\"{MARGIN}\" y=\"34\">{}</text>", escaped(&title))?;
    let figures = format!(
        "{} · {} in it now · {} entered",
        text(&journey["description"]),
        journey["waiting"],
        journey["entered"]
    );
    writeln!(out, "<text class=\"sub\" x=\"{MARGIN}\" y=\"54\">{}</text>", escaped(figures.trim_start_matches(" · ")))?;
    for way in &graph.ways {
        draw_way(out, way, places)?;
    }
    for (index, step) in steps.iter().enumerate() {
        let Some(place) = places.get(&index) else { continue };
        draw_step(out, step, *place)?;
    }
    if let Some(Place { x, y, .. }) = places.get(&graph.end) {
        writeln!(out, "<circle class=\"end\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"7\"><title>the end</title></circle>")?;
    }
    writeln!(out, "</svg>")
}

fn draw_way(out: &mut String, way: &Drawn, places: &BTreeMap<usize, Place>) -> std::fmt::Result {
    let points: Vec<Place> = way.through.iter().filter_map(|index| places.get(index).copied()).collect();
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return Ok(()) };
    let gap = if last.width <= 18.0 { 8.0 } else { HEIGHT / 2.0 };
    let mut at = (first.x, first.y + HEIGHT / 2.0);
    let mut path = format!("M{:.1} {:.1}", at.0, at.1);
    for (index, point) in points.iter().enumerate().skip(1) {
        let to = (point.x, if index + 1 == points.len() { point.y - gap } else { point.y });
        let middle = (at.1 + to.1) / 2.0;
        write!(path, " C{:.1} {middle:.1} {:.1} {middle:.1} {:.1} {:.1}", at.0, to.0, to.0, to.1)?;
        at = to;
    }
    let class = if way.passages > 0 { "way walked" } else { "way" };
    writeln!(out, "<path class=\"{class}\" d=\"{path}\"/>")?;
    let shown = if way.label.is_empty() { way.passages.to_string() } else { format!("{} {}", way.label, way.passages) };
    let Some(place) = points.get(1).filter(|_| points.len() > 2) else { return Ok(()) };
    writeln!(
        out,
        "<text class=\"count label\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
        place.x + 5.0,
        place.y + 4.0,
        escaped(&shown)
    )
}

fn draw_step(out: &mut String, step: &Json, place: Place) -> std::fmt::Result {
    let label = text(&step["step"]);
    let class = match label.split(' ').next().unwrap_or_default() {
        "wait" => "step wait",
        "send" => "step send",
        "if" | "split" => "step choice",
        _ => "step",
    };
    let Place { x, y, width } = place;
    writeln!(
        out,
        "<rect class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{HEIGHT}\" rx=\"9\"/>",
        x - width / 2.0,
        y - HEIGHT / 2.0
    )?;
    writeln!(out, "<text x=\"{x:.1}\" y=\"{:.1}\">{}</text>", y - 2.0, escaped(&label))?;
    let standing = step["standing"].as_u64().unwrap_or(0);
    let came = format!("{} came", step["came"]);
    let here = if standing > 0 { format!("<tspan class=\"here\">{standing} here</tspan> · ") } else { String::new() };
    writeln!(out, "<text class=\"count\" x=\"{x:.1}\" y=\"{:.1}\">{here}{came}</text>", y + 14.0)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_and_labels_lie_beside_each_other() {
        let journey = super::super::tests::carts();
        let graph = Graph::of(items(&journey["steps"]));
        let places = graph.layout();
        assert_eq!(places.len(), graph.vertices.len());
        for (a, one) in &places {
            for (b, other) in places.range(a + 1..) {
                let apart = (one.x - other.x).abs() + 0.01 >= (one.width + other.width) / 2.0;
                assert!(graph.vertices[*a].layer != graph.vertices[*b].layer || apart, "{a} lies over {b}");
            }
        }
        for way in &graph.ways {
            let layers: Vec<usize> = way.through.iter().map(|index| graph.vertices[*index].layer).collect();
            assert!(layers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{layers:?}");
        }
    }

    #[test]
    fn a_picture() {
        insta::assert_snapshot!(svg(&super::super::tests::carts()));
    }
}
