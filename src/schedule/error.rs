use crate::config::SecretFileError;
use std::path::PathBuf;

impl ScheduleError {
    /// What came back, without what was asked and what to do, for where there is little room.
    pub fn brief(&self) -> String {
        match self {
            ScheduleError::NoAnswer { reason, .. }
            | ScheduleError::Refused { reason, .. }
            | ScheduleError::Answer { reason, .. } => reason.clone(),
            other => other.to_string(),
        }
    }
}

/// Why the schedule can't be told.
#[derive(Debug, thiserror::Error)]
pub enum ScheduleError {
    /// The service did not answer, however often it was asked.
    #[error(
        "the scheduling service does not answer {url} ({tries} tried): {reason}. Check \
         schedule.from.aps.url and the network"
    )]
    NoAnswer {
        /// What was asked
        url: String,
        /// How often, as a text: `3 times`
        tries: String,
        /// What came back the last time
        reason: String,
    },
    /// The service does not let this account in.
    #[error("the scheduling service refuses {url} for user {user}: {reason}. {remedy}")]
    Refused {
        /// What was asked
        url: String,
        /// Who asked
        user: String,
        /// The status, and what the service says
        reason: String,
        /// What to do
        remedy: &'static str,
    },
    /// The service knows no such beamline.
    #[error(
        "the scheduling service knows no beamline {beamline:?} in run {run}: check \
         schedule.from.aps.beamline, e.g. \"2-BM-A,B\""
    )]
    NoSuchBeamline {
        /// The beamline as configured
        beamline: String,
        /// The run
        run: String,
    },
    /// The service answered something else than was asked for.
    #[error(
        "the scheduling service answers {url} with what is no schedule: {reason}. Check schedule.from.aps.url"
    )]
    Answer {
        /// What was asked
        url: String,
        /// What came back
        reason: String,
    },
    /// Some entries can't be read, and the one that is looked for may be among them.
    #[error("nobody is scheduled among the entries that can be read, but these can't be: {}", entries.join("; "))]
    NotUnderstood {
        /// Each with the reason
        entries: Vec<String>,
    },
    /// Two proposals have the beam at once.
    #[error(
        "two proposals are scheduled at once: {first}; and {second}. Choose with: beamshare tag --manual \
         --proposal NUMBER"
    )]
    Ambiguous {
        /// One of them
        first: String,
        /// The other
        second: String,
    },
    /// The file kept by hand can't be used.
    #[error("{}{}: {reason}", file.display(), line.map(|line| format!(":{line}")).unwrap_or_default())]
    File {
        /// The file
        file: PathBuf,
        /// The line, from 1, where one is to blame
        line: Option<u64>,
        /// What is wrong and what would be right
        reason: String,
    },
    /// The password can't be read.
    #[error(transparent)]
    Secret(#[from] SecretFileError),
    /// A day beyond the calendar.
    #[error("no day is {days} days from now; give some like --set -7")]
    Days {
        /// As given
        days: i32,
    },
    /// HTTP can't be set up.
    #[error("can't set up HTTPS: {reason}; install the system's root certificates (ca-certificates)")]
    Setup {
        /// What came back
        reason: String,
    },
}
