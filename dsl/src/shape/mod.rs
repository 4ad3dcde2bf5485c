//! What each kind of YAML file may look like: one table a kind, from which the file is checked, decoded and published.
//!
//! A table of [`Key`]s beside each type in [`model`](crate::model) says which keys there are and what they take.
//! [`check`] compares a file with it and reports everything that does not fit; decoding then only picks values and
//! never reports a shape again; [`json_schema`] prints the same table for editors. So the three cannot drift apart.

mod check;
mod fields;
mod format;
pub mod json_schema;
pub mod scalar;

pub use check::check;
pub(crate) use check::check_value;
pub use fields::Fields;
pub use format::Format;
pub(crate) use format::{blocked_pattern, compile_pattern};

/// What a value may be.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// One text of some format.
    Text(Format),
    /// One of these words.
    Word(&'static [Word]),
    /// `true` or `false`.
    Bool,
    /// A whole number from the first to the second.
    Integer(i64, i64),
    /// A number from 0 to 1.
    Probability,
    /// Items of one shape; the second says whether there must be one.
    List(&'static Shape, Filled),
    /// Names that the author chooses, each with a value of one shape.
    Map(Format, &'static Shape),
    /// Known keys.
    Object(&'static [Key]),
    /// One of several shapes, told apart by the kind of YAML value.
    Either(&'static [Shape]),
    /// A JSON Schema of a property, with Sonder's own keys; checked in [`model::schema`](crate::model::schema).
    Schema,
    /// The same for a trait of the golden record, with the keys of [`model::profile`](crate::model::profile).
    Trait,
    /// Anything.
    Json,
}

/// Whether a list may be empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filled {
    /// It may.
    MayBeEmpty,
    /// It may not.
    AtLeastOne,
}

/// A choice.
#[derive(Clone, Copy, Debug)]
pub struct Word {
    /// What to type.
    pub word: &'static str,
    /// What it means.
    pub doc: &'static str,
}

/// A key of an object.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// What to type.
    pub name: &'static str,
    /// What it takes.
    pub shape: Shape,
    /// Whether it must be there.
    pub required: bool,
    /// What it means, for editors.
    pub doc: &'static str,
}

impl Key {
    /// A key that may be left out.
    #[must_use]
    pub const fn optional(name: &'static str, shape: Shape, doc: &'static str) -> Self {
        Self { name, shape, required: false, doc }
    }

    /// A key that must be there.
    #[must_use]
    pub const fn required(name: &'static str, shape: Shape, doc: &'static str) -> Self {
        Self { name, shape, required: true, doc }
    }
}

impl Shape {
    /// Any text.
    pub const TEXT: Self = Self::Text(Format::Any);
    /// A name that the project declares.
    pub const NAME: Self = Self::Text(Format::Name);
    /// A list of names, which may be empty.
    pub const NAMES: Self = Self::List(&Self::NAME, Filled::MayBeEmpty);
    /// A list of texts, which may be empty.
    pub const TEXTS: Self = Self::List(&Self::TEXT, Filled::MayBeEmpty);
    /// A length of time.
    pub const DURATION: Self = Self::Text(Format::Duration);

    /// What to write there, in words: `a list`.
    #[must_use]
    pub fn expected(&self) -> String {
        match self {
            Self::Text(format) => format.expected().to_owned(),
            Self::Word(words) => {
                let quoted: Vec<_> = words.iter().map(|word| format!("`{}`", word.word)).collect();
                format::choices(&quoted)
            }
            Self::Bool => "`true` or `false`".to_owned(),
            Self::Integer(..) => "a whole number".to_owned(),
            Self::Probability => "a number from 0 to 1".to_owned(),
            Self::List(..) => "a list".to_owned(),
            Self::Map(..) | Self::Object(_) => "a map".to_owned(),
            Self::Either(shapes) => shapes.iter().map(Self::expected).collect::<Vec<_>>().join(", or "),
            Self::Schema | Self::Trait => "a schema, such as `{type: string}`".to_owned(),
            Self::Json => "anything".to_owned(),
        }
    }
}
