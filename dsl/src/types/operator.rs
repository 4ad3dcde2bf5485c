//! Which operators fit which values, and what they give.

use super::value::{Motion, Typed, convert, is_number, is_ordered, join, noun};
use crate::diagnostic::{Diagnostic, codes, suggest};
use crate::ir::{BinaryOperator, Expression, ProfileTraitId, Type, UnaryOperator, Value};
use crate::source::{FileId, Span};
use crate::syntax::ast::Node;
use rust_decimal::Decimal;

/// The most digits after the point that an exact number has.
const MOST_DECIMALS: u8 = 28;

/// How an operator is written.
pub fn symbol(operator: BinaryOperator) -> &'static str {
    match operator {
        BinaryOperator::And => "and",
        BinaryOperator::Or => "or",
        BinaryOperator::Equal => "==",
        BinaryOperator::NotEqual => "!=",
        BinaryOperator::Less => "<",
        BinaryOperator::LessOrEqual => "<=",
        BinaryOperator::Greater => ">",
        BinaryOperator::GreaterOrEqual => ">=",
        BinaryOperator::Add => "+",
        BinaryOperator::Subtract => "-",
        BinaryOperator::Multiply => "*",
        BinaryOperator::Divide => "/",
    }
}

/// `not x`, `-x`
///
/// # Errors
/// `not` of what is no condition, `-` of what is no number or length of time.
pub fn unary(operator: UnaryOperator, operand: Typed, span: Span) -> Result<Typed, Diagnostic> {
    refuse_personal(&operand)?;
    let (fits, symbol) = match operator {
        UnaryOperator::Not => (operand.kind == Type::Bool, "not"),
        UnaryOperator::Negate => (is_number(&operand.kind) || operand.kind == Type::Duration, "-"),
    };
    if !fits {
        let noun = noun(&operand.kind);
        return Err(Diagnostic::error(
            codes::TYPES_DIFFER,
            format!("`{symbol}` does not apply to {noun}"),
            operand.span,
            noun,
        ));
    }
    let expression = match (operator, operand.expression) {
        (UnaryOperator::Negate, Expression::Constant(Value::Int(number))) => {
            Expression::Constant(Value::Int(number.saturating_neg()))
        }
        (UnaryOperator::Negate, Expression::Constant(Value::Decimal(number))) => {
            Expression::Constant(Value::Decimal(-number))
        }
        (_, inner) => Expression::Unary { operator, operand: Box::new(inner) },
    };
    let motion = if operator == UnaryOperator::Negate { operand.motion.reversed() } else { Motion::STILL };
    Ok(Typed { motion, ..Typed::new(expression, operand.kind, span) })
}

/// `a + b`, `a < b`, `a and b`; `text` gives the source of an operand, for messages.
///
/// # Errors
/// When the operands do not fit.
pub fn binary(
    operator: &Node<BinaryOperator>,
    left: Typed,
    right: Typed,
    sources: &Wording<'_>,
) -> Result<Typed, Diagnostic> {
    let span = Span { end: right.span.end, ..left.span };
    if operator.value == BinaryOperator::Or && (left.kind != Type::Bool || right.kind != Type::Bool) {
        return or_default(operator, left, right, span);
    }
    refuse_personal(&left)?;
    refuse_personal(&right)?;
    match operator.value {
        BinaryOperator::And | BinaryOperator::Or => logic(operator, left, right, span),
        BinaryOperator::Equal | BinaryOperator::NotEqual => {
            never_equal(&left, &right, sources)?;
            comparison(operator, left, right, span)
        }
        BinaryOperator::Less
        | BinaryOperator::LessOrEqual
        | BinaryOperator::Greater
        | BinaryOperator::GreaterOrEqual => comparison(operator, left, right, span),
        BinaryOperator::Add | BinaryOperator::Subtract => sum(operator, left, right, span),
        BinaryOperator::Multiply | BinaryOperator::Divide => product(operator, left, right, span),
    }
}

/// The type of what an operator makes of values of two types that are no personal data and stand still.
pub fn operates(operator: BinaryOperator, left: &Type, right: &Type) -> Option<Type> {
    let span = Span { file: FileId(0), start: 0, end: 0 };
    let value = |kind: &Type| Typed::new(Expression::Profile(ProfileTraitId(0)), kind.clone(), span);
    let wording = Wording { text: &|_| String::new(), place: &|_| String::new() };
    binary(&Node { value: operator, span }, value(left), value(right), &wording).ok().map(|typed| typed.kind)
}

/// Turns places into the author's words.
pub struct Wording<'a> {
    /// The source text of a place.
    pub text: &'a dyn Fn(Span) -> String,
    /// `events/view.yaml:3:3` for a place.
    pub place: &'a dyn Fn(Span) -> String,
}

/// Values marked `pii` may only be asked whether they are known.
///
/// # Errors
/// When the value is one of them.
pub fn refuse_personal(value: &Typed) -> Result<(), Diagnostic> {
    match &value.personal {
        None => Ok(()),
        Some(name) => Err(Diagnostic::error(
            codes::PERSONAL_DATA,
            format!("`{name}` is personal data, which a rule may not compare"),
            value.span,
            "marked `pii`",
        )
        .help("ask `is known` of it, or declare a property derived from it that is not personal")),
    }
}

fn logic(operator: &Node<BinaryOperator>, left: Typed, right: Typed, span: Span) -> Result<Typed, Diagnostic> {
    for side in [&left, &right] {
        if side.kind != Type::Bool {
            let noun = noun(&side.kind);
            let message = format!("`{}` joins conditions, and {noun} is none", symbol(operator.value));
            return Err(
                Diagnostic::error(codes::NOT_A_CONDITION, message, side.span, noun).help("compare it with something")
            );
        }
    }
    Ok(Typed::new(boxed(operator.value, left.expression, right.expression), Type::Bool, span))
}

fn or_default(operator: &Node<BinaryOperator>, left: Typed, right: Typed, span: Span) -> Result<Typed, Diagnostic> {
    let Some(kind) = join(&left.kind, &right.kind) else {
        let diagnostic = differ(operator, &left, &right, "is no default for");
        return Err(diagnostic.help("a default has the type of the value that it stands in for; put parentheses around a comparison that `or` shall join"));
    };
    let expression = Expression::OrDefault {
        value: Box::new(convert(left.expression, &left.kind, &kind)),
        default: Box::new(convert(right.expression, &right.kind, &kind)),
    };
    Ok(Typed {
        expression,
        kind,
        span,
        motion: left.motion.either(right.motion),
        personal: left.personal.or(right.personal),
        declared: left.declared.or(right.declared),
    })
}

fn comparison(operator: &Node<BinaryOperator>, left: Typed, right: Typed, span: Span) -> Result<Typed, Diagnostic> {
    let equality = matches!(operator.value, BinaryOperator::Equal | BinaryOperator::NotEqual);
    let Some(kind) = join(&left.kind, &right.kind) else {
        let diagnostic = differ(operator, &left, &right, "is never compared with");
        return Err(match quoted_number(&left, &right) {
            Some(help) => diagnostic.help(help),
            None => diagnostic,
        });
    };
    if matches!(kind, Type::List(_)) || !equality && !is_ordered(&kind) {
        let message = format!("`{}` does not apply to {}", symbol(operator.value), noun(&kind));
        let help =
            if kind == Type::Bool { "a yes-or-no value is a condition by itself" } else { "ask `is known` of it" };
        return Err(Diagnostic::error(codes::TYPES_DIFFER, message, span, noun(&kind)).help(help));
    }
    let motion = left.motion.minus(right.motion);
    if equality && motion != Motion::STILL {
        return Err(Diagnostic::error(
            codes::MOVING_TIME,
            format!("`{}` with a value that grows with the clock", symbol(operator.value)),
            operator.span,
            "equal for one microsecond only",
        )
        .help("ask whether it is longer or shorter: `since(view) > 3d`"));
    }
    if !motion.is_exact() {
        return Err(moving("these two move against each other too fast to compare", span));
    }
    let left_side = convert(left.expression, &left.kind, &kind);
    let right_side = convert(right.expression, &right.kind, &kind);
    Ok(Typed::new(boxed(operator.value, left_side, right_side), Type::Bool, span))
}

/// `category == "x"`, where the schema says what `category` can be, and `x` is none of it.
fn never_equal(left: &Typed, right: &Typed, wording: &Wording<'_>) -> Result<(), Diagnostic> {
    let (value, literal) = match (left.literal_text(), right.literal_text()) {
        (None, Some(_)) => (left, right),
        (Some(_), None) => (right, left),
        _ => return Ok(()),
    };
    let (Type::String { one_of: Some(choices) }, Some(text)) = (&value.kind, literal.literal_text()) else {
        return Ok(());
    };
    if choices.iter().any(|choice| choice.as_ref() == text) {
        return Ok(());
    }
    let count = choices.len();
    let label = if count == 1 { "not its only value".to_owned() } else { format!("not one of its {count} values") };
    let message = format!("`{}` is never \"{text}\"", (wording.text)(value.span));
    let mut diagnostic = Diagnostic::error(codes::NEVER_EQUAL, message, literal.span, label);
    let names = || choices.iter().map(AsRef::as_ref);
    if let Some(near) = suggest::nearest(text, names()) {
        diagnostic = diagnostic.help(format!("did you mean \"{near}\"?"));
    } else if count <= 12 {
        let quoted: Vec<String> = names().map(|name| format!("\"{name}\"")).collect();
        diagnostic = diagnostic.help(format!("it is {}", quoted.join(", ")));
    }
    if let Some(place) = value.declared {
        diagnostic = diagnostic.note(format!("declared in {}", (wording.place)(place)));
    }
    Err(diagnostic)
}

fn sum(operator: &Node<BinaryOperator>, left: Typed, right: Typed, span: Span) -> Result<Typed, Diagnostic> {
    let adding = operator.value == BinaryOperator::Add;
    let kind = match (&left.kind, &right.kind) {
        (a, b) if is_number(a) && is_number(b) => join(a, b),
        (Type::Duration, Type::Duration) => Some(Type::Duration),
        (Type::Time, Type::Duration) => Some(Type::Time),
        (Type::Duration, Type::Time) if adding => Some(Type::Time),
        (Type::Time, Type::Time) if !adding => Some(Type::Duration),
        _ => None,
    };
    let Some(kind) = kind else {
        let diagnostic =
            differ(operator, &left, &right, if adding { "is not added to" } else { "has nothing to do with" });
        return Err(diagnostic.help("numbers are added to numbers, lengths of time to lengths of time and to moments"));
    };
    let motion = if adding { left.motion.plus(right.motion) } else { left.motion.minus(right.motion) };
    if !motion.is_exact() {
        return Err(moving("a sum that grows faster than the clock", span));
    }
    let (left_side, right_side) = if is_number(&kind) {
        (convert(left.expression, &left.kind, &kind), convert(right.expression, &right.kind, &kind))
    } else {
        (left.expression, right.expression)
    };
    Ok(Typed { motion, ..Typed::new(boxed(operator.value, left_side, right_side), kind, span) })
}

fn product(operator: &Node<BinaryOperator>, left: Typed, right: Typed, span: Span) -> Result<Typed, Diagnostic> {
    if left.motion != Motion::STILL || right.motion != Motion::STILL {
        return Err(moving("a value that grows with the clock is neither multiplied nor divided", span));
    }
    let dividing = operator.value == BinaryOperator::Divide;
    let factor = |kind: &Type| if *kind == Type::Int { Type::Int } else { Type::Float };
    let (left_to, right_to, kind) = match (&left.kind, &right.kind) {
        (a, b) if is_number(a) && is_number(b) && dividing => (Type::Float, Type::Float, Type::Float),
        (Type::Decimal { scale: a }, Type::Decimal { scale: b }) => {
            let kind = Type::Decimal { scale: a.saturating_add(*b) };
            (left.kind.clone(), right.kind.clone(), kind)
        }
        (a, b) if is_number(a) && is_number(b) => {
            let kind = join(a, b).unwrap_or(Type::Float);
            (kind.clone(), kind.clone(), kind)
        }
        (Type::Duration, b) if is_number(b) => (Type::Duration, factor(b), Type::Duration),
        (a, Type::Duration) if is_number(a) && !dividing => (factor(a), Type::Duration, Type::Duration),
        (Type::Duration, Type::Duration) if dividing => (Type::Duration, Type::Duration, Type::Float),
        _ => {
            let diagnostic =
                differ(operator, &left, &right, if dividing { "is not divided by" } else { "is not multiplied with" });
            return Err(diagnostic.help("numbers and lengths of time are multiplied with and divided by numbers"));
        }
    };
    if let Type::Decimal { scale } = kind
        && scale > MOST_DECIMALS
    {
        return Err(Diagnostic::error(
            codes::TYPES_DIFFER,
            format!("a product with {scale} digits after the point"),
            span,
            "",
        )
        .help(format!("an exact number has at most {MOST_DECIMALS}")));
    }
    let expression = boxed(
        operator.value,
        convert(left.expression, &left.kind, &left_to),
        convert(right.expression, &right.kind, &right_to),
    );
    Ok(Typed::new(expression, kind, span))
}

fn moving(message: &str, span: Span) -> Diagnostic {
    Diagnostic::error(codes::MOVING_TIME, message, span, "").help(
        "the engine must know the exact moment at which the answer changes: compare one `since(...)`, or the difference of two, with a length of time",
    )
}

fn differ(operator: &Node<BinaryOperator>, left: &Typed, right: &Typed, relation: &str) -> Diagnostic {
    let (left_noun, right_noun) = (noun(&left.kind), noun(&right.kind));
    let (a, b) = if relation == "is no default for" { (&right_noun, &left_noun) } else { (&left_noun, &right_noun) };
    Diagnostic::error(
        codes::TYPES_DIFFER,
        format!("{a} {relation} {b}"),
        operator.span,
        format!("`{}` needs both sides to fit", symbol(operator.value)),
    )
    .label(left.span, left_noun.clone())
    .label(right.span, right_noun.clone())
}

/// `price == "3"`, `product == 3`
fn quoted_number(left: &Typed, right: &Typed) -> Option<String> {
    let (kind, literal) = match (&left.expression, &right.expression) {
        (_, Expression::Constant(value)) => (&left.kind, value),
        (Expression::Constant(value), _) => (&right.kind, value),
        _ => return None,
    };
    match (kind, literal) {
        (kind, Value::String(text)) if is_number(kind) && text.parse::<Decimal>().is_ok() => {
            Some(format!("write {text} without the quotes"))
        }
        (Type::Bool, Value::String(text)) if matches!(text.as_ref(), "true" | "false") => {
            Some(format!("write {text} without the quotes"))
        }
        (Type::String { .. }, Value::Int(number)) => Some(format!("write \"{number}\" if the text is meant")),
        (Type::String { .. }, Value::Decimal(number)) => Some(format!("write \"{number}\" if the text is meant")),
        (Type::Duration, Value::Int(number)) => Some(format!("write a unit: `{number}h`, `{number}d`")),
        (Type::Time, Value::String(_)) => Some("write a date without quotes: `2026-01-31`".to_owned()),
        _ => None,
    }
}

fn boxed(operator: BinaryOperator, left: Expression, right: Expression) -> Expression {
    Expression::Binary { operator, left: Box::new(left), right: Box::new(right) }
}
