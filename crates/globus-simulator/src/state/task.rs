//! A task: its items, options, progress and events.

use jiff::Timestamp;
use tokio::sync::watch;
use uuid::Uuid;

use super::Caller;

/// Copying or deleting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Transfer,
    Delete,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Active,
    /// Waits for a person
    Inactive,
    Succeeded,
    Failed,
}

impl Status {
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Inactive => "INACTIVE",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
        }
    }
}

/// One line of a submission.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub source: String,
    /// Empty for a deletion.
    pub destination: String,
    /// None: whatever the source turns out to be.
    pub recursive: Option<bool>,
    pub external_checksum: Option<String>,
    pub algorithm: Option<String>,
    /// A symbolic link, to be made again as a link.
    pub link: bool,
}

/// What becomes of symbolic links inside of a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Links {
    Ignore,
    Keep,
    Copy,
}

/// Includes or excludes what matches, inside of recursive items; the first rule that matches decides.
#[derive(Debug, Clone)]
pub(crate) struct FilterRule {
    pub include: bool,
    pub name: String,
    pub kind: Option<String>,
}

#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub sync_level: Option<u8>,
    pub verify_checksum: bool,
    pub preserve_timestamp: bool,
    pub encrypt_data: bool,
    pub skip_source_errors: bool,
    pub fail_on_quota_errors: bool,
    pub delete_destination_extra: bool,
    pub links: Links,
    pub filter_rules: Vec<FilterRule>,
    pub ignore_missing: bool,
    pub interpret_globs: bool,
    pub notify_on_succeeded: bool,
    pub notify_on_failed: bool,
    pub store_base_path_info: bool,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Counts {
    pub files: u64,
    pub directories: u64,
    pub symlinks: u64,
    pub files_skipped: u64,
    pub files_transferred: u64,
    pub bytes_transferred: u64,
    pub bytes_checksummed: u64,
    pub faults: u64,
    pub total: u64,
    pub succeeded: u64,
    pub failed: u64,
    pub canceled: u64,
    pub expired: u64,
    pub retrying: u64,
    pub skipped_errors: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub code: String,
    pub description: String,
    pub details: String,
    pub is_error: bool,
    pub time: Timestamp,
}

#[derive(Debug, Clone)]
pub(crate) struct Successful {
    pub source: String,
    pub destination: String,
    pub size: u64,
    pub checksum: Option<String>,
    pub algorithm: Option<String>,
}

#[derive(Debug, Clone)]
pub(crate) struct Skipped {
    pub source: String,
    pub destination: String,
    pub code: String,
    pub details: String,
    pub time: Timestamp,
    pub directory: bool,
}

/// Why an active task doesn't get on.
#[derive(Debug, Clone)]
pub(crate) struct Nice {
    pub code: String,
    pub details: String,
}

pub(crate) struct Task {
    pub id: Uuid,
    pub kind: Kind,
    pub owner: Uuid,
    pub caller: Caller,
    pub label: Option<String>,
    pub status: Status,
    pub fatal: Option<(String, String)>,
    pub requested: Timestamp,
    pub completed: Option<Timestamp>,
    pub deadline: Timestamp,
    pub source: Uuid,
    pub source_name: String,
    /// None for a deletion.
    pub destination: Option<(Uuid, String)>,
    pub options: Options,
    pub items: Vec<Item>,
    pub counts: Counts,
    /// Oldest first.
    pub events: Vec<Event>,
    pub successful: Vec<Successful>,
    pub skipped: Vec<Skipped>,
    pub nice: Option<Nice>,
    /// What the activity manager who paused it says.
    pub paused: Option<String>,
    /// Becomes true when the task must stop.
    pub stop: watch::Sender<bool>,
}

impl Task {
    /// Whether it has not ended.
    pub fn active(&self) -> bool {
        matches!(self.status, Status::Active | Status::Inactive)
    }

    /// Holds it: until [`Self::resume`], nothing is done.
    pub fn hold(&mut self, code: &str, message: Option<&str>) {
        let details = message.unwrap_or_default().to_owned();
        self.event(code, &described(code), details.clone(), message.is_none());
        self.nice = Some(Nice { code: code.to_owned(), details });
        match message {
            Some(message) => self.paused = Some(message.to_owned()),
            None => self.status = Status::Inactive,
        }
    }

    /// Whether it is held.
    pub fn held(&self) -> bool {
        self.paused.is_some() || self.status == Status::Inactive
    }

    /// Resumes it.
    pub fn resume(&mut self) {
        if self.held() {
            (self.paused, self.nice, self.status) = (None, None, Status::Active);
            self.event("UNPAUSED", "unpaused", String::new(), false);
        }
    }

    pub fn uses(&self, collection: Uuid) -> bool {
        self.source == collection || self.destination.as_ref().is_some_and(|(id, _)| *id == collection)
    }

    pub fn event(&mut self, code: &str, description: &str, details: String, is_error: bool) {
        self.events.push(Event {
            code: code.to_owned(),
            description: description.to_owned(),
            details,
            is_error,
            time: Timestamp::now(),
        });
    }

    /// Subtasks that are neither done nor waiting for a retry.
    pub fn pending(&self) -> u64 {
        if !self.active() {
            return 0;
        }
        let done = self.counts.succeeded + self.counts.failed + self.counts.skipped_errors;
        self.counts.total.saturating_sub(done + self.counts.retrying)
    }

    /// Ends the task; later calls change nothing.
    pub fn end(&mut self, status: Status, fatal: Option<(&str, &str)>) {
        if !self.active() {
            return;
        }
        let counts = &mut self.counts;
        let left = counts.total.saturating_sub(counts.succeeded + counts.failed + counts.skipped_errors);
        match fatal {
            Some(("CANCELED", _)) => counts.canceled = left,
            Some(("DEADLINE_EXPIRED", _)) => counts.expired = left,
            Some(_) => counts.failed += left,
            None => {}
        }
        counts.retrying = 0;
        self.status = status;
        self.nice = None;
        self.paused = None;
        self.completed = Some(Timestamp::now());
        if let Some((code, description)) = fatal {
            self.fatal = Some((code.to_owned(), description.to_owned()));
        }
        let (code, description) = fatal.unwrap_or(("SUCCEEDED", "succeeded"));
        self.event(code, description, String::new(), fatal.is_some());
        self.stop.send_replace(true);
    }
}

/// `PERMISSION_DENIED` in words: "permission denied".
pub(crate) fn described(code: &str) -> String {
    code.to_lowercase().replace('_', " ")
}
