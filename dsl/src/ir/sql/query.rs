//! A statement under construction, and how it is laid out as text.

use std::fmt;

/// A named part of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cte {
    /// Unique within the statement.
    pub name: String,
    /// What it is in the rule's own words.
    pub comment: String,
    /// Its SELECT.
    pub body: String,
}

/// One statement: common table expressions and a final SELECT.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// In order: each reads only those before it.
    pub ctes: Vec<Cte>,
    /// The outer SELECT.
    pub select: String,
}

impl Query {
    /// `wanted`, or that with the first number that makes it unique.
    pub(super) fn unique_name(&self, wanted: &str) -> String {
        let taken = |name: &str| {
            self.ctes.iter().any(|cte| cte.name == name)
                || matches!(name, "people" | "profile" | "consent" | "any_event" | "this_session")
                || name.starts_with("ev_")
        };
        if !taken(wanted) {
            return wanted.to_owned();
        }
        (2u32..).map(|number| format!("{wanted}_{number}")).find(|name| !taken(name)).unwrap_or_default()
    }

    /// Spells the names of its parts as the dialect needs them.
    pub(super) fn quote_names(&mut self, dialect: &dyn super::Dialect) {
        for cte in &mut self.ctes {
            cte.name = dialect.quote(&cte.name);
        }
    }

    pub(super) fn push(&mut self, name: String, comment: String, body: String) {
        self.ctes.push(Cte { name, comment, body });
    }
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, cte) in self.ctes.iter().enumerate() {
            f.write_str(if index == 0 { "WITH\n" } else { ",\n" })?;
            for line in cte.comment.lines() {
                writeln!(f, "  -- {line}")?;
            }
            writeln!(f, "  {} AS (", cte.name)?;
            for line in cte.body.lines() {
                writeln!(f, "    {line}")?;
            }
            f.write_str("  )")?;
        }
        if !self.ctes.is_empty() {
            f.write_str("\n")?;
        }
        f.write_str(&self.select)
    }
}
