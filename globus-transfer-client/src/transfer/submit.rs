//! Transfers and deletions to hand in.
//!
//! Fields: <https://docs.globus.org/api/transfer/task_submit/>.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::client::Core;
use crate::error::{Error, ErrorKind, Result};
use crate::http::Call;
use crate::signin::Service;

/// How many items one task can have; [`TransferTask::split`] makes several of a larger one.
pub const ITEM_LIMIT: usize = 100_000;

/// When a file at the destination counts as the one at the source, and is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncLevel {
    /// When there is one of that name.
    Exists,
    /// When it has the same size.
    Size,
    /// When it isn't older.
    Mtime,
    /// When it has the same checksum.
    Checksum,
}

impl Serialize for SyncLevel {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u8(match self {
            Self::Exists => 0,
            Self::Size => 1,
            Self::Mtime => 2,
            Self::Checksum => 3,
        })
    }
}

/// What happens to symbolic links inside directories that are transferred.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Symlinks {
    /// They are left out (the service's default).
    Ignore,
    /// They are made again as links.
    Keep,
    /// What they point to is copied.
    Copy,
}

/// Whether a filter rule lets a name in or keeps it out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FilterMethod {
    /// It is transferred, whatever later rules say.
    Include,
    /// It isn't transferred.
    Exclude,
}

/// What a filter rule is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FilterType {
    /// Files only.
    File,
    /// Directories only, with everything in them.
    Dir,
}

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
    source_endpoint: Uuid,
    destination_endpoint: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    submission_id: Option<Uuid>,
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
    #[serde(skip_serializing_if = "Option::is_none")]
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

#[derive(Debug, Clone, Default, Serialize)]
struct Notify {
    #[serde(skip_serializing_if = "Option::is_none")]
    notify_on_succeeded: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    notify_on_failed: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    notify_on_inactive: Option<bool>,
}

impl Notify {
    fn all(wanted: bool) -> Self {
        Self { notify_on_succeeded: Some(wanted), notify_on_failed: Some(wanted), notify_on_inactive: Some(wanted) }
    }
}

impl TransferTask {
    /// A transfer from one collection to another, of nothing yet.
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
    pub fn file(self, source: impl Into<String>, destination: impl Into<String>) -> Self {
        self.item(source.into(), destination.into(), false, None)
    }

    /// Adds a file whose checksum is known: the task fails when source or destination has another one. The algorithm is
    /// the service's name for it, such as `MD5` or `SHA256`.
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
    pub fn submission_id(mut self, id: Uuid) -> Self {
        self.submission_id = Some(id);
        self
    }

    /// A name for people; at most 128 characters: letters, digits, spaces, commas, hyphens and underscores.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Leaves alone what is the same at the destination.
    pub fn sync_level(mut self, level: SyncLevel) -> Self {
        self.sync_level = Some(level);
        self
    }

    /// Whether checksums are compared after the transfer, and files sent again until they agree.
    pub fn verify_checksum(mut self, verify: bool) -> Self {
        self.verify_checksum = Some(verify);
        self
    }

    /// Whether files keep their time of change.
    pub fn preserve_timestamp(mut self, preserve: bool) -> Self {
        self.preserve_timestamp = Some(preserve);
        self
    }

    /// Whether the data is encrypted on its way.
    pub fn encrypt(mut self, encrypt: bool) -> Self {
        self.encrypt_data = Some(encrypt);
        self
    }

    /// When the task fails if it hasn't ended by then; the service's default is a day, and longer while it progresses.
    pub fn deadline(mut self, at: Timestamp) -> Self {
        self.deadline = Some(at);
        self
    }

    /// Whether files that are missing or closed at the source are skipped; otherwise they are tried until the deadline.
    pub fn skip_source_errors(mut self, skip: bool) -> Self {
        self.skip_source_errors = Some(skip);
        self
    }

    /// Whether a full destination ends the task; otherwise it is tried again until the deadline.
    pub fn fail_on_quota_errors(mut self, fail: bool) -> Self {
        self.fail_on_quota_errors = Some(fail);
        self
    }

    /// Whether what isn't in the source directory is deleted in the destination directory.
    pub fn delete_destination_extra(mut self, delete: bool) -> Self {
        self.delete_destination_extra = Some(delete);
        self
    }

    /// What happens to symbolic links inside directories.
    pub fn symlinks(mut self, symlinks: Symlinks) -> Self {
        self.recursive_symlinks = Some(symlinks);
        self
    }

    /// Whether Globus sends the account e-mails about the end of the task; it does by default.
    pub fn notify(mut self, notify: bool) -> Self {
        self.notify = Notify::all(notify);
        self
    }

    /// The local account to use at the source, where the identity maps to several.
    pub fn source_local_user(mut self, user: impl Into<String>) -> Self {
        self.source_local_user = Some(user.into());
        self
    }

    /// The local account to use at the destination, where the identity maps to several.
    pub fn destination_local_user(mut self, user: impl Into<String>) -> Self {
        self.destination_local_user = Some(user.into());
        self
    }

    /// Lets names inside directories in or keeps them out, by a pattern with `*`, `?` and `[…]`. The first rule that
    /// fits decides; what no rule fits is transferred.
    pub fn filter(mut self, method: FilterMethod, pattern: impl Into<String>, only: Option<FilterType>) -> Self {
        self.filter_rules.push(FilterRule { data_type: "filter_rule", method, name: pattern.into(), kind: only });
        self
    }

    /// How many items it has.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether it has none.
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

#[derive(Debug, Clone, Serialize)]
struct DeleteItem {
    #[serde(rename = "DATA_TYPE")]
    data_type: &'static str,
    path: String,
}

/// A deletion to hand in with [`TransferHandler::submit_delete`](super::TransferHandler::submit_delete).
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
    endpoint: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    submission_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    recursive: bool,
    ignore_missing: bool,
    interpret_globs: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    deadline: Option<Timestamp>,
    #[serde(flatten)]
    notify: Notify,
    #[serde(skip_serializing_if = "Option::is_none")]
    local_user: Option<String>,
    #[serde(rename = "DATA")]
    items: Vec<DeleteItem>,
}

impl DeleteTask {
    /// A deletion on a collection, of nothing yet.
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
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.items.push(DeleteItem { data_type: "delete_item", path: path.into() });
        self
    }

    /// As [`TransferTask::submission_id`].
    pub fn submission_id(mut self, id: Uuid) -> Self {
        self.submission_id = Some(id);
        self
    }

    /// A name for people, as [`TransferTask::label`].
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Whether directories are deleted with everything in them; without it, a directory is an error.
    pub fn recursive(mut self, recursive: bool) -> Self {
        self.recursive = recursive;
        self
    }

    /// Whether what isn't there counts as deleted.
    pub fn ignore_missing(mut self, ignore: bool) -> Self {
        self.ignore_missing = ignore;
        self
    }

    /// Whether `*`, `?` and `[…]` in the last part of a path stand for many names.
    pub fn interpret_globs(mut self, interpret: bool) -> Self {
        self.interpret_globs = interpret;
        self
    }

    /// When the task fails if it hasn't ended by then.
    pub fn deadline(mut self, at: Timestamp) -> Self {
        self.deadline = Some(at);
        self
    }

    /// Whether Globus sends the account e-mails about the end of the task; it does by default.
    pub fn notify(mut self, notify: bool) -> Self {
        self.notify = Notify::all(notify);
        self
    }

    /// The local account to use on a mapped collection where the identity maps to several.
    pub fn local_user(mut self, user: impl Into<String>) -> Self {
        self.local_user = Some(user.into());
        self
    }
}

/// What came of a submission.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Submitted {
    /// The task.
    pub task_id: Uuid,
    /// The id under which it was handed in.
    pub submission_id: Uuid,
    /// `Accepted`, or `Duplicate` when there was a task of this submission id.
    pub code: String,
    /// What the service says.
    pub message: String,
}

impl Submitted {
    /// Whether an earlier submission under the same id had made the task.
    pub fn is_duplicate(&self) -> bool {
        self.code == "Duplicate"
    }
}

pub(super) async fn submission_id(core: &Core) -> Result<Uuid> {
    #[derive(Deserialize)]
    struct Answer {
        value: Uuid,
    }
    let url = core.transfer_endpoint(&["submission_id"])?;
    let answer: Answer = core.call(Service::Transfer, Call::get(url, "get a submission id")).await?;
    Ok(answer.value)
}

pub(super) async fn submit_transfer(core: &Core, mut task: TransferTask) -> Result<Submitted> {
    let tried = format!("hand in a transfer from collection {} to {}", task.source_endpoint, task.destination_endpoint);
    refuse_wrong_size(&tried, task.len())?;
    if task.submission_id.is_none() {
        task.submission_id = Some(submission_id(core).await?);
    }
    submit(core, "transfer", tried, &task).await
}

pub(super) async fn submit_delete(core: &Core, mut task: DeleteTask) -> Result<Submitted> {
    let tried = format!("hand in a deletion on collection {}", task.endpoint);
    refuse_wrong_size(&tried, task.items.len())?;
    if task.submission_id.is_none() {
        task.submission_id = Some(submission_id(core).await?);
    }
    submit(core, "delete", tried, &task).await
}

async fn submit(core: &Core, what: &str, tried: String, document: &impl Serialize) -> Result<Submitted> {
    // The submission id makes it safe: all submissions under one id are one task.
    let call = Call::post(core.transfer_endpoint(&[what])?, tried, document)?.harmless();
    core.call(Service::Transfer, call).await
}

fn refuse_wrong_size(tried: &str, items: usize) -> Result<()> {
    let why = match items {
        0 => "there is nothing in it".to_owned(),
        items if items > ITEM_LIMIT => format!("it has {items} items, and a task can have {ITEM_LIMIT}: split it"),
        _ => return Ok(()),
    };
    Err(Error::local(ErrorKind::InvalidRequest, tried, why))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn a_transfer_is_written_as_the_service_reads_it() {
        let task = TransferTask::new(Uuid::from_u128(1), Uuid::from_u128(2))
            .submission_id(Uuid::from_u128(3))
            .label("l")
            .sync_level(SyncLevel::Mtime)
            .verify_checksum(true)
            .preserve_timestamp(true)
            .encrypt(true)
            .deadline("2026-11-22T00:00:00Z".parse().unwrap())
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

    #[test]
    fn a_deletion_is_written_as_the_service_reads_it() {
        let task = DeleteTask::new(Uuid::nil()).recursive(true).path("/a/").notify(true);
        let written: Value = serde_json::to_value(&task).unwrap();
        assert_eq!(written["DATA"], json!([{ "DATA_TYPE": "delete_item", "path": "/a/" }]));
        assert_eq!((&written["recursive"], &written["ignore_missing"]), (&json!(true), &json!(false)));
        assert_eq!(written["notify_on_failed"], json!(true));
    }
}
