//! The reference of the regimes: what is shipped of the law of each place, and where it is written.

use super::page::cell;
use sonder_dsl::model::consent::KINDS;
use sonder_dsl::model::consent::regime::{Regime, SHIPPED, VERSION};
use std::fmt::Write;

pub(super) fn page() -> String {
    let mut page = format!(
        "# Regimes\n\nWhat the law of a place says of people who were not asked, and of those who withdraw, as this version of Sonder \
         applies it: as of {}. [Respect consent](../how-to/consent.md) says how a project uses it.\n\n\
         **This is no legal advice. Verify with counsel, for every purpose and place, before you rely on it.**\n\n\
         Where several regimes hold at one place, the strictest wins for each purpose. A purpose of no kind is allowed only where all kinds \
         are. `otherwise` in `consent.yaml` names the regime where nothing says where somebody lives; it is the strictest of all where \
         that is left out.\n\n| regime | is | holds in |\n|---|---|---|\n",
        *VERSION
    );
    for regime in &*SHIPPED {
        // Writing into a text cannot fail.
        let name = &regime.name;
        let _ = writeln!(page, "| [`{name}`](#{name}) | {} | {} |", cell(&regime.title), regime.places.join(", "));
    }
    SHIPPED.iter().for_each(|regime| one(&mut page, regime));
    page
}

fn one(page: &mut String, regime: &Regime) {
    let _ = write!(page, "\n## {}\n\n{}.\n\n| | |\n|---|---|\n", regime.name, regime.title);
    let mut row = |name: &str, value: &str| _ = writeln!(page, "| {name} | {} |", cell(value));
    row("holds in", &regime.places.join(", "));
    row("since", &regime.since);
    let listed = |allowed: bool| {
        let kinds = KINDS.iter().map(|it| it.word).filter(|kind| regime.allows_kind(Some(kind)) == allowed);
        let kinds: Vec<String> = kinds.map(|kind| format!("`{kind}`")).collect();
        if kinds.is_empty() { "nothing".to_owned() } else { kinds.join(", ") }
    };
    row("allowed until somebody refuses", &listed(true));
    row("only with a yes", &listed(false));
    let taken_back = if regime.backwards { "takes back what was allowed before" } else { "holds from then on" };
    row("who withdraws", taken_back);
    row("Global Privacy Control", &signal(regime));
    row("requests of people", &deadlines(regime));
    if let Some((age, rule)) = &regime.children {
        row("children", &format!("below {age}: {rule}; a project has to see to that itself"));
    }
    row("note", &regime.note);
    let sources: Vec<String> = regime.sources.iter().map(|it| format!("<{it}>")).collect();
    row("written at", &sources.join(", "));
}

fn signal(regime: &Regime) -> String {
    if regime.signal.is_empty() {
        return "is not prescribed; it refuses what `gpc` of a purpose says all the same".to_owned();
    }
    let kinds: Vec<String> = regime.signal.iter().map(|kind| format!("`{kind}`")).collect();
    format!("refuses {}", kinds.join(", "))
}

fn deadlines(regime: &Regime) -> String {
    let days = &regime.days;
    let mut said = vec![format!("answered within {} days", days.answer)];
    if days.extension > 0 {
        said.push(format!("which may be put off once by {}", days.extension));
    }
    said.extend(days.confirm.map(|days| format!("confirmed within {days}")));
    said.extend(days.opt_out.map(|days| format!("sale stops within {days}")));
    said.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_regime_is_told_with_where_it_is_written() {
        let page = page();
        for regime in &*SHIPPED {
            assert!(page.contains(&format!("\n## {}\n\n{}.", regime.name, regime.title)), "{}", regime.name);
            assert!(regime.sources.iter().all(|source| page.contains(&format!("<{source}>"))), "{}", regime.name);
        }
        assert!(page.contains("Verify with counsel") && page.contains(&*VERSION));
        let ccpa = page.split("\n## ccpa\n").nth(1).unwrap().split("\n## ").next().unwrap();
        for row in [
            "| holds in | US-CA |",
            "| only with a yes | `sensitive` |",
            "| who withdraws | holds from then on |",
            "| Global Privacy Control | refuses `advertising`, `sale`, `targeting` |",
            "| requests of people | answered within 45 days, which may be put off once by 45, confirmed within 10, sale stops within 15 |",
        ] {
            assert!(ccpa.contains(row), "{row}: {ccpa}");
        }
    }
}
