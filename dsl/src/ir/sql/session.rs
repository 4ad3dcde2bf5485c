//! `this session` as SQL: one row for everybody who is in the middle of one, saying with which event it began.

use super::Lowering;
use super::expression::context_column;
use crate::ir::SessionBounds;
use crate::types::context::CLIENT_SESSION_IDS;

const THIS_SESSION: &str = "this_session";

/// The condition on an event of a relation that is joined with [`Lowering::this_session`].
pub(super) fn inside() -> &'static str {
    "(occurred_at > begins_at OR (occurred_at = begins_at AND seq >= begins_seq))"
}

impl Lowering<'_> {
    /// The relation `(person, begins_at, begins_seq)`, made once for the statement.
    pub(super) fn this_session(&mut self, bounds: SessionBounds) -> String {
        let this_session = self.for_purpose(THIS_SESSION);
        if self.query.ctes.iter().any(|cte| cte.name == this_session) {
            return this_session;
        }
        let any_event = self.any_event();
        let (idle, max) = (self.dialect.interval(bounds.idle), self.dialect.interval(bounds.max));
        let seen_lately = self.query.unique_name("seen_lately");
        self.query.push(
            seen_lately.clone(),
            format!("who was seen no more than {} ago, and when last", bounds.idle),
            format!(
                "SELECT person, max(occurred_at) AS latest_at\nFROM {any_event}\nWHERE occurred_at >= {} - {idle}\nGROUP BY person",
                self.now
            ),
        );
        let client_session = CLIENT_SESSION_IDS.map(|path| {
            let keys: Vec<String> = path.split('.').map(str::to_owned).collect();
            self.dialect.quote(&context_column(&keys))
        });
        let client_session = client_session.join(", ");
        let pauses = self.query.unique_name("pauses");
        self.query.push(
            pauses.clone(),
            "their events, and whether a pause was before them".to_owned(),
            format!(
                "SELECT person, seq, occurred_at,\n  coalesce({client_session}) AS client_session,\n  coalesce(occurred_at > lag(occurred_at) OVER (PARTITION BY person ORDER BY occurred_at, seq) + {idle}, true) AS after_pause\nFROM {any_event}\nJOIN {seen_lately} USING (person)\nWHERE occurred_at >= latest_at - {max}"
            ),
        );
        let visits = self.query.unique_name("visits");
        self.query.push(
            visits.clone(),
            "the same, counted from pause to pause".to_owned(),
            format!(
                "SELECT person, seq, occurred_at, client_session, after_pause,\n  sum(CASE WHEN after_pause THEN 1 ELSE 0 END) OVER (PARTITION BY person ORDER BY occurred_at, seq) AS visit\nFROM {pauses}"
            ),
        );
        let starts = self.query.unique_name("session_starts");
        self.query.push(
            starts.clone(),
            "and whether the client, too, says that a session begins".to_owned(),
            format!(
                "SELECT person, seq, occurred_at, after_pause,\n  client_session <> last_value(client_session IGNORE NULLS) OVER (PARTITION BY person, visit ORDER BY occurred_at, seq ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS other_session\nFROM {visits}"
            ),
        );
        let begins_seq = self.dialect.latest("seq");
        self.query.push(
            this_session.clone(),
            "with which event the current session began".to_owned(),
            format!(
                "SELECT person, max(occurred_at) AS begins_at, {begins_seq} AS begins_seq\nFROM {starts}\nWHERE after_pause OR other_session\nGROUP BY person"
            ),
        );
        this_session
    }
}
