//! Folding the log again: at every start from the last checkpoint, and from the beginning when a new version of the
//! project asks for history that no checkpoint has.
//!
//! Reading the log, making messages and events of it, and folding them run beside each other. The order is kept: pages
//! go to the governors in turn, and are taken back in turn.

use super::shared::Live;
use super::{limits, recall};
use sonder_core::effect::Effects;
use sonder_core::govern::Governor;
use sonder_core::message::{Message, from_log};
use sonder_core::record::{Event, Fact, Record, Seq, UNKNOWN_SOURCE};
use sonder_dsl::ir::{Program, SourceId};
use sonder_store::{LoggedMessage, Reader, StoreError};
use std::sync::mpsc::{Receiver, sync_channel};

/// Threads that read and govern; more than two have nothing to do, because folding is the rest of the work.
const GOVERNORS: usize = 2;
/// Pages that wait for one of them.
const PAGES_AHEAD: usize = 2;

/// Why the log could not be folded again.
#[derive(Debug, thiserror::Error)]
pub enum RefoldError {
    /// The log could not be read.
    #[error("the log cannot be read: {0}")]
    Store(#[from] StoreError),
    /// Somebody's state was not in memory.
    #[error("a state with spilled people cannot be refolded")]
    Spilled,
}

/// A page of the log, governed; the last record's place, whether or not it was accepted.
type Page = Result<Vec<Record>, StoreError>;

/// Takes the records after the state's own place into it, up to `last` or the end of the log. What each step brings about
/// is given to `see` with its place. Returns how many records were taken in.
///
/// A record that the program no longer accepts is left out.
///
/// # Errors
/// When the log cannot be read. The state is as of some record then.
pub fn refold(
    reader: &Reader,
    live: &mut Live,
    last: Option<Seq>,
    see: &mut dyn FnMut(&mut Effects, Seq),
) -> Result<u64, RefoldError> {
    let Live { program, state } = live;
    let from = state.as_of().0;
    let program = &**program;
    std::thread::scope(|scope| {
        let mut inputs = Vec::new();
        let mut outputs: Vec<Receiver<Page>> = Vec::new();
        for _ in 0..GOVERNORS {
            let (input, pages) = sync_channel::<Result<Vec<LoggedMessage>, StoreError>>(PAGES_AHEAD);
            let (output, governed) = sync_channel::<Page>(PAGES_AHEAD);
            inputs.push(input);
            outputs.push(governed);
            scope.spawn(move || {
                let governor = Governor::new(program);
                for page in pages {
                    let governed =
                        page.map(|page| page.iter().filter_map(|logged| record(program, &governor, logged)).collect());
                    if output.send(governed).is_err() {
                        return;
                    }
                }
            });
        }
        scope.spawn(move || {
            let mut after = from;
            for input in inputs.iter().cycle() {
                let page = reader.log_after(after, page_limit(after, last));
                let next = page.as_ref().ok().and_then(|page| page.last()).map(|logged| logged.seq);
                let is_empty = next.is_none() && page.is_ok();
                let failed = page.is_err();
                if is_empty || input.send(page).is_err() || failed {
                    return;
                }
                after = next.unwrap_or(after);
            }
        });
        let mut effects = Effects::default();
        let mut count = 0;
        for governed in outputs.iter().cycle() {
            // The first governor without a page has none because the log has ended.
            let Ok(page) = governed.recv() else { return Ok(count) };
            for record in page? {
                while let Err(missing) = state.step(program, &record, &mut effects) {
                    if !missing.people.is_empty() {
                        return Err(RefoldError::Spilled);
                    }
                    let records = recall::carrying(reader, program, &missing.histories, record.seq)?;
                    state.recall(missing.histories, records);
                }
                see(&mut effects, record.seq);
                count += 1;
            }
        }
        Ok(count)
    })
}

/// The log is dense: a page ends where the caller wants the end to be.
fn page_limit(after: Seq, last: Option<Seq>) -> usize {
    let rest = last.map_or(u64::MAX, |last| last.0.saturating_sub(after.0));
    limits::REFOLD_PAGE.min(usize::try_from(rest).unwrap_or(usize::MAX))
}

/// The record that a logged message is under a program. What came from a source that is no more still counts.
///
/// An erased one moves time on, and nothing else.
pub fn record(program: &Program, governor: &Governor, logged: &LoggedMessage) -> Option<Record> {
    if logged.payload.is_empty() {
        let event = Event { source: UNKNOWN_SOURCE, occurred_at: logged.received_at, ..Event::nothing() };
        return Some(Record { seq: logged.seq, received_at: logged.received_at, fact: Fact::Event(event) });
    }
    let event = governor.govern(&message(program, logged)?).ok()?;
    Some(Record { seq: logged.seq, received_at: logged.received_at, fact: Fact::Event(event) })
}

/// The message that was logged; `None` where an erased one was.
pub(super) fn message(program: &Program, logged: &LoggedMessage) -> Option<Message> {
    let source = program.sources.iter().position(|source| *source.name == *logged.source);
    let source = source.and_then(|place| u32::try_from(place).ok()).map_or(UNKNOWN_SOURCE, SourceId);
    from_log(&logged.payload, source, logged.occurred_at, logged.received_at, logged.historical).ok()
}
