//! Text as HTML: whatever a project says is escaped where it is written.

use std::fmt::{self, Display, Formatter, Write};

/// Text that stands for itself, between tags and within quoted attributes.
pub(super) struct Text<T>(pub T);

impl<T: Display> Display for Text<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(Escaping(f), "{}", self.0)
    }
}

struct Escaping<'a, 'f>(&'a mut Formatter<'f>);

impl Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for letter in text.chars() {
            match letter {
                '&' => self.0.write_str("&amp;")?,
                '<' => self.0.write_str("&lt;")?,
                '>' => self.0.write_str("&gt;")?,
                '"' => self.0.write_str("&quot;")?,
                '\'' => self.0.write_str("&#39;")?,
                // No document may have them, and some turn the text around that follows.
                '\u{0}'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{7f}'..='\u{9f}' => {
                    self.0.write_char('\u{fffd}')?;
                }
                '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => self.0.write_char('\u{fffd}')?,
                letter => self.0.write_char(letter)?,
            }
        }
        Ok(())
    }
}

/// The id of a property's place on its page: names of properties may hold anything, ids and addresses may not.
pub(super) fn anchor(property: &str) -> String {
    let mut id = "p-".to_owned();
    for letter in property.chars() {
        if letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-') {
            id.push(letter);
        } else {
            // Writing into a text cannot fail.
            let _ = write!(id, ".{:x}", u32::from(letter));
        }
    }
    id
}

/// `3 events`, `1 event`.
pub(super) fn counted(count: usize, one: &str) -> String {
    let plural = match (count, one) {
        (1, one) => one.to_owned(),
        (_, one) if one.ends_with("ty") => format!("{}ies", &one[..one.len() - 1]),
        (_, one) => format!("{one}s"),
    };
    format!("{count} {plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_never_markup() {
        assert_eq!(
            Text("<b title='x\">&\u{202e}\u{1b}").to_string(),
            "&lt;b title=&#39;x&quot;&gt;&amp;\u{fffd}\u{fffd}"
        );
        assert_eq!(anchor("a b.c<"), "p-a.20b.2ec.3c");
        assert_eq!(counted(1, "property"), "1 property");
        assert_eq!(counted(2, "property"), "2 properties");
        assert_eq!(counted(0, "journey"), "0 journeys");
    }
}
