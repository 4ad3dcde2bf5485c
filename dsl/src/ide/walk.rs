//! Reading one rule word by word: what each means, and what may stand behind the last.
//!
//! The same places decide as in the grammar: behind an operand comes an operator or a word that ends the expression, in
//! front of one comes a name. So a property that is called `goal` is no clause, and broken text is read as far as it goes.

mod slot;

pub(super) use slot::Slot;

use super::{Occurrence, Project, Symbol, span};
use crate::ir::EventId;
use crate::source::FileId;
use crate::syntax::ast::ItemKind;
use crate::syntax::scan::{self, Chunk, Kind, Token};
use crate::types::builtin::{self, Takes};

/// Words that begin a clause or a statement between braces.
const CLAUSES: &[&str] = &[
    "purpose",
    "when",
    "enter",
    "again",
    "goal",
    "exit",
    "hours",
    "wait",
    "if",
    "else",
    "split",
    "send",
    "set",
    "on",
    "by",
    "variants",
    "otherwise",
    "show",
    "label",
    "from",
    "until",
];

/// Words that begin a window or a grouping.
const MODIFIERS: &[&str] = &["last", "since", "per", "this", "next"];

#[derive(Clone, Debug, PartialEq, Eq)]
enum Opener {
    /// What stands behind the `=` of a trait.
    Body,
    /// Parentheses that group.
    Group,
    /// Those of a call.
    Call(String),
    /// Braces around clauses.
    Block,
    /// Braces around fields.
    Entries(Option<(String, String)>),
}

#[derive(Clone, Debug)]
struct Alias {
    name: String,
    at: (usize, usize),
    event: Option<EventId>,
}

#[derive(Clone, Debug)]
struct Frame {
    opener: Opener,
    /// Of the step at hand.
    event: Option<EventId>,
    /// Of the first step, which `per` is about.
    first: Option<EventId>,
    /// Inside `where`.
    filter: bool,
    ifs: usize,
    aliases: Vec<Alias>,
}

impl Frame {
    const fn new(opener: Opener) -> Self {
        Self { opener, event: None, first: None, filter: false, ifs: 0, aliases: Vec::new() }
    }
}

/// What the next name is, where the words before it decide that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Nothing,
    Step,
    Alias,
    Per,
    Purpose,
    Action,
    Set,
    By,
    Show,
    Length,
    Variant,
}

/// All words of a rule file that mean something.
pub(super) fn occurrences(project: &Project<'_>, file: FileId) -> Vec<Occurrence> {
    let text = project.text(file);
    let tokens = scan::tokens(text);
    let mut found = Vec::new();
    for chunk in scan::split(text) {
        let of_chunk = of_chunk(&tokens, &chunk, usize::MAX);
        let mut walk = Walk::new(project, file, text);
        walk.run(of_chunk);
        found.append(&mut walk.found);
    }
    found
}

/// The state of the walk before `end`, in the item that it belongs to; `None` before the first word of the file.
pub(super) fn before<'p>(project: &'p Project<'p>, file: FileId, end: usize) -> Option<Walk<'p>> {
    let text = project.text(file);
    let tokens = scan::tokens(text);
    let chunks = scan::split(text);
    let chunk = chunks.iter().rev().find(|chunk| chunk.range.start < end)?;
    let mut walk = Walk::new(project, file, text);
    walk.run(of_chunk(&tokens, chunk, end));
    Some(walk)
}

fn of_chunk<'t>(tokens: &'t [Token], chunk: &Chunk, end: usize) -> &'t [Token] {
    let from = tokens.partition_point(|token| token.range.start < chunk.range.start);
    let to = tokens.partition_point(|token| token.range.start < chunk.range.end && token.range.end <= end);
    tokens.get(from..to).unwrap_or_default()
}

/// The walk through one item.
pub(super) struct Walk<'p> {
    project: &'p Project<'p>,
    file: FileId,
    text: &'p str,
    pub found: Vec<Occurrence>,
    kind: Option<ItemKind>,
    frames: Vec<Frame>,
    next: Next,
    /// The word before ended an operand, or nothing is waited for.
    operand: bool,
    clause: String,
    previous: String,
    /// The event that a journey is entered with.
    entering: Option<Alias>,
    action: Option<(String, String)>,
    /// What the last operand meant, for the text that it is compared with.
    pub compared: Option<Symbol>,
    stage: usize,
    /// The function whose parenthesis comes next.
    called: Option<String>,
}

impl<'p> Walk<'p> {
    const fn new(project: &'p Project<'p>, file: FileId, text: &'p str) -> Self {
        Self {
            project,
            file,
            text,
            found: Vec::new(),
            kind: None,
            frames: Vec::new(),
            next: Next::Nothing,
            operand: false,
            clause: String::new(),
            previous: String::new(),
            entering: None,
            action: None,
            compared: None,
            stage: 0,
            called: None,
        }
    }

    fn slice(&self, token: Token) -> &'p str {
        self.text.get(token.range.start..token.range.end).unwrap_or_default()
    }

    fn run(&mut self, tokens: &[Token]) {
        let mut at = 0;
        while let Some(&token) = tokens.get(at) {
            let word = self.slice(token);
            if self.stage < 2 {
                self.head(token, word);
                at += 1;
                continue;
            }
            let length = if token.kind == Kind::Word { path_length(tokens, at, self.text) } else { 1 };
            self.take(&tokens[at..at + length], tokens.get(at + length).copied());
            self.previous = word.to_owned();
            at += length;
        }
    }

    fn head(&mut self, token: Token, word: &str) {
        self.stage += 1;
        if self.stage == 1 {
            self.kind = ItemKind::of_word(word);
        } else if token.kind == Kind::Word {
            self.push(token.range.start, token.range.end, Symbol::Rule(word.to_owned()), true);
            self.operand = true;
        }
    }

    fn push(&mut self, start: usize, end: usize, symbol: Symbol, declares: bool) {
        self.found.push(Occurrence { span: span(self.file, start, end), symbol, declares });
    }

    fn take(&mut self, tokens: &[Token], following: Option<Token>) {
        let Some(&token) = tokens.first() else { return };
        let word = self.slice(token);
        match token.kind {
            Kind::Word if word.starts_with(|first: char| first.is_ascii_digit()) => {
                self.operand = true;
                self.next = Next::Nothing;
            }
            Kind::Word => self.word(tokens, word, following),
            Kind::Quoted { .. } => {
                self.operand = true;
                self.compared = None;
            }
            Kind::Open(b'{') => self.brace(),
            Kind::Open(_) => {
                let opener = self.called.take().map_or(Opener::Group, Opener::Call);
                self.frames.push(Frame::new(opener));
                self.operand = false;
            }
            Kind::Close(_) => self.close(),
            Kind::Comma => self.comma(),
            Kind::Assign => {
                if self.frames.is_empty() {
                    self.frames.push(Frame::new(Opener::Body));
                }
                self.operand = false;
            }
            Kind::Other => self.mark(word),
        }
    }

    fn mark(&mut self, word: &str) {
        match word {
            "%" | "." => {}
            _ => self.operand = false,
        }
    }

    fn brace(&mut self) {
        let first = self.frames.is_empty();
        let opener = match self.next {
            Next::Show if !first => Opener::Entries(self.action.take()),
            _ => Opener::Block,
        };
        self.operand = opener == Opener::Block;
        self.next = Next::Nothing;
        self.clause.clear();
        if let Some(frame) = self.frames.last_mut() {
            frame.filter = false;
            frame.ifs = 0;
        }
        self.frames.push(Frame::new(opener));
    }

    fn close(&mut self) {
        let closed = self.frames.pop();
        if let Some(Frame { opener: Opener::Call(name), .. }) = &closed
            && !matches!(name.as_str(), "first" | "last" | "top" | "min" | "max")
        {
            self.compared = None;
        }
        self.operand = true;
        self.next = Next::Nothing;
    }

    fn comma(&mut self) {
        self.operand = false;
        self.next = Next::Nothing;
        if let Some(frame) = self.frames.last_mut() {
            frame.filter = false;
            frame.ifs = 0;
            if frame.opener == Opener::Block {
                self.next = match self.clause.as_str() {
                    "by" => Next::By,
                    "variants" => Next::Variant,
                    _ => Next::Nothing,
                };
            }
        }
    }

    fn word(&mut self, tokens: &[Token], word: &str, following: Option<Token>) {
        if self.frames.is_empty() {
            // `was other`: names that mean nothing any more.
            return;
        }
        let is_call = following.is_some_and(|token| token.kind == Kind::Open(b'('));
        let single = tokens.len() == 1;
        if self.operand {
            return self.behind_operand(tokens, word);
        }
        match self.next {
            Next::Nothing => {}
            Next::Step if single && word == "no" => return,
            Next::Length => return,
            next => {
                self.next = Next::Nothing;
                return self.named(next, tokens, is_call);
            }
        }
        let in_call = matches!(self.frames.last(), Some(Frame { opener: Opener::Call(_), .. }));
        if single && in_call && !is_call && self.previous == "," && MODIFIERS.contains(&word) {
            return self.modifier(word);
        }
        match word {
            "not" | "no" | "then" | "and" | "or" if single => {}
            "if" if single => self.frame(|frame| frame.ifs += 1),
            "true" | "false" if single => self.operand = true,
            _ if single && self.in_entries() && following.is_some_and(|next| self.slice(next) == ":") => {}
            _ if is_call => self.call(tokens, word),
            _ => self.path(tokens),
        }
    }

    fn in_entries(&self) -> bool {
        matches!(self.frames.last(), Some(Frame { opener: Opener::Entries(_), .. }))
            && matches!(self.previous.as_str(), "{" | ",")
    }

    fn frame(&mut self, change: impl FnOnce(&mut Frame)) {
        if let Some(frame) = self.frames.last_mut() {
            change(frame);
        }
    }

    fn modifier(&mut self, word: &str) {
        self.frame(|frame| frame.filter = false);
        self.operand = word == "this";
        self.next = if word == "per" { Next::Per } else { Next::Length };
    }

    fn behind_operand(&mut self, tokens: &[Token], word: &str) {
        let in_block = matches!(self.frames.last(), Some(Frame { opener: Opener::Block, .. }));
        match word {
            "and" | "or" => self.operand = false,
            "is" | "known" | "unknown" | "session" => {}
            "then" => {
                let inside_if = self.frames.last().is_some_and(|frame| frame.ifs > 0);
                self.frame(|frame| {
                    frame.ifs = frame.ifs.saturating_sub(1);
                    frame.filter &= inside_if;
                });
                self.operand = false;
                if !inside_if {
                    self.next = Next::Step;
                }
            }
            "where" => {
                self.frame(|frame| frame.filter = true);
                self.operand = false;
            }
            "as" => {
                self.operand = false;
                self.next = Next::Alias;
            }
            "for" if in_block && self.previous == "wait" => self.expect(Next::Step),
            "for" if in_block && self.kind == Some(ItemKind::Prediction) => self.expect(Next::Nothing),
            "within" | "for" => self.expect(Next::Length),
            _ if MODIFIERS.contains(&word) && (!in_block || word == "per") => self.modifier(word),
            _ if in_block && CLAUSES.contains(&word) => self.begin_clause(word),
            _ if in_block && self.kind == Some(ItemKind::Funnel) => self.named(Next::Step, tokens, false),
            "else" => self.operand = false,
            _ => {}
        }
    }

    /// What comes ends `where`.
    fn expect(&mut self, next: Next) {
        self.frame(|frame| frame.filter = false);
        self.next = next;
        self.operand = false;
    }

    fn begin_clause(&mut self, word: &str) {
        self.frame(|frame| {
            frame.filter = false;
            frame.ifs = 0;
        });
        let continues =
            matches!(word, "on" | "when" | "until") && matches!(self.clause.as_str(), "enter" | "exit" | "wait");
        if !continues {
            word.clone_into(&mut self.clause);
        }
        let journey = self.kind == Some(ItemKind::Journey);
        (self.operand, self.next) = match word {
            "purpose" => (false, Next::Purpose),
            "on" => (false, Next::Step),
            "goal" if journey => (false, Next::Step),
            "send" => (false, Next::Action),
            "set" => (false, Next::Set),
            "by" => (false, Next::By),
            "variants" => (false, Next::Variant),
            "show" => (true, Next::Show),
            "otherwise" | "enter" | "exit" | "again" | "hours" | "wait" | "split" | "else" => (true, Next::Nothing),
            _ => (false, Next::Nothing),
        };
    }

    fn named(&mut self, next: Next, tokens: &[Token], is_call: bool) {
        let Some(&token) = tokens.first() else { return };
        let word = self.slice(token);
        self.operand = true;
        match next {
            Next::Step if is_call => self.call(tokens, word),
            Next::Step => self.event(tokens),
            Next::Alias => self.alias(token, word),
            Next::Per => self.per(tokens),
            Next::By => self.path(tokens),
            Next::Set if word == "trait" && tokens.len() == 1 => {
                self.operand = false;
                self.next = Next::Set;
            }
            Next::Set => self.push(token.range.start, token.range.end, Symbol::Profile(word.to_owned()), false),
            Next::Action => {
                self.push(token.range.start, token.range.end, Symbol::Destination(word.to_owned()), false);
                self.action = tokens.get(2).map(|action| (word.to_owned(), self.slice(*action).to_owned()));
                self.next = Next::Show;
            }
            _ => {}
        }
    }

    fn alias(&mut self, token: Token, word: &str) {
        let at = (token.range.start, token.range.end);
        let event = self.frames.last().and_then(|frame| frame.event);
        let alias = Alias { name: word.to_owned(), at, event };
        self.push(at.0, at.1, Symbol::Alias(word.to_owned(), at), true);
        if self.kind == Some(ItemKind::Journey) && self.clause == "enter" {
            self.entering = Some(alias);
        } else {
            self.frame(|frame| frame.aliases.push(alias));
        }
    }

    fn per(&mut self, tokens: &[Token]) {
        if self.alias_path(tokens) {
            return;
        }
        if let Some(event) = self.frames.last().and_then(|frame| frame.first.or(frame.event)) {
            self.properties(event, tokens);
        }
    }

    fn call(&mut self, tokens: &[Token], word: &str) {
        if let [token] = tokens {
            self.push(token.range.start, token.range.end, Symbol::Function(word.to_owned()), false);
        }
        self.called = Some(word.to_owned());
        self.operand = false;
        self.next = match builtin::find(word).map(|builtin| &builtin.takes) {
            Some(Takes::Events(..) | Takes::Property(..) | Takes::Steps) => Next::Step,
            _ if word == "consented" => Next::Purpose,
            _ => Next::Nothing,
        };
    }

    fn event(&mut self, tokens: &[Token]) {
        let Some((&token, rest)) = tokens.split_first() else { return };
        let event = self.project.program.event_named(self.slice(token));
        self.frame(|frame| {
            frame.event = event;
            frame.first = frame.first.or(event);
            frame.filter = false;
        });
        let Some(event) = event else { return };
        self.push(token.range.start, token.range.end, Symbol::Event(event), false);
        self.compared = Some(Symbol::Event(event));
        self.properties(event, rest.get(1..).unwrap_or_default());
    }

    fn properties(&mut self, event: EventId, tokens: &[Token]) {
        let mut keys = Vec::new();
        for token in tokens.iter().filter(|token| token.kind == Kind::Word) {
            keys.push(self.slice(*token).to_owned());
            let symbol = Symbol::Property(event, keys.clone());
            self.compared = Some(symbol.clone());
            self.push(token.range.start, token.range.end, symbol, false);
        }
    }

    fn alias_path(&mut self, tokens: &[Token]) -> bool {
        let Some((&token, rest)) = tokens.split_first() else { return false };
        let word = self.slice(token);
        let Some(alias) = self.alias_named(word).cloned() else { return false };
        self.push(token.range.start, token.range.end, Symbol::Alias(alias.name, alias.at), false);
        if let Some(event) = alias.event {
            self.properties(event, rest);
        }
        true
    }

    fn alias_named(&self, word: &str) -> Option<&Alias> {
        let in_frames = self.frames.iter().rev().flat_map(|frame| frame.aliases.iter().rev());
        in_frames.chain(&self.entering).find(|alias| alias.name == word)
    }

    fn path(&mut self, tokens: &[Token]) {
        let Some(&token) = tokens.first() else { return };
        self.operand = true;
        self.compared = None;
        let word = self.slice(token);
        let words = || tokens.iter().filter(|token| token.kind == Kind::Word);
        let (start, end) = (token.range.start, tokens.last().map_or(token.range.end, |last| last.range.end));
        match word {
            "context" if tokens.len() > 2 => {
                let path: Vec<&str> = words().skip(1).map(|token| self.slice(*token)).collect();
                let symbol = Symbol::Context(path.join("."));
                self.compared = Some(symbol.clone());
                self.push(tokens[2].range.start, end, symbol, false);
            }
            "profile" if tokens.len() > 2 => {
                let symbol = Symbol::Profile(self.slice(tokens[2]).to_owned());
                self.compared = Some(symbol.clone());
                self.push(tokens[2].range.start, tokens[2].range.end, symbol, false);
            }
            _ if self.alias_path(tokens) => {}
            _ => match self.scope() {
                Some(event) => self.properties(event, tokens),
                None if tokens.len() == 1 && !self.in_filter() => {
                    let symbol = Symbol::Rule(word.to_owned());
                    self.compared = Some(symbol.clone());
                    self.push(start, end, symbol, false);
                }
                None => {}
            },
        }
    }

    /// The event that bare names are properties of.
    fn scope(&self) -> Option<EventId> {
        self.filtering().and_then(|frame| frame.event)
    }

    fn in_filter(&self) -> bool {
        self.filtering().is_some()
    }

    fn filtering(&self) -> Option<&Frame> {
        self.frames
            .iter()
            .rev()
            .find(|frame| frame.filter || frame.opener != Opener::Group)
            .filter(|frame| frame.filter)
    }

    /// What the item is.
    pub const fn item(&self) -> Option<ItemKind> {
        self.kind
    }

    /// Whether the item may end here.
    pub fn is_finished(&self) -> bool {
        let inside = self.frames.iter().any(|frame| frame.opener != Opener::Body);
        self.operand && !inside
    }

    /// Whether bare names are those of an event, known or not.
    pub fn is_filtering(&self) -> bool {
        self.in_filter()
    }

    /// Names that `as` gave, with their events, the nearest first.
    pub fn aliases(&self) -> Vec<(String, Option<EventId>)> {
        let in_frames = self.frames.iter().rev().flat_map(|frame| frame.aliases.iter().rev());
        in_frames.chain(&self.entering).map(|alias| (alias.name.clone(), alias.event)).collect()
    }
}

/// How many tokens a path with dots between its names takes.
fn path_length(tokens: &[Token], at: usize, text: &str) -> usize {
    let is_dot = |token: &Token| text.get(token.range.start..token.range.end) == Some(".");
    let mut length = 1;
    while let (Some(dot), Some(name)) = (tokens.get(at + length), tokens.get(at + length + 1)) {
        let adjoins = dot.range.end == name.range.start && tokens[at + length - 1].range.end == dot.range.start;
        if !(is_dot(dot) && name.kind == Kind::Word && adjoins) {
            break;
        }
        length += 2;
    }
    length
}

/// What a rule file declares.
pub(super) fn declarations(project: &Project<'_>, file: FileId) -> Vec<Occurrence> {
    let text = project.text(file);
    let name = |chunk: Chunk| {
        let name = chunk.name?;
        ItemKind::of_word(text.get(chunk.head.start..chunk.head.end)?)?;
        let symbol = Symbol::Rule(text.get(name.start..name.end)?.to_owned());
        Some(Occurrence { span: span(file, name.start, name.end), symbol, declares: true })
    };
    scan::split(text).into_iter().filter_map(name).collect()
}
