//! What is different between two expressions, in words: conditions that came or went, numbers and windows that moved.
//!
//! INVARIANT: expressions whose texts differ give at least one line; texts are those of [`print`], with all names in full,
//! so that how a rule is written makes no difference.

use crate::ir::{Aggregate, BinaryOperator, EventSelector, Expression, Function, Program, Window, print};

/// An expression and the version that it is of.
pub(super) type Side<'a> = (&'a Program, &'a Expression);

/// Adds a line for each difference.
pub(super) fn expression(before: Side<'_>, after: Side<'_>, found: &mut Vec<String>) {
    let (was, is) = (text(before), text(after));
    if was == is {
        return;
    }
    for operator in [BinaryOperator::And, BinaryOperator::Or] {
        let (old, new) = (chain(before, operator), chain(after, operator));
        if old.len() > 1 || new.len() > 1 {
            return chains(operator, &old, &new, found);
        }
    }
    let (Expression::Binary { operator: old, left: left_before, right: right_before }, true) =
        (before.1, is_comparison(before.1))
    else {
        return single(before, after, found);
    };
    let (Expression::Binary { operator: new, left, right }, true) = (after.1, is_comparison(after.1)) else {
        return single(before, after, found);
    };
    let (left_before, left) = ((before.0, left_before.as_ref()), (after.0, left.as_ref()));
    let (right_before, right) = ((before.0, right_before.as_ref()), (after.0, right.as_ref()));
    if !is_kin(left_before, left) {
        return single(before, after, found);
    }
    let (old_text, new_text) = (text(left_before), text(left));
    expression(left_before, left, found);
    if old != new || text(right_before) != text(right) {
        let rest = |whole: &str, left: &str| whole.strip_prefix(left).unwrap_or(whole).trim().to_owned();
        found.push(format!("{} is `{}`, was `{}`", short(left), rest(&is, &new_text), rest(&was, &old_text)));
    }
}

fn single(before: Side<'_>, after: Side<'_>, found: &mut Vec<String>) {
    let length = found.len();
    match (before.1, after.1) {
        (Expression::Aggregate(old), Expression::Aggregate(new)) => {
            if let (Some(old), Some(new)) = (before.0.aggregate(*old), after.0.aggregate(*new)) {
                aggregates((before.0, old), (after.0, new), found);
            }
        }
        (Expression::Convert { value, .. }, _) => return expression((before.0, value), after, found),
        (_, Expression::Convert { value, .. }) => return expression(before, (after.0, value), found),
        (Expression::OrDefault { value: old, default: old_default }, Expression::OrDefault { value, default }) => {
            expression((before.0, old), (after.0, value), found);
            if text((before.0, old_default)) != text((after.0, default)) {
                let (is, was) = (text((after.0, default)), text((before.0, old_default)));
                found.push(format!("where it is unknown, it is `{is}`, was `{was}`"));
            }
        }
        _ => {}
    }
    if found.len() == length {
        found.push(format!("`{}` in place of `{}`", text(after), text(before)));
    }
}

/// What is joined by `and`, or by `or`.
fn chain<'a>(side: Side<'a>, wanted: BinaryOperator) -> Vec<Side<'a>> {
    match side.1 {
        Expression::Binary { operator, left, right } if *operator == wanted => {
            [chain((side.0, left), wanted), chain((side.0, right), wanted)].concat()
        }
        _ => vec![side],
    }
}

fn chains(operator: BinaryOperator, before: &[Side<'_>], after: &[Side<'_>], found: &mut Vec<String>) {
    let mut new: Vec<Side<'_>> = after.to_vec();
    let mut old: Vec<Side<'_>> = Vec::new();
    for it in before {
        match new.iter().position(|other| text(*other) == text(*it)) {
            Some(place) => _ = new.remove(place),
            None => old.push(*it),
        }
    }
    let length = found.len();
    for it in old {
        match new.iter().position(|other| is_kin(it, *other)) {
            Some(place) => expression(it, new.remove(place), found),
            None if operator == BinaryOperator::And => found.push(format!("`{}` is no longer needed", text(it))),
            None => found.push(format!("`{}` is no longer enough", text(it))),
        }
    }
    for it in new {
        let what = if operator == BinaryOperator::And { "is needed, too" } else { "is enough, too" };
        found.push(format!("`{}` {what}", text(it)));
    }
    if found.len() == length {
        found.push("its conditions are joined otherwise".to_owned());
    }
}

/// Whether one is a variant of the other: worth telling apart part by part.
fn is_kin(a: Side<'_>, b: Side<'_>) -> bool {
    if text(a) == text(b) {
        return true;
    }
    match (a.1, b.1) {
        (Expression::Convert { value, .. }, _) => is_kin((a.0, value), b),
        (_, Expression::Convert { value, .. }) => is_kin(a, (b.0, value)),
        (Expression::Binary { left, .. }, Expression::Binary { left: other, .. })
            if is_comparison(a.1) && is_comparison(b.1) =>
        {
            is_kin((a.0, left), (b.0, other))
        }
        (Expression::Aggregate(one), Expression::Aggregate(other)) => {
            let (Some(one), Some(other)) = (a.0.aggregate(*one), b.0.aggregate(*other)) else { return false };
            let same_function = std::mem::discriminant(&one.function) == std::mem::discriminant(&other.function);
            same_function && event(a.0, one) == event(b.0, other)
        }
        (Expression::OrDefault { value, .. }, Expression::OrDefault { value: other, .. }) => {
            is_kin((a.0, value), (b.0, other))
        }
        _ => false,
    }
}

fn aggregates(before: (&Program, &Aggregate), after: (&Program, &Aggregate), found: &mut Vec<String>) {
    let ((old_program, old), (new_program, new)) = (before, after);
    let whole = |(program, aggregate)| print::aggregate(program, aggregate).to_string();
    let named = format!("`{}({})`", new.function.name(), event(new_program, new));
    let length = found.len();
    if old.window != new.window {
        found.push(format!("{named} looks at {}, was {}", window(new.window), window(old.window)));
    }
    let is_plain = |it: &Aggregate| !matches!(it.function, Function::Sequence(_));
    if is_plain(old) && is_plain(new) {
        let filter = |(program, aggregate): (&Program, &Aggregate)| {
            // Printed as a step of its own: names of properties need the event.
            let pattern = Aggregate { window: Window::Always, per: None, value: None, ..aggregate.clone() };
            let text = print::aggregate(program, &pattern).to_string();
            text.split_once(" where ").map(|(_, filter)| filter.trim_end_matches(')').to_owned())
        };
        match (filter(before), filter(after)) {
            (was, is) if was == is => {}
            (Some(was), None) => found.push(format!("{named} counts all, not only those where `{was}`")),
            (None, Some(is)) => found.push(format!("{named} counts only those where `{is}`")),
            (was, is) => found.push(format!(
                "{named} counts those where `{}`, was `{}`",
                is.unwrap_or_default(),
                was.unwrap_or_default()
            )),
        }
    }
    // What else an aggregate is made of, seen without what was said already.
    let rest = |(program, aggregate): (&Program, &Aggregate)| {
        let mut bare = Aggregate { window: Window::Always, ..aggregate.clone() };
        if is_plain(aggregate) {
            bare.pattern.filter = None;
        }
        print::aggregate(program, &bare).to_string()
    };
    if rest((old_program, old)) != rest((new_program, new)) {
        found.truncate(length);
        found.push(format!("`{}` in place of `{}`", whole((new_program, new)), whole((old_program, old))));
    }
}

fn window(window: Window) -> String {
    match window {
        Window::Always => "all time".to_owned(),
        Window::Last(length) => format!("the last {length}"),
        Window::Since(moment) => format!("what came since {moment}"),
        Window::Session(_) => "this session".to_owned(),
        Window::Next(length) => format!("the next {length}"),
    }
}

fn event<'p>(program: &'p Program, aggregate: &Aggregate) -> &'p str {
    match aggregate.pattern.event {
        EventSelector::One(id) => program.events.get(id.index()).map_or("", |event| event.name.as_str()),
        EventSelector::Any => "any",
    }
}

/// What an expression is called in a sentence.
fn short(side: Side<'_>) -> String {
    match side.1 {
        Expression::Aggregate(id) => match side.0.aggregate(*id) {
            Some(aggregate) => format!("`{}({})`", aggregate.function.name(), event(side.0, aggregate)),
            None => format!("`{}`", text(side)),
        },
        Expression::Convert { value, .. } => short((side.0, value)),
        _ => format!("`{}`", text(side)),
    }
}

const fn is_comparison(expression: &Expression) -> bool {
    use BinaryOperator::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
    matches!(
        expression,
        Expression::Binary { operator: Equal | NotEqual | Less | LessOrEqual | Greater | GreaterOrEqual, .. }
    )
}

pub(super) fn text((program, expression): Side<'_>) -> String {
    print::expression(program, expression).to_string()
}
