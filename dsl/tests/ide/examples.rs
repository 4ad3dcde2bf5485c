//! The examples and those of the design, word by word: what has a meaning for an editor, and what has none.

use sonder_dsl::ide;
use sonder_dsl::model::Plugins;
use sonder_dsl::source::{SourceFile, SourceSet};
use sonder_dsl::syntax::scan::{self, Kind};
use sonder_dsl::{Workspace, compile};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn examples() -> Vec<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let examples = std::fs::read_dir(here.join("../examples")).unwrap();
    let mut found: Vec<_> = examples.map(|entry| entry.unwrap().path()).collect();
    found.push(here.join("tests/projects/normative"));
    found.retain(|path| path.join("sonder.yaml").is_file());
    found.sort();
    found
}

fn sources(root: &Path) -> SourceSet {
    fn collect(root: &Path, folder: &Path, files: &mut Vec<SourceFile>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(root, &path, files);
            } else if path.extension().is_some_and(|extension| extension == "yaml" || extension == "sonder") {
                let text = std::fs::read_to_string(&path).unwrap();
                files.push(SourceFile { path: path.strip_prefix(root).unwrap().to_str().unwrap().to_owned(), text });
            }
        }
    }
    let mut files = Vec::new();
    collect(root, root, &mut files);
    SourceSet::new(files)
}

/// Only words of the language, names of fields that are sent or shown, and of variants, mean nothing to an editor.
#[test]
fn words_of_the_examples_without_a_meaning() {
    let mut without = BTreeSet::new();
    let mut with = 0;
    for example in examples() {
        let plugins = Plugins::default();
        let analysis = Workspace::default().analyse(sources(&example));
        let project = analysis.project(&plugins).unwrap();
        let files = analysis.compilation.sources.iter().filter(|(_, file)| file.path.ends_with(".sonder"));
        for (id, file) in files {
            for token in scan::tokens(&file.text).into_iter().filter(|token| token.kind == Kind::Word) {
                let word = &file.text[token.range.start..token.range.end];
                let means = project.symbol_at(id, token.range.start).is_some_and(|found| {
                    (found.span.start as usize..found.span.end as usize).contains(&token.range.start)
                });
                if means {
                    with += 1;
                } else if !word.starts_with(|first: char| first.is_ascii_digit()) {
                    without.insert(word.to_owned());
                }
            }
        }
    }
    assert!(with > 200, "the examples are there: {with}");
    insta::assert_snapshot!(without.into_iter().collect::<Vec<_>>().join(" "));
}

/// Renaming something that scenarios, destinations and rules name changes all of them.
#[test]
fn a_segment_of_the_shop_is_renamed_in_its_scenarios() {
    let shop = examples().into_iter().find(|path| path.ends_with("shop")).unwrap();
    let plugins = Plugins::default();
    let analysis = Workspace::default().analyse(sources(&shop));
    let project = analysis.project(&plugins).unwrap();
    let (id, text) = analysis
        .compilation
        .sources
        .iter()
        .find_map(|(id, file)| Some((id, file.text.find("segment sustainable_shoppers")?)))
        .unwrap();
    let edits = ide::rename(&project, id, text + "segment s".len(), "green_shoppers").unwrap();
    let files: BTreeSet<&str> = edits.iter().map(|edit| analysis.compilation.sources.path(edit.span.file)).collect();
    insta::assert_snapshot!(files.into_iter().collect::<Vec<_>>().join("\n"));
}

/// Another name for each rule of the examples: everything means what it did.
#[test]
fn renaming_changes_no_meaning() {
    let mut renamed = 0;
    for example in examples() {
        let plugins = Plugins::default();
        let before = Workspace::default().analyse(sources(&example));
        let project = before.project(&plugins).unwrap();
        let meaning = |sources: SourceSet| {
            let mut rules: Vec<_> =
                compile(sources).program.unwrap().rules.iter().map(|rule| rule.fingerprint).collect();
            rules.sort_unstable();
            rules
        };
        let sources = &before.compilation.sources;
        let wanted = meaning(sources.clone());
        for (id, file) in sources.iter().filter(|(_, file)| file.path.ends_with(".sonder")) {
            for chunk in scan::split(&file.text) {
                let at = chunk.name.unwrap().start;
                let edits = ide::rename(&project, id, at, "another_name").unwrap_or_else(|why| panic!("{why}"));
                assert_eq!(meaning(edited(sources, &edits)), wanted, "{}: {edits:?}", file.path);
                renamed += 1;
            }
        }
    }
    assert!(renamed > 40, "{renamed} rules");
}

fn edited(sources: &SourceSet, edits: &[ide::Edit]) -> SourceSet {
    let files = sources.iter().map(|(id, file)| {
        let mut of_file: Vec<_> = edits.iter().filter(|edit| edit.span.file == id).collect();
        of_file.sort_by_key(|edit| std::cmp::Reverse(edit.span.start));
        let mut text = file.text.clone();
        for edit in of_file {
            text.replace_range(edit.span.start as usize..edit.span.end as usize, &edit.text);
        }
        SourceFile { path: file.path.clone(), text }
    });
    SourceSet::new(files.collect())
}
