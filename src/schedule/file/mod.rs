//! A schedule kept by hand, for facilities without a service: TOML (`.toml`) or a table (`.csv`).
//! docs/schedule.md shows both.
//!
//! It is read at each question, so an edit counts at once. People keep it, so it is read strictly: one
//! mistake, and the file is refused with the line, rather than half of it believed.

mod document;
mod table;

use super::text::{check_size, one_line, some_line};
use super::time::{Edge, parse};
use super::{BeamTime, Contact, Experimenter, Proposal, RunSchedule, ScheduleError, ScheduleSource};
use crate::files::{FileError, read_trusted};
use async_trait::async_trait;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::path::{Path, PathBuf};

/// A schedule in a file.
pub struct FileSchedule {
    file: PathBuf,
    zone: TimeZone,
}

impl FileSchedule {
    /// The file, `.csv` or else TOML; times without an offset are in `zone`, the facility's.
    pub fn new(file: &Path, zone: TimeZone) -> FileSchedule {
        FileSchedule { file: file.to_owned(), zone }
    }

    fn failed(&self, mistake: Mistake) -> ScheduleError {
        ScheduleError::File { file: self.file.clone(), line: mistake.line, reason: mistake.reason }
    }
}

#[async_trait]
impl ScheduleSource for FileSchedule {
    fn name(&self) -> String {
        format!("the schedule in {}", self.file.display())
    }

    async fn around(&self, _at: Timestamp) -> Result<RunSchedule, ScheduleError> {
        let file = self.file.clone();
        let read = tokio::task::spawn_blocking(move || read_trusted(&file)).await;
        let text =
            read.unwrap_or_else(|error| Err(std::io::Error::other(error).into())).map_err(|error| {
                let reason = match error {
                    FileError::Io { message, .. } => format!("can't read the schedule: {message}"),
                    error => format!("the schedule {error}"),
                };
                self.failed(Mistake { line: None, reason })
            })?;
        let text = text.strip_prefix('\u{FEFF}').unwrap_or(&text);
        check_size(text.as_bytes()).map_err(|reason| self.failed(Mistake { line: None, reason }))?;
        let is_table = self.file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv"));
        let entries = if is_table { table::read(text) } else { document::read(text) };
        let beam_times = entries.and_then(|entries| {
            entries.into_iter().map(|entry| entry.beam_time(&self.zone)).collect::<Result<Vec<_>, _>>()
        });
        let mut beam_times = beam_times.map_err(|mistake| self.failed(mistake))?;
        beam_times.sort_by_key(|beam_time| beam_time.start.timestamp());
        Ok(RunSchedule { run: None, beam_times, not_understood: vec![] })
    }
}

/// The largest number of rows or beam times in a file.
const ENTRIES_MAX: usize = 10_000;

/// What is wrong with a file.
#[derive(Debug)]
struct Mistake {
    /// From 1
    line: Option<u64>,
    reason: String,
}

impl Mistake {
    fn at(line: u64, reason: impl Into<String>) -> Mistake {
        Mistake { line: Some(line), reason: reason.into() }
    }
}

/// A beam time as both kinds of file have it.
#[derive(Default)]
struct Entry {
    line: u64,
    start: String,
    end: String,
    run: Option<String>,
    esaf: Option<String>,
    granted_shifts: Option<f64>,
    scheduled_shifts: Option<f64>,
    proposal: Option<String>,
    title: Option<String>,
    kind: Option<String>,
    users: Vec<User>,
}

/// Someone on the proposal.
#[derive(Default)]
struct User {
    first_name: Option<String>,
    last_name: Option<String>,
    institution: Option<String>,
    badge: Option<String>,
    email: Option<String>,
    pi: bool,
}

impl Entry {
    fn beam_time(self, zone: &TimeZone) -> Result<BeamTime, Mistake> {
        let time = |key: &str, text: &str, edge| {
            parse(text, zone, edge).map_err(|why| Mistake::at(self.line, format!("{key}: {why}")))
        };
        let (start, end) = (time("start", &self.start, Edge::Start)?, time("end", &self.end, Edge::End)?);
        if end <= start {
            return Err(Mistake::at(
                self.line,
                format!("this beam time ends ({}) before it starts ({})", self.end, self.start),
            ));
        }
        let line = |text: Option<String>| text.as_deref().and_then(some_line);
        let experimenters = self.users.into_iter().map(|user| Experimenter {
            first_name: line(user.first_name),
            last_name: line(user.last_name),
            institution: line(user.institution),
            badge: line(user.badge),
            email: Contact::parse(user.email.as_deref().map(one_line).as_deref()),
            pi: user.pi,
        });
        let proposal = Proposal {
            number: line(self.proposal),
            title: line(self.title),
            kind: line(self.kind),
            ..Proposal::default()
        };
        Ok(BeamTime {
            run: line(self.run),
            start,
            end,
            esaf: line(self.esaf),
            granted_shifts: self.granted_shifts,
            scheduled_shifts: self.scheduled_shifts,
            proposal: proposal.with_experimenters(experimenters),
        })
    }
}
