//! What the kit found.

use std::fmt;

/// All of it.
#[derive(Clone, Debug)]
pub struct Report {
    /// Name and version.
    pub plugin: String,
    /// What it says of itself, then file by file.
    pub sections: Vec<Section>,
}

/// Checks that belong together.
#[derive(Clone, Debug)]
pub struct Section {
    /// What they are about.
    pub title: String,
    /// In the order in which they were made.
    pub checks: Vec<Check>,
}

/// Something that a plugin must do.
#[derive(Clone, Debug)]
pub struct Check {
    /// What.
    pub name: String,
    /// What it does instead.
    pub problem: Option<String>,
}

impl Check {
    /// It holds, or else this is the problem.
    pub fn of(name: &str, holds: bool, problem: impl FnOnce() -> String) -> Self {
        Self { name: name.to_owned(), problem: (!holds).then(problem) }
    }

    /// It holds.
    #[must_use]
    pub fn passed(name: &str) -> Self {
        Self::of(name, true, String::new)
    }

    /// It does not.
    #[must_use]
    pub fn failed(name: &str, problem: String) -> Self {
        Self::of(name, false, || problem)
    }
}

impl Report {
    /// The checks that do not hold.
    pub fn failures(&self) -> impl Iterator<Item = &Check> {
        self.sections.iter().flat_map(|section| &section.checks).filter(|check| check.problem.is_some())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.plugin)?;
        for section in &self.sections {
            writeln!(f, "\n{}", section.title)?;
            for check in &section.checks {
                let Some(problem) = &check.problem else {
                    writeln!(f, "  ok    {}", check.name)?;
                    continue;
                };
                writeln!(f, "  FAIL  {}", check.name)?;
                for line in problem.lines() {
                    writeln!(f, "          {line}")?;
                }
            }
        }
        let failed = self.failures().count();
        let all: usize = self.sections.iter().map(|section| section.checks.len()).sum();
        match failed {
            0 => writeln!(f, "\n{all} checks passed"),
            _ => writeln!(f, "\n{failed} of {all} checks failed"),
        }
    }
}
