//! Gives a flat list of operands and operators its shape: precedence climbing.
//!
//! | binds | operators | |
//! |---|---|---|
//! | least | `or` | also a default for an unknown value |
//! | | `and` | |
//! | | `not` | `not a == b` is `not (a == b)` |
//! | | `== != < <= > >=`, `is known`, `is unknown` | not chained |
//! | | `+` `-` | from the left |
//! | | `*` `/` | from the left |
//! | most | `-x` | |
//!
//! Chains of `and` and of `or` become balanced trees, which means the same and keeps a list of a thousand conditions
//! shallow. Everything else is as deep as it is long, so [`Tree`] carries its depth.

use super::ast::{Expression, ExpressionKind, Node};
use crate::ir::{BinaryOperator, UnaryOperator};
use crate::limits::EXPRESSION_DEPTH;
use crate::source::Span;

/// An expression that knows how deep it is.
#[derive(Clone, Debug)]
pub struct Tree {
    /// The expression.
    pub expression: Expression,
    /// Levels; 1 for a leaf.
    pub depth: usize,
}

/// A part of a flat expression.
#[derive(Clone, Debug)]
pub enum Part {
    /// `not`, `-` before an operand.
    Prefix(Node<UnaryOperator>),
    /// An operand.
    Operand(Tree),
    /// An operator between operands.
    Infix(Node<BinaryOperator>),
    /// `is known` (true) or `is unknown` (false) after an operand.
    IsKnown(Node<bool>),
}

/// What came of it.
pub struct Climbed {
    /// The tree.
    pub tree: Tree,
    /// The second operator of each `a < b < c`.
    pub chained: Vec<Span>,
}

/// Why there is no tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fallen {
    /// The list is no expression.
    Nonsense,
    /// The tree would have more than [`EXPRESSION_DEPTH`] levels.
    TooDeep,
}

/// Shapes a list of parts in the order in which they are written.
///
/// It stops as soon as it is too deep: neither climbing nor dropping what it made takes a large stack, however long the
/// list.
///
/// # Errors
/// Where there is no tree that may be.
pub fn climb(parts: Vec<Part>) -> Result<Climbed, Fallen> {
    let mut climber = Climber { parts: parts.into_iter().peekable(), chained: Vec::new(), prefixes: 0 };
    let tree = climber.expression(OR)?;
    Ok(Climbed { tree, chained: climber.chained })
}

const OR: u8 = 0;
const AND: u8 = 1;
const NOT: u8 = 2;
const COMPARISON: u8 = 3;
const SUM: u8 = 4;
const PRODUCT: u8 = 5;
const NEGATION: u8 = 6;

fn binding(operator: BinaryOperator) -> u8 {
    match operator {
        BinaryOperator::Or => OR,
        BinaryOperator::And => AND,
        BinaryOperator::Equal
        | BinaryOperator::NotEqual
        | BinaryOperator::Less
        | BinaryOperator::LessOrEqual
        | BinaryOperator::Greater
        | BinaryOperator::GreaterOrEqual => COMPARISON,
        BinaryOperator::Add | BinaryOperator::Subtract => SUM,
        BinaryOperator::Multiply | BinaryOperator::Divide => PRODUCT,
    }
}

struct Climber {
    parts: std::iter::Peekable<std::vec::IntoIter<Part>>,
    chained: Vec<Span>,
    /// Those whose operands are being read.
    prefixes: usize,
}

impl Climber {
    /// An expression of operators that bind at least as much as `least`.
    fn expression(&mut self, least: u8) -> Result<Tree, Fallen> {
        let mut left = self.prefixed()?;
        // What was last compared with: `a < b < c` goes on as `a < b and b < c`, so that it is one mistake, not two.
        let mut compared: Option<Tree> = None;
        loop {
            match self.parts.peek() {
                Some(Part::Infix(operator)) if binding(operator.value) >= least => {
                    let operator = operator.clone();
                    let level = binding(operator.value);
                    self.parts.next();
                    let right = self.expression(level + 1)?;
                    left = bounded(match compared.take() {
                        Some(middle) if level == COMPARISON => {
                            self.chained.push(operator.span);
                            let and = Node { value: BinaryOperator::And, span: operator.span };
                            compared = self.comparison_follows().then(|| right.clone());
                            binary(left, and, binary(middle, operator, right))
                        }
                        _ if level <= AND => self.chain(left, operator, right)?,
                        _ => {
                            compared = (level == COMPARISON && self.comparison_follows()).then(|| right.clone());
                            binary(left, operator, right)
                        }
                    })?;
                }
                Some(Part::IsKnown(state)) if COMPARISON >= least => {
                    let state = state.clone();
                    self.parts.next();
                    let span = join(left.expression.span, state.span);
                    let kind = ExpressionKind::IsKnown(Box::new(left.expression), state.value);
                    left = bounded(Tree { expression: Node { value: kind, span }, depth: left.depth + 1 })?;
                }
                _ => return Ok(left),
            }
        }
    }

    fn comparison_follows(&mut self) -> bool {
        matches!(self.parts.peek(), Some(Part::Infix(operator)) if binding(operator.value) == COMPARISON)
    }

    fn prefixed(&mut self) -> Result<Tree, Fallen> {
        match self.parts.next().ok_or(Fallen::Nonsense)? {
            Part::Operand(tree) => Ok(tree),
            Part::Prefix(operator) => {
                // Each is a level, before there is a tree to measure.
                self.prefixes += 1;
                if self.prefixes > EXPRESSION_DEPTH {
                    return Err(Fallen::TooDeep);
                }
                let operand = self.expression(match operator.value {
                    UnaryOperator::Not => NOT,
                    UnaryOperator::Negate => NEGATION,
                })?;
                self.prefixes -= 1;
                let span = join(operator.span, operand.expression.span);
                let kind = ExpressionKind::Unary(operator, Box::new(operand.expression));
                bounded(Tree { expression: Node { value: kind, span }, depth: operand.depth + 1 })
            }
            Part::Infix(_) | Part::IsKnown(_) => Err(Fallen::Nonsense),
        }
    }

    /// All operands of `a and b and c`, of which two are read.
    fn chain(&mut self, first: Tree, operator: Node<BinaryOperator>, second: Tree) -> Result<Tree, Fallen> {
        let value = operator.value;
        let mut chain = Chain { value, operands: Vec::new(), operators: Vec::new() };
        chain.take(first);
        chain.operators.push(operator);
        chain.take(second);
        while let Some(Part::Infix(next)) = self.parts.peek()
            && value == next.value
        {
            chain.operators.push(next.clone());
            self.parts.next();
            chain.take(self.expression(binding(value) + 1)?);
        }
        Ok(balanced(chain.operands, &chain.operators))
    }
}

/// The operands of a chain of one operator: parentheses inside it make no difference.
struct Chain {
    value: BinaryOperator,
    operands: Vec<Tree>,
    operators: Vec<Node<BinaryOperator>>,
}

impl Chain {
    fn take(&mut self, tree: Tree) {
        let Tree { expression, depth } = tree;
        match expression.value {
            ExpressionKind::Binary(left, operator, right) if operator.value == self.value => {
                // A part is less deep than the whole.
                let depth = depth.saturating_sub(1);
                self.take(Tree { expression: *left, depth });
                self.operators.push(operator);
                self.take(Tree { expression: *right, depth });
            }
            _ => self.operands.push(Tree { expression, depth }),
        }
    }
}

/// INVARIANT: one operator fewer than operands, and at least one operand.
fn balanced(mut operands: Vec<Tree>, operators: &[Node<BinaryOperator>]) -> Tree {
    if let Some((middle, operator)) = operators.get(operators.len() / 2).map(|operator| (operators.len() / 2, operator))
    {
        let right = operands.split_off(middle + 1);
        let left = balanced(operands, &operators[..middle]);
        return binary(left, operator.clone(), balanced(right, &operators[middle + 1..]));
    }
    operands.swap_remove(0)
}

fn bounded(tree: Tree) -> Result<Tree, Fallen> {
    if tree.depth > EXPRESSION_DEPTH { Err(Fallen::TooDeep) } else { Ok(tree) }
}

fn binary(left: Tree, operator: Node<BinaryOperator>, right: Tree) -> Tree {
    let span = join(left.expression.span, right.expression.span);
    let depth = left.depth.max(right.depth) + 1;
    let kind = ExpressionKind::Binary(Box::new(left.expression), operator, Box::new(right.expression));
    Tree { expression: Node { value: kind, span }, depth }
}

/// From the start of one to the end of the other.
#[must_use]
pub fn join(first: Span, last: Span) -> Span {
    Span { file: first.file, start: first.start.min(last.start), end: first.end.max(last.end) }
}
