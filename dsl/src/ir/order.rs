//! The order in which rules are typed and evaluated: whatever a rule reads stands before it, and ties go by name, so that
//! nothing depends on the order of declarations or files.

use crate::syntax::ast::{Argument, Call, Expression, ExpressionKind, Name};
use std::collections::BTreeMap;

/// An order, and what has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Order {
    /// Indices, each after those that it refers to.
    pub sorted: Vec<usize>,
    /// Circles, each from the rule with the first name on, by their indices.
    pub circles: Vec<Vec<usize>>,
}

/// Orders rules, given by ascending name, by what each refers to. Depth first, without recursion, linear.
#[must_use]
pub fn order(references: &[Vec<usize>]) -> Order {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        Fresh,
        UnderWay,
        Done,
    }
    let mut marks = vec![Mark::Fresh; references.len()];
    let mut order = Order::default();
    let mut circular = vec![false; references.len()];
    for root in 0..references.len() {
        let mut path: Vec<(usize, usize)> = Vec::new();
        if marks[root] == Mark::Fresh {
            marks[root] = Mark::UnderWay;
            path.push((root, 0));
        }
        while let Some((rule, next)) = path.last_mut() {
            let rule = *rule;
            let Some(&target) = references[rule].get(*next) else {
                marks[rule] = Mark::Done;
                order.sorted.push(rule);
                path.pop();
                continue;
            };
            *next += 1;
            match marks[target] {
                Mark::Fresh => {
                    marks[target] = Mark::UnderWay;
                    path.push((target, 0));
                }
                Mark::UnderWay => {
                    let begin = path.iter().rposition(|(rule, _)| *rule == target).unwrap_or_default();
                    let members: Vec<usize> = path[begin..].iter().map(|(rule, _)| *rule).collect();
                    // One circle a rule is enough to see what is wrong.
                    if members.iter().any(|member| !circular[*member]) {
                        members.iter().for_each(|member| circular[*member] = true);
                        order.circles.push(from_smallest(members));
                    }
                }
                Mark::Done => {}
            }
        }
    }
    order
}

fn from_smallest(mut circle: Vec<usize>) -> Vec<usize> {
    let smallest = circle.iter().enumerate().min_by_key(|(_, rule)| **rule).map_or(0, |(at, _)| at);
    circle.rotate_left(smallest);
    circle
}

/// The rules that an expression names: its bare names, and what it asks `in(…)` of. What stands inside aggregates are
/// events and their properties.
#[must_use]
pub fn references(expression: &Expression, rules: &BTreeMap<&str, usize>) -> Vec<usize> {
    let mut found = Vec::new();
    collect(expression, &mut |name: &Name| found.extend(rules.get(name.value.as_str())));
    found.sort_unstable();
    found.dedup();
    found
}

fn collect(expression: &Expression, see: &mut dyn FnMut(&Name)) {
    match &expression.value {
        ExpressionKind::Path(path) => {
            if let [name] = path.value.as_slice() {
                see(name);
            }
        }
        ExpressionKind::Call(call) => in_segment(call, see),
        ExpressionKind::Unary(_, operand) | ExpressionKind::IsKnown(operand, _) => collect(operand, see),
        ExpressionKind::Binary(left, _, right) => {
            collect(left, see);
            collect(right, see);
        }
        ExpressionKind::If(branches) => {
            collect(&branches.condition, see);
            collect(&branches.then, see);
            collect(&branches.otherwise, see);
        }
        ExpressionKind::Literal(_) | ExpressionKind::Early(_) | ExpressionKind::Faulty => {}
    }
}

fn in_segment(call: &Call, see: &mut dyn FnMut(&Name)) {
    if !matches!(call.function.value.as_slice(), [name] if name.value == "in") {
        return;
    }
    for argument in &call.arguments {
        let Argument { steps } = &argument.value;
        steps.iter().for_each(|step| collect(&step.value.subject, see));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_stands_first_and_ties_go_by_name() {
        let order = order(&[vec![2], vec![], vec![3], vec![]]);
        assert_eq!(order.sorted, [3, 2, 0, 1]);
        assert!(order.circles.is_empty());
    }

    #[test]
    fn circles_are_spelled_from_their_first_name() {
        assert_eq!(order(&[vec![0]]).circles, [vec![0]]);
        assert_eq!(order(&[vec![], vec![2], vec![3], vec![1], vec![3]]).circles, [vec![1, 2, 3]]);
        assert_eq!(order(&[vec![1], vec![0], vec![3], vec![2]]).circles, [vec![0, 1], vec![2, 3]]);
    }

    #[test]
    fn a_long_chain_needs_no_stack() {
        let length = 200_000;
        let chain: Vec<Vec<usize>> =
            (0..length).map(|rule| if rule + 1 < length { vec![rule + 1] } else { vec![] }).collect();
        assert_eq!(order(&chain).sorted.len(), length);
    }
}
