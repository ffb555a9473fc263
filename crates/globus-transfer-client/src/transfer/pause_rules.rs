//! Pause rules: how administrators stop transfers on a collection for a while.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::lenient;

/// An administrator's rule that pauses tasks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PauseRule {
    /// The id.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub id: Option<Uuid>,
    /// The administrator's message for the owners of paused tasks.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub message: Option<String>,
    /// The collection or endpoint that it applies to.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub endpoint_id: Option<Uuid>,
    /// The name of that collection.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub endpoint_display_name: Option<String>,
    /// The identity whose tasks it pauses; `None` for everyone's.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub identity_id: Option<Uuid>,
    /// The time from which it applies.
    #[serde(default, deserialize_with = "lenient::time")]
    pub start_time: Option<Timestamp>,
    /// Whether it pauses listings.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub pause_ls: bool,
    /// Whether it pauses the creation of directories.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub pause_mkdir: bool,
    /// Whether it pauses renaming.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub pause_rename: bool,
    /// Whether it pauses deletions.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub pause_task_delete: bool,
    /// Whether it pauses transfers to the collection.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub pause_task_transfer_write: bool,
    /// Whether it pauses transfers from the collection.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub pause_task_transfer_read: bool,
    /// Fields that this version doesn't know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// A pause rule to create or change. Without a choice of operations it pauses transfers in both directions.
///
/// ```
/// # use globus_transfer_client::*;
/// use globus_transfer_client::transfer::NewPauseRule;
///
/// let maintenance = NewPauseRule::new("The storage is down until 14:00").pause_deletions();
/// ```
#[derive(Debug, Clone, Serialize)]
pub struct NewPauseRule {
    #[serde(rename = "DATA_TYPE")]
    data_type: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) endpoint_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    identity_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_time: Option<String>,
    pause_ls: bool,
    pause_mkdir: bool,
    pause_rename: bool,
    pause_task_delete: bool,
    pause_task_transfer_write: bool,
    pause_task_transfer_read: bool,
}

impl NewPauseRule {
    /// A rule that pauses transfers in both directions, with a message for the owners of the tasks.
    ///
    /// ```
    /// let rule = globus_transfer_client::transfer::NewPauseRule::new("maintenance");
    /// ```
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            data_type: "pause_rule",
            message: message.into(),
            endpoint_id: None,
            identity_id: None,
            start_time: None,
            pause_ls: false,
            pause_mkdir: false,
            pause_rename: false,
            pause_task_delete: false,
            pause_task_transfer_write: true,
            pause_task_transfer_read: true,
        }
    }

    /// Pauses the tasks of one identity only.
    ///
    /// ```
    /// # use globus_transfer_client::transfer::NewPauseRule;
    /// let rule = NewPauseRule::new("maintenance").identity(uuid::Uuid::from_u128(1));
    /// ```
    pub fn identity(mut self, identity: Uuid) -> Self {
        self.identity_id = Some(identity);
        self
    }

    /// Applies from this time on; at once by default.
    ///
    /// ```
    /// # use globus_transfer_client::transfer::NewPauseRule;
    /// let rule = NewPauseRule::new("maintenance").start("2026-12-01T06:00:00Z".parse().unwrap());
    /// ```
    pub fn start(mut self, at: Timestamp) -> Self {
        self.start_time = Some(lenient::whole_seconds(at));
        self
    }

    /// Pauses deletions as well.
    ///
    /// ```
    /// # use globus_transfer_client::transfer::NewPauseRule;
    /// let rule = NewPauseRule::new("maintenance").pause_deletions();
    /// ```
    pub fn pause_deletions(mut self) -> Self {
        self.pause_task_delete = true;
        self
    }

    /// Pauses listing, creating directories and renaming as well.
    ///
    /// ```
    /// # use globus_transfer_client::transfer::NewPauseRule;
    /// let rule = NewPauseRule::new("maintenance").pause_operations();
    /// ```
    pub fn pause_operations(mut self) -> Self {
        (self.pause_ls, self.pause_mkdir, self.pause_rename) = (true, true, true);
        self
    }

    /// Sets which transfers are paused: those from the collection (`read`) and those to it (`write`).
    ///
    /// ```
    /// # use globus_transfer_client::transfer::NewPauseRule;
    /// let rule = NewPauseRule::new("the disk is full").transfers(false, true);
    /// ```
    pub fn transfers(mut self, read: bool, write: bool) -> Self {
        (self.pause_task_transfer_read, self.pause_task_transfer_write) = (read, write);
        self
    }
}
