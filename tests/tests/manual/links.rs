//! The book as mdBook builds it: no link leads nowhere, and nothing comes from elsewhere.

use super::cache;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

#[test]
fn the_book_builds_and_every_link_of_it_leads_somewhere() {
    let mdbook = cache().join("tools/mdbook/bin/mdbook");
    if !mdbook.is_file() {
        assert!(std::env::var_os("CI").is_none(), "engine/sonder/docs/build.sh has not run");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("book");
    let made = sonder_tests::sonder(&["docs", "site", "--out", source.to_str().unwrap()]).unwrap();
    assert!(made.status.success(), "{made:?}");
    let built = Command::new(mdbook)
        .arg("build")
        .arg(&source)
        .arg("--dest-dir")
        .arg(folder.path().join("html"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&built.stderr).into_owned();
    assert!(built.status.success() && !said.contains("WARN") && !said.contains("ERROR"), "{said}");

    let html = folder.path().join("html");
    let mut pages: BTreeMap<PathBuf, String> = BTreeMap::new();
    collect(&html, &html, &mut pages);
    let mut links = 0;
    for (page, text) in
        pages.iter().filter(|(page, _)| page.as_os_str() != "print.html" && page.as_os_str() != "404.html")
    {
        for link in attributes(text, "href").into_iter().chain(attributes(text, "src")) {
            if ["https:", "http:", "mailto:"].iter().any(|scheme| link.starts_with(scheme)) {
                continue;
            }
            links += 1;
            let (file, place) = link.split_once('#').unwrap_or((&link, ""));
            let target = match file {
                "" => page.clone(),
                file => normal(&page.parent().unwrap().join(file)),
            };
            assert!(html.join(&target).exists(), "{}: {link} leads to no file", page.display());
            if !place.is_empty() {
                let text = pages.get(&target).unwrap_or_else(|| panic!("{}: {link} is no page", page.display()));
                let is_there = attributes(text, "id").contains(place);
                assert!(is_there, "{}: {link} leads to no place", page.display());
            }
        }
        for elsewhere in attributes(text, "src") {
            assert!(!elsewhere.starts_with("http") && !elsewhere.starts_with("//"), "{}: {elsewhere}", page.display());
        }
    }
    assert!(links > 1_000, "{links} links are too few to believe in this test");
}

fn collect(root: &Path, folder: &Path, pages: &mut BTreeMap<PathBuf, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(root, &path, pages);
        } else if path.extension().is_some_and(|it| it == "html") {
            let text = fs::read_to_string(&path).unwrap();
            pages.insert(path.strip_prefix(root).unwrap().to_path_buf(), text);
        }
    }
}

/// Without `..`.
fn normal(path: &Path) -> PathBuf {
    let mut found = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => _ = found.pop(),
            part => found.push(part),
        }
    }
    found
}

fn attributes(html: &str, name: &str) -> BTreeSet<String> {
    let quoted = format!(" {name}=\"");
    let found =
        html.match_indices(&quoted).map(|(at, _)| html[at + quoted.len()..].split('"').next().unwrap_or_default());
    found.map(|text| text.replace("&amp;", "&")).collect()
}
