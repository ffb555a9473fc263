//! Results on standard output. A reader that has gone (`beamshare history | head`) is no failure.

use super::failure::Failure;
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;
use std::fmt;
use std::io::Write;

/// Prints a line.
pub fn line(text: impl fmt::Display) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Prints a document.
pub fn json(document: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(document).map_err(Failure::failed)?;
    line(text);
    Ok(())
}

/// A table without frames: it can be read on any terminal, pasted into a mail and cut by scripts. On a terminal it is as
/// wide as that.
pub fn table<H: Into<comfy_table::Row>>(head: H) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(head).set_content_arrangement(ContentArrangement::Dynamic);
    table
}

/// Prints a table without blanks at its lines' ends.
pub fn print_table(table: &Table) {
    for row in table.lines() {
        line(row.trim_end());
    }
}

/// A text of a PV or a file on one line, with nothing that a terminal would obey.
pub fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect()
}
