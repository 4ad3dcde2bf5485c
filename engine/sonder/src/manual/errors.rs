//! The pages of errors and warnings: those that `sonder check --explain` prints.

use sonder_dsl::diagnostic::codes;
use std::fmt::Write;

/// By path: a list of all codes, and a page for each.
pub(super) fn pages() -> Vec<(String, String)> {
    let mut list = "# Errors and warnings\n\nA code never changes its meaning. `sonder check --explain E0204` prints a page where you are.\n\n\
                    | code | says |\n|---|---|\n"
        .to_owned();
    for row in codes::ALL {
        // Writing into a text cannot fail.
        let _ = writeln!(list, "| [{0}](errors/{0}.md) | {1} |", row.code, row.title.replace('|', "\\|"));
    }
    let each = codes::ALL.iter().map(|row| (format!("errors/{}.md", row.code), row.page.to_owned()));
    std::iter::once(("errors.md".to_owned(), list)).chain(each).collect()
}
