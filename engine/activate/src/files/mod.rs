//! The destination `sonder/files@1`: a row for each item, in files that a warehouse reads.
//!
//! ```text
//! day=2026-03-01/20260301T100500000000Z.parquet    finished files, by the day (UTC) of their items and the moment they were finished
//! .journal/2026-03-01.ndjson                       what is not finished yet
//! ```
//!
//! INVARIANT: an item is one row, whatever crashes. Its outcome comes after its row is on the disk; what a crash keeps from
//! having an outcome is sent again, and is found by its id, in the journal or in the files that were finished since the item
//! was decided. Finished files appear whole: they are written beside, synced and renamed.
//!
//! | file | what |
//! |---|---|
//! | `row` | an item as a line |
//! | `journal` | lines that are on the disk, of one day |
//! | `folder` | journals, and how they become files |
//! | `erased` | somebody who is erased: the rows about them go, those of others no longer name them |

mod erased;
mod folder;
mod journal;
mod row;

use crate::host::native::{Bind, Whom};
use crate::outbox::{Answer, BatchFailure, Item, Transport};
use crate::outcome::BoxFuture;
use erased::Erased;
use folder::{Folder, Plan};
use parking_lot::Mutex;
use serde::Deserialize;
use sonder_dsl::ir::Program;
use sonder_dsl::model::Destination;
use sonder_dsl::time::{Duration, Moment};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

/// Turns lines into Parquet and back. The engine has a database for that; this room has not.
pub trait Columns: Send + Sync + 'static {
    /// Writes `lines` to the new file `to`, with the columns that `row` says.
    ///
    /// # Errors
    /// What the disk or the database says.
    fn write(&self, lines: &Path, to: &Path) -> io::Result<()>;

    /// The ids in a file.
    ///
    /// # Errors
    /// See `write`.
    fn ids(&self, file: &Path) -> io::Result<Vec<String>>;

    /// Writes a file's rows to the new file `to`: without those about somebody with one of these identifiers (kind and
    /// value), and with another payload where `left` gives one for a row's kind, name and payload. Gives how many rows went or
    /// changed; with none there need not be a new file.
    ///
    /// # Errors
    /// See `write`.
    fn without(
        &self,
        file: &Path,
        identifiers: &[(String, String)],
        left: &dyn Fn(&str, &str, &str) -> Option<String>,
        to: &Path,
    ) -> io::Result<u64>;
}

/// Makes destinations of this kind.
pub struct Files {
    base: PathBuf,
    columns: Arc<dyn Columns>,
    // By path: a reload goes on with the folder as it is.
    folders: Mutex<BTreeMap<PathBuf, Weak<Folder>>>,
}

#[derive(Deserialize)]
struct Config {
    path: Option<PathBuf>,
    #[serde(default)]
    format: Format,
    #[serde(default = "five")]
    minutes: i64,
    #[serde(default = "hundred_thousand")]
    rows: u64,
}

/// What finished files are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    #[default]
    Parquet,
    Ndjson,
}

const fn five() -> i64 {
    5
}

const fn hundred_thousand() -> u64 {
    100_000
}

impl Files {
    /// In folders below `base`, unless a destination says otherwise.
    #[must_use]
    pub fn new(base: PathBuf, columns: Arc<dyn Columns>) -> Self {
        Self { base, columns, folders: Mutex::default() }
    }
}

impl Bind for Files {
    fn bind(&self, destination: &Destination, program: &Arc<Program>) -> Result<Arc<dyn Transport>, (String, String)> {
        let config: Config =
            serde_json::from_value(destination.config.clone()).map_err(|error| (String::new(), error.to_string()))?;
        let path = self.base.join(config.path.unwrap_or_else(|| PathBuf::from(&destination.name)));
        let plan = Plan { format: config.format, rows: config.rows };
        let mut folders = self.folders.lock();
        folders.retain(|_, folder| folder.strong_count() > 0);
        let folder = match folders.get(&path).and_then(Weak::upgrade) {
            Some(folder) => folder,
            None => {
                let made = Folder::make(&path, Arc::clone(&self.columns));
                let folder = Arc::new(made.map_err(|error| ("/path".to_owned(), unusable(&path, &error)))?);
                folders.insert(path, Arc::downgrade(&folder));
                finish_left(Arc::clone(&folder), plan);
                folder
            }
        };
        let every = Duration::from_secs(config.minutes * 60);
        Ok(Arc::new(ToFiles { folder, program: Arc::clone(program), plan, every }))
    }

    fn forget(&self, whom: &[Whom<'_>], program: &Program) -> io::Result<()> {
        for (name, folder) in self.left()? {
            whom.iter().try_for_each(|it| folder.erase_left(&Erased::left_in(&name, it, program)))?;
        }
        Ok(())
    }
}

impl Files {
    /// The folders below the base that no destination writes to any more, and nobody until these are dropped. By their names from
    /// the base on, which are those of the destinations that wrote to them unless these said otherwise.
    fn left(&self) -> io::Result<Vec<(String, Arc<Folder>)>> {
        let mut folders = self.folders.lock();
        folders.retain(|_, folder| folder.strong_count() > 0);
        let mut left = Vec::new();
        for path in folder::below(&self.base)? {
            if folders.contains_key(&path) {
                continue;
            }
            let folder = Arc::new(Folder::make(&path, Arc::clone(&self.columns))?);
            let name = path.strip_prefix(&self.base).unwrap_or(&path).to_string_lossy().into_owned();
            folders.insert(path, Arc::downgrade(&folder));
            left.push((name, folder));
        }
        Ok(left)
    }
}

fn unusable(path: &Path, error: &io::Error) -> String {
    format!("is of no use: `{}`: {error}", path.display())
}

/// The way to one folder.
struct ToFiles {
    folder: Arc<Folder>,
    // What is somebody's is what it says.
    program: Arc<Program>,
    plan: Plan,
    every: Duration,
}

impl Transport for ToFiles {
    fn deliver(&self, items: Vec<Item>, now: Moment) -> BoxFuture<'static, Result<Vec<Answer>, BatchFailure>> {
        let (folder, program) = (Arc::clone(&self.folder), Arc::clone(&self.program));
        let (plan, every) = (self.plan, self.every);
        Box::pin(async move {
            let count = items.len();
            let writing = Arc::clone(&folder);
            let written = tokio::task::spawn_blocking(move || writing.take(&items, now, plan, &program)).await;
            let begun = match written.map_err(|error| BatchFailure::Machine(error.to_string()))? {
                Ok(begun) => begun,
                // Nothing of it counts as written; what is there all the same is found by its id.
                Err(error) => {
                    let reason = format!("the files cannot be written: {error}");
                    return Ok(vec![Answer::RetryAfter { seconds: 0, reason }; count]);
                }
            };
            for day in begun {
                finish_later(Arc::downgrade(&folder), day, plan, every);
            }
            Ok(vec![Answer::Delivered; count])
        })
    }
}

/// Finishes what an engine before left, while this one starts.
fn finish_left(folder: Arc<Folder>, plan: Plan) {
    let finish = move || {
        if let Err(error) = folder.finish_left(plan) {
            tracing::error!(%error, "what was left of files is not finished yet; the next one takes it along");
        }
    };
    let started = std::thread::Builder::new().name("files".to_owned()).spawn(finish);
    if let Err(error) = started {
        tracing::error!(%error, "what was left of files is not finished yet");
    }
}

/// Finishes a day's journal when its time has come. Without this engine the next one does.
fn finish_later(folder: Weak<Folder>, day: String, plan: Plan, every: Duration) {
    let wait = std::time::Duration::from_micros(u64::try_from(every.0).unwrap_or(0));
    tokio::spawn(async move {
        tokio::time::sleep(wait).await;
        let Some(folder) = folder.upgrade() else { return };
        let finishing = tokio::task::spawn_blocking(move || folder.finish(&day, plan)).await;
        if let Ok(Err(error)) = finishing {
            tracing::error!(%error, "a file is not finished yet; the next one takes it along");
        }
    });
}
