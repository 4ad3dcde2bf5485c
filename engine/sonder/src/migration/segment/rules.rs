//! Audiences and computed traits as segments and traits: Segment's query language to ours.

use super::query::{Argument, Call, Length, Mistake, Node, NodeKind, parse};
use crate::migration::name_of;
use crate::migration::project::{Kind, Uses};
use serde_json::Value as Json;
use sonder_dsl::model::fold_event_name;
use std::collections::BTreeMap;

/// What a rule was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::migration) enum RuleOf {
    Audience,
    ComputedTrait,
}

/// An audience or a computed trait.
#[derive(Clone, Debug)]
pub(in crate::migration) struct Rule {
    /// Where it stands in the exports.
    pub place: String,
    /// As it was written.
    pub query: String,
    /// What it asks of events and people.
    pub needs: Needs,
    /// What is not quite as it was.
    pub remarks: Vec<String>,
    kind: RuleOf,
    /// What others call it.
    key: String,
    /// What rules call it.
    name: String,
    shown: String,
    description: Option<String>,
    definition: Result<Node, String>,
    /// What the others are called.
    names: Names,
}

/// By Segment's key: the name in rules, and what it was.
type Names = BTreeMap<String, (String, RuleOf)>;

/// What must be declared for a rule.
#[derive(Clone, Debug, Default)]
pub(in crate::migration) struct Needs {
    /// By the name that events are sent under.
    pub events: BTreeMap<String, Uses>,
    /// Traits of people, by key.
    pub profile: Uses,
}

/// The types that values have: of a property of an event, of a trait.
#[derive(Clone, Copy)]
struct Kinds<'a> {
    property: &'a dyn Fn(&str, &str) -> Option<Kind>,
    profile: &'a dyn Fn(&str) -> Option<Kind>,
}

impl Rule {
    pub fn read(kind: RuleOf, item: &Json, file: &str) -> Self {
        let text = |key: &str| item[key].as_str().filter(|text| !text.trim().is_empty()).map(str::to_owned);
        let shown = text("name").or_else(|| text("key")).unwrap_or_default();
        let key = text("key").unwrap_or_else(|| name_of(&shown));
        let what = if kind == RuleOf::Audience { "audience" } else { "computed trait" };
        let query = item["definition"]["query"].as_str().unwrap_or_default().trim().to_owned();
        let is_of_accounts = item["definition"]["type"].as_str().is_some_and(|it| it.eq_ignore_ascii_case("accounts"));
        let definition = if query.is_empty() {
            Err("the export has no definition of it".to_owned())
        } else if is_of_accounts {
            Err("it is of accounts, and rules are of people".to_owned())
        } else {
            parse(&query).map_err(|Mistake { column, message }| format!("column {column}: {message}"))
        };
        let mut remarks = Vec::new();
        if item["enabled"] == false {
            remarks.push("was switched off, and is a rule like any other here".to_owned());
        }
        if item["options"]["includeAnonymousUsers"] == false {
            remarks.push("left out people who are known by an anonymous id only; here they count".to_owned());
        }
        Self {
            place: format!("{file}, {what} `{shown}`"),
            query,
            needs: Needs::default(),
            remarks,
            kind,
            name: name_of(&key),
            key,
            shown,
            description: text("description"),
            definition,
            names: Names::new(),
        }
    }

    /// What stands above it.
    pub fn heading(&self) -> String {
        let what = if self.kind == RuleOf::Audience { "Audience" } else { "Computed trait" };
        format!("{what} `{}` ({})", self.shown, self.key)
    }

    /// The rule, or why there is none.
    pub fn text(
        &self,
        property: &dyn Fn(&str, &str) -> Option<Kind>,
        profile: &dyn Fn(&str) -> Option<Kind>,
    ) -> Result<String, String> {
        let body = self.translate(Kinds { property, profile }, &mut Needs::default())?;
        let said = match &self.description {
            Some(description) if *description != self.shown => format!("{}: {description}", self.shown),
            _ => self.shown.clone(),
        };
        let said = quoted(&said);
        Ok(match self.kind {
            RuleOf::Audience => format!("segment {} {said} {{\n  when {body}\n}}", self.name),
            RuleOf::ComputedTrait => format!("trait {} {said} = {body}", self.name),
        })
    }

    fn translate(&self, kinds: Kinds<'_>, needs: &mut Needs) -> Result<String, String> {
        let definition = self.definition.as_ref().map_err(Clone::clone)?;
        let mut translator = Translator { names: &self.names, kinds, needs };
        let found = match (self.kind, &definition.kind) {
            (RuleOf::ComputedTrait, NodeKind::Chain(calls))
                if calls.last().is_some_and(|call| !is_comparison(&call.name)) =>
            {
                translator.value(calls, &Scope::Person).map(|value| value.text)
            }
            _ => translator.condition(definition, &Scope::Person),
        };
        found.map_err(|Mistake { column, message }| format!("column {column}: {message}"))
    }
}

/// Gives each rule a name that no other has, tells all of them those names, and finds out what they need.
pub(in crate::migration) fn resolve(rules: &mut [Rule]) {
    let mut names = Names::new();
    let mut taken: Vec<String> = Vec::new();
    for rule in rules.iter_mut() {
        if taken.contains(&rule.name) {
            let base = rule.name.clone();
            let free = (2..).map(|number| format!("{base}_{number}")).find(|name| !taken.contains(name));
            rule.name = free.unwrap_or(base);
            rule.remarks.push(format!("is called `{}` here: another one has its key", rule.name));
        }
        taken.push(rule.name.clone());
        names.entry(rule.key.clone()).or_insert((rule.name.clone(), rule.kind));
    }
    for rule in rules {
        rule.names.clone_from(&names);
        let mut needs = Needs::default();
        // What can't be said needs nothing.
        if rule.translate(Kinds { property: &|_, _| None, profile: &|_| None }, &mut needs).is_ok() {
            rule.needs = needs;
        }
    }
}

/// Where an expression stands.
enum Scope {
    /// Of a person.
    Person,
    /// Of an event, which may follow another.
    Event { sent_as: String, parent: Option<Box<Parent>> },
}

/// The event before, by its name, and what it is called.
#[derive(Clone)]
struct Parent {
    sent_as: String,
}

/// What the event before is called where the one after it asks for it.
const PARENT: &str = "before";

/// A value, and what is known of it.
struct Value {
    text: String,
    kind: Option<Kind>,
    of: Of,
}

/// Whose value it is: what it is compared with says its type, where nothing else does.
enum Of {
    Nothing,
    Property { sent_as: String, path: String },
    Trait { path: String },
    Segment,
}

type Translated<T> = Result<T, Mistake>;

fn refuse<T>(column: usize, message: impl Into<String>) -> Translated<T> {
    Err(Mistake { column, message: message.into() })
}

struct Translator<'a> {
    names: &'a Names,
    kinds: Kinds<'a>,
    needs: &'a mut Needs,
}

/// How an event is counted.
#[derive(Default)]
struct Stream<'a> {
    filters: Vec<&'a Node>,
    /// What must follow, or must not.
    after: Vec<&'a [Call]>,
    window: Option<Length>,
    /// From so long ago to so long ago.
    between: Option<(Length, Length)>,
    /// Of an event that follows.
    within_parent: Option<Length>,
}

impl Translator<'_> {
    fn condition(&mut self, node: &Node, scope: &Scope) -> Translated<String> {
        match &node.kind {
            NodeKind::And(parts) => {
                let parts: Vec<String> = parts
                    .iter()
                    .map(|part| {
                        let text = self.condition(part, scope)?;
                        Ok(if matches!(part.kind, NodeKind::Or(_)) || is_choice(part) {
                            format!("({text})")
                        } else {
                            text
                        })
                    })
                    .collect::<Translated<_>>()?;
                Ok(parts.join(" and "))
            }
            NodeKind::Or(parts) => {
                let parts: Vec<String> =
                    parts.iter().map(|part| self.condition(part, scope)).collect::<Translated<_>>()?;
                Ok(parts.join(" or "))
            }
            NodeKind::Not(inner) => Ok(format!("not ({})", self.condition(inner, scope)?)),
            NodeKind::OfUsers(word) => {
                refuse(node.column, format!("`{word}` is of the users of an account, and rules are of people"))
            }
            NodeKind::Chain(calls) => self.comparison(node.column, calls, scope),
            _ => refuse(node.column, "a condition is missing here"),
        }
    }

    fn comparison(&mut self, column: usize, calls: &[Call], scope: &Scope) -> Translated<String> {
        let Some((comparison, rest)) = calls.split_last().filter(|(last, _)| is_comparison(&last.name)) else {
            return refuse(column, "it is a value, and a condition belongs here");
        };
        if let Some(text) = self.counted(rest, comparison, scope)? {
            return Ok(text);
        }
        let value = self.value(rest, scope)?;
        self.compared(&value, comparison, scope)
    }

    /// Whether events happened, in their own words: `did`, `sequence`.
    fn counted(&mut self, calls: &[Call], comparison: &Call, scope: &Scope) -> Translated<Option<String>> {
        let (Some((first, rest)), Scope::Person) = (calls.split_first(), scope) else { return Ok(None) };
        let Some((last, filters)) = rest.split_last().filter(|(last, _)| last.name == "count") else { return Ok(None) };
        if first.name != "event" || filters.last().is_some_and(|call| call.name == "unique") {
            return Ok(None);
        }
        let happened = happened(comparison);
        let sent_as = self.event(first)?;
        let stream = stream(filters)?;
        if let [after, more @ ..] = stream.after.as_slice() {
            if !more.is_empty() {
                return refuse(last.column, "one event may follow another, not several");
            }
            let Some(true) = happened else {
                return refuse(
                    comparison.column,
                    "of events that others follow only whether there is one can be said: `count() >= 1`",
                );
            };
            return self.sequence(first.column, &sent_as, &stream, after).map(Some);
        }
        if stream.between.is_some() {
            return Ok(None);
        }
        let Some(happened) = happened else { return Ok(None) };
        let pattern = self.pattern(&sent_as, None, &stream, None)?;
        let not = if happened { "" } else { "not " };
        Ok(Some(format!("{not}did({pattern}{})", window(stream.window))))
    }

    fn sequence(&mut self, column: usize, sent_as: &str, stream: &Stream<'_>, after: &[Call]) -> Translated<String> {
        if stream.between.is_some() {
            return refuse(column, "`between` of events that others follow has no equal in rules");
        }
        let refused =
            "of what follows only whether it does can be said: `event(…).within(parent: …).count() >= 1`, or `= 0`";
        let (Some((first, rest)), Some(comparison)) = (after.split_first(), after.last()) else {
            return refuse(column, refused);
        };
        let filters = match rest {
            [filters @ .., count, _] if count.name == "count" => filters,
            _ => return refuse(first.column, refused),
        };
        let Some(happened) = happened(comparison) else { return refuse(comparison.column, refused) };
        let next = self.event(first)?;
        let next_stream = self::stream(filters)?;
        let Some(within) = next_stream.within_parent else {
            return refuse(first.column, "what follows needs a time: `within(parent: 5 days)`");
        };
        if next_stream.window.is_some() || !next_stream.after.is_empty() {
            return refuse(first.column, refused);
        }
        let parent = Parent { sent_as: sent_as.to_owned() };
        let second = self.pattern(&next, None, &next_stream, Some(&parent))?;
        let alias = second.contains(&format!("{PARENT}.")).then_some(PARENT);
        let pattern = self.pattern(sent_as, alias, stream, None)?;
        let then = if happened {
            format!("{second} within {}", within.text())
        } else {
            format!("no {second} for {}", within.text())
        };
        Ok(format!("sequence({pattern} then {then}{})", window(stream.window)))
    }

    /// `order as before where total > 3`
    fn pattern(
        &mut self,
        sent_as: &str,
        alias: Option<&str>,
        stream: &Stream<'_>,
        parent: Option<&Parent>,
    ) -> Translated<String> {
        self.pattern_of(sent_as, None, alias, stream, parent)
    }

    fn pattern_of(
        &mut self,
        sent_as: &str,
        property: Option<&str>,
        alias: Option<&str>,
        stream: &Stream<'_>,
        parent: Option<&Parent>,
    ) -> Translated<String> {
        self.needs.events.entry(sent_as.to_owned()).or_default();
        let scope = Scope::Event { sent_as: sent_as.to_owned(), parent: parent.map(|it| Box::new(it.clone())) };
        let mut text = fold_event_name(sent_as);
        if let Some(property) = property {
            text = format!("{text}.{property}");
        }
        if let Some(alias) = alias {
            text = format!("{text} as {alias}");
        }
        let mut conditions = Vec::new();
        for filter in &stream.filters {
            let condition = self.condition(filter, &scope)?;
            let is_loose = matches!(filter.kind, NodeKind::Or(_)) || is_choice(filter);
            conditions.push(if is_loose && stream.filters.len() > 1 { format!("({condition})") } else { condition });
        }
        if !conditions.is_empty() {
            text = format!("{text} where {}", conditions.join(" and "));
        }
        Ok(text)
    }

    fn event(&self, call: &Call) -> Translated<String> {
        let [Argument { value: Node { kind: NodeKind::Text(sent_as), .. }, label: None, .. }] =
            call.arguments.as_slice()
        else {
            return refuse(call.column, "`event` takes the name of an event");
        };
        let name = fold_event_name(sent_as);
        if name_of(&name) != name {
            return refuse(call.column, format!("`{sent_as}` is no name that events can have here"));
        }
        Ok(sent_as.clone())
    }

    /// What a chain without a comparison gives.
    fn value(&mut self, calls: &[Call], scope: &Scope) -> Translated<Value> {
        let Some((first, rest)) = calls.split_first() else { return refuse(1, "something is missing here") };
        match (first.name.as_str(), scope) {
            ("event", Scope::Person) => self.aggregate(first, rest),
            ("event", Scope::Event { .. }) => {
                refuse(first.column, "an event inside `where` can only be what follows, joined by `AND`")
            }
            ("trait", Scope::Person) => self.person_trait(first, rest),
            ("trait", Scope::Event { .. }) => {
                refuse(first.column, "inside `where` a rule reads the event, not the person")
            }
            ("property", Scope::Event { .. }) => self.property(first, rest, scope),
            ("context", Scope::Event { .. }) => {
                nothing_more(rest)?;
                let path = path(first, "`context` takes the name of a field")?;
                Ok(Value { text: format!("context.{path}"), kind: None, of: Of::Nothing })
            }
            ("property" | "context", Scope::Person) => refuse(first.column, format!("`{}` is of events", first.name)),
            ("entity", _) => refuse(first.column, "`entity` is of linked data, which rules do not read"),
            (other, _) => refuse(first.column, format!("`{other}` is no function that is known here")),
        }
    }

    fn property(&mut self, first: &Call, rest: &[Call], scope: &Scope) -> Translated<Value> {
        nothing_more(rest)?;
        let Scope::Event { sent_as, parent } = scope else { return refuse(first.column, "`property` is of events") };
        let path = path(first, "`property` takes the name of a property")?;
        let is_of_parent = first.arguments.first().and_then(|it| it.label.as_deref()) == Some("parent");
        let (sent_as, text) = match (is_of_parent, parent) {
            (false, _) => (sent_as.clone(), path.clone()),
            (true, Some(parent)) => (parent.sent_as.clone(), format!("{PARENT}.{path}")),
            (true, None) => return refuse(first.column, "there is no event before this one"),
        };
        let kind = self.use_property(&sent_as, &path, None);
        Ok(Value { text, kind, of: Of::Property { sent_as, path } })
    }

    fn person_trait(&mut self, first: &Call, rest: &[Call]) -> Translated<Value> {
        nothing_more(rest)?;
        let [Argument { value: Node { kind: NodeKind::Text(key), .. }, .. }] = first.arguments.as_slice() else {
            return refuse(first.column, "`trait` takes the key of a trait");
        };
        if let Some((name, kind)) = self.names.get(key) {
            return Ok(match kind {
                RuleOf::Audience => Value { text: format!("in({name})"), kind: Some(Kind::Bool), of: Of::Segment },
                RuleOf::ComputedTrait => Value { text: name.clone(), kind: None, of: Of::Nothing },
            });
        }
        if !key.split('.').all(is_name) {
            return refuse(first.column, format!("`{key}` is no name that traits can have here"));
        }
        self.needs.profile.entry(key.clone()).or_default();
        let kind = (self.kinds.profile)(key);
        Ok(Value { text: format!("profile.{}", trait_name(key)), kind, of: Of::Trait { path: key.clone() } })
    }

    /// `event('x').where(…).sum(property('p'))`
    fn aggregate(&mut self, first: &Call, rest: &[Call]) -> Translated<Value> {
        let sent_as = self.event(first)?;
        let place = rest.iter().position(|call| is_reducer(&call.name));
        let Some((filters, [reducer, after @ ..])) = place.map(|place| rest.split_at(place)) else {
            return refuse(first.column, "it says of which events, and not what of them: `count()`, `sum(…)` …");
        };
        let stream = stream(filters)?;
        if !stream.after.is_empty() {
            return refuse(first.column, "events that others follow can be counted only as `count() >= 1`");
        }
        let counts_unique = reducer.name == "unique" && matches!(after, [call] if call.name == "count");
        if !counts_unique {
            nothing_more(after)?;
        }
        let function = match reducer.name.as_str() {
            "unique" if counts_unique => "distinct",
            "unique" => {
                return refuse(reducer.column, "a list of all values has no equal in rules; `unique(…).count()` has");
            }
            "mode" => "top",
            name @ ("count" | "sum" | "avg" | "min" | "max" | "first" | "last") => name,
            other => return refuse(reducer.column, format!("`{other}` has no equal in rules")),
        };
        if let ("mode", Some(least)) = (reducer.name.as_str(), reducer.arguments.get(1))
            && least.value.kind != NodeKind::Number("1".to_owned())
        {
            return refuse(
                reducer.column,
                "`mode` with a least number of times has no equal: `top` takes the most frequent value, however rare",
            );
        }
        let mut of = Of::Nothing;
        let mut kind = Some(Kind::Number);
        let mut property = None;
        if function != "count" {
            let Some(Argument { value: Node { kind: NodeKind::Chain(calls), .. }, read_as, .. }) =
                reducer.arguments.first()
            else {
                return refuse(reducer.column, format!("`{}` takes a property", reducer.name));
            };
            let [call] = calls.as_slice() else {
                return refuse(reducer.column, format!("`{}` takes a property", reducer.name));
            };
            if call.name != "property" {
                return refuse(call.column, format!("`{}` takes a property of the event", reducer.name));
            }
            let path = path(call, "`property` takes the name of a property")?;
            let is_text = read_as.as_deref() == Some("string");
            let used = match function {
                "sum" | "avg" => Some(Kind::Number),
                "min" | "max" if !is_text => Some(Kind::Number),
                "min" | "max" => Some(Kind::Text),
                _ => None,
            };
            let found = self.use_property(&sent_as, &path, used);
            if function != "distinct" {
                kind = if matches!(function, "sum" | "avg") { Some(Kind::Number) } else { found };
                of = Of::Property { sent_as: sent_as.clone(), path: path.clone() };
            }
            property = Some(path);
        }
        let pattern = self.pattern_of(&sent_as, property.as_deref(), None, &stream, None)?;
        let text = match stream.between {
            None => format!("{function}({pattern}{})", window(stream.window)),
            // What was before the later moment: all since the earlier one, without what is newer.
            Some((newer, older)) if matches!(function, "count" | "sum") && stream.window.is_none() => {
                format!("{function}({pattern}, last {}) - {function}({pattern}, last {})", older.text(), newer.text())
            }
            Some(_) => return refuse(first.column, format!("`between` with `{}` has no equal in rules", reducer.name)),
        };
        Ok(Value { text, kind, of })
    }

    /// Notes that a property is asked for; its type, where that is known.
    fn use_property(&mut self, sent_as: &str, path: &str, kind: Option<Kind>) -> Option<Kind> {
        self.needs.events.entry(sent_as.to_owned()).or_default().entry(path.to_owned()).or_default().extend(kind);
        (self.kinds.property)(&fold_event_name(sent_as), path).or(kind)
    }

    fn compared(&mut self, value: &Value, comparison: &Call, scope: &Scope) -> Translated<String> {
        let text = &value.text;
        let arguments = &comparison.arguments;
        let column = comparison.column;
        if let Of::Segment = value.of {
            let is_true = |at: usize| {
                arguments.get(at).is_some_and(|it| {
                    matches!(&it.value.kind, NodeKind::Bool(true)) || it.value.kind == NodeKind::Text("true".to_owned())
                })
            };
            return match (comparison.name.as_str(), is_true(0)) {
                ("exists", _) | ("equals", true) => Ok(text.clone()),
                ("absent", _) | ("equals", false) | ("differs", true) => Ok(format!("not {text}")),
                ("differs", false) => Ok(text.clone()),
                _ => refuse(column, "of an audience only whether somebody is in it can be asked"),
            };
        }
        let one = || match arguments.as_slice() {
            [only] if only.label.is_none() => Ok(&only.value),
            _ => refuse(column, format!("`{}` takes one value", comparison.name)),
        };
        let sign = match comparison.name.as_str() {
            "equals" => "==",
            "differs" => "!=",
            "greater_than" => ">",
            "at_least" => ">=",
            "less_than" => "<",
            "at_most" => "<=",
            "before_date" => "<",
            "after_date" => ">",
            "exists" => return Ok(format!("{text} is known")),
            "absent" => return Ok(format!("{text} is unknown")),
            "one_of" | "none_of" => {
                let (sign, word) = if comparison.name == "one_of" { ("==", " or ") } else { ("!=", " and ") };
                let mut parts = Vec::new();
                for argument in arguments {
                    let literal = self.operand(value, &argument.value, scope, false)?;
                    parts.push(format!("{text} {sign} {literal}"));
                }
                return if parts.is_empty() { refuse(column, "there are no values") } else { Ok(parts.join(word)) };
            }
            "contains" | "omits" | "starts_with" | "ends_with" => {
                return refuse(
                    column,
                    format!("`{}` looks inside a text, and rules compare whole values", comparison.name),
                );
            }
            other => {
                return refuse(column, format!("`{other}` compares a moment of a person with now, which rules do not"));
            }
        };
        let orders = !matches!(sign, "==" | "!=");
        let is_date = matches!(comparison.name.as_str(), "before_date" | "after_date");
        if is_date {
            self.is_used_as(value, Kind::Time);
        }
        let right = self.operand(value, one()?, scope, orders)?;
        // A difference of counts binds less than a comparison does not; it needs no parentheses.
        Ok(format!("{text} {sign} {right}"))
    }

    /// What a value is compared with, in the type that the value has.
    fn operand(&mut self, value: &Value, node: &Node, scope: &Scope, orders: bool) -> Translated<String> {
        let is_number = |text: &str| {
            !text.is_empty() && text.trim_start_matches('-').chars().all(|it| it.is_ascii_digit() || it == '.')
        };
        let used = match &node.kind {
            NodeKind::Chain(calls) => return Ok(self.value(calls, scope)?.text),
            NodeKind::Number(_) => Kind::Number,
            NodeKind::Bool(_) => Kind::Bool,
            NodeKind::Time(_) => Kind::Time,
            NodeKind::Text(text) if orders && is_number(text) => Kind::Number,
            NodeKind::Text(_) => Kind::Text,
            _ => return refuse(node.column, "a value is missing here"),
        };
        self.is_used_as(value, used);
        let written = match &node.kind {
            NodeKind::Number(text) | NodeKind::Time(text) | NodeKind::Text(text) => text.clone(),
            NodeKind::Bool(is) => is.to_string(),
            _ => String::new(),
        };
        // Text is ordered by its letters: "9" comes after "10".
        if orders && used == Kind::Number && value.kind == Some(Kind::Text) {
            return refuse(node.column, format!("`{}` is text, and is compared with a number", value.text));
        }
        Ok(match value.kind.unwrap_or(used) {
            Kind::Number if is_number(&written) => written,
            Kind::Bool if matches!(written.as_str(), "true" | "false") => written,
            Kind::Time if written.starts_with(|it: char| it.is_ascii_digit()) => written,
            _ => quoted(&written),
        })
    }

    fn is_used_as(&mut self, value: &Value, kind: Kind) {
        match &value.of {
            Of::Property { sent_as, path } => {
                self.needs.events.entry(sent_as.clone()).or_default().entry(path.clone()).or_default().insert(kind);
            }
            Of::Trait { path } => _ = self.needs.profile.entry(path.clone()).or_default().insert(kind),
            Of::Nothing | Of::Segment => {}
        }
    }
}

/// What stands between the event and what is made of it.
fn stream(calls: &[Call]) -> Translated<Stream<'_>> {
    let mut stream = Stream::default();
    for call in calls {
        let length = |argument: Option<&Argument>| match argument.map(|it| &it.value.kind) {
            Some(NodeKind::Length(length)) if length.hours > 0 => Ok(*length),
            _ => refuse(call.column, format!("`{}` takes a length of time, such as `7 days`", call.name)),
        };
        match call.name.as_str() {
            "where" => {
                let [argument] = call.arguments.as_slice() else {
                    return refuse(call.column, "`where` takes a condition");
                };
                take_filter(&argument.value, &mut stream);
            }
            "within" => {
                let argument = call.arguments.first();
                let found = length(argument)?;
                match argument.and_then(|it| it.label.as_deref()) {
                    None => {
                        stream.window = Some(
                            stream.window.map_or(found, |known| if known.hours < found.hours { known } else { found }),
                        )
                    }
                    Some("parent") => stream.within_parent = Some(found),
                    Some(other) => return refuse(call.column, format!("`{other}:` is not known here")),
                }
            }
            "between" => {
                if call.arguments.iter().any(|it| it.label.is_some()) {
                    return refuse(call.column, "`between` of an event that follows has no equal in rules");
                }
                let (one, other) = (length(call.arguments.first())?, length(call.arguments.get(1))?);
                stream.between = Some(if one.hours < other.hours { (one, other) } else { (other, one) });
            }
            "sources" => return refuse(call.column, "rules read events of all sources"),
            other => return refuse(call.column, format!("`{other}` has no equal in rules")),
        }
    }
    Ok(stream)
}

/// A condition of an event; what must follow it is told apart.
fn take_filter<'a>(node: &'a Node, stream: &mut Stream<'a>) {
    match &node.kind {
        NodeKind::And(parts) => parts.iter().for_each(|part| take_filter(part, stream)),
        NodeKind::Chain(calls) if calls.first().is_some_and(|call| call.name == "event") => stream.after.push(calls),
        _ => stream.filters.push(node),
    }
}

/// Whether a comparison of a count says that there is one, or that there is none.
fn happened(comparison: &Call) -> Option<bool> {
    let [Argument { value: Node { kind: NodeKind::Number(number), .. }, .. }] = comparison.arguments.as_slice() else {
        return None;
    };
    match (comparison.name.as_str(), number.as_str()) {
        ("at_least", "1") | ("greater_than", "0") => Some(true),
        ("equals", "0") | ("less_than", "1") | ("at_most", "0") => Some(false),
        _ => None,
    }
}

fn is_comparison(name: &str) -> bool {
    [
        "equals",
        "differs",
        "absent",
        "exists",
        "greater_than",
        "at_least",
        "less_than",
        "at_most",
        "contains",
        "omits",
        "starts_with",
        "ends_with",
        "one_of",
        "none_of",
        "before_date",
        "after_date",
        "within_last",
        "within_next",
        "before_last",
        "after_next",
    ]
    .contains(&name)
}

fn is_reducer(name: &str) -> bool {
    ["count", "sum", "avg", "max", "min", "mode", "first", "last", "unique"].contains(&name)
}

/// Whether it becomes several comparisons joined by `or`.
fn is_choice(node: &Node) -> bool {
    matches!(&node.kind, NodeKind::Chain(calls)
        if calls.last().is_some_and(|call| call.name == "one_of" && call.arguments.len() > 1))
}

fn nothing_more(rest: &[Call]) -> Translated<()> {
    match rest.first() {
        Some(call) => refuse(call.column, format!("`{}` is not expected here", call.name)),
        None => Ok(()),
    }
}

/// The name in a call, as a path that rules can write.
fn path(call: &Call, takes: &str) -> Translated<String> {
    let [Argument { value: Node { kind: NodeKind::Text(path), .. }, .. }] = call.arguments.as_slice() else {
        return refuse(call.column, takes);
    };
    if path.split('.').all(is_name) {
        Ok(path.clone())
    } else {
        refuse(call.column, format!("`{path}` is no name that rules can write"))
    }
}

fn is_name(part: &str) -> bool {
    part.starts_with(|it: char| it.is_alphabetic() || it == '_')
        && part.chars().all(|it| it.is_alphanumeric() || it == '_')
}

/// What a trait of people is called in `profile.yaml`.
pub(in crate::migration) fn trait_name(key: &str) -> String {
    name_of(&key.replace('.', "_"))
}

fn window(window: Option<Length>) -> String {
    window.map_or_else(String::new, |length| format!(", last {}", length.text()))
}

fn quoted(text: &str) -> String {
    let clean: String = text.chars().map(|it| if it.is_control() { ' ' } else { it }).collect();
    format!("\"{}\"", clean.replace('\\', "\\\\").replace('"', "\\\""))
}
