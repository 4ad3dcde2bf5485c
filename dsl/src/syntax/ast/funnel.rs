//! `funnel checkout { product_viewed then order_completed within 7d by profile.country }`

use super::{Node, Path, Step};
use crate::time::Duration;

/// What a funnel says.
#[derive(Clone, Debug, PartialEq)]
pub struct Funnel {
    /// Its steps; the `within` behind the last is the funnel's own.
    pub steps: Vec<Node<Step>>,
    /// How long all of it may take.
    pub within: Option<Node<Duration>>,
    /// `by context.device.type, profile.country`
    pub by: Vec<Path>,
}
