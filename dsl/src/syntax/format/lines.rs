//! The lines of the formatted file as they grow, with the comments behind them kept apart until all are known: those of
//! neighbouring lines stand in one column.

/// Spaces between code and the comment behind it.
const GAP: usize = 2;

/// Lines, the last of them unfinished.
#[derive(Clone, Debug, Default)]
pub struct Lines {
    done: Vec<Line>,
    current: Line,
    /// The next text begins a new line, in this column.
    pending: Option<usize>,
    /// A space comes before the next text, if that goes on in the line.
    spaced: bool,
    /// Nothing since a word or bracket behind which blank lines are not kept.
    opened: bool,
}

#[derive(Clone, Debug, Default)]
struct Line {
    code: String,
    comment: Option<String>,
}

impl Lines {
    /// Ends the line, if it has anything in it: the next text begins one in `column`.
    pub fn newline(&mut self, column: usize) {
        self.pending = Some(column);
    }

    /// Puts a space between what was and what comes.
    pub fn space(&mut self) {
        self.spaced = true;
    }

    /// Where the next text begins.
    #[must_use]
    pub fn column(&self) -> usize {
        self.pending.unwrap_or_else(|| self.current.code.chars().count() + usize::from(self.spaced))
    }

    /// Writes a token, at the beginning of a line with a blank line before it where asked, but none right inside brackets.
    pub fn token(&mut self, text: &str, blank_before: bool) {
        self.begin(blank_before);
        self.current.code.push_str(text);
        self.opened = matches!(text, "(" | "{" | "=" | "when");
    }

    /// Writes a comment in a line of its own: where a line begins, or else in `column`.
    pub fn comment(&mut self, text: &str, blank_before: bool, column: usize) {
        let column = *self.pending.get_or_insert(column);
        self.begin(blank_before);
        self.current.code.push_str(text);
        self.opened = false;
        self.pending = Some(column);
    }

    /// Writes a comment behind the line's code; what comes next, wherever it would have stood, begins a line.
    pub fn comment_behind(&mut self, text: &str, column: usize) {
        self.current.comment = Some(text.to_owned());
        self.pending = Some(column);
    }

    /// Takes over lines as they are.
    pub fn verbatim(&mut self, text: &str) {
        for line in text.lines() {
            self.newline(0);
            self.begin(false);
            self.current.code.push_str(line.trim_end());
        }
    }

    /// A blank line before what comes next, unless nothing has been written.
    pub fn blank(&mut self) {
        if self.end_line() {
            self.done.push(Line::default());
        }
        self.pending = Some(0);
    }

    /// All of it as text.
    #[must_use]
    pub fn finish(mut self) -> String {
        self.end_line();
        let mut text = String::new();
        let mut lines = self.done.as_slice();
        while let Some(first) = lines.first() {
            // As far as neighbours have comments behind them, or just this line.
            let run = lines.iter().take_while(|line| line.comment.is_some()).count().max(1);
            let width = |line: &Line| line.code.chars().count();
            let column = lines[..run].iter().map(width).max().unwrap_or_else(|| width(first)) + GAP;
            for line in &lines[..run] {
                text.push_str(&line.code);
                if let Some(comment) = &line.comment {
                    text.extend(std::iter::repeat_n(' ', column - width(line)));
                    text.push_str(comment);
                }
                text.push('\n');
            }
            lines = &lines[run..];
        }
        text
    }

    fn begin(&mut self, blank_before: bool) {
        if let Some(column) = self.pending.take() {
            if self.end_line() && blank_before && !self.opened {
                self.done.push(Line::default());
            }
            self.current.code.extend(std::iter::repeat_n(' ', column));
        } else if self.spaced {
            self.current.code.push(' ');
        }
        self.spaced = false;
    }

    /// Whether there was a line to end, now or before.
    fn end_line(&mut self) -> bool {
        let line = std::mem::take(&mut self.current);
        if !line.code.is_empty() {
            self.done.push(line);
        }
        !self.done.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_of_neighbours_stand_in_one_column() {
        let mut lines = Lines::default();
        for (code, comment) in [("a", Some("# 1")), ("longer", Some("# 2")), ("b", None), ("c", Some("# 3"))] {
            lines.newline(0);
            lines.token(code, false);
            if let Some(comment) = comment {
                lines.comment_behind(comment, 0);
            }
        }
        assert_eq!(lines.finish(), "a       # 1\nlonger  # 2\nb\nc  # 3\n");
    }

    #[test]
    fn no_line_ends_in_a_space_and_no_file_begins_blank() {
        let mut lines = Lines::default();
        lines.blank();
        lines.newline(0);
        lines.token("a", true);
        lines.space();
        lines.newline(2);
        lines.token("b", true);
        assert_eq!(lines.finish(), "a\n\n  b\n");
    }
}
