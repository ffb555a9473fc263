//! The document of a task.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::lenient;

/// The status of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
pub enum TaskStatus {
    /// Running, queued, or retrying after an error.
    Active,
    /// Waiting for a person, such as after an expired sign-in.
    Inactive,
    /// Ended successfully.
    Succeeded,
    /// Failed or cancelled.
    Failed,
    /// A status that this version doesn't know.
    #[serde(other)]
    Unknown,
}

impl TaskStatus {
    /// Whether the task has ended.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// assert!(TaskStatus::Failed.has_ended() && !TaskStatus::Active.has_ended());
    /// ```
    pub fn has_ended(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed)
    }

    /// As Transfer writes it; `None` for an unknown status.
    pub(super) fn name(self) -> Option<&'static str> {
        match self {
            Self::Active => Some("ACTIVE"),
            Self::Inactive => Some("INACTIVE"),
            Self::Succeeded => Some("SUCCEEDED"),
            Self::Failed => Some("FAILED"),
            Self::Unknown => None,
        }
    }
}

/// The error that ended a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FatalError {
    /// Such as `FILE_NOT_FOUND`, `PERMISSION_DENIED` or `CANCELED`.
    pub code: String,
    /// A description.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub description: Option<String>,
    /// Fields that this version doesn't know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// A transfer or deletion.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Task {
    /// The id.
    pub task_id: Uuid,
    /// `TRANSFER` or `DELETE`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The status.
    pub status: TaskStatus,
    /// The label.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub label: Option<String>,
    /// The identity that submitted it.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub owner_id: Option<Uuid>,
    /// When it was submitted.
    #[serde(default, deserialize_with = "lenient::time")]
    pub request_time: Option<Timestamp>,
    /// When it ended.
    #[serde(default, deserialize_with = "lenient::time")]
    pub completion_time: Option<Timestamp>,
    /// When Globus ends it as failed.
    #[serde(default, deserialize_with = "lenient::time")]
    pub deadline: Option<Timestamp>,
    /// The source collection, or the one on which it deletes.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub source_endpoint_id: Option<Uuid>,
    /// The name of that collection.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub source_endpoint_display_name: Option<String>,
    /// The destination collection.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub destination_endpoint_id: Option<Uuid>,
    /// The name of that collection.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub destination_endpoint_display_name: Option<String>,
    /// Files found so far.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub files: u64,
    /// Directories found so far.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub directories: u64,
    /// Files transferred.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub files_transferred: Option<u64>,
    /// Files that were up to date at the destination.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub files_skipped: Option<u64>,
    /// Bytes transferred.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub bytes_transferred: u64,
    /// Bytes whose checksums were compared.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub bytes_checksummed: u64,
    /// Average speed, in bytes per second.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub effective_bytes_per_second: Option<u64>,
    /// The number of errors that were retried.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub faults: u64,
    /// The number of items that are known so far.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub subtasks_total: Option<u64>,
    /// Items that are done.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub subtasks_succeeded: Option<u64>,
    /// Items that are queued or running.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub subtasks_pending: Option<u64>,
    /// Items that are retried.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub subtasks_retrying: Option<u64>,
    /// Items that failed.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub subtasks_failed: Option<u64>,
    /// Items that were skipped because of errors at the source.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub subtasks_skipped_errors: Option<u64>,
    /// Whether an administrator paused it.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub is_paused: bool,
    /// A code for what it is doing or waiting for, such as `OK`, `Queued`, `PERMISSION_DENIED` or
    /// `ENDPOINT_ERROR`.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub nice_status: Option<String>,
    /// A description of `nice_status`.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub nice_status_short_description: Option<String>,
    /// Details of `nice_status`.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub nice_status_details: Option<String>,
    /// The error that ended it.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub fatal_error: Option<FatalError>,
    /// Fields that this version doesn't know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Task {
    /// Whether the task has ended.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # async fn example(client: GlobusClient, id: uuid::Uuid) -> Result<()> {
    /// if client.transfer().task(id).get().await?.has_ended() {
    ///     println!("ended");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn has_ended(&self) -> bool {
        self.status.has_ended()
    }
}
