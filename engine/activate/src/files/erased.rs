//! Somebody who is erased, as rows have them: whose rows go, and what is left of those of others.

use crate::host::describe::kind_of;
use crate::host::native::Whom;
use serde::Deserialize;
use sonder_core::effect::Delivery;
use sonder_core::erasure::Names;
use sonder_core::erasure::redact::Told;
use sonder_dsl::ir::Program;
use std::borrow::Cow;

/// See the module.
pub struct Erased<'a> {
    /// As rows have them: where the destination gets pseudonyms, these.
    identifiers: Cow<'a, [(String, String)]>,
    told: Told<'a>,
}

/// What they are known by, which only a destination of the engine's own is told.
#[derive(Default, Deserialize)]
struct Payload {
    #[serde(default)]
    known_by: KnownBy,
}

#[derive(Default, Deserialize)]
struct KnownBy {
    /// (kind, value) of all, never pseudonyms.
    identifiers: Vec<(String, String)>,
    /// How they were written.
    written: Vec<String>,
}

impl<'a> Erased<'a> {
    /// Whom an item says to erase.
    pub fn new(delivery: &'a Delivery, program: &'a Program) -> Self {
        let Payload { known_by } = serde_json::from_str(&delivery.payload).unwrap_or_default();
        Self::known_by(&known_by.identifiers, &known_by.written, Cow::Borrowed(&delivery.identifiers), program)
    }

    /// Somebody as a folder may have them that had the name of a destination: as messages have them, or by pseudonyms for it.
    pub fn left_in(name: &str, whom: &Whom<'_>, program: &'a Program) -> Self {
        let pseudonyms = whom.identifiers.iter().flat_map(|(kind, value)| (whom.pseudonyms)(name, kind, value));
        let rows = whom.identifiers.iter().cloned().chain(pseudonyms).collect();
        Self::known_by(whom.identifiers, whom.written, Cow::Owned(rows), program)
    }

    fn known_by(
        identifiers: &[(String, String)],
        written: &[String],
        in_rows: Cow<'a, [(String, String)]>,
        program: &'a Program,
    ) -> Self {
        let mut names = Names::new(program, identifiers);
        // A payload has a pseudonym, too, where an identifier is known to stand.
        let values = in_rows.iter().map(|(_, value)| value);
        written.iter().chain(values).for_each(|it| names.add(it));
        Self { identifiers: in_rows, told: Told::new(names) }
    }

    /// The identifiers of those whose rows go.
    pub fn identifiers(&self) -> &[(String, String)] {
        &self.identifiers
    }

    /// What is left of the payload of a row about somebody else; `None` where it does not name them.
    pub fn left(&self, kind: &str, name: &str, payload: &str) -> Option<String> {
        self.told.left(kind_of(kind)?, name, payload)
    }
}

#[cfg(test)]
mod tests {
    use crate::files::folder::tests::{AsLines, PLAN, item, moment, program};
    use crate::files::folder::{Folder, Plan};
    use crate::files::row::line;
    use crate::files::{Columns, Format};
    use crate::outbox::Item;
    use proptest::prelude::*;
    use serde_json::json;
    use sonder_core::effect::{Delivery, ItemKind};
    use std::io;
    use std::path::{Path, PathBuf};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    const NDJSON: Plan = Plan { format: Format::Ndjson, rows: 3 };

    /// Who is erased, as messages have them, as they wrote it, and as the destination is told.
    fn vic(n: u128, seen_as: &[(&str, &str)]) -> Item {
        let identifiers = seen_as.iter().map(|(kind, value)| ((*kind).to_owned(), (*value).to_owned())).collect();
        let known_by = json!({
            "identifiers": [["email", "vic@shop.example"], ["user_id", "vic-1815"], ["user_id", "1815"], ["user_id", "10001815"], ["user_id", "u1"]],
            "written": ["vic+news@shop.example", "vic@shop.example", "vic-1815", "10001815"],
        });
        let payload = json!({"at": "2026-03-01T05:00:00Z", "known_by": known_by}).to_string();
        told(item(n, moment(2), ItemKind::Erase), Delivery { identifiers, payload, ..delivery(n) })
    }

    fn delivery(n: u128) -> Delivery {
        (*item(n, moment(0), ItemKind::Event).delivery).clone()
    }

    fn told(of: Item, delivery: Delivery) -> Item {
        Item { delivery: Arc::new(Delivery { kind: of.delivery.kind, ..delivery }), ..of }
    }

    fn row(n: u128, kind: ItemKind, payload: &str) -> Item {
        told(item(n, moment(0), kind), Delivery { payload: payload.to_owned(), ..delivery(n) })
    }

    fn files(root: &Path) -> Vec<PathBuf> {
        let days = std::fs::read_dir(root).unwrap().map(|it| it.unwrap().path());
        let mut files: Vec<PathBuf> =
            days.flat_map(|day| std::fs::read_dir(day).unwrap().map(|it| it.unwrap().path())).collect();
        files.sort();
        files
    }

    /// The lines of all files, in order.
    fn lines(root: &Path) -> Vec<String> {
        let texts = files(root).into_iter().map(|file| std::fs::read_to_string(file).unwrap());
        let mut lines: Vec<String> =
            texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect();
        lines.sort();
        lines
    }

    fn lines_of(items: &[Item]) -> Vec<String> {
        let mut lines: Vec<String> =
            items.iter().map(|item| String::from_utf8(line(item)).unwrap().trim_end().to_owned()).collect();
        lines.sort();
        lines
    }

    #[test]
    fn others_no_longer_name_who_is_erased_in_journals_and_files() {
        let (place, program) = (tempfile::tempdir().unwrap(), program());
        let folder = Folder::make(place.path(), Arc::new(AsLines)).unwrap();
        let before = [
            row(2, ItemKind::Event, r#"{"event":"referral","properties":{"friend":"Vic@Shop.example","total":5}}"#),
            row(
                3,
                ItemKind::TraitChanged,
                r#"{"trait":"invited_by","value":"vic-1815","traits":{"z":"1815 or vic-18150"}}"#,
            ),
            row(5, ItemKind::Message, r#"{"url":"/p?m=Vic%2BNews%40shop.example","channel":"VIC-1815"}"#),
            // A journal is full, and so a file; this one is being written.
            row(6, ItemKind::Event, r#"{"properties":{"note":"mailto:vic@shop.example, or joan.vic@shop.example"}}"#),
            // About them.
            row(1, ItemKind::Event, r#"{"properties":{}}"#),
        ];
        for item in &before {
            folder.take(std::slice::from_ref(item), moment(1), NDJSON, &program).unwrap();
        }
        folder.take(&[vic(99, &[("user_id", "u1")])], moment(3), NDJSON, &program).unwrap();
        let after = [
            row(2, ItemKind::Event, r#"{"event":"referral","properties":{"friend":"erased","total":5}}"#),
            row(
                3,
                ItemKind::TraitChanged,
                r#"{"trait":"invited_by","value":"erased","traits":{"z":"1815 or vic-18150"}}"#,
            ),
            row(5, ItemKind::Message, r#"{"url":"/p?m=erased","channel":"erased"}"#),
            row(6, ItemKind::Event, r#"{"properties":{"note":"mailto:erased, or joan.vic@shop.example"}}"#),
        ];
        assert_eq!(lines(place.path()), lines_of(&after));
    }

    #[test]
    fn where_the_destination_gets_pseudonyms_both_are_taken_out() {
        let (place, program) = (tempfile::tempdir().unwrap(), program());
        let folder = Folder::make(place.path(), Arc::new(AsLines)).unwrap();
        let payload = |friend: &str, note: &str| json!({"properties": {"friend": friend, "note": note}}).to_string();
        let theirs = "v2:8bVxW0-abc_DEF";
        let of_them = told(
            item(7, moment(0), ItemKind::Event),
            Delivery { identifiers: vec![("email".to_owned(), theirs.to_owned())], ..delivery(7) },
        );
        let rows = [row(2, ItemKind::Event, &payload(theirs, "from Vic@shop.example")), of_them];
        folder.take(&rows, moment(1), PLAN, &program).unwrap();
        folder.take(&[vic(99, &[("email", theirs), ("email", "v1:old")])], moment(3), PLAN, &program).unwrap();
        let after = [row(2, ItemKind::Event, &payload("erased", "from erased"))];
        assert_eq!(lines(place.path()), lines_of(&after));
    }

    /// Stops in the middle of a file, as a disk that is full.
    struct Stopping(AtomicBool);

    impl Columns for Stopping {
        fn write(&self, lines: &Path, to: &Path) -> io::Result<()> {
            AsLines.write(lines, to)
        }

        fn ids(&self, file: &Path) -> io::Result<Vec<String>> {
            AsLines.ids(file)
        }

        fn without(
            &self,
            file: &Path,
            identifiers: &[(String, String)],
            left: &dyn Fn(&str, &str, &str) -> Option<String>,
            to: &Path,
        ) -> io::Result<u64> {
            let changed = AsLines.without(file, identifiers, left, to)?;
            if self.0.swap(false, Ordering::Relaxed) {
                std::fs::write(to, "{\"id\":")?;
                return Err(io::Error::other("no room"));
            }
            Ok(changed)
        }
    }

    #[test]
    fn what_stops_in_the_middle_leaves_the_file_as_it_was_and_is_done_again() {
        let (place, program) = (tempfile::tempdir().unwrap(), program());
        let folder = Folder::make(place.path(), Arc::new(Stopping(AtomicBool::new(true)))).unwrap();
        let rows = [row(2, ItemKind::Event, r#"{"by":"vic-1815"}"#), row(3, ItemKind::Event, r#"{"by":"bob"}"#)];
        folder.take(&rows, moment(1), PLAN, &program).unwrap();
        let erase = [vic(99, &[("user_id", "u1")])];
        folder.take(&erase, moment(3), PLAN, &program).unwrap_err();
        let whole: Vec<PathBuf> =
            files(place.path()).into_iter().filter(|it| it.extension().unwrap() == "parquet").collect();
        let texts: Vec<String> = whole.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
        assert_eq!(texts, [rows.iter().map(|row| String::from_utf8(line(row)).unwrap()).collect::<String>()]);
        // As by an engine that started anew.
        let folder = Folder::make(place.path(), Arc::new(AsLines)).unwrap();
        folder.take(&erase, moment(3), PLAN, &program).unwrap();
        assert_eq!(lines(place.path()), lines_of(&[row(2, ItemKind::Event, r#"{"by":"erased"}"#), rows[1].clone()]));
        assert_eq!(files(place.path()), whole);
    }

    /// A word of a text, and what it is to be.
    fn word() -> impl Strategy<Value = (String, String)> {
        let mention = |text: &str| Just((text.to_owned(), "erased".to_owned()));
        let same = |text: &str| Just((text.to_owned(), text.to_owned()));
        prop_oneof![
            "[a-z0-9]{1,4}".prop_map(|text| (text.clone(), text)),
            mention("vic@shop.example"),
            mention("VIC+News@Shop.example"),
            mention("vic%40shop.example"),
            mention("Vic-1815"),
            same("1815"),
            same("10001815"),
            same("u1"),
            same("avic@shop.example"),
            same("vic@shop.example.org"),
            same("vic-18150"),
            same("my_vic-1815"),
            "[a-z0-9]{1,3}".prop_map(|more| (format!("vic-1815{more}"), format!("vic-1815{more}"))),
        ]
    }

    proptest! {
        // Each case waits for the disk.
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// Whoever says whatever, in files and in a journal.
        #[test]
        fn nobody_elses_row_changes_but_where_it_names_them(
            said in proptest::collection::vec((0..9_u128, proptest::collection::vec(word(), 0..5)), 1..8),
            is_parquet in any::<bool>(),
        ) {
            let (place, program) = (tempfile::tempdir().unwrap(), program());
            let folder = Folder::make(place.path(), Arc::new(AsLines)).unwrap();
            let plan = if is_parquet { Plan { rows: 3, ..PLAN } } else { NDJSON };
            let text = |words: Vec<&String>| words.into_iter().fold("to".to_owned(), |text, word| text + " " + word);
            let payload = |text: &str, alone: &str| json!({"properties": {"n": 12.5, "text": text, "list": [alone, 7]}}).to_string();
            let (mut before, mut after) = (Vec::new(), Vec::new());
            for (n, (who, words)) in said.iter().enumerate() {
                let id = n as u128 * 9 + who;
                let (alone, left) = words.first().map_or(("x", "x"), |(before, after)| {
                    // A number is them where a text is nothing else.
                    (before.as_str(), if before == "10001815" { "erased" } else { after.as_str() })
                });
                let said = text(words.iter().map(|it| &it.0).collect());
                before.push(row(id, ItemKind::Event, &payload(&said, alone)));
                if id % 3 != 1 {
                    let said = text(words.iter().map(|it| &it.1).collect());
                    after.push(row(id, ItemKind::Event, &payload(&said, left)));
                }
            }
            for item in &before {
                folder.take(std::slice::from_ref(item), moment(1), plan, &program).unwrap();
            }
            folder.take(&[vic(999, &[("user_id", "u1")])], moment(3), plan, &program).unwrap();
            prop_assert_eq!(lines(place.path()), lines_of(&after));
        }
    }
}
