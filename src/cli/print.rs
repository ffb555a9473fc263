//! Everything that is printed: results on standard output, remarks and failures on standard error. A reader
//! that has gone (`beamshare history | head`) is no failure.

use super::failure::Failure;
use beamshare::domain::{escape, escape_json, escape_lines};
use comfy_table::{Cell, Color, ContentArrangement, presets};
use serde::Serialize;
use std::fmt;
use std::io::Write;

/// Prints a line. Texts of others can't add lines to it or control the terminal.
pub fn line(text: impl fmt::Display) {
    let _ = writeln!(std::io::stdout(), "{}", escape(&text.to_string()));
}

/// Prints a text that has several lines.
pub fn lines(text: impl fmt::Display) {
    let _ = writeln!(std::io::stdout(), "{}", escape_lines(&text.to_string()));
}

/// Prints a line to standard error.
pub fn warn(text: impl fmt::Display) {
    let _ = writeln!(std::io::stderr(), "beamshare: {}", escape(&text.to_string()));
}

/// Prints why the program failed to standard error; a mistake in the settings has a line of its own.
pub fn failure(text: &str) {
    let _ = writeln!(std::io::stderr(), "beamshare: {}", escape_lines(text));
}

/// Prints a document.
pub fn json(document: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(document).map_err(Failure::failed)?;
    let _ = writeln!(std::io::stdout(), "{}", escape_json(&text));
    Ok(())
}

/// A table without frames: it can be read on any terminal, pasted into a mail and cut by scripts. On a
/// terminal it is as wide as that.
pub fn table<H: Into<comfy_table::Row>>(head: H) -> Table {
    let mut table = comfy_table::Table::new();
    table.load_style(presets::NOTHING).set_header(head).set_content_arrangement(ContentArrangement::Dynamic);
    Table(table)
}

/// A table whose cells hold texts of others.
pub struct Table(comfy_table::Table);

impl Table {
    /// Adds a row; each cell stays on one line.
    pub fn add_row<C: fmt::Display>(&mut self, cells: impl IntoIterator<Item = C>) {
        self.0.add_row(cells.into_iter().map(|cell| plain(&cell.to_string())));
    }

    /// Adds a row that begins with a coloured mark.
    pub fn add_marked_row(&mut self, mark: &'static str, colour: Color, cells: [&str; 3]) {
        let cells = cells.into_iter().map(|cell| Cell::new(plain(cell)));
        self.0.add_row(std::iter::once(Cell::new(mark).fg(colour)).chain(cells));
    }
}

/// Prints a table without blanks at its lines' ends.
pub fn print_table(table: &Table) {
    for row in table.0.lines() {
        // As it is: the cells are escaped, and comfy-table's own colours are not to be.
        let _ = writeln!(std::io::stdout(), "{}", row.trim_end());
    }
}

/// A text of others on one line, with nothing that a terminal would obey: for progress bars, which [`line`]
/// does not print.
pub fn plain(text: &str) -> String {
    escape(text).into_owned()
}
