//! The bodies of journeys.

use super::{Builder, Rule, places};
use crate::diagnostic::{Diagnostic, codes};
use crate::limits;
use crate::source::Span;
use crate::syntax::ast::{
    Block, Clock, Entry, Expression, ExpressionKind, Hours, IfArm, ItemKind, Journey, Name, Node, Send, SetTrait,
    SplitArm, Statement, Step, Trigger, WaitFor,
};
use crate::syntax::literal;
use crate::time::Duration;
use pest::iterators::Pair;

impl Builder<'_> {
    pub(super) fn journey(&mut self, pair: Pair<'_, Rule>, name: &Name) -> Journey {
        self.statements = 0;
        let mut enters = Vec::new();
        let mut agains = Vec::new();
        let mut hours = Vec::new();
        let (mut goals, mut exits, mut statements) = (Vec::new(), Vec::new(), Vec::new());
        let mut faulty = false;
        for child in pair.into_inner() {
            match child.as_rule() {
                Rule::enter => enters.extend(self.enter(child)),
                Rule::again => agains.extend(self.again(child)),
                Rule::hours => hours.extend(self.hours(child)),
                Rule::goal => goals.extend(self.event_of(child)),
                Rule::exit => {
                    let span = self.span(&child);
                    match self.exit(child) {
                        Some(condition) => exits.push(condition),
                        None => statements.push(Node { value: Statement::Exit, span }),
                    }
                }
                Rule::faulty_statement => {
                    faulty = true;
                    statements.extend(self.statement(child));
                }
                Rule::journey_word | Rule::name | Rule::was | Rule::description | Rule::purpose => {}
                Rule::open_brace | Rule::close_brace => {}
                _ => statements.extend(self.statement(child)),
            }
        }
        self.only_one(codes::SECOND_CLAUSE, &places(&enters), "enter", "a journey has one way in");
        self.only_one(codes::SECOND_CLAUSE, &places(&agains), "again", "leave one of them out");
        self.only_one(codes::SECOND_CLAUSE, &places(&hours), "hours", "leave one of them out");
        if enters.is_empty() {
            let help = "say who comes in: `enter on product_added as cart`, or `enter when in(some_segment)`";
            self.missing(ItemKind::Journey, name, "enter", faulty, help);
        }
        self.at_most(limits::LIST, &places(&goals), "goals");
        self.at_most(limits::LIST, &places(&exits), "exits");
        if self.statements > limits::STATEMENTS {
            let message = format!("a journey of {} steps", self.statements);
            self.report(
                Diagnostic::error(codes::JOURNEY_TOO_LONG, message, name.span, "")
                    .help(format!("a journey has at most {}: make two of it", limits::STATEMENTS)),
            );
        }
        Journey {
            enter: enters.into_iter().next(),
            again: agains.into_iter().next(),
            goals,
            exits,
            hours: hours.into_iter().next(),
            statements,
            gate: None,
        }
    }

    fn enter(&mut self, pair: Pair<'_, Rule>) -> Option<Node<Entry>> {
        let span = self.span(&pair);
        let how = pair.into_inner().nth(1)?;
        let value = if how.as_rule() == Rule::when {
            Entry::When(self.when(how)?)
        } else {
            let (mut event, mut per) = (None, None);
            for child in how.into_inner() {
                match child.as_rule() {
                    Rule::step => event = self.step(child).0,
                    Rule::per => per = self.part(child, Rule::path).map(|path| self.path(&path)),
                    _ => {}
                }
            }
            Entry::On { event: Box::new(event?), per }
        };
        Some(Node { value, span })
    }

    fn again(&mut self, pair: Pair<'_, Rule>) -> Option<Node<Duration>> {
        let span = self.span(&pair);
        let mut after = false;
        let mut length = None;
        for child in pair.into_inner() {
            match child.as_rule() {
                Rule::again_word => {}
                Rule::after_word => after = true,
                _ => length = self.length(&child),
            }
        }
        if !after {
            self.wrong_statement("`again` without `after`", span, "write `again after 7d`");
        }
        length
    }

    /// The event of `goal …` and `on …`.
    pub(super) fn event_of(&mut self, pair: Pair<'_, Rule>) -> Option<Node<Step>> {
        self.part(pair, Rule::step).and_then(|step| self.step(step).0)
    }

    /// The condition of `exit when …`, which is watched at every moment; `exit` alone is a statement.
    fn exit(&mut self, pair: Pair<'_, Rule>) -> Option<Expression> {
        let span = self.span(&pair);
        let Some(when) = self.part(pair, Rule::when) else {
            self.statements += 1;
            return None;
        };
        Some(self.when(when).unwrap_or(Node { value: ExpressionKind::Faulty, span }))
    }

    fn hours(&mut self, pair: Pair<'_, Rule>) -> Option<Node<Hours>> {
        let span = self.span(&pair);
        let mut times = Vec::new();
        for child in pair.into_inner() {
            let place = self.span(&child);
            match child.as_rule() {
                Rule::clock | Rule::wrong_clock => times.push(self.clock(&child)),
                Rule::wrong_to => {
                    let message = format!("`{}` between two times", child.as_str());
                    self.report(
                        Diagnostic::error(codes::WRONG_HOURS, message, place, "write `to`")
                            .help("write `hours 08:00 to 20:00`"),
                    );
                }
                _ => {}
            }
        }
        let [from, to] = times.try_into().ok()?;
        let (from, to): (Clock, Clock) = (from?, to?);
        if from == to {
            self.report(
                Diagnostic::error(codes::WRONG_HOURS, "hours that begin when they end", span, "no time is in them")
                    .help("leave `hours` out where any time is right"),
            );
            return None;
        }
        Some(Node { value: Hours { from, to }, span })
    }

    fn clock(&mut self, pair: &Pair<'_, Rule>) -> Option<Clock> {
        let clock =
            Some(pair).filter(|pair| pair.as_rule() == Rule::clock).and_then(|pair| literal::clock(pair.as_str()));
        if clock.is_none() {
            let message = format!("`{}` is not a time of day", pair.as_str());
            self.report(
                Diagnostic::error(codes::WRONG_HOURS, message, self.span(pair), "")
                    .help("a time of day has two digits for the hour and two for the minute: `08:00`, `20:30`"),
            );
        }
        clock
    }

    fn block(&mut self, pair: Pair<'_, Rule>) -> Block {
        let mut block = Vec::new();
        for child in pair.into_inner() {
            block.extend(self.statement(child));
        }
        block
    }

    /// `None` for what is no statement, which is reported where it is a clause.
    fn statement(&mut self, pair: Pair<'_, Rule>) -> Option<Node<Statement>> {
        let span = self.span(&pair);
        let clause = match pair.as_rule() {
            Rule::open_brace | Rule::close_brace => return None,
            Rule::enter => "enter",
            Rule::again => "again",
            Rule::goal => "goal",
            Rule::hours => "hours",
            Rule::purpose => "purpose",
            Rule::exit => match self.exit(pair) {
                None => return Some(Node { value: Statement::Exit, span }),
                Some(_) => "exit when",
            },
            _ => {
                self.statements += 1;
                return self.plain_statement(pair).map(|value| Node { value, span });
            }
        };
        self.report(
            Diagnostic::error(
                codes::MISPLACED_CLAUSE,
                format!("`{clause}` inside a block"),
                span,
                "holds for the whole journey",
            )
            .help(match clause {
                "exit when" => {
                    "to leave here under a condition, write `if … { exit }`; `exit when` stands outside of all blocks"
                }
                _ => "write it at the top of the journey, outside of all blocks",
            }),
        );
        None
    }

    fn plain_statement(&mut self, pair: Pair<'_, Rule>) -> Option<Statement> {
        Some(match pair.as_rule() {
            Rule::wait => self.wait(pair)?,
            Rule::if_statement => self.if_statement(pair),
            Rule::split => self.split(pair),
            Rule::send => self.send(pair)?,
            Rule::set_trait => self.set_trait(pair)?,
            _ => {
                let mut blocks = Vec::new();
                for child in pair.into_inner() {
                    match child.as_rule() {
                        Rule::block => blocks.push(self.block(child)),
                        Rule::else_part => blocks.push(self.else_part(child).1),
                        _ => {}
                    }
                }
                Statement::Faulty(blocks)
            }
        })
    }

    fn wait(&mut self, pair: Pair<'_, Rule>) -> Option<Statement> {
        let how = pair.into_inner().nth(1)?;
        if !matches!(how.as_rule(), Rule::wait_for | Rule::wait_until) {
            return self.length(&how).map(Statement::Wait);
        }
        let span = self.span(&how);
        let word = if how.as_rule() == Rule::wait_for { "wait for" } else { "wait until" };
        let (mut trigger, mut up_to, mut then, mut otherwise) = (None, None, None, None);
        let mut bounded = false;
        for child in how.into_inner() {
            let place = self.span(&child);
            match child.as_rule() {
                Rule::expression => trigger = Some(Trigger::Until(self.expression(child).expression)),
                Rule::step => trigger = self.step(child).0.map(Box::new).map(Trigger::For),
                Rule::up_to => {
                    bounded = true;
                    up_to = child.into_inner().nth(2).and_then(|length| self.length(&length));
                }
                Rule::block => then = Some(self.block(child)),
                Rule::else_part => {
                    let (condition, block) = self.else_part(child);
                    if condition.is_some() {
                        self.wrong_wait(
                            "a wait has one `else`, without a condition",
                            place,
                            "put the `if` between the braces: `else { if … { } }`",
                        );
                    }
                    otherwise = Some(block);
                }
                _ => {}
            }
        }
        let mut trigger = trigger?;
        if let Trigger::For(event) = &mut trigger {
            if let ExpressionKind::Literal(_) = event.value.subject.value {
                self.wrong_wait("`wait for` waits for an event", event.span, "to let time pass, write `wait 30m`");
                return Some(Statement::Faulty(then.into_iter().chain(otherwise).collect()));
            }
            if let Some(within) = event.value.within.take() {
                self.wrong_wait("`within` in a wait", within.span, "did you mean `up to`?");
                (bounded, up_to) = (true, Some(within));
            }
        }
        if !bounded {
            let help = format!("say how long: `{word} … up to 24h {{ … }} else {{ … }}`");
            self.wrong_wait("a wait that may never end", span, &help);
        }
        if then.is_none() || otherwise.is_none() {
            let missing = if then.is_none() { "a wait without braces" } else { "a wait without `else`" };
            let help = "say what happens in time and what when time is up: `{ … } else { … }`; both may be empty";
            self.wrong_wait(missing, span, help);
        }
        Some(Statement::WaitFor(Box::new(WaitFor {
            trigger,
            up_to,
            then: then.unwrap_or_default(),
            otherwise: otherwise.unwrap_or_default(),
        })))
    }

    fn wrong_wait(&mut self, message: &str, span: Span, help: &str) {
        self.report(Diagnostic::error(codes::WRONG_WAIT, message, span, "").help(help));
    }

    fn wrong_statement(&mut self, message: &str, span: Span, help: &str) {
        self.report(Diagnostic::error(codes::WRONG_STATEMENT, message, span, "").help(help));
    }

    fn if_statement(&mut self, pair: Pair<'_, Rule>) -> Statement {
        let whole = self.span(&pair);
        let mut arms = Vec::new();
        let mut otherwise: Option<Block> = None;
        let mut condition = Node { value: ExpressionKind::Faulty, span: whole };
        for child in pair.into_inner() {
            let span = self.span(&child);
            match child.as_rule() {
                Rule::expression => condition = self.expression(child).expression,
                Rule::surplus_then => self.surplus_then(span),
                Rule::block => arms.push(IfArm { condition: condition.clone(), then: self.block(child) }),
                Rule::else_part => {
                    if otherwise.is_some() {
                        self.wrong_statement("a branch behind the last `else`", span, "an `if` ends with its `else`");
                    }
                    match self.else_part(child) {
                        (Some(condition), then) => arms.push(IfArm { condition, then }),
                        (None, block) => otherwise = Some(block),
                    }
                }
                _ => {}
            }
        }
        Statement::If { arms, otherwise }
    }

    fn surplus_then(&mut self, span: Span) {
        self.wrong_statement("`then` before braces", span, "leave it out: `if … { … }`");
    }

    /// `else if … { … }` and `else { … }`
    fn else_part(&mut self, pair: Pair<'_, Rule>) -> (Option<Expression>, Block) {
        let mut condition = None;
        let mut block = Vec::new();
        for child in pair.into_inner() {
            let span = self.span(&child);
            match child.as_rule() {
                Rule::wrong_else_if => {
                    self.wrong_statement(
                        &format!("`{}` is not a word of the language", child.as_str()),
                        span,
                        "write `else if`",
                    );
                }
                Rule::expression => condition = Some(self.expression(child).expression),
                Rule::surplus_then => self.surplus_then(span),
                Rule::block => block = self.block(child),
                _ => {}
            }
        }
        (condition, block)
    }

    fn split(&mut self, pair: Pair<'_, Rule>) -> Statement {
        let whole = self.span(&pair);
        let mut arms: Vec<Node<SplitArm>> = Vec::new();
        let mut faulty = false;
        for child in pair.into_inner().filter(|child| child.as_rule() == Rule::split_arm) {
            let span = self.span(&child);
            match self.split_arm(child) {
                Some(value) => arms.push(Node { value, span }),
                None => faulty = true,
            }
        }
        let parts: Vec<_> = arms.iter().map(|arm| (arm.value.share.clone(), arm.value.name.clone())).collect();
        self.parts(&parts, Span { end: whole.start + "split".len() as u32, ..whole }, "branches", faulty);
        Statement::Split(arms)
    }

    /// `None` for one whose head could not be read.
    fn split_arm(&mut self, pair: Pair<'_, Rule>) -> Option<SplitArm> {
        let whole = self.span(&pair);
        let (mut share, mut name) = (None, None);
        let mut then = Vec::new();
        for child in pair.into_inner() {
            match child.as_rule() {
                Rule::percent | Rule::wrong_percent => share = Some(self.share(&child)),
                Rule::name => name = Some(self.name(&child)),
                Rule::block => then = self.block(child),
                _ => {
                    share = None;
                    name = None;
                }
            }
        }
        if share.is_none() && name.is_none() {
            return None;
        }
        let (share, name) = self.named_share(share, name, whole);
        Some(SplitArm { share: share?, name: name?, then })
    }

    /// A share with a name; what is missing of both is reported.
    pub(super) fn named_share(
        &mut self,
        share: Option<Node<crate::syntax::ast::Share>>,
        name: Option<Name>,
        whole: Span,
    ) -> (Option<Node<crate::syntax::ast::Share>>, Option<Name>) {
        match (&share, &name) {
            (None, Some(name)) => self.report(
                Diagnostic::error(
                    codes::WRONG_SHARE,
                    format!("`{}` has no percentage", name.value),
                    name.span,
                    "how many of the people?",
                )
                .help(format!("write `50% {}`, and let all of them add up to 100%", name.value)),
            ),
            (Some(share), None) => self.report(
                Diagnostic::error(codes::WRONG_PARTS, "a part of the people without a name", share.span, "")
                    .help(format!("write `{} control`: results are kept by that name", share.value)),
            ),
            (None, None) => self.report(Diagnostic::error(codes::WRONG_PARTS, "nothing is named here", whole, "")),
            (Some(_), Some(_)) => {}
        }
        (share, name)
    }

    fn send(&mut self, pair: Pair<'_, Rule>) -> Option<Statement> {
        let whole = self.span(&pair);
        let (mut action, mut fields) = (None, None);
        for child in pair.into_inner() {
            match child.as_rule() {
                Rule::path => action = Some(self.path(&child)),
                Rule::entries => fields = Some(self.fields(child)),
                _ => {}
            }
        }
        if fields.is_none() {
            self.report(
                Diagnostic::error(codes::WRONG_FIELDS, "a `send` without braces", whole, "").help(
                    "what is sent stands in braces, which may be empty: `send email.message { to: profile.email }`",
                ),
            );
        }
        Some(Statement::Send(Send { action: action?, fields: fields.unwrap_or_default() }))
    }

    fn set_trait(&mut self, pair: Pair<'_, Rule>) -> Option<Statement> {
        let whole = self.span(&pair);
        let mut said = false;
        let (mut name, mut value) = (None, None);
        for child in pair.into_inner() {
            let span = self.span(&child);
            match child.as_rule() {
                Rule::trait_word => said = true,
                Rule::name => name = Some(self.name(&child)),
                Rule::wrong_assign => {
                    self.wrong_statement(
                        &format!("`{}` sets nothing", child.as_str()),
                        span,
                        "write `set trait name = value`",
                    );
                }
                Rule::expression => value = Some(self.expression(child).expression),
                _ => {}
            }
        }
        let name = name?;
        if !said {
            self.wrong_statement("`set` without `trait`", whole, &format!("write `set trait {} = …`", name.value));
        }
        Some(Statement::SetTrait(SetTrait { name, value: value? }))
    }
}
