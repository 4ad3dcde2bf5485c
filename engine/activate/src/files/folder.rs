//! The folder of one destination: journals, finished files, and that no item is in there twice.

use super::erased::Erased;
use super::journal::{self, Journal};
use super::row::{day, id, line, stamp};
use super::{Columns, Format};
use crate::outbox::Item;
use parking_lot::Mutex;
use rustc_hash::FxHashSet;
use sonder_core::effect::ItemKind;
use sonder_dsl::ir::Program;
use sonder_dsl::time::{Duration, Moment};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// See the module.
pub struct Folder {
    root: PathBuf,
    columns: Arc<dyn Columns>,
    open: Mutex<Open>,
    // Held while sealed journals become files, which may take a while.
    finishing: Mutex<()>,
}

/// How files are made.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Of what kind.
    pub format: Format,
    /// With how many rows one is finished before its time.
    pub rows: u64,
}

#[derive(Default)]
struct Open {
    days: BTreeMap<String, Day>,
}

/// What is known of a day.
struct Day {
    journal: Option<Journal>,
    // By stamp. What is sent again may be in a file that was finished after the item was decided.
    earlier: Vec<Earlier>,
}

struct Earlier {
    stamp: String,
    path: PathBuf,
    // Read when they are first asked for.
    ids: Option<FxHashSet<u128>>,
}

impl Folder {
    /// Makes the folder where it is not there.
    pub fn make(root: &Path, columns: Arc<dyn Columns>) -> io::Result<Self> {
        fs::create_dir_all(root.join(".journal"))?;
        sync(root)?;
        Ok(Self { root: root.to_owned(), columns, open: Mutex::default(), finishing: Mutex::default() })
    }

    /// Takes a batch: when this returns, each of its items is a row on the disk, once. Gives the days whose journal was begun.
    pub fn take(&self, items: &[Item], now: Moment, plan: Plan, program: &Program) -> io::Result<Vec<String>> {
        let mut begun = Vec::new();
        let mut full = Vec::new();
        // What came before an erasure is erased, too.
        for part in items.chunk_by(|a, b| is_row(a) == is_row(b)) {
            if !part.first().is_some_and(is_row) {
                part.iter().try_for_each(|item| self.erase(&Erased::new(&item.delivery, program), plan))?;
                continue;
            }
            let mut by_day: BTreeMap<String, Vec<&Item>> = BTreeMap::new();
            for item in part {
                by_day.entry(day(item.delivery.at)).or_default().push(item);
            }
            let mut open = self.open.lock();
            for (name, items) in by_day {
                let known = self.known(&mut open, &name)?;
                let is_new = known.journal.is_none();
                if self.append(&name, known, &items)? && is_new {
                    begun.push(name.clone());
                }
                if known.journal.as_ref().is_some_and(|journal| journal.rows() >= plan.rows) {
                    self.seal(&name, known, now)?;
                    full.push(name);
                }
            }
        }
        if !full.is_empty() {
            // The rows are safe; making a file of them can be tried again.
            if let Err(error) = self.convert(plan.format) {
                tracing::error!(%error, "a file is not finished yet; the next one takes it along");
            }
        }
        Ok(begun)
    }

    /// Makes files of what an engine before left.
    pub fn finish_left(&self, plan: Plan) -> io::Result<()> {
        self.seal_all(&mut self.open.lock())?;
        self.convert(plan.format)
    }

    /// Makes a file of a day's journal.
    pub fn finish(&self, name: &str, plan: Plan) -> io::Result<()> {
        if let Some(day) = self.open.lock().days.get_mut(name) {
            self.seal(name, day, wall())?;
        }
        self.convert(plan.format)
    }

    /// Takes somebody out of a folder that no destination writes to any more.
    pub fn erase_left(&self, erased: &Erased<'_>) -> io::Result<()> {
        let is_lines = |path: &PathBuf| path.extension().is_some_and(|it| it == "ndjson");
        let format = if self.finished()?.iter().any(is_lines) { Format::Ndjson } else { Format::Parquet };
        self.erase(erased, Plan { format, rows: u64::MAX })
    }

    /// Takes somebody out of journals and files: each file stays as it was or is as it is to be, whatever crashes.
    fn erase(&self, erased: &Erased<'_>, plan: Plan) -> io::Result<()> {
        let mut open = self.open.lock();
        self.seal_all(&mut open)?;
        self.convert(plan.format)?;
        for path in self.finished()? {
            let to = beside(&path);
            let left = |kind: &str, name: &str, payload: &str| erased.left(kind, name, payload);
            let changed = match path.extension().and_then(OsStr::to_str) {
                Some("ndjson") => journal::without(&path, erased.identifiers(), &left, &to)?,
                _ => self.columns.without(&path, erased.identifiers(), &left, &to)?,
            };
            if changed > 0 {
                File::open(&to)?.sync_all()?;
                fs::rename(&to, &path)?;
                sync(path.parent().unwrap_or(&self.root))?;
            } else if to.exists() {
                fs::remove_file(&to)?;
            }
        }
        Ok(())
    }

    /// Ends all journals, those of days that nothing came for yet, too.
    fn seal_all(&self, open: &mut Open) -> io::Result<()> {
        for name in self.journals()? {
            let day = self.known(open, &name)?;
            self.seal(&name, day, wall())?;
        }
        Ok(())
    }

    fn known<'a>(&self, open: &'a mut Open, name: &str) -> io::Result<&'a mut Day> {
        match open.days.entry(name.to_owned()) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(place) => Ok(place.insert(self.day(name)?)),
        }
    }

    /// Opens a day: a journal that was left is sealed, and which files there are is written down.
    fn day(&self, name: &str) -> io::Result<Day> {
        let path = self.journal(name);
        if path.exists() {
            let mut left = Day { journal: Some(Journal::open(&path)?), earlier: Vec::new() };
            self.seal(name, &mut left, wall())?;
        }
        let mut earlier = Vec::new();
        for path in sealed(&self.root.join(".journal"), Some(name))?.into_iter().chain(listed(&self.folder(name))?) {
            let stamp = stamp_of(&path);
            earlier.push(Earlier { stamp, path, ids: None });
        }
        earlier.sort_by(|a, b| a.stamp.cmp(&b.stamp));
        Ok(Day { journal: None, earlier })
    }

    /// Adds what is not there yet; says whether that was anything.
    fn append(&self, name: &str, day: &mut Day, items: &[&Item]) -> io::Result<bool> {
        let mut lines = Vec::new();
        let mut ids = FxHashSet::default();
        let mut latest = Moment::MIN;
        for item in items {
            let delivery = &item.delivery;
            let written = ids.contains(&delivery.id.0)
                || day.journal.as_ref().is_some_and(|journal| journal.has(delivery.id.0))
                || self.is_in_earlier(&mut day.earlier, delivery.id.0, delivery.at)?;
            if !written {
                lines.append(&mut line(item));
                ids.insert(delivery.id.0);
                latest = latest.max(delivery.at);
            }
        }
        // What a crash left is sent again at first; then what it was compared with is in the way.
        let oldest = items.iter().map(|item| item.delivery.at).min().map(stamp);
        day.earlier.iter_mut().filter(|file| Some(&file.stamp) < oldest.as_ref()).for_each(|file| file.ids = None);
        if ids.is_empty() {
            return Ok(false);
        }
        let journal = match &mut day.journal {
            Some(journal) => journal,
            None => {
                let made = Journal::open(&self.journal(name))?;
                sync(&self.root.join(".journal"))?;
                day.journal.insert(made)
            }
        };
        let appended = journal.append(&lines, &ids, latest);
        if appended.is_err() {
            day.journal = None;
        }
        appended.map(|()| true)
    }

    /// An item can only be in files that were finished after it was decided.
    fn is_in_earlier(&self, earlier: &mut [Earlier], wanted: u128, at: Moment) -> io::Result<bool> {
        let since = stamp(at);
        for file in earlier.iter_mut().rev().take_while(|file| file.stamp >= since) {
            let ids = match &file.ids {
                Some(ids) => ids,
                None => file.ids.insert(self.ids(&file.path, &file.stamp)?),
            };
            if ids.contains(&wanted) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Of a finished file, or of a sealed journal, which may have become one meanwhile; of one that somebody took away, none.
    fn ids(&self, path: &Path, stamp: &str) -> io::Result<FxHashSet<u128>> {
        let folder = day_of(path).map(|name| self.folder(&name)).unwrap_or_default();
        let places = [path.to_owned(), folder.join(format!("{stamp}.parquet")), folder.join(format!("{stamp}.ndjson"))];
        let Some(place) = places.iter().find(|place| place.exists()) else { return Ok(FxHashSet::default()) };
        if place.extension().is_some_and(|it| it == "parquet") {
            return Ok(self.columns.ids(place)?.iter().filter_map(|text| id(text)).collect());
        }
        Ok(journal::ids(place)?.into_iter().collect())
    }

    /// Ends a journal: its name says from now on until when it was written.
    fn seal(&self, name: &str, day: &mut Day, now: Moment) -> io::Result<()> {
        let Some(journal) = day.journal.take() else { return Ok(()) };
        let place = self.root.join(".journal");
        let mut until = now.max(journal.latest());
        let taken = |until: Moment| {
            let stamp = stamp(until);
            let finished = |kind: &str| self.folder(name).join(format!("{stamp}.{kind}")).exists();
            place.join(format!("{name}.{stamp}.sealed")).exists() || finished("parquet") || finished("ndjson")
        };
        while taken(until) {
            until = until.plus(Duration(1));
        }
        let (stamp, path) = (stamp(until), place.join(format!("{name}.{}.sealed", stamp(until))));
        fs::rename(self.journal(name), &path)?;
        day.earlier.push(Earlier { stamp, path, ids: Some(journal.into_ids()) });
        day.earlier.sort_by(|a, b| a.stamp.cmp(&b.stamp));
        sync(&place)
    }

    /// Makes files of all sealed journals.
    fn convert(&self, format: Format) -> io::Result<()> {
        let _alone = self.finishing.lock();
        for sealed in sealed(&self.root.join(".journal"), None)? {
            let Some(name) = day_of(&sealed) else { continue };
            let folder = self.folder(&name);
            fs::create_dir_all(&folder)?;
            sync(&self.root)?;
            let to = |kind: &str| folder.join(format!("{}.{kind}", stamp_of(&sealed)));
            match format {
                Format::Ndjson => {
                    fs::rename(&sealed, to("ndjson"))?;
                    sync(&folder)?;
                }
                Format::Parquet => {
                    let (new, finished) = (beside(&to("parquet")), to("parquet"));
                    if new.exists() {
                        fs::remove_file(&new)?;
                    }
                    self.columns.write(&sealed, &new)?;
                    File::open(&new)?.sync_all()?;
                    fs::rename(&new, &finished)?;
                    sync(&folder)?;
                    fs::remove_file(&sealed)?;
                }
            }
            sync(&self.root.join(".journal"))?;
        }
        Ok(())
    }

    fn journal(&self, day: &str) -> PathBuf {
        self.root.join(".journal").join(format!("{day}.ndjson"))
    }

    fn folder(&self, day: &str) -> PathBuf {
        self.root.join(format!("day={day}"))
    }

    /// The days that have a journal which is not sealed.
    fn journals(&self) -> io::Result<Vec<String>> {
        let named = |path: PathBuf| {
            let is_journal = path.extension().is_some_and(|it| it == "ndjson");
            is_journal.then(|| path.file_stem()?.to_str().map(str::to_owned)).flatten()
        };
        Ok(entries(&self.root.join(".journal"))?.into_iter().filter_map(named).collect())
    }

    /// All finished files.
    fn finished(&self) -> io::Result<Vec<PathBuf>> {
        let is_day = |path: &PathBuf| {
            path.file_name().and_then(OsStr::to_str).is_some_and(|name| name.starts_with("day=")) && path.is_dir()
        };
        let mut finished = Vec::new();
        for folder in entries(&self.root)?.into_iter().filter(is_day) {
            finished.extend(listed(&folder)?);
        }
        Ok(finished)
    }
}

fn is_row(item: &Item) -> bool {
    item.delivery.kind != ItemKind::Erase
}

/// The folders of destinations below a place, as far down as there are folders that are none.
pub fn below(place: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in entries(place)?.into_iter().filter(|it| it.is_dir() && !it.is_symlink()) {
        if path.join(".journal").is_dir() {
            found.push(path);
        } else {
            found.extend(below(&path)?);
        }
    }
    Ok(found)
}

/// The files of a day, by name.
fn listed(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let is_file = |path: &PathBuf| path.extension().is_some_and(|it| it == "parquet" || it == "ndjson");
    Ok(entries(folder)?.into_iter().filter(is_file).collect())
}

/// The sealed journals, of one day or all.
fn sealed(place: &Path, day: Option<&str>) -> io::Result<Vec<PathBuf>> {
    let wanted = |path: &PathBuf| {
        path.extension().is_some_and(|it| it == "sealed") && (day.is_none() || day_of(path).as_deref() == day)
    };
    Ok(entries(place)?.into_iter().filter(wanted).collect())
}

/// What is in a folder, by name; nothing where there is no folder.
fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let listing = match fs::read_dir(folder) {
        Ok(listing) => listing,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut paths = listing.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

/// `2026-03-01.20260301T…Z.sealed` and `…Z.parquet`: what stands before the last dot, and after the one before.
fn stamp_of(path: &Path) -> String {
    let stem = path.file_stem().and_then(OsStr::to_str).unwrap_or_default();
    stem.rsplit('.').next().unwrap_or_default().to_owned()
}

/// The day that a sealed journal is of.
fn day_of(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    name.ends_with(".sealed").then(|| name.split('.').next().map(str::to_owned)).flatten()
}

/// Where a file is written before it takes its name.
fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
    path.with_file_name(format!(".{name}.new"))
}

/// Makes names in a folder as durable as the files.
fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn wall() -> Moment {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Moment(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use proptest::prelude::*;
    use sonder_core::effect::{Cause, Delivery, EffectId, PersonId};
    use sonder_core::record::Seq;
    use sonder_dsl::ir::DestinationId;
    use sonder_dsl::source::{SourceFile, SourceSet};
    use std::io::Write;

    /// Keeps lines as they are, under the name of Parquet.
    pub struct AsLines;

    impl Columns for AsLines {
        fn write(&self, lines: &Path, to: &Path) -> io::Result<()> {
            fs::copy(lines, to).map(drop)
        }

        fn ids(&self, file: &Path) -> io::Result<Vec<String>> {
            Ok(journal::ids(file)?.iter().map(|id| format!("{id:032x}")).collect())
        }

        fn without(
            &self,
            file: &Path,
            identifiers: &[(String, String)],
            left: &dyn Fn(&str, &str, &str) -> Option<String>,
            to: &Path,
        ) -> io::Result<u64> {
            journal::without(file, identifiers, left, to)
        }
    }

    pub fn program() -> Arc<Program> {
        let file = |path: &str, text: &str| SourceFile { path: path.to_owned(), text: text.to_owned() };
        let identity = "identifiers:\n  user_id: {}\n  email: {normalize: [trim, lowercase]}\n";
        let files = vec![file("sonder.yaml", "name: shop"), file("identity.yaml", identity)];
        sonder_dsl::compile(SourceSet::new(files)).program.unwrap()
    }

    pub const PLAN: Plan = Plan { format: Format::Parquet, rows: 7 };

    pub fn item(n: u128, at: Moment, kind: ItemKind) -> Item {
        let delivery = Delivery {
            id: EffectId(n),
            destination: DestinationId(0),
            person: PersonId(n % 3),
            at,
            cause: Cause::Record(Seq(1)),
            kind,
            name: "vip".to_owned(),
            identifiers: vec![("user_id".to_owned(), format!("u{}", n % 3))],
            payload: r#"{"segment":"vip"}"#.to_owned(),
        };
        Item { delivery: Arc::new(delivery), attempt: 1 }
    }

    /// All ids in journals and files, in order.
    fn all(root: &Path) -> Vec<u128> {
        let mut ids = Vec::new();
        for folder in entries(root).unwrap() {
            for path in entries(&folder).unwrap() {
                ids.extend(journal::ids(&path).unwrap());
            }
        }
        ids.sort_unstable();
        ids
    }

    pub fn moment(hours: i64) -> Moment {
        Moment::parse("2026-03-01T03:00:00Z").unwrap().plus(Duration::from_secs(hours * 3_600))
    }

    #[test]
    fn a_finished_file_is_in_the_folder_of_its_day_and_named_by_its_end() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::make(place.path(), Arc::new(AsLines)).unwrap();
        let items = [item(1, moment(0), ItemKind::Event), item(2, moment(30), ItemKind::Event)];
        assert_eq!(folder.take(&items, moment(31), PLAN, &program()).unwrap(), ["2026-03-01", "2026-03-02"]);
        assert!(folder.finished().unwrap().is_empty());
        folder.finish("2026-03-01", PLAN).unwrap();
        let finished = folder.finished().unwrap();
        assert_eq!(finished.len(), 1);
        assert!(finished[0].starts_with(place.path().join("day=2026-03-01")));
        assert_eq!(all(place.path()), [1, 2]);
        let full: Vec<Item> = (3..10).map(|n| item(n, moment(0), ItemKind::Event)).collect();
        folder.take(&full, moment(31), PLAN, &program()).unwrap();
        let names: Vec<_> = folder.finished().unwrap().iter().map(|it| stamp_of(it)).collect();
        assert!(names.contains(&"20260302T100000000000Z".to_owned()), "{names:?}");
    }

    #[test]
    fn who_is_erased_is_in_no_file_and_others_stay() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::make(place.path(), Arc::new(AsLines)).unwrap();
        let items: Vec<Item> = (0..9).map(|n| item(n, moment(0), ItemKind::Event)).collect();
        folder.take(&items[..8], moment(1), PLAN, &program()).unwrap();
        folder.take(&items[8..], moment(1), PLAN, &program()).unwrap();
        // In one batch with more about the same person, before and after.
        let last = [
            item(30, moment(2), ItemKind::Event),
            item(60, moment(2), ItemKind::Erase),
            item(90, moment(3), ItemKind::Event),
        ];
        folder.take(&last, moment(3), PLAN, &program()).unwrap();
        assert_eq!(all(place.path()), [1, 2, 4, 5, 7, 8, 90]);
    }

    #[derive(Clone, Debug)]
    enum Act {
        Take(Vec<u128>),
        Finish,
        // With so many bytes of a line that was not written to its end.
        Crash(usize),
    }

    fn act() -> impl Strategy<Value = Act> {
        prop_oneof![
            4 => proptest::collection::vec(0..40_u128, 1..9).prop_map(Act::Take),
            1 => Just(Act::Finish),
            2 => (0..40_usize).prop_map(Act::Crash),
        ]
    }

    proptest! {
        // Each case waits for the disk dozens of times.
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// Whatever is sent again after crashes, in whatever batches, over two days.
        #[test]
        fn an_item_is_one_row_whatever_crashes(acts in proptest::collection::vec(act(), 1..24)) {
            let (place, program) = (tempfile::tempdir().unwrap(), program());
            let mut folder = Folder::make(place.path(), Arc::new(AsLines)).unwrap();
            let mut taken = std::collections::BTreeSet::new();
            for act in acts {
                match act {
                    Act::Take(ids) => {
                        let items: Vec<Item> =
                            ids.iter().map(|n| item(*n, moment((*n as i64) % 2 * 24), ItemKind::Event)).collect();
                        folder.take(&items, moment(25), PLAN, &program).unwrap();
                        taken.extend(ids);
                    }
                    Act::Finish => folder.finish("2026-03-01", PLAN).unwrap(),
                    Act::Crash(torn) => {
                        drop(folder);
                        let journal = place.path().join(".journal/2026-03-02.ndjson");
                        if journal.exists() {
                            let line = line(&item(99, moment(24), ItemKind::Event));
                            let mut file = fs::OpenOptions::new().append(true).open(journal).unwrap();
                            file.write_all(&line[..torn]).unwrap();
                        }
                        folder = Folder::make(place.path(), Arc::new(AsLines)).unwrap();
                        if torn % 2 == 0 {
                            folder.finish_left(PLAN).unwrap();
                        }
                    }
                }
            }
            folder.finish_left(PLAN).unwrap();
            prop_assert_eq!(all(place.path()), taken.into_iter().collect::<Vec<_>>());
        }
    }
}
