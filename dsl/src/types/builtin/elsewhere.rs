//! Functions that stand in some places only, and are typed there.

/// One of them.
#[derive(Clone, Copy, Debug)]
pub struct Elsewhere {
    /// What to type.
    pub name: &'static str,
    /// How it is called.
    pub signature: &'static str,
    /// What it takes.
    pub takes: &'static str,
    /// What it gives.
    pub gives: &'static str,
    /// What it means, and where it may stand.
    pub meaning: &'static str,
    /// An item that uses it.
    pub example: &'static str,
}

/// All of them, by name.
pub const ELSEWHERE: [Elsewhere; 2] = [
    Elsewhere {
        name: "consented",
        signature: "consented(purpose)",
        takes: "a purpose",
        gives: "bool",
        meaning: "Whether the person has consented to a purpose, as of now; where nothing was said, what the regime says.",
        example: "journey offers {\n  enter on order\n  exit when not consented(marketing)\n}",
    },
    Elsewhere {
        name: "recommend",
        signature: "recommend(kind, for what, how many)",
        takes: "a kind, a value, a number",
        gives: "products",
        meaning: "Products to show, in a field of `show`; the kinds are `also_viewed`, `also_bought`, `similar`, `for_you`.",
        example: "experience more {\n  otherwise show { products: recommend(also_viewed, last(view.product), 4) }\n}",
    },
];
