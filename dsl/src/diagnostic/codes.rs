//! The registry: every code, its title, and its page (`sonder check --explain E0401` prints it).
//!
//! A code never changes its meaning; one that is no longer given stays reserved. By range: E01 reading YAML and its
//! limits, E02 names and types of the language, E03 its syntax, E04 files of a project and what they refer to,
//! E05 and W05 conditions that decide nothing, purposes and regions, E06
//! journeys, funnels, experiments, experiences and predictions, W09 warnings. Each page holds a wrong and a right example; the tests compile both.

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

/// Errors of projects that mean something, but nothing that anybody can have meant.
pub const NEVER_TRUE: [&str; 4] = [NEVER, CONTRADICTION, BEYOND_SCHEMA, ABSENCE_OUTSIDE];

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
    "E0201" NO_SUCH_EVENT "an event that no schema declares";
    "E0202" NO_SUCH_PROPERTY "a property or context field that does not exist";
    "E0203" NO_SUCH_NAME "a trait or segment that does not exist";
    "E0204" NEVER_EQUAL "a value that the schema does not allow";
    "E0205" TYPES_DIFFER "an operator between values that do not fit";
    "E0206" NO_SUCH_FUNCTION "a function that does not exist";
    "E0207" WRONG_ARGUMENT "an argument that the function does not take";
    "E0208" TRAIT_HISTORY "a window or an aggregate over a trait";
    "E0209" NOT_A_CONDITION "something other than true or false where a condition stands";
    "E0210" BRANCHES_DIFFER "an `if` whose branches have different types";
    "E0211" PERSONAL_DATA "personal data that a rule compares";
    "E0212" CIRCULAR "rules that need each other's value";
    "E0213" DUPLICATE_RULE "two rules of one name";
    "E0214" MOVING_TIME "arithmetic with `since(...)` that has no exact moment of change";
    "E0215" OUT_OF_PLACE "a value that is not there to be read";
    "E0216" WRONG_SEQUENCE "steps that make no sequence";
    "E0217" WRONG_MODIFIER "a window or `per` that does not belong there";
    "E0218" UNTYPED "a property without a type that rules can use";
    "E0219" WRONG_RENAME "an old name that a rule cannot have had";
    "E0220" WRONG_ROLLOUT "a change that cannot be rolled out to some people";
    "E0301" UNEXPECTED "text that the grammar does not allow there";
    "E0302" UNCLOSED "a bracket or quote without its partner";
    "E0303" WRONG_OPERATOR "an operator of another language";
    "E0304" WRONG_TEXT "a text that is not written between double quotes";
    "E0305" WRONG_DURATION "a length of time that cannot be read";
    "E0306" WRONG_NUMBER "a number that cannot be read";
    "E0307" WRONG_DATE "a date that cannot be read";
    "E0308" UNKNOWN_ITEM "a word that begins nothing";
    "E0309" NOT_IN_THIS_VERSION "a part of the language that this version does not have yet";
    "E0310" WRONG_CLAUSES "a segment without a condition, or with two";
    "E0311" WRONG_STATE "a test for something other than known or unknown";
    "E0312" CHAINED_COMPARISON "two comparisons in a row";
    "E0320" RULE_TOO_DEEP "a rule with too much inside each other";
    "E0321" TOO_MANY_ITEMS "a file with too many rules";
    "E0322" RULE_FILE_TOO_LARGE "a rule file with too many bytes";
    "E0323" TOO_MANY_STEPS "a sequence with too many steps";
    "E0324" LITERAL_TOO_LONG "a text, number or name that is too long";
    "E0325" TOO_MANY_RULES "a project whose rules are too many, or read too much";
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
    "E0412" NO_PSEUDONYM_KEY "pseudonyms without a key to make them with";
    "E0420" DUPLICATE_EVENT "an event name that two events have";
    "E0421" DUPLICATE_NAME "two files that declare the same name";
    "E0422" DUPLICATE_WRITE_KEY "a write key that is there twice";
    "E0423" DUPLICATE_COLUMN "two properties that differ only by upper and lower case";
    "E0424" DUPLICATE_COUNTRY "a country that is in two regions";
    "E0430" UNKNOWN_SEGMENT "a segment that is not declared";
    "E0431" UNKNOWN_TRAIT "a trait that is not declared";
    "E0432" UNKNOWN_EVENT "an event that is not declared";
    "E0433" UNKNOWN_SOURCE "a source that is not declared";
    "E0434" UNKNOWN_IDENTIFIER "an identifier that is not declared";
    "E0435" UNKNOWN_REQUIRED "a required property that is not declared";
    "E0436" AMBIGUOUS_TRAIT "a trait that is in the profile and among the rules";
    "E0437" UNKNOWN_JOURNEY "a journey that is not declared";
    "E0438" UNKNOWN_REGION "a region that is not declared";
    "E0440" BAD_SCHEMA "a schema keyword with a value it cannot have";
    "E0441" ENUM_TYPE "a value in `enum` that the type does not allow";
    "E0442" UNKNOWN_REF "a `$ref` that leads nowhere";
    "E0501" NEVER "a condition that can never hold";
    "E0502" CONTRADICTION "conditions that exclude each other";
    "E0503" BEYOND_SCHEMA "a comparison with a value that the schema never lets through";
    "E0504" ABSENCE_OUTSIDE "an absence that lasts as long as the window";
    "E0510" PURPOSE "data that a rule uses outside of its purposes";
    "E0511" DESTINATION_PURPOSE "data that a destination gets outside of its purposes";
    "E0512" UNKNOWN_PURPOSE "a purpose that consent.yaml does not declare";
    "E0513" TOO_MANY_PURPOSES "more purposes than a project may have";
    "E0514" NO_REGION "a destination that does not say in which region it is";
    "E0515" NO_RESIDENCE "people of whom nothing tells in which region they belong";
    "E0516" CROSSES_REGION "data that would leave its region";
    "E0517" SENT_PURPOSE "data that a journey sends outside of its purposes";
    "E0518" SENT_FOR_OTHERS "a destination that is not for the purpose of a journey";
    "E0519" SET_PURPOSE "a trait that may be used for more than what it is set from";
    "E0601" MISSING_CLAUSE "a clause that is missing";
    "E0602" SECOND_CLAUSE "a clause that is there twice";
    "E0603" MISPLACED_CLAUSE "a clause of the whole journey inside a block";
    "E0604" WRONG_WAIT "a wait that does not say all it needs to";
    "E0605" WRONG_SHARE "parts of the people that are not percentages of the whole";
    "E0606" WRONG_PARTS "branches or variants that are too few, or have one name";
    "E0607" WRONG_HOURS "hours that cannot be read";
    "E0608" WRONG_FIELDS "fields that are not written `name: value`";
    "E0609" DUPLICATE_FIELD "a field that is there twice";
    "E0610" WRONG_STATEMENT "a statement that is written in another way";
    "E0611" MISSING_THEN "steps or branches without `then` between them";
    "E0620" UNKNOWN_DESTINATION "a destination that is not declared";
    "E0621" UNKNOWN_ACTION "an action that the destination does not have";
    "E0622" UNKNOWN_FIELD "a field that the action does not take";
    "E0623" MISSING_FIELD "a field that the action needs";
    "E0624" WRONG_FIELD "a value that does not fit where it goes";
    "E0625" NOT_SETTABLE "a trait that a journey cannot set";
    "E0626" WRONG_EVENT "something other than an event where one is named";
    "E0627" WRONG_PER "`per` without a property of the entering event";
    "E0628" WRONG_OUTCOME "a label, goal or feature that can be none";
    "E0629" WRONG_FUNNEL "steps that make no funnel";
    "E0630" WRONG_BREAKDOWN "a value that figures cannot be broken down by";
    "E0631" WRONG_RECOMMEND "a recommendation that is not one";
    "E0632" NEVER_SENDS "hours that lie within the quiet hours";
    "E0640" JOURNEY_TOO_LONG "a journey with too many statements";
    "E0641" TOO_MANY_FIELDS "too many fields";
    "E0642" TOO_MANY_PARTS "too many branches, variants, goals or features";
    "W0501" ALWAYS "a condition that always holds";
    "W0502" DUPLICATE_CONDITION "a condition that is there twice";
    "W0503" DEAD_BRANCH "a branch that is never taken";
    "W0504" BEYOND_RETENTION "a window longer than events are kept";
    "W0505" NEVER_IN "a rule that reads another one that never holds";
    "W0506" DECIDED_TEST "a test for a value that is always known, or never";
    "W0510" NO_PURPOSES "data that does not say what it may be used for";
    "W0511" LONELY_PURPOSE "a purpose that one rule uses and nobody declares";
    "W0512" UNSAID_USE "a destination that does not say what it uses restricted data for";
    "W0601" NOT_RUN "something that is checked, but not run yet";
    "W0602" NEVER_REACHED "a statement that nobody comes to";
    "W0603" NOT_ASKED "a plugin that did not say what it takes";
    "W0604" IDLE_CAP "a cap for a destination that is not declared";
    "W0901" UNKNOWN_SCHEMA_KEYWORD "a schema keyword that is not known";
    "W0902" NO_EFFECT "a key that has no effect where it stands";
    "W0903" STRAY_FILE "a file that is not part of the project";
}
