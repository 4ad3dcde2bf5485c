//! Every bound on what the core keeps for one person. Where one is reached, the oldest is dropped and
//! [`State::dropped`](crate::state::State::dropped) counts it: a person can never cost more than a known amount.
//!
//! A comparison with a constant (`count(...) >= 3`) needs far less than these: its state is bounded by the constant.

/// Moments or values kept by one windowed aggregate.
pub const WINDOW_ENTRIES: usize = 10_000;

/// Different values that one `distinct` tells apart.
pub const DISTINCT_VALUES: usize = 10_000;

/// Different values that one `top` counts.
pub const TOP_VALUES: usize = 256;

/// Groups of one `per`.
pub const GROUPS: usize = 1_000;

/// Events kept by one sequence whose steps don't name each other's values.
pub const SEQUENCE_EVENTS: usize = 1_000;

/// Events kept by one sequence whose steps do: each start is followed by itself there, which is quadratic.
pub const CORRELATED_SEQUENCE_EVENTS: usize = 256;

/// Events of one person kept by one aggregate over `this session`.
pub const SESSION_EVENTS: usize = 2_000;

/// Steps of a sequence, its final absence included; more are a compile error long before.
pub const SEQUENCE_STEPS: usize = 32;

/// Values of one golden-record trait with the policy `union`.
pub const UNION_VALUES: usize = 100;

/// Identifiers of one person, whatever the project's own limits are. A link beyond it is refused.
pub const IDENTIFIERS: usize = 1_000;

/// Refused links remembered for one person, so that each is reported once and not with every message.
pub const REFUSALS: usize = 16;

/// Links of one identifier that a rule is against, kept in case that something becomes known that decides differently. One
/// more is forgotten.
pub const LOOSE_LINKS: usize = 1_000;

/// Events of one person kept for rules with a purpose, so that what people say later can change what those see. Beyond it
/// the older half counts as it does by then.
pub const KEPT_EVENTS: usize = 512;

/// Statements about consent of one person. Beyond it those go first that repeat the one before; never the last to a purpose, of
/// which there are 31, nor the last express one, nor the last that binds, of which there is one more.
pub const STATEMENTS: usize = 96;

/// Events that an explanation lists for one aggregate; it says how many more there are.
pub const EXPLAINED_EVENTS: usize = 20;

/// Different values of a `top` that an explanation shows with their counts.
pub const EXPLAINED_TALLY: usize = 3;

/// Parts of an explanation from which on the rules that it names are no longer taken apart.
pub const EXPLAINED_PARTS: usize = 400;

/// Rules inside rules that an explanation takes apart.
pub const EXPLAINED_DEPTH: usize = 16;

/// How often an explanation looks ahead for the moment at which a value changes by itself.
pub const EXPLAINED_MOMENTS: usize = 1_000;

/// Different conditions among which the smallest set is found by trying, where some stand in a rule more than once.
pub const EXHAUSTIVE_CONDITIONS: usize = 10;

/// Passages of one person through one journey at a time, where they are told apart by `per`, and as many that are over
/// are remembered. A person who has as many enters no more.
pub const JOURNEY_KEYS: usize = 100;

/// Schemas within the schema of one property that are looked at to see what it declares within; of what lies beyond, all is stored.
pub const SCHEMA_NODES: usize = 10_000;

/// How deep in such a schema. Beyond it, all is stored.
pub const SCHEMA_DEPTH: usize = 12;
