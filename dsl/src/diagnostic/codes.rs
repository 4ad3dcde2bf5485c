//! The registry: every code, its title, and its page (`sonder check --explain E0401` prints it).
//!
//! A code never changes its meaning; one that is no longer given stays reserved. By range: E01 reading YAML and its
//! limits, E02 names and types of the language, E03 its syntax, E04 files of a project and what they refer to, W09
//! warnings. Each page holds a wrong and a right example; the tests compile both.

/// A row of the registry.
#[derive(Clone, Copy, Debug)]
pub struct Code {
    /// `E0401`
    pub code: &'static str,
    /// What it says, in a few words.
    pub title: &'static str,
    /// Markdown: what it means, a wrong and a right example.
    pub page: &'static str,
}

/// The row of a code; letters in any case.
#[must_use]
pub fn find(code: &str) -> Option<&'static Code> {
    ALL.iter().find(|row| row.code.eq_ignore_ascii_case(code))
}

macro_rules! codes {
    ($($code:literal $name:ident $title:literal;)+) => {
        $(#[doc = concat!("`", $code, "`: ", $title)] pub const $name: &str = $code;)+

        /// All codes, in order.
        pub const ALL: &[Code] = &[
            $(Code { code: $code, title: $title, page: include_str!(concat!("pages/", $code, ".md")) },)+
        ];
    };
}

codes! {
    "E0101" YAML_SYNTAX "text that is not YAML";
    "E0102" YAML_TOO_LARGE "a YAML file with too many bytes";
    "E0103" YAML_TOO_DEEP "lists and maps too deep inside each other";
    "E0104" YAML_TOO_MANY_NODES "a YAML file with too many values";
    "E0105" YAML_ALIASES "aliases that make a YAML file too long";
    "E0106" DUPLICATE_KEY "a key that is there twice";
    "E0107" YAML_UNKNOWN_ANCHOR "an alias without an anchor";
    "E0108" YAML_DOCUMENTS "two documents in one file";
    "E0109" YAML_TAG "a YAML tag";
    "E0110" PROJECT_TOO_LARGE "a project with too many files or bytes";
    "E0111" TOO_MANY_PROBLEMS "more problems in a file than are shown";
    "E0401" UNKNOWN_KEY "a key that is not known";
    "E0402" WRONG_TYPE "a value of the wrong type";
    "E0403" MISSING_KEY "a key that is missing";
    "E0404" UNKNOWN_WORD "a word that is not one of the choices";
    "E0405" BAD_VALUE "a value that does not fit its key";
    "E0406" BAD_NAME "a name that cannot be one";
    "E0407" BAD_DURATION "a length of time that cannot be read";
    "E0408" BAD_RATE "a rate that cannot be read";
    "E0409" BAD_TIME_ZONE "a time zone that is not known";
    "E0410" BAD_PATTERN "a pattern that cannot be used";
    "E0411" MISSING_SETTINGS "a project without sonder.yaml";
    "E0420" DUPLICATE_EVENT "an event name that two events have";
    "E0421" DUPLICATE_NAME "two files that declare the same name";
    "E0422" DUPLICATE_WRITE_KEY "a write key that is there twice";
    "E0423" DUPLICATE_COLUMN "two properties that differ only by upper and lower case";
    "E0430" UNKNOWN_SEGMENT "a segment that is not declared";
    "E0431" UNKNOWN_TRAIT "a trait that is not declared";
    "E0432" UNKNOWN_EVENT "an event that is not declared";
    "E0433" UNKNOWN_SOURCE "a source that is not declared";
    "E0434" UNKNOWN_IDENTIFIER "an identifier that is not declared";
    "E0435" UNKNOWN_REQUIRED "a required property that is not declared";
    "E0436" AMBIGUOUS_TRAIT "a trait that is in the profile and among the rules";
    "E0440" BAD_SCHEMA "a schema keyword with a value it cannot have";
    "E0441" ENUM_TYPE "a value in `enum` that the type does not allow";
    "E0442" UNKNOWN_REF "a `$ref` that leads nowhere";
    "W0901" UNKNOWN_SCHEMA_KEYWORD "a schema keyword that is not known";
    "W0902" NO_EFFECT "something that has no effect in this version";
    "W0903" STRAY_FILE "a file that is not part of the project";
}
