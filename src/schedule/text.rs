//! Texts of a schedule, for screens and records.

use crate::domain::is_invisible;

/// The text on one line: line ends, tabs and other control characters become a blank, several blanks one, and
/// what no screen shows goes. Titles come with line ends in them, and a schedule's texts end on operators'
/// terminals.
pub(super) fn one_line(text: &str) -> String {
    let visible: String =
        text.chars().filter(|c| !is_invisible(*c)).map(|c| if c.is_control() { ' ' } else { c }).collect();
    visible.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// As [`one_line`]; `None` where nothing is left.
pub(super) fn some_line(text: &str) -> Option<String> {
    Some(one_line(text)).filter(|text| !text.is_empty())
}

/// The largest number of values in a schedule's JSON or TOML. A beamline's run has a few thousand.
const VALUES_MAX: usize = 200_000;

/// Refuses a document of so many values that reading it would fill the memory, before it is read.
pub(super) fn check_size(document: &[u8]) -> Result<(), String> {
    // Each value but the first follows one of these; those within texts are counted, too.
    let count = document.iter().filter(|byte| matches!(byte, b',' | b'[' | b'{' | b'=' | b':')).count();
    if count > VALUES_MAX { Err(format!("more than {VALUES_MAX} values")) } else { Ok(()) }
}

/// At most `bytes` of the text, cut between characters and marked with `…` where it was cut.
pub(super) fn fitting(text: &str, bytes: usize) -> String {
    const MARK: char = '…';
    if text.len() <= bytes {
        return text.to_owned();
    }
    let Some(room) = bytes.checked_sub(MARK.len_utf8()) else { return String::new() };
    let end = (0..=room).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
    format!("{}{MARK}", text[..end].trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_on_one_line() {
        assert_eq!(
            one_line("  In situ\r\n\ttomography \u{1b}[31mof\u{200B} “Pores” "),
            "In situ tomography [31mof “Pores”"
        );
        assert_eq!(some_line(" \n\u{FEFF} "), None);
    }

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!(fitting("Pores", 5), "Pores");
        assert_eq!(fitting("Pores in cement", 12), "Pores in…");
        assert_eq!(fitting("ééééé", 8), "éé…");
        assert_eq!(fitting("Pores", 2), "");
    }
}
