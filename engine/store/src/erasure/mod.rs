//! Erasure: what somebody's identifiers are found in goes, and then the bytes go, too.
//!
//! It has steps, for DuckDB leaves what it deletes in blocks that are free.
//!
//! | step | what is done | state |
//! |---|---|---|
//! | [`Store::strike`] | one transaction: rows go, their messages leave empty places in the log | `struck` |
//! | [`Store::rewrite`] | all files are copied without free blocks, and take the place of the old ones | `erased` |
//! | the same once more | where destinations had not been told by then, what told them goes as well | `completed` |
//!
//! Between them the pipeline makes the state anew. INVARIANT: `struck` stands in the file, with what is still to be looked for,
//! until the file without it takes its place: a crash at any moment leaves either the whole of it or a step to do again.
//! The keys that somebody's personal data was sealed with are destroyed behind the first step, see [`seal`](crate::seal): where a
//! crash comes between, with [`Store::strike_decisions`], which every erasure comes to.
//! The log stays dense: an empty place has a `seq` and the time of its receipt, and folds into nothing.

mod rewrite;
mod search;
mod strike;
mod suppression;
mod tell;
mod waiting;

pub(crate) use strike::empty;
pub use suppression::Suppression;
pub use tell::ToldErasure;
pub(crate) use tell::{forget as forget_told, keep as keep_told};
pub use waiting::{Amended, Waiting};

use crate::database::{Role, identifier};
use crate::seal::{Sealing, destroy_unused};
use crate::typed::Catalog;
use crate::{LoggedMessage, Reader, Store, StoreError};
use duckdb::{Connection, params};
use serde::{Deserialize, Serialize};
use sonder_core::effect::{Delivery, PersonId};
use sonder_core::erasure::Names;
use sonder_dsl::time::Moment;
use std::sync::atomic::Ordering;

/// The call of an empty place in the log.
pub const ERASED: &str = "erased";

pub(crate) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS erasures(
    id VARCHAR, requested_at TIMESTAMP, state VARCHAR, erased_at TIMESTAMP, messages UBIGINT, redacted UBIGINT,
    target VARCHAR);
ALTER TABLE erasures ADD COLUMN IF NOT EXISTS completed_at TIMESTAMP;
ALTER TABLE erasures ADD COLUMN IF NOT EXISTS cause VARCHAR;
ALTER TABLE erasures ADD COLUMN IF NOT EXISTS counts VARCHAR;
COMMENT ON TABLE erasures IS 'what went before its person did, or with them, and how far that is: struck, erased';
COMMENT ON COLUMN erasures.cause IS 'retention where the time of data was over; empty where somebody asked';
COMMENT ON COLUMN erasures.counts IS 'what went as its time was over, as JSON';
COMMENT ON COLUMN erasures.target IS 'whom, as long as it is not done; empty then';

CREATE TABLE IF NOT EXISTS erasure_deliveries(
    erasure VARCHAR, destination VARCHAR, delivery UUID, state VARCHAR, attempts UINTEGER, detail VARCHAR,
    ended_at TIMESTAMP);
COMMENT ON TABLE erasure_deliveries IS 'destinations that are told of an erasure; without a state while that is under way';

CREATE TABLE IF NOT EXISTS told_before(person UUID, destination VARCHAR, identifiers VARCHAR);
COMMENT ON TABLE told_before IS 'destinations that were told something of people whose deliveries have gone as their time was over';

CREATE TABLE IF NOT EXISTS suppressions(hash VARCHAR, erased_at TIMESTAMP);
COMMENT ON TABLE suppressions IS 'HMAC-SHA-256 of identifiers that were erased: what happened before is not taken in again';
";

/// Somebody who was struck, and what destinations are to be told: by their names, for numbers are those of a program.
#[derive(Clone, Debug, PartialEq)]
pub struct Struck {
    /// The erasure.
    pub erasure: Erasure,
    /// For each destination that may have got something, what it is to be told; for each that keeps files, in any case.
    pub deliveries: Vec<(String, Delivery)>,
    /// What is different about deliveries that had not ended.
    pub waiting: Waiting,
}

/// Who is to be erased.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// (kind, value) of all their identifiers.
    pub identifiers: Vec<(String, String)>,
    /// All ids that they go by.
    pub people: Vec<PersonId>,
    /// How they wrote their identifiers, as far as that was found.
    #[serde(default)]
    pub written: Vec<String>,
}

/// A request, and how far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erasure {
    /// Names it.
    pub id: String,
    /// When it was asked for.
    pub requested_at: Moment,
    /// When the bytes were gone.
    pub erased_at: Option<Moment>,
    /// Messages of theirs that went.
    pub messages: u64,
    /// When all destinations had been told, and what told them was gone.
    pub completed_at: Option<Moment>,
    /// Messages of others that named them.
    pub redacted: u64,
    /// Whom it was told.
    pub told: Vec<ToldErasure>,
    /// Whom, as long as it is not done.
    pub target: Option<Target>,
    /// Whether nobody asked, but the time of data was over.
    pub is_retention: bool,
}

impl Store {
    /// Erases somebody from all rows, in one transaction. `is_theirs` tells their own messages, which go, from those of others
    /// that carry an identifier of theirs, which lose it. Appends wait meanwhile.
    ///
    /// # Errors
    /// [`StoreError::Full`] when there is no room to note it; [`StoreError::InDoubt`]. Nothing is erased then.
    pub fn strike(
        &self,
        (id, at): (&str, Moment),
        target: &Target,
        suppression: &Suppression,
        is_theirs: &mut dyn FnMut(&LoggedMessage) -> bool,
    ) -> Result<Struck, StoreError> {
        let (places, keyring, program) = (self.places(), self.database.keyring(), self.program()?);
        let mut names = Names::new(&program, &target.identifiers);
        let mut erasure = Erasure {
            id: id.to_owned(),
            requested_at: at,
            erased_at: None,
            completed_at: None,
            messages: 0,
            redacted: 0,
            told: Vec::new(),
            target: None,
            is_retention: false,
        };
        let (mut deliveries, mut waiting) = (Vec::new(), Waiting::default());
        // What was judged by now is in the log before it is looked through, and what is judged next is judged by this.
        let alone = suppression.alone();
        self.with_counters(|connection| {
            let mut sealing = Sealing::new(keyring, &self.pseudonyms);
            connection.execute_batch("BEGIN TRANSACTION")?;
            let mut doors = strike::Doors { keyring, sealing: &mut sealing, places: &places };
            let tables = Catalog::load(connection)?;
            let struck = strike::messages(connection, tables.tables(), target, &mut names, is_theirs, &mut doors)?;
            strike::typed_rows(connection, tables.tables(), &names, &struck.others)?;
            (erasure.messages, erasure.redacted) = (struck.theirs, struck.others.len() as u64);
            let target = &Target { written: names.whole().map(str::to_owned).collect(), ..target.clone() };
            let note = serde_json::to_string(target)
                .map_err(|error| StoreError::Damaged(format!("an erasure cannot be noted: {error}")))?;
            erasure.target = Some(target.clone());
            deliveries = tell::note(connection, (id, at), target, &names)?;
            tell::forget(connection, target)?;
            let others = crate::privacy::waiting_erasures(connection, (id, at), &strike::people(target))?;
            strike::requests(connection, target, &names)?;
            crate::matching::strike(connection, target)?;
            waiting = strike::decisions(connection, (keyring, &mut sealing), target, names, None)?;
            sealing.keep(&self.database)?;
            connection.execute(
                "INSERT INTO erasures(id, requested_at, state, messages, redacted, target)
                 VALUES (?, make_timestamp(?), 'struck', ?, ?, ?)",
                params![id, at.0, erasure.messages, erasure.redacted, note],
            )?;
            for (kind, value) in &target.identifiers {
                let hash = suppression.hash(kind, value);
                connection.execute("INSERT INTO suppressions VALUES (?, make_timestamp(?))", params![hash, at.0])?;
            }
            also_asked(connection, &erasure, &others, &note)?;
            erasure.told = tell::told(connection, id)?;
            connection.execute_batch("COMMIT")?;
            self.gone.lock().extend(&waiting.gone);
            destroy_unused(&self.database, &self.pseudonyms)
        })?;
        suppression.add(target, at);
        keyring.forget();
        drop(alone);
        Ok(Struck { erasure, deliveries, waiting })
    }

    /// Removes what was decided about somebody before a state without them took over: what was under way while they were struck. What
    /// that state decided stays. Where somebody is `back` by the same identifier, and so has the same id, the destinations that were
    /// told by then stay known.
    ///
    /// # Errors
    /// [`StoreError::Full`] when there is no room to note it.
    pub fn strike_decisions(&self, target: &Target, back: Option<&Target>) -> Result<Waiting, StoreError> {
        let (keyring, program) = (self.database.keyring(), self.program()?);
        let mut waiting = Waiting::default();
        self.with_counters(|connection| {
            let Some(takeover) = crate::recovery::takeover(connection)? else { return Ok(()) };
            let mut sealing = Sealing::new(keyring, &self.pseudonyms);
            let mut names = Names::new(&program, &target.identifiers);
            target.written.iter().for_each(|it| names.add(it));
            connection.execute_batch("BEGIN TRANSACTION")?;
            if let Some(back) = back {
                tell::keep_of(connection, (target, takeover.as_of), back)?;
            }
            waiting = strike::decisions(connection, (keyring, &mut sealing), target, names, Some(takeover))?;
            strike::orphans(connection, takeover.as_of)?;
            sealing.keep(&self.database)?;
            connection.execute_batch("COMMIT")?;
            self.gone.lock().extend(&waiting.gone);
            destroy_unused(&self.database, &self.pseudonyms)
        })?;
        Ok(waiting)
    }

    /// Notes what came of telling destinations of erasures where that has ended, and removes what told them. Gives the values
    /// of the identifiers that are gone with it.
    ///
    /// # Errors
    /// [`StoreError::Full`] when there is no room to note it.
    pub fn settle_told(&self) -> Result<Vec<(String, String)>, StoreError> {
        let mut gone = Vec::new();
        let program = self.program()?;
        self.with_counters(|connection| {
            connection.execute_batch("BEGIN TRANSACTION")?;
            gone = tell::settle(connection, &program)?;
            connection.execute_batch("COMMIT")?;
            Ok(())
        })?;
        Ok(gone)
    }

    /// Copies all files without what was deleted, and puts the copies in their place. The erasures of these ids are
    /// done then, and completed where all destinations have been told. Appends and reads wait meanwhile; reads that take long are interrupted. There must be room for the copies.
    ///
    /// # Errors
    /// [`StoreError::Full`] when there is no room; the old files stay, and it can be tried again.
    pub fn rewrite(&self, done: &[String], now: Moment) -> Result<(), StoreError> {
        // A backup is read to its end first.
        let _moving = self.still.write();
        let _keeper = self.keeper.lock();
        self.with_writer_reopened(|| {
            // Of the states before, too, which nobody reads any more.
            destroy_unused(&self.database, &self.pseudonyms)?;
            self.database.closed(|dir| rewrite::files(dir, self.database.options(), done, now))
        })
    }

    /// Erasures that are struck, but whose bytes may still be in the files.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn struck(&self) -> Result<Vec<Erasure>, StoreError> {
        self.database.run(Role::Reader, |connection| erasures(connection, "state = 'struck'"))
    }

    /// Erasures whose bytes are gone but for what is still to be told to destinations.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn untold(&self) -> Result<Vec<Erasure>, StoreError> {
        self.database.run(Role::Reader, |connection| erasures(connection, "state = 'erased' AND completed_at IS NULL"))
    }

    /// An erasure by its id.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn erasure(&self, id: &str) -> Result<Option<Erasure>, StoreError> {
        let is_it = format!("id = {}", crate::database::quoted(id));
        Ok(self.database.run(Role::Reader, |connection| erasures(connection, &is_it))?.pop())
    }

    /// The identifiers that were erased, with the key that makes them comparable.
    ///
    /// # Errors
    /// When the key cannot be read, or made.
    pub fn suppression(&self) -> Result<Suppression, StoreError> {
        self.database.run(Role::Reader, |connection| Suppression::load(connection, self.pseudonyms.clone()))
    }

    /// The next checkpoint of the fold replaces everybody whom the last one had.
    pub fn forget_people(&self) {
        self.forgets.store(true, Ordering::Release);
    }

    /// Whether a checkpoint has replaced everybody since [`forget_people`](Self::forget_people).
    pub fn has_forgotten(&self) -> bool {
        !self.forgets.load(Ordering::Acquire)
    }
}

impl Reader {
    /// The identifiers that were erased, as hashes, and when.
    ///
    /// # Errors
    /// Whatever the database may say.
    pub fn suppressions(&self) -> Result<Vec<(String, Moment)>, StoreError> {
        self.read(|connection| {
            let mut statement =
                connection.prepare("SELECT hash, epoch_us(max(erased_at)) FROM suppressions GROUP BY hash")?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, Moment(row.get(1)?))))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Every identifier that messages of the log have: kind and value, each once.
    ///
    /// # Errors
    /// Whatever the database may say.
    pub fn identifiers(&self) -> Result<Vec<(String, String)>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare("SELECT DISTINCT unnest(identifiers) FROM log")?;
            let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
            let pairs = rows.map(|row| row.map(|text| text.split_once(':').map(|(k, v)| (k.to_owned(), v.to_owned()))));
            Ok(pairs.filter_map(Result::transpose).collect::<Result<_, _>>()?)
        })
    }
}

/// Others who asked for the same and wait are served by it: their requests end as it does.
fn also_asked(connection: &Connection, done: &Erasure, others: &[String], target: &str) -> Result<(), StoreError> {
    for other in others {
        connection.execute(
            "INSERT INTO erasures(id, requested_at, state, messages, redacted, target)
             VALUES (?, make_timestamp(?), 'struck', ?, ?, ?)",
            params![other, done.requested_at.0, done.messages, done.redacted, target],
        )?;
        connection.execute(
            "INSERT INTO erasure_deliveries(erasure, destination, delivery)
             SELECT ?, destination, delivery FROM erasure_deliveries WHERE erasure = ?",
            params![other, done.id],
        )?;
    }
    Ok(())
}

fn erasures(connection: &Connection, which: &str) -> Result<Vec<Erasure>, StoreError> {
    let sql = format!(
        "SELECT id, epoch_us(requested_at), epoch_us(erased_at), messages, redacted, target, epoch_us(completed_at),
             coalesce(cause = 'retention', false)
         FROM erasures
         WHERE {which} ORDER BY requested_at, {}",
        identifier("id")
    );
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query([])?;
    let mut erasures = Vec::new();
    while let Some(row) = rows.next()? {
        let target: Option<String> = row.get(5)?;
        let target = target.map(|text| serde_json::from_str(&text)).transpose();
        erasures.push(Erasure {
            id: row.get(0)?,
            requested_at: Moment(row.get(1)?),
            erased_at: row.get::<_, Option<i64>>(2)?.map(Moment),
            completed_at: row.get::<_, Option<i64>>(6)?.map(Moment),
            messages: row.get(3)?,
            redacted: row.get(4)?,
            told: Vec::new(),
            target: target.map_err(|error| StoreError::Damaged(format!("an erasure cannot be read: {error}")))?,
            is_retention: row.get(7)?,
        });
    }
    for erasure in &mut erasures {
        erasure.told = tell::told(connection, &erasure.id)?;
    }
    Ok(erasures)
}
