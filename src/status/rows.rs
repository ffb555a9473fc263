//! Long texts in rows of a fixed length, broken between words: MEDM can't wrap lines, and shows the rows by
//! the IOC's array filter (`HoldRows.[0:99]`). Each row is filled up with NUL: MEDM needs one at the end of
//! an array of characters.

use super::line::ascii;
use crate::domain::{HeldGroup, HoldReason, listed};

/// Bytes in a row, a NUL at its end included.
pub const ROW_LENGTH: usize = 100;

/// Rows that HoldRows holds.
pub const ROWS: usize = 120;

/// Rows of HoldDetails.
const DETAIL_ROWS: usize = 60;

/// The reasons and remedies in rows. Rows beyond [`ROWS`] are left out, and the last row says so.
pub(super) fn held_rows(reasons: &[HoldReason]) -> Vec<String> {
    let mut rows = vec![];
    for (index, reason) in reasons.iter().enumerate() {
        if index > 0 {
            rows.push(String::new());
        }
        rows.extend(wrapped(&ascii(&reason.reason), &format!("{}. ", index + 1)));
        rows.extend(wrapped(&ascii(&reason.remedy), "   -> "));
    }
    limited(rows, ROWS)
}

/// The groups, who gains and loses access, and what is mailed, in rows, likewise.
pub(super) fn detail_rows(held: &HeldGroup) -> Vec<String> {
    let mut lines = vec![("For", held.group.description()), ("Directory", held.directories.join(", "))];
    if let Some(other) = &held.other {
        let text = format!("{}, {}, {}", other.group.name(), other.group.description(), other.directory);
        lines.push(("Other group", format!("{text} ({})", other.relation)));
    }
    lines.extend([("Gains access", listed(&held.gains)), ("Loses access", listed(&held.loses))]);
    lines.extend(
        held.mails.iter().map(|mail| ("Mail", format!("{}: {}", mail.about, listed(&mail.recipients)))),
    );
    let lines = lines.iter().filter(|(_, text)| !text.is_empty());
    limited(
        lines.flat_map(|(name, text)| wrapped(&ascii(text), &format!("{name:<13}"))).collect(),
        DETAIL_ROWS,
    )
}

/// A message in rows.
pub(super) fn message_rows(message: &str) -> Vec<String> {
    wrapped(&ascii(message), "")
}

fn limited(mut rows: Vec<String>, most: usize) -> Vec<String> {
    if rows.len() > most {
        rows.truncate(most - 1);
        rows.push("   ... In full: beamshare status".to_owned());
    }
    rows
}

/// The rows as one text, each filled up to [`ROW_LENGTH`].
pub(super) fn joined(rows: &[String]) -> String {
    let filled: String = rows.iter().map(|row| format!("{row:\0<ROW_LENGTH$}")).collect();
    filled.trim_end_matches('\0').to_owned()
}

/// The ASCII text in rows; the first one begins with `start`, the others are indented by its length.
fn wrapped(text: &str, start: &str) -> Vec<String> {
    let room = ROW_LENGTH - 1 - start.len();
    let mut lines: Vec<String> = vec![];
    for word in text.split_whitespace() {
        let mut rest = word;
        if let Some(line) = lines.last_mut().filter(|line| line.len() + 1 + rest.len() <= room) {
            line.push(' ');
            line.push_str(rest);
            continue;
        }
        // Only a word that is longer than a row, such as a path, is broken.
        while rest.len() > room {
            lines.push(rest[..room].to_owned());
            rest = &rest[room..];
        }
        lines.push(rest.to_owned());
    }
    let indent = " ".repeat(start.len());
    lines
        .iter()
        .enumerate()
        .map(|(index, line)| format!("{}{line}", if index == 0 { start } else { &indent }))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::decision::Hold;

    fn reason(reason: &str, remedy: &str) -> HoldReason {
        HoldReason::from(&Hold::approve(reason, remedy))
    }

    #[test]
    fn rows_are_broken_between_words_and_indented() {
        let rows = held_rows(&[reason(&"word ".repeat(30), "Approve"), reason("Müller", "Tag again")]);
        let expected = [
            format!("1. {}", "word ".repeat(19).trim_end()),
            format!("   {}", "word ".repeat(11).trim_end()),
            "   -> Approve".to_owned(),
            String::new(),
            "2. Muller".to_owned(),
            "   -> Tag again".to_owned(),
        ];
        assert_eq!(rows, expected);
        let text = joined(&rows);
        for (index, row) in rows.iter().enumerate() {
            let shown = text.get(index * ROW_LENGTH..).unwrap_or_default();
            assert_eq!(shown[..shown.len().min(ROW_LENGTH)].trim_end_matches('\0'), row);
        }
    }

    #[test]
    fn a_word_longer_than_a_row_is_shown_whole() {
        let path = "a/".repeat(125);
        let rows = held_rows(&[reason(&path, "Approve")]);
        let shown: String = rows[..3].iter().map(|row| row.trim_start_matches("1. ").trim()).collect();
        assert_eq!(shown, path);
        assert!(rows.iter().all(|row| row.len() < ROW_LENGTH));
    }

    #[test]
    fn too_many_rows_say_where_the_rest_is() {
        let rows = held_rows(&[reason(&"word ".repeat(20 * ROWS), "Approve")]);
        assert_eq!((rows.len(), rows[ROWS - 1].as_str()), (ROWS, "   ... In full: beamshare status"));
    }
}
