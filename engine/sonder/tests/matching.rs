//! `sonder match`, from files to files.
#![expect(clippy::unwrap_used, reason = "the tests of a test binary fail by panicking")]

use std::fmt::Write;
use std::path::Path;
use std::process::{Command, Output};

const IDENTITY: &str = "probabilistic:\n  compare: {name: name, born: date, street: address, city: text}\n  link_at: 0.95\n  review_at: 0.5\n";
const NAMES: [&str; 8] = ["anna", "bram", "clara", "daan", "elise", "floor", "gijs", "hanna"];
const FAMILIES: [&str; 12] =
    ["jansen", "visser", "bakker", "mulder", "dekker", "peters", "smit", "bos", "vos", "kok", "maas", "prins"];

/// Ninety-six people with a record each; every third has a second one, with a slip in the name and another spelling of the
/// street. `id` says who it is.
fn records(second: bool, slip: bool) -> String {
    let mut text = "id, name, born, street, city\n".to_owned();
    for person in (0..96_usize).filter(|person| !second || person % 3 == 0) {
        let (first, last) = (NAMES[person % 8], FAMILIES[person / 8]);
        let last = if slip { last.replacen('s', "z", 1) } else { last.to_owned() };
        let born = format!("19{:02}-{:02}-{:02}", 40 + person % 59, person % 12 + 1, person % 28 + 1);
        let street = if slip { format!("{} lange st", person + 1) } else { format!("lange street {}", person + 1) };
        let id = if second { format!("again-{person}") } else { format!("first-{person}") };
        writeln!(text, "{id}, {first} {last}, {born}, {street}, {}", ["utrecht", "delft", "gouda"][person % 3])
            .unwrap();
    }
    text
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sonder")).arg("match").args(arguments).current_dir(folder).output().unwrap()
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("identity.yaml", IDENTITY);
    write("one.csv", &records(false, false));
    write("two.csv", &records(true, true));
    let rows = records(true, true);
    write("both.csv", &(records(false, false) + rows.split_once('\n').unwrap().1));
    folder
}

fn table(folder: &Path, name: &str) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(folder.join(name)).unwrap();
    text.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

fn whose(id: &str) -> &str {
    id.rsplit_once('-').unwrap().1
}

#[test]
fn one_table_is_searched_for_people_who_are_in_it_twice() {
    let folder = folder();
    let arguments =
        ["both.csv", "--identity", "identity.yaml", "--out", "pairs.csv", "--clusters", "people.csv", "--explain"];
    let output = run(folder.path(), &arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let pairs = table(folder.path(), "pairs.csv");
    assert_eq!(pairs[0], ["id_l", "id_r", "probability", "weight", "prior", "name", "born", "street", "city", "alike"]);
    assert_eq!(pairs.len(), 33, "{pairs:?}");
    for pair in &pairs[1..] {
        assert_eq!(whose(&pair[0]), whose(&pair[1]), "{pair:?}");
        let numbers: Vec<f64> = pair[2..].iter().map(|cell| cell.parse().unwrap()).collect();
        assert!(numbers[0] >= 0.95, "{pair:?}");
        assert!((numbers[2..].iter().sum::<f64>() - numbers[1]).abs() < 0.01, "{pair:?}");
    }
    let people = table(folder.path(), "people.csv");
    assert_eq!((people[0].as_slice(), people.len()), (["id".to_owned(), "cluster".to_owned()].as_slice(), 129));
    for row in &people[1..] {
        assert_eq!(row[1], format!("first-{}", whose(&row[0])));
    }
}

#[test]
fn two_tables_are_searched_for_people_who_are_in_both() {
    let folder = folder();
    let arguments = ["one.csv", "two.csv", "--identity", "identity.yaml", "--out", "pairs.csv", "--one-to-one"];
    let output = run(folder.path(), &arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let pairs = table(folder.path(), "pairs.csv");
    assert_eq!(pairs.len(), 33, "{pairs:?}");
    assert!(pairs[1..].iter().all(|pair| pair[0].starts_with("first") && pair[1].starts_with("again")));
    let first = std::fs::read(folder.path().join("pairs.csv")).unwrap();
    run(folder.path(), &arguments);
    assert_eq!(first, std::fs::read(folder.path().join("pairs.csv")).unwrap(), "the same every time");
}

#[test]
fn what_is_wrong_is_said_with_place_and_help() {
    let folder = folder();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("short.csv", "id,name,born\na,b,c\n");
    write("twice.csv", "id,name,born,street,city\na,b,1980-01-01,c,d\na,b,1980-01-01,c,d\n");
    write("nothing.yaml", "identifiers: {user_id: {}}\n");
    write("wrong.yaml", "probabilistic: {compare: {name: nmae}, link_at: 2, review_at: 0.5}\n");
    let complaints = [
        run(folder.path(), &["short.csv", "--identity", "identity.yaml", "--out", "x"]),
        run(folder.path(), &["twice.csv", "--identity", "identity.yaml", "--out", "x"]),
        run(folder.path(), &["one.csv", "--identity", "nothing.yaml", "--out", "x"]),
        run(folder.path(), &["one.csv", "--identity", "wrong.yaml", "--out", "x"]),
        run(folder.path(), &["one.csv", "--identity", "identity.yaml", "--out", "x", "--one-to-one"]),
    ];
    let mut all = String::new();
    for output in complaints {
        assert_eq!(output.status.code(), Some(1));
        all.push_str(&String::from_utf8_lossy(&output.stderr));
        all.push('\n');
    }
    insta::assert_snapshot!(all);
}
