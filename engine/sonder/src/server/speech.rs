//! What the API is told becomes a message of the log, which takes the road of every other.

use super::answers::Answers;
use serde_json::{Map, Value as Json};
use sonder_collect::{Intake, Received, Refused};
use sonder_console::engine::Trouble;
use sonder_core::message::{Addresses, Call, Envelope, Message, Timing, read};
use sonder_core::record::Event;
use sonder_dsl::ir::{Program, SourceId};
use sonder_dsl::model::SourceKind;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// A message that is about to be submitted.
pub(super) struct Spoken {
    pub message: Message,
    pub event: Event,
}

impl Answers {
    /// Makes a message of the API's own and governs it. What cannot be is refused, with this help.
    pub(super) fn speak(
        &self,
        program: &Arc<Program>,
        message: Map<String, Json>,
        call: Option<Call>,
        help: &str,
    ) -> Result<Spoken, Trouble> {
        let id = uuid::Uuid::new_v4().to_string();
        let Some(source) = source(program) else {
            let help = "declare one of kind `server` in sources/".to_owned();
            return Err(refused("the project has no source".to_owned(), help));
        };
        let envelope = Envelope {
            source,
            received_at: crate::pipeline::clock::wall(),
            timing: Timing::Live,
            future_tolerance: program.settings.future_tolerance,
            historical: false,
            call,
            sent_at: None,
            context: None,
            integrations: None,
            observed: None,
            addresses: Addresses::of(program, source, None),
            new_id: &|| id.clone(),
        };
        let governor = self.governor(program);
        let governed = read(message, &envelope).and_then(|message| {
            let (message, event) = governor.take_in(message)?;
            Ok(Spoken { message, event })
        });
        governed.map_err(|quarantined| {
            let why = quarantined.reasons.first().map(|reason| reason.message.clone()).unwrap_or_default();
            refused(why, help.to_owned())
        })
    }

    /// Returns when it is on the disk, with the id of the message.
    pub(super) fn submit(&self, program: &Arc<Program>, spoken: Spoken) -> Result<String, Trouble> {
        let id = spoken.message.message_id.clone();
        self.submit_all(program, vec![spoken]).map(|()| id)
    }

    /// The same for several.
    pub(super) fn submit_all(&self, program: &Arc<Program>, spoken: Vec<Spoken>) -> Result<(), Trouble> {
        let Some(entrance) = &self.entrance else { return Err(unavailable("the engine does not run")) };
        let received = spoken.into_iter().map(|Spoken { message, event }| Received::Message(message, event));
        let submitted = entrance.submit(program, received.collect());
        let accepted = tokio::runtime::Handle::current().block_on(submitted);
        accepted.map(drop).map_err(|refused: Refused| match refused {
            Refused::Overloaded { .. } => unavailable("too much is coming in"),
            Refused::Unavailable => unavailable("the log cannot be written"),
            Refused::ShuttingDown => unavailable("the engine is stopping"),
        })
    }
}

impl Answers {
    /// Waits until what is on the disk now is folded; not for ever.
    pub(super) fn await_folded(&self) {
        let (last, patience) = (self.store.last_seq().0, Instant::now() + FOLDED);
        while self.shared.gauges.folded_seq.load(Ordering::Acquire) < last && Instant::now() < patience {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// How long the fold may be behind before an answer does not wait for it.
const FOLDED: Duration = Duration::from_secs(2);

/// What speaks for the API: the first source that is a server's, for those are trusted with all identifiers.
fn source(program: &Program) -> Option<SourceId> {
    let of = |wanted: &dyn Fn(SourceKind) -> bool| program.sources.iter().position(|source| wanted(source.kind));
    let place = of(&|kind| kind == SourceKind::Server).or_else(|| of(&|_| true))?;
    Some(SourceId(u32::try_from(place).ok()?))
}

pub(super) fn refused(message: String, help: String) -> Trouble {
    Trouble::Refused { message, help }
}

pub(super) fn unavailable(reason: &str) -> Trouble {
    Trouble::Unavailable { reason: reason.to_owned(), retry_after_s: 1 }
}
