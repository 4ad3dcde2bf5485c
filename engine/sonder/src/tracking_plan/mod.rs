//! A project's tracking plan as a site of static pages, for whoever sends events, uses them, or answers for them: what is
//! collected, what it means, who reads it, where it goes.
//!
//! The pages are a function of the compiled project: no clock, no chance, nothing from anywhere else. Each is complete in itself
//! (style and the few lines of script are inside), so that they can be opened from a disk, put on any server, or attached to
//! a build. Without the script everything can be read; with it, it can be searched.

mod destinations;
mod event;
mod html;
mod index;
mod items;
mod layout;
mod people;
mod privacy;
mod readers;
mod rules;
mod schema;

use readers::Readers;
use sonder_dsl::ir::Program;

/// What every page of a site has in its head: whoever makes the site again knows by it which files are its own.
pub const MARK: &str = "<meta name=\"generator\" content=\"sonder docs plan\">";

/// A file of the site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// From the folder of the site: `events/order_completed.html`.
    pub path: String,
    /// What it holds.
    pub html: String,
}

/// A project and who reads what of it.
struct Plan<'a> {
    program: &'a Program,
    readers: Readers,
}

/// All pages, `index.html` first.
#[must_use]
pub fn site(program: &Program) -> Vec<Page> {
    let plan = Plan { program, readers: Readers::of(program) };
    let mut pages = vec![
        Page { path: "index.html".to_owned(), html: index::page(&plan) },
        Page { path: "people.html".to_owned(), html: people::page(&plan) },
        Page { path: "rules.html".to_owned(), html: rules::page(&plan) },
        Page { path: "destinations.html".to_owned(), html: destinations::page(&plan) },
        Page { path: "privacy.html".to_owned(), html: privacy::page(&plan) },
    ];
    let events = (0..).zip(&program.events).map(|(id, event)| Page {
        path: format!("events/{}.html", event.name),
        html: event::page(&plan, sonder_dsl::ir::EventId(id), event),
    });
    pages.extend(events);
    pages
}

#[cfg(test)]
mod tests;
