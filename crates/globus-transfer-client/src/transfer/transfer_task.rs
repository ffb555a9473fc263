//! A transfer to submit.
//!
//! Fields: <https://docs.globus.org/api/transfer/task_submit/>.

use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::submit::{ITEM_LIMIT, Notify};
use super::transfer_items::{FilterRule, TransferItem};
use super::{FilterMethod, FilterType, Symlinks, SyncLevel};
use crate::lenient;

/// A transfer to submit with [`TransferHandler::submit_transfer`](super::TransferHandler::submit_transfer).
///
/// The service decides what isn't set.
///
/// ```
/// use globus_transfer_client::{FilterMethod, SyncLevel, TransferTask};
///
/// let (detector, archive) = (uuid::Uuid::from_u128(1), uuid::Uuid::from_u128(2));
/// let task = TransferTask::new(detector, archive)
///     .label("2026-03 Li")
///     .sync_level(SyncLevel::Checksum)
///     .verify_checksum(true)
///     .preserve_timestamp(true)
///     .filter(FilterMethod::Exclude, "*.tmp", None)
///     .directory("/data/2026-03/Li/", "/2026-03/Li/")
///     .file("/data/notes.txt", "/2026-03/notes.txt");
/// assert_eq!(task.len(), 2);
/// ```
#[derive(Debug, Clone, Serialize)]
pub struct TransferTask {
    #[serde(rename = "DATA_TYPE")]
    data_type: &'static str,
    pub(super) source_endpoint: Uuid,
    pub(super) destination_endpoint: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) submission_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sync_level: Option<SyncLevel>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verify_checksum: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    preserve_timestamp: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encrypt_data: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "lenient::write_deadline")]
    deadline: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    skip_source_errors: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fail_on_quota_errors: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delete_destination_extra: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recursive_symlinks: Option<Symlinks>,
    #[serde(flatten)]
    notify: Notify,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_local_user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    destination_local_user: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    filter_rules: Vec<FilterRule>,
    #[serde(rename = "DATA")]
    items: Vec<TransferItem>,
}

impl TransferTask {
    /// A transfer from one collection to another, without items.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// let (from, to) = (uuid::Uuid::from_u128(1), uuid::Uuid::from_u128(2));
    /// let task = TransferTask::new(from, to);
    /// ```
    pub fn new(source: Uuid, destination: Uuid) -> Self {
        Self {
            data_type: "transfer",
            source_endpoint: source,
            destination_endpoint: destination,
            submission_id: None,
            label: None,
            sync_level: None,
            verify_checksum: None,
            preserve_timestamp: None,
            encrypt_data: None,
            deadline: None,
            skip_source_errors: None,
            fail_on_quota_errors: None,
            delete_destination_extra: None,
            recursive_symlinks: None,
            notify: Notify::default(),
            source_local_user: None,
            destination_local_user: None,
            filter_rules: Vec::new(),
            items: Vec::new(),
        }
    }

    /// Adds a file. The destination is its full new path.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// # let (from, to) = (uuid::Uuid::from_u128(1), uuid::Uuid::from_u128(2));
    /// # let task = TransferTask::new(from, to);
    /// let task = task.file("/a/scan.h5", "/b/scan.h5");
    /// ```
    pub fn file(self, source: impl Into<String>, destination: impl Into<String>) -> Self {
        self.item(source.into(), destination.into(), false, None)
    }

    /// Adds a file with a known checksum: the task fails when the source or destination has another one. The
    /// algorithm is the service's name for it, such as `MD5` or `SHA256`.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// # let (from, to) = (uuid::Uuid::from_u128(1), uuid::Uuid::from_u128(2));
    /// # let task = TransferTask::new(from, to);
    /// let task = task.file_with_checksum("/a/scan.h5", "/b/scan.h5", "9f86d081…", "SHA256");
    /// ```
    pub fn file_with_checksum(
        self,
        source: impl Into<String>,
        destination: impl Into<String>,
        checksum: impl Into<String>,
        algorithm: impl Into<String>,
    ) -> Self {
        self.item(source.into(), destination.into(), false, Some((checksum.into(), algorithm.into())))
    }

    /// Adds a directory with its contents.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// # let (from, to) = (uuid::Uuid::from_u128(1), uuid::Uuid::from_u128(2));
    /// # let task = TransferTask::new(from, to);
    /// let task = task.directory("/a/", "/b/");
    /// ```
    pub fn directory(self, source: impl Into<String>, destination: impl Into<String>) -> Self {
        self.item(source.into(), destination.into(), true, None)
    }

    fn item(
        mut self,
        source: String,
        destination: String,
        recursive: bool,
        checksum: Option<(String, String)>,
    ) -> Self {
        let (external_checksum, checksum_algorithm) = checksum.unzip();
        self.items.push(TransferItem {
            data_type: "transfer_item",
            source_path: source,
            destination_path: destination,
            recursive,
            external_checksum,
            checksum_algorithm,
        });
        self
    }

    /// Sets the submission id, fetched with
    /// [`TransferHandler::submission_id`](super::TransferHandler::submission_id): the service creates only
    /// one task for all submissions under one id. Without it, one is fetched at submission.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// # let (from, to) = (uuid::Uuid::from_u128(1), uuid::Uuid::from_u128(2));
    /// # let task = TransferTask::new(from, to);
    /// let task = task.submission_id(uuid::Uuid::from_u128(3));
    /// ```
    pub fn submission_id(mut self, id: Uuid) -> Self {
        self.submission_id = Some(id);
        self
    }

    /// Sets the label: at most 128 characters: letters, digits, spaces, commas, hyphens and underscores.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// # let (from, to) = (uuid::Uuid::from_u128(1), uuid::Uuid::from_u128(2));
    /// # let task = TransferTask::new(from, to);
    /// let task = task.label("2026-03 Li");
    /// ```
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Skips files that are up to date at the destination.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// # let (from, to) = (uuid::Uuid::from_u128(1), uuid::Uuid::from_u128(2));
    /// # let task = TransferTask::new(from, to);
    /// let task = task.sync_level(SyncLevel::Checksum);
    /// ```
    pub fn sync_level(mut self, level: SyncLevel) -> Self {
        self.sync_level = Some(level);
        self
    }

    /// Sets whether checksums are compared after the transfer, and files transferred again until they match.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// # let (from, to) = (uuid::Uuid::from_u128(1), uuid::Uuid::from_u128(2));
    /// # let task = TransferTask::new(from, to);
    /// let task = task.verify_checksum(true);
    /// ```
    pub fn verify_checksum(mut self, verify: bool) -> Self {
        self.verify_checksum = Some(verify);
        self
    }

    /// Sets whether files keep their modification time.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// # let (from, to) = (uuid::Uuid::from_u128(1), uuid::Uuid::from_u128(2));
    /// # let task = TransferTask::new(from, to);
    /// let task = task.preserve_timestamp(true);
    /// ```
    pub fn preserve_timestamp(mut self, preserve: bool) -> Self {
        self.preserve_timestamp = Some(preserve);
        self
    }

    /// Sets whether the data is encrypted in transit.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// # let (from, to) = (uuid::Uuid::from_u128(1), uuid::Uuid::from_u128(2));
    /// # let task = TransferTask::new(from, to);
    /// let task = task.encrypt(true);
    /// ```
    pub fn encrypt(mut self, encrypt: bool) -> Self {
        self.encrypt_data = Some(encrypt);
        self
    }

    /// Sets the time at which Globus ends the task as failed, in whole seconds. The default is a day, and
    /// longer while the task progresses.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// # let (from, to) = (uuid::Uuid::from_u128(1), uuid::Uuid::from_u128(2));
    /// # let task = TransferTask::new(from, to);
    /// let task = task.deadline(jiff::Timestamp::now() + jiff::SignedDuration::from_hours(6));
    /// ```
    pub fn deadline(mut self, at: Timestamp) -> Self {
        self.deadline = Some(at);
        self
    }

    /// Sets whether files that are missing or unreadable at the source are skipped. Otherwise they are
    /// retried until the deadline.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// # let (from, to) = (uuid::Uuid::from_u128(1), uuid::Uuid::from_u128(2));
    /// # let task = TransferTask::new(from, to);
    /// let task = task.skip_source_errors(true);
    /// ```
    pub fn skip_source_errors(mut self, skip: bool) -> Self {
        self.skip_source_errors = Some(skip);
        self
    }

    /// Sets whether a full destination ends the task. Otherwise the task retries until its deadline.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// # let (from, to) = (uuid::Uuid::from_u128(1), uuid::Uuid::from_u128(2));
    /// # let task = TransferTask::new(from, to);
    /// let task = task.fail_on_quota_errors(true);
    /// ```
    pub fn fail_on_quota_errors(mut self, fail: bool) -> Self {
        self.fail_on_quota_errors = Some(fail);
        self
    }

    /// Sets whether files that aren't in the source directory are deleted from the destination directory.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// # let (from, to) = (uuid::Uuid::from_u128(1), uuid::Uuid::from_u128(2));
    /// # let task = TransferTask::new(from, to);
    /// let task = task.delete_destination_extra(true);
    /// ```
    pub fn delete_destination_extra(mut self, delete: bool) -> Self {
        self.delete_destination_extra = Some(delete);
        self
    }

    /// Sets the treatment of symbolic links inside directories.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// # let (from, to) = (uuid::Uuid::from_u128(1), uuid::Uuid::from_u128(2));
    /// # let task = TransferTask::new(from, to);
    /// let task = task.symlinks(Symlinks::Keep);
    /// ```
    pub fn symlinks(mut self, symlinks: Symlinks) -> Self {
        self.recursive_symlinks = Some(symlinks);
        self
    }

    /// Sets whether Globus sends the account e-mails about the end of the task; it does by default.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// # let (from, to) = (uuid::Uuid::from_u128(1), uuid::Uuid::from_u128(2));
    /// # let task = TransferTask::new(from, to);
    /// let task = task.notify(false);
    /// ```
    pub fn notify(mut self, notify: bool) -> Self {
        self.notify = Notify::all(notify);
        self
    }

    /// The local account to use at the source, where the identity maps to several.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// # let (from, to) = (uuid::Uuid::from_u128(1), uuid::Uuid::from_u128(2));
    /// # let task = TransferTask::new(from, to);
    /// let task = task.source_local_user("tomo");
    /// ```
    pub fn source_local_user(mut self, user: impl Into<String>) -> Self {
        self.source_local_user = Some(user.into());
        self
    }

    /// The local account to use at the destination, where the identity maps to several.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// # let (from, to) = (uuid::Uuid::from_u128(1), uuid::Uuid::from_u128(2));
    /// # let task = TransferTask::new(from, to);
    /// let task = task.destination_local_user("tomo");
    /// ```
    pub fn destination_local_user(mut self, user: impl Into<String>) -> Self {
        self.destination_local_user = Some(user.into());
        self
    }

    /// Includes or excludes names inside directories, by a pattern with `*`, `?` and `[…]`. The first rule
    /// that matches decides; names without a matching rule are transferred.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// # let (from, to) = (uuid::Uuid::from_u128(1), uuid::Uuid::from_u128(2));
    /// # let task = TransferTask::new(from, to);
    /// let task = task.filter(FilterMethod::Exclude, "*.tmp", Some(FilterType::File));
    /// ```
    pub fn filter(
        mut self,
        method: FilterMethod,
        pattern: impl Into<String>,
        only: Option<FilterType>,
    ) -> Self {
        self.filter_rules.push(FilterRule {
            data_type: "filter_rule",
            method,
            name: pattern.into(),
            kind: only,
        });
        self
    }

    /// The number of items.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// # let (from, to) = (uuid::Uuid::from_u128(1), uuid::Uuid::from_u128(2));
    /// # let task = TransferTask::new(from, to);
    /// assert_eq!(task.file("/a", "/b").len(), 1);
    /// ```
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether it has no items.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// # let (from, to) = (uuid::Uuid::from_u128(1), uuid::Uuid::from_u128(2));
    /// # let task = TransferTask::new(from, to);
    /// assert!(task.is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Splits it into transfers of at most [`ITEM_LIMIT`] items each, with the same settings and without a
    /// submission id.
    ///
    /// ```
    /// # use globus_transfer_client::TransferTask;
    /// let mut task = TransferTask::new(uuid::Uuid::from_u128(1), uuid::Uuid::from_u128(2));
    /// for n in 0..250_000 {
    ///     task = task.file(format!("/a/{n}"), format!("/b/{n}"));
    /// }
    /// let sizes: Vec<usize> = task.split().iter().map(TransferTask::len).collect();
    /// assert_eq!(sizes, [100_000, 100_000, 50_000]);
    /// ```
    pub fn split(self) -> Vec<TransferTask> {
        self.split_at(ITEM_LIMIT)
    }

    fn split_at(mut self, limit: usize) -> Vec<TransferTask> {
        if self.items.len() <= limit {
            return vec![self];
        }
        self.submission_id = None;
        let mut rest = std::mem::take(&mut self.items);
        let mut parts = Vec::new();
        while !rest.is_empty() {
            let later = rest.split_off(rest.len().min(limit));
            parts.push(Self { items: std::mem::replace(&mut rest, later), ..self.clone() });
        }
        parts
    }
}

#[cfg(test)]
#[path = "transfer_task_tests.rs"]
mod tests;
