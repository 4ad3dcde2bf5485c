//! Names of events as clients spell them, to declared types.

use crate::message::{Reason, code, read::shortened};
use rustc_hash::FxHashMap;
use sonder_dsl::ir::{EventId, Program};
use sonder_dsl::model::fold_event_name;

/// How alike two names must be for one to be suggested, from 0 to 1.
const ALIKE: f64 = 0.7;

/// Every name and alias, folded, and the usual spellings of them, which need no folding.
pub(super) struct Naming {
    folded: FxHashMap<String, EventId>,
    spellings: FxHashMap<String, EventId>,
    /// The declared names, sorted: what is suggested.
    declared: Vec<String>,
}

impl Naming {
    pub(super) fn new(program: &Program) -> Self {
        let folded: FxHashMap<_, _> = program.event_names.iter().map(|(name, id)| (name.clone(), *id)).collect();
        let mut spellings = folded.clone();
        let written = program.events.iter().flat_map(|event| event.title.iter().chain(&event.aliases));
        for name in written.cloned().chain(program.event_names.keys().map(|name| in_title_case(name))) {
            // Only what folds to a declared name: a title may be any text.
            if let Some(id) = folded.get(&fold_event_name(&name)) {
                spellings.insert(name, *id);
            }
        }
        Self { folded, spellings, declared: program.events.iter().map(|event| event.name.clone()).collect() }
    }

    /// The type that is sent under `name`.
    pub(super) fn find(&self, name: &str) -> Option<EventId> {
        self.spellings.get(name).or_else(|| self.folded.get(&fold_event_name(name))).copied()
    }

    /// Says that there is no such type, and what may have been meant.
    pub(super) fn undeclared(&self, name: &str) -> Reason {
        let folded = fold_event_name(name);
        let closest = self
            .declared
            .iter()
            .map(|declared| (strsim::normalized_damerau_levenshtein(&shortened(&folded), declared), declared))
            .filter(|(likeness, _)| *likeness >= ALIKE)
            .max_by(|(a, x), (b, y)| a.total_cmp(b).then_with(|| y.cmp(x)));
        let mut message = format!("no event `{}` is declared", shortened(name));
        if let Some((_, declared)) = closest {
            message.push_str(&format!(", did you mean `{declared}`?"));
        }
        Reason::new(code::UNDECLARED_EVENT, "/event", message)
    }
}

/// `product_viewed` as `Product Viewed`.
fn in_title_case(folded: &str) -> String {
    let mut title = String::with_capacity(folded.len());
    let mut starts_word = true;
    for character in folded.chars() {
        if character == '_' {
            title.push(' ');
        } else if starts_word {
            title.extend(character.to_uppercase());
        } else {
            title.push(character);
        }
        starts_word = character == '_';
    }
    title
}
