use super::directories::{Directories, set_has_new};
use super::file::{Tally, joined, read_stat, split};
use super::number::TaskNumber;
use super::words::words;
use super::{FileRow, FileState, Manifest, ManifestError, PairId, conversion, now, parsed, some_parsed};
use crate::openat::DirectoryIdentity;
use crate::walk::Stat;
use jiff::Timestamp;
use rusqlite::{OptionalExtension, Row, Transaction, params};
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use uuid::Uuid;

/// What a task does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskKind {
    /// Copies files
    Transfer,
    /// Removes files at the source (clean-up of a source that is not on this machine)
    Delete,
}

/// How far a task has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskState {
    /// Written down; the service has not answered yet
    Submitting,
    /// The service has it
    Active,
    /// Ended well
    Succeeded,
    /// Ended with an error, or the service refused it
    Failed,
    /// Ended by someone, or by its deadline
    Cancelled,
}

/// A task to be submitted.
#[derive(Clone, Debug)]
pub struct NewTask {
    /// Under which it is submitted, however often
    pub submission_id: Uuid,
    /// The parameters it is asked for with, as whoever resubmits it needs them
    pub request: Value,
    /// Whether the service compares checksums after copying; only what such a task sent may ever be removed
    pub verified: bool,
}

/// A task of the manifest.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskRow {
    /// Its number
    pub number: TaskNumber,
    /// Whose it is
    pub pair: PairId,
    /// What it does
    pub kind: TaskKind,
    /// Under which it is submitted
    pub submission_id: Uuid,
    /// The service's id, once it has answered
    pub task_id: Option<Uuid>,
    /// How far it has come
    pub state: TaskState,
    /// The parameters it is asked for with
    pub request: Value,
    /// Whether the service compares checksums
    pub verified: bool,
    /// Files asked for
    pub files: u64,
    /// Their bytes
    pub bytes: u64,
    /// When it was recorded
    pub begun_at: Timestamp,
    /// When the service had answered
    pub submitted_at: Option<Timestamp>,
    /// When its end was recorded
    pub ended_at: Option<Timestamp>,
    /// Files in its successful transfers
    pub files_sent: u64,
    /// Their bytes
    pub bytes_sent: u64,
    /// Faults on the way
    pub faults: u64,
    /// Why it failed, or what else is to be told
    pub words: Option<String>,
    /// Under which the deletion of files is submitted that the task copied from elsewhere
    pub recall_submission_id: Option<Uuid>,
}

/// A file as it was when its task began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskFile {
    /// Below the pair's top
    pub path: PathBuf,
    /// As it was
    pub stat: Stat,
}

/// A directory on the way to a task's files, as it was when the task began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskDirectory {
    /// Below the fixed part of the source's path; the fixed part itself is the empty path
    pub path: PathBuf,
    /// What told it from any other
    pub identity: DirectoryIdentity,
}

impl Manifest {
    /// Writes a transfer task down, before it is submitted, with those of the files that are still new and as
    /// they were read, and the directories on the way to them; the files are `sending` from now on. None
    /// where no file is left.
    ///
    /// # Errors
    /// [`ManifestError::TaskUnderWay`] where the pair has a task that has not ended.
    pub async fn begin_task(
        &self,
        pair: PairId,
        task: NewTask,
        files: Vec<FileRow>,
        directories: Vec<TaskDirectory>,
    ) -> Result<Option<(TaskRow, Vec<TaskFile>)>, ManifestError> {
        self.write_without_task(pair, move |transaction| {
            let number = insert(transaction, pair, TaskKind::Transfer, &task)?;
            let (mut tally, mut with_new) = (Tally::default(), BTreeSet::new());
            let (mut taken, mut bytes) = (Vec::with_capacity(files.len()), 0_u64);
            let mut directory_of = Directories::new(transaction, pair)?;
            let mut take = transaction.prepare_cached(
                "UPDATE file SET state = ?1, task = ?2 WHERE directory = ?3 AND name = ?4 AND state = ?5 \
                 AND size = ?6 AND mtime = ?7 AND ctime = ?8 AND inode = ?9 AND gone IS NULL",
            )?;
            let mut keep = transaction.prepare_cached(
                "INSERT INTO task_file (task, directory, name, size, mtime, ctime, inode) VALUES (?1, ?2, \
                 ?3, ?4, ?5, ?6, ?7)",
            )?;
            for FileRow { path, stat, .. } in files {
                let (directory, name) = split(&path);
                let Some(directory) = directory_of.find(directory)? else { continue };
                let (size, inode) = (stat.size as i64, stat.inode as i64);
                let (new, sending) = (FileState::New, FileState::Sending);
                if take.execute(params![
                    sending, number.0, directory, name, new, size, stat.mtime, stat.ctime, inode
                ])? == 0
                {
                    continue;
                }
                keep.execute(params![number.0, directory, name, size, stat.mtime, stat.ctime, inode])?;
                tally.take(new, stat.size);
                tally.add(sending, stat.size);
                with_new.insert(directory);
                bytes = bytes.saturating_add(stat.size);
                taken.push(TaskFile { path, stat });
            }
            if taken.is_empty() {
                transaction.execute("DELETE FROM task WHERE number = ?1", [number.0])?;
                return Ok(None);
            }
            let mut way = transaction.prepare_cached(
                "INSERT INTO task_directory (task, path, device, inode, ctime) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?;
            for TaskDirectory { path, identity } in directories {
                let DirectoryIdentity { device, inode, ctime } = identity;
                way.execute(params![
                    number.0,
                    path.as_os_str().as_bytes(),
                    device as i64,
                    inode as i64,
                    ctime
                ])?;
            }
            set_has_new(transaction, with_new)?;
            tally.write(transaction, pair)?;
            transaction.execute(
                "UPDATE task SET files = ?2, bytes = ?3 WHERE number = ?1",
                params![number.0, taken.len() as i64, bytes as i64],
            )?;
            Ok(find(transaction, number)?.map(|row| (row, taken)))
        })
        .await
    }

    /// The service has answered with its id.
    pub async fn task_submitted(&self, task: TaskNumber, task_id: Uuid) -> Result<(), ManifestError> {
        self.write(move |transaction| {
            transaction.execute(
                "UPDATE task SET task_id = ?2, state = ?3, submitted_at = ?4 WHERE number = ?1 AND ended_at \
                 IS NULL",
                params![task.0, task_id.to_string(), TaskState::Active.word(), now()],
            )?;
            Ok(())
        })
        .await
    }

    /// The pair's task that has not ended: to be submitted (again, under its own submission id) or followed.
    pub async fn unfinished_task(&self, pair: PairId) -> Result<Option<TaskRow>, ManifestError> {
        self.read(move |transaction| {
            transaction
                .prepare_cached("SELECT * FROM task WHERE pair = ?1 AND ended_at IS NULL")?
                .query_row([pair.0], read_task)
                .optional()
        })
        .await
    }

    /// The pair's newest tasks, newest first.
    pub async fn tasks(&self, pair: PairId, limit: usize) -> Result<Vec<TaskRow>, ManifestError> {
        self.read(move |transaction| {
            transaction
                .prepare_cached("SELECT * FROM task WHERE pair = ?1 ORDER BY number DESC LIMIT ?2")?
                .query_map(params![pair.0, limit as i64], read_task)?
                .collect()
        })
        .await
    }

    /// The files of a task that has not ended, as they were when it began, always in the same order.
    pub async fn task_files(&self, task: TaskNumber) -> Result<Vec<TaskFile>, ManifestError> {
        self.read(move |transaction| {
            transaction
                .prepare_cached(
                    "SELECT directory.path, task_file.name, size, mtime, ctime, inode FROM task_file \
                     JOIN directory ON directory.id = task_file.directory WHERE task = ?1 \
                     ORDER BY directory.path, task_file.name",
                )?
                .query_map([task.0], |row| {
                    let path = joined(row.get_ref(0)?.as_blob()?, row.get_ref(1)?.as_blob()?);
                    Ok(TaskFile { path, stat: read_stat(row, 2)? })
                })?
                .collect()
        })
        .await
    }

    /// The directories on the way to the files of a task that has not ended, by their paths below the fixed
    /// part of the source's path.
    pub async fn task_directories(
        &self,
        task: TaskNumber,
    ) -> Result<HashMap<PathBuf, DirectoryIdentity>, ManifestError> {
        self.read(move |transaction| {
            transaction
                .prepare_cached("SELECT path, device, inode, ctime FROM task_directory WHERE task = ?1")?
                .query_map([task.0], |row| {
                    let identity = DirectoryIdentity {
                        device: row.get::<_, i64>(1)? as u64,
                        inode: row.get::<_, i64>(2)? as u64,
                        ctime: row.get(3)?,
                    };
                    Ok((joined(b"", row.get_ref(0)?.as_blob()?), identity))
                })?
                .collect()
        })
        .await
    }

    /// The submission id under which files are deleted that the task copied from elsewhere; `None` takes it
    /// away.
    pub async fn set_recall(
        &self,
        task: TaskNumber,
        submission_id: Option<Uuid>,
    ) -> Result<(), ManifestError> {
        self.write(move |transaction| {
            let id = submission_id.map(|id| id.to_string());
            transaction
                .execute("UPDATE task SET recall_submission_id = ?2 WHERE number = ?1", params![task.0, id])
                .map(|_| ())
        })
        .await
    }
}

/// The pair's task that has not ended.
pub(super) fn under_way(transaction: &Transaction<'_>, pair: PairId) -> rusqlite::Result<Option<TaskNumber>> {
    let sql = "SELECT number FROM task WHERE pair = ?1 AND ended_at IS NULL";
    transaction.query_row(sql, [pair.0], |row| row.get(0).map(TaskNumber)).optional()
}

/// Records a task; its files follow.
pub(super) fn insert(
    transaction: &Transaction<'_>,
    pair: PairId,
    kind: TaskKind,
    task: &NewTask,
) -> rusqlite::Result<TaskNumber> {
    transaction.execute(
        "INSERT INTO task (pair, kind, submission_id, state, request, verified, files, bytes, begun_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, 0, ?7)",
        params![
            pair.0,
            kind.word(),
            task.submission_id.to_string(),
            TaskState::Submitting.word(),
            task.request.to_string(),
            task.verified,
            now(),
        ],
    )?;
    Ok(TaskNumber(transaction.last_insert_rowid()))
}

pub(super) fn find(transaction: &Transaction<'_>, task: TaskNumber) -> rusqlite::Result<Option<TaskRow>> {
    transaction
        .prepare_cached("SELECT * FROM task WHERE number = ?1")?
        .query_row([task.0], read_task)
        .optional()
}

fn read_task(row: &Row<'_>) -> rusqlite::Result<TaskRow> {
    let number = |column| row.get::<_, i64>(column).map(|number| number as u64);
    Ok(TaskRow {
        number: TaskNumber(row.get("number")?),
        pair: PairId(row.get("pair")?),
        kind: parsed(row, "kind")?,
        submission_id: parsed(row, "submission_id")?,
        task_id: some_parsed(row, "task_id")?,
        state: parsed(row, "state")?,
        request: serde_json::from_str(&row.get::<_, String>("request")?)
            .map_err(|error| conversion(row, "request", Box::new(error)))?,
        verified: row.get("verified")?,
        files: number("files")?,
        bytes: number("bytes")?,
        begun_at: parsed(row, "begun_at")?,
        submitted_at: some_parsed(row, "submitted_at")?,
        ended_at: some_parsed(row, "ended_at")?,
        files_sent: number("files_sent")?,
        bytes_sent: number("bytes_sent")?,
        faults: number("faults")?,
        words: row.get("words")?,
        recall_submission_id: some_parsed(row, "recall_submission_id")?,
    })
}

words!(TaskKind { Transfer = "transfer", Delete = "delete" });
words!(TaskState {
    Submitting = "submitting",
    Active = "active",
    Succeeded = "succeeded",
    Failed = "failed",
    Cancelled = "cancelled",
});
