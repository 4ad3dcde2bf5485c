//! What happened on journeys, as the value of a change: steps are named by their keys, which outlive a change of the text.

use serde_json::{Map, Value as Json};
use sonder_core::effect::{JourneyChange, JourneyStep, Unsent};
use sonder_dsl::ir::journey::{NodeId, NodeKind};
use sonder_dsl::ir::{Journey, Program};

/// `{"what", "passage", …}`: `entered` (with `per`), `came`, `branched` (with `branch`), `sent` (with `delivery`), `unsent` (with
/// `reason`), each with the `step` and its key `node`, and `left` (with `outcome`).
pub(super) fn told(program: &Program, journey: &Journey, change: &JourneyChange) -> Json {
    let (what, node, detail) = match &change.what {
        JourneyStep::Entered { per } => ("entered", None, per.clone().map(|per| ("per", per))),
        JourneyStep::Came(node) => ("came", Some(*node), None),
        JourneyStep::Branched(node, branch) => {
            ("branched", Some(*node), branch_name(journey, *node, *branch).map(|name| ("branch", name.into())))
        }
        JourneyStep::Sent(node, id) => ("sent", Some(*node), Some(("delivery", format!("{:032x}", id.0).into()))),
        JourneyStep::Unsent(node, why) => ("unsent", Some(*node), Some(("reason", reason(why).into()))),
        JourneyStep::Left(outcome) => ("left", None, Some(("outcome", outcome.name().into()))),
    };
    let mut told = Map::new();
    told.insert("what".to_owned(), what.into());
    told.insert("passage".to_owned(), format!("{:016x}", change.instance.0).into());
    if let Some(node) = node.and_then(|node| journey.node(node)) {
        told.insert("node".to_owned(), format!("{:016x}", node.key.0).into());
        told.insert("step".to_owned(), node.label(program).into());
    }
    if let Some((key, value)) = detail {
        told.insert(key.to_owned(), value);
    }
    Json::Object(told)
}

fn branch_name(journey: &Journey, node: NodeId, branch: usize) -> Option<String> {
    match &journey.node(node)?.kind {
        NodeKind::Split(branches) => branches.get(branch).map(|branch| branch.name.clone()),
        _ => None,
    }
}

fn reason(why: &Unsent) -> String {
    match why {
        Unsent::Capped => "over the cap of the channel".to_owned(),
        Unsent::Incomplete(field) => format!("`{field}` is unknown"),
    }
}
