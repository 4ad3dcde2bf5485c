//! SQL without the values in it.

/// Characters that are kept.
const MOST: usize = 500;

/// A statement with `?` in place of every text and number, and without comments, on one line: what was asked, and of nobody.
pub(crate) fn without_values(sql: &str) -> String {
    let mut kept = String::new();
    let mut rest = sql;
    while let Some(next) = rest.chars().next() {
        let after = if rest.starts_with("--") {
            rest.split_once('\n').map_or("", |(_, after)| after)
        } else if let Some(comment) = rest.strip_prefix("/*") {
            comment.split_once("*/").map_or("", |(_, after)| after)
        } else if next == '\'' {
            kept.push('?');
            behind_quote(rest)
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

/// What stands behind a text in quotes, in which two of them are one.
fn behind_quote(text: &str) -> &str {
    let mut rest = &text[1..];
    loop {
        let Some((_, after)) = rest.split_once('\'') else { return "" };
        match after.strip_prefix('\'') {
            Some(more) => rest = more,
            None => return after,
        }
    }
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
