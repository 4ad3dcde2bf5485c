//! The reference of the language, `dsl/REFERENCE.md`: made of the grammar, the type checker, the functions and the registry of
//! errors themselves, so that it can't say anything else than they do.
//!
//! `sonder docs language` prints it. The tests hold the file in the repository against it, and compile all its examples.

mod clauses;
mod configuration;
mod example;
mod grammar;
mod tables;

pub use clauses::{Clause, MODIFIERS, of_item};
pub use configuration::configuration;
pub use example::PROJECT;

use crate::diagnostic::codes;
use crate::ir::is_run;
use crate::syntax::ast::ItemKind;
use std::fmt::{self, Write};

/// The whole page, in Markdown.
#[must_use]
pub fn language() -> String {
    let mut page = String::new();
    // Writing into a string cannot fail.
    let _ = write(&mut page);
    page
}

fn write(page: &mut String) -> fmt::Result {
    page.push_str(INTRODUCTION);
    project(page)?;
    page.push_str("\n## What a file declares\n");
    for kind in ItemKind::ALL {
        item(page, kind)?;
    }
    page.push_str("\n## Types\n\n");
    tables::types(page)?;
    page.push_str("\n## Operators\n\n");
    tables::operators(page)?;
    page.push_str("\n## Functions\n");
    tables::functions(page)?;
    page.push_str("\n## Windows and groups\n\nBehind the arguments of a function, in any order.\n\n");
    clauses::table(page, MODIFIERS)?;
    page.push_str("\n## The context of an event\n\nInside `where`, and in what figures are broken down by.\n\n");
    tables::context(page)?;
    page.push_str("\n## Grammar\n");
    grammar::write(page)?;
    page.push_str("\n## Limits\n\nWhat is past one of these is an error that names it.\n\n");
    tables::limits(page)?;
    page.push_str(
        "\n## Errors and warnings\n\n`sonder check --explain CODE` prints a page with a wrong and a right example.\n\n",
    );
    page.push_str("| code | says |\n|---|---|\n");
    for row in codes::ALL {
        writeln!(page, "| {} | {} |", row.code, row.title)?;
    }
    Ok(())
}

const INTRODUCTION: &str = "\
# The Sonder language: reference

Made by `sonder docs language` from the compiler's own tables. `grammar/README.md` says what things mean where one might
wonder, `../tests/language/` shows it on data.

A file ends in `.sonder` and stands under `rules/`; it declares segments, traits and other items, in any order. `#` begins a
comment. White space and line breaks only separate. All items of a project share one space of names.

## The project of the examples

The examples below are about these files.
";

fn project(page: &mut String) -> fmt::Result {
    for (path, text) in PROJECT {
        write!(page, "\n```yaml {path}\n{text}```\n")?;
    }
    Ok(())
}

fn item(page: &mut String, kind: ItemKind) -> fmt::Result {
    let clauses::Item { meaning, clauses, example } = of_item(kind);
    let later = if is_run(kind) { "" } else { " Checked, not run by this version." };
    write!(page, "\n### `{}`\n\n{meaning}{later}\n\n", kind.word())?;
    if !clauses.is_empty() {
        clauses::table(page, clauses)?;
        page.push('\n');
    }
    write!(page, "```sonder\n{example}```\n")
}
