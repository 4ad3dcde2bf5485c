//! Markdown as the book shows it.

use std::fmt::Write;

/// What files are written in.
const LANGUAGES: [&str; 11] = ["yaml", "sonder", "json", "ndjson", "js", "ts", "py", "rust", "toml", "md", "csv"];

/// What a page is called: its first heading, as plain text.
pub(super) fn title(text: &str) -> String {
    let heading = text.lines().find_map(|line| line.strip_prefix("# ")).unwrap_or_default();
    heading.replace('`', "").replace(['[', ']'], "")
}

/// The page with the name of each file above its content: a block of code that begins with "```yaml shop/sonder.yaml" is that file.
/// Readers see its name, and the tests write the file.
pub(super) fn shown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut fence: Option<&str> = None;
    for line in text.lines() {
        let ticks = line.len() - line.trim_start_matches('`').len();
        match fence {
            // A fence is closed by as many ticks as have opened it, or more, and nothing else.
            Some(open) if ticks >= open.len() && line.trim_end().len() == ticks => fence = None,
            None if ticks >= 3 => {
                fence = line.get(..ticks);
                let info = line.get(ticks..).unwrap_or_default();
                let (language, rest) = info.split_once(' ').unwrap_or((info, ""));
                let path = rest.trim();
                if !path.is_empty() {
                    // What is no file (`eval TIME`) is what that command prints.
                    let is_file = LANGUAGES.contains(&language);
                    let (name, language) = if is_file { (path, language) } else { (info, "text") };
                    // Writing into a text cannot fail.
                    let _ = write!(out, "<span class=\"file\">`{name}`</span>\n\n{}{language}\n", &line[..ticks]);
                    continue;
                }
            }
            _ => {}
        }
        out.push_str(line);
        out.push('\n');
    }
    out
}

/// Text in a cell of a table.
pub(super) fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', "<br>")
}

/// Text that Markdown would read as markup, to be shown as it is; what stands between backticks stays.
pub(super) fn prose(text: &str) -> String {
    let mut out = String::new();
    for (index, part) in text.split('`').enumerate() {
        if index > 0 {
            out.push('`');
        }
        match index % 2 {
            0 => out.push_str(&part.replace('<', "&lt;").replace('*', "\\*").replace('_', "\\_")),
            _ => out.push_str(part),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_that_are_files_say_which() {
        let text = "# A `b`\n```yaml shop/sonder.yaml\nname: shop\n```\n````md x.md\n```yaml y.yaml\n```\n````\n```eval 2026\nx\n```\n```sh\nls\n```\n";
        assert_eq!(
            shown(text),
            "# A `b`\n<span class=\"file\">`shop/sonder.yaml`</span>\n\n```yaml\nname: shop\n```\n\
             <span class=\"file\">`x.md`</span>\n\n````md\n```yaml y.yaml\n```\n````\n<span class=\"file\">`eval 2026`</span>\n\n```text\nx\n```\n```sh\nls\n```\n"
        );
        assert_eq!(title(text), "A b");
    }

    #[test]
    fn what_is_no_markup_is_shown_as_it_is() {
        assert_eq!(prose("a <b> of `<c>` and *d*"), "a &lt;b> of `<c>` and \\*d\\*");
    }
}
