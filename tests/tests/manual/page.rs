//! A page of the manual: what a reader types, and what they are shown.

/// What stands between two fences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    /// A file that the reader writes.
    File { path: String, text: String },
    /// What a reader types at a prompt.
    Console { exchanges: Vec<Exchange>, how: How },
    /// A script: it has to succeed.
    Script(String),
    /// Nothing to run.
    Text,
}

/// What stands behind `console`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct How {
    /// `background`: in a terminal of its own, which stays open.
    pub is_background: bool,
    /// `soon`: what is shown is so a moment later; the test asks until it is.
    pub is_soon: bool,
    /// `needs=npm`: a tool that not every machine has.
    pub needs: Option<String>,
}

/// A command, and what is shown of what it prints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    pub command: String,
    /// `None` where the page shows nothing.
    pub shown: Option<String>,
    /// What it ends with.
    pub code: i32,
    /// The lines of `shown` in the page, from 0, the end not among them.
    pub lines: std::ops::Range<usize>,
}

/// The blocks of a page, with the line at which each begins.
pub fn blocks(text: &str) -> Result<Vec<(usize, Block)>, String> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let ticks = lines[at].len() - lines[at].trim_start_matches('`').len();
        if ticks < 3 {
            at += 1;
            continue;
        }
        let (fence, info) = lines[at].split_at(ticks);
        let begin = at + 1;
        let end = (begin..lines.len()).find(|it| lines[*it] == fence);
        let end = end.ok_or_else(|| format!("line {}: the block is not closed", at + 1))?;
        found.push((at + 1, block(info, &lines, begin, end).map_err(|error| format!("line {}: {error}", at + 1))?));
        at = end + 1;
    }
    Ok(found)
}

fn block(info: &str, lines: &[&str], begin: usize, end: usize) -> Result<Block, String> {
    let (language, path) = info.split_once(' ').unwrap_or((info, ""));
    let text = || lines[begin..end].iter().map(|line| format!("{line}\n")).collect::<String>();
    if !path.is_empty() {
        return Ok(Block::File { path: path.trim().to_owned(), text: text() });
    }
    let mut words = language.split(',');
    match words.next().unwrap_or_default() {
        "console" => {
            let words: Vec<&str> = words.collect();
            let code = words.iter().find_map(|word| word.strip_prefix("exit=")).map(str::parse).transpose();
            let code = code.map_err(|error| format!("`exit=`: {error}"))?.unwrap_or(0);
            let exchanges = exchanges(lines, begin, end, code)?;
            let how = How {
                is_background: words.contains(&"background"),
                is_soon: words.contains(&"soon"),
                needs: words.iter().find_map(|word| word.strip_prefix("needs=")).map(str::to_owned),
            };
            Ok(Block::Console { exchanges, how })
        }
        "sh" => Ok(Block::Script(text())),
        "text" => Ok(Block::Text),
        other => {
            Err(format!("a block of `{other}` is no file, as in \"```yaml shop/sonder.yaml\", and nothing runs it"))
        }
    }
}

fn exchanges(lines: &[&str], begin: usize, end: usize, code: i32) -> Result<Vec<Exchange>, String> {
    let mut found: Vec<Exchange> = Vec::new();
    let mut at = begin;
    while at < end {
        let first = lines[at].strip_prefix("$ ").ok_or("it begins with no `$ `")?;
        let mut command = first.to_owned();
        // A line that goes on, or a text that ends where it says.
        let ending = first.split_once("<<'").and_then(|(_, rest)| rest.split_once('\'')).map(|(word, _)| word);
        at += 1;
        while at < end
            && (command.ends_with('\\') || ending.is_some_and(|word| !command.ends_with(&format!("\n{word}"))))
        {
            command.push('\n');
            command.push_str(lines[at]);
            at += 1;
        }
        let from = at;
        while at < end && !lines[at].starts_with("$ ") {
            at += 1;
        }
        let shown = (at > from).then(|| lines[from..at].join("\n"));
        // Only the last command of a block may fail.
        let code = if at == end { code } else { 0 };
        found.push(Exchange { command, shown, code, lines: from..at });
    }
    Ok(found)
}

/// Whether what was printed is what is shown: `…` stands for anything within a line, and alone for any lines.
pub fn fits(shown: &str, printed: &str) -> bool {
    let shown: Vec<&str> = shown.trim_end().lines().map(str::trim_end).collect();
    let printed: Vec<&str> = printed.trim_end().lines().map(str::trim_end).collect();
    lines_fit(&shown, &printed)
}

fn lines_fit(shown: &[&str], printed: &[&str]) -> bool {
    match (shown.split_first(), printed.split_first()) {
        (None, None) => true,
        (Some((&"…", rest)), _) => (0..=printed.len()).any(|skipped| lines_fit(rest, &printed[skipped..])),
        (Some((first, rest)), Some((line, others))) => line_fits(first, line) && lines_fit(rest, others),
        _ => false,
    }
}

fn line_fits(shown: &str, line: &str) -> bool {
    let Some((before, after)) = shown.split_once('…') else { return shown == line };
    let Some(rest) = line.strip_prefix(before) else { return false };
    let ends = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
    ends.into_iter().any(|at| line_fits(after, &rest[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_files_and_commands() {
        let page = "# A\n```yaml shop/sonder.yaml\nname: shop\n```\ntext\n```console,exit=1\n$ ls \\\n    -l\n$ sonder check\nwrong\n```\n```sh\ntrue\n```\n";
        let found: Vec<Block> = blocks(page).unwrap().into_iter().map(|(_, block)| block).collect();
        assert_eq!(
            found,
            [
                Block::File { path: "shop/sonder.yaml".to_owned(), text: "name: shop\n".to_owned() },
                Block::Console {
                    exchanges: vec![
                        Exchange { command: "ls \\\n    -l".to_owned(), shown: None, code: 0, lines: 8..8 },
                        Exchange {
                            command: "sonder check".to_owned(),
                            shown: Some("wrong".to_owned()),
                            code: 1,
                            lines: 9..10
                        },
                    ],
                    how: How::default(),
                },
                Block::Script("true\n".to_owned()),
            ]
        );
        let here = "```console\n$ cat > x <<'END'\n$ no command\nEND\nout\n```\n";
        let Block::Console { exchanges, .. } = &blocks(here).unwrap()[0].1 else { panic!("no console") };
        assert_eq!(exchanges[0].command, "cat > x <<'END'\n$ no command\nEND");
        assert_eq!(exchanges[0].shown.as_deref(), Some("out"));
        let tool = blocks("```console,needs=npm,background\n$ npm start\n```\n").unwrap();
        let Block::Console { how, .. } = &tool[0].1 else { panic!("no console") };
        assert_eq!(*how, How { is_background: true, is_soon: false, needs: Some("npm".to_owned()) });
        assert!(blocks("```yaml\na: 1\n```\n").is_err(), "an example that nothing tries");
        assert!(blocks("```sh\n").is_err());
    }

    #[test]
    fn dots_stand_for_what_differs_each_time() {
        for (shown, printed, is_same) in [
            ("a", "a\n", true),
            ("a", "b", false),
            ("at …, id …x", "at 12:00, id 9x", true),
            ("at …, id …x", "at 12:00, id 9", false),
            ("a\n…\nz", "a\nb\nc\nz", true),
            ("a\n…\nz", "a\nz", true),
            ("a\n…", "a", true),
            ("a\n…\nz", "a\nb", false),
            ("a", "a\nb", false),
        ] {
            assert_eq!(fits(shown, printed), is_same, "{shown:?} {printed:?}");
        }
    }
}
