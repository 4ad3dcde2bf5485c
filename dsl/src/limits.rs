//! Every limit of the compiler, in one place: whatever a project holds, compiling it ends soon and in bounded memory.
//!
//! A project past a limit gets an error that names the limit; nothing is cut off silently.

/// Bytes in one YAML file.
pub const YAML_BYTES: usize = 1 << 20;

/// Levels of lists and maps inside each other, in one YAML file.
pub const YAML_DEPTH: usize = 32;

/// Scalars, lists and maps in one YAML file, as written.
pub const YAML_NODES: usize = 50_000;

/// Parser steps that aliases (`*name`) may add to one YAML file.
pub const YAML_ALIAS_STEPS: usize = 20_000;

/// Errors and warnings that one YAML file can give; the rest is counted.
pub const DIAGNOSTICS_PER_FILE: usize = 100;

/// Files in a project.
pub const PROJECT_FILES: usize = 20_000;

/// Bytes in all files of a project.
pub const PROJECT_BYTES: usize = 256 << 20;

/// Characters in a name: of an event, a source, a trait …
pub const NAME_CHARACTERS: usize = 120;

/// Characters of one source line that an error shows.
pub const EXCERPT_CHARACTERS: usize = 200;

/// Bytes that a compiled pattern may take; the regex crate's measure.
pub const PATTERN_BYTES: usize = 1 << 20;

/// Bytes of what takes the place of what a pattern matches.
pub const REPLACEMENT_BYTES: usize = 256;

/// Bytes of an identifier's value; a longer one identifies nobody.
pub const IDENTIFIER_BYTES: usize = 1024;

/// Identifiers in one group of `apart`, and such groups.
pub const APART: usize = 1_000;

/// Bytes in one `.sonder` file.
pub const RULE_FILE_BYTES: usize = 1 << 20;

/// Segments, traits and other items in one `.sonder` file.
pub const RULE_FILE_ITEMS: usize = 5_000;

/// Brackets and `if`s inside each other in one item.
pub const RULE_NESTING: usize = 64;

/// Levels of the tree that an expression makes; `a + b + c` has as many as it has operators.
pub const EXPRESSION_DEPTH: usize = 128;

/// Steps that looking for conditions which never hold may take in one rule; after them nothing more is said.
pub const SATISFIABLE_STEPS: u32 = 20_000;

/// Steps of a `sequence`, with the final `no X for d`.
pub const SEQUENCE_STEPS: usize = 16;

/// Bytes in one text that a rule writes out.
pub const LITERAL_BYTES: usize = 4_096;

/// Digits of one number that a rule writes out.
pub const LITERAL_DIGITS: usize = 28;

/// Longest duration in a rule, in days: a hundred years.
pub const DURATION_DAYS: i64 = 36_525;

/// Clauses and statements of one item that can't be read, before the rest of it is given up.
pub const FAULTY_CLAUSES: usize = 20;

/// Statements of a journey, those inside others included.
pub const STATEMENTS: usize = 500;

/// Fields of one `send` or `show`.
pub const FIELDS: usize = 100;

/// Branches of a `split`, variants of an experiment, arms of an experience.
pub const PARTS: usize = 100;

/// What a funnel is broken down by.
pub const BREAKDOWNS: usize = 8;

/// Goals of an experiment or a journey, exits of a journey, features of a prediction.
pub const LIST: usize = 100;

/// Parts that are written out into one rule with a purpose, of rules that have none.
pub const BOUND_NODES: usize = 20_000;

/// Purposes: what somebody said to all of them is a few words.
pub const PURPOSES: usize = 31;

/// Segments, computed traits, journeys and all else that rules declare in a project.
pub const RULES: usize = 20_000;

/// Aggregates and traits of the golden record that one rule reads, also through other rules.
pub const RULE_READS: usize = 1_000;

/// Properties of one event, or fields of the context, that rules read.
pub const SLOTS: usize = 4_096;
