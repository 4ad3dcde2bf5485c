//! What an editor asks about a project while somebody types: plain questions, plain answers, bytes for places.
//!
//! Texts are mostly broken while they are written. So nothing here needs a tree: `walk` reads the words of one rule from
//! its beginning and knows at each what it means and what may come next. YAML is read by the same tables that check it.
//!
//! INVARIANT: pure, and total: every offset of every text has an answer, which may be "nothing".

mod completion;
mod definition;
mod facts;
mod fixes;
mod folding;
mod hover;
mod references;
mod rename;
mod scenario;
mod symbols;
mod walk;
mod yaml;

pub use completion::{Completion, CompletionKind, complete};
pub use definition::definition;
pub use fixes::{Fix, fix};
pub use folding::{Fold, folds};
pub use hover::{Hover, hover};
pub use references::references;
pub use rename::{Edit, renamable, rename};
pub use symbols::{DocumentSymbol, symbols};

use crate::ir::{EventId, Program};
use crate::model::{Places, Plugins};
use crate::project::FileKind;
use crate::source::{FileId, SourceSet, Span};

/// A project as it stands, sound or not.
#[derive(Clone, Copy, Debug)]
pub struct Project<'p> {
    /// Its files.
    pub sources: &'p SourceSet,
    /// What they declare, as far as that could be read.
    pub program: &'p Program,
    /// Where.
    pub places: &'p Places,
    /// What its plugins say of themselves.
    pub plugins: &'p Plugins,
}

/// What a word means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Symbol {
    /// A segment, trait, journey … of the rules.
    Rule(String),
    /// An event.
    Event(EventId),
    /// A property of an event, by its keys.
    Property(EventId, Vec<String>),
    /// A trait of `profile.yaml`.
    Profile(String),
    /// A field of the context, keys joined by dots.
    Context(String),
    /// A function of the language.
    Function(String),
    /// What `as` calls an event, declared at these bytes of the same file.
    Alias(String, (usize, usize)),
    /// A destination.
    Destination(String),
}

/// A word that means something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occurrence {
    /// Where it is written.
    pub span: Span,
    /// What it means.
    pub symbol: Symbol,
    /// It is where that gets its name.
    pub declares: bool,
}

impl<'p> Project<'p> {
    fn text(&self, file: FileId) -> &'p str {
        self.sources.file(file).map_or("", |file| file.text.as_str())
    }

    fn kind(&self, file: FileId) -> FileKind {
        FileKind::of(self.sources.path(file))
    }

    /// All words of a file that mean something, in order.
    fn occurrences(&self, file: FileId) -> Vec<Occurrence> {
        match self.kind(file) {
            FileKind::Rules => walk::occurrences(self, file),
            kind => yaml::occurrences(self, file, &kind),
        }
    }

    /// What the word at an offset means; right behind a word counts as on it.
    #[must_use]
    pub fn symbol_at(&self, file: FileId, offset: usize) -> Option<Occurrence> {
        let on = |found: &Occurrence| (found.span.start as usize..=found.span.end as usize).contains(&offset);
        let found: Vec<Occurrence> = self.occurrences(file).into_iter().filter(on).collect();
        let starts =
            found.iter().position(|found| found.span.start as usize <= offset && offset < found.span.end as usize);
        found.into_iter().nth(starts.unwrap_or(0))
    }
}

/// The bytes of a file as a span.
const fn span(file: FileId, start: usize, end: usize) -> Span {
    Span { file, start: start as u32, end: end as u32 }
}
