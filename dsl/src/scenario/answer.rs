//! `answers: {crm: retry after 30s}`: what a destination says to whatever it is told.

use crate::diagnostic::{Diagnostic, Report, codes, suggest};
use crate::ir::{DestinationId, Program};
use crate::shape::scalar;
use crate::time::Duration;
use crate::yaml::{Entry, Node};

/// What a destination answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It has it.
    Delivered,
    /// Not now; after some time, where it says so.
    Retry(Option<Duration>),
    /// Never.
    Rejected,
}

impl Answer {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "delivered" => Some(Self::Delivered),
            "rejected" => Some(Self::Rejected),
            "retry" => Some(Self::Retry(None)),
            _ => scalar::duration(text.strip_prefix("retry after ")?).map(|wait| Self::Retry(Some(wait))),
        }
    }
}

pub fn decode(node: Option<&Node>, program: &Program, report: &mut Report) -> Vec<(DestinationId, Answer)> {
    let entries = node.map_or(&[][..], Node::entries);
    entries.iter().filter_map(|entry| one(entry, program, report)).collect()
}

fn one(entry: &Entry, program: &Program, report: &mut Report) -> Option<(DestinationId, Answer)> {
    let place = program.destinations.iter().position(|it| it.name == entry.key);
    if place.is_none() {
        let message = format!("there is no destination `{}`", entry.key);
        let error = Diagnostic::error(codes::UNKNOWN_DESTINATION, message, entry.key_span, "not declared");
        let help = suggest::help(&entry.key, program.destinations.iter().map(|it| it.name.as_str()));
        report.push(help.into_iter().fold(error, Diagnostic::help));
    }
    let answer = Answer::parse(entry.value.text()?.trim());
    if answer.is_none() {
        let error = Diagnostic::error(codes::BAD_VALUE, "no destination answers this", entry.value.span, "");
        report.push(error.help("it is one of delivered, retry, retry after 30s, rejected"));
    }
    Some((DestinationId(u32::try_from(place?).ok()?), answer?))
}
