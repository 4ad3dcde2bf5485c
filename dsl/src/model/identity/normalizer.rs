//! How values are made comparable: steps in order, of which each takes what the one before gave.

use super::IdentifierKind;
use super::blocked::{BlockedValue, Preset};
use super::email::{self, Gmail};
use crate::diagnostic::{Diagnostic, Report, codes};
use crate::limits;
use crate::phone::{self, Country};
use crate::shape::{Fields, Filled, Format, Key, Shape, Word, blocked_pattern, compile_pattern};
use crate::yaml::Node;
use icu_normalizer::ComposingNormalizerBorrowed;
use std::borrow::Cow;

/// One step of making values comparable.
#[derive(Clone, Debug)]
pub enum Normalizer {
    /// Without white space at the ends, and composed (Unicode's NFC).
    Trim,
    /// In lower case, and composed.
    Lowercase,
    /// An e-mail address in lower case, its domain as DNS has it; what is none is refused.
    Email,
    /// An e-mail address without what follows `+` before the `@`.
    DropTag,
    /// Of an address at Gmail the one that its mailbox has without dots and tags.
    Gmail,
    /// A phone number with the code of its country; a value that cannot be one is refused. A number without such a code is
    /// dialled in the first of these places that there is.
    E164(Vec<DialledIn>),
    /// Whatever matches becomes something else.
    Replace {
        /// What is looked for.
        pattern: regex::Regex,
        /// What takes its place: `$1` is what the first group matched.
        with: String,
    },
}

/// Where a phone number is dialled that does not say so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DialledIn {
    /// There.
    Country(Country),
    /// In the country whose code the message has at this path.
    Path(Vec<String>),
}

impl PartialEq for Normalizer {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Trim, Self::Trim)
            | (Self::Lowercase, Self::Lowercase)
            | (Self::Email, Self::Email)
            | (Self::DropTag, Self::DropTag)
            | (Self::Gmail, Self::Gmail) => true,
            (Self::E164(a), Self::E164(b)) => a == b,
            (Self::Replace { pattern: a, with: x }, Self::Replace { pattern: b, with: y }) => {
                (a.as_str(), x) == (b.as_str(), y)
            }
            _ => false,
        }
    }
}

/// What stands for an item of `normalize`.
pub(super) const NORMALIZE: Shape = Shape::Either(&[Shape::Word(STEPS), Shape::Object(STEP)]);

const STEPS: &[Word] = &[
    Word { word: "trim", doc: "without white space at the ends; letters with accents as one character each (NFC)" },
    Word { word: "lowercase", doc: "in lower case; letters with accents as one character each (NFC)" },
    Word {
        word: "email",
        doc: "an e-mail address: trimmed, in lower case, its domain as DNS has it; others are refused",
    },
    Word { word: "drop_tag", doc: "an e-mail address without what follows + before the @" },
    Word {
        word: "gmail",
        doc: "an address at gmail.com or googlemail.com without dots and what follows +, at gmail.com; others stay",
    },
    Word {
        word: "e164",
        doc: "a phone number with the code of its country, as digits with a leading +; others are refused",
    },
];

const STEP: &[Key] = &[
    Key::optional(
        "e164",
        Shape::Either(&[
            Shape::Text(Format::Country),
            Shape::List(&Shape::Text(Format::CountryOrPath), Filled::AtLeastOne),
        ]),
        "the country in which numbers are dialled that have no code of one; of a list, the first that is there: paths in the \
         message, countries",
    ),
    Key::optional(
        "replace",
        Shape::Text(Format::Pattern),
        "a pattern between slashes: all that matches becomes `with`",
    ),
    Key::optional(
        "with",
        Shape::Text(Format::Replacement),
        "what takes the place of what matches; $1 is what the first group matched; without it, nothing does",
    ),
];

impl IdentifierKind {
    /// A value made comparable; `None` when it identifies nobody. `text_at` finds what the message has at a path.
    pub fn normalized<'v>(
        &self,
        value: &'v str,
        text_at: &dyn Fn(&[String]) -> Option<String>,
    ) -> Option<Cow<'v, str>> {
        let mut value = Cow::Borrowed(value);
        for step in &self.normalize {
            value = step.apply(value, text_at)?;
        }
        let is_blocked = value.trim().is_empty()
            || value.len() > limits::IDENTIFIER_BYTES
            || self.presets.iter().any(|preset| preset.blocks(&value))
            || self.block.iter().any(|blocked| blocked.blocks(&value));
        (!is_blocked).then_some(value)
    }
}

impl Normalizer {
    fn apply<'v>(&self, value: Cow<'v, str>, text_at: &dyn Fn(&[String]) -> Option<String>) -> Option<Cow<'v, str>> {
        Some(match self {
            Self::Trim => composed(match value {
                Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
                Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
            }),
            Self::Lowercase if value.chars().any(char::is_uppercase) => composed(Cow::Owned(value.to_lowercase())),
            Self::Lowercase => composed(value),
            Self::Email if value.len() > limits::IDENTIFIER_BYTES => return None,
            Self::Email => Cow::Owned(email::plain(&value)?),
            Self::DropTag => email::without_tag(&value).map_or(value, Cow::Owned),
            Self::Gmail => match email::of_gmail(&value) {
                Gmail::Elsewhere => value,
                Gmail::Nobody => return None,
                Gmail::Mailbox(mailbox) => Cow::Owned(mailbox),
            },
            Self::E164(places) => {
                let country = || places.iter().find_map(|place| place.country(text_at));
                Cow::Owned(phone::e164(&value, country)?)
            }
            Self::Replace { pattern, with } => {
                if value.len() > limits::IDENTIFIER_BYTES {
                    return None;
                }
                let replaced = pattern.replace_all(&value, with.as_str());
                match replaced {
                    Cow::Owned(text) => Cow::Owned(text),
                    Cow::Borrowed(_) => value,
                }
            }
        })
    }
}

/// With letters and their accents as one character each, so that what looks the same is the same.
pub(super) fn composed(value: Cow<'_, str>) -> Cow<'_, str> {
    if value.is_ascii() {
        return value;
    }
    match ComposingNormalizerBorrowed::new_nfc().normalize(&value) {
        Cow::Owned(composed) => Cow::Owned(composed),
        Cow::Borrowed(_) => value,
    }
}

impl DialledIn {
    fn country(&self, text_at: &dyn Fn(&[String]) -> Option<String>) -> Option<Country> {
        match self {
            Self::Country(country) => Some(*country),
            Self::Path(path) => Country::of_code(text_at(path)?.trim()),
        }
    }
}

/// The steps of `normalize`.
pub(super) fn steps(node: Option<&Node>, report: &mut Report) -> Vec<Normalizer> {
    node.map_or(&[][..], Node::items).iter().filter_map(|item| step(item, report)).collect()
}

fn step(item: &Node, report: &mut Report) -> Option<Normalizer> {
    if let Some(word) = item.text() {
        return match word {
            "trim" => Some(Normalizer::Trim),
            "lowercase" => Some(Normalizer::Lowercase),
            "email" => Some(Normalizer::Email),
            "drop_tag" => Some(Normalizer::DropTag),
            "gmail" => Some(Normalizer::Gmail),
            "e164" => Some(Normalizer::E164(Vec::new())),
            _ => None,
        };
    }
    let fields = Fields::new(item, STEP);
    let (number, pattern, with) = (fields.get("e164"), fields.get("replace"), fields.get("with"));
    if number.is_some() == pattern.is_some() || (number.is_some() && with.is_some()) {
        let is_read = item.entries().iter().all(|entry| STEP.iter().any(|key| key.name == entry.key));
        if is_read && matches!(item.value, crate::yaml::Value::Map(_)) {
            let message = "a step of `normalize` is either `e164`, or `replace` and `with`";
            report.push(
                Diagnostic::error(codes::BAD_VALUE, message, item.span, "not one of them")
                    .help("for example `{e164: NL}` or `{replace: \"/[ -]/\", with: \"\"}`"),
            );
        }
        return None;
    }
    if let Some(number) = number {
        let texts = number.text().into_iter().chain(number.items().iter().filter_map(Node::text));
        return Some(Normalizer::E164(texts.filter_map(dialled_in).collect()));
    }
    let pattern = compile_pattern(blocked_pattern(pattern?.text()?)?).ok()?;
    let text = with.and_then(Node::text).unwrap_or_default();
    if let Some(node) = with {
        group_is_there(node, text, &pattern, report);
    }
    Some(Normalizer::Replace { pattern, with: text.to_owned() })
}

/// `NL`, or `traits.address.country`.
fn dialled_in(text: &str) -> Option<DialledIn> {
    if text.len() == 2 {
        return Country::of_code(text).map(DialledIn::Country);
    }
    Some(DialledIn::Path(crate::model::path(text)))
}

/// Reports a group in `with` that the pattern does not have: it would silently be nothing.
fn group_is_there(node: &Node, with: &str, pattern: &regex::Regex, report: &mut Report) {
    let mut rest = with;
    while let Some((_, after)) = rest.split_once('$') {
        let (name, beyond) = if let Some(escaped) = after.strip_prefix('$') {
            ("", escaped)
        } else if let Some((name, beyond)) = after.strip_prefix('{').and_then(|inside| inside.split_once('}')) {
            (name, beyond)
        } else {
            let end = after.find(|it: char| !it.is_ascii_alphanumeric() && it != '_').unwrap_or(after.len());
            after.split_at(end)
        };
        let is_there = match name.parse::<usize>() {
            Ok(number) => number < pattern.captures_len(),
            Err(_) => name.is_empty() || pattern.capture_names().flatten().any(|it| it == name),
        };
        if !is_there {
            let message = format!("`with` asks for the group `{name}`, which the pattern does not have");
            let help = match name.trim_end_matches(|it: char| !it.is_ascii_digit()) {
                number if !number.is_empty() && number != name => format!("write `${{{number}}}` where letters follow"),
                _ => "a group is what is between brackets, counted from 1; `$$` is a dollar sign".to_owned(),
            };
            let error = Diagnostic::error(codes::BAD_VALUE, message, node.span, "no such group").help(help);
            report.push(error);
        }
        rest = beyond;
    }
}

/// The values and lists of `block` and `block_presets`.
pub(super) fn blocked(fields: &Fields<'_>) -> (Vec<BlockedValue>, Vec<Preset>) {
    let block = fields.strings("block").iter().filter_map(|text| BlockedValue::new(text)).collect();
    let presets = match fields.get("block_presets") {
        Some(_) => fields.strings("block_presets").iter().filter_map(|word| Preset::named(word)).collect(),
        None => Preset::USUAL.to_vec(),
    };
    (block, presets)
}
