//! Texts as records can show them.

use crate::domain::escape;

/// The text on one line, with control and invisible characters as escapes.
pub(super) fn one_line(text: &str) -> String {
    escape(&text.replace(['\n', '\r', '\t'], " ")).into_owned()
}

/// The same in ASCII.
pub(super) fn ascii(text: &str) -> String {
    let line = one_line(text);
    if line.is_ascii() { line } else { deunicode::deunicode(&line) }
}
