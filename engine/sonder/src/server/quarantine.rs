//! What becomes of messages that were kept aside: given up, or taken in after all: mended, governed by the version that runs, and logged with the id, the time and the
//! consent that they had.
//!
//! INVARIANT: a message is in the log once, however often and by how many it is asked for: replays take turns, a message whose id
//! is in the log is left out, and that it is no longer kept aside is one transaction with its row in the log.

use super::answers::{Answers, trouble};
use super::history::parsed;
use super::residents::{collects, lives};
use super::speech::{refused, unavailable};
use crate::pipeline::{Replay, Shared};
use serde_json::{Map, Value as Json};
use sonder_collect::{Received, Refused};
use sonder_console::engine::{
    QuarantineDismissed, QuarantineReason, QuarantineReplay, QuarantineReplayed, QuarantineSelection, ReasonCount,
    ReplayOutcome, ReplaySample, Trouble,
};
use sonder_core::consent::collection::{Collected, Question};
use sonder_core::govern::{Belongs, Governor};
use sonder_core::message::patch::Patch;
use sonder_core::message::{Addresses, Envelope, Message, Quarantined, Reason, Timing, code, read_again};
use sonder_core::record::{Event, Identifier, UNKNOWN_SOURCE};
use sonder_dsl::ir::{Program, SourceId};
use sonder_store::{QuarantineFilter, QuarantinedMessage, Resolution};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Messages that are read, governed and logged at a time.
const AT_A_TIME: usize = 500;
/// Messages that an answer shows.
const SAMPLES: usize = 20;

/// What a message is once it is mended and governed.
#[expect(clippy::large_enum_variant, reason = "it is taken apart at once, and nearly all are taken")]
enum Mended {
    Taken(Message, Event),
    WithoutConsent,
    Refused(Vec<Reason>),
}

/// What came of messages so far.
struct Tally {
    answer: QuarantineReplayed,
    reasons: BTreeMap<String, u64>,
}

impl Answers {
    pub(super) fn replay_kept_aside(&self, replay: &QuarantineReplay) -> Result<QuarantineReplayed, Trouble> {
        replay.patch.check().map_err(|error| {
            refused(
                error.to_string(),
                "a place is a JSON pointer into the message, such as `/properties/price`".to_owned(),
            )
        })?;
        // Two at a time would both find a message that is not in the log yet.
        let _turn = self.replaying.lock();
        let answer = QuarantineReplayed { dry_run: replay.dry_run, ..QuarantineReplayed::default() };
        let mut tally = Tally { answer, reasons: BTreeMap::new() };
        let next = self.pages(&replay.which, |page| self.replay_page(replay, page, &mut tally))?;
        Ok(tally.finish(next))
    }

    pub(super) fn dismiss_kept_aside(
        &self,
        which: &QuarantineSelection,
        dry_run: bool,
    ) -> Result<QuarantineDismissed, Trouble> {
        let _turn = self.replaying.lock();
        let program = self.shared.program.borrow().clone();
        let mut dismissed = 0;
        let next = self.pages(which, |page| {
            dismissed += page.len() as u64;
            let others = page.iter().map(|aside| (aside.id, Resolution::Dismissed)).collect();
            if dry_run { Ok(()) } else { self.enter(&program, Vec::new(), Replay { ids: Vec::new(), others }) }
        })?;
        Ok(QuarantineDismissed { dry_run, dismissed, next })
    }

    /// Goes through what is selected, a page at a time. Says where to go on if more are selected than are wanted at once.
    fn pages(
        &self,
        which: &QuarantineSelection,
        mut each: impl FnMut(Vec<QuarantinedMessage>) -> Result<(), Trouble>,
    ) -> Result<Option<u64>, Trouble> {
        let (mut after, mut left) = (which.after, which.limit);
        while left > 0 {
            let limit = left.min(AT_A_TIME);
            let filter = QuarantineFilter {
                reason: which.reason.clone(),
                source: which.source.clone(),
                name: which.name.clone(),
                ids: which.ids.clone(),
                before: None,
                limit,
            };
            let page = self.reader.kept_aside(&filter, after).map_err(trouble)?;
            let count = page.len();
            after = page.last().map_or(after, |last| last.id);
            each(page)?;
            if count < limit {
                return Ok(None);
            }
            left -= count;
        }
        Ok(Some(after))
    }

    /// One page, in one transaction.
    fn replay_page(
        &self,
        replay: &QuarantineReplay,
        page: Vec<QuarantinedMessage>,
        tally: &mut Tally,
    ) -> Result<(), Trouble> {
        let ids: Vec<&str> = page.iter().filter_map(|it| it.message_id.as_deref()).collect();
        let mut logged = self.reader.logged_ids(&ids).map_err(trouble)?;
        let program = self.shared.program.borrow().clone();
        let governor = self.governor(&program);
        let (mut batch, mut into) = (Vec::new(), Replay::default());
        tally.answer.matched += page.len() as u64;
        for aside in page {
            let mended = mend(&self.shared, &program, &governor, &aside, replay);
            let shown = || parsed(mended_text(&mended, &aside, &replay.patch));
            let (outcome, reasons) = match &mended {
                Mended::Taken(message, _) if logged.contains(&message.message_id) => {
                    (ReplayOutcome::Duplicate, &[][..])
                }
                Mended::Taken(_, event) if self.was_erased(&program, event) => (ReplayOutcome::Erased, &[][..]),
                Mended::Taken(..) => (ReplayOutcome::Replayed, &[][..]),
                Mended::WithoutConsent => (ReplayOutcome::WithoutConsent, &[][..]),
                Mended::Refused(reasons) => (ReplayOutcome::Refused, &reasons[..]),
            };
            tally.note(&aside, outcome, reasons, shown);
            match (outcome, mended) {
                (ReplayOutcome::Replayed | ReplayOutcome::Erased, Mended::Taken(message, event)) => {
                    logged.insert(message.message_id.clone());
                    into.ids.push(aside.id);
                    batch.push(Received::Message(message, event));
                }
                (ReplayOutcome::Duplicate, _) => into.others.push((aside.id, Resolution::Duplicate)),
                _ => {}
            }
        }
        if replay.dry_run { Ok(()) } else { self.enter(&program, batch, into) }
    }

    /// Has the writer log messages, and note what became of them where they were kept aside.
    fn enter(&self, program: &Arc<Program>, batch: Vec<Received>, into: Replay) -> Result<(), Trouble> {
        if into == Replay::default() {
            return Ok(());
        }
        let Some(entrance) = &self.entrance else { return Err(unavailable("the engine does not run")) };
        let entered = entrance.replay(program, batch, into);
        tokio::runtime::Handle::current().block_on(entered).map_err(|refused| match refused {
            Refused::Overloaded { .. } => unavailable("too much is coming in"),
            Refused::Unavailable => unavailable("the log cannot be written"),
            Refused::ShuttingDown => unavailable("the engine is stopping"),
        })
    }

    fn was_erased(&self, program: &Program, event: &Event) -> bool {
        let kinds = &program.identity.identifiers;
        let named = event.identifiers.iter();
        let named = named.filter_map(|it| Some((kinds.get(it.kind.index())?.name.as_str(), &*it.value)));
        self.shared.suppression.covers(named, event.occurred_at)
    }
}

/// Mends a message and reads it as if it had just come, but for its times.
fn mend(
    shared: &Shared,
    program: &Program,
    governor: &Governor,
    aside: &QuarantinedMessage,
    replay: &QuarantineReplay,
) -> Mended {
    let Ok(mut json) = serde_json::from_str::<Map<String, Json>>(&aside.payload) else {
        return Mended::Refused(vec![Reason {
            code: code::MALFORMED.to_owned(),
            path: None,
            message: "is not a JSON object, so that no patch can mend it".to_owned(),
        }]);
    };
    replay.patch.apply(&mut json);
    let named = program.sources.iter().position(|source| Some(&source.name) == aside.source.as_ref());
    let source = named.and_then(|place| u32::try_from(place).ok()).map_or(UNKNOWN_SOURCE, SourceId);
    let occurred_at = aside.occurred_at.filter(|_| !replay.patch.changes_time());
    let envelope = Envelope {
        source,
        received_at: aside.received_at,
        timing: if aside.historical { Timing::Imported } else { Timing::Live },
        future_tolerance: program.settings.future_tolerance,
        historical: aside.historical || replay.silent,
        call: None,
        sent_at: None,
        context: None,
        integrations: None,
        observed: None,
        addresses: Addresses::of(program, source, None),
        // A message without an id has the same one each time that it is tried.
        new_id: &|| format!("quarantine-{}-{}", aside.received_at.0, aside.id),
    };
    let read = read_again(json, occurred_at, &envelope);
    let known = |who: &[Identifier]| lives(&shared.live.read(), program, who);
    let read = match governor.belongs(&read, known, false) {
        Belongs::Here => read,
        Belongs::Nowhere => read.and_then(|message| Err(Governor::without_region(&message))),
        Belongs::Elsewhere(region) => {
            return Mended::Refused(vec![Reason {
                code: code::OTHER_REGION.to_owned(),
                path: None,
                message: format!("belongs to region `{region}`: send it to the engine there, and dismiss it here"),
            }]);
        }
    };
    let allowed = |question: &Question| collects(&shared.live.read(), program, question);
    let read = read.map(|message| governor.collect(message, allowed));
    let governed = match read {
        // What it answers was logged when it was kept aside.
        Ok(Collected::Withheld { anonymous: None, .. }) => return Mended::WithoutConsent,
        Ok(Collected::Withheld { anonymous: Some(message), .. }) => governor.take_in(*message),
        Ok(Collected::Kept(message)) => governor.take_in(message),
        Err(quarantined) => Err(quarantined),
    };
    match governed {
        Ok((message, event)) => Mended::Taken(message, event),
        Err(Quarantined { reasons, .. }) => Mended::Refused(reasons),
    }
}

/// The message as it is after the patch.
fn mended_text(mended: &Mended, aside: &QuarantinedMessage, patch: &Patch) -> String {
    if let Mended::Taken(message, _) = mended {
        return message.payload.to_string();
    }
    match serde_json::from_str::<Map<String, Json>>(&aside.payload) {
        Ok(mut json) => {
            patch.apply(&mut json);
            Json::Object(json).to_string()
        }
        Err(_) => aside.payload.clone(),
    }
}

impl Tally {
    fn note(
        &mut self,
        aside: &QuarantinedMessage,
        outcome: ReplayOutcome,
        reasons: &[Reason],
        payload: impl FnOnce() -> Json,
    ) {
        let answer = &mut self.answer;
        let count = match outcome {
            ReplayOutcome::Replayed => &mut answer.replayed,
            ReplayOutcome::Duplicate => &mut answer.duplicates,
            ReplayOutcome::Erased => &mut answer.erased,
            ReplayOutcome::WithoutConsent => &mut answer.without_consent,
            ReplayOutcome::Refused => &mut answer.refused,
        };
        *count += 1;
        let codes: BTreeSet<&str> = reasons.iter().map(|reason| reason.code.as_str()).collect();
        codes.into_iter().for_each(|code| *self.reasons.entry(code.to_owned()).or_default() += 1);
        if answer.samples.len() < SAMPLES && (answer.dry_run || outcome == ReplayOutcome::Refused) {
            let reasons = reasons.iter().map(|reason| QuarantineReason {
                code: reason.code.clone(),
                path: reason.path.clone(),
                message: reason.message.clone(),
            });
            answer.samples.push(ReplaySample {
                id: aside.id,
                name: aside.name.clone(),
                outcome,
                reasons: reasons.collect(),
                payload: payload(),
            });
        }
    }

    fn finish(self, next: Option<u64>) -> QuarantineReplayed {
        let mut reasons: Vec<ReasonCount> =
            self.reasons.into_iter().map(|(code, count)| ReasonCount { code, count }).collect();
        reasons.sort_by(|one, other| other.count.cmp(&one.count).then_with(|| one.code.cmp(&other.code)));
        QuarantineReplayed { reasons, next, ..self.answer }
    }
}
