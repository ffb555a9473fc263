//! A task: what it shall do, how far it is, and its document.

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::watch;
use uuid::Uuid;

use super::Caller;
use crate::state::time;

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
    /// Says true when the task shall stop.
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

    /// Lets it go on.
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

    fn pending(&self) -> u64 {
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

    fn seconds(&self) -> f64 {
        let end = self.completed.unwrap_or_else(Timestamp::now);
        (end.as_millisecond() - self.requested.as_millisecond()) as f64 / 1000.0
    }

    /// The task document.
    pub fn document(&self, username: &str) -> Value {
        let transfer = self.kind == Kind::Transfer;
        let options = &self.options;
        let counts = &self.counts;
        let rate = counts.bytes_transferred as f64 / self.seconds().max(0.001);
        let destination = self.destination.as_ref();
        json!({
            "DATA_TYPE": "task",
            "task_id": self.id,
            "type": if transfer { "TRANSFER" } else { "DELETE" },
            "status": self.status.name(),
            "fatal_error": self.fatal.as_ref().map(|(code, description)| {
                json!({"code": code, "description": description})
            }),
            "label": self.label,
            "username": username,
            "owner_id": self.owner,
            "request_time": time(self.requested),
            "completion_time": self.completed.map(time),
            "deadline": time(self.deadline),
            "source_endpoint": format!("u_simulated#{}", self.source),
            "source_endpoint_id": self.source,
            "source_endpoint_display_name": self.source_name,
            "destination_endpoint": destination.map(|(id, _)| format!("u_simulated#{id}")),
            "destination_endpoint_id": destination.map(|(id, _)| id),
            "destination_endpoint_display_name": destination.map(|(_, name)| name),
            "source_local_user": null,
            "source_local_user_status": "OK",
            "destination_local_user": null,
            "destination_local_user_status": "OK",
            "sync_level": options.sync_level,
            "encrypt_data": options.encrypt_data,
            "verify_checksum": transfer && options.verify_checksum,
            "delete_destination_extra": options.delete_destination_extra,
            "recursive_symlinks": transfer.then_some(match options.links {
                Links::Ignore => "ignore",
                Links::Keep => "keep",
                Links::Copy => "copy",
            }),
            "preserve_timestamp": options.preserve_timestamp,
            "skip_source_errors": options.skip_source_errors,
            "fail_on_quota_errors": options.fail_on_quota_errors,
            "filter_rules": (!options.filter_rules.is_empty()).then(|| {
                options.filter_rules.iter().map(filter_rule).collect::<Vec<_>>()
            }),
            "command": "API 0.10",
            "history_deleted": false,
            "faults": counts.faults,
            "files": counts.files,
            "directories": counts.directories,
            "symlinks": counts.symlinks,
            "files_skipped": counts.files_skipped,
            "files_transferred": counts.files_transferred,
            "subtasks_total": counts.total,
            "subtasks_pending": self.pending(),
            "subtasks_retrying": counts.retrying,
            "subtasks_succeeded": counts.succeeded,
            "subtasks_expired": counts.expired,
            "subtasks_canceled": counts.canceled,
            "subtasks_failed": counts.failed,
            "subtasks_skipped_errors": counts.skipped_errors,
            "bytes_transferred": counts.bytes_transferred,
            "bytes_checksummed": counts.bytes_checksummed,
            "effective_bytes_per_second": rate as u64,
            "nice_status": self.active().then(|| self.nice.as_ref().map_or("OK", |nice| nice.code.as_str())),
            "nice_status_details": self.nice.as_ref().map(|nice| nice.details.as_str()),
            "nice_status_short_description": self.active().then(|| {
                self.nice.as_ref().map_or_else(|| "OK".to_owned(), |nice| described(&nice.code))
            }),
            "nice_status_expires_in": self.active().then_some(-1),
            "is_ok": self.active().then_some(self.nice.is_none()),
            "is_paused": self.paused.is_some(),
            "canceled_by_admin": null,
            "canceled_by_admin_message": null,
        })
    }
}

fn filter_rule(rule: &FilterRule) -> Value {
    json!({
        "DATA_TYPE": "filter_rule",
        "method": if rule.include { "include" } else { "exclude" },
        "name": rule.name,
        "type": rule.kind,
    })
}

/// `PERMISSION_DENIED` in words: "permission denied".
pub(crate) fn described(code: &str) -> String {
    code.to_lowercase().replace('_', " ")
}
