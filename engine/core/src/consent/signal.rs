//! Answers in messages: what consent banners, SDKs and our own API say, as answers to the project's purposes.
//!
//! Signals in one message are joined: where one of them says no, it is no. A report of a change says all that it says expressly; of
//! any other message only Global Privacy Control is meant by whoever sends it.

use super::Said;
use super::collection::is_change;
use super::gpp::{self, Platform};
use super::tcf::{self, TcfPurposes};
use crate::message::{Call, Message};
use serde_json::{Map, Value as Json};
use sonder_dsl::ir::PurposeId;
use sonder_dsl::model::{Consent, Purpose, fold_event_name};

/// Events that report nothing but a change of consent, folded: no schema has to declare them.
pub const CHANGES: [&str; 2] = ["segment_consent_preference_updated", "consent_updated"];

/// Keys of a message's `context` that answers stand under.
pub const CONTEXT: [&str; 3] = ["consent", "consentManagement", "gpc"];

/// How a project reads answers.
pub struct Signals {
    purposes: Vec<Named>,
}

/// A purpose and what banners call it.
struct Named {
    name: String,
    categories: Vec<String>,
    /// What it is to the law.
    kind: Option<String>,
    refused_by_signal: bool,
    /// All of these TCF purposes are needed; none where the purpose has nothing to do with TCF.
    tcf: TcfPurposes,
}

impl Signals {
    /// Of a project.
    #[must_use]
    pub fn new(consent: &Consent) -> Self {
        let named = |it: &Purpose| Named {
            name: it.name.clone(),
            categories: it.categories.clone(),
            kind: it.kind.clone(),
            refused_by_signal: it.refused_by_signal,
            tcf: it.tcf.iter().fold(0, |set, purpose| set | 1_u32.unbounded_shl(u32::from(*purpose).wrapping_sub(1))),
        };
        Self { purposes: consent.purposes.iter().map(named).collect() }
    }

    /// Whether the project has no purpose, so that nothing is an answer.
    pub(crate) fn is_empty(&self) -> bool {
        self.purposes.is_empty()
    }

    /// What a message answers.
    #[must_use]
    pub fn read(&self, message: &Message) -> Said {
        if self.purposes.is_empty() {
            return Said::NOTHING;
        }
        let context = &message.context;
        let consent = context.get("consent").and_then(Json::as_object);
        let of = |key: &str| consent.and_then(|it| it.get(key)).and_then(Json::as_object);
        let own = of("purposes").map_or(Said::NOTHING, |answers| self.own(answers));
        let segment = of("categoryPreferences")
            .map_or(Said::NOTHING, |answers| self.by_category(&|category| answers.get(category).map(is_yes), true));
        let rudder = context.get("consentManagement").and_then(Json::as_object);
        let rudder = rudder.map_or(Said::NOTHING, |it| self.rudder(it));
        let refused = context.get("gpc").is_some_and(is_signal);
        let signal = if refused { self.refused_by_signal() } else { Said::NOTHING };
        let text = |key: &str| consent.and_then(|it| it.get(key)).and_then(Json::as_str);
        let tcf = text("tcf").and_then(tcf::consented).map_or(Said::NOTHING, |purposes| self.by_tcf(purposes));
        let in_force = consent.and_then(|it| it.get("gppSid")).and_then(section_ids);
        let platform = text("gpp").and_then(|it| gpp::read(it, in_force.as_deref()));
        let platform = platform.map_or(Said::NOTHING, |it| self.by_platform(it));
        let said = own.and(segment).and(rudder).and(signal).and(tcf).and(platform);
        if is_change(message) { said.expressly() } else { said }
    }

    /// What a message of our own binds: a restriction or its end. It names purposes, `anything` for what has none; without a list
    /// it is about all that is done with somebody's data. Names that the project has no more bind nothing.
    #[must_use]
    pub fn bound(&self, message: &Message) -> Said {
        let named = message.rest.get("purposes").and_then(Json::as_array);
        let to = match named {
            None => self.numbered().fold(super::ANYTHING, |set, (id, _)| set | super::only(id)),
            Some(named) => {
                let is_named = |purpose: &str| named.iter().any(|name| name.as_str() == Some(purpose));
                let anything = if is_named(super::ANYTHING_NAME) { super::ANYTHING } else { 0 };
                let named = self.numbered().filter(|(_, it)| is_named(&it.name));
                named.fold(anything, |set, (id, _)| set | super::only(id))
            }
        };
        Said { to, yes: if message.call == Call::Release { to } else { 0 }, express: 0, binding: true }
    }

    fn numbered(&self) -> impl Iterator<Item = (PurposeId, &Named)> {
        self.purposes.iter().zip(0..).map(|(it, id)| (PurposeId(id), it))
    }

    /// `context.consent.tcf`: a TC string. It says nothing of purposes that have nothing to do with TCF.
    fn by_tcf(&self, consented: TcfPurposes) -> Said {
        let concerned = self.numbered().filter(|(_, it)| it.tcf != 0);
        concerned.fold(Said::NOTHING, |said, (id, it)| said.and(Said::answer(id, consented & it.tcf == it.tcf)))
    }

    /// `context.consent.gpp`: a GPP string. What it says of the United States only refuses: that somebody did not opt out is no
    /// consent.
    fn by_platform(&self, said: Platform) -> Said {
        let refuses = |it: &Named| match it.kind.as_deref() {
            Some("sale") => said.no_sale,
            Some("advertising" | "targeting") => said.no_targeting,
            Some("sensitive") => said.no_sensitive,
            _ => false,
        };
        let refused = self.numbered().filter(|(_, it)| refuses(it));
        let refused = refused.fold(Said::NOTHING, |all, (id, _)| all.and(Said::answer(id, false)));
        let signal = if said.signal { self.refused_by_signal() } else { Said::NOTHING };
        refused.and(signal).and(said.tcf.map_or(Said::NOTHING, |purposes| self.by_tcf(purposes)))
    }

    /// `context.gpc`, which the collector sets from the header `Sec-GPC`: Global Privacy Control.
    fn refused_by_signal(&self) -> Said {
        let refused = self.numbered().filter(|(_, it)| it.refused_by_signal);
        refused.fold(Said::NOTHING, |said, (id, _)| said.and(Said::answer(id, false))).expressly()
    }

    /// `context.consent.purposes: {marketing: true}`: our own.
    fn own(&self, answers: &Map<String, Json>) -> Said {
        let said = self.numbered().filter_map(|(id, it)| Some(Said::answer(id, is_yes(answers.get(&it.name)?))));
        said.fold(Said::NOTHING, Said::and)
    }

    /// A purpose that lists categories needs all of them, and a banner that does not mention one says no to it. A purpose
    /// that lists none goes by its own name, and is not answered by a banner that does not mention it.
    fn by_category(&self, allowed: &dyn Fn(&str) -> Option<bool>, all: bool) -> Said {
        let said = self.numbered().filter_map(|(id, it)| {
            let yes = match it.categories.as_slice() {
                [] => allowed(&it.name)?,
                listed if all => listed.iter().all(|category| allowed(category) == Some(true)),
                listed => listed.iter().any(|category| allowed(category) == Some(true)),
            };
            Some(Said::answer(id, yes))
        });
        said.fold(Said::NOTHING, Said::and)
    }

    /// `context.consentManagement`: lists of what is allowed and denied, and whether one category is enough.
    fn rudder(&self, management: &Map<String, Json>) -> Said {
        let list = |key: &str| management.get(key).and_then(Json::as_array);
        let (allowed, denied) = (list("allowedConsentIds"), list("deniedConsentIds"));
        if allowed.is_none() && denied.is_none() {
            return Said::NOTHING;
        }
        let has = |list: Option<&Vec<Json>>, category: &str| {
            list.is_some_and(|ids| ids.iter().any(|id| id.as_str() == Some(category)))
        };
        let all = management.get("resolutionStrategy").and_then(Json::as_str) != Some("or");
        let answer = |category: &str| {
            if has(denied, category) { Some(false) } else { has(allowed, category).then_some(true) }
        };
        self.by_category(&answer, all)
    }
}

/// Whether an answer is a yes. Whatever else is said to a purpose is no consent to it.
fn is_yes(answer: &Json) -> bool {
    match answer {
        Json::Bool(yes) => *yes,
        Json::String(text) => text == "true",
        _ => false,
    }
}

/// Whether `context.gpc` says that the signal is there, as SDKs write it.
fn is_signal(value: &Json) -> bool {
    is_yes(value) || value.as_u64() == Some(1) || value.as_str() == Some("1")
}

/// `context.consent.gppSid`: the sections that are in force, as a list, or as a text such as `7_8`. `None` where that does not say
/// which: all of them count then, so that nothing which is refused is overlooked.
fn section_ids(value: &Json) -> Option<Vec<u16>> {
    let text = |text: &str| text.trim().parse().ok();
    let one = |it: &Json| match it {
        Json::String(id) => text(id),
        other => other.as_u64().and_then(|id| u16::try_from(id).ok()),
    };
    let ids: Option<Vec<u16>> = match value {
        Json::Array(list) => list.iter().map(one).collect(),
        Json::String(list) => list.split(['_', ',']).map(text).collect(),
        other => one(other).map(|id| vec![id]),
    };
    ids.filter(|ids| !ids.is_empty() && !ids.contains(&0))
}

/// Whether a message that reports a change of consent says anything: Segment's by what it is about, others in any form.
pub(crate) fn says_something(name: &str, context: &Map<String, Json>) -> bool {
    let consent = context.get("consent").and_then(Json::as_object);
    let has = |key: &str| consent.and_then(|it| it.get(key)).is_some_and(|it| it.is_object() || it.is_string());
    if fold_event_name(name) == CHANGES[0] {
        return consent.and_then(|it| it.get("categoryPreferences")).is_some_and(Json::is_object);
    }
    let managed = context.get("consentManagement").is_some_and(Json::is_object);
    managed || context.contains_key("gpc") || ["purposes", "categoryPreferences", "tcf", "gpp"].into_iter().any(has)
}
