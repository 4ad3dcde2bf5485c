//! The bodies of funnels, experiments, experiences and predictions.

use super::{Builder, Rule, places};
use crate::diagnostic::{Diagnostic, codes};
use crate::limits;
use crate::source::Span;
use crate::syntax::ast::{
    Arm, Experience, Experiment, Expression, ExpressionKind, Field, Funnel, ItemKind, Name, Node, Path, Prediction,
    Step, Variant,
};
use crate::syntax::mistakes;
use crate::time::Duration;
use pest::iterators::Pair;

impl Builder<'_> {
    pub(super) fn funnel(&mut self, pair: Pair<'_, Rule>, name: &Name) -> Funnel {
        let mut lists: Vec<Vec<Node<Step>>> = Vec::new();
        let mut withins: Vec<Node<Duration>> = Vec::new();
        let mut by: Vec<Vec<Path>> = Vec::new();
        let mut bys = Vec::new();
        let mut faulty = false;
        // A length that could not be read has been reported.
        let mut bounded = false;
        for child in pair.into_inner() {
            let span = self.span(&child);
            match child.as_rule() {
                Rule::faulty => faulty = true,
                Rule::within => {
                    bounded = true;
                    withins.extend(child.into_inner().nth(1).and_then(|length| self.length(&length)));
                }
                Rule::by => {
                    bys.push(span);
                    let paths = child.into_inner().filter(|part| part.as_rule() == Rule::path);
                    by.push(paths.map(|path| self.path(&path)).collect());
                }
                Rule::funnel_steps => {
                    let (steps, within) = self.funnel_steps(child);
                    bounded |= within.is_some();
                    withins.extend(within.flatten());
                    lists.push(steps);
                }
                _ => {}
            }
        }
        self.only_one(codes::SECOND_CLAUSE, &places(&withins), "within", "a funnel has one time for all of it");
        self.only_one(
            codes::SECOND_CLAUSE,
            &bys,
            "by",
            "list all of it behind one `by`: `by profile.country, profile.plan`",
        );
        if let [_, second, ..] = lists.as_slice()
            && let Some(step) = second.first()
        {
            self.report(
                Diagnostic::error(codes::MISSING_THEN, "a second list of steps", step.span, "")
                    .help("a funnel is one list: join the steps with `then`, and put `within` and `by` behind it"),
            );
        }
        let steps = lists.into_iter().next().unwrap_or_default();
        if steps.is_empty() {
            self.missing(
                ItemKind::Funnel,
                name,
                "then",
                faulty,
                "list its steps: `product_viewed then order_completed`",
            );
        } else if !bounded {
            self.missing(ItemKind::Funnel, name, "within", faulty, "say how long all of it may take: `within 7d`");
        }
        let by = by.into_iter().next().unwrap_or_default();
        self.at_most(limits::BREAKDOWNS, &places(&by), "values that a funnel is broken down by");
        Funnel { steps, within: withins.into_iter().next(), by }
    }

    /// The steps, and the `within` of all of it that stands behind the last; `Some(None)` for one that can't be read.
    fn funnel_steps(&mut self, pair: Pair<'_, Rule>) -> (Vec<Node<Step>>, Option<Option<Node<Duration>>>) {
        let mut steps = Vec::new();
        let mut within = None;
        let last = pair.clone().into_inner().filter(|child| child.as_rule() == Rule::step).count();
        for child in pair.into_inner() {
            let span = self.span(&child);
            match child.as_rule() {
                Rule::step => {
                    let own = if steps.len() + 1 == last { child.clone().into_inner().next_back() } else { None };
                    let own = own.filter(|part| part.as_rule() == Rule::within);
                    let step = match &own {
                        // All but the last part.
                        Some(_) => self.step_without_last(child),
                        None => self.step(child).0,
                    };
                    within = own.map(|own| own.into_inner().nth(1).and_then(|length| self.length(&length)));
                    steps.extend(step);
                }
                Rule::missing_step => {
                    let written = child.as_str().trim();
                    let place = if written.is_empty() { self.character(&child) } else { span };
                    let message = if written.is_empty() {
                        "`then` is missing between two steps".to_owned()
                    } else {
                        format!("`{written}` between two steps")
                    };
                    self.report(
                        Diagnostic::error(codes::MISSING_THEN, message, place, "write `then`")
                            .help("steps are joined by `then`: `product_viewed then order_completed`"),
                    );
                }
                _ => {}
            }
        }
        (steps, within)
    }

    pub(super) fn experiment(&mut self, pair: Pair<'_, Rule>, name: &Name) -> Experiment {
        let mut variants: Vec<Node<Variant>> = Vec::new();
        let (mut lists, mut ons, mut goal_lists) = (Vec::new(), Vec::new(), Vec::new());
        let mut on = None;
        let mut goals = Vec::new();
        let (mut faulty, mut unnamed) = (false, false);
        for child in pair.into_inner() {
            let span = self.span(&child);
            match child.as_rule() {
                Rule::faulty => faulty = true,
                Rule::variants => {
                    lists.push(Span { end: span.start + "variants".len() as u32, ..span });
                    for part in child.into_inner() {
                        let place = self.span(&part);
                        match part.as_rule() {
                            Rule::variant => match self.variant(part) {
                                Some(value) => variants.push(Node { value, span: place }),
                                None => unnamed = true,
                            },
                            Rule::missing_variant_comma => {
                                self.report(mistakes::missing_list_comma(self.character(&part)))
                            }
                            _ => {}
                        }
                    }
                }
                Rule::on => {
                    ons.push(span);
                    let event = self.event_of(child);
                    on = on.or(event);
                }
                Rule::goals => {
                    goal_lists.push(span);
                    self.list(child, &mut goals);
                }
                _ => {}
            }
        }
        self.only_one(codes::SECOND_CLAUSE, &lists, "variants", "list all of them behind one `variants`");
        self.only_one(codes::SECOND_CLAUSE, &ons, "on", "an experiment begins with one event");
        self.only_one(codes::SECOND_CLAUSE, &goal_lists, "goal", "list all of them behind one `goal`, with commas");
        match lists.first() {
            None => self.missing(
                ItemKind::Experiment,
                name,
                "variants",
                faulty,
                "say what is compared: `variants control 50%, green 50%`",
            ),
            Some(place) => {
                let parts: Vec<_> =
                    variants.iter().map(|variant| (variant.value.share.clone(), variant.value.name.clone())).collect();
                self.parts(&parts, *place, "variants", unnamed);
            }
        }
        if ons.is_empty() {
            let help = "say with which event a person takes part: `on checkout_started`";
            self.missing(ItemKind::Experiment, name, "on", faulty, help);
        }
        if goal_lists.is_empty() {
            let help = "say what is measured: `goal did(order_completed, next 7d)`";
            self.missing(ItemKind::Experiment, name, "goal", faulty, help);
        }
        self.at_most(limits::LIST, &places(&goals), "goals");
        Experiment { variants, on, goals }
    }

    fn variant(&mut self, pair: Pair<'_, Rule>) -> Option<Variant> {
        let whole = self.span(&pair);
        let (mut share, mut name) = (None, None);
        for child in pair.into_inner() {
            match child.as_rule() {
                Rule::percent | Rule::wrong_percent => share = Some(self.share(&child)),
                _ => name = Some(self.name(&child)),
            }
        }
        let (share, name) = self.named_share(share, name, whole);
        Some(Variant { name: name?, share: share? })
    }

    /// `a, b`; a window between them has been taken out of its parentheses.
    fn list(&mut self, pair: Pair<'_, Rule>, into: &mut Vec<Expression>) {
        for child in pair.into_inner() {
            match child.as_rule() {
                Rule::expression => into.push(self.expression(child).expression),
                Rule::last | Rule::next | Rule::since | Rule::per | Rule::this_session => {
                    self.report(mistakes::misplaced_window(self.span(&child)));
                }
                _ => {}
            }
        }
    }

    pub(super) fn experience(&mut self, pair: Pair<'_, Rule>, name: &Name) -> Experience {
        let mut arms = Vec::new();
        let mut others: Vec<Node<Vec<Field>>> = Vec::new();
        let mut faulty = false;
        for child in pair.into_inner() {
            let span = self.span(&child);
            match child.as_rule() {
                Rule::arm => {
                    let (condition, show) = self.shown(child);
                    let condition = condition.unwrap_or(Node { value: ExpressionKind::Faulty, span });
                    arms.push(Node { value: Arm { condition, show }, span });
                }
                Rule::otherwise => others.push(Node { value: self.shown(child).1, span }),
                Rule::faulty_arm => faulty = true,
                _ => {}
            }
        }
        self.only_one(codes::SECOND_CLAUSE, &places(&others), "otherwise", "leave one of them out");
        if others.is_empty() {
            let help = "say what everybody else sees: `otherwise show { variant: \"default\" }`";
            self.missing(ItemKind::Experience, name, "otherwise", faulty, help);
        }
        self.at_most(limits::PARTS, &places(&arms), "arms");
        Experience { arms, otherwise: others.into_iter().next() }
    }

    fn shown(&mut self, pair: Pair<'_, Rule>) -> (Option<Expression>, Vec<Field>) {
        let mut condition = None;
        let mut fields = Vec::new();
        for child in pair.into_inner() {
            let span = self.span(&child);
            match child.as_rule() {
                Rule::expression => condition = Some(self.expression(child).expression),
                Rule::entries => fields = self.fields(child),
                Rule::missing_show => self.report(
                    Diagnostic::error(
                        codes::WRONG_STATEMENT,
                        "`show` is missing",
                        self.character(&child),
                        "before this",
                    )
                    .help("write `when … show { … }`"),
                ),
                Rule::wrong_otherwise => self.report(
                    Diagnostic::error(
                        codes::WRONG_STATEMENT,
                        format!("`{}` in an experience", child.as_str()),
                        span,
                        "",
                    )
                    .help("did you mean `otherwise`?"),
                ),
                _ => {}
            }
        }
        (condition, fields)
    }

    pub(super) fn prediction(&mut self, pair: Pair<'_, Rule>, name: &Name) -> Prediction {
        let (mut labels, mut populations, mut features) = (Vec::new(), Vec::new(), Vec::new());
        let mut lists = Vec::new();
        let mut faulty = false;
        for child in pair.into_inner() {
            let span = self.span(&child);
            match child.as_rule() {
                Rule::faulty => faulty = true,
                Rule::label => self.list(child, &mut labels),
                Rule::population => self.list(child, &mut populations),
                Rule::features => {
                    lists.push(span);
                    self.list(child, &mut features);
                }
                _ => {}
            }
        }
        self.at_most(limits::LIST, &places(&features), "features");
        self.only_one(codes::SECOND_CLAUSE, &places(&labels), "label", "one thing is predicted");
        self.only_one(codes::SECOND_CLAUSE, &places(&populations), "for", "join both conditions with `and`");
        self.only_one(codes::SECOND_CLAUSE, &lists, "from", "list all of them behind one `from`, with commas");
        for (missing, word, help) in [
            (labels.is_empty(), "label", "say what is predicted: `label did(order_completed, next 30d)`"),
            (populations.is_empty(), "for", "say about whom: `for did(session_started, last 60d)`"),
            (lists.is_empty(), "from", "say from what: `from count(session_started, last 7d), since(order_completed)`"),
        ] {
            if missing {
                self.missing(ItemKind::Prediction, name, word, faulty, help);
            }
        }
        Prediction { label: labels.into_iter().next(), population: populations.into_iter().next(), features }
    }
}
