//! What to type instead, where a diagnostic knows it for sure: `did you mean …?`

use super::Edit;
use crate::diagnostic::Diagnostic;

/// A change that mends something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    /// What it does, for a menu.
    pub title: String,
    /// How.
    pub edit: Edit,
}

/// The fix that a diagnostic proposes, if what is written is a single name that another should replace. `written` is what
/// stands at its first place.
#[must_use]
pub fn fix(diagnostic: &Diagnostic, written: &str) -> Option<Fix> {
    let span = diagnostic.labels.first()?.span;
    let (meant, text) = diagnostic.help.iter().find_map(|help| meant(help, written.starts_with('"')))?;
    let quoted = written.starts_with('"');
    // A path has one wrong name in it, which is not known here.
    let replaceable = !written.is_empty() && (quoted || !written.contains(char::is_whitespace));
    (replaceable && written.contains('.') == meant.contains('.'))
        .then(|| Fix { title: format!("replace with `{meant}`"), edit: Edit { span, text } })
}

/// The name or the text that a help means, and how it is written in the place of what is there.
fn meant(help: &str, quoted: bool) -> Option<(&str, String)> {
    let rest = help.strip_prefix("did you mean ")?.strip_suffix('?')?;
    let within = |mark: char| rest.strip_prefix(mark)?.strip_suffix(mark);
    match within('`') {
        Some(name) if quoted => Some((name, format!("\"{name}\""))),
        Some(name) => Some((name, name.to_owned())),
        None => within('"').map(|text| (text, rest.to_owned())),
    }
}
