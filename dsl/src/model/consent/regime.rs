//! Regimes: what the law of a place says of people who were not asked, and of those who withdraw. Data, not code:
//! `regimes.yaml`, which is shipped, versioned and names its sources. Where several hold at one place, the strictest wins.

use super::{Purpose, Terms};
use crate::diagnostic::Report;
use crate::source::FileId;
use crate::yaml::{self, Node};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// The shipped text.
pub const TEXT: &str = include_str!("regimes.yaml");

/// The law of some places.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Regime {
    /// How projects name it.
    pub name: String,
    /// What it is.
    pub title: String,
    /// Countries, or parts of them as in `US-CA`.
    pub places: Vec<String>,
    /// Kinds of purposes that are allowed until somebody refuses; `None` for all of them.
    pub unless_refused: Option<Vec<String>>,
    /// But not these.
    pub only_if_asked: Vec<String>,
    /// Who withdraws takes back what was collected before.
    pub backwards: bool,
    /// How long a request of somebody may take.
    pub days: Days,
    /// Since when it holds as it is told here.
    pub since: String,
    /// The kinds of purposes that Global Privacy Control must be taken to refuse.
    pub signal: Vec<String>,
    /// Up to which age others decide, and how.
    pub children: Option<(u16, String)>,
    /// What else there is to know.
    pub note: String,
    /// Where it is written.
    pub sources: Vec<String>,
}

/// Days within which a request of somebody is to be dealt with; counted by the calendar, which is never too late.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Days {
    /// To answer: access, erasure and all else.
    pub answer: u16,
    /// By how many that may be put off once, with a reason.
    pub extension: u16,
    /// To confirm that it has come, where that is asked for.
    pub confirm: Option<u16>,
    /// To stop the sale of data, where that has a time of its own.
    pub opt_out: Option<u16>,
}

/// The version of what is shipped: the day of which it tells.
pub static VERSION: LazyLock<String> = LazyLock::new(|| {
    let line = TEXT.lines().find_map(|line| line.strip_prefix("version:"));
    line.unwrap_or_default().trim().to_owned()
});

/// All that are shipped, in their order.
pub static SHIPPED: LazyLock<Vec<Regime>> = LazyLock::new(|| {
    let mut report = Report::default();
    let root = yaml::read(FileId(0), TEXT, &mut report);
    root.as_ref()
        .and_then(|root| root.get("regimes"))
        .map_or(Vec::new(), |node| node.entries().iter().map(|entry| Regime::read(&entry.key, &entry.value)).collect())
});

impl Regime {
    fn read(name: &str, node: &Node) -> Self {
        let text = |key: &str| node.get(key).and_then(Node::text).unwrap_or_default();
        let list = |key: &str| -> Vec<String> {
            let items = node.get(key).map_or(&[][..], Node::items);
            items.iter().filter_map(Node::text).map(str::to_owned).collect()
        };
        Self {
            name: name.to_owned(),
            title: text("title").to_owned(),
            places: list("countries"),
            unless_refused: (text("unless_refused") != "all").then(|| list("unless_refused")),
            only_if_asked: list("only_if_asked"),
            backwards: text("withdrawal") != "onwards",
            days: Days::read(node.get("days")),
            since: text("since").to_owned(),
            signal: list("signal"),
            children: node.get("children").and_then(|node| {
                let age = u16::try_from(node.get("age")?.number()?.value.as_u64()?).ok()?;
                Some((age, node.get("rule")?.text()?.to_owned()))
            }),
            note: text("note").to_owned(),
            sources: list("sources"),
        }
    }

    /// Whether it holds at a place, such as `NL` or `US-CA`.
    #[must_use]
    pub fn holds_at(&self, place: &str) -> bool {
        let country = place.split('-').next().unwrap_or_default();
        self.places.iter().any(|it| it.eq_ignore_ascii_case(place) || it.eq_ignore_ascii_case(country))
    }

    fn allows(&self, purpose: &Purpose) -> bool {
        self.allows_kind(purpose.kind.as_deref())
    }

    /// Whether it allows purposes of a kind as long as somebody said nothing; `None` is of none of the kinds.
    #[must_use]
    pub fn allows_kind(&self, kind: Option<&str>) -> bool {
        let is_of = |kinds: &[String]| kind.is_some_and(|kind| kinds.iter().any(|it| it == kind));
        self.unless_refused.as_ref().is_none_or(|kinds| is_of(kinds)) && !is_of(&self.only_if_asked)
    }

    /// What it says of the purposes of a project.
    #[must_use]
    pub fn terms(&self, purposes: &[Purpose]) -> Terms {
        let set = |holds: &dyn Fn(&Purpose) -> bool| {
            purposes.iter().zip(0..32).filter(|(it, _)| holds(it)).fold(0_u32, |set, (_, bit)| set | 1 << bit)
        };
        let is_always = |it: &Purpose| it.kind.as_deref() == Some("necessary");
        Terms { unasked: set(&|it| self.allows(it)), backwards: set(&|it| self.backwards && !is_always(it)) }
    }
}

impl Days {
    fn read(node: Option<&Node>) -> Self {
        let number = |key: &str| u16::try_from(node?.get(key)?.number()?.value.as_u64()?).ok();
        Self {
            answer: number("answer").unwrap_or_default(),
            extension: number("extension").unwrap_or_default(),
            confirm: number("confirm"),
            opt_out: number("opt_out"),
        }
    }
}

impl Terms {
    /// What holds where both do.
    #[must_use]
    pub const fn strictest(self, other: Self) -> Self {
        Self { unasked: self.unasked & other.unasked, backwards: self.backwards | other.backwards }
    }
}

/// What holds at each place that one of these regimes names, and the strictest of all of them.
pub(super) fn resolve(regimes: &[&Regime], purposes: &[Purpose]) -> (BTreeMap<String, Terms>, Terms) {
    let strictest = |of: &mut dyn Iterator<Item = &&Regime>| {
        of.map(|regime| regime.terms(purposes)).reduce(Terms::strictest).unwrap_or_default()
    };
    let mut places = BTreeMap::new();
    for place in regimes.iter().flat_map(|regime| &regime.places) {
        let country = place.split('-').next().unwrap_or_default();
        let holds = |regime: &&&Regime| regime.places.iter().any(|it| it == place || it == country);
        places.insert(place.clone(), strictest(&mut regimes.iter().filter(holds)));
    }
    (places, strictest(&mut regimes.iter()))
}

#[cfg(test)]
mod tests {
    use super::super::KINDS;
    use super::*;

    #[test]
    fn what_is_shipped_is_whole() {
        assert_eq!((SHIPPED.len(), VERSION.len()), (12, 10));
        let known = |kind: &String| KINDS.iter().any(|word| word.word == kind) || kind == "children";
        for regime in &*SHIPPED {
            assert!(!regime.places.is_empty() && !regime.title.is_empty(), "{}", regime.name);
            assert!(regime.sources.iter().all(|it| it.starts_with("https://")) && !regime.sources.is_empty());
            assert!(regime.unless_refused.iter().flatten().chain(&regime.only_if_asked).all(known), "{}", regime.name);
            let is_code = |place: &String| {
                matches!(place.as_bytes(), [_, _] | [_, _, b'-', _, _]) && *place == place.to_uppercase()
            };
            assert!(regime.places.iter().all(is_code), "{:?}", regime.places);
            assert!(regime.since.len() == 10 && !regime.note.is_empty(), "{}", regime.name);
            assert!(regime.signal.iter().all(known), "{}: {:?}", regime.name, regime.signal);
            assert!((15..=90).contains(&regime.days.answer), "{}: {:?}", regime.name, regime.days);
        }
        let gdpr = &SHIPPED[0];
        assert_eq!(gdpr.places.len(), 30, "27 of the union and three of the area");
        assert!(gdpr.places.contains(&"NO".to_owned()), "Norway is no boolean");
        assert!(TEXT.contains("verify with counsel"));
    }

    #[test]
    fn the_strictest_wins() {
        let purposes: Vec<Purpose> = ["analytics", "marketing", "necessary", "sensitive"]
            .map(|kind| Purpose { name: kind.to_owned(), kind: Some(kind.to_owned()), ..Purpose::default() })
            .to_vec();
        let all: Vec<&Regime> = SHIPPED.iter().collect();
        let (places, otherwise) = resolve(&all, &purposes);
        let at = |place: &str| (places[place].unasked, places[place].backwards);
        assert_eq!(at("NL"), (0b0100, 0b1011));
        assert_eq!(at("US-CA"), (0b0111, 0));
        assert_eq!(at("CA"), (0b0101, 0), "implied, but for marketing");
        assert_eq!(at("CA-QC"), (0b0100, 0b1011), "as Canada allows and Quebec, too");
        assert_eq!((otherwise.unasked, otherwise.backwards), (0b0100, 0b1011));
    }
}
