//! A table with one row for each user, as a spreadsheet keeps it; rows with the same start, end and proposal
//! are one beam time.

use super::{ENTRIES_MAX, Entry, Mistake, User};
use serde::Deserialize;

/// The columns, in any order; `start` and `end` must be there.
const COLUMNS: [&str; 15] = [
    "start",
    "end",
    "run",
    "proposal",
    "title",
    "kind",
    "esaf",
    "granted_shifts",
    "scheduled_shifts",
    "first_name",
    "last_name",
    "institution",
    "badge",
    "email",
    "pi",
];

#[derive(Deserialize)]
struct Row {
    start: String,
    end: String,
    run: Option<String>,
    proposal: Option<String>,
    title: Option<String>,
    kind: Option<String>,
    esaf: Option<String>,
    granted_shifts: Option<f64>,
    scheduled_shifts: Option<f64>,
    first_name: Option<String>,
    last_name: Option<String>,
    institution: Option<String>,
    badge: Option<String>,
    email: Option<String>,
    pi: Option<String>,
}

pub(super) fn read(text: &str) -> Result<Vec<Entry>, Mistake> {
    let first_line = text.lines().find(|line| !line.trim_start().starts_with('#')).unwrap_or_default();
    // Spreadsheets of many countries write semicolons.
    let delimiter = if first_line.contains(';') && !first_line.contains(',') { b';' } else { b',' };
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .comment(Some(b'#'))
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let headers = reader.headers().map_err(mistake)?.clone();
    let line = headers.position().map_or(1, csv::Position::line);
    if let Some(unknown) = headers.iter().find(|name| !COLUMNS.contains(name)) {
        return Err(Mistake::at(
            line,
            format!("there is no column {unknown:?}; there are {}", COLUMNS.join(", ")),
        ));
    }
    for needed in ["start", "end"] {
        if !headers.iter().any(|name| name == needed) {
            return Err(Mistake::at(
                line,
                format!("the column {needed} is missing; the first row names the columns"),
            ));
        }
    }
    let mut entries: Vec<Entry> = vec![];
    for (count, record) in reader.records().enumerate() {
        let record = record.map_err(mistake)?;
        if count == ENTRIES_MAX {
            let line = record.position().map_or(0, csv::Position::line);
            return Err(Mistake::at(
                line,
                format!("there are more than {ENTRIES_MAX} rows; take old ones out"),
            ));
        }
        if record.iter().all(str::is_empty) {
            continue;
        }
        let line = record.position().map_or(0, csv::Position::line);
        let row: Row = record.deserialize(Some(&headers)).map_err(mistake)?;
        let (user, is_user) = (
            user(&row, line)?,
            [&row.first_name, &row.last_name, &row.badge, &row.email].iter().any(|text| text.is_some()),
        );
        let known = entries
            .iter_mut()
            .find(|entry| entry.start == row.start && entry.end == row.end && entry.proposal == row.proposal);
        let entry = match known {
            Some(entry) => entry,
            None => {
                let (start, end, proposal) = (row.start, row.end, row.proposal);
                entries.push(Entry { line, start, end, proposal, ..Entry::default() });
                let last = entries.len() - 1;
                &mut entries[last]
            }
        };
        // What stands once for all rows of a beam time may stand in any of them.
        let first = |old: &mut Option<String>, new| *old = old.take().or(new);
        first(&mut entry.run, row.run);
        first(&mut entry.title, row.title);
        first(&mut entry.kind, row.kind);
        first(&mut entry.esaf, row.esaf);
        entry.granted_shifts = entry.granted_shifts.or(row.granted_shifts);
        entry.scheduled_shifts = entry.scheduled_shifts.or(row.scheduled_shifts);
        if is_user {
            entry.users.push(user);
        }
    }
    Ok(entries)
}

fn user(row: &Row, line: u64) -> Result<User, Mistake> {
    let pi = match row.pi.as_deref().unwrap_or_default().to_lowercase().as_str() {
        "y" | "yes" | "true" | "1" | "x" => true,
        "" | "n" | "no" | "false" | "0" => false,
        other => return Err(Mistake::at(line, format!("pi: {other:?} is neither yes nor no"))),
    };
    Ok(User {
        first_name: row.first_name.clone(),
        last_name: row.last_name.clone(),
        institution: row.institution.clone(),
        badge: row.badge.clone(),
        email: row.email.clone(),
        pi,
    })
}

fn mistake(error: csv::Error) -> Mistake {
    let line = error.position().map(csv::Position::line);
    let reason = match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!(
                "this row has {len} columns, the first has {expected_len}; a text with a comma in it needs \
                 quotes"
            )
        }
        csv::ErrorKind::Deserialize { err, .. } => {
            let column = err.field().and_then(|field| usize::try_from(field).ok());
            format!(
                "column {}: {}",
                column.map_or("?".to_owned(), |column| (column + 1).to_string()),
                err.kind()
            )
        }
        _ => error.to_string(),
    };
    Mistake { line, reason }
}
