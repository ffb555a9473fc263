//! A task: where it is, and how far.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::lenient;

/// Where a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
pub enum TaskStatus {
    /// At work, or waiting for its turn or for trouble to end.
    Active,
    /// Waiting for a person, such as for an expired sign-in or a pause.
    Inactive,
    /// Ended well.
    Succeeded,
    /// Ended badly, or cancelled.
    Failed,
    /// Something that this version doesn't know.
    #[serde(other)]
    Unknown,
}

impl TaskStatus {
    /// Whether nothing will happen any more.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// assert!(TaskStatus::Failed.has_ended() && !TaskStatus::Active.has_ended());
    /// ```
    pub fn has_ended(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed)
    }
}

/// Why a task failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FatalError {
    /// Such as `FILE_NOT_FOUND`, `PERMISSION_DENIED` or `CANCELED`.
    pub code: String,
    /// In words.
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
    /// Where it is.
    pub status: TaskStatus,
    /// Its name for people.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub label: Option<String>,
    /// Who handed it in.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub owner_id: Option<Uuid>,
    /// When it was handed in.
    #[serde(default, deserialize_with = "lenient::time")]
    pub request_time: Option<Timestamp>,
    /// When it ended.
    #[serde(default, deserialize_with = "lenient::time")]
    pub completion_time: Option<Timestamp>,
    /// When it fails if it hasn't ended by then.
    #[serde(default, deserialize_with = "lenient::time")]
    pub deadline: Option<Timestamp>,
    /// Where it takes from, or deletes.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub source_endpoint_id: Option<Uuid>,
    /// The name of that collection.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub source_endpoint_display_name: Option<String>,
    /// Where it puts to.
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
    /// Files that were the same at the destination.
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
    /// How often something went wrong and was tried again.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub faults: u64,
    /// Items in all, as far as they are known.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub subtasks_total: Option<u64>,
    /// Items that are done.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub subtasks_succeeded: Option<u64>,
    /// Items that are waiting or at work.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub subtasks_pending: Option<u64>,
    /// Items that are being tried again.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub subtasks_retrying: Option<u64>,
    /// Items that failed.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub subtasks_failed: Option<u64>,
    /// Items that were left out because of errors at the source.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub subtasks_skipped_errors: Option<u64>,
    /// Whether an administrator paused it.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub is_paused: bool,
    /// What it is doing or waiting for, such as `OK`, `Queued`, `PERMISSION_DENIED` or `ENDPOINT_ERROR`.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub nice_status: Option<String>,
    /// The same in words.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub nice_status_short_description: Option<String>,
    /// Details of it.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub nice_status_details: Option<String>,
    /// Why it failed.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub fatal_error: Option<FatalError>,
    /// Fields that this version doesn't know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Task {
    /// Whether nothing will happen any more.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # async fn example(client: GlobusClient, id: uuid::Uuid) -> Result<()> {
    /// if client.transfer().task(id).get().await?.has_ended() {
    ///     println!("done");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn has_ended(&self) -> bool {
        self.status.has_ended()
    }
}
