//! The audit log: who read about people, took data away or changed something, through the API.

use super::{Known, PAGE};
use crate::cli::client::{Client, block_on};
use crate::cli::output::{Failure, Output};
use crate::cli::reach::Place;
use serde_json::Value as Json;
use sonder_console::audit::{Audited, Check, Page, lines_of};

/// Goes through all of it.
pub(super) fn verify(place: &Place, known: Option<&Known>, output: &mut Output<'_>) -> Result<(), Failure> {
    let (mut check, mut next) = (Check::default(), 0);
    let mut is_known = known.is_none_or(|known| known.number == 0);
    loop {
        let page = page(place, next)?;
        for entry in &page.entries {
            let is_next = check.takes(entry);
            let (begin, chain) = (check.begins_behind(), check.chain());
            if let Some(known) = known.filter(|known| !is_known && known.number == begin.number) {
                is_known = true;
                known.is(&begin.head)?;
            }
            if !is_next {
                let number = chain.number + 1;
                let message =
                    format!("entry {number} of the audit log is not what was written, or one before it is missing");
                return Err(
                    Failure::user(message).help("compare with a backup; whatever comes before that entry is sound")
                );
            }
            if let Some(known) = known.filter(|known| known.number == chain.number) {
                is_known = true;
                known.is(&chain.head)?;
            }
        }
        next = page.next;
        if !page.has_more {
            break;
        }
    }
    let (begin, chain) = (check.begins_behind(), check.chain());
    if !check.is_whole() {
        let message = format!(
            "the audit log begins with entry {}, and no entry says that those before were let go",
            begin.number + 1
        );
        return Err(Failure::user(message).help("its beginning was cut off: compare with a backup"));
    }
    if !is_known {
        return Err(match known {
            Some(known) if known.number < begin.number => {
                let message = format!(
                    "entry {} of the audit log is kept no longer: it begins with entry {}",
                    known.number,
                    begin.number + 1
                );
                Failure::user(message).help(
                    "give an entry that a later run printed; `retention` of sonder.yaml says how long they are kept",
                )
            }
            known => Known::missing(known, chain.number),
        });
    }
    let gone =
        if begin.number > 0 { format!("; those up to {} are kept no longer", begin.number) } else { String::new() };
    output.line(format!("{} entries of the audit log, each as it was written{gone}", chain.number - begin.number))?;
    output.line(format!("audit:{chain}"))
}

/// Shows the newest entries, or those about somebody.
pub(super) fn list(place: &Place, who: Option<&str>, limit: usize, output: &mut Output<'_>) -> Result<(), Failure> {
    let entries = block_on(async {
        match (place.engine().await?, who) {
            (Some(client), Some(who)) => about(&client, who).await,
            (Some(client), None) => Ok(answered(&client.get(&format!("/api/v1/audit?limit={limit}")).await?)?.entries),
            (None, None) => Ok(all_at_rest(place)?),
            (None, Some(_)) => Err(Failure::user("no engine runs on this data")
                .help("only an engine knows whom an entry is about: start it with `sonder run`")),
        }
    })?;
    if entries.is_empty() {
        return output.line("no entry");
    }
    for Audited { number, at, deed, .. } in &entries[entries.len().saturating_sub(limit)..] {
        let status = deed.status.map_or_else(|| "begun".to_owned(), |status| status.to_string());
        let actor = deed.name.as_deref().unwrap_or(&deed.actor);
        let subject =
            deed.subject.as_deref().map_or_else(String::new, |it| format!("  of {}", &it[..it.len().min(12)]));
        let about = deed.about.as_deref().map_or_else(String::new, |it| format!("  {it}"));
        output.line(format!(
            "{number:>6}  {at}  {:<6}  {}  {status}  by {actor}{subject}{about}",
            deed.kind.name(),
            deed.operation
        ))?;
    }
    Ok(())
}

async fn about(client: &Client, who: &str) -> Result<Vec<Audited>, Failure> {
    let who = crate::cli::person::path_segment(who);
    let (mut entries, mut next) = (Vec::new(), 0);
    loop {
        let page = answered(&client.get(&format!("/api/v1/audit?after={next}&who={who}")).await?)?;
        entries.extend(page.entries);
        next = page.next;
        if !page.has_more {
            return Ok(entries);
        }
    }
}

fn all_at_rest(place: &Place) -> Result<Vec<Audited>, Failure> {
    let (mut entries, mut next) = (Vec::new(), 0);
    loop {
        let page = at_rest(place, next)?;
        entries.extend(page.entries);
        next = page.next;
        if !page.has_more {
            return Ok(entries);
        }
    }
}

fn page(place: &Place, after: u64) -> Result<Page, Failure> {
    let engine = block_on(place.engine())?;
    match engine {
        Some(client) => block_on(async {
            answered(&client.get(&format!("/api/v1/audit?after={after}&limit={PAGE_OF_API}")).await?)
        }),
        None => at_rest(place, after),
    }
}

/// What the API gives at a time.
const PAGE_OF_API: usize = sonder_console::limits::PAGE_MOST;

fn at_rest(place: &Place, after: u64) -> Result<Page, Failure> {
    let limit = usize::try_from(PAGE).unwrap_or(usize::MAX);
    lines_of(&place.data, after, limit)
        .map_err(|error| Failure::user(format!("the audit log in `{}` cannot be read: {error}", place.data.display())))
}

fn answered(answer: &Json) -> Result<Page, Failure> {
    let wrong = || Failure::engine("the engine's answer is no page of the audit log");
    let entries = serde_json::from_value(answer["entries"].clone()).map_err(|_| wrong())?;
    let next = answer["next"].as_str().and_then(|next| next.parse().ok()).ok_or_else(wrong)?;
    Ok(Page { entries, next, has_more: answer["has_more"] == true, ..Page::default() })
}
