//! Routing: in which region a message belongs, before anything of it is kept.
//!
//! In this order: the region that its source names; the region of the place where whoever it is of lives, by what the message says
//! and what is known of them here, trait by trait in the order of `residence`; here, where they are known here, or an engine of another
//! region sent it on, which has asked all this itself; the region for all others.

use super::Governor;
use super::path::MessagePath;
use super::value;
use crate::consent::residence;
use crate::message::{Message, Quarantined, Reason, code};
use crate::record::Identifier;
use serde_json::{Map, Value as Json};
use sonder_dsl::ir::{Program, SourceId, Value};
use sonder_dsl::model::Residency;

/// Where a message belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Belongs {
    /// To the region of this engine; to any, where the project has none.
    Here,
    /// To another region.
    Elsewhere(String),
    /// Nobody can tell.
    Nowhere,
}

/// What is known of somebody where they live: the traits of `residence`, in that order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lives(pub Vec<Option<Value>>);

impl Lives {
    /// What one of both knows; where both do, what this one does.
    #[must_use]
    pub(crate) fn or(mut self, other: Self) -> Self {
        self.0.resize(self.0.len().max(other.0.len()), None);
        for (own, other) in self.0.iter_mut().zip(other.0) {
            *own = own.take().or(other);
        }
        self
    }
}

/// How messages are routed by an engine that stands in a region.
pub(super) struct Routing {
    residency: Residency,
    here: String,
    /// By `SourceId`.
    of_sources: Vec<Option<String>>,
}

impl Routing {
    /// Of a program that runs in a region; `None` where it runs in none.
    pub(super) fn new(program: &Program) -> Option<Self> {
        Some(Self {
            residency: program.settings.residency.clone()?,
            here: program.region.clone()?,
            of_sources: program.sources.iter().map(|source| source.region.clone()).collect(),
        })
    }

    fn belongs(&self, region: Option<&str>) -> Belongs {
        match region {
            Some(region) if region == self.here => Belongs::Here,
            Some(region) => Belongs::Elsewhere(region.to_owned()),
            None => Belongs::Nowhere,
        }
    }

    fn of_source(&self, source: SourceId) -> Option<&str> {
        self.of_sources.get(source.index())?.as_deref()
    }
}

impl Governor {
    /// The region that this governs for, where the project has regions.
    #[must_use]
    pub fn region(&self) -> Option<&str> {
        self.routing.as_ref().map(|routing| routing.here.as_str())
    }

    /// Where a message belongs. `known` finds what is known here of whoever has one of these identifiers; `is_forwarded` says that
    /// an engine of another region sent it on.
    pub fn belongs(
        &self,
        message: &Result<Message, Quarantined>,
        known: impl FnOnce(&[Identifier]) -> Option<Lives>,
        is_forwarded: bool,
    ) -> Belongs {
        let Some(routing) = &self.routing else { return Belongs::Here };
        let source = message.as_ref().map_or_else(|aside| aside.source, |message| message.source);
        if let Some(region) = routing.of_source(source) {
            return routing.belongs(Some(region));
        }
        let (said, known) = match message {
            Ok(message) => (self.says_of_residence(message), known(&self.whose(message))),
            Err(aside) => (self.text_says_of_residence(&aside.payload), None),
        };
        let is_known = known.is_some();
        let known = known.unwrap_or_default().0.into_iter().chain(std::iter::repeat(None));
        let place = residence::place(said.into_iter().zip(known).map(|(said, known)| said.or(known)));
        match place.as_deref().and_then(|place| routing.residency.region_with(place)) {
            Some(region) => routing.belongs(Some(region)),
            None if is_known || is_forwarded => Belongs::Here,
            None => routing.belongs(routing.residency.default.as_deref()),
        }
    }

    /// A message that is kept aside because nobody can tell where it belongs.
    #[must_use]
    pub fn without_region(message: &Message) -> Quarantined {
        let text = "nothing tells in which region it belongs: not its source, nor where somebody lives; and no region is `default`";
        super::quarantined(message, vec![Reason::new(code::NO_REGION, "", text)])
    }

    /// What stands in a scenario for a message that an engine sends on to another region.
    #[must_use]
    pub fn sent_on(message: &Result<Message, Quarantined>, region: &str) -> Quarantined {
        let reasons = vec![Reason::new(code::OTHER_REGION, "", format!("it is sent on to region `{region}`"))];
        match message {
            Ok(message) => super::quarantined(message, reasons),
            Err(aside) => Quarantined { reasons, ..aside.clone() },
        }
    }

    /// The identifiers of a message, whether or not it means anything.
    pub(super) fn whose(&self, message: &Message) -> Vec<Identifier> {
        let rules = self.declared(message, &mut Vec::new()).and_then(|event| self.events.get(event.index()));
        let properties = rules.map_or(&[][..], |rules| &rules.identifiers);
        self.identifiers.read(message, properties, &[], &mut Vec::new())
    }

    /// What a message says of the traits of `residence`, in that order.
    pub(super) fn says_of_residence(&self, message: &Message) -> Vec<Option<Value>> {
        self.residence_by(|path| path.find(message).map(std::borrow::Cow::into_owned))
    }

    /// The same of a message that could not be read, as far as its JSON goes.
    fn text_says_of_residence(&self, payload: &str) -> Vec<Option<Value>> {
        let json: Map<String, Json> = serde_json::from_str(payload).unwrap_or_default();
        self.residence_by(|path| path.find_in_json(&json).cloned())
    }

    fn residence_by(&self, find: impl Fn(&MessagePath) -> Option<Json>) -> Vec<Option<Value>> {
        let said = self.residence.iter().map(|id| {
            let declared = self.profile.get(id.index())?;
            value::read_strictly(&declared.paths.iter().find_map(&find)?, &declared.kind)
        });
        said.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Envelope, Timing, read};
    use serde_json::json;
    use sonder_dsl::source::{SourceFile, SourceSet};
    use sonder_dsl::time::{Duration, Moment};
    use std::sync::Arc;

    fn governor(here: &str, default: &str) -> Governor {
        let file = |path: &str, text: &str| SourceFile { path: path.to_owned(), text: text.to_owned() };
        let settings = format!(
            "name: shop\nundeclared_events: accept\nresidency:\n  regions:\n    eu: {{countries: [DE], url: https://eu.example}}\n    \
             us: {{countries: [US], url: https://us.example}}\n    ca: {{regimes: [quebec], url: https://ca.example}}\n{default}"
        );
        let files = vec![
            file("sonder.yaml", &settings),
            file("sources/app.yaml", "source: app\nkind: mobile"),
            file("sources/store_us.yaml", "source: store_us\nkind: server\nregion: us"),
            file(
                "profile.yaml",
                "traits:\n  home: {type: string}\n  seen_in: {type: string, from: [context.location.country]}",
            ),
            file("consent.yaml", "purposes: [marketing]\nresidence: [home, seen_in]"),
        ];
        let compilation = sonder_dsl::compile(SourceSet::new(files));
        let program = compilation.program.unwrap_or_else(|| panic!("{:#?}", compilation.diagnostics));
        Governor::new(&program.in_region(Some(here.to_owned())))
    }

    fn message(source: u32, home: Option<&str>, seen_in: Option<&str>) -> Result<Message, Quarantined> {
        let json = json!({
            "type": "identify", "userId": "u1", "messageId": "m1", "traits": {"home": home},
            "context": {"location": {"country": seen_in}},
        });
        let envelope = Envelope::alone(SourceId(source), Moment(0), Timing::Live, Duration::ZERO, &|| "m".to_owned());
        read(json.as_object().unwrap().clone(), &envelope)
    }

    fn lives(home: Option<&str>, seen_in: Option<&str>) -> Option<Lives> {
        let value = |text: Option<&str>| text.map(|text| Value::String(Arc::from(text)));
        Some(Lives(vec![value(home), value(seen_in)]))
    }

    #[test]
    fn the_source_wins_then_the_most_trustworthy_place_then_whoever_is_known() {
        use Belongs::{Elsewhere, Here, Nowhere};
        let us = || Elsewhere("us".to_owned());
        let (eu, lax) = (governor("eu", ""), governor("eu", "  default: us\n"));
        let of = |governor: &Governor,
                  message: &Result<Message, Quarantined>,
                  known: Option<Lives>,
                  forwarded: bool| { governor.belongs(message, |_| known, forwarded) };
        assert_eq!(of(&eu, &message(1, Some("DE"), None), None, true), us(), "the source says it");
        assert_eq!(of(&eu, &message(0, Some("de"), Some("US")), None, false), Here);
        assert_eq!(of(&eu, &message(0, None, Some("US")), None, false), us());
        assert_eq!(
            of(&eu, &message(0, None, Some("US")), lives(Some("DE"), None), false),
            Here,
            "home is known better"
        );
        assert_eq!(of(&eu, &message(0, Some("US"), None), lives(Some("DE"), None), false), us(), "they moved");
        assert_eq!(of(&eu, &message(0, None, None), lives(Some("US"), None), false), us());
        assert_eq!(of(&eu, &message(0, None, None), lives(None, None), false), Here, "known here");
        assert_eq!(of(&eu, &message(0, None, None), None, true), Here, "whoever sent it on has asked");
        assert_eq!(of(&eu, &message(0, None, None), None, false), Nowhere);
        assert_eq!(of(&eu, &message(0, Some("BR"), None), None, false), Nowhere);
        assert_eq!(of(&lax, &message(0, Some("BR"), None), None, false), us());
    }

    #[test]
    fn what_cannot_be_read_is_routed_all_the_same() {
        let eu = governor("eu", "");
        let aside = |payload: &str| {
            Err(Quarantined {
                source: SourceId(0),
                received_at: Moment(0),
                occurred_at: None,
                historical: false,
                message_id: None,
                name: None,
                reasons: Vec::new(),
                payload: payload.into(),
            })
        };
        let of = |payload: &str| eu.belongs(&aside(payload), |_| panic!("nobody is asked for"), false);
        assert_eq!(of(r#"{"traits": {"home": "US"}}"#), Belongs::Elsewhere("us".to_owned()));
        assert_eq!(of(r#"{"context": {"traits": {"home": "DE"}}}"#), Belongs::Here);
        assert_eq!(of("{"), Belongs::Nowhere);
    }
}
