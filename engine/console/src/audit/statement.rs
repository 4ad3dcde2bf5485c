//! SQL without the values in it.

/// Characters that are kept.
const MOST: usize = 500;

/// A statement with `?` in place of every text and number, and without comments, on one line: what was asked, and of nobody. A name
/// in quotes that is more than a plain name is a text like others.
pub(crate) fn without_values(sql: &str) -> String {
    let mut kept = String::new();
    let mut rest = sql;
    while let Some(next) = rest.chars().next() {
        let after = if rest.starts_with("--") {
            rest.split_once('\n').map_or("", |(_, after)| after)
        } else if let Some(comment) = rest.strip_prefix("/*") {
            behind_comment(comment)
        } else if next == '\'' {
            let is_escaped = is_escaping(&kept);
            kept.push('?');
            behind_quote(rest, is_escaped)
        } else if next == '"' {
            let (name, after) = quoted_name(rest);
            kept.push_str(name.unwrap_or("?"));
            after
        } else if let Some(after) = behind_dollars(rest) {
            kept.push('?');
            after
        } else if next.is_ascii_digit() && !kept.ends_with(is_of_name) {
            kept.push('?');
            rest.trim_start_matches(|it: char| it.is_alphanumeric() || it == '.' || it == '_')
        } else if next.is_whitespace() {
            rest.trim_start()
        } else {
            kept.push(next);
            &rest[next.len_utf8()..]
        };
        let is_gap = next.is_whitespace() || rest.starts_with("--") || rest.starts_with("/*");
        if is_gap && !kept.is_empty() && !kept.ends_with(' ') {
            kept.push(' ');
        }
        rest = after;
    }
    kept.trim_end().chars().take(MOST).collect()
}

/// Whether a text that begins now is `E'…'`, in which `\\'` does not end it.
fn is_escaping(kept: &str) -> bool {
    let mut before = kept.chars().rev();
    matches!(before.next(), Some('e' | 'E')) && !before.next().is_some_and(is_of_name)
}

/// What stands behind a text in quotes, in which two of them are one.
fn behind_quote(text: &str, is_escaped: bool) -> &str {
    let mut characters = text.char_indices().skip(1).peekable();
    while let Some((place, character)) = characters.next() {
        match character {
            '\\' if is_escaped => drop(characters.next()),
            '\'' if characters.peek().is_some_and(|(_, next)| *next == '\'') => drop(characters.next()),
            '\'' => return &text[place + 1..],
            _ => {}
        }
    }
    ""
}

/// A name in double quotes, with them, where it is a plain one; and what stands behind it.
fn quoted_name(text: &str) -> (Option<&str>, &str) {
    let mut characters = text.char_indices().skip(1).peekable();
    while let Some((place, character)) = characters.next() {
        if character != '"' {
            continue;
        }
        if characters.peek().is_some_and(|(_, next)| *next == '"') {
            characters.next();
            continue;
        }
        let (whole, after) = text.split_at(place + 1);
        let name = &whole[1..place];
        let is_plain = name.chars().all(is_of_name) && name.starts_with(|it: char| !it.is_ascii_digit());
        return (is_plain.then_some(whole), after);
    }
    (None, "")
}

/// What stands behind a comment that has begun; there may be others in it.
fn behind_comment(text: &str) -> &str {
    let (mut rest, mut open) = (text, 1_u32);
    while open > 0 {
        let Some(place) = rest.find(['*', '/']) else { return "" };
        rest = &rest[place..];
        if let Some(after) = rest.strip_prefix("*/") {
            (rest, open) = (after, open - 1);
        } else if let Some(after) = rest.strip_prefix("/*") {
            (rest, open) = (after, open + 1);
        } else {
            rest = &rest[1..];
        }
    }
    rest
}

/// What stands behind `$$text$$` or `$tag$text$tag$`.
fn behind_dollars(text: &str) -> Option<&str> {
    let (tag, body) = text.strip_prefix('$')?.split_once('$')?;
    if !tag.chars().all(is_of_name) {
        return None;
    }
    let end = format!("${tag}$");
    Some(body.split_once(&end).map_or("", |(_, after)| after))
}

fn is_of_name(it: char) -> bool {
    it.is_alphanumeric() || it == '_'
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_are_left_out() {
        for (sql, kept) in [
            ("select * from people where email = 'ann@shop.example'", "select * from people where email = ?"),
            (
                "SELECT 'it''s', E'x', 1.5e3, 42, t1.c2 FROM ev_view -- ann\nLIMIT 5",
                "SELECT ?, E?, ?, ?, t1.c2 FROM ev_view LIMIT ?",
            ),
            ("select $$ann$$, $a$b$$c$a$ /* bob */ , $1", "select ?, ? , $?"),
            ("select 'open", "select ?"),
            (
                r#"select count(*) as "ann@shop.example", "user_id", "a""b ann" from "ev_view""#,
                r#"select count(*) as ?, "user_id", ? from "ev_view""#,
            ),
            (r"select E'a\' ann', e'\\', name'x', 'b\'", "select E?, e?, name?, ?"),
            ("select 1 /* a /* ann */ bob */ , \"open ann", "select ? , ?"),
            ("  select\n\t1  ", "select ?"),
        ] {
            assert_eq!(without_values(sql), kept, "{sql}");
        }
        assert_eq!(without_values(&"é".repeat(5_000)).chars().count(), MOST);
    }

    proptest! {
        #[test]
        fn no_text_is_kept(before in "[a-z ,(]{0,20}", text in "[^']{0,20}", after in "[a-z ,)]{0,20}") {
            let secret = format!("SECRET{text}SECRET");
            let kept = without_values(&format!("select {before}'{secret}'{after}"));
            prop_assert!(!kept.contains("SECRET"), "{}", kept);
        }
    }
}
