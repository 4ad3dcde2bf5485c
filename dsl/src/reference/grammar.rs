//! The grammar as EBNF: that of the parser, without what it reads only to say what is wrong with it.
//!
//! Words and marks that have rules of their own are written where they stand; look-ahead is left out, but for what a character
//! must not be.

use pest_meta::ast::{Expr, Rule};
use pest_meta::parser;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write};

/// The files of the grammar, by what they are about.
const FILES: [(&str, &str); 6] = [
    ("Items", include_str!("../../grammar/rule.pest")),
    ("Expressions", include_str!("../../grammar/expression.pest")),
    ("Calls", include_str!("../../grammar/aggregate.pest")),
    ("Journeys", include_str!("../../grammar/journey.pest")),
    ("Funnels, experiments, experiences, predictions", include_str!("../../grammar/decision.pest")),
    ("Words and literals", include_str!("../../grammar/lexical.pest")),
];

/// Beginnings of the names of rules that are mistakes.
const MISTAKES: [&str; 5] = ["wrong_", "missing_", "surplus_", "misplaced_", "faulty"];

/// Rules that pest brings along, and what they match.
const CHARACTERS: [(&str, &str); 5] = [
    ("ASCII_DIGIT", "DIGIT"),
    ("ASCII_ALPHANUMERIC", "ALPHANUMERIC"),
    ("XID_START", "LETTER"),
    ("XID_CONTINUE", "WORD"),
    ("ANY", "ANY"),
];

const NOTATION: &str = "
`x?` is optional, `x*` any number of times, `x+` at least once, `x | y` one of both, `(x - y)` an `x` that is no `y`. `LETTER` is
a letter of any script, `WORD` that, a digit or `_`, `ANY` any character. The parser takes a little more than stands here, so
that it can say what is wrong; what is left out where it must stand is an error with a code.
";

pub(super) fn write(page: &mut String) -> fmt::Result {
    page.push_str(NOTATION);
    let grammar = Grammar::read();
    let mut used = BTreeSet::new();
    grammar.uses("item", &mut used);
    for (title, text) in FILES {
        let rules: Vec<(&str, String)> = names(text)
            .filter(|name| used.contains(*name) && !grammar.is_inline(name))
            .filter_map(|name| Some((name, grammar.body(name)?)))
            .collect();
        let width = rules.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
        write!(page, "\n### {title}\n\n```ebnf\n")?;
        for (name, body) in rules {
            writeln!(page, "{name:width$} = {body}")?;
        }
        page.push_str("```\n");
    }
    Ok(())
}

/// The names of a file's rules, in order.
fn names(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| {
        let (name, rest) = line.split_once('=')?;
        let is_rule = line.starts_with(|first: char| first.is_ascii_alphabetic()) && rest.contains('{');
        is_rule.then(|| name.trim())
    })
}

struct Grammar {
    rules: BTreeMap<String, Expr>,
}

/// How tight a piece of EBNF binds.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Binds {
    Choice,
    Sequence,
    Tight,
}

type Piece = Option<(String, Binds)>;

impl Grammar {
    fn read() -> Self {
        let text: Vec<&str> = FILES.iter().map(|(_, text)| *text).collect();
        let text = text.join("\n");
        let rules =
            parser::parse(parser::Rule::grammar_rules, &text).ok().and_then(|pairs| parser::consume_rules(pairs).ok());
        let rules = rules.unwrap_or_default().into_iter().map(|Rule { name, expr, .. }| (name, expr));
        Self { rules: rules.collect() }
    }

    /// Whether a rule has no line of its own: it is a mistake, a single word or mark, or another name of something.
    fn is_inline(&self, name: &str) -> bool {
        is_mistake(name) || matches!(name, "WHITESPACE" | "COMMENT") || self.alone(name).is_some()
    }

    /// What stands for a rule that is a single word, mark or other rule.
    fn alone(&self, name: &str) -> Option<String> {
        match essence(self.rules.get(name)?)? {
            Expr::Str(text) | Expr::Insens(text) => Some(quoted(text)),
            Expr::Ident(other) if self.rules.contains_key(other) => {
                Some(self.alone(other).unwrap_or_else(|| other.clone()))
            }
            _ => None,
        }
    }

    /// All rules that the language needs, from one on.
    fn uses(&self, name: &str, used: &mut BTreeSet<String>) {
        let Some(body) = self.rules.get(name) else { return };
        if used.insert(name.to_owned()) {
            parts(body, &mut |name| self.uses(name, used));
        }
    }

    fn body(&self, name: &str) -> Option<String> {
        self.piece(self.rules.get(name)?).map(|(body, _)| body)
    }

    fn piece(&self, expr: &Expr) -> Piece {
        let tight = |text: String| Some((text, Binds::Tight));
        let repeated = |inner: &Expr, mark: &str| tight(format!("{}{mark}", part(self.piece(inner)?, Binds::Tight)));
        match essence(expr)? {
            Expr::Str(text) | Expr::Insens(text) => tight(quoted(text)),
            Expr::Ident(name) => self.named(name),
            Expr::Opt(inner) => repeated(inner, "?"),
            Expr::Rep(inner) => repeated(inner, "*"),
            Expr::RepOnce(inner) => repeated(inner, "+"),
            Expr::RepExact(inner, times) => {
                repeated(inner, "").map(|(text, binds)| (vec![text; *times as usize].join(" "), binds))
            }
            whole @ Expr::Seq(..) => self.sequence(&in_order(whole)),
            Expr::Choice(one, other) => match (self.piece(one), self.piece(other)) {
                (Some((one, _)), Some((other, _))) => Some((format!("{one} | {other}"), Binds::Choice)),
                (one, other) => one.or(other),
            },
            _ => None,
        }
    }

    fn named(&self, name: &str) -> Piece {
        let class = CHARACTERS.iter().find(|(known, _)| *known == name).map(|(_, shown)| (*shown).to_owned());
        let text = class.or_else(|| self.alone(name)).unwrap_or_else(|| name.to_owned());
        Some((text, Binds::Tight))
    }

    fn sequence(&self, parts: &[&Expr]) -> Piece {
        let (first, rest) = parts.split_first()?;
        let Some(refused) = refusal(first) else {
            return match (self.piece(first), self.sequence(rest)) {
                (Some(first), Some(rest)) => Some(joined(first, rest)),
                (first, rest) => first.or(rest),
            };
        };
        let refused = part(self.piece(refused)?, Binds::Tight);
        let but = |piece| (format!("({} - {refused})", part(piece, Binds::Sequence)), Binds::Tight);
        match rest.split_first() {
            Some((Expr::Ident(any), after)) if any == "ANY" => {
                let any = but(self.named(any)?);
                Some(match self.sequence(after) {
                    Some(after) => joined(any, after),
                    None => any,
                })
            }
            _ => Some(but(self.sequence(rest)?)),
        }
    }
}

/// What follows what in a sequence.
fn in_order(expr: &Expr) -> Vec<&Expr> {
    match expr {
        Expr::Seq(first, rest) => in_order(first).into_iter().chain(in_order(rest)).collect(),
        other => vec![other],
    }
}

/// What is left of an expression without look-ahead, white space and mistakes: of one that is only these, nothing.
fn essence(expr: &Expr) -> Option<&Expr> {
    match expr {
        Expr::PosPred(_) | Expr::NegPred(_) => None,
        Expr::Str(text) | Expr::Insens(text) if text == " " => None,
        Expr::Ident(name) if matches!(name.as_str(), "SOI" | "EOI") || is_mistake(name) => None,
        Expr::Opt(inner) | Expr::Rep(inner) | Expr::RepOnce(inner) => essence(inner).map(|_| expr),
        Expr::Seq(..) => {
            let parts = in_order(expr);
            // What begins with a mistake is one.
            let is_wrong = matches!(parts.first(), Some(Expr::Ident(name)) if is_mistake(name));
            let refuses = parts.iter().rev().skip(1).any(|part| refusal(part).is_some());
            let mut left = parts.into_iter().filter_map(essence);
            match (is_wrong, left.next(), left.next()) {
                (true, ..) | (_, None, _) => None,
                (_, Some(only), None) if !refuses => Some(only),
                _ => Some(expr),
            }
        }
        Expr::Choice(one, other) => match (essence(one), essence(other)) {
            (Some(_), Some(_)) => Some(expr),
            (one, other) => one.or(other),
        },
        _ => Some(expr),
    }
}

fn is_mistake(name: &str) -> bool {
    MISTAKES.iter().any(|beginning| name.starts_with(beginning))
}

/// The rules that an expression names, without mistakes.
fn parts(expr: &Expr, see: &mut dyn FnMut(&str)) {
    match refusal(expr).or_else(|| essence(expr)) {
        Some(Expr::Ident(name)) => see(name),
        Some(Expr::Opt(inner) | Expr::Rep(inner) | Expr::RepOnce(inner) | Expr::RepExact(inner, _)) => {
            parts(inner, see)
        }
        Some(Expr::Choice(one, other)) => {
            parts(one, see);
            parts(other, see);
        }
        Some(Expr::Seq(first, rest)) => {
            parts(first, see);
            parts(rest, see);
        }
        _ => {}
    }
}

/// What must not stand where a sequence goes on: it is written as a difference.
fn refusal(expr: &Expr) -> Option<&Expr> {
    let Expr::NegPred(refused) = expr else { return None };
    essence(refused)
}

fn joined(first: (String, Binds), rest: (String, Binds)) -> (String, Binds) {
    (format!("{} {}", part(first, Binds::Sequence), part(rest, Binds::Sequence)), Binds::Sequence)
}

/// A piece where something that binds at least so tight is needed.
fn part((text, binds): (String, Binds), needed: Binds) -> String {
    if binds < needed { format!("({text})") } else { text }
}

/// A text as EBNF has it.
fn quoted(text: &str) -> String {
    match text {
        "\"" => "'\"'".to_owned(),
        "\n" => "LINE_BREAK".to_owned(),
        _ => format!("\"{text}\""),
    }
}
