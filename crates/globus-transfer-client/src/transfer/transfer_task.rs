//! A transfer to hand in.
//!
//! Fields: <https://docs.globus.org/api/transfer/task_submit/>.

use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::submit::{ITEM_LIMIT, Notify};
use super::{FilterMethod, FilterType, Symlinks, SyncLevel};
use crate::lenient;

#[derive(Debug, Clone, Serialize)]
struct FilterRule {
    #[serde(rename = "DATA_TYPE")]
    data_type: &'static str,
    method: FilterMethod,
    name: String,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<FilterType>,
}

#[derive(Debug, Clone, Serialize)]
struct TransferItem {
    #[serde(rename = "DATA_TYPE")]
    data_type: &'static str,
    source_path: String,
    destination_path: String,
    recursive: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    external_checksum: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    checksum_algorithm: Option<String>,
}

/// A transfer to hand in with [`TransferHandler::submit_transfer`](super::TransferHandler::submit_transfer).
///
/// What isn't set is left to the service.
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
    /// A transfer from one collection to another, of nothing yet.
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

    /// Adds a file; the destination is its whole new path.
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

    /// Adds a file whose checksum is known: the task fails when source or destination has another one. The algorithm is
    /// the service's name for it, such as `MD5` or `SHA256`.
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

    /// Adds a directory with everything in it.
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

    /// The submission id, fetched with [`TransferHandler::submission_id`](super::TransferHandler::submission_id): the
    /// service makes only one task of all submissions under one id. Without it, one is fetched at submission.
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

    /// A name for people; at most 128 characters: letters, digits, spaces, commas, hyphens and underscores.
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

    /// Leaves alone what is the same at the destination.
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

    /// Whether checksums are compared after the transfer, and files sent again until they agree.
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

    /// Whether files keep their time of change.
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

    /// Whether the data is encrypted on its way.
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

    /// When the task fails if it hasn't ended by then; the service's default is a day, and longer while it progresses.
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

    /// Whether files that are missing or closed at the source are skipped; otherwise they are tried until the deadline.
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

    /// Whether a full destination ends the task; otherwise it is tried again until the deadline.
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

    /// Whether what isn't in the source directory is deleted in the destination directory.
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

    /// What happens to symbolic links inside directories.
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

    /// Whether Globus sends the account e-mails about the end of the task; it does by default.
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

    /// Lets names inside directories in or keeps them out, by a pattern with `*`, `?` and `[…]`. The first rule that
    /// fits decides; what no rule fits is transferred.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// # let (from, to) = (uuid::Uuid::from_u128(1), uuid::Uuid::from_u128(2));
    /// # let task = TransferTask::new(from, to);
    /// let task = task.filter(FilterMethod::Exclude, "*.tmp", Some(FilterType::File));
    /// ```
    pub fn filter(mut self, method: FilterMethod, pattern: impl Into<String>, only: Option<FilterType>) -> Self {
        self.filter_rules.push(FilterRule { data_type: "filter_rule", method, name: pattern.into(), kind: only });
        self
    }

    /// How many items it has.
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

    /// Whether it has none.
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

    /// Several transfers of at most [`ITEM_LIMIT`] items each, with the same settings; the submission id goes to none.
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
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_transfer_is_written_as_the_service_reads_it() {
        let task = TransferTask::new(Uuid::from_u128(1), Uuid::from_u128(2))
            .submission_id(Uuid::from_u128(3))
            .label("l")
            .sync_level(SyncLevel::Mtime)
            .verify_checksum(true)
            .preserve_timestamp(true)
            .encrypt(true)
            .deadline("2026-11-22T00:00:00.123456789Z".parse().unwrap())
            .skip_source_errors(true)
            .fail_on_quota_errors(true)
            .delete_destination_extra(false)
            .symlinks(Symlinks::Keep)
            .notify(false)
            .source_local_user("s")
            .destination_local_user("d")
            .filter(FilterMethod::Exclude, "*.tmp", Some(FilterType::File))
            .directory("/a/", "/b/")
            .file_with_checksum("/c", "/d", "00ff", "SHA256");
        let expected = json!({
            "DATA_TYPE": "transfer",
            "source_endpoint": "00000000-0000-0000-0000-000000000001",
            "destination_endpoint": "00000000-0000-0000-0000-000000000002",
            "submission_id": "00000000-0000-0000-0000-000000000003",
            "label": "l", "sync_level": 2, "verify_checksum": true, "preserve_timestamp": true, "encrypt_data": true,
            "deadline": "2026-11-22T00:00:00Z", "skip_source_errors": true, "fail_on_quota_errors": true,
            "delete_destination_extra": false, "recursive_symlinks": "keep",
            "notify_on_succeeded": false, "notify_on_failed": false, "notify_on_inactive": false,
            "source_local_user": "s", "destination_local_user": "d",
            "filter_rules": [{ "DATA_TYPE": "filter_rule", "method": "exclude", "name": "*.tmp", "type": "file" }],
            "DATA": [
                { "DATA_TYPE": "transfer_item", "source_path": "/a/", "destination_path": "/b/", "recursive": true },
                { "DATA_TYPE": "transfer_item", "source_path": "/c", "destination_path": "/d", "recursive": false,
                  "external_checksum": "00ff", "checksum_algorithm": "SHA256" },
            ],
        });
        assert_eq!(serde_json::to_value(&task).unwrap(), expected);
        let bare = serde_json::to_value(TransferTask::new(Uuid::nil(), Uuid::nil())).unwrap();
        assert_eq!(bare.as_object().unwrap().len(), 4, "what isn't set is left to the service: {bare}");
    }

    #[test]
    fn splitting_keeps_every_item_and_setting() {
        let mut task = TransferTask::new(Uuid::nil(), Uuid::nil()).label("l").submission_id(Uuid::nil());
        for n in 0..10 {
            task = task.file(format!("/s{n}"), format!("/d{n}"));
        }
        let parts = task.clone().split_at(4);
        assert_eq!(parts.iter().map(TransferTask::len).collect::<Vec<_>>(), [4, 4, 2]);
        let items: Vec<String> =
            parts.iter().flat_map(|part| &part.items).map(|item| item.source_path.clone()).collect();
        assert_eq!(items, (0..10).map(|n| format!("/s{n}")).collect::<Vec<_>>());
        assert!(parts.iter().all(|part| part.label.as_deref() == Some("l") && part.submission_id.is_none()));
        assert_eq!(task.split_at(10)[0].submission_id, Some(Uuid::nil()), "one that fits stays as it is");
    }
}
