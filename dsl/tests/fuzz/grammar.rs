//! Sentences of the language, made from the grammar that the parser is made from, so that what is added there is tried here.
//!
//! Look-ahead is left out: what it forbids comes up now and then, and is a mistake to be told like any other.

use crate::chance::Chance;
use pest_meta::ast::{Expr, Rule, RuleType};
use pest_meta::parser;
use std::collections::BTreeMap;

const GRAMMAR: [&str; 6] = [
    include_str!("../../grammar/rule.pest"),
    include_str!("../../grammar/expression.pest"),
    include_str!("../../grammar/aggregate.pest"),
    include_str!("../../grammar/journey.pest"),
    include_str!("../../grammar/decision.pest"),
    include_str!("../../grammar/lexical.pest"),
];

/// Rules that are mistakes: rare, or hardly anything would be sound.
const MISTAKES: [&str; 5] = ["wrong_", "missing_", "surplus_", "misplaced_", "faulty"];

/// Words that mean something in the project that sentences are checked against, and what may stand for other terminals.
const SAMPLES: [(&str, &[&str]); 6] = [
    ("name", &["view", "add", "order", "category", "product", "price", "s0", "t0", "v", "any", "email", "é"]),
    ("field", &["category", "product", "price", "country", "age", "to", "template", "message", "brand", "name"]),
    (
        "path",
        &[
            "view",
            "add",
            "order",
            "any",
            "category",
            "product",
            "price",
            "t0",
            "view.price",
            "order.total",
            "view.category",
            "view.brand.name",
            "profile.country",
            "profile.age",
            "context.device.type",
            "v.product",
        ],
    ),
    ("string", &["\"a\"", "\"b\"", "\"\"", "\"é😀\"", "\"x \\\" \\n # {\"", "\"NL\""]),
    ("date", &["2026-01-01", "2026-03-29T02:30:00+01:00", "2026-02-30", "9999-12-31", "0001-01-01T00:00:00Z"]),
    ("number", &["0", "1", "3", "10.50", "0.1", "99999999999999999999999999999", "1.0000000000000000000000000001"]),
];

const CALLS: [&str; 12] =
    ["count", "did", "sum", "avg", "max", "first", "last", "top", "distinct", "since", "sequence", "in"];

/// Beyond this depth whatever is shortest is taken.
const DEEP: usize = 40;

pub struct Grammar {
    rules: BTreeMap<String, Rule>,
    /// How many rules inside each other the smallest sentence of a rule takes.
    depths: BTreeMap<String, usize>,
}

impl Grammar {
    pub fn read() -> Self {
        let text = GRAMMAR.concat();
        let pairs = parser::parse(parser::Rule::grammar_rules, &text).unwrap();
        let rules = parser::consume_rules(pairs).unwrap();
        let rules = rules.into_iter().map(|rule| (rule.name.clone(), rule)).collect();
        let mut grammar = Self { rules, depths: BTreeMap::new() };
        loop {
            let known =
                grammar.rules.iter().filter_map(|(name, rule)| Some((name.clone(), grammar.depth(&rule.expr)?)));
            let known: BTreeMap<String, usize> = known.map(|(name, depth)| (name, depth + 1)).collect();
            if known == grammar.depths {
                return grammar;
            }
            grammar.depths = known;
        }
    }

    /// Of the smallest sentence; nothing where none is known yet.
    fn depth(&self, expr: &Expr) -> Option<usize> {
        match expr {
            Expr::Ident(name) if self.rules.contains_key(name) => self.depths.get(name).copied(),
            Expr::Seq(a, b) => Some(self.depth(a)?.max(self.depth(b)?)),
            Expr::Choice(a, b) => self.depth(a).into_iter().chain(self.depth(b)).min(),
            Expr::RepOnce(inner) | Expr::RepExact(inner, _) => self.depth(inner),
            _ => Some(0),
        }
    }

    /// A file of a few items.
    pub fn file(&self, chance: &mut Chance) -> String {
        let mut text = String::new();
        for _ in 0..=chance.under(3) {
            self.rule("item", 0, false, chance, &mut text);
            text.push('\n');
        }
        text
    }

    fn rule(&self, name: &str, depth: usize, tight: bool, chance: &mut Chance, text: &mut String) {
        if name == "reference" && chance.once_in(2) {
            text.push_str(chance.one_of(&CALLS));
            return self.rule("arguments", depth + 1, tight, chance, text);
        }
        if let Some((_, samples)) = SAMPLES.iter().find(|(sampled, _)| *sampled == name)
            && !chance.slip(20)
        {
            return text.push_str(chance.one_of(samples));
        }
        match self.rules.get(name) {
            Some(rule) => {
                let tight = tight || matches!(rule.ty, RuleType::Atomic | RuleType::CompoundAtomic);
                self.expr(&rule.expr, depth + 1, tight, chance, text);
            }
            None => text.push_str(match name {
                "ASCII_DIGIT" => chance.one_of(&["0", "1", "2", "9"]),
                "ASCII_ALPHANUMERIC" | "XID_CONTINUE" => chance.one_of(&["a", "Z", "7", "é"]),
                "XID_START" => chance.one_of(&["a", "Z", "é", "ж"]),
                "ANY" => chance.one_of(&["a", " ", "\\", "{", "😀", "\u{202e}"]),
                _ => "",
            }),
        }
    }

    fn expr(&self, expr: &Expr, depth: usize, tight: bool, chance: &mut Chance, text: &mut String) {
        match expr {
            Expr::Str(literal) | Expr::Insens(literal) => text.push_str(literal),
            Expr::Ident(name) => self.rule(name, depth, tight, chance, text),
            Expr::Seq(a, b) => {
                self.expr(a, depth, tight, chance, text);
                self.gap(tight, chance, text);
                self.expr(b, depth, tight, chance, text);
            }
            Expr::Choice(..) => {
                let mut all = Vec::new();
                alternatives(expr, &mut all);
                self.expr(self.chosen(&all, depth, chance), depth, tight, chance, text);
            }
            Expr::Opt(inner) if depth < DEEP && !self.is_mistake(inner) && chance.once_in(2) => {
                self.expr(inner, depth, tight, chance, text);
            }
            Expr::Rep(inner) => self.several(inner, 0, depth, tight, chance, text),
            Expr::RepOnce(inner) => self.several(inner, 1, depth, tight, chance, text),
            Expr::RepExact(inner, count) => (0..*count).for_each(|_| self.expr(inner, depth, tight, chance, text)),
            _ => {}
        }
    }

    fn several(&self, inner: &Expr, least: usize, depth: usize, tight: bool, chance: &mut Chance, text: &mut String) {
        let more = if depth < DEEP { chance.under(3) } else { 0 };
        for _ in 0..least + more {
            self.expr(inner, depth, tight, chance, text);
            self.gap(tight, chance, text);
        }
    }

    fn gap(&self, tight: bool, chance: &mut Chance, text: &mut String) {
        if !tight && !text.ends_with([' ', '\n']) {
            let odd = chance.slip(30);
            text.push_str(if odd { chance.one_of(&["", "\n", " # \"{ é\n", "\t", "\u{feff}", "\r\n"]) } else { " " });
        }
    }

    fn chosen<'e>(&self, all: &[&'e Expr], depth: usize, chance: &mut Chance) -> &'e Expr {
        if depth >= DEEP {
            let shortest = all.iter().min_by_key(|it| self.depth(it).unwrap_or(usize::MAX));
            return shortest.unwrap();
        }
        let sound: Vec<&Expr> = all.iter().copied().filter(|it| !self.is_mistake(it)).collect();
        if sound.is_empty() || chance.slip(60) { chance.one_of(all) } else { chance.one_of(&sound) }
    }

    fn is_mistake(&self, expr: &Expr) -> bool {
        match expr {
            Expr::Ident(name) => MISTAKES.iter().any(|mistake| name.starts_with(mistake)),
            Expr::Seq(a, _) => self.is_mistake(a),
            _ => false,
        }
    }
}

fn alternatives<'e>(expr: &'e Expr, all: &mut Vec<&'e Expr>) {
    match expr {
        Expr::Choice(a, b) => {
            alternatives(a, all);
            alternatives(b, all);
        }
        other => all.push(other),
    }
}
