//! Which characters the texts of the user info may hold, and how texts of others are shown.

use std::borrow::Cow;
use std::fmt::Write;

/// Characters that a screen doesn't show or that reorder what it shows: two texts that look the same would
/// differ, and what an operator approves wouldn't be what is used. (Unicode's Default_Ignorable_Code_Point
/// and the bidi controls.)
pub(crate) fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}'..='\u{1160}' | '\u{17B4}'..='\u{17B5}'
        | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}'
        | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}'
        | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}')
}

/// The text as it may be written into a log, a record or a terminal: on one line, with control, invisible and
/// text-reordering characters as escapes (`\n`, `\u{202e}`). Everything else stays as it is.
pub fn escape(text: &str) -> Cow<'_, str> {
    escape_where(text, |c| c.is_control() || is_invisible(c))
}

/// As [`escape`], but keeps line ends: for texts that beamshare itself has set in several lines.
pub fn escape_lines(text: &str) -> Cow<'_, str> {
    escape_where(text, |c| c != '\n' && (c.is_control() || is_invisible(c)))
}

/// As [`escape`], for a document in JSON, which leaves DEL, the C1 control characters and the invisible ones
/// as they are.
pub fn escape_json(document: &str) -> Cow<'_, str> {
    let hidden = |c: char| c != '\n' && (c.is_control() || is_invisible(c));
    if !document.contains(hidden) {
        return Cow::Borrowed(document);
    }
    let mut escaped = String::with_capacity(document.len() + 16);
    for c in document.chars() {
        if hidden(c) {
            // In a JSON text only a string can hold such a character; beyond U+FFFF it is a pair of
            // surrogates.
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| _ = write!(escaped, "\\u{unit:04x}"));
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

fn escape_where(text: &str, hidden: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&hidden) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            c if !hidden(c) => escaped.push(c),
            '\n' | '\r' | '\t' => escaped.extend(c.escape_default()),
            // Writing to a String doesn't fail.
            c => _ = write!(escaped, "{}", c.escape_unicode()),
        }
    }
    Cow::Owned(escaped)
}

/// The character as an operator can find it: shown where it can be, and by its number.
pub(super) fn named(c: char) -> String {
    let number = format!("U+{:04X}", c as u32);
    match c {
        '\n' => format!("a line end ({number})"),
        '\t' => format!("a tab ({number})"),
        c if c.is_control() => format!("a control character ({number})"),
        c if is_invisible(c) => format!("an invisible character ({number})"),
        c => format!("'{c}' ({number})"),
    }
}

/// Longest free text, in characters: that of the tagging tool's waveforms.
const FREE_TEXT_MAX: usize = 256;

/// A text for people to read, such as a title: any script and punctuation, on one line, nothing that hides.
pub(super) fn free_text(text: &str) -> Result<String, String> {
    if let Some(c) = text.chars().find(|c| c.is_control() || is_invisible(*c)) {
        return Err(format!("holds {}, which can't be shown; put the text without it", named(c)));
    }
    match text.chars().count() {
        0..=FREE_TEXT_MAX => Ok(text.to_owned()),
        count => Err(format!("has {count} characters; it may have {FREE_TEXT_MAX}")),
    }
}

/// Longest identifier, in characters.
const IDENTIFIER_MAX: usize = 64;

/// A facility's number for a proposal, a badge or a safety form. Not always digits: `GUP-81234`, `cm31137-2`,
/// `12345, 12346`.
pub(super) fn identifier(text: &str) -> Result<String, String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ',' | '#' | ' ');
    if let Some(c) = text.chars().find(|c| !allowed(*c)) {
        return Err(format!(
            "holds {}; a number may hold ASCII letters, digits, blanks and - _ . , #",
            named(c)
        ));
    }
    if !text.contains(|c: char| c.is_ascii_alphanumeric()) {
        return Err("has neither a letter nor a digit".to_owned());
    }
    match text.chars().count() {
        0..=IDENTIFIER_MAX => Ok(text.to_owned()),
        count => Err(format!("has {count} characters; a number may have {IDENTIFIER_MAX}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_stays_on_one_line_and_visible() {
        for text in ["Pores in cement", "Zoë Müller 李", "a\\b"] {
            assert!(matches!(escape(text), Cow::Borrowed(same) if same == text));
        }
        assert_eq!(escape("a\nb\r\t\u{1b}[2J\u{9b}\u{202e}fdp"), r"a\nb\r\t\u{1b}[2J\u{9b}\u{202e}fdp");
        assert_eq!(escape_lines("a\nb\u{200b}\r\n"), "a\nb\\u{200b}\\r\n");
    }

    #[test]
    fn json_keeps_its_meaning() {
        let value = serde_json::json!({"name": "a\n\u{202e}b\u{e0041}ü"});
        let document = value.to_string();
        let escaped = escape_json(&document);
        assert!(escaped.contains(r"\u202e") && !escaped.contains(is_invisible), "{escaped}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&escaped).unwrap(), value);
    }
}
