use super::Error;
use globus_transfer_client as globus;
use serde::Serialize;
use std::fmt;
use std::time::Duration;
use tokio::sync::watch;
use uuid::Uuid;

/// What a run is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SyncState {
    /// Nothing yet
    #[default]
    Idle,
    /// The source is being compared with the manifest
    Looking,
    /// A task is being submitted
    Submitting,
    /// Globus copies without trouble
    Active,
    /// Globus has met errors with the task, and retries by itself
    Retrying,
    /// The task is being cancelled
    Cancelling,
    /// The task has ended, and what it copied is being recorded
    Recording,
    /// The task is paused by someone who manages a collection
    Paused,
    /// Globus waits for a person, e.g. to renew a credential
    Inactive,
    /// Globus can't be reached; the request is retried
    Away,
    /// Sent files are being removed at the source
    CleaningUp,
    /// The run has succeeded
    Done,
    /// Stopped by an operator
    Stopped,
    /// The run has failed
    Failed,
}

/// A snapshot of a run. A service shows it in PVs, a command as a progress bar.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SyncReport {
    /// What the run is doing
    pub state: SyncState,
    /// One sentence: what is happening, or what is wrong and what to do
    pub message: String,
    /// Files that this run has copied or found at the destination
    pub files: u64,
    /// Files that this run will copy or compare, as far as they are known
    pub files_total: u64,
    /// Bytes copied by this run
    pub bytes: u64,
    /// Bytes of those files
    pub bytes_total: u64,
    /// Bytes per second, as Globus reports them
    pub rate: u64,
    /// Remaining time at this rate
    pub left: Option<Duration>,
    /// Faults of this run's tasks; Globus retries by itself
    pub faults: u64,
    /// The task that runs now, or ran last
    pub task: Option<Uuid>,
}

/// The result of a run.
#[derive(Clone, Debug, PartialEq)]
pub enum RunResult {
    /// Everything that could be sent is at the destination; `sent` of [`Ended`] says whether there was
    /// anything
    Done,
    /// Stopped by an operator; the next run by hand continues
    Stopped,
    /// No longer followed: the task continues at Globus, and the next run follows it
    Left,
    /// It failed; the next run continues
    Failed(RunFailure),
    /// Globus was unreachable for too long, or defers the request; the next run continues
    Away(RunFailure),
}

/// Why a run has failed.
#[derive(Clone, Debug, PartialEq)]
pub struct RunFailure {
    /// What tells it from other failures
    pub cause: FailureCause,
    /// What failed, on what, what came back, and what to do
    pub message: String,
}

/// The cause of a failure, without anything that differs when the same failure happens again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FailureCause {
    /// The source can't be read, or a link is on the way to it
    Source,
    /// A directory of a collection can't be listed
    Listing,
    /// Globus rejects a request, with this code where it has one
    Rejected(Option<String>),
    /// Globus can't be reached
    Unreachable,
    /// A task has ended with this code
    Task(String),
    /// Files may be another group's
    Foreign,
    /// The manifest can't be read or written
    Manifest,
}

impl RunFailure {
    /// A failure of this cause.
    pub fn new(cause: FailureCause, message: impl Into<String>) -> RunFailure {
        RunFailure { cause, message: message.into() }
    }
}

impl fmt::Display for RunFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// The end of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    /// Its result
    pub result: RunResult,
    /// Files copied
    pub sent: u64,
    /// Bytes copied
    pub sent_bytes: u64,
    /// Files that were already at the destination
    pub present: u64,
    /// When files can be sent that changed a moment ago and therefore wait
    pub waiting_until: Option<jiff::Timestamp>,
    /// Further messages for people: files that can't be sent, directories that can't be read, mails that
    /// failed
    pub remarks: Vec<String>,
    /// The report of clean-up, if it is on
    pub clean_up: Option<crate::CleanUpReport>,
}

impl Ended {
    /// The result as one sentence.
    pub fn sentence(&self) -> String {
        let remarks =
            if self.remarks.is_empty() { String::new() } else { format!("; {}", self.remarks.join("; ")) };
        match &self.result {
            RunResult::Done if self.sent == 0 => match self.waiting_until {
                None => format!("nothing new{remarks}"),
                Some(_) => format!("nothing to send yet: files changed a moment ago{remarks}"),
            },
            RunResult::Done => format!("{} sent{remarks}", amount(self.sent, self.sent_bytes)),
            RunResult::Stopped => format!("stopped after {}{remarks}", amount(self.sent, self.sent_bytes)),
            RunResult::Left => "the task goes on at Globus".to_owned(),
            RunResult::Failed(failure) | RunResult::Away(failure) => failure.message.clone(),
        }
    }
}

/// `3 files (1.20 GiB)`
pub fn amount(files: u64, bytes: u64) -> String {
    let s = if files == 1 { "" } else { "s" };
    format!("{files} file{s} ({})", indicatif::HumanBytes(bytes))
}

/// Updates the snapshot of a run.
pub(crate) struct Progress {
    sender: watch::Sender<SyncReport>,
    /// Of the tasks of this run that have ended: files, bytes, faults
    before: (u64, u64, u64),
}

impl Progress {
    pub fn new(sender: watch::Sender<SyncReport>) -> Self {
        sender.send_replace(SyncReport::default());
        Progress { sender, before: (0, 0, 0) }
    }

    pub fn say(&self, state: SyncState, message: impl Into<String>) {
        let message = message.into();
        self.sender.send_if_modified(|report| {
            let changed = report.state != state || report.message != message;
            report.state = state;
            report.message = message;
            changed
        });
    }

    /// Sets how much remains to be done.
    pub fn expect(&self, files: u64, bytes: u64) {
        self.sender.send_modify(|report| {
            report.files_total = self.before.0 + files;
            report.bytes_total = self.before.1 + bytes;
        });
    }

    /// Shows the task as Globus reports it.
    pub fn task(&self, task: &globus::Task, state: SyncState, message: String) {
        let done = task.files_transferred.unwrap_or_default() + task.files_skipped.unwrap_or_default();
        self.sender.send_modify(|report| {
            report.state = state;
            report.message = message;
            report.task = Some(task.task_id);
            report.files = self.before.0 + done;
            report.bytes = self.before.1 + task.bytes_transferred;
            report.faults = self.before.2 + task.faults;
            report.rate = task.effective_bytes_per_second.unwrap_or_default();
            let left = report.bytes_total.saturating_sub(report.bytes).checked_div(report.rate);
            report.left = left.filter(|_| state == SyncState::Active).map(Duration::from_secs);
        });
    }

    /// Records the end of the task. The numbers of the next one are added to its own.
    pub fn task_ended(&mut self, files: u64) {
        self.sender.send_modify(|report| {
            report.files = self.before.0 + files;
            (report.rate, report.left) = (0, None);
            self.before = (report.files, report.bytes, report.faults);
        });
    }
}

/// Why a run ends early.
pub(crate) enum RunAborted {
    Stopped,
    Left,
    Failed(RunFailure),
    Away(RunFailure),
    Error(Error),
}

impl RunAborted {
    /// A failure of this cause.
    pub fn failed(cause: FailureCause, message: impl Into<String>) -> RunAborted {
        RunAborted::Failed(RunFailure::new(cause, message))
    }
}

impl<E: Into<Error>> From<E> for RunAborted {
    fn from(error: E) -> RunAborted {
        RunAborted::Error(error.into())
    }
}
