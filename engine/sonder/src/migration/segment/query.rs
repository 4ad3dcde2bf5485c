//! Segment's query language: text to a tree. Every node knows the column at which it begins.

/// Calls, parentheses and junctions within each other.
const DEPTH: usize = 64;
/// Bytes of one definition.
const LENGTH: usize = 64 << 10;

/// A definition, or a part of one.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    /// From 1, in characters.
    pub column: usize,
    pub kind: NodeKind,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum NodeKind {
    And(Vec<Node>),
    Or(Vec<Node>),
    Not(Box<Node>),
    /// `ANY`, `ALL`: of the users of an account.
    OfUsers(&'static str),
    /// `event('x').where(…).count()`; a comparison written with a sign is the last call, as `at_least`.
    Chain(Vec<Call>),
    Text(String),
    Number(String),
    /// A date or a moment.
    Time(String),
    Bool(bool),
    /// `7 days`.
    Length(Length),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Call {
    pub column: usize,
    pub name: String,
    pub arguments: Vec<Argument>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Argument {
    /// `parent`, `exclude`.
    pub label: Option<String>,
    pub value: Node,
    /// What stands after `as`.
    pub read_as: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Length {
    pub hours: u64,
}

impl Length {
    /// As rules write it.
    pub fn text(self) -> String {
        match self.hours % 24 {
            0 => format!("{}d", self.hours / 24),
            _ => format!("{}h", self.hours),
        }
    }
}

/// Why a text is no query: the column, and what is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mistake {
    pub column: usize,
    pub message: String,
}

fn wrong<T>(column: usize, message: impl Into<String>) -> Result<T, Mistake> {
    Err(Mistake { column, message: message.into() })
}

/// Reads a definition.
pub(super) fn parse(text: &str) -> Result<Node, Mistake> {
    if text.len() > LENGTH {
        return wrong(1, format!("it is longer than {} KiB", LENGTH >> 10));
    }
    let mut parser = Parser { tokens: tokens(text)?, at: 0, depth: 0, end: text.chars().count() + 1 };
    let node = parser.or()?;
    match parser.tokens.get(parser.at) {
        Some(token) => wrong(token.column, format!("`{}` is not expected here", token.text())),
        None => Ok(node),
    }
}

#[derive(Clone, Debug, PartialEq)]
struct Token {
    column: usize,
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq)]
enum Kind {
    Word(String),
    Text(String),
    Number(String),
    Time(String),
    Sign(&'static str),
}

impl Token {
    fn text(&self) -> &str {
        match &self.kind {
            Kind::Word(text) | Kind::Text(text) | Kind::Number(text) | Kind::Time(text) => text,
            Kind::Sign(sign) => sign,
        }
    }
}

/// Signs, the longer ones first. Braces stand in Segment's own examples where nothing needs them; they group like nothing.
const SIGNS: [&str; 15] = ["&&", "||", "==", "!=", ">=", "<=", "=", ">", "<", "!", "(", ")", ".", ",", ":"];

fn tokens(text: &str) -> Result<Vec<Token>, Mistake> {
    let letters: Vec<char> = text.chars().collect();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(letter) = letters.get(at).copied() {
        let column = at + 1;
        if letter.is_whitespace() || matches!(letter, '{' | '}' | '[' | ']') {
            at += 1;
        } else if let Some(closing) = closing(letter) {
            let mut inside = String::new();
            at += 1;
            loop {
                match letters.get(at).copied() {
                    None => return wrong(column, "the text is not closed"),
                    // A point that is part of a name stays marked: rules can't write such names.
                    Some('\\') => {
                        let slashes = letters[at..].iter().take_while(|it| **it == '\\').count();
                        let next = letters.get(at + slashes).copied();
                        inside.extend((next == Some('.')).then_some('\\'));
                        inside.extend(next);
                        at += slashes + 1;
                    }
                    Some(end) if closing.contains(&end) => break,
                    Some(other) => {
                        inside.push(other);
                        at += 1;
                    }
                }
            }
            at += 1;
            found.push(Token { column, kind: Kind::Text(inside) });
        } else if letter.is_ascii_digit() || (letter == '-' && letters.get(at + 1).is_some_and(char::is_ascii_digit)) {
            let word: String = letters[at..]
                .iter()
                .take_while(|it| it.is_alphanumeric() || matches!(it, '-' | ':' | '.' | '+'))
                .collect();
            let (kind, length) = number(&word);
            found.push(Token { column, kind });
            at += length;
        } else if letter.is_alphabetic() || matches!(letter, '_' | '$') {
            let word: String =
                letters[at..].iter().take_while(|it| it.is_alphanumeric() || matches!(it, '_' | '$')).collect();
            at += word.chars().count();
            found.push(Token { column, kind: Kind::Word(word) });
        } else {
            let rest: String = letters[at..].iter().take(2).collect();
            let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) else {
                return wrong(column, format!("`{letter}` has no meaning here"));
            };
            at += sign.len();
            found.push(Token { column, kind: Kind::Sign(sign) });
        }
    }
    Ok(found)
}

/// What ends a text that this begins.
const fn closing(letter: char) -> Option<&'static [char]> {
    match letter {
        '\'' => Some(&['\'']),
        '"' => Some(&['"']),
        '‘' | '’' => Some(&['’', '‘']),
        '“' | '”' => Some(&['”', '“']),
        _ => None,
    }
}

/// A date, a moment or a number, and how many letters it takes. What follows a whole number after a point may be a call.
fn number(word: &str) -> (Kind, usize) {
    let is_date = word.len() >= 10
        && word
            .char_indices()
            .take(10)
            .all(|(at, it)| if at == 4 || at == 7 { it == '-' } else { it.is_ascii_digit() });
    if is_date {
        let time: String = word.trim_end_matches(['.', '-', '+', ':']).to_owned();
        return (Kind::Time(time.clone()), time.len());
    }
    let mut length = usize::from(word.starts_with('-'));
    let digits = |from: usize| word[from..].bytes().take_while(u8::is_ascii_digit).count();
    length += digits(length);
    if word[length..].starts_with('.') && digits(length + 1) > 0 {
        length += 1 + digits(length + 1);
    }
    (Kind::Number(word[..length].to_owned()), length)
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    /// The column after the last one.
    end: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn column(&self) -> usize {
        self.peek().map_or(self.end, |token| token.column)
    }

    fn is(&self, signs: &[&str], words: &[&str]) -> bool {
        match self.peek().map(|token| &token.kind) {
            Some(Kind::Sign(sign)) => signs.contains(sign),
            Some(Kind::Word(word)) => words.iter().any(|it| it.eq_ignore_ascii_case(word)),
            _ => false,
        }
    }

    fn take(&mut self, sign: &str) -> bool {
        let found = self.is(&[sign], &[]);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, sign: &str) -> Result<(), Mistake> {
        let column = self.column();
        if self.take(sign) { Ok(()) } else { wrong(column, format!("`{sign}` is missing")) }
    }

    fn deeper(&mut self) -> Result<(), Mistake> {
        self.depth += 1;
        if self.depth > DEPTH { wrong(self.column(), format!("it is more than {DEPTH} deep")) } else { Ok(()) }
    }

    fn or(&mut self) -> Result<Node, Mistake> {
        self.deeper()?;
        let column = self.column();
        let mut parts = vec![self.and()?];
        while self.is(&["||"], &["or"]) {
            self.at += 1;
            parts.push(self.and()?);
        }
        self.depth -= 1;
        Ok(joined(column, parts, NodeKind::Or))
    }

    fn and(&mut self) -> Result<Node, Mistake> {
        let column = self.column();
        let mut parts = vec![self.not()?];
        while self.is(&["&&"], &["and"]) {
            self.at += 1;
            parts.push(self.not()?);
        }
        Ok(joined(column, parts, NodeKind::And))
    }

    fn not(&mut self) -> Result<Node, Mistake> {
        let column = self.column();
        if self.is(&["!"], &["not"]) {
            self.at += 1;
            self.deeper()?;
            let inner = self.not()?;
            self.depth -= 1;
            return Ok(Node { column, kind: NodeKind::Not(Box::new(inner)) });
        }
        for (word, name) in [("any", "ANY"), ("all", "ALL")] {
            if self.is(&[], &[word]) {
                self.at += 1;
                self.deeper()?;
                self.not()?;
                self.depth -= 1;
                return Ok(Node { column, kind: NodeKind::OfUsers(name) });
            }
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Result<Node, Mistake> {
        let mut left = if self.take("(") {
            let inner = self.or()?;
            self.expect(")")?;
            inner
        } else {
            self.value()?
        };
        let column = self.column();
        let name = match self.peek().map(|token| &token.kind) {
            Some(Kind::Sign("=" | "==")) => "equals",
            Some(Kind::Sign("!=")) => "differs",
            Some(Kind::Sign(">")) => "greater_than",
            Some(Kind::Sign(">=")) => "at_least",
            Some(Kind::Sign("<")) => "less_than",
            Some(Kind::Sign("<=")) => "at_most",
            _ => return Ok(left),
        };
        self.at += 1;
        let right = self.value()?;
        let NodeKind::Chain(calls) = &mut left.kind else {
            return wrong(column, "only what is extracted can be compared");
        };
        calls.push(Call {
            column,
            name: name.to_owned(),
            arguments: vec![Argument { label: None, value: right, read_as: None }],
        });
        Ok(left)
    }

    fn value(&mut self) -> Result<Node, Mistake> {
        let column = self.column();
        let Some(token) = self.peek().cloned() else { return wrong(column, "something is missing here") };
        let kind = match token.kind {
            Kind::Text(text) => NodeKind::Text(text),
            Kind::Time(text) => NodeKind::Time(text),
            Kind::Number(text) => {
                self.at += 1;
                return Ok(Node { column, kind: self.length(&text).map_or(NodeKind::Number(text), NodeKind::Length) });
            }
            Kind::Word(word) if word.eq_ignore_ascii_case("true") => NodeKind::Bool(true),
            Kind::Word(word) if word.eq_ignore_ascii_case("false") => NodeKind::Bool(false),
            Kind::Word(_) => return self.chain(),
            Kind::Sign(sign) => return wrong(column, format!("`{sign}` is not expected here")),
        };
        self.at += 1;
        Ok(Node { column, kind })
    }

    /// `7 days`, where such a unit stands behind the number.
    fn length(&mut self, number: &str) -> Option<Length> {
        let factor = match self.peek().map(|token| &token.kind) {
            Some(Kind::Word(unit)) => match unit.to_ascii_lowercase().as_str() {
                "hour" | "hours" => 1,
                "day" | "days" => 24,
                "week" | "weeks" => 7 * 24,
                _ => return None,
            },
            _ => return None,
        };
        let hours = number.parse::<u64>().ok()?.checked_mul(factor)?;
        self.at += 1;
        Some(Length { hours })
    }

    fn chain(&mut self) -> Result<Node, Mistake> {
        let column = self.column();
        let mut calls = vec![self.call()?];
        while self.take(".") {
            calls.push(self.call()?);
        }
        // What was put in for the sake of clarity is what it says.
        if let [Call { name, arguments, .. }] = calls.as_slice()
            && name.eq_ignore_ascii_case("literal")
            && let [Argument { value, .. }] = arguments.as_slice()
        {
            return Ok(value.clone());
        }
        Ok(Node { column, kind: NodeKind::Chain(calls) })
    }

    fn call(&mut self) -> Result<Call, Mistake> {
        let column = self.column();
        let name = match self.peek().map(|token| &token.kind) {
            Some(Kind::Word(word)) => word.to_ascii_lowercase(),
            _ => return wrong(column, "the name of a function is missing"),
        };
        self.at += 1;
        self.expect("(")?;
        let mut arguments = Vec::new();
        while !self.take(")") {
            if !arguments.is_empty() {
                self.expect(",")?;
            }
            arguments.push(self.argument()?);
        }
        Ok(Call { column, name, arguments })
    }

    fn argument(&mut self) -> Result<Argument, Mistake> {
        let mut label = None;
        if let (Some(Token { kind: Kind::Word(word), .. }), Some(Token { kind: Kind::Sign(":"), .. })) =
            (self.peek(), self.tokens.get(self.at + 1))
        {
            label = Some(word.to_ascii_lowercase());
            self.at += 2;
        }
        let value = self.or()?;
        let mut read_as = None;
        if self.is(&[], &["as"]) {
            self.at += 1;
            let column = self.column();
            match self.peek().map(|token| &token.kind) {
                Some(Kind::Word(word)) => read_as = Some(word.to_ascii_lowercase()),
                _ => return wrong(column, "a type is missing after `as`"),
            }
            self.at += 1;
        }
        Ok(Argument { label, value, read_as })
    }
}

fn joined(column: usize, mut parts: Vec<Node>, join: fn(Vec<Node>) -> NodeKind) -> Node {
    match parts.len() {
        1 => parts.remove(0),
        _ => Node { column, kind: join(parts) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn queries_are_chains_and_junctions() {
        let found =
            parse("event('Shoes Bought').where( property('price') >= 100 ).within(7 days).count() >= 1").unwrap();
        let NodeKind::Chain(calls) = found.kind else { panic!("no chain") };
        let names: Vec<&str> = calls.iter().map(|call| call.name.as_str()).collect();
        assert_eq!(names, ["event", "where", "within", "count", "at_least"]);
        assert_eq!(calls[2].arguments[0].value.kind, NodeKind::Length(Length { hours: 168 }));
        let found = parse("NOT ( event('A').count() >= 1 AND trait('t') > 200 ) || trait('x').exists()").unwrap();
        assert!(matches!(&found.kind, NodeKind::Or(parts) if matches!(parts[0].kind, NodeKind::Not(_))), "{found:?}");
        assert!(parse("event('A').within(parent: 5 days).count() >= literal(1)").is_ok());
        assert!(parse("trait('at').before_date(2023-12-07T18:50:00Z)").is_ok());
        assert!(parse("event('A').sources({exclude: 'x', 'y'}).max(property('p') as string) = \"z\"").is_ok());
    }

    #[test]
    fn what_is_no_query_says_where() {
        for (text, column, message) in [
            ("event('A').count( >= 1", 19, "`>=` is not expected here"),
            ("event('A", 7, "the text is not closed"),
            ("event('A').count() >= 1 trait('x')", 25, "`trait` is not expected here"),
            ("event('A').count() >= ", 23, "something is missing here"),
            ("1 >= 2", 3, "only what is extracted can be compared"),
            ("event('A') # x", 12, "`#` has no meaning here"),
        ] {
            assert_eq!(parse(text), Err(Mistake { column, message: message.to_owned() }), "{text}");
        }
        let deep = "(".repeat(DEPTH + 1) + "event('A').count() > 1";
        assert!(parse(&deep).is_err_and(|it| it.message.contains("deep")));
        assert!(parse(&"not ".repeat(1_000)).is_err_and(|it| it.message.contains("deep")));
        assert!(parse(&" ".repeat(LENGTH + 1)).is_err());
    }

    proptest! {
        /// Whatever somebody exports, it is read or refused.
        #[test]
        fn nothing_stops_the_reader(text in "[a-z0-9 ().,:'\"<>=!&|éN-]{0,80}") {
            let _ = parse(&text);
        }
    }
}
