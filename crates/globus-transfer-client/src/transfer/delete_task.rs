//! A deletion to submit.
//!
//! Fields: <https://docs.globus.org/api/transfer/task_submit/>.

use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::submit::Notify;
use crate::lenient;

#[derive(Debug, Clone, Serialize)]
pub(super) struct DeleteItem {
    #[serde(rename = "DATA_TYPE")]
    data_type: &'static str,
    path: String,
}

/// A deletion to submit with [`TransferHandler::submit_delete`](super::TransferHandler::submit_delete).
///
/// ```
/// use globus_transfer_client::DeleteTask;
///
/// let task = DeleteTask::new(uuid::Uuid::from_u128(1)).recursive(true).ignore_missing(true).path("/old/");
/// # let _ = task;
/// ```
#[derive(Debug, Clone, Serialize)]
pub struct DeleteTask {
    #[serde(rename = "DATA_TYPE")]
    data_type: &'static str,
    pub(super) endpoint: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) submission_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    recursive: bool,
    ignore_missing: bool,
    interpret_globs: bool,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "lenient::write_deadline")]
    deadline: Option<Timestamp>,
    #[serde(flatten)]
    notify: Notify,
    #[serde(skip_serializing_if = "Option::is_none")]
    local_user: Option<String>,
    #[serde(rename = "DATA")]
    pub(super) items: Vec<DeleteItem>,
}

impl DeleteTask {
    /// A deletion on a collection, without items.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// let task = DeleteTask::new(uuid::Uuid::from_u128(1));
    /// ```
    pub fn new(collection: Uuid) -> Self {
        Self {
            data_type: "delete",
            endpoint: collection,
            submission_id: None,
            label: None,
            recursive: false,
            ignore_missing: false,
            interpret_globs: false,
            deadline: None,
            notify: Notify::default(),
            local_user: None,
            items: Vec::new(),
        }
    }

    /// Adds a file or directory.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// # let task = DeleteTask::new(uuid::Uuid::from_u128(1));
    /// let task = task.path("/old/");
    /// ```
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.items.push(DeleteItem { data_type: "delete_item", path: path.into() });
        self
    }

    /// Sets the submission id; see [`TransferTask::submission_id`](super::TransferTask::submission_id).
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// # let task = DeleteTask::new(uuid::Uuid::from_u128(1));
    /// let task = task.submission_id(uuid::Uuid::from_u128(3));
    /// ```
    pub fn submission_id(mut self, id: Uuid) -> Self {
        self.submission_id = Some(id);
        self
    }

    /// Sets the label; see [`TransferTask::label`](super::TransferTask::label).
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// # let task = DeleteTask::new(uuid::Uuid::from_u128(1));
    /// let task = task.label("clean up");
    /// ```
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Sets whether directories are deleted with their contents. Otherwise a directory is an error.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// # let task = DeleteTask::new(uuid::Uuid::from_u128(1));
    /// let task = task.recursive(true);
    /// ```
    pub fn recursive(mut self, recursive: bool) -> Self {
        self.recursive = recursive;
        self
    }

    /// Sets whether a missing path counts as deleted; not by default.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// # let task = DeleteTask::new(uuid::Uuid::from_u128(1));
    /// let task = task.ignore_missing(true);
    /// ```
    pub fn ignore_missing(mut self, ignore: bool) -> Self {
        self.ignore_missing = ignore;
        self
    }

    /// Sets whether `*`, `?` and `[…]` in the last component of a path are patterns; not by default.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// # let task = DeleteTask::new(uuid::Uuid::from_u128(1));
    /// let task = task.interpret_globs(true).path("/old/*.tmp");
    /// ```
    pub fn interpret_globs(mut self, interpret: bool) -> Self {
        self.interpret_globs = interpret;
        self
    }

    /// Sets the time at which Globus ends the task as failed, in whole seconds.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// # let task = DeleteTask::new(uuid::Uuid::from_u128(1));
    /// let task = task.deadline(jiff::Timestamp::now() + jiff::SignedDuration::from_hours(6));
    /// ```
    pub fn deadline(mut self, at: Timestamp) -> Self {
        self.deadline = Some(at);
        self
    }

    /// Sets whether Globus sends the account e-mails about the end of the task; it does by default.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// # let task = DeleteTask::new(uuid::Uuid::from_u128(1));
    /// let task = task.notify(false);
    /// ```
    pub fn notify(mut self, notify: bool) -> Self {
        self.notify = Notify::all(notify);
        self
    }

    /// The local account to use on a mapped collection where the identity maps to several.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// # let task = DeleteTask::new(uuid::Uuid::from_u128(1));
    /// let task = task.local_user("tomo");
    /// ```
    pub fn local_user(mut self, user: impl Into<String>) -> Self {
        self.local_user = Some(user.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn a_deletion_is_written_as_the_service_reads_it() {
        let task = DeleteTask::new(Uuid::nil()).recursive(true).path("/a/").notify(true);
        let written: Value = serde_json::to_value(&task).unwrap();
        assert_eq!(written["DATA"], json!([{ "DATA_TYPE": "delete_item", "path": "/a/" }]));
        assert_eq!((&written["recursive"], &written["ignore_missing"]), (&json!(true), &json!(false)));
        assert_eq!(written["notify_on_failed"], json!(true));
    }
}
